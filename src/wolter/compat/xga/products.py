"""XGA's photometric products: images, exposure maps and rate maps with their coordinates, regions and views."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.units import Quantity, Unit, UnitConversionError, deg

from wolter.compat.xga import views
from wolter.compat.xga.exceptions import PeakConvergenceFailedError
from wolter.compat.xga.facts import refuse
from wolter.data import EventList as _EventList
from wolter.data import ExposureMap as _ExposureMap
from wolter.data import Image as _Image
from wolter.errors import DataError
from wolter.sources import (
    edge_pixels,
    hierarchical_peak,
    near_edge,
    net_counts,
    sensor_mask,
    signal_to_noise,
    simple_peak,
)

__all__ = ["BaseProduct", "EventList", "ExpMap", "Image", "RateMap"]

_FAR = -100  # pixel of a position that is not on the sky of an image


def _whole_pixels(values: Any) -> Any:
    """Pixels as a Quantity of whole numbers."""
    return Quantity(np.round(values).astype(int), "pix", dtype=int)  # type: ignore[call-overload]


def _slices(x_limits: Any, y_limits: Any) -> tuple[slice, slice]:
    """Part of an image between limits of rows and columns."""
    low, high = (None, None) if y_limits is None else y_limits
    left, right = (None, None) if x_limits is None else x_limits
    return slice(low, high), slice(left, right)


class BaseProduct:
    """What all products know of themselves."""

    _prod_type = "base"

    def __init__(
        self, path: str, obs_id: str, instrument: str, stdout_str: str = "", stderr_str: str = "", gen_cmd: str = "",
        extra_info: dict | None = None, telescope: str | None = None, **_: Any,
    ) -> None:  # fmt: skip
        self._path = str(path)
        self.obs_id, self.instrument = obs_id, instrument
        self.telescope = telescope
        self.src_name: str | None = None
        self.unprocessed_stdout, self.unprocessed_stderr = stdout_str, stderr_str
        self.sas_command = gen_cmd
        self._energy_bounds: tuple[Any, Any] = (None, None)
        self.errors: list[str] = []

    def __repr__(self) -> str:
        return f"<{self.type} {self.obs_id} {self.instrument}: {Path(self._path).name}>"

    @property
    def path(self) -> str:
        """The file."""
        return self._path

    @property
    def usable(self) -> bool:
        """Whether the file is there."""
        return Path(self._path).exists()

    @property
    def not_usable_reasons(self) -> list[str]:
        """Why not."""
        return [] if self.usable else ["ProductPathDoesNotExist"]

    @property
    def type(self) -> str:
        """Kind of product."""
        return self._prod_type

    @property
    def energy_bounds(self) -> tuple[Any, Any]:
        """Lower and upper energy."""
        return self._energy_bounds

    @property
    def local_file(self) -> bool:
        """Whether the file is on this machine."""
        return True

    force_remote = False
    gen_errors: tuple[str, ...] = ()
    gen_warnings: tuple[str, ...] = ()

    @property
    def fsspec_kwargs(self) -> dict[str, Any]:
        """Options for remote files: none."""
        return {}

    @property
    def pretty_telescope_name(self) -> str | None:
        """Name of the telescope as it is written."""
        return None if self.telescope is None else views.NAMES.get(self.telescope, self.telescope)

    @property
    def radec_sys(self) -> str | None:
        """Celestial system of the header."""
        header: Any = getattr(self, "header", {})
        return header.get("RADECSYS", header.get("RADESYS"))

    @property
    def radec_equinox(self) -> float | None:
        """EQUINOX of the header."""
        header: Any = getattr(self, "header", {})
        return header.get("EQUINOX")

    def parse_stderr(self) -> tuple[list[str], list[dict], list]:
        """Errors and warnings of the task that made it: none."""
        return [], [], []

    def raise_errors(self) -> None:
        """Raise what the task that made it reported: nothing."""

    def __getattr__(self, name: str) -> Any:
        refuse(self, name)


class EventList(BaseProduct):
    """An event list; its table is read when asked for."""

    _prod_type = "events"
    sky_x_col, sky_y_col, det_x_col, det_y_col, raw_x_col, raw_y_col = "X", "Y", "DETX", "DETY", "RAWX", "RAWY"
    en_col, evt_tab_name, imaging = "PI", "EVENTS", True
    ev_per_channel = Quantity(1, "eV / chan")

    def __init__(self, path: str, obs_id: str | None = None, instrument: str | None = None, *args: Any, **options: Any):
        super().__init__(path, str(obs_id), str(instrument), *args, **options)
        if obs_id is None or instrument is None:
            names = {"EPN": "pn", "EMOS1": "mos1", "EMOS2": "mos2"}
            header = self.header
            self.obs_id = str(header.get("OBS_ID", "")) if obs_id is None else obs_id
            inside = str(header.get("INSTRUME", ""))
            self.instrument = names.get(inside, inside) if instrument is None else instrument

    @property
    def obs_ids(self) -> list[str]:
        """The ObsID."""
        return [self.obs_id]

    @property
    def events(self) -> _EventList:
        """The events."""
        return _EventList.read(self._path)

    @property
    def header(self) -> Any:
        """Header of the events."""
        return self.events.header

    @property
    def event_header(self) -> Any:
        """Header of the events."""
        return self.events.header

    @property
    def data(self) -> Any:
        """All columns, as a DataFrame."""
        return self.get_columns_from_data(list(self.events.columns))

    @property
    def radec_sky_wcs(self) -> Any:
        """Relation of X and Y and the sky."""
        from astropy.io.fits import Header
        from astropy.wcs import WCS

        return WCS(Header(dict(self.events.wcs.header_cards())))

    @property
    def deg_per_sky(self) -> Quantity:
        """Degrees per unit of X and Y."""
        from wolter.compat.xga.utils import xmm_sky

        return Quantity(self.events.wcs.pixel_scale_deg, deg / xmm_sky)

    @property
    def sky_pix_lims(self) -> tuple[Quantity, Quantity]:
        """Legal limits of X and of Y."""
        from wolter.compat.xga.utils import xmm_sky

        bounds = self.events.bounds
        if bounds is None:
            raise ValueError("the event list does not say how large its plane is")
        low_x, high_x, low_y, high_y = bounds
        return Quantity([low_x, high_x], xmm_sky), Quantity([low_y, high_y], xmm_sky)

    def unload(self, unload_data: bool = True, unload_header: bool = True) -> None:
        """Nothing is held in memory."""

    def get_columns_from_data(self, col_names: str | list[str]) -> Any:
        """Columns by name, as a DataFrame."""
        import pandas as pd

        names = [col_names] if isinstance(col_names, str) else list(col_names)
        return pd.DataFrame(self.events.read_columns(names))


class Image(BaseProduct):
    """An image; read from its file when its data or header are asked for."""

    _prod_type = "image"
    data_unit = Unit("ct")

    def __init__(
        self, path: Any, obs_id: str, instrument: str, stdout_str: str = "", stderr_str: str = "", gen_cmd: str = "",
        lo_en: Quantity | None = None, hi_en: Quantity | None = None, regs: Any = None, matched_regs: Any = None,
        smoothed: bool = False, smoothed_info: Any = None, obs_inst_combs: list | None = None,
        radec_wcs: Any = None, skyxy_wcs: Any = None, detxy_wcs: Any = None, telescope: str | None = None,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(path, obs_id, instrument, stdout_str, stderr_str, gen_cmd, telescope=telescope)
        if lo_en is not None and hi_en is not None and lo_en > hi_en:
            raise ValueError("lo_en is greater than hi_en")
        self._energy_bounds = (lo_en, hi_en)
        self._image: _Image | None = None
        self._regions: dict[str, list[Any]] = {}
        self._combinations = obs_inst_combs
        self._wcs: dict[str, Any] = {"radec": radec_wcs, "skyxy": skyxy_wcs, "detxy": detxy_wcs}
        self._wcs_read = radec_wcs is not None
        self.psf_corrected, self.psf_model, self.psf_algorithm = False, None, None
        self.psf_bins, self.psf_iterations = None, None
        self.smoothed, self.smoothing_info, self.smoothed_method = smoothed, smoothed_info, None
        self.matched_regions = matched_regs
        if regs is not None:
            self.regions = regs

    # ---------------------------------------------------------------- contents

    def _read(self) -> _Image:
        if self._image is None:
            self._image = _Image.read(self._path)
        return self._image

    @property
    def data(self) -> np.ndarray:
        """A copy of the data."""
        return np.array(self._read().data, dtype=float if self._prod_type != "image" else None)

    @data.setter
    def data(self, new: np.ndarray) -> None:
        if np.shape(new) != self.shape:
            raise ValueError(f"The new data array has the shape {np.shape(new)}, the product {self.shape}.")
        image = self._read()
        self._image = type(image)(data=np.asarray(new), header=image.header, path=image.path)

    @property
    def header(self) -> Any:
        """The header, as astropy has it."""
        from astropy.io import fits

        with fits.open(self._path) as file:
            return next(h.header for h in file if h.header.get("NAXIS", 0) == 2)  # type: ignore[attr-defined]

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._read().shape

    def unload(self, unload_data: bool = True, unload_header: bool = False) -> None:
        """Forget what was read."""
        self._image = None

    @property
    def obs_ids(self) -> list[str]:
        """ObsIDs that the product is made of."""
        return list(dict.fromkeys(o for o, _ in self.obs_inst_combos))

    @property
    def obs_inst_combos(self) -> list:
        """ObsID and instrument of each part."""
        return self._combinations or [[self.obs_id, self.instrument]]

    @property
    def instruments(self) -> dict[str, list[str]]:
        """Instruments by ObsID."""
        return {o: [i for q, i in self.obs_inst_combos if q == o] for o in self.obs_ids}

    @property
    def storage_key(self) -> str:
        """``bound_LO-HI``, as products are stored by."""
        low, high = self._energy_bounds
        if low is None or high is None:
            raise ValueError("The product storage key cannot be generated if the energy bounds are None.")
        return f"bound_{float(low.to_value('keV'))}-{float(high.to_value('keV'))}"

    # ---------------------------------------------------------------- coordinates

    def _coordinates(self, kind: str) -> Any:
        if not self._wcs_read:
            self._wcs = {
                **views.coordinate_systems(self.header),
                **{k: v for k, v in self._wcs.items() if v is not None},
            }
            self._wcs_read = True
        return self._wcs.get(kind)

    @property
    def radec_wcs(self) -> Any:
        """astropy WCS of the sky."""
        return self._coordinates("radec")

    @property
    def skyxy_wcs(self) -> Any:
        """astropy WCS of the columns X and Y, None if the header has none."""
        return self._coordinates("skyxy")

    @property
    def detxy_wcs(self) -> Any:
        """astropy WCS of DETX and DETY, None if the header has none."""
        return self._coordinates("detxy")

    def coord_conv(self, coords: Any, output_unit: Any, ignore_bad_pix_coord: bool = False) -> Any:
        """Positions in other coordinates: deg, pix, xmm_sky, xmm_det.

        Parameters
        ----------
        coords : Quantity
            One pair, or pairs as rows.
        output_unit : unit or str
        ignore_bad_pix_coord : bool
            Let pixels outside the image pass.
        """
        unit = Unit(output_unit) if isinstance(output_unit, str) else output_unit
        if not isinstance(coords, Quantity):
            raise TypeError("The 'coords' argument must be an Astropy Quantity.")
        source, target = self._system(coords.unit), self._system(unit)
        if coords.unit.is_equivalent("deg"):  # type: ignore[union-attr]
            coords = coords.to("deg")
        if source == target:
            return _whole_pixels(coords.to_value("pix")) if source == "pix" else coords
        pairs = coords.value[None, :] if coords.shape == (2,) else coords.value
        if pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ValueError(f"coordinates have the shape {coords.shape}; pairs are meant")
        pixels = pairs if source == "pix" else self._need(source).all_world2pix(pairs, 0)
        if target != "pix":
            out = Quantity(self._need(target).all_pix2world(pixels, 0), unit)
        else:
            whole = np.round(np.where(np.isfinite(pixels), pixels, _FAR)).astype(int)
            if not ignore_bad_pix_coord and (np.any(whole < 0) or np.any(whole >= np.array(self.shape[::-1]))):
                raise ValueError("You've converted to pixel coordinates, and some are outside the image.")
            out = _whole_pixels(whole)
        return out[0] if coords.shape == (2,) else out

    @staticmethod
    def _system(unit: Any) -> str:
        from wolter.compat.xga.utils import xmm_det, xmm_sky

        if unit.is_equivalent("deg"):
            return "radec"
        for name, one in (("pix", Unit("pix")), ("skyxy", xmm_sky), ("detxy", xmm_det)):
            if unit.is_equivalent(one):
                return name
        raise UnitConversionError(f"coordinates are in deg, pix, xmm_sky or xmm_det, not {unit}")

    def _need(self, kind: str) -> Any:
        wcs = self._coordinates(kind)
        if wcs is None:
            raise ValueError(f"There is no {kind} WCS associated with this {self.type}.")
        return wcs

    def _element(self, at_coord: Quantity) -> tuple[int, int]:
        x, y = self.coord_conv(at_coord, "pix").value
        return int(y), int(x)

    def get_count(self, at_coord: Quantity) -> Quantity:
        """Counts of the pixel at a position."""
        return Quantity(self.data[self._element(at_coord)], "ct")

    def simple_peak(self, mask: np.ndarray, out_unit: Any = deg) -> tuple[Quantity, None]:
        """Brightest pixel within a mask."""
        found = simple_peak(self.data, mask)
        return self.coord_conv(Quantity([found.x, found.y], "pix"), out_unit), None

    # ---------------------------------------------------------------- regions and views

    @property
    def regions(self) -> dict[str, list[Any]]:
        """Regions drawn on views, by ObsID, in pixels."""
        return self._regions

    @regions.setter
    def regions(self, new: Any) -> None:
        self._regions = views.pixel_regions(new, self)

    def get_view(
        self, ax: Any, cross_hair: Quantity | None = None, mask: np.ndarray | None = None, *args: Any, **kw: Any
    ):
        """Draw the product on matplotlib axes; see `wolter.compat.xga.views.draw` for the options."""
        return views.draw(self, ax, cross_hair, mask, *args, **kw)

    def view(
        self, cross_hair: Quantity | None = None, mask: np.ndarray | None = None, chosen_points: Any = None,
        other_points: Any = None, figsize: tuple = (10, 8), *args: Any, **kw: Any,
    ) -> None:  # fmt: skip
        """Show the product."""
        views.show(self, cross_hair, mask, chosen_points, other_points, *args, figsize=figsize, **kw)

    def save_view(self, save_path: str, *args: Any, **kw: Any) -> None:
        """Write a view to a file."""
        views.save(self, save_path, *args, **kw)

    def _plotted(self, mask_edges: bool) -> np.ndarray:
        return self.data


class ExpMap(Image):
    """An exposure map."""

    _prod_type = "expmap"
    data_unit = Unit("s")

    def _read(self) -> _Image:
        if self._image is None:
            self._image = _ExposureMap.read(self._path)
        return self._image

    def get_exp(self, at_coord: Quantity) -> Quantity:
        """Exposure of the pixel at a position."""
        return Quantity(float(self.data[self._element(at_coord)]), "s")

    def get_count(self, *args: Any, **kwargs: Any) -> Quantity:
        """Exposure maps have no counts."""
        raise NotImplementedError("an exposure map has no counts; use get_exp")


class RateMap(Image):
    """Counts over exposure."""

    _prod_type = "ratemap"
    data_unit = Unit("ct/s")

    def __init__(self, xga_image: Image, xga_expmap: ExpMap, regs: Any = None, **_: Any) -> None:
        for what in ("obs_id", "instrument", "energy_bounds"):
            if getattr(xga_image, what) != getattr(xga_expmap, what):
                raise ValueError(f"The image and the exposure map do not have the same {what}.")
        super().__init__(
            xga_image.path, xga_image.obs_id, xga_image.instrument, "", "", "", *xga_image.energy_bounds,
            obs_inst_combs=xga_image._combinations, telescope=xga_image.telescope,
        )  # fmt: skip
        self.image, self.expmap = xga_image, xga_expmap
        self.src_name = xga_image.src_name
        if regs is not None:
            self.regions = regs

    @property
    def data(self) -> np.ndarray:
        """Counts per second; zero where nothing was exposed."""
        seconds = self.expmap.data
        counts = np.asarray(self.image.data, float)
        return np.divide(counts, seconds, out=np.zeros(counts.shape), where=seconds != 0)

    @data.setter
    def data(self, new: np.ndarray) -> None:
        raise AttributeError("the data of a rate map follow from its image and exposure map")

    @property
    def expmap_path(self) -> str:
        """File of the exposure map."""
        return self.expmap.path

    @property
    def edge_mask(self) -> np.ndarray:
        """0 at the outermost exposed pixels, 1 elsewhere."""
        return (~edge_pixels(self.expmap.data)).astype(int)

    @property
    def sensor_mask(self) -> np.ndarray:
        """1 where exposed."""
        return sensor_mask(self.expmap.data).astype(int)

    def get_rate(self, at_coord: Quantity) -> Quantity:
        """Rate of the pixel at a position."""
        return Quantity(float(self.data[self._element(at_coord)]), "ct/s")

    def get_count(self, at_coord: Quantity) -> Quantity:
        """Counts of the pixel at a position."""
        return self.image.get_count(at_coord)

    def get_exp(self, at_coord: Quantity) -> Quantity:
        """Exposure of the pixel at a position."""
        return self.expmap.get_exp(at_coord)

    def near_edge(self, coord: Quantity) -> bool:
        """Whether a position is within two pixels of the end of what is exposed."""
        y, x = self._element(coord)
        return near_edge(edge_pixels(self.expmap.data), x, y)

    def simple_peak(self, mask: np.ndarray, out_unit: Any = deg) -> tuple[Quantity, bool]:  # type: ignore[override]
        """Brightest pixel within a mask, and whether it is near an edge."""
        found = simple_peak(self.data, mask, self.edge_mask)
        place = Quantity([found.x, found.y], "pix")
        return self.coord_conv(place, out_unit), self.near_edge(place)

    def clustering_peak(
        self,
        mask: np.ndarray,
        out_unit: Any = deg,
        top_frac: float = 0.05,
        max_dist: float = 5,
        clean_point_clusters: bool = False,
    ) -> tuple[Quantity, bool, np.ndarray, list]:
        """Brightest pixel of the largest group of bright pixels; edge flag, pixels of the group."""
        try:
            found = hierarchical_peak(self.data, mask, self.edge_mask, fraction=top_frac, distance=max_dist)
        except DataError as exc:
            raise PeakConvergenceFailedError(str(exc)) from exc
        place = Quantity([found.x, found.y], "pix")
        return self.coord_conv(place, out_unit), self.near_edge(place), found.members[:, ::-1], []

    def signal_to_noise(
        self,
        source_mask: np.ndarray,
        back_mask: np.ndarray,
        exp_corr: bool = True,
        allow_negative: bool = False,
        x_slice_lims: Any = None,
        y_slice_lims: Any = None,
    ) -> float:
        """Signal to noise of a source mask against a background mask, in a part of the image if limits are given."""
        part = _slices(x_slice_lims, y_slice_lims)
        return signal_to_noise(
            self.image.data[part],
            self.expmap.data[part],
            np.asarray(source_mask)[part],
            np.asarray(back_mask)[part],
            exposure_corrected=exp_corr,
            allow_negative=allow_negative,
        )

    def background_subtracted_counts(
        self, source_mask: np.ndarray, back_mask: np.ndarray, x_slice_lims: Any = None, y_slice_lims: Any = None
    ) -> Quantity:
        """Counts of a source mask less those of a background mask, scaled by area."""
        part = _slices(x_slice_lims, y_slice_lims)
        arrays = (self.image.data, self.expmap.data, np.asarray(source_mask), np.asarray(back_mask))
        return Quantity(net_counts(*(array[part] for array in arrays)), "ct")

    def unload(self, unload_data: bool = True, unload_header: bool = False) -> None:
        """Forget what was read."""
        self.image.unload()
        self.expmap.unload()

    def _plotted(self, mask_edges: bool) -> np.ndarray:
        return self.data * self.edge_mask if mask_edges else self.data


def __getattr__(name: str) -> Any:
    if name in (
        "AggregateLightCurve", "AnnularSpectra", "BaseAggregateProduct", "BaseAggregateProfile1D", "BaseProfile1D",
        "LightCurve", "PSF", "PSFGrid", "ScalingRelation", "Spectrum",
    ):  # fmt: skip
        raise NotImplementedError(f"xga.products.{name} is not available; see wolter.data and wolter.fit")
    raise AttributeError(f"module 'xga.products' has no attribute {name!r}")
