"""Lists of calls and the search in their text, on each database, against a plain list in Python."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from callveil.adapters.ledger_sql import search_query
from callveil.errors import MetadataError
from callveil.testing import call
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.retention import Hold, HoldScope, KeptPart
from callveil.vocabulary.rights import RemovalWhy
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, SavedFilter
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORDS = ["hello", "contract", "cancel", "straße", "invoice", "don't", "über", "thanks", "refund"]


def turns(*texts):
    """Masked turns; words in capitals and brackets are masks."""
    made = []
    for number, text in enumerate(texts):
        words = tuple(
            MaskedWord(
                text=word,
                start_s=float(number),
                end_s=number + 0.5,
                entity=word.strip("[]") if word.startswith("[") else None,
            )
            for word in text.split()
        )
        made.append(MaskedTurn(speaker="agent", channel=0, start_s=number, end_s=number + 0.5, words=words))
    return tuple(made)


def publish(
    ledger, call_id, *texts, state=CallState.PUBLISHED, masked=(), duration_s=60.0, said=True, **metadata
):
    made = replace(call(call_id), **metadata)
    new = NewCall(call=made, landing=None, source="process", content_sha256="a" * 64, n_bytes=1)
    ledger.enlist(new, actor="a", now=NOW)
    published = state is CallState.PUBLISHED
    settlement = Settlement(
        state=state,
        prefix=f"calls/{call_id}/" if published else None,
        duration_s=duration_s if published else None,
        masked_s=dict(masked),
        turns=turns(*texts) if said and published else None,
    )
    ledger.record(call_id, settlement, actor="a", now=NOW)


def hold_on(ledger, call_id):
    hold = Hold(
        hold_id="hold-000000000001",
        scope=HoldScope.CALL,
        reason="Matter 7",
        authority="Court",
        placed_by="cli:ops",
        placed_at=NOW,
    )
    ledger.books.holds.place(hold, call_ids=call_id, actor="a", now=NOW)


def remove(ledger, call_id, parts, *, finish=True):
    removals = ledger.books.removals
    found = removals.decide(
        call_id,
        prefix="p/",
        parts=frozenset(parts),
        why=RemovalWhy.RETENTION,
        reason="Its time is over.",
        request_id=None,
        actor="sweep",
        now=NOW,
    )
    if finish:
        removals.finish(found.removal_id, evidence={}, actor="sweep", now=NOW)


def ids(ledger, text="", within=None, **fields):
    page = ledger.search.page(CallQuery(text=text, **fields), within=within, limit=200)
    return [found.call_id for found in page.calls]


@pytest.fixture
def many(ledger):
    """Some calls that differ in everything, and what a plain list knows of them."""
    generator, known = random.Random(7), []
    for number in range(90):
        masked = {
            kind.value: round(generator.uniform(0.5, 3), 1)
            for kind in generator.sample(list(Entity)[:4], generator.randrange(3))
        }
        said = " ".join(generator.choices(WORDS, k=4))
        fields = {
            "queue": generator.choice([None, "sales", "care", "broker", "rare" if number == 5 else "care"]),
            "agent": generator.choice([None, "anna", "ben"]),
            "started_at": NOW - timedelta(hours=generator.randrange(12)),
        }
        state = generator.choice([CallState.PUBLISHED] * 4 + [CallState.FAILED, CallState.DISCARDED])
        duration_s = float(generator.randrange(5))
        publish(ledger, f"c-{number:02}", said, state=state, masked=masked, duration_s=duration_s, **fields)
        is_out = state is CallState.PUBLISHED
        known.append(
            {
                "id": f"c-{number:02}",
                "state": state,
                "kinds": set(masked) if state is not CallState.FAILED else set(),
                "masked": round(sum(masked.values()), 3) if state is not CallState.FAILED else 0.0,
                "length": duration_s if is_out else 0.0,
                "said": said.split() if is_out else [],
                "flags": set(),
                **fields,
            }
        )
    by_id = {each["id"]: each for each in known}
    published = [each["id"] for each in known if each["state"] is CallState.PUBLISHED]
    hold_on(ledger, published[:3])
    for call_id in published[:3]:
        by_id[call_id]["flags"].add(CallFlag.ON_HOLD)
    for call_id in published[2:5]:
        ledger.books.requests.restrict(call_id, "Art. 18", actor="a", now=NOW)
        by_id[call_id]["flags"].add(CallFlag.RESTRICTED)
        by_id[call_id]["said"] = []
    remove(ledger, published[5], {KeptPart.AUDIO})
    remove(ledger, published[6], {KeptPart.TRANSCRIPT})
    for call_id in published[5:7]:
        by_id[call_id]["flags"].add(CallFlag.GONE)
    by_id[published[6]]["said"] = []
    remove(ledger, published[7], set(KeptPart))
    by_id.pop(published[7])
    return ledger, list(by_id.values())


def expected(known, query, within):
    def fits(each):
        return (
            (query.since is None or each["started_at"] >= query.since)
            and (query.until is None or each["started_at"] < query.until)
            and (not query.queues or each["queue"] in query.queues)
            and (within is None or each["queue"] in within)
            and (query.agent is None or each["agent"] == query.agent)
            and (not query.states or each["state"] in query.states)
            and (not query.kinds or bool(each["kinds"] & query.kinds))
            and query.flags <= each["flags"]
            and all(word in each["said"] for word in query.text.split())
        )

    keys = {CallSort.START: "started_at", CallSort.LENGTH: "length", CallSort.MASKED: "masked"}
    found = [each for each in known if fits(each)]
    found.sort(key=lambda each: (each[keys[query.sort]], each["id"]), reverse=query.descending)
    return [each["id"] for each in found]


def random_query(generator):
    def maybe(value):
        return value if generator.random() < 0.35 else None

    return CallQuery(
        since=maybe(NOW - timedelta(hours=generator.randrange(12))),
        until=maybe(NOW - timedelta(hours=generator.randrange(6))),
        queues=frozenset(maybe(generator.sample(["sales", "care", "broker", "rare"], 2)) or ()),
        agent=maybe(generator.choice(["anna", "ben"])),
        states=frozenset(maybe([CallState.PUBLISHED, generator.choice(list(CallState)[:-1])]) or ()),
        kinds=frozenset(maybe(generator.sample(list(Entity)[:4], 2)) or ()),
        flags=frozenset(maybe([generator.choice(list(CallFlag))]) or ())
        if generator.random() < 0.3
        else frozenset(),
        text=maybe(" ".join(generator.sample([w for w in WORDS if w.isascii() and w.isalpha()], 1))) or "",
        sort=generator.choice(list(CallSort)),
        descending=generator.random() < 0.5,
    )


@pytest.mark.parametrize("few", [0, 10, 2000])
def test_every_query_finds_what_a_plain_list_finds_page_by_page(many, few, monkeypatch):
    monkeypatch.setattr(search_query, "_FEW", few)
    ledger, known = many
    generator = random.Random(few)
    for _ in range(120):
        query = random_query(generator)
        within = generator.choice(
            [None, None, frozenset({"care", "sales"}), frozenset({"rare"}), frozenset()]
        )
        wanted = expected(known, query, within)
        limit = generator.choice([1, 3, 7])
        page = ledger.search.page(query, within=within, limit=limit)
        assert page.before is None
        forward = [page]
        while page.after is not None:
            page = ledger.search.page(query, within=within, after=page.after, limit=limit)
            forward.append(page)
        found = [each.call_id for page in forward for each in page.calls]
        if query.text and query.sort is CallSort.START:
            # Calls that began at the same moment stand in the order they were indexed in.
            assert sorted(found) == sorted(wanted), query
            times = [each.started_at for page in forward for each in page.calls]
            assert times == sorted(times, reverse=query.descending)
        else:
            assert found == wanted, query
        page = ledger.search.page(query, within=within, last=True, limit=limit)
        assert page.after is None
        backward = [page]
        while page.before is not None:
            page = ledger.search.page(query, within=within, before=page.before, limit=limit)
            backward.append(page)
        assert [each.call_id for page in reversed(backward) for each in page.calls] == found, query
        counted = ledger.search.count(query, within=within)
        assert (counted.n_calls, counted.more) == (len(wanted), False)


def test_a_count_is_bounded(many):
    ledger, known = many
    counted = ledger.search.count(CallQuery(), within=None, most=10)
    assert (counted.n_calls, counted.more) == (10, True)
    counted = ledger.search.count(CallQuery(), within=None, most=len(known))
    assert (counted.n_calls, counted.more) == (len(known), False)


def test_a_line_says_what_singles_a_call_out(ledger):
    publish(
        ledger,
        "c-1",
        "hello",
        masked={"PERSON": 1.5, "IBAN": 2.0},
        queue="care",
        agent="anna",
        started_at=NOW,
    )
    hold_on(ledger, ["c-1"])
    ledger.books.requests.restrict("c-1", "Art. 18", actor="a", now=NOW)
    (found,) = ledger.search.page(CallQuery(), within=None).calls
    assert (found.queue, found.agent, found.started_at, found.duration_s) == ("care", "anna", NOW, 60.0)
    assert found.masked_s == {"PERSON": 1.5, "IBAN": 2.0}
    assert found.flags == {CallFlag.ON_HOLD, CallFlag.RESTRICTED}


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("contract", True),
        ("CONTRACT!", True),
        ("strasse", True),
        ("Straße", True),
        ("uber", True),
        ("don't", True),
        ("contr*", True),
        ("contr", False),
        ('"cancel my"', True),
        ('"my cancel"', False),
        ('"my con*"', False),
        ('"cancel contract"', False),  # a mask is between them
        ('"contract don"', False),  # so is the end of a turn
        ("cancel refund", False),
        ("card", False),  # a mask says nothing
        ("credit_card", False),
        ('cancel" OR "x', False),
        ("contract AND NOT x", False),
        ("' | 'x", False),
    ],
)
def test_words_are_found_as_people_type_them(ledger, text, is_found):
    publish(
        ledger, "c-1", "please cancel my [CREDIT_CARD] cancel [CREDIT_CARD] contract", "Don't, in Straße Über"
    )
    assert ids(ledger, text) == (["c-1"] if is_found else [])


@pytest.mark.parametrize("text", ["?!", '""', "x" * 201, "a " * 13])
def test_what_holds_no_words_is_refused_without_being_repeated(ledger, text):
    with pytest.raises(MetadataError, match="text: ") as caught:
        ids(ledger, text)
    assert text not in str(caught.value)


def test_an_excerpt_shows_the_words_around(ledger):
    publish(ledger, "c-1", "well yes I want to cancel my contract [PERSON] because of the price", "of course")
    (found,) = ledger.search.page(CallQuery(text='"my contract" cours*'), within=None).calls
    assert [(part.text, part.is_hit) for part in found.excerpt] == [
        ("well yes I want to cancel", False),
        ("my contract", True),
        ("[…] because of the price · of", False),
    ]


def test_text_goes_with_restriction_and_comes_back_with_its_end(ledger):
    publish(ledger, "c-1", "cancel")
    ledger.books.requests.restrict("c-1", "Art. 18", actor="a", now=NOW)
    assert ids(ledger, "cancel") == []
    assert ledger.search.unindexed() == ()
    ledger.books.requests.restrict("c-1", None, actor="a", now=NOW)
    (owed,) = ledger.search.unindexed()
    assert (owed.call_id, owed.prefix) == ("c-1", "calls/c-1/")
    assert ledger.search.index("c-1", turns("cancel"), as_of=owed.updated_at)
    assert ids(ledger, "cancel") == ["c-1"]
    assert ledger.search.unindexed() == ()


@pytest.mark.parametrize("parts", [{KeptPart.TRANSCRIPT}, set(KeptPart)])
@pytest.mark.parametrize("finish", [False, True])
def test_text_goes_when_its_deletion_is_decided(ledger, parts, finish):
    publish(ledger, "c-1", "cancel", masked={"PERSON": 1.0}, queue="care")
    as_of = ledger.get("c-1").updated_at
    remove(ledger, "c-1", parts, finish=finish)
    assert ids(ledger, "cancel") == []
    assert ledger.search.unindexed() == ()
    assert not ledger.search.index("c-1", turns("cancel"), as_of=as_of)
    ledger.books.requests.restrict("c-1", "Art. 18", actor="a", now=NOW)
    ledger.books.requests.restrict("c-1", None, actor="a", now=NOW)
    ledger.search.forget_index()
    assert ledger.search.unindexed() == ()


def test_an_erased_call_is_in_no_list_but_that_of_erased_ones(ledger):
    publish(ledger, "c-1", "cancel", masked={"PERSON": 1.0}, queue="care", agent="anna")
    remove(ledger, "c-1", KeptPart)
    assert ids(ledger) == []
    (found,) = ledger.search.page(CallQuery(states=frozenset({CallState.ERASED})), within=None).calls
    assert (found.queue, found.agent, found.masked_s) == (None, None, {})
    assert ids(ledger, states=frozenset({CallState.ERASED}), within=frozenset({"care"})) == []
    assert ids(ledger, kinds=frozenset({Entity.PERSON}), states=frozenset({CallState.ERASED})) == []
    assert ledger.search.queues(within=None) == ()


def test_a_deletion_of_the_audio_leaves_the_text(ledger):
    publish(ledger, "c-1", "cancel")
    remove(ledger, "c-1", {KeptPart.AUDIO})
    assert ids(ledger, "cancel") == ["c-1"]


def test_a_new_recording_takes_the_place_of_the_old_text(ledger):
    publish(ledger, "c-1", "cancel contract")
    publish(ledger, "c-1", "cancel")
    assert ids(ledger, "contract") == []
    publish(ledger, "c-1", said=False)
    assert ids(ledger, "cancel") == []
    assert [owed.call_id for owed in ledger.search.unindexed()] == ["c-1"]
    publish(ledger, "c-1", state=CallState.DISCARDED)
    assert ledger.search.unindexed() == ()


def test_text_of_an_outdated_look_is_refused(ledger):
    publish(ledger, "c-1", said=False)
    (owed,) = ledger.search.unindexed()
    ledger.record(
        "c-1", Settlement(state=CallState.PUBLISHED, prefix="p/"), actor="a", now=NOW + timedelta(seconds=1)
    )
    assert not ledger.search.index("c-1", turns("cancel"), as_of=owed.updated_at)
    assert not ledger.search.index("no-such-call", turns("cancel"), as_of=owed.updated_at)
    assert ids(ledger, "cancel") == []


def test_a_worker_settles_with_the_text(ledger, new_call):
    ledger.accept(new_call("c-1"), actor="a", now=NOW)
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    ledger.settle(claim, Settlement(state=CallState.KEPT), now=NOW)
    claim = ledger.claim("c-1", owner="w", lease_s=60, now=NOW)
    settlement = Settlement(
        state=CallState.PUBLISHED,
        prefix="p/",
        duration_s=9.0,
        masked_s={"PERSON": 1.0},
        turns=turns("cancel"),
    )
    ledger.settle(claim, settlement, now=NOW)
    assert ids(ledger, "cancel", kinds=frozenset({Entity.PERSON})) == ["c-1"]


def test_the_index_is_emptied_and_owed_again(many):
    ledger, known = many
    with_text = sorted(each["id"] for each in known if each["said"])
    ledger.search.forget_index()
    assert ids(ledger, "contract") == []
    owed, after = [], None
    while page := ledger.search.unindexed(after=after, limit=7):
        owed += [each.call_id for each in page]
        after = page[-1].call_id
    assert owed == with_text


def test_queues_and_agents_are_listed(many):
    ledger, known = many
    every = tuple(sorted({each["queue"] for each in known} - {None}))
    assert ledger.search.queues(within=None) == every
    assert ledger.search.queues(within=frozenset({"care", "other"})) == ("care",)
    assert ledger.search.agents(within=None) == ("anna", "ben")
    assert ledger.search.agents(within=None, limit=1) == ("anna",)


def test_agents_of_other_queues_are_not_named(ledger):
    for number, (queue, agent) in enumerate(product(("care", "sales", None), ("ben", "anna", None))):
        name = agent and f"{agent}-{queue}"
        publish(ledger, f"c-{number}", queue=queue, agent=name)
    agents = ledger.search.agents
    assert agents(within=frozenset({"care"})) == ("anna-care", "ben-care")
    assert agents(within=frozenset({"care", "sales", "x"})) == (
        *("anna-care", "anna-sales", "ben-care", "ben-sales"),
    )
    assert agents(within=frozenset({"care", "sales"}), limit=3) == ("anna-care", "anna-sales", "ben-care")
    assert agents(within=frozenset()) == ()


def test_a_call_of_another_queue_is_not_there(ledger):
    publish(ledger, "c-1", queue="care")
    publish(ledger, "c-2")
    assert ledger.search.may_see("c-1", within=None)
    assert ledger.search.may_see("c-1", within=frozenset({"care"}))
    for call_id, within in product(("c-1", "c-2", "c-3"), (frozenset({"sales"}), frozenset())):
        assert not ledger.search.may_see(call_id, within=within)
    assert not ledger.search.may_see("c-3", within=None)


def test_filters_are_kept_by_user(ledger):
    query = CallQuery(
        since=NOW,
        queues=frozenset({"ärger"}),
        states=frozenset({CallState.FAILED}),
        kinds=frozenset({Entity.IBAN}),
        flags=frozenset({CallFlag.GONE}),
        text='"x y"',
        sort=CallSort.MASKED,
        descending=False,
    )
    filters = ledger.filters
    filters.save("anna", SavedFilter(name="Mine", query=CallQuery()))
    filters.save("anna", SavedFilter(name=" Mine ", query=query))
    filters.save("anna", SavedFilter(name="alle", query=CallQuery()))
    filters.save("ben", SavedFilter(name="Mine", query=CallQuery()))
    assert filters.of("anna") == (
        SavedFilter(name="alle", query=CallQuery()),
        SavedFilter(name="Mine", query=query),
    )
    filters.delete("anna", "Mine")
    filters.delete("anna", "Mine")
    assert [saved.name for saved in filters.of("anna")] == ["alle"]
    filters.delete("anna")
    assert filters.of("anna") == ()
    assert len(filters.of("ben")) == 1
    for name in ("", "x" * 61, "a\nb"):
        with pytest.raises(MetadataError, match="name: "):
            filters.save("ben", SavedFilter(name=name, query=CallQuery()))


def test_a_call_has_a_history(ledger):
    publish(ledger, "c-1")
    publish(ledger, "c-2")
    found = ledger.history("c-1")
    assert [entry.action for entry in found] == ["call.enlisted", "call.recorded"]
    assert {entry.call_id for entry in found} == {"c-1"}
    assert ledger.history("c-1", after=found[0].number) == found[1:]


def test_what_is_erased_is_in_no_file_of_sqlite(place):
    if place.file is None:
        pytest.skip("a file of SQLite")
    ledger = place.open()
    publish(ledger, "c-0", "zyxglimmer before")
    publish(ledger, "c-1", "quonsetblatt wobbegong")
    for number in range(40):
        publish(ledger, f"d-{number}", f"wordy{number} contract")
    for call_id in ("c-0", "c-1"):
        remove(ledger, call_id, KeptPart)
    ledger.books.removals.scrub()
    kept = b"".join(path.read_bytes() for path in place.file.parent.iterdir())
    for word in (b"zyxglimmer", b"quonsetblatt", b"wobbegong", b"obbegong"):
        assert word not in kept
    assert ids(ledger, "wordy7") == ["d-7"]
