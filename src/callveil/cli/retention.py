"""`callveil retention`: how long calls are kept; tried out, applied, carried out, explained."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json, say
from callveil.cli.retention_words import print_applied, print_decision, print_simulation, print_swept
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.errors import MetadataError
from callveil.kit import Office, open_policies, text_of_file
from callveil.pipeline.retention_documents import (
    applied_fields,
    decision_fields,
    event_fields,
    fitting_policies,
    set_fields,
    simulation_fields,
    swept_fields,
)
from callveil.retention.policy import midnight

app = typer.Typer(
    help="How long calls are kept: try policies out, apply them, delete what is due.", no_args_is_help=True
)

_At = Annotated[
    datetime | None,
    typer.Option(
        "--at",
        formats=["%Y-%m-%d"],
        help="Day that is looked at, as it begins in UTC (2028-01-31); today when left out.",
        show_default=False,
    ),
]
_Yes = Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is changed.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]
_Call = Annotated[str, typer.Option("--call", help="Id of the call.", show_default=False)]


@app.command("simulate")
def simulate(
    policies: Annotated[
        Path | None,
        typer.Option(
            help="Changed policies to try out; the profile's own when left out.", show_default=False
        ),
    ] = None,
    at: _At = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write a chart of when calls end, as SVG.", show_default=False)
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: _Json = False,
) -> None:
    """Tell what the policies would delete on a day, and what changed ones would change. Nothing is touched.

    Exit codes: 0 told; 2 the policies are wrong, or there is no ledger in the folder.
    """
    from callveil.retention.plot import plot as draw
    from callveil.retention.simulate import simulate as run

    office = open_office(data, profile)
    before = office.policies
    after = open_policies(office.config, policies) if policies is not None else before
    on = at.date() if at is not None else office.clock.now().date()
    removals = office.books.removals
    found = run(removals.groups(), removals.singled_out(), before, after, on)
    now = office.in_force.name
    tried = str(policies) if policies is not None else now
    if plot is not None:
        plot.write_text(draw(found, before=now, after=tried), encoding="utf-8")
    if as_json:
        print_json(simulation_fields(found, now, tried))
        return
    print_simulation(found, now, tried)
    if plot is not None:
        console.print(f"The chart is in {plot}", markup=False, highlight=False, soft_wrap=True)


@app.command("apply")
def apply(
    yes: _Yes = False, data: Data = None, profile: ProfileOption = "default", as_json: _Json = False
) -> None:
    """Bring tags, locks and dates of calls that are published already to what the policies say now.

    It deletes nothing; `callveil retention sweep` does. Without --yes it only tells.

    Exit codes: 0 done or told; 2 wrong configuration; 3 some calls could not be changed.
    """
    from callveil.pipeline.sweep import apply_policies

    office = open_office(data, profile)
    found = apply_policies(office, actor=actor(), dry_run=not yes)
    if as_json:
        print_json(applied_fields(found, done=yes))
    else:
        _say_in_force(office)
        print_applied(found, done=yes)
    if found.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("sweep")
def sweep(
    at: _At = None,
    limit: Annotated[int, typer.Option(min=1, help="Calls that are deleted at most in one run.")] = 10_000,
    yes: _Yes = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: _Json = False,
) -> None:
    """Delete what is due: every part of a call whose time is over, unless a hold or a request keeps it.

    Without --yes it only tells. With --at it deletes what would be due on that day, a later one too; the
    audit chain names the day. What an earlier run left unfinished is finished first. For a daily timer.

    Exit codes: 0 done or told; 2 wrong configuration; 3 something could not be deleted, and is tried again by
    the next run.
    """
    from callveil.pipeline.sweep import sweep as run

    office = open_office(data, profile)
    moment = midnight(at.date()) if at is not None else office.clock.now()
    found = run(office, at=moment, limit=limit, actor=actor(), dry_run=not yes)
    if as_json:
        print_json(swept_fields(found, moment, done=yes))
    else:
        _say_in_force(office)
        print_swept(found, moment, done=yes)
    if found.failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command("event")
def event(
    call: _Call,
    name: Annotated[str, typer.Option(help="Event that policies count from.", show_default=False)],
    at: Annotated[
        str, typer.Option(help="When it came: 2027-03-01, or RFC 3339 with an offset.", show_default=False)
    ],
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: _Json = False,
) -> None:
    """Write down that an event which policies count from has come for a call, such as the end of a contract.

    A second time moves it. Exit codes: 0 written down; 1 no such call; 2 no policy counts from that event.
    """
    from callveil.pipeline.sweep import note_event

    office, moment = open_office(data, profile), _moment(at)
    note_event(call, name, moment, office, actor=actor())
    if as_json:
        print_json(event_fields(call, name, moment))
    else:
        console.print(f"Written down: {name} of {call}, {moment:%Y-%m-%d %H:%M} UTC", highlight=False)


@app.command("show")
def show(
    call: _Call,
    at: _At = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: _Json = False,
) -> None:
    """Tell how long each part of a call is kept, and why. Exit codes: 0 told; 1 no such call."""
    from callveil.pipeline.sweep import look

    office = open_office(data, profile)
    swept = office.books.removals.swept(call)
    moment = midnight(at.date()) if at is not None else office.clock.now()
    decision, fitting = look(swept, office, moment), fitting_policies(swept, office.policies)
    if as_json:
        print_json(decision_fields(swept, decision, fitting))
    else:
        _say_in_force(office)
        print_decision(swept, decision, fitting)


@app.command("policies")
def policies_(
    number: Annotated[
        int | None,
        typer.Option(
            "--set", min=1, help="An earlier set; the one in force when left out.", show_default=False
        ),
    ] = None,
    history: Annotated[bool, typer.Option("--history", help="List the sets there were.")] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: _Json = False,
) -> None:
    """Print the policies in force as TOML, for version control, or list the sets put in force on the pages.

    Exit codes: 0 printed; 1 no such set.
    """
    office = open_office(data, profile)
    sets = office.books.policy_sets
    if history:
        found = sets.history(limit=1000)
        if as_json:
            print_json({"in_force": office.in_force.name, "sets": [set_fields(each) for each in found]})
            return
        _say_in_force(office)
        for each in found:
            agreed = f", {each.approved_by} agreed" if each.approved_by else ""
            say(f"Set {each.number}: {each.at:%Y-%m-%d %H:%M} UTC, {each.by}{agreed}. {each.note}")
        return
    chosen = sets.current() if number is None else sets.get(number)
    text = chosen.text if chosen is not None else text_of_file(office.config)
    if as_json:
        name = office.in_force.name if number is None else f"set {number} of the ledger"
        print_json({"name": name, "set": chosen and set_fields(chosen), "text": text})
    else:
        typer.echo(text, nl=not text.endswith("\n"))


def _say_in_force(office: Office) -> None:
    say(f"Policies in force: {office.in_force.name}")


def _moment(text: str) -> datetime:
    """A day, or a time with an offset."""
    allowed = "allowed: a day such as 2027-03-01, or a time with an offset such as 2027-03-01T12:00:00Z"
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return midnight(date.fromisoformat(text))
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MetadataError(f"--at: is no such time; {allowed}") from None
    if moment.tzinfo is None:
        raise MetadataError(f"--at: has no offset; {allowed}")
    return moment.astimezone(UTC)
