"""Observations with known truth, in the layout of each mission's archive, and fake spectra."""

from __future__ import annotations

from wolter.simulate.fake import fake_spectra
from wolter.simulate.observation import simulate_observation

__all__ = ["fake_spectra", "simulate_observation"]
