"""Edges, masks, peaks and signal to noise, compared with XGA 1.0.0 on the same arrays.

tests/data/make_sources_xga.py recorded its numbers.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from wolter.data import Image, ImageGrid
from wolter.errors import DataError
from wolter.sky import TanWCS, read_regions
from wolter.sources import (
    circular_mask,
    detected_sources,
    edge_pixels,
    hierarchical_peak,
    interloper_mask,
    near_edge,
    net_counts,
    sensor_mask,
    signal_to_noise,
    simple_peak,
    source_and_background,
)
from wolter.sources.masks import pixel_annulus

XGA = json.loads((Path(__file__).parent / "data" / "sources_xga.json").read_text())


def digest(mask) -> dict:
    return {"pixels": int(np.count_nonzero(mask)), "sha256": hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()}


def toy() -> tuple[np.ndarray, np.ndarray, ImageGrid]:
    y, x = np.mgrid[0:80, 0:100]
    exposure = 5000.0 * ((x - 48) ** 2 + (y - 41) ** 2 < 37**2) * (np.abs(x - 60) > 1) * (np.abs(y - 20) > 0)
    model = 0.4 + 9.0 / (1 + ((x - 44) ** 2 + (y - 47) ** 2) / 30.0) ** 1.5 + 40.0 * ((x == 70) & (y == 30))
    ripple = ((x * 7919 + y * 104729) % 101) / 101.0
    counts = np.floor(model * exposure / 5000.0 + ripple).astype(int) * (exposure > 0)
    wcs = TanWCS(
        crpix=(50.5, 40.5),
        crval=(150.0, -11.0),
        cd=((-0.0012, 0.0), (0.0, 0.0012)),
        projection="TAN",
        frame="icrs",
        ctype=("RA---TAN", "DEC--TAN"),
    )
    return counts, exposure, ImageGrid((1, 1), (80, 100), 1, wcs)


def field(shared, camera: str):
    folder = shared("xmm", "a907_0404910601")
    stem = folder / f"0404910601_{camera}_exp1-0.50-2.00keV"
    image, exposure = Image.read(f"{stem}img.fits"), Image.read(f"{stem}expmap.fits")
    grid = ImageGrid.of(image)
    regions = read_regions(folder / "0404910601_sources.reg")
    others = [d for d in detected_sources(regions, grid.sky) if d.color != "green"]
    return np.asarray(image.data, float), np.asarray(exposure.data, float), grid, others


def compare(expected: dict, counts, exposure, grid, others, ra: float, dec: float, radius: float) -> None:
    assert digest(edge_pixels(exposure)) == expected["edge"]
    assert digest(sensor_mask(exposure)) == expected["sensor"]
    source, background = source_and_background(grid, ra, dec, radius)
    assert digest(source) == expected["source"]
    assert digest(background) == expected["background"]
    keep = interloper_mask(grid, others)
    assert digest(keep) == expected["interlopers"]
    outer = int(np.ceil(0.4 * radius / expected["pix_deg_scale"]))
    assert digest(pixel_annulus(grid.shape, *expected["pixel"], outer)) == expected["custom"]
    rate = np.divide(counts, exposure, out=np.zeros(counts.shape), where=exposure != 0)
    inner = ~edge_pixels(exposure)
    simple = simple_peak(rate, source & keep, inner)
    assert [simple.x, simple.y] == expected["simple_peak"]
    group = hierarchical_peak(rate, source & keep, inner)
    assert [group.x, group.y] == expected["clustering_peak"]
    assert len(group.members) == expected["group"]
    assert near_edge(edge_pixels(exposure), group.x, group.y) == expected["clustering_near_edge"]
    assert near_edge(edge_pixels(exposure), simple.x, simple.y) == expected["simple_near_edge"]
    for name, value in expected["snr"].items():
        corrected, negative = (part == "True" for part in name.split("-"))
        mine = signal_to_noise(
            counts, exposure, source & keep, background & keep, exposure_corrected=corrected, allow_negative=negative
        )
        assert mine == pytest.approx(value, rel=1e-6)
    assert net_counts(counts, exposure, source & keep, background & keep) == pytest.approx(
        expected["net_counts"], rel=1e-9
    )


def test_as_xga_on_a_toy_field():
    compare(XGA["toy"], *toy(), [], 150.006, -10.992, 0.016)


@pytest.mark.parametrize("camera", ["mos1", "mos2", "pn"])
def test_as_xga_on_a_cluster(shared, camera):
    counts, exposure, grid, others = field(shared, camera)
    # The images are in FK5; XGA's circles go through astropy, which moves an ICRS position by 18 mas to get there.
    place = SkyCoord(149.59209, -11.05972, unit="deg").fk5
    compare(XGA[camera], counts, exposure, grid, others, place.ra.deg, place.dec.deg, 0.1208)


# ---------------------------------------------------------------- what is particular to ours


def test_edges_outside_lie_next_to_those_inside():
    exposure = np.zeros((7, 9))
    exposure[2:5, 3:7] = 100.0
    inside, outside = edge_pixels(exposure), edge_pixels(exposure, outside=True)
    assert inside.sum() == 2 * 4 + 2 * 1
    assert outside.sum() == 2 * 4 + 2 * 3
    assert not (inside & outside).any()
    assert (sensor_mask(exposure) & outside).sum() == 0


def test_a_stack_gives_what_its_images_give():
    counts, exposure, grid = toy()
    source, background = source_and_background(grid, 150.006, -10.992, 0.016)
    stack = np.stack([counts, 2 * counts, np.roll(counts, 1, axis=0)])
    exposures = np.stack([exposure, exposure, np.roll(exposure, 1, axis=0)])
    together = signal_to_noise(stack, exposures, source, background)
    apart = [signal_to_noise(c, e, source, background) for c, e in zip(stack, exposures, strict=True)]
    np.testing.assert_allclose(together, apart, rtol=1e-13)
    assert (edge_pixels(exposures)[2] == edge_pixels(exposures[2])).all()


def test_point_source_away_from_the_cluster_does_not_win():
    counts, _, _ = toy()
    assert (simple_peak(counts).x, simple_peak(counts).y) == (70, 30)
    group = hierarchical_peak(counts)
    assert abs(group.x - 44) <= 2
    assert abs(group.y - 47) <= 2
    assert group.groups > 1


def test_masks_hold_their_solid_angle():
    _, _, grid = toy()
    radius = 0.02
    ring = circular_mask(grid, 150.0, -11.0, radius, 0.5 * radius)
    area = np.pi * radius**2 * 0.75 / 0.0012**2
    assert ring.sum() == pytest.approx(area, rel=0.02)
    whole = circular_mask(grid, 150.0, -11.0, radius)
    assert (whole == (ring | circular_mask(grid, 150.0, -11.0, 0.5 * radius))).all()


def test_detections_of_one_observation_cut_from_another(shared):
    _, _, grid, others = field(shared, "pn")
    moved = ImageGrid.around(SkyCoord(149.6, -11.05, unit="deg"), 0.3 * u.deg, 2.0 * u.arcsec)
    here, there = interloper_mask(grid, others), interloper_mask(moved, others)
    inside = [d for d in others if abs(d.ra - 149.6) < 0.12 and abs(d.dec + 11.05) < 0.12]
    assert len(inside) > 5
    small, large = interloper_mask(grid, inside), interloper_mask(moved, inside)
    assert (~small).sum() * grid.pixel_scale_deg**2 == pytest.approx(
        (~large).sum() * moved.pixel_scale_deg**2, rel=0.05
    )
    assert (~here).sum() >= (~small).sum()
    assert there.shape == moved.shape


@pytest.mark.parametrize("what", [simple_peak, hierarchical_peak])
def test_nothing_to_find(what):
    with pytest.raises(DataError, match="nothing but zeros"):
        what(np.zeros((5, 5)))
    with pytest.raises(DataError, match="shape"):
        what(np.ones((5, 5)), np.ones((4, 5)))


def test_too_few_pixels_to_group():
    data = np.zeros((5, 5))
    data[2, 2] = 1
    with pytest.raises(DataError, match="group needs two"):
        hierarchical_peak(data)


def test_region_off_the_exposed_field():
    counts, exposure, grid = toy()
    source, background = source_and_background(grid, 152.0, -11.0, 0.01)
    with pytest.raises(DataError, match="no exposed pixel"):
        signal_to_noise(counts, exposure, source, background)
    with pytest.raises(DataError, match="empty"):
        circular_mask(grid, 150.0, -11.0, 0.01, 0.02)
