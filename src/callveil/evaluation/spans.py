"""How much of the spoken personal data was masked, and how much ordinary speech with it.

A stretch of personal data counts as caught when at least 90 % of its time is masked. The kind given to a
mask does not matter: a masked card number is safe under any name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from callveil.evaluation.intervals import Times, covered_s, intersect, length_s, minus, union
from callveil.evaluation.truth import TruthCall, TruthPii, TruthSpan
from callveil.vocabulary.pii import Entity

_BENIGN_HIT = 0.5  # a benign stretch counts as hit when half of it is masked


class Mask(Protocol):
    """A masked stretch: a `MaskSpan`, or a `Finding`."""

    @property
    def channel(self) -> int:
        """Channel, from 0."""

    @property
    def start_s(self) -> float:
        """Start in seconds."""

    @property
    def end_s(self) -> float:
        """End in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedCall:
    """A call of a labelled set and what was masked in it.

    Attributes:
        truth: Its labels.
        masks: Empty when the call failed: then all of it leaks.
        mixed: The masks are of a mono mix of the call, so each stands for every channel.
    """

    truth: TruthCall
    masks: Sequence[Mask]
    mixed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """Personal data that was not caught. Where, never what."""

    call_id: str
    id: str
    entity: Entity
    channel: int
    start_s: float
    end_s: float
    covered: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Recall:
    """Caught and missed stretches of a kind.

    Attributes:
        spans: How many there are.
        caught: How many were caught.
        spoken_s: Their seconds.
        masked_s: Seconds of them that are masked.
        untouched: How many have no masked moment at all.
    """

    spans: int
    caught: int
    spoken_s: float
    masked_s: float
    untouched: int

    @property
    def span_recall(self) -> float:
        """Share of stretches that were caught; 1 when there are none."""
        return self.caught / self.spans if self.spans else 1.0

    @property
    def time_recall(self) -> float:
        """Share of seconds that are masked; 1 when there are none."""
        return self.masked_s / self.spoken_s if self.spoken_s else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanScore:
    """The result over a set of calls.

    Attributes:
        calls: How many.
        duration_s: Their length.
        total: Over all personal data.
        by_entity: Per kind.
        mentions: Values; one interrupted value is one mention.
        mentions_caught: With every part caught.
        leaks: Everything not caught.
        calls_with_pii: Calls that hold any.
        calls_without_leak: Of those.
        plain_speech_s: Speech that is neither personal nor optional.
        over_masked_s: Of it, what was masked.
        over_masked_beyond_collar_s: The same, leaving out what lies within the collar around personal data.
        masked_s: All that was masked, channels added up.
        masked_silence_s: Of it, what was no speech.
        benign: Per kind, how many look-alikes there are.
        benign_hits: Per kind, how many were masked for at least half.
    """

    calls: int
    duration_s: float
    total: Recall
    by_entity: Mapping[Entity, Recall]
    mentions: int
    mentions_caught: int
    leaks: tuple[Leak, ...]
    calls_with_pii: int
    calls_without_leak: int
    plain_speech_s: float
    over_masked_s: float
    over_masked_beyond_collar_s: float
    masked_s: float
    masked_silence_s: float
    benign: Mapping[str, int]
    benign_hits: Mapping[str, int]

    @property
    def zero_leak_share(self) -> float:
        """Share of the calls with personal data in which all of it was caught; 1 when there are none."""
        return self.calls_without_leak / self.calls_with_pii if self.calls_with_pii else 1.0

    @property
    def over_masking(self) -> float:
        """Share of plain speech that was masked."""
        return self.over_masked_s / self.plain_speech_s if self.plain_speech_s else 0.0

    @property
    def over_masking_beyond_collar(self) -> float:
        """Share of plain speech that was masked further than the collar from personal data."""
        return self.over_masked_beyond_collar_s / self.plain_speech_s if self.plain_speech_s else 0.0


def score_spans(calls: Iterable[MaskedCall], *, caught_at: float = 0.9, collar_s: float = 0.25) -> SpanScore:
    """Score the masks of a set of calls.

    Args:
        calls: Labels and masks.
        caught_at: Share of a stretch that must be masked, 0 to 1.
        collar_s: Seconds around personal data that the second figure of over-masking forgives.
    """
    tally = _Tally()
    for call in calls:
        masks = _masks_by_channel(call)
        _count_pii(tally, call.truth, masks, caught_at)
        _count_speech(tally, call.truth, masks, collar_s)
        for benign in call.truth.benign:
            tally.benign[benign.kind] += 1
            tally.benign_hits[benign.kind] += _share(masks, benign.span) >= _BENIGN_HIT
    return tally.score()


