"""Spectra of sources, fits of samples, and samples spread over processes and a cluster of workers."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from wolter.data import SpectrumSet
from wolter.errors import DataError, RegionError
from wolter.fit import fit_many
from wolter.mission import get_mission
from wolter.models import Model, Settings
from wolter.simulate import simulate_observation
from wolter.sky import TanWCS, parse_regions
from wolter.sources import ClusterSample, Failure, GalaxyCluster, Library, Sample, detected_sources, source_region

PLACES = SkyCoord([150.0, 151.0, 152.0], [2.0, 2.2, 2.4], unit="deg")
INDICES = (1.7, 2.0, 2.3)
MODEL = "tbabs*powerlaw"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Three observations of three extended sources whose spectra differ."""
    folder = tmp_path_factory.mktemp("simulated")
    made = Library(folder / "library")
    for n, (place, index) in enumerate(zip(PLACES, INDICES, strict=True)):
        model = Model(MODEL, **{"tbabs.nH": 0.05, "powerlaw.PhoIndex": index, "powerlaw.norm": 4e-3})
        path = simulate_observation(
            model, mission="xmm_epic", position=place, exposure=4 * u.ks, output=folder, obsid=f"010000010{n}",
            shape="beta:30,0.7,120", seed=n,
        )  # fmt: skip
        for detector in ("PN", "M1", "M2"):
            pair = get_mission("xmm_epic").load("nominal_responses")(detector)
            pair.rmf.write(path / f"{detector}.rmf")
            pair.arf.write(path / f"{detector}.arf")
        made.add(path)
    return made


@pytest.fixture(scope="module")
def sample(library):
    return ClusterSample(
        PLACES, library, redshift=[0.1, 0.1, 0.1], r500=[4, 4, 4] * u.arcmin, names=["one", "two", "three"]
    )


def test_one_batched_fit_of_a_sample(sample):
    fits, failures = sample.fit(
        2 * u.arcmin, MODEL, energy=(0.5, 8.0) * u.keV, statistic="cstat", spectra={"detectors": ["PN"]}
    )
    assert failures == []
    assert fits.sources == ("one", "two", "three")
    assert fits.converged.all()
    pull = (fits["PhoIndex"] - np.array(INDICES)) / fits.error("PhoIndex")
    assert (np.abs(pull) < 3.5).all(), pull
    assert (fits.error("PhoIndex") < 0.15).all()


def test_a_source_nobody_saw_has_its_row(library):
    both = Sample(SkyCoord([150.0, 10.0], [2.0, 2.0], unit="deg"), library, names=["seen", "unseen"])
    fits, failures = both.fit(2 * u.arcmin, MODEL, energy=(0.5, 8.0) * u.keV, spectra={"detectors": ["PN"]})
    assert [f.name for f in failures] == ["unseen"]
    assert fits.failed.tolist() == [False, True]
    assert np.isnan(fits["PhoIndex"][1])
    assert "no observation of the library sees" in fits.messages[1]


def test_rings_together_hold_the_circle(sample):
    cluster = sample["one"]
    rings = cluster.annular_spectra([0, 1, 2] * u.arcmin, detectors=["PN"], background=False)
    whole = cluster.spectra(2 * u.arcmin, detectors=["PN"], background=False)
    assert sum(r[0].counts.sum() for r in rings) == pytest.approx(whole[0].counts.sum(), abs=3)
    assert len(whole) == 1
    three = cluster.spectra(2 * u.arcmin, background=(3, 4) * u.arcmin)
    assert three.groups == (1, 2, 3)
    assert all(s.background is not None and s.rmf is not None and s.arf is not None for s in three)


def test_spectra_are_written_by_observation(sample, tmp_path):
    sample["two"].spectra(2 * u.arcmin, detectors=["PN"], output=tmp_path)
    assert sorted(p.parent.name for p in tmp_path.rglob("*.pha")) == ["0100000101", "0100000101"]


