"""Event-based polarisation: Stokes parameters, degree and angle in energy bins (the "polarisation cube").

Formulas: Kislat et al. 2015, Astropart. Phys. 68, 45 (equations 9, 21, 22, 36, 37, A.8), with event weights as in
Di Marco et al. 2022, AJ 163, 170. Event Stokes parameters are q = 2 cos 2phi, u = 2 sin 2phi, so that the estimators
are plain sums divided by the modulation factor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wolter._accessor import Figures
from wolter._progress import each
from wolter.data.events import EventList
from wolter.errors import DataError, UnitError
from wolter.makers.sums import StokesSums, stokes_sums
from wolter.units import is_quantity, to_kev

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["PolarisationCube", "cube_from_sums", "polarisation_cube"]

Floats = NDArray[np.float64]
Curve = Callable[[Floats], Any]

# sqrt(-4 ln 0.01): polarisation exceeded by chance in 1 % of unpolarised observations, in units of 1/(mu sqrt(N)).
MDP_FACTOR = 4.29


@dataclass(frozen=True)
class PolarisationCube:
    """Polarisation in energy bins; all arrays have one element per bin.

    Attributes
    ----------
    energy_lo, energy_hi : ndarray (keV)
        Bin edges.
    energy_mean : ndarray (keV)
        Mean energy, weighted as I is.
    counts : ndarray
        Number of events (source region only, for a background-subtracted cube).
    mu : ndarray
        Effective modulation factor.
    i, q, u : ndarray
        Stokes parameters: sums of w, w q/mu and w u/mu (counts, or counts/cm² with acceptance correction).
    w2 : ndarray
        Sum of squared weights (background: added with the squared ratio of areas).
    subtracted : bool
        Whether background was subtracted.
    """

    plot: ClassVar[Figures] = Figures("stokes_plane")

    energy_lo: Floats
    energy_hi: Floats
    energy_mean: Floats
    counts: NDArray[np.int64]
    mu: Floats
    i: Floats
    q: Floats
    u: Floats
    w2: Floats
    subtracted: bool = False
    # Second moments of (I, Q, U) where they are not those of a single sample of events.
    _var_qu: Floats | None = field(default=None, repr=False)
    _cov_iq: Floats | None = field(default=None, repr=False)
    _cov_iu: Floats | None = field(default=None, repr=False)
    inputs: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.i)

    # -- moments ---------------------------------------------------------------------------------------------------

    def _moments(self) -> tuple[Floats, Floats, Floats]:
        """Var(Q) = Var(U), Cov(I, Q) and Cov(I, U) of the sums.

        For one sample Var(Q) = 2 W2/mu², Cov(I, Q) = W2 Q/I and Cov(Q, U) = 0 (Kislat et al. 2015, appendix A).
        """
        if self._var_qu is not None and self._cov_iq is not None and self._cov_iu is not None:
            return self._var_qu, self._cov_iq, self._cov_iu
        return 2 * self.w2 / self.mu**2, self.w2 * self.qn, self.w2 * self.un

    def _safe(self, values: Floats) -> Floats:
        """Values where I is positive, NaN elsewhere."""
        return np.where(self.i > 0, values, np.nan)

    # -- results ---------------------------------------------------------------------------------------------------

    @property
    def qn(self) -> Floats:
        """Normalised Stokes parameter Q/I."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._safe(self.q / self.i)

    @property
    def un(self) -> Floats:
        """Normalised Stokes parameter U/I."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._safe(self.u / self.i)

    @property
    def i_error(self) -> Floats:
        """Standard deviation of I, sqrt(W2)."""
        return np.sqrt(self.w2)

    @property
    def covariance(self) -> Floats:
        """Covariance matrix of (QN, UN), shape (n, 2, 2), by linear propagation.

        Without background it is Kislat's W2/I² (2/mu² − QN²) on the diagonal and −W2/I² QN UN beside it.
        """
        var_qu, cov_iq, cov_iu = self._moments()
        qn, un = self.qn, self.un
        with np.errstate(divide="ignore", invalid="ignore"):
            out = np.empty((len(self), 2, 2))
            out[:, 0, 0] = (var_qu - 2 * qn * cov_iq + qn**2 * self.w2) / self.i**2
            out[:, 1, 1] = (var_qu - 2 * un * cov_iu + un**2 * self.w2) / self.i**2
            out[:, 0, 1] = (qn * un * self.w2 - qn * cov_iu - un * cov_iq) / self.i**2
        out[:, 1, 0] = out[:, 0, 1]
        return out

    @property
    def qn_error(self) -> Floats:
        """Standard deviation of QN."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.covariance[:, 0, 0])

    @property
    def un_error(self) -> Floats:
        """Standard deviation of UN."""
        with np.errstate(invalid="ignore"):
            return np.sqrt(self.covariance[:, 1, 1])

    @property
    def q_error(self) -> Floats:
        """Error of Q at the measured I, I times the error of QN."""
        return self.i * self.qn_error

    @property
    def u_error(self) -> Floats:
        """Error of U at the measured I, I times the error of UN."""
        return self.i * self.un_error

    @property
    def pd(self) -> Floats:
        """Polarisation degree, sqrt(Q² + U²)/I (not corrected for its positive bias)."""
        return np.hypot(self.qn, self.un)

    @property
    def pa(self) -> Floats:
        """Polarisation angle in degrees, ½ atan2(U, Q), −90 to 90, in the convention of the file's Stokes columns."""
        return np.degrees(0.5 * np.arctan2(self.un, self.qn))

    def _small_sample(self) -> Floats:
        """Factor sqrt(I/(I − 1)) of Kislat's equations 36 and 37, where I > 1."""
        if self.subtracted:
            return np.ones(len(self))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.i > 1, np.sqrt(self.i / (self.i - 1)), 1.0)

    @property
    def pd_error(self) -> Floats:
        """Standard deviation of PD (meaningful well above MDP99; use `covariance` or contours below)."""
        cov, qn, un = self.covariance, self.qn, self.un
        with np.errstate(divide="ignore", invalid="ignore"):
            var = (qn**2 * cov[:, 0, 0] + un**2 * cov[:, 1, 1] + 2 * qn * un * cov[:, 0, 1]) / self.pd**2
            return np.sqrt(var) * self._small_sample()

    @property
    def pa_error(self) -> Floats:
        """Standard deviation of PA in degrees."""
        cov, qn, un = self.covariance, self.qn, self.un
        with np.errstate(divide="ignore", invalid="ignore"):
            var = (qn**2 * cov[:, 1, 1] + un**2 * cov[:, 0, 0] - 2 * qn * un * cov[:, 0, 1]) / (4 * self.pd**4)
            return np.degrees(np.sqrt(var)) * self._small_sample()

    @property
    def n_eff(self) -> Floats:
        """Effective number of events, I²/W2."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._safe(self.i**2 / self.w2)

    @property
    def frac_w(self) -> Floats:
        """N_eff over the number of events: what weighting leaves of the sample."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.counts > 0, self.n_eff / self.counts, np.nan)

    @property
    def mdp99(self) -> Floats:
        """Minimum detectable polarisation at 99 % confidence, 4.29 sqrt(W2)/(mu I)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self._safe(MDP_FACTOR * np.sqrt(self.w2) / (self.mu * self.i))

    @property
    def p_value(self) -> Floats:
        """Probability of at least the measured Q, U from an unpolarised source, exp(−½(QN²/σ² + UN²/σ²))."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.exp(-0.5 * ((self.qn / self.qn_error) ** 2 + (self.un / self.un_error) ** 2))

    @property
    def significance(self) -> Floats:
        """Significance of polarisation as two-sided Gaussian sigmas with the same probability."""
        from scipy.special import ndtri

        return -ndtri(0.5 * self.p_value)

    # -- algebra ---------------------------------------------------------------------------------------------------

    def _check_bins(self, other: PolarisationCube) -> None:
        same = len(self) == len(other) and np.allclose(
            (self.energy_lo, self.energy_hi), (other.energy_lo, other.energy_hi), rtol=1e-9
        )
        if not same:
            raise DataError("polarisation cubes with different energy bins cannot be combined")

    def _mean(self, other: PolarisationCube, mine: Floats, theirs: Floats, sign: float) -> Floats:
        """Mean of two per-bin values with weights I and sign*I of the other."""
        a, b = np.where(self.i > 0, self.i, 0.0), np.where(other.i > 0, sign * other.i, 0.0)
        mine, theirs = np.where(a != 0, mine, 0.0), np.where(b != 0, theirs, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a + b != 0, (a * mine + b * theirs) / (a + b), np.nan)

    def __add__(self, other: PolarisationCube) -> PolarisationCube:
        """Cube of the events of both, e.g. of several detectors."""
        self._check_bins(other)
        moments: dict[str, Any] = {}
        if self.subtracted or other.subtracted:
            names = ("_var_qu", "_cov_iq", "_cov_iu")
            moments = {
                name: np.nan_to_num(a) + np.nan_to_num(b)
                for name, a, b in zip(names, self._moments(), other._moments(), strict=True)
            }
        return replace(
            self,
            energy_mean=self._mean(other, self.energy_mean, other.energy_mean, 1.0),
            mu=self._mean(other, self.mu, other.mu, 1.0),
            counts=self.counts + other.counts,
            i=self.i + other.i,
            q=self.q + other.q,
            u=self.u + other.u,
            w2=self.w2 + other.w2,
            subtracted=self.subtracted or other.subtracted,
            inputs=tuple(dict.fromkeys(self.inputs + other.inputs)),
            **moments,
        )

    def subtract(self, background: PolarisationCube, ratio: float) -> PolarisationCube:
        """Cube with background subtracted.

        Parameters
        ----------
        background : PolarisationCube
            Cube of the background region, same energy bins.
        ratio : float
            Source over background: area of the regions times exposure.

        Returns
        -------
        PolarisationCube
            I, Q, U are differences; the second moments are sums (the background's with ratio²), so that errors
            follow by linear propagation from both samples.
        """
        self._check_bins(background)
        if not ratio > 0:
            raise DataError(f"the ratio of source to background area is {ratio}; it must be positive")
        scaled = replace(background, i=ratio * background.i, q=ratio * background.q, u=ratio * background.u)
        mine, theirs = self._moments(), background._moments()
        var_qu, cov_iq, cov_iu = (
            np.nan_to_num(a) + ratio**2 * np.nan_to_num(b) for a, b in zip(mine, theirs, strict=True)
        )
        return replace(
            self,
            energy_mean=self._mean(scaled, self.energy_mean, background.energy_mean, -1.0),
            mu=self._mean(scaled, self.mu, background.mu, -1.0),
            i=self.i - scaled.i,
            q=self.q - scaled.q,
            u=self.u - scaled.u,
            w2=self.w2 + ratio**2 * background.w2,
            subtracted=True,
            _var_qu=var_qu,
            _cov_iq=cov_iq,
            _cov_iu=cov_iu,
            inputs=tuple(dict.fromkeys(self.inputs + background.inputs)),
        )

    # -- output ----------------------------------------------------------------------------------------------------

    def columns(self) -> dict[str, tuple[NDArray[Any], str, str]]:
        """Columns of the cube's table: name to (values, unit, description)."""
        return {
            "ENERG_LO": (self.energy_lo, "keV", "low energy edge"),
            "ENERG_HI": (self.energy_hi, "keV", "high energy edge"),
            "E_MEAN": (self.energy_mean, "keV", "mean energy of the events"),
            "COUNTS": (self.counts.astype(np.int32), "", "number of events"),
            "MU": (self.mu, "", "effective modulation factor"),
            "W2": (self.w2, "", "sum of squared weights"),
            "N_EFF": (self.n_eff, "", "effective number of events"),
            "FRAC_W": (self.frac_w, "", "N_EFF over COUNTS"),
            "MDP_99": (self.mdp99, "", "minimum detectable polarisation, 99 %"),
            "I": (self.i, "", "Stokes I"),
            "I_ERR": (self.i_error, "", "error of I"),
            "Q": (self.q, "", "Stokes Q"),
            "Q_ERR": (self.q_error, "", "error of Q"),
            "U": (self.u, "", "Stokes U"),
            "U_ERR": (self.u_error, "", "error of U"),
            "QN": (self.qn, "", "Q/I"),
            "QN_ERR": (self.qn_error, "", "error of Q/I"),
            "UN": (self.un, "", "U/I"),
            "UN_ERR": (self.un_error, "", "error of U/I"),
            "QUN_COV": (self.covariance[:, 0, 1], "", "covariance of Q/I and U/I"),
            "PD": (self.pd, "", "polarisation degree"),
            "PD_ERR": (self.pd_error, "", "error of PD"),
            "PA": (self.pa, "deg", "polarisation angle"),
            "PA_ERR": (self.pa_error, "deg", "error of PA"),
            "P_VALUE": (self.p_value, "", "probability if unpolarised"),
            "CONFID": (1 - self.p_value, "", "confidence of polarisation"),
            "SIGNIF": (self.significance, "", "significance, Gaussian sigmas"),
        }

    def to_table(self) -> Any:
        """The cube as an astropy ``Table`` with units and descriptions."""
        from astropy.table import Column, Table

        def shown(name: str, values: Any, unit: str, text: str) -> Any:
            form = ".5g" if values.dtype.kind == "f" else None
            return Column(values, name, unit=unit or None, description=text, format=form)

        return Table([shown(name, *column) for name, column in self.columns().items()])

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> None:
        """Write the cube: FITS (extension POLARIZATION), or ECSV for names that end in ``.ecsv``.

        Raises
        ------
        OutputError
            If the file exists (and not `overwrite`) or cannot be written.
        """
        from wolter.makers.cube_output import write_cube

        write_cube(self, path, overwrite=overwrite)


