"""What the verbs for rights have in common: whose calls are meant, days, and words for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

import typer

from callveil.cli.output import say
from callveil.cli.subject_options import identifiers
from callveil.errors import MetadataError
from callveil.kit import Office
from callveil.pipeline.outlook import Sought, named, of_subject
from callveil.pipeline.subjects import find_subject
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.rights import RequestKind, RequestState

Calls = Annotated[
    list[str] | None, typer.Option("--call", help="A call by its id; repeatable.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of words.")]

Despite = Annotated[
    str | None,
    typer.Option(
        "--despite-restriction",
        help="Why a restricted call must be read all the same; stands in the audit chain.",
        show_default=False,
    ),
]

PARTS = {
    KeptPart.AUDIO: "redacted audio",
    KeptPart.TRANSCRIPT: "transcript",
    KeptPart.ORIGINAL: "original audio",
    KeptPart.CERTIFICATE: "certificate",
}

REQUESTS = {
    RequestKind.ACCESS: "access",
    RequestKind.PORTABILITY: "a copy to take along",
    RequestKind.ERASURE: "erasure",
    RequestKind.RESTRICTION: "restriction",
    RequestKind.WITHDRAWAL: "consent withdrawn",
}

STATES = {
    RequestState.OPEN: "open",
    RequestState.RUNNING: "being done",
    RequestState.PARTLY_DONE: "partly done",
    RequestState.DONE: "done",
    RequestState.REFUSED: "refused",
}


def sought(
    office: Office,
    *,
    phone: Sequence[str] | None,
    email: Sequence[str] | None,
    customer_id: Sequence[str] | None,
    region: str | None,
    linked: Sequence[str] | None,
    from_stdin: bool,
    call: Sequence[str] | None,
) -> Sought:
    """The calls that the options of a verb mean: of a person, or named ones, or both.

    Raises:
        MetadataError: Nobody and no call is named, or an identifier is wrong.
        NotFoundError: A named call is not there.
    """
    if not (phone or email or customer_id or from_stdin):
        if not call or linked:
            raise MetadataError("name a person with --phone, --email or --customer-id, or calls with --call")
        return named(call, office)
    wanted = identifiers(phone, email, customer_id, region, from_stdin)
    found = find_subject(wanted, linked or (), office)
    if found.linked:
        say(
            f"{len(found.linked)} more identifiers may be of the same person; callveil subject find shows"
            " them, and --with ID takes them in.",
            error=True,
        )
    if not found.complete:
        say("A key rotation is not finished; first: callveil subject-key rotate --resume", error=True)
    return of_subject(found, call or (), office)


def day(text: str | None, option: str) -> datetime | None:
    """A day or a moment of ISO 8601; UTC where it says no zone.

    Raises:
        MetadataError: It is something else.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise MetadataError(f"{option}: allowed: a date such as 2026-11-24, or a time of ISO 8601") from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def day_after(moment: datetime) -> datetime:
    """Midnight after a day; a moment that is no midnight stays itself."""
    return moment + timedelta(days=1) if moment.time() == time.min else moment


def received_day(text: str | None, office: Office) -> datetime | None:
    """When a request came.

    Raises:
        MetadataError: It is no date, or lies in the future.
    """
    found = day(text, "--received")
    if found is not None and found > office.clock.now():
        raise MetadataError("--received: lies in the future; allowed: the day the request came")
    return found


def how_many(number: int, what: str) -> str:
    """A number and its noun: "1 call", "2 calls"."""
    return f"{number} {what}{'' if number == 1 else 's'}"
