"""Replay of recorded PyXspec sessions: run their code, compare what the session shows with the record."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from compat_logs import clean, log_differences
from unpacked import unpacked


class _Text:
    """Takes what a session prints to its log."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text

    def close(self) -> None:
        """Nothing is kept."""


def unpack(data: Path, files: dict[str, Any], folder: Path) -> None:
    """Files of a session under their names there, unpacked."""
    for name, entry in files.items():
        source = data / re.sub(r" \(.*\)$", "", entry["source"])
        packed = source.suffix in (".gz", ".xz") and not name.endswith(source.suffix)
        (folder / name).symlink_to(unpacked(source) if packed else source)


class Replay:
    """One session.

    Attributes
    ----------
    outcome : dict
        For each step what differs in values.
    printed : dict
        For each step what differs in the text of the log, if one was recorded.
    lines : int
        Lines of text compared.
    better : list of str
        Fits and searches that end at a lower statistic than XSPEC's.
    """

    def __init__(self, golden: Path, data: Path, name: str, folder: Path, module: str = "wolter.compat.xspec") -> None:
        self.module = module
        self.record = json.loads((golden / f"{name}.json").read_text())
        self.arrays = np.load(golden / f"{name}.npz")
        unpack(data, self.record["files"], folder)
        self.outcome: dict[int, list[str]] = {}
        self.printed: dict[int, list[str]] = {}
        self.lines = 0
        self.better: list[str] = []
        self.space: dict[str, Any] = {}

    def run_first(self, code: str) -> None:
        """Execute a preamble."""
        exec(f"from {self.module} import *", self.space)
        exec(code, self.space)

    def run(self, last: int | None = None) -> None:
        from wolter.compat.xspec.session import SESSION

        exec(f"from {self.module} import *", self.space)
        self.session = SESSION
        for number, step in enumerate(self.record["steps"][:last]):
            self.session.out.log = self._log = _Text()
            self.outcome[number] = self._step(step)
            self.session.out.log = None
            self._print(number, step)

    def _print(self, number: int, step: dict[str, Any]) -> None:
        if step["code"].startswith("Fit.steppar"):  # recorded without: see the tests of steppar
            return
        theirs = clean(step.get("log") or [])
        self.printed[number] = log_differences(clean(self._said.splitlines()), theirs, step["code"])
        self.lines += len(theirs)

    def _step(self, step: dict[str, Any]) -> list[str]:
        found: list[str] = []
        self._said = ""
        returned, error = None, None
        try:
            if "returns" in step:
                returned = eval(step["code"], self.space)
            else:
                exec(step["code"], self.space)
        except Exception as exc:
            error = exc
        log = getattr(self, "_log", None)
        self._said = log.text if log is not None else ""
        if isinstance(error, NotImplementedError):
            self._put(step)
            return [f"missing: {error}"]
        if ("exception" in step) != (error is not None):
            found.append(f"exception: {error!r} instead of {step.get('exception')}")
        if "returns" in step and error is None:
            found += differences("returns", returned, step["returns"], 1e-4)
        self._lower = self._is_lower(step)
        if self._lower:
            self.better.append(step["code"])
        for kind in ("data", "values", "model", "fit", "flux", "steppar", "folded", "plot"):
            if kind in step:
                try:
                    found += getattr(self, f"_{kind}")(step)
                except Exception as exc:
                    found.append(f"{kind}: {exc!r}")
                if kind == "fit" or kind == "model":
                    self._put(step)
        return found

    def _is_lower(self, step: dict[str, Any]) -> bool:
        """Whether a fit or an error search came to a better minimum than XSPEC's: other parameters are right then."""
        if "fit" not in step or not step["code"].startswith(("Fit.perform", "Fit.error")):
            return False
        return self.space["Fit"].statistic < step["fit"]["statistic"] - 0.02

    def _array(self, entry: Any) -> Any:
        return self.arrays[entry["npz"]] if isinstance(entry, dict) and "npz" in entry else entry

    # -- snapshots ------------------------------------------------------------------------------------------------

    def _data(self, step: dict[str, Any]) -> list[str]:
        record, out = step["data"], []
        data = self.space["AllData"]
        out += differences("nSpectra", data.nSpectra, record["nSpectra"])
        out += differences("nGroups", data.nGroups, record["nGroups"])
        for entry in record["spectra"]:
            s = data(entry["n"])
            for key in ("fileName", "dataGroup", "exposure", "areaScale", "backScale", "isPoisson"):
                out += differences(key, getattr(s, key), entry[key], 1e-6)
            out += differences("rate", list(s.rate), entry["rate"], 1e-4)
            out += differences("noticed", s.noticedString(), entry["noticedString"])
            out += differences("ignored", s.ignoredString(), entry["ignoredString"])
            out += differences("background", s.background.fileName if s.background else None, entry["background"])
            for key in ("rmf", "arf"):
                try:
                    mine = getattr(s.response, key)
                except Exception:
                    mine = None
                out += differences(key, mine, entry.get(key))
        return out

    def _values(self, step: dict[str, Any]) -> list[str]:
        out = []
        for number, entry in enumerate(step["values"], 1):
            s = self.space["AllData"](number)
            for key in ("values", "variance"):
                out += differences(key, np.array(getattr(s, key)), self._array(entry[key]), 1e-5)
        return out

    def _model(self, step: dict[str, Any]) -> list[str]:
        out = []
        self.loose = step["code"].startswith(("Fit.perform", "Fit.error", "Fit.steppar"))
        for entry in step["model"]:
            model = self.space["AllModels"](entry["group"], entry["name"])
            for key in ("expression", "startParIndex"):
                out += differences(key, getattr(model, key), entry[key])
            for p in entry["parameters"]:
                out += self._parameter(model(p["index"]), p)
        return out

    def _parameter(self, mine: Any, p: dict[str, Any]) -> list[str]:
        label = f"{mine._group}:{p['component']}.{p['name']}"
        out = []
        for key in ("name", "frozen", "link") if p["name"] == "pivotE" else ("name", "unit", "frozen", "link"):
            out += differences(f"{label} {key}", getattr(mine, key), p[key])
        if self._lower:
            return out
        values = list(mine.values)
        sigma = abs(p["sigma"])
        if self.loose and sigma > 0:  # after a fit: within 0.15 of the error
            if abs(values[0] - p["values"][0]) > 0.15 * sigma:
                out.append(f"{label} value {values[0]:.6g} instead of {p['values'][0]:.6g} +- {sigma:.2g}")
        else:
            scale = 2e-3 if self.loose else 1e-4
            out += differences(f"{label} value", values[:1], p["values"][:1], scale)
        out += differences(f"{label} limits", values[2:], p["values"][2:], 1e-6)
        out += differences(f"{label} delta", values[1:2], p["values"][1:2], 1e-3 if not self.loose else 0.5)
        out += differences(f"{label} sigma", mine.sigma, p["sigma"], 0.02)
        lo, hi, codes = mine.error
        width = max(abs(p["error"][1] - p["error"][0]), 1e-300)
        for what, a, b in (("lower", lo, p["error"][0]), ("upper", hi, p["error"][1])):
            if abs(a - b) > 0.02 * width:
                out.append(f"{label} {what} {a:.6g} instead of {b:.6g}")
        out += differences(f"{label} codes", codes, p["error"][2])
        return out

    def _fit(self, step: dict[str, Any]) -> list[str]:
        record, fit, out = step["fit"], self.space["Fit"], []
        loose = step["code"].startswith(("Fit.perform", "Fit.error", "Fit.steppar", "Fit.renorm", "m(3).values"))
        for key in ("dof", "statMethod", "statTest", "weight", "nIterations", "criticalDelta"):
            out += differences(key, getattr(fit, key), record[key])
        if loose and fit.statistic > record["statistic"] + 0.01 + 1e-5 * abs(record["statistic"]):
            out.append(f"statistic {fit.statistic:.4f} above {record['statistic']:.4f}")
        self._put(step)
        for key in ("statistic", "testStatistic"):
            if abs(getattr(fit, key) - record[key]) > 1e-12:  # fake data without noise fit exactly
                out += differences(key, getattr(fit, key), record[key], 1e-4)
        return out

    def _put(self, step: dict[str, Any]) -> None:
        """Go to the recorded parameters, so that later steps are compared at the same point; a fit stays a fit."""
        engine = self.session._engine
        fitted = engine is not None and engine.fitted
        for entry in step.get("model", ()):
            table = self.session.models[entry["name"]].table if entry["name"] in self.session.models else None
            for p in entry["parameters"]:
                position = (entry["group"] - 1) * len(entry["parameters"]) + p["index"] - 1
                if table is None or position >= len(table.parameters):
                    return
                parameter = table.parameters[position]
                if parameter.tie is None and parameter.value != p["values"][0]:
                    parameter._value = p["values"][0]
                    parameter._changed()
        if fitted and not engine.fitted:
            engine._fit_version = engine.table.version
            engine.result = replace(engine.result, statistic=engine.statistic)

    def _folded(self, step: dict[str, Any]) -> list[str]:
        out = []
        for number, entry in enumerate(step["folded"], 1):
            for name, array in entry.items():
                group = self.space["AllData"](number).dataGroup
                mine = np.array(self.space["AllModels"](group, name).folded(number))
                out += differences(f"folded {number}", mine, self._array(array), 1e-4)
        return out

    def _flux(self, step: dict[str, Any]) -> list[str]:
        out = []
        random = "err" in step["code"]
        for number, entry in enumerate(step["flux"], 1):
            s = self.space["AllData"](number)
            for key in ("flux", "lumin"):
                mine, theirs = list(getattr(s, key)), entry[key]
                for part, (a, b) in enumerate(zip(mine, theirs, strict=True)):  # of different units
                    out += differences(f"{key} {number}[{part}]", a, b, 0.3 if random else 1e-4)
        return out

    def _steppar(self, step: dict[str, Any]) -> list[str]:
        out, fit = [], self.space["Fit"]
        for key, entry in step["steppar"].items():
            theirs = np.asarray(self._array(entry))
            if key in ("statistic", "delstat"):
                if key == "statistic":
                    mine = np.array(fit.stepparResults("statistic"))
                    if mine.shape != theirs.shape:
                        out.append(f"steppar {mine.shape} instead of {theirs.shape}")
                        continue
                    worse = mine - theirs > 0.05 + 1e-4 * np.abs(theirs)
                    better = theirs - mine > 0.05 + 1e-3 * np.abs(theirs)
                    if worse.any():
                        out.append(
                            f"steppar: {worse.sum()} of {mine.size} points higher, up to {(mine - theirs).max():.3g}"
                        )
                    if better.any():
                        out.append(
                            f"steppar lower in {better.sum()} of {mine.size} points, up to {(theirs - mine).max():.3g}"
                        )
            else:
                name = key if not key.isdigit() else int(key)
                out += differences(f"steppar {key}", np.array(fit.stepparResults(name)), theirs, 1e-6)
        return out

    def _plot(self, step: dict[str, Any]) -> list[str]:
        out = []
        for window, kind in ((1, "plot"), (2, "plot_window_2"), (3, "plot_window_3")):
            for group, columns in step.get(kind, {}).items():
                if "contour" in step["code"]:
                    z = np.array(self.space["Plot"].z())
                    theirs = self._array(columns["statistic_grid"])
                    if z.size != np.size(theirs):
                        out.append("contour grid of another size")
                    continue
                for name in ("x", "xErr", "y", "yErr", "model", "backgroundVals"):
                    try:
                        mine = np.array(getattr(self.space["Plot"], name)(int(group), window))
                    except NotImplementedError:
                        raise
                    except Exception:
                        mine = None
                    theirs = columns.get(name)
                    if isinstance(theirs, str):
                        continue
                    out += differences(f"{kind} {group} {name}", mine, self._array(theirs), 1e-4, 1e-2)
        return out


