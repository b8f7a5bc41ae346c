"""Components written in Python: what a decorated function may look like, and every way in which it may be wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fit_support import counts
from wolter.errors import ModelError, ParameterError, WolterWarning
from wolter.fit import Fit
from wolter.models import (
    Context,
    Model,
    Settings,
    component,
    component_scope,
    get_component,
    list_components,
    param,
    unregister,
)

EDGES = np.geomspace(0.5, 10.0, 401)


@pytest.fixture(autouse=True)
def nothing_left_behind():
    with component_scope():
        yield


def cutoff(batched, energies, per):
    """The same cut-off power law in one of eight forms."""

    def density(e, index, fold):
        return e**-index * np.exp(-e / fold)

    def per_row(energy, index, fold):
        if per == "keV":
            return density(energy, index, fold)
        if energies == "edges":
            inner = np.linspace(energy[:-1], energy[1:], 21)
            return np.trapezoid(density(inner, index, fold), inner, axis=0)
        return density(energy, index, fold) * np.diff(EDGES)

    def whole(energy, pars):
        return np.array([per_row(energy, *row) for row in pars])

    return whole if batched else per_row


PARAMETERS = {"PhoIndex": (1.5, -3.0, 9.0), "Ecut": (8.0, 0.1, 500.0, "keV")}


@pytest.mark.parametrize("batched", [False, True])
@pytest.mark.parametrize("energies", ["centres", "edges"])
@pytest.mark.parametrize("per", ["bin", "keV"])
def test_every_form_gives_the_same_spectrum(batched, energies, per):
    """XSPEC's cutoffpl is the integral of the same function."""
    component(name="mine", parameters=PARAMETERS, batched=batched, energies=energies, per=per)(
        cutoff(batched, energies, per)
    )
    rows = np.array([[0.2, 1.5, 8.0, 1.0], [0.2, 2.5, 8.0, 1.0], [0.1, 2.5, 3.0, 7.0]])
    ours = Model("tbabs*mine").evaluate(EDGES, rows)
    theirs = Model("tbabs*cutoffpl").evaluate(EDGES, rows)
    assert ours == pytest.approx(theirs, rel=2e-4)


def test_it_is_a_component_like_others():
    @component(parameters=[param("slope", 2.0, (-3, -2, 9, 10), unit="", delta=0.05), param("pivot", 1.0, frozen=True)])
    def mypower(energy, slope, pivot):
        """A power law about a pivot.

        More about it.
        """
        return (energy / pivot) ** -slope * np.diff(EDGES)

    definition = get_component("MYPOWER")
    assert (definition.kind, definition.origin) == ("add", "python")
    assert definition.doc == "A power law about a pivot."
    slope, pivot, norm = definition.all_parameters
    assert (slope.hard_min, slope.soft_min, slope.soft_max, slope.hard_max, slope.delta) == (-3, -2, 9, 10, 0.05)
    assert pivot.frozen
    assert norm.name == "norm"
    assert get_component("mypo").name == "mypower"  # an abbreviation that nothing else begins with
    model = Model("constant*mypower", slope=2.5)
    assert model.mypower.slope.value == 2.5
    with pytest.raises(ParameterError, match="slope"):
        model.mypower.slope = 11.0
    assert "mypower" in {e.name for e in list_components()}
    assert mypower(np.ones(400), 2.0, 1.0)[0] == EDGES[1] - EDGES[0]  # still the function it was


def test_parameters_from_the_arguments():
    @component(kind="mul")
    def dip(energy, centre=6.4, width=0.1, depth=0.3):
        return 1.0 - depth * np.exp(-0.5 * ((energy - centre) / width) ** 2)

    definition = get_component("dip")
    assert [(p.name, p.default) for p in definition.parameters] == [("centre", 6.4), ("width", 0.1), ("depth", 0.3)]
    assert definition.doc == "Multiplicative component written in python"
    ratio = Model("dip*powerlaw").evaluate(EDGES) / Model("powerlaw").evaluate(EDGES)
    assert ratio.min() == pytest.approx(0.7, abs=1e-3)
    assert ratio.max() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("batched", [False, True])
def test_convolution(batched):
    if batched:

        def doubled(energy, pars, flux):
            return pars[:, :1] * flux
    else:

        def doubled(energy, flux, factor):
            return factor * flux

    component(kind="con", name="doubled", parameters={"factor": 2.0}, batched=batched)(doubled)
    rows = np.array([[2.0, 1.0, 1.0], [3.0, 2.0, 1.0]])
    ours = Model("doubled*powerlaw").evaluate(EDGES, rows)
    theirs = Model("powerlaw").evaluate(EDGES, rows[:, 1:])
    assert ours == pytest.approx(rows[:, :1] * theirs, rel=1e-14)


