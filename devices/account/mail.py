"""E-mail addresses that people have shown to be theirs, and what is asked to be sent there; `mail_out` sends it.

No page waits for a mail server, and nobody learns from the wait whether an address is known.
"""

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.db import IntegrityError, transaction

from devices.account.account_log import account_changed
from devices.models import Mail, User, Verb


class TakenError(Exception):
    """Somebody else has shown that address to be theirs."""


def mail_is_on() -> bool:
    """Whether a mail server is set up."""
    return bool(settings.TELARA_MAIL)


def email_of(*, user: User) -> tuple[str, str]:
    """The address that counts, and the one that is waited for; either may be empty."""
    rows = {row.verified: row.email for row in EmailAddress.objects.filter(user=user).order_by("pk")}
    return rows.get(True, ""), rows.get(False, "")


def email_wish(*, user: User, email: str) -> None:
    """Remember the address that `user` wants, and ask there; it counts once it is confirmed."""
    with transaction.atomic():
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        EmailAddress.objects.filter(user=user, verified=False).delete()
        row, _ = EmailAddress.objects.get_or_create(user=user, email=email.lower())
        Mail.objects.create(user=user, address=row.email, kind=Mail.Kind.CHECK)


def email_wish_drop(*, user: User) -> None:
    """Wait for no other address: the one that is confirmed is the one that `user` wants."""
    EmailAddress.objects.filter(user=user, verified=False).delete()


def email_confirm(*, secret: str) -> User | None:
    """Let the address of that mail count, and no other; whose it is, or None where the link holds no more. The one that
    counted before is told.

    Raises TakenError.
    """
    found = email_waiting(secret=secret)
    if found is None:
        return None
    with transaction.atomic():
        user = User.objects.select_for_update(no_key=True).get(pk=found.user_id)
        if not found.can_set_verified():
            raise TakenError
        before, _ = email_of(user=user)
        EmailAddress.objects.filter(user=user).exclude(pk=found.pk).delete()
        try:
            with transaction.atomic():
                EmailAddress.objects.filter(pk=found.pk).update(verified=True, primary=True)
        except IntegrityError as error:  # somebody else, in this very moment
            raise TakenError from error
        User.objects.filter(pk=user.pk).update(email=found.email)
        account_changed(user=user, verb=Verb.EMAIL_VERIFIED, told=before or None)
    return user


def email_waiting(*, secret: str) -> "EmailAddress | None":
    """The address that a mail's link is about, while it waits."""
    confirmation = EmailConfirmationHMAC.from_key(secret)
    return None if confirmation is None else confirmation.email_address


def email_remove(*, user: User) -> None:
    """Forget the addresses of `user`; the one that counted is told."""
    with transaction.atomic():
        before, _ = email_of(user=user)
        if EmailAddress.objects.filter(user=user).delete()[0]:
            User.objects.filter(pk=user.pk).update(email="")
            account_changed(user=user, verb=Verb.EMAIL_REMOVED, told=before or None)


def password_link_ask(*, email: str) -> None:
    """Have a link to set a new password sent to whoever has that address, if anybody has: the worker looks."""
    Mail.objects.create(address=email.lower(), kind=Mail.Kind.LINK)


def mail_undelivered(*, user: User) -> Mail | None:
    """The last mail to `user`, where it did not arrive; one that is being tried for the first time may yet."""
    last = Mail.objects.filter(user=user).exclude(state=Mail.State.WAITING, note="").order_by("-made_at").first()
    return last if last is not None and last.state != Mail.State.SENT else None
