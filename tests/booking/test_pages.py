"""The patient's booking pages: what is offered, free times, a held time, the confirmation."""

import re
import uuid
from datetime import date, timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from booking import appointments, holding, links
from booking.availability import Slot
from booking.models import Appointment, HoldDetails
from booking.sweep import sweep
from clinic.models import CallBack, Location, Patient
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.booking.pages import (
    DETAILS,
    choose,
    code_in,
    held_uuid,
    keys_on,
    patient_who_signs_in,
    put,
    times_of,
    words,
)
from tests.make import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def surgery(surgery, clock):
    return surgery


# ---------------------------------------------------------------- prices


def test_prices_people_places_and_next_free_come_before_any_question(client, surgery):
    surgery.treatment.sessions_min, surgery.treatment.sessions_max = 3, 6
    surgery.treatment.save()
    text = words(client.get(reverse("booking:treatments")))
    assert "£150" in text
    assert "£450 to £900" in text
    assert "45 minutes" in text
    assert "3 to 6 sessions, 4 weeks apart or more" in text
    assert surgery.practitioner.name in text
    assert surgery.practitioner.registration in text
    assert surgery.location.name in text
    assert "Wednesday 3 March" in text  # the first day after the promise and its margin, for somebody new


def test_a_treatment_without_price_hours_or_people_says_what_to_do(client, surgery):
    bare = make.make_treatment(price=None)
    page = words(client.get(reverse("booking:treatments")))
    assert bare.name in page
    assert "Please ask us" in page
    assert "No time is free online at the moment. Please call us." in page


def test_a_treatment_that_is_not_offered_is_nowhere(client, surgery):
    hidden = make.make_treatment(name="Hidden one", is_active=False)
    assert hidden.name not in words(client.get(reverse("booking:treatments")))
    assert client.get(times_of(hidden)).status_code == 404
    assert client.post(times_of(hidden), {}).status_code == 404
    assert client.get(reverse("booking:slots_json", args=[hidden.slug])).status_code == 404


def test_a_clinic_without_treatments_says_so(client, db):
    make.make_clinic()
    assert "We do not take bookings online yet" in words(client.get(reverse("booking:treatments")))


def test_before_the_clinic_is_set_up_no_page_breaks(client, db):
    treatment = make.make_consultation()
    assert client.get(reverse("booking:treatments")).status_code == 200
    assert client.get(times_of(treatment)).status_code == 503
    assert client.get(reverse("booking:slots_json", args=[treatment.slug])).status_code == 503


def test_the_future_price_is_not_todays(client, surgery):
    surgery.treatment.prices.create(amount=999, valid_from=date(2027, 3, 2))
    assert "£999" not in words(client.get(reverse("booking:treatments")))


# ---------------------------------------------------------------- times


def test_looking_at_times_needs_no_screening(client, surgery):
    page = client.get(times_of(surgery.treatment))
    text = words(page)
    assert "Next free" in text
    assert "Wednesday 3 March, 09:00" in text
    assert "No times from Saturday 6 March to Sunday 7 March." in text
    assert "First a few questions" in text
    assert keys_on(page)


def test_choosing_before_the_questions_leads_to_them_and_comes_back_to_the_time(client, surgery):
    page = client.get(times_of(surgery.treatment))
    key = keys_on(page)[3]
    text = words(page)
    assert "the questions come next. We remember the time, but we do not keep it yet." in text
    assert "Go on with this time" in text and "Take th" not in text
    response = choose(client, surgery.treatment, key)
    assert response.url == f"{reverse('screening:start')}?treatment={surgery.treatment.slug}"
    assert not Appointment.objects.exists()
    said = f"{surgery.location.name}. We remember it, but we do not keep it yet."
    before = words(client.get(response.url))
    assert "You chose Wednesday 3 March, " in before and said in before
    assert said not in words(client.get(reverse("screening:start")))
    put(client, screening=str(steps.answered(surgery).uuid))
    page = client.get(times_of(surgery.treatment))
    assert "You chose this time before, and it is free" in words(page)
    assert f'name="start" value="{key}"' in page.content.decode()


def test_a_time_of_a_later_week_with_one_practitioner_is_found_again_after_the_questions(client, surgery):
    there = times_of(surgery.treatment)
    who = surgery.practitioners[0]
    query = {"practitioner": who.slug, "from": "2027-03-22"}
    key = keys_on(client.get(there, query))[0]
    choose(client, surgery.treatment, key, **query)
    put(client, screening=str(steps.answered(surgery).uuid))
    assert "You chose this time before, and it is free" in words(client.get(there))
    steps.held(surgery, slot=Slot.from_key(key))
    text = words(client.get(there))
    assert "The time you chose before the questions is not free" in text
    assert "Times from Monday 22 March" in text  # near the one that has gone
    soon = {"isotretinoin": "yes", "isotretinoin_still": "no", "isotretinoin_last_dose": "2026-09-30"}
    put(client, screening=str(steps.answered(surgery, **soon).uuid))
    text = words(client.get(there))
    assert "or is too soon" in text and "Times from Tuesday 30 March" in text


def test_answers_that_allow_it_hold_the_time(client, surgery):
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    for wrong in ("xxx", "genitals", ["face", "belly"]):  # never quietly the only one there is
        text = words(choose(client, surgery.treatment, area=wrong))
        assert "so we keep no time for you yet" in text and "in this address" not in text
    assert not Appointment.objects.exists()
    held = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.treatment, area="")))
    assert (held.status, held.patient, held.response_id, held.area.code) == ("proposed", None, response.pk, "face")
    assert client.session["hold"] == str(held.uuid)


