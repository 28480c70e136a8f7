"""The basics of OWASP on every route there is: roles, forged requests, other people's calls, headers, paths.

Routes come from the application itself, so that a new one cannot be forgotten.
"""

from __future__ import annotations

import hashlib
import http.client
import re
from datetime import timedelta
from urllib.parse import quote, urlsplit

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from tests.browser.conftest import kept_house
from tests.browser.house import PASSWORD, USERS, copy_house, served
from tests.browser.site_routes import ALL_CALLS, CALL_PARAMS, NOT_ALWAYS, WHO, routes, who

from callveil.kit import open_passwords
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, User, WebRole
from callveil.web.pages.access import CSRF_HEADER, csrf_of
from callveil.web.pages.app import build_page_app, build_pages
from callveil.web.pages.audit_words import GROUPS

HTML = {"Accept": "text/html,application/xhtml+xml"}
NOBODY_S = "call-999"

SAMPLES = {
    "form": "csv",
    "name": "zoe",
    "number": "1",
    "review_id": "rev-000000000000",
    "proposal_id": "pro-000000000000",
    "request_id": "req-000000000000",
    "hold_id": "hold-000000000000",
    "notice_id": "not-000000000000",
    "job_id": "0" * 32,
    "job": "0" * 32,
    "person": "x" * 60,
}
"""Values of path parameters that are no calls."""

FIELDS = {"reason": "because", "confirm": "true"}
"""Values of fields; others are "1"."""


@pytest.fixture(scope="module")
def own(request, tmp_path_factory):
    """A house for this module: walking all routes may change it."""
    made = copy_house(kept_house(request.config), tmp_path_factory.mktemp("site") / "data")
    accounts, now = made.service.books.accounts, made.clock.now()
    kept = accounts.kept("rita")
    everything = {"roles": frozenset(WebRole), "privileges": frozenset(Privilege)}
    for user in (
        User(name="lina", queues=frozenset({"care"}), created_at=now, **everything),
        User(name="zoe", roles=frozenset({WebRole.REVIEWER}), created_at=now),
    ):
        accounts.add(user, kept=kept, actor="cli:test", now=now)
    with served(made):
        yield made


@pytest.fixture(scope="module")
def pages(own):
    return build_pages(own.service)


@pytest.fixture(scope="module")
def found(own):
    return routes(build_page_app(own.service, passwords=open_passwords()))


@pytest.fixture(scope="module")
def ask(own, pages):
    """Sends a request as somebody, with a session of its own and what our own forms send."""

    def ask(method, path, name=None, *, headers=(), forged=False, **given):
        client = TestClient(pages, headers=HTML, follow_redirects=False, base_url=own.url)
        sent = dict(headers)
        if name is not None:
            token = own.begin_session(name)
            client.cookies.set("callveil", token)
            if not forged:
                sent[CSRF_HEADER] = csrf_of(token)
        return client.request(method, path, headers=sent, **given)

    return ask


def filled(each, call_id=None):
    """Address and form of a route, with values for all it asks for."""
    address = each.address(lambda name: call_id or "call-001" if name == each.call_param else SAMPLES[name])
    data = {name: FIELDS.get(name, "1") for name in [*each.fields, *FIELDS]} if each.changes else None
    return address, {"data": data} if each.changes else {}


def everything(own):
    """A digest of each table but what a mere look may change: sessions, counters, the audit chain."""
    spared = {"sessions", "audit", "audit_head", "sign_in_attempts", "tokens", "alembic_version"}
    with own.service.ledger._database.engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: hashlib.sha256(
                repr(sorted(map(repr, connection.execute(sa.text(f'SELECT * FROM "{name}"'))))).encode()
            ).hexdigest()
            for name in names
            if name not in spared and not re.search(r"_(data|idx|docsize|config|content)$", name)
        }


def test_every_route_is_in_the_table(found):
    there = {each.key for each in found}
    assert there - set(WHO) == set(), "say in site_routes.WHO who may use it"
    assert set(WHO) - there <= NOT_ALWAYS, "these are gone"
    unknown = {param.alias for each in found for param in each.params} - set(SAMPLES) - CALL_PARAMS
    assert unknown == set(), "give a value in SAMPLES, or name it in CALL_PARAMS if it is a call"


