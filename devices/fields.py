"""Fields of requests that Django REST framework is too lenient about."""

from datetime import datetime, tzinfo
from typing import Any

from rest_framework import serializers

from devices.metrics import Units
from devices.models.person import zone_read
from devices.units import CANONICAL_CODES, CODES, units_read


class AwareDateTimeField(serializers.DateTimeField):
    """A time with its offset; one without is refused, not guessed, and so is one that UTC cannot hold."""

    default_error_messages = {"naive": "Give the offset too: 2026-03-01T12:00:00Z."}

    def enforce_timezone(self, value: datetime) -> datetime:
        if value.tzinfo is None:
            self.fail("naive")
        return super().enforce_timezone(value)


class UnitsField(serializers.CharField):
    """Units by their UCUM codes, joined by commas: `mmol/L,[degF]`. Values in them come under names of their own."""

    def __init__(self) -> None:
        told = f"UCUM codes, joined by commas: {', '.join(CODES)} for {', '.join(CANONICAL_CODES)}. Names say so."
        super().__init__(required=False, max_length=64, help_text=told)

    def run_validation(self, data: Any = serializers.empty) -> Units:
        text = super().run_validation(data)
        try:
            return units_read(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class ZoneField(serializers.CharField):
    """A time zone by its IANA name: sentences say times of day by its clock. All other times are instants, of UTC."""

    def __init__(self) -> None:
        super().__init__(
            required=False, max_length=64, help_text="Europe/Vienna: sentences say times by its clock, else by UTC's."
        )

    def run_validation(self, data: Any = serializers.empty) -> tzinfo:
        text = super().run_validation(data)
        try:
            return zone_read(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None
