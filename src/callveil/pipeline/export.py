"""Give a person their calls: one archive that they can open (GDPR Art. 15 and 20)."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from callveil.adapters.private_output import ZipWriter, check_free, pieces_of, private_draft, put_in_place
from callveil.config.controller import ControllerConfig
from callveil.errors import NotFoundError, StoreError
from callveil.kit import Office
from callveil.pipeline.export_page import Page
from callveil.pipeline.report_views import kind_totals
from callveil.pipeline.subjects import Subject
from callveil.ports.books import SweptCall
from callveil.retention.policy import decide
from callveil.rights.controller import Controller
from callveil.rights.export_documents import (
    HELD,
    ExportedCall,
    ExportFacts,
    Handling,
    MaskedKind,
    NotedAnswer,
    call_entry,
    export_head,
    is_portable,
    own_answers,
)
from callveil.vocabulary.ledger import CallState, LedgerCall
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import KeptPart, PartDecision, Period
from callveil.vocabulary.rights import (
    ItemState,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
)

_MONTH = Period(months=1)  # GDPR Art. 12(3)
_OPEN = (RequestState.OPEN, RequestState.RUNNING)
_NEEDED: Mapping[Part, Mapping[str, type]] = {
    Part.TRANSCRIPT: {"turns": list},
    Part.CERTIFICATE: {"masked_spans": list, "engines": list, "verify": dict, "tool": dict, "profile": str},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an archive holds.

    Attributes:
        request_id: In the register.
        n_calls: How many calls.
        n_recordings: Of how many there is a recording in it.
        n_restricted: How many are restricted.
        n_not_portable: How many Art. 20 does not cover.
        n_bytes: Of all files before packing.
    """

    request_id: str
    n_calls: int
    n_recordings: int
    n_restricted: int
    n_not_portable: int
    n_bytes: int


def export_subject(
    office: Office,
    person: Subject,
    out: Path,
    *,
    portable: bool,
    actor: str,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
) -> Exported:
    """Write the archive, with its request in the register and its entry in the audit chain.

    The request is entered first and closed last; cut off in between, it stays open, and the next export of
    the same person takes it up. The audit entry is made before the file can be seen.

    Args:
        office: Where everything is.
        person: Whose calls.
        out: A new file.
        portable: Only calls that Art. 20 covers.
        actor: As in the audit chain.
        progress: Is told how many calls are in the archive, and of how many.

    Raises:
        NotFoundError: No call of that person is held.
        RefusedError: There is such a file.
        StoreError: Store or disk fails; there is no file.
    """
    check_free(out)
    parties = person.parties
    found = _calls(office, parties)
    wanted = [call for call in found if not portable or is_covered(call, parties)]
    if not wanted:
        raise NotFoundError(
            "no call of this person is held here"
            if not found
            else "Art. 20 covers none of this person's calls"
        )
    request = _request(office, person, wanted, portable=portable, actor=actor)
    facts = ExportFacts(
        kind=request.kind.value,
        request_id=request.request_id,
        created_at=office.clock.now(),
        controller=controller_of(office),
        n_calls=len(wanted),
        n_recordings=0,
        duration_s=0.0,
        n_not_portable=len(found) - len(wanted),
    )
    with private_draft(out) as file:
        exported = _write(office, parties, wanted, file, facts, progress)
        office.ledger.note(
            actor=actor,
            action="subject.exported",
            call_id=None,
            detail={
                "request_id": exported.request_id,
                "kind": request.kind.value,
                "calls": exported.n_calls,
                "recordings": exported.n_recordings,
                "bytes": exported.n_bytes,
            },
            now=office.clock.now(),
        )
        put_in_place(file, out)
    office.books.requests.change(
        request.request_id,
        actor=actor,
        now=office.clock.now(),
        state=RequestState.DONE,
        note=f"exported: {exported.n_calls} calls, {exported.n_recordings} with recording",
        # A request that is done needs nobody's digests, and an erasure must not miss any.
        forget_identities=True,
    )
    return exported


def controller_of(office: Office) -> Controller:
    """Who answers for the recordings, out of the profile."""
    return controller_in(office.config.profile.controller)


def controller_in(named: ControllerConfig) -> Controller:
    """The controller as the documents name it."""
    return Controller(
        name=named.name,
        address=named.address,
        contact=named.contact,
        officer=named.officer,
        authority=named.authority,
        notice=named.notice,
    )


