"""What only time brings about, each thing once."""

from datetime import time, timedelta

import pytest

import booking.sweep
from booking import appointments, holding, todo
from booking.models import Appointment, HoldDetails
from outbox.models import Message
from screening.models import ReviewRequest
from tests import make
from tests.booking import steps
from tests.make import NOW
from tests.screening import decisions

pytestmark = pytest.mark.django_db


def sweep(now):
    """The counts that are not zero; a second sweep at the same moment finds nothing left to do."""
    counts = {name: count for name, count in booking.sweep.sweep(now=now).items() if count}
    before = Message.objects.count()
    again = {name: count for name, count in booking.sweep.sweep(now=now).items() if count}
    assert Message.objects.count() == before
    assert not set(again) - {"reminded", "warned", "late"}
    return counts


def test_forgotten_holds_are_freed_with_what_was_typed(surgery):
    hold = steps.held(surgery, treatment=surgery.consultation)
    holding.take_details(
        hold, name="Ada", phone="+447700900123", email="a@example.org", birth_date=NOW.date().replace(1990), now=NOW
    )
    assert sweep(NOW + timedelta(minutes=69)) == {}  # it may still be confirmed
    assert sweep(NOW + timedelta(minutes=71)) == {"holds": 1}
    hold.refresh_from_db()
    assert (hold.status, hold.cancelled_by, hold.cancel_reason) == ("cancelled", "system", "hold-expired")
    assert not HoldDetails.objects.exists()


def test_a_hold_that_somebody_comes_back_to_meanwhile_stays(surgery, monkeypatch):
    back, gone = steps.held(surgery, treatment=surgery.consultation), steps.held(surgery, clock="14:00")
    late = NOW + timedelta(minutes=71)
    look_again = booking.sweep.locked

    def extended_first(appointment):
        if appointment.pk == back.pk:
            holding.extend(appointment, now=late)
        return look_again(appointment)

    monkeypatch.setattr(booking.sweep, "locked", extended_first)
    assert sweep(late) == {"holds": 1}
    back.refresh_from_db(), gone.refresh_from_db()
    assert (back.status, back.hold_expires_at) == ("proposed", late + timedelta(minutes=5))
    assert gone.status == "cancelled"


def test_clinician_and_desk_are_warned_a_day_and_four_hours_before(surgery):
    make.make_clinic(email="desk@clinic.example", lead_clinician=surgery.clinician)
    appointment = steps.asked(surgery)
    start = appointment.starts_at
    Appointment.objects.update(answer_by=start - timedelta(hours=24))
    assert sweep(start - timedelta(hours=25)) == {}
    assert sweep(start - timedelta(hours=24)) == {"late": 1, "warned": 1}
    assert sweep(start - timedelta(hours=23)) == {}
    assert sweep(start - timedelta(hours=4)) == {"warned": 1}
    warnings = Message.objects.filter(kind="review_due")
    assert sorted(warnings.values_list("to", flat=True)) == sorted([surgery.clinician.email, "desk@clinic.example"] * 3)
    for message in warnings:
        assert appointment.patient.name not in message.text and appointment.reference in message.text


def test_a_promise_that_passes_is_told_once_and_the_time_is_kept(surgery):
    appointment = steps.asked(surgery)
    assert sweep(appointment.answer_by - timedelta(seconds=1)) == {}
    assert sweep(appointment.answer_by) == {"late": 1}
    assert sweep(appointment.answer_by + timedelta(minutes=5)) == {}
    appointment.refresh_from_db()
    assert appointment.status == "pending"
    told = Message.objects.get(kind="promise_missed")
    assert "We still keep the time for you" in told.text and "let the time go" not in told.text
    assert told.calendar == ""


def test_lead_and_desk_are_told_once_of_each_promise_that_passes(surgery):
    """Days before the visit, also where the patient has no e-mail; time alone never books."""
    make.make_clinic(email="desk@clinic.example", lead_clinician=surgery.clinician)
    appointment = steps.asked(surgery)
    type(appointment.patient).objects.update(email="")
    late = Message.objects.filter(kind="review_due")
    assert sweep(appointment.answer_by - timedelta(seconds=1)) == {} and not late.exists()
    assert sweep(appointment.answer_by) == {"late": 1}
    assert sweep(appointment.answer_by + timedelta(minutes=5)) == {}
    assert sorted(late.values_list("to", flat=True)) == sorted([surgery.clinician.email, "desk@clinic.example"])
    for message in late:
        assert message.subject == "An answer is late" and appointment.patient.name not in message.text + message.html
        assert "the answer that we promised" in message.text and appointment.reference in message.html
    Appointment.objects.update(answer_by=appointment.answer_by + timedelta(hours=1))
    assert sweep(appointment.answer_by + timedelta(hours=1)) == {"late": 1} and late.all().count() == 4
    appointment.refresh_from_db()
    assert appointment.status == "pending"


