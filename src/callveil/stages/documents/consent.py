"""Consent as vCon attachments of type lawful_basis.

Source: draft-howe-vcon-lawful-basis (2025-09-25), "Lawful Basis Attachment Structure". It leaves the time
of a grant no way to be absent, so the start of the call stands in for one that was not stated.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from callveil.stages.documents.forms import utc
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method

_PROOF = {
    Method.VERBAL: "verbal_confirmation",
    Method.CONTRACT: "signed_document",
    Method.KEYPRESS: "external_system",
    Method.ANNOUNCEMENT: "external_system",
}


def lawful_basis_attachments(call: Call, *, n_parties: int) -> list[dict[str, object]]:
    """One attachment per party, basis and end date; a record for all parties is written for each of them.

    Args:
        call: The call with its consent records.
        n_parties: How many parties the vCon has.
    """
    groups: dict[tuple[int, LawfulBasis, datetime | None], list[ConsentRecord]] = {}
    for record in call.consent:
        basis = record.lawful_basis or LawfulBasis.CONSENT
        for party in range(n_parties) if record.party is None else [record.party]:
            groups.setdefault((party, basis, record.expires_at), []).append(record)
    return [
        _attachment(call, party, basis, expires_at, records)
        for (party, basis, expires_at), records in groups.items()
    ]


def _attachment(
    call: Call,
    party: int,
    basis: LawfulBasis,
    expires_at: datetime | None,
    records: list[ConsentRecord],
) -> dict[str, object]:
    body: dict[str, object] = {
        "lawful_basis": basis.value,
        "expiration": None if expires_at is None else utc(expires_at),
        "purpose_grants": [_grant(call, record) for record in records],
    }
    proofs = [_proof(call, record, record.method) for record in records if record.method is not None]
    if proofs:
        body["proof_mechanisms"] = proofs
    return {
        "type": "lawful_basis",
        "purpose": "lawful_basis",
        "start": utc(min(_given_at(call, record) for record in records)),
        "party": party,
        "dialog": 0,
        "mediatype": "application/json",
        "encoding": "json",
        "body": body,
    }


def _grant(call: Call, record: ConsentRecord) -> dict[str, object]:
    grant: dict[str, object] = {
        "purpose": record.purpose.value,
        "granted": record.flag is Flag.GRANTED,
        "granted_at": utc(_given_at(call, record)),
    }
    if record.flag is Flag.UNKNOWN:
        grant["conditions"] = ["not answered"]
    if record.flag is Flag.WITHDRAWN:
        when = record.withdrawn_at_s
        grant["conditions"] = ["withdrawn" if when is None else f"withdrawn at second {when:.3f} of the call"]
    return grant


def _proof(call: Call, record: ConsentRecord, method: Method) -> dict[str, object]:
    data: dict[str, object] = {"method": method.value}
    if method is Method.VERBAL:
        data["dialog_reference"] = 0
        if record.verbal_at_s is not None:
            data["time_offset"] = _clock(record.verbal_at_s)
    return {
        "proof_type": _PROOF[method],
        "timestamp": utc(_given_at(call, record)),
        "proof_data": data,
    }


def _given_at(call: Call, record: ConsentRecord) -> datetime:
    if record.given_at is not None:
        return record.given_at
    return call.started_at + timedelta(seconds=record.verbal_at_s or 0.0)


def _clock(second: float) -> str:
    minutes, s = divmod(int(second), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{s:02d}"
