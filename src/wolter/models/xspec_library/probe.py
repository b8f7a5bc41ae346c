"""Which components of XSPEC's model library can be used on this computer, found by evaluating each once.

A component is usable if it gives finite values that are not trivial: not all zero for an additive one, not all one
for a factor, not the spectrum it acts on for a convolution. Many are trivial at their defaults (a constant of one,
a redshift of zero), so they are tried at other parameters and in the ultraviolet besides. The result is kept in the
user's cache folder, for the version of the library and the data files there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError, OutputError
from wolter.models.definitions import Context
from wolter.models.settings import Settings
from wolter.models.xspec_library.datafiles import atomdb_root, missing_data, reads_atomdb
from wolter.models.xspec_library.installation import Installation
from wolter.models.xspec_library.library import evaluate, unsupported
from wolter.models.xspec_library.modeldat import LibraryModel
from wolter.models.xspec_library.pool import TOO_LONG, Pool

__all__ = ["Usability", "probe", "probe_all", "trial_parameters", "trial_points"]

Array = npt.NDArray[np.float64]
_FORMAT = 1  # of the cache file; to be raised when the trial changes
_XRAY = (0.05, 100.0, 300)
_ULTRAVIOLET = (0.002, 0.05, 200)
_BINS = {
    _XRAY: np.geomspace(*_XRAY[:2], _XRAY[2] + 1),
    _ULTRAVIOLET: np.geomspace(*_ULTRAVIOLET[:2], _ULTRAVIOLET[2] + 1),
}


@dataclass(frozen=True, slots=True)
class Usability:
    """Whether a component can be used here, and if not why."""

    usable: bool
    reason: str = ""


def trial_parameters(model: LibraryModel, *, moved: int = 0) -> Array:
    """Default parameters [1, P] of which the first few are some way towards their upper limits; switches stay."""
    out = []
    for number, p in enumerate(model.parameters):
        target = min(p.soft_max, 3.0 * p.default + 1.0)
        out.append(p.default + 0.3 * (target - p.default) if number < moved and p.kind == "par" else p.default)
    return np.array([out])


def trial_points(model: LibraryModel) -> Iterator[tuple[Array, Array, Context]]:
    """Edges, parameters and context of the trials of a component, the ordinary one first."""
    every = len(model.parameters)
    for stokes, moved, bins in (
        (0, 0, _XRAY),
        (0, 1, _XRAY),
        (0, every, _XRAY),
        (0, every, _ULTRAVIOLET),
        (1, every, _XRAY),
    ):
        if stokes and not model.spectrum:
            continue
        yield _BINS[bins], trial_parameters(model, moved=moved), Context(stokes=stokes)


def operand(edges: Array) -> Array:
    """Spectrum [1, n] for a convolution to act on: a power law with a line."""
    centres = np.sqrt(edges[1:] * edges[:-1])
    line = np.exp(-0.5 * ((centres - 6.4) / 0.3) ** 2)
    return ((centres**-1.7 + line) * np.diff(edges))[None]


def is_trivial(model: LibraryModel, values: Array, flux: Array | None) -> bool:
    """Whether values [1, n] say nothing: zero, one, or what the convolution was given."""
    if flux is not None:
        return bool((np.abs(values - flux) <= 1e-6 * np.abs(flux)).all() or not values.any())
    return bool(not values.any() or (model.kind == "mul" and (np.abs(values - 1.0) < 1e-9).all()))


def _try(model: LibraryModel, settings: Settings, pool: Pool) -> Usability:
    try:
        for edges, pars, context in trial_points(model):
            flux = operand(edges) if model.kind == "con" else None
            context = Context(context.stokes, {}, settings)
            if not is_trivial(model, evaluate(model, edges, pars, context, flux, pool=pool), flux):
                return Usability(True)
    except ModelError as exc:
        prefix = f"XSPEC's component {model.name!r} cannot be used here: "
        return Usability(False, exc.cause.removeprefix(prefix))
    return Usability(False, "the library returns zeros or its input unchanged")


def probe(model: LibraryModel, settings: Settings, pool: Pool) -> Usability:
    """Whether a component can be used here; remembered in this process and in the user's cache folder."""
    reason = unsupported(model) or missing_data(model.name, pool.installation, settings)
    if reason:
        return Usability(False, reason)
    store = _store(pool.installation)
    known = len(store)
    verdict = _tried(model, settings, pool, store)
    if len(store) > known:
        _save(pool.installation, store)
    return verdict


def _tried(model: LibraryModel, settings: Settings, pool: Pool, store: dict[str, Usability]) -> Usability:
    """Verdict from the store or from a trial, which is put into the store unless the machine may be to blame."""
    key = _key(model, settings)
    if key in store:
        return store[key]
    verdict = _try(model, settings, pool)
    if TOO_LONG not in verdict.reason:
        store[key] = verdict
    return verdict


def probe_all(
    settings: Settings, pool: Pool, *, names: Iterable[str] | None = None, progress: bool | None = None
) -> dict[str, Usability]:
    """Usability of all components, or of those named, by name; the first time this takes some seconds."""
    from wolter._progress import track

    wanted = None if names is None else set(names)
    models = [m for m in pool.installation.models().values() if wanted is None or m.name in wanted]
    store = _store(pool.installation)
    out: dict[str, Usability] = {}
    known = len(store)
    for model in track(models, "Trying XSPEC's components", enabled=progress):
        reason = unsupported(model) or missing_data(model.name, pool.installation, settings)
        out[model.name] = Usability(False, reason) if reason else _tried(model, settings, pool, store)
    if len(store) > known:
        _save(pool.installation, store)
    return out


def _key(model: LibraryModel, settings: Settings) -> str:
    root = atomdb_root(settings) if reads_atomdb(model.name) else None
    strings = " ".join(f"{k}={v}" for k, v in settings.xset)
    return " ".join(part for part in (model.name, root or "", strings) if part)


@cache
def _store(installation: Installation) -> dict[str, Usability]:
    """What is known from earlier sessions; empty if that was another library or other data files."""
    try:
        saved = json.loads(_cache_file().read_text(encoding="utf-8"))
        if saved["key"] == _fingerprint(installation):
            return {name: Usability(bool(ok), str(why)) for name, (ok, why) in saved["models"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def _save(installation: Installation, store: dict[str, Usability]) -> None:
    from wolter.fits import atomic_path

    path = _cache_file()
    text = json.dumps(
        {"key": _fingerprint(installation), "models": {k: [u.usable, u.reason] for k, u in store.items()}}, indent=1
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path, overwrite=True) as temporary:
            Path(temporary).write_text(text, encoding="utf-8")
    except (OSError, OutputError):
        pass  # without a cache the trial is repeated in the next session


def _cache_file() -> Path:
    import platformdirs

    return Path(platformdirs.user_cache_path("wolter", appauthor=False)) / "xspec_library.json"


def _fingerprint(installation: Installation) -> str:
    try:
        files = sorted(f"{p.name}:{p.stat().st_size}" for p in installation.data.iterdir())
    except OSError:
        files = []
    import hashlib

    listing = hashlib.sha256("\n".join([str(installation.headas), *files]).encode()).hexdigest()[:16]
    return f"{_FORMAT} {installation.version} {listing}"
