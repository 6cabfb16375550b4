"""What was pending of a person at a moment, to be kept: whoever resumes from it reads no row before."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

import numpy as np

from alerts.engine.advance import folded
from alerts.engine.clock import microseconds, moment
from alerts.engine.fold import EVIDENCE_ROWS, Run, Tally
from alerts.engine.rows import AT, split
from alerts.engine.rule import RuleKey
from alerts.engine.state import ALWAYS, PersonState

Plain = dict[str, Any]  # of what JSON knows
_OTHERS: Final = ("tallies", "recent", "opening_row", "first_rows", "last_rows")
_NUMBERS: Final = tuple(field.name for field in fields(Run) if field.name not in _OTHERS)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What each rule had pending once all rows up to `reached_at` (inclusive) were seen; rules without are those that
    had nothing. `rules` are all it speaks of."""

    reached_at: datetime
    rules: frozenset[RuleKey]
    runs: Mapping[RuleKey, Run]


def snapshot_of(state: PersonState, *, before: datetime) -> Snapshot | None:
    """The latest snapshot that this state can give of a moment before `before`; None where it remembers none."""
    if state.floors is not None:
        return None
    at = state.tail.table[:, AT]
    # Between two rows of one time nothing may be cut: what comes later is told by its time alone.
    ends = np.flatnonzero((at[:-1] < at[1:]) & (at[:-1] < microseconds(before))) + 1 if len(at) else at
    if len(ends):
        kept, _ = split(state.rules, state.tail, int(ends[-1]))
        runs, reach = folded(state.rules, state.base, kept), kept.last_at
    elif state.reach != ALWAYS and state.reach < microseconds(before) and not (len(at) and at[0] == state.reach):
        runs, reach = state.base, state.reach
    else:
        return None
    keys = state.rules.keys
    return Snapshot(moment(reach), frozenset(keys), {keys[number]: run for number, run in runs.items()})


def run_plain(run: Run) -> Plain:
    """A run in what JSON knows; rows are in hexadecimal."""
    return {
        **{name: getattr(run, name) for name in _NUMBERS},
        "recent": [run.recent.maxlen, *run.recent],
        "tallies": [[t.count, str(t.total), *((t.low, t.high) if t.count else (None, None))] for t in run.tallies],
        "opening_row": run.opening_row.hex(),
        "first_rows": [row.hex() for row in run.first_rows],
        "last_rows": [row.hex() for row in run.last_rows],
    }


def run_of(plain: Plain) -> Run:
    """What `run_plain` was made of."""
    longest, *recent = plain["recent"]
    run = Run(plain["started_at"], [_tally(*each) for each in plain["tallies"]], deque(recent, maxlen=longest))
    for name in _NUMBERS:
        setattr(run, name, plain[name])
    run.opening_row = bytes.fromhex(plain["opening_row"])
    run.first_rows = [bytes.fromhex(row) for row in plain["first_rows"]]
    run.last_rows = deque(map(bytes.fromhex, plain["last_rows"]), maxlen=EVIDENCE_ROWS)
    return run


def _tally(count: int, total: str, low: float | None, high: float | None) -> Tally:
    tally = Tally()
    if low is not None and high is not None:
        tally.count, tally.total, tally.low, tally.high = count, int(total), low, high
    return tally
