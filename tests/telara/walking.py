"""Everything that can be asked of the site, and everybody who may ask: what the access walk sends, and as whom."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address
from itertools import count
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern
from django.utils import timezone

from alerts.models import Channel, Incident, Mute, Route
from alerts.notify.incidents import incidents_update
from alerts.notify.sealing import seal
from devices.models import Device, Note, Reading, Simulation, Team, User
from devices.rights.teams import member_add, wearer_add
from devices.tokens import device_token_make, token_make
from tests.alerts.test_rules_service import yaml
from tests.made import NOON, confirm, make_alert, make_partitions, make_rule, make_user, make_wearer

PERSONAS = ("nobody", "wearer", "analyst", "outsider", "staff", "device")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_VISITS, _THIS_MACHINE = count(), IPv4Address("127.1.0.0")
DAY = timedelta(days=1)
OF_PAGES = ("GET", "POST")
LOGIN = "login"  # in place of a status: sent to sign in
REFUSED = {"401", "403", "405", LOGIN}
_MODEL = re.compile(r"^/admin/\w+/\w+/")
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
_GROUP = re.compile(r"\(\?P<(\w+)>[^)]*\)")

# What is sent to routes that take something, so that it is refused for who asks and not for what.
BODIES: dict[str, Any] = {
    "/api/v1/auth/token/": {"username": "nobody", "password": "wrong"},
    "/api/v1/readings/": [],
    "/api/v1/devices/": {"user_id": "user_001", "kind": "scale"},
    "/api/v1/devices/<device_id>/": {"cadence_s": 5},
    "/api/v1/alerts/<alert_id>/snooze/": {"minutes": 5},
    "/api/v1/alerts/<alert_id>/close/": {"reason": "benign"},
    "/api/v1/alerts/<alert_id>/comment/": {"note": "seen"},
    "/api/v1/alerts/<alert_id>/assign/": {"to": None},
    "/api/v1/mutes/": {"user_id": "user_001", "rules": ["tachycardia-at-rest"], "minutes": 5, "why": "gym"},
    "/api/v1/rules/": {"source": yaml()},
    "/api/v1/rules/<rule_id>/": {"source": yaml("tachycardia-at-rest")},
    "/api/v1/rules/backtest/": {"source": yaml(), "user_id": "user_001"},
    "/triage/technical/snooze/": {"minutes": "5"},
    "/wearers/": {"columns": ["", "heart"]},
    "/wearers/<user_id>/mutes/": {"rules": ["tachycardia-at-rest"], "until": "12:00", "why": "gym"},
    "/wearers/<user_id>/pin/": {"to": "on"},
    "/wearers/<user_id>/notes/": {"text": "slept badly"},
    "/alerts/views/": {"name": "night", "query": "?view=firing"},
    "/settings/": {"time_zone": "UTC", "glucose_unit": "mg/dL", "temperature_unit": "Cel"},
    "/settings/devices/": {"kind": "scale"},
    "/settings/devices/<device_id>/name/": {"name": "left wrist"},
    "/settings/tokens/": {"name": "a script"},
    "/settings/delete/": {"password": "wrong"},
    "/login/": {"username": "nobody", "password": "wrong"},
}
QUERIES = {f"/api/v1/{name}/": {"user_id": "user_001"} for name in ("readings", "windows", "summaries")}


@dataclass(frozen=True, slots=True)
class World:
    """A wearer with one of everything, an analyst who watches them by a team, and one of another team.

    `here` are the path parameters of what belongs to the wearer, `nowhere` those of what is not there at all.
    """

    sessions: dict[str, str]
    device_token: str
    here: dict[str, str]
    nowhere: dict[str, str]

    def ask(self, persona: str, method: str, route: str, *, of: dict[str, str] | None = None) -> HttpResponse:
        """What they get for it; whatever it changed is taken back."""
        headers = {"Authorization": f"Token {self.device_token}"} if persona == "device" else {}
        address = str(_THIS_MACHINE + next(_VISITS))  # nobody failed to sign in from there
        client = Client(headers=headers, raise_request_exception=False, REMOTE_ADDR=address)
        if persona in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[persona]
        path = _PARAMETER.sub(lambda match: (of or self.here)[match[1]], route)
        given: Any = BODIES.get(route, {})
        with transaction.atomic():
            if method == "GET":
                response = client.get(path, QUERIES.get(route))
            elif route.startswith("/api/"):
                response = client.generic(method, path, json.dumps(given), content_type="application/json")
            else:
                response = client.post(path, given) if method == "POST" else client.generic(method, path)
            transaction.set_rollback(True)
        return response


def world() -> World:
    wearer, other = make_wearer(), make_wearer("user_002")
    people = {
        "wearer": wearer,
        "analyst": make_user("analyst"),
        "outsider": make_user("outsider"),
        "staff": make_user("staff", is_staff=True),
    }
    night, day = Team.objects.create(name="Night"), Team.objects.create(name="Day")
    for team, analyst, watched in ((night, "analyst", wearer), (day, "outsider", other)):
        member_add(team=team, person=people[analyst])
        wearer_add(team=team, person=watched)
    rule = make_rule("tachycardia-at-rest", source=yaml("tachycardia-at-rest"))
    make_partitions(NOON)
    Reading.objects.create(user=wearer, recorded_at=NOON, received_at=NOON, event_id=uuid4(), heart_rate=100.0)
    device = Device.objects.create(user=wearer, kind="ring")
    run = Simulation.objects.create(runner="worker", starts_at=NOON, requested_at=NOON, wearers=1)
    channel = Channel.objects.create(owner=wearer, name="phone", kind="webhook", shown="x", sealed_address=seal("x"))
    note = Note.objects.create(person=wearer, by=wearer, about=NOON, written_at=NOON, text="slept badly")
    mute = Mute.objects.create(
        user=wearer, rules=[rule.rule_id], starts_at=NOON, ends_at=timezone.now() + DAY, made_at=NOON, why="gym"
    )
    alert = make_alert(wearer, rule=rule)
    incidents_update(at=NOON)
    here = {
        "user_id": wearer.username,
        "alert_id": str(alert.pk),
        "incident_id": str(Incident.objects.get().pk),
        "rule_id": rule.rule_id,
        "device_id": str(device.pk),
        "token_id": str(token_make(user=wearer, at=timezone.now(), lifetime=timedelta(days=1)).token.pk),
        "file": "devices.csv",
        "simulation_id": str(run.pk),
        "channel_id": str(channel.pk),
        "route_id": str(Route.objects.create(owner=wearer, channel=channel).pk),
        "mute_id": str(mute.pk),
        "note_id": str(note.pk),
        "view_id": "99999",
        "passkey_id": "99999",
        "session_id": "99999",
        "team_id": str(night.pk),
        "secret": "nothing",
        "action": "acknowledge",
        "rest": "nothing",
        "url": "nothing",
        "app_label": "devices",
        "content_type_id": "1",
        "object_id": "99999",
        "id": "99999",
    }
    nowhere = here | {"user_id": "user_999", "alert_id": str(uuid4()), "device_id": "99999", "simulation_id": "99999"}
    nowhere["token_id"] = "99999"
    token = device_token_make(device=device, at=timezone.now())
    return World({name: _session(user) for name, user in people.items()}, token, here, nowhere)


def _session(user: User) -> str:
    client = Client()
    client.force_login(user)
    confirm(client)  # so that rights decide, and not how long ago somebody signed in
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def routes() -> list[str]:
    """Every address that a pattern knows, with its parameters by name: `/alerts/<alert_id>/`."""
    return list(dict.fromkeys(_below(get_resolver(), "/")))


def _below(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for each in resolver.url_patterns:
        address = prefix + _written(each)
        if isinstance(each, URLPattern):
            yield address
        else:
            yield from _below(each, address)


def _written(each: URLPattern | URLResolver) -> str:
    text = str(each.pattern)
    if isinstance(each.pattern, RegexPattern):
        return _GROUP.sub(r"<\1>", text).strip("^$")
    return _PARAMETER.sub(r"<\1>", text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one persona got. `row` is where the table has it: the pages that every model has in the admin are one."""

    method: str
    route: str
    row: str
    persona: str
    said: str
    headers: dict[str, str]


