"""A review on an older version no longer clears once a newer one asks everybody to answer again (HAZARDS H04).

The same function as in 0002 with one condition more, so that the database and `screening.clearance` say the same.
"""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION screening_review_clears(
    the_review bigint, the_patient bigint, the_treatment bigint, the_area bigint, the_day date
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    r record;
BEGIN
    SELECT v.*, a.override, s.status AS response_status, s.patient_id AS response_patient,
           q.name AS questionnaire, q.version INTO r
    FROM screening_review v
    JOIN screening_assessment a ON a.id = v.assessment_id
    JOIN screening_questionnaireresponse s ON s.id = v.response_id
    JOIN screening_questionnaire q ON q.id = s.questionnaire_id
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
        AND (r.override <> 'O2' OR EXISTS (SELECT 1 FROM screening_cosignature c WHERE c.review_id = r.id))%(newer)s;
END $$;
"""
NEWER = """
        -- a newer version that asks everybody again ends what rested on older ones
        AND NOT EXISTS (
            SELECT 1 FROM screening_questionnaire newer
            WHERE newer.name = r.questionnaire AND newer.version > r.version
              AND newer.status <> 'draft' AND newer.rescreen)"""


class Migration(migrations.Migration):
    dependencies = [("screening", "0003_ask_the_birth_date_again")]
    operations = [migrations.RunSQL(FUNCTION % {"newer": NEWER}, FUNCTION % {"newer": ""})]
