"""A reviewer hears a call, moves through it, and corrects it."""

from __future__ import annotations

import io
import re
import time

import pytest
import soundfile

from callveil.pipeline.carry_out import carry_out
from callveil.vocabulary.reviews import ReviewKind, ReviewState

pytestmark = pytest.mark.slow


def open_call(page, call_id):
    page.goto(f"/calls/{call_id}")
    page.wait_for_selector("[data-player][data-ready]")
    page.wait_for_selector("[data-turns][data-ready]")


def until(page, expression, *, within_s=15):
    """Wait until something is so; the page's own rules forbid playwright to ask from within it."""
    end = time.monotonic() + within_s
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never: {expression}"
        page.wait_for_timeout(50)


def entries(house, call_id, action):
    return [entry for entry in house.service.ledger.history(call_id, limit=500) if entry.action == action]


def test_the_recording_plays_and_the_transcript_follows(page, house, sign_in, check_axe):
    call_id = house.one("missed")
    sign_in(page, "rita")
    n_played = len(entries(house, call_id, "call.played"))
    n_viewed = len(entries(house, call_id, "call.viewed"))
    open_call(page, call_id)
    assert page.locator(".live .badge").inner_text() == "Intact"
    assert len(entries(house, call_id, "call.viewed")) == n_viewed + 1
    assert len(entries(house, call_id, "call.played")) == n_played
    check_axe(page)
    page.keyboard.press("k")
    until(page, "document.querySelector('audio').currentTime > 0.3")
    assert page.locator("[data-play]").inner_text() == "Pause"
    page.keyboard.press(" ")
    until(page, "document.querySelector('audio').paused")
    assert len(entries(house, call_id, "call.played")) == n_played + 1
    turn = page.locator(".turn").nth(2)
    turn.locator("button.at").click()
    at = float(turn.get_attribute("data-start"))
    assert page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(at, abs=0.05)
    assert turn.get_attribute("aria-current") == "true"
    word = page.locator(".turn").nth(1).locator(".word").first
    word.click()
    start = float(word.get_attribute("data-start"))
    assert page.evaluate("document.querySelector('audio').currentTime") == pytest.approx(start, abs=0.05)


def test_keys_move_through_the_call_and_what_is_masked_can_be_skipped(page, house, sign_in):
    sign_in(page, "rita")
    open_call(page, house.one("published"))
    masks = page.evaluate("JSON.parse(document.querySelector('[data-player]').dataset.masks)")
    page.keyboard.press("n")
    first = masks[0]
    now = "document.querySelector('audio').currentTime"
    assert page.evaluate(now) == pytest.approx(max(0, first["start"] - 1), abs=0.1)
    page.keyboard.press("j")
    assert page.evaluate(now) == pytest.approx(0, abs=max(0, first["start"] - 6) + 0.1)
    page.keyboard.press("l")
    assert page.evaluate(now) > 3
    page.keyboard.press("s")
    assert page.locator("[data-skip]").is_checked()
    page.evaluate(f"document.querySelector('audio').currentTime = {first['start'] - 0.2}")
    page.keyboard.press("k")
    until(page, f"{now} >= {first['end'] - 0.06}", within_s=5)
    page.keyboard.press("k")


def test_a_missed_stretch_is_marked_and_cannot_be_heard_any_more(page, a_house, sign_in, new_page, watch):
    call_id = a_house.one("missed")
    page = new_page(a_house)
    sign_in(page, "rita", a_house)
    open_call(page, call_id)
    word = page.locator(".turn.channel-1 .word:not(.masked)").last
    word.scroll_into_view_if_needed()
    word.dblclick()
    page.locator("[data-mark-words]").click()
    row = page.locator(".mark-row")
    assert row.count() == 1
    row.locator("select[name=stretch_entity]").select_option("REFERENCE_NUMBER")
    page.get_by_role("button", name="Mask this").click()
    page.wait_for_url(re.compile(r"#reviews$"))
    page.wait_for_selector("#reviews-list .reviews li")
    assert "Being carried out" in page.locator("#reviews-list").inner_text()
    (review,) = a_house.service.books.reviews.of(call_id)
    assert review.kind is ReviewKind.MISSED
    (stretch,) = review.stretches
    before = page.evaluate("JSON.parse(document.querySelector('[data-player]').dataset.masks).length")

    carry_out(call_id, a_house.office, lambda: a_house.kit, "test")

    page.wait_for_selector("[data-new-version] a")
    assert a_house.service.books.reviews.get(review.review_id).state is ReviewState.DONE
    page.locator("[data-new-version] a").click()
    page.wait_for_selector("[data-player][data-ready]")
    masks = page.evaluate("JSON.parse(document.querySelector('[data-player]').dataset.masks)")
    assert len(masks) >= before
    assert any(
        mask["channel"] == stretch.channel
        and mask["start"] <= stretch.start_s
        and mask["end"] >= stretch.end_s
        for mask in masks
    )
    assert page.locator(".live .badge").inner_text() == "Intact"
    heard = page.request.get(f"/calls/{call_id}/audio").body()
    samples, rate_hz = soundfile.read(io.BytesIO(heard), always_2d=True)
    part = samples[round(stretch.start_s * rate_hz) : round(stretch.end_s * rate_hz), stretch.channel]
    assert abs(part).max() < 0.01


