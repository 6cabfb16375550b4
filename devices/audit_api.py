"""The API of the audit log: read only, for who may read it."""

from typing import TYPE_CHECKING, Any

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers

from devices.authentication import IsPerson, person
from devices.models import AuditEntry, Verb, Way
from devices.paging import KeysetPagination
from devices.rights.audit import audit_entries
from devices.serializers import SpanQuery

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView


class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    """What somebody did: `actor` on `person` (user ids; empty: nobody), on `what`; `changes` has fields before and
    after, an empty list where it is only kept that they changed. A keyed hash stands for somebody erased."""

    way = serializers.ChoiceField(choices=Way.choices)
    verb = serializers.ChoiceField(choices=Verb.choices)
    changes = serializers.DictField(child=serializers.ListField())

    class Meta:
        model = AuditEntry
        fields = ["id", "at", "way", "verb", "actor", "person", "what", "changes", "address"]


class AuditQuery(SpanQuery):
    """Which entries."""

    person = serializers.CharField(required=False, max_length=64, help_text="About whom, by user id.")
    actor = serializers.CharField(required=False, max_length=64, help_text="By whom, by user id.")
    verb = serializers.ChoiceField(required=False, choices=Verb.choices)


class MayAudit(IsPerson):
    """Somebody signed in with the permission to read the audit log."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return super().has_permission(request, view) and person(request).has_perm("devices.view_audit")


class AuditList(generics.ListAPIView[AuditEntry]):
    """Who changed what, and who read whose data, newest first."""

    permission_classes = [MayAudit]
    serializer_class = AuditEntrySerializer
    pagination_class = KeysetPagination
    keyset = ("-at", "-pk")

    @extend_schema(parameters=[AuditQuery], tags=["audit"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> "Response":
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[AuditEntry]":
        wanted = AuditQuery(data=self.request.query_params)
        wanted.is_valid(raise_exception=True)
        return audit_entries(**wanted.validated_data)
