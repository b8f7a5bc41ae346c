"""Lookups that fail are `FitsError` (names the file) and `KeyError` (what a mapping raises) at once."""

from __future__ import annotations

from wolter.errors import FitsError

__all__ = ["MissingColumnError", "MissingHDUError", "MissingKeywordError"]


class MissingKeywordError(FitsError, KeyError):
    """A header lacks a keyword."""


class MissingHDUError(FitsError, KeyError):
    """A file lacks an HDU."""


class MissingColumnError(FitsError, KeyError):
    """A table lacks a column."""
