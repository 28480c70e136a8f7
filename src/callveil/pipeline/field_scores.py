"""How well the redaction does in the field: what reviewers missed and vouched for, beside what was masked."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from callveil.errors import CallveilError, NotFoundError, RefusedError
from callveil.evaluation.interval import wilson
from callveil.kit import Kit, Office
from callveil.pipeline.listen import listen
from callveil.pipeline.redact import redact
from callveil.pipeline.reviews import has_original
from callveil.pipeline.seal import replay_original
from callveil.pipeline.stopwatch import Stopwatch
from callveil.stages.reviewed import DETECTOR
from callveil.vocabulary.ledger import LedgerCall
from callveil.vocabulary.original import Replay
from callveil.vocabulary.pii import Entity, MaskSpan
from callveil.vocabulary.recording import Part
from callveil.vocabulary.reviews import Review, ReviewKind, ReviewState, Stretch

_PAGE = 500
_COPIES = frozenset({DETECTOR, "crosstalk"})
"""Masks that no finding of ours made: a reviewer's, and copies on the other channel."""

_CAUGHT = 0.9
"""Share of its time that must be masked, as in `callveil evaluate`."""

_TOUCHED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldScore:
    """What reviews say of one call.

    Attributes:
        masked: Masks by kind that Callveil made by itself and that nobody vouched against.
        missed: Stretches that reviewers marked.
        over: Stretches that were masked in vain, confirmed with the original.
        reported: Stretches that somebody says were masked in vain, and that nobody has confirmed.
        duration_s: Length of the call.
        again: What a run of today catches: (missed, caught now, over, still masked); None without one.
    """

    masked: Counter[Entity]
    missed: tuple[Stretch, ...]
    over: tuple[Stretch, ...]
    reported: tuple[Stretch, ...]
    duration_s: float
    again: tuple[int, int, int, int] | None = None


@dataclass(slots=True)
class _Reviewed:
    """Reviews of one call that count."""

    reviews: list[Review] = field(default_factory=list)

    def stretches(self, of: Callable[[Review], bool]) -> tuple[Stretch, ...]:
        return distinct(one for review in self.reviews if of(review) for one in review.stretches)


def field_scores(
    office: Office, kit: Callable[[], Kit] | None, *, actor: str, on_call: Callable[[str], None]
) -> tuple[FieldScore, ...]:
    """Score every published call that somebody reviewed.

    Args:
        office: For the reviews, the certificates and the originals.
        kit: Builds engines to redact sealed originals once more with; None for no second run.
        actor: Who opens the originals, for the audit chain.
        on_call: Told each call.

    Raises:
        StoreError: The store failed.
        LedgerError: The ledger failed.
    """
    scores = []
    for call_id, reviewed in sorted(_reviewed(office).items()):
        on_call(call_id)
        found = office.ledger.get(call_id)
        document = _certificate(found, office)
        if document is None:
            continue
        missed = reviewed.stretches(lambda r: r.kind is ReviewKind.MISSED)
        over = reviewed.stretches(lambda r: r.kind is ReviewKind.OVER and r.confirmed_by is not None)
        reported = reviewed.stretches(lambda r: r.kind is ReviewKind.OVER and r.confirmed_by is None)
        spans = document["masked_spans"]
        again = None
        if kit is not None and (missed or over) and has_original(call_id, office):
            again = _again(found, missed, over, office, kit(), actor)
        scores.append(
            FieldScore(
                masked=Counter(Entity(s["entity"]) for s in spans if _is_ours(s, over)),
                missed=missed,
                over=over,
                reported=reported,
                duration_s=document["audio"]["duration_s"],
                again=again,
            )
        )
    return tuple(scores)


def distinct(stretches: Iterable[Stretch]) -> tuple[Stretch, ...]:
    """Stretches without those that overlap an earlier one of their channel: two people marked the same."""
    kept: list[Stretch] = []
    for one in stretches:
        if not any(o.channel == one.channel and _overlap_s(o, one) > 0 for o in kept):
            kept.append(one)
    return tuple(kept)


