"""Signal quality in a real browser: values in doubt are hollow, and the sensor has a list and a voice of its own."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Seen, Site, until_live

pytestmark = [pytest.mark.browser, pytest.mark.slow]
COLD = """
id: strap-cold
alert_type: STRAP_COLD
title: Strap is cold
severity: MEDIUM
class: technical
over: reading
when: skin_temp_c < 28
sustained: {count: 3}
max_gap: 60s
measures: [skin_temp_c]
description: The strap is as warm as the room.
falsepositives: []
references: []
"""
RECORD_TONES = """() => {
    window.tones = [];
    const create = AudioContext.prototype.createOscillator;
    AudioContext.prototype.createOscillator = function () {
        const oscillator = create.call(this);
        const start = oscillator.start;
        oscillator.start = function (at) {
            window.tones.push(this.frequency.value);
            document.body.dataset.tones = window.tones;
            return start.call(this, at);
        };
        return oscillator;
    };
}"""
# A strip of two values with nothing but their dots; the colours at the middle of each and at its edge.
DOTS = """async () => {
    const page = [...document.scripts].find((script) => /\\/js\\/wearer/.test(script.src)).src;
    const strip = document.querySelector('[data-strip="heart_rate"] .plot');
    const { Chart } = await import(new URL("strip.js", page));
    const element = document.createElement("div");
    element.style.width = "600px";
    strip.replaceWith(element);
    const at = [100, 200], avg = [80, 80];
    const look = { height: 170, label: "dots" };
    const lines = [{ at, avg, hits: [true, true], doubts: ["jump", ""] }];
    const chart = new Chart(element, { since: 0, until: 300, axis: [40, 120], gapAfter: 10, lines }, look);
    await new Promise((done) => setTimeout(done, 300));
    const plot = chart._plot;
    const [from, to] = at.map((each) => Math.round(plot.valToPos(each, "x", true)));
    const row = [...plot.ctx.getImageData(from, Math.round(plot.valToPos(80, "y", true)), to - from + 1, 1).data];
    return [row.slice(0, 3).join(), row.slice(-4, -1).join(), chart.textAt(100), chart.textAt(200)];
}"""


@pytest.fixture
def page(site: Site, seen: Seen) -> Iterator[Page]:
    """The overview, with two people alive."""
    if not site.processes.keys() & {"simulator --wearers 2"}:
        site.start_wearers("--wearers", "2")
    seen.page.wait_for_selector("[data-person=user_002]")
    until_live(seen.page)
    yield seen.page
    assert seen.complaints == []


def test_a_technical_alert_comes_to_its_own_list_with_a_tone_of_its_own(page: Page, site: Site) -> None:
    rules = site.copy.root / "cold.yaml"
    rules.write_text(COLD)
    site.copy.run("manage.py", "load_rules", str(rules))
    page.evaluate(RECORD_TONES)
    page.locator("#sound").click()
    assert page.evaluate("window.tones") == [587]
    worn = ("--user", "loose", "--rate", "2", "--duration", "5")
    site.copy.run("manage.py", "run_simulator", *worn)
    site.start_wearers("--user", "loose", "--anomaly", "sensor_off", "--rate", "2", "--duration", "60")
    row = page.locator(".technical-row", has_text="loose")
    expect(row).to_contain_text("Strap is cold")
    expect(page.locator("#log .card", has_text="Strap is cold")).to_have_count(0)
    expect(page.locator("body")).to_have_attribute("data-tones", re.compile(r"\b330\b"))
    heard = [round(tone) for tone in page.evaluate("window.tones")]
    assert [tone for tone in heard if tone != 220] == [587, 330], "of a lost connection none counts"
    page.locator("[data-technical-sound]").click()
    expect(page.locator("[data-technical-sound]")).to_have_attribute("aria-pressed", "false")
    row.hover()
    row.get_by_role("button", name="Snooze 60 min").click()
    expect(page.locator("#undo")).to_contain_text("snoozed until")
    expect(row).to_contain_text("until")


def test_the_fall_of_a_strap_that_is_taken_off_is_a_jump(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/wearers/loose/?range=5m")
    until_live(page)
    words = page.locator("#words-skin")
    expect(words).to_contain_text("in doubt (jump 1)")


def test_a_value_in_doubt_is_drawn_hollow_and_says_why(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/wearers/user_001/?range=1h")
    until_live(page)
    page.wait_for_selector('[data-strip="heart_rate"] canvas')
    surface = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--surface-1').trim()")
    wanted = ",".join(str(int(surface[place : place + 2], 16)) for place in (1, 3, 5))
    found: list[Any] = page.evaluate(DOTS)
    assert found[0] == wanted
    assert found[1] != wanted
    assert found[2:] == ["80 (jump)", "80"]
