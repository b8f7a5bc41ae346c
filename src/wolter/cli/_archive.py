"""What the verbs of the archive share: which servers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

__all__ = ["archive_options", "host_of"]


def archive_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--archive``, ``--s3-endpoint`` and ``--mirror``."""
    for option in (
        click.option("--mirror", type=click.Path(), help="Local copy of the archive's data tree (SciServer: /FTP)."),
        click.option("--s3-endpoint", metavar="URL", help="Server of the bucket in place of Amazon's."),
        click.option(
            "--archive", metavar="URL", help="Server in place of HEASARC, e.g. one of `wolter archive serve`."
        ),
    ):
        function = option(function)
    return function


def host_of(how: Mapping[str, Any]) -> Any:
    """The servers that the options mean."""
    from wolter.archive import Archive

    given = {"mirror": how.get("mirror"), "s3_endpoint": how.get("s3_endpoint")}
    options: dict[str, Any] = {k: v for k, v in given.items() if v}
    if how.get("archive"):
        url = str(how["archive"])
        if not url.startswith(("http://", "https://")):
            raise click.UsageError(f"--archive {url}: an address begins with http:// or https://")
        options["url"] = url
    return Archive(**options)