def _edges_kev(energy_edges: Any) -> Floats:
    """Energy edges in keV, checked to ascend."""
    if is_quantity(energy_edges):
        edges = np.atleast_1d(to_kev(energy_edges, "energy_edges"))
    else:
        try:
            edges = np.array([to_kev(e, "energy_edges") for e in energy_edges])
        except TypeError as exc:
            if isinstance(exc, UnitError):
                raise
            raise UnitError(
                f"energy_edges must be energies, got {energy_edges!r}", cure="Write for example [2, 4, 8]*u.keV."
            ) from exc
    if len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise DataError(
            f"energy_edges must be two or more ascending energies, got {edges.tolist()} keV",
            cure="Write for example [2, 4, 8]*u.keV.",
        )
    return edges


def response_curve(source: Any, name: str) -> Curve:
    """Function of energy (keV) from a callable, a response file's curve, or a pair (MRF, ARF) meaning their ratio.

    Curves are interpolated linearly between the centres of their energy bins; energies outside give NaN.
    """
    if isinstance(source, tuple):
        if len(source) != 2:
            raise DataError(f"{name} is a tuple of {len(source)}; a pair (MRF, ARF) is meant")
        mrf, arf = (response_curve(s, name) for s in source)
        return lambda e: mrf(e) / arf(e)
    if hasattr(source, "specresp"):
        centre = 0.5 * (np.asarray(source.energ_lo, dtype=float) + np.asarray(source.energ_hi, dtype=float))
        values = np.asarray(source.specresp, dtype=float)
        half = 0.5 * (float(source.energ_hi[0]) - float(source.energ_lo[0]))

        def curve(energy: Floats) -> Floats:
            outside = (energy < centre[0] - half) | (energy > centre[-1] + half)
            return np.where(outside, np.nan, np.interp(energy, centre, values))

        return curve
    if callable(source):
        return source
    raise DataError(
        f"{name} is a {type(source).__name__}; an ARF-like curve, a pair (MRF, ARF) or a function of keV is meant"
    )


