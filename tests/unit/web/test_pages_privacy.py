"""The privacy officer's pages: who may, what they do, and that what was typed is nowhere afterwards."""

import dataclasses
import io
import json
import logging
import re
import secrets
import zipfile
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient
from tests.unit.web.planted import EMAIL, PHONE, plant

from callveil.adapters.passwords import Argon2Passwords
from callveil.adapters.signing_keys import KeyFolder
from callveil.adapters.store_local import LocalStore
from callveil.adapters.webhook import Answer
from callveil.kit import office_of
from callveil.pipeline import holds
from callveil.pipeline.outlook import named
from callveil.vocabulary.accounts import ApiToken, Privilege, Scope, User, WebRole
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import HoldScope
from callveil.vocabulary.rights import ItemState, Recipient, Request, RequestItem, RequestKind, RequestState
from callveil.web.pages import privacy_desk
from callveil.web.pages.access import csrf_of, digest_of
from callveil.web.pages.app import build_page_app
from callveil.web.pages.headers import SecureAnswers
from callveil.web.pages.person_token import LASTS

PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
CRM = Recipient(name="crm", kind="crm", url="https://crm.example/callveil", secret="r" * 40)
TYPED = {"phone": "+44 20 7946 0018", "email": f"  {EMAIL.upper()}\n", "customer_id": "", "region": ""}
ACCESS = "req-" + "a" * 12


@pytest.fixture
def service(service, tmp_path):
    KeyFolder(tmp_path / "keys", service.clock).create()
    return dataclasses.replace(
        service,
        site=dataclasses.replace(service.site, recipients=(CRM,)),
        store=LocalStore(tmp_path / "store", clock=service.clock),
    )


@pytest.fixture
def calls(service):
    """c-1 and c-3 are published, c-2 has come in; and there is an open request for access."""
    for call_id in ("c-1", "c-3"):
        plant(service, call_id)
    plant(service, "c-2", published=False)
    now = service.clock.now()
    access = Request(
        request_id=ACCESS, kind=RequestKind.ACCESS, state=RequestState.OPEN, identities=(),
        received_at=now, due_at=now + timedelta(days=30), n_calls=1,
    )  # fmt: skip
    item = RequestItem(request_id=ACCESS, call_id="c-1", state=ItemState.PENDING)
    service.books.requests.open(access, [item], actor="test", now=now)


@pytest.fixture
def desks(monkeypatch):
    """What works behind the pages, to wait for it."""
    made = []
    init = privacy_desk.PrivacyDesk.__init__

    def listen(self, *given):
        init(self, *given)
        made.append(self)

    monkeypatch.setattr(privacy_desk.PrivacyDesk, "__init__", listen)
    return made


@pytest.fixture
def app(service, desks):
    yield SecureAnswers(build_page_app(service, passwords=PASSWORDS), service.config.profile.web)
    for desk in desks:
        desk.wait()


class Browser:
    """A browser of somebody who is signed in."""

    def __init__(self, app, token):
        self.client = TestClient(
            app, headers={"Accept": "text/html"}, follow_redirects=False, raise_server_exceptions=False
        )
        self.csrf = csrf_of(token)
        self.client.cookies.set("callveil", token)

    def get(self, path, **given):
        return self.client.get(path, **given)

    def post(self, path, csrf=True, **form):
        return self.client.post(path, data={**form, **({"csrf": self.csrf} if csrf else {})})

    def follow(self, answer):
        assert answer.status_code == 303, answer.text
        return self.get(answer.headers["location"])

    def find(self, **typed):
        answer = self.post("/privacy/find", **{**TYPED, **typed})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]


@pytest.fixture
def browser(app, service):
    def browser(name="petra", *roles, privileges=(), queues=()):
        accounts, now = service.books.accounts, service.clock.now()
        if accounts.kept(name) is None:
            user = User(
                name=name, roles=frozenset(roles or {WebRole.PRIVACY}), privileges=frozenset(privileges),
                queues=frozenset(queues), created_at=now,
            )  # fmt: skip
            accounts.add(user, kept=PASSWORDS.hash("geheim-und-lang"), actor="test", now=now)
        token, kept = secrets.token_urlsafe(32), accounts.kept(name)
        limits = service.config.profile.web.session_limits
        accounts.sign_in(name, digest_of(token), kept=kept, address="x", limits=limits, now=now)
        return Browser(app, token)

    return browser


