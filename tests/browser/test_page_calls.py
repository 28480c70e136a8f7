"""A reviewer looks for calls: in a real browser, with scripts and without, with a mouse and with keys."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest
from tests.browser.conftest import NARROW

_SHOTS = os.environ.get("CALLVEIL_TEST_SHOTS")


def shot(page, name, *, full=False):
    if _SHOTS:
        page.screenshot(path=Path(_SHOTS) / f"calls-{name}.png", full_page=full)


def rows(page):
    return [each.get_attribute("href").rpartition("/")[2] for each in page.locator("a[data-row]").all()]


def asked(page):
    return parse_qs(urlsplit(page.url).query)


@pytest.fixture
def calls(page, sign_in):
    sign_in(page, "rita")
    page.goto("/calls")
    return page


def test_what_is_chosen_shows_at_once_and_stands_in_the_address(calls, new_page, sign_in, check_axe):
    page = calls
    shot(page, "list")
    check_axe(page)
    page.locator("[data-choice=state] summary").click()
    check_axe(page)
    with page.expect_response(re.compile(r"state=quarantined")):
        page.get_by_label("Quarantined").check()
    page.wait_for_url("**/calls?state=quarantined")
    assert page.locator("#found").inner_text() == "4 calls"
    assert page.locator("[data-choice=state] summary b").inner_text() == "Quarantined"
    assert page.locator("[data-choice=state]").get_attribute("open") is not None
    shot(page, "state")
    page.keyboard.press("Escape")
    assert page.locator("[data-choice=state]").get_attribute("open") is None
    with page.expect_response(re.compile(r"sort=masked")):
        page.get_by_role("link", name="Masked").click()
    page.wait_for_url("**/calls?state=quarantined&sort=masked")
    with page.expect_response(re.compile(r"sort=masked")):
        page.locator("[data-choice=queue] summary").click()
        page.get_by_label("care", exact=True).check()
    page.wait_for_url(re.compile("queue=care"))
    assert asked(page) == {"queue": ["care"], "state": ["quarantined"], "sort": ["masked"]}
    there = rows(page)
    other = new_page()
    sign_in(other, "hugo")
    other.goto(page.url)
    assert rows(other) == there != []
    page.go_back()
    page.wait_for_url("**/calls?state=quarantined&sort=masked")
    page.wait_for_function("document.querySelector('#found').textContent === '4 calls'")
    assert page.get_by_label("Quarantined").is_checked()


def test_words_are_found_and_marked(calls, check_axe):
    page = calls
    page.keyboard.press("/")
    page.keyboard.type("please")
    page.keyboard.press("Enter")
    page.wait_for_url("**/calls?q=please")
    page.locator("mark").first.wait_for()
    assert {each.lower() for each in page.locator("mark").all_inner_texts()} == {"please"}
    shot(page, "text")
    check_axe(page)


def test_what_is_wrong_is_said_where_the_list_would_be(calls, watch):
    watch.allow("422")
    page = calls
    page.get_by_label("Words that were said").fill("...")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("alert").wait_for()
    assert "letters and digits" in page.get_by_role("alert").inner_text()
    page.get_by_label("Words that were said").fill("nowhere-said")
    page.get_by_role("button", name="Search").click()
    page.get_by_text("No call fits").wait_for()
    shot(page, "none")


def test_rows_and_pages_are_walked_with_keys(calls):
    page = calls
    first = rows(page)

    def now():
        return page.evaluate("document.activeElement.getAttribute('href')?.split('/').pop()")

    for key, expected in (("j", first[0]), ("j", first[1]), ("k", first[0]), ("k", first[0])):
        page.keyboard.press(key)
        assert now() == expected
    page.keyboard.press("n")
    page.wait_for_url("**/calls?after=*")
    page.wait_for_function("!document.querySelector('#page-before').ariaDisabled")
    assert not set(rows(page)) & set(first)
    page.keyboard.press("p")
    page.wait_for_url("**/calls?before=*")
    page.wait_for_function(f"document.querySelector('a[data-row]').href.endsWith('{first[0]}')")
    page.keyboard.press("?")
    assert page.get_by_role("dialog").is_visible()
    page.get_by_label("Use these keys").uncheck()
    page.keyboard.press("Escape")
    page.reload()
    page.keyboard.press("j")
    assert now() is None


def test_days_are_the_viewers_own(calls, check_axe):
    page = calls
    page.locator("[data-choice=days] summary").click()
    check_axe(page)
    shot(page, "days")
    with page.expect_response(re.compile("since=")):
        page.get_by_role("button", name="7 days").click()
    page.wait_for_url(re.compile("since="))
    since = datetime.fromisoformat(asked(page)["since"][0]).astimezone(ZoneInfo("Europe/Berlin"))
    assert (since.hour, since.minute) == (0, 0)
    address, shown = page.url, page.locator("#since").input_value()
    page.goto(address)
    assert page.locator("#since").input_value() == shown == since.date().isoformat()
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    page.wait_for_load_state("networkidle")
    assert asked(page) == parse_qs(urlsplit(address).query)


def test_a_filter_is_kept_and_deleted(a_house, new_page, sign_in, check_axe):
    page = new_page(a_house)
    sign_in(page, "rita", a_house)
    page.goto("/calls?state=failed")
    page.get_by_text("Save this search").click()
    page.get_by_role("textbox", name="Name").fill("Failed ones")
    page.get_by_role("button", name="Save").click()
    chip = page.get_by_role("link", name="Failed ones")
    assert chip.get_attribute("aria-current") == "true"
    assert page.locator("[data-choice=state] summary b").inner_text() == "Failed"
    shot(page, "saved")
    check_axe(page)
    page.goto("/calls")
    chip.click()
    page.wait_for_url("**/calls?state=failed")
    page.get_by_role("button", name="Delete “Failed ones”").click()
    page.get_by_text("Save this search").wait_for()
    assert chip.count() == 0


def test_without_scripts_it_is_a_form(new_page, sign_in):
    page = new_page(java_script_enabled=False)
    sign_in(page, "rita")
    page.goto("/calls")
    page.locator("[data-choice=state] summary").click()
    page.get_by_label("Failed").check()
    page.get_by_label("Words that were said").fill("")
    page.get_by_role("button", name="Search").click()
    page.wait_for_url(re.compile("state=failed"))
    assert page.locator("#found").inner_text() == "3 calls"
    page.get_by_role("link", name="Length").click()
    assert asked(page)["sort"] == ["length"]
    assert page.locator("time").first.inner_text().endswith(" UTC")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_hold_everything(new_page, sign_in, check_axe, scheme):
    page = new_page(viewport=NARROW, color_scheme=scheme)
    sign_in(page, "grete")
    page.goto("/calls?q=please")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    check_axe(page)
    shot(page, f"narrow-{scheme}")
    assert not page.get_by_role("navigation", name="Pages", exact=True).is_visible()
    page.get_by_role("button", name="Menu").click()
    assert page.get_by_role("navigation", name="Pages", exact=True).is_visible()
    check_axe(page)
    shot(page, f"menu-{scheme}")


def test_it_is_readable_in_the_dark(new_page, sign_in, check_axe):
    page = new_page(color_scheme="dark")
    sign_in(page, "rita")
    page.goto("/calls?q=please")
    check_axe(page)
    shot(page, "dark")


def test_ops_see_no_words(page, sign_in, watch, check_axe):
    watch.allow("403")
    sign_in(page, "oscar")
    page.goto("/calls")
    check_axe(page)
    assert page.get_by_label("Words that were said").count() == 0
    page.goto("/calls?q=please")
    assert page.get_by_role("heading", name="Not allowed").is_visible()


def test_times_are_the_viewers_own_and_nothing_jumps(new_page, sign_in):
    shown = {}
    for zone in ("Europe/Berlin", "Asia/Tokyo"):
        page = new_page(timezone_id=zone)
        page.add_init_script(
            "window.jumps = []; new PerformanceObserver((list) => window.jumps.push(...list.getEntries()"
            ".map((each) => each.value))).observe({ type: 'layout-shift', buffered: true });"
        )
        sign_in(page, "rita")
        page.goto("/calls", wait_until="networkidle")
        time = page.locator("td time, th time").first
        begun = datetime.fromisoformat(time.get_attribute("datetime")).astimezone(ZoneInfo(zone))
        shown[zone] = time.inner_text()
        assert shown[zone].endswith(f"{begun:%H:%M}")
        assert sum(page.evaluate("window.jumps")) < 0.01
    assert len(set(shown.values())) == 2


def test_a_server_that_does_not_answer_is_told_in_words(calls, watch):
    watch.allow("ERR_|503|htmx:")
    page = calls
    page.route(re.compile("q=one"), lambda route: route.abort())
    page.route(
        re.compile("q=two"),
        lambda route: route.fulfill(status=503, json={"status": 503, "detail": "the ledger rests"}),
    )
    words, said = page.get_by_label("Words that were said"), page.locator("#said")
    there = rows(page)
    for asked_for, told in (("one", "Is the network there?"), ("two", "the ledger rests")):
        words.fill(asked_for)
        page.get_by_role("button", name="Search").click()
        said.get_by_text(told).wait_for()
        assert rows(page) == there
    said.get_by_role("button", name="Close").click()
    assert said.inner_text() == ""


def test_who_is_no_longer_signed_in_comes_back_to_the_list(calls, watch):
    watch.allow("401")
    page = calls
    page.goto("/calls?state=failed")
    page.context.clear_cookies()
    page.get_by_role("link", name="Length").click()
    page.wait_for_url("**/login?next=%2Fcalls%3Fstate%3Dfailed")
