"""Rule files: what is read, and every mistake by file, line and column."""

from datetime import timedelta
from itertools import pairwise

import pytest

from alerts.engine import AbsenceRule, Clear, PipelineRule, Rule, RuleSet, Sustained, Window
from alerts.engine.language import read_condition
from alerts.rule_files import Problem, parse_rule, write_rule
from alerts.rule_files.parse import Parsed

GOOD = """\
id: fast
alert_type: FAST
title: Fast
severity: HIGH
over: reading
when: heart_rate > 100
max_gap: 60s
"""


def problems(text: str) -> list[str]:
    return [str(problem) for problem in parse_rule(text, path="f.yaml").problems]


def test_defaults_are_those_of_the_design() -> None:
    rule = parse_rule(GOOD, version=3).rule
    assert rule is not None
    assert (rule.rule_class, rule.sustained, rule.clear, rule.cooldown) == (
        "clinical", Sustained(1), None, timedelta(minutes=5),
    )  # fmt: skip
    assert (rule.measures, rule.replaces, rule.key) == ((), None, ("fast", 3))


def test_everything_can_be_said() -> None:
    rule = parse_rule(
        GOOD
        + """\
class: technical
sustained: {count: 5, within: 60s, for: 10m}
clear: {when: heart_rate < 95, count: 3}
cooldown: 0s
measures: [heart_rate, hrv_ms]
replaces: slow
description: >-
  Two
  lines.
falsepositives: [one, two]
references: [three]
"""
    ).rule
    assert rule is not None
    assert rule.rule_class == "technical"
    assert rule.sustained == Sustained(5, timedelta(seconds=60), timedelta(minutes=10))
    assert rule.clear == Clear(read_condition("heart_rate < 95"), 3)
    assert (rule.cooldown, rule.measures, rule.replaces) == (timedelta(0), ("heart_rate", "hrv_ms"), "slow")
    assert (rule.description, rule.falsepositives, rule.references) == ("Two lines.", ("one", "two"), ("three",))
    assert parse_rule(write_rule(rule)) == Parsed(rule, ())


def test_every_mistake_is_named_not_only_the_first() -> None:
    assert problems(
        """\
id: Fast
severity: HGH
over: reading
when: >
  heart_rate > 100
  AND activty_level < 10
sustained: {count: 0, within: 60, fr: 1}
measures: [heart_rte]
sverity: HIGH
severity: LOW
clear: {count: 3}
title: [a]
"""
    ) == [
        "f.yaml:1:1: alert_type is missing",
        "f.yaml:1:1: max_gap is missing",
        "f.yaml:1:5: 'Fast': lower-case words joined by '-', at most 64 characters",
        "f.yaml:2:11: 'HGH' is none of CRITICAL, HIGH, MEDIUM, LOW, INFO",
        "f.yaml:6:7: unknown column activty_level; did you mean activity_level?",
        "f.yaml:7:20: '0' is not a whole number from 1 to 1,000",
        "f.yaml:7:31: '60' is not a duration: write a whole number and s, m, h or d, such as 60s",
        "f.yaml:7:35: unknown key fr; did you mean for?",
        "f.yaml:8:12: 'heart_rte' is no numeric column; did you mean heart_rate?",
        "f.yaml:9:1: unknown key sverity; did you mean severity?",
        "f.yaml:10:1: severity is given twice",
        "f.yaml:11:8: when is missing",
        "f.yaml:12:8: a text is needed here",
    ]


def test_what_a_list_says_twice_is_refused_and_counts_once_where_it_is_stored_already() -> None:
    text = GOOD + "measures: [heart_rate, hrv_ms, heart_rate]\nreferences:\n  - one\n  - one\n"
    assert problems(text) == ["f.yaml:8:32: 'heart_rate' is given twice", "f.yaml:11:5: 'one' is given twice"]
    stored = parse_rule(text, judged=False).rule
    assert isinstance(stored, Rule)
    assert (stored.measures, stored.references) == (("heart_rate", "hrv_ms"), ("one",))


