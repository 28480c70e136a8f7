"""What a person gets with their calls (GDPR Art. 15 and 20): facts, and data.json of the archive.

Only the person's own answers and what is already redacted is in it: Art. 15(4) keeps the others' data out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from callveil.rights.controller import Controller
from callveil.rights.wording import PURPOSES, STATES, stamp
from callveil.vocabulary.call import Call
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import PartDecision

SCHEMA_VERSION = "1.0"
"""Of export.schema.json; the first number changes when old readers break."""

OTHERS = (
    "Other people speak in these calls too. Their personal data is protected as yours is, so what you get is "
    "the redacted recording: names, numbers, addresses and the like are masked in it, whoever said them."
)
"""Why the export is of the redacted recording."""

CATEGORIES = (
    "your voice",
    "what was said in the call, with personal details masked",
    "when the call was, how long it took and which line it came in on",
    "what you answered when you were asked for consent",
)
"""Art. 15(1)(b): categories of personal data."""

SOURCE = (
    "The recording comes from the telephone call itself; its date and line come from the telephone system."
)
"""Art. 15(1)(g): where the data comes from."""

AUTOMATED = (
    "Software wrote down the call, looked for personal details and masked them; a second program listened to "
    "the result and checked that none was left. Fixed rules decide from the answers about consent whether a "
    "call is kept at all, and from its age when it is deleted. None of this evaluates you or your behaviour, "
    "and no decision about you with legal or similar effect is made by it (GDPR Art. 22)."
)
"""Art. 15(1)(h): automated decisions and the logic involved, as far as Callveil goes."""

RIGHTS = (
    "to have wrong data corrected (Art. 16)",
    "to have your data erased (Art. 17)",
    "to have its use restricted (Art. 18)",
    "to get it in a machine-readable form, or have it sent to somebody else (Art. 20)",
    "to object to its use (Art. 21)",
    "to withdraw a consent at any time (Art. 7(3))",
)
"""Art. 15(1)(e): what else the person may ask for."""


HELD = "It must be kept for a legal claim or a proceeding, until that has ended (GDPR Art. 17(3))."
"""Instead of the words of a legal hold, which name who demands it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedAnswer:
    """An answer about consent with its place in the history.

    Attributes:
        record: The answer.
        noted_at: When Callveil noted it, aware UTC.
        source: "call" (it came with the call), "staff" or "system"; without names.
    """

    record: ConsentRecord
    noted_at: datetime
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedKind:
    """How often a kind of personal data was masked in a call.

    Attributes:
        kind: As in the certificate: "CREDIT_CARD".
        label: For people: "Card number".
        times: How many stretches.
        seconds: All of them together.
    """

    kind: str
    label: str
    times: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Which programs dealt with a call; out of its certificate.

    Attributes:
        engines: Pairs of what each one did ("transcriber", ...) and its name.
        verified: "clean" when another recogniser found nothing left; None for a call of before there was one.
        rounds: How often that one heard it.
        profile: Name of the settings.
        tool_version: Of Callveil.
    """

    engines: tuple[tuple[str, str], ...]
    verified: str | None
    rounds: int
    profile: str
    tool_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCall:
    """A call as its person gets it.

    Attributes:
        call: Its metadata.
        roles: What the person is in it: "customer".
        parties: Indexes of the person's parties.
        state: Where it stands.
        received_at: Since when it is held, aware UTC.
        duration_s: Of the redacted recording; None when there is none.
        folder: Folder in the archive, ending in "/"; None when nothing of it is there.
        files: Names of the files in that folder.
        masked: By kind.
        standing: Answers of the person that stand now.
        history: All answers of the person, oldest first.
        kept: What is decided of each part.
        restricted: Its use is restricted (Art. 18).
        held: A legal hold keeps it.
        recipients: Pairs of name and kind of the systems that get copies of such calls.
        handling: None when it was not redacted.
        original_until: How long an encrypted original is kept; None when there is none.
    """

    call: Call
    roles: tuple[str, ...]
    parties: tuple[int, ...]
    state: CallState
    received_at: datetime
    duration_s: float | None = None
    folder: str | None = None
    files: tuple[str, ...] = ()
    masked: tuple[MaskedKind, ...] = ()
    standing: tuple[ConsentRecord, ...] = ()
    history: tuple[NotedAnswer, ...] = ()
    kept: tuple[PartDecision, ...] = ()
    restricted: bool = False
    held: bool = False
    recipients: tuple[tuple[str, str], ...] = ()
    handling: Handling | None = None
    original_until: datetime | None = None

    @property
    def note(self) -> str:
        """What becomes of it, in one or two sentences."""
        notes = [STATES[self.state]]
        if self.state is CallState.PUBLISHED and self.folder is None:
            notes = ["Its redacted recording has been deleted already."]
        if self.restricted:
            notes.append("It is stored and not used for anything else (restricted, GDPR Art. 18).")
        return " ".join(notes)

    @property
    def bases(self) -> tuple[LawfulBasis, ...]:
        """Lawful bases of that use; consent where an answer states none."""
        return tuple(dict.fromkeys(r.lawful_basis or LawfulBasis.CONSENT for r in self._allowing))

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """What the call may be used for, as far as the answers name it."""
        return tuple(dict.fromkeys(r.purpose for r in self._allowing))

    @property
    def _allowing(self) -> tuple[ConsentRecord, ...]:
        """Answers that let the call be used, without those for what somebody has denied."""
        denied = {record.purpose for record in self.standing if record.flag is Flag.DENIED}
        return tuple(each for each in self.standing if each.allows and each.purpose not in denied)


def own_answers(records: Sequence[ConsentRecord], parties: Sequence[int]) -> tuple[ConsentRecord, ...]:
    """Answers of these parties and those that stand for everybody; the others' are theirs."""
    return tuple(record for record in records if record.party is None or record.party in parties)


