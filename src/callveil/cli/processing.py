"""`callveil processing`: the record of processing activities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from callveil.cli.output import console, print_json
from callveil.cli.service import Data, ProfileOption, load
from callveil.config import load_config

app = typer.Typer(help="What is done with calls, for the record (GDPR Art. 30).", no_args_is_help=True)


@app.command("record")
def record(
    out: Annotated[
        Path | None, typer.Option(help="Write it into a new Markdown file.", show_default=False)
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    also: Annotated[
        list[str] | None,
        typer.Option(help="A further profile that is in use; repeatable.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of Markdown.")] = False,
) -> None:
    """Write the record of processing activities (GDPR Art. 30(1)) from profiles, models and recipients.

    What only the controller knows is marked [FILL IN: ...]; much of it goes away with the profile's
    controller settings. It holds no data of callers.

    Exit codes: 0 done; 2 a profile or its rules are wrong; 4 there is such a file.
    """
    from callveil.adapters.private_output import check_free, write_private
    from callveil.kit import SystemClock, policies_of_site
    from callveil.pipeline.processing_record import make_record, record_markdown
    from callveil.rights.processing_record import record_document

    if out is not None:
        check_free(out)
    config, site = load(data, profile)
    configs = [config, *(load_config(name) for name in also or ())]
    facts = make_record(configs, site, SystemClock().now(), lambda each: policies_of_site(each, site).now())
    if out is not None:
        write_private(out, record_markdown(facts).encode())
    if as_json:
        print_json(record_document(facts))
    elif out is not None:
        lines = [
            f"The record is in {out}.",
            f"Left to fill in by you: {len(facts.blanks)} things, listed at its end.",
        ]
        for line in lines:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
    else:
        typer.echo(record_markdown(facts), nl=False)
