"""Signing in, staying signed in, and what is refused: sessions, forged requests, guessing, roles, headers."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import Annotated

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher
from fastapi import Depends, Request
from fastapi.responses import PlainTextResponse
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from callveil.adapters.ledger_sql.sign_in_attempts import FREE
from callveil.adapters.passwords import Argon2Passwords
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, User, WebRole
from callveil.web.pages.access import Access, require
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import MOST_BYTES, SecureAnswers
from callveil.web.pages.render import render
from callveil.web.pages.sign_in import local_path
from callveil.web.site import build_site

PASSWORD = "geheim-und-lang"
REPLAY = Privilege.REPLAY_ORIGINAL
HTML = {"Accept": "text/html"}
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
TLS = [{"web": {"public_url": "https://calls.example"}}]


@pytest.fixture
def accounts(service):
    return service.books.accounts


@pytest.fixture
def add(service, accounts):
    def add(name="ada", *roles, **given):
        now = service.clock.now()
        user = User(name=name, roles=frozenset(roles or {WebRole.REVIEWER}), created_at=now, **given)
        return accounts.add(user, kept=PASSWORDS.hash(PASSWORD), actor="test", now=now)

    return add


def add_pages(app):
    """Pages as others will add them."""

    @app.get("/open")
    async def forgot_to_ask():
        return PlainTextResponse("signed in")

    @app.get("/page")
    async def page(request: Request, access: Annotated[Access, Depends(require())]):
        return render(request, "start.html.j2", user=access.user)

    @app.get("/test/ops")
    async def ops(access: Annotated[Access, Depends(require(WebRole.OPS))]):
        return PlainTextResponse(access.actor)

    @app.get("/test/calls")
    async def calls(access: Annotated[Access, Depends(require(WebRole.REVIEWER, scope=Scope.CALLS_READ))]):
        return PlainTextResponse(access.actor)

    @app.get("/test/original")
    async def original(
        access: Annotated[
            Access, Depends(require(privilege=Privilege.REPLAY_ORIGINAL, scope=Scope.CALLS_READ))
        ],
    ):
        return PlainTextResponse(access.actor)

    @app.get("/test/calls/{queue}")
    async def call(queue: str, access: Annotated[Access, Depends(require(WebRole.REVIEWER))]):
        access.check_queue(queue)
        return PlainTextResponse(queue)

    @app.post("/change")
    async def change(access: Annotated[Access, Depends(require(scope=Scope.REVIEWS_WRITE))]):
        return PlainTextResponse(access.actor)

    @app.get("/broken")
    async def broken(access: Annotated[Access, Depends(require())]):
        raise RuntimeError("geheim")


@pytest.fixture
def app(service):
    app = build_page_app(service, passwords=PASSWORDS)
    add_pages(app)
    return SecureAnswers(app, service.config.profile.web)


@pytest.fixture
def browser(app):
    def browser(url="http://testserver", address="192.0.2.1"):
        return TestClient(
            app,
            base_url=url,
            client=(address, 50000),
            headers=HTML,
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    return browser


def csrf_in(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]


def sign_in(client, name="ada", password=PASSWORD, **more):
    form = {"name": name, "password": password, "csrf": csrf_in(client.get("/login")), **more}
    return client.post("/login", data=form)


def actions(service):
    return [each.action for each in service.ledger.audit()]


def test_who_signs_in_goes_on_where_they_wanted_to(browser, add, service):
    add()
    client = browser()
    sent_away = client.get("/open?x=1&y=%20")
    assert (sent_away.status_code, sent_away.headers["location"]) == (
        303,
        "/login?next=%2Fopen%3Fx%3D1%26y%3D%2520",
    )
    page = client.get(sent_away.headers["location"])
    assert 'value="/open?x=1&amp;y=%20"' in page.text
    done = sign_in(client, "Ada ", next="/open?x=1&y=%20")
    assert (done.status_code, done.headers["location"]) == (303, "/open?x=1&y=%20")
    assert client.get("/open").text == "signed in"
    assert client.get("/login?next=/open").headers["location"] == "/open"
    assert actions(service)[-1] == "user.signed_in"
    entry = service.ledger.audit()[-1]
    assert (entry.actor, dict(entry.detail)) == (
        "user:ada",
        {"user": "ada", "address": "192.0.2.1", "how": "password"},
    )


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(browser, add):
    add()
    cookies = sign_in(browser()).headers.get_list("set-cookie")
    session = next(each for each in cookies if each.startswith("callveil="))
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(session.split("; "))
    assert "Secure" not in session
    assert "Max-Age" not in session
    assert "Domain" not in session


@pytest.mark.parametrize("url", ["https://testserver", "http://calls.example"])
@pytest.mark.parametrize("service", TLS, indirect=True)
def test_behind_tls_cookies_are_secure_and_bound_to_the_host(browser, add, url):
    add()
    client = browser(url)
    page = client.get("/login")
    cookies = page.headers.get_list("set-cookie")
    form = {"name": "ada", "password": PASSWORD, "csrf": csrf_in(page)}
    cookie = cookies[0].split(";")[0]
    done = client.post("/login", data=form, headers={"Cookie": cookie, "Origin": "https://calls.example"})
    assert done.status_code == 303
    for each in [*cookies, *done.headers.get_list("set-cookie")]:
        assert each.startswith("__Host-callveil")
        assert {"Secure", "HttpOnly", "Path=/"} <= set(each.split("; "))
    assert page.headers["strict-transport-security"] == "max-age=31536000"


def test_signing_in_takes_a_new_token_and_ends_the_earlier_session(browser, add, service):
    add()
    add("bea")
    client = browser()
    planted = "A" * 43
    client.cookies.set("callveil", planted, domain="testserver.local")
    sign_in(client)
    first = client.cookies["callveil"]
    assert first != planted
    assert "callveil-sign-in" not in client.cookies
    # The earlier session ends with the new one, so that it does not live on in somebody else's hands.
    page = browser().get("/login")
    csrf, cookie = csrf_in(page), page.cookies["callveil-sign-in"]
    header = {"Cookie": f"callveil={first}; callveil-sign-in={cookie}"}
    done = browser().post("/login", data={"name": "bea", "password": PASSWORD, "csrf": csrf}, headers=header)
    second = done.cookies["callveil"]
    assert second not in (first, planted)
    for token, status in ((first, 303), (planted, 303), (second, 200)):
        assert browser().get("/open", headers={"Cookie": f"callveil={token}"}).status_code == status


def test_the_token_is_kept_nowhere(browser, add, service):
    add()
    client = browser()
    sign_in(client)
    token = client.cookies["callveil"]
    with service.ledger._database.engine.connect() as connection:
        kept = connection.execute(sa.text("SELECT digest FROM sessions")).scalars().all()
    assert kept == [hashlib.sha256(token.encode()).hexdigest()]
    assert token not in repr(service.ledger.audit())


def test_signing_out_ends_the_session_itself(browser, add, service):
    add()
    client = browser()
    sign_in(client)
    token = client.cookies["callveil"]
    csrf = csrf_in(client.get("/page"))
    assert client.get("/logout").status_code == 405
    done = client.post("/logout", data={"csrf": csrf})
    assert (done.status_code, done.headers["location"]) == (303, "/login")
    assert "callveil" not in client.cookies
    assert browser().get("/open", headers={"Cookie": f"callveil={token}"}).status_code == 303
    assert actions(service)[-1] == "user.signed_out"


@pytest.mark.parametrize(
    ("steps_minutes", "there"), [([29, 29, 29], True), ([29, 31], False), ([25] * 29, False)]
)
def test_a_session_ends_when_it_is_not_used_and_after_a_day_at_work(
    browser, add, service, steps_minutes, there
):
    add()
    client = browser()
    sign_in(client)
    for minutes in steps_minutes:
        service.clock.advance(timedelta(minutes=minutes))
        status = client.get("/open").status_code
    assert status == (200 if there else 303)
    if not there:
        answer = client.post("/change", data={"csrf": "0" * 64})
        assert answer.status_code == 401
        assert "Please sign in" in answer.text


def test_who_is_shut_out_is_out_with_the_next_request(browser, add, service, accounts):
    add()
    client = browser()
    sign_in(client)
    accounts.disable("ada", actor="test", now=service.clock.now())
    assert client.get("/open").status_code == 303
    assert sign_in(browser()).status_code == 401


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({}, {}),
        ({}, {"csrf": "0" * 64}),
        ({}, {"csrf": "é"}),
        ({"X-Callveil-Csrf": "0" * 64}, {"csrf": "right"}),
        ({"Origin": "https://evil.example"}, {"csrf": "right"}),
        ({"Origin": "null"}, {"csrf": "right"}),
        ({"Origin": "http://testserver.evil.example"}, {"csrf": "right"}),
        ({"Sec-Fetch-Site": "cross-site"}, {"csrf": "right"}),
        ({"Sec-Fetch-Site": "same-site"}, {"csrf": "right"}),
    ],
)
@pytest.mark.parametrize("path", ["/change", "/logout", "/login"])
def test_requests_that_another_site_made_are_refused(browser, add, headers, form, path):
    add()
    client = browser()
    login = csrf_in(client.get("/login"))
    if path != "/login":
        sign_in(client)
    right = login if path == "/login" else csrf_in(client.get("/page"))
    form = {name: right if value == "right" else value for name, value in form.items()}
    if path == "/login":
        form |= {"name": "ada", "password": PASSWORD}
    answer = client.post(path, data=form, headers=headers)
    assert answer.status_code == 403
    assert "callveil=" not in str(answer.headers.get_list("set-cookie"))
    if path != "/login":
        assert client.get("/open").status_code == 200


def test_our_own_forms_and_scripts_may_change_things(browser, add):
    add()
    client = browser()
    sign_in(client)
    page = client.get("/page")
    csrf = csrf_in(page)
    assert f'{{"X-Callveil-Csrf": "{csrf}"}}' in page.text
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/change", data={"csrf": csrf}, headers=own).text == "user:ada"
    assert client.post("/change", headers={"X-Callveil-Csrf": csrf}, json={}).text == "user:ada"
    other = browser()
    sign_in(other)
    assert other.post("/change", data={"csrf": csrf}).status_code == 403


def test_guessing_has_to_wait_and_the_right_password_too(browser, add, service):
    add()
    for n in range(FREE["name"]):
        assert sign_in(browser(address=f"192.0.2.{n}"), password="wrong").status_code == 401
    answer = sign_in(browser(address="198.51.100.1"))
    assert answer.status_code == 429
    assert "Too many attempts. Try again in 5 seconds." in answer.text
    service.clock.advance(timedelta(seconds=int(answer.headers["retry-after"])))
    assert sign_in(browser(address="198.51.100.1")).status_code == 303
    assert actions(service).count("user.sign_in_failed") == FREE["name"]


def test_guessing_many_names_from_one_place_has_to_wait(browser, add):
    add()
    network = [f"2001:db8:0:1::{n}" for n in range(FREE["address"])]
    answers = [sign_in(browser(address=each), name=f"u{n}") for n, each in enumerate(network)]
    assert {each.status_code for each in answers} == {401}
    assert sign_in(browser(address="2001:db8:0:1:ffff::1")).status_code == 429
    assert sign_in(browser(address="2001:db8:0:2::1")).status_code == 303


def _seen(service, monkeypatch, client, name, password):
    """What an attempt does: statements, passwords that are hashed, and its answer without its own token."""
    statements, verified = [], []
    verify = PASSWORDS.verify

    def listen(connection, cursor, statement, *rest):
        statements.append(statement)

    def watched(kept, given):
        verified.append(given)
        return verify(kept, given)

    form = {"name": name, "password": password, "csrf": csrf_in(client.get("/login"))}
    engine = service.ledger._database.engine
    sa.event.listen(engine, "before_cursor_execute", listen)
    with monkeypatch.context() as patch:
        patch.setattr(PASSWORDS, "verify", watched)
        answer = client.post("/login", data=form)
    sa.event.remove(engine, "before_cursor_execute", listen)
    text = answer.text.replace(form["csrf"], "").replace(answer.headers["content-security-policy"], "")
    headers = {key: value for key, value in answer.headers.items() if key != "content-security-policy"}
    return statements, verified, answer.status_code, text, headers


def test_who_guesses_cannot_tell_a_user_from_nobody(browser, add, service, accounts, monkeypatch):
    for name in ("ada", "out", "bot"):
        add(name)
    accounts.disable("out", actor="test", now=service.clock.now())
    now = service.clock.now()
    bot = User(name="nopass", roles=frozenset({WebRole.OPS}), created_at=now)
    accounts.add(bot, actor="test", now=now)
    names = ["ada", "out", "nopass", "nobody", "", "x y", "geheim\x00"]
    # The right password of who is shut out looks like a wrong one as well.
    seen = [
        _seen(
            service,
            monkeypatch,
            browser(address=f"192.0.2.{n}"),
            name,
            PASSWORD if name == "out" else "wrong-one",
        )
        for n, name in enumerate(names)
    ]
    assert seen[0][2] == 401
    assert len(seen[0][1]) == 1
    for name, each in zip(names, seen, strict=True):
        assert each[0] == seen[0][0], name
        assert len(each[1]) == 1, name
        assert each[2:] == seen[0][2:], name
    assert "geheim" not in repr(service.ledger.audit())


def test_an_unknown_user_is_checked_with_the_same_parameters_as_a_known_one():
    parameters = [text.rsplit("$", 2)[0] for text in (PASSWORDS.hash(PASSWORD), PASSWORDS._nobody)]
    assert parameters[0] == parameters[1]
    assert not PASSWORDS.verify(None, PASSWORD)


def test_a_password_of_older_parameters_is_kept_anew(browser, accounts, service):
    old = PasswordHasher(time_cost=2, memory_cost=8, parallelism=1).hash(PASSWORD)
    now = service.clock.now()
    user = User(name="ada", roles=frozenset({WebRole.OPS}), created_at=now)
    accounts.add(user, kept=old, actor="test", now=now)
    client = browser()
    assert sign_in(client).status_code == 303
    assert "t=1" in accounts.kept("ada")
    assert client.get("/open").status_code == 200


def test_a_page_that_forgot_to_ask_is_for_those_who_are_signed_in_only(browser, add):
    assert browser().get("/open").status_code == 303
    assert browser().get("/open", headers={"Accept": "audio/flac"}).status_code == 401
    htmx = browser().get("/open", headers={"HX-Request": "true", "Accept": "*/*"})
    assert (htmx.status_code, htmx.headers["hx-redirect"]) == (401, "/login")
    assert browser().get("/open", headers={"Authorization": "Bearer geheim"}).status_code == 303


@pytest.mark.parametrize(
    ("roles", "path", "status"),
    [
        ([WebRole.REVIEWER], "/test/calls", 200),
        ([WebRole.REVIEWER], "/test/ops", 403),
        ([WebRole.PRIVACY], "/test/ops", 403),
        ([WebRole.OPS], "/test/calls", 403),
        ([WebRole.OPS, WebRole.REVIEWER], "/test/calls", 200),
        ([WebRole.ADMIN], "/test/ops", 200),
        ([WebRole.ADMIN], "/test/original", 403),
        ([WebRole.REVIEWER], "/test/original", 403),
    ],
)
def test_a_role_opens_its_pages_and_no_others(browser, add, service, roles, path, status):
    add("ada", *roles)
    client = browser()
    sign_in(client)
    answer = client.get(path)
    assert answer.status_code == status
    if status == 403:
        assert "Not allowed" in answer.text
        entry = service.ledger.audit()[-1]
        assert (entry.actor, entry.action, entry.detail["page"]) == ("user:ada", "access.refused", path)


def test_a_privilege_opens_what_no_role_does(browser, add):
    add(privileges=frozenset({REPLAY}))
    client = browser()
    sign_in(client)
    assert client.get("/test/original").status_code == 200


def test_a_call_of_another_queue_is_as_if_it_were_not_there(browser, add):
    add(queues=frozenset({"north"}))
    client = browser()
    sign_in(client)
    assert client.get("/test/calls/north").text == "north"
    assert client.get("/test/calls/south").status_code == 404


def test_a_token_does_what_its_scope_and_its_user_may(browser, add, accounts, service):
    add("bot", privileges=frozenset({REPLAY}))
    now = service.clock.now()
    token = ApiToken(
        token_id="tok-1",
        digest=hashlib.sha256(b"cvt_secret").hexdigest(),
        user="bot",
        label="",
        scopes=frozenset({Scope.CALLS_READ, Scope.REVIEWS_WRITE}),
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    accounts.add_token(token, actor="test", now=now)
    bearer = {"Authorization": "Bearer cvt_secret", "Accept": "application/json"}
    client = browser()
    assert client.get("/test/calls", headers=bearer).text == "token:tok-1"
    assert client.post("/change", headers=bearer).text == "token:tok-1"
    refused = client.get("/test/original", headers=bearer)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    assert client.get("/test/ops", headers=bearer).status_code == 403
    assert client.get("/test/calls/north", headers=bearer).status_code == 403
    assert "set-cookie" not in client.get("/test/calls", headers=bearer).headers
    service.clock.advance(timedelta(days=1))
    expired = client.get("/test/calls", headers=bearer)
    assert (expired.status_code, expired.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    ("path", "status"),
    [("/login", 200), ("/nothing", 404), ("/static/base.css", 200), ("/broken", 500), ("/test/ops", 403)],
)
def test_every_answer_tells_the_browser_what_to_refuse(browser, add, path, status):
    add()
    client = browser()
    if path != "/login":
        sign_in(client)
    answer = client.get(path)
    assert answer.status_code == status
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; " in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answer.headers
    assert "geheim" not in answer.text
    if path != "/static/base.css":
        assert not re.search(r'<script(?![^>]* src="/static/[^>]*></script>)', answer.text)
        assert "style=" not in answer.text


def test_files_may_be_kept_as_long_as_they_do_not_change(browser):
    href = re.search(r'href="(/static/base.css\?v=[0-9a-f]{12})"', browser().get("/login").text)[1]
    assert "immutable" in browser().get(href).headers["cache-control"]
    for path in ("/static/../access.py", "/static/%2e%2e/access.py", "/static/..%2faccess.py", "/static/"):
        assert browser().get(path).status_code == 404


@pytest.mark.parametrize(
    "target",
    [
        *(
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "javascript:alert(1)",
        ),
        *("/x\r\nSet-Cookie: a=b", "/x\ty", "", "evil", "/ü"),
    ],
)
def test_nobody_is_led_to_another_site_by_the_form(browser, add, target):
    add()
    assert local_path(target) == "/"
    done = sign_in(browser(), next=target)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "a=b" not in str(done.headers)


PIECES = st.sampled_from([*"/\\:?#@%.\t\r\n a", "//", "http:"])


@given(st.text() | st.lists(PIECES).map("".join).map("/".__add__))
def test_where_the_form_leads_is_always_a_path_of_ours(target):
    found = local_path(target)
    assert re.fullmatch(r"/(?![/\\])[!-~]*", found)
    assert found in ("/", target)


def test_values_are_escaped(browser, add):
    page = browser().get('/login?next=/"><b>')
    assert "<b>" not in page.text
    answer = sign_in(browser(), name='"><b>')
    assert "<b>" not in answer.text


def test_too_much_is_refused_unread(browser):
    client = browser()
    large = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(MOST_BYTES + 1)}
    assert client.post("/login", content=b"x", headers=large).status_code == 413
    assert client.post("/login", content=iter([b"a=b"])).status_code == 411


def test_the_navigation_shows_pages_that_are_there_and_allowed(browser, add):
    add("ada", WebRole.REVIEWER)
    client = browser()
    sign_in(client)
    start = client.get("/")
    assert (start.status_code, start.headers["location"]) == (303, "/calls")
    for path in ("/test/ops", "/nothing"):
        page = client.get(path).text
        links = re.findall(r'<li><a href="([^"]+)"', page)
        assert "/calls" in links
        assert set(links) <= {"/calls", "/quarantine"}
        assert 'href="/">To the start' in page


def test_the_site_is_the_api_and_the_pages(service):
    client = TestClient(build_site(service), headers=HTML, follow_redirects=False)
    assert client.get("/healthz").json() == {"status": "alive"}
    for path in ("/v1/calls", "/v1/nothing", "/v1"):
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.post("/healthz").status_code == 405
    assert client.get("/").headers["location"] == "/login?next=%2F"
    assert 'href="/login">Sign in' in client.get("/nothing").text
    assert "<h1>Nothing here</h1>" in client.get("/nothing").text
    assert client.get("/nothing", headers={"Accept": "*/*"}).json()["status"] == 404
