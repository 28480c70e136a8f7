"""What the register of requests, and the notices to recipients, promise, over every database."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.subject_keys import SubjectKeys
from callveil.errors import NotFoundError
from callveil.vocabulary.retention import Hold, HoldScope
from callveil.vocabulary.rights import (
    IdentifierKind,
    ItemState,
    Notice,
    NoticeState,
    Request,
    RequestItem,
    RequestKind,
    RequestState,
)

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ANA = SubjectKeys([bytes(32)]).identity(IdentifierKind.PHONE, "ana", 1)
R, I = RequestState, ItemState  # noqa: E741
OPEN_STATES = (R.OPEN, R.RUNNING, R.PARTLY_DONE)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def request_of(number: int = 1, kind: RequestKind = RequestKind.ERASURE, **others) -> Request:
    fields = {
        "state": R.OPEN,
        "identities": (ANA,),
        "received_at": NOW,
        "due_at": later(30 * 86400),
    }
    return Request(request_id=f"req-{number:012x}", kind=kind, **{**fields, **others})


def item(call_id: str = "c-1", number: int = 1, state: ItemState = I.PENDING, **others) -> RequestItem:
    return RequestItem(request_id=f"req-{number:012x}", call_id=call_id, state=state, **others)


def notice(number: int = 1, **others) -> Notice:
    fields = {
        "recipient": "crm",
        "request_id": request_of().request_id,
        "event": "erasure",
        "call_ids": ("c-1", "c-2"),
        "state": NoticeState.WAITING,
        "attempts": 0,
        "next_at": NOW,
        "due_at": later(7 * 86400),
    }
    return Notice(notice_id=f"ntc-{number:012x}", **{**fields, **others})


@pytest.fixture(autouse=True)
def calls(ledger, new_call):
    """Three calls to ask for."""
    for call_id in ("c-1", "c-2", "c-3"):
        ledger.accept(new_call(call_id), actor="key:a", now=NOW)


@pytest.fixture
def register(ledger):
    return ledger.books.requests


@pytest.fixture
def enter(register):
    """Open a request for calls."""

    def do(*call_ids, number=1, **others):
        items = [item(call_id, number, parties=(1,)) for call_id in call_ids]
        return register.open(request_of(number, **others), items, actor="cli:lee", now=NOW)

    return do


def is_singled_out(place, call_id="c-1"):
    (row,) = place.sql("SELECT singled_out FROM calls WHERE call_id = :c", c=call_id)
    return bool(row.singled_out)


def new_entries(ledger, n_known=3):
    return [(entry.action, entry.call_id, entry.detail) for entry in ledger.audit()[n_known:]]


# Requests


def test_a_request_is_entered_with_its_calls(ledger, register, enter, place):
    asked = dataclasses.replace(request_of(), n_calls=2)
    assert enter("c-2", "c-1") == register.get(asked.request_id) == asked
    assert register.items(asked.request_id) == (item(parties=(1,)), item("c-2", parties=(1,)))
    assert [is_singled_out(place, call_id) for call_id in ("c-1", "c-2", "c-3")] == [True, True, False]
    ((action, call_id, detail),) = new_entries(ledger)
    assert (action, call_id) == ("request.opened", None)
    assert detail == {"request": asked.request_id, "kind": "erasure", "calls": 2}
    assert ANA.digest not in repr(ledger.audit())


def test_a_request_that_is_there_stays_as_it_is(ledger, register, enter):
    first = enter("c-1")
    register.settle_item(item(state=I.DONE, parties=(1,)), actor="a", now=NOW)
    n_entries = len(ledger.audit())
    assert enter("c-1", "c-2", kind=RequestKind.ACCESS) == first
    assert [each.state for each in register.items(first.request_id)] == [I.DONE]
    assert len(ledger.audit()) == n_entries


def test_a_request_for_a_call_that_is_not_there_is_not_entered(register, enter):
    with pytest.raises(NotFoundError):
        enter("c-1", "c-9")
    with pytest.raises(NotFoundError):
        register.get(request_of().request_id)
    assert register.items_of("c-1") == ()


def test_requests_are_listed_by_the_time_they_came(register, enter):
    enter("c-1", number=1, received_at=later(5))
    enter("c-1", number=2, kind=RequestKind.ACCESS)
    enter(number=3, state=R.RUNNING, identities=(), received_at=later(9))
    register.change(request_of(2).request_id, actor="a", now=NOW, state=R.DONE)

    def numbers(**which):
        return [int(each.request_id[-1]) for each in register.requests(**which)]

    assert numbers() == [2, 1, 3]
    assert numbers(kind=RequestKind.ERASURE) == [1, 3]
    assert numbers(states=(R.RUNNING, R.DONE)) == [2, 3]
    assert numbers(kind=RequestKind.ACCESS, states=OPEN_STATES) == []
    assert register.requests()[2].identities == ()


def test_the_calls_of_a_request_are_read_in_pages(register, enter):
    enter("c-1", "c-2", "c-3")
    enter("c-2", number=2)
    register.settle_item(item("c-2", state=I.DONE), actor="a", now=NOW)
    request_id = request_of().request_id

    def ids(**which):
        return [each.call_id for each in register.items(request_id, **which)]

    assert ids() == ["c-1", "c-2", "c-3"]
    assert ids(limit=2) == ["c-1", "c-2"]
    assert ids(after="c-2") == ["c-3"]
    assert ids(state=I.PENDING) == ["c-1", "c-3"]
    assert ids(state=I.PENDING, after="c-1", limit=1) == ["c-3"]
    assert register.items("req-9") == ()


def test_a_call_tells_what_open_requests_there_are_for_it(register, enter):
    first = enter("c-1", number=1, received_at=later(5))
    second = enter("c-1", "c-2", number=2, kind=RequestKind.ACCESS)
    assert register.items_of("c-1") == (
        (second, item(number=2, parties=(1,))),
        (first, item(number=1, parties=(1,))),
    )
    register.change(second.request_id, actor="a", now=NOW, state=R.REFUSED)
    assert [request.request_id for request, _ in register.items_of("c-1")] == [first.request_id]
    assert register.items_of("c-3") == ()


def test_only_what_is_given_changes(ledger, register, enter):
    first = enter("c-1")
    changed = register.change(
        first.request_id,
        actor="cli:mo",
        now=later(1),
        due_at=later(90 * 86400),
        extension_reason="Many calls.",
    )
    assert changed == dataclasses.replace(first, due_at=later(90 * 86400), extension_reason="Many calls.")
    running = register.change(first.request_id, actor="a", now=later(2), state=R.RUNNING, note="Begun.")
    assert running == dataclasses.replace(changed, state=R.RUNNING, note="Begun.")
    last = register.change(first.request_id, actor="a", now=later(3), state=R.DONE, forget_identities=True)
    assert last == dataclasses.replace(running, state=R.DONE, closed_at=later(3), identities=())
    assert register.get(first.request_id) == last
    again = register.change(first.request_id, actor="a", now=later(4), state=R.RUNNING)
    assert again == dataclasses.replace(last, state=R.RUNNING, closed_at=None)
    with pytest.raises(NotFoundError):
        register.change("req-9", actor="a", now=NOW, state=R.DONE)
    entries = new_entries(ledger)[1:]
    assert [(action, detail["state"], detail["extended"]) for action, _, detail in entries] == [
        ("request.changed", None, True),
        ("request.changed", "running", False),
        ("request.changed", "done", False),
        ("request.changed", "running", False),
    ]
    assert "Many calls." not in repr(ledger.audit())


def test_identities_that_are_forgotten_are_nowhere(register, enter, place):
    enter("c-1", number=1)
    enter("c-1", number=2)
    register.change(request_of().request_id, actor="a", now=NOW, forget_identities=True)
    rows = place.sql("SELECT request_id FROM request_identities")
    assert [row.request_id for row in rows] == [request_of(2).request_id]


@pytest.mark.parametrize("kind", RequestKind)
def test_a_call_is_singled_out_while_a_request_decides_about_it(register, enter, place, kind):
    decides = kind in (RequestKind.ERASURE, RequestKind.RESTRICTION)
    request = enter("c-1", "c-2", kind=kind)
    assert is_singled_out(place) is decides
    register.settle_item(item(state=I.DONE), actor="a", now=NOW)
    assert not is_singled_out(place)
    assert is_singled_out(place, "c-2") is decides
    for state in R:
        register.change(request.request_id, actor="a", now=NOW, state=state)
        assert is_singled_out(place, "c-2") is (decides and state in OPEN_STATES)
        assert not is_singled_out(place)


def test_where_a_call_of_a_request_stands_is_written_down(ledger, register, enter):
    enter("c-1", "c-2")
    restricted = item(state=I.RESTRICTED, reason="Tax law.", review_at=later(9), parties=(1,))
    register.settle_item(restricted, actor="cli:mo", now=NOW)
    assert register.items(request_of().request_id) == (restricted, item("c-2", parties=(1,)))
    for wrong in (item("c-3"), item("c-9"), item(number=7)):
        with pytest.raises(NotFoundError):
            register.settle_item(wrong, actor="a", now=NOW)
    assert new_entries(ledger)[1:] == [
        ("request.item", "c-1", {"request": request_of().request_id, "state": "restricted"})
    ]


def test_restricted_calls_are_due_on_their_date_or_when_no_hold_is_left(ledger, register, enter):
    holds = ledger.books.holds
    for number in (1, 2):
        hold = Hold(
            hold_id=f"hold-{number}",
            scope=HoldScope.CALL,
            reason="A claim.",
            authority="Court",
            placed_by="a",
            placed_at=NOW,
        )
        holds.place(hold, call_ids=["c-1", "c-3"], actor="a", now=NOW)
    enter("c-1", "c-2", "c-3")
    waits = item("c-1", state=I.RESTRICTED, reason="Held.")
    dated = item("c-2", state=I.RESTRICTED, reason="Tax law.", review_at=later(9))
    # A date counts whatever holds are on the call.
    both = item("c-3", state=I.RESTRICTED, reason="Held, tax law.", review_at=later(20))
    for each in (waits, dated, both):
        register.settle_item(each, actor="a", now=NOW)

    def due(now=NOW, **others):
        return [each.call_id for each in register.due_for_review(now=now, **others)]

    assert due() == due(later(8.9)) == []
    assert due(later(9)) == ["c-2"]
    assert due(later(20)) == ["c-2", "c-3"]
    holds.release("hold-1", reason="Over.", actor="a", now=NOW)
    assert due() == []
    holds.release("hold-2", reason="Over.", actor="a", now=NOW)
    assert due() == ["c-1"]
    assert due(later(20)) == ["c-1", "c-2", "c-3"]
    assert due(later(20), limit=2) == ["c-1", "c-2"]
    register.settle_item(dataclasses.replace(waits, state=I.DONE), actor="a", now=NOW)
    assert due() == []
    register.change(request_of().request_id, actor="a", now=NOW, state=R.PARTLY_DONE)
    assert due(later(20)) == ["c-2", "c-3"]
    register.change(request_of().request_id, actor="a", now=NOW, state=R.REFUSED)
    assert due(later(20)) == []


def test_only_erasures_are_reviewed(register, enter):
    enter("c-1", kind=RequestKind.RESTRICTION)
    register.settle_item(item(state=I.RESTRICTED, review_at=NOW), actor="a", now=NOW)
    assert register.due_for_review(now=later(9)) == ()


def test_a_restriction_stands_until_it_is_lifted(ledger, register, place):
    assert register.restriction("c-1") is register.restriction("c-9") is None
    for _ in range(2):
        register.restrict("c-1", "Accuracy is contested.", actor="cli:lee", now=NOW)
    assert register.restriction("c-1") == "Accuracy is contested."
    assert is_singled_out(place)
    assert not is_singled_out(place, "c-2")
    for _ in range(2):
        register.restrict("c-1", None, actor="cli:mo", now=NOW)
    assert register.restriction("c-1") is None
    assert not is_singled_out(place)
    with pytest.raises(NotFoundError):
        register.restrict("c-9", "Why.", actor="a", now=NOW)
    assert new_entries(ledger) == [("call.restricted", "c-1", {}), ("call.unrestricted", "c-1", {})]


# Notices


def test_notices_are_owed_once(ledger):
    notices = ledger.books.notices
    notices.owe([notice(1), notice(2, next_at=later(5))], actor="a", now=NOW)
    sent = notice(1, attempts=1, next_at=later(60), delivered_at=later(1))
    notices.update(sent, actor="a", now=later(1))
    notices.owe([notice(1), notice(3, recipient="warehouse")], actor="a", now=later(2))
    assert [notices.get(notice(n).notice_id) for n in (1, 2, 3)] == [
        sent,
        notice(2, next_at=later(5)),
        notice(3, recipient="warehouse"),
    ]
    entries = new_entries(ledger)
    assert [action for action, _, _ in entries] == ["notice.owed"] * 2 + ["notice.changed", "notice.owed"]
    assert all("c-1" not in repr(detail) for _, _, detail in entries)
    with pytest.raises(NotFoundError):
        notices.get("ntc-9")
    with pytest.raises(NotFoundError):
        notices.update(notice(9), actor="a", now=NOW)


def test_waiting_notices_are_due_at_their_time(ledger):
    notices = ledger.books.notices
    owed = [notice(1, next_at=later(5)), notice(2, next_at=later(3)), notice(3, next_at=later(9))]
    notices.owe(owed, actor="a", now=NOW)

    def due(seconds, **others):
        return [int(each.notice_id[-1]) for each in notices.due(now=later(seconds), **others)]

    assert (due(2.9), due(3), due(9), due(9, limit=2)) == ([], [2], [2, 1, 3], [2, 1])
    confirmed = notice(2, state=NoticeState.CONFIRMED, next_at=later(3), attempts=1, receipt="ok-1")
    notices.update(confirmed, actor="a", now=later(4))
    assert due(9) == [1, 3]
    assert [each.notice_id for each in notices.notices(waiting=True)] == [
        notice(1).notice_id,
        notice(3).notice_id,
    ]


def test_a_receipt_is_not_undone_by_another_attempt(ledger):
    notices = ledger.books.notices
    notices.owe([notice()], actor="a", now=NOW)
    confirmed = notice(
        state=NoticeState.CONFIRMED, attempts=1, delivered_at=later(1), receipt="ok-1", escalated_at=later(2)
    )
    notices.update(confirmed, actor="a", now=later(2))
    notices.update(notice(attempts=1, problem="timeout"), actor="a", now=later(3))
    assert notices.get(notice().notice_id) == confirmed


def test_notices_are_listed_by_request(ledger):
    notices = ledger.books.notices
    late = notice(1, due_at=later(99 * 86400))
    other = notice(3, request_id=request_of(2).request_id)
    notices.owe([late, notice(2), other], actor="a", now=NOW)
    assert notices.notices(request_id=request_of().request_id) == (notice(2), late)
    assert notices.notices(request_id=request_of(2).request_id, waiting=True) == (other,)
    assert set(notices.notices()) == {late, notice(2), other}
    assert notices.notices(request_id="req-9") == ()