def test_roles_and_privileges_open_what_the_table_says(own, found, ask):
    users = {name: own.service.books.accounts.get(name) for name in USERS}
    wrong = []
    for each in found:
        may = who(each)
        if may.is_public:
            continue
        for name, user in users.items():
            address, given = filled(each)
            if not may.lets(user):
                given = {}
            status = ask(each.method, address, name, **given).status_code
            if (status == 403) == may.lets(user) or status in (401, 405) or status >= 500:
                wrong.append((each.key, name, status))
    assert not wrong, "\n".join(map(str, wrong))


def test_nobody_gets_past_the_gate(found, ask):
    for each in found:
        if who(each).is_public:
            continue
        address, given = filled(each)
        answer = ask(each.method, address, **given)
        if each.changes:
            assert answer.status_code == 401, each.key
        else:
            assert (answer.status_code, urlsplit(answer.headers["location"]).path) == (303, "/login"), (
                each.key
            )


def test_a_machine_gets_in_by_its_scope_only(own, pages, found):
    accounts, now = own.service.books.accounts, own.clock.now()

    def bearer(index, scopes):
        secret = f"cvt_{index}"
        token = ApiToken(
            token_id=f"tok-{index:012}",
            digest=hashlib.sha256(secret.encode()).hexdigest(),
            user="grete",
            label="",
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=now + timedelta(days=1),
        )
        accounts.add_token(token, actor="cli:test", now=now)
        headers = {"Authorization": f"Bearer {secret}", "Accept": "*/*"}
        return TestClient(pages, headers=headers, follow_redirects=False)

    machines = {scope: bearer(index, {scope}) for index, scope in enumerate(Scope)}
    wrong = []
    for each in found:
        may = who(each)
        if may.is_public or each.key in ("POST /logout", "GET /"):
            continue
        for scope, client in machines.items():
            address, given = filled(each)
            lets = scope is may.scope and not may.needs_privilege
            status = client.request(each.method, address, **(given if lets else {})).status_code
            if (status == 403) == lets or status >= 500:
                wrong.append((each.key, scope.value, status))
    assert not wrong, "\n".join(map(str, wrong))


FORGERIES = {
    "no token": {},
    "a wrong token": {CSRF_HEADER: "0" * 64},
    "another origin": {"Origin": "https://evil.example"},
    "another site": {"Sec-Fetch-Site": "cross-site"},
    "a neighbour": {"Sec-Fetch-Site": "same-site"},
    "no origin": {"Origin": "null"},
}


@pytest.mark.parametrize("how", FORGERIES)
def test_nothing_is_changed_by_a_forged_request(own, found, ask, how):
    before, headers = everything(own), FORGERIES[how]
    has_token = "token" not in how
    for each in found:
        if not each.changes:
            continue
        address, given = filled(each, own.in_queue("care"))
        answer = ask(each.method, address, "grete", headers=headers, forged=not has_token, **given)
        assert answer.status_code == 403, each.key
        assert "did not come from a page" in answer.text, each.key
    assert everything(own) == before


def test_a_form_token_is_good_for_its_session_only(own, found, ask):
    other = csrf_of(own.begin_session("rita"))
    for each in found:
        if each.changes:
            address, given = filled(each)
            answer = ask(each.method, address, "grete", headers={CSRF_HEADER: other}, forged=True, **given)
            assert answer.status_code == 403, each.key


def test_looking_changes_nothing(own, found, ask):
    before = everything(own)
    for each in found:
        if each.changes or "oidc" in each.path:
            continue
        for call_id in (own.in_queue("care"), own.one("quarantined"), own.one("restricted")):
            ask(each.method, filled(each, call_id)[0], "grete")
            if each.call_param is None:
                break
    assert everything(own) == before


