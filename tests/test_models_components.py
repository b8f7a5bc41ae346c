"""Every native component against the XSPEC library, bin by bin: 1e-6 where the library is double precision.

References in single precision are evaluated on their float32-rounded edges and parameters; a difference of neighbouring
edges then carries a relative error of some 2^-24 E/dE, which is allowed for in units of that (`ROUNDINGS`).
Whatever else differs is written down below with its reason.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import erf, ndtr

from wolter.models import Context, Settings, get_component, list_components
from wolter.models.components.convolutions import smooth

ROUNDING = 2.0**-24
FLOOR = 1e-12  # of the maximum: bins below it are not compared

# Relative tolerance where it is not 1e-6.
TOLERANCE = {
    "diskbb": (1.4e-5, "for 5 < E/Tin < 12, where the remainders in XSPEC's table are off by that much; else 1e-6"),
    "compTT": (3e-4, "XSPEC ends the iteration for the spectral index at 1e-4"),
    "eplogpar": (2e-6, "XSPEC takes powers in single precision"),
    "redden": (1e-5, "powers of ten of large extinctions in single precision"),
    "zredden": (1e-5, "powers of ten of large extinctions in single precision"),
    "srcut": (1e-5, "the logarithm of the frequency is single precision"),
}
# Rounding errors of edges in single precision, in units of 2^-24 E/dE.
ROUNDINGS = {
    "pegpwrlw": 6.0, "expdec": 40.0, "bbody": 2.0, "bbodyrad": 2.0, "zbbody": 3.0, "bremss": 4.0, "zbremss": 3.0,
    "vbremss": 4.0, "notch": 3.0, "edge": 1.0, "zedge": 1.0, "smedge": 1.0,
}  # fmt: skip
# Part of a line beyond which XSPEC stops and puts the rest into the last bin, in units of the line.
CUT = {"gaussian": 1e-8, "zgauss": 1e-8, "agauss": 1e-6, "zagauss": 1e-6, "lorentz": 1e-6, "zlorentz": 1e-6}

# Components compared elsewhere, and why not here. Other test modules may have a table NO_GOLDEN of the same kind, for
# components without golden values that they compare with something else.
ELSEWHERE = {
    "diskpbb": "XSPEC's integral over the disc is off by 2 % for E < Tin: test_disc_with_free_exponent",
    "gsmooth": "XSPEC takes shortcuts that have to be imitated: test_smoothing",
    "lsmooth": "XSPEC takes shortcuts that have to be imitated: test_smoothing",
    "simpl": "XSPEC loses photons when scattering both ways: test_scattering",
    "step": "XSPEC subtracts nearly equal numbers in single precision: test_step",
    "expfac": "XSPEC forgets a bin: test_expfac",
    "partcov": "reference is a factor: test_partial_covering",
    "zmshift": "reference is a factor: test_shift_of_a_factor",
    "vmshift": "no golden values; against the library itself: test_library_at_other_parameters",
    "polrot": "XSPEC does it outside its library: tests/test_fit_polarisation.py, by adding angles",
    "zvarabs": "no golden values; tests/test_absorption.py",
    "zwndabs": "no golden values; tests/test_absorption.py",
    "TBrel": "no golden values; tests/test_absorption.py",
    **dict.fromkeys(
        ("btapec", "vtapec", "bvtapec", "bvvapec", "vvtapec", "bvvtapec"),
        "no golden values; against the library itself in tests/test_plasma.py",
    ),
}


@pytest.fixture(scope="module")
def index(golden):
    return json.loads(golden("models", "index.json").read_text())["components"]


@pytest.fixture(scope="module")
def grids(golden):
    with np.load(golden("models", "grids.npz")) as f:
        return {k: np.array(f[k]) for k in f.files}


@pytest.fixture(scope="module")
def reference(golden, index, grids):
    """Function: iterator over the values of one component: setting, parset, grid, edges, bins, rest of key, values."""

    def values(name, *, single=None):
        single = index[name]["x1215"]["precision"] == "single" if single is None else single
        with np.load(golden("models", index[name]["file"])) as f:
            for key in f.files:
                version, setting, parset, grid, *rest = key.split("_")
                if version != "x1215":
                    continue
                edges = grids[f"{grid}_edges"].astype(np.float32 if single else float).astype(float)
                bins = slice(None)
                if len(f[key]) != len(edges) - 1:
                    bins = grids["lin_index" if grid == "lin" else "log_index_xspec1291"]
                yield int(setting), int(parset), grid, edges, bins, rest, f[key].astype(float)

    return values


def native(part):
    """Names of native components defined in a package of wolter.models."""
    return [e.name for e in list_components() if f".{part}." in get_component(e.name).function.__module__]


def parameters(item, parset):
    row = np.array([item["parsets"][parset]], dtype=float)
    return row.astype(np.float32).astype(float) if item["x1215"]["precision"] == "single" else row


def evaluate(name, edges, pars, stokes=0):
    out = get_component(name).function(edges, pars, Context(stokes=stokes))
    return np.broadcast_to(out, (1, len(edges) - 1))[0]


def assert_close(ours, theirs, *, rtol=1e-6, atol=0.0, extra=0.0, floor=FLOOR):
    """|ours - theirs| <= (rtol + extra) |theirs| + atol on bins above the floor; returns the number compared."""
    assert np.isfinite(ours).all()
    known = np.abs(theirs) > floor * np.abs(theirs).max()
    allowed = (rtol + extra) * np.abs(theirs) + atol
    wrong = known & (np.abs(ours - theirs) > allowed)
    where = np.nonzero(wrong)[0][:3]
    assert not wrong.any(), f"{wrong.sum()} of {known.sum()} bins, {where}: {ours[where]} against {theirs[where]}"
    return int(known.sum())


def exceptions_of_other_modules():
    """Tables NO_GOLDEN of all test modules, merged."""
    merged = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NO_GOLDEN":
                merged |= ast.literal_eval(node.value)
    return merged


def test_every_component_has_a_reference(index):
    """Golden values or a written reason; those of wolter.models.absorption and plasma have tests of their own."""
    reasons = ELSEWHERE | exceptions_of_other_modules()
    without = [e.name for e in list_components() if e.origin == "native" and e.name not in {*index, *reasons}]
    assert not without, (
        f"{without} have no reference; give the reason in NO_GOLDEN of the test module that compares them"
    )
    assert all(reasons.values())
    assert set(reasons) <= {e.name for e in list_components()}


@pytest.mark.parametrize(
    "name", [n for n in native("components") if n not in ELSEWHERE and get_component(n).kind != "con"]
)
def test_component_is_that_of_the_xspec_library(name, index, reference):
    item = index[name]
    assert [p.name for p in get_component(name).parameters] == item["parameters"]
    rtol = TOLERANCE.get(name, (1e-6,))[0]
    compared = 0
    for _, parset, _, edges, bins, rest, theirs in reference(name):
        stokes = "IQU".index(rest[0]) if rest else 0
        norm = item["norms"][parset] if item["type"] == "add" else 1.0
        ours = norm * evaluate(name, edges, parameters(item, parset), stokes)[bins]
        extra = ROUNDINGS.get(name, 0.0) * ROUNDING * (edges[1:] / np.diff(edges))[bins]
        if theirs.any() or CUT.get(name) is None:
            compared += assert_close(ours, theirs, rtol=rtol, atol=1.1 * CUT.get(name, 0.0) * norm, extra=extra)
        else:
            np.testing.assert_allclose(ours, 0.0, atol=CUT[name])
    assert compared > 250


@pytest.mark.parametrize("name", ["gaussian", "zgauss", "agauss", "lorentz", "zlorentz"])
def test_lines_keep_all_their_photons(name):
    """XSPEC's shortcut in the wings aside, the parts of a line add up to one."""
    edges = np.geomspace(1e-3, 1e5, 5000)
    pars = {"gaussian": [6.4, 0.3], "zgauss": [6.4, 0.3, 0.0], "agauss": [10.0, 1.0]}.get(name, [6.4, 0.3, 0.0])
    total = evaluate(name, edges, np.array([pars[: len(get_component(name).parameters)]])).sum()
    assert total == pytest.approx(1.0, rel=1e-10 if "gau" in name else 1e-4)


