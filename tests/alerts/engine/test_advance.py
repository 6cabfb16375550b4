"""Many people and rules at once, in whatever pieces: each is judged as if alone."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.engine import Rule, RuleKey, RuleSet, advance, new_person, resume
from tests.alerts.engine.made import rule
from tests.alerts.engine.shell import START, Shell, frame, reading
from tests.alerts.engine.test_laws import RULES, cases, expected, said
from tests.alerts.engine.twin import episodes

MANY = [replace(each, id=f"rule-{number}") for number, each in enumerate(RULES * 6)]


def standing(rules: list[Rule], rows: pl.DataFrame, users: int = 1) -> dict[tuple[int, RuleKey], list[tuple]]:  # type: ignore[type-arg]
    ruleset, by_key = RuleSet(rules), {rule.key: rule for rule in rules}
    found = advance(ruleset, {user: new_person(ruleset) for user in range(users)}, rows)
    return {
        (stretch.user_id, stretch.rule): [said(by_key[stretch.rule], each) for each in stretch.episodes]
        for stretch in found.stretches
    }


@settings(max_examples=20)
@given(st.lists(cases(), min_size=1, max_size=4))
def test_people_and_rules_do_not_touch_each_other(people: list) -> None:  # type: ignore[type-arg]
    rows = pl.concat([frame(case.readings, user) for user, case in enumerate(people)])
    found = standing(MANY, rows.sample(fraction=1, shuffle=True, seed=1), len(people))
    for user, case in enumerate(people):
        for each in MANY:
            assert found.get((user, each.key), []) == [expected(each, e) for e in episodes(each, case.readings)]


def test_more_conditions_than_a_word_holds_are_kept_apart() -> None:
    assert RuleSet(MANY).words == 3


def test_a_person_without_a_state_is_left_to_the_caller() -> None:
    rules = RuleSet([rule()])
    found = advance(rules, {}, frame([reading(7), reading(3)]))
    assert found.unreached == {1: START + timedelta(seconds=3)}
    assert not found.states
    assert not found.stretches


def test_rows_older_than_it_remembers_are_left_to_the_caller() -> None:
    rules = RuleSet([rule()])
    rows = [reading(second, heart_rate=70) for second in range(1000, 1400)]
    state = advance(rules, {1: new_person(rules)}, frame(rows)).states[1]
    assert advance(rules, {1: state}, frame([reading(999.5)])).unreached == {1: START + timedelta(seconds=999.5)}
    assert not advance(rules, {1: state}, frame([reading(1390.5)])).unreached


def test_no_rows_change_nothing() -> None:
    rules = RuleSet([rule()])
    found = advance(rules, {1: new_person(rules)}, frame([]))
    assert (found.states, found.stretches, found.unreached) == ({}, [], {})


def test_a_set_without_rules_finds_nothing() -> None:
    rules = RuleSet([])
    found = advance(rules, {1: new_person(rules)}, frame([reading(0, heart_rate=120)]))
    assert found.states[1].as_of == START
    assert not found.stretches


def test_a_resumed_rule_sees_nothing_before_its_time() -> None:
    one, other = rule(id="one", count=2), rule(id="other", count=2)
    rules = RuleSet([one, other])
    since = {one.key: START, other.key: START + timedelta(seconds=10)}
    rows = [reading(second, heart_rate=120) for second in (0, 5, 10)]
    found = advance(rules, {1: resume(rules, since)}, frame(rows))
    assert [(s.rule.id, [e.event_count for e in s.episodes]) for s in found.stretches] == [("one", [3]), ("other", [])]
    assert advance(rules, found.states, frame([reading(7)])).unreached


def test_a_resumed_person_gets_a_stretch_for_every_rule_so_that_alerts_without_evidence_go() -> None:
    rules = RuleSet([rule()])
    found = advance(rules, {1: resume(rules, {rules.keys[0]: START})}, frame([reading(0, heart_rate=70)]))
    (stretch,) = found.stretches
    assert stretch.episodes == ()
    assert stretch.since < START


def test_a_rule_sees_the_rows_received_while_it_is_active() -> None:
    active = replace(rule(), active_from=START + timedelta(seconds=10), active_until=START + timedelta(seconds=20))
    rows = [reading(second, heart_rate=120) for second in (5, 10, 19, 20)]
    ((found,),) = standing([active], frame(rows, 0)).values()
    assert found[0] == START + timedelta(seconds=10)
    assert found[5] == 2


def test_the_time_of_receipt_counts_not_that_of_the_reading() -> None:
    active = replace(rule(), active_from=START + timedelta(seconds=10))
    ((found,),) = standing([active], frame([reading(5, delay=6, heart_rate=120)], 0)).values()
    assert found[0] == START + timedelta(seconds=5)


def test_a_new_set_of_rules_keeps_what_both_have() -> None:
    kept, gone, added = rule(id="kept", count=3), rule(id="gone"), rule("spo2_percent < 90", id="added", measures=())
    before, after = RuleSet([gone, kept]), RuleSet([added, kept])
    rows = [reading(second, heart_rate=120, spo2_percent=80) for second in range(3)]
    states = advance(before, {1: new_person(before)}, frame(rows[:2])).states
    found = advance(after, states, frame(rows[2:]))
    assert {(s.rule.id, e.event_count) for s in found.stretches for e in s.episodes} == {("kept", 3), ("added", 1)}
    again = advance(after, found.states, frame([reading(1.5, heart_rate=130)]))
    assert {(s.rule.id, e.event_count) for s in again.stretches for e in s.episodes} == {("kept", 4), ("added", 1)}


def test_the_states_given_stay_valid() -> None:
    rules = RuleSet([rule(count=2)])
    states = advance(rules, {1: new_person(rules)}, frame([reading(0, heart_rate=120)])).states
    outcomes = [advance(rules, states, frame([reading(5, heart_rate=120)])).stretches for _ in range(3)]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert outcomes[0][0].episodes[0].event_count == 2


def test_an_unsettled_run_that_loses_its_evidence_says_so() -> None:
    shell = Shell(rule(count=2))
    shell.receive([reading(0, heart_rate=120), reading(10, heart_rate=120)])
    assert [alert.state for alert in shell.alerts] == ["firing"]
    shell.receive([reading(5, heart_rate=80)])
    assert [(alert.state, alert.because) for alert in shell.alerts] == [("withdrawn", "evidence_gone")]


def test_a_late_row_that_joins_two_episodes_merges_their_alerts() -> None:
    shell = Shell(rule(max_gap=10))
    shell.receive([reading(0, heart_rate=120), reading(20, heart_rate=120)])
    assert len(shell.standing) == 2
    shell.receive([reading(10, heart_rate=120)])
    assert [(alert.state, alert.because) for alert in shell.alerts] == [("firing", ""), ("withdrawn", "merged")]
    assert shell.standing[0].event_count == 3


def test_a_withdrawn_alert_is_revived_by_new_evidence() -> None:
    shell = Shell(rule(count=2, max_gap=10))
    shell.receive([reading(0, heart_rate=120), reading(10, heart_rate=120)])
    shell.receive([reading(5, heart_rate=80)])
    shell.receive([reading(0.5, heart_rate=120), reading(1, heart_rate=120)])
    assert [alert.state for alert in shell.alerts] == ["ended"]
