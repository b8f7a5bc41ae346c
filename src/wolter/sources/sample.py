"""Samples: many sources with the verbs of one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from wolter._accessor import Figures
from wolter._progress import track
from wolter.errors import DataError, WolterError, suggest
from wolter.sources.extended import GalaxyCluster
from wolter.sources.source import Source

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wolter.fit import ManyFits
    from wolter.sources.library import Library
    from wolter.sources.measurements import Measurement

__all__ = ["ClusterSample", "Failure", "Sample"]

_STRIP = 0.5  # deg, the width of a field of view


class Failure:
    """A source whose measurement could not be made.

    Attributes
    ----------
    name : str
    error : WolterError
    """

    def __init__(self, name: str, error: WolterError) -> None:
        self.name, self.error = name, error

    def __repr__(self) -> str:
        return f"<{self.name}: {self.error}>"

    def __bool__(self) -> bool:
        return False


class Sample:
    """Sources declared by columns.

    A sample holds positions and properties, not images: a source is made when it is asked for and forgets its images
    with it, so that ten thousand sources take as much memory as one.

    Parameters
    ----------
    positions : SkyCoord array, or sequence of positions
        As for `Source`.
    library : Library
    names : sequence of str, optional
    columns : mapping of str to sequence, optional
        Properties that differ from source to source (``redshift=[...]``, ``r500=[...]*u.kpc``): arguments of the
        class of sources.
    kind : class
        Of the sources.
    **options
        Arguments that are the same for all.

    Raises
    ------
    DataError
        If columns differ in length, or names repeat.
    """

    plot: ClassVar[Figures] = Figures("sample_view")
    kind: type[Source] = Source

    def __init__(
        self,
        positions: Any,
        library: Library,
        *,
        names: Sequence[str] | None = None,
        columns: Mapping[str, Any] | None = None,
        kind: type[Source] | None = None,
        **options: Any,
    ) -> None:
        self.library = library
        self.kind = kind or type(self).kind
        # One by one, elements of a SkyCoord cost more than all that is measured there.
        self._positions = _pairs(positions) if hasattr(positions, "frame") else positions
        self._columns = {k: v for k, v in dict(columns or {}).items() if v is not None}
        self._options = options
        number = len(positions)
        self.names = [str(n) for n in names] if names is not None else [f"source {i + 1}" for i in range(number)]
        for what, column in {"names": self.names, **self._columns}.items():
            if len(column) != number:
                raise DataError(f"there are {number} positions and {len(column)} values of {what}")
        repeated = sorted({n for n in self.names if self.names.count(n) > 1}) if len(set(self.names)) < number else []
        if repeated:
            raise DataError(f"two sources have the name {repeated[0]!r}", cure="Give every source a name of its own.")
        if number == 0:
            raise DataError("the sample is empty")

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, which: int | str) -> Source: ...
    @overload
    def __getitem__(self, which: slice) -> Self: ...
    def __getitem__(self, which: int | str | slice) -> Source | Self:
        """Source by number or name; a part of the sample by a slice.

        Raises
        ------
        DataError
            If there is none.
        """
        if isinstance(which, slice):
            return self._part(which)
        if isinstance(which, str):
            if which not in self.names:
                raise DataError(f"the sample has no source {which!r}", cure=suggest(which, self.names) or None)
            which = self.names.index(which)
        index = range(len(self))[which]  # raises IndexError, and counts negative ones from the end
        own = {name: column[index] for name, column in self._columns.items()}
        return self.kind(self._positions[index], self.library, name=self.names[index], **own, **self._options)

    def __iter__(self) -> Iterator[Source]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} {self.kind.__name__}s>"

    def run(
        self,
        verb: str | Callable[..., Any],
        *args: Any,
        executor: Executor | None = None,
        progress: bool | None = None,
        **options: Any,
    ) -> list[Any]:
        """What a verb of the sources gives for each of them, in order.

        Parameters
        ----------
        verb : str or callable
            Name of a method of the sources, or a function of a source.
        *args, **options
            Its arguments.
        executor : concurrent.futures.Executor, optional
            Runs the sources in parallel: threads, processes, or ``dask.distributed``'s ``client.get_executor()``.
            What one of several processes has made, the others find in the library.
        progress : bool, optional
            Show a progress bar; by default on a terminal.

        Returns
        -------
        list
            One result per source; a `Failure` where a source's data do not allow the measurement.
        """
        if isinstance(verb, str) and not callable(getattr(self.kind, verb, None)):
            known = [n for n in dir(self.kind) if not n.startswith("_") and callable(getattr(self.kind, n))]
            raise DataError(f"sources have no verb {verb!r}", cure=suggest(verb, known) or None)
        order = self._along_the_sky()
        if executor is None:
            jobs: Any = (_measure(self, i, verb, args, options) for i in order)
        else:
            futures = [executor.submit(_measure, self._part(slice(i, i + 1)), 0, verb, args, options) for i in order]
            jobs = (future.result() for future in futures)
        bar = track(order, str(verb) if isinstance(verb, str) else "sources", enabled=progress)
        results: list[Any] = [None] * len(self)
        for i, result in zip(bar, jobs, strict=True):
            results[i] = result
        return results

    def _along_the_sky(self) -> list[int]:
        """Numbers of the sources, those of one field after each other: its images are then read once."""
        from wolter.sky import parse_position

        places = [parse_position(p) for p in self._positions]
        strips = np.array([(math.floor(dec / _STRIP), ra) for ra, dec in places])
        return [int(i) for i in np.lexsort((strips[:, 1], strips[:, 0]))]

    def _part(self, which: slice) -> Self:
        """Sample of some of the sources; of one, it is what a worker needs."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        part.names = self.names[which]
        if not part.names:
            raise DataError("the part of the sample is empty")
        part._positions = self._positions[which]
        part._columns = {name: column[which] for name, column in self._columns.items()}
        return part

    # ---------------------------------------------------------------- the verbs of one source, for all of them

    def measure(self, radius: Any, *, executor: Executor | None = None, **options: Any) -> list[Measurement | Failure]:
        """Counts, signal to noise, coverage and peak of every source in one pass; see `Source.measure`."""
        return self.run("measure", radius, executor=executor, **options)

    def snr(self, radius: Any, *, executor: Executor | None = None, **options: Any) -> np.ndarray:
        """Signal to noise of every source (NaN where it cannot be measured); see `Source.snr`."""
        return _numbers(self.run("snr", radius, executor=executor, **options))

    def net_counts(self, radius: Any, *, executor: Executor | None = None, **options: Any) -> np.ndarray:
        """Counts less background of every source (NaN where they cannot be measured)."""
        return _numbers(self.run("net_counts", radius, executor=executor, **options))

    def peak(self, *, executor: Executor | None = None, **options: Any) -> list[Any]:
        """X-ray peak of every source, or a `Failure`."""
        return self.run("peak", executor=executor, **options)

    def column_density(self, survey: str = "HI4PI", **options: Any) -> np.ndarray:
        """Galactic hydrogen column (cm⁻²) of every source."""
        return _numbers(self.run("column_density", survey, **options))

    def fit(self, outer: Any, model: Any = "tbabs*apec", **options: Any) -> tuple[ManyFits, list[Failure]]:
        """Fit one model to the spectra of every source in batched calls; see `wolter.sources.fit_sample`."""
        from wolter.sources.spectra import fit_sample

        return fit_sample(self, outer, model, **options)

    def info(self) -> str:
        """What is known of every source."""
        return "\n".join(str(part) for part in self.run("info"))