def test_step(index, reference):
    item = index["step"]
    for _, parset, _, edges, bins, _, theirs in reference("step"):
        ours = evaluate("step", edges, parameters(item, parset))[bins]
        # XSPEC's 1 - erf(x) in single precision is good to 1e-7 of the bin's width.
        extra = 2.0 * ROUNDING * (edges[1:] / np.diff(edges))[bins]
        assert_close(ours, theirs, extra=extra, atol=1.2e-7 * np.diff(edges)[bins])


def test_expfac(index, reference):
    """XSPEC leaves out a bin that begins exactly at StartE: it takes those that begin above or contain it."""
    item = index["expfac"]
    forgotten = 0
    for _, parset, _, edges, bins, _, theirs in reference("expfac"):
        pars = parameters(item, parset)
        ours = evaluate("expfac", edges, pars)[bins]
        begins = (edges[:-1] == pars[0, 2])[bins]
        assert (theirs[begins] == 1.0).all()
        forgotten += int(begins.sum())
        extra = 3.0 * ROUNDING * (edges[1:] / np.diff(edges))[bins]
        assert_close(ours[~begins], theirs[~begins], extra=extra[~begins])
    assert forgotten


# Error of XSPEC's integral over the radius (25 to 50 points for E > 0.2 Tin): upper end of E/Tin, relative error.
DISC_ERROR = [(0.1, 1e-5), (0.5, 2.5e-2), (1.5, 6e-4), (3.0, 6e-5), (np.inf, 5e-7)]


