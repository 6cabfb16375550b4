"""Runs of the simulator: asked for on a page, by the clock, or from a command line."""

from django.db import models
from django.db.models import F, Q

from devices.models.person import USER_ID_PATTERN


class Simulation(models.Model):
    """What is simulated, when, and how far it is.

    A run of the runner `worker` is carried out by the worker's clock, a slice each second, under a lock of this row: a
    slice that dies with its worker is rolled back and sent again, as the same events. A run of the runner `command`
    is a `run_simulator` that is alive: its row is its sign, and may tell it to stop.
    """

    class Runner(models.TextChoices):
        WORKER = "worker", "Worker"
        COMMAND = "command", "Command line"

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        RUNNING = "running", "Running"
        STOPPED = "stopped", "Stopped"

    class Reason(models.TextChoices):
        DONE = "done", "Done"
        ASKED = "asked", "Stopped by a person"
        LOST = "lost", "Its process is gone"

    runner = models.CharField(max_length=8, choices=Runner)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    reason = models.CharField(max_length=8, choices=Reason, blank=True, default="", help_text="Why it stopped.")

    wearers = models.PositiveIntegerField(default=0, help_text="user_001 to user_N.")
    wearer_id = models.CharField("user id", max_length=64, blank=True, default="", help_text="Has the anomaly.")
    hertz = models.FloatField(default=1.0, help_text="Readings a second of each.")
    anomaly = models.CharField(max_length=32, blank=True, default="")
    bad_data = models.FloatField(default=0.0, help_text="Part of the events that is spoilt.")
    seed = models.BigIntegerField(default=1)
    starts_at = models.DateTimeField(help_text="Of this round.")
    duration_s = models.FloatField(null=True, blank=True, help_text="Of each round; until stopped where empty.")
    repeat_s = models.FloatField(null=True, blank=True, help_text="From the start of a round to that of the next.")

    sent_until = models.DateTimeField(null=True, blank=True, help_text="Everything before it is at the broker.")
    seen_at = models.DateTimeField(null=True, blank=True, help_text="When its runner last said that it is alive.")
    sent = models.BigIntegerField(default=0)
    spoilt = models.BigIntegerField(default=0)
    rounds = models.PositiveIntegerField(default=0, help_text="Rounds that are over.")

    requested_by = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="simulations"
    )
    requested_at = models.DateTimeField()
    stopped_by = models.ForeignKey(
        "devices.User", null=True, blank=True, on_delete=models.SET_NULL, related_name="stopped_simulations"
    )
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-requested_at", "-id"]
        indexes = [
            # the clock, each second, and every live run: which are due or running
            models.Index(fields=["starts_at"], condition=~Q(state="stopped"), name="simulation_alive")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(wearer_id="") | Q(wearer_id__regex=USER_ID_PATTERN), name="simulation_wearer"
            ),
            models.CheckConstraint(condition=Q(bad_data__gte=0, bad_data__lte=1), name="simulation_bad_data"),
            models.CheckConstraint(
                condition=Q(repeat_s__isnull=True) | Q(repeat_s__gt=F("duration_s")), name="simulation_repeat"
            ),
            models.CheckConstraint(
                condition=Q(state="stopped", stopped_at__isnull=False) | ~Q(state="stopped"), name="simulation_stopped"
            ),
        ]

    def __str__(self) -> str:
        return f"simulation {self.pk} ({self.anomaly or 'calm'}, {self.state})"
