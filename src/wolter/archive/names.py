"""Positions of named objects: through Sesame (CDS), remembered on disk."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING
from urllib.parse import quote

from wolter.errors import ArchiveError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

    from wolter.archive.host import Archive

__all__ = ["resolve"]

_POSITION = re.compile(r"%J\s*([0-9.]+)\s+([+\-0-9.]+)")


def resolve(name: str, *, archive: Archive | None = None, refresh: bool = False) -> SkyCoord:
    """Position of an object by its name.

    Parameters
    ----------
    name : str
        As astronomers write it; case and blanks do not matter to the resolver.
    archive : Archive, optional
        Its ``resolver`` is asked and its ``cache`` remembers.
    refresh : bool
        Ask again even if the answer is known.

    Returns
    -------
    SkyCoord
        ICRS.

    Raises
    ------
    ArchiveError
        No object of this name is known.
    TransportError
        The resolver cannot be reached, and the name was never asked before.
    """
    from astropy.coordinates import SkyCoord

    from wolter.archive.host import Archive

    here = archive or Archive()
    key = " ".join(name.split()).lower()
    if not key:
        raise ArchiveError("the name of the object is empty")
    path = here.cache_folder / "names.json"
    known: dict[str, dict[str, list[float]]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(path.read_text(encoding="utf-8"))
    found = known.get(here.resolver, {}).get(key)
    if found is None or refresh:
        url = f"{here.resolver.rstrip('/')}/SNV?{quote(name.strip())}"
        answer = here.transport.fetch(url, limit=1 << 20).decode("utf-8", "replace")
        match = _POSITION.search(answer)
        if match is None:
            raise ArchiveError(
                f"no object {name!r} is known to the name resolver",
                file=here.resolver,
                cure="Check the spelling, or give the position as SkyCoord.",
            )
        found = [float(match[1]), float(match[2])]
        known.setdefault(here.resolver, {})[key] = found
        _remember(path, known)
    return SkyCoord(*found, unit="deg")


def _remember(path, known) -> None:
    from wolter.fits import atomic_path

    with contextlib.suppress(OSError):  # a cache that cannot be written is no reason to fail
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary:
            temporary.write_text(json.dumps(known), encoding="utf-8")