def hidden(page, name):
    return re.search(rf'name="{name}" value="([^"]*)"', page.text)[1]


def actions(service):
    return [(entry.actor, entry.action, dict(entry.detail)) for entry in service.ledger.audit()]


def is_known_to(text):
    """Whether a text names the person, in whatever spelling."""
    low = text.lower()
    return any(value in low for value in ("7946", PHONE, EMAIL, "maud", "ferring"))


def confirm_erasure(officer, here, **changes):
    page = officer.get(f"{here}/erasure/confirm")
    form = {"once": hidden(page, "once"), "seen": hidden(page, "seen"), "word": "ERASE", **changes}
    return officer.post(f"{here}/erasure", **form), form


def paths(here):
    """Every page with how it is asked for."""
    once, request = "a" * 16, f"/privacy/requests/{ACCESS}"
    return [
        ("GET", "/privacy", None),
        ("POST", "/privacy/find", TYPED),
        ("GET", here, None),
        ("POST", f"{here}/linked", {}),
        ("GET", f"{here}/restriction", None),
        ("POST", f"{here}/restriction", {"once": once, "reason": "disputed"}),
        ("GET", f"{here}/lift", None),
        ("POST", f"{here}/lift", {"once": once, "reason": "settled", "told": "true"}),
        ("GET", f"{here}/erasure", None),
        ("GET", f"{here}/erasure/confirm", None),
        ("POST", f"{here}/erasure", {"once": once, "seen": "0" * 64, "word": "ERASE"}),
        ("GET", f"{here}/export", None),
        ("POST", f"{here}/export", {}),
        ("GET", "/privacy/exports/abc", None),
        ("POST", "/privacy/exports/abc/file", {}),
        ("POST", "/privacy/exports/abc/delete", {}),
        ("GET", "/privacy/requests", None),
        ("GET", request, None),
        ("POST", f"{request}/extension", {"months": "2", "reason": "much"}),
        ("POST", f"{request}/closure", {"reason": "answered"}),
        ("POST", f"{request}/resume", {}),
        ("GET", f"{request}/proof", None),
        ("POST", f"{request}/check", {}),
        ("GET", "/privacy/recipients", None),
        ("POST", "/privacy/notices/ntc-000000000000/send", {}),
        ("GET", "/privacy/breach", None),
        ("POST", "/privacy/breach", {"how": "calls", "calls": "c-1", "known_at": "2026-11-23T10:00"}),
        ("GET", "/privacy/record", None),
        ("GET", "/privacy/record/record.md", None),
        ("GET", "/privacy/calls/c-1", None),
        ("GET", "/privacy/calls/c-1/receipt", None),
        ("POST", "/privacy/calls/c-1/find", {}),
        ("POST", "/privacy/calls/c-1/withdrawal", {"purposes": "recording", "confirm": "true"}),
    ]


def ask(browser, method, path, form, **given):
    return browser.get(path) if method == "GET" else browser.post(path, **form, **given)


def test_every_page_is_in_the_list_of_these_tests(app, browser, calls):
    here = browser().find()
    asked = {(method, re.sub(r"(persons/)[^/]+", r"\1{person}", path)) for method, path, _ in paths(here)}
    for old, new in ((ACCESS, "{request_id}"), ("exports/abc", "exports/{job}"), ("c-1", "{call_id}"),
                     ("ntc-000000000000", "{notice_id}"), ("record.md", "{name}")):  # fmt: skip
        asked = {(method, path.replace(old, new)) for method, path in asked}
    there = {
        (method, route.path)
        for route in app._app.routes
        if getattr(route, "path", "").startswith("/privacy")
        for method in route.methods - {"HEAD"}
    }
    assert asked == there


