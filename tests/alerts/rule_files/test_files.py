"""Folders of rules, and the rules that come with Telara."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command

from alerts.engine import Rule
from alerts.engine.rule import SEVERITIES
from alerts.rule_files import parse_rule, read_rule_files, read_rules, write_rule
from tests.alerts.rule_files.test_parse import GOOD


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


def test_the_rules_that_come_with_telara_are_good_and_complete() -> None:
    rules, problems = read_rules()
    assert problems == []
    assert {rule.id for rule in rules} == {
        "bradycardia", "bradypnea", "device-silent", "device-silent-urgent", "elevated-blood-pressure",
        "elevated-blood-sugar", "elevated-heart-rate", "fever",
        "heart-rate-unusual", "hrv-drop", "hypertensive-crisis", "hypoglycemia", "hypoglycemia-critical", "hypoxia",
        "hypoxia-critical", "no-consumer", "offset-gap", "reject-storm", "sensor-off", "sensor-stuck", "split-person",
        "tachycardia", "tachycardia-at-rest", "tachypnea", "undelivered",
    }  # fmt: skip
    for rule in rules:
        assert rule.description, rule.id
        assert rule.falsepositives, rule.id
        assert rule.references, rule.id
        assert not isinstance(rule, Rule) or rule.measures or rule.rule_class == "technical", rule.id
        assert parse_rule(write_rule(rule)).rule == rule


def test_a_critical_form_replaces_the_rule_of_its_type() -> None:
    rules = {rule.id: rule for rule in read_rules()[0]}
    for rule in rules.values():
        if rule.replaces:
            assert rules[rule.replaces].alert_type == rule.alert_type
            assert SEVERITIES.index(rule.severity) < SEVERITIES.index(rules[rule.replaces].severity)


def test_a_folder_gives_its_files_with_their_text(tmp_path: Path) -> None:
    (file,), problems = read_rule_files([write(tmp_path, one=GOOD)])
    assert (file.rule.id, file.source, problems) == ("fast", GOOD, [])


def test_an_id_stands_once(tmp_path: Path) -> None:
    _, problems = read_rules([write(tmp_path, one=GOOD, two="# a copy\n" + GOOD)])
    assert [str(p) for p in problems] == [f"{tmp_path}/two.yaml:2:5: fast is also the id of {tmp_path}/one.yaml"]


def test_a_rule_replaces_one_of_its_own_type(tmp_path: Path) -> None:
    other = GOOD.replace("id: fast", "id: faster").replace("FAST", "FASTER") + "replaces: fast\n"
    _, problems = read_rules([write(tmp_path, one=GOOD, two=other)])
    assert [str(p) for p in problems] == [f"{tmp_path}/two.yaml:8:11: fast has another alert_type: FAST"]


def test_a_rule_replaces_one_that_is_less_grave(tmp_path: Path) -> None:
    worse, other = (GOOD.replace("id: fast", f"id: {name}") + "replaces: fast\n" for name in ("faster", "fastest"))
    critical = worse.replace("severity: HIGH", "severity: CRITICAL")
    _, problems = read_rules([write(tmp_path, one=GOOD, two=critical, three=other)])
    said = "fast is HIGH, and a critical form is graver"
    assert [str(p) for p in problems] == [f"{tmp_path}/three.yaml:8:11: {said}"]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    _, problems = read_rules([tmp_path / "none.yaml", tmp_path / "bytes.yaml"])
    assert [problem.message for problem in problems] == [
        "cannot be read: No such file or directory",
        "cannot be read: not UTF-8 text",
    ]


def test_a_folder_without_rules_is_named(tmp_path: Path) -> None:
    assert [str(p) for p in read_rules([tmp_path])[1]] == [f"{tmp_path}:1:1: no rules here: a rule is a file *.yaml"]


def test_check_rules_prints_every_problem_and_exits_1(tmp_path: Path) -> None:
    out = io.StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("check_rules", str(write(tmp_path, one=GOOD.replace("60s", "60"))), stdout=out)
    assert left.value.code == 1
    assert out.getvalue().startswith(f"{tmp_path}/one.yaml:7:10: '60' is not a duration")


def test_check_rules_names_a_rule_to_replace_that_there_is_not(tmp_path: Path) -> None:
    own = GOOD.replace("id: fast", "id: faster") + "replaces: fats\n"
    builtin = GOOD.replace("id: fast", "id: fastest").replace("FAST", "TACHYCARDIA") + "replaces: tachycardia\n"
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("check_rules", str(write(tmp_path, one=GOOD, two=own, three=builtin)), stdout=out)
    assert out.getvalue() == f"{tmp_path}/two.yaml:8:11: there is no rule fats; did you mean fast?\n"


def test_check_rules_is_content_with_good_ones() -> None:
    out = io.StringIO()
    call_command("check_rules", stdout=out)
    assert out.getvalue() == f"{len(read_rules()[0])} rules, no problem\n"
