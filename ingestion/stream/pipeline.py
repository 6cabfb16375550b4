"""The way a batch takes, on one screen: fence, store, detect, quarantine, ledger; one transaction, one direction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, NamedTuple

import numpy as np
import polars as pl
from django.db import DataError, IntegrityError, transaction

from alerts.detection import Detected
from alerts.due_hours import DueHours, Keys
from alerts.engine.clock import length, moment
from alerts.engine.rows import instants
from devices.failpoints import reach
from devices.models.reading import COLUMNS
from devices.partitions import Partitions
from devices.times import is_due
from ingestion.decode.columns import Decoded
from ingestion.decode.verdicts import Code, Rejected
from ingestion.evaluate.evaluation import Evaluated, Evaluation, Snapshots
from ingestion.evaluate.late import Span, Stretches, stretches_take
from ingestion.models import QuarantinedMessage
from ingestion.stream.batch import Batch, Position
from ingestion.stream.prepare import KIND_END, Prepared, prepare_decoded, with_ids
from ingestion.write.copying import Later
from ingestion.write.ledger import Claim, Owner, advance, fence
from ingestion.write.people import people_changed, register_devices, resolve_people
from ingestion.write.pgcopy import BinaryRows
from ingestion.write.quarantine import quarantine, with_erased
from ingestion.write.store import store, store_while, with_flags
from ingestion.write.writers import Writer

CAUTIOUS_BATCHES: Final = 10
TOUCH_DEVICES_EVERY: Final = timedelta(minutes=1)
_DAY_US: Final = length(timedelta(days=1))
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


class Readings(NamedTuple):
    """The rows to store (COLUMNS, username, device_sources), these as COPY takes them, whom nobody knows (the name, by
    message), and for whom others write, or nobody yet."""

    rows: pl.DataFrame
    written: BinaryRows | None
    strangers: dict[int, str]
    others: dict[int, int | None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a batch. `stored` holds the new rows (COLUMNS and `username`), in order of arrival; `accepted`
    all that were accepted, new or not, with the number of each one's `message`."""

    stored: pl.DataFrame
    duplicates: int
    conflicting: int
    quarantined: list[QuarantinedMessage]
    unknown_fields: int
    evaluated: Evaluated
    marked: Keys
    accepted: pl.DataFrame

    @property
    def detected(self) -> Detected:
        return self.evaluated.detected


