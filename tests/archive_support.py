"""Small observations in the archives' own layouts, written with astropy; a server that counts and misbehaves."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import numpy as np
from astropy.io import fits

# obsid, target, RA, Dec, DATE-OBS: as in the four tutorials, plus others of the same target
TARGETS = {
    "ixpe": [("01004701", "Mrk 501", 253.4676, 39.7602, "2022-07-09T23:35:14")],
    "swift_xrt": [
        ("00031973001", "T Pyx", 136.1729, -32.3799, "2011-04-14T13:00:00"),
        ("00031973040", "T Pyx", 136.1750, -32.3810, "2011-08-20T02:11:00"),
        ("00031973043", "T Pyx", 136.1701, -32.3790, "2011-08-28T05:40:00"),
        ("00031973060", "T Pyx", 136.1721, -32.3805, "2011-10-11T05:40:00"),
    ],
    "nustar": [
        ("60001110002", "SWIFT J2127.4+5654", 321.9375, 56.9444, "2012-11-04T06:26:07"),
        ("60001110003", "SWIFT J2127.4+5654", 321.9390, 56.9440, "2012-11-05T02:46:07"),
    ],
    "xrism_xtend": [
        ("000126000", "LMC_N132D", 81.2595, -69.6438, "2023-12-03T10:00:00"),
        ("201001010", "LMC_N132D", 81.2590, -69.6430, "2026-05-03T10:00:00"),
    ],
    "xmm_epic": [("0201903501", "A 907", 149.5916, -11.0637, "2004-05-24T02:00:00")],
}
_HEADERS = {
    "ixpe": {"TELESCOP": "IXPE", "INSTRUME": "GPD"},
    "swift_xrt": {"TELESCOP": "SWIFT", "INSTRUME": "XRT", "DATAMODE": "PHOTON", "CREATOR": "Extractor v5.36"},
    "nustar": {"TELESCOP": "NuSTAR", "INSTRUME": "FPMA", "OBS_MODE": "SCIENCE"},
    "xrism_xtend": {"TELESCOP": "XRISM", "INSTRUME": "XTEND", "DATAMODE": "WINDOW1", "FILTER": "OPEN"},
    "xmm_epic": {"TELESCOP": "XMM", "INSTRUME": "EPN", "DATAMODE": "IMAGING", "FILTER": "Thin1"},
}


def event_file(header: dict, nrows: int = 50, *, seed: int = 0) -> bytes:
    """An event list with check sums, as bytes."""
    rng = np.random.default_rng(seed)
    columns = [
        fits.Column("TIME", "D", unit="s", array=np.sort(rng.uniform(0, 1e4, nrows))),
        fits.Column("STATUS", "16X", array=np.zeros((nrows, 16), bool)),
        fits.Column("RAWX", "I", array=rng.integers(0, 300, nrows)),
        fits.Column("RAWY", "I", array=rng.integers(0, 300, nrows)),
        fits.Column("PI", "J", array=rng.integers(0, 375, nrows)),
        fits.Column("W_MOM", "E", array=rng.uniform(0, 1, nrows)),
        fits.Column("X", "E", array=rng.uniform(1, 600, nrows)),
        fits.Column("Y", "E", array=rng.uniform(1, 600, nrows)),
        fits.Column("Q", "D", array=rng.uniform(-2, 2, nrows)),
        fits.Column("U", "D", array=rng.uniform(-2, 2, nrows)),
    ]
    events = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    gti = fits.BinTableHDU.from_columns(
        [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[1e4])], name="GTI"
    )
    primary = fits.PrimaryHDU()
    for hdu in (primary, events, gti):
        hdu.header.update(header)
    for i, name in ((7, "X"), (8, "Y")):
        events.header[f"TLMIN{i}"], events.header[f"TLMAX{i}"] = 1, 600
        events.header[f"TCTYP{i}"] = "RA---TAN" if name == "X" else "DEC--TAN"
        events.header[f"TCRVL{i}"], events.header[f"TCRPX{i}"] = header["RA_OBJ" if name == "X" else "DEC_OBJ"], 300.5
        events.header[f"TCDLT{i}"] = -0.000722 if name == "X" else 0.000722
        events.header[f"TCUNI{i}"] = "deg"
    events.header["TLMIN5"], events.header["TLMAX5"] = 0, 374
    out = io.BytesIO()
    fits.HDUList([primary, events, gti]).writeto(out, checksum=True)
    return out.getvalue()


def attitude_file(header: dict) -> bytes:
    """A table that is not an event list."""
    table = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=np.arange(20.0))], name="ATTITUDE")
    table.header.update(header)
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(out, checksum=True)
    return out.getvalue()


def layout(mission: str, obsid: str) -> dict[str, str]:
    """File -> kind, below the observation's folder."""
    o = obsid
    return {
        "ixpe": {
            **{f"event_l2/ixpe{o}_det{d}_evt2_v01.fits.gz": f"events DU{d}" for d in (1, 2, 3)},
            f"event_l1/ixpe{o}_det1_evt1_v01.fits.gz": "events DU1",
            f"hk/ixpe{o}_det1_att_v01.fits.gz": "table",
            f"hk/ixpe{o}_all_pay_132e_v01.fits.gz": "table",
            f"auxil/ixpe{o}_det1_expmap1_v01.fits.gz": "table",
        },
        "swift_xrt": {
            f"xrt/event/sw{o}xpcw3po_cl.evt.gz": "events XRT",
            f"xrt/event/sw{o}xpcw3po_uf.evt.gz": "events XRT",
            f"xrt/event/sw{o}xwtw2sl_cl.evt.gz": "events XRT",
            f"xrt/hk/sw{o}xhd.hk.gz": "table",
            f"xrt/hk/sw{o}xtr.hk.gz": "table",
            f"auxil/sw{o}pat.fits.gz": "table",
            f"auxil/sw{o}s.mkf.gz": "table",
            f"uvot/hk/sw{o}uct.hk.gz": "table",
            f"bat/hk/sw{o}bdh.hk.gz": "table",
        },
        "nustar": {
            f"event_cl/nu{o}A01_cl.evt.gz": "events FPMA",
            f"event_cl/nu{o}A02_cl.evt.gz": "events FPMA",
            f"event_uf/nu{o}A_uf.evt.gz": "events FPMA",
            f"auxil/nu{o}_att.fits.gz": "table",
            f"hk/nu{o}A_fpm.hk.gz": "table",
        },
        "xrism_xtend": {
            f"xtend/event_cl/xa{o}xtd_p030000010_cl.evt.gz": "events XTEND",
            f"xtend/event_uf/xa{o}xtd_p030000010_uf.evt.gz": "events XTEND",
            f"auxil/xa{o}.att.gz": "table",
            f"auxil/xa{o}.ehk.gz": "table",
            f"log/xa{o}_joblog.txt": "text",
        },
        "xmm_epic": {
            f"PPS/P{o}PNS003PIEVLI0000.FTZ": "events PN",
            f"PPS/P{o}OBX000ATTTSR0000.FTZ": "table",
            f"PPS/P{o}EPX000OIMAGE8000.FTZ": "table",
            f"ODF/1184_{o}_SCX00000SUM.SAS": "text",
        },
    }[mission]


