"""Extended sources and clusters of galaxies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from wolter.errors import DataError
from wolter.sources.matching import EXTENDED
from wolter.sources.measurements import SourcePeak, peak_at
from wolter.sources.peaks import Peak, hierarchical_peak, simple_peak
from wolter.sources.source import Source

if TYPE_CHECKING:
    from wolter.sources.library import Library

__all__ = ["ExtendedSource", "GalaxyCluster"]

_SEARCH_KPC, _SEARCH_DEG = 500.0, 5.0 / 60.0  # how far from the position a peak is looked for
_SETTLED_KPC, _SETTLED_DEG = 15.0, 0.15 / 60.0  # steps shorter than this end the search
_MOST_STEPS = 20
_FINDERS = {"hierarchical": hierarchical_peak, "simple": simple_peak}


class ExtendedSource(Source):
    """A source with extent.

    Parameters
    ----------
    position, library
        As for `Source`.
    peak_method : {"hierarchical", "simple"}
        How the peak is found in a rate map.
    search : Quantity, optional
        How far from the position the peak may lie; 500 kpc, or 5 arcmin without a redshift.
    **options
        As for `Source`.
    """

    colors: ClassVar[frozenset[str]] = EXTENDED

    def __init__(self, position: Any, library: Library, *, peak_method: str = "hierarchical", **options: Any) -> None:
        super().__init__(position, library, **options)
        if peak_method not in _FINDERS:
            raise DataError(f"the peak method {peak_method!r} is unknown", cure=f"Use {' or '.join(_FINDERS)}.")
        self.peak_method = peak_method
        self._settled = _SETTLED_DEG if self.redshift is None else _SETTLED_KPC / self.scale.kpc_per_deg

    def _usual_search(self) -> float:
        return _SEARCH_DEG if self.redshift is None else _SEARCH_KPC / self.scale.kpc_per_deg

    def _finder(self) -> Callable[..., Peak]:
        return _FINDERS[self.peak_method]

    def peak(self, obsid: str | None = None, detector: str | None = None, *, band: Any = None) -> SourcePeak:
        """X-ray peak: looked for around the position, then around the peak found, until it stays.

        Each step looks within the search radius of the last peak, interlopers taken out. The search ends when the peak
        moves by less than 15 kpc (0.15 arcmin without a redshift), the distance being sqrt(d_ra^2 + d_dec^2) as in XGA;
        after 20 steps the position itself is returned and marked as not converged.

        Parameters
        ----------
        obsid, detector : str, optional
            As for `rate_map`.
        band : pair of Quantity, optional
        """
        rates = self.rate_map(obsid, detector, band=band)
        ra, dec = self.ra, self.dec
        for step in range(1, _MOST_STEPS + 1):
            found = self._brightest(rates, ra, dec, obsid)
            new_ra, new_dec = (float(v) for v in rates.position(found.x + 1, found.y + 1))
            moved = math.hypot(new_ra - ra, new_dec - dec)
            ra, dec = new_ra, new_dec
            if step > 1 and moved <= self._settled:
                return peak_at(rates, found.x, found.y, converged=True, steps=step)
        return SourcePeak(self.ra, self.dec, converged=False, near_edge=False, steps=_MOST_STEPS)


class GalaxyCluster(ExtendedSource):
    """A cluster of galaxies.

    Parameters
    ----------
    position, library
        As for `Source`.
    redshift : float
        Positive.
    r200, r500, r2500 : Quantity, optional
        Overdensity radii, as length or angle; at least one.
    richness, richness_error : float, optional
        Number of member galaxies.
    keep_core : bool
        Pointlike detections near the centre stay: a bright cool core is often taken for one.
    **options
        As for `ExtendedSource`.

    Raises
    ------
    DataError
        Without any radius, or if they are not r2500 < r500 < r200.
    """

    def __init__(
        self,
        position: Any,
        library: Library,
        *,
        redshift: float,
        r200: Any = None,
        r500: Any = None,
        r2500: Any = None,
        richness: float | None = None,
        richness_error: float | None = None,
        keep_core: bool = True,
        **options: Any,
    ) -> None:
        super().__init__(position, library, redshift=redshift, **options)
        given = {"r2500": r2500, "r500": r500, "r200": r200}
        own = {name: self.scale.angle(value) for name, value in given.items() if value is not None}
        self.radii = {**own, **self.radii}
        if not own:
            raise DataError(f"{self.name}: no overdensity radius is given", cure="Give r200, r500 or r2500.")
        ordered = list(own.values())
        if ordered != sorted(ordered):
            raise DataError(
                f"{self.name}: the radii are not in the order r2500 < r500 < r200",
                cure="An overdensity of 2500 is reached nearest to the centre.",
            )
        self.richness, self.richness_error = richness, richness_error
        self.keep_core = keep_core

    def __getattr__(self, name: str) -> Any:
        if name in ("r200", "r500", "r2500"):
            from astropy import units as u

            radii = self.__dict__.get("radii", {})
            return None if name not in radii else self.scale.length(radii[name]) * u.kpc
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def _core(self) -> float | None:
        if not self.keep_core:
            return None
        # 0.15 r500, where 0.66 r200 and 2.25 r2500 stand for an r500 that is not given (ratios of the relations of
        # Arnaud et al. 2005, A&A 441, 893, as in XGA 1.0.0).
        factors = {"r500": 1.0, "r200": 0.66, "r2500": 2.25}
        return next(0.15 * factors[name] * self.radii[name] for name in factors if name in self.radii)

    def _keeps_fragments(self) -> bool:
        return True
