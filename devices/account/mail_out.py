"""Mails about accounts on their way: claimed, put together, sent, noted. At least once.

A mail is claimed by a commit before it is sent; whoever is killed in between leaves it claimed for LEASE, and then it
is sent again. A server that cannot be reached, or says "not now" (4xx), is tried again for most of a day; what it
refuses (5xx) is not.
"""

import re
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPResponseException
from time import monotonic
from typing import Final

import structlog
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.db.models import F

from devices.account.account_log import account_changed
from devices.account.mail import mail_is_on
from devices.account.mail_news import NEWS
from devices.account.mail_texts import check_mail, link_mail, news_mail
from devices.models import Mail, Verb

log = structlog.get_logger(__name__)
AT_ONCE: Final = 20
LEASE: Final = timedelta(minutes=3)
BACKOFF: Final = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 300, 900, 3600, 7200, 14400, 28800))
LINK_WANTED_FOR: Final = timedelta(hours=1)  # who asked for one has long asked anew, or given up
KEPT_FOR: Final = timedelta(days=30)
NOT_NOW: Final = range(400, 500)
State, Kind = Mail.State, Mail.Kind


def mails_send(*, at: datetime) -> int:
    """Send what is due, AT_ONCE at most; how many the server took. None is begun once half of LEASE is over, but the
    first: nobody else sends what is still claimed here."""
    if not mail_is_on():
        return 0
    ends = monotonic() + LEASE.total_seconds() / 2
    _links_to_nobody_drop()
    claimed = _claim(at)
    ready = deque((mail, message) for mail in claimed if (message := _message(mail, at)) is not None)
    if not ready:
        return 0
    server, taken = get_connection(), 0
    try:
        server.open()
        while ready:
            mail, message = ready[0]
            message.connection = server
            taken += _deliver(mail, message, at)
            ready.popleft()
            if monotonic() >= ends:
                _give_back([mail for mail, _ in ready], at)
                break
    except OSError as error:  # of the server: what was not sent is none the worse for it
        for mail, _ in ready:
            _later(mail, error, at)
    finally:
        server.close()
    return taken


def mails_forget(*, at: datetime) -> int:
    """Delete what is older than KEPT_FOR; how many."""
    return Mail.objects.filter(made_at__lt=at - KEPT_FOR).delete()[0]


def _links_to_nobody_drop() -> None:
    """Links asked for to addresses that nobody has, all at once: many of them hold no other mail up."""
    known = EmailAddress.objects.filter(verified=True, user__is_active=True).values("email")
    Mail.objects.filter(kind=Kind.LINK, state=State.WAITING).exclude(address__in=known).delete()


def _claim(at: datetime) -> list[Mail]:
    """Those that are due, each with one try more, and due again when the lease is over; committed."""
    with transaction.atomic():
        due = Mail.objects.filter(state=State.WAITING, next_at__lte=at).order_by("next_at")
        keys = [mail.pk for mail in due.select_for_update(skip_locked=True)[:AT_ONCE]]
        Mail.objects.filter(pk__in=keys).update(attempts=F("attempts") + 1, next_at=at + LEASE)
    return list(Mail.objects.filter(pk__in=keys).select_related("user").order_by("made_at", "pk"))


def _give_back(mails: Sequence[Mail], at: datetime) -> None:
    """As if they had not been claimed."""
    Mail.objects.filter(pk__in=[mail.pk for mail in mails]).update(attempts=F("attempts") - 1, next_at=at)


def _message(mail: Mail, at: datetime) -> EmailMessage | None:
    """What it says; None, and it is gone, where nobody is to be told any more."""
    message = None
    if mail.kind == Kind.LINK:
        message = _link(mail, at)
    elif mail.kind == Kind.CHECK and mail.user is not None:
        wanted = EmailAddress.objects.filter(user=mail.user, email=mail.address, verified=False).first()
        message = check_mail(mail, mail.user, wanted) if wanted is not None else None
    elif mail.user is not None and mail.verb in NEWS:
        message = news_mail(mail, mail.user)
    if message is None:
        mail.delete()
    return message


def _link(mail: Mail, at: datetime) -> EmailMessage | None:
    """To whoever has that address, if anybody has."""
    rows = EmailAddress.objects.filter(email=mail.address, verified=True, user__is_active=True)
    found = rows.select_related("user").first()
    if found is None or mail.made_at < at - LINK_WANTED_FOR:
        return None
    mail.user = found.user
    Mail.objects.filter(pk=mail.pk).update(user=mail.user)
    return link_mail(mail, found.user)


def _deliver(mail: Mail, message: EmailMessage, at: datetime) -> bool:
    """Whether the server took it. Raises OSError where there is no talking to it any more."""
    try:
        message.send()
    except OSError as error:
        code, _ = _answer(error)
        if code is None:
            raise
        if code in NOT_NOW:
            _later(mail, error, at)
        else:
            _end(mail, State.REFUSED, error)
        return False
    except ValueError as error:  # Django could not write the address
        _end(mail, State.REFUSED, error)
        return False
    with transaction.atomic():
        Mail.objects.filter(pk=mail.pk).update(state=State.SENT, note="")
        if mail.kind == Kind.LINK and mail.user is not None:
            account_changed(user=mail.user, verb=Verb.LINK_MADE, told=None)
    return True


def _later(mail: Mail, error: OSError, at: datetime) -> None:
    if mail.attempts > len(BACKOFF):
        _end(mail, State.GIVEN_UP, error)
        return
    Mail.objects.filter(pk=mail.pk).update(next_at=at + BACKOFF[mail.attempts - 1], note=_why(error, mail))
    log.warning("mail.later", user_id=_name(mail), reason=mail.kind, code=_answer(error)[0], attempt=mail.attempts)


def _end(mail: Mail, state: str, error: OSError | ValueError) -> None:
    """It will not arrive, which its person reads on their page, and whoever runs this in the log and the admin."""
    Mail.objects.filter(pk=mail.pk).update(state=state, note=_why(error, mail))
    log.error(
        "mail.not_delivered",
        status=str(state),
        user_id=_name(mail),
        reason=mail.kind,
        code=_answer(error)[0],
        attempt=mail.attempts,
    )


def _answer(error: OSError | ValueError) -> tuple[int | None, str]:
    """The code that the server gave, and what it said; no code where it gave none."""
    said: bytes | str
    if isinstance(error, SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()))
    elif isinstance(error, SMTPResponseException):
        code, said = error.smtp_code, error.smtp_error
    else:
        return None, type(error).__name__
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return code, " ".join(text.replace("\x00", "").split())


def _why(error: OSError | ValueError, mail: Mail) -> str:
    """In words without the address, which servers like to repeat, its domain in ASCII or not."""
    code, said = _answer(error)
    if code is not None:
        person, _, _ = mail.address.rpartition("@")
        said = re.sub(rf"{re.escape(person)}@[^\s<>]*\w", "…", said, flags=re.IGNORECASE)
        return f"The mail server said: {code} {said}"[:200]
    if isinstance(error, OSError):
        return f"The mail server did not answer ({said})."
    return f"No mail can be sent to such an address ({said})."


def _name(mail: Mail) -> str:
    return mail.user.username if mail.user is not None else ""
