"""A person is planted everywhere, erased, and looked for in all bytes of the installation."""

import json
import logging
from datetime import timedelta
from importlib.resources import files

import jsonschema
import pytest

from callveil.adapters.webhook import Answer
from callveil.pipeline import erasure, holds
from callveil.pipeline.erasure_proof import check_proof
from callveil.pipeline.outlook import named
from callveil.rights.identifiers import normalise
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import HoldScope
from callveil.vocabulary.rights import IdentifierKind, Recipient, RequestState

PHONE, EMAIL, CUSTOMER = "+442079460018", "maud.ferring@example.org", "K-7741-ZQ"
NAME = "Maud Ferring"
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/forget", secret="s" * 32)


def confirm(recipient, body, now):
    return Answer(accepted=True, receipt="ok")


def traces(world):
    """Everything that tells of the person: what was said, and what the person is found by."""
    hasher = world.office.hasher
    digests = [
        digest
        for kind, value in (
            (IdentifierKind.PHONE, PHONE),
            (IdentifierKind.EMAIL, EMAIL),
            (IdentifierKind.CUSTOMER_ID, CUSTOMER),
        )
        for digest in hasher.digests(kind, normalise(kind, value))
    ]
    plain = [PHONE, PHONE[1:], EMAIL, CUSTOMER, NAME, "audio.flac of c-", "transcript.json of c-"]
    return [text.encode() for text in (*plain, *digests)]


def found(world, needles):
    return {
        needle.decode(): sorted(name for name, content in world.files().items() if needle in content)
        for needle in needles
        if any(needle in content for content in world.files().values())
    }


def test_nothing_is_left_in_any_byte(world, caplog):
    caplog.set_level(logging.DEBUG)
    world.with_recipients(CRM)
    tokens = [
        world.plant("c-1"),
        world.plant("c-2", state=CallState.FAILED),
        world.plant("c-3", state=CallState.PROCESSING),
        world.plant("c-4", state=CallState.DISCARDED),
    ]
    world.plant("other", person=False)
    # A name that slipped through the masks lies in a published document, and in a decision record.
    folder = world.folder / "store" / "calls/2026/11/23/c-1"
    (folder / Part.TRANSCRIPT).write_bytes(f"transcript.json of c-1: {NAME}".encode())
    world.office.store.put_decision("decisions/2026/11/23/c-2.json", json.dumps({"reason": NAME}).encode())
    answer = ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.GRANTED, party=1)
    world.office.ledger.record_consent("c-2", [answer], actor="test", now=world.clock.now())
    hold = holds.place(
        HoldScope.SUBJECT, world.person(), world.office, reason="r", authority="court", actor="t"
    ).hold
    first = erasure.erase(world.person(), world.office, actor="test")
    assert first.state is RequestState.PARTLY_DONE
    planted = found(world, traces(world))
    assert {NAME, "audio.flac of c-", "transcript.json of c-"} <= set(planted)
    digests = [name for name in planted if len(name) == 64]
    assert len(digests) == 3  # the search finds them, so it can fail
    assert not {PHONE, PHONE[1:], EMAIL, CUSTOMER} & set(planted)  # never written down at all

    holds.release(hold.hold_id, world.office, reason="over", actor="t")
    resumed = erasure.resume(world.office, actor="t", post=confirm)
    assert resumed.failed == 0
    assert found(world, traces(world)) == {}
    assert not [name for name in world.files() if any(token in name for token in tokens)]
    assert not [
        name
        for name in world.files()
        if name.startswith(("store/calls/2026/11/23/c-", "originals/originals/c-"))
    ]
    assert list(world.office.originals.store.call_ids()) == ["other"]
    logged = caplog.text.encode() + repr([record.__dict__ for record in caplog.records]).encode()
    assert [needle for needle in traces(world) if needle in logged] == []
    assert world.office.ledger.check_audit() is None


@pytest.fixture
def erased(world):
    world.plant("c-1")
    world.plant("c-2", state=CallState.FAILED)
    request = erasure.erase(world.person(), world.office, actor="test")
    path = world.folder / "erasures" / f"{request.request_id}.json"
    return world, path.read_bytes(), {world.office.signer.key_id: world.office.signer.public_key}


def test_a_proof_holds_and_has_call_ids_only(erased):
    world, content, keys = erased
    checked = check_proof(content, keys, world.office)
    assert (checked.faults, checked.calls) == ((), 2)
    assert [needle for needle in traces(world) if needle in content] == []
    schema = json.loads((files("callveil") / "schemas/erasure.schema.json").read_bytes())
    jsonschema.validate(json.loads(content), schema)


def test_a_proof_that_was_changed_is_found_out(erased):
    world, content, keys = erased
    for there, instead in (
        (b'"c-1"', b'"c-9"'),
        (b'"originals": 1', b'"originals": 2'),
        (b"\n}\n", b"\n }\n"),
    ):
        assert there in content
        assert check_proof(content.replace(there, instead, 1), keys, world.office).faults
    assert check_proof(content, {}, world.office).faults
    assert check_proof(content, {next(iter(keys)): bytes(32)}, world.office).faults
    assert check_proof(b"{}", keys, world.office).request_id is None
    assert check_proof(b"\xff", keys, world.office).faults


@pytest.mark.parametrize("what", ["store", "decision", "original"])
def test_what_came_back_after_the_proof_is_found(erased, what):
    world, content, keys = erased
    if what == "store":
        world.publish("c-1")
    elif what == "decision":
        world.office.store.put_decision("decisions/2026/11/23/c-2.json", b"{}")
    else:
        world.seal("c-2")
    [fault] = check_proof(content, keys, world.office).faults
    assert ("c-2" in fault) == (what != "store")


def test_another_installation_cannot_tell(erased, another_world):
    _, content, keys = erased
    [fault] = check_proof(content, keys, another_world().office).faults
    assert "knows nothing" in fault


def test_named_calls_erase_the_persons_identifiers_with_them(world):
    world.plant("c-1")
    world.plant("c-2")
    erasure.erase(named(["c-1"], world.office), world.office, actor="t")
    assert {each.call_id for each in world.office.books.subjects.beside(["c-1", "c-2"])} == {"c-2"}
    world.clock.advance(timedelta(days=1))
    erasure.erase(world.person(), world.office, actor="t")
    assert found(world, traces(world)) == {}