def differences(name: str, mine: Any, theirs: Any, rtol: float = 0.0, share: float = 1e-6) -> list[str]:
    """What differs, in words; numbers may differ by `rtol` of themselves or of a `share` of the largest."""
    if isinstance(theirs, dict) and isinstance(mine, dict):
        return [] if {str(k): v for k, v in mine.items()} == theirs else [f"{name}: {mine} instead of {theirs}"]
    if theirs is None or mine is None:
        return [] if mine is theirs else [f"{name}: {brief(mine)} instead of {brief(theirs)}"]
    if isinstance(theirs, str | bool):
        return [] if mine == theirs else [f"{name}: {brief(mine)} instead of {brief(theirs)}"]
    if isinstance(theirs, list) and any(isinstance(v, str) for v in theirs):
        return [] if list(mine) == theirs else [f"{name}: {mine} instead of {theirs}"]
    a, b = np.asarray(mine, dtype=float), np.asarray(theirs, dtype=float)
    if a.shape != b.shape:
        return [f"{name}: shape {a.shape} instead of {b.shape}"]
    if not a.size:
        return []
    scale = np.nanmax(np.abs(b), initial=0.0)
    bad = ~(np.abs(a - b) <= rtol * (np.abs(b) + share * scale) + 1e-300) & ~(np.isnan(a) & np.isnan(b))
    if not bad.any():
        return []
    k = int(np.argmax(np.where(bad.ravel(), np.abs(a - b).ravel(), -1)))
    return [f"{name}: {int(bad.sum())}/{a.size} differ, {a.ravel()[k]:.8g} instead of {b.ravel()[k]:.8g} at {k}"]


def brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 60 else text[:57] + "..."
