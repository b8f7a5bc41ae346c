"""Responses of a spectrum from the calibration database, for missions whose database holds them ready for use."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wolter.caldb import Caldb, CalFile
from wolter.errors import ResponseError
from wolter.mission import get_mission, missions

__all__ = ["caldb_of", "caldb_responses", "names_caldb"]


def caldb_of(place: Any) -> Caldb | None:
    """The database that an argument ``responses`` means.

    Parameters
    ----------
    place : object
        A `Caldb`; "caldb"; "caldb:<file>" for the database with this lock file.

    Returns
    -------
    Caldb or None
        None for anything else.
    """
    if isinstance(place, Caldb):
        return place
    if not names_caldb(place):
        return None
    lock = place.strip().partition(":")[2]
    return Caldb(lock=lock or None)


def names_caldb(place: Any) -> bool:
    """Whether text means the calibration database: "caldb" or "caldb:<lock file>"."""
    return isinstance(place, str) and place.strip().partition(":")[0].lower() == "caldb"


def caldb_responses(
    caldb: Caldb,
    telescop: str,
    instrume: str,
    *,
    detnam: str = "",
    filter: str = "",
    date: str = "",
    weighting: str | None = None,
    weight_boundaries: Mapping[str, str] | None = None,
    kinds: tuple[str, ...] = ("rmf", "arf"),
) -> list[Path]:
    """Response files of a detector, on this computer.

    Parameters
    ----------
    caldb : Caldb
    telescop, instrume, detnam, filter, date : str
        As in the header of the spectrum; an empty date asks for those of all times.
    weighting : str, optional
        STOKESWT.
    weight_boundaries : mapping, optional
        Boundary WEIGHT that belongs to each STOKESWT; by default the mission's.
    kinds : tuple of str
        "rmf", "arf", "mrf".

    Returns
    -------
    list of Path
        All that fit equally well, each once.

    Raises
    ------
    ResponseError
        If the mission's database has no responses ready for use, or none fits; says which condition excluded them.
    CalibrationError, TransportError
        The database cannot be read or reached.
    """
    known = {t for m in missions().values() for t in m.telescop}
    mission = get_mission(telescop) if telescop.strip().upper() in known else None
    codes: Mapping[str, str] = {} if mission is None else mission.caldb.get("responses", {})
    if mission is None or not codes:
        raise ResponseError(
            f"the calibration database holds no responses of {telescop or 'this telescope'} that are ready for use",
            cure="They depend on the region and the pointing: make them with the mission's software, or simulate.",
        )
    boundaries = {k.upper(): v.upper() for k, v in (weight_boundaries or mission.weight_boundaries).items()}
    boundary = boundaries.get((weighting or "").upper()) if weighting else ("NONE" if boundaries else None)
    if weighting and boundary is None:
        raise ResponseError(
            f"no calibration is known for spectra with STOKESWT {weighting} (known: {', '.join(boundaries) or 'none'})"
        )
    paths: dict[Path, None] = {}
    for kind in kinds:
        found = caldb.query(
            telescop, instrume, codes[kind], detector=detnam or None, filter=filter or None, date=date or None,
            expr=f"WEIGHT.eq.{boundary}" if boundary else None,
        )  # fmt: skip
        if not found:
            who = " ".join(x for x in (telescop, instrume, detnam, weighting or "") if x)
            raise ResponseError(
                f"the calibration database has no {kind.upper()} for {who}: {found.explanation}", file=caldb.root
            )
        for path in caldb.fetch(_explicit(list(found), boundary)):
            paths[path] = None
    return list(paths)


def _explicit(files: list[CalFile], boundary: str | None) -> list[CalFile]:
    """Those that say which weighting they are for, where some do: the others fit every question."""
    named = []
    for file in files:
        own = file.boundary("WEIGHT")
        if own is not None and boundary is not None and boundary in {str(v).upper() for v in own.values}:
            named.append(file)
    return named or files
