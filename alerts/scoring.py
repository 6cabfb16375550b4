"""How good rules are: what they find of what befalls simulated people, what they find beside it, and how soon.

Nobody knows the truth of real readings; of simulated ones it is the list of what was injected. The rules run through
the same replay as a backtest, person by person, with baselines of a calm month before. No database, and no clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

import numpy as np
import polars as pl

from alerts.backtest import Replay
from alerts.engine import AbsenceRule, AnyRule, Rule, RuleKey, Window
from alerts.engine.absence import Listened, silence
from alerts.engine.rule import over_rows
from devices.heard import LEAST, NEWEST
from devices.metrics import METRICS
from devices.quality import assess
from devices.simulator.anomalies import ANOMALIES, Anomaly
from devices.simulator.grid import Rate
from devices.simulator.noise import between, uniform
from devices.simulator.people import People, people, wearer_ids
from devices.simulator.stream import REPORTED, Injection, Stretch, readings
from devices.usual import LOOK_BACK, usual

BEGIN: Final = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday; any day gives figures of the same kind
CALM_RATE: Final = Rate.of(1 / 60)  # of the month before, as in a demo
QUIET_MS: Final = 600_000  # at least so long from one anomaly to the next
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Trial:
    """So many people over so many days from BEGIN on, each of whom has every anomaly once a day, at any hour."""

    wearers: int
    days: int
    hertz: float = 0.2
    seed: int = 1

    @property
    def person_days(self) -> int:
        return self.wearers * self.days


@dataclass(frozen=True, slots=True)
class Found:
    """An episode or a silence: from the first matching row (the last reading heard) to the last one."""

    started_at: datetime
    opened_at: datetime
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class Score:
    """What one rule did. `delays_s` are those of the anomalies it found, from onset to the row that opened the episode;
    `false_alarms` are episodes that touch no anomaly which its alert type could come from."""

    rule: AnyRule
    injected: int
    delays_s: tuple[float, ...]
    false_alarms: int
    person_days: int

    @property
    def recall(self) -> float | None:
        """Of the anomalies that it is there for, the part it found; None where there were none."""
        return len(self.delays_s) / self.injected if self.injected else None

    @property
    def false_alarms_a_day(self) -> float:
        return self.false_alarms / self.person_days

    @property
    def median_delay_s(self) -> float | None:
        return median(self.delays_s) if self.delays_s else None


def score(rules: Sequence[AnyRule], trial: Trial) -> list[Score]:
    """A score for each rule, in their order."""
    injected = dict.fromkeys((rule.key for rule in rules), 0)
    false_alarms = dict(injected)
    delays: dict[RuleKey, list[float]] = {rule.key: [] for rule in rules}
    for user_id in wearer_ids(trial.wearers):
        who = people(trial.seed, [user_id])
        truth = injections(who, trial.days)
        found = _found(rules, who, truth, trial)
        for rule in rules:
            theirs = found[rule.key]
            wanted = [each for each in truth if is_for(rule, each.anomaly)]
            injected[rule.key] += len(wanted)
            delays[rule.key] += [delay for each in wanted if (delay := _delay_s(rule, each, theirs)) is not None]
            false_alarms[rule.key] += sum(not _explained(rule, each, truth) for each in theirs)
    return [
        Score(rule, injected[rule.key], tuple(delays[rule.key]), false_alarms[rule.key], trial.person_days)
        for rule in rules
    ]


def is_for(rule: AnyRule, anomaly: Anomaly) -> bool:
    """Whether the rule has to find the anomaly: that of its alert type, a critical form only that of its own name where
    there is one."""
    own = rule.id.replace("-", "_")
    if rule.replaces and own in ANOMALIES:
        return anomaly.name == own
    return anomaly.alert_type == rule.alert_type


def injections(who: People, days: int) -> list[Injection]:
    """Every anomaly once a day of each of these people, in an order and at times of their own, none near another."""
    names = list(ANOMALIES)
    slot_ms = _DAY_MS // len(names)
    found = []
    for person, user_id in enumerate(who.user_ids):
        key = who.key[person : person + 1]
        for day in range(days):
            numbers = day * len(names) + np.arange(len(names))[np.newaxis, :]
            order = np.argsort(uniform(key, "score.order", numbers)[0], kind="stable")
            places = between(key, "score.at", numbers, 0.0, 1.0)[0]
            for slot, which in enumerate(order.tolist()):
                lasts_ms = ANOMALIES[names[which]].lasts_s * 1000
                spare_ms = slot_ms - lasts_ms - QUIET_MS
                start_ms = _ms(BEGIN) + day * _DAY_MS + slot * slot_ms + round(places[slot] * spare_ms)
                found.append(Injection(names[which], frozenset({user_id}), start_ms, start_ms + lasts_ms))
    return found


def _found(
    rules: Sequence[AnyRule], who: People, truth: Sequence[Injection], trial: Trial
) -> dict[RuleKey, list[Found]]:
    """What the rules find in the one person, by rule."""
    end = BEGIN + timedelta(days=trial.days)
    sent = _sent(Stretch(who, Rate.of(trial.hertz), _ms(BEGIN), _ms(end)), truth)
    replay = Replay(over_rows(rules), baselines=_baselines(who))
    replay.feed(sent)
    found: dict[RuleKey, list[Found]] = {rule.key: [] for rule in rules}
    for finding in replay.findings({0: who.user_ids[0]}):
        episode = finding.episode
        found[finding.rule].append(Found(episode.started_at, episode.opened_at, episode.ended_at))
    for rule in rules:
        if isinstance(rule, AbsenceRule):
            found[rule.key] = list(_silences(rule, sent["recorded_at"]))
    return found


def _silences(rule: AbsenceRule, heard: pl.Series) -> Iterator[Found]:
    """Those of somebody whose readings were received when they were taken, by a pipeline that always listened."""
    gaps = heard.diff()
    for place in (gaps > rule.at_least).arg_true().to_list():
        usual_gap = gaps[max(1, place - NEWEST + 1) : place].median()
        if place < LEAST or not isinstance(usual_gap, timedelta):
            continue
        heard_at, until = heard[place - 1], heard[place]
        found = silence(rule, heard_at=heard_at, cadence=usual_gap, listened=Listened(BEGIN, until))
        if found:
            yield Found(found.heard_at, found.opened_at, until)


def _baselines(who: People) -> pl.DataFrame:
    """The set of the calm month before, as it is made at night."""
    calm = _sent(Stretch(who, CALM_RATE, _ms(BEGIN - LOOK_BACK), _ms(BEGIN)), ())
    made = usual(calm, zone="UTC")
    return made.select(
        pl.lit(0, pl.Int64).alias("user_id"), pl.lit(BEGIN, pl.Datetime("us", "UTC")).alias("valid_from"),
        pl.lit("UTC").alias("zone"), "metric", pl.col("local_hour").cast(pl.Int8), "median", "mad",
    )  # fmt: skip


def _sent(stretch: Stretch, truth: Sequence[Injection]) -> pl.DataFrame:
    """Readings of one person as the consumer would store them, and the engine takes them."""
    at = pl.from_epoch("at_ms", time_unit="ms").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    absent = (pl.lit(None, pl.Float64).alias(name) for name in METRICS if name not in REPORTED)
    made = readings(stretch, truth).with_columns(
        pl.lit(0, pl.Int64).alias("user_id"), at.alias("recorded_at"), at.alias("received_at"), *absent
    )
    return assess(made.drop("at_ms", "injection"))


def _delay_s(rule: AnyRule, injection: Injection, found: Sequence[Found]) -> float | None:
    """From its onset until an episode of it was open; 0 where one was already. None where the rule missed it."""
    opened = [_ms(each.opened_at) for each in found if _touches(rule, each, injection)]
    return max(0, min(opened) - injection.start_ms) / 1000 if opened else None


def _explained(rule: AnyRule, found: Found, truth: Sequence[Injection]) -> bool:
    """Whether something was injected that the rule is there for, or that may raise its alert type too."""
    return any(
        _touches(rule, found, each)
        for each in truth
        if is_for(rule, each.anomaly) or rule.alert_type in each.anomaly.also
    )


def _touches(rule: AnyRule, found: Found, injection: Injection) -> bool:
    """Whether a row of what was found was made of readings of the injection's time: a window ends after what is in it,
    and a silence begins with the last reading before it."""
    reach = rule.over.size if isinstance(rule, Rule) and isinstance(rule.over, Window) else timedelta(0)
    return _ms(found.started_at - reach) < injection.end_ms and _ms(found.ended_at) >= injection.start_ms


def _ms(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
