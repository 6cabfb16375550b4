"""Where a person's past may be cut: for each rule the last moment before which nothing can be pending.

An alert that covers the moment gives its start. Otherwise the run, if there is one, began after the last row that said
FALSE, after the last episode's end, or after a gap; rows are read backwards until one of these is found.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from django.db import connection

from alerts.deriving import Deriving
from alerts.engine import PersonState, Rule, RuleKey, RuleSet, Window, resume
from alerts.engine.clock import microseconds
from alerts.engine.derived import RATE_REACH
from alerts.engine.fold import Run
from alerts.engine.language import to_polars, to_postgres
from alerts.snapshots import LONG, snapshots_of
from alerts.stored_rows import piece_ends, relation, rows_within, times_of, windows_since

FIRST_LOOK: Final = 2  # times max_gap
_EVER: Final = datetime.max.replace(tzinfo=UTC)
_INSTANT: Final = timedelta(microseconds=1)
_FLOORS: Final = pl.Schema({"user_id": pl.Int64(), "floor": pl.Datetime("us", "UTC")})

# Of whom there are only so many rows, and no alert.
_NEW = """
SELECT w.user_id FROM unnest(%(users)s::bigint[], %(counts)s::bigint[]) AS w (user_id, rows)
 WHERE (SELECT count(*) FROM (SELECT FROM devices_reading r WHERE r.user_id = w.user_id LIMIT w.rows + 1) r) <= w.rows
   AND NOT EXISTS (SELECT FROM alerts_alert a WHERE a.user_id = w.user_id)
"""

# The alert that was open at `at`, and the end of the last one that was not. One that begins at `at` was not: a row of
# that very time may come before the row that broke the run before it.
_COVER = """
SELECT w.user_id, w.at,
       (SELECT min(a.started_at) FROM alerts_alert a
         WHERE a.user_id = w.user_id AND a.rule_id = r.id AND a.rule_version = %(version)s
           AND a.episode <> 'withdrawn'
           AND a.started_at < w.at AND (a.settled_at IS NULL OR a.settled_at >= w.at)),
       (SELECT max(a.settled_at) FROM alerts_alert a
         WHERE a.user_id = w.user_id AND a.rule_id = r.id AND a.rule_version = %(version)s
           AND a.episode <> 'withdrawn' AND a.settled_at < w.at)
  FROM unnest(%(users)s::bigint[], %(times)s::timestamptz[]) AS w (user_id, at), alerts_rule r
 WHERE r.rule_id = %(rule)s
"""

# Looking back from `at` to `back`: the last FALSE row, the first TRUE row after it, and whether older rows exist.
_LOOK = """
SELECT w.user_id, f.at, (
         SELECT min(r.recorded_at) FROM {rows} r
          WHERE r.user_id = w.user_id AND r.recorded_at < w.at AND r.recorded_at >= w.back
            AND (f.at IS NULL OR (r.recorded_at, r.event_id) > (f.at, f.id)) AND {true}
       ),
       EXISTS (SELECT 1 FROM {rows} r WHERE r.user_id = w.user_id AND r.recorded_at < w.back)
  FROM unnest(%(users)s::bigint[], %(times)s::timestamptz[], %(backs)s::timestamptz[]) AS w (user_id, at, back)
  LEFT JOIN LATERAL (
         SELECT r.recorded_at AS at, r.event_id AS id FROM {rows} r
          WHERE r.user_id = w.user_id AND r.recorded_at < w.at AND r.recorded_at >= w.back AND {false}
          ORDER BY r.recorded_at DESC, r.event_id DESC LIMIT 1
       ) f ON true
"""

_OLDER = """
SELECT w.user_id FROM unnest(%(users)s::bigint[], %(times)s::timestamptz[]) AS w (user_id, at)
 WHERE EXISTS (SELECT FROM devices_reading r WHERE r.user_id = w.user_id AND r.recorded_at < w.at)
