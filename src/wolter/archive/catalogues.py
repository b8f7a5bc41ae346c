"""The archive's catalogues: which there are, their default radius, questions in ADQL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from wolter.archive.description import archived_missions
from wolter.archive.host import Archive
from wolter.archive.tap import ask, text
from wolter.errors import ArchiveError

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["get_default_radius", "list_catalogs", "query"]


def query(adql: str, *, archive: Archive | None = None, maxrec: int | None = None, service: str | None = None) -> Table:
    """Ask the archive in its own words.

    Parameters
    ----------
    adql : str
        Query in ADQL.
    maxrec : int, optional
        Most rows; the result says so in ``meta["overflow"]`` when there are more.
    service : str, optional
        A mission's own archive ("xsa").

    Raises
    ------
    ArchiveError
        The archive does not understand the query.
    """
    host = archive or Archive()
    tap = host.tap
    if service:
        own = next((e.own for e in archived_missions().values() if e.own.get("name") == service.lower()), None)
        if own is None:
            raise ArchiveError(f"there is no archive {service!r}")
        tap = host.own_address(own, "tap")
    answer = ask(host.transport, tap, adql, maxrec=maxrec)
    table: Any = answer.table
    table.meta["overflow"] = answer.overflow
    return table


def list_catalogs(
    keywords: str | Iterable[str] | None = None, *, master: bool = False, archive: Archive | None = None
) -> Table:
    """Catalogues of the archive.

    Parameters
    ----------
    keywords : str or iterable of str, optional
        Words that name or description must hold: all words of one text, and of several texts any one.
    master : bool
        Only those that list observations.

    Returns
    -------
    astropy.table.Table
        ``name``, ``description``.
    """
    host = archive or Archive()
    table: Any = query("SELECT table_name, description FROM TAP_SCHEMA.tables", archive=host)
    texts = [keywords] if isinstance(keywords, str) else None if keywords is None else list(keywords)
    keep = []
    for name, about in zip(table["table_name"], table["description"], strict=True):
        name, whole = str(name), f"{name} {about}".lower()
        fits = texts is None or any(all(w in whole for w in t.lower().split()) for t in texts)
        keep.append("TAP_SCHEMA" not in name.upper() and fits and (not master or "mast" in name))
    out = table[np.array(keep, bool)] if len(table) else table
    out.rename_column("table_name", "name")
    return out


def get_default_radius(catalog: str, *, archive: Archive | None = None) -> Any:
    """Radius that suits a catalogue, as the archive says.

    Returns
    -------
    Quantity
        In arcmin.

    Raises
    ------
    ArchiveError
        The archive says nothing about it.
    """
    import astropy.units as u

    adql = f"SELECT value FROM metainfo WHERE name = {text(catalog)} AND relation = 'defaultSearchRadius'"
    table: Any = query(adql, archive=archive)
    if len(table) == 0:
        raise ArchiveError(f"the archive gives no default radius for {catalog!r}")
    return float(table["value"][0]) * u.arcmin