def _values(curve: Curve, what: str, energy: Floats, needed: NDArray[np.bool_]) -> Floats:
    """A response curve at some energies, checked where it is needed."""
    values = np.asarray(curve(energy), dtype=float) * np.ones(len(energy))
    bad = ~(np.isfinite(values) & (values > 0)) & needed
    if bad.any():
        raise DataError(
            f"the {what} is not known at {energy[bad][0]:.3f} keV, inside the energy bins asked for",
            cure="Choose energies inside the range of the response.",
        )
    return values


def cube_from_sums(
    sums: StokesSums,
    channel_energy: Floats,
    edges: Floats,
    modulation: Curve,
    acceptance: Curve | None = None,
) -> PolarisationCube:
    """Cube from per-channel sums.

    The modulation factor and the acceptance depend on an event only through its PI channel, so per-channel sums
    carry everything that event-by-event sums would.

    Parameters
    ----------
    sums : StokesSums
        Sums of the events of each channel.
    channel_energy : ndarray (keV), shape (nch,)
        Energy at which each channel's events are taken (its centre).
    edges : ndarray (keV), shape (n + 1,)
        Bin edges; an event belongs to the bin with lo < E <= hi.
    modulation : callable
        mu(E).
    acceptance : callable, optional
        Effective area A(E); events are weighted by 1/A.

    Raises
    ------
    DataError
        If a channel with events in a bin has no valid modulation factor or area (energy range outside the response).
    """
    index = np.searchsorted(edges, channel_energy, side="left") - 1
    used = (index >= 0) & (index < len(edges) - 1)
    energy = channel_energy[used]
    filled = sums.n[used] > 0
    mu = _values(modulation, "modulation factor", energy, filled)
    area = np.ones(len(energy)) if acceptance is None else _values(acceptance, "acceptance", energy, filled)
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(filled, 1 / area, 0.0)
        per_mu = np.where(filled, a / mu, 0.0)
    size = len(edges) - 1

    def total(values: Floats) -> Floats:
        return np.bincount(index[used], weights=values, minlength=size).astype(np.float64)

    w = np.where(filled, sums.w[used] * a, 0.0)
    i = total(w)
    with np.errstate(divide="ignore", invalid="ignore"):
        mu_mean = total(np.where(w != 0, w * mu, 0.0)) / i
        e_mean = total(w * energy) / i
    return PolarisationCube(
        energy_lo=edges[:-1],
        energy_hi=edges[1:],
        energy_mean=e_mean,
        counts=total(sums.n[used].astype(float)).astype(np.int64),
        mu=mu_mean,
        i=i,
        q=total(sums.wq[used] * per_mu),
        u=total(sums.wu[used] * per_mu),
        w2=total(sums.w2[used] * a**2),
    )


