"""Luminosity of the model in a range of rest-frame energies."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.errors import ParameterError
from wolter.fit.flux import model_fluxes
from wolter.fit.selection import model_part
from wolter.models.cosmology import luminosity_factor
from wolter.units import to_range_kev

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["Luminosity", "luminosity"]

_CM_PER_MPC = 3.0856775814913673e24  # IAU 2015 resolution B2


@dataclass(frozen=True)
class Luminosity:
    """Luminosity of the model of a data group.

    Attributes
    ----------
    group : int
        Data group.
    lo, hi : float
        Rest-frame energies in keV.
    redshift : float
        Of the source.
    value, error : float
        erg/s and one sigma (NaN without a covariance).
    interval : tuple of float or None
        Bounds at `level`.
    level : float or None
        Confidence of the interval.
    distance : float
        Luminosity distance used, Mpc.
    cosmology : str
        Where the distance comes from.
    """

    group: int
    lo: float
    hi: float
    redshift: float
    value: float
    error: float
    interval: tuple[float, float] | None
    level: float | None
    distance: float
    cosmology: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record."""
        out = asdict(self)
        if not np.isfinite(self.error):
            out["error"] = None
        return out


def luminosity(
    fit: Fit,
    lo: Any,
    hi: Any,
    redshift: float,
    *,
    cosmology: Any = None,
    without: str | tuple[str, ...] | None = None,
    only: str | tuple[str, ...] | None = None,
    level: float | None = None,
    draws: int = 0,
    seed: int | None = None,
) -> list[Luminosity]:
    """Luminosity of the model between two rest-frame energies, one entry per data group.

    The energy flux between ``lo / (1 + z)`` and ``hi / (1 + z)`` times 4 pi times the square of the luminosity
    distance, as XSPEC's calcLumin: no K correction is needed because the band is that of the source.

    Parameters
    ----------
    fit : Fit
        The fit.
    lo, hi : Quantity
        Energies in the rest frame; clipped to those of the response.
    redshift : float
        Larger than zero.
    cosmology : astropy cosmology, optional
        Anything with ``luminosity_distance(z)``. By default XSPEC's distance with ``cosmo`` of the model's settings.
    without, only : str or tuple of str, optional
        Part of the model, see `wolter.fit.selection.model_part`; ``without="TBabs"`` is what leaves the source.
    level : float, optional
        Confidence of the intervals.
    draws : int
        Parameter sets drawn from the covariance for errors; 0 means Gaussian propagation.
    seed : int, optional
        Of the draws.

    Raises
    ------
    ParameterError
        For a redshift that is not positive.
    UnitError
        For energies without units.
    """
    if not redshift > 0:
        raise ParameterError(f"redshift {redshift} has no luminosity distance", cure="Give a positive redshift.")
    low, high = to_range_kev((lo, hi))
    factor, distance, name = _distance(fit, float(redshift), cosmology)
    stretch = 1.0 + redshift
    part = model_part(fit.model, without=without, only=only) if without or only else getattr(fit, "source_part", None)
    fluxes = model_fluxes(
        fit.dataset,
        fit.table,
        low / stretch,
        high / stretch,
        fit.covariance,
        level=level,
        draws=draws,
        seed=seed,
        part=part,
    )
    return [
        Luminosity(
            group=f.group,
            lo=f.lo * stretch,
            hi=f.hi * stretch,
            redshift=float(redshift),
            value=f.energy * factor,
            error=f.energy_error * factor,
            interval=None
            if f.energy_interval is None
            else (f.energy_interval[0] * factor, f.energy_interval[1] * factor),
            level=level,
            distance=distance,
            cosmology=name,
        )
        for f in fluxes
    ]


def _distance(fit: Fit, redshift: float, cosmology: Any) -> tuple[float, float, str]:
    """4 pi D² in cm², D in Mpc, and a name."""
    if cosmology is None:
        cosmo = fit.model.settings.cosmo
        factor = float(luminosity_factor(np.array([redshift]), cosmo)[0])
        name = f"H0={cosmo[0]:g} q0={cosmo[1]:g} Lambda0={cosmo[2]:g}"
        return factor, float(np.sqrt(factor / (4 * np.pi)) / _CM_PER_MPC), name
    distance = float(cosmology.luminosity_distance(redshift).to_value("Mpc"))
    return 4 * np.pi * (distance * _CM_PER_MPC) ** 2, distance, str(getattr(cosmology, "name", None) or cosmology)
