"""Region text written in DS9's format (which cfitsio, CIAO and the regions package read too)."""

from __future__ import annotations

from collections.abc import Iterable

from wolter.sky.shapes import Length, Shape, format_number

__all__ = ["HEADER", "shape_text", "to_text"]

HEADER = "# Region file format: DS9 version 4.1"


def _sizes(shape: Shape, sizes: Iterable[Length] | None = None) -> list[str]:
    return [str(s) for s in (shape.sizes if sizes is None else sizes)]


def _angles(shape: Shape) -> list[str]:
    return [format_number(a) for a in shape.angles]


def _sexagesimal(lon: float, lat: float, hours: bool) -> list[str]:
    def split(value: float, digits: int) -> str:
        units = 10**digits
        total = round(abs(value) * 3600 * units)
        seconds, fraction = divmod(total, units)
        minutes, seconds = divmod(seconds, 60)
        whole, minutes = divmod(minutes, 60)
        return f"{whole:02d}:{minutes:02d}:{seconds:02d}.{fraction:0{digits}d}"

    first = split(lon % 360.0 / 15.0, 8) if hours else split(lon % 360.0, 7)
    return [first, ("-" if lat < 0 else "+") + split(lat, 7)]


def shape_text(shape: Shape, *, sexagesimal: bool = False) -> str:
    """A shape without sign and frame, e.g. ``circle(253.46,39.76,60")``.

    Numbers are written so that they read back as the same floats; with `sexagesimal` the positions of celestial
    shapes are rounded to 0.1 microarcsec.
    """
    position: list[str] = []
    for x, y in shape.points:
        if sexagesimal and shape.celestial:
            position += _sexagesimal(x, y, shape.frame not in ("galactic", "ecliptic"))
        else:
            position += [format_number(x), format_number(y)]
    name, rest = shape.kind, _sizes(shape)
    if shape.kind in ("panda", "epanda", "bpanda"):
        counts = [str(c) for c in (shape.counts or (1, 1))]
        angles = _angles(shape)
        rest = [*angles[:2], counts[0], *rest, counts[1], *angles[2:]]
    elif shape.kind in ("elliptannulus", "boxannulus"):
        angles = _angles(shape)
        if angles[0] == angles[1]:
            # DS9's form: one angle, several sizes under the plain name.
            name = "ellipse" if shape.kind == "elliptannulus" else "box"
            rest = [*rest, *(f"n={c}" for c in shape.counts), angles[0]]
        else:
            name = "ellipse" if shape.kind == "elliptannulus" else "box"
            rest = [*rest, *angles]
    elif shape.kind == "annulus":
        rest += [f"n={c}" for c in shape.counts]
    else:
        rest += _angles(shape)
    return f"{name}({','.join(position + rest)})"


def _property_text(properties: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"{k}={v}" if v else k for k, v in properties)


def to_text(
    shapes: Iterable[Shape], global_properties: Iterable[tuple[str, str]] = (), *, sexagesimal: bool = False
) -> str:
    """A region file: header, global line, frame lines, shapes with sign and properties."""
    lines = [HEADER]
    properties = _property_text(global_properties)
    if properties:
        lines.append(f"global {properties}")
    frame = ""
    for shape in shapes:
        if shape.frame != frame:
            frame = shape.frame
            lines.append(frame)
        text = ("" if shape.include else "-") + shape_text(shape, sexagesimal=sexagesimal)
        local = _property_text(shape.properties)
        lines.append(f"{text} # {local}" if local else text)
    return "\n".join(lines) + "\n"
