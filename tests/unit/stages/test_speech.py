import numpy as np
import pytest

from callveil.stages.speech import find_speech, is_quiet, join_speech, measure_levels
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span

RATE_HZ = 16000


def channel(
    duration_s: float, talk: list[tuple[float, float]], level_db: float, noise_db: float = -70
) -> np.ndarray:
    """Noise bursts that rise and fall like syllables, over line noise."""
    rng = np.random.default_rng(7)
    n = round(duration_s * RATE_HZ)
    time_s = np.arange(n) / RATE_HZ
    talking = np.zeros(n)
    for start_s, end_s in talk:
        talking[(time_s >= start_s) & (time_s < end_s)] = 1
    syllables = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 2 * time_s))
    voice = rng.standard_normal(n) * talking * syllables * 10 ** (level_db / 20)
    return (voice + rng.standard_normal(n) * 10 ** (noise_db / 20)).astype(np.float32)


def find(*channels: np.ndarray) -> list[list[tuple[float, float]]]:
    audio = Audio(samples=np.stack(channels, axis=1), rate_hz=RATE_HZ)
    return [
        [(round(i.start_s, 1), round(i.end_s, 1)) for i in own.islands]
        for own in find_speech(measure_levels(audio))
    ]


@pytest.mark.parametrize(
    ("level_db", "noise_db"), [(-20, -70), (-35, -70), (-20, -45), (-20, -100), (-10, -25)]
)
def test_talk_is_found_at_every_level_and_noise(level_db, noise_db):
    (found,) = find(channel(40, [(5, 10), (20, 24)], level_db, noise_db))
    for start_s, end_s in [(5, 10), (20, 24)]:
        assert any(a <= start_s and b >= end_s for a, b in found)
    assert sum(b - a for a, b in found) < 14


def test_a_short_yes_is_found():
    (found,) = find(channel(40, [(5, 10), (20, 20.3)], -20))
    assert any(a <= 20 and b >= 20.3 for a, b in found)


def test_crosstalk_is_not_own_speech():
    talk = [(5, 10), (20, 30)]
    customer = channel(40, talk, -20)
    agent = channel(40, [(12, 15)], -22) + customer * 10 ** (-32 / 20)
    mine, _ = find(agent, customer)
    assert all(b <= 16 and a >= 11 for a, b in mine)


def test_a_channel_with_nothing_but_crosstalk_is_silent():
    customer = channel(40, [(5, 10), (20, 30)], -20)
    silent, _ = find(channel(40, [], -20) + customer * 10 ** (-32 / 20), customer)
    assert silent == []


def test_speech_over_the_other_party_is_kept():
    mine, _other = find(channel(40, [(22, 25)], -26), channel(40, [(5, 10), (20, 30)], -20))
    assert any(a <= 22 and b >= 25 for a, b in mine)


def test_someone_who_hardly_pauses_is_not_taken_for_noise():
    talk = [(i * 10.0, i * 10.0 + 9.6) for i in range(6)]
    (found,) = find(channel(60, talk, -20))
    assert sum(b - a for a, b in found) > 55


def test_digital_silence_has_no_speech():
    assert find(np.zeros(RATE_HZ * 30, np.float32)) == [[]]


def test_times_count_from_the_beginning_of_the_call():
    audio = Audio(samples=channel(40, [(5, 10)], -20)[:, None], rate_hz=RATE_HZ, start_sample=RATE_HZ * 100)
    (own,) = find_speech(measure_levels(audio))
    assert own.islands[0].start_s == pytest.approx(104.8, abs=0.1)


def test_pauses_are_quiet_and_speech_is_not():
    audio = Audio(samples=channel(40, [(5, 10), (20, 30)], -20)[:, None], rate_hz=RATE_HZ)
    quiet = is_quiet(measure_levels(audio))[:, 0]
    assert quiet[1100:1900].mean() > 0.95
    assert quiet[505:995].mean() < 0.3


def test_islands_of_stretches_join_in_order():
    def part(start_s: float) -> tuple[ChannelSpeech, ...]:
        return (ChannelSpeech(channel=0, islands=(Span(start_s=start_s, end_s=start_s + 1),)),)

    (joined,) = join_speech([part(0), part(90)])
    assert [i.start_s for i in joined.islands] == [0, 90]
    assert join_speech([]) == ()
