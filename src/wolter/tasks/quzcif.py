"""The task ``quzcif``: where calibration files are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wolter.caldb import Caldb, CalFile
from wolter.errors import OutputError, warn
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]

_MOST = 50  # data sets that the legacy task has room for


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    maxret = p["maxret"]
    if maxret > _MOST:
        result.messages += ["Warning: maxret cannot be greater than 50", "Resetting maxret to 50"]
        maxret = result.parameters["maxret"] = _MOST
    caldb = Caldb()
    found = caldb.query(
        p["mission"] or "-", p["instrument"] or "-", p["codename"] or "-", detector=p["detector"], filter=p["filter"],
        date=p["date"], time=p["time"], stop_date=p["date"], stop_time=p["time"], expr=p["expr"], maxret=maxret,
        exact=True,
    )  # fmt: skip
    result.parameters["nfound"] = found.total
    for name in ("detector", "filter", "date", "time", "expr"):
        result.parameters[name] = p[name] or "-"
    if not found:
        result.messages.append("No datasets found matching selection criteria")
        warn(f"quzcif: {found.explanation}")
        return
    if found.total > maxret and p["chatter"] > 10:
        result.messages += ["Warning: More files were found than are shown here"]
        result.messages += ["Use the maxret parameter to increase the number of files shown"]
    copies = _retrieve(caldb, list(found), p["clobber"]) if p["retrieve"] and caldb.remote else {}
    if copies:
        result.products["calibration"] = tuple(copies.values())
    result.messages += [file.line(copies[file.place].name if file.place in copies else None) for file in found]


def _retrieve(caldb: Caldb, files: list[CalFile], clobber: bool) -> dict[str, Path]:
    """Copies in the current folder, by place."""
    from wolter.transport import Request

    online = {f.place: f for f in files if f.online}
    targets = {place: Path(file.name) for place, file in online.items()}
    if len(set(targets.values())) < len(targets):
        raise OutputError("two of the calibration files have the same name", cure="Ask for one of them at a time.")
    for path in targets.values():
        if path.exists() and not clobber:
            raise OutputError("there is a file of this name already", file=path, cure="Say clobber=yes to replace it.")
    paths = caldb.fetch(online.values())
    requests = [Request(str(source), targets[place]) for source, place in zip(paths, online, strict=True)]
    caldb.transport.download_many(requests, overwrite=clobber, progress=False)
    return targets


TASK = Task(
    "quzcif",
    (
        Parameter("mission", "s", ..., "TELESCOP of the calibration"),
        Parameter("instrument", "s", ..., "INSTRUME of the calibration"),
        Parameter("detector", "s", "-", "DETNAM; - if it does not matter"),
        Parameter("filter", "s", "-", "FILTER; - if it does not matter"),
        Parameter("codename", "s", ..., "kind of calibration (CCNM0001), e.g. MATRIX"),
        Parameter("date", "s", ..., "date it must be valid for: yyyy-mm-dd, now, or - for any"),
        Parameter("time", "s", ..., "time of that day: hh:mm:ss, now, or -"),
        Parameter("expr", "s", "-", "condition on boundaries, e.g. THETA.eq.5.and.ENERGY.eq.2"),
        Parameter("maxret", "i", 50, "most data sets to print", hidden=True),
        Parameter("retrieve", "b", False, "copy files from a server into the current folder", hidden=True),
        Parameter("clobber", "b", False, "replace files that are there", hidden=True),
        Parameter("chatter", "i", 0, "how much to say", hidden=True),
        Parameter("nfound", "i", 0, "number of data sets found (set by the task)", hidden=True),
    ),
    _run,
    "Path and extension of calibration files; the database is what CALDB says, else HEASARC's server.",
)
