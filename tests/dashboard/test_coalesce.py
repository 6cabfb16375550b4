"""Four events a second a person."""

import json
from typing import Any

from dashboard.live.coalesce import Coalescer, merged


def event(at: str, **vitals: float) -> dict[str, Any]:
    return {"timestamp": at, "user_id": "u", "vitals": vitals}


def vital(user: int, at: str, **vitals: float) -> tuple[int, str, str]:
    return user, at, json.dumps(event(at, **vitals))


def test_the_first_goes_at_once_and_the_next_waits_a_quarter_of_a_second() -> None:
    held = Coalescer()
    held.add([vital(1, "1", heart_rate=60)])
    assert [user for user, _ in held.take(now=100.0)] == [1]
    held.add([vital(1, "2", heart_rate=61)])
    assert held.take(now=100.2) == []
    held.add([vital(1, "3", heart_rate=62)])
    assert [json.loads(text)["timestamp"] for _, text in held.take(now=100.25)] == ["3"]
    assert held.take(now=101.0) == []


def test_people_do_not_wait_for_each_other() -> None:
    held = Coalescer()
    held.add([vital(1, "1")])
    held.take(now=100.0)
    held.add([vital(1, "2"), vital(2, "2")])
    assert [user for user, _ in held.take(now=100.1)] == [2]


def test_what_comes_in_the_wrong_order_is_still_the_newest() -> None:
    held = Coalescer()
    held.add([vital(1, "2", heart_rate=62), vital(1, "1", heart_rate=61)])
    assert json.loads(held.take(now=1.0)[0][1]) == event("2", heart_rate=62)


def test_a_value_that_only_the_older_has_is_kept() -> None:
    cuff = event("1", blood_pressure_systolic=120, heart_rate=60) | {"activity": {"posture": "seated"}}
    now = merged(cuff, event("2", heart_rate=62))
    assert now["vitals"] == {"blood_pressure_systolic": 120, "heart_rate": 62}
    assert now["activity"] == {"posture": "seated"}
    assert now["timestamp"] == "2"
