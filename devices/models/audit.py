"""Who changed what, and who read whose health data."""

from typing import Any

from django.db import models
from django.db.models import Q


class Verb(models.TextChoices):
    """What was done. Not the choices of the column: a new one takes no migration."""

    SIGNED_IN = "signed_in", "signed in"
    SIGN_IN_FAILED = "sign_in_failed", "failed to sign in"
    SIGNED_OUT = "signed_out", "signed out"
    SESSION_ENDED = "session_ended", "ended a session"
    PASSWORD_CHANGED = "password_changed", "changed a password"
    PASSWORD_RESET = "password_reset", "reset a password"
    FACTOR_ADDED = "factor_added", "added a second factor"
    FACTOR_REMOVED = "factor_removed", "removed a second factor"
    FACTOR_RENAMED = "factor_renamed", "renamed a passkey"
    CODE_USED = "code_used", "used a recovery code"
    LINK_MADE = "link_made", "made a link for a new password"
    EMAIL_VERIFIED = "email_verified", "confirmed an e-mail address"
    EMAIL_REMOVED = "email_removed", "forgot an e-mail address"
    CODES_MADE = "codes_made", "made recovery codes"
    LOOKED = "looked", "looked at data"
    EXPORTED = "exported", "exported data"
    OPENED_BYTES = "opened_bytes", "opened refused bytes"
    SENT_AGAIN = "sent_again", "sent refused messages again"
    PROFILE_CHANGED = "profile_changed", "changed a profile"
    TOKEN_MADE = "token_made", "made a token"
    TOKEN_REVOKED = "token_revoked", "revoked a token"
    DEVICE_ADDED = "device_added", "added a device"
    DEVICE_CHANGED = "device_changed", "changed a device"
    DEVICE_TOKEN_MADE = "device_token_made", "made a device's token"
    DEVICE_TOKEN_REVOKED = "device_token_revoked", "revoked a device's token"
    TEAM_MADE = "team_made", "made a team"
    TEAM_CHANGED = "team_changed", "changed a team"
    TEAM_DELETED = "team_deleted", "deleted a team"
    MEMBER_ADDED = "member_added", "added a member"
    MEMBER_CHANGED = "member_changed", "changed a member's role"
    MEMBER_REMOVED = "member_removed", "removed a member"
    WEARER_ADDED = "wearer_added", "added a wearer"
    WEARER_REMOVED = "wearer_removed", "removed a wearer"
    DEACTIVATED = "deactivated", "deactivated a person"
    ACTIVATED = "activated", "activated a person"
    INVITED = "invited", "made an invitation"
    INVITATION_REVOKED = "invitation_revoked", "revoked an invitation"
    INVITATION_USED = "invitation_used", "accepted an invitation"
    RULE_WRITTEN = "rule_written", "wrote a rule"
    RULE_ENABLED = "rule_enabled", "enabled a rule"
    RULE_DISABLED = "rule_disabled", "disabled a rule"
    DECIDED = "decided", "decided about an alert"
    MUTED = "muted", "muted rules"
    MUTE_ENDED = "mute_ended", "ended a mute"
    NOTE_WRITTEN = "note_written", "wrote a note"
    NOTE_REMOVED = "note_removed", "took a note back"
    CHANNEL_MADE = "channel_made", "made a channel"
    CHANNEL_REMOVED = "channel_removed", "removed a channel"
    ROUTE_MADE = "route_made", "made a route"
    ROUTE_SWITCHED = "route_switched", "switched a route"
    ROUTE_REMOVED = "route_removed", "removed a route"
    ERASURE_ASKED = "erasure_asked", "asked for erasure"
    ERASURE_UNDONE = "erasure_undone", "took erasure back"
    ADMIN_ADDED = "admin_added", "added in the admin"
    ADMIN_CHANGED = "admin_changed", "changed in the admin"
    ADMIN_DELETED = "admin_deleted", "deleted in the admin"
    AUDIT_EXPORTED = "audit_exported", "exported the audit log"


class Way(models.TextChoices):
    """Where it came from."""

    PAGE = "page", "a page"
    API = "api", "the API"
    ADMIN = "admin", "the admin"
    INSIDE = "inside", "a command or a task"


class AuditEntry(models.Model):
    """One thing that somebody did. Nothing changes or deletes a row: a trigger refuses it, but for retention, and for
    erasure, which puts the keyed hash in the place of a name.

    No foreign keys: rows outlive what they tell of. `what` and `changes` hold no person's name, no health data, no
    secret; people stand in `actor` and `person`, by user_id and key.
    """

    at = models.DateTimeField()
    way = models.CharField(max_length=8, choices=Way)
    verb = models.CharField(max_length=32)
    actor_key = models.BigIntegerField(null=True)
    actor = models.CharField(max_length=64, blank=True, default="")
    person_key = models.BigIntegerField(null=True)
    person = models.CharField(max_length=64, blank=True, default="")
    what = models.CharField(max_length=200, blank=True, default="")
    changes: "models.JSONField[Any, Any]" = models.JSONField(default=dict, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        permissions = [("view_audit", "May read the audit log")]
        indexes = [
            # the page of the log, newest first, plain and narrowed by day, actor, person, verb; erasure finds by key
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            models.Index(fields=["actor_key", "-at", "-id"], name="audit_actor"),
            models.Index(fields=["person_key", "-at", "-id"], name="audit_person"),
            models.Index(fields=["verb", "-at", "-id"], name="audit_verb"),
            # a name that nobody has, or the hash of somebody erased
            models.Index(
                fields=["actor", "-at", "-id"], condition=Q(actor_key=None, actor__gt=""), name="audit_actor_gone"
            ),
            models.Index(
                fields=["person", "-at", "-id"], condition=Q(person_key=None, person__gt=""), name="audit_person_gone"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at.isoformat()} {self.verb}"

    @property
    def verb_shown(self) -> str:
        return Verb(self.verb).label if self.verb in Verb.values else self.verb.replace("_", " ")
