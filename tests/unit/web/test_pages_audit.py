"""/audit: who may see it, what it finds, exports, and the check of the chain."""

import csv
import dataclasses
import hashlib
import io
import json
import re
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from callveil.adapters.ledger_sql.audit_chain import FIRST_DIGEST, digest_of
from callveil.pipeline.audit_export import csv_lines
from callveil.vocabulary.accounts import ApiToken, Scope, User, WebRole
from callveil.vocabulary.audit import AuditQuery
from callveil.vocabulary.ledger import AuditEntry
from callveil.web.pages.access import csrf_of
from callveil.web.pages.access import digest_of as session_digest
from callveil.web.pages.app import build_pages
from callveil.web.pages.audit_words import GROUPS, action_words, actor_words, detail_words

TOKEN = "t" * 43


@pytest.fixture
def enter(service):
    """A browser with somebody signed in."""

    def enter(*roles, name="ada"):
        accounts, now = service.books.accounts, service.clock.now()
        accounts.add(User(name=name, roles=frozenset(roles), created_at=now), actor="cli:x", now=now)
        token = (name + TOKEN)[:43]
        limits = service.config.profile.web.session_limits
        accounts.sign_in(name, session_digest(token), kept=None, address="127.0.0.1", limits=limits, now=now)
        client = TestClient(build_pages(service), headers={"Accept": "text/html"}, follow_redirects=False)
        client.cookies.set("callveil", token)
        client.csrf = csrf_of(token)
        return client

    return enter


@pytest.fixture
def note(service):
    def note(action="call.viewed", *, actor="user:rita", call_id=None, hours=0.0, **detail):
        at = service.clock.now() + timedelta(hours=hours)
        service.ledger.note(actor=actor, action=action, call_id=call_id, detail=detail, now=at)

    return note


def rows(page):
    found = re.findall(
        r'<td class="who">.*?>([^<]+)</a></td>\s*<td class="what">([^<]+?)\s*<', page.text, re.S
    )
    return [(who, what.strip()) for who, what in found]


def bearer(service, *scopes, role=WebRole.ADMIN):
    accounts, now = service.books.accounts, service.clock.now()
    accounts.add(User(name="bot", roles=frozenset({role}), created_at=now), actor="cli:x", now=now)
    token = ApiToken(
        token_id="tok-0123456789ab",
        digest=hashlib.sha256(b"cvt_x").hexdigest(),
        user="bot",
        label="",
        scopes=frozenset(scopes),
        created_at=now,
        expires_at=now + timedelta(days=1),
    )
    accounts.add_token(token, actor="cli:x", now=now)
    client = TestClient(build_pages(service), follow_redirects=False)
    client.headers.update({"Authorization": "Bearer cvt_x", "Accept": "*/*"})
    return client


@pytest.mark.parametrize("role", [WebRole.REVIEWER, WebRole.OPS, WebRole.PRIVACY])
def test_it_is_for_admins(enter, role):
    client = enter(role)
    for path in ("/audit", "/audit/check", "/audit/export.csv", "/audit/export.jsonl"):
        assert client.get(path).status_code == 403, path
    assert client.post("/audit/check", data={"csrf": client.csrf}).status_code == 403


def test_filters_find_what_fits(enter, note):
    client = enter(WebRole.ADMIN)
    note(call_id="c-1")
    note("call.played", call_id="c-2", hours=1)
    note("call.kept", actor="worker:w-1", call_id="c-2", hours=2)
    note("strange.thing", actor="strange", hours=3)
    ask = lambda query: rows(client.get(f"/audit?{query}"))  # noqa: E731
    assert ask("what=seen") == [("rita", "played a redacted recording"), ("rita", "looked at a call")]
    assert ask("what=call.kept") == [("w-1", "decided that a call may be kept")]
    assert ask("call=c-2") == [
        ("w-1", "decided that a call may be kept"),
        ("rita", "played a redacted recording"),
    ]
    assert ask("actor=rita") == ask("actor=user:rita") == ask("actor=%20Rita") == ask("what=seen")
    assert ask("actor=rita&call=c-1") == [("rita", "looked at a call")]
    assert ask("since=2026-11-23T10:31:00Z&until=2026-11-23T11:31") == [
        ("w-1", "decided that a call may be kept")
    ]
    assert ask("what=strange.thing") == [("strange", "strange.thing")]
    assert "No entry fits" in client.get("/audit?actor=nobody").text


