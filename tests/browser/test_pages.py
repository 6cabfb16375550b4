"""The lists and pages in a real browser: nothing breaks the policy, nothing scrolls sideways, and all of it lives."""

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from devices.account.second_factor import code_at
from tests.browser.conftest import PASSWORD, Seen, Site, sign_in, until_live
from tests.browser.passkeys import give_authenticator

pytestmark = [pytest.mark.browser, pytest.mark.slow]
RACING = (
    "--user",
    "racing",
    "--anomaly",
    "tachycardia_at_rest",
    "--rate",
    "2",
    "--duration",
    "600",
    "--bad-data",
    "0.1",
)


@pytest.fixture
def page(site: Site, seen: Seen) -> Iterator[Page]:
    """The overview, with two people alive and one whose heart races now and then."""
    if not site.processes.keys() & {"simulator --wearers 2"}:
        site.start_wearers("--wearers", "2")
        site.start_wearers(*RACING)
        seen.page.wait_for_selector("#log .card")
    seen.page.wait_for_selector('[data-person="racing"]')
    yield seen.page
    assert seen.complaints == []


def opened(page: Page, site: Site, path: str) -> Page:
    page.goto(f"{site.address}{path}")
    until_live(page)
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
            "/pipeline/",
            "/devices/",
            "/notifications/",
            "/settings/",
            "/settings/delete/",
        ):
            opened(page, site, path)
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, path


def test_on_a_phone_more_has_the_clock_and_finds_a_wearer(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 360, "height": 780})
    opened(page, site, "/alerts/")
    more = page.locator(".bottom .menu")
    more.locator("summary").click()
    expect(more.locator(".clock")).to_have_text(re.compile(r"^\d\d:\d\d:\d\d UTC$"))
    more.get_by_label("Find a wearer").fill("racing")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(r"/wearers/\?q=racing$"))
    expect(page.locator("[data-user]")).to_have_count(1)


def test_a_channel_a_test_of_it_and_a_route_are_made(page: Page, site: Site) -> None:
    opened(page, site, "/notifications/")
    page.fill("[name=channel-name]", "Ward pager")
    page.select_option("[name=channel-kind]", "webhook")
    page.fill("[name=channel-address]", "https://8.8.8.8/secret-path")
    page.get_by_role("button", name="Set up").click()
    expect(page.locator(".made code")).to_contain_text("whsec_")
    page.get_by_role("button", name="Send test to Ward pager").click()
    expect(page.locator("#log")).to_contain_text("On its way")
    expect(page.locator("main")).not_to_contain_text("whsec_")
    page.select_option("[name=route-least_severity]", "CRITICAL")
    page.get_by_role("button", name="Make route").click()
    routes = page.get_by_role("region", name="Routes")
    expect(routes.locator("li")).to_contain_text("CRITICAL and worse, by Ward pager")
    page.get_by_role("button", name="Switch off the route by Ward pager").click()
    expect(routes.locator("li")).to_contain_text("off")


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


