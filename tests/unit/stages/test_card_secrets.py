import numpy as np
import pytest

from callveil.stages.card_secrets import mask_card_secrets
from callveil.stages.plan_masks import MaskPlan, OtherChannel, plan_masks
from callveil.vocabulary.audio import Audio, CardSafeAudio, ChannelSpeech, Span
from callveil.vocabulary.pii import Entity, Finding

RATE_HZ = 8000
LOUD = Audio(samples=np.full((RATE_HZ * 10, 2), 0.5, np.float32), rate_hz=RATE_HZ)


def finding(entity, start_s, end_s, channel=1, score=0.9):
    return Finding(entity=entity, channel=channel, start_s=start_s, end_s=end_s, score=score, detector="test")


def planned(*findings):
    speech = [ChannelSpeech(channel=c, islands=(Span(start_s=0.0, end_s=10.0),)) for c in (0, 1)]
    plan = MaskPlan(other_channel=OtherChannel.NEVER)
    return plan_masks(
        findings, plan, words=[], quiet=np.zeros((1000, 2), np.bool_), speech=speech, duration_s=10.0
    )


def silent(spans):
    safe = mask_card_secrets(LOUD, spans)
    assert isinstance(safe, CardSafeAudio)
    return safe.samples[:, 1] == 0


@pytest.mark.parametrize(
    "entity", [Entity.CARD_SECURITY_CODE, Entity.PASSWORD_OR_PIN, Entity.DTMF, Entity.NUMBER]
)
def test_what_may_not_be_kept_is_silent(entity):
    mask = silent(planned(finding(entity, 4, 5)))
    assert mask[4 * RATE_HZ : 5 * RATE_HZ].all()
    assert not mask[: 3 * RATE_HZ].any()


@pytest.mark.parametrize(
    "entity", sorted(set(Entity) - {"CARD_SECURITY_CODE", "PASSWORD_OR_PIN", "DTMF", "NUMBER"})
)
def test_the_rest_stays_as_it_was(entity):
    assert not silent(planned(finding(entity, 4, 5))).any()


def test_a_code_joined_into_the_mask_of_a_card_number_is_silent():
    spans = planned(
        finding(Entity.CREDIT_CARD, 2, 4, score=1.0),
        finding(Entity.CARD_SECURITY_CODE, 4.5, 5, score=0.6),
        finding(Entity.PERSON, 5.2, 6, score=0.8),
    )
    assert [span.entity for span in spans] == [Entity.CREDIT_CARD]
    assert spans[0].kinds == {Entity.CREDIT_CARD, Entity.CARD_SECURITY_CODE, Entity.PERSON}
    assert silent(spans)[int(4.5 * RATE_HZ) : 5 * RATE_HZ].all()
