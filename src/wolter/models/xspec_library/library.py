"""Evaluation of the components of XSPEC's model library, with the checks that the library does not make itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from wolter.errors import ModelError
from wolter.models.definitions import Context
from wolter.models.settings import ApecOptions, Settings
from wolter.models.xspec_library.datafiles import atomdb_root, missing_data, reads_atomdb
from wolter.models.xspec_library.installation import Installation, need_installation
from wolter.models.xspec_library.modeldat import LibraryModel
from wolter.models.xspec_library.pool import Job, Pool, WorkerDied

__all__ = ["evaluate", "library_pool", "state_of", "unsupported"]

Array = npt.NDArray[np.float64]
# What the library prints when a file is missing or damaged or a setting is, and then goes on with zeros.
_COMPLAINT = re.compile(
    r"fail(ed|ure)? (to|in) |unable to|can(no|')t (open|find|read)|could not|no such file|not a valid|\*\*\*XSPEC Error"
    r"|FITSIO|error (reading|opening|finding|in )|insufficient information|invalid|not found|ERROR",
    re.IGNORECASE,
)
# What the mixing components do. Their names in mixmodel.dat (U_Cluster ...) are classes of XSPEC's program; none of the
# shared libraries of the wheel holds one, only the base class.
MIXING = {
    "ascac": "it spreads the sources of several data groups over one another by a point spread function",
    "xmmpsf": "it spreads the sources of several data groups over one another by a point spread function",
    "suzpsf": "it spreads the sources of several data groups over one another by a point spread function",
    "projct": "it projects ellipsoidal shells onto the annuli of several data groups",
    "clmass": "it projects shells of a cluster of galaxies onto the annuli of several data groups",
    "monomass": "it projects shells of a cluster of galaxies onto the annuli of several data groups",
    "nfwmass": "it projects shells of a cluster of galaxies onto the annuli of several data groups",
    "crossarf": "it adds the source of one data group to another through a second effective area",
    "recorn": "it fits the norm of the correction file of a spectrum",
    "polrot": "it turns Stokes Q and U spectra",
}
_OPTIONS = {
    "APECBROADPSEUDO": "broaden_pseudo",
    "APECNOLINES": "no_lines",
    "APECLOGINTERP": "log_interpolation",
}


@cache
def library_pool(installation: Installation) -> Pool:
    """The workers of this process for a library; none is started before it is needed."""
    return Pool(installation)


def unsupported(model: LibraryModel) -> str:
    """Why a component cannot be evaluated whatever files are there, or an empty string."""
    if model.kind == "mix":
        what = MIXING.get(model.name, "it combines the spectra of several data groups")
        return f"{what}, which XSPEC does itself: its library has no function for it ({model.symbol})"
    if model.xspec_kind == "acn":
        return "it acts on counts after the effective area, which the library does inside XSPEC only"
    if model.name == "smaug":
        return "it needs several XFLT keys of the spectrum, of which the library's interface accepts one only"
    return ""


def state_of(model: LibraryModel, context: Context) -> dict[str, Any]:
    """What is to be set in the library before a component is evaluated in a context."""
    settings = context.settings
    strings: dict[str, str] = {}
    if reads_atomdb(model.name):
        root = atomdb_root(settings)
        if root is not None:
            strings["APECROOT"] = root
        strings |= _apec_strings(settings.apec)
    strings |= dict(settings.xset)
    return {
        "abund": settings.abund if isinstance(settings.abund, str) else list(settings.abund.values),
        "xsect": settings.xsect,
        "cosmo": list(settings.cosmo),
        "xset": strings,
        "stokes": context.stokes,
    }


def _apec_strings(options: ApecOptions) -> dict[str, str]:
    out = {key: "yes" for key, name in _OPTIONS.items() if getattr(options, name)}
    if options.thermal is not None:
        out["APECTHERMAL"] = "yes" if options.thermal else "no"
    if options.velocity:
        out["APECVELOCITY"] = repr(options.velocity)
    if options.trace != 1.0:
        out["APEC_TRACE_ABUND"] = str(options.trace)
    return out


def evaluate(
    model: LibraryModel,
    edges: Array,
    pars: Array,
    context: Context,
    flux: Array | None = None,
    *,
    pool: Pool | None = None,
) -> Array:
    """Values [B, n] of a component of the library.

    Parameters
    ----------
    model : LibraryModel
        The component.
    edges : array [n + 1]
        Ascending energies, keV.
    pars : array [B, P]
        Parameters without norm.
    context : Context
        Stokes index and settings.
    flux : array [B, n], optional
        What a convolution acts on.
    pool : Pool, optional
        Workers to use instead of those of the process.

    Raises
    ------
    ModelError
        When the library is not installed, a data file is missing, or the library complains, crashes, hangs or gives
        values that are not finite.
    """
    if pool is None:
        pool = library_pool(need_installation(f"component {model.name!r}"))
    reason = unsupported(model) or missing_data(model.name, pool.installation, context.settings)
    if reason:
        raise _cannot(model, reason, context.settings)
    rows = np.ascontiguousarray(np.atleast_2d(pars), dtype=float)
    _check_shapes(model, edges, rows, flux)  # the library would read beyond the end of what it is given
    job = Job(model, state_of(model, context), np.ascontiguousarray(edges, dtype=float), rows, flux)
    try:
        answer = pool.run(job)
    except WorkerDied as exc:
        row = rows[min(exc.row, len(rows) - 1)]
        said = complaint(exc.messages)
        raise ModelError(
            f"XSPEC's library {exc.how} when it evaluated {model.name!r} at {_named(model, row)}"
            + (f"; it said: {said}" if said else ""),
            cure="Other parameter values may work; the session is not affected.",
        ) from exc
    said = complaint(answer.messages)
    if said:
        pool.refresh()  # the library tries to load a file once in its life
        raise _cannot(model, f"the library said: {said}", context.settings)
    finite = np.isfinite(answer.values).all(axis=1)
    if not finite.all():
        row = rows[int(np.argmin(finite))]
        raise ModelError(f"XSPEC's library gave values of {model.name!r} that are not finite at {_named(model, row)}")
    return answer.values


def _check_shapes(model: LibraryModel, edges: Array, rows: Array, flux: Array | None) -> None:
    if rows.shape[1] != len(model.parameters):
        raise ModelError(f"{rows.shape[1]} values given for the {len(model.parameters)} parameters of {model.name!r}")
    if (flux is not None) != (model.kind == "con"):
        verb = "needs" if flux is None else "does not take"
        raise ModelError(f"component {model.name!r} {verb} a spectrum to act on")
    if flux is not None and np.shape(flux) != (len(rows), len(edges) - 1):
        raise ModelError(
            f"the spectrum that {model.name!r} acts on has shape {np.shape(flux)}, not {(len(rows), len(edges) - 1)}"
        )


def _cannot(model: LibraryModel, reason: str, settings: Settings) -> ModelError:
    cure = None
    if "AtomDB" in reason and reads_atomdb(model.name):
        cure = f"See wolter.models.plasma.fetch_atomdb({settings.atomdb!r}), or name a folder: Settings(atomdb=...)."
    elif not unsupported(model):
        from wolter.models.xspec_library.installation import user_data_folder

        cure = f"Put XSPEC's model data (HEASoft's spectral/modelData) or a link to them at {user_data_folder()}."
    return ModelError(f"XSPEC's component {model.name!r} cannot be used here: {reason}", cure=cure)


def complaint(messages: str) -> str:
    """First line of what the library printed that says something has failed, or an empty string."""
    lines = [" ".join(line.split()) for line in messages.splitlines()]
    for number, line in enumerate(lines):
        if _COMPLAINT.search(line):
            follows = lines[number + 1] if number + 1 < len(lines) and line.rstrip().endswith(("Error:", ":")) else ""
            return f"{line} {follows}".strip()[:300]
    return ""


def _named(model: LibraryModel, row: Mapping[int, float] | Array) -> str:
    pairs = [f"{p.name}={row[i]:g}" for i, p in enumerate(model.parameters)]
    return ", ".join(pairs[:12] + (["..."] if len(pairs) > 12 else [])) or "no parameters"
