"""Booking somebody who phones, in three steps."""

import re
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from booking import appointments
from booking.changing import NotAllowed
from booking.models import Appointment, WorkingHours
from clinic.models import Patient
from tests import make
from tests.booking import steps
from tests.booking.staff import Staff, words_of
from tests.booking.steps import VISIT
from tests.make import NOW, TODAY


@pytest.fixture
def desk(surgery, clock):
    return Staff(surgery.desk)


def wish(surgery, treatment=None, **changes) -> str:
    """The address of step 3, or with `slot=""` of step 2."""
    treatment = treatment or surgery.consultation
    values = {
        "treatment": treatment.slug,
        "area": "face" if treatment.needs_screening else "",
        "first": VISIT.isoformat(),
        "practitioner": surgery.practitioner.slug,
        "slot": steps.slot(surgery).key,
    } | changes
    return "?" + "&".join(f"{name}={value}" for name, value in values.items() if value)


def book(desk, patient, query, surgery, **data):
    data.setdefault("request_key", uuid4())
    data.setdefault("slot", steps.slot(surgery).key)
    return desk.post("phone_confirm", patient.uuid, query=query, follow=True, **data)


def new(**changes):
    return {
        "new": "1",
        "new-name": "Maria Vella",
        "new-birth_date": "12/3/1988",
        "new-phone": "0117 496 0152",
        "new-email": "",
    } | changes


# --- step 1


def test_the_search_comes_before_a_new_patient(desk):
    assert "Somebody new" not in desk.read("phone")
    assert "Somebody new" in words_of(desk.post("phone", q="Vella"))


def test_a_name_that_was_looked_for_need_not_be_typed_again(desk):
    assert 'name="new-name" value="Maria Vella"' in words_of(desk.post("phone", q="Maria Vella"))
    for other in ("4/5/1990", "0117 496 0152", "7KQ4M2XD"):
        assert f'name="new-name" value="{other}"' not in words_of(desk.post("phone", q=other))


def test_part_of_a_name_that_found_others_is_nobodys_name(desk):
    make.make_patient(name="Maria Vella")
    page = words_of(desk.post("phone", q="Vel"))
    assert "1 person found" in page
    assert "None of them: somebody new" in page
    assert 'name="new-name" value=' not in page
    page = words_of(desk.post("phone", q="Maria Vella"))
    assert 'name="new-name" value="Maria Vella"' in page
    page = words_of(desk.post("phone", q="Borg"))
    assert 'name="new-name" value="Borg"' in page
    assert "None of them" not in page


def test_a_slip_in_the_form_loses_neither_what_was_typed_nor_who_was_found(desk):
    known = make.make_patient(name="Maria Vella")
    page = words_of(desk.post("phone", q="Vella"))
    assert '<input type="hidden" name="q" value="Vella">' in page
    typed = new(**{"new-birth_date": "31/2/1988", "new-email": "maria@example.org", "new-is_somebody_new": "on"})
    answer = desk.post("phone", q="Vella", **typed)
    assert answer.status_code == 422
    page = words_of(answer)
    for value in ("Maria Vella", "31/2/1988", "0117 496 0152", "maria@example.org"):
        assert f'value="{value}"' in page, value
    assert re.search(r'name="new-is_somebody_new"[^>]* checked', page)
    assert "1 person found" in page
    assert known.reference in page
    assert '<input type="hidden" name="q" value="Vella">' in page


def test_nobody_is_made_whom_we_cannot_reach(desk):
    assert "Leave it empty if they have none." in words_of(desk.post("phone", q="Maria Vella"))
    answer = desk.post("phone", q="Vella", **new(**{"new-phone": " "}))
    page = words_of(answer)
    assert answer.status_code == 422 and not Patient.objects.exists()
    assert page.count("Give a phone number or an e-mail address, so that we can reach them.") == 2  # above, and there
    assert 'value="Maria Vella"' in page and 'value="12/3/1988"' in page
    assert desk.post("phone", **new(**{"new-phone": "", "new-email": "maria@example.org"})).status_code == 302


def test_somebody_new_is_made_once_and_goes_on(desk, surgery):
    make.make_location(phone="+35621234567")
    answer = desk.post("phone", **new(**{"new-phone": "9949 1234"}))  # as people in Malta say it
    patient = Patient.objects.get(name="Maria Vella")
    assert answer["Location"] == Staff.address("phone_times", patient.uuid)
    assert patient.phone == "+35699491234"
    assert (patient.birth_date, patient.email, patient.user) == (date(1988, 3, 12), "", None)


