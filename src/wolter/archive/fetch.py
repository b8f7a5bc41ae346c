"""Fetch what an analysis needs of an observation: chosen files, verified, resumable."""

from __future__ import annotations

import contextlib
import os
import shutil
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

from wolter.archive.description import ArchiveEntry
from wolter.archive.host import Archive
from wolter.archive.locate import Holdings, entry_for, locate
from wolter.archive.verify import check_file
from wolter.errors import ArchiveError, TransportError
from wolter.transport import Request, safe_path

__all__ = ["Fetched", "fetch"]


@dataclass(frozen=True)
class Fetched:
    """What was fetched of an observation.

    Attributes
    ----------
    path : Path
        Folder of the observation, for `wolter.Observation`.
    files : tuple of Path
    size : int
        Bytes of these files.
    moved : int
        Bytes that came over the network; less than ``size`` when something was there already.
    """

    mission: str
    obsid: str
    path: Path
    files: tuple[Path, ...]
    size: int
    moved: int

    def __fspath__(self) -> str:
        return os.fspath(self.path)


def fetch(
    obsid: str | Any,
    *,
    mission: str | None = None,
    what: str | Sequence[str] | None = None,
    names: Sequence[str] = (),
    to: str | os.PathLike[str] = ".",
    archive: Archive | None = None,
    host: str = "auto",
    verify: bool = True,
    overwrite: bool = False,
    progress: bool | None = None,
) -> Any:
    """Fetch files of observations.

    Parameters
    ----------
    obsid : str, Holdings, or rows of a search result
        Number of the observation, what `locate` gave (then ``what`` and ``names`` have been said already), or a table
        (or a row) that `search` gave.
    mission : str, optional
        Needed when several missions have numbers like this one.
    what : str or sequence of str, optional
        Roles wanted, "all" or "default"; see `locate`.
    names : sequence of str
        Patterns of names wanted besides.
    to : path-like
        Folder in which the observation's folder appears, as ``<to>/<obsid>``.
    archive : Archive, optional
    host : str
        "auto", "mirror", "s3", "https", "tar" (the archive's TAR service, which sends all in one piece that cannot be
        resumed), or the name of the mission's own archive ("xsa").
    verify : bool
        Check FITS check sums and compressed streams before a file gets its name.
    overwrite : bool
        Fetch files again that are there; otherwise those of the right size stay.
    progress : bool, optional
        Show a bar; by default on a terminal.

    Returns
    -------
    Fetched, or list of Fetched for several rows

    Raises
    ------
    ArchiveError
        No such observation or role, or nothing fits.
    TransportError, OutputError
        See `wolter.transport.Transport.download_many`. Calling again takes up where this one ended, as it does after
        an interruption or a kill.
    """
    options: dict[str, Any] = {
        "what": what, "names": names, "to": to, "archive": archive or Archive(), "host": host, "verify": verify,
        "overwrite": overwrite, "progress": progress,
    }  # fmt: skip
    if isinstance(obsid, str):
        return _fetch_one(obsid, mission=mission, **options)
    if isinstance(obsid, Holdings):
        return _from_holdings(obsid, Path(to) / obsid.obsid, options["archive"], host, options)
    if hasattr(obsid, "colnames") and not hasattr(obsid, "as_void"):
        return [_fetch_one(str(row["obsid"]), mission=mission or str(row["mission"]), **options) for row in obsid]
    return _fetch_one(str(obsid["obsid"]), mission=mission or str(obsid["mission"]), **options)


def _fetch_one(obsid: str, *, mission: str | None, to: Any, archive: Archive, host: str, **rest: Any) -> Fetched:
    entry = entry_for(obsid, mission)
    folder = Path(to) / obsid
    if entry.own and host == entry.own["name"]:
        return _from_own(entry, obsid, folder, archive, rest)
    holdings = locate(obsid, mission=entry.mission.name, what=rest["what"], names=rest["names"], archive=archive,
                      host=host)  # fmt: skip
    return _from_holdings(holdings, folder, archive, host, rest)


def _from_holdings(holdings: Holdings, folder: Path, archive: Archive, host: str, rest: dict[str, Any]) -> Fetched:
    """The files that were chosen."""
    obsid = holdings.obsid
    if not holdings.chosen:
        raise ArchiveError(
            f"observation {obsid} has no files of the roles asked for",
            cure=f"It has {', '.join(sorted({f.role for f in holdings.files if f.role}))}.",
        )
    if host == "tar":
        return _from_tar(holdings, folder, archive, rest)
    check = check_file if rest["verify"] else None
    requests = [Request(f.url, safe_path(folder, f.name), f.size, check=check) for f in holdings.chosen]
    done = archive.transport.download_many(
        requests, overwrite=rest["overwrite"], progress=rest["progress"], description=f"fetching {obsid}"
    )
    return Fetched(
        holdings.entry.mission.name, obsid, folder, tuple(d.path for d in done), sum(d.size for d in done),
        sum(d.moved for d in done),
    )  # fmt: skip


