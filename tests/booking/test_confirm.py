"""A kept time becomes an appointment."""

from datetime import date, timedelta

import icalendar
import pytest

from booking import appointments, holding
from booking.changing import NotAllowed, Taken, TooClose
from booking.models import Appointment, HoldDetails
from outbox.models import Message
from screening import reviews
from screening.clearance import BirthDateDiffers
from screening.models import QuestionnaireResponse, ReviewRequest
from tests import make
from tests.booking import steps
from tests.make import NOW, TODAY
from tests.screening import decisions

pytestmark = pytest.mark.django_db

TOMORROW = TODAY + timedelta(days=1)


def test_a_consultation_is_booked_at_once(surgery):
    patient = make.make_patient()
    appointment = holding.confirm(steps.held(surgery, treatment=surgery.consultation), patient=patient, now=NOW)
    assert (appointment.status, appointment.patient, appointment.answer_by) == ("booked", patient, None)
    message = Message.objects.get(subject_uuid=appointment.uuid)
    assert (message.kind, message.to) == ("booked", patient.email)
    assert "Thursday 11 March 2027, 10:00" in message.text
    event = next(iter(icalendar.Calendar.from_ical(message.calendar).walk("VEVENT")))
    assert event["uid"] == str(appointment.uuid)


def test_a_treatment_waits_for_a_clinician_and_says_until_when(surgery):
    patient = make.make_patient()
    appointment = steps.asked(surgery, patient=patient)
    assert (appointment.status, appointment.review) == ("pending", None)
    assert appointment.answer_by == make.at("2027-03-02", "17:00")  # the next working day
    request = ReviewRequest.objects.get(response__patient=patient, closed_at=None)
    assert (request.needed_on, request.needed_at) == (steps.VISIT, appointment.starts_at)
    assert request.answer_by == appointment.answer_by
    message = Message.objects.get(subject_uuid=appointment.uuid)
    assert message.kind == "asked_for"
    assert "answer by Tuesday 2 March 2027, 17:00" in message.text
    assert "do not travel" in message.text


def test_anonymous_answers_become_the_patients(surgery):
    patient = make.make_patient()
    response = steps.answered(surgery)
    appointment = holding.confirm(steps.held(surgery, response_id=response.pk), patient=patient, now=NOW)
    assert appointment.status == "pending"
    assert QuestionnaireResponse.objects.get(pk=response.pk).patient == patient


def test_answers_with_another_birth_date_keep_the_hold_and_change_nothing(surgery):
    patient = make.make_patient(birth_date=date(1991, 1, 1))
    hold = steps.held(surgery)
    with pytest.raises(BirthDateDiffers):
        holding.confirm(hold, patient=patient, now=NOW)
    hold.refresh_from_db()
    assert (hold.status, hold.patient) == ("proposed", None)
    assert not Message.objects.exists()


def test_with_a_clearance_a_treatment_is_booked_at_once(surgery):
    patient = make.make_patient()
    first = steps.booked(surgery, patient=patient)
    second = holding.confirm(
        steps.held(surgery, steps.VISIT + timedelta(days=28), patient=patient), patient=patient, now=NOW
    )
    assert second.status == "booked"
    assert second.review_id == first.review_id


def test_who_is_no_longer_cleared_is_not_promised_an_answer_after_the_visit(surgery):
    """Held as a cleared patient may, for tomorrow; then the clinician asks something before it is confirmed."""
    patient = make.make_patient()
    asked = steps.asked(surgery, patient=patient)
    review = steps.decide(asked)
    appointments.cancel(asked, by="patient", now=NOW)
    hold = steps.held(surgery, TOMORROW, "14:00", patient=patient, response_id=asked.response_id)
    reviews.reopen(review, now=NOW)
    decisions.decide(steps.request_of(asked), "needs-information", now=NOW, question="Which cream?")
    with pytest.raises(NotAllowed, match="choose a later time"):
        holding.confirm(hold, patient=patient, now=NOW)
    hold.refresh_from_db()
    assert hold.status == "proposed"


def test_twice_changes_nothing(surgery):
    appointment = steps.asked(surgery)
    again = holding.confirm(appointment, patient=appointment.patient, now=NOW + timedelta(minutes=1))
    assert again.status_changed_at == appointment.status_changed_at
    assert Message.objects.count() == 1


def test_another_persons_hold_is_refused(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation, patient=make.make_patient())
    with pytest.raises(NotAllowed):
        holding.confirm(hold, patient=make.make_patient(), now=NOW)


