"""Legal holds on the pages: placed after a preview, on calls, persons and searches; ended with a reason."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.passwords import Argon2Passwords
from callveil.rights.identifiers import identities_of
from callveil.testing import START, call
from callveil.vocabulary.accounts import User, WebRole
from callveil.vocabulary.call import Identifiers, Party, Role
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.web.pages.app import build_pages

PASSWORD = "geheim-und-lang"
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
PHONE = "+493012345678"
WHY = {"reason": "Claim 7", "authority": "County court"}


@pytest.fixture
def app(service):
    return build_pages(service, passwords=PASSWORDS)


@pytest.fixture
def signed_in(app, service):
    def signed_in(name="petra", *roles, **more):
        now = service.clock.now()
        user = User(name=name, roles=frozenset(roles or {WebRole.PRIVACY}), created_at=now, **more)
        service.books.accounts.add(user, kept=PASSWORDS.hash(PASSWORD), actor="test", now=now)
        client = TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False)
        csrf = csrf_in(client.get("/login"))
        client.post("/login", data={"name": name, "password": PASSWORD, "csrf": csrf})
        return client

    return signed_in


def csrf_in(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]


def post(client, path, **data):
    return client.post(path, data={"csrf": csrf_in(client.get("/retention/holds/new")), **data})


@pytest.fixture(autouse=True)
def calls(service):
    parties = (
        Party(role=Role.AGENT, channel=0),
        Party(role=Role.CUSTOMER, channel=1, identifiers=Identifiers(phone=PHONE)),
    )
    for number, (queue, agent) in enumerate((("sales", "anna"), ("sales", "ben"), ("care", "anna"))):
        made = replace(call(f"c-{number}"), queue=queue, agent=agent, started_at=START)
        if number == 1:
            made = replace(made, parties=parties)
        found = identities_of(made, service.hasher)
        new = NewCall(call=made, landing=None, source="process", identities=found)
        service.ledger.enlist(new, actor="test", now=START)
        service.ledger.record(f"c-{number}", Settlement(state=CallState.FAILED), actor="test", now=START)


def standing(service):
    return service.books.holds.holds()


def held(service):
    return [f"c-{n}" for n in range(3) if service.books.holds.of(f"c-{n}")]


def test_who_may_see_and_place_them(signed_in):
    for name, role, status in (("rita", "reviewer", 403), ("oscar", "ops", 200), ("paul", "privacy", 200)):
        client = signed_in(name, WebRole(role))
        assert client.get("/retention/holds").status_code == status
        assert client.get("/retention/holds/new").status_code == status
    assert client.get("/holds").headers["location"] == "/retention/holds"


def test_a_hold_on_named_calls(signed_in, service):
    client = signed_in()
    preview = post(client, "/retention/holds/preview", scope="call", calls="c-0\nc-2", **WHY)
    assert "2 calls" in preview.text
    assert standing(service) == ()
    done = post(client, "/retention/holds", scope="call", calls="c-0 c-2", **WHY)
    (hold,) = standing(service)
    assert done.headers["location"] == f"/retention/holds?placed={hold.hold_id}"
    assert (hold.placed_by, hold.reason, hold.authority) == ("user:petra", "Claim 7", "County court")
    assert held(service) == ["c-0", "c-2"]
    assert "County court" in client.get(done.headers["location"]).text


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({"queue": "sales"}, ["c-0", "c-1"]),
        ({"agent": "anna", "queue": "sales"}, ["c-0"]),
        ({"since": START.date().isoformat(), "until": START.date().isoformat()}, ["c-0", "c-1", "c-2"]),
        ({"agent": "anna", "since": "2099-01-01"}, []),
    ],
)
def test_a_hold_on_a_search(signed_in, service, asked, ids):
    client = signed_in()
    preview = post(client, "/retention/holds/preview", scope="query", **asked, **WHY)
    assert f'id="what">{len(ids)} call' in preview.text
    post(client, "/retention/holds", scope="query", **asked, **WHY)
    assert held(service) == ids


def test_a_hold_on_a_person_is_on_later_calls_too(signed_in, service):
    client = signed_in()
    preview = post(client, "/retention/holds/preview", scope="subject", phone=PHONE, **WHY)
    assert "1 call<" in preview.text
    assert 'href="/calls/c-1"' in preview.text
    post(client, "/retention/holds", scope="subject", phone=PHONE, **WHY)
    assert held(service) == ["c-1"]
    known = repr(service.ledger.audit())
    assert "subject.searched" in known
    assert "12345678" not in known


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"scope": "call", "calls": "no-such"}, "one of these calls is not there"),
        ({"scope": "call", "calls": ""}, "1 to 1,000 ids"),
        ({"scope": "query"}, "name one of them"),
        ({"scope": "query", "since": "soon"}, "a day such as"),
        ({"scope": "subject"}, "name one of them"),
        ({"scope": "subject", "phone": "geheim"}, "phone"),
        ({"scope": "call", "calls": "c-0", "reason": ""}, "reason"),
        ({"scope": "else", "calls": "c-0"}, "scope"),
    ],
)
def test_what_is_wrong_is_told_beside_what_was_typed(signed_in, service, form, words):
    page = post(signed_in(), "/retention/holds/preview", **{**WHY, **form})
    assert page.status_code == 422
    problem = re.search(r'role="alert">(.*?)</p>', page.text)[1]
    assert words in problem
    assert "geheim" not in problem
    assert 'value="County court"' in page.text
    assert standing(service) == ()


def test_ending_one_takes_a_reason_and_only_once(signed_in, service):
    client = signed_in()
    post(client, "/retention/holds", scope="call", calls="c-0", **WHY)
    (hold,) = standing(service)
    page = f"/retention/holds/{hold.hold_id}"
    assert "That cannot be taken back." in client.get(page).text
    assert post(client, f"{page}/release", reason=" ").status_code == 422
    assert held(service) == ["c-0"]
    done = post(client, f"{page}/release", reason="Settled")
    assert done.headers["location"] == f"/retention/holds?released={hold.hold_id}"
    assert held(service) == []
    assert post(client, f"{page}/release", reason="Again").status_code == 409
    assert "No hold stands" in client.get("/retention/holds").text
    assert "Settled" in client.get(page).text
    assert hold.hold_id in client.get("/retention/holds?all=1").text
    assert client.get("/retention/holds/hold-000000000000").status_code == 404


def test_who_sees_some_queues_holds_calls_of_those_only(signed_in, service):
    client = signed_in("lina", WebRole.OPS, queues=frozenset({"care"}))
    for form, status in (
        ({"scope": "call", "calls": "c-0"}, 404),
        ({"scope": "query", "agent": "anna"}, 403),
        ({"scope": "query", "queue": "sales"}, 403),
        ({"scope": "subject", "phone": PHONE}, 403),
    ):
        assert post(client, "/retention/holds", **form, **WHY).status_code == status
    assert standing(service) == ()
    # A call of another queue is answered like one that is not there.
    there, not_there = (
        post(client, "/retention/holds/preview", scope="call", calls=each, **WHY).text
        for each in ("c-0", "x")
    )
    assert (
        re.search(r'role="alert">(.*?)</p>', there)[1] == re.search(r'role="alert">(.*?)</p>', not_there)[1]
    )
    post(client, "/retention/holds", scope="query", queue="care", **WHY)
    assert held(service) == ["c-2"]
    post(signed_in(), "/retention/holds", scope="call", calls="c-0", **WHY)
    hold = next(each for each in standing(service) if each.placed_by == "user:petra")
    assert "c-0" not in client.get(f"/retention/holds/{hold.hold_id}").text
    assert post(client, f"/retention/holds/{hold.hold_id}/release", reason="No").status_code == 403
