"""`callveil hold`: legal holds. Nothing of a held call is deleted, whoever asks."""

from __future__ import annotations

from typing import Annotated

import typer

from callveil.cli.output import EXIT_SOME_FAILED, print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.sought import Calls, Json, day, day_after, how_many, sought
from callveil.cli.subject_options import CustomerIds, Emails, FromStdin, Phones, Region, With
from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline import holds
from callveil.pipeline.office_documents import hold_fields
from callveil.pipeline.outlook import Sought
from callveil.vocabulary.retention import HoldScope

app = typer.Typer(help="Place, list and release legal holds.", no_args_is_help=True)

_SCOPES = {
    HoldScope.CALL: "named calls",
    HoldScope.SUBJECT: "a person, later calls too",
    HoldScope.QUERY: "calls that fitted a query",
}


@app.command("place")
def place(
    reason: Annotated[str, typer.Option(help="Why, without personal data of callers.", show_default=False)],
    authority: Annotated[
        str, typer.Option(help="Who demands it: a court, an authority, a matter number.", show_default=False)
    ],
    call: Calls = None,
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    queue: Annotated[str | None, typer.Option(help="Calls of this queue.", show_default=False)] = None,
    agent: Annotated[str | None, typer.Option(help="Calls of this agent.", show_default=False)] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Calls from this day on, UTC.", show_default=False)
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Calls up to this day, itself too, UTC.", show_default=False)
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Place a hold on named calls, on a person (later calls too), or on the calls that now fit a query.

    From then on nothing of these calls is deleted: not by retention, by erasure, or by a withdrawal.

    Exit codes: 0 placed; 1 no such call; 2 wrong use; 3 placed, but the store does not follow yet.
    """
    office = open_office(data, profile)
    to = day(until, "--to")
    query = holds.HoldQuery(
        queue=queue, agent=agent, since=day(since, "--from"), until=day_after(to) if to else None
    )
    person = bool(phone or email or customer_id or from_stdin)
    if (bool(call) + person + (not query.is_empty)) != 1:
        raise MetadataError("name either calls, or a person, or a queue, an agent or a time")
    if not query.is_empty:
        scope = HoldScope.QUERY
        meant = Sought(call_ids=tuple(holds.matching(query, office.ledger)))
    else:
        scope = HoldScope.SUBJECT if person else HoldScope.CALL
        meant = sought(
            office,
            phone=phone,
            email=email,
            customer_id=customer_id,
            region=region,
            linked=linked,
            from_stdin=from_stdin,
            call=call,
        )
    placed = holds.place(scope, meant, office, reason=reason, authority=authority, actor=actor())
    _tell(placed, "placed", as_json)


@app.command("list")
def list_holds(
    every: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Show the holds that stand."""
    found = open_office(data, profile).books.holds.holds(standing=not every)
    if as_json:
        print_json({"holds": [hold_fields(hold) for hold in found]})
        return
    if not found:
        say("No legal hold stands." if not every else "There has been no legal hold.")
        return
    for hold in found:
        say(f"{hold.hold_id}: {how_many(hold.n_calls, 'call')} ({_SCOPES[hold.scope]}).")
        say(f"  Why: {hold.reason}. Demanded by: {hold.authority}.")
        say(f"  Placed {hold.placed_at:%Y-%m-%d} by {hold.placed_by}.")
        if hold.released_at is not None:
            say(f"  Released {hold.released_at:%Y-%m-%d} by {hold.released_by}: {hold.release_reason}.")


@app.command("release")
def release(
    hold_id: Annotated[str, typer.Argument(metavar="HOLD", help='Its id, "hold-...".', show_default=False)],
    reason: Annotated[str, typer.Option(help="Why it ends.", show_default=False)],
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """End a hold. What waited for it, such as an erasure, goes on with the next `callveil reconcile`.

    Exit codes: 0 released; 1 no such hold; 3 released, but the store does not follow yet; 4 it has ended
    already.
    """
    office: Office = open_office(data, profile)
    _tell(holds.release(hold_id, office, reason=reason, actor=actor()), "released", as_json)


def _tell(placed: holds.Placed, word: str, as_json: bool) -> None:
    if as_json:
        print_json({**hold_fields(placed.hold), "store_behind": placed.behind})
    else:
        say(f"{placed.hold.hold_id} {word}: {how_many(placed.hold.n_calls, 'call')}.")
        if placed.behind:
            say(
                f"The store does not follow yet for {how_many(placed.behind, 'call')}; Callveil itself keeps"
                " to the hold, and callveil reconcile goes on."
            )
    if placed.behind:
        raise typer.Exit(EXIT_SOME_FAILED)
