"""Cancelling, and taking it back."""

from datetime import timedelta

import icalendar
import pytest

from booking import appointments, changing
from booking.changing import NotAllowed, Taken, TooClose
from outbox.models import Message
from screening import reviews
from screening.models import QuestionnaireResponse, ReviewRequest
from tests import make
from tests.booking import steps
from tests.booking.staff import Staff, words_of
from tests.make import NOW

pytestmark = pytest.mark.django_db


def test_a_patient_cancels_with_who_when_why(surgery):
    appointment = steps.talk(surgery)
    cancelled = appointments.cancel(appointment, by="patient", now=NOW)
    assert (cancelled.status, cancelled.cancelled_by, cancelled.cancel_reason) == (
        "cancelled",
        "patient",
        "patient-asked",
    )
    assert (cancelled.cancelled_at, cancelled.cancelled_by_user, cancelled.cancelled_late) == (NOW, None, False)
    assert steps.messages(appointment) == ["cancelled"]  # the one about booking had not gone out
    event = next(iter(icalendar.Calendar.from_ical(Message.objects.get(kind="cancelled").calendar).walk("VEVENT")))
    assert event["sequence"] == 1
    assert steps.talk(surgery).status == "booked"  # the time is free


def test_late_is_possible_until_the_start_and_recorded(surgery):
    on_time, late = steps.talk(surgery), steps.talk(surgery, clock="12:00")
    notice = timedelta(hours=24)
    assert not appointments.cancel(on_time, by="patient", now=on_time.starts_at - notice).cancelled_late
    assert appointments.cancel(late, by="patient", now=late.starts_at - timedelta(minutes=1)).cancelled_late
    begun = steps.talk(surgery, clock="14:00")
    with pytest.raises(NotAllowed):
        appointments.cancel(begun, by="patient", now=begun.starts_at)


def test_what_the_clinic_cancels_is_never_late(surgery):
    appointment = steps.talk(surgery)
    cancelled = appointments.cancel(
        appointment,
        by="staff",
        user=surgery.desk,
        reason="practitioner-away",
        now=appointment.starts_at - timedelta(hours=1),
    )
    assert (cancelled.cancelled_by_user, cancelled.cancelled_late) == (surgery.desk, False)


def test_staff_need_the_desk_and_a_reason(surgery):
    appointment = steps.talk(surgery)
    for user in (None, make.make_user(), surgery.clinician, surgery.practitioner.user):
        with pytest.raises(NotAllowed):
            appointments.cancel(appointment, by="staff", user=user, reason="mistake", now=NOW)
    for reason in ("", "no such reason", "hold-expired", "clinical"):
        with pytest.raises(NotAllowed):
            appointments.cancel(appointment, by="staff", user=surgery.desk, reason=reason, now=NOW)
    appointment.refresh_from_db()
    assert appointment.status == "booked"


def test_when_its_day_is_over_the_desk_cancels_nothing_any_more(surgery):
    appointment = steps.talk(surgery)
    late = {"by": "staff", "user": surgery.desk, "reason": "mistake"}
    with pytest.raises(NotAllowed, match="This day is over"):
        appointments.cancel(appointment, now=make.at(steps.VISIT + timedelta(days=1), "00:01"), **late)
    evening = make.at(steps.VISIT, "23:00")
    assert appointments.cancel(appointment, now=evening, **late).status == "cancelled"


def test_what_was_never_confirmed_is_cancelled_when_its_day_is_over_and_nobody_is_told(surgery):
    appointment = steps.asked(surgery)
    Message.objects.update(state="sent", sent_at=NOW, claimed_at=NOW)
    later = make.at(steps.VISIT + timedelta(days=1), "09:00")
    gone = appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=later)
    assert (gone.status, gone.cancel_reason) == ("cancelled", "mistake")
    assert not ReviewRequest.objects.filter(closed_at=None).exists()
    assert appointments.undo(gone, by=surgery.desk, now=later).status == "pending"
    assert steps.messages(appointment) == [], "of a day that is over nobody is told"


