"""Table models: against formulas that interpolation meets exactly, and against XSPEC's own interpolation.

The files are written with astropy.
"""

from __future__ import annotations

import gzip
import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from wolter.errors import ModelError, WolterWarning
from wolter.models import Context, Model, get_component, parse_expression
from wolter.models.grammar import format_expression
from wolter.models.tables import ogip, read_table, table_component
from wolter.models.tables.components import _component, _table


@pytest.fixture(autouse=True)
def forget_tables():
    yield
    _component.cache_clear()
    _table.cache_clear()


def grid_parameter(name, values, *, log=False, initial=None, delta=0.1, limits=None, unit=""):
    lo, hi = values[0], values[-1]
    return {
        "name": name, "method": int(log), "values": list(values), "delta": delta, "unit": unit,
        "initial": values[0] if initial is None else initial, "limits": limits or (lo, lo, hi, hi),
    }  # fmt: skip


def extra_parameter(name, *, initial=1.0, limits=(0.0, 0.0, 10.0, 10.0), delta=0.1):
    return {
        "name": name, "method": 0, "values": [], "delta": delta, "unit": "", "initial": initial, "limits": limits,
    }  # fmt: skip


def combinations(parameters):
    """Rows of PARAMVAL, the last parameter counting fastest."""
    grids = np.meshgrid(*[p["values"] for p in parameters if p["values"]], indexing="ij")
    return np.stack([g.ravel() for g in grids], axis=1)


def table_hdus(parameters, edges, spectrum, *, additional=(), keywords=None, additive=True, type_="D"):
    """HDUs of a table model; `spectrum(*values)` and each of `additional` give values per bin."""
    primary = astropy_fits.PrimaryHDU()
    primary.header.update(
        {
            "HDUCLASS": "OGIP",
            "HDUCLAS1": "XSPEC TABLE MODEL",
            "HDUVERS": "1.1.0",
            "MODLNAME": "mine",
            "ADDMODEL": additive,
            "REDSHIFT": False,
        }
        | (keywords or {})
    )
    column = astropy_fits.Column
    width = max([len(p["values"]) for p in parameters] + [1])
    values = np.array([p["values"] + [0.0] * (width - len(p["values"])) for p in parameters])
    limits = np.array([p["limits"] for p in parameters])
    columns = [
        column("NAME", "12A", array=[p["name"] for p in parameters]),
        column("METHOD", "J", array=[p["method"] for p in parameters]),
        column("INITIAL", type_, array=[p["initial"] for p in parameters]),
        column("DELTA", type_, array=[p["delta"] for p in parameters]),
        *(column(n, type_, array=limits[:, i]) for i, n in enumerate(("MINIMUM", "BOTTOM", "TOP", "MAXIMUM"))),
        column("NUMBVALS", "J", array=[len(p["values"]) for p in parameters]),
        column("VALUE", f"{width}{type_}", array=values),
        column("UNITS", "12A", array=[p["unit"] for p in parameters]),
    ]
    table = astropy_fits.BinTableHDU.from_columns(columns, name="PARAMETERS")
    table.header["NINTPARM"] = sum(bool(p["values"]) for p in parameters)
    table.header["NADDPARM"] = sum(not p["values"] for p in parameters)
    energies = astropy_fits.BinTableHDU.from_columns(
        [column("ENERG_LO", type_, array=edges[:-1]), column("ENERG_HI", type_, array=edges[1:])], name="ENERGIES"
    )
    rows = combinations(parameters)
    count = len(edges) - 1
    columns = [
        column("PARAMVAL", f"{rows.shape[1]}{type_}", array=rows),
        column("INTPSPEC", f"{count}{type_}", array=np.array([spectrum(*r) for r in rows])),
    ]
    for i, more in enumerate(additional):
        columns.append(column(f"ADDSP{i + 1:03d}", f"{count}{type_}", array=np.array([more(*r) for r in rows])))
    spectra = astropy_fits.BinTableHDU.from_columns(columns, name="SPECTRA")
    return [primary, table, energies, spectra]


def write(path, hdus):
    astropy_fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def evaluate(kind, path, edges, *rows):
    return table_component(kind, path).function(np.asarray(edges, dtype=float), np.array(rows, dtype=float), Context())


