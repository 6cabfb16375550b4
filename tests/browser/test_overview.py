"""The overview in a real browser, on real processes: values move, alerts arrive, and a dead pipeline shows."""

import re
import signal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seen, Site, until_live, until_lost

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TICKED = """
from datetime import timedelta
from django.utils import timezone
from devices.models import BackgroundTick
BackgroundTick.objects.update(at=timezone.now() + timedelta(days={days}, minutes=-1))
"""
MODULE = "import(document.querySelector('script[src*=overview]').src.replace(/overview[^/]*$/, '{}.js'))"
APART = MODULE.format("line_labels") + ".then(({{ movedApart }}) => movedApart({}, 24, 12, 132))"
IN_TURN = """async ({ inTurn }) => {
    const said = [], begun = [];
    const run = inTurn((wishes) => {
        said.push(`begins ${Object.keys(wishes)}`);
        return new Promise((ends, fails) => begun.push({ ends, fails }));
    });
    const ask = (wishes) => run(wishes).then(() => said.push("read"), () => said.push("not read"));
    const settled = () => new Promise((settle) => setTimeout(settle));
    ask({ own: true });
    await settled();
    ask({ own: true });
    ask({ all: true });
    await settled();
    begun[0].fails();
    await settled();
    begun[1].ends();
    await settled();
    ask();
    await settled();
    return said;
}"""
# As laid out, before they are moved: where a box ends up holds the rounding of where it begins.
LAID_OUT = "labels => labels.map(getComputedStyle).map(({ width, height }) => [parseFloat(width), parseFloat(height)])"


@pytest.fixture
def wearers(site: Site, seen: Seen) -> Page:
    """The overview with three people on it who are alive."""
    if "simulator --wearers 3" not in site.processes:
        site.start_wearers("--wearers", "3")
    seen.page.wait_for_selector("[data-person=user_003]")
    until_live(seen.page)
    return seen.page


def test_before_the_first_reading_it_says_why_it_is_empty(seen: Seen, site: Site) -> None:
    if site.processes.keys() & {"simulator --wearers 3"}:
        pytest.fail("It has to be the first test of this file.")
    expect(seen.page.get_by_role("heading", name="No readings yet")).to_be_visible()
    assert seen.complaints == []


def test_a_heart_rate_moves_without_a_reload(wearers: Page, seen: Seen) -> None:
    wearers.evaluate("window.stays = true")
    value = wearers.locator("[data-person=user_001] [data-metric=heart_rate]")
    expect(value).to_have_text(re.compile(r"^\d+$"))
    first = value.inner_text()
    expect(value).not_to_have_text(first)
    expect(wearers.locator("#live-pill")).to_contain_text("Live")
    assert wearers.evaluate("window.stays") is True
    assert seen.complaints == []


def test_an_alert_arrives_by_itself_is_acknowledged_and_taken_back(wearers: Page, site: Site, seen: Seen) -> None:
    wearers.evaluate("window.stays = true")
    site.start_wearers("--user", "racing", "--anomaly", "tachycardia_at_rest", "--rate", "2", "--duration", "90")
    card = wearers.locator("#log .card", has_text="racing").filter(has_text="Tachycardia at rest")
    expect(card).to_be_visible()
    expect(card).to_contain_text("Heart rate above 100")
    expect(wearers.locator('.tile.high[data-person="racing"]')).to_be_visible()
    card.get_by_role("button", name="Acknowledge").click()
    expect(card).to_contain_text("Acknowledged by analyst")
    undo = wearers.locator("#undo")
    expect(undo).to_contain_text("acknowledged by you")
    undo.get_by_role("button").click()
    expect(card.get_by_role("button", name="Acknowledge")).to_be_visible()
    card.get_by_role("button", name="Acknowledge").click()
    expect(wearers.locator('#log [data-tab="mine"]')).to_have_text("Mine 1")
    assert wearers.evaluate("window.stays") is True
    assert seen.complaints == []


def test_keys_reach_everything_and_the_help_lists_them(wearers: Page, seen: Seen) -> None:
    wearers.keyboard.press("?")
    expect(wearers.locator("#keys")).to_contain_text("acknowledge")
    wearers.keyboard.press("Escape")
    expect(wearers.locator("#keys")).to_be_hidden()
    wearers.locator('#log [data-tab="mine"]').click()
    expect(wearers.locator("#log")).to_have_attribute("data-tab", "mine")
    expect(wearers.locator("#log .card")).to_have_count(1)
    wearers.keyboard.press("j")
    expect(wearers.locator("#log .card.cursor")).to_have_count(1)
    assert seen.complaints == []


def test_names_of_lines_that_meet_stand_a_finger_apart_around_where_they_meet(wearers: Page) -> None:
    def placed(*wanted: float) -> list[float]:
        return [float(each) for each in wearers.evaluate(APART.format(list(wanted)))]

    assert placed(60, 60, 60, 60) == [24, 48, 72, 96]
    assert placed(61, 50, 100) == [67.5, 43.5, 100]
    assert placed(10, 11, 12, 13, 14, 15) == [12, 36, 60, 84, 108, 132]
    assert placed(131, 130) == [132, 108]
    labels = wearers.locator("[data-chart=hrv_ms] .chart-label")
    expect(labels.nth(2)).to_be_attached()
    boxes = labels.evaluate_all(LAID_OUT)
    assert all(width >= 24 and height >= 24 for width, height in boxes), boxes


