"""What `callveil retention --json` prints and the API answers about retention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from callveil.pipeline.sweep import Applied, Swept
from callveil.ports import SweptCall
from callveil.retention.policy import fits
from callveil.retention.simulate import Counts, Simulation, Tally
from callveil.stages.documents.forms import utc
from callveil.vocabulary.policy_sets import PolicySet
from callveil.vocabulary.retention import Decision, Policy

_COUNTS = tuple(Counts.__dataclass_fields__)


def simulation_fields(found: Simulation, before: str, after: str) -> dict[str, Any]:
    """A simulation as JSON."""
    return {
        "on": found.on.isoformat(),
        "policies": {"before": before, "after": after},
        "total": _counts(found.total),
        "parts_due": {
            part.value: {"before": _tally(old), "after": _tally(new)}
            for part, (old, new) in found.parts.items()
        },
        "rows": [
            {"policy": policy, "month": month, **_counts(counts)}
            for (policy, month), counts in found.rows.items()
        ],
    }


def swept_fields(found: Swept, at: datetime, *, done: bool) -> dict[str, Any]:
    """A sweep as JSON."""
    return {
        "at": utc(at),
        "done": done,
        "calls": found.n_calls,
        "due": found.n_due,
        "whole": found.whole,
        "parts": [
            {"policy": policy, "part": part.value, "calls": n}
            for (policy, part), n in sorted(found.parts.items())
        ],
        "held": found.held,
        "restricted": found.restricted,
        "erasing": found.erasing,
        "deleted": found.deleted,
        "taken_up": found.taken_up,
        "failed": found.failed,
        "more": found.more,
        "first": [
            {
                "call_id": due.call_id,
                "parts": [part.value for part in due.parts],
                "whole": due.whole,
                "policy": due.policy,
                "reason": due.reason,
            }
            for due in found.due
        ],
    }


def applied_fields(found: Applied, *, done: bool) -> dict[str, Any]:
    """What was applied, as JSON."""
    names = ("n_calls", "changed", "tags", "longer", "shorter", "originals", "missing", "failed")
    counts = {name.removeprefix("n_"): getattr(found, name) for name in names}
    return {"done": done, **counts, "next_after": found.next_after}


def decision_fields(swept: SweptCall, decision: Decision, fitting: Sequence[str]) -> dict[str, Any]:
    """What is decided of a call, as JSON."""
    return {
        "call_id": swept.facts.call_id,
        "ended_at": utc(swept.facts.ended_at),
        "fate": decision.fate.value,
        "until": utc(decision.until) if decision.until is not None else None,
        "policies": list(fitting),
        "events": {name: utc(at) for name, at in swept.facts.events.items()},
        "gone": sorted(part.value for part in swept.facts.gone),
        "parts": [
            {
                "part": part.part.value,
                "fate": part.fate.value,
                "until": utc(part.until) if part.until is not None else None,
                "policy": part.policy,
                "reason": part.reason,
            }
            for part in decision.parts
        ],
    }


def fitting_policies(swept: SweptCall, policies: Sequence[Policy]) -> list[str]:
    """Names of the policies that are for a call."""
    return [policy.name for policy in policies if fits(policy.match, swept.facts.traits)]


def event_fields(call_id: str, name: str, at: datetime) -> dict[str, Any]:
    """An event that was written down."""
    return {"call_id": call_id, "event": name, "at": at.isoformat()}


def set_fields(found: PolicySet) -> dict[str, Any]:
    """A set of policies without its text."""
    return {
        "number": found.number,
        "sha256": found.sha256,
        "at": utc(found.at),
        "by": found.by,
        "approved_by": found.approved_by,
        "note": found.note,
    }


def _counts(counts: Counts) -> dict[str, Any]:
    return {name: _tally(getattr(counts, name)) for name in _COUNTS}


def _tally(tally: Tally) -> dict[str, Any]:
    return {"calls": tally.n_calls, "hours": round(tally.duration_s / 3600, 2)}
