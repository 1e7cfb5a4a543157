"""The table of the shared cache (rate limits live in it), and the wall around a treatment's kind."""

from django.db import migrations

CACHE = """
CREATE TABLE clinic_cache (
    cache_key varchar(255) NOT NULL PRIMARY KEY,
    value text NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE INDEX clinic_cache_expires ON clinic_cache (expires);
"""

# A treatment that needed a clinician's decision cannot be turned into one that does not (I7).
KIND = """
CREATE FUNCTION clinic_treatment_keep_kind() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.kind <> OLD.kind THEN
        RAISE EXCEPTION 'The kind of a treatment never changes; make a new treatment.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clinic_treatment_kind_never_changes';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clinic_treatment_keep_kind BEFORE UPDATE ON clinic_treatment
    FOR EACH ROW EXECUTE FUNCTION clinic_treatment_keep_kind();
"""


class Migration(migrations.Migration):
    dependencies = [("clinic", "0001_initial")]
    operations = [
        migrations.RunSQL(CACHE, "DROP TABLE clinic_cache"),
        migrations.RunSQL(
            KIND,
            "DROP TRIGGER clinic_treatment_keep_kind ON clinic_treatment; DROP FUNCTION clinic_treatment_keep_kind()",
        ),
    ]
