"""XGA's interface: the numbers its photometry tutorial printed, both forms of its calls, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.units import Quantity, UnitConversionError
from astropy.visualization import LinearStretch, PowerStretch

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from wolter.compat.xga import configuration
from wolter.compat.xga.exceptions import (
    NoMatchFoundError,
    NoProductAvailableError,
    NotAssociatedError,
    NoValidObservationsError,
    XGAConfigError,
)
from wolter.compat.xga.generate.sas import cifbuild, eexpmap, emosaic, evselect_image
from wolter.compat.xga.imagetools.misc import data_limits, edge_finder, pix_deg_scale, sky_deg_scale
from wolter.compat.xga.products import ExpMap, Image, RateMap
from wolter.compat.xga.samples import ClusterSample
from wolter.compat.xga.sources import GalaxyCluster, NullSource, PointSource
from wolter.compat.xga.utils import xmm_sky
from wolter.errors import WolterWarning
from wolter.sources import Library

ROOT = Path(__file__).resolve().parents[1]
XGA = json.loads((Path(__file__).parent / "data" / "sources_xga.json").read_text())
LO, HI = Quantity(0.5, "keV"), Quantity(2.0, "keV")


@pytest.fixture(scope="module")
def configured(shared, tmp_path_factory):
    """A configuration file in XGA's form, for the two observations of Abell 907."""
    folder = tmp_path_factory.mktemp("xga")
    data = shared("xmm")
    at = f"{data}/a907_{{obs_id}}"
    lines = ["[XGA_SETUP]", f"xga_save_path = {folder / 'out'}", "num_cores = 2", "[XMM_FILES]"]
    lines += [f"root_xmm_dir = {data}", f"attitude_file = {at}/P{{obs_id}}OBX000ATTTSR0000.FIT"]
    lines += [f"region_file = {at}/{{obs_id}}_sources.reg", "lo_en = ['0.50', '2.00']", "hi_en = ['2.00', '10.00']"]
    for camera in ("pn", "mos1", "mos2"):
        stem = f"{at}/{{obs_id}}_{camera}_exp1-{{lo_en}}-{{hi_en}}keV"
        lines += [f"clean_{camera}_evts = {at}/{camera}_exp1_clean_evts.fits"]
        lines += [f"{camera}_image = {stem}img.fits", f"{camera}_expmap = {stem}expmap.fits"]
    (folder / "xga").mkdir()
    (folder / "xga" / "xga.cfg").write_text("\n".join(lines))
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(folder)
    yield folder
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture(scope="module")
def cluster(configured):
    radii = {"r500": Quantity(1200, "kpc"), "r200": Quantity(1700, "kpc")}
    return GalaxyCluster(149.59209, -11.05972, 0.16, name="A907", **radii)


@pytest.fixture
def pn(cluster):
    return cluster.get_ratemaps("0404910601", "pn", LO, HI)


def test_coordinates_as_printed(pn, cluster):
    """To the last digit of the tutorial."""
    assert str(pn.coord_conv(Quantity([100, 100], "pix"), "deg")) == "[149.782975   -11.27656289] deg"
    assert str(pn.coord_conv(Quantity([100, 100], "pix"), "xmm_sky")) == "[12392. 12392.] xmm_sky"
    sky = Quantity([15000, 15000], xmm_sky)
    assert str(pn.coord_conv(sky, "pix")) == "[130 130] pix"
    assert str(pn.coord_conv(sky, "deg")) == "[149.74602109 -11.24036252] deg"
    assert str(cluster.ra_dec) == "[149.59209 -11.05972] deg"
    assert str(pn.coord_conv(cluster.ra_dec, "pix")) == "[255 280] pix"
    assert str(pn.coord_conv(Quantity([149.59251341, -11.06395832], "deg"), "pix")) == "[255 276] pix"
    pairs = pn.coord_conv(Quantity([[100, 100], [255, 280]], "pix"), "deg")
    assert pairs.shape == (2, 2)


def test_signal_to_noise_as_printed(cluster):
    names, values = cluster.snr_ranking("r500")
    assert names[:5].tolist() == [
        ["0201903501", "mos1"],
        ["0201903501", "mos2"],
        ["0404910601", "mos2"],
        ["0404910601", "mos1"],
        ["0404910601", "pn"],
    ]
    np.testing.assert_allclose(
        values[:5], [94.18597822, 96.22761135, 108.10871705, 108.73900404, 114.58252691], rtol=0.02
    )
    assert names["xmm"].shape == (6, 2)  # the form of XGA 1.0.0
    assert "0201903501" in cluster.obs_ids
    assert cluster.obs_ids["xmm"].tolist() == ["0201903501", "0404910601"]