def test_whoever_looks_the_same_is_shown_before_a_new_one_is_made(desk):
    known = make.make_patient(name="Maria Vella", birth_date=date(1988, 3, 12))
    answer = desk.post("phone", **new())
    assert answer.status_code == 422
    doubles = words_of(answer).split('id="errors"')[1].split("</ul>")[0]
    assert known.reference in doubles
    assert f'href="{Staff.address("phone_times", known.uuid)}"' in doubles, "one can go on with who is known"
    assert 'value="0117 496 0152"' in words_of(answer)
    assert Patient.objects.filter(name="Maria Vella").count() == 1
    desk.post("phone", **new(**{"new-is_somebody_new": "on"}))
    assert Patient.objects.filter(name="Maria Vella").count() == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"new-name": ""},
        {"new-birth_date": "31/2/1988"},
        {"new-birth_date": ""},
        {"new-birth_date": "1/1/2999"},
        {"new-email": "no address"},
        {"new-phone": "12"},
        {"new-name": "x" * 500},
        {"new-name": "\u200b"},
    ],
)
def test_what_was_typed_stays_when_something_is_wrong(desk, wrong):
    answer = desk.post("phone", **new(**wrong))
    assert answer.status_code == 422
    kept = "12/3/1988" if "new-birth_date" not in wrong else "Maria Vella"
    assert kept in words_of(answer)
    assert "This field is required" not in words_of(answer) and "Enter a valid date" not in words_of(answer)
    assert not Patient.objects.exists()


# --- step 2


def test_times_are_shown_without_the_notice_patients_need(desk, surgery):
    page = desk.read("phone_times", make.make_patient().uuid, query=wish(surgery, slot="", first="2027-03-01"))
    assert steps.slot(surgery, NOW.date(), "09:15").key in page


def test_a_treatment_begins_after_our_promise_to_answer(desk, surgery):
    query = wish(surgery, surgery.treatment, slot="", first="2027-03-01")
    page = desk.read("phone_times", make.make_patient().uuid, query=query)
    assert steps.slot(surgery, NOW.date(), "15:00").key not in page
    assert steps.slot(surgery, NOW.date() + timedelta(days=2), "09:00").key in page


def test_a_wish_that_is_incomplete_is_asked_again(desk, surgery):
    patient = make.make_patient()
    surgery.treatment.areas.add(make.area("neck"))
    page = desk.read("phone_times", patient.uuid, query=f"?treatment={surgery.treatment.slug}&first=2027-03-15")
    assert "Choose an area that this treatment is for: face, neck." in page
    for query in ("?treatment=nonsense", "?treatment=", f"?treatment={surgery.treatment.slug}&first=31-31-31"):
        page = desk.read("phone_times", patient.uuid, query=query)
        assert "Please look at this" in page
        assert "Enter a valid date" not in page


def test_somebody_under_18_is_refused_kindly_and_by_the_verb(desk, surgery):
    child = make.make_patient(birth_date=date(2009, 3, 2))
    page = desk.read("phone_times", child.uuid, query=wish(surgery, slot=""))
    assert "This patient is under 18." in page
    assert surgery.practitioner.name not in page
    answer = book(desk, child, wish(surgery), surgery)
    assert answer.status_code == 422
    assert "not yet 18" in words_of(answer)
    assert not Appointment.objects.exists()


def test_unknown_people_are_not_there(desk, surgery):
    assert desk.get("phone_times", uuid4()).status_code == 404
    assert desk.get("phone_confirm", uuid4(), query=wish(surgery)).status_code == 404


# --- step 3


def test_a_consultation_is_booked_at_once(desk, surgery):
    patient = make.make_patient()
    page = desk.read("phone_confirm", patient.uuid, query=wish(surgery))
    assert "Thursday 11 March 2027, 10:00" in page
    assert "will be booked at once" in page
    assert "You get a message with day, time and place." in page
    assert not Appointment.objects.exists()
    answer = book(desk, patient, wish(surgery), surgery)
    made = Appointment.objects.get()
    assert answer.redirect_chain[-1][0] == Staff.address("change", made.uuid)
    assert "Booked:" in words_of(answer)
    assert (made.status, made.channel, made.created_by, made.patient) == ("booked", "phone", surgery.desk, patient)
    assert steps.messages(made) == ["booked"]


