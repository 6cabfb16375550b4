"""All that is kept of a person, as files."""

import csv
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.utils import timezone

from alerts.models import Channel, Delivery, Mute, Route, RuleVersion, SavedView, Summary
from alerts.notify.incidents import incidents_update
from alerts.rule_files import read_rule_files
from alerts.services.rules import rules_load
from alerts.services.triage import alert_comment
from dashboard.export import snapshot
from dashboard.export.snapshot import LostError, Pieces, Snapshot
from dashboard.export.tables import tables
from devices.account.second_factor import passkey_add
from devices.metrics import CANONICAL, Units
from devices.models import (
    ApiToken,
    Assignment,
    AuditEntry,
    Baseline,
    Device,
    Look,
    MetricWindow,
    Note,
    Pin,
    Reading,
    User,
    Verb,
)
from devices.readings_file import read_cells, read_readings
from devices.rights.audit import audit_note
from devices.rights.teams import member_add, team_make, wearer_add
from tests.dashboard.pages import Visit, just_now, read
from tests.made import make_alert, make_user, make_wearer
from tests.patience import BUSY

pytestmark = pytest.mark.django_db(transaction=True)  # an export reads what is committed


def taken(client: Client, file: str, *, of: str = "user_001") -> bytes:
    answer = client.get(f"/wearers/{of}/export/{file}")
    assert answer.status_code == 200
    assert answer["Content-Disposition"] == f'attachment; filename="telara-{of}-{file}"'
    return b"".join(answer)


def rows_of(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode())))


@pytest.fixture
def everything(wearer: User, other: User, analyst: User) -> User:
    """A wearer with something in every file; another one has the same."""
    now = just_now()
    for person in (wearer, other):
        read(person, times=5, until=now, heart_rate=71.5, skin_temp_c=33.4, blood_glucose_mg_dl=99, posture="lying")
        Device.objects.create(user=person, kind="ring", name="=cmd()")
        window = {"size_s": 60, "every_s": 60, "ended_at": now, "received_at": now, "is_fresh": True, "flags": 0}
        MetricWindow.objects.create(user=person, **window, count=5, count_heart_rate=5, avg_heart_rate=71.5)
        summed = {"heart_rate": {"count": 5, "min": 71.5, "avg": 71.5, "max": 71.5}}
        Summary.objects.create(
            user=person, period="hour", start=now, readings=5, metrics=summed, alerts={"HIGH": 1}, made_at=now
        )
        Baseline.objects.create(
            user=person, valid_from=now, metric="skin_temp_c", local_hour=3, zone="UTC", median=30, mad=1, values=9,
            days=9,
        )  # fmt: skip
        alert = make_alert(person, opened_at=now)
        alert_comment(alert=alert, by=analyst, at=now, note=f"about {person.username}")
        Mute.objects.create(user=person, rules=["fever"], starts_at=now, ends_at=now, why="a sauna", made_at=now)
        Look.objects.create(person=person, viewer=analyst, way="page", hour=now, at=now)
        passkey_add(user=person, name=f"key of {person.username}", credential={"secret": "of the key"})
        team = team_make(name=f"of {person.username}")
        wearer_add(team=team, person=person)
        member_add(team=team, person=person)
        Note.objects.create(person=person, by=analyst, about=now, written_at=now, text=f"seen: {person.username}")
        channel = Channel.objects.create(
            owner=person, name="phone", kind="webhook", shown="https://hooks.example.org", sealed_address="sealed"
        )
        Route.objects.create(owner=person, channel=channel, quiet_from=clock(22), quiet_until=clock(6))
        ApiToken.objects.create(user=person, name="phone", token_hash=person.username, expires_at=now)
        SavedView.objects.create(user=person, name="mine", query="severity=HIGH")
        Pin.objects.create(viewer=person, person=person, at=now)
        audit_note(verb=Verb.PROFILE_CHANGED, person=person, by=person, at=now)
        Assignment.objects.get_or_create(analyst=analyst, wearer=person)
        Delivery.objects.create(channel=channel, kind="test", state="sent", made_at=now, done_at=now)
    incidents_update(at=now)
    return wearer


