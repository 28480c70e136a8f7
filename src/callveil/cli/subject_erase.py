"""`callveil subject erase|restrict|unrestrict|verify-erasure`: what a person may ask for, carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from callveil.cli.output import EXIT_SOME_FAILED, console, print_json, say
from callveil.cli.service import Data, ProfileOption, actor, open_office
from callveil.cli.sought import PARTS, Calls, Json, how_many, received_day, sought
from callveil.cli.subject_options import CustomerIds, Emails, FromStdin, Phones, Region, With
from callveil.cli.verify import trusted
from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline import erasure, restrict
from callveil.pipeline.erasure_proof import check_proof, proof_file
from callveil.pipeline.office_documents import preview_fields, request_fields
from callveil.pipeline.outlook import Outlook, Preview, note_preview, preview
from callveil.pipeline.register import items_of
from callveil.vocabulary.rights import ItemState, NoticeState, Request, RequestState

Received = Annotated[
    str | None,
    typer.Option(help="Day the request came, such as 2026-11-24; today when left out.", show_default=False),
]
Reason = Annotated[str, typer.Option(help="Why, without personal data of callers.", show_default=False)]


def erase(
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    call: Calls = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this it is only told.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was begun, and with what has become due.")
    ] = False,
    received: Received = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Erase all calls of a person, or named calls, everywhere (GDPR Art. 17).

    Without --yes it only tells what would be deleted where, what has to stay, until when and why, and who is
    told. What a legal hold or a legal duty keeps is locked away (Art. 18) and erased when that ends.

    Exit codes: 0 done, or told; 2 wrong use; 3 something could not be finished yet, and is tried again.
    """
    office = open_office(data, profile)
    if resume:
        if phone or email or customer_id or from_stdin or call or yes:
            raise MetadataError("--resume: goes on with everything; no person, call or --yes beside it")
        _resume(office, as_json)
        return
    wanted = sought(
        office,
        phone=phone,
        email=email,
        customer_id=customer_id,
        region=region,
        linked=linked,
        from_stdin=from_stdin,
        call=call,
    )
    came = received_day(received, office)
    ahead = preview(wanted, office)
    if not yes:
        note_preview(ahead, office, actor=actor())
        print_json(preview_fields(ahead)) if as_json else _print_preview(ahead)
        return
    request = erasure.erase(wanted, office, actor=actor(), received_at=came)
    erasure.tell_recipients(office, actor=actor())
    _print_request(request.request_id, office, as_json)


