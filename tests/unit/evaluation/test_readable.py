import pytest

from callveil.evaluation.readable import can_read, read_values
from callveil.evaluation.truth import TruthBenign, TruthCall, TruthPii, TruthSpan, TruthTurn
from callveil.testing.builders import words
from callveil.vocabulary.pii import Entity

START_S = 20.0


def span(text, start_s=START_S, end_s=None, channel=1):
    return TruthSpan(channel=channel, start_s=start_s, end_s=end_s or start_s + 3.0, text=text)


def pii(text, entity=Entity.CREDIT_CARD, *, id="p", canonical=None, mention=None, **place):
    return TruthPii(id=id, entity=entity, span=span(text, **place), mention=mention, canonical=canonical)


def truth(*found, benign=(), pieces=(), optional=()):
    turn = TruthTurn(speaker="customer", span=span("", 0.1, 60.0), pieces=pieces)
    return TruthCall(
        call_id="t", duration_s=60.0, channels=("agent", "customer"), turns=(turn,), pii=found,
        benign=benign, optional=optional,
    )  # fmt: skip


def reads(value, heard, *, at_s=START_S, channel=1, **labels):
    return can_read(value, truth(value, **labels), words(heard, channel=channel, start_s=at_s))


@pytest.mark.parametrize(
    ("entity", "said", "canonical", "heard", "is_read"),
    [
        (Entity.CREDIT_CARD, "four one one one two two two two", None, "4111-2222.", True),
        (Entity.CREDIT_CARD, "four one one one two two two two", None, "four triple one 22 22", True),
        (Entity.CREDIT_CARD, "four one one one two two two two", None, "4111 2", True),
        (Entity.CREDIT_CARD, "four one one one two two two two", None, "4111", False),
        (Entity.CREDIT_CARD, "four one one one two two two two", None, "four um one one one", False),
        (Entity.CREDIT_CARD, "three seven eight two, eight two two four, six three one oh", None,
         "3782 9224 6310", True),
        (Entity.CREDIT_CARD, "three seven eight two, eight two two four, six three one oh", None,
         "3782 and so on", False),
        (Entity.CARD_SECURITY_CODE, "seven three nine", "739", "it's 739.", True),
        (Entity.CARD_SECURITY_CODE, "seven three nine", "739", "73", False),
        (Entity.CARD_SECURITY_CODE, "one sixty", "160", "one six zero", True),
        (Entity.PASSWORD_OR_PIN, "eight eight five zero", "8850", "885", False),
        (Entity.SORT_CODE, "forty, forty-seven, eighty-four", "40-47-84", "404784", True),
        (Entity.REFERENCE_NUMBER, "B E, four four zero, nine two", "BE44092", "BE-440-92", True),
        (Entity.REFERENCE_NUMBER, "Z as in Zulu, K, seven, T as in Tango, four", None, "Z K 7 T 4", True),
        (Entity.NATIONAL_ID, "Q Q, twelve, thirty-four, fifty-six, C", None, "a cue 12 34 56 see", True),
        (Entity.DATE_OF_BIRTH, "the third of March, nineteen eighty-two", None, "3rd of March 1982", True),
        (Entity.DATE_OF_BIRTH, "the third of March, nineteen eighty-two", None, "March 1982", True),
        (Entity.DATE_OF_BIRTH, "the third of March, nineteen eighty-two", None, "1982", False),
        (Entity.CARD_EXPIRY, "oh eight, twenty-seven", "08/27", "08/27", True),
        (Entity.PERSON, "Tobias Lindqvist", "Tobias Lindqvist", "Tobias Lindfist.", True),
        (Entity.PERSON, "Tobias Lindqvist", "Tobias Lindqvist", "to buy a list", False),
        (Entity.PERSON, "Mr Lindqvist", "Mr Lindqvist", "Mr.", False),
        (Entity.PERSON, "O, K, O, N, K, W, O", "Okonkwo", "OK O N K W O", True),
        (Entity.PERSON, "O, K, O, N, K, W, O", "Okonkwo", "Okonkwo", True),
        (Entity.PERSON, "B for Bravo, R, A, N, D", "Brand", "bravo", False),
        (Entity.PERSON, "N, G", "Ng", "it's N, G.", True),
        (Entity.REFERENCE_NUMBER, "sunny otter forty-two", "sunnyotter42", "sunny otter", True),
        (Entity.PERSON, "Mike Victor", "Mike Victor", "Mike,", True),
        (Entity.EMAIL_ADDRESS, "priya at example dot com", "priya@example.com", "at example.com", False),
        (Entity.EMAIL_ADDRESS, "priya at example dot com", "priya@example.com", "priya2@example.com", True),
        (Entity.ADDRESS, "fourteen Larkspur Lane, H G one, five Q T", None, "in the lane", False),
        (Entity.ADDRESS, "fourteen Larkspur Lane, H G one, five Q T", None, "Larkspur's", True),
        (Entity.ADDRESS, "fourteen Larkspur Lane, H G one, five Q T", None, "HG1 5QT", True),
        (Entity.PASSWORD_OR_PIN, "sunny otter forty-two, all one word", None, "all one word", False),
        (Entity.PASSWORD_OR_PIN, "sunny otter forty-two, all one word", None, "sunnyotter42", True),
        (Entity.MEDICAL, "type one diabetes", None, "diabetes", True),
    ],
)  # fmt: skip
def test_what_gives_a_value_away(entity, said, canonical, heard, is_read):
    assert reads(pii(said, entity, canonical=canonical), heard) is is_read


