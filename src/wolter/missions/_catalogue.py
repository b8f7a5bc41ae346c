"""Rows that the archive's master catalogues of all missions share: column, meaning, unit, description."""

from __future__ import annotations

__all__ = ["NAME", "NUMBER", "POSITION", "PROCESSED", "PUBLIC", "days"]

NAME = ("name", "target", "", "Designation of the observed source")
NUMBER = ("obsid", "obsid", "", "Unique observation ID")
POSITION = (
    ("ra", "ra", "deg", "Right Ascension of pointing position"),
    ("dec", "dec", "deg", "Declination of pointing position"),
    ("lii", "lii", "deg", "Galactic longitude"),
    ("bii", "bii", "deg", "Galactic latitude"),
)
PROCESSED = ("processing_date", "processed", "d", "Date of processing (MJD)")
PUBLIC = ("public_date", "public", "d", "Date on which the data become public (MJD)")


def days(start: str, end: str) -> tuple[tuple[str, str, str, str], ...]:
    """Rows of the columns that hold start and end."""
    return (
        (start, "start", "d", "Start time of the observation (MJD)"),
        (end, "end", "d", "End time of the observation (MJD)"),
    )
