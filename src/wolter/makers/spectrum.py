"""Spectra of counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wolter.data.events import EventList
from wolter.data.spectrum import Spectrum
from wolter.errors import DataError
from wolter.makers.headers import (
    add_region_subspace,
    product_header,
    product_provenance,
    selection_history,
    set_times,
)
from wolter.makers.passes import run_pass
from wolter.makers.sums import channel_index

if TYPE_CHECKING:
    from wolter.data.exposure_map import ExposureMap
    from wolter.makers.wmap import WeightedMap

__all__ = ["SpectrumAccumulator", "backscal", "exposed_share", "extract_spectrum", "region_share", "spectrum_frame"]


class SpectrumAccumulator:
    """Counts per channel from the chunks of one pass.

    Parameters
    ----------
    events : EventList
        Selected events.
    column : str, optional
        Energy channel column; by default the event list's.
    first, last : int, optional
        Channels; by default all legal ones.
    binning : int
        Channels put together: channel c goes to bin ``first // binning + nint((c - first) / binning)``; an incomplete
        last bin is dropped.
    coarse : tuple of int, optional
        First and last value and number of values per channel; channel k holds ``first + k width`` and the ``width - 1``
        values above it. It takes the place of the four arguments before.
    """

    def __init__(
        self,
        events: EventList,
        *,
        column: str | None = None,
        first: int | None = None,
        last: int | None = None,
        binning: int = 1,
        coarse: tuple[int, int, int] | None = None,
    ) -> None:
        self._column = column or events.energy_column
        self._coarse = coarse
        if coarse is not None:
            self._origin, self._binning, self._lo = coarse[0], coarse[2], 0
            self._size = (coarse[1] - coarse[0] + 1) // coarse[2]
            self.counts = np.zeros(self._size, dtype=np.int64)
            return
        lo, hi = events.channels_of(self._column)
        self._origin = lo if first is None else first
        self._binning = binning
        self._lo = self._origin // binning
        self._size = ((hi if last is None else last) - self._origin + 1) // binning
        self.counts = np.zeros(self._size, dtype=np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return (self._column,)

    @property
    def channel(self) -> NDArray[np.int64]:
        """Channel numbers."""
        return np.arange(self._lo, self._lo + self._size)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        values = part[self._column]
        if self._coarse is not None:
            values = (np.asarray(values, dtype=np.int64) - self._origin) // self._binning
        elif self._binning != 1:
            values = np.floor((values - self._origin) / self._binning + 0.5) + self._lo
        index = channel_index(values, self._lo, self._size)
        self.counts += np.bincount(index[index >= 0], minlength=self._size)


def backscal(events: EventList, exposure_map: ExposureMap | None = None) -> float:
    """BACKSCAL: share of the coordinate plane that the region covers, 1 without a region.

    It is the number of whole pixels whose centre lies in the region over the number of pixels of the plane
    (TLMIN..TLMAX). Where the header does not tell the size of the plane it is the number of pixels itself; only
    ratios of BACKSCAL matter. With an exposure map it is multiplied by the mean exposure of the region over that of the
    spectrum, so that chip gaps and bad pixels do not count as area (the rule of nubackscale). A mission may have a rule
    of its own (`Mission.backscal`), which is given the pixels of the region.

    Parameters
    ----------
    events : EventList
        Selected events.
    exposure_map : ExposureMap, optional
        Without vignetting, s.
    """
    if events.mission.backscal is not None and events.regions and events.bounds is not None:
        mask = _map_mask(events, exposure_map) if exposure_map is not None else _plane_mask(events, events.bounds)
        return float(events.mission.load("backscal")(mask, events, exposure_map))
    plain = region_share(events)
    return plain if exposure_map is None else plain * exposed_share(events, exposure_map)


def exposed_share(events: EventList, exposure_map: ExposureMap) -> float:
    """Mean of an exposure map (s) over the selected regions, divided by the exposure of the events.

    Raises
    ------
    DataError
        If the map does not cover the region.
    """
    inside = _map_mask(events, exposure_map)
    return float(np.nan_to_num(exposure_map.data[inside]).mean()) / events.exposure


def _map_mask(events: EventList, exposure_map: ExposureMap) -> NDArray[np.bool_]:
    """Pixels of an exposure map inside all regions."""
    from wolter.data.image_grid import ImageGrid

    inside = np.ones(exposure_map.data.shape, dtype=bool)
    ny, nx = exposure_map.data.shape
    grid = ImageGrid.of(exposure_map)
    for cut in events.regions:
        inside &= cut.region.to_pixel(grid.sky, (1, nx, 1, ny)).mask(nx, ny)
    if not inside.any():
        raise DataError("the exposure map does not cover the region", file=exposure_map.path or events.path)
    return inside


def _plane_mask(events: EventList, bounds: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Pixels of the coordinate plane inside all regions."""
    nx, ny = bounds[1] - bounds[0] + 1, bounds[3] - bounds[2] + 1
    inside = np.ones((ny, nx), dtype=bool)
    for cut in events.regions:
        inside &= cut.pixels.mask(nx, ny, x_first=bounds[0], y_first=bounds[2])
    return inside


def region_share(events: EventList) -> float:
    """Share of the coordinate plane that the region covers, 1 without a region; see `backscal`."""
    area = events.region_area
    if area is None:
        return 1.0
    cut = events.regions[0]
    bounds = events.bounds_of(cut.x, cut.y)
    if bounds is None:
        return float(area)
    return area / ((bounds[1] - bounds[0] + 1) * (bounds[3] - bounds[2] + 1))


