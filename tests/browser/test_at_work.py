"""Whoever looks at one person, or is at work in a list, hears what changes, and nothing moves under their hands."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import HELD, Seen, Site, sign_in, until_live

pytestmark = [pytest.mark.browser, pytest.mark.slow]
NAMES = """
import time
from datetime import timedelta
from django.utils import timezone
from alerts.models import Alert, Rule
from alerts.services.triage import alert_acknowledge, alert_close, alert_comment
from alerts.wire import alert_json
from devices.live import PENDING_MOST, _publisher, announce
from devices.models import User
from tests.made import make_alert
now = timezone.now()
def wearer(name):
    return User.objects.get_or_create(username=name, is_wearer=True)[0]
def fires(name, severity="HIGH", ago=0, **fields):
    at = now - timedelta(minutes=ago)
    rule = Rule.objects.get(rule_id="tachycardia-at-rest")
    fields = {"title": f"Alert of {name}", "severity": severity, "opened_at": at, "started_at": at} | fields
    alert = make_alert(wearer(name), rule=rule, **fields)
    announce(alerts=[(alert.user_id, alert_json(alert))])
    return alert
def of(name):
    return Alert.objects.select_related("rule", "user").get(title=f"Alert of {name}")
"""
UNTIL_TOLD = """
while _publisher()._pending._value < PENDING_MOST:
    time.sleep(0.01)
