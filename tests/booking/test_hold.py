"""A time is kept for somebody who is about to give their details."""

import uuid
from datetime import date, timedelta
from decimal import Decimal

import pytest

from booking import holding
from booking.availability import Slot
from booking.changing import NotAllowed, Taken, TooClose
from booking.models import Appointment, HoldDetails
from clinic.models import Patient, TreatmentPrice
from tests import make
from tests.booking import steps
from tests.make import NOW

pytestmark = pytest.mark.django_db


def test_a_time_is_kept_for_ten_minutes_with_its_price(surgery):
    response = steps.answered(surgery)
    TreatmentPrice.objects.create(treatment=surgery.treatment, amount=Decimal("180.00"), valid_from=steps.VISIT)
    hold = steps.held(surgery, response_id=response.pk)
    assert (hold.status, hold.patient, hold.channel) == ("proposed", None, "online")
    assert hold.starts_at == make.at(steps.VISIT, "10:00")
    assert hold.ends_at == hold.starts_at + timedelta(minutes=45)
    assert hold.busy_until == hold.ends_at + timedelta(minutes=15)
    assert hold.hold_expires_at == NOW + timedelta(minutes=10)
    assert (hold.price, hold.currency) == (Decimal("180.00"), "GBP")  # in force on the day of the visit
    assert hold.local_date == steps.VISIT


def test_the_same_request_for_the_same_time_is_the_same_appointment(surgery):
    key = uuid.uuid4()
    first = steps.held(surgery, treatment=surgery.consultation, request_key=key)
    assert steps.held(surgery, treatment=surgery.consultation, request_key=key) == first
    assert Appointment.objects.count() == 1
    for _press in range(2):  # "back", and another time on the same page
        other = steps.held(surgery, clock="12:00", treatment=surgery.consultation, request_key=key)
        assert other.starts_at == make.at(steps.VISIT, "12:00")
    assert Appointment.objects.count() == 2
    holding.release(first, now=NOW)
    assert steps.held(surgery, treatment=surgery.consultation, request_key=key).status == "proposed"


def test_the_loser_gets_other_times_near_it(surgery):
    steps.held(surgery, treatment=surgery.consultation)
    with pytest.raises(Taken) as refused:
        steps.held(surgery, treatment=surgery.consultation)
    times = [slot.starts_at for slot in refused.value.alternatives]
    assert make.at(steps.VISIT, "10:00") in times  # the other nurse, in the other room
    assert len(times) == 6 and times == sorted(times)
    assert "just been taken" in refused.value.sentence


def test_another_room_is_taken_when_only_that_one_is_free(surgery):
    steps.held(surgery, treatment=surgery.consultation)  # first nurse, first room
    wanted = steps.slot(surgery, practitioner=surgery.practitioners[1], room=surgery.rooms[0])
    hold = steps.held(surgery, treatment=surgery.consultation, slot=wanted)
    assert hold.room == surgery.rooms[1]


@pytest.mark.parametrize(
    "clock, day",
    [
        ("08:00", steps.VISIT),  # before the hours
        ("16:45", steps.VISIT),  # the cleaning would end after them
        ("10:07", steps.VISIT),  # beside the grid
        ("10:00", date(2027, 3, 13)),  # a Saturday
        ("10:00", date(2027, 2, 26)),  # past
        ("12:00", make.TODAY),  # within the lead time
        ("10:00", date(2027, 7, 1)),  # beyond the horizon
    ],
)
def test_times_that_are_not_offered_are_refused(surgery, clock, day):
    with pytest.raises(Taken):
        steps.held(surgery, day, clock, treatment=surgery.consultation)


def test_unknown_people_and_places_are_refused(surgery):
    for wrong in (
        Slot(make.at(steps.VISIT), 10**9, surgery.room.pk, surgery.location.pk),
        Slot(make.at(steps.VISIT), surgery.practitioner.pk, surgery.room.pk, 10**9),
    ):
        with pytest.raises(Taken):
            steps.held(surgery, treatment=surgery.consultation, slot=wrong)
    # the room is only a wish: one of that place is taken
    elsewhere = Slot(make.at(steps.VISIT), surgery.practitioner.pk, make.make_room().pk, surgery.location.pk)
    assert steps.held(surgery, treatment=surgery.consultation, slot=elsewhere).room in surgery.rooms


