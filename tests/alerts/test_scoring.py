"""Scores: the truth is what was injected, and the figures say how a rule did beside it."""

import io
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alerts.engine import PipelineRule, Rule
from alerts.management.commands.score_rules import BEGIN, END
from alerts.rule_files import parse_rule, read_rules
from alerts.scoring import QUIET_MS, Score, Trial, injections, is_for, score
from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import Rate
from devices.simulator.people import people
from devices.simulator.stream import Stretch, readings

SMALL = Trial(wearers=2, days=1)
DAY_MS = 86_400_000
SOURCE = """
id: {id}
alert_type: {type}
title: A made rule
severity: LOW
over: {over}
when: {when}
max_gap: 60s
"""


def made(when: str, alert_type: str, *, over: str = "reading", name: str = "made", more: str = "") -> Rule:
    text = SOURCE.format(id=name, type=alert_type, over=over, when=when) + more
    rule = parse_rule(text).rule
    assert isinstance(rule, Rule)
    return rule


def scored(*rules: Rule, trial: Trial = SMALL) -> list[Score]:
    return score(rules, trial)


def test_everyone_has_every_anomaly_once_a_day_and_none_near_another() -> None:
    found = injections(people(1, ["a", "b"]), days=3)
    for person in ("a", "b"):
        theirs = sorted((each for each in found if person in each.user_ids), key=lambda each: each.start_ms)
        assert sorted(each.name for each in theirs) == sorted([*ANOMALIES] * 3)
        for day in range(3):
            assert {each.name for each in theirs[day * len(ANOMALIES) : (day + 1) * len(ANOMALIES)]} == set(ANOMALIES)
        assert all(after.start_ms - before.end_ms >= QUIET_MS for before, after in pairwise(theirs))
        assert theirs[-1].end_ms - theirs[0].start_ms < 3 * DAY_MS
    assert [each.name for each in found[:19]] != [each.name for each in found[57:76]]


def test_a_delay_is_from_the_onset_to_the_reading_that_opened() -> None:
    (found,) = scored(made("heart_rate > 180", "TACHYCARDIA"))
    expected = []
    for user_id in ("user_001", "user_002"):
        who = people(SMALL.seed, [user_id])
        (each,) = (each for each in injections(who, 1) if each.name == "tachycardia")
        frame = readings(Stretch(who, Rate.of(SMALL.hertz), each.start_ms, each.end_ms), [each])
        expected.append((frame["at_ms"].min() - each.start_ms) / 1000)
    assert found.delays_s == pytest.approx(expected)
    assert (found.injected, found.recall, found.false_alarms_a_day) == (2, 1.0, 0.0)


def test_a_window_is_known_when_it_is_over_and_still_counts_for_what_was_in_it() -> None:
    rule = made("max_heart_rate > 180", "TACHYCARDIA", over="window(1h)")
    (found,) = scored(rule)
    assert found.recall == 1
    assert max(found.delays_s) > 300
    assert found.false_alarms == 0


def test_a_rule_that_sees_nothing_finds_nothing_and_one_that_sees_everything_is_always_wrong() -> None:
    blind, eager, aimless = scored(
        made("heart_rate > 300", "TACHYCARDIA", name="blind"),
        made("room_temp_c > 0", "FEVER", name="eager"),
        made("room_temp_c > 0", "NO_SUCH_TYPE", name="aimless"),
        trial=Trial(wearers=1, days=1),
    )
    assert (blind.recall, blind.median_delay_s, blind.false_alarms) == (0.0, None, 0)
    assert (eager.recall, eager.median_delay_s) == (1.0, 0.0)
    assert (aimless.recall, aimless.median_delay_s) == (None, None)
    assert aimless.false_alarms_a_day >= 1


def test_what_an_anomaly_may_raise_beside_its_own_is_neither_found_nor_false() -> None:
    (beside,) = scored(made("heart_rate > 180", "ELEVATED_HEART_RATE"))
    assert (beside.injected, beside.recall, beside.false_alarms) == (2, 0.0, 0)
    (elsewhere,) = scored(made("heart_rate > 180", "HYPOXIA"))
    assert elsewhere.false_alarms == 2