def test_answers_that_forbid_it_get_a_kind_page_and_no_time(client, surgery):
    put(client, screening=str(steps.answered(surgery, pregnancy="yes", pregnancy_due="2027-06-01").uuid))
    key = steps.slot(surgery).key
    for page in (client.get(times_of(surgery.treatment)), choose(client, surgery.treatment, key)):
        text = words(page)
        assert "You need to wait" in text
        assert "Times for a consultation" in text
        assert not keys_on(page)
        assert "pregnan" not in text.lower()
    assert not Appointment.objects.exists()


def test_a_wait_with_a_date_lets_times_begin_there(client, surgery):
    answers = {"isotretinoin": "yes", "isotretinoin_still": "no", "isotretinoin_last_dose": "2026-09-20"}
    put(client, screening=str(steps.answered(surgery, **answers).uuid))
    page = client.get(times_of(surgery.treatment))
    text = words(page)
    assert "You can ask for a time from Saturday 20 March" in text
    assert min(keys_on(page)) >= "20270320"
    before = choose(client, surgery.treatment, steps.slot(surgery).key)
    assert "This treatment is possible from Saturday 20 March 2027 on." in words(before)
    assert not Appointment.objects.exists()


def test_the_answers_of_another_browser_count_for_nothing(client, surgery):
    steps.answered(surgery)
    put(client, screening=str(uuid.uuid4()))
    assert choose(client, surgery.treatment).url.startswith(reverse("screening:start"))


def test_a_consultation_is_held_without_any_question(client, surgery):
    held = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.consultation)))
    assert (held.status, held.response) == ("proposed", None)


def test_several_areas_are_asked_for_before_a_time_can_be_chosen(client, surgery):
    scar = make.make_treatment(areas=("belly", "chest"))
    scar.practitioners.set(surgery.practitioners)
    page = client.get(times_of(scar))
    assert "Which part of your body" in words(page)
    assert not keys_on(page)
    answer = choose(client, scar, steps.slot(surgery).key)
    assert "Choose the part of your body first" in words(answer)
    assert keys_on(client.get(times_of(scar), {"area": "chest"}))
    assert not keys_on(client.get(times_of(scar), {"area": "face"}))  # not a part this treatment is for


def test_the_loser_sees_just_taken_and_other_times(client, surgery):
    key = keys_on(client.get(times_of(surgery.consultation)))[0]
    slot = Slot.from_key(key)
    for practitioner, room in zip(surgery.practitioners, surgery.rooms, strict=True):
        taken = Slot(slot.starts_at, practitioner.pk, room.pk, slot.location_id)
        steps.held(surgery, treatment=surgery.consultation, slot=taken)
    page = choose(client, surgery.consultation, key)
    assert "That time has just been taken" in words(page)
    assert key not in keys_on(page)
    assert keys_on(page)
    assert "hold" not in client.session
    mine, other = surgery.practitioners
    theirs = steps.slot(surgery, clock="12:00", practitioner=other, room=surgery.rooms[0])
    steps.held(surgery, slot=theirs, treatment=surgery.consultation)
    wanted = steps.slot(surgery, clock="12:00", practitioner=mine)
    make.make_time_off(mine, wanted.starts_at, wanted.starts_at + timedelta(hours=1))
    assert "That time is not offered" in words(choose(client, surgery.consultation, wanted.key))
    surgery.rooms[1].is_active = False
    surgery.rooms[1].save()
    assert "That time has just been taken" in words(choose(client, surgery.consultation, wanted.key))  # the last room


def test_sending_the_form_twice_holds_one_time(client, surgery):
    key, request_key = keys_on(client.get(times_of(surgery.consultation)))[0], str(uuid.uuid4())
    first = choose(client, surgery.consultation, key, request_key=request_key)
    second = choose(client, surgery.consultation, key, request_key=request_key)
    assert first.url == second.url
    assert Appointment.objects.count() == 1


def test_choosing_another_time_gives_the_first_one_back(client, surgery):
    first = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.consultation)))
    page = client.get(times_of(surgery.consultation))
    assert "We keep" in words(page)
    near = steps.slot(surgery, first.local_date, "13:15").key
    second = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.consultation, near)))
    first.refresh_from_db()
    assert (first.status, second.status) == ("cancelled", "proposed")


def test_whoever_loses_another_time_keeps_the_first_one(client, surgery):
    first = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.consultation)))
    assert f"{first.local_start:%H:%M}" == "13:00"
    near = {"practitioner": first.practitioner, "day": first.local_date}
    # The second lies across the first, which has to be given back for it.
    for wanted, somebodys in (("15:00", "15:00"), ("13:15", "13:45")):
        steps.held(surgery, clock=somebodys, treatment=surgery.consultation, **near)
        page = choose(client, surgery.consultation, steps.slot(surgery, clock=wanted, **near).key)
        first.refresh_from_db()
        assert first.status == "proposed"
        assert "That time has just been taken" in words(page)
        assert "We keep" in words(page)
    moved = choose(client, surgery.consultation, steps.slot(surgery, clock="13:00", **near).key)
    first.refresh_from_db()
    assert first.status == "cancelled"
    assert Appointment.objects.get(uuid=held_uuid(moved)).status == "proposed"


