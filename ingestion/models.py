"""What the pipeline must remember: how far each partition is stored, what was refused, what was never there."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class PartitionLedger(models.Model):
    """How far a partition is stored, and who may store on. It wins over Kafka's own offsets.

    `epoch` is the fence: every assignment raises it, and a batch commits only under the epoch it began with. The
    backend's pid and start name the database connection of the owner, so that a stopped one can be ended.
    What was received in [listening_since, consumed_until] is known without a gap: while the owner listens, the broker
    answers, and everything is stored (`ingestion.listening`).
    """

    cluster_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    topic_id = models.CharField(max_length=32, blank=True, db_default="", help_text="Another one: it was made anew.")
    partition = models.PositiveIntegerField()
    next_offset = models.BigIntegerField(null=True, help_text="Null until the first claimer knows where to begin.")
    epoch = models.BigIntegerField(default=0)
    owner = models.CharField(max_length=128, blank=True, default="")
    group = models.CharField(max_length=128, blank=True, default="")
    backend_pid = models.IntegerField(null=True, blank=True)
    backend_start = models.DateTimeField(null=True, blank=True)
    listening_since = models.DateTimeField(null=True, blank=True)
    consumed_until = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "partition ledger"
        constraints = [
            models.UniqueConstraint(fields=["cluster_id", "topic", "partition"], name="ledger_once"),
            models.CheckConstraint(condition=Q(next_offset__gte=0), name="ledger_offset"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] {self.next_offset}"


class QuarantinedMessage(models.Model):
    """A message that could not be stored: its coordinates, a stable reason, and up to 2 KiB of its bytes."""

    cluster_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    offset = models.BigIntegerField()
    reason = models.CharField(max_length=24)
    field = models.CharField(max_length=64, blank=True, default="")
    key = models.BinaryField(max_length=256, default=b"")
    payload = models.BinaryField()
    size = models.PositiveIntegerField(help_text="Bytes before the cut.")
    received_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cluster_id", "topic", "partition", "offset"], name="quarantine_once")
        ]
        indexes = [
            # the inspector: newest first, by reason
            models.Index(fields=["-received_at"], name="quarantine_newest"),
            models.Index(fields=["reason", "-received_at"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset} {self.reason}"


class OffsetGap(models.Model):
    """Messages that were never seen: the broker no longer held them, or the topic was made anew."""

    cluster_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    expected = models.BigIntegerField()
    found = models.BigIntegerField()
    reason = models.CharField(max_length=16)
    noticed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cluster_id", "topic", "partition", "expected", "found"], name="offset_gap_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}] {self.expected} -> {self.found}"


class LateStretch(models.Model):
    """What late readings of a person touched, from the first to the last of them, until it has been judged anew.

    The coordinates say which consumer does that: the one that owns the partition that the readings came by.
    """

    user_id = models.BigIntegerField(primary_key=True)
    cluster_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    partition = models.PositiveIntegerField()
    since = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id} from {self.since.isoformat()}"


class Mishap(models.Model):
    """Something that befell the pipeline, until it is part of an alert (`ingestion.mishaps`)."""

    event = models.CharField(max_length=16)
    at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    text = models.TextField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.event} {self.at.isoformat()}"


class Placement(models.Model):
    """By which partition the readings of a person (`user_id` of the stream) came last."""

    cluster_id = models.CharField(max_length=64)
    topic = models.CharField(max_length=249)
    user_id = models.CharField(max_length=64)
    partition = models.PositiveIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["cluster_id", "topic", "user_id"], name="placement_once")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.topic}[{self.partition}]"


class PersonWriter(models.Model):
    """The worker that alone remembers a person rightly: the last that stored or judged their readings
    (`ingestion.writers`)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    writer = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.writer}"
