"""What tests make: people, rules, alerts."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.utils import timezone

from alerts.models import Alert, Rule, RuleVersion
from devices.account.confirmed import CONFIRMED, CONFIRMED_FOR
from devices.models import Assignment, Installation, User
from devices.partitions import TABLE, partition_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PASSWORD = "correct horse"


def make_user(username: str, *permissions: str, watches: tuple[User, ...] = (), **fields: Any) -> User:
    """A user with permissions of `devices` by codename, and the wearers they watch."""
    user = User.objects.create_user(username, password=PASSWORD, **fields)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    Assignment.objects.bulk_create(Assignment(analyst=user, wearer=wearer) for wearer in watches)
    return user


def confirm(client: Client) -> None:
    """As if whoever is signed in there had just shown that it is they."""
    session = client.session
    session[CONFIRMED] = (timezone.now() + CONFIRMED_FOR).isoformat()
    session.save()


def make_wearer(username: str = "user_001", **fields: Any) -> User:
    return make_user(username, is_wearer=True, **fields)


def make_rule(rule_id: str = "tachycardia-at-rest", *, source: str = "") -> Rule:
    rule, made = Rule.objects.get_or_create(rule_id=rule_id)
    if made:
        RuleVersion.objects.create(rule=rule, number=1, source=source, active_from=NOON - timedelta(days=1))
    return rule


def make_alert(user: User | None, *, rule: Rule | None = None, **fields: Any) -> Alert:
    """A firing alert that opened at noon, unless `fields` say otherwise."""
    at = fields.get("opened_at", NOON)
    values: dict[str, Any] = {
        "rule": rule or make_rule(),
        "rule_version": 1,
        "alert_type": "TACHYCARDIA_AT_REST",
        "title": "Tachycardia at rest",
        "severity": "HIGH",
        "alert_class": "clinical",
        "episode": "firing",
        "started_at": at - timedelta(seconds=4),
        "opened_at": at,
        "ended_at": at + timedelta(seconds=2),
        "event_count": 7,
        "measures": {"heart_rate": {"avg": 118.4, "min": 108.0, "max": 126.0}},
        "description": "Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 12:00:00.",
        "changed_at": at,
    }
    return Alert.objects.create(**(values | {"user": user} | fields))


def make_installation() -> datetime:
    """When Telara was installed; a test that commits leaves the database without that row."""
    row, _ = Installation.objects.get_or_create(pk=1, defaults={"installed_at": timezone.now()})
    return row.installed_at


def make_partitions(*times: datetime) -> None:
    """The partitions of readings at these times, made in the transaction of the test."""
    made_at = make_installation()
    for partition in {partition_of(at, installed_at=made_at, span="month") for at in times}:
        with connection.cursor() as cursor:
            cursor.execute(
                f'CREATE TABLE IF NOT EXISTS "{partition.name}" PARTITION OF {TABLE} FOR VALUES FROM (%s) TO (%s)',
                [partition.start, partition.end],
            )


@contextmanager
def readings_locked(mode: str = "ACCESS EXCLUSIVE") -> Iterator[None]:
    """Somebody else holds the readings: whoever reads them waits, unless the mode is a weaker one. For tests that
    commit."""
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    other = psycopg2.connect(**{name: connection.settings_dict[key] or None for name, key in names.items()})
    try:
        with other.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {TABLE} IN {mode} MODE")
        yield
    finally:
        other.close()
