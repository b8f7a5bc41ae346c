"""`Xset`: settings of the session."""

from __future__ import annotations

import os
from collections.abc import Iterator, MutableMapping
from typing import Any

from wolter.compat.xspec import show
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.output import XspecLog
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION

__all__ = ["XspecSettings"]

VERSION = ("wolter", "12.15.1")
# sources as XSPEC names them
_ABUND = {
    "angr": "Anders E. & Grevesse N. Geochimica et Cosmochimica Acta 53, 197 (1989)",
    "aneb": "Anders E. & Ebihara Geochimica et Cosmochimica Acta 46, 2363 (1982)",
    "aspl": "Asplund M, Grevesse N., Sauval A.J. & Scott P., 2009, ARAA, 47, 481",
    "felc": "Feldman et al. ApJS 81, 387 (1992), coronal",
    "feld": "Feldman U. Physica Scripta 46, 202 (1992) (abundances not included in this paper are set to grsa).",
    "grsa": "Grevesse, N. & Sauval, A.J. Space Science Reviews 85, 161 (1998)",
    "lodd": "Lodders, K. ApJ 591, 1220 (2003)",
    "lpgp": "Lodders K., Palme H. & Gail H.P., Landolt-Bornstein VI/4B, 560 (2009) (photospheric)",
    "lpgs": "Lodders K., Palme H. & Gail H.P., Landolt-Bornstein VI/4B, 560 (2009) (proto-solar)",
    "wilm": "Wilms, J., Allen, A. & McCray, R. ApJ 542 914 (2000) "
    "(abundances are set to zero for those elements not included in the paper).",
    "file": "User defined abundance vector / no description specified",
}
_XSECT = {
    "vern": "Verner, Ferland, Korista, and Yakovlev 1996",
    "bcmc": "Balucinska-Church and McCammon, 1998",
    "obcm": "Balucinska-Church and McCammon, 1992",
}


class _Strings(MutableMapping[str, str]):
    """Model strings; names are in capitals."""

    def __getitem__(self, key: str) -> str:
        return SESSION.strings[key.upper()]

    def __setitem__(self, key: str, value: str) -> None:
        SESSION.strings[key.upper()] = str(value)
        _apply_strings()

    def __delitem__(self, key: str) -> None:
        del SESSION.strings[key.upper()]
        _apply_strings()

    def __iter__(self) -> Iterator[str]:
        return iter(SESSION.strings)

    def __len__(self) -> int:
        return len(SESSION.strings)


def _apply_strings() -> None:
    from wolter.models.settings import ApecOptions

    with translated("xset"):
        changes: dict[str, Any] = {"apec": ApecOptions.from_xset(SESSION.strings)}
        place = SESSION.strings.get("APECROOT") or SESSION.strings.get("ATOMDB_VERSION")
        if place:
            changes["atomdb"] = place
        SESSION.set_settings(**changes)


class _Parallel:
    """Numbers of processes; the engine works in batches and needs none."""

    def __init__(self) -> None:
        self.leven = self.error = self.steppar = self.goodness = self.walkers = 1

    def show(self) -> None:
        """Print them."""
        for name, value in vars(self).items():
            SESSION.out(f"   {name:<10}: {value}")

    def reset(self) -> None:
        """All back to one."""
        self.__init__()


