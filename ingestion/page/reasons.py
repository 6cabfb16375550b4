"""Why a message was refused, in plain words."""

from typing import Final

from devices.metrics import METRICS, Metric
from ingestion.decode.verdicts import Code

_WORDS: Final = {
    Code.TOO_LARGE: "Larger than 64 KiB",
    Code.MALFORMED_JSON: "Not JSON, or cut off",
    Code.MISSING_FIELD: "{field} is missing",
    Code.WRONG_TYPE: "{field} is of the wrong type",
    Code.BAD_STRING: "{field} has characters it must not have, or too many",
    Code.BAD_TIMESTAMP: "{field} is no date and time with an offset",
    Code.TOO_OLD: "Measured longer ago than readings are kept",
    Code.FUTURE_TIMESTAMP: "Measured more than 5 min after it was received",
    Code.OUT_OF_RANGE: "{field} is out of range",
    Code.UNKNOWN_USER: "Nobody here has that user id, and strangers are not let in",
    Code.ERASED_USER: "Of somebody who was deleted; nothing of it was kept",
    Code.STORAGE_REFUSED: "The database refused the row",
}
_BY_PATH: Final = {metric.path: metric for metric in METRICS.values()}


def words_of(reason: str, field: str) -> str:
    """A reason code and the path of the field at fault as a sentence; a code of another version as it is."""
    metric = _BY_PATH.get(field)
    name = metric.label if metric else field or "The message"
    words = _WORDS.get(Code(reason), reason) if reason in set(Code) else reason
    said = words.format(field=name)
    return f"{said}: {_bounds(metric)}" if metric and reason == Code.OUT_OF_RANGE else said


def _bounds(metric: Metric) -> str:
    """What is taken: `1 to 350 bpm`."""
    if metric.is_text:
        return f"one of {', '.join(metric.choices)}"
    above = "above " if metric.low_open else ""
    taken = f"taken is {above}{metric.low:,g} to {metric.high:,g} {metric.shown}".rstrip()
    return f"{taken}, below systolic" if metric.name == "blood_pressure_diastolic" else taken
