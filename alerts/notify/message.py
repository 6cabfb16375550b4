"""A message in words: what a person reads, and what a program does. No names and no values, unless a route asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from devices.times import rfc3339

_BEGAN: Final = MappingProxyType(
    {
        "start": "{severity} alert",
        "again": "{severity} alert, open again",
        "higher": "Now {severity}",
        "still": "{severity} alert, still going on",
        "end": "Ended: {severity} alert",
        "withdrawn": "Withdrawn: {severity} alert",
        "test": "A test of this channel",
    }
)


@dataclass(frozen=True, slots=True)
class Told:
    """An alert of the incident, for a route that wants details."""

    alert_id: UUID
    title: str
    severity: str
    episode: str
    description: str


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `message_id` stays the same however often it is sent; `url` is empty where the site has no name.

    `whose` and `told` are only for routes that want details. Of a message about many: `count` incidents, and `ended`
    others that are over; `worst_url` leads to the worst of them where that is CRITICAL.
    """

    message_id: UUID
    kind: str
    made_at: datetime
    severity: str = ""
    alert_class: str = ""
    incident_id: UUID | None = None
    url: str = ""
    whose: str = ""
    told: Sequence[Told] = ()
    count: int = 0
    ended: int = 0
    worst_url: str = ""

    @property
    def title(self) -> str:
        """One line, for a subject or a bold first line."""
        began = self._many if self.kind == "more" else _BEGAN[self.kind].format(severity=self.severity)
        of = f", {self.alert_class}" if self.alert_class == "technical" else ""
        return f"Telara: {began}{of}" + (f", {self.whose}" if self.whose else "")

    @property
    def _many(self) -> str:
        if not self.count:
            return f"and {self.ended} more ended"
        ended = f"; {self.ended} ended" if self.ended else ""
        return f"and {self.count} more, {self.severity} at worst{ended}"

    @property
    def text(self) -> str:
        """What stands below the title."""
        lines = [f"{each.title} ({each.severity}, {each.episode}). {each.description}" for each in self.told]
        if self.kind == "test":
            lines.append("If you read this, it works.")
        if self.kind == "more":
            lines.append("So many came at once that these are told together.")
        if self.worst_url:
            lines.append(f"The worst of them: {self.worst_url}")
        return "\n".join([*lines, f"Open Telara: {self.url}" if self.url else "Open Telara."])

    @property
    def json(self) -> dict[str, Any]:
        """What a webhook gets."""
        shown: dict[str, Any] = {
            "id": str(self.message_id),
            "kind": self.kind,
            "made_at": rfc3339(self.made_at),
            "severity": self.severity or None,
            "class": self.alert_class or None,
            "incident_id": str(self.incident_id) if self.incident_id else None,
            "title": self.title,
            "url": self.url or None,
        }
        if self.kind == "more":
            shown |= {"count": self.count, "ended": self.ended, "worst_url": self.worst_url or None}
        if self.whose or self.told:
            shown["user_id"] = self.whose
            shown["alerts"] = [
                {
                    "alert_id": str(each.alert_id),
                    "title": each.title,
                    "severity": each.severity,
                    "episode": each.episode,
                    "description": each.description,
                }
                for each in self.told
            ]
        return shown
