"""Mutes as those read them who write alerts: of whom, of which rule, from when until when."""

from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Final

from alerts.engine import Rule
from alerts.models import Mute
from alerts.models.alert import Severity

Span = tuple[datetime, datetime]  # [from, until)
UNMUTABLE: Final = Severity.CRITICAL  # no planned activity explains it away; a snooze may, for 15 minutes


class Mutes:
    """The mutes that reach past some time, read now and then in one query, so that a batch costs none.

    What lies before that time is looked up: only alerts of long ago, that are evaluated again, ask for it.
    """

    def __init__(self) -> None:
        self._since = datetime.max.replace(tzinfo=UTC)
        self._known: dict[tuple[int, str], list[Span]] = {}

    def read(self, *, since: datetime) -> None:
        """Know the mutes that end after `since`, those to come included."""
        known = defaultdict(list)
        rows = Mute.objects.filter(ends_at__gt=since).order_by()
        for user_id, rules, starts_at, ends_at in rows.values_list("user_id", "rules", "starts_at", "ends_at"):
            for rule_id in rules:
                known[user_id, rule_id].append((starts_at, ends_at))
        self._since, self._known = since, dict(known)

    def of(self, user_id: int, rule: Rule, at: datetime | None) -> list[Span]:
        """The mutes of a person and rule among which one that covers `at` (an event's time) would be; none for None and
        for what cannot be muted."""
        if at is None or rule.severity == UNMUTABLE:
            return []
        if at >= self._since:
            return self._known.get((user_id, rule.id), [])
        covering = Mute.objects.filter(user=user_id, rules__contains=[rule.id], starts_at__lte=at, ends_at__gt=at)
        return list(covering.values_list("starts_at", "ends_at"))


def mutes_on(people: Collection[int], *, at: datetime) -> set[tuple[int, str]]:
    """Which rules (by id) stay quiet at `at` for which of these people (by key); no query for nobody."""
    if not people:
        return set()
    on = Mute.objects.filter(user__in=people, starts_at__lte=at, ends_at__gt=at)
    return {(user_id, rule) for user_id, rules in on.values_list("user_id", "rules") for rule in rules}
