"""Prove an erasure: look again in every place, sign what was found. And check such a proof."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from callveil import __version__
from callveil.adapters.local_files import file_errors, write_whole
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.kit import Office
from callveil.pipeline.forget import copies
from callveil.pipeline.register import items_of
from callveil.stages.documents.erasure_proof import PLACES, ErasureFacts, ProvenCall, erasure_json
from callveil.stages.documents.signature import FIELD, is_signed_by, parse_signature, signed_bytes, written
from callveil.stages.retention_tags import call_prefix
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import ItemState, Removal, Request, RequestKind, RequestState


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedProof:
    """What a check of a proof came to.

    Attributes:
        request_id: Of the erasure; None when the file is no proof.
        faults: What is wrong, in words; empty when it holds and nothing was found.
        calls: Calls that were looked for.
    """

    request_id: str | None
    faults: tuple[str, ...]
    calls: int = 0


def proof_file(request_id: str, office: Office) -> Path:
    """Where the proof of an erasure lies."""
    return office.site.data / "erasures" / f"{request_id}.json"


def proof_of(request_id: str, office: Office) -> bytes:
    """The proof of a finished erasure, byte by byte as it was signed.

    Raises:
        NotFoundError: No such request, or it is no erasure, or was refused.
        RefusedError: It is not finished.
        StoreError: Something is left, or a store failed.
        ConfigError: There is no signing key.
    """
    request = office.books.requests.get(request_id)
    if request.kind is not RequestKind.ERASURE:
        raise NotFoundError(f"request {request_id}: is no erasure")
    if request.state in (RequestState.OPEN, RequestState.RUNNING):
        raise RefusedError(f"request {request_id}: is not finished, so nothing is proven yet")
    if request.state is RequestState.REFUSED:
        raise NotFoundError(f"request {request_id}: was refused")
    path = proof_file(request_id, office)
    if not path.is_file():
        prove(request, office)  # who finished it has another data folder
    with file_errors("reading a proof"):
        return path.read_bytes()


def prove(request: Request, office: Office) -> Path:
    """Look for what is left of the calls of an erasure, and write the signed proof.

    Raises:
        StoreError: Something is left, or a store failed: no proof is written.
        ConfigError: There is no signing key.
        LedgerError: The ledger failed.
    """
    removals: dict[str, list[Removal]] = {}
    for removal in office.books.removals.removals(request_id=request.request_id):
        removals.setdefault(removal.call_id, []).append(removal)
    calls = [
        ProvenCall(
            item=item,
            removals=tuple(removals.get(item.call_id, ())),
            left=None
            if item.state is ItemState.RESTRICTED
            else left_of(item.call_id, removals.get(item.call_id, []), office),
        )
        for item in items_of(request.request_id, office)
    ]
    for call in calls:
        if any((call.left or {}).values()):
            raise StoreError(f"call {call.item.call_id}: is erased, and something of it is left")
    facts = ErasureFacts(
        request=request,
        calls=calls,
        notices=office.books.notices.notices(request_id=request.request_id),
        issued_at=office.clock.now(),
        tool_version=__version__,
    )
    path = proof_file(request.request_id, office)
    with file_errors("writing a proof"):
        write_whole(path, erasure_json(facts, office.signer), draft=path.with_suffix(".draft"))
    return path


def left_of(call_id: str, removals: list[Removal], office: Office) -> Mapping[str, int]:
    """Count what is left of an erased call in each of `PLACES`; nothing is changed.

    Raises:
        StoreError: A store failed.
        LedgerError: The ledger failed.
    """
    numbers = dict.fromkeys(PLACES, 0)
    places = {(removal.prefix, removal.landing) for removal in removals}
    if not places:  # it was erased for another request, or because its time was over
        with suppress(NotFoundError):
            places = {(call_prefix(office.ledger.get(call_id).call), None)}
    for prefix, landing in places:
        there = copies(call_id, prefix, landing, office)
        for place, number in there.numbers.items():
            numbers[place] = max(numbers[place], number)
    numbers["identifiers_in_index"] = len(office.books.subjects.beside([call_id]))
    numbers["ledger_records"] = int(_has_record(call_id, office))
    return numbers


def check_proof(content: bytes, keys: Mapping[str, bytes], office: Office) -> CheckedProof:
    """Check who signed a proof, that no byte was changed, and look again in every place.

    Args:
        content: The file.
        keys: Key id to public key of those that are trusted.
        office: Where to look.

    Raises:
        StoreError: A store failed.
        LedgerError: The ledger failed.
    """
    try:
        fields: dict[str, Any] = json.loads(content)
        signature = parse_signature(fields.pop(FIELD))
        request_id, calls = str(fields["request_id"]), list(fields["calls"])
        erased = [str(call["call_id"]) for call in calls if call["state"] == "erased"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return CheckedProof(request_id=None, faults=("This is no proof of an erasure.",))
    faults = []
    if signature is None or written(fields, signature) != content:
        faults.append("It was changed since it was signed, or is not signed.")
    elif signature.key_id not in keys:
        faults.append(f"It is signed by the key {signature.key_id}, which is not known here.")
    elif not is_signed_by(keys[signature.key_id], signed_bytes(fields), signature):
        faults.append("Its signature is wrong: it was changed since it was signed.")
    if not faults:
        faults = list(_found_again(request_id, erased, office))
    return CheckedProof(request_id=request_id, faults=tuple(faults), calls=len(erased))


_IN_WORDS = {
    "store_versions": "objects in the store",
    "decision_records": "a decision record in the store",
    "originals": "a sealed original",
    "landing": "raw audio in the landing",
    "identifiers_in_index": "identifiers in the index of persons",
    "ledger_records": "its record in the ledger",
}


def _found_again(request_id: str, call_ids: list[str], office: Office) -> Iterator[str]:
    try:
        office.books.requests.get(request_id)
    except NotFoundError:
        yield "This installation knows nothing of that request, so nobody can tell where to look."
        return
    removals: dict[str, list[Removal]] = {}
    for removal in office.books.removals.removals(request_id=request_id):
        removals.setdefault(removal.call_id, []).append(removal)
    for call_id in call_ids:
        left = left_of(call_id, removals.get(call_id, []), office)
        what = [_IN_WORDS[place] for place, number in left.items() if number]
        if what:
            yield f"Of call {call_id} there is again: {', '.join(what)}."


def _has_record(call_id: str, office: Office) -> bool:
    try:
        return office.ledger.get(call_id).state is not CallState.ERASED
    except NotFoundError:
        return False