def strangers(own):
    """Calls of other queues than care, of every kind there is."""
    ledger = own.service.ledger
    for what, ids in sorted(own.calls.items()):
        other = next((each for each in ids if ledger.get(each).call.queue != "care"), None)
        if other is not None:
            yield what, other


def told(answer, call_id):
    """What an answer says, without what differs by itself."""
    text = answer.text.replace(call_id, "ID")
    text = re.sub(r"[0-9a-f]{64}|nonce-[\w-]+|[0-9a-f]{8}-[0-9a-f-]{27}|rev-[0-9a-f]+", "", text)
    kept = ("content-type", "location", "cache-control", "content-disposition", "accept-ranges")
    headers = {name: answer.headers.get(name, "").replace(call_id, "ID") for name in kept}
    return answer.status_code, text, headers


def test_a_call_of_another_queue_is_not_told_from_one_that_is_not_there(own, found, ask):
    """Whatever else somebody may: all roles and privileges do not open another queue (IDOR)."""
    before = everything(own)
    for each in found:
        if each.call_param is None:
            continue
        for what, call_id in strangers(own):
            seen = []
            for given_id in (call_id, NOBODY_S):
                address, given = filled(each, given_id)
                seen.append(told(ask(each.method, address, "lina", **given), given_id))
            assert seen[0] == seen[1], (each.key, what)
            if who(each).all_queues:
                assert seen[0][0] == 403, (each.key, what)
            elif each.changes:
                assert seen[0][0] in (404, 409, 422), (each.key, what, seen[0][0])
            else:
                assert seen[0][0] == 404, (each.key, what)
    assert everything(own) == before


def test_a_call_of_ones_own_queue_is_there(own, found, ask):
    """Else the test before would say nothing."""
    missing = []
    for each in found:
        if each.call_param is None or each.changes:
            continue
        statuses = set()
        for what in sorted(own.calls):
            mine = next((i for i in own.calls[what] if own.service.ledger.get(i).call.queue == "care"), None)
            if mine is not None:
                name = "grete" if who(each).all_queues else "lina"
                statuses.add(ask(each.method, filled(each, mine)[0], name).status_code)
        if not statuses - {404}:
            missing.append((each.key, statuses))
    assert missing == []


def test_no_page_names_a_call_of_another_queue(own, found, ask):
    ledger = own.service.ledger
    hidden = {i for ids in own.calls.values() for i in ids if ledger.get(i).call.queue != "care"}
    leaks = []
    for each in found:
        if each.changes or each.key in ALL_CALLS:
            continue
        text = ask(each.method, filled(each, own.in_queue("care"))[0], "lina").text
        seen = set(re.findall(r"call-\d{3}", text)) & hidden
        if seen:
            leaks.append((each.key, sorted(seen)[:5]))
    assert leaks == []


def test_every_answer_has_the_headers(own, found, ask):
    for each in found:
        for name in ("grete", "nora", None):
            answer = ask(each.method, filled(each, own.in_queue("care"))[0], name)
            headers = answer.headers
            where = (each.key, name)
            policy = headers["content-security-policy"]
            assert "default-src 'none'; script-src 'self';" in policy, where
            assert "unsafe" not in policy, where
            assert "frame-ancestors 'none'" in policy, where
            assert headers["x-content-type-options"] == "nosniff", where
            assert headers["x-frame-options"] == "DENY", where
            assert headers["referrer-policy"] == "same-origin", where
            assert headers["cross-origin-resource-policy"] == "same-origin", where
            assert headers["cache-control"] == "no-store", where
            assert "server" not in headers, where
            assert "access-control-allow-origin" not in headers, where
            kind = headers.get("content-type", "")
            assert answer.content == b"" or kind, where
            if "text/html" in kind:
                body = re.sub(r'<script [^>]*src="/static/[^"]+"[^>]*></script>', "", answer.text)
                assert "<script" not in body, where
                assert not re.search(r"<[^>]+\s(style|on\w+)\s*=", body), where


INJECTED = "x\r\nSet-Cookie: evil=1\r\nX-Evil: 1"


