"""Native components against XSPEC's own library at parameters and on grids that the golden values do not have.

The library runs in a process of its own: it cannot be trusted to return.
"""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from wolter.models import Context, Settings, get_component

LIBRARY = """
import ctypes, json, sys
import numpy as np
import xspectrampoline as xt

lib = xt.lib_XSFunctions
out = {}
for key, (symbol, edges, pars, flux, cosmo) in json.load(open(sys.argv[1])).items():
    lib.csmpall(*(ctypes.c_float(v) for v in cosmo))
    double = symbol[:2] in ("C_", "c_")
    kind, ctype = (np.float64, ctypes.c_double) if double else (np.float32, ctypes.c_float)
    function = getattr(lib, symbol if double else symbol + "_")
    function.restype = None
    edges, pars = np.array(edges, dtype=kind), np.array(pars, dtype=kind)
    n = len(edges) - 1
    values = np.zeros(n, dtype=kind) if flux is None else np.array(flux, dtype=kind)
    errors = np.zeros(n, dtype=kind)
    pointer = [a.ctypes.data_as(ctypes.POINTER(ctype)) for a in (edges, pars, values, errors)]
    if double:
        function(pointer[0], ctypes.c_int(n), pointer[1], ctypes.c_int(1), pointer[2], pointer[3], b"")
    else:
        number, spectrum = ctypes.c_int(n), ctypes.c_int(1)
        function(pointer[0], ctypes.byref(number), pointer[1], ctypes.byref(spectrum), pointer[2], pointer[3])
    out[key] = values.astype(float)
np.savez(sys.argv[2], **out)
"""

ROUNDING = 2.0**-24
# Ranges to draw parameters from, by name; others come from their soft limits.
RANGES = {
    "PhoIndex": (-1.0, 4.0), "PhoIndx1": (-1.0, 4.0), "PhoIndx2": (-1.0, 4.0), "PhoIndx3": (-1.0, 4.0),
    "Redshift": (0.0, 3.0), "kT": (0.3, 20.0), "BreakE": (0.5, 12.0), "BreakE1": (0.5, 4.0), "BreakE2": (5.0, 12.0),
    "HighECut": (2.0, 100.0), "alpha": (0.5, 3.0), "beta": (-0.5, 1.0), "pivotE": (0.5, 5.0), "eMin": (0.5, 2.0),
    "eMax": (3.0, 20.0), "factor": (0.1, 2.0), "LineE": (1.0, 8.0), "Sigma": (0.03, 0.3), "Width": (0.05, 0.3),
    "Tin": (0.3, 3.0), "HeovrH": (0.0, 3.0), "T0": (0.05, 1.0), "taup": (0.2, 8.0), "approx": (0.5, 2.0),
    "tem": (20.0, 500.0), "break": (1e16, 1e18), "Energy": (2.0, 8.0), "edgeE": (1.0, 8.0), "StartE": (0.5, 5.0),
    "Ampl": (0.1, 3.0), "Factor": (0.2, 3.0), "LowECut": (0.2, 3.0), "cutoffE": (1.0, 10.0), "foldE": (3.0, 30.0),
    "nH": (0.1, 20.0), "E0": (5.0, 20.0), "Width0": (1.0, 10.0), "Width2": (1.0, 20.0), "index": (-3.0, -1.0),
    "width": (1.0, 10.0), "Ecut": (1.0, 20.0), "Strength": (0.05, 2.0), "Emin": (0.4, 3.0), "Emax": (4.0, 15.0),
    "lg10Flux": (-13.0, -9.0), "lg10Lum": (40.0, 46.0), "Velocity": (-5000.0, 5000.0), "Distance": (1.0, 1000.0),
    "Depth0": (0.1, 3.0), "Depth2": (0.0, 1.0), "CvrFract": (0.1, 0.9), "coef": (0.1, 3.0), "E_BmV": (0.0, 3.0),
    "Gamma": (1.5, 4.0), "UpScOnly": (1.0, 1.0), "logfact": (-3.0, 3.0), "log10fac": (-3.0, 3.0),
}  # fmt: skip
OWN = {
    ("grbm", "alpha"): (-1.5, 0.5), ("grbm", "beta"): (-3.5, -2.0), ("srcut", "alpha"): (0.4, 0.7),
    ("spexpcut", "alpha"): (-2.0, 2.0), ("plabs", "index"): (0.0, 4.0), ("agauss", "Sigma"): (0.05, 0.3),
}  # fmt: skip

