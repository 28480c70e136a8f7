from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.stretches import WINDOW_S, StretchCutter, pack_windows
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span
from callveil.vocabulary.transcript import Word

RATE_HZ = 16000


def ramp(duration_s: float, start_s: float = 0.0) -> Audio:
    """Every sample holds its own time in the call, so that moved samples show."""
    n, first = round(duration_s * RATE_HZ), round(start_s * RATE_HZ)
    samples = ((np.arange(n) + first) / RATE_HZ / 1000).astype(np.float32)[:, None]
    return Audio(samples=samples, rate_hz=RATE_HZ, start_sample=first)


def speech(islands: Sequence[Span], channel: int = 0) -> ChannelSpeech:
    return ChannelSpeech(channel=channel, islands=tuple(islands))


def word(start_s: float, end_s: float) -> Word:
    return Word(text="x", start_s=start_s, end_s=end_s, probability=1.0, channel=0)


@given(blocks=st.lists(st.floats(1, 40), min_size=1, max_size=20))
def test_cutting_loses_and_moves_nothing(blocks):
    cutter, start, cut = StretchCutter(), 0, []
    for seconds in blocks:
        n = round(seconds * 100)
        samples = np.arange(start, start + n, dtype=np.float32)[:, None]
        cut += cutter.push(Audio(samples=samples, rate_hz=100, start_sample=start))
        start += n
    cut += cutter.finish()
    assert np.array_equal(np.concatenate([c.samples[:, 0] for c in cut]), np.arange(start))
    assert all(c.samples[0, 0] == c.start_sample for c in cut)
    assert all(c.n_samples <= 120 * 100 for c in cut)


def test_the_cut_lies_in_the_pause():
    samples = np.random.default_rng(3).uniform(-0.3, 0.3, (130 * RATE_HZ, 1)).astype(np.float32)
    samples[100 * RATE_HZ : 101 * RATE_HZ] = 0
    (first,) = StretchCutter().push(Audio(samples=samples, rate_hz=RATE_HZ))
    assert 100 <= first.end_s <= 101


def test_nothing_in_nothing_out():
    assert StretchCutter().finish() == []


def test_windows_hold_all_islands_and_words_find_their_way_back():
    stretch = ramp(100, start_s=50)
    islands = [Span(start_s=52, end_s=54), Span(start_s=80, end_s=83), Span(start_s=84, end_s=85.5)]
    (window,) = pack_windows(stretch, [speech(islands)])
    # 2 s + 0.6 s of the 26 s gap + 3 s + 0.6 s of the 1 s gap + 1.5 s
    assert window.audio.n_samples / RATE_HZ == pytest.approx(7.7, abs=0.01)
    for packed_s, call_s in [(0.5, 52.5), (2.7, 80.1), (5.0, 82.4), (6.3, 84.1)]:
        placed = window.place(word(packed_s, packed_s + 0.2))
        assert placed.start_s == pytest.approx(call_s, abs=0.001)
        assert window.audio.samples[round(packed_s * RATE_HZ), 0] * 1000 == pytest.approx(call_s, abs=0.01)


def test_a_word_over_a_joint_belongs_to_the_piece_with_most_of_it():
    islands = [Span(start_s=10, end_s=12), Span(start_s=50, end_s=52)]
    (window,) = pack_windows(ramp(100), [speech(islands)])
    early, late = window.place(word(1.0, 2.3)), window.place(word(2.2, 3.9))
    assert (early.start_s, early.end_s) == (pytest.approx(11.0), pytest.approx(12.0))
    assert (late.start_s, late.end_s) == (pytest.approx(50.0), pytest.approx(51.3))


def test_a_long_monologue_is_cut_where_it_is_quietest():
    samples = np.random.default_rng(3).uniform(-0.3, 0.3, (70 * RATE_HZ, 1)).astype(np.float32)
    samples[round(20 * RATE_HZ) : round(20.3 * RATE_HZ)] = 0
    stretch = Audio(samples=samples, rate_hz=RATE_HZ)
    windows = list(pack_windows(stretch, [speech([Span(start_s=0, end_s=70)])]))
    assert windows[0].pieces[0].span.end_s == pytest.approx(20.15, abs=0.1)
    assert sum(w.audio.n_samples for w in windows) == pytest.approx(70 * RATE_HZ, abs=3)