def test_a_treatment_is_asked_for_and_the_form_is_sent(desk, surgery):
    patient = make.make_patient()
    query = wish(surgery, surgery.treatment)
    assert "will be asked for" in desk.read("phone_confirm", patient.uuid, query=query)
    words = words_of(book(desk, patient, query, surgery))
    made = Appointment.objects.get()
    assert made.status == "pending"
    assert "Form due by Wednesday 3 March 2027, 09:00." in words
    assert "The link to the form is on its way." in words
    assert steps.messages(made) == ["form_due"]


def test_an_address_that_is_somebody_elses_sign_in_is_told_before_booking(desk, surgery):
    make.make_patient(name="Anna", user=make.make_user(email="home@example.org"))
    bert = make.make_patient(name="Bert", email="Home@example.org")
    told, page = "Somebody else signs in with this e-mail address", wish(surgery, surgery.treatment)
    assert told in desk.read("phone_confirm", bert.uuid, query=page)
    assert told not in desk.read("phone_confirm", bert.uuid, query=wish(surgery)), "a talk needs no form"
    Patient.objects.filter(pk=bert.pk).update(email="bert@example.org")
    assert told not in desk.read("phone_confirm", bert.uuid, query=page)


def test_without_an_address_the_desk_is_told_what_to_do(desk, surgery):
    patient = make.make_patient(email="")
    query = wish(surgery, surgery.treatment)
    page = desk.read("phone_confirm", patient.uuid, query=query)
    assert "no link to the form can be sent" in page and "we send you a link" not in page
    page = desk.read("phone_confirm", patient.uuid, query=wish(surgery))
    assert "“It is booked for Thursday 11 March 2027, 10:00, at" in page and "You get a message" not in page
    words = words_of(book(desk, patient, query, surgery))
    made = Appointment.objects.get()
    assert "we have no e-mail address and cannot send the link" in words
    assert "There is no e-mail address." in words_of(desk.post("send-form", made.uuid, follow=True))
    assert steps.messages(made) == []
    Patient.objects.filter(pk=patient.pk).update(email="maria@example.org")
    assert "The form link is on its way" in words_of(desk.post("send-form", made.uuid, follow=True))
    assert steps.messages(made) == ["form_due"]


def test_the_form_link_goes_again_as_an_event_of_its_own(desk, surgery):
    from outbox.models import Message

    book(desk, make.make_patient(), wish(surgery, surgery.treatment), surgery)
    made = Appointment.objects.get()
    waiting = words_of(desk.post("send-form", made.uuid, follow=True))
    assert "still waiting to be sent" in waiting
    Message.objects.update(state="sent", sent_at=NOW)
    desk.post("send-form", made.uuid)
    again = Message.objects.get(resend_of__isnull=False)
    assert (again.kind, again.resent_by) == ("form_due", surgery.desk)


def test_the_form_link_is_written_anew_when_something_else_was_told_since(desk, surgery):
    from outbox.models import Message

    book(desk, make.make_patient(), wish(surgery, surgery.treatment), surgery)
    made = Appointment.objects.get()
    Message.objects.update(state="sent", sent_at=NOW)
    Message.objects.create(key="moved:1", kind="moved", to="x@example.org", patient=made.patient,
                           subject_uuid=made.uuid, subject="x", text="x", state="sent", sent_at=NOW)  # fmt: skip
    assert "The form link is on its way" in words_of(desk.post("send-form", made.uuid, follow=True))
    newest = Message.objects.order_by("pk").last()
    assert (newest.kind, newest.state, newest.resend_of) == ("form_due", "queued", None)
    assert "still waiting to be sent" in words_of(desk.post("send-form", made.uuid, follow=True))


def test_two_presses_make_one_appointment(desk, surgery):
    patient, key = make.make_patient(), uuid4()
    first = book(desk, patient, wish(surgery), surgery, request_key=key)
    second = book(desk, patient, wish(surgery), surgery, request_key=key)
    assert Appointment.objects.count() == 1
    assert first.redirect_chain == second.redirect_chain


def test_a_time_that_was_just_taken_comes_with_others(desk, surgery):
    steps.talk(surgery)
    patient = make.make_patient()
    answer = book(desk, patient, wish(surgery), surgery)
    assert answer.status_code == 422
    words = words_of(answer)
    assert "just been taken" in words
    assert "Free times near it" in words
    assert Appointment.objects.filter(patient=patient).count() == 0
    other = steps.slot(surgery, clock="11:00").key
    assert "Booked:" in words_of(book(desk, patient, wish(surgery), surgery, slot=other))


