"""The files of an export about who is around a person, what they keep at hand, and what was done on their account."""

from django.db.models import Q

from alerts.models import SavedView
from dashboard.export.columns import Column, Table, belonging, listed, rows_by
from dashboard.export.snapshot import Row, Rows
from devices.models import Assignment, AuditEntry, Look, Pin, TeamAnalyst, TeamWearer, User


def looks() -> Table:
    columns = (
        Column("at", "When"),
        Column("viewer", "Who looked", field="viewer__username"),
        Column("way", "page, alert, api, export or bytes"),
    )
    return listed("looks", "Who looked at your data, once an hour each", columns, belonging(Look, "person", "at", "pk"))


def watchers() -> Table:
    columns = (Column("analyst", "Who", field="analyst__username"), Column("since", "Since when", field="created_at"))
    return listed("watchers", "Who was assigned to watch you", columns, belonging(Assignment, "wearer"))


def teams() -> Table:
    columns = (
        Column("team", "What it is called", field="team__name"),
        Column("since", "When you came into its care", field="added_at"),
    )
    return listed("teams", "Whose analysts see you", columns, belonging(TeamWearer, "wearer"))


def memberships() -> Table:
    columns = (
        Column("team", "What it is called", field="team__name"),
        Column("role", "member or lead"),
        Column("since", "When you joined it", field="added_at"),
    )
    return listed("memberships", "The teams whose wearers you see", columns, belonging(TeamAnalyst, "analyst"))


def pins() -> Table:
    columns = (Column("user_id", "Whom", field="person__username"), Column("since", "Since when", field="at"))
    return listed("pins", "Whom you keep in view on the overview", columns, belonging(Pin, "viewer"))


def saved_views() -> Table:
    columns = (Column("name", "What you call it"), Column("query", "Its address behind the question mark"))
    return listed("saved_views", "The views of alerts that you saved", columns, belonging(SavedView, "user"))


def audit() -> Table:
    columns = (
        Column("at", "When"),
        Column("way", "How: a page, the API, the admin, ..."),
        Column("by", "Who did it; empty where nobody was signed in"),
        Column("action", "What they did"),
        Column("what", "To what"),
        Column("changes", "Fields before and after"),
        Column("address", "From where; empty where somebody else did it"),
    )
    names = ("at", "way", "actor", "verb", "what", "changes", "address", "actor_key")

    def rows(person: User) -> Rows:
        def made(row: Row) -> Row:
            return (*row[:6], row[6] if row[7] in (None, person.pk) else None)

        theirs = Q(person_key=person.pk) | Q(actor_key=person.pk, person_key=None)
        return rows_by(AuditEntry.objects.filter(theirs), ("at", "pk"), names, made)

    return Table("audit", "What the audit log says of you, and of what you did to nobody else's", columns, rows)
