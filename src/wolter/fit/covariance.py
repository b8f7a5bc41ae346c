"""Covariance of the free parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["covariance_of"]

Array = npt.NDArray[np.float64]


def covariance_of(alpha: Array, names: Sequence[str]) -> tuple[Array | None, list[str]]:
    """Covariance [K, K] from half the second derivatives of the statistic, and what is wrong with it.

    Parameters without influence (zero diagonal) have variance zero here, which the caller takes as unknown.
    """
    size = len(alpha)
    diagonal = np.diag(alpha)
    use = np.flatnonzero(np.isfinite(diagonal) & (diagonal > 0))
    messages = [f"{names[k]} has no influence on the statistic; it has no error" for k in set(range(size)) - set(use)]
    if not use.size:
        return None, messages
    root = np.sqrt(diagonal[use])
    scaled = alpha[np.ix_(use, use)] / np.outer(root, root)
    values, vectors = np.linalg.eigh(scaled)
    if not values[0] > 1e-13 * values[-1]:
        pair = np.argsort(-np.abs(vectors[:, 0]))[:2]
        listed = " and ".join(names[int(use[i])] for i in sorted(pair.tolist()))
        messages.append(
            f"the covariance matrix is singular: {listed} cannot be told apart by these data; there are no errors"
        )
        return None, messages
    out = np.zeros((size, size))
    out[np.ix_(use, use)] = (vectors / values) @ vectors.T / np.outer(root, root)
    return out, messages
