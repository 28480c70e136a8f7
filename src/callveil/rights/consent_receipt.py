"""A consent receipt: what one party of a call agreed to, as JSON-LD that others can read.

Structure and terms: "Consent Records and Receipts as per ISO/IEC TS 27560:2023 using DPV", Final Community
Group Report of 2024-08-01, https://w3id.org/dpv/guides/consent-27560, sections "DPV-27560 Consent Record" and
"DPV-27560 Consent Receipts", and the Data Privacy Vocabulary 2, https://w3id.org/dpv. The standard wants one
record per decision; a receipt wraps the records of a party's purposes.

Its context is written out, so that nobody has to fetch one. What the guide asks for and no software knows
(name and address of the controller, the notice) is listed under "callveil:missing" instead of being made up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from uuid import UUID, uuid5

from callveil.errors import MetadataError
from callveil.rights.controller import Controller
from callveil.rights.export_documents import own_answers
from callveil.rights.wording import METHODS, PURPOSES, stamp
from callveil.vocabulary.call import Call, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose

CONTEXT: Mapping[str, str] = MappingProxyType(
    {
        "dpv": "https://w3id.org/dpv#",
        "pd": "https://w3id.org/dpv/pd#",
        "loc": "https://w3id.org/dpv/loc#",
        "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
        "dct": "http://purl.org/dc/terms/",
        "schema": "https://schema.org/",
        "skos": "http://www.w3.org/2004/02/skos/core#",
        "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
        "callveil": "urn:callveil:consent-receipt#",
    }
)

PROFILE_RECEIPT = "https://w3id.org/dpv/schema/dpv-27560#receipt"
PROFILE_RECORD = "https://w3id.org/dpv/schema/dpv-27560#record"

_IDS = UUID("5f2f2c1e-0a2b-5d0f-9d4b-6a2f7f0c6b11")
"""Name space of the ids: the same call, party and purpose always have the same one."""

_PURPOSES = {
    Purpose.RECORDING: "dpv:RecordManagement",
    Purpose.TRANSCRIPTION: "dpv:ServiceRecordManagement",
    Purpose.QUALITY_REVIEW: "dpv:ImproveInternalCRMProcesses",
    Purpose.ANALYTICS: "dpv:ServiceUsageAnalytics",
}
_PROCESSING = {
    Purpose.RECORDING: ["dpv:Collect", "dpv:Record", "dpv:Store", "dpv:Pseudonymise"],
    Purpose.TRANSCRIPTION: ["dpv:Transform", "dpv:Store"],
    Purpose.QUALITY_REVIEW: ["dpv:Consult"],
    Purpose.ANALYTICS: ["dpv:Analyse"],
}
_STATUS = {
    Flag.GRANTED: "dpv:ConsentGiven",
    Flag.DENIED: "dpv:ConsentRefused",
    Flag.UNKNOWN: "dpv:ConsentUnknown",
    Flag.WITHDRAWN: "dpv:ConsentWithdrawn",
}
_BASES = {
    LawfulBasis.CONSENT: "eu-gdpr:A6-1-a",
    LawfulBasis.CONTRACT: "eu-gdpr:A6-1-b",
    LawfulBasis.LEGAL_OBLIGATION: "eu-gdpr:A6-1-c",
    LawfulBasis.VITAL_INTERESTS: "eu-gdpr:A6-1-d",
    LawfulBasis.PUBLIC_TASK: "eu-gdpr:A6-1-e",
    LawfulBasis.LEGITIMATE_INTERESTS: "eu-gdpr:A6-1-f",
}
_TYPES = {  # how clearly an answer was expressed; staying on the line implies it
    Method.ANNOUNCEMENT: "dpv:ImpliedConsent",
    Method.KEYPRESS: "dpv:ExpressedConsent",
    Method.VERBAL: "dpv:ExpressedConsent",
    Method.CONTRACT: "dpv:ExpressedConsent",
}
_SUBJECTS = {
    Role.CUSTOMER: "dpv:Customer",
    Role.AGENT: "dpv:Employee",
    Role.SUPERVISOR: "dpv:Employee",
    Role.THIRD_PARTY: "dpv:DataSubject",
}
_RIGHTS = {
    "A7-3": "Right to withdraw consent",
    "A15": "Right of access",
    "A17": "Right to erasure",
    "A18": "Right to restriction",
    "A20": "Right to data portability",
    "A77": "Right to lodge a complaint",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptFacts:
    """What a receipt says.

    Attributes:
        call: Metadata with the answers that stand.
        party: Whose receipt it is; None for a call without parties.
        history: Every answer with the time it was noted, oldest first.
        controller: Who answers for the recordings.
        kept_until: When the recording is deleted; None when nobody knows yet.
        kept_why: In a sentence.
        recipients: Names of the systems that get copies.
        created_at: Aware UTC.
    """

    call: Call
    party: int | None
    history: Sequence[tuple[datetime, ConsentRecord]]
    controller: Controller
    kept_until: datetime | None
    kept_why: str
    recipients: Sequence[str]
    created_at: datetime


def receipt_party(call: Call, wanted: int | None) -> int | None:
    """Whose receipt to write.

    Args:
        call: The call.
        wanted: Index into its parties; None for its only customer.

    Raises:
        MetadataError: There is no such party, or more than one could be meant.
    """
    if wanted is not None:
        if 0 <= wanted < len(call.parties):
            return wanted
        raise MetadataError(f"party: the call has none of that number; allowed: 0 to {len(call.parties) - 1}")
    customers = [i for i, party in enumerate(call.parties) if party.role is Role.CUSTOMER]
    if len(customers) == 1:
        return customers[0]
    if not call.parties:
        return None
    raise MetadataError(f"party: the call has {len(customers)} customers; say which party is meant")


def consent_receipt(facts: ReceiptFacts) -> dict[str, object]:
    """Write a receipt: one record for each purpose that the party, or everybody, was asked for."""
    parties = () if facts.party is None else (facts.party,)
    answers = [(at, record) for at, record in facts.history if own_answers([record], parties)]
    purposes = [p for p in Purpose if any(record.purpose is p for _, record in answers)]
    identifier = _id(facts, "receipt", stamp(facts.created_at))
    return {
        "@context": dict(CONTEXT),
        "@id": f"urn:uuid:{identifier}",
        "@type": "dpv:ConsentReceipt",
        "dct:conformsTo": PROFILE_RECEIPT,
        "dpv:hasIdentifier": identifier,
        "dct:identifier": identifier,
        "dct:created": stamp(facts.created_at),
        "dct:publisher": _CONTROLLER,
        "dct:audience": "dpv:DataSubject",
        "dct:source": f"urn:callveil:call:{facts.call.call_id}",
        "dpv:hasEntity": [_controller(facts.controller)],
        "dpv:hasRecordOfActivity": [_record(facts, purpose, answers, parties) for purpose in purposes],
        "callveil:missing": list(facts.controller.missing),
    }


_CONTROLLER = {"@id": "urn:callveil:controller"}


def _controller(controller: Controller) -> dict[str, object]:
    entity: dict[str, object] = {
        **_CONTROLLER,
        "@type": "dpv:DataController",
        "dpv:hasIdentifier": _CONTROLLER["@id"],
        "dpv:hasName": controller.name or None,
    }
    points: list[dict[str, str]] = []
    if controller.contact:
        points.append({"@type": "schema:ContactPoint", "schema:description": controller.contact})
    if controller.address:
        points.append({"@type": "schema:PostalAddress", "schema:streetAddress": controller.address})
    entity["schema:contactPoint"] = points
    return entity


def _record(
    facts: ReceiptFacts,
    purpose: Purpose,
    answers: Sequence[tuple[datetime, ConsentRecord]],
    parties: tuple[int, ...],
) -> dict[str, object]:
    about = [(at, record) for at, record in answers if record.purpose is purpose]
    standing = [r for r in own_answers(facts.call.consent, parties) if r.purpose is purpose]
    bases = dict.fromkeys(
        record.lawful_basis or LawfulBasis.CONSENT for record in standing or [r for _, r in about]
    )
    identifier = _id(facts, "record", purpose.value)
    role = facts.call.parties[facts.party].role if facts.party is not None else None
    places = sorted({party.jurisdiction for party in facts.call.parties if party.jurisdiction})
    return {
        "@id": f"urn:uuid:{identifier}",
        "@type": "dpv:ConsentRecord",
        "dct:conformsTo": PROFILE_RECORD,
        "dpv:hasIdentifier": identifier,
        "dct:identifier": identifier,
        "dpv:hasDataSubject": {
            "@id": f"urn:uuid:{_id(facts, 'subject', '')}",
            "@type": "dpv:DataSubject",
            "skos:broader": _SUBJECTS.get(role, "dpv:DataSubject") if role else "dpv:DataSubject",
        },
        "dpv:hasDataController": _CONTROLLER,
        "dpv:hasJurisdiction": [f"loc:{place}" for place in places],
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasNotice": _notice(facts, about),
        "dpv:hasProcess": _process(facts, purpose, list(bases)),
        "dpv:hasConsentControl": {
            "@type": ["dpv:ProvideConsent", "dpv:WithdrawConsent"],
            "dpv:isExercisedAt": facts.controller.contact or None,
        },
        "dpv:hasRight": [
            {
                "@type": ["dpv:DataSubjectRight", f"eu-gdpr:{article}"],
                "dct:title": title,
                "dpv:isExercisedAt": (
                    facts.controller.authority if article == "A77" else facts.controller.contact
                )
                or None,
            }
            for article, title in _RIGHTS.items()
        ],
        "dpv:hasConsentStatus": [_event(facts, at, record) for at, record in about],
    }


def _process(facts: ReceiptFacts, purpose: Purpose, bases: list[LawfulBasis]) -> dict[str, object]:
    duration: dict[str, object]
    if facts.kept_until is None:
        duration = {"@type": "dpv:UntilEventDuration", "rdf:value": facts.kept_why}
    else:
        duration = {"@type": "dpv:UntilTimeDuration", "rdf:value": stamp(facts.kept_until)}
    return {
        "@type": "dpv:Process",
        "dpv:hasPurpose": {
            "@id": f"urn:callveil:purpose:{purpose.value}",
            "@type": "dpv:Purpose",
            "skos:broader": _PURPOSES[purpose],
            "dct:title": PURPOSES[purpose],
        },
        "dpv:hasLegalBasis": [_BASES[basis] for basis in bases],
        "dpv:hasPersonalData": ["pd:VoiceCommunicationRecording"],
        "dpv:hasProcessing": _PROCESSING[purpose],
        "dpv:hasDataController": _CONTROLLER,
        "dpv:hasDataSource": "dpv:DataSubject",
        "dpv:hasStorageCondition": [
            {
                "@type": "dpv:StorageDuration",
                "dpv:hasDuration": duration,
                "dct:description": facts.kept_why,
            }
        ],
        "dpv:hasRecipient": [
            {"@type": "dpv:Recipient", "dpv:hasName": recipient} for recipient in facts.recipients
        ],
    }


def _notice(facts: ReceiptFacts, about: Sequence[tuple[datetime, ConsentRecord]]) -> dict[str, object]:
    methods = list(dict.fromkeys(METHODS[r.method] for _, r in about if r.method))
    notice: dict[str, object] = {
        "@type": "dpv:ConsentNotice",
        "dct:language": facts.call.language or "und",
        "dct:description": f"answered {' and '.join(methods)}" if methods else "not recorded with the call",
    }
    return {"@id": facts.controller.notice, **notice} if facts.controller.notice else notice


def _event(facts: ReceiptFacts, noted_at: datetime, record: ConsentRecord) -> dict[str, object]:
    types = [_STATUS[record.flag]]
    if record.flag is Flag.GRANTED and record.method is not None:
        types.append(_TYPES[record.method])
    event: dict[str, object] = {
        "@type": types,
        "dpv:isIndicatedBy": "dpv:DataSubject",
        "dpv:isIndicatedAtTime": stamp(_indicated_at(facts.call, noted_at, record)),
        "dct:date": stamp(noted_at),
        "dpv:hasDuration": {"@type": "dpv:EndlessDuration"}
        if record.expires_at is None
        else {"@type": "dpv:UntilTimeDuration", "rdf:value": stamp(record.expires_at)},
    }
    if record.method is not None:
        event["dpv:hasIndicationMethod"] = METHODS[record.method]
    return event


def _indicated_at(call: Call, noted_at: datetime, record: ConsentRecord) -> datetime:
    second = record.withdrawn_at_s if record.flag is Flag.WITHDRAWN else record.verbal_at_s
    if second is not None:
        return call.started_at + timedelta(seconds=second)
    return record.given_at or noted_at


def _id(facts: ReceiptFacts, what: str, name: str) -> str:
    return str(uuid5(_IDS, "\0".join([what, facts.call.call_id, str(facts.party), name])))