def test_a_pending_one_leaves_the_worklist(surgery):
    appointment = steps.asked(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    assert not ReviewRequest.objects.filter(closed_at=None).exists()


def test_another_visit_that_waits_keeps_the_worklist(surgery):
    patient = make.make_patient()
    first = steps.asked(surgery, patient=patient)
    steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=patient)
    appointments.cancel(first, by="patient", now=NOW)
    assert ReviewRequest.objects.filter(closed_at=None).count() == 1


def test_a_held_time_is_given_back(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    assert appointments.cancel(hold, by="patient", now=NOW).status == "cancelled"


def test_the_practitioner_says_not_today(surgery):
    appointment = steps.arrived(surgery)
    now = appointment.starts_at
    with pytest.raises(NotAllowed):
        appointments.cancel(appointment, by="clinician", user=surgery.practitioners[1].user, reason="clinical", now=now)
    cancelled = appointments.cancel(
        appointment, by="clinician", user=surgery.practitioner.user, reason="clinical", now=now
    )
    assert (cancelled.cancelled_by, cancelled.cancelled_by_user) == ("clinician", surgery.practitioner.user)


def test_twice_is_refused(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    with pytest.raises(NotAllowed):
        appointments.cancel(appointment, by="patient", now=NOW)
    assert steps.messages(appointment) == ["cancelled"]


# --- undo


def test_a_cancellation_is_undone_within_fifteen_minutes(surgery):
    appointment = steps.booked(surgery)
    steps.sent()
    appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    back = appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=15))
    assert (back.status, back.cancelled_by, back.cancel_reason, back.cancelled_at) == ("booked", "", "", None)
    assert back.sequence == 2
    assert steps.messages(appointment) == []  # nobody had been told


def test_who_was_told_hears_that_it_stands(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    steps.sent(kind="cancelled")
    appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=5))
    assert steps.messages(appointment) == ["booked"]


def test_who_was_told_hears_of_another_time_where_nobody_is_there_then(surgery):
    appointment = steps.talk(surgery)
    make.make_time_off(surgery.practitioner, appointment.starts_at, appointment.ends_at)
    appointments.cancel(appointment, by="staff", user=surgery.desk, reason="practitioner-away", now=NOW)
    steps.sent(kind="cancelled")
    assert appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=5)).status == "booked"
    assert steps.messages(appointment) == ["other_time"]


@pytest.mark.parametrize("of", [steps.talk, steps.booked, steps.asked, steps.phoned])
def test_what_the_cancellation_took_back_unsent_is_told_after_all(surgery, of):
    surgery.questionnaire  # noqa: B018 - in force
    appointment = of(surgery)
    (waiting,) = steps.messages(appointment)
    appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=1))
    assert steps.messages(appointment) == [waiting]


@pytest.mark.parametrize("told", [False, True])
def test_a_question_is_asked_again_only_of_whom_we_told_that_it_is_off(surgery, told):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "needs-information")
    steps.sent()
    appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    if told:
        steps.sent()
    appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=1))
    assert steps.messages(appointment) == ["information_needed"] * told


def test_a_form_is_asked_for_again_only_of_whom_we_told_that_it_is_off(surgery):
    surgery.questionnaire  # noqa: B018 - in force
    appointment = steps.phoned(surgery)
    for told in (False, True):
        steps.sent()
        appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=NOW)
        if told:
            steps.sent()
        appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=1))
        assert steps.messages(appointment) == ["form_due"] * told


def test_a_form_that_came_to_be_needed_meanwhile_is_asked_for(surgery):
    appointment = steps.asked(surgery)
    steps.sent()
    appointments.cancel(appointment, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    response = QuestionnaireResponse.objects.get()
    reviews.mark_in_error(response, by=surgery.clinician, now=NOW)
    back = appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=1))
    assert back.form_due_by is not None
    assert steps.messages(appointment) == ["form_due"]


def test_too_late_to_undo(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    with pytest.raises(NotAllowed, match="15 minutes"):
        appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=15, seconds=1))


def test_only_the_desk_undoes(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    with pytest.raises(NotAllowed):
        appointments.undo(appointment, by=surgery.clinician, now=NOW)


def test_a_time_somebody_has_taken_is_not_given_back(surgery):
    appointment = steps.talk(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    steps.talk(surgery)
    with pytest.raises(Taken):
        appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=1))
    appointment.refresh_from_db()
    assert appointment.status == "cancelled"