def test_nothing_heard_is_nothing_read():
    assert not reads(pii("four one one one"), "")


@pytest.mark.parametrize(
    ("at_s", "channel", "is_read"),
    [
        (START_S - 1.0, 1, True),
        (START_S + 4.0, 1, True),
        (START_S - 4.0, 1, False),
        (START_S + 6.0, 1, False),
        (START_S, 0, True),
        (START_S + 4.0, 0, False),
    ],
)
def test_only_what_is_heard_close_by_counts(at_s, channel, is_read):
    assert reads(pii("739", Entity.CARD_SECURITY_CODE), "739", at_s=at_s, channel=channel) is is_read


def test_what_is_heard_in_a_look_alike_is_not_the_value():
    price = (TruthBenign(kind="PRICE", span=span("seven three nine", 23.1, 24.0)),)
    value = pii("seven three nine", Entity.CARD_SECURITY_CODE)
    assert reads(value, "739", at_s=23.4)
    assert not reads(value, "739", at_s=23.4, benign=price)
    assert not reads(value, "739", at_s=24.1, benign=price), "timed a little late"
    assert reads(value, "739", at_s=22.0, benign=price)


def test_what_was_also_said_in_plain_speech_close_by_must_be_heard_inside():
    name, piece = pii("Lindqvist", Entity.PERSON), span("Lindqvist and Sons", 18.0, 19.5)
    assert reads(name, "Lindqvist", at_s=19.0)
    assert not reads(name, "Lindqvist", at_s=19.0, pieces=(piece,))
    assert reads(name, "Lindqvist", at_s=20.5, pieces=(piece,))


def test_an_interrupted_value_is_one_and_any_part_gives_it_away():
    parts = [
        pii("four one one one", id="a", mention=1, canonical="4111222233334444", end_s=22.0),
        pii("two two two two", id="b", mention=1, canonical="4111222233334444", start_s=30.0),
    ]
    labels = truth(*parts)
    (value,) = read_values(labels, words("2222", channel=1, start_s=30.0))
    assert (value.id, value.entity, value.read) == ("a", Entity.CREDIT_CARD, True)
    (value,) = read_values(labels, words("2222", channel=1, start_s=20.0))
    assert not value.read


def test_words_of_a_mono_mix_are_of_any_channel():
    labels = truth(pii("four one one one", end_s=22.0))
    heard = words("4111", channel=0, start_s=23.0)
    assert [value.read for value in read_values(labels, heard)] == [False]
    assert [value.read for value in read_values(labels, heard, mixed=True)] == [True]


def test_repr_shows_no_values():
    assert "4111" not in repr(pii("4111", canonical="4111"))
