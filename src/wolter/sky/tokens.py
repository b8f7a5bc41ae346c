"""Numbers with units as region files write them: 10:20:30, 10h20m30s, 12d30m, 253.4d, 60", 0.1r, 20p, n=4."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

__all__ = ["Token", "TokenError", "parse_token", "split_arguments"]

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PLAIN = re.compile(rf"({_NUMBER})(.*)", re.S)
_COLONS = re.compile(r"([+-]?)(\d+):(\d+)(?::(\d+(?:\.\d*)?|\.\d+))?(.*)", re.S)
_LETTERS = re.compile(
    r"([+-]?)(\d+(?:\.\d*)?)([hd])(?:(\d+(?:\.\d*)?)(?:m|'))?(?:(\d+(?:\.\d*)?|\.\d+)(?:s|\"))?$", re.S | re.I
)
_UNITS = {
    "": "",
    '"': '"',
    "''": '"',
    "″": '"',
    "”": '"',
    "arcsec": '"',
    "asec": '"',
    "'": "'",
    "′": "'",
    "’": "'",
    "arcmin": "'",
    "amin": "'",
    "d": "d",
    "°": "d",
    "deg": "d",
    "r": "r",
    "rad": "r",
    "p": "p",
    "pix": "p",
    "i": "i",
}


class TokenError(ValueError):
    """A number is malformed; the text says how."""


@dataclass(frozen=True)
class Token:
    """A number of a region: its value and how it was written.

    `kind` is "" (bare), one of ``" ' d r p i`` (suffix), "colon" (sexagesimal with colons; value in the leading
    unit), "hms" (value in degrees), "dms" (value in degrees) or "n" (``n=4``).
    """

    value: float
    kind: str
    text: str

    @property
    def celestial(self) -> bool:
        """Whether this way of writing a position implies the sky."""
        return self.kind in ("colon", "hms", "dms", "d", "r")


def split_arguments(text: str) -> list[str]:
    """Arguments separated by commas or blanks; two commas in a row are an error."""
    text = re.sub(r"\s*=\s*", "=", text.strip())
    # A unit may stand off its number in hand-written files: 60 " or 3 arcmin.
    text = re.sub(r"(?<=[\d.])\s+(?=(?:\"|'|″|′|arcsec\b|arcmin\b|deg\b))", "", text)
    if not text:
        return []
    out: list[str] = []
    for piece in text.split(","):
        words = piece.split()
        if not words:
            raise TokenError("an argument is missing between commas")
        out += words
    return out


def _sexagesimal(sign: str, parts: tuple[str, str | None, str | None], text: str) -> float:
    whole, minutes, seconds = (float(p) if p else 0.0 for p in parts)
    if minutes >= 60.0 or seconds >= 60.0:
        raise TokenError(f"{text!r} has minutes or seconds of 60 or more")
    value = whole + minutes / 60.0 + seconds / 3600.0
    return -value if sign == "-" else value


def parse_token(text: str) -> Token:
    """Understand one argument.

    Raises
    ------
    TokenError
        With a sentence that says what is wrong.
    """
    if text[:2].lower() == "n=":
        if not text[2:].isdigit() or int(text[2:]) < 1:
            raise TokenError(f"{text!r} is not a number of rings such as n=4")
        return Token(float(text[2:]), "n", text)
    match = _COLONS.match(text)
    if match:
        sign, whole, minutes, seconds, rest = match.groups()
        if rest:
            raise TokenError(f"{text!r} is not a sexagesimal number such as 16:53:51.766")
        return Token(_sexagesimal(sign, (whole, minutes, seconds), text), "colon", text)
    match = _LETTERS.match(text)
    if match and (match[3].lower() == "h" or match[4] or match[5]):
        sign, whole, letter, minutes, seconds = match.groups()
        value = _sexagesimal(sign, (whole, minutes, seconds), text)
        hours = letter.lower() == "h"
        return Token(15.0 * value if hours else value, "hms" if hours else "dms", text)
    match = _PLAIN.match(text)
    if not match:
        extra = " (a region needs finite numbers)" if text.lower().lstrip("+-") in ("nan", "inf") else ""
        raise TokenError(f"{text!r} is not a number{extra}")
    number, suffix = match.groups()
    unit = _UNITS.get(suffix if suffix in _UNITS else suffix.lower())
    if unit is None:
        raise TokenError(f"{text!r} has the unknown unit {suffix!r}; known are \" ' d r p i and h m s")
    value = float(number)
    if not math.isfinite(value):
        raise TokenError(f"{text!r} is not a finite number")
    return Token(value, unit, text)
