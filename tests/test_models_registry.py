"""Names, abbreviations and definitions of components against XSPEC's own list; registration; what importing costs."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import pytest

from wolter.errors import ModelError
from wolter.models import Context, Settings, get_component, list_components
from wolter.models import registry as registry_module
from wolter.models.catalogue import describe_component
from wolter.models.definitions import NORM, ComponentDef, ParameterDef, par
from wolter.models.registry import available_names, component, register, resolve_name
from wolter.models.xspec_names import XSPEC_NAMES


@pytest.fixture(scope="module")
def model_dat(shared):
    """XSPEC's list of components: name -> (kind, parameter lines), in its order."""
    stanzas = {}
    for file in ("model.dat", "mixmodel.dat"):
        text = shared("model_data", "abund_xsect", file).read_text()
        for block in re.split(r"\n[ \t\r]*\n", text):
            lines = [line for line in block.splitlines() if line.strip()]
            if lines:
                words = lines[0].split()
                stanzas[words[0]] = (words[5], lines[1 : 1 + int(words[1])])
    return stanzas


@pytest.fixture
def clean_registry(monkeypatch):
    """Registrations of a test do not outlive it."""
    monkeypatch.setattr(registry_module, "_REGISTERED", dict(registry_module._REGISTERED))


def test_list_of_names_is_xspecs(model_dat):
    assert list(XSPEC_NAMES) == list(model_dat)


def words_of(line):
    """Fields of a parameter line: the unit may be quoted and blank."""
    return [quoted.strip() if quoted is not None else word for quoted, word in words_pattern(line)]


def words_pattern(line):
    for match in re.finditer(r'"([^"]*)"|(\S+)', line):
        yield (match[1], match[2]) if match[2] is None else (None, match[2])


def test_parameters_are_xspecs(model_dat):
    """Names, units, defaults, limits, steps and freezing of every native component are those of model.dat."""
    compared = 0
    for entry in list_components():
        definition = get_component(entry.name)
        if definition.origin != "native":
            continue
        kind, lines = model_dat[definition.name]
        assert definition.kind == kind
        assert len(definition.parameters) == len(lines), definition.name
        for parameter, line in zip(definition.parameters, lines, strict=True):
            where = f"{definition.name}.{parameter.name}"
            words = words_of(line)
            if words[0].startswith(("*", "$")):
                assert parameter.kind == ("scale" if words[0].startswith("*") else "switch"), where
                assert words[0][1:] == parameter.name
                assert parameter.frozen
                assert parameter.default == float(words[-1])
                continue
            assert [parameter.name, parameter.unit.lower()] == [words[0], words[1].lower()], where
            numbers = [float(w) for w in words[2:8]]
            ours = [
                parameter.default,
                parameter.hard_min,
                parameter.soft_min,
                parameter.soft_max,
                parameter.hard_max,
                -parameter.delta if parameter.frozen else parameter.delta,
            ]
            assert ours == pytest.approx(numbers, rel=1e-12), where
            compared += 1
    assert compared > 250


def test_abbreviations_mean_what_they_mean_in_xspec(model_dat):
    """Every beginning of every native name: XSPEC takes the first name of its list that begins so."""
    checked = 0
    for name in available_names():
        for length in range(2, len(name) + 1):
            short = name[:length].lower()
            expected = next(n for n in model_dat if n.lower().startswith(short))
            exact = [n for n in model_dat if n.lower() == short]
            expected = exact[0] if exact else expected
            if expected in available_names():
                assert resolve_name(short) == expected
            else:
                with pytest.raises(ModelError, match=f"'{expected}'.* is not available here"):
                    resolve_name(short)
            checked += 1
    assert checked > 300


