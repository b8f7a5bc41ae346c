"""Arrays that answer to the name of the telescope too, as XGA 1.0.0's dictionaries do."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Ranking"]


class Ranking(np.ndarray):
    """An array ``a`` with ``a["xmm"]`` being itself: scripts of both forms of XGA find what they expect."""

    def __new__(cls, values: Any) -> Ranking:
        return np.asarray(values).view(cls)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key != "xmm":
                raise KeyError(key)
            return np.asarray(self)
        return super().__getitem__(key)

    def __contains__(self, value: Any) -> bool:
        return value == "xmm" or bool(np.any(np.asarray(self) == value))
