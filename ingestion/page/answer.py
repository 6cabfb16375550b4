"""The pipeline in a sentence: is data coming in, all of it, in time? Pure: what it is told is all it knows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from devices.background import LATE_AFTER
from devices.reader import clock_shown, local
from ingestion.page.readers import Reading
from ingestion.page.throughput import Bar

MUCH_LAG: Final = 500  # messages that wait: the status bar turns amber there, too
SLOW_S: Final = 2.0  # the target of the delay
REFUSED_SHARE: Final = 0.05
LATELY: Final = 5  # bars of a minute
QUIET_AFTER: Final = timedelta(seconds=60)
State = Literal["fine", "quiet", "look", "stopped", "never"]


@dataclass(frozen=True, slots=True)
class Answer:
    """`says` answers, `means` adds what it is about or what to do. Of the states only `fine` needs nobody."""

    state: State
    says: str
    means: str


def answer_of(reading: Reading, minutes: list[Bar], *, ticked_at: datetime | None, at: datetime) -> Answer:
    """By the consumers that live, the bars of the last minutes, the last one not over, and when the background worker
    last worked (`devices.background`); the worst goes first."""
    if not reading.living:
        return _stopped(reading.heard_at)
    if not reading.partitions:
        return Answer("look", "No topic is read yet.", "A stream worker lives, and waits for its partitions.")
    if reading.unread:
        count = len(reading.unread)
        says = f"{'A partition is' if count == 1 else f'{count} partitions are'} read by nobody."
        return Answer("look", says, "What comes there waits in Kafka. It is taken over within seconds of a restart.")
    if ticked_at is None or at - ticked_at > LATE_AFTER:
        since = f" since {clock_shown(ticked_at, seconds=True)} ({local(ticked_at):%-d %b})" if ticked_at else ""
        means = f"No background worker has run{since}: alerts open, and their messages wait. Start worker and beat."
        return Answer("look", "Data is coming in, but nobody is told.", means)
    return _of_what_came(reading, minutes, at)


def _of_what_came(reading: Reading, minutes: list[Bar], at: datetime) -> Answer:
    lately = minutes[-LATELY:]
    came, refused = sum(bar.messages for bar in lately), sum(bar.quarantined or 0 for bar in lately)
    lag, delay = reading.lag or 0, reading.delay_p99_s or 0.0
    if lag >= MUCH_LAG or delay > SLOW_S:
        means = f"{lag:,} messages wait, and one in a hundred took longer than {delay:.1f} s."
        return Answer("look", "Data is coming in, but late.", means)
    if came and refused / came > REFUSED_SHARE:
        means = f"{refused:,} of {came:,} messages of the last five minutes: see the quarantine for the reasons."
        return Answer("look", "Data is coming in, but much of it is refused.", means)
    came_at = reading.came_at
    if not reading.per_second and (came_at is None or at - came_at > QUIET_AFTER):
        since = f" since {clock_shown(came_at, seconds=True)}" if came_at else ""
        return Answer("quiet", "Nothing is coming in.", f"The stream workers live and wait: nobody sends{since}.")
    return Answer("fine", "Data is coming in, all of it, in time.", "")


def _stopped(heard_at: datetime | None) -> Answer:
    if heard_at is None:
        return Answer("never", "Nothing has come in yet.", "No stream worker has run here.")
    since = f"{clock_shown(heard_at, seconds=True)} ({local(heard_at):%-d %b})"
    means = f"Readings wait in Kafka: nothing is lost, nothing is judged since {since}."
    return Answer("stopped", "No stream worker is running.", means)
