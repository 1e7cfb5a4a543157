"""The walls of DESIGN section 4 around appointments: I2 (nothing booked without a clearing review), the larger interval
of I3, and which status follows which. Plain SQL triggers: the web role can neither disable nor drop them.
"""

from django.db import migrations

# local_date and interval_days are never the caller's. The largest interval of the two treatments counts (I3): the
# exclusion constraint looks forward from each session, this trigger looks back at a shorter one before it.
DAYS = """
CREATE FUNCTION booking_appointment_set_days() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    t record;
BEGIN
    SELECT kind, minimum_interval_days INTO t FROM clinic_treatment WHERE id = NEW.treatment_id;
    SELECT (NEW.starts_at AT TIME ZONE l.time_zone)::date INTO NEW.local_date
    FROM clinic_room r JOIN clinic_location l ON l.id = r.location_id WHERE r.id = NEW.room_id;
    NEW.interval_days := CASE WHEN t.kind = 'treatment' THEN t.minimum_interval_days ELSE 0 END;
    IF t.kind = 'treatment' AND NEW.area_id IS NULL THEN
        RAISE EXCEPTION 'A treatment is of an area.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_treatment_has_area';
    END IF;
    IF NEW.interval_days > 0 AND NEW.patient_id IS NOT NULL
       AND NEW.status NOT IN ('cancelled', 'noshow', 'entered-in-error') THEN
        PERFORM 1 FROM clinic_patient WHERE id = NEW.patient_id FOR NO KEY UPDATE;
        IF EXISTS (
            SELECT 1 FROM booking_appointment o
            WHERE o.patient_id = NEW.patient_id AND o.area_id = NEW.area_id AND o.id <> NEW.id AND o.interval_days > 0
              AND o.status NOT IN ('cancelled', 'noshow', 'entered-in-error')
              AND abs(o.local_date - NEW.local_date) < greatest(o.interval_days, NEW.interval_days)
        ) THEN
            RAISE EXCEPTION 'Two sessions on the same area are never closer than their interval.'
                USING ERRCODE = 'exclusion_violation', CONSTRAINT = 'booking_appointment_interval_kept';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER booking_appointment_a_set_days
    BEFORE INSERT OR UPDATE ON booking_appointment
    FOR EACH ROW EXECUTE FUNCTION booking_appointment_set_days();
"""

# DESIGN section 5. Undo (the second list) counts for 15 minutes.
TRANSITIONS = """
CREATE FUNCTION booking_appointment_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status NOT IN ('proposed', 'pending', 'booked') THEN
            RAISE EXCEPTION 'An appointment begins as proposed, pending or booked.'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_transition';
        END IF;
        RETURN NEW;
    END IF;
    IF NEW.status = OLD.status THEN RETURN NEW; END IF;
    IF OLD.status || '>' || NEW.status IN (
        'proposed>pending', 'proposed>booked', 'proposed>cancelled',
        'pending>booked', 'pending>cancelled',
        'booked>pending', 'booked>arrived', 'booked>cancelled', 'booked>noshow',
        'arrived>checked-in', 'arrived>pending', 'arrived>cancelled',
        'checked-in>fulfilled', 'checked-in>pending', 'checked-in>cancelled')
       OR (NEW.status = 'entered-in-error' AND OLD.status <> 'entered-in-error')
    THEN RETURN NEW; END IF;
    IF OLD.status || '>' || NEW.status IN (
        'arrived>booked', 'noshow>booked', 'cancelled>booked', 'cancelled>pending', 'fulfilled>checked-in')
       AND NEW.status_changed_at <= OLD.status_changed_at + interval '15 minutes'
    THEN RETURN NEW; END IF;
    RAISE EXCEPTION 'An appointment does not go from % to %.', OLD.status, NEW.status
        USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_transition';
END $$;
CREATE TRIGGER booking_appointment_b_transition
    BEFORE INSERT OR UPDATE ON booking_appointment
    FOR EACH ROW EXECUTE FUNCTION booking_appointment_transition();

CREATE FUNCTION booking_appointment_refuse_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'Appointments are cancelled, never deleted.'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_never_deleted';
END $$;
CREATE TRIGGER booking_appointment_never_deleted BEFORE DELETE ON booking_appointment
    FOR EACH ROW EXECUTE FUNCTION booking_appointment_refuse_delete();
"""

# I2, first half: on the appointment. Both halves lock the patient's row first, or they race past each other (STACK).
CLEARANCE = """
CREATE FUNCTION booking_appointment_clearance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status NOT IN ('booked', 'arrived', 'checked-in', 'fulfilled') THEN RETURN NEW; END IF;
    IF NOT EXISTS (SELECT 1 FROM clinic_treatment WHERE id = NEW.treatment_id AND kind = 'treatment') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.status = 'fulfilled' AND NEW.status = 'fulfilled'
       AND ROW(NEW.review_id, NEW.patient_id, NEW.starts_at, NEW.treatment_id, NEW.area_id, NEW.room_id)
         IS NOT DISTINCT FROM
         ROW(OLD.review_id, OLD.patient_id, OLD.starts_at, OLD.treatment_id, OLD.area_id, OLD.room_id)
    THEN RETURN NEW; END IF; -- history keeps its review
    PERFORM 1 FROM clinic_patient WHERE id = NEW.patient_id FOR NO KEY UPDATE;
    IF NEW.review_id IS NULL OR NOT screening_review_clears(
        NEW.review_id, NEW.patient_id, NEW.treatment_id, NEW.area_id, NEW.local_date) THEN
        RAISE EXCEPTION 'No clinician has cleared this patient for this treatment, area and day.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_cleared_by_a_clinician';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER booking_appointment_c_clearance
    BEFORE INSERT OR UPDATE ON booking_appointment
    FOR EACH ROW EXECUTE FUNCTION booking_appointment_clearance();
"""

# I2, second half: at the end of a transaction that supersedes, withdraws or decides anew.
LEFT_BEHIND = """
CREATE FUNCTION booking_nothing_left_on_old_review() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    the_patient bigint := NEW.patient_id;
BEGIN
    IF the_patient IS NULL THEN RETURN NULL; END IF;
    PERFORM 1 FROM clinic_patient WHERE id = the_patient FOR NO KEY UPDATE;
    IF EXISTS (
        SELECT 1 FROM booking_appointment b JOIN clinic_treatment t ON t.id = b.treatment_id
        WHERE b.patient_id = the_patient AND t.kind = 'treatment' AND b.status IN ('booked', 'arrived', 'checked-in')
          AND NOT screening_review_clears(b.review_id, b.patient_id, b.treatment_id, b.area_id, b.local_date)
    ) THEN
        RAISE EXCEPTION 'A booked appointment would be left on a decision that no longer counts.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_cleared_by_a_clinician';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER booking_nothing_left_on_old_response
    AFTER INSERT OR UPDATE ON screening_questionnaireresponse DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION booking_nothing_left_on_old_review();
CREATE CONSTRAINT TRIGGER booking_nothing_left_on_old_review
    AFTER INSERT ON screening_review DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION booking_nothing_left_on_old_review();
"""

DOWN = """
DROP FUNCTION booking_appointment_set_days() CASCADE;
DROP FUNCTION booking_appointment_transition() CASCADE;
DROP FUNCTION booking_appointment_refuse_delete() CASCADE;
DROP FUNCTION booking_appointment_clearance() CASCADE;
DROP FUNCTION booking_nothing_left_on_old_review() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("booking", "0001_initial"), ("screening", "0002_walls")]
    operations = [migrations.RunSQL(DAYS + TRANSITIONS + CLEARANCE + LEFT_BEHIND, DOWN)]
