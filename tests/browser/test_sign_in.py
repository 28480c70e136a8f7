"""Signing in, in a real browser with the real policy on."""

import re

import pytest
from tests.browser.house import PASSWORD


def fill(page, name, password=PASSWORD):
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_the_form_leads_in_and_out(page, house, check_axe):
    page.goto("/")
    assert "/login" in page.url
    check_axe(page)
    fill(page, "grete")
    page.wait_for_url(re.compile(r"/(?!login)"))
    cookie = next(each for each in page.context.cookies() if each["name"] == "callveil")
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Lax"
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/login")
    page.goto("/")
    assert "/login" in page.url


def test_a_wrong_password_is_told_in_words(page, watch, check_axe):
    watch.allow("401")
    page.goto("/login")
    fill(page, "rita", "not the password")
    assert page.get_by_role("alert").is_visible()
    check_axe(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_readable_in_both_schemes(new_page, scheme, check_axe):
    page = new_page(color_scheme=scheme)
    page.goto("/login")
    check_axe(page)


def test_the_policy_is_on(page, watch):
    """Else no test would notice a script that our own policy forbids."""
    watch.allow("Content Security Policy")
    page.goto("/login")
    page.evaluate(
        "() => { const s = document.createElement('script'); s.textContent = 'window.bad = 1';"
        " document.body.append(s); }"
    )
    assert page.evaluate("() => window.bad") is None
    assert any("Content Security Policy" in each for each in watch.complaints)
