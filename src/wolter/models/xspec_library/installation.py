"""Where XSPEC's model library and its data are.

The library is that of the wheel ``xspectrampoline`` (extra ``xspec``), which is found without importing it: importing
it would load the library into this process. Data files that the wheel does not contain are looked for in the folder
that ``XSPEC_MDATA_DIR`` names, as XSPEC does, in the user's data folder, in the HEASoft that ``HEADAS`` names, and in
the wheel; the first folder that exists is used.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wolter.errors import ModelError
from wolter.models.xspec_library.modeldat import LibraryModel, read_model_dat

__all__ = ["Installation", "find_installation", "need_installation", "user_data_folder"]

PACKAGE = "xspectrampoline"
CURE = "Install it with: pip install 'wolter[xspec]'"


@dataclass(frozen=True)
class Installation:
    """A copy of XSPEC's model library.

    Parameters
    ----------
    version : str
        Version of the wheel and of the library, e.g. "0.1.5/LibXSPEC_v6_35_1".
    headas : Path
        Folder with ``lib`` and ``spectral``.
    library : Path
        Shared library with the model functions.
    data : Path
        Folder with the data files of models; it need not exist.
    """

    version: str
    headas: Path
    library: Path
    data: Path

    def models(self) -> dict[str, LibraryModel]:
        """All components by name in lower case: those of model.dat, then the mixing ones of mixmodel.dat."""
        return _models(self.headas / "spectral" / "manager")

    def has_data(self, name: str) -> bool:
        """Whether a data file is there, compressed or not."""
        return any((self.data / f"{name}{suffix}").exists() for suffix in ("", ".gz", ".Z"))


@cache
def _models(manager: Path) -> dict[str, LibraryModel]:
    listed = [*read_model_dat(manager / "model.dat"), *read_model_dat(manager / "mixmodel.dat")]
    return {model.name.lower(): model for model in listed}


def user_data_folder() -> Path:
    """Folder of the user in which XSPEC's model data are looked for; it may be a link to HEASoft's modelData."""
    import platformdirs

    return Path(platformdirs.user_data_path("wolter", appauthor=False)) / "xspec" / "modelData"


def _data_folder(headas: Path) -> Path:
    named = os.environ.get("XSPEC_MDATA_DIR")
    if named:
        return Path(named)
    candidates = [user_data_folder()]
    heasoft = os.environ.get("HEADAS")
    if heasoft:
        candidates.append(Path(heasoft).parent / "spectral" / "modelData")
    wheel = headas / "spectral" / "modelData"
    return next((folder for folder in candidates if folder.is_dir()), wheel)


@cache
def find_installation() -> Installation | None:
    """The library of the installed wheel, or None where there is none."""
    from importlib.util import find_spec

    try:
        spec = find_spec(PACKAGE)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    suffix = "dylib" if sys.platform == "darwin" else "so"
    for headas in sorted(package.glob("LibXSPEC_*"), reverse=True):
        library = headas / "lib" / f"libXSFunctions.{suffix}"
        if library.exists() and (headas / "spectral" / "manager" / "model.dat").exists():
            try:
                version = (package / "VERSION").read_text(encoding="utf-8").strip()
            except OSError:
                version = "unknown"
            return Installation(f"{version}/{headas.name}", headas, library, _data_folder(headas))
    return None


def need_installation(what: str) -> Installation:
    """The library, for a component that needs it.

    Raises
    ------
    ModelError
        Where it is not installed; says how to install it.
    """
    found = find_installation()
    if found is None:
        raise ModelError(f"{what} comes from XSPEC's model library, which is not installed", cure=CURE)
    return found
