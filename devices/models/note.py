"""What people write about a person."""

from django.db import models


class Note(models.Model):
    """What `by` wrote about `person`, and the moment it is about. `by` is null where they are no longer here."""

    LENGTH = 2_000

    person = models.ForeignKey("devices.User", on_delete=models.CASCADE, db_index=False, related_name="notes")
    by = models.ForeignKey("devices.User", null=True, on_delete=models.SET_NULL, related_name="+")
    about = models.DateTimeField(help_text="The moment it is about.")
    written_at = models.DateTimeField()
    text = models.CharField(max_length=LENGTH)

    class Meta:
        default_permissions = ("view",)
        # the wearer's page: the notes of a person, newest first
        indexes = [models.Index(fields=["person", "-about"], name="note_newest")]

    def __str__(self) -> str:
        return f"{self.person_id}, {self.about.isoformat()}"
