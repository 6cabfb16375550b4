"""What must be true of a stage at rest, whatever was done to the consumers and the services."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import polars as pl
import pytest
from confluent_kafka import TopicPartition
from django.conf import settings
from django.db import connection

from alerts.backtest import backtest
from alerts.models import Alert, OutboxEntry, RuleVersion
from alerts.rule_versions import engine_rule
from alerts.wire import alert_json
from devices.metrics import Flag
from devices.models import MetricWindow, Reading, User
from ingestion.models import OffsetGap, QuarantinedMessage
from tests.chaos import journal
from tests.chaos.stage import Acknowledged, Stage, ends, probing, read_from
from tests.chaos.traffic import LATE_AFTER, Identity
from tests.ingestion.rows import frame
from tests.ingestion.running import until

SETTLES_S: Final = 10.0  # offsets and alerts leave without being waited for
SHOWN: Final = 5


@dataclass(slots=True)
class Expected:
    """What is to become of what the broker acknowledged and still held when its turn came."""

    readings: dict[Identity, float] = field(default_factory=dict)
    late: set[Identity] = field(default_factory=set)
    perhaps_late: set[Identity] = field(default_factory=set)  # nobody can tell
    duplicates: int = 0
    refused: Counter[tuple[int, int, str]] = field(default_factory=Counter)


def expected(stage: Stage) -> Expected:
    """In the order of arrival the first content wins, and late is what comes ten minutes behind the person."""
    found, newest = Expected(), dict[str, datetime]()
    gaps = [(gap.partition, gap.expected, gap.found) for gap in OffsetGap.objects.filter(topic=stage.topic)]
    for together in _arrivals(stage):
        there = [
            sent
            for sent in together
            if not any(partition == sent.partition and since <= sent.offset < until for partition, since, until in gaps)
        ]
        _take(found, there, newest)
    return found


def _take(found: Expected, together: Sequence[Acknowledged], newest: dict[str, datetime]) -> None:
    """What one transaction makes of messages; those of several partitions may have come in any order."""
    last = dict(newest)
    for sent in together:
        if (identity := sent.message.identity) is not None:
            last[identity[0]] = max(last.get(identity[0], identity[1]), identity[1])
    so_far: dict[tuple[str, int], datetime] = {}
    for sent in together:
        identity = sent.message.identity
        if identity is None:
            found.refused[sent.partition, sent.offset, sent.message.reason] += 1
        elif identity in found.readings:
            found.duplicates += 1
        else:
            found.readings[identity] = sent.message.heart_rate
            person, at, _ = identity
            before = so_far.get((person, sent.partition), newest.get(person, at))
            if before - at > LATE_AFTER:
                found.late.add(identity)
            elif last[person] - at > LATE_AFTER and len({each.partition for each in together}) > 1:
                found.perhaps_late.add(identity)
            so_far[person, sent.partition] = max(before, at)
    newest |= last


def _arrivals(stage: Stage) -> Iterable[Sequence[Acknowledged]]:
    """What was sent, in the order in which it was taken; together what one transaction took, where that matters."""
    if not stage.is_split:
        yield from ([sent] for sent in stage.acknowledged)
        return
    by_place = {(sent.partition, sent.offset): sent for sent in stage.acknowledged}
    for steps in journal.commits(stage.topic):
        places = [(step.partition, offset) for step in steps for offset in range(step.before or 0, step.after)]
        yield [by_place[place] for place in places]


def acknowledged(stage: Stage) -> str:
    """Acknowledged = stored + duplicates + quarantined, by identity and by coordinate."""
    right = expected(stage)
    rows = _readings(stage).values_list("user__username", "recorded_at", "event_id", "heart_rate")
    times = Counter((name, at, event_id) for name, at, event_id, _ in rows)
    missing, foreign = right.readings.keys() - times.keys(), times.keys() - right.readings.keys()
    doubled = [identity for identity, count in times.items() if count > 1]
    other = [row for row in rows if right.readings.get(row[:3], row[3]) != row[3]]
    kept = QuarantinedMessage.objects.filter(topic=stage.topic).values_list("partition", "offset", "reason")
    refused = Counter(kept)
    complaints = {
        "readings missing": missing, "readings never sent": foreign, "readings stored twice": doubled,
        "readings of other content than the first": other,
        "refused and not in quarantine": right.refused - refused,
        "in quarantine and not refused": refused - right.refused,
    }  # fmt: skip
    return _said(complaints)


def lateness(stage: Stage) -> str:
    """Late are those that came ten minutes behind, whoever stored them."""
    rows = _readings(stage).values_list("user__username", "recorded_at", "event_id", "flags")
    found = {row[:3] for row in rows if row[3] & Flag.LATE}
    right = expected(stage)
    complaints = {
        "late and not flagged": right.late - found,
        "flagged and not late": found - right.late - right.perhaps_late,
    }
    return _said(complaints)


def episodes(stage: Stage) -> str:
    """One alert that stands for each episode of an undisturbed run, and no other."""
    standing = _alerts(stage).exclude(episode="withdrawn")
    found = Counter(
        (a.rule.rule_id, a.user.username, a.started_at, a.opened_at, a.ended_at, a.event_count, a.end or "open")
        for a in standing
    )
    right = Counter(undisturbed(stage))
    complaints = {"episodes without an alert": right - found, "alerts without an episode": found - right}
    return _said(complaints) or ("" if right else "nothing was to be found: no test of anything")


def undisturbed(stage: Stage) -> list[tuple[Any, ...]]:
    """The episodes that a backtest finds in what was sent."""
    pks = dict(User.objects.filter(username__startswith=stage.tag).values_list("username", "pk"))
    rows = [
        {"user_id": pks.get(name, -1), "recorded_at": at, "flags": 0, "received_at": None, "event_id": str(event_id),
         "heart_rate": float(rate), "username": name}
        for (name, at, event_id), rate in expected(stage).readings.items()
    ]  # fmt: skip
    readings = frame(*rows).sort("user_id", "recorded_at", "event_id").with_columns(pl.col("username").alias("user_id"))
    rules = [engine_rule(version) for version in RuleVersion.objects.select_related("rule")]
    found = [(each.rule.id, each.user_id, each.episode) for each in backtest(rules, readings)]
    return [(rule, user, e.started_at, e.opened_at, e.ended_at, e.event_count, e.end) for rule, user, e in found]


def published(stage: Stage) -> str:
    """Each revision of each alert is on `biometrics-alerts`, at least once, and says what the database says; nothing
    is there that never was committed."""
    sent: dict[tuple[str, int], str] = {}
    changed = set()
    for key, value in read_from(settings.TELARA_TOPIC_ALERTS, stage.alerts_from):
        if key.startswith(stage.tag):
            alert = json.loads(value)
            said = json.dumps(alert, sort_keys=True)
            if sent.setdefault((alert["alert_id"], alert["revision"]), said) != said:
                changed.add((alert["alert_id"], alert["revision"]))
    alerts = list(_alerts(stage))
    right = {(str(alert.pk), revision) for alert in alerts for revision in range(1, alert.revision + 1)}
    last = {(str(a.pk), a.revision): json.dumps(alert_json(a), sort_keys=True) for a in alerts}
    written = OutboxEntry.objects.filter(alert_id__in=[alert.pk for alert in alerts])
    noted = {(str(alert_id), revision) for alert_id, revision in written.values_list("alert_id", "revision")}
    complaints = {
        "revisions never sent": right - sent.keys(), "sent and never committed": sent.keys() - right,
        "sent with two contents": changed, "revisions not in the outbox": right - noted,
        "sent other than stored": [key for key, said in last.items() if sent.get(key, said) != said],
        "sent and not marked": written.filter(sent_at__isnull=True),
    }  # fmt: skip
    return _said(complaints)


def offsets(stage: Stage) -> str:
    """The ledger, the group's committed offsets and the ends of the partitions are the same."""
    stored = stage.ledger()
    with probing(stage.group) as probe:
        asked = [TopicPartition(stage.topic, number) for number in stored]
        committed = {found.partition: found.offset for found in probe.committed(asked, timeout=10)}
    found = {
        number: (stored.get(number), committed.get(number), end)
        for number, end in ends(stage.topic).items()
        if not stored.get(number) == committed.get(number) == end and (end or stored.get(number))
    }
    return f"partition: (ledger, committed, end) {found}" if found else ""


