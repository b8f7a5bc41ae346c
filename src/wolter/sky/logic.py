"""Boolean combinations of shapes as a union of intersections ("components"), and back to an ordered list.

cfitsio reads a list of shapes so: each included shape starts a component; an excluded shape is cut out of every
component that an included shape *before* it has started. If the list starts with exclusions these form a component
of their own, the whole plane without them, from which later exclusions are not cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wolter.errors import RegionError
from wolter.sky.shapes import Shape

__all__ = ["Components", "append", "complement", "from_list", "intersection", "to_list"]

Components = tuple[tuple[Shape, ...], ...]
_MOST = 20_000


def append(done: Components, shapes: Iterable[Shape]) -> Components:
    """Components after further signed shapes by cfitsio's rule."""
    components = [list(c) for c in done]
    started = [any(s.include for s in c) for c in done]
    for shape in shapes:
        if shape.include or not components:
            components.append([shape])
            started.append(shape.include)
            continue
        for component, begun in zip(components, started, strict=True):
            if begun or not any(started):
                component.append(shape)
    return tuple(tuple(c) for c in components)


def from_list(shapes: Sequence[Shape]) -> Components:
    """Components of a list of signed shapes by cfitsio's rule."""
    return append((), shapes)


def _tidy(component: Iterable[Shape]) -> tuple[Shape, ...] | None:
    """A component without repeated shapes; None if it contradicts itself (A and not A)."""
    out: list[Shape] = []
    signs: dict[Shape, bool] = {}
    for shape in component:
        key = shape.geometry
        if key not in signs:
            signs[key] = shape.include
            out.append(shape)
        elif signs[key] != shape.include:
            return None
    return tuple(out)


def intersection(a: Components, b: Components) -> Components:
    """Intersection of two unions: every component of one with every component of the other."""
    if len(a) * len(b) > _MOST:
        raise RegionError(
            f"the combination of shapes expands to {len(a) * len(b)} parts",
            cure="Write it with fewer shapes, or apply the parts one after the other.",
        )
    return _absorb(c for c in (_tidy((*x, *y)) for x in a for y in b) if c is not None)


def _absorb(components: Iterable[tuple[Shape, ...]]) -> Components:
    """Without components that lie within another one (which has fewer conditions)."""
    kept: list[tuple[frozenset[tuple[Shape, bool]], tuple[Shape, ...]]] = []
    for component in sorted(components, key=len):
        conditions = frozenset((s.geometry, s.include) for s in component)
        if not any(fewer <= conditions for fewer, _ in kept):
            kept.append((conditions, component))
    return tuple(c for _, c in kept)


def complement(a: Components) -> Components:
    """Everything outside a union of components."""
    out: Components = ((),)
    for component in a:
        out = intersection(out, tuple((shape.negated(),) for shape in component))
    return out


def to_list(components: Components) -> tuple[Shape, ...] | None:
    """Ordered list of signed shapes that cfitsio's rule turns into these components, or None if there is none.

    Possible if every component includes one shape and the sets of excluded shapes can be nested.
    """
    if not components:
        return ()
    leading = [c for c in components if all(not s.include for s in c)]
    rest = [c for c in components if any(s.include for s in c)]
    if len(leading) > 1 or any(sum(s.include for s in c) != 1 for c in rest):
        return None
    if leading and not leading[0]:
        return None
    excluded = {id(c): {s.geometry for s in c if not s.include} for c in rest}
    ordered = sorted(rest, key=lambda c: -len(excluded[id(c)]))
    out: list[Shape] = list(leading[0]) if leading else []
    for k, component in enumerate(ordered):
        later = excluded[id(ordered[k + 1])] if k + 1 < len(ordered) else set()
        if not later <= excluded[id(component)]:
            return None
        out += [s for s in component if s.include]
        out += [s for s in component if not s.include and s.geometry not in later]
    return tuple(out)
