"""Several spectra that are analysed together: their data groups and their noticed channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wolter._progress import each
from wolter.data.checks import check_weightings
from wolter.data.spectrum import BinnedSpectrum, Spectrum
from wolter.errors import DataError, UnitError
from wolter.units import is_quantity, to_kev

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wolter.data._tables import Listing

__all__ = ["SpectrumSet"]


class SpectrumSet(Sequence[Spectrum]):
    """Spectra with data groups and noticed channels; a sequence of `Spectrum`. Selecting gives a new set.

    Parameters
    ----------
    spectra : iterable of Spectrum
    groups : sequence of int, or "detector", optional
        Data group of each spectrum, numbered from 1 without gaps (XSPEC's: spectra of a group share parameters).
        "detector" makes one group of each TELESCOP, INSTRUME and DETNAM, in order of appearance. By default all
        are in group 1.
    notice : sequence of bool arrays, optional
        Noticed channels of each; by default all.

    Raises
    ------
    DataError
        If the set is empty, the groups do not fit, or spectra are weighted in different ways.
    """

    def __init__(
        self,
        spectra: Iterable[Spectrum],
        *,
        groups: Sequence[int] | str | None = None,
        notice: Sequence[ArrayLike] | None = None,
    ) -> None:
        self._spectra = tuple(spectra)
        if not self._spectra:
            raise DataError("a set of no spectra", cure="Give at least one spectrum.")
        check_weightings(self._spectra)
        self.groups: tuple[int, ...] = self._numbers(groups)
        if notice is None:
            masks = [np.ones(len(s), dtype=bool) for s in self._spectra]
        else:
            masks = [np.asarray(m, dtype=bool) for m in notice]
        if [len(m) for m in masks] != [len(s) for s in self._spectra]:
            raise DataError("the masks of noticed channels do not fit the spectra")
        self.notice: list[NDArray[np.bool_]] = masks

    def _numbers(self, groups: Sequence[int] | str | None) -> tuple[int, ...]:
        if groups is None:
            return (1,) * len(self._spectra)
        if isinstance(groups, str):
            if groups != "detector":
                raise DataError(f"groups={groups!r} is not understood", cure="Give numbers or 'detector'.")
            seen: dict[Any, int] = {}
            return tuple(seen.setdefault((s.telescop, s.instrume, s.detnam), len(seen) + 1) for s in self._spectra)
        out = tuple(int(g) for g in groups)
        if len(out) != len(self._spectra):
            raise DataError(f"{len(self._spectra)} spectra but {len(out)} group numbers")
        if set(out) != set(range(1, max(out) + 1)):
            raise DataError(f"data groups {sorted(set(out))} are not numbered 1, 2, 3 ... without gaps")
        return out

    @classmethod
    def read(
        cls,
        paths: Iterable[str | PathLike[str]] | str | PathLike[str],
        *,
        groups: Sequence[int] | str | None = None,
        **options: Any,
    ) -> SpectrumSet:
        """Read spectra; responses that several of them name are read once.

        Parameters
        ----------
        paths : path or iterable of paths
            Of files with several spectra (type II) all are taken.
        groups : sequence of int, or "detector", optional
        **options
            Of `Spectrum.read`. ``rmf``, ``arf`` and ``background`` may be lists with one entry per spectrum.
        """
        files = [paths] if isinstance(paths, (str, PathLike)) else list(paths)
        cache: dict[Any, Any] = options.pop("cache", None) or {}
        spectra = []
        for i, path in enumerate(files):
            own = {}
            for key, value in options.items():
                if isinstance(value, (list, tuple)):
                    if len(value) != len(files):
                        raise DataError(f"{len(files)} spectra but {len(value)} entries in {key}=")
                    value = value[i]
                own[key] = value
            try:
                spectra.append(Spectrum.read(path, cache=cache, **own))
            except DataError as error:
                if "(type II)" not in error.cause:
                    raise
                from wolter.data.type2 import read_type2

                spectra += read_type2(path, cache=cache, **own)
        return cls(spectra, groups=groups)

    def __len__(self) -> int:
        return len(self._spectra)

    def __iter__(self) -> Iterator[Spectrum]:
        return iter(self._spectra)

    @overload
    def __getitem__(self, index: int) -> Spectrum: ...
    @overload
    def __getitem__(self, index: slice) -> SpectrumSet: ...
    def __getitem__(self, index: int | slice) -> Spectrum | SpectrumSet:
        if isinstance(index, slice):
            return self.subset(range(len(self))[index])
        return self._spectra[index]

    def __add__(self, other: SpectrumSet) -> SpectrumSet:
        """Both sets; the data groups of the second keep their numbers."""
        return SpectrumSet((*self, *other), groups=(*self.groups, *other.groups), notice=(*self.notice, *other.notice))

    def subset(self, indices: Iterable[int]) -> SpectrumSet:
        """Set of some of the spectra; data groups are numbered anew, in their old order."""
        picked = list(indices)
        old = sorted({self.groups[i] for i in picked})
        return SpectrumSet(
            [self._spectra[i] for i in picked],
            groups=[old.index(self.groups[i]) + 1 for i in picked],
            notice=[self.notice[i] for i in picked],
        )

    def select(self, lo: Any = None, hi: Any = None) -> SpectrumSet:
        """Set with the energies outside lo-hi ignored, by XSPEC's rule (``ignore **-lo hi-**``).

        Parameters
        ----------
        lo, hi : Quantity or None
            Energies; None leaves a side open. A bin that ends exactly at `lo` or at `hi` is ignored.

        Raises
        ------
        UnitError
            For a bare number.
        DataError
            If a spectrum has no RMF, or nothing is left of one.
        """
        if is_quantity(lo) and np.ndim(lo.value) == 1 and hi is None:
            lo, hi = lo
        low = None if lo is None else to_kev(lo, "the lower energy")
        high = None if hi is None else to_kev(hi, "the upper energy")
        if low is not None and high is not None and not low < high:
            raise UnitError(f"the energy range {low:g}-{high:g} keV is empty", cure="Give the lower energy first.")
        return self._with([m & s.notice(low, high) for s, m in zip(self, self.notice, strict=True)])

    def select_bins(self, first: int | None = None, last: int | None = None) -> SpectrumSet:
        """Set with bins before `first` and after `last` ignored: XSPEC's channel numbers, bins counted from 1."""
        masks = []
        for spectrum, mask in zip(self, self.notice, strict=True):
            bins = spectrum.bins()
            inside = (bins.position >= (first or 1)) & (bins.position <= (bins.total if last is None else last))
            masks.append(mask & spectrum.mask_of(inside, bins))
        return self._with(masks)

    def ignore_bad(self) -> SpectrumSet:
        """Set without the bins whose quality is not 0: XSPEC's ``ignore bad``."""
        return self._with([m & s.mask_of(s.bins().quality == 0) for s, m in zip(self, self.notice, strict=True)])

    def group(self, *args: Any, executor: Executor | None = None, **options: Any) -> SpectrumSet:
        """Set with every spectrum grouped by `Spectrum.group`; bins that reach beyond the noticed channels go.

        Parameters
        ----------
        *args, **options
            As for `Spectrum.group`.
        executor : concurrent.futures.Executor, optional
            Groups the spectra in parallel.
        """
        grouped = each(partial(_grouped, args, options), list(self), "grouping spectra", executor=executor)
        return SpectrumSet(grouped, groups=self.groups, notice=self.notice)

    def _with(self, notice: list[NDArray[np.bool_]]) -> SpectrumSet:
        for spectrum, mask in zip(self, notice, strict=True):
            if not len(spectrum.bins(mask)):
                raise DataError(
                    "no channel is left after the selection", file=spectrum.path, cure="Choose a wider range."
                )
        return SpectrumSet(self._spectra, groups=self.groups, notice=notice)

    def binned(self, index: int) -> BinnedSpectrum:
        """Noticed bins of one spectrum."""
        return self._spectra[index].binned(self.notice[index])

    def __repr__(self) -> str:
        return self._listing().text()

    def _repr_html_(self) -> str:
        return self._listing().html()

    def _listing(self) -> Listing:
        """One line for each spectrum."""
        from wolter.data._tables import Listing, detector_of

        heads = ("group", "detector", "stokes", "exposure/s", "counts", "backscal", "bins", "background", "responses")
        rows = []
        for number, (spectrum, group) in enumerate(zip(self, self.groups, strict=True)):
            detector = detector_of({"DETNAM": spectrum.detnam, "INSTRUME": spectrum.instrume})
            area = np.asarray(spectrum.backscal, dtype=float)
            bins = spectrum.bins(self.notice[number])
            back = spectrum.background
            rows.append(
                (
                    str(group),
                    detector,
                    "" if spectrum.stokes is None else "IQU"[spectrum.stokes],
                    f"{spectrum.exposure:.1f}",
                    f"{np.nansum(spectrum.counts):.6g}",
                    f"{area:.4g}" if area.ndim == 0 else "by channel",
                    str(len(bins.start)),
                    "" if back is None else f"{np.nansum(back.counts):.6g}",
                    " + ".join(n for n, one in (("RMF", spectrum.rmf), ("ARF", spectrum.arf)) if one is not None),
                )
            )
        title = f"SpectrumSet: {len(self)} spectr{'um' if len(self) == 1 else 'a'} in {max(self.groups)} data group"
        left = ("detector", "stokes", "responses")
        return Listing(heads, rows, left=left, title=title + ("" if max(self.groups) == 1 else "s"))


def _grouped(args: tuple[Any, ...], options: dict[str, Any], spectrum: Spectrum) -> Spectrum:
    return spectrum.group(*args, **options)
