"""Samples of the posterior distribution and what is read off them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import FitError, OutputError, ParameterError, suggest
from wolter.fits import atomic_path

__all__ = ["Chain", "autocorrelation_time"]

Array = npt.NDArray[np.float64]
_ARRAYS = ("samples", "log_probability", "acceptance", "autocorrelation", "weights")
_LEVEL = 0.682689492137086  # of one sigma


@dataclass(frozen=True, eq=False)
class Chain:
    """Samples of K parameters by W walkers in S steps.

    Attributes
    ----------
    method : str
        "emcee", "nautilus" or "covariance".
    names, units : tuple of str
        The free parameters of the fit and their units.
    samples : array [W, S, K]
        After burn-in and thinning. Values of cyclic parameters are continuous: they may pass the limits.
    log_probability : array [W, S]
        Logarithm of likelihood times prior, up to a constant; the likelihood is ``exp(-statistic/2)``.
    acceptance : array [W]
        Share of the proposals that each walker took.
    autocorrelation : array [K]
        Integrated autocorrelation time in steps of the chain as it is (after thinning).
    weights : array [W, S] or None
        Weights of the samples, if they are not equal.
    evidence, evidence_error : float or None
        Natural logarithm of the evidence, with ``exp(-statistic/2)`` as likelihood, and its error.
    seed : int or None
        Of the random numbers.
    burn, thin : int
        Steps that were left out at the beginning, and the distance of those that were kept.
    messages : tuple of str
        What should be known about it.
    """

    method: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    samples: Array
    log_probability: Array
    acceptance: Array
    autocorrelation: Array
    weights: Array | None = None
    evidence: float | None = None
    evidence_error: float | None = None
    seed: int | None = None
    burn: int = 0
    thin: int = 1
    messages: tuple[str, ...] = field(default=())

    # --- samples -----------------------------------------------------------------------------------------------------

    @property
    def flat(self) -> Array:
        """All samples [N, K]."""
        return self.samples.reshape(-1, self.samples.shape[2])

    @property
    def flat_weights(self) -> Array:
        """Weights [N] that add up to one."""
        count = self.log_probability.size
        if self.weights is None:
            return np.full(count, 1.0 / count)
        flat = self.weights.ravel()
        return flat / flat.sum()

    def position(self, name: str) -> int:
        """Number of a parameter, by its name or by the part after the dot where that is unique."""
        full = [n.lower() for n in self.names]
        short = [n.rpartition(".")[2] for n in full]
        key = name.lower()
        if key in full:
            return full.index(key)
        if short.count(key) == 1:
            return short.index(key)
        raise ParameterError(
            f"the chain has no parameter {name!r}",
            cure=f"{suggest(name, self.names)} It has {', '.join(self.names)}.".strip(),
        )

    def __getitem__(self, name: str) -> Array:
        """Samples [N] of a parameter."""
        return self.flat[:, self.position(name)]

    def __len__(self) -> int:
        return int(self.log_probability.size)

    @property
    def effective_size(self) -> Array:
        """Number [K] of independent samples that this many correlated or weighted ones are worth."""
        weights = self.flat_weights
        return (1.0 / np.sum(weights**2)) / np.maximum(self.autocorrelation, 1.0)

    def draw(self, count: int, seed: int | None = None) -> Array:
        """Parameter sets [count, K] drawn from the samples with their weights."""
        rng = np.random.default_rng(seed)
        return self.flat[rng.choice(len(self), size=count, p=self.flat_weights)]

    # --- statistics --------------------------------------------------------------------------------------------------

    def quantile(self, name: str, probability: float | Sequence[float]) -> Any:
        """Value (or values) below which these shares of the samples of a parameter lie."""
        values = self[name]
        order = np.argsort(values, kind="stable")
        weights = self.flat_weights[order]
        middle = np.cumsum(weights) - 0.5 * weights
        out = np.interp(probability, middle, values[order])
        return float(out) if np.ndim(probability) == 0 else out

    def interval(self, name: str, level: float = _LEVEL) -> tuple[float, float]:
        """Central interval of a parameter: equal shares of the samples lie below and above it.

        Raises
        ------
        ParameterError
            For an impossible level.
        """
        if not 0 < level < 1:
            raise ParameterError(f"confidence level {level} is not between 0 and 1")
        low, high = self.quantile(name, [0.5 * (1 - level), 0.5 * (1 + level)])
        return float(low), float(high)

    @property
    def mean(self) -> Array:
        """Mean [K]."""
        return self.flat_weights @ self.flat

    @property
    def covariance(self) -> Array:
        """Covariance [K, K]."""
        away = self.flat - self.mean
        return (away * self.flat_weights[:, None]).T @ away

    @property
    def best(self) -> dict[str, float]:
        """The sample of the highest probability."""
        row = self.flat[int(np.argmax(self.log_probability))]
        return dict(zip(self.names, row.tolist(), strict=True))

    def summary(self, level: float = _LEVEL) -> list[dict[str, Any]]:
        """For each parameter mean, standard deviation, median, central interval, and independent samples."""
        sigma = np.sqrt(np.diag(self.covariance))
        out = []
        for k, name in enumerate(self.names):
            low, high = self.interval(name, level)
            out.append(
                {
                    "name": name,
                    "unit": self.units[k],
                    "mean": float(self.mean[k]),
                    "std": float(sigma[k]),
                    "median": self.quantile(name, 0.5),
                    "lower": low,
                    "upper": high,
                    "level": level,
                    "effective_size": float(self.effective_size[k]),
                }
            )
        return out

    def __str__(self) -> str:
        lines = [f"{len(self)} samples of {len(self.names)} parameters ({self.method})"]
        for row in self.summary():
            bounds = f"{row['median']:.6g}  ({row['lower']:.6g} to {row['upper']:.6g})"
            lines.append(f"  {row['name']:<24} {bounds} {row['unit']}".rstrip())
        if self.evidence is not None:
            lines.append(f"  ln evidence {self.evidence:.3f} +- {self.evidence_error or 0.0:.3f}")
        return "\n".join([*lines, *self.messages])

    # --- files -------------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write samples and everything else as an .npz file of numpy, from which `load` makes the chain again."""
        arrays = {name: getattr(self, name) for name in _ARRAYS if getattr(self, name) is not None}
        about = {
            name: getattr(self, name)
            for name in (
                *("method", "names", "units", "evidence", "evidence_error"),
                *("seed", "burn", "thin", "messages"),
            )
        }
        if Path(path).suffix.lower() != ".npz":
            raise OutputError("a chain is written as .npz", file=path, cure="Name the file .npz.")
        with atomic_path(path, overwrite=overwrite) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Chain:
        """Chain of a file that `save` wrote.

        Raises
        ------
        FitError
            If the file is no chain.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                arrays = {name: file[name] for name in _ARRAYS if name in file}
        except (OSError, KeyError, ValueError) as exc:
            raise FitError(f"this is not a chain: {exc}", file=path) from exc
        for name in ("names", "units", "messages"):
            about[name] = tuple(about[name])
        return cls(**about, **arrays)


def autocorrelation_time(samples: Array, window: float = 5.0) -> Array:
    """Integrated autocorrelation time [K] of chains [W, S, K], in steps.

    The autocorrelation functions of the walkers are averaged, and summed up to the first lag that is `window` times
    the sum (Sokal's automatic windowing; Goodman & Weare 2010 for ensembles). Chains that do not move have an infinite
    time.
    """
    _, steps, size = samples.shape
    if steps < 4:
        return np.full(size, np.inf)
    length = 1 << (2 * steps - 1).bit_length()
    out = np.empty(size)
    for k in range(size):
        away = samples[:, :, k] - samples[:, :, k].mean(axis=1, keepdims=True)
        spectrum = np.fft.rfft(away, length, axis=1)
        function = np.fft.irfft(spectrum * np.conj(spectrum), length, axis=1)[:, :steps].sum(axis=0)
        if not function[0] > 0:
            out[k] = np.inf
            continue
        times = 2.0 * np.cumsum(function / function[0]) - 1.0
        enough = np.flatnonzero(np.arange(steps) >= window * times)
        out[k] = times[enough[0]] if enough.size else times[-1]
    return np.maximum(out, 1.0)
