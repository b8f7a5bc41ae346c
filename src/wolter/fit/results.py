"""What a fit gives back: plain, frozen records."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["ErrorResult", "FitResult", "Flux", "ParameterRow", "SpectrumRow"]

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ParameterRow:
    """One parameter of one data group.

    Attributes
    ----------
    index : int
        XSPEC's number over all groups.
    name : str
        Component and parameter, e.g. ``"powerlaw.PhoIndex"``.
    group : int
        Data group, from one.
    value : float
        In `unit`.
    sigma : float or None
        Error from the covariance at the best fit; None unless it was fitted.
    lower, upper : float or None
        Bounds of the confidence interval, once `Fit.error` has been asked for it.
    frozen : bool
        Not fitted.
    tied : str or None
        Expression it follows, ``"= p1"``.
    unit : str
        As XSPEC writes it.
    """

    index: int
    name: str
    group: int
    value: float
    sigma: float | None
    lower: float | None
    upper: float | None
    frozen: bool
    tied: str | None
    unit: str


@dataclass(frozen=True)
class SpectrumRow:
    """One spectrum of a fit.

    Attributes
    ----------
    file : str
        Name.
    group : int
        Data group.
    noticed_bins : int
        Noticed bins.
    statistic : float
        Its contribution.
    statistic_name : str
        "chi", "cstat", "pgstat" or "pstat".
    rate, rate_error : float
        Net count rate of the noticed bins and its error, counts/s.
    model_rate : float
        What the model predicts, counts/s.
    """

    file: str
    group: int
    noticed_bins: int
    statistic: float
    statistic_name: str
    rate: float
    rate_error: float
    model_rate: float


@dataclass(frozen=True)
class FitResult:
    """Outcome of `Fit.run`.

    Attributes
    ----------
    statistic : float
        At the best point.
    dof : int
        Bins minus free parameters.
    method : str
        How it was found.
    converged : bool
        Whether the criterion of the method was met.
    iterations, evaluations : int
        Rounds of the optimiser, and models computed.
    restarts : int
        Further starting points that were tried.
    messages : tuple of str
        What happened, in sentences.
    parameters : tuple of ParameterRow
        All parameters of all groups.
    names : tuple of str
        The fitted parameters.
    covariance : array [K, K] or None
        Their covariance; None if the matrix is singular.
    """

    statistic: float
    dof: int
    method: str
    converged: bool
    iterations: int
    evaluations: int
    restarts: int
    messages: tuple[str, ...]
    parameters: tuple[ParameterRow, ...]
    names: tuple[str, ...]
    covariance: Array | None

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """IPython shows the table that `print` shows."""
        printer.text("FitResult(...)" if cycle else str(self))

    def __str__(self) -> str:
        lines = [f"statistic {self.statistic:.2f} with {self.dof} degrees of freedom ({self.method})"]
        for row in self.parameters:
            if row.sigma is not None:
                name = row.name if row.group == 1 else f"{row.group}:{row.name}"
                lines.append(f"  {row.index:3d} {name:<24}{row.value:14.6g} +- {row.sigma:.3g} {row.unit}".rstrip())
        return "\n".join([*lines, *self.messages])


_CODES = (
    "a new minimum was found",
    "the statistic is not monotonic",
    "a minimisation may have run into a problem",
    "the lower hard limit was reached",
    "the upper hard limit was reached",
    "the parameter is frozen or tied",
    "the search for the lower bound failed",
    "the search for the upper bound failed",
    "the reduced chi-squared is too high",
)


@dataclass(frozen=True, repr=False)
class ErrorResult:
    """Confidence interval of a parameter.

    Attributes
    ----------
    name : str
        Component and parameter.
    group : int
        Data group.
    index : int
        XSPEC's number.
    value : float
        Best fit.
    lower, upper : float
        Bounds. Where the parameter reaches a hard limit before the statistic has risen enough, that limit; NaN if the
        search failed. Bounds of a cyclic parameter are continuous: they may pass its limits.
    delta : float
        Rise of the statistic that defines the interval.
    level : float or None
        Confidence asked for, if not `delta`.
    joint : int
        Number of parameters estimated jointly.
    codes : str
        XSPEC's nine letters, T where true: new minimum, not monotonic, minimisation problem, hard lower limit, hard
        upper limit, frozen, search failed below, search failed above, reduced chi-squared too high.
    """

    name: str
    group: int
    index: int
    value: float
    lower: float
    upper: float
    delta: float
    level: float | None
    joint: int
    codes: str

    @property
    def minus(self) -> float:
        """Distance to the lower bound, positive."""
        return self.value - self.lower

    @property
    def plus(self) -> float:
        """Distance to the upper bound."""
        return self.upper - self.value

    @property
    def notes(self) -> list[str]:
        """The codes in words."""
        return [text for letter, text in zip(self.codes, _CODES, strict=True) if letter == "T"]

    def __repr__(self) -> str:
        sure = f"{100 * self.level:g} %" if self.level is not None else f"statistic + {self.delta:g}"
        text = f"{self.name} = {self.value:.5g} ({self.lower:.5g} to {self.upper:.5g}, {sure})"
        of = f" of group {self.group}" if self.group > 1 else ""
        return f"<{text}{of}{''.join('; ' + note for note in self.notes)}>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record; bounds that are not known are None."""
        out = asdict(self)
        for key in ("lower", "upper"):
            if not np.isfinite(out[key]):
                out[key] = None
        return out


@dataclass(frozen=True, repr=False)
class Flux:
    """Flux of the model in an energy range, for one data group.

    Attributes
    ----------
    group : int
        Data group.
    lo, hi : float
        Energy range in keV, clipped to the response's.
    photons, photons_error : float
        photons/cm²/s and one sigma (NaN without a covariance).
    energy, energy_error : float
        erg/cm²/s and one sigma.
    photons_interval, energy_interval : tuple of float or None
        Bounds at `level`.
    level : float or None
        Confidence of the intervals.
    """

    group: int
    lo: float
    hi: float
    photons: float
    photons_error: float
    energy: float
    energy_error: float
    photons_interval: tuple[float, float] | None = field(default=None)
    energy_interval: tuple[float, float] | None = field(default=None)
    level: float | None = None

    def __repr__(self) -> str:
        energy = f"{self.energy:.4g} +- {self.energy_error:.2g} erg/cm2/s"
        photons = f"{self.photons:.4g} +- {self.photons_error:.2g} photons/cm2/s"
        of = f" of group {self.group}" if self.group > 1 else ""
        return f"<Flux {self.lo:g}-{self.hi:g} keV{of}: {energy}, {photons}>"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record."""
        out = asdict(self)
        for key in ("photons_error", "energy_error"):
            if not np.isfinite(out[key]):
                out[key] = None
        return out
