"""What people do to devices."""

from django.db import IntegrityError, transaction

from devices.models import Device, User, Verb
from devices.rights.audit import audit_note


class DeviceExistsError(Exception):
    """The wearer already has a device of that kind and id."""


def device_add(
    *, wearer: User, kind: str, external_id: str = "", name: str = "", cadence_s: float | None = None
) -> Device:
    """A device of `wearer`; raises DeviceExistsError."""
    try:
        with transaction.atomic():
            device = Device.objects.create(
                user=wearer, kind=kind, external_id=external_id, name=name, cadence_s=cadence_s
            )
            audit_note(verb=Verb.DEVICE_ADDED, person=wearer, what=f"device {device.pk}")
            return device
    except IntegrityError:
        raise DeviceExistsError(f"{wearer} already has {kind} {external_id}".strip()) from None


def device_cadence(*, device: Device, cadence_s: float | None) -> None:
    """Say how many seconds lie between readings of `device`; None: as observed."""
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(cadence_s=cadence_s)
        changes = {"cadence_s": (device.cadence_s, cadence_s)}
        audit_note(verb=Verb.DEVICE_CHANGED, person=device.user, what=f"device {device.pk}", changes=changes)


def device_rename(*, device: Device, name: str) -> None:
    """Call `device` so; by its kind where the name is empty."""
    with transaction.atomic():
        Device.objects.filter(pk=device.pk).update(name=name)
        changes = {"name": (device.name, name)}
        audit_note(verb=Verb.DEVICE_CHANGED, person=device.user, what=f"device {device.pk}", changes=changes)


def may_manage(*, user: User, device: Device) -> bool:
    """Whether `user`, who may see `device`, may change it and make its token: its wearer, and with the permission."""
    return user.pk == device.user_id or user.has_perm("devices.change_device")
