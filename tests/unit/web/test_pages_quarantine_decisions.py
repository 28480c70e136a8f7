"""What is decided about quarantined calls, by one person or two."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import partial

import pytest
from tests.unit.web.visitors import HEAR, add_user, quarantine_call

from callveil.stages.retention_tags import decision_key
from callveil.vocabulary.accounts import WebRole
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.proposals import ProposalKind, ProposalState
from callveil.vocabulary.reviews import ReviewKind, ReviewState, Stretch

TWO = [{"web": {"two_person": ["quarantine"]}}]


@pytest.fixture
def quarantined(service):
    return partial(quarantine_call, service)


@pytest.fixture
def enter(service):
    return partial(add_user, service)


MARKS = {
    "stretch_channel": ["1", "all"],
    "stretch_start": ["0:01.20", "0.5"],
    "stretch_end": ["0:01.80", "0:00.70"],
    "stretch_entity": ["PERSON", "NUMBER"],
}
MARKED = (
    Stretch(channel=1, start_s=1.2, end_s=1.8, entity=Entity.PERSON),
    Stretch(channel=0, start_s=0.5, end_s=0.7, entity=Entity.NUMBER),
    Stretch(channel=1, start_s=0.5, end_s=0.7, entity=Entity.NUMBER),
)


def hidden(page):
    fields = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page):
        fields.setdefault(name, []).append(value)
    return {name: values for name, values in fields.items() if name != "csrf"}


def decide(browser, call_id="c-1", **form):
    """Through the page that says what will happen."""
    page = browser.post(f"/quarantine/{call_id}/confirm", **form)
    assert page.status_code == 200, page.text
    return browser.post(f"/quarantine/{call_id}/decide", **hidden(page.text)), hidden(page.text)


def test_marks_are_masked_and_the_call_goes_through_once_more(quarantined, enter, service):
    quarantined()
    rita = enter("rita")
    answer, sent = decide(rita, decision="release", **MARKS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/quarantine/c-1")
    (review,) = service.books.reviews.of("c-1")
    assert (review.kind, review.by, set(review.stretches)) == (ReviewKind.RELEASE, "user:rita", set(MARKED))
    assert service.ledger.get("c-1").state is CallState.RECEIVED
    # The same form once more enters nothing.
    assert rita.post("/quarantine/c-1/decide", **sent).status_code == 303
    assert len(service.books.reviews.of("c-1")) == 1


def test_a_call_is_discarded_after_a_page_that_says_so(quarantined, enter, service):
    quarantined()
    rita = enter("rita")
    page = rita.post("/quarantine/c-1/confirm", decision="discard").text
    assert "destroyed for good" in page
    assert service.books.reviews.of("c-1") == ()
    rita.post("/quarantine/c-1/decide", **hidden(page))
    (review,) = service.books.reviews.of("c-1")
    assert (review.kind, review.state, review.stretches) == (ReviewKind.DISCARD, ReviewState.OWED, ())
    assert "a worker is at it" in rita.get("/quarantine/c-1/progress").text
    answer = rita.post("/quarantine/c-1/confirm", decision="release", **MARKS)
    assert answer.status_code == 200
    assert rita.post("/quarantine/c-1/decide", **hidden(answer.text)).status_code == 409


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"stretch_end": ["0:01.10", "0:00.70"]}, "stretch 1"),
        ({"stretch_end": ["0:09.10", "0:00.70"]}, "stretch 1"),
        ({"stretch_start": ["soon", "0.5"]}, "mark 1: start"),
        ({"stretch_entity": ["PERSON", "SECRET"]}, "mark 2: kind"),
        ({"stretch_channel": ["9", "all"]}, "stretch 1: channel"),
        ({"decision": "burn"}, "decision"),
    ],
)
def test_what_is_marked_wrongly_is_named_and_kept_in_the_form(quarantined, enter, service, changed, named):
    quarantined()
    answer = enter("rita").post("/quarantine/c-1/confirm", **{"decision": "release", **MARKS, **changed})
    assert answer.status_code == 422
    assert named in answer.text
    assert 'value="0:00.70"' in answer.text
    assert service.books.reviews.of("c-1") == ()


def test_deciding_is_for_reviewers_of_that_queue(quarantined, enter, service):
    quarantined(queue="care")
    for name, role, queues, status in (
        ("petra", WebRole.PRIVACY, (), 403),
        ("olga", WebRole.OPS, (), 403),
        ("sven", WebRole.REVIEWER, ("sales",), 404),
    ):
        somebody = enter(name, role, privileges=HEAR, queues=queues)
        for path in ("confirm", "decide"):
            assert somebody.post(f"/quarantine/c-1/{path}", decision="discard").status_code == status
        form = {"proposal": "pro-0123456789ab", "reason": "no"}
        for path in ("approve", "reject"):
            assert somebody.post(f"/quarantine/c-1/{path}", **form).status_code == status
    assert service.books.reviews.of("c-1") == ()


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_a_second_person_agrees(quarantined, enter, service):
    quarantined()
    proposals = service.books.proposals
    rita, ada, sven = enter("rita"), enter("ada", WebRole.ADMIN), enter("sven", queues=["sales"])
    answer, sent = decide(rita, decision="release", **MARKS)
    assert answer.status_code == 303
    assert rita.post("/quarantine/c-1/decide", **sent).status_code == 303
    (proposal,) = proposals.proposals(ProposalKind.QUARANTINE)
    assert (proposal.about, proposal.by) == ("c-1", "user:rita")
    assert service.books.reviews.of("c-1") == ()
    assert "Second person needed" in rita.get("/quarantine").text
    form = {"proposal": proposal.proposal_id}
    assert "Agree and begin" not in rita.get("/quarantine/c-1").text
    assert rita.post("/quarantine/c-1/approve", **form).status_code == 409
    assert sven.post("/quarantine/c-1/approve", **form).status_code == 404
    assert "Agree and begin" in ada.get("/quarantine/c-1").text
    assert ada.post("/quarantine/c-1/approve", **form).status_code == 303
    assert ada.post("/quarantine/c-1/approve", **form).status_code == 303
    (review,) = service.books.reviews.of("c-1")
    assert (review.by, set(review.stretches)) == ("user:rita", set(MARKED))
    decided = proposals.get(proposal.proposal_id)
    assert (decided.state, decided.decided_by) == (ProposalState.APPROVED, "user:ada")
    made = [each for each in service.ledger.history("c-1") if each.action.startswith("proposal.")]
    assert [(each.actor, each.action) for each in made] == [
        ("user:rita", "proposal.made"),
        ("user:ada", "proposal.approved"),
    ]


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_an_admin_does_not_agree_with_themselves(quarantined, enter, service):
    quarantined()
    ada = enter("ada", WebRole.ADMIN)
    decide(ada, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    assert ada.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert ada.post("/quarantine/c-1/reject", proposal=proposal.proposal_id).status_code == 303
    assert service.books.proposals.get(proposal.proposal_id).state is ProposalState.REJECTED
    assert service.books.reviews.of("c-1") == ()


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_who_says_no_says_why(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    form = {"proposal": proposal.proposal_id}
    assert nora.post("/quarantine/c-1/reject", **form).status_code == 422
    assert nora.post("/quarantine/c-1/reject", **form, reason="Can be masked").status_code == 303
    assert nora.post("/quarantine/c-1/approve", **form).status_code == 409
    # And then another proposal may be made.
    assert decide(nora, decision="release", **MARKS)[0].status_code == 303


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_what_was_agreed_is_begun_once_more_after_a_crash(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    service.books.proposals.approve(proposal.proposal_id, actor="user:nora", now=service.clock.now())
    assert "has not begun" in rita.get("/quarantine/c-1").text
    assert rita.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert nora.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 303
    assert [each.kind for each in service.books.reviews.of("c-1")] == [ReviewKind.DISCARD]


@pytest.mark.parametrize("service", TWO, indirect=True)
def test_what_was_proposed_of_an_earlier_quarantine_is_not_begun(quarantined, enter, service):
    quarantined()
    rita, nora = enter("rita"), enter("nora")
    decide(rita, decision="discard")
    (proposal,) = service.books.proposals.proposals(ProposalKind.QUARANTINE)
    call = service.ledger.get("c-1").call
    record = json.loads(service.store.get(decision_key(call)))
    later = service.clock.now() + timedelta(seconds=5)
    service.store.put_decision(
        decision_key(call), json.dumps({**record, "decided_at": later.isoformat()}).encode()
    )
    assert nora.post("/quarantine/c-1/approve", proposal=proposal.proposal_id).status_code == 409
    assert service.books.reviews.of("c-1") == ()
    assert nora.post("/quarantine/c-1/reject", proposal=proposal.proposal_id, reason="old").status_code == 303


def test_a_proposal_of_another_call_is_not_taken(quarantined, enter, service):
    quarantined("c-1", queue="care")
    quarantined("c-2", queue="sales")
    rita, nora = enter("rita"), enter("nora", queues=["care"])
    _, sent = decide(rita, "c-2", decision="discard")
    # Its id in a form of one's own call gives nothing away and enters nothing.
    assert nora.post("/quarantine/c-1/decide", **sent).status_code == 422
    assert service.books.reviews.of("c-1") == ()