@pytest.mark.parametrize(
    ("name", "roles", "given"),
    [
        ("rita", {WebRole.REVIEWER}, {"privileges": Privilege}),
        ("oscar", {WebRole.OPS}, {"privileges": Privilege}),
        ("pia", {WebRole.PRIVACY}, {"queues": {"care"}, "privileges": Privilege}),
    ],
)
def test_other_roles_and_half_a_view_are_refused_on_the_record(browser, calls, service, name, roles, given):
    here = browser().find()
    other, before = browser(name, *roles, **given), len(actions(service))
    asked = paths(here)
    for method, path, form in asked:
        assert ask(other, method, path, form).status_code == 403, (method, path)
    added = actions(service)[before:]
    assert [(who, what) for who, what, _ in added] == [(f"user:{name}", "access.refused")] * len(asked)
    assert service.ledger.get("c-1").state is CallState.PUBLISHED


def test_nobody_and_no_machine_gets_in(app, browser, calls, service):
    here, now = browser().find(), service.clock.now()
    nobody = TestClient(app, headers={"Accept": "text/html"}, follow_redirects=False)
    secret = "t" * 43
    token = ApiToken(
        token_id="tok-000000000001", digest=digest_of(secret), user="petra", label="x",
        scopes=frozenset(Scope), created_at=now, expires_at=now + timedelta(days=1),
    )  # fmt: skip
    service.books.accounts.add_token(token, actor="test", now=now)
    for method, path, form in paths(here):
        answer = nobody.request(method, path, data=form)
        assert (answer.status_code, answer.headers.get("location", "/login")[:6]) in (
            (303, "/login"),
            (401, "/login"),
        )
        answer = nobody.request(method, path, data=form, headers={"Authorization": f"Bearer {secret}"})
        assert answer.status_code == 403, (method, path)


def test_a_forged_form_changes_nothing(browser, calls, service):
    officer = browser("paul", privileges=Privilege)
    here, before = officer.find(), actions(service)
    for method, path, form in paths(here):
        if method == "POST":
            assert officer.post(path, csrf=False, **form).status_code == 403, path
    assert actions(service) == before


def test_what_was_typed_is_nowhere(browser, calls, service, caplog):
    caplog.set_level(logging.DEBUG)
    officer = browser()
    answer = officer.post("/privacy/find", **TYPED)
    page = officer.follow(answer)
    assert "c-1" in page.text
    assert "c-2" in page.text
    said = [*map(str, answer.headers.items()), answer.text, page.text, *map(str, page.headers.items())]
    wrong = officer.post("/privacy/find", **{**TYPED, "email": "maud.ferring-at-example"})
    told = officer.follow(wrong)
    assert "E-mail addresses: is no e-mail address" in told.text
    said += [
        str(wrong.headers),
        wrong.text,
        told.text,
        json.dumps(actions(service)),
        *(record.getMessage() for record in caplog.records),
    ]
    # The page has the example of a number that nobody has; nothing else of one.
    assert not is_known_to("\n".join(said).replace("+44 20 7946 0018</p>", ""))
    assert actions(service)[-1] == (
        "user:petra", "subject.searched", {"phone": 1, "email": 1, "linked": 0, "calls": 3},
    )  # fmt: skip
    for sighting in service.books.subjects.beside(["c-1"]):
        assert sighting.identity.digest not in "\n".join(said)


def test_a_search_is_of_one_session_and_for_an_hour(browser, calls, service):
    officer, other = browser(), browser("paula")
    here = officer.find()
    assert officer.get(here).status_code == 200
    for path in (here, f"{here}/erasure", f"{here}/restriction"):
        assert other.get(path).status_code == 404
        assert browser().get(path).status_code == 404  # the same officer, signed in anew
    changed = here[:-3] + ("AAA" if here[-3:] != "AAA" else "BBB")
    assert officer.get(changed).status_code == 404
    service.clock.advance(LASTS + timedelta(seconds=2))
    officer = browser()
    assert officer.get(here).status_code == 404
    again = officer.find()
    assert officer.get(again).status_code == 200


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"phone": "", "email": ""}, "Type at least one"),
        ({"region": "XX"}, "Country: is none"),
        ({"calls": "../etc"}, "Call ids: one is none"),
        ({"calls": "c-77"}, "no such call"),
        ({"phone": "\n".join(f"+4420794{i:05}" for i in range(60))}, "too much"),
    ],
)
def test_a_wrong_search_is_told_in_words(browser, calls, typed, words):
    officer = browser()
    answer = officer.post("/privacy/find", **{**TYPED, **typed})
    assert words in officer.follow(answer).text
    assert 'role="alert"' not in browser().get(answer.headers["location"]).text  # nobody else is told so


