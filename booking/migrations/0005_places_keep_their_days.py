"""The local day of an appointment is set when its row is written. Nothing may change it behind the row's back: a place
with appointments keeps its time zone, and a room with appointments its place (I2 and I3 count in local days).
"""

from django.db import migrations

UP = """
CREATE FUNCTION clinic_location_keep_zone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.time_zone <> OLD.time_zone AND EXISTS (
        SELECT 1 FROM booking_appointment a JOIN clinic_room r ON r.id = a.room_id WHERE r.location_id = NEW.id
    ) THEN
        RAISE EXCEPTION 'A place with appointments keeps its time zone; make a new place.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clinic_location_keeps_its_zone';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clinic_location_keeps_its_zone BEFORE UPDATE ON clinic_location
    FOR EACH ROW EXECUTE FUNCTION clinic_location_keep_zone();

CREATE FUNCTION clinic_room_keep_place() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.location_id <> OLD.location_id AND EXISTS (SELECT 1 FROM booking_appointment WHERE room_id = NEW.id) THEN
        RAISE EXCEPTION 'A room with appointments stays where it is; make a new room.'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'clinic_room_keeps_its_place';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER clinic_room_keeps_its_place BEFORE UPDATE ON clinic_room
    FOR EACH ROW EXECUTE FUNCTION clinic_room_keep_place();
"""

DOWN = """
DROP FUNCTION clinic_location_keep_zone() CASCADE;
DROP FUNCTION clinic_room_keep_place() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("booking", "0004_break_has_both_ends"), ("clinic", "0004_consultation_first_is_a_choice")]
    operations = [migrations.RunSQL(UP, DOWN)]
