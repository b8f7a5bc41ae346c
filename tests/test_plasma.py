"""apec and its relatives against the XSPEC library, and against what AtomDB's tables say by themselves."""

from __future__ import annotations

import io
import json
import lzma
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from golden_session import Session, put
from wolter.errors import ModelError
from wolter.models import Context, Model, Settings, get_component
from wolter.models.plasma import emissivity
from wolter.models.settings import ApecOptions

# Lines in single bins: XSPEC's sums in another order. Broadened lines: XSPEC follows each wing until 1e-6 of the line
# is left, puts that into the bin it has reached, and takes the error function from a table good to 2e-6 of the line;
# a bin may hold a millionth of a line that outshines it.
SHARP, BROAD = 1e-11, 5e-5
TOLERANCE = {
    "apec": SHARP, "vapec": SHARP, "vvapec": SHARP, "tapec": SHARP, "nlapec": SHARP, "bapec": BROAD, "bvapec": BROAD,
}  # fmt: skip
FAMILY = [*TOLERANCE, "btapec", "vtapec", "bvtapec", "bvvapec", "vvtapec", "bvvtapec"]
ELEMENTS = [
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn",
]  # fmt: skip


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """The user's cache is left alone; the tables are read from FITS once for all tests here."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("cache")
    patch.setattr(emissivity, "cache_folder", lambda: folder)
    emissivity._open.cache_clear()
    yield
    patch.undo()
    emissivity._open.cache_clear()


@pytest.fixture(scope="session")
def context(shared):
    """Function: context with AtomDB 3.0.9 and other settings."""
    folder = str(shared("model_data", "atomdb_3.0.9"))
    return lambda **settings: Context(settings=Settings(atomdb=folder, **settings))


@pytest.fixture(scope="module")
def grids(golden):
    with np.load(golden("models", "grids.npz")) as f:
        return {"log": f["log_edges"].astype(float), "lin": f["lin_edges"].astype(float)}


def assert_spectrum(ours, theirs, rtol):
    used = theirs > 1e-12 * theirs.max()
    assert used.sum() > 50
    off = np.abs(ours[used] / theirs[used] - 1.0)
    assert off.max() < rtol, (off.max(), np.flatnonzero(used)[off.argmax()])


@pytest.mark.parametrize("name", TOLERANCE)
def test_spectrum_is_that_of_the_xspec_library(name, golden, grids, context):
    item = json.loads(golden("models", "index.json").read_text())["components"][name]
    definition = get_component(name)
    assert [p.name for p in definition.parameters] == item["parameters"]
    pars = np.array(item["parsets"], dtype=float)
    with np.load(golden("models", item["file"])) as stored:
        for s, setting in enumerate(item["settings"]):
            for grid, edges in grids.items():
                spectra = definition.function(edges, pars, context(abund=setting["abund"]))
                assert spectra.shape == (len(pars), len(edges) - 1)
                for row, ours in enumerate(spectra):
                    theirs = stored[f"x1215_{s}_{row}_{grid}"].astype(float)
                    assert_spectrum(ours[::8] if grid == "lin" else ours, theirs, TOLERANCE[name])


LIBRARY_SCRIPT = """
import ctypes, json, sys
import numpy as np
import xspectrampoline

lib = xspectrampoline.get_libraries()
functions = lib.lib_xs_functions
root, jobs, out = sys.argv[1:]
status = ctypes.c_int(0)
functions.FNINIT()
functions.FPMSTR(b"APECROOT", root.encode())
done = {}
for number, (symbol, pars, edges, abund, strings) in enumerate(json.loads(jobs)):
    functions.FPSOLR(abund.encode(), ctypes.byref(status))
    assert status.value == 0
    for key, value in strings.items():
        functions.FPMSTR(key.encode(), value.encode())
    edges = np.geomspace(*edges)
    flux = np.zeros(len(edges) - 1)
    lib.get_model(symbol, "c")(edges, np.array(pars, float), flux, flux.copy())
    done[str(number)] = flux
