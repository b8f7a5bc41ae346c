"""Recorded XSPEC text compared with ours, line by line: words and layout exactly, numbers to a tolerance."""

from __future__ import annotations

import re

# what the recording itself put into the log when it looked at covariance and plot arrays between steps
NOISE = (
    "No covariance is currently calculated.",
    "***XSPEC Error: Requested array",
    "***XSPEC Error: Requested plot group",
)
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")
_ITERATION = re.compile(r"-?[\d.]+(?:e[-+]\d+)? +[\d.]+(?:e[-+]\d+)? +-?\d+( +\S+)+$")
_INTERVAL = re.compile(r" +\d+ +\S+ +\S+ +\(\S+,\S+\)$")


def clean(lines):
    """Lines with something in them, as the record keeps them."""
    return [line.rstrip() for line in lines if line.strip() and not line.startswith(NOISE)]


def words(line):
    """A line with # for every number, and single blanks."""
    return " ".join(_NUMBER.sub("#", line).split())


def layout(line):
    """A line with as many # as each number has characters."""
    return _NUMBER.sub(lambda m: "#" * len(m[0]), line)


def unit(number):
    """One in the last digit that is printed."""
    digits, _, power = re.sub("[eE]", "e", number).partition("e")
    return 10.0 ** (int(power or 0) - len(digits.partition(".")[2]))


def line_differs(mine, theirs, code):
    """What differs, or an empty text."""
    if mine == theirs:
        return ""
    if words(mine) != words(theirs):
        return "words"
    ours, other = _NUMBER.findall(mine), _NUMBER.findall(theirs)
    if [len(n) for n in ours] == [len(n) for n in other]:
        if layout(mine) != layout(theirs):
            return "layout"
    elif len(mine) != len(theirs) and not _INTERVAL.match(theirs) and "photons" not in theirs:
        return "length"
    values = [(float(a), float(b), unit(b)) for a, b in zip(ours, other, strict=True)]
    if _INTERVAL.match(theirs):
        return _interval(values)
    if _ITERATION.match(theirs) and code.startswith("Fit.perform"):
        del values[1]  # the gradient close to the minimum is made of rounding errors
        return "" if all(abs(a - b) <= 0.01 * abs(b) + 2 * u for a, b, u in values) else "iteration"
    share = 0.01 if "probability" in theirs or "|" in theirs or code.startswith("Fit.perform") else 3e-4
    if "Error range" in theirs:
        share = 0.3
    return "" if all(abs(a - b) <= share * abs(b) + 1.01 * u for a, b, u in values) else "numbers"


def _interval(values):
    """Bounds to 2 % of the interval; the value they are counted from to 0.15 of its error."""
    number, lower, upper, *rest = values
    width = abs(upper[1] - lower[1]) or abs(rest[1][1])
    close = all(abs(a - b) <= 0.02 * width + u for a, b, u in (lower, upper))
    counted = all(abs(a - b) <= 0.1 * width + u for a, b, u in rest)
    return "" if number[0] == number[1] and close and counted else "interval"


def log_differences(mine, theirs, code):
    """Differences of two logs of a step, in words."""
    if "Fit.perform" in code:  # one iteration more or less where the last gain is about the critical delta
        mine, theirs = _even(mine, theirs)
    if len(mine) != len(theirs):
        extra = next((a for a, b in zip(mine, theirs, strict=False) if words(a) != words(b)), "")
        return [f"{len(mine)} lines instead of {len(theirs)}; first other line: {extra!r}"]
    found = ((line_differs(a, b, code), a, b) for a, b in zip(mine, theirs, strict=True))
    return [f"{what}: {a!r} instead of {b!r}" for what, a, b in found if what]


def _even(mine, theirs):
    """Both without the last iterations that one of them has more."""
    rows = [[k for k, line in enumerate(log) if _ITERATION.match(line)] for log in (mine, theirs)]
    few = min(map(len, rows))
    if not few or abs(len(rows[0]) - len(rows[1])) > 2:
        return mine, theirs
    return tuple(
        [line for k, line in enumerate(log) if k not in at[few:]] for log, at in zip((mine, theirs), rows, strict=True)
    )
