"""One header record ("card"): text of 80 characters to value and comment, and back.

Source of the rules: FITS standard 4.0, section 4 (fixed and free format values) and 4.2.1.2 (CONTINUE); the HIERARCH
keyword convention of ESO.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from wolter.errors import OutputError

__all__ = ["COMMENTARY", "LENGTH", "Card", "check_value", "format_card"]

LENGTH = 80
COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})

_STRING = re.compile(r"\s*'((?:[^']|'')*)'\s*(?:/(.*))?\Z", re.DOTALL)
# A quote inside that was not doubled: the string ends where only a comment can follow.
_LOOSE_STRING = re.compile(r"\s*'(.*?)'\s*(?:/(.*))?\Z", re.DOTALL)
_INTEGER = re.compile(r"[+-]?\d+\Z")
_FLOAT = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EeDd][+-]?\d+)?\Z")
_COMPLEX = re.compile(r"\(\s*([^,\s]+)\s*,\s*([^,\s]+)\s*\)\Z")
_STANDARD_KEY = re.compile(r"[A-Z0-9_-]{1,8}\Z")
_PRINTABLE = re.compile(r"[ -~]*\Z")


class Card:
    """One keyword with value and comment; cards read from a file are taken apart at the first question.

    Attributes
    ----------
    key : str
        Keyword in capitals (HIERARCH keywords without the word HIERARCH); ``""`` for blank ones.
    raw : str or None
        The text as in the file, a multiple of 80 characters, until the card is changed.
    """

    __slots__ = ("_comment", "_known", "_value", "key", "raw")

    def __init__(self, key: str, value: Any = None, comment: str = "", *, raw: str | None = None) -> None:
        self.key = key
        self.raw = raw
        self._value = value
        self._comment = comment
        self._known = raw is None

    @classmethod
    def from_text(cls, text: str) -> Card:
        """Card of one 80-character record; its value is not looked at yet."""
        key = text[:8].rstrip().upper()
        if key == "HIERARCH" and "=" in text:
            key = " ".join(text[8 : text.index("=")].split()).upper()
        return cls(key, raw=text)

    @property
    def commentary(self) -> bool:
        """Whether the card carries text and no value (COMMENT, HISTORY, blank, or no ``=`` in column 9)."""
        if self.key in COMMENTARY:
            return True
        raw = self.raw
        return raw is not None and raw[8:9] != "=" and not (raw.startswith("HIERARCH") and "=" in raw)

    @property
    def value(self) -> Any:
        """Value: str, bool, int, float, complex, or None where the field is empty; text of commentary cards."""
        if not self._known:
            self._parse()
        return self._value

    @property
    def comment(self) -> str:
        """Comment behind the slash."""
        if not self._known:
            self._parse()
        return self._comment

    def change(self, value: Any, comment: str | None = None) -> None:
        """Give the card a new value, and a new comment unless that is None."""
        old = self.comment
        self._value, self._comment = value, old if comment is None else comment
        self.raw, self._known = None, True

    def copy(self) -> Card:
        """Independent copy."""
        twin = Card(self.key, self._value, self._comment, raw=self.raw)
        twin._known = self._known
        return twin

    def text(self) -> str:
        """The record(s) as they go into a file."""
        if self.raw is not None:
            return self.raw
        return format_card(self.key, self._value, self._comment)

    def _parse(self) -> None:
        raw = self.raw or ""
        self._known = True
        if self.commentary:
            self._value = raw[8:].rstrip()
            return
        field = raw[raw.index("=") + 1 : LENGTH] if raw.startswith("HIERARCH") else raw[9:LENGTH]
        if len(raw) > LENGTH:
            self._continue(field, raw)
        else:
            self._value, self._comment = parse_value(field)

    def _continue(self, field: str, raw: str) -> None:
        """Join the pieces of a string that goes on in CONTINUE records; only then are doubled quotes undone."""
        value, comment = parse_string(field)
        comments = [comment]
        for start in range(LENGTH, len(raw), LENGTH):
            piece, comment = parse_string(raw[start + 8 : start + LENGTH])
            value = value.removesuffix("&") + piece
            comments.append(comment)
        self._value, self._comment = value.replace("''", "'"), " ".join(c for c in comments if c)


def parse_string(field: str) -> tuple[str, str]:
    """Text between the quotes, as it stands there but for trailing blanks, and comment."""
    match = _STRING.match(field) or _LOOSE_STRING.match(field)
    if match is None:  # the closing quote is missing
        return field.lstrip().removeprefix("'").rstrip(), ""
    return match[1].rstrip(), (match[2] or "").strip()


def parse_value(field: str) -> tuple[Any, str]:
    """Value and comment of the text behind the equals sign.

    What is none of the standard's types comes back as the bare text, so that a damaged card does not hide the
    rest of the header.
    """
    head = field.lstrip()
    if head[:1] == "'":
        text, comment = parse_string(field)
        return text.replace("''", "'"), comment
    text, _, comment = head.partition("/")
    text, comment = text.strip(), comment.strip()
    if text == "T":
        return True, comment
    if text == "F":
        return False, comment
    if not text:
        return None, comment
    return _number(text), comment


def _number(text: str) -> Any:
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text.upper().replace("D", "E"))
    match = _COMPLEX.match(text)
    if match:
        parts = [_number(p) for p in match.groups()]
        if all(isinstance(p, (int, float)) for p in parts):
            return complex(*parts)
    return text


def check_value(key: str, value: Any) -> Any:
    """Value as Python's own type, or `OutputError` when FITS has no way to write it."""
    if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        if not _PRINTABLE.match(value):
            raise OutputError(
                f"keyword {key} cannot hold {value!r}: FITS headers are printable ASCII",
                cure="Spell the value without accents, line breaks or other special characters.",
            )
        return value
    if isinstance(value, (float, complex)):
        parts = (value.real, value.imag)
        if not all(math.isfinite(p) for p in parts):
            raise OutputError(
                f"keyword {key} cannot hold {value!r}: FITS headers have no NaN or infinity",
                cure="Leave the keyword out (None writes it without a value).",
            )
        return value
    raise OutputError(
        f"keyword {key} cannot hold a {type(value).__name__}", cure="Use a string, a number, a bool or None."
    )


