"""The `wolter` command: thin verbs over the public API, each loaded when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from wolter._version import __version__

__all__ = ["main"]

# verb -> (module, one line for `wolter --help`); modules are imported only for the verb that is called
_VERBS = {
    "search": ("search", "Find observations of a target in the archives."),
    "fetch": ("fetch", "Fetch what an analysis needs of an observation."),
    "archive": ("archive", "Serve a folder of observations as an archive, for teaching and tests."),
    "caldb": ("caldb", "Calibration files: which apply, fetch them, lock an analysis to them."),
    "info": ("info", "What a file or an observation holds."),
    "extract": ("extract", "Spectra, light curve, image and polarisation from event files."),
    "image": ("image", "Images and mosaics in any band and coordinate system; rate maps."),
    "expmap": ("expmap", "Exposure maps: live time per pixel, with or without vignetting."),
    "detect": ("detect", "Find sources on an image; positions, count rates, regions."),
    "lightcurve": ("lightcurve", "Light curves, hardness ratios, Bayesian blocks, flare-free good times."),
    "fit": ("fit", "Fit a model to spectra; errors, fluxes, figures, report."),
    "grid": ("grid", "Step parameters through a grid with all others refitted; contours."),
    "mdp": ("mdp", "Minimum detectable polarisation, measured or predicted."),
    "simulate": ("simulate", "Simulate an observation with known truth."),
    "report": ("report", "Fit and write one self-contained HTML report."),
    "demo": ("demo", "Simulate an observation and run the whole analysis on it."),
    "task": ("task", "Run a task by its FTOOLS or SAS name, or list them."),
    "run": ("run", "Run a script or notebook with heasoftpy, xspec, ... resolved to Wolter."),
    "models": ("models", "List the model components, or show one."),
}


_LESS = "Take less at a time: coarser pixels, a region, a shorter exposure, a fainter source."


class _Verbs(click.Group):
    """Group whose commands are imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        return importlib.import_module(f"wolter.cli.{_VERBS[cmd_name][0]}").command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and not args[0].startswith("-") and args[0] not in _VERBS:
            from wolter.errors import suggest

            raise click.UsageError(f"no such command {args[0]!r}. {suggest(args[0], _VERBS)}".rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in _VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wolter")
def cli() -> None:
    """X-ray astronomy from archive to answer.

    Every command takes --json (the result as one JSON object on stdout, all else on stderr) and ends with exit status 0
    (ok), 1 (failed) or 2 (wrong usage).
    """


def main(args: list[str] | None = None) -> None:
    """Entry point of the `wolter` command."""
    from wolter.errors import WolterError

    as_json = "--json" in (sys.argv[1:] if args is None else args)
    try:
        cli.main(args=args, prog_name="wolter", standalone_mode=False)
    except click.exceptions.Exit as exc:
        sys.exit(exc.exit_code)
    except click.Abort:
        click.echo("wolter: interrupted", err=True)
        sys.exit(1)
    except click.ClickException as exc:
        exc.show()
        sys.exit(exc.exit_code)
    except WolterError as exc:
        _fail(exc, as_json)
    except MemoryError as exc:
        _fail(WolterError(f"there is not enough memory: {exc or 'the work is too large'}", cure=_LESS), as_json)
    except KeyboardInterrupt:
        click.echo("wolter: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`): nothing to report, nobody to report to
        sys.exit(1)


def _fail(exc: Any, as_json: bool) -> None:
    click.echo(f"wolter: {exc}", err=True)
    if as_json:
        import json

        error = {"type": type(exc).__name__, "message": str(exc), "file": exc.file, "cure": exc.cure}
        click.echo(json.dumps({"error": error}))
    sys.exit(1)
