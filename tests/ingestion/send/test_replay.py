"""`replay_readings`: files as they are, in their order, and the same ids each time."""

import gzip
import json
import os
import signal
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

import pytest
from django.core.management import CommandError, call_command

from devices.readings_file import read_readings
from ingestion.decode.exact import judge
from ingestion.decode.verdicts import Limits, Rejected
from ingestion.management.commands import replay_readings
from ingestion.send.replay import recording
from tests.ingestion.topic import messages_of

pytestmark = [pytest.mark.kafka, pytest.mark.django_db(transaction=True)]

CSV = """timestamp,user_id,heart_rate,steps_per_minute,posture
2026-01-01T10:00:00Z,ana,64,0,seated
2026-01-01T10:00:05Z,ben,71.5,,
2026-01-01T09:59:58+00:00,ana,,12,walking
2026-01-01T10:00:05Z,ana,abc,nan,lying
2026-01-01T10:00:06,ana,1e999,,
"""
EVENT = {
    "event_id": "8f14e45f-ceea-467f-a9d1-1c8b3f3a4c55", "timestamp": "2026-01-01T10:00:00.000Z", "user_id": "ana",
    "vitals": {"heart_rate": 70}, "unknown": [1, 2],
}  # fmt: skip


@pytest.fixture
def topic(settings: Any) -> str:
    """A topic of this test alone, to which files are replayed."""
    settings.TELARA_TOPIC_RAW = f"test-{uuid4()}"
    return settings.TELARA_TOPIC_RAW


def written(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.name.endswith(".gz") else text.encode())
    return path


def replay(*args: object) -> tuple[str, str]:
    out, errors = StringIO(), StringIO()
    call_command("replay_readings", *map(str, args), stdout=out, stderr=errors)
    return out.getvalue(), errors.getvalue()


def events_of(topic: str) -> list[dict[str, Any]]:
    return [json.loads(message.value) for message in messages_of(topic)]


@pytest.mark.parametrize("name", ["some.csv", "some.csv.gz"])
def test_rows_of_a_csv_become_events_of_the_contract(topic: str, tmp_path: Path, name: str):
    said, _ = replay(written(tmp_path / name, CSV))
    ana = [event for event in events_of(topic) if event["user_id"] == "ana"]
    assert [event["timestamp"] for event in ana] == [
        "2026-01-01T10:00:00Z", "2026-01-01T09:59:58+00:00", "2026-01-01T10:00:05Z", "2026-01-01T10:00:06",
    ]  # fmt: skip
    assert ana[0]["vitals"] == {"heart_rate": 64}
    assert ana[0]["activity"] == {"steps_per_minute": 0, "posture": "seated"}
    assert ana[1]["vitals"] == {"heart_rate": None}
    assert {message.key for message in messages_of(topic)} == {b"ana", b"ben"}
    assert "5 readings of 1 files sent and acknowledged" in said


def test_cells_that_are_no_numbers_are_sent_to_be_refused(topic: str, tmp_path: Path):
    replay(written(tmp_path / "some.csv", CSV))
    odd = [event for event in events_of(topic) if event["user_id"] == "ana"][2:]
    assert [event["vitals"]["heart_rate"] for event in odd] == ["abc", "1e999"]
    assert odd[0]["activity"]["steps_per_minute"] == "nan"


@pytest.mark.parametrize(
    "cell", ["72", "+72", "72.", ".5", "007", "7.2e1", " 72", "72 ", "1_000", "0x48", "abc", "nan", "inf", '""', '" "']
)
def test_a_cell_is_sent_as_a_backtest_over_the_file_reads_it(tmp_path: Path, cell: str):
    path = written(tmp_path / "some.csv", f"timestamp,user_id,heart_rate,posture\n2026-01-01T10:00:00Z,ana,{cell},\n")
    (sent,) = recording(path).events()
    verdict = judge(str(sent.event).encode(), received_at=datetime(2026, 1, 2, tzinfo=UTC), limits=Limits())
    read = read_readings([path])
    if isinstance(verdict, Rejected):
        assert read.refused == {verdict.code.value: 1}
    else:
        assert read.frame["heart_rate"].to_list() == [verdict.values.get("heart_rate")]


def test_ids_are_those_of_the_contract_so_a_second_replay_adds_nothing(topic: str, tmp_path: Path):
    path = written(tmp_path / "some.csv", CSV)
    replay(path)
    replay(path)
    ids = [event["event_id"] for event in events_of(topic)]
    names = [
        "telara:ana|2026-01-01T10:00:00Z|heart_rate=64,posture=seated,steps_per_minute=0",
        "telara:ben|2026-01-01T10:00:05Z|heart_rate=71.5",
        "telara:ana|2026-01-01T09:59:58+00:00|posture=walking,steps_per_minute=12",
        "telara:ana|2026-01-01T10:00:05Z|heart_rate=abc,posture=lying,steps_per_minute=nan",
        "telara:ana|2026-01-01T10:00:06|heart_rate=1e999",
    ]
    assert sorted(ids) == sorted([str(uuid5(NAMESPACE_URL, name)) for name in names] * 2)


