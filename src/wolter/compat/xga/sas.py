"""The older name of `xga.generate.sas`."""

from __future__ import annotations

from wolter.compat.xga.generate.sas import cifbuild, eexpmap, emosaic, evselect_image

__all__ = ["cifbuild", "eexpmap", "emosaic", "evselect_image"]
