"""Other retention policies: proposed, agreed to by a second person, in force, carried to published calls."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from callveil.errors import ConfigError, MetadataError, RefusedError
from callveil.kit import Office, policies_in
from callveil.pipeline.sweep import Applied, apply_policies
from callveil.vocabulary.policy_sets import PolicyRun, PolicySet
from callveil.vocabulary.proposals import Proposal, ProposalKind, ProposalState
from callveil.vocabulary.retention import Policy

ABOUT = "policies"
"""What a proposal is about: one of them waits at a time."""

SUPERSEDED = "superseded"
"""Among the counts of a run: other policies came into force, so it stopped."""

_MOST_NOTE = 500
_PAGE = 100
_SILENT = timedelta(seconds=60)
"""A run that has not got on for so long has lost its process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Policies that somebody wants in force.

    Attributes:
        text: TOML.
        base: Number of the set that they were made from; 0 for the profile's file.
        note: Why.
    """

    text: str
    base: int
    note: str


def checked(text: str, office: Office) -> tuple[Policy, ...]:
    """The policies of a text, the profile's own fallback last.

    Raises:
        MetadataError: It is wrong, or they contradict each other.
    """
    try:
        return policies_in(text, office.config, "policies")
    except ConfigError as error:
        raise MetadataError(str(error)) from None


def needs_second_person(office: Office) -> bool:
    """Whether the profile asks for one."""
    return ProposalKind.RETENTION in office.config.profile.web.two_person


def change_policies(wanted: Wanted, office: Office, *, actor: str) -> PolicySet | Proposal:
    """Put policies in force, or have them wait for a second person where the profile asks for one.

    Args:
        wanted: What.
        office: For the ledger and the profile.
        actor: As in the audit chain.

    Raises:
        MetadataError: The text is wrong, or the note is missing.
        RefusedError: Other policies have come into force since, or others wait already.
    """
    checked(wanted.text, office)
    note = wanted.note.strip()
    if not 1 <= len(note) <= _MOST_NOTE or not note.isprintable():
        raise MetadataError(f"note: allowed: 1 to {_MOST_NOTE} characters on one line")
    now, sets = office.clock.now(), office.books.policy_sets
    if not needs_second_person(office):
        done = sets.put(wanted.text, base=wanted.base, note=note, actor=actor, now=now)
        office.in_force.look_again()
        return done
    if sets.version() != wanted.base:
        raise RefusedError("other policies have come into force since; compare with them, and try again")
    proposal = Proposal(
        proposal_id=f"pro-{secrets.token_hex(6)}",
        kind=ProposalKind.RETENTION,
        about=ABOUT,
        content={**asdict(wanted), "note": note},
        by=actor,
        at=now,
    )
    return office.books.proposals.propose(proposal, now=now)


def wanted_by(proposal: Proposal) -> Wanted:
    """What a proposal wants.

    Raises:
        RefusedError: It is about something else.
    """
    if proposal.kind is not ProposalKind.RETENTION:
        raise RefusedError("this proposal is about something else")
    content = proposal.content
    return Wanted(text=str(content["text"]), base=int(content["base"]), note=str(content["note"]))


def agree(proposal_id: str, office: Office, *, actor: str) -> PolicySet:
    """Agree to a proposal and put it in force; one that was agreed to is carried on where that was cut off.

    Raises:
        NotFoundError: No such proposal.
        RefusedError: It is the asker's own, it was rejected, or other policies have come into force since.
        MetadataError: The policies are wrong with the profile of now.
    """
    found = office.books.proposals.get(proposal_id)
    wanted, sets = wanted_by(found), office.books.policy_sets
    checked(wanted.text, office)
    if sets.version() != wanted.base:
        raise RefusedError("other policies have come into force since it was proposed; reject it")
    now = office.clock.now()
    if found.state is not ProposalState.APPROVED:
        found = office.books.proposals.approve(proposal_id, actor=actor, now=now)
    done = sets.put(
        wanted.text, base=wanted.base, note=wanted.note, actor=found.by, approved_by=found.decided_by, now=now
    )
    office.in_force.look_again()
    return done


def waiting(office: Office) -> Proposal | None:
    """The proposal that waits for somebody: to agree, or to carry on what was cut off."""
    proposals = office.books.proposals
    for found in proposals.proposals(ProposalKind.RETENTION, limit=1):
        return found
    for found in proposals.proposals(ProposalKind.RETENTION, state=ProposalState.APPROVED, limit=1):
        if wanted_by(found).base == office.books.policy_sets.version():
            return found
    return None


def begin_run(office: Office, *, actor: str) -> PolicyRun:
    """Begin to bring published calls to the policies in force, or take up a run that was cut off.

    Raises:
        RefusedError: A run is under way.
    """
    now, sets = office.clock.now(), office.books.policy_sets
    last, version = sets.last_run(), sets.version()
    if last is not None and last.done_at is None:
        if now - last.updated_at < _SILENT:
            raise RefusedError("published calls are being brought to the policies already")
        if last.version == version:
            return last
        sets.advance_run(_ended(last, office, superseded=True))
    run = PolicyRun(
        run_id=f"run-{secrets.token_hex(6)}", version=version, by=actor, begun_at=now, updated_at=now
    )
    return sets.begin_run(run)


def is_silent(run: PolicyRun, office: Office) -> bool:
    """Whether a run that is not done has lost its process."""
    return run.done_at is None and office.clock.now() - run.updated_at >= _SILENT


def carry_on(
    run: PolicyRun, office: Office, on_page: Callable[[PolicyRun], None] = lambda _: None
) -> PolicyRun:
    """Look at published calls page by page, until all follow. It can be killed anywhere, and goes on there.

    Args:
        run: As it stands.
        office: Every place.
        on_page: Told how far it is.

    Raises:
        LedgerError: The ledger failed.
    """
    sets = office.books.policy_sets
    while run.done_at is None:
        if sets.version() != run.version:
            run = _ended(run, office, superseded=True)
        else:
            office.in_force.look_again()
            page = apply_policies(office, actor=run.by, dry_run=False, after=run.after, limit=_PAGE)
            counts = dict(Counter(run.counts) + Counter(_numbers(page)))
            run = replace(run, counts=counts, after=page.next_after, updated_at=office.clock.now())
            if page.next_after is None:
                run = _ended(run, office, superseded=False)
        sets.advance_run(run)
        on_page(run)
    return run


def _ended(run: PolicyRun, office: Office, *, superseded: bool) -> PolicyRun:
    now = office.clock.now()
    counts = {**run.counts, SUPERSEDED: 1} if superseded else run.counts
    return replace(run, counts=counts, updated_at=now, done_at=now)


def _numbers(page: Applied) -> dict[str, int]:
    return {name: value for name, value in asdict(page).items() if isinstance(value, int)}
