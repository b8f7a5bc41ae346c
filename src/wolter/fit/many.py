"""One model fitted to many sources at once: Levenberg-Marquardt descents in batches whose rows are the sources."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from os import PathLike, fspath
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter._progress import track
from wolter.data.folding import PlanCache
from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import DataError, FitError, ParameterError, ResponseError, WolterError
from wolter.fit._blas import single_thread
from wolter.fit.dataset import Dataset
from wolter.fit.many_results import ManyFits
from wolter.fit.row_descent import BlockResult, descend_rows
from wolter.fit.row_likelihood import RowData, StatisticKind
from wolter.fit.statistics import BinData
from wolter.fit.table import ParameterTable
from wolter.models.model import Model
from wolter.models.settings import Settings

__all__ = ["fit_many"]

Array = npt.NDArray[np.float64]
Source = Spectrum | SpectrumSet | Sequence[Spectrum] | str | PathLike[str]
_BLOCK = 256  # sources fitted together: larger batches gain nothing
_MEMORY = 500_000_000  # bytes of data in a block


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A source ready to be put into a batch."""

    number: int
    dataset: Dataset
    kinds: tuple[StatisticKind, ...]
    area: Array | None
    key: tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class _Block:
    """Sources of the same shape with all that a worker needs to fit them."""

    numbers: tuple[int, ...]
    model: dict[str, Any]
    free_by_group: tuple[str, ...]
    template: SpectrumSet
    statistic: tuple[str, ...]
    weight: str
    data: RowData
    start: Array
    max_iterations: int | None


def fit_many(
    sources: Iterable[Source],
    model: Model | str,
    *,
    statistic: str | Sequence[str] = "chi",
    settings: Settings | None = None,
    energy: Any = None,
    weight: str = "standard",
    systematic: float = 0.0,
    values: Mapping[str, Any] | None = None,
    free_by_group: Sequence[str] = (),
    max_iterations: int | None = None,
    executor: Executor | None = None,
    max_memory: int = _MEMORY,
    progress: bool | None = None,
) -> ManyFits:
    """Fit the same model to many sources, each with its own best parameters.

    Sources with the same redistribution matrix, binning and noticed channels are fitted together; their counts,
    backgrounds, exposures and effective areas may differ. Others go into batches of their own. The method is the
    default one of `Fit.run`, restarts included, and so are the results.

    Parameters
    ----------
    sources : iterable of Spectrum, SpectrumSet, sequence of Spectrum, or path
        With responses. Several spectra of a source are fitted jointly. Spectra that share an RMF object, or whose
        RMFs come from the same file, go together.
    model : Model or str
        Start values, limits, ties and frozen parameters hold for all sources.
    statistic, settings, energy, weight, systematic
        As of `Fit`.
    values : mapping, optional
        Values by parameter name, one for all sources or one each [S]: starts of free parameters, and the values of
        frozen ones (a column density or redshift for each source).
    free_by_group : sequence of str
        Parameters that differ between the data groups of a source, see `Fit.free_by_group`.
    max_iterations : int, optional
        Rounds of a descent at the most.
    executor : Executor, optional
        Where batches are fitted, for example dask's; by default in threads, one per core, or one alone if the model
        has components that are not Wolter's own. For processes components have to be importable.
    max_memory : int
        Bytes that the data of a batch may take.
    progress : bool, optional
        Show a progress bar; by default on a terminal when it takes long.

    Returns
    -------
    ManyFits
        Sources that cannot be fitted (damaged files, no response, a model that is not finite) are reported there
        with a message. After Ctrl-C so are those that were not fitted yet.

    Raises
    ------
    FitError
        If nothing is free.
    ParameterError
        For unknown names in `values`, or columns of the wrong length.
    """
    base = Model(model, settings=settings) if isinstance(model, str) else model.copy()
    if settings is not None and not isinstance(model, str) and settings != model.settings:
        raise FitError("settings are given twice", cure="Leave out settings=: the model has its own.")
    prepared: list[_Prepared | str] = []
    labels: list[str] = []
    preparation = _Preparation(base, statistic, weight, energy, systematic)
    for number, source in enumerate(track(sources, "preparing sources", enabled=progress)):
        labels.append(_label(source, number))
        try:
            prepared.append(preparation.prepare(number, source))
        except WolterError as error:
            prepared.append(str(error))
    good = [p for p in prepared if isinstance(p, _Prepared)]
    groups = good[0].dataset.n_groups if good else 1
    table = _table(base, groups, free_by_group)
    table.free.require()
    columns = _columns(table, values or {}, len(labels))
    units = [table.parameters[p].unit for p in table.free.positions]
    out = ManyFits.empty(labels, base.expression, table.free.names, units)
    messages = [p if isinstance(p, str) else " ".join(p.dataset.warnings()) for p in prepared]
    blocks = _blocks(good, table, columns, base, tuple(free_by_group), max_iterations, max_memory, messages, groups)
    own = None
    if executor is None:
        # components that are not our own may not stand several threads
        native = all(component.definition.origin == "native" for component in base.components)
        own = executor = ThreadPoolExecutor(max(1, min(os.cpu_count() or 1, len(blocks))) if native else 1)
    cache = preparation.cache if own is not None else None
    futures = [executor.submit(_fit_block, b, cache) for b in blocks]
    done = 0
    try:
        for block, future in zip(blocks, track(futures, "fitting", enabled=progress), strict=True):
            _store(out, block, future.result(), messages)
            done += 1
    except KeyboardInterrupt:
        for block, future in zip(blocks[done:], futures[done:], strict=True):
            future.cancel()
            for number in block.numbers:
                messages[number] += " interrupted before it was fitted"
    finally:
        if own is not None:
            own.shutdown(wait=True, cancel_futures=True)
    return replace(out, messages=tuple(m.strip() for m in messages))


