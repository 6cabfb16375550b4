"""All files of an export as one ZIP file, written while it is sent."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo
from zoneinfo import ZoneInfo

from dashboard.export.columns import Table
from dashboard.export.formats import Format, written
from dashboard.export.snapshot import Snapshot
from devices.models import User
from devices.times import rfc3339

READ_ME = """\
What Telara keeps of {name}, as of {at}.

{files}

columns.csv names every column of every file, with its unit (UCUM), its LOINC code where it has one, and what it is.
Times are RFC 3339, by the clock of {zone}. Empty cells (null in JSON lines) were not measured, or do not apply.
CSV files are UTF-8 with commas and a header; cells that a spreadsheet would take for a formula begin with an
apostrophe. readings.csv (unless other units were asked for) can be given to `manage.py replay_readings` of another
Telara.
Not part of it: passwords and tokens, which are kept as hashes only; where channels lead, which is sealed; what
{name} did about other people; messages that were refused; log files and backups. How {name} signs in, how and of
whom they are told, and what they keep at hand is only in what they export themselves. All of it is of the same moment.
Telara is not a medical device.
"""


class _Sink(io.RawIOBase):
    """What was written since it was last taken; it cannot be gone back in, so nothing is kept."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def zipped(  # noqa: PLR0913  # what of whom, how and when, each by name
    files: Iterable[Table], person: User, snapshot: Snapshot, *, as_: Format, zone: ZoneInfo, at: datetime
) -> Iterator[bytes]:
    """The archive in pieces, a page of rows each."""
    listed, sink = list(files), _Sink()
    moment = (at.year, at.month, at.day, at.hour, at.minute, at.second)
    with ZipFile(sink, "w", ZIP_DEFLATED) as archive:
        archive.writestr(_entry("README.txt", moment), _read_me(listed, person, as_, zone, at))
        archive.writestr(_entry("columns.csv", moment), columns_csv(listed, as_=as_))
        yield sink.take()
        for table in listed:
            with archive.open(_entry(f"{table.name}.{as_}", moment), "w", force_zip64=True) as entry:
                for piece in written(table, person, snapshot, as_=as_, zone=zone):
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()


def columns_csv(files: Iterable[Table], *, as_: Format) -> str:
    """What every column is, as a file of its own."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("file", "column", "unit", "loinc", "about"))
    for table in files:
        rows.writerows((f"{table.name}.{as_}", c.name, c.unit, c.loinc, c.about) for c in table.columns)
    return text.getvalue()


def _entry(name: str, moment: tuple[int, int, int, int, int, int]) -> ZipInfo:
    entry = ZipInfo(name, moment)
    entry.compress_type = ZIP_DEFLATED
    return entry


def _read_me(files: Iterable[Table], person: User, as_: Format, zone: ZoneInfo, at: datetime) -> str:
    said = "\n".join(f"{table.name}.{as_}: {table.about}" for table in files)
    return READ_ME.format(name=person.username, at=rfc3339(at, zone), files=said, zone=zone.key)
