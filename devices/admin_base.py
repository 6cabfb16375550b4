"""What the admin pages of all apps share: nothing is counted in full, what machines write is read only."""

from typing import TYPE_CHECKING, Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from devices.models import User

if TYPE_CHECKING:  # only the stubs know that these are generic
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Any, Any]
    BasePaginator = Paginator[Any]
else:
    ModelAdmin = admin.ModelAdmin
    TabularInline = admin.TabularInline
    BasePaginator = Paginator

MOST_LISTED: Final = 10_000


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

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:  # noqa: ARG002
        return False


class OfVisiblePeople(ModelAdmin):
    """Rows of people, `user` naming whose: those that the person who looks may see."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = super().get_queryset(request)
        user = signed_in(request)
        if user.has_perm("devices.view_all_wearers"):
            return rows
        return rows.filter(user__in=User.objects.visible_to(user))


class ReadOnlyInline(TabularInline):
    """Rows below a page, to look at for everybody who may see the page."""

    extra = 0
    can_delete = False
    show_change_link = False

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