@pytest.mark.parametrize(
    "query", ["since=yesterday", "until=9999-99-99", "since=%00", "since=0001-01-01T00:00%2B14:00"]
)
def test_a_time_that_is_none_is_told(enter, query):
    page = enter(WebRole.ADMIN).get(f"/audit?{query}")
    assert page.status_code == 422
    assert "allowed: a date and time" in page.text


@pytest.mark.parametrize("place", ["x", "1_", "1_-1", "-99999999999999999_1", "1_1 OR 1=1", "１_１"])
def test_a_place_that_is_none_is_told(enter, place):
    assert enter(WebRole.ADMIN).get("/audit", params={"after": place}).status_code == 422


def test_pages_lead_through_all_entries(enter, note):
    client = enter(WebRole.ADMIN)
    for number in range(120):
        note(n=number)
    page, seen = client.get("/audit?actor=rita"), []
    while True:
        seen += re.findall(r"&#34;n&#34;: (\d+)", page.text)
        following = re.search(r'id="page-after" href="([^"]+)"', page.text)
        if following is None:
            break
        page = client.get(following[1].replace("&amp;", "&"))
    assert seen == [str(number) for number in reversed(range(120))]


def test_values_are_escaped(enter, note):
    note("<b>x</b>", actor="user:<i>", call_id="<u>", reason="<script>alert(1)</script>")
    page = enter(WebRole.ADMIN).get('/audit?call=%22%3E%3Cb%3E&actor="><b>').text
    page += enter(WebRole.ADMIN, name="bea").get("/audit").text
    for bad in ("<b>", "<i>", "<u>", "<script>alert"):
        assert bad not in page


def test_an_export_is_the_chain(enter, service, note):
    client = enter(WebRole.ADMIN)
    for number in range(1100):
        note(n=number, reason="ärger")
    answer = client.get("/audit/export.jsonl")
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert re.fullmatch(
        r'attachment; filename="callveil-audit-\d{8}T\d{6}Z\.jsonl"', answer.headers["content-disposition"]
    )
    assert answer.headers["cache-control"] == "no-store"
    entries = [json.loads(line) for line in answer.text.splitlines()]
    digest = FIRST_DIGEST
    for number, entry in enumerate(entries, 1):
        # Whoever has the file can compute the chain again: FORMATS.md.
        fields = {name: entry[name] for name in entry if name != "digest"}
        written = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(f"{digest}\n{written}".encode()).hexdigest()
        assert (entry["number"], entry["digest"]) == (number, digest)
    assert (entries[-1]["action"], entries[-1]["actor"]) == ("audit.exported", "user:ada")
    table = list(csv.reader(io.StringIO(client.get("/audit/export.csv?actor=rita").text)))
    assert table[0] == ["number", "at", "actor", "action", "call_id", "detail", "digest"]
    assert len(table) == 1101
    assert json.loads(table[1][5]) == {"n": 0, "reason": "ärger"}
    assert service.ledger.audit(after=len(entries))[-1].detail == {"format": "csv", "filters": "actor"}


def test_what_somebody_typed_into_a_filter_does_not_stay(enter, service):
    enter(WebRole.ADMIN).get("/audit/export.csv?actor=%2B442079460018&call=maud.ferring")
    assert "ferring" not in repr(service.ledger.audit())
    assert "442079460018" not in repr(service.ledger.audit())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_spreadsheet_finds_no_formula(start):
    class Trail:
        def head(self):
            return 1

        def page(self, query, **others):
            entry = AuditEntry(
                number=1, at=pytest.importorskip("callveil.testing").START, actor=f"{start}cmd|' /C calc'!A0",
                action=f"{start}a", call_id=f"{start}c", detail={}, digest="x",
            )  # fmt: skip
            return dataclasses.make_dataclass("P", ["entries", "before", "after"])((entry,), None, None)

    table = list(csv.reader(io.StringIO("".join(csv_lines(AuditQuery(), Trail())), newline="")))
    for cell in table[1][2:5]:
        assert cell.startswith(f"'{start}")


def test_only_so_many_exports_at_a_time(enter, service, monkeypatch):
    client = enter(WebRole.ADMIN)
    monkeypatch.setattr("callveil.web.pages.audit._MOST_EXPORTS", 0)
    answer = client.get("/audit/export.csv")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert "audit.exported" not in {entry.action for entry in service.ledger.audit()}
    assert client.get("/audit/export.xml").status_code == 404


