"""Every sentence of what a rule means, by example. Rows are (second, heart rate) unless they say more."""

import polars as pl
import pytest

from alerts.engine import Episode, Rule, RuleSet, advance, new_person
from devices.metrics import Flag
from tests.alerts.engine.made import rule
from tests.alerts.engine.shell import START, Shell, frame, reading

Row = tuple[float, float | None]


def episodes(given: Rule, rows: list[Row]) -> list[Episode]:
    shell = Shell(given)
    shell.receive(reading(second, number, heart_rate=rate) for number, (second, rate) in enumerate(rows))
    return shell.standing


def seconds(episode: Episode) -> tuple[float, ...]:
    times = (episode.started_at, episode.opened_at, episode.ended_at)
    return tuple((at - START).total_seconds() for at in times)


def settled(episode: Episode) -> float | None:
    return None if episode.settled_at is None else (episode.settled_at - START).total_seconds()


FIVE = rule(count=5, within=60)


def test_it_opens_at_the_fifth_reading() -> None:
    rows = [(second, 120.0) for second in range(0, 50, 10)]
    assert episodes(FIVE, rows[:4]) == []
    (found,) = episodes(FIVE, rows)
    assert seconds(found) == (0, 40, 40)
    assert (found.event_count, found.end) == (5, "open")


def test_it_opens_though_the_run_began_longer_ago_than_within() -> None:
    (found,) = episodes(rule(count=3, within=20), [(0, 120), (30, 120), (60, 120), (70, 120), (80, 120)])
    assert seconds(found) == (0, 80, 80)


def test_within_is_inclusive() -> None:
    assert len(episodes(FIVE, [(0, 120), (15, 120), (30, 120), (45, 120), (60, 120)])) == 1
    assert episodes(FIVE, [(0, 120), (15, 120), (30, 120), (45, 120), (60.000001, 120)]) == []


def test_for_is_inclusive_and_measured_between_true_rows() -> None:
    lasting = rule(lasting=30)
    assert episodes(lasting, [(0, 120), (29.999999, 120)]) == []
    assert seconds(episodes(lasting, [(0, 120), (30, 120), (40, 120)])[0]) == (0, 30, 40)


def test_count_and_for_are_both_needed() -> None:
    both = rule(count=3, lasting=20)
    assert episodes(both, [(0, 120), (20, 120)]) == []
    assert seconds(episodes(both, [(0, 120), (5, 120), (10, 120), (20, 120)])[0]) == (0, 20, 20)


def test_false_breaks_the_run_before_it_opens() -> None:
    assert episodes(rule(count=3), [(0, 120), (5, 120), (10, 80), (15, 120), (20, 120)]) == []


def test_null_neither_feeds_nor_breaks_the_run() -> None:
    (found,) = episodes(rule(count=3), [(0, 120), (5, None), (10, 120), (15, None), (20, 120)])
    assert (seconds(found), found.event_count) == ((0, 20, 20), 3)


def test_no_value_is_carried_to_the_next_row() -> None:
    shell = Shell(rule("heart_rate > 100 AND activity_level < 10"))
    shell.receive([reading(0, activity_level=5), reading(1, heart_rate=120), reading(2, activity_level=5)])
    assert shell.standing == []


def test_null_or_true_is_true() -> None:
    shell = Shell(rule("heart_rate > 100 OR activity_level < 10"))
    shell.receive([reading(0, activity_level=5), reading(1, heart_rate=80)])
    assert len(shell.standing) == 1


@pytest.mark.parametrize(("second", "count"), [(60, 1), (60.000001, 0)])
def test_a_row_after_more_than_max_gap_starts_anew(second: float, count: int) -> None:
    assert len(episodes(rule(count=2), [(0, 120), (second, 120)])) == count


def test_a_gap_comes_before_anything_else_the_row_says() -> None:
    first, second = episodes(rule(), [(0, 120), (61, 120)])
    assert (first.end, settled(first)) == ("gap", 60)
    assert (seconds(second), second.end) == ((61, 61, 61), "open")
    (only,) = episodes(rule(), [(0, 120), (61, 80)])
    assert (only.end, settled(only)) == ("gap", 60)


