"""Tell the screens, after the commit, that alerts changed."""

from collections.abc import Collection
from functools import partial

from django.db import transaction

from alerts.models import Alert
from alerts.wire import alert_json
from devices import live


def announce_on_commit(alerts: Collection[Alert]) -> None:
    """Hand the present revision of `alerts` (rule and user selected) to the live feed once the transaction stands."""
    changes = [(alert.user_id, alert_json(alert)) for alert in alerts]
    if changes:
        transaction.on_commit(partial(live.announce, vitals=[], alerts=changes))