EDGES = np.geomspace(0.5, 12.0, 241)
MIDDLE = 0.5 * (EDGES[1:] + EDGES[:-1])


def power_law(gamma, edges=EDGES):
    return np.diff(edges ** (1.0 - gamma)) / (1.0 - gamma)


# --- formulas ---------------------------------------------------------------------------------------------------------


def test_grid_of_power_laws(tmp_path):
    """At tabulated indices the power law itself; between them the mean of the neighbours; on a coarser grid the sum."""
    path = write(tmp_path / "po.fits", table_hdus([grid_parameter("Gamma", [1.5, 2.0, 2.5])], EDGES, power_law))
    native = get_component("powerlaw").function(EDGES, np.array([[1.5], [2.0], [2.5]]), Context())
    np.testing.assert_allclose(evaluate("atable", path, EDGES, [1.5], [2.0], [2.5]), native, rtol=1e-12)
    between = evaluate("atable", path, EDGES, [1.6])[0]
    np.testing.assert_allclose(between, 0.8 * native[0] + 0.2 * native[1], rtol=1e-12)
    coarse = evaluate("atable", path, EDGES[::8], [2.0])[0]
    np.testing.assert_allclose(coarse, native[1].reshape(-1, 8).sum(axis=1), rtol=1e-12)


def test_linear_and_logarithmic_parameters_and_an_additional_one(tmp_path):
    """A spectrum linear in a, in ln b and in the additional parameter c is met exactly everywhere."""

    def spectrum(a, b):
        return MIDDLE * (1.0 + 2.0 * a + 3.0 * a * np.log(b))

    parameters = [
        grid_parameter("a", [0.0, 0.5, 3.0]),
        grid_parameter("b", [0.1, 1.0, 50.0, 1000.0], log=True, initial=1.0, unit="keV"),
        extra_parameter("c"),
    ]
    more = [lambda a, b: np.sqrt(MIDDLE) * a]
    path = write(tmp_path / "t.fits", table_hdus(parameters, EDGES, spectrum, additional=more))
    rng = np.random.default_rng(3)
    rows = np.stack([rng.uniform(0, 3, 40), np.exp(rng.uniform(-2.3, 6.9, 40)), rng.uniform(0, 5, 40)], axis=1)
    expected = [spectrum(a, b) + c * more[0](a, b) for a, b, c in rows]
    np.testing.assert_allclose(evaluate("atable", path, EDGES, *rows), expected, rtol=1e-10, atol=1e-10)
    definition = table_component("atable", path)
    assert [(p.name, p.unit) for p in definition.all_parameters] == [("a", ""), ("b", "keV"), ("c", ""), ("norm", "")]


def test_redshift(tmp_path):
    """A power law seen at redshift z: weaker by (1 + z)^-Gamma."""
    hdus = table_hdus([grid_parameter("Gamma", [2.0, 3.0])], EDGES, power_law, keywords={"REDSHIFT": True})
    path = write(tmp_path / "z.fits", hdus)
    inside = EDGES[(EDGES > 0.5) & (EDGES < 12 / 1.5)]
    definition = table_component("atable", path)
    assert [p.name for p in definition.parameters] == ["Gamma", "z"]
    assert definition.parameters[1].frozen
    seen = evaluate("atable", path, inside, [2.0, 0.5], [2.0, 0.0])
    np.testing.assert_allclose(seen[0], power_law(2.0, inside) * 1.5**-2.0, rtol=2e-4)  # curvature within bins
    np.testing.assert_allclose(seen[1], power_law(2.0, inside), rtol=1e-12)