def test_who_may_be_the_same_person_counts_only_when_ticked(browser, calls, service):
    officer = browser()
    here = officer.find(phone="", email="maud.ferring@example.org")
    plant(service, "c-4", email="other@example.org")
    page = officer.get(here)
    assert "c-4" not in page.text
    short_id = hidden(page, "also")
    assert officer.follow(officer.post(f"{here}/linked")).text.count("c-4") == 0
    answer = officer.post(f"{here}/linked", also=short_id)
    page = officer.follow(answer)
    assert "c-4" in page.text
    assert "This person: 4 calls" in page.text
    assert ("user:petra", "subject.linked", {"linked": 1}) in actions(service)
    assert officer.post(f"{here}/linked", also="0123456789").status_code == 409


def test_what_is_held_says_until_when_why_and_who_has_copies(browser, calls, service):
    office = office_of(service)
    holds.place(
        HoldScope.CALL, named(["c-3"], office), office, reason="x", authority="The court", actor="test"
    )
    page = browser()
    page = page.get(page.find())
    assert "Legal hold" in page.text
    assert "The court" in page.text
    assert "crm" in page.text
    assert "until <time" in page.text


def test_an_erasure_is_confirmed_by_a_word_and_proven(browser, calls, service, desks):
    officer = browser()
    here = officer.find()
    page = officer.get(f"{here}/erasure")
    assert "All of it" in page.text
    assert "crm" in page.text
    assert actions(service)[-1][1:] == ("erasure.previewed", {"calls": 3})
    for word in ("", "erased", "yes"):
        answer, _ = confirm_erasure(officer, here, word=word)
        assert answer.status_code == 422
        assert "Nothing was erased" in answer.text
    answer, form = confirm_erasure(officer, here, word=" erase ", received="2026-11-01")
    assert answer.status_code == 303
    assert officer.post(f"{here}/erasure", **form).headers["location"] == answer.headers["location"]
    desks[-1].wait()
    request_id = answer.headers["location"].rpartition("/")[2]
    found = service.books.requests.get(request_id)
    assert (found.state, found.n_calls, found.identities) == (RequestState.DONE, 3, ())
    assert f"{found.received_at:%Y-%m-%d}" == "2026-11-01"
    assert [service.ledger.get(each).state for each in ("c-1", "c-2", "c-3")] == [CallState.ERASED] * 3
    assert len(service.books.requests.requests(kind=RequestKind.ERASURE)) == 1
    page = officer.get(answer.headers["location"])
    assert "3 calls" in page.text
    proof = officer.get(f"/privacy/requests/{request_id}/proof")
    assert proof.json()["request_id"] == request_id
    assert proof.headers["content-disposition"] == f'attachment; filename="erasure-{request_id}.json"'
    checked = officer.post(f"/privacy/requests/{request_id}/check")
    assert "The certificate holds" in checked.text
    assert actions(service)[-1] == (
        "user:petra", "erasure.checked", {"request_id": request_id, "faults": 0},
    )  # fmt: skip
    assert not is_known_to(page.text + checked.text + json.dumps(actions(service)))


def test_a_proof_that_was_changed_is_told(browser, calls, service, desks):
    officer = browser()
    answer, _ = confirm_erasure(officer, officer.find())
    desks[-1].wait()
    request_id = answer.headers["location"].rpartition("/")[2]
    path = service.site.data / "erasures" / f"{request_id}.json"
    path.write_bytes(path.read_bytes().replace(b'"erased"', b'"erasod"', 1))
    checked = officer.post(f"/privacy/requests/{request_id}/check")
    assert "Something is wrong" in checked.text
    assert "changed since it was signed" in checked.text


def test_nobody_confirms_what_they_have_not_seen(browser, calls, service):
    officer = browser()
    here = officer.find()
    page = officer.get(f"{here}/erasure/confirm")
    form = {"once": hidden(page, "once"), "seen": hidden(page, "seen"), "word": "ERASE"}
    plant(service, "c-5")
    answer = officer.post(f"{here}/erasure", **form)
    assert answer.headers["location"] == f"{here}/erasure?changed=1"
    assert "Something has changed" in officer.follow(answer).text
    assert service.ledger.get("c-1").state is CallState.PUBLISHED
    assert not service.books.requests.requests(kind=RequestKind.ERASURE)