class Pipeline:
    """Owns what outlives a batch: what is remembered of people, known partitions and devices."""

    def __init__(
        self, *, owner: Owner, writer: Writer, evaluation: Evaluation, partitions: Partitions, provision: bool
    ) -> None:
        self._owner = owner
        self._writer = writer
        self._evaluation = evaluation
        self._partitions = partitions
        self._provision = provision
        self._late_waits = True  # perhaps: whoever had our partitions before may have left some
        self._cautious_for = 0  # batches: duplicates come in company
        self._hours = DueHours()
        self._touched: set[str] = set()  # people with the sets of their devices, since `_touched_since`
        self._touched_past: set[str] = set()  # the same, of whom it was only told what they did long ago
        self._touched_since = _NEVER
        self.people: dict[str, int] = {}  # ids by name, for `prepare`: what is out of date is found out

    def write(
        self, batch: Batch, prepared: Prepared, *, first: Mapping[Position, int], claims: Mapping[Position, Claim],
        at: datetime,
    ) -> Outcome:  # fmt: skip
        """Store and judge a prepared batch in one transaction.

        Raises Fenced where another consumer has taken over; after that, and after any database error, nothing was
        written or it is not known what, and `drop_state` must follow.
        """
        self._partitions.ensure(_days(prepared.rows))
        try:
            outcome = self._transact(batch, prepared, first=first, claims=claims, at=at)
        except (DataError, IntegrityError):
            self.drop_state()
            self._partitions.ensure(_days(prepared.rows))  # somebody may have dropped one that we knew
            sound = self._without_refused(batch, prepared, at)
            outcome = self._transact(batch, sound, first=first, claims=claims, at=at)
        reach("after_commit")
        self._evaluation.keep(outcome.evaluated, at=at)
        self._hours.keep(outcome.marked, at=at)
        self._cautious_for = CAUTIOUS_BATCHES if outcome.duplicates else max(0, self._cautious_for - 1)
        self._late_waits |= outcome.evaluated.has_late
        return outcome

    def judge_late(
        self, *, first: Mapping[Position, int], claims: Mapping[Position, Claim], at: datetime
    ) -> Detected | None:
        """Judge anew what late readings of a few people touched, in a transaction of its own; None where none waits.

        `first` are all our partitions, and where they stand. Raises as `write` does.
        """
        if not self._late_waits:
            return None

        def work() -> tuple[dict[int, Span], Evaluated]:
            fence(first, claims, owner=self._owner)
            spans = stretches_take(cluster_id=self._owner.cluster_id, positions=first)
            self._take(self._writer.others(spans.keys()))
            evaluated = self._evaluation.again(spans, at=at) if spans else Evaluated()
            if spans:
                reach("late_before_commit")
            return spans, evaluated

        spans, evaluated = self._writer.transact(work)
        if spans:
            reach("late_after_commit")
        self._late_waits = bool(spans)
        self._evaluation.keep(evaluated, at=at)
        return evaluated.detected if spans else None

    def pass_time(
        self, *, first: Mapping[Position, int], claims: Mapping[Position, Claim], at: datetime
    ) -> Detected | None:
        """Let our own clock complete the windows of people who are silent; as `judge_late`."""
        silent = self._evaluation.silent(at=at)
        if not silent:
            return None

        def work() -> Evaluated:
            fence(first, claims, owner=self._owner)
            gone = self._writer.not_ours(silent.keys())  # to others, who know since when they are silent
            self._evaluation.forget(gone)
            ours = {user_id: over for user_id, over in silent.items() if user_id not in gone}
            return self._evaluation.pass_time(ours, at=at) if ours else Evaluated()

        evaluated = self._writer.transact(work)
        self._evaluation.keep(evaluated, at=at)
        return evaluated.detected

    def tidy(self, *, first: Mapping[Position, int], claims: Mapping[Position, Claim], at: datetime) -> None:
        """Save what has been pending for long, and forget who has not been heard of for long; as `judge_late`."""
        self._evaluation.forget_idle(at=at)

        def work() -> Snapshots:
            fence(first, claims, owner=self._owner)
            return self._evaluation.save_snapshots(at=at)

        self._evaluation.snapshots_saved(self._writer.transact(work))

    def _transact(
        self, batch: Batch, prepared: Prepared, *, first: Mapping[Position, int], claims: Mapping[Position, Claim],
        at: datetime,
    ) -> Outcome:  # fmt: skip
        return self._writer.transact(partial(self._work, batch, prepared, first=first, claims=claims, at=at))

    def _work(
        self, batch: Batch, prepared: Prepared, *, first: Mapping[Position, int], claims: Mapping[Position, Claim],
        at: datetime,
    ) -> Outcome:  # fmt: skip
        fence(first, claims, owner=self._owner)
        readings, written, strangers, others = self._readings(prepared, at)
        self._take(others)
        judged, arrival = self._evaluation.judge_arrival(readings, at=at)
        if written is not None and not judged["flags"].equals(readings["flags"]):
            written = with_flags(written, judged)
        late = Stretches(self._owner.cluster_id, lambda: _positions(batch, prepared))

        def evaluate(new: pl.DataFrame, later: Later) -> Evaluated:
            later(partial(reach, "after_store"))
            return self._evaluation.evaluate(new, arrival=arrival, late=late, at=at, later=later)

        stored, evaluated = store_while(judged, evaluate, written=written, is_likely_new=not self._cautious_for)
        self._register_devices(prepared.spoke, at)
        marked = self._hours.mark(stored.new, at=at)
        refused = prepared.decoded.rejected | dict.fromkeys(strangers, Rejected(Code.UNKNOWN_USER, "user_id"))
        rejected = with_erased(batch, refused, names=strangers)
        quarantined = quarantine(batch, rejected, cluster_id=self._owner.cluster_id)
        advance(batch.next, owner=self._owner)
        reach("before_commit")
        return Outcome(
            stored.new,
            stored.duplicates,
            stored.conflicting,
            quarantined,
            prepared.decoded.unknown_fields,
            evaluated,
            marked,
            prepared.rows.filter(~pl.col("message").is_in(list(strangers))) if strangers else prepared.rows,
        )

    def _take(self, others: Mapping[int, int | None]) -> None:
        """Write for people for whom somebody else did, or nobody: what we remember of them is old."""
        if others:
            self._evaluation.forget(self._writer.take(others))

    def _readings(self, prepared: Prepared, at: datetime) -> Readings:
        known, others = self._people(prepared.names, at)
        columns = [*COLUMNS, "username", "device_sources"]
        if prepared.written is not None and known == prepared.people:
            return Readings(prepared.rows[columns], prepared.written, {}, others)
        rows = with_ids(prepared.rows, known)
        strangers = dict(rows.filter(pl.col("user_id").is_null()).select("message", "username").iter_rows())
        return Readings(rows.drop_nulls("user_id").select(columns), None, strangers, others)

    def _people(self, names: list[str], at: datetime) -> tuple[dict[str, int], dict[int, int | None]]:
        """The ids of those who are known or made now, and who of them is not ours; who was known is looked at only for
        not being that any more."""
        known = {name: user_id for name in names if (user_id := self.people.get(name)) is not None}
        gone, others = people_changed(known, writer=self._writer.key)
        for name in gone:
            del known[name], self.people[name]
            self._touched_forget()  # somebody else may have that name now
        if unknown := [name for name in names if name not in known]:
            found = resolve_people(unknown, provision=self._provision, at=at)
            self.people |= found
            known |= found
            others |= self._writer.others(found.values())
        return known, others

    def _register_devices(self, spoke: pl.DataFrame, at: datetime) -> None:
        """Touch the devices that spoke, each at most once a minute of our own clock; but who brings their past along
        is not taken for silent when the present follows."""
        if is_due(self._touched_since, every=TOUCH_DEVICES_EVERY, now=at):
            self._touched_forget()
            self._touched_since = at
        sets: list[str] = spoke["who"].to_list()
        news = set(sets) - self._touched
        if not news:
            return
        due: dict[tuple[int, str], datetime] = {}
        for who, seen_at in zip(sets, spoke["seen_at"].to_list(), strict=True):
            is_past = at - seen_at > TOUCH_DEVICES_EVERY
            if who not in news or (is_past and who in self._touched_past):
                continue
            name, *kinds = who.split(KIND_END)
            user_id = self.people.get(name)
            if user_id is not None:
                (self._touched_past if is_past else self._touched).add(who)
                for kind in filter(None, kinds):
                    key = user_id, kind
                    due[key] = max(seen_at, due.get(key, seen_at))
        register_devices(((*key, seen_at) for key, seen_at in due.items()), at=at)

    def _touched_forget(self) -> None:
        self._touched.clear()
        self._touched_past.clear()

    def _without_refused(self, batch: Batch, prepared: Prepared, at: datetime) -> Prepared:
        """`prepared` with the rows that PostgreSQL itself refuses moved to the rejected, found by halving."""
        decoded = prepared.decoded
        refused = self._refused(batch, decoded.events, at)
        sound = decoded.events.filter(~pl.col("message").is_in(pl.Series(list(refused), dtype=pl.Int64).implode()))
        return prepare_decoded(
            batch, Decoded(sound, decoded.rejected | refused, decoded.unknown_fields), known=self.people
        )

    def _refused(self, batch: Batch, events: pl.DataFrame, at: datetime) -> dict[int, Rejected]:
        if events.is_empty() or self._is_storable(batch, events, at):
            return {}
        if events.height == 1:
            return {events["message"][0]: Rejected(Code.STORAGE_REFUSED)}
        middle = events.height // 2
        return self._refused(batch, events[:middle], at) | self._refused(batch, events[middle:], at)

    def _is_storable(self, batch: Batch, events: pl.DataFrame, at: datetime) -> bool:
        prepared = prepare_decoded(batch, Decoded(events, {}), known=self.people)
        try:
            with transaction.atomic(durable=True):
                store(self._readings(prepared, at).rows)
                transaction.set_rollback(True)
        except (DataError, IntegrityError):
            return False
        finally:
            self.people.clear()  # whoever was made in there is gone again
        return True

    def drop_state(self) -> None:
        """Forget what was remembered of people: after a failed transaction, on revoke and on loss."""
        self._evaluation.drop()
        self._late_waits = True
        self._hours.drop()
        self._touched_forget()
        self.people.clear()
        self._partitions.forget()


def _days(events: pl.DataFrame) -> list[datetime]:
    """One instant of each day in the batch."""
    days = np.unique(instants(events["recorded_at"]) // _DAY_US)
    return [moment(day) for day in (days * _DAY_US).tolist()]


def _positions(batch: Batch, prepared: Prepared) -> dict[str, Position]:
    """By which partition the readings of each `user_id` of the stream came."""
    first = prepared.rows.group_by("username").agg(pl.first("message"))
    return {name: batch.origins[message].position for name, message in first.iter_rows()}
