"""What is due goes, and nothing else; whatever happens in between. With a real ledger."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from callveil.adapters.key_wrapping import LocalKeyWrapper
from callveil.adapters.originals_folder import FolderOriginals
from callveil.config import Profile
from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.kit import FixedPolicies, Office, Originals
from callveil.pipeline import sweep as module
from callveil.pipeline.seal import delete_expired, seal_original
from callveil.pipeline.sweep import apply_policies, original_may_go, sweep
from callveil.retention.policy import decide
from callveil.retention.traits import call_facts
from callveil.stages.retention_tags import NEVER, call_prefix, locked_until, policy_tags
from callveil.testing import START, ManualClock, MemoryLanding, MemorySource, MemoryStore, call, tone
from callveil.testing import temporary_ledger as ledger_
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart, Match, Period, Policy
from callveil.vocabulary.rights import ItemState, Request, RequestItem, RequestKind, RequestState

AUDIO, TRANSCRIPT, ORIGINAL, CERTIFICATE = KeptPart
LENGTH_S = 60.0
END = START + timedelta(seconds=LENGTH_S)

STANDARD = Policy(
    name="standard",
    keep={AUDIO: Period(days=365), TRANSCRIPT: Period(days=365), ORIGINAL: Period(days=30)},
    fallback=True,
)
SALES = Policy(
    name="sales",
    match=Match(queues=frozenset({"sales"})),
    keep={AUDIO: Period(days=90), TRANSCRIPT: Period(days=730), ORIGINAL: Period(days=90)},
)


@pytest.fixture
def office(tmp_path):
    clock = ManualClock()
    with ledger_() as ledger:
        yield Office(
            config=SimpleNamespace(profile=Profile()),
            site=None,
            ledger=ledger,
            books=ledger.books,
            store=MemoryStore(clock=clock),
            originals=Originals(store=FolderOriginals(tmp_path), wrapper=LocalKeyWrapper(bytes(32))),
            landing=MemoryLanding(clock=clock),
            in_force=FixedPolicies(policies=(SALES, STANDARD)),
            hasher=None,
            signer=None,
            clock=clock,
        )


def publish(office: Any, call_id: str = "c-1", *, queue: str | None = None) -> str:
    """A call that is published as `publish` does it, with a sealed original; returns its folder."""
    made, now = replace(call(call_id), queue=queue), office.clock.now()
    decision = decide(call_facts(made, "published", LENGTH_S), office.policies, (), (), now)
    prefix = call_prefix(made)
    parts = [PublishedPart(part=part, body=MaskedDocument(content=b"{}"), media_type="x/y") for part in Part]
    office.store.publish(prefix, parts, tags=policy_tags(decision), retain_until=locked_until(decision))
    until = next(part.until for part in decision.parts if part.part is ORIGINAL)
    source = MemorySource(tone(0.2, rate_hz=8000, channels=2))
    facts = {"input_sha256": "ab" * 32, "until_s": None, "expires_at": until or NEVER, "now": now}
    seal_original(made, source, (), office.originals, **facts)
    office.ledger.enlist(NewCall(call=made, landing=None, source="process"), actor="test", now=now)
    done = Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=LENGTH_S)
    office.ledger.record(call_id, done, actor="test", now=now)
    return prefix


def failed(office: Any, call_id: str) -> str:
    """A call that was tried in vain; returns the token of its audio."""
    with office.landing.begin() as writer:
        writer.write(b"audio")
        landed = writer.finish()
    new = NewCall(
        call=call(call_id), landing=landed.token, source="push", content_sha256=landed.sha256, n_bytes=5
    )
    now = office.clock.now()
    office.ledger.accept(new, actor="test", now=now)
    claim = office.ledger.claim(call_id, owner="w", lease_s=60, now=now)
    office.ledger.settle(claim, Settlement(state=CallState.FAILED, error_code="audio"), now=now)
    return landed.token


def objects(office: Any) -> set[str]:
    return {each.key.rpartition("/")[2] for each in office.store.list_objects("calls/")}


def swept(office: Any, after_days: float, **more: Any):
    given = {"limit": 100, "actor": "cli:ada", "dry_run": False} | more
    return sweep(office, at=END + timedelta(days=after_days), **given)


def audit(office: Any, action: str) -> list[Any]:
    return [entry for entry in office.ledger.audit(limit=500) if entry.action == action]


def hold(office: Any, *call_ids: str) -> Hold:
    placed = Hold(
        hold_id="hold-0123456789ab",
        scope=HoldScope.CALL,
        reason="matter 17",
        authority="Court",
        placed_by="cli:ada",
        placed_at=office.clock.now(),
    )
    return office.books.holds.place(placed, call_ids=call_ids, actor="cli:ada", now=office.clock.now())


def ask(office: Any, kind: RequestKind, call_id: str) -> None:
    now = office.clock.now()
    request = Request(
        request_id="req-0123456789ab",
        kind=kind,
        state=RequestState.OPEN,
        identities=(),
        received_at=now,
        due_at=now + timedelta(days=30),
    )
    item = RequestItem(request_id=request.request_id, call_id=call_id, state=ItemState.PENDING)
    office.books.requests.open(request, [item], actor="cli:ada", now=now)


def test_without_yes_it_only_tells(office):
    publish(office)
    before = objects(office)
    found = swept(office, 400, dry_run=True)
    assert (found.n_calls, found.n_due, found.whole, found.deleted) == (1, 1, 1, 0)
    (due,) = found.due
    assert due.call_id == "c-1"
    assert due.reason.startswith("Its time ended on 2027-11-23")
    assert objects(office) == before
    assert office.ledger.get("c-1").state is CallState.PUBLISHED
    assert not audit(office, "retention.sweep")


def test_nothing_is_due_before_its_time(office):
    publish(office)
    found = swept(office, 29)
    assert (found.n_due, found.deleted) == (0, 0)
    assert len(objects(office)) == len(Part)


def test_what_is_over_goes_with_evidence(office):
    publish(office)
    found = swept(office, 400)
    assert (found.deleted, found.failed, found.more) == (1, 0, False)
    assert objects(office) == set()
    assert office.ledger.get("c-1").state is CallState.ERASED
    with pytest.raises(NotFoundError):
        office.originals.store.key("c-1")
    (begun,) = audit(office, "retention.sweep")
    assert begun.detail == {"at": "2027-12-28", "limit": 100}
    done = next(entry for entry in audit(office, "removal.finished") if entry.call_id == "c-1")
    assert done.detail["store_versions"] >= len(Part)
    assert done.detail["originals"] == 1


def test_each_part_goes_when_its_time_has_come(office):
    publish(office, queue="sales")
    assert swept(office, 91).deleted == 1
    assert objects(office) == {part.value for part in Part} - {Part.AUDIO.value}
    assert office.books.removals.swept("c-1").facts.gone == {AUDIO, ORIGINAL}
    assert swept(office, 91).n_due == 0
    assert swept(office, 731).whole == 1
    assert objects(office) == set()


def test_a_day_in_the_future_stands_in_the_reason(office, monkeypatch):
    publish(office)
    removals = []
    monkeypatch.setattr(module, "carry_out", lambda removal, *_, **__: removals.append(removal))
    swept(office, 400)
    (removal,) = removals
    assert removal.reason.endswith("Decided as of 2027-12-28.")
    assert removal.reason.startswith('Its time ended on 2027-11-23: by policy "standard"')


def test_a_hold_keeps_everything_until_it_is_released(office):
    publish(office, "c-1")
    publish(office, "c-2")
    hold(office, "c-1")
    found = swept(office, 400)
    assert (found.held, found.n_due, found.deleted) == (1, 1, 1)
    assert office.ledger.get("c-1").state is CallState.PUBLISHED
    office.books.holds.release("hold-0123456789ab", reason="settled", actor="cli:ada", now=office.clock.now())
    assert swept(office, 400).deleted == 1
    assert objects(office) == set()


def test_a_hold_that_comes_in_between_wins(office, monkeypatch):
    publish(office)
    page = office.books.removals.calls(limit=10)
    hold(office, "c-1")
    monkeypatch.setattr(module, "_calls", lambda _: iter(page))
    found = swept(office, 400)
    assert (found.n_due, found.deleted, found.failed) == (1, 0, 1)
    assert len(objects(office)) == len(Part)


def test_a_restricted_call_stays(office):
    publish(office)
    office.books.requests.restrict("c-1", "asked for", actor="cli:ada", now=office.clock.now())
    found = swept(office, 400)
    assert (found.restricted, found.n_due) == (1, 0)
    assert len(objects(office)) == len(Part)


def test_an_erasure_that_is_asked_for_is_left_to_erasure(office):
    publish(office)
    ask(office, RequestKind.ERASURE, "c-1")
    found = swept(office, 400)
    assert (found.erasing, found.n_due) == (1, 0)
    assert len(objects(office)) == len(Part)


def test_raw_audio_of_a_failed_call_goes_too(office):
    token = failed(office, "c-1")
    assert swept(office, 29).n_due == 0
    assert office.landing.is_finished(token)
    assert swept(office, 31).deleted == 1
    with pytest.raises(NotFoundError):
        office.landing.is_finished(token)
    assert office.ledger.get("c-1").landing is None
    assert office.ledger.get("c-1").state is CallState.FAILED
    assert swept(office, 400).whole == 1
    assert office.ledger.get("c-1").state is CallState.ERASED


def test_a_limit_bounds_a_run_and_the_next_goes_on(office):
    for number in range(5):
        publish(office, f"c-{number}")
    runs = [swept(office, 400, limit=2) for _ in range(4)]
    assert [run.deleted for run in runs] == [2, 2, 1, 0]
    assert [run.more for run in runs] == [True, True, False, False]
    assert objects(office) == set()


def test_pages_do_not_lose_calls(office, monkeypatch):
    monkeypatch.setattr(module, "_PAGE", 2)
    for number in range(5):
        publish(office, f"c-{number}")
    assert swept(office, 400).deleted == 5


def test_what_was_cut_off_is_taken_up_first(office, monkeypatch):
    publish(office, "c-1")
    publish(office, "c-2")
    real = MemoryStore.delete_call
    calls: list[str] = []

    def once(self, prefix, **more):
        calls.append(prefix)
        if len(calls) == 1:
            raise StoreError("the server went away")
        return real(self, prefix, **more)

    monkeypatch.setattr(MemoryStore, "delete_call", once)
    first = swept(office, 400)
    assert (first.deleted, first.failed) == (1, 1)
    second = swept(office, 400)
    assert (second.taken_up, second.n_due, second.failed) == (1, 0, 0)
    assert objects(office) == set()
    assert not office.books.removals.unfinished()


def test_a_sweep_stops_when_a_place_is_gone(office, monkeypatch):
    for number in range(15):
        publish(office, f"c-{number:02}")

    def fails(*_: Any, **__: Any) -> int:
        raise StoreError("the server went away")

    monkeypatch.setattr(MemoryStore, "delete_call", fails)
    found = swept(office, 400)
    assert (found.n_due, found.failed, found.more) == (10, 10, True)


def changed(office: Any, *policies: Policy) -> Any:
    return replace(office, in_force=FixedPolicies(policies=policies))


LONG = replace(SALES, name="long", match=Match(), keep=dict.fromkeys(KeptPart, Period(months=36)))


def test_apply_without_yes_only_tells(office):
    prefix = publish(office)
    tags = office.store.tags(prefix + Part.AUDIO.value)
    found = apply_policies(changed(office, LONG, STANDARD), actor="cli:ada", dry_run=True)
    assert (found.n_calls, found.changed, found.tags, found.longer, found.originals) == (1, 1, 1, 1, 1)
    assert office.store.tags(prefix + Part.AUDIO.value) == tags
    assert not audit(office, "retention.applied")


def test_apply_moves_tags_locks_and_originals(office):
    prefix, longer = publish(office), changed(office, LONG, STANDARD)
    apply_policies(longer, actor="cli:ada", dry_run=False)
    tags = office.store.tags(prefix + Part.AUDIO.value)
    assert (tags["callveil-retention"], tags["callveil-expires"]) == ("long", "2029-11-23")
    assert office.store.retention(prefix).date() == END.replace(year=2029).date()
    assert office.originals.store.key("c-1").expires_at == END.replace(year=2029)
    (entry,) = audit(office, "retention.applied")
    assert entry.detail == {"policy": "long", "expires": "2029-11-23"}
    again = apply_policies(longer, actor="cli:ada", dry_run=False)
    assert (again.n_calls, again.changed) == (1, 0)


def test_apply_shortens_locks(office):
    prefix = publish(office)
    found = apply_policies(changed(office, replace(SALES, match=Match()), STANDARD), actor="a", dry_run=False)
    assert (found.shorter, found.longer) == (1, 0)
    assert office.store.retention(prefix).date() == (END + timedelta(days=90)).date()


def test_what_is_due_can_be_swept_whatever_its_lock_says(office):
    publish(office)
    office.clock.advance(timedelta(days=100))
    shorter = changed(office, replace(SALES, match=Match()), STANDARD)
    assert apply_policies(shorter, actor="a", dry_run=False).failed == 0
    assert sweep(shorter, at=office.clock.now(), limit=9, actor="a", dry_run=False).deleted == 1
    assert Part.AUDIO.value not in objects(office)


def test_apply_keeps_the_original_of_a_call_on_hold(office):
    publish(office)
    hold(office, "c-1")
    assert apply_policies(office, actor="a", dry_run=False).originals == 1
    assert office.originals.store.key("c-1").expires_at == NEVER


def test_apply_goes_on_where_a_call_is_missing_or_refused(office, monkeypatch):
    publish(office, "c-1")
    gone = publish(office, "c-2")
    office.store.delete_call(gone, bypass_governance=True)

    def refuses(*_: Any) -> None:
        raise RefusedError("no right to bypass")

    monkeypatch.setattr(MemoryStore, "set_retention", refuses)
    found = apply_policies(changed(office, LONG, STANDARD), actor="a", dry_run=False)
    assert (found.n_calls, found.missing, found.failed, found.changed) == (2, 1, 1, 0)


def test_apply_leaves_locks_where_the_profile_wants_none(office):
    prefix = publish(office)
    config = SimpleNamespace(profile=Profile.model_validate({"store": {"lock": "none"}}))
    found = apply_policies(replace(changed(office, LONG, STANDARD), config=config), actor="a", dry_run=False)
    assert (found.tags, found.longer) == (1, 0)
    assert office.store.retention(prefix).date() == (END + timedelta(days=365)).date()


def test_an_event_starts_the_clock_of_a_call(office):
    waiting = replace(
        LONG, name="contract", since="contract_end", keep=dict.fromkeys(KeptPart, Period(days=5))
    )
    office = changed(office, waiting, STANDARD)
    prefix = publish(office)
    assert swept(office, 4000).n_due == 0
    came: datetime = END + timedelta(days=1)
    office.books.removals.note_event("c-1", "contract_end", came, actor="cli:ada", now=office.clock.now())
    apply_policies(office, actor="cli:ada", dry_run=False)
    assert office.store.tags(prefix + Part.AUDIO.value)["callveil-expires"] == "2026-11-29"
    assert swept(office, 6.5).whole == 1


def test_an_original_on_hold_or_restricted_outlives_its_date(office):
    for number in range(3):
        publish(office, f"c-{number}")
    hold(office, "c-0")
    office.books.requests.restrict("c-1", "asked for", actor="cli:ada", now=office.clock.now())
    now = END + timedelta(days=31)

    def is_held(call_id: str) -> bool:
        return not original_may_go(call_id, office, now)

    assert delete_expired(office.originals, now, is_held=is_held) == ("c-2",)
    assert list(office.originals.store.call_ids()) == ["c-0", "c-1"]


def test_an_original_of_no_call_may_go(office):
    assert original_may_go("nobody", office, END)
