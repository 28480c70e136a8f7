"""`callveil recipient`: systems that got copies of calls, and are told when those have to go."""

from __future__ import annotations

import os
import secrets as random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from callveil.adapters.recipients import (
    KINDS,
    LONGEST_DEADLINE_DAYS,
    MOST_RECIPIENTS,
    check_recipient,
    read_recipients,
    write_recipients,
)
from callveil.adapters.webhook import post_notice
from callveil.cli.output import EXIT_SOME_FAILED, console, print_json, say
from callveil.cli.service import Data
from callveil.cli.sought import Json, how_many
from callveil.config import Site, load_site
from callveil.errors import MetadataError, RefusedError
from callveil.kit import SystemClock
from callveil.pipeline.office_documents import recipient_fields
from callveil.stages.documents.notice import notice_json
from callveil.vocabulary.rights import Notice, NoticeState, Recipient

app = typer.Typer(help="Systems that got copies and must forget with us.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Its name.", show_default=False)]


@app.command("add")
def add(
    name: Name,
    kind: Annotated[str, typer.Option(help=f"What it is: {', '.join(KINDS)}.", show_default=False)],
    url: Annotated[str, typer.Option(help="Where it is told, https://...", show_default=False)],
    secret_file: Annotated[
        Path | None,
        typer.Option(
            help="File with a secret of 32 characters or more; one is made when left out.", show_default=False
        ),
    ] = None,
    deadline_days: Annotated[
        int,
        typer.Option(min=1, max=LONGEST_DEADLINE_DAYS, help="Days after which its silence is escalated."),
    ] = 7,
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Only calls of this queue go to it; repeatable.", show_default="all queues"),
    ] = None,
    data: Data = None,
) -> None:
    """Register a recipient. It is told of erasures and restrictions until it confirms.

    Exit codes: 0 done; 2 wrong use; 4 there is one of that name, or the environment names the recipients.
    """
    site = _own_file(data)
    present = read_recipients(site.recipients_file)
    if any(each.name == name for each in present):
        raise RefusedError("recipient: there is one of that name; it stays as it is")
    if len(present) >= MOST_RECIPIENTS:
        raise RefusedError(f"recipient: there are {MOST_RECIPIENTS} already")
    made = Recipient(
        name=name,
        kind=kind,
        url=url,
        secret=random.token_hex(32) if secret_file is None else _secret(secret_file),
        deadline_days=deadline_days,
        queues=frozenset(queue or ()),
    )
    write_recipients(site.recipients_file, [*present, check_recipient(made, "recipient")])
    say(f"{name} is registered in {site.recipients_file}.")
    if secret_file is None:
        say("A secret was made for it and stands in that file; give it to the recipient, and to nobody else.")


@app.command("list")
def list_recipients(data: Data = None, as_json: Json = False) -> None:
    """Show the recipients, without their secrets."""
    found = load_site(data).recipients
    if as_json:
        print_json({"recipients": [recipient_fields(each) for each in found]})
        return
    if not found:
        say("No recipient is registered: nobody else is told when calls are erased.")
        return
    table = Table(title="Recipients", title_justify="left")
    for column in ("name", "what it is", "where it is told", "late after", "calls of"):
        table.add_column(column, overflow="fold")
    for each in found:
        queues = ", ".join(sorted(each.queues)) or "all queues"
        table.add_row(each.name, each.kind, each.url, how_many(each.deadline_days, "day"), queues)
    console.print(table)


@app.command("remove")
def remove(name: Name, data: Data = None) -> None:
    """Drop a recipient. What it has not confirmed stays open, and becomes late.

    Exit codes: 0 done; 2 there is none of that name; 4 the environment names the recipients.
    """
    site = _own_file(data)
    present = read_recipients(site.recipients_file)
    write_recipients(site.recipients_file, [each for each in present if each is not _named(name, present)])
    say(f"{name} is not a recipient any more.")


@app.command("test")
def send_test(name: Name, data: Data = None) -> None:
    """Send a recipient a signed notice about no call, to see whether it answers as it should.

    Exit codes: 0 it confirmed; 2 there is none of that name; 3 it did not.
    """
    recipient, now = _named(name, load_site(data).recipients), SystemClock().now()
    notice = Notice(
        notice_id=f"ntc-{random.token_hex(6)}",
        recipient=name,
        request_id=f"req-{'0' * 12}",
        event="test",
        call_ids=(),
        state=NoticeState.WAITING,
        attempts=0,
        next_at=now,
        due_at=now,
    )
    answer = post_notice(replace(recipient), notice_json(notice), now)
    if answer.receipt is not None:
        say(f"{name} confirmed.")
        return
    say(
        f"{name} took the notice and has not confirmed it yet (HTTP 202)."
        if answer.accepted
        else f"{name} did not confirm: {answer.problem}."
    )
    raise typer.Exit(EXIT_SOME_FAILED)


def _own_file(data: Path | None) -> Site:
    if os.environ.get("CALLVEIL_RECIPIENTS") or os.environ.get("CALLVEIL_RECIPIENTS_FILE"):
        raise RefusedError("CALLVEIL_RECIPIENTS names the recipients; change it there")
    return load_site(data)


def _named(name: str, present: Sequence[Recipient]) -> Recipient:
    for each in present:
        if each.name == name:
            return each
    raise MetadataError("NAME: there is no such recipient; callveil recipient list shows them")


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        raise MetadataError("--secret-file: cannot be read; allowed: a text file") from None
