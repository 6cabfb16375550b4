"""What the admin pages of all apps share: nothing is counted in full, what machines write is read only."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import DateTimeField, Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html

from devices.models import Assignment, Look, User, Verb
from devices.rights.audit import audit_note
from devices.rights.looks import look_note

if TYPE_CHECKING:  # only the stubs know that these are generic
    from django.contrib.admin.options import BaseModelAdmin

    PlainAdmin = admin.ModelAdmin[Any]
    PlainInline = admin.TabularInline[Any, Any]
    PlainOptions = BaseModelAdmin[Any]
    BasePaginator = Paginator[Any]
else:
    PlainAdmin = admin.ModelAdmin
    PlainInline = admin.TabularInline
    PlainOptions = object
    BasePaginator = Paginator

MOST_LISTED: Final = 10_000


_CHANGES: Final = "_telara_changes"  # of a request: what its form changes


def _moments(field: "DateTimeField[Any, Any]") -> Callable[[Model], str | None]:
    """A column of the times in a field, as the pages write them: by the clock of who looks, and UTC on hover."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(row: Model) -> str | None:
        at: datetime | None = getattr(row, field.name)
        if at is None:
            return None
        here, utc = timezone.localtime(at), at.astimezone(UTC)
        written = (f"{utc:%Y-%m-%dT%H:%M:%SZ}", f"{utc:%Y-%m-%d %H:%M:%S} UTC", f"{here:%Y-%m-%d %H:%M:%S}")
        return format_html('<time datetime="{}" title="{}">{}</time>', *written)

    column.__name__ = field.name
    return column


class _OfSeenPeople(PlainOptions):
    """A form takes a person whom the one who sends it may see, whatever it offered."""

    def get_field_queryset(self, db: str | None, db_field: Any, request: HttpRequest) -> QuerySet[Any] | None:
        if db_field.remote_field.model is User:
            return User.objects.visible_to(signed_in(request))
        return super().get_field_queryset(db, db_field, request)


class TabularInline(_OfSeenPeople, PlainInline):
    """Rows below a page."""


class ModelAdmin(_OfSeenPeople, PlainAdmin):
    """What is done here stands in the audit log too, with the fields before and after."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only by the filters that the list offers: by others what no page shows could be found out, try by try."""
        offered = [each[0] if isinstance(each, tuple) else each for each in self.get_list_filter(request)]
        is_offered = any(f"{lookup}__".startswith(f"{name}__") for name in offered)
        return is_offered and super().lookup_allowed(lookup, value, request)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        fields = {each.name: each for each in self.opts.concrete_fields if isinstance(each, DateTimeField)}
        shown = super().get_list_display(request)
        return [_moments(fields[name]) if isinstance(name, str) and name in fields else name for name in shown]

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        changed = {
            name: (None if add else form.initial.get(name), form.cleaned_data.get(name)) for name in form.changed_data
        }
        for formset in formsets or ():
            changed |= _rows_changed(formset)
        setattr(request, _CHANGES, changed)
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _audit(request, Verb.ADMIN_ADDED, obj)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        _audit(request, Verb.ADMIN_CHANGED, obj)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for each in queryset:
            _audit(request, Verb.ADMIN_DELETED, each)
        return super().log_deletions(request, queryset)


def _rows_changed(formset: Any) -> dict[str, Any]:
    """What came and went in the rows below a form, as fields before and after."""
    name = formset.model._meta.verbose_name
    came = [_row(each) for each in formset.new_objects]
    went = [_row(each) for each in formset.deleted_objects]
    return {f"{name} {formset.prefix}": (went, came)} if came or went else {}


def _row(row: Model) -> str:
    """A row by what it links, people by number: no name belongs into the log."""
    if isinstance(row, Assignment):
        return f"person {row.analyst_id} watches person {row.wearer_id}"
    return f"{row._meta.verbose_name} {row.pk}"


def _audit(request: HttpRequest, verb: Verb, obj: Model) -> None:
    person = obj if isinstance(obj, User) else getattr(obj, "user", None)
    what = f"{obj._meta.verbose_name} {obj.pk}"
    changes = getattr(request, _CHANGES, {})
    audit_note(verb=verb, person=person if isinstance(person, User) else None, what=what, changes=changes)


class BoundedPaginator(BasePaginator):
    """Pages of the first MOST_LISTED rows; counting stops there, and whoever looks for more narrows the list."""

    @cached_property
    def count(self) -> int:
        listed = self.object_list[:MOST_LISTED]
        return listed.count() if isinstance(listed, QuerySet) else len(listed)


class ReadOnlyAdmin(ModelAdmin):
    """A page to look at: nothing is added, changed or deleted here."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class OfVisiblePeople(ModelAdmin):
    """Rows of people, the field `whose` naming them: those that the person who looks may see."""

    whose = "user"
    is_health_data = False  # whether opening one is a look at that person's data

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if found is not None and self.is_health_data:
            person = getattr(found, f"{self.whose}_id")
            look_note(viewer=signed_in(request), person_id=person, way=Look.Way.PAGE, at=timezone.now())
        return found

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        user = signed_in(request)
        if user.has_perm("devices.view_all_wearers"):
            return rows
        return rows.filter(**{f"{self.whose}__in": User.objects.visible_to(user)})


class ReadOnlyPeopleAdmin(OfVisiblePeople, ReadOnlyAdmin):
    """What machines or services write of people; found by the person's `user_id`."""

    list_select_related = ["user"]
    search_fields = ["=user__username"]
    search_help_text = "User id"


class ReadOnlyInline(TabularInline):
    """Rows below a page, to look at for everybody who may see the page; `select_related` is read with them."""

    select_related: tuple[str, ...] = ("by",)

    extra = 0
    can_delete = False
    show_change_link = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.select_related)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


def signed_in(request: HttpRequest) -> User:
    """Who looks at an admin page: somebody who is signed in, the admin sees to that."""
    if not isinstance(request.user, User):
        raise TypeError("Nobody is signed in.")
    return request.user
