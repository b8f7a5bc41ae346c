"""`Archive`: which servers are asked. Nothing else in Wolter knows an archive's address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from wolter.transport import Policy, Transport

__all__ = ["Archive"]

_HEASARC = "https://heasarc.gsfc.nasa.gov"
_SESAME = "https://cds.unistra.fr/cgi-bin/nph-sesame/"


@dataclass(frozen=True)
class Archive:
    """Addresses of an archive and of the name resolver.

    Parameters
    ----------
    url : str
        Server with HEASARC's services and data tree; the other addresses follow from it unless they are given.
    vo, tar, data : str, optional
        Virtual Observatory services (``<vo>/tap``, ``<vo>/datalink/<catalogue>``), TAR service, root of the data tree.
    s3 : str
        Bucket with a copy of the data tree.
    s3_endpoint : str, optional
        Server of the bucket in place of Amazon's.
    resolver : str
        Sesame name resolver.
    mirror : path, optional
        Local copy of the data tree (on SciServer ``/FTP``); used before the network when it is there.
    cache : path, optional
        Folder for names that were resolved and tables that were asked for; by default in the user's cache folder.
    own : mapping
        Addresses that replace those of missions' own archives: ``{name: {"tap": ..., "files": ...}}``.
    policy : Policy
        Patience and pace.
    """

    url: str = _HEASARC
    vo: str = ""
    tar: str = ""
    data: str = ""
    s3: str = "s3://nasa-heasarc"
    s3_endpoint: str | None = None
    resolver: str = ""
    mirror: Path | str | None = None
    cache: Path | str | None = None
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        root = self.url.rstrip("/")
        local = root != _HEASARC
        defaults = {
            "vo": f"{root}/xamin/vo",
            "tar": f"{root}/xamin/TarServlet",
            "data": f"{root}/FTP",
            "resolver": f"{root}/cgi-bin/nph-sesame/" if local else _SESAME,
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        object.__setattr__(self, "url", root)
        if self.s3_endpoint is None and local:
            object.__setattr__(self, "s3_endpoint", root)

    @cached_property
    def transport(self) -> Transport:
        """Connections to these servers."""
        return Transport(self.policy, s3_endpoint=self.s3_endpoint)

    @property
    def tap(self) -> str:
        """Address of the table service."""
        return f"{self.vo}/tap"

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.s3.removeprefix("s3://").partition("/")[0]

    def own_address(self, own: Mapping[str, Any], what: str) -> str:
        """Address of a mission's own archive, or what replaces it."""
        if own["name"] in self.own:
            return self.own[own["name"]][what]
        if self.url == _HEASARC:
            return own[what]
        path = own[what].split("://", 1)[1].partition("/")[2]
        return f"{self.url}/{path}"

    @property
    def cache_folder(self) -> Path:
        """Where answers are kept."""
        if self.cache is not None:
            return Path(self.cache)
        import platformdirs

        return Path(platformdirs.user_cache_path("wolter", appauthor=False)) / "archive"
