"""What the people of the tour do by themselves, and then every page of it: as axe sees it, in each theme and width."""

import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from tests.browser.conftest import PASSWORD, Site, sign_in
from tests.browser.tour import TOUR, Stop

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Visitor = Callable[[str], Page]
# so high that nothing is half behind the end of a list or a bar
WIDE: ViewportSize = {"width": 1440, "height": 2000}
PHONE: ViewportSize = {"width": 360, "height": 8000}
HAND: ViewportSize = {"width": 360, "height": 780}
HERE = Path(__file__)
AXE = HERE.parents[2] / "node_modules/axe-core/axe.min.js"  # make install
SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => window.shifts.push(...list.getEntries().filter((each) => !each.hadRecentInput)))
  .observe({type: "layout-shift", buffered: true});
"""
MEASURES = HERE.with_name("measures.js")
SETTLED = ':root:is([data-connection="live"], [data-connection="lost"], :not(:has(#live-pill)))'


@pytest.fixture(scope="module")
def lively(site: Site) -> Site:
    """With two people alive, one whose heart raced a moment ago, and what some have done already."""
    since = datetime.now(UTC) - timedelta(seconds=25)  # and so it still races
    site.start_wearers(
        "--user", "racing", "--anomaly", "tachycardia_at_rest", "--rate", "2", "--duration", "25", "--bad-data", "0.2",
        "--start", since.isoformat(),
    )  # fmt: skip
    seed = f"from tests.browser.seed import seed; seed({PASSWORD!r})"
    site.does(seed)
    site.start_wearers("--wearers", "2")
    return site


@pytest.fixture(scope="module")
def visitor(chromium: Browser, lively: Site) -> Iterator[Visitor]:
    """The one page of each person, signed in."""
    pages: dict[str, Page] = {}

    def page_of(who: str) -> Page:
        if who not in pages:
            context = chromium.new_context(viewport=WIDE, color_scheme="dark", reduced_motion="reduce")
            context.add_init_script(SHIFTS)
            pages[who] = context.new_page()
            if who:
                sign_in(pages[who], lively, who)
            if who == "analyst":
                pages[who].wait_for_selector("#log .card")
        return pages[who]

    yield page_of
    for page in pages.values():
        page.context.close()


def test_a_wearer_adds_a_device_makes_its_token_renames_and_revokes_it(visitor: Visitor, lively: Site) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/settings/")
    page.get_by_label("Kind, as it calls itself").fill("ring")
    page.get_by_role("button", name="Add a device").click()
    row = page.get_by_role("region", name="Devices").get_by_role("listitem").filter(has_text="ring")
    row.get_by_role("button", name="Make a token").click()
    secret = page.locator(".secret .once").inner_text()
    assert len(secret) > 20
    page.get_by_role("link", name="I have it").click()
    expect(page.locator("main")).not_to_contain_text(secret)
    row.locator("summary").press("Enter")
    row.get_by_label("What you call it").fill("Right hand")
    row.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("Right hand")
    page.get_by_role("button", name="Revoke the token of Right hand").click()
    expect(row).to_contain_text("no token")


def test_a_wearer_makes_a_key_and_revokes_it(visitor: Visitor, lively: Site) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/settings/")
    page.get_by_label("What will use it").fill("laptop")
    page.get_by_role("region", name="Tokens").get_by_role("button", name="Make a token").click()
    expect(page.get_by_role("heading", name="The token of laptop")).to_be_visible()
    page.get_by_role("link", name="I have it").click()
    page.get_by_role("button", name="Revoke the token laptop").click()
    expect(page.get_by_role("button", name="Revoke the token laptop")).to_have_count(0)
    expect(page.get_by_role("button", name="Revoke the token a script")).to_have_count(1)


# What is said aloud of alerts that come by the socket.
SAID = """async () => {
    const base = [...document.scripts].find((script) => /\\/js\\/base/.test(script.src)).src;
    const { wordsOf } = await import(new URL("said.js", base));
    const [start_time, opened_at, end_time] = ["02", "06", "08"].map((second) => `2026-03-02T14:30:${second}.000Z`);
    const alert = { start_time, opened_at, end_time, alert_type: "FEVER", measures: {}, description: "" };
    const pulse = "Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 14:30:02.";
    return [
        { ...alert, measures: { heart_rate: { min: 108, max: 126 } }, description: pulse },
        { ...alert, measures: { body_temp_c: { min: 38.4, max: 38.8 } }, description: "Above 38 since 14:30:02." },
        { ...alert, alert_type: "STALLED", description: "It stalled at 13:00:00." },
    ].map(wordsOf);
}"""


def test_units_and_zone_hold_on_every_page_and_who_looked_is_listed(visitor: Visitor, lively: Site) -> None:
    visitor("analyst").goto(f"{lively.address}/wearers/user_001/")
    page = visitor("user_001")
    page.goto(f"{lively.address}/settings/")
    expect(page.get_by_role("region", name="Who looked")).to_contain_text("analyst")
    page.get_by_label("Temperatures in").select_option(label="°F")
    page.get_by_label("Time zone").select_option("America/New_York")
    page.get_by_role("region", name="You", exact=True).get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.goto(f"{lively.address}/wearers/user_001/")
    expect(page.locator(".values")).to_contain_text("°F")
    expect(page.locator("#clock")).to_contain_text("New York")
    page.locator("#clock").hover()
    expect(page.locator("#clock")).to_have_attribute("title", re.compile(r"New York, .* UTC$"))
    assert page.evaluate(SAID) == [
        "Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 09:30:02.",
        "fever, 101.1 to 101.8 °F, since 09:30:02 New York",
        "stalled, since 09:30:02 New York",
    ]


def test_an_open_page_follows_the_units_that_are_chosen_elsewhere(visitor: Visitor, lively: Site) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/wearers/user_001/?range=5m")
    unit = page.locator('.current[data-metrics*="temp_c"] dd > .secondary')
    was, other = ("°F", "°C") if "F" in unit.inner_text() else ("°C", "°F")
    page.evaluate("window.isOfBefore = true")
    settings = page.context.new_page()
    settings.goto(f"{lively.address}/settings/")
    settings.get_by_label("Temperatures in").select_option(label=other)
    settings.get_by_role("region", name="You", exact=True).get_by_role("button", name="Save").click()
    expect(settings.get_by_role("status")).to_contain_text("Saved.")
    settings.close()
    page.evaluate('dispatchEvent(new Event("telara:over"))')
    expect(unit).to_have_text(other)
    assert page.evaluate("window.isOfBefore") is None, f"live values in {was} beside {other}"


IN_AN_HOUR = """() => new Date(Date.now() + 3600_000).toLocaleTimeString("en-GB", {
    timeZone: document.querySelector("[data-zone]").dataset.zone, hour: "2-digit", minute: "2-digit"})"""


def test_a_wearer_plans_an_activity_and_ends_it(visitor: Visitor, lively: Site) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/wearers/user_001/")
    page.get_by_text("Plan an activity").click()
    page.get_by_label("What", exact=True).fill("sauna")
    page.get_by_label("Until").fill(page.evaluate(IN_AN_HOUR))
    page.get_by_label("Fever").check()
    page.get_by_role("button", name="Keep quiet").click()
    planned = page.locator(".planned").filter(has_text="sauna")
    expect(planned).to_contain_text("Fever")
    planned.get_by_role("button").click()
    expect(planned).to_have_count(0)


def test_a_wearer_asks_for_deletion_and_takes_it_back(visitor: Visitor, lively: Site) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/settings/delete/")
    page.get_by_label("1 of 2: your password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("2 of 2: type user_001").fill("user_001")
    page.get_by_role("button", name="Delete everything").click()
    expect(page.get_by_role("alert").filter(has_text="Everything is deleted")).to_be_visible()
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_role("status")).to_contain_text("Nothing will be deleted.")


def test_a_wearer_takes_their_data_along(visitor: Visitor, lively: Site, tmp_path: Path) -> None:
    page = visitor("user_001")
    page.goto(f"{lively.address}/settings/")
    with page.expect_download() as download:
        page.get_by_role("link", name="Everything as CSV").click()
    download.value.save_as(tmp_path / "mine.zip")
    names = zipfile.ZipFile(tmp_path / "mine.zip").namelist()
    assert any(name.endswith("columns.csv") for name in names), names


def test_an_analyst_saves_a_view_and_forgets_it(visitor: Visitor, lively: Site) -> None:
    page = visitor("analyst")
    page.goto(f"{lively.address}/alerts/?view=new&severity=HIGH")
    page.get_by_text("Save as a view").click()
    page.get_by_label("Name of the view").fill("All that is high")
    page.get_by_role("button", name="Save", exact=True).click()
    view = page.get_by_role("link", name="All that is high")
    expect(view).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Forget the view All that is high").click()
    expect(view).to_have_count(0)


def test_an_analyst_assigns_and_closes_what_is_ticked(visitor: Visitor, lively: Site) -> None:
    page = visitor("analyst")
    page.goto(f"{lively.address}/alerts/?wearer=racing")
    row = page.locator(".desk-row", has_text="Tachycardia at rest")
    row.get_by_role("checkbox").check()
    bulk = page.locator("#bulk")
    bulk.get_by_text("Assign").click()
    bulk.get_by_role("button", name="Me").click()
    expect(row.locator(".triage")).to_contain_text("for analyst")
    row.get_by_role("checkbox").check()
    bulk.get_by_text("Close").click()
    page.once("dialog", lambda dialog: dialog.accept())
    bulk.get_by_role("button", name="False alarm").click()
    expect(page.locator("#undo")).to_contain_text("1 closed")
    expect(row).to_have_count(0)
    page.keyboard.press("u")
    expect(row.locator(".triage")).to_contain_text("for analyst")


def test_an_analyst_starts_a_simulation_and_stops_it(visitor: Visitor, lively: Site) -> None:
    page = visitor("analyst")
    page.goto(f"{lively.address}/simulator/")
    inject = page.get_by_role("region", name="Inject an anomaly")
    inject.get_by_label("Wearer").fill("runner")
    inject.get_by_label("Anomaly").select_option("fever")
    inject.get_by_role("button", name="Inject").click()
    run = page.get_by_role("row").filter(has_text="runner")
    expect(run).to_contain_text("fever")
    run.get_by_role("button", name="Stop").click()
    expect(run).to_contain_text("Stopped")


def test_who_is_taken_out_of_a_team_reads_so_at_once_and_sees_nothing_of_its_wearers(
    visitor: Visitor, lively: Site
) -> None:
    boss, page = visitor("boss"), visitor("newcomer")
    page.goto(f"{lively.address}/settings/")  # which does not fill by itself once there is somebody to see
    boss.goto(f"{lively.address}/people/teams/")
    boss.get_by_role("link", name="Night").click()
    boss.get_by_label("User id of an analyst").fill("newcomer")
    boss.get_by_role("button", name="Add analyst").click()
    page.goto(f"{lively.address}/wearers/user_001/")
    page.wait_for_selector(':root[data-connection="live"]', state="attached")
    boss.get_by_role("button", name="Remove newcomer from the analysts").click()
    expect(page.get_by_role("heading", name="This wearer is not assigned to you")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("bpm")


@pytest.fixture(scope="module")
def places(visitor: Visitor, lively: Site) -> dict[str, str]:
    """The placeholders of the tour: an alert, and a message that was refused."""
    page = visitor("analyst")
    page.goto(f"{lively.address}/alerts/")
    alert = page.locator(".desk-row").first.get_attribute("data-href")
    page.goto(f"{lively.address}/pipeline/")
    message = page.locator(".quarantine-row .when a").first.get_attribute("href")
    return {"alert": alert or "", "message": message or ""}


@contextmanager
def come(page: Page, address: str, stop: Stop, *, size: ViewportSize = WIDE) -> Iterator[Page]:
    """The page of a stop, ready to be looked at."""
    visited = page.context.new_page() if stop.before else page
    visited.set_viewport_size(size)
    visited.emulate_media(color_scheme="dark")
    if stop.before:
        stop.before(visited)
    visited.goto(address)
    visited.wait_for_selector(SETTLED, state="attached")
    visited.evaluate("window.loaded = [...window.shifts]")
    if stop.then:
        stop.then(visited)
    yield visited
    if visited is not page:
        visited.close()


def faults_of(page: Page, stop: Stop) -> Iterator[str]:
    """What is wrong with the page as it stands there: page, theme, width; rule, element, why."""
    for size, scheme in ((WIDE, "dark"), (PHONE, "light")):
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        faults = page.evaluate("measures.axe()")
        if stop.is_ours:
            faults += page.evaluate("measures.still()" if size is WIDE else "measures.thumbs(44)")
        yield from (f"{stop.name}, {scheme}, {size['width']} px: {fault}" for fault in faults)
    if stop.is_ours:
        yield from narrowed(page, stop)
    if stop.is_ours and not stop.before:
        yield from (f"{stop.name}: {fault}" for fault in page.evaluate("measures.jumps()"))


def narrowed(page: Page, stop: Stop) -> Iterator[str]:
    """What does not fit: on a tablet, at 200 % of 1280 px, on a phone, and there with letters and lines apart."""
    for width, spaced in ((768, False), (640, False), (360, False), (360, True)):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("(on) => measures.spaced(on)", spaced)
        for fault in page.evaluate("measures.sideways()"):
            yield f"{stop.name}, {width} px{' spaced' if spaced else ''}: {fault}"
    page.evaluate("measures.spaced(false)")


@pytest.mark.parametrize("who", TOUR)
def test_axe_finds_no_fault_on_any_page(visitor: Visitor, lively: Site, places: dict[str, str], who: str) -> None:
    found: list[str] = []
    for stop in TOUR[who]:
        with come(visitor(who), lively.address + stop.path.format(**places), stop) as page:
            page.evaluate(AXE.read_text() + MEASURES.read_text())
            found += faults_of(page, stop)
    assert not found, "\n" + "\n".join(found)


def test_no_page_moves_while_it_loads_on_a_phone(visitor: Visitor, lively: Site, places: dict[str, str]) -> None:
    stops = {stop.path: replace(stop, then=None) for stop in TOUR["analyst"] if stop.is_ours and not stop.before}
    found: list[str] = []
    for stop in stops.values():
        with come(visitor("analyst"), lively.address + stop.path.format(**places), stop, size=HAND) as page:
            page.evaluate(MEASURES.read_text())
            found += (f"{stop.name}: {fault}" for fault in page.evaluate("measures.jumps()"))
    assert not found, "\n" + "\n".join(found)


def tabbed(page: Page, most: int = 90) -> Iterator[str]:
    """What is wrong on the way through a page by Tab: each stop is seen, and the way has an end."""
    page.evaluate("document.activeElement.blur()")
    for _ in range(most):
        page.keyboard.press("Tab")
        name, fault = page.evaluate("measures.focused()")
        if not name:
            return
        if fault:
            yield f"{name}: {fault}"


@pytest.mark.parametrize(
    "path", ["/", "/alerts/", "{alert}", "/wearers/racing/?range=5m", "/rules/fever/", "/settings/"]
)
def test_tab_leads_through_a_page_and_each_stop_is_seen(
    visitor: Visitor, lively: Site, places: dict[str, str], path: str
) -> None:
    with come(visitor("analyst"), lively.address + path.format(**places), Stop(path, path)) as page:
        page.set_viewport_size(
            {"width": 1280, "height": 400}
        )  # so low that much is behind a bar, were it not for the way there
        page.evaluate(MEASURES.read_text())
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        faults = list(tabbed(page))
    assert not faults, "\n" + "\n".join(faults)


def test_the_focus_goes_on_to_what_takes_the_place_of_what_had_it(
    visitor: Visitor, lively: Site, places: dict[str, str]
) -> None:
    page = visitor("analyst")
    page.bring_to_front()
    page.goto(lively.address)
    card = page.locator("#log .card", has_text="Tachycardia at rest")
    card.get_by_role("button", name="Acknowledge").press("Enter")
    expect(card).to_contain_text("Acknowledged by analyst")
    expect(card.get_by_role("link").first).to_be_focused()
    page.keyboard.press("?")
    page.keyboard.press("Escape")
    expect(card.get_by_role("link").first).to_be_focused()
    page.goto(lively.address + places["alert"])
    page.get_by_role("button", name="Give back").press("Enter")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_focused()


def test_letters_are_no_keys_while_typing_and_the_cursor_is_said_aloud(visitor: Visitor, lively: Site) -> None:
    page = visitor("analyst")
    page.goto(f"{lively.address}/alerts/")
    page.wait_for_selector(SETTLED, state="attached")
    page.keyboard.press("/")
    page.keyboard.type("jkxac?")
    expect(page.locator("#desk-q")).to_have_value("jkxac?")
    expect(page.locator("#keys")).to_be_hidden()
    expect(page.locator(".desk-row.cursor")).to_have_count(0)
    page.locator("#desk-q").blur()
    page.keyboard.press("j")
    expect(page.locator("#announce")).to_contain_text("racing")
    page.keyboard.press("?")
    page.get_by_label("Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_be_hidden()
    page.evaluate("localStorage.removeItem('telara.keys')")
