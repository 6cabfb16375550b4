"""The stream worker: `while not stopping: step()`.

A step polls, prepares and writes one batch. When it is behind, the next batches are prepared while one is being
written; when it is up to date, each batch goes through at once.
"""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from confluent_kafka import KafkaException
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from alerts.detection import Detected
from devices.failpoints import reach
from ingestion.decode.verdicts import Limits
from ingestion.stream.batch import Batch, Position
from ingestion.stream.pipeline import Outcome, Pipeline
from ingestion.stream.prepare import Prepared, prepare
from ingestion.stream.transport import Subscription, Transport
from ingestion.write import ledger
from ingestion.write.ledger import Claim, Fenced, Owner

log = structlog.get_logger(__name__)
LONGEST_BACKOFF_S: Final = 5.0
ENOUGH: Final = 1_000  # messages; more of them cost little less each
BEHIND: Final = 4 * ENOUGH  # waiting: then as many as a batch holds are taken at once
MANY: Final = 5_000  # people; what is remembered of them takes room
OF_MANY: Final = 8_500  # messages of a batch then: on their way they take as much
AHEAD: Final = 2  # batches that are prepared while one is written
LATE_EVERY_S: Final = 1.0
LOST_FOR_S: Final = 30.0  # then a member whose partitions were lost, and who got none again, joins anew
DATABASE_ERRORS: Final = (OperationalError, InterfaceError)


@dataclass(slots=True)
class Pending:
    """A polled batch on its way: its preparation, and the offsets that the ledger must show before it is written."""

    batch: Batch
    prepared: Future[Prepared]
    first: dict[Position, int]


@dataclass(slots=True)
class Step:
    """What a step wrote: nothing, one batch, or two; and what it found `aside`, in readings that came late."""

    outcomes: list[tuple[Batch, Outcome]] = field(default_factory=list)
    aside: list[Detected] = field(default_factory=list)


