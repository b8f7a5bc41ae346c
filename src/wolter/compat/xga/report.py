"""What ``info()`` prints, line by line as XGA does."""

from __future__ import annotations

from typing import Any

from wolter.errors import WolterError

__all__ = ["text_of"]

_LABELS = (("pn", "PN"), ("mos1", "MOS1"), ("mos2", "MOS2"))


def text_of(source: Any) -> str:
    """The lines for a source."""
    from wolter.compat.xga.sources import NullSource

    lines = ["", "-----------------------------------------------------", f"Source Name - {source.name}"]
    if not isinstance(source, NullSource):
        ra, dec = source.ra_dec.value
        lines.append(f"User Coordinates - ({ra}, {dec}) degrees")
        if source.use_peak:
            lines.append(f"X-ray Peak - ({source.peak[0].value}, {source.peak[1].value}) degrees")
        try:
            lines.append(f"nH - {source.nH.value} 1e+22 / cm2")
        except WolterError:
            lines.append("nH - not known: the map of the LAB survey is not in the cache")
        if source.redshift is not None:
            lines.append(f"Redshift - {round(source.redshift, 3)}")
    instruments = source.instruments
    lines.append(f"XMM ObsIDs - {len(instruments)}")
    for name, label in _LABELS:
        lines.append(f"{label} Observations - {sum(name in found for found in instruments.values())}")
    if not isinstance(source, NullSource):
        lines += _associated(source)
        lines += _radii(source)
    lines += ["-----------------------------------------------------", ""]
    return "\n".join(lines)


def _associated(source: Any) -> list[str]:
    inner = source._source
    entries = list(inner.observations)
    matches = [inner.match(e.obsid) for e in entries if e.regions is not None]
    total = sum(len(m.interlopers) + len(m.alternates) + (m.match is not None) for m in matches)
    bands = {kind: len(set(source._bands.get(kind, []))) for kind in ("image", "expmap")}
    parts = len(inner.parts())
    combined = len(set(source._bands.get("combined_image", [])) & set(source._bands.get("combined_expmap", [])))
    return [
        f"On-Axis - {sum(inner.offset(e.obsid) < 3 / 60 for e in entries)}",
        f"With regions - {len(matches)}",
        f"Total regions - {total}",
        f"Obs with one match - {sum(m.match is not None and not m.alternates for m in matches)}",
        f"Obs with >1 matches - {sum(bool(m.alternates) for m in matches)}",
        f"Images associated - {parts * bands['image']}",
        f"Exposure maps associated - {parts * bands['expmap']}",
        f"Combined Ratemaps associated - {combined}",
        "Spectra associated - 0",
    ]


def _radii(source: Any) -> list[str]:
    lines = []
    for name in ("r200", "r500", "r2500"):
        if name not in source._source.radii:
            continue
        lines.append(f"{name.upper()} - {round(getattr(source, name).value, 1)} kpc")
        lines.append(f"{name.upper()} SNR - {round(source.get_snr(name), 2)}")
    return lines
