"""What a run injected, for whoever checks that it was found: one object a line, written when it is known.

`kind` is `anomaly` (of one person: which, the alert type it must raise, from when to when, how many readings, and the
lowest and highest value of each metric as sent; `complete` is false where the run ended first) or `bad_data` (the code
and the event that was spoilt).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from devices.simulator.spoil import Spoilt
from devices.simulator.stream import Injection
from devices.times import rfc3339


@dataclass(slots=True)
class _Seen:
    """Of one person under one injection."""

    first_ms: int | None = None
    last_ms: int | None = None
    count: int = 0
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)

    def add(self, at_ms: int, values: dict[str, float | None]) -> None:
        self.first_ms = at_ms if self.first_ms is None else self.first_ms
        self.last_ms = at_ms
        self.count += 1
        for name, value in values.items():
            if value is not None:
                low, high = self.bounds.get(name, (value, value))
                self.bounds[name] = (min(low, value), max(high, value))


class Truth:
    """Writes the truth of a run's injections to `out`."""

    def __init__(self, out: TextIO, injections: Sequence[Injection]) -> None:
        self._out = out
        self._open = {
            (number, user_id): (injection, _Seen())
            for number, injection in enumerate(injections)
            for user_id in sorted(injection.user_ids)
        }

    def saw(self, injection: int, user_id: str, at_ms: int, values: dict[str, float]) -> None:
        """A reading of an injection was sent; `values` of the metrics that injections name."""
        of, seen = self._open[injection, user_id]
        seen.add(at_ms, {name: value for name, value in values.items() if name in of.anomaly.values})

    def spoilt(self, event: str, spoilt: Spoilt) -> None:
        """An event was sent spoilt."""
        good = json.loads(event)
        self._write(
            {"kind": "bad_data", "code": spoilt.code, "way": spoilt.way}
            | {name: good[name] for name in ("user_id", "timestamp", "event_id")}
        )

    def close_before(self, position_ms: int) -> None:
        """Everything before `position_ms` is sent: tell the injections that are over."""
        for key in [key for key, (injection, _) in self._open.items() if injection.end_ms <= position_ms]:
            self._tell(key, complete=True)

    def close(self, position_ms: int) -> None:
        """The run has ended at `position_ms`: tell what was cut short, too."""
        self.close_before(position_ms)
        for key in [key for key, (injection, _) in self._open.items() if injection.start_ms < position_ms]:
            self._tell(key, complete=False)
        self._out.flush()

    def _tell(self, key: tuple[int, str], *, complete: bool) -> None:
        injection, seen = self._open.pop(key)
        anomaly = injection.anomaly
        self._write(
            {
                "kind": "anomaly",
                "anomaly": anomaly.name,
                "alert_type": anomaly.alert_type,
                "user_id": key[1],
                "start": _iso(injection.start_ms if seen.first_ms is None else seen.first_ms),
                "end": _iso(injection.end_ms if seen.last_ms is None else seen.last_ms),
                "readings": seen.count,
                "values": {name: {"min": low, "max": high} for name, (low, high) in sorted(seen.bounds.items())},
                "complete": complete,
                "needs_baseline": anomaly.baseline,
                "also": list(anomaly.also),
            }
        )

    def _write(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def _iso(at_ms: int) -> str:
    return rfc3339(datetime.fromtimestamp(at_ms / 1000, UTC))
