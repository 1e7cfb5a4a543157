"""The walls of DESIGN section 4 around clinical records: I4 (nothing changes), I7 (who may decide), and when a review clears.

Plain SQL triggers: the web role owns no table, so it can neither disable nor drop them.
"""

from django.db import migrations

REFUSE = """
CREATE FUNCTION screening_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Records in % are kept as they were written; a correction is a new record.', TG_TABLE_NAME
        USING ERRCODE = 'check_violation', CONSTRAINT = TG_TABLE_NAME || '_never_changes';
END $$;
"""

APPEND_ONLY = "".join(
    f"CREATE TRIGGER {table}_never_changes BEFORE UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION screening_refuse();\n"
    for table in ("screening_assessment", "screening_review", "screening_cosignature", "screening_reply")
)

# A draft may change and go. Publishing is draft -> active with names; afterwards only active -> retired.
QUESTIONNAIRE = """
CREATE FUNCTION screening_questionnaire_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'draft' THEN
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        IF NEW.status = 'retired' THEN
            RAISE EXCEPTION 'A draft that was never active cannot be retired.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
        END IF;
        IF NEW.status = 'active' AND NOT EXISTS (
            SELECT 1 FROM clinic_user u
            JOIN clinic_user_groups ug ON ug.user_id = u.id
            JOIN auth_group_permissions gp ON gp.group_id = ug.group_id
            JOIN auth_permission p ON p.id = gp.permission_id
            JOIN django_content_type c ON c.id = p.content_type_id
            WHERE u.id = NEW.published_by_id AND u.is_active
              AND p.codename = 'publish_questionnaire' AND c.app_label = 'screening'
        ) THEN
            RAISE EXCEPTION 'Only an active lead clinician publishes a questionnaire.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_publisher_may';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'active' AND NEW.status = 'retired' AND NEW.retired_at IS NOT NULL
       AND (to_jsonb(NEW) - 'status' - 'retired_at') = (to_jsonb(OLD) - 'status' - 'retired_at') THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'A published questionnaire never changes; load a new version.'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_never_changes';
END $$;
CREATE TRIGGER screening_questionnaire_keep BEFORE UPDATE OR DELETE ON screening_questionnaire
    FOR EACH ROW EXECUTE FUNCTION screening_questionnaire_keep();

CREATE FUNCTION screening_questionnaire_born_draft() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status <> 'draft' THEN
        RAISE EXCEPTION 'A questionnaire begins as a draft.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_questionnaire_begins_as_draft';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER screening_questionnaire_born_draft BEFORE INSERT ON screening_questionnaire
    FOR EACH ROW EXECUTE FUNCTION screening_questionnaire_born_draft();

CREATE FUNCTION screening_parts_keep() RETURNS trigger LANGUAGE plpgsql AS $$
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
""" + "".join(
    f"CREATE TRIGGER {table}_keep BEFORE INSERT OR UPDATE OR DELETE ON {table}"
    " FOR EACH ROW EXECUTE FUNCTION screening_parts_keep();\n"
    for table in (
        "screening_section",
        "screening_question",
        "screening_choice",
        "screening_rule",
        "screening_questionnaire_treatments",
    )
)

# In progress: free. Afterwards: patient from none to one, once; completed or amended -> entered-in-error, with who and when.
RESPONSE = """
CREATE FUNCTION screening_response_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.status = 'in-progress' THEN
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        IF NEW.status = 'entered-in-error' THEN
            RAISE EXCEPTION 'Unfinished answers are deleted, not marked.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_response_never_changes';
        END IF;
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE'
       AND (to_jsonb(NEW) - 'patient_id' - 'status' - 'entered_in_error_at' - 'entered_in_error_by_id')
         = (to_jsonb(OLD) - 'patient_id' - 'status' - 'entered_in_error_at' - 'entered_in_error_by_id')
       AND (NEW.patient_id IS NOT DISTINCT FROM OLD.patient_id OR OLD.patient_id IS NULL)
       AND (NEW.status = OLD.status
            AND NEW.entered_in_error_at IS NOT DISTINCT FROM OLD.entered_in_error_at
            AND NEW.entered_in_error_by_id IS NOT DISTINCT FROM OLD.entered_in_error_by_id
            OR OLD.status IN ('completed', 'amended') AND NEW.status = 'entered-in-error')
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'Answers that were sent never change; a correction is a new form.'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_response_never_changes';
END $$;
CREATE TRIGGER screening_response_keep BEFORE UPDATE OR DELETE ON screening_questionnaireresponse
    FOR EACH ROW EXECUTE FUNCTION screening_response_keep();

CREATE FUNCTION screening_response_born() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM screening_questionnaire WHERE id = NEW.questionnaire_id AND status = 'active') THEN
        RAISE EXCEPTION 'Only an active questionnaire can be filled in.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_response_questionnaire_active';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER screening_response_born BEFORE INSERT ON screening_questionnaireresponse
    FOR EACH ROW EXECUTE FUNCTION screening_response_born();
"""

