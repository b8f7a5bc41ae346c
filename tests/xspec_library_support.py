"""XSPEC's model library in tests: the installation, workers of one test alone, a cache of its own."""

from __future__ import annotations

import numpy as np
import pytest

from wolter.models import Context
from wolter.models.xspec_library import Pool, evaluate, find_installation
from wolter.models.xspec_library import probe as probe_module

INSTALLATION = find_installation()
if INSTALLATION is None:
    pytest.skip("xspectrampoline is not installed", allow_module_level=True)
MODELS = INSTALLATION.models()
EDGES = np.geomspace(0.3, 10.0, 201)


@pytest.fixture
def own_pool():
    """Workers of this test alone."""
    pool = Pool(INSTALLATION, workers=2)
    yield pool
    pool.close()


@pytest.fixture(autouse=True)
def cache_of_ones_own(monkeypatch, tmp_path_factory):
    """The trial's results go to a temporary folder and start empty."""
    path = tmp_path_factory.getbasetemp() / "xspec_library.json"
    monkeypatch.setattr(probe_module, "_cache_file", lambda: path)


def value(name, pars, edges=EDGES, context=None, flux=None, pool=None):
    rows = np.atleast_2d(np.array(pars, dtype=float))
    return evaluate(MODELS[name.lower()], edges, rows, context or Context(), flux, pool=pool)