def test_every_file_holds_what_is_theirs_and_nothing_of_others(visit: Visit, everything: User) -> None:
    client = visit(everything)
    for name, table in tables(CANONICAL).items():
        as_csv, as_json = taken(client, f"{name}.csv"), taken(client, f"{name}.jsonl")
        rows, lines = rows_of(as_csv), [json.loads(line) for line in as_json.splitlines()]
        assert rows, name
        assert len(rows) == len(lines), name
        assert list(rows[0]) == list(lines[0]) == [column.name for column in table.columns]
        assert b"user_002" not in as_csv + as_json, name
        assert b"of the key" not in as_csv + as_json


def test_a_reading_is_as_it_was_stored(visit: Visit, everything: User) -> None:
    stored = Reading.objects.filter(user=everything).order_by("recorded_at").first()
    row = json.loads(taken(visit(everything), "readings.jsonl").splitlines()[0])
    assert (row["event_id"], row["heart_rate"], row["posture"], row["spo2_percent"], row["flags"]) == (
        str(stored.event_id), 71.5, "lying", None, [],
    )  # fmt: skip
    assert row["timestamp"].endswith("Z")


def test_readings_can_be_replayed_elsewhere(visit: Visit, everything: User, tmp_path) -> None:
    file = tmp_path / "readings.csv"
    file.write_bytes(taken(visit(everything), "readings.csv"))
    cells = read_cells(file)
    assert cells.height == 5
    assert set(cells["heart_rate"]) == {"71.5"}


def test_a_user_id_that_a_spreadsheet_would_take_for_a_formula_is_replayed_as_it_was(visit: Visit, tmp_path) -> None:
    phone = make_wearer("+43:660")
    read(phone, times=2, until=just_now(), heart_rate=70)
    file = tmp_path / "readings.csv"
    file.write_bytes(b"".join(visit(phone).get("/wearers/+43:660/export/readings.csv")))
    assert b"'+43:660" in file.read_bytes()
    assert set(read_cells(file)["user_id"]) == {"+43:660"}
    readings = read_readings([file])
    assert (set(readings.frame["user_id"]), readings.refused) == ({"+43:660"}, {})


def test_all_that_an_account_says_of_its_person_goes_along(visit: Visit, wearer: User) -> None:
    wearer.glucose_unit = "mmol/L"
    wearer.save()
    profile = json.loads(taken(visit(wearer), "profile.jsonl"))
    assert (profile["glucose_unit"], profile["temperature_unit"]) == ("mmol/L", "Cel")
    rights_and_tries = {"id", "password", "is_active", "is_staff", "is_superuser", "code_failures", "code_wait_until"}
    fields = {field.name for field in User._meta.concrete_fields}
    assert fields - rights_and_tries == {"username" if name == "user_id" else name for name in profile}


def test_a_spreadsheet_takes_no_cell_for_a_formula(visit: Visit, everything: User) -> None:
    assert rows_of(taken(visit(everything), "devices.csv"))[0]["name"] == "'=cmd()"
    assert json.loads(taken(visit(everything), "devices.jsonl"))["name"] == "=cmd()"


def test_notes_go_along_with_the_history_of_alerts(visit: Visit, everything: User) -> None:
    (row,) = rows_of(taken(visit(everything), "alert_history.csv"))
    assert (row["by"], row["action"], row["note"]) == ("analyst", "comment", "about user_001")


def test_the_archive_holds_all_files_and_says_what_every_column_is(visit: Visit, everything: User) -> None:
    with ZipFile(io.BytesIO(taken(visit(everything), "everything-csv.zip"))) as archive:
        assert archive.testzip() is None
        names = {f"{name}.csv" for name in tables(CANONICAL)}
        assert set(archive.namelist()) == names | {"README.txt", "columns.csv"}
        columns = rows_of(archive.read("columns.csv"))
        assert len(rows_of(archive.read("readings.csv"))) == 5
    said = {(row["file"], row["column"]): (row["unit"], row["loinc"]) for row in columns}
    assert said["readings.csv", "skin_temp_c"] == ("Cel", "61008-9")
    assert said["windows.csv", "avg_heart_rate"] == ("/min", "")


