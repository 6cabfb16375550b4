"""What templates say in Telara's words: marks, ages, pages."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django import template
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Triage
from devices.metrics import METRICS
from devices.times import rfc3339

register = template.Library()


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the navigation."""

    name: str
    title: str
    key: str
    url: str
    current: bool


# name of its address, title, key, permission
_PAGES: Final = (
    ("overview", "Overview", "g o", ""),
    ("wearers", "Wearers", "g w", ""),
    ("alerts", "Alerts", "g a", ""),
    ("rules", "Rules", "g r", ""),
    ("devices", "Devices", "g d", ""),
    ("pipeline", "Pipeline", "g p", ""),
    ("simulator", "Simulator", "g s", "devices.run_simulator"),
)


@register.simple_tag(takes_context=True)
def pages(context: dict[str, Any]) -> list[Page]:
    """The pages that exist and that this person may open."""
    request: HttpRequest = context["request"]
    return [
        Page(name, title, key, url, _is_current(request, url))
        for name, title, key, permission in _PAGES
        if (url := _address(name)) and (not permission or request.user.has_perm(permission))
    ]


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _is_current(request: HttpRequest, url: str) -> bool:
    return request.path == url if url == "/" else request.path.startswith(url)


@register.simple_tag
def server_time_ms() -> int:
    """Milliseconds since the epoch: the page counts ages from it."""
    return int(timezone.now().timestamp() * 1000)


@register.inclusion_tag("_mark.html")
def mark(alert: Alert) -> dict[str, Any]:
    """The severity mark of an alert: filled while firing and unseen, grey word once seen or over."""
    firing = alert.episode == EpisodeState.FIRING
    new = alert.triage == Triage.NEW
    technical = alert.alert_class == AlertClass.TECHNICAL
    return {
        "severity": alert.severity,
        "technical": technical,
        "firing": firing,
        "quiet": not (firing and new),
        "blink": firing and new and not alert.quiet and not technical,
    }


@register.inclusion_tag("_mark.html")
def severity_mark(severity: str, *, technical: bool = False, quiet: bool = False) -> dict[str, Any]:
    """The mark of a severity on its own: of a rule, a facet, a legend."""
    return {"severity": severity, "technical": technical, "firing": not quiet, "quiet": quiet, "blink": False}


@register.filter
def thousands(number: int) -> str:
    """`12,037`."""
    return f"{number:,}"


@register.filter
def iso(at: datetime | None) -> str:
    """`at` as data attributes hold it; empty where there is none."""
    return rfc3339(at) if at else ""


@register.filter
def age_since(at: datetime) -> str:
    """How long ago, as clock.js writes it: `18 s`, `6 m 10 s`, `1 h 04 m`, `2 d`."""
    return age_text((timezone.now() - at).total_seconds())


def age_text(length: float) -> str:
    """An age of so many seconds in words."""
    seconds = max(0, int(length))
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60:
        return f"{seconds} s"
    if hours >= 24:
        return f"{hours // 24} d"
    return f"{hours} h {minutes % 60:02} m" if hours else f"{minutes} m {seconds % 60:02} s"


# What stands beside a value on a tile. Heart rate needs no name there.
_NAMED: Final = {
    "spo2_percent": ("SpO₂ ", ""),
    "body_temp_c": ("", " core"),
    "skin_temp_c": ("", " skin"),
    "hrv_ms": ("", " HRV"),
    "blood_glucose_mg_dl": ("", " glucose"),
    "respiratory_rate": ("", " br/min"),
    "blood_pressure_systolic": ("", " sys"),
}


@register.simple_tag
def reading(person: Any, metric: str) -> SafeString:
    """A live value of a `Person` of the wall: in its severity's colour where it is at fault, marked
    where it is in doubt, a dash where absent."""
    alert, value = person.alert, person.values.get(metric)
    at_fault = alert is not None and person.is_clinical and person.fault == metric
    fault = f" fault-{alert.severity.lower()}" if at_fault else ""
    doubt = person.doubts.get(metric, "") if value is not None else ""
    title = format_html(' title="{}"', doubt) if doubt else ""
    return format_html(
        '<b class="value{}{}" data-metric="{}"{}>{}</b>',
        fault, " suspect" if doubt else "", metric, title, value_text(metric, value),
    )  # fmt: skip


@register.simple_tag
def reading_named(person: Any, metric: str) -> SafeString:
    """`reading` with the name of the metric beside it: `SpO₂ 97`, `37.0° core`."""
    before, after = _NAMED.get(metric, ("", f" {METRICS[metric].label}"))
    return format_html("{}{}{}", before, reading(person, metric), after)


def value_text(metric: str, value: float | None) -> str:
    """A value as tiles show it: `72`, `37.0°`, or a dash."""
    if value is None:
        return "\N{EN DASH}"
    text = f"{value:.{METRICS[metric].decimals}f}"
    return f"{text}°" if metric.endswith("temp_c") else text


@register.simple_tag
def tile_shape(alert: Alert) -> SafeString:
    """The shape alone, with its word for those who do not see it."""
    technical = alert.alert_class == AlertClass.TECHNICAL
    blinks = alert.triage == Triage.NEW and not technical and not alert.quiet
    name = alert.severity.lower()
    return format_html(
        '<svg class="shape {}{}{}" viewBox="0 0 14 14" role="img" aria-label="{}"><use href="#s-{}{}" /></svg>',
        name,
        " technical" if technical else "",
        " blink" if blinks else "",
        f"{alert.severity}{', technical' if technical else ''}",
        "technical-" if technical else "",
        name,
    )