def _calls(office: Office, call_ids: Iterable[str]) -> list[LedgerCall]:
    known: list[LedgerCall] = []
    for call_id in call_ids:
        try:
            call = office.ledger.get(call_id)
        except NotFoundError:
            continue
        if call.state is not CallState.ERASED:
            known.append(call)
    return sorted(known, key=lambda call: (call.call.started_at, call.call_id))


def is_covered(call: LedgerCall, parties: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether Art. 20 covers a call: the person's own part of it rests on consent or a contract.

    Args:
        call: The call.
        parties: Call id to the parties that the person is.
    """
    return is_portable(own_answers(call.call.consent, parties[call.call_id]))


def _request(
    office: Office, person: Subject, calls: Sequence[LedgerCall], *, portable: bool, actor: str
) -> Request:
    """The open request of this person and kind, or a new one."""
    requests, now = office.books.requests, office.clock.now()
    kind = RequestKind.PORTABILITY if portable else RequestKind.ACCESS
    parties = person.parties
    who = {(identity.kind, identity.digest) for identity in person.identities}
    for earlier in requests.requests(kind=kind, states=_OPEN):
        if {(identity.kind, identity.digest) for identity in earlier.identities} == who:
            return earlier
    request = Request(
        request_id=f"req-{uuid4().hex[:12]}",
        kind=kind,
        state=RequestState.RUNNING,
        identities=person.identities,
        received_at=now,
        due_at=_MONTH.after(now),
        n_calls=len(calls),
    )
    items = [
        RequestItem(
            request_id=request.request_id,
            call_id=call.call_id,
            state=ItemState.DONE,
            parties=parties[call.call_id],
        )
        for call in calls
    ]
    return requests.open(request, items, actor=actor, now=now)


def _write(
    office: Office,
    parties: Mapping[str, tuple[int, ...]],
    calls: Sequence[LedgerCall],
    file: IO[bytes],
    facts: ExportFacts,
    progress: Callable[[int, int], None],
) -> Exported:
    n_restricted, vcons = 0, []
    # The bodies grow with the calls; files without a name are gone whatever happens.
    with (
        ZipWriter(file, facts.created_at) as archive,
        tempfile.TemporaryFile() as page_body,
        tempfile.TemporaryFile() as json_body,
    ):
        page = Page()
        for number, call in enumerate(calls, start=1):
            progress(number - 1, len(calls))
            own = parties[call.call_id]
            exported, transcript = _export_call(office, call, own, number, archive)
            n_restricted += exported.restricted
            if exported.folder is not None:
                facts = replace(
                    facts,
                    n_recordings=facts.n_recordings + (Part.AUDIO.value in exported.files),
                    duration_s=facts.duration_s + (exported.duration_s or 0.0),
                )
                vcons += [f"{exported.folder}{name}" for name in exported.files if name == Part.VCON.value]
            page_body.write(page.call(exported, transcript, number).encode())
            entry = json.dumps(call_entry(exported), ensure_ascii=False)
            json_body.write(f"{',' if number > 1 else ''}\n    {entry}".encode())
        archive.copy("index.html", _around(page.top(facts), page_body, page.bottom(facts)))
        head = json.dumps(export_head(facts, vcons), ensure_ascii=False, indent=2)
        archive.copy("data.json", _around(head[: -len("\n}")] + ',\n  "calls": [', json_body, "\n  ]\n}\n"))
    return Exported(
        request_id=facts.request_id,
        n_calls=facts.n_calls,
        n_recordings=facts.n_recordings,
        n_restricted=n_restricted,
        n_not_portable=facts.n_not_portable,
        n_bytes=archive.n_bytes,
    )


def _around(before: str, body: IO[bytes], after: str) -> Iterator[bytes]:
    yield before.encode()
    yield from pieces_of(body)
    yield after.encode()


def _export_call(
    office: Office,
    call: LedgerCall,
    parties: tuple[int, ...],
    number: int,
    archive: ZipWriter,
) -> tuple[ExportedCall, Mapping[str, Any] | None]:
    """Copy a call's files into the archive, and tell what there is to say of it."""
    folder = f"calls/{number:04d}/"
    files, certificate, transcript = _copy(office, call, folder, archive)
    swept = office.books.removals.swept(call.call_id)
    kept_until = original_until(office, call.call_id)
    roles = call.call.parties
    return (
        ExportedCall(
            call=call.call,
            roles=tuple(dict.fromkeys(roles[i].role.value for i in parties if 0 <= i < len(roles))),
            parties=parties,
            state=call.state,
            received_at=call.received_at,
            duration_s=call.duration_s if files else None,
            folder=folder if files else None,
            files=files,
            masked=_masked(certificate),
            standing=own_answers(call.call.consent, parties),
            history=_history(office, call, parties),
            kept=_kept(office, call, swept, files, original=kept_until is not None),
            restricted=swept.restricted is not None,
            held=bool(swept.holds),
            recipients=tuple(
                (recipient.name, recipient.kind)
                for recipient in office.recipients
                if not recipient.queues or call.call.queue in recipient.queues
            ),
            handling=_handling(certificate),
            original_until=kept_until,
        ),
        transcript,
    )


def _copy(
    office: Office, call: LedgerCall, folder: str, archive: ZipWriter
) -> tuple[tuple[str, ...], Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Copy what is stored of a call; names are those of `Part`, whatever else lies there."""
    if call.prefix is None:
        return (), None, None
    there = {stored.key.removeprefix(call.prefix) for stored in office.store.list_objects(call.prefix)}
    documents: dict[Part, Mapping[str, Any]] = {}
    names = []
    for part in Part:
        if part.value not in there:
            continue
        try:
            content = office.store.get(call.prefix + part.value)
        except NotFoundError:  # deleted just now
            continue
        archive.add(folder + part.value, content, compress=part is not Part.AUDIO)
        names.append(part.value)
        if part in (Part.TRANSCRIPT, Part.CERTIFICATE):
            documents[part] = _document(content, part, call.prefix + part.value)
    return tuple(names), documents.get(Part.CERTIFICATE), documents.get(Part.TRANSCRIPT)


def _document(content: bytes, part: Part, key: str) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    fields = _NEEDED[part]
    if not isinstance(document, dict) or not all(isinstance(document.get(f), t) for f, t in fields.items()):
        raise StoreError(f"{key}: a stored document is not in its format")
    return document


def _masked(certificate: Mapping[str, Any] | None) -> tuple[MaskedKind, ...]:
    spans = certificate["masked_spans"] if certificate else ()
    return tuple(
        MaskedKind(kind=total.kind.entity, label=total.kind.label, times=total.count, seconds=total.masked_s)
        for total in kind_totals(spans)
    )


def _handling(certificate: Mapping[str, Any] | None) -> Handling | None:
    if certificate is None:
        return None
    return Handling(
        engines=tuple((engine["role"], engine["name"]) for engine in certificate["engines"]),
        verified=certificate["verify"].get("result"),
        rounds=certificate["verify"].get("rounds", 0),
        profile=certificate["profile"],
        tool_version=certificate["tool"]["version"],
    )


def _kept(
    office: Office, call: LedgerCall, swept: SweptCall, files: tuple[str, ...], *, original: bool
) -> tuple[PartDecision, ...]:
    """What is decided of each part that is really there."""
    there = {
        KeptPart.AUDIO: Part.AUDIO.value in files,
        KeptPart.TRANSCRIPT: Part.TRANSCRIPT.value in files,
        KeptPart.ORIGINAL: original or call.landing is not None,
        KeptPart.CERTIFICATE: True,
    }
    decision = decide(
        swept.facts,
        office.policies,
        swept.holds,
        swept.requests,
        office.clock.now(),
        restricted=swept.restricted is not None,
    )
    # Who demands a hold, and in which matter, is not the person's to know from here.
    return tuple(
        replace(part, reason=HELD) if swept.holds else part for part in decision.parts if there[part.part]
    )


def _history(office: Office, call: LedgerCall, parties: tuple[int, ...]) -> tuple[NotedAnswer, ...]:
    return tuple(
        NotedAnswer(record=record, noted_at=at, source=source_of(actor, came_with=at <= call.received_at))
        for at, actor, record in office.ledger.consent_history(call.call_id)
        if own_answers([record], parties)
    )


def source_of(actor: str, *, came_with: bool) -> str:
    """Who brought an answer, without the name of an employee: "call", "staff" or "system".

    Args:
        actor: As in the audit chain.
        came_with: It came with the call itself.
    """
    if came_with:
        return "call"
    return "staff" if actor.startswith("cli:") else "system"


def original_until(office: Office, call_id: str) -> datetime | None:
    """When the sealed original of a call goes; None when there is none.

    Raises:
        StoreError: The store of originals failed.
    """
    if office.originals is None:
        return None
    try:
        return office.originals.store.key(call_id).expires_at
    except NotFoundError:
        return None