def test_what_is_selected_is_decided_about_at_once_by_keys(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    opened(page, site, "/alerts/?wearer=racing&severity=HIGH")
    page.keyboard.press("j")
    expect(page.locator("#preview .alert-title h2")).to_have_text("Tachycardia at rest")
    top = page.locator(".desk-row.cursor").bounding_box()
    page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    assert page.locator(".desk-row.cursor").bounding_box() == top
    page.keyboard.press("s")
    expect(page.locator("#bulk").get_by_role("button", name="4 h")).to_be_disabled()
    page.keyboard.press("1")
    expect(page.locator("#undo")).to_contain_text("1 snoozed")
    expect(page.locator(".desk-row .triage [data-until]").first).to_contain_text("4 m")
    expect(page.locator("#bulk")).to_be_hidden()
    page.keyboard.press("u")
    expect(page.locator("#undo")).to_contain_text("1 taken back")


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
    expect(value).not_to_have_text(first)
    strip = page.locator('[data-strip="heart_rate"]')
    expect(strip.locator("canvas")).to_be_visible()
    strip.get_by_text("Show as table").click()
    expect(strip.locator("tbody tr").first).to_contain_text(":")
    page.locator("h1").click()
    page.keyboard.press("n")
    page.keyboard.type("slept badly")
    page.locator("#note-form").get_by_role("button", name="Add note").click()
    expect(page.locator(".notes .note").first).to_have_text("slept badly")
    a_fresh_copy_leaves_the_actions_alone(page)
    plot = strip.locator(".u-over").bounding_box()
    assert plot is not None
    page.mouse.move(plot["x"] + 100, plot["y"] + 40)
    page.mouse.down()
    page.mouse.move(plot["x"] + 300, plot["y"] + 40)
    page.mouse.up()
    expect(page.get_by_role("button", name="Whole range")).to_be_visible()
    expect(page).to_have_url(re.compile("zoom="))
    page.get_by_role("button", name="Whole range").click()
    expect(page).not_to_have_url(re.compile("zoom="))
    page.locator("h1").click()
    page.keyboard.press("]")
    expect(page.locator('.ranges [aria-current="true"]')).to_have_text("15 m")


DRAWN = """(() => {
    const fill = CanvasRenderingContext2D.prototype.fillText;
    window.drawn = [];
    CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
        window.drawn.push(String(text));
        if (/^\\d\\d:\\d\\d$/.test(text)) document.documentElement.dataset.times = "drawn";
        return fill.call(this, text, ...where);
    };
})()"""


def test_the_times_below_the_strips_are_whole_hours_of_the_readers_clock_wherever_the_browser_is(
    page: Page, site: Site, chromium: Browser
) -> None:
    elsewhere = chromium.new_context(timezone_id="Asia/Kolkata").new_page()
    sign_in(elsewhere, site, "analyst")
    elsewhere.add_init_script(DRAWN)
    elsewhere.goto(f"{site.address}/wearers/user_001/?range=24h")
    expect(elsewhere.locator(":root")).to_have_attribute("data-times", "drawn")
    times = set(elsewhere.evaluate("window.drawn.filter((text) => /^\\d\\d:\\d\\d$/.test(text))"))
    assert {time[2:] for time in times} == {":00"}, times
    elsewhere.context.close()


def a_fresh_copy_leaves_the_actions_alone(page: Page) -> None:
    """On the page of a wearer with a note: only what changed is replaced."""
    actions = page.locator(".head-actions")
    page.evaluate('document.querySelector(".notes .note").stays = true')
    actions.evaluate('each => each.insertAdjacentHTML("beforeend", "<details open></details>")')
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate('dispatchEvent(new Event("telara:over"))')
    actions.get_by_role("button", name="Pin").click()
    expect(actions.get_by_role("button", name="Pinned")).to_be_visible()
    expect(actions.locator("details[open]")).to_be_attached()
    assert page.evaluate('document.querySelector(".notes .note").stays') is True


def test_the_list_of_wearers_moves_without_a_reload(page: Page, site: Site) -> None:
    opened(page, site, "/wearers/?sort=name")
    page.evaluate("window.stays = true")
    row = page.locator('[data-user="user_001"]')
    first = row.locator("[data-metric=heart_rate]").inner_text()
    expect(row.locator("[data-metric=heart_rate]")).not_to_have_text(first)
    expect(row.locator(".spark path").first).to_be_attached()
    expect(row.locator(".col-cadence")).to_contain_text("on time, ")
    assert page.evaluate("window.stays") is True
    page.locator(".columns-menu summary").press("Enter")
    page.get_by_label("SpO₂").press("Space")
    page.get_by_role("button", name="Keep").press("Enter")
    expect(page.locator("th.col-spo2")).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Wearer")).to_have_attribute("aria-sort", "ascending")
    page.locator(".columns-menu summary").press("Enter")
    page.get_by_role("button", name="Show all").press("Enter")
    expect(page.locator("th.col-spo2")).to_be_visible()


def test_what_was_refused_opens_in_its_place_and_is_sent_again(page: Page, site: Site) -> None:
    opened(page, site, "/pipeline/")
    page.evaluate("window.stays = true")
    with_bytes = page.locator("td.size", has_text=re.compile("[1-9]"))  # the simulator spoils some to nothing
    row = page.locator(".quarantine-row:has(input:enabled)").filter(has=with_bytes).last
    expect(row).to_be_visible()
    row.locator(".words").click()
    message = page.locator("tr.opened")
    expect(message.locator(".hex")).to_contain_text("0000  ")
    assert page.evaluate("window.stays") is True
    message.get_by_role("button", name="Send this one again").click()
    expect(page.locator("main > .banner")).to_contain_text("1 message was sent again")
    expect(page.locator(".quarantine-row .again").filter(has_text="refused again")).to_be_visible()


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
        "/simulator/", "/pipeline/", "/devices/", "/notifications/",
        "/admin/", "/admin/alerts/alert/", "/admin/devices/user/", "/admin/devices/user/1/change/",
        "/admin/devices/reading/?person=racing", "/admin/password_change/",
        "/people/", "/people/person/racing/", "/people/teams/", "/people/invitations/", "/audit/",
        "/settings/", "/settings/delete/", "/api/docs/",
    ):  # fmt: skip
        answer = seen.page.goto(f"{site.address}{path}", wait_until="load")
        assert answer is not None
        assert answer.status == 200, path
    seen.page.locator(".operation summary").first.click()
    expect(seen.page.locator(".operation[open] .operation-body").first).to_be_visible()
    seen.page.goto(f"{site.address}/nowhere/")
    # 404: that page itself, and the icon that the admin does not name
    assert [said for said in seen.complaints if "404" not in said] == []
    context.close()