@dataclass(slots=True)
class _Tally:
    """Sums over the calls so far."""

    calls: int = 0
    duration_s: float = 0.0
    found: list[tuple[TruthPii, float, bool]] = field(default_factory=list)
    mentions: dict[tuple[str, object], bool] = field(default_factory=dict)
    leaks: list[Leak] = field(default_factory=list)
    calls_with_pii: int = 0
    calls_without_leak: int = 0
    plain_s: float = 0.0
    over_s: float = 0.0
    over_beyond_s: float = 0.0
    masked_s: float = 0.0
    silence_s: float = 0.0
    benign: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    benign_hits: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def score(self) -> SpanScore:
        kinds = sorted({pii.entity for pii, _, _ in self.found})
        return SpanScore(
            calls=self.calls,
            duration_s=self.duration_s,
            total=_recall(self.found),
            by_entity={kind: _recall([f for f in self.found if f[0].entity is kind]) for kind in kinds},
            mentions=len(self.mentions),
            mentions_caught=sum(self.mentions.values()),
            leaks=tuple(self.leaks),
            calls_with_pii=self.calls_with_pii,
            calls_without_leak=self.calls_without_leak,
            plain_speech_s=self.plain_s,
            over_masked_s=self.over_s,
            over_masked_beyond_collar_s=self.over_beyond_s,
            masked_s=self.masked_s,
            masked_silence_s=self.silence_s,
            benign=dict(sorted(self.benign.items())),
            benign_hits=dict(sorted(self.benign_hits.items())),
        )


def _count_pii(tally: _Tally, truth: TruthCall, masks: Mapping[int, Times], caught_at: float) -> None:
    leaks_before = len(tally.leaks)
    for pii in truth.pii:
        span, share = pii.span, _share(masks, pii.span)
        caught = share >= caught_at
        tally.found.append((pii, share, caught))
        key = (truth.call_id, pii.id if pii.mention is None else pii.mention)
        tally.mentions[key] = tally.mentions.get(key, True) and caught
        if not caught:
            leak = Leak(
                call_id=truth.call_id,
                id=pii.id,
                entity=pii.entity,
                channel=span.channel,
                start_s=span.start_s,
                end_s=span.end_s,
                covered=share,
            )
            tally.leaks.append(leak)
    tally.calls += 1
    tally.duration_s += truth.duration_s
    tally.calls_with_pii += bool(truth.pii)
    tally.calls_without_leak += bool(truth.pii) and len(tally.leaks) == leaks_before


def _count_speech(tally: _Tally, truth: TruthCall, masks: Mapping[int, Times], collar_s: float) -> None:
    for channel, masked in masks.items():
        pii = [(p.span.start_s, p.span.end_s) for p in truth.pii if p.span.channel == channel]
        near = union((start - collar_s, end + collar_s) for start, end in pii)
        optional = _times(truth.optional, channel)
        speech = _times((piece for turn in truth.turns for piece in turn.pieces or (turn.span,)), channel)
        plain = minus(minus(speech, union(pii)), optional)
        tally.plain_s += length_s(plain)
        tally.over_s += length_s(intersect(masked, plain))
        tally.over_beyond_s += length_s(intersect(minus(masked, near), plain))
        tally.masked_s += length_s(masked)
        tally.silence_s += length_s(minus(masked, speech))


def _recall(found: Sequence[tuple[TruthPii, float, bool]]) -> Recall:
    lengths = [pii.span.end_s - pii.span.start_s for pii, _, _ in found]
    return Recall(
        spans=len(found),
        caught=sum(caught for _, _, caught in found),
        spoken_s=sum(lengths),
        masked_s=sum(length * share for length, (_, share, _) in zip(lengths, found, strict=True)),
        untouched=sum(share == 0.0 for _, share, _ in found),
    )


def _masks_by_channel(call: MaskedCall) -> dict[int, Times]:
    return {
        channel: union((m.start_s, m.end_s) for m in call.masks if call.mixed or m.channel == channel)
        for channel in range(len(call.truth.channels))
    }


def _times(spans: Iterable[TruthSpan], channel: int) -> Times:
    return union((span.start_s, span.end_s) for span in spans if span.channel == channel)


def _share(masks: Mapping[int, Times], span: TruthSpan) -> float:
    return covered_s(masks[span.channel], span.start_s, span.end_s) / (span.end_s - span.start_s)
