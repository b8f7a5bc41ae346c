"""XGA's sources: positions with their observations, products, masks, peaks and signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.units import Quantity

from wolter.compat.xga import configuration, report
from wolter.compat.xga.configuration import CAMERAS, INSTRUMENTS
from wolter.compat.xga.exceptions import (
    NoMatchFoundError,
    NoProductAvailableError,
    NotAssociatedError,
    PeakConvergenceFailedError,
)
from wolter.compat.xga.facts import ByTelescope, SourceFacts
from wolter.compat.xga.imagetools.misc import pix_deg_scale
from wolter.compat.xga.products import ExpMap, Image, RateMap
from wolter.compat.xga.ranking import Ranking
from wolter.compat.xga.utils import DEFAULT_COSMO, number, pair
from wolter.errors import DataError, WolterError
from wolter.sources import ExtendedSource as _ExtendedSource
from wolter.sources import GalaxyCluster as _GalaxyCluster
from wolter.sources import NullSource as _NullSource
from wolter.sources import PointSource as _PointSource
from wolter.sources import Source, SourcePeak, column_density, photometry
from wolter.sources.masks import pixel_annulus

__all__ = ["BaseSource", "ExtendedSource", "GalaxyCluster", "NullSource", "PointSource"]

_TELESCOPES = ("xmm",)
_OTHERS = ("erosita", "erass", "chandra")
_WITHOUT_EFFECT = (
    "regen_merged",
    "clean_obs",
    "clean_obs_reg",
    "clean_obs_threshold",
    "load_profiles",
    "search_distance",
)


def _arguments(telescope: Any, obs_id: Any) -> str | None:
    """ObsID of a call in either form: ``(obs_id)`` or ``(telescope, obs_id)``; None for everything."""
    if telescope in _OTHERS:
        raise NotAssociatedError(f"Telescope {telescope} is not associated with this source; only xmm is available.")
    if telescope is not None and telescope not in _TELESCOPES:
        obs_id = telescope if obs_id is None else obs_id
    return None if obs_id == "combined" else obs_id


class BaseSource(SourceFacts):
    """A position and the XMM-Newton observations that cover it."""

    _kind: type[Any] = Source

    def __init__(
        self, ra: float, dec: float, redshift: float | None = None, name: str | None = None,
        cosmology: Any = DEFAULT_COSMO, load_products: bool = True, load_fits: bool = False, in_sample: bool = False,
        telescope: Any = None, back_inn_rad_factor: float = 1.05, back_out_rad_factor: float = 1.5,
        peak_lo_en: Any = Quantity(0.5, "keV"), peak_hi_en: Any = Quantity(2.0, "keV"), use_peak: bool = True,  # noqa: B008
        **options: Any,
    ) -> None:  # fmt: skip
        self._bands: dict[str, list[tuple[float, float]]] = {}
        self.peak_lo_en, self.peak_hi_en = Quantity(peak_lo_en), Quantity(peak_hi_en)
        self.use_peak, self._peak_band = use_peak, (peak_lo_en, peak_hi_en)
        self.cosmo = cosmology
        self.background_radius_factors = np.array([back_inn_rad_factor, back_out_rad_factor])
        try:
            self._source = self._kind(
                Quantity([ra, dec], "deg"), configuration.library(), name=name, redshift=redshift, missions="xmm_epic",
                band=(self.peak_lo_en, self.peak_hi_en), background=(back_inn_rad_factor, back_out_rad_factor),
                cosmology=cosmology, **options,
            )  # fmt: skip
            _ = self._source.observations
        except DataError as exc:
            if "no observation" in str(exc):
                raise NoMatchFoundError(str(exc)) from exc
            raise ValueError(str(exc)) from exc
        band = photometry_band(self._peak_band)
        for what in ("image", "expmap", "combined_image", "combined_expmap"):
            self._bands[what] = [band]
        self._found_peak: Any = None

    # ---------------------------------------------------------------- facts

    @property
    def name(self) -> str:
        """Name of the source."""
        return self._source.name

    @property
    def ra_dec(self) -> Quantity:
        """Position given."""
        return Quantity([self._source.ra, self._source.dec], "deg")

    @property
    def default_coord(self) -> Quantity:
        """Peak if one is used, else the position."""
        return self.peak if self.use_peak else self.ra_dec

    @property
    def redshift(self) -> float | None:
        """Redshift."""
        return self._source.redshift

    @property
    def telescopes(self) -> list[str]:
        """Telescopes that saw it."""
        return list(_TELESCOPES)

    @property
    def obs_ids(self) -> Ranking:
        """ObsIDs, the nearest pointing first."""
        return Ranking([entry.obsid for entry in self._source.observations])

    @property
    def instruments(self) -> ByTelescope:
        """Instruments by ObsID."""
        entries = self._source.observations
        return ByTelescope({e.obsid: [INSTRUMENTS[d] for d in e.detectors if d in INSTRUMENTS] for e in entries})

    @property
    def nH(self) -> Quantity:
        """Galactic column, 10²² cm⁻² (LAB, as older HEASoft gave it; the map is looked for in Wolter's cache)."""
        return Quantity(round(column_density(self._source.position, survey="LAB").mean / 1e22, 4), "10^22 cm^-2")

    @property
    def peak(self) -> Quantity:
        """X-ray peak of everything put together, in the band of the peak."""
        if not self.use_peak:
            return self.ra_dec
        if self._found_peak is None:
            try:
                self._found_peak = self._source.peak()
            except DataError as exc:
                raise PeakConvergenceFailedError(str(exc)) from exc
        return Quantity([self._found_peak.ra, self._found_peak.dec], "deg")

    @peak.setter
    def peak(self, new_peak: Quantity) -> None:
        ra, dec = pair(new_peak)
        self._found_peak = SourcePeak(ra, dec, converged=True, near_edge=False, steps=0)
        self.use_peak = True

    def get_radius(self, rad_name: str, out_unit: Any = "deg") -> Quantity:
        """Radius by name."""
        return self.convert_radius(Quantity(self._source.radius(rad_name.lower()), "deg"), out_unit)

    def convert_radius(self, radius: Quantity, out_unit: Any = "deg") -> Quantity:
        """Radius in another unit, angles and lengths into each other."""
        if radius.unit.is_equivalent(out_unit):  # type: ignore[union-attr]
            return radius.to(out_unit)
        angle = self._source.scale.angle(radius)
        if Quantity(1, "deg").unit.is_equivalent(out_unit):  # type: ignore[union-attr]
            return Quantity(angle, "deg").to(out_unit)
        return Quantity(self._source.scale.length(angle), "kpc").to(out_unit)

    def offset(self, off_unit: Any = "arcmin") -> Quantity:
        """Distance of position and peak."""
        from astropy.coordinates import SkyCoord

        apart = SkyCoord(*self.ra_dec).separation(SkyCoord(*self.peak))
        return self.convert_radius(Quantity(apart.deg, "deg"), off_unit)  # type: ignore[union-attr]

    def info(self) -> None:
        """Print what is known."""
        print(report.text_of(self))

    # ---------------------------------------------------------------- products

    def _wanted(self, band: tuple[float, float], what: str) -> list[Any]:
        """What has to be made of a kind of product."""
        if what.startswith("combined_"):
            return [None]
        return [(e.obsid, d) for e, d in self._source.parts(band)]

    def _generate(self, what: str, key: Any, band: tuple[float, float]) -> None:
        """Make one product."""
        if what.startswith("combined_"):
            photometry.mosaic_rate_map(self._source.library, self._source.parts(band), band)
            return
        entry = self._source.observation(key[0])
        (photometry.image if what == "image" else photometry.exposure_map)(self._source.library, entry, key[1], band)

    def _find(self, kind: str, band: tuple[float, float], obs_id: str | None, inst: str | None) -> list[Any]:
        """Products of a kind in a band that were generated."""
        made = []
        for entry, detector in self._source.parts(band):
            name = INSTRUMENTS.get(detector)
            if obs_id not in (None, entry.obsid) or inst not in (None, name):
                continue
            made.append(self._wrap(kind, entry.obsid, str(name), band, [[entry.obsid, name]], (entry, detector)))
        return made

    def _wrap(self, kind: str, obs_id: str, inst: str, band: tuple[float, float], parts: list, key: Any) -> Any:
        library = self._source.library
        energies = (Quantity(band[0], "keV"), Quantity(band[1], "keV"))
        both = {}
        for what, maker, product in (
            ("image", photometry.image, Image),
            ("expmap", photometry.exposure_map, ExpMap),
        ):
            if kind not in (what, "ratemap"):
                continue
            if key is None:
                rates = photometry.mosaic_rate_map(library, self._source.parts(band), band)
                read = rates.image if what == "image" else rates.exposure
            else:
                read = maker(library, key[0], key[1], band)
            one = product(str(read.path), obs_id, inst, "", "", "", *energies, obs_inst_combs=parts, telescope="xmm")
            one.src_name = self.name
            both[what] = one
        if kind != "ratemap":
            return both[kind]
        rate = RateMap(both["image"], both["expmap"])
        if key is not None and key[0].regions is not None:
            match = self._source.match(obs_id, photometry.image(library, key[0], key[1], band).grid)
            rate.regions = [r for d in match.interlopers for r in d.region.to_regions()]
        return rate

    def _bands_of(self, kind: str, lo_en: Any, hi_en: Any) -> list[tuple[float, float]]:
        names = ("image", "expmap") if kind == "ratemap" else (kind,)
        lists = [self._bands.get(n, []) for n in names]
        known = [b for b in lists[0] if all(b in other for other in lists)]
        if lo_en is None and hi_en is None:
            return list(dict.fromkeys(known))
        if lo_en is None or hi_en is None:
            raise ValueError("lo_en and hi_en must be either BOTH None or BOTH an Astropy quantity.")
        band = photometry_band((lo_en, hi_en))
        return [band] if band in known else []

    def _single(self, found: list[Any], what: str) -> Any:
        if not found:
            raise NoProductAvailableError(f"Cannot find any {what} matching your input; generate them first.")
        return found[0] if len(found) == 1 else found

    def _get(self, kind: str, obs_id: Any, inst: Any, lo_en: Any, hi_en: Any, telescope: Any) -> Any:
        obsid = _arguments(telescope, obs_id)
        if obsid is not None and obsid not in self.obs_ids:
            raise NotAssociatedError(f"The ObsID {obsid} is not associated with {self.name}.")
        if inst is not None and inst not in CAMERAS:
            raise NotAssociatedError(f"The instrument {inst} is not associated with {self.name}.")
        bands = self._bands_of(kind, lo_en, hi_en)
        return self._single([p for band in bands for p in self._find(kind, band, obsid, inst)], f"{kind}s")

    def get_images(self, obs_id=None, inst=None, lo_en=None, hi_en=None, *_: Any, telescope=None, **__: Any) -> Any:
        """Images that were generated: one, or a list."""
        return self._get("image", obs_id, inst, lo_en, hi_en, telescope)

    def get_expmaps(self, obs_id=None, inst=None, lo_en=None, hi_en=None, *_: Any, telescope=None, **__: Any) -> Any:
        """Exposure maps that were generated: one, or a list."""
        return self._get("expmap", obs_id, inst, lo_en, hi_en, telescope)

    def get_ratemaps(self, obs_id=None, inst=None, lo_en=None, hi_en=None, *_: Any, telescope=None, **__: Any) -> Any:
        """Rate maps of images and exposure maps that were generated: one, or a list."""
        return self._get("ratemap", obs_id, inst, lo_en, hi_en, telescope)

    def _combined(self, kind: str, lo_en: Any, hi_en: Any) -> list[Any]:
        names = ("combined_image", "combined_expmap") if kind == "ratemap" else (f"combined_{kind}",)
        lists = [self._bands.get(n, []) for n in names]
        bands = list(dict.fromkeys(b for b in lists[0] if all(b in other for other in lists)))
        if lo_en is not None and hi_en is not None:
            bands = [b for b in bands if b == photometry_band((lo_en, hi_en))]
        out = []
        for band in bands:
            parts = [[e.obsid, INSTRUMENTS[d]] for e, d in self._source.parts(band)]
            out.append(self._wrap(kind, "combined", "combined", band, parts, None))
        return out

    def get_combined_images(self, lo_en=None, hi_en=None, *_: Any, **__: Any) -> Any:
        """Images put together: one, or a list."""
        return self._single(self._combined("image", lo_en, hi_en), "combined images")

    def get_combined_expmaps(self, lo_en=None, hi_en=None, *_: Any, **__: Any) -> Any:
        """Exposure maps put together: one, or a list."""
        return self._single(self._combined("expmap", lo_en, hi_en), "combined expmaps")

    def get_combined_ratemaps(self, lo_en=None, hi_en=None, *_: Any, **__: Any) -> Any:
        """Rate maps of everything put together: one, or a list."""
        return self._single(self._combined("ratemap", lo_en, hi_en), "combined ratemaps")

    def get_products(
        self, p_type: str, obs_id: str | None = None, inst: str | None = None, extra_key: str | None = None,
        just_obj: bool = True, telescope: str | None = None,
    ) -> list[Any]:  # fmt: skip
        """Products by type and key ``bound_LO-HI``, as a list."""
        obsid = _arguments(telescope, obs_id)
        low, high = (None, None) if extra_key is None else _key_band(extra_key)
        kind = p_type.removeprefix("combined_")
        if kind not in ("image", "expmap", "ratemap"):
            raise NotImplementedError(f"products of type {p_type} are not available; see wolter.sources")
        if p_type.startswith("combined_"):
            return self._combined(kind, low, high)
        return [p for band in self._bands_of(kind, low, high) for p in self._find(kind, band, obsid, inst)]

    # ---------------------------------------------------------------- masks

    def _mask_product(self, obs_id: str | None) -> Any:
        band = photometry_band(self._peak_band)
        if obs_id is None:
            return self._wrap("image", "combined", "combined", band, [], None)
        return self._find("image", band, self._known(obs_id), None)[0]

    def _known(self, obs_id: str) -> str:
        if obs_id not in self.obs_ids:
            raise NotAssociatedError(f"The ObsID {obs_id} is not associated with {self.name}.")
        return obs_id

    def _grid(self, obs_id: str | None) -> Any:
        return self._mask_product(obs_id)._read().grid

    def _place(self, coord: Any, obs_id: str | None) -> Any:
        """Position in the frame of the image: XGA's circles are moved from ICRS to it."""
        from astropy.coordinates import SkyCoord

        ra, dec = pair(self.default_coord if coord is None else _degrees(coord))
        place = SkyCoord(ra, dec, unit="deg")
        return place.fk5 if self._grid(obs_id).sky.frame == "fk5" else place

    def get_source_mask(
        self, reg_type: str, telescope: Any = None, obs_id: str | None = None, central_coord: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks (0 and 1) of the source and of its background."""
        return self._masks(reg_type, _arguments(telescope, obs_id), central_coord, interlopers=False)

    def get_mask(
        self, reg_type: str, telescope: Any = None, obs_id: str | None = None, central_coord: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Masks of the source and of its background without other sources."""
        return self._masks(reg_type, _arguments(telescope, obs_id), central_coord, interlopers=True)

    def _masks(self, reg_type: str, obsid: str | None, coord: Any, *, interlopers: bool) -> Any:
        reg_type = reg_type.lower()
        if reg_type == "search":
            radius: Any = Quantity(self._source.search_radius, "deg")
        elif reg_type == "custom":
            radius = Quantity(self._source.radius("custom"), "deg")
        else:
            radius = reg_type
        try:
            place = self._place(coord, obsid)
            source, around = self._source.masks(radius, self._grid(obsid), obsid, centre=place, interlopers=False)
        except DataError as exc:
            raise ValueError(str(exc)) from exc
        keep = self.get_interloper_mask(obs_id=obsid) if interlopers else 1
        return source.astype(int) * keep, around.astype(int) * keep

    def get_interloper_mask(
        self, telescope: Any = None, obs_id: str | None = None, region_distance: Any = None
    ) -> np.ndarray:
        """Mask that takes other sources out: of one observation too, those detected in any of them, as in XGA."""
        return self._source.interloper_mask(self._grid(_arguments(telescope, obs_id))).astype(int)

    def get_custom_mask(
        self, outer_rad: Quantity, telescope: Any = None, inner_rad: Any = Quantity(0, "arcsec"),  # noqa: B008
        obs_id: str | None = None, central_coord: Any = None, remove_interlopers: bool = True,
    ) -> np.ndarray:  # fmt: skip
        """Mask of an annulus of any radii, with XGA's rounding: centre and radii in whole pixels.

        The older form ``(outer_rad, inner_rad, obs_id, ...)`` is known by its second argument being a radius.
        """
        if isinstance(telescope, Quantity):
            inner_rad, telescope = telescope, inner_rad if isinstance(inner_rad, str) else None
        obsid = _arguments(telescope, obs_id)
        product = self._mask_product(obsid)
        centre = self.default_coord if central_coord is None else _degrees(central_coord)
        pixel = product.coord_conv(Quantity(centre), "pix").value
        scale = pix_deg_scale(Quantity(centre), product.radec_wcs).value
        outer = int(np.ceil(number(self.convert_radius(outer_rad, "deg"), "deg") / scale))
        inner = (
            int(np.floor(number(self.convert_radius(inner_rad, "deg"), "deg") / scale)) if number(inner_rad) > 0 else 0
        )
        if inner >= outer:
            raise ValueError("inner_rad cannot be greater than or equal to outer_rad")
        mask = pixel_annulus(product.shape, pixel[0], pixel[1], outer, inner).astype(int)
        return mask * self.get_interloper_mask(obs_id=obsid) if remove_interlopers else mask

    # ---------------------------------------------------------------- measurements

    def get_snr(
        self, outer_radius: Quantity | str, telescope: Any = None, central_coord: Any = None, lo_en: Any = None,
        hi_en: Any = None, obs_id: str | None = None, inst: str | None = None, psf_corr: bool = False,
        psf_model: str = "ELLBETA", psf_bins: int = 4, psf_algo: str = "rl", psf_iter: int = 15,
        allow_negative: bool = False, exp_corr: bool = True,
    ) -> float:  # fmt: skip
        """Signal to noise within a radius, of everything put together or of one instrument of one observation."""
        rates, source, around = self._photometry(
            outer_radius, telescope, central_coord, lo_en, hi_en, obs_id, inst, psf_corr
        )
        return rates.signal_to_noise(source, around, exp_corr, allow_negative)

    def get_counts(
        self, outer_radius: Quantity | str, telescope: Any = None, central_coord: Any = None, lo_en: Any = None,
        hi_en: Any = None, obs_id: str | None = None, inst: str | None = None, psf_corr: bool = False, **_: Any,
    ) -> Quantity:  # fmt: skip
        """Counts less background within a radius."""
        rates, source, around = self._photometry(
            outer_radius, telescope, central_coord, lo_en, hi_en, obs_id, inst, psf_corr
        )
        return rates.background_subtracted_counts(source, around)

    def _photometry(self, radius, telescope, coord, lo_en, hi_en, obs_id, inst, psf_corr) -> tuple[RateMap, Any, Any]:
        if psf_corr:
            raise NotImplementedError("images corrected for the point-spread function are not available")
        if (obs_id is None) != (inst is None):
            raise ValueError("If you wish to use a specific ratemap, then you must pass both obs_id and inst.")
        obsid = _arguments(telescope, obs_id)
        band = photometry_band(self._peak_band if lo_en is None else (lo_en, hi_en))
        if obsid is None:
            rates = self._wrap("ratemap", "combined", "combined", band, [], None)
        else:
            found = self._find("ratemap", band, self._known(obsid), inst)
            rates = self._single(found, "ratemaps")
        if isinstance(radius, str):
            source, around = self._masks(radius, obsid, coord, interlopers=True)
        else:
            low, high = self.background_radius_factors
            options = {"obs_id": obsid, "central_coord": coord}
            source = self.get_custom_mask(radius, **options)
            around = self.get_custom_mask(radius * high, radius * low, **options)
        return rates, source, around

    def snr_ranking(
        self, outer_radius: Quantity | str | None = None, lo_en: Any = None, hi_en: Any = None,
        allow_negative: bool = False, telescope: Any = None, stacked_inst: bool = False, *, outer_rad: Any = None,
    ) -> tuple[Ranking, Ranking]:  # fmt: skip
        """ObsID and instrument from the lowest signal to noise to the highest, and the values."""
        return self._ranking(
            self.get_snr,
            outer_rad if outer_radius is None else outer_radius,
            lo_en,
            hi_en,
            allow_negative=allow_negative,
        )

    def count_ranking(
        self, outer_radius: Quantity | str | None = None, lo_en: Any = None, hi_en: Any = None, telescope: Any = None,
        stacked_inst: bool = False, *, outer_rad: Any = None,
    ) -> Any:  # fmt: skip
        """ObsID and instrument from the fewest counts to the most, and the counts."""
        return self._ranking(self.get_counts, outer_rad if outer_radius is None else outer_radius, lo_en, hi_en)

    def _ranking(self, measure: Any, radius: Any, lo_en: Any, hi_en: Any, **options: Any) -> tuple[Ranking, Ranking]:
        band = photometry_band(self._peak_band if lo_en is None else (lo_en, hi_en))
        keys = [(e.obsid, INSTRUMENTS[d]) for e, d in self._source.parts(band)]
        values = [measure(radius, obs_id=o, inst=i, lo_en=lo_en, hi_en=hi_en, **options) for o, i in keys]
        numbers = np.array([float(getattr(v, "value", v)) for v in values])
        order = np.argsort(numbers, kind="stable")
        return Ranking(np.array(keys)[order]), Ranking(numbers[order])


class PointSource(BaseSource):
    """A source without extent."""

    _kind = _PointSource

    def __init__(
        self, ra, dec, redshift=None, name=None, point_radius=Quantity(30, "arcsec"), use_peak: bool = False,  # noqa: B008
        **options: Any,
    ) -> None:  # fmt: skip
        for unused in _WITHOUT_EFFECT:
            options.pop(unused, None)
        super().__init__(ra, dec, redshift, name, use_peak=use_peak, radius=point_radius, **options)

    @property
    def point_radius(self) -> Quantity | None:
        """Radius of the source."""
        angle = self._source.radii.get("point")
        return None if angle is None else Quantity(angle, "deg")


class ExtendedSource(BaseSource):
    """A source with extent."""

    _kind = _ExtendedSource

    def __init__(
        self, ra, dec, redshift=None, name=None, custom_region_radius=None, use_peak: bool = True,
        peak_find_method: str = "hierarchical", **options: Any,
    ) -> None:  # fmt: skip
        for unused in _WITHOUT_EFFECT:
            options.pop(unused, None)
        if custom_region_radius is not None:
            options["radii"] = {"custom": custom_region_radius}
        super().__init__(ra, dec, redshift, name, use_peak=use_peak, peak_method=peak_find_method, **options)


class GalaxyCluster(ExtendedSource):
    """A cluster of galaxies with overdensity radii."""

    _kind = _GalaxyCluster

    def __init__(
        self, ra, dec, redshift, name=None, r200=None, r500=None, r2500=None, richness=None, richness_err=None,
        wl_mass=None, wl_mass_err=None, custom_region_radius=None, use_peak: bool = True,
        include_core_pnt_srcs: bool = True, **options: Any,
    ) -> None:  # fmt: skip
        if r200 is None and r500 is None and r2500 is None:
            raise ValueError("You must set at least one overdensity radius")
        super().__init__(
            ra, dec, redshift, name, custom_region_radius, use_peak, r200=r200, r500=r500, r2500=r2500,
            richness=richness, richness_error=richness_err, keep_core=include_core_pnt_srcs, **options,
        )  # fmt: skip
        self.weak_lensing_mass = Quantity([np.nan if v is None else v for v in (wl_mass, wl_mass_err)])

    r200 = property(lambda self: self._source.r200, doc="R200, kpc")
    r500 = property(lambda self: self._source.r500, doc="R500, kpc")
    r2500 = property(lambda self: self._source.r2500, doc="R2500, kpc")

    @property
    def richness(self) -> Quantity:
        """Richness and its error."""
        cluster: Any = self._source
        values = (cluster.richness, cluster.richness_error)
        return Quantity([np.nan if v is None else v for v in values])


class NullSource(BaseSource):
    """Observations without a source."""

    def __init__(
        self, obs: Sequence[str] | str | None = None, telescope: Any = None, null_load_products: bool = False, **_: Any
    ) -> None:
        numbers = [obs] if isinstance(obs, str) else obs
        try:
            self._null = _NullSource(configuration.library(), numbers, mission="xmm_epic")
        except WolterError as exc:
            raise NoMatchFoundError(str(exc)) from exc
        self._source = _Observations(self._null)  # type: ignore[assignment]
        self._bands = {}
        self._peak_band = (Quantity(0.5, "keV"), Quantity(2.0, "keV"))
        self.use_peak = False

    @property
    def name(self) -> str:
        """Number of observations."""
        return self._null.name


class _Observations:
    """What the generators ask of a source, for observations without one."""

    def __init__(self, null: _NullSource) -> None:
        self.library, self.observations, self.name = null.library, null.observations, null.name

    def observation(self, obsid: str) -> Any:
        return next(e for e in self.observations if e.obsid == obsid)

    def parts(self, band: Any) -> list[Any]:
        return [(e, d) for e in self.observations for d in photometry.detectors_of(self.library, e, band)]


def photometry_band(ends: Any) -> tuple[float, float]:
    """Band in keV of two Quantities."""
    return number(ends[0], "keV"), number(ends[1], "keV")


def _key_band(key: str) -> tuple[Quantity, Quantity]:
    low, _, high = key.removeprefix("bound_").partition("-")
    try:
        return Quantity(float(low), "keV"), Quantity(float(high), "keV")
    except ValueError:
        raise NoProductAvailableError(f"there are no products with the key {key!r}") from None


def _degrees(coord: Any) -> Quantity:
    if hasattr(coord, "ra"):
        return Quantity([coord.ra.deg, coord.dec.deg], "deg")
    return Quantity(coord).to("deg")


def __getattr__(name: str) -> Any:
    if name == "Star":
        raise NotImplementedError("xga.sources.Star is not available; declare a PointSource")
    raise AttributeError(f"module 'xga.sources' has no attribute {name!r}")
