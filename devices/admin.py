"""The admin of people, what they wear, and keys."""

from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from devices.account.confirmed import confirm_first, is_confirmed
from devices.admin_account import AccountActions
from devices.admin_base import ModelAdmin, OfVisiblePeople, ReadOnlyAdmin, ReadOnlyPeopleAdmin, TabularInline, signed_in
from devices.live import rights_changed
from devices.models import (
    ApiToken,
    Assignment,
    Device,
    ErasedPerson,
    Erasure,
    Look,
    Mail,
    Note,
    PipelineStatus,
    Simulation,
    User,
)
from devices.rights.people import may_come_in_as
from devices.tokens import device_token_make, device_token_revoke


class AssignmentInline(TabularInline):
    """Who watches whom: given or taken away, and never changed into another, so that the audit log says both."""

    model = Assignment
    extra = 0

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class WatchesInline(AssignmentInline):
    """Whom this person watches, of those whom the one who looks may see."""

    fk_name = "analyst"
    autocomplete_fields = ["wearer"]
    verbose_name = "wearer"
    verbose_name_plural = "watches"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Assignment]:
        rows: QuerySet[Assignment] = super().get_queryset(request)
        return rows.filter(wearer__in=User.objects.visible_to(signed_in(request)))


class WatchedByInline(AssignmentInline):
    """Who watches this person."""

    fk_name = "wearer"
    autocomplete_fields = ["analyst"]
    verbose_name = "analyst"
    verbose_name_plural = "watched by"


