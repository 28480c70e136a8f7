"""The page of a call: what it shows, to whom, and what it withholds; the index made anew from the store."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.pipeline.rights_office import KEEP, POLICY, TURNS, FakeOffice

from callveil.errors import NotFoundError, StoreError
from callveil.pipeline.call_page import call_page, certificate_state, waveform
from callveil.pipeline.reindex import reindex
from callveil.pipeline.verify_published import known
from callveil.stages.documents.transcript import transcript_json, transcript_turns
from callveil.stages.retention_tags import call_prefix, decision_key
from callveil.testing import START, MemoryStore, temporary_ledger, throw_away_signer
from callveil.testing import call as make_call
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import Fate, Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import RemovalWhy
from callveil.vocabulary.search import CallQuery

ACTOR = "user:anna"
CARE = frozenset({"care"})


@pytest.fixture
def office(tmp_path):
    made = FakeOffice(tmp_path)
    with temporary_ledger() as ledger:
        made.ledger, made.books = ledger, ledger.books
        made.clock.advance(timedelta(hours=1))
        yield made


def put(office, call_id="c-1", *, state=CallState.PUBLISHED, reason="", turns=None):
    made = replace(make_call(call_id), queue="care")
    new = NewCall(call=made, landing=None, source="process", content_sha256="ab" * 32, n_bytes=1)
    office.ledger.enlist(new, actor="a", now=START)
    prefix = None
    if state is CallState.PUBLISHED:
        prefix = call_prefix(made)
        office.publish(prefix, made, 4.0)
    settlement = Settlement(
        state=state, reason=reason, prefix=prefix, duration_s=4.0 if prefix else None, turns=turns
    )
    office.ledger.record(call_id, settlement, actor="a", now=START)
    return made


def page(office, call_id="c-1", *, within=None, **others):
    return call_page(call_id, office, within=within, actor=ACTOR, **others)


def found(office, text):
    return [each.call_id for each in office.ledger.search.page(CallQuery(text=text), within=None).calls]


def test_a_published_call_shows_everything(office):
    put(office)
    hold = Hold(
        hold_id="hold-000000000001",
        scope=HoldScope.CALL,
        reason="Matter 7",
        authority="Court",
        placed_by="cli:ops",
        placed_at=START,
    )
    office.books.holds.place(hold, call_ids=["c-1"], actor="a", now=START)
    shown = page(office, within=CARE)
    assert (shown.consent.action, shown.consent.reason) == ("keep", KEEP.reason)
    assert [record.flag for _, _, record in shown.answers] == ["granted", "granted"]
    assert [(mask.channel, mask.start_s, mask.kind.label) for mask in shown.masks] == [
        (1, 1.0, "Card number")
    ]
    assert shown.masked_s == 1.5
    assert [bit.text for turn in shown.turns for bit in turn.bits] == [
        "Your card, please?",
        "It's",
        "[CREDIT_CARD]",
        "thanks.",
    ]
    assert (shown.language, shown.has_audio, shown.is_withheld) == ("en", True, False)
    assert [each.hold_id for each in shown.swept.holds] == ["hold-000000000001"]
    assert shown.policies == (POLICY.name,)
    assert {part.fate for part in shown.decision.parts} == {Fate.KEEP}
    assert "Court" in shown.decision.parts[0].reason
    assert [entry.action for entry in shown.history] == ["call.enlisted", "call.recorded", "hold.placed"]


def test_a_call_of_another_queue_is_not_told_from_one_that_is_not_there(office):
    put(office)
    against = known({})
    for call_id, within in (("c-1", frozenset({"sales"})), ("c-1", frozenset()), ("c-2", None)):
        errors = set()
        for ask in (
            lambda: page(office, call_id, within=within),  # noqa: B023
            lambda: certificate_state(call_id, office, against, within=within),  # noqa: B023
            lambda: waveform(call_id, office, within=within, actor=ACTOR),  # noqa: B023
        ):
            with pytest.raises(NotFoundError) as caught:
                ask()
            errors.add(str(caught.value))
        assert errors == {"the ledger has no such call"}


def test_of_a_restricted_call_nothing_is_shown_that_was_said(office):
    put(office)
    office.books.requests.restrict("c-1", "Art. 18", actor="a", now=START)
    shown = page(office)
    assert (shown.turns, shown.has_audio, shown.is_withheld) == (None, False, True)
    assert shown.swept.restricted == "Art. 18"
    assert waveform("c-1", office, within=None, actor=ACTOR) is None
    n_entries = len(office.ledger.audit())
    assert page(office, despite=" ").is_withheld
    assert len(office.ledger.audit()) == n_entries
    shown = page(office, despite="A court asked.")
    assert not shown.is_withheld
    assert len(shown.turns) == 2
    assert shown.history[-1].action == "restricted.read"


def test_the_certificate_is_checked_as_it_is_now(office, monkeypatch):
    made = put(office)
    signer = throw_away_signer()
    checked = certificate_state("c-1", office, known({signer.key_id: signer.public_key}), within=CARE)
    assert checked.call_id == "c-1"
    assert checked.result == "intact"
    assert certificate_state("c-1", office, known({}), within=None).result == "unproven"
    content = office.store.get(call_prefix(made) + Part.TRANSCRIPT)
    with monkeypatch.context() as patch:
        get = MemoryStore.get
        patch.setattr(
            MemoryStore,
            "get",
            lambda self, key: b"x" + content if "transcript.json" in key else get(self, key),
        )
        assert certificate_state("c-1", office, known({}), within=None).result == "altered"
    put(office, "c-2", state=CallState.FAILED)
    assert certificate_state("c-2", office, known({}), within=None) is None


def test_a_waveform_has_both_channels(office):
    put(office)
    channels = waveform("c-1", office, within=None, actor=ACTOR, n_bins=50)
    assert [len(channel) for channel in channels] == [50, 50]
    assert max(channels[0]) > 0.1
    with pytest.raises(ValueError, match="n_bins"):
        waveform("c-1", office, within=None, actor=ACTOR, n_bins=0)


def test_a_call_that_was_not_kept_shows_why(office):
    made = put(office, state=CallState.DISCARDED, reason="No.")
    assert page(office).consent is None
    record = b'{"action": "discard", "rule": "denied", "reason": "A party said no.", "hold_until": null}'
    office.store.put_decision(decision_key(made), record)
    shown = page(office)
    assert (shown.consent.action, shown.consent.reason) == ("discard", "A party said no.")
    assert (shown.certificate, shown.turns, shown.masks, shown.has_audio) == (None, None, (), False)
    assert waveform("c-1", office, within=None, actor=ACTOR) is None


def test_a_document_that_is_none_is_an_error_without_its_text(office):
    made = put(office, state=CallState.DISCARDED)
    office.store.put_decision(decision_key(made), b'{"action": "geheim"}')
    with pytest.raises(StoreError, match="not in its format") as caught:
        page(office)
    assert "geheim" not in str(caught.value)


def test_an_erased_call_shows_that_it_was_there(office):
    put(office)
    removal = office.books.removals.decide(
        "c-1",
        prefix="p/",
        parts=frozenset(KeptPart),
        why=RemovalWhy.ERASURE,
        reason="A person asked.",
        request_id=None,
        actor="a",
        now=START,
    )
    office.books.removals.finish(removal.removal_id, evidence={}, actor="a", now=START)
    shown = page(office)
    assert (shown.call.state, shown.consent, shown.turns) == (CallState.ERASED, None, None)
    with pytest.raises(NotFoundError):
        page(office, within=CARE)


def test_a_published_transcript_is_read_back_as_it_was():
    content = transcript_json(call_id="c-1", language="en", turns=TURNS).content
    assert transcript_turns(content) == TURNS
    for wrong in (b"", b"[]", b'{"turns": [{"words": 1}]}', b'{"turns": null}', b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011
            transcript_turns(wrong)


def test_what_is_owed_to_the_index_is_read_from_the_store(office):
    put(office, "c-1")
    put(office, "c-2", turns=TURNS)
    put(office, "c-3")
    made = put(office, "c-4")
    office.store.delete_parts(call_prefix(made), frozenset({Part.TRANSCRIPT}), bypass_governance=True)
    assert found(office, "thanks") == ["c-2"]
    assert reindex(office, limit=1).numbers == {"indexed": 1, "missing": 0, "changed": 0, "failed": 0}
    assert reindex(office).numbers == {"indexed": 1, "missing": 1, "changed": 0, "failed": 0}
    assert sorted(found(office, "thanks")) == ["c-1", "c-2", "c-3"]
    assert reindex(office).indexed == 0
    assert reindex(office, every=True).indexed == 3
    assert sorted(found(office, '"your card"')) == ["c-1", "c-2", "c-3"]


def test_a_store_that_fails_leaves_it_owed(office, monkeypatch):
    for number in range(15):
        put(office, f"c-{number:02}")

    def fail(self, key):
        raise StoreError("down")

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "get", fail)
        assert reindex(office).failed == 10
    assert reindex(office).indexed == 15


def test_the_text_that_was_read_too_early_is_not_taken(office, monkeypatch):
    put(office)
    get = MemoryStore.get

    def slow(self, key):
        content = get(self, key)
        office.books.requests.restrict("c-1", "Art. 18", actor="a", now=START)
        return content

    monkeypatch.setattr(MemoryStore, "get", slow)
    assert reindex(office).changed == 1
    assert found(office, "thanks") == []