def test_interlopers_are_cut_from_the_region(shared, tmp_path):
    library = Library(tmp_path)
    library.add(shared("xmm", "a907_0404910601"))
    place = SkyCoord(149.59209, -11.05972, unit="deg")
    cluster = GalaxyCluster(place, library, redshift=0.16, r500=1200 * u.kpc)
    region = source_region(cluster, "r500", obsid="0404910601")
    rates = cluster.rate_map("0404910601", "PN")
    mask = rates.mask(region)
    expected, _ = cluster.masks("r500", rates.grid, "0404910601")
    assert (mask != expected).sum() < 0.002 * expected.sum()
    with pytest.raises(DataError, match="annulus"):
        source_region(cluster, 300 * u.kpc, inner=400 * u.kpc)
    with pytest.raises(DataError, match="do not ascend"):
        cluster.annular_spectra([2, 1] * u.arcmin)


def test_detections_of_a_turned_image_on_the_sky():
    """An ellipse in the pixels of an image turned by 40 degrees is the same pixels as its region on the sky."""
    c, s = np.cos(np.radians(40.0)), np.sin(np.radians(40.0))
    wcs = TanWCS(
        crpix=(100.0, 100.0), crval=(150.0, 20.0), cd=((-1e-3 * c, 1e-3 * s), (1e-3 * s, 1e-3 * c)),
        projection="TAN", frame="fk5", ctype=("RA---TAN", "DEC--TAN"),
    )  # fmt: skip
    (found,) = detected_sources(parse_regions("image; ellipse(120, 90, 30, 10, 25)"), wcs)
    pixels = found.region.to_pixel(wcs).mask(200, 200)
    sky = found.sky_region.to_pixel(wcs).mask(200, 200)
    assert pixels.sum() == pytest.approx(np.pi * 300, rel=0.02)
    assert (pixels != sky).sum() <= 6
    (polygon,) = detected_sources(parse_regions('fk5; circle(150, 20, 30")'), wcs)
    assert polygon.sky_region is polygon.region
    with pytest.raises(RegionError, match="has no centre"):
        detected_sources(parse_regions("image; polygon(1,1,5,1,3,5)"), wcs)


# ---------------------------------------------------------------- temperatures of clusters

TEMPERATURES, REDSHIFTS = (2.0, 3.5, 5.0, 7.0), (0.08, 0.15, 0.2, 0.1)


@pytest.fixture(scope="module")
def clusters(shared, tmp_path_factory):
    """Four simulated clusters of a third of solar metals, and the settings that know AtomDB."""
    settings = Settings(atomdb=str(shared("model_data", "atomdb_3.0.9")))
    folder = tmp_path_factory.mktemp("clusters")
    library = Library(folder / "library")
    places = SkyCoord([150.0, 151.0, 152.0, 153.0], [2.0, 2.2, 2.4, 2.6], unit="deg")
    pair = get_mission("xmm_epic").load("nominal_responses")("PN")
    for n, (place, kt, z) in enumerate(zip(places, TEMPERATURES, REDSHIFTS, strict=True)):
        truth = {"tbabs.nH": 0.05, "apec.kT": kt, "apec.Abundanc": 0.3, "apec.Redshift": z, "apec.norm": 8e-3}
        model = Model("tbabs*apec", settings, **truth)
        path = simulate_observation(
            model, mission="xmm_epic", position=place, exposure=4 * u.ks, output=folder, obsid=f"010000020{n}",
            shape="beta:30,0.7,120", seed=n + 5,
        )  # fmt: skip
        pair.rmf.write(path / "PN.rmf")
        pair.arf.write(path / "PN.arf")
        library.add(path)
    sample = ClusterSample(places, library, redshift=REDSHIFTS, r500=[4] * 4 * u.arcmin)
    return sample, Model("tbabs*apec", settings, **{"tbabs.nH": 0.05, "apec.Abundanc": 0.3})


