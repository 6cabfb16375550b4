"""Quiet hours, on somebody's clock."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from alerts.notify.hours import quiet_until

BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "begins", "ends", "until"),
    [
        ("2026-01-10T20:59", time(22), time(7), None),
        ("2026-01-10T21:00", time(22), time(7), "2026-01-11T06:00"),
        ("2026-01-10T23:30", time(22), time(7), "2026-01-11T06:00"),
        ("2026-01-11T05:59", time(22), time(7), "2026-01-11T06:00"),
        ("2026-01-11T06:00", time(22), time(7), None),
        ("2026-01-10T12:00", time(12), time(14), "2026-01-10T13:00"),
        ("2026-01-10T13:00", time(12), time(14), None),
        ("2026-07-10T20:00", time(22), time(7), "2026-07-11T05:00"),  # in summer an hour earlier
        ("2026-03-28T22:00", time(22), time(7), "2026-03-29T05:00"),  # the night that has an hour less
        ("2026-10-24T21:00", time(22), time(7), "2026-10-25T06:00"),  # the one that has an hour more
        ("2026-10-25T01:15", time(22), time(2, 30), "2026-10-25T01:30"),  # half past two comes twice
        ("2026-01-10T12:00", None, None, None),
    ],
)
def test_they_end_when_the_persons_clock_says(at: str, begins: time, ends: time, until: str | None) -> None:
    assert quiet_until(utc(at), zone=BERLIN, begins=begins, ends=ends) == (until and utc(until))


def test_a_clock_may_go_back_by_half_an_hour() -> None:
    at, zone = utc("2026-04-04T15:10"), ZoneInfo("Australia/Lord_Howe")  # twenty to two, for the second time
    assert quiet_until(at, zone=zone, begins=time(22), ends=time(1, 45)) == utc("2026-04-04T15:15")
