"""With real models: a word that was kept is marked, masked, and not heard any more by who heard it before."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from callveil.adapters.audio_file import open_recording
from callveil.adapters.signing_keys import KeyFolder
from callveil.config import load_config, load_site
from callveil.kit import SystemClock, build_enlisting, build_kit, build_office, trusted_by
from callveil.pipeline.batch import Job, process
from callveil.pipeline.carry_out import carry_out
from callveil.pipeline.listeners import hear_channels
from callveil.pipeline.reviews import published_version, report_missed
from callveil.pipeline.verify_published import known, verify_stored
from callveil.vocabulary.consent import Flag
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.recording import Part, State
from callveil.vocabulary.reviews import ReviewState, Stretch

CALL = Path(__file__).parents[2] / "deploy" / "demo" / "calls" / "card-payment.flac"

pytestmark = [pytest.mark.models, pytest.mark.slow]


def bare(text: str) -> str:
    return text.strip(".,?!").lower()


def test_who_heard_the_word_does_not_hear_it_any_more(tmp_path, monkeypatch):
    monkeypatch.setenv("CALLVEIL_KEYS_DIR", str(tmp_path / "keys"))
    KeyFolder(tmp_path / "keys", SystemClock()).create()
    config, site = load_config("default"), load_site(tmp_path)
    kit = build_kit(config, site.store, site.landing_key)
    enlisting = build_enlisting(config, site, "test")
    job = Job(audio=CALL, metadata=None, flag=Flag.GRANTED)
    outcome = process(job, kit, enlisting=enlisting)
    assert outcome.state is State.PUBLISHED
    office, call_id, prefix = build_office(config, site), outcome.call_id, outcome.prefix

    def heard():
        copy = tmp_path / "copy.flac"
        copy.write_bytes(office.store.get(prefix + Part.AUDIO))
        return hear_channels(open_recording(copy, kit.audio_limits), kit.listener)

    def samples():
        content = office.store.get(prefix + Part.AUDIO)
        return soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)

    def kept():
        turns = json.loads(office.store.get(prefix + Part.TRANSCRIPT))["turns"]
        return [(turn["channel"], word) for turn in turns for word in turn["words"] if "entity" not in word]

    before, words = heard(), kept()
    counts = {bare(word["text"]): 0 for _, word in words}
    for _, word in words:
        counts[bare(word["text"])] += 1
    channel, word = next(
        (channel, word)
        for channel, word in words[len(words) // 3 :]
        if len(bare(word["text"])) > 5
        and counts[bare(word["text"])] == 1
        and any(
            w.channel == channel
            and bare(w.text) == bare(word["text"])
            and abs(w.start_s - word["start_s"]) < 0.5
            for w in before
        )
    )
    (old, rate_hz), version = samples(), published_version(call_id, office)
    stretch = Stretch(
        channel=channel, start_s=word["start_s"], end_s=word["end_s"], entity=Entity.REFERENCE_NUMBER
    )
    given = report_missed(office, call_id, [stretch], by="user:rita", certificate_sha256=version)
    carry_out(call_id, office, lambda: kit, "w")
    review = office.books.reviews.get(given.review_id)
    assert (review.state, review.result_sha256) == (
        ReviewState.DONE,
        published_version(call_id, office),
    )
    near = [w for w in heard() if w.channel == channel and abs(w.start_s - word["start_s"]) < 2.0]
    assert bare(word["text"]) not in {bare(w.text) for w in near}
    assert bare(word["text"]) not in {bare(w["text"]) for _, w in kept()}
    certificate = json.loads(office.store.get(prefix + Part.CERTIFICATE))
    new, _ = samples()
    unchanged = np.ones(old.shape, bool)
    for span in certificate["masked_spans"]:
        start, end = int((span["start_s"] - 0.01) * rate_hz), int((span["end_s"] + 0.01) * rate_hz) + 1
        unchanged[max(0, start) : end, span["channel"]] = False
    assert np.array_equal(old[unchanged], new[unchanged])
    assert verify_stored(office.store, prefix, known(trusted_by(office))).result == "intact"
