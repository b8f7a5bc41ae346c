"""XGA's configuration file: where the observations are, where products go, how many processes may run."""

from __future__ import annotations

import ast
import os
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from wolter.compat.xga.exceptions import XGAConfigError
from wolter.errors import WolterError
from wolter.sources import Library

__all__ = ["CAMERAS", "INSTRUMENTS", "configuration", "library", "number_of_cores", "setting"]

CAMERAS = {"pn": "PN", "mos1": "M1", "mos2": "M2"}
INSTRUMENTS = {detector: name for name, detector in CAMERAS.items()}

_TEMPLATE = """[XGA_SETUP]
xga_save_path = xga_output
num_cores = auto

[XMM_FILES]
root_xmm_dir = /this/is/required/xmm_obs/data/
clean_pn_evts = /this/is/required/{obs_id}/pn_exp1_clean_evts.fits
clean_mos1_evts = /this/is/required/{obs_id}/mos1_exp1_clean_evts.fits
clean_mos2_evts = /this/is/required/{obs_id}/mos2_exp1_clean_evts.fits
attitude_file = /this/is/required/{obs_id}/attitude.fits
lo_en = ['0.50', '2.00']
hi_en = ['2.00', '10.00']
pn_image = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-pn_merged_img.fits
mos1_image = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-mos1_merged_img.fits
mos2_image = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-mos2_merged_img.fits
pn_expmap = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-pn_merged_expmap.fits
mos1_expmap = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-mos1_merged_expmap.fits
mos2_expmap = /this/is/optional/{obs_id}/{obs_id}-{lo_en}-{hi_en}keV-mos2_merged_expmap.fits
region_file = /this/is/optional/xmm_obs/regions/{obs_id}/regions.reg
"""


def config_path() -> Path:
    """``$XDG_CONFIG_HOME/xga/xga.cfg``, by default in ``~/.config``."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return Path(base) / "xga" / "xga.cfg"


_STATE: dict[str, Any] = {}  # XGA's own interface is a session; this is all of its state


def configuration() -> ConfigParser:
    """The configuration, read once per session from `config_path`; written as a template where there is none.

    Raises
    ------
    XGAConfigError
        If the file cannot be read.
    """
    path = config_path()
    stamp = (str(path), path.stat().st_mtime_ns if path.exists() else None)
    if _STATE.get("stamp") != stamp:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_TEMPLATE, encoding="utf-8")
            stamp = (str(path), path.stat().st_mtime_ns)
        parser = ConfigParser(interpolation=None)
        try:
            parser.read(path, encoding="utf-8")
        except Exception as exc:
            raise XGAConfigError(f"{path}: {exc}") from exc
        _STATE.clear()
        _STATE.update(stamp=stamp, parser=parser)
    return _STATE["parser"]


def number_of_cores() -> int:
    """``num_cores`` of the configuration; 90 % of the machine's for "auto"."""
    import wolter.compat.xga as package

    if "NUM_CORES" in vars(package):  # a script has set xga.NUM_CORES
        return int(vars(package)["NUM_CORES"])
    value = configuration().get("XGA_SETUP", "num_cores", fallback="auto").strip()
    return int(value) if value.isdigit() else max(1, int(0.9 * (os.cpu_count() or 1)))


def output() -> Path:
    """``xga_save_path``, relative to the working directory."""
    return Path(configuration().get("XGA_SETUP", "xga_save_path", fallback="xga_output")).expanduser().absolute()


def setting(name: str) -> Any:
    """What ``xga.NAME`` is."""
    if name == "NUM_CORES":
        return number_of_cores()
    if name == "OUTPUT":
        return str(output()) + os.sep
    if name == "xga_conf":
        return {section: dict(configuration()[section]) for section in configuration().sections()}
    if name == "CONFIG_FILE":
        return str(config_path())
    if name == "CONFIG_PATH":
        return str(config_path().parent) + os.sep
    if name == "USABLE":
        return {"xmm": True}
    if name == "BLACKLIST":
        return {}
    import pandas as pd

    rows = [(e.obsid, e.ra, e.dec) for e in library().observations()]
    return {"xmm": pd.DataFrame(rows, columns=["ObsID", "RA_PNT", "DEC_PNT"])}


def library() -> Library:
    """Library of the observations that the configuration names, in the folder where products go.

    Raises
    ------
    XGAConfigError
        If the folder of the observations is not set or missing.
    """
    parser = configuration()
    if "library" in _STATE and _STATE["library"].folder.parent == output():
        return _STATE["library"]
    if "XMM_FILES" not in parser:
        raise XGAConfigError(f"{config_path()}: the section [XMM_FILES] is missing")
    section = parser["XMM_FILES"]
    root = Path(section.get("root_xmm_dir", "")).expanduser()
    if not root.is_dir():
        raise XGAConfigError(
            f"{config_path()}: root_xmm_dir = {root} is no folder. Set it to the folder that holds one subfolder per "
            "ObsID."
        )
    made = Library(output() / "library")
    known = {entry.obsid: entry for entry in made.observations()}
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        obsid = "".join(c for c in folder.name if c.isdigit())[-10:] or folder.name
        files, regions = _files(section, folder, obsid)
        if obsid in known and set(known[obsid].files) == set(files) and known[obsid].regions == regions:
            continue
        try:
            made.add(files or folder, regions=regions)
        except WolterError:
            continue  # XGA leaves out folders that are no observations too
    _STATE["library"] = made
    return made


def _files(section: Any, folder: Path, obsid: str) -> tuple[list[Path], Path | None]:
    """Files of an observation that are there, and its region file."""
    keys = [f"clean_{name}_evts" for name in CAMERAS] + ["attitude_file"]
    paths = [_path(section, key, folder, obsid=obsid) for key in keys]
    for low, high in zip(_numbers(section, "lo_en"), _numbers(section, "hi_en"), strict=False):
        for name in CAMERAS:
            for kind in ("image", "expmap"):
                paths.append(_path(section, f"{name}_{kind}", folder, obsid=obsid, low=low, high=high))
    found = [p for p in paths if p is not None and p.exists()]
    regions = _path(section, "region_file", folder, obsid=obsid)
    return found, regions if regions is not None and regions.exists() else None


def _path(section: Any, key: str, folder: Path, *, obsid: str, low: str = "", high: str = "") -> Path | None:
    text = section.get(key, "").strip()
    if not text:
        return None
    for mark, value in (("{obs_id}", obsid), ("{lo_en}", low), ("{hi_en}", high)):
        text = text.replace(mark, value)
    path = Path(text).expanduser()
    return path if path.is_absolute() else folder.parent / path


def _numbers(section: Any, key: str) -> list[str]:
    try:
        return [str(v) for v in ast.literal_eval(section.get(key, "[]"))]
    except (ValueError, SyntaxError):
        return []
