"""Messages that reached nobody, for those who run Telara: the log of their owners may be read too late."""

from datetime import datetime

from alerts.mishaps import Befallen
from alerts.models import Delivery

AT_ONCE = 500


def failures_take(*, at: datetime) -> list[Befallen]:
    """The messages that were given up since this was asked last, as what befell the pipeline; each is taken once, by
    the transaction that writes it down.

    Left out are tests, which their owners look at, and messages about the pipeline: no alarm rings for its own message.
    """
    rows = Delivery.objects.filter(state=Delivery.State.FAILED, noted=False).order_by("done_at")
    failed = list(
        rows.select_for_update(skip_locked=True, of=("self",)).select_related("channel", "notice__incident")[:AT_ONCE]
    )
    Delivery.objects.filter(pk__in=[each.pk for each in failed]).update(noted=True)
    told_nobody = [each for each in failed if each.notice is not None and each.notice.incident.user_id is not None]
    if not told_nobody:
        return []
    last, count = told_nobody[-1], len(told_nobody)
    said = f"{count} message{'' if count == 1 else 's'} reached nobody, the last by a {last.channel.kind}: {last.note}"
    return [Befallen("undelivered", last.done_at or at, count, said)]
