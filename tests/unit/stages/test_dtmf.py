import numpy as np
import pytest

from callveil.stages.dtmf import find_dtmf
from callveil.vocabulary.audio import Audio
from callveil.vocabulary.pii import Entity

LOW_HZ, HIGH_HZ = (697, 770, 852, 941), (1209, 1336, 1477, 1633)


def silence(seconds: float, rate_hz: int) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 1e-3, round(seconds * rate_hz))


def key(
    low: int, high: int, seconds: float, rate_hz: int, level: float = 0.1, twist: float = 1.0
) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return level * (np.sin(2 * np.pi * low * time_s) + twist * np.sin(2 * np.pi * high * time_s))


def spans(samples: np.ndarray, rate_hz: int = 8000) -> list[tuple[float, float]]:
    audio = Audio(samples=samples.astype(np.float32)[:, None], rate_hz=rate_hz)
    found = find_dtmf(audio)
    assert {finding.entity for finding in found} <= {Entity.DTMF}
    return [(round(f.start_s, 2), round(f.end_s, 2)) for f in found]


@pytest.mark.parametrize("rate_hz", [8000, 16000])
@pytest.mark.parametrize("low", LOW_HZ)
@pytest.mark.parametrize("high", HIGH_HZ)
def test_every_key_is_found_where_it_sounds(low, high, rate_hz):
    samples = np.concatenate([silence(1, rate_hz), key(low, high, 0.08, rate_hz), silence(1, rate_hz)])
    ((start_s, end_s),) = spans(samples, rate_hz)
    assert start_s <= 1.0
    assert end_s >= 1.07
    assert end_s - start_s < 0.16


def test_a_typed_number_is_one_stretch():
    keys = [np.concatenate([key(770, 1336, 0.1, 8000), silence(0.1, 8000)]) for _ in range(16)]
    ((start_s, end_s),) = spans(np.concatenate([silence(1, 8000), *keys]))
    assert start_s <= 1.0
    assert end_s >= 4.08


@pytest.mark.parametrize(("level", "twist"), [(0.01, 1.0), (0.3, 1.0), (0.1, 0.5), (0.1, 2.0)])
def test_quiet_and_twisted_tones_are_found(level, twist):
    assert spans(
        np.concatenate([silence(1, 8000), key(852, 1477, 0.1, 8000, level, twist), silence(1, 8000)])
    )


@pytest.mark.parametrize(
    "samples",
    [
        silence(3, 8000),
        np.random.default_rng(1).normal(0, 0.1, 24000),
        key(697, 697, 1, 8000),
        key(440, 480, 1, 8000),  # ringback tone of North America
        key(350, 440, 1, 8000),  # dial tone of North America
        key(425, 425, 1, 8000),  # most European tones
        key(697, 1209, 0.02, 8000),
    ],
    ids=["line noise", "noise", "one tone", "ringback", "dial tone", "European tone", "a click"],
)
def test_other_sounds_are_not(samples):
    assert spans(np.concatenate([silence(1, 8000), samples, silence(1, 8000)])) == []


def test_only_the_channel_with_the_tone_and_in_call_time():
    tone = np.concatenate([silence(1, 8000), key(697, 1209, 0.2, 8000)])
    samples = np.stack([silence(1.2, 8000), tone], axis=1).astype(np.float32)
    (finding,) = find_dtmf(Audio(samples=samples, rate_hz=8000, start_sample=80_000))
    assert finding.channel == 1
    assert finding.start_s == pytest.approx(11.0, abs=0.05)


def test_a_stretch_shorter_than_a_frame_has_none():
    assert spans(silence(0.01, 8000)) == []
