"""XGA's samples: sources by number or name, declared by columns."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from warnings import warn

import numpy as np
from astropy.units import Quantity

from wolter._progress import track
from wolter.compat.xga.exceptions import NoMatchFoundError, NoValidObservationsError
from wolter.compat.xga.facts import refuse
from wolter.compat.xga.ranking import Ranking
from wolter.compat.xga.sources import BaseSource, ExtendedSource, GalaxyCluster, PointSource
from wolter.errors import WolterError

__all__ = ["BaseSample", "ClusterSample", "ExtendedSample", "PointSample"]


class BaseSample:
    """Sources that at least one observation covers; the others are left out and named in `failed_names`."""

    _kind: type[BaseSource] = BaseSource
    _per_source: tuple[str, ...] = ()

    def __init__(self, ra: Any, dec: Any, redshift: Any = None, name: Any = None, *args: Any, **options: Any) -> None:
        columns = dict(zip(self._per_source, args, strict=False))
        columns |= {key: options.pop(key) for key in self._per_source if key in options}
        options.pop("no_prog_bar", None)
        self._sources: dict[str, BaseSource] = {}
        self.failed_reasons: dict[str, str] = {}
        number = len(ra)
        for i in track(range(number), f"Declaring {self._kind.__name__} Sample"):
            label = str(name[i]) if name is not None else f"source_{i}"
            own = {key: column[i] for key, column in columns.items() if column is not None}
            z = None if redshift is None else float(redshift[i])
            try:
                self._sources[label] = self._kind(float(ra[i]), float(dec[i]), z, label, **own, **options)
            except (NoMatchFoundError, NoValidObservationsError) as exc:
                self.failed_reasons[label] = str(exc)
        if not self._sources:
            raise NoValidObservationsError("No source of the sample is covered by an observation.")
        if self.failed_reasons:
            warn(f"No observation covers {', '.join(self.failed_reasons)}; left out of the sample.", stacklevel=2)

    def __len__(self) -> int:
        return len(self._sources)

    def __iter__(self) -> Iterator[BaseSource]:
        return iter(self._sources.values())

    def __getitem__(self, key: int | str) -> BaseSource:
        return self._sources[key] if isinstance(key, str) else list(self._sources.values())[key]

    @property
    def names(self) -> np.ndarray:
        """Names of the sources."""
        return np.array(list(self._sources))

    @property
    def failed_names(self) -> list[str]:
        """Sources that were left out."""
        return list(self.failed_reasons)

    @property
    def ra_decs(self) -> Quantity:
        """Positions."""
        return Quantity([s.ra_dec for s in self])

    @property
    def peaks(self) -> Quantity:
        """Peaks."""
        return Quantity([s.peak for s in self])

    @property
    def redshifts(self) -> np.ndarray:
        """Redshifts."""
        return np.array([np.nan if s.redshift is None else s.redshift for s in self])

    def __getattr__(self, name: str) -> Any:
        refuse(self, name)

    suppressed_warnings: tuple[str, ...] = ()

    @property
    def nHs(self) -> Quantity:
        """Galactic columns, 10²² cm⁻²."""
        return Quantity([s.nH for s in self])

    @property
    def cosmo(self) -> Any:
        """Cosmology of the sources."""
        return self[0].cosmo

    @property
    def telescopes(self) -> list[str]:
        """Telescopes that saw the sources."""
        return ["xmm"]

    @property
    def src_telescopes(self) -> dict[str, list[str]]:
        """Telescopes by source."""
        return {name: s.telescopes for name, s in self._sources.items()}

    @property
    def src_obs_ids(self) -> dict[str, Any]:
        """ObsIDs by source."""
        return {name: s.obs_ids for name, s in self._sources.items()}

    @property
    def detected(self) -> dict[str, Any]:
        """Whether each source is among the detections, by ObsID."""
        return {name: s.detected for name, s in self._sources.items()}

    @property
    def any_detection(self) -> dict[str, bool]:
        """Whether each source is among the detections of any observation."""
        return {name: any(s.detected.values()) for name, s in self._sources.items()}

    def offsets(self, off_unit: Any = "arcmin") -> Quantity:
        """Distances of positions and peaks."""
        return Quantity([s.offset(off_unit) for s in self])

    @property
    def instruments(self) -> dict[str, Any]:
        """Instruments by source and ObsID."""
        return {name: s.instruments for name, s in self._sources.items()}

    def info(self) -> None:
        """Print what is known of the sample."""
        total = sum(len(s.obs_ids) for s in self)
        print(f"\n-----------------------------------------------------\nNumber of Sources - {len(self)}")
        print(f"Redshift Information - {bool(np.isfinite(self.redshifts).any())}\nXMM ObsIDs - {total}")
        print("-----------------------------------------------------\n")


class PointSample(BaseSample):
    """Point sources."""

    _kind = PointSource
    _per_source = ("point_radius",)
    point_radii = property(lambda self: _quantities(s.point_radius for s in self), doc="Radius of each source")
    point_radii_unit = property(lambda self: self.point_radii.unit, doc="Unit of the radii")


class ExtendedSample(BaseSample):
    """Extended sources."""

    _kind = ExtendedSource
    _per_source = ("custom_region_radius",)
    custom_radii = property(lambda self: _quantities(s.custom_radius for s in self), doc="Radius of each source")
    custom_radii_unit = property(lambda self: self.custom_radii.unit, doc="Unit of the radii")


class ClusterSample(BaseSample):
    """Clusters of galaxies."""

    _kind = GalaxyCluster
    _per_source = (
        "r200", "r500", "r2500", "richness", "richness_err", "wl_mass", "wl_mass_err", "custom_region_radius",
    )  # fmt: skip

    def _radii(self, name: str) -> Quantity:
        values = [getattr(s, name) for s in self]
        return Quantity([np.nan if v is None else v.to_value("kpc") for v in values], "kpc")

    r200 = property(lambda self: self._radii("r200"), doc="R200 of each cluster, kpc")
    r500 = property(lambda self: self._radii("r500"), doc="R500 of each cluster, kpc")
    r2500 = property(lambda self: self._radii("r2500"), doc="R2500 of each cluster, kpc")

    def _snr(self, name: str) -> Ranking:
        return Ranking([self._one(source, name) for source in self])

    @staticmethod
    def _one(source: BaseSource, name: str) -> float:
        try:
            return source.get_snr(name)
        except (ValueError, WolterError):  # it has no such radius, or its field does not cover it
            return float("nan")

    r200_snr = property(lambda self: self._snr("r200"), doc="Signal to noise within R200")
    r500_snr = property(lambda self: self._snr("r500"), doc="Signal to noise within R500")
    r2500_snr = property(lambda self: self._snr("r2500"), doc="Signal to noise within R2500")

    @property
    def richness(self) -> Quantity:
        """Richness and error of each cluster."""
        return Quantity([s.richness for s in self])  # type: ignore[attr-defined]

    @property
    def wl_mass(self) -> Quantity:
        """Weak-lensing mass and error of each cluster."""
        return Quantity([s.weak_lensing_mass for s in self])  # type: ignore[attr-defined]

    def get_radius(self, rad_name: str) -> Quantity:
        """Radius of a name of each cluster, kpc."""
        return self._radii(rad_name.lower())


def _quantities(values: Any) -> Quantity:
    """Angles of which some may be missing."""
    return Quantity([np.nan if v is None else v.to_value("deg") for v in values], "deg")


def __getattr__(name: str) -> Any:
    if name == "StarSample":
        raise NotImplementedError("xga.samples.StarSample is not available; declare a PointSample")
    raise AttributeError(f"module 'xga.samples' has no attribute {name!r}")
