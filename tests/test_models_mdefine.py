"""Components defined by expressions, against native components, numpy and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from wolter.errors import ModelError
from wolter.models import Model, component_scope
from wolter.models.mdefine import Formula, define

EDGES = np.linspace(0.5, 10.0, 4001)


@pytest.fixture(autouse=True)
def scope():
    with component_scope():
        yield


def test_an_additive_definition_is_a_component():
    define("mycut", "E^(-index) * exp(-E/cut)")
    model = Model("tbabs*mycut")
    assert [p.name for p in model.parameters] == ["nH", "index", "cut", "norm"]
    model = Model("mycut")
    for name, value in (("index", 1.5), ("cut", 5.0), ("norm", 2.0)):
        model[name].value = value
    reference = Model("cutoffpl")
    for name, value in (("PhoIndex", 1.5), ("HighECut", 5.0), ("norm", 2.0)):
        reference[name].value = value
    np.testing.assert_allclose(model.evaluate(EDGES), reference.evaluate(EDGES), rtol=1e-5)


def test_factors_and_energy_ranges():
    define("dip", "1 - depth*exp(-(E-e0)^2/2/width^2)", "mul", lo=2.0, hi=8.0)
    model = Model("dip*powerlaw")
    for name, value in (("depth", 0.5), ("e0", 5.0), ("width", 0.3)):
        model[name].value = value
    ratio = model.evaluate(EDGES) / Model("powerlaw").evaluate(EDGES)
    middle = 0.5 * (EDGES[1:] + EDGES[:-1])
    expected = np.where((middle >= 2) & (middle <= 8), 1 - 0.5 * np.exp(-((middle - 5.0) ** 2) / 2 / 0.09), 1.0)
    np.testing.assert_allclose(ratio, expected, rtol=1e-12)


def test_a_convolution_smooths():
    define("mysmooth", "exp(-E^2/(2*sigma^2))/(sigma*2.5066282746310002)", "con")
    edges = np.linspace(4.0, 8.0, 801)
    model, reference = Model("mysmooth*gaussian"), Model("gaussian")
    model["mysmooth.sigma"].value, model["gaussian.Sigma"].value = 0.3, 0.4
    reference["Sigma"].value = 0.5
    np.testing.assert_allclose(model.evaluate(edges)[300:600], reference.evaluate(edges)[300:600], rtol=2e-3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2*E+3", lambda e: 2 * e + 3),
        ("-E^2", lambda e: -(e**2)),
        ("2^3^2 + 0*E", lambda e: 512.0 + 0 * e),
        ("sind(30)*E", lambda e: 0.5 * e),
        ("log(E) + ln(E)", lambda e: np.log10(e) + np.log(e)),
        ("max(E, 3) - min(E, 3)", lambda e: np.abs(e - 3)),
        ("heaviside(E-2)", lambda e: (e > 2) * 1.0),
        ("boxcar(E-2)", lambda e: ((e >= 2) & (e <= 3)) * 1.0),
        ("erf(E) + gamma(E)", lambda e: special.erf(e) + special.gamma(e)),
        ("legendre2(E/10)", lambda e: special.eval_legendre(2, e / 10)),
        ("e/mean(e)", lambda e: e / e.mean()),
        ("1.5e1*E/.5", lambda e: 30 * e),
    ],
)
def test_expressions(text, expected):
    energies = np.linspace(1.0, 9.0, 50)
    np.testing.assert_allclose(Formula(text)({"e": energies}), expected(energies), rtol=1e-13)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("E*", "operand missing at the end"),
        ("(E", "never closed"),
        ("sni(E)", "unknown function 'sni'"),
        ("E $ 2", "unexpected"),
        ("max(E)", "does not take 1"),
        ("E E", "operator missing"),
        ("__import__('os')", "unexpected"),
    ],
)
def test_expressions_that_are_none(text, reason):
    with pytest.raises(ModelError, match=reason):
        Formula(text)


def test_names_and_kinds():
    with pytest.raises(ModelError, match="native"):
        define("powerlaw", "E")
    with pytest.raises(ModelError, match="add, mul or con"):
        define("mymix", "E", "mix")
