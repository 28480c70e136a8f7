"""`callveil consent`: what was agreed to for a call, and a receipt of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import console, print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.rights.wording import FLAGS, METHODS, PURPOSES, day_and_time
from callveil.vocabulary.call import Call

app = typer.Typer(help="Consent of a call: its history, and receipts of it.", no_args_is_help=True)

CallOption = Annotated[str, typer.Option("--call", help="The call.", show_default=False)]


@app.command("history")
def history(
    call: CallOption,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show every answer about consent of a call, oldest first, and those that stand now.

    Exit codes: 1 no such call, or it was erased.
    """
    from callveil.pipeline.consent_papers import consent_history, history_fields, known_call

    office = open_office(data, profile)
    answers, known = consent_history(office, call), known_call(office, call)
    if as_json:
        print_json(history_fields(known, answers))
        return
    table = Table(title=f"Consent of {call}", title_justify="left")
    for column in ("noted", "by", "who answered", "for", "answer", "how"):
        table.add_column(column, overflow="fold")
    standing = list(known.call.consent)
    for at, by, record in answers:
        mark = "" if record in standing else " (replaced since)"
        how = METHODS[record.method] if record.method else ""
        table.add_row(
            day_and_time(at), by, _who(known.call, record.party), PURPOSES[record.purpose],
            FLAGS[record.flag] + mark, how,
        )  # fmt: skip
    console.print(table)


@app.command("receipt")
def receipt(
    call: CallOption,
    party: Annotated[
        int | None,
        typer.Option(help="Whose: number of the party in the metadata, from 0.", show_default="the customer"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the JSON-LD into a new file.", show_default=False)
    ] = None,
    vcon: Annotated[
        bool, typer.Option("--vcon", help="With --json or --out: as vCon attachments (lawful_basis).")
    ] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON-LD instead of sentences.")] = False,
) -> None:
    """Make a receipt of what one party of a call agreed to (ISO/IEC TS 27560, in the terms of W3C DPV).

    Exit codes: 1 no such call, or it was erased; 2 unclear which party is meant; 4 there is such a file.
    """
    from callveil.adapters.private_output import check_free, write_private
    from callveil.pipeline.consent_papers import known_call, make_receipt
    from callveil.stages.documents.forms import indented

    if out is not None:
        check_free(out)
    office = open_office(data, profile)
    made = make_receipt(office, call, party=party, actor=actor())
    document = {"attachments": list(made.lawful_basis)} if vcon else made.document
    if out is not None:
        write_private(out, indented(document))
    if as_json:
        print_json(document)
        return
    known = known_call(office, call)
    when = day_and_time(known.call.started_at)
    say(f"Receipt for the {_who(known.call, made.party)} of call {call}, {when}:")
    for record in known.call.consent:
        if record.party in (None, made.party):
            how = f" {METHODS[record.method]}" if record.method else ""
            given = f", {day_and_time(record.given_at)}" if record.given_at else ""
            say(f"  {PURPOSES[record.purpose]}: {FLAGS[record.flag]}{how}{given}")
    if made.missing:
        say(f"The profile does not say {', '.join(made.missing)}; a receipt should.")
    if out is not None:
        say(f"It is in {out}.")


def _who(call: Call, party: int | None) -> str:
    if party is None or not 0 <= party < len(call.parties):
        return "everybody" if party is None and call.parties else "caller"
    return call.parties[party].role.value.replace("_", " ")
