"""Mask what may not even be kept encrypted. The only maker of `CardSafeAudio`."""

from __future__ import annotations

from collections.abc import Sequence

from callveil.stages.mask_audio import AudioStyle, masked_samples
from callveil.vocabulary.audio import Audio, CardSafeAudio
from callveil.vocabulary.pii import Entity, MaskSpan

NEVER_KEPT = frozenset({Entity.CARD_SECURITY_CODE, Entity.PASSWORD_OR_PIN, Entity.DTMF, Entity.NUMBER})
"""PCI DSS 4.0.1, requirement 3.3.1: sensitive authentication data (card security codes, PINs) is not kept
after authorisation, even encrypted. Keypad tones carry PINs, a number of unknown kind may be a code."""


def mask_card_secrets(audio: Audio, spans: Sequence[MaskSpan]) -> CardSafeAudio:
    """Silence every mask that holds such a finding, among others perhaps; the rest stays raw.

    Args:
        audio: Any block of the call.
        spans: All masks of the call.
    """
    secret = [span for span in spans if span.kinds & NEVER_KEPT]
    return CardSafeAudio(
        samples=masked_samples(audio, secret, AudioStyle.SILENCE),
        rate_hz=audio.rate_hz,
        start_sample=audio.start_sample,
    )
