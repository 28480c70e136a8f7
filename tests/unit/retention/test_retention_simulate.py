import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.ports import SweptCall
from callveil.retention import simulate as module
from callveil.retention.plot import plot
from callveil.retention.policy import decide, group_facts, midnight
from callveil.retention.simulate import GroupDecider, simulate
from callveil.vocabulary.retention import (
    CallFacts,
    CallGroup,
    CallTraits,
    Fate,
    Hold,
    HoldScope,
    KeptPart,
    Match,
    Period,
    Policy,
)
from callveil.vocabulary.rights import Request, RequestKind, RequestState

AUDIO, TRANSCRIPT, ORIGINAL, CERTIFICATE = KeptPart
ENDED = datetime(2026, 11, 23, 9, 40, tzinfo=UTC)
ON, DAY = date(2027, 6, 1), ENDED.date()

STANDARD = Policy(name="standard", keep=dict.fromkeys(KeptPart, Period(days=365)), fallback=True)
SALES = Policy(name="sales", match=Match(queues=frozenset({"sales"})), keep={AUDIO: Period(months=24)})
SHORT = replace(SALES, keep={AUDIO: Period(days=90), TRANSCRIPT: Period(months=36)})


def group(queue: str = "sales", ended_on: date = DAY, n_calls: int = 10, gone=()) -> CallGroup:
    traits = CallTraits(outcome="published", queue=queue)
    return CallGroup(
        traits=traits, ended_on=ended_on, gone=frozenset(gone), n_calls=n_calls, duration_s=60.0 * n_calls
    )


def swept(**more) -> SweptCall:
    traits = CallTraits(outcome="published", queue="sales")
    facts = CallFacts(call_id="c-1", traits=traits, ended_at=ENDED)
    return SweptCall(
        **{"facts": facts, "holds": (), "requests": (), "restricted": None, "duration_s": 60.0} | more
    )


HOLD = Hold(
    hold_id="hold-0123456789ab",
    scope=HoldScope.CALL,
    reason="matter 17",
    authority="Court",
    placed_by="cli:ada",
    placed_at=ENDED,
)
ERASURE = Request(
    request_id="req-0123456789ab",
    kind=RequestKind.ERASURE,
    state=RequestState.OPEN,
    identities=(),
    received_at=ENDED,
    due_at=ENDED + timedelta(days=30),
)


def test_what_stands_is_counted_by_policy_and_month():
    groups = [
        group(n_calls=10),
        group("support", n_calls=3),
        group("support", ENDED.date().replace(year=2025)),
    ]
    found = simulate(groups, (), (SALES, STANDARD), (SALES, STANDARD), ON)
    assert {key: counts.ends_after.n_calls for key, counts in found.rows.items()} == {
        ("sales", "2028-11"): 10,
        ("standard", "2026-11"): 10,
        ("standard", "2027-11"): 3,
    }
    assert found.rows["standard", "2026-11"].deleted_after.n_calls == 10
    assert found.total.deleted_after.n_calls == found.total.deleted_before.n_calls == 10
    assert found.total.deleted_after.duration_s == 600
    assert {part: after.n_calls for part, (_, after) in found.parts.items()} == dict.fromkeys(KeptPart, 10)
    assert (found.total.extended.n_calls, found.total.shortened.n_calls) == (0, 0)


def test_a_change_tells_what_it_deletes_shortens_and_extends():
    found = simulate([group()], (), (SALES, STANDARD), (SHORT, STANDARD), ON)
    assert set(found.rows) == {("sales", "2028-11"), ("sales", "2027-02")}
    before, after = found.rows["sales", "2028-11"], found.rows["sales", "2027-02"]
    assert (before.ends_before.n_calls, before.ends_after.n_calls) == (10, 0)
    assert (after.ends_before.n_calls, after.ends_after.n_calls, after.deleted_after.n_calls) == (0, 10, 10)
    # The voice goes earlier, the text (which lived as long as the voice) later.
    assert (after.shortened.n_calls, after.extended.n_calls) == (10, 10)
    assert (found.total.deleted_before.n_calls, found.total.deleted_after.n_calls) == (0, 10)
    assert [found.parts[part][1].n_calls for part in (AUDIO, TRANSCRIPT)] == [10, 0]


def test_a_call_on_hold_is_neither_deleted_nor_changed():
    found = simulate((), [swept(holds=(HOLD,))], (SALES, STANDARD), (SHORT, STANDARD), ON)
    assert set(found.rows) == {("none", "open")}
    total = found.total
    assert (total.held.n_calls, total.held.duration_s) == (1, 60.0)
    assert (total.deleted_after.n_calls, total.shortened.n_calls, total.restricted.n_calls) == (0, 0, 0)


def test_a_hold_that_is_released_counts_no_more():
    found = simulate((), [swept(holds=(replace(HOLD, released_at=ENDED),))], (SHORT,), (SHORT,), ON)
    assert (found.total.held.n_calls, found.total.deleted_after.n_calls) == (0, 1)


