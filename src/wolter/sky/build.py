"""Regions made in Python, from text, and from files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from wolter.errors import RegionError, UnitError
from wolter.sky.frames import convert, is_celestial, normal_frame
from wolter.sky.reader import parse_text
from wolter.sky.regionset import RegionSet
from wolter.sky.sas import looks_like_sas, parse_sas
from wolter.sky.shapes import Length, Shape
from wolter.sky.tokens import TokenError, parse_token, split_arguments
from wolter.units import is_quantity, to_arcsec, to_deg

__all__ = [
    "annulus",
    "as_region",
    "box",
    "circle",
    "ellipse",
    "panda",
    "parse_position",
    "parse_regions",
    "polygon",
    "read_regions",
]


# -------------------------------------------------------------------- text and files


def parse_regions(text: str, *, name: str = "<text>") -> RegionSet:
    """Region from text in any of the dialects of DS9, cfitsio, CIAO or SAS.

    Parameters
    ----------
    text : str
        For example ``circle(16:53:51.766,+39:45:44.41,60.000")``, the contents of a DS9 file, or
        ``((X,Y) IN circle(26188,22816,1000))``.
    name : str
        How to call it in messages.

    Raises
    ------
    RegionError
        If anything is not understood; the message names the line, the text and what is accepted.
    """
    if looks_like_sas(text):
        _, logic, columns = parse_sas(text, name)
        return RegionSet.from_components(logic, columns=columns, name=name)
    parsed = parse_text(text, name)
    columns = ("DETX", "DETY") if {s.frame for s in parsed.shapes} == {"detector"} else ("X", "Y")
    frames = {s.frame for s in parsed.shapes}
    if "detector" in frames and len(frames) > 1:
        raise RegionError(
            f"detector coordinates are mixed with {', '.join(sorted(frames - {'detector'}))}",
            file=name,
            cure="Split the region into one per coordinate system.",
        )
    return RegionSet(tuple(parsed.shapes), parsed.logic, parsed.properties, columns, None, name)


def read_regions(path: str | PathLike[str]) -> RegionSet:
    """Region from a file: DS9, cfitsio, CIAO or SAS text, or a FITS region extension.

    Parameters
    ----------
    path : path-like
        For FITS an extension may be named, as in ``source.pha[REG00101]``; otherwise the first one with the columns
        SHAPE, R, ROTANG is read.

    Raises
    ------
    RegionError
        If the file is missing or its text is not understood.
    """
    name = fspath(path)
    base = Path(re.sub(r"\[[^\]]*\]$", "", name))
    target = Path(name) if Path(name).exists() else base
    try:
        with open(target, "rb") as handle:
            data = handle.read(8)
            is_fits = data[:6] == b"SIMPLE" or data[:2] == b"\x1f\x8b" or data[:8] == b"XTENSION"
            if is_fits:
                from wolter.sky.fitsregion import read_hdu

                return read_hdu(name)
            data += handle.read()
    except OSError as exc:
        if isinstance(exc, RegionError):
            raise
        from wolter.errors import WolterError

        if isinstance(exc, WolterError):
            raise
        raise RegionError(f"the region file cannot be read: {exc.strerror}", file=name, cure="Check its name.") from exc
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if "\0" in text:
        raise RegionError("this is neither text nor FITS", file=name)
    return parse_regions(text, name=name)


def as_region(value: Any) -> RegionSet:
    """A region from whatever a user may give: a RegionSet, a file, region text, or objects of the package *regions*.

    Text that holds a parenthesis and is no existing file is taken as region text.
    """
    if isinstance(value, RegionSet):
        return value
    if isinstance(value, str):
        if "(" in value and not Path(value).exists():
            return parse_regions(value)
        return read_regions(value)
    if isinstance(value, PathLike):
        return read_regions(value)
    from wolter.sky.interop import from_regions

    return from_regions(value)


# -------------------------------------------------------------------- constructors


def _text_position(text: str) -> tuple[str, float, float]:
    try:
        tokens = [parse_token(t) for t in split_arguments(text)]
    except TokenError as exc:
        raise RegionError(f"position {text!r}: {exc}", cure='Write "16:53:51.77 +39:45:44.4".') from exc
    if len(tokens) != 2:
        raise RegionError(f"position {text!r} is not two numbers", cure='Write "16:53:51.77 +39:45:44.4".')
    if any(t.kind == "" for t in tokens):
        raise UnitError(
            f"position {text!r} has no unit",
            cure='Write "16:53:51.77 +39:45:44.4" (hours, degrees) or "253.4657d 39.7623d" (degrees).',
        )
    values: list[float] = []
    for k, token in enumerate(tokens):
        if not token.celestial or (token.kind == "hms" and k == 1):
            raise UnitError(f"position {token.text!r} is not an angle", cure='Write "16:53:51.77 +39:45:44.4".')
        value = np.degrees(token.value) if token.kind == "r" else token.value
        values.append(float(value * 15.0 if token.kind == "colon" and k == 0 else value))
    return "fk5", values[0], values[1]


def _position(center: Any, frame: str | None) -> tuple[str, float, float]:
    """Frame and two numbers (deg, or pixels) of a position given by the user."""
    wanted = normal_frame(frame) if frame else ""
    if wanted and not is_celestial(wanted):
        try:
            x, y = center
            if is_quantity(x) or is_quantity(y):
                raise TypeError
            return wanted, float(x), float(y)
        except (TypeError, ValueError) as exc:
            raise UnitError(
                f"with frame={frame!r} a position is two plain pixel numbers, got {center!r}",
                cure="Write for example (500.5, 500.5), or leave frame out for a position on the sky.",
            ) from exc
    if isinstance(center, str):
        _, lon, lat = _text_position(center)
        if wanted in ("galactic", "ecliptic") and ":" in center.split()[0]:
            lon /= 15.0
        return wanted or "fk5", lon, lat
    if hasattr(center, "icrs"):
        return _skycoord(center)
    try:
        lon, lat = center
    except (TypeError, ValueError) as exc:
        raise UnitError(
            f"position {center!r} is not understood",
            cure='Write "16:53:51.77 +39:45:44.4", a SkyCoord, or (253.47*u.deg, 39.76*u.deg).',
        ) from exc
    if not (is_quantity(lon) and is_quantity(lat)):
        raise UnitError(
            f"position {center!r} has no unit",
            cure='Write (253.47*u.deg, 39.76*u.deg) or "16:53:51.77 +39:45:44.4"; frame="physical" takes plain pixels.',
        )
    return wanted or "fk5", float(to_deg(lon, "longitude")), float(to_deg(lat, "latitude"))


def parse_position(center: Any) -> tuple[float, float]:
    """Right ascension and declination (deg, fk5) of a position.

    Parameters
    ----------
    center : str, SkyCoord or pair of Quantity
        In any of the forms that `circle` takes.

    Raises
    ------
    UnitError, RegionError
        If it is not understood or has no unit.
    """
    frame, lon, lat = _position(center, None)
    ra, dec = convert(lon, lat, frame, "fk5")
    return float(ra), float(dec)


def _skycoord(center: Any) -> tuple[str, float, float]:
    if getattr(center, "shape", ()) not in ((), (1,)):
        raise RegionError(f"one position is needed, got {len(center)}", cure="Give a scalar SkyCoord.")
    names = {"fk5": "fk5", "icrs": "icrs", "fk4": "fk4", "galactic": "galactic", "barycentricmeanecliptic": "ecliptic"}
    name = getattr(getattr(center, "frame", center), "name", "")
    equinox = str(getattr(center, "equinox", ""))
    standard = {"fk5": "J2000", "fk4": "B1950", "barycentricmeanecliptic": "J2000"}.get(name)
    if name not in names or (standard and not equinox.startswith(standard)):
        center, name = center.icrs, "icrs"
    data = center.spherical
    return names[name], float(np.ravel(data.lon.deg)[0]), float(np.ravel(data.lat.deg)[0])


def _length(value: Any, frame: str, what: str) -> Length:
    """A size in arcsec, or in pixels for pixel frames."""
    if is_celestial(frame) or is_quantity(value):
        return Length(float(to_arcsec(value, what)), '"')
    return Length(float(value))


def _angle(value: Any, what: str = "angle") -> float:
    return float(to_deg(value, what))


def _one(
    kind: str,
    points: Sequence[tuple[float, float]],
    frame: str,
    sizes: Sequence[Length] = (),
    angles: Sequence[float] = (),
) -> RegionSet:
    counts = (1, 1) if kind == "panda" else ()
    columns = ("DETX", "DETY") if frame == "detector" else ("X", "Y")
    return RegionSet((Shape(kind, frame, tuple(points), tuple(sizes), tuple(angles), counts),), columns=columns)


def circle(center: Any, radius: Any, *, frame: str | None = None) -> RegionSet:
    """Circle.

    Parameters
    ----------
    center : str, SkyCoord or pair of Quantity
        ``"16:53:51.766 +39:45:44.41"`` (hours and degrees, equatorial), ``"253.4657d 39.7623d"``, a SkyCoord, or
        longitude and latitude as Quantity.
    radius : Quantity
        Angle on the sky.
    frame : str, optional
        Celestial frame of text or Quantity positions (fk5 by default); or ``"physical"``, ``"image"``,
        ``"detector"``: then positions are plain pixel numbers, and sizes plain numbers (pixels) or Quantity.

    Returns
    -------
    RegionSet
        One shape; sets are joined by ``|``, parts cut out by ``exclude``.

    Raises
    ------
    UnitError
        For bare numbers, or units of another kind.
    RegionError
        For sizes that are not positive and finite.

    Examples
    --------
    >>> import astropy.units as u
    >>> print(circle("16:53:51.766 +39:45:44.41", 60 * u.arcsec).to_ds9().splitlines()[1])
    fk5
    >>> print(circle((500.5, 500.5), 20, frame="physical").shapes[0])
    circle(500.5,500.5,20)
    """
    name, x, y = _position(center, frame)
    return _one("circle", [(x, y)], name, [_length(radius, name, "radius")], [])


def annulus(center: Any, r_in: Any, r_out: Any, *, frame: str | None = None) -> RegionSet:
    """Ring between two radii, both edges included.

    Parameters
    ----------
    center, frame
        As for `circle`.
    r_in, r_out : Quantity
        Angles on the sky; the inner one is the smaller.

    Returns
    -------
    RegionSet

    Raises
    ------
    UnitError, RegionError
        As for `circle`.
    """
    name, x, y = _position(center, frame)
    sizes = [_length(r_in, name, "inner radius"), _length(r_out, name, "outer radius")]
    return _one("annulus", [(x, y)], name, sizes, [])


def ellipse(center: Any, a: Any, b: Any, angle: Any = None, *, frame: str | None = None) -> RegionSet:
    """Ellipse with semi-axes `a` and `b`.

    Parameters
    ----------
    center, frame
        As for `circle`.
    a, b : Quantity
        Semi-axes, as angles on the sky.
    angle : Quantity, optional
        Direction of `a`, counterclockwise from the +x axis (from west towards north on the sky); 0 by default.

    Returns
    -------
    RegionSet

    Raises
    ------
    UnitError, RegionError
        As for `circle`.
    """
    name, x, y = _position(center, frame)
    sizes = [_length(a, name, "semi-axis a"), _length(b, name, "semi-axis b")]
    return _one("ellipse", [(x, y)], name, sizes, [0.0 if angle is None else _angle(angle)])


def box(center: Any, width: Any, height: Any, angle: Any = None, *, frame: str | None = None) -> RegionSet:
    """Rectangle.

    Parameters
    ----------
    center, frame
        As for `circle`.
    width, height : Quantity
        Full lengths of the sides, as angles on the sky.
    angle : Quantity, optional
        Direction of the width, as for `ellipse`.

    Returns
    -------
    RegionSet

    Raises
    ------
    UnitError, RegionError
        As for `circle`.
    """
    name, x, y = _position(center, frame)
    sizes = [_length(width, name, "width"), _length(height, name, "height")]
    return _one("box", [(x, y)], name, sizes, [0.0 if angle is None else _angle(angle)])


def polygon(vertices: Any, *, frame: str | None = None) -> RegionSet:
    """Polygon.

    Parameters
    ----------
    vertices : sequence of positions, or SkyCoord with one dimension
        At least three; each as the centre of `circle`.
    frame : str, optional
        As for `circle`.

    Returns
    -------
    RegionSet

    Raises
    ------
    UnitError, RegionError
        As for `circle`; fewer than three vertices, or vertices in different frames.
    """
    positions = [_position(v, frame) for v in vertices]
    frames = {p[0] for p in positions}
    if len(frames) > 1:
        raise RegionError(f"the vertices are in different frames: {', '.join(sorted(frames))}")
    name = frames.pop() if frames else "fk5"
    return _one("polygon", [(p[1], p[2]) for p in positions], name, [], [])


def panda(center: Any, start: Any, stop: Any, r_in: Any, r_out: Any, *, frame: str | None = None) -> RegionSet:
    """Part of a ring between two directions.

    Parameters
    ----------
    center, frame
        As for `circle`.
    start, stop : Quantity
        First and last direction, counterclockwise from the +x axis (from west towards north on the sky).
    r_in, r_out : Quantity
        Inner and outer radius.
    """
    name, x, y = _position(center, frame)
    sizes = [_length(r_in, name, "inner radius"), _length(r_out, name, "outer radius")]
    return _one("panda", [(x, y)], name, sizes, [_angle(start, "start angle"), _angle(stop, "stop angle")])
