"""Reading, grouping, ignoring and folding against recorded XSPEC 12.9.1 sessions (seven of them, real spectra)."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pytest

from data_ogip import unpacked
from wolter.data import ARF, RMF, Spectrum, SpectrumSet, bin_range, folding_plan, plan_of

# EXPOSURE and BACKSCAL are held in single precision by XSPEC 12.9.1.
RTOL = 1.2e-7


class Session:
    """A recorded session: its files, its steps and the arrays kept beside them."""

    def __init__(self, golden, shared, name):
        path = golden("xspec_sessions", f"{name}.json")
        self.record = json.loads(path.read_text())
        self.arrays = np.load(path.with_suffix(".npz"))
        self._shared = shared

    def path(self, name):
        source = self.record["files"][name]["source"].split(" ")[0]  # "... (gunzip)": we read compressed files
        path = self._shared(*source.split("/"))
        return unpacked(path) if path.suffix == ".xz" else path

    def step(self, number):
        return self.record["steps"][number]

    def array(self, entry):
        return self.arrays[entry["npz"]]


@pytest.fixture(scope="module")
def session(golden, shared):
    return lambda name: Session(golden, shared, name)


def spans(mask):
    """XSPEC's noticedString: ranges of 1-based numbers."""
    numbers = np.flatnonzero(mask) + 1
    if not len(numbers):
        return ""
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return " ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)


def replay(spectrum, mask, code):
    """Apply the ranges of an ignore or notice command to a mask of bins."""
    value = ".notice(" in code
    text = re.search(r"'(.*)'", code)[1]
    text = re.sub(r"^[\d*-]+:", "", text)
    if text == "all":
        return np.ones_like(mask)
    bins = spectrum.bins()
    if text == "bad":
        return mask & (bins.quality == 0)
    for item in re.split(r"[ ,]+", text):
        lo, _, hi = item.partition("-")
        if "." in item:
            ends = [None if e == "**" else float(e) for e in (lo, hi or lo)]
            chosen = bin_range(*spectrum.energy_bounds(bins), *ends)
        else:
            first = 1 if lo == "**" else int(lo)
            last = bins.total if (hi or lo) == "**" else int(hi or lo)
            chosen = (bins.position >= first) & (bins.position <= last)
        mask = mask | chosen if value else mask & ~chosen
    return mask


def check_snapshot(spectrum, mask, recorded):
    """Net rate, its error, total rate, exposure, scalings and noticed bins of one spectrum."""
    notice = spectrum.mask_of(mask)
    assert spans(mask) == recorded["noticedString"]
    assert recorded["n_noticed"] == mask.sum() == len(spectrum.bins(notice))
    net, error = spectrum.net_rate(notice)
    assert net == pytest.approx(recorded["rate"][0], rel=RTOL)
    assert error == pytest.approx(recorded["rate"][1], rel=RTOL)
    assert spectrum.total_rate(notice) == pytest.approx(recorded["rate"][2], rel=RTOL)
    assert spectrum.exposure == pytest.approx(recorded["exposure"], rel=RTOL)
    assert np.mean(spectrum.areascal) == pytest.approx(recorded["areaScale"], rel=RTOL)
    assert np.mean(spectrum.backscal) == pytest.approx(recorded["backScale"], rel=RTOL)


def check_values(session, spectrum, mask, recorded):
    """Rates and variances of the noticed bins (XSPEC's `values` are those of the source region)."""
    data = spectrum.binned(spectrum.mask_of(mask))
    np.testing.assert_allclose(data.rate, session.array(recorded["values"]), rtol=RTOL, atol=0)
    np.testing.assert_allclose(data.variance, session.array(recorded["variance"]), rtol=2 * RTOL, atol=0)


def replay_all(session, steps, spectra):
    """Replay ignore and notice commands on spectra, checking every snapshot on the way; returns the masks."""
    masks = [np.ones(s.bins().total, dtype=bool) for s in spectra]
    checked = 0
    for number in steps:
        step = session.step(number)
        if ".ignore(" in step["code"] or ".notice(" in step["code"]:
            masks = [replay(s, m, step["code"]) for s, m in zip(spectra, masks, strict=True)]
        for i, recorded in enumerate(step.get("data", {}).get("spectra", [])):
            check_snapshot(spectra[i], masks[i], recorded)
            checked += 1
        for i, recorded in enumerate(step.get("values", [])):
            check_values(session, spectra[i], masks[i], recorded)
            checked += 1
    assert checked
    return masks


def test_counts_without_background_channel_and_energy_ranges(session):
    s = session("a_swift_2m0259")
    spectrum = Spectrum.read(
        s.path("target_sr.pha"), rmf=s.path("swxpc0to12s6_20130101v014.rmf"), arf=s.path("target_sr.arf")
    )
    np.testing.assert_allclose(spectrum.rmf.edges[:3], s.step(6)["returns"], rtol=1e-12)
    np.testing.assert_allclose(spectrum.rmf.e_min[:3], s.step(7)["returns"], rtol=1e-12)
    masks = replay_all(s, range(5, 23), [spectrum])

    # step 25: powerlaw(1, 3e-4) folded
    plan = plan_of(spectrum, spectrum.mask_of(masks[0]))
    folded = plan.fold(3e-4 * np.log(plan.edges[1:] / plan.edges[:-1]))
    np.testing.assert_allclose(folded, s.array(s.step(25)["folded"][0][""]), rtol=1e-7, atol=0)