def _measure(sample: Sample, index: int, verb: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    name = sample.names[index]
    try:
        source = sample[index]
        return getattr(source, verb)(*args, **options) if isinstance(verb, str) else verb(source, *args, **options)
    except WolterError as error:
        return Failure(name, error)


def _pairs(positions: Any) -> list[Any]:
    """Positions of a SkyCoord array as pairs of Quantity, all converted at once."""
    from astropy import units as u

    place = positions if positions.frame.name in ("icrs", "fk5") else positions.icrs
    return [(ra * u.deg, dec * u.deg) for ra, dec in zip(place.ra.deg, place.dec.deg, strict=True)]


def _numbers(results: Sequence[Any]) -> np.ndarray:
    return np.array([np.nan if isinstance(r, Failure) else float(r) for r in results])


class ClusterSample(Sample):
    """Clusters of galaxies declared by columns.

    Parameters
    ----------
    positions, library, names
        As for `Sample`.
    redshift : sequence of float
    r200, r500, r2500 : Quantity array, optional
    richness, richness_error : sequence of float, optional
    **options
        As for `GalaxyCluster`.
    """

    kind = GalaxyCluster

    def __init__(
        self,
        positions: Any,
        library: Library,
        *,
        redshift: ArrayLike,
        names: Sequence[str] | None = None,
        r200: Any = None,
        r500: Any = None,
        r2500: Any = None,
        richness: ArrayLike | None = None,
        richness_error: ArrayLike | None = None,
        **options: Any,
    ) -> None:
        columns = {
            "redshift": redshift,
            "r200": r200,
            "r500": r500,
            "r2500": r2500,
            "richness": richness,
            "richness_error": richness_error,
        }
        super().__init__(positions, library, names=names, columns=columns, **options)