def test_disc_with_free_exponent(index, reference):
    """Where XSPEC's integral over the radius has enough points ours is the same; see also test_models_physics."""
    item = index["diskpbb"]
    for _, parset, _, edges, bins, _, theirs in reference("diskpbb"):
        pars = parameters(item, parset)
        ours = evaluate("diskpbb", edges, pars)[bins]
        x = edges[1:][bins] / pars[0, 0]
        limits = [end for end, _ in DISC_ERROR]
        rtol = np.array([error for _, error in DISC_ERROR])[np.searchsorted(limits, x)]
        assert_close(ours, theirs, rtol=rtol, extra=3.0 * ROUNDING * (edges[1:] / np.diff(edges))[bins])


# --- convolutions -----------------------------------------------------------------------------------------------------


def inner_flux(item, number, edges, *, like_xspec=False):
    """Spectrum that the reference convolved, optionally with XSPEC's cut of the wings of a Gaussian."""
    inner = item["inner"][number]
    pars = np.array([inner["parameters"]], dtype=float)
    if inner["component"] == "gaussian" and like_xspec:
        return xspec_gaussian(np.broadcast_to(edges, (1, len(edges))), pars[:, 0], pars[:, 1]) * inner["norm"]
    return get_component(inner["component"]).function(edges, pars, Context()) * inner["norm"]


@pytest.mark.parametrize(
    "name", [n for n in native("components") if get_component(n).kind == "con" and n not in ELSEWHERE]
)
def test_convolution_is_that_of_the_xspec_library(name, index, reference):
    item = index[name]
    definition = get_component(name)
    assert [p.name for p in definition.parameters] == item["parameters"]
    compared = 0
    for _, parset, _, edges, bins, (number,), theirs in reference(name):
        pars = parameters(item, parset)
        flux = inner_flux(item, int(number), edges, like_xspec=True)
        ours = definition.function(edges, pars, Context(), flux)[0]
        if name.endswith("ashift"):
            # The outermost bin that the shifted grid covers in part only gets all of XSPEC's photons.
            scale = 1.0 / (1.0 + pars[0, 0]) if name == "zashift" else 1.0 - pars[0, 0] / 2.99792458e5
            partly = (edges[:-1] < edges[0] * scale) | (edges[1:] > edges[-1] * scale)
            theirs = np.where(partly[bins], ours[bins], theirs)
        compared += assert_close(ours[bins], theirs, atol=1e-15 * np.abs(theirs).max())
    assert compared > 1000


