"""Whatever process dies at whatever named point: nothing is lost, and what is told twice bears the same name."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import polars as pl
import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alerts.due_hours import DueHours
from alerts.models import Alert, Delivery, DueHour, Incident, OutboxEntry, Route, RuleVersion, Summary
from alerts.outbox import outbox_add
from alerts.rule_files import read_rule_files
from alerts.services.notifications import channel_make
from alerts.services.rules import rules_load
from alerts.services.triage import alert_snooze
from devices.erasures import erased_among, erasure_ask
from devices.failpoints import POINTS, OutboxPoint, TaskPoint
from devices.models import Baseline, MetricWindow, Reading, Simulation, User
from devices.partitions import Partitions
from devices.simulations import simulation_plan, simulation_start
from devices.simulator.plan import Wish
from devices.tokens import token_make
from ingestion.mishaps import mishap_note
from ingestion.models import Mishap, PartitionLedger
from tests.alerts.notify.hook import hook
from tests.ingestion.running import consumer, make_group, make_topic
from tests.ingestion.simulated import ids_of
from tests.ingestion.topic import messages_of
from tests.made import NOON, make_alert, make_installation, make_rule, make_user, make_wearer
from tests.telara.dying import Nursery, Web, nursery

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]
KILLED = -9
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def telara(tmp_path_factory: pytest.TempPathFactory, django_db_setup: None) -> Iterator[Nursery]:
    """Telara as in production, whose environment names every point."""
    named = {"TELARA_FAILPOINTS": ",".join(POINTS), "TELARA_NOTIFY_NETWORKS": "127.0.0.0/8"}
    with nursery(tmp_path_factory.mktemp("nursery"), **named) as made:
        yield made


def dies_at(telara: Nursery, point: TaskPoint | OutboxPoint, task: str, **settings: Any) -> None:
    assert telara.run(task, TELARA_FAILPOINTS=point, **settings) == KILLED, point


def told() -> list[tuple[str, int]]:
    return [(str(alert_id), revision) for alert_id, revision in OutboxEntry.objects.values_list("alert_id", "revision")]


def readings(person: User, *, last_ago: timedelta, count: int, every_s: int = 20) -> list[Reading]:
    """Received as they were taken, the last of them so long ago."""
    make_installation()
    last = timezone.now() - last_ago
    moments = [last - timedelta(seconds=every_s * number) for number in range(count)]
    Partitions(span="month").ensure(moments)
    rows = [Reading(user=person, recorded_at=at, received_at=at, event_id=uuid4(), heart_rate=60) for at in moments]
    return Reading.objects.bulk_create(rows)


def snoozed() -> Alert:
    """An alert whose snooze is over."""
    alert, now = make_alert(make_wearer()), timezone.now()
    ends = now - timedelta(minutes=1)
    return alert_snooze(alert=alert, by=make_user("ann"), at=ends - timedelta(minutes=1), until=ends)


def test_production_dies_at_no_point(telara: Nursery) -> None:
    alert = snoozed()
    assert telara.run("alerts.tasks.end_snoozes") == 0
    alert.refresh_from_db()
    assert alert.triage == "new"


def test_a_snooze_ends_once(telara: Nursery) -> None:
    alert, task = snoozed(), "alerts.tasks.end_snoozes"
    dies_at(telara, "snooze_before_commit", task)
    alert.refresh_from_db()
    assert (alert.triage, told()) == ("snoozed", [(str(alert.pk), 2)])
    dies_at(telara, "snooze_after_commit", task)
    assert telara.run(task) == 0
    alert.refresh_from_db()
    assert (alert.triage, told()) == ("new", [(str(alert.pk), 2), (str(alert.pk), 3)])


def test_an_episode_ends_with_its_rule_once(telara: Nursery) -> None:
    alert, task = make_alert(make_wearer(), rule=make_rule()), "alerts.tasks.end_episodes_with_rules"
    RuleVersion.objects.update(active_until=NOON)
    dies_at(telara, "rules_before_commit", task)
    assert (Alert.objects.get().episode, told()) == ("firing", [])
    dies_at(telara, "rules_after_commit", task)
    assert telara.run(task) == 0
    assert (Alert.objects.get().end, told()) == ("rule_disabled", [(str(alert.pk), 2)])


def test_a_silence_is_told_once(telara: Nursery) -> None:
    files, problems = read_rule_files(["alerts/rules/device-silent.yaml"])
    assert not problems
    rules_load(files=files, at=timezone.now() - DAY)
    readings(make_wearer(), last_ago=timedelta(minutes=5), count=60)
    topic, task = make_topic(), "ingestion.tasks.watch_absences"
    where = {"TELARA_TOPIC_RAW": topic, "TELARA_TOPIC_ALERTS": topic}

    def listens() -> None:
        now = timezone.now()
        known = {"next_offset": 0, "listening_since": now - DAY, "consumed_until": now}
        PartitionLedger.objects.update_or_create(cluster_id="c", topic=topic, partition=0, defaults=known)

    listens()
    dies_at(telara, "absence_before_commit", task, **where)
    assert not Alert.objects.exists()
    listens()
    dies_at(telara, "absence_after_commit", task, **where)
    listens()
    assert telara.run(task, **where) == 0
    alert = Alert.objects.get()
    assert (alert.alert_type, told(), messages_of(topic)) == ("DEVICE_SILENT", [(str(alert.pk), 1)], [])
    OutboxEntry.objects.update(created_at=NOON)
    assert telara.run("ingestion.tasks.sweep_outbox", **where) == 0
    assert sent(topic) == told()


def test_what_befell_the_pipeline_is_told_once(telara: Nursery) -> None:
    rules_load(files=read_rule_files(["alerts/rules/offset-gap.yaml"])[0], at=timezone.now() - DAY)
    mishap_note(event="offset_gap", at=timezone.now(), text="5 messages were gone.")
    topic, task = make_topic(), "ingestion.tasks.watch_pipeline"
    dies_at(telara, "mishap_before_commit", task, TELARA_TOPIC_ALERTS=topic)
    assert (Alert.objects.count(), Mishap.objects.count()) == (0, 1)
    dies_at(telara, "mishap_after_commit", task, TELARA_TOPIC_ALERTS=topic)
    assert telara.run(task, TELARA_TOPIC_ALERTS=topic) == 0
    assert (Mishap.objects.count(), told()) == (0, [(str(Alert.objects.get().pk), 1)])


def sent(topic: str) -> list[tuple[str, int]]:
    found = [json.loads(message.value) for message in messages_of(topic)]
    return [(each["alert_id"], each["revision"]) for each in found]


def test_what_the_outbox_holds_is_sent_and_sent_again_under_the_same_name(telara: Nursery) -> None:
    topic, task = make_topic(partitions=1), "ingestion.tasks.sweep_outbox"
    with transaction.atomic():
        entries = outbox_add([make_alert(make_wearer(f"user_{number}")) for number in range(3)])
    OutboxEntry.objects.update(created_at=NOON)
    dies_at(telara, "outbox_before_send", task, TELARA_TOPIC_ALERTS=topic)
    dies_at(telara, "outbox_after_send", task, TELARA_TOPIC_ALERTS=topic)
    dies_at(telara, "outbox_before_mark", task, TELARA_TOPIC_ALERTS=topic)
    assert set(sent(topic)) == {(str(entry.alert_id), 1) for entry in entries}
    assert OutboxEntry.objects.filter(sent_at__isnull=True).count() == 3
    dies_at(telara, "outbox_after_mark", task, TELARA_TOPIC_ALERTS=topic)
    assert not OutboxEntry.objects.filter(sent_at__isnull=True).exists()
    before = sent(topic)
    assert len(before) >= 6
    assert set(before) == {(str(entry.alert_id), 1) for entry in entries}
    assert telara.run(task, TELARA_TOPIC_ALERTS=topic) == 0
    assert sent(topic) == before


def test_an_hour_is_summed_up_whole_or_not_at_all(telara: Nursery) -> None:
    person, task, hours = make_wearer(), "alerts.tasks.make_summaries", timedelta(hours=3)
    rows = readings(person, last_ago=hours, count=5)
    times = pl.Series("recorded_at", [row.recorded_at for row in rows], dtype=pl.Datetime("us", "UTC"))
    DueHours().mark(pl.DataFrame({"user_id": [person.pk] * 5, "recorded_at": times}), at=timezone.now() - hours)
    due = DueHour.objects.count()
    dies_at(telara, "summary_before_commit", task)
    assert (Summary.objects.count(), DueHour.objects.count()) == (0, due)
    dies_at(telara, "summary_after_commit", task)
    assert telara.run(task) == 0
    assert not DueHour.objects.exists()
    assert sum(hour.readings for hour in Summary.objects.filter(period="hour")) == 5


def test_a_baseline_is_made_whole_or_not_at_all(telara: Nursery) -> None:
    task = "devices.tasks.make_baselines"
    for name in ("user_001", "user_002"):
        readings(make_wearer(name), last_ago=DAY, count=30)
    dies_at(telara, "baseline_before_commit", task)
    assert not Baseline.objects.exists()
    dies_at(telara, "baseline_after_commit", task)
    (first,) = set(Baseline.objects.values_list("user__username", flat=True))
    kept = set(Baseline.objects.values_list("pk", flat=True))
    assert (first, bool(kept)) == ("user_001", True)
    assert telara.run(task) == 0
    assert set(Baseline.objects.values_list("user__username", flat=True)) == {"user_001", "user_002"}
    assert set(Baseline.objects.filter(user__username=first).values_list("pk", flat=True)) == kept


def test_what_goes_with_old_readings_goes(telara: Nursery) -> None:
    task, kept = "devices.tasks.drop_old_readings", {"TELARA_RETENTION_DAYS": 3650}
    make_installation()
    old = NOON.replace(year=2001)
    Partitions(span="month").ensure([old])
    window = MetricWindow(
        user=make_wearer(), size_s=60, every_s=60, ended_at=old, received_at=NOON, is_fresh=True, flags=0, count=1
    )
    window.save()
    dies_at(telara, "retention_before_commit", task, **kept)
    assert Partitions(span="month").ensure([old]) == []
    dies_at(telara, "retention_after_commit", task, **kept)
    assert telara.run(task, **kept) == 0
    assert Partitions(span="month").ensure([old]) == ["devices_reading_y2001"]
    assert not MetricWindow.objects.exists()


def test_a_message_of_an_alarm_is_sent_again_under_the_same_id(telara: Nursery) -> None:
    wearer, task = make_wearer(), "alerts.tasks.tell"
    with hook() as listener:
        channel, _ = channel_make(
            owner=wearer, name="phone", kind="webhook", address=listener.url, networks=settings.TELARA_NOTIFY_NETWORKS
        )
        Route.objects.create(owner=wearer, channel=channel)
        make_alert(wearer, opened_at=timezone.now())
        where = {"SECRET_KEY": settings.SECRET_KEY}
        dies_at(telara, "incident_before_commit", task, **where)
        assert not Incident.objects.exists()
        dies_at(telara, "notify_after_claim", task, **where)
        assert (Delivery.objects.get().attempts, listener.told) == (1, [])
        for point in ("notify_before_note", "notify_after_note"):
            Delivery.objects.update(next_at=timezone.now())
            dies_at(telara, point, task, **where)
        assert telara.run(task, **where) == 0
        first, second = listener.told
    assert first == second
    assert (Delivery.objects.get().state, Delivery.objects.get().attempts) == ("sent", 3)


def test_a_slice_of_a_simulation_is_sent_again_as_the_same_events(telara: Nursery) -> None:
    where, task = {"TELARA_TOPIC_RAW": make_topic()}, "ingestion.tasks.step_simulations"
    began = timezone.now() - timedelta(seconds=20)
    simulation = simulation_start(wish=Wish(wearers=2, duration_s=5), by=None, at=began)
    expected = sorted(ids_of(simulation_plan(simulation)))
    dies_at(telara, "simulation_before_commit", task, **where)
    simulation.refresh_from_db()
    assert simulation.sent == 0
    assert sorted(each["event_id"] for each in events_of(where["TELARA_TOPIC_RAW"])) == expected
    dies_at(telara, "simulation_after_commit", task, **where)
    assert telara.run(task, **where) == 0
    assert sorted(each["event_id"] for each in events_of(where["TELARA_TOPIC_RAW"])) == sorted(expected * 2)
    simulation.refresh_from_db()
    assert (simulation.state, simulation.sent) == (Simulation.State.STOPPED, len(expected))


def events_of(topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages_of(topic)]


def test_a_post_whose_answer_never_came_is_sent_again_and_stored_once(telara: Nursery, tmp_path: Path) -> None:
    make_installation()
    topic, now = make_topic(), timezone.now()
    wearer = make_wearer()
    event = {
        "event_id": str(uuid4()), "timestamp": now.isoformat(), "user_id": wearer.username,
        "vitals": {"heart_rate": 72},
    }  # fmt: skip
    key = token_make(user=wearer, at=now, lifetime=DAY).secret

    def post(web: Web) -> httpx.Response:
        return httpx.post(f"{web.url}/api/v1/readings/", json=event, headers={"Authorization": f"Token {key}"})

    for point in ("post_before_ack", "post_after_ack"):
        with (
            pytest.raises(httpx.TransportError),
            telara.web(dies=True, TELARA_TOPIC_RAW=topic, TELARA_FAILPOINTS=point) as web,
        ):
            post(web)
    with telara.web(TELARA_TOPIC_RAW=topic) as web:
        answers = [post(web) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert {each["event_id"] for each in events_of(topic)} == {event["event_id"]}
    assert len(events_of(topic)) >= 3
    with consumer(tmp_path, "--topics", topic, "--group", make_group(), "--until-caught-up") as running:
        assert running.wait(60) == 0
    assert [str(row.event_id) for row in Reading.objects.all()] == [event["event_id"]]


def test_an_erasure_that_is_killed_goes_on_from_where_it_was(telara: Nursery) -> None:
    user, task = make_wearer(), "ingestion.tasks.carry_out_erasures"
    readings(user, last_ago=DAY, count=3)
    make_alert(user)
    erasure_ask(user=user, at=timezone.now(), grace=timedelta())
    dies_at(telara, "erasure_before_commit", task)
    assert not User.objects.filter(username=user.username).exists()
    assert (Reading.objects.count(), Alert.objects.count()) == (3, 1)
    dies_at(telara, "erasure_after_commit", task)
    assert (Reading.objects.count(), Alert.objects.count()) == (0, 1)
    assert telara.run(task) == 0
    assert not User.objects.filter(pk=user.pk).exists()
    assert erased_among([user.username]) == {user.username}
