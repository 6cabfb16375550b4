"""What every page tells of, in a real browser: what came since, what was missed, what is hushed, and how it sounds."""

from collections.abc import Iterator
from functools import partial

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Seen, Site, until_live, until_lost
from tests.browser.desks import Desk, desk_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
UNKNOWN = """async () => {
    const base = document.querySelector("script[src*='js/base']").src;
    const { live } = await import(base.replace(/base[^/]*$/, "live.js"));
    const heard = live._heard.bind(live);
    live._heard = (status) => heard({ ...status, consumers: null, database_ms: null, heard_at: null });
}"""
LOST = 220
OF_ALERTS = (330, 587, 740, 880)  # a machine that stands still for ten seconds has the tone of a lost connection, too


@pytest.fixture
def desk(site: Site, seen: Seen) -> Iterator[Desk]:
    yield from desk_of(site, seen)


def switch_on(page: Page) -> None:
    page.evaluate("localStorage.setItem('telara.sound', 'on')")


def test_the_switch_of_the_sound_does_what_it_says_on_every_new_page(desk: Desk) -> None:
    page = desk.open("/rules/")
    switch_on(page)
    for press in (Locator.click, partial(Locator.press, key="Enter")):
        page = page.context.new_page()  # where nobody clicked yet
        page.goto(f"{desk.site.address}/rules/")
        until_live(page)
        expect(page.locator("#sound")).to_have_accessible_name("Sound off")
        press(page.locator("#sound"))
        expect(page.locator("#sound")).to_have_accessible_name("Sound on")
        assert heard(page) == 1, "it says how it sounds"
        assert page.evaluate("localStorage.getItem('telara.sound')") == "on"
    page.locator("#sound").click()
    page.locator(".disclaimer").click()
    expect(page.locator("#sound")).to_have_accessible_name("Sound off")
    switch_on(page)
    page.reload()
    until_live(page)
    page.locator(".disclaimer").click()
    expect(page.locator("#sound")).to_have_accessible_name("Sound on")


def heard(page: Page, *, hertz: tuple[int, ...] = OF_ALERTS) -> int:
    """How many tones there were since the last time, once it is silent again."""
    page.wait_for_selector(":root:not([data-sounds])", state="attached")
    every: list[int] = page.evaluate("tones.splice(0).map((tone) => Math.round(tone.frequency.value))")
    return sum(each in hertz for each in every)


def with_sound(desk: Desk, path: str) -> Page:
    """A page that may sound, and is silent."""
    page = desk.open(path)
    switch_on(page)
    desk.open(path)
    page.locator(".disclaimer").click()
    expect(page.locator("#sound")).to_have_accessible_name("Sound on")
    heard(page)  # where it did not come back by itself
    return page


def test_a_critical_that_nobody_has_shows_the_silence_on_every_page(desk: Desk) -> None:
    desk.make({"severity": "CRITICAL"})
    for path in ("/settings/", "/alerts/?severity=LOW", "/", "/wearers/user_001/", "/wearers/analyst/"):
        expect(desk.open(path).locator("#sound.warn")).to_be_visible()


def test_what_a_snooze_covers_is_told_of_on_no_page(desk: Desk) -> None:
    (snoozed,) = desk.make({"triage": "snoozed"})
    page = with_sound(desk, "/settings/")
    desk.believe_what_is_pushed()
    again = snoozed | {"alert_id": "11111111-1111-4111-8111-111111111111", "status": "new"}
    desk.push(again)
    desk.push(again, alert_id="11111111-1111-4111-8111-111111111112", user_id="user_002", severity="MEDIUM")
    expect(page.locator("#announce")).to_contain_text("MEDIUM: Heart rate")
    assert heard(page) == 1
    desk.push(snoozed, status="new", revision=2)
    expect(page.locator("#announce")).to_contain_text("HIGH: Heart rate")
    assert heard(page) == 2
    desk.push(again, revision=2, description="Under it.")
    expect(page.locator("#announce")).to_have_text("HIGH: Under it.")
    assert heard(page) == 2
    desk.push(again, revision=3)
    desk.push(again, alert_id="11111111-1111-4111-8111-111111111113", severity="MEDIUM", description="Last.")
    expect(page.locator("#announce")).to_have_text("MEDIUM: Last.")
    assert heard(page) == 1


