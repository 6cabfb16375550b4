"""The rules in a real browser: lint while typing, saving, switching, keys, widths and themes."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seen, Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
LIVE = ':root[data-connection="live"]'


@pytest.fixture
def page(seen: Seen) -> Iterator[Page]:
    yield seen.page
    assert seen.complaints == []


def opened(page: Page, site: Site, path: str) -> Page:
    page.goto(f"{site.address}{path}")
    page.wait_for_selector(LIVE, state="attached", timeout=15_000)
    return page


def test_keys_lead_to_a_rule(page: Page, site: Site) -> None:
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.locator("h1")).to_have_text("Rules")
    page.wait_for_selector(LIVE, state="attached", timeout=15_000)
    page.keyboard.press("j")
    page.keyboard.press("j")
    title = page.locator(".rule-row.cursor a").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".rule-head h2")).to_have_text(title)
    page.keyboard.press("/")
    page.keyboard.type("fever")
    page.keyboard.press("Enter")
    expect(page.locator(".rule-row")).to_have_count(1)


def test_a_mistake_is_named_while_typing_and_blocks_saving(page: Page, site: Site) -> None:
    opened(page, site, "/rules/fever/")
    save = page.get_by_role("button", name="Save as version")
    expect(page.locator("#verdict")).to_have_text("no errors")
    expect(save).to_be_disabled()
    text = page.locator("#source").input_value()
    page.locator("#source").fill(text.replace("body_temp_c >", "body_tmp_c >"))
    expect(page.locator("#problems")).to_contain_text("unknown column body_tmp_c; did you mean body_temp_c?")
    expect(page.locator("#lines .wrong")).to_have_count(1)
    expect(save).to_be_disabled()
    page.locator("#problems button").first.click()
    assert page.evaluate("document.activeElement.value.slice(document.activeElement.selectionStart)").startswith(
        "body_tmp_c"
    )
    page.locator("#source").fill(text.replace("> 38.0", "> 46"))
    expect(page.locator("#problems")).to_contain_text("this can never be TRUE: body_temp_c is 26 to 45")
    page.locator("#source").fill(text.replace("> 38.0", "> 38.2"))
    expect(page.locator("#verdict")).to_have_text("no errors, not saved")
    page.fill("#note", "fewer of them")
    page.locator("#source").press("Control+s")
    expect(page.locator(".banner[role=status]")).to_contain_text("Version 2 counts from")
    page.get_by_role("link", name="Compare version 1").click()
    expect(page.locator(".diff .added")).to_contain_text("38.2")
    expect(page.locator(".diff .removed")).to_contain_text("38.0")


def test_the_switch_asks_why(page: Page, site: Site) -> None:
    opened(page, site, "/rules/bradypnea/")
    switch = page.locator(".rule-head .switch-menu")
    switch.locator("summary").click()
    expect(switch.locator("input[name=note]")).to_be_focused()
    page.keyboard.type("too loud at night")
    page.keyboard.press("Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("bradypnea is off")
    expect(page.locator(".versions")).to_contain_text("switched off: too loud at night")


def test_no_rule_scrolls_the_page_sideways_on_a_phone_in_either_theme(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        paths = ("/rules/", "/rules/tachycardia-at-rest/?compare=1", "/rules/?new=1", "/rules/?q=nothing")
        for path in paths:
            opened(page, site, path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
