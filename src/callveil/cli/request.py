"""`callveil request`: the register of what persons asked for, with its deadlines."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.sought import REQUESTS, STATES, Json, how_many
from callveil.kit import Office
from callveil.pipeline import register
from callveil.pipeline.notices import late
from callveil.pipeline.office_documents import notice_fields, request_fields, request_row
from callveil.pipeline.register import items_of
from callveil.vocabulary.rights import ItemState, NoticeState, Request

app = typer.Typer(help="The register of requests of persons, and its deadlines.", no_args_is_help=True)

RequestId = Annotated[str, typer.Argument(metavar="REQUEST", help='Its id, "req-...".', show_default=False)]


@app.command("list")
def list_requests(
    every: Annotated[bool, typer.Option("--all", help="Those that are closed too.")] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Show what is asked for and not closed, how many days are left, and which recipients are late.

    Exit codes: 0 all in time; 3 a request or a recipient is late.
    """
    office = open_office(data, profile)
    now = office.clock.now()
    found = [request for request in office.books.requests.requests() if every or request.closed_at is None]
    overdue = late(office.books.notices.notices(waiting=True), now)
    is_late = bool(overdue) or any(register.is_late(request, now) for request in found)
    if as_json:
        rows = [request_row(request, office) for request in found]
        print_json({"requests": rows, "late_notices": [notice_fields(each, office) for each in overdue]})
    else:
        _print_table(found, office)
        for notice in overdue:
            say(f"LATE: {notice.recipient} has not confirmed {notice.notice_id} of {notice.request_id}.")
    if is_late:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("show")
def show(
    request_id: RequestId, data: Data = None, profile: ProfileOption = "default", as_json: Json = False
) -> None:
    """Show one request: its calls, what stays and why, what recipients were told.

    Exit codes: 0 in time; 1 no such request; 3 it or one of its recipients is late.
    """
    office = open_office(data, profile)
    request, now = office.books.requests.get(request_id), office.clock.now()
    notices = office.books.notices.notices(request_id=request_id)
    if as_json:
        print_json(request_fields(request, office))
    else:
        _print_one(request, office)
    if register.is_late(request, now) or late(notices, now):
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("extend")
def extend(
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="Why one month is not enough.", show_default=False)],
    months: Annotated[int, typer.Option(min=1, max=2, help="By how many months.")] = 2,
    data: Data = None,
    profile: ProfileOption = "default",
) -> None:
    """Extend the deadline by up to two months (GDPR Art. 12(3)). The person has to be told within the first.

    Exit codes: 0 done; 1 no such request; 4 it is closed or extended already, or its first month has passed.
    """
    office = open_office(data, profile)
    request = register.extend(request_id, office, months=months, reason=reason, actor=actor())
    say(f"{request_id} is due on {request.due_at:%Y-%m-%d} now. Tell the person so, and why.")


@app.command("close")
def close(
    request_id: RequestId,
    reason: Annotated[str, typer.Option(help="What was done, or why it is refused.", show_default=False)],
    refused: Annotated[bool, typer.Option("--refused", help="It was refused (Art. 12(4), (5)).")] = False,
    data: Data = None,
    profile: ProfileOption = "default",
) -> None:
    """Close a request that people have answered. An erasure closes itself when it is done.

    Exit codes: 0 closed; 1 no such request; 4 it is closed already, or is being carried out.
    """
    office = open_office(data, profile)
    register.close(request_id, office, refused=refused, reason=reason, actor=actor())
    say(f"{request_id} is closed as {'refused' if refused else 'done'}.")


def _print_table(found: list[Request], office: Office) -> None:
    if not found:
        say("No request is open.")
        return
    table = Table(title="Requests of persons", title_justify="left")
    for column in ("request", "what for", "state", "came", "due", "calls"):
        table.add_column(column, overflow="fold")
    for request in found:
        table.add_row(
            request.request_id,
            REQUESTS[request.kind],
            STATES[request.state],
            f"{request.received_at:%Y-%m-%d}",
            _due(request, office),
            str(request.n_calls),
        )
    console.print(table)


def _due(request: Request, office: Office) -> str:
    now, date = office.clock.now(), f"{request.due_at:%Y-%m-%d}"
    left = register.days_left(request, now)
    if left is None:
        return "answered"
    return (
        f"LATE, was due {date}" if register.is_late(request, now) else f"{date}, {how_many(left, 'day')} left"
    )


def _print_one(request: Request, office: Office) -> None:
    say(f"{request.request_id}: {REQUESTS[request.kind]}, {STATES[request.state]}.")
    say(f"Came {request.received_at:%Y-%m-%d}; due: {_due(request, office)}.")
    if request.extension_reason:
        say(f"Extended: {request.extension_reason}")
    if request.note:
        say(request.note)
    for item in items_of(request.request_id, office):
        if item.state is ItemState.RESTRICTED:
            when = f"on {item.review_at:%Y-%m-%d}" if item.review_at else "when the hold ends"
            say(f"{item.call_id}: locked away, looked at again {when}. {item.reason}")
        else:
            say(f"{item.call_id}: {'done' if item.state is ItemState.DONE else 'to be done'}.")
    for notice in office.books.notices.notices(request_id=request.request_id):
        number = how_many(len(notice.call_ids), "call")
        if notice.state is NoticeState.CONFIRMED:
            say(f"{notice.recipient} confirmed ({notice.event}, {number}): {notice.receipt}")
        else:
            why = f" Last problem: {notice.problem}." if notice.problem else ""
            word = "LATE" if late([notice], office.clock.now()) else "waiting"
            say(
                f"{notice.recipient}: {word}, due {notice.due_at:%Y-%m-%d},"
                f" {how_many(notice.attempts, 'attempt')} ({notice.event}, {number}).{why}"
            )
