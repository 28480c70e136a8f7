"""Retention on the pages: seen, changed as form and text, checked, tried out, put in force, carried out."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html import unescape

import pytest
from argon2 import PasswordHasher
from starlette.testclient import TestClient

from callveil.adapters.passwords import Argon2Passwords
from callveil.adapters.retention_policies import parse_policies
from callveil.stages.retention_tags import call_prefix, policy_tags
from callveil.testing import START, call
from callveil.vocabulary.accounts import User, WebRole
from callveil.vocabulary.ledger import CallState, NewCall, Settlement
from callveil.vocabulary.recording import MaskedDocument, Part, PublishedPart
from callveil.vocabulary.retention import Decision
from callveil.web.pages.app import build_pages

PASSWORD = "geheim-und-lang"
PASSWORDS = Argon2Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
NEW = '# Ours.\n[[policies]]\nname = "short"\nkeep = { audio = "5 days", transcript = "5 days" }\n'
TWO = [{"web": {"two_person": ["retention"]}}]


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


def post(client, path, **data):
    return client.post(path, data={"csrf": csrf_in(client.get("/retention/edit")), **data})


def edit(client, action="check", text=NEW, base=0, **fields):
    return post(client, "/retention/edit", action=action, text=text, base=base, **fields)


def text_in(page):
    return unescape(re.search(r'<textarea id="text".*?>\n(.*?)</textarea>', page.text, re.S)[1])


def wait(ask, until):
    """Ask until it is so; what runs behind a page takes a moment."""
    end = time.monotonic() + 20
    while not until(found := ask()):
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)
    return found


@pytest.fixture
def publish(service):
    def publish(call_id, **more):
        made = replace(call(call_id), **more)
        prefix = call_prefix(made)
        body = MaskedDocument(content=b"{}")
        parts = [PublishedPart(part=part, body=body, media_type="x/y") for part in Part]
        tags = {"callveil-call": call_id, **policy_tags(Decision(parts=()))}
        service.store.publish(prefix, parts, tags=tags, retain_until=None)
        service.ledger.enlist(NewCall(call=made, landing=None, source="process"), actor="test", now=START)
        done = Settlement(state=CallState.PUBLISHED, prefix=prefix, duration_s=1800.0)
        service.ledger.record(call_id, done, actor="test", now=START)
        return prefix

    return publish


def test_ops_change_and_privacy_reads(signed_in):
    assert signed_in("rita", WebRole.REVIEWER).get("/retention").status_code == 403
    reader = signed_in("petra", WebRole.PRIVACY)
    page = reader.get("/retention")
    assert "Must keep for:</span> audio, transcript, original, certificate <strong>5 years" in page.text
    assert "Change the policies" not in page.text
    assert reader.get("/retention/edit").status_code == 403
    assert "Change the policies" in signed_in().get("/retention").text
    lina = signed_in("lina", queues=frozenset({"care"}))
    assert "Change the policies" not in lina.get("/retention").text
    assert lina.get("/retention/edit").status_code == 403


def test_no_folder_of_the_machine_is_shown(signed_in, service):
    page = signed_in().get("/retention")
    assert "retention.toml" in page.text
    assert str(service.config.retention_policies.parent) not in page.text


def test_the_set_in_force_is_exported_byte_for_byte(signed_in, service):
    client = signed_in()
    found = client.get("/retention/policies.toml")
    assert found.content == service.config.retention_policies.read_bytes()
    assert found.headers["content-disposition"] == 'attachment; filename="retention-0.toml"'
    post(client, "/retention/policies", text=NEW, base=0, note="counsel")
    assert client.get("/retention/policies.toml").text == NEW


def test_editing_begins_with_what_is_in_force(signed_in, service):
    client = signed_in()
    assert text_in(client.get("/retention/edit")) == service.config.retention_policies.read_text()
    post(client, "/retention/policies", text=NEW, base=0, note="counsel")
    assert text_in(client.get("/retention/edit")) == NEW
    assert "mifid" in text_in(client.get("/retention/edit?from=file"))
    assert text_in(client.get("/retention/edit?from=1")) == NEW
    assert client.get("/retention/edit?from=7").status_code == 404
    assert client.get("/retention/edit?from=../x").status_code == 422


def test_browsers_line_ends_are_made_ours(signed_in):
    assert text_in(edit(signed_in(), text="\r\n" + NEW.replace("\n", "\r\n"))) == NEW


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        (NEW.replace('"5 days" }', '"soon" }'), "keep.transcript", 4),
        ("[[policies]\n", "is not TOML", 1),
        (NEW + NEW, "Two policies have the name", 6),
        (NEW + 'duty = { audio = "5 years" }\n', "its duty is 5 years", 2),
    ],
)
def test_what_is_wrong_is_told_at_its_line(signed_in, text, words, line):
    page = edit(signed_in(), text=text)
    found = re.search(r'<ul class="findings">(.*?)</ul>', page.text, re.S)[1]
    assert words in unescape(found)
    assert f"Line {line}." in found
    assert re.search(r'value="simulate" disabled', page.text)
    assert post(signed_in("olga"), "/retention/confirm", text=text, base=0).status_code == 422


def test_overlaps_are_notes(signed_in):
    other = (
        NEW.replace("short", "long").replace("5 days", "9 days").replace("keep", 'match={tags=["x"]}\nkeep')
    )
    page = edit(signed_in(), text=NEW + other)
    assert "can fit the same call" in unescape(page.text)
    assert "Nothing contradicts anything." in page.text


def test_the_difference_is_told_by_policy_and_as_text(signed_in):
    page = edit(signed_in(), text=NEW)
    rows = re.search(r'<table class="list changes">(.*?)</table>', page.text, re.S)[1]
    assert re.findall(r'scope="rowgroup">([a-z0-9-]+)<br><span class="badge (\w+)">', rows) == [
        ("short", "good"),
        ("mifid", "bad"),
        ("mifid-7", "bad"),
        ("unproven", "bad"),
    ]
    assert '<span class="in">+name = &#34;short&#34;</span>' in page.text


FORM = {
    "p.name": "claims",
    "p.law": 'As the "board" said',
    "p.queues": "claims\n ärger, laut \n",
    "p.jurisdictions": "GB",
    "p.outcomes": ["published"],
    "p.keep.audio": "18 months",
    "p.duty.certificate": "6 years",
    "p.since": "case_closed",
}


def test_a_policy_is_written_with_the_form(signed_in):
    client = signed_in()
    assert 'id="p.keep.audio"' in edit(client, "edit:new").text
    added = edit(client, "store:", **FORM)
    first, policy = parse_policies(text_in(added), "")
    assert first.name == "short"
    assert (policy.name, policy.law, policy.since) == ("claims", 'As the "board" said', "case_closed")
    assert policy.match.queues == {"claims", "ärger, laut"}
    assert policy.match.outcomes == {"published"}
    assert "# Ours." in text_in(added)
    # It comes back as it was, is changed, and goes.
    form = edit(client, "edit:1", text=text_in(added))
    assert 'value="18 months"' in form.text
    assert "ärger, laut" in form.text
    changed = edit(client, "store:1", text=text_in(added), **{**FORM, "p.keep.audio": "2 years"})
    assert parse_policies(text_in(changed), "")[1].keep["audio"].months == 24
    assert text_in(edit(client, "remove:1", text=text_in(changed))).strip() == NEW.strip()
    assert 'value="mifid"' in client.get("/retention/edit?policy=0").text


def test_the_form_tells_what_is_wrong_at_the_field(signed_in):
    wrong = {**FORM, "p.name": "two words", "p.keep.audio": "soon", "p.jurisdictions": "England"}
    page = edit(signed_in(), "store:", **wrong)
    assert page.status_code == 422
    for name in ("name", "keep.audio", "jurisdictions"):
        assert f'id="wrong-{name}"' in page.text
        assert f'aria-describedby="wrong-{name}"' in page.text
    assert 'value="soon"' in page.text
    assert text_in(page) == NEW
    nothing = edit(signed_in("olga"), "store:", **{"p.name": "claims"})
    assert "keep, duty or maximum must name a part" in nothing.text


def tried(client, text=NEW, base=0):
    begun = edit(client, "simulate", text=text, base=base)
    assert begun.status_code == 303
    where = begun.headers["location"]
    return where, wait(lambda: client.get(where), lambda page: "calls counted" not in page.text)


def test_policies_are_tried_out_with_a_chart_of_before_and_after(signed_in, publish, service):
    for number in range(3):
        publish(f"c-{number}")
    client = signed_in()
    where, page = tried(client)
    assert "When audio ends" in page.text
    assert 'class="bar before"' in page.text
    kept_shorter = re.search(
        r"Kept shorter by the change</td><td.*?</td><td class=\"num\">(\d+)", page.text, re.S
    )
    assert kept_shorter[1] == "3"
    assert service.books.policy_sets.version() == 0
    assert len(list(service.store.list_calls())) == 3
    # It is nobody else's, and another day is another count.
    assert signed_in("olga").get(where).status_code == 404
    assert client.get("/retention/simulations/AAAAAAAAAAAAAAAA").status_code == 404
    later = post(client, "/retention/simulations", text=NEW, base=0, on="2027-03-01")
    page = wait(lambda: client.get(later.headers["location"]), lambda page: "calls counted" not in page.text)
    assert "on 2027-03-01" in page.text
    due = re.search(r'Audio to be deleted</td><td class="num">(\d+).*?<td class="num">(\d+)', page.text, re.S)
    assert due.groups() == ("0", "3")


def test_what_is_wrong_is_not_tried_out(signed_in):
    assert edit(signed_in(), "simulate", text=NEW.replace("5 days", "soon")).status_code == 422


def test_they_are_put_in_force_after_a_page_that_says_what_happens(signed_in, service):
    client = signed_in()
    confirm = post(client, "/retention/confirm", text=NEW, base=0)
    assert "What it deletes is gone for good" in confirm.text
    assert service.books.policy_sets.version() == 0
    done = post(client, "/retention/policies", text=NEW, base=0, note="counsel asked")
    assert done.headers["location"] == "/retention?said=in_force"
    page = client.get(done.headers["location"])
    assert "They are in force." in page.text
    assert "counsel asked" in page.text
    assert "user:oscar" in page.text
    assert service.books.policy_sets.current().text == NEW
    # The file of the profile says something else now, and that is said.
    assert "goes before it" in page.text
    earlier = client.get("/retention/sets/1")
    assert "in force" in earlier.text
    assert client.get("/retention/sets/2").status_code == 404


def test_a_change_of_what_is_not_in_force_any_more_is_refused(signed_in, service):
    client = signed_in()
    post(client, "/retention/policies", text=NEW, base=0, note="one")
    other = NEW.replace("5 days", "6 days")
    assert post(client, "/retention/policies", text=other, base=0, note="two").status_code == 409
    assert post(client, "/retention/confirm", text=other, base=0).status_code == 409
    assert "have come into force since" in edit(client, text=other, base=0).text
    assert post(client, "/retention/policies", text=other, base=1, note=" ").status_code == 422
    assert service.books.policy_sets.version() == 1


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_a_second_person_agrees(signed_in, service):
    oscar, olga, petra = signed_in(), signed_in("olga"), signed_in("petra", WebRole.PRIVACY)
    assert "Nothing changes until another person" in post(oscar, "/retention/confirm", text=NEW, base=0).text
    post(oscar, "/retention/policies", text=NEW, base=0, note="counsel asked")
    assert service.books.policy_sets.version() == 0
    own, other, reader = (each.get("/retention").text for each in (oscar, olga, petra))
    agree = re.compile(r'action="(/retention/proposals/pro-[0-9a-f]{12}/agree)"')
    assert not agree.search(own)
    assert "Take it back" in own
    assert not agree.search(reader)
    assert "counsel asked" in reader
    path = agree.search(other)[1]
    assert post(oscar, path).status_code == 409
    csrf = csrf_in(petra.get("/retention"))
    assert petra.post(path, data={"csrf": csrf}).status_code == 403
    assert service.books.policy_sets.version() == 0
    assert post(olga, path).headers["location"] == "/retention?said=in_force"
    assert (service.books.policy_sets.current().by, service.books.policy_sets.current().approved_by) == (
        "user:oscar",
        "user:olga",
    )
    assert "user:olga agreed" in oscar.get("/retention").text


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_a_proposal_is_rejected_with_a_reason(signed_in, service):
    client = signed_in()
    post(client, "/retention/policies", text=NEW, base=0, note="counsel asked")
    path = re.search(r'action="(/retention/proposals/[^"]+/reject)"', client.get("/retention").text)[1]
    assert post(client, path, reason="not yet").headers["location"] == "/retention?said=rejected"
    assert "Waits for a second person" not in client.get("/retention").text
    assert post(client, path, reason="again").status_code == 409


def test_published_calls_are_brought_to_them_behind_the_page(signed_in, publish, service):
    prefixes = [publish(f"c-{number}") for number in range(3)]
    client = signed_in()
    post(client, "/retention/policies", text=NEW, base=0, note="counsel")
    assert "deletes nothing" in client.get("/retention").text
    begun = post(client, "/retention/apply")
    assert begun.headers["location"] == "/retention#published"
    done = wait(lambda: client.get("/retention/run"), lambda page: "All published calls follow" in page.text)
    assert "3 looked at, 3 changed" in done.text
    assert "hx-trigger" not in done.text
    tags = [service.store.tags(f"{prefix}certificate.json")["callveil-retention"] for prefix in prefixes]
    assert tags == ["short"] * 3
    post(client, "/retention/policies", text=NEW.replace("5", "6"), base=1, note="counsel")
    assert "follow earlier policies (set 1)" in client.get("/retention").text


def test_what_they_do_is_counted_behind_the_page(signed_in, publish):
    publish("c-1")
    client = signed_in("petra", WebRole.PRIVACY)
    page = wait(lambda: client.get("/retention/outlook"), lambda page: "calls counted" not in page.text)
    assert '<tr><td>standard</td><td class="num">1 (0.5 h)</td></tr>' in page.text
    assert 'role="img"' in page.text


@pytest.mark.parametrize("path", ["/retention/edit", "/retention/policies", "/retention/apply"])
def test_nothing_is_changed_without_the_token_or_the_role(signed_in, service, path):
    form = {"text": NEW, "base": 0, "note": "n", "action": "check"}
    assert signed_in().post(path, data=form).status_code == 403
    reader = signed_in("petra", WebRole.PRIVACY)
    csrf = csrf_in(reader.get("/retention"))
    assert reader.post(path, data={**form, "csrf": csrf}).status_code == 403
    assert (service.books.policy_sets.version(), service.books.policy_sets.last_run()) == (0, None)


def test_a_text_that_is_too_long_is_refused(signed_in):
    assert edit(signed_in(), text="#" * 200_001).status_code == 422
    assert edit(signed_in("olga"), text=NEW, base="x").status_code == 422
