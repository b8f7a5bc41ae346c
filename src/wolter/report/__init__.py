"""The HTML report of an analysis: one file with words, tables, figures and provenance.

The module itself can be called: ``wolter.report(fit, "mrk501.html")`` is `write_report`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from wolter.report.build import write_report

__all__ = ["write_report"]


class _CallableModule(ModuleType):
    """See docs/decisions/0002-report-is-a-callable-module.md."""

    def __call__(self, *args: Any, **kwargs: Any) -> Path:
        return write_report(*args, **kwargs)


sys.modules[__name__].__class__ = _CallableModule
