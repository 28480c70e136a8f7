import hashlib
import io
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
import soundfile

from callveil.errors import AudioError, StoreError
from callveil.pipeline import report as module
from callveil.pipeline.report import clock, write_report
from callveil.pipeline.report_views import kind_of, kind_totals, masked_seconds
from callveil.stages.documents.certificate import (
    AudioFacts,
    CertificateFacts,
    EngineUsed,
    certificate_json,
    decision_json,
    quarantine_json,
)
from callveil.stages.documents.transcript import transcript_json
from callveil.stages.mask_audio import AudioStyle
from callveil.stages.mask_text import TextStyle
from callveil.stages.plan_masks import MaskPlan
from callveil.testing import CLEAN, START, MemoryStore, throw_away_signer, tone
from callveil.vocabulary.consent import Action, ConsentDecision
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.proof import Verification, VerifyResult, VerifyScope
from callveil.vocabulary.recording import MaskedDocument, MaskedFile, Part, PublishedPart
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

KEEP = ConsentDecision(action=Action.KEEP, rule="all_party", reason="Every party agreed.")
VOID = {"meta", "path", "link", "br", "img", "input"}


class Page(HTMLParser):
    """Reads a page and checks that its tags are balanced."""

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

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def span(start_s, end_s, entity=Entity.CREDIT_CARD, channel=1):
    return MaskSpan(
        channel=channel, start_s=start_s, end_s=end_s, entity=entity, detector="spoken", score=0.9
    )


def masked_turn(*words, speaker="customer", channel=1):
    return MaskedTurn(speaker=speaker, channel=channel, start_s=0.5, end_s=2.0, words=words)


TURNS = (
    masked_turn(
        MaskedWord(text="<b>hello</b>", start_s=0.1, end_s=0.4, entity=None), speaker="agent", channel=0
    ),
    masked_turn(
        MaskedWord(text="it's", start_s=0.5, end_s=0.9, entity=None),
        MaskedWord(text="[CREDIT_CARD]", start_s=1.0, end_s=1.5, entity="CREDIT_CARD"),
        MaskedWord(text="", start_s=1.5, end_s=2.0, entity="CREDIT_CARD"),
    ),
)


def publish(
    store, folder, call_id="c-1", *, spans=(), turns=TURNS, decision=KEEP, duration_s=4.0, audio=None, **more
):
    file = io.BytesIO()
    soundfile.write(file, tone(duration_s, rate_hz=8000, channels=2).samples, 8000, format="FLAC")
    content = file.getvalue() if audio is None else audio
    path = folder / f"{call_id}.flac"
    path.write_bytes(content)
    body = MaskedFile(path=path, sha256=hashlib.sha256(content).hexdigest(), n_bytes=len(content))
    parts = [
        PublishedPart(part=Part.AUDIO, body=body, media_type="audio/flac"),
        PublishedPart(
            part=Part.TRANSCRIPT,
            body=transcript_json(call_id=call_id, language="en", turns=turns),
            media_type="application/json",
        ),
    ]
    facts = CertificateFacts(
        call_id=call_id,
        started_at=START,
        tool_version="0.1.0",
        profile="default",
        input_sha256="ab" * 32,
        outputs=parts,
        audio=AudioFacts(rate_hz=8000, channels=2, n_samples=round(8000 * duration_s)),
        decision=decision,
        engines=(
            EngineUsed(role="transcriber", name="engine/model-x"),
            EngineUsed(role="listener", name="engine/model-y"),
        ),
        masked=spans,
        plan=MaskPlan(),
        audio_style=AudioStyle.SILENCE,
        text_style=TextStyle.ENTITY,
        timings_s={"transcribe": 1.234},
        verification=more.pop("verification", CLEAN),
        **{"created_at": START, **more},
    )
    certificate = PublishedPart(
        part=Part.CERTIFICATE,
        body=certificate_json(facts, throw_away_signer()),
        media_type="application/json",
    )
    tags = {"callveil-call": call_id, "callveil-retention": "standard", "callveil-hold": "no"}
    store.publish(f"calls/2026/11/23/{call_id}/", [*parts, certificate], tags=tags, retain_until=None)


def refuse(store, call_id, action, **changes):
    decision = ConsentDecision(action=action, rule="denied", reason="A party said no.", **changes)
    content = decision_json(call_id=call_id, decision=decision, decided_at=START, input_sha256="ef" * 32)
    store.put_decision(f"decisions/2026/11/23/{call_id}.json", content)


