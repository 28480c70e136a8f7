import json
import os
import zipfile
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from importlib.resources import files

import jsonschema
import pytest

from callveil.errors import NotFoundError, RefusedError, StoreError
from callveil.pipeline.export import export_subject
from callveil.pipeline.subjects import Subject
from callveil.testing import START
from callveil.testing import call as make_call
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Method, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.recording import Part
from callveil.vocabulary.retention import Hold, HoldScope
from callveil.vocabulary.rights import (
    IdentifierKind,
    Identity,
    Recipient,
    RequestKind,
    RequestState,
    Sighting,
)

SCHEMA = json.loads((files("callveil") / "schemas/export.schema.json").read_bytes())
WHO = Identity(kind=IdentifierKind.PHONE, digest="ab" * 32, generation=1, party=-1)
VOID = {"meta", "br", "!doctype"}


class Page(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes, self.words = [], [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.extend((tag, name, value) for name, value in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def export(office, tmp_path, *call_ids, parties=(1,), portable=False, name="mine.zip"):
    sightings = tuple(
        Sighting(call_id=call_id, identity=replace(WHO, party=party), role="customer")
        for call_id in call_ids
        for party in parties
    )
    person = Subject(identities=(WHO,), sightings=sightings, linked=())
    out = tmp_path / name
    exported = export_subject(office, person, out, portable=portable, actor="cli:ann")
    with zipfile.ZipFile(out) as archive:
        assert archive.testzip() is None
        contents = {entry: archive.read(entry) for entry in archive.namelist()}
    data = json.loads(contents["data.json"])
    jsonschema.validate(data, SCHEMA, cls=jsonschema.Draft202012Validator)
    return exported, contents, data, Page(contents["index.html"].decode())


def test_the_archive_holds_everything_of_a_call(office, tmp_path):
    office.add("c-1")
    exported, contents, data, page = export(office, tmp_path, "c-1")
    assert list(contents) == [f"calls/0001/{part.value}" for part in Part] + ["index.html", "data.json"]
    for part in Part:
        assert contents[f"calls/0001/{part.value}"] == office.store.get(f"calls/2026/11/23/c-1/{part.value}")
    (entry,) = data["calls"]
    assert entry["files"] == [f"calls/0001/{part.value}" for part in Part]
    assert data["vcons"] == ["calls/0001/vcon.json"]
    assert (exported.n_calls, exported.n_recordings) == (1, 1)
    for shown in (
        "23 November 2026, 09:30 UTC", "0:04 long", "line: billing", "you called us",
        "you were: caller or customer", "It's Card number masked thanks.",
        "Card number: 1 place, 1.5 s", "Recording the call : agreed", "consent (GDPR Art. 6(1)(a))",
        "The redacted recording : Kept until 2027-11-23", "standard",
        "engine/model-x wrote down what was said", "The check found no personal details left",
        "No other system is registered", "redacted recording: names, numbers", "(GDPR Art. 22)",
    ):  # fmt: skip
        assert shown in page.text, shown
    assert ("audio", "src", "calls/0001/audio.flac") in page.attributes


def test_the_page_needs_nothing_else(office, tmp_path):
    office.add("c-1")
    _, contents, _, page = export(office, tmp_path, "c-1")
    assert not {"script", "link", "iframe", "img", "object", "form"} & set(page.tags)
    targets = [value for _, name, value in page.attributes if name in {"src", "href"}]
    assert targets
    assert set(targets) <= set(contents)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert b"http" not in contents["index.html"].replace(b"http-equiv", b"")


def test_hostile_metadata_stays_text(office, tmp_path):
    call = replace(make_call("c-1"), queue='</title><script>alert(1)</script>"><img src=x>')
    office.add("c-1", call=call)
    office.recipients = (
        Recipient(name="<b>crm", kind="crm", url="https://crm.example.org", secret="s" * 32),
    )
    office.config.profile.controller.name = "<u>Acme</u>"
    _, _, data, page = export(office, tmp_path, "c-1")
    assert not {"script", "img", "b", "u"} & set(page.tags)
    assert page.tags.count("title") == 1
    assert call.queue in page.text
    assert data["calls"][0]["queue"] == call.queue
    assert "s" * 32 not in page.text


@pytest.mark.parametrize("call_id", ["..", ".", "...", "-", "a" * 128])
def test_no_name_in_the_archive_comes_from_the_call(office, tmp_path, call_id):
    call = replace(make_call(call_id), queue="../../etc/passwd")
    office.add(call_id, state=CallState.KEPT, call=call)
    office.add("c-2")
    _, contents, _, _ = export(office, tmp_path, call_id, "c-2")
    assert all(name in {"index.html", "data.json"} or name.startswith("calls/0") for name in contents)
    assert not any(".." in name.split("/") for name in contents)


def test_foreign_objects_in_the_folder_are_not_copied(office, tmp_path):
    call = office.add("c-1")
    office.store._calls[call.prefix].contents["..%2fevil.html"] = b"x"
    _, contents, _, _ = export(office, tmp_path, "c-1")
    assert not any("evil" in name for name in contents)


def test_the_others_answers_stay_theirs(office, tmp_path):
    answers = (
        ConsentRecord(purpose=Purpose.RECORDING, flag=Flag.GRANTED, party=1, method=Method.KEYPRESS),
        ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.DENIED, party=0),
    )
    office.add("c-1", call=make_call("c-1", consent=answers))
    _, _, data, page = export(office, tmp_path, "c-1")
    (standing,) = data["calls"][0]["consent"]["standing"]
    assert standing["purpose"] == "recording"
    assert "by pressing a key" in page.text
    assert "Statistics" not in page.text


def test_what_the_person_has_denied_is_not_among_the_purposes(office, tmp_path):
    answers = (
        *(
            ConsentRecord(purpose=purpose, flag=Flag.GRANTED)
            for purpose in (Purpose.RECORDING, Purpose.ANALYTICS)
        ),
        ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.DENIED, party=1),
    )
    office.add("c-1", call=make_call("c-1", consent=answers))
    _, _, data, page = export(office, tmp_path, "c-1")
    assert [each["answer"] for each in data["calls"][0]["consent"]["standing"]] == [
        "granted",
        "granted",
        "denied",
    ]
    assert "For: recording the call. On the basis of: consent" in page.text


def test_the_history_names_no_employee(office, tmp_path):
    call = office.add("c-1")
    withdrawn = ConsentRecord(purpose=Purpose.ANALYTICS, flag=Flag.WITHDRAWN)
    office.ledger.history["c-1"].append((START + timedelta(days=2), "cli:secretary", withdrawn))
    assert call.call.consent
    _, contents, data, page = export(office, tmp_path, "c-1")
    assert [h["source"] for h in data["calls"][0]["consent"]["history"]] == ["call", "call", "staff"]
    assert "withdrawn (noted by staff, 25 November 2026)" in page.text
    assert not any(b"secretary" in content for content in contents.values())


def test_restricted_calls_are_in_it_and_say_so(office, tmp_path):
    office.add("c-1")
    office.restricted["c-1"] = "asked for"
    exported, contents, data, page = export(office, tmp_path, "c-1")
    assert exported.n_restricted == 1
    assert data["calls"][0]["restricted"] is True
    assert "calls/0001/audio.flac" in contents
    assert "stored and not used for anything else (restricted, GDPR Art. 18)" in page.text


def test_a_hold_is_told_without_who_placed_it(office, tmp_path):
    office.add("c-1")
    office.holds["c-1"] = [
        Hold(
            hold_id="hold-" + "a" * 12, scope=HoldScope.CALL, reason="fraud", authority="Court of Appeal",
            placed_by="cli:ann", placed_at=START,
        )
    ]  # fmt: skip
    _, contents, _, page = export(office, tmp_path, "c-1")
    assert "kept for a legal claim" in page.text
    assert not any(b"Court of Appeal" in content for content in contents.values())


def test_erased_and_unknown_calls_are_not_in_it(office, tmp_path):
    office.add("c-1")
    office.add("c-2", state=CallState.ERASED)
    exported, _, data, _ = export(office, tmp_path, "c-1", "c-2", "c-3")
    assert [call["call_id"] for call in data["calls"]] == ["c-1"]
    assert exported.n_calls == 1


@pytest.mark.parametrize("state", sorted(set(CallState) - {CallState.ERASED, CallState.PUBLISHED}, key=str))
def test_calls_without_a_recording_are_told(office, tmp_path, state):
    office.add("c-1", state=state, landing="ab" * 16)
    _, contents, data, page = export(office, tmp_path, "c-1")
    assert list(contents) == ["index.html", "data.json"]
    assert data["calls"][0]["note"] in page.text
    assert "audio" not in page.tags


def test_parts_that_are_deleted_already_are_left_out(office, tmp_path):
    office.add("c-1", parts=(Part.TRANSCRIPT,))
    exported, contents, data, page = export(office, tmp_path, "c-1")
    assert exported.n_recordings == 0
    assert [part["part"] for part in data["calls"][0]["kept"]] == ["transcript", "certificate"]
    assert "audio" not in page.tags
    assert "calls/0001/audio.flac" not in contents


def test_calls_stand_in_order_of_time(office, tmp_path):
    for i, call_id in enumerate(("c-3", "c-1", "c-2")):
        office.add(call_id, call=replace(make_call(call_id), started_at=START + timedelta(days=i)))
    _, first, data, _ = export(office, tmp_path, "c-1", "c-2", "c-3")
    assert [call["call_id"] for call in data["calls"]] == ["c-3", "c-1", "c-2"]
    again = export(office, tmp_path, "c-3", "c-2", "c-1", name="again.zip")[1]
    assert list(first) == list(again)
    assert {n: c for n, c in first.items() if "/" in n} == {n: c for n, c in again.items() if "/" in n}


def test_the_request_is_in_the_register_and_done(office, tmp_path):
    office.add("c-1")
    exported, _, data, _ = export(office, tmp_path, "c-1")
    request = office.books.requests.all[exported.request_id]
    assert (request.kind, request.state) == (RequestKind.ACCESS, RequestState.DONE)
    assert request.identities == ()
    assert request.due_at == START.replace(month=12)
    assert data["request_id"] == exported.request_id
    (item,) = office.books.requests.items_seen
    assert (item.call_id, item.parties) == ("c-1", (1,))
    (note,) = office.ledger.notes
    assert (note["actor"], note["action"], note["call_id"]) == ("cli:ann", "subject.exported", None)
    assert note["detail"]["calls"] == 1


def test_a_portable_copy_has_what_rests_on_consent_or_contract(office, tmp_path):
    law = ConsentRecord(
        purpose=Purpose.RECORDING, flag=Flag.UNKNOWN, lawful_basis=LawfulBasis.LEGAL_OBLIGATION
    )
    office.add("c-1")
    office.add("c-2", call=make_call("c-2", consent=(law,)))
    exported, _, data, page = export(office, tmp_path, "c-1", "c-2", portable=True)
    assert [call["call_id"] for call in data["calls"]] == ["c-1"]
    assert (data["kind"], data["totals"]["left_out_not_portable"]) == ("portability", 1)
    assert "1 call is not in this copy" in page.text
    assert office.books.requests.all[exported.request_id].kind is RequestKind.PORTABILITY
    with pytest.raises(NotFoundError, match=r"Art\. 20"):
        export(office, tmp_path, "c-2", portable=True, name="none.zip")


def test_a_file_that_is_there_stays(office, tmp_path):
    office.add("c-1")
    (tmp_path / "mine.zip").write_bytes(b"theirs")
    with pytest.raises(RefusedError):
        export(office, tmp_path, "c-1")
    assert (tmp_path / "mine.zip").read_bytes() == b"theirs"
    assert office.ledger.notes == []
    assert office.books.requests.all == {}


def test_only_the_owner_may_read_it(office, tmp_path):
    office.add("c-1")
    export(office, tmp_path, "c-1")
    assert os.stat(tmp_path / "mine.zip").st_mode & 0o777 == 0o600


def test_a_failure_leaves_nothing_and_the_next_export_takes_the_request_up(office, tmp_path, monkeypatch):
    office.add("c-1")
    office.add("c-2")
    get = office.store.get
    monkeypatch.setattr(
        type(office.store),
        "get",
        lambda self, key: (_ for _ in ()).throw(StoreError("down")) if "c-2" in key else get(key),
    )
    with pytest.raises(StoreError):
        export(office, tmp_path, "c-1", "c-2")
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == []
    assert office.ledger.notes == []
    (request,) = office.books.requests.all.values()
    assert request.state is RequestState.RUNNING
    monkeypatch.undo()
    exported = export(office, tmp_path, "c-1", "c-2")[0]
    assert exported.request_id == request.request_id
    assert len(office.books.requests.all) == 1


def test_what_a_killed_export_left_is_written_over(office, tmp_path):
    office.add("c-1")
    (tmp_path / ".mine.zip.part").write_bytes(b"x" * 1_000_000)
    export(office, tmp_path, "c-1")
    assert not (tmp_path / ".mine.zip.part").exists()


def test_nobody_is_found(office, tmp_path):
    with pytest.raises(NotFoundError):
        export(office, tmp_path, "c-9")
    assert office.books.requests.all == {}


def test_recipients_are_those_of_the_queue(office, tmp_path):
    office.add("c-1")
    office.recipients = (
        Recipient(name="crm-1", kind="crm", url="https://a.example", secret="s" * 32),
        Recipient(
            name="dwh",
            kind="warehouse",
            url="https://b.example",
            secret="s" * 32,
            queues=frozenset({"sales"}),
        ),
    )
    _, _, data, page = export(office, tmp_path, "c-1")
    assert data["calls"][0]["recipients"] == [{"name": "crm-1", "kind": "crm"}]
    assert "crm-1 (customer records)" in page.text
