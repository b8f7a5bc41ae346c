"""What a mission says about its place in the archives, as one typed record.

Keys of ``Mission.archive`` (all text is the archive's own spelling):

``catalog``, ``title``, ``radius`` (arcmin)
    Master catalogue, its title, default radius of searches where the archive does not give one.
``obsid``
    Regular expression of a whole observation number.
``columns``
    For ``obsid``, ``target``, ``ra``, ``dec``, ``start``, ``exposure``, ``modes``, ``public``: names that the
    catalogue's column may have, best first.
``table``
    Columns of the catalogue that a local server offers: (name, fact, unit, description).
``folder``
    ``folder(obsid, start) -> str | None``: folder below the archive's root.
``roles``, ``default``
    Patterns of file names below that folder by role; the roles an analysis needs.
``own``
    The mission's own archive, if it has one: ``tap``, ``files``, ``table``, ``columns``, ``requests``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from wolter.errors import ArchiveError, suggest
from wolter.mission import Mission, get_mission, missions

__all__ = ["ArchiveEntry", "archived_missions", "entry_of", "guess_missions"]

_PLAIN = {"obsid": ("obsid",), "ra": ("ra",), "dec": ("dec",)}


@dataclass(frozen=True)
class ArchiveEntry:
    """`Mission.archive` with the defaults filled in."""

    mission: Mission
    catalog: str
    title: str
    radius: float
    obsid: str
    columns: Mapping[str, tuple[str, ...]]
    folder: Callable[[str, Any], str | None]
    roles: Mapping[str, tuple[str, ...]]
    default: tuple[str, ...]
    table: tuple[tuple[str, str, str, str], ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)

    def role_of(self, name: str) -> str | None:
        """Role of a file by its name below the observation's folder; the first pattern that fits counts."""
        lower = name.lower()
        for role, patterns in self.roles.items():
            if any(fnmatchcase(lower, p.lower()) for p in patterns):
                return role
        return None

    def chosen(self, what: str | list[str] | tuple[str, ...] | None) -> tuple[str, ...] | None:
        """Roles meant by ``what``; None means every file.

        Raises
        ------
        ArchiveError
            For a role that the mission does not have.
        """
        if what is None:
            return self.default
        asked = [what] if isinstance(what, str) else list(what)
        out: list[str] = []
        for one in asked:
            for text in one.split(","):
                key = " ".join(text.replace("_", " ").replace("-", " ").lower().split())
                if key == "all":
                    return None
                if key == "default":
                    out += self.default
                elif key in self.roles:
                    out.append(key)
                else:
                    raise ArchiveError(
                        f"{self.mission.title} has no files of the role {text.strip()!r}; it has"
                        f" {', '.join(self.roles)}; or 'all', 'default'",
                        cure=suggest(key, [*self.roles, "all"]) or None,
                    )
        return tuple(dict.fromkeys(out))


def entry_of(mission: str | Mission) -> ArchiveEntry:
    """Archive entry of a mission.

    Raises
    ------
    MissionError
        There is no such mission.
    ArchiveError
        Its description does not say where its archive is.
    """
    found = mission if isinstance(mission, Mission) else _by_name(mission)
    a = found.archive
    if not a.get("catalog"):
        raise ArchiveError(f"the description of {found.title} does not say where its observations are archived")
    return ArchiveEntry(
        found,
        a["catalog"],
        a.get("title", a["catalog"]),
        float(a.get("radius", 15.0)),
        a.get("obsid", r"\w+"),
        {**_PLAIN, **a.get("columns", {})},
        a["folder"],
        a.get("roles", {}),
        tuple(a.get("default", ())),
        tuple(a.get("table", ())),
        a.get("own", {}),
    )


def _by_name(name: str) -> Mission:
    """Mission by name, TELESCOP, catalogue, or the first word of its name."""
    key = name.strip().lower()
    for mission in missions().values():
        if key in (mission.name, mission.archive.get("catalog"), mission.name.partition("_")[0]):
            return mission
    return get_mission(name)


def archived_missions() -> dict[str, ArchiveEntry]:
    """Entries of all missions whose descriptions have one."""
    return {name: entry_of(m) for name, m in missions().items() if m.archive.get("catalog")}


def guess_missions(obsid: str) -> list[ArchiveEntry]:
    """Missions whose observation numbers look like this one."""
    return [e for e in archived_missions().values() if re.fullmatch(e.obsid, obsid.strip())]