def test_the_gap_between_pieces_may_be_shorter():
    islands = [Span(start_s=10, end_s=12), Span(start_s=50, end_s=52)]
    (window,) = pack_windows(ramp(100), [speech(islands)], gap_s=0.3)
    assert window.starts_s == (0.0, pytest.approx(2.3, abs=0.001))
    joint = window.audio.samples[round(1.9 * RATE_HZ) : round(2.4 * RATE_HZ), 0] * 1000
    assert joint[:3000] == pytest.approx(11.9 + np.arange(3000) / RATE_HZ, abs=0.01)
    assert joint[-3000:] == pytest.approx(50.1 - np.arange(3000, 0, -1) / RATE_HZ, abs=0.01)


def both_channels(duration_s: float) -> Audio:
    """The second channel of a ramp holds the same with the other sign."""
    samples = ramp(duration_s).samples
    return Audio(samples=np.concatenate((samples, -samples), axis=1), rate_hz=RATE_HZ)


def test_a_window_goes_on_with_the_other_channel():
    first, second = speech([Span(start_s=30, end_s=33)]), speech([Span(start_s=5, end_s=7)], channel=1)
    (window,) = pack_windows(both_channels(40), [first, second], gap_s=0.4)
    assert window.audio.n_samples == pytest.approx(5.4 * RATE_HZ, abs=2)
    for packed_s, channel, call_s in [(0.5, 0, 30.5), (3.1, 0, 33.1), (3.3, 1, 4.9), (3.5, 1, 5.1)]:
        sample = window.audio.samples[round(packed_s * RATE_HZ), 0] * 1000
        assert sample == pytest.approx((1, -1)[channel] * call_s, abs=0.01)
    own, other = window.place(word(1.0, 1.5)), window.place(word(4.0, 4.5))
    assert (own.channel, own.start_s) == (0, pytest.approx(31.0))
    assert (other.channel, other.start_s) == (1, pytest.approx(5.6, abs=0.001))


def test_channels_at_the_ends_of_a_stretch_lie_beside_each_other_without_a_gap():
    whole = Span(start_s=0, end_s=10)
    (window,) = pack_windows(both_channels(10), [speech([whole]), speech([whole], channel=1)])
    assert window.audio.n_samples == 20 * RATE_HZ
    assert window.starts_s == (0.0, 10.0)


spans = st.lists(st.tuples(st.floats(0.1, 40), st.floats(0.1, 20)), max_size=8)


@given(parts=st.lists(spans, min_size=1, max_size=2))
def test_every_island_is_in_some_window_and_no_window_is_too_long(parts):
    own, ends_s = [], []
    for channel, lengths_s in enumerate(parts):
        islands, at_s = [], 0.0
        for gap_s, length_s in lengths_s:
            islands.append(Span(start_s=at_s + gap_s, end_s=at_s + gap_s + length_s))
            at_s = islands[-1].end_s
        own.append(speech(islands, channel))
        ends_s.append(at_s)
    stretch = Audio(samples=np.zeros((round((max(ends_s) + 1) * 100), 2), np.float32), rate_hz=100)
    windows = list(pack_windows(stretch, own))
    packed = [(piece.channel, piece.span) for window in windows for piece in window.pieces]
    assert packed == [(each.channel, island) for each in own for island in each.islands]
    assert all(w.audio.n_samples / 100 <= WINDOW_S + 0.5 for w in windows)
    for window in windows:
        for piece, start_s in zip(window.pieces, window.starts_s, strict=True):
            placed = window.place(word(start_s + 0.01, start_s + piece.span.duration_s))
            assert piece.span.start_s <= placed.start_s < placed.end_s <= piece.span.end_s + 0.02
            assert placed.channel == piece.channel
