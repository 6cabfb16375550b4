"""The list of alerts in a real browser: what came since, what left, what is chosen and decided."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import HELD, Seen, Site, until_live
from tests.browser.desks import Desk, desk_of

pytestmark = [pytest.mark.browser, pytest.mark.slow]
CLOSE = """
import json
from alerts.models import Alert
from alerts.wire import alert_json
alert = Alert.objects.get(title="two")
alert.triage, alert.close_reason, alert.revision = "closed", "benign", 2
alert.save()
print(json.dumps([alert_json(alert)]))
"""


@pytest.fixture
def desk(site: Site, seen: Seen) -> Iterator[Desk]:
    yield from desk_of(site, seen)


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


def test_what_came_of_a_decision_is_said_though_its_row_was_replaced_meanwhile(desk: Desk) -> None:
    desk.make({"title": "one"})
    page = desk.open("/alerts/")
    page.keyboard.press("j")
    row = page.locator(".desk-row")
    page.keyboard.press("a")
    expect(row.locator(".triage")).to_have_text("analyst")
    page.evaluate(HELD)
    page.keyboard.press("u")
    expect(page.locator("body")).to_have_attribute("data-copy", "held")
    held: list[Route] = []
    page.route("**/triage/**", lambda route: held.append(route))  # noqa: PLW0108  # Playwright marks its handlers
    row.evaluate("each => each.setAttribute('data-before', '')")
    with page.expect_request("**/triage/**"):
        page.keyboard.press("s")
        page.keyboard.press("1")
    page.evaluate("letGo()")
    expect(page.locator("[data-before]")).to_have_count(0)
    held[0].continue_()
    expect(page.locator("#undo")).to_contain_text("snoozed until")


def test_whoever_was_signed_out_is_led_to_sign_in_by_a_decision(desk: Desk) -> None:
    desk.make({"title": "one"})
    page = desk.open("/alerts/?view=new")
    page.context.clear_cookies(name="sessionid")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.wait_for_url("**/login/?next=/alerts/%3Fview%3Dnew")
    desk.complaints.clear()


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


def test_who_comes_back_from_an_alert_finds_the_cursor_where_it_was_or_at_the_row_below(desk: Desk) -> None:
    three(desk)
    page = desk.open("/alerts/?view=new")
    titles = rows(page)
    at = page.locator(".desk-row.cursor .title")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(titles[1])
    until_live(page)
    page.go_back()
    expect(at).to_have_text(titles[1])
    expect(page.locator("#preview .alert-title h2")).to_have_text(titles[1])
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(titles[1])
    until_live(page)
    page.keyboard.press("a")
    expect(page.locator("#undo")).to_contain_text("acknowledged by you")
    page.go_back()
    expect(at).to_have_text(titles[2])
    page.locator('.nav [data-key="g a"]').click()
    expect(page.locator(".desk-row")).to_have_count(3)
    expect(at).to_have_count(0)


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
