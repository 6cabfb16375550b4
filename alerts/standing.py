"""What stands already: the alerts that new findings are held against, locked where they may change."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import Q

from alerts.engine import RuleKey, Stretch
from alerts.models import Alert
from alerts.models.alert import EpisodeState

Pair = tuple[int, RuleKey]


def alerts_around(stretches: Iterable[Stretch]) -> dict[Pair, list[Alert]]:
    """The alerts around each stretch, locked in order of id; withdrawn ones too, which may be revived."""
    since = {(stretch.user_id, stretch.rule): stretch.since for stretch in stretches}
    concerned = Q(settled_at__isnull=True) | Q(settled_at__gt=min(since.values())) | Q(provisional=True)
    theirs = Alert.objects.filter(concerned, user__in={user_id for user_id, _ in since})
    wanted = [
        alert_id
        for alert_id, user_id, rule_id, version, settled_at, provisional in theirs.values_list(
            "alert_id", "user_id", "rule__rule_id", "rule_version", "settled_at", "provisional"
        )
        if (start := since.get((user_id, RuleKey(rule_id, version)))) is not None
        and (settled_at is None or provisional or settled_at > start)
    ]
    found: dict[Pair, list[Alert]] = defaultdict(list)
    if wanted:
        locked = Alert.objects.select_for_update(of=("self",)).select_related("rule", "user")
        for alert in locked.filter(alert_id__in=wanted).order_by("alert_id"):
            if alert.user_id is not None:
                found[alert.user_id, RuleKey(alert.rule.rule_id, alert.rule_version)].append(alert)
    return found


def previous_loud_ends(stretches: Iterable[Stretch]) -> dict[tuple[int, str], datetime]:
    """When the last loud episode before each stretch's first ended, by person and rule."""
    wanted = [(s.user_id, s.rule.id, min(e.started_at for e in s.episodes)) for s in stretches if s.episodes]
    if not wanted:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT w.user_id, w.rule, (SELECT a.ended_at FROM alerts_alert a"
            " WHERE a.user_id = w.user_id AND a.rule_id = r.id AND a.started_at < w.start AND NOT a.quiet"
            " AND a.episode <> 'withdrawn' AND a.ended_at < w.start ORDER BY a.started_at DESC LIMIT 1)"
            " FROM unnest(%s::bigint[], %s::text[], %s::timestamptz[]) AS w (user_id, rule, start)"
            " JOIN alerts_rule r ON r.rule_id = w.rule",
            [list(column) for column in zip(*wanted, strict=True)],
        )
        return {(user_id, rule): ended for user_id, rule, ended in cursor.fetchall() if ended is not None}


def older_firing(opened: Sequence[Alert]) -> list[Alert]:
    """The alerts that fire, under older versions, for the people and rules of `opened`, locked in order of id."""
    if not opened:
        return []
    versions = {(alert.user_id, alert.rule_id): alert.rule_version for alert in opened}
    firing = Alert.objects.filter(
        episode=EpisodeState.FIRING, user__in={user for user, _ in versions}, rule__in={rule for _, rule in versions}
    )
    locked = firing.select_for_update(of=("self",)).select_related("rule", "user").order_by("alert_id")
    return [alert for alert in locked if alert.rule_version < versions.get((alert.user_id, alert.rule_id), 0)]
