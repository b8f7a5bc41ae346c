"""Recorded XSPEC sessions: steps with the values XSPEC had after them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np


class Session:
    """One session of golden/xspec_sessions."""

    def __init__(self, folder: Path, name: str) -> None:
        record = json.loads((folder / f"{name}.json").read_text())
        self.steps: list[dict[str, Any]] = record["steps"]
        self._arrays = np.load(folder / f"{name}.npz")

    def array(self, entry: dict[str, Any]) -> np.ndarray:
        """Array of an ``{"npz": key}`` entry."""
        return self._arrays[entry["npz"]]

    def step(self, number: int, code: str | None = None) -> dict[str, Any]:
        """A step, checked to be the one meant."""
        step = self.steps[number]
        assert code is None or code in step["code"], (number, step["code"])
        return step

    def values(self, number: int) -> list[float]:
        """Values of all parameters after a step, groups one after the other."""
        return [p["values"][0] for m in self.steps[number]["model"] for p in m["parameters"]]

    def parameters(self, number: int) -> list[dict[str, Any]]:
        """Records of all parameters after a step."""
        return [p for m in self.steps[number]["model"] for p in m["parameters"]]

    def statistic(self, number: int) -> float:
        """Fit statistic after a step."""
        return self.steps[number]["fit"]["statistic"]


def put(fit: Any, values: list[float]) -> None:
    """Set the values of all parameters that are not tied, without untying the others."""
    for position, value in enumerate(values):
        parameter = fit.table.parameters[position]
        if parameter.tie is None:
            parameter.value = value
