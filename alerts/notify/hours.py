"""Quiet hours, on the clock of the person who is told. Pure."""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(at: datetime, *, zone: ZoneInfo, begins: time | None, ends: time | None) -> datetime | None:
    """When the quiet hours that `at` lies in are over; None where it lies in none.

    From `begins` (included) to `ends` (not included) on the clock of `zone`, over midnight where `ends` is earlier. A
    time that the clock leaves out is taken as the moment it would have been by the hour before.
    """
    if begins is None or ends is None or begins == ends:
        return None
    local = at.astimezone(zone)
    clock = local.time()
    over_midnight = ends < begins
    if over_midnight:
        if ends <= clock < begins:
            return None
    elif not begins <= clock < ends:
        return None
    day = local.date() + timedelta(days=1) if over_midnight and clock >= begins else local.date()
    over = datetime.combine(day, ends, tzinfo=zone)
    first, second = (over.replace(fold=fold).astimezone(at.tzinfo) for fold in (0, 1))
    return first if first > at else second  # the clock went back: this time comes twice
