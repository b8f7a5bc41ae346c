"""Which index belongs to a mission's instrument: ``caldb.config``, names of other days, and what is known without.

Formats: HEASARC's ``caldb.config`` (seven words a line, of which the last two are not used) and ``alias_config.fits``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from wolter import fits
from wolter.caldb.index import INDEX_NAME
from wolter.errors import CalibrationError, FitsError, suggest
from wolter.mission import missions

__all__ = ["Aliases", "Config", "ConfigLine", "known_config", "read_aliases", "read_config"]


@dataclass(frozen=True)
class ConfigLine:
    """One line: where the index of an instrument is.

    Attributes
    ----------
    mission, instrument : str
        In capitals.
    device : str
        "CALDB", another environment variable, or a path.
    directory : str
        Below the device.
    file : str
    """

    mission: str
    instrument: str
    device: str
    directory: str
    file: str = INDEX_NAME


@dataclass(frozen=True)
class Config:
    """Lines of a configuration.

    Attributes
    ----------
    lines : tuple of ConfigLine
    source : str
        Where they come from, for messages.
    """

    lines: tuple[ConfigLine, ...]
    source: str

    def line(self, mission: str, instrument: str) -> ConfigLine:
        """The first line for an instrument.

        Raises
        ------
        CalibrationError
            If there is none; names those nearest.
        """
        wanted = mission.strip().upper(), instrument.strip().upper()
        for line in self.lines:
            if (line.mission, line.instrument) == wanted:
                return line
        instruments = sorted({x.instrument for x in self.lines if x.mission == wanted[0]})
        if instruments:
            raise CalibrationError(
                f"{wanted[0]} has no instrument {wanted[1]} in the calibration database",
                file=self.source,
                cure=suggest(wanted[1], instruments) or f"It has {', '.join(instruments)}.",
            )
        names = sorted({x.mission for x in self.lines})
        raise CalibrationError(
            f"the calibration database has no mission {wanted[0]}",
            file=self.source,
            cure=suggest(wanted[0], names) or f"It has {', '.join(names)}.",
        )


def read_config(path: str | PathLike[str], *, name: str | None = None) -> Config:
    """Configuration of a file.

    Raises
    ------
    CalibrationError
        If it cannot be read, or a line has too few words.
    """
    shown = os.fspath(path) if name is None else name
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise CalibrationError(f"the configuration cannot be read: {exc.strerror}", file=shown) from exc
    lines = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5:
            raise CalibrationError(
                f"line {number} has {len(words)} words: {line.strip()!r}", file=shown,
                cure="A line is: MISSION INSTRUMENT device folder indexfile device folder.",
            )  # fmt: skip
        lines.append(ConfigLine(words[0].upper(), words[1].upper(), *words[2:5]))
    return Config(tuple(lines), shown)


def known_config() -> Config:
    """Configuration for the installed missions, for databases that come without a file."""
    lines = [
        ConfigLine(telescop, instrument, "CALDB", directory)
        for mission in missions().values()
        for telescop in mission.telescop
        for instrument, directory in mission.caldb.get("index", {}).items()
    ]
    return Config(tuple(lines), "Wolter's missions")


Aliases = Mapping[str, Mapping[str, str]]
"""Mission -> other name of a value -> name in the index, in capitals."""


def read_aliases(path: str | PathLike[str]) -> Aliases:
    """Other names of instruments, detectors and so on: ``alias_config.fits``, one table per mission.

    Raises
    ------
    CalibrationError
        If it cannot be read, or a table lacks a column.
    """
    out: dict[str, dict[str, str]] = {}
    try:
        with fits.open(fits.FileName(Path(path))) as file:
            for hdu in file:
                if not isinstance(hdu, fits.TableHDU):
                    continue
                missing = [c for c in ("ALIAS", "VALUES") if c not in hdu.columns]
                if missing:
                    raise CalibrationError(f"there is no column {', '.join(missing)}", file=path, hdu=hdu.label)
                table = hdu.read(["ALIAS", "VALUES"])
                values = table["VALUES"].reshape(hdu.nrows, -1)
                names = out.setdefault(hdu.name.strip().upper(), {})
                for alias, row in zip(table["ALIAS"].tolist(), values.tolist(), strict=True):
                    for value in row:
                        if value.strip():
                            names.setdefault(value.strip().upper(), alias.strip().upper())
    except FitsError as exc:
        raise CalibrationError(f"the aliases cannot be read: {exc.cause}", file=path, hdu=exc.hdu) from exc
    return out
