"""Table models in files: ``atable{file}``, ``mtable{file}``, ``etable{file}`` (OGIP 92-009)."""

from __future__ import annotations

from wolter.models.tables.components import table_component
from wolter.models.tables.ogip import TableFile, read_table

__all__ = ["TableFile", "read_table", "table_component"]
