"""What a simulation is asked for, and what that comes to: who sends, how often, and when."""

import re
from dataclasses import dataclass, field
from typing import Final

from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import Rate
from devices.simulator.people import wearer_ids
from devices.simulator.stream import Injection

DEFAULT_WEARERS: Final = 12
MAX_WEARERS: Final = 100_000
MAX_DURATION_S: Final = 100 * 366 * 24 * 3600
MAX_SEED: Final = 2**62
CALM_AFTER_MS: Final = 60_000
_USER_ID: Final = re.compile(r"[A-Za-z0-9._\-@+:]{1,64}")


@dataclass(frozen=True, slots=True)
class Plan:
    """Who sends what, how often, and when: [start_ms, end_ms), without an end until stopped.

    Times are milliseconds since the Unix epoch. `bad_data` is the part of the events that is spoilt. Raises ValueError
    for what can't be done.
    """

    user_ids: tuple[str, ...]
    start_ms: int
    end_ms: int | None = None
    rate: Rate = field(default_factory=lambda: Rate.of(1.0))
    seed: int = 1
    bad_data: float = 0.0
    injections: tuple[Injection, ...] = ()

    def __post_init__(self) -> None:
        if not self.user_ids:
            raise ValueError("there must be a wearer")
        if not 0 <= self.bad_data <= 1:
            raise ValueError(f"bad data is a part of all events, 0 to 1, not {self.bad_data:g}")
        if self.end_ms is not None and self.end_ms <= self.start_ms:
            raise ValueError("a run lasts longer than nothing")


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks the simulator for; see `plan_of`. `wearers` are user_001 to user_N."""

    wearers: int | None = None
    user_id: str = ""
    hertz: float = 1.0
    duration_s: float | None = None
    seed: int = 1
    anomaly: str = ""
    bad_data: float = 0.0

    @property
    def count(self) -> int:
        """How many of user_001 to user_N are meant: twelve, or none beside a user, where nothing is said."""
        return self.wearers if self.wearers is not None else 0 if self.user_id else DEFAULT_WEARERS


def plan_of(wish: Wish, *, start_ms: int) -> Plan:
    """The plan of a wish. Raises ValueError for what can't be done.

    A user alone is simulated alone. An anomaly begins with the run and is had by that user, or by everyone where none
    is named; without a duration, a run with an anomaly ends a calm minute after it, any other when it is stopped.
    """
    if not 0 <= wish.count <= MAX_WEARERS:
        raise ValueError(f"there can be up to {MAX_WEARERS:,} wearers, not {wish.count:,}")
    if wish.user_id and not _USER_ID.fullmatch(wish.user_id):
        raise ValueError(f"{wish.user_id!r} is no user id: letters, digits and ._-@+: only, 64 at most")
    if wish.duration_s is not None and not wish.duration_s <= MAX_DURATION_S:
        raise ValueError(f"a run lasts up to a hundred years, not {wish.duration_s:g} s")
    if abs(wish.seed) > MAX_SEED:
        raise ValueError(f"a seed is at most {MAX_SEED:,} from 0, not {wish.seed:,}")
    user_ids = tuple(dict.fromkeys((*wearer_ids(wish.count), *((wish.user_id,) if wish.user_id else ()))))
    end_ms = None if wish.duration_s is None else start_ms + round(wish.duration_s * 1000)
    injections: tuple[Injection, ...] = ()
    if wish.anomaly:
        who = frozenset({wish.user_id} if wish.user_id else user_ids)
        lasts_ms = ANOMALIES[wish.anomaly].lasts_s * 1000 if wish.anomaly in ANOMALIES else 0
        injections = (Injection(wish.anomaly, who, start_ms, start_ms + lasts_ms),)
        end_ms = start_ms + lasts_ms + CALM_AFTER_MS if end_ms is None else end_ms
    return Plan(user_ids, start_ms, end_ms, Rate.of(wish.hertz), wish.seed, wish.bad_data, injections)
