"""Dates of calibration queries as Modified Julian Dates."""

from __future__ import annotations

import datetime
import re

from wolter.errors import ParameterError

__all__ = ["day_of", "fraction_of", "reference_time"]

_MJD_ZERO = datetime.date(1858, 11, 17).toordinal()
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
_OLD = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2})\Z")  # of FITS before 1997: the years 1900 to 1999
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d*)?)Z?\Z")
_CURE = "Write yyyy-mm-dd, dd/mm/yy (19yy), 'now', or '-' for any date."


def day_of(date: str) -> int:
    """MJD of the beginning of a day.

    Raises
    ------
    ParameterError
        If it is no date.
    """
    found = _ISO.match(date)
    if found:
        numbers = int(found[1]), int(found[2]), int(found[3])
    else:
        found = _OLD.match(date)
        if found is None:
            raise ParameterError(f"{date!r} is not a date", cure=_CURE)
        numbers = 1900 + int(found[3]), int(found[2]), int(found[1])
    try:
        return datetime.date(*numbers).toordinal() - _MJD_ZERO
    except ValueError as exc:
        raise ParameterError(f"{date!r} is not a date: {exc}", cure=_CURE) from exc


def fraction_of(time: str) -> float:
    """Fraction of a day of ``hh:mm:ss[.s]``.

    Raises
    ------
    ParameterError
        If it is no time of day.
    """
    found = _TIME.match(time)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59 or float(found[3]) >= 61:
        raise ParameterError(f"{time!r} is not a time of day", cure="Write hh:mm:ss, 'now', or '-'.")
    return (int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])) / 86400.0


def reference_time(date: str | float | None, time: str | None = None) -> float | None:
    """MJD that a query means; None where it has no date.

    Parameters
    ----------
    date : str, float or None
        ``yyyy-mm-dd`` (with ``Thh:mm:ss`` if ``time`` is not given), ``dd/mm/yy`` (1900 to 1999), ``now`` (UTC), a
        MJD; ``-`` or None for no date.
    time : str or None
        ``hh:mm:ss``, ``now`` (UTC); ``-`` or None for midnight. Without a date it means nothing.

    Raises
    ------
    ParameterError
        If it is no date.
    """
    if date is None:
        return None
    if isinstance(date, (int, float)):
        return float(date)
    text = date.strip()
    if text in ("", "-"):
        return None
    now = datetime.datetime.now(datetime.UTC)
    clock = "" if time is None else time.strip()
    if text.lower() == "now":
        day = now.date().toordinal() - _MJD_ZERO
    else:
        text, _, inside = text.replace(" ", "T").partition("T")
        day = day_of(text)
        clock = inside if inside and clock in ("", "-") else clock
    if clock in ("", "-"):
        return float(day)
    if clock.lower() == "now":
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return day + (now - midnight).total_seconds() / 86400.0
    return day + fraction_of(clock)