def is_portable(records: Sequence[ConsentRecord]) -> bool:
    """Whether Art. 20(1)(a) covers a call: it rests on consent or on a contract.

    Args:
        records: The person's own answers that stand now.
    """
    bases = {
        record.lawful_basis or LawfulBasis.CONSENT
        for record in records
        if record.purpose is Purpose.RECORDING
    }
    return bool(bases & {LawfulBasis.CONSENT, LawfulBasis.CONTRACT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFacts:
    """What the archive says of itself.

    Attributes:
        kind: "access" or "portability".
        request_id: In the register of requests.
        created_at: Aware UTC.
        controller: Who answers for the recordings.
        n_calls: How many calls are in it.
        n_recordings: Of how many there is a recording in it.
        duration_s: All recordings together.
        n_not_portable: Calls left out of a portability archive because Art. 20 does not cover them.
    """

    kind: str
    request_id: str
    created_at: datetime
    controller: Controller
    n_calls: int
    n_recordings: int
    duration_s: float
    n_not_portable: int = 0


def export_head(facts: ExportFacts, vcons: Sequence[str]) -> dict[str, object]:
    """Everything of data.json but its last field, `calls`.

    Args:
        facts: Of the archive.
        vcons: Paths of the vCons in it.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": facts.kind,
        "request_id": facts.request_id,
        "created_at": stamp(facts.created_at),
        "controller": facts.controller.document,
        "totals": {
            "calls": facts.n_calls,
            "recordings": facts.n_recordings,
            "duration_s": round(facts.duration_s, 3),
            "left_out_not_portable": facts.n_not_portable,
        },
        "others_data": OTHERS,
        "categories": list(CATEGORIES),
        "source": SOURCE,
        "automated_processing": AUTOMATED,
        "rights": list(RIGHTS),
        "vcons": list(vcons),
    }


def call_entry(exported: ExportedCall) -> dict[str, object]:
    """One entry of `calls` in data.json."""
    folder, handling = exported.folder, exported.handling
    return {
        "call_id": exported.call.call_id,
        "started_at": stamp(exported.call.started_at),
        "duration_s": None if exported.duration_s is None else round(exported.duration_s, 3),
        "direction": exported.call.direction.value,
        "queue": exported.call.queue,
        "language": exported.call.language,
        "roles": list(exported.roles),
        "state": exported.state.value,
        "note": exported.note,
        "restricted": exported.restricted,
        "files": [f"{folder}{name}" for name in exported.files] if folder else [],
        "masked": [
            {"kind": kind.kind, "label": kind.label, "times": kind.times, "seconds": round(kind.seconds, 3)}
            for kind in exported.masked
        ],
        "consent": {
            "standing": [_answer(record) for record in exported.standing],
            "history": [
                {"noted_at": stamp(noted.noted_at), "source": noted.source, **_answer(noted.record)}
                for noted in exported.history
            ],
        },
        "purposes": [PURPOSES[purpose] for purpose in exported.purposes],
        "lawful_bases": [basis.value for basis in exported.bases],
        "held_since": stamp(exported.received_at),
        "kept": [
            {
                "part": part.part.value,
                "until": None if part.until is None else stamp(part.until),
                "policy": part.policy,
                "reason": part.reason,
            }
            for part in exported.kept
        ],
        "original_until": None if exported.original_until is None else stamp(exported.original_until),
        "recipients": [{"name": name, "kind": kind} for name, kind in exported.recipients],
        "processing": None
        if handling is None
        else {
            "engines": [{"role": role, "name": name} for role, name in handling.engines],
            "verified": handling.verified,
            "rounds": handling.rounds,
            "profile": handling.profile,
            "tool_version": handling.tool_version,
        },
    }


def _answer(record: ConsentRecord) -> dict[str, object]:
    return {
        "purpose": record.purpose.value,
        "answer": record.flag.value,
        "lawful_basis": record.lawful_basis.value if record.lawful_basis else None,
        "given_at": stamp(record.given_at) if record.given_at else None,
        "method": record.method.value if record.method else None,
        "verbal_at_s": record.verbal_at_s,
        "expires_at": stamp(record.expires_at) if record.expires_at else None,
        "withdrawn_at_s": record.withdrawn_at_s,
    }
