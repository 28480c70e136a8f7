"""`callveil subject`: data subjects, and what they have a right to."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import console, print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.subject_options import CustomerIds, Emails, FromStdin, Phones, Region, With, identifiers
from callveil.pipeline.office_documents import SeenCall, seen_calls, subject_fields

app = typer.Typer(help="Find a person's calls, and do what the person has a right to.", no_args_is_help=True)

_WHY = {
    "beside": "stood beside this person in a call",
    "no_country": "the same digits, in a call that tells no country",
}


@app.command("find")
def find(
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Find all calls of a person, by telephone numbers, e-mail addresses and customer ids.

    Several identifiers are taken for the same person. Others that may be of the same person are shown, and
    taken only when named with --with. The search is written into the audit chain, without the identifiers.

    Exit codes: 0 also when there are no calls; 2 wrong use, or there is no ledger in the folder.
    """
    from callveil.pipeline.subjects import find_subject, note_search

    wanted = identifiers(phone, email, customer_id, region, from_stdin)
    office = open_office(data, profile)
    found = find_subject(wanted, linked or (), office)
    note_search(found, (kind for kind, _ in wanted), len(linked or ()), office, actor=actor())
    rows = seen_calls(found, office)
    if as_json:
        print_json(subject_fields(found, rows))
        return
    _print_calls(rows)
    if found.linked:
        table = Table(title="May be the same person", title_justify="left")
        for column in ("id", "kind", "more calls", "why"):
            table.add_column(column)
        for each in found.linked:
            kind = each.kind.value.replace("_", " ")
            table.add_row(each.short_id, kind, str(each.n_calls), _WHY[each.why])
        console.print(table)
        say("These are not counted above. If it is the same person, add: --with ID")
    if any(value.startswith("local:") for _, value in wanted):
        say("A number was given without its country, so only calls without one can match; add: --region GB")
    if not found.complete:
        say("A key rotation is not finished, so some that may be the same person may not be shown;")
        say("to finish it: callveil subject-key rotate --resume")


def _print_calls(rows: list[SeenCall]) -> None:
    if not rows:
        say("no call of this person was found")
        return
    table = Table(title=f"{len(rows)} call{'s' * (len(rows) != 1)} of this person", title_justify="left")
    table.add_column("call", overflow="fold")
    for column in ("date", "state", "the person was", ""):
        table.add_column(column)
    for row in rows:
        marks = ["under legal hold"] * row.held + ["restricted"] * row.restricted
        date = f"{row.call.call.started_at:%Y-%m-%d %H:%M} UTC"
        roles = ", ".join(role.replace("_", " ") for role in row.roles)
        table.add_row(row.call.call_id, date, row.call.state.value, roles, ", ".join(marks))
    console.print(table)
