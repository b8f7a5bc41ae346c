"""Fitting: datasets, statistics, optimisers, errors, grids, fluxes.

The public names load their modules on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wolter._lazy import lazy_exports

if TYPE_CHECKING:
    from wolter.fit.background import BackgroundFit
    from wolter.fit.chain import Chain
    from wolter.fit.compare import LikelihoodRatio, aic, bic, f_test, likelihood_ratio
    from wolter.fit.dataset import Dataset
    from wolter.fit.eqwidth import EquivalentWidth, equivalent_width
    from wolter.fit.fit import Fit
    from wolter.fit.goodness_of_fit import Goodness, goodness
    from wolter.fit.grid import Grid
    from wolter.fit.limits import UpperLimit, poisson_upper_limit, upper_limit
    from wolter.fit.luminosities import Luminosity, luminosity
    from wolter.fit.many import fit_many
    from wolter.fit.many_results import ManyFits
    from wolter.fit.mdp import mdp99, measured_mdp, predict_mdp
    from wolter.fit.minos import minos_errors
    from wolter.fit.numerics import delta_statistic
    from wolter.fit.plotdata import PlotData
    from wolter.fit.polarisation import PolarisationSpectrum
    from wolter.fit.prediction import Prediction, posterior_predictive
    from wolter.fit.priors import Exponential, Flat, Gaussian, Jeffreys, LogUniform, Uniform
    from wolter.fit.results import ErrorResult, FitResult, Flux, ParameterRow, SpectrumRow
    from wolter.fit.sampling import draw_covariance, sample_emcee, sample_nautilus
    from wolter.fit.sources import Gain, JointTable, Source, SourcesFit
    from wolter.fit.teststat import evaluate_test
    from wolter.fit.xcm import read_xcm
    from wolter.fit.xcm_writer import write_xcm

_EXPORTS: dict[str, str] = {
    "BackgroundFit": "background",
    "Chain": "chain",
    "Dataset": "dataset",
    "EquivalentWidth": "eqwidth",
    "ErrorResult": "results",
    "Exponential": "priors",
    "Fit": "fit",
    "FitResult": "results",
    "Flat": "priors",
    "Flux": "results",
    "Gain": "sources",
    "Gaussian": "priors",
    "Goodness": "goodness_of_fit",
    "Grid": "grid",
    "Jeffreys": "priors",
    "JointTable": "sources",
    "LikelihoodRatio": "compare",
    "LogUniform": "priors",
    "Luminosity": "luminosities",
    "ManyFits": "many_results",
    "ParameterRow": "results",
    "PlotData": "plotdata",
    "PolarisationSpectrum": "polarisation",
    "Prediction": "prediction",
    "Source": "sources",
    "SourcesFit": "sources",
    "SpectrumRow": "results",
    "Uniform": "priors",
    "UpperLimit": "limits",
    "aic": "compare",
    "bic": "compare",
    "delta_statistic": "numerics",
    "draw_covariance": "sampling",
    "equivalent_width": "eqwidth",
    "evaluate_test": "teststat",
    "f_test": "compare",
    "fit_many": "many",
    "goodness": "goodness_of_fit",
    "likelihood_ratio": "compare",
    "luminosity": "luminosities",
    "mdp99": "mdp",
    "measured_mdp": "mdp",
    "minos_errors": "minos",
    "poisson_upper_limit": "limits",
    "posterior_predictive": "prediction",
    "predict_mdp": "mdp",
    "read_xcm": "xcm",
    "sample_emcee": "sampling",
    "sample_nautilus": "sampling",
    "upper_limit": "limits",
    "write_xcm": "xcm_writer",
}

__all__ = [
    "BackgroundFit",
    "Chain",
    "Dataset",
    "EquivalentWidth",
    "ErrorResult",
    "Exponential",
    "Fit",
    "FitResult",
    "Flat",
    "Flux",
    "Gain",
    "Gaussian",
    "Goodness",
    "Grid",
    "Jeffreys",
    "JointTable",
    "LikelihoodRatio",
    "LogUniform",
    "Luminosity",
    "ManyFits",
    "ParameterRow",
    "PlotData",
    "PolarisationSpectrum",
    "Prediction",
    "Source",
    "SourcesFit",
    "SpectrumRow",
    "Uniform",
    "UpperLimit",
    "aic",
    "bic",
    "delta_statistic",
    "draw_covariance",
    "equivalent_width",
    "evaluate_test",
    "f_test",
    "fit_many",
    "goodness",
    "likelihood_ratio",
    "luminosity",
    "mdp99",
    "measured_mdp",
    "minos_errors",
    "poisson_upper_limit",
    "posterior_predictive",
    "predict_mdp",
    "read_xcm",
    "sample_emcee",
    "sample_nautilus",
    "upper_limit",
    "write_xcm",
]

__getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
