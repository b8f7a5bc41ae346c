"""Principal axes of the statistic at its minimum, in the order and with the signs in which XSPEC prints them.

XSPEC takes them from a singular value decomposition of the curvature matrix by the method of Golub and Reinsch (1970,
Numerische Mathematik 14, 403). Eigenvectors have no order and no sign of their own; those of that method are what
people know from their logs, so the same method is used here and not a symmetric eigenvalue routine.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["principal_axes"]

Array = npt.NDArray[np.float64]
_SWEEPS = 100
_TINY = float(np.finfo(float).tiny / np.finfo(float).eps)


def principal_axes(curvature: Array) -> tuple[Array, Array]:
    """Variances along the principal axes, and the axes.

    Parameters
    ----------
    curvature : array [K, K]
        Half the second derivatives of the statistic.

    Returns
    -------
    variances : array [K]
        Inverse singular values; infinite where the curvature vanishes.
    axes : array [K, K]
        A column for each.
    """
    matrix = np.array(curvature, dtype=float)
    diagonal, above, vectors = _bidiagonal(matrix)
    scale = float(np.max(np.abs(diagonal) + np.abs(above), initial=0.0))
    values = diagonal.copy()
    for k in range(len(values) - 1, -1, -1):
        _diagonalise(values, above, vectors, k, np.finfo(float).eps * scale)
    with np.errstate(divide="ignore"):
        return 1.0 / values, vectors


def _reflector(vector: Array) -> tuple[float, float]:
    """New first element, and the divisor of a Householder reflection that keeps only it; `vector` is changed."""
    square = float(vector @ vector)
    if square < _TINY:
        return 0.0, 0.0
    first = float(vector[0])
    new = -np.sqrt(square) if first >= 0 else np.sqrt(square)
    vector[0] = first - new
    return float(new), first * new - square


def _bidiagonal(matrix: Array) -> tuple[Array, Array, Array]:
    """Diagonal, superdiagonal (from index 1) and right transformations of the bidiagonal form; `matrix` is used up."""
    n = len(matrix)
    diagonal, above = np.zeros(n), np.zeros(n)
    for i in range(n):
        column = matrix[i:, i]
        diagonal[i], divisor = _reflector(column)
        if divisor:
            rest = matrix[i:, i + 1 :]
            rest += np.outer(column, (column @ rest) / divisor)
        if i + 1 < n:
            row = matrix[i, i + 1 :]
            above[i + 1], divisor = _reflector(row)
            if divisor:
                rest = matrix[i + 1 :, i + 1 :]
                rest += np.outer((rest @ row) / divisor, row)
    vectors = np.eye(n)
    for i in range(n - 2, -1, -1):
        if above[i + 1]:
            row, block = matrix[i, i + 1 :], vectors[i + 1 :, i + 1 :]
            block += np.outer(row / (row[0] * above[i + 1]), row @ block)
    return diagonal, above, vectors


def _diagonalise(values: Array, above: Array, vectors: Array, k: int, small: float) -> None:
    """Make the element above diagonal element `k` vanish by shifted QR steps; the singular value is not negative."""
    for _ in range(_SWEEPS):
        start = k
        while start > 0 and abs(above[start]) > small:
            if abs(values[start - 1]) <= small:
                _cancel(values, above, start, k, small)
                break
            start -= 1
        if start == k:
            break
        _step(values, above, vectors, start, k)
    if values[k] < 0:
        values[k] = -values[k]
        vectors[:, k] *= -1.0


def _cancel(values: Array, above: Array, start: int, k: int, small: float) -> None:
    """Rotate `above[start]` away where the singular value before it is zero."""
    cosine, sine = 0.0, 1.0
    for i in range(start, k + 1):
        f = sine * above[i]
        above[i] *= cosine
        if abs(f) <= small:
            return
        g = values[i]
        values[i] = h = np.hypot(f, g)
        cosine, sine = g / h, -f / h


def _step(values: Array, above: Array, vectors: Array, start: int, k: int) -> None:
    """One QR step from `start` to `k` with the shift of the lower corner."""
    x, y, g, h, z = values[start], values[k - 1], above[k - 1], above[k], values[k]
    f = ((y - z) * (y + z) + (g - h) * (g + h)) / (2.0 * h * y)
    root = np.hypot(f, 1.0)
    f = ((x - z) * (x + z) + h * (y / (f + (root if f >= 0 else -root)) - h)) / x
    cosine = sine = 1.0
    for i in range(start + 1, k + 1):
        g, y = above[i], values[i]
        h, g = sine * g, cosine * g
        above[i - 1] = z = np.hypot(f, h)
        cosine, sine = f / z, h / z
        f, g = x * cosine + g * sine, g * cosine - x * sine
        h, y = y * sine, y * cosine
        left, right = vectors[:, i - 1].copy(), vectors[:, i].copy()
        vectors[:, i - 1], vectors[:, i] = left * cosine + right * sine, right * cosine - left * sine
        values[i - 1] = z = np.hypot(f, h)
        if z:
            cosine, sine = f / z, h / z
        f, x = cosine * g + sine * y, cosine * y - sine * g
    above[start], above[k], values[k] = 0.0, f, x
