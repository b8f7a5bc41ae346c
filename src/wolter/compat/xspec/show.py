"""What XSPEC prints about data, models and fits."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from wolter.compat.xspec.errors import XspecError
from wolter.compat.xspec.ranges import number_ranges
from wolter.compat.xspec.session import SESSION, ModelEntry
from wolter.errors import WolterError
from wolter.fit._blas import single_thread

if TYPE_CHECKING:
    from wolter.compat.xspec.data import Spectrum

__all__ = ["data", "fit", "fit_lines", "loaded", "models", "net_rate", "number", "spectrum", "statistic_name"]

loading: list[Spectrum] = []  # spectra of the command that is being executed
_RULE = "=" * 72
_END = "_" * 72
STATISTICS = {
    "chi": "Chi-Squared",
    "cstat": "C-Statistic",
    "pgstat": "PG-Statistic",
    "pstat": "P-Statistic",
    "lstat": "L-Statistic",
    "whittle": "Whittle",
}
TESTS = {
    "chi": "Chi-Squared",
    "pchi": "Pearson Chi-Squared",
    "ad": "log(Anderson-Darling)",
    "cvm": "log(Cramer-von Mises)",
    "ks": "log(Kolmogorov-Smirnov)",
    "runs": "Runs statistic",
}


def number(value: float) -> str:
    """Six digits as in XSPEC's parameter tables: 1.00000, 0.0169000, 3.00000E-04."""
    if value == 0:
        return "0.0"
    if abs(value) < 0.1:
        return f"{value:.5E}"
    return f"{value:#.6G}".rstrip(".")


def digits(value: float, count: int = 5) -> str:
    """Some significant digits, trailing zeros kept."""
    return f"{value:#.{count}g}".rstrip(".")


def statistic_value(value: float) -> str:
    """A statistic with two decimals, or in powers of ten where it is huge or tiny."""
    if value == 0:
        return "0.0"
    if abs(value) >= 1e7:
        return f"{value:.6e}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.6g}"


def _reduced(total: float, dof: int) -> str:
    """Reduced chi-squared, with as many digits as the total has."""
    if total == 0:
        return "0.0"
    count = max(sum(c.isdigit() for c in statistic_value(total).split("e")[0].lstrip("0.")), 1)
    value = total / dof
    return f"{value:.6e}" if value >= 1e6 else digits(value, count)


def statistic_name(name: str) -> str:
    """As XSPEC prints it."""
    return STATISTICS.get(name, name)


def net_rate(one: Spectrum) -> str:
    """Net rate with its error, and the share of the total if there is a background."""
    net, error, total, _ = one.rate
    text = f"{net:.3e} +/- {error:.3e}"
    if one.engine.background is not None and total:
        text += f" ({100 * net / total:.1f} % total)"
    return text


def in_use() -> None:
    """Number of spectra."""
    count = len(SESSION.spectra)
    SESSION.out(f"\n{count} spectr{'um ' if count == 1 else 'a '} in use\n ")


def loaded(spectra: list[Spectrum]) -> None:
    """After a data command."""
    out = SESSION.out
    if not out.heard():
        return
    in_use()
    for one in spectra:
        out(f"Spectral Data File: {one.fileName}  Spectrum {one.index}")
        _body(one)
    unfit()
    fit_lines()


def unfit() -> None:
    """Warn of spectra that a model cannot be fitted to."""
    if any(not s.has_response for s in SESSION.spectra):
        SESSION.out("***Warning!  One or more spectra are missing responses,")
        SESSION.out("               and are not suitable for fit.")


def without_response() -> None:
    """Spectra that the present model has no response for, as XSPEC says before it reads one."""
    if SESSION.active and not any(one.has_response for one in SESSION.spectra):
        for one in SESSION.spectra:
            SESSION.out(f"Spectrum {one.index} has no response for source 1")


def spectrum(one: Spectrum) -> None:
    """Summary of a spectrum."""
    SESSION.out(f"\nSpectral Data File: {one.fileName}  Spectrum {one.index}")
    _body(one)


