"""The page of an alert whose rule sees more than a reading holds: windows, distances from usual, a strap off."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from alerts.models import Alert
from dashboard.overview.people import fault_of
from dashboard.overview.thresholds import thresholds
from devices.models import User
from devices.times import rfc3339
from tests.dashboard.pages import Visit, read
from tests.made import NOON, make_alert, make_rule

pytestmark = pytest.mark.django_db
SOURCE = """
id: {id}
alert_type: MADE
title: A made rule
severity: LOW
over: {over}
when: {when}
max_gap: 20m
measures: [{measures}]
"""
MINUTE = timedelta(minutes=1)


def fired(user: User, *rows: dict[str, float], over: str, when: str, measures: str) -> Alert:
    """An alert with these rows, a minute apart, up to noon; it opened with the last."""
    source = SOURCE.format(id="made", over=over, when=when, measures=measures)
    times = [NOON - (len(rows) - 1 - number) * MINUTE for number in range(len(rows))]
    kept: list[dict[str, Any]] = [
        {"recorded_at": rfc3339(at), "event_id": "", "values": row} for at, row in zip(times, rows, strict=True)
    ]
    statistics = {"avg": 105.4, "min": 101.2, "max": 120.8}
    return make_alert(
        user,
        rule=make_rule("made", source=source),
        started_at=times[0],
        ended_at=NOON,
        event_count=len(rows),
        measures=dict.fromkeys(filter(None, measures.split(", ")), statistics),
        evidence={"columns": list(rows[0]), "suspect": 0, "first": kept, "last": kept},
    )


def words(response: Any) -> str:
    return " ".join(response.text.split())


def test_an_alert_over_windows_speaks_of_windows_and_charts_the_readings(
    visit: Visit, wearer: User, analyst: User
) -> None:
    read(wearer, times=60, until=NOON, every=timedelta(seconds=2), heart_rate=104)
    averages = ({"avg_heart_rate": 101.2}, {"avg_heart_rate": 120.8})
    alert = fired(wearer, *averages, over="window(1m)", when="avg_heart_rate > 100", measures="avg_heart_rate")
    response = visit(analyst).get(f"/alerts/{alert.pk}/")
    text = words(response)
    assert "Window until (UTC)" in text
    assert "one window is enough" in text
    assert "<dt>Matching windows</dt>" in text
    assert "<dt>Average heart rate</dt> <dd> 105 average, 101 to 121 bpm </dd>" in text
    chart = response.context["chart"]
    assert (chart.label, chart.unit, chart.lowest) == ("Heart rate", "bpm", "104")
    assert [limit["label"] for limit in chart.data["limits"]] == ["fires > 100"]
    assert not any(chart.data["lines"][0]["hits"])
    assert "shaded: the windows that made the condition true" in text
    (span,) = chart.data["spans"]
    assert (span["from"], span["to"]) == ((NOON - 2 * MINUTE).timestamp(), NOON.timestamp())
    assert response.context["lasted"] == 2 * MINUTE
    assert fault_of(alert) == "heart_rate"


def test_a_distance_from_usual_has_no_line_among_the_values_and_its_readings_are_marked(
    visit: Visit, wearer: User, analyst: User
) -> None:
    read(wearer, times=6, until=NOON, every=MINUTE, heart_rate=96)
    rows = ({"heart_rate": 96.0, "heart_rate_z": 4.44}, {"heart_rate": 96.0, "heart_rate_z": 4.44})
    when, measures = "heart_rate_z > 4 AND heart_rate > 90", "heart_rate, heart_rate_z"
    alert = fired(wearer, *rows, over="reading", when=when, measures=measures)
    response = visit(analyst).get(f"/alerts/{alert.pk}/?range=1h")
    chart = response.context["chart"]
    assert [(limit["value"], limit["label"]) for limit in chart.data["limits"]] == [(90, "fires heart rate > 90")]
    assert chart.data["lines"][0]["hits"] == [False] * 4 + [True] * 2
    assert "<dt>Heart rate against usual</dt>" in response.text
    assert ">4.4</td>" in response.text


def test_a_rule_without_measures_charts_what_it_reads(visit: Visit, wearer: User, analyst: User) -> None:
    read(wearer, times=6, until=NOON - 2 * MINUTE, every=MINUTE, heart_rate=70)
    alert = fired(wearer, {"not_worn": 1.0}, {"not_worn": 1.0}, over="reading", when="not_worn = 1", measures="")
    response = visit(analyst).get(f"/alerts/{alert.pk}/?range=1h")
    assert response.context["chart"].label == "Heart rate"
    assert response.context["chart"].data["limits"] == []
    assert "Not worn" in response.text


def test_many_rows_are_folded_by_their_number(visit: Visit, wearer: User, analyst: User) -> None:
    rows = [{"avg_heart_rate": 101.0}] * 15
    alert = fired(wearer, *rows, over="window(1m)", when="avg_heart_rate > 100", measures="avg_heart_rate")
    assert ">5 more windows, all true</button>" in words(visit(analyst).get(f"/alerts/{alert.pk}/"))


def test_a_limit_that_holds_only_together_with_ones_usual_is_no_line_on_the_charts_of_all(
    visit: Visit, wearer: User, analyst: User
) -> None:
    for name in ("heart-rate-unusual", "tachycardia-at-rest"):
        make_rule(name, source=Path(f"alerts/rules/{name}.yaml").read_text())
    read(wearer, times=6, until=timezone.now(), heart_rate=70)
    assert [limit["label"] for limit in thresholds(at=timezone.now())] == ["> 100 at rest"]
    strips = visit(analyst).get(f"/wearers/{wearer.username}/").context["strips"]
    assert [limit["label"] for strip in strips for limit in strip.limits] == ["> 100 tachycardia at rest"]
