"""Texts that are no rules, at every door: a clear reason with its place, and nothing is written or read."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from alerts.models import Rule, RuleVersion
from alerts.services.rules import rule_write
from devices.models import User
from tests.alerts.test_rules_service import yaml
from tests.made import NOON, make_wearer

pytestmark = pytest.mark.django_db


def with_condition(condition: str) -> str:
    return yaml().replace("heart_rate < 40", condition)


def bomb() -> str:
    """Nine letters, each ten times the one before: 10 to the 9th if it were ever built."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{c}: &{c} [{', '.join([f'*{p}'] * 10)}]" for p, c in pairwise("abcdefghi")]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Bad:
    """A text, and what is said of it, with the place that is named."""

    source: str
    place: tuple[int, int]
    message: str


BAD = {
    "2,000 terms": Bad(
        with_condition(" OR ".join(["heart_rate > 1"] * 2_000)), (6, 1008), "longer than 1,000 characters"
    ),
    "60 terms": Bad(with_condition(" OR ".join(["hrv_ms > 1"] * 60)), (6, 714), "more than 50 terms"),
    "nested 200 deep": Bad(with_condition("(" * 200 + "hrv_ms > 1" + ")" * 200), (6, 27), "nested more than 20 deep"),
    "reads a file": Bad(
        with_condition("read_csv('/etc/passwd') > 1"), (6, 7), "the function read_csv is not allowed: there is only ABS"
    ),
    "calls a function": Bad(
        with_condition("heart_rate > pg_sleep(9)"), (6, 20), "the function pg_sleep is not allowed: there is only ABS"
    ),
    "compares a number with text": Bad(
        with_condition("heart_rate = 'fast'"), (6, 7), "heart_rate is a number: it cannot be compared with a text"
    ),
    "compares text with a number": Bad(
        with_condition("sleep_stage > 3"), (6, 7), "text is compared by =, <> and IN only"
    ),
    "divides by zero": Bad(with_condition("heart_rate / 0 > 1"), (6, 20), "division by zero"),
    "divides by a zero in disguise": Bad(
        with_condition("heart_rate / (1 - 1) > 1"),
        (6, 21),
        "division is by a number only, not by a column or an expression",
    ),
    "divides by a column": Bad(
        with_condition("60 / heart_rate > 1"), (6, 12), "division is by a number only, not by a column or an expression"
    ),
    "names another table": Bad(
        with_condition("devices_user.password > 1"), (6, 19), "qualified names are not allowed: write the column alone"
    ),
    "asks another table": Bad(
        with_condition("heart_rate > (SELECT 1 FROM devices_user)"), (6, 21), "a subquery is not allowed"
    ),
    "a bomb": Bad(bomb(), (1, 4), "anchors and aliases are not allowed"),
    "a deep document": Bad("id: " + "[" * 20_000, (1, 10), "nested more than 6 deep"),
    "half a character": Bad(
        yaml().replace("title: Slow heart", 'title: "\\ud800"'), (3, 8), "a character that a text may not hold"
    ),
    "a character beyond all": Bad(
        yaml().replace("title: Slow heart", 'title: "\\UFFFFFFFF"'), (3, 11), "not YAML: a number that is too large"
    ),
    "half a number": Bad(with_condition("heart_rate > 1e"), (6, 20), "1e is not a number"),
    "a tag": Bad("id: !!python/object/apply:os.system [ls]", (1, 5), "tags are not allowed"),
}


@pytest.fixture(params=BAD.values(), ids=BAD.keys())
def bad(request: pytest.FixtureRequest) -> Bad:
    return request.param


@pytest.fixture
def editor() -> Client:
    """Someone who may do everything with rules, signed in."""
    user = User.objects.create_superuser("editor", password="x")
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture(autouse=True)
def _nothing_is_written() -> Iterator[None]:
    cache.clear()  # how often somebody asked
    rule_write(source=yaml(), by=None, at=NOON)
    yield
    assert [version.source for version in RuleVersion.objects.all()] == [yaml()]


def holds(problems: list[dict[str, object]], bad: Bad) -> bool:
    return any(
        (each["line"], each["column"]) == bad.place and str(each["message"]).startswith(bad.message)
        for each in problems
    )


def test_the_editor_names_it_while_typing(editor: Client, bad: Bad) -> None:
    problems = editor.post("/rules-lint/", {"source": bad.source}).json()["problems"]
    assert holds(problems, bad), problems


@pytest.mark.parametrize("path", ["/rules/bradycardia/", "/rules/"])
def test_the_editor_refuses_to_save_it_and_keeps_the_text(editor: Client, bad: Bad, path: str) -> None:
    response = editor.post(path, {"source": bad.source, "based_on": 1})
    assert response.status_code == 400
    text = unescape(response.text)
    assert f"Line {bad.place[0]}, column {bad.place[1]}:</b> {bad.message}" in text
    assert response.context["source"] == bad.source


def test_the_backtest_of_the_page_refuses_it(editor: Client, bad: Bad) -> None:
    make_wearer()
    response = editor.post("/rules-backtest/", {"source": bad.source, "days": "7"})
    assert f"Line {bad.place[0]}, column {bad.place[1]}: {bad.message}" in unescape(response.text)


@pytest.mark.parametrize("path", ["add/", "{}/change/"])
def test_the_admin_refuses_it(editor: Client, bad: Bad, path: str) -> None:
    response = editor.post(f"/admin/alerts/rule/{path.format(Rule.objects.get().pk)}", {"source": bad.source})
    assert response.status_code == 200
    assert f"{bad.place[0]}:{bad.place[1]}: {bad.message}" in unescape(response.text)


@pytest.mark.parametrize(
    ("method", "path"), [("post", "rules/"), ("put", "rules/bradycardia/"), ("post", "rules/backtest/")]
)
def test_the_api_refuses_it(editor: Client, bad: Bad, method: str, path: str) -> None:
    response = getattr(editor, method)(f"/api/v1/{path}", {"source": bad.source}, content_type="application/json")
    assert response.status_code == 400
    assert holds(response.json()["error"]["fields"]["source"], bad), response.json()


@pytest.mark.parametrize("command", ["check_rules", "load_rules"])
def test_the_commands_name_the_file_too_and_exit_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], bad: Bad, command: str
) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(bad.source)
    with pytest.raises(SystemExit) as left:
        call_command(command, str(tmp_path))
    assert left.value.code == 1
    said = "".join(capsys.readouterr())
    assert f"{file}:{bad.place[0]}:{bad.place[1]}: {bad.message}" in said


def test_the_command_that_tries_rules_refuses_it(tmp_path: Path, bad: Bad) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(bad.source)
    with pytest.raises((CommandError, SystemExit)) as left:
        call_command("backtest", "--rules", str(file), stderr=(said := io.StringIO()))
    assert f"{file}:{bad.place[0]}:{bad.place[1]}: {bad.message}" in f"{left.value}{said.getvalue()}"