np.savez(out, **done)
"""


def _varied(name):
    """Parameters of a component, none at a value that another could be mistaken for."""
    definition = get_component(name)
    values = definition.defaults
    for i, p in enumerate(definition.parameters):
        if p.name in ELEMENTS:
            values[i] = 0.2 + 0.1 * ((7 * i + 3) % 19)
    for key, value in (("kT", 3.3), ("kTi", 1.7), ("Abundanc", 0.4), ("Redshift", 0.08), ("Velocity", 400.0)):
        for i, p in enumerate(definition.parameters):
            if p.name == key:
                values[i] = value
    return [float(v) for v in values]


GRID = [0.2, 10.0, 601]
OPTIONS = {
    "APECTHERMAL": ("apec", {"APECTHERMAL": "yes"}, BROAD),
    "APECVELOCITY": ("apec", {"APECTHERMAL": "no", "APECVELOCITY": "700"}, BROAD),
    "bapec without its width": ("bapec0", {"APECTHERMAL": "no", "APECVELOCITY": "0"}, SHARP),
    "APEC_TRACE_ABUND 0": ("apec", {"APEC_TRACE_ABUND": "0"}, SHARP),
    "APEC_TRACE_ABUND Fe": ("vapec", {"APECTHERMAL": "no", "APEC_TRACE_ABUND": "Fe"}, SHARP),
    "APECNOLINES": ("apec", {"APEC_TRACE_ABUND": "1", "APECNOLINES": "yes"}, SHARP),
    "APECLOGTINTERP": ("vapec", {"APECNOLINES": "no", "APECLOGTINTERP": "yes"}, SHARP),
    "APECBROADPSEUDO": (
        "vapec",
        {"APECLOGTINTERP": "no", "APECTHERMAL": "yes", "APECVELOCITY": "500", "APECBROADPSEUDO": "yes"},
        1e-4,
    ),
}  # in this order: the library keeps what it has been told


@pytest.fixture(scope="module")
def library(shared, tmp_path_factory):
    """Spectra of the XSPEC 12.15 library that are not in the golden files: the family, then the options."""
    pytest.importorskip("xspectrampoline")
    folder = tmp_path_factory.mktemp("apec")
    for kind in ("line", "coco"):
        packed = shared("model_data", "atomdb_3.0.9", f"apec_v3.0.9_{kind}.fits.xz")
        (folder / f"apec_v3.0.9_{kind}.fits").write_bytes(lzma.decompress(packed.read_bytes()))
    jobs = [[f"C_{name}", _varied(name), GRID, "lodd", {}] for name in FAMILY]
    # plasmas at the ends of the table of temperatures and beyond it
    jobs += [["C_apec", [kt, 1.0, 0.0], GRID, "angr", {}] for kt in (0.05, 80.0, 100.0)]
    for component, strings, _ in OPTIONS.values():
        pars = _varied(component.rstrip("0"))
        if component.endswith("0"):
            pars[-1] = 0.0
        jobs.append([f"C_{component.rstrip('0')}", pars, GRID, "lodd", strings])
    out = folder / "out.npz"
    command = [sys.executable, "-c", LIBRARY_SCRIPT, str(folder / "apec_v3.0.9"), json.dumps(jobs), str(out)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(out) as f:
        return [f[str(n)] for n in range(len(jobs))]


@pytest.mark.parametrize("name", FAMILY)
def test_family_with_every_parameter_varied(name, library, context):
    theirs = library[FAMILY.index(name)]
    ours = get_component(name).function(np.geomspace(*GRID), np.array([_varied(name)]), context(abund="lodd"))[0]
    assert_spectrum(ours, theirs, BROAD if name.startswith("b") else SHARP)


def test_ends_of_the_table_of_temperatures(library, context):
    kt = [0.05, 80.0, 100.0]
    pars = np.array([[t, 1.0, 0.0] for t in kt])
    ours = get_component("apec").function(np.geomspace(*GRID), pars, context())
    for row, theirs in zip(ours, library[len(FAMILY) : len(FAMILY) + len(kt)], strict=True):
        assert_spectrum(row, theirs, SHARP)


@pytest.mark.parametrize("option", OPTIONS)
def test_options_are_those_of_xset(option, library, context):
    component, _, rtol = OPTIONS[option]
    position = list(OPTIONS).index(option)
    strings = {}
    for _, given, _ in list(OPTIONS.values())[: position + 1]:
        strings |= given
    pars = _varied(component.rstrip("0"))
    if component.endswith("0"):
        pars[-1] = 0.0
    ctx = context(abund="lodd", apec=ApecOptions.from_xset(strings))
    function = get_component(component.rstrip("0")).function
    theirs = library[len(FAMILY) + 3 + position]
    assert_spectrum(function(np.geomspace(*GRID), np.array([pars]), ctx)[0], theirs, rtol)
    plain = function(np.geomspace(*GRID), np.array([pars]), context(abund="lodd"))[0]
    assert np.abs(plain / theirs - 1.0).max() > 1e-3  # the option does something


# --- XSPEC 12.9.1 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["apec", "vapec", "vvapec", "tapec", "nlapec"])
def test_old_version_took_continua_at_the_middle_of_bins(name, golden, grids, context):
    """With the option for it the spectra are those of 12.9.1, too."""
    item = json.loads(golden("models", "index.json").read_text())["components"][name]
    compared = 0
    with np.load(golden("models", item["file"])) as stored:
        for s, setting in enumerate(item["settings"]):
            ctx = context(abund=setting["abund"], apec={"midpoint": True})
            for row, pars in enumerate(item["parsets"]):
                key = f"x1291_{s}_{row}_log"
                if key in stored.files:
                    ours = get_component(name).function(grids["log"], np.array([pars], dtype=float), ctx)[0]
                    assert_spectrum(ours[::4], stored[key].astype(float), 1e-6)
                    compared += 1
    assert compared


def test_recorded_session_with_apec(golden, shared, context):
    """C-statistics of a recorded XSPEC 12.9.1 session at its parameters; that of today's XSPEC is lower by 20 %."""
    from wolter import Fit
    from wolter.data import Spectrum, SpectrumSet

    session = Session(golden("xspec_sessions"), "f_nustar_solar")
    folder = ("nustar", "sol_80415201001")
    stem = "nu80415201001A06_chu2_S_cl_grade0_sr"
    spectrum = Spectrum.read(
        shared(*folder, f"{stem}.pha"),
        rmf=shared("nustar", "caldb_pieces", "nuAdet3_20100101v002.rmf.xz"),
        arf=shared(*folder, f"{stem}.arf"),
    )

    def statistic(abund, values, **options):
        settings = context(abund=abund, apec=options).settings
        fit = Fit(SpectrumSet([spectrum]).select(_kev(2.5), _kev(8.0)), "apec", statistic="cstat", settings=settings)
        put(fit, values)
        return fit.statistic

    own = f"file {shared(*folder, 'feld92a_coronal0.txt')}"
    best = session.values(13)
    np.testing.assert_allclose(statistic(own, best, midpoint=True), session.statistic(13), rtol=1e-7)
    for step, table in ((31, "angr"), (33, "feld"), (35, "wilm"), (37, "aspl"), (39, "lodd")):
        session.step(step, "m.setPars(0.36,1.0,0.0,3.5e4)")
        ours = statistic(table, [0.36, 1.0, 0.0, 3.5e4], midpoint=True)
        np.testing.assert_allclose(ours, session.statistic(step), rtol=1e-7)
    assert statistic(own, best) < 0.8 * session.statistic(13)


