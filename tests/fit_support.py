"""Small made-up spectra and responses for tests of fits, with known truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from wolter.data import ARF, RMF, Spectrum
from wolter.models import Context, Model


def response(n_energy: int = 60, n_channel: int = 40, *, lo: float = 1.0, hi: float = 10.0, width: float = 0.3):
    """RMF with a Gaussian of `width` keV, ARF of some 100 cm² and MRF with a modulation factor that rises."""
    edges = np.geomspace(lo, hi, n_energy + 1)
    bounds = np.linspace(lo, hi, n_channel + 1)
    centre = 0.5 * (edges[1:] + edges[:-1])
    middle = 0.5 * (bounds[1:] + bounds[:-1])
    matrix = np.exp(-0.5 * ((middle - centre[:, None]) / width) ** 2)
    matrix /= matrix.sum(axis=1, keepdims=True)
    matrix[matrix < 1e-9] = 0.0
    rmf = RMF.from_dense(matrix, energ_lo=edges[:-1], energ_hi=edges[1:], e_min=bounds[:-1], e_max=bounds[1:])
    area = 100.0 * centre**-0.5
    arf = ARF(edges[:-1], edges[1:], area, kind="SPECRESP")
    mrf = ARF(edges[:-1], edges[1:], area * (0.15 + 0.05 * centre), kind="MODSPECRESP")
    return rmf, arf, mrf


def expected_rate(model: Model, rmf: RMF, arf: ARF, stokes: int = 0) -> np.ndarray:
    """Counts/s per channel, folded with the dense matrix."""
    edges = np.append(rmf.energ_lo, rmf.energ_hi[-1])
    flux = model.evaluate(edges, context=Context(stokes, {}, model.settings))
    return (flux * arf.specresp) @ rmf.dense()


def spectrum(values: np.ndarray, rmf: RMF | None, arf: ARF | None, **options: Any) -> Spectrum:
    """Spectrum of counts (or of rates with is_rate=True)."""
    options.setdefault("exposure", 1000.0)
    return Spectrum(channel=np.arange(1, len(values) + 1), values=values, rmf=rmf, arf=arf, **options)


def counts(model: Model, *, exposure: float = 1000.0, seed: int | None = 1, **options: Any) -> Spectrum:
    """Poisson spectrum of a model; `seed` None gives the expected counts themselves."""
    rmf, arf, _ = response()
    mean = expected_rate(model, rmf, arf) * exposure
    values = mean if seed is None else np.random.default_rng(seed).poisson(mean)
    return spectrum(values.astype(float), rmf, arf, exposure=exposure, **options)


def stokes_spectra(model: Model, *, error: float = 1e-3, seed: int | None = None, telescop: str = "") -> list[Spectrum]:
    """I, Q, U rate spectra of a polarised model with constant errors."""
    rmf, arf, mrf = response()
    rng = np.random.default_rng(seed)
    out = []
    for stokes in (0, 1, 2):
        area = arf if stokes == 0 else mrf
        rate = expected_rate(model, rmf, area, stokes)
        if seed is not None:
            rate = rate + rng.normal(0, error, rate.shape)
        out.append(
            spectrum(
                rate,
                rmf,
                area,
                is_rate=True,
                stat_err=np.full(rate.shape, error),
                poisson=False,
                xflt={"Stokes": stokes},
                telescop=telescop,
            )
        )
    return out
