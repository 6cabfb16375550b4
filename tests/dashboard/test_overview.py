"""The overview: what each persona sees, in order, and what it costs."""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from alerts.services.triage import alert_acknowledge, alert_snooze
from dashboard.overview import board
from dashboard.overview.people import Person, gap_of
from devices.metrics import Flag
from devices.models import Reading, User
from tests.dashboard.pages import read_out
from tests.made import make_alert, make_partitions, make_rule, make_user, make_wearer

pytestmark = pytest.mark.django_db
PARTS = "/overview/parts/"


@pytest.fixture
def now() -> datetime:
    at = timezone.now()
    make_partitions(at - timedelta(hours=1), at)
    return at


@pytest.fixture
def chief(client: Client) -> User:
    user = make_user("chief", "view_all_wearers")
    client.force_login(user)
    return user


def read(wearer: User, *times: datetime, **values: Any) -> None:
    """Readings of a wearer at these times."""
    shown = {"heart_rate": 70.0, "spo2_percent": 97.0, "skin_temp_c": 34.0, "activity_level": 5.0} | values
    Reading.objects.bulk_create(
        Reading(user=wearer, recorded_at=at, received_at=at, event_id=uuid4(), **shown) for at in times
    )


def each_5_s(now: datetime, seconds: int = 60) -> Iterable[datetime]:
    return (now - timedelta(seconds=n) for n in range(0, seconds, 5))


def names_on_wall(html: str) -> list[str]:
    return re.findall(r'<span class="name">([^<]*)</span>\s*<time', html)


def snapshot(html: str) -> dict[str, Any]:
    found = re.search(r'<script id="snapshot" type="application/json">(.*?)</script>', html)
    assert found
    return dict(json.loads(found[1]))


def test_nobody_sees_it_without_signing_in(client: Client) -> None:
    assert client.get("/").url == "/login/?next=/"
    assert client.get(PARTS).url.startswith("/login/")


def test_a_wearer_sees_themselves_an_analyst_theirs_a_stranger_nobody(client: Client, now: datetime) -> None:
    one, two, three = (make_wearer(f"user_00{n}") for n in (1, 2, 3))
    for wearer in (one, two, three):
        read(wearer, now)
    seen = {}
    for user in (one, make_user("alice", watches=(one, two)), make_user("mallory")):
        client.force_login(user)
        seen[user.username] = sorted(names_on_wall(client.get(PARTS).content.decode()))
    assert seen == {"user_001": ["user_001"], "alice": ["user_001", "user_002"], "mallory": []}


def test_the_worst_come_first_then_who_is_late_then_the_most_active(client: Client, chief: User, now: datetime) -> None:
    people = {name: make_wearer(name) for name in ("calm", "active", "late", "low", "critical", "technical")}
    for name, wearer in people.items():
        at = now - timedelta(minutes=2) if name == "late" else now
        read(wearer, *each_5_s(at), activity_level=60.0 if name == "active" else 5.0)
    make_alert(people["low"], severity="LOW")
    make_alert(people["critical"], severity="CRITICAL", rule=make_rule("hypoxia-critical"))
    make_alert(people["technical"], alert_class="technical", rule=make_rule("sensor-stuck"))
    html = client.get("/").content.decode()
    assert names_on_wall(html) == ["critical", "low", "technical", "late", "active", "calm"]


def test_the_value_at_fault_takes_the_colour_and_a_place_on_the_tile(
    client: Client, chief: User, now: datetime
) -> None:
    wearer = make_wearer()
    read(wearer, *each_5_s(now), blood_glucose_mg_dl=66.0)
    make_alert(wearer, severity="HIGH", measures={"blood_glucose_mg_dl": {"avg": 66, "min": 66, "max": 66}})
    html = client.get("/").content.decode()
    assert '<b class="value fault-high" data-metric="blood_glucose_mg_dl">66</b> glucose' in html
    assert "skin</span>" not in html


def test_a_value_in_doubt_is_marked_and_says_why(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now - timedelta(seconds=5), heart_rate=70.0)
    read(wearer, now, heart_rate=160.0, flags=Flag.HEART_RATE_JUMP | Flag.SUSPECT_HEART_RATE)
    html = client.get("/").content.decode()
    assert '<b class="value suspect" data-metric="heart_rate" title="jump">160</b>' in html
    said = snapshot(html)
    flags = said["points"][wearer.username]["flags"]
    assert [bool(each & said["suspect"]["heart_rate"]) for each in flags] == [False, True]