"""


@pytest.fixture
def page(site: Site, seen: Seen) -> Iterator[Page]:
    """The overview, with two people who are alive."""
    if "simulator --wearers 2" not in site.processes:
        site.start_wearers("--wearers", "2")
    seen.page.wait_for_selector("[data-person=user_002]")
    until_live(seen.page)
    yield seen.page
    assert seen.complaints == []


def happens(site: Site, what: str) -> None:
    """Elsewhere, and told to every page: `fires(name, severity)`, and what becomes of the alert `of(name)`."""
    site.does(NAMES + what + UNTIL_TOLD)


def opened(page: Page, site: Site, path: str) -> Page:
    page.goto(f"{site.address}{path}")
    until_live(page)
    return page


def test_on_the_page_of_one_wearer_alerts_of_the_others_are_told_and_counted(page: Page, site: Site) -> None:
    opened(page, site, "/wearers/user_001/?range=5m")
    vitals = page.locator('.current[data-metrics="heart_rate"] .value')
    first = vitals.inner_text()
    happens(site, 'fires("user_002", "CRITICAL", event_count=9)')
    expect(page.locator("#announce-critical")).to_contain_text("CRITICAL, user_002: Heart rate above 100")
    expect(page.locator(".top [data-firing-alerts]")).to_have_text("1")
    expect(page.locator('[data-part="alerts"]')).to_contain_text("No alert was ever raised")
    expect(vitals).not_to_have_text(first)
    opened(page, site, "/wearers/user_001/?range=5m")
    expect(page.locator("#sound.warn")).to_have_text("Sound off")


def card(page: Page, name: str) -> Locator:
    return page.locator("#log .card", has_text=f"Alert of {name}")


def tops(page: Page, names: tuple[str, ...]) -> list[int]:
    """How far below the first of them each card begins, once it has slid in."""
    places = [int(card(page, name).evaluate("each => each.offsetTop")) for name in names]
    return [place - places[0] for place in places]


def test_where_somebody_points_cards_keep_their_place_and_say_what_became_of_their_alerts(
    page: Page, site: Site
) -> None:
    names = ("cleo", "bea", "ada")
    for place, name in enumerate(names):
        happens(site, f'fires("{name}", ago={place})')
        expect(card(page, name)).to_be_visible()
    card(page, "bea").locator(".card-head").hover()
    before = tops(page, names)
    happens(
        site,
        'boss = User.objects.get(username="boss")\n'
        'alert_acknowledge(alert=of("cleo"), by=boss, at=now)\n'
        'alert_close(alert=of("ada"), by=boss, at=now, reason="true")\n'
        'fires("dora", "CRITICAL")',
    )
    expect(card(page, "cleo")).to_contain_text("Acknowledged by boss")
    expect(card(page, "cleo").get_by_role("button", name="Acknowledge")).to_have_count(0)
    expect(card(page, "ada")).to_contain_text("left the list")
    expect(card(page, "ada").get_by_role("button", name="Acknowledge")).to_be_disabled()
    expect(card(page, "ada").locator("summary")).to_have_attribute("aria-disabled", "true")
    expect(card(page, "bea").get_by_role("button", name="Acknowledge")).to_be_enabled()
    bar = page.locator("#log .new-bar")
    expect(bar).to_have_text("1 new, worst CRITICAL, 1 left. Show")
    assert tops(page, names) == before
    bar.click()
    expect(card(page, "ada")).to_have_count(0)
    expect(page.locator("#log .card").first).to_contain_text("Alert of dora")


def test_without_a_cursor_a_key_decides_nothing_and_gives_the_first_card_the_cursor(page: Page, site: Site) -> None:
    happens(site, 'fires("hal", "CRITICAL")')
    first = card(page, "hal")
    expect(first).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#log .card.cursor")).to_have_count(1)
    expect(page.locator("#announce")).to_contain_text("CRITICAL, Alert of")
    page.keyboard.press("Escape")
    page.keyboard.press("s")
    expect(page.locator("#log .card.cursor")).to_have_count(1)
    expect(page.locator("#log details[open]")).to_have_count(0)
    expect(page.locator("#undo")).to_be_hidden()
    expect(page.locator("#log .card.loud.cursor")).to_be_visible()
    page.keyboard.press("a")
    expect(page.locator("#undo")).to_contain_text("acknowledged by you")


def test_a_menu_and_the_focus_outlast_what_changes_around_them(page: Page, site: Site) -> None:
    happens(site, 'fires("eva")')
    happens(site, 'fires("fay")')
    expect(card(page, "fay")).to_be_visible()
    card(page, "eva").locator("summary").press("Enter")
    happens(site, 'alert_acknowledge(alert=of("fay"), by=User.objects.get(username="boss"), at=now)')
    expect(card(page, "fay")).to_contain_text("Acknowledged by boss")
    expect(card(page, "eva").locator("details[open]")).to_be_attached()
    expect(card(page, "eva").locator("summary")).to_be_focused()


def test_what_cannot_be_pointed_at_stands_and_what_is_not_seen_cannot_be_pressed(
    page: Page, site: Site, chromium: Browser
) -> None:
    happens(site, 'fires("ida", "MEDIUM", alert_class="technical")')
    row = page.locator(".technical-row", has_text="Alert of ida")
    expect(row).to_be_visible()
    expect(row.locator(".row-actions")).to_have_css("pointer-events", "none")
    row.hover()
    expect(row.locator(".row-actions")).to_have_css("pointer-events", "auto")
    tablet = chromium.new_context(viewport={"width": 1180, "height": 820}, has_touch=True, is_mobile=True)
    touched = tablet.new_page()
    sign_in(touched, site, "analyst")
    until_live(touched)
    expect(touched.locator(".technical-row", has_text="ida").locator(".row-actions")).to_have_css("opacity", "1")
    touched.locator(".technical-row", has_text="ida").get_by_role("button", name="Acknowledge").tap()
    expect(touched.locator("#undo")).to_contain_text("acknowledged by you")
    tablet.close()


STILL = "const now = performance.now(); performance.now = () => now"  # however long a busy machine takes over a press
LATER = "performance.now = () => Infinity"


@pytest.mark.parametrize("ends", ["let go", "held for long"])
def test_what_is_pressed_is_replaced_once_it_is_let_go(page: Page, site: Site, ends: str) -> None:
    name = ends.replace(" ", "-")
    happens(site, f'fires("{name}")')
    opened(page, site, f"/wearers/{name}/?range=5m")
    alerts = page.locator('[data-part="alerts"]')
    page.locator("main h1").hover()
    page.evaluate(STILL)
    page.mouse.down()
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        happens(site, f'alert_acknowledge(alert=of("{name}"), by=User.objects.get(username="boss"), at=now)')
    page.wait_for_timeout(1000)  # for it to be taken over, were nothing pressed
    expect(alerts).not_to_contain_text("boss", timeout=1)
    if ends == "let go":
        page.mouse.up()
    else:
        page.evaluate(LATER)
    expect(alerts).to_contain_text("boss")


@pytest.mark.parametrize("layout", ["tiles", "auto"])
def test_whoever_becomes_critical_is_so_at_once_on_a_wall_that_keeps_its_order(
    page: Page, site: Site, layout: str
) -> None:
    happens(site, f'for n in range(22): wearer(f"{{n:02}}-{layout}")')
    opened(page, site, f"/?layout={layout}")
    people = page.locator("#wall [data-person]")
    everybody = "all => all.map((each) => each.dataset.person)"
    people.first.hover()
    before = people.evaluate_all(everybody)
    name = f"{'03' if layout == 'tiles' else '21'}-{layout}"
    happens(site, f'fires("{name}", "CRITICAL")')
    person = page.locator(f'#wall [data-person="{name}"]')
    expect(person.get_by_role("img", name="CRITICAL")).to_be_visible()
    assert person.evaluate("each => each.localName") == ("a" if layout == "tiles" else "li")
    assert people.evaluate_all(everybody) == before
    page.mouse.move(5, 400)
    expect(page.locator(f'#wall .tiles > :nth-child(-n + 9) [data-person="{name}"]')).to_be_visible()


def test_the_pane_beside_the_list_is_as_live_as_its_row(page: Page, site: Site, seen: Seen) -> None:
    for name in ("joy", "kay"):
        happens(site, f'fires("{name}")')
    opened(page, site, "/alerts/?view=new&wearer=joy")
    pane = page.locator("#preview")
    page.keyboard.press("j")
    expect(pane.locator(".alert-title h2")).to_have_text("Alert of joy")
    happens(site, 'alert_comment(alert=of("joy"), by=User.objects.get(username="boss"), at=now, note="called her")')
    expect(pane.locator(".timeline")).to_contain_text("called her")
    pane.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".desk-row")).to_have_count(0)
    expect(pane).to_contain_text("Choose a row")
    opened(page, site, "/alerts/?q=kay")
    page.keyboard.press("j")
    pane.get_by_role("button", name="Acknowledge").click()
    expect(pane.locator(".tag").first).to_have_text("Acknowledged by analyst")
    page.route(re.compile(r"/alerts/[0-9a-f-]{36}/$"), lambda route: route.abort())
    happens(site, 'alert_close(alert=of("kay"), by=User.objects.get(username="boss"), at=now, reason="true")')
    expect(pane).to_have_text("This alert cannot be read now.")
    seen.complaints[:] = [said for said in seen.complaints if "ERR_FAILED" not in said and "cannot be read" not in said]


HEARD = """
import json
from django.conf import settings
from devices.times import rfc3339
from ingestion.send.producer import Outgoing
from ingestion.send.sending import web_producer
event = {{"event_id": f"00000000-0000-0000-0000-{{now:%H%M%S%f}}", "timestamp": rfc3339(now), "user_id": "{name}",
         "device_sources": ["apple_watch"], "vitals": {{"heart_rate": {rate}}}}}