def test_as_xga_on_the_same_arrays(pn, cluster):
    """Masks of XGA 1.0.0 at the position it was asked about; tests/data/make_sources_xga.py recorded them."""
    recorded = XGA["pn"]
    place = Quantity([149.59209, -11.05972], "deg")
    assert pix_deg_scale(place, pn.radec_wcs).value == pytest.approx(recorded["pix_deg_scale"], rel=1e-9)
    assert pn.coord_conv(place, "pix").value.tolist() == recorded["pixel"]
    radius = Quantity(0.1208, "deg")
    custom = cluster.get_custom_mask(radius * 0.4, obs_id="0404910601", central_coord=place, remove_interlopers=False)
    assert custom.sum() == recorded["custom"]["pixels"]
    source, background = cluster._source.masks(
        radius, pn.image._read().grid, "0404910601", centre=SkyCoord(*place).fk5, interlopers=False
    )
    keep = cluster.get_interloper_mask("xmm", "0404910601")
    assert (source.sum(), background.sum()) == (recorded["source"]["pixels"], recorded["background"]["pixels"])
    for name, value in recorded["snr"].items():
        corrected, negative = (part == "True" for part in name.split("-"))
        # XGA recorded with all red detections taken out; two near the core are spared here (cool cores).
        mine = pn.signal_to_noise(source * keep, background * keep, corrected, negative)
        assert mine == pytest.approx(value, rel=0.01)
    assert pn.edge_mask.size - pn.edge_mask.sum() == recorded["edge"]["pixels"]
    assert pn.sensor_mask.sum() == recorded["sensor"]["pixels"]


def test_edges_with_corners():
    exposed = np.zeros((6, 7))
    exposed[2:5, 2:5] = 1
    edges = edge_finder(exposed)
    assert edges[2, 2] == 2  # a corner ends two runs
    assert edges[2, 3] == 1
    assert edges[3, 3] == 0
    assert edge_finder(exposed, keep_corners=False).max() == 1
    assert edge_finder(exposed, border=True)[1, 3] == 1
    assert data_limits(exposed) == ([1, 5], [1, 5])


def test_both_forms_of_calls_agree(cluster):
    old = cluster.get_source_mask("r500", "0404910601")
    new = cluster.get_source_mask("r500", "xmm", "0404910601")
    named = cluster.get_source_mask("r500", telescope="xmm", obs_id="0404910601")
    for a, b, c in zip(old, new, named, strict=True):
        assert (a == b).all()
        assert (a == c).all()
    assert (cluster.get_interloper_mask("xmm") == cluster.get_interloper_mask()).all()
    source, back = cluster.get_mask("r500", "0404910601")
    assert (source == old[0] * cluster.get_interloper_mask(obs_id="0404910601")).all()
    assert set(np.unique(back)) == {0, 1}


def test_generators_make_and_find(cluster):
    lo, hi = Quantity(2000, "eV"), Quantity(7, "keV")
    with pytest.raises(NoProductAvailableError):
        cluster.get_images(lo_en=lo, hi_en=hi)
    assert evselect_image(cluster, lo_en=lo, hi_en=hi) is cluster
    images = cluster.get_images(lo_en=lo, hi_en=hi)
    assert {(i.obs_id, i.instrument) for i in images} == {
        (o, c) for o in ("0201903501", "0404910601") for c in ("mos1", "mos2")
    }
    assert images[0].storage_key == "bound_2.0-7.0"
    eexpmap(cluster, lo_en=lo, hi_en=hi, num_cores=1)
    rates = cluster.get_ratemaps(lo_en=lo, hi_en=hi)
    assert all(isinstance(r, RateMap) and r.src_name == "A907" for r in rates)
    for what in ("image", "expmap"):
        emosaic(cluster, what, lo_en=lo, hi_en=hi)
    (whole,) = cluster.get_products("combined_ratemap", extra_key="bound_2.0-7.0")
    assert whole.image.data.sum() == sum(i.data.sum() for i in images)
    assert whole.obs_ids == ["0201903501", "0404910601"]
    with pytest.warns(WolterWarning, match="cifbuild does nothing"):
        assert cifbuild(cluster) is cluster


