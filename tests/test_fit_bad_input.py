"""What goes wrong with a fit, and what is said about it."""

from __future__ import annotations

import warnings

import astropy.units as u
import numpy as np
import pytest

from fit_support import counts, expected_rate, response, spectrum, stokes_spectra
from wolter.data import SpectrumSet
from wolter.errors import DataError, FitError, ModelError, ParameterError, ResponseError, UnitError, WolterWarning
from wolter.fit import Fit
from wolter.models import Model, Settings
from wolter.models.definitions import ComponentDef, par
from wolter.models.grammar import Leaf, Product
from wolter.models.registry import get_component


def power_law() -> Model:
    return Model("powerlaw", PhoIndex=2, norm=0.5)


@pytest.fixture
def fit() -> Fit:
    spectra = SpectrumSet([counts(power_law()), counts(power_law(), seed=2)], groups=[1, 2])
    return Fit(spectra, "tbabs*powerlaw", statistic="cstat")


def test_value_outside_the_limits(fit):
    with pytest.raises(
        ParameterError, match=r"value 12 of parameter powerlaw\.PhoIndex is outside its limits -3 to 10"
    ):
        fit.set("PhoIndex", 12)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("powerlw.PhoIndex", "powerlaw"),
        ("powerlaw.Phoindx", "PhoIndex"),
        ("nHH", "nH"),
        ("3:powerlaw.norm", "1 to 2"),
        (7, "1 to 6"),
        ("p0", "1 to 6"),
    ],
)
@pytest.mark.parametrize("verb", ["set", "freeze", "thaw", "untie", "free_by_group", "tie", "limits"])
def test_unknown_names_in_every_verb(fit, name, hint, verb):
    arguments = {"set": (1.0,), "tie": ("p1",), "limits": (0, 1)}.get(verb, ())
    with pytest.raises(ParameterError, match=hint):
        getattr(fit, verb)(name, *arguments)


def test_unknown_component_in_the_expression():
    with pytest.raises(ModelError, match="powerlaw"):
        Fit([counts(power_law())], "tbabs*powerlow")


def test_unknown_names_in_errors(fit):
    fit.run()
    with pytest.raises(ParameterError, match="PhoIndex"):
        fit.error("PhoIndx")


def test_circular_ties_between_groups(fit):
    fit.tie("TBabs.nH", "2*p6")
    with pytest.raises(ParameterError, match=r"circle: .*2:powerlaw\.norm"):
        fit.tie("2:powerlaw.norm", "p1 + 1")


def test_empty_noticed_range():
    with pytest.raises(DataError, match=r"no channel is left"):
        Fit([counts(power_law())], "powerlaw", energy=(20 * u.keV, 30 * u.keV))
    data = counts(power_law())
    data.quality = np.ones(len(data.channel), dtype=np.int16)
    with pytest.raises(DataError, match="no channel is noticed"):
        Fit([data], "powerlaw")


def test_energy_without_unit():
    with pytest.raises(UnitError, match="keV"):
        Fit([counts(power_law())], "powerlaw", energy=(2, 8))
    with pytest.raises(UnitError, match="keV"):
        Fit([counts(power_law())], "powerlaw").flux(2, 8)


def test_nothing_free(fit):
    fit.freeze("TBabs", "powerlaw")
    with pytest.raises(FitError, match="no parameter is free"):
        fit.run()


@pytest.mark.parametrize("what", ["values", "stat_err"])
def test_nan_data(what):
    rmf, arf, _ = response()
    arrays = {"values": np.ones(40), "stat_err": np.ones(40)}
    arrays[what][7] = np.nan
    with pytest.raises(DataError, match="not a number"):
        spectrum(arrays["values"], rmf, arf, stat_err=arrays["stat_err"], is_rate=True, poisson=False)


def test_infinite_rates_reach_no_fit():
    data = counts(power_law())
    data.values[3] = np.inf  # after the checks of the spectrum itself
    with pytest.raises(DataError, match="not a number"):
        Fit([data], "powerlaw")


def test_more_parameters_than_bins():
    data = counts(power_law())
    data.quality = np.where(np.arange(40) < 2, 0, 1).astype(np.int16)
    fit = Fit([data], "tbabs*powerlaw", statistic="cstat")
    with pytest.warns(WolterWarning, match="3 free parameters but only 2 bins"):
        fit.run()


def test_statistic_for_data_that_are_not_poisson():
    spectra = stokes_spectra(Model("polconst*powerlaw"))[:1]
    with pytest.warns(WolterWarning, match="cstat is only valid for Poisson data"):
        Fit(spectra, "powerlaw", statistic="cstat")


def test_w_statistic_with_a_background_that_is_not_poisson():
    data = counts(power_law())
    rmf, arf, _ = response()
    data.background = spectrum(np.full(40, 0.1), rmf, arf, is_rate=True, poisson=False, stat_err=np.full(40, 0.01))
    with pytest.warns(WolterWarning, match="needs a Poisson background"):
        Fit([data], "powerlaw", statistic="cstat")


def test_bins_without_variance():
    rmf, arf, _ = response()
    values = expected_rate(power_law(), rmf, arf)
    error = np.full(40, 0.1)
    error[[3, 9]] = 0.0
    data = spectrum(values, rmf, arf, is_rate=True, poisson=False, stat_err=error)
    with pytest.warns(WolterWarning, match="zero variance in spectrum 1"):
        Fit([data], "powerlaw")


