"""Observations with known truth, in the layout of each mission's archive."""

from __future__ import annotations

from wolter.simulate.observation import simulate_observation

__all__ = ["simulate_observation"]