def put_in_quarantine(store, call_id, left=2, decided_at=START):
    verification = Verification(
        result=VerifyResult.LEAK, scope=VerifyScope.ALL, rounds=5, heard_s=60.0, widened=4, left=left
    )
    content = quarantine_json(
        call_id=call_id, verification=verification, decided_at=decided_at, input_sha256="ef" * 32
    )
    store.put_decision(f"decisions/2026/11/23/{call_id}.json", content)


def page_of(store, folder, **options):
    out = folder / "pages" / "report.html"
    write_report(store, out, title=options.pop("title", "Report"), **options)
    assert [p.name for p in out.parent.iterdir()] == ["report.html"]
    return out.read_text(encoding="utf-8")


def test_the_page_tells_what_happened_to_a_call(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path, spans=(span(0.8, 2.2), span(3.0, 3.5, Entity.PERSON, channel=0)))
    page = Page(page_of(store, tmp_path))
    for expected in (
        "Every party agreed.", "Rule: all_party", "engine/model-x", "transcribe", "1.23 s", "standard",
        "Card number masked from 0.8 to 2.2 seconds", "Name masked from 3.0 to 3.5 seconds", "1.9 s masked",
        "0:04", "it's Card number masked",
    ):  # fmt: skip
        assert expected in page.text
    assert ("audio", "aria-label", "Redacted recording of c-1") in page.attributes
    assert page.tags.count("svg") == 2


def test_the_page_is_one_file_without_scripts_and_links_outward(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path, spans=(span(1, 2),))
    refuse(store, "c-9", Action.DISCARD)
    html = page_of(store, tmp_path)
    page = Page(html)
    assert not {"script", "link", "iframe", "img", "object"} & set(page.tags)
    targets = [value for _, name, value in page.attributes if name in {"src", "href", "action", "data"}]
    assert targets
    assert all(value.startswith(("data:audio/flac;base64,", "#")) for value in targets)
    assert not re.search(r"url\(|@import|https?:", html)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]


def test_everything_is_escaped(tmp_path):
    store = MemoryStore()
    publish(
        store,
        tmp_path,
        turns=(
            masked_turn(
                MaskedWord(text="<script>x</script>", start_s=0, end_s=1, entity=None), speaker='"><i>'
            ),
        ),
        decision=replace(KEEP, reason="<img src=x>"),
    )
    record = {
        "call_id": "<u>", "action": "discard", "rule": "<s>", "reason": "<em>", "hold_until": None,
        "decided_at": "2026-11-23T09:30:00.000Z",
    }  # fmt: skip
    page = Page(page_of(store, tmp_path, title="</title><b>", decisions=[record]))
    assert not {"script", "img", "i", "u", "s", "em"} & set(page.tags)
    for shown in ("<script>x</script>", "<img src=x>", "</title><b>", "<u>", "<em>"):
        assert shown in page.text


def test_calls_that_were_not_kept_show_their_decision_only(tmp_path):
    store = MemoryStore()
    refuse(store, "c-8", Action.HOLD, hold_until=START + timedelta(days=3))
    refuse(store, "c-9", Action.DISCARD)
    page = Page(page_of(store, tmp_path))
    assert "No audio and no transcript of them was kept" in page.text
    assert "c-8 held A party said no." in page.text
    assert "Waits until 26 November 2026, 09:30 UTC." in page.text
    assert "No call was kept" in page.text
    assert "audio" not in page.tags


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {},
            "Proven clean after 2 rounds: engine/model-y heard the speech that is left (41.5 s), and no "
            "personal data was found in it; 3 things it had heard were masked too.",
        ),
        (
            {"rounds": 1, "widened": 0, "scope": VerifyScope.NEAR},
            "Proven clean after 1 round: engine/model-y heard the speech near masks and digits (41.5 s), and "
            "no personal data was found in it.",
        ),
        ({"widened": 1}, "found in it; one thing it had heard was masked too."),
    ],
)
def test_a_call_says_who_proved_it(tmp_path, changes, expected):
    store = MemoryStore()
    publish(store, tmp_path, verification=replace(CLEAN, **changes))
    assert expected in Page(page_of(store, tmp_path)).text


