"""/ws/vitals: who may listen, and what each hears."""

import asyncio
import json
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from alerts.services.triage import alert_close
from dashboard.live import feed, outlet, sightings
from dashboard.live.coalesce import LEAST_GAP_S
from devices.background import tick_write
from devices.live import announce, planned_changed
from devices.models import Assignment, AuditEntry, Look, PipelineStatus, User, Verb
from devices.rights.looks import Sighting, looks_note
from devices.times import rfc3339
from devices.tokens import token_make
from telara.asgi import application
from tests.dashboard.sockets import (
    HOST,
    Socket,
    close_code,
    cookie_of,
    frame,
    frames,
    listening,
    messages,
    open_socket,
    signed_in,
)
from tests.made import NOON, PASSWORD, make_alert, make_rule, make_user, make_wearer
from tests.patience import BUSY

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("_close_connections_of_threads")]
in_thread = sync_to_async


def event(user_id: str, second: int = 0, **vitals: float) -> dict[str, Any]:
    return {
        "event_id": f"00000000-0000-0000-0000-{second:012}",
        "timestamp": rfc3339(NOON + timedelta(seconds=second)),
        "user_id": user_id,
        "device_sources": [],
        "vitals": vitals or {"heart_rate": 70.0 + second},
    }


def vital(person: User, told: dict[str, Any]) -> tuple[int, str, str]:
    return person.pk, told["timestamp"], json.dumps(told)


def looks() -> list[tuple[str, ...]]:
    return list(Look.objects.order_by("pk").values_list("viewer__username", "person__username", "way"))


async def until(what: Callable[[], bool]) -> None:
    async with asyncio.timeout(10 * BUSY):
        while not await in_thread(what)():
            await asyncio.sleep(0.05)


@pytest.fixture
def wearer() -> User:
    return make_wearer()


@pytest.fixture
def other() -> User:
    return make_wearer("user_002")


@pytest.fixture
def analyst(wearer: User) -> User:
    return make_user("alice", watches=(wearer,))


@pytest.fixture
def chief() -> User:
    return make_user("chief", "view_all_wearers")


@pytest.fixture
def stranger() -> User:
    return make_user("mallory")


async def test_it_accepts_a_stranger_first_and_then_closes_with_4401() -> None:
    nobody = open_socket()
    assert await nobody.connect()
    assert await close_code(nobody) == 4401


async def test_a_session_that_never_was_is_nobody() -> None:
    nobody = open_socket(session="x" * 32)
    assert await nobody.connect()
    assert await close_code(nobody) == 4401


async def test_the_token_of_a_person_opens_it_and_no_other_does(wearer: User) -> None:
    made = await in_thread(token_make)(user=wearer, at=timezone.now(), lifetime=timedelta(days=1))
    holder = open_socket(token=made.secret, origin=None)
    assert await holder.connect()
    assert (await frame(holder))["type"] == "status"
    await holder.disconnect()
    thief = open_socket(token=made.secret + "x", origin=None)
    assert await thief.connect()
    assert await close_code(thief) == 4401


async def test_one_wearer_of_theirs_is_4403_to_whom_they_are_not_assigned(stranger: User, wearer: User) -> None:
    session = await in_thread(cookie_of)(stranger)
    for user_id in (wearer.username, "nobody-at-all", "%00"):
        refused = open_socket(session=session, query=f"?user_id={user_id}")
        assert await refused.connect()
        assert await close_code(refused) == 4403


@pytest.mark.parametrize("origin", [b"http://evil.test", b"null", b"", b"http://telara.test.evil.test"])
async def test_a_page_of_another_site_is_refused_before_anything_else(origin: bytes, chief: User) -> None:
    session = await in_thread(cookie_of)(chief)
    assert not await open_socket(session=session, origin=origin).connect()


async def test_a_host_that_is_not_allowed_is_refused(settings: Any, chief: User) -> None:
    settings.ALLOWED_HOSTS = ["telara.example"]
    session = await in_thread(cookie_of)(chief)
    assert not await open_socket(session=session).connect()
    settings.ALLOWED_HOSTS = [HOST.decode()]
    allowed = open_socket(session=session)
    assert await allowed.connect()
    await allowed.disconnect()


