"""Dummy and diagonal responses, energies of models, and models defined by expressions."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.compat.xspec import show
from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.session import SESSION
from wolter.data.response_tools import diagonal_response, dummy_response, energy_grid
from wolter.errors import WolterWarning

if TYPE_CHECKING:
    from wolter.compat.xspec.data import Spectrum

__all__ = ["mdefine", "remove", "set_diagonal", "set_dummy", "set_energies"]


def set_dummy(
    spectra: Sequence[Spectrum],
    lo: float | None,
    hi: float | None,
    number: int | None,
    spacing: str | None,
    offset: float | None,
    width: float | None,
) -> None:
    """dummyrsp: what is None is as in the last call."""
    old, channels = SESSION.dummy, SESSION.dummy_channels
    grid = (
        old[0] if lo is None else float(lo),
        old[1] if hi is None else float(hi),
        old[2] if number is None else int(number),
        old[3] if spacing is None else str(spacing).lower(),
    )
    with translated("dummyrsp"):
        edges = energy_grid(*grid)
    SESSION.dummy = grid
    first = channels[0] if offset is None else float(offset)
    step = channels[1] if width is None else float(width)
    SESSION.dummy_channels = (first, step)
    for one in spectra:
        if step <= 0:
            _restore(one)
            one._energies = edges
            continue
        with translated("dummyrsp"):
            rmf = dummy_response(
                len(one.engine), lo=grid[0], hi=grid[1], number=grid[2], spacing=grid[3], offset=first, width=step
            )
        _replace(one, rmf, "dummy")
    _changed()


def set_diagonal(spectra: Sequence[Spectrum]) -> None:
    """diagrsp."""
    for one in spectra:
        if not one.has_response:
            raise XspecError(f"Error: spectrum {one.index} has no response to make a diagonal one of")
    for one in spectra:
        _restore(one)
        with translated("diagrsp"):
            rmf = diagonal_response(one._rmf(), one.engine.arf)
        _replace(one, rmf, "diagonal")
    SESSION.out("Diagonal matrix used for response")
    _changed()


def remove(spectra: Sequence[Spectrum]) -> None:
    """Take dummies back."""
    for one in spectra:
        _restore(one)
        one._energies = None
    _changed()


def _replace(one: Spectrum, rmf: Any, name: str) -> None:
    if one._real is None:
        one._real = (one.engine.rmf, one.engine.arf, one._rmf_name, one._arf_name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WolterWarning)
        one.engine = one.engine.with_responses(rmf, None, allow_mismatch=True)
    one._rmf_name, one._arf_name, one._energies = name, "", None


def _restore(one: Spectrum) -> None:
    if one._real is not None:
        rmf, arf, one._rmf_name, one._arf_name = one._real
        one.engine = one.engine.replace(rmf=rmf, arf=arf)
        one._real = None


def _changed() -> None:
    SESSION.data_changed()
    show.fit_lines()


# -- energies ---------------------------------------------------------------------------------------------------------


def set_energies(first: Any, second: Any = None) -> None:
    """setEnergies: ``"lo hi n lin|log [, hi n lin|log ...]"``, a file, "reset", or "extend" with its ranges."""
    text = str(first).strip()
    if text.lower() == "reset":
        SESSION.grid = None
        SESSION.extensions.clear()
    elif text.lower().startswith("extend"):
        ranges = str(second) if second is not None else text[len("extend") :]
        SESSION.grid = None
        SESSION.extensions = _extensions(ranges)
    else:
        SESSION.extensions.clear()
        SESSION.grid = _from_file(text) if os.path.isfile(text) else _ranges(text)
    SESSION.data_changed()
    show.fit_lines()


def _spacing(word: str) -> str:
    if word.lower() not in ("lin", "log"):
        raise XspecError(f"Error: energy bins are 'lin' or 'log', not {word!r}")
    return word.lower()


def _ranges(text: str) -> Any:
    """Edges; fields of the first range that commas skip (",,500") are those of the last call."""
    fields = [f.strip() for f in text.split(",")]
    if any(not f for f in fields[:3]):
        old = list(SESSION.energy_fields)
        for place, field in enumerate(fields[:4]):
            if field:
                old[place] = field
        text = " ".join(old)
    words = text.replace(",", " ").split()
    if len(words) >= 3:
        SESSION.energy_fields = (*words[:3], words[3] if len(words) > 3 and words[3].isalpha() else "lin")
    edges: Any = None
    try:
        while words:
            lo = float(words.pop(0)) if edges is None else float(edges[-1])
            hi, number = float(words.pop(0)), int(words.pop(0))
            spacing = _spacing(words.pop(0)) if words and words[0].isalpha() else "lin"
            with translated("energies"):
                more = energy_grid(lo, hi, number, spacing)
            edges = more if edges is None else np.append(edges, more[1:])
    except (IndexError, ValueError) as error:
        raise XspecError(f"Error: energies {text!r} are not 'lo hi bins lin|log [hi bins lin|log ...]'") from error
    if edges is None:
        raise XspecError("Error: setEnergies needs ranges, a file, 'extend' or 'reset'")
    return edges


def _extensions(text: str) -> dict[str, tuple[float, int, str]]:
    words = text.replace(",", " ").split()
    out: dict[str, tuple[float, int, str]] = {}
    try:
        while words:
            side = words.pop(0).lower()
            if side not in ("low", "high"):
                raise ValueError(side)
            energy, number = float(words.pop(0)), int(words.pop(0))
            out[side] = (energy, number, _spacing(words.pop(0)) if words and words[0] in ("lin", "log") else "log")
    except (IndexError, ValueError) as error:
        raise XspecError(f"Error: extensions {text!r} are not 'low|high,energy,bins,lin|log'") from error
    if not out:
        raise XspecError("Error: setEnergies('extend', ...) needs 'low,energy,bins,lin|log' or 'high,...'")
    return out


def _from_file(name: str) -> Any:
    try:
        edges = np.loadtxt(name, ndmin=1, dtype=float)
    except ValueError as error:
        raise XspecError(f"Error: {name} does not hold energies") from error
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all() or edges[0] <= 0:
        raise XspecError(f"Error: the energies in {name} do not ascend")
    return edges


# -- mdefine ----------------------------------------------------------------------------------------------------------


def mdefine(text: str) -> None:
    """mdefine: ``name expression [: type [emin emax]]``; a name alone is listed, with ``:`` deleted."""
    from wolter.models.mdefine import DEFINED, define
    from wolter.models.user import unregister

    head, colon, tail = text.partition(":")
    name, _, expression = head.strip().partition(" ")
    expression = expression.strip()
    if not expression:
        if colon and name.lower() in DEFINED:
            unregister(name)
            del DEFINED[name.lower()]
            return
        if name and name.lower() not in DEFINED:
            raise XspecError(f"Error: no model {name!r} is defined")
        for key, (formula, kind, lo, hi) in DEFINED.items():
            if not name or key == name.lower():
                SESSION.out(f"{key:<12} {kind}  {formula.text}  [{lo:g} - {hi:g} keV]")
        return
    words = tail.split()
    kind = words.pop(0).lower() if words and words[0].isalpha() else "add"
    try:
        limits = [float(w) for w in words]
    except ValueError:
        raise XspecError(f"Error: cannot read the energies of {text!r}") from None
    if name.lower() in DEFINED:
        SESSION.out(f"***Warning: {name} is a previously defined model and is redefined.")
    with translated("mdefine"):
        define(name, expression, kind, **dict(zip(("lo", "hi"), limits, strict=False)))
