"""Decisions about the alerts that are ticked in the admin; snoozing and closing ask for the rest on a page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone

from alerts.admin_forms import CloseForm, SnoozeForm
from alerts.models import Alert
from alerts.selectors import alerts_triageable
from alerts.services.triage import Triaged, alerts_acknowledge, alerts_close, alerts_snooze
from devices.admin_base import ModelAdmin, signed_in

MOST_AT_ONCE: Final = 500
Decide = Callable[[list[Alert], dict[str, Any]], Triaged]


@admin.action(description="Acknowledge", permissions=["decide"])
def acknowledge(page: ModelAdmin, request: HttpRequest, alerts: QuerySet[Alert]) -> None:
    """Say that you look after them."""
    if chosen := _chosen(page, request, alerts):
        _tell(
            page, request, alerts_acknowledge(alerts=chosen, by=signed_in(request), at=timezone.now()), "acknowledged"
        )


@admin.action(description="Snooze ...", permissions=["decide"])
def snooze(page: ModelAdmin, request: HttpRequest, alerts: QuerySet[Alert]) -> TemplateResponse | None:
    """Ask for how long, then silence them; what is clinical and what is technical apart."""
    if len(set(alerts.order_by().values_list("alert_class", flat=True))) > 1:
        page.message_user(request, "Snooze clinical and technical alerts apart.", messages.ERROR)
        return None

    def decide(chosen: list[Alert], given: dict[str, Any]) -> Triaged:
        at = timezone.now()
        until = at + timedelta(minutes=given["minutes"])
        return alerts_snooze(alerts=chosen, by=signed_in(request), at=at, until=until, note=given["note"])

    return _ask(page, request, alerts, form=SnoozeForm, action="snooze", done="snoozed", decide=decide)


@admin.action(description="Close ...", permissions=["decide"])
def close(page: ModelAdmin, request: HttpRequest, alerts: QuerySet[Alert]) -> TemplateResponse | None:
    """Ask for the reason, then close them."""

    def decide(chosen: list[Alert], given: dict[str, Any]) -> Triaged:
        return alerts_close(alerts=chosen, by=signed_in(request), at=timezone.now(), **given)

    return _ask(page, request, alerts, form=CloseForm, action="close", done="closed", decide=decide)


def _ask(  # noqa: PLR0913  # what a page needs
    page: ModelAdmin,
    request: HttpRequest,
    alerts: QuerySet[Alert],
    *,
    form: type[forms.Form],
    action: str,
    done: str,
    decide: Decide,
) -> TemplateResponse | None:
    """The page with the form, or, once it is filled in, the decision."""
    chosen = _chosen(page, request, alerts)
    if not chosen:
        return None
    filled = form(request.POST) if "decide" in request.POST else form()
    if filled.is_bound and filled.is_valid():
        _tell(page, request, decide(chosen, filled.cleaned_data), done)
        return None
    context = {
        **page.admin_site.each_context(request),
        "title": f"{action.capitalize()} {len(chosen)} alert{'s' if len(chosen) > 1 else ''}",
        "opts": page.opts,
        "form": filled,
        "action": action,
        "alerts": chosen,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/alerts/decide.html", context)


def _chosen(page: ModelAdmin, request: HttpRequest, alerts: QuerySet[Alert]) -> list[Alert]:
    """Those of `alerts` that the person may decide about; none, with a message, where they are too many."""
    triageable = alerts_triageable(user=signed_in(request)).values("pk")
    chosen = list(alerts.filter(pk__in=triageable).select_related("user")[: MOST_AT_ONCE + 1])
    if not chosen:
        page.message_user(request, "You may not decide about these.", messages.ERROR)
    if len(chosen) > MOST_AT_ONCE:
        page.message_user(request, f"Choose {MOST_AT_ONCE} at most.", messages.ERROR)
        return []
    return chosen


def _tell(page: ModelAdmin, request: HttpRequest, triaged: Triaged, done: str) -> None:
    said = f"{len(triaged.changed)} {done}"
    if triaged.already:
        said += f", {len(triaged.already)} were so already"
    page.message_user(request, f"{said}.")
    for refusal in triaged.refused[:10]:
        where = f"{refusal.alert.title} of {refusal.alert.user_id_of_stream or refusal.alert.whose}"
        page.message_user(request, f"{where}: {refusal.message}", messages.WARNING)
    if len(triaged.refused) > 10:
        page.message_user(request, f"{len(triaged.refused) - 10} more did not fit.", messages.WARNING)
