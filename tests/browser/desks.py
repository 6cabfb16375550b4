"""A page whose socket a test holds, with alerts of the test's own: those the server has, those that come, and both."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

from tests.browser.conftest import Seen, Site, until_live

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
window.tones = [];
let sounding = 0;
const make = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () {
  const tone = make.call(this);
  window.tones.push(tone);
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


def desk_of(site: Site, seen: Seen) -> Iterator[Desk]:
    """Of the analyst, without an alert; whoever uses it up has a page that complained of nothing."""
    desk = Desk(seen.page, site, seen.complaints)
    desk.run(CLEAR)
    seen.page.context.add_init_script(TONES)
    seen.page.route_web_socket("**/ws/vitals*", desk.connect)
    yield desk
    assert seen.complaints == []
