"""What a folder holds: a local one, a prefix of a public S3 bucket, or a web server's index page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urljoin, urlsplit
from xml.etree import ElementTree

from wolter.errors import TransportError
from wolter.transport.address import http_address, is_remote, local_path, s3_parts

if TYPE_CHECKING:
    from wolter.transport.session import Transport

__all__ = ["Entry", "list_files"]

_DEEPEST = 12
_MOST_FILES = 200_000
_PAGE_BYTES = 64 << 20
_PAGE_KEYS = 1000  # most that S3 gives at once


@dataclass(frozen=True)
class Entry:
    """A file in a listing.

    Attributes
    ----------
    url : str
        Where to fetch it.
    name : str
        Path below the folder listed, with ``/``.
    size : int or None
        Bytes; index pages do not say.
    etag : str or None
    """

    url: str
    name: str
    size: int | None = None
    etag: str | None = None


def list_files(transport: Transport, url: str, *, md5: bool = False) -> list[Entry]:
    """All files below a folder; see `Transport.list`."""
    if not is_remote(url):
        return list(_local(local_path(url)))
    found: list[Entry] = []
    pages = _s3(transport, url) if url.lower().startswith("s3://") else _index(transport, _folder(url))
    for entry in pages:
        found.append(entry)
        if len(found) > _MOST_FILES:
            raise TransportError(f"there are more than {_MOST_FILES} files", file=url, cure="List a smaller folder.")
    return sorted(found, key=lambda e: e.name)


def _folder(url: str) -> str:
    return url if url.endswith("/") else url + "/"


def _local(folder: Path) -> Iterator[Entry]:
    if not folder.is_dir():
        raise TransportError("there is no such folder", file=folder)
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        yield Entry(os.fspath(path), path.relative_to(folder).as_posix(), path.stat().st_size)


def _s3(transport: Transport, url: str) -> Iterator[Entry]:
    """Objects under a prefix, page after page (a page has at most 1000).

    Source: Amazon S3 API reference, ListObjectsV2.
    """
    bucket, key = s3_parts(_folder(url))
    base = http_address(f"s3://{bucket}/", transport.s3_endpoint).rstrip("/")
    if transport.s3_endpoint is None and "." not in bucket:
        base += "/"
    token: str | None = None
    seen: set[str] = set()
    while True:
        params = {"list-type": "2", "prefix": key, "encoding-type": "url", "max-keys": str(_PAGE_KEYS)}
        if token:
            params["continuation-token"] = token
        text = transport.fetch(base, params=params, limit=_PAGE_BYTES)
        try:
            root = ElementTree.fromstring(text)
        except ElementTree.ParseError as exc:
            raise TransportError(f"the list of the bucket is not understood: {exc}", file=url) from exc
        space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        for item in root.iter(f"{space}Contents"):
            name = unquote(item.findtext(f"{space}Key") or "")
            size = item.findtext(f"{space}Size") or ""
            if not name.startswith(key) or name.endswith("/"):
                continue
            etag = (item.findtext(f"{space}ETag") or "").strip('"') or None
            yield Entry(f"s3://{bucket}/{name}", name[len(key) :], int(size) if size.isdigit() else None, etag)
        token = root.findtext(f"{space}NextContinuationToken")
        if (root.findtext(f"{space}IsTruncated") or "").lower() != "true" or not token:
            return
        if token in seen:
            raise TransportError("the server gives the same page of its list again and again", file=url)
        seen.add(token)


class _Links(HTMLParser):
    """Targets of the links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


def _index(transport: Transport, url: str, *, depth: int = 0, above: str = "") -> Iterator[Entry]:
    """Files of a web server's index pages: links that lead one step down, nothing else."""
    if depth > _DEEPEST:
        raise TransportError(f"the folders are nested more than {_DEEPEST} deep", file=url)
    page = _Links()
    page.feed(transport.fetch(url, limit=_PAGE_BYTES).decode("utf-8", "replace"))
    here = urlsplit(url)
    for link in dict.fromkeys(page.found):
        there = urlsplit(urljoin(url, link))
        if there.query or there.fragment or there.netloc != here.netloc or not there.path.startswith(here.path):
            continue
        name = unquote(there.path[len(here.path) :])
        if not name.strip("/") or "/" in name.strip("/") or name.strip("/") in (".", ".."):
            continue
        if name.endswith("/"):
            yield from _index(transport, urljoin(url, quote(name)), depth=depth + 1, above=above + name)
        else:
            yield Entry(urljoin(url, quote(name)), above + name)
