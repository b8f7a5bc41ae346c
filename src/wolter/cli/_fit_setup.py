"""Options that `fit`, `grid`, `mdp` and `report` share, and the `Fit` they describe."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wolter.cli._common import ENERGY_RANGE, RESPONSES, kev, note

if TYPE_CHECKING:
    from wolter.data import Spectrum, SpectrumSet
    from wolter.fit import Fit

__all__ = [
    "FitOptions",
    "assignment",
    "build_fit",
    "error_names",
    "fit_options",
    "load_spectra",
    "run_fit",
    "start_values",
]


@dataclass(frozen=True)
class FitOptions:
    """Values of the shared options, as click passes them."""

    spectra: tuple[str, ...]
    model: str
    group: tuple[str, ...] = ()
    set_: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    thaw: tuple[str, ...] = ()
    tie: tuple[str, ...] = ()
    free_by_group: tuple[str, ...] = ()
    energy: tuple[float, float] | None = None
    channels: int | None = None
    min_counts: float | None = None
    stat: str = "chi"
    abund: str | None = None
    xsect: str | None = None
    rmf: tuple[str, ...] = ()
    arf: tuple[str, ...] = ()
    background: tuple[str, ...] = ()
    responses: str | None = None
    allow_mismatch: bool = False
    method: str = "default"


_OPTIONS = (
    click.argument("spectra", nargs=-1, metavar="SPEC..."),
    click.option("--model", required=True, metavar="EXPR", help="Model in XSPEC's notation, e.g. 'tbabs*powerlaw'."),
    click.option(
        "--group",
        multiple=True,
        metavar="N:a,b,c",
        help="Data group N holds spectra a, b, c (files, or their numbers in the list). By default spectra with Stokes "
        "parameters are grouped by detector and all others are in group 1.",
    ),
    click.option("--set", "set_", multiple=True, metavar="PAR=VALUE", help="Start value; '2:par' for data group 2."),
    click.option("--freeze", multiple=True, metavar="PAR", help="Hold a parameter at its value."),
    click.option("--thaw", multiple=True, metavar="PAR", help="Let a frozen parameter vary."),
    click.option("--tie", multiple=True, metavar="PAR=EXPR", help="Tie a parameter: 'a.norm=2*b.norm+1'."),
    click.option("--free-by-group", multiple=True, metavar="PAR", help="Give every data group its own value."),
    click.option("--energy", type=ENERGY_RANGE, help="Notice only this range (keV).", metavar="LO:HI"),
    click.option(
        "--bin", "channels", type=click.IntRange(1), metavar="N", help="Group N channels per bin (before --energy)."
    ),
    click.option(
        "--min-counts",
        type=click.FloatRange(0, min_open=True),
        metavar="N",
        help="Group to at least N counts per bin; channels that fill none are left out.",
    ),
    click.option(
        "--stat", type=click.Choice(["chi", "cstat", "pgstat", "pstat"]), default="chi", help="Fit statistic."
    ),
    click.option("--abund", metavar="TABLE", help="Abundance table (wilm, angr, aspl, lodd, ...)."),
    click.option("--xsect", metavar="TABLE", help="Photoelectric cross-sections (vern, bcmc, obcm)."),
    click.option("--rmf", multiple=True, metavar="FILE", help="Response matrix: one for all, or one per spectrum."),
    click.option("--arf", multiple=True, metavar="FILE", help="Effective area (MRF for Q and U), likewise."),
    click.option("--background", multiple=True, metavar="FILE", help="Background spectrum, likewise; 'none' for none."),
    click.option(
        "--responses", type=RESPONSES, help="Folder in which responses are found by their headers, or caldb[:LOCKFILE]."
    ),
    click.option("--allow-mismatch", is_flag=True, help="Accept responses made for another detector or weighting."),
    click.option(
        "--method",
        type=click.Choice(["default", "leven", "migrad"]),
        default="default",
        help="default: with restarts; leven: one descent, as XSPEC; migrad: Minuit.",
    ),
)


def fit_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the shared options to a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def _which(token: str, paths: list[str]) -> int:
    """Index of a spectrum named by number, path, file name or stem; a new path is appended."""
    if token.isdigit() and 1 <= int(token) <= len(paths):
        return int(token) - 1
    for key in (str, lambda p: Path(p).name, lambda p: Path(p).stem):
        found = [i for i, p in enumerate(paths) if key(p) == token]
        if len(found) == 1:
            return found[0]
        if len(found) > 1:
            raise click.UsageError(f"--group: {token!r} means several of the spectra; give its path")
    if not Path(token).exists():
        raise click.UsageError(f"--group: {token!r} is neither one of the spectra given nor a file")
    paths.append(token)
    return len(paths) - 1


def _groups(options: FitOptions) -> tuple[list[str], dict[int, int]]:
    """Paths of all spectra, and the data group of each that was given one."""
    paths = list(options.spectra)
    group_of: dict[int, int] = {}
    for text in options.group:
        number, _, members = text.partition(":")
        if not number.strip().isdigit() or int(number) < 1 or not members.strip():
            raise click.UsageError(f"--group {text!r} is not of the form 1:a,b,c")
        for token in members.split(","):
            index = _which(token.strip(), paths)
            if group_of.setdefault(index, int(number)) != int(number):
                raise click.UsageError(f"--group: {paths[index]} is in groups {group_of[index]} and {number}")
    if not paths:
        raise click.UsageError("no spectrum is given")
    if group_of and len(group_of) < len(paths):
        missing = next(p for i, p in enumerate(paths) if i not in group_of)
        raise click.UsageError(f"--group: {missing} is in no group")
    return paths, group_of


def _per_spectrum(name: str, values: tuple[str, ...], number: int) -> list[str | None]:
    if not values:
        return [None] * number
    if len(values) == 1:
        return [values[0]] * number
    if len(values) != number:
        raise click.UsageError(f"--{name} is given {len(values)} times for {number} spectra: once, or once for each")
    return list(values)


def _default_groups(spectra: Sequence[Spectrum]) -> list[int]:
    """Group by detector where there are Stokes parameters, else all in group 1."""
    if all(s.stokes is None for s in spectra):
        return [1] * len(spectra)
    keys: dict[tuple[str, str, str], int] = {}
    return [keys.setdefault((s.telescop, s.instrume, s.detnam), len(keys) + 1) for s in spectra]


def load_spectra(options: FitOptions) -> SpectrumSet:
    """Read the spectra with their backgrounds and responses and sort them into data groups."""
    from wolter.data import Spectrum, SpectrumSet

    paths, group_of = _groups(options)
    number = len(paths)
    rmfs, arfs, backs = (
        _per_spectrum(name, values, number)
        for name, values in (("rmf", options.rmf), ("arf", options.arf), ("background", options.background))
    )
    spectra = []
    cache: dict[Any, Any] = {}
    for path, rmf, arf, back in zip(paths, rmfs, arfs, backs, strict=True):
        if options.responses and not (rmf and arf):
            rmf, arf = _discover(path, rmf, arf, options.responses)
        spectra.append(
            Spectrum.read(path, rmf=rmf, arf=arf, background=back, allow_mismatch=options.allow_mismatch, cache=cache)
        )
    groups = [group_of[i] for i in range(number)] if group_of else _default_groups(spectra)
    if options.channels is not None and options.min_counts is not None:
        raise click.UsageError("give either --bin or --min-counts")
    result = SpectrumSet(spectra, groups=groups)
    if options.channels is not None:
        result = result.group(channels=options.channels)
    if options.min_counts is not None:
        result = _grouped(result, options.min_counts).ignore_bad()  # channels that fill no group say nothing in chi
    return result if options.energy is None else result.select(*(kev(e) for e in options.energy))


def _grouped(spectra: SpectrumSet, min_counts: float) -> SpectrumSet:
    """Group to a minimum of counts; Q and U take the bins of the I spectrum of their detector."""
    from wolter.data import SpectrumSet

    intensity = {s.detnam: s.group(min_counts) for s in spectra if s.stokes in (None, 0)}
    made = []
    for spectrum in spectra:
        if spectrum.stokes in (None, 0):
            made.append(intensity[spectrum.detnam] if spectrum.stokes == 0 else spectrum.group(min_counts))
            continue
        if spectrum.detnam not in intensity:
            raise click.UsageError(f"--min-counts: {spectrum.name} has no I spectrum of {spectrum.detnam} to follow")
        like = intensity[spectrum.detnam]
        made.append(spectrum.replace(grouping=like.grouping, quality=like.quality))
    return SpectrumSet(made, groups=spectra.groups)


def _discover(path: str, rmf: str | None, arf: str | None, folder: str) -> tuple[str | None, str | None]:
    """Response files of a spectrum found in a folder; explicit ones win."""
    from wolter.data import Spectrum, find_responses
    from wolter.mission import mission_of

    spectrum = Spectrum.read(path, follow=False)
    found = find_responses(
        folder,
        spectrum,
        weight_boundaries=mission_of(spectrum.header).weight_boundaries,
        modulation=spectrum.stokes is not None,
    )
    area = found.arf if spectrum.stokes in (None, 0) else found.mrf
    return rmf or str(found.rmf), arf or (None if area is None else str(area))


def assignment(text: str, option: str) -> tuple[str, str]:
    """Name and value of ``name=value``."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise click.UsageError(f"--{option} {text!r} is not of the form parameter=value")
    return name.strip(), value.strip()


