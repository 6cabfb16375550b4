"""Pages in the units of who reads them; for everybody else nothing changes."""

import json
import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from alerts.models import RuleVersion
from alerts.reworded import description_in
from alerts.rule_files import read_rule_files
from alerts.services.rules import rules_load
from devices.metrics import CANONICAL
from devices.models import User
from tests.dashboard.pages import Visit, just_now, read, read_out
from tests.made import NOON, make_alert

pytestmark = pytest.mark.django_db


@pytest.fixture
def now() -> datetime:
    """A whole second: the fraction of another could read as one of the values looked for."""
    return just_now().replace(microsecond=0)


@pytest.fixture
def foreign(lead: User) -> User:
    """May see everyone, and reads mmol/L and degrees Fahrenheit."""
    lead.glucose_unit, lead.temperature_unit = "mmol/L", "[degF]"
    lead.save()
    return lead


@pytest.fixture
def feverish(wearer: User, now: datetime) -> User:
    """38.5 °C and 54 mg/dL, with alerts for both."""
    files, problems = read_rule_files(["alerts/rules/fever.yaml", "alerts/rules/hypoglycemia.yaml"])
    assert not problems
    rules_load(files=files, at=now - timedelta(days=1))
    read(wearer, times=20, until=now, body_temp_c=38.5, skin_temp_c=33.0, blood_glucose_mg_dl=54.0, heart_rate=80.0)
    made = {"severity": "MEDIUM", "event_count": 4}  # of two that are as bad the overview shows the newest
    for ago, rule_id, name, value, words in (
        (30, "fever", "body_temp_c", 38.5, "Core temperature above 38 for 4 readings (38.5 °C) since 12:00:00."),
        (31, "hypoglycemia", "blood_glucose_mg_dl", 54.0, "Glucose below 70 for 4 readings (54 mg/dL) since 12:00:00."),
    ):
        version = RuleVersion.objects.get(rule__rule_id=rule_id)
        measures = {name: {"avg": value, "min": value, "max": value}}
        numbers = {"rule": version.rule, "rule_version": version.number, "measures": measures, "description": words}
        numbers["opened_at"] = now - timedelta(seconds=ago)
        row = {"recorded_at": now.isoformat(), "event_id": "x", "values": {name: value}}
        make_alert(wearer, title=rule_id.capitalize(), evidence={"columns": [name], "first": [row]}, **made, **numbers)
    return wearer


def data_of(page: str, element: str) -> dict:
    return json.loads(re.search(rf'<script id="{element}" type="application/json">(.*?)</script>', page)[1])


def words_of(client: Client, path: str) -> str:
    return " ".join(client.get(path).text.split())


FEVER, LOW = "Core temperature above 100.4 for", "Glucose below 3.9 for"


def test_sentences_say_limits_and_values_in_their_units_wherever_they_stand(
    visit: Visit, foreign: User, feverish: User
) -> None:
    for path in ("/alerts/", "/wearers/user_001/", "/"):
        page = words_of(visit(foreign), path)
        assert FEVER in page, path
        assert "readings (101.3 °F)" in page, path
        assert f"{LOW} 4 readings (3.0 mmol/L)" in page, path
        assert "mg/dL" not in page, path


def test_the_wearers_page_has_values_lines_limits_and_axes_in_their_units(
    visit: Visit, foreign: User, feverish: User
) -> None:
    page = visit(foreign).get("/wearers/user_001/?range=1h").text
    strips = data_of(page, "wearer-data")["strips"]
    core, glucose = strips["core"], strips["glucose"]
    assert {value for line in core["lines"] for value in line["avg"]} == {101.3}
    assert {value for line in glucose["lines"] for value in line["max"]} == {2.997}
    assert (core["axis"], core["decimals"], glucose["decimals"]) == ([96.8, 104.0], 1, 1)
    assert [(limit["value"], limit["label"]) for limit in core["limits"]] == [(100.4, "> 100.4 fever")]
    assert [limit["label"] for limit in glucose["limits"]] == ["< 3.9 low glucose"]
    words = " ".join(page.split())
    assert "latest 101.3 at" in words
    assert "latest 3.0 at" in words
    assert 'data-units="{&quot;skin_temp_c&quot;:[1.8,32.0,' in page