def test_mixed_weightings():
    i, q, u_ = stokes_spectra(Model("polconst*powerlaw"), telescop="ACME")
    for s, weight in ((i, "NEFF"), (q, "SIMPLE"), (u_, "NEFF")):
        s.header["STOKESWT"] = weight
    with pytest.raises(DataError, match="different weightings"):
        Fit([i, q, u_], "polconst*powerlaw")


def test_spectrum_without_response():
    data = spectrum(np.ones(40), None, None)
    with pytest.raises(ResponseError, match="no response"):
        Fit([data], "powerlaw")


def test_degenerate_parameters_are_named():
    fit = Fit([counts(power_law())], "constant*powerlaw", statistic="cstat")
    result = fit.run()
    assert result.covariance is None
    assert any(
        "constant.factor and powerlaw.norm cannot be told apart" in m and "singular" in m for m in result.messages
    )
    assert all(p.sigma is None for p in fit.parameters)
    assert fit.to_dict()["covariance"] is None
    # the intervals are found all the same, without a first guess from the covariance
    (index,) = fit.error("PhoIndex", delta=1.0)
    assert 0.01 < index.plus < 0.1


def broken_model(function) -> Model:
    """powerlaw times a component that misbehaves."""
    model = Model("constant*powerlaw")
    definition = ComponentDef("broken", "mul", (par("x", "", 1.0, 0, 0, 10, 10, 0.1),), function)
    node = Product((Leaf(definition, 1), Leaf(get_component("powerlaw"), 2)))
    model.__dict__["node"] = node
    return model


def test_model_that_is_nan_at_the_start(monkeypatch):
    fit = Fit([counts(power_law())], "powerlaw")

    def nan(edges, pars, ctx):
        return np.full((len(pars), len(edges) - 1), np.nan)

    from wolter.fit.likelihood import ModelSet

    fit._models = ModelSet(fit.dataset, broken_model(nan).node)
    fit.table = type(fit.table)(Model("constant*powerlaw"), 1)
    with pytest.raises(FitError, match=r"the model is not a number in 40 bins .*constant\.factor=1"):
        fit.run()


def test_model_that_becomes_nan_on_the_way():
    # where the component is undefined the descent must turn back, not follow
    fit = Fit([counts(power_law())], "powerlaw", statistic="cstat")

    def half(edges, pars, ctx):
        return np.where(pars[:, :1] > 0.4, pars[:, :1], np.nan) * np.ones(len(edges) - 1)

    from wolter.fit.likelihood import ModelSet

    fit._models = ModelSet(fit.dataset, broken_model(half).node)
    fit.table = type(fit.table)(Model("constant*powerlaw", **{"powerlaw.norm": 1.0}), 1)
    fit.freeze("norm")
    fit.set("constant.factor", 1.0)
    for method in ("default", "leven", "migrad"):
        fit.set("constant.factor", 1.0)
        fit.set("PhoIndex", 2.5)
        result = fit.run(method)
        assert np.isfinite(result.statistic)
        assert fit["constant.factor"].value == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "cstatt"}, "Did you mean 'cstat'"),
        ({"statistic": ["chi"]}, "2 spectra but 1 statistics"),
        ({"weight": "heavy"}, "unknown weighting 'heavy'"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(FitError, match=message):
        Fit([counts(power_law()), counts(power_law(), seed=2)], "powerlaw", **options)


def test_failed_change_of_statistic_changes_nothing(fit):
    before = fit.statistic
    with pytest.raises(FitError):
        fit.use_statistic("nosuch")
    assert fit.statistic == before


def test_unknown_method(fit):
    with pytest.raises(FitError, match="default, leven, migrad"):
        fit.run("newton")


def test_settings_given_twice():
    with pytest.raises(FitError, match="settings are given twice"):
        Fit([counts(power_law())], power_law(), settings=Settings(abund="wilm"))


@pytest.mark.parametrize("number", [0, 3, -1])
def test_plot_of_a_spectrum_that_is_not_there(fit, number):
    with pytest.raises(FitError, match="1 to 2"):
        fit.plot_data(number)


def test_bad_plots(fit):
    with pytest.raises(FitError, match="abscissa"):
        fit.plot_data(1, x="parsec")
    rmf, arf, _ = response(45, 30)
    other = spectrum(np.ones(30), rmf, arf)
    both = Fit([counts(power_law()), other], "powerlaw", statistic="cstat")
    with pytest.raises(FitError, match="different bins"):
        both.plot_data((1, 2))
    with pytest.raises(FitError, match="triplets"):
        fit.polarisation()
    with pytest.raises(FitError, match="no data group 5"):
        fit.polarisation(5)


def test_a_fit_leaves_the_given_model_alone():
    model = Model("powerlaw", PhoIndex=1, norm=1)
    fit = Fit([counts(power_law())], model, statistic="cstat")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit.run()
    assert model["PhoIndex"].value == 1
    assert fit.model["PhoIndex"].value == pytest.approx(2, abs=0.2)


def test_freed_norms_and_constants():
    spectra = SpectrumSet([counts(power_law()), counts(power_law(), seed=2)], groups=[1, 2])
    fit = Fit(spectra, "constant*powerlaw", statistic="cstat")
    fit.free_by_group("constant.factor")
    assert fit["constant.factor"].frozen  # the reference of the others
    assert fit.names == ["powerlaw.PhoIndex", "powerlaw.norm", "2:constant.factor"]
    other = Fit(spectra, "constant*powerlaw", statistic="cstat")
    other.free_by_group("PhoIndex")
    assert other.names == ["constant.factor", "powerlaw.PhoIndex", "powerlaw.norm", "2:powerlaw.PhoIndex"]
