"""What is answered at which path: tables, datalink, archives of files, names, files, buckets."""

from __future__ import annotations

import html
import re
import tarfile
import threading
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from wolter.archive.description import archived_missions
from wolter.archive.server import votable as documents
from wolter.archive.server.buckets import Bucket
from wolter.archive.server.content import Answer, Part, file_answer
from wolter.archive.server.database import Database, Field, Result
from wolter.errors import ArchiveError

if TYPE_CHECKING:
    from wolter.archive.server.serving import ArchiveServer

__all__ = ["Services", "tar_parts"]

_XML = "text/xml; charset=utf-8"
_VOTABLE = "application/x-votable+xml"
_Fields = list[tuple[str, str]]


def _now(days: float = 0.0) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _text(body: str | bytes, kind: str = "text/plain; charset=utf-8", status: int = 200) -> Answer:
    return Answer(status, {"Content-Type": kind}, [Part(body if isinstance(body, bytes) else body.encode())])


def tar_parts(members: Iterable[tuple[str, Path]]) -> list[Part]:
    """Parts of an uncompressed tar file of the members (name, path)."""
    parts: list[Part] = []
    for name, path in members:
        stat = path.stat()
        info = tarfile.TarInfo(name)
        info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), 0o644
        parts += [Part(info.tobuf(tarfile.PAX_FORMAT)), Part(path=path, size=stat.st_size)]
        parts.append(Part(b"\0" * (-stat.st_size % tarfile.BLOCKSIZE)))
    parts.append(Part(b"\0" * 2 * tarfile.BLOCKSIZE))
    return parts