def make_observation(root: Path, mission: str, row: tuple, *, nrows: int = 50) -> Path:
    """Write one observation as ``root/<obsid>``."""
    obsid, target, ra, dec, date = row
    header = {
        **_HEADERS[mission], "OBS_ID": obsid, "OBJECT": target, "RA_OBJ": ra, "DEC_OBJ": dec, "RA_PNT": ra,
        "DEC_PNT": dec, "DATE-OBS": date, "DATE-END": date[:11] + "23:59:00", "EXPOSURE": 1234.5, "ONTIME": 1234.5,
        "MJDREFI": 57754, "MJDREFF": 0.0, "TIMESYS": "TT", "TSTART": 0.0, "TSTOP": 1e4,
    }  # fmt: skip
    home = root / obsid
    for number, (name, kind) in enumerate(layout(mission, obsid).items()):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        word, _, detector = kind.partition(" ")
        if word == "text":
            path.write_text(f"log of {obsid}\n" * 20)
            continue
        one = dict(header)
        if mission == "ixpe" and detector:
            one |= {"DETNAM": detector, "FILE_LVL": "1" if "_l1/" in name else "2"}
        elif detector in ("FPMA", "XTEND"):
            one |= {"INSTRUME": detector}
        if mission == "nustar" and "_uf" not in name:
            one |= {"OBSMODE": "SCIENCE"}
        data = event_file(one, nrows, seed=number) if word == "events" else attitude_file(one)
        path.write_bytes(gzip.compress(data, 6, mtime=0) if path.suffix in (".gz", ".FTZ") else data)
    return home


def make_archive(root: Path) -> Path:
    """A folder with the observations of all tutorials."""
    for mission, rows in TARGETS.items():
        for row in rows:
            make_observation(root, mission, row)
    corrections = {"201001010": {"public": 70000.0}}
    (root / "observations.json").write_text(json.dumps(corrections))
    (root / "names.json").write_text(json.dumps({"N132D": [81.2592, -69.6436]}))
    return root
