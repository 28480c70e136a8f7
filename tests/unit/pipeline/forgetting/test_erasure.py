"""An erasure: everything goes, or is locked away with its reason; wherever it was killed, it is finished."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib.resources import files
from types import SimpleNamespace

import jsonschema
import pytest

from callveil.adapters.webhook import Answer
from callveil.errors import ConfigError, RefusedError, StoreError
from callveil.pipeline import erasure, holds
from callveil.pipeline.erasure_proof import check_proof
from callveil.pipeline.notices import send_now
from callveil.pipeline.outlook import named, preview
from callveil.pipeline.restrict import check_may_read
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import HoldScope, KeptPart
from callveil.vocabulary.rights import (
    ItemState,
    NoticeState,
    Recipient,
    RemovalWhy,
    RequestState,
)

PREFIX = "calls/2026/11/23/c-1/"
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/forget", secret="s" * 32)
BROKERS = Recipient(
    name="dwh", kind="warehouse", url="https://dwh.example/", secret="t" * 32, queues=frozenset({"broker"})
)


def confirm(recipient, body, now):
    return Answer(accepted=True, receipt="ok")


def refuse(recipient, body, now):
    return Answer(problem="HTTP 503")


def erase(world, sought=None):
    return erasure.erase(sought or world.person(), world.office, actor="test")


def items(world, request_id):
    return {item.call_id: item for item in world.office.books.requests.items(request_id)}


def keys(world):
    return {world.office.signer.key_id: world.office.signer.public_key}


def test_a_preview_tells_and_changes_nothing(world):
    world.plant("c-1", landed=True)
    world.plant("c-2", queue="broker")
    world.with_recipients(CRM, BROKERS)
    before = world.files()
    ahead = preview(world.person(), world.office)
    assert {name: content for name, content in world.files().items() if "sqlite" not in name} == {
        name: content for name, content in before.items() if "sqlite" not in name
    }
    first, second = ahead.calls
    assert (first.is_erased, first.goes) == (True, frozenset(KeptPart))
    assert first.there.numbers == {
        "store_versions": 6,
        "decision_records": 0,
        "originals": 1,
        "landing": 1,
    }
    assert not second.is_erased
    assert second.goes == {KeptPart.ORIGINAL}
    assert "MiFID II" in second.reason
    assert second.review_at(world.clock.now()).year == 2031
    assert ahead.recipients == {"crm": 2, "dwh": 2}  # the queue of c-1 is not known


def test_everything_of_a_person_is_erased_and_proven(world):
    world.plant("c-1")
    world.plant("c-2", state=CallState.FAILED)
    world.plant("other", person=False)
    request = erase(world)
    assert request.state is RequestState.DONE
    assert request.identities == ()
    assert [world.state(each) for each in ("c-1", "c-2", "other")] == [
        CallState.ERASED,
        CallState.ERASED,
        CallState.PUBLISHED,
    ]
    assert list(world.office.store.list_calls()) == ["calls/2026/11/23/other/"]
    assert list(world.office.originals.store.call_ids()) == ["other"]
    assert world.office.books.subjects.beside(["c-1", "c-2"]) == ()
    proof = world.proof(request.request_id)
    assert proof["outcome"] == "erased"
    assert [each["call_id"] for each in proof["calls"]] == ["c-1", "c-2"]
    first, second = proof["calls"]
    assert first["deleted"].items() >= {"store_versions": 6, "originals": 1, "landing": 0}.items()
    assert second["deleted"].items() >= {"decision_records": 1, "originals": 1, "landing": 1}.items()
    assert (first["keys_shredded"], second["keys_shredded"]) == (1, 2)
    assert set(proof["absence"]["left"].values()) == {0}


@pytest.mark.parametrize(
    "state", [CallState.RECEIVED, CallState.KEPT, CallState.PROCESSING, CallState.DISCARDED, CallState.FAILED]
)
def test_a_call_on_its_way_is_erased_too(world, state):
    token = world.plant("c-1", state=state)
    assert erase(world).state is RequestState.DONE
    assert world.state() is CallState.ERASED
    assert not world.office.landing.shred(token)
    assert world.office.ledger.claim("c-1", owner="w2", lease_s=60, now=world.clock.now()) is None


def test_calls_can_be_named_and_an_unknown_person_has_none(world):
    world.plant("c-1")
    world.plant("c-2")
    request = erase(world, named(["c-2"], world.office))
    assert request.state is RequestState.DONE
    assert (world.state("c-1"), world.state("c-2")) == (CallState.PUBLISHED, CallState.ERASED)


def test_an_erased_call_does_not_come_back(world):
    world.plant("c-1")
    erase(world)
    with pytest.raises(RefusedError):
        world.plant("c-1")


def test_a_hold_turns_erasure_into_restriction_until_it_ends(world):
    world.plant("c-1")
    hold = holds.place(
        HoldScope.CALL, named(["c-1"], world.office), world.office, reason="r", authority="court", actor="t"
    ).hold
    request = erase(world)
    assert request.state is RequestState.PARTLY_DONE
    item = items(world, request.request_id)["c-1"]
    assert (item.state, item.review_at) == (ItemState.RESTRICTED, None)
    assert "court" in item.reason
    assert world.state() is CallState.PUBLISHED
    assert world.office.store.tags(PREFIX + Part.AUDIO)["callveil-restricted"] == "yes"
    with pytest.raises(RefusedError, match="restricted"):
        check_may_read("c-1", world.office, despite=None, actor="t")
    assert world.proof(request.request_id)["outcome"] == "partly_erased"
    assert erasure.resume(world.office, actor="t").requests == 0
    holds.release(hold.hold_id, world.office, reason="over", actor="t")
    assert erasure.resume(world.office, actor="t").failed == 0
    assert world.state() is CallState.ERASED
    after = world.office.books.requests.get(request.request_id)
    assert (after.state, after.identities) == (RequestState.DONE, ())
    assert world.proof(request.request_id)["outcome"] == "erased"


def test_a_duty_keeps_what_it_must_until_its_day(world):
    world.plant("c-1", queue="broker")
    request = erase(world)
    assert request.state is RequestState.PARTLY_DONE
    item = items(world, request.request_id)["c-1"]
    assert item.review_at.year == 2031
    assert list(world.office.originals.store.call_ids()) == []  # no duty is on it
    assert list(world.office.store.list_calls()) == [PREFIX]
    deleted = world.proof(request.request_id)["calls"][0]
    assert (deleted["state"], deleted["parts"], deleted["deleted"]["originals"]) == (
        "restricted",
        ["original"],
        1,
    )
    world.clock.advance(timedelta(days=365 * 4))
    erasure.resume(world.office, actor="t")
    assert world.state() is CallState.PUBLISHED
    world.clock.advance(timedelta(days=366))
    erasure.resume(world.office, actor="t")
    assert world.state() is CallState.ERASED
    assert world.office.books.requests.get(request.request_id).state is RequestState.DONE


def test_a_store_that_is_held_by_somebody_else_keeps_the_call(world):
    world.plant("c-1")
    world.office.store.set_legal_hold(PREFIX, True)
    request = erase(world)
    assert request.state is RequestState.RUNNING
    [removal] = world.office.books.removals.unfinished()
    assert removal.done_at is None
    assert list(world.office.originals.store.call_ids()) == ["c-1"]
    assert erasure.resume(world.office, actor="t").failed
    world.office.store.set_legal_hold(PREFIX, False)
    erasure.resume(world.office, actor="t")
    assert world.office.books.requests.get(request.request_id).state is RequestState.DONE


def test_recipients_are_told_by_queue_and_asked_until_they_confirm(world):
    world.plant("c-1")
    world.plant("c-2", queue="sales")
    world.with_recipients(CRM, BROKERS)
    request = erase(world)
    owed = world.office.books.notices.notices(request_id=request.request_id)
    # The queue of c-1 is not known, so everybody may have it.
    assert {each.recipient: each.call_ids for each in owed} == {"crm": ("c-1", "c-2"), "dwh": ("c-1",)}
    told, failed = erasure.tell_recipients(world.office, actor="t", post=refuse)
    assert (told.confirmed, told.failed, failed) == (0, 2, 0)
    assert erasure.tell_recipients(world.office, actor="t", post=confirm)[0].confirmed == 0  # too early
    world.clock.advance(timedelta(minutes=2))
    assert erasure.tell_recipients(world.office, actor="t", post=confirm)[0].confirmed == 2
    states = {each["name"]: each["state"] for each in world.proof(request.request_id)["recipients"]}
    assert states == {"crm": "confirmed", "dwh": "confirmed"}


def test_silence_is_escalated(world):
    world.plant("c-1")
    world.with_recipients(CRM)
    request = erase(world)
    for _ in range(31):
        erasure.resume(world.office, actor="t", post=refuse)
        world.clock.advance(timedelta(hours=6))
    [notice] = world.office.books.notices.notices(request_id=request.request_id)
    assert notice.escalated_at is not None
    assert notice.attempts > 10
    assert erasure.resume(world.office, actor="t", post=refuse).late == 1
    assert world.proof(request.request_id)["recipients"][0]["state"] == "late"


def test_what_is_only_entered_is_carried_out_later_once(world):
    world.plant("c-1")
    for _ in range(2):
        request = erasure.begin(world.person(), world.office, actor="t", request_id="req-" + "1" * 12)
        assert request.state is RequestState.RUNNING
    assert world.state() is CallState.PUBLISHED
    assert len(world.office.books.requests.requests()) == 1
    assert erasure.resume(world.office, actor="t").requests == 1
    assert world.state() is CallState.ERASED
    again = erasure.begin(world.person(), world.office, actor="t", request_id=request.request_id)
    assert again.state is RequestState.DONE


def test_nothing_is_begun_that_could_not_be_proven(world):
    world.plant("c-1")

    def sign(_):
        raise ConfigError("no key")

    world.office = dataclasses.replace(world.office, signer=SimpleNamespace(sign=sign))
    with pytest.raises(ConfigError):
        erasure.begin(world.person(), world.office, actor="t")
    assert world.office.books.requests.requests() == ()


def test_one_notice_is_sent_at_once_by_hand(world):
    world.plant("c-1")
    world.with_recipients(CRM)
    erase(world)
    [notice] = world.office.books.notices.notices()
    assert send_now(notice.notice_id, world.office, actor="t", post=refuse).problem == "HTTP 503"
    assert send_now(notice.notice_id, world.office, actor="t", post=confirm).state is NoticeState.CONFIRMED
    assert send_now(notice.notice_id, world.office, actor="t", post=refuse).receipt == "ok"
    world.plant("c-2", person=False)
    other = erase(world, named(["c-2"], world.office))
    [owed] = world.office.books.notices.notices(request_id=other.request_id)
    world.with_recipients()
    with pytest.raises(RefusedError, match="not registered"):
        send_now(owed.notice_id, world.office, actor="t", post=confirm)


def test_notices_are_owed_before_anything_goes(world, monkeypatch):
    world.plant("c-1")
    world.with_recipients(CRM)
    seen = []

    def fail(removal, office, *, actor):
        seen.append([each.recipient for each in office.books.notices.notices(waiting=True)])
        raise StoreError("told to fail")

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "carry_out", fail)
        assert erase(world).state is RequestState.RUNNING
    assert seen == [["crm"]]
    erasure.resume(world.office, actor="t", post=confirm)
    [notice] = world.office.books.notices.notices()
    assert (notice.state, notice.call_ids) == (NoticeState.CONFIRMED, ("c-1",))


def test_without_a_signing_key_nothing_is_begun(world):
    class NoSigner:
        def sign(self, message):
            raise ConfigError("signing key: there is none")

    world.plant("c-1")
    wanted = world.person()
    world.office = dataclasses.replace(world.office, signer=NoSigner())
    with pytest.raises(ConfigError):
        erase(world, wanted)
    assert world.office.books.requests.requests() == ()


def test_a_worker_that_publishes_too_late_is_found(world):
    world.plant("c-1", state=CallState.PROCESSING, original=False)
    store = world.office.store

    class Late:
        """Publishes right after the call was deleted, once."""

        def __init__(self):
            self.todo = [1]

        def __getattr__(self, name):
            return getattr(store, name)

        def delete_decision(self, key):
            if self.todo and self.todo.pop():
                world.publish("c-1")
            return store.delete_decision(key)

    world.office = dataclasses.replace(world.office, store=Late())
    request = erase(world)
    assert request.state is RequestState.DONE
    assert list(store.list_calls()) == []
    assert world.proof(request.request_id)["calls"][0]["deleted"]["store_versions"] == 5


def test_a_call_that_comes_back_before_the_proof_is_deleted_again(world, monkeypatch):
    world.plant("c-1", state=CallState.PROCESSING, original=False)
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "prove", lambda *_: (_ for _ in ()).throw(StoreError("told to fail")))
        request = erase(world)
    assert request.state is RequestState.RUNNING
    world.publish("c-1")
    world.seal("c-1")
    erasure.resume(world.office, actor="t")
    assert list(world.office.store.list_calls()) == []
    assert list(world.office.originals.store.call_ids()) == []
    assert world.office.books.requests.get(request.request_id).state is RequestState.DONE


def test_what_retention_had_begun_is_finished_by_the_erasure(world):
    world.plant("c-1")
    world.office.books.removals.decide(
        "c-1",
        prefix=PREFIX,
        parts=frozenset(KeptPart),
        why=RemovalWhy.RETENTION,
        reason="Its time is over.",
        request_id=None,
        actor="sweep",
        now=world.clock.now(),
    )
    request = erase(world)
    erasure.resume(world.office, actor="t")
    assert world.office.books.requests.get(request.request_id).state is RequestState.DONE
    assert world.office.store.count_versions(PREFIX) == 0
    assert world.office.books.subjects.beside(["c-1"]) == ()


def test_several_can_carry_on_at_once(world, monkeypatch):
    for number in range(4):
        world.plant(f"c-{number}", queue="broker" if number == 3 else None)
    world.with_recipients(CRM)
    with monkeypatch.context() as patch:
        patch.setattr(erasure, "_settle", lambda *_: (_ for _ in ()).throw(StoreError("told to fail")))
        request = erase(world)
    with ThreadPoolExecutor(4) as pool:
        runs = [pool.submit(erasure.resume, world.office, actor=f"w{n}", post=confirm) for n in range(4)]
    assert [run.exception() for run in runs] == [None] * 4
    erasure.resume(world.office, actor="t", post=confirm)
    assert world.office.books.requests.get(request.request_id).state is RequestState.PARTLY_DONE
    assert [world.state(f"c-{number}") for number in range(4)] == [CallState.ERASED] * 3 + [
        CallState.PUBLISHED
    ]
    deleted = [each["deleted"]["originals"] for each in world.proof(request.request_id)["calls"]]
    assert deleted == [1, 1, 1, 1]
    assert world.office.ledger.check_audit() is None


def test_notices_fit_their_schema(world):
    world.plant("c-1")
    world.with_recipients(CRM)
    erase(world)
    bodies = []
    erasure.tell_recipients(
        world.office, actor="t", post=lambda r, body, now: bodies.append(body) or Answer(accepted=True)
    )
    schema = json.loads((files("callveil") / "schemas/notice.schema.json").read_bytes())
    [body] = bodies
    jsonschema.validate(json.loads(body), schema)
    [notice] = world.office.books.notices.notices()
    assert (notice.state, notice.receipt) == (NoticeState.WAITING, None)
    assert notice.delivered_at == world.clock.now()


class Killed(BaseException):
    """As kill -9: nothing catches it."""


class Fragile:
    """Passes calls on to a part; dies before or after the n-th one of them all."""

    def __init__(self, part, fuse):
        self.__dict__.update(part=part, fuse=fuse)

    def __getattr__(self, name):
        found = getattr(self.part, name)
        if not callable(found):
            return found

        def call_it(*args, **kwargs):
            self.fuse.burn()
            result = found(*args, **kwargs)
            self.fuse.burn()
            return result

        return call_it


class Fuse:
    def __init__(self, left):
        self.left = left

    def burn(self):
        self.left -= 1
        if self.left < 0:
            raise Killed


class FragileBooks:
    def __init__(self, books, fuse):
        for name in ("subjects", "holds", "requests", "notices", "removals"):
            setattr(self, name, Fragile(getattr(books, name), fuse))


def fragile(office, fuse):
    return dataclasses.replace(
        office,
        books=FragileBooks(office.books, fuse),
        store=Fragile(office.store, fuse),
        landing=Fragile(office.landing, fuse),
        originals=dataclasses.replace(office.originals, store=Fragile(office.originals.store, fuse)),
    )


def survives(world, kill_after):
    """Kill an erasure after so many steps, resume it, and check the end; False when it was not killed."""
    world.with_recipients(CRM)
    world.plant("c-1", landed=True)
    world.plant("c-2", state=CallState.FAILED)
    world.plant("c-3", queue="broker")
    wanted, killed = world.person(), False
    try:
        erasure.erase(wanted, fragile(world.office, Fuse(kill_after)), actor="test")
    except Killed:
        killed = True
    requests = world.office.books.requests.requests()
    if not requests:
        assert killed
        return killed  # nothing was begun
    erasure.resume(world.office, actor="t", post=confirm)
    [request] = world.office.books.requests.requests()
    assert request.state is RequestState.PARTLY_DONE
    assert {item.call_id: item.state for item in items(world, request.request_id).values()} == {
        "c-1": ItemState.DONE,
        "c-2": ItemState.DONE,
        "c-3": ItemState.RESTRICTED,
    }
    notices = world.office.books.notices.notices()
    assert sorted((each.event, each.call_ids, each.state.value) for each in notices) == [
        ("erasure", ("c-1", "c-2"), "confirmed"),
        ("restriction", ("c-3",), "confirmed"),
    ]
    numbers = {each["call_id"]: each["deleted"] for each in world.proof(request.request_id)["calls"]}
    assert {name: numbers["c-1"][name] for name in ("store_versions", "originals", "landing")} == {
        "store_versions": 6,
        "originals": 1,
        "landing": 1,
    }
    assert {name: numbers["c-2"][name] for name in ("decision_records", "originals", "landing")} == {
        "decision_records": 1,
        "originals": 1,
        "landing": 1,
    }
    checked = check_proof(
        (world.folder / "erasures" / f"{request.request_id}.json").read_bytes(), keys(world), world.office
    )
    assert checked.faults == ()
    assert world.office.ledger.check_audit() is None
    return killed


def killed_every(stride, start, another_world):
    """Kill erasures at every so-manieth step until one is not killed; returns the steps there are."""
    step = start
    while survives(another_world(), step):
        step += stride
    return step


def test_an_erasure_that_is_killed_is_finished(another_world):
    assert killed_every(31, 7, another_world) > 150


@pytest.mark.slow
@pytest.mark.parametrize("start", range(8))
def test_an_erasure_that_is_killed_at_any_step_is_finished(start, another_world):
    killed_every(8, start, another_world)
