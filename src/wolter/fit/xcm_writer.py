"""Fits as XSPEC command files, in the layout of its "save all"."""

from __future__ import annotations

import os
from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wolter._version import __version__
from wolter.errors import FitError
from wolter.fit.dataset import FitSpectrum
from wolter.fit.priors import Exponential, Flat, Gaussian, Jeffreys, Prior
from wolter.fit.spectrum_record import original_row
from wolter.fit.xcm_model import parameter_line, xspec_link
from wolter.fits import atomic_path
from wolter.models.grammar import leaves

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["write_xcm", "xcm_text"]


def write_xcm(fit: Fit, path: str | PathLike[str], *, overwrite: bool = False, digits: int = 10) -> Path:
    """Write a fit as a command file that XSPEC (``@file.xcm``) and `read_xcm` read.

    Parameters
    ----------
    fit : Fit
        Fitted or not.
    path : path-like
        The file; data files are named relative to its folder, where XSPEC has to be started.
    overwrite : bool
        Replace the file if it exists.
    digits : int
        Significant digits of values; XSPEC itself writes 6.

    Raises
    ------
    FitError
        If a spectrum or response has no file, or has been changed since it was read.
    OutputError
        If the file exists and `overwrite` is false.
    """
    target = Path(path)
    text = xcm_text(fit, folder=target.absolute().parent, digits=digits)
    with atomic_path(target, overwrite=overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return target


def xcm_text(fit: Fit, *, folder: Path | None = None, digits: int = 10) -> str:
    """Text of the command file of a fit; files are named relative to `folder`, or by their bare names."""
    return "\n".join(
        [
            f"# Wolter {__version__}",
            "",
            *_statistics(fit),
            *_data(fit.dataset.spectra, folder),
            "",
            "method " + ("migrad 100" if fit.result is not None and fit.result.method == "migrad" else "leven 10 0.01"),
            *_settings(fit),
            "xset delta 0.01",
            f"systematic {fit.dataset.systematic:g}",
            f"model  {fit.model.expression}",
            *_parameters(fit, digits),
            *_priors(fit),
            "",
        ]
    )


def _statistics(fit: Fit) -> list[str]:
    names = [e.statistic for e in fit.dataset.spectra]
    if len(set(names)) == 1:
        out = [f"statistic {names[0]}"]
    else:
        out = [f"statistic {name} {n}" for n, name in enumerate(names, start=1)]
    return out if fit.dataset.weight == "standard" else [*out, f"weight {fit.dataset.weight}"]


def _data(entries: Iterable[FitSpectrum], folder: Path | None) -> list[str]:
    out: list[str] = []
    ignored = []
    for entry in entries:
        spectrum, number = entry.spectrum, entry.number
        name = _name(spectrum.path, folder, f"spectrum {number}")
        row = original_row(spectrum)
        out += [*([""] if out else []), f"data {entry.group}:{number} {name}{row}"]
        rmf = None if spectrum.rmf is None else spectrum.rmf.path
        out.append(f"response  1:{number} {_name(rmf, folder, f'the RMF of spectrum {number}')}")
        if spectrum.arf is not None:
            out.append(f"arf 1:{number} {_name(spectrum.arf.path, folder, f'the ARF of spectrum {number}')}")
        for command, other in (("backgrnd", spectrum.background), ("corfile", spectrum.correction)):
            if other is not None:
                place = _name(other.path, folder, f"the {command} of spectrum {number}")
                out.append(f"{command} {number} {place}{original_row(other)}")
        if spectrum.correction is not None:
            out.append(f"cornorm {number} {spectrum.corrscal:g}")
        noticed = np.zeros(spectrum.bins().total, dtype=bool)
        noticed[entry.binned.bins.position - 1] = True
        if not noticed.all():
            ignored.append(f"{number}:{_ranges(np.flatnonzero(~noticed) + 1)}")
    return [*out, "ignore " + " ".join(ignored)] if ignored else out


def _name(path: Path | None, folder: Path | None, what: str) -> str:
    if path is None:
        raise FitError(f"{what} has no file that XSPEC could read", cure="Write it to a file and read it from there.")
    if folder is None:
        return path.name
    absolute = Path(os.path.abspath(path))
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)


def _ranges(numbers: np.ndarray) -> str:
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def _settings(fit: Fit) -> list[str]:
    settings = fit.dataset.settings
    if not isinstance(settings.abund, str):
        raise FitError(
            "an abundance table of one's own cannot be written to a command file",
            cure="Write it as a text file and use Settings(abund='file NAME').",
        )
    out = [f"abund {settings.abund}", f"xsect {settings.xsect}"]
    out.append("cosmo " + " ".join(f"{v:g}" for v in settings.cosmo))
    standard = type(settings)()
    if settings.atomdb != standard.atomdb or _uses_atomdb(fit):  # XSPEC's default version is not ours
        out.append(f"xset APECROOT {settings.atomdb}")
    apec = settings.apec
    words = {
        "APECTHERMAL": None if apec.thermal is None else "yes" if apec.thermal else "no",
        "APECVELOCITY": f"{apec.velocity:g}" if apec.velocity else None,
        "APECBROADPSEUDO": "yes" if apec.broaden_pseudo else None,
        "APECNOLINES": "yes" if apec.no_lines else None,
        "APEC_TRACE_ABUND": str(apec.trace) if apec.trace != standard.apec.trace else None,
        "APECLOGINTERP": "yes" if apec.log_interpolation else None,
    }
    return out + [f"xset {k} {v}" for k, v in words.items() if v is not None]


def _uses_atomdb(fit: Fit) -> bool:
    return any("atomdb" in leaf.component.depends for leaf in leaves(fit.model.node))


def _parameters(fit: Fit, digits: int) -> list[str]:
    """Lines of all parameters; names in links become numbers."""
    fit.table.refresh()
    return [
        f"= {xspec_link(fit, position)}" if parameter.tie else parameter_line(parameter, digits)
        for position, parameter in enumerate(fit.table.parameters)
    ]


def _priors(fit: Fit) -> list[str]:
    out = [f"bayes {p + 1} {_words(prior)}" for p, prior in sorted(fit.priors.items())]
    return [*out, "bayes on"] if fit.bayes else out


def _words(prior: Prior) -> str:
    if isinstance(prior, Gaussian):
        return f"gauss {prior.mean:.10g} {prior.sigma:.10g}"
    if isinstance(prior, Exponential):
        return f"exp {prior.scale:.10g}"
    if isinstance(prior, Jeffreys):
        return "jeffreys"
    if isinstance(prior, Flat):
        return "cons"
    raise FitError(f"XSPEC knows no {prior.kind} prior", cure="Use a flat prior with limits on the parameter.")
