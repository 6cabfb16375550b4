"""Structured logs."""

from typing import Any


def logging_config(level: str) -> dict[str, Any]:
    """A `logging.config.dictConfig` of everything at `level` to standard error."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stderr": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["stderr"], "level": level},
    }
