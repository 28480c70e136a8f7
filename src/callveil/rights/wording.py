"""Words and times for people, the same in every document here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from callveil.vocabulary.consent import Flag, LawfulBasis, Method, Purpose
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.retention import KeptPart

PURPOSES: Mapping[Purpose, str] = MappingProxyType(
    {
        Purpose.RECORDING: "recording the call",
        Purpose.TRANSCRIPTION: "writing down what was said",
        Purpose.QUALITY_REVIEW: "checking and improving our service",
        Purpose.ANALYTICS: "statistics and analysis",
    }
)

BASES: Mapping[LawfulBasis, str] = MappingProxyType(
    {
        LawfulBasis.CONSENT: "consent (GDPR Art. 6(1)(a))",
        LawfulBasis.CONTRACT: "a contract (GDPR Art. 6(1)(b))",
        LawfulBasis.LEGAL_OBLIGATION: "a legal obligation (GDPR Art. 6(1)(c))",
        LawfulBasis.VITAL_INTERESTS: "vital interests (GDPR Art. 6(1)(d))",
        LawfulBasis.PUBLIC_TASK: "a public task (GDPR Art. 6(1)(e))",
        LawfulBasis.LEGITIMATE_INTERESTS: "legitimate interests (GDPR Art. 6(1)(f))",
    }
)

FLAGS: Mapping[Flag, str] = MappingProxyType(
    {
        Flag.GRANTED: "agreed",
        Flag.DENIED: "refused",
        Flag.UNKNOWN: "no answer",
        Flag.WITHDRAWN: "withdrawn",
    }
)

METHODS: Mapping[Method, str] = MappingProxyType(
    {
        Method.ANNOUNCEMENT: "by staying on the line after the announcement",
        Method.KEYPRESS: "by pressing a key",
        Method.VERBAL: "by saying so in the call",
        Method.CONTRACT: "in a contract",
    }
)

PARTS: Mapping[KeptPart, str] = MappingProxyType(
    {
        KeptPart.AUDIO: "the redacted recording",
        KeptPart.TRANSCRIPT: "the redacted transcript",
        KeptPart.ORIGINAL: "the original, encrypted",
        KeptPart.CERTIFICATE: "the record of what was done",
    }
)

STATES: Mapping[CallState, str] = MappingProxyType(
    {
        CallState.RECEIVED: "It has arrived, encrypted, and it is not decided yet whether it may be kept.",
        CallState.HELD: "It waits, encrypted, for an answer about consent; without one it is deleted.",
        CallState.KEPT: "It waits, encrypted, to be redacted.",
        CallState.PROCESSING: "It is being redacted now.",
        CallState.PUBLISHED: "It is kept in redacted form.",
        CallState.QUARANTINED: "It could not be redacted safely, so it lies encrypted and is not used.",
        CallState.DISCARDED: "It was not kept: there is no recording, only the note that it was discarded.",
        CallState.FAILED: "It could not be processed, so it lies encrypted and is not used.",
        CallState.ERASED: "It was erased.",
    }
)


def stamp(moment: datetime) -> str:
    """For JSON: RFC 3339 with milliseconds and "Z".

    Args:
        moment: Aware, in any zone.
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(moment: datetime) -> str:
    """For people: "23 November 2026"."""
    utc = moment.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"


def day_and_time(moment: datetime) -> str:
    """For people: "23 November 2026, 09:30 UTC"."""
    return f"{day(moment)}, {moment.astimezone(UTC):%H:%M} UTC"


def counted(n: int, one: str, many: str) -> str:
    """For people: "1 call", "2 calls"."""
    return f"{n} {one if n == 1 else many}"


def joined(words: list[str]) -> str:
    """For people: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
