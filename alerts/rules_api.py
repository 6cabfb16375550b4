"""The API of rules: everyone signed in may read them, and with the permission change them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.models import Rule
from alerts.rule_files import Problem
from alerts.selectors import rule_get, rules_listed
from alerts.serializers import Note, RuleDetailSerializer, RuleSerializer, RuleText
from alerts.services.rules import RuleProblems, rule_disable, rule_enable, rule_write
from devices.authentication import person
from devices.errors import ApiError
from devices.paging import KeysetPagination

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class RuleList(generics.ListAPIView[Rule]):
    """All rules, by id."""

    serializer_class = RuleSerializer
    pagination_class = KeysetPagination
    keyset = ("rule_id",)

    @extend_schema(tags=["rules"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Rule]":
        return rules_listed()

    @extend_schema(request=RuleText, responses={201: RuleDetailSerializer}, tags=["rules"])
    def post(self, request: "Request") -> Response:
        """Add a rule, or a version of one, as YAML; it is active 10 s later where a consumer runs."""
        return Response(_written(request, None), status=status.HTTP_201_CREATED)


class RuleView(APIView):
    """One rule with all its versions."""

    @extend_schema(responses=RuleDetailSerializer, tags=["rules"])
    def get(self, request: "Request", rule_id: str) -> Response:  # noqa: ARG002  # DRF's signature
        return Response(RuleDetailSerializer(_rule(rule_id)).data)

    @extend_schema(request=RuleText, responses=RuleDetailSerializer, tags=["rules"])
    def put(self, request: "Request", rule_id: str) -> Response:
        """A new version; what fires under the old one ends."""
        return Response(_written(request, _rule(rule_id)))


class EnableView(APIView):
    """Let a rule count again."""

    @extend_schema(request=Note, responses=RuleDetailSerializer, tags=["rules"])
    def post(self, request: "Request", rule_id: str) -> Response:
        return _switched(request, rule_id, rule_enable)


class DisableView(APIView):
    """Let a rule count no more; what fires under it ends."""

    @extend_schema(request=Note, responses=RuleDetailSerializer, tags=["rules"])
    def post(self, request: "Request", rule_id: str) -> Response:
        return _switched(request, rule_id, rule_disable)


def no_rule(problems: Iterable[Problem]) -> ApiError:
    """The answer to a text that is no rule: every problem with its place."""
    places = [{"line": p.line, "column": p.column, "message": p.message} for p in problems]
    return ApiError(400, "invalid", "The text is no rule.", fields={"source": places})


def _rule(rule_id: str) -> Rule:
    try:
        return rule_get(rule_id=rule_id)
    except Rule.DoesNotExist:
        raise NotFound("There is no such rule.") from None


def _may_change(request: "Request") -> None:
    if not person(request).has_perm("alerts.change_rule"):
        raise PermissionDenied("Changing rules takes the permission to.")


def _written(request: "Request", rule: Rule | None) -> Any:
    _may_change(request)
    given = RuleText(data=request.data)
    given.is_valid(raise_exception=True)
    try:
        version = rule_write(rule=rule, by=person(request), at=timezone.now(), **given.validated_data)
    except RuleProblems as error:
        raise no_rule(error.problems) from None
    return RuleDetailSerializer(_rule(version.rule.rule_id)).data


def _switched(request: "Request", rule_id: str, service: Any) -> Response:
    _may_change(request)
    rule = _rule(rule_id)
    given = Note(data=request.data)
    given.is_valid(raise_exception=True)
    service(rule=rule, by=person(request), at=timezone.now(), **given.validated_data)
    return Response(RuleDetailSerializer(_rule(rule_id)).data)