def score_fields(scores: Sequence[FieldScore]) -> dict[str, Any]:
    """The result as JSON: figures only."""
    masked = sum((score.masked for score in scores), Counter[Entity]())
    missed, over, reported = (
        Counter(one.entity for score in scores for one in getattr(score, name))
        for name in ("missed", "over", "reported")
    )
    clean = sum(not score.missed for score in scores)
    kinds = sorted({*masked, *missed, *over, *reported})
    return {
        "calls": len(scores),
        "minutes": round(sum(score.duration_s for score in scores) / 60, 2),
        "calls_without_miss": _share(clean, len(scores)),
        "total": _rates(masked.total(), missed.total(), over.total(), reported.total()),
        "by_entity": {
            kind.value: _rates(masked[kind], missed[kind], over[kind], reported[kind]) for kind in kinds
        },
        "again": _again_fields([score.again for score in scores if score.again is not None]),
    }


def _rates(masked: int, missed: int, over: int, reported: int) -> dict[str, Any]:
    made = masked + over
    return {
        "masked": masked,
        "missed": missed,
        "recall": _share(masked, masked + missed),
        "over": over,
        "over_reported": reported,
        "over_rate": _share(over, made),
    }


def _share(hits: int, cases: int) -> dict[str, Any]:
    low, high = wilson(hits, cases)
    return {
        "share": round(hits / cases, 4) if cases else None,
        "hits": hits,
        "cases": cases,
        "low": round(low, 4),
        "high": round(high, 4),
    }


def _again_fields(found: Sequence[tuple[int, int, int, int]]) -> dict[str, Any] | None:
    if not found:
        return None
    missed, caught, over, still = (sum(numbers) for numbers in zip(*found, strict=True))
    return {
        "calls": len(found),
        "missed_then_caught_now": _share(caught, missed),
        "over_then_masked_still": _share(still, over),
    }


def _reviewed(office: Office) -> Mapping[str, _Reviewed]:
    found: dict[str, _Reviewed] = {}
    after: str | None = None
    while page := office.books.reviews.all(after=after, limit=_PAGE):
        for review in page:
            heard = review.kind in (ReviewKind.CLEAN, ReviewKind.MISSED, ReviewKind.OVER)
            if heard and review.state is not ReviewState.REFUSED:
                found.setdefault(review.call_id, _Reviewed()).reviews.append(review)
        after = page[-1].review_id
    return found


def _certificate(found: LedgerCall, office: Office) -> dict[str, Any] | None:
    if found.prefix is None or office.books.requests.restriction(found.call_id) is not None:
        return None
    try:
        document: dict[str, Any] = json.loads(office.store.get(found.prefix + Part.CERTIFICATE))
    except NotFoundError:
        return None
    return document


def _is_ours(span: Mapping[str, Any], over: Sequence[Stretch]) -> bool:
    if span["detector"] in _COPIES:
        return False
    return not any(
        one.channel == span["channel"] and one.start_s < span["end_s"] and one.end_s > span["start_s"]
        for one in over
    )


def _again(
    found: LedgerCall,
    missed: Sequence[Stretch],
    over: Sequence[Stretch],
    office: Office,
    kit: Kit,
    actor: str,
) -> tuple[int, int, int, int] | None:
    """Redact the original with today's engines and rules, without what reviewers said; nothing is stored."""
    if office.originals is None:
        return None

    def audit(what: Replay) -> None:
        office.ledger.note(
            actor=what.actor,
            action="original.opened",
            call_id=what.call_id,
            detail={"reason": what.reason},
            now=what.at,
        )

    watch = Stopwatch()
    try:
        with replay_original(
            found.call_id,
            actor=actor,
            reason="To evaluate what reviewers marked.",
            audit=audit,
            originals=office.originals,
            now=office.clock.now(),
            max_duration_s=kit.audio_limits.max_duration_s,
        ) as recording:
            heard = listen(
                recording,
                kit,
                language=found.call.language,
                until_s=None,
                watch=watch,
                on_progress=lambda _: None,
            )
            with redact(recording, heard, found.call, kit, watch, until_s=None) as redaction:
                spans = redaction.spans
    except (RefusedError, NotFoundError):
        return None
    except CallveilError:
        return len(missed), 0, len(over), 0
    caught = sum(_covered(one, spans) >= _CAUGHT for one in missed)
    still = sum(_covered(one, spans) >= _TOUCHED for one in over)
    return len(missed), caught, len(over), still


def _covered(one: Stretch, spans: Sequence[MaskSpan]) -> float:
    covered_s = sum(
        max(0.0, min(one.end_s, span.end_s) - max(one.start_s, span.start_s))
        for span in spans
        if span.channel == one.channel
    )
    return covered_s / (one.end_s - one.start_s)


def _overlap_s(one: Stretch, other: Stretch) -> float:
    return min(one.end_s, other.end_s) - max(one.start_s, other.start_s)
