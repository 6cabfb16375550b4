"""Trying a text on what is stored: on whom, what is said of what was found, and when it is refused or ended."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts import stored_history
from alerts.models import Summary
from dashboard.rules import backtest, tried
from dashboard.rules.run import NotWantedError, Run, run_progress, run_stop
from devices.models import Look, User
from tests.alerts.test_rules_service import yaml
from tests.dashboard.pages import Visit, read
from tests.dashboard.test_rules import write
from tests.made import make_alert, make_user, make_wearer, readings_locked

pytestmark = pytest.mark.django_db
SLOW = yaml() + "measures: [heart_rate]\n"


def run(client: Client, source: str = SLOW, **asked: str) -> Any:
    response = client.post("/rules-backtest/", {"source": source, "days": "7", "wearer": ""} | asked)
    assert response.status_code == 200
    return response


def said(response: HttpResponse) -> str:
    return " ".join(response.text.split())


def ago(hours: float) -> datetime:
    return timezone.now() - timedelta(hours=hours)


def slow(person: User, *hours: float, rate: float = 35) -> None:
    """An episode of 20 s, that many hours ago, and what ends it."""
    for each in hours:
        read(person, times=5, until=ago(each), heart_rate=rate)
        read(person, times=1, until=ago(each) + timedelta(seconds=5), heart_rate=60)


# On whom


def test_nobody_tries_anything_without_signing_in(visit: Visit) -> None:
    for path in ("/rules-backtest/", "/rules-backtest/stop/"):
        assert visit(None).post(path).url == f"/login/?next={path}"
    assert visit(None).get("/rules-backtest/progress/").url == "/login/?next=/rules-backtest/progress/"
    assert visit(make_user("anyone")).get("/rules-backtest/").status_code == 405


def test_everyone_tries_on_those_whom_they_may_see(
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User
) -> None:
    analyst, lead, stranger = map(request.getfixturevalue, ("analyst", "lead", "stranger"))
    slow(wearer, 1)
    slow(other, 1, 2)
    assert [line.person for line in run(visit(analyst)).context["tried"].lines] == ["user_001"]
    assert [line.person for line in run(visit(other)).context["tried"].lines] == ["user_002"] * 2
    assert run(visit(lead)).context["tried"].summary.episodes == 3
    assert "There is no wearer whom you may see" in run(visit(stranger)).text


def test_trying_it_on_one_wearer_is_a_look_at_them(visit: Visit, analyst: User, wearer: User, other: User) -> None:
    slow(wearer, 1)
    run(visit(analyst))
    run(visit(wearer), wearer="user_001")
    assert not Look.objects.exists()
    for name in ("user_001", "user_001", "user_002"):
        run(visit(analyst), wearer=name)
    assert list(Look.objects.values_list("viewer__username", "person__username", "way")) == [
        ("analyst", "user_001", "page")
    ]


def test_whom_one_may_not_see_is_like_nobody(visit: Visit, analyst: User, other: User) -> None:
    slow(other, 1)
    for name in ("user_002", "nobody", "nul\0l"):
        response = run(visit(analyst), wearer=name)
        assert "There is no wearer" in response.text
        assert "tried" not in response.context


def test_one_wearer_is_chosen_by_name_among_those_offered(visit: Visit, lead: User, wearer: User, other: User) -> None:
    write(yaml())
    page = visit(lead).get("/rules/bradycardia/")
    assert [person.username for person in page.context["offered"]] == ["user_001", "user_002"]
    assert "All 2 wearers" in page.text
    slow(wearer, 1)
    slow(other, 1)
    assert [line.person for line in run(visit(lead), wearer=" user_002 ").context["tried"].lines] == ["user_002"]


def test_a_page_that_offers_many_wearers_takes_no_query_for_each(visit: Visit, lead: User, wearer: User) -> None:
    write(yaml())
    client = visit(lead)
    client.get("/rules/bradycardia/")
    with CaptureQueriesContext(connection) as few:
        client.get("/rules/bradycardia/")
    User.objects.bulk_create(User(username=f"w{number:04}", is_wearer=True) for number in range(1_200))
    with CaptureQueriesContext(connection) as many:
        page = client.get("/rules/bradycardia/")
    assert len(many) <= len(few) + 1  # how many there are
    assert (len(page.context["offered"]), page.context["people"]) == (1_000, 1_201)


# What is said


def test_it_says_how_many_how_often_and_how_many_have_an_alert(visit: Visit, analyst: User, wearer: User) -> None:
    rule = write(SLOW)
    slow(wearer, 3, 2, 1)
    make_alert(wearer, rule=rule, opened_at=ago(2) - timedelta(seconds=10), episode="ended", end="cleared")
    make_alert(wearer, rule=rule, opened_at=ago(30), episode="ended", end="cleared")
    response = run(visit(analyst))
    text = said(response)
    assert "<b>Last 7 days: 3 episodes,</b>" in text
    assert "<b>1 overlaps with existing alerts.</b>" in text
    assert "It says what version 1 says." in text
    assert "existing alerts that this text would lose, 1 of 2" in text
    found = response.context["tried"]
    assert found.summary.per_person_day == pytest.approx(3 * 24 / found.outcome.seen.person_hours)
    assert "Heart rate</span> 35 bpm" in text
    assert [line.kind for line in found.lines] == ["new", "known", "new"]


def test_it_holds_a_draft_against_the_present_version(visit: Visit, analyst: User, wearer: User) -> None:
    write(SLOW)
    slow(wearer, 1, rate=35)
    slow(wearer, 2, rate=38)
    slow(wearer, 3, rate=45)
    response = run(visit(analyst), SLOW.replace("< 40", "< 50 AND heart_rate <> 38"))
    assert "Beside version 1: 1 in both, 1 only with this text, 1 only with version 1." in said(response)
    lines = response.context["tried"].lines
    assert [(line.kind, line.beside) for line in lines] == [
        ("new", "both"), ("lost", "only version 1"), ("new", "only this text"),
    ]  # fmt: skip


def test_a_rule_that_nobody_saved_yet_is_tried_too(visit: Visit, analyst: User, wearer: User) -> None:
    slow(wearer, 1)
    assert "A new rule: there is no version to compare it with." in run(visit(analyst)).text


def test_only_the_days_that_were_asked_for_count(visit: Visit, analyst: User, wearer: User) -> None:
    slow(wearer, 1, 30, 10 * 24, 20 * 24, 40 * 24)
    found = {days: run(visit(analyst), days=days).context["tried"].summary.episodes for days in backtest.SPANS}
    assert found == {"1": 1, "7": 2, "14": 3, "30": 4, "all": 5}
    everything = run(visit(analyst), days="all").context["tried"]
    assert timezone.now() - everything.since == pytest.approx(timedelta(days=40), abs=timedelta(minutes=1))


def test_each_episode_leads_to_the_wearer_at_that_time(visit: Visit, analyst: User, wearer: User) -> None:
    slow(wearer, 50)
    (line,) = run(visit(analyst)).context["tried"].lines
    page = visit(analyst).get(line.href)
    assert page.status_code == 200
    assert page.context["until"] - timedelta(minutes=30) == pytest.approx(ago(50), abs=timedelta(minutes=1))
    heart = page.context["data"]["strips"]["heart_rate"]["lines"][0]
    assert min(heart["min"]) == 35


def test_of_many_episodes_the_latest_are_listed_and_all_are_counted(
    visit: Visit, analyst: User, wearer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tried, "LISTED", 2)
    slow(wearer, 4, 3, 2, 1)
    response = run(visit(analyst))
    assert "The latest 2 of 4 episodes" in said(response)
    assert [
        round((timezone.now() - line.finding.episode.started_at).seconds / 3600)
        for line in response.context["tried"].lines
    ] == [1, 2]


def test_more_people_and_episodes_take_no_more_queries(visit: Visit, lead: User, wearer: User) -> None:
    client = visit(lead)
    slow(wearer, 1)
    run(client)
    with CaptureQueriesContext(connection) as few:
        run(client)
    for number in range(5):
        slow(make_wearer(f"more_{number}"), 1, 2, 3)
    with CaptureQueriesContext(connection) as many:
        run(client)
    assert len(many) == len(few)


def test_names_are_never_markup(visit: Visit, lead: User) -> None:
    slow(make_wearer("user_009", display_name="<i>Ann</i>"), 1)
    assert "<i>Ann" not in run(visit(lead)).text


# When there is nothing to show


def test_a_mistake_in_the_text_is_named_and_nothing_is_run(visit: Visit, analyst: User) -> None:
    response = run(visit(analyst), SLOW.replace("heart_rate <", "hart_rate <"))
    assert (
        "The text is no rule yet. Line 6, column 7: unknown column hart_rate; did you mean heart_rate?" in response.text
    )
    assert "Line 1, column 1: the file is empty" in run(visit(analyst), "").text


def test_a_span_that_is_not_offered_is_refused(visit: Visit, analyst: User) -> None:
    assert "There is no such span; there are 24 h, 7 days" in run(visit(analyst), days="365").text


def test_no_readings_and_no_episodes_never_look_alike(visit: Visit, analyst: User, wearer: User) -> None:
    assert "<b>No readings in this time</b>" in run(visit(analyst)).text
    read(wearer, times=1, until=ago(1), heart_rate=60)
    text = said(run(visit(analyst)))
    assert "<b>Last 7 days: 0 episodes,</b> 0.00 per person-day" in text
    assert "No readings" not in text


def test_too_many_readings_are_refused_with_a_remedy(
    visit: Visit, analyst: User, wearer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(wearer, 1)
    monkeypatch.setattr(backtest, "MOST_READINGS", 5)
    assert "That is more than 5 readings. Choose fewer days, or one wearer." in run(visit(analyst)).text
    monkeypatch.setattr(backtest, "MOST_READINGS", 6)
    assert "1 episode" in run(visit(analyst)).text


def test_far_too_many_readings_are_refused_unread(visit: Visit, lead: User, wearer: User, other: User) -> None:
    slow(wearer, 1)
    for person, hours, readings in ((wearer, 24, 80_000), (other, 24 * 8, 20_000)):
        starts = [ago(number).replace(minute=0, second=0, microsecond=0) for number in range(1, hours)]
        Summary.objects.bulk_create(
            Summary(user=person, period="hour", start=start, readings=readings, metrics={}, alerts={}, made_at=start)
            for start in starts
        )
    text = run(visit(lead)).text
    assert "readings, and 2,000,000 are the most. Choose fewer days, or one wearer." in text
    assert "That is 5,180,000" in text
    assert run(visit(lead), days="1", wearer="user_001").context["tried"].summary.episodes == 1
    assert "are the most" in run(visit(lead), days="all", wearer="user_002").text


def test_a_version_that_this_release_cannot_read_is_named(visit: Visit, analyst: User, wearer: User) -> None:
    rule = write(SLOW)
    rule.versions.update(source="id: bradycardia")
    slow(wearer, 1)
    assert "The present version cannot be read by this release" in run(visit(analyst)).text


@pytest.mark.django_db(transaction=True)
def test_what_takes_too_long_is_ended_with_a_remedy(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtest, "LONGEST", timedelta(seconds=0.2))
    client = visit(make_wearer())
    with readings_locked():
        assert "and was ended. Choose fewer days, or one wearer." in run(client).text


# Watched and stopped


def test_how_far_it_is_can_be_asked_for_by_who_runs_it_alone(
    visit: Visit, analyst: User, wearer: User, lead: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(wearer, 1)
    name = str(uuid4())
    assert visit(analyst).get("/rules-backtest/progress/", {"run": name}).json() == {}
    run(visit(analyst), run=name)
    found = visit(analyst).get("/rules-backtest/progress/", {"run": name}).json()
    assert (found["person"], found["people"]) == (1, 1)
    assert found["share"] == pytest.approx(1 - 1 / (7 * 24), abs=0.01)
    assert visit(lead).get("/rules-backtest/progress/", {"run": name}).json() == {}
    assert visit(analyst).get("/rules-backtest/progress/", {"run": "another"}).json() == {}


def test_it_is_told_after_every_piece(wearer: User, lead: User, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_history, "PIECE", 1)
    told: list[int] = []
    monkeypatch.setattr(Run, "watch", lambda _, person, at: told.append(person))
    slow(wearer, 1)
    run(visit(lead))
    assert told == [wearer.pk] * 6


def test_a_run_that_is_not_wanted_any_more_says_so(
    visit: Visit, analyst: User, wearer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow(wearer, 1)
    begin = Run.begin

    def begun_and_stopped(self: Run) -> None:
        begin(self)
        assert visit(analyst).post("/rules-backtest/stop/").status_code == 204

    monkeypatch.setattr(Run, "begin", begun_and_stopped)
    assert "Stopped." in run(visit(analyst), run=str(uuid4())).text


def made_run(owner: int, name: str) -> Run:
    return Run(owner=owner, name=name, people=[7, 9, 5], since=ago(10), until=ago(0))


def test_a_new_run_ends_the_last_one_of_the_same_person_and_nobody_elses() -> None:
    first, others, second = made_run(1, "a"), made_run(2, "b"), made_run(1, "c")
    first.begin()
    others.begin()
    first.watch(5, ago(5))
    second.begin()
    with pytest.raises(NotWantedError):
        first.watch(5, ago(4))
    others.watch(7, ago(5))
    second.watch(9, ago(5))
    run_stop(owner=1)
    with pytest.raises(NotWantedError):
        second.watch(9, ago(4))
    others.watch(9, ago(4))


def test_progress_goes_by_people_and_within_one_by_time() -> None:
    made = made_run(1, "a")
    made.begin()
    shares = []
    for person, at in ((5, ago(5)), (5, ago(0)), (7, ago(10)), (9, ago(5)), (9, ago(0))):
        made.watch(person, at)
        found = run_progress(owner=1, name="a")
        assert found is not None
        shares.append(round(found.share, 3))
    assert shares == [0.167, 0.333, 0.333, 0.833, 1.0]


def test_a_rule_over_absence_is_refused_with_the_reason(visit: Visit, analyst: User) -> None:
    silent = "id: silent\nalert_type: SILENT\ntitle: Silent\nseverity: LOW\nover: absence\nfactor: 3\nat_least: 2m\n"
    assert "A rule over absence cannot be tried on the past" in run(visit(analyst), silent).text