def _kev(value):
    from astropy import units

    return value * units.keV


# --- the tables themselves --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def iron_alpha(shared):
    """Lines of AtomDB at 10^7.7 K between 6.6 and 6.72 keV, read by astropy: kT, energies, emissivities, elements."""
    from astropy.io import fits

    packed = shared("model_data", "atomdb_3.0.9", "apec_v3.0.9_line.fits.xz")
    opened: Any = fits.open(io.BytesIO(lzma.decompress(packed.read_bytes())), lazy_load_hdus=True)
    with opened as file:
        kt = float(file[1].data["kT"][37])
        data = file[2 + 37].data
        energy = 12.39841974 / data["Lambda"].astype(float)
        used = (energy > 6.6) & (energy < 6.72)
        return kt, energy[used], data["Epsilon"][used].astype(float), data["Element"][used]


def test_lines_of_a_tabulated_temperature_are_conserved(iron_alpha, context):
    """Iron with lines less iron without in one wide bin: the sum of the tabulated emissivities."""
    kt, _, emissivity_of, element = iron_alpha
    edges = np.array([6.6, 6.72])
    pars = np.zeros((2, 32))
    pars[:, 0], pars[1, 26] = kt, 1.0  # nothing; iron alone
    function = get_component("vvapec").function
    iron = function(edges, pars, context())
    np.testing.assert_array_equal(iron[0], 0.0)
    bare = function(edges, pars, context(apec={"no_lines": True}))[1]
    listed = 1e14 * emissivity_of[element == 26].sum()
    # what is not in the list: the pseudo-continuum of weak lines, a small part in this band
    assert 1.0 <= (iron[1] - bare)[0] / listed < 1.01
    pars[1, 31] = 0.5
    redshifted = function(edges / 1.5, pars[1:], context())
    np.testing.assert_allclose(redshifted[0], iron[1] / 1.5, rtol=1e-12)