def xspec_cut(below, middle, edges, level):
    """Fractions of lines in bins from the fraction below each edge, with the wings put together as XSPEC does it.

    From the line's centre outwards the first bin beyond which less than `level` is left gets all of that.
    """
    out = np.diff(below, axis=1)
    centre = np.searchsorted(edges, middle) - 1
    for line in range(len(out)):
        for step in (-1, 1):
            stop = -1 if step < 0 else out.shape[1]
            for i in range(min(max(centre[line], 0), out.shape[1] - 1), stop, step):
                rest = below[line, i] - below[line, 0] if step < 0 else below[line, -1] - below[line, i + 1]
                if rest < level:
                    out[line, i] += rest
                    out[line, slice(0, i) if step < 0 else slice(i + 1, None)] = 0.0
                    break
    return out


def xspec_gaussian(edges, centre, sigma):
    below = ndtr((edges - centre[:, None]) / sigma[:, None]) / ndtr(centre / sigma)[:, None]
    return xspec_cut(below, centre, edges[0], 1e-8)


def tabulated_gaussian(edges, centre, sigma):
    """Profile of XSPEC's gsmooth: erf by linear interpolation in steps of 0.005 sigma up to 6, cut at 1e-6."""
    x = (edges - centre[:, None]) / sigma[:, None]
    at = 0.005 * np.arange(1201)
    inside = np.where(np.abs(x) < 6.0, np.interp(np.abs(x), at, erf(at / np.sqrt(2.0))), 1.0)
    below = (0.5 + 0.5 * np.sign(x) * inside) / ndtr(centre / sigma)[:, None]
    return xspec_cut(below, centre, edges[0], 1e-6)


def tabulated_lorentzian(edges, centre, width):
    """Profile of XSPEC's lsmooth: arctan by linear interpolation in steps of 0.02 widths up to 5, pi - 1/x beyond."""
    x = (edges - centre[:, None]) / width[:, None]
    at = 0.02 * np.arange(251)
    far = np.pi - 1.0 / np.maximum(np.abs(x), 1.0)
    inside = np.where(np.abs(x) < 5.0, np.interp(np.abs(x), at, 2.0 * np.arctan(2.0 * at)), far)
    norm = 0.5 + np.arctan(2.0 * centre / width) / np.pi
    below = (0.5 + 0.5 * np.sign(x) * inside / np.pi) / norm[:, None]
    return xspec_cut(below, centre, edges[0], 1e-6)


@pytest.mark.parametrize(
    ("name", "profile", "coarse", "inner"),
    [
        ("gsmooth", tabulated_gaussian, 1e-3, 0),
        ("gsmooth", tabulated_gaussian, 1e-3, 1),
        ("lsmooth", tabulated_lorentzian, 0.2, 0),
        ("lsmooth", tabulated_lorentzian, 0.2, 1),
    ],
)
def test_smoothing(name, profile, coarse, inner, index, reference):
    """With XSPEC's tabulated and cut profiles our convolution gives its values to 1e-6; ours has the exact ones.

    The exact profiles differ from the tables by up to 1e-3 (Gaussian) and 5e-2 (Lorentzian, where XSPEC's table meets
    its asymptote, and more in wings at 1e-3 of the maximum) in a bin, and by less than 1e-4 in total.
    """
    item = index[name]
    for _, parset, grid, edges, bins, (number,), theirs in reference(name):
        if int(number) != inner or (grid == "lin" and parset != 1):
            continue  # 2400 x 2400 fractions for each; one set on the linear grid will do
        pars = parameters(item, parset)
        flux = inner_flux(item, inner, edges, like_xspec=True)
        like_xspec = smooth(edges, flux, pars, profile)[0][bins]
        assert_close(like_xspec, theirs, rtol=1e-6)
        exact = get_component(name).function(edges, pars, Context(), inner_flux(item, inner, edges))[0][bins]
        assert_close(exact, theirs, rtol=coarse, floor=1e-3)
        assert exact.sum() == pytest.approx(theirs.sum(), rel=1e-4)


