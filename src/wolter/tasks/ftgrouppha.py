"""The task ``ftgrouppha``: grouping of a spectrum by one of eight rules.

The rules are heasp's: unlike grppha's they do not look at QUALITY, rates become whole counts, and the last group of
``constant`` may be shorter. Channels that cannot fill a last group stay single and get QUALITY 2; the tool's own source
was not available for this, the choice means the same to XSPEC as leaving them ungrouped and bad.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data import RMF, Spectrum, grouping
from wolter.data.spectrum_grouping import MODES, signal_and_variance
from wolter.data.spectrum_io import locate
from wolter.errors import DataError, ParameterError, ResponseError, suggest
from wolter.tasks._output import refuse_input, target
from wolter.tasks._pha import PhaTable
from wolter.tasks.registry import Parameter, Task, TaskResult

__all__ = ["TASK"]


def _scale(p: Mapping[str, Any], kind: str) -> float:
    if p["groupscale"] is None:
        raise ParameterError(
            f"ftgrouppha: grouptype={kind} needs groupscale: {MODES[kind].replace('`value`', 'so many')}"
        )
    return p["groupscale"]


def _background(p: Mapping[str, Any], header: fits.Header, name: Path, needed: bool) -> Spectrum | None:
    text = p["backfile"]
    if text is None:
        if needed:
            raise ParameterError("ftgrouppha: grouptype=bmin needs backfile")
        return None
    return Spectrum.read(text, follow=False, allow_empty=True)


def _rmf(p: Mapping[str, Any], pha: PhaTable, name: Path) -> RMF:
    """Response: respfile, else the spectrum's own RESPFILE."""
    text = p["respfile"]
    if text is not None:
        rmf = RMF.read(text)
    else:
        own = str(pha.header.get("RESPFILE", "none") or "none").strip()
        if own.lower() == "none":
            raise ParameterError(
                f"ftgrouppha: grouptype={p['grouptype']} needs the energy resolution: the spectrum names no response",
                cure="Set respfile.",
            )
        rmf = RMF.read(locate(own, name.parent, key="RESPFILE"))
    if rmf.detchans != len(pha):
        raise ResponseError(
            f"the response has {rmf.detchans} channels, the spectrum {len(pha)}",
            file=rmf.path,
            cure="Take the response of this detector.",
        )
    return rmf


def _flags(p: Mapping[str, Any], pha: PhaTable, name: Path) -> tuple[np.ndarray, np.ndarray]:
    """GROUPING, and QUALITY with 2 for the unfinished channels."""
    kind = p["grouptype"]
    n, first = len(pha), int(pha.channel[0])
    counts = np.rint(pha.counts) if pha.is_rate else pha.counts
    window: dict[str, Any] = {
        "first": None if p["minchannel"] < 0 else p["minchannel"] - first,
        "last": None if p["maxchannel"] < 0 else p["maxchannel"] - first,
    }
    if kind == "constant":
        return grouping.group_constant(n, int(_scale(p, kind)), short_last=True, **window), np.zeros(n, np.int16)
    if kind == "min":
        return grouping.group_min(counts, _scale(p, kind), **window)
    if kind == "bmin":
        back = _background(p, pha.header, name, True)
        assert back is not None
        if len(back) != n:
            raise DataError(f"the background has {len(back)} channels, the spectrum {n}", file=back.path)
        return grouping.group_min(np.rint(back.counts), _scale(p, kind), **window)
    if kind == "snmin":
        return grouping.group_min_snr(*_signal(p, name), _scale(p, kind), **window)
    fwhm = _rmf(p, pha, name).fwhm_channels()
    if kind == "opt":
        return grouping.group_optimal_marked(counts, fwhm)
    if kind == "optmin":
        return grouping.group_optimal_marked(counts, fwhm, minimum=_scale(p, kind))
    signal, variance = _signal(p, name)
    return grouping.group_optimal_marked(counts, fwhm, signal=signal, variance=variance, min_snr=_scale(p, kind))