def test_what_a_hold_keeps_is_told_before_and_after(browser, calls, service, desks):
    office = office_of(service)
    holds.place(
        HoldScope.CALL, named(["c-3"], office), office, reason="x", authority="The court", actor="test"
    )
    officer = browser()
    here = officer.find()
    ahead = officer.get(f"{here}/erasure")
    assert "Nothing now" in ahead.text
    assert "The court" in ahead.text
    answer, _ = confirm_erasure(officer, here)
    desks[-1].wait()
    page = officer.follow(answer)
    assert "Partly done" in page.text
    assert "Looked at again when the hold ends" in page.text
    assert service.ledger.get("c-3").state is CallState.PUBLISHED
    assert officer.post(f"{here}/lift", once="b" * 16, reason="x", told="true").status_code == 409


def test_calls_are_locked_away_and_freed_with_a_reason(browser, calls, service):
    officer = browser()
    here = officer.find()
    page = officer.get(f"{here}/restriction")
    form = {"once": hidden(page, "once"), "reason": "Accuracy is contested."}
    assert officer.post(f"{here}/restriction", **{**form, "reason": " "}).status_code == 422
    assert officer.post(f"{here}/restriction", **{**form, "reason": "a\nb"}).status_code == 422
    first = officer.post(f"{here}/restriction", **form)
    assert first.headers["location"] == officer.post(f"{here}/restriction", **form).headers["location"]
    assert "Restriction" in officer.follow(first).text
    requests = service.books.requests
    assert {requests.restriction(each) for each in ("c-1", "c-2", "c-3")} == {"Accuracy is contested."}
    assert "Locked away" in officer.get(here).text
    form = {"once": "c" * 16, "reason": "It was right."}
    assert officer.post(f"{here}/lift", **form).status_code == 422  # the person was not told
    assert "Restriction lifted" in officer.follow(officer.post(f"{here}/lift", told="true", **form)).text
    assert requests.restriction("c-1") is None


def test_an_export_is_fetched_once_by_who_asked(browser, calls, service, desks, tmp_path):
    officer = browser("paul", privileges={Privilege.EXPORT})
    here = officer.find()
    assert "Export a copy" in officer.get(here).text
    assert "Make the archive" in officer.get(f"{here}/export").text
    answer = officer.post(f"{here}/export", portable="false")
    job = answer.headers["location"]
    assert officer.follow(answer).status_code == 200
    desks[-1].wait()
    page = officer.get(job)
    assert "It is ready" in page.text
    assert "An export is ready" in officer.get("/privacy").text
    assert "An export" not in browser("paul").get("/privacy").text
    others = [browser("paul"), browser("pat", WebRole.ADMIN, privileges=Privilege)]
    for other in others:
        for method, path in (("GET", job), ("POST", f"{job}/file"), ("POST", f"{job}/delete")):
            assert ask(other, method, path, {}).status_code == 404, path
    fetched = officer.post(f"{job}/file")
    with zipfile.ZipFile(io.BytesIO(fetched.content)) as archive:
        assert {"index.html", "data.json"} <= set(archive.namelist())
    assert fetched.headers["cache-control"] == "no-store"
    assert list((tmp_path / "exports").iterdir()) == []
    assert officer.post(f"{job}/file").status_code == 404
    assert officer.get(job).status_code == 404
    done = [what for _, what, _ in actions(service)]
    assert done.count("subject.exported") == done.count("export.fetched") == 1
    assert {each.state for each in service.books.requests.requests(kind=RequestKind.ACCESS)} == {
        RequestState.OPEN,
        RequestState.DONE,
    }


@pytest.mark.parametrize("roles", [{WebRole.PRIVACY}, {WebRole.ADMIN}])
def test_an_export_needs_its_privilege(browser, calls, roles):
    officer = browser("pit", *roles)
    here = officer.find()
    assert "Export a copy" not in officer.get(here).text
    for method, path, form in paths(here):
        if "export" in path:
            assert ask(officer, method, path, form).status_code == 403, path


