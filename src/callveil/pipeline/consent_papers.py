"""What a call's consent was: its history, and a receipt for one of its parties."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from callveil.errors import NotFoundError
from callveil.kit import Office
from callveil.pipeline.export import controller_of
from callveil.retention.policy import decide
from callveil.rights.consent_receipt import ReceiptFacts, consent_receipt, receipt_party
from callveil.rights.wording import stamp
from callveil.stages.documents.consent import lawful_basis_attachments
from callveil.vocabulary.consent import ConsentRecord
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.retention import KeptPart


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt.

    Attributes:
        document: JSON-LD.
        lawful_basis: The same answers as vCon attachments of type lawful_basis.
        party: Whose it is; None for a call without parties.
        missing: Settings of the profile that the receipt should name and are empty.
    """

    document: dict[str, object]
    lawful_basis: tuple[dict[str, object], ...]
    party: int | None
    missing: tuple[str, ...]


def make_receipt(office: Office, call_id: str, *, party: int | None, actor: str) -> Receipt:
    """Write the receipt of a party, and that it was given into the audit chain.

    Args:
        office: Where everything is.
        call_id: The call.
        party: Index into its parties; None for its only customer.
        actor: As in the audit chain.

    Raises:
        NotFoundError: No such call, or it was erased.
        MetadataError: There is no such party, or several could be meant.
    """
    call = known_call(office, call_id)
    whose, now = receipt_party(call.call, party), office.clock.now()
    until, why = _kept(office, call)
    controller = controller_of(office)
    facts = ReceiptFacts(
        call=call.call,
        party=whose,
        history=[(at, record) for at, _, record in office.ledger.consent_history(call_id)],
        controller=controller,
        kept_until=until,
        kept_why=why,
        recipients=[
            recipient.name
            for recipient in office.recipients
            if not recipient.queues or call.call.queue in recipient.queues
        ],
        created_at=now,
    )
    attachments = lawful_basis_attachments(call.call, n_parties=max(1, len(call.call.parties)))
    receipt = Receipt(
        document=consent_receipt(facts),
        lawful_basis=tuple(a for a in attachments if a["party"] == (whose or 0)),
        party=whose,
        missing=controller.missing,
    )
    office.ledger.note(
        actor=actor, action="consent.receipt", call_id=call_id, detail={"party": whose}, now=now
    )
    return receipt


def known_call(office: Office, call_id: str) -> LedgerCall:
    """A call that is not erased.

    Raises:
        NotFoundError: There is none.
    """
    call = office.ledger.get(call_id)
    if call.state is CallState.ERASED:
        raise NotFoundError("the call was erased")
    return call


def consent_history(office: Office, call_id: str) -> tuple[tuple[datetime, str, ConsentRecord], ...]:
    """Every answer with its time and who brought it, oldest first.

    Raises:
        NotFoundError: No such call, or it was erased.
    """
    return office.ledger.consent_history(known_call(office, call_id).call_id)


def history_fields(
    known: LedgerCall, answers: Sequence[tuple[datetime, str, ConsentRecord]]
) -> dict[str, object]:
    """The history as `callveil consent history --json` prints it.

    Args:
        known: The call.
        answers: What `consent_history` found.
    """
    return {
        "call_id": known.call_id,
        "history": [{"noted_at": stamp(at), "actor": who, **_fields(record)} for at, who, record in answers],
        "standing": [_fields(record) for record in known.call.consent],
    }


def _fields(record: ConsentRecord) -> dict[str, object]:
    return {
        "purpose": record.purpose.value,
        "answer": record.flag.value,
        "party": record.party,
        "lawful_basis": record.lawful_basis.value if record.lawful_basis else None,
        "given_at": stamp(record.given_at) if record.given_at else None,
        "method": record.method.value if record.method else None,
        "verbal_at_s": record.verbal_at_s,
        "expires_at": stamp(record.expires_at) if record.expires_at else None,
        "withdrawn_at_s": record.withdrawn_at_s,
    }


def _kept(office: Office, call: LedgerCall) -> tuple[datetime | None, str]:
    swept = office.books.removals.swept(call.call_id)
    decision = decide(
        swept.facts,
        office.policies,
        swept.holds,
        swept.requests,
        office.clock.now(),
        restricted=swept.restricted is not None,
    )
    audio = next((part for part in decision.parts if part.part is KeptPart.AUDIO), None)
    if audio is None:
        return None, "The recording is deleted already."
    if swept.holds:
        return None, "until a legal claim or proceeding has ended"
    return audio.until, audio.reason
