"""Compressed shared files, unpacked once for all tests of a process."""

from __future__ import annotations

import atexit
import functools
import gzip
import lzma
import shutil
import tempfile
from pathlib import Path


@functools.cache
def _folder() -> Path:
    folder = tempfile.mkdtemp(prefix="wolter-unpacked-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


@functools.cache
def unpacked(source: Path) -> Path:
    """The plain file that a .xz or .gz holds."""
    target = _folder() / f"{abs(hash(source)):x}-{source.stem}"
    opener = {".gz": gzip.open, ".xz": lzma.open}[source.suffix]
    with opener(source) as packed, open(target, "wb") as plain:
        shutil.copyfileobj(packed, plain)
    return target
