"""What is known of a source, in a table that prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wolter.errors import WolterError
from wolter.sources.masks import circular_mask
from wolter.sources.measurements import covered_part

if TYPE_CHECKING:
    from wolter.sources.source import Source

__all__ = ["SourceSummary", "summarise"]


@dataclass(frozen=True)
class SourceSummary:
    """Rows of name and value."""

    rows: tuple[tuple[str, Any], ...]

    def __getitem__(self, name: str) -> Any:
        return dict(self.rows)[name]

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in self.rows)

    __repr__ = __str__

    def to_dict(self) -> dict[str, Any]:
        """The rows as a dict."""
        return dict(self.rows)


def summarise(source: Source) -> SourceSummary:
    """Position, peak, observations, detections, radii and signals of a source.

    What cannot be measured is told in its place, by its reason.
    """
    rows: list[tuple[str, Any]] = [("source", source.name), ("position", f"{source.ra:.6f}, {source.dec:+.6f} deg")]

    def add(name: str, measure: Any) -> None:
        try:
            rows.append((name, measure()))
        except WolterError as error:
            rows.append((name, f"not known: {error.cause}"))

    add("peak", lambda: (lambda p: f"{p.ra:.6f}, {p.dec:+.6f} deg")(source.peak()))
    if source.redshift is not None:
        rows.append(("redshift", source.redshift))
    add("hydrogen column", lambda: f"{source.column_density():.3g} per cm2")
    by_mission: dict[str, int] = {}
    for entry in source.observations:
        by_mission[entry.mission] = by_mission.get(entry.mission, 0) + 1
    rows += [(f"{mission} observations", number) for mission, number in sorted(by_mission.items())]
    detectors: dict[str, int] = {}
    for _, detector in source.parts():
        detectors[detector] = detectors.get(detector, 0) + 1
    rows += [(f"{detector} images", number) for detector, number in detectors.items()]
    with_regions = [e.obsid for e in source.observations if e.regions is not None]
    rows.append(("with detections", len(with_regions)))
    if with_regions:
        matches = [source.match(obsid) for obsid in with_regions]
        rows.append(("matched to one", sum(m.match is not None and not m.alternates for m in matches)))
        rows.append(("matched to several", sum(bool(m.alternates) for m in matches)))
    for name, angle in source.radii.items():
        if source.redshift is not None:
            rows.append((name, f"{source.scale.length(angle):.1f} kpc, {60 * angle:.3f} arcmin"))
        else:
            rows.append((name, f"{60 * angle:.3f} arcmin"))
        add(f"{name} covered", lambda n=name: f"{100 * _covered(source, n):.0f} %")
        add(f"{name} signal to noise", lambda n=name: round(source.snr(n), 2))
    return SourceSummary(tuple(rows))


def _covered(source: Source, radius: str) -> float:
    """Part of the circle of a radius that any detector of any observation exposed."""
    rates = source.rate_map()
    inside = circular_mask(rates.grid, source.ra, source.dec, source.radius(radius))
    return covered_part(rates, inside, rates.exposure.data, source.radius(radius))
