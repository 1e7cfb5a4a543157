"""Only a version whose latest answer by a clinician is a signature can be published (HAZARDS H15).

Until now any signature counted, also one that a colleague had objected to since. A page that is up is not taken down by
an objection: somebody decides that. So its row can still be saved, as long as what patients read stays the same.
"""

from django.db import migrations

IS_SIGNED = """
CREATE OR REPLACE FUNCTION education_is_signed(wanted bigint) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT %s
$$;
"""
ANY_SIGNATURE = "EXISTS (SELECT 1 FROM education_articlereview WHERE revision_id = wanted AND outcome = 'signed')"
LAST_ANSWER = """COALESCE((
        SELECT outcome = 'signed' FROM education_articlereview WHERE revision_id = wanted
        ORDER BY signed_at DESC, id DESC LIMIT 1
    ), false)"""

PUBLISHED_IS_SIGNED = """
CREATE OR REPLACE FUNCTION education_published_is_signed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'education_article' THEN
        IF NEW.published_revision_id IS NULL THEN RETURN NEW; END IF;%s
        IF NOT EXISTS (SELECT 1 FROM education_articlerevision WHERE id = NEW.published_revision_id AND article_id = NEW.id)
        THEN
            RAISE EXCEPTION 'education_published_is_signed: another page''s revision' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT EXISTS (SELECT 1 FROM education_publication
                       WHERE article_id = NEW.id AND revision_id = NEW.published_revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: not on record' USING ERRCODE = 'check_violation';
        END IF;
        IF NOT education_is_signed(NEW.published_revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: no clinician signed it' USING ERRCODE = 'check_violation';
        END IF;
    ELSIF NEW.revision_id IS NOT NULL THEN
        IF NOT EXISTS (SELECT 1 FROM education_articlerevision WHERE id = NEW.revision_id AND article_id = NEW.article_id)
           OR NOT education_is_signed(NEW.revision_id) THEN
            RAISE EXCEPTION 'education_published_is_signed: no clinician signed it' USING ERRCODE = 'check_violation';
        END IF;
    END IF;
    RETURN NEW;
END $$;
"""
# One IF in the other: OLD does not exist in an INSERT, and AND promises no order.
STAYS = """
        IF TG_OP = 'UPDATE' THEN
            IF NEW.id = OLD.id AND NEW.published_revision_id = OLD.published_revision_id THEN RETURN NEW; END IF;
        END IF;"""


class Migration(migrations.Migration):
    dependencies = [("education", "0003_a_signature_has_a_due_date")]
    operations = [
        migrations.RunSQL(IS_SIGNED % LAST_ANSWER, IS_SIGNED % ANY_SIGNATURE),
        migrations.RunSQL(PUBLISHED_IS_SIGNED % STAYS, PUBLISHED_IS_SIGNED % ""),
    ]
