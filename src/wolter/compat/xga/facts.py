"""What XGA's sources and products tell beside their photometry, and what they have that is refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from astropy.units import Quantity

if TYPE_CHECKING:
    from wolter.sources import Source

__all__ = ["ByTelescope", "SourceFacts", "refuse"]

# Members of XGA 1.0.0's classes that read or change fits, spectra, light curves and profiles of its own sessions,
# products of eROSITA and Chandra, or windows with buttons.
_SESSION = (
    "add_fit_data add_fit_failure all_fitted_models fitted_model_configurations fitted_model_failures fitted_models "
    "get_aggregate_lightcurves get_annular_sas_region get_annular_spectra get_combined_lightcurves "
    "get_combined_profiles get_combined_spectra get_fit_dof get_fit_statistic get_lightcurves get_luminosities "
    "get_profiles get_queue get_results get_spectra get_test_statistic obs_check obs_separations disassociate_obs "
    "regions_within_radii update_products update_queue within_region all_peaks get_peaks find_peak "
    "get_1d_brightness_profile combined_lum_conv_factor generate_brightness_profile get_3d_temp_profiles "
    "get_apec_norm_profiles get_density_profiles get_entropy_profiles get_hydrostatic_mass_profiles "
    "get_proj_met_profiles get_proj_temp_profiles get_temperature norm_conv_factor view_brightness_profile "
    "point_clusters distance match_radius proper_motion"
)
_SAMPLE = (
    "Lx Lx_Tx Lx_richness Tx calc_overdensity_radii check_spectra gas_mass gm_Tx gm_richness hydrostatic_mass mass_Lx "
    "mass_Tx mass_richness view_offset_dist distances proper_motions"
)
_PRODUCT = (
    "edit_regions dynamic_view parse_smoothing inventory_entry convolved_peak generate_image get_filtered_data "
    "get_position_type_col_names get_wcs_keys mission_db_entry"
)
_REFUSED = frozenset(f"{_SESSION} {_SAMPLE} {_PRODUCT}".split())


def refuse(owner: object, name: str) -> NoReturn:
    """What a missing attribute raises: NotImplementedError if XGA has it, AttributeError if nobody has."""
    kind = type(owner).__name__
    if name in _REFUSED:
        raise NotImplementedError(
            f"{kind}.{name} is not available in Wolter's XGA interface; see wolter.sources and wolter.fit"
        )
    raise AttributeError(f"{kind!r} object has no attribute {name!r}")


class ByTelescope(dict[str, Any]):
    """A dict by ObsID that answers to ``["xmm"]`` with itself: scripts of both forms of XGA find what they expect."""

    def __getitem__(self, key: str) -> Any:
        return dict(self) if key == "xmm" else super().__getitem__(key)


class SourceFacts:
    """Members of XGA's sources that follow from the source and its observations."""

    _source: Source
    cosmo: Any
    suppressed_warnings: tuple[str, ...] = ()
    disassociated = False

    @property
    def disassociated_obs(self) -> dict[str, Any]:
        """Observations that were taken away: none."""
        return {}

    @property
    def blacklisted(self) -> dict[str, Any]:
        """Observations that are not to be used: none."""
        return {}

    def _distance(self, what: str) -> Quantity | None:
        z = self._source.redshift
        return None if z is None else getattr(self.cosmo, what)(z)

    @property
    def angular_diameter_distance(self) -> Quantity | None:
        """By the cosmology; None without a redshift."""
        return self._distance("angular_diameter_distance")

    @property
    def luminosity_distance(self) -> Quantity | None:
        """By the cosmology; None without a redshift."""
        return self._distance("luminosity_distance")

    @property
    def detected(self) -> ByTelescope:
        """Whether the source is among the detections, by ObsID."""
        return ByTelescope({obsid: region is not None for obsid, region in self.matched_regions.items()})

    @property
    def matched_regions(self) -> ByTelescope:
        """Detection that is the source, by ObsID."""
        out = ByTelescope()
        for entry in self._source.observations:
            found = None if entry.regions is None else self._source.match(entry.obsid).match
            out[entry.obsid] = None if found is None else found.sky_region.to_regions()[0]
        return out

    @property
    def num_inst_obs(self) -> ByTelescope:
        """Number of observations by instrument."""
        names = [name for found in self.instruments.values() for name in found]  # type: ignore[attr-defined]
        return ByTelescope({name: names.count(name) for name in ("pn", "mos1", "mos2")})

    @property
    def custom_radius(self) -> Quantity | None:
        """Radius of the name "custom"."""
        angle = self._source.radii.get("custom")
        return None if angle is None else Quantity(angle, "deg")

    def get_interloper_regions(self, telescope: Any = None, flattened: bool = False) -> Any:
        """Detections that are not the source: by ObsID, or all in a list."""
        found = ByTelescope()
        for entry in self._source.observations:
            others = () if entry.regions is None else self._source.match(entry.obsid).interlopers
            found[entry.obsid] = [region for other in others for region in other.sky_region.to_regions()]
        return [region for regions in found.values() for region in regions] if flattened else found

    def source_back_regions(
        self, reg_type: str, telescope: Any = None, obs_id: str | None = None, central_coord: Any = None
    ) -> tuple[Any, Any]:
        """Circle of a radius and the annulus of background around it, as sky regions."""
        from regions import CircleAnnulusSkyRegion, CircleSkyRegion

        from wolter.compat.xga.utils import pair
        from wolter.sky import circle

        ra, dec = pair(self.default_coord if central_coord is None else central_coord)  # type: ignore[attr-defined]
        radius = Quantity(self._source.radius(reg_type.lower()), "deg")
        centre = circle((Quantity(ra, "deg"), Quantity(dec, "deg")), radius).center
        low, high = self._source.background
        return CircleSkyRegion(centre, radius), CircleAnnulusSkyRegion(centre, low * radius, high * radius)

    def get_att_file(self, obs_id: str, telescope: str = "xmm", inst: str | None = None) -> str:
        """File of the attitude of an observation."""
        from wolter.compat.xga.exceptions import NoProductAvailableError

        obsid = inst if obs_id == "xmm" and inst else obs_id
        entry = self._source.observation(telescope if obsid == "xmm" else obsid)
        for role in self._source.library.open(entry).files:
            if "attitude" in role.role:
                return str(role.path)
        raise NoProductAvailableError(f"There is no attitude file of {entry.obsid}.")

    def __getattr__(self, name: str) -> Any:
        refuse(self, name)
