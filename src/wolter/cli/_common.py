"""What the verbs share: option types, JSON output, messages."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

__all__ = [
    "AXIS",
    "ENERGY_RANGE",
    "LEVELS",
    "RESPONSES",
    "check_targets",
    "emit",
    "example",
    "json_option",
    "jsonable",
    "kev",
    "note",
    "output_folder",
    "overwrite_option",
    "polite_warnings",
    "products_folder",
    "report_interruption",
    "save_figure",
    "seconds",
    "write_json",
]


def note(message: str) -> None:
    """Message for the person, on stderr."""
    click.echo(message, err=True)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout, logs on stderr."
    )(function)


def overwrite_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--overwrite``."""
    return click.option("--overwrite", is_flag=True, help="Replace existing files.")(function)


def example(*lines: str) -> str:
    """Epilogue of a command's help with an example."""
    return "\b\nExample:\n" + "\n".join("  " + line for line in lines)


def jsonable(value: Any) -> Any:
    """A value as JSON knows it: arrays become lists, NaN and infinities null, paths text."""
    if isinstance(value, dict):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(v) for v in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def emit(result: dict[str, Any], as_json: bool, text: Callable[[], str] | str) -> None:
    """Print the result: JSON for machines, otherwise the text for people."""
    click.echo(json.dumps(jsonable(result)) if as_json else (text if isinstance(text, str) else text()))


def write_json(path: str | Path, result: dict[str, Any], *, overwrite: bool) -> None:
    """Write a result as JSON, atomically."""
    from wolter.fits import atomic_path

    with atomic_path(path, overwrite=overwrite) as temporary:
        Path(temporary).write_text(json.dumps(jsonable(result), indent=1) + "\n", encoding="utf-8")


def save_figure(figure: Any, path: str | Path, *, overwrite: bool) -> None:
    """Write a figure, atomically; the ending of the name says how."""
    from wolter.plot import save

    save(figure, path, overwrite=overwrite)


def report_interruption(messages: Iterable[str]) -> None:
    """End with exit status 1 if the work was interrupted, after what there is has been printed and written."""
    if any("interrupted" in m for m in messages):
        note("wolter: interrupted; the result is partial")
        sys.exit(1)


def output_folder(path: str | Path) -> Path:
    """Folder for products, made if need be.

    Raises
    ------
    OutputError
        If it cannot be made or written to.
    """
    from wolter.errors import OutputError

    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise OutputError(
            f"the folder cannot be made: {exc.strerror}", file=folder, cure="Choose another with --output."
        ) from exc
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError("the folder is not writable", file=folder, cure="Choose another with --output.")
    return folder


@contextmanager
def products_folder(path: str | Path) -> Iterator[Path]:
    """`output_folder` that is removed again if it was made here and nothing came into it.

    When the work ends early (an error, Ctrl-C) the files that are there by then, each of them whole, are named.
    """
    new = not Path(path).exists()
    folder = output_folder(path)
    before = {p.name: p.stat().st_mtime_ns for p in folder.iterdir() if p.is_file()}
    try:
        yield folder
    except BaseException:
        done = [p for p in folder.iterdir() if p.is_file() and p.stat().st_mtime_ns != before.get(p.name)]
        names = sorted(str(p) for p in done if not p.name.startswith("."))
        if names:
            note(f"wolter: note: this did not come to its end; written (and whole) are {', '.join(names)}")
        raise
    finally:
        if new:
            with suppress(OSError):
                folder.rmdir()


def check_targets(*paths: str | Path | None, overwrite: bool, figures: bool = False) -> None:
    """Refuse files that could not be written before any work is done for them.

    Raises
    ------
    OutputError
        If one exists and may not be replaced, or its folder is missing or not writable, or figures are asked for and
        matplotlib is not installed.
    """
    from wolter.errors import OutputError

    given = [Path(p) for p in paths if p is not None]
    for path in given:
        if path.exists() and not overwrite:
            raise OutputError("the file exists already", file=path, cure="Add --overwrite to replace it.")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise OutputError("its folder is missing or not writable", file=path, cure="Choose another place.")
    if figures and given and importlib.util.find_spec("matplotlib") is None:
        raise OutputError(
            "figures need matplotlib, which is not installed", file=given[0], cure="pip install 'wolter[plot]'"
        )


class _EnergyRange(click.ParamType):
    """``lo:hi`` in keV."""

    name = "lo:hi"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value  # type: ignore[return-value]
        try:
            lo, hi = (float(part) for part in str(value).split(":"))
        except ValueError:
            self.fail(f"{value!r} is not a range of energies in keV such as 2:8", param, ctx)
        if not lo < hi:
            self.fail(f"{value!r} is empty: the first energy must be the lower one", param, ctx)
        return lo, hi


class _Axis(click.ParamType):
    """``name=lo:hi:n``."""

    name = "par=lo:hi:n"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, tuple[float, float, int]]:
        if isinstance(value, tuple):
            return value  # type: ignore[return-value]
        try:
            name, _, numbers = str(value).partition("=")
            lo, hi, n = numbers.split(":")
            axis = (float(lo), float(hi), int(n))
        except ValueError:
            self.fail(f"{value!r} is not an axis such as polconst.A=0:0.21:42 (42 points)", param, ctx)
        if not name or axis[2] < 2:
            self.fail(f"{value!r}: an axis needs a parameter and at least two points", param, ctx)
        return name, axis


class _Levels(click.ParamType):
    """``d,d,...``: positive numbers, ascending."""

    name = "d,d,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[float, ...]:
        if isinstance(value, tuple):
            return value
        try:
            levels = tuple(sorted(float(part) for part in str(value).split(",")))
        except ValueError:
            levels = ()
        if not levels or not all(0 < level < 60 for level in levels):  # 60: a probability that is not yet 1 in float64
            self.fail(f"{value!r} is not a list of rises of the statistic such as 2.30,4.61,9.21", param, ctx)
        return levels


class _Responses(click.ParamType):
    """An existing folder (or file), the word caldb, or caldb: and a lock file."""

    name = "path"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        if str(value).strip().partition(":")[0].lower() == "caldb":
            return str(value).strip()
        return str(click.Path(exists=True).convert(value, param, ctx))


RESPONSES = _Responses()
ENERGY_RANGE = _EnergyRange()
AXIS = _Axis()
LEVELS = _Levels()


class _Plain:
    """A number with a unit, behaving as a Quantity where Wolter asks for one, without importing astropy."""

    def __init__(self, value: float, unit: str) -> None:
        self.value = value
        self.unit = unit

    def to_value(self, unit: str, equivalencies: Any = None) -> float:
        if unit != self.unit:
            raise ValueError(f"{self.unit} is not {unit}")
        return self.value


def kev(value: float) -> Any:
    """Energy in keV, accepted wherever a Quantity is."""
    return _Plain(value, "keV")


def seconds(value: float) -> Any:
    """Time in seconds, accepted wherever a Quantity is."""
    return _Plain(value, "s")


@contextmanager
def polite_warnings() -> Iterator[list[str]]:
    """Collect Wolter's warnings and print each once on stderr, as sentences instead of source lines."""
    seen: list[str] = []

    def show(message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None) -> None:
        text = str(message)
        if text not in seen:
            seen.append(text)
            print(f"wolter: note: {text}", file=sys.stderr)

    with warnings.catch_warnings():
        from wolter.errors import WolterWarning

        warnings.simplefilter("always", WolterWarning)
        warnings.showwarning = show
        yield seen
