"""What stored readings mean: which came late or are in doubt, the windows they make, and the alerts they raise.

Readings that are not late are judged in the batch that stores them. What a late one changes is only noted there, in the
same transaction, and judged soon after, in small transactions of its own, so that a flood of them holds nobody up.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from alerts.detection import Detected, Detection
from alerts.engine import Source
from alerts.engine.crowd import Times
from alerts.engine.snapshot import Snapshot
from alerts.snapshots import snapshots_drop
from devices.metrics import Flag
from ingestion.evaluate.late import Span, Stretches, parts_of
from ingestion.evaluate.quality import NO_ARRIVAL, Arrival, Quality
from ingestion.evaluate.window_rows import window_rows, windows_store, windows_store_anew
from ingestion.evaluate.windows import MINUTE, Completed, Windows
from ingestion.write.copying import Later, at_once

SILENT_FOR: Final = timedelta(minutes=10)  # then our own clock completes a person's windows
IDLE_FOR: Final = timedelta(hours=1)  # then nothing is remembered of a person
Snapshots = Mapping[Source, Mapping[int, Snapshot]]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a transaction found. `detected` goes to the screens, the rest is remembered once it is committed."""

    detected: Detected = field(default_factory=Detected)
    windows: Completed = field(default_factory=Completed)
    arrival: Arrival = NO_ARRIVAL
    reopened: frozenset[int] = frozenset()  # people whose windows must be read again
    has_late: bool = False  # something of it waits to be judged
    passed: dict[int, datetime] = field(default_factory=dict)  # up to when windows were completed by our clock


class Evaluation:
    """Owns what is remembered of people: how far their time has come, their open windows, their pending episodes."""

    def __init__(self, *, detection: Detection, freshness: timedelta) -> None:
        self._detection = detection
        self._quality = Quality()
        self._windows = Windows(freshness=freshness)
        self._heard: dict[int, datetime] = {}
        self._passed: dict[int, datetime] = {}

    def judge_arrival(self, readings: pl.DataFrame, *, at: datetime) -> tuple[pl.DataFrame, Arrival]:
        """`readings` (in order of arrival) with the flags that depend on what came before them, and what follows."""
        if not readings.is_empty():
            self._detection.read_rules(at=at, since=_earliest(readings))
        return self._quality.judge(readings)

    def evaluate(
        self, new: pl.DataFrame, *, arrival: Arrival, late: Stretches, at: datetime, later: Later = at_once
    ) -> Evaluated:
        """Judge readings that this transaction stores (in order of arrival, late ones flagged), after `judge_arrival`.

        What needs the database comes last, or is handed to `later`: the readings may still be on their way there.
        """
        if new.is_empty():
            return Evaluated(arrival=arrival)
        punctual = new
        is_late = pl.Series(new["flags"].to_numpy() & int(Flag.LATE) != 0)
        if is_late.any():
            first = late.note(new.filter(is_late))
            snapshots_drop(since=first)
            punctual = new.filter(~is_late)
        windows = self._windows.complete(punctual, people=arrival.people, wanted=self._detection.windows)
        rows = window_rows(windows.found)
        later(lambda: windows_store(rows))
        reached = Times(arrival.people.user, arrival.people.after)
        detected = self._detection.detect(
            punctual, at=at, reached=reached, stored=new["user_id"], windows=windows.found
        )
        return Evaluated(detected, windows, arrival, has_late=punctual.height < new.height)

    def again(self, spans: Mapping[int, Span], *, at: datetime) -> Evaluated:
        """Judge anew what late readings touched, in a transaction of its own."""
        self._detection.read_rules(at=at)
        wanted = self._detection.windows
        windows_store_anew(window_rows(self._windows.again(part, at=at, wanted=wanted)) for part in parts_of(spans))
        since = {user_id: span.since for user_id, span in spans.items()}
        snapshots_drop(since=since)  # one may have been saved meanwhile
        detected = self._detection.again(since, at=at)
        return Evaluated(detected, reopened=frozenset(spans))

    def keep(self, evaluated: Evaluated, *, at: datetime) -> None:
        """Take over what a committed transaction found."""
        self._quality.keep(evaluated.arrival)
        self._windows.keep(evaluated.windows)
        self._windows.forget(evaluated.reopened)
        self._detection.keep(evaluated.detected)
        heard = evaluated.arrival.people.user.tolist()
        self._heard |= dict.fromkeys(heard, at)
        for user_id in heard if self._passed else ():  # what they send may lie in a window that our clock completed
            self._passed.pop(user_id, None)
        self._passed |= evaluated.passed

    def drop(self) -> None:
        """Forget everybody."""
        self._quality.drop()
        self._windows.drop()
        self._detection.drop()
        self._heard.clear()
        self._passed.clear()

    def silent(self, *, at: datetime) -> dict[int, datetime]:
        """People of whom nothing was heard for 10 min while windows of theirs may be open; up to when theirs are over
        already. Each is named once a minute."""
        longest = self._windows.longest
        found = {}
        for user_id, heard in self._heard.items():
            if at - heard < SILENT_FOR:
                continue
            watermark = self._quality.watermark(user_id)
            over = max(watermark, self._passed.get(user_id, watermark))
            if over < watermark + longest and at - over >= MINUTE.size:
                found[user_id] = over
        return found

    def pass_time(self, silent: Mapping[int, datetime], *, at: datetime) -> Evaluated:
        """Complete the windows of silent people by our own clock, and judge these; in a transaction of its own."""
        self._detection.read_rules(at=at)
        over = self._windows.pass_time(silent, at=at, wanted=self._detection.windows)
        windows_store(window_rows(over))
        detected = self._detection.detect_windows(over, at=at)
        return Evaluated(detected, reopened=frozenset(silent), passed=dict.fromkeys(silent, at))

    def save_snapshots(self, *, at: datetime) -> Snapshots:
        """Save what has been pending for long; in a transaction of its own, which `snapshots_saved` follows."""
        return self._detection.save_snapshots(at=at)

    def snapshots_saved(self, found: Snapshots) -> None:
        self._detection.snapshots_saved(found)

    def forget_idle(self, *, at: datetime) -> None:
        """Forget people of whom nothing was heard for an hour, and whose windows are over: whoever speaks again is read
        back."""
        idle_for = max(IDLE_FOR, self._windows.longest + SILENT_FOR)
        self.forget([user_id for user_id, heard in self._heard.items() if at - heard >= idle_for])

    def forget(self, people: Collection[int]) -> None:
        """Forget these people; an alert of theirs that lags behind its episode is still rewritten."""
        for user_id in people:
            self._heard.pop(user_id, None)
            self._passed.pop(user_id, None)
        self._quality.forget(people)
        self._windows.forget(people)
        self._detection.forget(people)


def _earliest(new: pl.DataFrame) -> datetime:
    """When the first of these readings was received."""
    received: datetime = new["received_at"].min()  # type: ignore[assignment]  # of some rows there is one
    return received
