"""Personal data: its kinds, and where it was found. Findings carry time, never the text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Entity(StrEnum):
    """Kinds of personal data; the names follow Presidio where it has one."""

    PERSON = "PERSON"
    PHONE_NUMBER = "PHONE_NUMBER"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"
    ADDRESS = "ADDRESS"
    CREDIT_CARD = "CREDIT_CARD"
    CARD_SECURITY_CODE = "CARD_SECURITY_CODE"
    CARD_EXPIRY = "CARD_EXPIRY"
    BANK_ACCOUNT = "BANK_ACCOUNT"
    SORT_CODE = "SORT_CODE"
    ROUTING_NUMBER = "ROUTING_NUMBER"
    IBAN = "IBAN"
    NATIONAL_ID = "NATIONAL_ID"
    DATE_OF_BIRTH = "DATE_OF_BIRTH"
    PASSWORD_OR_PIN = "PASSWORD_OR_PIN"  # noqa: S105  the name of a kind, not a password
    REFERENCE_NUMBER = "REFERENCE_NUMBER"
    NUMBER = "NUMBER"
    """A run of digits that looks personal and whose kind the dialogue does not tell."""
    DTMF = "DTMF"
    MEDICAL = "MEDICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Personal data at a place in the call.

    Attributes:
        entity: Its kind.
        channel: Channel it was said on.
        start_s: Start of its first word, in seconds, without padding.
        end_s: End of its last word, in seconds, without padding.
        score: 0 to 1.
        detector: Name of the recogniser that found it.
    """

    entity: Entity
    channel: int
    start_s: float
    end_s: float
    score: float
    detector: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskSpan:
    """A stretch of one channel that is masked: findings with padding, snapped to pauses and joined.

    Attributes:
        channel: Channel, from 0.
        start_s: Start in seconds.
        end_s: End in seconds.
        entity: Kind of the finding with the highest score among those joined.
        detector: Its recogniser.
        score: Its score.
        others: Kinds of the other findings joined into it.
    """

    channel: int
    start_s: float
    end_s: float
    entity: Entity
    detector: str
    score: float
    others: frozenset[Entity] = frozenset()

    @property
    def kinds(self) -> frozenset[Entity]:
        """Kinds of all findings in it."""
        return self.others | {self.entity}