def test_a_time_that_is_not_offered_or_over_is_not_said_to_be_taken(desk, surgery):
    patient = make.make_patient()
    night = steps.slot(surgery, clock="03:00").key
    words = words_of(book(desk, patient, wish(surgery), surgery, slot=night))
    assert "That time is not offered." in words and "just been taken" not in words
    past = steps.slot(surgery, NOW.date() - timedelta(days=7)).key
    assert desk.get("phone_confirm", patient.uuid, query=wish(surgery, slot=past)).status_code == 302
    words = words_of(desk.get("phone_times", patient.uuid, query=wish(surgery)))
    assert "That time is over. Please choose another one." in words
    assert not Appointment.objects.exists()


def test_a_session_too_soon_after_another_is_refused_with_the_first_day(desk, surgery):
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    slot = steps.slot(surgery, VISIT + timedelta(days=7)).key
    answer = book(desk, patient, wish(surgery, surgery.treatment, slot=slot), surgery, slot=slot)
    assert answer.status_code == 422
    assert "The first day possible is Thursday 8 April 2027." in words_of(answer)


def test_overbooking_takes_a_reason_and_keeps_who(desk, surgery):
    steps.talk(surgery)
    steps.held(surgery, clock="14:00", treatment=surgery.consultation, now=NOW - timedelta(hours=1))  # it ran out
    patient = make.make_patient()
    query = wish(surgery, overbook="on")
    page = desk.read("phone_times", patient.uuid, query=wish(surgery, overbook="on", slot=""))
    marked = r'value="([^"]+)" required> <span>([0-9:]+) <span class="soft">beside another visit<'
    assert (steps.slot(surgery, room=surgery.rooms[1]).key, "10:00") in re.findall(marked, page)
    assert {clock for _key, clock in re.findall(marked, page)} == {"09:30", "09:45", "10:00", "10:15", "10:30"}
    words = f"{surgery.practitioner} has another visit then. This one comes beside it."
    assert words in desk.read("phone_confirm", patient.uuid, query=query)
    free = wish(surgery, overbook="on", slot=steps.slot(surgery, clock="14:00").key)
    assert words not in desk.read("phone_confirm", patient.uuid, query=free)
    answer = book(desk, patient, query, surgery)
    assert answer.status_code == 422
    assert "Say why, or choose a free time." in words_of(answer)
    book(desk, patient, query, surgery, overbook_reason="Travels far; agreed with the nurse")
    made = Appointment.objects.get(patient=patient)
    assert (made.lane, made.overbooked_by, made.overbook_reason) == (
        1,
        surgery.desk,
        "Travels far; agreed with the nurse",
    )
    assert "overbooked" in desk.read("desk", query=f"?day={VISIT}")


def test_the_reason_stays_when_the_room_is_gone(desk, surgery):
    for practitioner in surgery.practitioners:
        steps.talk(surgery, practitioner=practitioner)
    answer = book(desk, make.make_patient(), wish(surgery, overbook="on"), surgery, overbook_reason="Travels far")
    assert answer.status_code == 422
    assert 'value="Travels far"' in words_of(answer)


@pytest.mark.parametrize("slot", ["", "nonsense", "20270311T1000Z-1-1-999999", "x" * 300])
def test_a_time_that_makes_no_sense_is_said(desk, surgery, slot):
    answer = book(desk, make.make_patient(), wish(surgery, slot=slot), surgery, slot=slot)
    assert answer.status_code in (200, 422)
    assert "Choose" in words_of(answer) or "taken" in words_of(answer)
    assert not Appointment.objects.exists()


def test_a_key_that_was_tampered_with_books_nothing(desk, surgery):
    answer = book(desk, make.make_patient(), wish(surgery), surgery, request_key="x")
    assert answer.status_code == 422
    assert not Appointment.objects.exists()


def test_a_free_time_needs_no_reason_although_busy_ones_were_shown(desk, surgery):
    book(desk, make.make_patient(), wish(surgery, overbook="on"), surgery, overbook_reason="")
    made = Appointment.objects.get()
    assert (made.status, made.lane, made.overbook_reason) == ("booked", 0, "")
    refused = book(desk, make.make_patient(), wish(surgery, overbook="on"), surgery, overbook_reason="  ")
    assert "Say why, or choose a free time." in words_of(refused)
    assert Appointment.objects.get() == made


