"""The rules in a real browser: lint while typing, saving, switching, keys, widths and themes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Seen, Site, until_live

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BEACONS = """() => {
  const send = navigator.sendBeacon.bind(navigator);
  navigator.sendBeacon = (address, data) => { sessionStorage.setItem("beacon", address); return send(address, data); };
}"""


@pytest.fixture
def page(seen: Seen) -> Iterator[Page]:
    yield seen.page
    assert seen.complaints == []


def opened(page: Page, site: Site, path: str) -> Page:
    page.goto(f"{site.address}{path}")
    until_live(page)
    return page


def test_keys_lead_to_a_rule(page: Page, site: Site) -> None:
    until_live(page)
    page.keyboard.press("g")
    page.keyboard.press("r")
    expect(page.locator("h1")).to_have_text("Rules")
    until_live(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    title = page.locator(".rule-row.cursor a").inner_text()
    page.keyboard.press("Enter")
    expect(page.locator(".rule-head h2")).to_have_text(title)
    until_live(page)  # it hears keys by now
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
    expect(page.locator("#lit .wrong")).to_have_text("body_tmp_c")
    expect(save).to_be_disabled()
    page.locator("#problems button").first.click()
    assert page.evaluate("document.activeElement.value.slice(document.activeElement.selectionStart)").startswith(
        "body_tmp_c"
    )
    page.locator("#source").fill(text.replace("> 38.0", "> 46"))
    expect(page.locator("#problems")).to_contain_text("this can never be TRUE: body_temp_c is 26 to 45")
    page.locator("#source").fill(text.replace("> 38.0", "> 38.1"))
    expect(page.locator("#verdict")).to_have_text("no errors, not saved")
    expect(page.locator(".rule-head .tag")).to_have_text("version 1 live, draft unsaved")
    page.get_by_role("button", name="Form", exact=True).click()
    condition = page.get_by_label("Condition", exact=True)
    expect(condition).to_have_value("body_temp_c > 38.1")
    condition.fill("body_temp_c > 38.2")
    page.keyboard.press("Tab")
    expect(page.locator("#source")).to_have_value(text.replace("> 38.0", "> 38.2"))
    expect(page.locator("#verdict")).to_have_text("no errors, not saved")
    edits_wait_for_each_other(page, save)
    page.get_by_role("button", name="YAML", exact=True).click()
    page.fill("#note", "fewer of them")
    draft = page.locator(".versions tr.draft")
    expect(draft).to_contain_text("fewer of them")
    draft.get_by_role("button", name="Compare").press("Enter")
    expect(page.locator("#diff .added", has_text="38.2")).to_have_count(1)
    expect(page.locator("#diff-title")).to_be_focused()
    page.locator("#source").press("Control+s")
    expect(page.locator(".banner[role=status]")).to_contain_text("Version 2 counts from")
    page.get_by_role("link", name="Compare version 1").click()
    expect(page.locator(".diff .added", has_text="38.2")).to_have_count(1)
    expect(page.locator(".diff .removed", has_text="> 38.0")).to_have_count(1)


def edits_wait_for_each_other(page: Page, save: Locator) -> None:
    """A field changed, then another one and Save at once, before there was an answer: none of it is lost."""
    held: list[Route] = []
    page.route("**/rules-form/", lambda route: held.append(route))  # noqa: PLW0108  # Playwright marks its handlers
    page.get_by_label("Title", exact=True).fill("Hot")
    page.get_by_label("Description", exact=True).fill("Too hot.")
    expect(save).to_be_disabled()
    expect(page.locator("#backtest-run")).to_be_disabled()
    save.click(force=True)
    page.unroute("**/rules-form/")  # what was held goes on
    expect(save).to_be_enabled()
    for line in ("title: Hot\n", "description: Too hot.\n", "body_temp_c > 38.2"):
        assert line in page.locator("#source").input_value()
    page.get_by_label("Title", exact=True).press_sequentially("x")
    page.get_by_label("Title", exact=True).press("Backspace")
    expect(save).to_be_disabled()
    page.keyboard.press("Tab")  # it says what it said
    expect(save).to_be_enabled()


def test_the_switch_asks_why(page: Page, site: Site) -> None:
    opened(page, site, "/rules/bradypnea/")
    switch = page.locator(".rule-head .switch-menu")
    switch.locator("summary").click()
    expect(switch.locator("input[name=note]")).to_be_focused()
    page.keyboard.type("too loud at night")
    page.keyboard.press("Enter")
    expect(page.locator(".banner[role=status]")).to_contain_text("bradypnea is off")
    expect(page.locator(".versions")).to_contain_text("switched off: too loud at night")


def tried(page: Page) -> Locator:
    """The result, once it is there."""
    expect(page.locator("#running")).to_be_hidden()
    return page.locator("#tried")


def test_a_backtest_over_nobody_says_so_and_a_mistake_keeps_it_from_running(page: Page, site: Site) -> None:
    opened(page, site, "/rules/fever/")
    run = page.locator("#backtest-run")
    page.keyboard.press("b")
    expect(tried(page)).to_contain_text("There is no wearer whom you may see, and so nothing to try it on.")
    expect(page.locator("#backtest-said")).to_contain_text("There is no wearer whom you may see")
    page.locator("#source").fill("id: fever")
    expect(page.locator("#verdict")).to_contain_text("errors")
    expect(run).to_be_disabled()
    opened(page, site, "/rules/fever/")
    page.fill("#backtest-wearer", "nobody")
    run.click()
    expect(tried(page)).to_contain_text("There is no wearer nobody among those whom you may see.")


def test_a_text_is_tried_by_keyboard_and_each_episode_leads_to_its_time(page: Page, site: Site) -> None:
    site.start_wearers("--user", "racing", "--anomaly", "tachycardia_at_rest", "--rate", "2", "--duration", "90")
    opened(page, site, "/")
    page.wait_for_selector("#log .card")
    opened(page, site, "/rules/tachycardia-at-rest/")
    source = page.locator("#source")
    source.fill(source.input_value().replace("{count: 5, within: 60s}", "{count: 2}"))
    expect(page.locator("#verdict")).to_have_text("no errors, not saved")
    source.press("Control+Enter")
    result = tried(page)
    expect(result).to_contain_text("Last 7 days: 1 episode")
    expect(result).to_contain_text("1 overlaps with existing alerts.")
    expect(result).to_contain_text("1 in both, 0 only with this text, 0 only with version 1")
    expect(result.locator(".lanes .known")).to_have_count(1)
    expect(page.locator("#backtest-said")).to_contain_text("Last 7 days: 1 episode")
    page.locator("#backtest-wearer").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert page.locator(".days :checked").input_value() == "1"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(tried(page)).to_contain_text("Last 24 h: 1 episode")
    page.once("dialog", lambda dialog: dialog.accept())  # the text is not saved
    result.locator(".episodes a").first.press("Enter")
    expect(page.locator("h1")).to_have_text("racing")
    expect(page).to_have_url(re.compile("until="))
    page.wait_for_selector(".strip canvas")


def test_a_backtest_that_fails_says_so_and_can_be_tried_again(page: Page, site: Site, seen: Seen) -> None:
    opened(page, site, "/rules/fever/")
    page.route("**/rules-backtest/", lambda route: route.abort())
    page.click("#backtest-run")
    expect(tried(page)).to_contain_text("There was no answer. Press Run to try again.")
    page.unroute("**/rules-backtest/")
    page.click("#backtest-run")
    expect(tried(page)).to_contain_text("episodes")
    seen.complaints.clear()  # of the answer that was cut off


def test_a_running_backtest_shows_how_far_it_is_and_is_stopped(page: Page, site: Site) -> None:
    opened(page, site, "/rules/fever/")
    held: list[Route] = []
    page.route("**/rules-backtest/", lambda route: held.append(route))  # noqa: PLW0108  # Playwright marks its handlers
    page.route(
        "**/rules-backtest/progress/*", lambda route: route.fulfill(json={"share": 0.25, "person": 3, "people": 12})
    )
    page.click("#backtest-run")
    expect(page.locator("#running-said")).to_contain_text("25 %, wearer 3 of 12")
    expect(page.locator("#running progress")).to_have_attribute("value", "0.25")
    with page.expect_request("**/rules-backtest/stop/"):
        page.click("#backtest-stop")
    expect(page.locator("#backtest-run")).to_be_focused()
    held[0].continue_()
    tried(page)
    page.click("#backtest-run")
    expect(page.locator("#running")).to_be_visible()
    page.evaluate(BEACONS)
    opened(page, site, "/wearers/")
    assert page.evaluate("sessionStorage.getItem('beacon')") == "/rules-backtest/stop/"


def test_no_rule_scrolls_the_page_sideways_on_a_phone_in_either_theme(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        paths = ("/rules/", "/rules/tachycardia-at-rest/?compare=1", "/rules/?new=1", "/rules/?q=nothing")
        for path in paths:
            opened(page, site, path)
            if page.locator("#backtest-run").count():
                page.click("#backtest-run")
                tried(page)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path
