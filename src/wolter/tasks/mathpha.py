"""The task ``mathpha``: arithmetic with spectra (rules of its help file and of OGIP/95-008).

``expr`` holds file names, numbers, ``+ - * /`` and parentheses; a name that contains one of these characters stands in
single quotes. ``units`` says in what is calculated: counts (C), counts per second (R), or what most of the files hold
(F). Unlike the tool, numbers such as 1e-4 are understood, and grouping is not written.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wolter import fits
from wolter.data import Spectrum
from wolter.data.rmf import keyword
from wolter.errors import FitsError, ParameterError
from wolter.tasks._output import read_lines, refuse_input, target
from wolter.tasks.registry import Parameter, Task, TaskError, TaskResult

__all__ = ["TASK"]

_NUMBER = re.compile(r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\Z")
_TOKEN = re.compile(r"\s*(?:'([^']*)'|([-+*/()])|([^-+*/()'\s]+(?:\s+[^-+*/()'\s]+)*))")
_EXPONENT = re.compile(r"(?<![\w.])(\d+\.?\d*|\.\d+)[eE]([+-]?)(\d+)(?![\w.])")
_QUOTES = "A name that holds + - * or / stands in single quotes: 'folder/file.pha'."
_AGREE = 0.01
_AUXILIARY = {
    "backfile": ("BACKFILE", "backfile"),
    "backscal": ("BACKSCAL", "backscal"),
    "corrfile": ("CORRFILE", "corrfile"),
    "corrscal": ("CORRSCAL", "corrscal"),
    "arfile": ("ANCRFILE", "ancrfile"),
    "rmfile": ("RESPFILE", "respfile"),
}


@dataclass
class _Term:
    """A value with its error: of channels, or a single number (error None)."""

    value: Any
    error: Any = None


_Token = tuple[str, str, int]  # "file" | "number" | "operator", text, place in the expression


def _at(text: str, place: int, cause: str, cure: str | None = None) -> TaskError:
    """Error with a caret below a place of the expression."""
    sentence = cause if cure is None else f"{cause}. {cure}"
    return TaskError(f"{sentence}\n  {text}\n  {' ' * place}^")


def _tokens(text: str) -> list[_Token]:
    """Parts of an expression."""
    out: list[_Token] = []
    place = 0
    while text[place:].strip():
        match = _TOKEN.match(text, place)
        if match is None:
            raise _at(text, text.index("'", place), "a quote is not closed in the expression")
        place = match.end()
        if match[1] is not None:
            out.append(("file", match[1].strip(), match.start(1)))
        elif match[2]:
            out.append(("operator", match[2], match.start(2)))
        else:
            word = match[3].strip()
            out.append(("number" if _NUMBER.match(word) else "file", word, match.start(3)))
    return out


class _Parser:
    """Recursive descent over + - * / and parentheses, left to right."""

    def __init__(self, text: str, tokens: list[_Token], leaf: Callable[[str], _Term], divide: float) -> None:
        self.text, self.tokens, self.leaf, self.divzero = text, tokens, leaf, divide
        self.place = 0

    def _error(self, cause: str, cure: str | None = None) -> TaskError:
        """Error at the present token, or at the end."""
        at = self.tokens[self.place][2] if self.place < len(self.tokens) else len(self.text)
        return _at(self.text, at, cause, cure)

    def run(self) -> _Term:
        """Value of the whole."""
        out = self._sum()
        if self.place < len(self.tokens):
            raise self._error(f"{self.tokens[self.place][1]!r} is not expected in the expression")
        return out

    def _peek(self) -> str:
        kind, text, _ = self.tokens[self.place] if self.place < len(self.tokens) else ("end", "", 0)
        return text if kind == "operator" else ""

    def _sum(self) -> _Term:
        out = self._product()
        while self._peek() in ("+", "-"):
            sign = 1.0 if self.tokens[self.place][1] == "+" else -1.0
            self.place += 1
            other = self._product()
            out = _Term(out.value + sign * other.value, _quadrature(out, other))
        return out

    def _product(self) -> _Term:
        out = self._atom()
        while self._peek() in ("*", "/"):
            operator = self.tokens[self.place][1]
            self.place += 1
            out = _times(out, self._atom(), operator == "/", self.divzero)
        return out

    def _atom(self) -> _Term:
        if self.place >= len(self.tokens):
            raise self._error("the expression ends where a file, a number or a parenthesis is expected")
        kind, text, _ = self.tokens[self.place]
        if kind == "operator" and text != "(":
            raise self._error(f"{text!r} stands where a file, a number or a parenthesis is expected", _QUOTES)
        self.place += 1
        if kind == "file":
            return self.leaf(text)
        if kind == "number":
            return _Term(float(text))
        out = self._sum()
        if self._peek() != ")":
            raise self._error("a parenthesis is not closed in the expression")
        self.place += 1
        return out


def _quadrature(a: _Term, b: _Term) -> Any:
    if a.error is None or b.error is None:
        return a.error if b.error is None else b.error
    return np.hypot(a.error, b.error)


def _times(a: _Term, b: _Term, divide: bool, divzero: float) -> _Term:
    """Product or quotient; relative errors add in quadrature, those of numbers are zero."""
    if divide:
        zero = np.asarray(b.value) == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.where(zero, divzero, a.value / np.where(zero, 1.0, b.value))
        value = value if value.ndim else float(value)
    else:
        zero = np.zeros(np.shape(b.value), dtype=bool)
        value = a.value * b.value
    if a.error is None and b.error is None:
        return _Term(value)
    scale = 1.0 / np.where(zero, 1.0, b.value) if divide else b.value
    first = 0.0 if a.error is None else np.abs(a.error * scale)
    slope = a.value * scale**2 if divide else a.value
    second = 0.0 if b.error is None else np.abs(b.error * slope)
    return _Term(value, np.where(zero, 0.0, np.hypot(first, second)))


def _errors(counts: NDArray[Any], method: str) -> NDArray[np.float64]:
    """Errors of counts by a recipe (Gehrels 1986, ApJ 303, 336, equations 7 and 11 with S = 1)."""
    n = np.maximum(counts, 0.0)
    upper, lower = 1.0 + np.sqrt(n + 0.75), np.sqrt(np.maximum(n - 0.25, 0.0))
    return {"GAUSS": np.sqrt(n), "POISS-0": np.sqrt(n), "POISS-1": upper, "POISS-2": lower}.get(
        method, 0.5 * (upper + lower)
    )


class _Inputs:
    """The files of an expression, each read once."""

    def __init__(self, names: list[str]) -> None:
        self.spectra: dict[str, Spectrum] = {}
        for name in dict.fromkeys(names):
            try:
                self.spectra[name] = Spectrum.read(name, follow=False, allow_empty=True)
            except FitsError as exc:
                if not Path(name).exists():
                    exc.cure = _QUOTES
                raise
        first = next(iter(self.spectra.values()), None)
        if first is None:
            raise TaskError("there is no file in the expression", cure="Name at least one spectrum.")
        for name, spectrum in self.spectra.items():
            if not np.array_equal(spectrum.channel, first.channel):
                raise TaskError(
                    f"{name} has {len(spectrum)} channels from {spectrum.first_channel} on, the first file "
                    f"{len(first)} from {first.first_channel} on"
                )
        self.first = first

    def find(self, name: str, parameter: str) -> Spectrum:
        """A file of the expression, for a parameter that names one."""
        name = name.strip("'")
        if name not in self.spectra:
            raise ParameterError(
                f"mathpha: {parameter} = {name} is neither a number nor one of the files in the expression",
                cure=f"They are {', '.join(self.spectra)}.",
            )
        return self.spectra[name]


def _units(text: str, inputs: _Inputs) -> bool:
    """Whether the algebra is done in count/s."""
    letter = text.strip().upper()[:1]
    if letter not in ("C", "R", "F"):
        raise ParameterError(f"mathpha: units = {text}; C, R or F is meant")
    rates = sum(s.is_rate for s in inputs.spectra.values())
    return letter == "R" or (letter == "F" and 2 * rates > len(inputs.spectra))


def _leaf(inputs: _Inputs, rate: bool, method: str) -> Callable[[str], _Term]:
    def leaf(name: str) -> _Term:
        spectrum = inputs.spectra[name]
        if spectrum.poisson or spectrum.stat_err is None:
            error = _errors(spectrum.counts, method)
        else:
            error = spectrum.stat_err * (spectrum.exposure if spectrum.is_rate else 1.0)
        scale = 1.0 / spectrum.exposure if rate else 1.0
        return _Term(spectrum.counts * scale, error * scale)

    return leaf


def _exposure(given: str, text: str, inputs: _Inputs, divzero: float) -> float:
    word = given.strip()
    if word.upper() == "NULL":
        return 1.0
    if _NUMBER.match(word):
        return float(word)
    if word.upper() == "CALC":
        of_file = _Parser(text, _tokens(text), lambda name: _Term(inputs.spectra[name].exposure), divzero)
        value = float(of_file.run().value)
        if not (math.isfinite(value) and value > 0):
            raise TaskError(f"the exposure calculated from the expression is {value:g} s", cure="Set exposure.")
        return value
    return inputs.find(word, "exposure").exposure


def _areascal(text: str, inputs: _Inputs, tell: Callable[[str], None]) -> Any:
    word = text.strip()
    if word.upper() == "NULL":
        return 1.0
    if _NUMBER.match(word):
        return float(word)
    if word != "%":
        return inputs.find(word, "areascal").areascal
    values = [s.areascal for s in inputs.spectra.values()]
    if any(np.ndim(v) for v in values):
        raise TaskError("AREASCAL differs between channels in an input file", cure="Set areascal to a number.")
    mean = float(np.mean(values))
    if max(abs(v - mean) for v in values) <= _AGREE * abs(mean):
        return mean
    tell(f"mathpha: AREASCAL differs in the input files ({', '.join(f'{v:g}' for v in values)}); 1 is written")
    return 1.0


def _auxiliary(p: Mapping[str, Any], inputs: _Inputs) -> dict[str, Any]:
    """Attributes copied from input files: responses, background, and their scales."""
    out: dict[str, Any] = {
        "backfile": "none", "backscal": 1.0, "corrfile": "none", "corrscal": 1.0, "ancrfile": "none", "respfile": "none"
    }  # fmt: skip
    for parameter, (_, attribute) in _AUXILIARY.items():
        name = p["auxfiles"] or p[parameter]
        if name is None:
            continue
        if p["auxfiles"] is None and parameter in ("backscal", "corrscal") and _NUMBER.match(str(name)):
            out[attribute] = float(name)
        else:
            out[attribute] = getattr(inputs.find(str(name), "auxfiles" if p["auxfiles"] else parameter), attribute)
    return out


def _expression(text: str) -> str:
    if text.startswith("@"):
        text = " ".join(" ".join(read_lines(text[1:], "expression")).split())
    return _EXPONENT.sub(lambda m: f"{float(m[0]):.17f}".rstrip("0").rstrip(".") or "0", text)


def calculate(p: Mapping[str, Any], tell: Callable[[str], None]) -> tuple[Spectrum, _Inputs]:
    """Spectrum that the parameters describe, and the input files."""
    text = _expression(str(p["expr"]))
    tokens = _tokens(text)
    _Parser(text, tokens, lambda _: _Term(1.0), p["divzero"]).run()  # the grammar before any file is read
    inputs = _Inputs([name for kind, name, _ in tokens if kind == "file"])
    rate = _units(str(p["units"]), inputs)
    method = str(p["errmeth"]).strip().upper()
    if method not in ("GAUSS", "POISS-0", "POISS-1", "POISS-2", "POISS-3"):
        raise ParameterError(f"mathpha: errmeth = {method}", cure="Known are Gauss and POISS-0 to POISS-3.")
    propagate = str(p["properr"]).strip().lower() in ("y", "yes", "true")
    made = _Parser(text, tokens, _leaf(inputs, rate, method), p["divzero"]).run()
    exposure = _exposure(str(p["exposure"]), text, inputs, p["divzero"])
    error, poisson = made.error, False
    if not propagate:
        poisson = method == "POISS-0"
        counts = made.value * exposure if rate else made.value
        error = None if poisson else _errors(counts, method) / (exposure if rate else 1.0)
    first = inputs.first
    spectrum = first.replace(
        values=np.asarray(made.value, dtype=float) * np.ones(len(first)),
        is_rate=rate,
        stat_err=error,
        sys_err=None,
        poisson=poisson,
        quality=np.max([s.quality for s in inputs.spectra.values()], axis=0),
        grouping=None,
        exposure=exposure,
        areascal=_areascal(str(p["areascal"]), inputs, tell),
        header=_header(inputs, tell),
        gti=None,
        region=None,
        wmap=None,
        path=None,
        **dict.fromkeys(("telescop", "instrume", "detnam"), ""),
        **_auxiliary(p, inputs),
    )
    return spectrum, inputs


def _header(inputs: _Inputs, tell: Callable[[str], None]) -> fits.Header:
    """Keywords of the first file; those that should agree and do not become UNKNOWN."""
    header = inputs.first.header.without_structure()
    for key in ("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "CHANTYPE"):
        values = {keyword(s.header, key) for s in inputs.spectra.values()}
        if len(values) > 1:
            tell(f"mathpha: {key} differs in the input files: {', '.join(sorted(values))}")
            header.set(key, "UNKNOWN")
    for key in ("HISTORY", "COMMENT", "TOTCTS", "ONTIME", "LIVETIME", "DEADC", "TSTART", "TSTOP", "TELAPSE"):
        header.remove(key)
    return header


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    out, overwrite = target(p["outfil"], p["clobber"])
    spectrum, inputs = calculate(p, result.messages.append)
    refuse_input(out, *(fits.parse_name(name).path for name in inputs.spectra))
    header = spectrum.header
    for name in ("expr", "units", "exposure", "areascal", "properr", "errmeth"):
        header.add_comment(f"mathpha {name} = {p[name]}")
    for i in range(1, max(0, min(p["ncomments"], 4)) + 1):
        if p[f"comment{i}"]:
            header.add_comment(str(p[f"comment{i}"])[:70])
    provenance = fits.Provenance(
        "mathpha", {k: v for k, v in p.items() if v is not None}, [s.path for s in inputs.spectra.values() if s.path]
    )
    spectrum.write(out, overwrite=overwrite, provenance=provenance)
    result.products["spectrum"] = out
    result.messages.append(f"{out}: exposure {spectrum.exposure:g} s, AREASCAL {spectrum.areascal:g}")


TASK = Task(
    "mathpha",
    (
        Parameter("expr", "s", ..., "expression of file names, numbers, + - * / and parentheses; @file reads it"),
        Parameter("units", "s", "C", "calculate in counts (C), count/s (R), or as most files are (F)"),
        Parameter("outfil", "f", ..., "spectrum to write; !name replaces an existing one"),
        Parameter("exposure", "s", ..., "exposure: a number (s), a file of the expression, CALC, or NULL (1 s)"),
        Parameter("areascal", "s", "%", "AREASCAL: a number, a file, NULL (1), or % (the mean if they agree)"),
        Parameter("properr", "s", "no", "propagate errors (yes) or calculate them from the result (no)", hidden=True),
        Parameter(
            "errmeth", "s", "POISS-0", "errors: POISS-0 (POISSERR), Gauss, POISS-1, POISS-2, POISS-3", hidden=True
        ),
        Parameter("auxfiles", "s", "NONE", "file that background, responses and scales are copied from", hidden=True),
        Parameter("backfile", "s", "NONE", "file that BACKFILE is copied from", hidden=True),
        Parameter("backscal", "s", "NONE", "file that BACKSCAL is copied from, or a number", hidden=True),
        Parameter("corrfile", "s", "NONE", "file that CORRFILE is copied from", hidden=True),
        Parameter("corrscal", "s", "NONE", "file that CORRSCAL is copied from, or a number", hidden=True),
        Parameter("arfile", "s", "NONE", "file that ANCRFILE is copied from", hidden=True),
        Parameter("rmfile", "s", "NONE", "file that RESPFILE is copied from", hidden=True),
        Parameter("ncomments", "i", 1, "number of comments"),
        *(Parameter(f"comment{i}", "s", "", f"comment {i}") for i in range(1, 5)),
        Parameter("phaversn", "s", "1.2.0", "accepted, no effect", hidden=True),
        Parameter("divzero", "r", -99.0, "value of a division by zero", hidden=True),
        Parameter("clobber", "b", False, "replace an existing file", hidden=True),
    ),
    _run,
    "Arithmetic with spectra.",
)