@pytest.mark.parametrize("needs_screening", [False, True])
def test_back_after_booking_and_once_more_leads_to_the_visit(desk, surgery, needs_screening):
    patient = make.make_patient()
    query = wish(surgery, surgery.treatment if needs_screening else None)
    book(desk, patient, query, surgery)
    made = Appointment.objects.get()
    again = book(desk, patient, query, surgery)  # the page was drawn anew, so its key is another one
    assert again.redirect_chain[-1][0] == Staff.address("change", made.uuid)
    assert "This is booked already" in words_of(again)
    assert Appointment.objects.get() == made
    other = book(desk, make.make_patient(), query, surgery)
    assert "just been taken" in words_of(other)


@pytest.mark.parametrize(("needs_screening", "at_most"), [(False, 12), (True, 14)])
def test_times_cost_the_same_however_many_visits_and_places_there_are(desk, surgery, needs_screening, at_most):
    patient = make.make_patient()
    treatment = surgery.treatment if needs_screening else surgery.consultation

    def cost():
        with CaptureQueriesContext(connection) as queries:
            page = desk.read("phone_times", patient.uuid, query=wish(surgery, treatment, slot="", practitioner=""))
        assert 'name="slot"' in page
        return len(queries)

    steps.talk(surgery, clock="09:00")
    cost()
    one = cost()
    steps.talk(surgery, clock="11:00")
    steps.talk(surgery, clock="13:00")
    for _number in range(2):
        place = make.make_location()
        make.make_room(place)
        make.make_hours(make.make_practitioner(surgery.treatment, surgery.consultation), place)
    assert cost() == one
    assert one <= at_most


def test_moving_costs_the_same_however_many_places_there_are(desk, surgery):
    visit = steps.asked(surgery)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert 'name="slot"' in desk.read("move", visit.uuid)
        return len(queries)

    cost()
    one = cost()
    for _number in range(2):
        place = make.make_location()
        make.make_room(place)
        make.make_hours(make.make_practitioner(surgery.treatment), place)
    assert cost() == one
    assert one <= 12


def test_each_place_keeps_its_own_promise(desk, surgery):
    """Who is not cleared is offered a time only after the day on which a clinician has answered there."""
    slow = make.make_location(name="Slow Place")
    make.make_room(slow)
    make.make_hours(make.make_practitioner(surgery.treatment, name="Slow Nurse"), slow)
    make.make_closure(slow, TODAY, TODAY + timedelta(days=4))
    query = wish(surgery, surgery.treatment, slot="", practitioner="", first=TODAY.isoformat())
    page = desk.read("phone_times", make.make_patient().uuid, query=query)
    assert "Wednesday 3 March 2027" in page
    assert "Slow Place" in page  # among the places to choose from
    assert "Slow Nurse, Slow Place" not in page
    query = wish(surgery, surgery.treatment, slot="", practitioner="", first=(TODAY + timedelta(days=7)).isoformat())
    page = desk.read("phone_times", make.make_patient().uuid, query=query)
    assert "Slow Nurse, Slow Place" in page.split("Tuesday 9 March 2027")[1]
    assert "Slow Nurse, Slow Place" not in page.split("Tuesday 9 March 2027")[0]