class Services:
    """Answers of a local archive.

    Parameters
    ----------
    front : ArchiveServer
    database : Database
    """

    def __init__(self, front: ArchiveServer, database: Database) -> None:
        self.front, self.database = front, database
        self.files = front.inventory.files
        self.jobs: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()
        self.folders: dict[str, dict[str, int | None]] = {"": {}}
        for place, path in self.files.items():
            parts = place.split("/")
            for i in range(len(parts)):
                above = "/".join(parts[:i])
                size = path.stat().st_size if i == len(parts) - 1 else None
                self.folders.setdefault(above, {})[parts[i]] = size
        self.bucket = Bucket(front.bucket, self.files)
        self.own = [e for e in archived_missions().values() if e.own]
        self.taps = {"/xamin/vo/tap", *(urlsplit(e.own["tap"]).path for e in self.own)}
        self.aios = {urlsplit(e.own["files"]).path: e for e in self.own}

    def answer(self, method: str, path: str, query: str, fields: _Fields, headers: Mapping[str, str]) -> Answer:
        """Answer to a request."""
        tap = next((t for t in self.taps if path == t or path.startswith(f"{t}/")), None)
        if tap is not None:
            return self._tap(method, tap, path[len(tap) :].strip("/"), fields)
        if path.startswith("/xamin/vo/datalink/"):
            return self._datalink(path.rpartition("/")[2], fields)
        if path == "/xamin/TarServlet":
            return self._tar(fields)
        if path in self.aios:
            return self._aio(dict(fields))
        if path.startswith("/cgi-bin/nph-sesame/"):
            return self._sesame(query)
        if path == f"/{self.bucket.name}" or path.startswith(f"/{self.bucket.name}/"):
            return self.bucket.answer(method, unquote(path[len(self.bucket.name) + 1 :].lstrip("/")), fields, headers)
        if path.rstrip("/") == "/FTP" or path.startswith("/FTP/"):
            return self._file(unquote(path[4:]), headers)
        if path == "/":
            return self._front_page()
        return _text(f"there is nothing at {path}\n", status=404)

    def _front_page(self) -> Answer:
        n = len(self.front.inventory.observations)
        rows = ""
        for one in self.front.inventory.observations:
            name = html.escape(f"{one.entry.mission.title} {one.obsid} {one.facts['target']}")
            rows += f'<li>{name} <a href="/FTP/{quote(one.place)}/">files</a></li>'
        page = f"<!DOCTYPE html><html><body><h1>Local archive</h1><p>{n} observations</p><ul>{rows}</ul></body></html>"
        return _text(page, "text/html; charset=utf-8")

    # --- files ------------------------------------------------------------------------------------------------------

    def _file(self, path: str, headers: Mapping[str, str]) -> Answer:
        place = "/".join(p for p in path.split("/") if p)
        if place in self.files:
            return file_answer(self.files[place], headers)
        if place in self.folders:
            if not path.endswith("/"):
                return Answer(301, {"Location": f"/FTP/{quote(place)}/" if place else "/FTP/"})
            from wolter.archive.server.serving import index_page

            return _text(index_page(f"/FTP/{place}", self.folders[place]), "text/html; charset=utf-8")
        return _text(f"there is no file {place}\n", status=404)

    def _below(self, place: str) -> list[str]:
        return [p for p in self.files if p == place or p.startswith(place + "/")]

    def _tar(self, fields: _Fields) -> Answer:
        asked = next((v for k, v in fields if k == "files"), "")
        members: list[tuple[str, Path]] = []
        for item in re.split(r"&&", asked):
            place = "/".join(p for p in item.strip().lstrip(">").split("/") if p).removeprefix("FTP/")
            above = place.rpartition("/")[0]
            members += [(p[len(above) :].lstrip("/"), self.files[p]) for p in self._below(place) if place]
        if not members:
            return _text("none of the files asked for is here\n", status=404)
        return Answer(200, {"Content-Type": "application/x-tar"}, tar_parts(members))

    def _aio(self, fields: dict[str, str]) -> Answer:
        obsid = fields.get("obsno") or fields.get("obsid") or ""
        observed = next((o for o in self.front.inventory.observations if o.obsid == obsid and o.entry.own), None)
        if observed is None:
            return _text("No data found for this observation\n", status=404)
        level, name = fields.get("level", "").upper(), fields.get("name", "").upper()
        ending = fields.get("extension", "").upper()
        chosen = []
        for place in self._below(observed.place):
            below = place[len(observed.place) + 1 :]
            in_odf = below.upper().startswith("ODF/") or below.upper().endswith(".SAS")
            if (not level or (level == "ODF") == in_odf) and name in below.upper() and below.upper().endswith(ending):
                chosen.append((f"{obsid}/{below}", self.files[place]))
        if not chosen:
            return _text("No data found for this request\n", status=404)
        disposition = f"attachment; filename={obsid}.tar"
        headers = {"Content-Type": "application/x-tar", "Content-Disposition": disposition}
        return Answer(200, headers, tar_parts(chosen))

    def _datalink(self, catalog: str, fields: _Fields) -> Answer:
        chars = ("ID", "access_url", "service_def", "error_message", "semantics", "description", "content_type")
        columns = (*(Field(n, "char") for n in chars), Field("content_length", "long", "byte"))
        rows: list[tuple[Any, ...]] = []
        for key, value in fields:
            if key.upper() != "ID":
                continue
            ivoid = value if value.startswith("ivo://") else f"ivo://nasa.heasarc/{catalog}?{value}"
            observed = self.database.rows.get((catalog, value.rpartition("?")[2]))
            if observed is None:
                rows.append((ivoid, "", "", f"NotFoundFault: {value}", "#this", "", "", None))
                continue
            below = self._below(observed.place)
            size = sum(self.files[p].stat().st_size for p in below)
            url = f"{self.front.url}/FTP/{quote(observed.place)}/"
            rows.append((ivoid, url, "", "", "#this", f"Data of {observed.obsid}", "directory", size))
        return _text(documents.votable(Result(columns, rows, False)), f"{_VOTABLE};content=datalink")

    def _sesame(self, query: str) -> Answer:
        name = unquote(query.replace("+", "%20")) if "%" not in query else unquote(query)
        found = self.front.inventory.names.get("".join(name.lower().split()))
        lines = [f"# {name}\t#Q0"]
        if found is None:
            lines += ["#=S=Simbad (local): 0", "#!SNV: Nothing found", "#====Done===="]
        else:
            lines += ["#=S=Simbad (local): 1", f"%J {found[1]:.7f} {found[2]:+.7f} = ", f"%I.0 {found[0]}"]
            lines.append("#====Done====")
        return _text("\n".join(lines) + "\n")

    # --- tables -----------------------------------------------------------------------------------------------------

    def _tap(self, method: str, base: str, what: str, fields: _Fields) -> Answer:
        if what == "tables":
            return _text(documents.tables_document(self.database.tables.values()), _XML)
        if what == "capabilities":
            return _text(documents.capabilities(self.front.url + base, self.front.maxrec), _XML)
        if what == "availability":
            ns = 'xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0"'
            return _text(f"<vosi:availability {ns}><vosi:available>true</vosi:available></vosi:availability>", _XML)
        if what == "sync":
            try:
                return _text(self._query({k.upper(): v for k, v in fields}), _VOTABLE)
            except ArchiveError as exc:
                return _text(documents.error_document(str(exc)), _VOTABLE, 400)
        if what == "async" or what.startswith("async/"):
            return self._async(method, base, what.split("/")[1:], {k.upper(): v for k, v in fields})
        return _text(f"there is no service {what!r}\n", status=404)

    def _query(self, fields: Mapping[str, str]) -> bytes:
        if fields.get("LANG", "ADQL").upper().partition("-")[0] != "ADQL":
            raise ArchiveError("only ADQL is spoken here")
        if not fields.get("QUERY"):
            raise ArchiveError("there is no QUERY")
        maxrec = fields.get("MAXREC", "")
        limit = min(int(maxrec), self.front.maxrec) if maxrec.isdigit() else self.front.maxrec
        return documents.votable(self.database.ask(fields["QUERY"], limit), query=fields["QUERY"])

    def _async(self, method: str, base: str, parts: list[str], fields: dict[str, str]) -> Answer:
        url = f"{self.front.url}{base}/async"
        if not parts:
            if method != "POST":
                with self._lock:
                    return _text(documents.job_list(list(self.jobs.values())), _XML)
            return Answer(303, {"Location": f"{url}/{self._new_job(fields)}"})
        job = self.jobs.get(parts[0])
        if job is None:
            return _text(f"there is no job {parts[0]}\n", status=404)
        here = f"{url}/{job['id']}"
        if method == "DELETE" or fields.get("ACTION") == "DELETE":
            with self._lock:
                self.jobs.pop(parts[0], None)
            return Answer(303, {"Location": url})
        what = "/".join(parts[1:])
        if not what:
            return _text(documents.job_document(job, here), _XML)
        if what == "results/result":
            done = job.get("result")
            return _text(done, _VOTABLE) if done else _text("there is no result yet\n", status=404)
        if what == "error":
            return _text(documents.error_document(job.get("error") or ""), _VOTABLE)
        if method == "POST":
            self._change(job, what, fields)
            return Answer(303, {"Location": here})
        value = {"phase": job["phase"], "executionduration": str(job["duration"]), "destruction": job["destruction"]}
        return _text(value[what]) if what in value else _text(f"there is no {what}\n", status=404)

    def _new_job(self, fields: dict[str, str]) -> str:
        key = uuid.uuid4().hex[:12]
        parameters = {k: v for k, v in fields.items() if k != "PHASE"}
        job = {"id": key, "phase": "PENDING", "created": _now(), "duration": int(self.database.time_limit),
               "destruction": _now(7.0), "parameters": parameters}  # fmt: skip
        with self._lock:
            self.jobs[key] = job
            while len(self.jobs) > 1000:
                del self.jobs[next(iter(self.jobs))]
        if fields.get("PHASE", "").upper() == "RUN":
            self._change(job, "phase", fields)
        return key

    def _change(self, job: dict[str, Any], what: str, fields: dict[str, str]) -> None:
        if what == "parameters":
            job["parameters"].update(fields)
        elif what == "phase" and fields.get("PHASE", "").upper() == "ABORT":
            job["phase"] = "ABORTED" if job["phase"] in ("PENDING", "EXECUTING") else job["phase"]
        elif what == "phase" and fields.get("PHASE", "").upper() == "RUN" and job["phase"] == "PENDING":
            job.update(phase="EXECUTING", start=_now())
            threading.Thread(target=self._run, args=(job,), daemon=True).start()

    def _run(self, job: dict[str, Any]) -> None:
        try:
            job["result"] = self._query(job["parameters"])
            phase = "COMPLETED"
        except Exception as exc:
            job["error"], phase = str(exc), "ERROR"
        job.update(end=_now())
        if job["phase"] == "EXECUTING":
            job["phase"] = phase
