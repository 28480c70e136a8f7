import pytest

from callveil.evaluation.der import score_der, true_segments
from callveil.evaluation.truth import TruthCall, TruthSpan, TruthTurn
from callveil.vocabulary.transcript import SpeakerSegment


def segment(speaker, start_s, end_s):
    return SpeakerSegment(speaker=speaker, channel=None, start_s=start_s, end_s=end_s)


REFERENCE = (segment("agent", 0, 10), segment("customer", 10, 20))


@pytest.mark.parametrize(
    ("hypothesis", "expected"),
    [
        ([segment("agent", 0, 10), segment("customer", 10, 20)], (0, 0, 0)),
        ([segment("b", 0, 10), segment("a", 10, 20)], (0, 0, 0)),
        ([segment("a", 0, 20)], (0, 0, 10)),
        ([segment("a", 0, 10)], (10, 0, 0)),
        ([segment("a", 0, 10), segment("b", 10, 25)], (0, 5, 0)),
        ([], (20, 0, 0)),
        ([segment("a", 0, 12), segment("b", 12, 20)], (0, 0, 2)),
    ],
)
def test_seconds_by_kind_of_error(hypothesis, expected):
    result = score_der(REFERENCE, hypothesis)
    assert (result.missed_s, result.false_alarm_s, result.confused_s) == pytest.approx(expected)
    assert result.spoken_s == pytest.approx(20)
    assert result.rate == pytest.approx(sum(expected) / 20)


def test_collar_is_meant_on_either_side_of_an_edge():
    hypothesis = [segment("a", 0, 10.25), segment("b", 10.25, 20)]
    assert score_der(REFERENCE, hypothesis).confused_s == pytest.approx(0.25)
    assert score_der(REFERENCE, hypothesis, collar_s=0.25).confused_s == pytest.approx(0.0)
    assert score_der(REFERENCE, hypothesis, collar_s=0.1).confused_s == pytest.approx(0.15)


def test_overlap_counts_twice_unless_left_out():
    reference = (segment("a", 0, 10), segment("b", 8, 12))
    assert score_der(reference, [segment("a", 0, 10)]).spoken_s == pytest.approx(14)
    assert score_der(reference, [segment("a", 0, 10)], skip_overlap=True).spoken_s == pytest.approx(10)


def test_several_calls_add_up():
    total = score_der(REFERENCE, REFERENCE) + score_der([segment("a", 0, 20)], [])
    assert total.rate == pytest.approx(0.5)


def test_silence_has_no_error():
    assert score_der([], []).rate == 0.0


def test_turns_of_a_labelled_call_are_segments():
    turn = TruthTurn(speaker="agent2", span=TruthSpan(channel=0, start_s=1, end_s=2))
    truth = TruthCall(call_id="t", duration_s=3, channels=("agent",), turns=(turn,), pii=())
    assert true_segments(truth) == (SpeakerSegment(speaker="agent2", channel=0, start_s=1, end_s=2),)