def test_it_greys_itself_when_the_consumer_is_gone_and_comes_back(wearers: Page, site: Site) -> None:
    site.processes["consumer"].send_signal(signal.SIGSTOP)
    try:
        until_lost(wearers)
        expect(wearers.locator("#announce-critical")).to_contain_text("Disconnected")
        expect(wearers.locator("#connection-banner")).to_contain_text("Alerts may be missing")
        struck = wearers.locator("[data-person=user_001] [data-metric=heart_rate]")
        assert "line-through" in struck.evaluate("element => getComputedStyle(element).textDecorationLine")
        for button in wearers.locator("#log [data-needs-live]").all():
            expect(button).to_be_disabled()
        age = wearers.locator(".tile[data-person=user_001] .age")
        before = age.inner_text()
        expect(age).not_to_have_text(before)
    finally:
        site.processes["consumer"].send_signal(signal.SIGCONT)
    until_live(wearers)
    expect(wearers.locator("#connection-banner")).to_be_hidden()


def test_it_says_that_nobody_is_told_while_no_background_worker_runs(wearers: Page, site: Site) -> None:
    site.does(TICKED.format(days=0))
    pill, line = wearers.locator("#live-pill"), wearers.locator("#untold")
    expect(pill).to_contain_text("Nobody is told")
    expect(line).to_contain_text("no background worker since")
    site.does(TICKED.format(days=1))
    expect(pill).to_contain_text("Live")
    expect(line).to_be_hidden()


def test_it_greys_itself_when_the_site_is_gone_and_reads_it_anew(wearers: Page, site: Site) -> None:
    wearers.evaluate("window.stays = true")
    site.stop("web")
    until_lost(wearers)
    expect(wearers.locator("#live-pill")).to_contain_text("Disconnected")
    site.start_web()
    wearers.get_by_role("button", name="Try now").click()
    until_live(wearers)
    assert wearers.evaluate("window.stays") is True


def test_after_a_connection_that_was_dropped_it_reads_the_snapshot_anew(wearers: Page) -> None:
    wearers.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden', configurable: true})")
    with wearers.expect_response("**/overview/parts/**"):
        wearers.evaluate(MODULE.format("live") + ".then(({live}) => live._socket.close())")
    wearers.evaluate("delete document.visibilityState")
    until_live(wearers)


def test_one_copy_is_read_at_a_time_and_who_asks_meanwhile_gets_the_next(wearers: Page) -> None:
    said = wearers.evaluate(MODULE.format("fresh") + f".then({IN_TURN})")
    assert said == ["begins own", "not read", "begins own,all", "read", "read", "begins "]


def test_a_copy_that_does_not_come_is_not_waited_for_without_end(wearers: Page) -> None:
    wearers.route("**/overview/parts/**", lambda route: None)
    with wearers.expect_console_message(lambda said: "could not be read again" in said.text):
        wearers.keyboard.press("r")
    wearers.unroute("**/overview/parts/**")
    with wearers.expect_response("**/overview/parts/**"):
        wearers.keyboard.press("r")


def test_no_page_scrolls_sideways_on_a_phone(wearers: Page, site: Site, seen: Seen) -> None:
    links = wearers.locator(".nav a").all()
    pages = [link.get_attribute("href") for link in links]
    wearers.set_viewport_size({"width": 360, "height": 780})
    expect(wearers.locator('.choice [data-show="nodata"]')).to_have_css("column-gap", "4px")
    widths = {}
    for page in pages:
        wearers.goto(f"{site.address}{page}")
        until_live(wearers)
        widths[page] = wearers.evaluate("document.documentElement.scrollWidth")
    assert widths == dict.fromkeys(pages, 360)
    assert seen.complaints == []


def test_a_page_more_than_one_person_may_have_open_says_so(wearers: Page) -> None:
    wearers.route_web_socket("**/ws/vitals", lambda socket: socket.close(code=4429))
    wearers.reload()
    expect(wearers.locator("#connection-banner")).to_contain_text("You have more pages open than one person may")
    expect(wearers.get_by_role("button", name="Try now")).to_be_visible()


def test_the_theme_is_remembered(wearers: Page) -> None:
    def background() -> str:
        return str(wearers.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = background()
    wearers.locator(".user-menu summary").click()
    wearers.locator(".user-menu [data-theme-toggle]").click()
    assert background() != dark
    light = background()
    wearers.reload()
    assert background() == light


def test_signing_out_leads_to_the_login(wearers: Page) -> None:
    wearers.locator(".user-menu summary").click()
    wearers.get_by_role("button", name="Log out").first.click()
    expect(wearers.get_by_role("heading", name="Log in")).to_be_visible()
