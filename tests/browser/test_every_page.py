"""Every page there is: readable by everybody (axe), in both schemes, on narrow screens, with keys alone."""

from __future__ import annotations

import pytest
from tests.browser.conftest import NARROW
from tests.browser.site_routes import CALL_PARAMS, routes

from callveil.kit import open_passwords
from callveil.web.pages.app import build_page_app

NO_PAGES = (
    "/audio",
    "/outline",
    "/waveform",
    "/progress",
    "/export.{form}",
    ".toml",
    "/record/{name}",
    "/proof",
    "/receipt",
    "/oidc",
)
"""Ends of addresses that are files or parts of pages."""

ELSEWHERE = ("{job_id}", "{job}", "{person}", "{review_id}", "{proposal_id}", "/original", "/retention/sets/")
"""What must be begun first: the tests of those pages look at them."""


def values(house):
    """Path parameters that lead to something."""
    books = house.service.books
    return {
        "name": "rita",
        "hold_id": books.holds.holds()[0].hold_id,
        "request_id": books.requests.requests()[0].request_id,
    }


def pages(house):
    """Addresses of pages, and who looks at them."""
    found = routes(build_page_app(house.service, passwords=open_passwords()))
    known = values(house)
    for each in found:
        if each.changes or each.path.endswith(NO_PAGES) or any(part in each.path for part in ELSEWHERE):
            continue
        if each.path == "/quarantine/{call_id}":
            yield each.address(lambda _: house.one("quarantined"))
        elif each.call_param is not None:
            for what in ("published", "restricted", "failed"):
                yield each.address(lambda _, what=what: house.one(what))
        elif {param.alias for param in each.params} - CALL_PARAMS <= set(known):
            yield each.address(lambda name: known[name])


def see(page, address):
    """Go there; True when it is a page that whoever asks may see."""
    answer = page.goto(address)
    is_html = "text/html" in answer.headers.get("content-type", "")
    if answer.status in (404, 409) or not is_html or "<html" not in answer.text():
        return False
    assert answer.status == 200, (address, answer.status)
    # Late parts come by htmx.
    page.wait_for_load_state("networkidle")
    return True


@pytest.mark.parametrize(
    "options", [{}, {"color_scheme": "dark"}, {"viewport": NARROW}], ids=["light", "dark", "narrow"]
)
def test_axe_finds_nothing_on_any_page(house, new_page, sign_in, check_axe, watch, options):
    watch.allow("404|409|ERR_ABORTED")
    page = new_page(**options)
    sign_in(page, "grete")
    wrong, n_seen = [], 0
    for address in pages(house):
        if not see(page, address):
            continue
        n_seen += 1
        try:
            check_axe(page)
        except AssertionError as error:
            wrong.append(str(error))
        if page.evaluate("() => document.documentElement.scrollWidth > innerWidth"):
            wrong.append(f"{address}: sticks out of the screen")
        if page.evaluate("() => document.querySelectorAll('h1').length") != 1:
            wrong.append(f"{address}: not one h1")
        if page.title().startswith(" ·"):
            wrong.append(f"{address}: no title")
    assert not wrong, "\n\n".join(wrong)
    assert n_seen >= 5


_REACHABLE = """() => {
  const all = [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]')];
  const seen = all.filter((e) => e.tabIndex >= 0 && !e.disabled && e.type !== 'hidden'
    && e.checkVisibility({visibilityProperty: true}) && !e.closest('dialog:not([open])')
    && e.getClientRects().length);
  // Of radio buttons of a name the keys reach one.
  const radios = new Set();
  return seen.filter((e) => e.type !== 'radio' || (!radios.has(e.name) && radios.add(e.name)))
    .map((e, index) => { e.dataset.walked = index; return e.outerHTML.slice(0, 120); });
}"""

_FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const style = getComputedStyle(e);
  const has = (each) => each && each.outlineStyle !== 'none' && parseFloat(each.outlineWidth) > 0;
  const row = e.closest('tr');
  // Chromium draws the ring of a part of a date inside of the field.
  const ring = has(style) || (row && has(getComputedStyle(row))) || /^(date|datetime-local)$/.test(e.type);
  const seen = ring || style.boxShadow !== 'none';
  return {index: e.dataset.walked ?? '', ring: seen, what: e.outerHTML.slice(0, 120)};
}"""


@pytest.mark.parametrize(
    "path",
    [
        "/login",
        "/calls",
        "/calls/{published}",
        "/quarantine",
        "/ops",
        "/retention",
        "/retention/holds",
        "/privacy",
        "/audit",
        "/users",
        "/me",
    ],
)
def test_keys_alone_lead_everywhere(house, page, sign_in, watch, path):
    watch.allow("404")
    if path != "/login":
        sign_in(page, "grete")
    address = path.replace("{published}", house.one("missed"))
    if not see(page, address):
        pytest.skip("there is no such page yet")
    there = page.evaluate(_REACHABLE)
    page.evaluate("() => { document.activeElement?.blur(); window.scrollTo(0, 0); }")
    reached, without_ring = set(), []
    for _ in range(3 * len(there) + 10):
        page.keyboard.press("Tab")
        found = page.evaluate(_FOCUSED)
        if found is None:
            if len(reached) >= len(there):
                break
            continue
        reached.add(found["index"])
        if not found["ring"]:
            without_ring.append(found["what"])
        if len(reached - {""}) >= len(there):
            break
    missed = [html for index, html in enumerate(there) if str(index) not in reached]
    assert not missed, "the Tab key does not lead to:\n" + "\n".join(missed)
    assert not without_ring, "focused, and nobody sees it:\n" + "\n".join(sorted(set(without_ring)))


def test_the_first_tab_skips_to_the_content(page, sign_in):
    sign_in(page, "grete")
    page.goto("/audit")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("() => document.activeElement.id") == "main"
