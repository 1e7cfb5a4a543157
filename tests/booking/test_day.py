"""The day at the clinic: arrivals, no-shows, checking in, closing the visit, and mistakes."""

from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth.models import Group

from booking import appointments
from booking.changing import NotAllowed, Taken
from booking.models import Appointment
from screening.models import ReviewRequest
from tests import make
from tests.booking import steps
from tests.make import NOW

pytestmark = pytest.mark.django_db


def test_an_arrival_is_recorded_on_the_local_day(surgery):
    appointment = steps.talk(surgery)
    for now in (make.at("2027-03-10", "23:59"), make.at("2027-03-12", "00:00")):
        with pytest.raises(NotAllowed, match="day of the visit"):
            appointments.arrive(appointment, by=surgery.desk, now=now)
    arrived = appointments.arrive(appointment, by=surgery.desk, now=make.at(steps.VISIT, "09:50"))
    assert (arrived.status, arrived.previous_status) == ("arrived", "booked")


def test_only_the_desk_runs_the_desk(surgery):
    appointment = steps.talk(surgery)
    late = appointment.starts_at + timedelta(minutes=20)
    for user in (make.make_user(), surgery.clinician, surgery.practitioner.user, surgery.manager):
        for verb in (appointments.arrive, appointments.no_show):
            with pytest.raises(NotAllowed, match="front desk"):
                verb(appointment, by=user, now=late)
    gone = make.make_user(role="Front desk", is_active=False)
    with pytest.raises(NotAllowed):
        appointments.arrive(appointment, by=gone, now=late)


def test_what_waits_for_a_clinician_cannot_arrive(surgery):
    appointment = steps.asked(surgery)
    with pytest.raises(NotAllowed):
        appointments.arrive(appointment, by=surgery.desk, now=appointment.starts_at)


def test_a_no_show_from_fifteen_minutes_after_the_start(surgery):
    appointment = steps.talk(surgery)
    with pytest.raises(NotAllowed, match="15 minutes"):
        appointments.no_show(
            appointment, by=surgery.desk, now=appointment.starts_at + timedelta(minutes=14, seconds=59)
        )
    missed = appointments.no_show(appointment, by=surgery.desk, now=appointment.starts_at + timedelta(minutes=15))
    assert missed.status == "noshow"
    assert steps.messages(appointment) == []  # nothing that waits to be sent is true any more


def test_a_no_show_is_undone_while_the_time_is_free(surgery):
    appointment = steps.booked(surgery)
    now = appointment.starts_at + timedelta(minutes=20)
    appointments.no_show(appointment, by=surgery.desk, now=now)
    back = appointments.undo(appointment, by=surgery.desk, now=now + timedelta(minutes=5))
    assert (back.status, back.review_id) == ("booked", appointment.review_id)
    appointments.no_show(appointment, by=surgery.desk, now=now + timedelta(minutes=6))
    make.make_appointment(
        treatment=surgery.consultation,
        practitioner=surgery.practitioner,
        room=surgery.rooms[1],
        starts_at=appointment.starts_at,
        status="booked",
    )
    with pytest.raises(Taken):
        appointments.undo(appointment, by=surgery.desk, now=now + timedelta(minutes=7))


def test_an_arrival_is_undone(surgery):
    appointment = steps.talk(surgery)
    now = appointment.starts_at
    appointments.arrive(appointment, by=surgery.desk, now=now)
    assert appointments.undo(appointment, by=surgery.desk, now=now + timedelta(minutes=14)).status == "booked"
    appointments.arrive(appointment, by=surgery.desk, now=now)
    with pytest.raises(NotAllowed):
        appointments.undo(appointment, by=surgery.desk, now=now + timedelta(minutes=16))


def test_only_its_own_practitioner_checks_in_and_closes(surgery):
    appointment = steps.arrived(surgery)
    now = appointment.starts_at
    both = make.make_user(role="Front desk")
    both.groups.add(Group.objects.get(name="Practitioner"))
    for user in (surgery.desk, both, surgery.clinician, surgery.practitioners[1].user):
        with pytest.raises(NotAllowed):
            appointments.check_in(appointment, by=user, identity_confirmed=True, agreed=True, now=now)
    checked = steps.check_in(appointment, by=surgery.practitioner.user, now=now)
    assert checked.status == "checked-in"
    with pytest.raises(NotAllowed):
        appointments.fulfil(checked, by=surgery.practitioners[1].user, now=now)
    done = appointments.fulfil(checked, by=surgery.practitioner.user, now=now + timedelta(minutes=40))
    assert (done.status, done.review_id) == ("fulfilled", appointment.review_id)