def restrict_calls(
    reason: Reason,
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    call: Calls = None,
    received: Received = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Lock calls away: they stay stored, and nobody may use or delete them (GDPR Art. 18).

    Exit codes: 0 done; 2 wrong use; 3 something could not be finished yet, and is tried again.
    """
    office = open_office(data, profile)
    wanted = sought(
        office,
        phone=phone,
        email=email,
        customer_id=customer_id,
        region=region,
        linked=linked,
        from_stdin=from_stdin,
        call=call,
    )
    came = received_day(received, office)
    request = restrict.restrict(wanted, office, reason=reason, actor=actor(), received_at=came)
    erasure.tell_recipients(office, actor=actor())
    _print_restriction(request, "locked away", office, as_json)


def unrestrict(
    reason: Reason,
    phone: Phones = None,
    email: Emails = None,
    customer_id: CustomerIds = None,
    region: Region = None,
    linked: With = None,
    from_stdin: FromStdin = False,
    call: Calls = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Lift the restriction of calls. The person has to be told before (GDPR Art. 18(3)).

    Exit codes: 0 done; 2 wrong use; 3 something could not be finished yet; 4 refused: a call waits to be
    erased.
    """
    office = open_office(data, profile)
    wanted = sought(
        office,
        phone=phone,
        email=email,
        customer_id=customer_id,
        region=region,
        linked=linked,
        from_stdin=from_stdin,
        call=call,
    )
    request = restrict.lift(wanted, office, reason=reason, actor=actor())
    erasure.tell_recipients(office, actor=actor())
    _print_restriction(request, "free to be used again", office, as_json)


def verify_erasure(
    file: Annotated[Path, typer.Argument(help="A proof of erasure.", show_default=False)],
    keys: Annotated[
        Path | None,
        typer.Option(help="Folder of trusted public keys.", show_default="the key folder, CALLVEIL_KEYS_DIR"),
    ] = None,
    public_key: Annotated[
        Path | None, typer.Option(help="Trust this public key (PEM), and no other.")
    ] = None,
    data: Data = None,
    profile: ProfileOption = "default",
    as_json: Json = False,
) -> None:
    """Check a proof of erasure: who signed it, that nothing in it was changed, and that nothing is left.

    It looks again in every place: store, sealed originals, landing, index of persons, ledger.

    Exit codes: 0 it holds and nothing was found; 1 no such file; 3 something is wrong.
    """
    office = open_office(data, profile)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise MetadataError(f"FILE: cannot be read: {error.strerror}") from None
    known = trusted(keys, public_key, also=office.site.data / "keys")
    checked = check_proof(content, known, office)
    if as_json:
        print_json(
            {
                "request_id": checked.request_id,
                "calls": checked.calls,
                "holds": not checked.faults,
                "faults": list(checked.faults),
            }
        )
    elif checked.faults:
        for fault in checked.faults:
            say(fault)
    else:
        say(
            f"The proof of {checked.request_id} holds: nothing in it was changed, and nothing is left of"
            f" {how_many(checked.calls, 'erased call')}."
        )
    if checked.faults:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print_preview(ahead: Preview) -> None:
    if not ahead.calls:
        say("There is no call to erase.")
        return
    table = Table(title="What would be done", title_justify="left")
    for column in ("call", "what there is of it", "what becomes of it"):
        table.add_column(column, overflow="fold")
    for each in ahead.calls:
        table.add_row(each.call_id, _there(each), _becomes(each))
    console.print(table)
    n_erased = sum(each.is_erased for each in ahead.calls)
    say(f"{how_many(n_erased, 'call')} would be erased, {len(ahead.calls) - n_erased} locked away.")
    for name, number in ahead.recipients.items():
        say(f"{name} would be told of {how_many(number, 'call')}, and asked for a receipt.")
    say("Nothing was changed. To do it, say the same again with --yes; it cannot be undone.")


def _there(each: Outlook) -> str:
    there = [
        (each.there.store_versions, f"{how_many(each.there.store_versions, 'object')} in the store"),
        (each.there.decision_records, "the record of a decision"),
        (each.there.originals, "sealed original audio"),
        (each.there.landing, "raw audio, encrypted, in the landing"),
    ]
    return ", ".join(words for number, words in there if number) or "only its record in the ledger"


def _becomes(each: Outlook) -> str:
    if each.is_erased:
        return "deleted for good, everywhere"
    lines = [f"{PARTS[part.part]}: locked away. {part.reason}" for part in each.stays]
    gone = [PARTS[part] for part in PARTS if part in each.goes]
    return "\n".join([*lines, *([f"{', '.join(gone)}: deleted for good"] if gone else [])])


def _resume(office: Office, as_json: bool) -> None:
    found = erasure.resume(office, actor=actor())
    if as_json:
        print_json(
            {
                "holds": found.holds,
                "removals": found.removals,
                "requests": found.requests,
                "receipts": found.receipts,
                "late": found.late,
                "failed": found.failed,
            }
        )
    else:
        say(
            f"{how_many(found.requests, 'request')} carried on, {how_many(found.removals, 'deletion')}"
            f" finished, {how_many(found.receipts, 'receipt')} of recipients came."
        )
        if found.late:
            say(f"{how_many(found.late, 'notice')} to recipients without a receipt in time.")
        if found.failed:
            say(f"{how_many(found.failed, 'thing')} could not be finished; the log says which.")
    if found.failed or found.late:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print_request(request_id: str, office: Office, as_json: bool) -> None:
    request = office.books.requests.get(request_id)
    if as_json:
        print_json(request_fields(request, office))
    else:
        _print_erasure(request, office)
    if request.state is RequestState.RUNNING:
        raise typer.Exit(EXIT_SOME_FAILED)


def _print_erasure(request: Request, office: Office) -> None:
    items = list(items_of(request.request_id, office))
    counts = {state: sum(item.state is state for item in items) for state in ItemState}
    say(f"Request {request.request_id}: {how_many(counts[ItemState.DONE], 'call')} erased.")
    for item in items:
        if item.state is ItemState.RESTRICTED:
            when = f"on {item.review_at:%Y-%m-%d}" if item.review_at else "when the hold ends"
            say(f"Locked away, and looked at again {when}: {item.call_id}. {item.reason}")
    if counts[ItemState.PENDING]:
        say(
            f"{how_many(counts[ItemState.PENDING], 'call')} could not be erased now. That is tried again by"
            " callveil reconcile, or by: callveil subject erase --resume"
        )
    elif request.state is RequestState.RUNNING:
        say("What is left to do is done by callveil reconcile, or by: callveil subject erase --resume")
    for notice in office.books.notices.notices(request_id=request.request_id):
        if notice.state is NoticeState.CONFIRMED:
            say(f"{notice.recipient} was told and has confirmed.")
        else:
            say(f"{notice.recipient} has not confirmed yet; it is asked again until it has.")
    if request.state is not RequestState.RUNNING:
        say(f"The signed proof is in {proof_file(request.request_id, office)}")


def _print_restriction(request: Request, words: str, office: Office, as_json: bool) -> None:
    if as_json:
        print_json(request_fields(request, office))
    elif request.state is RequestState.DONE:
        say(f"Request {request.request_id}: {how_many(request.n_calls, 'call')} {words}.")
    else:
        say(f"Request {request.request_id} could not be finished now; callveil reconcile goes on with it.")
    if request.state is not RequestState.DONE:
        raise typer.Exit(EXIT_SOME_FAILED)
