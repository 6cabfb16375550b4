"""People: those who wear, those who watch, and who watches whom."""

import zoneinfo

from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q, QuerySet

USER_ID_PATTERN = r"^[A-Za-z0-9._\-@+:]{1,64}$"

UNPLACED_ZONES = frozenset({"Factory", "localtime"})  # files beside the zones: no place's clock


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name in UNPLACED_ZONES or name not in zoneinfo.available_timezones():
        raise ValidationError(f"{name!r} is not an IANA time zone.")


def named(user_id: str) -> Q:
    """Who has this user_id. Text with a NUL, which an address can carry and PostgreSQL can't hold, is nobody's."""
    return Q(pk__in=()) if "\x00" in user_id else Q(username=user_id)


class PersonManager(UserManager["User"]):
    """Users, and the one decision about who sees whom."""

    def visible_to(self, user: "User") -> QuerySet["User"]:
        """The people whose data `user` may see: themselves and those assigned to them; all, with the permission."""
        people = self.get_queryset()
        if not user.is_active:
            return people.none()
        if user.has_perm("devices.view_all_wearers"):
            return people
        assigned = Assignment.objects.filter(analyst=user, wearer=OuterRef("pk"))
        return people.filter(Q(pk=user.pk) | Exists(assigned))

    def wearers_visible_to(self, user: "User") -> QuerySet["User"]:
        """Those of `visible_to` who wear something."""
        return self.visible_to(user).filter(is_wearer=True)


class User(AbstractUser):
    """A person. `username` is the `user_id` of the stream; a wearer who never signs in has no usable password."""

    username = models.CharField(
        "user id",
        max_length=64,
        unique=True,
        validators=[RegexValidator(USER_ID_PATTERN, "Letters, digits and . _ - @ + : only, 64 at most.")],
        error_messages={"unique": "That user id is taken."},
    )
    display_name = models.CharField(max_length=64, blank=True, default="")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[validate_time_zone])
    is_wearer = models.BooleanField(default=False, help_text="Readings of this person have come.")

    objects = PersonManager()  # type: ignore[misc]  # django-stubs wants UserManager[Self], which a subclass can't say

    class Meta:
        permissions = [
            ("view_all_wearers", "May see every wearer"),
            ("add_readings", "May post readings for anyone"),
            ("run_simulator", "May run the simulator"),
        ]
        indexes = [
            # wearers_visible_to() with the permission, by name: the wall and the wearers list
            models.Index(fields=["username"], condition=Q(is_wearer=True), name="user_wearer_username")
        ]

    @property
    def shown_name(self) -> str:
        return self.display_name or self.get_full_name() or self.username

    def __str__(self) -> str:
        return self.username


class Assignment(models.Model):
    """An analyst may see a wearer."""

    analyst = models.ForeignKey(User, on_delete=models.CASCADE, related_name="assignments")
    wearer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="watchers")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # also the index of visible_to(): analyst, then wearer
            models.UniqueConstraint(fields=["analyst", "wearer"], name="assignment_once"),
            models.CheckConstraint(condition=~Q(analyst=models.F("wearer")), name="assignment_not_self"),
        ]

    def __str__(self) -> str:
        return f"{self.analyst} watches {self.wearer}"
