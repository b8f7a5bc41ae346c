"""The work on one detector, in functions of one argument that executors can send to other processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wolter.data import Image, LightCurve, Spectrum

__all__ = ["make_spectra", "make_images", "make_light_curve"]


def make_spectra(job: tuple[Any, ...]) -> list[tuple[Spectrum, Spectrum | None]]:
    """Source and background spectra of one detector: one pair, or three for I, Q, U."""
    from wolter.makers import extract_spectrum, extract_stokes
    from wolter.makers.piling import warn_of_pile_up

    events, source, background, stokes, selection, options = job
    inside = events.select(region=source, **selection)
    outside = None if background is None else events.select(region=background, **selection)
    if stokes is None:
        made_source = extract_spectrum(inside, **options)
        if source is not None:
            warn_of_pile_up(inside, float(made_source.counts.sum()))
        return [(made_source, None if outside is None else extract_spectrum(outside, **options))]
    made = extract_stokes(inside, weighting=stokes)
    if outside is None:
        return [(s, None) for s in (made.i, made.q, made.u)]
    back = extract_stokes(outside, weighting=stokes)
    return [(made.i, back.i), (made.q, back.q), (made.u, back.u)]


def make_images(job: tuple[Any, ...]) -> list[Image]:
    """Images of one detector in all bands."""
    from wolter.makers import make_images

    events, bands, options = job
    return make_images(events, bands, **options)


def make_light_curve(job: tuple[Any, ...]) -> LightCurve:
    """Light curve of one detector, net if there is a background region."""
    from wolter.data import net_light_curve
    from wolter.makers import light_curve

    events, binsize, source, background, options, selection = job
    made = light_curve(events.select(region=source, **selection), binsize, **options)
    if background is None:
        return made
    back = light_curve(events.select(region=background, **selection), binsize, allow_empty=True, **options)
    return net_light_curve(made, back)
