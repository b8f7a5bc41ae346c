"""Shapes of simulated sources on the sky: point, uniform disk, beta model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wolter.errors import SimulationError, UnitError
from wolter.units import is_quantity

__all__ = ["SourceShape", "draw_king_radii", "king_fraction", "source_shape"]


@dataclass(frozen=True)
class SourceShape:
    """Where the photons of a source come from.

    Attributes
    ----------
    kind : {"point", "disk", "beta"}
        A uniform disk, or the beta model S(r) proportional to (1 + (r/rc)^2)^(1/2 - 3 beta) (Cavaliere &
        Fusco-Femiano 1976, A&A 49, 137).
    radius : float
        Radius of the disk, or core radius rc (arcsec).
    beta : float
        Slope of the beta model.
    limit : float
        Radius (arcsec) at which the beta model is cut off.
    """

    kind: str = "point"
    radius: float = 0.0
    beta: float = 2.0 / 3.0
    limit: float = np.inf

    def __post_init__(self) -> None:
        if self.kind not in ("point", "disk", "beta"):
            raise SimulationError(f"no source shape {self.kind!r}", cure="Choose point, disk or beta.")
        if self.kind != "point" and not self.radius > 0:
            raise SimulationError(
                f"the radius of a {self.kind} source is {self.radius} arcsec", cure="Give one above 0."
            )
        if self.kind == "beta" and 3.0 * self.beta - 0.5 <= 1.0 and not np.isfinite(self.limit):
            raise SimulationError(
                f"a beta model with beta = {self.beta} has infinitely many photons", cure="Give a limit, or beta > 0.5."
            )

    def draw(self, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Offsets (arcsec) of photons from the source position, along two orthogonal directions.

        Returns
        -------
        dx, dy : ndarray, shape (number,)
        """
        if self.kind == "point":
            return np.zeros(number), np.zeros(number)
        if self.kind == "disk":
            r = self.radius * np.sqrt(rng.random(number))
        else:
            r = draw_king_radii(number, self.radius, 3.0 * self.beta - 0.5, rng, limit=self.limit)
        theta = rng.uniform(0.0, 2.0 * np.pi, number)
        return r * np.cos(theta), r * np.sin(theta)

    def to_dict(self) -> dict[str, Any]:
        """For the truth file."""
        out: dict[str, Any] = {"kind": self.kind}
        if self.kind != "point":
            out["radius_arcsec"] = self.radius
        if self.kind == "beta":
            out |= {"beta": self.beta, "limit_arcsec": self.limit if np.isfinite(self.limit) else None}
        return out


def draw_king_radii(
    number: int, core: float, slope: float, rng: np.random.Generator, *, limit: float = np.inf
) -> np.ndarray:
    """Radii distributed as r (1 + (r/core)^2)^-slope out to a limit, by inversion of the encircled fraction.

    Parameters
    ----------
    number : int
        How many.
    core, limit : float
        Core radius and cut-off, in the unit of the result.
    slope : float
        Exponent; greater than one where there is no limit.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (number,)
    """
    power = 1.0 - slope
    if abs(power) < 1e-9:
        return core * np.sqrt(np.expm1(rng.random(number) * np.log1p((limit / core) ** 2)))
    total = -1.0 if not np.isfinite(limit) and power < 0 else (1.0 + (limit / core) ** 2) ** power - 1.0
    return core * np.sqrt((1.0 + rng.random(number) * total) ** (1.0 / power) - 1.0)


def _arcsec(value: Any, name: str) -> float:
    if not is_quantity(value):
        raise UnitError(f"{name} has no unit (got {value!r})", cure="Write for example 60 * u.arcsec.")
    return float(value.to_value("arcsec"))


def source_shape(value: Any) -> SourceShape:
    """A source shape from what users write.

    Parameters
    ----------
    value : SourceShape, str, tuple or None
        ``"point"`` (or None), ``("disk", radius)``, ``("beta", core radius, beta)`` with angles as Quantity; or text
        with arcseconds: ``"disk:120"``, ``"beta:60,0.6"``, ``"beta:60,0.6,900"`` (with a cut-off).

    Raises
    ------
    SimulationError
        If the shape is not understood.
    UnitError
        For an angle without a unit.
    """
    if value is None:
        return SourceShape()
    if isinstance(value, SourceShape):
        return value
    if isinstance(value, str):
        kind, _, rest = value.partition(":")
        try:
            numbers = [float(v) for v in rest.split(",")] if rest else []
        except ValueError:
            numbers = [np.nan]
    else:
        kind, *given = value
        numbers = [v if k == 1 else _arcsec(v, f"the size of a {kind} source") for k, v in enumerate(given)]
    names = ("radius", "beta", "limit")
    wanted = {"point": (0, 0), "disk": (1, 1), "beta": (2, 3)}.get(kind, (0, 3))
    if not wanted[0] <= len(numbers) <= wanted[1] or any(np.isnan(v) for v in numbers):
        raise SimulationError(
            f"the source shape {value!r} is not understood", cure="Write point, disk:120 or beta:60,0.67 (arcsec)."
        )
    return SourceShape(kind, **dict(zip(names, map(float, numbers), strict=False)))


def king_fraction(radius: Any, core: float, slope: float, limit: float = np.inf) -> np.ndarray:
    """Fraction inside a radius of the profile that `draw_king_radii` draws from.

    Parameters
    ----------
    radius : array_like
        Radii, in the unit of `core` and `limit`.
    core, slope, limit : float
        Core radius, exponent (not 1), and the radius inside which everything lies.
    """
    r = np.minimum(np.asarray(radius, dtype=float), limit)
    power = 1.0 - slope
    if not np.isfinite(limit):
        return 1.0 - (1.0 + (r / core) ** 2) ** power
    total = (1.0 + (limit / core) ** 2) ** power - 1.0
    return ((1.0 + (r / core) ** 2) ** power - 1.0) / total
