"""Markov chains as XSPEC runs, stores and reads them: the engine behind its commands "chain" and "margin".

A chain is a table of the free parameters and the statistic. Goodman & Weare's (2010) ensemble writes the walkers of one
step one after the other, so that `length` rows are ``length / walkers`` steps; Metropolis-Hastings has one walker.
File format: binary table CHAIN with a column ``NAME__NUMBER`` for each parameter (NUMBER is XSPEC's, over all data
groups), the column FIT_STATISTIC, and the keywords CHAINTYP, NWALKERS, TEMPRnnn, STROWnnn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError
from wolter.fit._blas import single_thread
from wolter.fit.posterior import log_prior
from wolter.fit.sampling import Posterior, _optional

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = [
    "Margin",
    "XspecChain",
    "convergence",
    "deviance_information",
    "goodman_weare",
    "margin",
    "metropolis",
    "proposal_root",
    "read_chain",
]

Array = npt.NDArray[np.float64]
_COLUMN = re.compile(r"(.+)__(\d+)")
_TYPES = {"gw": "GoodmanWeare", "mh": "MetropolisHastings"}


@dataclass(frozen=True, eq=False)
class XspecChain:
    """Rows of a chain.

    Attributes
    ----------
    numbers : tuple of int
        Numbers of the parameters over all data groups, from one.
    names : tuple of str
        Their names without component.
    values : array [N, K]
        Parameters of each row.
    statistic : array [N]
        Fit statistic of each row.
    walkers : int
        Walkers that take turns in the rows.
    algorithm : {"gw", "mh"}
        Goodman-Weare or Metropolis-Hastings.
    temperature : float
        Of Metropolis-Hastings.
    accepted : float
        Share of the proposals that were taken; NaN for a chain from a file.
    """

    numbers: tuple[int, ...]
    names: tuple[str, ...]
    values: Array
    statistic: Array
    walkers: int = 1
    algorithm: str = "gw"
    temperature: float = 1.0
    accepted: float = float("nan")

    def __len__(self) -> int:
        return len(self.statistic)

    def column(self, number: int) -> Array:
        """Values [N] of parameter `number`; zero is the statistic.

        Raises
        ------
        FitError
            If the chain does not have it.
        """
        if number == 0:
            return self.statistic
        if number not in self.numbers:
            known = ", ".join(map(str, self.numbers))
            raise FitError(f"the chain has no parameter {number}", cure=f"It has {known}; 0 is the statistic.")
        return self.values[:, self.numbers.index(number)]

    def interval(self, number: int, level: float) -> tuple[float, float]:
        """Central interval: equal shares of the rows lie below and above it."""
        low, high = np.quantile(self.column(number), [0.5 * (1 - level), 0.5 * (1 + level)])
        return float(low), float(high)

    @property
    def best(self) -> int:
        """Row of the lowest statistic."""
        return int(np.argmin(self.statistic))

    @property
    def repeats(self) -> float:
        """Share of the rows that repeat the row before of the same walker."""
        w = self.walkers
        if len(self) <= w:
            return 0.0
        return float(np.mean((self.values[w:] == self.values[:-w]).all(axis=1)))

    @staticmethod
    def join(chains: Sequence[XspecChain]) -> XspecChain:
        """One after the other.

        Raises
        ------
        FitError
            If they have different parameters.
        """
        first = chains[0]
        if any(c.numbers != first.numbers for c in chains):
            raise FitError("the chains have different parameters", cure="Unload those of another model.")
        return XspecChain(
            first.numbers,
            first.names,
            np.concatenate([c.values for c in chains]),
            np.concatenate([c.statistic for c in chains]),
            first.walkers,
            first.algorithm,
            first.temperature,
        )

    def write(self, path: str | PathLike[str], *, form: str = "fits", overwrite: bool = False) -> Path:
        """Write a file that XSPEC reads: form "fits" or "ascii"."""
        from wolter import fits

        if form == "ascii":
            return self._write_text(Path(path), overwrite)
        names = [f"{n}__{i}" for n, i in zip(self.names, self.numbers, strict=True)]
        data = {n: self.values[:, k] for k, n in enumerate(names)} | {"FIT_STATISTIC": self.statistic}
        header = fits.Header()
        for key, value, comment in (
            ("CHAINTYP", _TYPES[self.algorithm], "chain algorithm"),
            ("NWALKERS", self.walkers, "number of walkers"),
            ("NFREEPAR", len(names), "number of free parameters"),
            ("TEMPR001", self.temperature, "temperature"),
            ("STROW001", 1, "first row of this temperature"),
        ):
            header.set(key, value, comment)
        table = fits.new_table("CHAIN", data, header=header)
        fits.write(path, [fits.primary(), table], overwrite=overwrite)
        return Path(path)

    def _write_text(self, path: Path, overwrite: bool) -> Path:
        from wolter.fits import atomic_path

        rows = np.column_stack([self.values, self.statistic])
        head = [f"! Markov chain file generated by wolter  {_TYPES[self.algorithm]}  walkers: {self.walkers}"]
        head.append(f"!Length: {len(self)}  Width: {rows.shape[1]}")
        head.append(" ".join(f"{n}__{i}" for n, i in zip(self.names, self.numbers, strict=True)) + " FIT_STATISTIC")
        text = [*head, *(" ".join(f"{v:.10g}" for v in row) for row in rows.tolist())]
        with atomic_path(path, overwrite=overwrite) as temporary:
            Path(temporary).write_text("\n".join(text) + "\n", encoding="utf-8")
        return path


def read_chain(path: str | PathLike[str]) -> XspecChain:
    """Chain of a file written by XSPEC or `XspecChain.write`, FITS or text.

    Raises
    ------
    FitError
        If the file is no chain.
    """
    from wolter import fits

    with open(path, "rb") as file:
        start = file.read(30)
    if not start.startswith(b"SIMPLE"):
        return _read_text(Path(path))
    with fits.open(path) as file:
        table = file.get("CHAIN")
        if table is None:
            raise FitError("this file has no extension CHAIN", file=path, cure="Give a file that a chain run wrote.")
        columns = list(table.columns)
        data = table.read(columns)
        header = table.header
        kind = str(header.get("CHAINTYP", "GoodmanWeare")).strip().lower()
        walkers = int(header.get("NWALKERS", 1) or 1)
        temperature = float(header.get("TEMPR001", 1.0))
    values = np.column_stack([np.asarray(data[c], dtype=float) for c in columns])
    return _made(columns, values, path, walkers, "gw" if kind.startswith("g") else "mh", temperature)


def _read_text(path: Path) -> XspecChain:
    lines = path.read_text(encoding="utf-8").splitlines()
    walkers = re.search(r"walkers:\s*(\d+)", " ".join(line for line in lines if line.startswith("!")))
    body = [line.split() for line in lines if line.strip() and not line.startswith("!")]
    if len(body) < 2:
        raise FitError("this file holds no chain", file=path)
    values = np.array(body[1:], dtype=float)
    return _made(body[0], values, path, int(walkers[1]) if walkers else 1, "gw" if walkers else "mh", 1.0)


def _made(
    columns: Sequence[str], values: Array, path: str | PathLike[str], walkers: int, kind: str, temperature: float
) -> XspecChain:
    matches = [_COLUMN.fullmatch(c) for c in columns[:-1]]
    if not matches or any(m is None for m in matches) or values.shape[1] != len(columns):
        raise FitError("the columns of this file are not those of a chain", file=path)
    found = [m for m in matches if m is not None]
    numbers = tuple(int(m[2]) for m in found)
    return XspecChain(
        numbers, tuple(m[1] for m in found), values[:, :-1], values[:, -1], walkers, kind, float(temperature)
    )


# --- running ---------------------------------------------------------------------------------------------------------


def _statistic(posterior: Posterior, points: Array, log_probability: Array) -> Array:
    """Fit statistic: with Bayesian inference the priors are part of it."""
    if posterior.fit.bayes:
        return -2.0 * log_probability
    return -2.0 * (log_probability - log_prior(posterior.fit.priors, posterior.free, points))


def proposal_root(fit: Fit, source: str = "fit", values: Sequence[float] = (), scale: float = 1.0) -> Array:
    """Matrix [K, K] whose product with standard normal numbers is a proposal's step.

    Parameters
    ----------
    fit : Fit
        With the free parameters.
    source : {"fit", "diagonal", "matrix"}
        Covariance of the last fit; the diagonal of `values`; or its lower triangle, row after row.
    values : sequence of float
        See `source`.
    scale : float
        Factor of the covariance (XSPEC's "rescale").

    Raises
    ------
    FitError
        Without a fit, for a wrong number of values, or a matrix that is no covariance.
    """
    size = fit.table.free.size
    if source == "fit":
        covariance = fit.covariance
        if covariance is None:
            raise FitError("the proposal needs the covariance of a fit", cure="Fit first, or give 'gaussian diagonal'.")
        covariance = np.array(covariance)
        held = np.flatnonzero(np.diag(covariance) <= 0)  # by the fit, at a limit or without influence
        covariance[held], covariance[:, held] = 0.0, 0.0
        parameters = [fit.table.parameters[fit.table.free.positions[k]] for k in held]
        covariance[held, held] = [(0.01 * p.value or p.delta) ** 2 for p in parameters]  # the steps of derivatives
    elif source == "diagonal":
        if len(values) != size:
            raise FitError(f"{len(values)} variances for {size} free parameters")
        covariance = np.diag(np.asarray(values, dtype=float))
    else:
        if len(values) != size * (size + 1) // 2:
            raise FitError(f"{len(values)} elements are not the lower triangle for {size} free parameters")
        covariance = np.zeros((size, size))
        covariance[np.tril_indices(size)] = values
        covariance = covariance + np.tril(covariance, -1).T
    unit = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    if not (unit > 0).all():
        raise FitError("a variance of the proposal is not positive", cure="Fit again, or give 'gaussian diagonal'.")
    values_, vectors = np.linalg.eigh(covariance / np.outer(unit, unit))
    return unit[:, None] * vectors * np.sqrt(np.maximum(values_, 0.0)) * np.sqrt(scale)


def _steps(root: Array, count: int, rng: np.random.Generator, cauchy: bool) -> Array:
    normal = rng.standard_normal((count, len(root)))
    if cauchy:
        normal = normal / np.abs(rng.standard_normal((count, 1)))
    return normal @ root.T


def _identity(fit: Fit) -> tuple[tuple[int, ...], tuple[str, ...]]:
    positions = fit.table.free.positions.tolist()
    return tuple(p + 1 for p in positions), tuple(fit.table.parameters[p].name for p in positions)


def goodman_weare(
    fit: Fit,
    length: int,
    *,
    walkers: int = 10,
    burn: int = 0,
    root: Array | None = None,
    cauchy: bool = False,
    start: Array | None = None,
    seed: int | None = None,
) -> XspecChain:
    """Ensemble of walkers by the stretch move (Goodman & Weare 2010), through emcee.

    Parameters
    ----------
    fit : Fit
        At its best fit.
    length, burn : int
        Rows to keep and rows to throw away before, multiples of the number of walkers.
    walkers : int
        An even number.
    root : array [K, K], optional
        Of the distribution the walkers start from, see `proposal_root`.
    cauchy : bool
        A Cauchy distribution instead of a Gaussian one.
    start : array [walkers, K], optional
        Where the walkers are (to go on with a chain).
    seed : int, optional
        Makes the chain repeatable.

    Raises
    ------
    FitError
        If emcee is not installed, or numbers do not fit.
    """
    emcee = _optional("emcee")
    if walkers < 4 or walkers % 2:
        raise FitError(f"{walkers} walkers", cure="Take an even number, four at least.")
    if length < walkers or length % walkers or burn % walkers or burn < 0:
        raise FitError(
            f"a length of {length} and a burn of {burn} rows are not multiples of {walkers} walkers",
            cure="Change the length, the burn or the number of walkers.",
        )
    posterior = Posterior(fit)
    rng = np.random.default_rng(seed)
    if start is None:
        start = _spread(posterior, proposal_root(fit) if root is None else root, walkers, rng, cauchy)
    state = emcee.State(start, random_state=np.random.RandomState(int(rng.integers(2**31))).get_state())
    # like XSPEC, fewer walkers than twice the parameters are the user's affair
    move = emcee.moves.StretchMove(live_dangerously=True)
    sampler = emcee.EnsembleSampler(walkers, posterior.size, posterior.log_probability, vectorize=True, moves=move)
    with single_thread():
        if burn:
            state = sampler.run_mcmc(state, burn // walkers, skip_initial_state_check=True)
            sampler.reset()
        sampler.run_mcmc(state, length // walkers, skip_initial_state_check=True)
    points = sampler.get_chain().reshape(-1, posterior.size)
    statistic = _statistic(posterior, points, sampler.get_log_prob().reshape(-1))
    accepted = float(np.mean(sampler.acceptance_fraction))
    return XspecChain(*_identity(fit), points, statistic, walkers, "gw", accepted=accepted)


def _spread(posterior: Posterior, root: Array, count: int, rng: np.random.Generator, cauchy: bool) -> Array:
    """Starting points [count, K] of finite probability around the present values."""
    out = np.empty((0, posterior.size))
    for trial in range(40):
        tries = posterior.centre + 0.5 ** (trial // 4) * _steps(root, 4 * count, rng, cauchy)
        out = np.concatenate([out, tries[np.isfinite(posterior.log_probability(tries))]])[:count]
        if len(out) == count:
            return out
    raise FitError("no starting points of finite probability were found", cure="Fit first, or widen the limits.")


def metropolis(
    fit: Fit,
    length: int,
    *,
    burn: int = 0,
    root: Array | None = None,
    cauchy: bool = False,
    temperature: float = 1.0,
    spread: bool = False,
    start: Array | None = None,
    seed: int | None = None,
) -> XspecChain:
    """Chain by Metropolis-Hastings: steps of a fixed distribution, taken with ``min(1, exp(-dS / 2T))``.

    Parameters
    ----------
    fit : Fit
        At its best fit.
    length, burn : int
        Rows to keep, and steps to throw away before.
    root : array [K, K], optional
        Of the steps, see `proposal_root`.
    cauchy : bool
        Steps of a Cauchy distribution instead of a Gaussian one.
    temperature : float
        T above.
    spread : bool
        Start from a random point instead of the present one.
    start : array [K], optional
        Where to start (to go on with a chain).
    seed : int, optional
        Makes the chain repeatable.

    Raises
    ------
    FitError
        For impossible numbers.
    """
    if length < 1 or burn < 0 or not temperature > 0:
        raise FitError(f"length {length}, burn {burn}, temperature {temperature} make no chain")
    posterior = Posterior(fit)
    rng = np.random.default_rng(seed)
    root = proposal_root(fit) if root is None else root
    if start is None:
        start = _spread(posterior, root, 1, rng, cauchy)[0] if spread else posterior.centre.copy()
    here = np.asarray(start, dtype=float)
    value = float(posterior.log_probability(here[None])[0])
    points, logs = np.empty((length, posterior.size)), np.empty(length)
    taken = 0
    with single_thread():
        moves, levels = _steps(root, burn + length, rng, cauchy), np.log(rng.random(burn + length))
        for step in range(burn + length):
            trial = here + moves[step]
            new = float(posterior.log_probability(trial[None])[0])
            if levels[step] < (new - value) / temperature:
                here, value = trial, new
                taken += step >= burn
            if step >= burn:
                points[step - burn], logs[step - burn] = here, value
    statistic = _statistic(posterior, points, logs)
    return XspecChain(*_identity(fit), points, statistic, 1, "mh", float(temperature), taken / length)


# --- what is read off chains -----------------------------------------------------------------------------------------


def deviance_information(fit: Fit, chain: XspecChain) -> tuple[float, float]:
    """Deviance information criterion and effective number of parameters (Spiegelhalter et al. 2002).

    With D the statistic, ``pD = mean(D) - D(mean parameters)`` and ``DIC = mean(D) + pD``.
    """
    mean = float(chain.statistic.mean())
    centre = float(fit.likelihood.statistic(chain.values.mean(axis=0)[None])[0])
    return 2.0 * mean - centre, mean - centre


def convergence(chains: Sequence[Array]) -> tuple[float, float, float, float]:
    """Mean, total variance, variance within chains, and the convergence criterion of Gelman & Rubin (1992).

    Parameters
    ----------
    chains : sequence of array [N]
        Values of one parameter in each chain; the criterion of a single one is that of its two halves.
    """
    whole = np.concatenate(list(chains))
    parts = list(chains)
    if len(parts) == 1:
        parts = [parts[0][: len(parts[0]) // 2], parts[0][len(parts[0]) // 2 :]]
    length = min(len(p) for p in parts)
    within = float(np.mean([np.var(p, ddof=1) for p in parts]))
    between = float(np.var([np.mean(p) for p in parts], ddof=1))
    pooled = (length - 1) / length * within + between
    return float(whole.mean()), float(whole.var(ddof=1)), within, float(np.sqrt(pooled / within)) if within else 1.0


@dataclass(frozen=True, eq=False)
class Margin:
    """Distribution of one or more parameters, all others integrated over.

    Attributes
    ----------
    numbers : tuple of int
        The parameters.
    edges : tuple of array
        Bounds of the bins of each.
    fraction : array [n1, n2, ...]
        Share of the rows in each bin.
    """

    numbers: tuple[int, ...]
    edges: tuple[Array, ...]
    fraction: Array

    @property
    def axes(self) -> tuple[Array, ...]:
        """Middles of the bins."""
        return tuple(0.5 * (e[1:] + e[:-1]) for e in self.edges)

    @property
    def probability(self) -> Array:
        """Probability density: share divided by the volume of the bin."""
        volume = np.ones(())
        for edge in self.edges:
            volume = np.multiply.outer(volume, np.diff(edge))
        return self.fraction / volume

    @property
    def integrated(self) -> Array:
        """For each bin the share of all rows that lie in bins at least as populated."""
        flat = self.fraction.ravel()
        order = np.argsort(-flat, kind="stable")
        total = np.cumsum(flat[order])
        out = np.empty_like(flat)
        out[order] = total
        return out.reshape(self.fraction.shape)


def margin(chain: XspecChain, axes: Sequence[tuple[int, Array]]) -> Margin:
    """Marginal distribution of parameters (number, bounds of bins) of a chain."""
    columns = np.column_stack([chain.column(number) for number, _ in axes])
    counts, edges = np.histogramdd(columns, bins=[np.asarray(e, dtype=float) for _, e in axes])
    return Margin(tuple(n for n, _ in axes), tuple(edges), counts / len(chain))
