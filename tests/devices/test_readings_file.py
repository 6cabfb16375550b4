"""Files of readings: what is stored of them, what is refused, and what their rows are called."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from devices.metrics import Flag
from devices.readings_file import ReadingsFileError, read_cells, read_lines, read_readings
from ingestion.decode.exact import judge
from ingestion.decode.verdicts import Limits, Rejected

PRESSURE = "blood_pressure_systolic,blood_pressure_diastolic"
HEAD = f"timestamp,user_id,heart_rate,steps_per_minute,spo2_percent,{PRESSURE},posture"
T = "2026-01-05T10:00:00Z"


@pytest.fixture
def csv(tmp_path: Path) -> Any:
    def write(*rows: str, head: str = HEAD, name: str = "r.csv") -> Path:
        file = tmp_path / name
        content = "\n".join([head, *rows]).encode()
        file.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        return file

    return write


@pytest.fixture
def ndjson(tmp_path: Path) -> Any:
    def write(*events: Any) -> Path:
        file = tmp_path / "r.ndjson"
        file.write_text("\n".join(e if isinstance(e, str) else json.dumps(e) for e in events) + "\n\n")
        return file

    return write


def event(number: int = 1, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"00000000-0000-4000-8000-{number:012d}", "timestamp": T, "user_id": "a", **fields}


def test_rows_keep_the_order_of_the_file(csv: Any) -> None:
    frame = read_readings([csv(f"2026-01-05T10:00:02Z,b,70{',' * 5}", f"{T},a,71{',' * 5}", name="r.csv.gz")]).frame
    assert frame["user_id"].to_list() == ["b", "a"]
    assert frame["heart_rate"].to_list() == [70, 71]
    assert frame["hrv_ms"].to_list() == [None, None]
    assert frame["recorded_at"][1] == datetime(2026, 1, 5, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "microsecond"),
    [
        ("2026-01-05T12:00:00.1234567+02:00", 123456),
        ("2026-01-05T10:00:00.5Z", 500_000),
        (T, 0),
        ("2026-01-05 10:00:00z", 0),
    ],
)
def test_times_are_rfc_3339_cut_at_microseconds(csv: Any, written: str, microsecond: int) -> None:
    frame = read_readings([csv(f"{written},a,70{',' * 5}")]).frame
    assert frame["recorded_at"].to_list() == [datetime(2026, 1, 5, 10, 0, 0, microsecond, tzinfo=UTC)]


def test_what_was_not_measured_is_null_and_flagged(csv: Any) -> None:
    frame = read_readings([csv(f"{T},a,0,,0,,,", f"{T},b,255,,,,,", f"{T},c,20,,,,,")]).frame
    assert frame["heart_rate"].to_list() == [None, None, 20]
    assert frame["flags"].to_list() == [
        Flag.HEART_RATE_NOT_MEASURED | Flag.SPO2_NOT_MEASURED,
        Flag.HEART_RATE_NOT_MEASURED,
        Flag.SUSPECT_HEART_RATE,
    ]


def test_an_empty_cell_is_absent_also_between_quotes(csv: Any) -> None:
    plain, quoted = (
        csv(f"{T},a,70,,,,,,", head=f"{HEAD},event_id"),
        csv(f'"{T}","a","70","","","","","",""', head=f"{HEAD},event_id", name="quoted.csv"),
    )
    assert read_cells(quoted).equals(read_cells(plain))
    assert read_readings([quoted]).refused == {}
    missing = csv(f'"{T}","","70","","","","",""', head=f"{HEAD},event_id", name="nobody.csv")
    assert read_readings([missing]).refused == {"missing_field": 1}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{T},a,400,,,,,", "out_of_range"),
        (f"{T},a,,,,100,100,", "out_of_range"),
        (f"{T},a,,,,,,dancing", "out_of_range"),
        (f"{T},a,fast,,,,,", "wrong_type"),
        (f"{T},a,nan,,,,,", "wrong_type"),
        (f"{T},a,1e999,,,,,", "wrong_type"),
        (f"{T},a b,70,,,,,", "bad_string"),
        (",a,70,,,,,", "missing_field"),
        (f"{T},,70,,,,,", "missing_field"),
        (f"2026-01-05T10:00:00.{'1' * 60}Z,a,70,,,,,", "bad_string"),
        (f"{T},a,,,,,,{'x' * 65}", "bad_string"),
        ("2026-01-05T10:00:00,a,70,,,,,", "bad_timestamp"),
        ("2026-02-30T10:00:00Z,a,70,,,,,", "bad_timestamp"),
        ("9999-12-31T23:59:59-14:00,a,70,,,,,", "bad_timestamp"),
        ("1999-12-31T23:59:59Z,a,70,,,,,", "too_old"),
    ],
)
def test_a_row_is_refused_for_the_reason_of_the_contract(csv: Any, row: str, reason: str) -> None:
    readings = read_readings([csv(row, f"{T},z,70,,,,,")])
    assert readings.refused == {reason: 1}
    assert readings.frame["user_id"].to_list() == ["z"]


def test_a_row_without_an_id_is_called_after_what_is_written_in_it(csv: Any) -> None:
    cells = read_cells(csv(f"{T},a,70.0,5,,,,lying"))
    name = f"telara:a|{T}|heart_rate=70.0,posture=lying,steps_per_minute=5"
    assert cells["event_id"].to_list() == [str(uuid5(NAMESPACE_URL, name))]


def test_a_row_keeps_its_own_id(csv: Any) -> None:
    file = csv(f"{T},a,70,0AAAAAAA-0000-4000-8000-000000000001", head="timestamp,user_id,heart_rate,event_id")
    assert read_cells(file)["event_id"].to_list() == ["0aaaaaaa-0000-4000-8000-000000000001"]
    assert read_readings([file], all_ids=True).frame["event_id"].to_list() == ["0aaaaaaa-0000-4000-8000-000000000001"]


def test_ids_are_made_only_where_times_are_equal(csv: Any) -> None:
    file = csv(f"{T},a,70,,,,,", f"{T},a,71,,,,,", f"{T},b,70,,,,,")
    some, every = read_readings([file]).frame["event_id"], read_readings([file], all_ids=True).frame["event_id"]
    assert some[:2].to_list() == every[:2].to_list()
    assert (some[2], every.null_count()) == (None, 0)


def test_identical_rows_are_one_also_across_files(csv: Any) -> None:
    one, other = csv(f"{T},a,70,,,,,", f"{T},a,70,,,,,", name="1.csv"), csv(f"{T},a,70,,,,,", name="2.csv")
    readings = read_readings([one, other])
    assert (readings.frame.height, readings.duplicates) == (1, 2)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("r.txt", b"", "ends in one of"),
        ("r.csv", b"", "the file is empty"),
        ("r.csv", b"time,user_id\n", "the column timestamp is missing"),
        ("r.csv", b"timestamp,user_id,hart_rate\n", "hart_rate: no metric of Telara has this name"),
        ("r.csv", b"timestamp,user_id\n1,2,3,4\n", "not a CSV file"),
        ("r.csv.gz", b"timestamp,user_id\n", "not a gzip file"),
        ("r.csv.gz", gzip.compress(b"timestamp,user_id\n" * 9, mtime=0)[:-12], "cut short or damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(ReadingsFileError, match=message) as caught:
        read_readings([file])
    assert str(file) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReadingsFileError, match="No such file"):
        read_readings([tmp_path / "r.csv"])


def test_events_are_read_as_the_contract_has_them(ndjson: Any) -> None:
    vitals = {"heart_rate": 72, "spo2_percent": 98.5}
    sleep, rooms = {"stage": "deep", "hours_last_night": None}, {"room_temp_c": 22}
    frame = read_readings([ndjson(event(vitals=vitals, activity=None, sleep=sleep, environment=rooms, x=1))]).frame
    row = frame.row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {
        "user_id": "a",
        "recorded_at": datetime(2026, 1, 5, 10, tzinfo=UTC),
        "event_id": "00000000-0000-4000-8000-000000000001",
        "heart_rate": 72,
        "spo2_percent": 98.5,
        "sleep_stage": "deep",
        "room_temp_c": 22,
        "flags": 0,
    }


def test_a_bad_event_does_not_stop_the_others(ndjson: Any) -> None:
    bad = ("{", "[1]", {"user_id": "a"}, event(2, vitals={"heart_rate": "72"}), event(3, vitals={"heart_rate": True}))
    readings = read_readings([ndjson(*bad, event(4, activity=7), event(5) | {"event_id": "five"}, event(6))])
    assert readings.refused == {"malformed_json": 1, "missing_field": 1, "wrong_type": 5}
    assert readings.frame["event_id"].to_list() == ["00000000-0000-4000-8000-000000000006"]


LARGE = '{{"event_id":"00000000-0000-4000-8000-000000000001","timestamp":"{0}","user_id":"a","vitals":{{{1}}}}}'


@pytest.mark.parametrize(
    "sent",
    [
        event(),
        event(timestamp="2026-01-05t10:00:00.25z"),
        event(timestamp="2026-01-05 10:00:00+02:00"),
        event(timestamp="2026-01-05_10:00:00Z"),
        event(timestamp="2026-01-05T10:00:60Z"),
        event(timestamp="2026-01-05T24:00:00Z"),
        event(timestamp="2026-01-05T10:00:00+24:00"),
        event(timestamp="2026-01-05T10:00:00+0200"),
        event(timestamp="2026-01-05T10:00:00.Z"),
        event(timestamp="\u0662026-01-05T10:00:00Z"),
        event(timestamp="0001-01-01T10:00:00Z"),
        event(timestamp="2026-01-05T10:00:00." + "1" * 60 + "Z"),
        event(timestamp=T + "\n"),
        event(timestamp=5),
        {"timestamp": 5},
        event(event_id="five", timestamp=T + "\n"),
        event(event_id="00000000-0000-4000-8000-00000000000A"),
        event(vitals=[]),
        event(vitals={}),
        event(vitals=0),
        event(vitals=""),
        event(vitals=False),
        event(environment=40),
        event(environment=[]),
        event(sleep={"stage": "x" * 65}),
        event(sleep={"stage": "dee\x00p"}),
        event(sleep={"stage": "dreaming"}),
        event(sleep={"stage": 1}),
        event(device_sources=["ring"] * 16),
        event(device_sources=["ring"] * 17),
        event(device_sources="ring"),
        event(device_sources=[1]),
        event(device_sources=["x" * 65]),
        event(device_sources={}),
        event(user_id="\ud800"),
        event(user_id="x" * 65),
        event(other="\ud800"),
        event(other="x" * 70_000),
        event(vitals={"heart_rate": 72.5}),
        event(vitals={"heart_rate": 400}),
        event(vitals={"heart_rate": "72"}),
        event(vitals={"heart_rate": float("nan")}),
        LARGE.format(T, f'"heart_rate":{"9" * 310}'),
        LARGE.format(T, f'"heart_rate":{"9" * 30}'),
        LARGE.format(T, '"heart_rate":1e999'),
        LARGE.format(T, '"heart_rate":072'),
        "[" * 10_000,
        "[]",
        "{",
    ],
    ids=lambda sent: str(sent)[:90],
)
def test_an_event_is_judged_as_the_stream_judges_it(ndjson: Any, sent: Any) -> None:
    file = ndjson(sent)
    readings = read_readings([file])
    (payload,) = read_lines(file)
    by_stream = judge(payload, received_at=datetime(2026, 1, 6, tzinfo=UTC), limits=Limits())
    if isinstance(by_stream, Rejected):
        assert readings.refused == {by_stream.code.value: 1}
    else:
        assert readings.refused == {}
        assert readings.frame["recorded_at"].to_list() == [by_stream.recorded_at]


def test_the_lines_of_events_are_handed_out_as_written(ndjson: Any) -> None:
    assert read_lines(ndjson('{"a" : 1}', "{")) == [b'{"a" : 1}', b"{"]
