"""Addresses within the page of a wearer."""

from datetime import datetime, timedelta
from typing import Final

from django import template

from dashboard.wearer.query import Query
from devices.times import rfc3339

register = template.Library()
AROUND: Final = timedelta(minutes=30)


@register.simple_tag
def address_of(query: Query, range_: str, metric: str | None = None) -> str:
    """The page with another range, and another strip on top where one is named (empty: none)."""
    return query.address(range=range_) if metric is None else query.address(range=range_, metric=metric)


@register.simple_tag
def around(query: Query, at: datetime) -> str:
    """The hour around a moment."""
    until = at + AROUND
    return query.address(range="1h", until=rfc3339(until) if until < query.now else "")
