import pytest
from pathlib import Path

OUT = Path("/tmp/qshots")
OUT.mkdir(exist_ok=True)


def shot(page, name):
    page.screenshot(path=str(OUT / f"{name}.png"), full_page=True)


def test_shots(make_house, new_page, sign_in, check_axe, watch):
    h = make_house(web={"two_person": ["quarantine"]})
    watch.allow("422")
    for scheme, vp in (
        ("light", {"width": 1280, "height": 800}),
        ("dark", {"width": 1280, "height": 800}),
        ("light", {"width": 390, "height": 800}),
    ):
        tag = f"{scheme}-{vp['width']}"
        page = new_page(h, color_scheme=scheme, viewport=vp)
        sign_in(page, "hugo", h)
        page.goto("/quarantine")
        shot(page, f"list-{tag}")
        check_axe(page)
        c = h.one("quarantined")
        page.goto(f"/quarantine/{c}")
        shot(page, f"ask-{tag}")
        check_axe(page)
        page.get_by_label("Why do you have to hear it?").fill("To see what was left")
        page.get_by_role("button", name="Write that down and listen").click()
        page.wait_for_selector("[data-ready]")
        if page.locator("[data-mark-all]").count():
            page.locator("[data-mark-all]").click()
        lanes = page.locator(".lanes").bounding_box()
        if lanes:
            page.locator(".lanes").scroll_into_view_if_needed()
            b = page.locator(".lanes").bounding_box()
            page.mouse.move(b["x"] + b["width"] * 0.3, b["y"] + 30)
            page.mouse.down()
            page.mouse.move(b["x"] + b["width"] * 0.4, b["y"] + 30, steps=5)
            page.mouse.up()
        page.wait_for_timeout(300)
        shot(page, f"play-{tag}")
        check_axe(page)
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press(" ")
        page.wait_for_timeout(1500)
        print(
            tag,
            page.evaluate(
                "(()=>{const a=document.querySelector('audio');return [a.currentTime,a.duration,a.paused,a.readyState,a.error&&a.error.message]})()"
            ),
        )
        page.get_by_role("button", name="Mask and publish").click()
        page.wait_for_load_state()
        shot(page, f"confirm-{tag}")
        check_axe(page)
        if tag == "light-390":
            page.get_by_role("button", name="Propose it").click()
            page.wait_for_load_state()
            shot(page, f"proposed-{tag}")
            check_axe(page)
    page = new_page(h)
    sign_in(page, "hanna", h)
    page.goto(f"/quarantine/{c}")
    shot(page, "second")
    check_axe(page)
    page.goto(f"/quarantine")
    shot(page, "list-proposed")
