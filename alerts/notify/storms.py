"""Storms: where a hundred people alarm at once, nobody reads a hundred messages.

A channel takes MOST messages in WINDOW, and MOST_URGENT where they say that something CRITICAL began. What is beyond
is bundled: one message, GATHERING after the first of them and WINDOW after the last such one, says how many they are;
it waits for no window once something CRITICAL is among them. Each stands in the log, and counts as told once that
message has arrived. What may have left already is sent again by itself, under its own id.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet
from django.db.models.functions import Least

from alerts.models import Delivery, Notice
from alerts.models.alert import Severity
from alerts.notify.decide import RANK
from alerts.notify.notices import ENDS, NEWS, members_of, notice_of, notice_untold
from alerts.notify.wanted import ROUTE_GONE, reason_not_to
from devices.models import User
from devices.rights.watching import may_see

WINDOW: Final = timedelta(minutes=5)
MOST: Final = 10
MOST_URGENT: Final = 30
GATHERING: Final = timedelta(seconds=30)
LEASE: Final = timedelta(seconds=60)  # so long a claimed message is whose claimed it
_TRIED_FOR: Final = timedelta(hours=1)  # what arrives now was made since then
_TOGETHER: Final = "it is told together with others"
_Kind = Delivery.Kind


class Room:
    """How many messages each of these channels may still take."""

    def __init__(self, claimed: Sequence[Delivery], *, at: datetime) -> None:
        """For these that are to leave; others that were claimed and neither noted nor given up may have arrived."""
        since = at - WINDOW
        sent = Q(state=Delivery.State.SENT, done_at__gt=since)
        leaving = Q(state=Delivery.State.PENDING, attempts__gt=0, next_at__gt=at, next_at__lte=at + LEASE)
        rows = Delivery.objects.filter(
            sent | leaving, channel__in={each.channel_id for each in claimed}, made_at__gt=since - _TRIED_FOR
        )
        others = rows.exclude(pk__in=[each.pk for each in claimed]).exclude(kind__in=(_Kind.TEST, _Kind.MORE))
        self._taken = Counter(others.values_list("channel", flat=True))

    def takes(self, delivery: Delivery) -> bool:
        """Whether a message may leave by itself; if so it has taken its place. One that was tried may have arrived."""
        if delivery.kind in (_Kind.TEST, _Kind.MORE):
            return True
        if delivery.attempts <= 1 and self._taken[delivery.channel_id] >= (
            MOST_URGENT if _is_urgent(delivery) else MOST
        ):
            return False
        self._taken[delivery.channel_id] += 1
        return True


def _is_urgent(delivery: Delivery) -> bool:
    """A repeat is none and an end is none: they must not take the places of what nobody knows of."""
    return delivery.kind in NEWS and delivery.severity == Severity.CRITICAL


def bundle_add(delivery: Delivery, *, at: datetime) -> None:
    """Let it be told with others, by the channel's next message about many."""
    bundles = Delivery.objects.filter(channel=delivery.channel_id, kind=Delivery.Kind.MORE)
    soon = at + GATHERING
    with transaction.atomic():
        bundle = bundles.filter(state=Delivery.State.PENDING, attempts=0).first()
        if bundle is None:
            due_at = soon if _is_urgent(delivery) else max(soon, _last_at(bundles, at) + WINDOW)
            bundle = Delivery.objects.create(
                channel_id=delivery.channel_id, kind=Delivery.Kind.MORE, made_at=at, next_at=due_at
            )
        elif _is_urgent(delivery):
            bundles.filter(pk=bundle.pk).update(next_at=Least("next_at", soon))
        Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.PENDING).update(
            state=Delivery.State.BUNDLED, bundle=bundle, next_at=None, done_at=at, note=_TOGETHER
        )


def _last_at(bundles: QuerySet[Delivery], at: datetime) -> datetime:
    """When the last message about many arrived; `at` of one that is leaving, long ago where there is none."""
    recent = bundles.filter(made_at__gt=at - WINDOW - _TRIED_FOR)
    if recent.filter(state=Delivery.State.PENDING).exists():
        return at
    last_at: datetime | None = recent.filter(state=Delivery.State.SENT).aggregate(last=Max("done_at"))["last"]
    return last_at or at - WINDOW


