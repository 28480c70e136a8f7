"""Quarantine in a real browser: listen, mark, propose; somebody else agrees. And reports, with the original."""

import re
import time

import pytest
from tests.browser.conftest import NARROW

from callveil.pipeline.carry_out import carry_out
from callveil.pipeline.reviews import published_version, report_over
from callveil.pipeline.work import decide_call, redact_call
from callveil.vocabulary.ledger import CallState
from callveil.vocabulary.pii import Entity
from callveil.vocabulary.proposals import ProposalKind
from callveil.vocabulary.reviews import OverReason, ReviewState, Stretch
from callveil.web.pages import listening_room

TWO = {"two_person": ["quarantine"]}
WHY = "To hear what was left"


@pytest.fixture
def small_pieces(monkeypatch):
    """So that a short call takes several answers, as long ones do."""
    monkeypatch.setattr(listening_room, "PIECE_BYTES", 60_000)


def listen(page):
    page.get_by_label("Why do you have to hear it?").fill(WHY)
    page.get_by_role("button", name="Write that down and listen").click()
    page.wait_for_selector("[data-ready]")


def until(what):
    end = time.monotonic() + 15
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def audio(page, what):
    return page.evaluate(f"() => document.querySelector('audio').{what}")


def drag(page, start, end, lane):
    """Drag over a lane, from and to a share of the call."""
    lanes = page.locator(".lanes")
    lanes.scroll_into_view_if_needed()
    box = lanes.bounding_box()
    y = box["y"] + box["height"] * (0.25 + 0.5 * lane)
    page.mouse.move(box["x"] + box["width"] * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y, steps=3)
    page.mouse.move(box["x"] + box["width"] * end, y, steps=3)
    page.mouse.up()


def test_listen_mark_propose_and_a_second_person_agrees(
    make_house, new_page, sign_in, check_axe, small_pieces
):
    house = make_house(web=TWO)
    call_id = house.one("quarantined")
    hugo = new_page(house)
    sign_in(hugo, "hugo", house)
    hugo.goto("/quarantine")
    check_axe(hugo)
    hugo.locator(f"a[href='/quarantine/{call_id}']").click()
    check_axe(hugo)
    listen(hugo)
    check_axe(hugo)

    # The whole call is played, over several answers; a place is heard and then it pauses.
    duration = float(hugo.locator("[data-places] > li").first.get_attribute("data-end"))
    hugo.get_by_role("button", name="Hear").first.click()
    until(lambda: audio(hugo, "currentTime") >= duration and audio(hugo, "paused"))
    hugo.evaluate("() => { document.querySelector('audio').playbackRate = 8; }")
    hugo.evaluate("() => { const a = document.querySelector('audio'); a.currentTime = 0; a.play(); }")
    until(lambda: audio(hugo, "ended"))
    assert audio(hugo, "error") is None

    # What was left is marked with a click, something else by dragging, and a third with keys.
    hugo.get_by_role("button", name="Mark all of them").click()
    drag(hugo, 0.05, 0.15, lane=0)
    hugo.evaluate(
        "() => { document.activeElement.blur(); document.querySelector('audio').currentTime = 0.5; }"
    )
    hugo.keyboard.press("i")
    hugo.evaluate("() => { document.querySelector('audio').currentTime = 0.75; }")
    hugo.keyboard.press("o")
    rows = hugo.locator(".mark-row")
    n_left = hugo.locator("[data-places] > li").count()
    assert rows.count() == n_left + 2
    assert rows.nth(n_left).locator("[name=stretch_channel]").input_value() == "0"
    assert rows.last.locator("[name=stretch_start]").input_value() == "0:00.50"
    assert rows.last.locator("[name=stretch_end]").input_value() == "0:00.75"
    assert hugo.locator(".mark-box:visible").count() == rows.count()
    hugo.keyboard.press("Delete")
    assert rows.count() == n_left + 1
    check_axe(hugo)

    hugo.get_by_role("button", name="Mask and publish").click()
    hugo.get_by_text("another reviewer has to agree").wait_for()
    check_axe(hugo)
    hugo.get_by_role("button", name="Propose it").click()
    hugo.get_by_role("button", name="Take it back").wait_for()
    assert hugo.get_by_role("button", name="Agree").count() == 0
    (proposal,) = house.office.books.proposals.proposals(ProposalKind.QUARANTINE)
    assert proposal.by == "user:hugo"

    rita = new_page(house)
    sign_in(rita, "rita", house)
    rita.goto(f"/quarantine/{call_id}")
    check_axe(rita)
    assert rita.locator("audio").count() == 0
    rita.get_by_role("button", name="Agree and begin").click()
    rita.get_by_role("heading", name="Being masked once more").wait_for()
    check_axe(rita)
    decide_call(call_id, house.service, "worker-9")
    redact_call(call_id, house.service, house.kit, "worker-9")
    assert house.service.ledger.get(call_id).state is CallState.PUBLISHED
    rita.get_by_role("heading", name="Not quarantined any more").wait_for()
    played = [each for each in house.service.ledger.history(call_id) if each.action == "original.played"]
    assert [(each.actor, each.detail["reason"]) for each in played] == [("user:hugo", WHY)]


