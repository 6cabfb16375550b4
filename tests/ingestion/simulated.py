"""What a run of the simulator sends: the radio loses some of it, at times that hang on the clock."""

from devices.simulator.people import people
from devices.simulator.plan import Plan
from devices.simulator.stream import Stretch, readings


def ids_of(plan: Plan) -> dict[str, tuple[str, int]]:
    """Of the readings of a plan that ends: whose each is and its time (ms), by the id of its event."""
    assert plan.end_ms is not None
    stretch = Stretch(people(plan.seed, plan.user_ids), plan.rate, plan.start_ms, plan.end_ms)
    rows = readings(stretch, plan.injections).select("event_id", "user_id", "at_ms")
    return {event_id: (user_id, at_ms) for event_id, user_id, at_ms in rows.iter_rows()}
