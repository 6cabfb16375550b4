"""When readings are taken: a whole number of them a minute, or of minutes between them.

A person's minutes begin at their own phase, and the grid begins anew each minute; so a reading at the start of a
minute exists at every rate, and the times of a slice do not depend on where the slice begins. Times are whole
milliseconds since the Unix epoch.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from devices.simulator.noise import Bools, Ints

MINUTE_MS: Final = 60_000
MIN_RATE_HZ: Final = 0.001
MAX_RATE_HZ: Final = 50.0


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_step` readings in each step of `minutes` minutes; one of the two is 1."""

    per_step: int
    minutes: int

    @classmethod
    def of(cls, hertz: float) -> "Rate":
        """The nearest to `hertz` readings a second. Raises ValueError unless 0.001 <= hertz <= 50."""
        if not MIN_RATE_HZ <= hertz <= MAX_RATE_HZ:
            raise ValueError(f"a rate must be {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g} Hz, not {hertz:g}")
        a_minute = hertz * 60.0
        if a_minute >= 1.0:
            return cls(per_step=round(a_minute), minutes=1)
        return cls(per_step=1, minutes=round(1.0 / a_minute))

    @property
    def hertz(self) -> float:
        return self.per_step / (60.0 * self.minutes)


def times(rate: Rate, start_ms: int, end_ms: int, phase_ms: Ints) -> tuple[Ints, Bools, Bools]:
    """The grid of each person over [start, end): times in ms, which of them lie in the slice, which begin a minute.

    All three have the shape (people, times); people whose phase puts fewer points into the slice have some masked out.
    """
    step_ms = rate.minutes * MINUTE_MS
    first = -((phase_ms - start_ms) * rate.per_step // step_ms)
    beyond = -((phase_ms - end_ms) * rate.per_step // step_ms)
    count = int((beyond - first).max(initial=0))
    number = first + np.arange(count, dtype=np.int64)[np.newaxis, :]
    at = number * step_ms // rate.per_step + phase_ms
    return at, number < beyond, number % rate.per_step == 0
