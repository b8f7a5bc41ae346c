"""The part of a fit that deals with files and samplers: saving, loading, tables, plot data, chains."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from wolter.errors import FitError
from wolter.fit.results import ErrorResult, FitResult
from wolter.fit.state import FitState

if TYPE_CHECKING:
    from wolter.fit.chain import Chain
    from wolter.fit.fit import Fit
    from wolter.fit.plotdata import PlotData

__all__ = ["Interchange"]


class Interchange(FitState):
    """Reading and writing of fits. See `wolter.fit.Fit`."""

    def _require_one_model(self, what: str) -> None:
        """Raise for fits in which spectra see different models: read again, such a file would be another fit."""
        if not self._one_model:
            raise FitError(
                f"a {type(self).__name__} cannot be {what}: its spectra see different models",
                cure="Keep the script that makes it; results can be kept with to_dict() and to_table().",
            )

    def save(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write everything as JSON: files with hashes, noticed channels, model, parameters, results; see `load`.

        Raises
        ------
        FitError
            If a redistribution matrix exists in memory only, or for a fit of several models (`BackgroundFit`).
        OutputError
            If the file exists and `overwrite` is false.
        """
        self._require_one_model("saved")
        from wolter.fit.saving import save_fit

        return save_fit(cast("Fit", self), path, overwrite=overwrite)

    @classmethod
    def load(
        cls, path: str | PathLike[str], *, changed: str = "error", folder: str | PathLike[str] | None = None
    ) -> Self:
        """Fit as it was saved, results included.

        Parameters
        ----------
        path : path-like
            From `save`.
        changed : {"error", "warn"}
            What happens if a data file is not what it was.
        folder : path-like, optional
            Where the data files are now.

        Raises
        ------
        FitError
            If the file is not a saved fit.
        DataError
            If a data file is missing or has changed.
        """
        from wolter.fit.saving import load_fit

        return cast(Self, load_fit(cast("type[Fit]", cls), path, changed=changed, folder=folder))

    def restore_result(self, result: FitResult, errors: dict[int, ErrorResult]) -> None:
        """Take the present parameters for those of a fit that was done before, with its result and errors."""
        self.result = result
        self._covariance = result.covariance
        self._method = result.method
        self._errors = dict(errors)
        self._fit_version = self.table.version

    def to_table(self) -> Any:
        """All parameters as an astropy Table; see `wolter.fit.tables.parameter_table`."""
        from wolter.fit.tables import parameter_table

        return parameter_table(cast("Fit", self))

    def write_parameters(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write all parameters as .ecsv, .csv or .tex (a LaTeX tabular).

        Raises
        ------
        OutputError
            For another ending, or if the file exists and `overwrite` is false.
        """
        from wolter.fit.tables import write_parameters

        return write_parameters(cast("Fit", self), path, overwrite=overwrite)

    def write_plot_data(
        self,
        path: str | PathLike[str],
        index: int | Iterable[int] | None = None,
        *,
        overwrite: bool = False,
        **options: Any,
    ) -> Path:
        """Write spectra with folded model as .qdp or .csv.

        Parameters
        ----------
        path : path-like
            File.
        index : int or iterable of int, optional
            Numbers of the spectra; all by default.
        overwrite : bool
            Replace the file if it exists.
        **options
            Of `Fit.plot_data`.
        """
        from wolter.fit.plot_export import write_plot_data

        fit = cast("Fit", self)
        if index is None:
            index = range(1, len(self.dataset.spectra) + 1)
        numbers = [index] if isinstance(index, int) else list(index)
        data: list[PlotData] = [fit.plot_data(i, **options) for i in numbers]
        return write_plot_data(data, path, title=self.model.expression, overwrite=overwrite)

    def write_xcm(self, path: str | PathLike[str], *, overwrite: bool = False, digits: int = 10) -> Path:
        """Write an XSPEC command file; see `wolter.fit.xcm_writer.write_xcm`."""
        self._require_one_model("written as a command file")
        from wolter.fit.xcm_writer import write_xcm

        return write_xcm(cast("Fit", self), path, overwrite=overwrite, digits=digits)

    def sample(self, method: str = "emcee", **options: Any) -> Chain:
        """Samples of the posterior distribution of the free parameters.

        Parameters
        ----------
        method : {"emcee", "nautilus", "covariance"}
            See `wolter.fit.sampling.sample_emcee`, `sample_nautilus` and `draw_covariance`.
        **options
            Of that function: ``steps``, ``walkers``, ``live``, ``draws``, ``seed`` …

        Raises
        ------
        FitError
            For an unknown method, a sampler that is not installed, or priors that cannot be normalised.
        """
        from wolter.fit import sampling

        functions: dict[str, Any] = {
            "emcee": sampling.sample_emcee,
            "nautilus": sampling.sample_nautilus,
            "covariance": sampling.draw_covariance,
        }
        if method not in functions:
            raise FitError(f"unknown sampler {method!r}", cure=f"Known are {', '.join(functions)}.")
        return functions[method](cast("Fit", self), **options)

    def minos(self, *names: str | int, delta: float = 1.0, level: float | None = None) -> list[ErrorResult]:
        """Errors by Minuit's MINOS, see `wolter.fit.minos.minos_errors`; `error` is the usual way."""
        from wolter.fit.minos import minos_errors

        return minos_errors(cast("Fit", self), *names, delta=delta, level=level)
