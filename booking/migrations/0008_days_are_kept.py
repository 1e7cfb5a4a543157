"""I3: a visit keeps the interval it was placed with.

The trigger of 0002 asked the treatment at every change of a row. Once a manager had raised the interval of a treatment,
nothing at all could be done with two visits that stood closer than that: no arrival, no new answers, no mark of an
error. The days are now set when a visit is placed: when it is new, when its start, treatment, area, patient or room
changes, and when a freed visit takes its time again. Whatever is placed beside it counts the larger interval as before.
"""

from django.db import migrations

SET_DAYS = """
CREATE OR REPLACE FUNCTION booking_appointment_set_days() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    t record;
BEGIN
    SELECT kind, minimum_interval_days INTO t FROM clinic_treatment WHERE id = NEW.treatment_id;
    IF t.kind = 'treatment' AND NEW.area_id IS NULL THEN
        RAISE EXCEPTION 'A treatment is of an area.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'booking_appointment_treatment_has_area';
    END IF;
    -- unless it stays where it was placed
    SELECT (NEW.starts_at AT TIME ZONE l.time_zone)::date INTO NEW.local_date
    FROM clinic_room r JOIN clinic_location l ON l.id = r.location_id WHERE r.id = NEW.room_id;
    NEW.interval_days := CASE WHEN t.kind = 'treatment' THEN t.minimum_interval_days ELSE 0 END;
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
"""

STAYS = """
    IF TG_OP = 'UPDATE'
       AND ROW(NEW.starts_at, NEW.treatment_id, NEW.area_id, NEW.patient_id, NEW.room_id)
         IS NOT DISTINCT FROM
         ROW(OLD.starts_at, OLD.treatment_id, OLD.area_id, OLD.patient_id, OLD.room_id)
       AND NOT (OLD.status IN ('cancelled', 'noshow', 'entered-in-error')
                AND NEW.status NOT IN ('cancelled', 'noshow', 'entered-in-error'))
    THEN
        NEW.local_date := OLD.local_date;
        NEW.interval_days := OLD.interval_days;
        RETURN NEW;
    END IF;
"""


class Migration(migrations.Migration):
    dependencies = [("booking", "0007_hours_in_one_place")]
    operations = [
        migrations.RunSQL(SET_DAYS.replace("    -- unless it stays where it was placed", STAYS.strip("\n")), SET_DAYS)
    ]
