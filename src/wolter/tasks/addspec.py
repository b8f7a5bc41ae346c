"""The task ``addspec``: adds spectra listed in a text file, their backgrounds and their responses.

The rules are the tool's: counts are added and exposures too; AREASCAL becomes 1, having been multiplied into the
responses, which are averaged with the exposures as weights; backgrounds are added after multiplication with
``bexpscale`` times the ratio of BACKSCAL, to the exposure ``bexpscale`` times the sum of theirs. That is right where
source and background of one spectrum have the same exposure; `wolter.data.merge_spectra` is right in general.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wolter import fits
from wolter.data import RMF, Spectrum
from wolter.data.combine import combine_responses
from wolter.data.matrix import CompressedMatrix
from wolter.errors import DataError, ParameterError, ResponseError
from wolter.tasks import mathpha
from wolter.tasks._output import read_lines, refuse_input, target
from wolter.tasks.registry import Parameter, Task, TaskError, TaskResult

__all__ = ["TASK"]


def _listed(path: Path) -> list[Path]:
    """Spectra named in a text file, one a line, as they are written or beside the list."""
    out = []
    for line in read_lines(path, "list of spectra"):
        name = line.strip()
        if not name or name[0] in "#!":
            continue
        found = Path(name) if Path(name).is_file() else path.parent / name
        if not found.is_file():
            raise TaskError(f"there is no spectrum {name}", file=path)
        out.append(found)
    if not out:
        raise TaskError("the list names no spectrum", file=path)
    return out


def _sum(names: list[str], p: Mapping[str, Any], factors: list[float] | None, exposure: str, result: TaskResult) -> Any:
    terms = [f"'{n}'" if factors is None else f"('{n}'*{f:.17g})" for n, f in zip(names, factors or names, strict=True)]
    given = {
        "expr": "+".join(terms), "units": p["units"], "exposure": exposure, "areascal": "NULL", "outfil": "x",
        "properr": p["properr"], "errmeth": p["errmeth"],
    }  # fmt: skip
    return mathpha.calculate(mathpha.TASK.resolve(given), result.messages.append)[0]


def _response(spectra: list[Spectrum]) -> RMF:
    """Mean of the responses times area and AREASCAL, weighted with the exposures."""
    made: list[tuple[RMF | None, Any]] = []
    for s in spectra:
        if s.rmf is None:
            raise ResponseError(
                f"{s.name} names no response (RESPFILE)", file=s.path, cure="Set qaddrmf=no, or the keyword."
            )
        if np.ndim(s.areascal):
            raise DataError("AREASCAL differs between channels", file=s.path, cure="Use wolter.data.merge_spectra.")
        m = s.rmf.matrix
        factor = np.full(s.rmf.n_energies, float(s.areascal))
        if s.arf is not None:
            factor = factor * s.arf.specresp
        values = m.values.astype(np.float64) * factor[m.rows()]
        whole = CompressedMatrix(m.n_channels, m.row_runs, m.first, m.length, values)
        made.append(
            (
                RMF(
                    s.rmf.energ_lo, s.rmf.energ_hi, s.rmf.e_min, s.rmf.e_max, whole,
                    first_channel=s.rmf.first_channel, header=s.rmf.header,
                    includes_area=s.arf is not None or s.rmf.includes_area,
                ),
                None,
            )
        )  # fmt: skip
    return combine_responses(made, [s.exposure for s in spectra])[0]


def _run(p: Mapping[str, Any], result: TaskResult) -> None:
    if not p["qaddpha"]:
        raise ParameterError("addspec: qaddpha=no is not possible, as with the tool")
    root, overwrite = target(p["outfil"], p["clobber"])
    paths = _listed(Path(str(p["infil"]).lstrip("@")))
    outputs = {
        kind: Path(f"{root}{suffix}")
        for kind, suffix in (("spectrum", ".pha"), ("background", ".bak"), ("response", ".rsp"))
    }
    refuse_input(outputs["spectrum"], *paths)
    spectra = [Spectrum.read(path, follow=p["qaddrmf"] or p["qsubback"], allow_empty=True) for path in paths]
    if p["qaddrmf"] and len({s.arf is None for s in spectra}) > 1:
        raise TaskError("some of the spectra name an ARF and others do not", returncode=99, cure="Set qaddrmf=no.")
    provenance = fits.Provenance("addspec", {k: v for k, v in p.items() if v is not None}, paths)
    total = _sum([str(path) for path in paths], p, None, "CALC", result)
    changes: dict[str, Any] = {}
    writes: list[tuple[str, Any]] = []
    if p["qsubback"]:
        back = _background(spectra, p, result)
        writes.append(("background", back))
        changes["backfile"] = outputs["background"].name
    if p["qaddrmf"]:
        writes.append(("response", _response(spectra)))
        changes["respfile"] = outputs["response"].name
    writes.append(("spectrum", total.replace(**changes)))
    for kind, item in writes:
        item.write(outputs[kind], overwrite=overwrite, provenance=provenance)
        result.products[kind] = outputs[kind]
    result.messages.append(f"{len(spectra)} spectra, {total.exposure:g} s")


def _background(spectra: list[Spectrum], p: Mapping[str, Any], result: TaskResult) -> Spectrum:
    names, factors, exposure = [], [], 0.0
    for s in spectra:
        b = s.background
        if b is None or b.path is None:
            raise TaskError(f"{s.name} names no background (BACKFILE)", file=s.path, cure="Set qsubback=no.")
        if np.ndim(s.backscal) or np.ndim(b.backscal):
            raise TaskError("BACKSCAL differs between channels", file=s.path, cure="Use wolter.data.merge_spectra.")
        names.append(str(b.path))
        factors.append(float(s.backscal) * p["bexpscale"] / float(b.backscal))
        exposure += b.exposure
    made = _sum(names, p, factors, str(int(exposure * p["bexpscale"])), result)
    if made.poisson and not p["units"].strip().upper().startswith("R"):
        made = made.replace(values=np.rint(made.values))
    return made


TASK = Task(
    "addspec",
    (
        Parameter("infil", "f", ..., "text file with the name of one spectrum a line"),
        Parameter("outfil", "f", ..., "root of the output names: root.pha, root.bak, root.rsp"),
        Parameter("qaddpha", "b", True, "add the spectra (always)", hidden=True),
        Parameter("units", "s", "C", "calculate in counts (C), count/s (R), or as most files are (F)", hidden=True),
        Parameter("qaddrmf", "b", True, "average the responses"),
        Parameter("qsubback", "b", True, "add the backgrounds"),
        Parameter("bexpscale", "r", 1000.0, "factor that keeps rounding errors of the background small", hidden=True),
        Parameter("properr", "s", "no", "propagate errors", hidden=True),
        Parameter("errmeth", "s", "POISS-0", "errors, as for mathpha", hidden=True),
        Parameter("schatter", "i", 5, "accepted, no effect", hidden=True),
        Parameter("clobber", "b", False, "replace existing files", hidden=True),
    ),
    _run,
    "Adds spectra with their backgrounds and responses.",
)
