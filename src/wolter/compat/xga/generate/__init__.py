"""Generators of products."""

from __future__ import annotations

from wolter.compat.xga.generate import sas

__all__ = ["sas"]
