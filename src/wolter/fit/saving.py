"""A whole fit as a JSON file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter._version import __version__
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import FitError, warn
from wolter.fit.priors import make_prior
from wolter.fit.results import ErrorResult, FitResult, ParameterRow
from wolter.fit.spectrum_record import FileStore, decode, encode, restore_spectrum, runs, spectrum_record, unroll
from wolter.fits import atomic_path
from wolter.models.model import Model, restore_parameter

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["FORMAT", "load_fit", "save_fit"]

FORMAT = "wolter fit"
_VERSION = 1
_SAME = 1e-6  # relative difference of the statistic that goes unmentioned after loading


def save_fit(fit: Fit, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a fit: data files with hashes, noticed channels, model, parameters, statistic, results.

    Parameters
    ----------
    fit : Fit
        Fitted or not.
    path : path-like
        The file is JSON; file names in it are relative to its folder.
    overwrite : bool
        Replace the file if it exists.

    Raises
    ------
    FitError
        If a redistribution matrix exists in memory only.
    OutputError
        If the file exists and `overwrite` is false, or cannot be written.
    """
    target = Path(path)
    store = FileStore(target.absolute().parent)
    record = _fit_state(fit, store)
    with atomic_path(target, overwrite=overwrite) as temporary:
        temporary.write_text(json.dumps(record, allow_nan=False) + "\n", encoding="utf-8")
    return target


def _fit_state(fit: Fit, store: FileStore) -> dict[str, Any]:
    dataset = fit.dataset
    fit.table.refresh()
    count = len(fit.table.parameters)
    errors = {p: e for p, e in ((p, fit.error_of(p)) for p in range(count)) if e is not None}
    result = None
    if fit.result is not None and fit.fitted:
        result = {f.name: getattr(fit.result, f.name) for f in fields(FitResult)}
        result["parameters"] = [asdict(row) for row in fit.result.parameters]
    return encode(
        {
            "format": FORMAT,
            "version": _VERSION,
            "software": f"wolter {__version__}",
            "spectra": [
                spectrum_record(e.spectrum, store) | {"group": e.group, "notice": runs(e.notice)}
                for e in dataset.spectra
            ],
            "statistic": [e.statistic for e in dataset.spectra],
            "weight": dataset.weight,
            "systematic": dataset.systematic,
            "model": fit.model.to_dict(),
            "parameters": [p.to_dict() for p in fit.table.parameters],
            "priors": {str(k): p.to_dict() for k, p in fit.priors.items()},
            "bayes": fit.bayes,
            "statistic_value": fit.statistic,
            "result": result,
            "errors": {str(k): asdict(e) for k, e in errors.items()},
        }
    )


def load_fit(
    cls: type[Fit],
    path: str | PathLike[str],
    *,
    changed: str = "error",
    folder: str | PathLike[str] | None = None,
) -> Fit:
    """Fit of a file that `save_fit` wrote.

    Parameters
    ----------
    cls : type
        `Fit`.
    path : path-like
        The file.
    changed : {"error", "warn"}
        What happens if a data file is no longer the one of the fit.
    folder : path-like, optional
        Where the data files are now, if neither at the same place relative to the saved fit nor where they were.

    Raises
    ------
    FitError
        If the file is not a saved fit.
    DataError
        If a data file is missing or has changed.
    """
    state = _read(Path(path))
    store = FileStore(Path(path).absolute().parent, changed, None if folder is None else Path(folder))
    cache: dict[Any, Any] = {}
    spectra = [restore_spectrum(s, store, cache) for s in state["spectra"]]
    data = SpectrumSet(
        spectra,
        groups=[s["group"] for s in state["spectra"]],
        notice=[unroll(s["notice"]).astype(bool) for s in state["spectra"]],
    )
    values = decode(state)
    # the ties of the first group may name other groups: they come back with those of all groups
    untied = values["model"] | {"parameters": [p | {"tie": None} for p in values["model"]["parameters"]]}
    fit = cls(
        data,
        Model.from_dict(untied),
        statistic=values["statistic"],
        weight=values["weight"],
        systematic=values["systematic"],
    )
    for parameter, entry in zip(fit.table.parameters, values["parameters"], strict=True):
        restore_parameter(parameter, entry)
    for parameter, entry in zip(fit.table.parameters, values["parameters"], strict=True):
        parameter.tie = entry["tie"]
    for position, prior in values["priors"].items():
        fit.prior(int(position) + 1, make_prior(prior))
    fit.bayes = bool(values["bayes"])
    if values["result"] is not None:
        errors = {int(k): ErrorResult(**e) for k, e in values["errors"].items()}
        fit.restore_result(_result(values["result"]), errors)
    before, now = float(values["statistic_value"]), fit.statistic
    if not abs(now - before) <= _SAME * max(1.0, abs(before)):
        warn(f"{path}: the statistic is {now:.4f} now and was {before:.4f} when the fit was saved")
    return fit


def _read(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise FitError(f"the saved fit cannot be read: {exc.strerror or exc}", file=path) from exc
    except (json.JSONDecodeError, UnicodeDecodeError) as exc:
        raise FitError(f"this is not a saved fit: {exc}", file=path) from exc
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise FitError("this is not a saved fit", file=path, cure="Fits are written by Fit.save().")
    if state.get("version") != _VERSION:
        raise FitError(
            f"the saved fit has version {state.get('version')}, this is version {_VERSION} of the format",
            file=path,
            cure="Use the version of Wolter that wrote it, or a newer one.",
        )
    return state


def _result(state: Mapping[str, Any]) -> FitResult:
    values = dict(state)
    values["parameters"] = tuple(ParameterRow(**row) for row in values["parameters"])
    values["messages"], values["names"] = tuple(values["messages"]), tuple(values["names"])
    if values["covariance"] is not None:
        values["covariance"] = np.array(values["covariance"], dtype=float)
    return FitResult(**values)
