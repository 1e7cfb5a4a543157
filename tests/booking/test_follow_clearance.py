"""Appointments follow what screening decides, in the same transaction."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.urls import reverse

from booking import appointments, lines, notices
from booking.changing import NotAllowed, TooClose
from booking.following import follow_grounds
from booking.models import Appointment
from clinic.models import Treatment
from outbox.models import Message
from screening import definition, publishing, reviews
from screening.models import Questionnaire, ReviewRequest
from tests import make
from tests.booking import steps
from tests.make import NOW
from tests.screening import decisions
from tests.screening.conftest import shipped

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("outcome", ["cleared", "cleared-with-conditions"])
def test_cleared_is_booked_and_told_with_the_calendar_file(surgery, outcome):
    appointment = steps.asked(surgery)
    review = steps.decide(appointment, outcome)
    assert (appointment.status, appointment.review) == ("booked", review)
    assert steps.messages(appointment) == ["booked"]
    message = Message.objects.get(kind="booked")
    assert "BEGIN:VEVENT" in message.calendar
    assert "Test patch" not in message.text


@pytest.mark.parametrize("outcome", ["cleared", "consultation-required"])
def test_a_visit_at_which_nobody_is_there_is_promised_to_nobody(surgery, outcome):
    appointment = steps.asked(surgery)
    make.make_time_off(surgery.practitioner, appointment.starts_at, appointment.ends_at)
    steps.decide(appointment, outcome)
    assert appointment.status == "booked"  # the decision stands
    assert steps.messages(appointment) == ["other_time"]
    told = Message.objects.get(subject_uuid=appointment.uuid, state="queued")
    assert (told.subject, told.calendar) == ("We have to find another time for you", "")
    for words in (told.text, told.html):
        assert "Please do not travel" in words and "We ring you to find another time." in words
        assert "confirmed" not in words and "We answer" not in words and "keep the time" not in words
    if outcome == "cleared":  # still queued, and taken back by what the desk does next
        appointments.turn_into_consultation(appointment, by="staff", user=surgery.desk, now=NOW)
        assert steps.messages(appointment) == ["other_time"]


def test_a_decision_moves_only_what_it_is_about(surgery):
    back = make.make_treatment(areas=("upper-back",))
    back.practitioners.set(surgery.practitioners)
    surgery.questionnaire  # noqa: B018 - published with the first treatment only
    patient = make.make_patient()
    appointment = steps.asked(surgery, patient=patient)
    other = make.make_appointment(patient=patient, treatment=back, area=make.area("upper-back"))
    stranger = steps.asked(surgery, clock="14:00")
    steps.decide(appointment)
    other.refresh_from_db(), stranger.refresh_from_db()
    assert (appointment.status, other.status, stranger.status) == ("booked", "pending", "pending")


def test_all_visits_that_wait_for_the_decision_are_booked_if_it_covers_their_day(surgery):
    make.make_clinic(horizon_days=200)
    patient = make.make_patient()
    first = steps.asked(surgery, patient=patient)
    second = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=patient)
    too_late = make.make_appointment(
        patient=patient, treatment=surgery.treatment, starts_at=make.at(steps.VISIT + timedelta(days=100))
    )
    steps.decide(first)
    second.refresh_from_db(), too_late.refresh_from_db()
    assert (first.status, second.status, too_late.status) == ("booked", "booked", "pending")


def test_a_question_keeps_the_time_and_asks(surgery):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "needs-information", question="When did your keloid heal?")
    assert (appointment.status, appointment.information_asked_at) == ("pending", NOW)
    assert steps.messages(appointment) == ["information_needed"]
    assert "keloid" not in Message.objects.get(kind="information_needed").text


@pytest.mark.parametrize("outcome", ["deferred", "not-suitable"])
def test_a_no_gives_the_time_back_with_a_neutral_message(surgery, outcome):
    appointment = steps.asked(surgery)
    review = steps.decide(appointment, outcome)
    assert (appointment.status, appointment.cancelled_by, appointment.cancelled_by_user, appointment.cancel_reason) == (
        "cancelled",
        "clinician",
        review.decided_by,
        "clinical",
    )
    assert steps.messages(appointment) == ["not_possible"]
    assert "METHOD:CANCEL" in Message.objects.get(kind="not_possible").calendar


def test_not_yet_leaves_the_visits_from_that_day_on_with_the_clinicians(surgery):
    patient = make.make_patient()
    before, there, after = (
        steps.asked(surgery, steps.VISIT + timedelta(days=days), patient=patient) for days in (0, 28, 56)
    )
    promised, later = there.answer_by, NOW + timedelta(days=1)
    steps.decide(before, "deferred", deferred_until=there.local_date, now=later)
    there.refresh_from_db(), after.refresh_from_db()
    assert there.answer_by == steps.request_of(there).answer_by == promised  # nobody has told them another day
    assert (before.status, there.status, after.status) == ("cancelled", "pending", "pending")
    assert steps.messages(before) == ["not_possible"]
    assert "not_possible" not in steps.messages(there) + steps.messages(after)
    assert steps.request_of(there).needed_on == there.local_date
    steps.decide(there, now=later)
    assert there.status == "booked"


def test_a_consultation_first_takes_the_same_time_in_one_step(surgery):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "consultation-required")
    assert (appointment.status, appointment.treatment, appointment.area) == ("booked", surgery.consultation, None)
    assert "Something about it has changed" in Message.objects.get(kind="booked").text
    assert appointment.starts_at == make.at(steps.VISIT, "10:00")
    assert appointment.ends_at == appointment.starts_at + timedelta(minutes=30)
    assert (appointment.price, appointment.sequence) == (40, 1)
    assert steps.messages(appointment) == ["booked"]


def test_two_times_become_one_consultation(surgery):
    first = steps.asked(surgery)
    second = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=first.patient)
    steps.decide(first, "consultation-required")
    second.refresh_from_db()
    assert (first.status, first.treatment) == ("booked", surgery.consultation)
    assert (second.status, second.treatment, second.cancel_reason) == ("cancelled", surgery.treatment, "clinical")
    assert steps.messages(second) == ["not_possible"]


def test_a_consultation_that_does_not_fit_is_not_squeezed_in(surgery):
    surgery.consultation.duration_minutes = 60
    surgery.consultation.save(update_fields=["duration_minutes"])
    appointment = steps.asked(surgery)
    steps.decide(appointment, "consultation-required")
    assert (appointment.status, appointment.cancel_reason) == ("cancelled", "clinical")
    assert steps.messages(appointment) == ["not_possible"]


def test_somebody_who_gives_no_consultations_gives_none(surgery):
    surgery.practitioner.treatments.remove(surgery.consultation)
    appointment = steps.asked(surgery)
    steps.decide(appointment, "consultation-required")
    assert appointment.status == "cancelled"


# --- answers change


def test_new_answers_put_a_booked_visit_back_and_keep_its_time(surgery):
    appointment = steps.booked(surgery)
    later = NOW + timedelta(hours=1)
    response = steps.answered(surgery, appointment.patient, now=later)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.review, appointment.starts_at) == (
        "pending",
        None,
        make.at(steps.VISIT, "10:00"),
    )
    assert appointment.response_id == response.pk
    assert appointment.answer_by == make.at("2027-03-02", "17:00")
    assert steps.request_of(appointment).response == response
    assert steps.messages(appointment) == ["back_to_pending"]
    steps.decide(appointment, now=later)
    assert appointment.status == "booked"


def test_a_longer_interval_stops_nothing_that_stands_already(surgery):
    """A manager asks for more time between sessions: what was booked before goes on as it was."""
    first = steps.booked(surgery)
    second = steps.booked(surgery, steps.VISIT + timedelta(days=28), patient=first.patient)
    third = steps.asked(surgery, steps.VISIT + timedelta(days=56), patient=first.patient)
    Treatment.objects.filter(pk=surgery.treatment.pk).update(minimum_interval_days=42)
    response = steps.answered(surgery, first.patient, now=NOW + timedelta(hours=1))
    for visit in (first, second, third):
        visit.refresh_from_db()
        assert (visit.status, visit.response, visit.interval_days) == ("pending", response, 28)
    steps.decide(first, now=NOW + timedelta(hours=2))
    first = appointments.arrive(first, by=surgery.desk, now=first.starts_at)
    appointments.mark_in_error(second, by=surgery.manager, reason="Twice.", now=NOW + timedelta(hours=3))
    near = steps.slot(surgery, steps.VISIT + timedelta(days=41))
    with pytest.raises(TooClose):
        appointments.move(third, slot=near, by="staff", user=surgery.desk, now=NOW)
    call_command("check_invariants", stdout=StringIO())


def test_no_answer_is_promised_for_after_the_visit(surgery):
    appointment = steps.booked(surgery)
    hour_before_the_promise = make.at(appointment.local_date, "07:30")
    steps.answered(surgery, appointment.patient, now=hour_before_the_promise)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.answer_by) == ("pending", appointment.starts_at - timedelta(hours=2))
    assert steps.request_of(appointment).answer_by == appointment.answer_by


def test_a_decision_anew_for_later_days_asks_again_for_this_one(surgery):
    patient = make.make_patient()
    steps.answered(surgery, patient, scar_age="6-to-12-months", scar_healed_on="2026-03-20")  # a year on 20 March
    appointment = steps.booked(surgery, patient=patient)
    later = NOW + timedelta(hours=1)
    request = decisions.ask(patient, surgery.treatment, on=steps.VISIT + timedelta(days=28), now=later)
    review = decisions.decide(request, now=later)
    appointment.refresh_from_db()
    assert review.valid_from > appointment.local_date
    assert (appointment.status, appointment.review) == ("pending", None)
    assert steps.request_of(appointment).needed_on == appointment.local_date
    steps.decide(appointment, now=later)
    assert appointment.status == "booked"


def test_new_answers_that_block_leave_the_decision_to_a_clinician(surgery):
    appointment = steps.booked(surgery)
    steps.answered(surgery, appointment.patient, now=NOW + timedelta(hours=1), pregnancy="yes")
    appointment.refresh_from_db()
    assert appointment.status == "pending"
    assert steps.request_of(appointment).needed_at == appointment.starts_at


def test_a_reply_goes_to_the_clinicians_with_the_day_the_visit_has_now(surgery):
    appointment = steps.asked(surgery)
    review = steps.decide(appointment, "needs-information")
    moved = appointments.move(
        appointment, slot=steps.slot(surgery, steps.VISIT + timedelta(days=7)), by="patient", now=NOW
    )
    assert moved.information_asked_at == NOW
    later = NOW + timedelta(days=2)
    notices.information_needed(moved, now=later, reminder=True)
    assert reviews.reply_to(review, text="Last year.", now=later)
    moved.refresh_from_db()
    request = steps.request_of(moved)
    assert (request.needed_on, request.needed_at) == (moved.local_date, moved.starts_at)
    assert (moved.information_asked_at, moved.answer_by) == (None, make.at("2027-03-04", "17:00"))
    assert request.answer_by == moved.answer_by
    assert "information_needed" not in steps.messages(moved)
    steps.decide(moved, now=later)
    assert moved.status == "booked"


def test_withdrawn_answers_put_it_back_and_ask_for_new_ones(surgery):
    appointment = steps.booked(surgery)
    later = NOW + timedelta(hours=1)
    reviews.mark_in_error(appointment.response, by=surgery.clinician, now=later)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.review) == ("pending", None)
    assert appointment.form_due_by == later + timedelta(hours=48)
    assert steps.messages(appointment) == ["form_due", "back_to_pending"]
    assert not ReviewRequest.objects.filter(closed_at=None).exists()


def test_somebody_who_has_arrived_waits_again_too(surgery):
    appointment = steps.arrived(surgery)
    steps.answered(surgery, appointment.patient, now=appointment.starts_at - timedelta(minutes=2))
    appointment.refresh_from_db()
    assert appointment.status == "pending"


def test_new_answers_less_than_two_hours_before_name_no_time_that_is_past(surgery):
    make.make_clinic(email="desk@clinic.example", lead_clinician=surgery.clinician)
    appointment = steps.booked(surgery)
    now = appointment.starts_at - timedelta(minutes=50)
    steps.answered(surgery, appointment.patient, now=now)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.answer_by, appointment.form_due_by) == ("pending", None, None)
    request = steps.request_of(appointment)
    assert (request.needed_at, request.answer_by) == (appointment.starts_at, None)
    told = Message.objects.get(kind="back_to_pending")
    for text in (told.text, told.html):
        assert "A clinician looks at your new answers." in text and "We answer by" not in text
        assert "Please call us before you travel: " + str(surgery.location.phone) in text
        assert "before you hear from us" not in text
    warned = Message.objects.filter(kind="review_due")
    assert sorted(warned.values_list("to", flat=True)) == sorted([surgery.clinician.email, "desk@clinic.example"])
    assert not any("with an apology" in one.text + one.html for one in warned)
    steps.answered(surgery, appointment.patient, now=now + timedelta(minutes=1))
    assert warned.count() == 2
    steps.decide(appointment, now=now + timedelta(minutes=10))
    assert appointment.status == "booked"
    assert steps.messages(appointment)[-1] == "booked"


def test_withdrawn_answers_less_than_two_hours_before_ask_for_new_ones_before_the_visit(surgery):
    appointment = steps.booked(surgery)
    now = appointment.starts_at - timedelta(minutes=50)
    reviews.mark_in_error(appointment.response, by=surgery.clinician, now=now)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by) == ("pending", appointment.starts_at)
    assert "your new answers" not in Message.objects.get(kind="back_to_pending").text
    steps.answered(surgery, appointment.patient, now=now + timedelta(minutes=5))
    assert "Please call us before you travel: " in Message.objects.get(kind="asked_for", state="queued").text


@pytest.mark.parametrize("minutes", [-30, 2])
def test_put_back_at_the_chair_and_booked_again_the_same_day(surgery, minutes):
    """The short re-check finds something new, the patient answers in full, a clinician clears it: they go on."""
    make.make_clinic(email="desk@clinic.example", lead_clinician=surgery.clinician)
    later = steps.booked(surgery, steps.VISIT + timedelta(days=28))
    appointment = steps.booked(surgery, patient=later.patient)
    now = appointment.starts_at + timedelta(minutes=minutes)
    appointment = appointments.arrive(appointment, by=surgery.desk, now=now)
    written = steps.messages(appointment, waiting=False)
    assert not steps.rechecked(appointment, now=now, pregnancy="yes")
    appointment.refresh_from_db()
    assert (appointment.status, appointment.form_due_by) == ("pending", None)
    assert not ReviewRequest.objects.filter(closed_at=None).exists()
    steps.answered(surgery, appointment.patient, now=now + timedelta(minutes=10))
    request = steps.request_of(appointment)
    assert (request.needed_on, request.needed_at) == (appointment.local_date, appointment.starts_at)
    assert steps.messages(appointment, waiting=False) == written + ["review_due"] * 2
    steps.decide(appointment, now=now + timedelta(minutes=20))
    assert appointment.status == "booked"
    assert steps.messages(appointment, waiting=False) == written + ["review_due"] * 2  # nothing to whoever is there
    now += timedelta(minutes=25)
    appointment = appointments.arrive(appointment, by=surgery.desk, now=now)
    assert steps.rechecked(appointment, now=now)
    assert steps.check_in(appointment, now=now).status == "checked-in"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_of_a_visit_that_has_begun_nobody_is_written_to(surgery):
    appointment = steps.booked(surgery)
    steps.sent()
    steps.answered(surgery, appointment.patient, now=appointment.starts_at + timedelta(minutes=5))
    appointment.refresh_from_db()
    assert (appointment.status, steps.messages(appointment)) == ("pending", [])


def test_nothing_of_yesterday_is_booked_again(surgery):
    appointment = steps.arrived(surgery)
    late = appointment.starts_at + timedelta(minutes=5)
    steps.answered(surgery, appointment.patient, now=late)
    request = steps.request_of(appointment)
    decisions.decide(request, now=late + timedelta(days=1))
    appointment.refresh_from_db()
    assert appointment.status == "pending"
    visits = lines.for_lines(Appointment.objects.with_names())
    (line,) = lines.lines(visits, now=late + timedelta(days=1), user=surgery.desk)
    assert (line.readiness, line.say) == ("ready", ""), "nobody is told that it is, or was, booked"
    (line,) = lines.lines(visits, now=appointment.starts_at - timedelta(hours=1), user=surgery.desk)
    assert "You are booked" not in line.say


@pytest.mark.parametrize("is_back", [False, True])
@pytest.mark.parametrize(("outcome", "status"), [("needs-information", "pending"), ("deferred", "cancelled")])
def test_whoever_is_in_the_house_is_told_there(surgery, outcome, status, is_back):
    appointment = steps.arrived(surgery)
    now = appointment.starts_at - timedelta(minutes=4)
    steps.answered(surgery, appointment.patient, now=now)
    if is_back:  # booked anew while they wait, and refused after all
        steps.decide(appointment, now=now)
        request = decisions.ask(appointment.patient, surgery.treatment, on=steps.VISIT)
        decisions.decide(request, outcome, now=now)
        appointment.refresh_from_db()
    else:
        steps.decide(appointment, outcome, now=now)
    assert appointment.status == status
    assert not set(steps.messages(appointment)) & {"not_possible", "information_needed", "back_to_pending", "form_due"}


def test_history_stays_as_it_was(surgery):
    appointment = steps.arrived(surgery)
    by, now = surgery.practitioner.user, appointment.starts_at
    done = appointments.fulfil(steps.check_in(appointment, by=by, now=now), by=by, now=now)
    steps.answered(surgery, appointment.patient, now=now + timedelta(hours=1))
    done.refresh_from_db()
    assert (done.status, done.review_id) == ("fulfilled", appointment.review_id)
    with connection.cursor() as cursor:  # the deferred wall agrees
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_consultations_do_not_care(surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    talk = steps.talk(surgery, clock="14:00", patient=patient)
    steps.answered(surgery, patient, now=NOW + timedelta(hours=1))
    talk.refresh_from_db()
    assert talk.status == "booked"


def test_a_no_after_a_yes_takes_a_booked_visit_back(surgery):
    appointment = steps.booked(surgery)
    request = decisions.ask(appointment.patient, surgery.treatment, on=steps.VISIT)
    decisions.decide(request, "not-suitable", now=NOW + timedelta(minutes=5))
    appointment.refresh_from_db()
    assert appointment.status == "cancelled"
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_question_after_a_yes_puts_a_booked_visit_back(surgery):
    appointment = steps.booked(surgery)
    request = decisions.ask(appointment.patient, surgery.treatment, on=steps.VISIT)
    decisions.decide(request, "needs-information", now=NOW + timedelta(minutes=5))
    appointment.refresh_from_db()
    assert (appointment.status, appointment.information_asked_at) == ("pending", NOW + timedelta(minutes=5))


def test_an_error_while_following_rolls_the_decision_back(surgery, monkeypatch):
    appointment = steps.asked(surgery)
    from booking import notices

    def broken(*args, **kwargs):
        raise RuntimeError("no more paper")

    monkeypatch.setattr(notices, "booked", broken)
    request = steps.request_of(appointment)
    with pytest.raises(RuntimeError):
        decisions.decide(request, "cleared")
    appointment.refresh_from_db()
    assert appointment.status == "pending"
    assert not appointment.patient.reviews.exists()


# --- the patient, or the desk, wants a consultation instead


def test_a_patient_turns_what_waits_into_a_consultation(surgery):
    appointment = steps.asked(surgery)
    talk = appointments.turn_into_consultation(appointment, by="patient", now=NOW)
    assert "has changed" not in Message.objects.get(kind="booked").text
    assert (talk.pk, talk.status, talk.treatment) == (appointment.pk, "booked", surgery.consultation)
    assert not ReviewRequest.objects.filter(closed_at=None).exists()
    with pytest.raises(NotAllowed):
        appointments.turn_into_consultation(talk, by="patient", now=NOW)


def test_staff_need_the_right_to(surgery):
    appointment = steps.asked(surgery)
    for by, user in (("staff", surgery.clinician), ("clinician", surgery.desk), ("staff", None)):
        with pytest.raises(NotAllowed):
            appointments.turn_into_consultation(appointment, by=by, user=user, now=NOW)
    assert appointments.turn_into_consultation(appointment, by="staff", user=surgery.desk, now=NOW).status == "booked"


# --- the questions change


def next_version(surgery, *, rescreen):
    row, _outcome = definition.save_draft(
        replace(shipped("microneedling"), version=surgery.questionnaire.version + 1), treatments=[surgery.treatment]
    )
    Questionnaire.objects.filter(pk=row.pk).update(rescreen=rescreen)
    row.refresh_from_db()
    publishing.propose(row, by=surgery.clinician, now=NOW)
    return row


@pytest.mark.parametrize(("rescreen", "status"), [(True, "pending"), (False, "booked")])
def test_questions_that_everybody_answers_again_put_visits_back(surgery, rescreen, status):
    appointment = steps.booked(surgery)
    row = next_version(surgery, rescreen=rescreen)
    publishing.publish(row, by=make.make_user(role="Lead clinician"), now=NOW)
    with connection.cursor() as cursor:  # the deferred wall agrees
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    appointment.refresh_from_db()
    assert appointment.status == status


def test_a_visit_that_nobody_closed_does_not_stand_in_the_way(surgery):
    appointment = steps.booked(surgery)
    row = next_version(surgery, rescreen=True)
    assert publishing.publish(row, by=make.make_user(role="Lead clinician"), now=NOW + timedelta(days=120)) == 0
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    appointment.refresh_from_db()
    assert appointment.status == "pending"


def test_publishing_past_the_verb_leaves_nothing_booked_on_old_questions(surgery):
    steps.booked(surgery)
    row = next_version(surgery, rescreen=True)
    lead = make.make_user(role="Lead clinician")
    with pytest.raises(IntegrityError, match="no longer counts"), transaction.atomic():
        Questionnaire.objects.filter(pk=surgery.questionnaire.pk).update(status="retired", retired_at=NOW)
        Questionnaire.objects.filter(pk=row.pk).update(status="active", published_by=lead, published_at=NOW)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_a_form_that_is_due_again_by_the_same_time_is_asked_for_again(surgery):
    """Answered, confirmed, then the answers were withdrawn: the first link has done its work."""
    visit = steps.phoned(surgery, slot=steps.slot(surgery, NOW.date() + timedelta(days=2)))
    due = visit.form_due_by
    response = steps.answered(surgery, visit.patient, now=NOW + timedelta(hours=1))
    visit.refresh_from_db()
    steps.decide(visit, now=NOW + timedelta(hours=2))
    steps.sent()
    reviews.mark_in_error(response, by=make.make_user(role="Clinician"), now=NOW + timedelta(hours=3))
    visit.refresh_from_db()
    assert (visit.status, visit.form_due_by) == ("pending", due)
    assert sorted(steps.messages(visit)) == ["back_to_pending", "form_due"]


def test_the_row_of_the_worklist_goes_on_with_the_next_visit_that_waits(surgery):
    first = steps.asked(surgery)
    second = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=first.patient)
    assert steps.request_of(first).needed_on == first.local_date
    appointments.cancel(first, by="staff", user=surgery.desk, reason="patient-asked", now=NOW)
    request = steps.request_of(second)
    assert (request.needed_on, request.answer_by) == (second.local_date, second.answer_by)


def test_another_date_of_birth_on_the_record_puts_back_what_was_confirmed(client, surgery):
    """The answers name the one of before: a clinician looks who this is (R8), before somebody travels for nothing."""
    visit = steps.booked(surgery)
    patient = visit.patient
    client.force_login(surgery.desk)
    way = reverse("admin:clinic_patient_change", args=[patient.pk])
    form = {"name": patient.name, "phone": "+44 20 7946 0018", "email": patient.email}
    page = client.post(way, form | {"birth_date": "5 May 1990"}, follow=True)
    assert "With this date of birth one confirmed visit waits for a clinician again." in page.content.decode()
    visit.refresh_from_db()
    assert (visit.status, steps.request_of(visit).needed_on) == ("pending", visit.local_date)
    with pytest.raises(reviews.Refused, match="no longer what they were"):
        steps.decide(visit)
    page = client.post(way, form | {"birth_date": "4 May 1990"}, follow=True)  # a slip, put right
    visit.refresh_from_db()
    assert visit.status == "booked" and "waits for a clinician" not in page.content.decode()


def test_who_may_not_be_cleared_any_more_can_still_be_asked(surgery):
    visit = steps.booked(surgery)
    visit.patient.birth_date = visit.patient.birth_date.replace(year=1991)
    visit.patient.save()
    assert follow_grounds(None, NOW, make.make_patient()) == 0  # it is about one patient
    assert follow_grounds(None, NOW, visit.patient) == 1
    visit.refresh_from_db()
    steps.decide(visit, "needs-information")
    assert (visit.status, steps.messages(visit)[-1]) == ("pending", "information_needed")