def test_a_treatment_needs_answers_that_allow_it(surgery):
    with pytest.raises(NotAllowed, match="answer the questions first"):
        steps.held(surgery, response_id=None, patient=make.make_patient())
    pregnant = steps.answered(surgery, pregnancy="yes")
    with pytest.raises(NotAllowed, match="not right at the moment"):
        steps.held(surgery, response_id=pregnant.pk)
    with pytest.raises(NotAllowed, match="again"):
        steps.held(surgery, response_id=10**9)
    assert not Appointment.objects.exists()


def test_a_dated_wait_is_kept_to_the_day(surgery):
    # six months after the last dose of isotretinoin
    answers = {"isotretinoin": "yes", "isotretinoin_still": "no", "isotretinoin_last_dose": "2026-10-15"}
    response = steps.answered(surgery, **answers)
    with pytest.raises(NotAllowed, match="Thursday 15 April 2027"):
        steps.held(surgery, date(2027, 4, 14), response_id=response.pk)
    assert steps.held(surgery, date(2027, 4, 15), response_id=response.pk).status == "proposed"


def test_times_for_people_nobody_has_cleared_begin_after_the_promise(surgery):
    # promised until Tuesday 17:00, and released two hours before a visit nobody reviewed
    with pytest.raises(Taken):
        steps.held(surgery, date(2027, 3, 2), "16:00")
    assert steps.held(surgery, date(2027, 3, 3), "09:00").status == "proposed"


def test_an_area_the_treatment_is_not_for_is_refused(surgery):
    response = steps.answered(surgery)
    for area in (None, make.area("belly")):
        with pytest.raises(NotAllowed, match="area"):
            steps.held(surgery, area=area, response_id=response.pk)


def test_a_treatment_that_is_not_offered_any_more_is_refused(surgery):
    surgery.consultation.is_active = False
    surgery.consultation.save(update_fields=["is_active"])
    with pytest.raises(NotAllowed, match="not offered"):
        steps.held(surgery, treatment=surgery.consultation)


