"""FITS region extensions: the binary table of ASC-FITS-REGION (McDowell & Rots, versions 1.0 to 1.2).

Columns: two coordinates (named as MFORM1 says, usually X and Y), SHAPE (``!`` in front of exclusions), R, ROTANG,
COMPONENT. Rows of one component intersect; components add up. Coordinates are pixels of the event columns.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from wolter import fits
from wolter.errors import RegionError, suggest
from wolter.sky import geometry as g
from wolter.sky.logic import Components
from wolter.sky.pixel import PixelRegion
from wolter.sky.regionset import RegionSet
from wolter.sky.shapes import Length, Shape
from wolter.sky.wcs import TanWCS

__all__ = ["from_hdu", "is_region_hdu", "read_hdu", "to_hdu"]

# SHAPE: (kind, positions, sizes, angles); None positions: as many as there are.
_SHAPES: dict[str, tuple[str, int | None, int, int]] = {
    "POINT": ("point", 1, 0, 0),
    "CIRCLE": ("circle", 1, 1, 0),
    "ELLIPSE": ("ellipse", 1, 2, 1),
    "ANNULUS": ("annulus", 1, 2, 0),
    "ELLIPTANNULUS": ("elliptannulus", 1, 4, 2),
    "BOX": ("box", 1, 2, 1),
    "ROTBOX": ("box", 1, 2, 1),
    "BOXANNULUS": ("boxannulus", 1, 4, 2),
    "RECTANGLE": ("rectangle", 2, 0, 1),
    "ROTRECTANGLE": ("rectangle", 2, 0, 1),
    "DIAMOND": ("diamond", 1, 2, 1),
    "ROTDIAMOND": ("diamond", 1, 2, 1),
    "RHOMBUS": ("diamond", 1, 2, 1),
    "ROTRHOMBUS": ("diamond", 1, 2, 1),
    "SECTOR": ("sector", 1, 0, 2),
    "PIE": ("panda", 1, 2, 2),
    "PANDA": ("panda", 1, 2, 2),
    "POLYGON": ("polygon", None, 0, 0),
    "LINE": ("line", 2, 0, 0),
    "FIELD": ("field", 0, 0, 0),
}
_UNITS = {"deg": "d", "degree": "d", "degrees": "d", "arcsec": '"', "arcmin": "'"}


# -------------------------------------------------------------------- reading


def is_region_hdu(hdu: Any) -> bool:
    """Whether an HDU is a table with the columns SHAPE and R, or calls itself a region."""
    columns = getattr(hdu, "columns", None)
    return columns is not None and "SHAPE" in columns and ("R" in columns or "X" in columns)


def read_hdu(name: str | PathLike[str]) -> RegionSet:
    """Region from a FITS file; ``file[EXT]`` chooses the extension, otherwise the first region table counts.

    Raises
    ------
    RegionError
        If there is no region extension or it is not understood.
    FitsError
        If the file cannot be read.
    """
    wanted = fits.parse_name(name)
    label = fspath(name)
    with fits.open(wanted.path) as file:
        if wanted.ext is not None:
            hdu = file[wanted.ext, wanted.ver] if wanted.ver and isinstance(wanted.ext, str) else file[wanted.ext]
            return from_hdu(hdu, name=label)
        for hdu in file.hdus:
            if is_region_hdu(hdu):
                return from_hdu(hdu, name=label)
        names = ", ".join(str(h.name or h.index) for h in file.hdus)
    raise RegionError(
        f"there is no region extension (a table with the columns SHAPE, R, ROTANG) among {names}",
        file=label,
        cure="Name the extension, as in 'file.pha[REG00101]', or give a region text file.",
    )


def from_hdu(hdu: Any, *, name: str = "region") -> RegionSet:
    """Region from a FITS region extension.

    Parameters
    ----------
    hdu : TableHDU
        Fixed or variable-length columns; COMPONENT may be absent (then all rows intersect).
    name : str
        For messages.

    Raises
    ------
    RegionError
        If a shape is unknown or numbers are missing.
    """
    label = hdu.name or hdu.index
    columns = _coordinate_names(hdu, name)
    missing = [c for c in (*columns, "SHAPE") if c not in hdu.columns]
    if missing:
        raise RegionError(f"column {missing[0]} is missing", file=name, hdu=label)
    wanted = [c for c in (*columns, "SHAPE", "R", "ROTANG", "COMPONENT") if c in hdu.columns]
    data = hdu.read(wanted)
    unit = str(hdu.columns[columns[0]].unit or "").strip().lower()
    sky = {c.upper() for c in columns} == {"RA", "DEC"} or unit in _UNITS
    ragged = [_rows(data, c, hdu.nrows) for c in (*columns, "R", "ROTANG", "COMPONENT")]
    names = [str(s).strip() for s in np.asarray(data["SHAPE"]).reshape(hdu.nrows, -1)[:, 0]] if hdu.nrows else []
    wcs = TanWCS.from_columns(hdu, *columns)
    size_unit = _size_unit(hdu, sky)
    groups: dict[int, list[Shape]] = {}
    shapes: list[Shape] = []
    for row in range(hdu.nrows):
        values = [r[row] for r in ragged]
        try:
            shape = _shape(names[row], values, "fk5" if sky else "physical", size_unit)
        except RegionError as exc:
            raise RegionError(f"row {row + 1}: {exc.cause}", file=name, hdu=label, cure=exc.cure) from exc
        number = int(values[4][0]) if len(values[4]) else 1
        groups.setdefault(number, []).append(shape)
        shapes.append(shape)
    if not shapes:
        raise RegionError("the region extension has no rows", file=name, hdu=label)
    logic: Components = tuple(tuple(group) for group in groups.values())
    return RegionSet.from_components(
        logic, columns=(columns[0].upper(), columns[1].upper()), wcs=wcs if wcs.celestial else None, name=name
    )


def _coordinate_names(hdu: Any, name: str) -> tuple[str, str]:
    form = re.match(r"\s*(\w+)\s*,\s*(\w+)\s*$", str(hdu.header.get("MFORM1", "")))
    if form and form[1] in hdu.columns and form[2] in hdu.columns:
        return form[1], form[2]
    others = [c for c in hdu.columns if str(c).upper() not in ("SHAPE", "R", "ROTANG", "COMPONENT")]
    if len(others) < 2:
        raise RegionError("there are no two coordinate columns", file=name, hdu=hdu.name or hdu.index)
    return str(others[0]), str(others[1])


def _size_unit(hdu: Any, sky: bool) -> str:
    unit = str(hdu.columns["R"].unit or "").strip().lower() if "R" in hdu.columns else ""
    return _UNITS.get(unit, "d" if sky else "")


def _rows(data: dict[str, Any], column: str, nrows: int) -> list[np.ndarray]:
    """Values of a column row by row, whichever way they are stored."""
    if column not in data:
        return [np.zeros(0)] * nrows
    return [np.atleast_1d(np.asarray(data[column][row], dtype=float)).ravel() for row in range(nrows)]


def _shape(text: str, values: Sequence[np.ndarray], frame: str, unit: str) -> Shape:
    include = not text.startswith("!")
    word = text.lstrip("!").strip().upper()
    if word not in _SHAPES:
        raise RegionError(
            f"unknown shape {text!r}", cure=f"{suggest(word, _SHAPES)} Accepted are {', '.join(_SHAPES)}.".strip()
        )
    kind, n_points, n_sizes, n_angles = _SHAPES[word]
    x, y, r, angle, _ = values
    if word == "SECTOR" and not np.any(angle) and len(r) >= 2 and r[0] != r[1]:
        # The extractor writes the two angles of a sector into R and leaves ROTANG zero.
        angle = r
    if n_points is None:
        x, y = _closed(x, y)
        n_points = len(x)
    angle = _padded(angle, n_angles)
    if min(len(x), len(y)) < n_points or len(r) < n_sizes:
        raise RegionError(f"{text} lacks numbers: {len(x)} x, {len(y)} y, {len(r)} sizes")
    points = tuple((float(a), float(b)) for a, b in zip(x[:n_points], y[:n_points], strict=True))
    sizes = tuple(Length(float(v), unit) for v in r[:n_sizes])
    counts = (1, 1) if kind == "panda" else ()
    return Shape(kind, frame, points, sizes, tuple(float(a) for a in angle), counts, include)


def _padded(angle: np.ndarray, number: int) -> np.ndarray:
    """As many angles as needed: a missing second one equals the first, missing ones are zero."""
    if number == 2 and len(angle) == 1:
        return np.array([angle[0], angle[0]])
    out = np.zeros(number)
    out[: min(number, len(angle))] = angle[:number]
    return out


def _closed(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of a polygon; NaN, or a return to the first vertex, ends them (cfitsio), as zeros do."""
    n = min(len(x), len(y))
    x, y = x[:n], y[:n]
    bad = np.flatnonzero(~(np.isfinite(x) & np.isfinite(y)))
    if bad.size:
        x, y = x[: bad[0]], y[: bad[0]]
    back = np.flatnonzero((x[1:] == x[0]) & (y[1:] == y[0])) if x.size else np.zeros(0, int)
    if back.size:
        x, y = x[: back[0] + 1], y[: back[0] + 1]
    while x.size > 3 and x[-1] == 0.0 and y[-1] == 0.0 and x[-2] == 0.0 and y[-2] == 0.0:
        x, y = x[:-1], y[:-1]
    if x.size > 3 and x[-1] == 0.0 and y[-1] == 0.0 and n > x.size:
        x, y = x[:-1], y[:-1]
    return x, y


