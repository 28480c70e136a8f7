"""The record of processing activities (GDPR Art. 30(1)), as far as settings can tell it. Pure.

What only the controller knows is a blank, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from callveil.rights.controller import Controller
from callveil.rights.wording import BASES, PURPOSES, stamp
from callveil.vocabulary.consent import AgentConsent, ConsentRules, LateConsent, LawfulBasis, OnWithdrawal

SCHEMA_VERSION = "1.0"
"""Of processing-record.schema.json."""

SUBJECTS = (
    "callers and customers",
    "agents and supervisors who speak in the calls",
    "third persons who speak or are spoken of in the calls",
)
"""Art. 30(1)(c): categories of data subjects."""

BLANKS = (
    "joint controllers and the controller's representative, where there are any (Art. 30(1)(a))",
    "processors: who runs the servers, the object store, the telephone system (Art. 28)",
    "transfers to third countries and their safeguards (Art. 30(1)(e))",
    "who in the organisation has access, and how that is granted and taken away",
    "backups, and how long they are kept",
    "the data protection impact assessment, where one is needed (Art. 35)",
)
"""What only the controller can fill in, besides the empty settings of the controller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelUsed:
    """A model that hears or reads calls.

    Attributes:
        name: Of the model.
        role: What it is for: "transcriber", ...
        summary: In a line.
        licence: Of its weights, SPDX.
        origin: Where it comes from.
    """

    name: str
    role: str
    summary: str
    licence: str
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodKept:
    """How long a policy keeps what, in words.

    Attributes:
        policy: Its name.
        calls: Which calls it is for.
        keep: Part to period: {"the redacted recording": "1 year"}.
        duty: As far as a law demands it.
        maximum: As far as nothing may be kept longer.
        since: What the periods count from.
        law: Why.
    """

    policy: str
    calls: str
    keep: Mapping[str, str]
    duty: Mapping[str, str]
    maximum: Mapping[str, str]
    since: str
    law: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What one profile does with calls.

    Attributes:
        profile: Its name.
        rules: Of the consent gate.
        kinds: Kinds of personal data that are looked for and masked, for people.
        engines: What each engine does to its name.
        models: Models of these engines.
        periods: Policies, in words.
        consent_after_publishing: "erase" or "keep": what a late denial does to a published call.
        measures: Technical measures, in sentences.
        places: Where copies are: what to where.
    """

    profile: str
    rules: ConsentRules
    kinds: Sequence[str]
    engines: Mapping[str, str]
    models: Sequence[ModelUsed]
    periods: Sequence[PeriodKept]
    consent_after_publishing: str
    measures: Sequence[str]
    places: Mapping[str, str]

    @property
    def purposes(self) -> tuple[str, ...]:
        """All purposes that consent can be asked for; a call is kept only for the required ones."""
        required = self.rules.required_purposes
        return tuple(
            text if purpose in required else f"{text} (only where a party agreed to it)"
            for purpose, text in PURPOSES.items()
        )

    @property
    def bases(self) -> tuple[str, ...]:
        """Lawful bases that a call is kept on."""
        accepted = {LawfulBasis.CONSENT, *self.rules.accepted_bases}
        return tuple(text for basis, text in BASES.items() if basis in accepted)

    @property
    def consent_words(self) -> tuple[str, ...]:
        """What the consent gate does, in sentences."""
        rules = self.rules
        agents = {
            AgentConsent.ASSUMED: "Agents and supervisors are taken to have agreed with their contract.",
            AgentConsent.REQUIRED: "Agents and supervisors are asked as everybody is.",
        }[rules.agent_consent]
        late = {
            LateConsent.REFUSE: "consent that comes later does not count",
            LateConsent.ACCEPT: "consent that comes later counts too",
        }[rules.late_consent]
        withdrawal = {
            OnWithdrawal.KEEP_UNTIL: "leaves what was recorded before it",
            OnWithdrawal.DISCARD: "leaves nothing of the recording",
        }[rules.on_withdrawal]
        published = {
            "erase": "A denial or withdrawal that comes later erases the published call.",
            "keep": "A denial or withdrawal that comes later is noted, and the published call stays.",
        }[self.consent_after_publishing]
        return (
            f"A recording is kept only with a basis for every required purpose (rules {rules.version}).",
            f"Consent counts when it came in the first {rules.given_within_s:g} seconds of the call; {late}.",
            f"Without an answer a call waits {rules.hold_days} days, encrypted, and is deleted then.",
            f"A withdrawal in the call {withdrawal}.",
            published,
            agents,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """Everything the record says.

    Attributes:
        created_at: Aware UTC.
        tool_version: Of Callveil.
        controller: Who answers for the processing.
        activities: One for each profile.
        recipients: Name, kind and queues of the systems that get copies; no queues for all.
    """

    created_at: datetime
    tool_version: str
    controller: Controller
    activities: Sequence[Activity]
    recipients: Sequence[tuple[str, str, tuple[str, ...]]]

    @property
    def blanks(self) -> tuple[str, ...]:
        """What is left for the controller to fill in."""
        return (*(f"{setting} in the profile" for setting in self.controller.missing), *BLANKS)


def record_document(facts: RecordFacts) -> dict[str, object]:
    """The record for machines; letters are those of Art. 30(1)."""
    return {
        "schema_version": SCHEMA_VERSION,
        "created_at": stamp(facts.created_at),
        "tool_version": facts.tool_version,
        "a_controller": facts.controller.document,
        "c_data_subjects": list(SUBJECTS),
        "d_recipients": [
            {"name": name, "kind": kind, "queues": list(queues)} for name, kind, queues in facts.recipients
        ],
        "e_transfers": None,
        "activities": [_activity(activity) for activity in facts.activities],
        "to_fill_in": list(facts.blanks),
    }


def _activity(activity: Activity) -> dict[str, object]:
    return {
        "profile": activity.profile,
        "b_purposes": list(activity.purposes),
        "lawful_bases": list(activity.bases),
        "consent": list(activity.consent_words),
        "c_personal_data": [
            "voices of the parties",
            "what was said, with personal details masked",
            "metadata of the call: time, length, direction, queue, agent, jurisdictions",
            "answers about consent",
            "keyed hashes of telephone numbers, e-mail addresses and customer ids",
        ],
        "masked_kinds": list(activity.kinds),
        "f_periods": [
            {
                "policy": period.policy,
                "calls": period.calls,
                "keep": dict(period.keep),
                "duty": dict(period.duty),
                "maximum": dict(period.maximum),
                "since": period.since,
                "law": period.law,
            }
            for period in activity.periods
        ],
        "g_measures": list(activity.measures),
        "places": dict(activity.places),
        "engines": dict(activity.engines),
        "models": [
            {
                "name": model.name,
                "role": model.role,
                "summary": model.summary,
                "licence": model.licence,
                "origin": model.origin,
            }
            for model in activity.models
        ],
    }