def test_pages_lose_no_row_and_repeat_none(visit: Visit, everything: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = visit(everything)
    whole = {name: taken(client, f"{name}.csv") for name in tables(CANONICAL)}
    monkeypatch.setattr(snapshot, "PAGE", 2)
    for name, text in whole.items():
        if name not in ("looks", "audit"):  # to which these add
            assert taken(client, f"{name}.csv") == text, name


def test_all_of_it_is_of_the_moment_when_it_was_asked_for(
    visit: Visit, everything: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 2)
    answer = visit(everything).get("/wearers/user_001/export/everything-csv.zip")
    pieces = iter(answer)
    begun = [next(pieces)]
    read(everything, times=3, until=just_now() + timedelta(minutes=1), heart_rate=99)
    Device.objects.filter(user=everything).delete()
    with ZipFile(io.BytesIO(b"".join([*begun, *pieces]))) as archive:
        assert len(rows_of(archive.read("readings.csv"))) == 5
        assert len(rows_of(archive.read("devices.csv"))) == 1


def await_open(count: int) -> None:
    """Until so many transactions but our own are open: a connection that was closed takes PostgreSQL a moment."""
    ends = time.monotonic() + 10 * BUSY
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start < now()"
            )
            (open_now,) = cursor.fetchone()
        if open_now == count:
            return
        assert time.monotonic() < ends, open_now
        time.sleep(0.01)


def test_who_stops_reading_holds_nothing_in_the_database_for_long(
    visit: Visit, everything: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 2)
    monkeypatch.setattr(snapshot, "IDLE_S", 0.05)
    pieces = iter(visit(everything).get("/wearers/user_001/export/readings.csv"))
    next(pieces)
    await_open(0)
    with pytest.raises(LostError):
        list(pieces)


def test_nobody_holds_it_for_ever_by_reading_slowly(
    visit: Visit, everything: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "PAGE", 2)
    monkeypatch.setattr(snapshot, "LONGEST_S", 0)
    with pytest.raises(LostError):
        taken(visit(everything), "readings.csv")
    await_open(0)


def test_few_are_open_at_once_and_whoever_leaves_makes_room(visit: Visit, everything: User, lead: User) -> None:
    client = visit(everything)
    first, second = (client.get("/wearers/user_001/export/readings.csv") for _ in range(2))
    third = client.get("/wearers/user_001/export/readings.csv")
    assert (third.status_code, third["Retry-After"]) == (429, "60")
    assert "2 exports of yours are being sent" in third.text
    Snapshot(viewer=lead).close()
    next(iter(first))
    first.close()
    await_open(1)
    assert taken(client, "readings.csv")
    second.close()
    await_open(0)


def test_who_closes_it_while_a_piece_is_made_waits_for_that_piece(everything: User) -> None:
    moment, begun, go_on = Snapshot(viewer=everything), threading.Event(), threading.Event()
    rows = tables(CANONICAL)["devices"].rows(everything)

    def made() -> Iterator[bytes]:
        begun.set()
        assert go_on.wait(10)
        yield str(sum(map(len, moment.pages(rows)))).encode()
        yield b"nobody wants it"

    pieces = Pieces(moment, made())
    with ThreadPoolExecutor(2) as threads:
        piece = threads.submit(next, pieces)
        assert begun.wait(10)
        closing = threads.submit(pieces.close)
        wait([closing], timeout=0.1)
        assert not closing.done()
        go_on.set()
        assert piece.result() == b"1"
    assert list(pieces) == []
    await_open(0)


def test_channels_go_along_without_where_they_lead(visit: Visit, everything: User) -> None:
    client = visit(everything)
    (channel,) = rows_of(taken(client, "channels.csv"))
    assert (channel["name"], channel["address"]) == ("phone", "https://hooks.example.org")
    assert b"sealed" not in taken(client, "channels.jsonl")
    (route,) = rows_of(taken(client, "routes.csv"))
    assert (route["channel"], route["quiet_from"], route["about"]) == ("phone", "22:00", "")


