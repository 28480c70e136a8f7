import json
import os
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from types import SimpleNamespace

import jsonschema
import pytest

from callveil.errors import NotFoundError, RefusedError
from callveil.pipeline.breach import by_calls, by_objects, by_window, report_breach, write_breach
from callveil.rights.breach import Copies, KeyState
from callveil.testing import START
from callveil.testing import call as make_call
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.rights import IdentifierKind, Identity, Sighting

SCHEMA = json.loads((files("callveil") / "schemas/breach.schema.json").read_bytes())
PUBLISHED = frozenset({Copies.PUBLISHED})
TOKEN = "0123456789abcdef" * 2


def seen(call_id, digest, party=1):
    identity = Identity(kind=IdentifierKind.PHONE, digest=digest * 32, generation=1, party=party)
    return Sighting(call_id=call_id, identity=identity, role="customer")


def report(office, selection, *, key=KeyState.UNKNOWN, hours=10):
    office.clock.advance(timedelta(hours=hours))
    breach = report_breach(office, selection, known_at=START, key=key, actor="cli:ann")
    jsonschema.validate(breach.document, SCHEMA, cls=jsonschema.Draft202012Validator)
    for text in (breach.authority, breach.subjects):
        assert "{{" not in text
        assert "None" not in text
    return breach


def with_originals(office, *call_ids):
    def key(call_id):
        if call_id not in call_ids:
            raise NotFoundError("none")
        return SimpleNamespace(expires_at=START)

    office.originals = SimpleNamespace(store=SimpleNamespace(key=key))


def test_redacted_copies_expose_the_voice_and_not_what_is_masked(office):
    office.add("c-1")
    office.add("c-2")
    office.sightings = [seen("c-1", "aa"), seen("c-2", "aa")]
    breach = report(office, by_calls(office, ["c-1", "c-2"], PUBLISHED))
    (copies,) = breach.document["copies"]
    assert (copies["encrypted"], copies["kinds"]) == (False, {})
    assert copies["silenced"] == {"CREDIT_CARD": 2, "CARD_SECURITY_CODE": 2}
    persons = breach.document["persons"]
    assert (persons["at_least"], persons["at_most"], persons["staff_parties"]) == (1, 1, 2)
    assert "2 telephone calls" in breach.authority
    assert "Card number (2 calls)" in breach.authority
    assert "A voice can identify a person." in breach.authority
    assert "Your voice can be heard" in breach.subjects


def test_originals_expose_what_was_found_but_card_secrets(office):
    office.add("c-1")
    office.add("c-2")
    with_originals(office, "c-1")
    breach = report(office, by_calls(office, ["c-1", "c-2"], frozenset({Copies.ORIGINALS})))
    (copies,) = breach.document["copies"]
    assert (copies["calls"], copies["encrypted"]) == (1, True)
    assert copies["kinds"] == {"CREDIT_CARD": 1}
    assert copies["silenced"] == {"CARD_SECURITY_CODE": 1}
    assert breach.document["not_there"] == 1
    assert "whether the key that opens them (the landing key) was exposed too" in breach.authority


def test_what_was_never_searched_may_hold_anything(office):
    office.add("c-1", state=CallState.KEPT, landing=TOKEN)
    breach = report(office, by_calls(office, ["c-1"], frozenset({Copies.LANDING})))
    assert breach.document["copies"][0]["never_searched"] == 1
    assert "1 call has not been searched for personal data yet" in breach.authority


@pytest.mark.parametrize(
    ("key", "readable", "words"),
    [
        (KeyState.SAFE, False, "persons need not be told then (Art. 34(3)(a))"),
        (KeyState.EXPOSED, True, "please act as if somebody had heard them"),
        (KeyState.UNKNOWN, True, "[FILL IN: whether the encrypted recordings can be opened"),
    ],
)
def test_the_key_decides_whether_encrypted_copies_can_be_read(office, key, readable, words):
    office.add("c-1", landing=TOKEN)
    breach = report(office, by_calls(office, ["c-1"], frozenset({Copies.LANDING})), key=key)
    assert breach.document["readable"] is readable
    assert words in breach.subjects


