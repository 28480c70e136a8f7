"""`callveil subject export`: one archive with a person's calls, for that person."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from callveil.cli.output import console, print_json
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.subject_options import CustomerIds, Emails, FromStdin, Phones, Region, With, identifiers


def export(
    out: Annotated[Path, typer.Option(help="A new ZIP file, for the owner only.", show_default=False)],
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    portable: Annotated[
        bool,
        typer.Option(
            "--portable", help="Only what Art. 20 covers: calls that rest on consent or a contract."
        ),
    ] = False,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of sentences.")] = False,
) -> None:
    """Write one archive with a person's calls: recordings, transcripts, consents, why and how long.

    It is of the redacted recordings, so others' details stay masked. The person opens index.html in it;
    data.json and a vCon per call are for machines. The request is entered in the register and closed, and
    the export is written into the audit chain. Several identifiers are taken for the same person.

    Exit codes: 0 done; 1 no call of this person, or a store failed: there is no file; 2 wrong use;
    4 there is such a file.
    """
    from callveil.pipeline.export import export_subject
    from callveil.pipeline.subjects import find_subject

    wanted = identifiers(phone, email, customer_id, region, from_stdin)
    office = open_office(data, profile)
    subject = find_subject(wanted, linked or (), office)
    exported = export_subject(office, subject, out, portable=portable, actor=actor())
    if as_json:
        print_json({**asdict(exported), "linked": len(subject.linked)})
        return
    calls = "1 call" if exported.n_calls == 1 else f"{exported.n_calls} calls"
    lines = [f"{calls} written, {exported.n_recordings} of them with their redacted recording."]
    if exported.n_restricted:
        lines.append(f"{exported.n_restricted} of them restricted; a person has access to those too.")
    if exported.n_not_portable:
        lines.append(
            f"{exported.n_not_portable} more rest on something else than consent or a contract, so Art. 20"
            " does not cover them; without --portable they are in it."
        )
    if subject.linked:
        lines.append(
            f"{len(subject.linked)} identifiers may be of the same person and are not in it:"
            " see `callveil subject find`."
        )
    lines.append(f"Request {exported.request_id} is in the register, and done.")
    lines.append(f"The archive is {out}. Make sure that it reaches that person and nobody else.")
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
