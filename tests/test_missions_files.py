"""Roles, modes, energies and times of real files of the missions, against what their own headers and makers say."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits as afits

from wolter import fits
from wolter.data import ARF, RMF, EventList
from wolter.errors import MissionError
from wolter.mission import get_mission
from wolter.observation import Observation

ROLES = {
    "swift/1whsp_0126+33_00085374001": {
        "events_l2": 3,
        "events_l1": 5,
        "exposure map": 1,
        "image": 1,
        "bias image": 1,
        "frame headers": 1,
        "housekeeping": 2,
    },
    "swift/1whsp_0126+33_stack_results": {"events_l2": 1, "exposure map": 1},
    "swift/2m0259_00092220001": {"rmf": 1, "arf": 1, "spectrum": 1},
    "swift/grb070110_00255445000": {"rmf": 1, "arf": 1, "spectrum": 3},
    "nustar/sol_90410111001": {"events_l2": 1, "livetime": 1, "star trackers": 1},
    "nustar/sol_80415201001": {
        "arf": 2,
        "aspect": 2,
        "attitude": 1,
        "bad pixels": 4,
        "gti": 2,
        "image": 2,
        "light curve": 2,
        "livetime": 2,
        "metrology": 2,
        "optical axis": 2,
        "orbit": 2,
        "spectrum": 2,
    },
    "nustar/ss433_30002041016": {"arf": 2, "gti": 1, "image": 1, "sky to detector": 1},
    "nustar/velax1_30501003002_FPMB": {"arf": 1, "spectrum": 1},
    "xmm/a907_0404910601": {"attitude": 1, "events_l2": 2, "exposure map": 6, "image": 6},
    "xmm/a907_0201903501": {"attitude": 1, "events_l2": 2, "exposure map": 6, "image": 6},
    "xmm/ngc7793_ulx4_0693760101": {"arf": 1, "rmf": 1, "spectrum": 2},
    "xrism/perseus_000154000_resolve": {"arf": 1, "spectrum": 1},
}


@pytest.mark.parametrize("folder", ROLES)
def test_roles_and_identifiers_of_real_folders(shared, folder):
    observation = Observation(shared(folder))
    assert Counter(f.role for f in observation.files) == ROLES[folder]
    named = [part for part in folder.split("/")[1].split("_") if part.isdigit() and len(part) >= 9]
    assert observation.obsid == (named[0] if named else "00085374001")


EVENTS = {"EXTNAME": "EVENTS", "HDUCLAS1": "EVENTS"}
GTIS = {"EXTNAME": "GTI", "HDUCLAS1": "GTI"}


@pytest.mark.parametrize(
    ("name", "headers", "role", "detector", "mode"),
    [
        # names and keywords as the missions' guides describe them, of files of which no real one is at hand
        ("nu1A01_cl.evt.gz", [EVENTS | {"INSTRUME": "FPMA", "OBSMODE": "SCIENCE"}], "events_l2", "FPMA", "01"),
        ("nu1A02_cl.evt", [EVENTS | {"INSTRUME": "FPMA", "OBSMODE": "OCCULTATION"}], "events_l2", "FPMA", "02"),
        (
            "nu1B06_chu12_N_cl.evt",
            [EVENTS | {"INSTRUME": "FPMB", "OBSMODE": "SCIENCE_SC"}],
            "events_l2",
            "FPMB",
            "06 chu12 N",
        ),
        (
            "any.evt",
            [EVENTS | {"INSTRUME": "FPMB", "OBSMODE": "SCIENCE", "TFIELDS": 1, "TTYPE1": "PREPHAS"}],
            "events_l1",
            "FPMB",
            None,
        ),
        ("nu1_mast.fits", [{"EXTNAME": "MAST_ASPECT"}], "mast", None, None),
        ("nu1A01_ex.img", [{"NAXIS": 2, "INSTRUME": "FPMA"}], "exposure map", "FPMA", None),
        ("xa1xtd_p031100010_cl.evt", [EVENTS | {"INSTRUME": "XTEND"}], "events_l2", "XTEND", "31100010"),
        ("any.evt", [EVENTS | {"INSTRUME": "XTEND", "DATACLAS": "32000010"}], "events_l2", "XTEND", "32000010"),
        ("xa1rsl_p0px1000_cl.evt", [EVENTS | {"INSTRUME": "RESOLVE"}], "events_l2", "RESOLVE", "px1000"),
        ("xa1xtd_p030000010_uf.evt", [EVENTS | {"INSTRUME": "XTEND"}], "events_l1", "XTEND", "30000010"),
        ("xa1.ehk", [{"EXTNAME": "EHK"}], "filter", None, None),
        ("xa1_gen.gti", [GTIS], "gti", None, None),
        ("sw1pat.fits.gz", [{"EXTNAME": "ATTITUDE"}], "attitude", None, None),
        ("sw1sao.fits", [{"EXTNAME": "PREFILTER"}], "orbit", None, None),
        (
            "any.evt",
            [EVENTS | {"INSTRUME": "XRT", "DATAMODE": "WINDOWED", "OBS_MODE": "POINTING", "CREATOR": "extractor v5"}],
            "events_l2",
            "XRT",
            "WT",
        ),
        ("sw1uat.fits", [EVENTS | {"INSTRUME": "UVOTA"}], None, None, None),
        ("P1PNS003PIEVLI0000.FTZ", [EVENTS | {"INSTRUME": "EPN", "EXPIDSTR": "S003"}], "events_l2", "PN", "S003"),
        ("P1R1S004EVENLI1001.FTZ", [EVENTS | {"INSTRUME": "RGS1"}], None, None, None),
    ],
)
def test_roles_of_described_files(name, headers, role, detector, mode):
    telescop = {"nu": "NuSTAR", "xa": "XRISM", "sw": "SWIFT", "P1": "XMM"}.get(name[:2])
    if telescop is None:
        instrument = headers[0]["INSTRUME"]
        telescop = {"XTEND": "XRISM", "XRT": "SWIFT"}.get(instrument, "NuSTAR")
    headers = [h | {"TELESCOP": telescop} for h in headers]
    if "NAXIS" not in headers[0]:
        headers = [{"TELESCOP": telescop, "NAXIS": 0}, *headers]
    found = get_mission(telescop).classify(Path(name), headers)
    if role is None:
        assert found is None or not found.role.startswith("events")
    else:
        assert (found.role, found.detector, found.mode) == (role, detector, mode)
    assert get_mission(telescop).classify(Path(name), [h | {"TELESCOP": "OTHER"} for h in headers]) is None


def test_names_do_not_matter_where_headers_tell(shared, tmp_path):
    source = shared("swift/1whsp_0126+33_00085374001")
    for number, path in enumerate(sorted(source.glob("*.gz"))):
        shutil.copy(path, tmp_path / f"file{number}.fits.gz")
    renamed = Counter((f.role, f.mode) for f in Observation(tmp_path).files if not f.role.startswith("events_l1"))
    original = Counter((f.role, f.mode) for f in Observation(source).files if not f.role.startswith("events_l1"))
    assert renamed == original


# numbers of events as the manifests of the data have them
@pytest.mark.parametrize(
    ("folder", "events"),
    [
        ("swift/1whsp_0126+33_00085374001", {"XRT": 553}),
        ("swift/1whsp_0126+33_00085374005", {"XRT": 641}),
        ("swift/1whsp_0126+33_stack_results", {"XRT": 1194}),
        ("nustar/sol_90410111001", {"FPMA": 9442}),
        ("xmm/a907_0404910601", {"M1": 72308, "M2": 64702}),
        ("xmm/a907_0201903501", {"M1": 31607, "M2": 32339}),
    ],
)
def test_events_and_exposures_are_those_of_the_headers(shared, folder, events):
    observation = Observation(shared(folder))
    assert {name: one.count() for name, one in observation.events.items()} == events
    for name, one in observation.events.items():
        assert one.detector == name
        header = one.header
        live = header.get("EXPOSURE", header.get("LIVETIME"))
        tolerance = 3e-3 if one.gti_by_ccd else 1e-8  # LIVETIME is that of the first CCD, ours of all together
        assert one.exposure == pytest.approx(live, rel=tolerance)


@pytest.mark.parametrize("folder", ["xmm/a907_0404910601", "xmm/a907_0201903501"])
def test_good_time_and_live_time_of_every_ccd(shared, folder):
    """ONTIMEnn and LIVETInn were written by SAS; every event lies in the good time of its own CCD."""
    for events in Observation(shared(folder)).events.values():
        assert len(events.gti_by_ccd) >= 6
        for ccd, good in events.gti_by_ccd.items():
            assert good.exposure == pytest.approx(events.header[f"ONTIME{ccd:02d}"], rel=1e-9)
            assert events.ccd_exposure(ccd) == pytest.approx(events.header[f"LIVETI{ccd:02d}"], rel=1e-9)
        with afits.open(events.path) as file:
            table = file["EVENTS"].data
            for ccd, good in events.gti_by_ccd.items():
                assert good.contains(np.asarray(table["TIME"][table["CCDNR"] == ccd], dtype=float)).all()


def test_exposure_of_a_spectrum_is_that_of_its_ccd(shared):
    """The recorded pn spectrum (CCDSRC 4) has the live time of CCD 4; so has a MOS spectrum from CCD 1 its own."""
    from wolter.makers import extract_spectrum

    events = Observation(shared("xmm/a907_0404910601")).events["M1"]
    inside = events.select(expression="CCDNR == 1")
    spectrum = extract_spectrum(inside)
    assert spectrum.exposure == pytest.approx(events.header["LIVETI01"], rel=1e-9)
    assert len(spectrum.channel) == 2400
    assert spectrum.counts.sum() == np.count_nonzero((inside.column("PI") >= 0) & (inside.column("PI") < 12000))
    pi = inside.column("PI")
    assert spectrum.counts[200] == np.count_nonzero((pi >= 1000) & (pi < 1005))
    assert extract_spectrum(inside, binning=15).counts[67] == np.count_nonzero((pi >= 1005) & (pi < 1020))


def test_standard_gtis_without_a_data_subspace(shared, tmp_path):
    """A list whose header does not refer to good times has STDGTInn per CCD."""
    source = Observation(shared("xmm/a907_0404910601")).events["M1"].path
    target = tmp_path / "events.fits"
    with afits.open(source) as file:
        for key in [k for k in file["EVENTS"].header if k.lstrip("0123456789").startswith(("DSTYP", "DSVAL", "DSREF"))]:
            del file["EVENTS"].header[key]
        kept = [h for h in file if not h.name.startswith("GTI0")]
        afits.HDUList(kept).writeto(target)
    events = EventList.read(target)
    with afits.open(target) as file:
        told = {int(h.name[6:]): h.header["ONTIME"] for h in file if h.name.startswith("STDGTI")}
    assert {c: pytest.approx(g.exposure, rel=1e-9) for c, g in events.gti_by_ccd.items()} == told
    assert events.ccd_column == "CCDNR"


def test_modes_of_one_detector(shared):
    observation = Observation(shared("swift/1whsp_0126+33_00085374001"))
    assert observation.modes == {"XRT": ("PC", "WT settling", "WT slew")}
    slew = observation.in_mode("wt slew")
    assert slew.events["XRT"].count() == 208
    assert observation.events["XRT"].count() == 553  # the first one is as it was
    assert Observation(observation.path, mode="WT settling").events["XRT"].count() == 19
    with pytest.raises(MissionError, match=r"no event file of mode 'LR' \(it has PC, WT settling, WT slew\)"):
        observation.in_mode("LR")


def test_several_exposures_of_one_camera(shared, tmp_path):
    """Two exposures of equal standing are kept apart; two files of one exposure are an error."""
    source = Observation(shared("xmm/a907_0404910601")).events["M1"].path
    for name, exposure in (("a", "S001"), ("b", "U002")):
        with afits.open(source) as file:
            for hdu in (0, 1):
                file[hdu].header["EXPIDSTR"] = exposure
            afits.HDUList(file[:2]).writeto(tmp_path / f"{name}.fits")
    observation = Observation(tmp_path)
    assert list(observation.event_files) == ["M1:S001", "M1:U002"]
    assert observation.in_mode("U002").event_files["M1"].path.name == "b.fits"
    shutil.copy(tmp_path / "a.fits", tmp_path / "c.fits")
    with pytest.raises(MissionError, match=r"two event files of M1 S001 .*a.fits, c.fits.*Move one"):
        _ = Observation(tmp_path).events


@pytest.mark.parametrize(
    ("mission", "detector", "path", "width", "exact", "rest"),
    [
        ("swift_xrt", "XRT", "swift/2m0259_00092220001/swxpc0to12s6_20130101v014.rmf.gz", 1, 1, 0.0),
        # below 5 keV the response's channel edges are up to 28 eV above the nominal 5 eV per channel
        ("xmm_epic", "PN", "xmm/ngc7793_ulx4_0693760101/PN.rmf", 5, 1000, 0.0281),
    ],
)
def test_energy_scale_is_that_of_the_real_responses(shared, mission, detector, path, width, exact, rest):
    rmf = RMF.read(shared(path))
    scale = get_mission(mission).energy_scale(detector)
    edges = scale.lower_edge(rmf.first_channel + np.arange(len(rmf.e_min)) * width)
    np.testing.assert_allclose(edges[exact:], rmf.e_min[exact:], atol=2e-6)
    np.testing.assert_allclose(edges[:exact], rmf.e_min[:exact], atol=rest + 1e-6)
    assert (scale.last - scale.first + 1) // width == len(rmf.e_min)


def test_energy_scale_of_the_modules_of_a_real_area_file(shared):
    """Areas of this mission are given on the grid of its channels."""
    arf = ARF.read(shared("nustar/velax1_30501003002_FPMB/nustar.arf"))
    scale = get_mission("nustar").energy_scale("FPMA")
    np.testing.assert_allclose(scale.edges()[:-1], arf.energ_lo, atol=1e-5)


def test_energy_scale_of_resolve(shared):
    path = shared("xrism/perseus_000154000_resolve/xa_merged_p0px1000_Hp.pi")
    with afits.open(path) as file:
        assert len(file["SPECTRUM"].data) == 60000
    mission = get_mission("XRISM")
    assert mission.energy_scale("RESOLVE").channels(2.0, 10.0) == (4000, 19999)
    assert mission.energy_scale("XTEND").channels(0.6, 3.0) == (100, 499)


def test_default_screening_keeps_screened_events(shared):
    """The files were screened by the missions' own software with the same grades, patterns and flags."""
    for folder in ("swift/1whsp_0126+33_00085374001", "xmm/a907_0404910601"):
        for events in Observation(shared(folder)).events.values():
            assert events.screened().count() == events.count()
    raw = EventList.read(shared("swift/1whsp_0126+33_00085374001/sw00085374001xpcw3po_uf.evt.gz"))
    with afits.open(raw.path) as file:
        grade = file["EVENTS"].data["GRADE"]
        time = np.asarray(file["EVENTS"].data["TIME"], dtype=float)
    good = raw.gti.contains(time + raw.time_offset)
    assert raw.screened().count() == np.count_nonzero((grade <= 12) & good)


