"""Components defined by an arithmetic expression, as with XSPEC's command "mdefine".

>>> define("expcut", "(E/norm0)^(-index) * exp(-E/cut)")
>>> Model("tbabs*expcut")

``E`` is the energy (keV), in convolutions the distance from the convolution point ``.E``; every other word that is no
function is a parameter, in the order of the text. Additive components are photons/cm²/s/keV at the middle of a bin,
times its width (XSPEC evaluates them there, too); multiplicative ones the factor at the middle.
Nothing of Python is evaluated: the expression is parsed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError, suggest
from wolter.models.definitions import ComponentDef, Context, ParameterDef
from wolter.models.registry import is_native, register

__all__ = ["DEFINED", "Formula", "define"]

Array = npt.NDArray[np.float64]
_LIMIT = 1e22
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<point>\.[eE](?![A-Za-z0-9_]))"
    r"|(?P<name>[A-Za-z_]\w*)|(?P<op>\*\*|[-+*/^(),])|(?P<bad>\S))"
)


def _special(name: str) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)

    return call


def _legendre(degree: int) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        return np.polynomial.legendre.legval(x, [0.0] * degree + [1.0])

    return call


_UNARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp, "sin": np.sin, "cos": np.cos, "tan": np.tan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh,
    "sind": lambda x: np.sin(np.deg2rad(x)), "cosd": lambda x: np.cos(np.deg2rad(x)),
    "tand": lambda x: np.tan(np.deg2rad(x)), "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "log": np.log10, "ln": np.log,
    "sqrt": np.sqrt, "abs": np.abs, "int": np.trunc, "sign": lambda x: np.where(x < 0, -1.0, 1.0),
    "heaviside": lambda x: np.where(x > 0, 1.0, 0.0), "h": lambda x: np.where(x > 0, 1.0, 0.0),
    "boxcar": lambda x: np.where((x >= 0) & (x <= 1), 1.0, 0.0), "erf": _special("erf"), "erfc": _special("erfc"),
    "gamma": _special("gamma"), "legendre2": _legendre(2), "legendre3": _legendre(3), "legendre4": _legendre(4),
    "legendre5": _legendre(5), "mean": lambda x: np.mean(x, axis=-1, keepdims=True),
    "dim": lambda x: np.full_like(x, np.shape(x)[-1]), "smin": lambda x: np.min(x, axis=-1, keepdims=True),
    "smax": lambda x: np.max(x, axis=-1, keepdims=True),
}  # fmt: skip
_BINARY: dict[str, Callable[[Any, Any], Any]] = {"max": np.maximum, "min": np.minimum, "atan2": np.arctan2}
_POWER = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide}
_Value = Callable[[Mapping[str, Any]], Any]


class Formula:
    """A parsed expression.

    Parameters
    ----------
    text : str
        Its text.

    Attributes
    ----------
    parameters : tuple of str
        Words that are neither the energy nor a function, in the order of the text.
    convolution : bool
        Whether it names the convolution point ``.E``.

    Raises
    ------
    ModelError
        If it is not understood.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self.tokens: list[tuple[str, str]] = []
        for match in _TOKEN.finditer(self.text):
            kind = match.lastgroup or ""
            if kind == "bad":
                raise self._fail(f"unexpected {match[kind]!r}")
            self.tokens.append((kind, match[kind]))
        self.tokens.append(("end", ""))
        self._at = 0
        names: list[str] = []
        self.convolution = False
        self._names = names
        self._value = self._sum()
        if self.tokens[self._at][0] != "end":
            raise self._fail(f"operator missing before {self.tokens[self._at][1]!r}")
        self.parameters = tuple(names)

    def _fail(self, reason: str, cure: str | None = None) -> ModelError:
        return ModelError(f"{reason} in the expression {self.text!r}", cure=cure)

    def __call__(self, variables: Mapping[str, Any]) -> Any:
        """Value for variables by name; the energy is "e", the convolution point ".e"."""
        with np.errstate(all="ignore"):
            return self._value(variables)

    def _take(self, *symbols: str) -> str | None:
        kind, word = self.tokens[self._at]
        if kind == "op" and word in symbols:
            self._at += 1
            return word
        return None

    def _sum(self) -> _Value:
        left = self._product()
        while symbol := self._take("+", "-"):
            left = _join(_POWER[symbol], left, self._product())
        return left

    def _product(self) -> _Value:
        left = self._signed()
        while symbol := self._take("*", "/"):
            left = _join(_POWER[symbol], left, self._signed())
        return left

    def _signed(self) -> _Value:
        if self._take("-"):
            inner = self._signed()
            return lambda v: np.negative(inner(v))
        if self._take("+"):
            return self._signed()
        base = self._atom()
        if self._take("**", "^"):
            return _join(np.power, base, self._signed())
        return base

    def _atom(self) -> _Value:
        kind, word = self.tokens[self._at]
        self._at += 1
        if kind == "number":
            value = np.float64(word)
            return lambda v: value
        if kind == "point":
            self.convolution = True
            return lambda v: v[".e"]
        if kind == "op" and word == "(":
            inner = self._sum()
            if not self._take(")"):
                raise self._fail("'(' is never closed")
            return inner
        if kind != "name":
            raise self._fail(f"operand missing before {word!r}" if word else "operand missing at the end")
        if self._take("("):
            return self._call(word)
        if word.lower() == "e":
            return lambda v: v["e"]
        if word not in self._names:
            self._names.append(word)
        return lambda v: v[word]

    def _call(self, word: str) -> _Value:
        arguments = [self._sum()]
        while self._take(","):
            arguments.append(self._sum())
        if not self._take(")"):
            raise self._fail("'(' is never closed")
        key = word.lower()
        if key in _UNARY and len(arguments) == 1:
            function, one = _UNARY[key], arguments[0]
            return lambda v: function(one(v))
        if key in _BINARY and len(arguments) == 2:
            return _join(_BINARY[key], *arguments)
        if key in _UNARY or key in _BINARY:
            raise self._fail(f"{word} does not take {len(arguments)} arguments")
        raise self._fail(f"unknown function {word!r}", suggest(key, [*_UNARY, *_BINARY]))