def test_values_at_positions(pn, cluster):
    rate, seconds, counts = (get(cluster.ra_dec) for get in (pn.get_rate, pn.get_exp, pn.get_count))
    assert rate.unit == "ct / s"
    assert rate.value == pytest.approx(counts.value / seconds.value)
    assert seconds.value == pn.expmap.get_exp(cluster.ra_dec).value
    assert pn.header["OBSERVER"] == "Prof Hans Boehringer"
    assert sky_deg_scale(pn, cluster.ra_dec).value == pytest.approx(0.05 / 3600, rel=1e-4)


def test_views(pn, cluster, tmp_path):
    figure, axes = plt.subplots()
    mask = cluster.get_mask("r500", "0404910601")[0]
    assert pn.get_view(axes, cluster.ra_dec, mask, stretch=LinearStretch(), zoom_in=True) is axes
    assert axes.get_title() == "A907 - XMM 0404910601 PN 0.5-2.0keV ratemap"
    assert len(axes.lines) == 2
    rows, columns = np.nonzero(pn.data * pn.edge_mask * mask)
    assert axes.get_xlim() == (columns.min() - 1, columns.max() + 1)
    assert axes.get_ylim() == (rows.min() - 1, rows.max() + 1)
    plt.close(figure)
    pn.save_view(tmp_path / "view.png", view_regions=True, radial_bins_pix=[10, 20], cross_hair=cluster.ra_dec)
    assert (tmp_path / "view.png").stat().st_size > 30_000
    with pytest.raises(ValueError, match="mask array"):
        pn.get_view(plt.figure().gca(), mask=np.ones((2, 2)))
    plt.close("all")


def test_images_of_the_swift_tutorial(shared, tmp_path):
    """Its image cells: products of files, degrees per pixel, windows around the source, regions, a power stretch."""
    place = Quantity([21.7375, 33.1182], "deg")
    path = shared("swift", "1whsp_0126+33_00085374005", "sw00085374005xpc_sk.img.gz")
    image = Image(str(path), "00085374005", "xrt", "", "", "", Quantity(0.3, "keV"), Quantity(10, "keV"))
    scale = pix_deg_scale(place, image.radec_wcs)
    assert scale.to_value("arcsec / pix") == pytest.approx(2.357, abs=0.005)  # the size of an XRT pixel
    half = ((Quantity(3, "arcmin") / scale).to("pix") / 2).astype(int)
    centre = image.coord_conv(place, "pix")
    limits = [[(c - half).value, (c + half).value] for c in centre]
    figure, axes = plt.subplots()
    image.get_view(
        axes, place, custom_title="Day 1", zoom_in=True, manual_zoom_xlims=limits[0], manual_zoom_ylims=limits[1]
    )
    assert axes.get_title() == "Day 1"
    assert axes.get_xlim() == tuple(float(v) for v in limits[0])
    assert axes.get_ylim() == tuple(float(v) for v in limits[1])
    plt.close(figure)
    (tmp_path / "src.reg").write_text('fk5\ncircle(21.7375, 33.1182, 47.1")\n')
    image.regions = tmp_path / "src.reg"
    (region,) = image.regions["00085374005"]
    assert region.radius == pytest.approx(47.1 / 2.357, rel=5e-3)
    image.view(place, zoom_in=True, view_regions=True, figsize=(7, 5.5), stretch=PowerStretch(0.1))
    assert plt.get_fignums() == []


