"""How often somebody is heard, and what they miss of it, in the words of the list of wearers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboard.overview.people import CADENCE_LEAST_S, LATE_AFTER, SILENT_AFTER, gap_of
from dashboard.templatetags.telara import age_text
from devices.heard import Heard

UNKNOWN: Final = "not known yet"


@dataclass(frozen=True, slots=True)
class Cadence:
    """A person as of `at`: when their last reading was recorded, and the usual seconds between two, as they are set for
    a device or as their last readings have it; None where these are too few. Ages are judged by `judged_s`."""

    at: datetime
    heard_at: datetime | None
    usual_s: float | None
    is_set: bool
    judged_s: float

    @property
    def state(self) -> str:
        """`on time`, from 3 times the cadence on `late`, from 6 times on `silent`; empty for who was never heard."""
        if self.heard_at is None:
            return ""
        waited = self._age_s / self.judged_s
        return "silent" if waited >= SILENT_AFTER else "late" if waited >= LATE_AFTER else "on time"

    @property
    def missed(self) -> int | None:
        """How many readings were expected and did not come; None where that cannot be known."""
        return int(self._age_s / self.usual_s) if self.usual_s else None

    @property
    def _age_s(self) -> float:
        return max(0.0, (self.at - self.heard_at).total_seconds()) if self.heard_at else 0.0

    @property
    def on_time(self) -> str:
        """What is said of who is on time."""
        return f"on time, {every_text(self.usual_s)}" if self.usual_s else UNKNOWN

    @property
    def text(self) -> str:
        """`on time, 5 s`, `late, 3 missed`, `silent, 74 missed`; as clock.js says it when it grows late."""
        if not self.state:
            return "none"
        if self.state == "on time":
            return self.on_time
        return self.state if self.missed is None else f"{self.state}, {self.missed:,} missed"

    @property
    def why(self) -> str:
        """Where it is from."""
        if not self.usual_s:
            return "Too few fresh readings to tell how often they come."
        return f"{'Set for a device' if self.is_set else 'Measured'}: a reading every {every_text(self.usual_s)}."


def cadence_of(*, at: datetime, times: Sequence[datetime], heard: Heard | None) -> Cadence:
    """`times` are the newest readings', newest first; `heard` what is known of how often they come."""
    usual_s = heard.cadence.total_seconds() or None if heard else None
    judged_s = max(CADENCE_LEAST_S, usual_s or gap_of(times))
    return Cadence(at, times[0] if times else None, usual_s, bool(heard and heard.is_set), judged_s)


def every_text(seconds: float) -> str:
    """`0.5 s`, `5 s`, `1 m 00 s`."""
    return f"{seconds:.2g} s" if seconds < 10 else age_text(round(seconds))