def test_factors(tmp_path):
    """mtable and etable: the mean over a bin, exp(-mean), and the limits outside."""
    edges = np.array([1.0, 2.0, 3.0, 5.0])
    hdus = table_hdus(
        [grid_parameter("q", [0.0, 1.0])],
        edges,
        lambda q: q * np.array([1.0, 2.0, 4.0]),
        additive=False,
        keywords={"LOELIMIT": 0.25, "HIELIMIT": 0.5},
    )
    path = write(tmp_path / "m.fits", hdus)
    grid = [0.1, 0.9, 1.0, 1.5, 2.5, 3.0, 4.0, 6.0, 7.0]
    mean = 0.5 * np.array([1.0, (0.5 * 1 + 0.5 * 2) / 1.0, 2.0, 4.0, 4.0])
    factor = evaluate("mtable", path, grid, [0.5])[0]
    np.testing.assert_allclose(factor, [0.25, 0.25, *mean, 0.5], rtol=1e-12)
    exponential = evaluate("etable", path, grid, [0.5])[0]
    np.testing.assert_allclose(exponential, [0.25, 0.25, *np.exp(-mean), 0.5], rtol=1e-12)


def test_no_parameters_to_interpolate_between(tmp_path):
    """A table of one spectrum and additional parameters is a sum of spectra."""
    parameters = [grid_parameter("only", [2.0]), extra_parameter("c")]
    hdus = table_hdus(parameters, EDGES, lambda only: MIDDLE, additional=[lambda only: MIDDLE**2])
    path = write(tmp_path / "one.fits", hdus)
    np.testing.assert_allclose(evaluate("atable", path, EDGES, [2.0, 3.0])[0], MIDDLE + 3.0 * MIDDLE**2, rtol=1e-12)
    definition = table_component("atable", path)
    assert definition.parameters[0].frozen  # nothing to vary


def test_flux_is_conserved_and_rows_are_independent(tmp_path):
    parameters = [grid_parameter("a", [0.0, 1.0]), grid_parameter("b", [1.0, 2.0, 4.0], log=True)]
    hdus = table_hdus(
        parameters, EDGES, lambda a, b: power_law(1.2 + a) * b, keywords={"REDSHIFT": True, "ESCALE": True}
    )
    path = write(tmp_path / "t.fits", hdus)
    rng = np.random.default_rng(1)
    wide = np.linspace(0.05, 60.0, 977)
    rows = np.stack(
        [rng.uniform(0, 1, 8), rng.uniform(1, 4, 8), rng.choice([1.0, 1.3], 8), rng.choice([0.0, 0.7], 8)], axis=1
    )
    values = evaluate("atable", path, wide, *rows)
    for row, value in zip(rows, values, strict=True):
        np.testing.assert_allclose(value, evaluate("atable", path, wide, row)[0], rtol=1e-12)
        a, b, scale, z = row
        low = EDGES[0] * scale / (1 + z)
        first = wide[np.searchsorted(wide, low)]  # the bin that begins before the table is lost, as in XSPEC
        low_part = np.clip((EDGES[1:] * scale / (1 + z) - first) / (np.diff(EDGES) * scale / (1 + z)), 0.0, 1.0)
        lowest, highest = power_law(1.2 + 0.0), power_law(1.2 + 1.0)
        mixture = (1 - a) * lowest + a * highest
        np.testing.assert_allclose(value.sum(), (mixture * low_part).sum() * _log_share(b) / (1 + z), rtol=1e-10)


def _log_share(b):
    """Value at b of what is 1, 2, 4 at 1, 2, 4, linear in ln b between."""
    lower = 1.0 if b < 2.0 else 2.0
    return lower * (1.0 + np.log(b / lower) / np.log(2.0))


# --- XSPEC ------------------------------------------------------------------------------------------------------------

