"""Erasure puts a hash in the place of a name, and takes an address away; what was done stays as it was written."""

from django.db import migrations

KEEP = """
CREATE OR REPLACE FUNCTION devices_audit_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE door text := coalesce(current_setting('telara.audit_door', true), '');
BEGIN
    IF TG_OP = 'UPDATE' AND door = 'erasure' AND {stays} THEN
        RETURN NEW;
    END IF;
    IF TG_OP <> 'UPDATE' AND door = 'retention' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'The audit log is only added to.' USING ERRCODE = 'insufficient_privilege';
END $$;
"""
FORGOTTEN = "ARRAY['actor', 'actor_key', 'person', 'person_key', 'address']"
STAYS = f"to_jsonb(NEW) - {FORGOTTEN} = to_jsonb(OLD) - {FORGOTTEN}"
STAYED = "(NEW.id, NEW.at, NEW.way, NEW.verb) IS NOT DISTINCT FROM (OLD.id, OLD.at, OLD.way, OLD.verb)"


class Migration(migrations.Migration):
    dependencies = [("devices", "0015_invitations")]

    operations = [migrations.RunSQL(KEEP.format(stays=STAYS), KEEP.format(stays=STAYED))]
