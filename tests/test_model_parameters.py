"""Models, parameters and ties as the user handles them."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wolter.errors import ModelError, ParameterError, UnitError, WolterError
from wolter.models import CompiledModel, ComponentDef, Context, Model, Settings, get_component, parse_expression
from wolter.models.definitions import par
from wolter.models.grammar import Leaf, Product
from wolter.models.tie import TieSystem, parse_tie


def test_names_numbers_and_labels():
    model = Model("constant*TBabs(powerlaw + bbody + powerlaw)")
    assert [p.full_name for p in model] == [
        "constant.factor",
        "TBabs.nH",
        "powerlaw.PhoIndex",
        "powerlaw.norm",
        "bbody.kT",
        "bbody.norm",
        "powerlaw_5.PhoIndex",
        "powerlaw_5.norm",
    ]
    assert [p.index for p in model] == list(range(1, 9))
    for name in ("powerlaw.PhoIndex", "po.PhoIndex", "powerlaw_3.phoindex", "p3", 3, "3"):
        assert model[name] is model.parameters[2]
    assert model["kT"] is model["bbody.kT"] is model.bbody.kT
    model.powerlaw_5.PhoIndex = 2.5
    assert model[7].value == 2.5
    assert model.powerlaw.PhoIndex.value == 1.0


def test_defaults_of_xspec():
    # model.dat of XSPEC 12.15
    model = Model("TBabs*powerlaw")
    nh, index, norm = model.parameters
    assert (nh.value, nh.delta, nh.hard_min, nh.soft_min, nh.soft_max, nh.hard_max) == (1, 1e-3, 0, 0, 1e5, 1e6)
    assert (index.value, index.hard_min, index.soft_min, index.soft_max, index.hard_max) == (1, -3, -2, 9, 10)
    assert (norm.value, norm.hard_min, norm.soft_max, norm.hard_max) == (1, 0, 1e20, 1e24)
    assert nh.unit == "10^22"


def test_values_given_at_once():
    model = Model("tbabs*powerlaw", nH=0.2, **{"powerlaw.norm": 0.3})
    assert (model.TBabs.nH.value, model.powerlaw.norm.value) == (0.2, 0.3)


def test_quantities_are_converted():
    model = Model("tbabs*bbody")
    model.TBabs.nH = 3e21 * u.cm**-2
    model.bbody.kT = 500 * u.eV
    assert model.TBabs.nH.value == pytest.approx(0.3)
    assert model.bbody.kT.value == pytest.approx(0.5)
    with pytest.raises(UnitError):
        model.bbody.kT = 3 * u.s


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("powerlow.PhoIndex", "powerlaw"),
        ("powerlaw.PhoIndx", "PhoIndex"),
        ("PhoIndeks", "PhoIndex"),
        ("p99", "1 to 3"),
        (0, "1 to 3"),
    ],
)
def test_unknown_names_suggest(name, hint):
    with pytest.raises(ParameterError, match=hint):
        Model("tbabs*powerlaw")[name]


def test_unknown_attributes():
    model = Model("tbabs*powerlaw")
    with pytest.raises(ParameterError, match="powerlaw"):
        _ = model.powerlw
    with pytest.raises(AttributeError):
        _ = model.powerlaw.norn
    with pytest.raises(ParameterError, match="cannot be set"):
        model.norm = 3


def test_ambiguous_name():
    with pytest.raises(ParameterError, match=r"ambiguous.*powerlaw\.norm or bbody\.norm"):
        Model("powerlaw + bbody")["norm"]


@pytest.mark.parametrize("value", [11, -3.1, float("nan"), float("inf"), "two", None])
def test_values_that_are_refused(value):
    model = Model("powerlaw")
    with pytest.raises(ParameterError, match=r"powerlaw\.PhoIndex"):
        model.powerlaw.PhoIndex = value
    assert model.powerlaw.PhoIndex.value == 1.0


def test_message_names_limits():
    with pytest.raises(ParameterError, match="outside its limits -3 to 10"):
        Model("powerlaw").powerlaw.PhoIndex = 12


def test_limits():
    parameter = Model("powerlaw")["PhoIndex"]
    parameter.set_limits(0, 3)
    assert (parameter.hard_min, parameter.soft_min, parameter.soft_max, parameter.hard_max) == (0, 0, 3, 3)
    with pytest.raises(ParameterError, match="ascending"):
        parameter.set_limits(2, -1)
    with pytest.raises(ParameterError, match="outside"):
        parameter.set_limits(2, 3)


def test_scale_cannot_be_thawed():
    with pytest.raises(ParameterError, match="scale"):
        Model("logpar")["pivotE"].frozen = False


def test_cyclic_only_with_a_whole_turn():
    psi = Model("polconst*powerlaw")["psi"]
    assert psi.cyclic
    psi.set_limits(0, 90)
    assert not psi.cyclic


def test_ties_within_a_model():
    model = Model("powerlaw + bbody")
    model.tie("bbody.kT", "= 0.5*p1 + 0.2")
    model.tie("bbody.norm", "powerlaw.norm")
    model.powerlaw.PhoIndex = 1.6
    model.powerlaw.norm = 7
    np.testing.assert_allclose(model.values(), [1.6, 7, 1.0, 7])
    assert model.bbody.kT.value == 1.0
    model.untie("bbody.kT")
    model.powerlaw.PhoIndex = 2
    assert model.values()[2] == 1.0


def test_circular_tie():
    model = Model("powerlaw + bbody")
    model.tie("p1", "p3")
    with pytest.raises(ParameterError, match=r"circle: .*powerlaw\.PhoIndex.*bbody\.kT"):
        model.tie("p3", "2*p1")
    with pytest.raises(ParameterError, match="circle"):
        model.tie("p2", "p2")
    assert model["p3"].tie is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p1 +", "operand missing"),
        ("(p1", "never closed"),
        ("p1 p2", "operator missing"),
        ("p1 $ 2", "unexpected"),
        ("foo(p1)", "unknown function 'foo'"),
        ("sqrt(p1, p2)", "arguments"),
        ("max(p1)", "arguments"),
        ("3.5", "names no parameter"),
        ("* p1", "operand missing"),
        ("p99", "no parameter 99"),
        ("bbody.kTT", "kT"),
    ],
)
def test_bad_ties(text, message):
    model = Model("powerlaw + bbody")
    with pytest.raises(ParameterError, match=message):
        model["bbody.norm"].tie = text


def test_empty_tie():
    with pytest.raises(ParameterError, match="empty"):
        parse_tie(" = ", lambda name: 0)
    model = Model("powerlaw + bbody")
    model.tie("p1", "p3")
    model["p1"].tie = ""
    assert model["p1"].tie is None


@given(st.floats(0.1, 10), st.floats(-5, 5), st.integers(1, 4))
def test_tie_arithmetic_is_pythons(x, y, n):
    names = {"p1": 0, "p2": 1}
    system_names = ["x", "y", "z"]
    for text in (
        f"2*p1 - p2^{n} + 1",
        "-p2**2 + p1",
        "(p1 + p2)*3/p1",
        "p1 - p2 - 1",
        "p1/p2/2" if abs(y) > 1e-3 else "p1",
        "exp(-p1) + cosd(p2) + max(p1, p2)",
        "log(p1) + ln(p1) + abs(p2)",
        "2 ** -p1 + 1.5e-1",
    ):
        tie = parse_tie(text, names.__getitem__)
        values = TieSystem([None, None, tie], system_names).apply(np.array([[x, y, 0.0]]))
        scope = {
            "p1": x,
            "p2": y,
            "exp": np.exp,
            "cosd": lambda v: np.cos(np.deg2rad(v)),
            "max": max,
            "log": np.log10,
            "ln": np.log,
            "abs": abs,
        }
        assert values[0, 2] == pytest.approx(eval(text.replace("^", "**"), scope), rel=1e-12)


def test_tie_chains_and_batches():
    names = {f"p{i}": i - 1 for i in range(1, 5)}
    ties = [None, parse_tie("p4", names.get), parse_tie("2*p2", names.get), parse_tie("p1 + 1", names.get)]
    system = TieSystem(ties, list("abcd"))
    out = system.apply(np.array([[1.0, 0, 0, 0], [5.0, 0, 0, 0]]))
    np.testing.assert_allclose(out, [[1, 2, 4, 2], [5, 6, 12, 6]])
    assert system.dependencies[2] == {0}


def test_evaluation_against_the_analytic_integral():
    model = Model("constant*powerlaw", factor=3, PhoIndex=2, norm=0.5)
    edges = np.array([1.0, 2.0, 4.0])
    np.testing.assert_allclose(model.evaluate(edges), 1.5 * (1 / edges[:-1] - 1 / edges[1:]))
    np.testing.assert_allclose(model.evaluate(edges * u.keV), model.evaluate(edges))
    np.testing.assert_allclose(model.evaluate(edges[::1] * 1000 * u.eV), model.evaluate(edges))
    batch = model.evaluate(edges, [[3, 2, 0.5], [1, 1, 2]])
    np.testing.assert_allclose(batch[1], 2 * np.log(edges[1:] / edges[:-1]))


def test_stokes_contexts():
    model = Model("polconst*powerlaw", A=0.3, psi=20)
    edges = np.geomspace(2, 8, 10)
    intensity = model.evaluate(edges)
    for stokes, factor in ((1, 0.3 * np.cos(np.deg2rad(40))), (2, 0.3 * np.sin(np.deg2rad(40)))):
        np.testing.assert_allclose(model.evaluate(edges, context=Context(stokes)), factor * intensity)


@pytest.mark.parametrize("edges", [[1.0], [2.0, 1.0], [0.0, 1.0], [[1.0, 2.0]]])
def test_bad_grids(edges):
    with pytest.raises(WolterError):
        Model("powerlaw").evaluate(np.array(edges))


def test_wrong_number_of_values():
    with pytest.raises(ModelError, match="3 parameter values given for a model with 2"):
        Model("powerlaw").evaluate(np.array([1.0, 2.0]), [1, 2, 3])


def test_expansion_of_a_nested_model():
    # the compiled terms against the expression written out by hand
    model = Model("constant*tbabs*(powerlaw + constant*(bbody + tbabs*powerlaw))", settings=Settings(abund="wilm"))
    values = [2.0, 0.5, 1.7, 3.0, 0.4, 0.6, 5.0, 1.2, 2.2, 0.9]
    edges = np.geomspace(0.5, 9, 80)

    def one(expression, *pars):
        return Model(expression, settings=Settings(abund="wilm")).evaluate(edges, [pars])[0]

    def absorbed(nh):
        return one("tbabs*powerlaw", nh, 0.0, 1.0) / one("powerlaw", 0.0, 1.0)

    by_hand = (
        2.0
        * absorbed(0.5)
        * (one("powerlaw", 1.7, 3.0) + 0.4 * (one("bbody", 0.6, 5.0) + absorbed(1.2) * one("powerlaw", 2.2, 0.9)))
    )
    np.testing.assert_allclose(model.evaluate(edges, values), by_hand, rtol=1e-12)


def test_terms_share_equal_shapes():
    node = parse_expression("polconst*tbabs*(constant*powerlaw)")
    compiled = CompiledModel(node, np.geomspace(1, 10, 31), [Context(0), Context(1), Context(2)])
    rows = np.array([[0.1, 20, 0.5, 1, 2, 1], [0.2, 70, 0.5, 3, 2, 9], [0.1, 20, 0.6, 1, 2, 1]], dtype=float)
    (term,) = compiled.terms(rows)
    assert term.flux.shape == (1, 2, 30)  # one shape for all Stokes parameters and for the first two rows
    np.testing.assert_array_equal(term.index, [0, 0, 1])
    assert term.scale.shape == (3, 3)
    np.testing.assert_allclose(term.scale[0], [1, 27, 1])
    np.testing.assert_allclose(term.scale[2, 1], 0.2 * np.sin(np.deg2rad(140)) * 27)


def test_components_are_not_evaluated_again():
    calls = []

    def count(edges, pars, ctx):
        calls.append(len(pars))
        return np.ones((len(pars), len(edges) - 1)) * pars[:, :1]

    counted = ComponentDef("counted", "mul", (par("x", "", 1.0, 0, 0, 10, 10, 0.1),), count)
    node = Product((Leaf(counted, 1), Leaf(get_component("powerlaw"), 2)))
    compiled = CompiledModel(node, np.geomspace(1, 10, 5))
    compiled.evaluate(np.array([[2.0, 1.5, 1.0]]))
    for index in (1.6, 1.7, 1.8):
        compiled.evaluate(np.array([[2.0, index, 1.0]]))
    compiled.evaluate(np.array([[2.0, 1.1, 4.0], [2.0, 1.2, 5.0]]))
    assert calls == [1]
    compiled.evaluate(np.array([[3.0, 1.1, 4.0]]))
    assert calls == [1, 1]


def test_copy_and_saved_state():
    model = Model("tbabs*powerlaw", settings=Settings(abund="wilm"), nH=0.3, PhoIndex=1.9)
    model["nH"].frozen = True
    model["PhoIndex"].set_limits(0, 4)
    model.tie("norm", "= 2*p1")
    other = Model.from_dict(model.to_dict())
    assert other.settings.abund == "wilm"
    assert other.to_dict() == model.to_dict() == model.copy().to_dict()
    other.TBabs.nH = 0.9
    assert model.TBabs.nH.value == 0.3
    state = model.to_dict() | {"expression": "phabs*powerlaw"}
    with pytest.raises(ModelError, match="do not belong"):
        Model.from_dict(state)
