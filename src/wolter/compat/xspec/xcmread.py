"""Reading of XSPEC command files: what `Xset.save` and XSPEC's own `save` write, and the usual commands of scripts."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wolter.compat.xspec.errors import XspecError, missing
from wolter.compat.xspec.session import SESSION

__all__ = ["restore"]

# XSPEC's commands by name, with the fewest letters it takes them by
_COMMANDS = {
    "abund": 2, "arf": 3, "backgrnd": 2, "bayes": 2, "chatter": 4, "corfile": 4, "cornorm": 4, "cosmo": 3, "cpd": 2,
    "data": 2, "energies": 3, "eqwidth": 2, "error": 2, "fit": 2, "flux": 2, "freeze": 3, "gain": 2, "goodness": 3,
    "ignore": 2, "log": 3, "lumin": 2, "method": 3, "model": 2, "newpar": 2, "notice": 2, "plot": 2, "query": 2,
    "renorm": 3, "response": 2, "setplot": 4, "show": 2, "statistic": 3, "steppar": 3, "systematic": 3, "thaw": 2,
    "untie": 2, "weight": 2, "xsect": 3, "xset": 3,
}  # fmt: skip
_SILENT = ("autosave", "cd", "echo", "puts", "set", "tclout", "parallel", "time", "version", "dummyrsp", "identify")


def restore(name: str) -> None:
    """Execute a command file.

    Raises
    ------
    XspecError
        If there is no such file, or a command fails.
    NotImplementedError
        For commands that are not understood.
    """
    path = Path(name)
    if not path.is_file():
        path = Path(f"{name}.xcm")
    if not path.is_file():
        raise XspecError(f"Error: cannot open {name}")
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    while lines:
        line = lines.pop(0)
        if line.startswith("@"):
            restore(os.path.join(path.parent, line[1:].strip()) if not Path(line[1:].strip()).is_file() else line[1:])
            continue
        word, _, rest = line.partition(" ")
        if word in ("exit", "quit"):
            return
        if word in _SILENT:
            continue
        command = _full(word)
        if command == "model":
            _model(rest.strip(), lines)
        elif command == "gain":
            _gain(rest.split(), lines)
        else:
            _execute(command, rest.strip())


def _full(word: str) -> str:
    key = word.lower()
    for name, least in _COMMANDS.items():
        if len(key) >= least and name.startswith(key):
            return name
    raise missing(f"Xset.restore: command {word!r}")


def _execute(command: str, rest: str) -> None:
    from wolter.compat import xspec as x

    words = rest.replace(",", " ").split()
    simple: dict[str, Callable[[], Any]] = {
        "statistic": lambda: _statistic(x, words),
        "data": lambda: x.AllData(rest),
        "ignore": lambda: x.AllData.ignore(rest),
        "notice": lambda: x.AllData.notice(rest),
        "method": lambda: setattr(x.Fit, "method", rest),
        "abund": lambda: setattr(x.Xset, "abund", rest),
        "xsect": lambda: setattr(x.Xset, "xsect", rest),
        "cosmo": lambda: setattr(x.Xset, "cosmo", rest),
        "systematic": lambda: setattr(x.AllModels, "systematic", float(rest)),
        "weight": lambda: setattr(x.Fit, "weight", rest),
        "query": lambda: setattr(x.Fit, "query", rest),
        "bayes": lambda: setattr(x.Fit, "bayes", rest),
        "energies": lambda: x.AllModels.setEnergies(rest),
        "fit": lambda: _fit(x, words),
        "error": lambda: x.Fit.error(rest),
        "steppar": lambda: x.Fit.steppar(rest),
        "flux": lambda: x.AllModels.calcFlux(rest),
        "lumin": lambda: x.AllModels.calcLumin(rest),
        "eqwidth": lambda: x.AllModels.eqwidth(rest),
        "goodness": lambda: x.Fit.goodness(int(words[0]) if words else 100),
        "renorm": lambda: x.Fit.renorm(*words[:1]),
        "plot": lambda: x.Plot(rest),
        "cpd": lambda: setattr(x.Plot, "device", rest),
        "chatter": lambda: _chatter(x, words),
        "log": lambda: _log(x, words[0] if words else "xspec.log"),
        "show": lambda: _show(x, words),
        "xset": lambda: _xset(x, words, rest),
        "setplot": lambda: _setplot(x, words, rest),
    }
    if command in simple:
        simple[command]()
    elif command in ("newpar", "freeze", "thaw", "untie"):
        _parameters(command, rest)
    else:
        _files(x, command, words)


def _statistic(x: Any, words: list[str]) -> None:
    if words[0].lower() == "test":
        x.Fit.statTest = " ".join(words[1:])
    else:
        x.Fit.statMethod = " ".join(words)


def _fit(x: Any, words: list[str]) -> None:
    if words:
        x.Fit.nIterations = int(float(words[0]))
    if len(words) > 1:
        x.Fit.criticalDelta = float(words[1])
    x.Fit.perform()


def _chatter(x: Any, words: list[str]) -> None:
    if words:
        x.Xset.chatter = int(words[0])
    if len(words) > 1:
        x.Xset.logChatter = int(words[1])


def _log(x: Any, name: str) -> None:
    if name == "none":
        x.Xset.closeLog()
    else:
        x.Xset.openLog(name)


def _show(x: Any, words: list[str]) -> None:
    part = words[0].lower() if words else "all"
    if part.startswith(("a", "d", "f")):
        x.AllData.show()
    if part.startswith(("a", "p", "m")):
        x.AllModels.show()


def _xset(x: Any, words: list[str], rest: str) -> None:
    key = words[0].lower()
    if key == "delta":
        x.Fit.delta = float(words[1])
    elif key in ("abund", "xsect", "cosmo", "seed", "chatter"):
        setattr(x.Xset, key, rest.split(maxsplit=1)[1])
    else:
        x.Xset.addModelString(words[0], rest.split(maxsplit=1)[1] if len(words) > 1 else "")


def _setplot(x: Any, words: list[str], rest: str) -> None:
    key = words[0].lower()
    switches = {"add": ("add", True), "noadd": ("add", False), "area": ("area", True), "noarea": ("area", False),
                "background": ("background", True), "nobackground": ("background", False)}  # fmt: skip
    if key in switches:
        setattr(x.Plot, *switches[key])
    elif key.startswith("en"):
        x.Plot.xAxis = words[1] if len(words) > 1 else "keV"
    elif key.startswith("wa"):
        x.Plot.xAxis = words[1] if len(words) > 1 else "angstrom"
    elif key.startswith("ch"):
        x.Plot.xAxis = "channel"
    elif key.startswith("reb"):
        x.Plot.setRebin(*words[1:5])
    elif key.startswith("gr"):
        x.Plot.setGroup(" ".join(words[1:]))
    elif key.startswith("ung"):
        x.Plot.setGroup(None)
    elif key.startswith("com"):
        x.Plot.addCommand(rest.split(maxsplit=1)[1])
    elif key.startswith("del"):
        x.Plot.commands = () if words[1:2] == ["all"] else [c for i, c in enumerate(x.Plot.commands, 1)
                                                            if str(i) not in words[1:]]  # fmt: skip
    elif not key.startswith(("spl", "id", "noid", "xl", "yl", "xax", "cont")):
        raise missing(f"Xset.restore: command 'setplot {words[0]}'")


def _files(x: Any, command: str, words: list[str]) -> None:
    """``response 2:1 file``: source 2 of spectrum 1; ``arf 1 file``; ``backgrnd file`` for spectrum 1."""
    if len(words) == 1 and command != "cornorm":
        words = ["1", *words]
    source, _, number = words[0].rpartition(":")
    spectrum = x.AllData(int(number))
    value = words[1]
    if command in ("response", "arf"):
        place = int(source or 1) - 1
        if command == "response":
            spectrum.multiresponse[place] = value
        else:
            spectrum.multiresponse[place].arf = value
    elif command == "cornorm":
        spectrum.cornorm = float(value)
    else:
        setattr(spectrum, {"corfile": "correction", "backgrnd": "background"}[command], value)


def _parameters(command: str, rest: str) -> None:
    """newpar, freeze, thaw and untie; numbers run over all data groups, ``name:3`` belongs to a named model."""
    words = rest.replace(",", " ").split()
    if command == "newpar":
        first, text = rest.replace("=", " =", 1).split(maxsplit=1)
        for owner in _numbered([first]):
            owner._assign(text)
    else:
        for owner in _numbered(words):
            if command == "untie":
                owner.untie()
            else:
                owner.frozen = command == "freeze"


def _numbered(words: list[str]) -> list[Any]:
    out = []
    for word in words:
        name, _, text = word.rpartition(":")
        first, _, last = text.partition("-")
        entry = SESSION.models.get(name)
        if entry is None:
            raise XspecError(f"Error: there is no model {name!r} for parameter {word}")
        for number in range(int(first), int(last or first) + 1):
            if not 1 <= number <= len(entry.table.parameters):
                raise XspecError(f"Error: there is no parameter {word}")
            out.append(entry.models[(number - 1) // entry.table.width]((number - 1) % entry.table.width + 1))
    return out


def _gain(words: list[str], lines: list[str]) -> None:
    """``gain fit 1:1`` with a line for slope and offset, ``gain 1:1 slope offset`` fixed, ``gain off``."""
    from wolter.compat import xspec

    x: Any = xspec
    if words[:1] == ["off"] or words[:1] == ["nofit"]:
        for s in SESSION.spectra:
            for source in list(s.gains):
                x.AllData(s.index).multiresponse[source - 1].gain.off()
        return
    fitted = words[:1] == ["fit"]
    words = words[1:] if fitted else words
    source, _, number = (words[0] if words else "1").rpartition(":")
    response = x.AllData(int(number)).multiresponse[int(source or 1) - 1]
    given = words[1:3]
    while fitted and lines and len(given) < 2 and (lines[0][0] in "-+." or lines[0][0].isdigit()):
        given.append(lines.pop(0))
    for name, text in zip(("slope", "offset"), given or ["1.0"], strict=False):
        setattr(response.gain, name, text)
        if not fitted:
            getattr(response.gain, name).frozen = True


def _model(rest: str, lines: list[str]) -> None:
    """A model with its parameters on the following lines, or behind & signs."""
    from wolter.compat.xspec.models import Model

    rest, *given = [part.strip() for part in rest.split("&")]
    name, source = "", 1
    head, _, tail = rest.partition(" ")
    if ":" in head:
        number, _, name = head.partition(":")
        source, rest = int(number), tail.strip()
    if rest.lower() in ("none", "clear"):
        SESSION.models.pop(name, None)
        SESSION.model_changed()
        return
    entry = Model(rest, name, source)._entry
    count = len(entry.table.parameters)
    while lines and len(given) < count and (lines[0][0] in "=-+./&" or lines[0][0].isdigit()):
        given.append(lines.pop(0).lstrip("& "))
    if "/*" in given:  # the rest stays as it is
        given = given[: given.index("/*")]
    for links_turn in (False, True):
        for position, text in enumerate(given):
            if text.startswith("=") == links_turn and text not in ("", "/"):
                width = entry.table.width
                entry.models[position // width](position % width + 1)._assign(text)
