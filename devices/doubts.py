"""What is doubtful about the values of a reading, in words: the same on pages, in the API and in the live feed."""

from collections.abc import Mapping
from typing import Final

from devices.metrics import METRICS, Flag

_SAID: Final[tuple[tuple[str, Flag, str], ...]] = tuple(
    (metric.name, flag, word)
    for metric in METRICS.values()
    for flag, word in (
        (metric.sentinel_flag, "not worn"),
        (metric.jump_flag, "jump"),
        (metric.stuck_flag, "stuck"),
        (metric.suspect_flag, "out of bounds"),
    )
    if flag is not None
)  # of a metric the most telling first
DOUBTFUL: Final = sum({int(flag) for _, flag, _ in _SAID})


def doubts_of(flags: int) -> Mapping[str, str]:
    """Why values are in doubt, by metric: `{"heart_rate": "jump"}`; "not worn" is why there is none."""
    found: dict[str, str] = {}
    if flags & DOUBTFUL:
        for name, flag, word in _SAID:
            if flags & flag:
                found.setdefault(name, word)
    return found


def doubt_of(name: str, flags: int) -> str:
    """Why a value of this metric is in doubt; empty where it is not. `flags` may be those of several readings."""
    metric = METRICS[name]
    if not metric.suspect_flag or not flags & metric.suspect_flag:
        return ""
    return doubts_of(flags & ~int(metric.sentinel_flag or 0))[name]