@pytest.mark.parametrize(
    ("short", "full"),
    [("po", "powerlaw"), ("PO", "powerlaw"), ("bb", "bbody"), ("bbodyr", "bbodyrad"), ("brems", "bremss"),
     ("tbabs", "TBabs"), ("tb", "TBabs"), ("const", "constant"), ("ga", "gaussian"), ("wa", "wabs"),
     ("compTT", "compTT"), ("pol", "polconst")],
)  # fmt: skip
def test_everyday_abbreviations(short, full):
    assert get_component(short).name == full


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "too short"),
        ("p", "too short"),
        ("powerlau", "Did you mean 'powerlaw'"),
        ("xyzzy", "unknown component 'xyzzy'"),
    ],
)
def test_unknown_names(name, said):
    with pytest.raises(ModelError, match=said):
        get_component(name)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kerrbb", "XSPEC's component 'kerrbb' is not available here"),
        ("comptb", "XSPEC's component 'comptb' is not available here"),
        ("kerrb", r"'kerrbb' \(for which 'kerrb' stands\)"),
        ("kerrbb", r"pip install 'wolter\[xspec\]'"),
    ],
)
def test_names_of_xspec_without_its_library(monkeypatch, name, said):
    for module in ("installation", "bridge"):
        monkeypatch.setattr(f"wolter.models.xspec_library.{module}.find_installation", lambda: None)
    with pytest.raises(ModelError) as caught:
        get_component(name)
    assert re.search(said, str(caught.value))


def test_catalogue_lists_all():
    entries = list_components()
    assert {e.name for e in entries} == set(available_names())
    assert [e.kind for e in entries] == sorted(
        (e.kind for e in entries), key=["additive", "multiplicative", "convolution", "mixing"].index
    )
    powerlaw = describe_component("po").to_dict()
    assert powerlaw["name"] == "powerlaw"
    assert powerlaw["origin"] == "native"
    parameters = powerlaw["parameters"]
    assert isinstance(parameters, list)
    assert [p["name"] for p in parameters] == ["PhoIndex", "norm"]
    assert parameters[1]["hard_max"] == 1e24
    assert all(e.doc for e in entries)


def test_polarisation_angle_is_periodic():
    psi = get_component("polconst").parameters[1]
    assert (psi.unit, psi.period) == ("deg", 180.0)
    values = [
        get_component("polconst").function(EDGES, np.array([[0.3, psi0]]), Context(stokes=2)) for psi0 in (-70, 110)
    ]
    np.testing.assert_allclose(values[0], values[1], rtol=1e-13)


EDGES = np.geomspace(0.5, 10.0, 20)


def test_a_function_becomes_a_component(clean_registry):
    @component("flatline", "add", [par("level", "", 1.0, 0.0, 0.0, 10.0, 10.0, 0.1)], origin="python", aliases=["flt"])
    def flatline(edges, pars, ctx):
        """Constant spectrum."""
        return pars[:, :1] * np.diff(edges)

    for name in ("flatline", "FLATLINE", "flat", "flt"):
        definition = get_component(name)
        assert (definition.name, definition.doc) == ("flatline", "Constant spectrum.")
    assert definition.all_parameters[-1] is NORM
    assert "flatline" in available_names()
    assert "flt" not in available_names()

    # Running the cell of a notebook again replaces the component.
    @component("flatline", "add", origin="python")
    def other(edges, pars, ctx):
        return np.ones((len(pars), len(edges) - 1))

    assert get_component("flatline").function is other


def test_abbreviation_of_ones_own_must_be_unambiguous(clean_registry):
    for name in ("qqone", "qqtwo"):
        component(name, "mul")(lambda edges, pars, ctx: np.ones((len(pars), 1)))
    assert get_component("qqo").name == "qqone"
    with pytest.raises(ModelError, match=r"ambiguous.*qqone, qqtwo"):
        get_component("qq")


@pytest.mark.parametrize("loaded", [False, True])
def test_native_names_are_protected(clean_registry, loaded):
    if loaded:
        get_component("bknpower")

    def mine(edges, pars, ctx):
        return np.zeros((len(pars), len(edges) - 1))

    with pytest.raises(ModelError, match="native component 'bknpower' already"):
        component("BKNPOWER", "add")(mine)
    component("BKNPOWER", "add", replace=True)(mine)
    assert get_component("bknpower").function is mine


