"""GET /wearers/ID/export/FILE: a file of all that is kept of a person, or all files as one archive; for who has lately
shown who they are."""

from typing import Final, cast

import structlog
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dashboard.export.archive import zipped
from dashboard.export.formats import TYPES, Format, written
from dashboard.export.snapshot import BusyError, Pieces, Snapshot
from dashboard.export.tables import tables
from dashboard.wearer.views import person_of
from devices.account.confirmed import confirm_first, is_confirmed
from devices.models import Look, User
from devices.models.person import zone_read
from devices.rights.looks import look_note
from devices.streamed import Streamed
from devices.units import units_read

log = structlog.get_logger(__name__)
ARCHIVES: Final[dict[str, Format]] = {"everything-csv.zip": "csv", "everything-jsonl.zip": "jsonl"}


@login_required
@require_safe
def export(request: HttpRequest, user_id: str, file: str) -> HttpResponseBase:
    """`readings.csv`, `alerts.jsonl`, and so on, or `everything-csv.zip`, in the units that `?units=` names and by the
    clock of `&time_zone=`: for the person, and with the permission for who may see them. Each is noted where the person
    can read it."""
    viewer = cast("User", request.user)
    person = person_of(viewer, user_id)
    if person != viewer and not viewer.has_perm("devices.export_readings"):
        raise PermissionDenied("You may see this wearer, but not export their data.")
    try:
        units, zone = units_read(request.GET.get("units", "")), zone_read(request.GET.get("time_zone", ""))
    except ValueError as error:
        return render(request, "400.html", {"exception": f"No such unit or zone: {error}"}, status=400)
    files, now = tables(units, zone, is_own=person == viewer), timezone.now()
    name, _, ending = file.rpartition(".")
    as_ = ARCHIVES.get(file) or _FORMATS.get(ending)
    if as_ is None or (file not in ARCHIVES and name not in files):
        raise Http404("There is no such file of an export.")
    if not is_confirmed(request):
        page = reverse("settings") if person == viewer else reverse("wearer", args=[person.username])
        return confirm_first(request, then=page, say="Nothing was exported yet: choose the file once more.")
    look_note(viewer=viewer, person_id=person.pk, way=Look.Way.EXPORT, at=now)
    try:
        snapshot = Snapshot(viewer=viewer)
    except BusyError as error:
        said = {"code": 429, "heading": "Nothing was exported", "exception": error}
        busy = render(request, "400.html", said, status=429)
        busy["Retry-After"] = "60"
        return busy
    if file in ARCHIVES:
        content, kind = zipped(files.values(), person, snapshot, as_=as_, zone=zone, at=now), "application/zip"
    else:
        content, kind = written(files[name], person, snapshot, as_=as_, zone=zone), TYPES[as_]
    log.info("export.begun", user_id=person.username, analyst=viewer.username, file=file)
    response = Streamed(Pieces(snapshot, content), content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="telara-{_safe(person.username)}-{file}"'
    return response


_FORMATS: Final[dict[str, Format]] = {"csv": "csv", "jsonl": "jsonl"}


def _safe(name: str) -> str:
    """A user_id as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