def test_a_critical_form_is_there_for_its_own_anomaly_only() -> None:
    rules = {rule.id: rule for rule in read_rules()[0]}
    mild, grave = ANOMALIES["hypoxia"], ANOMALIES["hypoxia_critical"]
    assert [is_for(rules["hypoxia"], mild), is_for(rules["hypoxia"], grave)] == [True, True]
    assert [is_for(rules["hypoxia-critical"], mild), is_for(rules["hypoxia-critical"], grave)] == [False, True]
    everywhere = made("spo2_percent < 92", "HYPOXIA", name="hypoxia-critical", more="replaces: hypoxia\n")
    (found,) = scored(everywhere, trial=Trial(wearers=1, days=1))
    assert (found.injected, found.recall, found.false_alarms) == (1, 1.0, 1)


def test_one_without_an_anomaly_of_its_own_is_there_for_all_of_its_type() -> None:
    rules = {rule.id: rule for rule in read_rules()[0]}
    assert is_for(rules["device-silent-urgent"], ANOMALIES["device_silent"])


def test_a_silence_opens_when_it_has_lasted_too_long() -> None:
    rules = {rule.id: rule for rule in read_rules()[0]}
    found, urgent = score([rules["device-silent"], rules["device-silent-urgent"]], SMALL)
    assert (found.injected, found.recall, urgent.recall) == (2, 1.0, 1.0)
    assert all(115 <= delay <= 120 for delay in found.delays_s)
    assert all(295 <= delay <= 300 for delay in urgent.delays_s)
    assert found.false_alarms_a_day == urgent.false_alarms_a_day == 0


def test_of_seldom_readings_three_must_be_missing() -> None:
    rules = {rule.id: rule for rule in read_rules()[0]}
    (found,) = score([rules["device-silent"]], Trial(wearers=2, days=1, hertz=1 / 60))
    assert (found.injected, found.recall, found.false_alarms) == (2, 1.0, 0)
    assert all(120 < delay <= 180 for delay in found.delays_s)


def test_distances_from_usual_have_a_month_to_go_by() -> None:
    (found,) = scored(made("heart_rate_z IS NULL AND heart_rate IS NOT NULL", "NO_SUCH_TYPE"))
    assert found.false_alarms == 0


# The command


def run(*arguments: Any) -> str:
    out = io.StringIO()
    small = ("--wearers", 1, "--days", 1, "--rate", 0.05)
    call_command("score_rules", *map(str, (*small, *arguments)), stdout=out)
    return out.getvalue()


def test_the_same_seed_gives_the_same_table_for_every_default_rule() -> None:
    table = run()
    assert table == run()
    assert table != run("--seed", 2)
    assert [line.split()[0] for line in table.splitlines()[1:]] == [
        rule.id for rule in read_rules()[0] if not isinstance(rule, PipelineRule)
    ]
    assert re.search(r"^tachycardia +HIGH +1 +1 +100 % +0\.00 +\d+ s$", table, re.M)


def test_it_writes_the_table_between_the_marks_and_leaves_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "detection.md"
    file.write_text(f"Before\n{BEGIN}\nold\n{END}\nAfter\n")
    assert run("--write", file).endswith(f"scores written to {file}\n")
    text = file.read_text()
    assert text.startswith(f"Before\n{BEGIN}\n\nSimulated people: 1; days: 1; a reading every 20 s; seed: 1")
    assert text.endswith(f"|\n\n{END}\nAfter\n")
    assert "| tachycardia | HIGH | 1 | 1 | 100 % | 0.00 |" in text
    assert "old" not in text
    run("--write", file)
    assert file.read_text() == text


@pytest.mark.parametrize("text", ["", f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}", None])
def test_a_file_without_the_marks_is_left_alone(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "detection.md"
    if text is not None:
        file.write_text(text)
    with pytest.raises(CommandError, match=r"detection\.md (has no place for the table|cannot be read)"):
        run("--write", file)
    assert file.exists() == (text is not None)


@pytest.mark.parametrize("wrong", [("--wearers", 0), ("--days", 0), ("--rate", 0), ("--rate", 51)])
def test_it_takes_somebody_some_time_and_some_readings(wrong: tuple[str, float]) -> None:
    with pytest.raises(CommandError, match="It takes a wearer, a day, and a rate"):
        run(*wrong)


def test_mistakes_in_rules_are_named(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("id: wrong")
    with pytest.raises(CommandError, match=r"wrong\.yaml:1:1: alert_type is missing"):
        run("--rules", tmp_path)
