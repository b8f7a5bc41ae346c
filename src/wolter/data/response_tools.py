"""Responses made from nothing or from others: dummy, diagonal, on other energies, with another gain.

They follow XSPEC's commands dummyrsp, diagrsp, energies and gain, as its manual describes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.data.arf import ARF
from wolter.data.matrix import CompressedMatrix
from wolter.data.rmf import RMF
from wolter.errors import ResponseError

__all__ = [
    "diagonal_response",
    "dummy_response",
    "energy_grid",
    "overlap",
    "response_on_energies",
    "sensitivity",
    "shift_gain",
]

Array = NDArray[np.float64]


def energy_grid(lo: float, hi: float, number: int, spacing: str = "log") -> Array:
    """Edges [number + 1] of energy bins, keV, equal in energy ("lin") or in its logarithm ("log").

    Raises
    ------
    ResponseError
        If the range or the number of bins is impossible.
    """
    if spacing not in ("lin", "log"):
        raise ResponseError(f"energy bins are 'lin' or 'log', not {spacing!r}")
    if not lo < hi or number < 1 or lo < 0 or (spacing == "log" and lo <= 0):
        raise ResponseError(
            f"{lo:g} to {hi:g} keV in {number} {spacing} bins is no energy grid",
            cure="Give 0 <= lo < hi (0 < lo for log) and one bin at least.",
        )
    return np.geomspace(lo, hi, number + 1) if spacing == "log" else np.linspace(lo, hi, number + 1)


def overlap(edges: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> Array:
    """Share [n, m] of each of n adjoining bins (n + 1 edges) that lies in each of m ranges."""
    e, low, high = (np.asarray(v, dtype=float) for v in (edges, lo, hi))
    inside = np.minimum(e[1:, None], high[None]) - np.maximum(e[:-1, None], low[None])
    return np.clip(inside, 0.0, None) / np.diff(e)[:, None]


def _channels(offset: float, width: float, number: int) -> tuple[Array, Array]:
    bounds: Array = np.asarray(offset + width * np.arange(number + 1), dtype=np.float64)
    return bounds[:-1], bounds[1:]


def dummy_response(
    channels: int,
    *,
    lo: float = 0.1,
    hi: float = 50.0,
    number: int = 5000,
    spacing: str = "log",
    offset: float = 0.0,
    width: float = 0.0,
    first_channel: int = 1,
) -> RMF:
    """Perfect detector of an area of one cm²: every photon is recorded, in the channel of its energy.

    Parameters
    ----------
    channels : int
        Number of channels.
    lo, hi, number, spacing
        Energy bins, see `energy_grid`.
    offset, width : float
        Lower bound of the first channel and width of all, keV. With a width of zero the channels are as many equal
        parts of the energy range (in the logarithm for logarithmic bins).
    first_channel : int
        Number of the first channel.
    """
    edges = energy_grid(lo, hi, number, spacing)
    if width > 0:
        e_min, e_max = _channels(offset, width, channels)
    else:
        bounds = energy_grid(lo, hi, channels, spacing)
        e_min, e_max = bounds[:-1], bounds[1:]
    matrix = overlap(edges, e_min, e_max)
    return RMF.from_dense(
        matrix,
        energ_lo=edges[:-1],
        energ_hi=edges[1:],
        e_min=e_min,
        e_max=e_max,
        first_channel=first_channel,
        includes_area=True,
    )


def diagonal_response(rmf: RMF, arf: ARF | None = None) -> RMF:
    """A detector with the area of another one, but of perfect resolution.

    Energies, channels and the area (of the ARF and of the rows of the matrix) stay; each photon is recorded in
    the channels that its energy bin overlaps.
    """
    area = rmf.row_sums() * (1.0 if arf is None else arf.specresp)
    matrix = overlap(rmf.edges, rmf.e_min, rmf.e_max) * area[:, None]
    return _like(rmf, matrix, rmf.edges)


def _like(rmf: RMF, matrix: Array, edges: Array) -> RMF:
    return RMF(
        edges[:-1],
        edges[1:],
        rmf.e_min,
        rmf.e_max,
        CompressedMatrix.from_dense(matrix),
        first_channel=rmf.first_channel,
        header=rmf.header,
        includes_area=True,
        path=rmf.path,
    )


def response_on_energies(rmf: RMF, arf: ARF | None, edges: ArrayLike) -> RMF:
    """The same response for models that are evaluated on other energies.

    The photons of each new bin are spread evenly over it and then go through the old response, so that folding a model
    given on the new bins is folding what XSPEC's command "energies" rebins. Photons outside the old energies are not
    recorded.

    Parameters
    ----------
    rmf, arf
        The response; the area becomes part of the matrix.
    edges : float[n + 1]
        keV, ascending.

    Raises
    ------
    ResponseError
        If the edges do not ascend, or nothing of the response is left.
    """
    new = np.asarray(edges, dtype=float)
    if new.ndim != 1 or len(new) < 2 or not (np.diff(new) > 0).all():
        raise ResponseError("energies do not ascend", cure="Give lower bounds and the last upper bound in keV.")
    old = rmf.edges
    matrix = rmf.dense()
    if arf is not None:
        matrix = matrix * arf.specresp[:, None]
    first = np.clip(np.searchsorted(old, new[:-1], side="right") - 1, 0, len(old) - 2)
    last = np.clip(np.searchsorted(old, new[1:], side="left") - 1, 0, len(old) - 2)
    # sum over the old bins of share * row: whole bins by running sums, the two cut ones by their share
    width = np.diff(old)
    running = np.concatenate([np.zeros((1, matrix.shape[1])), np.cumsum(matrix * width[:, None], axis=0)])

    def integral(x: Array, place: NDArray[np.intp]) -> Array:
        inside = np.clip(x, old[0], old[-1]) - old[place]
        return running[place] + matrix[place] * inside[:, None]

    out = (integral(new[1:], last) - integral(new[:-1], first)) / np.diff(new)[:, None]
    out = np.where(out > 1e-14 * max(float(matrix.max(initial=0.0)), 1e-300), out, 0.0)
    if not out.any():
        raise ResponseError("the energies do not overlap with the response", cure="Cover the range of the response.")
    return _like(rmf, out, new)


def shift_gain(rmf: RMF, arf: ARF | None, slope: float = 1.0, offset: float = 0.0) -> tuple[RMF, ARF | None]:
    """A response whose energy scale is changed: ``E' = E / slope - offset`` (XSPEC's command "gain").

    The energies on which the matrix is defined move, those of the photons and of the channels. The effective area stays
    where it is in energy: each moved bin has the mean area of what it covers now (that of the first or last bin
    beyond the ends). Without an ARF, or with a matrix that contains the area, the sums of the rows count as area.

    Parameters
    ----------
    rmf, arf
        The response.
    slope : float
        Pure number, positive.
    offset : float
        keV.

    Raises
    ------
    ResponseError
        If energies would not be positive and ascending.
    """
    if not slope > 0:
        raise ResponseError(f"a gain slope of {slope} is not positive", cure="A slope near one is meant.")
    if slope == 1.0 and offset == 0.0:
        return rmf, arf
    edges = rmf.edges / slope - offset
    if edges[-1] <= 0:
        raise ResponseError(f"gain {slope:g}, {offset:g} keV leaves no positive energies")
    tiny = np.finfo(np.float32).tiny
    edges = np.maximum.accumulate(np.maximum(edges, tiny * np.arange(1, len(edges) + 1)))
    area = rmf.row_sums() if arf is None else arf.specresp
    moved = _mean(rmf.edges, area, edges)
    matrix = rmf.matrix
    new_arf = arf
    if arf is not None:
        new_arf = ARF(edges[:-1], edges[1:], moved, kind=arf.kind, header=arf.header)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(area > 0, moved / area, 0.0)
        new_arf = ARF(edges[:-1], edges[1:], factor, kind="SPECRESP")
    new = RMF(
        edges[:-1],
        edges[1:],
        rmf.e_min / slope - offset,
        rmf.e_max / slope - offset,
        matrix,
        first_channel=rmf.first_channel,
        header=rmf.header,
        includes_area=rmf.includes_area,
        path=rmf.path,
    )
    return new, new_arf


def _mean(edges: Array, values: Array, wanted: Array) -> Array:
    """Mean [m] over the bins `wanted` of what is constant within bins, and beyond the ends."""
    total = np.concatenate([[0.0], np.cumsum(values * np.diff(edges))])

    def integral(x: Array) -> Array:
        low, high = np.minimum(x - edges[0], 0.0), np.maximum(x - edges[-1], 0.0)
        return np.interp(x, edges, total) + low * values[0] + high * values[-1]

    width = np.diff(wanted)
    return np.where(width > 0, np.diff(integral(wanted)) / np.where(width > 0, width, 1.0), 0.0)


def sensitivity(rmf: RMF, arf: ARF | None, variance: ArrayLike) -> Array:
    """How well a spectrum tells changes of the incident one: ``sum_i (A(E) R(E, i))^2 / var_i`` for each energy bin.

    XSPEC's "plot sensitivity", except that channels without a variance are left out (XSPEC divides by zero).

    Parameters
    ----------
    rmf, arf
        The response.
    variance : float[nch]
        Variance of the rate of each channel; zero or NaN for channels that do not count.
    """
    var = np.asarray(variance, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(var > 0, 1.0 / var, 0.0)
    matrix = rmf.matrix
    rows = np.asarray(matrix.rows() if callable(matrix.rows) else matrix.rows)
    square = matrix.values.astype(np.float64) ** 2 * weight[matrix.indices()]
    out: Array = np.bincount(rows, weights=square, minlength=rmf.n_energies).astype(np.float64)
    return out if arf is None else out * arf.specresp**2
