"""Parts of addresses that Django knows too narrowly."""

from uuid import UUID

from django.urls import register_converter
from django.urls.converters import UUIDConverter


class IdConverter(UUIDConverter):
    """A UUID in letters of either case: what programs keep as one, many write in capitals."""

    regex = UUIDConverter.regex.replace("a-f", "a-fA-F")

    def to_python(self, value: str) -> UUID:
        return UUID(value)


register_converter(IdConverter, "id")