# -------------------------------------------------------------------- writing

_Row = tuple[str, list[float], list[float], list[float], list[float]]


def _row(shape: g.PixelShape) -> list[_Row]:
    """Rows (SHAPE, X, Y, R, ROTANG) whose intersection is a pixel shape."""
    if isinstance(shape, g.Circle):
        return [("CIRCLE", [shape.x], [shape.y], [shape.r], [])]
    if isinstance(shape, g.Annulus):
        return [("ANNULUS", [shape.x], [shape.y], [shape.r_in, shape.r_out], [])]
    if isinstance(shape, g.Ellipse):
        return [("ELLIPSE", [shape.x], [shape.y], [shape.a, shape.b], [shape.angle])]
    if isinstance(shape, g.Box):
        return [("BOX", [shape.x], [shape.y], [shape.width, shape.height], [shape.angle])]
    if isinstance(shape, g.Diamond):
        return [("DIAMOND", [shape.x], [shape.y], [shape.width, shape.height], [shape.angle])]
    if isinstance(shape, g.EllipticalAnnulus):
        i, o = shape.inner, shape.outer
        return [("ELLIPTANNULUS", [o.x], [o.y], [i.a, i.b, o.a, o.b], [i.angle, o.angle])]
    if isinstance(shape, g.BoxAnnulus):
        p, q = shape.inner, shape.outer
        sizes = [p.width, p.height, q.width, q.height]
        return [("BOXANNULUS", [q.x], [q.y], sizes, [p.angle, q.angle])]
    if isinstance(shape, g.Sector):
        return [("SECTOR", [shape.x], [shape.y], [], [shape.start + shape.axis, shape.stop + shape.axis])]
    if isinstance(shape, g.Point):
        return [("POINT", [shape.x], [shape.y], [], [])]
    if isinstance(shape, g.Line):
        return [("LINE", [shape.x1, shape.x2], [shape.y1, shape.y2], [], [])]
    if isinstance(shape, g.Polygon):
        return [("POLYGON", shape.px.tolist(), shape.py.tolist(), [], [])]
    if isinstance(shape, g.Field):
        return [("FIELD", [], [], [], [])]
    if isinstance(shape, g.Wedge):
        ring, sector = shape.ring, shape.sector
        if isinstance(ring, g.Annulus):
            return [("PIE", [ring.x], [ring.y], [ring.r_in, ring.r_out], [sector.start, sector.stop])]
        return [*_row(ring), *_row(sector)]
    raise RegionError(f"a {type(shape).__name__} cannot be written to FITS")


