"""Who watches whom, from the side of the watched: by assignment, and by teams. `visible_to` is the other side."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from devices.models import Assignment, Team, TeamAnalyst, TeamWearer, User

if TYPE_CHECKING:
    from django.db.models import QuerySet


def watch_pairs(*, wearers: Collection[int]) -> Iterator[tuple[int, int]]:
    """(analyst, wearer) by key for each of these wearers; a pair may come more than once."""
    yield from Assignment.objects.filter(wearer__in=wearers).values_list("analyst", "wearer")
    of_teams = TeamWearer.objects.filter(wearer__in=wearers, team__analysts__isnull=False)
    yield from of_teams.values_list("team__analysts__analyst", "wearer")


def watchers_of(*, wearers: "QuerySet[User]") -> "QuerySet[User]":
    """Those who are active and watch any of these wearers, in no order."""
    assigned = Assignment.objects.filter(wearer__in=wearers).values("analyst")
    teams = TeamWearer.objects.filter(wearer__in=wearers).values("team")
    of_teams = TeamAnalyst.objects.filter(team__in=teams).values("analyst")
    return User.objects.filter(pk__in=assigned.union(of_teams, all=True), is_active=True)


def teams_of(*, wearer: User) -> list[Team]:
    """The teams whose analysts watch `wearer`, by name; those that have nobody left out."""
    return list(Team.objects.filter(wearers__wearer=wearer, analysts__isnull=False).distinct().order_by("name"))


def may_see(*, user: User, person_id: int | None) -> bool:
    """Whether `user` may see the data of that person; None: what is nobody's, for who may see everybody."""
    if person_id is None:
        return user.is_active and user.has_perm("devices.view_all_wearers")
    return User.objects.visible_to(user).filter(pk=person_id).exists()
