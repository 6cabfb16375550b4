"""What people are told by mail about their own account, because they may not have done it themselves.

allauth's own notifications (ACCOUNT_EMAIL_NOTIFICATIONS) are sent by its pages, within the request; ours are other
pages, and wait for no mail server. A row is written with the change, and the worker sends it.
"""

from typing import Final

from allauth.account.models import EmailAddress
from django.conf import settings

from devices.models import Mail, User, Verb
from devices.rights.audit import caller_now

# What has happened, by the change; `{what}` is what the change says of itself.
NEWS: Final = {
    Verb.SIGNED_IN: "Somebody signed in to Telara as {name} in a browser that it does not know: {what}",
    Verb.PASSWORD_CHANGED: "The password of {name} for Telara was changed",
    Verb.PASSWORD_RESET: "The password of {name} for Telara was set anew, by a link",
    Verb.LINK_MADE: "A link to set a new password for {name} on Telara was made",
    Verb.FACTOR_ADDED: "A second factor was added to {name} on Telara: {what}",
    Verb.FACTOR_REMOVED: "A second factor of {name} on Telara was taken away: {what}",
    Verb.CODE_USED: "A recovery code of {name} for Telara was used",
    Verb.CODES_MADE: "New recovery codes were made for {name} on Telara; those before no longer work",
    Verb.EMAIL_VERIFIED: "The e-mail address of {name} on Telara is another one now; this is the last mail to this one",
    Verb.EMAIL_REMOVED: "The e-mail address of {name} on Telara was taken away; this is the last mail to it",
    Verb.ERASURE_ASKED: "Somebody asked Telara to delete everything of {name}; for a while it can be taken back",
}


def news_note(*, user: User, verb: Verb, what: str = "", by: User | None = None, address: str = "") -> None:
    """Have `user` told at `address`, else at the address that they confirmed; nobody where there is none, or no mail is
    sent here.

    Call it in the transaction of the change.
    """
    to = address or EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True).first()
    if not to or verb not in NEWS or not settings.TELARA_MAIL:
        return
    by_other = by is not None and by != user
    Mail.objects.create(
        user=user,
        address=to,
        kind=Mail.Kind.NEWS,
        verb=verb,
        what=what[:200],
        caller=None if by_other else caller_now(),
        by_other=by_other,
    )
