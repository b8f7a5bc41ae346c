"""Products of the task ``extractor`` in the form that the tool gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data import LightCurve, Spectrum
from wolter.data.events import EventList
from wolter.errors import DataError, ParameterError
from wolter.gti import GTI
from wolter.makers.headers import add_region_subspace, product_header
from wolter.makers.image import ImageAccumulator, ImageGrid, image_header
from wolter.makers.lightcurve import BinnedTimes, LightCurveAccumulator
from wolter.makers.passes import Accumulator
from wolter.makers.spectrum import SpectrumAccumulator, region_share
from wolter.makers.stokes import stokes_rates
from wolter.makers.sums import StokesAccumulator

__all__ = [
    "LightCurveBins",
    "Run",
    "channel_limits",
    "grades",
    "image_grid",
    "plane",
    "wmap_grid",
]

_STOKES = ("Ixx", "xQx", "xxU")


def channel_limits(limits: tuple[float, float], legal: tuple[int, int]) -> tuple[int, int]:
    """Channels of the spectrum that a range of the energy column leaves."""
    lo = legal[0] if not np.isfinite(limits[0]) else int(np.ceil(limits[0]))
    hi = legal[1] if not np.isfinite(limits[1]) else int(np.floor(limits[1]))
    if hi < legal[0] or lo > legal[1]:
        raise DataError(
            f"channels {lo}-{hi} are outside those of the detector, {legal[0]}-{legal[1]}", cure="Check the range."
        )
    return lo, hi


def grades(text: str) -> list[int]:
    """Grades of a list such as ``0:4,6``.

    Raises
    ------
    ParameterError
        If it is not understood.
    """
    out: list[int] = []
    for piece in re.split(r"[,;\s]+", text.strip()):
        match = re.fullmatch(r"(\d+)(?:[:\-](\d+))?", piece)
        if match is None:
            raise ParameterError(f"extractor: gstring = {text!r} is not a list of grades", cure="Write 0:4,6.")
        out += range(int(match[1]), int(match[2] or match[1]) + 1)
    return out


def plane(events: EventList, x: str, y: str, xkey: str | None, ykey: str | None) -> tuple[int, int, int, int]:
    """Bounds of a coordinate plane: TLMIN and TLMAX, or keywords that hold its size."""
    bounds = events.bounds_of(x, y)
    if bounds is not None:
        return bounds
    if xkey and ykey and xkey in events.header and ykey in events.header:
        return 1, int(events.header[xkey]), 1, int(events.header[ykey])
    raise DataError(
        f"the size of the plane of {x} and {y} is not known: TLMIN and TLMAX are missing",
        file=events.path,
        hdu=events.hdu_name,
        cure="Name the keywords that hold it (xfkey, yfkey), or use wolter.makers.sky_image.",
    )


def image_grid(events: EventList, x: str, y: str, p: Mapping[str, Any]) -> ImageGrid:
    """Grid of the image: the whole plane, or with fullimage=no the bounding box of the region."""
    bounds = plane(events, x, y, p["xfkey"], p["yfkey"])
    if not p["fullimage"] and events.regions:
        bounds = events.regions[0].pixels.extractor_box(bounds) or bounds
    return ImageGrid.over(bounds, p["binf"])


def _cuts_in(events: EventList, x: str, y: str) -> list[Any]:
    """Regions in the pixels of two columns."""
    return [cut for cut in events.regions if (cut.x.upper(), cut.y.upper()) == (x.upper(), y.upper())]


def wmap_grid(events: EventList, x: str, y: str, p: Mapping[str, Any]) -> ImageGrid:
    """Grid of the weighted map: the plane of its columns, or the pixels around a region in these columns."""
    bounds = plane(events, x, y, p["xhkey"], p["yhkey"])
    whole = ImageGrid.over(bounds, p["binh"])
    cuts = _cuts_in(events, x, y)
    box = cuts[0].pixels.extractor_box(bounds) if cuts else None
    if box is None:
        return whole
    b = p["binh"]
    # One pixel more on each side: a pixel within rounding errors of the region's edge counts.
    low, high = [], []
    for (lo, hi), first, n in zip((box[:2], box[2:]), whole.first, whole.shape[::-1], strict=True):
        low.append(max(int(lo - first) // b - 1, 0))
        high.append(min(int(hi - first) // b + 1, n - 1))
    first = (whole.first[0] + low[0] * b, whole.first[1] + low[1] * b)
    return ImageGrid(first, (high[1] - low[1] + 1, high[0] - low[0] + 1), b)


@dataclass
class LightCurveBins:
    """The light curve's accumulator with its bins."""

    bins: BinnedTimes
    accumulator: LightCurveAccumulator

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns needed of each selected event."""
        return self.accumulator.columns

    def add(self, part: Mapping[str, NDArray[Any]]) -> None:
        """Add the selected events of one chunk."""
        self.accumulator.add(part)


@dataclass
class Run:
    """One run of the task: the events, the parameters and the filled accumulators."""

    events: EventList
    p: Mapping[str, Any]
    channels: tuple[int, int] | None
    accumulators: dict[str, Accumulator]
    chips: list[int] = field(default_factory=list)
    number: int = 0
    inputs: list[Any] = field(default_factory=list)

    # -- times -----------------------------------------------------------------------------------------------------

    @cached_property
    def gti(self) -> GTI:
        """Good time: that of the CCDs which have selected events, else that of the selection."""
        by_ccd = self.events.gti_by_ccd
        if self.chips and by_ccd:
            return GTI.union(by_ccd[chip] for chip in self.chips if chip in by_ccd)
        return self.events.gti

    @property
    def ontime(self) -> float:
        """Good time, s."""
        return self.gti.exposure

    @cached_property
    def deadc(self) -> float:
        """Live fraction in single precision, as the tool reads (or computes) it."""
        header = self.events.header
        live, on = header.get("LIVETIME"), header.get("ONTIME")
        if "DEADC" not in header and isinstance(live, float) and isinstance(on, float) and on > 0:
            return float(np.float32(live) / np.float32(on))
        return float(np.float32(self.events.deadc))

    @property
    def exposure(self) -> float:
        """Exposure, s."""
        return self.ontime * self.deadc

    def gti_hdus(self) -> list[fits.TableHDU]:
        """Good time intervals: one extension per CCD that has selected events, under its own name, or one GTI."""
        by_ccd = self.events.gti_by_ccd
        if self.chips and by_ccd:
            names = self.events.ccd_gti_names
            return [by_ccd[c].to_hdu(names[c], header=cast(Any, self.events.header)) for c in self.chips if c in by_ccd]
        return [self.gti.to_hdu(header=cast(Any, self.events.header))]

    # -- region ----------------------------------------------------------------------------------------------------

    @cached_property
    def area(self) -> int | None:
        """Pixels in the region; None without one, or where the tool cannot bound it (a lone sector)."""
        if not self.events.regions or self._unbounded:
            return None
        return self.events.region_area

    @property
    def _unbounded(self) -> bool:
        cut = self.events.regions[0]
        return cut.pixels.extractor_box(self.events.bounds_of(cut.x, cut.y)) is None

    @property
    def _plane_pixels(self) -> int:
        x, y = str(self.p["xcolf"]), str(self.p["ycolf"])
        x0, x1, y0, y1 = plane(self.events, x, y, self.p["xfkey"], self.p["yfkey"])
        return (x1 - x0 + 1) * (y1 - y0 + 1)

    @property
    def backscal(self) -> float:
        """BACKSCAL."""
        return 1.0 if self.area is None else region_share(self.events)

    def _region(self) -> Any:
        return self.events.regions[0].pixels if self.events.regions else None

    # -- headers ---------------------------------------------------------------------------------------------------

    @property
    def status(self) -> int:
        """Exit status: 1 where the tool stumbles over an open grade range in the header's data subspace."""
        if self.p["gcol"] is None or self.p["gstring"] is None:
            return 0
        value = self.events.data_subspace.get(str(self.p["gcol"]).upper(), "")
        return 1 if value.startswith(":") or value.endswith(":") else 0

    def header(self, **keywords: Any) -> fits.Header:
        """Header common to all products, with more keywords."""
        header = product_header(self.events, deadc=self.deadc)
        for key in ("ONTIME", "LIVETIME", "EXPOSURE"):  # of the CCDs with events; the times are those of all
            header.set(key, self.ontime if key == "ONTIME" else self.exposure)
        self._grade_subspace(header)
        add_region_subspace(header, self.events)
        for key, value in keywords.items():
            header.set(key, value)
        return header

    def _grade_subspace(self, header: fits.Header) -> None:
        if self.p["gcol"] is None or self.p["gstring"] is None or self.status:
            return
        name = str(self.p["gcol"]).upper()
        numbers = [int(m[1]) for k in header if (m := re.fullmatch(r"DSTYP(\d+)", k))]
        own = [n for n in numbers if str(header[f"DSTYP{n}"]).strip().upper() == name]
        number = own[0] if own else max(numbers, default=0) + 1
        header.set(f"DSTYP{number}", name, "data subspace: name")
        pieces = re.split(r"[,;\s]+", str(self.p["gstring"]).strip())
        value = ",".join(g if ":" in g else f"{g}:{g}" for g in pieces)
        header.set(f"DSVAL{number}", value, "data subspace: value")

    def provenance(self) -> fits.Provenance:
        """The parameters that are not at their defaults, and the input files."""
        from wolter.tasks.parameters import EXTRACTOR

        given = {
            q.name: self.p[q.name] for q in EXTRACTOR if q.default is ... or q.convert(q.default) != self.p[q.name]
        }
        inputs = self.inputs or [self.events.path]
        if self.p["regionfile"] is not None:
            inputs = [*inputs, self.p["regionfile"]]
        return fits.Provenance("extractor", given, inputs).resolved()

    # -- spectrum --------------------------------------------------------------------------------------------------

    def spectra(self) -> list[Spectrum]:
        """The spectrum, or I, Q and U."""
        counts = self.accumulators["spectrum"]
        assert isinstance(counts, SpectrumAccumulator)
        binning = self.p["specbin"]
        total = int(counts.counts.sum()) if self.p["wtmapb"] else 0
        header = self.header(
            HDUCLAS2="TOTAL",
            TOTCTS=total,
            CHANTYPE=str(self.p["ecol"]).upper(),
            SPECDELT=binning,
            SPECPIX=int(counts.channel[0]),
            SPECVAL=float(counts.channel[0] + (binning - 1) // 2),
        )
        common: dict[str, Any] = {
            "channel": counts.channel,
            "exposure": self.exposure,
            "backscal": float(np.float32(self.backscal)),
            "gti": self.gti,
            "region": self._region(),
        }
        stokes = self.accumulators.get("stokes")
        if not isinstance(stokes, StokesAccumulator):
            return [Spectrum(values=counts.counts.astype(float), header=header, **common)]
        kind = str(self.p["stokes"]).upper()
        out = []
        for number, (rate, error) in enumerate(stokes_rates(stokes.result(), self.exposure, kind)):
            own = header.copy()
            own.set("STOKESPR", _STOKES[number], "Stokes parameter")
            own.set("STOKESWT", kind, "Stokes weighting scheme")
            xflt = {"stokes": float(number)}
            out.append(
                Spectrum(values=rate, stat_err=error, is_rate=True, poisson=False, header=own, xflt=xflt, **common)
            )
        return out

    def primaries(self) -> list[fits.ImageHDU | None]:
        """Primary HDU of each spectrum file: the weighted map, or none."""
        wmap = self.accumulators.get("wmap")
        one = self._wmap(wmap) if isinstance(wmap, ImageAccumulator) else None
        return [one] * 3

    def _wmap(self, accumulator: ImageAccumulator) -> fits.ImageHDU:
        """Weighted map: counts inside the region, −1 outside, cut to the pixels that hold either."""
        grid, b = accumulator.grid, self.p["binh"]
        counts = accumulator.image.astype(np.float32)
        x, y = str(self.p["xcolh"]), str(self.p["ycolh"])
        bounded = bool(_cuts_in(self.events, x, y))
        # A region in other columns says nothing about these pixels; those with events are inside.
        inside = counts > 0 if self.events.regions else np.ones(counts.shape, dtype=bool)
        if bounded:
            ny, nx = grid.shape
            inside = self._region().mask(nx, ny, x_first=grid.first[0], y_first=grid.first[1], binning=b)
        wanted = (inside & bounded) | (counts > 0)
        rows, columns = np.flatnonzero(wanted.any(axis=1)), np.flatnonzero(wanted.any(axis=0))
        x_first, x_last, y_first, y_last = plane(self.events, x, y, self.p["xhkey"], self.p["yhkey"])
        if not len(rows):
            raise DataError(
                f"no event lies on the plane of the WMAP, {x} {x_first} to {x_last}, {y} {y_first} to {y_last}",
                file=self.events.path,
                hdu=self.events.hdu_name,
                cure="Set xcolh and ycolh, or wtmapb=no.",
            )
        frame = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        if self.p["wtmapfix"]:
            counts[~inside & (counts == 0)] = -1
        first = (grid.first[0] + int(columns[0]) * b, grid.first[1] + int(rows[0]) * b)
        data = counts[frame]
        cut = ImageGrid(first, (data.shape[0], data.shape[1]), b)
        header = image_header(self.events, self.p["xcolh"], self.p["ycolh"], cut, self.header())
        pixels = self._plane_pixels if self.area is None else self.area
        for key, value in {
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "IMAGE",
            "HDUCLAS2": "WMAP",
            "CONTENT": "SPECTRUM",
            "TOTCTS": int(accumulator.image.sum()),
            "WMREBIN": b,
            "NPIXSOU": pixels / self.p["binf"] ** 2,
            "SKYBIN": b,
            "WMAPFIX": bool(self.p["wtmapfix"]),
            "X-OFFSET": (first[0] - x_first) // b + 1,
            "Y-OFFSET": (first[1] - y_first) // b + 1,
        }.items():
            header.set(key, value)
        if self.p["swmapx"]:
            data = data[:, ::-1]
        if self.p["swmapy"]:
            data = data[::-1]
        return fits.new_image(np.ascontiguousarray(data), header=header)

    # -- image and light curve -------------------------------------------------------------------------------------

    def image_hdus(self) -> list[fits.HDU]:
        """Image in the primary HDU, good time intervals, region."""
        accumulator = self.accumulators["image"]
        assert isinstance(accumulator, ImageAccumulator)
        header = image_header(self.events, self.p["xcolf"], self.p["ycolf"], accumulator.grid, self.header())
        column = str(self.p["ecol"])
        first, last = self.channels or self.events.channels_of(column)
        for key, value in {
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "IMAGE",
            "CONTENT": "IMAGE",
            "IMGBIN": self.p["binf"],
            "TOTCTS": self.number,
            "CHANMIN": first,
            "CHANMAX": last,
            "CHANTYPE": column.upper(),
        }.items():
            header.set(key, value)
        if "HDUCLAS2" in self.events.header:
            header.set("HDUCLAS2", self.events.header["HDUCLAS2"])
        header.set("RA_NOM", header["CRVAL1"], "coordinate of reference pixel")
        header.set("DEC_NOM", header["CRVAL2"], "coordinate of reference pixel")
        return [fits.new_image(accumulator.image.astype(np.int32), header=header), *self.tail()]

    def tail(self) -> list[fits.HDU]:
        """Extensions behind every product: good time intervals and region."""
        region = self._region()
        return [*self.gti_hdus(), *([] if region is None else [region.to_fits_hdu()])]

    def light_curve_hdus(self) -> list[fits.HDU]:
        """RATE extension, good time intervals, region."""
        curve = self.light_curve()
        table = _rate_hdu(curve)
        union = [self.events.gti.to_hdu(header=cast(Any, self.events.header))] if self.chips else []
        return [fits.primary(self.header()), table, *union, *self.tail()]

    def light_curve(self) -> LightCurve:
        """Light curve of the bins whose fractional exposure reaches lcthresh."""
        made = self.accumulators["lightcurve"]
        assert isinstance(made, LightCurveBins)
        bins, counts = made.bins, made.accumulator.counts
        keep = (bins.exposure > 0) & (bins.fraction >= self.p["lcthresh"] - 1e-9)
        if not keep.any():
            raise DataError(
                f"no bin of the light curve has a fractional exposure of {self.p['lcthresh']} or more",
                file=self.events.path,
                cure="Use shorter bins (binlc) or lcthresh=0.",
            )
        first, last = self.channels or self.events.channels_of(str(self.p["ecol"]))
        header = self.header(HDUCLAS2="TOTAL", PHALCUT=first, PHAHCUT=last, MINFREXP=self.p["lcthresh"])
        pixels = self._plane_pixels if self.area is None else self.area
        header.set("NPIXSOU", pixels / self.p["binf"] ** 2, "number of pixels in selected region")
        exposure = bins.exposure[keep]
        time = bins.width * np.flatnonzero(keep).astype(float)
        zero = bins.start + bins.width / 2
        if not self.p["lctzero"]:
            # The tool puts the time of a bin half its exposure after its start, wherever in it the exposure lies.
            time, zero = bins.edges[:-1][keep] + exposure / 2, 0.0
        return LightCurve(
            time=time,
            rate=counts[keep] / exposure,
            error=np.sqrt(counts[keep]) / exposure,
            fracexp=bins.fraction[keep],
            timezero=zero,
            timedel=bins.width,
            header=header,
            gti=self.events.gti,
        )


def _rate_hdu(curve: LightCurve) -> fits.TableHDU:
    """RATE extension of a light curve."""
    header = curve.header.copy()
    for key, value in {
        "HDUCLASS": "OGIP",
        "HDUCLAS1": "LIGHTCURVE",
        "HDUCLAS3": "RATE",
        "TIMEZERO": float(curve.timezero),
        "TIMEDEL": float(curve.timedel),
        "TIMEPIXR": 0.5,
    }.items():
        header.set(key, value)
    single = {"RATE": curve.rate, "ERROR": curve.error, "FRACEXP": curve.fracexp}
    data: dict[str, Any] = {"TIME": curve.time}
    data.update({name: np.asarray(values, dtype=np.float32) for name, values in single.items()})
    units = {"TIME": "s", "RATE": "count/s", "ERROR": "count/s"}
    return fits.new_table("RATE", data, units=units, header=header)