def test_two_hours_before_it_is_released_with_an_apology(surgery):
    appointment = steps.asked(surgery)
    assert sweep(appointment.starts_at - timedelta(hours=2, seconds=1)).get("released") is None
    assert sweep(appointment.starts_at - timedelta(hours=2)) == {"released": 1}
    appointment.refresh_from_db()
    assert (appointment.status, appointment.cancelled_by, appointment.cancel_reason) == (
        "cancelled",
        "system",
        "not-reviewed",
    )
    assert "promise_missed" in steps.messages(appointment)
    assert "asked_for" not in steps.messages(appointment)
    assert not ReviewRequest.objects.filter(closed_at=None).exists()


def test_a_booked_visit_is_left_alone(surgery):
    appointment = steps.booked(surgery)
    assert sweep(appointment.starts_at - timedelta(hours=1)) == {}
    appointment.refresh_from_db()
    assert appointment.status == "booked"


def test_a_question_is_repeated_after_two_days_and_the_time_released_after_five(surgery):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "needs-information")
    assert sweep(NOW + timedelta(days=2) - timedelta(seconds=1)) == {}
    assert sweep(NOW + timedelta(days=2)) == {"reminded": 1}
    assert sweep(NOW + timedelta(days=3)) == {}
    assert steps.messages(appointment) == ["information_needed"] * 2
    assert sweep(NOW + timedelta(days=5)) == {"no_answer": 1}
    appointment.refresh_from_db()
    assert (appointment.status, appointment.cancel_reason) == ("cancelled", "no-answer")
    assert steps.messages(appointment) == ["cancelled"]


def test_a_question_that_stands_open_two_hours_before_is_not_called_our_delay(surgery):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "needs-information", now=appointment.starts_at - timedelta(days=1))
    assert sweep(appointment.starts_at - timedelta(hours=2)) == {"no_answer": 1}
    appointment.refresh_from_db()
    assert appointment.cancel_reason == "no-answer"


def test_somebody_who_replied_is_not_reminded(surgery):
    from screening import reviews

    appointment = steps.asked(surgery)
    review = steps.decide(appointment, "needs-information")
    reviews.reopen(review, now=NOW + timedelta(days=1))
    assert sweep(NOW + timedelta(days=6)) == {"late": 1}
    appointment.refresh_from_db()
    assert (appointment.status, appointment.information_asked_at) == ("pending", None)


def test_a_form_is_asked_for_again_and_the_time_released_when_it_does_not_come(surgery):
    surgery.questionnaire  # noqa: B018 - in force
    appointment = steps.phoned(surgery)
    assert sweep(NOW + timedelta(hours=23)) == {}
    assert sweep(NOW + timedelta(hours=24)) == {"reminded": 1}
    assert sweep(NOW + timedelta(hours=30)) == {}
    assert steps.messages(appointment) == ["form_due", "form_due"]
    assert sweep(NOW + timedelta(hours=48)) == {"form_missing": 1}
    appointment.refresh_from_db()
    assert (appointment.status, appointment.cancel_reason) == ("cancelled", "form-missing")
    assert steps.messages(appointment) == ["cancelled"]


@pytest.mark.parametrize(("closed", "reason"), [(True, "clinic-closed"), (False, "practitioner-away")])
@pytest.mark.parametrize("waits_for", ["form", "question"])
def test_a_time_that_we_took_away_is_not_released_for_want_of_an_answer(surgery, waits_for, closed, reason):
    surgery.questionnaire  # noqa: B018 - in force
    visit = steps.phoned(surgery) if waits_for == "form" else steps.asked(surgery)
    if waits_for == "question":
        steps.decide(visit, "needs-information")
    if closed:
        make.make_closure(surgery.location, visit.local_date)
    else:
        make.make_time_off(surgery.practitioner, visit.starts_at, visit.ends_at)
    assert sweep(NOW + timedelta(days=6)) == {"reminded": 1}
    assert sweep(visit.starts_at - timedelta(hours=2)) == {"released": 1}
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by, visit.cancel_reason) == ("cancelled", "system", reason)
    assert steps.messages(visit) == ["cancelled"]


def test_who_was_sent_the_form_just_now_is_not_reminded_of_it(surgery):
    surgery.questionnaire  # noqa: B018 - in force
    appointment = steps.phoned(surgery, slot=steps.slot(surgery, NOW.date() + timedelta(days=2)))
    assert appointment.form_due_by - timedelta(hours=24) < NOW + timedelta(hours=12)
    assert "reminded" not in sweep(NOW + timedelta(hours=12) - timedelta(seconds=1))
    assert sweep(NOW + timedelta(hours=12)) == {"reminded": 1}