@pytest.mark.parametrize(("velocity", "thermal"), [(0.0, True), (300.0, False), (900.0, True)])
def test_width_of_lines(velocity, thermal, iron_alpha, context):
    """Profile of the iron lines on a fine grid: sum of Gaussians with the width E/c (kT/m + v²)^½."""
    from scipy.special import ndtr

    kt, energy, emissivity_of, element = iron_alpha
    edges = np.arange(6.4, 6.9, 0.0005)
    pars = np.zeros((1, 33))
    pars[0, 0], pars[0, 26], pars[0, 32] = kt, 1.0, velocity
    ctx = context(apec={"thermal": thermal})
    narrow = get_component("vvapec").function(edges, pars[:, :32], context())[0]
    broad = get_component("bvvapec").function(edges, pars, ctx)[0]
    mass = 55.845 * 931.494e3  # keV
    spread = np.sqrt(thermal * kt / mass + (velocity / 299792.458) ** 2)
    iron = element == 26
    profile = np.zeros(len(edges) - 1)
    sharp = np.zeros(len(edges) - 1)
    for e, flux in zip(energy[iron], emissivity_of[iron] * 1e14, strict=True):
        profile += flux * np.diff(ndtr((edges - e) / (spread * e)))
        sharp[np.searchsorted(edges, e) - 1] += flux
    # lines outside 6.6-6.72 keV, continuum and pseudo-continuum cancel in the difference where the profile is large
    core = (edges[:-1] > 6.66) & (edges[1:] < 6.705)
    difference = (broad - narrow)[core] - (profile - sharp)[core]
    assert np.abs(difference).max() < 2e-3 * profile.max()
    np.testing.assert_allclose(broad.sum(), narrow.sum(), rtol=2e-3)  # flux is conserved but for the ends


def test_spectrum_is_linear_in_abundances_and_between_temperatures(context):
    edges = np.geomspace(0.3, 10.0, 400)
    function = get_component("apec").function
    table = 10.0 ** np.arange(4.0, 9.05, 0.1) * 8.617385e-8  # keV, as AtomDB's temperatures are spaced
    lo, hi = table[30], table[31]
    pars = np.array([[lo, 0.7, 0.0], [hi, 0.7, 0.0], [0.75 * lo + 0.25 * hi, 0.7, 0.0]])
    a, b, middle = function(edges, pars, context())
    np.testing.assert_allclose(middle, 0.75 * a + 0.25 * b, rtol=1e-6)  # tabulated temperatures: single precision
    pars = np.array([[4.2, z, 0.1] for z in (0.0, 0.5, 2.0)])
    none, half, two = function(edges, pars, context())
    np.testing.assert_allclose(half, none + 0.25 * (two - none), rtol=1e-12)


def test_grids_joined_or_split_keep_the_flux(context):
    edges = np.geomspace(0.3, 10.0, 2001)
    pars = np.array([[0.9, 0.5, 0.02, 200.0]])
    for name in ("apec", "bapec"):
        p = pars[:, : len(get_component(name).parameters)]
        fine = get_component(name).function(edges, p, context())[0]
        coarse = get_component(name).function(edges[::10], p, context())[0]
        np.testing.assert_allclose(fine.reshape(-1, 10).sum(axis=1), coarse, rtol=1e-7)