def steps(stage: Stage) -> str:
    """The ledger went from the beginning to its end without a step back and without a leap, but for recorded gaps."""
    gaps = set(OffsetGap.objects.filter(topic=stage.topic).values_list("partition", "expected", "found"))
    at: dict[int, int] = {}
    epochs: dict[int, int] = {}
    wrong = []
    for step in journal.steps(stage.topic):
        known = step.partition in at
        is_gap = (step.partition, step.before, step.after) in gaps
        is_sound = step.before is None or is_gap or step.after > step.before
        if not is_sound or (known and step.before != at[step.partition]) or step.epoch < epochs.get(step.partition, 0):
            wrong.append(step)
        at[step.partition], epochs[step.partition] = step.after, step.epoch
    return _said({"steps": wrong})


_RECOUNT = """
SELECT user_id, ended_at, count(*), bit_or(flags), count(heart_rate), avg(heart_rate::numeric)::float8, min(heart_rate),
       max(heart_rate), coalesce(stddev_samp(heart_rate::numeric)::float8, 0)
  FROM (SELECT r.*, date_trunc('minute', recorded_at) + interval '1 minute' AS ended_at FROM devices_reading r
          JOIN devices_user u ON u.id = user_id AND starts_with(u.username, %s)) AS minutes
 GROUP BY 1, 2
"""
_OVER = """
SELECT user_id, max(recorded_at) FROM devices_reading r JOIN devices_user u ON u.id = user_id
 WHERE starts_with(u.username, %s) GROUP BY 1
"""


