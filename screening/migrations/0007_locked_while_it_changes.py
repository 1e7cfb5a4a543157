"""Publishing and changing a draft wait for each other, and both people who bring a questionnaire into force may (I4).

Without a lock a part could change after the draft was published: the trigger of one transaction reads "draft" while the
other has not said otherwise yet. FOR SHARE on the questionnaire's row makes them wait: it conflicts with the UPDATE that
publishes (FOR KEY SHARE, which the foreign keys take, does not). Whoever waited sees the row as it is then.
"""

from django.db import migrations

PARTS_LOCKED = """
CREATE OR REPLACE FUNCTION screening_parts_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    IF TG_TABLE_NAME = 'screening_choice' THEN
        -- the question too: it must not move to another questionnaire meanwhile
        SELECT array_agg(q.questionnaire_id) INTO ids FROM (
            SELECT questionnaire_id FROM screening_question
            WHERE id IN (CASE WHEN TG_OP <> 'DELETE' THEN NEW.question_id END, CASE WHEN TG_OP <> 'INSERT' THEN OLD.question_id END)
            FOR SHARE) q;
    ELSE
        ids := ARRAY[CASE WHEN TG_OP <> 'DELETE' THEN NEW.questionnaire_id END,
                     CASE WHEN TG_OP <> 'INSERT' THEN OLD.questionnaire_id END];
    END IF;
    -- every row, whatever its status: one that is being published still reads as a draft here
    PERFORM 1 FROM screening_questionnaire WHERE id = ANY(ids) ORDER BY id FOR SHARE;
    IF EXISTS (SELECT 1 FROM screening_questionnaire WHERE id = ANY(ids) AND status <> 'draft') THEN
        RAISE EXCEPTION 'A published questionnaire never changes; load a new version.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
"""

PARTS_UNLOCKED = """
CREATE OR REPLACE FUNCTION screening_parts_keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ids bigint[];
BEGIN
    IF TG_TABLE_NAME = 'screening_choice' THEN
        SELECT array_agg(questionnaire_id) INTO ids FROM screening_question
        WHERE id IN (CASE WHEN TG_OP <> 'DELETE' THEN NEW.question_id END, CASE WHEN TG_OP <> 'INSERT' THEN OLD.question_id END);
    ELSE
        ids := ARRAY[CASE WHEN TG_OP <> 'DELETE' THEN NEW.questionnaire_id END,
                     CASE WHEN TG_OP <> 'INSERT' THEN OLD.questionnaire_id END];
    END IF;
    IF EXISTS (SELECT 1 FROM screening_questionnaire WHERE id = ANY(ids) AND status <> 'draft') THEN
        RAISE EXCEPTION 'A published questionnaire never changes; load a new version.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
    END IF;
    IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
    RETURN NEW;
END $$;
"""

PUBLISHED = """
CREATE OR REPLACE FUNCTION screening_questionnaire_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        IF NEW.status = 'retired' THEN
            RAISE EXCEPTION 'A draft that was never active cannot be retired.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
        END IF;
        IF NEW.status = 'active' AND NOT screening_may(NEW.published_by_id, 'publish_questionnaire') THEN
            RAISE EXCEPTION 'Only an active lead clinician publishes a questionnaire.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_publisher_may';
        END IF;%(proposer)s
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'active' AND NEW.status = 'retired' AND NEW.retired_at IS NOT NULL
       AND (to_jsonb(NEW) - 'status' - 'retired_at') = (to_jsonb(OLD) - 'status' - 'retired_at') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A published questionnaire never changes; load a new version.'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
END $$;
"""
# Nobody at all is for the check constraint to refuse, which names what is missing.
PROPOSER = """
        IF NEW.status = 'active' AND NEW.proposed_by_id IS NOT NULL
           AND NOT screening_may(NEW.proposed_by_id, 'propose_questionnaire') THEN
            RAISE EXCEPTION 'Only an active clinician proposes a questionnaire.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_proposer_may';
        END IF;"""


class Migration(migrations.Migration):
    dependencies = [("screening", "0006_where_the_visit_is_to_be")]
    operations = [
        migrations.RunSQL(
            PARTS_LOCKED + PUBLISHED % {"proposer": PROPOSER}, PARTS_UNLOCKED + PUBLISHED % {"proposer": ""}
        )
    ]
