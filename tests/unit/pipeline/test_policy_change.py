"""Other policies: put in force or proposed, agreed to by somebody else, carried to published calls."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest

from callveil.config import Profile
from callveil.errors import LedgerError, MetadataError, RefusedError
from callveil.kit import LivePolicies
from callveil.pipeline import policy_change, sweep
from callveil.pipeline.policy_change import SUPERSEDED, Wanted, agree, begin_run, carry_on, change_policies
from callveil.vocabulary.proposals import ProposalState

from .test_sweep import office, publish  # noqa: F401  a fixture

NEW = '[[policies]]\nname = "new"\nkeep = { audio = "5 days", transcript = "5 days" }\n'


@pytest.fixture
def live(office, request):  # noqa: F811
    from callveil.config import load_config

    web = {"two_person": ["retention"]} if getattr(request, "param", False) else {}
    config = dataclasses.replace(load_config("default"), profile=Profile.model_validate({"web": web}))
    in_force = LivePolicies(config, office.books.policy_sets, checked_s=0)
    return dataclasses.replace(office, config=config, in_force=in_force)


def wanted(text=NEW, base=0, note="counsel asked for it"):
    return Wanted(text=text, base=base, note=note)


def actions(office):  # noqa: F811
    return [each.action for each in office.ledger.audit()]


two_person = pytest.mark.parametrize("live", [True], indirect=True)


def test_one_person_is_enough_unless_the_profile_says_otherwise(live):
    done = change_policies(wanted(), live, actor="user:ada")
    assert (done.number, done.by, done.approved_by) == (1, "user:ada", None)
    assert [policy.name for policy in live.policies] == ["new", "standard"]
    assert policy_change.waiting(live) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"text": NEW.replace("5 days", "soon")}, "keep.audio"),
        ({"text": NEW + NEW}, "two policies have the name"),
        ({"note": "  "}, "note"),
        ({"note": "a\nb"}, "note"),
    ],
)
def test_what_is_wrong_is_refused(live, change, words):
    with pytest.raises(MetadataError, match=words):
        change_policies(wanted(**change), live, actor="user:ada")
    assert live.books.policy_sets.version() == 0


@two_person
def test_a_second_person_has_to_agree(live):
    proposal = change_policies(wanted(), live, actor="user:ada")
    assert live.books.policy_sets.version() == 0
    assert policy_change.waiting(live) == proposal
    with pytest.raises(RefusedError, match="another person must agree"):
        agree(proposal.proposal_id, live, actor="user:ada")
    with pytest.raises(RefusedError, match="waits for a decision"):
        change_policies(wanted(NEW.replace("5", "6")), live, actor="user:bea")
    done = agree(proposal.proposal_id, live, actor="user:bea")
    assert (done.number, done.by, done.approved_by) == (1, "user:ada", "user:bea")
    assert policy_change.waiting(live) is None
    assert actions(live) == ["proposal.made", "proposal.approved", "retention.policies"]


@two_person
def test_what_was_agreed_to_is_put_in_force_after_a_crash(live, monkeypatch):
    proposal = change_policies(wanted(), live, actor="user:ada")

    def fails(*_, **__):
        raise LedgerError("it went away")

    with monkeypatch.context() as patched:
        patched.setattr(type(live.books.policy_sets), "put", fails)
        with pytest.raises(LedgerError):
            agree(proposal.proposal_id, live, actor="user:bea")
    found = policy_change.waiting(live)
    assert found.state is ProposalState.APPROVED
    # Whoever carries it on, the one who agreed is the second person.
    done = agree(proposal.proposal_id, live, actor="user:ada")
    assert (done.by, done.approved_by) == ("user:ada", "user:bea")
    assert policy_change.waiting(live) is None


@two_person
def test_a_proposal_is_outdated_once_others_are_in_force(live):
    proposal = change_policies(wanted(), live, actor="user:ada")
    live.books.policy_sets.put(NEW + "# other\n", base=0, note="n", actor="user:eve", now=live.clock.now())
    with pytest.raises(RefusedError, match="other policies have come into force"):
        agree(proposal.proposal_id, live, actor="user:bea")
    assert live.books.proposals.get(proposal.proposal_id).state is ProposalState.OPEN
    with pytest.raises(RefusedError, match="other policies have come into force"):
        change_policies(wanted(), live, actor="user:ada")


def test_a_rejected_one_stays_rejected(live):
    live = dataclasses.replace(
        live,
        config=dataclasses.replace(
            live.config, profile=Profile.model_validate({"web": {"two_person": ["retention"]}})
        ),
    )
    proposal = change_policies(wanted(), live, actor="user:ada")
    live.books.proposals.reject(proposal.proposal_id, reason="no", actor="user:bea", now=live.clock.now())
    with pytest.raises(RefusedError):
        agree(proposal.proposal_id, live, actor="user:bea")
    assert live.books.policy_sets.version() == 0


def tags(office, call_id):  # noqa: F811
    return office.store.tags(f"calls/2026/11/23/{call_id}/certificate.json")


@pytest.fixture
def published(live, monkeypatch):
    for number in range(5):
        publish(live, f"c-{number}")
    monkeypatch.setattr(policy_change, "_PAGE", 2)
    change_policies(wanted(), live, actor="user:ada")
    return live


def test_published_calls_follow_and_it_is_told_how_far(published):
    seen = []
    run = begin_run(published, actor="user:ada")
    done = carry_on(run, published, seen.append)
    assert [each.counts["n_calls"] for each in seen] == [2, 4, 5]
    assert (done.counts["changed"], done.done_at is not None) == (5, True)
    assert {tags(published, f"c-{number}")["callveil-retention"] for number in range(5)} == {"new"}
    assert published.books.policy_sets.last_run() == done
    again = carry_on(begin_run(published, actor="user:ada"), published)
    assert (again.counts["n_calls"], again.counts.get("changed", 0)) == (5, 0)


def test_a_run_that_was_cut_off_goes_on_where_it_was(published):
    run = begin_run(published, actor="user:ada")

    def cut_off(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        carry_on(run, published, cut_off)
    with pytest.raises(RefusedError, match="already"):
        begin_run(published, actor="user:bea")
    published.clock.advance(timedelta(minutes=2))
    taken_up = begin_run(published, actor="user:bea")
    assert (taken_up.run_id, taken_up.after, taken_up.counts["n_calls"]) == (run.run_id, "c-1", 2)
    assert carry_on(taken_up, published).counts["n_calls"] == 5
    assert tags(published, "c-4")["callveil-retention"] == "new"


def test_a_run_stops_when_other_policies_come_into_force(published):
    def other(_):
        sets = published.books.policy_sets
        if sets.version() == 1:
            change_policies(wanted(NEW.replace("new", "newer"), base=1), published, actor="user:ada")

    done = carry_on(begin_run(published, actor="user:ada"), published, other)
    assert (done.counts["n_calls"], done.counts[SUPERSEDED]) == (2, 1)
    carry_on(begin_run(published, actor="user:ada"), published)
    assert {tags(published, f"c-{number}")["callveil-retention"] for number in range(5)} == {"newer"}


def test_what_is_decided_goes_by_the_policies_in_force_at_once(live):
    publish(live, "c-9")
    swept = live.books.removals.swept("c-9")
    before = sweep.look(swept, live, live.clock.now()).parts[0].policy
    change_policies(wanted(), live, actor="user:ada")
    assert (before, sweep.look(swept, live, live.clock.now()).parts[0].policy) == ("standard", "new")