def test_beyond_fifty_mistakes_it_is_read_no_further() -> None:
    measures = "".join(f"  - heart_rat{number}\n" for number in range(3_000))
    found = problems(GOOD + "measures:\n" + measures)
    assert len(found) == 50
    assert found[-1].startswith("f.yaml:58:5: 'heart_rat49' is no numeric column")


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ("heart_rate > 100 and foo > 1", "6:28"),
        ('"heart_rate > 100 and foo > 1"', "6:29"),
        ("'posture = ''lying'' and foo > 1'", "6:32"),
        ("|\n  heart_rate > 100\n  and foo > 1", "8:7"),
        ("heart_rate > 100\n  and foo > 1", "7:7"),
        (">-\n  heart_rate > 100\n\n  and\n   foo > 1", "10:4"),
    ],
)
def test_a_mistake_in_a_condition_is_placed_in_the_file(when: str, place: str) -> None:
    assert problems(GOOD.replace("heart_rate > 100", when)) == [f"f.yaml:{place}: unknown column foo"]


def test_a_mistake_in_the_clear_condition_too() -> None:
    text = GOOD + "clear: {when: heart_rate < fast}\n"
    assert problems(text) == ["f.yaml:8:28: unknown column fast"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "1:1: the file is empty"),
        ("- id: fast", "1:1: a rule is a mapping: id, when, max_gap, ..."),
        ("id: [", "1:6: not YAML: expected the node content, but found '<stream end>'"),
        ("id: 'fast", "1:10: not YAML: found unexpected end of stream"),
        (GOOD + "---\n" + GOOD, "8:1: one rule a file: a second document is not allowed"),
        ("id: !!python/object/apply:os.system [ls]", "1:5: tags are not allowed"),
        ("id: \0", "1:1: not YAML: a character that is not allowed"),
        ('id: fast\ntitle: "Fast\\0"', "2:8: a character that a text may not hold: '\\x00'"),
        ('id: fast\ntitle: "\\ud800"', "2:8: a character that a text may not hold: '\\ud800'"),
        ('id: fast\nreferences:\n  - "one\\e"', "3:5: a character that a text may not hold: '\\x1b'"),
        ('{"\\x7f": 1}', "1:2: a character that a text may not hold: '\\x7f'"),
        ('title: "\\U00110000"', "1:11: not YAML: a number that is too large"),
        ('id: fast\ntitle: "\\UFFFFFFFF"', "2:11: not YAML: a number that is too large"),
        ("%YAML 1." + "9" * 5_000 + "\n---\nid: fast", "1:9: not YAML: a number that is too large"),
        ("id: " + "[" * 5_000, "1:10: nested more than 6 deep"),
        ("id: " + "x" * 70_000, "1:1: larger than 64 KiB"),
    ],
)
def test_what_is_no_document_is_refused(text: str, problem: str) -> None:
    assert problems(text) == [f"f.yaml:{problem}"]


def test_a_text_may_hold_tabs_and_lines_and_every_character_that_is_one() -> None:
    rule = parse_rule(GOOD + 'description: "one\\ttwo\\nthree\\_\\u263a\\U0001F493"\n').rule
    assert rule is not None
    assert rule.description == "one\ttwo\nthree\xa0\u263a\U0001f493"


def test_what_is_stored_already_is_read_with_a_mark_for_what_no_text_may_hold() -> None:
    stored = parse_rule(GOOD.replace("title: Fast", 'title: "Fast\\0\\ud800"'), judged=False).rule
    assert stored is not None
    assert stored.title == "Fast\ufffd\ufffd"


def test_a_bomb_is_refused_before_it_is_built() -> None:
    bomb = "a: &a [x, x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}, *{p}]\n" for p, c in pairwise("abcdefgh"))
    assert problems(bomb) == ["f.yaml:1:4: anchors and aliases are not allowed"]


WINDOWED = GOOD.replace("over: reading", "over: window(10m, every 10s)").replace(
    "heart_rate > 100", "avg_heart_rate > 100 AND count >= 2"
)


DERIVED = GOOD.replace("heart_rate > 100", "heart_rate_z > 4 AND heart_rate > 90")


