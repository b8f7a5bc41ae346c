"""Addresses: which are remote, how a public S3 object is reached over HTTPS, which names may become files."""

from __future__ import annotations

import os
import re
from os import PathLike, fspath
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from wolter.errors import TransportError

__all__ = ["base_name", "http_address", "is_remote", "local_path", "s3_parts", "safe_path"]

_REMOTE = re.compile(r"(https?|s3)://", re.IGNORECASE)
_DRIVE = re.compile(r"[A-Za-z]:")


def is_remote(address: object) -> bool:
    """Whether an address means a server: ``http://``, ``https://`` or ``s3://``."""
    return isinstance(address, str) and _REMOTE.match(address) is not None


def local_path(address: str | PathLike[str]) -> Path:
    """Path of a local address (a path, or ``file://``)."""
    text = fspath(address)
    if text.lower().startswith("file://"):
        text = unquote(urlsplit(text).path)
    return Path(text)


def s3_parts(address: str) -> tuple[str, str]:
    """Bucket and key of ``s3://bucket/key``.

    Raises
    ------
    TransportError
        There is no bucket in it.
    """
    bucket, _, key = address[5:].partition("/")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.\-]{1,62}", bucket):
        raise TransportError(f"{bucket!r} is not the name of a bucket", file=address, cure="Write s3://bucket/key.")
    return bucket, key


def http_address(address: str, s3_endpoint: str | None = None) -> str:
    """The address that HTTP is spoken with.

    Parameters
    ----------
    address : str
        ``http(s)://`` addresses come back as they are; ``s3://bucket/key`` becomes the public REST address of the
        object.
    s3_endpoint : str, optional
        Server that speaks the S3 protocol, in place of Amazon's; buckets are then the first part of the path.
    """
    if not address.lower().startswith("s3://"):
        return address
    bucket, key = s3_parts(address)
    path = quote(key, safe="/-_.~!*'()")
    if s3_endpoint:
        return f"{s3_endpoint.rstrip('/')}/{bucket}/{path}"
    if "." in bucket:  # the wildcard certificate covers one level of names only
        return f"https://s3.amazonaws.com/{bucket}/{path}"
    return f"https://{bucket}.s3.amazonaws.com/{path}"


def base_name(address: str) -> str:
    """Name of the file at an address, as far as it may be one."""
    path = urlsplit(address).path if is_remote(address) else fspath(address)
    name = unquote(path.rstrip("/").rsplit("/", 1)[-1])
    return name if name not in ("", ".", "..") and not set(name) & set("/\\\0") else "download"


def safe_path(folder: str | PathLike[str], name: str) -> Path:
    """Path inside a folder for a name that a server gave.

    Parameters
    ----------
    folder : path-like
        Where files may appear.
    name : str
        Relative path with ``/``.

    Raises
    ------
    TransportError
        The name is absolute, climbs out of the folder (``..``, a symbolic link that leads elsewhere), or holds
        characters that no archive uses in names (backslash, NUL, other control characters).
    """
    root = Path(folder)

    def refuse(why: str) -> TransportError:
        cure = f"Nothing is written outside {root}; tell the archive."
        return TransportError(f"the server named a file {name!r}, {why}", cure=cure)

    if not name or name.startswith("/") or _DRIVE.match(name):
        raise refuse("which is not a relative path")
    if any(c < " " or c in "\\\x7f" for c in name):
        raise refuse("with characters that names must not have")
    parts = [p for p in name.split("/") if p not in ("", ".")]
    if not parts or ".." in parts:
        raise refuse("which leads out of the target folder")
    path = root.joinpath(*parts)
    real = os.path.realpath(path.parent)
    if os.path.commonpath([real, os.path.realpath(root)]) != os.path.realpath(root):
        raise refuse("which a symbolic link leads out of the target folder")
    return path
