"""`wolter search`."""

from __future__ import annotations

import warnings
from typing import Any

import click

from wolter.cli._archive import archive_options, host_of
from wolter.cli._common import emit, example, json_option, polite_warnings

__all__ = ["command"]


@click.command(
    "search",
    epilog=example(
        'wolter search "Mrk 501" --mission ixpe',
        'wolter search "16:53:52.2 +39:45:37" --radius 15 --after 2022-01-01',
        "wolter search --obsid 01004701 --mission ixpe --json",
    ),
)
@click.argument("target", required=False)
@click.option("--mission", "-m", multiple=True, help="Mission to look in; may be repeated [all].")
@click.option("--radius", type=click.FloatRange(0, 10800, min_open=True), help="Arcminutes [the archive's own].")
@click.option("--after", metavar="DATE", help="Only observations that begin at or after this date.")
@click.option("--before", metavar="DATE", help="Only observations that begin before this date.")
@click.option("--obsid", multiple=True, help="Number of an observation; may be repeated.")
@click.option("--all", "everything", is_flag=True, help="Show data that are not public yet too.")
@click.option("--service", help="A mission's own archive in place of HEASARC (xsa).")
@click.option("--max-age", type=click.FloatRange(min=0), metavar="DAYS", help="Use an answer kept from before.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write the table (ending .ecsv, .csv, .fits, .vot).")
@archive_options
@json_option
def command(target: str | None, as_json: bool, output: str | None, **how: Any) -> None:
    """Find observations of TARGET, a name or a position, in the archives' catalogues."""
    if target is None and not how["obsid"]:
        raise click.UsageError("give a TARGET or --obsid")
    from wolter.archive import search

    radius = None
    if how["radius"] is not None:
        import astropy.units as u

        radius = how["radius"] * u.arcmin
    when = (_date(how["after"], "--after"), _date(how["before"], "--before"))
    with polite_warnings():
        found = search(
            target,
            mission=list(how["mission"]) or None,
            radius=radius,
            time=when if any(when) else None,
            obsid=list(how["obsid"]) or None,
            public=not how["everything"],
            archive=host_of(how),
            service=how["service"],
            max_age=how["max_age"],
        )
    if output:
        _write(found, output)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*dubious year")  # proprietary until long after the last leap second
        rows = [_row(line) for line in found]
    emit({"target": target, "number": len(rows), "observations": rows}, as_json, lambda: _text(rows))


def _date(text: str | None, option: str) -> Any:
    if text is None:
        return None
    from astropy.time import Time

    try:
        return Time(text)
    except ValueError as exc:
        raise click.UsageError(f"{option} {text!r} is not a date such as 2022-07-09") from exc


def _row(line: Any) -> dict[str, Any]:
    public = line["public_date"]
    return {
        "mission": str(line["mission"]),
        "obsid": str(line["obsid"]),
        "target": str(line["target"]),
        "ra": float(line["ra"]),
        "dec": float(line["dec"]),
        "start": line["start"].isot[:19],
        "exposure": float(line["exposure"]),
        "modes": str(line["modes"]),
        "public_date": public.isot[:10] if public.mjd > 0 else None,
        "public": bool(line["public"]),
        "offset_arcmin": float(line["offset"]),
    }


def _text(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "no observations found"
    lines = [f"{'mission':<12} {'obsid':<12} {'target':<22} {'start':<19} {'exposure':>9} {'offset':>7}  public"]
    for r in rows:
        exposure = f"{r['exposure'] / 1e3:.1f} ks" if r["exposure"] == r["exposure"] else "-"
        offset = f"{r['offset_arcmin']:.2f}'" if r["offset_arcmin"] == r["offset_arcmin"] else "-"
        lines.append(
            f"{r['mission']:<12} {r['obsid']:<12} {r['target'][:22]:<22} {r['start']:<19} {exposure:>9} {offset:>7}"
            f"  {'yes' if r['public'] else r['public_date']}"
        )
    return "\n".join(lines)


def _write(found: Any, output: str) -> None:
    kinds = {".ecsv": "ascii.ecsv", ".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}
    kind = next((k for ending, k in kinds.items() if output.lower().endswith(ending)), None)
    if kind is None:
        raise click.UsageError(f"--output {output}: the ending must be one of {', '.join(kinds)}")
    from wolter.fits import atomic_path

    table = found.copy()
    for name in ("start", "public_date"):
        table[name] = [t.isot for t in found[name]]
    with atomic_path(output) as temporary:
        table.write(temporary, format=kind, overwrite=True)
