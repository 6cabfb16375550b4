"""Mails to people about their own account."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Mail(models.Model):
    """One, waiting to leave or lately sent. It holds no secret: a link is made when it leaves.

    `user` is null for a link that somebody asked for by an address, until the worker has looked whose it is. `verb` and
    `what` say what has happened, `caller` from where, `by_other` that somebody else did it; `note` why not.
    """

    class Kind(models.TextChoices):
        LINK = "link", "link for a new password"
        CHECK = "check", "question whether an address is theirs"
        NEWS = "news", "news about the account"

    class State(models.TextChoices):
        WAITING = "waiting", "waiting"
        SENT = "sent", "sent"
        REFUSED = "refused", "refused"
        GIVEN_UP = "given_up", "given up"

    user = models.ForeignKey("devices.User", null=True, on_delete=models.CASCADE, related_name="mails")
    address = models.EmailField(max_length=254)
    kind = models.CharField(max_length=8, choices=Kind)
    verb = models.CharField(max_length=32, blank=True, default="")
    what = models.CharField(max_length=200, blank=True, default="")
    caller = models.GenericIPAddressField(null=True, blank=True)
    by_other = models.BooleanField(default=False)
    made_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    note = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        default_permissions = ("view",)
        indexes = [
            # the worker, every few seconds: what is due
            models.Index(fields=["next_at"], condition=Q(state="waiting"), name="mail_due"),
            # a page about one's own account: whether the last one arrived
            models.Index(fields=["user", "-made_at"], name="mail_of_person"),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk}, {self.kind}"
