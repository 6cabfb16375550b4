"""The embedded services: real stand-ins for PostgreSQL, Kafka and Redis where the environment names none.

`manage.py` calls `join` before Django starts. Only this package knows how the stand-ins live; all others read
`DATABASE_URL`, `KAFKA_BOOTSTRAP_SERVERS`, `REDIS_URL` and, where the difference matters, `TELARA_EMBEDDED`.
"""

import os
import secrets
import sys

from telara.embedded import needs
from telara.embedded.checkout import Checkout, EmbeddedError

__all__ = ["EmbeddedError", "have_ended", "is_embedded", "join", "leave"]


def join(argv: list[str]) -> None:
    """Complete the environment for the command line `argv` (as in `sys.argv`).

    Services that the environment names are left as they are. The others are those of this checkout, started if need be
    and kept for as long as this process lives; or, for commands that need none, addresses where nobody listens.
    Sets the variables of those services, `TELARA_EMBEDDED` (their names), `TELARA_CLUSTER_ID` (a new one each start of
    the broker) and `SECRET_KEY`. Ends the process with a message where the services cannot be had.
    """
    unset = needs.services_unset(os.environ)
    if not unset:
        return
    checkout = Checkout()
    os.environ[needs.MARKER] = ",".join(unset)
    if not needs.services_wanted(argv):
        os.environ.update({needs.VARIABLES[service]: needs.NOWHERE[service] for service in unset})
        os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(48))
        return
    from telara.embedded.membership import enter

    try:
        os.environ.update(enter(checkout, unset))
        os.environ.setdefault("SECRET_KEY", checkout.secret_key())
    except EmbeddedError as error:
        sys.exit(f"telara: {error}")
    if len(unset) < len(needs.VARIABLES):
        named = ", ".join(needs.VARIABLES[service] for service in unset)
        sys.stderr.write(f"telara: {named} not set: using the embedded {', '.join(unset)}\n")


def leave() -> bool:
    """Stop the embedded services at once and wait for it, unless another command uses them; True if they stopped."""
    from telara.embedded.membership import leave as leave_checkout

    return leave_checkout(Checkout())


def have_ended() -> bool:
    """Whether services that this process joined are no longer there."""
    from telara.embedded import membership

    return membership.have_ended(Checkout())


def is_embedded(service: str) -> bool:
    """Whether `postgres`, `kafka` or `redis` is a stand-in for this process."""
    return service in os.environ.get(needs.MARKER, "").split(",")
