"""Loops over detectors, bands and observations run in other processes, with the same results."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from astropy import units as u

from wolter import annulus, circle
from wolter.data import Spectrum, SpectrumSet
from wolter.makers import merge_events
from wolter.mission import missions
from wolter.observation import Observation
from wolter.simulate import simulate_observation

SIMULATED = sorted(name for name, m in missions().items() if m.simulator)


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    made = {}

    def of(mission):
        if mission not in made:
            folder = tmp_path_factory.mktemp(mission)
            path = simulate_observation(
                "powerlaw", mission=mission, position="12:30:00 +12:24:00", exposure=20 * u.s, output=folder
            )
            made[mission] = Observation(path)
        return made[mission]

    return of


@pytest.mark.parametrize("mission", SIMULATED)
def test_exposure_maps(simulated, processes, mission):
    observation = simulated(mission)
    name = next(iter(observation.events))
    energies = [1.5 * u.keV, 6 * u.keV] if missions()[mission].vignetting else [None]
    like = observation.image(detectors=[name], executor=processes)[name].rebin(8)
    here = observation.exposure_maps(name, energies, like=like)
    there = observation.exposure_maps(name, energies, like=like, executor=processes)
    assert here[0].data.max() > 0
    for a, b in zip(here, there, strict=True):
        assert np.array_equal(a.data, b.data)


def test_polarisation(simulated, processes):
    observation = simulated("ixpe")
    regions = circle("12:30:00 +12:24:00", 60 * u.arcsec), annulus("12:30:00 +12:24:00", 2 * u.arcmin, 4 * u.arcmin)
    options = {"energy": [2, 4, 8] * u.keV, "responses": observation.path.parent / "responses"}
    here = observation.polarisation_cube(*regions, **options)
    there = observation.polarisation_cube(*regions, **options, executor=processes)
    assert here.counts.sum() > 100
    assert np.array_equal(here.qn, there.qn)
    assert np.array_equal(here.pd_error, there.pd_error)


def test_grouping(processes):
    rng = np.random.default_rng(1)
    values = rng.poisson(3.0, (5, 64))
    spectra = SpectrumSet([Spectrum(channel=np.arange(64), values=v, exposure=10.0) for v in values])
    here, there = spectra.group("min", 25), spectra.group("min", 25, executor=processes)
    for a, b in zip(here, there, strict=True):
        assert a.grouping is not None
        assert np.array_equal(a.grouping, b.grouping)
    assert len({tuple(s.grouping) for s in there}) == 5


def test_merged_events(simulated, processes, tmp_path):
    lists = list(simulated("ixpe").events.values())
    merged = merge_events(lists, tmp_path / "all.evt", executor=processes)
    assert merged.count() == sum(e.count() for e in lists)


def test_simulation(simulated, processes, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as threads:
        again = simulate_observation(
            "powerlaw",
            mission="nustar",
            position="12:30:00 +12:24:00",
            exposure=20 * u.s,
            output=tmp_path,
            executor=threads,
        )
    for name, events in Observation(again).events.items():
        other = simulated("nustar").events[name].read_columns(["TIME", "PI", "X"])
        for column, values in events.read_columns(["TIME", "PI", "X"]).items():
            assert np.array_equal(values, other[column])
