"""The list of alerts, and what every page tells of, in a real browser: what came since, was missed, is hushed."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, WebSocketRoute, expect

from tests.browser.conftest import Seen, Site, until_live, until_lost

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
MAKE = """
import json
from datetime import timedelta
from django.utils import timezone
from alerts.models import Alert, Rule
from alerts.wire import alert_json
from devices.models import User
from tests.made import make_alert
now, changes = timezone.now(), []
for wanted in {wanted!r}:
    wearer, _ = User.objects.get_or_create(username=wanted.pop("user_id"), defaults={{"is_wearer": True}})
    rule = Rule.objects.get(rule_id=wanted.pop("rule"))
    wanted["opened_at"] = wanted["changed_at"] = now
    if wanted.get("triage") == "snoozed":
        wanted["snoozed_until"] = now + timedelta(minutes=15)
    changes.append(make_alert(wearer, rule=rule, **wanted))
Alert.objects.filter(pk__in=[each.pk for each in changes]).update(created_at=now - timedelta(seconds={ago}))
print(json.dumps([alert_json(each) for each in changes]))
"""
CLOSE = """
import json
from alerts.models import Alert
from alerts.wire import alert_json
alert = Alert.objects.get(title="two")
alert.triage, alert.close_reason, alert.revision = "closed", "benign", 2
alert.save()
print(json.dumps([alert_json(alert)]))
"""
UNKNOWN = """async () => {
    const base = document.querySelector("script[src*='js/base']").src;
    const { live } = await import(base.replace(/base[^/]*$/, "live.js"));
    const heard = live._heard.bind(live);
    live._heard = (status) => heard({ ...status, consumers: null, database_ms: null, heard_at: null });
}"""
ALONE = """async () => {
    const base = document.querySelector("script[src*='js/base']").src;
    const { live } = await import(base.replace(/base[^/]*$/, "live.js"));
    live.differs = () => {};
    live._differs = false; // of an alert made just before the page was
    const take = live._frame.bind(live);
    live._frame = (frame) => {
        if (frame.type === "status") frame.data.alerts_revision = null;
        take(frame);
    };
}"""
CLEAR = "from alerts.models import Alert; Alert.objects.all().delete()"
TONES = """
window.tones = 0;
let sounding = 0;
const make = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () {
  const tone = make.call(this);
  window.tones += 1;
  document.documentElement.toggleAttribute("data-sounds", (sounding += 1) > 0);
  tone.addEventListener("ended", () => document.documentElement.toggleAttribute("data-sounds", (sounding -= 1) > 0));
  return tone;
};
"""


@dataclass
class Desk:
    """A page, and its socket: what the server says comes through it, and what a test says besides."""

    page: Page
    site: Site
    complaints: list[str]
    sockets: list[WebSocketRoute] = field(default_factory=list)
    is_away: bool = False

    def connect(self, socket: WebSocketRoute) -> None:
        if self.is_away:
            socket.close(code=1013)
            return
        socket.connect_to_server()
        self.sockets.append(socket)

    def open(self, path: str) -> Page:
        with self.page.expect_response("**/alerts/known/**"):
            self.page.goto(f"{self.site.address}{path}")
        until_live(self.page)
        return self.page

    def run(self, code: str) -> str:
        return self.site.does(code)

    def make(self, *wanted: dict[str, Any], ago: int = 0) -> list[dict[str, Any]]:
        """Alerts as the database has them; nobody hears of them."""
        every = [{"user_id": "user_001", "rule": "tachycardia-at-rest"} | each for each in wanted]
        return list(json.loads(self.run(MAKE.format(wanted=every, ago=ago)).splitlines()[-1]))

    def push(self, alert: dict[str, Any], **changed: Any) -> None:
        """An alert comes by the socket."""
        self.sockets[-1].send(json.dumps({"type": "alert", "seq": 0, "data": alert | changed}))

    def believe_what_is_pushed(self) -> None:
        """From now on this page does not compare what came with what the server has, and read that."""
        self.page.evaluate(ALONE)

    def cut(self) -> None:
        """The connection ends; the page makes another one."""
        self.sockets[-1].close(code=1001)


@pytest.fixture
def desk(site: Site, seen: Seen) -> Iterator[Desk]:
    """Of the analyst, without an alert."""
    desk = Desk(seen.page, site, seen.complaints)
    desk.run(CLEAR)
    seen.page.context.add_init_script(TONES)
    seen.page.route_web_socket("**/ws/vitals*", desk.connect)
    yield desk
    assert seen.complaints == []


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


def heard(page: Page) -> int:
    """How many tones there were since the last time, once it is silent again."""
    page.wait_for_selector(":root:not([data-sounds])", state="attached")
    count = int(page.evaluate("tones"))
    page.evaluate("tones = 0")
    return count


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
    assert heard(page) == 2, "of the connection alone"
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


def rows(page: Page) -> list[str]:
    """The titles of the list, as it stands."""
    return page.locator(".desk-row .title").all_inner_texts()


def three(desk: Desk) -> None:
    """Two alerts of the heart and one of breath, of three people."""
    desk.make(
        {"title": "one", "user_id": "user_001"},
        {"title": "two", "user_id": "user_002"},
        {"title": "three", "user_id": "user_003", "rule": "hypoxia"},
        ago=60,
    )


@pytest.mark.parametrize(
    "query", ["?severity=HIGH", "?wearer=user_001", "?rule=hypoxia", "?q=seldom", "?who=%23nobody&q=SELDOM"]
)
def test_the_bar_counts_what_the_list_would_show(desk: Desk, query: str) -> None:
    desk.make({"title": "seldom", "rule": "hypoxia", "episode": "ended", "end": "cleared"}, ago=60)
    page = desk.open(f"/alerts/{query}")
    desk.believe_what_is_pushed()
    page.locator(".desk-row").hover()
    another, belongs = desk.make(
        {"title": "often", "user_id": "user_002", "severity": "CRITICAL"},
        {"title": "seldom", "rule": "hypoxia"},
    )
    desk.push(another)
    desk.push(belongs)
    expect(page.locator("#new-bar")).to_have_text("1 new, worst HIGH. Show")
    assert rows(page) == ["seldom"]
    desk.push(belongs, status="acknowledged", revision=2)
    expect(page.locator("#new-bar")).to_be_hidden()


def test_a_decision_moves_no_row_under_the_pointer(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/")
    before = rows(page)
    page.locator(".desk-row").nth(1).hover()
    (fresh,) = desk.make({"title": "fresh", "severity": "CRITICAL", "user_id": "user_004"})
    desk.push(fresh)
    expect(page.locator("#new-bar")).to_have_text("1 new, worst CRITICAL. Show")
    row = page.locator(".desk-row", has=page.get_by_text(before[1], exact=True))
    row.get_by_role("button", name="Acknowledge").click()
    expect(row.locator(".triage")).to_have_text("analyst")
    assert rows(page) == before
    with page.expect_response("**/alerts/"):
        desk.cut()
    until_live(page)
    assert rows(page) == before
    expect(page.locator("#new-bar")).to_have_text("1 new, worst CRITICAL. Show")
    page.locator("#new-bar").click()
    expect(page.locator(".desk-row .title").first).to_have_text("fresh")


def test_what_a_colleague_closed_stays_where_it_stands_and_says_so(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/?view=new")
    before = rows(page)
    row = page.locator(".desk-row", has=page.get_by_text("two", exact=True))
    row.hover()
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("s")
    page.keyboard.press("Escape")
    expect(page.locator("#bulk-count")).to_have_text("1 selected")
    page.keyboard.press("Escape")
    expect(page.locator("#bulk")).to_be_hidden()
    (closed,) = json.loads(desk.run(CLOSE).splitlines()[-1])
    desk.push(closed)
    expect(row.locator(".triage")).to_have_text("left this list")
    expect(row.get_by_role("button")).to_have_count(0)
    assert rows(page) == before
    expect(page.locator("#new-bar")).to_have_text("1 left. Show")
    page.locator("#new-bar").click()
    expect(page.locator(".desk-row")).to_have_count(2)


def test_what_was_closed_leaves_its_place_to_the_row_below_and_comes_back_to_it(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/")
    before = rows(page)
    page.locator(".desk-row").nth(2).hover()
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    expect(page.locator("#bulk-count")).to_have_text("3 selected")
    desk.make({"title": "unseen", "severity": "CRITICAL", "user_id": "user_004"})
    row = page.locator(".desk-row").nth(1)
    row.locator('[data-triage="close"]').click()
    row.get_by_role("button", name="Benign").click()
    expect(page.locator("#bulk-count")).to_have_text("2 selected")
    assert rows(page) == [before[0], before[2]]
    expect(page.locator("tr.group .caption")).to_have_text("2")
    page.keyboard.press("u")
    expect(page.locator(".desk-row")).to_have_count(3)
    assert rows(page) == before
    page.locator("#bulk").get_by_text("Assign").click()
    page.locator("#bulk").get_by_role("button", name="Me").click()
    expect(page.locator("#undo")).to_contain_text("2 given away")


def test_all_of_the_list_are_those_that_were_in_it(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/?severity=HIGH")
    page.locator(".desk-row").first.hover()
    page.evaluate("document.querySelector('#shown').dataset.matching = '4'")
    for _ in range(3):
        page.keyboard.press("j")
        page.keyboard.press("x")
    page.get_by_role("button", name="Select all 4").click()
    desk.make({"title": "fresh", "user_id": "user_004"})
    page.locator("#bulk").get_by_role("button", name="Acknowledge").click()
    expect(page.locator("#undo")).to_contain_text("3 acknowledged")
    expect(page.locator("#new-bar")).to_have_text("1 new, worst HIGH. Show")
    expect(page.locator("#desk-list .classes a").first).to_have_text("All 4")
    page.keyboard.press("r")
    expect(page.locator(".desk-row")).to_have_count(4)
    expect(page.locator("#new-bar")).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (0, "No answer came. See whether it was done, and try again."),
        (500, "It was not done (500). Try again."),
        (403, "It was not done: you may not, or this page is from before you signed in. Load it again."),
    ],
)
def test_a_decision_that_fails_says_so(desk: Desk, status: int, says: str) -> None:
    desk.make({"title": "one"})
    page = desk.open("/alerts/")
    page.route("**/triage/**", lambda route: route.fulfill(status=status) if status else route.abort())
    page.keyboard.press("j")
    page.keyboard.press("a")
    expect(page.locator("#undo")).to_contain_text(says)
    expect(page.locator("#undo button")).to_be_hidden()
    expect(page.locator("#undo .left")).to_have_attribute("aria-hidden", "true")
    desk.complaints.clear()


def test_whoever_was_signed_out_is_led_to_sign_in_by_a_decision(desk: Desk) -> None:
    desk.make({"title": "one"})
    page = desk.open("/alerts/?view=new")
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_url("**/login/?next=/alerts/%3Fview%3Dnew")
    desk.complaints.clear()


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


def test_a_key_that_is_held_decides_once_and_escape_leaves_the_list(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/?view=new")
    page.keyboard.press("j")
    page.keyboard.down("a")
    expect(page.locator(".desk-row")).to_have_count(2)
    expect(page.locator(".desk-row.cursor")).to_have_count(1)
    page.keyboard.down("a")
    page.keyboard.up("a")
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.keyboard.press("A")
    expect(page.locator(".desk-row")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(page.locator(".desk-row.cursor")).to_have_count(0)


def test_a_long_name_hides_nothing_and_moves_no_button_away(desk: Desk) -> None:
    desk.make({"user_id": "w" * 64})
    page = desk.open("/alerts/")
    right = "each => each.getBoundingClientRect().right"
    assert page.locator(".desk-row .triage").evaluate(right) <= page.locator(".desk-main").evaluate(right)
    desk.open("/")
    snooze = page.locator("#log .card summary").evaluate(right)
    assert snooze <= page.locator("#log").evaluate(right)


def test_a_phone_shows_what_nobody_looks_after(desk: Desk) -> None:
    seen, high = {"triage": "acknowledged"}, {"title": "high", "rule": "fever"}
    desk.make(*({"severity": "CRITICAL", "user_id": f"user_{n}"} | seen for n in range(4)), high)
    desk.page.set_viewport_size({"width": 360, "height": 780})
    page = desk.open("/")
    expect(page.locator("#log .card:visible")).to_have_count(1)
    expect(page.locator("#log .card:visible")).to_contain_text("Heart rate above 100")
    expect(page.locator("#log").get_by_role("button", name="Acknowledge")).to_be_visible()


JOINED = """async () => {
    const page = document.querySelector("script[src*=desk]").src;
    const { Chart } = await import(page.replace(/desk[^/]*$/, "strip.js"));
    const element = document.createElement("div");
    element.style.width = "640px";
    document.querySelector("#preview").replaceChildren(element);
    const line = { at: [100, 110, 210, 220], avg: [50, 50, 50, 50] };
    new Chart(element, { since: 100, until: 220, axis: [0, 100], lines: [line], gapAfter: 30, quiet: true,
      spans: [{ from: 100, to: 220, severity: "HIGH" }] }, { height: 200, label: "gap" });
    await new Promise((done) => setTimeout(done, 100));
    const canvas = element.querySelector("canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const column = (share) => {
      const [top, height] = [canvas.height / 4, canvas.height / 2].map(Math.round); // below the edge of the episode
      const { data } = copy.getImageData(Math.round(canvas.width * share), top, 1, height);
      const warmth = (pixel) => ((data[pixel] - data[pixel + 2]) * data[pixel + 3]) / 255;
      return Math.max(...Array.from({ length: height }, (_, y) => warmth(4 * y)));
    };
    return [column(0.09), column(0.45)];
}"""


def test_no_line_is_joined_across_a_gap_in_an_episode_either(desk: Desk) -> None:
    drawn, gap = desk.open("/alerts/").evaluate(JOINED)
    assert drawn > 120 > gap
