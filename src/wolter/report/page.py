"""Pieces of HTML; all text goes through `escape`."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib import resources
from typing import Any

__all__ = ["Figure", "escape", "figures", "items", "page", "paragraph", "section", "table"]


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    attribute = f' class="{escape(kind)}"' if kind else ""
    return f"<p{attribute}>{escape(text)}</p>"


def items(texts: Iterable[str], kind: str = "") -> str:
    """A list of sentences; nothing if there are none."""
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    attribute = f' class="{escape(kind)}"' if kind else ""
    return f"<ul{attribute}>{lines}</ul>" if lines else ""


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    text: Sequence[int] = (),
    code: Sequence[int] = (),
) -> str:
    """A table; nothing if there are no rows.

    Parameters
    ----------
    caption : str
    head : sequence of str
        Heads of the columns.
    rows : iterable of sequences
        Cells; the first of a row is its head.
    text, code : sequence of int
        Columns that are words (others are numbers and stand to the right), and those that are names or hashes.
    """

    def cell(column: int, value: Any) -> str:
        kinds = ["num"] if column not in text and column not in code else []
        kinds += ["code"] if column in code else []
        attribute = f' class="{" ".join(kinds)}"' if kinds else ""
        tag, scope = ("th", ' scope="row"') if column == 0 else ("td", "")
        return f"<{tag}{scope}{attribute}>{escape(str(value))}</{tag}>"

    body = "".join("<tr>" + "".join(cell(i, v) for i, v in enumerate(row)) + "</tr>" for row in rows)
    if not body:
        return ""
    heads = "".join(
        f'<th scope="col"{"" if i in text or i in code else " class=num"}>{escape(name)}</th>'
        for i, name in enumerate(head)
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class Figure:
    """A rendered figure.

    Parameters
    ----------
    content : bytes
        The file.
    kind : {"svg", "png"}
    caption : str
        What it shows, below it.
    alt : str
        The same for those who cannot see it, with the main numbers.
    wide : bool
        Takes the whole width.
    """

    def __init__(self, content: bytes, kind: str, caption: str, alt: str, *, wide: bool = False) -> None:
        self.content, self.kind, self.caption, self.alt, self.wide = content, kind, caption, alt, wide


_TYPES = {"svg": "image/svg+xml", "png": "image/png"}


def figures(pictures: Sequence[Figure]) -> str:
    """Figures inside the page, as data URIs, numbered from one."""
    out = []
    for number, picture in enumerate(pictures, start=1):
        data = base64.b64encode(picture.content).decode("ascii")
        kind = "wide" if picture.wide else "narrow"
        out.append(
            f'<figure class="{kind}"><img src="data:{_TYPES[picture.kind]};base64,{data}" alt="{escape(picture.alt)}">'
            f"<figcaption><b>Figure {number}.</b> {escape(picture.caption)}</figcaption></figure>"
        )
    return f'<div class="figures">{"".join(out)}</div>' if out else ""


def section(title: str, *parts: str) -> str:
    """A section with a heading; nothing if all its parts are empty."""
    body = "\n".join(part for part in parts if part)
    if not body:
        return ""
    name = escape("-".join(title.lower().split()))
    head = f'<h2 id="h-{name}">{escape(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="h-{name}">{head}\n{body}\n</section>'


def page(title: str, subtitle: str, sections: Sequence[str], record: Any) -> str:
    """The whole document.

    Parameters
    ----------
    title, subtitle : str
    sections : sequence of str
        HTML; empty ones are left out.
    record : JSON-ready object
        The result for programs, embedded.
    """
    css = resources.files("wolter.report").joinpath("style.css").read_text(encoding="utf-8")
    # "</script>" inside a string would end the element; JSON allows "<\/".
    data = json.dumps(_finite(record), ensure_ascii=True).replace("</", "<\\/")
    body = "\n".join(s for s in sections if s)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="Wolter">
<title>{escape(title)}</title>
<style>
{css}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p></header>
<main>
{body}
</main>
<script type="application/json" id="result">{data}</script>
</body>
</html>
"""


def _finite(value: Any) -> Any:
    """The same with None for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
