"""Find and fetch observations: search catalogues, list files by role, fetch only those, serve a local archive.

::

    from wolter import archive
    found = archive.search("Mrk 501", radius=5 * u.arcmin)
    print(archive.locate("01004701"))            # what there is and how large, nothing is fetched
    got = archive.fetch("01004701", to="data")   # what an analysis needs
    wolter.Observation(got)
"""

from __future__ import annotations

from wolter.archive.catalogues import get_default_radius, list_catalogs, query
from wolter.archive.fetch import Fetched, fetch
from wolter.archive.host import Archive
from wolter.archive.locate import ArchiveFile, Holdings, locate
from wolter.archive.names import resolve
from wolter.archive.search import search
from wolter.archive.server import ArchiveServer

__all__ = [
    "Archive",
    "ArchiveFile",
    "ArchiveServer",
    "Fetched",
    "Holdings",
    "fetch",
    "get_default_radius",
    "list_catalogs",
    "locate",
    "query",
    "resolve",
    "search",
]