def _body(one: Spectrum) -> None:
    out, engine = SESSION.out, one.engine
    out(f"Net count rate (cts/s) for Spectrum:{one.index}  {net_rate(one)}")
    out(f" Assigned to Data Group {one.dataGroup} and Plot Group {one.index}")
    out(f"  Noticed Channels:  {one.noticedString()}")
    out(f"  Telescope: {engine.telescop} Instrument: {engine.instrume}  Channel Type: {_channel_type(engine)}")
    out(f"  Exposure Time: {engine.exposure:.4g} sec")
    keys = ", ".join(f"{k.capitalize()}: {v:g}" for k, v in engine.xflt.items())
    if keys:
        out(f"  Filtering Keys: \n    {keys}")
    out(f" Using fit statistic: {SESSION.options.per_spectrum.get(one.index, SESSION.options.statistic)}")
    out(f" Using test statistic: {SESSION.options.test}")
    if engine.background is not None:
        out(f" Using Background File                {one._background_name}")
        out(f"  Background Exposure Time: {engine.background.exposure:.4g} sec")
    if one.has_response:
        out(f" Using Response (RMF) File            {one._rmf_name} for Source 1")
        if one._arf_name:
            out(f" Using Auxiliary Response (ARF) File  {one._arf_name}")
    elif not one._others:
        out(" No response loaded.")
    for source, other in sorted(one._others.items()):
        out(f" Using Response (RMF) File            {other.rmf_name} for Source {source}")
        if other.arf_name:
            out(f" Using Auxiliary Response (ARF) File  {other.arf_name}")
    out("")


def response_warnings(rmf: Any, one: Any = None) -> None:
    """What XSPEC finds strange in a response."""
    lowest, upper = float(rmf.energ_lo[0]), float(rmf.energ_hi[0])
    if abs(lowest - 1e-3 * upper) <= 1e-9 * upper:  # what a bound of zero is replaced by
        SESSION.out("\n***Warning: Detected response matrix energy bin value = 0 (or neg).")
        SESSION.out("     XSPEC will instead use small finite value (response file will not be altered).")
    instrument = str(rmf.header.get("INSTRUME", "")).strip()
    if one is not None and instrument and instrument.upper() != str(one.instrume).strip().upper():
        SESSION.out("Warning: RMF INSTRUMENT keyword is not consistent with spectrum")


def _channel_type(engine: Any) -> str:
    return str(engine.header.get("CHANTYPE", "PI")).strip()


def data() -> None:
    """AllData.show()."""
    out, spectra = SESSION.out, SESSION.spectra
    files = len({s.fileName.split("{")[0] for s in spectra})
    out(f"{files} file{'' if files == 1 else 's'} {len(spectra)} spectr{'um' if len(spectra) == 1 else 'a'} ")
    for one in spectra:
        out(f"Spectrum {one.index}  Spectral Data File: {one.fileName}")
        _body(one)


# -- models -------------------------------------------------------------------------------------------------------


def models(entries: list[ModelEntry] | None = None, group: int | None = None, chosen: str | None = None) -> None:
    """AllModels.show(), or the table of one model, or some parameters."""
    out = SESSION.out
    if not out.heard():
        return
    wanted = SESSION.active if entries is None else entries
    if not wanted:
        out("No models are in use.")
        return
    out("\nParameters defined:" if entries is None and chosen is None else "")
    for entry in wanted:
        numbers = None if chosen is None else number_ranges(chosen.split(":")[-1], len(entry.table.parameters))
        _table(entry, group, numbers)
    out("")


def _numbered(entry: ModelEntry) -> str:
    count = iter(range(1, 1000))
    names = "|".join(sorted({re.escape(c.definition.name) for c in entry.table.models[0].components}, key=len)[::-1])
    return re.sub(rf"(?<![\w])({names})(?![\w])", lambda m: f"{m[1]}<{next(count)}>", entry.table.models[0].expression)


def _table(entry: ModelEntry, group: int | None, numbers: list[int] | None) -> None:
    out = SESSION.out
    entry.table.refresh()
    label = f"{entry.name}:" if entry.name else ""
    state = ("Active/On" if SESSION.spectra else "Active/Off") if entry.active else "Inactive"
    out(f"{_RULE}\nModel {label}{_numbered(entry)} Source No.: {entry.source}   {state}")
    out("Model Model Component  Parameter  Unit     Value\n par  comp")
    for model in entry.models:
        if group is not None and model._group != group:
            continue
        if entry.table.n_groups > 1 and numbers is None:
            out(f"                           Data group: {model._group}")
        for component in model._engine.components:
            for p in component.parameters:
                parameter = model(p.index)
                index = parameter._position + 1
                if numbers is not None and index not in numbers:
                    continue
                unit = f"({p.kind})" if p.kind != "par" else p.unit
                out(
                    f"{index:4d} {component.number:4d}   {component.definition.name:<11}{p.name:<11}{unit:<9}"
                    f"{number(p.value):<13}{_state(parameter)}".rstrip()
                )
    out(f"{_END}\n")


