"""Fields of requests that Django REST framework is too lenient about."""

from datetime import datetime

from rest_framework import serializers


class AwareDateTimeField(serializers.DateTimeField):
    """A time with its offset; one without is refused, not guessed, and so is one that UTC cannot hold."""

    default_error_messages = {"naive": "Give the offset too: 2026-03-01T12:00:00Z."}

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        return super().enforce_timezone(value)
