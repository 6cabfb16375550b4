"""What the address of a wearer's page asks for: which stretch of time, up to when, and which strip above all."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from dashboard.lists import BadQueryError
from dashboard.series import DEFAULT_RANGE, RANGES, Range, range_of
from dashboard.wearer.strips import PLANS
from devices.times import rfc3339

FIRST_YEAR: Final = 2000  # no reading is older


@dataclass(frozen=True, slots=True)
class Query:
    """`until` is None for now, `metric` the name of a strip, or empty; all as of `now`."""

    range: Range
    until: datetime | None
    metric: str
    now: datetime

    def address(self, **changes: str) -> str:
        """The page with these parameters changed."""
        kept = {"range": self.range.name, "until": rfc3339(self.until) if self.until else "", "metric": self.metric}
        return f"?{urlencode({name: value for name, value in (kept | changes).items() if value})}"

    @property
    def at_present(self) -> str:
        return self.address(until="")

    @property
    def earlier(self) -> str:
        """The stretch before this one."""
        return self.address(until=rfc3339((self.until or self.now) - self.range.length))

    @property
    def later(self) -> str:
        """The stretch behind this one; empty where that is not over."""
        if self.until is None:
            return ""
        then = self.until + self.range.length
        return self.address(until=rfc3339(then) if then < self.now else "")


def read_query(parameters: Mapping[str, str], *, now: datetime) -> Query:
    """Raises BadQueryError for a range, a time or a metric that does not exist."""
    chosen = range_of(parameters.get("range", DEFAULT_RANGE.name))
    if chosen is None:
        raise BadQueryError(f"There is no such range; there are {', '.join(each.name for each in RANGES)}.")
    metric = parameters.get("metric", "")
    if metric and metric not in _STRIPS:
        raise BadQueryError(f"There is no such metric; there are {', '.join(plan.name for plan in PLANS)}.")
    try:
        until = moment_asked(parameters.get("until", ""))
    except ValueError:
        raise BadQueryError("That is no time: until=2026-03-01T12:00:00Z.") from None
    return Query(chosen, until if until and until < now else None, _STRIPS.get(metric, ""), now)


_STRIPS: Final = {name: plan.name for plan in PLANS for name in (plan.name, *plan.metrics)}


def moment_asked(text: str) -> datetime | None:
    """A moment of an address or a form, in UTC; None for no text. Raises ValueError."""
    if not text:
        return None
    asked = datetime.fromisoformat(text)
    if asked.tzinfo is None or asked.year < FIRST_YEAR:
        raise ValueError(text)
    try:
        return asked.astimezone(UTC)
    except OverflowError:  # the last hours of the year 9999
        return asked.replace(tzinfo=UTC)
