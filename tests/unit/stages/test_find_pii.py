# ruff: noqa: E501  one row, one line
import pytest

from callveil.stages.cues import cues
from callveil.stages.dialogue import Dialogue
from callveil.stages.find_pii import Candidate, find_pii
from callveil.stages.speaker_stream import Place
from callveil.stages.unheard import INAUDIBLE
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.transcript import Turn, Word

PATTERNS = cues("CREDIT_CARD", "card number")


def dialogue_of(script):
    turns, at_s = [], 0.0
    for line in script.strip().splitlines():
        who, text = line.strip().split(":", 1)
        words = []
        for word in text.split():
            length_s = 0.3 * max(1, sum(char.isdigit() for char in word))
            words.append(
                Word(
                    text=word.removeprefix("~"),
                    start_s=at_s,
                    end_s=at_s + length_s,
                    probability=0.5 if word.startswith("~") else 0.9,
                    channel="AC".index(who),
                )
            )
            at_s += length_s + 0.05
        at_s += 0.4
        turns.append(Turn(speaker=who, channel="AC".index(who), words=tuple(words)))
    return Dialogue(turns, PATTERNS)


def candidate(dialogue, words, entity, score=0.9):
    for stream in dialogue.streams:
        texts = [token.text for token in stream.tokens]
        wanted = words.lower().split()
        for start in range(len(texts)):
            if texts[start : start + len(wanted)] == wanted:
                place = Place(stream=stream.number, tokens=range(start, start + len(wanted)))
                return Candidate(place=place, entity=entity, score=score, detector="test")
    raise AssertionError("words are not in the script")


def said(dialogue, findings):
    found = []
    for stream in dialogue.streams:
        for token in stream.tokens:
            if any(
                f.channel == token.channel and f.start_s <= token.start_s and token.end_s <= f.end_s
                for f in findings
            ):
                found.append(token.text)
    return " ".join(found)


def run(dialogue, *candidates, **options):
    settings = {"thresholds": {}, "threshold": 0.4} | options
    return find_pii(dialogue, candidates, **settings)


@pytest.mark.parametrize(
    ("script", "value", "entity", "everywhere"),
    [
        ("C: four one one one two two\nA: so 4111 22 right", "four one one one two two", Entity.CREDIT_CARD,
         "four one one one two two 4111 22"),
        ("C: 4111 1111 1111 1881\nA: ending one eight eight one", "4111 1111 1111 1881", Entity.CREDIT_CARD,
         "4111 1111 1111 1881 one eight eight one"),
        ("C: it is Tobias Lindqvist\nA: Thank you Mr Lincvist", "tobias lindqvist", Entity.PERSON,
         "tobias lindqvist mr lincvist"),
        ("C: it is Tobias Lindqvist\nA: Thank you for that", "tobias lindqvist", Entity.PERSON, "tobias lindqvist"),
        ("C: Peppercorn\nA: peppercorn it is", "peppercorn", Entity.PASSWORD_OR_PIN, "peppercorn peppercorn"),
        ("C: J O N E S\nA: Mister Jones then", "j o n e s", Entity.PERSON, "j o n e s mister jones"),
        ("C: 0161 496 0752\nA: that costs 49 pounds", "0161 496 0752", Entity.PHONE_NUMBER, "0161 496 0752"),
        ("C: it is Stavros Dimitriou\nA: got you ~star ~vross", "stavros dimitriou", Entity.PERSON,
         "stavros dimitriou star vross"),
        ("C: it is Stavros Dimitriou\nA: the star cross", "stavros dimitriou", Entity.PERSON, "stavros dimitriou"),
        ("C: it is Martina Fiftey\nA: that is ~fifty", "martina fiftey", Entity.PERSON, "martina fiftey"),
        ("C: zero one six one four nine six\nA: 0161 459 right", "zero one six one four nine six",
         Entity.PHONE_NUMBER, "zero one six one four nine six 0161 459"),
    ],
)  # fmt: skip
def test_a_value_is_found_wherever_it_is_said_again(script, value, entity, everywhere):
    dialogue = dialogue_of(script)
    found = said(dialogue, run(dialogue, candidate(dialogue, value, entity)))
    assert sorted(found.split()) == sorted(everywhere.split())


