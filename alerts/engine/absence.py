"""What a rule over absence means: nothing heard of a person for too long, while somebody listened."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from alerts.engine.rule import AbsenceRule

# Of whom nothing was heard for so much longer than the limit nobody expects to hear: they have stopped, long ago.
FORGOTTEN_AFTER: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Listened:
    """Everything that was received in [since, until] is known."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """A person of whom nothing was heard after `heard_at`, the receipt of their last reading.

    It is counted from `counted_from`; `cadence` is the usual time between two readings, `limit` how long is too long.
    """

    heard_at: datetime
    counted_from: datetime
    cadence: timedelta
    limit: timedelta

    @property
    def opened_at(self) -> datetime:
        """When it became too long."""
        return self.counted_from + self.limit


def silence(rule: AbsenceRule, *, heard_at: datetime, cadence: timedelta, listened: Listened) -> Silence | None:
    """The silence that `rule` finds in a person heard last at `heard_at`; None while it is not too long.

    Only the time in which we listened and the wording was in force counts: our own outage is not the wearer's, and a
    rule that is switched on does not find what had been silent for long in the same moment, but after its limit.
    """
    limit = max(rule.at_least, rule.factor * cadence)
    counted_from = max(heard_at, listened.since, rule.active_from or heard_at)
    if listened.until - counted_from < limit or listened.until - heard_at > limit + FORGOTTEN_AFTER:
        return None
    return Silence(heard_at, counted_from, cadence, limit)
