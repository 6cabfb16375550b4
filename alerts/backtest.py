"""What rules find in readings that are already there: the engine, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from alerts.engine import (
    AbsenceRule,
    Episode,
    Evidence,
    PersonState,
    PipelineRule,
    Rule,
    RuleKey,
    RuleSet,
    Source,
    Stretch,
    Window,
    advance,
    complete_windows,
    new_person,
)
from alerts.engine.derived import NO_BASELINES, RATE_REACH, derived
from alerts.engine.ruleset import metrics_of
from devices.times import rfc3339

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """An episode of a rule in a person's readings."""

    rule: RuleKey
    user_id: str
    episode: Episode

    def as_json(self) -> dict[str, Any]:
        """The object of `backtest --json` (contract)."""
        episode = self.episode
        return {
            "rule_id": self.rule.id,
            "user_id": self.user_id,
            "started_at": rfc3339(episode.started_at),
            "opened_at": rfc3339(episode.opened_at),
            "ended_at": rfc3339(episode.ended_at),
            "event_count": episode.event_count,
            "measures": {
                name: {"avg": measure.avg, "min": measure.low, "max": measure.high}
                for name, measure in episode.measures.items()
            },
            "end": episode.end,
        }


class Replay:
    """Takes history piece by piece, and remembers one person's state, and what was found.

    Evidence is left behind: a year of it would be more than the episodes are.
    """

    def __init__(self, rules: Sequence[Rule], *, baselines: pl.DataFrame = NO_BASELINES) -> None:
        """`baselines` are the sets that `derived` takes: where a person has none, their distances are NULL."""
        sources = dict.fromkeys(rule.over for rule in rules)
        of_source = ((source, [rule for rule in rules if rule.over == source]) for source in sources)
        self._lanes = [_Lane(source, theirs, baselines) for source, theirs in of_source]
        self._ended: list[tuple[int, RuleKey, Episode]] = []
        self._open: dict[tuple[int, RuleKey], Episode] = {}

    def feed(self, readings: pl.DataFrame) -> None:
        """Readings as `advance` takes them; a person's come in one piece, or in pieces of ascending time that follow
        one another, each with all readings of its last instant."""
        if readings.is_empty():
            return
        for lane in self._lanes:
            for stretch in lane.feed(readings):
                self._take(stretch)

    def _take(self, stretch: Stretch) -> None:
        pair = (stretch.user_id, stretch.rule)
        self._open.pop(pair, None)
        for episode in stretch.episodes:
            kept = replace(episode, evidence=Evidence(episode.evidence.columns, (), ()))
            if episode.end == "open":
                self._open[pair] = kept
            else:
                self._ended.append((*pair, kept))

    def findings(self, names: Mapping[int, str]) -> list[Finding]:
        """What was found so far, sorted by rule, person and start; `names` are the people's `user_id`s by number."""
        found = [*self._ended, *((*pair, episode) for pair, episode in self._open.items())]
        findings = [Finding(rule, names[number], episode) for number, rule, episode in found]
        return sorted(findings, key=lambda found: (found.rule, found.user_id, found.episode.started_at))


class _Lane:
    """The rules over one source; of the person who came last, the state, and the readings that later rows need: those
    of windows not over yet, and those that a change is measured from."""

    def __init__(self, source: Source, rules: Sequence[Rule], baselines: pl.DataFrame) -> None:
        self._source = source
        self._rules = RuleSet(rules)
        self._baselines = baselines
        self._states: dict[int, PersonState] = {}
        self._kept: pl.DataFrame | None = None
        self._last: tuple[int, datetime] | None = None  # that person, and their last reading

    def feed(self, readings: pl.DataFrame) -> list[Stretch]:
        rows = self._rows(readings)
        people = rows["user_id"].unique()
        states = {person: self._states.get(person) or new_person(self._rules) for person in people}
        found = advance(self._rules, states, rows)
        last = readings["user_id"][-1]
        self._states = {last: found.states[last]}
        return found.stretches

    def _rows(self, readings: pl.DataFrame) -> pl.DataFrame:
        if isinstance(self._source, Window):
            return self._windows(self._source, readings)
        return self._derived(readings) if self._rules.derived else readings

    def _derived(self, readings: pl.DataFrame) -> pl.DataFrame:
        held = readings if self._kept is None else pl.concat((self._kept, readings))
        theirs = self._baselines.filter(pl.col("user_id").is_in(readings["user_id"].unique().implode()))
        rows = derived(readings, self._rules.derived, baselines=theirs, earlier=self._kept)
        of_last = held.filter(pl.col("user_id") == readings["user_id"][-1])
        self._kept = of_last.filter(pl.col("recorded_at") > pl.col("recorded_at").max() - RATE_REACH)
        return rows

    def _windows(self, window: Window, readings: pl.DataFrame) -> pl.DataFrame:
        """The windows that are over with these readings, and were not before."""
        held = readings if self._kept is None else pl.concat((self._kept, readings))
        rows = complete_windows(held, window, metrics_of(self._rules.rules))
        if self._last is not None:
            person, until = self._last
            rows = rows.filter((pl.col("user_id") != person) | (pl.col("recorded_at") > until))
        theirs = held.filter(pl.col("user_id") == readings["user_id"][-1])
        self._last = theirs["user_id"][-1], theirs.select(pl.max("recorded_at")).item()
        self._kept = theirs.filter(pl.col("recorded_at") > self._last[1] - window.size)
        return rows


def no_history(rule: AbsenceRule | PipelineRule) -> str:
    """Why that rule cannot be tried on the past."""
    over, unknown = "the pipeline", "what befell it"
    if isinstance(rule, AbsenceRule):
        over, unknown = "absence", "when nobody was listening"
    return f"a rule over {over} cannot be tried on the past: stored readings do not tell {unknown}"


def backtest(rules: Sequence[Rule], readings: pl.DataFrame) -> list[Finding]:
    """The episodes of all people, sorted by rule, person and start.

    `readings` are those of `devices.readings_file`, in any order: `user_id` is text, and a null `event_id` is one that
    no order depends on.
    """
    people = readings["user_id"].unique().sort().to_list()
    numbers = {person: number for number, person in enumerate(people)}
    replay = Replay(rules)
    replay.feed(
        readings.with_columns(
            pl.col("user_id").replace_strict(numbers, return_dtype=pl.Int64), pl.col("recorded_at").alias("received_at")
        )
    )
    return replay.findings(dict(enumerate(people)))