def test_their_own_practitioner_without_the_permission_does_not_check_in(surgery):
    appointment = steps.arrived(surgery)
    user = surgery.practitioner.user
    user.groups.clear()
    user = type(user).objects.get(pk=user.pk)
    with pytest.raises(NotAllowed):
        appointments.check_in(appointment, by=user, identity_confirmed=True, agreed=True, now=appointment.starts_at)


def test_nobody_is_checked_in_on_another_day(surgery):
    appointment = steps.arrived(surgery)
    with pytest.raises(NotAllowed):
        steps.check_in(appointment, now=appointment.starts_at + timedelta(days=1))


def test_a_visit_closed_by_mistake_is_open_again(surgery):
    appointment = steps.arrived(surgery)
    now = appointment.starts_at
    by = surgery.practitioner.user
    done = appointments.fulfil(steps.check_in(appointment, by=by, now=now), by=by, now=now)
    with pytest.raises(NotAllowed):
        appointments.undo(done, by=surgery.desk, now=now)
    assert appointments.undo(done, by=by, now=now + timedelta(minutes=10)).status == "checked-in"


def test_a_button_on_a_page_of_before_does_nothing(surgery):
    visit = steps.talk(surgery)
    old = {"seen": "pending 0", "now": visit.starts_at}
    for verb in (
        partial(appointments.arrive, by=surgery.desk),
        partial(appointments.no_show, by=surgery.desk),
        partial(appointments.undo, by=surgery.desk),
        partial(appointments.send_form_again, by=surgery.desk),
        partial(appointments.fulfil, by=surgery.practitioner.user),
        partial(appointments.mark_in_error, by=surgery.manager, reason="twice"),
        partial(appointments.turn_into_consultation, by="staff", user=surgery.desk),
        partial(appointments.cancel, by="staff", user=surgery.desk, reason="mistake"),
    ):
        with pytest.raises(NotAllowed, match="Nothing was done"):
            verb(visit, **old)


# --- entered in error


def test_a_manager_marks_what_should_never_have_been(surgery):
    appointment = steps.asked(surgery)
    for user in (surgery.desk, surgery.clinician, surgery.practitioner.user):
        with pytest.raises(NotAllowed):
            appointments.mark_in_error(appointment, by=user, reason="twice", now=NOW)
    with pytest.raises(NotAllowed, match="why"):
        appointments.mark_in_error(appointment, by=surgery.manager, reason="  ", now=NOW)
    wrong = appointments.mark_in_error(appointment, by=surgery.manager, reason="typed twice", now=NOW)
    assert (wrong.status, wrong.entered_in_error_by, wrong.entered_in_error_reason) == (
        "entered-in-error",
        surgery.manager,
        "typed twice",
    )
    assert not ReviewRequest.objects.filter(closed_at=None).exists()
    assert steps.messages(appointment) == ["cancelled"]
    assert wrong.sequence == appointment.sequence + 1  # or no calendar takes it out
    assert steps.talk(surgery).status == "booked"  # the time is free
    with pytest.raises(NotAllowed):
        appointments.mark_in_error(appointment, by=surgery.manager, reason="again", now=NOW)


@pytest.mark.parametrize("status", ["fulfilled", "noshow", "cancelled", "arrived", "checked-in"])
def test_history_can_be_marked_too_and_tells_nobody(surgery, status):
    appointment = make.make_appointment(
        status=status, treatment=surgery.consultation, starts_at=NOW - timedelta(hours=3)
    )
    wrong = appointments.mark_in_error(appointment, by=surgery.manager, reason="another person", now=NOW)
    assert (wrong.status, wrong.cancelled_by) == ("entered-in-error", "")
    assert steps.messages(appointment) == []


# --- who treats whom


def test_a_practitioner_treats_patients_from_a_month_ago_to_a_week_ahead(surgery):
    from clinic.registry import patients_treated_by

    def visit(days, **fields):
        return make.make_appointment(
            treatment=surgery.consultation,
            practitioner=surgery.practitioner,
            starts_at=NOW + timedelta(days=days),
            status=fields.pop("status", "booked"),
            **fields,
        ).patient_id

    near = {visit(-30), visit(0.5), visit(7), visit(-2, status="noshow")}
    visit(-31), visit(8), visit(1, status="cancelled"), visit(2, status="entered-in-error")
    other = surgery.practitioners[1].user
    assert patients_treated_by(surgery.practitioner.user, NOW) == near
    assert patients_treated_by(other, NOW) == set()
    assert Appointment.objects.count() == 8