def test_a_rule_with_derived_columns_reads_back() -> None:
    rule = parse_rule(DERIVED + "measures: [heart_rate_rate]\n").rule
    assert rule is not None
    assert rule.columns == ("heart_rate_rate", "heart_rate_z", "heart_rate")
    assert RuleSet([rule]).derived == ("heart_rate_rate", "heart_rate_z")
    assert parse_rule(write_rule(rule)) == Parsed(rule, ())


def test_a_derived_column_that_there_is_not_gets_a_suggestion() -> None:
    wrong = DERIVED.replace("heart_rate_z", "hart_rate_z")
    (problem,) = parse_rule(wrong, path="f.yaml").problems
    assert str(problem) == "f.yaml:6:7: unknown column hart_rate_z; did you mean heart_rate_z?"


def test_a_rule_over_windows_reads_their_columns_and_reads_back() -> None:
    rule = parse_rule(WINDOWED + "measures: [max_heart_rate]\n").rule
    assert rule is not None
    assert rule.over == Window(timedelta(minutes=10), timedelta(seconds=10))
    assert rule.columns == ("max_heart_rate", "avg_heart_rate", "count")
    assert parse_rule(write_rule(rule)) == Parsed(rule, ())


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("windows", "'windows' is none of reading, absence, pipeline, window(1m), window(30m, every 1m)"),
        ("window(10m, every 3m)", "the size must be 1 to 1,000 times the step, without a rest"),
        ("window(10m, every 20m)", "the size must be 1 to 1,000 times the step, without a rest"),
        ("window(1d, every 1s)", "the size must be 1 to 1,000 times the step, without a rest"),
        ("window(0s)", "the size must be 1 to 1,000 times the step, without a rest"),
        ("window(1m, every 0s)", "the size must be 1 to 1,000 times the step, without a rest"),
    ],
)
def test_a_window_that_cannot_be_is_refused(over: str, message: str) -> None:
    (problem,) = problems(WINDOWED.replace("window(10m, every 10s)", over))
    assert problem.startswith("f.yaml:5:7: ")
    assert message in problem


@pytest.mark.parametrize(
    ("gap", "sustained", "expected"),
    [
        ("9m", "{count: 1}", []),
        ("10m", "{count: 2, for: 10m}", []),
        ("10m", "{count: 3, within: 20m}", []),
        ("9m", "{count: 2}", ["f.yaml:7:10: windows end 10m apart: with a gap of 9m no run has two"]),
        ("9m", "{for: 1m}", ["f.yaml:7:10: windows end 10m apart: with a gap of 9m no run has two"]),
        ("1h", "{count: 3, within: 19m}", ["f.yaml:8:31: windows end 10m apart: 3 of them never lie within 19m"]),
    ],
)
def test_a_run_of_windows_that_cannot_be_is_refused(gap: str, sustained: str, expected: list[str]) -> None:
    rule = WINDOWED.replace("window(10m, every 10s)", "window(10m)").replace("60s", gap)
    assert problems(f"{rule}sustained: {sustained}\n") == expected


def test_a_column_of_another_source_is_unknown_here() -> None:
    wrong = WINDOWED.replace("avg_heart_rate", "heart_rate")
    (problem,) = parse_rule(wrong, path="f.yaml").problems
    assert "unknown column heart_rate; did you mean" in str(problem)


ABSENCE = GOOD.replace(
    "over: reading\nwhen: heart_rate > 100\nmax_gap: 60s\n",
    """\
over: absence
factor: 2.5
at_least: 90s
""",
)


def test_a_rule_over_absence_says_how_long_is_too_long_and_reads_back() -> None:
    rule = parse_rule(ABSENCE + "class: technical\nreplaces: slow\ncooldown: 0s\n", version=2).rule
    assert isinstance(rule, AbsenceRule)
    assert (rule.factor, rule.at_least, rule.key) == (2.5, timedelta(seconds=90), ("fast", 2))
    assert (rule.rule_class, rule.replaces, rule.cooldown) == ("technical", "slow", timedelta(0))
    assert rule.asks == "nothing heard for 2.5 x cadence, at least 90s"
    assert parse_rule(write_rule(rule), version=2) == Parsed(rule, ())