class XspecSettings(Restricted):
    """`Xset`."""

    _sealed = False

    def __init__(self) -> None:
        self._parallel = _Parallel()
        self._strings = _Strings()
        self.allowPrompting = True

    @property
    def allowNewAttributes(self) -> bool:
        """Whether scripts may add attributes to PyXspec's objects."""
        return SESSION.new_attributes

    @allowNewAttributes.setter
    def allowNewAttributes(self, value: bool) -> None:
        SESSION.new_attributes = bool(value)

    @property
    def abund(self) -> str:
        """Abundance table: a name, or "file NAME"."""
        return SESSION.abund_name

    @abund.setter
    def abund(self, text: str) -> None:
        words = str(text).split()
        with translated("abund"):
            SESSION.set_settings(abund=str(text) if words[0].lower() == "file" else words[0])
        SESSION.abund_name = "file" if words[0].lower() == "file" else words[0].lower()
        self._abund_text = str(text)
        SESSION.out(f" Solar Abundance Vector set to {SESSION.abund_name}:  {_ABUND.get(SESSION.abund_name, '')}")
        show.fit_lines()

    @property
    def xsect(self) -> str:
        """Photoelectric cross-sections."""
        return SESSION.settings.xsect

    @xsect.setter
    def xsect(self, text: str) -> None:
        with translated("xsect"):
            SESSION.set_settings(xsect=str(text).split()[0])
        name = SESSION.settings.xsect
        SESSION.out(f" Cross Section Table set to {name}:  {_XSECT.get(name, '')}")
        show.fit_lines()

    @property
    def cosmo(self) -> tuple[str, str, str]:
        """H0, q0, Lambda0; set with a string ``"70 0 0.73"``, of which parts may be left out by commas."""
        h0, q0, lambda0 = SESSION.settings.cosmo
        return f"{h0:g}", f"{q0:g}", f"{lambda0:g}"

    @cosmo.setter
    def cosmo(self, text: Any) -> None:
        parts = [str(v) for v in text] if isinstance(text, list | tuple) else _slots(str(text))
        old = list(SESSION.settings.cosmo)
        for i, part in enumerate(parts[:3]):
            if part:
                old[i] = float(part)
        with translated("cosmo"):
            SESSION.set_settings(cosmo=tuple(old))
        show.fit_lines()

    @property
    def chatter(self) -> int:
        """Amount of text on the terminal."""
        return SESSION.out.chatter

    @chatter.setter
    def chatter(self, value: int) -> None:
        SESSION.out.chatter = int(value)

    @property
    def logChatter(self) -> int:
        """Amount of text in the log."""
        return SESSION.out.log_chatter

    @logChatter.setter
    def logChatter(self, value: int) -> None:
        SESSION.out.log_chatter = int(value)

    def openLog(self, fileName: str) -> XspecLog:
        """Write a log; it has its name once it is closed."""
        return SESSION.out.open(fileName)

    def closeLog(self) -> None:
        """End the log."""
        SESSION.out.close()

    @property
    def log(self) -> XspecLog | None:
        """The open log, or None."""
        return SESSION.out.log

    @property
    def seed(self) -> int | None:
        """Of the random numbers."""
        return SESSION.seed

    @seed.setter
    def seed(self, value: int) -> None:
        SESSION.seed = int(value)
        SESSION.out(f"Random number generator has been re-initialized with seed = {SESSION.seed}")

    @property
    def parallel(self) -> _Parallel:
        """Processes per task; accepted, not needed."""
        return self._parallel

    @property
    def modelStrings(self) -> MutableMapping[str, str]:
        """Model strings; may be set to a mapping."""
        return self._strings

    @modelStrings.setter
    def modelStrings(self, value: Any) -> None:
        SESSION.strings.clear()
        SESSION.strings.update({str(k).upper(): str(v) for k, v in dict(value).items()})
        _apply_strings()

    def addModelString(self, key: str, value: str) -> None:
        """Add a model string (XSPEC's xset)."""
        self._strings[key] = value

    def delModelString(self, key: str) -> None:
        """Remove a model string."""
        if key.upper() in SESSION.strings:
            del self._strings[key]

    @property
    def version(self) -> tuple[str, str]:
        """Of this module and of the XSPEC it follows."""
        return VERSION

    def save(self, fileName: str, info: str = "a") -> None:
        """Write an XSPEC command file: info "f" files, "m" model, "a" both."""
        from wolter.compat.xspec.xcm import save

        save(fileName, info)

    def restore(self, fileName: str) -> None:
        """Execute a command file: what `save` wrote, and XSPEC's usual commands."""
        from wolter.compat.xspec.xcmread import restore

        restore(fileName)

    def show(self) -> None:
        """Print the settings."""
        SESSION.out(f" Solar abundance table: {self.abund}\n Photoelectric absorption cross-section: {self.xsect}")
        SESSION.out(f" Cosmology: H0 = {self.cosmo[0]} q0 = {self.cosmo[1]} Lambda0 = {self.cosmo[2]}")

    @property
    def tclPath(self) -> str:
        raise missing("Xset.tclPath", "there is no Tcl")

    @property
    def mdatadir(self) -> str:
        """Folder of XSPEC's model data."""
        raise missing("Xset.mdatadir", "Wolter finds its model data by itself")


def _slots(text: str) -> list[str]:
    """Values of a list in which commas may leave places empty: ``"67.4 , 0.685"``."""
    out: list[str] = []
    for field in text.split(","):
        words = field.split()
        out.extend(words or [""])
    return out


def absolute(name: str) -> str:
    """A path as the user gave it, absolute."""
    if not name:
        raise XspecError("Error: a file name is missing")
    return os.path.abspath(os.path.expanduser(name))