def test_background_is_scaled_and_grouped_with_the_source(session):
    s = session("b_swift_grb070110")
    files = {"rmf": s.path("interval0pc.rmf"), "arf": s.path("interval0pc.arf")}
    plain = Spectrum.read(s.path("interval0pcsource.pi"), background=s.path("interval0pcback.pi"), **files)
    replay_all(s, [8, 9], [plain])
    alone = Spectrum.read(s.path("interval0pcsource.pi"), background="none", **files)
    assert alone.background is None
    replay_all(s, [7], [alone])

    grouped = Spectrum.read(s.path("interval0pc.pi"))  # RESPFILE, ANCRFILE and BACKFILE are beside it
    assert grouped.background is not None
    assert grouped.bins().total == 589
    replay_all(s, [138, 139, 140], [grouped])


def test_bad_channels_are_dropped_and_bins_counted_without_them(session):
    s = session("c_xmm_ngc7793")
    spectrum = Spectrum.read(s.path("PN_spectrum_grp20.fits"))
    replay_all(s, [5, 6, 7], [spectrum])


def test_nine_stokes_spectra(session):
    s = session("d_ixpe_mrk501")
    names = [f"det{d}_filt_src_{p}.pha" for d in (1, 2, 3) for p in "IQU"]
    spectra = SpectrumSet.read([s.path(n) for n in names], groups="detector")
    assert spectra.groups == (1, 1, 1, 2, 2, 2, 3, 3, 3)
    assert spectra[0].rmf is spectra[2].rmf
    assert spectra[1].arf is spectra[2].arf
    assert spectra[0].arf is not spectra[1].arf
    replay_all(s, [7, 8, 9], list(spectra))


def test_two_groups(session):
    s = session("e_two_groups_links")
    spectra = SpectrumSet.read([s.path(f"det{d}_filt_src_I.pha") for d in (1, 2)], groups=[1, 2])
    replay_all(s, [4, 5], list(spectra))


def test_response_of_another_detector_when_allowed(session):
    s = session("f_nustar_solar")
    rmf = RMF.read(s.path("nuAdet3_20100101v002.rmf"))
    spectra = [
        Spectrum.read(
            s.path(f"nu80415201001{d}06_chu2_S_cl_grade0_sr.pha"),
            rmf=rmf,
            arf=s.path(f"nu80415201001{d}06_chu2_S_cl_grade0_sr.arf"),
            allow_mismatch=d == "B",
        )
        for d in "AB"
    ]
    replay_all(s, [6, 7], spectra[:1])
    replay_all(s, [53, 58], spectra)


def test_folding_of_absorbed_power_laws_in_four_detectors(session):
    """The fakeit session: TBabs*powerlaw through four responses, ungrouped, every channel."""
    models = pytest.importorskip("wolter.models")
    s = session("g_fakeit_means")
    model = models.Model("TBabs*powerlaw", settings=models.Settings(abund="wilm"))
    for label, value in (("TBabs.nH", 0.1), ("powerlaw.PhoIndex", 1.7), ("powerlaw.norm", 0.01)):
        model[label].value = value
    for number, files in (
        (7, ("swxpc0to12s6_20130101v014.rmf", "target_sr.arf")),
        (40, ("PN.rmf", "PN.arf")),
        (73, ("ixpe_d1_20170101_alpha075_02.rmf", "det1_filt_src.arf")),
        (106, ("nuAdet3_20100101v002.rmf", "nu80415201001A06_chu2_S_cl_grade0_sr.arf")),
    ):
        rmf, arf = RMF.read(s.path(files[0])), ARF.read(s.path(files[1]))
        plan = folding_plan(rmf, arf)
        folded = plan.fold(model.evaluate(plan.edges))
        recorded = s.array(s.step(number)["folded"][0][""])
        # 12.9.1 has single-precision absorption cross-sections: 1.6e-5 in the factor TBabs
        np.testing.assert_allclose(folded, recorded, rtol=3e-5, atol=1e-7 * recorded.max())
        np.testing.assert_allclose(rmf.fold(model.evaluate(rmf.edges) * arf.specresp), folded, rtol=1e-9, atol=1e-15)


def test_set_selection_is_the_ignore_of_the_session(session):
    import astropy.units as u

    s = session("d_ixpe_mrk501")
    spectra = SpectrumSet.read([s.path("det1_filt_src_I.pha"), s.path("det1_filt_src_Q.pha")])
    chosen = spectra.select(2 * u.keV, 8000 * u.eV)
    assert [len(x.bins(m)) for x, m in zip(chosen, chosen.notice, strict=True)] == [149, 149]
    assert [int(m.sum()) for m in spectra.notice] == [375, 375]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = spectra.select_bins(51, 199)
    assert all((a == b).all() for a, b in zip(chosen.notice, again.notice, strict=True))