def test_rows_of_a_batch_are_independent(context):
    edges = np.geomspace(0.3, 10.0, 200)
    rng = np.random.default_rng(5)
    for name in FAMILY:
        pars = np.repeat([_varied(name)], 6, axis=0) * rng.uniform(0.8, 1.2, (6, 1))
        pars[:3] = pars[0]
        pars[1, 0] *= 1.5
        batch = get_component(name).function(edges, pars, context())
        assert batch.dtype == np.float64
        for row in range(6):
            single = get_component(name).function(edges, pars[row : row + 1], context())[0]
            np.testing.assert_allclose(batch[row], single, rtol=1e-12)


def test_extremes_are_finite_and_not_negative(context):
    edges = np.concatenate([[1e-4, 5e-3], np.geomspace(0.0103, 120.0, 300), [1e3]])
    for name in FAMILY:
        definition = get_component(name)
        lowest = [p.hard_min for p in definition.parameters]
        highest = [p.hard_max for p in definition.parameters]
        values = definition.function(edges, np.array([lowest, highest, definition.defaults]), context())
        assert np.isfinite(values).all(), name
        assert (values >= 0).all() or (values[values < 0] > -1e-12 * values.max()).all(), name


def test_other_abundance_tables(context):
    """Another abundance table scales each element by its ratio to Anders & Grevesse."""
    edges = np.geomspace(0.3, 10.0, 200)
    element = ELEMENTS.index("Fe")
    pars = np.zeros((1, 32))
    pars[0, 0], pars[0, 1 + element] = 4.0, 1.0
    function = get_component("vvapec").function
    ratio = function(edges, pars, context(abund="wilm")) / function(edges, pars, context(abund="angr"))
    np.testing.assert_allclose(ratio, 2.69e-5 / 4.68e-5, rtol=1e-6)  # Wilms et al. 2000, Anders & Grevesse 1989
    own = function(edges, pars, context(abund={"Fe": 4.68e-6}))
    np.testing.assert_allclose(own, 0.1 * function(edges, pars, context(abund="angr")), rtol=1e-6)


def test_in_a_model(context):
    """A frozen redshift, ties and a second apec in one expression."""
    model = Model("tbabs*(apec + apec)", settings=context(abund="wilm").settings)
    model.apec.kT, model["apec_3.kT"].value = 0.8, 3.0
    edges = np.geomspace(0.3, 10.0, 300)
    both = model.evaluate(edges)
    model["apec_3.norm"].value = 0.0
    one = model.evaluate(edges)
    model["apec_3.norm"].value, model["apec.norm"].value = 1.0, 0.0
    np.testing.assert_allclose(one + model.evaluate(edges), both, rtol=1e-12)
    again = Model.from_dict(json.loads(json.dumps(model.to_dict())))
    assert again.settings == model.settings


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"velocity": -1.0}, "velocity -1.0"),
        ({"velocity": float("nan")}, "velocity nan"),
        ({"trace": "Xx"}, "unknown element 'Xx'"),
        ({"trace": -0.5}, "trace abundance -0.5"),
        ({"termal": True}, "unknown option of apec"),
        (3, "are not options of apec"),
    ],
)
def test_impossible_options(given, said):
    with pytest.raises(ModelError, match=said):
        Settings(apec=given)


def test_options_from_xset_and_as_json():
    options = ApecOptions.from_xset(
        {"apecthermal": "ON", "APECVELOCITY": " 120 ", "APEC_TRACE_ABUND": "fe", "NEIVERS": "3"}
    )
    assert options == ApecOptions(thermal=True, velocity=120.0, trace="Fe")
    assert ApecOptions.from_xset({"APECTHERMAL": "no"}).thermal is False
    settings = Settings(apec=options)
    assert Settings(**json.loads(json.dumps(settings.to_dict()))).apec == options
    with pytest.raises(ModelError, match="'fast' of APECVELOCITY"):
        ApecOptions.from_xset({"APECVELOCITY": "fast"})
