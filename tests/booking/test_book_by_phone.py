"""The front desk books somebody who phones."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from booking import appointments, placing
from booking.changing import NotAllowed, Taken, TooClose
from booking.models import Appointment
from outbox.models import Message
from screening import clearance
from tests import make
from tests.booking import steps
from tests.make import NOW

pytestmark = pytest.mark.django_db


def phone(surgery, treatment, *, patient=None, by=None, area="face", slot=None, now=NOW, **wanted):
    return appointments.book_by_phone(
        patient=patient or make.make_patient(),
        treatment=treatment,
        area=make.area(area) if treatment.needs_screening else None,
        slot=slot or steps.slot(surgery),
        by=by or surgery.desk,
        now=now,
        **wanted,
    )


def test_a_consultation_is_booked_at_once(surgery):
    appointment = phone(surgery, surgery.consultation)
    assert (appointment.status, appointment.channel, appointment.created_by) == ("booked", "phone", surgery.desk)
    assert appointment.price == 40
    assert steps.messages(appointment) == ["booked"]


def test_a_treatment_waits_for_the_form_and_the_link_is_sent(surgery):
    appointment = phone(surgery, surgery.treatment)
    assert (appointment.status, appointment.form_due_by) == ("pending", NOW + timedelta(hours=48))
    message = Message.objects.get(subject_uuid=appointment.uuid)
    assert message.kind == "form_due"
    assert "http://testserver/appointments/link/" in message.text
    assert "Wednesday 3 March 2027, 09:00" in message.text


def test_the_form_of_a_near_visit_is_due_sooner(surgery):
    appointment = phone(surgery, surgery.treatment, slot=steps.slot(surgery, date(2027, 3, 3)))
    assert appointment.form_due_by == appointment.starts_at - timedelta(hours=24)


def test_answers_we_have_go_to_the_clinicians(surgery):
    patient = make.make_patient()
    response = steps.answered(surgery, patient)
    appointment = phone(surgery, surgery.treatment, patient=patient)
    assert (appointment.status, appointment.form_due_by, appointment.response_id) == ("pending", None, response.pk)
    assert steps.request_of(appointment).response == response
    assert steps.messages(appointment) == ["asked_for"]


def test_a_cleared_patient_is_booked(surgery):
    patient = make.make_patient()
    first = steps.booked(surgery, patient=patient)
    second = phone(
        surgery, surgery.treatment, patient=patient, slot=steps.slot(surgery, steps.VISIT + timedelta(days=28))
    )
    assert (second.status, second.review_id) == ("booked", first.review_id)


def test_a_no_of_the_rules_or_a_clinician_counts_on_the_phone_too(surgery):
    patient = make.make_patient()
    steps.answered(surgery, patient, pregnancy="yes")
    with pytest.raises(NotAllowed):
        phone(surgery, surgery.treatment, patient=patient)
    decided = steps.asked(surgery, clock="14:00")
    steps.decide(decided, "not-suitable")
    with pytest.raises(NotAllowed):
        phone(surgery, surgery.treatment, patient=decided.patient)
    assert not Appointment.objects.filter(channel="phone").exists()
    assert phone(surgery, surgery.consultation, patient=patient).status == "booked"


def test_a_clinicians_wait_that_is_over_by_then_refuses_neither_booking_nor_moving(surgery):
    patient, until = make.make_patient(), steps.VISIT + timedelta(days=7)
    steps.decide(steps.asked(surgery, patient=patient), "deferred", deferred_until=until)
    with pytest.raises(NotAllowed):
        phone(surgery, surgery.treatment, patient=patient, slot=steps.slot(surgery, until - timedelta(days=1)))
    made = phone(surgery, surgery.treatment, patient=patient, slot=steps.slot(surgery, until))
    assert made.status == "pending" and made.response_id
    later = steps.slot(surgery, until + timedelta(days=1))
    moved = appointments.move(made, slot=later, by="staff", user=surgery.desk, now=NOW)
    assert (moved.status, moved.starts_at) == ("pending", later.starts_at)


def test_the_interval_counts_for_staff_too(surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    with pytest.raises(TooClose) as refused:
        phone(surgery, surgery.treatment, patient=patient, slot=steps.slot(surgery, steps.VISIT + timedelta(days=27)))
    assert refused.value.first_day_possible == steps.VISIT + timedelta(days=28)


def test_no_lead_time_and_no_horizon_but_never_before_the_promise(surgery):
    assert phone(surgery, surgery.consultation, slot=steps.slot(surgery, make.TODAY, "09:15")).status == "booked"
    assert phone(surgery, surgery.consultation, slot=steps.slot(surgery, date(2027, 12, 1))).status == "booked"
    with pytest.raises(Taken):
        phone(surgery, surgery.consultation, slot=steps.slot(surgery, date(2027, 2, 26)))
    with pytest.raises(Taken):
        phone(surgery, surgery.treatment, slot=steps.slot(surgery, date(2027, 3, 2), "14:00"))


def test_only_the_desk(surgery):
    for user in (surgery.clinician, surgery.practitioner.user, make.make_user()):
        with pytest.raises(NotAllowed):
            phone(surgery, surgery.consultation, by=user)


def test_somebody_without_an_address_is_booked_and_gets_no_message(surgery):
    appointment = phone(surgery, surgery.consultation, patient=make.make_patient(email=""))
    assert appointment.status == "booked"
    assert not Message.objects.exists()


def test_the_same_press_twice_is_one_appointment(surgery):
    import uuid

    key, patient = uuid.uuid4(), make.make_patient()
    first = phone(surgery, surgery.consultation, patient=patient, request_key=key)
    assert phone(surgery, surgery.consultation, patient=patient, request_key=key) == first
    for _press in range(2):
        other = phone(
            surgery, surgery.consultation, patient=patient, request_key=key, slot=steps.slot(surgery, clock="12:00")
        )
        assert other.starts_at == make.at(steps.VISIT, "12:00")
    others = {placing.made_before(key, steps.slot(surgery, clock=time))[0] for time in ("13:00", "14:00")}
    assert len(others | {key}) == 3, "two presses for two other times do not meet in one key"
    assert Appointment.objects.count() == 2
    appointments.cancel(first, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    for _press in range(2):  # what was cancelled by mistake is booked anew, once
        again = phone(surgery, surgery.consultation, patient=patient, request_key=key)
        assert (again.status, again.starts_at) == ("booked", first.starts_at)
    assert Appointment.objects.count() == 3


def test_overbooking_is_recorded_with_who_and_why(surgery):
    phone(surgery, surgery.consultation)
    with pytest.raises(Taken) as refused:
        phone(surgery, surgery.consultation)
    assert refused.value.alternatives
    beside = phone(surgery, surgery.consultation, overbook_reason=" her scar has opened ")
    assert (beside.lane, beside.overbooked_by, beside.overbook_reason) == (1, surgery.desk, "her scar has opened")
    assert beside.room == surgery.rooms[1]
    with pytest.raises(Taken):  # twice is enough, and there is no third room
        phone(surgery, surgery.consultation, overbook_reason="another one")


def test_a_free_time_is_not_overbooked(surgery):
    appointment = phone(surgery, surgery.consultation, overbook_reason="just in case")
    assert (appointment.lane, appointment.overbook_reason) == (0, "")


def test_overbooking_without_who_and_why_is_refused_by_the_database(surgery):
    appointment = phone(surgery, surgery.consultation)
    with pytest.raises(IntegrityError), transaction.atomic():
        Appointment.objects.filter(pk=appointment.pk).update(lane=1)


def test_an_old_decision_is_not_what_it_stands_on(surgery):
    """Its conditions would be shown to whoever treats."""
    make.make_clinic(horizon_days=200)
    before = steps.booked(surgery)
    late = steps.slot(surgery, steps.VISIT + timedelta(days=98))
    appointment = phone(surgery, surgery.treatment, patient=before.patient, slot=late)
    assert (appointment.status, appointment.review) == ("pending", None)
    again = phone(
        surgery, surgery.treatment, patient=before.patient, slot=steps.slot(surgery, steps.VISIT + timedelta(days=28))
    )
    assert (again.status, again.review) == ("booked", before.review)


# --- the form comes


def test_the_form_goes_to_the_clinicians_the_moment_it_is_sent(surgery):
    patient = make.make_patient()
    appointment = phone(surgery, surgery.treatment, patient=patient)
    response = steps.answered(surgery, patient, now=NOW + timedelta(hours=1))
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by, appointment.response_id) == ("pending", None, response.pk)
    assert appointment.answer_by == make.at("2027-03-02", "17:00")
    request = steps.request_of(appointment)
    assert (request.response, request.needed_at, request.answer_by) == (
        response,
        appointment.starts_at,
        appointment.answer_by,
    )
    assert steps.messages(appointment) == ["asked_for"]
    steps.decide(appointment, now=NOW + timedelta(hours=2))
    assert appointment.status == "booked"


def test_a_form_given_without_an_account_counts_from_the_moment_it_is_theirs(surgery):
    patient = make.make_patient()
    appointment = phone(surgery, surgery.treatment, patient=patient)
    response = steps.answered(surgery, age_date_of_birth=patient.birth_date.isoformat())
    clearance.adopt_response(response.pk, patient=patient, now=NOW + timedelta(hours=1))
    appointment.refresh_from_db()
    assert (appointment.form_due_by, steps.request_of(appointment).response) == (None, response)


def test_a_form_that_says_no_waits_for_a_clinician_with_a_promise(surgery):
    patient = make.make_patient()
    appointment = phone(surgery, surgery.treatment, patient=patient)
    steps.answered(surgery, patient, now=NOW + timedelta(hours=1), pregnancy="yes")
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by) == ("pending", None)
    assert appointment.answer_by == make.at("2027-03-02", "17:00")
    assert steps.request_of(appointment).answer_by == appointment.answer_by


def test_a_form_about_another_part_of_the_body_buys_no_time(surgery):
    patient = make.make_patient()
    appointment = phone(surgery, surgery.treatment, patient=patient)
    due = appointment.form_due_by
    steps.answered(surgery, patient, now=NOW + timedelta(hours=10), treatment_area=["belly"])
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by, appointment.answer_by) == ("pending", due, None)