@pytest.mark.parametrize(
    ("script", "value", "masked"),
    [
        ("C: my card number is 4111 1111", "my card number is 4111 1111", "4111 1111"),
        ("C: the card number 4111 1111", "the card number 4111 1111", "4111 1111"),
        (
            "C: the old mill lane card number 4111",
            "old mill lane card number 4111",
            "old mill lane card number 4111",
        ),
        ("C: ~card ~number 4111 1111", "4111 1111", "4111 1111"),
        ("C: ~carp ~lumber 4111 1111", "4111 1111", "carp lumber 4111 1111"),
        ("C: 4111 my card number is 1111", "4111 my card number is 1111", "4111 my card number is 1111"),
        ("C: ~pilot card number is 4111", "pilot card number is 4111", "pilot card number is 4111"),
    ],
)
def test_the_words_that_announce_a_value_are_left(script, value, masked):
    dialogue = dialogue_of(script)
    assert said(dialogue, run(dialogue, candidate(dialogue, value, Entity.CREDIT_CARD))) == masked


def test_a_score_below_the_threshold_of_its_kind_is_dropped():
    dialogue = dialogue_of("C: four one one one")
    weak = candidate(dialogue, "four one one one", Entity.CREDIT_CARD, score=0.5)
    assert run(dialogue, weak, thresholds={Entity.CREDIT_CARD: 0.6}) == ()
    assert len(run(dialogue, weak, thresholds={Entity.PERSON: 0.6})) == 1


def test_allowed_phrases_are_left_in_any_spoken_form():
    dialogue = dialogue_of("A: Bramble Energy on oh eight hundred one two three four")
    found = run(
        dialogue,
        candidate(dialogue, "bramble energy", Entity.PERSON),
        candidate(dialogue, "oh eight hundred one two three four", Entity.PHONE_NUMBER),
        allow=("Bramble Energy", "0800 1234"),
    )
    assert found == ()


def test_a_place_only_partly_allowed_stays():
    dialogue = dialogue_of("C: Tobias from Bramble Energy")
    found = run(
        dialogue, candidate(dialogue, "tobias from bramble energy", Entity.PERSON), allow=("Bramble Energy",)
    )
    assert "tobias" in said(dialogue, found)


def test_denied_phrases_are_found_without_a_candidate():
    dialogue = dialogue_of("C: the codename is Blue Heron")
    (found,) = run(dialogue, deny=("blue heron",))
    assert (found.detector, said(dialogue, [found])) == ("deny-list", "blue heron")


def test_disabled_kinds_are_not_reported():
    dialogue = dialogue_of("C: four one one one")
    hit = candidate(dialogue, "four one one one", Entity.CREDIT_CARD)
    assert run(dialogue, hit, enabled=frozenset({Entity.PERSON})) == ()


def test_a_finding_is_cut_at_long_gaps_and_carries_no_text():
    words = [Word(text="one", start_s=0.0, end_s=0.3, probability=0.9, channel=1),
             Word(text="two", start_s=0.4, end_s=0.7, probability=0.9, channel=1),
             Word(text="three", start_s=4.0, end_s=4.3, probability=0.9, channel=1)]  # fmt: skip
    dialogue = Dialogue([Turn(speaker="C", channel=1, words=tuple(words))], PATTERNS)
    found = run(dialogue, candidate(dialogue, "one two three", Entity.NUMBER))
    assert [(f.start_s, f.end_s) for f in found] == [(0.0, 0.7), (4.0, 4.3)]


def test_a_word_too_short_for_its_characters_begins_earlier():
    words = [Word(text="Great,", start_s=4.0, end_s=5.0, probability=0.9, channel=1),
             Word(text="602914.", start_s=5.0, end_s=5.6, probability=0.9, channel=1)]  # fmt: skip
    dialogue = Dialogue([Turn(speaker="C", channel=1, words=tuple(words))], PATTERNS)
    (found,) = run(dialogue, candidate(dialogue, "602914", Entity.PASSWORD_OR_PIN))
    assert (found.start_s, found.end_s) == (pytest.approx(5.6 - 6 * 0.26), 5.6)


def test_speech_without_words_is_no_value_that_is_said_again():
    script = f"C: it is {INAUDIBLE} Lindqvist\nA: so {INAUDIBLE} thank you Lindqvist"
    dialogue = dialogue_of(script)
    findings = run(dialogue, candidate(dialogue, "inaudible lindqvist", Entity.PERSON))
    assert said(dialogue, findings) == "inaudible lindqvist lindqvist"
