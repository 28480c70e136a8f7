"""A day of the ops team in a real browser: the pipeline, other policies, a legal hold."""

from __future__ import annotations

import re

import pytest

from callveil.vocabulary.ledger import CallState


def rows_of(page, name):
    """Rows of a table by what stands in their first cell."""
    rows = page.locator("tr", has=page.get_by_role("cell", name=name, exact=True))
    return [cell.inner_text() for cell in rows.first.locator("td").all()]


def test_simulate_and_apply_a_policy(make_house, new_page, sign_in, check_axe, watch):
    watch.allow("422")  # a form that is not right yet
    house = make_house(web={"two_person": ["retention"]})
    oscar, olga = new_page(house), new_page(house)
    sign_in(oscar, "oscar", house)
    sign_in(olga, "olga", house)
    n_sales = sum(
        found.call.queue == "sales"
        for found in house.service.ledger.calls(state=CallState.PUBLISHED, limit=1000)
    )
    assert n_sales > 3

    # A policy is written with the form.
    oscar.goto("/retention")
    oscar.get_by_role("link", name="Change the policies").click()
    oscar.get_by_role("button", name="Add a policy").click()
    oscar.get_by_label("Name").fill("sales-short")
    oscar.get_by_label("Queues").fill("sales")
    oscar.get_by_label("Keep for: audio", exact=True).fill("soon")
    oscar.get_by_role("button", name="Take it over").click()
    assert oscar.get_by_text("is no period").is_visible()
    check_axe(oscar)
    for part in ("audio", "transcript", "original", "certificate"):
        oscar.get_by_label(f"Keep for: {part}", exact=True).fill("2 days")
    oscar.get_by_role("button", name="Take it over").click()
    assert 'name = "sales-short"' in oscar.get_by_label("As text").input_value()
    assert oscar.get_by_text("Nothing contradicts anything.").is_visible()
    check_axe(oscar)

    # It is tried out: nothing is touched.
    oscar.get_by_role("button", name="Try it out").click()
    oscar.get_by_role("heading", name="When audio ends").wait_for()
    assert oscar.locator("svg.bar-chart .bar.before").first.is_visible()
    shorter = rows_of(oscar, "Kept shorter by the change")
    assert int(shorter[2].split()[0]) >= n_sales
    check_axe(oscar)
    assert house.service.books.policy_sets.version() == 0

    # Oscar proposes, and cannot agree to it himself.
    oscar.get_by_role("button", name="Go on to putting it in force").click()
    oscar.get_by_label("Why they change").fill("sales calls go after two days")
    check_axe(oscar)
    oscar.get_by_role("button", name="Propose").click()
    assert oscar.get_by_text("Nothing has changed yet.").is_visible()
    assert oscar.get_by_role("button", name="Agree and put in force").count() == 0
    olga.goto("/retention")
    assert olga.get_by_text("sales calls go after two days").is_visible()
    check_axe(olga)
    olga.get_by_role("button", name="Agree and put in force").click()
    assert olga.get_by_role("heading", name="sales-short").is_visible()
    assert house.service.books.policy_sets.current().approved_by == "user:olga"

    # Published calls follow behind the page.
    olga.get_by_role("button", name="Apply to published calls").click()
    olga.get_by_text("All published calls follow the policies in force").wait_for()
    for found in house.service.ledger.calls(state=CallState.PUBLISHED, limit=1000):
        policy = house.service.store.tags(f"{found.prefix}certificate.json")["callveil-retention"]
        assert (policy == "sales-short") == (found.call.queue == "sales")
    olga.reload()
    olga.get_by_role("table").first.wait_for()
    check_axe(olga)


def test_a_failed_call_is_sent_through_once_more(a_house, new_page, sign_in, check_axe):
    page = new_page(a_house)
    sign_in(page, "oscar", a_house)
    failed = a_house.one("failed")
    page.goto("/ops")
    page.get_by_text("The same as a table").wait_for()
    page.get_by_role("row", name=re.compile("^Ledger")).wait_for()
    check_axe(page)
    page.get_by_label(f"Choose {failed}").check()
    page.get_by_role("button", name="Try the chosen ones again").click()
    assert page.get_by_text("1 call was sent through once more.").is_visible()
    assert a_house.service.ledger.get(failed).state is CallState.RECEIVED
    assert page.get_by_label(f"Choose {failed}").count() == 0


def test_the_figures_refresh_without_a_jump(house, new_page, sign_in):
    page = new_page()
    sign_in(page, "oscar")
    page.goto("/ops")
    page.get_by_text("The same as a table").wait_for()
    heights = {page.locator("#now").bounding_box()["height"]}
    with page.expect_response(re.compile(r"/ops/now")) as answer:
        pass
    assert answer.value.status == 200
    page.wait_for_timeout(200)
    heights.add(page.locator("#now").bounding_box()["height"])
    assert len(heights) == 1


def test_a_hold_is_placed_and_ended(a_house, new_page, sign_in, check_axe):
    page = new_page(a_house)
    sign_in(page, "petra", a_house)
    call_id = a_house.one("published")
    page.goto("/retention/holds")
    check_axe(page)
    page.get_by_role("link", name="Place a hold").click()
    page.get_by_label("Ids of the calls").fill(call_id)
    page.get_by_label("Who demands it").fill("County court, matter 7")
    page.get_by_label("Reason").fill("Claim 7")
    check_axe(page)
    page.get_by_role("button", name="Go on: how many calls").click()
    assert page.get_by_role("heading", name="1 call", exact=True).is_visible()
    check_axe(page)
    page.get_by_role("button", name="Place the hold").click()
    assert page.get_by_text("The store is being told.").is_visible()
    (hold,) = (each for each in a_house.service.books.holds.holds() if each.reason == "Claim 7")
    assert [each.hold_id for each in a_house.service.books.holds.of(call_id)] == [hold.hold_id]
    page.get_by_role("link", name=hold.hold_id).click()
    check_axe(page)
    page.get_by_label("Why it ends").fill("Settled")
    page.get_by_role("button", name="End this hold").click()
    assert page.get_by_text("has ended").first.is_visible()
    assert a_house.service.books.holds.of(call_id) == ()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_hold_in_both_schemes_and_on_a_phone(house, new_page, sign_in, check_axe, scheme):
    page = new_page(color_scheme=scheme, viewport={"width": 390, "height": 844})
    sign_in(page, "grete")
    for path in ("/ops", "/retention", "/retention/edit?policy=0", "/retention/holds/new?scope=query"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        check_axe(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
