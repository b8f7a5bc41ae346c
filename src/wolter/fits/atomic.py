"""Files appear whole or not at all: written under another name in the same folder, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from os import PathLike, fspath
from pathlib import Path

from wolter.errors import OutputError, WolterError

__all__ = ["atomic_path"]

_CURES = {
    errno.ENOSPC: "Free some space or write elsewhere.",
    errno.EDQUOT: "Free some space or write elsewhere.",
    errno.EACCES: "Choose a folder that you may write to.",
    errno.EPERM: "Choose a folder that you may write to.",
    errno.EROFS: "The file system is read-only; choose another folder.",
}
_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "there is no permission to write here",
    errno.EPERM: "there is no permission to write here",
    errno.EROFS: "there is no permission to write here",
}
_WRITE_ERRORS = frozenset({*_CURES, errno.EIO, errno.EFBIG})


@contextlib.contextmanager
def atomic_path(path: str | PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Context manager that gives a temporary path in the same folder and renames it at the end.

    When the block raises (KeyboardInterrupt too) the temporary file is removed and what stood at ``path`` stays. A
    process that is killed leaves the old file, or the new one, and at worst a hidden ``.<name>.<random>.part`` file
    that nothing else looks at.

    Parameters
    ----------
    path : path-like
        Where the file is to appear; of a symbolic link the file it points to is replaced.
    overwrite : bool
        Replace a file that is there already.

    Yields
    ------
    Path
        An empty file to write to, with the suffix of ``path``.

    Raises
    ------
    OutputError
        There is a file already (and no ``overwrite``), the folder is missing or not writable, the disk is full.
    """
    target = Path(os.path.realpath(path)) if os.path.islink(path) else Path(path)
    _check_target(target, overwrite)
    temporary = _reserve(target)
    try:
        try:
            yield temporary
            _move(temporary, target, overwrite)
        except WolterError:
            raise
        except OSError as exc:
            if exc.errno in _WRITE_ERRORS:
                raise _output_error(exc, target) from exc
            raise
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def _check_target(target: Path, overwrite: bool) -> None:
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return
    except OSError as exc:
        if exc.errno == errno.ENOTDIR:
            return  # reserving the temporary file says it better
        raise _output_error(exc, target) from exc
    if stat.S_ISDIR(mode):
        raise OutputError("there is a folder of this name", file=target, cure="Give a file name.")
    if not stat.S_ISREG(mode):
        raise OutputError("this is a device, not a file that can be replaced", file=target)
    if not overwrite:
        raise _exists(target)


def _exists(target: Path) -> OutputError:
    cure = "Pass overwrite=True (on the command line --overwrite) to replace it."
    return OutputError("the file exists already", file=target, cure=cure)


def _reserve(target: Path) -> Path:
    """Create an empty file of a new hidden name beside the target."""
    folder = target.parent
    while True:
        stem = target.name[:100].removesuffix(target.suffix)
        temporary = folder / f".{stem}.{os.urandom(4).hex()}.part{target.suffix}"
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
            return temporary
        except FileExistsError:
            continue
        except (FileNotFoundError, NotADirectoryError) as exc:
            what = "is not a folder" if folder.exists() else "does not exist"
            raise OutputError(f"the folder {folder} {what}", file=target, cure="Make the folder first.") from exc
        except OSError as exc:
            raise _output_error(exc, target) from exc


def _move(temporary: Path, target: Path, overwrite: bool) -> None:
    if overwrite:
        with contextlib.suppress(OSError):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))  # the file keeps its permissions
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)  # unlike a rename it fails when somebody else was faster
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _exists(target) from None
        os.replace(temporary, target)


def _output_error(exc: OSError, target: Path) -> OutputError:
    number = exc.errno or 0
    cause = _CAUSES.get(number, f"writing failed: {exc.strerror or exc}")
    return OutputError(cause, file=fspath(target), cure=_CURES.get(number))
