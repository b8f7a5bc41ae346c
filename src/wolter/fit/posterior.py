"""The statistic with the contributions of priors, ``S - 2 sum(ln p)``: what is minimised with "bayes on"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wolter.fit.likelihood import Derivatives, Likelihood, ModelSet
from wolter.fit.priors import Prior
from wolter.fit.table import FreeParameters

__all__ = ["PosteriorLikelihood", "log_prior"]

Array = npt.NDArray[np.float64]


def log_prior(priors: Mapping[int, Prior], free: FreeParameters, points: Array) -> Array:
    """Logarithm [B] of the product of the priors of the free parameters at points [B, K].

    Parameters
    ----------
    priors : mapping
        By position among all parameters; parameters without an entry add nothing.
    free : FreeParameters
        The free parameters.
    points : array [B, K]
        Their values.
    """
    out = np.zeros(len(points))
    for k, position in enumerate(free.positions.tolist()):
        if position in priors:
            out = out + priors[position].log_density(points[:, k])
    return out


class PosteriorLikelihood(Likelihood):
    """Likelihood with priors.

    Parameters
    ----------
    models : ModelSet
        The model on the grids of the dataset.
    free : FreeParameters
        The free parameters.
    priors : mapping
        By position among all parameters.
    """

    def __init__(self, models: ModelSet, free: FreeParameters, priors: Mapping[int, Prior]) -> None:
        super().__init__(models, free)
        self.priors = dict(priors)

    def statistic(self, points: Array) -> Array:
        return super().statistic(points) - 2.0 * log_prior(self.priors, self.free, points)

    def derivatives(
        self,
        points: Array,
        *,
        active: Sequence[int] | None = None,
        scheme: str = "forward",
        expected: bool = True,
    ) -> Derivatives:
        out = super().derivatives(points, active=active, scheme=scheme, expected=expected)
        out.statistic[:] -= 2.0 * log_prior(self.priors, self.free, points)
        kept = range(points.shape[1]) if active is None else active
        with np.errstate(divide="ignore", invalid="ignore"):
            for k in kept:
                prior = self.priors.get(int(self.free.positions[k]))
                if prior is not None:
                    slope, curvature = prior.slope(points[:, k])
                    out.beta[:, k] += slope
                    out.alpha[:, k, k] += curvature
        return out
