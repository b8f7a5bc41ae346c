"""Polarisation angle and fraction against energy from folded Stokes spectra, as XSPEC's polangle and polfrac."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit.dataset import FitSpectrum

__all__ = ["PolarisationSpectrum", "joined_edges", "make_polarisation", "polarisation_of"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PolarisationSpectrum:
    """Polarisation in energy bins; arrays [n].

    Attributes
    ----------
    energy, energy_err : array
        Middle and half-width of the bins, keV.
    angle, angle_err, model_angle : array
        Degrees; kept within 90 degrees of their mean.
    fraction, fraction_err, model_fraction : array
        Polarisation fraction.
    i, q, u, i_err, q_err, u_err : array
        Rates in counts/s and their errors.
    groups : tuple of int
        Data groups that were added.
    """

    energy: Array
    energy_err: Array
    angle: Array
    angle_err: Array
    model_angle: Array
    fraction: Array
    fraction_err: Array
    model_fraction: Array
    i: Array
    q: Array
    u: Array
    i_err: Array
    q_err: Array
    u_err: Array
    groups: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready columns."""
        names = [n for n in self.__dataclass_fields__ if n != "groups"]
        return {n: getattr(self, n).tolist() for n in names} | {"groups": list(self.groups)}


def polarisation_of(
    i: Array, q: Array, u: Array, i_var: Array, q_var: Array, u_var: Array, area_ratio: Array
) -> tuple[Array, Array, Array, Array]:
    """Angle and fraction with errors.

    Parameters
    ----------
    i, q, u : array
        Stokes rates, as folded.
    i_var, q_var, u_var : array
        Their variances.
    area_ratio : array
        Effective area of the I spectrum over that of Q and U (which contains the modulation factor).

    Returns
    -------
    angle, angle_err : array
        ``1/2 atan2(U, Q)`` in degrees and ``90/pi sqrt(Q^2 var_U + U^2 var_Q) / (Q^2 + U^2)``.
    fraction, fraction_err : array
        ``sqrt(Q^2 + U^2)/I`` times the ratio of the areas; errors propagated to first order.
    """
    power = q * q + u * u
    with np.errstate(divide="ignore", invalid="ignore"):
        angle = 0.5 * np.degrees(np.arctan2(u, q))
        angle_err = (90.0 / np.pi) * np.sqrt(q * q * u_var + u * u * q_var) / power
        fraction = np.sqrt(power) / i * area_ratio
        relative = (q * q * q_var + u * u * u_var) / (power * power) + i_var / (i * i)
        fraction_err = np.abs(fraction) * np.sqrt(relative)
    return angle, angle_err, fraction, fraction_err


