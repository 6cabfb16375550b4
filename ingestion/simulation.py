"""A run of the simulator: simulated readings to Kafka, in order of time, each no earlier than it was taken.

`Run.step` is what a command or a task calls until the run is over. Stretches that lie in the past are sent as fast as
the broker takes them; the present is sent as it comes. Times are milliseconds since the Unix epoch.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from devices.simulator.anomalies import ANOMALIES
from devices.simulator.events import encode
from devices.simulator.grid import Rate
from devices.simulator.people import people, wearer_ids
from devices.simulator.spoil import chosen, spoil
from devices.simulator.stream import Injection, Stretch, readings
from ingestion.producer import Outgoing, Producer
from ingestion.truth import Truth

log = structlog.get_logger(__name__)
DEFAULT_WEARERS: Final = 12
CALM_AFTER_MS: Final = 60_000
AHEAD_MS: Final = 1_000
ROWS_A_STRETCH: Final = 20_000
# A wearable whose readings can't leave it for longer than this has lost them, once it was up to date.
FORGETS_AFTER_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Plan:
    """Who sends what, how often, and when: [start_ms, end_ms), without an end until stopped.

    `bad_data` is the part of the events that is spoilt. Raises ValueError for what can't be done.
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
    """What somebody asks the simulator for; see `plan_of`."""

    wearers: int | None = None
    user_id: str = ""
    hertz: float = 1.0
    duration_s: float | None = None
    seed: int = 1
    anomaly: str = ""
    bad_data: float = 0.0


def plan_of(wish: Wish, *, start_ms: int) -> Plan:
    """The plan of a wish. Raises ValueError for what can't be done.

    A user alone is simulated alone. An anomaly begins with the run and is had by that user, or by everyone where none
    is named; without a duration, a run with an anomaly ends a calm minute after it, any other when it is stopped.
    """
    count = wish.wearers if wish.wearers is not None else 0 if wish.user_id else DEFAULT_WEARERS
    if count < 0 or (count == 0 and not wish.user_id):
        raise ValueError("there must be a wearer")
    user_ids = tuple(dict.fromkeys((*wearer_ids(count), *((wish.user_id,) if wish.user_id else ()))))
    end_ms = None if wish.duration_s is None else start_ms + round(wish.duration_s * 1000)
    injections: tuple[Injection, ...] = ()
    if wish.anomaly:
        who = frozenset({wish.user_id} if wish.user_id else user_ids)
        lasts_ms = ANOMALIES[wish.anomaly].lasts_s * 1000 if wish.anomaly in ANOMALIES else 0
        injections = (Injection(wish.anomaly, who, start_ms, start_ms + lasts_ms),)
        end_ms = start_ms + lasts_ms + CALM_AFTER_MS if end_ms is None else end_ms
    return Plan(user_ids, start_ms, end_ms, Rate.of(wish.hertz), wish.seed, wish.bad_data, injections)


@dataclass(slots=True)
class Sent:
    """Of a run so far: messages, those that were spoilt, and readings that were left to another run."""

    messages: int = 0
    spoilt: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class _Due:
    """A reading that waits for its time."""

    at_ms: int
    user_id: str
    event: str
    is_spoilt: bool
    injection: int
    values: dict[str, float]


class Run:
    """Sends a plan. `held` names the people whom another run sends just now: this one leaves them out."""

    def __init__(
        self,
        plan: Plan,
        *,
        producer: Producer,
        topic: str,
        truth: Truth | None = None,
        held: Callable[[], frozenset[str]] = frozenset,
    ) -> None:
        self._plan = plan
        self._producer = producer
        self._topic = topic
        self._truth = truth
        self._held = held
        self._who = people(plan.seed, plan.user_ids)
        self._made_to = plan.start_ms
        self._due: deque[_Due] = deque()
        self._was_up_to_date = False
        self.sent = Sent()

    @property
    def is_over(self) -> bool:
        """Whether everything up to the end of the plan is handed over."""
        return not self._due and self._plan.end_ms is not None and self._made_to >= self._plan.end_ms

    @property
    def position_ms(self) -> int:
        """Everything before it is handed over to the producer."""
        return self._due[0].at_ms if self._due else self._made_to

    def step(self, now_ms: int) -> float:
        """Send what is due, at most one stretch of it; seconds until something is due again (0: at once)."""
        self._forget(now_ms)
        if not self._due:
            self._make(now_ms)
        held = self._held()
        while self._due and self._due[0].at_ms <= now_ms:
            self._send(self._due.popleft(), held)
        self._producer.poll()
        if self._truth is not None:
            self._truth.close_before(self.position_ms)
        next_ms = self._due[0].at_ms if self._due else self._made_to
        self._was_up_to_date |= next_ms > now_ms
        return max(0.0, (next_ms - now_ms) / 1000)

    def _forget(self, now_ms: int) -> None:
        if self._was_up_to_date and now_ms - self.position_ms > FORGETS_AFTER_MS:
            log.warning("simulator.fell_behind", seconds=round((now_ms - self.position_ms) / 1000))
            self._due.clear()
            self._made_to = now_ms

    def _make(self, now_ms: int) -> None:
        """The next stretch: up to a second ahead of the clock, and not more rows than fit in memory easily."""
        plan = self._plan
        most_ms = max(1_000, round(ROWS_A_STRETCH / (len(plan.user_ids) * plan.rate.hertz) * 1000))
        end_ms = min(self._made_to + most_ms, max(now_ms, self._made_to) + AHEAD_MS)
        if plan.end_ms is not None:
            end_ms = min(end_ms, plan.end_ms)
        if end_ms <= self._made_to:
            return
        frame = readings(Stretch(self._who, plan.rate, self._made_to, end_ms), plan.injections)
        spoilt = set(chosen(frame, plan.bad_data))
        measured = sorted({name for injection in plan.injections for name in injection.anomaly.values})
        rows = frame.select("at_ms", "user_id", "injection", *measured).iter_rows()
        for number, (row, event) in enumerate(zip(rows, encode(self._who, frame), strict=True)):
            at_ms, user_id, injection, *numbers = row
            values = dict(zip(measured, numbers, strict=True)) if injection >= 0 else {}
            self._due.append(_Due(at_ms, user_id, event, number in spoilt, injection, values))
        self._made_to = end_ms

    def _send(self, due: _Due, held: frozenset[str]) -> None:
        if due.user_id in held:
            self.sent.left += 1
        elif due.is_spoilt:
            self._send_spoilt(due)
        else:
            self._hand_over(due.user_id, due.event)
            if self._truth is not None and due.injection >= 0:
                self._truth.saw(due.injection, due.user_id, due.at_ms, due.values)

    def _send_spoilt(self, due: _Due) -> None:
        spoilt = spoil(due.event)
        for value in spoilt.values:
            self._hand_over(due.user_id, value)
        self.sent.spoilt += 1
        if self._truth is not None:
            self._truth.spoilt(due.event, spoilt)

    def _hand_over(self, user_id: str, value: str | bytes) -> None:
        self._producer.send(Outgoing(self._topic, user_id, value))
        self.sent.messages += 1
