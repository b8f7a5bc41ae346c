"""XSPEC's list of models, ``model.dat``: kinds, functions and parameters of the library's components.

Format (XSPEC manual, appendix C): a line with name, number of parameters, energy range, function, kind, a flag for
model variances, optionally a flag for dependence on the spectrum and an initialisation string; then a line for each
parameter with name, unit (quoted if blank), default, hard minimum, soft minimum, soft maximum, hard maximum and step,
whose sign says frozen. A name that begins with ``$`` is a switch and one with ``*`` a scale parameter; neither is
fitted and their unit and limits may be left out. The prefix of the function gives the calling convention: ``C_`` and
``c_`` double precision C, ``F_`` double precision Fortran, none single precision Fortran.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wolter.errors import ModelError
from wolter.models.definitions import Kind, ParameterDef

__all__ = ["LibraryModel", "read_model_dat"]

Convention = Literal["c", "double", "single", "internal"]
_KINDS: dict[str, Kind] = {"add": "add", "mul": "mul", "con": "con", "mix": "mix", "acn": "con", "amx": "mix"}
_WIDE = 1e6  # limits of a switch or scale that model.dat gives none for


@dataclass(frozen=True)
class LibraryModel:
    """A component of XSPEC's model library.

    Parameters
    ----------
    name : str
        XSPEC's name.
    kind : {"add", "mul", "con", "mix"}
        Kind of component; what XSPEC calls ``acn`` is a convolution here, ``amx`` a mixing component.
    xspec_kind : str
        Kind as model.dat has it.
    parameters : tuple of ParameterDef
        Without the norm.
    symbol : str
        Name of the function in the shared library.
    convention : {"c", "double", "single", "internal"}
        How it is called: C in double precision, Fortran in double or single precision, or not callable.
    spectrum : bool
        Whether it depends on the spectrum (its XFLT keys).
    init : str
        Initialisation string.
    """

    name: str
    kind: Kind
    xspec_kind: str
    parameters: tuple[ParameterDef, ...]
    symbol: str
    convention: Convention
    spectrum: bool
    init: str


def read_model_dat(path: Path) -> list[LibraryModel]:
    """Components of a model.dat or mixmodel.dat, in its order.

    Raises
    ------
    ModelError
        If the file cannot be read or is not understood.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as exc:
        raise ModelError(f"the model list cannot be read: {exc.strerror}", file=path) from exc
    out = []
    numbered = iter([(i, words) for i, line in enumerate(lines, 1) if (words := _words(line))])
    for number, words in numbered:
        try:
            out.append(_model(words, numbered))
        except (IndexError, ValueError, KeyError, StopIteration) as exc:
            raise ModelError(
                f"line {number} of the model list is not understood: {' '.join(words)}", file=path
            ) from exc
    return out


def _words(line: str) -> list[str]:
    if line.lstrip().startswith("#"):
        return []
    return [m[2] if m[1] is None else m[1].strip() for m in re.finditer(r'"([^"]*)"|(\S+)', line)]


def _model(words: list[str], lines: Iterator[tuple[int, list[str]]]) -> LibraryModel:
    count, function, kind = int(words[1]), words[4], words[5]
    parameters = [_parameter(next(lines)[1]) for _ in range(count)]
    symbol, convention = _symbol(function)
    return LibraryModel(
        name=words[0],
        kind=_KINDS[kind],
        xspec_kind=kind,
        parameters=tuple(_distinct(parameters)),
        symbol=symbol,
        convention=convention,
        spectrum=len(words) > 7 and words[7] == "1",
        init=" ".join(words[8:]),
    )


def _symbol(function: str) -> tuple[str, Convention]:
    prefix, rest = function[:2], function[2:]
    if prefix == "C_":
        return function, "c"
    if prefix == "c_":
        return rest, "c"
    if prefix == "F_":
        return f"{rest.lower()}_", "double"
    if prefix == "U_":
        return function, "internal"
    return f"{function.lower()}_", "single"


def _parameter(words: list[str]) -> ParameterDef:
    name, rest = words[0], words[1:]
    kind: Literal["par", "switch", "scale"] = "par"
    if name[0] in "$*":
        kind = "switch" if name[0] == "$" else "scale"
        name = name[1:]
    unit = ""
    if rest and not _is_number(rest[0]):
        unit, rest = rest[0], rest[1:]
    default, *limits = [float(w) for w in rest[:6]]
    if len(limits) < 4:
        wide = max(_WIDE, 10.0 * abs(default))
        limits = [-wide, -wide, wide, wide]
    # Where the list contradicts itself the outer of two limits is taken, so that every default is possible.
    hard_min, hard_max = min(limits[0], limits[1], default), max(limits[2], limits[3], default)
    soft_min, soft_max = max(limits[1], hard_min), min(limits[2], hard_max)
    delta = limits[4] if len(limits) > 4 else -1.0
    return ParameterDef(
        _identifier(name),
        unit,
        default,
        0.0 if kind != "par" else abs(delta),
        hard_min,
        soft_min,
        soft_max,
        hard_max,
        frozen=kind != "par" or delta < 0,
        kind=kind,
    )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _identifier(name: str) -> str:
    """Name as an attribute can have it: ``nH.cc`` becomes ``nH_cc``."""
    return re.sub(r"\W", "_", name)


def _distinct(parameters: Iterable[ParameterDef]) -> Iterator[ParameterDef]:
    """Parameters with a number appended to a name that has occurred before (case ignored)."""
    from dataclasses import replace

    seen: set[str] = set()
    for number, parameter in enumerate(parameters, 1):
        if parameter.name.lower() in seen:
            parameter = replace(parameter, name=f"{parameter.name}_{number}")
        seen.add(parameter.name.lower())
        yield parameter
