"""A local archive: a folder of observations over the protocols of the public archives, for teaching and tests."""

from __future__ import annotations

from wolter.archive.server.serving import ArchiveServer

__all__ = ["ArchiveServer"]
