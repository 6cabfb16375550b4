"""Keys to the API."""

from django.db import models


class ApiToken(models.Model):
    """A person's key to the API; only its SHA-256 hash is kept."""

    user = models.ForeignKey("devices.User", on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(
        max_length=64, blank=True, default="", db_default="", help_text="What its person uses it for."
    )
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"token of {self.user} until {self.expires_at:%Y-%m-%d}"