@pytest.mark.filterwarnings("error:.*piled up")
def test_temperatures_of_a_sample_in_one_call(clusters):
    """apec with AtomDB 3.0.9, redshifts taken from the sources, from the model's usual start of 1 keV."""
    sample, model = clusters
    fits, failures = sample.fit(2 * u.arcmin, model, energy=(0.5, 8.0) * u.keV, spectra={"detectors": ["PN"]})
    assert failures == []
    assert fits.names == ("TBabs.nH", "apec.kT", "apec.norm")
    pull = (fits["kT"] - np.array(TEMPERATURES)) / fits.error("kT")
    assert (np.abs(pull) < 3.0).all(), pull
    assert (fits.error("kT") < 0.1 * np.array(TEMPERATURES)).all()
    assert (fits.statistic < fits.dof + 4 * np.sqrt(2 * fits.dof)).all()
    # From 1 keV alone a hot cluster can end in the minimum of the iron L lines.
    once, _ = sample.fit(
        2 * u.arcmin, model, energy=(0.5, 8.0) * u.keV, spectra={"detectors": ["PN"]}, starts={"apec.kT": [1.0]}
    )
    assert (once.statistic >= fits.statistic - 1e-3).all()
    with pytest.raises(DataError, match="1 and 2 starts"):
        sample.fit(
            2 * u.arcmin, model, spectra={"detectors": ["PN"]}, starts={"apec.kT": [1.0, 2.0], "apec.norm": [1e-3]}
        )


def test_temperature_profile(clusters):
    """Rings of an isothermal cluster: one temperature in all of them."""
    sample, model = clusters
    cluster = sample[1]
    rings = cluster.annular_spectra([0, 0.5, 1, 2] * u.arcmin, detectors=["PN"])
    fits = fit_many(
        [SpectrumSet([s.group("min", 1) for s in ring]) for ring in rings], model, statistic="cstat",
        values={"apec.kT": 3.0, "apec.Redshift": cluster.redshift}, energy=(0.5, 8.0) * u.keV,
    )  # fmt: skip
    assert (np.abs(fits["kT"] - 3.5) < 3 * fits.error("kT")).all()


# ---------------------------------------------------------------- many workers


def test_a_cluster_of_workers_that_die(library, tmp_path):
    """Twelve products on a real cluster of processes of which three die at work: complete, in order, each made once."""
    distributed = pytest.importorskip("distributed")
    kept = Library(tmp_path / "library")
    kept.add(*(entry.path for entry in library.observations()))
    places = SkyCoord([p for p in PLACES for _ in BANDS])
    columns = {"band": [b * u.keV for _ in PLACES for b in BANDS]}
    here = Sample(places, kept, columns=columns)
    alone = Sample(places, Library(library.folder), columns=columns).run(_image_counts)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as workers,
        distributed.Client(workers) as client,
    ):
        together = here.run(_image_counts_after_a_death, str(tmp_path), executor=client.get_executor())
    assert len(list(tmp_path.glob("killed*"))) == 3
    assert not any(isinstance(r, Failure) for r in together)
    assert together == alone
    made = kept.products(kind="image")
    assert len(made) == len({p.key for p in made}) == 12
    begun = (tmp_path / "begun").read_text().split()
    assert len(set(begun)) == 12
    assert len(begun) <= 12 + 3  # those that were being made when a worker died are begun again, no others
    assert len(list((kept.folder / "products").rglob("*.fits"))) >= 12


BANDS = ((0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0))
DEATHS = ("source 2", "source 6", "source 11")


def _image_counts(source) -> int:
    from wolter.sources import photometry

    return int(photometry.image(source.library, source.observations[0], "PN", source.band).data.sum())


def _image_counts_after_a_death(source, folder) -> int:
    """Counts; the worker dies in the middle of making three of the images, the first time it does."""
    from wolter.sources import photometry

    make, mark = photometry._make_image, Path(folder) / f"killed {source.name}"

    def deadly(*args):
        with open(Path(folder) / "begun", "a") as log:
            log.write(source.name.replace(" ", "") + "\n")
        image = make(*args)
        if source.name in DEATHS and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return image

    photometry._make_image = deadly
    try:
        return _image_counts(source)
    finally:
        photometry._make_image = make
