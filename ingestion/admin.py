"""The admin of the pipeline: what was refused, how far it is stored, what was never there. To look at only."""

from typing import Any, Final

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from devices.admin_base import ReadOnlyAdmin, signed_in
from ingestion.models import OffsetGap, PartitionLedger, QuarantinedMessage
from ingestion.page.inspector import bytes_seen, may_see_bytes
from ingestion.page.shown_bytes import as_text

SHOWN: Final = 2048  # bytes; more is not kept
HEALTH_DATA: Final = {"key_as_text", "payload_as_text", "payload_as_hex"}


@admin.register(QuarantinedMessage)
class QuarantineAdmin(ReadOnlyAdmin):
    """Messages that could not be stored; what they hold is for who may see it."""

    list_display = ["received_at", "reason", "field", "topic", "partition", "offset", "size"]
    list_filter = ["reason", "topic"]
    search_fields = ["=field", "=offset"]
    search_help_text = "Field or offset"
    ordering = ["-received_at"]
    fields = [
        "received_at", "created_at", "reason", "field", "cluster_id", "topic", "partition", "offset",
        "key_as_text", "size", "payload_as_text", "payload_as_hex", "sent_again_at", "sent_again_by",
        "sent_again_partition", "sent_again_offset",
    ]  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> list[Any]:
        shown = list(super().get_fields(request, obj))
        return shown if may_see_bytes(signed_in(request)) else [name for name in shown if name not in HEALTH_DATA]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        found = super().get_object(request, object_id, from_field)
        if isinstance(found, QuarantinedMessage) and may_see_bytes(signed_in(request)):
            bytes_seen(found, by=signed_in(request), at=timezone.now())
        return found

    @admin.display(description="key")
    def key_as_text(self, message: QuarantinedMessage) -> str:
        return as_text(bytes(message.key))

    @admin.display(description="payload")
    def payload_as_text(self, message: QuarantinedMessage) -> str:
        return as_text(bytes(message.payload[:SHOWN]))

    @admin.display(description="payload, hexadecimal")
    def payload_as_hex(self, message: QuarantinedMessage) -> str:
        return bytes(message.payload[:SHOWN]).hex(" ")


@admin.register(PartitionLedger)
class LedgerAdmin(ReadOnlyAdmin):
    """How far each partition is stored, and by whom."""

    list_display = [
        "topic",
        "partition",
        "next_offset",
        "epoch",
        "owner",
        "group",
        "listening_since",
        "consumed_until",
        "updated_at",
        "cluster_id",
    ]
    list_filter = ["topic"]
    ordering = ["topic", "partition"]


@admin.register(OffsetGap)
class OffsetGapAdmin(ReadOnlyAdmin):
    """Messages that were never seen."""

    list_display = ["noticed_at", "topic", "partition", "expected", "found", "reason"]
    ordering = ["-noticed_at"]
