"""The detection engine: frames in, findings out. It knows no database, no clock and no Django.

`fold.py` is what a rule means; `advance.py` does it for many people at once; `reconcile.py` says what it means for the
alerts that are already there.
"""

from alerts.engine.advance import FRESHNESS, Advance, advance
from alerts.engine.episode import Episode, Evidence, EvidenceRow, Measure, Stretch
from alerts.engine.reconcile import Changes, Create, Delivery, KnownAlert, Update, Withdraw, delivery, reconcile
from alerts.engine.rule import AbsenceRule, AnyRule, Clear, PipelineRule, Rule, RuleKey, Sustained
from alerts.engine.ruleset import RuleSet
from alerts.engine.source import Source, Window
from alerts.engine.state import PersonState, new_person, resume
from alerts.engine.windows import complete_windows

__all__ = [
    "FRESHNESS",
    "AbsenceRule",
    "Advance",
    "AnyRule",
    "Changes",
    "Clear",
    "Create",
    "Delivery",
    "Episode",
    "Evidence",
    "EvidenceRow",
    "KnownAlert",
    "Measure",
    "PersonState",
    "PipelineRule",
    "Rule",
    "RuleKey",
    "RuleSet",
    "Source",
    "Stretch",
    "Sustained",
    "Update",
    "Window",
    "Withdraw",
    "advance",
    "complete_windows",
    "delivery",
    "new_person",
    "reconcile",
    "resume",
]
