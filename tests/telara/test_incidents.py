"""What happens to the demo's people."""

from datetime import timedelta

import pytest

from devices.models import Simulation
from devices.simulations import simulation_stop
from telara.incidents import INCIDENTS, incidents_schedule
from tests.made import NOON, make_user

pytestmark = pytest.mark.django_db


def test_it_schedules_each_incident_again_and_again() -> None:
    assert incidents_schedule(by=make_user("demo"), now=NOON) == len(INCIDENTS)
    hypoxia = Simulation.objects.get(anomaly="hypoxia")
    assert hypoxia.starts_at == NOON + timedelta(seconds=60)
    assert hypoxia.repeat_s == 420


def test_it_does_not_schedule_them_twice_but_anew_once_stopped() -> None:
    demo = make_user("demo")
    incidents_schedule(by=demo, now=NOON)
    assert incidents_schedule(by=demo, now=NOON) == 0
    for simulation in Simulation.objects.all():
        simulation_stop(simulation=simulation, by=demo, at=NOON)
    assert incidents_schedule(by=demo, now=NOON) == len(INCIDENTS)
