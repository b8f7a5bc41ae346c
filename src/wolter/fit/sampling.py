"""Samplers on the vectorised likelihood: emcee's ensemble, nautilus' nested sampling, draws from the covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter._progress import track
from wolter.errors import FitError, ParameterError
from wolter.fit._blas import single_thread
from wolter.fit.chain import Chain, autocorrelation_time
from wolter.fit.posterior import log_prior
from wolter.fit.priors import Flat

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["SAMPLERS", "Posterior", "draw_covariance", "sample_emcee", "sample_nautilus"]

Array = npt.NDArray[np.float64]
SAMPLERS = ("emcee", "nautilus", "covariance")
_LONG_ENOUGH = 50  # autocorrelation times that a chain should have
_CURE = 'Install it with: pip install "wolter[bayes]"'


class Posterior:
    """Likelihood times prior of a fit's free parameters.

    Parameters
    ----------
    fit : Fit
        Its priors count, whether `Fit.bayes` is on or not; parameters without one have a flat prior inside their hard
        limits.

    Attributes
    ----------
    lower, upper : array [K]
        The range. A cyclic parameter ranges over one period around its present value, so that its limits do not cut
        a maximum that sits on them.
    """

    def __init__(self, fit: Fit) -> None:
        free = fit.table.free
        free.require()
        self.fit = fit
        self.free = free
        self.centre = free.start.copy()
        cyclic = np.isfinite(free.period)
        half = np.where(cyclic, 0.5 * free.period, 0.0)
        self.lower = np.where(cyclic, self.centre - half, free.lower)
        self.upper = np.where(cyclic, self.centre + half, free.upper)
        for k, position in enumerate(free.positions.tolist()):
            if position in fit.priors:
                if cyclic[k]:
                    # a prior speaks of the values inside the limits
                    self.lower[k], self.upper[k] = free.lower[k], free.upper[k]
                fit.priors[position].check(free.names[k], free.lower[k], free.upper[k])

    @property
    def size(self) -> int:
        """Number of parameters."""
        return self.free.size

    def log_likelihood(self, points: Array) -> Array:
        """``-statistic/2`` [B] at points [B, K]; minus infinity where the model is not finite."""
        likelihood = self.fit.likelihood
        value = -0.5 * likelihood.statistic(points)
        if self.fit.bayes:
            value = value - log_prior(self.fit.priors, self.free, points)
        return np.where(np.isfinite(value), value, -np.inf)

    def log_probability(self, points: Array) -> Array:
        """Logarithm of likelihood times prior [B] at points [B, K], up to a constant."""
        out = np.full(len(points), -np.inf)
        inside = np.all((points >= self.lower) & (points <= self.upper), axis=1)
        inside &= np.isfinite(log_prior(self.fit.priors, self.free, points))
        if inside.any():
            chosen = points[inside]
            out[inside] = self.log_likelihood(chosen) + log_prior(self.fit.priors, self.free, chosen)
        return out

    def transform(self, cube: Array) -> Array:
        """Points [B, K] of the prior from points of the unit cube.

        Raises
        ------
        FitError
            If a prior cannot be normalised on the range of its parameter.
        """
        out = np.empty_like(cube)
        for k, position in enumerate(self.free.positions.tolist()):
            prior = self.fit.priors.get(position, Flat())
            try:
                out[:, k] = prior.quantile(cube[:, k], float(self.lower[k]), float(self.upper[k]))
            except ParameterError as error:
                raise FitError(f"parameter {self.free.names[k]}: {error.cause}", cure=error.cure) from error
        return out

    def units(self) -> tuple[str, ...]:
        """Units of the parameters."""
        return tuple(self.fit.table.parameters[p].unit for p in self.free.positions)

    def starts(self, count: int, rng: np.random.Generator) -> Array:
        """Points [count, K] around the present values, spread as the covariance says, all of finite probability.

        Raises
        ------
        FitError
            If none are found.
        """
        spread = _root(self.fit.covariance, self.centre, self.free.delta)
        out = np.empty((0, self.size))
        for trial in range(40):
            width = 0.5 ** (trial // 4)
            tries = self.centre + width * rng.standard_normal((4 * count, self.size)) @ spread.T
            # walkers that fall beyond a limit start inside of it
            tries = np.where(tries < self.lower, np.minimum(2 * self.lower - tries, self.upper), tries)
            tries = np.where(tries > self.upper, np.maximum(2 * self.upper - tries, self.lower), tries)
            out = np.concatenate([out, tries[np.isfinite(self.log_probability(tries))]])[:count]
            if len(out) == count:
                return out
        raise FitError("no starting points of finite probability were found", cure="Fit first, or widen the priors.")


def _root(covariance: Array | None, centre: Array, delta: Array) -> Array:
    """A matrix [K, K] whose square is the covariance; steps of the parameters where there is none."""
    steps = np.maximum(np.where(centre != 0, 0.01 * np.abs(centre), delta), 1e-12)
    if covariance is None:
        return np.diag(steps)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    blind = np.flatnonzero(~(np.diag(covariance) > 0))
    root[blind, blind] = steps[blind]
    return root


def draw_covariance(fit: Fit, draws: int = 10_000, *, seed: int | None = None) -> Chain:
    """Draws from the multivariate normal distribution of best fit and covariance, cut at the hard limits.

    Raises
    ------
    FitError
        If the fit is stale or its covariance singular.
    """
    covariance = fit.covariance
    if covariance is None:
        raise FitError(
            "there is no covariance to draw from", cure="Call run() first; it says if the matrix is singular."
        )
    posterior = Posterior(fit)
    rng = np.random.default_rng(seed)
    root = _root(covariance, posterior.centre, np.zeros(posterior.size))
    points = np.empty((0, posterior.size))
    for _ in range(1000):
        tries = posterior.centre + rng.standard_normal((draws, posterior.size)) @ root.T
        inside = ((tries >= posterior.lower) & (tries <= posterior.upper)).all(axis=1)
        points = np.concatenate([points, tries[inside]])[:draws]
        if len(points) == draws:
            break
    else:
        raise FitError("hardly any draw from the covariance lies inside the limits", cure="Sample with emcee instead.")
    return Chain(
        method="covariance",
        names=tuple(posterior.free.names),
        units=posterior.units(),
        samples=points[None],
        log_probability=posterior.log_probability(points)[None],
        acceptance=np.ones(1),
        autocorrelation=np.ones(posterior.size),
        seed=seed,
    )


def sample_emcee(
    fit: Fit,
    steps: int = 2000,
    *,
    walkers: int | None = None,
    burn: int | None = None,
    thin: int = 1,
    seed: int | None = None,
    progress: bool | None = None,
) -> Chain:
    """Markov chains by the affine-invariant ensemble sampler (Goodman & Weare 2010; emcee, Foreman-Mackey et al. 2013).

    Parameters
    ----------
    fit : Fit
        At or near its best fit; walkers start from its covariance.
    steps : int
        Steps of each walker, burn-in included.
    walkers : int, optional
        Number of walkers; by default four per parameter, 32 at least.
    burn : int, optional
        Steps to leave out; by default a quarter.
    thin : int
        Keep every n-th step.
    seed : int, optional
        Makes the chain repeatable.
    progress : bool, optional
        Show a progress bar.

    Raises
    ------
    FitError
        If emcee is not installed, or numbers are impossible.
    """
    emcee = _optional("emcee")
    posterior = Posterior(fit)
    count = max(4 * posterior.size, 32) if walkers is None else walkers
    first = steps // 4 if burn is None else burn
    if count < 2 * posterior.size or count % 2:
        raise FitError(
            f"{count} walkers for {posterior.size} parameters", cure="Take an even number, twice theirs at least."
        )
    if not 0 <= first < steps or thin < 1:
        raise FitError(f"steps={steps}, burn={first}, thin={thin} leave nothing", cure="Take more steps.")
    rng = np.random.default_rng(seed)
    start = posterior.starts(count, rng)
    state = emcee.State(start, random_state=np.random.RandomState(int(rng.integers(2**31))).get_state())
    sampler = emcee.EnsembleSampler(count, posterior.size, posterior.log_probability, vectorize=True)
    messages = []
    try:
        with single_thread():
            for _ in track(sampler.sample(state, iterations=steps), "sampling", total=steps, enabled=progress):
                pass
    except KeyboardInterrupt:
        messages.append(f"interrupted after {sampler.iteration} of {steps} steps")
        first = min(first, sampler.iteration // 4)
    samples = np.swapaxes(sampler.get_chain(discard=first, thin=thin), 0, 1)
    times = autocorrelation_time(samples)
    length = samples.shape[1]
    slow = int(np.argmax(times))
    if length < _LONG_ENOUGH * times[slow]:
        messages.append(
            f"the chain has only {length / times[slow]:.0f} autocorrelation times of {posterior.free.names[slow]} "
            f"({times[slow] * thin:.0f} steps each); {_LONG_ENOUGH} make its widths reliable"
        )
    return Chain(
        method="emcee",
        names=tuple(posterior.free.names),
        units=posterior.units(),
        samples=samples,
        log_probability=sampler.get_log_prob(discard=first, thin=thin).T.copy(),
        acceptance=np.asarray(sampler.acceptance_fraction),
        autocorrelation=times,
        seed=seed,
        burn=first,
        thin=thin,
        messages=tuple(messages),
    )


def sample_nautilus(
    fit: Fit,
    *,
    live: int = 1000,
    effective: int = 10_000,
    seed: int | None = None,
    max_calls: int | None = None,
    progress: bool | None = None,
) -> Chain:
    """Importance nested sampling (nautilus, Lange 2023): weighted samples and the evidence.

    Unlike a Markov chain it finds separate maxima by itself, but it needs priors that can be normalised.

    Parameters
    ----------
    fit : Fit
        Need not be at its best fit.
    live : int
        Live points.
    effective : int
        Effective number of samples to reach.
    seed : int, optional
        Makes the result repeatable.
    max_calls : int, optional
        Evaluations of the likelihood at the most.
    progress : bool, optional
        Let nautilus print its progress.

    Raises
    ------
    FitError
        If nautilus is not installed, or a parameter has neither a prior nor narrow limits.
    """
    nautilus = _optional("nautilus")
    posterior = Posterior(fit)
    posterior.transform(np.full((1, posterior.size), 0.5))  # says at once which prior is missing

    size = posterior.size

    def log_likelihood(points: Any) -> Array:
        # nautilus refuses infinities; this is impossible enough
        return np.maximum(posterior.log_likelihood(np.atleast_2d(points)[:, :size]), -1e100)

    def transform(cube: Any) -> Array:
        whole = np.atleast_2d(cube)
        return np.hstack([posterior.transform(whole[:, :size]), whole[:, size:]])

    sampler = nautilus.Sampler(
        transform,
        log_likelihood,
        n_dim=max(size, 2),  # nautilus wants two dimensions at least: an idle one changes nothing
        n_live=live,
        vectorized=True,
        pass_dict=False,
        seed=seed,
    )
    messages = []
    limit = np.inf if max_calls is None else max_calls
    with single_thread():
        done = sampler.run(n_eff=effective, n_like_max=limit, discard_exploration=True, verbose=bool(progress))
    if not done:
        messages.append(f"stopped after {sampler.n_like} evaluations before {effective} effective samples were reached")
    points, log_weight, log_likelihoods = sampler.posterior()
    points = np.asarray(points)[:, :size]
    weights = np.exp(log_weight - log_weight.max())
    return Chain(
        method="nautilus",
        names=tuple(posterior.free.names),
        units=posterior.units(),
        samples=points[None],
        log_probability=(np.asarray(log_likelihoods) + log_prior(fit.priors, posterior.free, points))[None],
        acceptance=np.array([float(sampler.n_eff) / float(sampler.n_like)]),
        autocorrelation=np.ones(posterior.size),
        weights=(weights / weights.sum())[None],
        evidence=float(sampler.log_z),
        # the relative error of a mean of weights is one over the root of their effective number
        evidence_error=float(1.0 / np.sqrt(sampler.n_eff)),
        seed=seed,
        messages=tuple(messages),
    )


def _optional(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError:
        raise FitError(f"the sampler {name} is not installed", cure=_CURE) from None
