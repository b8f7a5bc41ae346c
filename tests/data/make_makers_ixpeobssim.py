"""How makers_ixpeobssim.json was made, with ixpeobssim 33.2.1 (pip install ixpeobssim) in an environment of its own.

python make_makers_ixpeobssim.py FOLDER, where FOLDER holds toy_point_source_du{1,2,3}.fits. ixpeobssim's own
responses are used (``obssim20211209``, version 13), which the shared test data contain too.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits

UNITS = (1, 2, 3)
NUMBERS = ("E_MEAN", "COUNTS", "MU", "W2", "N_EFF", "FRAC_W", "MDP_99", "I", "Q", "U", "QN", "UN", "PD", "PA")


def weight(rows):
    """Weights that depend on the row number alone, so that the tests can make the same ones."""
    return 0.05 + 0.95 * ((np.arange(rows) * 0.6180339887498949) % 1.0)


def rounded(values):
    """Nine digits of each value."""
    return [float(f"{v:.9g}") for v in np.asarray(values, dtype=float)]


def table(path):
    """Columns of a binned file."""
    data = fits.open(path)[1].data
    return {name: rounded(data[name]) for name in data.names}


def main(folder):
    """Bin, add, subtract; write the JSON beside this script."""
    for du in UNITS:
        events = fits.open(folder / f"toy_point_source_du{du}.fits")
        # In double precision: with a column of floats numpy.histogram, which ixpeobssim sums with, loses digits.
        column = fits.Column("W_MOM", "D", array=weight(len(events[1].data)))
        columns = [column if c.name == "W_MOM" else c for c in events[1].columns]
        events[1] = fits.BinTableHDU.from_columns(columns, header=events[1].header)
        events.writeto(f"toyw_du{du}.fits", overwrite=True)
    files = [f"toyw_du{du}.fits" for du in UNITS]
    band = ["--emin", "2", "--emax", "8", "--ebins", "3"]
    plain = ["--irfname", "ixpe:obssim20211209:v013", "--weights", "False", "--acceptcorr", "True"]
    weighted = ["--irfname", "ixpe:obssim20211209_alpha075:v013", "--weights", "True"]
    run = ["xpbin", *files, "--algorithm", "PCUBE", *band]
    subprocess.run([*run, *plain, "--suffix", "acube"], check=True)
    subprocess.run([*run, *weighted, "--acceptcorr", "False", "--suffix", "wcube"], check=True)
    out = {kind: {f"du{du}": table(f"toyw_du{du}_{kind}.fits") for du in UNITS} for kind in ("acube", "wcube")}

    from ixpeobssim.binning.polarization import xBinnedPolarizationCube

    total = xBinnedPolarizationCube.from_file_list([f"toyw_du{du}_acube.fits" for du in UNITS])
    out["sum"] = {name: rounded(getattr(total, name)) for name in NUMBERS}
    one, other = (xBinnedPolarizationCube(f"toyw_du{du}_acube.fits") for du in (1, 2))
    counts = one.COUNTS.tolist()
    other *= 0.3
    one -= other
    out["difference"] = {name: rounded(getattr(one, name)) for name in NUMBERS} | {"COUNTS": counts}
    out["pha"] = {}
    for algorithm in ("PHA1", "PHA1Q", "PHA1U"):
        subprocess.run(
            ["xpbin", files[0], "--algorithm", algorithm, *weighted, "--suffix", f"w{algorithm}"], check=True
        )
        data = fits.open(f"toyw_du1_w{algorithm}.fits")[1].data
        out["pha"][algorithm] = {name: rounded(data[name]) for name in ("RATE", "STAT_ERR")}
    Path(__file__).with_name("makers_ixpeobssim.json").write_text(json.dumps(out))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
