"""Which files an observation has, in what roles, how large: before any of them is fetched."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from wolter.archive.description import ArchiveEntry, archived_missions, entry_of, guess_missions
from wolter.archive.host import Archive
from wolter.archive.tap import read_votable
from wolter.errors import ArchiveError, TransportError
from wolter.transport import Entry

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["ArchiveFile", "Holdings", "find_place", "locate"]

HOSTS = ("auto", "mirror", "s3", "https", "tar")


@dataclass(frozen=True)
class ArchiveFile:
    """A file of an observation in the archive.

    Attributes
    ----------
    name : str
        Path below the observation's folder.
    role : str or None
        What it is for; None for files that the mission's description does not know.
    size : int or None
        Bytes.
    url : str
    chosen : bool
        Whether it belongs to what was asked for.
    """

    name: str
    role: str | None
    size: int | None
    url: str
    chosen: bool


@dataclass(frozen=True)
class Holdings:
    """The files of one observation.

    Attributes
    ----------
    entry : ArchiveEntry
    obsid : str
    place : str
        Folder in the archive.
    host : str
        Where the files were listed: "mirror", "s3" or "https".
    files : tuple of ArchiveFile
    """

    entry: ArchiveEntry
    obsid: str
    place: str
    host: str
    files: tuple[ArchiveFile, ...]

    @property
    def chosen(self) -> tuple[ArchiveFile, ...]:
        """Files that were asked for."""
        return tuple(f for f in self.files if f.chosen)

    @property
    def size(self) -> int:
        """Bytes of the files that were asked for, as far as known."""
        return sum(f.size or 0 for f in self.chosen)

    @property
    def total(self) -> int:
        """Bytes of all files, as far as known."""
        return sum(f.size or 0 for f in self.files)

    def to_table(self) -> Table:
        """``name``, ``role``, ``size`` (byte), ``chosen`` of all files."""
        from astropy.table import Table

        rows = [(f.name, f.role or "", f.size or 0, f.chosen) for f in self.files] or None
        table: Any = Table(
            rows=rows or None, names=("name", "role", "size", "chosen"), dtype=("U64", "U32", "i8", "bool")
        )
        table["size"].unit = "byte"
        return table

    def __str__(self) -> str:
        by_role: dict[str, list[int]] = {}
        for f in self.files:
            entry = by_role.setdefault(f.role or "(other)", [0, 0, 0])
            entry[0], entry[1], entry[2] = entry[0] + 1, entry[1] + (f.size or 0), entry[2] + f.chosen
        lines = [f"{self.entry.mission.title} {self.obsid}: {len(self.files)} files, {megabytes(self.total)}"]
        for role, (count, size, wanted) in by_role.items():
            mark = "*" if wanted else " "
            lines.append(f" {mark} {role:<32} {count:>4} files {megabytes(size):>12}")
        lines.append(f"chosen (*): {len(self.chosen)} files, {megabytes(self.size)}")
        return "\n".join(lines)


def megabytes(nbytes: int) -> str:
    """A number of bytes for people."""
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e9 else f"{nbytes / 1e6:.2f} MB"


def locate(
    obsid: str,
    *,
    mission: str | None = None,
    what: str | Sequence[str] | None = None,
    names: Sequence[str] = (),
    archive: Archive | None = None,
    host: str = "auto",
) -> Holdings:
    """Files of an observation, with their roles and sizes.

    Parameters
    ----------
    obsid : str
        Number of the observation.
    mission : str, optional
        Needed when several missions have numbers like this one.
    what : str or sequence of str, optional
        Roles wanted ("cleaned events", "attitude", ...), "all", or "default", what an analysis needs, which is meant
        when nothing is said.
    names : sequence of str
        Patterns of names wanted besides, e.g. ``"auxil/*"``.
    archive : Archive, optional
    host : {"auto", "mirror", "s3", "https"}
        Where to look: a local mirror, the public bucket, the web server; "auto" takes the first of these that has
        the observation.

    Raises
    ------
    ArchiveError
        There is no such observation, or role.
    TransportError
        The archive cannot be reached.
    """
    servers = archive or Archive()
    if host not in HOSTS:
        raise ArchiveError(f"there is no host {host!r}", cure=f"Choose one of {', '.join(HOSTS)}.")
    entry = entry_for(obsid, mission)
    roles = entry.chosen(list(what) if what is not None and not isinstance(what, str) else what)
    place, found, used = _list(entry, obsid, servers, host)

    def chosen(name: str, role: str | None) -> bool:
        from fnmatch import fnmatchcase

        return roles is None or role in roles or any(fnmatchcase(name.lower(), p.lower()) for p in names)

    files = []
    for one in found:
        role = entry.role_of(one.name)
        files.append(ArchiveFile(one.name, role, one.size, one.url, chosen(one.name, role)))
    holdings = Holdings(entry, obsid, place, used, tuple(files))
    return _with_sizes(holdings, servers)


def _with_sizes(holdings: Holdings, servers: Archive) -> Holdings:
    """Sizes of chosen files that the listing did not give."""
    missing = [f for f in holdings.chosen if f.size is None]
    if not missing:
        return holdings
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(servers.policy.workers) as pool:
        sizes = dict(zip(missing, pool.map(lambda f: servers.transport.info(f.url).size, missing), strict=True))
    files = tuple(replace(f, size=sizes[f]) if f in sizes else f for f in holdings.files)
    return replace(holdings, files=files)


def entry_for(obsid: str, mission: str | None) -> ArchiveEntry:
    if not re.fullmatch(r"[A-Za-z0-9_\-]+", obsid or ""):
        raise ArchiveError(f"{obsid!r} is not the number of an observation")
    if mission is not None:
        return entry_of(mission)
    guesses = guess_missions(obsid)
    if len(guesses) == 1:
        return guesses[0]
    titles = ", ".join(e.mission.name for e in guesses or archived_missions().values())
    kind = "several missions number" if guesses else "no mission numbers"
    raise ArchiveError(f"{kind} their observations like {obsid!r}", cure=f"Name the mission: one of {titles}.")


def _list(entry: ArchiveEntry, obsid: str, servers: Archive, host: str) -> tuple[str, list[Entry], str]:
    """Folder, files, and the host that has them."""
    tried: list[str] = []
    place = entry.folder(obsid, None)
    for asked in (False, True):
        if asked:  # the catalogue knows better than the pattern
            place = find_place(entry, obsid, servers)
        if place is None:
            continue
        for one in ("mirror", "s3", "https") if host == "auto" else ("s3",) if host == "tar" else (host,):
            base = {"mirror": servers.mirror, "s3": servers.s3, "https": servers.data}[one]
            if base is None:
                continue
            try:
                found = servers.transport.list(f"{str(base).rstrip('/')}/{place}/")
            except TransportError as exc:
                if exc.status not in (404, None) and host != "auto":
                    raise
                tried.append(str(exc))
                continue
            if found:
                return place, found, one
            tried.append(f"{base}/{place}: empty")
    raise ArchiveError(
        f"{entry.mission.title} has no files of observation {obsid} here ({'; '.join(tried) or 'nothing was found'})",
        cure="Check the number; data that are not public yet are not served.",
    )


def find_place(entry: ArchiveEntry, obsid: str, servers: Archive) -> str | None:
    """Folder of an observation as the archive's datalink gives it, else by the catalogue's start time.

    Raises
    ------
    ArchiveError
        The catalogue does not know the observation.
    """
    from wolter.archive.search import search

    found: Any = search(obsid=obsid, mission=entry.mission.name, public=False, archive=servers)
    if len(found) == 0:
        raise ArchiveError(
            f"the catalogue {entry.catalog} has no observation {obsid}",
            file=servers.tap,
            cure="Check the number; search by name or position.",
        )
    row = str(found["row"][0])
    if row:
        url = _datalink(servers, entry.catalog, row)
        if url and "FTP/" in url:
            return unquote(url.split("FTP/", 1)[1]).strip("/")
    start: Any = found["start"][0]
    return entry.folder(obsid, start.to_datetime())


def _datalink(servers: Archive, catalog: str, row: str) -> str | None:
    """Address of the folder with the data of a row of a catalogue."""
    where = f"{servers.vo}/datalink/{catalog}"
    table: Any = read_votable(servers.transport.fetch(where, data={"ID": row}), where=where).table
    for line in table:
        if str(line["content_type"]) == "directory" and not str(line["error_message"]):
            return str(line["access_url"])
    return None
