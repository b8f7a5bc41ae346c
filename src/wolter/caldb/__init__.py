"""The calibration database: indices, queries, files on demand, lock files.

::

    from wolter.caldb import Caldb
    caldb = Caldb()                        # CALDB if it is set, else HEASARC's server
    found = caldb.query("<mission>", "<instrument>", "MATRIX", detector="DU1", expr="WEIGHT.eq.ALPHA075")
    paths = caldb.fetch(found)             # on this computer, fetched on demand
"""

from __future__ import annotations

from wolter.caldb.boundary import Boundary, parse_boundary, parse_expression
from wolter.caldb.config import Config, ConfigLine, read_config
from wolter.caldb.index import CalFile, CalibrationIndex, build_index
from wolter.caldb.lock import CaldbLock
from wolter.caldb.query import Found, Query, explain, select
from wolter.caldb.tree import HEASARC_CALDB, Caldb

__all__ = [
    "HEASARC_CALDB",
    "Boundary",
    "CalFile",
    "Caldb",
    "CaldbLock",
    "CalibrationIndex",
    "Config",
    "ConfigLine",
    "Found",
    "Query",
    "build_index",
    "explain",
    "parse_boundary",
    "parse_expression",
    "read_config",
    "select",
]