def test_a_machine_needs_the_scope(service):
    client = bearer(service, Scope.AUDIT_READ)
    assert client.get("/audit/export.jsonl").status_code == 200
    assert client.get("/audit").status_code == 403
    assert client.post("/audit/check").status_code == 403
    assert service.ledger.audit()[-3].actor == "token:tok-0123456789ab"


@pytest.mark.parametrize(
    ("scope", "role"), [(Scope.CALLS_READ, WebRole.ADMIN), (Scope.AUDIT_READ, WebRole.OPS)]
)
def test_a_scope_or_a_role_alone_is_not_enough(service, scope, role):
    assert bearer(service, scope, role=role).get("/audit/export.jsonl").status_code == 403


def finished(client):
    for _ in range(200):
        page = client.get("/audit/check", headers={"HX-Request": "true"})
        if "<progress" not in page.text:
            return page
        time.sleep(0.02)
    raise AssertionError("the check does not end")


def test_a_check_tells_whether_the_chain_holds(enter, service, note):
    client = enter(WebRole.ADMIN)
    for number in range(30):
        note(n=number)
    assert "has not been checked yet" in client.get("/audit").text
    started = client.post("/audit/check", data={"csrf": client.csrf})
    assert (started.status_code, started.headers["location"]) == (303, "/audit/check")
    assert "Holds" in finished(client).text
    assert "<html" not in finished(client).text
    assert "<html" in client.get("/audit/check").text
    entry = service.ledger.audit()[-1]
    assert (entry.actor, entry.action) == ("user:ada", "audit.checked")
    assert entry.detail == {"entries": entry.number - 1, "intact": True, "first_broken": None}
    with service.ledger._database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE audit SET actor = 'user:nobody' WHERE number = 7"))
    client.post("/audit/check", data={"csrf": client.csrf})
    assert "entry 7 is not what was written" in finished(client).text
    assert "it is broken" in client.get("/audit").text


def test_one_check_at_a_time_with_its_progress(enter, service, monkeypatch):
    client = enter(WebRole.ADMIN)
    steps = []

    def slow(self, on_progress=None):
        steps.append("begun")
        on_progress(1)
        while len(steps) < 2:
            time.sleep(0.005)

    monkeypatch.setattr(type(service.ledger), "check_audit", slow)
    for _ in range(3):
        client.post("/audit/check", data={"csrf": client.csrf})
    while not steps:
        time.sleep(0.005)
    page = client.get("/audit/check", headers={"HX-Request": "true"})
    assert 'hx-trigger="every 1s"' in page.text
    steps.append("go on")
    finished(client)
    assert steps == ["begun", "go on"]


def test_a_check_that_fails_says_so(enter, service, monkeypatch):
    from callveil.errors import LedgerError

    client = enter(WebRole.ADMIN)

    def fails(self, on_progress=None):
        raise LedgerError("the ledger's database failed: geheim")

    monkeypatch.setattr(type(service.ledger), "check_audit", fails)
    client.post("/audit/check", data={"csrf": client.csrf})
    page = finished(client)
    assert "did not come to its end" in page.text
    assert "geheim" not in page.text


def test_every_action_is_in_one_group_with_plain_words():
    actions = [action for group in GROUPS for action in group.words]
    assert len(actions) == len(set(actions))
    assert len({group.key for group in GROUPS}) == len(GROUPS)
    from callveil.adapters.ledger_sql.audit_chain import Action

    assert {str(action) for action in Action} <= set(actions)
    assert not {group.key for group in GROUPS} & set(actions)
    assert action_words("no.such") == "no.such"


def test_actors_and_details_in_words(service):
    assert actor_words("user:ada") == ("", "ada")
    assert actor_words("key:pbx") == ("API key", "pbx")
    assert actor_words("reconcile") == ("Service", "reconcile")
    entry = AuditEntry(
        number=1, at=service.clock.now(), actor="user:ada", action="x", call_id=None, digest="",
        detail={"user": "ada", "intact": True, "queues": "[]", "secret": "x", "reason": "y"},
    )  # fmt: skip
    assert detail_words(entry) == (("Holds", "yes"), ("Reason", "y"))


def test_digest_rule_is_the_one_of_the_export(service, note):
    note()
    entry = service.ledger.audit()[0]
    assert entry.digest == digest_of(
        FIRST_DIGEST,
        number=1,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        call_id=None,
        detail=entry.detail,
    )
