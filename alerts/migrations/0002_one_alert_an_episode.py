"""One firing alert a person and rule, one standing alert a start: deferred, so that a batch may reorder them.

Django refuses a deferrable UniqueConstraint with a condition; EXCLUDE USING btree is the same thing in SQL.
"""

from django.db import migrations

ONE_FIRING = """
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_firing
EXCLUDE USING btree (user_id WITH =, rule_id WITH =) WHERE (episode = 'firing') DEFERRABLE INITIALLY DEFERRED
"""
ONE_START = """
ALTER TABLE alerts_alert ADD CONSTRAINT alert_one_start
EXCLUDE USING btree (user_id WITH =, rule_id WITH =, started_at WITH =) WHERE (episode <> 'withdrawn')
DEFERRABLE INITIALLY DEFERRED
"""


class Migration(migrations.Migration):
    dependencies = [("alerts", "0001_rules_and_alerts")]

    operations = [
        migrations.RunSQL(ONE_FIRING, "ALTER TABLE alerts_alert DROP CONSTRAINT alert_one_firing"),
        migrations.RunSQL(ONE_START, "ALTER TABLE alerts_alert DROP CONSTRAINT alert_one_start"),
    ]
