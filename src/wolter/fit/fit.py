"""The fit as the user handles it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter._accessor import Figures
from wolter.errors import FitError, ParameterError
from wolter.fit._blas import single_thread
from wolter.fit.covariance import covariance_of
from wolter.fit.errors import Search, search_intervals
from wolter.fit.interchange import Interchange
from wolter.fit.leven import renormalise
from wolter.fit.minimum import METHODS, Minimum, find_minimum
from wolter.fit.numerics import delta_statistic
from wolter.fit.record import fit_record, parameter_rows, spectrum_rows
from wolter.fit.results import ErrorResult, FitResult, Flux, ParameterRow, SpectrumRow

if TYPE_CHECKING:
    from wolter.fit.grid import Grid
    from wolter.fit.plotdata import PlotData
    from wolter.fit.polarisation import PolarisationSpectrum

__all__ = ["Fit"]

Array = npt.NDArray[np.float64]
_XSPEC_DELTA = 2.706  # default of XSPEC's error command


class Fit(Interchange):
    """Spectra and a model: set parameters, minimise, ask for errors, grids, fluxes and plot data.

    Parameters
    ----------
    spectra : SpectrumSet or sequence of Spectrum
        With responses; spectra of one data group share all parameters.
    model : Model or str
        Is copied for every data group (`models`); the parameters of groups 2, 3 … start tied to the first's.
    statistic : str or sequence of str
        "chi", "cstat" (W statistic where a background belongs to the spectrum), "pgstat" or "pstat": for all spectra
        or one each.
    settings : Settings, optional
        Abundances, cross-sections …, if the model is given as text.
    energy : pair of Quantity, optional
        Notice only this range, by XSPEC's rule.
    weight : str
        Weighting of chi: "standard", "gehrels", "churazov" or "model".
    systematic : float
        Systematic error of the model as a fraction of it (XSPEC's "systematic"), added in quadrature by chi.
    plans : dict, optional
        Folding plans made before, which several fits of the same spectra share; new ones are added.

    Attributes
    ----------
    models : tuple of Model
        The model of each data group; their parameters are those of the fit.
    dataset : Dataset
        The spectra as the fit uses them.
    result : FitResult or None
        Of the last `run`.

    Raises
    ------
    DataError
        For an empty noticed range or values that are not finite.
    ResponseError
        If a spectrum has no response.

    Examples
    --------
    >>> fit = Fit(spectra.select(2*u.keV, 8*u.keV), "polconst*tbabs*(constant*powerlaw)")
    >>> fit.free_by_group("constant.factor")
    >>> fit.set("polconst.psi", -50)
    >>> fit.run().statistic
    """

    plot = Figures("spectrum", "polarisation")

    @property
    def parameters(self) -> tuple[ParameterRow, ...]:
        """All parameters of all data groups with errors as far as they are known."""
        return parameter_rows(self)

    @property
    def spectrum_rows(self) -> tuple[SpectrumRow, ...]:
        """What each spectrum contributes."""
        return spectrum_rows(self)

    # -- minimisation ---------------------------------------------------------------------------------------------

    def run(
        self,
        method: str = "default",
        *,
        max_iterations: int | None = None,
        critical_delta: float = 0.01,
        renorm: bool = True,
        starts: int = 0,
        seed: int | None = None,
    ) -> FitResult:
        """Minimise the statistic over the free parameters.

        Parameters
        ----------
        method : {"default", "leven", "migrad", "nelder-mead", "differential-evolution"}
            "default" is a batched Levenberg-Marquardt in which cyclic parameters may pass their limits, with
            restarts where a descent gets stuck; "leven" is one descent by XSPEC's rules, which ends in XSPEC's basin;
            "migrad" is Minuit's. The last two need no slopes; a descent follows them.
        max_iterations : int, optional
            Iterations at the most.
        critical_delta : float
            Change of the statistic that ends "leven".
        renorm : bool
            Scale the norms to the data before (XSPEC's "renorm prefit").
        starts : int
            Descend from so many further points as well, drawn from the priors or limits (Latin hypercube).
        seed : int, optional
            Makes what is drawn repeatable.

        Returns
        -------
        FitResult
            Also kept as `result`. After Ctrl-C it holds the best point so far.

        Raises
        ------
        FitError
            If nothing is free, the model is not finite, or the method is unknown.
        """
        if method not in METHODS:
            raise FitError(f"unknown method {method!r}", cure=f"Known are {', '.join(METHODS)}.")
        self.check()
        likelihood = self.likelihood
        likelihood.n_calls = 0
        with single_thread():
            minimum = find_minimum(
                likelihood,
                method=method,
                max_iterations=max_iterations,
                critical_delta=critical_delta,
                renorm=renorm,
                seed=seed,
            )
            if starts > 0:
                from wolter.fit.global_search import restart

                minimum = restart(likelihood, minimum, starts, seed=seed, priors=self.priors)
        self._method = method
        return self._adopt(minimum)

    def renorm(self) -> None:
        """Scale all free norms by the factor that fits the data best, now (XSPEC's "renorm")."""
        self.table.store(renormalise(self.likelihood, self.table.free.start))

    def _adopt(self, minimum: Minimum) -> FitResult:
        self.table.store(minimum.point)
        messages = list(minimum.messages)
        self._covariance, trouble = covariance_of(minimum.alpha, self.table.free.names)
        messages += trouble
        self._fit_version = self.table.version
        self._errors = {}
        self.result = FitResult(
            statistic=minimum.statistic,
            dof=self.dof,
            method=self._method,
            converged=minimum.converged,
            iterations=minimum.iterations,
            evaluations=self.likelihood.n_calls,
            restarts=minimum.restarts,
            messages=tuple(messages),
            parameters=self.parameters,
            names=tuple(self.names),
            covariance=self._covariance,
        )
        return self.result

    # -- errors and grids -----------------------------------------------------------------------------------------

    def error(
        self,
        *names: str | int,
        level: float | None = None,
        delta: float | None = None,
        joint: int = 1,
        local: bool | None = None,
    ) -> list[ErrorResult]:
        """Confidence intervals from the profile of the statistic.

        Parameters
        ----------
        *names : str or int
            Parameters or components; by default all free parameters.
        level : float, optional
            Confidence, e.g. 0.9.
        delta : float, optional
            Rise of the statistic instead; the default is XSPEC's 2.706.
        joint : int
            Number of parameters the level is for: 2 gives the extent of the joint region of two.
        local : bool, optional
            Stay in the basin of the fit: limits of cyclic parameters are walls, a lower minimum met on the way is
            ignored. By default true after "leven" only.

        Returns
        -------
        list of ErrorResult
            In the order asked for; they also appear in `parameters`. If a new minimum is found it becomes the best fit
            and all intervals are searched again from it (code 1, and a message in `result`).

        Raises
        ------
        FitError
            If the parameters have been changed since the last `run`.
        ParameterError
            For unknown names or an impossible level.
        """
        rise = _rise(level, delta, joint)
        positions = [p for name in names for p in self.table.find_all(name)] or self.table.free.positions.tolist()
        if not self.fitted or self.result is None:
            raise FitError("errors need a fit, and the parameters were changed since", cure="Call run() first.")
        stay = self._method == "leven" if local is None else local
        wanted = [p for p in dict.fromkeys(positions) if p in self.table.free.positions]
        found = False
        with single_thread():
            search = self._search(wanted, rise, stay)
            while search.better is not None:
                found = True
                self._move_to(search.better[1])
                search = self._search(wanted, rise, stay)
        high = self._reduced_too_high()
        for i, position in enumerate(wanted):
            flags = search.codes[i] if search.codes else [False] * 9
            flags[0], flags[8] = found, high
            codes = "".join("T" if f else "F" for f in flags)
            bounds = float(search.lower[i]), float(search.upper[i])
            self._errors[position] = self._error_result(position, *bounds, rise, level, joint, codes)
        if search.interrupted:
            self._note("interrupted: bounds that were not reached are NaN")
        nan = float("nan")
        return [
            self._errors[p] if p in wanted else self._error_result(p, nan, nan, rise, level, joint, "FFFFFTFFF")
            for p in positions
        ]

    def _search(self, wanted: list[int], rise: float, local: bool) -> Search:
        assert self.result is not None
        place = {int(p): k for k, p in enumerate(self.table.free.positions)}
        return search_intervals(
            self.likelihood,
            self.table.free.start,
            self.result.statistic,
            self._covariance,
            [place[p] for p in wanted],
            rise,
            local=local,
        )

    def _error_result(
        self, position: int, lower: float, upper: float, delta: float, level: float | None, joint: int, codes: str
    ) -> ErrorResult:
        parameter = self.table.parameters[position]
        return ErrorResult(
            name=parameter.full_name,
            group=self.table.group(position),
            index=position + 1,
            value=parameter.value,
            lower=lower,
            upper=upper,
            delta=delta,
            level=level,
            joint=joint,
            codes=codes,
        )

    def _move_to(self, point: Array) -> None:
        """Fit again from a better point that was met by chance."""
        assert self.result is not None
        before = self.result.statistic
        self.table.store(np.clip(point, self.table.free.lower, self.table.free.upper))
        minimum = find_minimum(self.likelihood, method="default", renorm=False)
        minimum.messages.insert(0, f"a new minimum was found: {minimum.statistic:.2f} instead of {before:.2f}")
        self._adopt(minimum)

    def _note(self, message: str) -> None:
        if self.result is not None:
            self.result = replace(self.result, messages=(*self.result.messages, message))

    def _reduced_too_high(self) -> bool:
        """XSPEC refuses errors if the reduced chi-squared exceeds 2; here it is only said."""
        chi = all(e.statistic == "chi" for e in self.dataset.spectra)
        return bool(chi and self.result is not None and self.dof > 0 and self.result.statistic > 2 * self.dof)

    def grid(self, axes: Mapping[str | int, Any], *, local: bool | None = None, progress: bool | None = None) -> Grid:
        """Statistic on a grid, all other free parameters refitted at every point.

        Parameters
        ----------
        axes : mapping
            For each parameter ``(lo, hi, number of points)``, ``(lo, hi, number, "log")`` or an array of values.
        local : bool, optional
            Stay in the basin of the fit; by default after "leven" only.
        progress : bool, optional
            Show a progress bar; by default on a terminal when it takes long.

        Returns
        -------
        Grid
            ``statistic[i, j, ...]`` in the order of the axes. The fit is left as it is, even if the grid found a
            better point; `adopt` moves there.

        Raises
        ------
        ParameterError
            For unknown, frozen or tied parameters, or values outside the hard limits.
        """
        from wolter.fit.grid import axis_values, compute_grid

        if not axes:
            raise ParameterError("the grid has no axes", cure="Give for example {'powerlaw.PhoIndex': (1, 3, 21)}.")
        free = self.table.free
        place = {int(p): k for k, p in enumerate(free.positions)}
        values: dict[int, Array] = {}
        units = []
        for name, spec in axes.items():
            position = self.table.find(name)
            parameter = self.table.parameters[position]
            if position not in place:
                state = "tied" if parameter.tie else "frozen"
                raise ParameterError(f"parameter {self.table.label(position)} is {state} and cannot be an axis")
            k = place[position]
            axis = axis_values(self.table.label(position), spec)
            if not parameter.cyclic and (axis.min() < free.lower[k] or axis.max() > free.upper[k]):
                raise ParameterError(
                    f"the axis of {self.table.label(position)} from {axis.min():g} to {axis.max():g} leaves its limits "
                    f"{free.lower[k]:g} to {free.upper[k]:g}"
                )
            values[k] = axis
            units.append(parameter.unit)
        stay = self._method == "leven" if local is None else local
        with single_thread():
            return compute_grid(
                self.likelihood,
                free.start,
                self.statistic,
                self.covariance,
                values,
                units,
                local=stay,
                progress=progress,
            )

    def adopt(self, grid: Any) -> FitResult:
        """Fit again from the best point of a grid."""
        if tuple(grid.fitted) != tuple(self.table.free.names):
            raise FitError("the grid belongs to other free parameters")
        point = np.array(list(grid.best.values()))
        self.table.store(np.clip(point, self.table.free.lower, self.table.free.upper))
        return self.run("default", renorm=False)

    # -- derived quantities ---------------------------------------------------------------------------------------

    def flux(
        self,
        lo: Any,
        hi: Any,
        *,
        level: float | None = None,
        draws: int = 0,
        seed: int | None = None,
        spectra: bool = False,
        without: str | Iterable[str] | None = None,
        only: str | Iterable[str] | None = None,
    ) -> list[Flux]:
        """Flux of the model in an energy range, one entry per data group (or per spectrum).

        Parameters
        ----------
        lo, hi : Quantity
            Energies; clipped to those of the response.
        level : float, optional
            Confidence of intervals.
        draws : int
            Parameter sets drawn from the covariance for them; 0 means Gaussian propagation.
        seed : int, optional
            Of the draws.
        spectra : bool
            Per spectrum, with its own Stokes parameter.
        without : str or iterable of str, optional
            Components left out: ``without="TBabs"`` is the unabsorbed flux.
        only : str or iterable of str, optional
            Additive components of which the flux is wanted.
        """
        from wolter.fit.flux import model_fluxes
        from wolter.fit.selection import model_part
        from wolter.units import to_range_kev

        low, high = to_range_kev((lo, hi))
        whole = without is None and only is None
        return model_fluxes(
            self.dataset,
            self.table,
            low,
            high,
            self.covariance,
            level=level,
            draws=draws,
            seed=seed,
            spectra=spectra,
            part=None if whole else model_part(self.model, without=without, only=only),
        )

    def plot_data(
        self,
        index: int | Iterable[int] = 1,
        *,
        x: str = "keV",
        area: bool = False,
        rebin: tuple[float, int] | None = None,
    ) -> PlotData:
        """Data, model and residuals of a spectrum as they are plotted.

        Parameters
        ----------
        index : int or iterable of int
            Number of the spectrum from one, or of several with the same bins, of which the mean is shown.
        x : {"keV", "channel"}
            Abscissa.
        area : bool
            Per cm² of effective area.
        rebin : tuple (min_sigma, max_bins), optional
            Join bins for the figure.

        Returns
        -------
        PlotData
        """
        from wolter.fit.plotdata import make_plot_data

        entries = self._entries(index)
        folded = self.folded()
        return make_plot_data(entries, [folded[e.number - 1] for e in entries], x=x, area=area, rebin=rebin)

    def polarisation(self, group: int | str | Iterable[int] = "all", *, bins: Any = None) -> PolarisationSpectrum:
        """Polarisation angle and fraction against energy.

        Parameters
        ----------
        group : int, iterable of int, or "all"
            Data groups whose I, Q, U spectra are added.
        bins : Quantity or int, optional
            Edges of energy bins, or the number of equal ones over the noticed range; by default every bin of the
            spectra.

        Returns
        -------
        PolarisationSpectrum
        """
        from wolter.fit.polarisation import make_polarisation
        from wolter.units import to_kev

        groups = range(1, self.dataset.n_groups + 1) if group == "all" else group
        wanted = {groups} if isinstance(groups, int) else set(groups)  # type: ignore[arg-type]
        entries = [e for e in self.dataset.spectra if e.group in wanted]
        if not entries:
            raise FitError(f"there is no data group {group}", cure=f"Groups go from 1 to {self.dataset.n_groups}.")
        edges = None
        if isinstance(bins, int):
            lo, hi = entries[0].plan.bin_lo.min(), entries[0].plan.bin_hi.max()
            edges = np.linspace(lo, hi, bins + 1)
        elif bins is not None:
            edges = np.asarray(to_kev(bins, "bins"), dtype=float)
        folded = self.folded()
        return make_polarisation(entries, [folded[e.number - 1] for e in entries], edges)

    def mdp(self, *, energy: Any = None, groups: Sequence[int] | None = None) -> float:
        """Minimum detectable polarisation (99 %) of the spectra; see `measured_mdp`."""
        from wolter.fit.mdp import measured_mdp

        return measured_mdp(self, energy=energy, groups=groups)

    # -- output ---------------------------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready record: statistic, degrees of freedom, parameters, spectra, model and settings."""
        return fit_record(self)

    def __repr__(self) -> str:
        return (
            f"<Fit of {len(self.dataset.spectra)} spectra ({self.n_bins} bins) with {self.model.expression}, "
            f"{self.table.free.size} free parameters>"
        )


def _rise(level: float | None, delta: float | None, joint: int) -> float:
    if level is not None and delta is not None:
        raise ParameterError("level and delta are both given", cure="Give one of them.")
    if delta is not None:
        if not delta > 0:
            raise ParameterError(f"a rise of the statistic by {delta} bounds nothing", cure="Give a positive delta.")
        return float(delta)
    if level is None:
        return _XSPEC_DELTA if joint == 1 else delta_statistic(0.9, joint)
    try:
        return delta_statistic(level, joint)
    except ValueError as exc:
        raise ParameterError(str(exc), cure="Give for example level=0.9, joint=1.") from None
