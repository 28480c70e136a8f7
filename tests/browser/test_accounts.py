"""One's own account, users and single sign-on, as people use them, and as axe sees them."""

import re
import socket

import pytest
from tests.browser.conftest import NARROW
from tests.browser.house import PASSWORD

from callveil.vocabulary.accounts import ExternalIdentity

OTHER = "anders-und-lang"


def fill(page, name, password=PASSWORD):
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_somebody_changes_their_password(new_page, a_house, check_axe, watch):
    watch.allow("403")
    page = new_page(a_house)
    page.goto("/login?next=/me")
    fill(page, "rita")
    page.wait_for_url("**/me")
    check_axe(page)
    page.get_by_label("Present password").fill("wrong")
    page.get_by_label("New password", exact=True).fill(OTHER)
    page.get_by_label("New password again").fill(OTHER)
    page.get_by_role("button", name="Change the password").click()
    assert "another one" in page.get_by_role("alert").inner_text()
    check_axe(page)
    page.get_by_label("Present password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(OTHER)
    page.get_by_label("New password again").fill(OTHER)
    page.get_by_role("button", name="Change the password").click()
    page.wait_for_url("**/me?done=password")
    check_axe(page)
    page.get_by_role("button", name="Sign out").click()
    page.goto("/login")
    fill(page, "rita", OTHER)
    page.wait_for_url(re.compile(r"/(?!login)"))


def test_an_admin_enters_somebody_and_shuts_them_out(new_page, a_house, sign_in, check_axe, watch):
    watch.allow("422")
    watch.allow("401")
    page = new_page(a_house)
    sign_in(page, "ada", a_house)
    page.goto("/")
    page.get_by_role("link", name="Users").click()
    assert page.get_by_role("row", name=re.compile("grete")).is_visible()
    check_axe(page)
    page.get_by_role("link", name="New user").click()
    check_axe(page)
    page.get_by_label("Name").fill("Neu")
    page.get_by_role("button", name="Enter the user").click()
    assert "choose one or more" in page.get_by_role("alert").inner_text()
    page.get_by_role("checkbox", name=re.compile("^reviewer")).check()
    page.get_by_role("checkbox", name=re.compile("^replay-original")).check()
    page.get_by_label("Queues").fill("care")
    page.get_by_label("First password").fill(OTHER)
    page.get_by_role("button", name="Enter the user").click()
    page.wait_for_url("**/users/neu?done=new")
    check_axe(page)
    page.get_by_text("Make a token").click()
    page.get_by_label("What it is for").fill("nightly")
    page.get_by_role("checkbox", name=re.compile("^calls:read")).check()
    page.get_by_role("button", name="Make it").click()
    assert page.locator("#secret").inner_text().startswith("cvt_")
    check_axe(page)

    theirs = new_page(a_house)
    theirs.goto("/login?next=/me")
    fill(theirs, "neu", OTHER)
    theirs.wait_for_url("**/me")
    assert "care" in theirs.locator("main").inner_text()
    assert theirs.get_by_role("link", name="Users").count() == 0

    page.get_by_role("link", name="Shut out").click()
    check_axe(page)
    page.get_by_role("button", name="Shut out").click()
    page.wait_for_url("**/users/neu?done=disabled")
    theirs.goto("/me")
    assert "/login" in theirs.url


def test_an_admins_own_account_is_changed_by_another(page, sign_in, check_axe):
    sign_in(page, "ada")
    page.goto("/users/ada")
    assert page.get_by_text("another admin must change").is_visible()
    assert page.get_by_role("button", name="Change").count() == 0
    check_axe(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/me", "/users", "/users/new", "/users/nora"])
def test_pages_are_readable_in_both_schemes_and_on_narrow_screens(new_page, sign_in, check_axe, scheme, path):
    page = new_page(color_scheme=scheme, viewport=NARROW)
    sign_in(page, "ada")
    page.goto(path)
    check_axe(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.fixture
def sso_house(make_house, identity_provider, monkeypatch, watch):
    """A house whose users a provider vouches for; both over real HTTP."""
    client_id, secret = identity_provider.client
    monkeypatch.setenv("CALLVEIL_OIDC_SECRET", secret)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    oidc = {"issuer": identity_provider.issuer, "client_id": client_id, "label": "Sign in with Example"}
    web = {"public_url": f"http://127.0.0.1:{port}", "oidc": oidc}
    made = make_house(port=port, web=web)
    identity_provider.now = lambda: made.clock.now().timestamp()
    watch.own.append(identity_provider.issuer)
    return made


def test_single_sign_on(new_page, sso_house, identity_provider, check_axe, watch):
    watch.allow("403")
    page = new_page(sso_house)
    page.goto("/login?next=/me")
    check_axe(page)
    page.get_by_role("link", name="Sign in with Example").click()
    # Nobody's user here yet: the page says what an admin needs to know.
    alert = page.get_by_role("alert")
    assert "no user for you here" in alert.inner_text()
    assert page.locator("#subject").inner_text() == "user-17"
    check_axe(page)
    accounts, now = sso_house.service.books.accounts, sso_house.clock.now()
    identity = ExternalIdentity(issuer=identity_provider.issuer, subject="user-17")
    accounts.set_identity("rita", identity, actor="test", now=now)
    page.goto("/login?next=/me")
    page.get_by_role("link", name="Sign in with Example").click()
    page.wait_for_url("**/me")
    assert page.get_by_role("link", name="rita").is_visible()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/me")
    assert "/login" in page.url
