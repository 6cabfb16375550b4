"""The list of rules: what each says, how often it fired, how often it was wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Final, cast

from django.core.cache import cache
from django.db.models import Count, Min, Q

from alerts.engine import AnyRule
from alerts.models import Alert, Rule, RuleVersion, Summary
from alerts.models.alert import CloseReason, Severity, Triage
from alerts.rule_versions import UnreadableRuleError, engine_rule
from alerts.selectors import rules_listed
from devices.models import User

DAY: Final = timedelta(days=1)
COUNTED: Final = timedelta(days=30)  # false alarms are rarer than alerts
KEPT_S: Final = 600
_RANK: Final = {severity: place for place, severity in enumerate(Severity.values)}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the last 30 days: alerts that opened, when the first of them did, those of them that were closed, the false
    ones among these, how many days the rule has been there for, and how many person-days of readings they came from
    (of 24 hours of the clock in which a person has readings)."""

    opened: int = 0
    first_at: datetime | None = None
    closed: int = 0
    false: int = 0
    days: float = float(COUNTED.days)
    person_days: float = 0.0

    @property
    def a_day(self) -> float:
        return self.opened / self.days

    @property
    def a_person_day(self) -> float | None:
        """None where there were no readings."""
        return self.opened / self.person_days if self.person_days else None

    @property
    def false_share(self) -> float | None:
        """In percent; None where none was closed."""
        return 100 * self.false / self.closed if self.closed else None


@dataclass(frozen=True, slots=True)
class Row:
    """A rule of the list; `says` is None where this release cannot read it."""

    rule: Rule
    newest: RuleVersion
    says: AnyRule | None
    figures: Figures

    @property
    def title(self) -> str:
        return self.says.title if self.says else self.rule.rule_id

    @property
    def is_technical(self) -> bool:
        return self.says is not None and self.says.rule_class == "technical"

    @property
    def group(self) -> str:
        if self.says is None:
            return "Unreadable"
        return "Technical" if self.is_technical else self.says.severity.capitalize()

    @property
    def order(self) -> tuple[int, int, str]:
        says = self.says
        if says is None:
            return 2, 0, self.title
        return int(self.is_technical), _RANK[says.severity], self.title.lower()

    def matches(self, words: str) -> bool:
        text = f"{self.rule.rule_id} {self.title} {self.says.asks if self.says else ''}".lower()
        return all(word in text for word in words.lower().split())


def rows_of(*, user: User, at: datetime) -> list[Row]:
    """Every rule, worst first, technical ones last, with figures of the alerts that `user` may see."""
    figures, person_days = figures_of(user=user, at=at), person_days_of(user=user, at=at)
    rows = [
        Row(rule, version, said_by(version), _over(figures.get(rule.pk, Figures()), rule, at, person_days))
        for rule in rules_listed()
        for version in getattr(rule, "newest")  # noqa: B009  # rules_listed() gives it
    ]
    return sorted(rows, key=lambda row: row.order)


def _over(figures: Figures, rule: Rule, at: datetime, person_days: float) -> Figures:
    """A rule is as old as its first alert, where that is of readings from before there was the rule."""
    since = min(filter(None, (rule.created_at, figures.first_at)))
    days = min(max(at - since, DAY), COUNTED) / DAY
    return replace(figures, days=days, person_days=person_days)


def grouped(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    return [(group, list(members)) for group, members in groupby(rows, key=lambda row: row.group)]


def figures_of(*, user: User, at: datetime) -> Mapping[int, Figures]:
    """By the rule's key, in one query; withdrawn alerts do not count."""
    lately = Alert.objects.visible_to(user).filter(opened_at__gt=at - COUNTED).standing()
    is_closed = Q(triage=Triage.CLOSED)
    counted = lately.values_list("rule_id").annotate(
        opened=Count("pk"),
        first_at=Min("opened_at"),
        closed=Count("pk", filter=is_closed),
        false=Count("pk", filter=is_closed & Q(close_reason=CloseReason.FALSE_ALARM)),
    )
    return {rule: Figures(*found) for rule, *found in counted.order_by("rule_id")}


def person_days_of(*, user: User, at: datetime) -> float:
    """Of the last 30 days, of those whom `user` may see; some minutes old, as it counts every summed up hour."""
    seen = User.objects.visible_to(user).values("pk")
    hours = Summary.objects.filter(period=Summary.Period.HOUR, start__gt=at - COUNTED, readings__gt=0, user__in=seen)
    return cast("float", cache.get_or_set(f"rules:person-days:{user.pk}", lambda: hours.count() / 24, KEPT_S))


def said_by(version: RuleVersion) -> AnyRule | None:
    try:
        return engine_rule(version)
    except UnreadableRuleError:
        return None