def test_other_units_have_other_names_and_other_numbers(everything: User) -> None:
    files = tables(Units(frozenset({"mmol/L", "[degF]"})))

    def first(name: str) -> dict[str, object]:
        table = files[name]
        names = [column.name for column in table.columns]
        moment = Snapshot(viewer=everything)
        (row, *_), *_ = moment.pages(table.rows(everything))
        moment.close()
        return dict(zip(names, row, strict=True))

    reading = first("readings")
    assert (reading["blood_glucose_mmol_l"], reading["skin_temp_f"]) == (5.495237, 92.12)
    assert "skin_temp_c" not in reading
    baseline = first("baselines")
    assert (baseline["unit"], baseline["median"], baseline["mad"]) == ("[degF]", 86.0, 1.8)


def test_alerts_are_said_in_the_units_that_are_asked_for(visit: Visit, wearer: User) -> None:
    at = just_now()
    files, _ = read_rule_files(["alerts/rules/fever.yaml"])
    rules_load(files=files, at=at - timedelta(days=1))
    version = RuleVersion.objects.get()
    words = "Core temperature above 38 for 4 readings (38.5 °C) since 12:00:00."
    kept = {"measures": {"body_temp_c": {"avg": 38.5, "min": 38.5, "max": 38.5}}, "description": words}
    made = {"rule": version.rule, "rule_version": version.number, "opened_at": at, "event_count": 4}
    alert = make_alert(wearer, **made, **kept, episode="ended", end="cleared")
    make_alert(wearer, **made | {"rule_version": 9, "opened_at": at + timedelta(minutes=1)}, **kept)
    for query, said in (("", words), ("?units=Cel", words), ("?units=[degF]", "Core temperature above 100.4 for 4 ")):
        answer = visit(wearer).get(f"/wearers/user_001/export/alerts.csv{query}")
        row, without_its_rule = rows_of(b"".join(answer))
        assert row["description"].startswith(said)
        assert without_its_rule["description"] == words
        assert json.loads(row["measures"]) == kept["measures"]
        assert (row["alert_id"], row["rule"]) == (str(alert.pk), "fever")
    with ZipFile(io.BytesIO(taken(visit(wearer), "everything-csv.zip"))) as archive:
        columns = {(row["file"], row["column"]): row["about"] for row in rows_of(archive.read("columns.csv"))}
    for column in ("measures", "evidence"):
        assert "(mg/dL, Cel), whichever were asked for" in columns["alerts.csv", column]


def test_times_are_by_the_clock_that_is_asked_for_and_are_replayed_as_the_same_moments(
    visit: Visit, wearer: User, tmp_path
) -> None:
    at = datetime(2026, 3, 1, 20, 30, tzinfo=UTC)
    read(wearer, times=1, until=at, heart_rate=70)
    files, _ = read_rule_files(["alerts/rules/fever.yaml"])
    rules_load(files=files, at=at - timedelta(days=1))
    measures = {"body_temp_c": {"avg": 38.5, "min": 38.5, "max": 38.5}}
    made = {"rule": RuleVersion.objects.get().rule, "started_at": at, "opened_at": at, "ended_at": at}
    make_alert(wearer, **made, measures=measures, episode="ended", end="cleared")
    client, kolkata = visit(wearer), "?time_zone=Asia/Kolkata"

    def asked(file: str) -> bytes:
        return b"".join(client.get(f"/wearers/user_001/export/{file}{kolkata}"))

    (row,), (line,) = rows_of(asked("readings.csv")), asked("readings.jsonl").splitlines()
    assert row["timestamp"] == json.loads(line)["timestamp"] == "2026-03-02T02:00:00.000+05:30"
    (alert,) = rows_of(asked("alerts.csv"))
    assert alert["opened_at"] == "2026-03-02T02:00:00.000+05:30"
    assert alert["description"].endswith("since 02:00:00.")
    (tmp_path / "readings.csv").write_bytes(asked("readings.csv"))
    assert read_readings([tmp_path / "readings.csv"]).frame["recorded_at"].to_list() == [at]
    with ZipFile(io.BytesIO(asked("everything-csv.zip"))) as archive:
        assert "by the clock of Asia/Kolkata" in archive.read("README.txt").decode()
    assert client.get("/wearers/user_001/export/readings.csv?time_zone=Mars/Base").status_code == 400


