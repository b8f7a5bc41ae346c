"""Record the public names of XGA 1.0.0's classes and functions, and the names of their arguments.

Run it in an environment of its own (``pip install xga==1.0.0``)::

    python tests/data/make_xga_surface.py OUTPUT.json
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")

CLASSES = {
    "products": ["BaseProduct", "EventList", "Image", "ExpMap", "RateMap"],
    "sources": ["BaseSource", "NullSource", "PointSource", "ExtendedSource", "GalaxyCluster"],
    "samples": ["BaseSample", "PointSample", "ExtendedSample", "ClusterSample"],
}
FUNCTIONS = {
    "generate.sas": ["evselect_image", "eexpmap", "emosaic", "cifbuild"],
    "imagetools.misc": [
        "ang_to_rad", "data_limits", "edge_finder", "find_all_wcs", "physical_rad_to_pix", "pix_deg_scale",
        "pix_rad_to_physical", "rad_to_ang", "sky_deg_scale",
    ],
    "imagetools.profile": ["ann_radii", "annular_mask", "pizza_brightness", "radial_brightness"],
    "imagetools": ["general_smooth"],
    "sourcetools": ["nh_lookup", "separation_match", "simple_xmm_match"],
    "sourcetools.misc": ["coord_to_name", "name_to_coord", "model_check"],
}  # fmt: skip


def arguments(function) -> list[str]:
    """Names of the arguments without ``self``."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


def members(kind) -> dict:
    """Public members of a class: the arguments of methods, None for properties."""
    out = {}
    for name in dir(kind):
        if not name.startswith("_"):
            value = inspect.getattr_static(kind, name)
            value = getattr(value, "__func__", value)
            out[name] = arguments(value) if callable(value) else None
    return out


def main(output: str) -> None:
    """Write the record."""
    found: dict = {"classes": {}, "functions": {}}
    for module, names in CLASSES.items():
        inside = importlib.import_module(f"xga.{module}")
        for name in names:
            kind = getattr(inside, name)
            found["classes"][f"{module}.{name}"] = {"__init__": arguments(kind.__init__), **members(kind)}
    for module, names in FUNCTIONS.items():
        inside = importlib.import_module(f"xga.{module}")
        for name in names:
            found["functions"][f"{module}.{name}"] = arguments(getattr(inside, name))
    Path(output).write_text(json.dumps(found, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
