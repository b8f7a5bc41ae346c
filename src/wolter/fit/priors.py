"""Prior probabilities of parameters: uniform, log-uniform, Gaussian, exponential and Jeffreys'.

The densities are those of XSPEC's command "bayes", which adds ``-2 ln p`` of every parameter to the statistic: ``cons``
(a constant, which adds nothing), ``gauss mean sigma``, ``exp scale`` and ``jeffreys`` (1/x, which has no
normalisation). Samplers cut a prior to the hard limits of its parameter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from wolter.errors import ParameterError

__all__ = ["Exponential", "Flat", "Gaussian", "Jeffreys", "LogUniform", "Prior", "Uniform", "make_prior"]

Array = npt.NDArray[np.float64]
_LOG_2PI = math.log(2.0 * math.pi)
_VAST = 1e6  # limits further apart than this (in units of the nearer one, or of one) are no prior knowledge


class Prior:
    """Density of a parameter's value before the data are seen."""

    kind: ClassVar[str] = ""

    def log_density(self, x: Array) -> Array:
        """Natural logarithm of the density; minus infinity where a value is impossible."""
        raise NotImplementedError

    def slope(self, x: Array) -> tuple[Array, Array]:
        """First derivative of the logarithm, and minus its second derivative where that is positive (else zero)."""
        raise NotImplementedError

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        """Value below which a share of the prior lies, the prior being cut to the range lo-hi.

        Raises
        ------
        ParameterError
            If it cannot be normalised on the range.
        """
        raise NotImplementedError

    def check(self, name: str, lo: float, hi: float) -> None:
        """Raise ParameterError if the prior contradicts the hard limits of the parameter."""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record, from which `make_prior` makes it again."""
        return {"kind": self.kind} | asdict(self)  # pyright: ignore[reportArgumentType, reportCallIssue]

    def _range(self, name: str, own: tuple[float, float], lo: float, hi: float) -> None:
        if own[0] < lo or own[1] > hi:
            raise ParameterError(
                f"the prior of {name} from {own[0]:g} to {own[1]:g} reaches beyond its limits {lo:g} to {hi:g}",
                cure="Narrow the prior, or widen the limits first.",
            )


@dataclass(frozen=True)
class Flat(Prior):
    """Constant inside the hard limits (XSPEC's "cons"), not normalised: the prior of a parameter without another."""

    kind: ClassVar[str] = "flat"

    def log_density(self, x: Array) -> Array:
        return np.zeros_like(x)

    def slope(self, x: Array) -> tuple[Array, Array]:
        return np.zeros_like(x), np.zeros_like(x)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        if not math.isfinite(hi - lo) or hi - lo > _VAST * max(1.0, min(abs(lo), abs(hi))):
            raise ParameterError(
                f"limits {lo:g} to {hi:g} are too wide for a flat prior",
                cure="Give the parameter a prior, for example LogUniform(1e-5, 1), or narrow its limits.",
            )
        return lo + probability * (hi - lo)


@dataclass(frozen=True)
class Uniform(Prior):
    """Constant density between two values.

    Parameters
    ----------
    lo, hi : float
        In the unit of the parameter.
    """

    lo: float
    hi: float
    kind: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lo) and math.isfinite(self.hi) and self.lo < self.hi):
            raise ParameterError(f"a uniform prior from {self.lo} to {self.hi} is not possible")

    def log_density(self, x: Array) -> Array:
        inside = (x >= self.lo) & (x <= self.hi)
        return np.where(inside, -math.log(self.hi - self.lo), -np.inf)

    def slope(self, x: Array) -> tuple[Array, Array]:
        return np.zeros_like(x), np.zeros_like(x)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        low, high = max(lo, self.lo), min(hi, self.hi)
        return low + probability * (high - low)

    def check(self, name: str, lo: float, hi: float) -> None:
        self._range(name, (self.lo, self.hi), lo, hi)


@dataclass(frozen=True)
class LogUniform(Prior):
    """Density 1/x between two positive values: every decade is equally probable.

    Parameters
    ----------
    lo, hi : float
        In the unit of the parameter.
    """

    lo: float
    hi: float
    kind: ClassVar[str] = "log-uniform"

    def __post_init__(self) -> None:
        if not (0 < self.lo < self.hi and math.isfinite(self.hi)):
            raise ParameterError(f"a log-uniform prior from {self.lo} to {self.hi} is not possible")

    def log_density(self, x: Array) -> Array:
        inside = (x >= self.lo) & (x <= self.hi)
        safe = np.where(inside, x, 1.0)
        return np.where(inside, -np.log(safe) - math.log(math.log(self.hi / self.lo)), -np.inf)

    def slope(self, x: Array) -> tuple[Array, Array]:
        return -1.0 / x, np.zeros_like(x)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        low, high = max(lo, self.lo), min(hi, self.hi)
        return low * (high / low) ** np.asarray(probability)

    def check(self, name: str, lo: float, hi: float) -> None:
        self._range(name, (self.lo, self.hi), lo, hi)