def test_another_time_with_the_same_form_is_another_time(client, surgery):
    """With "Back" the browser shows the form that was sent before."""
    day, key = steps.VISIT, str(uuid.uuid4())
    for clock in ("13:00", "14:45", "13:00"):
        wanted = steps.slot(surgery, day, clock)
        chosen = choose(client, surgery.consultation, wanted.key, request_key=key)
        held = Appointment.objects.get(uuid=held_uuid(chosen))
        assert (held.status, held.starts_at) == ("proposed", wanted.starts_at)
    assert Appointment.objects.filter(status="proposed").count() == 1


def test_a_practitioner_and_a_place_can_be_chosen(client, surgery):
    other = make.make_location(name="Valletta", slug="valletta", time_zone="Europe/Malta")
    make.make_room(other)
    make.make_hours(surgery.practitioners[1], other, weekdays=[5])
    page = client.get(times_of(surgery.consultation), {"location": "valletta"})
    text = words(page)
    assert "Malta time" in text
    assert {key.split("-")[3] for key in keys_on(page)} == {str(other.pk)}
    who = surgery.practitioners[0]
    page = client.get(times_of(surgery.consultation), {"practitioner": who.slug})
    assert {key.split("-")[1] for key in keys_on(page)} == {str(who.pk)}


def test_every_clock_says_whose_it_is_where_places_have_several_zones(client, surgery):
    patient = patient_who_signs_in(client)
    held = steps.held(surgery, patient=patient, response_id=steps.answered(surgery, patient).pk)
    page = reverse("booking:hold", args=[held.uuid])
    put(client, hold=str(held.uuid))
    assert "We keep it until 09:10 ." in words(client.get(page))  # one zone: no need
    make.make_location(name="Valletta", slug="valletta", time_zone="Europe/Malta")
    text = words(client.get(page))
    assert "We keep it until 09:10 (London time)" in text
    assert "We answer by Tuesday 2 March, 17:00 (London time)" in text
    assert "for you until 09:10 (London time)" in words(client.get(times_of(surgery.treatment)))
    done = client.post(page, {"action": "confirm"}, follow=True)
    said = "answer by Tuesday 2 March, 17:00 (London time)."
    assert said in words(done) and said in words(client.get(reverse("my")))
    phoned = steps.phoned(surgery, slot=steps.slot(surgery, clock="14:00"))
    for visit, by in ((held, "answer by Tuesday 2 March 2027, 17:00"), (phoned, "by Wednesday 3 March 2027, 09:00")):
        assert f"{by} (London time)." in Message.objects.filter(subject_uuid=visit.uuid).latest("pk").text


def test_the_first_free_time_far_away_is_said_instead_of_nothing(client, surgery):
    make.make_closure(surgery.location, date(2027, 3, 1), date(2027, 4, 20))
    assert "Wednesday 21 April, 09:00" in words(client.get(times_of(surgery.consultation)))


def test_no_time_within_the_horizon_says_whom_to_call(client, surgery):
    make.make_closure(surgery.location, date(2027, 3, 1), date(2027, 12, 31))
    page = client.get(times_of(surgery.consultation))
    assert "No time is free online at the moment" in words(page)
    assert not keys_on(page)


def test_weeks_lead_on_and_back(client, surgery):
    first = client.get(times_of(surgery.consultation)).content.decode()
    assert "Earlier times" not in first
    later = re.search(r'class="weeks-later" href="([^"]+)"', first).group(1).replace("&amp;", "&")
    second = client.get(later)
    assert "from=2027-03-08" in later
    assert min(keys_on(second)) >= "20270308"
    back = re.search(r'class="weeks-earlier" href="([^"]+)"', second.content.decode()).group(1)
    assert "from=2027-03-01" in back
    end = client.get(times_of(surgery.consultation), {"from": "2027-05-30"})
    assert "Later times" not in words(end)


def test_a_signed_in_patient_who_was_decided_on_takes_three_pages(client, surgery, clock):
    patient = patient_who_signs_in(client)
    before = steps.booked(surgery, patient=patient)
    appointments.cancel(before, by="patient", now=NOW)
    page = client.get(times_of(surgery.treatment))
    assert "First a few questions" not in words(page)
    assert min(keys_on(page)).startswith("20270301T13")  # the lead time only: nobody has to look first
    held = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.treatment)))
    text = words(client.get(reverse("booking:hold", args=[held.uuid])))
    assert patient.name in text
    assert "Book this time" in text
    response = client.post(reverse("booking:hold", args=[held.uuid]), {"action": "confirm"})
    assert response.url == reverse("booking:appointment", args=[held.uuid])
    held.refresh_from_db()
    assert (held.status, held.patient) == ("booked", patient)


def test_a_second_session_that_begins_weeks_later_says_why_to_its_patient_only(client, surgery):
    patient = patient_who_signs_in(client)
    said = "You have a visit on Thursday 11 March. We leave at least 28 days between two sessions on the same area."
    assert said not in words(client.get(times_of(surgery.treatment)))
    visit = steps.booked(surgery, patient=patient)
    page = client.get(times_of(surgery.treatment))
    assert said in words(page) and min(keys_on(page)) >= "20270408"
    assert "You have a visit" not in words(client.get(times_of(surgery.consultation)))
    surgery.treatment.areas.add(make.area("chest"))
    elsewhere = client.get(times_of(surgery.treatment) + "?area=chest")
    assert "chest" in words(elsewhere) and "You have a visit" not in words(elsewhere)
    client.logout()
    client.get(links.make_link(visit, links.SEE, NOW))
    for here in (times_of(surgery.treatment), reverse("booking:move", args=[visit.uuid])):
        assert "You have a visit" not in words(client.get(here))


