"""A call of the ledger as a row, and its metadata as JSON without the identifiers of its parties."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from callveil.adapters.ledger_sql.tables import time_of, time_text
from callveil.vocabulary.call import Call, Direction, Identifiers, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose
from callveil.vocabulary.ledger import CallState, LedgerCall


def dump(value: object) -> str:
    """Canonical JSON: sorted keys, no spaces, characters as they are.

    Raises:
        ValueError: It holds a number that JSON has no form for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def without_identifiers(call: Call) -> Call:
    """The call without what its parties could be found by."""
    parties = tuple(replace(party, identifiers=Identifiers()) for party in call.parties)
    return replace(call, parties=parties)


def call_to_json(call: Call) -> str:
    """Metadata as JSON; phone numbers, e-mail addresses and customer ids are left out."""
    return dump(
        {
            "call_id": call.call_id,
            "started_at": time_text(call.started_at),
            "direction": call.direction,
            "queue": call.queue,
            "agent": call.agent,
            "language": call.language,
            "parties": [
                {"role": party.role, "channel": party.channel, "jurisdiction": party.jurisdiction}
                for party in call.parties
            ],
            "consent": [_record_document(record) for record in call.consent],
            "tags": list(call.tags),
        }
    )


def call_from_json(text: str) -> Call:
    """What `call_to_json` wrote: the same call without identifiers."""
    document = json.loads(text)
    return Call(
        call_id=document["call_id"],
        started_at=time_of(document["started_at"]),
        direction=Direction(document["direction"]),
        queue=document["queue"],
        agent=document["agent"],
        language=document["language"],
        parties=tuple(
            Party(role=Role(party["role"]), channel=party["channel"], jurisdiction=party["jurisdiction"])
            for party in document["parties"]
        ),
        consent=tuple(_record(record) for record in document["consent"]),
        tags=tuple(document.get("tags", ())),  # rows of revision 0001 have none
    )


def record_to_json(record: ConsentRecord) -> str:
    """One answer as JSON."""
    return dump(_record_document(record))


def record_from_json(text: str) -> ConsentRecord:
    """What `record_to_json` wrote."""
    return _record(json.loads(text))


def _record_document(record: ConsentRecord) -> dict[str, Any]:
    return {
        "purpose": record.purpose,
        "flag": record.flag,
        "lawful_basis": record.lawful_basis,
        "party": record.party,
        "given_at": _text(record.given_at),
        "method": record.method,
        "verbal_at_s": record.verbal_at_s,
        "expires_at": _text(record.expires_at),
        "withdrawn_at_s": record.withdrawn_at_s,
    }


def _record(document: dict[str, Any]) -> ConsentRecord:
    basis, method = document["lawful_basis"], document["method"]
    return ConsentRecord(
        purpose=Purpose(document["purpose"]),
        flag=Flag(document["flag"]),
        lawful_basis=None if basis is None else LawfulBasis(basis),
        party=document["party"],
        given_at=_time(document["given_at"]),
        method=None if method is None else Method(method),
        verbal_at_s=document["verbal_at_s"],
        expires_at=_time(document["expires_at"]),
        withdrawn_at_s=document["withdrawn_at_s"],
    )


def _text(time: datetime | None) -> str | None:
    return None if time is None else time_text(time)


def _time(text: str | None) -> datetime | None:
    return None if text is None else time_of(text)


def ledger_call(row: sa.Row[Any]) -> LedgerCall:
    """A row of the table of calls."""
    return LedgerCall(
        call=call_from_json(row.call),
        state=CallState(row.state),
        reason=row.reason,
        error_code=row.error_code,
        source=row.source,
        landing=row.landing,
        stream=row.stream,
        content_sha256=row.content_sha256,
        n_bytes=row.n_bytes,
        incomplete=row.incomplete,
        prefix=row.prefix,
        keep_until_s=row.keep_until_s,
        hold_until=row.hold_until,
        duration_s=row.duration_s,
        masked_s=json.loads(row.masked_s),
        attempts=row.attempts,
        consent_version=row.consent_version,
        received_at=row.received_at,
        arrived_at=row.arrived_at,
        updated_at=row.updated_at,
    )
