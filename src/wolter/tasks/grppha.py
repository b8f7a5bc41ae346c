"""The task ``grppha``: its commands on the flags and keywords of a spectrum (behaviour of version 3.0.1).

Commands come with ``comm`` (and ``tempc``), separated by ``&``: group, bad, good, systematics, reset, chkey, show,
write, exit, quit, help, chatter. Where they end without exit or quit, the file is written, as by ``exit``: there is no
prompt here. A command that is not understood is reported and passed over, as by the tool.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data.grouping import group_constant, group_min
from wolter.errors import DataError
from wolter.tasks._output import read_lines, refuse_input, target
from wolter.tasks._pha import PhaTable
from wolter.tasks.registry import Parameter, Task, TaskError, TaskResult

__all__ = ["TASK"]

_MOST = 6  # sets of channels on one command line
_KEYWORDS = {  # what chkey may change, and the type
    **dict.fromkeys(("BACKFILE", "CORRFILE", "RESPFILE", "ANCRFILE"), str),
    **dict.fromkeys(("TELESCOP", "INSTRUME", "DETNAM", "FILTER", "CHANTYPE", "OBJECT"), str),
    **dict.fromkeys(("EXPOSURE", "AREASCAL", "BACKSCAL", "CORRSCAL", "SYS_ERR"), float),
    "POISSERR": bool,
    **{f"XFLT{i:04d}": str for i in range(1, 10)},
}
_MANDATORY = (
    *("EXTNAME", "TELESCOP", "INSTRUME", "FILTER", "EXPOSURE", "AREASCAL", "BACKSCAL", "BACKFILE", "CORRSCAL"),
    *("CORRFILE", "RESPFILE", "ANCRFILE", "POISSERR", "CHANTYPE", "DETCHANS", "PHAVERSN"),
)
_HELP = "Commands: group bad good systematics show reset chkey write exit quit help"


class _Stop(Exception):
    """exit or quit."""


class _Wrong(Exception):
    """A command that is not understood."""


class _Session:
    """The flags while the commands work on them."""

    def __init__(self, pha: PhaTable, infile: Path, out: tuple[Path, bool], tell: Callable[[str], None]) -> None:
        self.pha, self.infile, self.out, self.tell = pha, infile, out, tell
        self.written: list[Path] = []
        self.quality_column = "QUALITY" in pha.table

    def run(self, line: str) -> None:
        """One command."""
        words = line.split()
        if not words:
            return
        verb = words[0].lower()
        known: dict[str, Callable[[list[str]], None]] = {
            "group": self._group,
            "bad": lambda w: self._quality(w, 5),
            "good": lambda w: self._quality(w, 0),
            "systematics": self._systematics,
            "reset": self._reset,
            "chkey": self._chkey,
            "show": self._show,
            "write": self._write,
            "exit": self._exit,
            "quit": self._quit,
            "help": lambda w: self.tell(_HELP),
            "?": lambda w: self.tell(_HELP),
            "commands": lambda w: self.tell(_HELP),
            "chatter": lambda w: None,
        }
        match = [name for name in known if name.startswith(verb)] if len(verb) > 2 else [verb] * (verb in known)
        try:
            if not match:
                raise _Wrong(f"the command {words[0]} is not known")
            known[verb if verb in known else match[0]](words[1:])
        except _Wrong as exc:
            self.tell(f"grppha: {exc}; {line.strip()!r} is passed over")

    # -- sets of channels ------------------------------------------------------------------------------------------

    def _numbers(self, words: Sequence[str], width: int) -> list[list[float]]:
        """Sets of numbers from the command line or, one set a line, from a text file."""
        if len(words) == 1 and not re.match(r"[\d.+-]", words[0]):
            path = self._beside(words[0])
            try:
                lines = read_lines(path, "sets of numbers")
            except TaskError as exc:
                raise _Wrong(str(exc)) from exc
            sets = [line.replace(",", " ").split() for line in lines if line.strip() and line.lstrip()[0] not in "#!"]
        else:
            if len(words) % width or not words:
                raise _Wrong(f"sets of {width} numbers are meant")
            sets = [list(words[i : i + width]) for i in range(0, len(words), width)]
            if len(sets) > _MOST:
                self.tell(f"grppha: only the first {_MOST} sets of channels are taken")
                sets = sets[:_MOST]
        try:
            out = [[float(w) for w in one[:width]] for one in sets]
        except ValueError:
            raise _Wrong("there is something that is no number") from None
        if any(len(one) < width for one in out):
            raise _Wrong(f"sets of {width} numbers are meant")
        return out

    def _beside(self, name: str) -> Path:
        path = Path(name)
        if not path.is_file():
            path = self.infile.parent / name
        if not path.is_file():
            raise _Wrong(f"there is no file {name}")
        return path

    def _spans(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Channel ranges ``lo-hi`` or single channels."""
        if len(words) == 1 and not re.match(r"\d", words[0]):
            return [(int(a), int(b)) for a, b in self._numbers(words, 2)]
        out = []
        for word in words[:_MOST]:
            match = re.fullmatch(r"(\d+)(?:-(\d+))?", word)
            if match is None:
                raise _Wrong(f"{word} is no range of channels")
            out.append((int(match[1]), int(match[2] or match[1])))
        if len(words) > _MOST:
            self.tell(f"grppha: only the first {_MOST} sets of channels are taken")
        if not out:
            raise _Wrong("channels are missing")
        return out

    def _checked(self, low: int, high: int) -> np.ndarray:
        if low > high:
            raise _Wrong(f"the range {low}-{high} ends before it begins")
        places = self.pha.positions(low, high)
        for channel in (low, high):
            if channel < self.pha.channel[0] or channel > self.pha.channel[-1]:
                self.tell(f" WARNING - Channel {channel} not present")
        return places

    # -- commands --------------------------------------------------------------------------------------------------

    def _group(self, words: list[str]) -> None:
        pha = self.pha
        if words and words[0].lower() == "min":
            try:
                minimum = float(words[1])
            except (IndexError, ValueError):
                raise _Wrong("group min needs a number of counts") from None
            if minimum <= 0:
                raise _Wrong("group min needs a positive number of counts")
            pha.grouping, pha.quality = group_min(pha.counts, minimum, quality=pha.quality)
        else:
            n, first = len(pha), int(pha.channel[0])
            for low, high, width in ([int(v) for v in one] for one in self._numbers(words, 3)):
                start, stop = max(low - first, 0), min(high - first, n - 1)
                if width < 1 or start > stop:
                    self.tell(f"grppha: group {low} {high} {width} is not possible")
                    continue
                if high - first >= n or (high - low + 1) % width:
                    past = low + width * (-(-(min(high, first + n - 1) - low + 1) // width)) - 1
                    if past > pha.channel[-1]:
                        self.tell(f" WARNING - grp_com 1.2.0:  Channel {past} not present")
                pha.grouping = group_constant(n, width, grouping=pha.grouping, first=start, last=stop)
        self.quality_column = True

    def _quality(self, words: list[str], value: int) -> None:
        for low, high in self._spans(words):
            self.pha.quality[self._checked(low, high)] = value

    def _systematics(self, words: list[str]) -> None:
        if len(words) == 1:
            sets = self._numbers(words, 3)
        else:
            if len(words) % 2:
                raise _Wrong("pairs of a channel range and an error are meant")
            spans = self._spans(words[::2])
            try:
                sets = [[a, b, float(e)] for (a, b), e in zip(spans, words[1::2], strict=False)]
            except ValueError:
                raise _Wrong("a systematic error is no number") from None
        for low, high, error in sets:
            if error < 0:
                raise _Wrong("a systematic error is negative")
            self.pha.sys_err[self._checked(int(low), int(high))] = error

    def _reset(self, words: list[str]) -> None:
        what = words[0].lower() if words else ""
        if what not in ("grouping", "quality", "systematics", "all"):
            raise _Wrong("reset takes grouping, quality, systematics or all")
        if what in ("grouping", "all"):
            self.pha.grouping[:] = 0
            self.quality_column = False
        if what in ("quality", "all"):
            self.pha.quality[:] = 0
            self.quality_column = False
        if what in ("systematics", "all"):
            self.pha.sys_err[:] = 0

    def _chkey(self, words: list[str]) -> None:
        if len(words) < 2:
            raise _Wrong("chkey takes a keyword and its new value")
        key, text = words[0].upper(), " ".join(words[1:]).strip("'\"")
        if key not in _KEYWORDS:
            raise _Wrong(f"the keyword {key} cannot be changed ({', '.join(_KEYWORDS)} can)")
        kind = _KEYWORDS[key]
        try:
            value = text[:1].upper() in ("T", "Y") if kind is bool else kind(text)
        except ValueError:
            raise _Wrong(f"{text} is no number") from None
        if key == "SYS_ERR":
            self.pha.sys_err[:] = float(value)
        else:
            self.pha.header[key] = value

    def _show(self, words: list[str]) -> None:
        what = words[0].lower() if words else ""
        header = self.pha.header
        if what.upper() in _KEYWORDS:
            self.tell(f"{what.upper():<8} = {header.get(what.upper(), 'not set')}")
        elif what == "infile":
            self.tell(f"Input file: {self.infile}")
        elif what == "chkeys":
            self.tell("Keywords that can be changed: " + " ".join(_KEYWORDS))
        elif what == "keywords":
            for key in _MANDATORY:
                self.tell(f"{key:<8} = {header.get(key, 'not set')}")
        elif what in ("grouping", "quality", "systematics", "all"):
            for name, flags in (
                ("grouping", self.pha.grouping),
                ("quality", self.pha.quality),
                ("systematics", self.pha.sys_err),
            ):
                if what in (name, "all"):
                    self._show_flags(name, flags)
        else:
            raise _Wrong("show takes grouping, quality, systematics, all, keywords, infile, chkeys or a keyword")

    def _show_flags(self, name: str, flags: np.ndarray) -> None:
        """Stretches of channels: groups of equal width, or equal flags."""
        channel = self.pha.channel
        if name == "grouping":
            if not flags.any():
                self.tell("Grouping: not set")
                return
            starts = np.flatnonzero(flags != -1)
            widths = np.diff(np.append(starts, len(flags)))
            edges = np.flatnonzero(np.diff(widths, prepend=-1))
            self.tell("Grouping: Channel - Channel, channels in a bin")
            for a, b in zip(edges, [*edges[1:], len(widths)], strict=True):
                last = starts[b - 1] + widths[b - 1] - 1
                if widths[a] > 1:
                    self.tell(f"  {channel[starts[a]]:>6} - {channel[last]:<6} {widths[a]:>6}")
            return
        self.tell(f"{name.capitalize()}: Channel - Channel, value")
        edges = np.flatnonzero(np.diff(flags, prepend=np.nan if flags.dtype.kind == "f" else -99))
        for a, b in zip(edges, [*edges[1:], len(flags)], strict=True):
            if flags[a]:
                self.tell(f"  {channel[a]:>6} - {channel[b - 1]:<6} {flags[a]:g}")

    def _write(self, words: list[str]) -> None:
        out = target(words[0], False) if words else self.out
        refuse_input(out[0], self.infile)
        pha = self.pha
        grouped = bool((pha.grouping != 0).any())
        pha.write(
            out[0],
            overwrite=out[1],
            with_quality=bool(pha.quality.any()) or (grouped and self.quality_column),
            with_grouping=grouped,
            history=f"grppha of {self.infile.name}",
            provenance=fits.Provenance("grppha", {"commands": self.commands}, [self.infile]),
        )
        self.written.append(out[0])

    commands = ""

    def _exit(self, words: list[str]) -> None:
        self._write(words)
        raise _Stop

    def _quit(self, words: list[str]) -> None:
        raise _Stop


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    name = fits.parse_name(str(p["infile"]))
    lines = [line for text in (p["comm"], p["tempc"]) for line in str(text or "").split("&")]
    with fits.open(name) as file:
        try:
            pha = PhaTable.of(file)
        except DataError as exc:
            raise TaskError(exc.cause, file=exc.file, hdu=exc.hdu, cure=exc.cure) from exc
        session = _Session(pha, name.path, target(p["outfile"] or "GRPPHA.OUT", p["clobber"]), result.messages.append)
        session.commands = " & ".join(line.strip() for line in lines if line.strip())
        try:
            for line in [*lines, "exit"]:
                session.run(line)
        except _Stop:
            pass
    if session.written:
        result.products["spectrum"] = session.written[0] if len(session.written) == 1 else tuple(session.written)


TASK = Task(
    "grppha",
    (
        Parameter("infile", "f", ..., "spectrum"),
        Parameter("outfile", "f", "GRPPHA.OUT", "file to write; !name replaces an existing one"),
        Parameter("chatter", "i", 5, "accepted, no effect", hidden=True),
        Parameter("comm", "s", "", "commands, separated by &"),
        Parameter("tempc", "s", "", "further commands"),
        Parameter("clobber", "b", False, "replace an existing file", hidden=True),
    ),
    _run,
    "Grouping, quality flags, systematic errors and keywords of a spectrum.",
)