def test_somebody_under_18_who_signs_in_cannot_book_anything(client, surgery):
    patient_who_signs_in(client, birth_date=date(2010, 1, 1))
    for page in (
        client.get(times_of(surgery.consultation)),
        choose(client, surgery.consultation, "20270303T0900Z-1-1-1"),
    ):
        text = words(page)
        assert "We treat people from the age of 18." in text
        assert "on your own or with somebody you trust" in text and "possible" not in text
        assert not keys_on(page)
    assert not Appointment.objects.exists()


# ---------------------------------------------------------------- times for machines


def test_the_times_for_machines_say_where_and_when(client, surgery):
    response = client.get(reverse("booking:slots_json", args=[surgery.consultation.slug]), {"from": "2027-03-29"})
    body = response.json()
    assert response["Cache-Control"] == "no-store"
    assert (body["from"], body["until"], body["minutes"]) == ("2027-03-29", "2027-04-04", 30)
    assert body["times"][0] == {
        "starts_at": "2027-03-29T09:00:00+01:00",  # summer time has begun there
        "ends_at": "2027-03-29T09:30:00+01:00",
        "location": surgery.location.slug,
        "time_zone": "Europe/London",
        "practitioner": body["times"][0]["practitioner"],
    }
    again = client.get(
        reverse("booking:slots_json", args=[surgery.consultation.slug]),
        {"from": "2027-03-29"},
        headers={"If-None-Match": response["ETag"]},
    )
    assert again.status_code == 304


@pytest.mark.parametrize("days", ["0", "-1", "32", "9999999999", "x", "１", ""])
def test_nonsense_days_are_left_out(client, surgery, days):
    body = client.get(reverse("booking:slots_json", args=[surgery.consultation.slug]), {"days": days}).json()
    assert len({time["starts_at"][:10] for time in body["times"]}) == 5
    assert body["not_understood"] is (days != "")


# ---------------------------------------------------------------- a held time


def test_from_a_time_to_a_booked_consultation_with_a_real_code(client, surgery):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    text = words(client.get(page))
    assert "We keep it until 09:10" in text
    assert "Who is coming?" in text
    response = client.post(page, DETAILS)
    assert response.url == reverse("account_confirm_login_code")
    message = Message.objects.get(kind="code")
    assert message.to == "rosa@example.org"
    assert "Write the code" in words(client.get(page))
    waiting = client.get(response.url).content.decode()
    assert "for you until <strong>09:10</strong>" in waiting and f'<form method="post" action="{page}"' in waiting
    more = client.post(page, {"action": "more-time"}, follow=True)
    assert more.redirect_chain[-1][0] == response.url
    assert "You have five minutes more: we keep your time until 09:15" in words(more)
    response = client.post(response.url, {"code": code_in(message)})
    assert response.url == page
    mine = client.get(reverse("my")).content.decode()  # who looks here before asking for the time finds back to it
    assert "for you until <strong>09:15</strong>" in mine and f'class="btn btn-primary" href="{page}"' in mine
    assert mine.count('class="btn btn-primary"') == 1 and "There is nothing here yet" not in mine
    assert "While you look for the code" not in mine
    text = words(client.get(page))
    assert "Rosa Example" in text
    assert "Book this time" in text
    response = client.post(page, {"action": "confirm"})
    visit = Appointment.objects.get()
    assert response.url == reverse("booking:appointment", args=[visit.uuid])
    assert (visit.status, visit.patient.email, visit.patient.birth_date) == (
        "booked",
        "rosa@example.org",
        date(1990, 5, 4),
    )
    assert not {"hold", "hold_details"} & set(client.session.keys())
    assert "Booked" in words(client.get(response.url))


def test_a_hold_that_ran_out_is_kept_no_more_in_the_words_of_every_page(client, surgery, clock):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    code = client.post(page, DETAILS).url
    clock.now += timedelta(minutes=11)
    for here in (page, code, times_of(surgery.consultation)):
        text = words(client.get(here))
        assert "for you until 09:10" in text or "We kept it until 09:10" in text
        assert "Nobody has taken it yet" in text and "e keep " not in text.replace("The time we keep for you", "")


@pytest.mark.parametrize(
    ("changes", "heading"),
    [
        ({"pregnancy": "yes"}, "You need to wait"),
        ({"keloid": "yes", "keloid_where": "ear"}, "not right for you at the moment"),
    ],
)
def test_a_wait_is_said_as_a_wait_and_a_no_as_a_no(client, surgery, changes, heading):
    """The same words as the page of results has for the same answers."""
    put(client, screening=str(steps.answered(surgery, **changes).uuid))
    text = words(client.get(f"/book/{surgery.treatment.slug}/"))
    assert heading in text
    assert ("You need to wait" in text) == (heading == "You need to wait")
    assert "What else helps" in text


def test_a_treatment_is_asked_for_and_says_until_when_we_answer(client, surgery):
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.treatment))])
    assert "date of birth" not in words(client.get(page))  # the questions have asked it
    client.post(page, {key: value for key, value in DETAILS.items() if not key.startswith("birth_date")})
    assert HoldDetails.objects.get().birth_date == date(1990, 5, 4)
    client.force_login(get_user_model().objects.get(email="rosa@example.org"))
    assert "We answer by Tuesday 2 March, 17:00" in words(client.get(page))
    done = client.post(page, {"action": "confirm"})
    text = words(client.get(done.url))
    assert "We answer by Tuesday 2 March, 17:00" in text
    assert "please do not travel yet" in text
    visit = Appointment.objects.get()
    assert (visit.status, visit.response_id) == ("pending", response.pk)
    response.refresh_from_db()
    assert response.patient == visit.patient