def _from_tar(holdings: Holdings, folder: Path, archive: Archive, rest: dict[str, Any]) -> Fetched:
    """Through the TAR service: all chosen files in one answer."""
    paths = "&&>".join(f"/FTP/{holdings.place}/{f.name}" for f in holdings.chosen)
    data = {"files": f">{paths}&&", "filter": ""}
    scratch = folder.with_name(f".{holdings.obsid}.tar")
    got = archive.transport.download(archive.tar, scratch, data=data, overwrite=True, progress=rest["progress"])
    try:
        wanted = {f"{holdings.obsid}/{f.name}": f.name for f in holdings.chosen}
        wanted |= {f.name.rpartition("/")[2]: f.name for f in holdings.chosen}  # members without folders
        files = _unpack(scratch, folder, lambda name: wanted.get(name), rest)
    finally:
        scratch.unlink(missing_ok=True)
    missing = {safe_path(folder, f.name) for f in holdings.chosen} - set(files)
    if missing:
        raise TransportError(f"the TAR service left out {len(missing)} of the files", file=sorted(missing)[0])
    return Fetched(holdings.entry.mission.name, holdings.obsid, folder, tuple(files), sum(_sizes(files)), got.moved)


def _from_own(entry: ArchiveEntry, obsid: str, folder: Path, archive: Archive, rest: dict[str, Any]) -> Fetched:
    """From the mission's own archive, which packs what is asked for by level and name."""
    own = entry.own
    roles = entry.chosen(rest["what"])
    requests = own["requests"]
    queries: list[dict[str, str]] = list(requests["all"]) if roles is None else []
    for role in roles or ():
        if role not in requests:
            known = ", ".join(requests)
            raise ArchiveError(f"the archive {own['name']} is not asked for the role {role!r} (for {known})")
        queries += requests[role]
    files: list[Path] = []
    moved = 0
    refusals: list[str] = []
    for number, query in enumerate(queries):
        url = f"{archive.own_address(own, 'files')}?{urlencode({'obsno': obsid, **query}, quote_via=quote)}"
        scratch = folder.with_name(f".{obsid}.{number}.answer")
        try:
            got = archive.transport.download(url, scratch, overwrite=True, progress=rest["progress"])
            moved += got.moved
            if tarfile.is_tarfile(scratch):
                files += _unpack(scratch, folder, lambda name: name.removeprefix("./").removeprefix(f"{obsid}/"), rest)
            else:
                files.append(_single(scratch, folder, got.filename, rest))
        except (ArchiveError, TransportError) as exc:  # not every instrument was on
            if isinstance(exc, TransportError) and exc.status != 404:
                raise
            refusals.append(exc.cause)
        finally:
            scratch.unlink(missing_ok=True)
    if not files:
        raise ArchiveError(
            f"the archive {own['name']} has nothing of this kind of observation {obsid}: {'; '.join(refusals)}",
            cure="Check the number and the roles; data that are not public yet are not served.",
        )
    return Fetched(entry.mission.name, obsid, folder, tuple(files), sum(_sizes(files)), moved)


def _single(scratch: Path, folder: Path, name: str, rest: dict[str, Any]) -> Path:
    """One file that came without a tar around it."""
    with scratch.open("rb") as stream:
        head = stream.read(512)
    if not head.startswith((b"SIMPLE  =", b"\x1f\x8b", b"%PDF", b"\x89PNG")):
        said = " ".join(head.decode("utf-8", "replace").split())[:200]
        raise ArchiveError(f"the archive has nothing of this kind: {said}")
    if not name:
        raise ArchiveError("the archive sent a file without a name")
    target = safe_path(folder, name)
    with scratch.open("rb") as stream:
        _put(stream, target, rest)
    return target


def _unpack(path: Path, folder: Path, place: Any, rest: dict[str, Any]) -> list[Path]:
    """Regular files of a tar, each under the name that ``place`` gives it (None: not wanted)."""
    files: list[Path] = []
    try:
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.isfile():
                    if member.issym() or member.islnk() or member.isdev():
                        raise TransportError(f"the archive file holds a link or device: {member.name!r}")
                    continue
                safe_path(folder, member.name)  # refuse tricks even in names that are not wanted
                name = place(member.name)
                if name is None:
                    continue
                target = safe_path(folder, name)
                stream = tar.extractfile(member)
                assert stream is not None
                _put(stream, target, rest)
                files.append(target)
    except (tarfile.TarError, EOFError) as exc:
        raise TransportError(f"the TAR file is damaged: {exc}", cure="Try again.") from exc
    return files


def _put(stream: IO[bytes], target: Path, rest: dict[str, Any]) -> None:
    """Write a file under a temporary name, look at it, put it in place."""
    if target.is_file() and not rest["overwrite"]:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    try:
        with part.open("wb") as out:
            shutil.copyfileobj(stream, out, 1 << 20)
        if rest["verify"]:
            check_file(part)
        os.replace(part, target)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def _sizes(files: Sequence[Path]) -> list[int]:
    return [f.stat().st_size for f in files]
