"""Which alerts belong together: those that share a moment, and those that do with these. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Span:
    """An alert that stands, from its first matching reading to its last; `ended_at` is None while it fires."""

    alert_id: UUID
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """An incident that there is already."""

    incident_id: UUID
    started_at: datetime


def together(spans: Iterable[Span]) -> list[list[Span]]:
    """The spans of one person and class in groups, in order of start; ends count as shared moments."""
    groups: list[list[Span]] = []
    reach: datetime | None = None  # of the last group; None: it goes on
    for span in sorted(spans, key=lambda each: (each.started_at, str(each.alert_id))):
        if groups and (reach is None or span.started_at <= reach):
            groups[-1].append(span)
            reach = None if reach is None or span.ended_at is None else max(reach, span.ended_at)
        else:
            groups.append([span])
            reach = span.ended_at
    return groups


def named(groups: Sequence[Sequence[Span]], known: dict[UUID, Known]) -> list[UUID | None]:
    """Which incident each group goes on being; None: a new one. `known` has the incident of each alert that has one.

    In order of start a group takes, of the incidents of its alerts, the one that began first and is not taken.
    """
    taken: set[UUID] = set()
    names: list[UUID | None] = []
    for group in groups:
        free = {known[span.alert_id] for span in group if span.alert_id in known}
        choices = sorted((each.started_at, str(each.incident_id), each.incident_id) for each in free)
        name = next((incident_id for _, _, incident_id in choices if incident_id not in taken), None)
        if name is not None:
            taken.add(name)
        names.append(name)
    return names