def test_wrong_details_are_said_field_by_field_and_nothing_typed_is_lost(client, surgery):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    wrong = DETAILS | {"phone": "12", "email": "not an address", "birth_date_day": "31", "birth_date_month": "2"}
    response = client.post(page, wrong)
    html = response.content.decode()
    text = words(response)
    assert "<title>Error: " in html
    assert "There is no 31 February 1990" in text
    assert "Write an e-mail address such as" in text
    for link in ("#id_phone", "#id_email", "#id_birth_date_day"):
        assert f'href="{link}"' in html
    for typed in ("Rosa Example", "not an address", 'value="12"', 'value="31"'):
        assert typed in html
    assert not HoldDetails.objects.exists()


def test_two_values_for_one_box_are_none(client, surgery):
    keys = keys_on(client.get(times_of(surgery.consultation)))
    assert "Please answer this once." in words(choose(client, surgery.consultation, [keys[0], keys[1]]))
    assert not Appointment.objects.exists()
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    twice = client.post(page, DETAILS | {"name": ["One", "Two"]})
    assert "Please answer this once." in words(twice) and not HoldDetails.objects.exists()


@pytest.mark.parametrize("sign", ["%00", "%ff"])
def test_a_sign_that_cannot_be_kept_is_said_beside_its_box_and_nothing_typed_is_lost(client, surgery, sign):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    body = urlencode(DETAILS | {"name": "Rosa SIGN"}).replace("SIGN", sign)
    response = client.post(page, body, content_type="application/x-www-form-urlencoded")
    assert "it holds a sign that we cannot keep" in words(response)
    html = response.content.decode()
    assert 'href="#id_name"' in html and html.count('<li><a href="#id_') == 1
    for typed in ("Rosa ", DETAILS["phone"], DETAILS["email"], DETAILS["birth_date_year"]):
        assert f'value="{typed}' in html
    assert not HoldDetails.objects.exists()


def test_under_18_gives_the_time_back_and_keeps_nothing(client, surgery):
    uuid_ = held_uuid(choose(client, surgery.consultation))
    response = client.post(reverse("booking:hold", args=[uuid_]), DETAILS | {"birth_date_year": "2010"})
    assert "We treat people from the age of 18." in words(response)
    assert Appointment.objects.get().status == "cancelled"
    assert not HoldDetails.objects.exists()
    assert not get_user_model().objects.filter(email=DETAILS["email"]).exists()
    assert not {"hold", "hold_details"} & set(client.session.keys())


@pytest.mark.parametrize("year", ["1899", "2027", "2099", "0000"])
def test_a_birth_date_that_cannot_be_is_refused(client, surgery, year):
    uuid_ = held_uuid(choose(client, surgery.consultation))
    response = client.post(
        reverse("booking:hold", args=[uuid_]), DETAILS | {"birth_date_year": year, "birth_date_month": "6"}
    )
    assert "Error: " in response.content.decode()
    said = (
        "Your date of birth: Please look at the year again."
        if year == "1899"
        else "check the year of your date of birth"
    )
    assert said in words(response)
    assert not HoldDetails.objects.exists()


def test_more_time_is_five_minutes_up_to_ten_times(client, surgery):
    uuid_ = held_uuid(choose(client, surgery.consultation))
    page = reverse("booking:hold", args=[uuid_])
    for _press in range(10):
        assert "I need more time" in words(client.get(page))
        client.post(page, {"action": "more-time"})
    text = words(client.get(page))
    assert "We keep it until 10:00" in text
    assert "I need more time" not in text
    assert "cannot keep this time any longer" in words(client.post(page, {"action": "more-time"}, follow=True))


def test_more_time_empties_no_box(client, surgery):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    empty = client.get(page).content.decode()
    assert '<form method="post" id="details"' in empty
    # Enter in a box presses the first button of its form: never "I need more time".
    assert re.findall(r'form="details" name="action" value="([^"]+)"', empty) == ["details", "more-time"]
    response = client.post(page, DETAILS | {"phone": "12", "birth_date_year": "", "action": "more-time"})
    html = response.content.decode()
    assert "We keep it until 09:15" in words(response) and "Error:" not in html and "Write" not in words(response)
    for typed in ("Rosa Example", "12", "rosa@example.org", "4", "May"):
        assert f'value="{typed}"' in html
    assert not HoldDetails.objects.exists()


def test_giving_the_time_back(client, surgery):
    uuid_ = held_uuid(choose(client, surgery.consultation))
    response = client.post(reverse("booking:hold", args=[uuid_]), {"action": "release"}, follow=True)
    assert "We gave that time back" in words(response)
    assert Appointment.objects.get().status == "cancelled"
    assert "hold" not in client.session