def test_spectra_and_light_curves_of_resolve_events(tmp_path):
    """Resolve event lists are read; there is no real one at hand, so this one is made with astropy."""
    rng = np.random.default_rng(3)
    number = 500
    columns = [
        afits.Column("TIME", "D", unit="s", array=np.sort(rng.uniform(0, 1000, number))),
        afits.Column("PI", "J", array=rng.integers(4000, 20000, number)),
        afits.Column("PIXEL", "B", array=rng.integers(0, 36, number)),
        afits.Column("X", "I", array=rng.integers(1, 2431, number)),
        afits.Column("Y", "I", array=rng.integers(1, 2431, number)),
    ]
    table = afits.BinTableHDU.from_columns(columns, name="EVENTS")
    keys = {"TELESCOP": "XRISM", "INSTRUME": "RESOLVE", "DETNAM": "PIXEL", "OBS_ID": "000154000", "HDUCLAS1": "EVENTS"}
    table.header.update(keys | {"DATAMODE": "PX_NORMAL", "ONTIME": 1000.0, "LIVETIME": 1000.0, "DEADC": 1.0})
    gti = afits.BinTableHDU.from_columns(
        [afits.Column("START", "D", array=[0.0]), afits.Column("STOP", "D", array=[1000.0])], name="GTI"
    )
    folder = tmp_path / "resolve" / "event_cl"
    folder.mkdir(parents=True)
    afits.HDUList([afits.PrimaryHDU(), table, gti]).writeto(folder / "xa000154000rsl_p0px1000_cl.evt")
    observation = Observation(tmp_path)
    assert list(observation.events) == ["RESOLVE"]
    spectrum = observation.spectra()[0]
    assert (len(spectrum.channel), spectrum.counts.sum()) == (60000, number)
    pi = columns[1].array
    assert observation.events["RESOLVE"].select(energy=(3 * u.keV, 5 * u.keV)).count() == np.count_nonzero(
        (pi >= 6000) & (pi < 10000)
    )
    curve = observation.light_curve(100 * u.s)["RESOLVE"]
    np.testing.assert_allclose(
        curve.rate * 100.0, np.histogram(columns[0].array, np.arange(0, 1001, 100))[0], rtol=1e-12
    )


