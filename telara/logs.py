"""Structured logs: one JSON object a line, or readable lines on a terminal; never a person's values at INFO or above.

Apps log with `structlog.get_logger(__name__)`, a constant sentence and keys: `log.info("batch stored", stored=200)`.
At INFO and above a key that is not in `KEYS` loses its value, whatever it holds: a new key is added here, by somebody
who thought about it. Values that hide in text (a payload in an exception, PostgreSQL's "Failing row contains") are cut
out of it.
"""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from devices.metrics import METRICS

WITHHELD = "[withheld]"

# What a line may say at INFO and above: what happened, where, how often, how long. Nobody's body.
KEYS = frozenset(
    {
        # the line itself
        *("event", "level", "logger", "timestamp", "exception", "stack", "request_id"),
        # requests
        *("method", "path", "status", "code", "reason", "field", "close_code", "sockets", "accepted", "rejected"),
        # who and what, by name: no values
        *("user_id", "analyst", "device", "alert_id", "alert_type", "rule_id", "rule_version", "rules", "revision"),
        *("severity", "episode", "triage", "end", "model", "command", "task", "schedule", "file", "line", "column"),
        # the pipeline
        *("consumer", "owner", "epoch", "cluster_id", "topic", "topics", "partition", "partitions", "group", "engine"),
        *("offset", "next_offset", "expected", "found", "lag", "polled", "stored", "duplicates", "quarantined", "late"),
        *("conflicting", "provisioned", "opened", "ended", "withdrawn", "published", "failed", "sent", "pending"),
        *("attempt", "events_per_second", "per_second", "failpoint", "signal", "size", "rows", "batches", "wearers"),
        "simulation",
        *("unknown_fields", "consumers", "of", "failures", "seconds"),
        # services and processes
        *("service", "error", "check", "culprits", "address", "host", "port", "pid", "exit_code", "version", "missing"),
        *("migration", "protocol", "process", "folder", "since", "until", "bootstrap_servers", "backend"),
    }
)
# Durations, sizes and counts may be named freely; names of the catalogue never.
SUFFIXES = ("_s", "_bytes", "_count")

_NAMES = "|".join(map(re.escape, sorted(METRICS, key=len, reverse=True)))
_READING = re.compile(rf"\w*(?:{_NAMES})\w*")  # a metric, or what is derived from it: avg_heart_rate, heart_rate_z
_VALUE_IN_TEXT = re.compile(
    rf"""(\b{_READING.pattern}\b\\?["']?\s*[:=]\s*)(\{{[^}}]*\}}?|\\?"[^"]*"|'[^']*'|[^\s,;)}}\]]+)"""
)
_GROUP_IN_TEXT = re.compile(r"""(\b(?:vitals|activity|sleep|environment)\b\\?["']\s*:\s*)\{[^}]*\}?""")
# libpq's lines after the first: DETAIL and CONTEXT quote rows ("Failing row contains (...)", "COPY s, column x: ...").
_ROW_IN_TEXT = re.compile(r"^(DETAIL|CONTEXT):  .*$", re.MULTILINE)
# The secret of an invitation is part of its address: whoever has it makes themselves an account.
_SECRET_IN_ADDRESS = re.compile(r"(/invitation/)[A-Za-z0-9_-]{20,}")


def without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The line without secrets that are parts of addresses, at every level: a structlog processor."""
    return {
        key: _SECRET_IN_ADDRESS.sub(rf"\1{WITHHELD}", value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def without_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The line without a person's values: a structlog processor, the last before the renderer.

    Lines below INFO pass as they are. Runs after tracebacks became text, so that they are searched too.
    """
    record: logging.LogRecord | None = event.get("_record")
    level = record.levelno if record else logging.getLevelNamesMapping().get(str(event.get("level", "")).upper(), 100)
    if level < logging.INFO:
        return event
    return {key: value if key.startswith("_") else _allowed(key, value) for key, value in event.items()}


def _allowed(key: str, value: object) -> object:
    if _READING.fullmatch(key) or not (key in KEYS or key.endswith(SUFFIXES)):
        return WITHHELD
    return _scrubbed(value)


def _scrubbed(value: object) -> object:
    """`value` with every reading in its text, keys and items withheld."""
    if isinstance(value, Mapping):
        return {str(key): WITHHELD if _READING.fullmatch(str(key)) else _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_scrubbed(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = _ROW_IN_TEXT.sub(rf"\1:  {WITHHELD}", str(value))
    text = _GROUP_IN_TEXT.sub(rf"\1{WITHHELD}", text)
    return _VALUE_IN_TEXT.sub(rf"\1{WITHHELD}", text)


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
# One list for the life of the process: loggers keep it, and tests capture by changing it.
_FIRST: list[Processor] = [
    structlog.stdlib.filter_by_level,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def logging_config(level: str, *, as_json: bool | None = None) -> dict[str, Any]:
    """The `LOGGING` setting: everything at `level` and above to standard error, as JSON where that is no terminal.

    Raises ValueError where `level` is no level's name.
    """
    level = level.upper()
    if level not in logging.getLevelNamesMapping():
        raise ValueError(f"LOG_LEVEL={level!r}: it is one of DEBUG, INFO, WARNING, ERROR, CRITICAL.")
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    up = {"handlers": [], "propagate": True}  # through the root handler, and nowhere else
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": _last_processors(as_json=as_json),
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": up,
            "django.server": up,
            "uvicorn": up,
            "uvicorn.error": up,
            "uvicorn.access": {**up, "level": "WARNING"},  # telara.requests writes the line, with its id
            "celery": up,
            # a line for each task that came and went, several a second
            "celery.app.trace": {**up, "level": "WARNING"},
            "celery.worker.strategy": {**up, "level": "WARNING"},
            "celery.beat": {**up, "level": "WARNING"},
            "httpx": {**up, "level": "WARNING"},
            "asyncio": {**up, "level": "WARNING"},
            # they log what they were given, at DEBUG
            "django.db.backends": {**up, "level": "INFO"},
            "urllib3": {**up, "level": "INFO"},
        },
    }


def _last_processors(*, as_json: bool) -> list[Processor]:
    """From a line with all its keys to text."""
    end: Processor = (
        structlog.processors.JSONRenderer(default=str)
        if as_json
        else structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    )
    return [
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        without_secrets,
        without_values,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        end,
    ]


def configure(config: dict[str, Any]) -> None:
    """The `LOGGING_CONFIG` setting: what Django calls with `LOGGING` at its start."""
    logging.config.dictConfig(config)
    structlog.configure(
        processors=_FIRST,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
