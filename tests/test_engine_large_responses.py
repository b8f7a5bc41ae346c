"""A response of the size of a microcalorimeter's, 60,000 x 60,000, from its file to a fit, within 2 GB of memory."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits as afits

N = 60_000
WIDTH = 60  # elements of each row: a Gaussian core of some 5 eV in channels of 0.2 eV
LOW, HIGH = 0.4, 12.4  # keV

SCRIPT = """
import json, resource, sys
import astropy.units as u
import numpy as np
from wolter.data import RMF, Spectrum, SpectrumSet, ARF
from wolter.fit import Fit

folder = sys.argv[1]
data = SpectrumSet([Spectrum.read(f"{folder}/x.pha")]).select(1 * u.keV, 10 * u.keV)
rmf = data[0].rmf
edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
flux = np.diff(edges**-1.0) / -1.0
np.save(f"{folder}/folded.npy", rmf.fold(flux))
fit = Fit(data, "powerlaw", statistic="cstat")
fit.set("powerlaw.PhoIndex", 1.5)
result = fit.run()
(error,) = fit.error("powerlaw.PhoIndex")
grid = fit.grid({"powerlaw.PhoIndex": (1.9, 2.1, 5)})
print(json.dumps({
    "converged": bool(result.converged), "dof": fit.dof,
    "value": fit["powerlaw.PhoIndex"].value, "sigma": fit.parameters[0].sigma,
    "bounds": [error.lower, error.upper], "grid": grid.statistic.tolist(), "statistic": fit.statistic,
    "dense": bool(fit.dataset.spectra[0].plan.dense),
    "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
}))
"""


def write_files(folder):
    """RMF with variable-length rows and a spectrum, by astropy; returns first channel and values of the rows."""
    edges = np.linspace(LOW, HIGH, N + 1)
    first = np.clip(np.arange(N) - WIDTH // 2, 0, N - WIDTH)
    offset = np.arange(WIDTH) - (np.arange(N) - first)[:, None]
    values = np.exp(-0.5 * (offset / 10.0) ** 2)
    values = (values / values.sum(axis=1, keepdims=True)).astype("f4")
    column = afits.Column
    matrix = afits.BinTableHDU.from_columns(
        [
            column("ENERG_LO", "D", "keV", array=edges[:-1]),
            column("ENERG_HI", "D", "keV", array=edges[1:]),
            column("N_GRP", "I", array=np.ones(N)),
            column("F_CHAN", "J", array=first),
            column("N_CHAN", "J", array=np.full(N, WIDTH)),
            column("MATRIX", f"{WIDTH}E", array=values),
        ],
        name="MATRIX",
    )
    channel = np.arange(N)
    bounds = afits.BinTableHDU.from_columns(
        [
            column("CHANNEL", "J", array=channel),
            column("E_MIN", "D", "keV", array=edges[:-1]),
            column("E_MAX", "D", "keV", array=edges[1:]),
        ],
        name="EBOUNDS",
    )
    words = {"TELESCOP": "NOVASCOPE", "INSTRUME": "CALORIMETER", "FILTER": "NONE", "HDUCLASS": "OGIP", "DETCHANS": N}
    for hdu, kind in ((matrix, "RSP_MATRIX"), (bounds, "EBOUNDS")):
        hdu.header.update(words | {"HDUCLAS1": "RESPONSE", "HDUCLAS2": kind, "CHANTYPE": "PI"})
    matrix.header["TLMIN4"] = 0
    afits.HDUList([afits.PrimaryHDU(), matrix, bounds]).writeto(folder / "x.rmf")

    rate = 500.0 * -np.diff(edges**-1.0)  # photon index 2
    mean = np.zeros(N)
    for k in range(WIDTH):
        np.add.at(mean, first + k, rate * values[:, k])
    counts = np.random.default_rng(8).poisson(mean * 100.0)
    table = afits.BinTableHDU.from_columns(
        [column("CHANNEL", "J", array=channel), column("COUNTS", "J", array=counts)], name="SPECTRUM"
    )
    table.header.update(
        words
        | {"HDUCLAS1": "SPECTRUM", "EXPOSURE": 100.0, "POISSERR": True, "BACKSCAL": 1.0, "AREASCAL": 1.0}
        | {"RESPFILE": "x.rmf", "ANCRFILE": "none", "BACKFILE": "none", "CHANTYPE": "PI"}
    )
    afits.HDUList([afits.PrimaryHDU(), table]).writeto(folder / "x.pha")
    return edges, first, values


def test_from_the_file_to_a_fit(tmp_path):
    pytest.importorskip("resource")
    edges, first, values = write_files(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    flux = -np.diff(edges**-1.0)
    expected = np.zeros(N)
    for k in range(WIDTH):
        np.add.at(expected, first + k, flux * values[:, k])
    np.testing.assert_allclose(np.load(tmp_path / "folded.npy"), expected, rtol=1e-6)
    assert not out["dense"]
    assert out["memory"] < 2e9
    assert out["converged"]
    assert abs(out["value"] - 2.0) < 4 * out["sigma"]
    low, high = out["bounds"]
    assert (high - low) / 2 == pytest.approx(1.645 * out["sigma"], rel=0.05)
    assert min(out["grid"]) >= out["statistic"] - 0.01
    assert 44_000 < out["dof"] < 46_000