def _command(capsys, *arguments):
    from wolter.cli import main

    main(list(map(str, arguments)))
    return capsys.readouterr().out


def test_info_is_a_table_of_what_is_there(shared, capsys):
    folder = shared("swift/1whsp_0126+33_00085374001")
    text = _command(capsys, "info", folder)
    row = next(line.split() for line in text.splitlines() if line.strip().startswith("events_l2*"))
    name = "sw00085374001xpcw3po_cl.evt.gz"
    size = (folder / name).stat().st_size
    assert row == ["events_l2*", "XRT", "PC", "1565.8", "553", f"{size / 1e3:.0f}", "kB", name]
    told = json.loads(_command(capsys, "info", folder, "--json"))
    assert told["mission"] == "swift_xrt"
    assert {f["role"] for f in told["files"] if f["used_as"]} == {"events_l2"}
    assert sum(f["bytes"] for f in told["files"]) == sum(p.stat().st_size for p in folder.glob("*.gz"))


def test_products_of_both_cameras_through_an_executor(shared, tmp_path):
    """Threads give what the plain loop gives; names of the written spectra tell the cameras apart."""
    from wolter.sky import circle

    observation = Observation(shared("xmm/a907_0404910601"))
    source = circle("09:58:22.1 -11:03:35", 2 * u.arcmin)
    plain = observation.spectra(source)
    with ThreadPoolExecutor(2) as pool:
        threaded = observation.spectra(source, executor=pool, output=tmp_path)
        images = observation.image(binning=87, executor=pool)
    for one, other in zip(plain, threaded, strict=True):
        np.testing.assert_array_equal(one.counts, other.counts)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["xmm_epic_det1_src.pha", "xmm_epic_det2_src.pha"]
    assert {name: float(image.data.sum()) for name, image in images.items()} == {"M1": 72308, "M2": 64702}


@pytest.mark.slow
def test_products_in_other_processes(shared):
    """Event lists travel to spawned processes, with a mission found there or given here."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    folder = shared("xmm/a907_0404910601")
    plain = [s.counts.sum() for s in Observation(folder).spectra()]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        for observation in (Observation(folder), Observation(folder, mission=get_mission("xmm_epic"))):
            assert [s.counts.sum() for s in observation.spectra(executor=pool)] == plain
            images = observation.image(binning=87, executor=pool)
            assert {name: int(image.data.sum()) for name, image in images.items()} == {"M1": 72308, "M2": 64702}


def test_generic_files_keep_working(shared):
    """What has a plug-in now is still read as before where none is asked for."""
    path = Path(shared("nustar/sol_90410111001/nu90410111001A06_cl_sunpos.evt"))
    events = EventList.read(path)
    assert events.detnam == "FPMA"  # DETNAM is NONE in these files
    with fits.open(path) as file:
        assert events.nrows == file["EVENTS"].nrows