@pytest.mark.parametrize(
    ("signed_in", "data", "said"),
    [
        (False, {"action": "release"}, "We do not keep that time any longer"),
        (True, {"action": "release"}, "We do not keep that time any longer"),
        (True, {"action": "not-me"}, "You are signed out"),
        (False, DETAILS | {"birth_date_year": "2010"}, "We treat people from the age of 18."),
    ],
)
def test_a_hold_that_ended_a_moment_before_breaks_no_page(client, surgery, monkeypatch, signed_in, data, said):
    patient = patient_who_signs_in(client) if signed_in else None
    held = steps.held(surgery, treatment=surgery.consultation, patient=patient)
    put(client, hold=str(held.uuid))
    release = holding.release

    def twice(hold, *, now):
        release(hold, now=now)
        return release(hold, now=now)

    monkeypatch.setattr(holding, "release", twice)
    response = client.post(reverse("booking:hold", args=[held.uuid]), data, follow=True)
    assert said in words(response)


def test_a_time_that_was_let_go_and_that_nobody_took_is_not_said_to_be_taken(client, surgery, clock):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, steps.slot(surgery).key))])
    client.post(page, DETAILS)
    clock.now += timedelta(minutes=75)
    assert sweep(now=clock.now)["holds"] == 1
    other = {"practitioner": surgery.practitioners[1], "room": surgery.rooms[1]}  # at the same time, in nobody's way
    steps.held(surgery, slot=steps.slot(surgery, **other), treatment=surgery.consultation, now=clock.now)
    for response in (client.get(page), client.post(page, {"action": "more-time"}), client.post(page, DETAILS)):
        text = words(response)
        assert "It may still be free" in text and "not free now" not in text


def test_a_time_at_which_nobody_is_there_any_more_is_not_said_to_be_free(client, surgery):
    patient_who_signs_in(client)
    slot = steps.slot(surgery)
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, slot.key))])
    make.make_closure(surgery.location, steps.VISIT)
    text = words(client.post(page, {"action": "confirm"}))
    assert "That time has gone" in text and "It may still be free" not in text


def test_an_expired_hold_can_still_be_confirmed(client, surgery, clock):
    patient = patient_who_signs_in(client)
    uuid_ = held_uuid(choose(client, surgery.consultation))
    page = reverse("booking:hold", args=[uuid_])
    clock.now += timedelta(minutes=30)
    assert "Nobody has taken it yet" in words(client.get(page))
    client.post(page, {"action": "confirm"})
    visit = Appointment.objects.get()
    assert (visit.status, visit.patient) == ("booked", patient)


def test_an_expired_hold_that_somebody_took_says_so_and_keeps_what_was_typed(client, surgery, clock):
    key = steps.slot(surgery).key
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, key))])
    client.post(page, DETAILS)
    clock.now += timedelta(minutes=30)
    slot = Slot.from_key(key)
    for practitioner, room in zip(surgery.practitioners, surgery.rooms, strict=True):
        taken = Slot(slot.starts_at, practitioner.pk, room.pk, slot.location_id)
        steps.held(surgery, treatment=surgery.consultation, slot=taken, now=clock.now)
    for response in (client.get(page), client.post(page, {"action": "more-time"}), client.post(page, DETAILS)):
        text = words(response)
        assert "That time has gone" in text
        assert "you need not write it again" in text
        assert keys_on(response) and key not in keys_on(response)
    again = client.get(reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))]))
    html = again.content.decode()
    assert 'value="Rosa Example"' in html
    assert 'value="rosa@example.org"' in html
    assert 'value="1990"' in html


def lose(client, surgery, clock) -> str:
    """The page of a held time that ran out, and that somebody else has taken meanwhile."""
    key = steps.slot(surgery).key
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, key))])
    clock.now += timedelta(minutes=30)
    steps.held(surgery, treatment=surgery.consultation, slot=Slot.from_key(key), now=clock.now)
    return page


@pytest.mark.parametrize("changes", [{}, {"phone": "12"}, {"phone": "12", "birth_date_year": ""}])
def test_a_time_lost_while_the_details_are_typed_loses_none_of_them(client, surgery, clock, changes):
    typed = DETAILS | changes
    lost = client.post(lose(client, surgery, clock), typed)
    assert "That time has" in words(lost) or "We do not keep that time" in words(lost)
    assert "you need not write it again" in words(lost)
    assert not Message.objects.exists() and not HoldDetails.objects.exists()
    client.force_login(make.make_user(email=DETAILS["email"]))
    chosen = choose(client, surgery.consultation, keys_on(lost)[0])
    again = client.get(chosen.url)
    assert ("Book this time" in words(again)) == (not changes)  # mistakes are looked at again
    for value in (typed["name"], typed["phone"], typed["email"]) if changes else ():
        assert f'value="{value}"' in again.content.decode()


@pytest.mark.parametrize("other", [False, True])
def test_a_time_given_up_in_another_tab_loses_nothing_that_was_typed(client, surgery, other):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, steps.slot(surgery).key))])
    if other:
        keys = keys_on(client.get(times_of(surgery.consultation)))
        chosen = choose(client, surgery.consultation, keys[-1]).url
    else:
        client.post(page, {"action": "release"})
    typed = DETAILS | {"phone": "12"}
    answer = client.post(page, typed)
    assert "you need not write it again" in words(answer)
    assert ("Go on with" in words(answer)) == other and not HoldDetails.objects.exists()
    if not other:
        chosen = choose(client, surgery.consultation).url
    html = client.get(chosen).content.decode()
    for value in (typed["name"], typed["phone"], typed["email"], typed["birth_date_year"]):
        assert f'value="{value}"' in html


