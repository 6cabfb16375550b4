"""Warnings about a text that is a rule: what it reads is often not there."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache
from django.db.models import IntegerField, Sum
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from alerts.engine import Rule, Window
from alerts.engine.source import COLUMNS
from alerts.models import Summary
from alerts.rule_files import Problem
from devices.metrics import METRICS, NUMERIC
from devices.models import User

LOOKED_AT: Final = timedelta(days=7)
WORTH_SAYING: Final = 0.05
KEPT_S: Final = 600


def warnings_of(rule: Rule, source: str, present: Mapping[str, float]) -> list[Problem]:
    """What to know of the columns of `when`; `present` is the share of readings that hold each metric, if any do."""
    return sorted(
        Problem("rule", *_place(column, source), words)
        for column in rule.when.columns
        if (metric := COLUMNS[column].metric) and metric.name in present
        for words in _words(rule, metric.name, present[metric.name])
    )


def _words(rule: Rule, metric: str, share: float) -> Iterator[str]:
    label, days = METRICS[metric].label, LOOKED_AT.days
    if not share:
        yield f"{label} is in no reading of the last {days} days."
    elif 1 - share >= WORTH_SAYING and len(rule.when.columns) > 1 and not isinstance(rule.over, Window):
        missing = f"{100 * (1 - share):.0f} %"
        yield (
            f"{label} is missing in {missing} of the readings of the last {days} days."
            " A missing value neither feeds nor breaks the run."
        )


def _place(column: str, source: str) -> tuple[int, int]:
    """Line and column where the condition names it, counted from 1."""
    when = re.search(r"^when\s*:", source, re.MULTILINE)
    found = re.search(rf"\b{column}\b", source[when.end() :]) if when else None
    at = when.end() + found.start() if when and found else 0
    return source.count("\n", 0, at) + 1, at - source.rfind("\n", 0, at)


def shares_present(*, user: User, at: datetime) -> Mapping[str, float]:
    """Of the readings of the last 7 days of those whom `user` may see, the share that holds each numeric metric; empty
    where there are none. Some minutes old, from the summaries of days."""
    key = f"rules:present:{user.pk}"
    shares: dict[str, float] | None = cache.get(key)
    if shares is None:
        shares = _shares(user, at)
        cache.set(key, shares, KEPT_S)
    return shares


def _shares(user: User, at: datetime) -> dict[str, float]:
    seen = User.objects.visible_to(user).values("pk")
    days = Summary.objects.filter(period=Summary.Period.DAY, start__gt=at - LOOKED_AT, user__in=seen)
    counts = {f"n_{name}": Sum(Cast(KT(f"metrics__{name}__count"), IntegerField())) for name in NUMERIC}
    found = days.aggregate(all=Sum("readings"), **counts)
    return {name: (found[f"n_{name}"] or 0) / found["all"] for name in NUMERIC} if found["all"] else {}
