"""I2, for the third way in which a decision stops counting: a new version of the questions that everybody answers again.

As with new answers and later decisions, the transaction that publishes it leaves no visit booked on an older one.
"""

from django.db import migrations

UP = """
CREATE FUNCTION booking_nothing_left_on_old_questionnaire() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT (NEW.status = 'active' AND OLD.status = 'draft' AND NEW.rescreen) THEN RETURN NULL; END IF;
    -- Whoever books at this moment holds the patient's row: wait, and see what they did.
    PERFORM 1 FROM clinic_patient WHERE id IN (
        SELECT s.patient_id FROM screening_questionnaireresponse s
        JOIN screening_questionnaire q ON q.id = s.questionnaire_id
        WHERE q.name = NEW.name AND q.version < NEW.version AND s.status IN ('completed', 'amended')
    ) ORDER BY id FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM booking_appointment b JOIN clinic_treatment t ON t.id = b.treatment_id
        WHERE t.kind = 'treatment' AND b.status IN ('booked', 'arrived', 'checked-in')
          AND NOT screening_review_clears(b.review_id, b.patient_id, b.treatment_id, b.area_id, b.local_date)
    ) THEN
        RAISE EXCEPTION 'A booked appointment would be left on a decision that no longer counts.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_cleared_by_a_clinician';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER booking_nothing_left_on_old_questionnaire
    AFTER UPDATE ON screening_questionnaire DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION booking_nothing_left_on_old_questionnaire();
"""

DOWN = "DROP FUNCTION booking_nothing_left_on_old_questionnaire() CASCADE;"


class Migration(migrations.Migration):
    dependencies = [
        ("booking", "0005_places_keep_their_days"),
        ("screening", "0004_newer_questionnaire_ends_clearance"),
    ]
    operations = [migrations.RunSQL(UP, DOWN)]
