"""What templates say in Telara's words: marks, ages, pages."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from django import template
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import dateformat, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from alerts.models import Alert
from alerts.models.alert import AlertClass, EpisodeState, Severity, Triage
from alerts.reworded import description_in
from alerts.services.triage import LONGEST_SNOOZE
from dashboard.overview.log import SNOOZES
from devices.metrics import METRICS
from devices.models import User
from devices.reader import conversions, local, reader_said, text_shown, unit_shown, units_now, zone_named, zone_shown
from devices.times import rfc3339

register = template.Library()


@dataclass(frozen=True, slots=True)
class Page:
    """An entry of the navigation; one that is seldom needed (not `is_main`) stands in the user's menu."""

    name: str
    title: str
    key: str
    url: str
    current: bool
    is_main: bool = True


# name of its address, title, key, permission
_PAGES: Final = (
    ("overview", "Overview", "g o", ""),
    ("wearers", "Wearers", "g w", ""),
    ("alerts", "Alerts", "g a", ""),
    ("rules", "Rules", "g r", ""),
    ("devices", "Devices", "g d", ""),
    ("pipeline", "Pipeline", "g p", ""),
    ("simulator", "Simulator", "g s", "devices.run_simulator"),
    ("people", "People", "g u", "manages_people"),
    ("audit", "Audit", "g l", "devices.view_audit"),
)
_SELDOM: Final = {"people", "audit"}


@register.simple_tag(takes_context=True)
def pages(context: dict[str, Any]) -> list[Page]:
    """The pages that exist and that this person may open; of a wearer who sees nobody else only what is theirs."""
    request: HttpRequest = context["request"]
    user = request.user
    if isinstance(user, User) and user.is_wearer and user.sees_nobody_else:
        return [
            Page(name, title, key, url, _is_current(request, url))
            for name, title, key, url in (
                ("wearers", "My data", "g w", reverse("wearer", args=[user.username])),
                ("alerts", "Alerts", "g a", reverse("alerts")),
                ("settings", "Settings", "g e", reverse("settings")),
            )
        ]
    return [
        Page(name, title, key, url, _is_current(request, url), is_main=name not in _SELDOM)
        for name, title, key, permission in _PAGES
        if (url := _address(name)) and _may(user, permission)
    ]


def _may(user: Any, permission: str) -> bool:
    """Whether a page is theirs; who manages people is no matter of a permission alone."""
    if permission == "manages_people":
        return isinstance(user, User) and user.manages_people
    return not permission or user.has_perm(permission)


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


@register.simple_tag
def mark(alert: Alert) -> str:
    """The severity mark of an alert: filled while firing and unseen, grey word once seen or over."""
    firing = alert.episode == EpisodeState.FIRING
    new = alert.triage == Triage.NEW
    technical = alert.alert_class == AlertClass.TECHNICAL
    blink = firing and new and not alert.quiet and not technical
    return _mark(alert.severity, technical=technical, firing=firing, quiet=not (firing and new), blink=blink)


@register.simple_tag
def severity_mark(severity: str, *, technical: bool = False, quiet: bool = False) -> str:
    """The mark of a severity on its own: of a rule, a facet, a legend."""
    return _mark(severity, technical=technical, firing=not quiet, quiet=quiet, blink=False)


@cache
def _mark(severity: str, *, technical: bool, firing: bool, quiet: bool, blink: bool) -> str:
    """There are few marks, and a page shows each often."""
    says = {"severity": severity, "technical": technical, "firing": firing, "quiet": quiet, "blink": blink}
    return render_to_string("_mark.html", says)


@register.simple_tag
@cache
def snooze_choices(severity: str) -> str:
    """The buttons of an alert's menu: how long an alert of this severity may be snoozed for."""
    longest = LONGEST_SNOOZE[Severity(severity)]
    choices = [(minutes, timedelta(minutes=minutes) <= longest) for minutes in SNOOZES]
    return render_to_string("_snooze_choices.html", {"severity": severity, "choices": choices})


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


@register.filter
def short_age_since(at: datetime) -> str:
    """As clock.js writes it where `data-age-short` says so: `18 s`, `6 m`, `1 h`, `2 d`."""
    return " ".join(age_since(at).split(" ")[:2])


@register.filter
def in_zone(at: datetime, name: str) -> str:
    """`at` by the clock of a time zone: `18:00`, on another day there `Mon 18:00`, and whose clock that is where it is
    not the reader's: `18:00 Vienna`."""
    zone = ZoneInfo(name)
    there = at.astimezone(zone)
    told = f"{there:%H:%M}" if there.date() == timezone.now().astimezone(zone).date() else f"{there:%a %H:%M}"
    return told if there.utcoffset() == local(at).utcoffset() else f"{told} {zone_named(name)}"


@register.filter
def time_left(until: datetime) -> str:
    """How long until then, as clock.js counts it down: `12 m 03 s left`, `over`."""
    seconds = (until - timezone.now()).total_seconds()
    return f"{age_text(seconds)} left" if seconds > 0 else "over"


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


@register.filter
def sentence(alert: Alert) -> str:
    """What happened, in the units and by the clock of who reads it."""
    return description_in(alert, units_now(), timezone.get_current_timezone())


@register.simple_tag
def zone() -> str:
    """Whose clock the times of the page are by: `UTC`, `Vienna`."""
    return zone_shown()


@register.simple_tag
def reader() -> str:
    """In which units and by which clock the page is read."""
    return reader_said()


@register.simple_tag
def zone_id() -> str:
    """The IANA name of that zone."""
    return timezone.get_current_timezone_name()


@register.filter
def utc(at: datetime) -> str:
    """A time of UTC, for whoever points at one by another clock: `2 Mar 2026 14:30:02 UTC`."""
    return f"{at.astimezone(UTC):%-d %b %Y %H:%M:%S} UTC"


@register.filter(expects_localtime=True)
def when(at: datetime | None, shape: str) -> SafeString:
    """`at` by the clock of whoever reads it, in a shape of `|date`, and by that of UTC for whoever points at it."""
    if at is None:
        return SafeString("")
    return format_html('<time datetime="{}" title="{}">{}</time>', rfc3339(at), utc(at), dateformat.format(at, shape))


@register.simple_tag
def unit_of(metric: str) -> str:
    """The unit that its values are shown in."""
    return unit_shown(metric)


@register.simple_tag
def unit_conversions() -> str:
    """What scripts of the page convert values of events by; empty where the reader reads canonical units."""
    found = conversions()
    return json.dumps(found, separators=(",", ":")) if found else ""


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
    text = text_shown(metric, value)
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
