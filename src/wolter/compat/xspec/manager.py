"""`AllData`: loading and removing spectra, noticed channels."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from wolter.compat.xspec import dummies, files, show
from wolter.compat.xspec.axis import to_kev
from wolter.compat.xspec.data import Spectrum
from wolter.compat.xspec.errors import XspecError, translated
from wolter.compat.xspec.ranges import parse_ranges, range_text
from wolter.compat.xspec.restrict import Restricted
from wolter.compat.xspec.session import SESSION
from wolter.data.grouping import bin_range

__all__ = ["DataManager"]


class DataManager(Restricted):
    """`AllData`: the container of all spectra."""

    def __call__(self, what: int | str) -> Spectrum | None:
        """Spectrum by number; a string loads spectra: ``"1:1 a.pha 1:2 b.pha"``."""
        if isinstance(what, str):
            self._read(what)
            return None
        number = int(what)
        if not 1 <= number <= len(SESSION.spectra):
            raise XspecError(f"Error: Spectrum index number is out of range: {number}")
        return SESSION.spectra[number - 1]

    def _read(self, text: str) -> None:
        words = text.replace(",", " ").split()
        place: tuple[int | None, int] | None = None
        counter, group, touched = 1, 1, False
        if words in (["none"], ["none/"]):
            self.clear()
            return
        for word in words:
            match = re.fullmatch(r"(?:(\d+):)?(\d+)", word)
            if match and not os.path.isfile(word):
                place = (int(match[1]) if match[1] else None, int(match[2]))
                continue
            if place is not None:
                group, counter = place[0] if place[0] is not None else 1, place[1]
            elif not touched and len(words) == 1:
                self.clear(quiet=True)
            self._put(word, group, counter)
            touched = True
            counter += 1
            place = None
        self._after()

    def _put(self, word: str, group: int, number: int) -> None:
        if files.is_none(word):
            if number <= len(SESSION.spectra):
                del SESSION.spectra[number - 1]
            return
        if number > len(SESSION.spectra) + 1:
            raise XspecError(f"Error: spectrum number {number} leaves a gap: {len(SESSION.spectra)} are loaded")
        highest = max([s.dataGroup for s in SESSION.spectra], default=0)
        if group > highest + 1:
            raise XspecError(f"Error: data group {group} leaves a gap: the highest is {highest}")
        try:
            spectrum = Spectrum._make(word, group)
        except XspecError as error:
            SESSION.out(str(error))
            raise
        if number == len(SESSION.spectra) + 1:
            SESSION.spectra.append(spectrum)
        else:
            SESSION.spectra[number - 1] = spectrum
        show.loading.append(spectrum)

    def _after(self) -> None:
        self._close_gaps()
        SESSION.data_changed()
        show.loaded(show.loading)
        show.loading.clear()

    def _close_gaps(self) -> None:
        present = sorted({s.dataGroup for s in SESSION.spectra})
        for spectrum in SESSION.spectra:
            spectrum._group = present.index(spectrum.dataGroup) + 1

    def __iadd__(self, what: str | list[str]) -> DataManager:
        """Load one more spectrum, or several, each in a new slot of data group 1."""
        for name in [what] if isinstance(what, str) else what:
            self._put(name, 1, len(SESSION.spectra) + 1)
        self._after()
        return self

    def __isub__(self, what: Any) -> DataManager:
        """Remove spectra by number, object, or all with "*"."""
        if what == "*":
            self.clear()
            return self
        wanted = what if isinstance(what, list | tuple) else [what]
        chosen = [w if isinstance(w, Spectrum) else self(int(w)) for w in wanted]
        SESSION.spectra[:] = [s for s in SESSION.spectra if not any(s is c for c in chosen)]
        self._after()
        return self

    def __iter__(self) -> Iterator[Spectrum]:
        return iter(list(SESSION.spectra))

    def __len__(self) -> int:
        return len(SESSION.spectra)

    @property
    def nSpectra(self) -> int:
        """Number of spectra."""
        return len(SESSION.spectra)

    @property
    def nGroups(self) -> int:
        """Number of data groups."""
        return max([s.dataGroup for s in SESSION.spectra], default=0)

    def clear(self, *, quiet: bool = False) -> None:
        """Remove all spectra."""
        SESSION.spectra.clear()
        SESSION.data_changed()

    def show(self) -> None:
        """Print a summary of all spectra."""
        show.data()

    def ignore(self, text: str) -> None:
        """Ignore channels or energies: ``"bad"``, ``"1-2:**-2.0 8.0-**"``, ``"1-30,800-**"``."""
        self._change(text, False, tuple(range(1, len(SESSION.spectra) + 1)))

    def notice(self, text: str) -> None:
        """Notice channels or energies; ``"all"`` notices everything."""
        self._change(text, True, tuple(range(1, len(SESSION.spectra) + 1)))

    @staticmethod
    def _change(text: str, notice: bool, spectra: tuple[int, ...]) -> None:
        verb = "noticed" if notice else "ignored"
        words = str(text).strip().lower()
        if words in ("all", "bad"):
            for number in spectra:
                spectrum = SESSION.spectra[number - 1]
                if words == "all":
                    spectrum._notice[:] = notice
                    _say_changed(np.arange(1, spectrum._all.total + 1), True, verb, number)
                elif not notice:
                    _ignore_bad(spectrum, number)
            if words == "all":
                SESSION.out(f"All channels {verb}")
            SESSION.data_changed()
            show.fit_lines()
            return
        try:
            ranges = parse_ranges(str(text), spectra, len(SESSION.spectra))
        except ValueError:
            SESSION.out(f"***Xspec Error: Invalid ignore/notice string: {range_text(list(spectra))}:{text}")
            return
        for one in ranges:
            for number in one.spectra:
                spectrum = SESSION.spectra[number - 1]
                chosen = _select(spectrum, one.channels, one.lo, one.hi)
                spectrum._notice[chosen] = notice
                _say_changed(np.flatnonzero(chosen) + 1, one.channels, verb, number)
        SESSION.data_changed()
        show.fit_lines()

    def dummyrsp(
        self,
        lowE: float | None = None,
        highE: float | None = None,
        nBins: int | None = None,
        scaleType: str | None = None,
        chanOffset: float | None = None,
        chanWidth: float | None = None,
    ) -> None:
        """Replace all responses by a dummy; what is left out is as in the last call (0.1, 50, 5000, "log", 0, 0).

        With a channel width of zero the responses stay, and models are computed on the energies given.
        """
        dummies.set_dummy(SESSION.spectra, lowE, highE, nBins, scaleType, chanOffset, chanWidth)

    def diagrsp(self) -> None:
        """Replace all responses by diagonal ones."""
        dummies.set_diagonal(SESSION.spectra)

    def removeDummyrsp(self) -> None:
        """Take dummy and diagonal responses back."""
        dummies.remove(SESSION.spectra)

    def fakeit(
        self,
        nSpectra: int = 1,
        settings: Any = None,
        applyStats: bool = True,
        filePrefix: str = "",
        noWrite: bool = False,
    ) -> None:
        """Make fake spectra of the present model; they replace those that are loaded."""
        from wolter.compat.xspec.fake import fakeit

        fakeit(nSpectra, settings, applyStats, filePrefix, noWrite)


def _select(spectrum: Spectrum, channels: bool, lo: float | None, hi: float | None) -> Any:
    """Bins that a range means."""
    total = spectrum._all.total
    if channels:
        first, last = int(lo or 1), total if hi is None else int(hi)
        chosen = np.zeros(total, dtype=bool)
        chosen[max(first - 1, 0) : last] = True
        return chosen
    low, high = to_kev(lo, hi)
    if not spectrum.has_response:
        raise XspecError("Error: energies need a response")
    with translated():
        return bin_range(*spectrum.engine.energy_bounds(spectrum._all), low, high)


def _ignore_bad(spectrum: Spectrum, number: int) -> None:
    bad = (spectrum._all.quality != 0) & spectrum._notice
    spectrum._notice &= ~bad
    header = spectrum.engine.header
    named = "QUALITY" in header or any(str(header[k]).strip() == "QUALITY" for k in header if k.startswith("TTYPE"))
    if named or spectrum.engine.quality.any():
        SESSION.out(f"ignore: {int(bad.sum()):5d} channels ignored from  source number {number}")
    else:
        SESSION.out(f"ignore: no quality array present: spectrum {number}")


def _say_changed(numbers: Any, channels: bool, verb: str, spectrum: int) -> None:
    text = range_text(numbers.tolist(), ",")
    if not text:
        SESSION.out(f"      No channels {verb} (no channels in specified range)")
        return
    for part in text.split(","):
        first, _, last = part.partition("-")
        pair = f"({first},{last or first})" if channels else f"({part})"
        count = int(last or first) - int(first) + 1
        SESSION.out(f"{count:6d} channels {pair} {verb} in spectrum # {spectrum:5d}")
