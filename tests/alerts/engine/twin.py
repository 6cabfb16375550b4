"""What a rule means, said once more and slowly: every question is answered by looking at all the rows again."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from alerts.engine import Rule
from tests.alerts.engine.three_valued import truth


@dataclass(frozen=True)
class Reading:
    at: datetime
    id: str
    values: dict[str, Any] = field(hash=False)
    delay: timedelta = timedelta(0)
    late: bool = False

    @property
    def fresh(self) -> bool:
        return not self.late and self.delay <= timedelta(minutes=15)


@dataclass(frozen=True)
class Found:
    """An episode: its TRUE rows, which of them opened it, when and how it was over."""

    rows: tuple[Reading, ...]
    opener: int
    settled_at: datetime | None
    end: str

    @property
    def times(self) -> tuple[datetime, datetime, datetime]:
        return self.rows[0].at, self.rows[self.opener].at, self.rows[-1].at

    @property
    def fresh(self) -> tuple[datetime | None, datetime | None]:
        fresh = [row.at for row in self.rows[self.opener :] if row.fresh]
        return (fresh[0], fresh[-1]) if fresh else (None, None)

    def measure(self, name: str) -> tuple[int, float, float, float] | None:
        """Count, average, least and greatest."""
        values = [row.values[name] for row in self.rows if row.values.get(name) is not None]
        if not values:
            return None
        return len(values), float(sum(map(exact, values)) / len(values)), min(values), max(values)


def exact(value: float) -> Fraction:
    return Fraction(round(value * 1e6), 1_000_000)


def episodes(rule: Rule, readings: list[Reading]) -> list[Found]:
    """All episodes of one person's readings, whatever order they are given in."""
    rows = sorted(readings, key=lambda row: (row.at, row.id))
    found, at = [], 0
    while at < len(rows):
        if truth(rule.when.tree, rows[at].values):
            episode, at = longest_run(rule, rows, at)
            found += [episode] if episode else []
        else:
            at += 1
    return found


def longest_run(rule: Rule, rows: list[Reading], start: int) -> tuple[Found | None, int]:
    """The run that begins with the TRUE row at `start`, if it opens, and the row from which to look for the next."""
    for at in range(start + 1, len(rows)):
        before = rows[start:at]
        if rows[at].at > heard(rule, before) + rule.max_gap:
            return episode(rule, before, heard(rule, before) + rule.max_gap, "gap"), at
        if opener(rule, before) is None:
            if truth(rule.when.tree, rows[at].values) is False:
                return None, at
        elif clears(rule, before, rows[at]):
            return episode(rule, before, rows[at].at, "cleared"), at
    return episode(rule, rows[start:], None, "open"), len(rows)


def episode(rule: Rule, rows: list[Reading], settled_at: datetime | None, end: str) -> Found | None:
    opened = opener(rule, rows)
    return None if opened is None else Found(tuple(trues(rule, rows)), opened, settled_at, end)


def trues(rule: Rule, rows: list[Reading]) -> list[Reading]:
    return [row for row in rows if truth(rule.when.tree, row.values)]


def opener(rule: Rule, rows: list[Reading]) -> int | None:
    """Which TRUE row is the first at which the run is long enough, close enough, and lasts."""
    run, sustained = trues(rule, rows), rule.sustained
    for last in range(sustained.count - 1, len(run)):
        span = run[last].at - run[last - sustained.count + 1].at
        close = sustained.within is None or span <= sustained.within
        if close and run[last].at - run[0].at >= sustained.lasting:
            return last
    return None


def heard(rule: Rule, rows: list[Reading]) -> datetime:
    """The row that the gap is measured from: with an explicit `clear`, once open, FALSE counts too."""
    last = trues(rule, rows)[-1].at
    if rule.clear is None:
        return last
    opened = opener(rule, rows)
    if opened is None:
        return last
    since = rows.index(trues(rule, rows)[opened])
    return max([last, *(row.at for row in rows[since:] if truth(rule.when.tree, row.values) is not None)])


def clears(rule: Rule, before: list[Reading], row: Reading) -> bool:
    """Whether this row ends the open run of `before`."""
    said = truth(rule.when.tree, row.values)
    if rule.clear is None:
        return said is False
    clear = rule.clear.when.tree
    since = max(at for at, each in enumerate(before) if truth(rule.when.tree, each.values))
    verdicts = [truth(clear, each.values) for each in (*before[since + 1 :], row)]
    last = [verdict for verdict in verdicts if verdict is not None][-rule.clear.count :]
    return said is not True and len(last) == rule.clear.count and all(last)
