"""One's own account, and the users that an admin looks after."""

from __future__ import annotations

import html
import re
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.ledger_sql.sign_in_attempts import FREE
from callveil.adapters.passwords import Argon2Passwords
from callveil.kit import new_token
from callveil.vocabulary.accounts import ExternalIdentity, Privilege, Scope, User, WebRole
from callveil.web.pages.access import digest_of
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import SecureAnswers

PASSWORD, OTHER = "geheim-und-lang", "anders-und-lang"
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
OIDC = {"issuer": "https://id.example", "client_id": "callveil"}
WITH_PROVIDER = {"web": {"public_url": "https://calls.example", "oidc": OIDC}}


@pytest.fixture
def accounts(service):
    return service.books.accounts


@pytest.fixture
def add(service, accounts):
    def add(name="ada", *roles, kept=PASSWORD, identity=None, **given):
        now = service.clock.now()
        user = User(name=name, roles=frozenset(roles or {WebRole.REVIEWER}), created_at=now, **given)
        kept = None if kept is None else PASSWORDS.hash(kept)
        return accounts.add(user, kept=kept, identity=identity, actor="test", now=now)

    return add


@pytest.fixture
def browser(service):
    def browser(address="192.0.2.1"):
        app = build_page_app(service, passwords=PASSWORDS)
        return TestClient(
            SecureAnswers(app, service.config.profile.web),
            client=(address, 50000),
            headers={"Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    return browser


@pytest.fixture
def signed_in(browser):
    def signed_in(name="ada", password=PASSWORD, status=303):
        client = browser()
        form = {"name": name, "password": password, "csrf": csrf_in(client.get("/login"))}
        assert client.post("/login", data=form).status_code == status
        return client

    return signed_in


@pytest.fixture
def admin(add, signed_in):
    add("root", WebRole.ADMIN)
    return signed_in("root")


def csrf_in(page):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]


def post(client, path, **form):
    return client.post(path, data={"csrf": csrf_in(client.get("/me")), **form})


def problem_in(page):
    found = re.search(r'<p class="notice bad"[^>]*>([^<]+)', page.text)
    return html.unescape(found[1]) if found else ""


def is_in(client):
    return client.get("/me").status_code == 200


def actions(service, n=1):
    return [(each.actor, each.action, dict(each.detail)) for each in service.ledger.audit()][-n:]


# --- one's own account


def test_who_knows_the_password_changes_it_and_goes_on_in_a_new_session(add, signed_in, service):
    add()
    here, elsewhere = signed_in(), signed_in()
    before = here.cookies["callveil"]
    done = post(here, "/me/password", old=PASSWORD, new=OTHER, again=OTHER)
    assert (done.status_code, done.headers["location"]) == (303, "/me?done=password")
    assert is_in(here)
    assert here.cookies["callveil"] != before
    assert not is_in(elsewhere)
    stolen = {"Cookie": f"callveil={before}"}
    assert signed_in("ada", OTHER).get("/me").status_code == 200
    assert elsewhere.get("/me", headers=stolen).status_code == 303
    signed_in("ada", PASSWORD, status=401)
    assert "another password" in here.get("/me?done=password").text
    said = [action for _, action, _ in actions(service, 10)]
    assert "user.password" in said


@pytest.mark.parametrize(
    ("form", "status", "problem"),
    [
        ({"old": "wrong", "new": OTHER, "again": OTHER}, 403, "present password"),
        ({"old": PASSWORD, "new": OTHER, "again": "x" + OTHER}, 422, "not the same"),
        ({"old": PASSWORD, "new": "kurz-17", "again": "kurz-17"}, 422, "8 to 256"),
        ({"old": PASSWORD, "new": "aaaaaaaaaa", "again": "aaaaaaaaaa"}, 422, "different"),
        ({}, 422, "8 to 256"),
    ],
)
def test_a_password_that_may_not_be_changed_stays(add, signed_in, form, status, problem):
    add()
    client = signed_in()
    answer = post(client, "/me/password", **form)
    assert answer.status_code == status
    assert problem in problem_in(answer)
    assert not any(value in answer.text for value in form.values())
    assert is_in(client)
    signed_in()


def test_who_found_an_open_browser_cannot_guess_the_password(add, signed_in, service):
    add()
    client = signed_in()
    for _ in range(FREE["name"]):
        assert post(client, "/me/password", old="wrong", new=OTHER, again=OTHER).status_code == 403
    answer = post(client, "/me/password", old=PASSWORD, new=OTHER, again=OTHER)
    assert answer.status_code == 429
    assert "Try again in 5 seconds" in problem_in(answer)
    service.clock.advance(timedelta(seconds=5))
    assert post(client, "/me/password", old=PASSWORD, new=OTHER, again=OTHER).status_code == 303
    assert [action for _, action, _ in actions(service, 50)].count("user.sign_in_failed") == FREE["name"]


def test_who_comes_through_a_provider_gets_no_password_of_their_own(add, accounts, service, browser):
    identity = ExternalIdentity(issuer="https://id.example", subject="17")
    add("eve", kept=None, identity=identity)
    client = browser()
    token = "B" * 43
    accounts.sign_in(
        "eve",
        digest_of(token),
        kept=None,
        address="192.0.2.1",
        limits=service.config.profile.web.session_limits,
        now=service.clock.now(),
    )
    client.cookies.set("callveil", token, domain="testserver.local")
    page = client.get("/me")
    assert "identity provider" in page.text
    assert 'name="old"' not in page.text
    assert post(client, "/me/password", old="", new=OTHER, again=OTHER).status_code == 409
    assert accounts.kept("eve") is None


def test_sessions_are_listed_and_end(add, signed_in, accounts, service):
    add()
    add("bea")
    here, second, third, other = signed_in(), signed_in(), signed_in(), signed_in("bea")
    page = here.get("/me")
    assert page.text.count('name="end"') == 3
    end = re.search(r'name="end" value="([0-9a-f]{64})"', page.text)[1]
    done = post(here, "/me/sessions", end=end)
    assert done.headers["location"] == "/me?done=session"
    assert [is_in(second), is_in(third)].count(False) == 1
    # Nobody ends a session of somebody else, or their own by mistake.
    limits, now = service.config.profile.web.session_limits, service.clock.now()
    for name in ("bea", "ada"):
        kept = {each.digest for each in accounts.sessions(name, limits=limits, now=now)}
        if name == "bea":
            post(here, "/me/sessions", end=kept.pop())
    assert is_in(other)
    post(here, "/me/sessions", end="others")
    assert is_in(here)
    assert not is_in(second)
    assert not is_in(third)
    assert is_in(other)


def test_tokens_are_listed_and_revoked_by_their_own_user_only(add, signed_in, accounts, service):
    add()
    add("bea")
    now = service.clock.now()
    made = {}
    for name in ("ada", "bea"):
        token, secret = new_token(name, {Scope.CALLS_READ}, days=30, label="<nightly>", now=now)
        accounts.add_token(token, actor="test", now=now)
        made[name] = (token, secret)
    client = signed_in()
    page = client.get("/me").text
    assert made["ada"][0].token_id in page
    assert "&lt;nightly&gt;" in page
    assert made["bea"][0].token_id not in page
    assert made["ada"][1] not in page
    assert post(client, "/me/tokens", revoke=made["bea"][0].token_id).status_code == 404
    assert post(client, "/me/tokens", revoke=made["ada"][0].token_id).status_code == 303
    revoked = {token.user: token.revoked_at is not None for token in accounts.tokens()}
    assert revoked == {"ada": True, "bea": False}
    assert made["ada"][0].token_id not in client.get("/me").text


def test_a_machine_has_no_account_page(add, accounts, service, browser):
    add("ada", WebRole.ADMIN)
    token, secret = new_token("ada", set(Scope), days=30, label="", now=service.clock.now())
    accounts.add_token(token, actor="test", now=service.clock.now())
    headers = {"Authorization": f"Bearer {secret}"}
    for path in ("/me", "/users", "/users/ada", "/users/new"):
        assert browser().get(path, headers=headers).status_code == 403
    for path in ("/me/password", "/users/new", "/users/ada/password", "/users/ada/tokens"):
        assert browser().post(path, headers=headers, data={"password": OTHER}).status_code == 403


# --- users


PAGES = ["/users", "/users/new", "/users/bea", "/users/bea/disable"]
CHANGES = [
    "/users/new",
    "/users/bea",
    "/users/bea/password",
    "/users/bea/identity",
    "/users/bea/disable",
    "/users/bea/enable",
    "/users/bea/tokens",
    "/users/bea/tokens/revoke",
]


@pytest.mark.parametrize("role", [role for role in WebRole if role is not WebRole.ADMIN])
def test_users_are_for_admins_only(add, signed_in, role, accounts):
    add("ada", role)
    bea = add("bea")
    client = signed_in()
    for path in PAGES:
        assert client.get(path).status_code == 403
    for path in CHANGES:
        assert post(client, path, roles="admin", password=OTHER, name="eve", scopes="ops").status_code == 403
    assert accounts.get("bea") == bea
    assert len(accounts.users()) == 2
    assert 'href="/users"' not in client.get("/me").text


@pytest.mark.parametrize("path", [*CHANGES, "/me/password", "/me/sessions", "/me/tokens"])
def test_nothing_changes_without_the_token_of_the_form(admin, add, path, accounts):
    before = add("bea")
    client = admin
    form = {"roles": "admin", "password": OTHER, "name": "eve", "scopes": "ops", "revoke": "x"}
    assert client.post(path, data=form).status_code == 403
    assert client.post(path, data={**form, "csrf": "0" * 64}).status_code == 403
    assert accounts.get("bea") == before
    assert len(accounts.users()) == 2


def test_a_user_is_entered_and_can_sign_in(admin, accounts, signed_in, service):
    done = post(
        admin,
        "/users/new",
        name="Bea@example.com",
        roles=["reviewer", "ops"],
        privileges=["export"],
        queues="north\r\n  sales & more \r\n\r\n",
        password=OTHER,
    )
    assert (done.status_code, done.headers["location"]) == (303, "/users/bea%40example.com?done=new")
    user = accounts.get("bea@example.com")
    assert user.roles == {WebRole.REVIEWER, WebRole.OPS}
    assert user.privileges == {Privilege.EXPORT}
    assert user.queues == {"north", "sales & more"}
    assert actions(service)[0][:2] == ("user:root", "user.added")
    assert OTHER not in repr(service.ledger.audit())
    signed_in("bea@example.com", OTHER)
    page = admin.get("/users").text
    assert "sales &amp; more" in page
    page = admin.get(done.headers["location"]).text
    assert "The user is entered." in page
    assert "north\nsales &amp; more</textarea>" in page


@pytest.mark.parametrize(
    ("form", "status", "problem"),
    [
        ({"name": "", "roles": "ops"}, 422, "name: allowed"),
        ({"name": "new", "roles": "ops"}, 422, "name: allowed"),
        ({"name": "a/b", "roles": "ops"}, 422, "name: allowed"),
        ({"name": "<b>", "roles": "ops"}, 422, "name: allowed"),
        ({"name": "eve"}, 422, "roles: choose"),
        ({"name": "eve", "roles": "god"}, 422, "roles: allowed"),
        ({"name": "eve", "roles": "ops", "privileges": "all"}, 422, "privileges: allowed"),
        ({"name": "eve", "roles": "ops", "queues": "x" * 201}, 422, "queues: allowed"),
        ({"name": "eve", "roles": "ops", "password": "kurz-17"}, 422, "8 to 256"),
        ({"name": "eve", "roles": "ops", "subject": "17"}, 422, "no identity provider"),
        ({"name": "root", "roles": "ops"}, 409, "already"),
    ],
)
def test_what_may_not_be_entered_comes_back_with_the_reason(admin, accounts, form, status, problem):
    answer = post(admin, "/users/new", **form)
    assert answer.status_code == status
    assert problem in problem_in(answer)
    assert "<b>" not in answer.text
    assert f'value="{form["name"]}"' in html.unescape(answer.text)
    assert "kurz-17" not in answer.text
    assert [user.name for user in accounts.users()] == ["root"]


def test_what_a_user_may_changes_at_once(admin, add, accounts, signed_in):
    add("bea")
    theirs = signed_in("bea")
    assert theirs.get("/users").status_code == 403
    done = post(admin, "/users/bea", roles="admin", privileges="replay-original", queues="north")
    assert done.headers["location"] == "/users/bea?done=rights"
    assert theirs.get("/users").status_code == 200
    assert accounts.get("bea").queues == {"north"}
    post(admin, "/users/bea", roles="reviewer")
    assert theirs.get("/users").status_code == 403
    user = accounts.get("bea")
    assert (user.privileges, user.queues) == (frozenset(), frozenset())
    answer = post(admin, "/users/bea")
    assert (answer.status_code, problem_in(answer)) == (422, "roles: choose one or more")
    assert accounts.get("bea") == user


def test_nobody_changes_what_they_may_themselves(admin, accounts, service):
    before = accounts.get("root")
    page = admin.get("/users/root").text
    assert "another admin" in page
    assert 'name="privileges"' not in page
    for path in ("", "/password", "/identity", "/disable", "/enable"):
        form = {"roles": ["admin", "ops"], "privileges": "export", "password": OTHER, "subject": "17"}
        assert post(admin, f"/users/root{path}", **form).status_code == 409
    assert admin.get("/users/root/disable").status_code == 409
    assert accounts.get("root") == before
    assert is_in(admin)


def test_another_password_of_a_user_ends_their_sessions(admin, add, signed_in, accounts):
    add("bea")
    theirs = signed_in("bea")
    answer = post(admin, "/users/bea/password", password="short")
    assert (answer.status_code, is_in(theirs)) == (422, True)
    assert post(admin, "/users/bea/password", password=OTHER).status_code == 303
    assert not is_in(theirs)
    signed_in("bea", OTHER)
    assert post(admin, "/users/nobody/password", password=OTHER).status_code == 404


@pytest.mark.parametrize("service", [WITH_PROVIDER], indirect=True)
def test_who_vouches_for_a_user_is_set_and_taken_back(service, accounts, add):
    add("root", WebRole.ADMIN)
    add("bea")
    app = SecureAnswers(build_page_app(service, passwords=PASSWORDS), service.config.profile.web)
    client = TestClient(
        app, base_url="https://calls.example", headers={"Accept": "text/html"}, follow_redirects=False
    )
    form = {"name": "root", "password": PASSWORD, "csrf": csrf_in(client.get("/login"))}
    client.post("/login", data=form)
    assert post(client, "/users/bea/identity", subject=" 17 ").status_code == 303
    assert accounts.get("bea").identity == ExternalIdentity(issuer="https://id.example", subject="17")
    taken = post(client, "/users/new", name="eve", roles="ops", subject="17")
    assert (taken.status_code, problem_in(taken)) == (409, "there is a user with this identity already")
    assert post(client, "/users/new", name="eve", roles="ops", subject="18").status_code == 303
    assert not accounts.get("eve").has_password
    assert post(client, "/users/eve/identity", subject="17").status_code == 409
    assert "single sign-on" in client.get("/users").text
    post(client, "/users/bea/identity", subject="")
    assert accounts.get("bea").identity is None
    assert post(client, "/users/bea/identity", subject="x" * 256).status_code == 422


def test_shutting_out_says_what_it_does_and_does_it(admin, add, signed_in, accounts, service):
    add("bea")
    now = service.clock.now()
    token, _ = new_token("bea", {Scope.OPS}, days=1, label="", now=now)
    accounts.add_token(token, actor="test", now=now)
    theirs = signed_in("bea")
    page = admin.get("/users/bea/disable")
    assert "1 token is revoked for good" in re.sub(r"\s+", " ", page.text)
    assert is_in(theirs), "asking does nothing"
    assert post(admin, "/users/bea/disable").headers["location"] == "/users/bea?done=disabled"
    assert not is_in(theirs)
    assert accounts.get("bea").disabled_at is not None
    assert "Let in again" in admin.get("/users/bea").text
    assert post(admin, "/users/bea/tokens", scopes="ops").status_code == 409
    post(admin, "/users/bea/enable")
    signed_in("bea")
    assert accounts.tokens("bea")[0].revoked_at is not None


def test_a_token_is_shown_once_and_works(admin, add, accounts, service, browser):
    add("bea")
    answer = post(admin, "/users/bea/tokens", scopes=["calls:read", "ops"], days="30", label="<nightly>")
    secret = re.search(r'<code id="secret">(cvt_[\w-]{43})</code>', answer.text)[1]
    assert answer.headers["cache-control"] == "no-store"
    (token,) = accounts.tokens("bea")
    assert token.scopes == {Scope.CALLS_READ, Scope.OPS}
    assert (token.expires_at - token.created_at).days == 30
    assert secret not in admin.get("/users/bea").text
    assert "&lt;nightly&gt;" in admin.get("/users/bea").text
    assert secret not in repr(service.ledger.audit())
    found, user = accounts.token(
        __import__("hashlib").sha256(secret.encode()).hexdigest(), now=token.created_at
    )
    assert (found.token_id, user.name) == (token.token_id, "bea")
    for form in ({}, {"scopes": "all"}, {"scopes": "ops", "days": "0"}, {"scopes": "ops", "days": "367"}):
        assert post(admin, "/users/bea/tokens", **form).status_code == 422
    assert post(admin, "/users/nobody/tokens", scopes="ops").status_code == 404
    assert post(admin, "/users/root/tokens/revoke", revoke=token.token_id).status_code == 404
    assert post(admin, "/users/bea/tokens/revoke", revoke=token.token_id).status_code == 303
    assert accounts.tokens("bea")[0].revoked_at is not None


@pytest.mark.parametrize("name", ["nobody", "..", "%2e%2e%2fme", "a%0d%0aSet-Cookie:%20x=1", "%00", "é"])
def test_a_user_that_is_not_there_is_not_there(admin, name):
    answer = admin.get(f"/users/{name}")
    assert answer.status_code in (404, 303, 307)
    assert "x" not in admin.cookies
    assert post(admin, f"/users/{name}/enable").status_code == 404


def test_unknown_words_in_the_address_say_nothing(admin):
    assert "evil" not in admin.get("/me?done=evil").text
    assert "evil" not in admin.get("/users/root?done=evil").text
