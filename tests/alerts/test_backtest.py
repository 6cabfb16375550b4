"""Backtest over files: real heart rates, and the command as it is typed."""

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest
from django.core.management import CommandError, call_command

from alerts.backtest import Finding, backtest
from alerts.engine.rule import over_rows
from alerts.rule_files import read_rules
from devices.readings_file import read_readings

DATA = Path(__file__).parent.parent / "data"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "fitbit"
MADE = DATA / "fitbit-rules" / "tachycardia-at-rest.yaml"


def found(findings: list[Finding]) -> list[tuple[str, ...]]:
    """As the expected files have it: rule, person, start, opening, end, rows, average, how it ended."""
    return sorted(map(line, findings))


def line(finding: Finding) -> tuple[str, ...]:
    episode = finding.episode
    times = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (episode.started_at, episode.opened_at, episode.ended_at))
    rule, average = finding.rule.id.replace("-", "_"), f"{episode.measures['heart_rate'].avg:.4f}"
    return (rule, finding.user_id, *times, str(episode.event_count), average, episode.end)


def expected(*files: Path) -> list[tuple[str, ...]]:
    return sorted(tuple(row.values()) for file in files for row in csv.DictReader(file.open()))


def test_it_finds_the_episodes_of_two_real_days() -> None:
    rules, _ = read_rules([DATA / "fitbit-rules"])
    readings = read_readings([DATA / "fitbit-days.csv.gz"])
    assert found(backtest(rules, readings.frame)) == expected(DATA / "fitbit-days-expected.csv")


def test_the_order_of_the_rows_of_a_file_does_not_matter() -> None:
    rules, _ = read_rules([DATA / "fitbit-rules"])
    shuffled = read_readings([DATA / "fitbit-days.csv.gz"]).frame.sample(fraction=1, shuffle=True, seed=1)
    assert found(backtest(rules, shuffled)) == expected(DATA / "fitbit-days-expected.csv")


if SHARED.is_dir():  # the whole month of three people is not part of the repository

    def test_it_finds_the_episodes_of_three_peoples_month() -> None:
        rules, _ = read_rules([SHARED / "rules"])
        readings = read_readings(sorted(SHARED.glob("fitbit-*.csv.gz")))
        assert readings.frame.height == 406_342
        assert found(backtest(rules, readings.frame)) == expected(*SHARED.glob("expected-*.csv"))