LIBRARY_SCRIPT = """
import ctypes, json, sys
import numpy as np
import xspectrampoline

functions = xspectrampoline.get_libraries().lib_xs_functions
functions.FNINIT()
# FunctionUtility::tableInterpolate(energies, parameters, file, spectrum, flux&, error&, init, kind, whole):
# the function behind tabint, in double precision. In libstdc++ a valarray is (size, pointer), a string (pointer, size,
# buffer).
string = "NSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE"
name = "_ZN15FunctionUtility16tableInterpolateERKSt8valarrayIdES3_" + string + "iRS1_SA_S9_S9_b"
interpolate = getattr(functions, name)
interpolate.restype = None

class Text(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("size", ctypes.c_size_t), ("room", ctypes.c_size_t), ("pad", ctypes.c_size_t)]

class Numbers(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("at", ctypes.POINTER(ctypes.c_double))]

kept = []

def text(value):
    buffer = ctypes.create_string_buffer(value.encode() + bytes(16))
    kept.append(buffer)
    return ctypes.byref(Text(ctypes.addressof(buffer), len(value), max(len(value), 16), 0))

def numbers(value):
    array = np.ascontiguousarray(value, float)
    kept.append(array)
    return ctypes.byref(Numbers(len(array), array.ctypes.data_as(ctypes.POINTER(ctypes.c_double))))

file, kind, pars, edges, out = sys.argv[1:]
flux, error = Numbers(0, None), Numbers(0, None)
interpolate(
    numbers(json.loads(edges)), numbers(json.loads(pars)), text(file), ctypes.c_int(1), ctypes.byref(flux),
    ctypes.byref(error), text(""), text(kind), ctypes.c_bool(True),
)
np.save(out, [flux.at[i] for i in range(flux.size)])
"""

XSPEC_EDGES = np.array([1.0, 2.0, 3.0, 5.0, 6.0, 6.5, 9.0])


def _random_table(additive, keywords):
    rng = np.random.default_rng(7)
    parameters = [
        grid_parameter("A", [1.0, 2.0, 4.0]),
        extra_parameter("C"),
        grid_parameter("B", [0.1, 1.0, 100.0], log=True, initial=1.0),
    ]
    table = {tuple(r): rng.uniform(0.5, 3.0, (2, len(XSPEC_EDGES) - 1)) for r in combinations(parameters)}
    return table_hdus(
        parameters,
        XSPEC_EDGES,
        lambda *r: table[r][0],
        additional=[lambda *r: table[r][1]],
        additive=additive,
        keywords=keywords,
    )


# kind, keywords, parameters (A, C, B, then Escale and z)
XSPEC_CASES = {
    "additive": ("atable", {}, [1.7, 0.4, 5.0]),
    "additive, limits without effect": ("atable", {"LOELIMIT": 0.3, "HIELIMIT": 0.7}, [4.0, 2.0, 1.0]),
    "redshifted": ("atable", {"REDSHIFT": True}, [1.0, 1.0, 0.5, 0.37]),
    "scaled": ("atable", {"ESCALE": True}, [3.0, 1.0, 0.5, 1.9]),
    "scaled and redshifted": ("atable", {"ESCALE": True, "REDSHIFT": True}, [3.0, 0.1, 30.0, 1.9, 0.4]),
    "multiplicative": ("mtable", {}, [1.7, 0.4, 5.0]),
    "multiplicative with limits": ("mtable", {"LOELIMIT": 0.0, "HIELIMIT": 0.6}, [2.0, 0.4, 5.0]),
    "multiplicative, redshifted": ("mtable", {"REDSHIFT": True}, [2.5, 0.0, 5.0, 0.2]),
    "exponential": ("etable", {}, [1.7, 0.4, 5.0]),
    "exponential with limits": ("etable", {"LOELIMIT": 0.4, "HIELIMIT": 0.6}, [1.7, 0.4, 5.0]),
    "limits below zero are none": ("mtable", {"LOELIMIT": -1.0, "HIELIMIT": -1.0}, [1.7, 0.4, 5.0]),
}
XSPEC_GRIDS = {
    "own": XSPEC_EDGES,
    "wider and shifted": np.array([0.2, 0.5, 0.8, 1.5, 2.2, 2.4, 4.0, 4.1, 5.5, 7.0, 8.5, 11.0, 12.0]),
    "nearly equal": XSPEC_EDGES * (1.0 - 5e-7),
    "coarse": np.array([0.4, 1.0, 4.0, 7.5]),
}


