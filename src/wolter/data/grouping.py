"""Grouping of channels into bins: the OGIP flags, the rules that make them, and XSPEC's ranges of noticed bins.

Flags (OGIP/92-007): GROUPING +1 starts a bin, -1 continues it, 0 leaves the channel alone (it is a bin of its own).
QUALITY 0 good, 1 bad (set by software), 2 dubious (set by software), 5 bad (set by the user).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter.errors import DataError

__all__ = [
    "Bins",
    "bin_range",
    "group_bins",
    "group_constant",
    "group_min",
    "group_min_snr",
    "group_optimal",
    "group_optimal_marked",
    "notice_range",
    "optimal_widths",
]

_FUZZ = 1.0e-12  # keV by which XSPEC's "**" reaches beyond the outermost channel


@dataclass(frozen=True)
class Bins:
    """Bins into which the channels of a spectrum fall.

    Attributes
    ----------
    channel_bin : int[n]
        Bin of each channel (0-based, among those listed here); -1 for a channel in none of them.
    start, stop : int[nbins]
        First channel of each bin, and one past its last (positions in the file, 0-based). A bin may have holes:
        channels of QUALITY 1 inside it do not count.
    position : int[nbins]
        1-based place of each bin among all bins, noticed or not: the "channel number" of XSPEC's ignore and notice.
    quality : int[nbins]
        Worst QUALITY among the channels of the bin.
    total : int
        Number of all bins, noticed or not.
    """

    channel_bin: NDArray[np.intp]
    start: NDArray[np.intp]
    stop: NDArray[np.intp]
    position: NDArray[np.intp]
    quality: NDArray[np.int64]
    total: int

    def __len__(self) -> int:
        return len(self.start)

    @property
    def trivial(self) -> bool:
        """Whether every channel is a bin of its own and all are noticed."""
        return len(self.start) == len(self.channel_bin)

    @property
    def members(self) -> NDArray[np.intp]:
        """Channels that are in a bin, in file order (every bin's channels are adjacent in this list)."""
        return np.flatnonzero(self.channel_bin >= 0)

    def sum(self, values: ArrayLike) -> NDArray[np.float64]:
        """Sum of a quantity per channel, array [n], over the channels of each bin: [nbins]."""
        return self._reduce(np.add, values)

    def max(self, values: ArrayLike) -> NDArray[np.float64]:
        """Largest value of a quantity per channel, array [n], in each bin: [nbins]."""
        return self._reduce(np.maximum, values)

    def min(self, values: ArrayLike) -> NDArray[np.float64]:
        """Smallest value of a quantity per channel, array [n], in each bin: [nbins]."""
        return self._reduce(np.minimum, values)

    def _reduce(self, operation: np.ufunc, values: ArrayLike) -> NDArray[np.float64]:
        values = np.asarray(values, dtype=float)
        if self.trivial:
            return values.copy()
        if not len(self.start):
            return np.zeros(0)
        members = self.members
        first = np.flatnonzero(np.diff(self.channel_bin[members], prepend=-1))
        return operation.reduceat(values[members], first)


def group_bins(
    grouping: ArrayLike | None,
    quality: ArrayLike | None = None,
    notice: ArrayLike | None = None,
    *,
    n: int | None = None,
) -> Bins:
    """Bins of a spectrum as XSPEC forms them.

    Channels of QUALITY 1 are dropped as if they had not been read. A bin begins where the flag is not -1; where the
    channel that begins a group is itself dropped, the next one that is kept takes its place. A bin is noticed when all
    its channels are.

    Parameters
    ----------
    grouping : int[n] or None
        GROUPING flags; None means that every channel is a bin.
    quality : int[n], optional
        QUALITY flags.
    notice : bool[n], optional
        Noticed channels; by default all.
    n : int, optional
        Number of channels, needed only where all three arrays are None.

    Returns
    -------
    Bins

    Raises
    ------
    DataError
        If the arrays have different lengths or hold flags that OGIP does not know.
    """
    arrays = [np.asarray(a) for a in (grouping, quality, notice) if a is not None]
    sizes = {a.size for a in arrays} | ({n} if n is not None else set())
    if len(sizes) != 1:
        raise DataError(f"grouping, quality and notice have different lengths: {sorted(sizes)}")
    n = sizes.pop()
    flags = np.zeros(n, dtype=np.int64) if grouping is None else np.asarray(grouping, dtype=np.int64)
    marks = np.zeros(n, dtype=np.int64) if quality is None else np.asarray(quality, dtype=np.int64)
    if n and not np.isin(flags, (-1, 0, 1)).all():
        raise DataError(f"GROUPING holds {np.setdiff1d(flags, (-1, 0, 1)).tolist()}; only -1, 0 and 1 have a meaning")
    group = np.cumsum(flags != -1)
    kept = np.flatnonzero(marks != 1)
    begins = np.diff(group[kept], prepend=-1) != 0
    number = np.cumsum(begins) - 1
    total = int(number[-1]) + 1 if len(kept) else 0
    start = kept[begins]
    stop = np.append(kept[np.flatnonzero(begins)[1:] - 1], kept[-1:]) + 1 if total else start
    worst = np.maximum.reduceat(marks[kept], np.flatnonzero(begins)) if total else marks[:0]
    channel_bin = np.full(n, -1, dtype=np.intp)
    channel_bin[kept] = number
    position = np.arange(1, total + 1)
    if notice is not None and total:
        wanted = np.asarray(notice, dtype=bool)
        chosen = np.logical_and.reduceat(wanted[kept], np.flatnonzero(begins))
        renumber = np.where(chosen, np.cumsum(chosen) - 1, -1)
        channel_bin[kept] = renumber[number]
        start, stop, worst, position = start[chosen], stop[chosen], worst[chosen], position[chosen]
    return Bins(channel_bin, start, stop, position, worst, total)


def bin_range(e_min: ArrayLike, e_max: ArrayLike, lo_kev: float | None, hi_kev: float | None) -> NDArray[np.bool_]:
    """Bins that XSPEC's ``ignore lo-hi`` or ``notice lo-hi`` acts on.

    On bounds that ascend: from the first bin with E_MAX >= lo to the first with E_MAX >= hi, both included (so the
    bin that ends exactly at `lo` is among them); nothing where the range lies beyond the channels. On descending
    bounds the same walk begins at the far end. Rule of XSPEC 12.9.1.

    Parameters
    ----------
    e_min, e_max : float[n]
        Energy bounds of the bins, keV; all ascending or all descending.
    lo_kev, hi_kev : float or None
        The range; None is XSPEC's ``**``, the end of the spectrum.

    Returns
    -------
    bool[n]
    """
    low, high = np.asarray(e_min, dtype=float), np.asarray(e_max, dtype=float)
    out = np.zeros(low.size, dtype=bool)
    if not low.size:
        return out
    descending = not low[0] < low[-1] and low.size > 1
    if descending:
        low, high = low[::-1], high[::-1]
    begin = low[0] - _FUZZ if lo_kev is None else float(lo_kev)
    end = high[-1] + _FUZZ if hi_kev is None else float(hi_kev)
    if begin > end:
        begin, end = end, begin
    if not (end > low[0] and begin <= high[-1]):
        return out
    # argmax finds the first True; past the last bin XSPEC stays on the last bin
    first = int(np.argmax(high >= begin))
    reached = high >= end
    last = int(np.argmax(reached)) if reached.any() else low.size - 1
    out[first : last + 1] = True
    return out[::-1] if descending else out


def notice_range(e_min: ArrayLike, e_max: ArrayLike, lo_kev: float | None, hi_kev: float | None) -> NDArray[np.bool_]:
    """Bins left by XSPEC's ``ignore **-lo`` and ``ignore hi-**``.

    Parameters
    ----------
    e_min, e_max : float[n]
        Energy bounds of the bins, keV; all ascending or all descending.
    lo_kev, hi_kev : float or None
        Range that remains; None leaves that side open.

    Returns
    -------
    bool[n]
        True where noticed. The bin that ends at `lo` and the one that ends at `hi` are both out: of 40 eV channels
        from zero, 2-8 keV leaves 149, not 150.
    """
    keep = np.ones(np.size(e_min), dtype=bool)
    if lo_kev is not None:
        keep &= ~bin_range(e_min, e_max, None, lo_kev)
    if hi_kev is not None:
        keep &= ~bin_range(e_min, e_max, hi_kev, None)
    return keep


def _window(n: int, first: int | None, last: int | None) -> tuple[int, int]:
    low = 0 if first is None else first
    high = n - 1 if last is None else last
    if not 0 <= low <= high < n:
        raise DataError(f"channels {low} to {high} (positions from 0) are not within a spectrum of {n} channels")
    return low, high


def group_min(
    counts: ArrayLike,
    minimum: float,
    *,
    quality: ArrayLike | None = None,
    first: int | None = None,
    last: int | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Groups with at least `minimum` counts each: grppha's ``group min``.

    The counts of channels flagged bad (QUALITY not 0) do not count: such channels stay single while no group is open
    and become part of an open one that they lie within. The channels after the last complete group stay single and
    get QUALITY 2, unless they are bad already. Reproduces grppha 3.0.1.

    Parameters
    ----------
    counts : float[n]
        Counts per channel (rate times exposure where the file holds rates; it is not rounded).
    minimum : float
        Counts that complete a group.
    quality : int[n], optional
        QUALITY before; returned with the unfinished channels marked.
    first, last : int, optional
        Positions (0-based, inclusive) outside which channels stay single and keep their quality.

    Returns
    -------
    grouping, quality : int16[n]
    """
    values = np.asarray(counts, dtype=float)
    low, high = _window(values.size, first, last)
    marks = np.zeros(values.size, dtype=np.int16) if quality is None else np.array(quality, dtype=np.int16)
    if minimum <= 0:
        raise DataError(f"group min needs a positive number of counts, got {minimum}")
    flags = np.ones(values.size, dtype=np.int16)
    bad = (marks != 0).tolist()
    contents = values.tolist()
    begin, total = -1, 0.0
    for k in range(low, high + 1):
        if bad[k]:
            continue
        if begin < 0:
            begin, total = k, 0.0
        total += contents[k]
        if total >= minimum:
            flags[begin + 1 : k + 1] = -1
            begin = -1
    if begin >= 0:
        tail = marks[begin : high + 1]
        tail[tail == 0] = 2
    return flags, marks


def group_constant(
    n: int,
    width: int,
    *,
    first: int | None = None,
    last: int | None = None,
    grouping: ArrayLike | None = None,
    short_last: bool = False,
) -> NDArray[np.int16]:
    """Groups of a fixed number of channels: grppha's ``group first last width``.

    Channels that an earlier command has put into a group keep it: a new group that would touch one of them is not
    made; nor is an incomplete one at the end, whose channels stay single (grppha 3.0.1).

    Parameters
    ----------
    n : int
        Number of channels.
    width : int
        Channels per group.
    first, last : int, optional
        Positions (0-based, inclusive) of the channels to be grouped; by default all.
    grouping : int[n], optional
        Flags that are there already.
    short_last : bool
        Make a last group of the channels that are left over, as ftgrouppha does.

    Returns
    -------
    grouping : int16[n]
    """
    low, high = _window(n, first, last)
    if width < 1:
        raise DataError(f"a group needs at least one channel, got {width}")
    flags = np.ones(n, dtype=np.int16) if grouping is None else np.array(grouping, dtype=np.int16)
    flags[flags == 0] = 1
    taken = _in_group(flags)
    for begin in range(low, high + 1, width):
        stop = min(begin + width, high + 1)
        if (short_last or stop - begin == width) and not taken[begin:stop].any():
            flags[begin] = 1
            flags[begin + 1 : stop] = -1
    return flags


def _in_group(flags: NDArray[Any]) -> NDArray[np.bool_]:
    """Channels that share a group with another channel."""
    inside = flags == -1
    inside[:-1] |= inside[1:]
    return inside


def group_min_snr(
    signal: ArrayLike,
    variance: ArrayLike,
    minimum: float,
    *,
    quality: ArrayLike | None = None,
    first: int | None = None,
    last: int | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Groups that reach a signal-to-noise ratio: ftgrouppha's ``snmin``.

    Channels that are bad already (`quality`) do not count, as in `group_min`.

    Parameters
    ----------
    signal : float[n]
        Counts per channel, background subtracted if there is one.
    variance : float[n]
        Their variances; signal and variance are added up separately.
    minimum : float
        A group is complete when the sum of the signal over the square root of the sum of the variance reaches this.
    quality : int[n], optional
        QUALITY before; returned with the unfinished channels marked.
    first, last : int, optional
        Positions (0-based, inclusive) of the channels to be grouped; by default all.

    Returns
    -------
    grouping, quality : int16[n]
        Channels of an unfinished last group stay single, with QUALITY 2.
    """
    values, spread = np.asarray(signal, dtype=float), np.asarray(variance, dtype=float)
    low, high = _window(values.size, first, last)
    if minimum <= 0:
        raise DataError(f"a signal-to-noise ratio must be positive, got {minimum}")
    flags = np.ones(values.size, dtype=np.int16)
    marks = np.zeros(values.size, dtype=np.int16) if quality is None else np.array(quality, dtype=np.int16)
    bad = (marks != 0).tolist()
    begin, total, noise = -1, 0.0, 0.0
    for k in range(low, high + 1):
        if bad[k]:
            continue
        if begin < 0:
            begin, total, noise = k, 0.0, 0.0
        total += float(values[k])
        noise += float(spread[k])
        if noise > 0 and total >= minimum * noise**0.5:
            flags[begin + 1 : k + 1] = -1
            begin = -1
    if begin >= 0:
        tail = marks[begin : high + 1]
        tail[tail == 0] = 2
    return flags, marks


def optimal_widths(counts: ArrayLike, fwhm: ArrayLike) -> NDArray[np.int64]:
    """Widths of bins that lose no information (Kaastra & Bleeker 2016, A&A 587, A151, sections 3 and 5).

    With R resolution elements in the spectrum and N counts in one of them (1.314 times the counts inside its FWHM),
    x = ln[N (1 + 0.2 ln R)]; the width is FWHM (0.08 x + 7 + 1.8/x) / (x + 5.9) where x > 2.119 and the FWHM elsewhere.

    Parameters
    ----------
    counts : float[n]
        Counts per channel.
    fwhm : float[n]
        Full width at half maximum of the redistribution at each channel, in channels (see `RMF.fwhm_channels`).

    Returns
    -------
    int64[n]
        Channels, at least one.
    """
    values = np.asarray(counts, dtype=float)
    width = np.maximum(np.asarray(fwhm, dtype=float), 1.0)
    n = values.size
    resolution = 1.0 + np.sum(1.0 / width)
    below = np.concatenate([[0.0], np.cumsum(values)])
    centre = np.arange(n)
    # halves round up, whatever the channel: numpy's rint would move the window of every other channel
    low = np.clip(np.floor(centre - width / 2 + 0.5), 0, n - 1).astype(int)
    high = np.clip(np.floor(centre + width / 2 + 0.5), 0, n - 1).astype(int)
    events = 1.314 * np.maximum(below[high + 1] - below[low], 0.0)
    with np.errstate(divide="ignore"):
        x = np.log(events * (1.0 + 0.2 * np.log(resolution)))
    x = np.maximum(x, 2.119)  # below this the formula exceeds one resolution element
    factor = np.where(x > 2.119, (0.08 * x + 7.0 + 1.8 / x) / (x + 5.9), 1.0)
    return np.maximum(1, (width * factor).astype(np.int64))


def group_optimal(
    counts: ArrayLike,
    fwhm: ArrayLike,
    *,
    minimum: float | None = None,
    quality: ArrayLike | None = None,
    signal: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    min_snr: float | None = None,
) -> NDArray[np.int16]:
    """Groups of the width that loses no information: ftgrouppha's ``opt``, ``optmin`` and ``optsnmin``; see
    `group_optimal_marked`, of which these are the flags."""
    return group_optimal_marked(
        counts, fwhm, minimum=minimum, quality=quality, signal=signal, variance=variance, min_snr=min_snr
    )[0]


def group_optimal_marked(
    counts: ArrayLike,
    fwhm: ArrayLike,
    *,
    minimum: float | None = None,
    quality: ArrayLike | None = None,
    signal: ArrayLike | None = None,
    variance: ArrayLike | None = None,
    min_snr: float | None = None,
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Groups of the width that loses no information, widened where they do not hold enough.

    A group reaches as far as the width at each of its channels (`optimal_widths`) allows; with `minimum` or `min_snr`
    it is widened until the condition holds, and the channels that cannot fill a last group stay single with QUALITY 2.

    Parameters
    ----------
    counts, fwhm
        As in `optimal_widths`.
    minimum : float, optional
        Counts that each group holds.
    quality : int[n], optional
        QUALITY before; bad channels hold no counts and end a group that is complete.
    signal, variance : float[n], optional
        For `min_snr`, as in `group_min_snr`.
    min_snr : float, optional
        Signal-to-noise ratio that each group reaches.

    Returns
    -------
    grouping, quality : int16[n]
    """
    values = np.array(counts, dtype=float)
    n = values.size
    marks = np.zeros(n, dtype=np.int16) if quality is None else np.array(quality, dtype=np.int16)
    good = marks == 0
    values[~good] = 0.0
    for name, limit in (("number of counts", minimum), ("signal-to-noise ratio", min_snr)):
        if limit is not None and limit <= 0:
            raise DataError(f"optimal groups need a positive {name}, got {limit}")
    if min_snr is not None and (signal is None or variance is None):
        raise DataError("groups of a signal-to-noise ratio need signal and variance")
    below = np.concatenate([[0.0], np.cumsum(values)])
    net = np.concatenate([[0.0], np.cumsum(np.where(good, 0.0 if signal is None else signal, 0.0))])
    noise = np.concatenate([[0.0], np.cumsum(np.where(good, 0.0 if variance is None else variance, 0.0))])

    def enough(begin: int, end: int) -> bool:
        if minimum is not None and below[end + 1] - below[begin] < minimum:
            return False
        if min_snr is None:
            return True
        spread = noise[end + 1] - noise[begin]
        return bool(spread > 0 and net[end + 1] - net[begin] >= min_snr * spread**0.5)

    size = optimal_widths(values, fwhm)
    flags = np.ones(n, dtype=np.int16)
    begin = 0
    next_bad = np.minimum.accumulate(np.where(good, n, np.arange(n))[::-1])[::-1]
    while begin < n:
        if not good[begin]:  # stays single, as in group_min
            begin += 1
            continue
        reach = min(n - 1, begin + int(size[begin]) - 1)
        end = min(reach, int(np.min(np.arange(begin, reach + 1) + size[begin : reach + 1] - 1)))
        end = min(end, int(next_bad[begin]) - 1)
        while end < n - 1 and not enough(begin, end):
            end += 1
        if not enough(begin, end):
            tail = marks[begin:]
            tail[tail == 0] = 2
            break
        flags[begin + 1 : end + 1] = -1
        begin = end + 1
    return flags, marks
