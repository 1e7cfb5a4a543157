"""A look in person before a treatment: never, when a finding needs it, or always for new patients."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from booking import appointments
from booking.changing import NotAllowed
from booking.following import follow_grounds
from booking.models import Appointment
from clinic.models import Clinic
from screening import clearance, reviews
from screening.models import ReviewRequest
from tests import make
from tests.booking import steps
from tests.booking.pages import patient_who_signs_in, put, words
from tests.make import NOW

pytestmark = pytest.mark.django_db

# C9 asks for a consultation first: three items, each of them a review by itself.
THREE_REVIEWS = {"diabetes": "not-sure", "numbing_safety": "yes", "numbing_safety_which": "fits", "scar_type": "burn"}


def waiting(surgery, **changes):
    """A treatment that waits, with answers that ask for a consultation."""
    patient = make.make_patient()
    steps.answered(surgery, patient, **(changes or THREE_REVIEWS))
    return steps.asked(surgery, patient=patient)


def seen(surgery, patient, day, status="fulfilled", treatment=None):
    fields = {"patient": patient, "treatment": treatment or surgery.consultation, "starts_at": make.at(day)}
    visit = make.make_appointment(status=status, **fields)
    Appointment.objects.filter(pk=visit.pk).update(status_changed_at=make.at(day, "10:30"))
    visit.refresh_from_db()
    return visit


def test_a_finding_that_needs_a_consultation_is_not_cleared_without_one(surgery):
    appointment = waiting(surgery)
    with pytest.raises(reviews.Refused) as refused:
        steps.decide(appointment)
    assert "Consultation first" in refused.value.message_dict["outcome"][0]
    with pytest.raises(reviews.Refused):
        steps.decide(appointment, "cleared-with-conditions")
    appointment.refresh_from_db()
    assert (appointment.status, appointment.review) == ("pending", None)
    steps.decide(appointment, "consultation-required")  # what the sentence offers
    assert (appointment.status, appointment.treatment) == ("booked", surgery.consultation)
    fields = {"patient": appointment.patient, "treatment": surgery.treatment, "area": make.area()}
    left_open = make.make_appointment(status="pending", starts_at=NOW - timedelta(hours=1), **fields)
    new = steps.slot(surgery, steps.VISIT, "14:00")
    with pytest.raises(NotAllowed, match="That day is not possible"):
        appointments.move(left_open, slot=new, by="staff", user=surgery.desk, now=NOW)


def test_after_a_consultation_it_is_for_the_clinician_to_say(surgery):
    appointment = waiting(surgery)
    seen(surgery, appointment.patient, "2027-02-01")
    steps.decide(appointment)
    assert appointment.status == "booked"


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("2026-09-10", "fulfilled"),  # six months and a day before the visit on 11 March
        ("2027-02-01", "noshow"),
        ("2027-02-01", "cancelled"),
        ("2027-02-01", "booked"),
        ("2027-03-02", "booked"),  # still to come
    ],
)
def test_only_one_that_took_place_within_six_months_counts(surgery, day, status):
    appointment = waiting(surgery)
    seen(surgery, appointment.patient, day, status)
    with pytest.raises(reviews.Refused):
        steps.decide(appointment)


def test_one_that_was_over_before_its_time_counts_from_then_on(surgery):
    """They came early; whoever decides right after the talk is not told to talk first."""
    appointment = waiting(surgery)
    early = make.make_appointment(
        status="fulfilled",
        patient=appointment.patient,
        treatment=surgery.consultation,
        starts_at=NOW + timedelta(minutes=5),
    )
    assert early.starts_at > NOW >= early.status_changed_at
    steps.decide(appointment)
    assert appointment.status == "booked"


def gone(surgery, talk):
    """A manager finds that the consultation never took place."""
    appointments.mark_in_error(talk, by=surgery.manager, reason="another patient's", now=NOW)


def cleared(surgery):
    """A confirmed treatment that rests on a consultation, and that consultation."""
    appointment = waiting(surgery)
    talk = seen(surgery, appointment.patient, "2027-02-01")
    steps.decide(appointment)
    assert appointment.status == "booked"
    return appointment, talk


def answer(appointment, on=steps.VISIT):
    who = (appointment.patient, appointment.treatment)
    return clearance.clearance_for(*who, area=appointment.area, on=on, now=NOW)


def test_what_was_cleared_after_a_consultation_falls_with_it(surgery):
    appointment, talk = cleared(surgery)
    harmless = steps.booked(surgery, clock="14:00")  # of another patient, with nothing that needs one
    gone(surgery, seen(surgery, harmless.patient, "2027-02-01"))
    steps.sent()
    gone(surgery, talk)
    appointment.refresh_from_db(), harmless.refresh_from_db()
    assert (appointment.status, appointment.review, harmless.status) == ("pending", None, "booked")
    assert steps.messages(appointment) == ["back_to_pending"]
    assert (answer(appointment).cleared, answer(appointment).why) == (False, "waiting")
    with pytest.raises(reviews.Refused, match="Consultation first"):
        steps.decide(appointment)


def test_an_earlier_consultation_that_still_counts_carries_it(surgery):
    appointment = waiting(surgery)
    seen(surgery, appointment.patient, "2026-09-20")
    talk = seen(surgery, appointment.patient, "2027-02-01")
    steps.decide(appointment)
    gone(surgery, talk)
    appointment.refresh_from_db()
    assert appointment.status == "booked"
    counts_until = date(2027, 3, 20)
    assert answer(appointment, counts_until).cleared
    assert answer(appointment, counts_until + timedelta(days=1)).why == "waiting"


def test_a_consultation_after_the_decision_does_not_stand_in_for_the_one_it_rested_on(surgery):
    appointment, talk = cleared(surgery)
    gone(surgery, talk)
    later = seen(surgery, appointment.patient, "2027-03-04")
    after = later.ends_at
    who = (appointment.patient, appointment.treatment)
    found = clearance.clearance_for(*who, area=appointment.area, on=steps.VISIT, now=after)
    assert not found.cleared
    assert steps.decide(appointment, now=after).outcome == "cleared"  # whoever saw them says so
    assert appointment.status == "booked"


def test_undone_and_done_again_the_visit_is_confirmed_again(surgery):
    appointment = waiting(surgery)
    talk = seen(surgery, appointment.patient, "2027-02-28", "checked-in")
    type(talk).objects.filter(pk=talk.pk).update(practitioner=surgery.practitioner)
    talk = appointments.fulfil(talk, by=surgery.practitioner.user, now=NOW)
    steps.decide(appointment)
    talk = appointments.undo(talk, by=surgery.practitioner.user, now=NOW)
    appointment.refresh_from_db()
    assert (appointment.status, answer(appointment).cleared) == ("pending", False)
    appointments.fulfil(talk, by=surgery.practitioner.user, now=NOW + timedelta(minutes=1))
    appointment.refresh_from_db()
    assert (appointment.status, ReviewRequest.objects.waiting().count()) == ("booked", 0)
    assert steps.messages(appointment)[-1] == "booked"


def test_a_visit_whose_day_is_over_keeps_its_place(surgery):
    """It took place; its practitioner has not closed it yet."""
    make.make_clinic(consultation_first="never")
    appointment = waiting(surgery)
    steps.decide(appointment)
    make.make_clinic(consultation_first="when-needed")
    assert follow_grounds(surgery.manager, appointment.starts_at + timedelta(days=1)) == 0
    appointment.refresh_from_db()
    assert appointment.status == "booked"
    assert follow_grounds(surgery.manager, appointment.starts_at + timedelta(hours=3)) == 1


@pytest.mark.parametrize(
    ("before", "policy", "status"),
    [
        ({"consultation_first": "never"}, {"consultation_first": "when-needed"}, "pending"),
        ({"consultation_first": "never"}, {"consultation_first": "always"}, "pending"),
        ({"consultation_first": "never"}, {"screening_valid_days": 9}, "pending"),
        ({"consultation_first": "never"}, {"screening_valid_days": 60}, "booked"),
        ({"consultation_first": "never"}, {"hold_minutes": 15}, "booked"),
    ],
)
def test_another_policy_counts_at_once(client, surgery, before, policy, status):
    clinic = make.make_clinic(**before)
    appointment = waiting(surgery)
    steps.decide(appointment)
    client.force_login(surgery.manager)
    way = reverse("admin:clinic_clinic_change", args=[1])
    form = client.get(way).context["adminform"].form
    data = {name: form[name].value() if form[name].value() is not None else "" for name in form.fields}
    page = client.post(way, {**data, **policy}, follow=True)
    appointment.refresh_from_db()
    assert appointment.status == "booked" and steps.messages(appointment) == ["booked"]
    if status == "pending":  # asked first; nothing is changed yet
        assert "One confirmed visit would wait again" in words(page)
        typed = page.context["adminform"].form["screening_valid_days"].value()
        assert typed == str(policy.get("screening_valid_days", 90))
        clinic.refresh_from_db()
        assert (clinic.consultation_first, clinic.screening_valid_days) == ("never", 90)
        page = client.post(way, {**data, **policy, "even_so": "on"}, follow=True)
        appointment.refresh_from_db()
    assert (appointment.status, answer(appointment).cleared) == (status, status == "booked")
    assert ("One visit that was confirmed waits" in words(page)) == (status == "pending")
    make.make_clinic(**before, screening_valid_days=90)
    clinic.refresh_from_db()
    assert answer(appointment).cleared


def test_another_patients_consultation_does_not_count(surgery):
    appointment = waiting(surgery)
    seen(surgery, make.make_patient(), "2027-02-01")
    with pytest.raises(reviews.Refused):
        steps.decide(appointment)


def test_it_counts_on_the_last_day_of_its_six_months_and_no_longer(surgery):
    appointment = waiting(surgery)
    seen(surgery, appointment.patient, "2026-09-11")
    review = steps.decide(appointment)
    assert appointment.local_date == review.valid_until == date(2027, 3, 11)
    later = clearance.clearance_for(
        appointment.patient, appointment.treatment, area=appointment.area, on=date(2027, 3, 12), now=NOW
    )
    assert (later.cleared, later.why) == (False, "expired")
    with pytest.raises(IntegrityError, match="cleared"), transaction.atomic():
        type(appointment).objects.filter(pk=appointment.pk).update(
            starts_at=appointment.starts_at + timedelta(days=1),
            ends_at=appointment.ends_at + timedelta(days=1),
            busy_until=appointment.busy_until + timedelta(days=1),
        )


def test_a_later_visit_that_the_decision_does_not_cover_goes_to_the_clinicians_again(surgery):
    first = waiting(surgery)
    second = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=first.patient)
    seen(surgery, first.patient, "2026-09-20")  # counts until 20 March: for the first visit only
    steps.decide(first)
    second.refresh_from_db()
    assert (first.status, second.status) == ("booked", "pending")
    request = steps.request_of(second)
    assert (request.needed_on, request.answer_by) == (second.local_date, second.answer_by)


def test_a_look_in_person_for_keloid_in_the_family_is_a_consultation_too(surgery):
    surgery.treatment.areas.add(make.area("chest"))
    patient = make.make_patient()
    steps.answered(surgery, patient, treatment_area=["chest"], keloid="relative", keloid_who="mother")
    appointment = steps.asked(surgery, patient=patient, area=make.area("chest"))
    lead = make.make_user(role="Lead clinician")
    with pytest.raises(reviews.Refused, match="Consultation first"):
        steps.decide(appointment, by=lead)
    seen(surgery, patient, "2027-02-01")
    steps.decide(appointment, by=lead)
    assert appointment.status == "booked"


def test_a_clinic_may_never_ask_for_one(surgery):
    make.make_clinic(consultation_first="never")
    appointment = waiting(surgery)
    steps.decide(appointment)
    assert appointment.status == "booked"


def test_a_clinic_that_always_asks_does_so_for_findings_too(surgery):
    appointment = waiting(surgery)
    make.make_clinic(consultation_first="always")
    with pytest.raises(reviews.Refused):
        steps.decide(appointment)


def test_where_it_is_always_asked_for_it_counts_until_the_day_of_the_visit(surgery):
    make.make_clinic(consultation_first="always")
    patient = make.make_patient()
    seen(surgery, patient, "2026-09-10")
    with pytest.raises(NotAllowed, match="consultation"):
        steps.asked(surgery, patient=patient)
    with pytest.raises(NotAllowed, match="Before a first treatment we talk"):
        steps.phoned(surgery, patient)
    assert steps.asked(surgery, steps.VISIT - timedelta(days=1), patient=patient).status == "pending"


def test_without_anybody_to_ask_nobody_was_seen(surgery, monkeypatch):
    appointment = waiting(surgery)
    seen(surgery, appointment.patient, "2027-02-01")
    monkeypatch.setattr("clinic.registry._seen", [])
    with pytest.raises(reviews.Refused):
        steps.decide(appointment)


def test_the_page_says_so_and_offers_the_consultation(client, surgery):
    appointment = waiting(surgery)
    client.force_login(make.make_user(role="Clinician"))
    page = client.get(f"/admin/screening/reviewrequest/{steps.request_of(appointment).uuid}/").content.decode()
    assert "needs a consultation" in page
    assert 'value="consultation-required"' in page and 'value="cleared"' not in page


def test_the_policy_is_one_of_three(surgery):
    assert Clinic.get().consultation_first == "when-needed"
    with pytest.raises(IntegrityError, match="clinic_clinic_consultation_first_known"), transaction.atomic():
        Clinic.objects.update(consultation_first="sometimes")


@pytest.mark.parametrize(("before", "after"), [(True, "always"), (False, "when-needed")])
def test_what_a_clinic_said_with_yes_and_no_is_kept(before, after):
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")  # the owner migrates
    executor = MigrationExecutor(connection)
    state = executor.migrate([("clinic", "0003_staff_words")])
    state.apps.get_model("clinic", "Clinic").objects.create(name="The Scar Clinic", consultation_first=before)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")  # what a commit would do
    MigrationExecutor(connection).migrate([("clinic", "0004_consultation_first_is_a_choice")])
    assert Clinic.get().consultation_first == after
    state = MigrationExecutor(connection).migrate([("clinic", "0003_staff_words")])
    assert state.apps.get_model("clinic", "Clinic").objects.get().consultation_first is before


def test_where_the_talk_comes_first_the_way_leads_to_its_times(client, surgery):
    patient = patient_who_signs_in(client)
    steps.answered(surgery, patient)
    held = steps.held(surgery, patient=patient, response_id=clearance.finished_responses([patient.pk]).first().pk)
    make.make_clinic(consultation_first="always")
    put(client, hold=str(held.uuid))
    page = client.post(reverse("booking:hold", args=[held.uuid]), {"action": "confirm"})
    assert "Before a first treatment we talk with you" in words(page)
    assert reverse("booking:slots", args=[surgery.consultation.slug]) in page.content.decode()
    assert "See other times" not in words(page)
