"""Parameter lines of XSPEC's command files: values, steps, limits and links, read and written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wolter.errors import FitError, WolterError
from wolter.models.model import Model, restore_parameter

if TYPE_CHECKING:
    from wolter.fit.fit import Fit
    from wolter.models.parameter import Parameter

__all__ = ["apply_parameters", "count_parameters", "parameter_line", "xspec_link"]

_NAMED = re.compile(r"\b[A-Za-z_]\w*:(p?\d+)")
_INTEGER = re.compile(r"(?<![\w.])(?<!\d[eE][-+])(\d+)(?![\w.:])")
_NAME = re.compile(r"(?<![\w.])(?:\d+:)?[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)?(?!\w*\s*\()")


def count_parameters(expression: str) -> int:
    """Number of parameters of one data group."""
    return len(Model(expression).parameters)


def parameter_line(parameter: Parameter, digits: int = 10) -> str:
    """Line of a parameter as XSPEC saves it: one value (switches and scales), or value, step and limits."""
    value = f"{parameter.value:15.{digits}g}"
    if parameter.kind != "par":
        return value
    step = -parameter.delta if parameter.frozen else parameter.delta
    limits = (parameter.hard_min, parameter.soft_min, parameter.soft_max, parameter.hard_max)
    return value + "".join(f"{v:11.{min(digits, 6)}g}" for v in (step, *limits))


def xspec_link(fit: Fit, position: int) -> str:
    """Link of a parameter in XSPEC's words: parameters by number, whole numbers with a point."""
    table = fit.table
    tie = table.parameters[position].tie or ""
    if tie.isdigit():
        return f"p{tie}"

    def number(match: re.Match[str]) -> str:
        name = match[0]
        local = ":" not in name and not (name[0] in "pP" and name[1:].isdigit())
        return f"p{table.find(f'{table.group(position)}:{name}' if local else name) + 1}"

    return _NAME.sub(number, _INTEGER.sub(r"\1.", tie))


def apply_parameters(fit: Fit, lines: list[str], changes: list[tuple[str, str]]) -> None:
    """Put the parameter lines of a model, and the commands after it, into a fit.

    Raises
    ------
    FitError
        If there are more lines than parameters, or a line is not understood.
    """
    parameters = fit.table.parameters
    if len(lines) > len(parameters):
        raise FitError(
            f"there are {len(lines)} lines of parameters, but {fit.model.expression} has {fit.table.width} in "
            f"{fit.dataset.n_groups} data groups",
            cure="The data of the file have more groups than those that are read, or lines are doubled.",
        )
    links: list[tuple[int, str]] = []
    for position, line in enumerate(lines):
        if line.startswith("/*"):
            break
        if line.startswith("="):
            links.append((position, line))
        elif line != "/":
            _set(fit, position, line)
    for position, line in links:
        _link(fit, position, line)
    for command, text in changes:
        _change(fit, command, text)


def _link(fit: Fit, position: int, line: str) -> None:
    # in XSPEC's links a whole number without a point is the number of a parameter
    text = _INTEGER.sub(r"p\1", _NAMED.sub(r"\1", line.lstrip("=").strip()))
    try:
        fit.table.parameters[position].tie = text
    except WolterError as error:
        raise FitError(f"link {line!r} of parameter {position + 1}: {error}") from error


def _set(fit: Fit, position: int, text: str) -> None:
    """Set value, step and limits of a parameter from up to six numbers; empty fields stay as they are."""
    parameter = fit.table.parameters[position]
    words = text.replace(",", " , ").split()
    if "," in words:
        fields = [f.strip() for f in text.split(",")]
        words = [w for f in fields for w in (f.split() or [""])]
    try:
        numbers = [None if w in ("", "/") else float(w) for w in words[:6]]
    except ValueError:
        raise FitError(f"values {text!r} of parameter {position + 1} are not numbers") from None
    numbers += [None] * (6 - len(numbers))
    value, delta, *limits = numbers
    present = [parameter.hard_min, parameter.soft_min, parameter.soft_max, parameter.hard_max]
    frozen = parameter.frozen if delta is None or parameter.kind != "par" else delta <= 0
    restore_parameter(
        parameter,
        {
            "limits": [p if n is None else n for n, p in zip(limits, present, strict=True)],
            "delta": parameter.delta if not delta else abs(delta),
            "value": parameter.value if value is None else value,
            "frozen": frozen,
        },
    )


def _change(fit: Fit, command: str, text: str) -> None:
    words = text.split(None, 1)
    if command == "newpar" and len(words) == 2:
        position = _number(fit, words[0])
        if words[1].startswith("="):
            _link(fit, position, words[1])
        else:
            _set(fit, position, words[1])
    elif command in ("freeze", "thaw", "untie"):
        for position in _numbers(fit, text):
            parameter = fit.table.parameters[position]
            if command == "untie":
                fit.untie(position + 1)
            else:
                parameter.frozen = command == "freeze"
    elif command == "bayes" and words and words[0].lower() in ("on", "off"):
        fit.bayes = words[0].lower() == "on"
    elif command == "bayes" and len(words) == 2:
        fit.prior(_number(fit, words[0]) + 1, words[1])
    else:
        raise FitError(f"command {f'{command} {text}'!r} is not understood")


def _number(fit: Fit, text: str) -> int:
    """Position (from zero) of a parameter by XSPEC's number."""
    return fit.table.find(text.rpartition(":")[2])


def _numbers(fit: Fit, text: str) -> list[int]:
    out: list[int] = []
    for word in text.replace(",", " ").split():
        first, dash, last = word.partition("-")
        start = _number(fit, first)
        out += range(start, _number(fit, last) + 1 if dash else start + 1)
    return out
