"""Turn findings into stretches of audio to mask: padded, snapped to pauses, joined, on both channels.

Recognisers end words early: Whisper base by 0.2 s in the median and 0.34 s at the 90th percentile on
telephone speech. A mask therefore never ends before its padding, and goes on to the next pause when near.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from callveil.stages.speech import FRAME_S
from callveil.vocabulary.audio import ChannelSpeech, Span
from callveil.vocabulary.pii import Finding, MaskSpan
from callveil.vocabulary.transcript import Word


class OtherChannel(StrEnum):
    """What happens on the other channel while a stretch is masked."""

    WHEN_QUIET = "when_quiet"
    """Mask it there too where that channel has no speech of its own: crosstalk cannot carry the words."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskPlan:
    """How far masks reach.

    Attributes:
        pad_before_s: Added before the first word.
        pad_after_s: Added after the last word.
        snap_s: How much further an edge may move, outward only, to reach a pause.
        join_s: Masks of one channel closer than this become one.
        other_channel: Rule for the other channel.
    """

    pad_before_s: float = 0.15
    pad_after_s: float = 0.4
    snap_s: float = 0.25
    join_s: float = 0.3
    other_channel: OtherChannel = OtherChannel.WHEN_QUIET


def plan_masks(
    findings: Iterable[Finding],
    plan: MaskPlan,
    *,
    words: Sequence[Word],
    quiet: NDArray[np.bool_],
    speech: Sequence[ChannelSpeech],
    duration_s: float,
) -> tuple[MaskSpan, ...]:
    """Decide which stretches of which channel are masked.

    Args:
        findings: Of the call.
        plan: How far masks reach.
        words: All words of the call; an edge never moves over the sound of another one.
        quiet: Pauses of the call, shape (n_frames, channels), frames of `speech.FRAME_S`.
        speech: Speech of each channel's own.
        duration_s: Length of the call.

    Returns:
        Stretches by channel and start, not overlapping, inside the call.
    """
    edges = {own.channel: _Edges(words, own.channel, quiet[:, own.channel]) for own in speech}
    padded = [_pad(finding, plan, edges[finding.channel], duration_s) for finding in findings]
    if plan.other_channel is not OtherChannel.NEVER and len(speech) == 2:
        padded += [
            copy for span in padded for copy in _on_other_channel(span, plan, speech[1 - span.channel])
        ]
    joined: list[MaskSpan] = []
    for span in sorted(padded, key=lambda s: (s.channel, s.start_s)):
        last = joined[-1] if joined else None
        if last is not None and last.channel == span.channel and span.start_s - last.end_s <= plan.join_s:
            best = max(last, span, key=lambda s: (s.detector != CROSSTALK, s.score))
            joined[-1] = replace(
                best,
                start_s=last.start_s,
                end_s=max(last.end_s, span.end_s),
                others=(last.kinds | span.kinds) - {best.entity},
            )
        else:
            joined.append(span)
    return tuple(joined)


CROSSTALK = "crosstalk"
"""Name of the detector in masks that copy one of the other channel."""
_TOUCH_S = 0.02
_MOST_SOUND_S = 0.6


def _pad(finding: Finding, plan: MaskPlan, edges: _Edges, duration_s: float) -> MaskSpan:
    start_s = edges.before(finding.start_s, plan)
    end_s = edges.after(finding.end_s, plan)
    return MaskSpan(
        channel=finding.channel,
        start_s=round(max(0.0, start_s), 3),
        end_s=round(min(duration_s, end_s), 3),
        entity=finding.entity,
        detector=finding.detector,
        score=finding.score,
    )


class _Edges:
    """Where masks of one channel may begin and end.

    A recogniser is sure of the order of words and unsure of their times. So sound that goes on without a
    pause beside a found word, up to the next word, is taken for a part of it.
    """

    def __init__(self, words: Sequence[Word], channel: int, quiet: NDArray[np.bool_]) -> None:
        own = [word for word in words if word.channel == channel]
        self._starts_s = sorted(word.start_s for word in own)
        self._ends_s = sorted(word.end_s for word in own)
        self._quiet = quiet

    def before(self, start_s: float, plan: MaskPlan) -> float:
        """Where a mask of a word that starts here begins."""
        earlier = bisect_right(self._ends_s, start_s + _TOUCH_S)
        floor_s = self._ends_s[earlier - 1] if earlier else 0.0
        first_s = self._to_pause(start_s, max(floor_s, start_s - _MOST_SOUND_S), -1)
        edge_s = min(first_s, start_s - plan.pad_before_s)
        return self._to_pause(edge_s, edge_s - plan.snap_s, -1, or_stay=True)

    def after(self, end_s: float, plan: MaskPlan) -> float:
        """Where a mask of a word that ends here ends."""
        later = bisect_left(self._starts_s, end_s - _TOUCH_S)
        ceiling_s = self._starts_s[later] if later < len(self._starts_s) else len(self._quiet) * FRAME_S
        last_s = self._to_pause(end_s, min(ceiling_s, end_s + _MOST_SOUND_S), 1)
        edge_s = max(last_s, end_s + plan.pad_after_s)
        return self._to_pause(edge_s, edge_s + plan.snap_s, 1, or_stay=True)

    def _to_pause(self, edge_s: float, limit_s: float, step: int, *, or_stay: bool = False) -> float:
        """Move an edge to the next pause before a limit; where there is none, to the limit or not at all."""
        first, last = round(edge_s / FRAME_S), round(limit_s / FRAME_S)
        if (last - first) * step <= 0:
            return edge_s
        for frame in range(first, last + step, step):
            if not 0 <= frame < len(self._quiet) or self._quiet[frame]:
                return frame * FRAME_S if frame != first else edge_s
        return edge_s if or_stay else limit_s


def _on_other_channel(span: MaskSpan, plan: MaskPlan, other: ChannelSpeech) -> list[MaskSpan]:
    copy = replace(span, channel=other.channel, detector=CROSSTALK)
    if plan.other_channel is OtherChannel.ALWAYS:
        return [copy]
    pieces, at_s = [], span.start_s
    mine = Span(start_s=span.start_s, end_s=span.end_s)
    for island in (i for i in other.islands if i.overlaps(mine)):
        if island.start_s > at_s:
            pieces.append(replace(copy, start_s=at_s, end_s=round(island.start_s, 3)))
        at_s = max(at_s, round(island.end_s, 3))
    if at_s < span.end_s:
        pieces.append(replace(copy, start_s=at_s))
    return pieces