def test_the_alerts_page_has_evidence_conditions_and_limits_in_their_units(
    visit: Visit, foreign: User, feverish: User
) -> None:
    alert = feverish.alerts.get(rule__rule_id="fever")
    page = visit(foreign).get(f"/alerts/{alert.pk}/").text
    words = " ".join(page.split())
    assert "&gt; 100.4" in words
    assert "101.3 average, 101.3 to 101.3 °F" in words
    chart = data_of(page, "chart-data")
    assert (chart["limits"][0]["value"], chart["limits"][0]["label"]) == (100.4, "fires > 100.4")
    assert set(chart["lines"][0]["avg"]) == {101.3}
    assert '<code>body_temp_c > 38.0</code> <span class="caption">in °C</span>' in words.replace("&gt;", ">")
    assert not re.search(r"(?<!:)38\.5", words)  # but as seconds of a time


def test_the_overview_and_the_list_of_wearers_have_their_units(visit: Visit, foreign: User, feverish: User) -> None:
    page = visit(foreign).get("/").text
    snapshot = data_of(page, "snapshot")
    assert set(snapshot["points"]["user_001"]["body_temp_c"]) == {101.3}
    assert [each["label"] for each in snapshot["thresholds"] if each["metric"] == "body_temp_c"] == ["> 100.4 fever"]
    assert snapshot["axes"]["skin_temp_c"] == [86.0, 104.0]
    assert "101.3°" in page
    listed = words_of(visit(foreign), "/wearers/")
    assert ">101.3</b>" in listed
    assert '<span class="caption">°F</span>' in listed


def test_a_page_and_each_copy_of_it_say_how_they_are_read(visit: Visit, foreign: User, feverish: User) -> None:
    copies = ("/wearers/user_001/", "/wearers/", "/alerts/", "/overview/parts/")
    client, how = visit(foreign), "[degF],mmol/L UTC"
    assert f'data-reader="{how}"' in client.get("/wearers/user_001/").text
    assert {client.get(path, HTTP_HX_REQUEST="true")["Telara-Reader"] for path in copies} == {how}
    foreign.time_zone, foreign.temperature_unit = "Asia/Kolkata", "Cel"
    foreign.save()
    how = "Cel,mmol/L Asia/Kolkata"
    assert {client.get(path, HTTP_HX_REQUEST="true")["Telara-Reader"] for path in copies} == {how}


def test_nobody_else_reads_otherwise(visit: Visit, foreign: User, feverish: User, analyst: User) -> None:
    visit(foreign).get("/wearers/user_001/")  # in the same process, just before
    page = visit(analyst).get("/wearers/user_001/?range=1h").text
    assert "Core temperature above 38 for 4 readings (38.5 °C) since" in page
    assert 'data-units=""' in page
    assert "°F" not in page
    reading = visit(foreign).get("/api/v1/readings/?user_id=user_001").json()["results"][0]
    assert (reading["body_temp_c"], reading["blood_glucose_mg_dl"]) == (38.5, 54.0)


def test_times_are_by_their_clock_and_say_whose_it_is(visit: Visit, lead: User, wearer: User) -> None:
    at = just_now().replace(hour=10, minute=30, second=5)
    at -= timedelta(days=1)
    files, _ = read_rule_files(["alerts/rules/tachycardia.yaml"])
    rules_load(files=files, at=at - timedelta(days=1))
    version = RuleVersion.objects.get()
    measures = {"heart_rate": {"avg": 185, "min": 182, "max": 190}}
    alert = make_alert(
        wearer, rule=version.rule, rule_version=version.number, measures=measures, started_at=at, opened_at=at,
        ended_at=at, episode="ended", end="cleared", description="Heart rate above 180 ... since 10:30:05.",
    )  # fmt: skip
    silence = make_alert(
        wearer, rule=version.rule, rule_version=9, started_at=at + timedelta(hours=1), measures={},
        opened_at=at + timedelta(hours=1), ended_at=at + timedelta(hours=1),
        description="Nothing heard since 11:30:05.",
    )  # fmt: skip
    assert "Heart rate above 180 ... since 10:30:05." in words_of(visit(lead), f"/alerts/{alert.pk}/")
    lead.time_zone = "Asia/Kolkata"
    lead.save()
    page = words_of(visit(lead), f"/alerts/{alert.pk}/")
    assert "since 16:00:05." in page
    assert f"Ended {at:%-d %b} 16:00:05 Kolkata" in read_out(page)
    assert f'title="{at:%-d %b %Y} 10:30:05 UTC">16:00:05</time>' in page
    assert 'data-zone="Asia/Kolkata" data-zone-name="Kolkata"' in page
    assert "Nothing heard since 11:30:05. (Times of UTC.)" in words_of(visit(lead), f"/alerts/{silence.pk}/")
    assert 'data-zone="Asia/Kolkata"' in visit(lead).get("/api/docs/").text
    assert "Kolkata" not in visit(wearer).get("/wearers/user_001/").text
    assert visit(lead).get(f"/api/v1/alerts/{alert.pk}/").json()["opened_at"].endswith("Z")