@pytest.mark.parametrize("name", ["a", "", "two words", "2po", "x+y"])
def test_names_no_expression_could_contain(clean_registry, name):
    with pytest.raises(ModelError, match="cannot be the name"):
        register(ComponentDef(name, "add", (), lambda edges, pars, ctx: edges))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"hard_min": 2.0}, "ascending"),
        ({"soft_max": -1.0}, "ascending"),
        ({"default": 11.0}, "outside its limits"),
        ({"delta": -0.1}, "negative"),
    ],
)
def test_impossible_parameters(arguments, said):
    good = {
        "name": "x",
        "unit": "",
        "default": 1.0,
        "delta": 0.1,
        "hard_min": 0.0,
        "soft_min": 0.0,
        "soft_max": 10.0,
        "hard_max": 10.0,
    }
    with pytest.raises(ModelError, match=said):
        ParameterDef(**{**good, **arguments})  # pyright: ignore[reportArgumentType]


def test_impossible_components():
    one = par("x", "", 1.0, 0.0, 0.0, 1.0, 1.0, 0.1)
    with pytest.raises(ModelError, match="two parameters of the same name"):
        ComponentDef("twice", "add", (one, par("X", "", 1.0, 0.0, 0.0, 1.0, 1.0, 0.1)), lambda *a: a)
    with pytest.raises(ModelError, match="unknown kind 'sum'"):
        ComponentDef("odd", "sum", (one,), lambda *a: a)  # pyright: ignore[reportArgumentType]


def test_context_knows_the_stokes_parameter():
    assert Context.of_spectrum({"Stokes": 2.0, "inner": 3.0}).stokes == 2
    assert Context.of_spectrum({"STOKES": 1}).stokes == 1
    assert Context.of_spectrum({}).stokes == 0
    with pytest.raises(ModelError, match=r"not 0 .I., 1 .Q. or 2 .U."):
        Context(stokes=3)


def test_context_key_has_only_what_matters():
    a = Context(stokes=1, xflt={"inner": 1.0}, settings=Settings(abund="wilm"))
    b = Context(stokes=2, xflt={"inner": 1.0}, settings=Settings(xsect="bcmc"))
    assert a.key(frozenset()) == b.key(frozenset()) == ()
    assert a.key(frozenset({"xflt"})) == b.key(frozenset({"xflt"}))
    for name in ("stokes", "abund", "xsect"):
        assert a.key(frozenset({name})) != b.key(frozenset({name}))
    assert hash(a) != hash(b)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"abund": "wlim"}, "unknown abundance table 'wlim'. Did you mean 'wilm'"),
        ({"xsect": "verner"}, "unknown cross-section set 'verner'.*vern"),
        ({"cosmo": (70.0, 0.0)}, "not three numbers"),
        ({"cosmo": "flat"}, "not three numbers"),
        ({"cosmo": (0.0, 0.0, 0.7)}, "not possible"),
        ({"cosmo": (70.0, np.nan, 0.7)}, "not possible"),
    ],
)
def test_impossible_settings(arguments, said):
    with pytest.raises(ModelError, match=said):
        Settings(**arguments)


def test_settings_ignore_case():
    assert Settings(abund="WILM", xsect=" Vern ") == Settings(abund="wilm")


def imported_by(code):
    script = f"{code}\nimport sys; print(*sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_importing_models_imports_no_component():
    modules = imported_by("import wolter.models.grammar, wolter.models.registry, wolter.models as m; m.Settings()")
    assert "wolter.models.registry" in modules
    assert not [m for m in modules if m.startswith(("wolter.models.components.", "scipy", "astropy"))]


def test_everyday_components_need_no_scipy():
    modules = imported_by(
        "import numpy as np; from wolter.models import *\n"
        "for name in 'powerlaw cutoffpl logpar constant polconst pollin polpow bbody bremss diskbb edge'.split():\n"
        "    c = get_component(name); c.function(np.geomspace(0.3, 10, 50), c.defaults[None], Context(stokes=1))\n"
    )
    assert "wolter.models.components.powerlaws" in modules
    assert not [m for m in modules if m.startswith(("scipy", "astropy"))]
