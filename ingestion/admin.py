"""The admin of the pipeline: what was refused, how far it is stored, what was never there. To look at only."""

from typing import Final

from django.contrib import admin

from devices.admin_base import ReadOnlyAdmin
from ingestion.models import OffsetGap, PartitionLedger, QuarantinedMessage

SHOWN: Final = 2048  # bytes; more is not kept


@admin.register(QuarantinedMessage)
class QuarantineAdmin(ReadOnlyAdmin):
    """Messages that could not be stored."""

    list_display = ["received_at", "reason", "field", "topic", "partition", "offset", "size"]
    list_filter = ["reason", "topic"]
    search_fields = ["=field", "=offset"]
    search_help_text = "Field or offset"
    ordering = ["-received_at"]
    show_facets = admin.ShowFacets.NEVER
    fields = [
        "received_at", "created_at", "reason", "field", "cluster_id", "topic", "partition", "offset",
        "key_as_text", "size", "payload_as_text", "payload_as_hex",
    ]  # fmt: skip

    @admin.display(description="key")
    def key_as_text(self, message: QuarantinedMessage) -> str:
        return as_text(bytes(message.key))

    @admin.display(description="payload")
    def payload_as_text(self, message: QuarantinedMessage) -> str:
        return as_text(bytes(message.payload[:SHOWN]))

    @admin.display(description="payload, hexadecimal")
    def payload_as_hex(self, message: QuarantinedMessage) -> str:
        return bytes(message.payload[:SHOWN]).hex(" ")


def as_text(raw: bytes) -> str:
    """Bytes as text that shows itself: what is no UTF-8, and what no page can show, escaped."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


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