# VOLATILE on purpose: each statement inside sees what was committed while we waited for the patient's lock.
CLEARS = """
CREATE FUNCTION screening_response_superseded(the_response bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN EXISTS (
        SELECT 1 FROM screening_questionnaireresponse old
        JOIN screening_questionnaireresponse newer ON newer.patient_id = old.patient_id AND newer.id <> old.id
        WHERE old.id = the_response
          AND newer.status IN ('completed', 'amended') AND newer.reopens
          AND (newer.completed_at, newer.id) > (old.completed_at, old.id)
    );
END $$;

CREATE FUNCTION screening_review_clears(
    the_review bigint, the_patient bigint, the_treatment bigint, the_area bigint, the_day date
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r record;
BEGIN
    SELECT v.*, a.override, s.status AS response_status, s.patient_id AS response_patient INTO r
    FROM screening_review v
    JOIN screening_assessment a ON a.id = v.assessment_id
    JOIN screening_questionnaireresponse s ON s.id = v.response_id
    WHERE v.id = the_review;
    RETURN FOUND
        AND r.patient_id = the_patient AND r.response_patient = the_patient
        AND r.treatment_id = the_treatment AND r.area_id = the_area
        AND r.outcome IN ('cleared', 'cleared-with-conditions')
        AND the_day BETWEEN r.valid_from AND r.valid_until
        AND r.response_status IN ('completed', 'amended')
        AND NOT screening_response_superseded(r.response_id)
        -- a later decision on the same answers takes the earlier one's place
        AND NOT EXISTS (
            SELECT 1 FROM screening_review later
            WHERE later.response_id = r.response_id AND later.treatment_id = r.treatment_id
              AND later.area_id = r.area_id AND later.id > r.id)
        -- O2 takes a second clinician, O0 nobody
        AND r.override <> 'O0'
        AND (r.override <> 'O2' OR EXISTS (SELECT 1 FROM screening_cosignature c WHERE c.review_id = r.id));
END $$;
"""

# Who may sign (I7), and that the parts of a review belong together.
WHO = """
CREATE FUNCTION screening_may(the_user bigint, the_permission text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT 1 FROM clinic_user u
        JOIN clinic_user_groups ug ON ug.user_id = u.id
        JOIN auth_group_permissions gp ON gp.group_id = ug.group_id
        JOIN auth_permission p ON p.id = gp.permission_id
        JOIN django_content_type c ON c.id = p.content_type_id
        WHERE u.id = the_user AND u.is_active AND p.codename = the_permission AND c.app_label = 'screening')
$$;

CREATE FUNCTION screening_review_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    s record;
    a record;
BEGIN
    IF NOT screening_may(NEW.decided_by_id, 'decide') THEN
        RAISE EXCEPTION 'Only an active clinician decides.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_by_a_clinician';
    END IF;
    SELECT r.*, p.user_id AS patient_user INTO s FROM screening_questionnaireresponse r
    LEFT JOIN clinic_patient p ON p.id = r.patient_id WHERE r.id = NEW.response_id;
    SELECT * INTO a FROM screening_assessment WHERE id = NEW.assessment_id;
    IF a.response_id <> NEW.response_id OR s.patient_id IS DISTINCT FROM NEW.patient_id
       OR s.status NOT IN ('completed', 'amended') THEN
        RAISE EXCEPTION 'A review belongs to one patient''s finished answers and to their assessment.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_parts_belong_together';
    END IF;
    IF s.patient_user = NEW.decided_by_id THEN
        RAISE EXCEPTION 'Nobody reviews their own answers.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_not_ones_own';
    END IF;
    IF NEW.outcome IN ('cleared', 'cleared-with-conditions') THEN
        IF a.override = 'O0' OR a.effect = 'incomplete' THEN
            RAISE EXCEPTION 'These answers cannot be cleared by anybody; new answers are needed.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_o0_never';
        END IF;
        IF a.override = 'O2' AND NOT screening_may(NEW.decided_by_id, 'decide_o2') THEN
            RAISE EXCEPTION 'This takes the lead clinician and a second clinician.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_o2_by_the_lead';
        END IF;
        -- CLINICAL 2.4: answers count for 90 days at most
        IF NEW.valid_until > s.answered_on + 90 OR NEW.valid_from < s.answered_on THEN
            RAISE EXCEPTION 'Answers count for 90 days from the day they were given.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_review_90_days';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER screening_review_check BEFORE INSERT ON screening_review
    FOR EACH ROW EXECUTE FUNCTION screening_review_check();

CREATE FUNCTION screening_cosignature_check() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    SELECT r.decided_by_id, p.user_id AS patient_user INTO v FROM screening_review r
    JOIN clinic_patient p ON p.id = r.patient_id WHERE r.id = NEW.review_id;
    IF NOT screening_may(NEW.signed_by_id, 'decide_second') OR v.decided_by_id = NEW.signed_by_id
       OR v.patient_user = NEW.signed_by_id THEN
        RAISE EXCEPTION 'The second signature is another clinician''s.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'screening_cosignature_by_another_clinician';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER screening_cosignature_check BEFORE INSERT ON screening_cosignature
    FOR EACH ROW EXECUTE FUNCTION screening_cosignature_check();
"""

DOWN = """
DROP FUNCTION screening_refuse() CASCADE;
DROP FUNCTION screening_questionnaire_keep() CASCADE;
DROP FUNCTION screening_questionnaire_born_draft() CASCADE;
DROP FUNCTION screening_parts_keep() CASCADE;
DROP FUNCTION screening_response_keep() CASCADE;
DROP FUNCTION screening_response_born() CASCADE;
DROP FUNCTION screening_review_clears(bigint, bigint, bigint, bigint, date) CASCADE;
DROP FUNCTION screening_response_superseded(bigint) CASCADE;
DROP FUNCTION screening_review_check() CASCADE;
DROP FUNCTION screening_cosignature_check() CASCADE;
DROP FUNCTION screening_may(bigint, text) CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("screening", "0001_initial"), ("clinic", "0002_cache_and_kind")]
    operations = [migrations.RunSQL(REFUSE + APPEND_ONLY + QUESTIONNAIRE + RESPONSE + CLEARS + WHO, DOWN)]
