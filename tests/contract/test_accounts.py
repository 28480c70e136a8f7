"""What `ports.Accounts` promises, on SQLite and PostgreSQL."""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime, timedelta

import pytest

from callveil.adapters.ledger_sql.sign_in_attempts import FREE, LONGEST_WAIT_S
from callveil.errors import NotFoundError, RefusedError
from callveil.vocabulary.accounts import (
    ApiToken,
    ExternalIdentity,
    Privilege,
    Scope,
    SessionLimits,
    User,
    WebRole,
)

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
LIMITS = SessionLimits(idle_s=1800, longest_s=12 * 3600)
GIVEN = {"actor": "cli:test", "now": NOW}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def after(**given: float) -> datetime:
    return NOW + timedelta(**given)


@pytest.fixture
def accounts(ledger):
    return ledger.books.accounts


@pytest.fixture
def add(accounts):
    def add(name: str = "ada", *, kept: str | None = "kept-1", **given: object) -> User:
        fields = {"roles": frozenset({WebRole.REVIEWER}), "created_at": NOW, **given}
        return accounts.add(User(name=name, **fields), kept=kept, **GIVEN)

    return add


@pytest.fixture
def begin(accounts):
    def begin(token: str = "t-1", name: str = "ada", *, now: datetime = NOW, **given: object):
        fields = {"kept": "kept-1", "address": "192.0.2.1", "limits": LIMITS, **given}
        return accounts.sign_in(name, digest(token), now=now, **fields)

    return begin


@pytest.fixture
def stands(accounts):
    def stands(token: str = "t-1", now: datetime = NOW) -> bool:
        return accounts.session(digest(token), limits=LIMITS, now=now) is not None

    return stands


@pytest.fixture
def entries(ledger):
    return lambda: [(each.actor, each.action, dict(each.detail)) for each in ledger.audit()]


def test_a_user_is_kept_as_it_was_entered(accounts, add):
    made = add(
        roles=frozenset({WebRole.OPS, WebRole.PRIVACY}),
        privileges=frozenset({Privilege.EXPORT}),
        queues=frozenset({"sales, north", 'a "b"'}),
    )
    assert accounts.get("ada") == made
    assert made.has_password
    assert made.created_at == NOW
    assert accounts.users() == (made,)
    assert not add("bot", kept=None).has_password
    with pytest.raises(RefusedError, match="already"):
        add()
    with pytest.raises(ValueError, match="roles"):
        add("nobody", roles=frozenset())
    with pytest.raises(NotFoundError):
        accounts.get("nobody")


def test_roles_and_queues_say_what_a_user_may(add):
    user = add(queues=frozenset({"north"}))
    assert user.has_role(WebRole.REVIEWER, WebRole.OPS)
    assert not user.has_role(WebRole.OPS)
    assert user.sees_queue("north")
    assert not user.sees_queue("south")
    assert not user.sees_queue(None)
    admin = add("root", roles=frozenset({WebRole.ADMIN}))
    assert all(admin.has_role(role) for role in WebRole)
    assert admin.privileges == frozenset()
    assert admin.sees_queue(None)


def test_changes_count_at_once_for_sessions_that_stand(accounts, add, begin):
    add()
    begin()
    accounts.change("ada", roles={WebRole.OPS}, queues={"north"}, **GIVEN)
    accounts.change("ada", privileges={Privilege.REPLAY_ORIGINAL}, **GIVEN)
    _, user = accounts.session(digest("t-1"), limits=LIMITS, now=NOW)
    assert user.roles == {WebRole.OPS}
    assert user.queues == {"north"}
    assert user.privileges == {Privilege.REPLAY_ORIGINAL}
    with pytest.raises(NotFoundError):
        accounts.change("nobody", queues=set(), **GIVEN)
    with pytest.raises(ValueError, match="roles"):
        accounts.change("ada", roles=set(), **GIVEN)


@pytest.mark.parametrize(
    ("uses", "until"),
    [([], 1800), ([1700], 3500), ([1700 * n for n in range(1, 26)], 43200)],
    ids=["idle", "used", "longest"],
)
def test_a_session_ends_by_itself(add, begin, stands, uses, until):
    add()
    begin()
    assert all(stands(now=after(seconds=use)) for use in uses)
    assert not stands(now=after(seconds=until))
    assert stands(now=after(seconds=until - 1))


def test_a_new_session_removes_what_has_ended_and_the_browsers_earlier_one(place, add, begin, stands):
    add()
    for token in ("old", "earlier", "other"):
        begin(token, now=NOW if token == "old" else after(seconds=1000))
    begin("new", ends=[digest("earlier")], now=after(seconds=1900))
    assert [stands(token, after(seconds=1900)) for token in ("old", "earlier", "other", "new")] == [
        *(False, False),
        *(True, True),
    ]
    assert len(place.sql("SELECT digest FROM sessions")) == 2


