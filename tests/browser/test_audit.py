"""The day of who answers for the audit chain."""

import json

import pytest
from tests.browser.conftest import NARROW


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": NARROW}])
def test_the_list_can_be_read_by_everybody(new_page, sign_in, check_axe, options):
    page = new_page(**options)
    sign_in(page, "ada")
    page.goto("/audit")
    page.get_by_text("What").first.wait_for()
    page.locator("td.raw summary").first.click()
    check_axe(page)
    # Nothing sticks out of a narrow screen.
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_somebody_is_found_and_what_they_did_exported(page, sign_in):
    sign_in(page, "ada")
    page.goto("/audit")
    page.keyboard.press("/")
    page.keyboard.type("petra")
    page.get_by_label("What").select_option("retention")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**/audit?*actor=petra*")
    assert page.get_by_role("cell", name="placed a legal hold").is_visible()
    assert set(page.locator("td.who a").all_inner_texts()) == {"petra"}
    with page.expect_download() as begun:
        page.get_by_role("link", name="Export as JSON lines").click()
    lines = [json.loads(line) for line in begun.value.path().read_text().splitlines()]
    assert {line["actor"] for line in lines} == {"user:petra"}
    assert "hold.placed" in {line["action"] for line in lines}


def test_times_of_the_form_are_the_viewers(page, sign_in, house):
    sign_in(page, "ada")
    page.goto("/audit")
    page.get_by_label("From").fill("2026-06-01T12:00")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**since=2026-06-01T10**")
    assert page.get_by_label("From").input_value() == "2026-06-01T12:00"


def test_the_chain_is_checked(page, sign_in, check_axe, a_house, new_page):
    page = new_page(a_house)
    sign_in(page, "ada", a_house)
    page.goto("/audit")
    page.get_by_role("button", name="Check the whole chain").click()
    page.wait_for_url("**/audit/check")
    page.get_by_text("entries are what was written").wait_for()
    check_axe(page)
    page.get_by_role("link", name="Back to the entries").click()
    assert page.get_by_text("it holds, checked").is_visible()


def test_it_is_not_for_others(page, sign_in, watch):
    watch.allow("403")
    sign_in(page, "petra")
    page.goto("/audit")
    assert page.get_by_role("heading", name="Not allowed").is_visible()
