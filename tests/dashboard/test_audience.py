"""Which sockets hear of whom, and what each has yet to send."""

import json
from typing import Any

import pytest

from dashboard.live import outlet
from dashboard.live.audience import Audience
from dashboard.live.outlet import Outlet
from dashboard.live.visitor import Asked, Sight
from devices.account.credentials import Credentials


class Wire:
    """What a server has been given to send."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def send(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [json.loads(message["text"]) for message in self.messages]


def socket_of(sees: Sight, wire: Wire | None = None, *, told_of: Sight | None = None) -> Outlet:
    told_of = sees if told_of is None else told_of
    return Outlet(
        credentials=Credentials("", ""), asked=Asked(), sees=sees, told_of=told_of, send=(wire or Wire()).send
    )


def look(audience: Audience, seeing: Outlet, sees: Sight) -> None:
    audience.look(seeing, sees=sees, told_of=sees)


async def test_a_person_is_heard_by_those_who_see_them_and_by_those_who_see_all() -> None:
    audience = Audience()
    one, both, everyone = socket_of(frozenset({1})), socket_of(frozenset({1, 2})), socket_of("everyone")
    for each in (one, both, everyone):
        audience.add(each)
    assert set(audience.hearing(1)) == {one, both, everyone}
    assert set(audience.hearing(2)) == {both, everyone}
    assert set(audience.hearing(3)) == {everyone}
    assert set(audience.hearing(None)) == {everyone}


async def test_a_right_taken_away_is_heard_no_more_and_one_given_is() -> None:
    audience = Audience()
    seeing = socket_of(frozenset({1, 2}))
    audience.add(seeing)
    look(audience, seeing, frozenset({2, 3}))
    assert [list(audience.hearing(user)) for user in (1, 2, 3)] == [[], [seeing], [seeing]]
    look(audience, seeing, "everyone")
    assert [list(audience.hearing(user)) for user in (1, 2, 3)] == [[seeing]] * 3
    look(audience, seeing, frozenset({1}))
    assert [list(audience.hearing(user)) for user in (1, 2, 3)] == [[seeing], [], []]


async def test_of_alerts_hear_those_who_see_the_person_and_those_who_are_told_of_more_each_once() -> None:
    audience = Audience()
    plain, theirs, all_of_them = (
        socket_of(frozenset({1})),
        socket_of(frozenset({1}), told_of=frozenset({1, 2})),
        socket_of(frozenset({1}), told_of="everyone"),
    )
    for each in (plain, theirs, all_of_them):
        audience.add(each)
    told = [list(audience.told(user)) for user in (1, 2, 3, None)]
    assert sorted(told[0], key=id) == sorted([plain, theirs, all_of_them], key=id)
    assert sorted(told[1], key=id) == sorted([theirs, all_of_them], key=id)
    assert told[2:] == [[all_of_them], [all_of_them]]
    assert list(audience.hearing(2)) == []
    audience.look(theirs, sees=frozenset({1}), told_of=frozenset({1, 3}))
    assert list(audience.told(2)) == [all_of_them]
    assert set(audience.told(3)) == {theirs, all_of_them}


async def test_nothing_is_kept_of_who_left() -> None:
    audience = Audience()
    for sees in (frozenset({1, 2}), "everyone"):
        for told_of in (sees, frozenset({1, 2, 3}), "everyone"):
            leaving = socket_of(sees, told_of=told_of)  # type: ignore[arg-type]
            audience.add(leaving)
            audience.discard(leaving)
    assert list(audience.told(1)) == []
    assert [vars(ears)["_of"] for ears in vars(audience).values()] == [{}, {}]


async def test_frames_leave_in_order_and_numbered() -> None:
    wire = Wire()
    seeing = socket_of("everyone", wire)
    for number in range(100):
        seeing.put("vital", str(number))
    await settled(seeing)
    seeing.put("status", "{}")
    await settled(seeing)
    assert [frame["seq"] for frame in wire.frames] == list(range(1, 102))
    assert [frame["data"] for frame in wire.frames[:100]] == list(range(100))


async def test_what_waits_is_bounded_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MOST_WAITING", 1000)
    seeing = socket_of("everyone")
    for _ in range(10):
        seeing.put("vital", "x" * 100)
    assert not seeing.is_closed
    seeing.put("vital", "x")
    assert seeing.is_closed


async def test_what_was_sent_no_longer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MOST_WAITING", 1000)
    seeing = socket_of("everyone")
    for _ in range(50):
        seeing.put("vital", "x" * 900)
        await settled(seeing)
    assert not seeing.is_closed


async def settled(seeing: Outlet) -> None:
    writing = seeing._writing
    assert writing is not None
    await writing
