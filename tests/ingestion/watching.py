"""A consumer that listens, wearers who speak, and the task that looks who is silent."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from alerts.models import Alert
from alerts.models.alert import EpisodeState
from alerts.rule_files import RuleFile, parse_rule
from alerts.services.rules import rules_load
from devices.models import Reading, User
from ingestion.absence import Step, absences_step
from ingestion.models import PartitionLedger
from tests.made import make_partitions

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULES = Path("alerts/rules")
LOW, MEDIUM = ("device-silent", "device-silent-urgent")
FRESH = timedelta(minutes=15)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def load(*names: str, when: datetime = NOON - timedelta(days=1), **changes: str) -> None:
    """These rules that come with Telara, some words changed."""
    files = []
    for name in names:
        source = (RULES / f"{name}.yaml").read_text()
        for old, new in changes.items():
            source = source.replace(
                *[line for line in source.splitlines() if line.startswith(old)][:1], f"{old}: {new}"
            )
        parsed = parse_rule(source)
        assert parsed.rule is not None, parsed.problems
        files.append(RuleFile(parsed.rule, source, name))
    rules_load(files=files, at=when)


@dataclass
class Watch:
    """A consumer that listens, wearers who speak, and the task, at minutes after noon."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        make_partitions(NOON, NOON - timedelta(days=2), NOON + timedelta(days=40))
        for partition in range(2):
            PartitionLedger.objects.create(
                cluster_id="c", topic="t", partition=partition, next_offset=0,
                listening_since=at(-3_000), consumed_until=at(-3_000),
            )  # fmt: skip

    def speak(self, person: User, first: float, last: float, *, every_s: float = 20, **values: Any) -> None:
        """Readings from the first to the last minute, received at once."""
        moments = [at(first)]
        while moments[-1] + timedelta(seconds=every_s) <= at(last):
            moments.append(moments[-1] + timedelta(seconds=every_s))
        Reading.objects.bulk_create(
            Reading(user=person, recorded_at=moment, received_at=moment, event_id=uuid4(), **values)
            for moment in moments
        )

    def listen(self, minute: float, *, since: float | None = None) -> None:
        PartitionLedger.objects.update(consumed_until=at(minute))
        if since is not None:
            PartitionLedger.objects.update(listening_since=at(since))

    def look(self, minute: float) -> Step:
        """The task, a second after everything is known."""
        self.listen(minute)
        return self.step(minute)

    def step(self, minute: float) -> Step:
        return absences_step(topic="t", freshness=FRESH, at=at(minute) + timedelta(seconds=1))


def firing() -> list[tuple[str, str, str]]:
    rows = Alert.objects.filter(episode=EpisodeState.FIRING).order_by("user__username", "rule__rule_id")
    return [(alert.user.username, alert.rule.rule_id, alert.severity) for alert in rows.select_related("rule", "user")]
