"""PyXspec's object model on Wolter's engine: ``from wolter.compat.xspec import *`` in place of ``from xspec import *``.

One session per process, as in PyXspec; files are relative to the current directory. What PyXspec has and Wolter does
not raises NotImplementedError naming it.
"""

from __future__ import annotations

from wolter.compat.xspec.chains import Chain, ChainManager
from wolter.compat.xspec.data import Spectrum
from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.fake import FakeitSettings
from wolter.compat.xspec.fitting import FitManager
from wolter.compat.xspec.manager import DataManager
from wolter.compat.xspec.models import Model, ModelManager
from wolter.compat.xspec.parameters import Component, Parameter
from wolter.compat.xspec.plotting import PlotManager
from wolter.compat.xspec.pymod import callModelFunction
from wolter.compat.xspec.response import Background, Response, RModel
from wolter.compat.xspec.restrict import seal
from wolter.compat.xspec.settings import XspecSettings

__all__ = [
    "AllChains",
    "AllData",
    "AllModels",
    "Background",
    "Chain",
    "ChainManager",
    "Component",
    "DataManager",
    "FakeitSettings",
    "Fit",
    "FitManager",
    "Model",
    "ModelManager",
    "Parameter",
    "Plot",
    "PlotManager",
    "RModel",
    "Response",
    "Spectrum",
    "XspecError",
    "XspecSettings",
    "Xset",
    "callModelFunction",
]

AllData = DataManager()
AllModels = ModelManager()
AllChains = ChainManager()
Fit = FitManager()
Plot = PlotManager()
Xset = XspecSettings()
seal(Fit, Plot, Xset)