@pytest.mark.parametrize("signed_in", [False, True])
def test_a_time_given_up_for_another_leads_to_that_one_from_every_button(client, surgery, signed_in):
    patient = patient_who_signs_in(client) if signed_in else None
    first = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, steps.slot(surgery).key))])
    second = choose(client, surgery.consultation, keys_on(client.get(times_of(surgery.consultation)))[-1]).url
    nobodys = [uuid.uuid4(), steps.held(surgery, clock="14:00", treatment=surgery.consultation).uuid]
    for page in (first, *(reverse("booking:hold", args=[one]) for one in nobodys)):
        for action in ("", "confirm", "more-time", "release", "not-me"):
            answer = client.post(page, {"action": action}) if action else client.get(page)
            assert "That time is not held for you any more" in words(answer)
            assert f'href="{second}"' in answer.content.decode() and "you need not write it again" not in words(answer)
    assert Appointment.objects.filter(status="proposed").count() == 2
    assert ("_auth_user_id" in client.session) == signed_in == (patient is not None)


def test_details_sent_to_a_time_of_nobody_tell_nothing(client, surgery):
    for held in (steps.held(surgery, treatment=surgery.consultation).uuid, uuid.uuid4()):
        page = reverse("booking:hold", args=[held])
        answer = client.post(page, DETAILS)
        assert "That time is not held for you any more" in words(answer) and not HoldDetails.objects.exists()
        child = client.post(page, DETAILS | {"birth_date_year": "2010"})
        assert "We treat people from the age of 18." in words(child) and "hold_details" not in client.session
    assert Appointment.objects.get().status == "proposed"


def test_nothing_is_kept_of_a_child_whose_time_is_lost(client, surgery, clock):
    response = client.post(lose(client, surgery, clock), DETAILS | {"birth_date_year": "2010", "phone": "12"})
    assert "We treat people from the age of 18." in words(response)
    assert "hold_details" not in client.session


def test_details_of_a_lost_time_count_once_the_address_is_proven(client, surgery):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    client.post(page, DETAILS)
    client.force_login(get_user_model().objects.get(email="rosa@example.org"))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, steps.slot(surgery).key))])
    assert "Book this time" in words(client.get(page))
    client.post(page, {"action": "confirm"})
    assert Appointment.objects.get(status="booked").patient.name == "Rosa Example"


def test_whoever_comes_back_with_another_phone_sees_it_and_it_is_kept(client, surgery):
    rosa = {"name": DETAILS["name"], "email": "rosa@example.org", "birth_date": date(1990, 5, 4)}
    patient = make.make_patient(**rosa, phone="+442079460999")
    user = make.make_user(email="rosa@example.org")
    Patient.objects.filter(pk=patient.pk).update(user=user)
    Location.objects.filter(pk=surgery.location.pk).update(phone="+12125552368")
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    client.post(page, DETAILS | {"phone": "207 946 0018"})  # as it is written where they come to, and in London too
    client.force_login(user)
    text = words(client.get(page))
    assert "+1 207-946-0018" in text and "7946 0999" not in text
    client.post(page, {"action": "confirm"})
    patient.refresh_from_db()
    assert patient.phone == "+12079460018"


def test_a_second_person_with_the_same_address_is_refused_kindly_and_the_hold_stays(client, surgery):
    mum = {"name": "Mum Example", "phone": "+442079460999", "birth_date": date(1960, 1, 1)}
    first = make.make_patient(email="rosa@example.org", **mum)
    user = make.make_user(email="rosa@example.org")
    Patient.objects.filter(pk=first.pk).update(user=user)
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    client.post(page, DETAILS)
    client.force_login(user)
    for response in (client.get(page), client.post(page, {"action": "confirm"}, follow=True)):
        text = words(response)
        assert "this e-mail address with another name or date of birth" in text
        assert "please call us, or use another e-mail address" in text
        assert "Who is coming?" in text and "Is everything right?" not in text
        for hers in ("Mum Example", "7946 0999", "Book this time"):
            assert hers not in text
    held = Appointment.objects.get()
    assert (held.status, held.patient) == ("proposed", None)
    assert HoldDetails.objects.filter(appointment=held).exists()
    client.post(page, DETAILS)  # the same once more: still nobody's but hers, and never taken for the first one
    assert HoldDetails.objects.get().birth_date == date(1990, 5, 4)
    assert "another name or date of birth" in words(client.get(page))
    client.post(page, DETAILS | {"email": "rosas.own@example.org"})
    assert "Sign out here" in words(client.get(page))


@pytest.mark.parametrize("has_sign_in", [True, False])
def test_a_twin_with_the_same_address_is_somebody_else_until_the_name_is_written_as_before(
    client, surgery, has_sign_in
):
    user = make.make_user(email="rosa@example.org")
    rosa = make.make_patient(email="rosa@example.org", birth_date=date(1990, 5, 4), name=DETAILS["name"])
    if has_sign_in:
        Patient.objects.filter(pk=rosa.pk).update(user=user)
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.treatment))])
    client.post(page, DETAILS | {"name": "Iris Example"})
    client.force_login(user)
    text = words(client.post(page, {"action": "confirm"}, follow=True))
    assert "this e-mail address with another name" in text and "Who is coming?" in text
    response.refresh_from_db()
    assert response.patient is None and Patient.objects.get() == rosa
    assert list(CallBack.objects.values_list("name", "about")) == ([(rosa.name, "name")] if has_sign_in else [])
    client.post(page, DETAILS)
    client.post(page, {"action": "confirm"})
    response.refresh_from_db()
    assert (response.patient, Appointment.objects.get().patient) == (rosa, rosa)
    assert not CallBack.objects.exists()


