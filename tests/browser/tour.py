"""Every page that there is, for the tests that look at all of them: axe, sizes, movement, keys.

A new page is one more line under the person who sees it: `Stop("what it is", "/its/address/")`. Placeholders of an
address are the places that `tests/browser/test_everyone.py` finds first (`{alert}`, `{message}`). `then` does what
a visitor does before there is something to look at: opens a dialog, makes a mistake; `before` is done before the page
is asked for. A page that only staff see goes under `boss`, who may do everything; one
that needs nobody under `""`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.template.loader import render_to_string
from playwright.sync_api import Page

Deed = Callable[[Page], None]


@dataclass(frozen=True)
class Stop:
    """A page as somebody comes to see it."""

    name: str
    path: str
    then: Deed | None = None
    before: Deed | None = None

    @property
    def is_ours(self) -> bool:
        """Not of Django's admin."""
        return not self.path.startswith("/admin/") or self.name.startswith("error")


def pressed(*keys: str, shows: str) -> Deed:
    """Presses the keys one after the other, until there is what they show."""

    def press(page: Page) -> None:
        for each in keys:
            page.keyboard.press(each)
        page.locator(shows).first.wait_for()

    return press


def loaded(shows: str) -> Deed:
    return lambda page: page.locator(shows).first.wait_for()


def clicked(*selectors: str, shows: str) -> Deed:
    def click(page: Page) -> None:
        for each in selectors:
            page.locator(each).first.click()
        page.locator(shows).first.wait_for()

    return click


def unfolded(page: Page) -> None:
    """All that folds is open, as far as it does not lie over other things; of tables beside charts one."""
    page.evaluate(
        "document.querySelectorAll('main details:not(.menu)').forEach((each) => {"
        " if (!each.matches('.strip ~ .strip details')) each.open = true; })"
    )


def refused(page: Page) -> None:
    page.fill("#id_username", "nobody")
    page.fill("#id_password", "wrong")
    page.click("form button.primary")
    page.locator("[role=alert]").wait_for()


def mistaken(page: Page) -> None:
    source = page.locator("#source")
    source.fill(source.input_value().replace("body_temp_c >", "body_tmp_c >"))
    page.locator("#problems button").first.wait_for()
    page.locator(".rule-head summary").click()


def tried(page: Page) -> None:
    page.click("#backtest-run")
    page.locator("#tried [data-said]").wait_for()


def menus(page: Page) -> None:
    """The menu of a person, and on a phone that of the bar below."""
    page.click(".user-menu summary")
    page.locator(".user-menu .menu-list").wait_for()
    page.evaluate("document.querySelector('.bottom details').open = true")


def told_of_news(page: Page) -> None:
    """As the desk says it while somebody reads it."""
    page.evaluate("document.querySelector('#new-bar').textContent = '3 new, worst HIGH'")
    page.evaluate("document.querySelector('#new-bar').hidden = false")


def asked(page: Page) -> None:
    page.locator("#wearers-list form button").click()
    page.locator("#wearers-list .answer").wait_for()


def without_socket(page: Page) -> None:
    page.route_web_socket("**/ws/vitals*", lambda socket: socket.close(code=4429))


def broken(page: Page) -> None:
    """A page of an error that nobody can cause here."""
    body = render_to_string("500.html")
    page.route("**/broken/", lambda route: route.fulfill(status=200, content_type="text/html", body=body))


HELP = pressed("?", shows="#keys[open]")
FORM = clicked("[data-view=form]", shows="#rule-form")

TOUR: dict[str, tuple[Stop, ...]] = {
    "": (
        Stop("login", "/login/"),
        Stop("login, refused", "/login/", then=refused),
        Stop("forgotten password", "/login/forgot/"),
        Stop("invitation, none", "/invitation/nothing/"),
        Stop("API", "/api/docs/#alerts-list", then=loaded("#alerts-list dl")),
        Stop("error 404", "/nowhere/"),
        Stop("error 500", "/broken/", before=broken),
    ),
    "analyst": (
        Stop("overview", "/"),
        Stop("overview, disconnected", "/", before=without_socket),
        Stop("wearers", "/wearers/"),
        Stop(
            "wearers, columns",
            "/wearers/?sort=heart",
            then=clicked(".columns-menu summary", shows=".columns-menu .menu-list"),
        ),
        Stop("wearer", "/wearers/racing/?range=5m", then=unfolded),
        Stop("alerts, preview", "/alerts/", then=pressed("j", "x", shows="#preview .alert-title")),
        Stop("alerts, help", "/alerts/", then=HELP),
        Stop("alerts, none", "/alerts/?q=nobody"),
        Stop("alert", "{alert}", then=clicked("[data-triage=snooze]", shows=".alert-actions [open]")),
        Stop("rules", "/rules/"),
        Stop("rule", "/rules/tachycardia-at-rest/?compare=1", then=tried),
        Stop("rule, mistaken", "/rules/fever/", then=mistaken),
        Stop("rule, new", "/rules/?new=1"),
        Stop("rule, form", "/rules/tachycardia-at-rest/", then=FORM),
        Stop("pipeline", "/pipeline/", then=unfolded),
        Stop("pipeline, message", "/pipeline/{message}"),
        Stop("devices", "/devices/"),
        Stop("simulator", "/simulator/"),
        Stop("notifications", "/notifications/", then=unfolded),
        Stop("settings", "/settings/", then=unfolded),
        Stop("delete, menus", "/settings/delete/", then=menus),
        Stop("API, tried", "/api/docs/#wearers-list", then=asked),
        Stop("error 403", "/admin/"),
    ),
    "newcomer": (
        Stop("overview, empty", "/"),
        Stop("wearers, empty", "/wearers/"),
        Stop("alerts, empty", "/alerts/"),
        Stop("devices, empty", "/devices/"),
        Stop("notifications, empty", "/notifications/"),
    ),
    "user_001": (
        Stop("own page", "/wearers/user_001/?range=1h", then=unfolded),
        Stop("own alerts, new ones", "/alerts/", then=told_of_news),
        Stop("own settings", "/settings/", then=clicked(".row-do summary", shows=".row-do [open] .menu-list")),
        Stop("own notifications", "/notifications/"),
        Stop("security", "/settings/security/"),
        Stop("security, is it you", "/settings/security/confirm/"),
        Stop("security, password", "/settings/security/password/"),
        Stop("security, app", "/settings/security/app/"),
    ),
    "boss": (
        Stop("admin", "/admin/"),
        Stop("admin, alerts", "/admin/alerts/alert/"),
        Stop("admin, people", "/admin/devices/user/"),
        Stop("admin, person", "/admin/devices/user/1/change/"),
        Stop("admin, readings", "/admin/devices/reading/?person=newcomer"),
        Stop("people", "/people/"),
        Stop("people, person", "/people/person/user_001/"),
        Stop("people, teams", "/people/teams/"),
        Stop("people, team", "/people/teams/1/", then=unfolded),
        Stop("people, invitations", "/people/invitations/"),
        Stop("audit log", "/audit/"),
        Stop("error 400", "/admin/devices/user/?q=%00"),
    ),
}