def test_the_tutorial_runs(shared, tmp_path):
    """examples/abell907_photometry.md under `wolter run`: every cell, the printed coordinates among its output."""
    command = [sys.executable, "-m", "wolter", "run", str(ROOT / "examples" / "abell907_photometry.md")]
    command += ["--report", str(tmp_path / "report.json"), "--output", str(tmp_path / "out.ipynb")]
    environment = {**os.environ, "A907_DATA": str(shared("xmm")), "TMPDIR": str(tmp_path), "MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert {cell["status"] for cell in report["cells"]} == {"ok"}
    assert len(report["cells"]) == 31
    for line in (
        "[149.782975   -11.27656289] deg",
        "[12392. 12392.] xmm_sky",
        "[130 130] pix",
        "[149.74602109 -11.24036252] deg",
        "The initial coordinates were [149.59209 -11.05972] deg",
        "[255 280] pix",
        "User Coordinates - (149.59209, -11.05972) degrees",
        "0404910601 pn",
    ):
        assert line in done.stdout
    notebook = json.loads((tmp_path / "out.ipynb").read_text())
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    assert sum("image/png" in o.get("data", {}) for o in outputs) >= 8


def test_every_line_of_the_tutorial_is_in_the_example(shared):
    """Lines of code of the tutorial's text; two cannot run: one is broken off, one names data that are not here."""
    (text,) = shared("..", "seeds").glob("004_*.txt")
    squeezed = re.sub(r"\s+", "", (ROOT / "examples" / "abell907_photometry.md").read_text())
    code = re.compile(
        r"(\w+(, ?\w+)* ?= |print\(|demo_|chosen_|bulk_src|evselect_|eexpmap\(|from [\w.]+ import|import \w+ as)"
    )
    header = re.compile(r"[A-Z0-9_]{3,8} *=")
    lines = [line.strip() for line in text.read_text().splitlines()]
    lines = [line for line in lines if code.match(line) and not header.match(line)]
    assert len(lines) > 55
    absent = [line for line in lines if re.sub(r"\s+", "", line) not in squeezed]
    assert absent == ["chosen_obs = ['0677630133', '0301900401', '0770581201', '0827201501']"]


def test_samples(configured, cluster):
    with pytest.warns(UserWarning, match="No observation covers far"):
        sample = ClusterSample(
            np.array([149.59209, 10.0]), np.array([-11.05972, 20.0]), np.array([0.16, 0.2]), np.array(["A907", "far"]),
            r500=Quantity([1200, 900], "kpc"), richness=np.array([110.0, 50.0]), richness_err=np.array([4.0, 5.0]),
        )  # fmt: skip
    assert len(sample) == 1
    assert sample.failed_names == ["far"]
    assert sample["A907"].r500 == Quantity(1200, "kpc")
    assert sample.richness.value.tolist() == [[110.0, 4.0]]
    assert sample.r500_snr[0] == pytest.approx(cluster.get_snr("r500"))
    assert evselect_image(sample, lo_en=LO, hi_en=HI) is sample
    with pytest.raises(NoValidObservationsError):
        ClusterSample(np.array([10.0]), np.array([20.0]), np.array([0.2]), r500=Quantity([900], "kpc"))


def test_null_source(configured):
    bulk = NullSource(["0201903501", "0404910601"])
    assert bulk.name == "2Observations"
    eexpmap(evselect_image(bulk, lo_en=LO, hi_en=HI), lo_en=LO, hi_en=HI)
    assert len(bulk.get_images(lo_en=LO, hi_en=HI)) == 6
    with pytest.raises(NotImplementedError, match="NullSource"):
        emosaic(bulk, "image", lo_en=LO, hi_en=HI)
    with pytest.raises(NoMatchFoundError, match="0677630133"):
        NullSource(["0677630133"])


def test_what_cannot_be(cluster, pn, configured):
    with pytest.raises(NoMatchFoundError, match="no observation"):
        PointSource(10.0, 20.0)
    with pytest.raises(ValueError, match="redshift"):
        GalaxyCluster(149.59209, -11.05972, 0.0, r500=Quantity(1, "Mpc"))
    with pytest.raises(ValueError, match="at least one overdensity radius"):
        GalaxyCluster(149.59209, -11.05972, 0.16)
    with pytest.raises(NotAssociatedError, match="0201903502"):
        cluster.get_images("0201903502")
    with pytest.raises(NotAssociatedError, match="erosita"):
        cluster.get_mask("r500", "erosita")
    with pytest.raises(NotImplementedError, match="get_spectra"):
        cluster.get_spectra("r500")
    with pytest.raises(NotImplementedError, match="edit_regions"):
        pn.edit_regions()
    with pytest.raises(NotImplementedError, match="point-spread"):
        emosaic(cluster, "image", psf_corr=True)
    with pytest.raises(ValueError, match="lo_en"):
        evselect_image(cluster, lo_en=HI, hi_en=LO)
    with pytest.raises(ValueError, match="outside the image"):
        pn.coord_conv(Quantity([150.5, -11.0], "deg"), "pix")
    with pytest.raises(UnitConversionError):
        pn.coord_conv(Quantity([1, 1], "pix"), "keV")
    with pytest.raises(ValueError, match="same obs_id"):
        RateMap(pn.image, ExpMap(pn.expmap.path, "1", "pn", "", "", "", LO, HI))


def test_configuration(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(XGAConfigError, match="root_xmm_dir"):
        configuration.library()
    template = tmp_path / "xga" / "xga.cfg"
    assert "clean_pn_evts" in template.read_text()
    template.write_text(
        f"[XGA_SETUP]\nnum_cores = 3\nxga_save_path = {tmp_path}\n[XMM_FILES]\nroot_xmm_dir = {tmp_path}\n"
    )
    assert configuration.number_of_cores() == 3
    assert isinstance(configuration.library(), Library)
    assert len(configuration.library()) == 0