def walk(there: World) -> list[Answer]:
    """Everybody asks for everything, but for methods that a route does not have."""
    answers: list[Answer] = []
    for route in routes():
        of_api = route.startswith("/api/")
        row = _MODEL.sub("/admin/MODEL/", route) if route.startswith(_models()) else route
        for method in METHODS if of_api else OF_PAGES:
            asked = [
                (persona, there.ask(persona, method, route)) for persona in PERSONAS if of_api or persona != "device"
            ]
            found = [
                Answer(method, route, row, persona, answer_of(response), dict(response.headers))
                for persona, response in asked
            ]
            if not {each.said for each in found} <= REFUSED or not any(each.said == "405" for each in found):
                answers += found
    return answers


def table(answers: list[Answer]) -> list[str]:
    """A line a route and method; those of its methods that say the same to everybody share one."""
    said: dict[str, dict[str, dict[str, str]]] = {}
    for each in answers:
        before = said.setdefault(each.row, {}).setdefault(each.method, {}).setdefault(each.persona, each.said)
        assert before == each.said, (
            f"{each.method} {each.route} says {each.said} to {each.persona}, and its like {before}"
        )
    lines = []
    for row, by_method in said.items():
        alike: dict[tuple[str, ...], list[str]] = {}
        for method, by_persona in by_method.items():
            alike.setdefault(tuple(by_persona.get(persona, "-") for persona in PERSONAS), []).append(method)
        for says, methods in alike.items():
            names = "any" if len(methods) == len(METHODS) else " ".join(methods)
            lines.append(f"{names:12} {row:46}" + "".join(f"{each:>9}" for each in says))
    return lines


def _models() -> tuple[str, ...]:
    return tuple(f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry)


def answer_of(response: HttpResponse) -> str:
    """Its status, or LOGIN."""
    door = f"/{settings.LOGIN_URL}/"
    to_the_door = response.status_code == 302 and response["Location"].partition("?")[0] in (door, f"/admin{door}")
    return LOGIN if to_the_door else str(response.status_code)