def test_an_undone_request_waits_for_a_clinician_again(surgery):
    appointment = steps.asked(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    back = appointments.undo(appointment, by=surgery.desk, now=NOW)
    assert back.status == "pending"
    assert steps.request_of(back).needed_at == back.starts_at


def test_what_is_not_cleared_any_more_comes_back_as_pending(surgery):
    appointment = steps.booked(surgery)
    steps.sent()
    appointments.cancel(appointment, by="patient", now=NOW)
    steps.answered(surgery, appointment.patient, now=NOW + timedelta(minutes=1))
    assert appointments.undo(appointment, by=surgery.desk, now=NOW + timedelta(minutes=2)).status == "pending"
    assert steps.messages(appointment) == ["asked_for"]  # they know it as confirmed


def test_what_was_cleared_meanwhile_comes_back_as_booked(surgery):
    patient = make.make_patient()
    first = steps.asked(surgery, patient=patient)
    second = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=patient)
    steps.sent()
    appointments.cancel(first, by="patient", now=NOW)
    review = steps.decide(second)
    back = appointments.undo(first, by=surgery.desk, now=NOW + timedelta(minutes=1))
    assert (back.status, back.review_id, back.answer_by) == ("booked", review.pk, None)
    assert steps.messages(first) == ["booked"]
    assert not ReviewRequest.objects.filter(closed_at=None).exists()


def test_what_a_clinician_decided_is_not_undone_at_the_desk(surgery):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "not-suitable")
    assert appointment.status == "cancelled"
    released = changing.cancel_quietly(steps.talk(surgery), by="system", reason="not-reviewed", now=NOW)
    for visit in (appointment, released):
        with pytest.raises(NotAllowed, match="Please book it again"):
            appointments.undo(visit, by=surgery.desk, now=NOW)


def test_what_is_too_near_another_session_now_says_from_when_it_would_not_be(surgery):
    appointment = steps.asked(surgery)
    appointments.cancel(appointment, by="patient", now=NOW)
    near = steps.asked(surgery, steps.VISIT + timedelta(days=1), patient=appointment.patient)
    with pytest.raises(TooClose) as refused:
        appointments.undo(appointment, by=surgery.desk, now=NOW)
    assert refused.value.first_day_possible == near.local_date + timedelta(days=28)


@pytest.mark.parametrize(("who", "button"), [("desk", "cancel"), ("nurse", "not_today")])
def test_a_visit_that_was_moved_while_the_button_waited_for_it_is_not_cancelled(
    surgery, clock, monkeypatch, who, button
):
    visit = steps.booked(surgery)
    new = steps.slot(surgery, steps.VISIT + timedelta(days=1), "14:00")
    wait_for_locks = changing.lock
    clock.now = visit.starts_at - timedelta(hours=2)

    def a_colleague_is_faster(**what):
        monkeypatch.setattr(changing, "lock", wait_for_locks)
        appointments.move(visit, slot=new, by="staff", user=surgery.desk, now=clock.now)
        wait_for_locks(**what)

    staff = Staff(surgery.desk if who == "desk" else surgery.practitioner.user)
    page = staff.read("cancel" if who == "desk" else "visit", visit.uuid)
    monkeypatch.setattr(changing, "lock", a_colleague_is_faster)
    pressed_on = page.split('name="seen" value="')[1].split('"')[0]
    answer = staff.post(button, visit.uuid, seen=pressed_on, reason="mistake", follow=True)
    assert "It is now “booked”, Friday 12 March 2027, 14:00." in words_of(answer)
    visit.refresh_from_db()
    assert visit.status == "booked"


def test_the_desk_says_that_it_can_be_undone_only_where_it_can(surgery, clock):
    desk, expected, here = Staff(surgery.desk), steps.talk(surgery), steps.arrived(surgery, clock="14:00")
    clock.now = expected.starts_at
    for visit, can_be in ((expected, True), (here, False)):
        answer = words_of(desk.post("cancel", visit.uuid, reason="mistake", follow=True))
        assert "Cancelled:" in answer
        assert ("This can be undone" in answer) is can_be
        assert ("Undo “cancelled”" in answer) is can_be