def test_a_rule_over_absence_has_nothing_to_say_of_rows() -> None:
    rows = (
        "when: heart_rate > 100\nsustained: {count: 2}\nmax_gap: 60s\nclear: {when: hrv_ms > 1}\nmeasures: [hrv_ms]\n"
    )
    reason = "a rule over absence has factor and at_least in its place"
    keys = ("when", "sustained", "max_gap", "clear", "measures")
    assert problems(ABSENCE + rows) == [f"f.yaml:{line}:1: {key}: {reason}" for line, key in enumerate(keys, 8)]


def test_a_rule_over_rows_has_nothing_to_say_of_absence() -> None:
    reason = "it belongs to rules over absence alone"
    assert problems(GOOD + "at_least: 2m\nfactor: 3\n") == [
        f"f.yaml:8:1: at_least: {reason}", f"f.yaml:9:1: factor: {reason}"
    ]  # fmt: skip


PIPELINE = GOOD.replace(
    "over: reading\nwhen: heart_rate > 100\nmax_gap: 60s\n",
    """\
class: technical
over: pipeline
event: offset_gap
max_gap: 10m
""",
)


def test_a_rule_over_the_pipeline_says_which_event_and_for_how_long_and_reads_back() -> None:
    rule = parse_rule(PIPELINE, version=2).rule
    assert isinstance(rule, PipelineRule)
    assert (rule.event, rule.max_gap, rule.key) == ("offset_gap", timedelta(minutes=10), ("fast", 2))
    assert rule.asks == "offset_gap, until none came for 10m"
    assert parse_rule(write_rule(rule), version=2) == Parsed(rule, ())


def test_a_rule_over_the_pipeline_has_nothing_to_say_of_people() -> None:
    said = "when: heart_rate > 100\nsustained: {count: 2}\nclear: {when: hrv_ms > 1}\nmeasures: [hrv_ms]\nfactor: 3\n"
    reason, keys = "a rule over the pipeline has event and max_gap in its place", said.split("\n")
    assert problems(PIPELINE + said) == [
        *(f"f.yaml:{line}:1: {key.split(':')[0]}: {reason}" for line, key in enumerate(keys[:4], 9)),
        "f.yaml:13:1: factor: it belongs to rules over absence alone",
    ]
    assert problems(GOOD + "event: offset_gap\n") == ["f.yaml:8:1: event: it belongs to rules over the pipeline alone"]


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        (
            "event: offset_gap",
            "event: fire",
            "f.yaml:7:8: 'fire' is none of no_consumer, offset_gap, reject_storm, split_person, undelivered",
        ),
        ("event: offset_gap\n", "", "f.yaml:1:1: event is missing"),
        ("max_gap: 10m\n", "", "f.yaml:1:1: max_gap is missing"),
        ("class: technical", "class: clinical", "f.yaml:5:8: a rule over the pipeline is of the class technical"),
        ("class: technical\n", "", "f.yaml:1:1: a rule over the pipeline is of the class technical"),
    ],
)
def test_a_mistake_in_a_rule_over_the_pipeline_is_named(right: str, wrong: str, problem: str) -> None:
    assert problem in problems(PIPELINE.replace(right, wrong))


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("factor: 2.5", "factor: 1", "f.yaml:6:9: '1' is not a number above 1, 1,000 at most"),
        ("factor: 2.5", "factor: 1001", "f.yaml:6:9: '1001' is not a number above 1, 1,000 at most"),
        ("factor: 2.5", "factor: three", "f.yaml:6:9: 'three' is not a number above 1, 1,000 at most"),
        ("factor: 2.5", "factor: [3]", "f.yaml:6:9: a text is needed here"),
        ("at_least: 90s", "at_least: 0s", "f.yaml:7:11: it must be longer than 0s"),
        ("at_least: 90s", "at_least: 8d", "f.yaml:7:11: '8d' is longer than 7 days"),
        ("factor: 2.5\n", "", "f.yaml:1:1: factor is missing"),
        ("at_least: 90s\n", "", "f.yaml:1:1: at_least is missing"),
    ],
)
def test_what_is_too_long_must_be_said_in_numbers(right: str, wrong: str, problem: str) -> None:
    assert problems(ABSENCE.replace(right, wrong)) == [problem]


