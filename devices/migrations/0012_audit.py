"""The audit log, which the database lets nobody rewrite."""

from django.db import migrations, models

# The doors are set for one transaction by devices.rights.audit: erasure may put a hash in the place of a name, retention delete.
KEEP = """
CREATE FUNCTION devices_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE door text := coalesce(current_setting('telara.audit_door', true), '');
BEGIN
    IF TG_OP = 'UPDATE' AND door = 'erasure'
       AND (NEW.id, NEW.at, NEW.way, NEW.verb) IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.way, OLD.verb) THEN
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' AND door = 'retention' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log is only added to.' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_rows_stay BEFORE UPDATE OR DELETE ON devices_auditentry
    FOR EACH ROW EXECUTE FUNCTION devices_audit_keep();
CREATE TRIGGER audit_stays BEFORE TRUNCATE ON devices_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION devices_audit_keep();
"""
LET_GO = """
DROP TRIGGER audit_stays ON devices_auditentry;
DROP TRIGGER audit_rows_stay ON devices_auditentry;
DROP FUNCTION devices_audit_keep();
"""
WAYS = [("page", "a page"), ("api", "the API"), ("admin", "the admin"), ("inside", "a command or a task")]


class Migration(migrations.Migration):
    dependencies = [("devices", "0011_units")]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("way", models.CharField(choices=WAYS, max_length=8)),
                ("verb", models.CharField(max_length=32)),
                ("actor_key", models.BigIntegerField(null=True)),
                ("actor", models.CharField(blank=True, default="", max_length=64)),
                ("person_key", models.BigIntegerField(null=True)),
                ("person", models.CharField(blank=True, default="", max_length=64)),
                ("what", models.CharField(blank=True, default="", max_length=200)),
                ("changes", models.JSONField(blank=True, default=dict)),
                ("address", models.GenericIPAddressField(blank=True, null=True)),
            ],
            options={
                "permissions": [("view_audit", "May read the audit log")],
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["-at", "-id"], name="audit_newest"),
                    models.Index(fields=["actor_key", "-at", "-id"], name="audit_actor"),
                    models.Index(fields=["person_key", "-at", "-id"], name="audit_person"),
                    models.Index(fields=["verb", "-at", "-id"], name="audit_verb"),
                ],
            },
        ),
        migrations.RunSQL(KEEP, LET_GO),
        migrations.AlterField(
            model_name="look",
            name="way",
            field=models.CharField(
                choices=[
                    ("page", "their page"),
                    ("alert", "an alert"),
                    ("api", "the API"),
                    ("export", "an export"),
                    ("bytes", "a refused message"),
                ],
                max_length=6,
            ),
        ),
    ]
