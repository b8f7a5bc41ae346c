"""Link expressions: as XSPEC reads and writes them, and as the engine wants them."""

from __future__ import annotations

import re

__all__ = ["engine_text", "shown_text", "tokens"]

_TOKEN = re.compile(
    r"\s*(?:(?P<real>\d*\.\d*(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)|(?:(?P<model>\w+)[:.])?[pP](?P<par>\d+)(?!\w)"
    r"|(?:(?P<other>\w+):)?(?P<int>\d+)"
    r"|(?P<name>[A-Za-z]\w*)|(?P<op>\*\*|[-+*/^(),])|(?P<bad>\S))"
)


def tokens(text: str, count: int = 0) -> list[tuple[str, str]]:
    """Kind and text of each token; a bare integer is a parameter number, as in XSPEC.

    With a `count` of parameters, a bare integer that numbers none of them is itself: ``100 - (p1 + p2)``.

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
            value = str(int(value))  # p04 is p4
            if kind == "int" and count and not match["other"] and not 1 <= int(value) <= count:
                out.append(("real", f"{value}."))
                continue
            model = match["model"] or match["other"] or ""
            out.append(("par", f"{model}.p{value}" if model else f"p{value}"))
        elif kind == "op":
            out.append(("op", "^" if value == "**" else value))
        else:
            out.append((kind, value))
    return out


def engine_text(text: str, own: str = "", count: int = 0) -> str:
    """The expression in the engine's language; `own` is the name of the model it belongs to, with `count` parameters.

    Raises
    ------
    ValueError
        If it is not understood.
    """
    out = ""
    for kind, value in tokens(text, count):
        if kind == "par" and "." in value:
            model, _, number = value.partition(".")
            value = number if model == own else f"{'_unnamed' if model == 'unnamed' else model}.{number}"
        out += value
    return out


def shown_text(text: str, model: str = "") -> str:
    """The expression as XSPEC shows it: ``= 0.5*p3 + 0.2``, ``= src:p1``; a factor behind a parenthesis loses its *."""
    out = ""
    for kind, value in tokens(text):
        if kind == "par":
            other, dot, number = value.partition(".")
            if dot:
                out += number if other == "_unnamed" else f"{other}:{number}"
            else:
                out += f"{model}:{value}" if model else value
        elif value in ("+", "-"):
            out += f" {value} "
        elif value == "*" and out.endswith(")"):
            continue
        else:
            out += value
    return f"= {out.strip()}"