"""

# A version sees the rows received while it was active.
_COVERED = (
    "r.received_at >= coalesce(%(active_from)s, '-infinity'::timestamptz)"
    " AND r.received_at < coalesce(%(active_until)s, 'infinity'::timestamptz)"
)


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """People whose state begins anew: each one's empty state, all their stored rows from there on, piece by piece, and
    how far their time has come where that is beyond their rows."""

    states: dict[int, PersonState]
    pieces: Iterable[pl.DataFrame]
    as_of: dict[int, int] = field(default_factory=dict)


def new_people(counts: Mapping[int, int]) -> set[int]:
    """Those of `counts` (rows of a batch that is stored, by person) of whom nothing else is stored."""
    with connection.cursor() as cursor:
        cursor.execute(_NEW, {"users": list(counts), "counts": list(counts.values())})
        return {user_id for (user_id,) in cursor.fetchall()}


def rebuild(rules: RuleSet, people: Mapping[int, datetime], deriving: Deriving | None = None) -> Rebuilt:
    """For people with rows as old as the given times: states to resume from, and the rows to fold, new ones too."""
    derive = deriving or Deriving()
    since: dict[int, dict[RuleKey, datetime]] = {user_id: {} for user_id in people}
    for rule in rules.rules:
        for user_id, at in _settled(rule, people, derive).items():
            since[user_id][rule.key] = at
    pending = _shorten(rules, people, since)
    earliest = {user_id: min(times.values(), default=people[user_id]) for user_id, times in since.items()}
    states = {user_id: resume(rules, times, pending.get(user_id, {})) for user_id, times in since.items()}
    if isinstance(rules.over, Window):
        times = {user_id: microseconds(at) for user_id, at in times_of(rules.over, list(people)).items()}
        return Rebuilt(states, [windows_since(rules, rules.over, earliest)], times)
    return Rebuilt(states, _pieces(rules, earliest, derive))


def _pieces(rules: RuleSet, since: Mapping[int, datetime], derive: Deriving) -> Iterator[pl.DataFrame]:
    """All of `readings_since`, however much that is; at least one."""
    while since:
        ends = piece_ends(since)
        yield readings_since(rules, since, derive, ends)
        since = ends


def _shorten(
    rules: RuleSet, people: Mapping[int, datetime], since: dict[int, dict[RuleKey, datetime]]
) -> dict[int, dict[RuleKey, Run]]:
    """Where the past would be read from long ago, begin at the snapshot, if one lies between; what it has pending."""
    long = [user_id for user_id, times in since.items() if min(times.values(), default=_EVER) < people[user_id] - LONG]
    measured = {rule.key: len(rule.measures) for rule in rules.rules}
    pending: dict[int, dict[RuleKey, Run]] = {}
    for user_id, snapshot in snapshots_of(source=rules.over, people=long).items() if long else ():
        if snapshot.reached_at >= people[user_id]:
            continue
        unfit = {key for key, run in snapshot.runs.items() if len(run.tallies) != measured.get(key)}
        told = snapshot.rules - unfit  # what an earlier release measured in another way is read again
        shorter = {key for key, at in since[user_id].items() if key in told and at <= snapshot.reached_at}
        since[user_id] |= dict.fromkeys(shorter, snapshot.reached_at + _INSTANT)
        pending[user_id] = {key: run for key, run in snapshot.runs.items() if key in shorter}
    return pending


def readings_since(
    rules: RuleSet, since: Mapping[int, datetime], derive: Deriving, until: Mapping[int, datetime]
) -> pl.DataFrame:
    """The stored readings of these people, each from their own time on (until one, for who has one), with the columns
    that are derived for `rules`; in no order."""
    back = RATE_REACH if rules.has_rates else timedelta(0)
    ends = [until.get(user_id, "infinity") for user_id in since]
    rows = rows_within(list(since), [at - back for at in since.values()], ends)
    if not rules.derived:
        return rows
    floors = pl.DataFrame({"user_id": list(since), "floor": list(since.values())}, schema=_FLOORS)
    made = derive.whole(rules, rows)
    return made.join(floors, on="user_id").filter(pl.col("recorded_at") >= pl.col("floor")).drop("floor")


def _settled(rule: Rule, people: Mapping[int, datetime], derive: Deriving) -> dict[int, datetime]:
    """For each person a moment at or before the given one, before which nothing of the rule is pending."""
    found: dict[int, datetime] = {}
    floors: dict[int, datetime] = {}
    for user_id, _, covered_from, ended in _query(_COVER, people, rule=rule.id, version=rule.version):
        if covered_from is not None:
            found[user_id] = covered_from
        if ended is not None:
            floors[user_id] = ended
    known = {*found, *floors}
    found |= _first_pending(rule, {u: at for u, at in people.items() if u not in found}, floors, derive)
    return found | _whole_episodes(rule, {user_id: found[user_id] for user_id in known})


def _first_pending(
    rule: Rule, people: Mapping[int, datetime], floors: Mapping[int, datetime], derive: Deriving
) -> dict[int, datetime]:
    """Where the run of each person began, if one is pending without an alert; else the time given."""
    found: dict[int, datetime] = {}
    look = rule.max_gap * FIRST_LOOK
    open_people = dict(people)
    while open_people:
        backs = {user_id: _back(at, look, floors.get(user_id)) for user_id, at in open_people.items()}
        for user_id, false_at, true_at, older in _look(rule, open_people, backs, derive):
            bounded = false_at is not None or backs[user_id] == floors.get(user_id) or not older
            if true_at is None:
                found[user_id] = open_people[user_id]
            elif bounded or true_at - backs[user_id] > rule.max_gap:
                found[user_id] = true_at
        open_people = {user_id: at for user_id, at in open_people.items() if user_id not in found}
        look *= 4
    return found


def _whole_episodes(rule: Rule, since: dict[int, datetime]) -> dict[int, datetime]:
    """The same moments, moved back so that none cuts an episode or touches its end.

    Where rows are of equal time, one may end an episode and the next begin a run.
    """
    moved = since
    while moved:
        covers = _query(_COVER, moved, rule=rule.id, version=rule.version)
        moved = {user_id: start for user_id, at, start, _ in covers if start is not None and start < at}
        since |= moved
    return since


def _back(at: datetime, look: timedelta, floor: datetime | None) -> datetime:
    """How far to look; never into an episode that is over."""
    return at - look if floor is None else max(at - look, floor)


def _look(
    rule: Rule, people: Mapping[int, datetime], backs: Mapping[int, datetime], derive: Deriving
) -> list[tuple[Any, ...]]:
    """For each person the last FALSE row in [back, at), the first TRUE row after it, and whether older rows exist."""
    rules = RuleSet([rule])
    if rules.derived:
        return _look_at_derived(rules, people, backs, derive)
    when = to_postgres(rule.when.tree).replace("%", "%%")
    sql = _LOOK.format(true=f"({when}) AND {_COVERED}", false=f"NOT ({when}) AND {_COVERED}", rows=relation(rule.over))
    return _query(
        sql,
        people,
        backs=[backs[user_id] for user_id in people],
        active_from=rule.active_from,
        active_until=rule.active_until,
    )


def _look_at_derived(
    rules: RuleSet, people: Mapping[int, datetime], backs: Mapping[int, datetime], derive: Deriving
) -> list[tuple[Any, ...]]:
    """The same for a rule over columns that PostgreSQL does not have."""
    (rule,) = rules.rules
    since = {user_id: backs[user_id] for user_id in people}
    rows = readings_since(rules, since, derive, people).sort("user_id", "recorded_at", "event_id")
    said = to_polars(rule.when.tree)
    if rule.active_from is not None:
        said = pl.when(pl.col("received_at") >= rule.active_from).then(said)
    if rule.active_until is not None:
        said = pl.when(pl.col("received_at") < rule.active_until).then(said)
    judged = rows.select("user_id", "recorded_at", said=said).with_row_index("place")
    falses = (
        judged.filter(~pl.col("said"))
        .group_by("user_id")
        .agg(pl.last("place").alias("false_place"), pl.last("recorded_at").alias("false_at"))
    )
    after = pl.col("false_place").is_null() | (pl.col("place") > pl.col("false_place"))
    trues = judged.filter("said").join(falses, on="user_id", how="left").filter(after)
    first = dict(trues.group_by("user_id").agg(pl.min("recorded_at")).iter_rows())
    false_at = dict(falses.select("user_id", "false_at").iter_rows())
    older = {user_id for (user_id,) in _query(_OLDER, backs)}
    return [(user_id, false_at.get(user_id), first.get(user_id), user_id in older) for user_id in people]


def _query(sql: str, people: Mapping[int, datetime], **parameters: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"users": list(people), "times": list(people.values()), **parameters})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
