"""What reviewers marked, as findings and as masks of a published call."""

from __future__ import annotations

import numpy as np
import pytest

from callveil.stages.mask_audio import AudioStyle, mask_audio, mask_more
from callveil.stages.mask_text import TextStyle, mask_more_text
from callveil.stages.reviewed import findings_of, is_within, without_vouched
from callveil.stages.verify import mask_holds
from callveil.vocabulary.audio import Audio, MaskedAudio
from callveil.vocabulary.pii import Entity, Finding, MaskSpan
from callveil.vocabulary.reviews import Stretch
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord

RATE_HZ = 8000


def stretch(start_s, end_s, channel=0):
    return Stretch(channel=channel, start_s=start_s, end_s=end_s, entity=Entity.PERSON)


def finding(start_s, end_s, channel=0, detector="test"):
    return Finding(
        entity=Entity.PERSON, channel=channel, start_s=start_s, end_s=end_s, score=0.9, detector=detector
    )


def span(start_s, end_s, channel=0):
    return MaskSpan(
        channel=channel, start_s=start_s, end_s=end_s, entity=Entity.PERSON, detector="test", score=0.9
    )


def test_stretches_become_findings_inside_the_call():
    found = findings_of(
        [stretch(1, 2), stretch(8, 12), stretch(10, 11), stretch(1, 2, channel=1)], channels=1, duration_s=10
    )
    assert [(each.start_s, each.end_s, each.score, each.detector) for each in found] == [
        (1, 2, 1.0, "review"),
        (8, 10, 1.0, "review"),
    ]


@pytest.mark.parametrize(
    ("found", "stays"),
    [
        (finding(1, 2), False),
        (finding(1.2, 1.6), False),
        (finding(0, 2), True),  # half of it
        (finding(0.1, 2), False),
        (finding(1, 2, channel=1), True),
        (finding(1, 2, detector="review"), True),
    ],
)
def test_what_lies_mostly_where_somebody_vouched_is_no_finding(found, stays):
    assert (without_vouched([found], [stretch(1, 2)]) == [found]) is stays


def test_a_stretch_is_within_others_only_from_end_to_end():
    assert is_within(stretch(1, 3), [stretch(2, 4), stretch(0.5, 2)])
    assert not is_within(stretch(1, 3), [stretch(2.1, 4), stretch(0.5, 2)])
    assert not is_within(stretch(1, 3), [stretch(0, 4, channel=1)])
    assert not is_within(stretch(1, 3), [])


@pytest.mark.parametrize("style", AudioStyle)
def test_more_masks_leave_the_rest_bit_for_bit_and_the_earlier_ones_whole(style):
    rng = np.random.default_rng(1)
    raw = Audio(samples=rng.normal(0, 0.1, (RATE_HZ * 4, 2)).astype(np.float32), rate_hz=RATE_HZ)
    earlier, added = [span(1.0, 1.5), span(3.0, 3.2, 1)], [span(1.5, 2.0), span(0.2, 0.4, 1)]
    published = Audio(samples=mask_audio(raw, earlier, style).samples, rate_hz=RATE_HZ)
    more = mask_more(published, added, earlier, style)
    assert isinstance(more, MaskedAudio)
    assert mask_holds(Audio(samples=more.samples, rate_hz=RATE_HZ), [*earlier, *added], style)
    fade = round(0.006 * RATE_HZ)
    for channel in range(2):
        same = np.ones(RATE_HZ * 4, bool)
        for each in added:
            if each.channel == channel:
                same[int(each.start_s * RATE_HZ) - fade : int(each.end_s * RATE_HZ) + fade] = False
        assert np.array_equal(more.samples[same, channel], published.samples[same, channel])
    cut = [
        Audio(samples=published.samples[a:b], rate_hz=RATE_HZ, start_sample=a)
        for a, b in ((0, 9000), (9000, 32000))
    ]
    pieces = [mask_more(piece, added, earlier, style).samples for piece in cut]
    assert np.array_equal(np.concatenate(pieces), more.samples)


def word(text, start_s, entity=None):
    return MaskedWord(text=text, start_s=start_s, end_s=start_s + 1, entity=entity)


def turn(*words):
    return MaskedTurn(speaker="agent", channel=0, start_s=0.0, end_s=9.0, words=words)


def test_more_words_are_masked_and_runs_of_a_kind_are_one():
    said = turn(word("it's", 0), word("Anna", 1), word("[PERSON]", 2, "PERSON"), word("here", 3))
    (masked,) = mask_more_text([said], [finding(1.1, 1.9)], [], TextStyle.ENTITY)
    assert masked.text == "it's [PERSON] here"
    assert [each.entity for each in masked.words] == [None, "PERSON", "PERSON", None]
    (masked,) = mask_more_text([said], [], [span(3.0, 4.0)], TextStyle.PII)
    assert masked.text == "it's Anna [PII]"
    (masked,) = mask_more_text([said], [], [span(3.6, 4.0), span(0, 4, 1)], TextStyle.ENTITY)
    assert masked == said
