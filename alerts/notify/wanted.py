"""Whether a message that was decided on may leave still: much may have happened since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.models import Max

from alerts.models import Delivery
from alerts.notify.decide import RANK, TOGETHER, Member, still_wanted
from alerts.notify.notices import NEWS, plan_of

ROUTE_GONE: Final = "its route is gone"


def reason_not_to(delivery: Delivery, members: Sequence[Member], *, sees: bool, at: datetime) -> str | datetime | None:
    """A reason to drop it, or until when to hold it back; None where it may leave.

    `sees`: whether the owner of its route (selected, with the notice) may see whom it is about.
    """
    notice = delivery.notice
    if notice is None or not notice.route.enabled:
        return ROUTE_GONE
    if not sees:
        return "its owner may not see this person any more"
    rank = RANK[delivery.severity]
    if delivery.kind in NEWS and (notice.round, notice.told) > (delivery.round, rank):
        return "a worse one was told"
    late = delivery.attempts > 1 or at > delivery.made_at + TOGETHER
    before = _made_before(delivery) or notice.since if delivery.kind == Delivery.Kind.STILL else None
    return still_wanted(plan_of(notice.route), delivery.kind, rank, members, at, late=late, before=before)


def _made_before(delivery: Delivery) -> datetime | None:
    """When the last message before this one was made, of the same round."""
    earlier = Delivery.objects.filter(notice=delivery.notice_id, round=delivery.round, made_at__lt=delivery.made_at)
    made_at: datetime | None = earlier.aggregate(last=Max("made_at"))["last"]
    return made_at
