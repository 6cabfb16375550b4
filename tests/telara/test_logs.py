"""What a log line may say."""

import ast
import io
import json
import logging
import logging.config
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from devices.metrics import METRICS
from telara.logs import KEYS, SUFFIXES, WITHHELD, configure, logging_config

ROOT = Path(__file__).resolve().parents[2]
SHOWN = {"info", "warning", "error", "exception", "critical"}
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """The project's own logging at DEBUG, as JSON, into memory: what a file behind standard error would hold."""
    stream = io.StringIO()
    config = logging_config("DEBUG", as_json=True)
    config["handlers"]["stderr"]["stream"] = stream
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    configure(config)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = before


def test_it_is_one_json_object_a_line_with_time_level_and_logger(lines: Lines) -> None:
    structlog.get_logger("ingestion.stream.consumer").info("batch stored", stored=200, duplicates=1)
    (line,) = lines()
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "batch stored",
        "level": "info",
        "logger": "ingestion.stream.consumer",
        "stored": 200,
        "duplicates": 1,
    }


@pytest.mark.parametrize("name", METRICS)
def test_no_metric_is_a_key_that_shows(lines: Lines, name: str) -> None:
    structlog.get_logger("x").info("reading", **{name: 118, f"avg_{name}": 117.5, f"{name}_z": 4.1})
    (line,) = lines()
    assert [line[key] for key in (name, f"avg_{name}", f"{name}_z")] == [WITHHELD] * 3


@pytest.mark.parametrize("key", ["vitals", "payload", "reading", "rows_seen", "value", "body", "measures"])
def test_a_key_nobody_thought_about_shows_nothing(lines: Lines, key: str) -> None:
    structlog.get_logger("x").warning("something", **{key: {"heart_rate": 118}})
    assert lines()[0][key] == WITHHELD


def test_the_closed_list_holds_no_metric() -> None:
    assert not KEYS & set(METRICS)


def keys_logged(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """(key, line) of each keyword of each `log.info(...)` and above; a `**dict` is not seen."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)) if level in SHOWN:
                yield from ((keyword.arg, node.lineno) for keyword in node.keywords if keyword.arg)


@pytest.mark.parametrize("app", ["telara", "ingestion", "dashboard", "alerts", "devices"])
def test_every_key_that_is_logged_is_on_the_list(app: str) -> None:
    for path in (ROOT / app).rglob("*.py"):
        for key, line in keys_logged(ast.parse(path.read_text())):
            assert key in KEYS | {"exc_info"} or key.endswith(SUFFIXES), f"{path.relative_to(ROOT)}:{line}: {key}"


@pytest.mark.parametrize("level", ["info", "warning", "error", "critical"])
@pytest.mark.parametrize(
    "text",
    [
        'cannot decode {"user_id": "u1", "vitals": {"heart_rate": 118, "spo2_percent": 97}}',
        "measures: {'heart_rate': {'avg': 118.4, 'min': 118}}",
        "heart_rate=118 is odd",
        '{"activity": {"steps_per_minute":118}, "sleep": {"stage": "rem118"}}',
        "posture: 'lying118'",
        '"{\\"hrv_ms\\": \\"118\\"}"',
    ],
)
def test_a_value_in_a_foreign_message_is_cut_out(lines: Lines, level: str, text: str) -> None:
    getattr(logging.getLogger("some.library"), level)("it said %s", text)
    (line,) = lines()
    assert "118" not in line["event"]
    assert WITHHELD in line["event"]


def test_a_refused_row_is_cut_out_of_a_traceback(lines: Lines) -> None:
    try:
        raise ValueError(
            "null value violates not-null constraint\n"
            "DETAIL:  Failing row contains (7, 118, 97.5).\n"
            'CONTEXT:  COPY staging, line 3, column spo2_percent: "118"'
        )
    except ValueError:
        logging.getLogger("django.request").exception("Internal Server Error: %s", "/api/v1/readings/")
    (line,) = lines()
    assert "violates not-null constraint" in line["exception"]
    assert "118" not in line["exception"]
    assert line["event"] == "Internal Server Error: /api/v1/readings/"


@pytest.mark.parametrize("level", ["debug", "info", "warning"])
def test_the_secret_of_an_invitation_is_in_no_line(lines: Lines, level: str) -> None:
    secret = "aB3_-" * 8 + "xyz"
    getattr(logging.getLogger("some.library"), level)("Not Found: %s", f"/invitation/{secret}/")
    getattr(structlog.get_logger("telara.requests"), level)("request", path=f"/invitation/{secret}/")
    foreign, own = lines()
    assert (foreign["event"], own["path"]) == (f"Not Found: /invitation/{WITHHELD}/", f"/invitation/{WITHHELD}/")


def test_debugging_shows_everything(lines: Lines) -> None:
    structlog.get_logger("x").debug("decoded", heart_rate=118)
    assert lines()[0]["heart_rate"] == 118


def test_a_terminal_gets_the_same_line_without_values() -> None:
    stream = io.StringIO()
    config = logging_config("INFO", as_json=False)
    config["handlers"]["stderr"]["stream"] = stream
    root, before = logging.getLogger(), logging.getLogger().handlers[:]
    configure(config)
    try:
        raise ValueError("heart_rate: 118.75")
    except ValueError:
        structlog.get_logger("x").exception("batch refused", rows=3, heart_rate=118.75)
    root.handlers[:] = before
    assert "batch refused" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert "118.75" not in stream.getvalue()


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="LOG_LEVEL='LOUD'"):
        logging_config("loud")
