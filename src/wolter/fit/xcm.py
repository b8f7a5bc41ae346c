"""XSPEC's command files (.xcm, of its "save all" and of hand-written scripts): read into fits."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from wolter.data.spectrum import Spectrum
from wolter.data.spectrum_io import locate
from wolter.data.spectrum_set import SpectrumSet
from wolter.errors import FitError, ModelError, WolterError, warn
from wolter.fit.xcm_model import apply_parameters, count_parameters
from wolter.models.model import Model
from wolter.models.settings import ApecOptions, Settings

if TYPE_CHECKING:
    from wolter.fit.fit import Fit

__all__ = ["XcmRecord", "parse_xcm", "read_xcm"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# commands without influence on the state of a fit, and those that act: a description has nothing to act on
_SILENT = _words(
    "autosave chatter cpd dump exit help hardcopy iplot log parallel plot query quit script setplot show tclout thleqw "
    "time undo version xspec"
)
_ACTIONS = _words("error eqwidth fit flux goodness improve lumin mcmc chain rescale renorm save steppar")
_WORDS = _words(
    "abund arf backgrnd bayes corfile cornorm cosmo data freeze ignore method model newpar notice response statistic "
    "systematic thaw untie weight xsect xset"
)
_SLOT = re.compile(r"(?:(\d+):)?(\d+)\Z")
_RANGE = re.compile(r"(\*\*|[^-\s]*?[\d.](?:[eE][-+]?\d+)?|\d+)(?:-(\*\*|.+))?\Z")


@dataclass(eq=False)
class XcmRecord:
    """What a command file says.

    Attributes
    ----------
    data : dict of int to (int, str)
        For each spectrum its data group and file.
    files : dict of (str, int) to str
        For "response", "arf", "backgrnd", "corfile" and a spectrum the name of the file.
    cornorm : dict of int to float
        Scalings of correction files.
    selections : list of (str, str)
        "ignore" and "notice" commands in their order.
    expression : str
        The model.
    lines : list of str
        Its parameters, one entry each for all data groups.
    changes : list of (str, str)
        "newpar", "freeze", "thaw", "untie", "bayes" commands in their order.
    statistic : dict of int to str
        By spectrum; 0 stands for all.
    weight : str
        Weighting of chi.
    systematic : float
        Systematic error of the model.
    method : tuple of str
        Words of the "method" command.
    settings : dict
        Arguments of `Settings`.
    xset : dict of str to str
        Model strings.
    unknown : list of str
        Lines that were not understood, with their numbers.
    skipped : list of str
        Commands that act on a fit and were not carried out.
    """

    data: dict[int, tuple[int, str]] = field(default_factory=dict)
    files: dict[tuple[str, int], str] = field(default_factory=dict)
    cornorm: dict[int, float] = field(default_factory=dict)
    selections: list[tuple[str, str]] = field(default_factory=list)
    expression: str = ""
    lines: list[str] = field(default_factory=list)
    changes: list[tuple[str, str]] = field(default_factory=list)
    statistic: dict[int, str] = field(default_factory=dict)
    weight: str = "standard"
    systematic: float = 0.0
    method: tuple[str, ...] = ("leven",)
    settings: dict[str, Any] = field(default_factory=dict)
    xset: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    # --- from record to fit -----------------------------------------------------------------------------------------

    def spectra(self, folder: Path) -> SpectrumSet:
        """The spectra, with data groups and noticed channels; files are looked for in the folder, then as written."""
        if not self.data:
            raise FitError("the command file names no data", cure="Give the spectra with spectra=.")
        numbers = sorted(self.data)
        if numbers != list(range(1, len(numbers) + 1)):
            raise FitError(f"spectra {numbers} are not numbered 1, 2, 3 ... without gaps")
        cache: dict[Any, Any] = {}
        spectra = [self._spectrum(n, folder, cache) for n in numbers]
        groups = [self.data[n][0] for n in numbers]
        noticed = [np.ones(s.bins().total, dtype=bool) for s in spectra]
        for command, text in self.selections:
            _select(spectra, noticed, text, value=command == "notice")
        masks = []
        for spectrum, flags in zip(spectra, noticed, strict=True):
            bins = spectrum.bins()
            masks.append(spectrum.mask_of(flags[bins.position - 1], bins))
        return SpectrumSet(spectra, groups=groups, notice=masks)

    def _spectrum(self, number: int, folder: Path, cache: dict[Any, Any]) -> Spectrum:
        options: dict[str, Any] = {}
        for command, argument in (("response", "rmf"), ("arf", "arf"), ("backgrnd", "background")):
            name = self.files.get((command, number))
            if name is not None:
                options[argument] = name if name.lower() == "none" else locate(name, folder, key=command)
        if "rmf" in options and "arf" not in options:
            options["arf"] = "none"  # a new response takes the area of the old one away
        spectrum = Spectrum.read(locate(self.data[number][1], folder, key="data"), cache=cache, **options)
        corfile = self.files.get(("corfile", number))
        if corfile is not None:
            other = None
            if corfile.lower() != "none":
                other = Spectrum.read(locate(corfile, folder, key="corfile"), follow=False, allow_empty=True)
            spectrum = spectrum.replace(correction=other)
        if number in self.cornorm or 0 in self.cornorm:
            spectrum = spectrum.replace(corrscal=self.cornorm.get(number, self.cornorm.get(0, 1.0)))
        return spectrum

    def make_settings(self) -> Settings:
        """Abundances, cross-sections, cosmology and options of apec."""
        values = dict(self.settings)
        if any(k.startswith("APEC") for k in self.xset):
            values["apec"] = ApecOptions.from_xset(self.xset)
        if "APECROOT" in self.xset:
            values["atomdb"] = self.xset["APECROOT"]
        return Settings(**values)

    def model(self) -> Model:
        """The model with default values."""
        if not self.expression:
            raise FitError(
                "the command file holds no model", cure="Save it from XSPEC with 'save all' or 'save model'."
            )
        return Model(self.expression, self.make_settings())

    def fit(self, spectra: SpectrumSet | None = None, *, folder: str | PathLike[str] | None = None) -> Fit:
        """Fit with data, model and parameters of the record; nothing is minimised.

        Parameters
        ----------
        spectra : SpectrumSet, optional
            In place of the files that are named.
        folder : path-like, optional
            Where the files are; by default the current folder.

        Raises
        ------
        FitError
            If data or model are missing, or there are fewer data groups than parameters.
        """
        from wolter.fit.fit import Fit

        data = self.spectra(Path(folder or ".")) if spectra is None else spectra
        names = [self.statistic.get(n, self.statistic.get(0, "chi")) for n in range(1, len(data) + 1)]
        fit = Fit(data, self.model(), statistic=names, weight=self.weight, systematic=self.systematic)
        apply_parameters(fit, self.lines, self.changes)
        return fit


def _select(spectra: list[Spectrum], noticed: list[npt.NDArray[np.bool_]], text: str, *, value: bool) -> None:
    """Carry out an "ignore" or "notice" command on flags of bins."""
    chosen = range(len(spectra))
    for word in text.replace(",", " ").split():
        if word.lower() == "bad":
            for spectrum, flags in zip(spectra, noticed, strict=True):
                bins = spectrum.bins()
                flags[bins.position[bins.quality != 0] - 1] = value
            continue
        which, colon, rest = word.rpartition(":")
        if colon:
            first, last = _ends(which, 1, len(spectra))
            chosen = range(int(first) - 1, min(int(last), len(spectra)))
        for i in chosen:
            _select_range(spectra[i], noticed[i], rest, value)


def _select_range(spectrum: Spectrum, flags: npt.NDArray[np.bool_], text: str, value: bool) -> None:
    energies = "." in text
    if not energies:
        first, last = _ends(text, 1, len(flags))
        flags[max(int(first) - 1, 0) : int(last)] = value
        return
    bins = spectrum.bins()
    _, upper = spectrum.energy_bounds(bins)
    low, high = _ends(text, 0.0, np.inf)
    # the first bin that ends at or above each bound: XSPEC's rule
    start = int(np.searchsorted(upper, low))
    stop = int(np.searchsorted(upper, high)) + 1
    flags[bins.position[start:stop] - 1] = value


def _ends(text: str, lowest: float, highest: float) -> tuple[float, float]:
    """Ends of a range "a-b", "a", "**-b", "a-**", "**"."""
    match = _RANGE.match(text.strip())
    if match is None:
        raise FitError(f"range {text!r} is not understood", cure="Write for example 1-50, **-0.3 or 8.0-**.")
    first, last = match[1], match[2]
    try:
        low = lowest if first == "**" else float(first)
        high = (highest if first == "**" else low) if last is None else highest if last == "**" else float(last)
    except ValueError:
        raise FitError(f"range {text!r} is not understood", cure="Write for example 1-50, **-0.3 or 8.0-**.") from None
    return low, high


# --- parsing ---------------------------------------------------------------------------------------------------------


def parse_xcm(text: str) -> XcmRecord:
    """Record of the text of a command file; lines that are not understood are collected in `XcmRecord.unknown`.

    Raises
    ------
    ModelError
        If the model's expression is not understood.
    """
    record = XcmRecord()
    lines = [(n, line.strip().rstrip(";").strip()) for n, line in enumerate(text.splitlines(), start=1)]
    queue = [(n, line) for n, line in lines if line and not line.startswith("#")]
    while queue:
        number, line = queue.pop(0)
        word, _, rest = line.partition(" ")
        rest = rest.strip()
        command = _command(word)
        if command is None:
            record.unknown.append(f"line {number}: {line}")
        elif command == "model":
            _parse_model(record, rest, queue, f"line {number}: {line}")
        elif command in _ACTIONS:
            record.skipped.append(line)
        elif command not in _SILENT:
            try:
                _HANDLERS[command](record, rest)
            except (ValueError, IndexError, KeyError):
                record.unknown.append(f"line {number}: {line}")
    return record


def _command(word: str) -> str | None:
    """Full name of a command, which XSPEC lets one abbreviate to what is unambiguous (two letters at least)."""
    key = word.lower()
    if key in _WORDS | _ACTIONS | _SILENT:
        return key
    found = [w for w in _WORDS if w.startswith(key)] if len(key) >= 2 else []
    return found[0] if len(found) == 1 else None


def _parse_model(record: XcmRecord, rest: str, queue: list[tuple[int, str]], line: str) -> None:
    expression, *inline = (part.strip() for part in rest.split("&"))
    source = re.match(r"(\d+):\w+\s+(.+)", expression)
    if source is not None:
        expression = source[2]
    if record.expression or (source is not None and source[1] != "1"):
        # a second model of the same data, with responses of its own
        record.unknown.append(line)
        while queue and _is_parameter(queue[0][1]):
            queue.pop(0)
        return
    record.expression = expression
    try:
        count_parameters(expression)
    except ModelError as error:
        error.cause = f"{line}: {error.cause}"
        raise
    record.lines = [part for part in inline if part]
    while queue and _is_parameter(queue[0][1]):
        record.lines.append(queue.pop(0)[1])


def _is_parameter(line: str) -> bool:
    return line[0] in "=/+-.0123456789"


def _files(kind: str) -> Any:
    def handle(record: XcmRecord, rest: str) -> None:
        words = rest.split()
        if _SLOT.match(words[0]):
            pairs = list(zip(words[::2], words[1::2], strict=True))
        else:
            pairs = [(str(i), w) for i, w in enumerate(words, start=1)]
        for slot, name in pairs:
            match = _SLOT.match(slot)
            if match is None:
                raise ValueError(slot)
            if kind != "data" and match[1] not in (None, "1"):
                raise ValueError("responses of further sources")
            number = int(match[2])
            if kind == "data":
                record.data[number] = (int(match[1] or 1), name)
            else:
                record.files[kind, number] = name

    return handle


def _statistic(record: XcmRecord, rest: str) -> None:
    words = rest.split()
    if words[0].lower() == "test":
        return
    name = {"cstat": "cstat", "chi": "chi", "pgstat": "pgstat", "pstat": "pstat"}[words[0].lower()]
    numbers = [0]
    if len(words) > 1:
        first, last = _ends(words[1], 1, max(record.data, default=1))
        numbers = list(range(int(first), int(last) + 1))
    for number in numbers:
        record.statistic[number] = name


def _cornorm(record: XcmRecord, rest: str) -> None:
    words = rest.split()
    number = 0 if len(words) == 1 or words[0] == "**" else int(words[0])
    record.cornorm[number] = float(words[-1])


def _xset(record: XcmRecord, rest: str) -> None:
    name, _, value = rest.partition(" ")
    if name.lower() == "delta":
        return
    if not name.upper().startswith("APEC"):
        raise ValueError(name)
    record.xset[name.upper()] = value.strip()


def _cosmo(record: XcmRecord, rest: str) -> None:
    h0, q0, lambda0 = (float(v) for v in rest.replace(",", " ").split())
    record.settings["cosmo"] = (h0, q0, lambda0)


_HANDLERS: dict[str, Any] = {
    "abund": lambda r, t: r.settings.update(abund=t),
    "arf": _files("arf"),
    "backgrnd": _files("backgrnd"),
    "corfile": _files("corfile"),
    "cornorm": _cornorm,
    "cosmo": _cosmo,
    "data": _files("data"),
    "method": lambda r, t: setattr(r, "method", tuple(t.split())),
    "response": _files("response"),
    "statistic": _statistic,
    "systematic": lambda r, t: setattr(r, "systematic", float(t)),
    "weight": lambda r, t: setattr(r, "weight", t.split()[0].lower()),
    "xsect": lambda r, t: r.settings.update(xsect=t.split()[0]),
    "xset": _xset,
    "ignore": lambda r, t: r.selections.append(("ignore", t)),
    "notice": lambda r, t: r.selections.append(("notice", t)),
    **{w: lambda r, t, w=w: r.changes.append((w, t)) for w in ("newpar", "freeze", "thaw", "untie", "bayes")},
}


def read_xcm(
    path: str | PathLike[str],
    *,
    spectra: SpectrumSet | None = None,
    folder: str | PathLike[str] | None = None,
    strict: bool = True,
) -> Fit:
    """Fit of an XSPEC command file, with its data, noticed channels, model, parameters and statistic.

    Nothing is minimised, whatever the file asks for. Plot and output commands are passed over.

    Parameters
    ----------
    path : path-like
        The file.
    spectra : SpectrumSet, optional
        Data for a file that holds a model alone, or in place of the files it names.
    folder : path-like, optional
        Where data and responses are; by default the folder of the command file.
    strict : bool
        Raise for lines that are not understood; otherwise warn and leave them out.

    Raises
    ------
    FitError
        If lines are not understood (all are listed), or the file is unreadable or incomplete.
    ResponseError
        If a file is missing.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except OSError as exc:
        raise FitError(f"the command file cannot be read: {exc.strerror or exc}", file=file) from exc
    try:
        record = parse_xcm(text)
        if record.unknown and strict:
            raise FitError(
                "these lines are not understood:\n  " + "\n  ".join(record.unknown) + "\n",
                cure="Remove them, or read with strict=False.",
            )
        fit = record.fit(spectra, folder=folder or file.parent)
    except WolterError as error:
        error.file = error.file or str(file)
        raise
    for what, lines in (("not understood and left out", record.unknown), ("not carried out", record.skipped)):
        if lines:
            warn(f"{file}: {what}: {'; '.join(lines)}")
    return fit
