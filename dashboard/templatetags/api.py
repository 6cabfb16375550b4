"""For the page of the API."""

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()


@register.filter
def with_code(text: str) -> SafeString:
    """Text in which `this` is code; everything is escaped."""
    parts = (
        format_html('<code class="mono">{}</code>' if place % 2 else "{}", each)
        for place, each in enumerate(text.split("`"))
    )
    return mark_safe("".join(parts))  # noqa: S308  # each part is escaped


@register.filter
def with_breaks(path: str) -> SafeString:
    """An address that may go on in the next line after each slash."""
    return format_html_join(mark_safe("/<wbr>"), "{}", ((each,) for each in path.split("/")))