def _label(source: Any, number: int) -> str:
    first = source
    if not isinstance(source, Spectrum | str | PathLike):
        first = source[0] if len(source) else None
    if isinstance(first, str | PathLike):
        return fspath(first)
    path = getattr(first, "path", None)
    return str(path) if path else f"source {number + 1}"


class _Preparation:
    """Turns sources into datasets that share what they can."""

    def __init__(
        self, model: Model, statistic: str | Sequence[str], weight: str, energy: Any, systematic: float
    ) -> None:
        self.settings = model.settings
        self.statistic = statistic
        self.weight = weight
        self.energy = energy
        self.systematic = systematic
        self.cache: PlanCache = {}
        self._read: dict[Any, Any] = {}
        self._rmfs: dict[Any, Any] = {}
        self._masks: dict[Any, npt.NDArray[np.bool_]] = {}

    def prepare(self, number: int, source: Source) -> _Prepared:
        """Dataset of a source without its effective area, which goes into the batch as a row."""
        if isinstance(source, str | PathLike):
            source = Spectrum.read(source, cache=self._read)
        data = source if isinstance(source, SpectrumSet) else SpectrumSet(_spectra(source))
        spectra = [self._shared(s) for s in data]
        single = len(spectra) == 1
        arf = spectra[0].arf if single else None
        if arf is not None:
            spectra = [spectra[0].replace(arf=None)]
        data = SpectrumSet(spectra, groups=data.groups, notice=self._notice(spectra, data.notice))
        dataset = Dataset(
            data,
            self.settings,
            statistic=self.statistic,
            weight=self.weight,
            systematic=self.systematic,
            cache=self.cache,
        )
        area = None
        if arf is not None:
            rmf, grid = spectra[0].rmf, dataset.grids[0]
            assert rmf is not None
            if len(arf.specresp) != rmf.n_energies:
                raise ResponseError(
                    f"the ARF has {len(arf.specresp)} energy bins, the RMF {rmf.n_energies}",
                    file=arf.path,
                    cure="Make the ARF on the energies of this RMF.",
                )
            area = arf.specresp[grid.first_row : grid.first_row + grid.edges.size - 1]
        kinds = tuple(self._kind(dataset, i) for i in range(len(dataset.blocks)))
        spectrum_keys = [
            (id(e.plan), e.group, e.context.stokes, tuple(sorted(e.context.xflt.items())), e.statistic)
            for e in dataset.spectra
        ]
        key = (tuple(spectrum_keys), tuple((k.name, k.background, k.bins.stop) for k in kinds), area is None)
        return _Prepared(number, dataset, kinds, area, key)

    def _notice(self, spectra: list[Spectrum], notice: list[npt.NDArray[np.bool_]]) -> list[npt.NDArray[np.bool_]]:
        """Noticed channels, the energy range taken into account; made once for spectra with equal bins."""
        if self.energy is None:
            return notice
        out = []
        for spectrum, mask in zip(spectra, notice, strict=True):
            grouping = None if spectrum.grouping is None else spectrum.grouping.tobytes()
            key = (id(spectrum.rmf), spectrum.quality.tobytes(), grouping)
            if key not in self._masks:
                self._masks[key] = SpectrumSet([spectrum]).select(*self.energy).notice[0]
            out.append(mask & self._masks[key])
        return out

    def _kind(self, dataset: Dataset, index: int) -> StatisticKind:
        block = dataset.blocks[index]
        entry = next(e for e in dataset.spectra if e.bins.start == block.bins.start)
        return StatisticKind(*entry.kind, self.weight == "model", block.bins, self.systematic)

    def _shared(self, spectrum: Spectrum) -> Spectrum:
        """The spectrum with the RMF object of the first that came from the same file."""
        rmf = spectrum.rmf
        if rmf is None:
            raise ResponseError(
                "the spectrum has no response",
                file=spectrum.path,
                cure="Give rmf= (and arf=) when reading it, or put their names into RESPFILE and ANCRFILE.",
            )
        key = id(rmf) if rmf.path is None else (str(rmf.path), rmf.n_energies, rmf.detchans)
        known = self._rmfs.setdefault(key, rmf)
        return spectrum if known is rmf else spectrum.replace(rmf=known)


