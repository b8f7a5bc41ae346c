"""Calibration databases for tests: indices written with astropy, IXPE's files under their official names, servers."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wolter.caldb import Caldb, build_index
from wolter.transport import Policy, Transport

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


QUICK = Policy(retries=0, connect_timeout=2, read_timeout=5, backoff=0.01)
ROWS = [
    {"DETNAM": "A", "REF_TIME": 54000.0, "CAL_CBD": ("THETA(0-10)arcmin",)},
    {"DETNAM": "B", "REF_TIME": 55000.0, "CAL_DIR": "data/acme/cam/cpf"},
    {"DETNAM": "A", "REF_TIME": 56000.0, "CAL_XNO": 3},
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        self.server.log.append(self.path)
        super().do_GET()


class Served:
    """A folder behind HTTP; ``log`` holds the paths asked for."""

    def __init__(self, folder, port=0):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), functools.partial(_Quiet, directory=folder))
        self.server.log = self.log = []
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch):
    for name in ("CALDB", "CALDBCONFIG", "CALDBALIAS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def acme(tmp_path):
    return make_database(tmp_path / "caldb", files_rows(*ROWS))


@pytest.fixture
def served(acme):
    server = Served(acme)
    yield server
    server.stop()


@pytest.fixture
def far(served, tmp_path):
    """Function: the served database."""
    return lambda **how: Caldb(
        served.url, **{"cache": tmp_path / "cache", "transport": Transport(QUICK), "max_age": 3600, **how}
    )


@pytest.fixture(scope="module")
def ixpe(shared, tmp_path_factory):
    """A database with IXPE's responses under their official names, its index built from their headers."""
    root = tmp_path_factory.mktemp("ixpe_caldb")
    build_index(ixpe_files(root, shared("ixpe", "pseudo_caldb")))
    return root
