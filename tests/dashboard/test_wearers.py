"""The list of wearers: who is on it, in which order, and what it costs."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dashboard.wearers.columns import COLUMNS
from dashboard.wearers.ranked import SORTS
from devices.models import Assignment, Device, PipelineStatus, User
from devices.rights.teams import member_add, team_make, wearer_add
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_alert, make_rule, make_wearer

pytestmark = pytest.mark.django_db


def names(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row.person.username for row in response.context["rows"]]


def chips(response: Any) -> dict[str, str]:
    return {chip.label: chip.count for chip in response.context["chips"]}


@pytest.fixture
def many(lead: User) -> list[User]:
    """30 wearers, w00 to w29."""
    return User.objects.bulk_create(User(username=f"w{n:02}", is_wearer=True) for n in range(30))


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("wearer", ["user_001"]),
        ("analyst", ["user_001"]),
        ("lead", ["user_001", "user_002"]),
        ("stranger", []),
        ("staff", []),
    ],
)
def test_everyone_sees_whom_they_may_see(  # noqa: PLR0917  # personas and cases
    visit: Visit, request: pytest.FixtureRequest, wearer: User, other: User, who: str, sees: list[str]
) -> None:
    assert sorted(names(visit(request.getfixturevalue(who)).get("/wearers/"))) == sorted(sees)


def test_of_two_alerts_that_opened_with_one_reading_every_page_has_the_same_at_any_time(
    visit: Visit, lead: User, wearer: User
) -> None:
    second, first = (make_alert(wearer, rule=make_rule(f"r{n}"), alert_id=UUID(int=n)) for n in (2, 1))
    client = visit(lead)
    for alert in (second, first, second):
        alert.save()  # where it lies in its table changes with each
        assert client.get("/wearers/").context["rows"][0].alert == first
        assert client.get("/").context["log"].worst == {wearer.pk: first}
        assert client.get("/wearers/user_001/").context["worst"] == first


def test_who_watches_nobody_is_told_so(visit: Visit, stranger: User) -> None:
    assert "Nobody to watch yet" in visit(stranger).get("/wearers/").text
    nobody = visit(stranger).get("/wearers/?q=zzz").text
    assert "No wearer matches" in nobody
    assert "Clear filters" in nobody


def test_the_worst_come_first_and_clinical_before_technical(visit: Visit, lead: User, many: list[User]) -> None:
    make_alert(many[7], severity="LOW", rule=make_rule("a"))
    make_alert(many[5], severity="CRITICAL", alert_class="technical", rule=make_rule("b"))
    make_alert(many[9], severity="CRITICAL", rule=make_rule("c"))
    make_alert(many[3], severity="CRITICAL", rule=make_rule("d"), triage="closed", close_reason="true")
    client = visit(lead)
    assert names(client.get("/wearers/"))[:4] == ["w09", "w07", "w05", "w00"]
    assert names(client.get("/wearers/?sort=name"))[:2] == ["w00", "w01"]


def test_what_is_technical_has_a_filter_of_its_own(visit: Visit, lead: User, many: list[User]) -> None:
    make_alert(many[7], severity="LOW", rule=make_rule("a"))
    make_alert(many[7], severity="HIGH", alert_class="technical", rule=make_rule("b"))
    make_alert(many[5], severity="CRITICAL", alert_class="technical", rule=make_rule("c"))
    make_alert(many[9], severity="CRITICAL", rule=make_rule("d"))
    client = visit(lead)
    alerting = client.get("/wearers/?show=alerting")
    assert names(alerting) == ["w09", "w07"]
    assert names(client.get("/wearers/?show=technical")) == ["w07", "w05"]
    assert chips(alerting) == {"All": "30", "Alerting": "2", "Technical": "2", "No data": "30", "Pinned": "0"}


def test_who_was_not_heard_of_for_five_minutes_has_no_data(visit: Visit, lead: User, many: list[User]) -> None:
    read(many[0], times=1, until=just_now(), heart_rate=70)
    read(many[1], times=1, until=just_now() - timedelta(minutes=6), heart_rate=70)
    response = visit(lead).get("/wearers/?show=nodata&rows=50")
    assert "w00" not in names(response)
    assert "w01" in names(response)
    assert chips(response)["No data"] == "29"


@pytest.mark.parametrize("sort", [sort.name for sort in SORTS])
def test_pages_follow_each_other_there_and_back_without_a_gap_or_a_repeat(
    visit: Visit, lead: User, many: list[User], sort: str
) -> None:
    for n in (2, 20, 29):
        make_alert(many[n], rule=make_rule(f"r{n}"))
        read(many[n], times=1, until=just_now() - timedelta(seconds=n), heart_rate=60 + n / 7, spo2_percent=97)
    more = User.objects.bulk_create(User(username=f"x{n:02}", is_wearer=True) for n in range(30))
    client, address, seen, pages = visit(lead), f"/wearers/?sort={sort}", [], []
    while address:
        page = client.get(address)
        seen += names(page)
        pages.append((page.context["page"].span, page.context["page"].number, names(page)))
        address = page.context["page"].next_page and f"/wearers/{page.context['page'].next_page}"
    assert sorted(seen) == [person.username for person in [*many, *more]]
    assert [(span, number) for span, number, _ in pages] == [
        ("1\N{EN DASH}24", 1),
        ("25\N{EN DASH}48", 2),
        ("49\N{EN DASH}60", 3),
    ]
    for expected in pages[-2::-1]:
        page = client.get(f"/wearers/{page.context['page'].previous_page}")
        assert (page.context["page"].span, page.context["page"].number, names(page)) == expected
        assert page.context["page"].pages == 3
    assert page.context["page"].previous_page == ""


def test_it_says_which_of_how_many_are_shown(visit: Visit, lead: User, many: list[User]) -> None:
    first = visit(lead).get("/wearers/")
    assert "<b>1\N{EN DASH}24</b> of 30" in first.text
    assert "Page 1 of 2" in first.text
    assert "<b>25\N{EN DASH}30</b> of 30" in visit(lead).get(f"/wearers/{first.context['page'].next_page}").text


def test_who_was_worse_off_meanwhile_changes_the_count_and_no_row_comes_twice(
    visit: Visit, lead: User, many: list[User]
) -> None:
    client = visit(lead)
    first = client.get("/wearers/")
    make_alert(many[29])
    second = client.get(f"/wearers/{first.context['page'].next_page}")
    assert names(second) == ["w24", "w25", "w26", "w27", "w28"]
    assert second.context["page"].span == "26\N{EN DASH}30"
    assert names(client.get(f"/wearers/{second.context['page'].previous_page}"))[-1] == "w23"


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("heart", ["w02", "w01", "w03"], "w29"), ("-heart", ["w03", "w01", "w02"], "w29"),
        ("spo2", ["w03", "w02", "w01"], "w29"), ("-spo2", ["w01", "w02", "w03"], "w29"),
        ("temperature", ["w02", "w01", "w03"], "w29"), ("-temperature", ["w03", "w01", "w02"], "w29"),
        ("-seen", ["w01", "w02", "w03"], "w29"), ("-name", ["w29", "w28"], "w00"),
    ],
)  # fmt: skip
def test_it_is_sorted_by_what_a_head_asks_for(  # noqa: PLR0917  # personas and cases
    visit: Visit, lead: User, many: list[User], sort: str, first: list[str], last: str
) -> None:
    for n, heart, oxygen in ((1, 80, 99), (2, 150, 96), (3, 50, 88)):
        read(many[n], times=1, until=just_now() - timedelta(seconds=n), heart_rate=heart, spo2_percent=oxygen)
        worn = {"skin_temp_c": 33 + n % 3, "body_temp_c": 38 if n == 2 else None}
        read(many[n], times=1, until=just_now() - timedelta(seconds=n - 0.5), **worn)
    read(many[4], times=1, until=just_now() - timedelta(minutes=6), heart_rate=200, spo2_percent=70)
    found = names(visit(lead).get(f"/wearers/?sort={sort}&rows=50"))
    assert (found[: len(first)], found[-1]) == (first, last)


def test_who_was_heard_longest_ago_comes_after_who_was_never_heard(visit: Visit, lead: User, many: list[User]) -> None:
    for n, days in ((1, 1), (2, 40)):
        read(many[n], times=1, until=just_now() - timedelta(days=days), heart_rate=70)
    assert names(visit(lead).get("/wearers/?sort=seen&rows=50"))[-2:] == ["w02", "w01"]


def test_a_head_asks_for_its_order_and_then_for_the_other_way_round(visit: Visit, lead: User, wearer: User) -> None:
    def head(address: str) -> tuple[str, str]:
        found = visit(lead).get(address).context["heads"]
        (heart,) = [each for each in found if each.column.name == "heart"]
        return heart.href, heart.direction

    assert head("/wearers/?rows=50") == ("?rows=50&sort=heart", "")
    assert head("/wearers/?sort=heart") == ("?sort=-heart", "descending")
    assert head("/wearers/?sort=-heart") == ("?sort=heart", "ascending")


def test_it_is_narrowed_to_a_team_that_they_are_in(visit: Visit, lead: User, analyst: User, many: list[User]) -> None:
    night, day = team_make(name="night"), team_make(name="day")
    for team, numbers in ((night, (1, 2)), (day, (2, 3))):
        for n in numbers:
            wearer_add(team=team, person=many[n])
    member_add(team=night, person=analyst)
    client = visit(analyst)
    page = client.get(f"/wearers/?group={night.pk}")
    assert names(page) == ["w01", "w02"]
    assert chips(page)["All"] == "2"
    assert [choice.label for choice in page.context["groups"]] == ["all", "night"]
    assert names(client.get(f"/wearers/?group={day.pk}")) == []
    assert names(visit(lead).get(f"/wearers/?group={day.pk}")) == ["w02", "w03"]
    assert "No wearer matches" in visit(lead).get("/wearers/?group=x").text


def test_it_is_narrowed_to_who_wears_a_kind_of_device(visit: Visit, lead: User, many: list[User]) -> None:
    for n, kind in ((1, "oura_ring"), (2, "oura_ring"), (2, "apple_watch"), (3, "apple_watch")):
        Device.objects.create(user=many[n], kind=kind)
    page = visit(lead).get("/wearers/?kind=oura_ring")
    assert names(page) == ["w01", "w02"]
    assert [choice.label for choice in page.context["kinds"]] == ["any", "apple_watch", "oura_ring"]
    assert [choice.label for choice in page.context["kinds"] if choice.current] == ["oura_ring"]


def test_it_finds_by_name_and_user_id(visit: Visit, lead: User, wearer: User, other: User) -> None:
    client = visit(lead)
    assert names(client.get("/wearers/?q=ANN")) == ["user_001"]
    assert names(client.get("/wearers/?q=_002")) == ["user_002"]


def test_a_row_says_what_was_measured_when_and_by_what(visit: Visit, wearer: User, analyst: User) -> None:
    now = just_now()
    read(wearer, times=60, until=now, heart_rate=121, spo2_percent=97, skin_temp_c=34.56)
    read(wearer, times=1, until=now - timedelta(seconds=2.5), blood_pressure_systolic=121, blood_pressure_diastolic=82)
    make_alert(wearer, opened_at=now)
    Device.objects.create(user=wearer, kind="apple_watch")
    response = visit(analyst).get("/wearers/")
    row = response.context["rows"][0]
    assert (row.values["heart_rate"].text, row.temperature.text, row.pressure) == ("121", "34.6", "121/82")
    assert (row.fault, row.heard_at, row.cadence_s) == ("heart_rate", now, 5)
    assert row.spark["y"] == [121] * len(row.spark["y"]) != []
    assert "fault-high" in response.text
    assert "apple_watch" in response.text
    assert "skin" in response.text
    Device.objects.bulk_create(Device(user=wearer, kind=kind) for kind in ("oura_ring", "withings_scale"))
    assert ">apple_watch, 2 more</td>" in visit(analyst).get("/wearers/").text


def test_it_asks_the_same_number_of_queries_for_3_rows_and_for_60(visit: Visit, analyst: User, wearer: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            visit(analyst).get("/wearers/?rows=100")
        return len(captured)

    def add(numbers: range) -> None:
        for n in numbers:
            person = make_wearer(f"x{n}")
            Assignment.objects.create(analyst=analyst, wearer=person)
            Device.objects.create(user=person, kind="apple_watch")
            make_alert(person, rule=make_rule(f"r{n}"))
            read(person, times=2, until=just_now(), heart_rate=70)

    add(range(2))
    queries()
    few = queries()
    add(range(2, 59))
    assert queries() == few


@pytest.mark.parametrize(
    "address",
    ["show=nope", "sort=nope", "rows=7", "rows=x", "after=nope", "after=1_x_y", "after=%C2%B2_1_", "before=nan_1_a"],
)  # fmt: skip
def test_what_does_not_exist_is_said_to_be_so(visit: Visit, analyst: User, address: str) -> None:
    assert visit(analyst).get(f"/wearers/?{address}").status_code == 400


def test_with_htmx_only_the_list_comes(visit: Visit, analyst: User) -> None:
    assert "<html" not in visit(analyst).get("/wearers/", headers={"HX-Request": "true"}).text


def test_a_row_shows_the_value_at_fault_whatever_metric_it_is_of(visit: Visit, lead: User) -> None:
    now = just_now()
    worn, cuffed, silent = (make_wearer(name) for name in ("worn", "cuffed", "silent"))
    read(worn, times=2, until=now, heart_rate=70, blood_glucose_mg_dl=66)
    read(cuffed, times=2, until=now, heart_rate=70)
    read(silent, times=2, until=now, heart_rate=70)
    sugar = {"blood_glucose_mg_dl": {"avg": 66, "min": 66, "max": 66}}
    pressure = {"blood_pressure_systolic": {"avg": 190, "min": 190, "max": 190}}
    seen = {"last": [{"values": {"blood_pressure_systolic": 190.0}}]}
    make_alert(worn, severity="HIGH", measures=sugar)
    make_alert(cuffed, severity="CRITICAL", rule=make_rule("cuff"), measures=pressure, evidence=seen)
    make_alert(silent, severity="LOW", rule=make_rule("silent"), alert_class="technical")
    response = visit(lead).get("/wearers/")
    found = {row.person.username: row.at_fault for row in response.context["rows"]}
    assert (found["worn"].text, found["worn"].unit, found["worn"].path) == ("66", "mg/dL", "vitals.blood_glucose_mg_dl")
    assert found["cuffed"].text == "190"
    assert found["silent"] is None
    assert 'data-path="vitals.blood_glucose_mg_dl"' in response.text


def test_what_is_at_fault_is_said_once(visit: Visit, lead: User) -> None:
    now = just_now()
    racing, hot = make_wearer("racing"), make_wearer("hot")
    read(racing, times=2, until=now, heart_rate=131)
    read(hot, times=2, until=now, body_temp_c=36.9, skin_temp_c=38.4)
    make_alert(racing)
    make_alert(hot, rule=make_rule("fever"), measures={"skin_temp_c": {"avg": 38.4, "min": 38.4, "max": 38.4}})

    def apart() -> dict[str, bool]:
        rows = visit(lead).get("/wearers/").context["rows"]
        return {row.person.username: row.at_fault_apart is not None for row in rows}

    assert apart() == {"racing": False, "hot": True}
    visit(lead).post("/wearers/", {"columns": ["fault"]})
    assert apart() == {"racing": True, "hot": True}


class TestCadence:
    """How often somebody is heard, and what they miss of it."""

    def cadence(self, visit: Visit, lead: User, username: str = "user_001") -> Any:
        rows = visit(lead).get("/wearers/").context["rows"]
        return next(row for row in rows if row.person.username == username).cadence

    @pytest.mark.parametrize(
        ("ago_s", "text"),
        [(0, "on time, 10 s"), (29, "on time, 10 s"), (31, "late, 3 missed"), (59, "late, 5 missed"),
         (751, "silent, 75 missed")],
    )  # fmt: skip
    def test_it_is_measured(  # noqa: PLR0917  # personas and cases
        self, visit: Visit, lead: User, wearer: User, monkeypatch: pytest.MonkeyPatch, ago_s: int, text: str
    ) -> None:
        now = just_now()
        read(wearer, times=20, until=now - timedelta(seconds=ago_s), every=timedelta(seconds=10), heart_rate=70)
        monkeypatch.setattr("dashboard.wearers.views.timezone.now", lambda: now)
        found = self.cadence(visit, lead)
        assert (found.text, found.is_set) == (text, False)

    def test_what_is_set_for_a_device_wins(self, visit: Visit, lead: User, wearer: User) -> None:
        read(wearer, times=20, until=just_now() - timedelta(seconds=100), heart_rate=70)
        Device.objects.create(user=wearer, kind="ring", cadence_s=60)
        found = self.cadence(visit, lead)
        assert (found.text, found.why) == ("on time, 1 m 00 s", "Set for a device: a reading every 1 m 00 s.")

    def test_few_readings_tell_none_and_none_tell_nothing(self, visit: Visit, lead: User, many: list[User]) -> None:
        read(many[1], times=3, until=just_now(), heart_rate=70)
        read(many[2], times=3, until=just_now() - timedelta(hours=1), heart_rate=70)
        assert [self.cadence(visit, lead, f"w0{n}").text for n in (0, 1, 2)] == ["none", "not known yet", "silent"]

    def test_our_own_outage_is_not_the_wearers(self, visit: Visit, lead: User, wearer: User) -> None:
        then = just_now() - timedelta(hours=1)
        read(wearer, times=20, until=then, heart_rate=70)
        PipelineStatus.objects.create(consumer="gone", updated_at=then, started_at=then)
        page = visit(lead).get("/wearers/")
        assert page.context["rows"][0].cadence.text == "on time, 5 s"
        assert "data-on-time" not in page.text


class TestColumns:
    """Each person keeps which columns they read."""

    def test_what_they_choose_is_kept_and_theirs_alone(
        self, visit: Visit, lead: User, analyst: User, wearer: User
    ) -> None:
        client = visit(lead)
        answer = client.post("/wearers/?sort=name&rows=50", {"columns": ["", "heart", "seen"]})
        assert (answer.status_code, answer["Location"]) == (302, "/wearers/?sort=name&rows=50")
        shown = [head.column.name for head in client.get("/wearers/").context["heads"]]
        assert shown == ["who", "worst", "heart", "seen"]
        text = visit(lead).get("/wearers/").text
        assert "data-spark" not in text
        assert "data-spark" in visit(analyst).get("/wearers/").text
        client.post("/wearers/", {"all": "1"})
        assert "data-spark" in client.get("/wearers/").text

    def test_the_row_has_a_cell_for_each_head_and_no_other(self, visit: Visit, lead: User, wearer: User) -> None:
        client = visit(lead)
        for column in ("", *(column.name for column in COLUMNS)):
            client.post("/wearers/", {"columns": [column]})
            text = client.get("/wearers/").text
            assert text.count("<th scope") == len(client.get("/wearers/").context["heads"]) == 2 + bool(column)
            assert text.count("<td") == text.count("<th scope")

    def test_what_is_not_shown_is_not_read(self, visit: Visit, lead: User, wearer: User) -> None:
        def read_of(column: str) -> int:
            client.post("/wearers/", {"columns": ["", column]})
            with CaptureQueriesContext(connection) as captured:
                client.get("/wearers/")
            return len(captured)

        client = visit(lead)
        none = read_of("seen")
        more = {column.name: read_of(column.name) - none for column in COLUMNS}
        assert more == dict.fromkeys(more, 0) | {
            "heart": 1, "spark": 1, "spo2": 1, "temperature": 1, "pressure": 2, "device": 1, "cadence": 4,
        }  # fmt: skip

    def test_one_that_does_not_exist_is_refused_and_so_is_no_choice_at_all(self, visit: Visit, lead: User) -> None:
        answer = visit(lead).post("/wearers/", {"columns": ["heart", "battery"]})
        assert answer.status_code == 400
        assert "There is no column" in answer.text
        assert visit(lead).post("/wearers/", {}).status_code == 400
        assert User.objects.get(pk=lead.pk).hidden_columns == []


def test_heads_say_the_units_of_who_reads(visit: Visit, lead: User, wearer: User) -> None:
    read(wearer, times=2, until=just_now(), skin_temp_c=35)
    User.objects.filter(pk=lead.pk).update(temperature_unit="[degF]")
    page = visit(lead).get("/wearers/")
    assert "°F" in page.text
    assert page.context["rows"][0].temperature.text == "95.0"
