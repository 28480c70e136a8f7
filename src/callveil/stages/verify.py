"""Verify: what another recogniser is to hear of the masked audio, and what of it counts as a leak.

The detector needs the whole dialogue to know what an answer is. So it reads what the first recogniser heard
under the masks, where there is nothing left to hear, and what the second one hears everywhere else. What it
then finds outside the masks is personal data that is still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from callveil.stages.mask_audio import AudioStyle, mask_audio
from callveil.stages.spoken_forms import sounds_alike
from callveil.stages.spoken_forms.lexicon import (
    COURTESY,
    FILLERS,
    FUNCTION_WORDS,
    MULTIPLIERS,
    TEENS,
    TENS,
    UNITS,
)
from callveil.vocabulary.audio import Audio, ChannelSpeech, Span
from callveil.vocabulary.pii import Finding, MaskSpan
from callveil.vocabulary.transcript import Word

NEAR_S = 3.0
"""How far around a mask or a suspect word the second recogniser hears in scope "near"."""
_LEAST_S = 0.12
"""A shorter rest between masks holds no syllable."""
_UNDER_MASK = 0.5
_DRIFT_S = 0.25
"""A small recogniser's word times are off by more than the padding allows for."""
_UNSURE = 0.5
_DIGITS = frozenset([*UNITS, *TEENS, *TENS, *MULTIPLIERS])
_SMALL_WORDS = COURTESY | FUNCTION_WORDS | FILLERS
_LEAST_SCORE = 0.55
_SURE_SCORE = 0.85
_FEW_DIGITS = 3
_SAME_TIME_S = 0.4
_STEP = 2.0**-15
"""One step of 16 bits, in which masked audio is written."""


def remaining_speech(speech: Sequence[ChannelSpeech], spans: Sequence[MaskSpan]) -> tuple[ChannelSpeech, ...]:
    """The speech of each channel that no mask covers.

    Args:
        speech: Of the call.
        spans: Masks of the call.
    """
    return tuple(
        ChannelSpeech(
            channel=own.channel,
            islands=tuple(
                rest
                for island in own.islands
                for rest in _minus(island, (span for span in spans if span.channel == own.channel))
                if rest.duration_s >= _LEAST_S
            ),
        )
        for own in speech
    )


def within(speech: Sequence[ChannelSpeech], regions: Sequence[Span]) -> tuple[ChannelSpeech, ...]:
    """The speech that lies in any of the regions, on every channel.

    Args:
        speech: Speech per channel.
        regions: In any order; they may overlap.
    """
    joined = _union(regions)
    return tuple(
        ChannelSpeech(
            channel=own.channel,
            islands=tuple(
                Span(start_s=max(island.start_s, region.start_s), end_s=min(island.end_s, region.end_s))
                for island in own.islands
                for region in joined
                if min(island.end_s, region.end_s) - max(island.start_s, region.start_s) >= _LEAST_S
            ),
        )
        for own in speech
    )


def around(spans: Iterable[Span | MaskSpan | Word], reach_s: float = NEAR_S) -> list[Span]:
    """The neighbourhoods of stretches of time.

    Args:
        spans: The stretches.
        reach_s: How far to each side, in seconds.
    """
    return [Span(start_s=span.start_s - reach_s, end_s=span.end_s + reach_s) for span in spans]


def suspect_words(words: Iterable[Word]) -> Iterator[Word]:
    """Words that may be a part of personal data whatever they were heard as: digits and unsure ones.

    Args:
        words: As the first recogniser heard them.
    """
    for word in words:
        bare = _bare(word)
        if word.probability < _UNSURE or bare in _DIGITS or any(char.isdigit() for char in bare):
            yield word


def merged_words(first: Iterable[Word], second: Iterable[Word], spans: Sequence[MaskSpan]) -> list[Word]:
    """The dialogue to search: the first recogniser's words under the masks, the second one's elsewhere.

    Args:
        first: As heard in the original.
        second: As heard in the masked audio; where it was not asked to hear, the first one's.
        spans: The masks.
    """
    return [
        *(word for word in first if _covered(word, spans) > _UNDER_MASK),
        *(word for word in second if _covered(word, spans) <= _UNDER_MASK),
    ]


