"""`RegionSet`: shapes with signs and logic, read from and written to region files, placed on pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wolter.errors import RegionError, warn
from wolter.sky import ds9, logic
from wolter.sky.pixel import Bounds, Component, PixelRegion
from wolter.sky.place import place
from wolter.sky.shapes import Shape
from wolter.sky.wcs import TanWCS

if TYPE_CHECKING:
    from wolter.fits import TableHDU

__all__ = ["RegionSet"]


@dataclass(frozen=True)
class RegionSet:
    """A region: the union of components, each an intersection of included and excluded shapes.

    A list of shapes follows cfitsio's rule (`wolter.sky.logic`): included shapes add up, an exclusion is cut out of
    every included shape before it, and a list that begins with an exclusion begins with the whole plane.

    Attributes
    ----------
    shapes : tuple of Shape
        All shapes in the order given, with their signs.
    logic : tuple of tuple of Shape, optional
        Components, where they are not those of the list rule.
    properties : tuple of (str, str)
        DS9's global properties.
    columns : pair of str
        Event columns that the pixel coordinates mean: ("X", "Y"), ("DETX", "DETY"), ....
    wcs : TanWCS, optional
        System in which pixel shapes were defined, if they came with one (FITS region extensions).
    name : str
        Where it came from, for messages.

    Examples
    --------
    >>> from wolter.sky import parse_regions
    >>> region = parse_regions('fk5; circle(253.46, 39.76, 60") -circle(253.47, 39.76, 5")')
    >>> len(region.shapes), region.frame
    (2, 'fk5')
    """

    shapes: tuple[Shape, ...]
    logic: logic.Components | None = None
    properties: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, str] = ("X", "Y")
    wcs: TanWCS | None = field(default=None, repr=False)
    name: str = field(default="region", compare=False)

    def __post_init__(self) -> None:
        if not self.shapes:
            raise RegionError("a region needs at least one shape", file=self.name if self.name != "region" else None)
        signs = [s.include for s in self.shapes]
        if self.logic is None and not signs[0] and any(signs):
            warn(f"{self.name}: the first shape is an exclusion, so everything outside it is included (cfitsio's rule)")

    # ---------------------------------------------------------------- what it holds

    @property
    def components(self) -> logic.Components:
        """The intersections of signed shapes whose union is the region."""
        return logic.from_list(self.shapes) if self.logic is None else self.logic

    @property
    def frame(self) -> str:
        """Coordinate frame of the first shape."""
        return self.shapes[0].frame

    @property
    def celestial(self) -> bool:
        """Whether any shape is given on the sky, so that a WCS is needed to place it."""
        return any(s.celestial or any(z.angular for z in s.sizes) for s in self.shapes)

    @property
    def center(self) -> Any:
        """Centre of the first shape: a SkyCoord, or (x, y) for pixel frames.

        Raises
        ------
        RegionError
            If the first shape has no centre (polygon, line, field).
        """
        shape = self.shapes[0]
        if shape.kind == "rectangle":
            (x1, y1), (x2, y2) = shape.points
            point = ((x1 + x2) / 2, (y1 + y2) / 2)
        elif len(shape.points) == 1:
            point = shape.points[0]
        else:
            raise RegionError(f"a {shape.kind} has no centre", cure="Give the position itself.")
        if not shape.celestial:
            return point
        from astropy.coordinates import SkyCoord

        names = {"ecliptic": "barycentricmeanecliptic"}
        return SkyCoord(*point, unit="deg", frame=names.get(shape.frame, shape.frame))

    def __repr__(self) -> str:
        return f"<RegionSet {self}>"

    def __str__(self) -> str:
        return "; ".join(f"{s.frame}; {s}" for s in self.shapes[:3]) + ("; ..." if len(self.shapes) > 3 else "")

    def __len__(self) -> int:
        return len(self.shapes)

    # ---------------------------------------------------------------- algebra

    def _combined(self, other: RegionSet, components: logic.Components) -> RegionSet:
        if not isinstance(other, RegionSet):
            raise TypeError(f"a region can only be combined with a region, not {type(other).__name__}")
        if self.columns != other.columns:
            raise RegionError(
                f"regions of columns {','.join(self.columns)} and {','.join(other.columns)} cannot be combined",
                cure="Apply them one after the other.",
            )
        if self.wcs != other.wcs and not (self.celestial and other.celestial):
            warn("regions defined on different pixel systems are combined; pixel numbers are taken as they are")
        wcs = self.wcs if self.wcs == other.wcs else None
        return RegionSet.from_components(
            components, properties=self.properties, columns=self.columns, wcs=wcs, name=self.name
        )

    @classmethod
    def from_components(
        cls,
        components: logic.Components,
        *,
        properties: tuple[tuple[str, str], ...] = (),
        columns: tuple[str, str] = ("X", "Y"),
        wcs: TanWCS | None = None,
        name: str = "region",
    ) -> RegionSet:
        """Region from a union of intersections; kept as a plain list of shapes where that means the same.

        Raises
        ------
        RegionError
            If there is no component.
        """
        if not components:
            raise RegionError("the combination of regions is empty", cure="Check which shapes exclude one another.")
        as_list = logic.to_list(components)
        if as_list is not None:
            expanded = {frozenset(c) for c in logic.from_list(as_list)}
            if expanded == {frozenset(c) for c in components}:
                return cls(as_list, None, properties, columns, wcs, name)
        flat = tuple(dict.fromkeys(s for c in components for s in c))
        return cls(flat, components, properties, columns, wcs, name)

    def __or__(self, other: RegionSet) -> RegionSet:
        return self._combined(other, tuple(dict.fromkeys((*self.components, *other.components))))

    def __and__(self, other: RegionSet) -> RegionSet:
        return self._combined(other, logic.intersection(self.components, other.components))

    def exclude(self, other: RegionSet) -> RegionSet:
        """This region without another one."""
        return self._combined(other, logic.intersection(self.components, logic.complement(other.components)))

    def __sub__(self, other: RegionSet) -> RegionSet:
        return self.exclude(other)

    def __invert__(self) -> RegionSet:
        return self._combined(self, logic.complement(self.components))

    # ---------------------------------------------------------------- placing

    def to_pixel(
        self, wcs: TanWCS | None = None, bounds: Bounds | None = None, *, columns: tuple[str, str] | None = None
    ) -> PixelRegion:
        """The region in pixel coordinates.

        Centres and vertices go through the full projection. A size in angle becomes the distance in pixels between
        the centre and the point that far from it in declination, towards the equator (cfitsio's rule); angles are
        turned by the rotation of the axes.

        Parameters
        ----------
        wcs : TanWCS, optional
            System of the event columns or the image; needed for shapes given on the sky.
        bounds : tuple, optional
            First and last pixel of the plane (xmin, xmax, ymin, ymax), e.g. TLMIN and TLMAX of the columns.
        columns : pair of str, optional
            Names of the coordinates, if other than the region's own.

        Raises
        ------
        RegionError
            If a shape is on the sky and there is no celestial system, or it is not on the projected hemisphere.
        """
        placed: dict[Shape, Any] = {}
        components: list[Component] = []
        for component in self.components:
            signs: dict[bool, list[Any]] = {True: [], False: []}
            for shape in component:
                key = shape.geometry
                if key not in placed:
                    placed[key] = place(key, wcs, self.wcs, text=str(shape))
                signs[shape.include].append(placed[key])
            components.append(Component(tuple(signs[True]), tuple(signs[False])))
        if bounds is not None and not _proper(bounds):
            raise RegionError(f"bounds {bounds!r} are not (xmin, xmax, ymin, ymax)")
        name = f"region {self}" if self.name == "region" else f"{self.name} ({self})"
        return PixelRegion(tuple(components), bounds, columns or self.columns, name, wcs)

    # ---------------------------------------------------------------- output

    def to_ds9(self, *, sexagesimal: bool = False) -> str:
        """Text in DS9's format; reads back as the same region.

        Parameters
        ----------
        sexagesimal : bool
            Write equatorial positions as hh:mm:ss (rounded to 0.1 microarcsec).

        Raises
        ------
        RegionError
            If the logic cannot be written as a list of included and excluded shapes.
        """
        shapes: tuple[Shape, ...] | None = self.shapes
        if self.logic is not None:
            shapes = logic.to_list(self.logic)
        if shapes is None:
            raise RegionError(
                f"{self.name}: intersections of shapes cannot be written in DS9's format",
                cure="Write it with format='fits'.",
            )
        return ds9.to_text(shapes, self.properties, sexagesimal=sexagesimal)

    def to_fits_hdu(self, name: str = "REG00101", wcs: TanWCS | None = None) -> TableHDU:
        """FITS region extension (ASC-FITS-REGION); shapes on the sky need the system `wcs`."""
        from wolter.sky.fitsregion import to_hdu

        return to_hdu(self.to_pixel(wcs if wcs is not None else self.wcs), name)

    def write(
        self,
        path: str | PathLike[str],
        format: str | None = None,
        *,
        overwrite: bool = False,
        wcs: TanWCS | None = None,
        sexagesimal: bool = False,
    ) -> Path:
        """Write a region file.

        Parameters
        ----------
        path : path-like
            Name of the file.
        format : {"ds9", "fits"}, optional
            By default "fits" for names that end in .fits, .fit or .fits.gz, otherwise "ds9".
        overwrite : bool
            Replace an existing file.
        wcs : TanWCS, optional
            System for shapes on the sky in FITS, which holds pixels.

        Raises
        ------
        OutputError
            If the file exists or cannot be written.
        RegionError
            If the region cannot be expressed in that format.
        """
        from wolter import fits

        target = Path(path)
        if format is None:
            format = "fits" if target.name.lower().endswith((".fits", ".fit", ".fits.gz")) else "ds9"
        if format == "ds9":
            text = self.to_ds9(sexagesimal=sexagesimal)
            with fits.atomic_path(target, overwrite=overwrite) as temporary:
                Path(temporary).write_text(text, encoding="utf-8")
        elif format == "fits":
            hdu = self.to_fits_hdu("REGION", wcs)
            fits.write(target, [fits.primary(), hdu], overwrite=overwrite)
        else:
            raise RegionError(f"unknown region format {format!r}", cure="Accepted are 'ds9' and 'fits'.")
        return target

    def to_regions(self) -> Any:
        """The shapes as a `regions.Regions` list of the astropy-affiliated package *regions*."""
        from wolter.sky.interop import to_regions

        return to_regions(self)

    def with_properties(self, **properties: str) -> RegionSet:
        """The same region with DS9 properties set on every shape, e.g. ``color="red"``."""
        shapes = tuple(
            replace(s, properties=(*((k, v) for k, v in s.properties if k not in properties), *properties.items()))
            for s in self.shapes
        )
        if self.logic is None:
            return replace(self, shapes=shapes)
        table = {s.geometry: t.properties for s, t in zip(self.shapes, shapes, strict=True)}
        parts = tuple(tuple(replace(s, properties=table[s.geometry]) for s in c) for c in self.logic)
        return replace(self, shapes=shapes, logic=parts)


def _proper(bounds: Bounds) -> bool:
    return len(bounds) == 4 and all(map(math.isfinite, bounds)) and bounds[0] <= bounds[1] and bounds[2] <= bounds[3]
