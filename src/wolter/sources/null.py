"""Observations without a source: images and maps in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wolter.data import ExposureMap, Image
from wolter.errors import DataError
from wolter.sources import photometry
from wolter.sources.entries import ObservationEntry
from wolter.units import to_range_kev

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from wolter.sources.library import Library

__all__ = ["NullSource"]


class NullSource:
    """Observations whose products are wanted, whatever they see.

    Parameters
    ----------
    library : Library
    observations : sequence of str, optional
        Their numbers; all of the library by default.
    mission : str, optional

    Raises
    ------
    DataError
        If the library lacks one of them, or all.
    """

    def __init__(
        self, library: Library, observations: Sequence[str] | None = None, *, mission: str | None = None
    ) -> None:
        self.library = library
        self._wanted, self._mission = observations, mission
        self.name = f"{len(self.observations)}Observations"

    @cached_property
    def observations(self) -> tuple[ObservationEntry, ...]:
        """The observations."""
        if self._wanted is not None:
            return tuple(self.library.observation(o, mission=self._mission) for o in self._wanted)
        found = tuple(self.library.observations(mission=self._mission))
        if not found:
            raise DataError("the library has no observation", file=self.library.folder, cure="Use Library.add.")
        return found

    def __repr__(self) -> str:
        return f"<NullSource of {len(self.observations)} observations>"

    def images(self, band: Any, *, executor: Executor | None = None) -> dict[tuple[str, str], Image]:
        """Images of every observation and detector in a band (pair of Quantity), by (obsid, detector)."""
        return self._products(photometry.image, band, executor)

    def exposure_maps(self, band: Any, *, executor: Executor | None = None) -> dict[tuple[str, str], ExposureMap]:
        """Exposure maps of every observation and detector in a band, by (obsid, detector)."""
        return self._products(photometry.exposure_map, band, executor)

    def _products(self, maker: Any, band: Any, executor: Executor | None) -> dict[tuple[str, str], Any]:
        energies = to_range_kev(band)
        parts = [(e, d) for e in self.observations for d in photometry.detectors_of(self.library, e, energies)]
        jobs = [(maker, self.library, e, d, energies) for e, d in parts]
        made = (executor.map if executor else map)(_run, jobs)
        return {(e.obsid, d): product for (e, d), product in zip(parts, made, strict=True)}


def _run(job: tuple[Any, ...]) -> Any:
    maker, *arguments = job
    return maker(*arguments)