def test_an_export_that_fails_or_is_given_up_leaves_no_file(browser, calls, service, desks, tmp_path):
    officer = browser("paul", privileges={Privilege.EXPORT})
    here = officer.find(phone="+44 20 7946 0999", email="")
    job = officer.post(f"{here}/export", portable="false").headers["location"]
    desks[-1].wait()
    assert "no call of this person" in officer.get(job).text
    assert officer.post(f"{job}/file").status_code == 404
    assert officer.post(f"{job}/delete").status_code == 303
    assert list((tmp_path / "exports").iterdir()) == []
    assert officer.get("/privacy/exports/..%2f..%2fkeys").status_code in (404, 422)


def test_calls_without_an_identifier_are_worked_on_by_their_ids(browser, calls, service, desks):
    officer = browser("paul", privileges={Privilege.EXPORT})
    here = officer.find(phone="", email="", calls="c-1\n c-3 ")
    assert "These calls: 2 calls" in officer.get(here).text
    assert officer.get(f"{here}/export").status_code == 409
    here = officer.post("/privacy/calls/c-1/find").headers["location"]
    confirm_erasure(officer, here)
    desks[-1].wait()
    assert [service.ledger.get(each).state for each in ("c-1", "c-3")] == [
        CallState.ERASED,
        CallState.PUBLISHED,
    ]
    assert officer.get("/privacy/calls/c-1").status_code == 404


def test_the_register_shows_what_is_late_first(browser, calls, service):
    officer = browser()
    now = service.clock.now()
    for letter, days in (("b", -3), ("c", 5)):
        late = Request(
            request_id="req-" + letter * 12, kind=RequestKind.ERASURE, state=RequestState.OPEN, identities=(),
            received_at=now, due_at=now + timedelta(days=days), n_calls=0,
        )  # fmt: skip
        service.books.requests.open(late, [], actor="test", now=now)
    page = officer.get("/privacy/requests")
    order = re.findall(r"/privacy/requests/(req-[0-9a-f]{12})", page.text)
    assert order == ["req-" + letter * 12 for letter in "bca"]
    assert "3 days late" in page.text
    assert "5 days left" in page.text
    assert "1 request is late" in officer.get("/privacy").text
    assert "No request is here" in officer.get("/privacy/requests?show=closed").text
    assert officer.get("/privacy/requests?show=nonsense").status_code == 422


def test_deadlines_are_extended_once_and_requests_closed(browser, calls, service):
    officer = browser()
    here = f"/privacy/requests/{ACCESS}"
    assert "More time" in officer.get(here).text
    assert officer.post(f"{here}/extension", months="3", reason="x").status_code == 422
    assert (
        "Extended: much to look for"
        in officer.follow(officer.post(f"{here}/extension", months="2", reason="much to look for")).text
    )
    assert "More time" not in officer.get(here).text
    assert officer.post(f"{here}/extension", months="1", reason="again").status_code == 409
    page = officer.follow(officer.post(f"{here}/closure", refused="true", reason="asked twice"))
    assert "Refused" in page.text
    assert officer.post(f"{here}/closure", reason="again").status_code == 409
    assert officer.get("/privacy/requests/req-ffffffffffff").status_code == 404
    assert officer.get(f"{here}/proof").status_code == 404


def test_a_notice_is_sent_again_by_hand(browser, calls, service, desks, monkeypatch):
    officer = browser()
    answer, _ = confirm_erasure(officer, officer.find())
    desks[-1].wait()
    notice = service.books.notices.notices()[0]
    assert notice.notice_id in officer.get("/privacy/recipients").text
    service.clock.advance(timedelta(days=8))
    officer = browser()
    assert "no receipt in time" in officer.get("/privacy/recipients").text
    sent = []

    def post(recipient, body, now):
        sent.append(recipient.name)
        return Answer(receipt="forgotten-17")

    monkeypatch.setattr("callveil.pipeline.notices.post_notice", post)
    monkeypatch.setattr("callveil.pipeline.notices.send_now.__kwdefaults__", {"post": post})
    answer = officer.post(f"/privacy/notices/{notice.notice_id}/send", back="true")
    page = officer.follow(answer)
    assert sent == ["crm"]
    assert "forgotten-17" in page.text
    officer.post(f"/privacy/notices/{notice.notice_id}/send")
    assert sent == ["crm"]
    assert "No receipt is owed" in officer.get("/privacy/recipients").text
    assert "forgotten-17" in officer.get("/privacy/recipients?all=true").text