def test_an_expired_hold_nobody_took_can_still_be_confirmed(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    later = NOW + timedelta(minutes=30)
    assert holding.confirm(hold, patient=make.make_patient(), now=later).status == "booked"


def test_an_expired_hold_somebody_took_is_taken_and_others_are_offered(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    later = NOW + timedelta(minutes=30)
    steps.held(surgery, treatment=surgery.consultation, now=later)
    with pytest.raises(Taken) as refused:
        holding.confirm(hold, patient=make.make_patient(), now=later)
    assert refused.value.alternatives
    # at the same time with somebody else, first of all
    assert refused.value.alternatives[0].starts_at <= hold.starts_at <= refused.value.alternatives[-1].starts_at


@pytest.mark.parametrize("why", ["off", "closed", "gone", "room"])
def test_a_hold_whose_practitioner_or_place_went_away_meanwhile_is_taken(surgery, why):
    hold = steps.held(surgery, treatment=surgery.consultation)
    if why == "off":
        make.make_time_off(surgery.practitioner, hold.starts_at, hold.ends_at)
    elif why == "closed":
        make.make_closure(surgery.location, hold.local_date)
    else:
        one = {"gone": surgery.practitioner, "room": hold.room}[why]
        type(one).objects.filter(pk=one.pk).update(is_active=False)
    for verb in (holding.extend, lambda hold, now: holding.confirm(hold, patient=make.make_patient(), now=now)):
        with pytest.raises(Taken):
            verb(hold, now=NOW)
    hold.refresh_from_db()
    assert (hold.status, hold.hold_extensions, Message.objects.count()) == ("proposed", 0, 0)


def test_what_was_typed_is_forgotten(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    holding.take_details(
        hold,
        name="Ada Example",
        phone="+447700900123",
        email="ada@example.org",
        birth_date=date(1990, 5, 4),
        now=NOW,
    )
    assert HoldDetails.objects.get().email == "ada@example.org"
    holding.confirm(hold, patient=make.make_patient(), now=NOW)
    assert not HoldDetails.objects.exists()


def test_too_close_to_another_session_says_the_first_day(surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    hold = steps.held(surgery, steps.VISIT + timedelta(days=27))
    with pytest.raises(TooClose) as refused:
        holding.confirm(hold, patient=patient, now=NOW)
    assert refused.value.first_day_possible == steps.VISIT + timedelta(days=28)
    hold.refresh_from_db()
    assert hold.status == "proposed"


def test_one_person_is_in_one_place(surgery):
    patient = make.make_patient()
    steps.talk(surgery, patient=patient)
    other = steps.held(surgery, treatment=surgery.consultation, practitioner=surgery.practitioners[1])
    with pytest.raises(NotAllowed, match="another appointment at that time"):
        holding.confirm(other, patient=patient, now=NOW)


def test_confirming_gives_up_other_holds_of_the_person(surgery):
    patient = make.make_patient()
    first = steps.held(surgery, treatment=surgery.consultation, patient=patient)
    second = steps.held(surgery, treatment=surgery.consultation, practitioner=surgery.practitioners[1])
    holding.confirm(second, patient=patient, now=NOW)
    first.refresh_from_db()
    assert (first.status, first.cancelled_by) == ("cancelled", "system")


def test_nobody_under_18_books_online(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    with pytest.raises(NotAllowed, match="from the age of 18"):
        holding.confirm(hold, patient=make.make_patient(birth_date=date(2009, 3, 2)), now=NOW)
    of_age = make.make_patient(birth_date=date(2009, 3, 1))
    assert holding.confirm(hold, patient=of_age, now=NOW).status == "booked"


def test_a_new_patient_has_a_consultation_first_where_the_clinic_wants_it(surgery):
    make.make_clinic(consultation_first="always")
    patient = make.make_patient()
    with pytest.raises(NotAllowed, match="consultation"):
        steps.asked(surgery, patient=patient)
    make.make_appointment(
        status="fulfilled",
        patient=patient,
        treatment=surgery.consultation,
        starts_at=make.at("2027-02-01"),
    )
    assert steps.asked(surgery, steps.VISIT, "12:00", patient=patient).status == "pending"


def test_new_answers_put_earlier_visits_back_in_the_same_step(surgery):
    patient = make.make_patient()
    first = steps.booked(surgery, patient=patient)
    anonymous = steps.answered(surgery, now=NOW + timedelta(hours=1))
    hold = steps.held(
        surgery,
        steps.VISIT + timedelta(days=28),
        response_id=anonymous.pk,
        now=NOW + timedelta(hours=1),
    )
    second = holding.confirm(hold, patient=patient, now=NOW + timedelta(hours=1))
    first.refresh_from_db()
    assert (first.status, second.status) == ("pending", "pending")
    assert "back_to_pending" in steps.messages(first)
    # one row of the worklist, for the nearer of the two
    request = ReviewRequest.objects.get(response=anonymous, closed_at=None)
    assert request.needed_on == first.local_date
    assert Appointment.objects.filter(patient=patient, status="pending").count() == 2
