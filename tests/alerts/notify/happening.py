"""What happens to alerts while somebody is told of them, at minutes after noon."""

from datetime import datetime, timedelta

from alerts.models import Alert
from devices.models import User
from tests.made import NOON, make_alert, make_rule


def minute(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def change(alert: Alert, at: datetime, **fields: object) -> None:
    Alert.objects.filter(pk=alert.pk).update(changed_at=at, **fields)


def end(alert: Alert, at: datetime) -> None:
    change(alert, at, episode="ended", end="cleared", ended_at=at)


def worse(wearer: User, at: datetime) -> Alert:
    return make_alert(wearer, rule=make_rule("worse"), severity="CRITICAL", opened_at=at)
