"""The past of simulated people, as if they had worn their devices: what charts show on the first day.

A reading a minute, in the last hour one every five seconds. A minute in which a person has readings already is left
alone: so doing it twice adds nothing, and what really happened, an injected anomaly too, is not mixed with calm.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl
from django.db.models.functions import TruncMinute

from devices.models import Reading
from devices.simulator.events import encode
from devices.simulator.grid import MINUTE_MS, Rate
from devices.simulator.people import People
from devices.simulator.stream import Stretch, readings
from ingestion.send.producer import Outgoing, Producer

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
PAST: Final = Rate.of(1 / 60)
LATELY: Final = Rate.of(1 / 5)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the past, at most an hour of it, and how often readings were taken then."""

    start: datetime
    end: datetime
    rate: Rate


def spans(*, until: datetime, hours: int) -> Iterator[Span]:
    """The hours before `until`, oldest first."""
    for ago in range(hours, 0, -1):
        yield Span(until - ago * HOUR, until - (ago - 1) * HOUR, LATELY if ago == 1 else PAST)


def history_send(*, who: People, span: Span, producer: Producer, topic: str) -> int:
    """Send what is missing of a span; how many readings that were. Raises SendingStoppedError."""
    made = readings(Stretch(who, span.rate, _ms(span.start), _ms(span.end)))
    minute = (pl.col("at_ms") // MINUTE_MS).alias("minute")
    missing = made.with_columns(minute).join(_stored(who, span), on=["user_id", "minute"], how="anti").sort("at_ms")
    for user_id, event in zip(missing["user_id"], encode(who, missing), strict=True):
        producer.send(Outgoing(topic, user_id, event))
    return missing.height


def _stored(who: People, span: Span) -> pl.DataFrame:
    """In which minutes (since the epoch) each person has a reading: `user_id`, `minute`."""
    rows = (
        Reading.objects.filter(user__username__in=who.user_ids, recorded_at__gte=span.start, recorded_at__lt=span.end)
        .order_by()
        .values_list("user__username", TruncMinute("recorded_at", tzinfo=UTC))
        .distinct()
    )
    minutes = [(user_id, _ms(minute) // MINUTE_MS) for user_id, minute in rows]
    return pl.DataFrame(minutes, schema={"user_id": pl.String, "minute": pl.Int64}, orient="row")


def _ms(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
