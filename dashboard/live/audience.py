"""Which sockets hear of whom: found by the person, not by asking every socket."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from dashboard.live.outlet import Outlet
from dashboard.live.visitor import Sight


class Audience:
    """The outlets that hear, by whom each `sees` and whose alerts it is `told_of`; these change through `look` only."""

    def __init__(self) -> None:
        self._seeing = _Ears()
        self._told = _Ears()  # those alone who are told of more people than they see

    def hearing(self, user: int | None) -> Iterator[Outlet]:
        """Those who may see the person with that key; what is of no person (None), those who see everyone."""
        return self._seeing.of(user)

    def told(self, user: int | None) -> Iterator[Outlet]:
        """Those who hear of an alert of the person with that key, of no person as above; each once."""
        yield from self._seeing.of(user)
        yield from (outlet for outlet in self._told.of(user) if not _includes(outlet.sees, user))

    def add(self, outlet: Outlet) -> None:
        self._seeing.add(outlet, outlet.sees)
        if outlet.told_of != outlet.sees:
            self._told.add(outlet, outlet.told_of)

    def discard(self, outlet: Outlet) -> None:
        self._seeing.discard(outlet, outlet.sees)
        self._told.discard(outlet, outlet.told_of)

    def look(self, outlet: Outlet, *, sees: Sight, told_of: Sight) -> None:
        """From now on `outlet` hears of these."""
        if (sees, told_of) != (outlet.sees, outlet.told_of):
            self.discard(outlet)
            outlet.sees, outlet.told_of = sees, told_of
            self.add(outlet)


class _Ears:
    """Outlets by the people that each was added for."""

    def __init__(self) -> None:
        self._of_everyone: set[Outlet] = set()
        self._of: defaultdict[int, set[Outlet]] = defaultdict(set)

    def of(self, user: int | None) -> Iterator[Outlet]:
        yield from self._of_everyone
        if user is not None:
            yield from self._of.get(user, ())

    def add(self, outlet: Outlet, people: Sight) -> None:
        if people == "everyone":
            self._of_everyone.add(outlet)
            return
        for user in people:
            self._of[user].add(outlet)

    def discard(self, outlet: Outlet, people: Sight) -> None:
        self._of_everyone.discard(outlet)
        if people != "everyone":
            self._forget(outlet, people)

    def _forget(self, outlet: Outlet, users: Iterable[int]) -> None:
        for user in users:
            if user in self._of:
                self._of[user].discard(outlet)
                if not self._of[user]:
                    del self._of[user]


def _includes(sees: Sight, user: int | None) -> bool:
    return sees == "everyone" or user in sees
