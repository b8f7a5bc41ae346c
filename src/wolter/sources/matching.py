"""Which of the sources detected in an observation is the one meant, and which are in its way."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from wolter.errors import RegionError
from wolter.sky import Length, RegionSet, Shape, TanWCS, separation

__all__ = ["EXTENDED", "POINTLIKE", "DetectedSource", "SourceMatch", "detected_sources", "match_sources"]

# Colours of the detection pipelines' region files (XAPA; Lloyd-Davies et al. 2011, MNRAS 418, 14).
POINTLIKE = frozenset({"red"})
EXTENDED = frozenset({"green", "magenta", "blue", "cyan", "yellow"})


@dataclass(frozen=True)
class DetectedSource:
    """One source of an observation's region file.

    Attributes
    ----------
    shape : Shape
        As it stands in the file.
    ra, dec : float
        Centre, deg.
    color : str
        DS9 colour, which tells the kind of source.
    wcs : TanWCS
        Of the image that pixel shapes refer to.
    """

    shape: Shape
    ra: float
    dec: float
    color: str
    wcs: TanWCS = field(repr=False, compare=False)

    @cached_property
    def region(self) -> RegionSet:
        """The source as a region."""
        return RegionSet((self.shape,), columns=("X", "Y"), wcs=None if self.shape.celestial else self.wcs)

    @property
    def sky_region(self) -> RegionSet:
        """The source as a region on the sky, which any observation can be asked for.

        Raises
        ------
        RegionError
            If it is given in pixels and is neither circle, ellipse nor box.
        """
        if self.shape.celestial:
            return self.region
        if self.shape.kind not in ("circle", "ellipse", "box"):
            raise RegionError(
                f"a {self.shape.kind} in image coordinates cannot be put on the sky",
                cure="Write the sources as circles, ellipses or boxes, or in sky coordinates.",
            )
        scale = self.wcs.pixel_scale_deg
        sizes = tuple(Length(size.value * scale, "d") for size in self.shape.sizes)
        angles = tuple(angle - self.wcs.rotation_deg for angle in self.shape.angles)
        shape = Shape(self.shape.kind, self.wcs.frame, ((self.ra, self.dec),), sizes, angles)
        return RegionSet((shape,))

    def scaled(self, factor: float) -> RegionSet:
        """The region with all its sizes multiplied."""
        sizes = tuple(Length(size.value * factor, size.unit) for size in self.shape.sizes)
        return RegionSet((replace(self.shape, sizes=sizes),), wcs=self.region.wcs)

    def holds(self, ra: float, dec: float) -> bool:
        """Whether a position (deg) lies in the region."""
        x, y = self.wcs.sky_to_pixel(ra, dec)
        return bool(self.region.to_pixel(self.wcs).contains(np.array([x]), np.array([y]))[0])

    def touches(self, other: DetectedSource) -> bool:
        """Whether two detections, of one observation or two, have a pixel in common."""
        its = (other.region if other.wcs == self.wcs else other.sky_region).to_pixel(self.wcs)
        mine = self.region.to_pixel(self.wcs)
        a, b = mine.bounding_box(), its.bounding_box()
        low_x, high_x = math.floor(max(a[0], b[0])), math.ceil(min(a[1], b[1]))
        low_y, high_y = math.floor(max(a[2], b[2])), math.ceil(min(a[3], b[3]))
        if low_x > high_x or low_y > high_y:
            return False
        x, y = np.meshgrid(np.arange(low_x, high_x + 1, dtype=float), np.arange(low_y, high_y + 1, dtype=float))
        return bool((mine.contains(x, y) & its.contains(x, y)).any())

    def separation(self, ra: float, dec: float) -> float:
        """Angle between a position (deg) and the centre, deg."""
        return separation(ra, dec, self.ra, self.dec)


@dataclass(frozen=True)
class SourceMatch:
    """How the detections of an observation relate to a source.

    Attributes
    ----------
    match : DetectedSource or None
        The source itself.
    alternates : tuple of DetectedSource
        Further detections that hold its position, whatever their kind; they are not masked.
    interlopers : tuple of DetectedSource
        All the others.
    """

    match: DetectedSource | None
    alternates: tuple[DetectedSource, ...]
    interlopers: tuple[DetectedSource, ...]


def detected_sources(regions: RegionSet, wcs: TanWCS) -> tuple[DetectedSource, ...]:
    """The included shapes of a region file, with their centres on the sky.

    Parameters
    ----------
    regions : RegionSet
        Region file of the observation, in sky or image coordinates.
    wcs : TanWCS
        Image that image coordinates refer to.

    Raises
    ------
    RegionError
        If a shape has no centre, or is in other pixels than the image's.
    """
    default = dict(regions.properties).get("color", "green")
    out = []
    for shape in regions.shapes:
        if not shape.include:
            continue
        one = RegionSet((shape,), name=regions.name)
        if shape.celestial:
            position = one.center.icrs
            ra, dec = float(position.ra.deg), float(position.dec.deg)
        elif shape.frame in ("image", "physical"):
            x, y = one.center
            if shape.frame == "physical":
                x, y = wcs.physical_to_image(x, y)
            ra, dec = (float(v) for v in wcs.pixel_to_sky(x, y))
        else:
            raise RegionError(
                f"a source is given in {shape.frame} coordinates",
                file=regions.name,
                cure="Use image or sky coordinates.",
            )
        color = dict(shape.properties).get("color", default).strip().lower()
        out.append(DetectedSource(shape, ra, dec, color, wcs))
    return tuple(out)


def match_sources(
    detected: Sequence[DetectedSource],
    ra: float,
    dec: float,
    colors: Collection[str],
    *,
    keep_within: float | None = None,
    keep_colors: Collection[str] = ("red", "magenta"),
    fragments_of: Sequence[DetectedSource] = (),
    candidates: int = 5,
) -> SourceMatch:
    """The detection that is the source.

    Parameters
    ----------
    detected : sequence of DetectedSource
        All detections of an observation.
    ra, dec : float
        Position of the source, deg.
    colors : collection of str
        Kinds that the source can be: `POINTLIKE`, `EXTENDED`.
    keep_within : float, optional
        Detections of `keep_colors` nearer than this (deg) are no interlopers although their kind is another one: the
        bright core of a cluster is often listed as a point source.
    fragments_of : sequence of DetectedSource
        Extended detections that overlap one of these are no interlopers: detection breaks up near clusters. They are
        the source's own detections in all its observations.
    candidates : int
        So many of the nearest detections are asked whether they hold the position (as XGA 1.0.0 does).

    Returns
    -------
    SourceMatch
        The nearest detection of the right kind whose region holds the position, further ones, and the rest.
    """
    distances = np.array([d.separation(ra, dec) for d in detected])
    order = np.argsort(distances, kind="stable")
    near = {int(i) for i in order[:candidates] if detected[i].holds(ra, dec)}
    right = [int(i) for i in order if int(i) in near and detected[i].color in colors]
    spared = set(near)
    if keep_within is not None:
        spared |= {int(i) for i in order if distances[i] < keep_within and detected[i].color in keep_colors}
    for source in fragments_of:
        spared |= {i for i, d in enumerate(detected) if d.color == "green" and i not in spared and source.touches(d)}
    return SourceMatch(
        match=detected[right[0]] if right else None,
        alternates=tuple(detected[int(i)] for i in order if int(i) in near and int(i) not in right[:1]),
        interlopers=tuple(detected[int(i)] for i in order if int(i) not in spared),
    )