def test_context():
    @component(kind="mul", depends=["stokes"])
    def twist(energy, fraction=0.5, *, context):
        return np.full(energy.shape, (1.0, fraction, -fraction)[context.stokes])

    @component(kind="mul")
    def table(energy, power=1.0, context=None):
        return len(str(context.settings.abund)) * energy**power

    assert get_component("twist").depends == {"stokes"}
    assert "abund" in get_component("table").depends
    assert [p.name for p in get_component("table").parameters] == ["power"]
    model = Model("twist*powerlaw")
    i, q, u = (model.evaluate(EDGES, context=Context(stokes=s)) for s in (0, 1, 2))
    assert q == pytest.approx(0.5 * i)
    assert u == pytest.approx(-q)
    settings = Settings(abund="wilm")
    ratio = Model("table*powerlaw", settings).evaluate(EDGES) / Model("powerlaw").evaluate(EDGES)
    assert ratio == pytest.approx(4 * 0.5 * (EDGES[1:] + EDGES[:-1]))


def test_constant_results_may_be_broadcast():
    component(kind="mul", name="halved", parameters={})(lambda energy: 0.5)
    component(kind="mul", name="scaled", parameters={"f": 2.0}, batched=True)(lambda energy, pars: pars[:, :1])
    assert Model("halved*powerlaw").evaluate(EDGES) == pytest.approx(0.5 * Model("powerlaw").evaluate(EDGES))
    rows = np.array([[2.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    out = Model("scaled*powerlaw").evaluate(EDGES, rows)
    assert out[1] == pytest.approx(1.5 * out[0])


def test_fit():
    """A Python component recovers the truth of a spectrum simulated with the native one."""
    component(name="mine", parameters=PARAMETERS, per="keV", energies="edges")(cutoff(False, "edges", "keV"))
    truth = Model("cutoffpl", PhoIndex=1.5, HighECut=8.0, norm=30.0)
    data = counts(truth, exposure=2e4, seed=11)
    ours, theirs = Fit([data], "mine", statistic="cstat"), Fit([data], "cutoffpl", statistic="cstat")
    ours.run()
    theirs.run()
    assert ours.statistic == pytest.approx(theirs.statistic, abs=0.5)
    for mine, native in zip(ours.parameters, theirs.parameters, strict=True):
        assert mine.value == pytest.approx(native.value, rel=2e-3)  # the trapezoidal rule on sixty bins


# -- registration -------------------------------------------------------------------------------------------------


def flat(energy, level=1.0):
    return np.full(energy.shape, level)


def test_defined_again_with_a_warning():
    component(kind="mul", name="flatline")(flat)
    old = Model("flatline*powerlaw")
    with pytest.warns(WolterWarning, match="'flatline' is defined again"):
        component(kind="mul", name="flatline")(lambda energy, level=3.0: np.full(energy.shape, level))
    new = Model("flatline*powerlaw")
    assert new.evaluate(EDGES) == pytest.approx(3.0 * old.evaluate(EDGES))  # an earlier model keeps what it has


def test_unregister():
    component(kind="mul", name="flatline")(flat)
    model = Model("flatline*powerlaw")
    unregister("FlatLine")
    with pytest.raises(ModelError, match="unknown component 'flatline'"):
        Model("flatline*powerlaw")
    assert model.evaluate(EDGES).sum() > 0
    with pytest.raises(ModelError, match="no Python component 'flatline'"):
        unregister("flatline")
    with pytest.raises(ModelError, match="no Python component 'powerlaw'"):
        unregister("powerlaw")
    get_component("powerlaw")


def test_scope():
    component(kind="mul", name="flatline")(flat)
    outer = get_component("flatline")
    with component_scope():
        with pytest.warns(WolterWarning):
            component(kind="mul", name="flatline")(flat)
        component(kind="mul", name="inside")(flat)
        assert get_component("inside").name == "inside"
        unregister("flatline")
    assert get_component("flatline") is outer
    with pytest.raises(ModelError):
        get_component("inside")

    def interrupted():
        with component_scope():
            component(kind="mul", name="inside")(flat)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    with pytest.raises(ModelError):
        get_component("inside")


def test_name_of_a_component_of_xspecs_library():
    with pytest.warns(WolterWarning, match=r"hides that of XSPEC's library.*xspec_kerrbb"):
        component(kind="mul", name="kerrbb")(flat)
    assert get_component("kerrbb").origin == "python"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("powerlaw", "there is a native component 'powerlaw'"),
        ("TBABS", "there is a native component 'TBabs'"),
        ("x", "cannot be the name"),
        ("two words", "cannot be the name"),
        ("xspec_mine", "stands for XSPEC's library"),
    ],
)
def test_names_that_are_refused(name, said):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelError, match=said):
            component(kind="mul", name=name)(flat)
    if name.isidentifier() and len(name) > 6:
        assert get_component("powerlaw").origin == "native"


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "function", "said"),
    [
        ({"kind": "sum"}, flat, "unknown kind 'sum'"),
        ({"kind": "mix"}, flat, "unknown kind 'mix'"),
        ({"energies": "middle"}, flat, "unknown option"),
        ({"per": "erg"}, flat, "unknown option"),
        ({"kind": "mul", "per": "keV"}, flat, "cannot give values per keV"),
        ({"depends": ["weather"]}, flat, "depends on the unknown weather"),
        ({"batched": True}, lambda energy, pars: pars, "does not say what its parameters are"),
        ({}, lambda energy, index: energy, "argument 'index' .* has no default"),
        ({"parameters": {"a": 1.0}}, lambda energy: energy, "1 parameters but its function does not fit"),
        ({"parameters": {}}, lambda energy, a: energy, "0 parameters but its function does not fit"),
        ({"parameters": {"a": 1.0}}, lambda energy, a, b: energy, r"called as wrong\(energy, 1 parameters\)"),
        ({"parameters": {"a": 1.0}, "batched": True}, lambda energy: energy, r"called as wrong\(energy, pars\)"),
        ({"parameters": {"a": 1.0}, "kind": "con"}, lambda energy, a: energy, r"wrong\(energy, flux, 1 parameters\)"),
        ({}, lambda energy, context, a=1.0: energy, "multiple values for argument 'context'"),
        ({"parameters": ["a"]}, flat, "are not definitions"),
        ({"parameters": {"a": (1.0, 2.0)}}, flat, "described by 2 numbers"),
        ({"parameters": {"a": (1.0, 2.0, 3.0)}}, flat, "default 1.0 of parameter a is outside its limits"),
        ({"parameters": {"a": (1.0, 3.0, 0.0)}}, flat, "limits of parameter a are not in ascending order"),
        ({"parameters": {"a": (1.0, 0.0, float("nan"))}}, flat, "are not finite"),
        ({"parameters": {"a": "one"}}, flat, "are not numbers"),
        ({"parameters": {"a b": 1.0}}, flat, "cannot be the name of a parameter"),
        ({"parameters": [param("a", 1.0), param("A", 1.0)]}, lambda e, a, b: e, "two parameters of the same name"),
    ],
)
def test_definitions_that_are_wrong(options, function, said):
    with pytest.raises(ModelError, match=said):
        component(name="wrong", **options)(function)
    with pytest.raises(ModelError):
        get_component("wrong")