class Worker:
    """One member of the group. `step` does a bounded piece of work; callbacks of the group run inside it."""

    def __init__(  # noqa: PLR0913  # its parts, each by name
        self, *, subscription: Subscription, owner: Owner, pipeline: Pipeline, start: str,
        limits: Callable[[], Limits], now: Callable[[], datetime], stopping: Callable[[], bool],
    ) -> None:  # fmt: skip
        self._subscription = subscription
        self._owner = owner
        self._pipeline = pipeline
        self._start = start
        self._limits = limits
        self._now = now
        self._stopping = stopping
        self._preparer = ThreadPoolExecutor(1, "prepare")
        self._claims: dict[Position, Claim] = {}
        self._polled: dict[Position, int] = {}  # where the next poll goes on
        self._pending: deque[Pending] = deque()
        self._rejoin = False
        self._is_revoking = False
        self._lost_at: float | None = None  # of the monotonic clock
        self.is_behind = True  # perhaps: the next batch is worth waiting for: it is prepared while this one is written
        self._judged_late_at = 0.0  # of the monotonic clock
        self._failure: Exception | None = None
        self._done: list[tuple[Batch, Outcome]] = []
        self._transport = Transport(subscription, self)

    def step(self) -> Step:
        """Poll and write; raises what is unexpected, after which the process must end."""
        close_old_connections()
        full = self._full()
        batch = self._transport.poll(now=self._now, most=full if self.is_behind else min(ENOUGH, full))
        self._raise_failure()
        self._look_whether_lost()
        if self._rejoin:
            self._join_anew()
            return Step(self._take_done())
        self.is_behind = len(batch) >= full or self.lag() >= min(full // 2, BEHIND)
        if len(batch):
            self._pending.append(self._prepare(batch))
        self._flush(but=AHEAD if self.is_behind and len(batch) else 0)
        return Step(self._take_done(), self._judge_late())

    def _full(self) -> int:
        """How many messages a batch holds at most, when we are behind; when we are not, no more than a good many are
        waited for: their readers wait, too."""
        full = self._subscription.messages
        return min(full, OF_MANY) if len(self._pipeline.people) > MANY else full

    def pass_time(self) -> list[Detected]:
        """Let our own clock complete the windows of people who are silent."""
        return self._aside(self._pipeline.pass_time)

    def tidy(self) -> None:
        """Save and forget what is remembered of people, where that is due."""
        self._aside(self._pipeline.tidy)

    def _judge_late(self) -> list[Detected]:
        """A little of what waits: between batches that hurry, for no more than a moment each second."""
        if self.is_behind and time.monotonic() - self._judged_late_at < LATE_EVERY_S:
            return []
        self._judged_late_at = time.monotonic()
        return self._aside(self._pipeline.judge_late)

    def _aside(self, work: Callable[..., Detected | None]) -> list[Detected]:
        """What work beside the batches found; it comes again, where the database or a partition is not ours now."""
        waiting: dict[Position, int] = {}
        for pending in reversed(self._pending):
            waiting |= pending.first
        first = {position: waiting.get(position, offset) for position, offset in self._polled.items()}
        if not first or self._rejoin:
            return []
        try:
            found = work(first=first, claims=self._claims, at=self._now())
        except Fenced as fenced:
            self._leave(fenced)
        except DATABASE_ERRORS as error:
            log.warning("database.away", error=str(error).strip().split("\n")[0])
            self._pipeline.drop_state()
            connection.close()
        else:
            return [] if found is None else [found]
        return []

    def rest(self, seconds: float) -> None:
        """Read nothing for a while, and stay in the group."""
        if self._rejoin or self._failure is not None:
            return
        paused = list(self._polled)
        self._transport.pause(paused)
        self._transport.heartbeat(seconds)
        self._transport.resume([position for position in paused if position in self._claims])

    def positions(self) -> dict[Position, int]:
        """Our partitions, and how far each is polled."""
        return dict(self._polled)

    def lags(self) -> dict[Position, int]:
        """Messages known to wait beyond what we polled, by partition."""
        return self._transport.lags(self._polled)

    def lag(self) -> int:
        """As `lags`, of all our partitions together."""
        return sum(self.lags().values())

    def stop(self) -> Step:
        """Write what is polled and leave the group."""
        self._flush()
        self._transport.settle()
        self._transport.close()
        self._raise_failure()
        self._preparer.shutdown()
        return Step(self._take_done())

    # The group's callbacks; they run inside `poll`, `settle` and `close`, between transactions.

    def on_assigned(self, positions: list[Position]) -> dict[Position, int]:
        """Claim first, only then read state: what the last owner wrote is visible from here on."""
        try:
            return self._claim(positions)
        except Exception as error:  # noqa: BLE001  # librdkafka swallows it: kept, and raised by step()
            self._failure = error
            return {}

    def _claim(self, positions: list[Position]) -> dict[Position, int]:
        close_old_connections()
        claims = ledger.claim(positions, owner=self._owner)
        ids = self._transport.topic_ids(position.topic for position in positions)
        anew = ledger.made_anew(claims, ids=ids, owner=self._owner)
        starts = {}
        for position, claim in claims.items():
            if claim.next_offset is None:
                starts[position] = self._first(position, claim)
            elif position in anew:
                low, _ = self._transport.bounds(position)
                starts[position] = self._skip(position, claim.next_offset, low, topic_id=ids[position.topic])
            else:
                starts[position] = claim.next_offset
        self._claims |= claims
        self._polled |= starts
        self._lost_at = None
        self._pipeline.drop_state()
        log.info("consumer.assigned", partitions=[p.partition for p in positions])
        return starts

    def _first(self, position: Position, claim: Claim) -> int:
        low, high = self._transport.bounds(position)
        offset = high if self._start == "latest" else low
        ledger.begin(position, offset, epoch=claim.epoch, owner=self._owner)
        return offset

    def on_revoked(self, positions: list[Position]) -> None:
        self._is_revoking = True
        try:
            self._flush()
        except Exception as error:  # noqa: BLE001  # see on_assigned
            self._failure = error
        self._is_revoking = False
        self._forget(positions)

    def on_lost(self, positions: list[Position]) -> None:
        if any(pending.first.keys() & set(positions) for pending in self._pending):
            self._pending.clear()
            self._rejoin = True
        self._forget(positions)
        self._lost_at = time.monotonic()

    def on_gap(self, position: Position, low: int) -> int:
        """Recorded and logged, never silent; then from what the broker still holds.

        Of records that were deleted the offset lies before all that are left. Else it lay behind them, of a topic made
        anew, and may lie among them by now.
        """
        self._flush()
        if self._rejoin:  # what was polled is not stored: whoever gets the partition next finds the gap
            return low
        expected = self._polled[position]
        self._polled[position] = self._skip(position, expected, low, topic_id=None if expected < low else "")
        return low

    def _skip(self, position: Position, expected: int, found: int, *, topic_id: str | None) -> int:
        """Go on from `found`: of a topic made anew that has this id (empty: it is not known), None of the same one."""
        ledger.record_gap(position, expected=expected, found=found, topic_id=topic_id, owner=self._owner)
        log.error("consumer.gap", topic=position.topic, partition=position.partition, expected=expected, found=found)
        return found

    def _forget(self, positions: list[Position]) -> None:
        for position in positions:
            self._claims.pop(position, None)
            self._polled.pop(position, None)
        self._pipeline.drop_state()
        log.info("consumer.revoked", partitions=[p.partition for p in positions])

    def _look_whether_lost(self) -> None:
        """Nobody tells a member whom the group has put out, and who does not know it: it would wait for ever."""
        if self._lost_at is not None and time.monotonic() - self._lost_at > LOST_FOR_S:
            self._lost_at = None
            if not self._claims:
                log.warning("consumer.left_out")
                self._rejoin = True

    # Writing.

    def _prepare(self, batch: Batch) -> Pending:
        reach("after_poll")
        first = {position: self._polled[position] for position in batch.next}
        self._polled |= batch.next
        limits = self._limits()
        return Pending(
            batch, self._preparer.submit(prepare, batch, limits=limits, known=dict(self._pipeline.people)), first
        )

    def _flush(self, *, but: int = 0) -> None:
        """Write what is polled, in order, but for the last ones."""
        while len(self._pending) > but:
            self._write(self._pending.popleft())

    def _write(self, pending: Pending) -> None:
        """Write a batch, waiting for a database that is away; a fence that is closed makes us leave and join anew."""
        prepared = pending.prepared.result()
        reach("after_decode")
        outcome: Outcome | None = None
        try:
            outcome = self._write_once(pending, prepared)
        except DATABASE_ERRORS as error:
            outcome = self._write_when_back(pending, prepared, error)
        except Fenced as fenced:
            self._leave(fenced)
        if outcome is not None:
            self._done.append((pending.batch, outcome))
        elif self._rejoin:
            return
        self._transport.commit(pending.batch.next)
        reach("after_offsets")

    def _write_once(self, pending: Pending, prepared: Prepared) -> Outcome:
        return self._pipeline.write(pending.batch, prepared, first=pending.first, claims=self._claims, at=self._now())

    def _write_when_back(self, pending: Pending, prepared: Prepared, error: Exception) -> Outcome | None:
        """Back off with the partitions paused until the batch is written; None where the failed COMMIT had worked.

        The outcome of a COMMIT that failed is unknown: the ledger tells.
        """
        backoff, paused = 0.1, list(self._polled)
        self._transport.pause(paused)
        try:
            while True:
                log.warning("database.away", error=str(error).strip().split("\n")[0], retry_in_s=round(backoff, 1))
                self._pipeline.drop_state()
                if self._is_revoking:
                    raise Fenced("partitions are wanted by somebody else while the database is away")
                self._transport.heartbeat(backoff)
                self._raise_failure()
                if self._stopping():
                    raise Fenced("told to stop while the database is away")
                if self._rejoin or not pending.first.keys() <= self._claims.keys():
                    raise Fenced("a partition went while the database was away")
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)
                connection.close()
                try:
                    if self._is_written(pending):
                        return None
                    return self._write_once(pending, prepared)
                except DATABASE_ERRORS as again:
                    error = again
        except Fenced as fenced:
            self._leave(fenced)
            return None
        finally:
            self._transport.resume([position for position in paused if position in self._claims])

    def _is_written(self, pending: Pending) -> bool:
        stored = ledger.next_offsets(
            cluster_id=self._owner.cluster_id, topics={position.topic for position in pending.first}
        )
        return all(stored.get(position) == offset for position, offset in pending.batch.next.items())

    def _leave(self, fenced: Fenced) -> None:
        """Somebody else stores these partitions now: drop everything and join the group anew."""
        log.warning("consumer.fenced", reason=str(fenced))
        self._pending.clear()
        self._pipeline.drop_state()
        self._rejoin = True

    def _join_anew(self) -> None:
        self._pending.clear()
        self._transport.close()
        self._claims.clear()
        self._polled.clear()
        self._failure = None
        self._rejoin = False
        time.sleep(0.5)
        self._await_database()
        self._transport = Transport(self._subscription, self)

    def _await_database(self) -> None:
        """Nobody asks for partitions who could not claim them: others may."""
        backoff = 0.5
        while not self._stopping():
            try:
                connection.close()
                connection.ensure_connection()
            except DATABASE_ERRORS as error:
                log.warning("database.away", error=str(error).strip().split("\n")[0], retry_in_s=backoff)
                time.sleep(backoff)
                backoff = min(backoff * 2, LONGEST_BACKOFF_S)
            else:
                return

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            if isinstance(failure, (*DATABASE_ERRORS, KafkaException, Fenced)):
                log.warning("consumer.claim_failed", error=str(failure).strip().split("\n")[0])
                self._rejoin = True
            else:
                raise failure

    def _take_done(self) -> list[tuple[Batch, Outcome]]:
        done, self._done = self._done, []
        return done
