import pytest

from callveil.evaluation.spans import MaskedCall, score_spans
from callveil.evaluation.truth import TruthBenign, TruthCall, TruthPii, TruthSpan, TruthTurn
from callveil.vocabulary.pii import Entity, MaskSpan


def span(start_s, end_s, channel=0):
    return TruthSpan(channel=channel, start_s=start_s, end_s=end_s, text="x")


def pii(start_s, end_s, channel=0, entity=Entity.PERSON, mention=None):
    return TruthPii(id=f"p{start_s}", entity=entity, span=span(start_s, end_s, channel), mention=mention)


def mask(start_s, end_s, channel=0, entity=Entity.NUMBER):
    return MaskSpan(channel=channel, start_s=start_s, end_s=end_s, entity=entity, detector="t", score=1.0)


def truth(*found, call_id="t", speech=((0.0, 100.0),), optional=(), benign=()):
    turns = tuple(TruthTurn(speaker="agent", span=span(*s)) for s in speech)
    return TruthCall(
        call_id=call_id, duration_s=100.0, channels=("agent", "customer"), turns=turns,
        pii=found, optional=optional, benign=benign,
    )  # fmt: skip


def score(labels, *masks, mixed=False, **options):
    return score_spans([MaskedCall(truth=labels, masks=masks, mixed=mixed)], **options)


@pytest.mark.parametrize(
    ("masks", "caught"),
    [
        ([], False),
        ([mask(10, 20)], True),
        ([mask(10, 19)], True),
        ([mask(10, 18.9)], False),
        ([mask(10, 15), mask(14, 20)], True),
        ([mask(10, 15), mask(16, 20)], True),
        ([mask(10, 14), mask(16, 20)], False),
        ([mask(10, 20, channel=1)], False),
        ([mask(0, 100)], True),
        ([mask(20, 30)], False),
    ],
)
def test_caught_when_nine_tenths_of_the_time_is_masked(masks, caught):
    result = score(truth(pii(10, 20)), *masks)
    assert result.total.caught == int(caught)
    assert len(result.leaks) == int(not caught)
    assert result.calls_without_leak == int(caught)


def test_the_share_that_counts_as_caught_can_be_set():
    assert score(truth(pii(10, 20)), mask(10, 15), caught_at=0.5).total.caught == 1


def test_the_kind_of_a_mask_does_not_matter():
    assert score(truth(pii(10, 20)), mask(10, 20, entity=Entity.DTMF)).by_entity[Entity.PERSON].caught == 1


def test_recall_by_kind_and_time():
    labels = truth(pii(10, 20), pii(30, 40), pii(50, 52, entity=Entity.IBAN))
    result = score(labels, mask(10, 20), mask(30, 35))
    person, iban = result.by_entity[Entity.PERSON], result.by_entity[Entity.IBAN]
    assert (person.span_recall, person.time_recall, person.untouched) == (0.5, 0.75, 0)
    assert (iban.span_recall, iban.time_recall, iban.untouched) == (0.0, 0.0, 1)
    assert result.total.span_recall == pytest.approx(1 / 3)
    assert result.total.time_recall == pytest.approx(15 / 22)


def test_a_leak_says_where_and_how_much():
    (leak,) = score(truth(pii(10, 20)), mask(10, 15)).leaks
    assert (leak.call_id, leak.start_s, leak.end_s, leak.covered) == ("t", 10, 20, 0.5)
    assert not hasattr(leak, "text")


def test_an_interrupted_value_is_caught_when_all_its_parts_are():
    parts = [pii(10, 11, mention=1), pii(12, 13, mention=1), pii(20, 21, mention=2)]
    result = score(truth(*parts), mask(10, 11), mask(20, 21))
    assert (result.mentions, result.mentions_caught) == (2, 1)


def test_over_masking_with_and_without_collar():
    result = score(truth(pii(10, 20)), mask(9.5, 20.25))
    assert result.plain_speech_s == pytest.approx(90)
    assert result.over_masked_s == pytest.approx(0.75)
    assert result.over_masked_beyond_collar_s == pytest.approx(0.25)
    assert result.over_masking == pytest.approx(0.75 / 90)


def test_masks_in_silence_and_on_optional_words_are_not_over_masking():
    labels = truth(speech=((0, 10),), optional=(span(4, 5),))
    result = score(labels, mask(4, 5), mask(50, 60), mask(2, 3, channel=1))
    assert result.over_masked_s == 0.0
    assert result.plain_speech_s == pytest.approx(9)
    assert result.masked_silence_s == pytest.approx(11)


def test_pieces_stand_for_speech_when_there_are_any():
    turn = TruthTurn(speaker="agent", span=span(0, 10), pieces=(span(0, 2), span(8, 10)))
    labels = TruthCall(call_id="t", duration_s=10, channels=("agent",), turns=(turn,), pii=())
    assert score(labels, mask(3, 7)).over_masked_s == 0.0


def test_benign_stretches_are_hit_from_half_of_them():
    price = (TruthBenign(kind="PRICE", span=span(10, 12)), TruthBenign(kind="PRICE", span=span(20, 22)))
    result = score(truth(benign=price), mask(10, 11), mask(20, 20.9))
    assert (result.benign, result.benign_hits) == ({"PRICE": 2}, {"PRICE": 1})


def test_masks_of_a_mono_mix_count_on_every_channel():
    labels = truth(pii(10, 20, channel=1))
    assert score(labels, mask(10, 20)).total.caught == 0
    assert score(labels, mask(10, 20), mixed=True).total.caught == 1


def test_zero_leak_share_counts_calls_with_personal_data_only():
    calls = [
        MaskedCall(truth=truth(pii(1, 2), call_id="a"), masks=[mask(1, 2)]),
        MaskedCall(truth=truth(pii(1, 2), pii(3, 4), call_id="b"), masks=[mask(1, 2)]),
        MaskedCall(truth=truth(call_id="c"), masks=[]),
    ]
    result = score_spans(calls)
    assert (result.calls, result.calls_with_pii, result.calls_without_leak) == (3, 2, 1)
    assert result.zero_leak_share == 0.5


def test_mentions_of_different_calls_are_different():
    calls = [MaskedCall(truth=truth(pii(1, 2, mention=1), call_id=name), masks=[]) for name in "ab"]
    assert score_spans(calls).mentions == 2


def test_nothing_to_find_is_no_failure():
    result = score_spans([])
    assert (result.total.span_recall, result.zero_leak_share, result.over_masking) == (1.0, 1.0, 0.0)
