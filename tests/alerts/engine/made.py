"""Rules for the tests of the engine, in the words of a rule file."""

from datetime import timedelta
from typing import Any

from alerts.engine import Clear, Rule, Sustained
from alerts.engine.language import read_condition
from alerts.engine.source import columns_of


def rule(
    when: str = "heart_rate > 100",
    *,
    count: int = 1,
    within: float | None = None,
    lasting: float = 0,
    max_gap: float = 60,
    clear: str | None = None,
    clear_count: int = 1,
    **others: Any,
) -> Rule:
    """A rule that measures heart rate; times in seconds."""
    made: dict[str, Any] = {
        "id": "made", "alert_type": "MADE", "title": "Made", "severity": "HIGH", "measures": ("heart_rate",), **others,
    }  # fmt: skip
    columns = columns_of(made.get("over", "reading"))
    return Rule(
        when=read_condition(when, columns),
        max_gap=timedelta(seconds=max_gap),
        sustained=Sustained(count, None if within is None else timedelta(seconds=within), timedelta(seconds=lasting)),
        clear=Clear(read_condition(clear, columns), clear_count) if clear else None,
        **made,
    )