def test_every_link_to_an_export_asks_for_what_its_reader_reads(visit: Visit, wearer: User, lead: User) -> None:
    lead.user_permissions.add(Permission.objects.get(codename="export_readings"))
    for person in (wearer, lead):
        person.temperature_unit, person.time_zone = "[degF]", "Europe/Vienna"
        person.save()
    for person, path in ((wearer, "/settings/"), (wearer, "/wearers/user_001/"), (lead, "/wearers/user_001/")):
        links = re.findall(r'href="(/wearers/user_001/export/[^"]+)"', visit(person).get(path).text)
        asking = {link.partition("?")[2] for link in links}
        assert asking - {""} == {"units=%5BdegF%5D%2Cmg/dL&amp;time_zone=Europe/Vienna"}
        assert ("" in asking) == (path == "/settings/")  # as it is kept


def test_who_sees_somebody_exports_them_only_with_the_permission(visit: Visit, everything: User, analyst: User) -> None:
    path = "/wearers/user_001/export/readings.csv"
    assert visit(analyst).get(path).status_code == 403
    clerk = make_user("clerk", "export_readings", watches=(everything,))
    assert visit(clerk).get(path).status_code == 200
    assert visit(clerk).get("/wearers/user_002/export/readings.csv").status_code == 403
    assert visit(everything).get("/wearers/user_001/export/nothing.csv").status_code == 404


def test_how_they_sign_in_and_are_told_and_what_they_keep_is_in_their_own_export_alone(
    visit: Visit, everything: User
) -> None:
    clerk = make_user("clerk", "export_readings", watches=(everything,))
    theirs = {"channels", "routes", "deliveries", "memberships", "pins", "saved_views", "audit"}
    theirs |= {"sessions", "second_factors", "tokens"}
    assert set(tables(CANONICAL)) - set(tables(CANONICAL, is_own=False)) == theirs
    for name in theirs:
        assert visit(clerk).get(f"/wearers/user_001/export/{name}.csv").status_code == 404, name
    with ZipFile(io.BytesIO(taken(visit(clerk), "everything-csv.zip"))) as archive:
        assert not {f"{name}.csv" for name in theirs} & set(archive.namelist())
        assert "last_login" not in archive.read("profile.csv").decode()
    assert b"last_login" in taken(visit(everything), "profile.csv")


def test_the_audit_log_is_theirs_but_for_what_they_did_about_others(
    visit: Visit, everything: User, other: User, analyst: User
) -> None:
    audit_note(verb=Verb.TOKEN_MADE, by=everything, what="token 1")
    audit_note(verb=Verb.LOOKED, by=everything, person=other, what="of somebody else")
    audit_note(verb=Verb.DEACTIVATED, by=analyst, person=everything)
    audit_note(verb=Verb.DEACTIVATED, by=analyst, person=other)
    looked = {"at": timezone.now(), "way": "page", "verb": "looked", "address": "192.0.2.9"}
    AuditEntry.objects.bulk_create(
        AuditEntry(actor_key=by.pk, actor=by.username, person_key=everything.pk, **looked)
        for by in (everything, analyst)
    )
    rows = rows_of(taken(visit(everything), "audit.csv"))
    said = {(row["by"], row["action"], row["address"]) for row in rows}
    assert said >= {
        ("user_001", "token_made", ""), ("analyst", "deactivated", ""), ("user_001", "looked", "192.0.2.9"),
        ("analyst", "looked", ""),
    }  # fmt: skip
    assert "of somebody else" not in {row["what"] for row in rows}
    assert [row["action"] for row in rows].count("deactivated") == 1


def test_exports_are_noted_ones_own_too(visit: Visit, everything: User) -> None:
    taken(visit(everything), "devices.csv")
    clerk = make_user("clerk", "export_readings", watches=(everything,))
    taken(visit(clerk), "everything-jsonl.zip")
    looks = Look.objects.filter(person=everything, way="export", at__gte=timezone.now() - timedelta(minutes=1))
    assert set(looks.values_list("viewer__username", flat=True)) == {"user_001", "clerk"}
    assert "an export" in visit(everything).get("/settings/").text