async def test_each_hears_those_they_may_see_and_nobody_else(
    wearer: User, other: User, analyst: User, chief: User, stranger: User
) -> None:
    async with (
        signed_in(wearer) as own,
        signed_in(analyst) as assigned,
        signed_in(chief) as all_of_them,
        signed_in(stranger) as nobody,
        signed_in(chief, f"?user_id={other.username}") as narrowed,
    ):
        expected = {
            own: ["user_001"], assigned: ["user_001"], all_of_them: ["user_001", "user_002"], nobody: [],
            narrowed: ["user_002"],
        }  # fmt: skip
        announce(vitals=[vital(wearer, event("user_001")), vital(other, event("user_002"))])
        heard = [await frames(each, "vital", least=len(names)) for each, names in expected.items()]
    assert [sorted(data["user_id"] for data in each) for each in heard] == list(expected.values())


@pytest.fixture
def half_past(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """No hour ends during the test."""
    now = timezone.now().replace(minute=30)
    monkeypatch.setattr(timezone, "now", lambda: now)
    return now


@pytest.mark.usefixtures("half_past")
async def test_who_watches_one_person_live_looked_at_them(wearer: User, analyst: User, chief: User) -> None:
    narrowed = "?user_id=user_001"
    token = await in_thread(token_make)(user=chief, at=timezone.now(), lifetime=timedelta(days=1))
    program = open_socket(token=token.secret, origin=None, query=narrowed)
    async with signed_in(chief), signed_in(wearer, narrowed):
        for _ in range(2):
            async with signed_in(analyst, narrowed):
                pass
        assert await program.connect()
        await frame(program)
        await program.disconnect()
    assert await in_thread(looks)() == [("alice", "user_001", "page"), ("chief", "user_001", "api")]
    entries = AuditEntry.objects.filter(verb=Verb.LOOKED).order_by("pk").values_list("actor", "person", "way", "what")
    assert await in_thread(list)(entries) == [
        ("alice", "user_001", "page", "their page"), ("chief", "user_001", "page", "the API")
    ]  # fmt: skip


async def test_who_goes_on_watching_looked_in_each_hour(
    monkeypatch: pytest.MonkeyPatch, half_past: datetime, wearer: User, analyst: User
) -> None:
    monkeypatch.setattr(feed, "CHECK_S", 0.2)
    async with signed_in(analyst, "?user_id=user_001") as listener:
        await until(Look.objects.exists)
        monkeypatch.setattr(timezone, "now", lambda: half_past + timedelta(hours=1))
        await until(lambda: Look.objects.count() == 2)
        monkeypatch.undo()
        assert await in_thread(looks)() == [("alice", "user_001", "page")] * 2
        assert await frames(listener, "status", least=1)


async def test_a_look_waits_for_a_database_that_is_away(
    monkeypatch: pytest.MonkeyPatch, wearer: User, analyst: User
) -> None:
    tried: list[int] = []

    def away(seen: Collection[Sighting]) -> None:
        tried.append(len(seen))
        if len(tried) == 1:
            raise OperationalError
        looks_note(seen)

    monkeypatch.setattr(sightings, "looks_note", away)
    monkeypatch.setattr(sightings, "AGAIN_S", 0.0)
    async with signed_in(analyst, "?user_id=user_001"):
        pass
    assert (tried, await in_thread(looks)()) == ([1, 1], [("alice", "user_001", "page")])


async def test_an_alert_reaches_those_who_may_see_the_person(wearer: User, analyst: User, stranger: User) -> None:
    async with signed_in(analyst) as assigned, signed_in(stranger) as nobody:
        announce(alerts=[(wearer.pk, {"alert_id": "a", "revision": 1})])
        assert await frames(assigned, "alert", least=1) == [{"alert_id": "a", "revision": 1}]
        assert await frames(nobody, "alert") == []


async def test_with_all_alerts_a_socket_of_one_wearer_hears_of_those_of_the_others_and_of_nothing_else(
    wearer: User, other: User, analyst: User, chief: User
) -> None:
    hidden = await in_thread(make_wearer)("user_003")
    await in_thread(Assignment.objects.create)(analyst=analyst, wearer=other)
    narrowed = f"?user_id={wearer.username}"
    async with (
        signed_in(analyst, narrowed) as plain,
        signed_in(analyst, f"{narrowed}&alerts=all") as theirs,
        signed_in(chief, f"{narrowed}&alerts=all") as all_of_them,
        signed_in(wearer, f"{narrowed}&alerts=all") as own,
    ):
        expected = {
            plain: ["alert user_001", "vital user_001"],
            theirs: ["alert user_001", "alert user_002", "vital user_001"],
            all_of_them: ["alert user_001", "alert user_002", "alert user_003", "vital user_001"],
            own: ["alert user_001", "vital user_001"],
        }
        people = (wearer, other, hidden)
        announce(
            vitals=[vital(each, event(each.username)) for each in people],
            alerts=[(each.pk, {"alert_id": each.username, "revision": 1}) for each in people],
        )
        planned_changed(person=other.pk, user_id=other.username)
        heard = [await heard_by(each, least=len(lines)) for each, lines in expected.items()]
    assert heard == list(expected.values())


async def heard_by(listener: Socket, *, least: int) -> list[str]:
    """What came, sorted, but for statuses."""
    named = {"alert": "alert_id", "vital": "user_id", "planned": "user_id"}
    heard = await messages(listener, *named, least=least)
    return sorted(f"{each['type']} {each['data'][named[each['type']]]}" for each in heard)


async def test_with_all_alerts_the_figures_of_alerts_are_of_everybody_they_see(
    wearer: User, other: User, analyst: User
) -> None:
    await in_thread(Assignment.objects.create)(analyst=analyst, wearer=other)
    await in_thread(make_alert)(other, changed_at=timezone.now(), revision=5)
    session, firing = await in_thread(cookie_of)(analyst), []
    for query in ("?user_id=user_001", "?user_id=user_001&alerts=all"):
        listener = open_socket(session=session, query=query)
        await listener.connect()
        firing.append((await frame(listener))["data"]["alerts_firing"])
        await listener.disconnect()
    assert firing == [0, 1]


async def test_what_is_planned_reaches_those_who_may_see_the_person(
    wearer: User, analyst: User, stranger: User
) -> None:
    async with signed_in(analyst) as assigned, signed_in(stranger) as nobody:
        planned_changed(person=wearer.pk, user_id=wearer.username)
        assert await frames(assigned, "planned", least=1) == [{"user_id": "user_001"}]
        assert await frames(nobody, "planned") == []


async def test_of_many_events_a_second_the_newest_come_four_times_a_second_at_most(wearer: User, chief: User) -> None:
    heard: list[dict[str, Any]] = []
    async with signed_in(chief) as listener:
        began, seconds = time.monotonic(), count()
        while len(heard) < 5:
            announced = event("user_001", next(seconds))
            announce(vitals=[vital(wearer, announced)])
            heard += await frames(listener, "vital", within=0.02)
        assert (len(heard) - 1) * LEAST_GAP_S <= time.monotonic() - began
        while heard[-1]["timestamp"] != announced["timestamp"]:
            heard += await frames(listener, "vital", least=1)
    assert len(heard) < next(seconds)


async def test_frames_are_numbered_without_a_gap(wearer: User, chief: User) -> None:
    session = await in_thread(cookie_of)(chief)
    listener = open_socket(session=session)
    await listener.connect()
    numbers = [(await frame(listener))["seq"]]
    for n in range(3):
        announce(alerts=[(wearer.pk, {"alert_id": str(n), "revision": 1})])
    numbers += [(await frame(listener))["seq"] for _ in range(3)]
    await listener.disconnect()
    assert numbers == [1, 2, 3, 4]


async def test_the_status_says_what_the_living_consumers_do_and_sums_the_revisions(wearer: User, chief: User) -> None:
    now = timezone.now()
    for name, at in (("one", now), ("two", now), ("gone", now - timedelta(seconds=11))):
        row = {"updated_at": at, "started_at": at, "lag": 7, "events_per_second": 5.0, "delay_p99_s": 0.25}
        await PipelineStatus.objects.acreate(consumer=name, evaluated_at=at, **row)
    firing = await in_thread(make_alert)(wearer, changed_at=now, revision=3)
    await in_thread(make_alert)(wearer, rule=await in_thread(make_rule)("hypoxia"), changed_at=now, revision=4)
    session = await in_thread(cookie_of)(chief)
    listener = open_socket(session=session)
    await listener.connect()
    status = (await frame(listener))["data"]
    assert (status["consumers"], status["lag"], status["events_per_second"], status["delay_p99_s"]) == (
        2,
        14,
        10.0,
        0.25,
    )
    assert (status["alerts_open"], status["alerts_firing"], status["alerts_revision"]) == (2, 2, 7)
    await in_thread(alert_close)(alert=firing, by=chief, at=now, reason="true")
    while (again := (await frames(listener, "status", least=1))[-1])["alerts_open"] == 2:
        pass
    assert (again["alerts_open"], again["alerts_revision"]) == (1, 8)
    await listener.disconnect()


async def test_two_analysts_get_the_revision_of_their_own_wearers(wearer: User, other: User, analyst: User) -> None:
    bob = await in_thread(make_user)("bob", watches=(other,))
    await in_thread(make_alert)(wearer, changed_at=timezone.now(), revision=5)
    revisions = []
    for user in (analyst, bob):
        listener = open_socket(session=await in_thread(cookie_of)(user))
        await listener.connect()
        revisions.append((await frame(listener))["data"]["alerts_revision"])
        await listener.disconnect()
    assert revisions == [5, 0]


async def test_without_a_consumer_the_status_says_so_and_when_one_was_heard(chief: User) -> None:
    gone = datetime(2026, 3, 1, 12, tzinfo=UTC)
    await in_thread(PipelineStatus.objects.create)(consumer="gone", updated_at=gone, started_at=gone)
    await in_thread(tick_write)(at=gone)
    listener = open_socket(session=await in_thread(cookie_of)(chief))
    await listener.connect()
    status = (await frame(listener))["data"]
    await listener.disconnect()
    assert (status["consumers"], status["lag"], status["events_per_second"]) == (0, None, None)
    assert (status["heard_at"], status["worker_at"]) == ("2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.000Z")


@pytest.mark.parametrize("door", ["/logout/", "/admin/logout/"])
async def test_logging_out_closes_the_sockets_of_that_session_only(chief: User, door: str) -> None:
    await in_thread(User.objects.filter(pk=chief.pk).update)(is_staff=True)
    client = Client()
    await in_thread(client.force_login)(chief)
    leaving = open_socket(session=client.cookies["sessionid"].value)
    staying = open_socket(session=await in_thread(cookie_of)(chief))
    for each in (leaving, staying):
        await each.connect()
        await frame(each)
    await listening()
    assert (await in_thread(client.get)(door)).status_code == 405
    assert await frames(leaving, "status", least=1)
    await in_thread(client.post)(door)
    assert await close_code(leaving) == 4401
    assert await frames(staying, "status", least=1)
    await staying.disconnect()


async def test_a_session_that_is_signed_out_closes_its_sockets(chief: User) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        await in_thread(client.post)("/login/", {"username": "chief", "password": PASSWORD})
    sockets = [open_socket(session=client.cookies["sessionid"].value) for client in (there, here)]
    for each in sockets:
        await each.connect()
        await frame(each)
    await listening()
    await in_thread(here.post)("/settings/security/sessions/end-others/")
    assert await close_code(sockets[0]) == 4401
    await sockets[1].disconnect()


async def test_staff_who_lack_the_second_factor_that_they_must_have_hear_nothing(chief: User, settings: Any) -> None:
    settings.TELARA_STAFF_SECOND_FACTOR = True
    session = await in_thread(cookie_of)(chief)
    for is_staff in (False, True):
        await in_thread(User.objects.filter(pk=chief.pk).update)(is_staff=is_staff)
        socket = open_socket(session=session)
        await socket.connect()
        first = await socket.receive_output(5)
        assert first.get("code") == (4401 if is_staff else None)


async def whose(listener: Socket, wearer: User, other: User) -> list[str]:
    """Of whom it hears when both send at once; of the other it does."""
    announce(vitals=[vital(each, event(each.username)) for each in (wearer, other)])
    names: list[str] = []
    while other.username not in names:
        names += [data["user_id"] for data in await frames(listener, "vital", least=1, within=0)]
    return names


async def until_unseen(listener: Socket, wearer: User, other: User) -> None:
    async with asyncio.timeout(20):
        while await whose(listener, wearer, other) != [other.username]:
            pass


async def test_a_right_taken_away_ends_within_the_next_look(
    monkeypatch: pytest.MonkeyPatch, wearer: User, other: User, analyst: User
) -> None:
    monkeypatch.setattr(feed, "CHECK_S", 0.2)
    await in_thread(Assignment.objects.create)(analyst=analyst, wearer=other)
    async with signed_in(analyst) as listener:
        assert await whose(listener, wearer, other) == ["user_001", "user_002"]
        await in_thread(Assignment.objects.filter(wearer=wearer).delete)()
        await until_unseen(listener, wearer, other)


async def test_a_right_taken_away_in_the_admin_ends_at_once(wearer: User, other: User, analyst: User) -> None:
    admin = Client()
    await in_thread(admin.force_login)(await in_thread(User.objects.create_superuser)("boss"))
    await in_thread(Assignment.objects.create)(analyst=analyst, wearer=other)
    async with signed_in(analyst) as listener:
        await in_thread(end_assignment)(admin, analyst, wearer)
        await until_unseen(listener, wearer, other)


async def test_a_token_revoked_in_the_admin_closes_its_sockets_at_once(wearer: User) -> None:
    admin = Client()
    await in_thread(admin.force_login)(await in_thread(User.objects.create_superuser)("boss"))
    made = await in_thread(token_make)(user=wearer, at=timezone.now(), lifetime=timedelta(days=1))
    holder = open_socket(token=made.secret, origin=None)
    assert await holder.connect()
    await frame(holder)
    await listening()
    await in_thread(admin.post)(f"/admin/devices/apitoken/{made.token.pk}/delete/", {"post": "yes"})
    assert await close_code(holder) == 4401


def end_assignment(admin: Client, analyst: User, wearer: User) -> None:
    """By the form of the person's page in the admin, as a browser would send it."""
    address = f"/admin/devices/user/{analyst.pk}/change/"
    page = admin.get(address).context
    form = {name: page["adminform"].form[name].value() for name in page["adminform"].form.fields}
    form = {name: value for name, value in form.items() if value not in (None, False) and name != "password"}
    for each in page["inline_admin_formsets"]:
        prefix, rows = each.formset.prefix, each.formset.initial_form_count()
        form |= {f"{prefix}-TOTAL_FORMS": rows, f"{prefix}-INITIAL_FORMS": rows}
        for n, row in enumerate(each.formset.initial_forms):
            form |= {f"{prefix}-{n}-id": row.instance.pk, f"{prefix}-{n}-wearer": row.instance.wearer_id}
            form |= {f"{prefix}-{n}-analyst": analyst.pk}
            form |= {f"{prefix}-{n}-DELETE": "on"} if row.instance.wearer_id == wearer.pk else {}
    assert admin.post(address, form).status_code == 302
    assert not Assignment.objects.filter(analyst=analyst, wearer=wearer).exists()


@pytest.mark.parametrize("change", [{"is_active": False}, {"password": "another"}])
async def test_somebody_who_is_no_longer_let_in_is_closed_at_the_next_look(
    monkeypatch: pytest.MonkeyPatch, chief: User, change: dict[str, Any]
) -> None:
    monkeypatch.setattr(feed, "CHECK_S", 0.2)
    async with signed_in(chief) as listener:
        await in_thread(User.objects.filter(pk=chief.pk).update)(**change)
        assert await close_code(listener) == 4401


async def test_a_client_that_takes_nothing_is_dropped_with_a_code(monkeypatch: pytest.MonkeyPatch, chief: User) -> None:
    monkeypatch.setattr(outlet, "SEND_S", 0.2)
    stuck = SlowSocket(session=await in_thread(cookie_of)(chief))
    await asyncio.wait_for(stuck.serve(), 5 * BUSY)
    assert stuck.closed_with == 4408


async def test_a_client_that_falls_behind_is_dropped_with_a_code(
    monkeypatch: pytest.MonkeyPatch, wearer: User, chief: User
) -> None:
    monkeypatch.setattr(outlet, "MOST_WAITING", 300)
    monkeypatch.setattr(outlet, "SEND_S", 60.0)
    slow = SlowSocket(session=await in_thread(cookie_of)(chief))
    serving = asyncio.create_task(slow.serve())
    await asyncio.wait_for(slow.is_sent_to.wait(), 20)
    await listening()
    announce(alerts=[(wearer.pk, {"alert_id": str(n), "revision": 1}) for n in range(30)])
    await asyncio.wait_for(serving, 20)
    assert slow.closed_with == 4408


class SlowSocket:
    """A client behind a connection that takes nothing but the end."""

    def __init__(self, *, session: str) -> None:
        self.scope = open_socket(session=session).scope
        self.is_sent_to = asyncio.Event()
        self.closed_with = 0

    async def serve(self) -> None:
        await application(self.scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        if not hasattr(self, "_connected"):
            self._connected = True
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            self.is_sent_to.set()
            await asyncio.get_running_loop().create_future()
        if message["type"] == "websocket.close":
            self.closed_with = message["code"]


async def test_an_address_that_is_no_socket_is_refused() -> None:
    assert not await Socket("/ws/else", [(b"host", HOST)]).connect()