def _component_rows(region: PixelRegion) -> list[tuple[_Row, int]]:
    """Rows with their component numbers; 0 is the whole plane less exclusions, as the extractor numbers it."""
    groups: list[list[_Row]] = []
    plane: list[bool] = []
    for component in region.components:
        alternatives: list[list[_Row]] = [[r for shape in component.include for r in _row(shape)]]
        for shape in component.exclude:
            # Outside an intersection of two shapes is outside one of them or outside the other.
            alternatives = [[*a, (f"!{r[0]}", *r[1:])] for a in alternatives for r in _row(shape)]
        groups += alternatives
        plane += [not component.include] * len(alternatives)
    out: list[tuple[_Row, int]] = []
    number = 0
    zero_used = False
    for rows, whole in zip(groups, plane, strict=True):
        if whole and not zero_used:
            zero_used = True
            out += [(row, 0) for row in rows]
            continue
        number += 1
        out += [(row, number) for row in rows]
    return out


def _block(rows: list[list[float]], *, repeat: bool = False) -> np.ndarray:
    """Rows of different length in one array, filled up with zeros or with the first number.

    Columns of fixed width are what every reader understands: cfitsio takes one vertex of a variable-length polygon.
    It ends a polygon where the first vertex returns, so that filling up with the first vertex closes it.
    """
    width = max(1, *(len(row) for row in rows))
    out = np.zeros((len(rows), width))
    for k, row in enumerate(rows):
        out[k, : len(row)] = row
        if repeat and row:
            out[k, len(row) :] = row[0]
    return out


