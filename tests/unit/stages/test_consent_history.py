"""Which answers stand when new ones come in."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callveil.stages.consent_history import fold_answers
from callveil.vocabulary.consent import ConsentRecord, Flag, Purpose


def answer(flag=Flag.GRANTED, party=None, purpose=Purpose.RECORDING, **others):
    return ConsentRecord(purpose=purpose, flag=flag, party=party, **others)


YES, NO = answer(), answer(Flag.DENIED)
YES_0, NO_0 = answer(party=0), answer(Flag.DENIED, party=0)
YES_1, NO_1 = answer(party=1), answer(Flag.DENIED, party=1)
OTHER = answer(purpose=Purpose.ANALYTICS)
UNTIL_60 = answer(Flag.WITHDRAWN, withdrawn_at_s=60.0)


@pytest.mark.parametrize(
    ("standing", "answers", "expected"),
    [
        ([], [], []),
        ([YES], [], [YES]),
        ([], [YES], [YES]),
        ([YES], [NO], [NO]),
        ([YES, OTHER], [NO], [OTHER, NO]),
        ([YES_0, YES_1], [NO_1], [YES_0, NO_1]),
        ([YES_0, NO_1, OTHER], [YES], [OTHER, YES]),
        ([YES], [NO_1], [YES, NO_1]),
        ([NO], [YES_0], [NO, YES_0]),
        ([NO_0, NO_0], [YES_0], [YES_0]),
        ([YES], [YES, UNTIL_60], [YES, UNTIL_60]),
        ([YES], [UNTIL_60], [UNTIL_60]),
        ([YES], [YES], [YES]),
    ],
)
def test_what_stands(standing, answers, expected):
    assert fold_answers(standing, answers) == tuple(expected)


RECORDS = st.lists(
    st.builds(
        answer,
        st.sampled_from(Flag),
        st.sampled_from([None, 0, 1]),
        st.sampled_from(Purpose),
        verbal_at_s=st.sampled_from([None, 1.0]),
    ),
    max_size=6,
)


@given(standing=RECORDS, answers=RECORDS)
def test_new_answers_stand_and_old_ones_only_where_nothing_new_was_said(standing, answers):
    stand = fold_answers(standing, answers)
    n_old = len(stand) - len(answers)
    assert stand[n_old:] == tuple(answers)
    said = {(record.purpose, record.party) for record in answers}
    for record in standing:
        is_replaced = bool({(record.purpose, None), (record.purpose, record.party)} & said)
        assert (record in stand[:n_old]) is not is_replaced
    assert fold_answers(stand, answers) == stand


def test_records_are_not_changed():
    record = dataclasses.replace(YES)
    fold_answers([record], [NO])
    assert record == YES