def test_marking_works_by_dragging_and_by_keys(page, house, sign_in):
    sign_in(page, "rita")
    open_call(page, house.one("missed"))
    box = page.locator(".surface").bounding_box()
    x, y = box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.25
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y, steps=4)
    page.mouse.up()
    assert page.locator(".mark-row").count() == 1
    assert page.locator(".mark-row select[name=stretch_channel]").input_value() == "0"
    page.evaluate("document.querySelector('audio').currentTime = 2")
    page.keyboard.press("i")
    page.evaluate("document.querySelector('audio').currentTime = 3.5")
    page.keyboard.press("o")
    assert page.locator(".mark-row").count() == 2
    last = page.locator(".mark-row").last
    assert last.locator("[name=stretch_start]").input_value() == "0:02.00"
    assert last.locator("[name=stretch_end]").input_value() == "0:03.50"
    page.keyboard.press("Delete")
    assert page.locator(".mark-row").count() == 1


def test_masked_in_vain_and_nothing_to_correct_are_reported(new_page, a_house, sign_in):
    page = new_page(a_house)
    call_id = a_house.one("published")
    sign_in(page, "rita", a_house)
    page.goto(f"/calls/{call_id}")
    page.locator("#over-reason").select_option("amount")
    page.get_by_role("button", name="Report it").click()
    page.wait_for_selector("#reviews-list .reviews li")
    page.get_by_role("button", name="nothing to correct").click()
    until(page, "document.querySelectorAll('#reviews-list .reviews li').length === 2")
    kinds = [(review.kind, review.state) for review in a_house.service.books.reviews.of(call_id)]
    assert kinds == [
        (ReviewKind.OVER, ReviewState.REPORTED),
        (ReviewKind.CLEAN, ReviewState.DONE),
    ]


def test_who_may_not_hear_sees_what_is_known_only(page, house, sign_in, check_axe, watch):
    watch.allow("403")
    call_id = house.one("missed")
    sign_in(page, "oscar")
    page.goto(f"/calls/{call_id}")
    assert page.locator("audio, .turn, [data-correct]").count() == 0
    assert page.locator("#kept-title").count() == 1
    check_axe(page)
    for part in ("audio", "outline", "transcript", "reviews"):
        assert page.request.get(f"/calls/{call_id}/{part}").status == 403
    sign_in(page, "petra")
    page.goto(f"/calls/{call_id}")
    assert page.locator(".turn").count() > 1
    assert page.locator("[data-correct]").count() == 0


@pytest.mark.parametrize(
    "state", ["held", "quarantined", "failed", "discarded", "erased", "restricted", "on_hold", "received"]
)
def test_calls_in_every_state_have_a_page(page, house, sign_in, check_axe, state):
    sign_in(page, "rita")
    page.goto(f"/calls/{house.one(state)}")
    assert page.locator("h1").inner_text() == f"Call {house.one(state)}"
    assert page.locator("audio").count() == (1 if state == "on_hold" else 0)
    assert page.locator(".turn").count() == 0 or state == "on_hold"
    page.wait_for_load_state("networkidle")
    check_axe(page)


def test_a_restricted_call_is_read_for_a_stated_reason_once(page, house, sign_in):
    call_id = house.one("restricted")
    sign_in(page, "petra")
    page.goto(f"/calls/{call_id}")
    assert page.locator(".turn").count() == 0
    page.locator("#reason").fill("asked by the court")
    page.get_by_role("button", name="Show it once").click()
    page.wait_for_selector(".turn")
    assert page.locator("audio").count() == 0
    (entry, *_) = reversed(entries(house, call_id, "restricted.read"))
    assert entry.actor == "user:petra"
    assert page.request.get(f"/calls/{call_id}/audio").status == 409
    page.goto(f"/calls/{call_id}")
    assert page.locator(".turn").count() == 0
