"""The SAS-named generators: images, exposure maps and mosaics of sources and samples, made without SAS."""

from __future__ import annotations

from typing import Any

from astropy.units import Quantity

from wolter._progress import track
from wolter.compat.xga import configuration
from wolter.compat.xga.utils import number
from wolter.errors import warn

__all__ = ["cifbuild", "eexpmap", "emosaic", "evselect_image"]


def _sources(sources: Any) -> list[Any]:
    """The sources of a sample, a source, or several."""
    from wolter.compat.xga.sources import BaseSource

    return [sources] if isinstance(sources, BaseSource) else list(sources)


def _band(lo_en: Any, hi_en: Any) -> tuple[float, float]:
    low, high = number(lo_en, "keV"), number(hi_en, "keV")
    if low >= high:
        raise ValueError("lo_en cannot be greater than or equal to hi_en")
    return low, high


def _each(sources: Any, what: str, band: tuple[float, float], num_cores: int | None, quiet: bool) -> Any:
    """Have every source make its products, several at a time."""
    from concurrent.futures import ThreadPoolExecutor

    jobs = [(source, key) for source in _sources(sources) for key in source._wanted(band, what)]
    cores = num_cores or configuration.number_of_cores()
    with ThreadPoolExecutor(max(1, cores)) as pool:
        futures = [pool.submit(source._generate, what, key, band) for source, key in jobs]
        for future in track(futures, f"Generating products of type(s) {what}", enabled=False if quiet else None):
            future.result()
    for source in _sources(sources):
        source._bands.setdefault(what, []).append(band)
    return sources


def evselect_image(
    sources: Any, lo_en: Any = Quantity(0.5, "keV"), hi_en: Any = Quantity(2.0, "keV"), add_expr: str = "",  # noqa: B008
    num_cores: int | None = None, disable_progress: bool = False,
) -> Any:  # fmt: skip
    """Images of every observation and instrument in a band; the sources are given back."""
    if add_expr:
        raise NotImplementedError("add_expr is not available; select with wolter.data.EventList.select(expression=...)")
    return _each(sources, "image", _band(lo_en, hi_en), num_cores, disable_progress)


def eexpmap(
    sources: Any, lo_en: Any = Quantity(0.5, "keV"), hi_en: Any = Quantity(2.0, "keV"), num_cores: int | None = None,  # noqa: B008
    disable_progress: bool = False,
) -> Any:  # fmt: skip
    """Exposure maps of every observation and instrument in a band; the sources are given back."""
    return _each(sources, "expmap", _band(lo_en, hi_en), num_cores, disable_progress)


def emosaic(
    sources: Any, to_mosaic: str, lo_en: Any = Quantity(0.5, "keV"), hi_en: Any = Quantity(2.0, "keV"),  # noqa: B008
    psf_corr: bool = False, psf_model: str = "ELLBETA", psf_bins: int = 4, psf_algo: str = "rl", psf_iter: int = 15,
    num_cores: int | None = None, disable_progress: bool = False,
) -> Any:  # fmt: skip
    """Images or exposure maps of a source put together; the sources are given back."""
    from wolter.compat.xga.sources import NullSource

    if to_mosaic not in ("image", "expmap"):
        raise ValueError("The only valid choices for to_mosaic are image and expmap.")
    if psf_corr:
        raise NotImplementedError("emosaic of images corrected for the point-spread function is not available")
    if any(isinstance(source, NullSource) for source in _sources(sources)):
        raise NotImplementedError("You cannot use emosaic with a NullSource: its observations have no common position.")
    return _each(sources, f"combined_{to_mosaic}", _band(lo_en, hi_en), num_cores, disable_progress)


def cifbuild(sources: Any, num_cores: int | None = None, disable_progress: bool = False) -> Any:
    """Nothing is done: no calibration index file is needed here. The sources are given back."""
    warn("cifbuild does nothing: Wolter needs no calibration index file")
    return sources


def __getattr__(name: str) -> Any:
    if name in ("evselect_spectrum", "spectrum_set", "evselect_lightcurve", "cross_arf", "psfgen", "region_setup"):
        raise NotImplementedError(f"{name} is not available; use wolter.sources (source_spectra, annular_spectra)")
    raise AttributeError(f"module 'xga.generate.sas' has no attribute {name!r}")
