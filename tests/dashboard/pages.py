"""What the tests of pages share."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.test import Client

from devices.models import Reading, User
from tests.made import make_partitions

Visit = Callable[[User | None], Client]


def read(user: User, *, times: int, until: datetime, every: timedelta = timedelta(seconds=5), **values: object) -> None:
    """Store `times` readings of `user`, the last one at `until`."""
    moments = [until - every * back for back in range(times)]
    make_partitions(*moments)
    Reading.objects.bulk_create(
        Reading(user=user, recorded_at=at, received_at=at, event_id=uuid4(), **values) for at in moments
    )


def read_out(html: str) -> str:
    """A page with its times as they read, without what only a pointer finds behind them."""
    return re.sub(r"</?time\b[^>]*>", "", html)


def described(html: str) -> dict[str, str]:
    """What stands where the fields of a page say that they are described, by its id; KeyError where nothing has it."""
    standing = dict(re.findall(r'id="([^"]+)"[^>]*>([^<]*)', html))
    return {
        each: standing[each].strip() for ids in re.findall(r'aria-describedby="([^"]*)"', html) for each in ids.split()
    }


def just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)
