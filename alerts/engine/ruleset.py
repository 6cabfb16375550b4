"""Rules made ready: conditions compiled once, and each given its place in a row's words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Final

import polars as pl

from alerts.engine.clock import length
from alerts.engine.fold import Pattern
from alerts.engine.language import Condition, to_polars
from alerts.engine.rule import Rule, RuleKey
from alerts.engine.source import COLUMNS, DERIVED_COLUMNS, Source, Window

TAIL: Final = 96  # rows of a person that are kept at least; at half as many more the older ones are folded
DISORDER: Final = timedelta(minutes=10)  # what comes later than that is late
SLOTS_A_WORD: Final = 31  # two bits each; the sign bit stays free


@dataclass(frozen=True, slots=True)
class Slot:
    """Where the verdict (NULL, FALSE, TRUE) of one condition stands: two bits of one word of the row."""

    word: int
    shift: int

    @property
    def true_bit(self) -> int:
        return 2 << self.shift


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """`places` are the places of the rule's columns among those of the set; `suspect` the flags that concern it."""

    rule: Rule
    pattern: Pattern
    when: Slot
    clear: Slot | None
    places: tuple[int, ...]
    suspect: int


class RuleSet:
    """An ordered set of rules over one source, one wording each, compiled. Immutable, and safe to share.

    `columns` are what the rows must have, `derived` those of them that `alerts.engine.derived` is to make first.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Final = tuple(rules)
        self.keys: Final = tuple(rule.key for rule in self.rules)
        if len(set(self.keys)) != len(self.keys):
            raise ValueError("a rule stands twice in the set")
        if len({rule.over for rule in self.rules}) > 1:
            raise ValueError("the rules of a set see rows of one kind")
        self.over: Final[Source] = self.rules[0].over if self.rules else "reading"
        self.is_of_windows: Final = isinstance(self.over, Window)
        self.tail: Final = _tail(self.over)
        self.columns: Final = tuple(dict.fromkeys(column for rule in self.rules for column in rule.columns))
        self.derived: Final = tuple(name for name in self.columns if name in DERIVED_COLUMNS)
        self.has_rates: Final = any(name.endswith("_rate") for name in self.derived)
        self.compiled: Final = tuple(self._compile())
        slots = sum(1 + (rule.clear is not None) for rule in self.rules)
        self.words: Final = max(1, -(-slots // SLOTS_A_WORD))

    def _compile(self) -> Iterator[CompiledRule]:
        slots = 0
        for rule in self.rules:
            when = _slot(slots)
            clear = _slot(slots + 1) if rule.clear else None
            slots += 1 + (rule.clear is not None)
            places = tuple(self.columns.index(column) for column in rule.columns)
            yield CompiledRule(rule, _pattern(rule), when, clear, places, _suspect(rule))

    @cached_property
    def verdicts(self) -> tuple[tuple[Slot, Rule, pl.Expr], ...]:
        """Each condition with its slot: NULL, FALSE and TRUE as 0, 1 and 2 of UInt8."""
        found: list[tuple[Slot, Rule, pl.Expr]] = []
        for compiled in self.compiled:
            found.append((compiled.when, compiled.rule, _verdict(compiled.rule.when)))
            if compiled.clear and compiled.rule.clear:
                found.append((compiled.clear, compiled.rule, _verdict(compiled.rule.clear.when)))
        return tuple(found)

    @cached_property
    def true_bits(self) -> tuple[int, ...]:
        """For each word the bits that say TRUE for some `when`."""
        bits = [0] * self.words
        for compiled in self.compiled:
            bits[compiled.when.word] |= compiled.when.true_bit
        return tuple(bits)

    @cached_property
    def index(self) -> dict[RuleKey, int]:
        return {key: number for number, key in enumerate(self.keys)}


def _tail(over: Source) -> int:
    """How many rows are worth remembering: of windows those that a reading within the disorder can change."""
    return 2 + (over.size + DISORDER) // over.every if isinstance(over, Window) else TAIL


def _slot(number: int) -> Slot:
    word, place = divmod(number, SLOTS_A_WORD)
    return Slot(word, 2 * place)


def _verdict(condition: Condition) -> pl.Expr:
    return (to_polars(condition.tree).cast(pl.UInt8) + 1).fill_null(0)


def _pattern(rule: Rule) -> Pattern:
    sustained = rule.sustained
    return Pattern(
        count=sustained.count,
        within=None if sustained.within is None else length(sustained.within),
        lasting=length(sustained.lasting),
        max_gap=length(rule.max_gap),
        clear_count=rule.clear.count if rule.clear else 0,
    )


def _suspect(rule: Rule) -> int:
    flags = 0
    for column in rule.columns:
        flags |= COLUMNS[column].suspect
    return flags


def metrics_of(rules: Iterable[Rule]) -> list[str]:
    """The metrics that these rules read, or that the columns they read are made of."""
    read = (COLUMNS[column].metric for rule in rules for column in rule.columns)
    return list(dict.fromkeys(metric.name for metric in read if metric))
