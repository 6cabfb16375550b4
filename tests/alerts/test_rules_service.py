"""Versions of rules: when they begin, when they end, and what ends with them."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from structlog.testing import capture_logs

from alerts.engine.rule import AnyRule
from alerts.models import Alert, AlertChange, OutboxEntry, Rule, RuleChange, RuleVersion
from alerts.rule_files import RuleFile, parse_rule
from alerts.rule_versions import (
    UnreadableRuleError,
    absence_rules,
    active_rule_versions,
    engine_rule,
    pipeline_rules,
)
from alerts.services.rules import (
    RuleProblems,
    episodes_end_with_rules,
    rule_disable,
    rule_enable,
    rule_write,
    rules_load,
)
from devices.models import PipelineStatus
from tests.made import NOON, make_alert, make_user, make_wearer

pytestmark = pytest.mark.django_db
SECOND, TEN = timedelta(seconds=1), timedelta(seconds=10)
SOURCE = """\
id: {id}
alert_type: BRADYCARDIA
title: Slow heart
severity: HIGH
over: reading
when: heart_rate < {limit}
max_gap: 60s
"""


def yaml(rule_id: str = "bradycardia", limit: int = 40) -> str:
    return SOURCE.format(id=rule_id, limit=limit)


def file_of(source: str) -> RuleFile:
    rule = parse_rule(source).rule
    assert rule is not None
    return RuleFile(rule, source, "rule.yaml")


def load(*sources: str, at=NOON, **options):
    return rules_load(files=[file_of(source) for source in sources], at=at, **options)


def spans(rule_id: str = "bradycardia") -> list[tuple]:
    rows = RuleVersion.objects.filter(rule__rule_id=rule_id)
    return [(v.number, v.active_from - NOON, v.active_until - NOON if v.active_until else None) for v in rows]


@pytest.fixture
def consumer() -> PipelineStatus:
    return PipelineStatus.objects.create(consumer="c1", updated_at=NOON - SECOND, started_at=NOON)


def test_a_version_is_active_at_once_where_no_consumer_lives() -> None:
    assert load(yaml()).active_at == NOON
    assert spans() == [(1, timedelta(0), None)]


def test_a_version_is_active_after_ten_seconds_where_a_consumer_lives(consumer: PipelineStatus) -> None:
    assert load(yaml()).active_at == NOON + TEN
    assert spans() == [(1, TEN, None)]


def test_a_consumer_that_was_silent_for_ten_seconds_is_gone(consumer: PipelineStatus) -> None:
    assert load(yaml(), at=NOON + TEN).active_at == NOON + TEN


def test_what_says_the_same_is_left_alone_comments_and_all() -> None:
    load(yaml())
    loaded = load(f"# of old\n{yaml()}\n", at=NOON + SECOND)
    assert (loaded.made, loaded.unchanged) == ((), ("bradycardia",))
    assert spans() == [(1, timedelta(0), None)]


def test_what_changed_becomes_a_version_that_begins_where_the_last_one_ends(consumer: PipelineStatus) -> None:
    load(yaml())
    load(yaml(limit=45), at=NOON + SECOND)
    assert spans() == [(1, TEN, TEN + SECOND), (2, TEN + SECOND, None)]


def test_a_version_never_begins_before_the_one_it_follows(consumer: PipelineStatus) -> None:
    load(yaml())
    PipelineStatus.objects.all().delete()
    load(yaml(limit=45), at=NOON + SECOND)
    assert spans() == [(1, TEN, TEN), (2, TEN, None)]
    assert [rule.version for rule in active_rule_versions(NOON)] == [2]


def test_loading_what_is_about_to_begin_waits_for_it(consumer: PipelineStatus) -> None:
    load(yaml())
    assert load(yaml(), at=NOON + SECOND).active_at == NOON + TEN
    assert load(yaml(), at=NOON + 2 * TEN).active_at == NOON + 2 * TEN


def test_only_disables_all_others_and_loading_again_enables_them() -> None:
    load(yaml(), yaml("other"))
    loaded = load(yaml(), at=NOON + SECOND, only=True)
    assert loaded.disabled == ("other",)
    assert not Rule.objects.get(rule_id="other").enabled
    load(yaml("other"), at=NOON + TEN)
    assert spans("other") == [(1, timedelta(0), SECOND), (2, TEN, None)]
    assert Rule.objects.get(rule_id="other").enabled


def test_a_rule_that_somebody_disabled_can_be_kept_so() -> None:
    load(yaml())
    rule_disable(rule=Rule.objects.get(), by=None, at=NOON)
    assert load(yaml(limit=45), at=NOON + SECOND, keep_disabled=True).made == ()
    assert not Rule.objects.get().enabled


def test_disabling_says_who_and_why_and_is_done_once() -> None:
    load(yaml())
    alice = make_user("alice")
    rule = Rule.objects.get()
    assert rule_disable(rule=rule, by=alice, at=NOON + SECOND, note="too loud")
    assert not rule_disable(rule=rule, by=alice, at=NOON + TEN)
    change = RuleChange.objects.first()
    assert change is not None
    assert (change.action, change.by, change.number, change.note) == ("disable", alice, 1, "too loud")
    assert spans() == [(1, timedelta(0), SECOND)]


def test_enabling_makes_a_version_and_enabling_twice_does_not() -> None:
    load(yaml())
    rule = Rule.objects.get()
    rule_disable(rule=rule, by=None, at=NOON + SECOND)
    assert rule_enable(rule=rule, by=None, at=NOON + TEN).number == 2
    assert rule_enable(rule=rule, by=None, at=NOON + TEN).number == 2
    assert spans() == [(1, timedelta(0), SECOND), (2, TEN, None)]


def test_disabling_and_enabling_within_a_second_leaves_a_gap_and_the_rule_on(consumer: PipelineStatus) -> None:
    load(yaml(), at=NOON - timedelta(hours=1))
    rule = Rule.objects.get()
    rule_disable(rule=rule, by=None, at=NOON)
    rule_enable(rule=rule, by=None, at=NOON + SECOND)
    assert [span[1:] for span in spans()][1] == (TEN + SECOND, None)
    assert spans()[0][2] == TEN


def test_an_edit_names_its_mistakes_and_changes_nothing() -> None:
    load(yaml())
    with pytest.raises(RuleProblems, match="heart_rat"):
        rule_write(rule=Rule.objects.get(), source=yaml().replace("heart_rate", "heart_rat"), by=None, at=NOON)
    with pytest.raises(RuleProblems, match="keeps its id"):
        rule_write(rule=Rule.objects.get(), source=yaml("other"), by=None, at=NOON)
    assert spans() == [(1, timedelta(0), None)]


def test_the_engine_is_given_versions_with_their_spans_also_those_to_come(consumer: PipelineStatus) -> None:
    load(yaml(), at=NOON - timedelta(hours=1))
    load(yaml(limit=45))
    rules = active_rule_versions(NOON)
    assert [(r.id, r.version, r.active_until) for r in rules] == [
        ("bradycardia", 1, NOON + TEN),
        ("bradycardia", 2, None),
    ]
    assert [r.version for r in active_rule_versions(NOON + timedelta(hours=1))] == [2]
    assert [r.version for r in active_rule_versions(NOON + timedelta(hours=1), since=NOON)] == [1, 2]


def test_a_version_that_this_release_cannot_read_is_named_and_stops_no_other() -> None:
    load(yaml(), yaml("other"))
    version = RuleVersion.objects.get(rule__rule_id="bradycardia")
    version.source = "id: of-a-later-release"
    version.save()
    with pytest.raises(UnreadableRuleError, match="bradycardia v1"):
        engine_rule(version)
    with capture_logs() as lines:
        assert [rule.id for rule in active_rule_versions(NOON + TEN)] == ["other"]
        assert [rule.id for rule in active_rule_versions(NOON + TEN)] == ["other"]
    (said,) = lines
    assert (said["event"], said["log_level"]) == ("rule_unreadable", "error")
    assert said["reason"].startswith("bradycardia v1:")


@pytest.mark.parametrize(
    ("looks", "given"),
    [
        ("over: absence\nfactor: 3\nat_least: 2m", absence_rules),
        ("over: pipeline\nclass: technical\nevent: offset_gap\nmax_gap: 10m", pipeline_rules),
    ],
)
def test_one_of_any_kind_stops_no_other(looks: str, given: Callable[[datetime], list[AnyRule]]) -> None:
    of_kind = "id: {id}\nalert_type: LOST\ntitle: Lost\nseverity: LOW\n" + looks + "\n"
    load(of_kind.format(id="lost"), of_kind.format(id="other"))
    RuleVersion.objects.filter(rule__rule_id="lost").update(source="id: of-a-later-release")
    assert [rule.id for rule in given(NOON + TEN)] == ["other"]


def test_the_firing_alerts_of_an_edited_rule_end_as_changed() -> None:
    load(yaml())
    alert = make_alert(make_wearer(), rule=Rule.objects.get())
    load(yaml(limit=45), at=NOON + SECOND)
    assert episodes_end_with_rules(at=NOON) == []
    assert [a.pk for a in episodes_end_with_rules(at=NOON + SECOND)] == [alert.pk]
    now = Alert.objects.get()
    assert (now.episode, now.end, now.revision, now.settled_at) == ("ended", "rule_changed", 2, None)
    assert OutboxEntry.objects.get().payload["end"] == "rule_changed"
    assert AlertChange.objects.get().note == "rule_changed"
    assert episodes_end_with_rules(at=NOON + TEN) == []


def test_the_firing_alerts_of_a_disabled_rule_end_as_disabled_even_where_it_was_enabled_again() -> None:
    load(yaml())
    rule = Rule.objects.get()
    make_alert(make_wearer(), rule=rule)
    rule_disable(rule=rule, by=None, at=NOON + SECOND)
    rule_enable(rule=rule, by=None, at=NOON + TEN)
    assert [a.end for a in episodes_end_with_rules(at=NOON + TEN)] == ["rule_disabled"]


def test_alerts_of_the_present_version_fire_on() -> None:
    load(yaml())
    load(yaml(limit=45), at=NOON + SECOND)
    make_alert(make_wearer(), rule=Rule.objects.get(), rule_version=2)
    assert episodes_end_with_rules(at=NOON + TEN) == []


@pytest.mark.django_db(transaction=True)
def test_versions_saved_at_once_follow_each_other() -> None:
    load(yaml())
    ready = threading.Barrier(4)

    def write(limit: int) -> None:
        ready.wait()
        rule_write(source=yaml(limit=limit), by=None, at=NOON + SECOND)
        connection.close()

    threads = [threading.Thread(target=write, args=(limit,)) for limit in (41, 42, 43, 44)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = list(RuleVersion.objects.order_by("number"))
    assert [v.number for v in versions] == [1, 2, 3, 4, 5]
    assert [v.active_until for v in versions[:-1]] == [v.active_from for v in versions[1:]]
    assert versions[-1].active_until is None
