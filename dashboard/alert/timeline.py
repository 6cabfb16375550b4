"""What happened to an alert: changes, messages that arrived, and the readings it is made of, in one order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Final, Literal

from django.db.models import Q
from django.db.models.functions import Coalesce

from alerts.models import Alert, AlertChange, Delivery
from alerts.models.alert import EpisodeState
from dashboard.templatetags.words import change_text, column_label, column_unit, column_value, counted_word, length_text
from devices.reader import local

CHANGES_SHOWN: Final = 100
TOLD_SHOWN: Final = 20
SOON: Final = timedelta(minutes=10)  # what opened later than this was uploaded, not delayed

Kind = Literal["now", "engine", "person", "message", "reading"]
Begins = Literal["readings", "silence", "mishap"]
_FIRST: Final[dict[Begins, str]] = {
    "readings": "First matching reading",
    "silence": "Last reading received",
    "mishap": "First noticed",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A line of the timeline: when, what, and what somebody wrote with it."""

    at: datetime
    text: str
    kind: Kind
    note: str = ""


def changes_of(alert: Alert) -> list[AlertChange]:
    """Its changes, newest first; the rewritings of a firing alert are left out, its newest state says them."""
    rows = AlertChange.objects.filter(alert=alert).exclude(action="updated").select_related("by")
    return list(rows.order_by("-revision")[:CHANGES_SHOWN])


def told_of(alert: Alert) -> list[Delivery]:
    """The messages about its incident that arrived, by themselves or told with others, newest first."""
    arrived = Q(state=Delivery.State.SENT) | Q(state=Delivery.State.BUNDLED, bundle__state=Delivery.State.SENT)
    sent = Delivery.objects.filter(arrived, notice__incident__members__alert=alert)
    told = sent.select_related("channel__owner", "bundle").annotate(told_at=Coalesce("bundle__done_at", "done_at"))
    return list(told.order_by("-told_at")[:TOLD_SHOWN])


def timeline_of(
    alert: Alert, changes: Sequence[AlertChange], told: Sequence[Delivery], *, begins: Begins
) -> list[Moment]:
    """All of it, newest first; of one moment what happened later is above."""
    moments = [*_readings(alert, begins), *_changed(alert, reversed(changes)), *_told(reversed(told))]
    placed = sorted(enumerate(moments), key=lambda each: (each[1].at, each[0]), reverse=True)
    return [*_now(alert, begins), *_dated([moment for _, moment in placed])]


def _dated(moments: Sequence[Moment]) -> Iterator[Moment]:
    """Newest first: each that is of another day than the one before it says of which. The first one says it anyway."""
    for moment, before in zip_longest(moments, moments[1:]):
        at = local(moment.at)
        is_another_day = before is not None and at.date() != local(before.at).date()
        yield replace(moment, text=f"{moment.text}, {at:%-d %b %Y}") if is_another_day else moment


def _now(alert: Alert, begins: Begins) -> Iterator[Moment]:
    """How far a firing alert is."""
    if alert.episode != EpisodeState.FIRING or begins == "silence":
        return
    said = f"{alert.event_count} {counted_word(alert)} so far"
    if (first := next(iter(alert.measures.items()), None)) and "avg" in first[1]:
        name, measure = first
        said += f", {column_label(name).lower()} {column_value(measure['avg'], name)} {column_unit(name)} on average"
    yield Moment(alert.ended_at, said, "now")


def _readings(alert: Alert, begins: Begins) -> Iterator[Moment]:
    yield Moment(alert.started_at, f"{_FIRST[begins]}, {local(alert.started_at):%-d %b %Y}", "reading")


def _changed(alert: Alert, changes: Iterator[AlertChange]) -> Iterator[Moment]:
    for change in changes:
        text = change_text(change)
        late = change.at - alert.opened_at
        if change.action == "opened" and timedelta(0) <= late < SOON:
            text += f", {_delay(late)} after the reading that opened it"
        note = change.note if change.by else ""
        yield Moment(change.at, text, "person" if change.by else "engine", note)


def _delay(length: timedelta) -> str:
    seconds = length.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else length_text(length)


def _told(told: Iterator[Delivery]) -> Iterator[Moment]:
    for delivery in told:
        owner, channel = delivery.channel.owner.shown_name, delivery.channel.kind
        text = f"{owner} was told by {channel}: {delivery.get_kind_display()}, {delivery.severity}"
        if delivery.bundle:
            text += ", with others"
        yield Moment((delivery.bundle or delivery).done_at or delivery.made_at, text, "message")
