"""The light curve: count rates in bins of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter._accessor import Figures
from wolter.data._companions import companions, observation_keywords
from wolter.data.rmf import keyword
from wolter.errors import DataError

if TYPE_CHECKING:
    from wolter.gti import GTI

__all__ = ["LightCurve"]

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "d": 86400.0, "day": 86400.0, "days": 86400.0}


@dataclass(eq=False, kw_only=True, repr=False)
class LightCurve:
    """Count rates in bins of equal length, of which some may be absent.

    Attributes
    ----------
    time : float64[n]
        Centres of the bins, s after `timezero`.
    rate, error : float64[n]
        count/s and its standard deviation.
    fracexp : float64[n]
        Fraction of each bin that is exposed.
    timezero : float
        s in mission time.
    timedel : float
        Length of the bins, s.
    header : Header
        Keywords (MJDREFI and MJDREFF say when mission time began).
    gti : GTI or None
    path : Path or None
    region : region in pixels or None
        Region that the events were selected by.
    provenance : Provenance or None
        How the light curve was made; written with it.

    Raises
    ------
    DataError
        If arrays have different lengths, errors are negative, or the bins have no length.
    """

    plot: ClassVar[Figures] = Figures("light_curve")

    time: NDArray[Any]
    rate: NDArray[Any]
    error: NDArray[Any]
    fracexp: NDArray[Any] | None = None
    timezero: float = 0.0
    timedel: float = 1.0
    header: fits.Header = field(default_factory=fits.Header)
    gti: GTI | None = None
    path: Path | None = None
    region: Any = None
    provenance: fits.Provenance | None = None

    def __post_init__(self) -> None:
        self.time = np.asarray(self.time, dtype=float)
        n = len(self.time)
        self.fracexp = np.ones(n) if self.fracexp is None else np.asarray(self.fracexp, dtype=float)
        self.rate, self.error = np.asarray(self.rate, dtype=float), np.asarray(self.error, dtype=float)
        for name in ("rate", "error", "fracexp"):
            if getattr(self, name).shape != (n,):
                raise DataError(f"{n} times but {getattr(self, name).size} values of {name}", file=self.path)
        if not self.timedel > 0:
            raise DataError(f"bins of {self.timedel} s have no length", file=self.path, hdu="RATE")
        if (self.error < 0).any():
            raise DataError("errors are negative", file=self.path, hdu="RATE")

    def __len__(self) -> int:
        return len(self.time)

    @property
    def met(self) -> NDArray[np.float64]:
        """float64[n]: centres of the bins in mission time, s."""
        return self.timezero + self.time

    @property
    def mjdref(self) -> float | None:
        """Modified Julian date at which mission time is zero (in TIMESYS); None where it is not known."""
        header = self.header
        if "MJDREFI" in header:
            return header.number("MJDREFI") + header.number("MJDREFF", 0.0)
        return header.number("MJDREF") if "MJDREF" in header else None

    @classmethod
    def read(cls, path: str | PathLike[str]) -> LightCurve:
        """Light curve of an OGIP file: extension RATE (HDUCLAS1 LIGHTCURVE), columns TIME, RATE (or COUNTS), ERROR.

        Times are turned into centres of bins by TIMEPIXR and TIMEDEL; TIMEZERO (or TIMEZERI, TIMEZERF) is kept apart.

        Raises
        ------
        DataError
            If the extension, a column or the length of the bins is missing.
        FitsError
            If the file cannot be read.
        """
        with fits.open(path) as file:
            table = _rate_table(file)
            return _read(cls, table, file)

    def write(self, path: str | PathLike[str], *, overwrite: bool = False, provenance: Any = None) -> Path:
        """Write an OGIP file: RATE extension with TIME, RATE, ERROR, FRACEXP, and the good time intervals.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        """
        header = self.header.without_structure()
        for key, value, comment in (
            ("HDUCLASS", "OGIP", "format conforms to OGIP standard"),
            ("HDUCLAS1", "LIGHTCURVE", "light curve"),
            ("HDUCLAS2", keyword(header, "HDUCLAS2") or "TOTAL", "gross, net or background"),
            ("HDUCLAS3", "RATE", "data are count rates"),
            ("TELESCOP", str(header.get("TELESCOP") or "UNKNOWN"), "telescope (mission) name"),
            ("INSTRUME", str(header.get("INSTRUME") or "UNKNOWN"), "instrument name"),
            ("TIMEUNIT", "s", "unit of time"),
            ("TIMEZERO", float(self.timezero), "[s] zero of the column TIME"),
            ("TIMEDEL", float(self.timedel), "[s] length of the bins"),
            ("TIMEPIXR", 0.5, "times are those of the centres of bins"),
        ):
            header.set(key, value, comment)
        header.remove("TIMEZERI", "TIMEZERF")
        unit = "count/s"
        table = fits.new_table(
            "RATE",
            {
                "TIME": self.time,
                "RATE": self.rate.astype("f4"),
                "ERROR": self.error.astype("f4"),
                "FRACEXP": np.asarray(self.fracexp).astype("f4"),
            },
            units={"TIME": "s", "RATE": unit, "ERROR": unit},
            header=header,
        )
        blocks = [fits.primary(observation_keywords(header)), table, *companions(header, self.gti, self.region)]
        fits.write(path, blocks, overwrite=overwrite, provenance=provenance or self.provenance)
        return Path(path)

    @property
    def mean(self) -> tuple[float, float]:
        """Mean rate over the exposed time and its standard deviation, count/s; NaN without exposed bins."""
        share = np.where(np.isfinite(self.rate), np.asarray(self.fracexp), 0.0)
        if not share.sum() > 0:
            return np.nan, np.nan
        rate = float((np.nan_to_num(self.rate) * share).sum() / share.sum())
        return rate, float(np.sqrt(((np.nan_to_num(self.error) * share) ** 2).sum()) / share.sum())

    def __repr__(self) -> str:
        from wolter.data._tables import detector_of

        words = [word for word in (self.path.name if self.path else "", detector_of(self.header)) if word]
        about = f"{len(self)} bins of {self.timedel:g} s"
        if len(self):
            rate, error = self.mean
            about += f", {np.asarray(self.fracexp).sum() * self.timedel:.1f} s exposed"
            about += f", {rate:.4g} +- {error:.2g} count/s"
        return f"<LightCurve {' '.join(words) or 'in memory'}: {about}>"

    def to_table(self) -> Any:
        """astropy Table of the bins, with units; times are in mission time."""
        from astropy.table import Table

        return Table(
            [self.met, self.rate, self.error, self.fracexp],
            names=["time", "rate", "error", "fracexp"],
            units=["s", "ct / s", "ct / s", None],
            meta={"TIMEDEL": self.timedel},
        )


def _rate_table(file: fits.FitsFile) -> fits.TableHDU:
    if file.filename.ext is not None and isinstance(file.hdu, fits.TableHDU):
        return file.hdu
    tables = [h for h in file.hdus if isinstance(h, fits.TableHDU)]
    for table in tables:
        if keyword(table.header, "HDUCLAS1").upper() == "LIGHTCURVE" or table.name.upper() == "RATE":
            return table
    raise DataError(
        f"there is no RATE extension; the file has {', '.join(h.label for h in file.hdus)}",
        file=file.path,
        cure="This is not a light curve; make one from the events, or name the extension: file[NAME].",
    )


def _read(cls: type[LightCurve], table: fits.TableHDU, file: fits.FitsFile) -> LightCurve:
    def error(cause: str) -> DataError:
        return DataError(cause, file=file.path, hdu=table.label)

    header = table.header
    value = next((c for c in ("RATE", "COUNTS", "RATE1") if c in table), None)
    if "TIME" not in table or value is None:
        raise error(f"there is no column TIME or no RATE; the table has {', '.join(table.columns)}")
    unit = (table.columns["TIME"].unit or str(header.get("TIMEUNIT", "s"))).strip().lower()
    if unit not in _SECONDS:
        raise error(f"TIME is in {unit!r}, not in seconds or days")
    scale = _SECONDS[unit]
    time = table.read("TIME").astype(float) * scale
    timedel = header.get("TIMEDEL")
    width = float(timedel) * scale if timedel is not None else _spacing(time)
    if not width > 0:
        raise error("the length of the bins is unknown: TIMEDEL is missing")
    zero = header.get("TIMEZERO")
    zero = header.number("TIMEZERI", 0.0) + header.number("TIMEZERF", 0.0) if zero is None else float(zero)
    time = time + (0.5 - header.number("TIMEPIXR", 0.5)) * width
    fracexp = table.read("FRACEXP") if "FRACEXP" in table else np.ones(len(time))
    rate = table.read(value).astype(float)
    name = next((c for c in ("ERROR", "STAT_ERR", "ERROR1") if c in table), None)
    exposed = width * np.where(fracexp > 0, fracexp, 1.0)
    if value == "COUNTS":
        rate = rate / exposed
        spread = table.read(name).astype(float) / exposed if name else np.sqrt(np.maximum(rate, 0.0) / exposed)
    else:
        spread = table.read(name).astype(float) if name else np.sqrt(np.maximum(rate, 0.0) / exposed)
    return cls(
        time=time,
        rate=rate,
        error=spread,
        fracexp=fracexp,
        timezero=zero * scale,
        timedel=width,
        header=header.without_structure(),
        gti=_good_times(file),
        path=file.path,
    )


def _spacing(time: NDArray[np.float64]) -> float:
    step = np.diff(time)
    return float(step.min()) if len(step) else 0.0


def _good_times(file: fits.FitsFile) -> GTI | None:
    from wolter.gti import GTI, is_gti

    found = [h for h in file.hdus if is_gti(h)]
    return GTI.read(found[0], allow_empty=True) if found else None