@dataclass(frozen=True)
class Gaussian(Prior):
    """Normal distribution.

    Parameters
    ----------
    mean, sigma : float
        In the unit of the parameter.
    """

    mean: float
    sigma: float
    kind: ClassVar[str] = "gaussian"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and math.isfinite(self.sigma) and self.sigma > 0):
            raise ParameterError(f"a Gaussian prior {self.mean} +- {self.sigma} is not possible")

    def log_density(self, x: Array) -> Array:
        z = (x - self.mean) / self.sigma
        return -0.5 * (z * z + _LOG_2PI) - math.log(self.sigma)

    def slope(self, x: Array) -> tuple[Array, Array]:
        weight = 1.0 / self.sigma**2
        return (self.mean - x) * weight, np.full_like(x, weight)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        from scipy.special import ndtr, ndtri

        a, b = ndtr((lo - self.mean) / self.sigma), ndtr((hi - self.mean) / self.sigma)
        return np.clip(self.mean + self.sigma * ndtri(a + np.asarray(probability) * (b - a)), lo, hi)

    def check(self, name: str, lo: float, hi: float) -> None:
        if not lo <= self.mean <= hi:
            raise ParameterError(
                f"the mean {self.mean:g} of the prior of {name} is outside its limits {lo:g} to {hi:g}",
                cure="Choose another mean, or widen the limits first.",
            )


@dataclass(frozen=True)
class Exponential(Prior):
    """Density exp(-x/scale)/scale for positive values.

    Parameters
    ----------
    scale : float
        In the unit of the parameter.
    """

    scale: float
    kind: ClassVar[str] = "exponential"

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ParameterError(f"an exponential prior of scale {self.scale} is not possible")

    def log_density(self, x: Array) -> Array:
        return np.where(x >= 0, -x / self.scale - math.log(self.scale), -np.inf)

    def slope(self, x: Array) -> tuple[Array, Array]:
        return np.full_like(x, -1.0 / self.scale), np.zeros_like(x)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        low = max(lo, 0.0)
        share = -math.expm1(-(hi - low) / self.scale)
        return low - self.scale * np.log1p(-np.asarray(probability) * share)

    def check(self, name: str, lo: float, hi: float) -> None:
        if hi <= 0:
            raise ParameterError(f"{name} is never positive (limits {lo:g} to {hi:g}), its exponential prior always")


@dataclass(frozen=True)
class Jeffreys(Prior):
    """Density 1/x for positive values without a normalisation, Jeffreys' prior of a scale."""

    kind: ClassVar[str] = "jeffreys"

    def log_density(self, x: Array) -> Array:
        return np.where(x > 0, -np.log(np.where(x > 0, x, 1.0)), -np.inf)

    def slope(self, x: Array) -> tuple[Array, Array]:
        return -1.0 / x, np.zeros_like(x)

    def quantile(self, probability: Array, lo: float, hi: float) -> Array:
        if not lo > 0 or not math.isfinite(hi):
            raise ParameterError(
                f"Jeffreys' prior cannot be normalised between {lo:g} and {hi:g}",
                cure="Use LogUniform(lo, hi), or give the parameter a positive lower limit.",
            )
        return lo * (hi / lo) ** np.asarray(probability)

    def check(self, name: str, lo: float, hi: float) -> None:
        if hi <= 0:
            raise ParameterError(f"{name} is never positive (limits {lo:g} to {hi:g}), Jeffreys' prior always")


_KINDS: dict[str, type[Any]] = {c.kind: c for c in (Flat, Uniform, LogUniform, Gaussian, Exponential, Jeffreys)}
_XSPEC: dict[str, tuple[type[Any], int]] = {
    "cons": (Flat, 0),
    "gauss": (Gaussian, 2),
    "exp": (Exponential, 1),
    "jeffreys": (Jeffreys, 0),
}


def make_prior(given: Prior | str | Mapping[str, Any] | None) -> Prior:
    """A prior from XSPEC's words (``"gauss 1.9 0.02"``), from a record of `Prior.to_dict`, or as it is.

    Raises
    ------
    ParameterError
        If the text is not understood or numbers are missing.
    """
    if given is None:
        return Flat()
    if isinstance(given, Prior):
        return given
    if isinstance(given, Mapping):
        values = dict(given)
        kind = _KINDS.get(str(values.pop("kind", "")))
        if kind is None:
            raise ParameterError(f"unknown kind of prior in {dict(given)!r}", cure=f"Known are {', '.join(_KINDS)}.")
        return kind(**values)
    words = str(given).replace(",", " ").split()
    found = [k for k in _XSPEC if words and k.startswith(words[0].lower())]
    if len(found) != 1:
        raise ParameterError(f"prior {given!r} is not understood", cure=f"XSPEC knows {', '.join(_XSPEC)}.")
    kind, count = _XSPEC[found[0]]
    try:
        numbers = [float(w) for w in words[1:]]
    except ValueError:
        raise ParameterError(f"prior {given!r} holds something that is no number") from None
    if len(numbers) < count:
        raise ParameterError(f"prior {given!r} needs {count} numbers", cure="For example 'gauss 1.9 0.02'.")
    return kind(*numbers[:count])
