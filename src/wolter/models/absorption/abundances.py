"""Element abundances: XSPEC's tables by name, and tables of one's own.

The numbers and their sources (papers) are in ``data/abundances.csv``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError, suggest
from wolter.models.absorption.tables import read_records

__all__ = ["ELEMENTS", "AbundanceTable", "abundance", "abundance_names", "abundance_table", "abundances_of"]

ELEMENTS: tuple[str, ...] = (
    "H", "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Na", "Mg", "Al", "Si", "P", "S", "Cl", "Ar", "K", "Ca",
    "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn",
)  # fmt: skip
"""The thirty elements of an abundance table, by atomic number."""

_INDEX = {name.lower(): i for i, name in enumerate(ELEMENTS)}


@dataclass(frozen=True)
class AbundanceTable:
    """Abundances by number relative to hydrogen.

    Parameters
    ----------
    name : str
        What the table is called.
    values : tuple of float
        Thirty numbers, hydrogen to zinc.
    source : str
        Where they come from.

    Raises
    ------
    ModelError
        When there are not thirty of them, or one is negative or not finite, or hydrogen is zero.
    """

    name: str
    values: tuple[float, ...]
    source: str = ""

    def __post_init__(self) -> None:
        try:
            values = tuple(float(v) for v in self.values)
        except (TypeError, ValueError) as exc:
            raise ModelError(f"abundance table {self.name!r} contains something that is no number") from exc
        if len(values) != len(ELEMENTS):
            raise ModelError(
                f"abundance table {self.name!r} has {len(values)} numbers instead of {len(ELEMENTS)}",
                cure="Give one for every element from H to Zn, zero if it is not there.",
            )
        for element, value in zip(ELEMENTS, values, strict=True):
            if not (math.isfinite(value) and value >= 0):
                raise ModelError(f"abundance {value!r} of {element} in table {self.name!r} is not possible")
        if values[0] == 0:
            raise ModelError(
                f"abundance table {self.name!r} has no hydrogen", cure="Its numbers are relative to H = 1."
            )
        object.__setattr__(self, "values", values)

    @classmethod
    def of(cls, values: Mapping[str, float], *, base: str | None = None, name: str = "user") -> AbundanceTable:
        """Table from abundances by element, the others taken from a table of XSPEC's or zero.

        Parameters
        ----------
        values : mapping
            Element symbol to abundance by number relative to hydrogen.
        base : str, optional
            Table that gives the elements not named; without it they are zero (hydrogen 1).
        name : str
            What to call it.

        Raises
        ------
        ModelError
            For an unknown element or table, or an impossible number.
        """
        numbers = list(abundance_table(base).values) if base else [1.0, *[0.0] * (len(ELEMENTS) - 1)]
        for element, value in values.items():
            numbers[_element_index(element)] = value
        source = f"given by the user{f', the rest as {base}' if base else ''}"
        return cls(name, tuple(numbers), source)

    @classmethod
    def read(cls, path: str | PathLike[str]) -> AbundanceTable:
        """Table from a text file of thirty numbers, hydrogen to zinc, as XSPEC's ``abund file NAME`` reads it.

        Blanks and line ends separate the numbers; ``#`` begins a comment.

        Raises
        ------
        ModelError
            When the file cannot be read or does not hold thirty possible numbers.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
            numbers = tuple(float(v) for line in text.splitlines() for v in line.partition("#")[0].split())
        except (OSError, UnicodeDecodeError) as exc:
            raise ModelError("the abundance table cannot be read", file=path, cure=f"({exc})") from exc
        except ValueError as exc:
            raise ModelError(f"the abundance table contains something that is no number: {exc}", file=path) from exc
        try:
            return cls("file", numbers, f"read from {Path(path).name}")
        except ModelError as exc:
            raise ModelError(exc.cause, file=path, cure=exc.cure) from None

    def to_dict(self) -> dict[str, float]:
        """Abundances by element symbol."""
        return dict(zip(ELEMENTS, self.values, strict=True))

    def __getitem__(self, element: str) -> float:
        """Abundance of an element by its symbol, case ignored."""
        return self.values[_element_index(element)]


def _element_index(element: str) -> int:
    index = _INDEX.get(str(element).strip().lower())
    if index is None:
        raise ModelError(
            f"there is no element {element!r} in an abundance table", cure=suggest(str(element), ELEMENTS) or None
        )
    return index


@cache
def _tables() -> dict[str, AbundanceTable]:
    records = read_records("abundances.csv")
    if tuple(r["element"] for r in records) != ELEMENTS:
        raise ModelError("data/abundances.csv does not list the elements from H to Zn")
    from wolter.models.settings import ABUNDANCE_TABLES

    names = [column for column in records[0] if column not in ("element", "z")]
    return {
        name: AbundanceTable(name, tuple(float(r[name]) for r in records), ABUNDANCE_TABLES.get(name, ""))
        for name in names
    }


def abundance_names() -> tuple[str, ...]:
    """Names of the tables that come with the package."""
    return tuple(_tables())


def abundance_table(name: str) -> AbundanceTable:
    """Table by XSPEC's name, case ignored.

    Raises
    ------
    ModelError
        For a name that is not known.
    """
    key = str(name).strip().lower()
    table = _tables().get(key)
    if table is None:
        cure = f"{suggest(key, _tables())} Known are {', '.join(_tables())}.".strip()
        raise ModelError(f"unknown abundance table {name!r}", cure=cure)
    return table


def abundance(element: str, table: str | AbundanceTable) -> float:
    """Abundance by number of one element, as the models use it (see `abundances_of`)."""
    return float(abundances_of(table, (element,))[0])


@cache
def _vector(table: AbundanceTable, elements: tuple[str, ...]) -> npt.NDArray[np.float64]:
    vector = np.array([table[e] for e in elements], dtype=np.float32).astype(float)
    vector.setflags(write=False)
    return vector


def abundances_of(table: str | AbundanceTable, elements: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Abundances by number of several elements, float64 ``[len(elements)]``, read-only.

    They are rounded to single precision, in which XSPEC holds its tables; that keeps absorbed spectra equal to XSPEC's
    to many digits where the optical depth is large.

    Parameters
    ----------
    table : str or AbundanceTable
        Name of a table, or a table.
    elements : tuple of str
        Element symbols.
    """
    if isinstance(table, str):
        table = abundance_table(table)
    return _vector(table, elements)