@pytest.mark.parametrize("grid", XSPEC_GRIDS)
@pytest.mark.parametrize("case", XSPEC_CASES)
def test_interpolation_is_that_of_xspec(case, grid, tmp_path):
    """Against the function that evaluates table models in the XSPEC 12.15 library, each in a process of its own.

    (In one process the library remembers limits of tables that it had read before.)
    """
    pytest.importorskip("xspectrampoline")
    kind, keywords, pars = XSPEC_CASES[case]
    path = write(tmp_path / "table.fits", _random_table(kind == "atable", keywords))
    edges = XSPEC_GRIDS[grid]
    out = tmp_path / "out.npy"
    word = {"atable": "add", "mtable": "mul", "etable": "exp"}[kind]
    arguments = [str(path), word, json.dumps(pars), json.dumps(edges.tolist()), str(out)]
    done = subprocess.run([sys.executable, "-c", LIBRARY_SCRIPT, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    theirs = np.load(out)
    assert theirs.shape == (len(edges) - 1,)
    # edges that differ by less than 1e-6 are the same for XSPEC
    rtol = 1e-5 if grid == "nearly equal" else 1e-11
    np.testing.assert_allclose(evaluate(kind, path, edges, pars)[0], theirs, rtol=rtol, atol=1e-15)


# --- in expressions ---------------------------------------------------------------------------------------------------


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    """Current folder with an additive table "my table+1.fits", a multiplicative one, and a second additive one."""
    write(tmp_path / "my table+1.fits", table_hdus([grid_parameter("Gamma", [1.5, 2.5])], EDGES, power_law))
    flat = table_hdus([grid_parameter("q", [0.0, 1.0])], EDGES, lambda q: q + 0.0 * MIDDLE, additive=False)
    write(tmp_path / "factor.fits", flat)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_in_an_expression(in_folder):
    """File names with blanks and operators, relative to the current folder; labels; saving and restoring."""
    text = "tbabs*mtable{factor.fits}(atable{my table+1.fits} + atable{my table+1.fits})"
    model = Model(text)
    assert [c.label for c in model.components] == ["TBabs", "mine", "mine_3", "mine_4"]
    assert model.expression == "TBabs*mtable{factor.fits}(atable{my table+1.fits} + atable{my table+1.fits})"
    assert format_expression(parse_expression(model.expression)) == (
        "TBabs*mtable{factor.fits}*(atable{my table+1.fits} + atable{my table+1.fits})"
    )
    model["mine.q"].value = 0.5
    model["TBabs.nH"].value = 0.0
    model["mine_3.Gamma"].value, model["mine_4.Gamma"].value = 1.5, 2.5
    model["mine_4.norm"].value = 3.0
    values = model.evaluate(EDGES)
    np.testing.assert_allclose(values, 0.5 * (power_law(1.5) + 3.0 * power_law(2.5)), rtol=1e-10)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict())))
    np.testing.assert_array_equal(again.evaluate(EDGES), values)


def test_limits_and_freezing_are_those_of_the_file(tmp_path):
    parameters = [
        grid_parameter("a", [0.0, 1.0, 2.0], initial=0.5, limits=(-1.0, 0.2, 1.8, 9.0)),  # wider than the values
        grid_parameter("b", [1.0, 3.0], initial=2.0, delta=-0.05, limits=(1.0, 1.0, 3.0, 3.0)),
        extra_parameter("norm", initial=2.0, limits=(0.0, 0.5, 4.0, 5.0)),
    ]
    path = write(
        tmp_path / "t.fits", table_hdus(parameters, EDGES, lambda a, b: MIDDLE, additional=[lambda a, b: MIDDLE])
    )
    a, b, c, norm = table_component("atable", path).all_parameters
    assert (a.default, a.delta, a.frozen) == (0.5, 0.1, False)
    assert (a.hard_min, a.soft_min, a.soft_max, a.hard_max) == (0.0, 0.2, 1.8, 2.0)
    assert (b.default, b.delta, b.frozen) == (2.0, 0.05, True)
    assert (c.name, c.hard_min, c.soft_min, c.soft_max, c.hard_max) == ("norm_2", 0.0, 0.5, 4.0, 5.0)
    assert norm.name == "norm"


def test_parameter_outside_the_tabulated_values(in_folder):
    with pytest.raises(ModelError, match=r"Gamma = 2\.6 is outside the tabulated values 1\.5 to 2\.5"):
        evaluate("atable", "my table+1.fits", EDGES, [2.0], [2.6])
    within_rounding = evaluate("atable", "my table+1.fits", EDGES, [2.5 * (1 + 5e-7)])[0]
    np.testing.assert_allclose(within_rounding, power_law(2.5), rtol=1e-12)


