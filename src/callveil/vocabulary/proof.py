"""Proof: what a second recogniser still heard in the masked audio."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from callveil.vocabulary.pii import Finding


class VerifyScope(StrEnum):
    """How much of the masked audio the second recogniser hears."""

    ALL = "all"
    """All speech that is left."""
    NEAR = "near"
    """What lies near masks, digits, unsure words and speech without words."""


class VerifyResult(StrEnum):
    """How verifying ended."""

    CLEAN = "clean"
    """No personal data was heard any more."""
    LEAK = "leak"
    """Still some after the last round; the call is quarantined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What came of verifying one call.

    Attributes:
        result: How it ended.
        scope: How much was heard.
        rounds: How often the masked audio was heard.
        heard_s: Seconds of speech heard, channels and rounds added up.
        widened: How many findings of the second recogniser were masked in addition.
        left: How many it still had after the last round; 0 when clean.
        findings: What it still had, when that is known.
    """

    result: VerifyResult
    scope: VerifyScope
    rounds: int
    heard_s: float
    widened: int = 0
    left: int = 0
    findings: tuple[Finding, ...] = ()

    @property
    def reason(self) -> str:
        """Why a call is quarantined, in one sentence without personal data."""
        findings = "finding" if self.left == 1 else "findings"
        return f"{self.left} {findings} could still be heard after round {self.rounds}."
