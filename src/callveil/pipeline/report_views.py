"""What the report shows of one call, ready to print: plain numbers, words and places in percent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from callveil.adapters.audio_peaks import peaks
from callveil.adapters.store_rules import is_restricted
from callveil.vocabulary.pii import Entity

MAX_EMBEDDED_BYTES = 3_000_000
"""Larger recordings are named instead of embedded: a browser must hold the whole page."""

_N_BINS = 700
_TICK_S = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)

_FAMILIES = {
    "identity": (Entity.PERSON, Entity.DATE_OF_BIRTH, Entity.NATIONAL_ID),
    "contact": (Entity.PHONE_NUMBER, Entity.EMAIL_ADDRESS, Entity.ADDRESS),
    "card": (Entity.CREDIT_CARD, Entity.CARD_SECURITY_CODE, Entity.CARD_EXPIRY),
    "bank": (Entity.BANK_ACCOUNT, Entity.SORT_CODE, Entity.ROUTING_NUMBER, Entity.IBAN),
    "secret": (Entity.PASSWORD_OR_PIN, Entity.DTMF),
    "number": (Entity.REFERENCE_NUMBER, Entity.NUMBER),
    "health": (Entity.MEDICAL,),
}
_PLACES = {
    entity.value: (family, member)
    for family, entities in _FAMILIES.items()
    for member, entity in enumerate(entities)
}
_LABELS = {
    Entity.PERSON: ("Name", "Nam"),
    Entity.PHONE_NUMBER: ("Phone number", "Tel"),
    Entity.EMAIL_ADDRESS: ("E-mail address", "Mail"),
    Entity.ADDRESS: ("Address", "Adr"),
    Entity.CREDIT_CARD: ("Card number", "Card"),
    Entity.CARD_SECURITY_CODE: ("Card security code", "CVV"),
    Entity.CARD_EXPIRY: ("Card expiry", "Exp"),
    Entity.BANK_ACCOUNT: ("Bank account", "Acc"),
    Entity.SORT_CODE: ("Sort code", "Sort"),
    Entity.ROUTING_NUMBER: ("Routing number", "Rtg"),
    Entity.IBAN: ("IBAN", "IBAN"),
    Entity.NATIONAL_ID: ("National ID", "ID"),
    Entity.DATE_OF_BIRTH: ("Date of birth", "DoB"),
    Entity.PASSWORD_OR_PIN: ("Password or PIN", "Pin"),
    Entity.REFERENCE_NUMBER: ("Reference number", "Ref"),
    Entity.NUMBER: ("Number", "Num"),
    Entity.DTMF: ("Key tones", "Keys"),
    Entity.MEDICAL: ("Medical", "Med"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of personal data as the report names it.

    Attributes:
        entity: Its name in the documents: "CREDIT_CARD".
        label: For people: "Card number".
        short: For narrow places: "Card".
        family: Group of kinds that share a colour and a kind of pattern.
        member: Place in the family, from 0; sets the density of the pattern.
    """

    entity: str
    label: str
    short: str
    family: str
    member: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KindTotal:
    """How much of a kind was masked; `share` is relative to the largest, 0 to 1."""

    kind: Kind
    count: int
    masked_s: float
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskView:
    """A masked stretch; `left` and `width` are percent of the call."""

    kind: Kind
    start_s: float
    end_s: float
    left: float
    width: float
    detector: str
    score: float
    who: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackView:
    """One channel: who is on it, its outline as an SVG path in a box of 1000 x 100, and its masks."""

    who: str
    number: int
    path: str
    masks: tuple[MaskView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bit:
    """A run of plain words, or one masked run with its kind."""

    text: str
    kind: Kind | None = None
    start_s: float = 0.0
    end_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnView:
    """A turn of the transcript."""

    speaker: str
    channel: int
    start_s: float
    bits: tuple[Bit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark of the time axis; `left` in percent."""

    left: float
    second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallView:
    """One published call; `proof` says how it was proven clean, None where it was not.

    Without `has_audio` or `has_transcript` retention or erasure has deleted that part, or the call is
    restricted and neither is shown.
    """

    call_id: str
    started_at: datetime
    duration_s: float
    masked_s: float
    language: str
    certificate: Mapping[str, Any]
    proof: str | None
    tags: Mapping[str, str]
    kinds: tuple[KindTotal, ...]
    tracks: tuple[TrackView, ...]
    ticks: tuple[Tick, ...]
    turns: tuple[TurnView, ...]
    audio_key: str
    audio_bytes: int
    audio_uri: str | None
    has_audio: bool
    has_transcript: bool
    is_restricted: bool


def call_view(
    *,
    audio_key: str,
    certificate: Mapping[str, Any],
    transcript: Mapping[str, Any] | None,
    audio: bytes | None,
    tags: Mapping[str, str],
    may_embed: bool = True,
) -> CallView:
    """Lay out one call.

    Args:
        audio_key: Key of the redacted audio.
        certificate: Content of certificate.json.
        transcript: Content of transcript.json; None when it was deleted, or the call is restricted.
        audio: Content of the redacted audio; None when it was deleted, or the call is restricted.
        tags: Of the certificate.
        may_embed: Put the audio into the page when it is small enough.

    Raises:
        AudioError: The audio cannot be decoded.
        KeyError: A document lacks a field.
    """
    spans, duration_s = certificate["masked_spans"], certificate["audio"]["duration_s"]
    # Without its recording a call is a flat line, with the masks where they were.
    outline = (
        np.zeros((certificate["audio"]["channels"], _N_BINS), np.float32)
        if audio is None
        else peaks(audio, n_bins=_N_BINS)
    )
    loudest = max(float(np.quantile(outline, 0.995)), 1e-3)
    turns, language = ([], "") if transcript is None else (transcript["turns"], transcript["language"])
    names = _speakers(turns, len(outline))
    return CallView(
        call_id=certificate["call_id"],
        started_at=datetime.fromisoformat(certificate["started_at"]),
        duration_s=duration_s,
        masked_s=masked_seconds(spans),
        language=language,
        certificate=certificate,
        proof=_proof(certificate),
        tags=dict(sorted(tags.items())),
        kinds=kind_totals(spans),
        tracks=tuple(
            TrackView(
                who=names[channel],
                number=channel,
                path=_path(outline[channel] / loudest),
                masks=tuple(
                    _mask(span, names[channel], duration_s) for span in spans if span["channel"] == channel
                ),
            )
            for channel in range(len(outline))
        ),
        ticks=_ticks(duration_s),
        turns=tuple(turn_view(turn) for turn in turns),
        audio_key=audio_key,
        audio_bytes=len(audio or b""),
        audio_uri=_data_uri(audio) if audio and may_embed and len(audio) <= MAX_EMBEDDED_BYTES else None,
        has_audio=audio is not None,
        has_transcript=transcript is not None,
        is_restricted=is_restricted(tags),
    )


def kind_of(entity: str) -> Kind:
    """How the report names a kind; one it does not know keeps its own name."""
    label, short = _LABELS[Entity(entity)] if entity in Entity.__members__ else (entity, "?")
    family, member = _PLACES.get(entity, ("number", 1))
    return Kind(entity=entity, label=label, short=short, family=family, member=member)


def kind_totals(spans: Sequence[Mapping[str, Any]]) -> tuple[KindTotal, ...]:
    """Masked stretches added up by kind, the longest first; every channel counts."""
    counts: dict[str, int] = {}
    lengths: dict[str, float] = {}
    for span in spans:
        entity = span["entity"]
        counts[entity] = counts.get(entity, 0) + 1
        lengths[entity] = lengths.get(entity, 0.0) + span["end_s"] - span["start_s"]
    largest = max(lengths.values(), default=1.0) or 1.0
    return tuple(
        KindTotal(kind=kind_of(entity), count=counts[entity], masked_s=length, share=length / largest)
        for entity, length in sorted(lengths.items(), key=lambda item: (-item[1], item[0]))
    )


def masked_seconds(spans: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of the call that are masked on any channel."""
    edges = sorted((span["start_s"], span["end_s"]) for span in spans)
    total, reached = 0.0, 0.0
    for start, end in edges:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _proof(certificate: Mapping[str, Any]) -> str | None:
    """What another recogniser heard of the masked audio, in one sentence."""
    verify = certificate["verify"]
    if verify["result"] != "clean":
        return None
    listener = next((e["name"] for e in certificate["engines"] if e["role"] == "listener"), "the listener")
    rounds, widened = verify["rounds"], verify["widened"]
    what = "the speech that is left" if verify["scope"] == "all" else "the speech near masks and digits"
    masked = {0: "", 1: "; one thing it had heard was masked too"}.get(
        widened, f"; {widened} things it had heard were masked too"
    )
    return (
        f"clean after {rounds} {'round' if rounds == 1 else 'rounds'}: {listener} heard {what} "
        f"({verify['heard_s']:.1f} s), and no personal data was found in it{masked}."
    )


def _speakers(turns: Sequence[Mapping[str, Any]], channels: int) -> list[str]:
    names: list[dict[str, None]] = [{} for _ in range(channels)]
    for turn in turns:
        if turn["channel"] < channels:
            names[turn["channel"]][turn["speaker"]] = None
    return [" and ".join(found) or f"channel {i}" for i, found in enumerate(names)]


def _path(outline: NDArray[np.float32]) -> str:
    """A closed outline, mirrored at the middle, never thinner than a hair line."""
    heights = 0.6 + 47.0 * np.minimum(outline, 1.0)
    x = np.linspace(0.0, 1000.0, len(outline))
    upper = [f"{a:.1f} {50 - h:.1f}" for a, h in zip(x, heights, strict=True)]
    lower = [f"{a:.1f} {50 + h:.1f}" for a, h in zip(x[::-1], heights[::-1], strict=True)]
    return f"M{'L'.join([*upper, *lower])}Z"


def _mask(span: Mapping[str, Any], who: str, duration_s: float) -> MaskView:
    return MaskView(
        kind=kind_of(span["entity"]),
        start_s=span["start_s"],
        end_s=span["end_s"],
        left=100 * span["start_s"] / duration_s,
        width=100 * (span["end_s"] - span["start_s"]) / duration_s,
        detector=span["detector"],
        score=span["score"],
        who=who,
    )


def _ticks(duration_s: float) -> tuple[Tick, ...]:
    step = next((step for step in _TICK_S if duration_s / step <= 8), _TICK_S[-1])
    marks = (float(second) for second in range(0, int(duration_s) + 1, step))
    # A mark at the very end would stick out of the picture.
    return tuple(
        Tick(left=100 * second / duration_s, second=second) for second in marks if second < 0.96 * duration_s
    )


def turn_view(turn: Mapping[str, Any]) -> TurnView:
    """Lay out a turn of transcript.json."""
    bits = [
        Bit(
            text=word["text"],
            kind=kind_of(word["entity"]) if word.get("entity") else None,
            start_s=word["start_s"],
            end_s=word["end_s"],
        )
        for word in turn["words"]
    ]
    return TurnView(
        speaker=turn["speaker"], channel=turn["channel"], start_s=turn["start_s"], bits=_joined(bits)
    )


def _joined(bits: Sequence[Bit]) -> tuple[Bit, ...]:
    """Plain words between masked runs as one text."""
    cuts = [i for i, bit in enumerate(bits) if i == 0 or bit.kind or bits[i - 1].kind]
    runs = [bits[a:b] for a, b in pairwise([*cuts, len(bits)])]
    return tuple(run[0] if run[0].kind else Bit(text=" ".join(b.text for b in run if b.text)) for run in runs)


def _data_uri(audio: bytes) -> str:
    return f"data:audio/flac;base64,{b64encode(audio).decode()}"