def run(*arguments: object) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("backtest", *map(str, arguments), stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.fixture
def readings(tmp_path: Path) -> Path:
    file = tmp_path / "readings.csv"
    rows = ["timestamp,user_id,heart_rate"]
    rows += [
        f"2026-01-05T10:00:0{second}Z,{user},{rate}" for user in "ba" for second, rate in enumerate((190, 200, 90))
    ]
    file.write_text("\n".join([*rows, "2026-01-05T10:00:09Z,a,400", "yesterday,a,70"]))
    return file


def test_json_has_one_object_a_line_sorted_by_rule_person_and_start(readings: Path) -> None:
    out, _ = run("--json", "--rule", "tachycardia", "--readings", readings)
    first, second = map(json.loads, out.splitlines())
    assert first == {
        "rule_id": "tachycardia",
        "user_id": "a",
        "started_at": "2026-01-05T10:00:00.000Z",
        "opened_at": "2026-01-05T10:00:00.000Z",
        "ended_at": "2026-01-05T10:00:01.000Z",
        "event_count": 2,
        "measures": {"heart_rate": {"avg": 195.0, "min": 190.0, "max": 200.0}},
        "end": "cleared",
    }
    assert second["user_id"] == "b"


def test_the_table_is_for_people(readings: Path) -> None:
    out, err = run("--readings", readings)
    assert "tachycardia" in out
    assert out.endswith("2 episodes\n")
    left_out, of_the_pipeline, *said = err.splitlines()
    assert left_out.startswith("left out device-silent-urgent, device-silent: ")
    assert of_the_pipeline.startswith("left out no-consumer, offset-gap, reject-storm, split-person, undelivered: ")
    refused = ["1 rows refused: bad_timestamp", "1 rows refused: out_of_range"]
    assert said == [*refused, "always NULL, since files hold no baselines: heart_rate_z, hrv_ms_z"]


def test_it_takes_one_person_and_a_span(readings: Path) -> None:
    arguments = ("--json", "--rule", "tachycardia", "--user", "a", "--readings", readings)
    assert len(run(*arguments)[0].splitlines()) == 1
    out, _ = run(*arguments, "--since", "2026-01-05T10:00:01Z", "--until", "2026-01-05T10:00:02")
    assert [(found["event_count"], found["end"]) for found in map(json.loads, out.splitlines())] == [(1, "open")]


def test_it_says_that_a_rule_does_not_exist(readings: Path) -> None:
    with pytest.raises(CommandError, match="There is no rule nonsense; there are bradycardia"):
        run("--rule", "nonsense", "--readings", readings)


def test_it_names_the_mistakes_of_a_rule_file(tmp_path: Path, readings: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(MADE.read_text().replace("max_gap: 60s\n", ""))
    with pytest.raises(CommandError, match=r"wrong\.yaml:1:1: max_gap is missing"):
        run("--rules", wrong, "--readings", readings)


def test_it_names_a_file_that_is_not_gzip(tmp_path: Path) -> None:
    file = tmp_path / "readings.csv.gz"
    file.write_text("timestamp,user_id")
    with pytest.raises(CommandError, match="not a gzip file"):
        run("--readings", file)


def test_no_readings_give_no_episodes() -> None:
    rules = over_rows(read_rules()[0])
    empty = read_readings([]).frame
    assert isinstance(empty, pl.DataFrame)
    assert backtest(rules, empty) == []


DERIVED = """
id: {id}
alert_type: MADE
title: A made rule
severity: LOW
over: reading
when: {when}
max_gap: 20m
measures: [heart_rate]
"""


def test_a_change_is_measured_from_the_reading_before(readings: Path, tmp_path: Path) -> None:
    (tmp_path / "jump.yaml").write_text(DERIVED.format(id="jump", when="heart_rate_rate < -6000"))
    out, err = run("--json", "--rules", tmp_path / "jump.yaml", "--readings", readings)
    assert [(f["user_id"], f["started_at"]) for f in map(json.loads, out.splitlines())] == [
        ("a", "2026-01-05T10:00:02.000Z"), ("b", "2026-01-05T10:00:02.000Z"),
    ]  # fmt: skip
    assert "NULL" not in err


def test_files_know_nothing_of_what_is_usual_and_the_command_says_so(readings: Path, tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text(DERIVED.format(id="odd", when="heart_rate > 180 AND heart_rate_z > 4"))
    out, err = run("--rules", tmp_path / "odd.yaml", "--readings", readings)
    assert out.endswith("0 episodes\n")
    assert "always NULL, since files hold no baselines: heart_rate_z" in err.splitlines()


def test_a_strap_that_is_off_is_seen_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "off.yaml").write_text(DERIVED.format(id="off", when="not_worn = 1"))
    file = tmp_path / "readings.csv"
    rates = ("70", "0", "", "255", "71")
    lines = [f"2026-01-05T10:0{minute}:00Z,a,{rate},20" for minute, rate in enumerate(rates)]
    file.write_text("\n".join(["timestamp,user_id,heart_rate,room_temp_c", *lines]))
    (line,) = run("--json", "--rules", tmp_path / "off.yaml", "--readings", file)[0].splitlines()
    found = json.loads(line)
    assert (found["started_at"], found["ended_at"]) == ("2026-01-05T10:01:00.000Z", "2026-01-05T10:03:00.000Z")
    assert (found["event_count"], found["end"], found["measures"]) == (2, "cleared", {})


SILENT = """\
id: silent
alert_type: SILENT
title: Silent
severity: LOW
over: absence
factor: 3
at_least: 2m
"""


def test_a_rule_over_absence_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "silent.yaml").write_text(SILENT)
    arguments = ("--readings", DATA / "fitbit-days.csv.gz", "--json", "--rules", tmp_path / "silent.yaml")
    out, err = run(*arguments, MADE)
    assert {json.loads(each)["rule_id"] for each in out.splitlines()} == {"tachycardia-at-rest"}
    assert "left out silent: a rule over absence cannot be tried on the past" in err
    with pytest.raises(CommandError, match="silent: a rule over absence cannot be tried on the past"):
        run(*arguments)