def test_a_window_has_the_calls_that_began_in_it(office):
    for i in range(4):
        office.add(f"c-{i}", call=replace(make_call(f"c-{i}"), started_at=START + timedelta(days=i)))
    office.add("c-9", state=CallState.ERASED)
    selection = by_window(office, START + timedelta(days=1), START + timedelta(days=3), PUBLISHED)
    breach = report(office, selection)
    assert breach.call_ids == ("c-1", "c-2")
    assert breach.document["not_there"] == 0
    assert "made from 24 November 2026 to 25 November 2026" in breach.authority


def test_objects_tell_call_and_copy(office):
    office.add("c-1")
    office.add("c-2", state=CallState.HELD, landing=TOKEN)
    office.add("c-3")
    keys = [
        "s3://bucket/pre/calls/2026/11/23/c-1/audio.flac",
        "calls/2026/11/23/c-1/vcon.json",
        f"/var/landing/{TOKEN[:2]}/{TOKEN}.audio",
        "/sealed/originals/c-3/0123456789abcdef.sealed",
        "calls/2026/11/23/c-99/audio.flac",
        "logs/today.txt",
        "f" * 32,
    ]
    breach = report(office, by_objects(office, keys))
    assert breach.call_ids == ("c-1", "c-2", "c-3")
    assert {c["copies"]: c["calls"] for c in breach.document["copies"]} == {
        "published": 1, "originals": 1, "landing": 1,
    }  # fmt: skip
    assert (breach.document["not_there"], breach.document["unmatched_objects"]) == (1, 2)


def test_late_is_said_and_asks_for_reasons(office):
    office.add("c-1")
    assert "Reasons for the delay" not in report(office, by_calls(office, ["c-1"], PUBLISHED)).authority
    late = report(office, by_calls(office, ["c-1"], PUBLISHED), hours=70)
    assert "Reasons for the delay" in late.authority
    assert late.document["late"] is True


def test_nobody_is_made_up(office):
    breach = report(office, by_calls(office, ["c-1"], PUBLISHED))
    assert breach.document["persons"]["at_most"] == 0
    assert breach.document["first_call_at"] is None
    assert "no copy of a call is concerned" in breach.authority


def test_the_controller_stands_where_it_is_known(office):
    office.add("c-1")
    assert (
        "[FILL IN: name of the controller]" in report(office, by_calls(office, ["c-1"], PUBLISHED)).authority
    )
    office.config.profile.controller.name = "Acme"
    office.config.profile.controller.officer = "dpo@acme.example"
    breach = report(office, by_calls(office, ["c-1"], PUBLISHED))
    assert "[FILL IN: name of the controller]" not in breach.authority
    assert "dpo@acme.example" in breach.authority
    assert "dpo@acme.example" in breach.subjects


def test_it_is_audited_in_numbers(office):
    office.add("c-1")
    report(office, by_calls(office, ["c-1"], PUBLISHED))
    (note,) = office.ledger.notes
    assert (note["action"], note["call_id"]) == ("breach.reported", None)
    assert note["detail"] == {
        "found_by": "calls", "calls": 1, "persons_at_least": 1, "persons_at_most": 1, "copies": "published",
        "key": "unknown",
    }  # fmt: skip


def test_the_folder_is_whole_private_and_new(office, tmp_path):
    office.add("c-1")
    breach = report(office, by_calls(office, ["c-1"], PUBLISHED))
    out = tmp_path / "breach"
    (tmp_path / ".breach.part").mkdir()
    write_breach(breach, out)
    assert sorted(p.name for p in out.iterdir()) == [
        "authority.md",
        "calls.txt",
        "report.json",
        "subjects.md",
    ]
    assert json.loads((out / "report.json").read_bytes()) == breach.document
    assert (out / "calls.txt").read_text() == "c-1\n"
    assert os.stat(out).st_mode & 0o777 == 0o700
    assert {os.stat(p).st_mode & 0o777 for p in out.iterdir()} == {0o600}
    assert not (tmp_path / ".breach.part").exists()
    with pytest.raises(RefusedError):
        write_breach(breach, out)