def test_a_call_of_before_there_was_a_proof_says_so(tmp_path):
    store, folder = MemoryStore(), "calls/2026/11/23/c-1/"
    publish(store, tmp_path)
    contents = {part: store.get(folder + part) for part in (Part.AUDIO, Part.TRANSCRIPT, Part.CERTIFICATE)}
    certificate = json.loads(contents[Part.CERTIFICATE]) | {"verify": {"result": "not_run", "rounds": 0}}
    contents[Part.CERTIFICATE] = json.dumps(certificate).encode()
    parts = [
        PublishedPart(part=part, body=MaskedDocument(content=content), media_type="text/plain")
        for part, content in contents.items()
    ]
    store.publish(folder, parts, tags={}, retain_until=None, replace=True)
    page = Page(page_of(store, tmp_path))
    assert "Not proven by a second hearing." in page.text
    assert "Proven clean" not in page.text


def test_quarantined_calls_are_listed_apart_with_their_reason(tmp_path):
    store = MemoryStore()
    put_in_quarantine(store, "c-7")
    put_in_quarantine(store, "c-8", left=1)
    refuse(store, "c-9", Action.DISCARD)
    page = Page(page_of(store, tmp_path))
    assert "Calls in quarantine" in page.text
    assert "c-7 quarantined 2 findings could still be heard after round 5. Decided" in page.text
    assert "c-8 quarantined 1 finding could still be heard after round 5. Decided" in page.text
    assert "quarantined 2 held 0 discarded 1" in page.text
    before, after = page.text.split("Calls that were not kept")
    assert "c-9" in after
    assert "c-9" not in before


def test_without_quarantined_calls_nothing_is_said_of_them(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path)
    assert "Calls in quarantine" not in page_of(store, tmp_path)


def test_the_record_of_a_call_that_was_published_since_is_left_out(tmp_path):
    store = MemoryStore()
    put_in_quarantine(store, "c-1")
    publish(store, tmp_path, created_at=START + timedelta(hours=1))
    assert "Calls in quarantine" not in page_of(store, tmp_path)


def test_a_quarantined_redo_stands_beside_the_earlier_recording(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path)
    put_in_quarantine(store, "c-1", decided_at=START + timedelta(hours=1))
    page = Page(page_of(store, tmp_path))
    assert "c-1 quarantined" in page.text
    assert ("article", "id", "call-c-1") in page.attributes


def test_given_decisions_take_the_place_of_those_in_the_store(tmp_path):
    store = MemoryStore()
    refuse(store, "c-8", Action.DISCARD)
    assert "c-8" not in page_of(store, tmp_path, decisions=[])


def test_an_empty_store_gives_a_page(tmp_path):
    assert "No call was kept" in Page(page_of(MemoryStore(), tmp_path)).text


def test_a_call_without_personal_data_says_so(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path, turns=TURNS[:1])
    assert "Nothing was masked in this call." in Page(page_of(store, tmp_path)).text


def test_several_calls_have_an_overview_that_leads_to_them(tmp_path):
    store = MemoryStore()
    for call_id in ("c-1", "c-2"):
        publish(store, tmp_path, call_id)
    page = Page(page_of(store, tmp_path))
    for call_id in ("c-1", "c-2"):
        assert ("a", "href", f"#call-{call_id}") in page.attributes
        assert ("article", "id", f"call-{call_id}") in page.attributes


def test_large_recordings_are_named_and_not_embedded(tmp_path, monkeypatch):
    store = MemoryStore()
    publish(store, tmp_path)
    monkeypatch.setattr("callveil.pipeline.report_views.MAX_EMBEDDED_BYTES", 100)
    page = Page(page_of(store, tmp_path))
    assert "audio" not in page.tags
    assert "calls/2026/11/23/c-1/audio.flac" in page.text


def test_all_recordings_together_have_a_limit(tmp_path, monkeypatch):
    store = MemoryStore()
    for call_id in ("c-1", "c-2"):
        publish(store, tmp_path, call_id)
    monkeypatch.setattr(module, "_MAX_EMBEDDED_BYTES", 1)
    assert Page(page_of(store, tmp_path)).tags.count("audio") == 1


def test_a_call_kept_up_to_a_withdrawal_says_so(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path, decision=replace(KEEP, keep_until_s=63.0))
    assert "up to 1:03" in Page(page_of(store, tmp_path)).text