def _format_float(value: float) -> str:
    text = repr(value).upper()
    mantissa, e, exponent = text.partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + e + exponent


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _format_float(value)
    if isinstance(value, complex):
        return f"({_format_float(value.real)}, {_format_float(value.imag)})"
    return value


def format_card(key: str, value: Any, comment: str = "") -> str:
    """Record(s) of a keyword: 80 characters, or more for strings that need CONTINUE.

    Raises
    ------
    OutputError
        The value has no FITS form, or does not fit.
    """
    value = check_value(key, value)
    comment = "".join(c if " " <= c <= "~" else "?" for c in comment)
    if key in COMMENTARY:
        return f"{key:<8}{value}"[:LENGTH].ljust(LENGTH)
    if _STANDARD_KEY.match(key):
        head = f"{key:<8}= "
    else:
        head = f"HIERARCH {key} = "
    if not _PRINTABLE.match(head) or "=" in key:
        raise OutputError(f"{key!r} cannot be a keyword", cure="Use letters, digits, '-' and '_'.")
    if isinstance(value, str):
        return _format_string(key, head, value, comment)
    text = _format_value(value)
    line = head + (text if head.startswith("HIERARCH") else text.rjust(20))
    if len(line) > LENGTH:
        raise OutputError(f"keyword {key} with value {value!r} does not fit into a header record")
    if comment:
        line += f" / {comment}"
    return line[:LENGTH].ljust(LENGTH)


def _format_string(key: str, head: str, value: str, comment: str) -> str:
    quoted = value.replace("'", "''")
    line = f"{head}'{quoted:<8}'"
    if len(line) <= LENGTH:
        if comment:
            line = f"{line:<30} / {comment}"
        return line[:LENGTH].ljust(LENGTH)
    pieces, rest, room = [], value, LENGTH - len(head) - 3
    if room < 8:
        raise OutputError(f"keyword {key} is too long to hold a string")
    while rest:
        cut = _cut(rest, room)
        pieces.append(rest[:cut])
        rest, room = rest[cut:], LENGTH - 10 - 3
    out = []
    for i, piece in enumerate(pieces):
        last = i == len(pieces) - 1
        start = head if i == 0 else "CONTINUE  "
        text = piece.replace("'", "''") + ("" if last else "&")
        line = f"{start}'{text}'"
        if last and comment and len(line) + 3 < LENGTH:
            line += f" / {comment}"
        out.append(line[:LENGTH].ljust(LENGTH))
    return "".join(out)


def _cut(text: str, room: int) -> int:
    """How many characters fit once quotes are doubled; never ends on a blank, which readers would strip."""
    n = used = 0
    for c in text:
        used += 2 if c == "'" else 1
        if used > room:
            break
        n += 1
    return n