def test_the_gap_ends_an_episode_as_soon_as_any_later_row_is_known() -> None:
    assert episodes(rule(), [(0, 120), (60, None)])[0].end == "open"
    assert episodes(rule(), [(0, 120), (60.000001, None)])[0].end == "gap"


def test_not_when_once_clears_by_default() -> None:
    (found,) = episodes(rule(), [(0, 120), (5, 121), (10, 80)])
    assert (found.end, seconds(found), settled(found), found.event_count) == ("cleared", (0, 0, 5), 10, 2)


def test_a_false_row_does_not_extend_the_gap_without_an_explicit_clear() -> None:
    assert [e.end for e in episodes(rule(), [(0, 120), (50, None), (65, None)])] == ["gap"]


THRICE = rule(clear="heart_rate < 95", clear_count=3)


def test_it_clears_at_the_third_row_in_a_row() -> None:
    (found,) = episodes(THRICE, [(0, 120), (5, 90), (10, 90), (15, 90)])
    assert (found.end, seconds(found), settled(found)) == ("cleared", (0, 0, 0), 15)


def test_true_starts_the_clearing_again() -> None:
    (found,) = episodes(THRICE, [(0, 120), (5, 90), (10, 90), (15, 120), (20, 90), (25, 90)])
    assert (found.end, found.event_count) == ("open", 2)


def test_false_of_the_clear_condition_starts_the_clearing_again() -> None:
    assert episodes(THRICE, [(0, 120), (5, 90), (10, 90), (15, 97), (20, 90), (25, 90)])[0].end == "open"


def test_null_of_the_clear_condition_is_skipped() -> None:
    assert episodes(THRICE, [(0, 120), (5, 90), (10, None), (15, 90), (20, None), (25, 90)])[0].end == "cleared"


def test_a_clear_condition_counts_where_when_is_null() -> None:
    either = rule("heart_rate > 100", clear="activity_level > 50", clear_count=2)
    shell = Shell(either)
    shell.receive([reading(0, heart_rate=120), reading(5, activity_level=60), reading(10, activity_level=60)])
    assert shell.standing[0].end == "cleared"


def test_false_of_the_clear_condition_starts_again_where_when_is_null() -> None:
    either = rule("heart_rate > 100", clear="activity_level > 50", clear_count=2)
    shell = Shell(either)
    levels = ((0, {"heart_rate": 120}), (5, {"activity_level": 60}), (10, {"activity_level": 20}))
    shell.receive(reading(second, **values) for second, values in (*levels, (15, {"activity_level": 60})))
    assert shell.standing[0].end == "open"


def test_where_both_are_true_when_wins() -> None:
    both = rule("heart_rate > 100", clear="heart_rate > 90", clear_count=1)
    assert [e.end for e in episodes(both, [(0, 120), (5, 120), (10, 120)])] == ["open"]
    assert [e.end for e in episodes(both, [(0, 120), (5, 95)])] == ["cleared"]


def test_an_explicit_clear_measures_the_gap_from_the_last_row_that_said_something() -> None:
    rows: list[Row] = [(0, 120), (50, 97), (100, 97)]
    (found,) = episodes(THRICE, rows)
    assert (found.end, seconds(found)) == ("open", (0, 0, 0))
    (found,) = episodes(THRICE, [*rows, (161, None)])
    assert (found.end, settled(found)) == ("gap", 160)


def test_a_null_row_does_not_extend_the_gap() -> None:
    (found,) = episodes(THRICE, [(0, 120), (50, None), (61, 97)])
    assert (found.end, settled(found)) == ("gap", 60)


def test_before_it_opens_an_explicit_clear_changes_nothing() -> None:
    twice = rule(count=2, clear="heart_rate < 95", clear_count=3)
    assert episodes(twice, [(0, 120), (5, 97), (10, 120)]) == []
    assert episodes(twice, [(0, 120), (61, 120)]) == []


