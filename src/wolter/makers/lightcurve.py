"""Light curves: events per time bin over the good time in the bin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wolter.data.events import EventList
from wolter.data.light_curve import LightCurve
from wolter.errors import DataError
from wolter.gti import GTI
from wolter.makers.headers import add_region_subspace, product_header, product_provenance, selection_history
from wolter.makers.livetime import resolve
from wolter.makers.passes import run_pass
from wolter.makers.spectrum import backscal, no_counts
from wolter.units import to_seconds

__all__ = ["BinnedTimes", "LightCurveAccumulator", "light_curve"]

_MAX_BINS = 50_000_000


class BinnedTimes:
    """Time bins of equal length from a start on, with the good time in each.

    Parameters
    ----------
    start : float
        Start of the first bin, s.
    width : float
        Length of a bin, s.
    gti : GTI
        Good time; the bins reach to its end.
    """

    def __init__(self, start: float, width: float, gti: GTI) -> None:
        if not width > 0:
            raise DataError(f"the bins are {width} s long; a positive length is meant")
        number = int(np.ceil((gti.span[1] - start) / width - 1e-9)) if gti.span[1] > start else 0
        if number > _MAX_BINS:
            raise DataError(
                f"bins of {width} s over {gti.span[1] - start:.0f} s would be {number}",
                cure="Choose longer bins, or select a shorter time.",
            )
        if number < 1:
            raise DataError(
                f"no good time lies after the start of the light curve, {start} s", cure="Choose an earlier start."
            )
        self.start, self.width, self.number = start, width, number
        self.gti = gti
        self.exposure = gti.bin_exposure(self.edges)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Edges of the bins, s; shape (number + 1,)."""
        return self.start + self.width * np.arange(self.number + 1, dtype=np.float64)

    @property
    def fraction(self) -> NDArray[np.float64]:
        """Fractional exposure of each bin."""
        return np.asarray(self.exposure / self.width, dtype=np.float64)


class LightCurveAccumulator:
    """Counts per time bin from the chunks of one pass."""

    def __init__(self, column: str, offset: float, bins: BinnedTimes) -> None:
        self._column, self._offset = column, offset
        self._start, self._width = bins.start, bins.width
        self.counts = np.zeros(bins.number, dtype=np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self._column,)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        index = np.floor((part[self._column] + self._offset - self._start) / self._width)
        last = len(self.counts)
        # An event at the very end of the good time belongs to the last bin.
        index[index == last] = last - 1
        inside = (index >= 0) & (index < last)
        self.counts += np.bincount(index[inside].astype(np.int64), minlength=last)


def light_curve(
    events: EventList,
    binsize: Any,
    *,
    start: Any = None,
    min_fraction: float = 0.0,
    deadtime: Any = None,
    errors: Literal["sqrt", "gehrels"] = "sqrt",
    allow_empty: bool = False,
) -> LightCurve:
    """Light curve of the selected events.

    Parameters
    ----------
    events : EventList
        Selected events.
    binsize : Quantity
        Length of the bins.
    start : Quantity, optional
        Start of the first bin in mission time; by default the start of the good time.
    min_fraction : float
        Bins whose fractional exposure is smaller are left out, as are those without exposure (extractor: lcthresh).
    deadtime : "header", float or LiveTime, optional
        Correction for dead time: by DEADC of the header, a fraction, or the mean live fraction of each bin. Bins in
        which it is not known are left out.
    errors : {"sqrt", "gehrels"}
        √counts, or 1 + √(counts + 0.75) (Gehrels 1986, ApJ 303, 336, equation 7), which does not vanish without counts.
    allow_empty : bool
        Whether a light curve without any count is acceptable.

    Returns
    -------
    LightCurve
        RATE = counts / good time in the bin (divided by the live fraction, if asked for), ERROR likewise; BACKSCAL in
        its header is the area of the region, for `wolter.data.net_light_curve`.

    Raises
    ------
    UnitError
        If `binsize` or `start` has no unit of time.
    DataError
        If no event or no bin is left.
    """
    width = float(to_seconds(binsize, "binsize"))
    gti = events.gti
    first = gti.span[0] if start is None else float(to_seconds(start, "start"))
    bins = BinnedTimes(first, width, gti)
    accumulator = LightCurveAccumulator(events.time_column, events.time_offset, bins)
    run_pass(events, [accumulator])
    counts = accumulator.counts
    if not allow_empty and not counts.any():
        raise no_counts(events)
    live = resolve(deadtime, events.deadc, bins.edges, gti)
    keep = (bins.exposure > 0) & (bins.fraction >= min_fraction) & (np.asarray(live) > 0)
    if not keep.any():
        raise DataError(
            f"no bin of {width} s has a fractional exposure of {min_fraction} or more",
            file=events.path,
            cure="Choose shorter bins or a smaller min_fraction.",
        )
    header = product_header(events)
    add_region_subspace(header, events)
    lo, hi = events.channel_range
    header.set("PHALCUT", lo, "minimum channel")
    header.set("PHAHCUT", hi, "maximum channel")
    header.set("MINFREXP", min_fraction, "minimum fractional exposure included")
    header.add_history(f"light_curve of {events.path.name}[{events.hdu_name}]")
    for line in selection_history(events):
        header.add_history(f"  {line}")
    header.set("BACKSCAL", backscal(events), "area of the region")
    if deadtime is not None:
        header.set("DEADAPP", True, "rates are corrected for dead time")
    curve = make_light_curve(bins, counts, keep, header, gti, live=live, errors=errors)
    curve.region = events.regions[0].pixels if len(events.regions) == 1 else None
    curve.provenance = product_provenance(events, "light_curve", binsize=width, min_fraction=min_fraction)
    return curve


def make_light_curve(
    bins: BinnedTimes,
    counts: NDArray[np.int64],
    keep: NDArray[np.bool_],
    header: Any,
    gti: GTI,
    *,
    live: Any = 1.0,
    errors: str = "sqrt",
) -> LightCurve:
    """Light curve of the bins kept."""
    if errors not in ("sqrt", "gehrels"):
        raise DataError(f"errors={errors!r} is not known", cure='Use "sqrt" or "gehrels".')
    exposure = (bins.exposure * live)[keep]
    spread = np.sqrt(counts[keep]) if errors == "sqrt" else 1.0 + np.sqrt(counts[keep] + 0.75)
    return LightCurve(
        time=bins.width * np.flatnonzero(keep).astype(float),
        rate=counts[keep] / exposure,
        error=spread / exposure,
        fracexp=bins.fraction[keep],
        timezero=bins.start + bins.width / 2,
        timedel=bins.width,
        header=header,
        gti=gti,
    )
