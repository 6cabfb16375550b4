"""The rules as the engine takes them, from the database."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

import structlog
from django.db.models import Q

from alerts.engine.rule import AbsenceRule, AnyRule, PipelineRule, over_rows
from alerts.engine.rule import Rule as EngineRule
from alerts.models import RuleVersion
from alerts.rule_files import parse_rule

log = structlog.get_logger(__name__)

# Versions that ended this long ago are still given: rows received under them may be evaluated again.
REMEMBERED: Final = timedelta(minutes=15)


class UnreadableRuleError(RuntimeError):
    """A stored version that this release can no longer read; the message names it and says why."""


def active_rule_versions(at: datetime, *, since: datetime | None = None) -> list[EngineRule]:
    """Every version over rows whose [active_from, active_until) reaches past `since` (default: a little before `at`),
    those that are yet to begin included, by rule and number. A consumer that lags gives the receipt of its oldest row
    as `since`.
    """
    oldest = min(at - REMEMBERED, since or at)
    covers = Q(active_until__isnull=True) | Q(active_until__gt=oldest)
    versions = RuleVersion.objects.filter(covers).select_related("rule").order_by("rule__rule_id", "number")
    return over_rows(_readable(version for version in versions if version.active_until != version.active_from))


def absence_rules(at: datetime) -> list[AbsenceRule]:
    """The versions over absence that are in force at `at`, by rule."""
    return [rule for rule in _in_force(at) if isinstance(rule, AbsenceRule)]


def pipeline_rules(at: datetime) -> list[PipelineRule]:
    """The versions over the pipeline that are in force at `at`, by rule."""
    return [rule for rule in _in_force(at) if isinstance(rule, PipelineRule)]


def _in_force(at: datetime) -> list[AnyRule]:
    covers = Q(active_until__isnull=True) | Q(active_until__gt=at)
    versions = RuleVersion.objects.filter(covers, active_from__lte=at).select_related("rule").order_by("rule__rule_id")
    return list(_readable(versions))


def _readable(versions: Iterable[RuleVersion]) -> Iterator[AnyRule]:
    """Those that this release can read: one that it cannot keeps no other from being judged, and is told of."""
    for version in versions:
        try:
            yield engine_rule(version)
        except UnreadableRuleError as error:
            _tell(str(error))


@lru_cache(maxsize=512)
def _tell(reason: str) -> None:
    """Once of each text."""
    log.error("rule_unreadable", reason=reason)


def engine_rule(version: RuleVersion) -> AnyRule:
    """`version` as the engine takes it; raises UnreadableRuleError."""
    rule = _parsed(version.source, str(version))
    return replace(rule, version=version.number, active_from=version.active_from, active_until=version.active_until)


@lru_cache(maxsize=512)
def _parsed(source: str, name: str) -> AnyRule:
    parsed = parse_rule(source, path=name, judged=False)
    if parsed.rule is None:
        raise UnreadableRuleError("; ".join(map(str, parsed.problems)))
    return parsed.rule
