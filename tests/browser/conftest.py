"""A house full of calls behind a real server, a real browser, and what every page must keep to."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.browser.house import House, build_house, copy_house, keep, served

_HERE = Path(__file__).parent
_SOURCES = (_HERE.parents[1] / "src", _HERE)
_SCREEN = {"width": 1280, "height": 800}
NARROW = {"width": 390, "height": 800}
_FLAGS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--mute-audio",
    "--disable-dev-shm-usage",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _HERE in item.path.parents and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """The house, served. Tests share it: what they change must not be what others look at (`a_house`)."""
    made = copy_house(kept_house(request.config), tmp_path_factory.mktemp("house") / "data")
    with served(made):
        yield made


@pytest.fixture
def make_house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Houses with other settings: `make_house(web={"two_person": ["retention"]})`."""
    with ExitStack() as stack:

        def make(*, port: int = 0, **profile: Any) -> House:
            made = copy_house(kept_house(request.config), tmp_path / f"data-{len(made_houses)}", **profile)
            made_houses.append(made)
            return stack.enter_context(served(made, port))

        made_houses: list[House] = []
        yield make


@pytest.fixture
def a_house(make_house: Callable[..., House]) -> House:
    """A house of the test's own, for what cannot be undone."""
    return make_house()


def kept_house(config: pytest.Config) -> Path:
    """Built once a day, and whenever something that makes it has changed; then only copied."""
    digest = hashlib.sha256(datetime.now(UTC).date().isoformat().encode())
    for path in sorted(path for root in _SOURCES for path in root.rglob("*.py")):
        if not path.name.startswith("test_") and not {"web", "cli"} & set(path.parts):
            digest.update(path.read_bytes())
    folder = Path(config.cache.mkdir("house"))  # type: ignore[union-attr]
    kept = folder / digest.hexdigest()[:16]
    if not kept.is_dir():
        draft = folder / f"draft-{os.getpid()}"
        keep(build_house(draft / "data"))
        for old in [each for each in folder.iterdir() if not each.name.startswith("draft-")]:
            shutil.rmtree(old, ignore_errors=True)
        (draft / "data").rename(kept)
        shutil.rmtree(draft)
    return kept


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium. Of a module: as long as playwright runs, no other test of the session may use asyncio."""
    program = (
        os.environ.get("CALLVEIL_TEST_CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
    )
    reason = "" if program else "no browser: chromium not installed; see deploy/test-browser/README.md"
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        reason = "no browser: the package playwright is not installed"
    if reason:
        if os.environ.get("CALLVEIL_TEST_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=_FLAGS)
        yield started
        started.close()


class Watch:
    """Notes what a page complains about: errors in the console, scripts that fail, requests to elsewhere."""

    def __init__(self) -> None:
        self.own = ["data:", "blob:", "about:"]
        self._allowed: list[re.Pattern[str]] = []
        self.complaints: list[str] = []

    def allow(self, pattern: str) -> None:
        """Complaints that match are expected, such as "403" where a page is refused."""
        self._allowed.append(re.compile(pattern))

    def follow(self, page: Any) -> None:
        page.on("console", lambda said: said.type == "error" and self._note(said.text))
        page.on("pageerror", lambda error: self._note(f"script failed: {error}"))
        page.on("request", lambda request: self._look(request.url))

    def check(self) -> None:
        left = [each for each in self.complaints if not any(a.search(each) for a in self._allowed)]
        assert not left, "the page complains:\n" + "\n".join(left)

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _look(self, url: str) -> None:
        if not url.startswith(tuple(self.own)):
            self._note(f"a request to elsewhere: {url}")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """What the pages of this test complain about; checked at its end."""
    found = Watch()
    yield found
    found.check()


@pytest.fixture
def new_page(browser: Any, house: House, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Opens pages in browsers of their own: `new_page(color_scheme="dark", viewport=NARROW)`.

    Of another house: `new_page(a_house)`.
    """
    contexts = []

    def new(of: House = house, **options: Any) -> Any:
        watch.own.append(of.url)
        given = {"base_url": of.url, "viewport": _SCREEN, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
        context = browser.new_context(**{**given, "reduced_motion": "reduce", **options})
        contexts.append(context)
        context.set_default_timeout(15_000)
        context.on("page", watch.follow)
        return context.new_page()

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """A page, nobody signed in."""
    return new_page()


@pytest.fixture
def sign_in(house: House) -> Callable[..., None]:
    """Signs a user in without the form, which takes its time and counts attempts: `sign_in(page, "rita")`.

    Of another house: `sign_in(page, "rita", a_house)`.
    """

    def enter(page: Any, name: str, of: House = house) -> None:
        page.context.clear_cookies()
        cookie = {"name": "callveil", "value": of.begin_session(name), "url": of.url}
        page.context.add_cookies([{**cookie, "httpOnly": True, "sameSite": "Lax"}])

    return enter


_AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="session")
def check_axe() -> Callable[..., None]:
    """Fails when axe finds something on a page as it is now: `check_axe(page)`."""
    source = (_HERE / "vendor" / "axe.min.js").read_text(encoding="utf-8")

    def check(page: Any, *, exclude: tuple[str, ...] = ()) -> None:
        # Through the debugger, which the Content-Security-Policy does not concern.
        page.evaluate(f"() => {{ if (!window.axe) {{ {source} }} }}")
        found = page.evaluate(
            """([tags, exclude]) => axe.run({include: [["html"]], exclude: exclude.map((each) => [each])},
            {runOnly: {type: "tag", values: tags}, resultTypes: ["violations"], preload: false})""",
            [_AXE_TAGS, list(exclude)],
        )
        told = [
            f"{rule['id']} ({rule['impact']}): {rule['help']}\n    "
            + "\n    ".join(f"{node['target']} {node['failureSummary']}" for node in rule["nodes"][:5])
            for rule in found["violations"]
        ]
        assert not told, f"axe on {page.url}:\n" + "\n".join(told)

    return check
