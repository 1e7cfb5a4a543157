"""Nobody works at two places at a time: the hours of a practitioner never overlap, whoever writes them.

The form says so in words that name the other hours; here is the wall, also for two managers who save at once. Ranges
without btree_gist, as for appointments; PostgreSQL has no range of times, so both ends are put on one day.
"""

from django.db import migrations

UP = """
ALTER TABLE booking_workinghours ADD CONSTRAINT booking_workinghours_in_one_place EXCLUDE USING gist (
    int8range(practitioner_id, practitioner_id, '[]') WITH &&,
    int8range(weekday, weekday, '[]') WITH &&,
    tsrange('2000-01-01'::date + starts, '2000-01-01'::date + ends) WITH &&,
    daterange(valid_from, valid_until, '[]') WITH &&
);
"""

DOWN = "ALTER TABLE booking_workinghours DROP CONSTRAINT booking_workinghours_in_one_place;"


class Migration(migrations.Migration):
    dependencies = [("booking", "0006_nothing_left_on_old_questions")]
    operations = [migrations.RunSQL(UP, DOWN)]
