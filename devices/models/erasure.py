"""People who want to be forgotten, and those who are."""

from django.db import models


class Erasure(models.Model):
    """Somebody asked that all that is kept of them be deleted; it begins at `due_at`, and can be taken back until then.

    From `begun_at` on the account has lost its name, so `username` is where it still stands, as it was last; it goes
    with the account.
    `failing_since` and `failure`, the name of an error's type, say of one that could not go on when it was last tried.
    """

    user = models.OneToOneField("devices.User", on_delete=models.CASCADE, primary_key=True, related_name="erasure")
    username = models.CharField(max_length=64)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True, blank=True)
    failing_since = models.DateTimeField(null=True, blank=True)
    failure = models.CharField(max_length=64, blank=True, db_default="")

    class Meta:
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"erasure of person {self.user_id}, due {self.due_at.isoformat()}"


class ErasedPerson(models.Model):
    """A name of the stream that belongs to somebody who was forgotten: a keyed hash, and nothing else."""

    name_hash = models.CharField(max_length=64, primary_key=True)
    erased_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "erased people"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"somebody, on {self.erased_at:%Y-%m-%d}"
