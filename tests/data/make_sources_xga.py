"""Record what XGA 1.0.0 makes of two images: edges, peaks, masks and signal to noise.

Run it in an environment of its own (``pip install xga==1.0.0``); it writes the numbers that
``tests/test_sources_photometry.py`` compares with::

    python tests/data/make_sources_xga.py FOLDER_OF_AN_XMM_OBSERVATION OUTPUT.json
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.units import Quantity

warnings.simplefilter("ignore")
from astropy.coordinates import SkyCoord  # noqa: E402
from regions import CircleSkyRegion, EllipsePixelRegion, PixCoord  # noqa: E402
from xga.imagetools.misc import pix_deg_scale  # noqa: E402
from xga.imagetools.profile import annular_mask  # noqa: E402
from xga.products import ExpMap, Image, RateMap  # noqa: E402


def digest(mask) -> dict:
    """Number of ones of a mask and a hash of all of it."""
    bits = np.packbits(np.asarray(mask) != 0)
    return {"pixels": int(np.count_nonzero(mask)), "sha256": hashlib.sha256(bits.tobytes()).hexdigest()}


def toy(folder: Path) -> tuple[str, str]:
    """A small field with a gap, an extended and a bright point source; no random numbers."""
    y, x = np.mgrid[0:80, 0:100]
    exposure = 5000.0 * ((x - 48) ** 2 + (y - 41) ** 2 < 37**2) * (np.abs(x - 60) > 1) * (np.abs(y - 20) > 0)
    model = 0.4 + 9.0 / (1 + ((x - 44) ** 2 + (y - 47) ** 2) / 30.0) ** 1.5 + 40.0 * ((x == 70) & (y == 30))
    ripple = ((x * 7919 + y * 104729) % 101) / 101.0
    counts = np.floor(model * exposure / 5000.0 + ripple).astype(np.int32)
    header = fits.Header()
    for key, value in {
        "CTYPE1": "RA---TAN",
        "CRPIX1": 50.5,
        "CRVAL1": 150.0,
        "CDELT1": -0.0012,
        "CUNIT1": "deg",
        "CTYPE2": "DEC--TAN",
        "CRPIX2": 40.5,
        "CRVAL2": -11.0,
        "CDELT2": 0.0012,
        "CUNIT2": "deg",
        "CTYPE1L": "X",
        "CRPIX1L": 1.0,
        "CRVAL1L": 3692.0,
        "CDELT1L": 87.0,
        "CTYPE2L": "Y",
        "CRPIX2L": 1.0,
        "CRVAL2L": 3692.0,
        "CDELT2L": 87.0,
        "WCSNAMEL": "PHYSICAL",
    }.items():
        header[key] = value
    names = []
    for name, data in (("img", counts * (exposure > 0)), ("exp", exposure.astype(np.float32))):
        path = folder / f"toy_{name}.fits"
        fits.PrimaryHDU(data, header).writeto(path, overwrite=True)
        names.append(str(path))
    return names[0], names[1]


def measure(image: str, exposure: str, ra: float, dec: float, radius: float, regions: str | None) -> dict:
    bounds = (Quantity(0.5, "keV"), Quantity(2.0, "keV"))
    im = Image(image, "0000000001", "mos1", "", "", "", *bounds)
    ex = ExpMap(exposure, "0000000001", "mos1", "", "", "", *bounds)
    rate = RateMap(im, ex)
    wcs = im.radec_wcs
    centre = SkyCoord(ra, dec, unit="deg")
    masks = {}
    for name, inner, outer in (("source", 0.0, 1.0), ("background", 1.05, 1.5)):
        region = CircleSkyRegion(centre, Quantity(outer * radius, "deg"))
        mask = region.to_pixel(wcs).to_mask().to_image(im.shape)
        if inner:
            hole = CircleSkyRegion(centre, Quantity(inner * radius, "deg")).to_pixel(wcs).to_mask().to_image(im.shape)
            mask = mask * (1 - hole)
        masks[name] = mask
    keep = np.ones(im.shape)
    if regions:
        for line in Path(regions).read_text().splitlines():
            if "ellipse(" not in line or "green" in line:
                continue
            x, y, a, b, angle = (float(v) for v in line.split("(")[1].split(")")[0].split(","))
            region = EllipsePixelRegion(PixCoord(x - 1, y - 1), 2 * a, 2 * b, Quantity(angle, "deg"))
            out = region.to_mask().to_image(im.shape)
            keep[out != 0] = 0
    source, background = masks["source"] * keep, masks["background"] * keep
    simple, simple_edge = rate.simple_peak(source, Quantity([1, 1], "pix").unit)
    clustered, clustered_edge, members, _ = rate.clustering_peak(source, Quantity([1, 1], "pix").unit)
    scale = pix_deg_scale(Quantity([ra, dec], "deg"), wcs)
    pixel = im.coord_conv(Quantity([ra, dec], "deg"), "pix")
    custom = annular_mask(pixel, np.array([0]), np.array([int(np.ceil((radius * 0.4) / scale.value))]), im.shape)
    return {
        "edge": digest(rate.edge_mask == 0),
        "sensor": digest(rate.sensor_mask),
        "source": digest(masks["source"]),
        "background": digest(masks["background"]),
        "interlopers": digest(keep),
        "custom": digest(np.squeeze(custom)),
        "pix_deg_scale": float(scale.value),
        "pixel": [int(v) for v in pixel.value],
        "simple_peak": [int(v) for v in simple.value],
        "simple_near_edge": bool(simple_edge),
        "clustering_peak": [int(v) for v in clustered.value],
        "clustering_near_edge": bool(clustered_edge),
        "group": len(members),
        "snr": {
            f"{corrected}-{negative}": float(rate.signal_to_noise(source, background, corrected, negative))
            for corrected in (True, False)
            for negative in (True, False)
        },
        "net_counts": float(rate.background_subtracted_counts(source, background).value),
    }


def main(folder: str, output: str) -> None:
    out: dict = {"xga": "1.0.0"}
    with tempfile.TemporaryDirectory() as temporary:
        out["toy"] = measure(*toy(Path(temporary)), 150.006, -10.992, 0.016, None)
    path = Path(folder)
    stem = path.name.removeprefix("a907_")
    for camera in ("mos1", "mos2", "pn"):
        names = [str(path / f"{stem}_{camera}_exp1-0.50-2.00keV{kind}.fits") for kind in ("img", "expmap")]
        out[camera] = measure(*names, 149.59209, -11.05972, 0.1208, str(path / f"{stem}_sources.reg"))
    Path(output).write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
