"""Signing in through a real OpenID Connect provider, and what an attacker could try with it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from starlette.testclient import TestClient

from callveil.adapters.ledger_sql.sign_in_attempts import FREE
from callveil.adapters.passwords import Argon2Passwords
from callveil.config import Profile
from callveil.errors import ConfigError
from callveil.kit import open_identity_provider
from callveil.vocabulary.accounts import ExternalIdentity, User, WebRole
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import SecureAnswers

PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
URL = "https://calls.example"


def settings(provider, **more):
    client_id, _ = provider.client
    oidc = {"issuer": provider.issuer, "client_id": client_id, "label": "Sign in with <Example>"}
    return Profile.model_validate({"web": {"public_url": URL, "oidc": oidc, **more}})


@pytest.fixture
def house(service, identity_provider):
    config = service.config
    secrets = replace(config.secrets, oidc_secret=SecretStr(identity_provider.client[1]))
    config = replace(config, profile=settings(identity_provider), secrets=secrets)
    return replace(service, config=config, clock=identity_provider.clock)


@pytest.fixture
def accounts(house):
    return house.books.accounts


@pytest.fixture
def add(house, accounts, identity_provider):
    def add(name="ada", subject="user-17", **given):
        now = house.clock.now()
        identity = ExternalIdentity(issuer=identity_provider.issuer, subject=subject)
        user = User(name=name, roles=frozenset({WebRole.REVIEWER}), created_at=now)
        return accounts.add(user, identity=identity, actor="test", now=now, **given)

    return add


@pytest.fixture
def browser(house):
    provider = open_identity_provider(house.config, house.clock)
    app = SecureAnswers(
        build_page_app(house, passwords=PASSWORDS, provider=provider), house.config.profile.web
    )

    def browser(url=URL, address="192.0.2.1"):
        return TestClient(
            app,
            base_url=url,
            client=(address, 50000),
            headers={"Accept": "text/html"},
            follow_redirects=False,
            raise_server_exceptions=False,
        )

    return browser


@pytest.fixture
def out_and_back(identity_provider):
    def out_and_back(client, start="/login/oidc?next=%2Fme"):
        sent = client.get(start)
        assert sent.status_code == 303, sent.text
        assert sent.headers["location"].startswith(f"{identity_provider.issuer}/authorize?")
        back = identity_provider.sign_in(sent.headers["location"])
        assert back.startswith(f"{URL}/login/oidc/return?")
        return client.get(back)

    return out_and_back


SESSION = "__Host-callveil"


def is_signed_in(client):
    return client.get("/").headers.get("location", "") != "/login?next=%2F"


def actions(house):
    return [(each.actor, each.action, dict(each.detail)) for each in house.ledger.audit()]


def test_the_form_has_a_button_that_leads_to_the_provider_and_back(browser, add, house, out_and_back):
    add()
    client = browser()
    page = client.get("/login?next=/me?x=1%262")
    assert "Sign in with &lt;Example&gt;" in page.text
    link = re.search(r'href="(/login/oidc\?[^"]+)"', page.text)[1]
    assert link == "/login/oidc?next=%2Fme%3Fx%3D1%262"
    done = out_and_back(client, link)
    assert (done.status_code, done.headers["location"]) == (303, "/me?x=1&2")
    assert is_signed_in(client)
    assert actions(house)[-1] == (
        "user:ada",
        "user.signed_in",
        {"user": "ada", "address": "192.0.2.1", "how": "identity provider"},
    )


def test_without_a_provider_there_is_no_button_and_no_way(service):
    client = TestClient(
        SecureAnswers(build_page_app(service, passwords=PASSWORDS), service.config.profile.web),
        headers={"Accept": "text/html"},
        follow_redirects=False,
    )
    assert "/login/oidc" not in client.get("/login").text
    assert client.get("/login/oidc").status_code == 404
    assert client.get("/login/oidc/return").status_code == 404


def test_cookies_are_bound_to_the_host_and_the_way_is_forgotten_at_its_end(browser, add, out_and_back):
    add()
    client = browser()
    sent = client.get("/login/oidc")
    cookie = sent.headers.get_list("set-cookie")[0]
    assert cookie.startswith("__Host-callveil-oidc=")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax", "Max-Age=600"} <= set(cookie.split("; "))
    out_and_back(client)
    assert "__Host-callveil-oidc" not in client.cookies


def test_who_is_nobodys_user_here_is_told_their_identity_and_stays_out(
    browser, house, identity_provider, out_and_back
):
    identity_provider.subject = '"><b>17'
    client = browser()
    answer = out_and_back(client)
    assert answer.status_code == 403
    assert '<code id="subject">&#34;&gt;&lt;b&gt;17</code>' in answer.text
    assert not is_signed_in(client)
    # An address or a name there makes nobody a user, and neither stands in the chain.
    assert actions(house)[-1] == (
        "user",
        "user.sign_in_failed",
        {"user": None, "address": "192.0.2.1"},
    )


def test_the_same_subject_of_another_provider_is_nobody(browser, accounts, house, out_and_back):
    now = house.clock.now()
    other = ExternalIdentity(issuer="https://other.example", subject="user-17")
    user = User(name="ada", roles=frozenset({WebRole.ADMIN}), created_at=now)
    accounts.add(user, identity=other, actor="test", now=now)
    assert out_and_back(browser()).status_code == 403


def test_an_address_that_is_a_users_name_makes_nobody_that_user(
    browser, accounts, house, identity_provider, out_and_back
):
    now = house.clock.now()
    for name in ("somebody@example.com", "user-17"):
        user = User(name=name, roles=frozenset({WebRole.ADMIN}), created_at=now)
        accounts.add(user, actor="test", now=now)
    identity_provider.claims = {"email_verified": True, "preferred_username": "user-17"}
    assert out_and_back(browser()).status_code == 403


def test_who_is_shut_out_here_is_out_whatever_the_provider_says(browser, add, accounts, house, out_and_back):
    add()
    accounts.disable("ada", actor="test", now=house.clock.now())
    client = browser()
    assert out_and_back(client).status_code == 403
    assert not is_signed_in(client)


def test_a_token_that_was_planted_is_not_taken_over(browser, add, out_and_back):
    add()
    client = browser()
    planted = "A" * 43
    client.cookies.set(SESSION, planted, domain="calls.example")
    out_and_back(client)
    assert client.cookies[SESSION] != planted
    answer = browser().get("/", headers={"Cookie": f"{SESSION}={planted}"})
    assert answer.headers["location"] == "/login?next=%2F"


def test_a_session_that_was_there_ends_with_the_new_one(browser, add, identity_provider, out_and_back):
    add()
    client = browser()
    out_and_back(client)
    first = client.cookies[SESSION]
    other = browser()
    sent = other.get("/login/oidc")
    back = identity_provider.sign_in(sent.headers["location"])
    cookies = f"__Host-callveil-oidc={sent.cookies['__Host-callveil-oidc']}; {SESSION}={first}"
    done = browser().get(back, headers={"Cookie": cookies})
    assert done.status_code == 303
    assert done.cookies[SESSION] != first
    assert (
        browser().get("/", headers={"Cookie": f"{SESSION}={first}"}).headers["location"].startswith("/login")
    )


def test_an_answer_in_another_browser_signs_nobody_in(browser, add, identity_provider):
    # Who makes somebody open an answer of their own would have them work under their name.
    add()
    attacker, victim = browser(), browser()
    back = identity_provider.sign_in(attacker.get("/login/oidc").headers["location"])
    assert victim.get(back).status_code == 401
    assert not is_signed_in(victim)
    victim.get("/login/oidc")
    assert victim.get(back).status_code == 401
    assert not is_signed_in(victim)


def test_an_answer_is_good_once(browser, add, identity_provider):
    add()
    client = browser()
    back = identity_provider.sign_in(client.get("/login/oidc").headers["location"])
    assert client.get(back).status_code == 303
    stranger = browser()
    assert stranger.get(back).status_code == 401


def test_where_the_provider_sends_browsers_back_to_does_not_come_out_of_a_request(browser):
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    sent = browser().get("/login/oidc", headers=headers)
    query = dict(parse_qsl(urlsplit(sent.headers["location"]).query))
    assert query["redirect_uri"] == f"{URL}/login/oidc/return"


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "/%0d%0aSet-Cookie:%20x=1",
        "/\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
        "/ä",
        "\x00",
    ],
)
def test_where_it_goes_on_is_always_a_path_of_ours(browser, add, out_and_back, target):
    add()
    client = browser()
    sent = client.get("/login/oidc", params={"next": target})
    assert sent.headers.get_list("set-cookie")[0].count("\n") == 0
    done = out_and_back(client, f"/login/oidc?next={quote(target)}")
    assert done.status_code == 303
    expected = target if target == "/%0d%0aSet-Cookie:%20x=1" else "/"
    assert done.headers["location"] == expected
    assert "x" not in client.cookies


@pytest.mark.parametrize(
    "rest", ["aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", "!!!", "Ly9ldmlsLmV4YW1wbGU", "w6Q", "A" * 3000, ""]
)
def test_a_cookie_that_was_tampered_with_leads_nowhere_else(browser, add, identity_provider, rest):
    add()
    client = browser()
    sent = client.get("/login/oidc?next=/me")
    secret = sent.cookies["__Host-callveil-oidc"].partition(".")[0]
    back = identity_provider.sign_in(sent.headers["location"])
    done = browser().get(back, headers={"Cookie": f"__Host-callveil-oidc={secret}.{rest}"})
    assert (done.status_code, done.headers["location"]) == (303, "/")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?code=x",
        "?state=x",
        "?error=access_denied&error_description=<script>alert(1)</script>",
        "?code=a%0d%0aSet-Cookie:%20x=1&state=%0d%0a",
        "?state=" + "A" * 5000,
    ],
)
def test_made_up_answers_are_refused_and_never_shown(browser, add, house, query):
    add()
    client = browser()
    client.get("/login/oidc")
    answer = client.get(f"/login/oidc/return{query}")
    assert answer.status_code == 401
    assert "script>alert" not in answer.text
    assert "access_denied" not in answer.text
    assert "x" not in client.cookies
    assert not is_signed_in(client)
    assert "alert" not in repr(actions(house))


def test_guessing_from_one_place_has_to_wait_and_asks_the_provider_no_more(
    browser, add, house, identity_provider, out_and_back
):
    add()
    for _ in range(FREE["address"]):
        client = browser()
        sent = client.get("/login/oidc")
        state = dict(parse_qsl(urlsplit(sent.headers["location"]).query))["state"]
        back = f"/login/oidc/return?code=guess&state={state}&iss={identity_provider.issuer}"
        assert client.get(back).status_code == 401
    asked = identity_provider.asked.count("/tenant/token")
    assert asked == FREE["address"]
    client = browser()
    answer = out_and_back(client)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "5"
    assert identity_provider.asked.count("/tenant/token") == asked
    assert out_and_back(browser(address="198.51.100.1")).status_code == 303
    house.clock.advance(timedelta(seconds=5))
    assert out_and_back(browser()).status_code == 303


def test_a_provider_that_is_away_is_told_and_passwords_still_work(
    browser, accounts, house, identity_provider
):
    now = house.clock.now()
    user = User(name="ada", roles=frozenset({WebRole.OPS}), created_at=now)
    accounts.add(user, kept=PASSWORDS.hash("geheim-und-lang"), actor="test", now=now)
    identity_provider.raw = {"/tenant/.well-known/openid-configuration": (500, b"geheim")}
    client = browser()
    answer = client.get("/login/oidc?next=/me")
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert "does not answer" in answer.text
    assert "geheim" not in answer.text
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', answer.text)[1]
    form = {"name": "ada", "password": "geheim-und-lang", "csrf": csrf, "next": "/me"}
    assert client.post("/login", data=form).headers["location"] == "/me"


def test_who_is_signed_in_goes_on_without_the_provider(browser, add, identity_provider, out_and_back):
    add()
    client = browser()
    out_and_back(client)
    n_asked = len(identity_provider.asked)
    assert client.get("/login/oidc?next=/me").headers["location"] == "/me"
    assert client.get("/login/oidc?next=//evil.example").headers["location"] == "/"
    assert len(identity_provider.asked) == n_asked


def test_the_secret_is_kept_nowhere_and_the_identity_not_in_the_chain(browser, add, house, out_and_back):
    add()
    client = browser()
    sent = client.get("/login/oidc")
    secret = sent.cookies["__Host-callveil-oidc"].partition(".")[0]
    assert secret not in sent.headers["location"]
    out_and_back(client)
    assert "user-17" not in repr(actions(house))


def test_settings_that_do_not_fit_are_refused(house, identity_provider):
    client_id, _ = identity_provider.client
    for web in (
        {"oidc": {"issuer": identity_provider.issuer, "client_id": client_id}},
        {"public_url": URL, "oidc": {"issuer": identity_provider.issuer}},
        {"public_url": URL, "oidc": {"issuer": "javascript:alert(1)", "client_id": client_id}},
        {"public_url": URL, "oidc": {"issuer": "https://id.example?x=1", "client_id": client_id}},
    ):
        with pytest.raises(ValueError, match="oidc"):
            Profile.model_validate({"web": web})
    without = replace(house.config, secrets=replace(house.config.secrets, oidc_secret=None))
    with pytest.raises(ConfigError, match="CALLVEIL_OIDC_SECRET"):
        open_identity_provider(without, house.clock)
    plain = replace(
        house.config,
        profile=Profile.model_validate(
            {"web": {"public_url": URL, "oidc": {"issuer": "http://id.example", "client_id": client_id}}}
        ),
    )
    with pytest.raises(ConfigError, match=r"web\.oidc\.issuer"):
        open_identity_provider(plain, house.clock)