def _spectra(source: Any) -> list[Spectrum]:
    spectra = [source] if isinstance(source, Spectrum) else list(source)
    if not spectra or not all(isinstance(s, Spectrum) for s in spectra):
        raise DataError("a source is neither a spectrum, nor several, nor the name of a file")
    return spectra


def _table(model: Model, groups: int, free_by_group: Sequence[str]) -> ParameterTable:
    table = ParameterTable(model, groups)
    for name in free_by_group:
        table.free_by_group(name)
    return table


def _columns(table: ParameterTable, values: Mapping[str, Any], count: int) -> Array:
    """Values of all parameters [S, N] of all sources; ties are not applied yet."""
    out = np.tile([p.value for p in table.parameters], (count, 1))
    for name, given in values.items():
        position = table.find(name)
        if table.parameters[position].tie is not None:
            raise ParameterError(f"parameter {table.label(position)} is tied and takes no values")
        column = np.asarray(getattr(given, "value", given), dtype=float)
        if column.ndim > 1 or (column.ndim == 1 and len(column) != count):
            raise ParameterError(
                f"{column.size} values of parameter {table.label(position)} for {count} sources",
                cure="Give one value, or one for each source.",
            )
        out[:, position] = column
    return out


def _outside(table: ParameterTable, row: Array) -> str:
    """What is wrong with the values of one source, or an empty string."""
    for position, (value, parameter) in enumerate(zip(row.tolist(), table.parameters, strict=True)):
        if not parameter.hard_min <= value <= parameter.hard_max:
            return (
                f"value {value:g} of parameter {table.label(position)} is outside its limits "
                f"{parameter.hard_min:g} to {parameter.hard_max:g}"
            )
    return ""