def test_a_session_of_another_token_is_none(accounts, add, begin, stands):
    add()
    begin()
    assert stands()
    assert not stands("t-2")
    accounts.end_session(digest("t-1"), actor="user:ada", now=NOW)
    accounts.end_session(digest("t-1"), actor="user:ada", now=NOW)
    assert not stands()


def test_who_is_shut_out_is_out_at_once_everywhere(accounts, add, begin, stands):
    add()
    begin()
    accounts.add_token(token(), **GIVEN)
    assert accounts.disable("ada", **GIVEN).disabled_at == NOW
    assert not stands()
    assert accounts.token(digest("secret"), now=NOW) is None
    assert accounts.kept("ada") is None
    assert begin("t-2") is None
    with pytest.raises(RefusedError, match="disabled"):
        accounts.add_token(token("tok-2", "other"), **GIVEN)
    accounts.enable("ada", **GIVEN)
    assert accounts.kept("ada") == "kept-1"
    assert not stands()
    assert accounts.token(digest("secret"), now=NOW) is None


def test_another_password_ends_sessions_and_what_was_checked_before(accounts, add, begin, stands):
    add()
    begin()
    accounts.set_password("ada", "kept-2", **GIVEN)
    assert not stands()
    assert accounts.kept("ada") == "kept-2"
    assert begin(kept="kept-1") is None
    assert begin(kept="kept-2") is not None
    accounts.refresh_password("ada", "kept-1", "never")
    assert accounts.kept("ada") == "kept-2"
    accounts.refresh_password("ada", "kept-2", "kept-3")
    assert accounts.kept("ada") == "kept-3"
    assert stands()


def test_an_identity_of_a_provider_is_one_users(accounts, add, begin):
    identity = ExternalIdentity(issuer="https://id.example", subject="17")
    user = User(name="eve", roles=frozenset({WebRole.OPS}), created_at=NOW)
    accounts.add(user, identity=identity, **GIVEN)
    add()
    add("bea")
    assert accounts.with_identity(identity).name == "eve"
    assert accounts.get("eve").identity == identity
    assert accounts.with_identity(ExternalIdentity(issuer="https://id.example", subject="18")) is None
    assert begin(name="eve", kept=None) is not None
    with pytest.raises(RefusedError, match="identity"):
        accounts.add(User(name="eva", roles=user.roles, created_at=NOW), identity=identity, **GIVEN)
    accounts.disable("eve", **GIVEN)
    assert accounts.with_identity(identity) is None


def test_who_vouches_can_be_changed_and_ends_sessions(accounts, add, begin, stands, entries):
    identity = ExternalIdentity(issuer="https://id.example", subject="17")
    add()
    add("bea")
    begin()
    assert accounts.set_identity("ada", identity, **GIVEN).identity == identity
    assert not stands()
    assert accounts.with_identity(identity).name == "ada"
    assert entries()[-1][1:] == ("user.identity", {"user": "ada", "issuer": "https://id.example"})
    begin()
    accounts.set_identity("ada", identity, **GIVEN)
    assert stands(), "nothing has changed"
    with pytest.raises(RefusedError, match="identity"):
        accounts.set_identity("bea", identity, **GIVEN)
    assert accounts.set_identity("ada", None, **GIVEN).identity is None
    assert not stands()
    assert accounts.with_identity(identity) is None
    assert accounts.set_identity("bea", identity, **GIVEN).name == "bea"
    with pytest.raises(NotFoundError):
        accounts.set_identity("nobody", None, **GIVEN)


def test_sessions_that_stand_are_listed(accounts, add, begin):
    add()
    add("bea")
    begin("t-1")
    begin("t-2", now=after(minutes=10))
    begin("t-3", name="bea")
    listed = lambda now: [each.digest for each in accounts.sessions("ada", limits=LIMITS, now=now)]  # noqa: E731
    assert listed(after(minutes=11)) == [digest("t-2"), digest("t-1")]
    assert listed(after(minutes=30)) == [digest("t-2")]
    accounts.end_session(digest("t-2"), **GIVEN)
    assert listed(after(minutes=11)) == [digest("t-1")]
    assert accounts.sessions("nobody", limits=LIMITS, now=NOW) == ()


@pytest.mark.parametrize("name", ["ada", "nobody", "geheim\x00\udcff"])
def test_attempts_on_a_name_have_to_wait_longer_and_longer(accounts, add, name):
    add()
    now, waits = NOW, []
    for n in range(20):
        assert accounts.attempt(name, f"192.0.2.{n}", now=now) == 0
        wait_s = accounts.attempt(name, "198.51.100.1", now=now) if n + 1 >= FREE["name"] else 0
        waits.append(wait_s)
        now += timedelta(seconds=wait_s)
    assert waits[FREE["name"] - 1 :] == sorted(waits[FREE["name"] - 1 :])
    assert waits[FREE["name"] - 1] > 0
    assert waits[-1] == LONGEST_WAIT_S
    assert accounts.attempt(name, "192.0.2.99", now=now + timedelta(days=1, seconds=1)) == 0


