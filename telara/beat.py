"""The clock of what runs by the clock."""

from typing import Any

from celery.beat import PersistentScheduler


class Scheduler(PersistentScheduler):
    """Celery's, but for a clock that is set back: there no task has its turn until the time of its last one has come
    again. Here each has just had it."""

    def tick(self, *args: Any, **options: Any) -> float:
        now = self.app.now()
        ahead = [entry for entry in self.schedule.values() if (entry.last_run_at or now) > now]
        for entry in ahead:
            entry.last_run_at = now
        if ahead:
            self._heap = None  # made anew: its times are of the former clock, too
        seconds: float = super().tick(*args, **options)
        return seconds