@pytest.mark.parametrize("by", ["a decision", "answers", "a wait, with a later visit"])
def test_days_that_are_refused_are_not_offered_and_the_first_other_one_is_named(desk, surgery, by):
    patient, first = make.make_patient(), VISIT + timedelta(days=1)
    if by == "a wait, with a later visit":
        asked, later = (steps.asked(surgery, day, patient=patient) for day in (VISIT, first + timedelta(days=35)))
        steps.decide(asked, "deferred", deferred_until=first)
    else:
        tan = str(first - timedelta(days=14))
        steps.answered(surgery, patient, sun_tan="yes", sun_tan_when=tan, sun_tan_kind="tan")
    if by == "a decision":
        appointments.cancel(steps.booked(surgery, first, patient=patient), by="patient", now=NOW)
    shown = wish(surgery, surgery.treatment, slot="", first=(VISIT - timedelta(days=1)).isoformat())
    pages = [desk.read("phone_times", patient.uuid, query=shown)]
    if by == "a wait, with a later visit":
        pages.append(desk.read("move", later.uuid, query=f"?first={VISIT - timedelta(days=1)}"))
    for page in pages:
        assert steps.slot(surgery, first, "09:00").key in page and steps.slot(surgery).key not in page
    early = wish(surgery, surgery.treatment, slot="", first=(first - timedelta(days=9)).isoformat())
    with CaptureQueriesContext(connection) as queries:
        page = desk.read("phone_times", patient.uuid, query=early)
    assert 'name="slot"' not in page and "Next free: Friday 12 March 2027" in page
    assert len(queries) <= 19, "the next free day is looked for"
    said = "This treatment cannot be booked for that day. It can from Friday 12 March 2027 on."
    refused = wish(surgery, surgery.treatment)
    for answer in (
        desk.client.get(desk.address("phone_confirm", patient.uuid) + refused, follow=True),
        book(desk, patient, refused, surgery),
    ):
        assert answer.redirect_chain and said in words_of(answer)
    there = wish(surgery, surgery.treatment, slot=steps.slot(surgery, first).key)
    page = desk.read("phone_confirm", patient.uuid, query=there)
    assert ("will be booked at once" if by == "a decision" else "will be asked for") in page
    book(desk, patient, there, surgery, slot=steps.slot(surgery, first).key)
    assert Appointment.objects.filter(patient=patient, local_date=first, status__in=Appointment.OPEN).exists()


def test_who_was_refused_for_good_is_offered_a_consultation(desk, surgery):
    steps.answered(surgery, patient := make.make_patient())
    steps.decide(steps.asked(surgery, patient=patient), "not-suitable")
    page = desk.read("phone_times", patient.uuid, query=wish(surgery, surgery.treatment, slot=""))
    assert 'name="slot"' not in page and "A consultation is." in page


def test_a_week_without_times_names_the_next_free_day(desk, surgery):
    make.make_closure(surgery.location, TODAY, TODAY + timedelta(days=20))
    query = wish(surgery, slot="", first=TODAY.isoformat())
    page = desk.read("phone_times", make.make_patient().uuid, query=query)
    assert "No free times in this week." in page
    assert "Next free: Monday 22 March 2027" in page
    assert "first=2027-03-22" in page
    visit = steps.talk(surgery, date(2027, 4, 1))
    assert "Next free: Monday 22 March 2027" in desk.read("move", visit.uuid, query=f"?first={TODAY}")


def test_hours_that_begin_far_ahead_name_the_first_day_too(desk, surgery):
    visit = steps.talk(surgery)
    opens = TODAY + timedelta(days=77)  # more than sixty days ahead, and within the horizon
    WorkingHours.objects.update(valid_from=opens)
    for page in (
        desk.read("phone_times", make.make_patient().uuid, query=wish(surgery, slot="")),
        desk.read("move", visit.uuid),
    ):
        assert "Next free: Monday 17 May 2027" in page


def test_nobody_free_at_all_is_said(desk, surgery):
    patient, visit = make.make_patient(), steps.talk(surgery)
    make.make_closure(surgery.location, TODAY, TODAY + timedelta(days=900))
    somebody = desk.read("phone_times", patient.uuid, query=wish(surgery, slot=""))
    anybody = desk.read("phone_times", patient.uuid, query=wish(surgery, slot="", practitioner=""))
    for page, others in ((somebody, True), (anybody, False), (desk.read("move", visit.uuid), False)):
        assert "No free times in this week or later" in page
        assert ("Look with anybody, at any place." in page) == others
        assert ("Please ask a manager" in page) != others


@pytest.mark.parametrize("name", ["treatment", "area", "practitioner", "location", "first"])
def test_what_was_not_on_the_form_is_said(desk, surgery, name):
    patient = make.make_patient()
    for value in ("nonsense", "1", "-1", "x" * 300, "0x0", "2027-13-45", "9999-01-01"):
        query = wish(surgery, practitioner="", slot="") + f"&{name}={value}"  # the last one counts
        page = desk.get("phone_times", patient.uuid, query=query)
        assert page.status_code == 200
        assert "Please look at this" in words_of(page), value


def test_the_verb_refuses_whoever_is_not_the_desk(surgery):
    with pytest.raises(NotAllowed):
        appointments.book_by_phone(
            patient=make.make_patient(),
            treatment=surgery.consultation,
            area=None,
            slot=steps.slot(surgery),
            by=surgery.clinician,
            now=NOW,
        )
