"""The field in which one says by which clock one lives."""

from functools import cache
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from devices.models.person import time_zones


@cache
def zones() -> list[str]:
    """The time zones that one may live in, by name."""
    return sorted(time_zones())


class ZoneSelect(forms.Select):
    """Six hundred options, written in one go: by a template for each they take a tenth of a second."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:  # noqa: ARG002  # Django's signature
        chosen = (value[0] if value else "") if isinstance(value, list | tuple) else value
        options = ((each, SafeString(" selected") if each == chosen else "") for each in zones())
        written = format_html_join("\n", '<option value="{0}"{1}>{0}</option>', options)
        return format_html(
            "<select{}>{}</select>", flatatt(self.build_attrs(self.attrs, {"name": name} | (attrs or {}))), written
        )


class ZoneField(forms.ChoiceField):
    """A time zone by its IANA name."""

    widget = ZoneSelect

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=lambda: [(name, name) for name in zones()], **options)
