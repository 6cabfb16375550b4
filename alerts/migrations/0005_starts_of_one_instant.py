"""Rows of one instant may open an episode, clear it and open the next: those that ended as they began may share a start.

So may episodes of two versions, each of which sees only the rows received while it was active.
"""

from django.db import migrations

DROP = "ALTER TABLE alerts_alert DROP CONSTRAINT alert_one_start"
BEFORE = """
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_start
EXCLUDE USING btree (user_id WITH =, rule_id WITH =, started_at WITH =) WHERE (episode <> 'withdrawn')
DEFERRABLE INITIALLY DEFERRED
"""
AFTER = """
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_start
EXCLUDE USING btree (user_id WITH =, rule_id WITH =, rule_version WITH =, started_at WITH =)
WHERE (episode <> 'withdrawn' AND settled_at IS DISTINCT FROM started_at)
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("alerts", "0004_due_hours")]

    operations = [migrations.RunSQL([DROP, AFTER], [DROP, BEFORE])]
