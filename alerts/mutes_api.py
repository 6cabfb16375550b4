"""The API of planned activity: whose rules are to stay quiet, and until when. Whoever may see a person may plan it for
them, and so may they themselves."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from alerts.models import Mute
from alerts.services.mutes import AHEAD, LONGEST_MUTE, TOO_FAR, WHY_LENGTH, MuteError, mute_add, mute_end
from devices.api import wearer_or_404
from devices.authentication import person
from devices.errors import ApiError
from devices.fields import AwareDateTimeField
from devices.models import User
from devices.paging import KeysetPagination

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

MOST_RULES: Final = 100
LONGEST_MINUTES: Final = int(LONGEST_MUTE / timedelta(minutes=1))
STATES: Final = ("on", "planned", "over")


class MuteSerializer(serializers.ModelSerializer[Mute]):
    """For [starts_at, ends_at) nobody is told what these rules find of a person. `over_at`: when its end was noted;
    one that was ended early ends then."""

    mute_id = serializers.IntegerField(source="pk")
    user_id = serializers.CharField(source="user.username")
    made_by = serializers.CharField(source="made_by.username", default=None, allow_null=True)

    class Meta:
        model = Mute
        fields = ["mute_id", "user_id", "rules", "starts_at", "ends_at", "why", "made_by", "made_at", "over_at"]


class MuteQuery(serializers.Serializer[None]):
    """Which ones."""

    user_id = serializers.CharField(required=False, max_length=64)
    state = serializers.ChoiceField(choices=STATES, required=False)


class NewMute(serializers.Serializer[None]):
    """What is planned. It begins now unless `starts_at` says when, and ends at a time, or so many minutes after."""

    user_id = serializers.CharField(required=False, max_length=64, help_text="A wearer; default: the caller.")
    rules = serializers.ListField(
        child=serializers.CharField(max_length=64), max_length=MOST_RULES, help_text="By id; none that is CRITICAL."
    )
    starts_at = AwareDateTimeField(required=False)
    ends_at = AwareDateTimeField(required=False)
    minutes = serializers.IntegerField(required=False, min_value=1, max_value=LONGEST_MINUTES)
    why = serializers.CharField(max_length=WHY_LENGTH)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("ends_at" in attrs) == ("minutes" in attrs):
            raise serializers.ValidationError({"ends_at": ["Give either ends_at or minutes."]})
        return attrs


class MuteList(generics.ListAPIView[Mute]):
    """The planned activity of the people you may see, the latest first."""

    serializer_class = MuteSerializer
    pagination_class = KeysetPagination
    keyset = ("-starts_at", "-id")

    @extend_schema(parameters=[MuteQuery], tags=["mutes"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Mute]":
        query = MuteQuery(data=self.request.query_params)
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        mutes = _visible(person(self.request))
        if wanted.get("user_id"):
            mutes = mutes.filter(user__username=wanted["user_id"])
        return mutes.filter(_in_state(wanted.get("state", "")))

    @extend_schema(request=NewMute, responses={201: MuteSerializer}, tags=["mutes"])
    def post(self, request: "Request") -> Response:
        """Plan activity: these rules stay quiet for a person until a time, for 12 hours at most."""
        given = NewMute(data=request.data)
        given.is_valid(raise_exception=True)
        values, by, at = dict(given.validated_data), person(request), timezone.now()
        wearer = wearer_or_404(user=by, user_id=values.pop("user_id", by.username))
        starts_at, minutes = values.pop("starts_at", at), values.pop("minutes", None)
        if starts_at > at + AHEAD:  # before anything is added to it: there is a last day
            raise _refused(MuteError("from", TOO_FAR))
        ends_at = values.pop("ends_at", None) or starts_at + timedelta(minutes=minutes)
        try:
            mute = mute_add(wearer=wearer, starts_at=starts_at, ends_at=ends_at, by=by, at=at, **values)
        except MuteError as error:
            raise _refused(error) from None
        return Response(MuteSerializer(mute).data, status=status.HTTP_201_CREATED)


class MuteEndView(APIView):
    """End planned activity."""

    @extend_schema(request=None, responses=MuteSerializer, tags=["mutes"])
    def post(self, request: "Request", mute_id: int) -> Response:
        """End it now, or before it began: what still fires may be told of again."""
        by = person(request)
        mute = _visible(by).filter(pk=mute_id).first()
        if mute is None:
            raise NotFound("There is no such planned activity, or you may not see it.")
        try:
            return Response(MuteSerializer(mute_end(mute=mute, by=by, at=timezone.now())).data)
        except MuteError as error:
            raise _refused(error) from None


def _visible(user: User) -> "QuerySet[Mute]":
    people = User.objects.visible_to(user).values("pk")
    return Mute.objects.filter(user__in=people).select_related("user", "made_by")


def _in_state(state: str) -> Q:
    at = timezone.now()
    return {
        "on": Q(starts_at__lte=at, ends_at__gt=at, over_at__isnull=True),
        "planned": Q(starts_at__gt=at, over_at__isnull=True),
        "over": Q(ends_at__lte=at) | Q(over_at__isnull=False),
    }.get(state, Q())


def _refused(error: MuteError) -> ApiError:
    if error.field in ("over", "too_many"):
        return ApiError(status.HTTP_409_CONFLICT, error.field, str(error))
    field = {"from": "starts_at", "until": "ends_at"}.get(error.field, error.field)
    return ApiError(status.HTTP_400_BAD_REQUEST, "invalid", str(error), fields={field: [str(error)]})