def leaks(
    findings: Iterable[Finding], first: Sequence[Word], second: Sequence[Word], spans: Sequence[MaskSpan]
) -> tuple[Finding, ...]:
    """The findings that hold something which can still be heard, and which the first recogniser did not hear.

    What both heard alike was judged before, with all of the dialogue; that it is found now, beside words of a
    weaker recogniser, is no evidence. Three digits and more that were asked for count all the same.

    Args:
        findings: Of the merged dialogue.
        first: The first recogniser's words.
        second: The second recogniser's words.
        spans: The masks.

    Returns:
        Each cut down to its audible words, 0.25 s wider, in call time.
    """
    audible = [word for word in second if _covered(word, spans) <= _UNDER_MASK]
    found = []
    for finding in findings:
        if finding.score < _LEAST_SCORE:
            continue
        words = [
            word
            for word in audible
            if word.channel == finding.channel
            and min(word.end_s, finding.end_s) - max(word.start_s, finding.start_s) > 0
        ]
        if _is_evidence(words, first, finding.score):
            found.append(
                replace(
                    finding,
                    start_s=max(0.0, min(word.start_s for word in words) - _DRIFT_S),
                    end_s=max(word.end_s for word in words) + _DRIFT_S,
                    detector=f"verify:{finding.detector}",
                )
            )
    return tuple(found)


def _is_evidence(words: Sequence[Word], first: Sequence[Word], score: float) -> bool:
    digits = [word for word in words if _bare(word) in _DIGITS]
    if len(digits) >= _FEW_DIGITS and score >= _SURE_SCORE:
        return True
    return any(_tells(word) and not _heard_alike(word, first) for word in words)


def _tells(word: Word) -> bool:
    """False for the small words that stand between those of a value, or in any sentence."""
    bare = _bare(word)
    return word.probability == 0.0 or len(bare) == 1 or bare in _DIGITS or bare not in _SMALL_WORDS


def _heard_alike(word: Word, first: Sequence[Word]) -> bool:
    bare = _bare(word)
    if word.probability == 0.0:
        # The second one heard nothing; that tells something only where the first one was lost too.
        inside = [o for o in first if o.channel == word.channel and _overlap_s(o, word) > 0]
        return any(other.probability >= _UNSURE for other in inside)
    return any(
        other.channel == word.channel
        and other.start_s < word.end_s + _SAME_TIME_S
        and other.end_s > word.start_s - _SAME_TIME_S
        and (_bare(other) == bare or sounds_alike(_bare(other), bare))
        for other in first
    )


def _bare(word: Word) -> str:
    return word.text.strip(".,?!-–…' ").lower()


def mask_holds(masked: Audio, spans: Sequence[MaskSpan], style: AudioStyle) -> bool:
    """True when masked stretches hold the filling and nothing else, to within one step of 16 bits.

    Args:
        masked: A block read back from what is to be published.
        spans: The masks.
        style: What they are filled with.
    """
    filling = mask_audio(replace(masked, samples=np.zeros_like(masked.samples)), spans, style).samples
    position = np.arange(masked.start_sample, masked.start_sample + masked.n_samples) / masked.rate_hz
    for span in spans:
        inside = (position >= span.start_s) & (position < span.end_s)
        rest = masked.samples[inside, span.channel] - filling[inside, span.channel]
        if np.abs(rest).max(initial=0.0) > 1.5 * _STEP:
            return False
    return True


def _overlap_s(one: Word, other: Word) -> float:
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s)


def _covered(word: Word, spans: Sequence[MaskSpan]) -> float:
    """Share of a word's time that masks cover."""
    covered_s = sum(
        max(0.0, min(word.end_s, span.end_s) - max(word.start_s, span.start_s))
        for span in spans
        if span.channel == word.channel
    )
    return covered_s / max(word.end_s - word.start_s, 1e-3)


def _minus(island: Span, spans: Iterable[MaskSpan]) -> Iterator[Span]:
    start_s = island.start_s
    for span in sorted(spans, key=lambda span: span.start_s):
        if span.end_s <= start_s or span.start_s >= island.end_s:
            continue
        if span.start_s > start_s:
            yield Span(start_s=start_s, end_s=span.start_s)
        start_s = span.end_s
    if start_s < island.end_s:
        yield Span(start_s=start_s, end_s=island.end_s)


def _union(regions: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for region in sorted(regions):
        if joined and region.start_s <= joined[-1].end_s:
            joined[-1] = Span(start_s=joined[-1].start_s, end_s=max(joined[-1].end_s, region.end_s))
        else:
            joined.append(region)
    return joined
