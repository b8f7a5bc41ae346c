"""Record which detections XGA 1.0.0 takes for a source, for alternates and for interlopers.

Run it in an environment of its own (``pip install xga==1.0.0``); it writes the numbers of detections, in the order of
the region files, that ``tests/test_sources_matching.py`` compares with::

    python tests/data/make_matching_xga.py FOLDER_OF_XMM_DATA OUTPUT.json
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.units import Quantity
from astropy.wcs import WCS

warnings.simplefilter("ignore")
from regions import Regions  # noqa: E402
from xga.sources import ExtendedSource, GalaxyCluster, PointSource  # noqa: E402
from xga.sources.base import _dist_from_source  # noqa: E402
from xga.utils import DEFAULT_COSMO  # noqa: E402

OBSERVATIONS = ("0201903501", "0404910601")
KINDS = {"cluster": GalaxyCluster, "extended": ExtendedSource, "point": PointSource}


def detections(folder: Path, obsid: str) -> tuple[list, WCS]:
    """Regions of an observation on the sky, and the coordinates of its pn image."""
    image = folder / f"a907_{obsid}" / f"{obsid}_pn_exp1-0.50-2.00keVimg.fits"
    wcs = WCS(fits.getheader(image))
    path = folder / f"a907_{obsid}" / f"{obsid}_sources.reg"
    return [region.to_sky(wcs) for region in Regions.read(path, format="ds9")], wcs


def declared(kind: str, ra: float, dec: float, core: bool, found: dict):
    """A source as XGA has it after its regions were read, without its census."""
    source = KINDS[kind].__new__(KINDS[kind])
    source._telescopes, source._obs = ["xmm"], {"xmm": {obsid: {} for obsid in found}}
    source._ra_dec, source._redshift, source._cosmo = np.array([ra, dec]), 0.16, DEFAULT_COSMO
    source._name, source._samp_member, source._supp_warn = "A907", True, []
    source._include_core_pnt = core
    radius = Quantity(1200, "kpc") / DEFAULT_COSMO.angular_diameter_distance(0.16)
    source._radii = {"r500": Quantity(np.degrees(radius.to_value("")), "deg")}
    source._initial_regions, source._initial_region_matches = {"xmm": {}}, {"xmm": {}}
    for obsid, (regions, wcs) in found.items():
        order = np.argsort([_dist_from_source(ra, dec, r) for r in regions])
        place = SkyCoord(ra, dec, unit="deg")
        within = [bool(np.all(regions[i].contains(place, wcs))) for i in order[:5]]
        ordered = np.empty(len(regions), object)
        ordered[:] = [regions[i] for i in order]
        source._initial_regions["xmm"][obsid] = ordered
        source._initial_region_matches["xmm"][obsid] = np.pad(within, (0, len(regions) - len(within)))
    return source


def main(folder: str, output: str) -> None:
    """Record the matches of sources at several positions."""
    found = {obsid: detections(Path(folder), obsid) for obsid in OBSERVATIONS}
    places = [(149.59209, -11.05972)]
    for obsid in OBSERVATIONS:
        places += [(float(r.center.ra.deg), float(r.center.dec.deg)) for r in found[obsid][0][:12]]
    out = []
    for ra, dec in places:
        for kind, core in (("cluster", True), ("cluster", False), ("extended", False), ("point", False)):
            source = declared(kind, ra, dec, core, found)
            match, alternates, others = source._source_type_match("pnt" if kind == "point" else "ext")
            row = {"ra": ra, "dec": dec, "kind": kind, "core": core}
            for obsid, (regions, _) in found.items():
                number = {id(r): i for i, r in enumerate(regions)}
                one = match["xmm"][obsid]
                row[obsid] = {
                    "match": None if one is None else number[id(one)],
                    "alternates": sorted(number[id(r)] for r in alternates["xmm"][obsid]),
                    "interlopers": sorted(number[id(r)] for r in others["xmm"][obsid]),
                }
            out.append(row)
    Path(output).write_text(json.dumps(out, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