def _signal(p: Mapping[str, Any], name: Path) -> tuple[np.ndarray, np.ndarray]:
    """Signal and variance with the background of `backfile` (the one in the header is not used, as by the tool)."""
    spectrum = Spectrum.read(name, follow=False, allow_empty=True)
    return signal_and_variance(spectrum.replace(background=_background(p, spectrum.header, name, False)))


def _template(p: Mapping[str, Any], pha: PhaTable) -> tuple[np.ndarray, np.ndarray]:
    if p["templatefile"] is None:
        raise ParameterError("ftgrouppha: grouptype=file needs templatefile")
    with fits.open(p["templatefile"]) as file:
        template = PhaTable.of(file)
        if len(template) != len(pha):
            raise DataError(f"the template has {len(template)} channels, the spectrum {len(pha)}", file=file.path)
        return np.where(template.grouping == 0, 1, template.grouping).astype(np.int16), template.quality


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    kind = str(p["grouptype"]).lower()
    if kind not in MODES:
        raise ParameterError(
            f"ftgrouppha: there is no grouptype {kind!r}", cure=suggest(kind, MODES) or f"Known: {', '.join(MODES)}."
        )
    if p["rows"] is not None and not re.fullmatch(r"1|\*", str(p["rows"])):
        raise ParameterError("ftgrouppha: rows of type II files are not grouped here", cure="Split the file first.")
    p = {**p, "grouptype": kind}
    name = fits.parse_name(str(p["infile"]))
    out, overwrite = target(p["outfile"], p["clobber"])
    refuse_input(out, name.path)
    with fits.open(name) as file:
        pha = PhaTable.of(file)
        if kind == "file":
            pha.grouping, pha.quality = _template(p, pha)
        else:
            pha.grouping, marks = _flags(p, pha, name.path)
            pha.quality = np.where((marks == 2) & (pha.quality == 0), 2, pha.quality).astype(np.int16)
        pha.write(
            out,
            overwrite=overwrite,
            with_quality=True,
            with_grouping=True,
            history=f"ftgrouppha of {name.path.name}: grouptype={kind} groupscale={p['groupscale']}",
            provenance=fits.Provenance("ftgrouppha", dict(p), [name.path]),
        )
    groups = int(np.sum((pha.grouping != -1) & (pha.quality == 0)))
    result.products["spectrum"] = out
    result.messages.append(f"{groups} groups of {len(pha)} channels; {int(np.sum(pha.quality != 0))} channels are bad")


class _Optional(Parameter):
    """A number that need not be given."""

    def _convert(self, value: Any) -> Any:
        if value is None or (isinstance(value, str) and value.strip().lower() in ("", "none", "-", "indef")):
            return None
        return float(value)


TASK = Task(
    "ftgrouppha",
    (
        Parameter("infile", "f", ..., "spectrum"),
        Parameter("backfile", "f", "NONE", "background, for bmin, snmin and optsnmin", hidden=True),
        Parameter("outfile", "f", ..., "file to write; !name replaces an existing one"),
        Parameter("grouptype", "s", ..., "min, bmin, snmin, constant, opt, optmin, optsnmin or file"),
        _Optional("groupscale", "r", None, "counts, signal-to-noise ratio, or channels in a group"),
        Parameter("minchannel", "i", -1, "first channel to be grouped; negative: all", hidden=True),
        Parameter("maxchannel", "i", -1, "last channel to be grouped; negative: all", hidden=True),
        Parameter("respfile", "f", "NONE", "redistribution matrix, for the optimal rules", hidden=True),
        Parameter("templatefile", "f", "NONE", "spectrum whose flags are copied, for file", hidden=True),
        Parameter("rows", "s", "-", "rows of a type II file", hidden=True),
        Parameter("clobber", "b", False, "replace an existing file", hidden=True),
    ),
    _run,
    "Groups the channels of a spectrum.",
)