# Relative tolerance and rounding errors of single-precision edges (in 2^-24 E/dE); reasons in test_models_components.
DOUBLE = [
    "powerlaw", "zpowerlw", "bknpower", "zbknpower", "bkn2pow", "cutoffpl", "zcutoffpl", "logpar", "zlogpar", "gabs",
    "zgabs", "lorabs", "spexpcut", "cflux", "cpflux", "clumin", "cglumin", "zashift", "vashift", "zmshift",
    "vmshift", "partcov", "simpl", "logconst", "log10con",
]  # fmt: skip
SINGLE = {
    "pegpwrlw": (1e-6, 10.0), "expdec": (1e-6, 40.0), "eplogpar": (3e-6, 1.0), "bbody": (2e-6, 3.0),
    "bbodyrad": (2e-6, 3.0), "zbbody": (2e-6, 5.0), "bremss": (2e-6, 4.0), "vbremss": (2e-6, 4.0),
    "zbremss": (2e-6, 5.0), "diskbb": (1.4e-5, 1.0), "compTT": (5e-4, 5.0), "grbm": (1e-6, 3.0), "srcut": (2e-5, 3.0),
    "edge": (2e-6, 2.0), "zedge": (2e-6, 6.0), "smedge": (2e-6, 2.0), "expfac": (1e-6, 5.0), "expabs": (1e-6, 0.0),
    "highecut": (1e-6, 0.0), "zhighect": (2e-6, 0.0), "plabs": (1e-6, 0.0), "cyclabs": (1e-6, 0.0),
    "notch": (1e-6, 3.0), "cabs": (1e-6, 0.0),
}  # fmt: skip
LINES = {"gaussian": 1e-8, "zgauss": 1e-8, "lorentz": 1e-6, "zlorentz": 1e-6, "agauss": 1e-6, "zagauss": 1e-6}
WITHOUT_GOLDEN = {"vmshift": "C_vmshift"}
ROWS = 6


@pytest.fixture(scope="module")
def symbols(golden):
    index = json.loads(golden("models", "index.json").read_text())["components"]
    return {name: item["x1215"]["symbol"] for name, item in index.items()} | WITHOUT_GOLDEN


def draw(rng, definition):
    rows = []
    for p in definition.parameters:
        soft = (p.soft_min, p.soft_max)
        lo, hi = OWN.get((definition.name, p.name)) or RANGES.get(p.name) or soft
        lo, hi = max(lo, p.hard_min), min(hi, p.hard_max)
        logarithmic = lo > 0.0 and hi / lo > 20.0
        rows.append(np.exp(rng.uniform(np.log(lo), np.log(hi), ROWS)) if logarithmic else rng.uniform(lo, hi, ROWS))
    return np.array(rows).T.reshape(ROWS, len(definition.parameters))


def grid_of(rng):
    """Bins of different widths from 0.3 to 15 keV, edges exact in single precision."""
    steps = np.exp(rng.uniform(-1.0, 1.0, 400))
    edges = 0.3 * np.exp(np.log(50.0) * np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum())
    return edges.astype(np.float32).astype(float)


@pytest.fixture(scope="module")
def drawn():
    """Parameters, grid and operand of each component, the same in every run."""
    rng = np.random.default_rng(20261120)
    out = {}
    for name in [*DOUBLE, *SINGLE, *LINES]:
        definition = get_component(name)
        pars = draw(rng, definition)
        if name in SINGLE:
            pars = pars.astype(np.float32).astype(float)
        edges = grid_of(rng)
        flux = None
        if definition.kind == "con":
            factor = name.endswith("mshift") or name == "partcov"
            inner = get_component("expabs" if factor else "cutoffpl")
            flux = inner.function(edges, np.array([[0.7]] if factor else [[1.5, 6.0]]), Context())
        out[name] = (edges, pars, flux)
    return out