def test_name_that_is_no_identifier(tmp_path):
    hdus = table_hdus(
        [grid_parameter("a", [0.0, 1.0])], EDGES, lambda a: MIDDLE, keywords={"MODLNAME": "2 (blue) moons"}
    )
    model = Model(f"atable{{{write(tmp_path / 't.fits', hdus)}}}")
    assert model.components[0].label == "table_2_blue_moons"
    assert model.table_2_blue_moons.a.value == 0.0


# --- kinds of files ---------------------------------------------------------------------------------------------------


def test_single_precision_scalar_value_and_compressed(tmp_path):
    hdus = table_hdus([grid_parameter("Gamma", [2.0])], EDGES, power_law, type_="E")
    plain = write(tmp_path / "t.fits", hdus)
    packed = tmp_path / "t.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    values = evaluate("atable", packed, EDGES, [2.0])[0]
    np.testing.assert_array_equal(values, evaluate("atable", plain, EDGES, [2.0])[0])
    np.testing.assert_allclose(values[2:-2], power_law(2.0)[2:-2], rtol=2e-5)  # edges in single precision


def test_rows_in_another_order(tmp_path):
    """PARAMVAL says which row is which."""
    parameters = [grid_parameter("a", [0.0, 1.0, 3.0]), grid_parameter("b", [1.0, 2.0])]
    hdus = table_hdus(parameters, EDGES, lambda a, b: MIDDLE * (a + 10.0 * b))
    shuffled = np.random.default_rng(2).permutation(6)
    data = hdus[3].data[shuffled]
    hdus[3] = astropy_fits.BinTableHDU(data, name="SPECTRA")
    path = write(tmp_path / "t.fits", hdus)
    np.testing.assert_allclose(evaluate("atable", path, EDGES, [2.0, 1.5])[0], MIDDLE * 17.0, rtol=1e-12)


def test_large_table_is_read_row_by_row(tmp_path, monkeypatch):
    parameters = [grid_parameter("a", np.arange(50.0).tolist())]
    hdus = table_hdus(parameters, EDGES, lambda a: MIDDLE * (1 + a), additional=[], keywords={})
    path = write(tmp_path / "t.fits", hdus)
    whole = evaluate("atable", path, EDGES, [7.25], [48.5])
    _component.cache_clear()
    _table.cache_clear()
    monkeypatch.setattr(ogip, "_WHOLE", 1000)
    monkeypatch.setattr(ogip, "_KEPT_ROWS", 3 * 240 * 8)
    table = read_table(path)
    assert table.rows._all is None
    for row in range(50):
        table.spectra(row)
    assert len(table.rows._kept) == 3
    np.testing.assert_array_equal(evaluate("atable", path, EDGES * 1.0000001, [7.25])[0] > 0, whole[0] > 0)
    other = pickle.loads(pickle.dumps(table))
    np.testing.assert_array_equal(other.spectra(17), table.spectra(17))
    np.testing.assert_allclose(table.spectra(17)[0], MIDDLE * 18.0, rtol=1e-12)


def test_changed_file_is_read_again(tmp_path):
    import os

    path = tmp_path / "t.fits"
    write(path, table_hdus([grid_parameter("a", [0.0, 1.0])], EDGES, lambda a: MIDDLE))
    first = evaluate("atable", path, EDGES, [0.5])[0]
    write(path, table_hdus([grid_parameter("a", [0.0, 1.0])], EDGES, lambda a: 2.0 * MIDDLE))
    os.utime(path, ns=(1, 1))
    np.testing.assert_allclose(evaluate("atable", path, EDGES, [0.5])[0], 2.0 * first, rtol=1e-12)