@dataclass(frozen=True, slots=True)
class Many:
    """What a bundle still tells: of so many incidents, at worst of `worst`, and of the end of so many others."""

    incidents: int = 0
    ended: int = 0
    severity: str = ""
    worst: Notice | None = None


def bundle_counted(bundle: Delivery, *, at: datetime) -> Many:
    """What of a bundle is still to be told, each incident counted once, as the last message about it has it.

    What is not wanted any more is dropped, and what quiet hours hold back goes on by itself.
    """
    rows = bundle.bundled.filter(state=Delivery.State.BUNDLED).order_by("made_at")
    bundled = list(rows.select_related("notice__route__owner", "notice__incident"))
    kept = _kept(bundled, at)
    last_of = {notice.incident_id: each.kind for each, notice in kept}
    ended = {incident_id for incident_id, kind in last_of.items() if kind in ENDS}
    going = [pair for pair in kept if pair[1].incident_id not in ended and pair[0].kind not in ENDS]
    if not going:
        return Many(ended=len(ended))
    worst, notice = max(going, key=lambda pair: RANK[pair[0].severity])
    return Many(len(last_of) - len(ended), len(ended), worst.severity, notice)


def _kept(bundled: Sequence[Delivery], at: datetime) -> list[tuple[Delivery, Notice]]:
    """Those of them that may still be told, each with its notice."""
    members = members_of({each.notice.incident_id for each in bundled if each.notice}, at=at)
    seen = _seen([each.notice for each in bundled if each.notice])
    kept: list[tuple[Delivery, Notice]] = []
    for each in bundled:
        notice, why_not = each.notice, None
        if notice is not None:
            sees = (notice.route.owner_id, notice.incident.user_id) in seen
            why_not = reason_not_to(each, members[notice.incident_id], sees=sees, at=at)
        if notice is None:
            _drop(each, ROUTE_GONE, at)
        elif isinstance(why_not, str):
            _drop(each, why_not, at)
        elif why_not is not None:
            _become(each, Delivery.State.PENDING, next_at=why_not, attempts=0, done_at=None, note="", bundle=None)
        else:
            kept.append((each, notice))
    return kept


def _seen(notices: Sequence[Notice]) -> set[tuple[int, int | None]]:
    """Which owners may see whom they are told of, by key."""
    asked: dict[User, set[int | None]] = defaultdict(set)
    for notice in notices:
        asked[notice.route.owner].add(notice.incident.user_id)
    seen: set[tuple[int, int | None]] = set()
    for owner, people in asked.items():
        visible = User.objects.visible_to(owner).filter(pk__in=[person for person in people if person is not None])
        seen |= {(owner.pk, person) for person in visible.values_list("pk", flat=True)}
        if None in people and may_see(user=owner, person_id=None):
            seen.add((owner.pk, None))
    return seen


def _drop(delivery: Delivery, why: str, at: datetime) -> None:
    with transaction.atomic():
        notice = notice_of(delivery)
        if _become(delivery, Delivery.State.DROPPED, done_at=at, note=why) and notice is not None:
            notice_untold(notice, delivery, because=why, at=at)


def _become(delivery: Delivery, state: Delivery.State, **values: Any) -> int:
    return Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.BUNDLED).update(state=state, **values)


def bundle_arrived(bundle: Delivery, *, at: datetime) -> None:
    """What it told of counts as told: an end is told where a start arrived."""
    mine = Notice.objects.filter(
        deliveries__bundle=bundle, deliveries__state=Delivery.State.BUNDLED, deliveries__round=F("round")
    )
    Notice.objects.filter(pk__in=mine.values("pk")).update(sent_at=at)


def bundle_given_up(bundle: Delivery, *, state: Delivery.State, note: str, at: datetime) -> None:
    """Nobody was told of any of them, and the log says so of each."""
    bundle.bundled.filter(state=Delivery.State.BUNDLED).update(state=state, note=note, done_at=at)
