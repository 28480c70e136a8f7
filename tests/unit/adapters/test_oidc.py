"""Who an OpenID Connect provider vouches for, against a real one over HTTP, and one that lies."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qsl, urlsplit

import pytest

from callveil.adapters import oidc_wire
from callveil.adapters.oidc import OpenIdProvider
from callveil.errors import ConfigError, SignatureError, UnavailableError
from callveil.vocabulary.accounts import ExternalIdentity

RETURN = "http://127.0.0.1:1/login/oidc/return"


@pytest.fixture
def seconds():
    return [0.0]


@pytest.fixture
def ours(identity_provider, seconds):
    client_id, secret = identity_provider.client
    return OpenIdProvider(
        identity_provider.issuer,
        client_id,
        secret,
        name="Example",
        clock=identity_provider.clock,
        monotonic=lambda: seconds[0],
    )


@pytest.fixture
def go(ours, identity_provider):
    def go(secret=None, *, change=None):
        secret = secret or secrets.token_urlsafe(32)
        answer = dict(parse_qsl(urlsplit(identity_provider.sign_in(ours.begin(secret, RETURN))).query))
        return ours.finish({**answer, **(change or {})}, secret, RETURN)

    return go


def test_the_provider_says_who_it_is(go, identity_provider):
    assert go() == ExternalIdentity(issuer=identity_provider.issuer, subject="user-17")
    identity_provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert go().subject == "user-17"


def test_the_question_is_new_each_time_and_asks_for_nothing_but_who_it_is(ours):
    given = [dict(parse_qsl(urlsplit(ours.begin(s, RETURN)).query)) for s in ("a" * 43, "b" * 43)]
    assert given[0]["scope"] == "openid"
    assert given[0]["response_type"] == "code"
    assert given[0]["redirect_uri"] == RETURN
    assert given[0]["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len({given[0][name], given[1][name]}) == 2
        assert len(given[0][name]) == 43
    assert len({given[0][name] for name in ("state", "nonce", "code_challenge")}) == 3
    assert "a" * 43 not in ours.begin("a" * 43, RETURN)


def test_metadata_and_keys_are_asked_for_once_in_a_while(go, identity_provider, seconds):
    go()
    go()
    assert identity_provider.asked.count("/tenant/keys") == 1
    assert len([path for path in identity_provider.asked if "well-known" in path]) == 1
    seconds[0] += 3601
    go()
    assert identity_provider.asked.count("/tenant/keys") == 2


def test_a_new_key_of_the_provider_is_found_and_a_made_up_one_does_not_ask_each_time(
    go, identity_provider, seconds
):
    go()
    identity_provider.new_key()
    identity_provider.signing = identity_provider.key
    with pytest.raises(SignatureError):
        go()
    seconds[0] += 31
    assert go().subject == "user-17"
    asked = identity_provider.asked.count("/tenant/keys")
    identity_provider.new_key()
    identity_provider.signing, identity_provider.key = identity_provider.key, identity_provider.signing
    for _ in range(3):
        with pytest.raises(SignatureError):
            go()
    assert identity_provider.asked.count("/tenant/keys") == asked


@pytest.mark.parametrize(
    "change",
    [
        {"state": "A" * 43},
        {"state": ""},
        {"state": "ä"},
        {"code": "A" * 22},
        {"code": ""},
        {"error": "access_denied"},
        {"iss": "https://other.example"},
    ],
)
def test_an_answer_to_another_question_is_refused(go, change):
    with pytest.raises(SignatureError) as raised:
        go(change=change)
    assert not any(value and value in str(raised.value) for value in change.values())


def test_an_answer_that_must_name_its_provider_and_does_not_is_refused(go, identity_provider):
    identity_provider.answer = {"iss": None}
    with pytest.raises(SignatureError, match="another provider"):
        go()


def test_what_one_browser_began_another_does_not_finish(ours, identity_provider):
    mine, yours = "a" * 43, "b" * 43
    answer = dict(parse_qsl(urlsplit(identity_provider.sign_in(ours.begin(mine, RETURN))).query))
    with pytest.raises(SignatureError, match="this browser"):
        ours.finish(answer, yours, RETURN)
    # Even with the right state the verifier is another one: a code that was stolen is good for nothing.
    state = dict(parse_qsl(urlsplit(ours.begin(yours, RETURN)).query))["state"]
    with pytest.raises(SignatureError, match="code"):
        ours.finish({**answer, "state": state}, yours, RETURN)
    assert "geheim" not in repr(identity_provider.asked)


def test_a_code_is_good_once(ours, identity_provider):
    answer = dict(parse_qsl(urlsplit(identity_provider.sign_in(ours.begin("a" * 43, RETURN))).query))
    assert ours.finish(answer, "a" * 43, RETURN).subject == "user-17"
    with pytest.raises(SignatureError):
        ours.finish(answer, "a" * 43, RETURN)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": ["callveil-test", "somebody-else"]},
        {"aud": ["callveil-test", "somebody-else"], "azp": "somebody-else"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": float("nan")},
        {"iat": None},
        {"iat": 10**11},
        {"nonce": "replayed"},
        {"nonce": None},
        {"at_hash": "A" * 22},
        {"sub": None},
        {"sub": ""},
        {"sub": 17},
        {"sub": "x" * 256},
        {"sub": "a\r\nb"},
    ],
    ids=str,
)
def test_a_token_that_does_not_fit_is_refused(go, identity_provider, claims):
    identity_provider.claims = claims
    with pytest.raises(SignatureError):
        go()


def test_several_audiences_are_allowed_when_it_was_made_for_us(go, identity_provider):
    client_id, _ = identity_provider.client
    identity_provider.claims = {"aud": [client_id, "somebody-else"], "azp": client_id}
    assert go().subject == "user-17"


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_a_signature_of_the_providers_key_is_refused(go, identity_provider, algorithm):
    identity_provider.algorithm = algorithm
    with pytest.raises(SignatureError):
        go()


def test_a_token_that_was_changed_after_it_was_signed_is_refused(go, identity_provider):
    genuine = identity_provider._signed

    def changed(claims):
        header, _, signature = genuine(claims).split(".")
        _, payload, _ = genuine({**claims, "sub": "admin"}).split(".")
        return f"{header}.{payload}.{signature}"

    identity_provider._signed = changed
    with pytest.raises(SignatureError):
        go()


@pytest.mark.parametrize(
    "fields",
    [{"id_token": None}, {"id_token": "x"}, {"id_token": "a.b.c"}, {"id_token": 17}, {"id_token": {}}],
)
def test_an_answer_without_a_token_is_refused(go, identity_provider, fields):
    identity_provider.token_fields = fields
    with pytest.raises(SignatureError):
        go()


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"issuer": None},
        {"token_endpoint": "http://id.example/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://id.example/a\r\nSet-Cookie: x=1"},
    ],
    ids=str,
)
def test_metadata_that_leads_elsewhere_is_refused(ours, identity_provider, metadata):
    identity_provider.metadata = metadata
    with pytest.raises(UnavailableError):
        ours.begin("a" * 43, RETURN)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (".well-known/openid-configuration", (500, b"{}")),
        (".well-known/openid-configuration", (200, b"geheim")),
        (".well-known/openid-configuration", (200, b"[]")),
        (".well-known/openid-configuration", (302, b"http://127.0.0.1:9/geheim")),
        (".well-known/openid-configuration", (200, b"[" * 100_000)),
        ("keys", (200, b'{"keys": []}')),
        ("keys", (200, b'{"keys": [{"kty": "RSA", "n": "geheim"}]}')),
        ("token", (500, b"geheim")),
        ("token", (200, b"geheim")),
        ("token", (200, b"[]")),
        ("token", (401, b'{"error": "invalid_client"}')),
    ],
)
def test_a_provider_that_does_not_answer_as_it_should_is_away(go, identity_provider, path, answer):
    identity_provider.raw = {f"/tenant/{path}": answer}
    with pytest.raises(UnavailableError) as raised:
        go()
    assert "geheim" not in str(raised.value)


def test_a_provider_that_is_not_there_is_away(ours, identity_provider):
    identity_provider.close()
    with pytest.raises(UnavailableError):
        ours.begin("a" * 43, RETURN)


def test_an_endless_answer_is_cut_off(ours, identity_provider, monkeypatch):
    monkeypatch.setattr(oidc_wire, "_MOST_BYTES", 1000)
    identity_provider.raw = {
        "/tenant/.well-known/openid-configuration": (200, b'{"a": "' + b"x" * 5000 + b'"}')
    }
    with pytest.raises(UnavailableError, match="too much"):
        ours.begin("a" * 43, RETURN)


@pytest.mark.parametrize("issuer", ["http://id.example", "https://user:pw@id.example", "ftp://id.example"])
def test_an_issuer_without_tls_is_refused(identity_provider, issuer):
    with pytest.raises(ConfigError, match=r"web\.oidc\.issuer"):
        OpenIdProvider(issuer, "a", "b", name="n", clock=identity_provider.clock)
