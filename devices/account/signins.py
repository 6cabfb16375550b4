"""Who comes in, and who fails to, for the audit log: Django tells of both, whoever asked for the password."""

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from devices.models import User, Verb, named
from devices.rights.audit import audit_note


@receiver(user_logged_in)
def signed_in(sender: object, request: HttpRequest, user: User, **_: Any) -> None:  # noqa: ARG001  # Django's names
    audit_note(verb=Verb.SIGNED_IN, by=user, request=request)


@receiver(user_logged_out)
def signed_out(sender: object, request: HttpRequest, user: User | None, **_: Any) -> None:  # noqa: ARG001
    if user is not None:
        audit_note(verb=Verb.SIGNED_OUT, by=user, request=request)


@receiver(user_login_failed)
def failed(
    sender: object,  # noqa: ARG001
    credentials: dict[str, Any],
    request: HttpRequest | None = None,
    **_: Any,
) -> None:
    """A name that nobody has is not kept: people type passwords there."""
    person = User.objects.filter(named(str(credentials.get("username", ""))[:64])).first()
    audit_note(verb=Verb.SIGN_IN_FAILED, person=person, request=request)