def test_too_close_to_a_session_of_the_same_person(surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    with pytest.raises(TooClose) as refused:
        steps.held(surgery, steps.VISIT + timedelta(days=27), patient=patient)
    assert refused.value.first_day_possible == steps.VISIT + timedelta(days=28)
    assert steps.held(surgery, steps.VISIT + timedelta(days=28), patient=patient).status == "proposed"


def test_a_person_keeps_one_time(surgery):
    patient = make.make_patient()
    first = steps.held(surgery, treatment=surgery.consultation, patient=patient)
    second = steps.held(surgery, clock="10:15", treatment=surgery.consultation, patient=patient)
    first.refresh_from_db()
    assert (first.status, first.cancel_reason, second.status) == ("cancelled", "hold-expired", "proposed")


def test_an_expired_hold_gives_way_and_forgets_who_it_was(surgery):
    old = steps.held(surgery, treatment=surgery.consultation)
    holding.take_details(
        old, name="Ada", phone="+447700900123", email="ada@example.org", birth_date=date(1990, 1, 1), now=NOW
    )
    on_time = NOW + timedelta(minutes=10)
    with pytest.raises(Taken):
        steps.held(surgery, treatment=surgery.consultation, now=on_time)
    late = on_time + timedelta(seconds=1)
    assert steps.held(surgery, treatment=surgery.consultation, now=late).status == "proposed"
    old.refresh_from_db()
    assert (old.status, old.cancelled_by, old.cancelled_at) == ("cancelled", "system", late)
    assert not HoldDetails.objects.exists()


# --- more time, giving it back, who it is


def test_more_time_is_given_ten_times(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    for number in range(1, 11):
        hold = holding.extend(hold, now=NOW)
        assert hold.hold_expires_at == NOW + timedelta(minutes=10 + 5 * number)
    with pytest.raises(NotAllowed):
        holding.extend(hold, now=NOW)


def test_more_time_for_a_hold_that_ran_out_counts_from_now(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    late = NOW + timedelta(minutes=20)
    assert holding.extend(hold, now=late).hold_expires_at == late + timedelta(minutes=5)


def test_a_time_given_back_is_free(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    released = holding.release(hold, now=NOW)
    assert (released.status, released.cancelled_by) == ("cancelled", "patient")
    assert steps.held(surgery, treatment=surgery.consultation).status == "proposed"
    with pytest.raises(NotAllowed):
        holding.release(hold, now=NOW)
    with pytest.raises(Taken):
        holding.extend(hold, now=NOW)


def test_details_can_be_corrected_and_a_child_is_told_to_call(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    typed = {"name": " Ada Example ", "phone": "+447700900123", "birth_date": date(1990, 1, 1), "now": NOW}
    holding.take_details(hold, email="Wrong@example.org", **typed)
    details = holding.take_details(hold, email="Right@example.org", **typed)
    assert (details.name, details.email) == ("Ada Example", "right@example.org")
    assert HoldDetails.objects.count() == 1
    with pytest.raises(NotAllowed, match="call us"):
        holding.take_details(hold, email="a@example.org", **{**typed, "birth_date": date(2009, 3, 2)})


# --- which patient somebody is


def details(email="ada@example.org", birth_date=date(1990, 5, 4), name="Ada Example"):
    return HoldDetails(name=name, phone="+447700900123", email=email, birth_date=birth_date)


def test_a_new_person_becomes_a_patient_once():
    user = make.make_user(email="ada@example.org")
    patient = holding.patient_for(user, details())
    assert (patient.user, patient.name, patient.birth_date) == (user, "Ada Example", date(1990, 5, 4))
    assert holding.patient_for(user, details()) == patient


def test_a_record_made_at_the_desk_is_linked_by_address_and_birth_date():
    desk = make.make_patient(email="Ada@Example.org", name="Ada Example")
    user = make.make_user(email="ada@example.org")
    assert holding.patient_for(user, details()) == desk
    desk.refresh_from_db()
    assert (desk.user, desk.phone) == (user, "+447700900123")


def test_a_shared_address_never_merges_two_people():
    mother = make.make_patient(email="ada@example.org", birth_date=date(1970, 1, 1))
    user = make.make_user(email="ada@example.org")
    daughter = holding.patient_for(user, details())
    assert daughter != mother
    mother.refresh_from_db()
    assert mother.user is None
    with pytest.raises(NotAllowed, match="call us"):
        holding.patient_for(user, details(birth_date=date(1970, 1, 1)))


def test_twins_at_one_address_are_told_apart_by_name_or_by_a_person():
    first = make.make_patient(email="ada@example.org", name="Ada Example")
    make.make_patient(email="ada@example.org", name="Ida Example")
    user = make.make_user(email="ada@example.org")
    with pytest.raises(NotAllowed):
        holding.patient_for(user, details(name="A. Example"))
    assert holding.patient_for(user, details(name="ada example")) == first


@pytest.mark.parametrize("has_sign_in", [True, False])
def test_a_twin_never_gets_the_record_of_the_other(has_sign_in):
    user = make.make_user(email="ada@example.org")
    ada = make.make_patient(email="ada@example.org", name="Ada Example")
    if has_sign_in:
        Patient.objects.filter(pk=ada.pk).update(user=user)
    with pytest.raises(holding.AnotherPerson, match="another name"):
        holding.patient_for(user, details(name="Ida Example"))
    assert holding.patient_for(user, details(name="Ada Maria Example")) == ada


def test_an_address_that_was_not_proven_links_nobody():
    with pytest.raises(NotAllowed):
        holding.patient_for(make.make_user(email="other@example.org"), details())
