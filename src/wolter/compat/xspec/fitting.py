"""`Fit`: statistics, minimisation, errors, steps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from wolter.compat.xspec import show
from wolter.compat.xspec.commands import ErrorCommand, StepCommand
from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION
from wolter.errors import WolterWarning
from wolter.fit._blas import single_thread
from wolter.fit.teststat import TEST_STATISTICS, evaluate_test

__all__ = ["FitManager"]

_WEIGHTS = ("standard", "gehrels", "churazov", "model")
_METHODS = {"leven": "leven", "migrad": "migrad", "simplex": "nelder-mead"}
_RENORM = {
    "auto": "Renormalization will be performed automatically",
    "prefit": "Renormalizations only performed before fitting",
    "none": "Implicit renormalizations disabled - use renorm command",
}
_ENDLESS = 10_000  # iterations where the query is answered "yes" for ever


class FitManager(Restricted):
    """`Fit`: everything about fitting."""

    _sealed = False

    def __init__(self) -> None:
        self._steps: Any = None
        self._step_names: list[int] = []
        self._goodness: list[float] = []
        self._percent = 0.0
        self._chain_rule = True
        self._renormed: Any = None  # fit and parameters at which the last renorm left it

    # -- settings -------------------------------------------------------------------------------------------------

    @property
    def statMethod(self) -> str:
        """Fit statistic: "chi", "cstat", "pgstat", "pstat"; "cstat 2" sets that of spectrum 2."""
        return " | ".join(dict.fromkeys([SESSION.options.statistic, *SESSION.options.per_spectrum.values()]))

    @statMethod.setter
    def statMethod(self, text: str) -> None:
        words = str(text).split()
        averaged = words[0][7:] if words[0].lower().startswith("whittle") and words[0][7:].isdigit() else ""
        name = _one_of(words[0].removesuffix(averaged), show.STATISTICS, "fit statistic") + averaged
        if len(words) > 1:
            from wolter.compat.xspec.ranges import number_ranges

            for spectrum in number_ranges(" ".join(words[1:]), len(SESSION.spectra)):
                SESSION.options.per_spectrum[spectrum] = name
        else:
            SESSION.options.statistic = name
            SESSION.options.per_spectrum.clear()
            SESSION.out(f"Default fit statistic is set to: {show.statistic_name(name)}")
            SESSION.out("   This will apply to all current and newly loaded spectra.")
        with translated("statistic"):
            SESSION.restate()
        show.fit_lines()

    @property
    def statTest(self) -> str:
        """Test statistic."""
        return SESSION.options.test

    @statTest.setter
    def statTest(self, text: str) -> None:
        name = _one_of(str(text).split()[0], dict.fromkeys(TEST_STATISTICS), "test statistic")
        SESSION.options.test = name
        label = show.TESTS.get(name, name).removesuffix(" statistic")
        SESSION.out(f"Default test statistic is set to: {label}")
        SESSION.out("   This will apply to all current and newly loaded spectra.")
        show.fit_lines(stale=True)

    @property
    def weight(self) -> str:
        """Weighting of chi."""
        return SESSION.options.weight

    @weight.setter
    def weight(self, text: str) -> None:
        SESSION.options.weight = _one_of(text, dict.fromkeys(_WEIGHTS), "weighting")
        with translated("weight"):
            SESSION.restate()
        if SESSION.options.weight == "gehrels":
            SESSION.out("Warning: this weight scheme is only valid for Poisson data.")
        SESSION.out(f"Variance weighted using {SESSION.options.weight} weighting")
        show.fit_lines()

    @property
    def method(self) -> str:
        """Minimiser: "leven", "migrad" or "simplex", optionally with iterations and critical delta."""
        return SESSION.options.method

    @method.setter
    def method(self, text: str | list[Any]) -> None:
        words = [str(w) for w in text] if isinstance(text, list | tuple) else str(text).split()
        known = {"leven": 0, "migrad": 0, "simplex": 0}
        if not any(k.startswith(words[0].lower()) for k in known):
            SESSION.out(f"***XSPEC Error:  Fitting Algorithm not loaded: {words[0]}")
            raise XspecError("Error executing command: method")
        name = _one_of(words[0], known, "method")
        SESSION.options.method = name
        if len(words) > 1:
            SESSION.options.iterations = int(words[1])
        if len(words) > 2:
            SESSION.options.critical_delta = float(words[2])
        show.fit_lines(stale=True)

    @property
    def nIterations(self) -> int:
        """Iterations before XSPEC asks whether to go on."""
        return SESSION.options.iterations

    @nIterations.setter
    def nIterations(self, value: int) -> None:
        SESSION.options.iterations = int(value)

    @property
    def criticalDelta(self) -> float:
        """Change of the statistic that ends a fit."""
        return SESSION.options.critical_delta

    @criticalDelta.setter
    def criticalDelta(self, value: float) -> None:
        SESSION.options.critical_delta = float(value)

    @property
    def delta(self) -> float:
        """Step of numerical derivatives as a share of the value; not positive: each parameter's own delta."""
        return SESSION.options.delta

    @delta.setter
    def delta(self, value: float) -> None:
        SESSION.options.delta = float(value)
        if SESSION.options.delta > 0:
            SESSION.out(f"Parameter delta values for fits will now be {SESSION.options.delta:g} * parValue")
        else:
            SESSION.out("xset delta <= 0.0:  Parameters will now use their own fixed delta values.")

    @property
    def query(self) -> str:
        """Answer after `nIterations`: "yes" goes on, "no" and (nobody can be asked) "on" stop."""
        return SESSION.options.query

    @query.setter
    def query(self, value: str) -> None:
        if value not in ("yes", "no", "on"):
            raise XspecError(f"Error: query must be 'yes', 'no' or 'on', not {value!r}")
        SESSION.options.query = value

    @property
    def bayes(self) -> str:
        """Whether priors count: "off" (what the engine can), "on", "cons"."""
        return SESSION.options.bayes

    @bayes.setter
    def bayes(self, value: str) -> None:
        if str(value).split()[0] not in ("off", "on", "cons"):
            raise XspecError(f"Error: bayes must be 'off', 'on' or 'cons', not {value!r}")
        SESSION.options.bayes = str(value)
        SESSION.apply_priors()
        show.fit_lines()

    # -- results --------------------------------------------------------------------------------------------------

    @property
    def statistic(self) -> float:
        """Total fit statistic."""
        if not SESSION.ready():
            return 0.0
        with single_thread():
            return _finite(SESSION.engine().statistic)

    @property
    def testStatistic(self) -> float:
        """Test statistic."""
        if not SESSION.ready():
            return 0.0
        with single_thread():
            return _finite(evaluate_test(SESSION.engine(), SESSION.options.test))

    @property
    def dof(self) -> int:
        """Degrees of freedom."""
        return SESSION.engine().dof if SESSION.ready() else 0

    @property
    def nullhyp(self) -> float:
        """Null hypothesis probability of the test statistic, for chi-squared."""
        from wolter.fit.numerics import chi2_sf

        return chi2_sf(self.testStatistic, self.dof) if self.dof > 0 else 0.0

    @property
    def nVarPars(self) -> int:
        """Number of variable parameters."""
        return SESSION.engine().table.free.size

    @property
    def covariance(self) -> tuple[float, ...]:
        """Lower triangle of the covariance of the free parameters, row after row."""
        if SESSION.covariance is None:
            raise XspecError("Error executing xset/tclout command.")
        matrix = SESSION.covariance
        return tuple(float(matrix[i, j]) for i in range(len(matrix)) for j in range(i + 1))

    # -- commands -------------------------------------------------------------------------------------------------

    def perform(self) -> None:
        """Fit."""
        from wolter.compat.xspec import fitlog

        engine, options = SESSION.engine(), SESSION.options
        limit = _ENDLESS if options.query == "yes" else options.iterations
        engine.likelihood.step_share = options.delta
        if options.renorm != "none":
            self._say_renorm(engine)
        with warnings.catch_warnings(), translated("fit"):
            warnings.simplefilter("ignore", WolterWarning)
            engine.run(
                _METHODS[options.method],
                max_iterations=None if options.method == "simplex" else limit,
                critical_delta=options.critical_delta,
                renorm=options.renorm != "none",
            )
        self._adopt(engine)
        fitlog.after_fit(engine, options.method)
        _go_on_stopping(_messages(engine))

    def _say_renorm(self, engine: Any) -> None:
        if not engine.likelihood.free.norms:
            SESSION.out(" Warning: renorm - no variable model to allow  renormalization")
        elif self._renormed is not None and self._renormed[0] is engine and self._possible(engine):
            start, then = engine.table.free.start, self._renormed[1]
            if start.shape == then.shape and np.allclose(start, then, rtol=1e-6, atol=0.0):
                SESSION.out(" renorm: no renormalization necessary")

    @staticmethod
    def _possible(engine: Any) -> bool:
        """Whether norms are scaled: not for Poisson statistics with a background."""
        spectra = engine.dataset.spectra
        return all(e.statistic == "chi" for e in spectra) or not any(e.binned.has_background for e in spectra)

    def _adopt(self, engine: Any) -> None:
        entry = SESSION.entry
        assert entry is not None
        covariance = engine.covariance
        SESSION.covariance = covariance
        if covariance is None:
            sigma = np.full(engine.table.free.size, -1.0)
        else:
            sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        for position, value in zip(engine.table.free.positions.tolist(), sigma.tolist(), strict=True):
            owner, local = SESSION.locate(position)
            owner.sigma[local] = value

    @property
    def useChainRule(self) -> bool:
        """Accepted; the engine differentiates in its own way."""
        return self._chain_rule

    @useChainRule.setter
    def useChainRule(self, value: bool) -> None:
        self._chain_rule = bool(value)

    @property
    def previousGoodness(self) -> float:
        """Percentage of the last `goodness`."""
        return self._percent

    @property
    def previousGoodnessSims(self) -> tuple[float, ...]:
        """Statistics of the simulations of the last `goodness`."""
        return tuple(self._goodness)

    def error(self, argString: str = "", respPar: bool = False) -> None:
        """Confidence intervals: ``"[stopat n tol] [maximum redchi] [nonew] [delta] parameters"``.

        With `respPar` the numbers are those of parameters of gains.
        """
        from wolter.compat.xspec import fitlog

        engine, entry = SESSION.engine(), SESSION.entry
        assert entry is not None
        command = ErrorCommand.read(argString, entry, "r" if respPar else "")
        if self._chain_errors(engine, entry, command):
            return
        if not engine.fitted:
            raise XspecError("Error executing command: error")
        stay = SESSION.options.method == "leven" or not command.new
        if self._too_high(engine, command.maximum):
            reduced = engine.statistic / engine.dof
            SESSION.out(f"Cannot do error calc: Reduced Chi^2 (= {reduced:g}) > maximum ({command.maximum:g})")
            raise XspecError("Error executing command: error")
        with warnings.catch_warnings(), translated("error"):
            warnings.simplefilter("ignore", WolterWarning)
            said = len(_messages(engine))
            results = engine.error(*command.parameters, delta=command.delta, local=stay)
        new = any(r.codes[0] == "T" for r in results)
        if new:
            self._adopt(engine)
        for result in results:
            lower = 0.0 if result.codes[3] == "T" else _or_zero(result.lower)
            upper = 0.0 if result.codes[4] == "T" else _or_zero(result.upper)
            owner, local = SESSION.locate(result.index - 1)
            owner.errors[local] = (lower, upper, result.codes)
        fitlog.after_error(results, command.delta, engine if new else None)
        _go_on_stopping(_messages(engine)[0 if new else said :])

    @staticmethod
    def _chain_errors(engine: Any, entry: Any, command: ErrorCommand) -> bool:
        """Intervals from the loaded chains, if there are any of the present parameters."""
        from wolter.compat.xspec import chains

        data = chains.rows_for(engine)
        if data is None:
            return False
        SESSION.out("Errors calculated from chains")
        SESSION.out(f" Parameter   Confidence Range ({command.delta:g})")
        for number in command.parameters:
            owner, local = SESSION.locate(number - 1)
            if number not in data.numbers:
                owner.errors[local] = (0.0, 0.0, "FFFFFTFFF")
                SESSION.out(f"*** Parameter {number} is not a variable model parameter")
                continue
            lower, upper = chains.interval(data, number, command.delta)
            owner.errors[local] = (lower, upper, "FFFFFFFFF")
            value = owner.table.parameters[local].value
            SESSION.out(f"{local + 1:6d} {lower:12.6g} {upper:12.6g}    ({lower - value:.6g},{upper - value:.6g})")
        return True

    @staticmethod
    def _too_high(engine: Any, maximum: float) -> bool:
        chi = all(e.statistic == "chi" for e in engine.dataset.spectra)
        return bool(chi and engine.dof > 0 and engine.statistic > maximum * engine.dof)

    def steppar(self, argString: str) -> None:
        """Statistic on a grid: ``"[best|current] [log|nolog] par lo hi n [par2 ...]"``, n steps."""
        from wolter.compat.xspec import fitlog

        engine, entry = SESSION.engine(), SESSION.entry
        assert entry is not None
        command = StepCommand.read(argString, entry)
        with warnings.catch_warnings(), translated("steppar"):
            warnings.simplefilter("ignore", WolterWarning)
            axes: dict[str | int, Any] = {**command.axes}
            grid = engine.grid(axes, local=SESSION.options.method == "leven", progress=False)
        self._steps = grid
        self._step_names = list(command.axes)
        fitlog.after_steppar(grid, self._step_names)
        _go_on_stopping(grid.messages)
        if grid.new_minimum and SESSION.options.query == "yes":
            self._descend(engine, list(grid.best.values()))

    def _descend(self, engine: Any, point: list[float]) -> None:
        """Fit again from a better point."""
        SESSION.out(" A new minimum was found; the parameters are set to it.")
        engine.table.store(np.array(point))
        with warnings.catch_warnings(), translated("fit"):
            warnings.simplefilter("ignore", WolterWarning)
            engine.run(_METHODS[SESSION.options.method], renorm=False)
        self._adopt(engine)

    def stepparResults(self, arg: Any) -> list[float]:
        """Values of the last steppar: "statistic", "delstat", or those of a parameter; the first runs fastest."""
        if self._steps is None:
            raise XspecError("Error: steppar has not been run")
        grid = self._steps
        if arg == "statistic":
            return _raster(grid.statistic)
        if arg == "delstat":
            return _raster(grid.statistic - grid.fit_statistic)
        number = ErrorCommand.parameter(str(arg), SESSION.entry)
        if number not in self._step_names:
            raise XspecError(f"Error: parameter {arg} was not stepped")
        axis = self._step_names.index(number)
        mesh = np.meshgrid(*grid.axes, indexing="ij")
        return _raster(mesh[axis])

    def renorm(self, setting: str | None = None) -> None:
        """Renormalise now, or choose when: "auto", "prefit", "none"."""
        if setting is not None:
            SESSION.options.renorm = _one_of(setting, _RENORM, "renorm setting")
            SESSION.out(f" {_RENORM[SESSION.options.renorm]}")
            return
        engine = SESSION.engine()
        with translated("renorm"):
            engine.renorm()
        self._renormed = (engine, engine.table.free.start.copy())
        show.fit_lines()

    def goodness(self, nRealizations: int = 100, sim: bool = False) -> float:
        """Percentage of simulations with a smaller test statistic."""
        from wolter.fit.goodness_of_fit import goodness

        engine = SESSION.engine()
        with warnings.catch_warnings(), translated("goodness"):
            warnings.simplefilter("ignore", WolterWarning)
            result = goodness(engine, int(nRealizations), test=SESSION.options.test, seed=SESSION.seed, vary=bool(sim))
        self._goodness = result.simulated.tolist()
        self._percent = result.percent_below
        SESSION.out(f"{result.percent_below:.2f}% of realizations are < best fit statistic {self.testStatistic:.2f}")
        return result.percent_below

    def ftest(self, chisq2: float, dof2: int, chisq1: float, dof1: int) -> float:
        """F-test probability of an extra component: statistic and degrees of freedom with it, then without."""
        from wolter.fit.compare import f_test

        with translated("ftest"):
            value = f_test(float(chisq2), int(dof2), float(chisq1), int(dof1))
        ratio = (float(chisq1) - float(chisq2)) / (int(dof1) - int(dof2)) / (float(chisq2) / int(dof2))
        SESSION.out(f" F statistic value = {ratio:g} and probability {value:g}")
        return value

    def improve(self, nTries: int = 1) -> None:
        """Look for a better minimum."""
        engine = SESSION.engine()
        with warnings.catch_warnings(), translated("improve"):
            warnings.simplefilter("ignore", WolterWarning)
            engine.run("default", renorm=False)
        self._adopt(engine)
        show.fit_lines()

    def show(self) -> None:
        """Print statistics and settings."""
        show.fit()


def _messages(engine: Any) -> tuple[str, ...]:
    return () if engine.result is None else engine.result.messages


def _go_on_stopping(messages: tuple[str, ...]) -> None:
    """The engine keeps what it has after Ctrl-C; the script around it is to stop all the same."""
    if any(m.startswith("interrupted") for m in messages):
        raise KeyboardInterrupt


def _one_of(text: str, known: Any, what: str) -> str:
    key = str(text).strip().lower()
    found = [k for k in known if k == key] or [k for k in known if key and k.startswith(key)]
    if not found:
        raise XspecError(f"Error: unknown {what} {text!r}")
    return found[0]


def _finite(value: float) -> float:
    return float(value)


def _or_zero(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0


def _raster(values: Any) -> list[float]:
    return np.asarray(values).ravel(order="F").tolist()