def test_a_silence_and_what_befell_the_pipeline_are_told_by_their_clock_too(wearer: User) -> None:
    at = NOON.replace(hour=10, minute=30)
    kept = {
        "heard_at": "", "counted_from": at.isoformat(), "cadence_s": 5, "cadence_is_set": False, "limit_s": 120,
        "factor": 3, "at_least_s": 120,
    }  # fmt: skip
    times = {"started_at": at, "opened_at": at + timedelta(minutes=2), "ended_at": at + timedelta(minutes=9)}
    silence = make_alert(wearer, **times, measures={}, evidence={"silence": kept}, description="in UTC")
    kolkata = ZoneInfo("Asia/Kolkata")
    assert description_in(silence, CANONICAL) == "in UTC"
    assert description_in(silence, CANONICAL, kolkata).startswith(
        "Nothing heard since 16:00:00, for longer than 2 min;"
    )
    silence.end = "cleared"
    assert description_in(silence, CANONICAL, kolkata).startswith("Nothing heard from 16:00:00 to 16:09:00, for 9 min;")
    said = [{"at": at.isoformat(), "text": "5 messages were gone."}]
    mishaps = {"event": "offset_gap", "times": 3, "first": said, "last": said}
    lost = make_alert(None, **times, measures={}, evidence={"mishaps": mishaps}, description="in UTC")
    assert description_in(lost, CANONICAL, kolkata) == "5 messages were gone. 3 times since 16:00:00."


def test_the_api_says_sentences_in_the_units_that_are_asked_for(visit: Visit, lead: User, feverish: User) -> None:
    client = visit(lead)
    fever = "rule_id=fever"
    (row,) = client.get(f"/api/v1/alerts/?{fever}&units=[degF]").json()["results"]
    one = client.get(f"/api/v1/alerts/{row['alert_id']}/?units=[degF]").json()
    assert "(101.3 °F) since" in row["description"] == one["description"]
    (row,) = client.get(f"/api/v1/alerts/?{fever}").json()["results"]
    assert "(38.5 °C) since" in row["description"]
    assert client.get("/api/v1/alerts/?units=cubits").status_code == 400


def test_the_api_says_sentences_by_the_clock_that_is_asked_for(visit: Visit, lead: User, feverish: User) -> None:
    client, alert = visit(lead), feverish.alerts.get(rule__rule_id="fever")
    since = f"since {alert.started_at.astimezone(ZoneInfo('Asia/Kolkata')):%H:%M:%S}."
    (row,) = client.get("/api/v1/alerts/?rule_id=fever&time_zone=Asia/Kolkata").json()["results"]
    one = client.get(f"/api/v1/alerts/{alert.pk}/?time_zone=Asia/Kolkata&units=[degF]").json()
    assert row["description"].endswith(f"(38.5 °C) {since}")
    assert one["description"].endswith(f"(101.3 °F) {since}")
    assert one["opened_at"].endswith("Z")
    for path in ("/api/v1/alerts/", f"/api/v1/alerts/{alert.pk}/"):
        assert client.get(f"{path}?time_zone=Mars/Base").json()["error"]["fields"]["time_zone"]
