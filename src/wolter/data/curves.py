"""What is done with light curves: net rates, hardness ratios, flares, Bayesian blocks, and the way to Stingray."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from wolter.data.light_curve import LightCurve
from wolter.errors import DataError
from wolter.gti import GTI

if TYPE_CHECKING:
    from wolter.data.events import EventList

__all__ = [
    "Blocks",
    "FlareCut",
    "HardnessRatio",
    "bayesian_blocks",
    "flare_filter",
    "hardness_ratio",
    "net_light_curve",
    "to_stingray",
]

_SAME = 1e-3  # fraction of a bin by which the grids of two light curves may be shifted
_MAD = 1.4826  # standard deviation of a normal distribution in units of its median absolute deviation


def _numbers(curve: LightCurve, zero: float, width: float) -> NDArray[np.int64]:
    """Numbers of the bins of a curve on a grid whose bin 0 has its centre at `zero`."""
    place = (curve.met - zero) / width
    number = np.rint(place)
    if (np.abs(place - number) > _SAME).any():
        raise DataError(
            "the light curves have bins that do not coincide",
            file=curve.path,
            cure="Make them with the same binsize and the same start=.",
        )
    return number.astype(np.int64)


def _common(first: LightCurve, *others: LightCurve) -> list[NDArray[np.intp]]:
    """Positions in each curve of the bins that all have."""
    for other in others:
        if abs(other.timedel - first.timedel) > _SAME * first.timedel:
            raise DataError(
                f"the light curves have bins of {first.timedel:g} and {other.timedel:g} s",
                cure="Make them with the same binsize.",
            )
    zero = first.met[0] if len(first) else 0.0
    numbers = [_numbers(c, zero, first.timedel) for c in (first, *others)]
    shared = numbers[0]
    for n in numbers[1:]:
        shared = np.intersect1d(shared, n)
    if not len(shared):
        raise DataError("the light curves have no bin in common")
    return [np.flatnonzero(np.isin(n, shared)) for n in numbers]


def _exposed(curve: LightCurve, at: NDArray[np.intp]) -> NDArray[np.float64]:
    """s that count: fractional exposure times bin length."""
    return np.asarray(curve.fracexp)[at] * curve.timedel


def net_light_curve(source: LightCurve, background: LightCurve, *, ratio: float | None = None) -> LightCurve:
    """Source light curve minus the background's, scaled by area.

    Parameters
    ----------
    source, background : LightCurve
        On the same bins (the same `binsize` and `start`); only bins that both have remain.
    ratio : float, optional
        Area of the source region over that of the background region; by default from BACKSCAL (or NPIXSOU) of the two
        headers.

    Returns
    -------
    LightCurve
        rate = source − ratio · background, error = √(σ² + ratio² σ_b²); HDUCLAS2 is NET.

    Raises
    ------
    DataError
        If the bins differ, or the areas are not known.
    """
    if ratio is None:
        ratio = _area_ratio(source, background)
    if not (np.isfinite(ratio) and ratio > 0):
        raise DataError(f"the ratio of the areas is {ratio}; a positive number is meant")
    a, b = _common(source, background)
    header = source.header.copy()
    header.set("HDUCLAS2", "NET", "background is subtracted")
    header.set("BACKRATI", ratio, "area of the source region over that of the background")
    header.add_history(f"background light curve subtracted, multiplied by {ratio:.8g}")
    return LightCurve(
        time=source.time[a],
        rate=source.rate[a] - ratio * background.rate[b],
        error=np.hypot(source.error[a], ratio * background.error[b]),
        fracexp=np.asarray(source.fracexp)[a],
        timezero=source.timezero,
        timedel=source.timedel,
        header=header,
        gti=source.gti if source.gti is None or background.gti is None else source.gti & background.gti,
        region=source.region,
    )


def _area_ratio(source: LightCurve, background: LightCurve) -> float:
    for key in ("BACKSCAL", "NPIXSOU"):
        if key in source.header and key in background.header:
            return source.header.number(key) / background.header.number(key)
    raise DataError(
        "the areas of the source and background regions are not known: the headers have no BACKSCAL",
        file=source.path,
        cure="Give ratio=.",
    )


# --- hardness --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class HardnessRatio:
    """Hardness of a light curve in bins of time.

    Attributes
    ----------
    time : float64[n]
        Centres of the bins, s in mission time.
    value : float64[n]
    lower, upper : float64[n]
        Limits of the 68.27 % interval.
    kind : str
        "difference" (H − S)/(H + S), "ratio" H/S, or "colour" log10(S/H).
    method : str
    """

    time: NDArray[np.float64]
    value: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    kind: str
    method: str

    def __len__(self) -> int:
        return len(self.value)

    def __repr__(self) -> str:
        formula = {"difference": "(H - S)/(H + S)", "ratio": "H/S", "colour": "log10(S/H)"}[self.kind]
        known = self.value[np.isfinite(self.value)]
        middle = f", median {np.median(known):.3g}" if len(known) else ""
        return f"<HardnessRatio {formula} ({self.method}): {len(self)} bins{middle}>"

    @property
    def error(self) -> NDArray[np.float64]:
        """float64[n]: half the interval."""
        return 0.5 * (self.upper - self.lower)


def _combine(kind: str, hard: Any, soft: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "difference":
            return (hard - soft) / (hard + soft)
        return hard / soft if kind == "ratio" else np.log10(soft / hard)


def hardness_ratio(
    soft: LightCurve,
    hard: LightCurve,
    *,
    kind: Literal["difference", "ratio", "colour"] = "difference",
    method: Literal["gauss", "bayes"] = "gauss",
    soft_background: LightCurve | None = None,
    hard_background: LightCurve | None = None,
    ratio: float | None = None,
    samples: int = 20_000,
    seed: int = 0,
) -> HardnessRatio:
    """Hardness ratio of two light curves of the same bins.

    Parameters
    ----------
    soft, hard : LightCurve
        Rates in the two bands. For "gauss" they may be net light curves.
    kind : {"difference", "ratio", "colour"}
        (H − S)/(H + S), H/S, or log10(S/H).
    method : {"gauss", "bayes"}
        Propagation of the errors; or the posterior of Poisson counts (Park et al. 2006, ApJ 652, 610): for few counts.
    soft_background, hard_background : LightCurve, optional
        For "bayes": background counts on the same bins, in a region whose area is 1/`ratio` of the source's.
    ratio : float, optional
        As in `net_light_curve`; by default from BACKSCAL.
    samples, seed : int
        Draws from the posterior of each bin for "bayes".

    Returns
    -------
    HardnessRatio
        For "bayes" `value` is the posterior mean.

    Raises
    ------
    DataError
        If bins differ, or the kind or method is unknown.
    """
    if kind not in ("difference", "ratio", "colour"):
        raise DataError(f"there is no kind of hardness {kind!r}", cure="Use difference, ratio or colour.")
    if method not in ("gauss", "bayes"):
        raise DataError(f"there is no method {method!r} for hardness ratios", cure="Use gauss or bayes.")
    if method == "bayes":
        backgrounds = (soft_background, hard_background)
        return _bayes(soft, hard, kind, backgrounds, ratio, samples, seed)
    a, b = _common(soft, hard)
    s, h, ds, dh = soft.rate[a], hard.rate[b], soft.error[a], hard.error[b]
    value = _combine(kind, h, s)
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "difference":
            error = 2.0 * np.hypot(h * ds, s * dh) / (h + s) ** 2
        elif kind == "ratio":
            error = np.abs(h / s) * np.hypot(ds / s, dh / h)
            error = np.where(h == 0, dh / s, error)
        else:
            error = np.hypot(ds / s, dh / h) / np.log(10.0)
    return HardnessRatio(soft.met[a], value, value - error, value + error, kind, method)


def _bayes(
    soft: LightCurve,
    hard: LightCurve,
    kind: str,
    backgrounds: tuple[LightCurve | None, LightCurve | None],
    ratio: float | None,
    samples: int,
    seed: int,
) -> HardnessRatio:
    given = [c for c in backgrounds if c is not None]
    a, b, *rest = _common(soft, hard, *given)
    places = iter(rest)
    random = np.random.default_rng(seed)
    rates = []
    for curve, at, back in ((soft, a, backgrounds[0]), (hard, b, backgrounds[1])):
        for one in (curve, back):
            if one is not None and one.header.get("DEADAPP"):
                raise DataError(
                    "the posterior of counts needs light curves that are not corrected for dead time", file=one.path
                )
        exposure = _exposed(curve, at)
        counts = np.rint(curve.rate[at] * exposure).astype(np.int64)
        if back is None:
            draws = random.gamma(counts[:, None] + 0.5, size=(len(counts), samples))
        else:
            there = next(places)
            own = np.rint(back.rate[there] * _exposed(back, there)).astype(np.int64)
            share = _area_ratio(curve, back) if ratio is None else ratio
            draws = np.array([_source_draws(n, m, share, samples, random) for n, m in zip(counts, own, strict=True)])
        rates.append(draws / exposure[:, None])
    values = _combine(kind, rates[1], rates[0])
    lower, upper = np.quantile(values, [0.158655, 0.841345], axis=1)
    return HardnessRatio(soft.met[a], values.mean(axis=1), lower, upper, kind, "bayes")


def _source_draws(counts: int, background: int, ratio: float, samples: int, random: Any) -> NDArray[np.float64]:
    """Draws of the expected source counts, background marginalised.

    With n counts in the source region, m in the background region, and expected background counts β in the source
    region (β/ratio in the other), (σ + β)ⁿ is expanded: the posterior of σ is a mixture of gamma distributions of
    shape j + 1/2, j = 0..n, with the weights C(n, j) Γ(j + ½) Γ(n − j + m + ½) (1 + 1/ratio)^−(n − j). Priors are
    proportional to σ^−½ and β^−½.
    """
    from math import log

    from scipy.special import gammaln

    j = np.arange(counts + 1)
    gamma = gammaln(np.arange(counts + background + 1) + 0.5)
    factorial = gammaln(j + 1.0)
    weight = (
        -factorial - factorial[::-1] + gamma[j] + gamma[counts - j + background] - (counts - j) * log(1 + 1 / ratio)
    )
    weight = np.exp(weight - weight.max())
    shape = random.choice(j, size=samples, p=weight / weight.sum()) + 0.5
    return random.gamma(shape)


# --- flares ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class FlareCut:
    """Good times of a light curve without its flares.

    Attributes
    ----------
    gti : GTI
        Bins kept, within the good time of the light curve.
    low, high : float
        Rates (count/s) between which bins are kept.
    kept : bool[n]
        Bins kept.
    iterations : int
        Rounds of sigma clipping (0 for a fixed threshold).
    """

    gti: GTI
    low: float
    high: float
    kept: NDArray[np.bool_]
    iterations: int

    def __repr__(self) -> str:
        limits = f"{self.low:.4g} to {self.high:.4g} count/s"
        return f"<FlareCut: {int(self.kept.sum())} of {len(self.kept)} bins kept ({limits}), {self.gti.exposure:.1f} s>"


def flare_filter(
    curve: LightCurve,
    *,
    max_rate: float | None = None,
    min_rate: float | None = None,
    sigma: float | None = None,
    min_fraction: float = 0.0,
    max_iterations: int = 100,
) -> FlareCut:
    """Good times from a cut on a light curve: a threshold, or clipping at so many standard deviations.

    Parameters
    ----------
    curve : LightCurve
        Usually of the whole field in a hard band.
    max_rate, min_rate : float, optional
        Rates, count/s.
    sigma : float, optional
        Clipping: bins further than this many standard deviations from the median are dropped, until none is. The
        deviation is 1.4826 times the median absolute one, and at least that of Poisson counts.
    min_fraction : float
        Bins of smaller fractional exposure are dropped, too.
    max_iterations : int
        Rounds of clipping at most.

    Returns
    -------
    FlareCut

    Raises
    ------
    DataError
        If no rule is given, or nothing is left.
    """
    if max_rate is None and min_rate is None and sigma is None:
        raise DataError("a flare filter needs a rule", cure="Give max_rate=, min_rate= or sigma=.")
    if sigma is not None and sigma <= 0:
        raise DataError(f"sigma = {sigma}; a positive number is meant")
    rate = curve.rate
    low = -np.inf if min_rate is None else float(min_rate)
    high = np.inf if max_rate is None else float(max_rate)
    exposed = np.isfinite(rate) & (np.asarray(curve.fracexp) > 0) & (np.asarray(curve.fracexp) >= min_fraction)
    kept = exposed & (rate >= low) & (rate <= high)
    rounds = 0
    while sigma is not None and kept.any() and rounds < max_iterations:
        rounds += 1
        centre = float(np.median(rate[kept]))
        spread = _MAD * float(np.median(np.abs(rate[kept] - centre)))
        spread = max(spread, float(np.median(curve.error[kept])))
        lowest, highest = max(low, centre - sigma * spread), min(high, centre + sigma * spread)
        again = exposed & (rate >= lowest) & (rate <= highest)
        if np.array_equal(again, kept):
            low, high = lowest, highest
            break
        kept = again & kept
    if not kept.any():
        raise DataError("the flare filter leaves nothing of the light curve", file=curve.path, cure="Relax the rule.")
    half = 0.5 * curve.timedel
    gti = GTI(curve.met[kept] - half, curve.met[kept] + half)
    if curve.gti is not None:
        gti = gti & curve.gti
    return FlareCut(gti, low, high, kept, rounds)


# --- Bayesian blocks -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class Blocks:
    """Stretches of constant rate.

    Attributes
    ----------
    edges : float64[n + 1]
        s in mission time.
    exposure : float64[n]
        Good time in each, s.
    rate, error : float64[n]
        count/s (mean of the bins weighted with their errors for a light curve).
    """

    edges: NDArray[np.float64]
    exposure: NDArray[np.float64]
    rate: NDArray[np.float64]
    error: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.rate)

    def __repr__(self) -> str:
        each = ", ".join(f"{r:.4g} +- {e:.2g}" for r, e in zip(self.rate[:5], self.error[:5], strict=True))
        more = ", ..." if len(self) > 5 else ""
        return f"<Blocks: {len(self)} stretch{'' if len(self) == 1 else 'es'} of constant rate: {each}{more} count/s>"


def bayesian_blocks(data: LightCurve | EventList, *, p0: float = 0.01) -> Blocks:
    """Bayesian blocks (Scargle et al. 2013, ApJ 764, 167) of a light curve or of the times of events.

    Gaps between good times are taken out first, so that they make no blocks.

    Parameters
    ----------
    data : LightCurve or EventList
        Rates with errors, or events.
    p0 : float
        Probability of a false block edge.

    Returns
    -------
    Blocks

    Raises
    ------
    DataError
        With fewer than two bins or events.
    """
    from astropy.stats import bayesian_blocks as blocks

    if isinstance(data, LightCurve):
        good = np.isfinite(data.rate) & (data.error > 0)
        if good.sum() < 2:
            raise DataError("Bayesian blocks need two bins with errors at least", file=data.path)
        order = np.flatnonzero(good)
        edges = blocks(
            np.arange(len(order), dtype=float), data.rate[order], data.error[order], fitness="measures", p0=p0
        )
        firsts = np.unique(np.ceil(edges[:-1] - 1e-9).astype(int))
        half = 0.5 * data.timedel
        weight = 1.0 / data.error[order] ** 2
        total = np.add.reduceat(weight, firsts)
        return Blocks(
            np.append(data.met[order[firsts]] - half, data.met[order[-1]] + half),
            np.add.reduceat(_exposed(data, order), firsts),
            np.add.reduceat(weight * data.rate[order], firsts) / total,
            1.0 / np.sqrt(total),
        )
    time = np.sort(data.column(data.time_column).astype(float) + data.time_offset)
    if len(time) < 2:
        raise DataError("Bayesian blocks need two events at least", file=data.path)
    gti = data.gti
    start, stop = np.asarray(gti.start), np.asarray(gti.stop)
    before = np.concatenate([[0.0], np.cumsum(stop - start)])
    place = np.clip(np.searchsorted(start, time, side="right") - 1, 0, len(start) - 1)
    good_time = before[place] + np.clip(time - start[place], 0.0, (stop - start)[place])
    inner = blocks(good_time, fitness="events", p0=p0)[1:-1]
    edges = np.concatenate([[0.0], inner, [before[-1]]])
    counts, _ = np.histogram(good_time, edges)
    back = np.clip(np.searchsorted(before, edges, side="right") - 1, 0, len(start) - 1)
    exposure = np.diff(edges)
    return Blocks(start[back] + edges - before[back], exposure, counts / exposure, np.sqrt(counts) / exposure)


# --- Stingray --------------------------------------------------------------------------------------------------------


def to_stingray(data: LightCurve | EventList) -> Any:
    """The same as a `stingray.Lightcurve` or `stingray.EventList`.

    Parameters
    ----------
    data : LightCurve or EventList

    Returns
    -------
    stingray.Lightcurve or stingray.EventList
        Times are those of the mission (s since MJDREF); rates are turned into counts per bin of full exposure with
        Gaussian errors; events carry PI, energies where the mission says how they follow from PI, and good times.

    Raises
    ------
    DataError
        If Stingray is not installed.
    """
    try:
        import stingray
    except ImportError as exc:
        raise DataError("Stingray is not installed", cure="pip install 'wolter[timing]'") from exc
    gti = None if data.gti is None else np.column_stack([data.gti.start, data.gti.stop])
    if isinstance(data, LightCurve):
        return stingray.Lightcurve(
            data.met,
            data.rate * data.timedel,
            err=data.error * data.timedel,
            err_dist="gauss",
            dt=data.timedel,
            gti=gti,
            mjdref=cast(Any, data.mjdref or 0.0),
            skip_checks=True,
        )
    header = data.header
    mjdref = (
        header.number("MJDREFI") + header.number("MJDREFF", 0.0)
        if "MJDREFI" in header
        else header.number("MJDREF", 0.0)
    )
    parts = data.read_columns([data.time_column, data.energy_column])
    pi = parts[data.energy_column]
    energy = None
    if data.mission.energy is not None:
        scale = data.energy_scale()
        energy = scale.lower_edge(pi) + 0.5 * scale.width
    time = parts[data.time_column].astype(float) + data.time_offset
    order = np.argsort(time, kind="stable")
    return stingray.EventList(
        time[order],
        pi=pi[order],
        energy=None if energy is None else energy[order],
        gti=gti,
        mjdref=cast(Any, mjdref),
        mission=str(header.get("TELESCOP", "")).strip().lower() or None,
        instr=str(header.get("INSTRUME", "")).strip().lower() or None,
        detector_id=None,
    )
