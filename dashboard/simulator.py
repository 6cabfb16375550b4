"""The simulator's page: start, stop and repeat runs, and inject an anomaly into one person."""

from collections.abc import Iterable
from typing import Any, Final, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from devices.models import Simulation, User
from devices.models.person import USER_ID_PATTERN
from devices.simulations import SimulationError, simulation_start, simulation_stop
from devices.simulator.anomalies import ANOMALIES
from devices.simulator.grid import MAX_RATE_HZ, MIN_RATE_HZ
from devices.simulator.people import wearer_ids
from devices.simulator.plan import MAX_SEED, MAX_WEARERS, Wish

SHOWN: Final = 50
OFFERED: Final = 100
DAY_S: Final = 86_400
_ANOMALIES: Final = [(name, name.replace("_", " ")) for name in sorted(ANOMALIES)]


class Start(forms.Form):
    """Ask for a run of several people."""

    wearers = forms.IntegerField(min_value=1, max_value=MAX_WEARERS, initial=12, help_text="user_001 to user_N")
    hertz = forms.FloatField(label="Readings a second of each", min_value=MIN_RATE_HZ, max_value=MAX_RATE_HZ, initial=1)
    duration_s = forms.FloatField(
        label="Seconds", min_value=1, max_value=30 * DAY_S, required=False, help_text="empty: until stopped"
    )
    repeat_s = forms.FloatField(
        label="Again every, seconds", min_value=1, max_value=365 * DAY_S, required=False, help_text="empty: once"
    )
    bad_data = forms.FloatField(
        label="Part that is spoilt", min_value=0, max_value=1, required=False, initial=0, help_text="0 to 1"
    )
    seed = forms.IntegerField(min_value=0, max_value=MAX_SEED, initial=1, help_text="same seed, same people")

    def wish(self) -> Wish:
        given = self.cleaned_data
        return Wish(
            wearers=given["wearers"],
            hertz=given["hertz"],
            duration_s=given["duration_s"],
            bad_data=given["bad_data"] or 0.0,
            seed=given["seed"],
        )


class Inject(forms.Form):
    """Ask for an anomaly of one person."""

    user_id = forms.RegexField(
        USER_ID_PATTERN,
        label="Wearer",
        max_length=64,
        initial="user_001",
        widget=forms.TextInput({"list": "simulated", "autocomplete": "off"}),
        help_text="somebody who is simulated (they are offered), or somebody new",
    )
    anomaly = forms.ChoiceField(choices=_ANOMALIES, initial="tachycardia_at_rest")
    bad_data = forms.FloatField(
        label="Part that is spoilt", min_value=0, max_value=1, required=False, initial=0, help_text="0 to 1"
    )
    repeat_s = forms.FloatField(
        label="Again every, seconds", min_value=1, max_value=365 * DAY_S, required=False, help_text="empty: once"
    )

    def wish(self) -> Wish:
        """Two readings a second, so that a short anomaly has enough of them; it ends a calm minute afterwards."""
        given = self.cleaned_data
        lasts_s = ANOMALIES[given["anomaly"]].lasts_s + 60
        return Wish(
            user_id=given["user_id"],
            anomaly=given["anomaly"],
            hertz=2.0,
            duration_s=lasts_s,
            bad_data=given["bad_data"] or 0.0,
        )


@login_required
@permission_required("devices.run_simulator", raise_exception=True)
def simulator(request: HttpRequest) -> HttpResponse:
    """GET /simulator/, and POST of either form (`form` names it); with htmx only the runs."""
    forms_ = {"start": Start(prefix="start"), "inject": Inject(prefix="inject")}
    status = 200
    if request.method == "POST":
        kind = request.POST.get("form", "")
        if kind not in forms_:
            return HttpResponse("There is no such form.", status=400)
        forms_[kind] = type(forms_[kind])(request.POST, prefix=kind)
        if _ask(request, forms_[kind]):
            return redirect("simulator")
        status = 400
    runs = list(Simulation.objects.select_related("requested_by").order_by("-id")[:SHOWN])
    template = "_simulator_runs.html" if request.headers.get("HX-Request") else "simulator.html"
    context = {"page_title": "Simulator", "runs": runs, "simulated": simulated_in(runs), **forms_}
    return render(request, template, context, status=status)


def simulated_in(runs: Iterable[Simulation]) -> list[str]:
    """Whom these runs simulate now, by user_id: as many as a field can offer."""
    alive = [run for run in runs if run.state != Simulation.State.STOPPED]
    most = min(OFFERED, max((run.wearers for run in alive), default=0))
    return sorted({*wearer_ids(most), *(run.wearer_id for run in alive if run.wearer_id)})


def _ask(request: HttpRequest, form: Any) -> bool:
    """Start what a form asks for; False where it cannot be, and the form says why."""
    if not form.is_valid():
        return False
    try:
        made = simulation_start(
            wish=form.wish(),
            by=cast("User", request.user),
            at=timezone.now(),
            repeat_s=form.cleaned_data["repeat_s"],
        )
    except SimulationError as error:
        form.add_error(None, f"{error}.")
        return False
    messages.success(request, f"Run {made.pk} begins in a moment.")
    return True


@login_required
@permission_required("devices.run_simulator", raise_exception=True)
@require_POST
def simulator_stop(request: HttpRequest, simulation_id: int) -> HttpResponse:
    """POST /simulator/ID/stop/."""
    simulation = Simulation.objects.filter(pk=simulation_id).first()
    if simulation is None:
        raise Http404("There is no such simulation.")
    stopped = simulation_stop(simulation=simulation, by=cast("User", request.user), at=timezone.now())
    messages.success(request, f"Run {simulation_id} {'stops' if stopped else 'had stopped already'}.")
    return redirect("simulator")
