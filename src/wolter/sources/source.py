"""A source: where it is, what saw it, and the measurements made of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter._accessor import Figures
from wolter.data import ImageGrid, RateMap
from wolter.errors import DataError, suggest
from wolter.sky import separation
from wolter.sources import masks, photometry
from wolter.sources.edges import edge_pixels, sensor_mask
from wolter.sources.entries import ObservationEntry
from wolter.sources.matching import (
    EXTENDED,
    POINTLIKE,
    DetectedSource,
    SourceMatch,
    detected_sources,
    match_sources,
)
from wolter.sources.measurements import (
    Measurement,
    SourcePeak,
    Window,
    circle_arrays,
    peak_at,
    solid_angle,
    warn_of_cover,
)
from wolter.sources.peaks import Peak, simple_peak
from wolter.sources.radii import Scale
from wolter.sources.snr import net_counts, signal_to_noise
from wolter.units import to_range_kev

if TYPE_CHECKING:
    from wolter.data import RadialProfile, SpectrumSet
    from wolter.sources.brightness import ProfileFit
    from wolter.sources.library import Library
    from wolter.sources.summary import SourceSummary

__all__ = ["Source", "SourcePeak"]


class Source:
    """A source of X-rays and the observations that saw it.

    Parameters
    ----------
    position : str, SkyCoord or pair of Quantity
        As for `wolter.circle`.
    library : Library
        Where its observations and products are.
    name : str, optional
        By default made of the position.
    redshift : float, optional
        Needed for lengths (kpc).
    missions, observations : sequence of str, optional
        Only these missions; only observations of these numbers.
    band : pair of Quantity, optional
        Energies in which peaks and signals are measured; 0.5-2 keV by default.
    background : pair of float
        Radii of the background annulus in radii of the source.
    cosmology : astropy cosmology, optional
        H0 = 70 km/s/Mpc, Omega_m = 0.3, flat, by default.
    radii : mapping of str to Quantity, optional
        Radii that can be asked for by name.
    search : Quantity, optional
        How far from the position its X-ray peak may lie; 5 arcmin by default.

    Raises
    ------
    DataError
        If no observation of the library saw the position, or the redshift is not positive.
    """

    plot: ClassVar[Figures] = Figures("source_view")
    colors: ClassVar[frozenset[str]] = POINTLIKE | EXTENDED

    def __init__(
        self,
        position: Any,
        library: Library,
        *,
        name: str | None = None,
        redshift: float | None = None,
        missions: str | Sequence[str] | None = None,
        observations: Sequence[str] | None = None,
        band: Any = None,
        background: tuple[float, float] = masks.BACKGROUND_FACTORS,
        cosmology: Any = None,
        radii: Mapping[str, Any] | None = None,
        search: Any = None,
    ) -> None:
        from wolter.sky import parse_position

        self.ra, self.dec = parse_position(position)
        self.library = library
        self.name = name or f"J{self.ra:.4f}{self.dec:+.4f}"
        self.scale = Scale(redshift, cosmology)
        self.missions, self.chosen = missions, None if observations is None else tuple(observations)
        self.band: photometry.Band = (0.5, 2.0) if band is None else to_range_kev(band)
        if not 1.0 <= background[0] < background[1]:
            raise DataError(f"the background annulus {background} is empty or overlaps the source")
        self.background = (float(background[0]), float(background[1]))
        self.radii: dict[str, float] = {n: self.scale.angle(r) for n, r in dict(radii or {}).items() if r is not None}
        self._matches: dict[str, tuple[Any, SourceMatch]] = {}
        self.search_radius = self._usual_search() if search is None else self.scale.angle(search)

    def _usual_search(self) -> float:
        """How far from the position (deg) the peak is looked for."""
        return 5.0 / 60.0

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} at {self.ra:.5f}, {self.dec:+.5f} deg>"

    @property
    def redshift(self) -> float | None:
        """Redshift, None if not known."""
        return self.scale.redshift

    @property
    def position(self) -> Any:
        """SkyCoord of the position given."""
        from astropy.coordinates import SkyCoord

        return SkyCoord(self.ra, self.dec, unit="deg", frame="fk5")

    # ---------------------------------------------------------------- observations

    @cached_property
    def observations(self) -> tuple[ObservationEntry, ...]:
        """Observations that saw the position, nearest pointing first.

        Raises
        ------
        DataError
            If there is none.
        """
        found = self.library.seeing(self.ra, self.dec, mission=self.missions)
        if self.chosen is not None:
            missing = set(self.chosen) - {e.obsid for e in found}
            if missing:
                raise DataError(f"{self.name}: the observations {', '.join(sorted(missing))} do not see the position")
            found = [e for e in found if e.obsid in self.chosen]
        if not found:
            nearest = sorted(
                (separation(self.ra, self.dec, e.ra, e.dec), e.obsid) for e in self.library.observations()
            )[:1]
            told = f" (the nearest, {nearest[0][1]}, points {nearest[0][0]:.2f} deg away)" if nearest else ""
            raise DataError(
                f"{self.name}: no observation of the library sees {self.ra:.5f}, {self.dec:+.5f} deg{told}",
                file=self.library.folder,
                cure="Check the position, or add observations with Library.add.",
            )
        return tuple(found)

    def observation(self, obsid: str) -> ObservationEntry:
        """One of its observations by number.

        Raises
        ------
        DataError
            If it is not one of them.
        """
        for entry in self.observations:
            if entry.obsid == obsid:
                return entry
        known = [e.obsid for e in self.observations]
        raise DataError(
            f"{self.name} was not seen by observation {obsid!r} (it was by {', '.join(known)})",
            cure=suggest(obsid, known) or None,
        )

    def parts(self, band: photometry.Band | None = None) -> list[tuple[ObservationEntry, str]]:
        """Every observation and detector with an image in a band (keV)."""
        wanted = band or self.band
        return [(e, d) for e in self.observations for d in photometry.detectors_of(self.library, e, wanted)]

    def offset(self, obsid: str) -> float:
        """Angle between the source and the pointing of an observation, deg."""
        entry = self.observation(obsid)
        return separation(self.ra, self.dec, entry.ra, entry.dec)

    def coverage(self, radius: Any, obsid: str, detector: str | None = None) -> float:
        """Part of the circle of a radius that was exposed in an observation (by one detector, or any)."""
        entry = self.observation(obsid)
        names = [detector] if detector else photometry.detectors_of(self.library, entry, self.band)
        maps = [photometry.exposure_map(self.library, entry, name, self.band) for name in names]
        if not maps:
            return 0.0
        inside = masks.circular_mask(maps[0].grid, self.ra, self.dec, self.radius(radius))
        exposed = np.logical_or.reduce([sensor_mask(m.data) for m in maps])
        circle = solid_angle(self.radius(radius))
        return min(1.0, float((inside & exposed).sum()) * maps[0].pixel_scale_deg ** 2 / circle)

    # ---------------------------------------------------------------- images

    def _band(self, band: Any) -> photometry.Band:
        return self.band if band is None else to_range_kev(band)

    def rate_map(self, obsid: str | None = None, detector: str | None = None, *, band: Any = None) -> RateMap:
        """Rate map of a detector of an observation, or of all of them together.

        Parameters
        ----------
        obsid, detector : str, optional
            Without a detector all those of the observation are put together, without an observation everything.
        band : pair of Quantity, optional
            Energies; the source's own by default.
        """
        energies = self._band(band)
        if obsid is not None and detector is not None:
            return photometry.rate_map(self.library, self.observation(obsid), detector, energies)
        parts = [(e, d) for e, d in self.parts(energies) if obsid in (None, e.obsid)]
        if detector is not None:
            parts = [(e, d) for e, d in parts if d == detector]
        return photometry.mosaic_rate_map(self.library, parts, energies)

    def rate_maps(self, *, band: Any = None) -> dict[tuple[str, str], RateMap]:
        """Rate maps of every observation and detector, by (obsid, detector)."""
        energies = self._band(band)
        return {(e.obsid, d): photometry.rate_map(self.library, e, d, energies) for e, d in self.parts(energies)}

    # ---------------------------------------------------------------- radii and masks

    def radius(self, radius: Any) -> float:
        """Angular radius in deg of a length, an angle or the name of one of the source's radii.

        Raises
        ------
        DataError
            If the name is unknown, the radius is not positive, or a length is given for a source without redshift.
        """
        if isinstance(radius, str):
            if radius not in self.radii:
                raise DataError(
                    f"{self.name} has no radius {radius!r} (it has {', '.join(self.radii) or 'none by name'})",
                    cure=suggest(radius, self.radii) or "Give a Quantity.",
                )
            return self.radii[radius]
        return self.scale.angle(radius)

    def match(self, obsid: str, grid: ImageGrid | None = None) -> SourceMatch:
        """The detections of an observation: the source itself, and what is in its way.

        Raises
        ------
        DataError
            If the observation has no region file.
        """
        entry = self.observation(obsid)
        if entry.regions is None:
            raise DataError(
                f"observation {obsid} has no file of detected sources",
                file=entry.path,
                cure="Name it with Library.add(folder, regions=...), or make one with wolter.makers.detect_sources.",
            )
        if grid is None:
            detector = photometry.detectors_of(self.library, entry, self.band)[0]
            grid = photometry.image(self.library, entry, detector, self.band).grid
        detected = self._detections(entry.regions, grid)
        if obsid not in self._matches or self._matches[obsid][0] is not detected:
            own = self._own_detections(obsid, detected) if self._keeps_fragments() else ()
            found = match_sources(detected, self.ra, self.dec, self.colors, keep_within=self._core(), fragments_of=own)
            self._matches[obsid] = (detected, found)
        return self._matches[obsid][1]

    def _own_detections(self, obsid: str, detected: Sequence[DetectedSource]) -> list[DetectedSource]:
        """The detections that are the source itself, in an observation and in the others that have files."""
        own = [match_sources(detected, self.ra, self.dec, self.colors).match]
        for entry in self.observations:
            if entry.obsid != obsid and entry.regions is not None:
                detector = photometry.detectors_of(self.library, entry, self.band)[0]
                grid = photometry.image(self.library, entry, detector, self.band).grid
                others = self._detections(entry.regions, grid)
                own.append(match_sources(others, self.ra, self.dec, self.colors).match)
        return [one for one in own if one is not None]

    def _detections(self, regions: Path, grid: ImageGrid) -> tuple[DetectedSource, ...]:
        """The detections of a region file, read once for all the sources of its field."""
        from wolter.sky import read_regions

        try:
            status = regions.stat()
        except OSError:
            raise DataError("the file of detected sources is gone", file=regions) from None
        key = ("detections", regions, status.st_mtime_ns, status.st_size, grid.sky)
        return self.library.remembered(key, lambda: detected_sources(read_regions(regions), grid.sky))

    def _core(self) -> float | None:
        """Angle (deg) within which detections of another kind belong to the source."""
        return None

    def _keeps_fragments(self) -> bool:
        """Whether extended detections that touch the source's own are part of it."""
        return False

    def interloper_mask(
        self, grid: ImageGrid, obsid: str | None = None, *, window: Window | None = None
    ) -> NDArray[np.bool_]:
        """True where no other source is in the way, by the detections of one observation or of all with a file."""
        entries = [self.observation(obsid)] if obsid is not None else list(self.observations)
        keep = np.ones(grid.shape if window is None else window.part.shape, bool)
        first = (0, 0) if window is None else (window.rows.start, window.columns.start)
        for entry in entries:
            if entry.regions is not None or obsid is not None:
                stamps = self.library.remembered(("stamps", entry.regions, grid), partial(masks.Stamps, grid))
                for other in self.match(entry.obsid).interlopers:
                    masks.take_out(keep, stamps[other], first)
        return keep

    def masks(
        self,
        radius: Any,
        grid: ImageGrid,
        obsid: str | None = None,
        *,
        centre: Any = None,
        interlopers: bool = True,
        window: Window | None = None,
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Masks of the source and of the background around it.

        Parameters
        ----------
        radius : Quantity or str
            Of the source: an angle, a length, the name of one of its radii; "region" for its detection in `obsid`.
        grid : ImageGrid
            Pixels of the image (``rate_map.grid``).
        obsid : str, optional
            Whose detections are taken out; all by default.
        centre : position, optional
            By default the source's.
        interlopers : bool
            Take other sources out.
        window : Window, optional
            Only this part of the image is wanted.

        Returns
        -------
        source, background : bool[ny, nx]
        """
        from wolter.sky import parse_position

        ra, dec = (self.ra, self.dec) if centre is None else parse_position(centre)
        if isinstance(radius, str) and radius == "region":
            source, around = self._detection_masks(grid, obsid)
        else:
            where = grid if window is None else window.part
            source, around = masks.source_and_background(where, ra, dec, self.radius(radius), self.background)
        if not interlopers:
            return source, around
        keep = self.interloper_mask(grid, obsid, window=window)
        return source & keep, around & keep

    def _detection_masks(self, grid: ImageGrid, obsid: str | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        if obsid is None:
            raise DataError("a detection belongs to one observation", cure="Name it with obsid.")
        found = self.match(obsid).match
        if found is None:
            raise DataError(f"{self.name} was not detected in observation {obsid}", cure="Give a radius instead.")
        inner, outer = self.background
        ring = masks.region_mask(grid, found.scaled(outer)) & ~masks.region_mask(grid, found.scaled(inner))
        return masks.region_mask(grid, found.region), ring

    def mask(
        self, outer: Any, grid: ImageGrid, *, inner: Any = None, obsid: str | None = None, centre: Any = None,
        interlopers: bool = True,
    ) -> NDArray[np.bool_]:  # fmt: skip
        """Mask of an annulus (or circle) of any radii around the source."""
        from wolter.sky import parse_position

        ra, dec = (self.ra, self.dec) if centre is None else parse_position(centre)
        hole = 0.0 if inner is None else self.radius(inner)
        ring = masks.circular_mask(grid, ra, dec, self.radius(outer), hole)
        return ring & self.interloper_mask(grid, obsid) if interlopers else ring

    # ---------------------------------------------------------------- measurements

    def peak(self, obsid: str | None = None, detector: str | None = None, *, band: Any = None) -> SourcePeak:
        """Brightest pixel within `search_radius`, in everything put together or in one observation."""
        rates = self.rate_map(obsid, detector, band=band)
        found = self._brightest(rates, self.ra, self.dec, obsid)
        return peak_at(rates, found.x, found.y, converged=True, steps=1)

    def _brightest(self, rates: RateMap, ra: float, dec: float, obsid: str | None) -> Peak:
        """Peak within the search radius of a position, interlopers and the ends of the exposed field left out."""
        window = Window.around(rates.grid, ra, dec, self.search_radius)
        within = masks.circular_mask(window.part, ra, dec, self.search_radius)
        inner = ~edge_pixels(window.of(rates.exposure.data))
        keep = self.interloper_mask(rates.grid, obsid, window=window)
        found = self._finder()(window.of(rates.data), within & keep, inner)
        first = np.array([window.rows.start, window.columns.start])
        return replace(found, x=found.x + int(first[1]), y=found.y + int(first[0]), members=found.members + first)

    def _finder(self) -> Callable[..., Peak]:
        return simple_peak

    def measure(
        self, radius: Any, obsid: str | None = None, detector: str | None = None, *, band: Any = None
    ) -> Measurement:
        """Counts, signal to noise, coverage and peak in one pass.

        Parameters
        ----------
        radius : Quantity or str
            As for `masks`.
        obsid, detector, band
            As for `rate_map`.

        Returns
        -------
        Measurement
        """
        rates = self.rate_map(obsid, detector, band=band)
        arrays, covered = circle_arrays(self, rates, radius, obsid)
        counts, seconds, inside, _ = arrays
        try:
            found = self.peak(obsid, detector, band=band)
        except DataError:  # too few counts to look for one
            found = None
        angle = math.nan if isinstance(radius, str) and radius == "region" else self.radius(radius)
        total = float(counts[inside & sensor_mask(seconds)].sum())
        return Measurement(self.name, angle, total, net_counts(*arrays), signal_to_noise(*arrays), covered, found)

    def _photometry(self, radius: Any, obsid: str | None, detector: str | None, band: Any) -> tuple[Any, ...]:
        arrays, covered = circle_arrays(self, self.rate_map(obsid, detector, band=band), radius, obsid)
        warn_of_cover(self, covered, radius, obsid)
        return arrays

    def snr(
        self, radius: Any, obsid: str | None = None, detector: str | None = None, *, band: Any = None,
        exposure_corrected: bool = True, allow_negative: bool = False,
    ) -> float:  # fmt: skip
        """Signal to noise within a radius; see `wolter.sources.signal_to_noise`.

        A radius beyond the exposed field is an error if nothing of the source or its background was exposed, and a
        warning that tells the part covered where less than three quarters were (`coverage` gives it too).

        Parameters
        ----------
        radius : Quantity or str
            As for `masks`.
        obsid, detector : str, optional
            As for `rate_map`.
        """
        arrays = self._photometry(radius, obsid, detector, band)
        return signal_to_noise(*arrays, exposure_corrected=exposure_corrected, allow_negative=allow_negative)

    def net_counts(
        self, radius: Any, obsid: str | None = None, detector: str | None = None, *, band: Any = None
    ) -> float:
        """Counts within a radius less the background's."""
        return net_counts(*self._photometry(radius, obsid, detector, band))

    def snr_ranking(
        self, radius: Any, *, band: Any = None, allow_negative: bool = False
    ) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
        """Observations and detectors from the lowest signal to noise to the highest.

        Returns
        -------
        names : list of (obsid, detector)
        values : float64[n]
        """
        names = [(e.obsid, d) for e, d in self.parts(self._band(band))]
        values = np.array([self.snr(radius, o, d, band=band, allow_negative=allow_negative) for o, d in names])
        order = np.argsort(values, kind="stable")
        return [names[int(i)] for i in order], values[order]

    def profile(
        self, outer: Any, *, rings: int = 40, inner: Any = None, obsid: str | None = None, detector: str | None = None,
        band: Any = None, centre: Any = None, background: Any = None, logarithmic: bool = False,
    ) -> RadialProfile:  # fmt: skip
        """Surface brightness in rings around the source, other sources left out.

        Parameters
        ----------
        outer, inner : Quantity or str
            Radii of the outermost and innermost ring's edges.
        rings : int
        obsid, detector, band
            As for `rate_map`.
        centre : position, optional
            By default the source's; ``source.peak()`` gives the X-ray peak.
        background : optional
            As for `wolter.makers.radial_profile`.
        logarithmic : bool
            Rings of equal ratios of radii instead of equal widths.
        """
        from astropy import units as u

        from wolter.makers import radial_profile
        from wolter.sources.brightness import ring_edges

        rates = self.rate_map(obsid, detector, band=band)
        low = 0.0 if inner is None else self.radius(inner)
        high = self.radius(outer)
        edges = ring_edges(low, high, rings, rates.pixel_scale_deg if logarithmic else None)
        place = self.position if centre is None else centre
        if isinstance(place, SourcePeak):
            place = place.position
        hidden = ~self.interloper_mask(rates.grid, obsid)
        return radial_profile(rates, place, edges * u.deg, exclude=hidden, background=background)

    def encircled(self, detector: str | None = None, obsid: str | None = None) -> Any:
        """Point-spread function of the mission at the source: encircled fraction as a function of radius (arcsec).

        Returns
        -------
        callable or None
            None where the mission's is not known; of several observations the mean offset is taken.
        """
        from wolter.sources.brightness import source_encircled

        return source_encircled(self, obsid)

    def fit_profile(self, outer: Any, model: str = "beta", *, psf: bool = False, **options: Any) -> ProfileFit:
        """Beta model of the source's profile, see `wolter.sources.fit_profile`.

        Parameters
        ----------
        outer : Quantity or str
            Radius of the outermost ring.
        model : {"beta", "double beta"}
        psf : bool
            Take the mission's point-spread function into account.
        **options
            As for `profile`, and `start`, `fixed`, `intervals` as for `wolter.sources.fit_profile`.

        Raises
        ------
        DataError
            If the point-spread function is asked for and not known.
        """
        from wolter.sources.brightness import fit_profile

        mine = {name: options.pop(name) for name in ("start", "fixed", "intervals") if name in options}
        spread = None
        if psf:
            spread = self.encircled(options.get("detector"), options.get("obsid"))
            if spread is None:
                raise DataError(f"the point-spread function at {self.name} is not known", cure="Fit with psf=False.")
        return fit_profile(self.profile(outer, **options), model, psf=spread, **mine)

    def spectra(self, outer: Any, **options: Any) -> SpectrumSet:
        """Spectra from all observations, interlopers taken out; see `wolter.sources.source_spectra`."""
        from wolter.sources.spectra import source_spectra

        return source_spectra(self, outer, **options)

    def annular_spectra(self, radii: Any, **options: Any) -> list[SpectrumSet]:
        """Spectra in rings; see `wolter.sources.annular_spectra`."""
        from wolter.sources.spectra import annular_spectra

        return annular_spectra(self, radii, **options)

    def column_density(self, survey: str = "HI4PI", **options: Any) -> float:
        """Galactic hydrogen column (cm⁻²) in its direction; see `wolter.sources.column_density`."""
        from wolter.sources.columns import column_density

        return column_density(self.position, survey=survey, **options).weighted

    def info(self) -> SourceSummary:
        """What is known of the source, as a table that prints."""
        from wolter.sources.summary import summarise

        return summarise(self)