message = Outgoing(settings.TELARA_TOPIC_RAW, "{name}", json.dumps(event))
assert all(web_producer().deliver([message], timeout_s=60))
"""
AN_HOUR_AGO = """
from devices.models import Device
Device.objects.filter(user__username="lea").update(last_seen_at=now - timedelta(hours=1))
"""
SOME_AGE = re.compile(r"^\s*data (\d+ m )?\d+ s old\s*$")
EACH_MINUTE_AT_ONCE = "const make = setInterval; window.setInterval = (run, ms) => make(run, ms === 60_000 ? 400 : ms)"


def is_heard(site: Site, name: str, *, rate: float = 71) -> None:
    """A reading of theirs comes, by Kafka."""
    happens(site, HEARD.format(name=name, rate=rate))


def test_ages_are_of_what_just_came_also_of_somebody_never_heard_before(page: Page, site: Site) -> None:
    happens(site, 'wearer("lea")')
    opened(page, site, "/wearers/lea/?range=5m")
    expect(page.locator("#heard")).to_have_text("no readings yet")
    expect(page.locator('[data-part="empty-heart_rate"]')).to_have_text("not measured in this time")
    is_heard(site, "lea")
    expect(page.locator("#heard")).to_have_text(SOME_AGE)
    expect(page.locator('[data-part="empty-heart_rate"]')).to_have_text("")
    happens(site, AN_HOUR_AGO)
    opened(page, site, "/wearers/lea/?range=1h")
    device = page.locator(".wearer-head .tag", has_text="apple_watch")
    expect(device).to_contain_text("1 h ago")
    is_heard(site, "lea")
    expect(device).to_have_text(re.compile(r"apple_watch, \d+ [ms]"))
    happens(site, 'fires("mia")')
    opened(page, site, "/wearers/mia/?range=5m")
    page.locator('[data-part="alerts"] .card a').first.click()
    expect(page.locator(".alert-title [data-heard-of]")).to_have_text("no data")
    until_live(page)
    is_heard(site, "mia")
    expect(page.locator(".alert-title [data-heard-of]")).to_have_text(SOME_AGE)


OUT_OF_REACH = """all => all.filter((each) => {
    const {x, y, width, height} = each.getBoundingClientRect();
    return !each.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}).map((each) => each.textContent.trim())"""


def test_on_a_phone_nothing_lies_over_what_an_alert_offers(page: Page, site: Site) -> None:
    happens(site, 'fires("pia")')
    opened(page, site, "/alerts/?q=pia")
    address = page.locator(".desk-row").first.get_attribute("data-href")
    page.set_viewport_size({"width": 360, "height": 780})
    opened(page, site, address or "")
    for menu in ("snooze", "assign"):
        page.locator(f"[data-triage={menu}]").click()
        offered = page.locator(".alert-actions [open] button")
        expect(offered.first).to_be_visible()
        assert offered.evaluate_all(OUT_OF_REACH) == []
        page.keyboard.press("Escape")


def test_a_copy_of_the_page_takes_back_nothing_that_came_since_it_was_made(page: Page, site: Site) -> None:
    happens(site, 'wearer("oda")')
    opened(page, site, "/wearers/oda/?range=5m")
    page.evaluate(HELD)
    page.evaluate('dispatchEvent(new Event("telara:over"))')
    expect(page.locator("body")).to_have_attribute("data-copy", "held")
    is_heard(site, "oda")
    heard = page.locator("#heard")
    expect(heard).to_have_text(SOME_AGE)
    page.evaluate("letGo()")
    page.wait_for_timeout(1000)  # for it to be taken over
    expect(heard).to_have_text(SOME_AGE, timeout=2000)


def test_a_copy_of_the_wall_takes_back_nothing_either(page: Page, site: Site) -> None:
    is_heard(site, "olga")
    opened(page, site, "/")
    rate = page.locator('#wall [data-person="olga"] [data-metric="heart_rate"]')
    expect(rate).to_have_text("71")
    page.evaluate(HELD)
    page.locator("#wall .choice a").first.click()
    expect(page.locator("body")).to_have_attribute("data-copy", "held")
    is_heard(site, "olga", rate=84)
    expect(rate).to_have_text("84")
    rate.evaluate("each => each.setAttribute('data-before', '')")
    page.evaluate("letGo()")
    expect(page.locator("[data-before]")).to_have_count(0)
    expect(rate).to_have_text("84", timeout=2000)


def test_a_live_page_of_a_wearer_is_read_anew_each_minute_and_keeps_its_cursor(page: Page, site: Site) -> None:
    page.add_init_script(EACH_MINUTE_AT_ONCE)
    opened(page, site, "/wearers/user_001/?range=5m")
    plot = page.locator('[data-strip="heart_rate"] .u-over')
    expect(plot).to_be_visible()
    plot.hover(position={"x": 100, "y": 20})
    readout = page.locator("#readout")
    expect(readout).not_to_have_text("")
    for _ in range(2):
        with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
            pass
    expect(readout).not_to_have_text("")
