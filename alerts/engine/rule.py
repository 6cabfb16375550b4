"""A rule as the engine takes it: read, checked, and free of where it came from."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple, get_args

from alerts.engine.clock import duration
from alerts.engine.language import Condition
from alerts.engine.source import Source

Severity = Literal["CRITICAL", "HIGH", "MEDIUM", "LOW", "INFO"]
RuleClass = Literal["clinical", "technical"]
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)
PipelineEvent = Literal["no_consumer", "offset_gap", "reject_storm", "split_person", "undelivered"]
RULE_CLASSES: Final[tuple[RuleClass, ...]] = get_args(RuleClass)
PIPELINE_EVENTS: Final[tuple[PipelineEvent, ...]] = get_args(PipelineEvent)

MAX_COUNT: Final = 1_000
MAX_FACTOR: Final = 1_000
DEFAULT_COOLDOWN: Final = timedelta(minutes=5)


class RuleKey(NamedTuple):
    """What names a wording of a rule: an alert keeps it, and so does a person's state."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class Sustained:
    """How long TRUE must last before an episode opens: `count` rows, the last `count` of them within `within`, and
    `lasting` (`for` in the file) from the first to the last. All inclusive."""

    count: int = 1
    within: timedelta | None = None
    lasting: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Clear:
    """What ends an episode: `count` rows in a row where `when` is TRUE."""

    when: Condition
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What every rule says of itself, whatever it looks at. In force in [active_from, active_until)."""

    id: str
    alert_type: str
    title: str
    severity: Severity
    rule_class: RuleClass = "clinical"
    cooldown: timedelta = DEFAULT_COOLDOWN
    replaces: str | None = None
    description: str = ""
    falsepositives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    version: int = 1
    active_from: datetime | None = None
    active_until: datetime | None = None

    @property
    def key(self) -> RuleKey:
        return RuleKey(self.id, self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Wording):
    """One wording of a rule over rows. Without `clear`, NOT `when` ends an episode, once.

    It sees the rows received while it is in force; all others give NULL.
    """

    when: Condition
    max_gap: timedelta
    over: Source = "reading"
    sustained: Sustained = Sustained()
    clear: Clear | None = None
    measures: tuple[str, ...] = ()

    @property
    def asks(self) -> str:
        """What it looks for, in one line."""
        return self.when.text

    @property
    def columns(self) -> tuple[str, ...]:
        """What an alert of this rule shows of each row: the measures, then what the conditions read."""
        read = self.clear.when.columns if self.clear else ()
        return tuple(dict.fromkeys((*self.measures, *self.when.columns, *read)))


@dataclass(frozen=True, slots=True, kw_only=True)
class AbsenceRule(Wording):
    """One wording of a rule over what does not come: nothing for `factor` x the person's cadence, and `at_least`.

    It has no rows, so that no `RuleSet` holds one: `absence.py` says what it means.
    """

    factor: float
    at_least: timedelta

    @property
    def asks(self) -> str:
        """What it looks for, in one line."""
        return f"nothing heard for {self.factor:g} x cadence, at least {duration(self.at_least)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineRule(Wording):
    """One wording of a rule over what befalls the pipeline itself: its alerts belong to nobody.

    The first event opens an episode, and it lasts while the next one comes within `max_gap`.
    """

    event: PipelineEvent
    max_gap: timedelta

    @property
    def asks(self) -> str:
        """What it looks for, in one line."""
        return f"{self.event}, until none came for {duration(self.max_gap)}"


AnyRule = Rule | AbsenceRule | PipelineRule


def over_rows(rules: Iterable[AnyRule]) -> list[Rule]:
    """Those of `rules` that have rows to look at, in their order."""
    return [rule for rule in rules if isinstance(rule, Rule)]