def raw(own, path, name="grete", method="GET"):
    """As it is, past every client that tidies addresses up."""
    parts = urlsplit(own.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
    headers = {**HTML, "Cookie": f"callveil={own.begin_session(name)}"}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {key.lower(): value for key, value in answer.getheaders()}, body


def test_no_value_gets_into_a_header(own, found):
    for each in found:
        if each.changes or each.path == "/login/oidc":
            continue
        bad = quote(INJECTED, safe="")
        paths = [filled(each)[0] + "?" + "&".join(f"{name}={bad}" for name in each.queries)]
        if each.params:
            paths.append(each.address(lambda _, bad=bad: bad))
        for path in paths:
            status, headers, _ = raw(own, path)
            assert "x-evil" not in headers, each.key
            assert "evil" not in headers.get("set-cookie", ""), each.key
            assert status < 500, (each.key, status)


OUTSIDE = (
    "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "../../../../../../../etc/passwd",
    "..%5c..%5cledger.sqlite3",
    "..%2fledger.sqlite3",
    "%2fetc%2fpasswd",
    "call-001%2f..%2f..%2fledger.sqlite3",
    "....//....//ledger.sqlite3",
    "%00",
    "call-001%00.flac",
    "file%3a%2f%2f%2fetc%2fpasswd",
)


def test_no_path_leads_out_of_the_house(own, found):
    for each in found:
        if each.changes or not each.params:
            continue
        for path in OUTSIDE:
            status, _, body = raw(own, each.address(lambda _, path=path: path))
            assert status in (303, 400, 404, 405, 409, 422), (each.key, path, status)
            assert b"root:" not in body, each.key
            assert b"SQLite format" not in body, each.key
    for path in OUTSIDE:
        for name in (path, f"..%2f..%2f{path}", f"vendor/{path}"):
            status, _, body = raw(own, f"/static/{name}")
            assert status in (404, 400, 405), (path, status)
            assert b"root:" not in body


def test_guessing_passwords_has_to_wait(own, monkeypatch):
    """With real passwords; tests/unit/web has every case of it."""
    now = own.clock.now()
    monkeypatch.setattr(own.clock, "now", lambda: now)

    def attempt(password):
        client = TestClient(build_pages(own.service), headers=HTML, follow_redirects=False)
        token = re.search(r'name="csrf" value="([^"]+)"', client.get("/login").text)[1]
        return client.post("/login", data={"name": "zoe", "password": password, "csrf": token})

    answers = [attempt(f"guess number {number}") for number in range(6)]
    assert [each.status_code for each in answers] == [401] * 5 + [429]
    late = attempt(PASSWORD)
    assert late.status_code == 429
    assert int(late.headers["retry-after"]) >= 1
    assert "set-cookie" not in late.headers or "callveil=" not in late.headers["set-cookie"].replace(
        "sign-in=", ""
    )


def test_a_session_cannot_be_set_from_outside(own, pages):
    """Session fixation: whatever cookie a browser comes with, the one after the sign-in is another."""
    client = TestClient(pages, headers=HTML, follow_redirects=False)
    planted = own.begin_session("nora")
    client.cookies.set("callveil", planted)
    client.cookies.clear()
    page = client.get("/login")
    form = {
        "csrf": re.search(r'name="csrf" value="([^"]+)"', page.text)[1],
        "name": "rita",
        "password": PASSWORD,
    }
    client.cookies.set("callveil", "f" * 43)
    entered = client.post("/login", data=form)
    assert entered.status_code == 303
    token = re.search(r"callveil=([\w-]{43});", entered.headers["set-cookie"])[1]
    assert token not in ("f" * 43, planted)
    forged = TestClient(pages, headers=HTML, follow_redirects=False)
    forged.cookies.set("callveil", "f" * 43)
    assert forged.get("/").headers["location"].startswith("/login")


def test_whatever_was_done_has_plain_words(own, found, ask):
    """After all routes were walked, by everybody."""
    known = {action for group in GROUPS for action in group.words}
    assert set(own.service.ledger.trail.actions()) <= known, "say in audit_words.GROUPS what it is called"