@admin.register(User)
class PersonAdmin(AccountActions, ModelAdmin, UserAdmin):  # type: ignore[type-arg]  # only the stubs know that it is generic
    """People. Nobody is deleted, their readings and alerts would be nobody's: deactivate them."""

    list_display = ["username", "shown_name", "is_wearer", "is_staff", "is_active", "last_login"]
    list_filter = ["is_wearer", "is_staff", "is_active", "groups"]
    search_fields = ["username", "display_name", "first_name", "last_name", "email"]
    ordering = ["username"]
    list_per_page = 50
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["username", "password"]}),
        ("Person", {"fields": ["display_name", "first_name", "last_name", "email", "time_zone", "is_wearer"]}),
        (
            "Rights",
            {
                "fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"],
                "description": "Deactivate and activate under People on the website: sessions and tokens end there.",
            },
        ),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    readonly_fields = ["is_active", "last_login", "date_joined"]  # what else ends with is_active: devices.rights.people
    inlines = [WatchesInline, WatchedByInline]
    actions = ["make_password_link", "take_second_factor"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return User.objects.visible_to(signed_in(request)).order_by(*self.get_ordering(request))

    def get_inlines(self, request: HttpRequest, obj: Model | None) -> list[Any]:
        return list(super().get_inlines(request, obj)) if obj else []

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Who has rights is changed, and given a password, by who may come in as them anyway."""
        if isinstance(obj, User) and not may_come_in_as(person=obj, by=signed_in(request)):
            return False
        return super().has_change_permission(request, cast("User | None", obj))

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """Only a superuser gives rights: others could make themselves one. Who is about to be forgotten keeps their
        user id: what is known by that name alone is found by it."""
        fixed = list(super().get_readonly_fields(request, obj))
        if isinstance(obj, User) and Erasure.objects.filter(user=obj).exists():
            fixed.append("username")
        if not signed_in(request).is_superuser:
            fixed += ["is_staff", "is_superuser", "groups", "user_permissions"]
        return fixed

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The last that is written of a person, their rights and who watches whom."""
        super().save_related(request, form, formsets, change)
        transaction.on_commit(rights_changed)


admin.site.unregister(Group)


@admin.register(Group)
class RightsAdmin(ModelAdmin, GroupAdmin):
    """Groups of people, and their rights. Only a superuser gives those: others could make their own group one."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return signed_in(request).is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return signed_in(request).is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return signed_in(request).is_superuser

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The last that is written of a group, its rights."""
        super().save_related(request, form, formsets, change)
        transaction.on_commit(rights_changed)

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(rights_changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(rights_changed)


@admin.register(Device)
class DeviceAdmin(OfVisiblePeople):
    """What people wear, and its tokens."""

    list_display = ["kind", "external_id", "user", "last_seen_at", "cadence_s", "has_token"]
    list_filter = ["kind", ("token_hash", admin.EmptyFieldListFilter)]
    list_select_related = ["user"]
    search_fields = ["kind", "external_id", "user__username", "user__display_name"]
    autocomplete_fields = ["user"]
    readonly_fields = ["last_seen_at", "token_made_at"]
    ordering = ["user__username", "kind"]
    list_per_page = 50
    show_full_result_count = False
    actions = ["make_token", "revoke_tokens"]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        """It stays with its person: its token would send in the name of another one."""
        return [*super().get_readonly_fields(request, obj), *(["user"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Device, form: Any, change: bool) -> None:  # noqa: ARG002
        """Only what was edited: a token made meanwhile stays."""
        obj.save(update_fields=form.changed_data if change else None)

    @admin.display(boolean=True, description="token", ordering="token_made_at")
    def has_token(self, device: Device) -> bool:
        return device.token_hash is not None

    @admin.action(description="Make a token (one device; the one before it ends)", permissions=["change"])
    def make_token(self, request: HttpRequest, devices: QuerySet[Device]) -> HttpResponse | None:
        """Shows the token on a page of its own: a message would be kept, and the token is not."""
        chosen = list(devices[:2])
        if len(chosen) != 1:
            self.message_user(request, "Choose one device.", messages.ERROR)
            return None
        if not is_confirmed(request):
            return confirm_first(request, then=request.get_full_path())
        secret = device_token_make(device=chosen[0], at=timezone.now())
        self.log_change(request, chosen[0], "Made a token.")
        context = {**self.admin_site.each_context(request), "device": chosen[0], "secret": secret, "title": "Token"}
        response = TemplateResponse(request, "admin/devices/token.html", context)
        response["Cache-Control"] = "no-store"
        return response

    @admin.action(description="Revoke tokens", permissions=["change"])
    def revoke_tokens(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        revoked = [device for device in devices if device_token_revoke(device=device)]
        for device in revoked:
            self.log_change(request, device, "Revoked its token.")
        self.message_user(request, f"{len(revoked)} tokens revoked.")


@admin.register(ApiToken)
class ApiTokenAdmin(OfVisiblePeople):
    """Keys of people; to revoke one, delete it."""

    list_display = ["user", "created_at", "expires_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    ordering = ["-created_at"]
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        super().delete_model(request, obj)
        transaction.on_commit(rights_changed)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        super().delete_queryset(request, queryset)
        transaction.on_commit(rights_changed)


@admin.register(Look)
class LookAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """Who looked at whose data."""

    whose = "person"
    list_display = ["at", "person", "viewer", "way"]
    list_filter = ["way"]
    list_select_related = ["person", "viewer"]
    search_fields = ["person__username", "viewer__username"]
    ordering = ["-at"]


@admin.register(Mail)
class MailAdmin(ReadOnlyPeopleAdmin):
    """Mails about people's accounts, and why one did not arrive."""

    list_display = ["made_at", "user", "kind", "verb", "state", "attempts", "note"]
    list_filter = ["state", "kind"]
    exclude = ["address"]
    ordering = ["-made_at"]


@admin.register(Note)
class NoteAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """What was written about people."""

    whose = "person"
    is_health_data = True
    list_display = ["about", "person", "by", "text"]
    list_select_related = ["person", "by"]
    search_fields = ["person__username", "by__username"]
    ordering = ["-about"]


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyAdmin, OfVisiblePeople):
    """Who asked to be forgotten, and is not yet."""

    list_display = ["user", "asked_at", "due_at", "begun_at", "failing_since", "failure"]
    list_select_related = ["user"]
    ordering = ["due_at"]


@admin.register(ErasedPerson)
class ErasedPersonAdmin(ReadOnlyAdmin):
    """How many were forgotten, and when; nobody can tell who."""

    list_display = ["erased_at", "name_hash"]
    ordering = ["-erased_at"]


@admin.register(PipelineStatus)
class PipelineStatusAdmin(ReadOnlyAdmin):
    """Consumers, as they last said of themselves."""

    list_display = ["consumer", "updated_at", "lag", "events_per_second", "delay_p99_s", "stored", "quarantined"]
    ordering = ["-updated_at"]


@admin.register(Simulation)
class SimulationAdmin(ReadOnlyAdmin):
    """What was simulated, by whom."""

    list_display = ["id", "state", "runner", "wearers", "wearer_id", "anomaly", "starts_at", "sent", "requested_by"]
    list_filter = ["state", "runner", "anomaly"]
    list_select_related = ["requested_by"]
    ordering = ["-id"]
