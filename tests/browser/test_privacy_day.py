"""The privacy officer's day: find a person, give a copy, erase, prove it; and what is refused."""

import io
import json
import re
import zipfile
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.browser.house import PERSON

from callveil.vocabulary.ledger import CallState

NARROW = {"width": 390, "height": 800}


def find(page):
    page.goto("/privacy")
    page.get_by_label("Telephone numbers").fill("+44 20 7946 0018")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/privacy/persons/*")
    return page.url


def names_the_person(text):
    return any(value in text for value in (PERSON.phone, "7946", PERSON.email, PERSON.customer_id))


def test_erase_a_subject(a_house, new_page, sign_in, check_axe):
    page = new_page(a_house)
    sign_in(page, "petra", a_house)
    here = find(page)
    check_axe(page)
    assert not names_the_person(here)
    assert not names_the_person(page.content())
    [n_calls] = re.findall(r"This person: (\d+) calls", page.inner_text("h1"))

    page.get_by_role("link", name="Erase").click()
    assert page.get_by_text("Nothing has happened yet").is_visible()
    assert page.get_by_text("by policy").first.is_visible()
    check_axe(page)
    page.get_by_role("link", name="Go on to erase").click()
    check_axe(page)
    page.get_by_label("Type ERASE to confirm").fill("erase")
    page.get_by_role("button", name="Erase now").click()
    page.wait_for_url("**/privacy/requests/req-*")
    page.get_by_role("link", name="Signed certificate").wait_for()  # it comes by itself
    check_axe(page)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Signed certificate").click()
    proof = json.loads(coming.value.path().read_bytes())
    erased = [each["call_id"] for each in proof["calls"] if each["state"] == "erased"]
    assert len(proof["calls"]) == int(n_calls) > len(erased) > 0
    ledger = a_house.service.ledger
    assert {ledger.get(call_id).state for call_id in erased} == {CallState.ERASED}

    page.get_by_role("button", name="Check it again now").click()
    assert page.get_by_text("The certificate holds").is_visible()
    check_axe(page)
    page.goto(here)
    assert page.get_by_text("Locked away").first.is_visible()  # what a law keeps
    entries = ledger.audit()
    assert not names_the_person(
        json.dumps([[each.actor, each.action, dict(each.detail)] for each in entries])
    )
    assert ledger.check_audit() is None


def test_a_copy_is_made_behind_the_page_and_fetched_once(a_house, new_page, sign_in, check_axe, watch):
    watch.allow("404")
    page = new_page(a_house)
    sign_in(page, "paul", a_house)
    find(page)
    page.get_by_role("link", name="Export a copy").click()
    check_axe(page)
    page.get_by_role("button", name="Make the archive").click()
    page.get_by_role("button", name="Fetch the archive").wait_for()
    check_axe(page)
    with page.expect_download() as coming:
        page.get_by_role("button", name="Fetch the archive").click()
    with zipfile.ZipFile(io.BytesIO(coming.value.path().read_bytes())) as archive:
        assert "index.html" in archive.namelist()
    page.get_by_role("button", name="Fetched").wait_for()
    page.reload()
    assert page.get_by_text("fetched or deleted already").is_visible()
    assert list((a_house.folder / "exports").iterdir()) == []


def test_what_an_officer_may_not_do_is_refused(page, house, sign_in, watch):
    watch.allow("403")
    sign_in(page, "petra")
    here = find(page)
    assert page.get_by_role("link", name="Export a copy").count() == 0
    assert page.goto(f"{here}/export").status == 403
    for name in ("rita", "oscar"):
        sign_in(page, name)
        assert page.goto("/privacy").status == 403
        assert page.get_by_role("link", name="Privacy").count() == 0


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, {"viewport": NARROW}])
def test_the_pages_are_readable_everywhere(new_page, house, sign_in, check_axe, options):
    page = new_page(**options)
    sign_in(page, "grete")
    find(page)
    here = [page.url, *(f"{page.url}/{each}" for each in ("erasure", "restriction", "lift", "export"))]
    call = f"/privacy/calls/{house.one('on_hold')}"
    for path in (
        *here,
        "/privacy",
        "/privacy/requests?show=all",
        "/privacy/recipients",
        "/privacy/record",
        call,
    ):
        page.goto(path)
        check_axe(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_a_breach_is_counted_from_the_viewers_own_time(page, house, sign_in, check_axe):
    sign_in(page, "petra")
    page.goto("/privacy/breach")
    check_axe(page)
    known = (house.clock.now() - timedelta(hours=10, minutes=30)).astimezone(ZoneInfo("Europe/Berlin"))
    page.get_by_label("Day and time").fill(f"{known:%Y-%m-%dT%H:%M}")
    page.get_by_label("From (").fill("2020-01-01T00:00")
    page.get_by_label("To (").fill("2030-01-01T00:00")
    page.get_by_role("button", name="Make the report").click()
    assert page.get_by_text("61 hours of 72 are left").is_visible()
    check_axe(page)
    with page.expect_download() as coming:
        page.get_by_role("button", name="Texts and lists as files").click()
    with zipfile.ZipFile(io.BytesIO(coming.value.path().read_bytes())) as archive:
        assert b"Notification of a personal data breach" in archive.read("authority.md")