def test_answers_of_another_name_and_birth_date_are_somebody_elses_and_nobody_is_rung(client, surgery):
    user = make.make_user(email="rosa@example.org")
    make.make_patient(email="rosa@example.org", birth_date=date(1961, 3, 2), name="Rosa Example", user=user)
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.treatment))])
    client.post(page, DETAILS | {"name": "Iris Example"})
    client.force_login(user)
    client.get(page)
    response.refresh_from_db()
    assert response.patient is None and not CallBack.objects.exists()


def test_answers_with_another_birth_date_are_refused_kindly_and_the_hold_stays(client, surgery):
    put(client, screening=str(steps.answered(surgery).uuid))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.treatment))])
    patient = make.make_patient(birth_date=date(1991, 1, 1))
    user = make.make_user(email=patient.email)
    Patient.objects.filter(pk=patient.pk).update(user=user)
    client.force_login(user)
    assert "another name or date of birth" in words(client.post(page, {"action": "confirm"}))
    assert Appointment.objects.get().status == "proposed"


def test_somebody_else_who_is_signed_in_is_said_and_can_sign_out_without_losing_the_time(client, surgery):
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    client.post(page, DETAILS)
    client.force_login(make.make_user(email="other@example.org"))
    text = words(client.get(page))
    assert "Somebody else is signed in" in text
    assert "other@example.org" in text
    words(client.post(page, {"action": "confirm"}, follow=True))
    assert Appointment.objects.get().status == "proposed"
    response = client.post(page, {"action": "not-me"}, follow=True)
    assert "_auth_user_id" not in client.session
    assert "Rosa Example" in response.content.decode()
    assert Appointment.objects.get().status == "proposed"


def test_signing_out_gives_back_a_time_that_was_held_in_somebodys_name(client, surgery):
    patient_who_signs_in(client)
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    response = client.post(page, {"action": "not-me"}, follow=True)
    assert "You are signed out" in words(response)
    assert Appointment.objects.get().status == "cancelled"


def test_staff_are_told_to_sign_out_first(client, surgery):
    client.force_login(surgery.desk)
    assert client.post(reverse("booking:hold", args=[uuid.uuid4()]), DETAILS).status_code == 404
    assert "hold_details" not in client.session
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    assert "as a member of staff" in words(client.get(page))
    for action in ("details", "confirm"):
        words(client.post(page, DETAILS | {"action": action}, follow=True))
    assert Appointment.objects.get().status == "proposed"
    assert not HoldDetails.objects.exists()


def test_a_hold_opens_only_for_the_browser_that_made_it(client, surgery, django_user_model):
    held = steps.held(surgery, treatment=surgery.consultation)
    page = reverse("booking:hold", args=[held.uuid])
    nowhere = reverse("booking:hold", args=[uuid.uuid4()])
    for url in (page, nowhere):
        for response in (client.get(url), client.post(url, {"action": "release"})):
            assert response.status_code == 302
            assert response.url.startswith(reverse("account_login"))
    patient_who_signs_in(client)
    for url in (page, nowhere):
        assert client.get(url).status_code == 404
        assert client.post(url, {"action": "release"}).status_code == 404
    held.refresh_from_db()
    assert held.status == "proposed"


def test_a_hold_with_a_patient_behind_it_opens_for_them_only_whatever_the_browser_remembers(client, surgery):
    held = steps.held(surgery, treatment=surgery.consultation, patient=make.make_patient())
    page = reverse("booking:hold", args=[held.uuid])
    for sign_in in (None, lambda: patient_who_signs_in(client)):
        if sign_in:
            sign_in()
        put(client, hold=str(held.uuid))
        assert client.get(page).status_code == (404 if sign_in else 302)
        assert client.post(page, {"action": "release"}).status_code == (404 if sign_in else 302)
    held.refresh_from_db()
    assert held.status == "proposed"


# ---------------------------------------------------------------- queries


def queries_of(client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as found:
        assert client.get(url).status_code == 200
    return len(found)


def test_the_public_pages_ask_a_constant_number_of_queries(client, surgery):
    pages = [reverse("booking:treatments"), times_of(surgery.consultation), times_of(surgery.treatment)]
    once = [queries_of(client, page) for page in pages]
    for _row in range(2):
        place = make.make_location()
        make.make_room(place)
        treatment = make.make_treatment()
        who = make.make_practitioner(treatment, surgery.consultation, surgery.treatment)
        make.make_hours(who, place)
        steps.talk(surgery, clock=f"1{_row}:00")
    thrice = [queries_of(client, page) for page in pages]
    assert thrice == once
    assert max(once) <= 12, once


def test_looking_for_a_day_far_away_stays_within_twelve_queries(client, surgery):
    for place in Location.objects.all():
        make.make_closure(place, NOW.date() - timedelta(days=2), NOW.date() + timedelta(days=400))
    assert queries_of(client, reverse("booking:treatments")) <= 12
    assert queries_of(client, times_of(surgery.treatment)) <= 12


def test_after_signing_somebody_else_out_no_code_is_said_to_be_on_its_way(client, surgery):
    """They typed another person's address while they were signed in: no code has been sent yet."""
    client.force_login(make.make_user(email="other@example.org"))
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    client.post(page, DETAILS)
    text = words(client.post(page, {"action": "not-me"}, follow=True))
    assert "We have sent you a code" not in text and not Message.objects.filter(kind="code").exists()
    client.post(page, DETAILS)
    assert "We have sent you a code" in words(client.get(page))
    assert Message.objects.filter(kind="code", to=DETAILS["email"]).count() == 1
