import pytest

from callveil.evaluation.misses import Reason, miss_reason
from callveil.evaluation.truth import TruthCall, TruthPii, TruthSpan
from callveil.testing.builders import words
from callveil.vocabulary.pii import Entity, Finding

VALUE = TruthPii(
    id="p",
    entity=Entity.PERSON,
    span=TruthSpan(channel=1, start_s=20.0, end_s=22.0, text="Tobias Lindqvist"),
)
TRUTH = TruthCall(call_id="t", duration_s=60, channels=("agent", "customer"), turns=(), pii=(VALUE,))


def finding(start_s, end_s, channel=1):
    return Finding(
        entity=Entity.PERSON, channel=channel, start_s=start_s, end_s=end_s, score=1.0, detector="t"
    )


@pytest.mark.parametrize(
    ("heard", "at_s", "found", "reason"),
    [
        ("", 20.0, [], Reason.NOT_HEARD),
        ("Tobias Lindqvist", 30.0, [], Reason.NOT_HEARD),
        ("to buy us", 20.0, [], Reason.HEARD_WRONG),
        ("Tobias Lindfist", 20.0, [], Reason.NOT_FOUND),
        ("Tobias Lindfist", 20.0, [finding(40, 41)], Reason.NOT_FOUND),
        ("Tobias Lindfist", 20.0, [finding(20, 22, channel=0)], Reason.NOT_FOUND),
        ("Tobias Lindfist", 20.0, [finding(19, 20.05)], Reason.NOT_FOUND),
        ("Tobias Lindfist", 20.0, [finding(20.0, 20.3)], Reason.FOUND_IN_PART),
        ("Tobias Lindfist", 20.0, [finding(20.0, 20.7)], Reason.TIMES_OFF),
        ("Tobias Lindfist", 20.0, [finding(20.0, 20.3), finding(20.4, 20.7)], Reason.TIMES_OFF),
    ],
)
def test_where_a_value_was_lost(heard, at_s, found, reason):
    assert miss_reason(VALUE, TRUTH, words(heard, channel=1, start_s=at_s), found) is reason


def test_words_and_findings_of_a_mono_mix_are_of_any_channel():
    heard = words("Tobias Lindfist", channel=0, start_s=20.0)
    assert miss_reason(VALUE, TRUTH, heard, [finding(20, 20.7, channel=0)]) is Reason.NOT_HEARD
    assert miss_reason(VALUE, TRUTH, heard, [finding(20, 20.7, channel=0)], mixed=True) is Reason.TIMES_OFF
