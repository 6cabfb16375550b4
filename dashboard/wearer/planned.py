"""Planned activity as pages show it: what keeps rules quiet for a wearer now or soon, and what may be planned."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from alerts.models import Mute
from alerts.services.mutes import LONGEST_MUTE, Mutable, rules_mutable
from devices.models import User


@dataclass(frozen=True, slots=True)
class Planned:
    """A mute as pages show it: `is_on` now, with the titles of its rules."""

    mute: Mute
    is_on: bool
    titles: list[str]


def planned_of(wearer: User, *, at: datetime) -> dict[str, Any]:
    """What the wearer's page shows of planned activity: what is on or to come, and what may be planned; two queries."""
    choices = rules_mutable()
    rows = Mute.objects.filter(user=wearer, over_at__isnull=True, ends_at__gt=at).select_related("made_by")
    return {
        "planned": [_planned(mute, choices, at) for mute in rows.order_by("starts_at", "pk")],
        "mutable": choices,
        "longest_mute": LONGEST_MUTE,
    }


def _planned(mute: Mute, choices: list[Mutable], at: datetime) -> Planned:
    titles = {rule.rule_id: rule.title for rule in choices}
    return Planned(mute, mute.starts_at <= at, [titles.get(rule, rule) for rule in mute.rules])