def windows(stage: Stage) -> str:
    """Each complete window is what its stored readings come to."""
    with connection.cursor() as cursor:
        cursor.execute(_RECOUNT, [stage.tag])
        right = {row[:2]: row[2:] for row in cursor.fetchall()}
        cursor.execute(_OVER, [stage.tag])
        over = dict(cursor.fetchall())
    fields = ("count", "flags", "count_heart_rate", "avg_heart_rate", "min_heart_rate", "max_heart_rate")
    kept = MetricWindow.objects.filter(user__username__startswith=stage.tag, size_s=60, every_s=60)
    found = {
        (row[0], row[1]): (*row[2:-1], row[-1] or 0.0)
        for row in kept.values_list("user_id", "ended_at", *fields, "stddev_heart_rate")
    }
    missing = [key for key in right if key[1] <= over[key[0]] and key not in found]
    wrong = [(key, row, right.get(key)) for key, row in found.items() if not _is_close(row, right.get(key))]
    return _said({"windows missing": missing, "windows wrong": wrong})


def _is_close(row: tuple[Any, ...], right: tuple[Any, ...] | None) -> bool:
    return right is not None and row[:3] == right[:3] and row[3:] == pytest.approx(right[3:], rel=1e-12, abs=1e-12)


def transactions(stage: Stage) -> str:
    """No session of this database sits in a transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%%' AND pid <> pg_backend_pid()"
        )
        return _said({"open": cursor.fetchall()})


INVARIANTS: Final[Mapping[str, Callable[[Stage], str]]] = {
    each.__name__: each for each in (acknowledged, lateness, episodes, published, offsets, steps, windows, transactions)
}


def broken(stage: Stage) -> dict[str, str]:
    """The invariants that do not hold, and what was found."""
    return {name: found for name, holds in INVARIANTS.items() if (found := holds(stage))}


def assert_whole(stage: Stage, *, settles_s: float = SETTLES_S) -> None:
    """At rest, or soon after, everything is as if nothing had happened."""
    stage.await_rest()
    found: dict[str, str] = {}

    def is_whole() -> bool:
        nonlocal found
        found = broken(stage)
        return not found

    try:
        until(is_whole, within_s=settles_s, every_s=0.5)
    except AssertionError:
        raise AssertionError("\n".join(f"{name}: {what}" for name, what in found.items())) from None


def _readings(stage: Stage) -> Any:
    return Reading.objects.filter(user__username__startswith=stage.tag)


def _alerts(stage: Stage) -> Any:
    return Alert.objects.filter(user__username__startswith=stage.tag).select_related("rule", "user")


def _said(complaints: Mapping[str, Any]) -> str:
    """How many of each, and the first few."""
    kinds = {what: list(found) for what, found in complaints.items()}
    return "; ".join(f"{len(found)} {what}: {found[:SHOWN]}" for what, found in kinds.items() if found)
