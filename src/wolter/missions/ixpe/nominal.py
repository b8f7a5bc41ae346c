"""Nominal responses of IXPE, computed from published design figures: for simulations and tests, not for science.

Every number below is a published figure of the instrument or a tabulated attenuation coefficient, but for the mirror
area above 6 keV, which is only of the size of that in the public simulation responses. The nominal area differs from
calibrated ones by tens of per cent at 2 keV (contamination of the window is not modelled). All headers say NOMINAL.
Use the mission's calibration files for measurements.

Effective area of one telescope = mirror module x ultraviolet filter x entrance window x absorption in the gas:

- mirror module: 163 cm2 at 2.3 keV and about 192 cm2 from 3 to 6 keV, falling through the iridium reflectivity cut-off
  above (Weisskopf et al. 2022, JATIS 8, 026002, mirror-module table and figure; Ramsey et al. 2022, JATIS 8, 024003);
- filter: 1.06 um of Lexan with 50 nm of aluminium; window: 50 um of beryllium with 53 nm of aluminium; gas: 10 mm of
  dimethyl ether at 0.8 bar and 20 C (Soffitta et al. 2021, AJ 162, 208; Baldini et al. 2021, APh 133, 102628);
- mass attenuation coefficients: Hubbell & Seltzer, NIST Standard Reference Database 126.

Energy resolution: 0.57 keV FWHM at 2 keV, proportional to the square root of energy; modulation factor: 0.15 at 2 keV
rising to 0.6 at 8 keV; point-spread function: 27 arcsec half-power diameter (all Weisskopf et al. 2022). Dead time per
event: 1.1 ms (Baldini et al. 2021).

Weights: the ellipticity weights of real events scatter around a mean; the nominal ones follow a beta distribution with
mean 1/2 and <w^2>/<w>^2 = 1.19, the ratio of raw to effective counts of a real bright blazar observation. The
modulation of an event is proportional to its weight, which makes the weighted analysis useful (Di Marco et al. 2022,
AJ 163, 170). From <w> and <w^2> the responses of the three weightings follow: SIMPLE area = A <w>, NEFF area =
A <w>^2/<w^2>, and the weighted modulation factor = mu <w^2>/<w>^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wolter.errors import SimulationError

if TYPE_CHECKING:
    from wolter.data import ARF, RMF

__all__ = [
    "WEIGHT_RATIO",
    "WEIGHT_SHAPE",
    "NominalResponse",
    "effective_area",
    "modulation_factor",
    "nominal_responses",
]

ENERGY_EDGES = np.round(np.arange(276) * 0.04 + 1.0, 10)  # keV, the grid of the mission's response files
CHANNEL_EDGES = np.round(np.arange(376) * 0.04, 10)  # keV
WEIGHT_RATIO = 1.19  # <w^2>/<w>^2
WEIGHT_SHAPE = 0.5 * (0.25 / (0.25 * (WEIGHT_RATIO - 1.0)) - 1.0)  # a = b of the beta distribution with that ratio

# Mirror module, cm2: values at the energies (keV) where the sources quote or draw them.
_MIRROR = np.array(
    [
        (1.0, 170.0),
        (1.5, 180.0),
        (2.0, 180.0),
        (2.3, 163.0),
        (3.0, 192.0),
        (4.0, 192.0),
        (5.0, 192.0),
        (6.0, 192.0),
        (6.5, 175.0),
        (7.0, 140.0),
        (7.5, 100.0),
        (8.0, 65.0),
        (9.0, 45.0),
        (10.0, 30.0),
        (12.0, 10.0),
    ]
)

# Mass attenuation coefficients without an edge in between, cm2/g (NIST SRD 126), at these energies (keV).
_KEV = np.array([1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0])
_ATTENUATION = {
    "H": np.array([7.217, 2.148, 1.059, 0.5612, 0.4546, 0.4193, 0.4042, 0.3914, 0.3854, 0.3764]),
    "Be": np.array([604.1, 179.7, 74.69, 21.27, 8.685, 4.369, 2.527, 1.124, 0.6466, 0.3070]),
    "C": np.array([2211.0, 700.2, 302.6, 90.33, 37.78, 19.12, 10.95, 4.576, 2.373, 0.8071]),
    "O": np.array([4590.0, 1549.0, 694.9, 217.1, 93.15, 47.90, 27.70, 11.63, 5.952, 1.836]),
}
_AL_EDGE = 1.5596  # keV, K edge
_AL_BELOW = (np.array([1.0, 1.5, 1.5596]), np.array([1185.0, 402.2, 362.1]))
_AL_ABOVE = (
    np.array([1.5596, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0]),
    np.array([3957.0, 2263.0, 788.0, 360.5, 193.4, 115.3, 50.33, 26.23, 7.955]),
)

_DME = {"C": 0.5214, "H": 0.1313, "O": 0.3473}  # mass fractions of C2H6O
_LEXAN = {"C": 0.7557, "H": 0.0555, "O": 0.1888}  # mass fractions of C16H14O3
_GAS_COLUMN = 80000.0 * 46.07e-3 / (8.314 * 293.15) * 1e-3 * 1.0  # g/cm2: ideal gas at 0.8 bar, 20 C, 1 cm deep
_WINDOW_COLUMN = 1.848 * 50e-4  # g/cm2 of beryllium
_LEXAN_COLUMN = 1.20 * 1.06e-4  # g/cm2
_ALUMINIUM_COLUMN = 2.699 * (53e-7 + 50e-7)  # g/cm2, window and filter


@dataclass(frozen=True)
class NominalResponse:
    """RMF, ARF and MRF of one detector for one weighting."""

    rmf: RMF
    arf: ARF
    mrf: ARF


def _loglog(x: np.ndarray, xp: np.ndarray, yp: np.ndarray) -> np.ndarray:
    return np.exp(np.interp(np.log(x), np.log(xp), np.log(yp)))


def _attenuation(energy: np.ndarray, fractions: dict[str, float]) -> np.ndarray:
    return np.sum([f * _loglog(energy, _KEV, _ATTENUATION[z]) for z, f in fractions.items()], axis=0)


def _aluminium(energy: np.ndarray) -> np.ndarray:
    return np.where(energy < _AL_EDGE, _loglog(energy, *_AL_BELOW), _loglog(energy, *_AL_ABOVE))


def effective_area(energy: np.ndarray) -> np.ndarray:
    """Effective area (cm2) of one telescope for unweighted events, at energies in keV."""
    energy = np.asarray(energy, dtype=float)
    mirror = _loglog(energy, *_MIRROR.T)
    passed = np.exp(
        -_ALUMINIUM_COLUMN * _aluminium(energy)
        - _LEXAN_COLUMN * _attenuation(energy, _LEXAN)
        - _WINDOW_COLUMN * _attenuation(energy, {"Be": 1.0})
    )
    absorbed = -np.expm1(-_GAS_COLUMN * _attenuation(energy, _DME))
    return mirror * passed * absorbed


def modulation_factor(energy: np.ndarray) -> np.ndarray:
    """Modulation factor for unweighted events, at energies in keV: linear from 0.15 (2 keV) to 0.6 (8 keV)."""
    return np.interp(np.asarray(energy, dtype=float), [1.0, 2.0, 8.0, 12.0], [0.05, 0.15, 0.60, 0.62])


def _redistribution() -> np.ndarray:
    """Probability [energy, channel] of the nominal Gaussian energy resolution, integrated over channels."""
    from math import erf

    centre = 0.5 * (ENERGY_EDGES[1:] + ENERGY_EDGES[:-1])
    sigma = 0.57 / 2.3548200450309493 * np.sqrt(centre / 2.0)
    cumulative = np.array(
        [
            [0.5 * (1.0 + erf((edge - e) / (s * 2**0.5))) for edge in CHANNEL_EDGES]
            for e, s in zip(centre, sigma, strict=True)
        ]
    )
    matrix = np.diff(cumulative, axis=1)
    matrix[matrix < 1e-7] = 0.0
    return matrix


def nominal_responses(detector: str, weighting: str = "neff") -> NominalResponse:
    """Nominal responses of one detector.

    Parameters
    ----------
    detector : str
        DU1, DU2 or DU3 (the nominal responses of the three are alike).
    weighting : {"neff", "simple", "unweighted"}
        How the events of the spectra are weighted.

    Returns
    -------
    NominalResponse

    Raises
    ------
    SimulationError
        For a detector the mission does not have.
    MissionError
        For a weighting it does not have.
    """
    from wolter.data import ARF, RMF
    from wolter.fits import Header
    from wolter.missions.ixpe.description import MISSION

    if detector not in MISSION.detectors:
        raise SimulationError(f"{MISSION.title} has no detector {detector!r} (it has {', '.join(MISSION.detectors)})")
    kind = MISSION.weighting(weighting)
    factor = {"neff": 1.0 / WEIGHT_RATIO, "simple": 0.5, "unweighted": 1.0}[kind.name]
    gain = 1.0 if kind.name == "unweighted" else WEIGHT_RATIO
    lo, hi = ENERGY_EDGES[:-1], ENERGY_EDGES[1:]
    centre = 0.5 * (lo + hi)
    area = effective_area(centre) * factor
    common = {
        "TELESCOP": "IXPE",
        "INSTRUME": "GPD",
        "DETNAM": detector,
        "FILTER": "OPEN",
        "CCLS0001": "CPF",
        "CDTP0001": "DATA",
        "CBD10001": f"WEIGHT({kind.boundary})",
        "CBD20001": "FILTER(OPEN)",
        "CVSD0001": "2017-01-01",
        "CVST0001": "00:00:00",
        "VERSION": 0,
        "STOKESWT": kind.stokeswt,
        "POLWCOL": "NONE" if kind.name == "unweighted" else "W_MOM",
        "NOMINAL": True,
    }

    def header(name: str, description: str) -> Header:
        out = Header(common | {"CCNM0001": name, "CDES0001": f"{detector} {description}, NOMINAL"})
        out.add_comment("NOMINAL response computed from published design figures: not for science.")
        return out

    rmf = RMF.from_dense(
        _redistribution(),
        energ_lo=lo,
        energ_hi=hi,
        e_min=CHANNEL_EDGES[:-1],
        e_max=CHANNEL_EDGES[1:],
        first_channel=0,
        header=header("MATRIX", "redistribution matrix"),
    )
    arf = ARF(lo, hi, area, header=header("SPECRESP", "effective area"))
    mrf = ARF(lo, hi, area * modulation_factor(centre) * gain, header=header("MODSPECRESP", "modulation response"))
    return NominalResponse(rmf, arf, mrf)
