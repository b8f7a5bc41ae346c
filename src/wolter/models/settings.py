"""What a model depends on beside its parameters: abundances, cross-sections, cosmology, AtomDB version.

Nothing here is global: settings belong to a `Model` and are saved with every result.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING

from wolter.errors import ModelError, suggest

if TYPE_CHECKING:
    from wolter.models.absorption.abundances import AbundanceTable

__all__ = ["ABUNDANCE_TABLES", "CROSS_SECTIONS", "ApecOptions", "Settings"]

ABUNDANCE_TABLES: dict[str, str] = {
    "angr": "Anders & Grevesse 1989",
    "aneb": "Anders & Ebihara 1982",
    "aspl": "Asplund et al. 2009",
    "felc": "Feldman et al. 1992, coronal",
    "feld": "Feldman 1992",
    "grsa": "Grevesse & Sauval 1998",
    "lodd": "Lodders 2003",
    "lpgp": "Lodders, Palme & Gail 2009, photospheric",
    "lpgs": "Lodders, Palme & Gail 2009, proto-solar",
    "wilm": "Wilms, Allen & McCray 2000",
}
"""Names of XSPEC's abundance tables and their sources."""

CROSS_SECTIONS: dict[str, str] = {
    "vern": "Verner et al. 1996",
    "bcmc": "Balucinska-Church & McCammon 1992 with Yan et al. 1998 helium",
    "obcm": "Balucinska-Church & McCammon 1992",
}
"""Names of XSPEC's photoelectric cross-section sets and their sources."""


@dataclass(frozen=True)
class ApecOptions:
    """How apec and its relatives treat lines and temperatures; the defaults are those of XSPEC.

    Parameters
    ----------
    thermal : bool, optional
        Whether lines have their thermal width (XSPEC's APECTHERMAL). None leaves it to the component: those whose name
        begins with b have it, the others not.
    velocity : float
        Standard deviation of the gas velocity along the line of sight in km/s (APECVELOCITY), for components that
        have no parameter Velocity, or where it is zero.
    broaden_pseudo : bool
        Broaden the pseudo-continuum of weak lines, too (APECBROADPSEUDO).
    no_lines : bool
        Continuum alone (APECNOLINES).
    trace : float or str
        Abundance of the elements that a component has no parameter for (APEC_TRACE_ABUND): a number, or the symbol
        of an element whose abundance they share.
    log_interpolation : bool
        Interpolate between tabulated temperatures in their logarithm (APECLOGTINTERP).
    midpoint : bool
        Take continua at the middle of a bin instead of integrating them over it, as XSPEC did up to 12.9 at least. The
        pseudo-continuum has features of 1 eV, so that on wide bins the result may be off by some per cent; it is for
        comparison with old results.

    Raises
    ------
    ModelError
        For a negative or unknown value.
    """

    thermal: bool | None = None
    velocity: float = 0.0
    broaden_pseudo: bool = False
    no_lines: bool = False
    trace: float | str = 1.0
    log_interpolation: bool = False
    midpoint: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.velocity) and self.velocity >= 0):
            raise ModelError(f"velocity {self.velocity!r} of ApecOptions is not possible", cure="Give km/s, 0 or more.")
        if isinstance(self.trace, str):
            from wolter.models.absorption.abundances import ELEMENTS

            known = {e.lower(): e for e in ELEMENTS}
            element = known.get(self.trace.strip().lower())
            if element is None:
                raise ModelError(
                    f"unknown element {self.trace!r} for trace abundances", cure="Give a symbol or a number."
                )
            object.__setattr__(self, "trace", element)
        elif not (math.isfinite(self.trace) and self.trace >= 0):
            raise ModelError(f"trace abundance {self.trace!r} is not possible", cure="Give 0 or more.")

    @classmethod
    def from_xset(cls, strings: Mapping[str, str]) -> ApecOptions:
        """Options from XSPEC's model strings (``xset APECTHERMAL yes``); names of others are ignored.

        Raises
        ------
        ModelError
            For a value that is not understood.
        """
        flags = {
            "APECTHERMAL": "thermal",
            "APECBROADPSEUDO": "broaden_pseudo",
            "APECNOLINES": "no_lines",
            "APECLOGTINTERP": "log_interpolation",
        }
        values: dict[str, object] = {}
        for key, given in strings.items():
            name, text = key.strip().upper(), str(given).strip()
            if name in flags:
                values[flags[name]] = text.lower().startswith(("t", "y", "on"))
            elif name == "APECVELOCITY":
                values["velocity"] = _number(text, name)
            elif name == "APEC_TRACE_ABUND":
                values["trace"] = text if text[:1].isalpha() else _number(text, name)
        return cls(**values)  # pyright: ignore[reportArgumentType]

    def to_dict(self) -> dict[str, object]:
        """JSON-ready mapping, from which ``ApecOptions(**mapping)`` makes them again."""
        return asdict(self)


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise ModelError(f"value {text!r} of {name} is no number") from exc