def test_errors_of_the_spectra_are_ignored_with_a_note(tmp_path):
    def with_errors(gamma):
        return np.concatenate([power_law(gamma), np.full(len(MIDDLE), 99.0)])

    hdus = table_hdus([grid_parameter("Gamma", [2.0, 3.0])], EDGES, power_law)
    columns = [
        astropy_fits.Column("PARAMVAL", "1D", array=[[2.0], [3.0]]),
        astropy_fits.Column("INTPSPEC", f"{2 * len(MIDDLE)}D", array=np.array([with_errors(2.0), with_errors(3.0)])),
    ]
    hdus[3] = astropy_fits.BinTableHDU.from_columns(columns, name="SPECTRA")
    path = write(tmp_path / "t.fits", hdus)
    with pytest.warns(WolterWarning, match="errors in column INTPSPEC are not used"):
        values = evaluate("atable", path, EDGES, [2.0])[0]
    np.testing.assert_allclose(values, power_law(2.0), rtol=1e-12)


# --- what may be wrong ------------------------------------------------------------------------------------------------


def _drop(hdu, name):
    columns = [c for c in hdu.columns if c.name != name]
    new = astropy_fits.BinTableHDU.from_columns(columns, name=hdu.name)
    for key in ("NINTPARM", "NADDPARM"):
        if key in hdu.header:
            new.header[key] = hdu.header[key]
    return new


def _set(hdu, column, row, value):
    hdu.data[column][row] = value


BREAK = {
    "HDUCLAS1": lambda h: h[0].header.set("HDUCLAS1", "SPECTRUM"),
    "ADDMODEL": lambda h: h[0].header.remove("ADDMODEL"),
    "NXFLTEXP": lambda h: h[0].header.set("NXFLTEXP", 3),
    "NNPTFILE": lambda h: h[0].header.set("NNPTFILE", "net.pt"),
    "no PARAMETERS": lambda h: setattr(h[1], "name", "PARS"),
    "no ENERGIES": lambda h: h.pop(2),
    "no SPECTRA": lambda h: h.pop(3),
    "no NINTPARM": lambda h: h[1].header.remove("NINTPARM"),
    "rows": lambda h: h[1].header.set("NADDPARM", 2),
    "NINTPARM": lambda h: (h[1].header.set("NINTPARM", 1), h[1].header.set("NADDPARM", 2)),
    "METHOD": lambda h: _set(h[1], "METHOD", 0, 7),
    "NAME": lambda h: _set(h[1], "NAME", 0, ""),
    "NUMBVALS": lambda h: _set(h[1], "NUMBVALS", 0, 5),
    "values descend": lambda h: _set(h[1], "VALUE", 0, [2.0, 1.0, 0.5]),
    "log of zero": lambda h: _set(h[1], "VALUE", 2, [0.0, 1.0, 2.0]),
    "limits": lambda h: (_set(h[1], "MINIMUM", 0, 6.0), _set(h[1], "BOTTOM", 0, 6.0)),
    "default": lambda h: _set(h[1], "INITIAL", 0, 40.0),
    "NaN limit": lambda h: _set(h[1], "TOP", 0, np.nan),
    "energies descend": lambda h: _set(h[2], "ENERG_HI", 3, 0.1),
    "energies with a gap": lambda h: _set(h[2], "ENERG_HI", 3, h[2].data["ENERG_HI"][3] * 0.999),
    "spectrum missing": lambda h: h.__setitem__(3, astropy_fits.BinTableHDU(h[3].data[:-1], name="SPECTRA")),
    "PARAMVAL": lambda h: _set(h[3], "PARAMVAL", 4, [1.5, 1.0]),
    "twice": lambda h: _set(h[3], "PARAMVAL", 4, h[3].data["PARAMVAL"][3]),
    "not finite": lambda h: _set(h[3], "INTPSPEC", 0, np.nan),
    "energies fewer": lambda h: h.__setitem__(2, astropy_fits.BinTableHDU(h[2].data[:-1], name="ENERGIES")),
    "z twice": lambda h: (h[0].header.set("REDSHIFT", True), _set(h[1], "NAME", 0, "z")),
    **{f"{t} {c}": (lambda h, i=i, c=c: h.__setitem__(i, _drop(h[i], c)))
       for i, t, names in ((1, "PARAMETERS", "NAME METHOD INITIAL DELTA MINIMUM BOTTOM TOP MAXIMUM NUMBVALS VALUE"),
                           (2, "ENERGIES", "ENERG_LO ENERG_HI"), (3, "SPECTRA", "PARAMVAL INTPSPEC ADDSP001"))
       for c in names.split()},
}  # fmt: skip
SAID = {
    "HDUCLAS1": ("PRIMARY", "no table model.*'SPECTRUM'"),
    "ADDMODEL": ("PRIMARY", "ADDMODEL is missing"),
    "NXFLTEXP": ("PRIMARY", "3 spectra per combination"),
    "NNPTFILE": ("PRIMARY", "neural network"),
    "no PARAMETERS": (None, "table PARAMETERS is missing.*PARS"),
    "no ENERGIES": (None, "table ENERGIES is missing.*SPECTRA"),
    "no SPECTRA": (None, "table SPECTRA is missing"),
    "no NINTPARM": ("PARAMETERS", "NINTPARM is missing"),
    "rows": ("PARAMETERS", "NINTPARM 2 and NADDPARM 2 do not make 3 rows"),
    "NINTPARM": ("PARAMETERS", "NINTPARM is 1, but 2 parameters"),
    "METHOD": ("PARAMETERS", "METHOD 7 of parameter A"),
    "NAME": ("PARAMETERS", "row 1 has no name"),
    "NUMBVALS": ("PARAMETERS", "A is to have 5 values, there are 3"),
    "values descend": ("PARAMETERS", "values of parameter A do not ascend"),
    "log of zero": ("PARAMETERS", "B is logarithmic, but has the value 0"),
    "limits": ("PARAMETERS", "contain none of its values"),
    "default": ("PARAMETERS", "default 40 of parameter A is outside its limits 1 to 4"),
    "NaN limit": ("PARAMETERS", "parameter A is not finite"),
    "energies descend": ("ENERGIES", "do not ascend"),
    "energies with a gap": ("ENERGIES", "between the bins in rows 4 and 5"),
    "spectrum missing": ("SPECTRA", "8 spectra for 9 combinations"),
    "PARAMVAL": ("SPECTRA", r"row 5 has A = 1\.5, which is none of its values"),
    "twice": ("SPECTRA", "occurs twice"),
    "not finite": ("SPECTRA", "row 1 contains values that are not finite"),
    "energies fewer": ("SPECTRA", "INTPSPEC has 6 values per row for 5 energies"),
    "z twice": ("PARAMETERS", "has a parameter 'z' and asks for another"),
}


