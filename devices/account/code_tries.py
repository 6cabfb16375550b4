"""How often a second factor may be wrong: five times for a person, from wherever, then a wait of five minutes.

Whoever gets there knows the password, and codes are short. A try is counted before it is looked at, in one statement on
the row of the person: so it holds for many at once, and while Redis is away.
"""

from datetime import datetime, timedelta

from django.db.models import Case, F, Q, When

from devices.account.attempts import MOST, WAIT_S
from devices.models import User


def code_try(*, user: User, at: datetime) -> int | None:
    """Take a try; how many are left if it fails, or None while waiting. The wait begins anew with each."""
    rows = User.objects.filter(Q(code_failures__lt=MOST) | Q(code_wait_until__lte=at), pk=user.pk)
    one_more = Case(When(code_wait_until__gt=at, then=F("code_failures") + 1), default=1)
    if not rows.update(code_failures=one_more, code_wait_until=at + timedelta(seconds=WAIT_S)):
        return None
    return max(0, MOST - User.objects.values_list("code_failures", flat=True).get(pk=user.pk))


def code_tries_forget(*, user: User) -> None:
    """Start anew after a right one."""
    User.objects.filter(pk=user.pk).update(code_failures=0, code_wait_until=None)
