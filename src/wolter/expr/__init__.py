"""Row expressions: conditions over the columns of a table, parsed and evaluated without ever calling ``eval``.

Two dialects share one syntax tree: ``cfitsio`` (row filters ``file[EXT][PI>=50&&...]``, housekeeping expressions of
maketime) and ``sas`` (``(PI in [200:12000]) && (FLAG & 0xfb0000) == 0``).

>>> import numpy as np
>>> from wolter import expr
>>> expr.parse("PI>=50&&PI<200").select({"PI": np.array([49, 50, 200])})
array([False,  True, False])
"""

from __future__ import annotations

from wolter.expr._errors import placed
from wolter.expr._evaluate import RowFunction
from wolter.expr._values import BitColumn
from wolter.expr.expression import DIALECTS, Dialect, Expression, parse, read_columns

__all__ = ["BitColumn", "DIALECTS", "Dialect", "Expression", "RowFunction", "parse", "placed", "read_columns"]
