"""Mask the words of a call. The only maker of `MaskedTurn`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum

from callveil.stages.unheard import INAUDIBLE
from callveil.vocabulary.pii import Finding, MaskSpan
from callveil.vocabulary.transcript import MaskedTurn, MaskedWord, Turn, Word


class TextStyle(StrEnum):
    """What stands in the place of masked words."""

    ENTITY = "entity"
    """The kind: "[CREDIT_CARD]"."""
    PII = "pii"
    """Always "[PII]"."""


def mask_text(
    turns: Sequence[Turn], findings: Sequence[Finding], spans: Sequence[MaskSpan], style: TextStyle
) -> tuple[MaskedTurn, ...]:
    """Replace every word that a finding touches, or whose sound a mask covers for the larger part.

    Args:
        turns: Of the call.
        findings: Unpadded, as the detector gave them.
        spans: What is masked in the audio.
        style: What to write instead.

    Returns:
        The same turns; one replacement per run of masked words of a kind. Speech without words is named only
        where it is masked; elsewhere it is mostly noise.
    """
    masked = (_mask_turn(turn, findings, spans, style) for turn in turns)
    return tuple(turn for turn in masked if turn.words)


def mask_more_text(
    turns: Sequence[MaskedTurn], findings: Sequence[Finding], spans: Sequence[MaskSpan], style: TextStyle
) -> tuple[MaskedTurn, ...]:
    """Replace more words of a transcript that is masked already.

    Args:
        turns: As they were published.
        findings: What is to be masked too, unpadded.
        spans: What is masked in the audio for that.
        style: What to write instead.
    """
    return tuple(
        replace(turn, words=tuple(_more_words(turn, findings, spans, style))) for turn in turns if turn.words
    )


def _more_words(
    turn: MaskedTurn, findings: Sequence[Finding], spans: Sequence[MaskSpan], style: TextStyle
) -> Iterator[MaskedWord]:
    earlier: str | None = None
    for word in turn.words:
        entity = word.entity or _entity(word, turn.channel, findings, spans)
        if entity is None:
            yield word
        else:
            yield replace(word, text="" if entity == earlier else _replacement(entity, style), entity=entity)
        earlier = entity


def _mask_turn(
    turn: Turn, findings: Sequence[Finding], spans: Sequence[MaskSpan], style: TextStyle
) -> MaskedTurn:
    masked: list[MaskedWord] = []
    for word in turn.words:
        entity = _entity(word, word.channel, findings, spans)
        if entity is None and word.text == INAUDIBLE:
            continue
        if entity is None:
            text = word.text
        elif masked and masked[-1].entity == entity:
            text = ""
        else:
            text = _replacement(entity, style)
        masked.append(MaskedWord(text=text, start_s=word.start_s, end_s=word.end_s, entity=entity))
    return MaskedTurn(
        speaker=turn.speaker,
        channel=turn.channel,
        start_s=turn.start_s,
        end_s=turn.end_s,
        words=tuple(masked),
    )


def _replacement(entity: str, style: TextStyle) -> str:
    return "[PII]" if style is TextStyle.PII else f"[{entity}]"


def _entity(
    word: Word | MaskedWord, channel: int, findings: Sequence[Finding], spans: Sequence[MaskSpan]
) -> str | None:
    for finding in findings:
        if finding.channel == channel and _overlap_s(word, finding) > 0:
            return finding.entity.value
    for span in spans:
        if span.channel == channel and _overlap_s(word, span) > 0.5 * (word.end_s - word.start_s):
            return span.entity.value
    return None


def _overlap_s(word: Word | MaskedWord, span: Finding | MaskSpan) -> float:
    return min(word.end_s, span.end_s) - max(word.start_s, span.start_s)
