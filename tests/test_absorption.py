"""Absorption components against the XSPEC library's values, published tables and the definitions in model.dat."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wolter.models import Context, Settings, get_component
from wolter.models.absorption.components import (
    pcfabs,
    phabs,
    tbabs,
    tbrel,
    tbvarabs,
    varabs,
    wabs,
    wndabs,
    zphabs,
    ztbabs,
    zwabs,
)

# Largest |ln(ours/XSPEC's)| per unit of optical depth (at least one unit), on bins above 1e-12 of the maximum.
# The TBabs family meets the library in double precision, rounding of its single-precision parts included. The others
# are summed and exponentiated in single precision by XSPEC (3e-7 of the optical depth); its helium of bcmc is good to
# 5e-6 (a polynomial that cancels); wabs meets shifted energies in single precision; pwab sums in single precision.
TOLERANCE = {
    "TBabs": 1e-7, "zTBabs": 1e-7, "TBgas": 1e-7, "TBgrain": 1e-7, "TBvarabs": 1e-7, "TBfeo": 1e-7, "TBpcf": 1e-7,
    "phabs": 5e-7, "vphabs": 5e-7, "zphabs": 5e-7, "zvphabs": 5e-7, "varabs": 5e-7, "pcfabs": 5e-7, "zpcfabs": 5e-7,
    "wndabs": 5e-7, "wabs": 1e-6, "zwabs": 2e-6, "pwab": 5e-6,
}  # fmt: skip
BCMC = 5e-6
FLAT = {"TBabs", "zTBabs", "TBgas", "TBgrain", "TBvarabs", "TBfeo", "TBpcf"}
MULTIPLICATIVE = [*TOLERANCE, "zvarabs", "zwndabs", "TBrel"]


@pytest.fixture(scope="module")
def index(golden):
    return json.loads(golden("models", "index.json").read_text())["components"]


@pytest.fixture(scope="module")
def grids(golden):
    with np.load(golden("models", "grids.npz")) as f:
        return {"log": f["log_edges"].astype(float), "lin": f["lin_edges"].astype(float)}


def settings_context(abund="angr", xsect="vern"):
    return Context(settings=Settings(abund=abund, xsect=xsect))


@pytest.mark.parametrize("name", TOLERANCE)
def test_factor_is_that_of_the_xspec_library(name, index, grids, golden):
    item = index[name]
    component = get_component(name)
    assert [p.name for p in component.parameters] == item["parameters"]
    single = item["x1215"]["precision"] == "single"
    pars = np.array(item["parsets"], dtype=np.float32 if single else float).astype(float)
    with np.load(golden("models", item["file"])) as stored:
        for s, setting in enumerate(item["settings"]):
            tolerance = TOLERANCE[name]
            if setting["xsect"] == "bcmc" and "xsect" in component.depends:
                tolerance = BCMC
            for grid, edges in grids.items():
                edges = edges.astype(np.float32).astype(float) if single else edges
                factor = component.function(edges, pars, settings_context(setting["abund"], setting["xsect"]))
                assert factor.shape == (len(pars), len(edges) - 1)
                for row, values in enumerate(factor):
                    reference = stored[f"x1215_{s}_{row}_{grid}"].astype(float)
                    ours = values[::8] if grid == "lin" else values
                    used = reference > 1e-12 * reference.max()
                    depth = -np.log(reference[used])
                    scale = 1.0 if name in FLAT else np.maximum(1.0, depth)
                    off = np.abs(np.log(ours[used]) + depth) / scale
                    assert off.max() < tolerance, (
                        setting,
                        grid,
                        row,
                        edges[:-1][:: 8 if grid == "lin" else 1][used][off.argmax()],
                    )


@pytest.mark.parametrize(
    ("table", "function", "setting"),
    [
        ("phabs_angr", phabs, ("angr", "vern")),
        ("phabs_aspl", phabs, ("aspl", "vern")),
        ("tbabs_angr", tbabs, ("angr", "vern")),
        ("tbabs_aspl", tbabs, ("aspl", "vern")),
        ("tbabs_wilm", tbabs, ("wilm", "vern")),
        ("wabs_angr", wabs, ("angr", "vern")),
    ],
)
def test_cross_section_agrees_with_published_tables(table, function, setting, shared):
    """Tables of the cross-section on 10,000 energies, made by others with XSPEC."""
    from astropy.io import fits

    data = fits.getdata(shared("model_data", "abund_xsect", f"xsect_{table}.fits"), 1)
    energy, sigma = data["ENERGY"].astype(float), data["SIGMA"].astype(float)
    middle = np.sqrt(energy[1:] * energy[:-1])
    edges = np.concatenate([[energy[0] ** 2 / middle[0]], middle, [energy[-1] ** 2 / middle[-1]]])
    column = 1e-3  # 1e22 cm^-2; thin everywhere, so that the mean transmission gives the cross-section
    ours = -np.log(function(edges, np.array([[column]]), settings_context(*setting))[0]) / column
    off = np.abs(ours / sigma - 1.0)
    assert np.median(off) < 2e-6
    # Bins that hold an edge of Morrison & McCammon's polynomials are averaged differently by a table of points.
    assert np.mean(off > 1e-3) < (1e-3 if function is wabs else 1e-9)


def model_dat(path):
    """Parameter lines per component: (name, unit, the seven numbers or None)."""
    import shlex

    out = {}
    block = None
    for line in path.read_text(encoding="latin-1").splitlines():
        words = shlex.split(line) if line.strip() else []
        if not words:
            block = None
        elif block is None:
            block = out.setdefault(words[0], [])
        else:
            block.append(words)
    return out


@pytest.mark.parametrize("name", MULTIPLICATIVE)
def test_parameters_are_those_of_model_dat(name, shared):
    lines = model_dat(shared("model_data", "abund_xsect", "model.dat"))[name]
    definition = get_component(name)
    assert definition.kind == "mul"
    assert len(lines) == len(definition.parameters)
    for words, p in zip(lines, definition.parameters, strict=True):
        default, hard_min, soft_min, soft_max, hard_max, delta = map(float, words[2:8])
        assert (p.name, p.unit) == (words[0], words[1].strip())
        assert (p.default, p.hard_min, p.soft_min, p.soft_max, p.hard_max) == (
            default, hard_min, soft_min, soft_max, hard_max,
        )  # fmt: skip
        assert (p.delta, p.frozen) == (abs(delta), delta < 0)


LIBRARY_SCRIPT = """
import ctypes, sys
import numpy as np
import xspectrampoline

