"""Gamma-ray bursts and synchrotron radiation."""

from __future__ import annotations

import numpy as np

from wolter.models.components.quadrature import power_integral
from wolter.models.definitions import Array, Context, par
from wolter.models.registry import component

_PIVOT = 100.0  # keV


@component(
    "grbm",
    "add",
    [
        par("alpha", "", -1.0, -10.0, -3.0, 2.0, 5.0, 0.01),
        par("beta", "", -2.0, -10.0, -5.0, 2.0, 10.0, 0.01),
        par("tem", "keV", 300.0, 10.0, 50.0, 1000.0, 10000.0, 10.0),
    ],
)
def grbm(edges: Array, pars: Array, ctx: Context) -> Array:
    """Gamma-ray burst of Band et al. (1993, ApJ 413, 281); norm at 100 keV, tem is the e-folding energy.

    (E/100)^alpha exp(-E/tem) up to (alpha - beta) tem and a power law of index beta above; as in XSPEC the trapezoidal
    rule below the break and in the bin that contains it, the analytic integral above.
    """
    alpha, beta, tem = (pars[:, i : i + 1] for i in range(3))
    spread = np.maximum(alpha - beta, 1.0 / tem)
    turn = spread * tem
    log_e = np.log(edges / _PIVOT)
    level = spread * (np.log(turn / _PIVOT) - 1.0)
    curved = alpha * log_e - edges / tem
    straight = level + beta * log_e
    values = np.exp(np.where(edges <= turn, curved, straight))
    below = 0.5 * (values[:, :-1] + values[:, 1:]) * np.diff(edges)
    above = np.exp(level) * _PIVOT * power_integral(edges / _PIVOT, -pars[:, 1])
    return np.where(edges[:-1] > turn, above, below)


# Factor by which the radiation of electrons with an exponential cut-off falls below the power law of the radio, as
# log10 at log10(frequency/break) from -4.0 by 0.1; S. Reynolds's table as XSPEC's srcut uses it (Reynolds & Keohane
# 1999, ApJ 525, 368). The synchrotron integral for electrons of index 2.1 gives the same to 0.2 %.
_CUT_FIRST, _CUT_STEP = -4.0, 0.1
_CUT = -np.array(
    """
    0.0 .001106 .002339 .003715 .005248 .006956 .008859 .01098 .01333 .01595 .01886 .02209 .02567 .02965 .03406 .03894
    .04435 .05033 .05695 .06426 .07234 .08126 .09109 .1019 .1139 .1270 .1415 .1574 .1749 .1941 .2152 .2383 .2636 .2914
    .3217 .3550 .3913 .4309 .4742 .5215 .5730 .6292 .6904 .7570 .8295 .9084 .9942 1.087 1.189 1.299 1.418 1.548 1.689
    1.841 2.007 2.186 2.381 2.591 2.820 3.067 3.335 3.625 3.940 4.280 4.649 5.048 5.480 5.947 6.453 7.000 7.591 8.230
    8.922 9.670 10.48 11.35 12.30 13.32 14.42 15.61
    """.split(),  # noqa: SIM905
    dtype=float,
)
_HZ_PER_KEV = 2.417988366e17
# Photons/cm²/s of 1 Jy per unit of ln(frequency): 1e-23 erg/cm² over Planck's constant.
_PHOTONS_PER_JANSKY = 1509.188961


@component(
    "srcut",
    "add",
    [
        par("alpha", "", 0.5, 1e-5, 0.3, 0.8, 1.0, 0.05),
        par("break", "Hz", 2.42e17, 1e10, 1e15, 1e19, 1e25, 1e10),
    ],
)
def srcut(edges: Array, pars: Array, ctx: Context) -> Array:
    """Synchrotron radiation of electrons with an exponential cut-off; norm is the 1 GHz flux in Jy.

    alpha is the radio spectral index (Reynolds 1998, ApJ 493, 375; Reynolds & Keohane 1999).
    """
    alpha, turn = pars[:, 0], pars[:, 1:2]
    radio = _PHOTONS_PER_JANSKY * np.exp(-alpha * np.log(1e-9 * _HZ_PER_KEV))
    position = (np.log10(0.5 * (edges[1:] + edges[:-1]) * (_HZ_PER_KEV / turn)) - _CUT_FIRST) / _CUT_STEP
    log_cut = np.interp(position, np.arange(len(_CUT)), _CUT)
    cut = np.where(position > len(_CUT) - 1, 0.0, 10.0**log_cut)
    return radio[:, None] * cut * power_integral(edges, alpha + 1.0)
