"""fakeit and FakeitSettings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wolter.compat.xspec import files, show
from wolter.compat.xspec.errors import XspecError, missing, translated
from wolter.compat.xspec.session import SESSION
from wolter.data import Spectrum as EngineSpectrum
from wolter.data.response_tools import dummy_response

__all__ = ["FakeitSettings", "fakeit"]


class FakeitSettings:
    """What a fake spectrum is like; empty fields mean that of the loaded spectrum, or the default.

    Parameters
    ----------
    response, arf, background, correction : str
        File names. Instead of a response another FakeitSettings may be given, which is copied; what is given
        besides replaces its fields.
    exposure, backExposure : float or str
        s.
    fileName : str
        Of the output.
    """

    def __init__(
        self,
        response: str | FakeitSettings = "",
        arf: str = "",
        background: str = "",
        exposure: Any = "",
        correction: Any = "",
        backExposure: Any = "",
        fileName: str = "",
    ) -> None:
        if isinstance(response, FakeitSettings):
            arf, background = arf or response.arf, background or response.background
            exposure, correction = exposure or response.exposure, correction or response.correction
            backExposure, fileName = backExposure or response.backExposure, fileName or response.fileName
            response = response.response
        self.response: str = response
        self.arf, self.background = arf, background
        self.exposure, self.correction, self.backExposure, self.fileName = exposure, correction, backExposure, fileName


def fakeit(number: int, settings: Any, noise: bool, prefix: str, no_write: bool) -> None:
    """Make fake spectra and load them in place of those that are loaded."""
    entry = SESSION.entry
    if entry is None:
        raise XspecError("Error: fakeit needs a model")
    if len(SESSION.active) > 1:
        raise missing("AllData.fakeit with several sources", "fake the spectra of each model, and add them")
    old = list(SESSION.spectra)
    total = max(int(number), len(old))
    wanted = _settings(settings, total)
    made: list[tuple[Any, int, dict[str, str]]] = []
    from wolter.simulate.fake import fake_spectra

    entry.resize(max([s.dataGroup for s in old], default=1))
    for index in range(total):
        template = old[index] if index < len(old) else None
        spectrum, names, times = _template(wanted[index], template)
        group = template.dataGroup if template is not None else 1
        entry.table.refresh()
        seed = None if SESSION.seed is None else SESSION.seed + index
        with translated("fakeit"):
            fake = fake_spectra(
                entry.table.models[group - 1],
                spectrum,
                exposure=[times[0]],
                background_exposure=[times[1]] if times[1] is not None else None,
                noise=noise,
                seed=seed,
            )[0]
        names["explicit"] = str(wanted[index].fileName)
        names["file"] = prefix + str(wanted[index].fileName or _default_name(template, names))
        made.append((fake, group, names))
    _unique(made)
    SESSION.spectra.clear()
    for fake, group, names in made:
        _load(fake, group, names, not no_write)
    SESSION.data_changed()
    _say(wanted, made, noise, prefix, no_write)
    show.in_use()
    show.fit_lines()


def _say(wanted: list[FakeitSettings], made: list[Any], noise: bool, prefix: str, no_write: bool) -> None:
    """The command as PyXspec composes it, and which spectra have no background."""
    parts = " ".join(s.background for s in wanted if s.background)
    files_ = " ".join(f"& {s.response} & {s.arf}" for s in wanted[:1])
    tail = " ".join(f"& {n['file']} & {_number(s.exposure)}, {_number(s.correction)}, {_number(s.backExposure)}"
                    for s, (_, _, n) in zip(wanted, made, strict=True))  # fmt: skip
    count = f"{'nowrite ' * no_write}{len(made)}" + (f" {parts}" if parts else "")
    SESSION.out("xsFakeit cmd string:")
    SESSION.out(f"fakeit {count} {files_} & {'y' if noise else 'n'} & {prefix or '/'} {tail}")
    for index, (fake, _, _) in enumerate(made, 1):
        if fake.background is None:
            SESSION.out(f"No background will be applied to fake spectrum #{index}")
    for one, (fake, _, _) in zip(wanted, made, strict=True):
        if one.response:
            show.response_warnings(fake.rmf)


def _number(value: Any) -> str:
    return "" if value in ("", None) else str(float(str(value)))


def _settings(settings: Any, total: int) -> list[FakeitSettings]:
    if settings is None:
        return [FakeitSettings() for _ in range(total)]
    if isinstance(settings, FakeitSettings):
        return [settings, *(FakeitSettings() for _ in range(total - 1))]
    if isinstance(settings, Mapping):
        return [settings.get(i + 1, FakeitSettings()) for i in range(total)]
    given = list(settings)
    return [*given, *(FakeitSettings() for _ in range(total - len(given)))][:total]


def _seconds(value: Any) -> Any:
    import astropy.units as u

    return None if value in ("", None) else float(str(value)) * u.s


def _template(s: FakeitSettings, old: Any) -> tuple[EngineSpectrum, dict[str, str], tuple[Any, Any]]:
    """The spectrum the fake one resembles, the names of its files, and exposures."""
    if s.correction not in ("", None) and not _is_number(s.correction):
        raise XspecError(f"Error: the correction of a fake spectrum is a norm, not {s.correction!r}")
    names = {"rmf": s.response, "arf": s.arf, "background": s.background}
    if old is None:
        spectrum = _from_nothing(s)
    else:
        spectrum = old.engine
        if s.response or s.arf:
            rmf = files.read_rmf(s.response, SESSION.cache) if s.response else spectrum.rmf
            arf = files.read_arf(s.arf, SESSION.cache) if s.arf else spectrum.arf
            spectrum = spectrum.with_responses(rmf, arf, allow_mismatch=True)
        if s.background:
            spectrum = spectrum.replace(background=files.read_spectrum(s.background, "background"))
        for key, value in (("rmf", old._rmf_name), ("arf", old._arf_name), ("background", old._background_name)):
            names[key] = names[key] or value
    if s.correction not in ("", None):
        spectrum = spectrum.replace(corrscal=float(str(s.correction)))
    import astropy.units as u

    exposure = _seconds(s.exposure)
    source = spectrum.exposure * u.s if exposure is None else exposure
    back = _seconds(s.backExposure)
    if spectrum.background is not None and back is None:
        back = spectrum.background.exposure * u.s
    return spectrum, names, (source, back if spectrum.background is not None else None)


def _is_number(value: Any) -> bool:
    try:
        float(str(value))
    except ValueError:
        return False
    return True


def _from_nothing(s: FakeitSettings) -> EngineSpectrum:
    from wolter.simulate.fake import _from_nothing as build

    if s.response:
        rmf = files.read_rmf(s.response, SESSION.cache)
    else:  # XSPEC's default dummy response, a channel per energy bin
        lo, hi, number, spacing = SESSION.dummy
        rmf = dummy_response(number, lo=lo, hi=hi, number=number, spacing=spacing)
    arf = files.read_arf(s.arf, SESSION.cache) if s.arf else None
    background = files.read_spectrum(s.background, "background") if s.background else None
    with translated("fakeit"):
        return build(rmf, arf, background, {})


def _default_name(old: Any, names: dict[str, str]) -> str:
    base = Path(old.fileName if old is not None else names["rmf"] or "dummy.rsp").name
    return f"{base.rsplit('.', 1)[0]}.fak"


def _unique(made: list[tuple[Any, int, dict[str, str]]]) -> None:
    """Number files that would have the same name."""
    seen: dict[str, int] = {}
    for _, _, names in made:
        name = names["file"]
        if names.get("explicit"):
            continue
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            stem, dot, ending = name.rpartition(".")
            names["file"] = f"{stem}_{seen[name]}{dot}{ending}"


def _load(fake: Any, group: int, names: dict[str, str], write: bool) -> None:
    from wolter.compat.xspec.data import Spectrum

    background = ""
    fake.respfile, fake.ancrfile = names["rmf"] or "none", names["arf"] or "none"
    if fake.background is not None:
        stem, dot, ending = names["file"].rpartition(".")
        background = f"{stem}_bkg{dot}{ending}" if stem else f"{names['file']}_bkg"
        fake.backfile = background
        if write:
            fake.background.write(os.path.abspath(background), overwrite=True)
    if write:
        fake.write(os.path.abspath(names["file"]), overwrite=True)
        fake.path = Path(os.path.abspath(names["file"]))
    SESSION.spectra.append(Spectrum._of(fake, names["file"], group, names["rmf"], names["arf"], background))