lib = xspectrampoline.get_libraries()
functions = lib.lib_xs_functions
edges = np.geomspace(0.1, 20.0, 801).astype(np.float32).astype(float)

def choose(what, name):
    status = ctypes.c_int(0)
    getattr(functions, what)(name.encode(), ctypes.byref(status))
    assert status.value == 0

def call(symbol, pars):
    single = symbol.endswith("_")
    kind = np.float32 if single else float
    out = np.zeros(len(edges) - 1, kind)
    lib.get_model(symbol, "fortan" if single else "c")(edges.astype(kind), np.array(pars, kind), out, out.copy())
    return out.astype(float)

choose("FPSOLR", "lodd")
choose("FPXSCT", "obcm")
result = {"edges": edges, "obcm": call("xsphab_", [0.05])}
choose("FPXSCT", "vern")
varied = np.linspace(0.2, 1.9, 18)
result["zvarabs"] = call("xszvab_", [*(0.1 * varied), 0.3])
result["zwndabs"] = call("xszwnb_", [0.3, 0.9, 0.5])
standard = [1.0] * 18 + [0.2, 1.0, 0.025, 0.25, 3.5]
standard += [1, 1, 0.5, 1, 0.6, 1, 0.25, 0.2, 0.02, 0.1, 0.6, 0.5, 1, 0.003, 0.03, 0.3, 0.05, 0.04, 0.2]
for sign in (1, -1):
    pars = list(standard)
    pars[0] = sign * 0.02
    result[f"tbrel{sign}"] = call("C_tbrel", pars)
