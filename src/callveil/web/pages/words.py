"""What pages call things, for people who are not engineers. Templates have these as functions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from callveil.pipeline.report_views import kind_of
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.retention import KeptPart
from callveil.vocabulary.reviews import OverReason
from callveil.vocabulary.search import CallFlag

STATES: Mapping[CallState, tuple[str, str]] = MappingProxyType(
    {
        CallState.RECEIVED: ("Received", ""),
        CallState.HELD: ("Waits for consent", "warn"),
        CallState.KEPT: ("Waits for work", ""),
        CallState.PROCESSING: ("In work", ""),
        CallState.PUBLISHED: ("Published", "good"),
        CallState.QUARANTINED: ("Quarantined", "warn"),
        CallState.DISCARDED: ("Discarded", ""),
        CallState.FAILED: ("Failed", "bad"),
        CallState.ERASED: ("Erased", ""),
    }
)
"""What a state is called, and its tone: a class of badges."""

FLAGS: Mapping[CallFlag, str] = MappingProxyType(
    {
        CallFlag.ON_HOLD: "Legal hold",
        CallFlag.RESTRICTED: "Restricted",
        CallFlag.GONE: "Parts deleted",
    }
)

PARTS: Mapping[KeptPart, str] = MappingProxyType(
    {
        KeptPart.AUDIO: "recording",
        KeptPart.TRANSCRIPT: "transcript",
        KeptPart.ORIGINAL: "original",
        KeptPart.CERTIFICATE: "certificate",
    }
)

OVER_REASONS: Mapping[OverReason, str] = MappingProxyType(
    {
        OverReason.OWN_NAME: "the company, its products or its own numbers",
        OverReason.AMOUNT: "an amount",
        OverReason.TIME: "a time that tells nothing of a person",
        OverReason.WORD: "an ordinary word",
        OverReason.NOTHING: "nobody speaks there",
    }
)
"""Why something need not be masked."""

_FAMILIES = ("identity", "contact", "card", "bank", "secret", "number", "health")


def state_words(state: CallState | str) -> str:
    """What a state is called."""
    return STATES[CallState(state)][0]


def state_tone(state: CallState | str) -> str:
    """The tone of a state: "good", "warn", "bad" or empty."""
    return STATES[CallState(state)][1]


def kind_words(kind: Entity | str) -> str:
    """What a kind of personal data is called."""
    return kind_of(str(kind)).label


def kind_short(kind: Entity | str) -> str:
    """The same for narrow places."""
    return kind_of(str(kind)).short


def kind_number(kind: Entity | str) -> int:
    """Number of the colour that the kinds of a family share, from 1: `.kind-N`, `--kind-N`."""
    return _FAMILIES.index(kind_of(str(kind)).family) + 1


def who(actor: str) -> str:
    """Somebody of the audit chain, as colleagues call them."""
    return actor.removeprefix("user:")


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC, for machines."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def utc_words(moment: datetime) -> str:
    """As it stands until the browser puts it into its own zone, or without scripts."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def utc_day(moment: datetime) -> str:
    """The same without the time of day."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y}"


def length_words(seconds: float) -> str:
    """Minutes and seconds, "4:07"; with hours "1:04:07"."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def for_templates() -> dict[str, object]:
    """All of it by name."""
    each = (state_words, state_tone, kind_words, kind_short, kind_number, who, iso, utc_words, utc_day)
    return {function.__name__: function for function in (*each, length_words)}
