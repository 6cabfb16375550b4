"""The one place that every change of how somebody signs in comes by: a line in the log of the process, an entry in the
audit log, and a mail to its person. None holds a secret."""

import structlog

from devices.account.mail_news import news_note
from devices.models import User, Verb
from devices.rights.audit import audit_note

log = structlog.get_logger(__name__)


def account_changed(*, user: User, verb: Verb, what: str = "", by: User | None = None, told: str | None = "") -> None:
    """Note that the way in which `user` signs in has changed; `by` where that is not who asked for the page. They are
    told of it by mail to `told`, else to the address that they confirmed; not at all for None.

    Call it in the transaction of the change.
    """
    others = {"analyst": by.username} if by is not None and by != user else {}
    log.info("account.changed", user_id=user.username, reason=f"{verb.label}: {what}" if what else verb.label, **others)
    audit_note(verb=verb, person=user, what=what, by=by)
    if told is not None:
        news_note(user=user, verb=verb, what=what, by=by, address=told)


def proof_failed(*, user: User, what: str) -> None:
    """Note that somebody gave a wrong second factor for `user`, or a wrong password once they were in."""
    log.warning("login.failed")
    audit_note(verb=Verb.SIGN_IN_FAILED, person=user, what=what)