def _as_list(value: Any, number: int, name: str) -> list[Any]:
    """One entry per event list; a single value serves all."""
    if isinstance(value, Sequence) and not isinstance(value, tuple | str):
        if len(value) != number:
            raise DataError(f"{name} has {len(value)} entries for {number} event list(s)")
        return list(value)
    return [value] * number


def _channel_energy(events: EventList, sums: StokesSums, ebounds: Any) -> Floats:
    """Centre energy (keV) of each channel of the sums, from the mission or an RMF's EBOUNDS."""
    if ebounds is not None:
        centre = 0.5 * (np.asarray(ebounds.e_min, dtype=float) + np.asarray(ebounds.e_max, dtype=float))
        numbers = ebounds.first_channel + np.arange(len(centre))
        return np.interp(sums.channel, numbers, centre, left=np.nan, right=np.nan)
    scale = events.energy_scale("The polarisation cube needs one")
    return scale.lower_edge(sums.channel + 0.5)


def _net_cube(job: tuple[Any, ...]) -> PolarisationCube:
    """Cube of one event list, less its background."""
    source, curve, area, ebound, back, edges, weights = job
    cube = _single_cube(source, edges, curve, area, weights, ebound)
    if back is None:
        return cube
    return cube.subtract(_single_cube(back, edges, curve, area, weights, ebound), area_ratio(source, back))


