"""Bytes from local files, HTTPS and public S3 buckets: whole files that arrive verified or not at all, and ranges.

`Transport` moves files (`Transport.download`, `Transport.download_many`), lists folders and buckets
(`Transport.list`), asks short questions (`Transport.fetch`) and opens files for reading at offsets
(`Transport.open`). It holds the connections and the patience; nothing is global.
"""

from __future__ import annotations

from wolter.transport.address import is_remote, safe_path
from wolter.transport.client import Policy
from wolter.transport.download import Download, Request
from wolter.transport.listing import Entry
from wolter.transport.reader import RemoteFile
from wolter.transport.session import Transport, default_transport

__all__ = [
    "Download",
    "Entry",
    "Policy",
    "RemoteFile",
    "Request",
    "Transport",
    "default_transport",
    "is_remote",
    "safe_path",
]