def test_the_log_has_one_row_for_an_alert_and_its_critical_form(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    make_alert(wearer, rule=make_rule("hypoxia"), title="Hypoxia", severity="HIGH")
    make_alert(
        wearer, rule=make_rule("hypoxia-critical"), title="Hypoxia, critical", severity="CRITICAL", replaces="hypoxia"
    )
    html = client.get("/").content.decode()
    assert html.count('class="card ') == 1
    assert "was HIGH" in html
    assert "Firing 1" in html


def test_what_fires_on_is_not_left_to_a_critical_form_that_is_over(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    mine = {"triage": "acknowledged", "triaged_by": chief}
    make_alert(wearer, rule=make_rule("hypoxia"), title="Hypoxia", severity="HIGH", **mine)
    over = {"severity": "CRITICAL", "replaces": "hypoxia", "episode": "ended", "end": "cleared"}
    make_alert(wearer, rule=make_rule("hypoxia-critical"), title="Hypoxia, critical", **over, **mine)
    html = client.get("/?tab=mine").content.decode()
    assert html.count('class="card ') == 2
    assert "was HIGH" not in html


def test_rules_that_would_take_each_others_row_have_a_row_each(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    make_alert(wearer, rule=make_rule("a"), title="One", replaces="b")
    make_alert(wearer, rule=make_rule("b"), title="Other", replaces="a")
    assert "Firing 2" in client.get("/").content.decode()


def test_technical_alerts_stand_apart_and_are_not_counted(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    make_alert(wearer, alert_class="technical", severity="MEDIUM", title="Device silent")
    html = client.get("/").content.decode()
    assert "Firing 0" in html
    assert "apart: 0 ended, 1 technical" in html
    assert 'class="technical-row"' in html
    assert "nothing open" in html
    assert "?severity=HIGH&amp;episode=firing&amp;class=clinical" in html


def test_no_number_of_technical_alerts_takes_the_place_of_a_clinical_one(
    client: Client, chief: User, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.overview.log.MOST_FIRING", 2)
    wearer = make_wearer()
    read(wearer, now)
    make_alert(wearer, title="Old and clinical", opened_at=now - timedelta(hours=1))
    for number in range(3):
        make_alert(wearer, alert_class="technical", rule=make_rule(f"sensor-{number}"), opened_at=now)
    html = client.get("/").content.decode()
    assert "Old and clinical" in html
    assert "Firing 1" in html


def test_a_technical_alert_that_somebody_looks_after_stays_in_its_own_list(
    client: Client, chief: User, now: datetime
) -> None:
    wearer = make_wearer()
    read(wearer, now)
    alert = make_alert(wearer, alert_class="technical", severity="MEDIUM")
    assert "Snooze all" in client.get("/").content.decode()
    alert_snooze(alert=alert, by=chief, at=now, until=now + timedelta(minutes=5))
    html = client.get("/").content.decode()
    assert 'class="technical-row handled"' in html
    assert f"until {now + timedelta(minutes=5):%H:%M}" in read_out(html)
    assert "Mine 0" in html
    assert "Snooze all" not in html


def test_what_is_acknowledged_says_by_whom_and_is_in_mine(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    alert_acknowledge(alert=make_alert(wearer), by=chief, at=now)
    html = client.get("/?tab=mine").content.decode()
    assert "Acknowledged by chief" in html
    assert "Mine 1" in html
    assert 'data-do="acknowledge"' not in html


def test_a_wearer_has_no_buttons_for_their_own_alerts(client: Client, now: datetime) -> None:
    wearer = make_wearer()
    read(wearer, now)
    make_alert(wearer)
    client.force_login(wearer)
    html = client.get(PARTS).content.decode()
    assert "Tachycardia at rest" in html
    assert 'data-do="acknowledge"' not in html


def test_nothing_open_and_no_readings_do_not_look_alike(client: Client, chief: User, now: datetime) -> None:
    wearer = make_wearer()
    empty = client.get("/").content.decode()
    assert "No readings yet" in empty
    assert "No alerts, because there are no readings" in empty
    assert "no data" in empty
    read(wearer, now)
    html = client.get("/").content.decode()
    assert "No readings yet" not in html
    assert "1 wearer watched, nothing open" in html


def test_the_charts_get_six_people_firing_first_with_their_last_five_minutes(
    client: Client, chief: User, now: datetime
) -> None:
    people = [make_wearer(f"user_{n:03}") for n in range(1, 9)]
    for wearer in people:
        read(wearer, *each_5_s(now - timedelta(seconds=1), 600))
    alert = make_alert(people[7], started_at=now - timedelta(minutes=1), opened_at=now, ended_at=now)
    found = snapshot(client.get("/").content.decode())
    assert found["lines"] == ["user_008", *(f"user_{n:03}" for n in range(1, 6))]
    points = found["points"]["user_008"]
    assert len(points["t"]) == len(points["heart_rate"]) == len(points["skin_temp_c"]) == 60
    assert points["t"] == sorted(points["t"])
    assert set(found["points"]["user_007"]) == {"t", "heart_rate"}
    assert [(each["alert_id"], each["metrics"], each["to"]) for each in found["episodes"]] == [
        (str(alert.pk), ["heart_rate"], None)
    ]
    assert found["people"]["user_008"]["short"] == "U08"


def test_the_anomaly_rate_counts_the_readings_of_episodes(client: Client, chief: User, now: datetime) -> None:
    wearer, calm = make_wearer(), make_wearer("user_002")
    start = now - timedelta(minutes=4)
    for person in (wearer, calm):
        read(person, *(start + timedelta(seconds=n) for n in range(0, 100, 5)))
    make_alert(wearer, started_at=start, opened_at=start, ended_at=start + timedelta(seconds=45))
    assert "10 of 40 readings" in client.get("/").content.decode()


def test_a_thousand_wearers_cost_no_more_queries_than_one(client: Client, chief: User, now: datetime) -> None:
    read(make_wearer(), now)
    client.get("/")
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(PARTS)
    people = User.objects.bulk_create(User(username=f"w{n:04}", is_wearer=True) for n in range(1000))
    Reading.objects.bulk_create(
        Reading(
            user=person, recorded_at=now - timedelta(seconds=5 * n), received_at=now, event_id=uuid4(), heart_rate=70
        )
        for person in people
        for n in range(3)
    )
    rule = make_rule()
    for person in people[:40]:
        make_alert(person, rule=rule, opened_at=now)
    with CaptureQueriesContext(connection) as many:
        html = client.get(PARTS).content.decode()
    assert len(many) <= len(few) + 2  # the points of those without a line; the readings of episodes
    assert len(names_on_wall(html)) == 21
    assert html.count("<li data-person=") == 126
    assert "Page 1 of 8" in html
    assert "1001, worst first" in html
    assert not [query for query in many.captured_queries if 'COUNT(*) FROM "devices_reading"' in query["sql"]]


@pytest.mark.parametrize("query", ["?page=0", "?page=99999999", "?page=x", "?tab=<b>", "?layout=&show=%00", "?page=²"])
def test_an_address_that_makes_no_sense_shows_the_page(client: Client, chief: User, now: datetime, query: str) -> None:
    read(make_wearer(), now)
    assert client.get(f"/{query}").status_code == 200


def test_a_page_of_the_wall_that_is_no_more_shows_the_last_one(client: Client, chief: User, now: datetime) -> None:
    for n in range(board.TILES + 1):
        read(make_wearer(f"user_{n:03}"), now)
    html = client.get("/?layout=tiles&page=9").content.decode()
    assert len(names_on_wall(html)) == 1
    assert "Page 2 of 2" in html
    assert len(names_on_wall(client.get("/?layout=tiles&show=all&page=2").content.decode())) == 1
    User.objects.get(username="user_000").delete()
    html = client.get("/?layout=tiles&page=2").content.decode()
    assert len(names_on_wall(html)) == board.TILES


def test_a_name_is_never_markup(client: Client, chief: User, now: datetime) -> None:
    read(make_wearer(display_name="<script>alert(1)</script>"), now)
    html = client.get("/").content.decode()
    assert "<script>alert" not in html
    assert "\\u003Cscript\\u003Ealert" in html


@pytest.mark.parametrize(
    ("name", "short", "number"),
    [("Wearer 07", "W07", "07"), ("user_012", "U12", "12"), ("Ana Silva", "Ana", "Ana "), ("w1234", "W1234", "1234")],
)
def test_lines_and_cells_have_short_names(name: str, short: str, number: str) -> None:
    person = Person(pk=1, user_id="u", name=name, gap_s=5, heard_at=None)
    assert (person.short, person.number) == (short, number)


def test_a_cell_says_whose_it_is_and_how_bad_by_a_shape_and_a_word(client: Client, chief: User, now: datetime) -> None:
    racing, calm = make_wearer(display_name="Ana 07"), make_wearer("user_002", display_name="Bo 08")
    for wearer in (racing, calm):
        read(wearer, now)
    make_alert(racing, severity="CRITICAL")
    html = client.get(f"{PARTS}?layout=cells").content.decode()
    cells = [
        re.sub(r"<[^>]*?aria-label=\"(\w+)\"[^>]*>", r"(\1) ", cell)
        for cell in re.findall(r"<li data-person.*?</li>", html, re.S)
    ]
    assert [re.sub(r"<[^>]*>", "", cell).split() for cell in cells] == [
        ["Ana", "07,", "(CRITICAL)", "07", "70"],
        ["Bo", "08,", "08", "70"],
    ]


def test_how_often_somebody_speaks_is_the_usual_gap_not_the_longest(now: datetime) -> None:
    times = [now - timedelta(seconds=each) for each in (0, 2, 4, 6, 600)]
    assert gap_of(times) == 2
    assert gap_of(times[:1]) == 5
    assert Person(pk=1, user_id="u", name="u", gap_s=0.5, heard_at=now).cadence_s == 5
