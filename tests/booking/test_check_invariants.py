"""The command finds what the walls would have refused. Each break is planted by the owner with the walls taken down."""

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from booking.models import Appointment
from clinic.management.commands.check_invariants import WALLS
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.make import NOW

pytestmark = pytest.mark.django_db


def check() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("check_invariants", stdout=out)
    except SystemExit as stop:
        return stop.code, out.getvalue()
    return 0, out.getvalue()


@contextmanager
def walls_down(*tables, constraints=()):
    """As the owner: triggers off, constraints gone. It ends with the rollback of the test."""
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for table, name in constraints:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    yield
    with connection.cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


APPOINTMENT = "booking_appointment"


def sql(statement, *values):
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_nothing_is_wrong_in_a_clinic_that_used_the_verbs(surgery):
    steps.booked(surgery)
    steps.arrived(surgery, day=steps.VISIT + timedelta(days=1))
    steps.asked(surgery, clock="12:00")
    steps.held(surgery, clock="14:00")
    for status in Appointment.Status.values:
        make.make_appointment(status=status)
    assert check() == (0, "".join(f"I{n} ok\n" for n in range(1, 8)) + "All invariants hold.\n")


def test_i1_two_at_one_time(surgery):
    first, second = steps.talk(surgery), steps.talk(surgery, clock="12:00")
    names = [f"booking_appointment_{who}_in_one_place" for who in ("practitioner", "room", "patient")]
    with walls_down(APPOINTMENT, constraints=[(APPOINTMENT, name) for name in names]):
        sql(
            "UPDATE booking_appointment SET starts_at = %s, ends_at = %s, busy_until = %s, patient_id = %s"
            " WHERE id = %s",
            first.starts_at,
            first.ends_at,
            first.busy_until,
            first.patient_id,
            second.pk,
        )
    code, text = check()
    assert code == 1 and "I1 BROKEN" in text and "I2 ok" in text
    for words in ("a practitioner has at the same time", "in one room at the same time", "of one patient"):
        assert f"{words}: {first.pk}, {second.pk}" in text or f"{words} at the same time: {first.pk}" in text


def test_i1_a_wall_that_is_gone(surgery):
    with walls_down(constraints=[(APPOINTMENT, "booking_appointment_room_in_one_place")]):
        pass
    code, text = check()
    assert code == 1
    assert "missing or off: booking_appointment_room_in_one_place" in text


def test_i2_booked_without_a_clearance(surgery):
    pending = steps.asked(surgery)
    with walls_down(APPOINTMENT):
        sql("UPDATE booking_appointment SET status = 'booked' WHERE id = %s", pending.pk)
    code, text = check()
    assert code == 1
    assert f"on a decision that does not clear: {pending.pk}" in text


def test_i2_fulfilled_without_a_decision():
    done = make.make_appointment(status="fulfilled")
    with walls_down(APPOINTMENT):
        sql("UPDATE booking_appointment SET review_id = NULL WHERE id = %s", done.pk)
    code, text = check()
    assert (
        code == 1
        and f"fulfilled without the clearing decision of that patient, treatment, area and day: {done.pk}" in text
    )


def test_i2_a_trigger_that_is_off():
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("ALTER TABLE booking_appointment DISABLE TRIGGER booking_appointment_c_clearance")
    code, text = check()
    assert code == 1 and "missing or off: booking_appointment_c_clearance" in text


def test_i3_too_close():
    patient, treatment = make.make_patient(), make.make_treatment()
    first = make.make_appointment(patient=patient, treatment=treatment)
    second = make.make_appointment(patient=patient, treatment=treatment, starts_at=first.starts_at + timedelta(days=28))
    assert check()[0] == 0
    with walls_down(APPOINTMENT, constraints=[(APPOINTMENT, "booking_appointment_interval_kept")]):
        sql("UPDATE booking_appointment SET local_date = local_date - 1 WHERE id = %s", second.pk)
    code, text = check()
    assert code == 1 and f"closer than the larger interval: {first.pk}, {second.pk}" in text


def test_i4_answers_changed_hands(surgery):
    appointment = steps.booked(surgery)
    with walls_down("screening_questionnaireresponse"):
        sql(
            "UPDATE screening_questionnaireresponse SET patient_id = %s WHERE id = %s",
            make.make_patient().pk,
            appointment.response_id,
        )
    code, text = check()
    assert code == 1 and "I4 BROKEN" in text and "another patient's" in text


def test_i4_the_web_role_got_a_right():
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
        cursor.execute("GRANT UPDATE ON screening_review TO clinic_web")
    code, text = check()
    assert code == 1 and "the web role may change screening_review" in text


def test_i5_one_event_told_twice(surgery):
    steps.talk(surgery)
    with walls_down(constraints=[("outbox_message", "outbox_message_key_key")]):
        pass
    message = Message.objects.get()
    Message.objects.create(key=message.key, kind=message.kind, to=message.to, subject="", text="")
    code, text = check()
    assert code == 1 and "messages of one event: " in text


def test_i6_cancelled_by_nobody(surgery):
    appointment = steps.talk(surgery)
    with walls_down(APPOINTMENT, constraints=[(APPOINTMENT, "booking_appointment_cancelled_who_when_why")]):
        sql("UPDATE booking_appointment SET status = 'cancelled' WHERE id = %s", appointment.pk)
    code, text = check()
    assert code == 1 and f"or these without being cancelled: {appointment.pk}" in text


def test_i7_ones_own_answers():
    clinician = make.make_user(role="Clinician")
    treatment = make.make_treatment()
    review = make.make_cleared_review(make.make_patient(), treatment, decided_by=clinician)
    sql("UPDATE clinic_patient SET user_id = %s WHERE id = %s", clinician.pk, review.patient_id)
    code, text = check()
    assert code == 1 and f"a decision about one's own answers: {review.pk}" in text


def test_it_names_nobody(surgery):
    appointment = steps.talk(surgery, patient=make.make_patient(name="Quentin Unmistakable"))
    with walls_down(APPOINTMENT, constraints=[(APPOINTMENT, "booking_appointment_cancelled_who_when_why")]):
        sql("UPDATE booking_appointment SET cancelled_at = %s WHERE id = %s", NOW, appointment.pk)
    assert "Unmistakable" not in check()[1]


def test_it_looks_after_every_wall_there_is():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT conname, conrelid::regclass::text FROM pg_constraint WHERE contype = 'x'"
        )
        there = cursor.fetchall()
    known = {wall for walls in WALLS.values() for wall in walls}
    twice = {name for name, count in Counter(name for name, _table in there).items() if count > 1}
    assert len(there) > 30 and twice
    missed = {f"{name} on {table}" if name in twice else name for name, table in there} - known
    assert missed == set()


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("GRANT INSERT ON auth_group_permissions TO clinic_web", "the web role may change auth_group_permissions"),
        (
            "ALTER FUNCTION screening_may(bigint, text) RESET search_path",
            "this function can be made to read other tables: screening_may",
        ),
        (
            "ALTER TABLE clinic_treatment DISABLE TRIGGER USER",
            "this wall is missing or off: clinic_treatment_keep_kind",
        ),
        ("ALTER TABLE clinic_room DISABLE TRIGGER USER", "this wall is missing or off: clinic_room_keeps_its_place"),
    ],
)
def test_a_wall_that_was_opened_from_behind_is_found(surgery, statement, words):
    with walls_down():
        sql(statement)
    code, out = check()
    assert code == 1 and words in out