def _blocks(
    prepared: list[_Prepared],
    table: ParameterTable,
    columns: Array,
    model: Model,
    free_by_group: tuple[str, ...],
    max_iterations: int | None,
    max_memory: int,
    messages: list[str],
    groups: int,
) -> list[_Block]:
    """Sources of the same shape in blocks of limited size; what does not fit gets a message."""
    base = table.free.tied(columns)
    classes: dict[Any, list[_Prepared]] = {}
    for source in prepared:
        wrong = _outside(table, base[source.number])
        if source.dataset.n_groups != groups:
            wrong = f"there are {source.dataset.n_groups} data groups, but {groups} in the first source"
        if wrong:
            messages[source.number] = f"{messages[source.number]} {wrong}".strip()
        else:
            classes.setdefault(source.key, []).append(source)
    state = model.to_dict()
    out = []
    for members in classes.values():
        first = members[0]
        row_bytes = _data([first], base).bytes_per_row
        size = max(1, min(_BLOCK, int(max_memory / row_bytes)))
        for i in range(0, len(members), size):
            part = members[i : i + size]
            numbers = tuple(p.number for p in part)
            out.append(
                _Block(
                    numbers=numbers,
                    model=state,
                    free_by_group=free_by_group,
                    template=_bare(first.dataset.source),
                    statistic=tuple(e.statistic for e in first.dataset.spectra),
                    weight=first.dataset.weight,
                    data=_data(part, base),
                    start=columns[list(numbers)][:, table.free.positions],
                    max_iterations=max_iterations,
                )
            )
    return out


def _bare(spectra: SpectrumSet) -> SpectrumSet:
    """Spectra without what a worker does not need and may not be able to receive."""
    bare = [s.replace(gti=None, region=None) for s in spectra]
    return SpectrumSet(bare, groups=spectra.groups, notice=spectra.notice)


def _data(members: list[_Prepared], base: Array) -> RowData:
    first = members[0]
    bins = []
    for i in range(len(first.kinds)):
        parts = [m.dataset.blocks[i].statistic.bins for m in members]
        bins.append(BinData(**{n: np.stack([getattr(p, n) for p in parts]) for n in BinData.__dataclass_fields__}))
    area = None if first.area is None else np.stack([m.area for m in members if m.area is not None])
    return RowData(first.kinds, tuple(bins), area, base[[m.number for m in members]])


def _fit_block(block: _Block, cache: PlanCache | None = None) -> BlockResult:
    """Fit the sources of a block; runs where the executor wants it, beside others, with one BLAS thread."""
    model = Model.from_dict(block.model)
    dataset = Dataset(block.template, model.settings, statistic=block.statistic, weight=block.weight, cache=cache)
    table = _table(model, dataset.n_groups, block.free_by_group)
    with single_thread():
        return descend_rows(dataset, model.node, table.free, block.data, block.start, block.max_iterations)


def _store(out: ManyFits, block: _Block, result: BlockResult, messages: list[str]) -> None:
    rows = np.array(block.numbers)
    out.values[rows] = result.values
    out.covariance[rows] = result.covariance
    variance = result.covariance[:, np.arange(len(out.names)), np.arange(len(out.names))]
    out.sigma[rows] = np.sqrt(np.where(variance > 0, variance, np.nan))
    out.statistic[rows] = result.statistic
    out.converged[rows] = result.converged
    out.failed[rows] = ~np.isfinite(result.statistic)
    out.iterations[rows] = result.iterations
    out.restarts[rows] = result.restarts
    count = sum(k.bins.stop - k.bins.start for k in block.data.kinds)
    out.bins[rows], out.dof[rows] = count, count - len(out.names)
    for number, text in zip(block.numbers, result.messages, strict=True):
        messages[number] = f"{messages[number]} {text}".strip()
