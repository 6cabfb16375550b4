"""People: those who wear, those who watch, and who watches whom."""

import zoneinfo
from functools import cache, cached_property
from typing import Any

from django.contrib.auth.models import AbstractUser, UserManager
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from devices.metrics import Units

USER_ID_PATTERN = r"^[A-Za-z0-9._\-@+:]{1,64}$"

# by UCUM code, and as people write them
GLUCOSE_UNITS = (("mg/dL", "mg/dL"), ("mmol/L", "mmol/L"))
TEMPERATURE_UNITS = (("Cel", "°C"), ("[degF]", "°F"))
UNPLACED_ZONES = frozenset({"Factory", "localtime"})  # files beside the zones: no place's clock


@cache
def time_zones() -> frozenset[str]:
    """The IANA time zones that one may live in. To find them every file of theirs is opened, 25 ms."""
    return frozenset(zoneinfo.available_timezones() - UNPLACED_ZONES)


def zone_read(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name; UTC for none. Raises ValueError for a name that is no zone's."""
    if name and name not in time_zones():
        raise ValueError(f"{name}: a time zone is written as Europe/Vienna.")
    return zoneinfo.ZoneInfo(name or "UTC")


def validate_time_zone(name: str) -> None:
    """Raise ValidationError unless `name` is an IANA time zone."""
    if name not in time_zones():
        raise ValidationError(f"{name!r} is not an IANA time zone.")


def named(user_id: str) -> Q:
    """Who has this user_id. Text with a NUL, which an address can carry and PostgreSQL can't hold, is nobody's."""
    return Q(pk__in=()) if "\x00" in user_id else Q(username=user_id)


def name_shown(*, display_name: str, first_name: str, last_name: str, username: str) -> str:
    """What people are called on pages: by their display name, else by their full name, else by their user_id."""
    return display_name or f"{first_name} {last_name}".strip() or username


class PersonManager(UserManager["User"]):
    """Users, and the one decision about who sees whom."""

    def visible_to(self, user: "User") -> QuerySet["User"]:
        """The people whose data `user` may see: themselves, those assigned to them and those of their teams; all, with
        the permission."""
        if user.is_active and user.has_perm("devices.view_all_wearers"):
            return self.get_queryset()
        return self.get_queryset().filter(pk__in=self.keys_visible_to(user))

    def keys_visible_to(self, user: "User") -> QuerySet["User", Any]:
        """The keys of those people, but for the permission, some of them more than once: for rows that refer to people,
        whom nobody needs to look up for it."""
        if not user.is_active:
            return self.none().values("pk")
        themselves = self.filter(pk=user.pk).values("pk")
        assigned = Assignment.objects.filter(analyst=user).values("wearer")
        teams = TeamAnalyst.objects.filter(analyst=user).values("team")
        of_teams = TeamWearer.objects.filter(team__in=teams).values("wearer")
        return themselves.union(assigned, of_teams, all=True)

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
    glucose_unit = models.CharField(
        "glucose in", max_length=8, choices=GLUCOSE_UNITS, default="mg/dL", db_default="mg/dL"
    )
    temperature_unit = models.CharField(
        "temperatures in", max_length=8, choices=TEMPERATURE_UNITS, default="Cel", db_default="Cel"
    )
    is_wearer = models.BooleanField(default=False, help_text="Readings of this person have come.")
    # of the list of wearers, by name: dashboard.wearers.columns
    hidden_columns = ArrayField(
        models.CharField(max_length=16), default=list, db_default=[], blank=True, editable=False
    )
    # wrong tries of the second factor, until when they count: devices.account.code_tries
    code_failures = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    code_wait_until = models.DateTimeField(null=True, editable=False)

    objects = PersonManager()  # type: ignore[misc]  # django-stubs wants UserManager[Self], which a subclass can't say

    class Meta:
        permissions = [
            ("view_all_wearers", "May see every wearer"),
            ("add_readings", "May post readings for anyone"),
            ("run_simulator", "May run the simulator"),
            ("export_readings", "May export the data of those they see"),
            ("manage_people", "May manage people, teams and invitations"),
        ]
        indexes = [
            # wearers_visible_to() with the permission, by name: the wall and the wearers list
            models.Index(fields=["username"], condition=Q(is_wearer=True), name="user_wearer_username")
        ]

    @property
    def units(self) -> Units:
        """The units that this person reads."""
        return Units(frozenset((self.glucose_unit, self.temperature_unit)))

    @property
    def shown_name(self) -> str:
        return name_shown(
            display_name=self.display_name,
            first_name=self.first_name,
            last_name=self.last_name,
            username=self.username,
        )

    @cached_property
    def sees_nobody_else(self) -> bool:
        """Whether their own data is all that they may see."""
        watches = self.has_perm("devices.view_all_wearers") or self.assignments.exists() or self.memberships.exists()
        return not watches

    @cached_property
    def manages_people(self) -> bool:
        """Whether they manage people: all, with the permission, or those of a team that they lead."""
        leads = self.memberships.filter(role="lead")
        return self.is_active and (self.has_perm("devices.manage_people") or leads.exists())

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


class Team(models.Model):
    """Analysts who watch the same wearers."""

    name = models.CharField(max_length=64)
    description = models.CharField(max_length=200, blank=True, default="")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(Lower("name"), name="team_name_once")]

    def __str__(self) -> str:
        return self.name


class TeamAnalyst(models.Model):
    """An analyst may see the wearers of a team; a lead also says who is in it."""

    class Role(models.TextChoices):
        MEMBER = "member", "member"
        LEAD = "lead", "lead"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="analysts")
    analyst = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=6, choices=Role, default=Role.MEMBER)
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # also the index of visible_to(): analyst, then team
            models.UniqueConstraint(fields=["analyst", "team"], name="team_analyst_once")
        ]

    def __str__(self) -> str:
        return f"{self.analyst} in {self.team}"


class TeamWearer(models.Model):
    """A wearer whom the analysts of a team may see."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="wearers")
    wearer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="teams")
    added_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            # also the index of visible_to(): team, then wearer
            models.UniqueConstraint(fields=["team", "wearer"], name="team_wearer_once")
        ]

    def __str__(self) -> str:
        return f"{self.wearer} of {self.team}"
