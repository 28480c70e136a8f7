"""`callveil report`: a page about what a store holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callveil.cli.output import console
from callveil.config import load_config
from callveil.kit import open_store
from callveil.pipeline.report import write_report


def report(
    store: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix.", show_default=False)],
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Callveil report",
    profile: Annotated[str, typer.Option(help="Names the S3 server for s3://.")] = "default",
) -> None:
    """Write one self-contained HTML page about all published and refused calls of a store.

    It is made of what is published only: waveforms with the masked stretches, redacted transcripts,
    decisions, tags and timings. The file needs no network.
    """
    write_report(open_store(store, load_config(profile)), out, title=title)
    console.print(f"report: {out.resolve()}", highlight=False, soft_wrap=True)
