"""Headers: a case-insensitive mapping that keeps order, comments and history."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any

from wolter.errors import FitsError, suggest
from wolter.fits._errors import MissingKeywordError
from wolter.fits.card import COMMENTARY, LENGTH, Card, check_value, parse_string

__all__ = ["Header"]

BLOCK = 2880

# Keywords that describe the layout of the data, not their meaning: they belong to one HDU and are never copied.
_STRUCTURE = frozenset(
    ["SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "GROUPS", "EXTEND", "TFIELDS", "THEAP", "BSCALE"]
    + ["BZERO", "BLANK", "BLOCKED", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM", "INHERIT"]
)
# Stems of the keywords TTYPEn... that describe columns: what `Column` has attributes for, and the others.
COLUMN_OWN = frozenset(["TTYPE", "TFORM", "TUNIT", "TNULL", "TSCAL", "TZERO", "TDIM", "TDISP"])
COLUMN_OTHER = frozenset(
    ["TBCOL", "TLMIN", "TLMAX", "TDMIN", "TDMAX", "TDBIN", "TCTYP", "TCRPX", "TCRVL", "TCDLT", "TCUNI", "TCROT"]
    + ["TCNAM", "TCRDE", "TCSYE", "TALEN", "TDESC", "TDDES", "TUCD", "TUTYP", "TCOMM", "TWAVE", "TSTRI"]
    + ["MTYPE", "MFORM"]
)
_NUMBERED = re.compile(rf"(?:NAXIS|{'|'.join(COLUMN_OWN | COLUMN_OTHER)})\d+[A-Z]?\Z|T[CP]\d+_\d+[A-Z]?\Z")


class Header:
    """Keywords of an HDU: mapping from keyword (any case) to value, in file order.

    ``h["KEY"]`` is the value (str, bool, int, float, complex or None), ``h["KEY"] = value`` or ``= (value, comment)``
    sets it in place or appends it. Of repeated keywords the first counts. COMMENT and HISTORY are lists of text:
    `comments`, `history`.

    Parameters
    ----------
    cards : mapping or iterable of (key, value) or (key, value, comment), optional
        What to start with.
    """

    __slots__ = ("_cards", "_index", "file", "hdu")

    def __init__(self, cards: Mapping[str, Any] | Header | Iterable[tuple] | None = None) -> None:
        self._cards: list[Card] = []
        self._index: dict[str, Card] = {}
        self.file: str | PathLike[str] | None = None
        self.hdu: str | int | None = None
        if cards is None:
            return
        if isinstance(cards, (Header, Mapping)):
            self.update(cards)  # type: ignore[arg-type]
            return
        for key, *rest in cards:
            self.set(key, *rest)

    @classmethod
    def from_text(cls, text: str) -> Header:
        """Header of 80-character records without line ends; stops at END or the end of the text."""
        header = cls()
        for start in range(0, len(text), LENGTH):
            record = text[start : start + LENGTH].ljust(LENGTH)
            if record[:8] == "CONTINUE" and header._cards and _is_open(header._cards[-1]):
                last = header._cards[-1]
                last.raw = (last.raw or "") + record
                continue
            if record.startswith("END") and not record[3:].strip():
                break
            header._append(Card.from_text(record))
        while header._cards and not header._cards[-1].text().strip():
            header._cards.pop()  # room that a writer reserved in front of END
        return header

    def to_text(self) -> str:
        """Records with END, padded to whole blocks of 2880 characters."""
        text = "".join(card.text() for card in self._cards) + "END".ljust(LENGTH)
        return text.ljust(-(-len(text) // BLOCK) * BLOCK)

    def _append(self, card: Card) -> None:
        self._cards.append(card)
        self._index.setdefault(card.key, card)

    def __getitem__(self, key: str) -> Any:
        key = _norm(key)
        if key in COMMENTARY:
            return [c.value for c in self._cards if c.key == key]
        try:
            return self._index[key].value
        except KeyError:
            raise MissingKeywordError(
                f"the header has no keyword {key}", file=self.file, hdu=self.hdu, cure=suggest(key, self._index)
            ) from None

    def get(self, key: str, default: Any = None) -> Any:
        """Value, or the default where the keyword is missing or has no value."""
        card = self._index.get(_norm(key))
        if card is None or (value := card.value) is None:
            return default
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Value as float.

        Raises
        ------
        FitsError
            The keyword is missing (and there is no default) or its value is not a number.
        """
        value = self[key] if default is None else self.get(key, default)
        if isinstance(value, str):
            try:
                return float(value)
            except ValueError:
                pass
        elif isinstance(value, (int, float)):
            return float(value)
        raise FitsError(f"keyword {_norm(key)} = {value!r} is not a number", file=self.file, hdu=self.hdu)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and _norm(key) in self._index

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, tuple):
            self.set(key, *value)
        else:
            self.set(key, value)

    def set(self, key: str, value: Any, comment: str | None = None, *, after: str | None = None) -> None:
        """Set a keyword in place, or append it.

        Parameters
        ----------
        key : str
            Keyword; longer than eight characters or with blanks it is written by the HIERARCH convention.
        value : str, bool, int, float, complex or None
            Numpy scalars too. COMMENT and HISTORY append.
        comment : str, optional
            Replaces the comment; None keeps the old one.
        after : str, optional
            A new keyword goes behind this one rather than to the end.

        Raises
        ------
        OutputError
            FITS cannot hold the value (NaN, special characters, other types).
        """
        key = _norm(key)
        value = check_value(key, value)
        if key in COMMENTARY:
            self._add_text(key, str(value))
        elif key in self._index:
            self._index[key].change(value, comment)
        else:
            card = Card(key, value, comment or "")
            anchor = self._index.get(_norm(after)) if after else None
            if anchor is None:
                self._append(card)
            else:
                self._cards.insert(self._cards.index(anchor) + 1, card)
                self._index[key] = card

    def __delitem__(self, key: str) -> None:
        if key not in self:
            self[key]  # raises with the nearest names
        self.remove(key)

    def remove(self, *keys: str) -> None:
        """Remove keywords (all cards of that name); missing ones are ignored."""
        gone = {_norm(k) for k in keys}
        if gone & self._index.keys():
            self._cards = [c for c in self._cards if c.key not in gone]
            for key in gone:
                self._index.pop(key, None)

    def __len__(self) -> int:
        return len(self._cards)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def keys(self) -> list[str]:
        """Keywords with a value, in order, each once."""
        return list(dict.fromkeys(c.key for c in self._cards if not c.commentary))

    def items(self) -> list[tuple[str, Any]]:
        """Pairs (keyword, value), in order, without COMMENT and HISTORY."""
        return [(k, self._index[k].value) for k in self.keys()]

    def cards(self) -> list[tuple[str, Any, str]]:
        """Every card in file order as (keyword, value, comment), commentary and repeated ones included."""
        return [(c.key, c.value, c.comment) for c in self._cards]

    def comment(self, key: str) -> str:
        """Comment of a keyword; empty where it has none."""
        if key not in self:
            self[key]
        return self._index[_norm(key)].comment

    @property
    def history(self) -> list[str]:
        """Lines of HISTORY."""
        return self["HISTORY"]

    @property
    def comments(self) -> list[str]:
        """Lines of COMMENT."""
        return self["COMMENT"]

    def add_history(self, text: str) -> None:
        """Append HISTORY lines; long text is wrapped, what is not ASCII is escaped."""
        self._add_text("HISTORY", text)

    def add_comment(self, text: str) -> None:
        """Append COMMENT lines; long text is wrapped, what is not ASCII is escaped."""
        self._add_text("COMMENT", text)

    def _add_text(self, key: str, text: str) -> None:
        plain = text.encode("ascii", "backslashreplace").decode("ascii")
        for line in plain.split("\n"):
            clean = "".join(c if " " <= c <= "~" else " " for c in line)
            for piece in textwrap.wrap(clean, LENGTH - 8, drop_whitespace=False) or [""]:
                self._append(Card(key, piece.rstrip()))

    def update(self, other: Mapping[str, Any] | Header) -> None:
        """Take over keywords of another header (with comments, COMMENT and HISTORY) or mapping."""
        if isinstance(other, Header):
            for card in other._cards:
                if card.commentary:
                    self._append(card.copy())
                elif card.key in self._index:
                    self._index[card.key].change(card.value, card.comment)
                else:
                    self._append(card.copy())
        else:
            for key, value in other.items():
                self[key] = value

    def copy(self) -> Header:
        """Independent copy."""
        twin = Header()
        twin.file, twin.hdu = self.file, self.hdu
        for card in self._cards:
            twin._append(card.copy())
        return twin

    def without_structure(self) -> Header:
        """Copy without what describes the layout of these data: axes, columns, heap, scaling, checksums."""
        twin = Header()
        for card in self._cards:
            if card.key not in _STRUCTURE and not _NUMBERED.match(card.key):
                twin._append(card.copy())
        return twin

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Header):
            return NotImplemented
        return self.cards() == other.cards()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "\n".join(
            text[i : i + LENGTH].rstrip()
            for text in (c.text() for c in self._cards)
            for i in range(0, len(text), LENGTH)
        )


def _norm(key: str) -> str:
    return key.strip().upper()


def _is_open(card: Card) -> bool:
    """Whether a string goes on in the next record: it ends with an ampersand."""
    raw = card.raw or ""
    tail = raw[len(raw) - LENGTH :]
    if "&" not in tail:
        return False
    start = tail.index("=") + 1 if len(raw) == LENGTH and "=" in tail else 8
    return tail[start:].lstrip()[:1] == "'" and parse_string(tail[start:])[0].endswith("&")
