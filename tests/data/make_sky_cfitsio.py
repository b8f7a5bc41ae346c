"""Makes sky_cfitsio.json: which points cfitsio's region filter selects. Needs fitsio, which bundles cfitsio.

Run in an environment of its own: ``pip install fitsio && python make_sky_cfitsio.py cases.json``, where the argument
maps names to {"file": "straight" | "turned", "text": region file}. Wolter is not involved.
"""

import json
import os
import sys
import tempfile
import zlib

import fitsio
import numpy as np

# Straight and turned by 33 deg, far from and near the pole; the points are pixel corners and centres and a spread.
SYSTEMS = {"straight": (0.0, -11.0), "turned": (33.0, 61.0)}


def points():
    g = np.arange(0.0, 201.0)
    k = np.arange(1, 10001)
    x = np.r_[np.tile(g, 201), np.round((k * 0.6180339887) % 1.0 * 200.0, 3)]
    y = np.r_[np.repeat(g, 201), np.round((k * 0.7548776662) % 1.0 * 200.0, 3)]
    return x, y


def events(path, rot, dec):
    x, y = points()
    keys = {"TCTYP1": "RA---TAN", "TCTYP2": "DEC--TAN", "TCRPX1": 100.5, "TCRPX2": 100.5, "TCRVL1": 150.25}
    keys |= {"TCRVL2": dec, "TCDLT1": -0.002, "TCDLT2": 0.002, "TCROT2": rot}
    keys |= {"TLMIN1": 0.0, "TLMAX1": 200.0, "TLMIN2": 0.0, "TLMAX2": 200.0}
    with fitsio.FITS(path, "rw") as f:
        f.write({"X": x, "Y": y, "ID": np.arange(x.size, dtype="i4")}, extname="EVENTS")
        for key, value in keys.items():
            f[1].write_key(key, value)


def main():
    with open(sys.argv[1]) as f:
        cases = json.load(f)
    out = {"tool": f"cfitsio {fitsio.cfitsio_version()} (package fitsio {fitsio.__version__})", "cases": {}}
    n = points()[0].size
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, (rot, dec) in SYSTEMS.items():
            events(f"{name}.fits", rot, dec)
        for name, case in cases.items():
            with open("r.reg", "w") as f:
                f.write(case["text"])
            with fitsio.FITS(f'{case["file"]}.fits[EVENTS][regfilter("r.reg",X,Y)]') as f:
                rows = f[1]["ID"][:] if f[1].get_nrows() else []
            inside = np.zeros(n, bool)
            inside[rows] = True
            crc = zlib.crc32(np.packbits(inside).tobytes())
            out["cases"][name] = case | {"inside": int(inside.sum()), "crc32": crc}
        os.chdir(here)
    with open("sky_cfitsio.json", "w") as f:
        f.write('{\n"tool": ' + json.dumps(out["tool"]) + ',\n"cases": {\n')
        f.write(",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in out["cases"].items()) + "\n}}\n")


if __name__ == "__main__":
    main()
