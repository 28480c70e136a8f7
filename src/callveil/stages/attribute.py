"""Join words and speakers into turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callveil.vocabulary.transcript import SpeakerSegment, Turn, Word

_NEW_TURN_S = 2.0
_ANSWERED_S = 0.3


def attribute(
    words: Sequence[Word], segments: Sequence[SpeakerSegment], roles: Mapping[int, str] | None = None
) -> tuple[Turn, ...]:
    """Give each word its speaker and join the words of one speaker into turns.

    A turn ends where its speaker pauses for 2 s, or pauses while someone else begins to speak. A back-channel
    ("mm-hm") over running speech is a turn of its own and does not cut the other.

    Args:
        words: Of all channels, any order.
        segments: Of the diarizer.
        roles: Channel to speaker name where the call's metadata names it ("agent"); wins over the diarizer's
            name for a channel that has one speaker.

    Returns:
        Turns by start; every word is in exactly one of them.
    """
    roles = roles or {}
    open_turns: dict[tuple[str, int], list[Word]] = {}
    turns: list[Turn] = []
    last_start: dict[tuple[str, int], float] = {}
    for word in sorted(words, key=lambda w: (w.start_s, w.channel, w.end_s)):
        who = (_speaker(word, segments, roles), word.channel)
        current = open_turns.get(who)
        if current is not None and _ends(current, word, [s for w, s in last_start.items() if w != who]):
            turns.append(Turn(speaker=who[0], channel=who[1], words=tuple(current)))
            current = None
        if current is None:
            open_turns[who] = [word]
        else:
            current.append(word)
        last_start[who] = word.start_s
    turns += [Turn(speaker=who[0], channel=who[1], words=tuple(rest)) for who, rest in open_turns.items()]
    return tuple(sorted(turns, key=lambda turn: (turn.start_s, turn.channel)))


def _ends(current: Sequence[Word], word: Word, others_start_s: Sequence[float]) -> bool:
    gap_s = word.start_s - current[-1].end_s
    answered = any(current[-1].start_s <= start_s <= word.start_s for start_s in others_start_s)
    return gap_s >= _NEW_TURN_S or (gap_s >= _ANSWERED_S and answered)


def _speaker(word: Word, segments: Sequence[SpeakerSegment], roles: Mapping[int, str]) -> str:
    mine = [s for s in segments if s.channel is None or s.channel == word.channel]
    names = {segment.speaker for segment in mine}
    if word.channel in roles and len(names) <= 1:
        return roles[word.channel]
    if not mine:
        return f"channel_{word.channel}"
    return max(mine, key=lambda segment: _closeness(word, segment)).speaker


def _closeness(word: Word, segment: SpeakerSegment) -> tuple[float, float]:
    """Overlap in seconds (negative: distance), then the shorter segment: a back-channel keeps its speaker."""
    overlap_s = min(word.end_s, segment.end_s) - max(word.start_s, segment.start_s)
    return (round(overlap_s, 3), segment.start_s - segment.end_s)
