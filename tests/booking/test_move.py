"""Another time for the same appointment."""

from datetime import date, timedelta

import icalendar
import pytest
from django.db import connection

from booking import appointments
from booking.changing import NotAllowed, Taken, TooClose
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.make import NOW

pytestmark = pytest.mark.django_db
LATER = steps.VISIT + timedelta(days=1)


def move(appointment, slot, *, by="patient", user=None, now=NOW):
    return appointments.move(appointment, slot=slot, by=by, user=user, now=now)


def test_it_is_the_same_row_and_history_keeps_the_old_time(surgery):
    before = steps.booked(surgery)
    after = move(before, steps.slot(surgery, LATER, "11:00", practitioner=surgery.practitioners[1]))
    assert (after.pk, after.uuid, after.reference, after.price) == (
        before.pk,
        before.uuid,
        before.reference,
        before.price,
    )
    assert after.starts_at == make.at(LATER, "11:00")
    assert after.ends_at == after.starts_at + timedelta(minutes=45)
    assert after.busy_until == after.starts_at + timedelta(minutes=60)
    assert (after.practitioner, after.status, after.local_date) == (surgery.practitioners[1], "booked", LATER)
    assert after.sequence == 1
    events = after.events.order_by("pgh_id")
    assert [event.starts_at for event in events][-2:] == [before.starts_at, after.starts_at]
    assert [event.sequence for event in events][-2:] == [0, 1]


def test_the_patient_hears_the_new_time_and_no_longer_the_old(surgery):
    appointment = steps.talk(surgery)
    move(appointment, steps.slot(surgery, LATER))
    assert steps.messages(appointment) == ["moved"]
    message = Message.objects.get(kind="moved")
    assert "Friday 12 March 2027, 10:00" in message.text
    event = next(iter(icalendar.Calendar.from_ical(message.calendar).walk("VEVENT")))
    assert (event["sequence"], event["dtstart"].dt) == (1, make.at(LATER, "10:00"))


def test_the_clearance_follows_to_the_new_day(surgery):
    appointment = steps.booked(surgery)
    moved = move(appointment, steps.slot(surgery, LATER))
    assert (moved.status, moved.review_id) == ("booked", appointment.review_id)


def test_beyond_the_clearance_it_waits_for_new_answers(surgery):
    make.make_clinic(horizon_days=200)
    appointment = steps.booked(surgery)
    moved = move(appointment, steps.slot(surgery, date(2027, 6, 14)))  # 105 days after the answers
    assert (moved.status, moved.review) == ("pending", None)
    assert moved.form_due_by == NOW + timedelta(hours=48)
    assert steps.messages(appointment) == ["form_due", "moved"]
    assert Message.objects.get(kind="moved").calendar == ""  # nothing of it is in their calendar


def test_the_calendar_does_not_keep_the_old_time_as_confirmed(surgery):
    make.make_clinic(horizon_days=200, calendar_title="Meeting")
    appointment = steps.booked(surgery)
    steps.sent()
    for day in (date(2027, 6, 14), date(2027, 6, 21)):  # waits at the first of them already
        appointment = move(appointment, steps.slot(surgery, day))
        told = Message.objects.filter(kind="moved").latest("pk")
        (event,) = icalendar.Calendar.from_ical(told.calendar).walk("VEVENT")
        assert (event["uid"], event["sequence"]) == (str(appointment.uuid), appointment.sequence)
        assert (event["status"], event["dtstart"].dt) == ("TENTATIVE", appointment.starts_at)
        assert event["summary"] == "Meeting (not confirmed yet)"


def test_a_form_that_waits_to_be_sent_is_asked_for_with_the_new_time(surgery):
    surgery.questionnaire  # noqa: B018 - in force
    appointment = steps.phoned(surgery)
    move(appointment, steps.slot(surgery, LATER), by="staff", user=surgery.desk)
    assert steps.messages(appointment) == ["moved", "form_due"]
    waits = Message.objects.get(kind="form_due", state="queued")
    assert "Friday 12 March 2027" in waits.text
    told = Message.objects.get(kind="moved").text
    assert "do not travel yet" in told and "We still need an answer from you" in told


def test_what_waits_hears_with_its_new_time_by_when_we_answer_now(surgery):
    move(steps.asked(surgery), steps.slot(surgery, LATER), now=NOW + timedelta(days=1))
    assert "We answer by Wednesday 3 March 2027, 17:00" in Message.objects.get(kind="moved").text


@pytest.mark.parametrize("gone", [False, True])
def test_a_question_stays_open_and_no_answer_is_promised_for_it(surgery, gone):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "needs-information")
    if gone:
        steps.sent()
    moved = move(appointment, steps.slot(surgery, LATER), now=NOW + timedelta(hours=1))
    assert moved.information_asked_at == NOW
    assert steps.messages(appointment) == ["moved", "information_needed"]
    told = Message.objects.get(kind="moved")
    for words in (told.text, told.html):
        assert "We answer by" not in words and "We still need an answer from you" in words


