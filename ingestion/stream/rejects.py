"""A storm of rejects: more than half of at least a hundred messages are refused. Pure: time is an argument."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from devices.times import is_due

STORM_SHARE: Final = 0.5
STORM_LEAST: Final = 100  # messages: what comes in smaller batches is judged together
TELL_EVERY: Final = timedelta(seconds=10)


@dataclass(slots=True)
class Rejects:
    """Counts messages and why they were refused, until there are enough to judge."""

    messages: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    told_at: datetime | None = None

    def count(self, messages: int, reasons: Iterable[str]) -> str:
        """What there is to say of a storm that these messages complete; empty where there is none, or not yet."""
        self.messages += messages
        self.reasons.update(reasons)
        if self.messages < STORM_LEAST:
            return ""
        seen, refused, self.messages, self.reasons = self.messages, self.reasons, 0, Counter()
        if refused.total() <= STORM_SHARE * seen:
            return ""
        ((most, times),) = refused.most_common(1)
        return f"{refused.total():,} of {seen:,} messages were refused, {times:,} of them as {most}."

    def is_due(self, at: datetime) -> bool:
        """Whether a storm is to be told, or told again."""
        return is_due(self.told_at, every=TELL_EVERY, now=at)
