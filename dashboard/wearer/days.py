"""The days of a wearer in numbers, by the clock of whoever reads them: put together from hours, which are of UTC."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from typing import Final

from django.db.models import Count
from django.db.models.functions import TruncDate

from alerts.models import Alert, Summary
from alerts.models.alert import Severity
from alerts.selectors import summaries_of
from devices.models import User
from devices.reader import local

DAYS_SHOWN: Final = 7
HOURS: Final = 25  # of the longest day
METRICS: Final = ("heart_rate", "spo2_percent")


@dataclass(frozen=True, slots=True)
class Figures:
    """What the values of one metric came to."""

    low: float
    average: float
    high: float


@dataclass(frozen=True, slots=True)
class Day:
    """`metrics` has those of METRICS that were measured, `alerts` how many opened by severity, the worst first."""

    on: date
    readings: int
    metrics: Mapping[str, Figures]
    alerts: Mapping[str, int]


def days_of(wearer: User) -> list[Day]:
    """The newest DAYS_SHOWN days of which anything was summed up, newest first; two queries. Where a clock's days begin
    within an hour of UTC, what was measured in that hour counts to the day in which it begins."""
    hours = list(summaries_of(wearer=wearer, period=Summary.Period.HOUR)[: DAYS_SHOWN * HOURS])
    if not hours:
        return []
    alerts = _alerts_since(wearer, hours[-1].start - timedelta(days=1))
    by_day = groupby(hours, key=lambda hour: local(hour.start).date())
    return [_day(on, list(of_day), alerts[on]) for on, of_day in islice(by_day, DAYS_SHOWN)]


def _alerts_since(wearer: User, since: datetime) -> Mapping[date, Mapping[str, int]]:
    """How many opened by day and severity: also those of hours without readings, of which there is no summary."""
    rows = Alert.objects.filter(user=wearer, opened_at__gte=since).standing().annotate(on=TruncDate("opened_at"))
    found: defaultdict[date, dict[str, int]] = defaultdict(dict)
    for on, severity, count in rows.values("on", "severity").annotate(n=Count("pk")).values_list("on", "severity", "n"):
        found[on][severity] = count
    return found


def _day(on: date, hours: Sequence[Summary], alerts: Mapping[str, int]) -> Day:
    return Day(
        on,
        sum(hour.readings for hour in hours),
        dict(_figures(hours)),
        {severity: alerts[severity] for severity in Severity.values if severity in alerts},
    )


def _figures(hours: Sequence[Summary]) -> Iterator[tuple[str, Figures]]:
    for name in METRICS:
        found = [hour.metrics[name] for hour in hours if name in hour.metrics]
        if found:
            average = sum(each["avg"] * each["count"] for each in found) / sum(each["count"] for each in found)
            yield name, Figures(min(each["min"] for each in found), average, max(each["max"] for each in found))