def give_password(page: Page, site: Site) -> None:
    """By a name, not a number: passkeys belong to one."""
    page.goto(f"{site.address.replace('127.0.0.1', 'localhost')}/login/?next=/settings/security/")
    page.fill("#id_username", "careful")
    page.fill("#id_password", PASSWORD)
    page.click("form button.primary")


def give_code(page: Page, code: str) -> None:
    page.fill("#id_code", code)
    page.press("#id_code", "Enter")


def log_out(page: Page) -> None:
    page.click(".row-do >> text=Log out")
    page.wait_for_selector("#id_password")


def code_of(secret: str, *, ahead: int = 0) -> str:
    return code_at(secret=secret, counter=int(time.time()) // 30 + ahead)


def set_up_app_and_passkey(page: Page) -> tuple[str, list[str]]:
    """The app's secret, and the recovery codes."""
    page.click("text=Set up")
    secret = page.inner_text("#secret").replace(" ", "")
    give_code(page, code_of(secret))
    codes = page.locator(".codes li").all_inner_texts()
    page.click("text=I have them")
    page.click("text=Add a passkey")
    page.fill("#id_name", "this laptop")
    page.click("text=Make it")
    page.wait_for_selector("text=The passkey is set up.")
    return secret, codes


def test_signing_in_by_app_passkey_and_recovery_code_and_out_everywhere(chromium: Browser, site: Site) -> None:
    contexts = [chromium.new_context() for _ in range(2)]
    found = Seen(page := contexts[0].new_page())
    found.listen()
    give_authenticator(page)
    give_password(page, site)
    secret, codes = set_up_app_and_passkey(page)
    assert len(codes) == 10
    log_out(page)
    give_password(page, site)
    give_code(page, code_of(secret, ahead=1))
    page.wait_for_selector("text=this laptop")
    log_out(page)
    give_password(page, site)
    page.click("text=Use a passkey")
    page.wait_for_selector("text=this one")
    log_out(page)
    give_password(page, site)
    give_code(page, codes[0])
    page.wait_for_selector("text=9 left, each works once")

    other = contexts[1].new_page()
    give_password(other, site)
    give_code(other, codes[1])
    until_live(other)
    page.reload()
    page.click("text=Sign out everywhere else")
    page.wait_for_selector("text=Signed out of 1 other session.")
    other.wait_for_selector("#connection-banner:visible >> text=signed out")
    assert found.complaints == []
    for context in contexts:
        context.close()


def test_somebody_is_invited_watches_and_is_out_at_once(page: Page, site: Site, chromium: Browser) -> None:
    boss, nora = (chromium.new_context(timezone_id="Europe/Vienna").new_page() for _ in range(2))
    boss.goto(f"{site.address}/login/?next=/people/teams/")
    boss.fill("#id_username", "boss")
    boss.fill("#id_password", PASSWORD)
    boss.click("form button.primary")
    boss.fill("[name=name]", "Night")
    boss.get_by_role("button", name="Make team").click()
    boss.get_by_label("User id of a wearer").fill("racing")
    boss.get_by_role("button", name="Add wearer").click()
    boss.get_by_role("link", name="Invite", exact=True).click()
    boss.select_option("[name=role]", "analyst")
    boss.select_option("[name=team]", label="Night")
    boss.get_by_role("button", name="Make the link").click()
    nora.goto(boss.locator("#invitation-link").inner_text())
    assert nora.url == f"{site.address}/invitation/"
    expect(nora.locator("[name=time_zone]")).to_have_value("Europe/Vienna")
    for name, value in (("username", "nora"), ("password", PASSWORD), ("again", PASSWORD)):
        nora.fill(f"[name={name}]", value)
    nora.get_by_role("button", name="Make my account").click()
    expect(nora.locator('[data-person="racing"]').first).to_be_visible()
    opened(nora, site, "/wearers/racing/")
    boss.goto(f"{site.address}/people/teams/")
    boss.get_by_role("link", name="Night").click()
    boss.get_by_role("button", name="Remove nora from the analysts").click()
    nora.wait_for_selector(':root:not([data-connection="live"])', state="attached")
    answer = nora.goto(f"{site.address}/wearers/racing/")
    assert answer is not None
    assert answer.status == 403
    for each in (boss, nora):
        each.context.close()