@dataclass(frozen=True)
class Settings:
    """Physical settings of a model; the defaults are those of a fresh XSPEC session.

    Parameters
    ----------
    abund : str, AbundanceTable or mapping
        Abundance table, one of `ABUNDANCE_TABLES` (case is ignored), or one's own: an `AbundanceTable`, a mapping from
        element symbol to abundance by number relative to hydrogen (elements not named are absent), or XSPEC's
        ``"file NAME"`` for a text file of thirty numbers.
    xsect : str
        Photoelectric cross-sections, one of `CROSS_SECTIONS`.
    cosmo : tuple of float
        H0 in km/s/Mpc, q0, and the cosmological constant Lambda0. As in XSPEC, a non-zero Lambda0 means a flat
        universe and q0 is then ignored.
    atomdb : str
        AtomDB used by plasma emission: a version, looked for in Wolter's cache; a folder that holds its two files; or
        their path without ``_line.fits``. The default is the version with which all comparisons were made and whose
        hashes are known; XSPEC 12.15 itself has 3.1.2.
    apec : ApecOptions or mapping
        Treatment of lines and temperatures by apec and its relatives.
    xset : mapping or tuple of pairs
        Model strings (XSPEC's ``xset NAME VALUE``) for components of XSPEC's library, kept as sorted pairs with the
        names in capitals; native components do not see them.

    Raises
    ------
    ModelError
        For an unknown table or an impossible cosmology.
    """

    abund: str | AbundanceTable = "angr"
    xsect: str = "vern"
    cosmo: tuple[float, float, float] = (70.0, 0.0, 0.73)
    atomdb: str = "3.0.9"
    apec: ApecOptions = field(default_factory=ApecOptions)
    xset: tuple[tuple[str, str], ...] | Mapping[str, str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "abund", _abundances(self.abund))
        object.__setattr__(self, "xsect", _known("cross-section set", self.xsect, CROSS_SECTIONS))
        try:
            h0, q0, lambda0 = (float(v) for v in self.cosmo)
        except (TypeError, ValueError) as exc:
            raise ModelError(
                f"cosmology {self.cosmo!r} is not three numbers", cure="Give (H0, q0, Lambda0), e.g. (70, 0, 0.73)."
            ) from exc
        if not (h0 > 0 and math.isfinite(h0) and math.isfinite(q0) and math.isfinite(lambda0)):
            raise ModelError(f"cosmology {self.cosmo!r} is not possible", cure="H0 must be positive, all three finite.")
        object.__setattr__(self, "cosmo", (h0, q0, lambda0))
        object.__setattr__(self, "atomdb", str(self.atomdb))
        object.__setattr__(self, "apec", _apec_options(self.apec))
        object.__setattr__(self, "xset", _model_strings(self.xset))

    def to_dict(self) -> dict[str, object]:
        """JSON-ready mapping of all settings, from which ``Settings(**mapping)`` makes them again."""
        abund = self.abund if isinstance(self.abund, str) else self.abund.to_dict()
        return {
            "abund": abund,
            "xsect": self.xsect,
            "cosmo": list(self.cosmo),
            "atomdb": self.atomdb,
            "apec": self.apec.to_dict(),
            "xset": dict(self.xset),
        }


def _model_strings(given: object) -> tuple[tuple[str, str], ...]:
    try:
        pairs = {str(k).strip().upper(): str(v).strip() for k, v in dict(given).items()}  # type: ignore[call-overload]
    except (TypeError, ValueError) as exc:
        raise ModelError(f"model strings {given!r} are not pairs", cure="Give a mapping from name to text.") from exc
    if "" in pairs:
        raise ModelError("a model string has no name", cure="Give a mapping from name to text.")
    return tuple(sorted(pairs.items()))


def _apec_options(given: object) -> ApecOptions:
    if isinstance(given, ApecOptions):
        return given
    if isinstance(given, Mapping):
        try:
            return ApecOptions(**given)
        except TypeError as exc:
            known = ", ".join(f.name for f in fields(ApecOptions))
            raise ModelError(f"unknown option of apec among {', '.join(given)}", cure=f"Known are {known}.") from exc
    raise ModelError(f"{given!r} are not options of apec", cure="Give ApecOptions(...) or a mapping.")


def _abundances(given: object) -> object:
    if isinstance(given, str) and not given.strip().lower().startswith("file "):
        return _known("abundance table", given, ABUNDANCE_TABLES)
    from wolter.models.absorption.abundances import AbundanceTable

    if isinstance(given, str):
        return AbundanceTable.read(given.strip()[len("file ") :].strip())
    if isinstance(given, AbundanceTable):
        return given
    if isinstance(given, Mapping):
        return AbundanceTable.of(given)
    raise ModelError(
        f"{given!r} is not an abundance table",
        cure="Give a name, an AbundanceTable or a mapping from element to number.",
    )


def _known(what: str, name: str, table: dict[str, str]) -> str:
    key = str(name).strip().lower()
    if key not in table:
        cure = suggest(key, table) or ""
        raise ModelError(f"unknown {what} {name!r}", cure=f"{cure} Known are {', '.join(table)}.".strip())
    return key
