"""Link expressions: as XSPEC reads and writes them, and as the engine wants them."""

from __future__ import annotations

import re

__all__ = ["engine_text", "shown_text", "tokens"]

_TOKEN = re.compile(
    r"\s*(?:(?P<real>\d*\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)|(?:\w+:)?[pP](?P<par>\d+)(?!\w)|(?P<int>\d+)"
    r"|(?P<name>[A-Za-z]\w*)|(?P<op>\*\*|[-+*/^(),])|(?P<bad>\S))"
)


def tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of each token; a bare integer is a parameter number, as in XSPEC.

    Raises
    ------
    ValueError
        For a character without a meaning.
    """
    out = []
    for match in _TOKEN.finditer(text.strip().removeprefix("=").strip()):
        kind = match.lastgroup
        if kind is None:
            continue
        value = match[kind]
        if kind == "bad":
            raise ValueError(f"{value!r} in {text!r}")
        if kind in ("par", "int"):
            out.append(("par", f"p{value}"))
        elif kind == "op":
            out.append(("op", "^" if value == "**" else value))
        else:
            out.append((kind, value))
    return out


def engine_text(text: str) -> str:
    """The expression in the engine's language.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    return "".join(t for _, t in tokens(text))


def shown_text(text: str, model: str = "") -> str:
    """The expression as XSPEC shows it: ``= 0.5*p3 + 0.2``, ``= src:p1``; a factor behind a parenthesis loses its *."""
    out = ""
    for kind, value in tokens(text):
        if kind == "par":
            out += f"{model}:{value}" if model else value
        elif value in ("+", "-"):
            out += f" {value} "
        elif value == "*" and out.endswith(")"):
            continue
        else:
            out += value
    return f"= {out.strip()}"
