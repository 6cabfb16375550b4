"""A run of the simulator: simulated readings to Kafka, in order of time, each no earlier than it was taken.

`Run.step` is what a command or a task calls until the run is over. Stretches that lie in the past are sent as fast as
the broker takes them; the present is sent as it comes. Times are milliseconds since the Unix epoch.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from devices.simulator.events import encode
from devices.simulator.people import people
from devices.simulator.plan import Plan
from devices.simulator.spoil import chosen, spoil
from devices.simulator.stream import Stretch, readings
from ingestion.send.producer import Outgoing, Producer
from ingestion.send.truth import Truth

log = structlog.get_logger(__name__)
AHEAD_MS: Final = 1_000
ROWS_A_STRETCH: Final = 20_000
# A wearable whose readings can't leave it for longer than this has lost them, once it was up to date.
FORGETS_AFTER_MS: Final = 60_000


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


def never_held(_user_id: str, _at_ms: int) -> bool:
    """Of a run that has no rivals."""
    return False


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where readings go, who writes down what was injected, and who is left to other runs.

    `is_held` says of a person and a time (ms) that another run sends that reading.
    """

    producer: Producer
    topic: str
    truth: Truth | None = None
    is_held: Callable[[str, int], bool] = never_held


class Run:
    """Sends a plan, from `from_ms` (else its start) on. Readings are made up to `ahead_ms` before their time."""

    def __init__(self, plan: Plan, outlet: Outlet, *, from_ms: int | None = None, ahead_ms: int = AHEAD_MS) -> None:
        self._plan = plan
        self._outlet = outlet
        self._who = people(plan.seed, plan.user_ids)
        self._made_to = plan.start_ms if from_ms is None else from_ms
        self._ahead_ms = ahead_ms
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
        if not self._due and self._made_to <= now_ms:
            self._make(now_ms)
        while self._due and self._due[0].at_ms <= now_ms:
            self._send(self._due.popleft())
        self._outlet.producer.poll()
        if self._outlet.truth is not None:
            self._outlet.truth.close_before(self.position_ms)
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
        end_ms = min(self._made_to + most_ms, now_ms + self._ahead_ms)
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

    def _send(self, due: _Due) -> None:
        if self._outlet.is_held(due.user_id, due.at_ms):
            self.sent.left += 1
        elif due.is_spoilt:
            self._send_spoilt(due)
        else:
            self._hand_over(due.user_id, due.event)
            if self._outlet.truth is not None and due.injection >= 0:
                self._outlet.truth.saw(due.injection, due.user_id, due.at_ms, due.values)

    def _send_spoilt(self, due: _Due) -> None:
        spoilt = spoil(due.event)
        for value in spoilt.values:
            self._hand_over(due.user_id, value)
        self.sent.spoilt += 1
        if self._outlet.truth is not None:
            self._outlet.truth.spoilt(due.event, spoilt)

    def _hand_over(self, user_id: str, value: str | bytes) -> None:
        self._outlet.producer.send(Outgoing(self._outlet.topic, user_id, value))
        self.sent.messages += 1
