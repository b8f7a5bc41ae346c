"""The image cells of the Swift tutorial itself, under ``wolter run``, on two observations of 1WHSP J012657.2+330730."""

from __future__ import annotations

import gzip
import json

import numpy as np

from test_run_seeds_xspec import drawn, others, run, tutorial
from wolter.compat.run import read_document

OBSERVATIONS = ("00085374001", "00085374005")
# What the cells before have made: products of xrtpipeline, and names that tell where they are.
PREAMBLE = """
import os
import matplotlib.pyplot as plt
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.units import Quantity
from astropy.visualization import PowerStretch
from xga.imagetools.misc import pix_deg_scale
from xga.products import Image

OUT_PATH = {folder!r}
rel_obsids = np.array({observations!r})
src_coord = SkyCoord(21.7375, 33.1182, unit="deg")
src_coord_quant = Quantity([src_coord.ra, src_coord.dec]).to("deg")
obs_day_from_disc_dict = dict(zip(rel_obsids, Quantity([1.23456, 5.43211], "day")))
src_reg_path = os.path.join(OUT_PATH, "src.reg")
"""
CHECK = """
import json
axes = [a for a in ax_arr.flat if a.get_visible()]
last = cur_im.regions[cur_im.obs_id]
json.dump({
    "titles": [a.get_title() for a in axes], "xlims": [list(a.get_xlim()) for a in axes],
    "counts": [float(i.data.sum()) for i in ims.values()], "shapes": [list(i.shape) for i in ims.values()],
    "scale": pd_scale.to_value("arcsec / pix"), "radius": [r.radius for r in last], "centre": [float(last[0].center.x),
    float(last[0].center.y)], "pixel": [int(v) for v in cur_im.coord_conv(src_coord_quant, "pix").value],
}, open("check.json", "w"))
"""
CELLS = ("im_temp = os.path.join", "ims = {", "num_ims = len(ims)", "cur_im = ims[rel_obsids[-1]]")


def test_image_cells(shared, tmp_path):
    for obsid in OBSERVATIONS:
        (tmp_path / obsid).mkdir()
        packed = shared("swift", f"1whsp_0126+33_{obsid}", f"sw{obsid}xpc_sk.img.gz")
        (tmp_path / obsid / f"sw{obsid}xpcw3po_sk.img").write_bytes(gzip.decompress(packed.read_bytes()))
    (tmp_path / "src.reg").write_text('fk5\ncircle(21.7375, 33.1182, 47.1")\n')
    path, cells = tutorial(shared, tmp_path, "001", CHECK)
    sources = [cell.source for cell in read_document(path).cells]
    chosen = [n for n, source in enumerate(sources, 1) if any(source.startswith(mark) for mark in CELLS)]
    assert len(chosen) == 4
    assert chosen == list(range(chosen[0], chosen[0] + 4))  # section 4 of the tutorial, whole
    preamble = PREAMBLE.format(folder=str(tmp_path), observations=list(OBSERVATIONS))
    report, figures = run(path, others(chosen, cells), preamble, tmp_path)
    ran = {c["cell"]: c["status"] for c in report["cells"] if c["cell"] in chosen}
    # The second cell unpacks strings in a loop, as written: it runs with the listed repair.
    assert sorted(ran.values()) == ["ok", "ok", "ok", "repaired"]
    assert ran[chosen[1]] == "repaired"
    check = json.loads((tmp_path / "check.json").read_text())
    assert check["titles"] == ["Day 1.2346", "Day 5.4321"]
    assert check["shapes"] == [[1000, 1000], [1000, 1000]]
    assert min(check["counts"]) > 100
    assert abs(check["scale"] - 2.357) < 0.005  # arcsec, the pixel of the XRT
    # Three arcminutes around the source, to whole pixels.
    for low, high in check["xlims"]:
        assert abs((high - low) * 2.357 / 60 - 3.0) < 0.1
    assert abs(check["radius"][0] - 47.1 / 2.357) < 0.1
    assert np.abs(np.array(check["centre"]) - check["pixel"]).max() <= 0.51
    assert len(figures) == 2
    assert all(drawn(picture) > 0.1 for picture in figures.values())