def to_hdu(region: PixelRegion, name: str = "REG00101") -> fits.TableHDU:
    """FITS region extension of a region in pixels.

    Parameters
    ----------
    region : PixelRegion
        Any combination of shapes; those that the standard lacks are written as intersections of those it has.
    name : str
        EXTNAME.

    Returns
    -------
    TableHDU
        Columns X, Y (named as the region's columns), SHAPE, R, ROTANG, COMPONENT, of fixed width.
    """
    rows = _component_rows(region)
    xcol, ycol = region.columns
    data = {
        xcol: _block([row[1] for row, _ in rows], repeat=True),
        ycol: _block([row[2] for row, _ in rows], repeat=True),
        "SHAPE": np.array([row[0] for row, _ in rows]),
        "R": _block([row[3] for row, _ in rows]),
        "ROTANG": _block([row[4] for row, _ in rows]),
        "COMPONENT": np.array([number for _, number in rows], np.int16),
    }
    columns = {
        xcol: fits.Column(xcol, unit="pixel"),
        ycol: fits.Column(ycol, unit="pixel"),
        "SHAPE": fits.Column("SHAPE", "16A"),
        "R": fits.Column("R", unit="pixel"),
        "ROTANG": fits.Column("ROTANG", unit="deg"),
    }
    hdu = fits.new_table(name, data, columns=columns)
    for key, value, comment in _KEYWORDS:
        hdu.header.set(key, value, comment)
    hdu.header.set("MFORM1", f"{xcol},{ycol}", "Columns of the coordinate pair")
    if region.wcs is not None and region.wcs.celestial:
        for key, value in region.wcs.header_cards((1, 2)).items():
            hdu.header.set(key, value)
    return hdu


_KEYWORDS = (
    ("HDUCLASS", "ASC", "Region extension"),
    ("HDUCLAS1", "REGION", "Region extension"),
    ("HDUCLAS2", "STANDARD", "Region extension"),
    ("HDUVERS", "1.2.0", "Version of the region format"),
    ("HDUDOC", "ASC-FITS-REGION-1.2: Rots, McDowell: FITS REGION Binary Table Design", ""),
    ("CONTENT", "REGION", "Content of the extension"),
    ("MTYPE1", "pos", "Name of the coordinate pair"),
)
