"""Which data files the components of XSPEC's model library read, and whether they are here.

A component that does not find its file prints a line and then returns zeros, its input or random memory, or ends the
process. So the files are checked for before it is called. The list is that of the files that version 6.35.1 tried to
open at the default parameters of each component (with reflection where the default is none), recorded with a tracer
of system calls; files that other parameters need are noticed by what the library prints.
"""

from __future__ import annotations

from pathlib import Path

from wolter.errors import ModelError
from wolter.models.settings import Settings
from wolter.models.xspec_library.installation import Installation

__all__ = ["atomdb_root", "missing_data", "reads_atomdb", "reads_nei"]

_FILES: dict[str, str] = {
    "KBHline00.fits": "kyconv",
    "KBHline01.fits": "kyrline",
    "IsmabsAtomicData.fits": "ismabs",
    "acisabsdata.fits": "acisabs",
    "ari.mod": "kerrd laor laor2 kdblur kdblur2",
    "ezdiskbbdata.fits": "ezdiskbb",
    "ismdust_edge_data.fits": "ismdust olivineabs",
    "kerrbb.fits": "kerrbb zkerrbb",
    "kerrtable.fits": "kerrconv kerrdisk",
    "ltcz.fits": "compth eqtherm eqpair",
    "mansig.fits": "absori bexriv ireflect pexriv refsch",
    "mekal.mod": "mekal vmekal",
    "nsadata.fits": "nsa",
    "nsagravdata.fits": "nsagrav",
    "nsatmosdata.fits": "nsatmos",
    "nsmax.fits": "nsmax",
    "nsmaxg.fits": "nsmaxg",
    "nsx.fits": "nsx",
    "pnint.dat": "diskpn",
    "raysmith.mod": "raymond vraymond cflow",
    "recomb.fits": "meka vmeka",
    "reflionx.mod": "rfxconv",
    "sedov.fits": "bsedov bvsedov bvvsedov sedov vsedov vvsedov",
    "slimbb-full.fits": "slimbh",
    "snyields.dat": "bsnapec snapec",
    "spC.fits": "carbatm",
    "spH.fits": "hatm",
    "swind1_mtable.fits": "swind1",
    "xillver-a-Ec3.fits": "xilconv",
    "xiondata.fits": "xion",
    "xscat_MRN_v1.1.0.fits": "xscat",
    "zxipcf_mtable.fits": "zxipab zxipcf",
}
# Model strings (xset) that name another folder for a file.
_FOLDER_KEYS = {
    "nsmax.fits": "NSMAX_DIR",
    "nsmaxg.fits": "NSMAXG_DIR",
    "nsx.fits": "NSX_DIR",
    "nsagravdata.fits": "NSAGRAV_DIR",
    "slimbb-full.fits": "SLIMBB_DIR",
    "xscat_MRN_v1.1.0.fits": "XSCAT_DIR",
    "zxipcf_mtable.fits": "ZXIPCF_DIR",
}
_ATOMDB = (
    "apec bapec bcempow bcheb6 bcie bcoolflow bcph bexpcheb6 bgadem bsnapec btapec bvapec bvcempow bvcheb6 bvcie"
    " bvcoolflow bvcph bvexpcheb6 bvgadem bvtapec bvvapec bvvcie bvvgadem bvvtapec bvvwdem bvwdem bwdem c6mekl c6pmekl"
    " c6pvmkl c6vmekl cemekl cempow cevmkl cheb6 cie coolflow cph expcheb6 gadem mkcflow nlapec snapec tapec vapec"
    " vcempow vcheb6 vcie vcoolflow vcph vexpcheb6 vgadem vmcflow vtapec vvapec vvcie vvgadem vvtapec vvwdem vwdem wdem"
)
_NEI = (
    "bequil bgnei bnei bnpshock bpshock brnei bvequil bvgnei bvnei bvnpshock bvpshock bvrnei bvvgnei bvvnei bvvnpshock"
    " bvvpshock bvvrnei equil gnei nei npshock pshock rnei vequil vgnei vnei vnpshock vpshock vrnei vvgnei vvnei"
    " vvnpshock vvpshock vvrnei"
)
_OF_MODEL = {name: file for file, names in _FILES.items() for name in names.split()}
_ATOMDB_NAMES = frozenset(_ATOMDB.split())
_NEI_NAMES = frozenset(_NEI.split())


def reads_atomdb(name: str) -> bool:
    """Whether a component of the library computes spectra from AtomDB's line and continuum files."""
    return name in _ATOMDB_NAMES


def reads_nei(name: str) -> bool:
    """Whether a component of the library needs AtomDB's files for ionisation that is out of equilibrium."""
    return name in _NEI_NAMES


def atomdb_root(settings: Settings) -> str | None:
    """Path of AtomDB's files without ``_line.fits``, which XSPEC calls APECROOT, or None where they are not here.

    A model string APECROOT wins over ``Settings.atomdb``. The library cannot read compressed xz or bz2 files.
    """
    given = dict(settings.xset).get("APECROOT", "")
    if "/" in given:
        return given if Path(f"{given}_line.fits").exists() and Path(f"{given}_coco.fits").exists() else None
    from wolter.models.plasma.atomdb import find_atomdb

    try:
        files = find_atomdb(settings.atomdb)
    except ModelError:
        return None
    root = str(files.line).removesuffix(".gz").removesuffix("_line.fits")
    return root if str(files.line).startswith(f"{root}_line.fits") and files.line.suffix in (".fits", ".gz") else None


def missing_data(name: str, installation: Installation, settings: Settings) -> str:
    """Sentence that says which data file of a component is not here, or an empty string.

    Parameters
    ----------
    name : str
        Name of the component in XSPEC's case.
    installation : Installation
        The library and its data folder.
    settings : Settings
        Their AtomDB and model strings may name other places.
    """
    strings = dict(settings.xset)
    file = _OF_MODEL.get(name)
    if file is not None:
        folder = Path(strings[_FOLDER_KEYS[file]]) if _FOLDER_KEYS.get(file) in strings else installation.data
        if not any((folder / f"{file}{suffix}").exists() for suffix in ("", ".gz", ".Z")):
            return f"its data file {file} is not in {folder}"
    if name in _ATOMDB_NAMES and atomdb_root(settings) is None and not _own_atomdb(installation, settings, "line"):
        return f"AtomDB {settings.atomdb} is not on this computer"
    if name in _NEI_NAMES:
        root = strings.get("NEIAPECROOT", "")
        present = Path(f"{root}_nei_line.fits").exists() if "/" in root else False
        if not present and not _own_atomdb(installation, settings, "nei_line"):
            return f"AtomDB's apec_v{_nei_version(settings)}_nei_line.fits is not in {installation.data}"
    return ""


def _nei_version(settings: Settings) -> str:
    return dict(settings.xset).get("NEIVERS", "3.1.2")


def _own_atomdb(installation: Installation, settings: Settings, kind: str) -> bool:
    version = _nei_version(settings) if kind.startswith("nei") else settings.atomdb
    return installation.has_data(f"apec_v{version}_{kind}.fits")
