# The README's two commands are `make demo` and `make test`; both start from nothing but Python >= 3.11.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: env demo test slow lint bench clean

env: .stamp-env

.stamp-env: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/installed.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/installed.txt -e '.[servers]'
	touch $@

demo: env
	$(BIN)/wolter demo --output demo-output

test: env
	$(BIN)/python -m pytest

slow: env
	$(BIN)/python -m pytest -m slow

lint: env
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: env
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .stamp-env build dist demo-output .pytest_cache .ruff_cache
