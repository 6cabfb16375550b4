"""The files of an export about how somebody signs in: theirs alone, whoever else may export the rest."""

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession

from dashboard.export.columns import Column, Table, belonging, listed
from devices.account.browsers import browser_of
from devices.models import ApiToken


def sessions() -> Table:
    columns = (
        Column("browser", "Its name, as far as it says", field="user_agent"),
        Column("address", "From where it was last used", field="ip"),
        Column("since", "When you signed in", field="created_at"),
        Column("last_seen_at", "When it was last used, within two minutes"),
    )
    return listed(
        "sessions",
        "Where you are signed in",
        columns,
        belonging(UserSession, "user", "created_at", "pk"),
        lambda row: (browser_of(row[0]), *row[1:]),
    )


def second_factors() -> Table:
    columns = (
        Column(
            "kind",
            "totp: an authenticator app; webauthn: a passkey; recovery_codes. Their secrets stay here",
            field="type",
        ),
        Column("name", "What you call it", field="data__name"),
        Column("created_at", "Since when you have it"),
        Column("last_used_at", "When it was last used"),
    )
    return listed(
        "second_factors", "What you sign in with besides the password", columns, belonging(Authenticator, "user")
    )


def tokens() -> Table:
    columns = (
        Column("name", "What you use it for"),
        Column("created_at", "When it was made; the token itself is not kept"),
        Column("expires_at", "When it ends"),
        Column("last_used_at", "When it was last used"),
    )
    return listed("tokens", "Your keys to the API", columns, belonging(ApiToken, "user"))
