"""The list of calls: what it shows whom, that its address says all, filters that are kept, and JSON."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams
from starlette.testclient import TestClient

from callveil.adapters.call_query import cursor_to_text
from callveil.adapters.ledger_sql.search_rows import number_of
from callveil.adapters.passwords import Argon2Passwords
from callveil.errors import MetadataError, RefusedError
from callveil.testing import call
from callveil.vocabulary.accounts import ApiToken, Scope, User, WebRole
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.search import CallFlag, CallQuery, CallSort, Cursor, SavedFilter
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord
from callveil.web.pages.app import build_pages
from callveil.web.pages.call_address import CallList, address_of_page, address_of_query, list_of

PASSWORD = "geheim-und-lang"
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HTML = {"Accept": "text/html"}


@pytest.fixture
def app(service):
    return build_pages(service, passwords=PASSWORDS)


@pytest.fixture
def signed_in(app, service):
    def signed_in(name="rita", *roles, **more):
        user = User(name=name, roles=frozenset(roles or {WebRole.REVIEWER}), created_at=NOW, **more)
        service.books.accounts.add(user, kept=PASSWORDS.hash(PASSWORD), actor="test", now=NOW)
        client = TestClient(app, headers=HTML, follow_redirects=False)
        csrf = csrf_in(client.get("/login"))
        client.post("/login", data={"name": name, "password": PASSWORD, "csrf": csrf})
        return client

    return signed_in


@pytest.fixture
def publish(service):
    def publish(call_id, words="hello", *, state=CallState.PUBLISHED, masked=(), length_s=60.0, **metadata):
        made = replace(call(call_id), **{"started_at": NOW, **metadata})
        new = NewCall(call=made, landing=None, source="process", content_sha256="a" * 64, n_bytes=1)
        service.ledger.enlist(new, actor="test", now=NOW)
        said = tuple(
            MaskedWord(
                text="[NAME]" if each == "NAME" else each,
                start_s=1.0,
                end_s=1.5,
                entity="PERSON" if each == "NAME" else None,
            )
            for each in words.split()
        )
        turn = MaskedTurn(speaker="agent", channel=0, start_s=1.0, end_s=2.0, words=said)
        is_there = state is CallState.PUBLISHED
        settlement = Settlement(
            state=state,
            prefix=f"calls/{call_id}/" if is_there else None,
            duration_s=length_s if is_there else None,
            masked_s=dict(masked),
            turns=(turn,) if is_there else None,
        )
        service.ledger.record(call_id, settlement, actor="test", now=NOW)

    return publish


@pytest.fixture
def many(publish):
    for number in range(120):
        publish(
            f"c-{number:03}",
            "please cancel" if number % 2 else "thanks",
            queue=("care", "sales")[number % 2],
            agent=("anna", "ben", "eva")[number % 3],
            started_at=NOW - timedelta(hours=number),
            length_s=float(number),
        )


def csrf_in(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]


def ids(page):
    return re.findall(r'<a data-row href="/calls/([^"]+)"', page.text)


def link(page, name):
    found = re.search(rf'id="{name}" href="([^"]+)"', page.text)
    return unescape(found[1]) if found else None


def found_text(page):
    return re.search(r'<span id="found"[^>]*>(.*?)</span>', page.text, re.DOTALL)[1].strip()


def actions(service):
    return [(each.action, dict(each.detail)) for each in service.ledger.audit()]


def test_a_list_is_walked_from_end_to_end_and_back(many, signed_in):
    client = signed_in()
    page = client.get("/calls")
    first, seen = ids(page), []
    assert len(first) == 50
    assert found_text(page) == "120 calls"
    while True:
        seen += ids(page)
        if link(page, "page-after") is None:
            break
        page = client.get(link(page, "page-after"))
    assert seen == [f"c-{number:03}" for number in range(120)]
    assert ids(client.get(link(client.get("/calls"), "last-page"))) == seen[-50:]
    back = client.get(link(page, "page-before"))
    assert ids(back) == seen[50:100]
    assert ids(client.get(link(back, "first-page"))) == first


def test_very_many_calls_are_not_counted_to_the_end(many, signed_in, monkeypatch):
    monkeypatch.setattr("callveil.web.pages.calls._MOST_COUNTED", 100)
    client = signed_in()
    assert found_text(client.get("/calls")) == "More than 100 calls"
    assert found_text(client.get("/calls?queue=care")) == "60 calls"
    assert found_text(client.get("/calls?agent=anna&queue=care")) == "20 calls"


def test_columns_sort_both_ways_and_keep_the_rest(many, signed_in):
    client = signed_in()
    page = client.get("/calls?queue=care")
    assert 'aria-sort="descending"><a id="sort-start"' in page.text
    page = client.get(link(page, "sort-length"))
    assert ids(page)[0] == "c-118"
    page = client.get(link(page, "sort-length"))
    assert ids(page)[0] == "c-000"
    assert 'aria-sort="ascending"><a id="sort-length"' in page.text
    assert len(ids(client.get(link(page, "page-after")))) == 10
    assert '<input type="hidden" name="sort" form="search" value="length">' in page.text


def test_the_form_says_what_the_address_asks(many, signed_in):
    page = signed_in().get(
        "/calls?q=please&queue=sales&agent=eva&state=published&kind=IBAN&flag=on_hold"
        "&since=2026-11-20&until=2026-11-24"
    )
    text = page.text
    assert 'name="q" value="please"' in text
    for name, value in (("queue", "sales"), ("state", "published"), ("kind", "IBAN"), ("flag", "on_hold")):
        assert f'name="{name}" value="{value}" checked' in text
    assert text.count(" checked>") == 4 + 1  # and the switch of the keys
    assert 'name="agent" value="eva"' in text
    assert 'data-at="2026-11-20T00:00:00.000Z" value="2026-11-20"' in text
    assert 'data-at="2026-11-25T00:00:00.000Z" value="2026-11-24"' in text
    assert [unescape(each) for each in re.findall(r'<option value="([^"]+)"', text)] == ["anna", "ben", "eva"]


ASKED = (
    ("since=2026-11-24&until=2026-11-24", 13),
    ("since=2026-11-24T10:30:00.000Z", 2),
    ("since=2026-11-24T11:30:00%2B01:00&until=2026-11-24T12:00:00Z", 1),
    ("until=2026-11-19", 120 - 13 - 4 * 24),
    ("queue=care&queue=sales", 120),
    ("queue=nowhere", 0),
    ("agent=ben&state=published&state=failed", 40),
    ("state=failed", 0),
    ("q=cancel", 60),
    ('q="please cancel"', 60),
    ("q=can*&queue=care", 0),
    ("utm=x", 120),
)


def test_what_the_address_asks_is_what_is_shown(many, signed_in):
    client = signed_in()
    for asked, there in ASKED:
        page = client.get(f"/calls?{asked}")
        assert page.status_code == 200
        assert found_text(page) == ("1 call" if there == 1 else f"{there} calls"), asked
        assert len(ids(page)) == min(there, 50)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("state=huh", "State: allowed: received, held"),
        ("kind=%00", "Kind: allowed: "),
        ("sort=size", "Sort: allowed: start, length, masked"),
        ("order=up", "Order: allowed: asc, desc"),
        ("since=yesterday", "Since: allowed: a day"),
        ("until=9999-12-31", "Until: allowed: a day"),
        ("since=0001-01-01T00:00%2B10:00", "Since: allowed: a day"),
        ("since=2026-11-24&until=2026-11-23", "Until: allowed: a day that is not before"),
        ("agent=%00", "Agent: allowed: "),
        ("queue=" + "x" * 201, "Queue: allowed: "),
        ("q=%00", "Text: allowed: "),
        ("q=...", "Text: allowed: "),
        ("q=" + "x" * 201, "Text: too long"),
        ("after=geheim", "Page: no such place"),
        ("after=WzIsImEiXQ&before=WzIsImEiXQ", "Page: allowed: one of"),
        ("after=WzIsIlx1ZDgwMCJd", "Page: no such place"),
        ("after=WzkyMjMzNzIwMzY4NTQ3NzU4MDAsImEiXQ", "Page: no such place"),
        ("limit=0", "Limit: allowed: 1 to 200"),
        ("limit=1e2", "Limit: allowed: 1 to 200"),
    ],
)
def test_what_cannot_be_asked_is_said_on_the_page(publish, signed_in, asked, says):
    publish("c-1")
    page = signed_in().get(f"/calls?{asked}")
    assert page.status_code == 422
    assert f'role="alert">{says}' in page.text
    assert found_text(page) == "Nothing was searched"
    assert ids(page) == []
    assert "Save this search" not in page.text
    assert 'action="/calls"' in page.text  # the form is there to try again


def test_a_search_that_takes_too_long_is_said_on_the_page(publish, signed_in, service, monkeypatch):
    def late(*_, **__):
        raise RefusedError("the search takes too long; narrow it")

    publish("c-1", "please")
    client, search = signed_in(), type(service.ledger.search)
    with monkeypatch.context() as patch:
        patch.setattr(search, "page", late)
        page = client.get("/calls?q=please")
        assert page.status_code == 409
        assert "The search takes too long; narrow it" in page.text
    monkeypatch.setattr(search, "count", late)
    page = client.get("/calls?last=1")
    assert (found_text(page), ids(page)) == ("Very many calls", ["c-1"])


def test_nothing_found_and_nothing_there_are_told_apart(signed_in, publish):
    client = signed_in()
    assert "No calls yet" in client.get("/calls").text
    publish("c-1")
    assert ids(client.get("/calls")) == ["c-1"]
    assert "No call fits" in client.get("/calls?state=failed").text


def test_rows_say_what_singles_a_call_out(signed_in, publish, service):
    publish(
        "c-1", masked={"IBAN": 2.4, "PERSON": 8.0, "DTMF": 1.0, "NUMBER": 0.5}, queue="care", length_s=247
    )
    publish("c-2", state=CallState.FAILED, started_at=NOW - timedelta(days=1))
    service.books.requests.restrict("c-1", reason="Disputed.", actor="test", now=NOW)
    text = signed_in().get("/calls").text
    row, failed = text.split("<tr>")[-2:]
    for there in ("Published", "Restricted", ">4:07<", "12 s", ">Name</span>", ">IBAN</span>", ">+2<"):
        assert there in row, there
    assert ">Number</span>" not in row
    assert ">Failed</span>" in failed
    assert (
        '<time datetime="2026-11-23T12:00:00.000Z" data-local="minute">23 Nov 2026, 12:00 UTC</time>'
        in failed
    )


def test_excerpts_mark_what_was_found_and_escape_what_was_said(signed_in, publish, service):
    publish("c-1", "hello my name is NAME and <b>i</b> want to cancel now")
    text = signed_in().get("/calls?q=cancel").text
    excerpt = re.search(r'<tr class="excerpt">(.*?)</tr>', text, re.DOTALL)[1]
    assert "<mark>cancel</mark>" in excerpt
    assert "is […] and &lt;b&gt;i&lt;/b&gt; want to <mark>cancel</mark> now" in excerpt
    assert actions(service)[-1] == ("calls.searched", {"shown": 1})
    assert "cancel" not in repr(service.ledger.audit())


def test_a_list_without_words_is_no_access_to_a_recording(many, signed_in, service):
    client = signed_in()
    before = len(service.ledger.audit(limit=1000))
    client.get("/calls?queue=care")
    assert len(service.ledger.audit(limit=1000)) == before


def test_a_reviewer_sees_the_calls_queues_and_agents_of_their_queues(many, signed_in, publish):
    publish("c-none", "please", agent="zoe")
    client = signed_in(queues=frozenset({"care"}))
    page = client.get("/calls")
    assert set(ids(page)) <= {f"c-{number:03}" for number in range(0, 120, 2)}
    assert found_text(page) == "60 calls"
    assert "sales" not in page.text
    assert "zoe" not in page.text
    assert ids(client.get("/calls?queue=sales")) == []
    assert ids(client.get("/calls?q=cancel")) == []
    place = cursor_to_text(Cursor(key=number_of(NOW - timedelta(hours=1)), call_id="c-001"))
    assert ids(client.get(f"/calls?after={place}"))[0] == "c-002"  # a place says nothing of what is there
    assert not set(ids(client.get("/calls?sort=length"))) & {f"c-{number:03}" for number in range(1, 120, 2)}


def test_ops_see_what_is_known_and_not_what_was_said(many, signed_in, service):
    client = signed_in("oscar", WebRole.OPS)
    page = client.get("/calls")
    assert len(ids(page)) == 50
    assert 'name="q"' not in page.text
    refused = client.get("/calls?q=cancel")
    assert refused.status_code == 403
    assert "cancel" not in refused.text
    assert "calls.searched" not in [action for action, _ in actions(service)]
    both = signed_in("olga", WebRole.OPS, WebRole.PRIVACY)
    assert len(ids(both.get("/calls?q=cancel"))) == 50


def test_filters_are_kept_applied_and_deleted(many, signed_in, service):
    client = signed_in()
    page = client.get("/calls?agent=ben&q=cancel&sort=length&order=asc")
    assert "Save this search" in page.text
    query = unescape(re.search(r'name="query" value="([^"]+)"', page.text)[1])
    form = {"csrf": csrf_in(page), "name": " Ben <b> ", "query": query}
    done = client.post("/filters", data=form)
    assert done.status_code == 303
    page = client.get(done.headers["location"])
    href, name = re.search(
        r'<a class="chip" href="([^"]+)" aria-current="true">([^<]+)</a>', page.text
    ).groups()
    assert unescape(name) == "Ben <b>"
    assert ids(client.get(unescape(href))) == ids(
        client.get("/calls?agent=ben&q=cancel&sort=length&order=asc")
    )
    assert "Save this search" not in page.text
    other = client.get("/calls")
    assert 'aria-current="true">Ben' not in other.text
    assert "Delete “" not in other.text
    done = client.post("/filters/delete", data={"csrf": csrf_in(page), "name": "Ben <b>", "query": query})
    assert done.headers["location"] == unescape(href)
    assert service.ledger.filters.of("rita") == ()


def test_filters_are_their_users_own(signed_in, service, publish):
    publish("c-1")
    service.ledger.filters.save("nora", SavedFilter(name="Mine", query=CallQuery(agent="anna")))
    client = signed_in()
    page = client.get("/calls?agent=x")
    assert "Mine" not in page.text
    client.post("/filters/delete", data={"csrf": csrf_in(page), "name": "Mine", "query": ""})
    assert [each.name for each in service.ledger.filters.of("nora")] == ["Mine"]


@pytest.mark.parametrize(
    "form", [{"name": ""}, {"name": "x" * 61}, {"name": "a\x00b"}, {"name": "ok", "query": "state=huh"}]
)
def test_filters_that_cannot_be_kept_are_refused(signed_in, service, form):
    client = signed_in()
    csrf = csrf_in(client.get("/calls"))
    assert client.post("/filters", data={"csrf": csrf, "query": "agent=x", **form}).status_code == 422
    assert client.post("/filters", data={"name": "ok", "query": ""}).status_code == 403
    assert service.ledger.filters.of("rita") == ()


def bearer(service, *scopes, user="rita"):
    secret = f"cvt_{'-'.join(scopes)}"
    token = ApiToken(
        token_id=f"tok-{len(scopes)}",
        digest=hashlib.sha256(secret.encode()).hexdigest(),
        user=user,
        label="",
        scopes=frozenset(scopes),
        created_at=NOW,
        expires_at=service.clock.now() + timedelta(days=1),
    )
    service.books.accounts.add_token(token, actor="test", now=NOW)
    return {"Authorization": f"Bearer {secret}", "Accept": "*/*"}


def test_a_machine_walks_the_list_as_json(many, signed_in, service, app):
    signed_in(queues=frozenset({"care"}))
    client, headers = TestClient(app), bearer(service, Scope.CALLS_READ)
    answer = client.get("/calls?limit=40&q=thanks", headers=headers)
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    assert document["calls"][0] == {
        "call_id": "c-000",
        "started_at": "2026-11-24T12:00:00.000Z",
        "state": "published",
        "queue": "care",
        "agent": "anna",
        "duration_s": 0.0,
        "masked_s": {},
        "flags": [],
        "deleted": [],
        "excerpt": [{"text": "thanks", "hit": True}, {"text": "·", "hit": False}],
    }
    assert document["count"] == {"calls": 60, "more": False}
    assert document["before"] is None
    rest = client.get(f"/calls?limit=40&q=thanks&after={document['after']}", headers=headers).json()
    assert [each["call_id"] for each in rest["calls"]] == [f"c-{number:03}" for number in range(80, 120, 2)]
    assert rest["after"] is None
    wrong = client.get("/calls?state=huh", headers=headers)
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")
    assert client.get("/calls", headers=bearer(service, Scope.MEDIA_READ, Scope.OPS)).status_code == 403
    assert client.post("/filters", data={"name": "x"}, headers=headers).status_code == 403


def test_htmx_gets_the_list_without_looking_for_what_the_form_offers(many, signed_in, service, monkeypatch):
    client, search = signed_in(), type(service.ledger.search)
    for name in ("queues", "agents"):
        monkeypatch.setattr(search, name, lambda *_, **__: pytest.fail("it is not shown"))
    page = client.get("/calls?queue=care", headers={"HX-Request": "true", "Accept": "*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert len(ids(page)) == 50


@pytest.mark.parametrize(
    ("sits_on", "target"),
    [
        ("http://testserver/calls?state=failed", "/login?next=%2Fcalls%3Fstate%3Dfailed"),
        ("http://[", "/login"),
        ("", "/login"),
    ],
)
def test_htmx_leads_to_the_sign_in_and_back(app, sits_on, target):
    headers = {"HX-Request": "true", "HX-Current-URL": sits_on, "Accept": "*/*"}
    answer = TestClient(app).get("/calls", headers=headers)
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, target)


def test_a_page_takes_as_many_queries_whatever_is_in_it(many, signed_in, service):
    client, engine, counts = signed_in(), service.ledger._database.engine, []

    def listen(*_):
        counts[-1] += 1

    sa.event.listen(engine, "before_cursor_execute", listen)
    for limit in (1, 100):
        counts.append(0)
        client.get(f"/calls?limit={limit}")
    sa.event.remove(engine, "before_cursor_execute", listen)
    assert counts[0] == counts[1] <= 20


MOMENTS = st.integers(-(10**9), 10**11).map(lambda seconds: NOW + timedelta(milliseconds=seconds))
NAMES = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=20)
QUERIES = st.builds(
    CallQuery,
    since=st.none() | MOMENTS,
    queues=st.frozensets(NAMES, max_size=3),
    agent=st.none() | NAMES,
    states=st.frozensets(st.sampled_from(CallState)),
    kinds=st.frozensets(st.sampled_from(Entity)),
    flags=st.frozensets(st.sampled_from(CallFlag)),
    text=st.lists(NAMES, max_size=3).map(" ".join),
    sort=st.sampled_from(CallSort),
    descending=st.booleans(),
)


def params(address):
    return QueryParams(address.partition("?")[2])


@given(QUERIES, st.none() | st.builds(Cursor, key=st.integers(0, 2**60), call_id=NAMES), st.booleans())
def test_an_address_says_all_of_a_query(query, place, last):
    assert list_of(params(address_of_query(query))).query == query
    asked = list_of(params(address_of_page(query, after=place, last=last)))
    assert (asked.query, asked.after, asked.last) == (query, place, last and place is None)
    assert address_of_query(CallQuery()) == "/calls"


FIELDS = ("q", "since", "until", "queue", "agent", "state", "after", "limit")


@given(st.dictionaries(st.sampled_from(FIELDS), st.text()))
def test_any_address_is_read_or_refused(asked):
    with suppress(MetadataError):
        assert isinstance(list_of(QueryParams(asked)), CallList)
