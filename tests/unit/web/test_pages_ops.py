"""The pipeline's page: what it shows whom, and sending calls through once more."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.passwords import Argon2Passwords
from callveil.errors import StoreError
from callveil.testing import MemoryStore, call
from callveil.vocabulary.accounts import User, WebRole
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.web.pages.app import build_pages

PASSWORD = "geheim-und-lang"
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def app(service):
    return build_pages(service, passwords=PASSWORDS)


@pytest.fixture
def signed_in(app, service):
    def signed_in(name="oscar", *roles, **more):
        now = service.clock.now()
        user = User(name=name, roles=frozenset(roles or {WebRole.OPS}), created_at=now, **more)
        service.books.accounts.add(user, kept=PASSWORDS.hash(PASSWORD), actor="test", now=now)
        client = TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False)
        csrf = csrf_in(client.get("/login"))
        client.post("/login", data={"name": name, "password": PASSWORD, "csrf": csrf})
        return client

    return signed_in


def csrf_in(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]


def post(client, path, at="/ops", **data):
    return client.post(path, data={"csrf": csrf_in(client.get(at)), **data})


@pytest.fixture
def fail(service):
    """A call that failed, or another end."""

    def fail(call_id, state=CallState.FAILED, code="engine", queue=None, **more):
        now = service.clock.now()
        new = NewCall(
            call=replace(call(call_id), queue=queue),
            landing=f"l-{uuid.uuid4().hex}",
            source="push",
            content_sha256=uuid.uuid4().hex * 2,
            n_bytes=1,
        )
        service.ledger.accept(new, actor="test", now=now)
        for settled in (CallState.KEPT, state):
            claim = service.ledger.claim(call_id, owner="w", lease_s=60, now=now)
            result = Settlement(state=settled, **(more if settled is state else {}))
            result = replace(result, error_code=code if settled is CallState.FAILED else None)
            service.ledger.settle(claim, replace(result, reason=f"why {call_id}"), now=now)

    return fail


def test_it_is_for_ops_only(signed_in):
    assert signed_in("rita", WebRole.REVIEWER).get("/ops").status_code == 403
    assert signed_in("petra", WebRole.PRIVACY).get("/ops/now").status_code == 403
    assert signed_in("ada", WebRole.ADMIN).get("/ops").status_code == 200


def test_an_empty_pipeline_says_so(signed_in):
    page = signed_in().get("/ops")
    assert "Nothing failed" in page.text
    assert "nothing waits" in page.text


def test_it_shows_states_and_reasons(signed_in, fail, service):
    fail("c-1")
    fail("c-2", CallState.QUARANTINED)
    page = signed_in().get("/ops")
    for words in ("why c-1", "why c-2", "A model failed on the call", "Not proven clean"):
        assert words in page.text
    # Only those of one kind, and a page of them at a time.
    failed = signed_in("olga").get("/ops?state=failed")
    assert "why c-1" in failed.text
    assert "why c-2" not in failed.text
    for number in range(30):
        fail(f"d-{number:02}", code="store")
    first = signed_in("otto").get("/ops?state=failed")
    after = re.search(r'href="(/ops\?state=failed&amp;after=[^"]+)"', first.text)[1].replace("&amp;", "&")
    second = signed_in("olaf").get(after)
    shown = [set(re.findall(r"why ([cd]-\d+)", page.text)) for page in (first, second)]
    assert len(shown[0]) == 25
    assert len(shown[0] | shown[1]) == 31


def test_named_calls_are_sent_through_once_more(signed_in, fail, service):
    fail("c-1")
    fail("c-2", CallState.QUARANTINED)
    client = signed_in()
    done = post(client, "/ops/replay", call_id=["c-1", "c-2"])
    assert done.headers["location"] == "/ops?done=2&refused=0#failures"
    assert "2 calls were sent through once more" in client.get("/ops?done=2&refused=0").text
    assert {service.ledger.get(each).state for each in ("c-1", "c-2")} == {CallState.RECEIVED}
    entry = service.ledger.audit()[-1]
    assert (entry.actor, entry.action) == ("user:oscar", "call.replayed")
    # Pressed twice, it tells that they are on their way already.
    assert post(client, "/ops/replay", call_id="c-1").headers["location"] == "/ops?done=0&refused=1#failures"


def test_all_of_a_family_are_sent_and_quarantined_ones_are_not(signed_in, fail, service):
    fail("c-1", code="engine")
    fail("c-2", code="store")
    fail("c-3", CallState.QUARANTINED)
    done = post(signed_in(), "/ops/replay", family="store")
    assert done.headers["location"].startswith("/ops?done=1&")
    states = [service.ledger.get(each).state for each in ("c-1", "c-2", "c-3")]
    assert states == [CallState.FAILED, CallState.RECEIVED, CallState.QUARANTINED]


def test_calls_of_other_queues_are_out_of_reach(signed_in, fail, service):
    fail("c-1", queue="sales")
    fail("c-2", queue="care")
    client = signed_in("nora", queues=frozenset({"care"}))
    page = client.get("/ops")
    assert "why c-2" in page.text
    assert "c-1" not in page.text
    assert post(client, "/ops/replay", call_id="c-1").status_code == 404
    assert post(client, "/ops/replay", family="all").headers["location"].startswith("/ops?done=1&")
    assert service.ledger.get("c-1").state is CallState.FAILED


def test_without_the_token_nothing_is_replayed(signed_in, fail, service):
    fail("c-1")
    assert signed_in().post("/ops/replay", data={"call_id": "c-1"}).status_code == 403
    assert service.ledger.get("c-1").state is CallState.FAILED


def test_the_part_that_refreshes_stops_when_nobody_turns_to_the_page(signed_in, service):
    client = signed_in()
    opened = int(service.clock.now().timestamp())
    assert client.get(f"/ops/now?opened={opened}").status_code == 200
    late = client.get(f"/ops/now?opened={opened - 3600}")
    assert late.status_code == 286
    assert "has stopped refreshing" in late.text


def test_the_chart_has_its_table(signed_in, fail, service):
    fail("c-1")
    fail("c-2", CallState.PUBLISHED, prefix="calls/c-2/", duration_s=1.0)
    found = signed_in().get("/ops/hours?span=day")
    row = re.search(r"<tr><td><time.*?</tr>", found.text, re.S)[0]
    assert re.findall(r'class="num">(\d+)', row) == ["2", "1", "0", "0", "1", "1"]
    assert 'role="img"' in found.text
    assert found.text.count("<g>") == 24
    assert signed_in("olga").get("/ops/hours?span=week").text.count("<g>") == 168
    assert signed_in("otto").get("/ops/hours?span=year").status_code == 422


def test_pace_is_told(signed_in, fail, service):
    for number in range(4):
        fail(f"c-{number}", CallState.PUBLISHED, prefix=f"calls/c-{number}/", duration_s=1.0)
    service.ledger.accept(
        NewCall(call=call("late"), landing="l-late", source="push", content_sha256="a" * 64, n_bytes=1),
        actor="a",
        now=service.clock.now(),
    )
    service.clock.advance(timedelta(minutes=1))
    page = signed_in().get("/ops")
    assert "About 4 calls finished in the last hour. Those that wait take some 15 min more." in page.text


def test_health_tells_what_is_broken(signed_in, service, monkeypatch):
    sound = signed_in().get("/ops/health").text
    assert sound.count("All right") + sound.count("Look at it") == 6
    assert "Broken" not in sound

    def fails(*_, **__):
        raise StoreError("geheim")

    monkeypatch.setattr(MemoryStore, "list_objects", fails)
    broken = build_pages(service, passwords=PASSWORDS)
    client = TestClient(broken, headers={"Accept": "text/html"}, follow_redirects=False)
    client.post("/login", data={"name": "oscar", "password": PASSWORD, "csrf": csrf_in(client.get("/login"))})
    page = client.get("/ops/health").text
    assert "Does not answer: store." in page
    assert "geheim" not in page