def test_restricted_calls_are_counted():
    calls = [swept(restricted="asked for"), swept(holds=(HOLD,), requests=(ERASURE,))]
    found = simulate((), calls, (SALES,), (SALES,), ON)
    assert (found.total.restricted.n_calls, found.total.held.n_calls) == (2, 1)


def test_an_event_that_came_counts():
    waiting = replace(SALES, since="contract_end", keep={AUDIO: Period(days=10)})
    came = replace(swept().facts, events={"contract_end": ENDED})
    found = simulate([group()], [swept(facts=came)], (waiting,), (waiting,), ON)
    assert found.rows["sales", "open"].ends_after.n_calls == 10
    assert found.rows["sales", "2026-12"].deleted_after.n_calls == 1


def test_a_call_of_which_nothing_is_left_is_not_counted():
    found = simulate([group(gone=KeptPart)], (), (SALES,), (SALES,), ON)
    assert found.rows == {}
    assert found.total.ends_after.n_calls == 0


_QUEUES = st.sampled_from(["sales", "support", None])
_DAYS = st.dates(date(2024, 1, 1), date(2027, 6, 1))
_GONE = st.frozensets(st.sampled_from(KeptPart))


@given(st.lists(st.tuples(_QUEUES, _DAYS, _GONE), max_size=20), st.dates(date(2024, 1, 1), date(2030, 1, 1)))
def test_a_remembered_decision_is_the_one_that_decide_makes(kinds, on):
    policies = (SALES, Policy(name="most", maximum={AUDIO: Period(days=30)}), STANDARD)
    decider = GroupDecider(policies, midnight(on))
    for queue, day, gone in kinds:
        one = group(queue, day, gone=gone)
        assert decider.decide(one) == decide(group_facts(one), policies, (), (), midnight(on))


_SECONDS = st.integers(0, 4 * 365 * 86_400)


@given(st.lists(st.tuples(_QUEUES, _SECONDS, _GONE), max_size=20), _SECONDS)
def test_a_call_that_is_surely_early_is_not_due(kinds, later):
    policies = (SALES, Policy(name="most", maximum={AUDIO: Period(months=1)}), STANDARD)
    start = datetime(2024, 1, 1, tzinfo=UTC)
    now = start + timedelta(seconds=later)
    decider = GroupDecider(policies, now)
    for queue, second, gone in kinds:
        facts = replace(
            swept().facts,
            traits=CallTraits(outcome="published", queue=queue),
            ended_at=start + timedelta(seconds=second),
            gone=gone,
        )
        decided = decide(facts, policies, (), (), now)
        if decider.is_surely_early(facts):
            assert all(part.fate is Fate.KEEP for part in decided.parts)
        else:  # it is worth a look: a part ends within two days, or has ended
            assert min(part.until for part in decided.parts) < now + timedelta(days=2)


def test_memory_does_not_grow_with_the_number_of_groups(monkeypatch):
    monkeypatch.setattr(module, "_CACHED", 10)
    decider = GroupDecider((STANDARD,), midnight(ON))
    for number in range(100):
        decider.decide(group(f"queue-{number}", ENDED.date() + timedelta(days=number)))
    assert max(len(decider._matching), len(decider._decisions)) <= 10


def drawn(found, before="now.toml", after="tried.toml") -> tuple[list[str], int]:
    """Texts and number of bars."""
    root = ET.fromstring(plot(found, before=before, after=after))
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    return texts, len(list(root.iter("{http://www.w3.org/2000/svg}rect")))


def test_a_plot_shows_due_months_and_no_date():
    found = simulate(
        [group(), group("support")], [swept(holds=(HOLD,))], (SALES, STANDARD), (SHORT, STANDARD), ON
    )
    texts, n_rects = drawn(found)
    assert {"now.toml", "tried.toml", "due", "2027-11", "2028-11", "no date"} <= set(texts)
    n_bars = 1 + 13 + 1  # due, from 2027-11 to 2028-11, no date
    assert n_rects == 1 + 2 + 2 * n_bars


def test_a_plot_of_what_stands_has_one_bar_each():
    texts, n_rects = drawn(simulate([group()], (), (SALES,), (SALES,), ON), before="a", after="a")
    assert texts.count("a") == 1
    assert n_rects == 1 + 1 + 3


@pytest.mark.parametrize(("years", "unit"), [(1, "month"), (3, "month"), (7, "quarter"), (30, "year")])
def test_a_plot_of_many_years_has_fewer_bars(years, unit):
    far = replace(SALES, keep={AUDIO: Period(months=12 * years)})
    found = simulate([group(), group("support")], (), (far, STANDARD), (far, STANDARD), ON)
    assert f"by {unit}" in drawn(found)[0][0]


def test_a_plot_of_nothing_is_a_picture():
    assert drawn(simulate((), (), (), (), ON))[0][0].startswith("Calls whose audio ends")


def test_names_in_a_plot_are_escaped():
    assert "<b>" in drawn(simulate((), (), (), (), ON), before="<b>")[0]