def test_a_day_the_rules_say_no_to_is_refused(surgery):
    patient = make.make_patient()
    # a wait until 15 April
    steps.answered(surgery, patient, isotretinoin="yes", isotretinoin_still="no", isotretinoin_last_dose="2026-10-15")
    appointment = steps.asked(surgery, date(2027, 4, 20), patient=patient)
    with pytest.raises(NotAllowed, match="Thursday 15 April 2027"):
        move(appointment, steps.slot(surgery, date(2027, 4, 14)))
    assert move(appointment, steps.slot(surgery, date(2027, 4, 15))).status == "pending"
    assert steps.request_of(appointment).needed_on == date(2027, 4, 15)


def test_past_a_wait_that_was_accepted_a_clinician_looks_at_the_new_day(surgery):
    """A day short of four weeks after a filler; what follows, until six months, has not been looked at."""
    patient = make.make_patient()
    appointment = steps.phoned(surgery, patient)
    steps.answered(surgery, patient, recent_procedures=["filler"], recent_procedures_filler_on="2027-02-12")
    assert steps.decide(appointment).valid_until == steps.VISIT
    moved = move(appointment, steps.slot(surgery, LATER), by="staff", user=surgery.desk)
    assert (moved.status, moved.review) == ("pending", None)
    assert steps.request_of(moved).needed_on == LATER


def test_what_waits_goes_on_waiting_with_its_new_day(surgery):
    appointment = steps.asked(surgery)
    moved = move(appointment, steps.slot(surgery, LATER))
    assert moved.status == "pending"
    request = steps.request_of(moved)
    assert (request.needed_on, request.needed_at) == (LATER, moved.starts_at)
    assert steps.messages(appointment) == ["moved"]
    assert "It is not confirmed: please do not travel yet." in Message.objects.get(kind="moved").text


def test_patients_move_with_notice_only(surgery):
    appointment = steps.talk(surgery)
    last = appointment.starts_at - timedelta(hours=24)
    with pytest.raises(NotAllowed, match="too late"):
        move(appointment, steps.slot(surgery, LATER), now=last + timedelta(seconds=1))
    assert move(appointment, steps.slot(surgery, LATER), now=last).sequence == 1


def test_staff_move_without_notice_lead_time_and_horizon(surgery):
    appointment = steps.talk(surgery)
    now = appointment.starts_at - timedelta(hours=1)
    moved = move(appointment, steps.slot(surgery, clock="10:15"), by="staff", user=surgery.desk, now=now)
    assert moved.starts_at == make.at(steps.VISIT, "10:15")
    far = move(moved, steps.slot(surgery, date(2027, 9, 1)), by="staff", user=surgery.desk, now=now)
    assert far.local_date == date(2027, 9, 1)
    with pytest.raises(NotAllowed):
        move(far, steps.slot(surgery, LATER), by="staff", user=surgery.clinician, now=now)


def test_a_taken_time_leaves_everything_as_it_was(surgery):
    first, second = steps.talk(surgery), steps.talk(surgery, clock="12:00")
    with pytest.raises(Taken) as refused:
        move(second, steps.slot(surgery))
    assert refused.value.alternatives
    second.refresh_from_db()
    assert (second.starts_at, second.sequence) == (make.at(steps.VISIT, "12:00"), 0)
    assert steps.messages(second) == ["booked"]
    assert first.status == "booked"


def test_it_does_not_stand_in_its_own_way(surgery):
    appointment = steps.booked(surgery)
    moved = move(appointment, steps.slot(surgery, clock="10:15"))  # overlaps itself, same area, same day
    assert moved.starts_at == make.at(steps.VISIT, "10:15")


def test_the_same_time_is_no_move(surgery):
    appointment = steps.talk(surgery)
    assert move(appointment, steps.slot(surgery)).sequence == 0
    assert steps.messages(appointment) == ["booked"]


def test_too_close_to_another_session(surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    second = steps.booked(surgery, steps.VISIT + timedelta(days=35), patient=patient)
    with pytest.raises(TooClose) as refused:
        move(second, steps.slot(surgery, steps.VISIT + timedelta(days=27)))
    assert refused.value.first_day_possible == steps.VISIT + timedelta(days=28)
    assert move(second, steps.slot(surgery, steps.VISIT + timedelta(days=28))).status == "booked"


def test_what_is_over_is_not_moved(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    with pytest.raises(NotAllowed):
        move(appointment, steps.slot(surgery, LATER))


def test_one_update_writes_it(surgery):
    appointment = steps.talk(surgery)
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as queries:
        move(appointment, steps.slot(surgery, LATER))
    writes = [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith(('UPDATE "booking_appointment"', 'INSERT INTO "booking_appointment"'))
    ]
    assert len(writes) == 1
    locks = [query["sql"] for query in queries.captured_queries if "advisory" in query["sql"]]
    # the policies of the clinic, then all it is about at once
    assert ["_shared(" in lock for lock in locks] == [True, False]
    reads = [query["sql"] for query in queries.captured_queries if "booking_appointment" in query["sql"]]
    everything = [query["sql"] for query in queries.captured_queries]
    assert everything.index(locks[1]) < everything.index(reads[0])
