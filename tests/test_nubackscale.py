"""The task ``nubackscale`` on the recorded spectra: what it refuses and what it says it wrote."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from astropy.io import fits

from wolter import tasks
from wolter.errors import DataError, OutputError


@pytest.fixture
def plain(shared, tmp_path):
    """A recorded spectrum before nubackscale: without NUBACKSC, BACKSCAL the plain area; and an even map of 20 s."""
    path = tmp_path / "a.pha"
    shutil.copy(shared("nustar/sol_80415201001/nu80415201001A06_chu2_S_cl_grade0_sr.pha"), path)
    with fits.open(path, mode="update") as f:
        for hdu in f:
            hdu.header.remove("NUBACKSC", ignore_missing=True)
        f["SPECTRUM"].header["BACKSCAL"] = float((f[0].data >= 0).sum()) / 1e6
    image = fits.PrimaryHDU(np.full((1000, 1000), 20.0, dtype="f4"))
    image.header.update({"TELESCOP": "NuSTAR", "INSTRUME": "FPMA", "BUNIT": "s"})
    image.writeto(tmp_path / "map.fits")
    return path


def run(path, **given):
    folder = path.parent
    return tasks.run(
        "nubackscale",
        **{"srcphafile": path, "srcoutfile": folder / "o.pha", "expomapfile": folder / "map.fits", **given},
    )


def test_area_times_mean_exposure(plain):
    done = run(plain)
    assert done.products == {"source": plain.parent / "o.pha"}
    with fits.open(plain) as f, fits.open(plain.parent / "o.pha") as g:
        head = f["SPECTRUM"].header
        assert g["SPECTRUM"].header["BACKSCAL"] == pytest.approx(head["BACKSCAL"] * 20.0 / head["EXPOSURE"], rel=1e-6)
    with pytest.raises(OutputError, match=r"exists already\. Set clobber=yes"):
        run(plain)
    # a spectrum that is weighted already: nothing is written, and no file is named that is not there
    again = run(plain.parent / "o.pha", srcoutfile=plain.parent / "p.pha")
    assert "weighted already" in again.messages[0]
    assert again.products == {}
    assert not (plain.parent / "p.pha").exists()


@pytest.mark.parametrize(
    ("where", "key", "value", "match"),
    [
        ("map", "INSTRUME", "FPMB", r"a\.pha\[SPECTRUM\]: the spectrum is of FPMA, the exposure map .* of FPMB"),
        ("map", "TELESCOP", "SWIFT", r"the spectrum is of NuSTAR, the exposure map .* of SWIFT"),
        ("SPECTRUM", "TELESCOP", "SWIFT", r"the spectrum is of SWIFT\. nubackscale is for NuSTAR"),
        (0, "CTYPE1P", "DET1X", r"a\.pha\[PRIMARY\]: the WMAP lies in the plane of DET1X"),
    ],
)
def test_what_does_not_belong_together(plain, where, key, value, match):
    name, hdu = ("map.fits", 0) if where == "map" else ("a.pha", where)
    with fits.open(plain.parent / name, mode="update") as f:
        f[hdu].header[key] = value
    with pytest.raises(DataError, match=match):
        run(plain)
    assert not (plain.parent / "o.pha").exists()