def test_scattering(index, reference):
    """Up-scattering is XSPEC's. When scattering both ways XSPEC loses what stays in its bin (1 % of the scattered)."""
    item = index["simpl"]
    definition = get_component("simpl")
    assert [p.name for p in definition.parameters] == item["parameters"]
    for _, parset, _, edges, bins, (number,), theirs in reference("simpl"):
        pars = parameters(item, parset)
        gamma, fraction, up_only = pars[0]
        disc = item["inner"][int(number)]["component"] == "diskbb"
        flux = inner_flux(item, int(number), edges)
        ours = definition.function(edges, pars, Context(), flux)[0]
        if not up_only:
            middle = 0.5 * (edges[1:] + edges[:-1])
            up = (gamma + 2.0) / (1.0 + 2.0 * gamma) * (1.0 - (edges[1:] / middle) ** (1.0 - gamma))
            down = (gamma - 1.0) / (1.0 + 2.0 * gamma) * (1.0 - (edges[:-1] / middle) ** (gamma + 2.0))
            ours = ours - fraction * flux[0] * (up + down)
            # What XSPEC leaves in the bin is of second order in its width.
            extra = fraction * (gamma + 4.0) * ((edges[1:] - middle) / middle)[bins] ** 2
        else:
            extra = 0.0
        if disc:  # the reference's disc is XSPEC's own, whose edges are in single precision
            extra = extra + (2e-5 + 1.5 * ROUNDING * edges[1:] / np.diff(edges))[bins]
        assert_close(ours[bins], theirs, extra=extra)


def test_scattered_photons_are_conserved():
    edges = np.geomspace(1e-4, 1e4, 3000)
    flux = get_component("gaussian").function(edges, np.array([[1.0, 0.1]]), Context())
    for up_only in (1.0, 0.0):
        out = get_component("simpl").function(edges, np.array([[2.5, 0.4, up_only]]), Context(), flux)
        assert out.sum() == pytest.approx(1.0, rel=1e-5)


def absorbed(setting, nh, edges):
    context = Context(settings=Settings(**setting))
    return get_component("TBabs").function(edges, np.array([[nh]]), context), context


def test_partial_covering(index, reference):
    item = index["partcov"]
    for setting, parset, _, edges, bins, _, theirs in reference("partcov"):
        fraction, nh = item["parsets"][parset]
        factor, context = absorbed(item["settings"][setting], nh, edges)
        ours = get_component("partcov").function(edges, np.array([[fraction]]), context, factor)[0]
        assert_close(ours[bins], theirs)


def test_shift_of_a_factor(index, reference):
    """Beyond the shifted grid XSPEC's factor is zero; here the last one goes on."""
    item = index["zmshift"]
    beyond = 0
    for setting, parset, _, edges, bins, _, theirs in reference("zmshift"):
        z, nh = item["parsets"][parset]
        factor, context = absorbed(item["settings"][setting], nh, edges)
        ours = get_component("zmshift").function(edges, np.array([[z]]), context, factor)[0]
        unknown = (edges[:-1] >= edges[-1] / (1.0 + z))[bins]
        assert (theirs[unknown] == 0.0).all()
        assert (ours[bins][unknown] == factor[0, -1]).all()
        beyond += int(unknown.sum())
        assert_close(ours[bins][~unknown], theirs[~unknown])
    assert beyond