def test_rows_of_equal_time_are_taken_in_the_order_of_their_id() -> None:
    shell = Shell(rule(count=2))
    shell.receive([reading(5, 3, heart_rate=120), reading(5, 2, heart_rate=80), reading(5, 1, heart_rate=120)])
    assert shell.standing == []
    other = Shell(rule(count=2))
    other.receive([reading(5, 3, heart_rate=120), reading(5, 1, heart_rate=80), reading(5, 2, heart_rate=120)])
    assert other.standing[0].event_count == 2


def test_the_sum_does_not_depend_on_the_order_of_addition() -> None:
    rates = [100.1, 99.9, 100.3, 99.7, 100.2, 99.8]
    forward = episodes(rule("heart_rate > 90"), list(enumerate(rates)))
    backward = episodes(rule("heart_rate > 90"), list(enumerate(reversed(rates))))
    assert forward[0].measures["heart_rate"].avg == backward[0].measures["heart_rate"].avg == 100
    assert forward[0].measures["heart_rate"].total == 600_000_000


def test_measures_cover_all_true_rows_and_only_those() -> None:
    (found,) = episodes(rule(clear="heart_rate < 95", clear_count=3), [(0, 110), (5, 90), (10, 130), (15, 98)])
    measure = found.measures["heart_rate"]
    assert (measure.count, measure.avg, measure.low, measure.high) == (2, 120, 110, 130)


def test_a_measure_that_no_row_had_is_left_out() -> None:
    shell = Shell(rule("activity_level > 50"))
    shell.receive([reading(0, activity_level=60)])
    assert shell.standing[0].measures == {}


def test_it_keeps_the_first_and_the_last_twenty_rows() -> None:
    shell = Shell(rule("heart_rate > 100 AND posture = 'lying'"))
    shell.receive(reading(second, second, heart_rate=101 + second, posture="lying") for second in range(50))
    evidence = shell.standing[0].evidence
    assert [row.values["heart_rate"] for row in evidence.first] == [101 + n for n in range(20)]
    assert [row.values["heart_rate"] for row in evidence.last] == [131 + n for n in range(20)]
    assert evidence.last[-1].event_id.endswith("31")
    assert evidence.last[-1].values["posture"] == "lying"


def test_it_keeps_the_row_that_opened_it() -> None:
    shell = Shell(rule("heart_rate > 100", lasting=30))
    shell.receive(reading(second, second, heart_rate=101 + second) for second in range(80))
    evidence = shell.standing[0].evidence
    assert (evidence.opening_number, evidence.opening.values["heart_rate"]) == (31, 131)


def test_suspect_values_count_where_the_rule_reads_them() -> None:
    rules = RuleSet([rule()])
    flags = pl.Series("flags", [int(Flag.SUSPECT_HEART_RATE), int(Flag.SUSPECT_SKIN_TEMP), 0])
    rows = frame([reading(second, heart_rate=240) for second in range(3)]).with_columns(flags)
    (stretch,) = advance(rules, {1: new_person(rules)}, rows).stretches
    assert stretch.episodes[0].suspect_count == 1


def test_a_row_is_fresh_if_it_is_not_late_and_came_within_a_quarter_of_an_hour() -> None:
    shell = Shell(rule())
    rows = [(0, 901, False), (1, 900, False), (2, 0, True), (3, 0, False), (4, 1000, False)]
    shell.receive(reading(second, delay=delay, late=late, heart_rate=120) for second, delay, late in rows)
    (found,) = shell.standing
    assert found.first_fresh_at == reading(1).at
    assert found.last_fresh_at == reading(3).at


def test_rows_before_the_opening_one_make_nothing_fresh() -> None:
    shell = Shell(rule(count=2))
    shell.receive([reading(0, heart_rate=120), reading(1, delay=2000, heart_rate=120)])
    assert shell.standing[0].first_fresh_at is None
