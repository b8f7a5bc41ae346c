"""Grouping of spectra by every rule of the field: `Spectrum.group` and the mode table of the task ftgrouppha."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.data import grouping as rules
from wolter.errors import DataError, suggest, warn

if TYPE_CHECKING:
    from wolter.data.spectrum import Spectrum

__all__ = ["MODES", "group_spectrum", "signal_and_variance"]

MODES = {
    "min": "at least `value` counts in each group",
    "bmin": "at least `value` counts of the background in each group",
    "snmin": "signal-to-noise ratio `value` in each group, background subtracted",
    "constant": "`value` channels in each group",
    "opt": "the width that loses no information (Kaastra & Bleeker 2016)",
    "optmin": "optimal width and at least `value` counts",
    "optsnmin": "optimal width and signal-to-noise ratio `value`",
    "file": "the flags of another spectrum",
}

_Flags = tuple[NDArray[np.int16], NDArray[np.int16]]


def group_spectrum(
    spectrum: Spectrum,
    mode: str,
    value: float | None = None,
    *,
    first: int | None = None,
    last: int | None = None,
    template: Any = None,
) -> Spectrum:
    """Spectrum with its channels grouped.

    Channels flagged bad (QUALITY not 0) hold no counts and stay single, except inside a group that needs channels
    beyond them; channels that do not fill a last group stay single and get QUALITY 2.

    Parameters
    ----------
    spectrum : Spectrum
        With its background for ``bmin``, ``snmin`` and ``optsnmin``; with its RMF for the optimal rules.
    mode : str
        One of `MODES`.
    value : float, optional
        Counts, signal-to-noise ratio or channels.
    first, last : int, optional
        Channel numbers between which channels are grouped (the optimal rules take all); the others stay single.
    template : Spectrum or path, optional
        For ``file``.

    Returns
    -------
    Spectrum

    Raises
    ------
    DataError
        Unknown rule, value missing or not positive, no counts, no RMF, no background, template of other length.
    """
    if mode not in MODES:
        raise DataError(
            f"there is no grouping rule {mode!r}", cure=suggest(mode, MODES) or f"Known: {', '.join(MODES)}."
        )
    if mode == "file":
        return _from_template(spectrum, template)
    if mode != "opt" and value is None:
        raise DataError(f"the grouping rule {mode!r} needs a value: {MODES[mode].replace('`value`', 'so many')}")
    if mode != "constant" and not spectrum.counts.any():
        raise DataError(
            "the spectrum holds no counts, so that no group can be filled",
            file=spectrum.path,
            cure="Check the extraction; channels=n groups without looking at counts.",
        )
    quality = np.where(spectrum.quality == 2, 0, spectrum.quality)  # marks of an earlier grouping
    window = {
        "first": None if first is None else int(first - spectrum.channel[0]),
        "last": None if last is None else int(last - spectrum.channel[0]),
    }
    if mode.startswith("opt"):
        flags, marks = _optimal(spectrum, mode, value, quality)
    else:
        flags, marks = _simple(spectrum, mode, float(value or 0), quality, window)
    out = spectrum.replace(grouping=flags, quality=marks)
    complete = (marks != 2) & (flags == 1) & (quality == 0)
    if mode != "constant" and not complete.any():
        reach = "counts" if mode in ("min", "optmin", "bmin") else "signal-to-noise ratio"
        warn(f"{spectrum.name}: no group reaches the {reach} {value:g}; all channels are flagged bad (QUALITY 2)")
    return out


def _simple(spectrum: Spectrum, mode: str, value: float, quality: NDArray[Any], window: dict[str, Any]) -> _Flags:
    if mode == "constant":
        if value != int(value):
            raise DataError(f"a group has a whole number of channels, not {value:g}")
        return rules.group_constant(len(spectrum), int(value), short_last=True, **window), quality
    if mode == "snmin":
        signal, variance = signal_and_variance(spectrum)
        return rules.group_min_snr(signal, variance, value, quality=quality, **window)
    counts = spectrum.counts if mode == "min" else _background(spectrum).counts
    return rules.group_min(counts, value, quality=quality, **window)


def _optimal(spectrum: Spectrum, mode: str, value: float | None, quality: NDArray[Any]) -> _Flags:
    if spectrum.rmf is None:
        raise DataError(
            "optimal grouping needs the energy resolution of the detector, and the spectrum has no response",
            file=spectrum.path,
            cure="Give the spectrum an RMF (rmf=, or the keyword RESPFILE).",
        )
    extra: dict[str, Any] = {}
    if mode == "optmin":
        extra["minimum"] = value
    elif mode == "optsnmin":
        extra["signal"], extra["variance"] = signal_and_variance(spectrum)
        extra["min_snr"] = value
    return rules.group_optimal_marked(spectrum.counts, spectrum.rmf.fwhm_channels(), quality=quality, **extra)


def _background(spectrum: Spectrum) -> Spectrum:
    if spectrum.background is None:
        raise DataError(
            "grouping by the counts of the background needs one",
            file=spectrum.path,
            cure="Give the spectrum a background (background=, or the keyword BACKFILE).",
        )
    return spectrum.background


def signal_and_variance(spectrum: Spectrum) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Counts per channel without the background, and their variances.

    The background is scaled by exposure times AREASCAL times BACKSCAL of the source over that of the background; its
    variance is scaled by the square; systematic errors are included (heasp's rule for ``snmin``).

    Returns
    -------
    signal, variance : float64[n]
        Counts and counts².
    """
    norm = np.asarray(spectrum.areascal) * spectrum.exposure
    back, back_variance = spectrum.scaled_background()
    return (spectrum.rate - back) * norm, (spectrum.variance + back_variance) * norm**2


def _from_template(spectrum: Spectrum, template: Any) -> Spectrum:
    from wolter.data.spectrum import Spectrum as Kind

    if template is None:
        raise DataError("grouping as in another spectrum needs that spectrum", cure="Give template=.")
    if isinstance(template, (str, PathLike)):
        template = Kind.read(template, follow=False, allow_empty=True)
    if len(template) != len(spectrum):
        raise DataError(
            f"the template has {len(template)} channels, the spectrum {len(spectrum)}",
            file=template.path,
            cure="Take a template of the same detector and channel type.",
        )
    return spectrum.replace(grouping=template.grouping, quality=template.quality)