def test_a_breach_has_its_clock_its_texts_and_its_files(browser, calls, service):
    officer = browser()
    given = {"how": "calls", "calls": "c-1\nc-77\n", "known_at": "2026-11-22T10:00:00.000Z", "key": "safe"}
    page = officer.post("/privacy/breach", **given, copies="published")
    assert re.search(r"\d+ hours? of 72 are left", page.text)
    assert "Notification of a personal data breach" in page.text
    again = {name: hidden(page, name) for name in ("how", "known_at", "calls", "key", "copies", "files")}
    answer = officer.post("/privacy/breach", **again)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert set(archive.namelist()) == {"authority.md", "subjects.md", "report.json", "calls.txt"}
        assert archive.read("calls.txt") == b"c-1\n"
    late = officer.post("/privacy/breach", **{**given, "known_at": "2026-11-01T10:00"}, copies="published")
    assert "The 72 hours ended" in late.text
    assert actions(service)[-1][1] == "breach.reported"
    window = {"how": "window", "known_at": "2026-11-22T10:00", "since": "2026-11-01", "until": "2026-12-01"}
    assert "3 calls" in officer.post("/privacy/breach", **window, copies=["published", "landing"]).text
    objects = {"how": "objects", "objects": "calls/2026/11/23/c-1/audio.flac\nelsewhere.txt"}
    page = officer.post("/privacy/breach", **objects, known_at="2026-11-22T10:00", copies="published")
    assert "1 call" in page.text
    assert "Belongs to no call" in page.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"known_at": ""}, "When it became known: fill in"),
        ({"known_at": "2031-01-01T00:00"}, "When it became known: lies in the future"),
        ({"how": "window", "since": "2026-11-02", "until": "2026-11-01"}, "From and to"),
        ({"calls": ""}, "Calls"),
        ({"calls": "no/call"}, "Calls"),
    ],
)
def test_a_wrong_breach_form_is_told_in_words(browser, calls, given, words):
    form = {"how": "calls", "calls": "c-1", "known_at": "2026-11-22T10:00", "copies": "published", **given}
    answer = browser().post("/privacy/breach", **form)
    assert answer.status_code == 422
    assert words in answer.text
    assert "no/call" not in answer.text


def test_the_record_of_processing_is_there_as_text_and_as_json(browser, calls):
    officer = browser()
    page = officer.get("/privacy/record")
    assert "To be filled in" in page.text
    assert "crm" in officer.get("/privacy/record/record.md").text
    assert "activities" in officer.get("/privacy/record/record.json").json()
    assert officer.get("/privacy/record/other").status_code == 404


def test_consent_of_a_call_with_receipts_and_withdrawal(browser, calls, service):
    officer = browser()
    page = officer.get("/privacy/calls/c-1")
    assert "Every answer" in page.text
    receipt = officer.get("/privacy/calls/c-1/receipt?party=1")
    assert receipt.json()["@context"]
    assert "attachments" in officer.get("/privacy/calls/c-1/receipt?party=1&vcon=true").json()
    assert officer.get("/privacy/calls/c-1/receipt?party=9").status_code == 422
    before = service.ledger.get("c-1").consent_version
    form = {"purposes": ["recording", "analytics"], "party": "1"}
    ahead = officer.post("/privacy/calls/c-1/withdrawal", **form)
    assert "What follows" in ahead.text
    assert "deleted with its original" in ahead.text
    assert service.ledger.get("c-1").consent_version == before
    assert officer.post("/privacy/calls/c-1/withdrawal", purposes=[]).status_code == 422
    assert officer.post("/privacy/calls/c-1/withdrawal", **{**form, "party": "9"}).status_code == 422
    assert officer.post("/privacy/calls/c-1/withdrawal", **form, at_s="soon").status_code == 422
    done = officer.post("/privacy/calls/c-1/withdrawal", **form, confirm="true")
    assert "The withdrawal is written down" in done.text
    assert service.ledger.get("c-1").consent_version > before
    assert officer.get("/privacy/calls/c-77").status_code == 404