@pytest.mark.parametrize("text", ["1.5h", "-1s", "60 s", "1w", "99999999d", "0s"])
def test_a_gap_is_a_positive_length(text: str) -> None:
    assert len(problems(GOOD.replace("60s", text))) == 1


def test_within_needs_a_count() -> None:
    text = GOOD + "sustained: {within: 60s}\n"
    assert problems(text) == ["f.yaml:8:21: within needs a count: {count: 5, within: 60s}"]


def test_a_rule_cannot_replace_itself() -> None:
    assert problems(GOOD + "replaces: fast\n") == ["f.yaml:8:11: a rule cannot replace itself"]


def test_problems_sort_by_place() -> None:
    assert sorted([Problem("f", 10, 1, "b"), Problem("f", 9, 5, "a")])[0].line == 9


LONG = " OR ".join(["heart_rate > 1"] * 2_000)


@pytest.mark.parametrize(
    ("when", "column", "message"),
    [
        (LONG, 1008, "longer than 1,000 characters"),
        ("(" * 200 + "hrv_ms > 1" + ")" * 200, 27, "nested more than 20 deep"),
        ("read_csv('/etc/passwd') > 1", 7, "the function read_csv is not allowed: there is only ABS"),
        ("heart_rate > pg_sleep(9)", 20, "the function pg_sleep is not allowed: there is only ABS"),
        ("posture > 'lying'", 7, "text is compared by =, <> and IN only"),
        ("heart_rate = 'fast'", 7, "heart_rate is a number: it cannot be compared with a text"),
        ("heart_rate / 0 > 1", 20, "division by zero"),
        ("60 / heart_rate > 1", 12, "division is by a number only, not by a column or an expression"),
        ("devices_user.password > 1", 19, "qualified names are not allowed: write the column alone"),
        ("heart_rate > (SELECT 1 FROM devices_user)", 21, "a subquery is not allowed"),
        ("hart_rate > 100", 7, "unknown column hart_rate; did you mean heart_rate?"),
        ("heart_rate > 500", 7, "this can never be TRUE: heart_rate is 1 to 350"),
        ("hrv_ms < 20 AND heart_rate > 0 AND hrv_ms > 20", 42,
         "this can never be TRUE: it contradicts what stands before it"),
        ("heart_rate > 0", 7, "this is always TRUE: heart_rate is 1 to 350"),
    ],
)  # fmt: skip
def test_a_condition_that_is_none_is_refused_at_its_place(when: str, column: int, message: str) -> None:
    assert problems(GOOD.replace("heart_rate > 100", when)) == [f"f.yaml:6:{column}: {message}"]


def test_a_clear_that_can_end_nothing_is_refused_at_its_place() -> None:
    assert problems(GOOD + "clear: {when: heart_rate > 120}\n") == [
        "f.yaml:8:15: this can never end an episode: wherever it is TRUE, `when` is TRUE too, and wins"
    ]
    assert problems(GOOD + "clear: {count: 2, when: heart_rate < 400}\n") == [
        "f.yaml:8:25: this is always TRUE: heart_rate is 1 to 350"
    ]


def test_a_bomb_of_aliases_is_refused_at_the_first_one() -> None:
    bomb = 'a: &a ["x", "x"]\n' + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in pairwise("abcdefghij"))
    assert problems(bomb) == ["f.yaml:1:4: anchors and aliases are not allowed"]


def test_what_is_stored_is_read_though_it_would_be_refused_today() -> None:
    assert parse_rule(GOOD.replace("> 100", "> 500"), judged=False).rule is not None
    alone = WINDOWED.replace("every 10s", "every 5m") + "sustained: {count: 2}\n"
    assert [parse_rule(alone, judged=judged).rule is None for judged in (True, False)] == [True, False]
