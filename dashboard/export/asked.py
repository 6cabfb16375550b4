"""What the links to exports ask for: what their reader reads on pages, too."""

from urllib.parse import urlencode

from devices.models import User


def asked_by(user: User) -> str:
    """The query of an export's address: the units of `user`, and their clock; empty for canonical units and UTC."""
    asked = {}
    if not user.units.are_canonical:
        asked["units"] = ",".join(sorted(user.units.codes))
    if user.time_zone != "UTC":
        asked["time_zone"] = user.time_zone
    return f"?{urlencode(asked, safe='/')}" if asked else ""