def make_polarisation(
    entries: Sequence[FitSpectrum], models: Sequence[Array], edges: Array | None = None
) -> PolarisationSpectrum:
    """Polarisation spectrum of one or several I, Q, U triplets.

    Parameters
    ----------
    entries : sequence of FitSpectrum
        Spectra with the same bins; those of each Stokes parameter are added.
    models : sequence of array
        Folded model of each.
    edges : array [n + 1], optional
        keV; bins of the spectra are put together into these, a bin belonging to where its middle is.

    Raises
    ------
    FitError
        If there are not as many Q and U as I spectra, or their bins differ.
    """
    by_stokes: dict[int, list[tuple[FitSpectrum, Array]]] = {0: [], 1: [], 2: []}
    for entry, model in zip(entries, models, strict=True):
        if entry.spectrum.stokes in by_stokes:
            by_stokes[entry.spectrum.stokes].append((entry, model))
    counts = [len(by_stokes[s]) for s in (0, 1, 2)]
    if counts[0] == 0 or len(set(counts)) != 1:
        raise FitError(
            f"polarisation needs triplets of Stokes spectra; there are {counts[0]} I, {counts[1]} Q, {counts[2]} U"
        )
    first = by_stokes[0][0][0]
    lo, hi = first.plan.bin_lo, first.plan.bin_hi
    for entry in entries:
        if len(entry.plan.bin_lo) != len(lo) or not np.allclose(entry.plan.bin_lo, lo):
            raise FitError("I, Q and U spectra have different bins", cure="Group and notice them in the same way.")
    cuts = _cuts(lo, hi, edges)

    def summed(values: Array) -> Array:
        return np.add.reduceat(values, cuts[0])[cuts[1]]

    rates, variances, folded, areas = {}, {}, {}, {}
    for s, members in by_stokes.items():
        rates[s] = summed(np.sum([e.binned.net * e.area for e, _ in members], axis=0))
        variances[s] = summed(np.sum([e.binned.net_variance * e.area**2 for e, _ in members], axis=0))
        folded[s] = summed(np.sum([m * e.area for e, m in members], axis=0))
        # XSPEC takes the areas of the last triplet
        plan = members[-1][0].plan
        areas[s] = summed(plan.effective_area() * np.abs(plan.bin_hi - plan.bin_lo))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = areas[0] / areas[1]
    angle, angle_err, fraction, fraction_err = polarisation_of(
        rates[0], rates[1], rates[2], variances[0], variances[1], variances[2], ratio
    )
    zero = np.zeros_like(ratio)
    model_angle, _, model_fraction, _ = polarisation_of(folded[0], folded[1], folded[2], zero, zero, zero, ratio)
    bottom, top = np.minimum.reduceat(lo, cuts[0])[cuts[1]], np.maximum.reduceat(hi, cuts[0])[cuts[1]]
    return PolarisationSpectrum(
        energy=0.5 * (bottom + top),
        energy_err=0.5 * (top - bottom),
        angle=_near_mean(angle, rates[1], rates[2]),
        angle_err=angle_err,
        model_angle=_near_mean(model_angle, rates[1], rates[2]),
        fraction=fraction,
        fraction_err=fraction_err,
        model_fraction=model_fraction,
        i=rates[0],
        q=rates[1],
        u=rates[2],
        i_err=np.sqrt(variances[0]),
        q_err=np.sqrt(variances[1]),
        u_err=np.sqrt(variances[2]),
        groups=tuple(sorted({e.group for e in entries})),
    )


def joined_edges(whole: PolarisationSpectrum, min_sigma: float, max_bins: int) -> Array:
    """Edges of bins in which the polarisation is significant, for `make_polarisation`.

    Parameters
    ----------
    whole : PolarisationSpectrum
        With its finest bins.
    min_sigma : float
        Adjoining bins are joined until ``sqrt(Q^2 + U^2)`` is as many of its own errors ...
    max_bins : int
        ... or so many are together.

    Returns
    -------
    array
        keV, ascending.
    """
    energies = whole.energy - whole.energy_err
    edges = [float(energies[0])]
    q = u = q_var = u_var = 0.0
    count = 0
    for n in range(len(energies)):
        q, u = q + whole.q[n], u + whole.u[n]
        q_var, u_var = q_var + whole.q_err[n] ** 2, u_var + whole.u_err[n] ** 2
        count += 1
        power = q * q + u * u
        if power * power >= min_sigma**2 * (q * q * q_var + u * u * u_var) > 0 or count >= max_bins:
            edges.append(float(whole.energy[n] + whole.energy_err[n]))
            q = u = q_var = u_var = 0.0
            count = 0
    if count:
        edges.append(float(whole.energy[-1] + whole.energy_err[-1]))
    return np.array(edges)


def _cuts(lo: Array, hi: Array, edges: Array | None) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Where to cut the bins for `reduceat`, and which of the pieces are wanted."""
    if edges is None:
        every = np.arange(len(lo))
        return every, every
    place = np.searchsorted(edges, 0.5 * (lo + hi), side="right") - 1
    begins = np.flatnonzero(np.diff(place, prepend=-2))
    wanted = np.flatnonzero((place[begins] >= 0) & (place[begins] < len(edges) - 1))
    if not wanted.size:
        raise FitError("no bin of the spectra lies within the energy bins asked for")
    return begins, wanted


def _near_mean(angle: Array, q: Array, u: Array) -> Array:
    """Angles moved by half turns to within 90 degrees of the angle of all bins together."""
    mean = 0.5 * np.degrees(np.arctan2(np.nansum(u), np.nansum(q)))
    return angle - 180.0 * np.round((angle - mean) / 180.0)