def test_what_cannot_be_read_stops_the_report_and_keeps_the_earlier_one(tmp_path):
    out = tmp_path / "report.html"
    out.write_text("earlier")
    damaged = MemoryStore()
    publish(damaged, tmp_path, audio=b"no audio")
    with pytest.raises(AudioError):
        write_report(damaged, out, title="Report")
    malformed = MemoryStore()
    body = MaskedDocument(content=b'{"call_id": "c-1"}')
    certificate = PublishedPart(part=Part.CERTIFICATE, body=body, media_type="application/json")
    malformed.publish("calls/2026/11/23/c-1/", [certificate], tags={}, retain_until=None)
    with pytest.raises(StoreError, match="not in its format"):
        write_report(malformed, out, title="Report")
    assert out.read_text() == "earlier"
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("second", "shown"), [(0, "0:00"), (59.9, "0:59"), (65, "1:05"), (3600, "1:00:00"), (3725, "1:02:05")]
)
def test_clock(second, shown):
    assert clock(second) == shown


def test_masked_seconds_count_a_moment_once():
    spans = [{"start_s": a, "end_s": b} for a, b in ((5, 6), (0, 2), (1, 3), (1, 2))]
    assert masked_seconds(spans) == 4
    assert masked_seconds([]) == 0


def test_kinds_are_added_up_longest_first():
    spans = [
        {"entity": "PERSON", "start_s": 0, "end_s": 1},
        {"entity": "IBAN", "start_s": 0, "end_s": 4},
        {"entity": "PERSON", "start_s": 2, "end_s": 3},
    ]
    found = kind_totals(spans)
    assert [(t.kind.label, t.count, t.masked_s, t.share) for t in found] == [
        ("IBAN", 1, 4, 1.0),
        ("Name", 2, 2, 0.5),
    ]


def test_every_kind_has_a_name_and_its_own_look():
    kinds = [kind_of(entity.value) for entity in Entity]
    assert len({kind.label for kind in kinds}) == len(kinds)
    assert len({(kind.family, kind.member) for kind in kinds}) == len(kinds)
    assert kind_of("SOMETHING_NEW").label == "SOMETHING_NEW"


@pytest.mark.parametrize(
    ("doomed", "gone"),
    [
        ([Part.AUDIO], ["recording"]),
        ([Part.TRANSCRIPT], ["transcript"]),
        ([Part.AUDIO, Part.TRANSCRIPT], ["recording", "transcript"]),
    ],
)
def test_what_retention_or_erasure_deleted_is_named(tmp_path, doomed, gone):
    store = MemoryStore()
    publish(store, tmp_path, spans=(span(0.8, 2.2),))
    publish(store, tmp_path, "c-2")
    store.delete_parts("calls/2026/11/23/c-1/", doomed)
    page = Page(page_of(store, tmp_path))
    for what in ("recording", "transcript"):
        said = f"The {what} was deleted: its time to be kept was over, or it was erased."
        assert page.text.count(said) == (what in gone)
    assert "Card number masked from 0.8 to 2.2 seconds" in page.text
    players = [value for tag, name, value in page.attributes if (tag, name) == ("audio", "aria-label")]
    assert len(players) == (1 if "recording" in gone else 2)
    assert f"audio kept {'0:04' if 'recording' in gone else '0:08'}" in page.text


def test_what_was_said_in_a_restricted_call_is_not_shown(tmp_path):
    store = MemoryStore()
    publish(store, tmp_path, spans=(span(0.8, 2.2),))
    open_page = Page(page_of(store, tmp_path))
    said = "This call is restricted (GDPR Art. 18)"
    assert said not in open_page.text
    assert "Redacted transcript" in open_page.text
    assert [name for tag, name, _ in open_page.attributes if tag == "audio"]
    store.set_tags("calls/2026/11/23/c-1/", {"callveil-restricted": "yes"})
    page = Page(page_of(store, tmp_path))
    assert said in page.text
    assert "Redacted transcript" not in page.text
    assert "was deleted" not in page.text
    assert not [name for tag, name, _ in page.attributes if tag == "audio"]


@pytest.mark.parametrize("part", [Part.AUDIO, Part.TRANSCRIPT])
def test_a_part_that_is_missing_for_no_reason_is_an_error(tmp_path, part):
    store = MemoryStore()
    publish(store, tmp_path)
    del store._calls["calls/2026/11/23/c-1/"].contents[part]
    with pytest.raises(StoreError):
        page_of(store, tmp_path)