def test_an_id_of_the_file_is_kept(topic: str, tmp_path: Path):
    own = str(uuid4())
    replay(
        written(tmp_path / "some.csv", f"timestamp,user_id,event_id,heart_rate\n2026-01-01T10:00:00Z,ana,{own},64\n")
    )
    assert [event["event_id"] for event in events_of(topic)] == [own]


def test_lines_of_ndjson_are_sent_as_they_are_good_or_bad(topic: str, tmp_path: Path):
    lines = [json.dumps(EVENT), "{broken", '["no", "event"]', "", json.dumps(EVENT | {"user_id": 7})]
    replay(written(tmp_path / "some.ndjson.gz", "\n".join(lines) + "\n"))
    messages = messages_of(topic)
    assert sorted(message.value.decode() for message in messages) == sorted(line for line in lines if line)
    assert {message.key for message in messages} == {b"ana", None}


def test_files_are_sent_one_after_the_other(topic: str, tmp_path: Path):
    first = written(tmp_path / "1.csv", "timestamp,user_id,heart_rate\n2026-01-01T10:00:00Z,ana,64\n")
    second = written(tmp_path / "2.csv", "timestamp,user_id,heart_rate\n2025-01-01T10:00:00Z,ana,65\n")
    replay(first, second)
    assert [event["vitals"]["heart_rate"] for event in events_of(topic)] == [64, 65]


def test_now_shifts_all_times_so_that_the_last_is_now(topic: str, tmp_path: Path):
    replay(written(tmp_path / "some.csv", CSV), written(tmp_path / "some.ndjson", json.dumps(EVENT)), "--now")
    now = datetime.now(UTC).timestamp()
    texts = [event["timestamp"] for event in events_of(topic)]
    assert "2026-01-01T10:00:06" in texts  # no time of the contract: left for the consumer to refuse
    times = sorted(datetime.fromisoformat(text).timestamp() for text in texts if text.endswith("Z"))
    assert times[-1] == pytest.approx(now, abs=5)
    assert times[-1] - times[0] == pytest.approx(7)


def test_a_time_that_no_shift_can_reach_is_sent_as_it_is(topic: str, tmp_path: Path):
    never, first = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"  # what a clock says that was never set
    rows = "".join(f"{at},ana,64\n" for at in (never, "2026-01-01T10:00:00Z", first))
    replay(written(tmp_path / "some.csv", "timestamp,user_id,heart_rate\n" + rows), "--now")
    lines = [json.dumps(EVENT | {"timestamp": at, "user_id": "ben"}) for at in (never, first)]
    replay(written(tmp_path / "some.ndjson", "\n".join(lines)), "--now")
    texts = [(event["user_id"], event["timestamp"][:4]) for event in events_of(topic)]
    assert sorted(texts)[:2] == [("ana", "0001"), ("ana", "2026")]
    assert ("ben", "0001") in texts


class Clock:
    """One that goes on while somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_speed_paces_by_the_times_of_the_file(topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(replay_readings, "time", clock := Clock())
    replay(written(tmp_path / "some.csv", CSV), "--speed", "5")
    assert clock.seconds == pytest.approx(1.0)  # the last one has no time, and is sent at once
    assert len(messages_of(topic)) == 5


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("some.csv.gz", b"timestamp,user_id\n", "not a gzip file"),
        ("some.csv.gz", gzip.compress(CSV.encode())[:-9], "cut short"),
        ("some.csv", b"", "empty"),
        ("some.csv", b"time,user_id\n1,2\n", "timestamp"),
        ("some.csv", b"timestamp,user_id,mood\n1,2,3\n", "mood"),
        ("some.txt", b"", "some.txt"),
    ],
)
def test_a_file_that_is_none_is_named(topic: str, tmp_path: Path, name: str, content: bytes, said: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CommandError, match=said) as refusal:
        replay(path)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(CommandError, match=r"none\.csv"):
        replay(tmp_path / "none.csv")


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_a_speed_that_is_none_is_refused(tmp_path: Path, speed: str):
    with pytest.raises(CommandError, match="speed"):
        replay(written(tmp_path / "some.csv", CSV), "--speed", speed)


def test_it_stops_at_a_signal(topic: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = written(tmp_path / "some.csv", CSV + "2026-01-01T11:00:00Z,ana,60,,\n")

    class Ended(Clock):
        """Somebody ends the process while it waits for the reading of 11 o'clock."""

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            if self.seconds > 1:
                os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(replay_readings, "time", Ended())
    with pytest.raises(CommandError, match="Stopped after 5 of 6 readings"):
        replay(path, "--speed", "100")
    assert len(messages_of(topic)) == 5


def test_progress_is_told_on_stderr(topic: str, tmp_path: Path, settings: Any):
    settings.TELARA_KAFKA_EMBEDDED = False
    rows = "".join(f"2026-01-01T10:{n // 60 % 60:02d}:{n % 60:02d}Z,u{n // 3600},60\n" for n in range(250))
    _, errors = replay(written(tmp_path / "some.csv", "timestamp,user_id,heart_rate\n" + rows), "--speed", "100")
    assert "of 250 readings" in errors


def test_a_recording_knows_its_last_time(tmp_path: Path):
    assert recording(written(tmp_path / "some.csv", CSV)).last() == datetime(2026, 1, 1, 10, 0, 5, tzinfo=UTC)
