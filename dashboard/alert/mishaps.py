"""What befell the pipeline, as the page of its alert shows it."""

from dataclasses import dataclass
from datetime import datetime

from alerts.engine import AnyRule
from alerts.mishaps import mishaps_json
from alerts.models import Alert


@dataclass(frozen=True, slots=True)
class Said:
    """One mishap: when it was noticed, and what there is to say of it."""

    at: datetime
    text: str


@dataclass(frozen=True, slots=True)
class Mishaps:
    """The first and the last ones, `elsewhere` that were not kept between them, what the rule `asks` and what it
    `means`."""

    asks: str
    means: str
    first: list[Said]
    last: list[Said]
    elsewhere: int


def mishaps_of(alert: Alert, rule: AnyRule | None) -> Mishaps | None:
    """What the alert keeps, each once; None where it is of a person."""
    kept = mishaps_json(alert)
    if kept is None:
        return None
    first = [Said(datetime.fromisoformat(each["at"]), each["text"]) for each in kept["first"]]
    last = [Said(datetime.fromisoformat(each["at"]), each["text"]) for each in kept["last"]]
    twice = max(0, len(first) + len(last) - kept["times"])
    return Mishaps(
        asks=rule.asks if rule else kept["event"],
        means=rule.description if rule else "",
        first=first,
        last=last[twice:],
        elsewhere=max(0, kept["times"] - len(first) - len(last)),
    )
