"""What fits of many sources give back: columns with one entry per source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import OutputError, ParameterError, suggest
from wolter.fits import atomic_path

__all__ = ["ManyFits"]

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ManyFits:
    """Fits of S sources with one model of K free parameters.

    Attributes
    ----------
    sources : tuple of str
        File of each source, or its number.
    expression : str
        The model.
    names, units : tuple of str
        The free parameters and their units.
    values, sigma : array [S, K]
        Best fit and error from the covariance; NaN where there is none.
    covariance : array [S, K, K]
        Their covariance; NaN where it is singular.
    statistic : array [S]
        Statistic at the best fit.
    bins, dof : int array [S]
        Noticed bins, and bins minus free parameters.
    converged : bool array [S]
        Whether the criterion of the fit was met.
    failed : bool array [S]
        Sources without a result; `messages` says why.
    iterations, restarts : int array [S]
        Rounds of the optimiser (of the batch the source was in), and further starting points.
    messages : tuple of str
        What happened to each source, in sentences; often empty.
    """

    sources: tuple[str, ...]
    expression: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    values: Array
    sigma: Array
    covariance: Array
    statistic: Array
    bins: npt.NDArray[np.int64]
    dof: npt.NDArray[np.int64]
    converged: Flags
    failed: Flags
    iterations: npt.NDArray[np.int64]
    restarts: npt.NDArray[np.int64]
    messages: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.sources)

    def _column(self, name: str) -> int:
        full = [n.lower() for n in self.names]
        if name.lower() in full:
            return full.index(name.lower())
        short = [n.rpartition(".")[2].lower() for n in self.names]
        if short.count(name.lower()) == 1:
            return short.index(name.lower())
        raise ParameterError(
            f"{name!r} is not one of the fitted parameters",
            cure=f"{suggest(name, self.names)} They are {', '.join(self.names)}.".strip(),
        )

    def __getitem__(self, name: str) -> Array:
        """Best-fit values [S] of a parameter (``"powerlaw.PhoIndex"``, or ``"PhoIndex"`` where that is unique)."""
        return self.values[:, self._column(name)]

    def error(self, name: str) -> Array:
        """Errors [S] of a parameter."""
        return self.sigma[:, self._column(name)]

    def columns(self) -> dict[str, Any]:
        """Everything but the covariance as columns [S] by name; errors are called ``"<parameter>_err"``."""
        out: dict[str, Any] = {"source": np.array(self.sources, dtype=str)}
        for k, name in enumerate(self.names):
            out[name] = self.values[:, k]
            out[f"{name}_err"] = self.sigma[:, k]
        return out | {
            "statistic": self.statistic,
            "bins": self.bins,
            "dof": self.dof,
            "converged": self.converged,
            "failed": self.failed,
            "message": np.array(self.messages, dtype=str),
        }

    def to_table(self) -> Any:
        """Columns as an astropy Table, with units where astropy knows them."""
        from wolter.fit.tables import make_table

        units = {n: u for name, u in zip(self.names, self.units, strict=True) for n in (name, f"{name}_err")}
        return make_table(self.columns(), units, {"model": self.expression})

    def write(self, path: str | PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the columns as ECSV or CSV, whichever the name ends in.

        Raises
        ------
        OutputError
            For another ending, or if the file exists and `overwrite` is false.
        """
        from wolter.fit.tables import write_csv, write_ecsv

        ending = Path(path).suffix.lower()
        if ending not in (".ecsv", ".csv"):
            raise OutputError(f"a table cannot be written as {ending or 'a file without ending'}", file=path)
        with atomic_path(path, overwrite=overwrite) as temporary:
            if ending == ".ecsv":
                write_ecsv(self.to_table(), temporary)
            else:
                write_csv(self.columns(), temporary)
        return Path(path)

    @classmethod
    def empty(cls, sources: Sequence[str], expression: str, names: Sequence[str], units: Sequence[str]) -> ManyFits:
        """Results of which nothing is known yet: NaN and failed, to be filled in."""
        count, size = len(sources), len(names)
        return cls(
            sources=tuple(sources),
            expression=expression,
            names=tuple(names),
            units=tuple(units),
            values=np.full((count, size), np.nan),
            sigma=np.full((count, size), np.nan),
            covariance=np.full((count, size, size), np.nan),
            statistic=np.full(count, np.nan),
            bins=np.zeros(count, dtype=np.int64),
            dof=np.zeros(count, dtype=np.int64),
            converged=np.zeros(count, dtype=bool),
            failed=np.ones(count, dtype=bool),
            iterations=np.zeros(count, dtype=np.int64),
            restarts=np.zeros(count, dtype=np.int64),
            messages=("",) * count,
        )

    def __repr__(self) -> str:
        good = int(self.converged.sum())
        return f"<ManyFits of {len(self)} sources with {self.expression}: {good} converged, {self.failed.sum()} failed>"
