"""The page of one alert: why it fired, what was decided, and who may decide."""

import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.explain import rule_of
from alerts.models import Alert, AlertChange, Channel, Delivery, Incident, Notice, Route
from alerts.notify.incidents import incidents_update
from alerts.services.triage import alert_acknowledge, alert_comment, alert_snooze
from dashboard.alert.evidence import evidence_of
from devices.metrics import Flag
from devices.models import Baseline, Reading, User
from devices.times import rfc3339
from tests.dashboard.pages import Visit, read
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db
SOURCE = Path("alerts/rules/tachycardia-at-rest.yaml").read_text()


def kept(*numbers: int) -> list[dict[str, Any]]:
    """Evidence rows; each number is both the second after the first reading and its heart rate above 100."""
    return [
        {
            "recorded_at": rfc3339(NOON + timedelta(seconds=n - 5)),
            "event_id": str(n),
            "values": {"heart_rate": 100.0 + n, "activity_level": 3.0, "steps_per_minute": None},
        }
        for n in numbers
    ]


def fired(user: User, count: int = 7, **fields: Any) -> Alert:
    """An alert of `count` readings, one a second, opened by the fifth at noon."""
    evidence = {
        "columns": ["heart_rate", "activity_level", "steps_per_minute"],
        "suspect": 0,
        "first": kept(*range(1, min(count, 20) + 1)),
        "last": kept(*range(max(1, count - 19), count + 1)),
    }
    values = {
        "rule": make_rule(source=SOURCE),
        "started_at": NOON - timedelta(seconds=4),
        "ended_at": NOON + timedelta(seconds=count - 5),
        "event_count": count,
        "evidence": evidence,
    }
    return make_alert(user, **(values | fields))


