"""What the pipeline must remember: how far each partition is stored, what was refused, what was never there."""

from django.conf import settings
from django.db import models
from django.db.models import Q


class PartitionLedger(models.Model):
    """How far a partition is stored, and who may store on. It wins over Kafka's own offsets.

    `epoch` is the fence: every assignment raises it, and a batch commits only under the epoch it began with. The
    backend's pid and start name the database connection of the owner, so that a stopped one can be ended.
    What was received in [listening_since, consumed_until] is known without a gap: while the owner listens, the broker
    answers, and everything is stored (`ingestion.stream.listening`).
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
    sent_again_at = models.DateTimeField(null=True, blank=True)
    sent_again_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    sent_again_partition = models.PositiveIntegerField(null=True, blank=True)
    sent_again_offset = models.BigIntegerField(null=True, blank=True)

    class Meta:
        permissions = [
            ("view_payload", "May see the bytes of refused messages, with the right to see every wearer"),
            ("send_again", "May send refused messages again"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["cluster_id", "topic", "partition", "offset"], name="quarantine_once"),
            models.CheckConstraint(
                condition=Q(sent_again_at__isnull=True)
                | Q(sent_again_partition__isnull=False, sent_again_offset__isnull=False),
                name="quarantine_sent_again",
            ),
        ]
        indexes = [
            # the inspector: newest first, by reason
            models.Index(fields=["-received_at"], name="quarantine_newest"),
            models.Index(fields=["reason", "-received_at"], name="quarantine_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.offset} {self.reason}"


class PipelineMinute(models.Model):
    """What one run of a consumer did in a minute of the clock, rewritten every 10 s while the minute lasts.

    For people who look at the pipeline, and for no decision: what a consumer that is killed has counted since it last
    wrote is missing here, and nowhere else. Kept for a week.
    """

    minute = models.DateTimeField()
    consumer = models.CharField(max_length=128)
    started_at = models.DateTimeField(help_text="Of the consumer: one that starts anew has rows of its own.")
    stored = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0, help_text="Of the stored.")
    quarantined = models.PositiveIntegerField(default=0)
    reasons = models.JSONField(default=dict, help_text="Quarantined messages by reason.")
    batches = models.PositiveIntegerField(default=0)
    stored_p50_s = models.FloatField(null=True, help_text="Receipt to commit, of each batch its first message.")
    stored_p99_s = models.FloatField(null=True)
    stored_worst_s = models.FloatField(null=True)
    travel_p50_s = models.FloatField(null=True, help_text="Measured to received, of some readings.")
    travel_p99_s = models.FloatField(null=True)
    travel_worst_s = models.FloatField(null=True)
    memory_bytes = models.BigIntegerField(null=True, help_text="That the process held.")
    partitions = models.JSONField(default=list, help_text="[topic, partition, polled up to, messages that wait] each.")

    class Meta:
        default_permissions = ()
        constraints = [
            # also the index of the page: the rows of the last hour, day or week
            models.UniqueConstraint(fields=["minute", "consumer", "started_at"], name="pipeline_minute_once")
        ]

    def __str__(self) -> str:
        return f"{self.consumer} {self.minute.isoformat()}"


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
    (`ingestion.write.writers`)."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="+")
    writer = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.user_id}: {self.writer}"