def test_a_form_that_came_goes_to_the_clinicians(surgery):
    patient = make.make_patient()
    appointment = steps.phoned(surgery, patient)
    response = steps.answered(surgery, patient, now=NOW + timedelta(hours=1))
    sweep(NOW + timedelta(hours=2))
    appointment.refresh_from_db()
    assert (appointment.form_due_by, appointment.response_id) == (None, response.pk)
    assert appointment.answer_by == make.at("2027-03-02", "17:00")
    request = steps.request_of(appointment)
    assert (request.response, request.answer_by) == (response, appointment.answer_by)
    assert sweep(NOW + timedelta(hours=49)) == {"late": 1}
    decisions.decide(request, now=NOW + timedelta(hours=50))
    appointment.refresh_from_db()
    assert appointment.status == "booked"


def test_a_form_that_says_no_is_still_read_by_a_clinician(surgery):
    patient = make.make_patient()
    appointment = steps.phoned(surgery, patient)
    steps.answered(surgery, patient, now=NOW + timedelta(hours=1), pregnancy="yes")
    sweep(NOW + timedelta(hours=2))
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by) == ("pending", None)
    assert steps.request_of(appointment).needed_at == appointment.starts_at


def test_one_that_cannot_be_handled_stops_no_other(surgery, monkeypatch):
    first, second = steps.asked(surgery), steps.asked(surgery, clock="14:00")
    from booking import notices

    tell = notices.promise_missed

    def broken_for_one(appointment, **how):
        if appointment.pk == first.pk:
            raise RuntimeError("no more paper")
        return tell(appointment, **how)

    monkeypatch.setattr(notices, "promise_missed", broken_for_one)
    counts = booking.sweep.sweep(now=second.starts_at - timedelta(hours=1))
    assert (counts["released"], counts["failed"]) == (1, 1)
    assert list(Appointment.objects.filter(status="cancelled")) == [second]


def test_todays_visit_that_was_put_back_is_left_to_staff(surgery):
    appointment = steps.arrived(surgery)
    late = appointment.starts_at + timedelta(minutes=2)
    steps.answered(surgery, appointment.patient, now=late)
    assert sweep(late + timedelta(minutes=1)) == {}
    appointment.refresh_from_db()
    assert appointment.status == "pending"


@pytest.mark.parametrize("before", [timedelta(minutes=119), timedelta(hours=2)])
def test_a_visit_that_was_put_back_in_the_last_two_hours_is_left_to_staff(surgery, before):
    appointment = steps.booked(surgery)
    steps.answered(surgery, appointment.patient, now=appointment.starts_at - before)
    for minutes in (-60, -1, 1, 60, 24 * 60):
        assert sweep(appointment.starts_at + timedelta(minutes=minutes)) == {}
    appointment.refresh_from_db()
    assert appointment.status == "pending"


def test_one_that_was_put_back_earlier_is_released(surgery):
    appointment = steps.booked(surgery)
    steps.answered(surgery, appointment.patient, now=appointment.starts_at - timedelta(minutes=121))
    assert sweep(appointment.starts_at - timedelta(hours=2)) == {"released": 1}


@pytest.mark.parametrize("early", [timedelta(minutes=5), timedelta(hours=3)])
def test_whoever_is_in_the_house_is_not_sent_away_by_the_clock(surgery, early):
    appointment = steps.booked(surgery)
    here = appointment.starts_at - early
    appointment = appointments.arrive(appointment, by=surgery.desk, now=here)
    assert not steps.rechecked(appointment, now=here, pregnancy="yes")
    written = Message.objects.count()
    for later in (timedelta(minutes=1), timedelta(hours=1), timedelta(hours=3), timedelta(hours=9), timedelta(days=1)):
        assert sweep(here + later) == {}
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by, appointment.answer_by) == ("pending", None, None)
    assert Message.objects.count() == written
    moved = appointments.move(
        appointment, slot=steps.slot(surgery, steps.VISIT + timedelta(days=7)), by="staff", user=surgery.desk, now=here
    )
    assert moved.form_due_by == here + timedelta(hours=48)
    assert sweep(moved.form_due_by) == {"form_missing": 1}  # another day is like any other


# --- to do


def test_the_list_of_what_to_do(surgery):
    surgery.questionnaire  # noqa: B018
    form = steps.phoned(surgery)
    away = steps.talk(surgery, clock="12:00")
    make.make_time_off(surgery.practitioner, away.starts_at, away.starts_at + timedelta(minutes=1))
    closed = steps.talk(surgery, steps.VISIT + timedelta(days=1))
    make.make_closure(surgery.location, closed.local_date)
    past = make.make_appointment(treatment=surgery.consultation, status="booked", starts_at=NOW - timedelta(days=2))
    soon = make.make_appointment(status="pending", starts_at=NOW + timedelta(hours=20))
    make.make_hours(soon.practitioner, soon.location, starts=time(0))
    lists = {name: list(found) for name, found in todo.attention(NOW).items()}
    expected = {"form_due": [form], "to_move": [away, closed], "review_soon": [soon], "not_closed": [past]}
    assert lists == expected | {"not_treated": []}