def test_what_came_while_the_connection_was_away_is_told_of_by_one_tone(desk: Desk) -> None:
    desk.make({"severity": "CRITICAL", "alert_type": "OLD"})
    page = with_sound(desk, "/rules/")
    desk.is_away = True
    desk.cut()
    desk.make({"severity": "HIGH", "rule": "hypoxia"}, {"severity": "CRITICAL", "rule": "bradycardia"})
    until_lost(page)
    assert heard(page, hertz=(LOST, *OF_ALERTS)) == 2, "of the connection alone"
    with page.expect_response("**/alerts/known/**"):
        desk.is_away = False
    expect(page.locator("#announce-critical")).to_have_text(
        "2 alerts came meanwhile, worst CRITICAL: tachycardia at rest"
    )
    assert heard(page) == 3
    with page.expect_response("**/alerts/known/**"):
        desk.cut()
    until_live(page)
    assert heard(page) == 0


SOON = """
window.soon = 0;
const wait = window.setTimeout;
window.setTimeout = (run, ms, ...rest) => { window.soon += ms === 250; return wait(run, ms, ...rest); };
"""


def test_figures_that_no_card_shows_do_not_make_the_overview_read_itself_again(desk: Desk) -> None:
    sensor, other = desk.make({"severity": "LOW", "alert_class": "technical"}, {"severity": "MEDIUM", "rule": "fever"})
    desk.page.add_init_script(SOON)
    page = desk.open("/")
    desk.believe_what_is_pushed()
    with page.expect_response("**/overview/parts/**"):
        desk.push(sensor, revision=2)
    for revision in range(3, 9):
        desk.push(sensor, revision=revision, event_count=revision)
    desk.push(other, alert_id="11111111-1111-4111-8111-111111111111", description="Last.")
    expect(page.locator("#announce")).to_contain_text("Last.")
    assert page.evaluate("soon") == 2
    with page.expect_response("**/overview/parts/**"):
        desk.push(sensor, revision=9, episode="ended")


def test_what_was_missed_is_read_and_told_of_by_itself(desk: Desk) -> None:
    page = with_sound(desk, "/alerts/")
    (missed,) = desk.make({"title": "missed", "severity": "CRITICAL"})
    expect(page.locator("#announce-critical")).to_have_text("CRITICAL: tachycardia at rest")
    expect(page.locator(".desk-row .title")).to_have_text("missed")
    assert heard(page) == 3
    desk.believe_what_is_pushed()
    (begun,) = desk.make({"title": "begun", "rule": "fever", "user_id": "user_002"})
    desk.push(begun, revision=2)
    expect(page.locator("#announce")).to_contain_text("HIGH: ")
    assert heard(page) == 2
    desk.push(begun, revision=3)
    desk.push(missed, revision=2)
    desk.push(begun, alert_id="11111111-1111-4111-8111-111111111111", severity="MEDIUM", description="Last.")
    expect(page.locator("#announce")).to_have_text("MEDIUM: Last.")
    assert heard(page) == 1


def test_what_came_between_two_pages_is_told_of_on_the_second(desk: Desk) -> None:
    page = desk.open("/rules/")
    page.goto("about:blank")
    desk.make({"severity": "CRITICAL"})
    desk.open("/settings/")
    expect(page.locator("#announce-critical")).to_have_text("CRITICAL: tachycardia at rest")
    desk.open("/rules/")
    expect(page.locator("#announce-critical")).not_to_contain_text("CRITICAL")


def test_the_sound_that_was_on_goes_on_where_a_link_leads(desk: Desk) -> None:
    page = with_sound(desk, "/rules/")
    page.locator('.nav [data-key="g d"]').click()
    page.wait_for_url("**/devices/")
    expect(page.locator("#sound")).to_have_accessible_name("Sound on")
    assert heard(page) == 0


def test_a_page_that_cannot_be_read_again_does_not_call_itself_live(desk: Desk) -> None:
    page = desk.open("/alerts/")
    page.route("**/alerts/", lambda route: route.fulfill(status=500))
    desk.cut()
    until_lost(page)
    expect(page.locator("#connection-banner")).to_contain_text("This page cannot be read again")
    page.unroute("**/alerts/")
    until_live(page)
    desk.complaints.clear()


def test_a_database_that_does_not_answer_is_said(desk: Desk) -> None:
    page = desk.open("/rules/")
    page.evaluate(UNKNOWN)
    until_lost(page)
    expect(page.locator("#connection-banner")).to_contain_text("The database does not answer")
    expect(page.locator("#connection-banner button")).to_be_hidden()
