"""`wolter archive`."""

from __future__ import annotations

import click

from wolter.cli._common import emit, example, json_option, note

__all__ = ["command"]


@click.group("archive", epilog=example("wolter archive serve observations --port 8000 --json"))
def command() -> None:
    """A local archive for teaching and tests. Its commands take --json."""


@command.command(
    "serve",
    epilog=example(
        "wolter archive serve observations --port 8000", "wolter run tutorial.md --archive http://127.0.0.1:8000"
    ),
)
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", help="Address to listen at [127.0.0.1: this computer only].")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="Port; 0 takes a free one [8000].")
@click.option("--bucket", default="nasa-heasarc", help="Name of the S3 bucket.")
@click.option("--once", is_flag=True, hidden=True, help="Start, print, stop.")
@json_option
def serve(folder: str, host: str, port: int, bucket: str, once: bool, as_json: bool) -> None:
    """Serve a FOLDER of observations over the public archives' protocols: TAP, datalink, TAR, S3, names, files.

    Every folder below it that is named like the OBS_ID of the event files in it is an observation. Files
    observations.json and names.json in it may correct the catalogue and add names for the resolver. A folder caldb in
    it is the calibration database at URL/FTP/caldb. Ctrl-C ends it.
    """
    import threading

    from wolter.archive import ArchiveServer

    with ArchiveServer(folder, host=host, port=port, bucket=bucket) as server:
        count = len(server.inventory.observations)
        result = {"url": server.url, "observations": count, "files": len(server.inventory.files)}
        emit(result, as_json, f"{server.url}")
        note(f"{count} observations, {len(server.inventory.files)} files; use it with --archive {server.url}")
        if not once:
            import sys

            sys.stdout.flush()
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                note("stopped")
