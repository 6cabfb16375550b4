"""Single values of a rule's text: read for a form, and changed where they stand."""

from pathlib import Path

import pytest

from alerts.rule_files import parse_rule
from alerts.rule_files.document import DocumentError
from alerts.rule_files.edit import value_set, values_of

RULES = sorted(Path("alerts/rules").glob("*.yaml"))
TEXT = """\
# the night shift asked for it
id: fast
alert_type: FAST
title: "Fast: at night"   # shown
severity: HIGH
over: reading
when: heart_rate > 100
sustained: {count: 5, within: 60s}
max_gap: 60s
measures: [heart_rate, hrv_ms]
description: >-
  Faster than
  it should be.

falsepositives:
  - Fever, and running
"""


def test_it_reads_what_the_text_says() -> None:
    assert values_of(TEXT) == {
        "id": "fast",
        "alert_type": "FAST",
        "title": "Fast: at night",
        "severity": "HIGH",
        "over": "reading",
        "when": "heart_rate > 100",
        "sustained.count": "5",
        "sustained.within": "60s",
        "max_gap": "60s",
        "measures": "heart_rate, hrv_ms",
        "description": "Faster than it should be.",
    }


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("severity", "LOW", "severity: LOW\n"),
        ("title", "Slow # and odd: yes", 'title: "Slow # and odd: yes"'),
        ("title", "no", "title: no"),
        ("when", "spo2_percent < 92\n  AND steps_per_minute < 5", "when: spo2_percent < 92 AND steps_per_minute < 5\n"),
        ("sustained.count", "3", "sustained: {count: 3, within: 60s}\n"),
        ("sustained.within", "", "sustained: {count: 5}\n"),
        ("sustained.for", "10m", "sustained: {count: 5, within: 60s, for: 10m}\n"),
        ("clear.when", "heart_rate < 95, or so", 'max_gap: 60s\nclear: {when: "heart_rate < 95, or so"}\nmeasures'),
        ("cooldown", "15m", "max_gap: 60s\ncooldown: 15m\nmeasures"),
        ("measures", "heart_rate", "measures: [heart_rate]\n"),
        ("description", "Short.", "description: Short.\n\nfalsepositives"),
        ("replaces", "slow", "measures: [heart_rate, hrv_ms]\nreplaces: slow\ndescription: >-\n"),
    ],
)
def test_a_value_is_changed_where_it_stands_and_nothing_else_is(path: str, value: str, line: str) -> None:
    changed = value_set(TEXT, path, value)
    assert line in changed
    assert values_of(changed).get(path, "") == " ".join(value.split())
    others = {name: each for name, each in values_of(TEXT).items() if name != path}
    assert {name: each for name, each in values_of(changed).items() if name != path} == others
    assert changed.startswith("# the night shift asked for it\n")
    assert "  - Fever, and running\n" in changed


def test_what_is_empty_is_taken_out_with_its_line() -> None:
    assert "max_gap" not in value_set(TEXT, "max_gap", " ")
    assert value_set(TEXT, "cooldown", "") == TEXT
    assert "description" not in value_set(TEXT, "description", "")
    once = value_set(value_set(TEXT, "sustained.count", ""), "sustained.within", "")
    assert "sustained" not in once
    assert parse_rule(once).rule is not None


REMARKED = """\
---
id: fast
title: Fast # agreed with Dr B
# how often
clear: # when it is over
  when: heart_rate < 95  # as at night
  # and stays so
  count: 3
# what is shown
measures:  # of the heart
  - heart_rate
  # not at night
  - hrv_ms  # noisy
# why
description: >- # for the ward
  Faster than
  it should be.
# the end
"""
BRACES = """\
id: fast
sustained: {
  count: 5,  # of them
  within: 60s,  # at least
}
"""


@pytest.mark.parametrize(
    ("text", "path", "value", "was", "became"),
    [
        (REMARKED, "severity", "LOW", "Dr B\n", "Dr B\nseverity: LOW\n"),
        (REMARKED, "title", "Slow", "title: Fast #", "title: Slow #"),
        (REMARKED, "title", "", "title: Fast # agreed with Dr B\n", ""),
        (REMARKED, "clear.when", "heart_rate < 90", "95", "90"),
        (REMARKED, "clear.count", "", "  count: 3\n", ""),
        (REMARKED, "clear.count", "4", "count: 3", "count: 4"),
        (REMARKED, "measures", "heart_rate, hrv_ms, spo2_percent", "noisy\n", "noisy\n  - spo2_percent\n"),
        (REMARKED, "measures", "hrv_ms", "  - heart_rate\n", ""),
        (REMARKED, "replaces", "slow", "noisy\n", "noisy\nreplaces: slow\n"),
        (REMARKED, "cooldown", "5m", "  count: 3\n", "  count: 3\ncooldown: 5m\n"),
        (REMARKED, "description", "Short.", ">- # for the ward\n  Faster than\n  it should be.", "Short.  # for the ward"),  # noqa: E501
        (REMARKED, "id", "slow", "id: fast", "id: slow"),
        (BRACES, "sustained.count", "3", "5", "3"),
        (BRACES, "sustained.count", "", "count: 5,  # of them\n  ", ""),
        (BRACES, "sustained.within", "", "within: 60s", ""),
        (BRACES, "sustained.for", "5m", "60s", "60s, for: 5m"),
    ],
)  # fmt: skip
def test_what_is_written_beside_and_between_the_values_stays(
    text: str, path: str, value: str, was: str, became: str
) -> None:
    assert text.count(was) == 1
    assert value_set(text, path, value) == text.replace(was, became)


def test_a_list_in_another_order_is_written_anew_and_the_lines_behind_it_stay() -> None:
    changed = value_set(REMARKED, "measures", "hrv_ms, heart_rate")
    assert "\nmeasures: [hrv_ms, heart_rate]  # of the heart  # noisy\n# why\n" in changed


@pytest.mark.parametrize("path", RULES, ids=lambda each: each.stem)
def test_every_shipped_rule_means_the_same_after_each_of_its_values_was_written_again(path: Path) -> None:
    text = path.read_text()
    meant = parse_rule(text).rule
    for name, value in values_of(text).items():
        text = value_set(text, name, value)
        assert parse_rule(text).rule == meant, name


def test_a_text_that_is_no_mapping_and_a_path_that_is_none_are_refused() -> None:
    for text in ("", "[1]", "a: &x 1", "{id: fast}"):
        with pytest.raises(DocumentError):
            value_set(text, "title", "x")
    with pytest.raises(KeyError):
        value_set(TEXT, "references", "x")