def test_a_call_is_discarded(a_house, new_page, sign_in):
    call_id = a_house.one("quarantined")
    page = new_page(a_house)
    sign_in(page, "rita", a_house)
    page.goto(f"/quarantine/{call_id}")
    page.get_by_role("button", name="Discard").click()
    page.get_by_role("button", name="Discard it").click()
    page.get_by_text("a worker is at it").wait_for()
    carry_out(call_id, a_house.office, lambda: a_house.kit, "worker-9")
    page.get_by_text("its recording is destroyed").wait_for()
    assert a_house.service.ledger.get(call_id).landing is None


def test_a_report_is_agreed_with_after_hearing_the_original(a_house, new_page, sign_in, check_axe):
    call_id = a_house.one("published")
    office = a_house.office
    version = published_version(call_id, office)
    text, channel, start_s, end_s = next(
        word for word in a_house.words[call_id] if masked(a_house, call_id, word)
    )
    review = report_over(
        office,
        call_id,
        [Stretch(channel=channel, start_s=start_s, end_s=end_s, entity=Entity.PERSON)],
        over_reason=OverReason.WORD,
        by="user:rita",
        certificate_sha256=version,
    )
    page = new_page(a_house)
    sign_in(page, "hugo", a_house)
    page.goto("/reviews")
    check_axe(page)
    page.locator(f"a[href='/calls/{call_id}/original']").click()
    check_axe(page)
    assert page.get_by_role("button", name="Agree").count() == 0
    listen(page)
    check_axe(page)
    page.get_by_role("button", name="Hear").first.click()
    until(lambda: audio(page, "currentTime") >= end_s and audio(page, "paused"))
    page.get_by_role("button", name="Agree, unmask it").click()
    page.get_by_text("Being unmasked").wait_for()
    found = office.books.reviews.get(review.review_id)
    assert (found.state, found.confirmed_by) == (ReviewState.OWED, "user:hugo")


def masked(house, call_id, word):
    import json

    found = house.service.ledger.get(call_id)
    spans = json.loads(house.service.store.get(found.prefix + "certificate.json"))["masked_spans"]
    _, channel, start_s, end_s = word
    return any(
        span["channel"] == channel and span["start_s"] < end_s and start_s < span["end_s"] for span in spans
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [NARROW, {"width": 1280, "height": 800}])
def test_the_page_fits_and_is_readable(house, new_page, sign_in, check_axe, scheme, viewport):
    page = new_page(color_scheme=scheme, viewport=viewport)
    sign_in(page, "hanna")
    page.goto(f"/quarantine/{house.one('quarantined')}")
    check_axe(page)
    listen(page)
    page.get_by_role("button", name="Add a mark").click()
    check_axe(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    page.get_by_role("button", name="Show it larger").click()
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_without_scripts_marks_can_be_typed(house, new_page, sign_in):
    page = new_page(java_script_enabled=False)
    sign_in(page, "rita")
    page.goto(f"/quarantine/{house.one('quarantined')}")
    page.get_by_label("From").first.fill("1.5")
    page.get_by_label("To", exact=True).first.fill("0:02.00")
    page.get_by_role("button", name="Mask and publish").click()
    assert page.get_by_role("cell", name="0:01.50").count() == 2
    assert re.search(r"another recogniser hears", page.content())
