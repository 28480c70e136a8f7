import numpy as np
import pytest

from callveil.evaluation.truth import TruthCall, TruthPii, TruthSpan
from callveil.pipeline.listeners import Listening, hear_channels, read_recording, reading_fields
from callveil.stages.mask_audio import AudioStyle
from callveil.testing.builders import noise, words
from callveil.testing.fakes import FakeTranscriber, MemorySource
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.transcript import Transcription

SAID = words("seven three nine", channel=1, start_s=4.0)
VALUE = TruthPii(
    id="p",
    entity=Entity.CARD_SECURITY_CODE,
    span=TruthSpan(channel=1, start_s=4.0, end_s=5.2, text="seven three nine"),
)
TRUTH = TruthCall(call_id="t", duration_s=10, channels=("agent", "customer"), turns=(), pii=(VALUE,))
RECORDING = MemorySource(noise(10.0, rate_hz=8000, channels=2))
MASK = MaskSpan(channel=1, start_s=3.8, end_s=5.5, entity=Entity.NUMBER, detector="t", score=1.0)


class Attentive(FakeTranscriber):
    """Hears its words only where there is sound."""

    def transcribe(self, audio, *, language, channel):
        heard = super().transcribe(audio, language=language, channel=channel)

        def is_loud(word):
            first, last = (round((s - audio.start_s) * audio.rate_hz) for s in (word.start_s, word.end_s))
            return np.abs(audio.samples[first:last]).max() > 0.05

        return Transcription(language="en", words=tuple(word for word in heard.words if is_loud(word)))


def read(masks, *, has_original):
    listening = Listening(listeners=(Attentive(words=SAID),), has_original=has_original)
    return read_recording(TRUTH, RECORDING, masks, listening, style=AudioStyle.SILENCE, mixed=False)


@pytest.mark.parametrize(("masks", "n_read"), [([], 1), ([MASK], 0)])
def test_the_listener_hears_the_masked_file(masks, n_read):
    (fields,) = reading_fields([read(masks, has_original=True)])
    assert fields["listener"] == "fake-transcriber"
    assert (fields["values"], fields["read"], fields["independent_leak_rate"]) == (1, n_read, n_read)
    assert (fields["read_in_original"], fields["ability"]) == (1, 1.0)
    assert fields["by_entity"]["CARD_SECURITY_CODE"]["read"] == n_read


def test_a_recording_of_which_nothing_is_left_gives_nothing_away():
    everything = [
        MaskSpan(channel=c, start_s=0.0, end_s=10.0, entity=Entity.NUMBER, detector="t", score=1.0)
        for c in (0, 1)
    ]
    (fields,) = reading_fields([read(everything, has_original=False)])
    assert fields["read"] == 0


def test_the_original_is_heard_when_asked_for():
    (fields,) = reading_fields([read([MASK], has_original=False)])
    assert "ability" not in fields


def test_calls_add_up_by_listener():
    (fields,) = reading_fields([read([], has_original=False), (), read([MASK], has_original=False)])
    assert (fields["values"], fields["read"], fields["independent_leak_rate"]) == (2, 1, 0.5)
    assert reading_fields([(), ()]) == []


def test_every_channel_is_heard_from_end_to_end():
    recording = MemorySource(noise(250.0, rate_hz=8000, channels=2))
    said = [*words("one", channel=0, start_s=1.0), *words("two", channel=1, start_s=249.0)]
    heard = hear_channels(recording, FakeTranscriber(words=said))
    assert [(word.text, word.channel, word.start_s) for word in heard] == [("one", 0, 1.0), ("two", 1, 249.0)]


def test_fields_hold_no_words():
    assert "seven" not in repr(reading_fields([read([], has_original=True)]))
