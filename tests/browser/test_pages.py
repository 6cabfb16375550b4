"""The lists and pages in a real browser: nothing breaks the policy, nothing scrolls sideways, and all of it lives."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PASSWORD, Seen, Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
LIVE = ':root[data-connection="live"]'
RACING = ("--user", "racing", "--anomaly", "tachycardia_at_rest", "--rate", "2", "--duration", "600")


@pytest.fixture
def page(site: Site, seen: Seen) -> Iterator[Page]:
    """The overview, with two people alive and one whose heart races now and then."""
    if not site.processes.keys() & {"simulator --wearers 2"}:
        site.start_wearers("--wearers", "2")
        site.start_wearers(*RACING)
        seen.page.wait_for_selector("#log .card", timeout=60_000)
    seen.page.wait_for_selector('[data-person="racing"]', timeout=60_000)
    yield seen.page
    assert seen.complaints == []


def opened(page: Page, site: Site, path: str) -> Page:
    page.goto(f"{site.address}{path}")
    page.wait_for_selector(LIVE, state="attached", timeout=15_000)
    return page


def address_of_an_alert(page: Page, site: Site) -> str:
    opened(page, site, "/alerts/")
    return page.locator(".desk-row").first.get_attribute("data-href") or ""


def test_no_page_scrolls_sideways_on_a_phone_in_either_theme(page: Page, site: Site) -> None:
    alert = address_of_an_alert(page, site)
    page.set_viewport_size({"width": 360, "height": 780})
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for path in (
            "/alerts/",
            alert,
            "/wearers/",
            "/wearers/racing/?range=5m",
            "/wearers/racing/",
            "/alerts/?q=nobody",
        ):
            opened(page, site, path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_keys_decide_about_the_row_under_the_cursor_and_take_it_back(page: Page, site: Site) -> None:
    opened(page, site, "/alerts/?wearer=racing&severity=HIGH")
    page.keyboard.press("j")
    row = page.locator(".desk-row.cursor")
    page.keyboard.press("a")
    expect(row.locator(".triage")).to_have_text("analyst")
    page.keyboard.press("u")
    expect(row.locator(".triage")).to_contain_text("ew")
    page.keyboard.press("s")
    expect(row.get_by_role("button", name="4 h, too long at HIGH")).to_be_disabled()
    page.keyboard.press("1")
    expect(page.locator("#undo")).to_contain_text("snoozed until")
    page.keyboard.press("u")
    expect(page.locator("#undo")).to_contain_text("open again")
    expect(row.locator(".triage")).to_contain_text("ew")
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_contain_text("snooze, then 1 to 5")
    page.keyboard.press("Escape")
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Tachycardia at rest")


def close(page: Page) -> None:
    page.keyboard.press("c")
    page.keyboard.press("3")
    page.get_by_role("button", name="Close alert").click()


def test_an_alert_is_closed_with_a_reason_taken_back_and_reopened(page: Page, site: Site) -> None:
    opened(page, site, address_of_an_alert(page, site))
    expect(page.locator("#evidence-chart canvas")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.type("called <her>")
    page.keyboard.press("Enter")
    expect(page.locator(".timeline .note").first).to_have_text("called <her>")
    page.locator("h1").click()
    state = page.locator(".alert-title .tag")
    page.keyboard.press("a")
    expect(state).to_have_text("Acknowledged by analyst")
    close(page)
    expect(state).to_have_text("Closed: false alarm")
    page.keyboard.press("u")
    expect(state).to_have_text("Acknowledged by analyst")
    expect(page.locator("#undo")).to_contain_text("acknowledged as before")
    close(page)
    page.get_by_role("button", name="Reopen").click()
    expect(state).to_have_text("New, nobody has it")


def test_a_wearers_values_move_and_each_strip_is_a_table_too(page: Page, site: Site) -> None:
    opened(page, site, "/wearers/user_001/?range=5m")
    value = page.locator('.current[data-metrics="heart_rate"] .value')
    first = value.inner_text()
    expect(value).not_to_have_text(first, timeout=30_000)
    strip = page.locator('[data-strip="heart_rate"]')
    expect(strip.locator("canvas")).to_be_visible()
    strip.get_by_text("Show as table").click()
    expect(strip.locator("tbody tr").first).to_contain_text(":")
    page.locator("h1").click()
    page.keyboard.press("]")
    expect(page.locator('.ranges [aria-current="true"]')).to_have_text("1 h")


def test_the_list_of_wearers_moves_without_a_reload(page: Page, site: Site) -> None:
    opened(page, site, "/wearers/?sort=name")
    page.evaluate("window.stays = true")
    row = page.locator('[data-user="user_001"]')
    first = row.locator("[data-metric=heart_rate]").inner_text()
    expect(row.locator("[data-metric=heart_rate]")).not_to_have_text(first, timeout=30_000)
    expect(row.locator(".spark path").first).to_be_attached()
    assert page.evaluate("window.stays") is True


VIOLATIONS = "addEventListener('securitypolicyviolation', e => console.error(`${e.violatedDirective} ${e.blockedURI}`))"


def test_no_page_breaks_the_policy_the_admins_and_the_apis_included(page: Page, site: Site, chromium: Browser) -> None:
    alert = address_of_an_alert(page, site)
    context = chromium.new_context()
    seen = Seen(context.new_page())
    seen.page.add_init_script(VIOLATIONS)
    seen.listen()
    seen.page.goto(f"{site.address}/login/?next=/admin/")
    seen.page.fill("#id_username", "boss")
    seen.page.fill("#id_password", PASSWORD)
    seen.page.click("form button.primary")
    seen.page.wait_for_url("**/admin/")
    for path in (
        "/", "/wearers/", "/wearers/racing/", "/alerts/", alert, "/rules/", "/rules/tachycardia-at-rest/",
        "/simulator/", "/admin/", "/admin/alerts/alert/", "/admin/devices/user/", "/admin/devices/user/1/change/",
        "/admin/devices/reading/?person=racing", "/admin/password_change/", "/api/docs/",
    ):  # fmt: skip
        answer = seen.page.goto(f"{site.address}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == 200, path
    seen.page.click("text=/api/v1/alerts/ >> nth=0")
    expect(seen.page.locator(".opblock.is-open")).to_be_visible()
    seen.page.goto(f"{site.address}/nowhere/")
    # 404: that page itself, and the icon that the admin does not name
    assert [said for said in seen.complaints if "404" not in said] == []
    context.close()