def page(client: Any, alert: Alert, query: str = "") -> Any:
    return client.get(f"/alerts/{alert.pk}/{query}")


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 200), ("analyst", 200), ("lead", 200), ("stranger", 404), ("staff", 404)]
)
def test_it_is_there_for_those_who_may_see_the_person(
    visit: Visit, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    assert page(visit(request.getfixturevalue(who)), fired(wearer)).status_code == status


def test_nobody_sees_it_without_signing_in(visit: Visit, wearer: User) -> None:
    assert page(visit(None), fired(wearer)).status_code == 302


def test_one_that_does_not_exist_is_said_not_to_be_there(visit: Visit, analyst: User) -> None:
    response = visit(analyst).get(f"/alerts/{uuid4()}/")
    assert response.status_code == 404
    assert "There is no such alert" in response.text


def test_a_wearer_reads_and_does_not_decide(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    assert "/triage/" not in page(visit(wearer), alert).text
    assert "Nobody decides about their own alerts" in page(visit(wearer), alert).text
    for action in ("acknowledge", "snooze", "close", "comment"):
        assert f"/triage/{alert.pk}/{action}/" in page(visit(analyst), alert).text
        assert visit(wearer).post(f"/triage/{alert.pk}/{action}/", {"note": "x"}).status_code == 403


def test_it_shows_the_condition_and_each_reading_with_its_place_in_the_run(
    visit: Visit, wearer: User, analyst: User
) -> None:
    text = page(visit(analyst), fired(wearer)).text
    assert "heart_rate &gt; 100 AND activity_level &lt; 10 AND steps_per_minute &lt; 5" in text
    assert "5 of 5, opened" in text
    assert "11:59:56.000" in text
    assert "sustained: 5 readings within 60 s" in text


def test_each_part_of_the_condition_stands_beside_the_value_it_is_of(visit: Visit, wearer: User) -> None:
    alert = fired(wearer)
    read(wearer, times=1, until=NOON - timedelta(seconds=9), heart_rate=99, activity_level=4, steps_per_minute=0)
    evidence = evidence_of(alert, rule_of(alert))
    assert [(column.label, column.is_part) for column in evidence.columns] == [
        ("Heart rate", False), ("> 100", True), ("Activity", False), ("< 10", True), ("Steps", False), ("< 5", True)
    ]  # fmt: skip
    before, first, *_ = evidence.first
    assert [cell.text for cell in before.cells] == ["99", "false", "4", "true", "0", "true"]
    assert (before.run, first.run) == ("no run", "1 of 5")
    assert [cell.text for cell in first.cells] == ["101", "true", "3", "true", "none", "no value"]


def test_it_says_how_the_person_was_when_it_opened(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    assert "Still for" not in page(visit(analyst), alert).text
    noted = {
        "still_since": "2026-03-01T11:51:00.000Z",
        "still_at_least": True,
        "posture": "seated",
        "sleep_stage": None,
    }
    alert.evidence["circumstances"] = noted
    alert.save()
    text = " ".join(page(visit(analyst), alert).text.split())
    assert "at least 9 m, when it opened" in text
    assert "seated, sleep unknown" in text


def test_long_evidence_is_folded_in_the_middle_and_says_what_is_elsewhere(wearer: User) -> None:
    evidence = evidence_of(fired(wearer, 60), None)
    assert [len(part) for part in (evidence.first, evidence.folded, evidence.last)] == [5, 30, 5]
    assert evidence.elsewhere == 20
    assert evidence.last[-1].run == "60"


def test_first_and_last_readings_that_overlap_are_shown_once(wearer: User) -> None:
    evidence = evidence_of(fired(wearer, 25), None)
    rows = evidence.first + evidence.folded + evidence.last
    assert [row.recorded_at for row in rows] == [NOON + timedelta(seconds=n - 5) for n in range(1, 26)]
    assert evidence.elsewhere == 0


def test_the_chart_marks_the_readings_that_fired_and_where_it_fires_and_clears(
    visit: Visit, wearer: User, analyst: User
) -> None:
    read(wearer, times=20, until=NOON - timedelta(seconds=5), heart_rate=70, activity_level=3, steps_per_minute=0)
    read(
        wearer, times=7, until=NOON + timedelta(seconds=2), every=timedelta(seconds=1),
        heart_rate=120, activity_level=3, steps_per_minute=0,
    )  # fmt: skip
    chart = page(visit(analyst), fired(wearer)).context["chart"]
    line = chart.data["lines"][0]
    assert sum(line["hits"]) == 7
    assert [value for value, hit in zip(line["avg"], line["hits"], strict=True) if hit] == [120] * 7
    assert [(limit["label"], limit.get("clears", False)) for limit in chart.data["limits"]] == [
        ("fires > 100", False), ("clears < 95, 3 in a row", True)
    ]  # fmt: skip
    assert chart.data["marks"][0]["at"] == NOON.timestamp()
    assert (chart.lowest, chart.highest) == ("70", "120")


def test_the_line_stops_where_nothing_was_measured_though_the_episode_goes_on(
    visit: Visit, wearer: User, analyst: User
) -> None:
    """The rule lets 60 s pass; a line over half a minute without a reading would show what nobody measured."""
    for until in (NOON - timedelta(seconds=30), NOON + timedelta(seconds=2)):
        read(wearer, times=10, until=until, every=timedelta(seconds=1), heart_rate=120, activity_level=3)
    data = page(visit(analyst), fired(wearer)).context["chart"].data
    times = data["lines"][0]["at"]
    assert [later - at > data["gapAfter"] for at, later in pairwise(times)].count(True) == 1


def test_where_the_readings_are_gone_the_sentence_and_the_table_stay(visit: Visit, wearer: User, analyst: User) -> None:
    text = page(visit(analyst), fired(wearer)).text
    assert "No readings of this time are stored any more" in text
    assert "5 of 5, opened" in text


@pytest.mark.parametrize("choice", ["episode", "1h", "24h"])
def test_the_chart_never_holds_more_than_600_points(visit: Visit, wearer: User, analyst: User, choice: str) -> None:
    read(wearer, times=3000, until=NOON + timedelta(minutes=10), every=timedelta(seconds=1), heart_rate=120)
    alert = fired(wearer, ended_at=NOON + timedelta(minutes=10))
    assert 0 < page(visit(analyst), alert, f"?range={choice}").context["chart"].points <= 601


def test_a_reading_in_doubt_is_marked_in_the_chart_and_named_in_the_table(
    visit: Visit, wearer: User, analyst: User
) -> None:
    jump = Flag.HEART_RATE_JUMP | Flag.SUSPECT_HEART_RATE | Flag.SUSPECT_SPO2
    read(wearer, times=1, until=NOON - timedelta(seconds=4), heart_rate=120, spo2_percent=60, flags=jump)
    read(wearer, times=1, until=NOON - timedelta(seconds=3), heart_rate=121)
    alert = fired(wearer)
    stored = Reading.objects.get(flags=jump)
    for row in alert.evidence["first"][:1] + alert.evidence["last"][:1]:
        row["event_id"] = str(stored.event_id)
    Alert.objects.filter(pk=alert.pk).update(evidence=alert.evidence | {"suspect": 1})
    response = page(visit(analyst), alert)
    assert response.context["chart"].data["lines"][0]["doubts"] == ["jump", ""]
    assert '<span class="caption doubt">jump</span> <span class="suspect">101</span>' in response.text
    assert "1 suspect reading: jump 1" in response.text


def test_a_range_that_does_not_exist_is_refused(visit: Visit, wearer: User, analyst: User) -> None:
    assert page(visit(analyst), fired(wearer), "?range=2y").status_code == 400


def test_the_timeline_says_who_did_what(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    AlertChange.objects.create(alert=alert, revision=1, at=NOON, action="opened", became="firing")
    AlertChange.objects.create(alert=alert, revision=2, at=NOON, action="updated")
    Alert.objects.filter(pk=alert.pk).update(revision=2)
    alert_acknowledge(alert=alert, by=analyst, at=NOON + timedelta(hours=12))
    alert_comment(alert=alert, by=analyst, at=NOON + timedelta(hours=13), note="called <her>")
    response = page(visit(analyst), alert)
    assert [moment.text for moment in response.context["timeline"]] == [
        "7 readings so far, heart rate 118 bpm on average",
        "Note by analyst",
        "Acknowledged by analyst, 2 Mar 2026",
        "Opened, 0.0 s after the reading that opened it",
        "First matching reading, 1 Mar 2026",
    ]
    assert "Acknowledged by analyst" in response.text
    assert "called &lt;her&gt;" in response.text
    analyst.time_zone = "America/New_York"
    analyst.save()
    texts = [moment.text for moment in page(visit(analyst), alert).context["timeline"]]
    assert texts[1:3] == ["Note by analyst", "Acknowledged by analyst"]


def test_the_timeline_says_until_when_it_was_snoozed_also_afterwards(visit: Visit, wearer: User, analyst: User) -> None:
    alert, now = fired(wearer), timezone.now()
    until = now + timedelta(minutes=15)
    alert_snooze(alert=alert, by=analyst, at=now, until=until)
    alert_acknowledge(alert=alert, by=analyst, at=now + timedelta(seconds=1))
    assert f"Snoozed until {until:%H:%M} by analyst" in page(visit(analyst), alert).text


def test_it_stands_beside_what_was_usual_when_it_opened(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    assert "Beside what is usual" not in page(visit(analyst), alert).text
    learned = {"user": wearer, "metric": "heart_rate", "zone": "UTC", "valid_from": NOON - timedelta(days=1)}
    Baseline.objects.bulk_create(
        Baseline(**learned, local_hour=hour, median=63, mad=3, values=900, days=9) for hour in range(24)
    )
    read(wearer, times=5, until=NOON, heart_rate=70)
    shown = page(visit(analyst), alert)
    assert "47 bpm above, usual 54 to 72" in shown.text
    assert set(shown.context["chart"].data["band"]["low"]) == {54.1}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"quiet": True, "quiet_reason": "late"}, "Retrospective: its readings came too late"),
        ({"quiet": True, "quiet_reason": "cooldown"}, "within the cooldown"),
        ({"episode": "withdrawn", "withdrawn_because": "evidence_gone"}, "Withdrawn: readings that came later"),
        ({"episode": "withdrawn", "withdrawn_because": "merged"}, "Withdrawn: another alert covers"),
        ({"episode": "ended", "end": "rule_changed"}, "its rule was changed"),
        ({"triage": "closed", "close_reason": "benign"}, "Closed while firing"),
    ],
)
def test_it_says_plainly_what_kind_of_alert_it_is(
    visit: Visit, wearer: User, analyst: User, fields: dict[str, Any], said: str
) -> None:
    assert said in page(visit(analyst), fired(wearer, **fields)).text


def test_related_are_this_persons_alerts_within_a_day(visit: Visit, wearer: User, other: User, lead: User) -> None:
    alert = fired(wearer)
    near = make_alert(wearer, rule=make_rule("b"), opened_at=NOON - timedelta(hours=23))
    make_alert(wearer, rule=make_rule("c"), opened_at=NOON - timedelta(hours=25))
    make_alert(wearer, rule=make_rule("d"), episode="withdrawn")
    make_alert(other)
    assert [a.pk for a in page(visit(lead), alert).context["related"]] == [near.pk]


def test_acknowledging_without_scripts_leads_back_to_the_page(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    address = f"/alerts/{alert.pk}/"
    response = visit(analyst).post(f"/triage/{alert.pk}/acknowledge/", {"next": address})
    assert response.url == address
    assert "Acknowledged by analyst" in page(visit(analyst), alert).text


def test_those_of_one_incident_are_named_first_however_old(visit: Visit, wearer: User, lead: User) -> None:
    old = make_alert(wearer, opened_at=NOON - timedelta(days=3), rule=make_rule("old"))
    alert = make_alert(wearer, rule=make_rule("new"))
    make_alert(wearer, alert_class="technical", rule=make_rule("other"))
    incidents_update(at=NOON - timedelta(days=3))
    Delivery.objects.create(
        channel=Channel.objects.create(owner=lead, name="phone", kind="webhook", shown="x", sealed_address="x"),
        notice=Notice.objects.create(
            route=Route.objects.create(owner=lead, channel=Channel.objects.get()),
            incident=Incident.objects.get(members__alert=alert),
            since=NOON,
        ),
        kind="start",
        severity="HIGH",
        state="sent",
        made_at=NOON,
        done_at=NOON,
    )
    shown = page(visit(lead), alert)
    assert [a.rule.rule_id for a in shown.context["related"]] == ["old", "other"]
    assert shown.text.count("same incident") == 1
    assert "lead was told by webhook: Start, HIGH" in shown.text
    assert old.pk in shown.context["mates"]


def test_what_was_told_with_others_was_told_once_that_message_arrived(visit: Visit, wearer: User, lead: User) -> None:
    alert = make_alert(wearer)
    incidents_update(at=NOON)
    channel = Channel.objects.create(owner=lead, name="phone", kind="webhook", shown="x", sealed_address="x")
    incident, route = Incident.objects.get(), Route.objects.create(owner=lead, channel=channel)
    more = Delivery.objects.create(channel=channel, kind="more", made_at=NOON, next_at=NOON)
    notice = Notice.objects.create(route=route, incident=incident, since=NOON)
    of_it = {"channel": channel, "notice": notice, "bundle": more, "severity": "HIGH", "made_at": NOON, "done_at": NOON}
    Delivery.objects.create(**of_it, kind="start", state="bundled")
    Delivery.objects.create(**of_it, kind="higher", state="dropped")
    shown = page(visit(lead), alert)
    assert "was told" not in shown.text
    assert "Nobody was sent a message about it" in shown.text
    arrived_at = NOON + timedelta(minutes=1)
    Delivery.objects.filter(pk=more.pk).update(state="sent", next_at=None, done_at=arrived_at)
    shown = page(visit(lead), alert)
    assert "Nobody was sent a message about it" not in shown.text
    (told,) = (moment for moment in shown.context["timeline"] if moment.kind == "message")
    assert (told.at, told.text) == (arrived_at, "lead was told by webhook: Start, HIGH, with others")


def test_it_asks_the_same_number_of_queries_for_few_and_many_related(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(visit(analyst), alert)
        return len(captured)

    page(visit(analyst), alert)
    before = queries()
    for n in range(8):
        make_alert(wearer, rule=make_rule(f"r{n}"), triaged_by=analyst)
        AlertChange.objects.create(alert=alert, revision=n + 2, at=NOON, action="comment", by=analyst, note="x")
    assert queries() == before


def test_a_version_that_is_gone_does_not_take_the_page_with_it(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer, rule_version=9)
    assert "can no longer be read" in page(visit(analyst), alert).text
    assert datetime.fromisoformat(rfc3339(NOON)) == NOON


def words_of(response: Any) -> str:
    """What the page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", response.text).split())


def of_the_pipeline(**fields: Any) -> Alert:
    said = [{"at": rfc3339(NOON + timedelta(minutes=n)), "text": f"{n} messages were gone."} for n in range(30)]
    kept = {"event": "offset_gap", "times": 50, "first": said[:20], "last": said[10:]}
    evidence = {"columns": [], "suspect": 0, "first": [], "last": [], "mishaps": kept}
    source = Path("alerts/rules/offset-gap.yaml").read_text()
    values = {
        "rule": make_rule("offset-gap", source=source), "alert_type": "OFFSET_GAP", "title": "Readings lost unread",
        "alert_class": "technical", "event_count": 50, "measures": {}, "evidence": evidence,
    }  # fmt: skip
    return make_alert(None, **(values | fields))


def test_an_alert_of_the_pipeline_says_what_happened_and_whose_it_is(visit: Visit, lead: User) -> None:
    alert = of_the_pipeline()
    shown = page(visit(lead), alert)
    text = words_of(shown)
    assert "Readings lost unread Pipeline" in text
    assert "offset_gap, until none came for 10m" in text
    assert "The broker no longer holds messages that were never read" in text
    assert "50 times so far" in text
    assert text.count("messages were gone.") == 40
    assert "10 more: an alert keeps the first and the last 20." in text
    assert "No other alert of the pipeline within a day." in text
    assert b"evidence-chart" not in shown.content
    earlier = of_the_pipeline(opened_at=NOON - timedelta(hours=1), episode="ended", end="gap", ended_at=NOON)
    assert f"/alerts/{earlier.pk}/" in page(visit(lead), alert).text


def test_an_alert_of_the_pipeline_is_for_who_may_see_everyone(visit: Visit, analyst: User, wearer: User) -> None:
    alert = of_the_pipeline()
    assert [page(visit(user), alert).status_code for user in (analyst, wearer)] == [404, 404]


def test_an_alert_of_the_pipeline_stands_on_desk_and_overview(visit: Visit, lead: User, wearer: User) -> None:
    of_the_pipeline()
    for address in ("/alerts/", "/"):
        text = words_of(visit(lead).get(address))
        assert "Readings lost unread" in text
        assert "Pipeline" in text


def test_whoever_may_open_rules_is_led_to_the_version_that_fired(visit: Visit, wearer: User, analyst: User) -> None:
    alert = fired(wearer)
    address = "/rules/tachycardia-at-rest/?from=1"
    assert f'href="{address}"' in page(visit(analyst), alert).text
    assert visit(analyst).get(address).status_code == 200
    assert "/rules/" not in page(visit(wearer), alert).text
