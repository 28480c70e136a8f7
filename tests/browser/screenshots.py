"""Pictures of the pages for PAGES.md: `python tests/browser/screenshots.py [NAME ...]`.

The house is always built at the same time of the same day, so a picture changes only with its page. They go to
docs/pages/NAME.png. Needs Pillow, which comes with the extra `evaluate`.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser.house import House, build_house, served  # noqa: E402

FOLDER = ROOT / "docs" / "pages"
MOST_BYTES = 150_000
NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
_WIDE, _NARROW = {"width": 1200, "height": 780}, {"width": 390, "height": 780}


@dataclass(frozen=True)
class Shot:
    """A picture.

    Attributes:
        name: Of its file, without ".png".
        user: Who looks; empty for nobody.
        path: Where; "{published}" stands for the first call of that kind.
        steps: What is done before.
        options: Of the browser.
    """

    name: str
    user: str
    path: str
    steps: Callable[[Any], None] = lambda page: None
    options: dict[str, Any] = field(default_factory=dict)


def _find(page: Any) -> None:
    page.get_by_label("Telephone numbers").fill("+44 20 7946 0018")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url("**/privacy/persons/*")


def _erase(page: Any) -> None:
    _find(page)
    page.get_by_role("link", name="Erase").click()
    page.get_by_text("Nothing has happened yet").wait_for()


def _play(page: Any) -> None:
    page.locator("[data-player][data-ready]").wait_for()
    page.locator(".turn").nth(3).locator("button.at").click()


def _simulate(page: Any) -> None:
    page.get_by_role("button", name="Simulate").first.click()
    page.wait_for_url("**/retention/simulations/*")
    page.wait_for_timeout(3000)


def _checked(page: Any) -> None:
    page.get_by_role("button", name="Check the whole chain").click()
    page.get_by_text("entries are what was written").wait_for()
    page.goto("/audit?what=accounts")


SHOTS = (
    Shot("sign-in", "", "/login", options={"viewport": {"width": 760, "height": 560}}),
    Shot("calls", "rita", "/calls"),
    Shot("calls-search", "rita", "/calls?q=engineer"),
    Shot("call", "rita", "/calls/{long}", _play),
    Shot("call-dark", "rita", "/calls/{long}", _play, {"color_scheme": "dark"}),
    Shot("call-narrow", "rita", "/calls/{long}", _play, {"viewport": _NARROW}),
    Shot("quarantine", "hugo", "/quarantine"),
    Shot("quarantined-call", "hugo", "/quarantine/{quarantined}"),
    Shot("reviews", "hugo", "/reviews"),
    Shot("pipeline", "oscar", "/ops"),
    Shot("retention", "oscar", "/retention"),
    Shot("retention-edit", "oscar", "/retention/edit"),
    Shot("retention-simulation", "oscar", "/retention/edit", _simulate),
    Shot("holds", "petra", "/retention/holds"),
    Shot("privacy", "petra", "/privacy"),
    Shot("person", "paul", "/privacy", _find),
    Shot("erasure", "petra", "/privacy", _erase),
    Shot("requests", "petra", "/privacy/requests"),
    Shot("breach", "petra", "/privacy/breach"),
    Shot("audit", "ada", "/audit", _checked),
    Shot("users", "ada", "/users"),
    Shot("account", "rita", "/me"),
)


def main(names: list[str]) -> int:
    """Take the pictures; returns 1 when one could not be taken."""
    from playwright.sync_api import Error, sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser")
    FOLDER.mkdir(parents=True, exist_ok=True)
    failed = 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        house = build_house(Path(folder) / "data", now=NOW)
        with served(house):
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
            for shot in SHOTS:
                if not names or shot.name in names:
                    try:
                        _take(shot, house, browser)
                    except Error as error:
                        failed = 1
                        sys.stderr.write(f"{shot.name}: {str(error).splitlines()[0]}\n")
            browser.close()
    return failed


def _take(shot: Shot, house: House, browser: Any) -> None:
    given = {"base_url": house.url, "viewport": _WIDE, "locale": "en-GB", "timezone_id": "Europe/Berlin"}
    context = browser.new_context(**{**given, "reduced_motion": "reduce", **shot.options})
    context.set_default_timeout(15_000)
    if shot.user:
        cookie = {"name": "callveil", "value": house.begin_session(shot.user), "url": house.url}
        context.add_cookies([cookie])
    page = context.new_page()
    page.goto(shot.path.format(**{what: ids[0] for what, ids in house.calls.items()}))
    shot.steps(page)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(300)
    content = _small(page.screenshot())
    (FOLDER / f"{shot.name}.png").write_bytes(content)
    sys.stderr.write(f"{shot.name}: {len(content)} bytes\n")
    context.close()


def _small(png: bytes) -> bytes:
    """With as many colours as fit into the size that is allowed."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    for colours in (256, 128, 64, 32, 16):
        out = io.BytesIO()
        method = Image.Quantize.MEDIANCUT
        picture.quantize(colours, method=method, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
        if out.tell() < MOST_BYTES:
            break
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
