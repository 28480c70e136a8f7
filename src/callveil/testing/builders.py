"""Calls, words, turns and sounds made of few arguments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from callveil.vocabulary.audio import Audio
from callveil.vocabulary.call import Call, Direction, Party, Role
from callveil.vocabulary.consent import ConsentRecord, Flag, LawfulBasis, Purpose
from callveil.vocabulary.proof import Verification, VerifyResult, VerifyScope
from callveil.vocabulary.transcript import Turn, Word

START = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
"""When calls and clocks begin, unless told otherwise."""


def call(call_id: str = "c-1", *, consent: Sequence[ConsentRecord] | None = None) -> Call:
    """A call with an agent on channel 0 and a customer on channel 1, both in Great Britain.

    Args:
        call_id: Its id.
        consent: Answers; None for recording and transcription granted by everybody.
    """
    granted = [
        ConsentRecord(purpose=purpose, flag=Flag.GRANTED, lawful_basis=LawfulBasis.CONSENT, given_at=START)
        for purpose in (Purpose.RECORDING, Purpose.TRANSCRIPTION)
    ]
    return Call(
        call_id=call_id,
        started_at=START,
        direction=Direction.INBOUND,
        language="en",
        parties=(
            Party(role=Role.AGENT, channel=0, jurisdiction="GB"),
            Party(role=Role.CUSTOMER, channel=1, jurisdiction="GB"),
        ),
        consent=tuple(granted if consent is None else consent),
    )


CLEAN = Verification(
    result=VerifyResult.CLEAN, scope=VerifyScope.ALL, rounds=2, heard_s=41.5, widened=3, left=0
)
"""Another recogniser heard the masked audio twice, and nothing was left."""


def words(text: str, *, channel: int = 0, start_s: float = 0.0, word_s: float = 0.3) -> tuple[Word, ...]:
    """Words of equal length, 0.1 s apart.

    Args:
        text: Separated by spaces.
        channel: Channel of all of them.
        start_s: Start of the first.
        word_s: Length of each.
    """
    starts = [start_s + i * (word_s + 0.1) for i in range(len(text.split()))]
    return tuple(
        Word(text=word, start_s=start, end_s=start + word_s, probability=0.9, channel=channel)
        for word, start in zip(text.split(), starts, strict=True)
    )


def turn(speaker: str, text: str, *, start_s: float = 0.0, channel: int | None = None) -> Turn:
    """A turn whose words are 0.3 s long and 0.1 s apart.

    Args:
        speaker: "agent", "customer" or another name.
        text: At least one word.
        start_s: Start of the first word.
        channel: None for 1 when the speaker is the customer, else 0.
    """
    where = channel if channel is not None else int(speaker == "customer")
    return Turn(speaker=speaker, channel=where, words=words(text, channel=where, start_s=start_s))


def tone(
    duration_s: float = 1.0, *, rate_hz: int = 16000, channels: int = 1, hz: float = 440.0, level: float = 0.3
) -> Audio:
    """A sine on every channel.

    Args:
        duration_s: Length.
        rate_hz: Sample rate.
        channels: How many.
        hz: Pitch on channel 0; each further channel is half as high again.
        level: Peak, 0 to 1.
    """
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    pitches = hz * 1.5 ** np.arange(channels)
    samples = level * np.sin(2 * np.pi * time_s[:, None] * pitches)
    return Audio(samples=samples.astype(np.float32), rate_hz=rate_hz)


def noise(
    duration_s: float = 1.0, *, rate_hz: int = 16000, channels: int = 1, level: float = 0.1, seed: int = 0
) -> Audio:
    """White noise, another on every channel, the same for the same seed.

    Args:
        duration_s: Length.
        rate_hz: Sample rate.
        channels: How many.
        level: Standard deviation.
        seed: Of the generator.
    """
    shape = (round(duration_s * rate_hz), channels)
    samples = np.clip(np.random.default_rng(seed).normal(0.0, level, shape), -1.0, 1.0)
    return Audio(samples=samples.astype(np.float32), rate_hz=rate_hz)
