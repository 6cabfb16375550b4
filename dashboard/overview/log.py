"""The threat log: what fires, worst and newest first; what is over; what is mine. Technical alerts apart."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final, Literal
from uuid import UUID

from django.db.models import Q

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Severity, Triage
from alerts.selectors import alerts_open, may_triage
from alerts.services.triage import LONGEST_SNOOZE
from dashboard.desk.rows import replaced_by
from dashboard.overview.people import RANK
from devices.models import User

Tab = Literal["firing", "ended", "mine"]
TABS: Final[tuple[Tab, ...]] = ("firing", "ended", "mine")
MOST_FIRING: Final = 1000
MOST_CARDS: Final = 50
SNOOZES: Final = (5, 15, 30, 60, 240)  # minutes
TECHNICAL_SNOOZES: Final = (15, 60, 240)  # minutes, of all that nobody looks after


@dataclass(frozen=True, slots=True)
class Card:
    """An alert in the log. `was` is the severity of the lower form whose row it takes."""

    alert: Alert
    was: str
    may_triage: bool

    @property
    def is_loud(self) -> bool:
        """Whether it stands in full, with its sentence and buttons: new, firing, above LOW."""
        new = self.alert.triage == Triage.NEW and self.alert.episode == EpisodeState.FIRING
        return new and self.alert.severity not in (Severity.LOW, Severity.INFO)

    @property
    def pause(self) -> int:
        """Minutes of a snooze at one click: an hour, or as long as the severity allows."""
        return min(60, int(LONGEST_SNOOZE[Severity(self.alert.severity)] / timedelta(minutes=1)))


@dataclass(frozen=True)
class Log:
    """Everything of the overview that comes from the alerts of one person who watches.

    All of it is clinical but `technical`: what fires of that class, whoever looks after it, is in a list of its own.
    """

    firing: Sequence[Card]
    technical: Sequence[Card]
    ended: Sequence[Card]
    ended_count: int
    mine: Sequence[Card]
    tab: Tab
    last_closed_at: datetime | None = None

    @property
    def cards(self) -> Sequence[Card]:
        shown = {"firing": self.firing, "ended": self.ended, "mine": self.mine}[self.tab]
        return shown[:MOST_CARDS]

    @property
    def more(self) -> int:
        total = {"firing": len(self.firing), "ended": self.ended_count, "mine": len(self.mine)}[self.tab]
        return max(0, total - len(self.cards))

    @property
    def technical_snoozes(self) -> Sequence[int]:
        return TECHNICAL_SNOOZES

    @cached_property
    def technical_new(self) -> int:
        """How many of the technical ones nobody looks after."""
        return sum(card.alert.triage == Triage.NEW for card in self.technical)

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Clinical and firing, by severity, worst first; INFO only where there is any."""
        found = Counter(card.alert.severity for card in self.firing)
        return {str(each): found[each] for each in Severity if each != Severity.INFO or found[each]}

    @cached_property
    def waiting(self) -> Sequence[Alert]:
        """New ones above LOW, oldest first."""
        return sorted((card.alert for card in self.firing if card.is_loud), key=lambda alert: alert.opened_at)

    @cached_property
    def worst(self) -> Mapping[int, Alert]:
        """The worst firing alert of each person, clinical before technical."""
        found: dict[int, Alert] = {}
        for card in (*self.firing, *self.technical):
            if card.alert.user_id is not None:
                found.setdefault(card.alert.user_id, card.alert)
        return found


def log_of(*, user: User, tab: Tab) -> Log:
    """The log of `user`, in six queries; no number of technical alerts takes the place of a clinical one."""
    clinical = alerts_open(user=user).filter(alert_class=AlertClass.CLINICAL)
    technical = alerts_open(user=user).filter(alert_class=AlertClass.TECHNICAL, episode=EpisodeState.FIRING)
    firing = _cards(user, clinical.filter(episode=EpisodeState.FIRING)[:MOST_FIRING])
    sensors = _cards(user, technical[:MOST_FIRING])
    ended = clinical.filter(episode=EpisodeState.ENDED)
    mine = clinical.filter(triaged_by=user).exclude(triage=Triage.NEW)
    closed = Alert.objects.visible_to(user).filter(triage=Triage.CLOSED).order_by("-changed_at")
    return Log(
        firing=firing,
        technical=sensors,
        ended=_cards(user, ended[:MOST_CARDS]) if tab == "ended" else (),
        ended_count=ended[:10_000].count(),
        mine=_cards(user, mine[:MOST_FIRING]),
        tab=tab,
        last_closed_at=closed.values_list("changed_at", flat=True).first() if not firing and not sensors else None,
    )


def just_ended(*, user: User, since: datetime) -> list[Alert]:
    """Clinical alerts whose episode ended after `since`: the charts still show their stretch."""
    rows = Alert.objects.visible_to(user).standing().filter(Q(ended_at__gt=since), episode=EpisodeState.ENDED)
    return list(rows.filter(alert_class=AlertClass.CLINICAL, changed_at__gt=since).order_by("-changed_at")[:200])


def _cards(user: User, alerts: Iterable[Alert]) -> list[Card]:
    """Worst first, then newest, those that opened with one reading always in one order; an alert may be left to the row
    of its critical form."""
    rows = list(alerts)
    replaced = replaced_by(rows)
    taken = {alert.pk for alert in replaced.values()}
    cards = [
        Card(
            alert=alert,
            was=str(replaced[alert.pk].severity) if alert.pk in replaced else "",
            may_triage=may_triage(user=user, alert=alert),
        )
        for alert in rows
        if alert.pk not in taken
    ]
    return sorted(cards, key=_place)


def _place(card: Card) -> tuple[int, float, UUID]:
    alert = card.alert
    return RANK[Severity(alert.severity)], -alert.opened_at.timestamp(), alert.pk
