"""Documents of the Virtual Observatory: tables (VOTable 1.4), table sets, capabilities (VOSI 1.1), jobs (UWS 1.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from wolter.archive.server.database import Field, Result, SchemaTable

__all__ = ["capabilities", "error_document", "job_document", "job_list", "tables_document", "votable"]

_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_VOTABLE = f'<VOTABLE version="1.4" {_XSI} xmlns="http://www.ivoa.net/xml/VOTable/v1.3">\n'


def _clean(text: str) -> str:
    """Text without the control characters that XML forbids."""
    return "".join(c if c >= " " or c in "\t\n\r" else "?" for c in text)


def votable(result: Result, *, query: str = "") -> bytes:
    """A table."""
    parts = [_HEAD, _VOTABLE, '<RESOURCE type="results">\n<INFO name="QUERY_STATUS" value="OK"/>\n']
    if query:
        parts.append(f'<INFO name="QUERY" value={quoteattr(_clean(query))}/>\n')
    parts.append("<TABLE>\n")
    names = [f.name for f in result.fields]
    for i, f in enumerate(result.fields):
        parts.append(_field(f, [row[i] for row in result.rows], first=names.index(f.name) == i))
    parts.append("<DATA><TABLEDATA>\n")
    for row in result.rows:
        cells = "".join(_cell(v, f) for v, f in zip(row, result.fields, strict=True))
        parts.append(f"<TR>{cells}</TR>\n")
    parts.append("</TABLEDATA></DATA>\n</TABLE>\n")
    if result.overflow:
        parts.append('<INFO name="QUERY_STATUS" value="OVERFLOW"/>\n')
    parts.append("</RESOURCE>\n</VOTABLE>\n")
    return "".join(parts).encode("utf-8")


def _field(field: Field, values: Sequence[Any], *, first: bool) -> str:
    datatype, size = field.datatype, ""
    if datatype == "char":
        size = ' arraysize="*"'
        if not all(str(v).isascii() for v in values if v is not None):
            datatype = "unicodeChar"
    unit = f" unit={quoteattr(field.unit)}" if field.unit else ""
    about = f"<DESCRIPTION>{escape(field.description)}</DESCRIPTION>" if field.description else ""
    null = '<VALUES null="-2147483648"/>' if datatype in ("int", "long") and None in values else ""
    name = quoteattr(field.name)
    key = f" ID={name}" if first and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.\-]*", field.name) else ""
    return f'<FIELD{key} name={name} datatype="{datatype}"{size}{unit}>{about}{null}</FIELD>\n'


def _cell(value: Any, field: Field) -> str:
    if value is None:
        if field.datatype in ("int", "long"):
            return "<TD>-2147483648</TD>"
        return "<TD>NaN</TD>" if field.datatype == "double" else "<TD/>"
    if isinstance(value, float):
        return f"<TD>{'NaN' if math.isnan(value) else repr(value)}</TD>"
    return f"<TD>{escape(_clean(str(value)))}</TD>"


def error_document(message: str) -> bytes:
    """An answer that says what is wrong with the question."""
    info = f'<INFO name="QUERY_STATUS" value="ERROR">{escape(_clean(message))}</INFO>'
    return f'{_HEAD}{_VOTABLE}<RESOURCE type="results">{info}</RESOURCE>\n</VOTABLE>\n'.encode()


def tables_document(tables: Iterable[SchemaTable]) -> bytes:
    """All tables with their columns."""
    schemas: dict[str, list[SchemaTable]] = {}
    for table in tables:
        schemas.setdefault(table.name.rpartition(".")[0] or "public", []).append(table)
    out = [
        _HEAD,
        f'<vosi:tableset {_XSI} xmlns:vosi="http://www.ivoa.net/xml/VOSITables/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1">\n',
    ]
    for schema, members in schemas.items():
        out.append(f"<schema><name>{escape(schema)}</name>\n")
        for table in members:
            out.append(f'<table type="table"><name>{escape(table.name)}</name>')
            out.append(f"<description>{escape(table.description)}</description>\n")
            for f in table.fields:
                size = ' arraysize="*"' if f.datatype == "char" else ""
                unit = f"<unit>{escape(f.unit)}</unit>" if f.unit else ""
                out.append(
                    f"<column><name>{escape(f.name)}</name><description>{escape(f.description)}</description>{unit}"
                    f'<dataType xsi:type="vs:VOTableType"{size}>{f.datatype}</dataType></column>\n'
                )
            out.append("</table>\n")
        out.append("</schema>\n")
    out.append("</vosi:tableset>\n")
    return "".join(out).encode("utf-8")


def capabilities(tap: str, maxrec: int) -> bytes:
    """What the table service can do."""

    def simple(standard: str, path: str) -> str:
        url = escape(f"{tap}/{path}")
        return (
            f'<capability standardID="ivo://ivoa.net/std/VOSI#{standard}"><interface xsi:type="vs:ParamHTTP">'
            f'<accessURL use="full">{url}</accessURL></interface></capability>\n'
        )

    forms = "".join(f"<feature><form>{g}</form></feature>" for g in
                    ("POINT", "CIRCLE", "BOX", "POLYGON", "CONTAINS", "INTERSECTS", "DISTANCE"))  # fmt: skip
    spaces = (
        'xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0" xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0"'
        ' xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1" xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0"'
    )
    text = (
        f"{_HEAD}<vosi:capabilities {_XSI} {spaces}>\n"
        + simple("availability", "availability")
        + simple("capabilities", "capabilities")
        + simple("tables", "tables")
        + '<capability standardID="ivo://ivoa.net/std/TAP" xsi:type="tr:TableAccess">'
        f'<interface role="std" xsi:type="vs:ParamHTTP"><accessURL use="base">{escape(tap)}</accessURL></interface>\n'
        '<language><name>ADQL</name><version ivo-id="ivo://ivoa.net/std/ADQL#v2.0">2.0</version>'
        f'<languageFeatures type="ivo://ivoa.net/std/TAPRegExt#features-adqlgeo">{forms}</languageFeatures></language>\n'
        "<outputFormat><mime>application/x-votable+xml</mime><alias>votable</alias></outputFormat>"
        f'<outputLimit><default unit="row">{maxrec}</default><hard unit="row">{maxrec}</hard></outputLimit>\n'
        "</capability>\n</vosi:capabilities>\n"
    )
    return text.encode()


def job_document(job: dict[str, Any], url: str) -> bytes:
    """State of an asynchronous job."""
    parameters = "".join(f'<uws:parameter id="{escape(k)}">{escape(_clean(v))}</uws:parameter>'
                         for k, v in job["parameters"].items())  # fmt: skip
    done = job["phase"] == "COMPLETED"
    result = f'<uws:result id="result" xlink:href="{escape(url)}/results/result"/>' if done else ""
    problem = ""
    if job.get("error"):
        said = f"<uws:message>{escape(_clean(job['error']))}</uws:message>"
        problem = f'<uws:errorSummary type="fatal" hasDetail="true">{said}</uws:errorSummary>'
    nil = ' xsi:nil="true"'
    moments = "".join(
        f"<uws:{tag}>{job[key]}</uws:{tag}>" if job.get(key) else f"<uws:{tag}{nil}/>"
        for tag, key in (("startTime", "start"), ("endTime", "end"))
    )
    spaces = 'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    text = (
        f'{_HEAD}<uws:job {spaces} {_XSI} version="1.1"><uws:jobId>{job["id"]}</uws:jobId><uws:ownerId{nil}/>'
        f"<uws:phase>{job['phase']}</uws:phase><uws:quote{nil}/><uws:creationTime>{job['created']}</uws:creationTime>"
        f"{moments}<uws:executionDuration>{job['duration']}</uws:executionDuration>"
        f"<uws:destruction>{job['destruction']}</uws:destruction><uws:parameters>{parameters}</uws:parameters>"
        f"<uws:results>{result}</uws:results>{problem}</uws:job>\n"
    )
    return text.encode()


def job_list(jobs: Iterable[dict[str, Any]]) -> bytes:
    """References to all jobs."""
    spaces = 'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0"'
    refs = "".join(f'<uws:jobref id="{j["id"]}"><uws:phase>{j["phase"]}</uws:phase></uws:jobref>' for j in jobs)
    return f'{_HEAD}<uws:jobs {spaces} version="1.1">{refs}</uws:jobs>\n'.encode()
