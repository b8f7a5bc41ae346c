"""How façades get their original names: a finder inside a session, a folder of shims for the processes it starts."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

__all__ = ["activate", "deactivate", "executables", "facades", "shim_environment", "write_shims"]

_PACKAGE = "wolter.compat"
# Original names; each is the name of the façade's module in this package too.
_NAMES = ("xspec", "heasoftpy", "xga")
# Stand-ins for packages that notebooks load: only where the real ones are absent.
_ABSENT = tuple(name for name in ("wurlitzer", "astroquery") if importlib.util.find_spec(name) is None)

_SHIM = '''"""Leads to Wolter's {name}."""

import importlib
import sys

from wolter.compat import activate

activate(children=False)
sys.modules[__name__] = importlib.import_module("{package}.{name}")
'''


def facades() -> dict[str, str]:
    """Original name -> module, of all façades that this version has."""
    names = (*_NAMES, *_ABSENT)
    return {name: f"{_PACKAGE}.{name}" for name in names if importlib.util.find_spec(f"{_PACKAGE}.{name}") is not None}


class _AliasLoader(Loader):
    """Gives the façade's module itself, so that both names are one object."""

    def __init__(self, target: str) -> None:
        self.target = target
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.target)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import machinery has put the alias's there


class _Finder(MetaPathFinder):
    """Finds ``heasoftpy`` and ``heasoftpy.utils`` in this package."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self.targets = dict(targets)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, rest = fullname.partition(".")
        if top not in self.targets:
            return None
        module = f"{self.targets[top]}.{rest}" if rest else self.targets[top]
        if rest:
            try:
                if importlib.util.find_spec(module) is None:
                    return None
            except ModuleNotFoundError:
                return None
        return ModuleSpec(fullname, _AliasLoader(module), is_package=False)


class _Session:
    """What `activate` changed in this process, to be undone."""

    def __init__(self) -> None:
        self.finder: _Finder | None = None
        self.shadowed: dict[str, ModuleType] = {}
        self.environment: dict[str, str | None] = {}
        self.folder: Path | None = None

    def start(self, *, children: bool) -> tuple[str, ...]:
        if self.finder is None:
            targets = facades()
            for name in _under(targets):
                module = sys.modules[name]
                if not (module.__name__ == _PACKAGE or module.__name__.startswith(_PACKAGE + ".")):
                    self.shadowed[name] = sys.modules.pop(name)
            self.finder = _Finder(targets)
            sys.meta_path.insert(0, self.finder)
            importlib.invalidate_caches()
        if children and self.folder is None:
            self._start_children()
        return tuple(self.finder.targets)

    def _start_children(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="wolter-shims-"))
        atexit.register(_remove_folder, self.folder, os.getpid())
        write_shims(self.folder)
        for name, value in shim_environment(self.folder, os.environ).items():
            self.environment[name] = os.environ.get(name)
            os.environ[name] = value

    def stop(self) -> None:
        if self.finder is not None:
            if self.finder in sys.meta_path:
                sys.meta_path.remove(self.finder)
            for name in _under(self.finder.targets):
                del sys.modules[name]
            sys.modules.update(self.shadowed)
        for name, value in self.environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self.folder is not None:
            _remove_folder(self.folder, os.getpid())
        self.__init__()


_SESSION = _Session()


def _under(targets: Mapping[str, str]) -> list[str]:
    return [name for name in sys.modules if name.partition(".")[0] in targets]


def _remove_folder(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a forked child
        shutil.rmtree(folder, ignore_errors=True)


def activate(*, children: bool = True) -> tuple[str, ...]:
    """See `wolter.compat.activate`."""
    return _SESSION.start(children=children)


def deactivate() -> None:
    """See `wolter.compat.deactivate`."""
    _SESSION.stop()


def executables() -> tuple[str, ...]:
    """Names of the tasks that are put on PATH."""
    from wolter.compat.heasoftpy.core import available

    return available()


def write_shims(folder: Path) -> None:
    """Fill a folder with what child processes need.

    ``folder/python`` holds one package for each façade, ``folder/bin`` one executable for each task.

    Parameters
    ----------
    folder : Path
        An existing folder; its contents must not outlive this installation.
    """
    python, programs = folder / "python", folder / "bin"
    python.mkdir()
    programs.mkdir()
    for name in facades():
        package = python / name
        package.mkdir()
        (package / "__init__.py").write_text(_SHIM.format(name=name, package=_PACKAGE), encoding="utf-8")
    for name in executables():
        program = programs / name
        words = [sys.executable, "-m", _PACKAGE, "--task", name]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n', encoding="utf-8")
        program.chmod(0o755)


def shim_environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Variables to set for processes that shall find façades and tasks.

    The folder of this interpreter follows the tasks on PATH, so that ``!python`` in a notebook is the Python that
    has Wolter, as in an activated environment.

    Parameters
    ----------
    folder : Path
        The folder of `write_shims`.
    environment : mapping
        Variables as they are.
    """
    path = [str(folder / "bin"), os.path.dirname(sys.executable), environment.get("PATH", os.defpath)]
    modules = [str(folder / "python"), *filter(None, [environment.get("PYTHONPATH")])]
    return {"PATH": os.pathsep.join(path), "PYTHONPATH": os.pathsep.join(modules)}