def test_attempts_from_an_address_have_to_wait_whatever_the_names(accounts, add, begin):
    add()
    for n in range(FREE["address"]):
        assert accounts.attempt(f"user{n}", "192.0.2.1", now=NOW) == 0
    assert accounts.attempt("ada", "192.0.2.1", now=NOW) > 0
    assert accounts.attempt("ada", "192.0.2.2", now=NOW) == 0
    # An account of one's own does not wipe out the attempts on others.
    begin(address="192.0.2.1")
    assert accounts.attempt("user98", "192.0.2.1", now=NOW) == 0
    assert accounts.attempt("user99", "192.0.2.1", now=NOW) > 0


def test_who_gets_in_has_all_attempts_again(accounts, add, begin):
    add()
    for round_ in range(3):
        for _ in range(FREE["name"]):
            assert accounts.attempt("ada", "192.0.2.1", now=NOW) == 0
        begin(f"t-{round_}")
    for _ in range(FREE["name"]):
        accounts.attempt("ada", "192.0.2.9", now=NOW)
    assert accounts.attempt("ada", "192.0.2.9", now=NOW) > 0
    accounts.enable("ada", **GIVEN)
    assert accounts.attempt("ada", "192.0.2.9", now=NOW) == 0


def test_attempts_at_once_are_no_more_than_one_after_another(accounts):
    went, start = [], threading.Barrier(12)

    def attempt(n: int) -> None:
        start.wait()
        went.append(accounts.attempt("ada", f"192.0.2.{n}", now=NOW) == 0)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(went), len(went)) == (FREE["name"], 12)


def token(token_id: str = "tok-1", secret: str = "secret", user: str = "ada") -> ApiToken:
    return ApiToken(
        token_id=token_id,
        digest=digest(secret),
        user=user,
        label="nightly report",
        scopes=frozenset({Scope.CALLS_READ, Scope.AUDIT_READ}),
        created_at=NOW,
        expires_at=after(days=30),
    )


def test_a_token_is_good_until_it_expires_or_is_revoked(accounts, add):
    add()
    made = accounts.add_token(token(), **GIVEN)
    assert made == token()
    found, user = accounts.token(digest("secret"), now=after(days=29))
    assert (found.scopes, user.name) == (made.scopes, "ada")
    assert accounts.tokens("ada")[0].used_at == after(days=29)
    assert accounts.token(digest("other"), now=NOW) is None
    assert accounts.token(digest("secret"), now=after(days=30)) is None
    assert accounts.revoke_token("tok-1", actor="cli:test", now=after(hours=1)).revoked_at == after(hours=1)
    assert accounts.revoke_token("tok-1", actor="cli:test", now=after(hours=2)).revoked_at == after(hours=1)
    assert accounts.token(digest("secret"), now=after(hours=3)) is None
    assert accounts.tokens("bea") == ()
    assert len(accounts.tokens()) == 1
    with pytest.raises(NotFoundError):
        accounts.revoke_token("tok-9", **GIVEN)
    with pytest.raises(NotFoundError):
        accounts.add_token(token("tok-2", "x", "nobody"), **GIVEN)


def test_all_of_it_is_in_the_audit_chain_and_no_secret_is(ledger, accounts, add, begin, entries):
    add(queues=frozenset({"north"}))
    begin("geheim-1")
    accounts.end_session(digest("geheim-1"), actor="user:ada", now=NOW)
    accounts.failed("ada", "192.0.2.1", now=NOW)
    accounts.failed("geheim", "192.0.2.1", now=NOW)
    accounts.change("ada", roles={WebRole.OPS}, **GIVEN)
    accounts.change("ada", roles={WebRole.OPS}, **GIVEN)
    accounts.set_password("ada", "geheim-2", **GIVEN)
    accounts.add_token(token(secret="geheim-3"), **GIVEN)
    accounts.disable("ada", **GIVEN)
    accounts.disable("ada", **GIVEN)
    accounts.enable("ada", **GIVEN)
    found = entries()
    assert [(actor, action) for actor, action, _ in found] == [
        ("cli:test", "user.added"),
        ("user:ada", "user.signed_in"),
        ("user:ada", "user.signed_out"),
        ("user:ada", "user.sign_in_failed"),
        ("user", "user.sign_in_failed"),
        ("cli:test", "user.changed"),
        ("cli:test", "user.password"),
        ("cli:test", "token.added"),
        ("cli:test", "token.revoked"),
        ("cli:test", "user.disabled"),
        ("cli:test", "user.enabled"),
    ]
    assert found[4][2] == {"user": None, "address": "192.0.2.1"}
    assert "geheim" not in repr(found)
    assert digest("geheim-3") not in repr(found)
    assert ledger.check_audit() is None
