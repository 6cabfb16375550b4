"""The alert as the contract writes it."""

from datetime import timedelta

import pytest

from alerts.wire import alert_json
from tests.made import NOON, make_alert, make_wearer

pytestmark = pytest.mark.django_db


def test_it_is_the_contract_to_the_letter() -> None:
    alert = make_alert(make_wearer(), revision=3)
    assert alert_json(alert) == {
        "alert_id": str(alert.alert_id),
        "revision": 3,
        "alert_type": "TACHYCARDIA_AT_REST",
        "rule_id": "tachycardia-at-rest",
        "rule_version": 1,
        "user_id": "user_001",
        "severity": "HIGH",
        "class": "clinical",
        "episode": "firing",
        "end": None,
        "status": "new",
        "quiet": False,
        "quiet_reason": None,
        "start_time": "2026-03-01T11:59:56.000Z",
        "opened_at": "2026-03-01T12:00:00.000Z",
        "end_time": "2026-03-01T12:00:02.000Z",
        "event_count": 7,
        "measures": {"heart_rate": {"avg": 118.4, "min": 108.0, "max": 126.0}},
        "avg_heart_rate": 118.4,
        "description": "Heart rate above 100 for 7 readings (108-126 bpm) while at rest since 12:00:00.",
    }


def test_the_average_heart_rate_is_there_only_where_it_is_measured() -> None:
    alert = make_alert(make_wearer(), measures={"spo2_percent": {"avg": 90.0, "min": 88.0, "max": 91.0, "count": 4}})
    shown = alert_json(alert)
    assert "avg_heart_rate" not in shown
    assert shown["measures"] == {"spo2_percent": {"avg": 90.0, "min": 88.0, "max": 91.0}}


def test_an_end_and_a_quiet_reason_are_plain_strings() -> None:
    ended = {"episode": "ended", "end": "gap", "quiet": True, "quiet_reason": "late"}
    shown = alert_json(make_alert(make_wearer(), **ended))
    assert (shown["end"], shown["quiet_reason"]) == ("gap", "late")
    assert type(shown["end"]) is str


def test_microseconds_are_kept() -> None:
    at = NOON + timedelta(microseconds=1500)
    assert alert_json(make_alert(make_wearer(), opened_at=at))["opened_at"] == "2026-03-01T12:00:00.001500Z"
