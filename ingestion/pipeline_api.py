"""The API of the pipeline: who consumes, how far each partition is stored, what was refused lately."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import Count
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.models import PipelineStatus
from ingestion.models import PartitionLedger, QuarantinedMessage

if TYPE_CHECKING:
    from rest_framework.request import Request

GONE_AFTER: Final = timedelta(seconds=10)
REFUSED_WITHIN: Final = timedelta(days=1)


class ConsumerSerializer(serializers.ModelSerializer[PipelineStatus]):
    """A consumer, as it last said of itself."""

    class Meta:
        model = PipelineStatus
        fields = [
            "consumer", "updated_at", "started_at", "lag", "events_per_second", "delay_p99_s", "evaluated_at",
            "stored", "duplicates", "quarantined",
        ]  # fmt: skip


class PartitionSerializer(serializers.ModelSerializer[PartitionLedger]):
    """How far a partition is stored, and by whom; what was received in [listening_since, consumed_until] is known."""

    class Meta:
        model = PartitionLedger
        fields = ["topic", "partition", "next_offset", "owner", "listening_since", "consumed_until", "updated_at"]


class PipelineAnswer(serializers.Serializer[None]):
    """The pipeline. `refused` counts the messages of the last day by reason."""

    consumers = ConsumerSerializer(many=True)
    partitions = PartitionSerializer(many=True)
    refused = serializers.DictField(child=serializers.IntegerField())


class PipelineView(APIView):
    """Whether data is coming in, all of it, in time."""

    @extend_schema(responses=PipelineAnswer, tags=["pipeline"])
    def get(self, request: "Request") -> Response:  # noqa: ARG002  # DRF's signature
        now = timezone.now()
        consumers = PipelineStatus.objects.filter(
            updated_at__gt=now - GONE_AFTER, updated_at__lt=now + GONE_AFTER
        ).order_by("consumer")
        partitions = PartitionLedger.objects.order_by("topic", "partition")
        refused = QuarantinedMessage.objects.filter(received_at__gt=now - REFUSED_WITHIN).values("reason")
        body = {
            "consumers": ConsumerSerializer(consumers, many=True).data,
            "partitions": PartitionSerializer(partitions, many=True).data,
            "refused": {row["reason"]: row["n"] for row in refused.annotate(n=Count("pk")).order_by("reason")},
        }
        return Response(body)