@pytest.mark.parametrize(
    ("limits", "said"),
    [((1.0,), "has 1 limits"), ((0.0, 1.0, 2.0), "has 3 limits"), (("a", "b"), "are not numbers")],
)
def test_limits_that_are_wrong(limits, said):
    with pytest.raises(ModelError, match=said):
        param("a", 1.0, limits)


def test_negative_step():
    with pytest.raises(ModelError, match="step -1"):
        param("a", 1.0, delta=-1.0)


@pytest.mark.parametrize(
    ("batched", "function", "said"),
    [
        (False, lambda e, a: e[:-1], r"shape \(399,\) instead of \(400,\).*one value per bin"),
        (False, lambda e, a: np.ones((2, e.size)), r"shape \(2, 400\)"),
        (False, lambda e, a: None, "instead of|not finite"),
        (False, lambda e, a: "text", "returned str instead of an array of numbers"),
        (False, lambda e, a: e * np.nan, "not finite at a=3"),
        (False, lambda e, a: e / 0.0 if a > 2 else e, "not finite at a=3"),
        (True, lambda e, p: np.ones((3, e.size)), r"shape \(3, 400\) instead of \(2, 400\).*in a row for each"),
        (True, lambda e, p: np.where(p > 2, np.inf, 1.0) * e, "not finite at a=3"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_results_that_are_wrong(batched, function, said):
    component(kind="mul", name="wrong", parameters={"a": 1.0}, batched=batched)(function)
    rows = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 1.0]])
    if said.endswith("a=3") and batched is False and "/ 0.0" not in said:
        rows = rows[::-1]
    with pytest.raises(ModelError, match=f"'wrong'.*({said})"):
        Model("wrong*powerlaw").evaluate(EDGES, rows)


def test_per_kev_at_edges_needs_a_value_for_each_edge():
    component(name="wrong", per="keV", energies="edges")(lambda energy, a=1.0: energy[1:])
    with pytest.raises(ModelError, match=r"\(400,\) instead of \(401,\).*one value per edge"):
        Model("wrong").evaluate(EDGES)


def test_something_without_arguments_to_see():
    with pytest.raises(ModelError, match="not made of a function whose arguments can be seen"):
        component(name="wrong", parameters={})(5)  # pyright: ignore[reportArgumentType]
