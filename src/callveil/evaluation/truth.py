"""What was really said in a call of a labelled set.

Its JSON form stands in FORMATS.md, "Truth of a labelled call".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from callveil.errors import MetadataError
from callveil.vocabulary.pii import Entity

_Number = TypeVar("_Number", int, float)

_OTHER_NAMES = {
    "US_SSN": Entity.NATIONAL_ID,
    "UK_NINO": Entity.NATIONAL_ID,
    "ACCOUNT_OR_POLICY_NUMBER": Entity.REFERENCE_NUMBER,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthSpan:
    """A stretch of one channel with something said in it, in seconds from the start of the call."""

    channel: int
    start_s: float
    end_s: float
    text: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthTurn:
    """What one speaker said without a turn of another in between.

    Attributes:
        speaker: "agent", "customer", "agent2" after a transfer.
        span: Where, and the words as they would be read out.
        pieces: Stretches of speech inside, without the pauses; empty when not known.
    """

    speaker: str
    span: TruthSpan
    pieces: tuple[TruthSpan, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthPii:
    """One stretch of spoken personal data that must be masked.

    Attributes:
        id: Name within the set.
        entity: Its kind, in our names.
        span: Where.
        mention: Stretches of one interrupted value share this number; None when it was not interrupted.
        partial: "last4", "partial", "misheard"; None for a whole value.
        canonical: The value as one would write it down, the whole of it also where it was interrupted; None
            when not known.
    """

    id: str
    entity: Entity
    span: TruthSpan
    mention: int | None = None
    partial: str | None = None
    canonical: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthBenign:
    """Something that looks like personal data and must not be masked: a price, a date, a company."""

    kind: str
    span: TruthSpan


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthCall:
    """All labels of one call.

    Attributes:
        call_id: The call.
        duration_s: Its length in seconds.
        channels: What each channel carries, by number: "agent", "customer", "mixed".
        turns: By start.
        pii: Must be masked.
        optional: Neither rewarded nor punished, such as the agent's own first name.
        benign: Must not be masked.
    """

    call_id: str
    duration_s: float
    channels: tuple[str, ...]
    turns: tuple[TruthTurn, ...]
    pii: tuple[TruthPii, ...]
    optional: tuple[TruthSpan, ...] = ()
    benign: tuple[TruthBenign, ...] = ()


def parse_truth(content: bytes, *, source: str) -> TruthCall:
    """Read the truth of one call.

    Args:
        content: JSON.
        source: Name of the file, for messages.

    Raises:
        MetadataError: It is not JSON, or a field is missing or of another kind; the message names it.
    """
    try:
        document = json.loads(content)
    except ValueError as error:
        raise MetadataError(f"{source}: not valid JSON") from error
    if not isinstance(document, Mapping):
        raise MetadataError(f"{source}: not a JSON object")
    root = _Node(document, source)
    n_channels = len(root.mapping("channels"))
    return TruthCall(
        call_id=root.text("call_id"),
        duration_s=root.number("duration_s", float),
        channels=tuple(root.child("channels").text(str(number)) for number in range(n_channels)),
        turns=tuple(_turn(node, n_channels) for node in root.nodes("turns")),
        pii=tuple(_pii(node, n_channels, i) for i, node in enumerate(root.nodes("pii"))),
        optional=tuple(_span(node, n_channels) for node in root.nodes("optional")),
        benign=tuple(
            TruthBenign(kind=node.text("kind"), span=_span(node, n_channels)) for node in root.nodes("benign")
        ),
    )


def _turn(node: _Node, n_channels: int) -> TruthTurn:
    span = _span(node, n_channels, text="text")
    return TruthTurn(
        speaker=node.text("speaker"),
        span=span,
        pieces=tuple(
            _span(piece, n_channels, text="text", channel=span.channel)
            for piece in (node.nodes("pieces") if "pieces" in node.value else ())
        ),
    )


def _pii(node: _Node, n_channels: int, index: int) -> TruthPii:
    name = node.text("entity")
    if name not in _OTHER_NAMES and name not in Entity.__members__:
        raise MetadataError(f"{node.place}.entity: unknown kind; allowed: {', '.join(Entity)}")
    partial, canonical = node.value.get("partial"), node.value.get("canonical_value")
    return TruthPii(
        id=node.text("id") if "id" in node.value else str(index),
        entity=_OTHER_NAMES.get(name) or Entity(name),
        span=_span(node, n_channels),
        mention=node.number("group", int) if "group" in node.value else None,
        partial=None if partial is None else node.text("partial"),
        canonical=None if canonical is None else node.text("canonical_value"),
    )


def _span(
    node: _Node, n_channels: int, *, text: str = "spoken_text", channel: int | None = None
) -> TruthSpan:
    number = node.number("channel", int) if channel is None else channel
    if not 0 <= number < n_channels:
        raise MetadataError(f"{node.place}.channel: the call has {n_channels} channels")
    start_s, end_s = node.number("start_s", float), node.number("end_s", float)
    if not 0 <= start_s < end_s:
        raise MetadataError(f"{node.place}: start_s must be at least 0 and less than end_s")
    return TruthSpan(channel=number, start_s=start_s, end_s=end_s, text=node.text(text))


class _Node:
    """A JSON object that knows where it stands in the file."""

    def __init__(self, value: Mapping[str, object], place: str) -> None:
        self.value = value
        self.place = place

    def text(self, key: str) -> str:
        value = self._get(key)
        if not isinstance(value, str):
            raise MetadataError(f"{self.place}.{key}: not text")
        return value

    def number(self, key: str, kind: type[_Number]) -> _Number:
        value = self._get(key)
        allowed = int if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, allowed):
            raise MetadataError(f"{self.place}.{key}: not a{'n integer' if kind is int else ' number'}")
        return kind(value)

    def mapping(self, key: str) -> Mapping[str, object]:
        value = self._get(key)
        if not isinstance(value, Mapping):
            raise MetadataError(f"{self.place}.{key}: not an object")
        return value

    def child(self, key: str) -> _Node:
        return _Node(self.mapping(key), f"{self.place}.{key}")

    def nodes(self, key: str) -> Iterable[_Node]:
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise MetadataError(f"{self.place}.{key}: not a list of objects")
        return [_Node(item, f"{self.place}.{key}[{i}]") for i, item in enumerate(value)]

    def _get(self, key: str) -> object:
        if key not in self.value:
            raise MetadataError(f"{self.place}.{key}: missing")
        return self.value[key]
