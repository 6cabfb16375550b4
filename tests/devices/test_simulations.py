"""Who simulates whom: one person, one set of devices."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from devices.models import Simulation, User
from devices.simulations import (
    ALIVE_FOR,
    NOTICE,
    Claim,
    Claims,
    NotVirtualError,
    SimulationError,
    claims,
    command_began,
    command_ended,
    command_lives,
    simulation_plan,
    simulation_start,
    simulation_stop,
    simulations_alive,
    simulations_stop_lost,
)
from devices.simulator.plan import Wish, plan_of
from tests.made import NOON, make_user, make_wearer

pytestmark = pytest.mark.django_db
NOON_MS = round(NOON.timestamp() * 1000)
RACING = Wish(user_id="user_003", anomaly="tachycardia_at_rest")


def after(seconds: float) -> int:
    return NOON_MS + round(seconds * 1000)


def test_a_start_is_announced_so_that_all_others_know_in_time():
    simulation = simulation_start(wish=Wish(), by=None, at=NOON)
    assert simulation.starts_at == NOON + NOTICE
    assert (simulation.runner, simulation.state, simulation.wearers) == ("worker", "requested", 12)


def test_a_start_remembers_who_asked_and_when_it_begins():
    analyst = make_user("analyst")
    later = NOON + timedelta(hours=1)
    simulation = simulation_start(wish=RACING, by=analyst, at=NOON, starts_at=later, repeat_s=600)
    assert (simulation.requested_by, simulation.starts_at, simulation.duration_s) == (analyst, later, 90)


@pytest.mark.parametrize(
    ("wish", "repeat_s", "said"),
    [
        (Wish(hertz=0), None, "a rate must be"),
        (Wish(anomaly="boredom"), None, "no anomaly is called"),
        (Wish(wearers=0), None, "there must be a wearer"),
        (Wish(wearers=-1), None, "wearers, not -1"),
        (Wish(wearers=10**9), None, "up to 100,000 wearers"),
        (Wish(user_id="no spaces"), None, "is no user id"),
        (Wish(bad_data=1.5), None, "0 to 1"),
        (Wish(), 60, "must end before it begins again"),
        (RACING, 90, "must end before it begins again"),
    ],
)
def test_what_cannot_be_is_refused(wish: Wish, repeat_s: float | None, said: str):
    with pytest.raises(SimulationError, match=said):
        simulation_start(wish=wish, by=None, at=NOON, repeat_s=repeat_s)


@pytest.fixture
def player() -> User:
    return make_user("player", "run_simulator")


@pytest.mark.parametrize("wish", [Wish(user_id="ana"), Wish(wearers=5), Wish(user_id="ana", wearers=2)])
def test_somebody_real_is_simulated_by_nobody_but_who_may_send_for_others(wish: Wish, player: User):
    for name in ("ana", "user_004"):
        make_wearer(name, date_joined=NOON - timedelta(days=1))
    sender = make_user("sender", "run_simulator", "add_readings")
    for by in (None, sender):
        assert simulation_start(wish=wish, by=by, at=NOON)
    Simulation.objects.update(sent=90)
    with pytest.raises(NotVirtualError, match=r"of (ana|user_004) never came"):
        simulation_start(wish=wish, by=player, at=NOON)
    assert simulation_start(wish=Wish(wearers=3), by=player, at=NOON)


def test_a_name_that_a_run_sent_nothing_for_is_not_its_own(player: User):
    for spoilt in (0, 9):
        run = simulation_start(wish=Wish(user_id="ana", wearers=2), by=player, at=NOON)
        Simulation.objects.filter(pk=run.pk).update(sent=spoilt, spoilt=spoilt)
    make_wearer("ana")
    with pytest.raises(NotVirtualError, match="ana"):
        simulation_start(wish=Wish(user_id="ana"), by=player, at=NOON)


@pytest.mark.parametrize("way", ["page", "command"])
def test_whom_the_simulator_made_is_simulated_by_anybody_who_may_run_it(way: str, player: User):
    wish = Wish(user_id="ana", wearers=5)
    if way == "page":
        run = simulation_start(wish=wish, by=player, at=NOON)
        Simulation.objects.filter(pk=run.pk).update(sent=90, spoilt=3)
        simulation_stop(simulation=run, by=player, at=NOON)
    since = timezone.now() if way == "page" else NOON - timedelta(days=1)  # a command sends the past before it lives
    for name in ("ana", "user_005", "user_006"):
        make_wearer(name, date_joined=since)
    if way == "command":
        command_ended(simulation=command_began(wish=wish, at=NOON), sent=1, spoilt=0, at=NOON)
    for again in (Wish(user_id="ana"), Wish(user_id="user_005"), Wish(wearers=5)):
        assert simulation_start(wish=again, by=player, at=NOON)
    with pytest.raises(NotVirtualError, match="user_006"):
        simulation_start(wish=Wish(wearers=6), by=player, at=NOON)


def test_the_database_refuses_what_the_service_does():
    with pytest.raises(IntegrityError):
        Simulation.objects.create(runner="worker", starts_at=NOON, requested_at=NOON, bad_data=2)


def test_it_is_stopped_once_and_remembers_by_whom():
    analyst, stranger = make_user("analyst"), make_user("stranger")
    simulation = simulation_start(wish=Wish(), by=analyst, at=NOON)
    assert simulation_stop(simulation=simulation, by=analyst, at=NOON)
    assert not simulation_stop(simulation=simulation, by=stranger, at=NOON)
    simulation.refresh_from_db()
    assert (simulation.state, simulation.reason, simulation.stopped_by) == ("stopped", "asked", analyst)
    assert not simulations_alive(at=NOON + NOTICE).exists()


def test_a_command_lives_until_it_ends():
    command = command_began(wish=Wish(), at=NOON)
    assert list(simulations_alive(at=NOON)) == [command]
    assert command_lives(simulation=command, sent=12, spoilt=0, at=NOON + timedelta(seconds=1))
    command_ended(simulation=command, sent=24, spoilt=1, at=NOON + timedelta(seconds=2))
    command.refresh_from_db()
    assert (command.state, command.reason, command.sent, command.spoilt) == ("stopped", "done", 24, 1)


def test_a_command_is_told_to_stop():
    command = command_began(wish=Wish(), at=NOON)
    simulation_stop(simulation=command, by=None, at=NOON)
    assert not command_lives(simulation=command, sent=1, spoilt=0, at=NOON)


def test_a_command_that_is_gone_claims_nobody_and_is_back_when_it_was_only_silent():
    command = command_began(wish=Wish(), at=NOON)
    later = NOON + ALIVE_FOR + timedelta(seconds=1)
    assert not simulations_alive(at=later).exists()
    assert simulations_stop_lost(at=later) == 1
    command.refresh_from_db()
    assert (command.state, command.reason) == ("stopped", "lost")
    assert command_lives(simulation=command, sent=1, spoilt=0, at=later)
    assert list(simulations_alive(at=later)) == [command]


def test_an_anomaly_takes_its_person_from_a_live_run_for_as_long_as_it_lasts():
    crowd = command_began(wish=Wish(), at=NOON)
    racing = simulation_start(wish=RACING, by=None, at=NOON)
    of_crowd, of_racing = claims(simulation=crowd, at=NOON), claims(simulation=racing, at=NOON)
    assert not of_crowd.is_held("user_003", after(2.9))
    assert of_crowd.is_held("user_003", after(3))
    assert of_crowd.is_held("user_003", after(92.9))
    assert not of_crowd.is_held("user_003", after(93))
    assert not of_crowd.is_held("user_004", after(10))
    assert not of_racing.is_held("user_003", after(10))


def test_a_command_with_an_anomaly_waits_a_moment_where_others_send_the_person():
    assert command_began(wish=RACING, at=NOON).starts_at == NOON
    other = command_began(wish=RACING, at=NOON)
    assert other.starts_at == NOON + NOTICE
    other.refresh_from_db()
    assert other.starts_at == NOON + NOTICE
    assert simulation_plan(other).injections[0].start_ms == after(NOTICE.total_seconds())


def test_of_two_calm_runs_the_later_one_sends():
    first, second = command_began(wish=Wish(), at=NOON), command_began(wish=Wish(wearers=3), at=NOON)
    assert claims(simulation=first, at=NOON).is_held("user_001", after(1))
    assert not claims(simulation=first, at=NOON).is_held("user_004", after(1))
    assert not claims(simulation=second, at=NOON).is_held("user_001", after(1))


def claim(pk: int, wish: Wish, start_s: int) -> Claim:
    plan = plan_of(wish, start_ms=after(start_s))
    return Claim(pk, NOON + timedelta(seconds=start_s), plan, frozenset(plan.user_ids))


wishes = st.builds(
    Wish,
    wearers=st.integers(0, 3),
    user_id=st.sampled_from(["user_001", "user_002", "someone"]),
    anomaly=st.sampled_from(["", "hypoxia", "tachycardia_at_rest"]),
    duration_s=st.sampled_from([None, 20, 100]),
)


@given(
    runs=st.lists(st.tuples(wishes, st.integers(0, 60)), min_size=1, max_size=4),
    user_id=st.sampled_from(["user_001", "user_002", "user_003", "someone"]),
    at=st.integers(0, 200),
)
def test_exactly_one_of_those_that_simulate_a_person_sends(runs: list[tuple[Wish, int]], user_id: str, at: int):
    everyone = [claim(pk, wish, start) for pk, (wish, start) in enumerate(runs)]
    simulating = [each for each in everyone if each.rank(user_id, after(at)) is not None]
    sending = [each for each in simulating if not Claims(each, everyone).is_held(user_id, after(at))]
    assert len(sending) == min(1, len(simulating))
