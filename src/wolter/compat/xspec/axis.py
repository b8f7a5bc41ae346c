"""Units of the abscissa: those of Plot.xAxis, in which ignore and notice read their numbers, too."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Axis", "axis_of", "to_kev"]

HC = 12.39841984  # keV angstrom
KEV_HZ = 2.417989242e17

_ENERGY = {
    "kev": 1.0, "ev": 1e3, "mev": 1e-3, "gev": 1e-6, "tev": 1e-9,
    "hz": KEV_HZ, "khz": 1e-3 * KEV_HZ, "mhz": 1e-6 * KEV_HZ, "ghz": 1e-9 * KEV_HZ,
}  # fmt: skip
_WAVE = {"angstrom": 1.0, "a": 1.0, "nm": 0.1, "micron": 1e-4, "um": 1e-4, "mm": 1e-7, "cm": 1e-8, "m": 1e-10}


@dataclass(frozen=True)
class Axis:
    """Unit of the abscissa.

    Parameters
    ----------
    name : str
        As it was given: "channel", "keV", "angstrom" ...
    kind : {"channel", "energy", "wave"}
        What it measures.
    factor : float
        Units per keV, or per angstrom.
    """

    name: str
    kind: str
    factor: float


def axis_of(name: str) -> Axis:
    """Axis by name or beginning of a name.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    key = name.strip().lower()
    if len(key) > 1 and ("energy".startswith(key) or "wavelength".startswith(key)):  # setplot energy, setplot wave
        name = key = "keV" if key[0] == "e" else "angstrom"
        key = key.lower()
    if "channels".startswith(key) and key:
        return Axis("channel", "channel", 1.0)
    for kind, table in (("energy", _ENERGY), ("wave", _WAVE)):
        if key in table:
            return Axis(name.strip(), kind, table[key])
    names = [n for n in (*_ENERGY, *_WAVE) if len(key) > 2 and n.startswith(key)]
    if len(names) == 1:
        return axis_of(names[0])
    raise ValueError(name)


CURRENT = [Axis("channel", "channel", 1.0)]  # the session's; Plot sets it


def to_kev(lo: float | None, hi: float | None) -> tuple[float | None, float | None]:
    """A range in the unit of the axis, in keV; in channel space reals are keV."""
    axis = CURRENT[0]
    if axis.kind == "wave":

        def turn(value: float | None) -> float | None:
            return None if value is None else HC * axis.factor / value if value > 0 else None

        return turn(hi), turn(lo)
    factor = axis.factor if axis.kind == "energy" else 1.0
    return (None if lo is None else lo / factor), (None if hi is None else hi / factor)
