"""A batch through the one transaction: stored, duplicate, quarantined, or nothing at all."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import polars as pl
import pytest
from django.db import connection

from alerts.detection import Detection
from devices.metrics import Flag
from devices.models import Device, Reading, User
from devices.partitions import Partitions, drop_older_than
from ingestion.decode.verdicts import Limits
from ingestion.evaluate.evaluation import Evaluation
from ingestion.models import QuarantinedMessage
from ingestion.stream.batch import Batch, Origin, Position
from ingestion.stream.pipeline import Outcome, Pipeline
from ingestion.stream.prepare import prepare
from ingestion.write.ledger import Claim, Fenced, Owner, begin, claim, next_offsets
from ingestion.write.writers import Writer
from tests.made import make_installation

pytestmark = pytest.mark.django_db(transaction=True)
ZERO = Position("t", 0)
FRESH = timedelta(minutes=15)
OWNER = Owner("me", "group", "cluster")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Shop:
    """A pipeline that owns partition 0 of a topic, or another one."""

    def __init__(self, *, provision: bool = True, position: Position = ZERO, owner: Owner = OWNER) -> None:
        make_installation()
        writer = Writer()
        self.detection = Detection(freshness=FRESH, not_ours=writer.not_ours)
        self.pipeline = Pipeline(
            owner=owner,
            writer=writer,
            evaluation=Evaluation(detection=self.detection, freshness=FRESH),
            partitions=Partitions(span="month"),
            provision=provision,
        )
        self.position = position
        self.claims: dict[Position, Claim] = claim([position], owner=owner)
        begin(position, 0, epoch=self.claims[position].epoch, owner=owner)
        self.next = 0

    def write(self, *messages: dict[str, Any] | bytes, now: datetime = NOW, key: bytes = b"key") -> Outcome:
        payloads = [each if isinstance(each, bytes) else json.dumps(each).encode() for each in messages]
        first, count = self.next, len(payloads)
        self.next += count
        received = pl.Series("received_at", [now] * count, dtype=pl.Datetime("us", "UTC"))
        origins = [Origin(self.position, offset, key) for offset in range(first, self.next)]
        batch = Batch(payloads, origins, received, {self.position: self.next})
        prepared = prepare(batch, limits=Limits(), known=self.pipeline.people)
        return self.pipeline.write(batch, prepared, first={self.position: first}, claims=self.claims, at=now)

    def judge_late(self, *, now: datetime = NOW) -> None:
        while self.pipeline.judge_late(first={self.position: self.next}, claims=self.claims, at=now) is not None:
            pass


@pytest.fixture
def shop() -> Shop:
    return Shop()


def event(person: str = "person_1", *, at: datetime = NOW, **fields: Any) -> dict[str, Any]:
    return {"event_id": str(uuid4()), "timestamp": at.isoformat(), "user_id": person} | fields


def test_every_message_has_one_of_its_outcomes_and_the_counts_add_up(shop: Shop):
    again = event(vitals={"heart_rate": 70})
    outcome = shop.write(again, event(), again, b"{", again | {"vitals": {"heart_rate": 71}}, event("person_2"))
    assert (outcome.stored.height, outcome.duplicates, outcome.conflicting, len(outcome.quarantined)) == (3, 2, 1, 1)
    assert Reading.objects.count() == 3
    assert next_offsets(cluster_id="cluster", topics=["t"]) == {ZERO: 6}


def test_quarantine_keeps_where_what_and_why(shop: Shop):
    shop.write(event(), b"x" * 5000, event(vitals={"heart_rate": "72"}))
    first, second = QuarantinedMessage.objects.order_by("offset")
    assert (first.offset, first.reason, first.field, first.size, len(first.payload)) == (
        1,
        "malformed_json",
        "",
        5000,
        2048,
    )
    assert (second.offset, second.reason, second.field) == (2, "wrong_type", "vitals.heart_rate")
    assert bytes(second.key) == b"key"
    assert second.received_at == NOW


def test_strangers_are_made_wearers_who_cannot_sign_in(shop: Shop):
    shop.write(event("stranger"), event("stranger"))
    person = User.objects.get(username="stranger")
    assert person.is_wearer
    assert not person.has_usable_password()
    assert Reading.objects.filter(user=person).count() == 2


@pytest.mark.parametrize("fate", ["gone", "renamed", "no wearer"])
def test_whoever_is_not_who_they_were_is_looked_up_again(shop: Shop, fate: str):
    shop.write(event("ann"), event("bob"))
    ann = User.objects.get(username="ann")
    if fate == "gone":
        Reading.objects.filter(user_id=ann.pk).delete()
        ann.delete()
    else:
        User.objects.filter(pk=ann.pk).update(**{"username": "eve"} if fate == "renamed" else {"is_wearer": False})
    shop.write(event("ann", at=NOW + timedelta(seconds=1)), event("bob", at=NOW + timedelta(seconds=1)))
    now = User.objects.get(username="ann")
    assert now.is_wearer
    assert (now.pk == ann.pk) == (fate == "no wearer")
    assert Reading.objects.filter(user_id=now.pk, recorded_at=NOW + timedelta(seconds=1)).count() == 1


def test_strangers_are_refused_where_nobody_is_provisioned():
    User.objects.create_user("known")
    outcome = Shop(provision=False).write(event("known"), event("stranger"))
    assert (outcome.stored.height, len(outcome.quarantined)) == (1, 1)
    refused = QuarantinedMessage.objects.get()
    assert (refused.reason, refused.field, refused.offset) == ("unknown_user", "user_id", 1)
    assert not User.objects.filter(username="stranger").exists()
    assert User.objects.get(username="known").is_wearer


def test_a_row_that_only_postgresql_refuses_is_found_and_the_others_are_stored(shop: Shop):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE devices_reading ADD CONSTRAINT picky CHECK (heart_rate <> 66) NOT VALID")
    try:
        messages = [event(vitals={"heart_rate": 60 + number % 10}) for number in range(40)]
        messages[0] = event(vitals={"heart_rate": 0})
        outcome = shop.write(*messages, b"{")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE devices_reading DROP CONSTRAINT picky")
    assert (outcome.stored.height, len(outcome.quarantined)) == (36, 5)
    assert Reading.objects.get(flags=2).heart_rate is None
    refused = QuarantinedMessage.objects.filter(reason="storage_refused").order_by("offset")
    assert [row.offset for row in refused] == [6, 16, 26, 36]
    assert next_offsets(cluster_id="cluster", topics=["t"]) == {ZERO: 41}


def test_partitions_of_every_time_are_made_on_the_way(shop: Shop):
    times = [datetime(2016, 4, 12, tzinfo=UTC), NOW, NOW + timedelta(minutes=4), datetime(2000, 1, 1, tzinfo=UTC)]
    assert shop.write(*(event(at=at) for at in times)).stored.height == 4


def test_a_partition_that_was_dropped_meanwhile_is_made_again(shop: Shop):
    then = datetime(2016, 4, 12, tzinfo=UTC)
    shop.write(event(at=then))
    assert "devices_reading_y2016" in drop_older_than(then.replace(year=2017))
    outcome = shop.write(event(at=then), event(), b"{")
    assert (outcome.stored.height, [row.reason for row in outcome.quarantined]) == (2, ["malformed_json"])


def test_whoever_was_overtaken_writes_nothing(shop: Shop):
    claim([ZERO], owner=Owner("you", "group", "cluster"))
    with pytest.raises(Fenced):
        shop.write(event(), b"{")
    assert not Reading.objects.exists()
    assert not QuarantinedMessage.objects.exists()


def test_what_spoke_is_a_device_and_is_touched_at_most_once_a_minute(shop: Shop):
    shop.write(event(device_sources=["ring", "watch", ""]), event("person_2", device_sources=["ring"]))
    assert sorted(Device.objects.values_list("user__username", "kind")) == [
        ("person_1", "ring"), ("person_1", "watch"), ("person_2", "ring"),
    ]  # fmt: skip
    shop.write(event(at=NOW + timedelta(seconds=59), device_sources=["ring"]))
    assert Device.objects.get(user__username="person_1", kind="ring").last_seen_at == NOW


def test_a_device_that_brings_its_past_is_seen_now_as_soon_as_the_present_follows(shop: Shop):
    for at in (NOW - timedelta(days=1), NOW - timedelta(hours=23), NOW, NOW + timedelta(seconds=20)):
        shop.write(event(at=at, device_sources=["ring"]))
    assert Device.objects.get().last_seen_at == NOW


def test_a_jump_is_stored_with_its_reason_and_everything_else_as_it_came(shop: Shop):
    def beat(second: int, rate: int) -> dict[str, Any]:
        vitals = {"heart_rate": rate, "skin_temp_c": 33.5}
        return event(at=NOW + timedelta(seconds=second), vitals=vitals, activity={"posture": "seated"})

    shop.write(beat(0, 70))
    shop.write(beat(5, 160), beat(10, 71))  # everybody is known by now: these rows were written down before
    flags = [0, Flag.HEART_RATE_JUMP | Flag.SUSPECT_HEART_RATE, 0]
    rows = Reading.objects.order_by("recorded_at")
    assert list(rows.values_list("heart_rate", "skin_temp_c", "posture", "flags")) == [
        (rate, 33.5, "seated", said) for rate, said in zip((70, 160, 71), flags, strict=True)
    ]


def test_what_is_received_long_after_the_persons_newest_is_flagged_late(shop: Shop):
    minute = timedelta(minutes=1)
    shop.write(event(at=NOW - 30 * minute), event(at=NOW), event(at=NOW - 10 * minute), event(at=NOW - 11 * minute))
    shop.pipeline.drop_state()
    shop.write(event(at=NOW - 12 * minute), event("person_2", at=NOW - 12 * minute))
    late = Reading.objects.filter(flags=1).order_by("recorded_at").values_list("recorded_at", flat=True)
    assert list(late) == [NOW - 12 * minute, NOW - 11 * minute]
    assert Reading.objects.filter(flags=0).count() == 3
    assert Reading.objects.get(flags=Flag.OUT_OF_ORDER).recorded_at == NOW - 10 * minute


def test_suspect_values_are_stored_and_flagged_and_sentinels_are_null(shop: Shop):
    shop.write(event(vitals={"heart_rate": 0, "spo2_percent": 60}))
    reading = Reading.objects.get()
    assert (reading.heart_rate, reading.spo2_percent, reading.flags) == (None, 60, 2 | 1 << 10)


def test_a_batch_of_nothing_good_moves_on(shop: Shop):
    outcome = shop.write(b"", b"{", b"[]")
    assert (outcome.stored.height, len(outcome.quarantined)) == (0, 3)
    assert next_offsets(cluster_id="cluster", topics=["t"]) == {ZERO: 3}
