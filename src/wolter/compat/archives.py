"""The real clients of the archives, pointed at another server: astroquery, boto3, astropy's name resolver.

Modules that are not imported yet are adapted when they are, so that pointing costs nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wolter.archive import Archive

__all__ = ["point_clients", "pointed_archive", "release_clients"]

_HEASARC = "astroquery.heasarc.core"
_XMM = "astroquery.esa.xmm_newton.core"
_NAMES = "astropy.coordinates.name_resolve"
_VARIABLES = ("AWS_ENDPOINT_URL_S3", "AWS_EC2_METADATA_DISABLED")


class _ThenLoader(Loader):
    """A module's own loader, followed by a change."""

    def __init__(self, loader: Any, change: Callable[[ModuleType], None]) -> None:
        self.loader, self.change = loader, change

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        self.change(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class _Adapter(MetaPathFinder):
    """Finds the modules to be adapted where they are, and changes them once they are loaded."""

    def __init__(self, changes: dict[str, Callable[[ModuleType], None]]) -> None:
        self.changes = changes

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        change = self.changes.get(fullname)
        if change is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ThenLoader(spec.loader, change)
        return spec


class _Pointing:
    """What was changed in this process, to be undone."""

    def __init__(self) -> None:
        self.adapter: _Adapter | None = None
        self.archive: Archive | None = None
        self.undo: list[Callable[[], None]] = []

    def start(self, archive: Archive) -> None:
        self.stop()
        self.archive = archive
        changes = {
            _HEASARC: lambda m: self._heasarc(m, archive),
            _XMM: lambda m: self._xmm(m, archive),
            _NAMES: lambda m: self._names(m, archive),
        }
        self.adapter = _Adapter(changes)
        sys.meta_path.insert(0, self.adapter)
        self.undo.append(lambda: sys.meta_path.remove(self.adapter) if self.adapter in sys.meta_path else None)
        for name, change in changes.items():
            if name in sys.modules:
                change(sys.modules[name])
        if archive.s3_endpoint:
            for name, value in zip(_VARIABLES, (archive.s3_endpoint, "true"), strict=True):
                self._set_variable(name, value)
        if not archive.data.startswith("https://heasarc.gsfc.nasa.gov/") and not os.environ.get("CALDB"):
            self._set_variable("CALDB", f"{archive.data}/caldb")

    def stop(self) -> None:
        while self.undo:
            self.undo.pop()()
        self.adapter = self.archive = None

    def _set_variable(self, name: str, value: str) -> None:
        before = os.environ.get(name)
        os.environ[name] = value

        def back() -> None:
            if before is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = before

        self.undo.append(back)

    def _set(self, owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        setattr(owner, name, value)
        self.undo.append(lambda: setattr(owner, name, before))

    def _heasarc(self, module: ModuleType, archive: Archive) -> None:
        cls = module.HeasarcClass
        for name, value in (("VO_URL", archive.vo), ("TAR_URL", archive.tar), ("S3_BUCKET", archive.bucket)):
            self._set(cls, name, value)
        self._forget(module)
        self.undo.append(lambda: self._forget(module))

    @staticmethod
    def _forget(module: ModuleType) -> None:
        """What the client has remembered of another server."""
        client = getattr(module, "Heasarc", None)
        if client is None:
            return
        for name in ("_tap", "_datalink", "_meta_info", "_session"):
            setattr(client, name, None)
        for name in ("s3_client", "s3_resource", "_last_result", "_last_catalog_name"):
            client.__dict__.pop(name, None)

    def _xmm(self, module: ModuleType, archive: Archive) -> None:
        from wolter.archive.description import archived_missions

        own = next((e.own for e in archived_missions().values() if e.own.get("name") == "xsa"), None)
        if own is not None:
            cls = module.XMMNewtonClass
            self._set(cls, "data_aio_url", archive.own_address(own, "files") + "?")

    def _names(self, module: Any, archive: Archive) -> None:
        before = module.sesame_url.get()
        module.sesame_url.set([archive.resolver])
        self.undo.append(lambda: module.sesame_url.set(before))


_POINTING = _Pointing()


def point_clients(archive: Archive | str) -> None:
    """Make `astroquery.heasarc`, boto3, s3fs and ``SkyCoord.from_name`` of this process talk to an archive.

    Parameters
    ----------
    archive : Archive or str
        Servers, or the address of one that offers everything (``wolter archive serve``).

    Notes
    -----
    For S3 the variable ``AWS_ENDPOINT_URL_S3`` is set, and CALDB to the server's copy of the calibration database where
    it is not set already; processes started from here inherit them.
    """
    from wolter.archive import Archive

    _POINTING.start(Archive(url=archive) if isinstance(archive, str) else archive)


def pointed_archive() -> Archive:
    """The archive that clients of this process talk to; HEASARC's own where nothing else was said."""
    from wolter.archive import Archive

    if _POINTING.archive is None:
        return Archive()
    return _POINTING.archive


def release_clients() -> None:
    """Undo `point_clients`."""
    _POINTING.stop()
