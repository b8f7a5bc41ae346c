"""Where the shared data are: ``WOLTER_TEST_DATA``, by default ``../shared/data`` beside the checkout.

Without the folder the tests that need it skip with a reason; with ``CI=true`` its absence is a failure.
The golden outputs of the reference software lie beside it, in ``../golden``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("WOLTER_TEST_DATA") or ROOT.parent / "shared" / "data").resolve()
GOLDEN = DATA.parent / "golden"


def _need(path: Path) -> Path:
    if path.exists():
        return path
    message = f"{path} is missing (set WOLTER_TEST_DATA to the shared data folder)"
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def shared():
    """Function: path inside the shared data folder, or skip."""
    return lambda *parts: _need(DATA.joinpath(*parts))


@pytest.fixture(scope="session")
def golden():
    """Function: path inside the folder of reference-software outputs, or skip."""
    return lambda *parts: _need(GOLDEN.joinpath(*parts))


@pytest.fixture
def run(capsys):
    """Function: exit status, stdout and stderr of a command line."""

    def call(*words):
        from wolter.cli import main

        capsys.readouterr()
        status = 0
        try:
            main([str(w) for w in words])
        except SystemExit as end:
            status = int(end.code or 0)
        out, err = capsys.readouterr()
        return status, out, err

    return call