def spectrum_frame(events: EventList, task: str, exposure_map: ExposureMap | None = None) -> dict[str, Any]:
    """Attributes that all spectra of a selection share: exposure, scalings, header, GTI and region."""
    header = product_header(events)
    header.set("HDUCLAS2", "TOTAL", "source and background together")
    add_region_subspace(header, events)
    header.add_history(f"{task} of {events.path.name}[{events.hdu_name}]")
    for line in selection_history(events):
        header.add_history(f"  {line}")
    return {
        "exposure": events.exposure,
        "backscal": backscal(events, exposure_map),
        "areascal": 1.0,
        "header": header,
        "gti": events.gti,
        "region": events.regions[0].pixels if len(events.regions) == 1 else None,
        "telescop": str(header["TELESCOP"]).strip(),
        "instrume": str(header["INSTRUME"]).strip(),
        "detnam": str(header["DETNAM"]).strip(),
        "provenance": product_provenance(events, task),
    }


def no_counts(events: EventList) -> DataError:
    """The error of a selection that leaves nothing."""
    return DataError(
        "no event is left by the selection",
        file=events.path,
        hdu=events.hdu_name,
        cure="Check region, energies and times, or pass allow_empty=True if an empty product is meant.",
    )


class _CCDCounts:
    """Selected events per CCD."""

    def __init__(self, column: str) -> None:
        self._column = column
        self.counts = np.zeros(256, dtype=np.int64)

    @property
    def columns(self) -> tuple[str, ...]:
        return (self._column,)

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        self.counts += np.bincount(np.asarray(part[self._column], dtype=np.int64), minlength=256)[:256]


def _times_of_ccds(frame: dict[str, Any], events: EventList, counts: NDArray[np.int64]) -> None:
    """Give a spectrum the live time of the CCDs its events are from, weighted by their numbers."""
    number = {ccd: int(counts[ccd]) for ccd in events.gti_by_ccd if counts[ccd]}
    if not number:
        return
    if len(number) == 1:  # then the good time is that of the CCD, too
        frame["gti"] = events.gti_by_ccd[next(iter(number))]
    total = sum(n * events.ccd_exposure(ccd) for ccd, n in number.items())
    frame["exposure"] = total / sum(number.values())
    set_times(frame["header"], events, deadc=frame["exposure"] / frame["gti"].exposure, gti=frame["gti"])
    main = max(number, key=number.__getitem__)
    frame["header"].set("CCDSRC", main, "CCD with most of the events")


def extract_spectrum(
    events: EventList,
    *,
    binning: int | None = None,
    exposure_map: ExposureMap | None = None,
    wmap: str | bool | None = None,
    allow_empty: bool = False,
) -> Spectrum:
    """Spectrum of counts of the selected events.

    Parameters
    ----------
    events : EventList
        Selected events.
    binning : int, optional
        Values of the energy column that make one channel; by default as the mission's spectra have it, else one.
    exposure_map : ExposureMap, optional
        For BACKSCAL, see `backscal`.
    wmap : str or bool, optional
        Frame of the weighted map that becomes part of the spectrum ("sky", "det"...); True for "sky", False for none.
        By default "sky" where a region is selected.
    allow_empty : bool
        Whether a spectrum without any count is acceptable.

    Returns
    -------
    Spectrum
        All channels of the detector (zero outside an energy selection); Poisson errors; EXPOSURE = ONTIME·DEADC, where
        CCDs have times of their own the mean live time of the CCDs weighted by their events; BACKSCAL as `backscal`
        says; good time intervals and region attached.

    Raises
    ------
    DataError
        If no event is left, or the channels of the detector are not known.
    GTIError
        If no good time is left.
    RegionError
        If the region covers no pixel.
    """
    frame = spectrum_frame(events, "extract_spectrum", exposure_map)
    accumulator = SpectrumAccumulator(events, coarse=_channels(events, binning))
    by_ccd = None if events.ccd_column is None else _CCDCounts(events.ccd_column)
    weights = _weighted_map(events, wmap)
    run_pass(events, [a for a in (accumulator, by_ccd, weights) if a is not None])
    if by_ccd is not None:
        _times_of_ccds(frame, events, by_ccd.counts)
    if not allow_empty and not accumulator.counts.any():
        raise no_counts(events)
    header = frame["header"]
    header.set("TOTCTS", int(accumulator.counts.sum()), "total counts in spectrum")
    header.set("CHANTYPE", events.energy_column.upper(), "channel type")
    if weights is not None:
        frame["wmap"] = weights.hdu(header)
    return Spectrum(
        channel=accumulator.channel, values=accumulator.counts.astype(float), is_rate=False, poisson=True, **frame
    )


def _weighted_map(events: EventList, wmap: str | bool | None) -> WeightedMap | None:
    """Weighted map that is asked for; by default one of the region, where its plane is known."""
    from wolter.makers.wmap import WeightedMap

    if wmap is False or (wmap is None and not (events.regions and events.bounds is not None)):
        return None
    return WeightedMap(events, wmap if isinstance(wmap, str) else "sky")


def _channels(events: EventList, binning: int | None) -> tuple[int, int, int] | None:
    """First and last value and values per channel of a spectrum; None for one channel per value."""
    usual = events.mission.spectrum_channels.get(events.detector)
    if usual is None and binning in (None, 1):
        return None
    first, last, width = usual or (*events.channel_range, 1)
    if binning is not None:
        if binning < 1:
            raise DataError(f"channels of {binning} values are impossible", cure="Give binning=1 or more.")
        width = binning
    return first, last, width