def _join(operation: Callable[[Any, Any], Any], left: _Value, right: _Value) -> _Value:
    return lambda v: operation(left(v), right(v))


DEFINED: dict[str, tuple[Formula, str, float, float]] = {}
"""Formula, kind and energy range of the components that were defined, by name."""


def define(name: str, expression: str, kind: str = "add", *, lo: float = 1e-20, hi: float = 1e20) -> ComponentDef:
    """Make an expression a component.

    Parameters
    ----------
    name : str
        Name for model expressions.
    expression : str
        See the module's description. Operators ``+ - * / ** ^``; functions exp, sin, sind, cos, cosd, tan, tand, their
        inverse and hyperbolic ones, log (decimal), ln, sqrt, abs, int, sign, heaviside, boxcar, erf, erfc, gamma,
        legendre2 to 5, mean, dim, smin, smax, max, min, atan2.
    kind : {"add", "mul", "con"}
        What it is.
    lo, hi : float
        Range of its energies, keV: an additive component is zero outside, a factor one.

    Raises
    ------
    ModelError
        For a name that a native component has, or an expression that is not understood.
    """
    if kind not in ("add", "mul", "con"):
        raise ModelError(f"components that are defined are add, mul or con, not {kind!r}")
    if is_native(name):
        raise ModelError(f"there is a native component {name!r}", cure="Choose another name.")
    formula = Formula(expression)
    parameters = tuple(
        ParameterDef(p, "", 1.0, 0.01, -_LIMIT, -_LIMIT, _LIMIT, _LIMIT)
        for p in formula.parameters
        if not (kind == "add" and p.lower() == "norm")
    )
    function: Callable[..., Array] = _convolution(formula) if kind == "con" else _local(formula, kind, lo, hi)
    definition = ComponentDef(
        name,
        kind,
        parameters,
        function,
        origin="python",
        doc=f"defined as {formula.text}",  # type: ignore[arg-type]
    )
    register(definition, replace=True)
    DEFINED[name.lower()] = (formula, kind, lo, hi)
    return definition


def _variables(formula: Formula, pars: Array, extra: int) -> dict[str, Array]:
    shape = (len(pars),) + (1,) * extra
    names = (
        [p for p in formula.parameters if p.lower() != "norm"]
        if pars.shape[1] < len(formula.parameters)
        else list(formula.parameters)
    )
    out = {p: pars[:, k].reshape(shape) for k, p in enumerate(names)}
    out |= {p: np.ones(shape) for p in formula.parameters if p not in out}  # the norm multiplies the whole
    return out


def _local(formula: Formula, kind: str, lo: float, hi: float) -> Callable[[Array, Array, Context], Array]:
    def evaluate(edges: Array, pars: Array, context: Context) -> Array:
        middle = 0.5 * (edges[1:] + edges[:-1])
        values = formula({"e": middle[None], **_variables(formula, pars, 1)})
        values = np.broadcast_to(np.asarray(values, dtype=float), (len(pars), len(middle)))
        inside = (middle >= lo) & (middle <= hi)
        if kind == "add":
            return np.where(inside, values * np.diff(edges), 0.0)
        return np.where(inside, values, 1.0)

    return evaluate


def _convolution(formula: Formula) -> Callable[[Array, Array, Context, Array], Array]:
    def evaluate(edges: Array, pars: Array, context: Context, flux: Array) -> Array:
        middle = 0.5 * (edges[1:] + edges[:-1])
        distance = middle[None, :] - middle[:, None]  # [source, target]
        out = np.empty((max(len(pars), len(flux)), len(middle)))
        for row in range(len(out)):
            own = pars[min(row, len(pars) - 1)][None]
            variables = {k: v[0] for k, v in _variables(formula, own, 2).items()}
            kernel = formula({"e": distance, ".e": middle[:, None], **variables})
            kernel = np.broadcast_to(kernel, distance.shape) * np.diff(edges)[None]
            out[row] = flux[min(row, len(flux) - 1)] @ kernel
        return out

    return evaluate
