"""Which sockets hear of whom: found by the person, not by asking every socket."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from dashboard.live.outlet import Outlet
from dashboard.live.visitor import Sight


class Audience:
    """The outlets that hear, by what each `sees`; that changes through `look` only."""

    def __init__(self) -> None:
        self._of_everyone: set[Outlet] = set()
        self._of: defaultdict[int, set[Outlet]] = defaultdict(set)

    def hearing(self, user: int | None) -> Iterator[Outlet]:
        """Those who may see the person with that key; what is of no person (None), those who see everyone."""
        yield from self._of_everyone
        if user is not None:
            yield from self._of.get(user, ())

    def add(self, outlet: Outlet) -> None:
        if outlet.sees == "everyone":
            self._of_everyone.add(outlet)
            return
        for user in outlet.sees:
            self._of[user].add(outlet)

    def discard(self, outlet: Outlet) -> None:
        self._of_everyone.discard(outlet)
        if outlet.sees != "everyone":
            self._forget(outlet, outlet.sees)

    def look(self, outlet: Outlet, sees: Sight) -> None:
        """From now on `outlet` hears of these."""
        if sees != outlet.sees:
            self.discard(outlet)
            outlet.sees = sees
            self.add(outlet)

    def _forget(self, outlet: Outlet, users: Iterable[int]) -> None:
        for user in users:
            if user in self._of:
                self._of[user].discard(outlet)
                if not self._of[user]:
                    del self._of[user]
