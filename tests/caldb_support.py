"""Calibration databases for tests: indices written with astropy, IXPE's files under their official names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

WIDTHS = {
    "TELESCOP": 10, "INSTRUME": 10, "DETNAM": 20, "FILTER": 10, "CAL_DEV": 20, "CAL_DIR": 70, "CAL_FILE": 40,
    "CAL_CLAS": 3, "CAL_DTYP": 4, "CAL_CNAM": 20, "CAL_VSD": 10, "CAL_VST": 8, "CAL_DATE": 10, "CAL_DESC": 70,
}  # fmt: skip
PLAIN = {
    "TELESCOP": "ACME", "INSTRUME": "CAM", "DETNAM": "NONE", "FILTER": "NONE", "CAL_DEV": "ONLINE",
    "CAL_DIR": "data/acme/cam/bcf", "CAL_FILE": "x.fits", "CAL_CLAS": "BCF", "CAL_DTYP": "DATA", "CAL_CNAM": "GAIN",
    "CAL_VSD": "2000-01-01", "CAL_VST": "00:00:00", "CAL_DATE": "2001-01-01", "CAL_DESC": "made up", "CAL_CBD": (),
    "CAL_XNO": 1, "REF_TIME": 51544.0, "CAL_QUAL": 0,
}  # fmt: skip


def row(**changes):
    """One row of an index: an ordinary one with changes."""
    return PLAIN | changes


def files_rows(*rows):
    """Rows whose files are named f0.fits, f1.fits ... in order."""
    return [row(**{"CAL_FILE": f"f{i}.fits"} | one) for i, one in enumerate(rows)]


def index_hdu(rows, *, without=(), tform="630A70", quality="I"):
    """Table of an index, as crcif writes it: boundaries as nine strings in one column."""
    columns = []
    for name, value in PLAIN.items():
        values = [r[name] for r in rows]
        if name in without:
            continue
        if name == "CAL_CBD":
            cells = [b"".join(t.encode().ljust(70) for t in (*v, *["NONE"] * 9)[:9]) for v in values]
            columns.append(fits.Column(name, "630A", array=np.array(cells)))
        elif isinstance(value, str):
            columns.append(fits.Column(name, f"{WIDTHS[name]}A", array=np.array(values)))
        else:
            columns.append(fits.Column(name, "D" if name == "REF_TIME" else "I", array=np.array(values)))
    return fits.BinTableHDU.from_columns(columns, name="CIF"), tform


def write_index(path, rows, **how):
    """Write an index; returns its path."""
    table, tform = index_hdu(rows, **how)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"'630A    '", f"'{tform}  '".encode(), 1))  # the form that CALDB's own files have
    return path


def calibration_file(path, value=1.0):
    """A small calibration file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    table = fits.BinTableHDU.from_columns([fits.Column("GAIN", "D", array=np.full(10, value))], name="GAIN")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path, overwrite=True)
    return path


def make_database(root, rows, **how):
    """A database of ACME's camera: index, configuration, files."""
    root = Path(root)
    write_index(root / "data/acme/cam/caldb.indx", rows, **how)
    for number, one in enumerate(rows):
        calibration_file(root / one["CAL_DIR"] / one["CAL_FILE"], number)
    config = root / "software/tools/caldb.config"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(
        "# missions\nACME CAM CALDB data/acme/cam caldb.indx CALDB data/acme/cam\n"
        "ACME CAMERA CALDB data/acme/cam caldb.indx CALDB data/acme/cam\n"
    )
    return root


def official_names(number):
    """File of ixpeobssim's pseudo-CALDB -> name and folder in the public one, for one detector unit."""
    old, new = f"ixpe_d{number}_obssim", f"ixpe_d{number}"
    sim = f"{old}20211209"
    return {
        f"{old}_alpha075_v012.rmf": f"cpf/rmf/{new}_20170101_alpha075_02.rmf",
        f"{sim}_v013.rmf": f"cpf/rmf/{new}_20170101_01.rmf",
        f"{sim}_alpha075_v013.arf": f"cpf/arf/{new}_20170101_alpha075_03.arf",
        f"{sim}_v013.arf": f"cpf/arf/{new}_20170101_03.arf",
        f"{sim}_alpha075_v013.mrf": f"cpf/mrf/{new}_20170101_alpha075_03.mrf",
        f"{sim}_v013.mrf": f"cpf/mrf/{new}_20170101_03.mrf",
    }


def ixpe_files(root, pseudo):
    """IXPE's responses under their names in the public database; returns its folder."""
    home = Path(root) / "data/ixpe/gpd"
    for number in (1, 2, 3):
        for source, name in official_names(number).items():
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(pseudo) / source, target)
    return home
