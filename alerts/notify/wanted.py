"""Whether a message that was decided on may leave still: much may have happened since."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from alerts.models import Delivery
from alerts.notify.decide import RANK, Member, still_wanted
from alerts.notify.notices import NEWS, plan_of

ENDS: Final = (Delivery.Kind.END, Delivery.Kind.WITHDRAWN)
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
    return still_wanted(plan_of(notice.route), delivery.kind, rank, members, at)
