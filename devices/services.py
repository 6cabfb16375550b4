"""What people do to devices."""

from django.db import IntegrityError, transaction

from devices.models import Device, User


class DeviceExistsError(Exception):
    """The wearer already has a device of that kind and id."""


def device_add(*, wearer: User, kind: str, external_id: str = "", cadence_s: float | None = None) -> Device:
    """A device of `wearer`; raises DeviceExistsError."""
    try:
        with transaction.atomic():
            return Device.objects.create(user=wearer, kind=kind, external_id=external_id, cadence_s=cadence_s)
    except IntegrityError:
        raise DeviceExistsError(f"{wearer} already has {kind} {external_id}".strip()) from None


def device_cadence(*, device: Device, cadence_s: float | None) -> None:
    """Say how many seconds lie between readings of `device`; None: as observed."""
    Device.objects.filter(pk=device.pk).update(cadence_s=cadence_s)


def may_manage(*, user: User, device: Device) -> bool:
    """Whether `user`, who may see `device`, may change it and make its token: its wearer, and with the permission."""
    return user.pk == device.user_id or user.has_perm("devices.change_device")