pars = list(standard)
pars[0], pars[4], pars[15] = 0.1, -3e17, -1e16
result["columns"] = call("C_tbvabs", pars)
for table in "feld angr aneb grsa wilm lodd aspl lpgp lpgs felc".split():
    choose("FPSOLR", table)
    result["phabs_" + table] = call("xsphab_", [0.03])
    result["tbabs_" + table] = call("C_tbabs", [0.03])
np.savez(sys.argv[1], standard=standard, **result)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Values of the XSPEC 12.15 library that are not in the golden files, computed in a process of its own."""
    import subprocess
    import sys

    pytest.importorskip("xspectrampoline")
    path = tmp_path_factory.mktemp("library") / "values.npz"
    done = subprocess.run([sys.executable, "-c", LIBRARY_SCRIPT, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(path) as f:
        return dict(f)


def assert_factor(ours, reference, per_depth):
    used = (reference > 1e-12 * reference.max()) & (reference > 0)
    depth = -np.log(reference[used])
    assert np.all(np.abs(np.log(ours[used]) + depth) <= per_depth * np.maximum(1.0, np.abs(depth)))


def test_old_balucinska_set_has_the_older_helium(library):
    edges = library["edges"]
    ours = phabs(edges, np.array([[0.05]]), settings_context("lodd", "obcm"))[0]
    assert_factor(ours, library["obcm"], 2e-5)  # powers 0 to 7 of log10(wavelength), single precision there
    new = phabs(edges, np.array([[0.05]]), settings_context("lodd", "bcmc"))[0]
    assert np.abs(np.log(new / ours)).max() > 1e-3


@pytest.mark.parametrize("table", ["feld", "angr", "aneb", "grsa", "wilm", "lodd", "aspl", "lpgp", "lpgs", "felc"])
def test_every_abundance_table_gives_the_absorption_of_the_library(table, library):
    pars = np.array([[0.03]])
    assert_factor(phabs(library["edges"], pars, settings_context(table))[0], library[f"phabs_{table}"], 5e-7)
    assert_factor(tbabs(library["edges"], pars, settings_context(table))[0], library[f"tbabs_{table}"], 1e-7)


def test_redshifted_variants_without_golden_file(library):
    edges, ctx = library["edges"], settings_context("lodd")
    varied = np.linspace(0.2, 1.9, 18)
    pars = np.array([[*(0.1 * varied), 0.3]])
    assert_factor(get_component("zvarabs").function(edges, pars, ctx)[0], library["zvarabs"], 1e-6)
    window = get_component("zwndabs").function(edges, np.array([[0.3, 0.9, 0.5]]), ctx)[0]
    inside = (edges[:-1] < 0.9 / 1.5) & (edges[1:] > 0.9 / 1.5)  # the library rounds the edges of this bin to 4e-8
    assert_factor(window[~inside], library["zwndabs"][~inside], 1e-6)
    assert_factor(window[inside], library["zwndabs"][inside], 1e-4)


def test_relative_column_and_columns_of_single_elements(library):
    edges, ctx = library["edges"], settings_context("lodd")
    pars = np.repeat(library["standard"][None, :], 3, axis=0)
    pars[:2, 0] = 0.02, -0.02
    relative = tbrel(edges, pars[:2], ctx)
    assert_factor(relative[0], library["tbrel1"], 1e-7)
    thin = library["tbrel1"] > 1e-3
    np.testing.assert_allclose(relative[1][thin], library["tbrel-1"][thin], rtol=1e-6)
    pars[2, [0, 4, 15]] = 0.1, -3e17, -1e16
    assert_factor(tbvarabs(edges, pars[2:], ctx)[0], library["columns"], 1e-7)


def test_rows_of_a_batch_are_independent():
    """Rows of different redshift and column in one call, as one call each."""
    edges = np.geomspace(0.2, 15.0, 300)
    ctx = settings_context("wilm")
    rng = np.random.default_rng(4)
    for function, width in ((zphabs, 2), (ztbabs, 2), (zwabs, 2), (varabs, 18), (tbvarabs, 42)):
        name = next(n for n in MULTIPLICATIVE if get_component(n).function is function)
        pars = np.repeat(get_component(name).defaults[None, :], 5, axis=0)
        pars[:, 0] = rng.uniform(0.01, 1.0, 5)
        pars[:, -1] = [0.0, 0.5, 0.0, 1.2, 0.5]
        pars[2:, width // 2] *= 0.5
        batch = function(edges, pars, ctx)
        assert batch.dtype == np.float64
        for row in range(5):
            np.testing.assert_allclose(batch[row], function(edges, pars[row : row + 1], ctx)[0], rtol=1e-12)


def test_memory_knows_a_grid_by_its_contents():
    """The same array with other energies in it is another grid."""
    edges = np.geomspace(0.3, 10.0, 50)
    pars = np.array([[0.5]])
    first = tbabs(edges, pars, settings_context("wilm"))
    edges *= 1.5
    second = tbabs(edges, pars, settings_context("wilm"))
    assert (second > first).all()
    np.testing.assert_allclose(tbabs(edges / 1.5, pars, settings_context("wilm")), first, rtol=1e-12)


def test_settings_matter_only_where_they_should():
    edges = np.geomspace(0.3, 10.0, 100)
    pars = np.array([[0.5]])
    angr, wilm, bcmc = settings_context("angr"), settings_context("wilm"), settings_context("angr", "bcmc")
    assert np.abs(tbabs(edges, pars, angr) / tbabs(edges, pars, wilm) - 1).max() > 0.05
    np.testing.assert_array_equal(tbabs(edges, pars, angr), tbabs(edges, pars, bcmc))
    assert np.abs(phabs(edges, pars, angr) / phabs(edges, pars, bcmc) - 1).max() > 0.005
    np.testing.assert_array_equal(wabs(edges, pars, angr), wabs(edges, pars, wilm))
    assert get_component("wabs").depends == frozenset()
    assert get_component("TBabs").depends == {"abund"}
    assert get_component("phabs").depends == {"abund", "xsect"}


def test_extremes_are_finite_and_between_zero_and_one():
    """No column, a huge one, energies from zero to beyond the range of the cross-sections, redshift -1."""
    edges = np.concatenate([[0.0, 1e-3, 0.0136], np.geomspace(0.014, 500.0, 200)])
    for name in MULTIPLICATIVE:
        definition = get_component(name)
        pars = np.repeat(definition.defaults[None, :], 4, axis=0)
        if name != "pwab":
            pars[1:3, 0] = 0.0, definition.parameters[0].soft_max
        redshift = [i for i, p in enumerate(definition.parameters) if p.name.lower() == "redshift"]
        pars[3, redshift] = [definition.parameters[i].hard_min for i in redshift]
        factor = definition.function(edges, pars, settings_context("wilm"))
        assert np.isfinite(factor).all(), name
        assert (factor >= 0).all(), name
        assert (factor <= 1 + 1e-12).all() or name == "pwab", name
        if name.startswith(("TB", "zTB")):
            assert (factor[:3, edges[:-1] >= 110.0] == 1.0).all()


def test_partial_covering_and_window_limits():
    edges = np.geomspace(0.3, 10.0, 64)
    ctx = settings_context()
    full = phabs(edges, np.array([[2.0]]), ctx)
    np.testing.assert_allclose(pcfabs(edges, np.array([[2.0, 1.0]]), ctx), full, rtol=1e-14)
    np.testing.assert_array_equal(pcfabs(edges, np.array([[2.0, 0.0]]), ctx), 1.0)
    np.testing.assert_array_equal(wndabs(edges, np.array([[2.0, 20.0]]), ctx), 1.0)
    np.testing.assert_allclose(wndabs(edges, np.array([[2.0, 0.05]]), ctx), full, rtol=1e-14)
