"""The API of simulations, for those with the permission to run them."""

from typing import TYPE_CHECKING, Any, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.response import Response
from rest_framework.views import APIView

from devices.authentication import IsPerson, person
from devices.errors import ApiError
from devices.fields import AwareDateTimeField
from devices.models import Simulation
from devices.paging import KeysetPagination
from devices.simulations import NotVirtualError, SimulationError, simulation_start, simulation_stop
from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import MAX_RATE_HZ, MIN_RATE_HZ
from devices.simulator.plan import MAX_SEED, MAX_WEARERS, Wish

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request

MONTH_S: Final = 30 * 24 * 3600


class SimulationSerializer(serializers.ModelSerializer[Simulation]):
    """What is simulated, when, and how far it is."""

    user_id = serializers.CharField(source="wearer_id", read_only=True)
    requested_by = serializers.CharField(source="requested_by.username", default=None, allow_null=True, read_only=True)

    class Meta:
        model = Simulation
        fields = [
            "id", "runner", "state", "reason", "wearers", "user_id", "hertz", "anomaly", "bad_data", "seed",
            "starts_at", "duration_s", "repeat_s", "sent", "spoilt", "rounds", "requested_by", "requested_at",
            "stopped_at",
        ]  # fmt: skip


class NewSimulation(serializers.Serializer[None]):
    """What to simulate; without `wearers` twelve people, or the one of `user_id` alone."""

    wearers = serializers.IntegerField(required=False, min_value=0, max_value=MAX_WEARERS)
    user_id = serializers.CharField(required=False, max_length=64, help_text="Has the anomaly; else everyone.")
    hertz = serializers.FloatField(
        required=False, min_value=MIN_RATE_HZ, max_value=MAX_RATE_HZ, help_text="Readings a second of each (1)."
    )
    duration_s = serializers.FloatField(required=False, min_value=1, max_value=MONTH_S, help_text="Else until stopped.")
    anomaly = serializers.ChoiceField(required=False, choices=sorted(ANOMALIES))
    bad_data = serializers.FloatField(required=False, min_value=0, max_value=1)
    seed = serializers.IntegerField(required=False, min_value=0, max_value=MAX_SEED)
    starts_at = AwareDateTimeField(required=False)
    repeat_s = serializers.FloatField(required=False, min_value=1, max_value=12 * MONTH_S)


class MaySimulate(IsPerson):
    """Somebody signed in with the permission to run the simulator."""

    def has_permission(self, request: "Request", view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        if not person(request).has_perm("devices.run_simulator"):
            raise PermissionDenied("Running the simulator takes the permission to.")
        return True


class SimulationList(generics.ListAPIView[Simulation]):
    """Simulations, the newest first."""

    serializer_class = SimulationSerializer
    permission_classes = (MaySimulate,)
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(tags=["simulations"])
    def get(self, request: "Request", *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    def get_queryset(self) -> "QuerySet[Simulation]":
        return Simulation.objects.select_related("requested_by")

    @extend_schema(request=NewSimulation, responses={201: SimulationSerializer}, tags=["simulations"])
    def post(self, request: "Request") -> Response:
        """Have the worker simulate. Whoever may not post readings for anyone simulates nobody real (`not_allowed`)."""
        given = NewSimulation(data=request.data)
        given.is_valid(raise_exception=True)
        wanted = dict(given.validated_data)
        when = {name: wanted.pop(name) for name in ("starts_at", "repeat_s") if name in wanted}
        try:
            made = simulation_start(wish=Wish(**wanted), by=person(request), at=timezone.now(), **when)
        except NotVirtualError as error:
            raise PermissionDenied(f"{error}.") from None
        except SimulationError as error:
            raise ApiError(status.HTTP_400_BAD_REQUEST, "invalid", f"{error}.") from None
        return Response(SimulationSerializer(made).data, status=status.HTTP_201_CREATED)


class SimulationView(APIView):
    """One simulation."""

    permission_classes = (MaySimulate,)

    @extend_schema(responses=SimulationSerializer, tags=["simulations"])
    def get(self, request: "Request", simulation_id: int) -> Response:  # noqa: ARG002  # DRF's signature
        return Response(SimulationSerializer(_simulation(simulation_id)).data)


class StopView(APIView):
    """Stop a simulation, for good where it is repeated."""

    permission_classes = (MaySimulate,)

    @extend_schema(request=None, responses=SimulationSerializer, tags=["simulations"])
    def post(self, request: "Request", simulation_id: int) -> Response:
        simulation_stop(simulation=_simulation(simulation_id), by=person(request), at=timezone.now())
        return Response(SimulationSerializer(_simulation(simulation_id)).data)


def _simulation(pk: int) -> Simulation:
    found = Simulation.objects.select_related("requested_by").filter(pk=pk).first()
    if found is None:
        raise NotFound("There is no such simulation.")
    return found