def _single_cube(
    events: EventList, edges: Floats, modulation: Any, acceptance: Any, weights: bool | str, ebounds: Any
) -> PolarisationCube:
    weight = weights if isinstance(weights, str) else None
    sums = stokes_sums(events, weighted=bool(weights), weight=weight)
    energy = _channel_energy(events, sums, ebounds)
    if not np.any((energy > edges[0]) & (energy <= edges[-1])):
        raise DataError(
            f"no channel of the events lies between {edges[0]:g} and {edges[-1]:g} keV",
            file=events.path,
            cure=f"The channels cover {np.nanmin(energy):g} to {np.nanmax(energy):g} keV.",
        )
    cube = cube_from_sums(
        sums,
        energy,
        edges,
        response_curve(modulation, "modulation"),
        None if acceptance is None else response_curve(acceptance, "acceptance"),
    )
    return replace(cube, inputs=(str(events.path),))


def area_ratio(source: EventList, background: EventList) -> float:
    """Area of the source region over the background region, times the ratio of their exposures."""
    areas = source.region_area, background.region_area
    if None in areas or not all(areas):
        raise DataError(
            "background subtraction needs a region on both the source and the background events",
            cure="Select both with select(region=...), or subtract cubes with cube.subtract(background, ratio).",
        )
    return float(areas[0]) / float(areas[1]) * source.exposure / background.exposure  # type: ignore[arg-type]


