"""Plasma in collisional ionisation equilibrium: apec and its relatives, from AtomDB's tables.

`find_atomdb` says where the tables of a version are, `fetch_atomdb` fetches them; nothing is fetched unasked.
"""

from __future__ import annotations

from wolter.models.plasma.atomdb import AtomDBFiles, fetch_atomdb, find_atomdb

__all__ = ["AtomDBFiles", "fetch_atomdb", "find_atomdb"]
