"""What templates say of the pipeline: reasons, and how fast."""

from django import template

from ingestion.page.reasons import words_of

register = template.Library()


@register.filter
def reason_words(code: str) -> str:
    """A reason code in plain words, of no field in particular."""
    return words_of(code, "A field")


@register.filter
def per_second(rate: float) -> str:
    """So many a second: `9.4`, and `2,612` where tenths say nothing."""
    return f"{rate:.1f}" if rate < 100 else f"{rate:,.0f}"
