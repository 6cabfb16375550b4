"""The page of one wearer: who may open it, what it draws, and what it says where there is nothing."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.models import Alert, RuleVersion, Summary
from dashboard.wearer.days import days_of
from dashboard.wearer.views import alerts_of
from devices.metrics import Flag
from devices.models import Baseline, Device, User
from tests.dashboard.pages import Visit, just_now, read, read_out
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db


def strips(response: Any) -> dict[str, Any]:
    assert response.status_code == 200
    return {strip.name: strip for strip in response.context["strips"]}


@pytest.mark.parametrize(
    ("who", "status"), [("wearer", 200), ("analyst", 200), ("lead", 200), ("stranger", 403), ("staff", 403)]
)
def test_it_opens_for_those_who_may_see_the_person(
    visit: Visit, request: pytest.FixtureRequest, wearer: User, who: str, status: int
) -> None:
    assert visit(request.getfixturevalue(who)).get("/wearers/user_001/").status_code == status


def test_who_may_not_see_everyone_learns_nothing_about_who_exists(visit: Visit, other: User, analyst: User) -> None:
    client = visit(analyst)
    there, missing = client.get("/wearers/user_002/"), client.get("/wearers/nobody/")
    assert (there.status_code, missing.status_code) == (403, 403)
    assert "This wearer is not assigned to you" in there.text
    assert there.text == missing.text


def test_one_that_does_not_exist_is_not_there_for_who_sees_everyone(visit: Visit, lead: User) -> None:
    for user_id in ("nobody", "%00"):
        assert visit(lead).get(f"/wearers/{user_id}/").status_code == 404


def test_a_wearer_sees_themselves_and_decides_nothing(visit: Visit, wearer: User, analyst: User) -> None:
    alert = make_alert(wearer)
    assert "/triage/" not in visit(wearer).get("/wearers/user_001/").text
    assert f"/triage/{alert.pk}/acknowledge/" in visit(analyst).get("/wearers/user_001/").text


def test_without_readings_it_says_so_and_keeps_its_axes(visit: Visit, wearer: User, analyst: User) -> None:
    response = visit(analyst).get("/wearers/user_001/")
    assert "no readings yet" in response.text
    assert list(strips(response)) == ["heart_rate", "hrv", "spo2", "skin", "pressure", "steps", "sleep"]
    assert strips(response)["heart_rate"].words == "not measured in this time"


@pytest.mark.parametrize("name", ["5m", "15m", "1h", "6h", "24h", "7d", "30d"])
def test_every_range_is_at_most_600_points_and_loses_no_peak(
    visit: Visit, wearer: User, analyst: User, name: str
) -> None:
    now = just_now()
    read(wearer, times=700, until=now, every=timedelta(seconds=1), heart_rate=70)
    read(wearer, times=1, until=now - timedelta(seconds=2.5), heart_rate=171)
    line = strips(visit(analyst).get(f"/wearers/user_001/?range={name}"))["heart_rate"].lines[0]
    assert 0 < len(line.at) <= 601
    assert max(point[2] for point in line.points) == 171


def test_a_range_that_does_not_exist_is_refused(visit: Visit, wearer: User, analyst: User) -> None:
    response = visit(analyst).get("/wearers/user_001/?range=2y")
    assert response.status_code == 400
    assert "5m, 15m, 1h, 6h, 24h, 7d, 30d" in response.text


def test_a_stretch_without_readings_is_a_gap(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=60, until=now, heart_rate=70)
    read(wearer, times=60, until=now - timedelta(minutes=20), heart_rate=72)
    strip = strips(visit(analyst).get("/wearers/user_001/?range=1h"))["heart_rate"]
    assert strip.lines[0].gaps == 1
    assert "lowest 70, highest 72, 1 gap," in strip.words


def test_glucose_and_core_temperature_are_drawn_where_worn(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=2, until=just_now(), blood_glucose_mg_dl=100, body_temp_c=36.6)
    assert {"glucose", "core"} <= set(strips(visit(analyst).get("/wearers/user_001/?range=1h")))


def test_a_pressure_is_a_pair(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=1, until=now, blood_pressure_systolic=121, blood_pressure_diastolic=82)
    read(wearer, times=1, until=now - timedelta(minutes=9), blood_pressure_systolic=130)
    high, low = strips(visit(analyst).get("/wearers/user_001/?range=1h"))["pressure"].lines
    assert ([p[1] for p in high.points], [p[1] for p in low.points]) == ([121], [82])


def test_a_suspect_value_is_marked(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=1, until=just_now(), heart_rate=231, hrv_ms=40, flags=Flag.SUSPECT_HEART_RATE)
    response = visit(analyst).get("/wearers/user_001/?range=1h")
    drawn = strips(response)
    assert (drawn["heart_rate"].lines[0].doubts, drawn["hrv"].lines[0].doubts) == (["out of bounds"], [""])
    assert [tile.doubt for tile in response.context["tiles"]][:2] == ["out of bounds", ""]
    assert '<span class="doubt caption">out of bounds</span>' in response.content.decode()


def test_a_strip_says_how_many_points_are_in_doubt_and_why(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=1, until=now - timedelta(minutes=2), heart_rate=70)
    jump, stuck = Flag.HEART_RATE_JUMP | Flag.SUSPECT_HEART_RATE, Flag.HEART_RATE_STUCK | Flag.SUSPECT_HEART_RATE
    read(wearer, times=1, until=now - timedelta(minutes=1), heart_rate=160, flags=jump)
    read(wearer, times=1, until=now, heart_rate=72, flags=stuck)
    drawn = strips(visit(analyst).get("/wearers/user_001/?range=1h"))["heart_rate"]
    assert drawn.lines[0].doubts == ["", "jump", "stuck"]
    assert ", 2 points in doubt (jump 1, stuck 1)" in drawn.words


def test_each_current_value_has_its_own_age(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=3, until=now, heart_rate=70)
    read(wearer, times=1, until=now - timedelta(hours=3), blood_pressure_systolic=121, blood_pressure_diastolic=82)
    tiles = {tile.label: tile for tile in visit(analyst).get("/wearers/user_001/").context["tiles"]}
    assert tiles["Heart rate"].at == now
    assert (tiles["Blood pressure"].text, tiles["Blood pressure"].at) == ("121/82", now - timedelta(hours=3))
    assert tiles["Blood pressure"].cadence_s is None
    assert (tiles["SpO₂"].text, tiles["SpO₂"].at) == ("", None)


def test_the_value_at_fault_takes_the_colour_of_its_alert(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=1, until=just_now(), heart_rate=120, hrv_ms=20)
    make_alert(wearer, opened_at=just_now())
    response = visit(analyst).get("/wearers/user_001/")
    assert [tile.fault for tile in response.context["tiles"]][:2] == ["high", ""]
    assert strips(response)["heart_rate"].spans[0]["severity"] == "HIGH"
    assert strips(response)["hrv"].spans == []


def test_the_limits_of_the_rules_in_force_are_drawn(visit: Visit, wearer: User, analyst: User) -> None:
    source = Path("alerts/rules/hypoxia.yaml").read_text()
    rule = make_rule("hypoxia", source=source)
    label = "< 92 low oxygen saturation"
    client = visit(analyst)
    assert [x["label"] for x in strips(client.get("/wearers/user_001/"))["spo2"].limits] == [label]
    RuleVersion.objects.filter(rule=rule).update(active_until=timezone.now() - timedelta(minutes=1))
    assert strips(client.get("/wearers/user_001/"))["spo2"].limits == []


def test_a_silent_person_is_late_by_the_cadence_of_their_device(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=30, until=just_now(), every=timedelta(seconds=2), heart_rate=70)
    assert visit(analyst).get("/wearers/user_001/").context["heard"].cadence_s == 2
    Device.objects.create(user=wearer, kind="apple_watch", cadence_s=30)
    assert visit(analyst).get("/wearers/user_001/").context["heard"].cadence_s == 30


def test_an_alert_says_on_which_day_it_ended_where_that_is_another_one(
    visit: Visit, wearer: User, analyst: User
) -> None:
    over = {"started_at": NOON, "opened_at": NOON, "episode": "ended", "end": "gap"}
    make_alert(wearer, **over, ended_at=NOON + timedelta(days=3, hours=-8))
    make_alert(wearer, **over, rule=make_rule("another"), ended_at=NOON + timedelta(hours=8))
    client = visit(analyst)
    page = read_out(client.get("/wearers/user_001/").text)
    assert "1 Mar 12:00 to 4 Mar 04:00" in page
    assert "1 Mar 12:00 to 20:00" in page
    analyst.time_zone = "Asia/Kolkata"
    analyst.save()
    assert "1 Mar 17:30 to 2 Mar 01:30" in read_out(client.get("/wearers/user_001/").text)


def summed_up(wearer: User, start: datetime, low: int, average: int, high: int) -> None:
    """An hour, with as many readings as its lowest heart rate says."""
    metrics = {"heart_rate": {"count": low, "min": low, "avg": average, "max": high}}
    numbers = {"readings": low, "metrics": metrics, "alerts": {}}
    Summary.objects.create(user=wearer, period="hour", start=start, made_at=start, **numbers)


def test_days_are_put_together_of_hours_by_the_clock_of_who_reads(visit: Visit, wearer: User, analyst: User) -> None:
    midnight = NOON.replace(hour=0)
    for hour, low, average, high in ((22, 50, 60, 70), (23, 40, 50, 80), (24, 60, 90, 99)):
        summed_up(wearer, midnight + timedelta(hours=hour), low, average, high)
    for hour, severity in ((21, "HIGH"), (22.9, "HIGH"), (23, "LOW"), (23.5, "HIGH"), (26, "CRITICAL")):
        rule = make_rule(f"at-{hour}")
        make_alert(wearer, rule=rule, severity=severity, opened_at=midnight + timedelta(hours=hour))
    make_alert(wearer, rule=rule, severity="CRITICAL", opened_at=NOON, episode="withdrawn")
    client = visit(analyst)

    def shown() -> list[str]:
        page = client.get("/wearers/user_001/").text.partition("days-title")[2]
        rows = re.findall(r"<tr>(?:(?!<th).)*?</tr>", page, re.DOTALL)
        return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]

    assert shown() == ["Mon 2 Mar 60 90 60\u201399 none 1 critical", "Sun 1 Mar 90 56 40\u201380 none 3 high, 1 low"]
    analyst.time_zone = "Europe/Vienna"
    analyst.save()
    assert shown() == [
        "Mon 2 Mar 100 74 40\u201399 none 1 critical, 1 high, 1 low",
        "Sun 1 Mar 50 60 50\u201370 none 2 high",
    ]


def test_seven_days_are_shown_the_newest_that_have_anything(wearer: User) -> None:
    for day in range(0, 27, 3):
        for hour in range(24):
            summed_up(wearer, NOON.replace(hour=0) + timedelta(days=day, hours=hour), 1, 60, 60)
    with timezone.override("UTC"):
        days = days_of(wearer)
    assert [(each.on.day, each.readings) for each in days] == [(day, 24) for day in (25, 22, 19, 16, 13, 10, 7)]


def test_a_critical_form_takes_the_row_of_what_it_replaces_while_both_are_open(wearer: User) -> None:
    low = make_alert(wearer, rule=make_rule("hypoxia"))
    worse = make_alert(wearer, rule=make_rule("hypoxia-critical"), replaces="hypoxia", severity="CRITICAL")
    assert alerts_of(wearer) == [worse]
    Alert.objects.filter(pk=worse.pk).update(triage="closed", close_reason="benign")
    assert [alert.pk for alert in alerts_of(wearer)] == [low.pk, worse.pk]


def test_it_asks_the_same_number_of_queries_for_few_and_many_alerts(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=3, until=just_now(), heart_rate=70)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert visit(analyst).get("/wearers/user_001/").status_code == 200
        return len(captured)

    make_alert(wearer)
    queries()
    before = queries()
    for n in range(9):
        make_alert(
            wearer, rule=make_rule(f"r{n}", source=Path("alerts/rules/fever.yaml").read_text()), triaged_by=analyst
        )
        Device.objects.create(user=wearer, kind=f"d{n}")
    assert queries() == before


def test_it_shows_another_time_when_asked_to(visit: Visit, wearer: User, analyst: User) -> None:
    then = timezone.now() - timedelta(days=3)
    read(wearer, times=3, until=then, heart_rate=111)
    read(wearer, times=3, until=just_now(), heart_rate=60)
    until = (then + timedelta(minutes=10)).isoformat()
    response = visit(analyst).get("/wearers/user_001/", {"range": "1h", "until": until})
    (line,) = strips(response)["heart_rate"].lines
    assert {point[1] for point in line.points} == {111}
    data = response.context["data"]
    assert (data["live"], data["until"]) == (False, (then + timedelta(minutes=10)).timestamp())
    assert "?range=5m&amp;until=" in response.text
    assert 'href="?range=1h">Now</a>' in response.text


def test_a_time_to_come_is_now_and_what_is_no_time_is_refused(visit: Visit, wearer: User, analyst: User) -> None:
    for later in ("2999-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"):
        response = visit(analyst).get("/wearers/user_001/", {"range": "1h", "until": later})
        assert (response.context["until"], response.context["data"]["live"]) == (None, True)
    for wrong in ("yesterday", "2026-03-01T12:00:00", "0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z"):
        response = visit(analyst).get("/wearers/user_001/", {"until": wrong})
        assert response.status_code == 400
        assert "That is no time" in response.text


def test_the_address_keeps_range_time_and_strip(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=3, until=just_now(), heart_rate=70, hrv_ms=40)
    client, until = visit(analyst), (timezone.now() - timedelta(days=2)).isoformat()
    response = client.get("/wearers/user_001/", {"range": "6h", "until": until, "metric": "hrv_ms"})
    query = response.context["query"]
    assert (query.range.name, query.metric) == ("6h", "hrv")
    assert [strip.name for strip in response.context["strips"]][:2] == ["hrv", "heart_rate"]
    assert query.address(range="1h").startswith("?range=1h&until=")
    assert query.address(range="1h").endswith("&metric=hrv")
    assert "metric=hrv" in query.earlier
    assert query.later > query.earlier
    assert client.get("/wearers/user_001/?metric=hrv").context["query"].later == ""
    assert client.get("/wearers/user_001/?metric=mood").status_code == 400


def test_a_current_value_stands_beside_what_is_usual_at_this_hour(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=1, until=now, heart_rate=118, spo2_percent=97)
    learned = {"user": wearer, "metric": "heart_rate", "zone": "UTC", "valid_from": now - timedelta(days=1)}
    Baseline.objects.bulk_create(
        Baseline(**learned, local_hour=hour, median=63, mad=3, values=900, days=9) for hour in range(24)
    )
    tiles = {tile.label: tile for tile in visit(analyst).get("/wearers/user_001/").context["tiles"]}
    usual = tiles["Heart rate"].usual
    assert (usual.text, usual.word) == ("54\N{EN DASH}72", "above usual")
    assert 0 <= usual.left < usual.left + usual.width < usual.place <= 100
    assert (tiles["SpO₂"].usual, tiles["SpO₂"].learning) == (None, "learning what is usual, 0 of 7 days")
