"""`callveil watch`: a drop folder."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import Annotated

import typer

from callveil.cli import interrupt
from callveil.cli.output import EXIT_OK, EXIT_SOME_FAILED, console, print_json
from callveil.cli.service import Data, LogLevel, ProfileOption, check_subject_keys, load
from callveil.errors import CallveilError
from callveil.kit import build_service, open_drop
from callveil.pipeline.watch import Looked, Watcher

log = logging.getLogger(__name__)

_SLEEP_S = 0.25


def watch(
    place: Annotated[
        str,
        typer.Argument(help="Folder, or s3://bucket/prefix, that calls are dropped in.", show_default=False),
    ],
    data: Data = None,
    profile: ProfileOption = "default",
    settle: Annotated[
        float, typer.Option(min=0, max=3600, help="Seconds for which a file must not have changed.")
    ] = 5.0,
    orphan_after: Annotated[
        float,
        typer.Option(
            min=0, max=31_536_000, help="Seconds after which what is incomplete goes to quarantine."
        ),
    ] = 3600.0,
    every: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and leave.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a sentence.")] = False,
    log_level: LogLevel = "INFO",
) -> None:
    """Take calls in that a telephony system drops as files: a recording and its metadata of the same name.

    call.wav with call.json as in CALLS.md, or with call.xml, SIPREC recording metadata. A pair is encrypted
    into the landing and deleted in the folder once the ledger has the call; what is no whole, readable pair
    goes to the folder quarantine/ in it, with the reason.

    Exit codes: 0 stopped, or all was taken; 2 wrong configuration, nothing was started; 3 with --once, some
    was quarantined or could not be taken now; 4 another process watches the folder.
    """
    from callveil.adapters.json_logs import log_as_json

    config, site = load(data, profile)
    service = build_service(config, site)
    check_subject_keys(service)
    drop = open_drop(place, config)
    log_as_json(log_level)
    watcher = Watcher(
        drop, service, settle_s=settle, orphan_after_s=max(settle, orphan_after), check=interrupt.check
    )
    total = Looked()
    try:
        total.add(watcher.look())
        while not once:
            _sleep(every)
            _look_again(watcher, total)
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        drop.close()
    if as_json:
        print_json(asdict(total))
    else:
        console.print(
            f"{total.accepted} calls taken in, {total.known} that were there already, {total.quarantined}"
            f" quarantined, {total.waiting} not complete yet, {total.failed} not taken for now"
        )
    raise typer.Exit(EXIT_SOME_FAILED if once and (total.quarantined or total.failed) else EXIT_OK)


def _look_again(watcher: Watcher, total: Looked) -> None:
    """A folder, server or ledger that was there at the start is waited for when it goes away."""
    try:
        total.add(watcher.look())
    except CallveilError as error:
        log.warning("the drop folder cannot be watched now", extra={"error": error.code})


def _sleep(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        interrupt.check()
        time.sleep(min(left, _SLEEP_S))
