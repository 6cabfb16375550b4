"""How a person wants to be told: their channels, their routes, and what was sent to them."""

from typing import TYPE_CHECKING, Any, Final, cast

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from alerts.models import Channel, Delivery, Route
from alerts.models.alert import AlertClass, Severity
from alerts.services.notifications import (
    NotificationError,
    channel_make,
    channel_remove,
    channel_test,
    route_make,
    route_remove,
    route_switch,
)
from devices.models import User
from devices.models.person import named

if TYPE_CHECKING:  # only the stubs know that it is generic
    OfRoute = forms.ModelForm[Route]
else:
    OfRoute = forms.ModelForm

SHOWN: Final = 50
Made = tuple[Channel, str]  # with the secret that it is signed with


class ChannelForm(forms.Form):
    """Ask for a channel."""

    name = forms.CharField(max_length=64, help_text="what you call it: My phone")
    kind = forms.ChoiceField(choices=Channel.Kind.choices, initial=Channel.Kind.APPRISE)
    address = forms.CharField(
        max_length=2000,
        help_text="shown to nobody again. A webhook is https://…; a service is as apprise writes it: "
        "mailtos://user:password@example.org, ntfys://ntfy.sh/topic, slack://…",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


class RouteForm(OfRoute):
    """Ask for a route; the owner's own channels are offered."""

    user_id = forms.CharField(
        label="Only about", max_length=64, required=False, help_text="a user id; empty: everybody you may see"
    )

    field_order = ["channel", "least_severity", "alert_class", "user_id"]

    class Meta:
        model = Route
        fields = [
            "channel", "least_severity", "alert_class", "wait_min", "repeat_min", "repeat_most", "quiet_from",
            "quiet_until", "critical_pierces", "with_details",
        ]  # fmt: skip
        labels = {
            "wait_min": "Wait, minutes",
            "repeat_min": "Repeat every, minutes",
            "repeat_most": "Repeats at most",
            "quiet_from": "Quiet from",
            "quiet_until": "Quiet until",
            "critical_pierces": "CRITICAL comes through quiet hours",
            "with_details": "Say who it is and what happened, with values",
        }
        help_texts = {
            "wait_min": "0: at once; else only while nobody looks after it",
            "repeat_most": "0: never; ends when anybody acknowledges",
            "with_details": "",
        }
        widgets = {
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, owner: User, **options: Any) -> None:
        super().__init__(*args, **{**options, "instance": Route(owner=owner)})
        self._owner = owner
        channels = cast("forms.ModelChoiceField[Channel]", self.fields["channel"])
        self.fields["least_severity"] = forms.ChoiceField(
            label="From", choices=[(severity, severity) for severity in Severity.values], initial=Severity.HIGH
        )
        channels.queryset, channels.empty_label = Channel.objects.filter(owner=owner), None
        self.fields["alert_class"] = forms.ChoiceField(
            label="Class", choices=[("", "all"), *AlertClass.choices], required=False
        )
        if not User.objects.visible_to(owner).exclude(pk=owner.pk).exists():
            del self.fields["user_id"]

    def clean_user_id(self) -> str:
        """Whom it is about, if only about one: somebody the owner may see."""
        user_id = str(self.cleaned_data["user_id"])
        if user_id:
            wearer = User.objects.visible_to(self._owner).filter(named(user_id)).first()
            if wearer is None:
                raise forms.ValidationError("There is no such person, or they are not assigned to you.")
            self.instance.wearer = wearer
        return user_id


@login_required
def notifications(request: HttpRequest) -> HttpResponse:
    """GET /notifications/, and POST of either form (`form` names it); with htmx only the log."""
    owner = cast("User", request.user)
    if request.headers.get("HX-Request") and request.method == "GET":
        return render(request, "_notifications_log.html", {"deliveries": _log(owner)})
    channel, route, made, status = ChannelForm(prefix="channel"), RouteForm(prefix="route", owner=owner), None, 200
    if request.method == "POST":
        if request.POST.get("form") == "channel":
            channel, made = _channel(request, owner)
            status = 201 if made else 400
        elif request.POST.get("form") == "route":
            route = RouteForm(request.POST, prefix="route", owner=owner)
            if _route(request, route):
                return redirect("notifications")
            status = 400
        else:
            return HttpResponse("There is no such form.", status=400)
    context = {"page_title": "Notifications", "channel_form": channel, "route_form": route, "made": made}
    return render(request, "notifications.html", context | _shown(owner), status=status)


def _shown(owner: User) -> dict[str, Any]:
    failing = Count("deliveries", filter=Q(deliveries__state=Delivery.State.FAILED))
    return {
        "channels": list(Channel.objects.filter(owner=owner).annotate(failed=failing).order_by("name")),
        "routes": list(Route.objects.filter(owner=owner).select_related("channel", "wearer")),
        "deliveries": _log(owner),
        "zone": owner.time_zone,
    }


def _log(owner: User) -> QuerySet[Delivery]:
    rows = Delivery.objects.filter(channel__owner=owner).select_related("channel", "notice__incident")
    return rows.order_by("-made_at")[:SHOWN]


def _channel(request: HttpRequest, owner: User) -> tuple[ChannelForm, Made | None]:
    """The form to show next, and what was made of the one that was sent."""
    form = ChannelForm(request.POST, prefix="channel")
    if not form.is_valid():
        return form, None
    try:
        made = channel_make(owner=owner, networks=settings.TELARA_NOTIFY_NETWORKS, **form.cleaned_data)
    except NotificationError as error:
        form.add_error(None, str(error))
        return form, None
    return ChannelForm(prefix="channel"), made


def _route(request: HttpRequest, form: RouteForm) -> bool:
    """Keep what a form asks for; False where it cannot be, and the form says why."""
    if not form.is_valid():
        return False
    try:
        route = route_make(route=form.instance, at=timezone.now())
    except NotificationError as error:
        form.add_error(None, str(error))
        return False
    messages.success(request, f"You are told by {route.channel.name} from {route.least_severity} on.")
    return True


@login_required
@require_POST
def channel_try(request: HttpRequest, channel_id: int) -> HttpResponse:
    """POST /notifications/channels/ID/test/."""
    channel = _own_channel(request, channel_id)
    try:
        channel_test(channel=channel, at=timezone.now())
    except NotificationError as error:
        messages.warning(request, str(error))
    else:
        messages.success(request, f"A test goes to {channel.name} in a moment. The log says what becomes of it.")
    return redirect("notifications")


@login_required
@require_POST
def channel_delete(request: HttpRequest, channel_id: int) -> HttpResponse:
    """POST /notifications/channels/ID/remove/."""
    channel = _own_channel(request, channel_id)
    channel_remove(channel=channel)
    messages.success(request, f"{channel.name} is forgotten, and its routes with it.")
    return redirect("notifications")


@login_required
@require_POST
def route_turn(request: HttpRequest, route_id: int) -> HttpResponse:
    """POST /notifications/routes/ID/switch/ with `enabled`: 1 or 0."""
    route = _own_route(request, route_id)
    enabled = request.POST.get("enabled") == "1"
    route_switch(route=route, enabled=enabled, at=timezone.now())
    messages.success(request, f"The route by {route.channel.name} is {'on' if enabled else 'off'}.")
    return redirect("notifications")


@login_required
@require_POST
def route_delete(request: HttpRequest, route_id: int) -> HttpResponse:
    """POST /notifications/routes/ID/remove/."""
    route = _own_route(request, route_id)
    route_remove(route=route)
    messages.success(request, f"The route by {route.channel.name} is gone.")
    return redirect("notifications")


def _own_channel(request: HttpRequest, channel_id: int) -> Channel:
    channel = Channel.objects.filter(pk=channel_id, owner=cast("User", request.user)).first()
    if channel is None:
        raise Http404("There is no such channel of yours.")
    return channel


def _own_route(request: HttpRequest, route_id: int) -> Route:
    route = Route.objects.filter(pk=route_id, owner=cast("User", request.user)).select_related("channel").first()
    if route is None:
        raise Http404("There is no such route of yours.")
    return route
