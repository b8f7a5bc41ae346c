"""Components of XSPEC's library, as Wolter calls them, against the values recorded from the same library.

What can go wrong between the two is Wolter's: the calling convention, the order of parameters, single precision, the
settings, the Stokes index, the spectrum that a convolution acts on.
"""

from __future__ import annotations

import json
import lzma

import numpy as np
import pytest

from wolter.models import Context, Settings
from wolter.models.xspec_library import find_installation, library_component, library_pool, probe_all

pytestmark = pytest.mark.skipif(find_installation() is None, reason="xspectrampoline is not installed")

FLOOR = 1e-12  # of the maximum, below which bins are not compared
FACTORS = {"partcov": "TBabs", "zmshift": "TBabs"}  # stored is what they make of this factor
ATOMDB = ["apec", "bvapec", "gadem", "tapec", "vvapec"]
TOLERANCE = 1e-9  # the same code, so also of single-precision components; they get the same rounded numbers
_NAMES = """
powerlaw bknpower bkn2pow cutoffpl zpowerlw zcutoffpl zbknpower pegpwrlw logpar zlogpar eplogpar expdec bbody bbodyrad
zbbody bremss zbremss vbremss gaussian zgauss agauss zagauss lorentz voigt zlorentz zvoigt diskbb diskpbb diskline
compTT nthComp comptb compST compbb bmc grbm srcut sresc plcabs step sirf posm redge cplinear pexrav bexrav constant
phabs vphabs zphabs varabs zvphabs wabs zwabs wndabs TBabs zTBabs TBgas TBgrain TBvarabs TBfeo TBpcf edge zedge expfac
expabs highecut zhighect plabs pcfabs zpcfabs pwab gabs zgabs lorabs cabs cyclabs dust redden zredden uvred spexpcut
spline smedge notch hrefl SSS_ice logconst log10con zvfeabs heilin lyman zbabs cflux clumin cpflux cglumin gsmooth
lsmooth partcov zashift zmshift vashift reflect simpl rdblur thcomp polconst pollin polpow
"""
NAMES = _NAMES.split()


@pytest.fixture(autouse=True)
def cache_of_ones_own(monkeypatch, tmp_path_factory):
    """The trial's results go to a temporary folder."""
    path = tmp_path_factory.getbasetemp() / "xspec_library.json"
    monkeypatch.setattr("wolter.models.xspec_library.probe._cache_file", lambda: path)


@pytest.fixture(scope="module")
def index(golden):
    return json.loads(golden("models", "index.json").read_text())["components"]


@pytest.fixture(scope="module")
def grids(golden):
    """Edges of each grid, and which of its bins are stored."""
    i = np.arange
    edges = {"log": 0.1 * 500 ** (i(1001) / 1000), "lin": 0.3 + 0.005 * i(2401), "uv": 0.001 * 100 ** (i(201) / 200)}
    with np.load(golden("models", "grids.npz")) as f:
        for key, name in (("log_edges", "log"), ("lin_edges", "lin"), ("uv_edges", "uv")):
            if key in f:
                edges[name] = f[key]
    return edges


@pytest.fixture(scope="module")
def atomdb(shared, tmp_path_factory):
    """Folder with AtomDB's two files unpacked: the library reads no others."""
    folder = tmp_path_factory.mktemp("atomdb")
    for kind in ("line", "coco"):
        packed = shared("model_data", "atomdb_3.0.9", f"apec_v3.0.9_{kind}.fits.xz")
        (folder / f"apec_v3.0.9_{kind}.fits").write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


def library(name, edges, pars, context, flux=None):
    definition = library_component(name)
    arguments = (edges, np.array([pars], dtype=float), context) + (() if flux is None else (flux[None],))
    return definition.function(*arguments)[0]


def compare(name, item, arrays, grids, settings_of):
    """Number of recorded arrays compared and the largest relative difference."""
    count, worst = 0, 0.0
    for key in arrays:
        version, setting, parset, grid, *rest = key.split("_")
        if version != "x1215":
            continue
        edges = grids[grid]
        context = Context("IQU".index(rest[0]) if rest and rest[0] in "IQU" else 0, {}, settings_of(int(setting)))
        pars = item["parsets"][int(parset)]
        flux = None
        if name in FACTORS:
            flux = library(FACTORS[name], edges, pars[-1:], context)
            pars = pars[:-1]
        elif item["type"] == "con":
            inner = item["inner"][int(rest[0].removeprefix("i") or 0)]
            flux = inner["norm"] * library(inner["component"], edges, inner["parameters"], context)
        ours = library(name, edges, pars, context, flux)
        if item["type"] == "add":
            ours = ours * item["norms"][int(parset)]
        theirs = arrays[key].astype(float)
        step = {len(ours): 1, -(-len(ours) // 4): 4, -(-len(ours) // 8): 8}[len(theirs)]
        ours = ours[::step]
        count += 1
        if not theirs.any():  # a narrow line outside the grid
            assert not ours.any(), key
            continue
        known = np.abs(theirs) > FLOOR * np.abs(theirs).max()
        worst = max(worst, float((np.abs(ours - theirs)[known] / np.abs(theirs)[known]).max()))
    return count, worst


@pytest.mark.parametrize("name", NAMES)
def test_values_are_those_of_the_library(name, index, grids, golden):
    item = index[name]

    def settings_of(number):
        return Settings(**item["settings"][number])

    with np.load(golden("models", item["file"])) as stored:
        count, worst = compare(name, item, stored, grids, settings_of)
    assert count >= 1
    assert worst < TOLERANCE


@pytest.mark.parametrize("name", ATOMDB)
def test_components_that_read_atomdb(name, index, grids, golden, atomdb):
    item = index[name]

    def settings_of(number):
        return Settings(**item["settings"][number], atomdb=str(atomdb))

    with np.load(golden("models", item["file"])) as stored:
        count, worst = compare(name, item, stored, grids, settings_of)
    assert count >= 2
    assert worst < TOLERANCE


def test_what_atomdb_adds(atomdb):
    """With AtomDB the components that sum over temperatures can be used, too; those out of equilibrium need more."""
    pool = library_pool(find_installation())
    names = "gadem bcempow vvwdem mkcflow vcoolflow c6mekl cph expcheb6 nlapec bvvtapec"
    with_it = probe_all(Settings(atomdb=str(atomdb)), pool, names=[*names.split(), "nei", "snapec"], progress=False)
    without = probe_all(Settings(atomdb="9.9.9"), pool, names=names.split(), progress=False)
    assert [n for n, verdict in with_it.items() if not verdict.usable] == ["nei", "snapec"]
    assert not any(verdict.usable for verdict in without.values())


def test_at_least_sixty_components_are_compared(index):
    assert len(set(NAMES) & set(index)) >= 100