def _state(parameter: Any) -> str:
    if parameter.link:
        return parameter.link
    if parameter._fixed:
        return ""
    if parameter.frozen:
        return "frozen"
    sigma = parameter.sigma
    return f"+/-  {number(sigma) if sigma > 0 else '0.0'}"


def model_error(text: str, error: WolterError) -> None:
    """What is wrong with a model expression; XSPEC lists its components if a name is unknown."""
    from wolter.models.catalogue import list_components

    out = SESSION.out
    words = re.findall(r"[A-Za-z]\w*", text.split("{")[0])
    known = {d.name.lower(): d for d in list_components()}
    unknown = [w for w in words if not any(k.startswith(w.lower()) for k in known)]
    if not unknown:
        out(f"***XSPEC Error: {error}")
        return
    out(f"***XSPEC Error:  No model component named {unknown[0]}\n{unknown[0]} is not a valid model component name.\n")
    kinds = {
        "additive": "Additive",
        "multiplicative": "Multiplicative",
        "convolution": "Convolution",
        "mixing": "Mixing",
    }
    for kind, title in kinds.items():
        names = sorted({d.name for d in known.values() if d.kind == kind})
        out(f" {title} Models: ")
        for start in range(0, len(names), 6):
            out("".join(f"{n:<12}" for n in names[start : start + 6]).rstrip())
        out()


# -- fit ----------------------------------------------------------------------------------------------------------


def fit_lines(*, stale: bool = False) -> None:
    """Statistic after a change, if anyone reads it and there is one; `stale`: say that the fit is no longer current."""
    if SESSION.out.heard() and SESSION.spectra and SESSION.active:
        try:
            if SESSION.ready():
                with single_thread():
                    _statistics(SESSION.engine(), stale)
        except (WolterError, XspecError) as error:
            SESSION.out(f"***Warning: {error}")


def fit() -> None:
    """Fit.show()."""
    _statistics(SESSION.engine())
    SESSION.out(f" Weighting method: {SESSION.options.weight}")


def _statistics(engine: Any, stale: bool = False) -> None:
    out, options = SESSION.out, SESSION.options
    names = {e.statistic for e in engine.dataset.spectra}
    for name in [n for n in STATISTICS if n in names]:
        parts = [(c, e) for c, e in zip(engine.contributions, engine.dataset.spectra, strict=True)]
        value = sum(c for c, e in parts if e.statistic == name)
        bins = sum(e.bins.stop - e.bins.start for _, e in parts if e.statistic == name)
        tail = "." if name == "chi" else f" and {engine.dof} degrees of freedom."
        if engine.bayes and len(names) == 1:
            value = engine.statistic
        out(f"\nFit statistic : {STATISTICS[name]} = {statistic_value(value):>14} using {bins} PHA bins{tail}")
        if engine.bayes and abs(engine.statistic - sum(engine.contributions)) > 1e-9:
            prior = engine.statistic - float(sum(engine.contributions))
            out(f"   (Statistic includes a Bayesian contribution = {digits(prior, 6)})")
    _warning(engine, "chi" in names)
    test = _test(engine)
    label = TESTS.get(options.test, options.test)
    out(f"\nTest statistic : {label} = {statistic_value(test):>14} using {engine.n_bins} PHA bins.")
    if options.test in ("chi", "pchi") and engine.dof > 0:
        from wolter.fit.numerics import chi2_sf

        out(f" Reduced chi-squared = {_reduced(test, engine.dof):>14} for {engine.dof:6d} degrees of freedom ")
        out(f" Null hypothesis probability = {chi2_sf(test, engine.dof):14.6e}")
        _warning(engine, options.test == "chi")
    if stale or not engine.fitted:
        out(" Current data and model not fit yet.")


def _warning(engine: Any, relevant: bool) -> None:
    if not relevant or SESSION.options.weight != "standard":
        return
    empty = [str(SESSION.numbers[e.number - 1]) for e in engine.dataset.spectra if (e.binned.net_variance <= 0).any()]
    if empty:
        SESSION.out("\n***Warning: Chi-square may not be valid due to bins with zero variance")
        SESSION.out(f"            in spectrum number(s): {' '.join(empty)} ")


def _test(engine: Any) -> float:
    from wolter.fit.teststat import evaluate_test

    return evaluate_test(engine, SESSION.options.test)
