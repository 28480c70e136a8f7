"""A call's metadata: the JSON file that lies beside its recording. CALLS.md describes the format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from callveil.adapters.call_document import (
    CALL_ID,
    CALL_ID_ALLOWED,
    CallDocument,
    ConsentDocument,
    ConsentUpdateDocument,
    PartyDocument,
    RecordDocument,
)
from callveil.adapters.field_errors import field_errors
from callveil.adapters.strict_json import BadJsonError, strict_json
from callveil.errors import MetadataError
from callveil.vocabulary.call import Call, Identifiers, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose

MAX_BYTES = 2**20

UNREADABLE_PLACE = "unreadable"
"""Stands in `Party.jurisdiction` for text that is no ISO 3166 code; the consent gate holds such a call."""

_PLACE = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_LAST_START = datetime(2200, 1, 1, tzinfo=UTC)


def parse_call(text: str | bytes, *, source: str, default_started_at: datetime) -> Call:
    """Read the metadata of one call.

    Args:
        text: JSON, UTF-8, at most 1 MiB and 32 levels deep.
        source: Path or name of the file; its last part stands in error messages.
        default_started_at: Aware; start of the call when the metadata does not say.

    Raises:
        MetadataError: It is not such JSON, or a field is unknown, missing or wrong. The message names
            fields and what is allowed, never a value.
    """
    name = Path(source).name
    try:
        content = strict_json(text, max_bytes=MAX_BYTES)
        metadata = CallDocument.model_validate_json(content)
    except BadJsonError as error:
        problem = f"document: {error}"
    except ValidationError as error:
        problem = field_errors(error, CallDocument, show_names=False)
    else:
        return _call(metadata, name, default_started_at)
    # Raised out here so that no error that holds the document hangs on to this one.
    raise _error(name, problem)


def parse_consent(text: str | bytes, *, source: str, call: Call) -> tuple[ConsentRecord, ...]:
    """Read answers that come after the call's metadata.

    Args:
        text: JSON, UTF-8: {"consent": ...}, see CALLS.md.
        source: Stands in error messages.
        call: For the parties that records name.

    Raises:
        MetadataError: It is not such JSON, says nothing, or names a party the call does not have.
    """
    try:
        update = ConsentUpdateDocument.model_validate_json(strict_json(text, max_bytes=MAX_BYTES))
    except BadJsonError as error:
        problem = f"document: {error}"
    except ValidationError as error:
        problem = field_errors(error, ConsentUpdateDocument, show_names=False)
    else:
        answer = update.consent
        if isinstance(answer, RecordDocument):
            fields = {purpose.value: answer for purpose in Purpose}
            answer = ConsentDocument.model_construct(**fields)  # type: ignore[arg-type]
        records = tuple(_records(answer, call.parties, source))
        if not records:
            raise _error(source, "consent: says nothing; allowed: an answer for one purpose at least")
        return records
    raise _error(source, problem)


def minimal_call(call_id: str, flag: Flag, started_at: datetime) -> Call:
    """A call of which nothing is known but one flag for every purpose and all parties.

    Args:
        call_id: As in the metadata.
        flag: The answer.
        started_at: Aware.

    Raises:
        MetadataError: `call_id` is not allowed.
    """
    if re.fullmatch(CALL_ID, call_id) is None:
        raise MetadataError(f"call_id: allowed: {CALL_ID_ALLOWED}")
    return Call(call_id=call_id, started_at=started_at.astimezone(UTC), consent=_for_every_purpose(flag))


def _error(name: str, problem: str) -> MetadataError:
    return MetadataError("\n".join(f"{name}: {line}" for line in problem.splitlines()))


def _call(metadata: CallDocument, name: str, default_started_at: datetime) -> Call:
    started_at = metadata.started_at or default_started_at.astimezone(UTC)
    if started_at >= _LAST_START:
        raise _error(name, "started_at: must lie before the year 2200")
    return Call(
        call_id=metadata.call_id,
        started_at=started_at,
        direction=metadata.direction,
        queue=metadata.queue,
        agent=metadata.agent,
        language=metadata.language[:2].lower() if metadata.language else None,
        parties=tuple(_party(party) for party in metadata.parties),
        consent=tuple(_records(metadata.consent, metadata.parties, name)),
        tags=tuple(dict.fromkeys(metadata.tags)),
    )


def _party(party: PartyDocument) -> Party:
    return Party(
        role=party.role,
        channel=party.channel,
        jurisdiction=_place(party.jurisdiction),
        identifiers=Identifiers(**party.identifiers.model_dump()),
    )


def _place(text: str | None) -> str | None:
    """A code in capitals, None for nothing, else a word that says that something unreadable stood there."""
    if text is None:
        return None
    code = text.strip().upper()
    return code if text.isascii() and _PLACE.fullmatch(code) else UNREADABLE_PLACE


def _records(
    consent: Flag | ConsentDocument | None, parties: Sequence[Party | PartyDocument], name: str
) -> Iterator[ConsentRecord]:
    if isinstance(consent, Flag):
        yield from _for_every_purpose(consent)
        return
    for purpose in Purpose:
        answer = getattr(consent, purpose, None)
        if isinstance(answer, Flag):
            yield ConsentRecord(purpose=purpose, flag=answer)
            continue
        records = (answer,) if isinstance(answer, RecordDocument) else answer or ()
        for index, record in enumerate(records):
            where = f"consent.{purpose}.{index}" if isinstance(answer, tuple) else f"consent.{purpose}"
            for party in _parties(record.party, parties, f"{where}.party", name):
                yield _record(purpose, record, party)


def _for_every_purpose(flag: Flag) -> tuple[ConsentRecord, ...]:
    return tuple(ConsentRecord(purpose=purpose, flag=flag) for purpose in Purpose)


def _parties(
    who: int | Role | None, parties: Sequence[Party | PartyDocument], where: str, name: str
) -> tuple[int | None, ...]:
    """The indices that a record's `party` stands for."""
    if who is None:
        return (None,)
    if isinstance(who, Role):
        found = tuple(index for index, party in enumerate(parties) if party.role is who)
        if not found:
            raise _error(name, f"{where}: no party in parties has this role")
        return found
    if who >= len(parties):
        raise _error(
            name, f"{where}: is no index into parties, which has {len(parties)} entries, counted from 0"
        )
    return (who,)


def _record(purpose: Purpose, record: RecordDocument, party: int | None) -> ConsentRecord:
    return ConsentRecord(
        purpose=purpose,
        flag=record.flag or Flag.UNKNOWN,
        lawful_basis=record.lawful_basis,
        party=party,
        given_at=record.given_at,
        method=record.method,
        verbal_at_s=record.verbal_at_s,
        expires_at=record.expires_at,
        withdrawn_at_s=record.withdrawn_at_s,
    )
