"""Who is at a socket, and whom they may see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from devices.account.credentials import Credentials, person_find
from devices.models import User, named

Sight = frozenset[int] | Literal["everyone"]  # keys of people


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in, by key. `sees` is empty where the wearer they asked for is none of theirs."""

    person: int
    sees: Sight


def visitor_find(*, credentials: Credentials, only: str | None, at: datetime) -> Visitor | None:
    """Who holds these credentials at `at`, seeing all they may or only the wearer with the user_id `only`."""
    user = person_find(credentials=credentials, at=at)
    return None if user is None else Visitor(user.pk, sight_of(user, only))


def sight_of(user: User, only: str | None = None) -> Sight:
    """The keys of those whom `user` may see; narrowed to the user_id `only`, empty where that is nobody of theirs."""
    people = User.objects.visible_to(user)
    if only is not None:
        return frozenset(people.filter(named(only)).values_list("pk", flat=True))
    if user.is_active and user.has_perm("devices.view_all_wearers"):
        return "everyone"
    return frozenset(people.values_list("pk", flat=True))
