"""Who is at a socket, what they ask for, and whom they may see."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from devices.account.credentials import Credentials, person_find
from devices.models import User, named

Sight = frozenset[int] | Literal["everyone"]  # keys of people


@dataclass(frozen=True, slots=True)
class Asked:
    """What a socket asks for: `only` the wearer with that user_id; with `all_alerts` the alerts of the others, too."""

    only: str | None = None
    all_alerts: bool = False


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody signed in, by key: whom they see, and whose alerts they are told of.

    Both are empty where the wearer they asked for is none of theirs.
    """

    person: int
    sees: Sight
    told_of: Sight


def visitor_find(*, credentials: Credentials, asked: Asked, at: datetime) -> Visitor | None:
    """Who holds these credentials at `at`, with what they asked for of all they may see."""
    user = person_find(credentials=credentials, at=at)
    if user is None:
        return None
    sees = sight_of(user, asked.only)
    is_wider = asked.all_alerts and asked.only is not None and sees
    return Visitor(user.pk, sees, sight_of(user) if is_wider else sees)


def sight_of(user: User, only: str | None = None) -> Sight:
    """The keys of those whom `user` may see; narrowed to the user_id `only`, empty where that is nobody of theirs."""
    people = User.objects.visible_to(user)
    if only is not None:
        return frozenset(people.filter(named(only)).values_list("pk", flat=True))
    if user.is_active and user.has_perm("devices.view_all_wearers"):
        return "everyone"
    return frozenset(people.values_list("pk", flat=True))