@pytest.mark.parametrize("what", BREAK)
def test_wrong_tables(what, tmp_path):
    hdus = _random_table(True, {})
    BREAK[what](hdus)
    path = write(tmp_path / "t.fits", hdus)
    place, said = SAID.get(what, (what.split()[0], f"column {what.split()[-1]} missing"))
    with pytest.raises(ModelError, match=said) as caught:
        evaluate("atable", path, XSPEC_EDGES, [1.0, 1.0, 0.1])
    assert caught.value.file == str(path)
    assert caught.value.hdu == place


def test_wrong_kind_of_table(in_folder):
    with pytest.raises(ModelError, match=r"mtable was asked for, but the file is an additive.*Write atable\{my table"):
        parse_expression("mtable{my table+1.fits}*powerlaw")
    with pytest.raises(ModelError, match=r"but the file is a multiplicative.*mtable or etable"):
        parse_expression("tbabs*atable{factor.fits}")
    with pytest.raises(ModelError, match="both additive"):
        parse_expression("powerlaw*atable{my table+1.fits}")
    with pytest.raises(ModelError, match="no kind of table model"):
        table_component("ctable", "factor.fits")


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(ModelError, match="there is no such table model"):
        Model("atable{nowhere.fits}")
    text = tmp_path / "text.fits"
    text.write_text("no FITS")
    with pytest.raises(ModelError, match="cannot be read") as caught:
        Model(f"atable{{{text}}}")
    assert caught.value.file == str(text)
    path = write(tmp_path / "t.fits", _random_table(True, {}))
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ModelError, match="cannot be read"):
        evaluate("atable", path, XSPEC_EDGES, [1.0, 1.0, 0.1])


def test_importing_models_does_not_import_tables():
    code = "import sys, wolter.models.model; print([m for m in sys.modules if m.startswith('wolter.models.tables')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
