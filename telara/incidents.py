"""What happens to the demo's people again and again, so that an analyst has something to watch."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from devices.models import Simulation, User
from devices.simulations import simulation_start
from devices.simulator.plan import Wish


@dataclass(frozen=True, slots=True)
class Incident:
    """An anomaly of one person: `first_s` seconds after the start, then every `repeat_s`."""

    user_id: str
    anomaly: str
    first_s: int
    repeat_s: int


INCIDENTS: Final = (
    Incident("user_007", "hypoxia", 60, 420),
    Incident("user_003", "tachycardia_at_rest", 150, 300),
    Incident("user_010", "hypertensive_crisis", 240, 1_500),
    Incident("user_005", "hypoglycemia", 330, 1_200),
)


def incidents_schedule(*, by: User, now: datetime) -> int:
    """Schedule them in the database, as the simulator's page would, unless they are; how many were."""
    waiting = Simulation.objects.filter(requested_by=by, repeat_s__isnull=False)
    if waiting.exclude(state=Simulation.State.STOPPED).exists():
        return 0
    for incident in INCIDENTS:
        simulation_start(
            wish=Wish(user_id=incident.user_id, anomaly=incident.anomaly, hertz=2.0),
            by=by,
            at=now,
            starts_at=now + timedelta(seconds=incident.first_s),
            repeat_s=incident.repeat_s,
        )
    return len(INCIDENTS)