def polarisation_cube(
    events: EventList | Sequence[EventList],
    energy_edges: Any,
    modulation: Any,
    *,
    acceptance: Any = None,
    weights: bool | str = True,
    background: EventList | Sequence[EventList] | None = None,
    ebounds: Any = None,
    executor: Executor | None = None,
) -> PolarisationCube:
    """Polarisation of selected events in energy bins.

    Parameters
    ----------
    events : EventList or sequence of EventList
        Events of the source region; several (detectors) are combined.
    energy_edges : Quantity
        Edges of the energy bins; an event's energy is the centre of its PI channel.
    modulation : ARF-like, tuple or callable, or list of them
        The modulation factor: a response curve, a pair (MRF, ARF) whose ratio it is, or a function of keV. A list
        has one entry per event list.
    acceptance : ARF-like, callable or list, optional
        Effective area; if given, every event is weighted by its inverse, so that the result does not depend on the
        instrument's efficiency across the bin.
    weights : bool or str
        Whether to use the event weights; a string names the column.
    background : EventList or sequence of EventList, optional
        Events of background regions, one per source list; subtracted with the ratio of region areas and exposures.
    ebounds : RMF, optional
        Source of channel energies for telescopes whose mission description has no energy scale.
    executor : concurrent.futures.Executor, optional
        Goes through the event lists in parallel.

    Returns
    -------
    PolarisationCube

    Raises
    ------
    UnitError
        If the energy edges have no unit.
    DataError
        If Stokes or weight columns are missing or not finite, no event is left, or a response does not cover the
        bins.
    """
    edges = _edges_kev(energy_edges)
    sources = [events] if isinstance(events, EventList) else list(events)
    if not sources:
        raise DataError("no event list given")
    number = len(sources)
    curves = _as_list(modulation, number, "modulation")
    areas = _as_list(acceptance, number, "acceptance")
    bounds = _as_list(ebounds, number, "ebounds")
    backgrounds = _as_list([background] if isinstance(background, EventList) else background, number, "background")
    jobs = [(*job, edges, weights) for job in zip(sources, curves, areas, bounds, backgrounds, strict=True)]
    cubes = each(_net_cube, jobs, "adding polarisation", executor=executor)
    total = cubes[0]
    for cube in cubes[1:]:
        total = total + cube
    if not total.counts.any():
        raise DataError(
            f"no event is left between {edges[0]:g} and {edges[-1]:g} keV",
            file=sources[0].path,
            cure="Check the region, the time intervals and the energies.",
        )
    return total
