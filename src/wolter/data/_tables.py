"""Small tables of words and numbers: as lines of text, and for notebooks."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from wolter.data.rmf import keyword

__all__ = ["Listing", "detector_of"]


class Listing:
    """A table that is read by people: `text` for terminals, `html` for notebooks.

    Parameters
    ----------
    heads : sequence of str
        Names of the columns; columns without any entry are left out.
    rows : sequence of sequence of str
    left : collection of str
        Columns of words, flush left; the others, numbers, are flush right.
    title : str
        Line above the table.
    most : int
        Rows that are shown; how many more there are is said below.
    """

    def __init__(
        self,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        left: Sequence[str] = (),
        title: str = "",
        most: int = 40,
    ) -> None:
        kept = [i for i in range(len(heads)) if any(row[i] for row in rows)] if rows else list(range(len(heads)))
        self.heads = [heads[i] for i in kept]
        self.rows = [[row[i] for i in kept] for row in rows[:most]]
        self.left = [heads[i] in left for i in kept]
        self.title = title
        self.rest = f"... and {len(rows) - most} more" if len(rows) > most else ""

    def lines(self) -> list[str]:
        """Lines of the table alone, heads first."""
        rows = [self.heads, *self.rows]
        width = [max(len(row[i]) for row in rows) for i in range(len(self.heads))]
        return [
            "  ".join(
                text.ljust(w) if flush else text.rjust(w) for text, w, flush in zip(row, width, self.left, strict=True)
            ).rstrip()
            for row in rows
        ]

    def text(self) -> str:
        """Title and table."""
        return "\n".join(
            [*filter(None, [self.title]), *(self.lines() if self.rows else []), *filter(None, [self.rest])]
        )

    def html(self) -> str:
        """The same for a notebook."""

        def cells(row: Sequence[str], kind: str) -> str:
            sides = ("left" if flush else "right" for flush in self.left)
            return "".join(
                f'<{kind} style="text-align:{side}">{html.escape(text)}</{kind}>'
                for text, side in zip(row, sides, strict=True)
            )

        parts = [f"<p>{html.escape(self.title)}</p>"] if self.title else []
        if self.rows:
            body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self.rows)
            parts.append(f"<table><thead><tr>{cells(self.heads, 'th')}</tr></thead><tbody>{body}</tbody></table>")
        if self.rest:
            parts.append(f"<p>{self.rest}</p>")
        return "".join(parts)


def detector_of(header: Any) -> str:
    """Instrument and detector (INSTRUME, DETNAM) that a header names; nothing if it names none."""
    return " ".join(dict.fromkeys(filter(None, (keyword(header, key) for key in ("INSTRUME", "DETNAM")))))