@pytest.fixture(scope="module")
def ask_library(tmp_path_factory):
    """Function: values for jobs (symbol, edges, parameters, operand, cosmology), computed in one other process."""
    pytest.importorskip("xspectrampoline_helpers", reason="the extra [xspec] is not installed")

    def ask(jobs):
        folder = tmp_path_factory.mktemp("library")
        (folder / "jobs.json").write_text(json.dumps(jobs))
        (folder / "library.py").write_text(LIBRARY)
        command = [sys.executable, str(folder / "library.py"), str(folder / "jobs.json"), str(folder / "out.npz")]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
        assert run.returncode == 0, run.stderr
        with np.load(folder / "out.npz") as f:
            return {k: f[k] for k in f.files}

    return ask


COSMOLOGY = (70.0, 0.0, 0.73)


@pytest.fixture(scope="module")
def library(drawn, symbols, ask_library):
    """Values of the library for everything drawn."""
    return ask_library(
        {
            f"{name}.{k}": (
                symbols[name],
                edges.tolist(),
                row.tolist(),
                None if flux is None else flux[0].tolist(),
                COSMOLOGY,
            )
            for name, (edges, pars, flux) in drawn.items()
            for k, row in enumerate(pars)
        }
    )


@pytest.mark.parametrize("name", [*DOUBLE, *SINGLE, *LINES])
def test_library_at_other_parameters(name, drawn, library):
    edges, pars, flux = drawn[name]
    definition = get_component(name)
    arguments = () if flux is None else (np.repeat(flux, len(pars), axis=0),)
    ours = definition.function(edges, pars, Context(), *arguments)
    ours = np.broadcast_to(ours, (len(pars), len(edges) - 1))
    rtol, rounding = SINGLE.get(name, (1e-6, 0.0))
    atol = 1.1 * LINES.get(name, 0.0)
    for k, row in enumerate(pars):
        theirs = library[f"{name}.{k}"]
        known = np.abs(theirs) > 1e-12 * np.abs(theirs).max()
        if name in ("zmshift", "vmshift", "zashift", "vashift"):
            scale = 1.0 / (1.0 + row[0]) if name[0] == "z" else 1.0 - row[0] / 2.99792458e5
            known &= (edges[:-1] >= edges[0] * scale) & (edges[1:] <= edges[-1] * scale)
        allowed = (rtol + rounding * ROUNDING * edges[1:] / np.diff(edges)) * np.abs(theirs) + atol
        off = known & (np.abs(ours[k] - theirs) > allowed)
        assert known.sum() > 10 or name in LINES
        assert not off.any(), (row, np.nonzero(off)[0][:5], ours[k][off][:3], theirs[off][:3])


def test_scattering_both_ways_of_one_bin(ask_library, symbols):
    """All that simpl scatters out of a bin is XSPEC's; what stays in it XSPEC loses."""
    edges = np.geomspace(0.3, 15.0, 201)
    flux = np.zeros(200)
    flux[90] = 1.0
    pars = [2.7, 0.3, 0.0]
    theirs = ask_library({"x": (symbols["simpl"], edges.tolist(), pars, flux.tolist(), COSMOLOGY)})["x"]
    ours = get_component("simpl").function(edges, np.array([pars]), Context(), flux[None])[0]
    others = np.arange(200) != 90
    np.testing.assert_allclose(ours[others], theirs[others], rtol=1e-12)
    assert ours[90] > theirs[90]


@pytest.mark.parametrize("cosmo", [(70.0, 0.0, 0.7), (50.0, 0.5, 0.0), (65.0, 0.1, 0.0), (72.0, 0.0, 0.0)])
def test_luminosity_in_other_universes(cosmo, ask_library, symbols):
    edges = np.geomspace(0.3, 15.0, 201)
    flux = get_component("powerlaw").function(edges, np.array([[1.8]]), Context())
    redshifts = (0.01, 0.3, 2.5)
    theirs = ask_library(
        {str(z): (symbols["clumin"], edges.tolist(), [0.5, 10.0, z, 44.0], flux[0].tolist(), cosmo) for z in redshifts}
    )
    context = Context(settings=Settings(cosmo=cosmo))
    for z in redshifts:
        ours = get_component("clumin").function(edges, np.array([[0.5, 10.0, z, 44.0]]), context, flux)[0]
        # The library holds the cosmology in single precision.
        np.testing.assert_allclose(ours, theirs[str(z)], rtol=2e-6)
