"""Fitting: datasets, statistics, optimisers, errors, grids, fluxes.

The public names load their modules on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.fit.dataset import Dataset
    from wolter.fit.fit import Fit
    from wolter.fit.grid import Grid
    from wolter.fit.many import fit_many
    from wolter.fit.many_results import ManyFits
    from wolter.fit.mdp import mdp99, measured_mdp, predict_mdp
    from wolter.fit.numerics import delta_statistic
    from wolter.fit.plotdata import PlotData
    from wolter.fit.polarisation import PolarisationSpectrum
    from wolter.fit.results import ErrorResult, FitResult, Flux, ParameterRow, SpectrumRow
    from wolter.fit.xcm import read_xcm
    from wolter.fit.xcm_writer import write_xcm

_EXPORTS: dict[str, str] = {
    "Dataset": "dataset",
    "ErrorResult": "results",
    "Fit": "fit",
    "FitResult": "results",
    "Flux": "results",
    "Grid": "grid",
    "ManyFits": "many_results",
    "ParameterRow": "results",
    "PlotData": "plotdata",
    "PolarisationSpectrum": "polarisation",
    "SpectrumRow": "results",
    "delta_statistic": "numerics",
    "fit_many": "many",
    "mdp99": "mdp",
    "measured_mdp": "mdp",
    "predict_mdp": "mdp",
    "read_xcm": "xcm",
    "write_xcm": "xcm_writer",
}

__all__ = [
    "Dataset",
    "ErrorResult",
    "Fit",
    "FitResult",
    "Flux",
    "Grid",
    "ManyFits",
    "ParameterRow",
    "PlotData",
    "PolarisationSpectrum",
    "SpectrumRow",
    "delta_statistic",
    "fit_many",
    "mdp99",
    "measured_mdp",
    "predict_mdp",
    "read_xcm",
    "write_xcm",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