def start_values(texts: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Names and numbers of ``--set``."""
    for text in texts:
        name, value = assignment(text, "set")
        try:
            yield name, float(value)
        except ValueError:
            raise click.UsageError(f"--set {text!r}: {value!r} is not a number") from None


def build_fit(options: FitOptions) -> Fit:
    """The fit the options describe, not yet run."""
    from wolter.fit import Fit
    from wolter.models import Model, Settings

    settings = Settings(abund=options.abund or Settings.abund, xsect=options.xsect or Settings.xsect)
    model = Model(options.model, settings=settings)
    fit = Fit(load_spectra(options), model, statistic=options.stat)
    for name in options.free_by_group:
        fit.free_by_group(name)
    for name, value in start_values(options.set_):
        fit.set(name, value)
    for text in options.tie:
        fit.tie(*assignment(text, "tie"))
    for name in options.freeze:
        fit.freeze(name)
    for name in options.thaw:
        fit.thaw(name)
    return fit


def error_names(fit: Fit, texts: Iterable[str]) -> tuple[str, ...]:
    """Parameters of ``--error``, known to exist; none for 'all'."""
    names = tuple(n.strip() for text in texts for n in text.split(","))
    if "all" in names:
        return ()
    for name in names:
        fit[int(name) if name.isdigit() else name]
    return names


def run_fit(fit: Fit, options: FitOptions) -> None:
    """Run the fit and say on stderr what it did."""
    result = fit.run(method=options.method)
    for message in result.messages:
        note(f"fit: {message}")
