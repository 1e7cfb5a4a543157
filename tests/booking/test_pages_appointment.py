"""A patient's appointment on the pages: how it stands, who may see it, moving, cancelling, links in messages."""

import re
import uuid
from datetime import timedelta

import icalendar
import pytest
from allauth.account.models import EmailAddress
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from booking import appointments, links
from booking.availability import Slot
from booking.models import Appointment, WorkingHours
from booking.sweep import sweep
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.booking.pages import code_in, keys_on, patient_who_signs_in, seen, times_of, words
from tests.make import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def surgery(surgery, clock):
    return surgery


@pytest.fixture
def patient(client, surgery):
    return patient_who_signs_in(client)


def page_of(visit, name: str = "appointment") -> str:
    return reverse(f"booking:{name}", args=[visit.uuid])


PAGES = ["appointment", "move", "cancel", "talk", "calendar"]


# ---------------------------------------------------------------- how it stands


def test_asked_for_says_until_when_and_not_to_travel(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    text = words(client.get(page_of(visit)))
    assert "We answer by Tuesday 2 March, 17:00" in text
    assert "please do not travel yet" in text
    assert "Put it in my calendar" not in text
    assert client.get(page_of(visit, "calendar")).status_code == 404
    for said in (surgery.treatment.name, surgery.location.address.splitlines()[0], "£150", visit.reference):
        assert said in text


def test_a_promise_that_ends_with_the_release_says_what_happens_then(client, surgery, patient, clock):
    said = "If nobody can look before then, we let the time go and tell you. Please ring us if you can."
    visit = steps.asked(surgery, patient=patient)
    assert said not in words(client.get(page_of(visit))) + Message.objects.latest("pk").text
    steps.decide(visit)
    clock.now = make.at(steps.VISIT - timedelta(days=1), "15:00")
    steps.answered(surgery, patient, now=clock.now)
    client.force_login(patient.user)
    text = words(client.get(page_of(visit)))
    assert "We answer by Thursday 11 March, 08:00." in text and said in text
    message = Message.objects.filter(subject_uuid=visit.uuid).latest("pk")
    assert message.kind == "back_to_pending" and said in message.text and said in message.html
    assert sweep(now=make.at(steps.VISIT, "08:00"))["released"] == 1


def test_booked_says_when_where_and_what_next(client, surgery, patient):
    visit = steps.booked(surgery, patient=patient)
    response = client.get(page_of(visit))
    text = words(response)
    assert "We see you on Thursday 11 March, 10:00" in text
    for said in ("Move it", "Cancel it", "Put it in my calendar", "How to prepare", "Afterwards"):
        assert said in text
    assert surgery.location.out_of_hours in text
    assert surgery.location.emergency in text
    title = re.search(r"<title>(.*?)</title>", response.content.decode(), re.S).group(1)
    assert surgery.treatment.name not in title
    assert patient.name not in title


def phoned(surgery, patient):
    surgery.questionnaire  # noqa: B018 - in force
    return steps.phoned(surgery, patient)


def questioned(surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    steps.decide(visit, "needs-information", question="Which medicine is it?")
    return visit


@pytest.mark.parametrize("make_visit", [steps.booked, steps.asked, phoned, questioned])
def test_a_visit_at_which_nobody_is_there_needs_another_time(client, surgery, patient, make_visit):
    visit = make_visit(surgery, patient=patient)
    make.make_closure(surgery.location, visit.local_date)
    page = client.get(page_of(visit))
    text = words(page)
    assert "We cannot see you at this time, and we are sorry. Please do not travel." in text
    assert "We ring you to find another time." in text
    wrongs = ("We see you on", "We answer by", "Put it in my calendar", "How to prepare", "keep the time", "to a talk")
    for wrong in wrongs:
        assert wrong not in text
    assert ("Answer the questions" in text) == (make_visit is phoned)
    if make_visit is phoned:
        assert "our questions by Wednesday 3 March, 09:00. A clinician reads them." in text
        by_link = words(Client().get(links.make_link(visit, links.SEE, NOW), follow=True))
        assert "an answer from you by Wednesday 3 March, 09:00: please sign in" in by_link
    assert ("Read the question and answer" in text) == (make_visit is questioned)
    assert page.content.decode().count("btn-primary") == 1
    assert client.get(page_of(visit, "calendar")).status_code == 404
    with pytest.raises(appointments.NotAllowed):
        appointments.turn_into_consultation(visit, by="patient", now=NOW)
    choosing = words(client.get(page_of(visit, "move")))
    assert "We cannot see you on Thursday 11 March, 10:00" in choosing and "stays yours" not in choosing
    assert "Another time is needed" in words(client.get(reverse("my")))


def test_a_link_alone_offers_no_other_time_with_somebody_who_has_left(client, surgery):
    visit = steps.asked(surgery)
    surgery.practitioner.is_active = False
    surgery.practitioner.save()
    page = client.get(links.make_link(visit, links.SEE, NOW), follow=True)
    assert "Another time is needed" in words(page)
    assert "You can choose one here" not in words(page) and page_of(visit, "move") not in page.content.decode()


def test_a_question_leads_to_the_page_where_it_is_answered(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    review = steps.decide(visit, "needs-information", question="Which medicine is it?")
    response = client.get(page_of(visit))
    text = words(response)
    assert "We need one more thing from you" in text
    assert "please do not travel yet" in text
    assert "Which medicine" not in text
    assert "We have a question for you" in words(client.get(reverse("my")))
    assert reverse("screening:reply", args=[review.uuid]) in response.content.decode()


def test_why_it_is_not_yet_can_be_read_while_a_later_day_waits(client, surgery, patient):
    before = steps.asked(surgery, patient=patient)
    visit = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=patient)
    review = steps.decide(before, "deferred", deferred_until=visit.local_date)
    html = client.get(page_of(visit)).content.decode()
    assert reverse("screening:decision", args=[review.uuid]) in html and "Read what a clinician wrote" in html
    assert reverse("screening:decision", args=[review.uuid]) in client.get(reverse("my")).content.decode()
    client.logout()
    assert "Read what" not in words(client.get(links.make_link(visit, links.SEE, NOW), follow=True))


def test_a_request_on_new_answers_leads_to_no_older_decision(client, surgery, patient):
    steps.decide(steps.asked(surgery, patient=patient), "not-suitable")
    steps.answered(surgery, patient, now=NOW + timedelta(hours=1))
    visit = steps.asked(surgery, clock="11:00", patient=patient, now=NOW + timedelta(hours=2))
    assert visit.status == "pending" and "Read what" not in words(client.get(page_of(visit)))


def test_an_answered_question_is_asked_for_again(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    review = steps.decide(visit, "needs-information", question="Which medicine is it?")
    client.post(reverse("screening:reply", args=[review.uuid]), {"text": "None at all."})
    text = words(client.get(page_of(visit)))
    assert "We need one more thing" not in text
    assert "please do not travel yet" in text
    assert "We have a question for you" not in words(client.get(reverse("my")))
    client.logout()
    text = words(client.get(links.make_link(visit, links.SEE, NOW), follow=True))
    assert "We need one more thing" not in text


def test_ones_own_page_asks_no_more_for_three_questions_than_for_one(client, surgery, patient):
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert "We have a question for you" in words(client.get(reverse("my")))
        return len(queries)

    steps.decide(steps.asked(surgery, patient=patient), "needs-information", question="Which medicine is it?")
    once = asked()
    for weeks in (4, 8):
        steps.asked(surgery, steps.VISIT + timedelta(weeks=weeks), patient=patient)
    Appointment.objects.filter(status="pending").update(information_asked_at=NOW)
    assert (Appointment.objects.filter(status="pending").count(), asked()) == (3, once)


def test_what_was_put_back_shortly_before_names_no_time_that_is_past(client, surgery, patient, clock):
    visit = steps.booked(surgery, patient=patient)
    clock.now = visit.starts_at - timedelta(minutes=50)
    steps.answered(surgery, patient, now=clock.now)
    for browser in (client, Client()):
        browser.get(links.make_link(visit, links.SEE, clock.now))
        if browser is client:
            client.force_login(patient.user)
        for clock.now in (visit.starts_at - timedelta(minutes=40), visit.starts_at + timedelta(minutes=1)):
            response = browser.get(page_of(visit))
            text = words(response)
            assert "A clinician looks at your new answers" in text
            assert "Please call us before you travel. " + str(surgery.location.phone) in text
            for wrong in ("We answer by", "late", "do not travel yet"):
                assert wrong not in text
        clock.now = visit.starts_at - timedelta(minutes=45)


@pytest.mark.parametrize("question", [True, False])
def test_whoever_is_in_the_house_is_not_told_about_travelling(client, surgery, patient, clock, question):
    visit = steps.booked(surgery, patient=patient)
    clock.now = visit.starts_at - timedelta(minutes=5)
    appointments.arrive(visit, by=surgery.desk, now=clock.now)
    steps.answered(surgery, patient, now=clock.now)
    if question:
        steps.decide(visit, "needs-information", now=clock.now)
    client.force_login(patient.user)
    text = words(client.get(page_of(visit)))
    assert ("Read the question and answer" if question else "You are here") in text
    assert "travel" not in text
    assert question or "You are here" in words(client.get(reverse("my")))


def test_a_form_that_is_due_leads_to_the_questions(client, surgery, patient):
    surgery.questionnaire  # noqa: B018 - published
    visit = appointments.book_by_phone(
        patient=patient,
        treatment=surgery.treatment,
        area=make.area(),
        slot=steps.slot(surgery),
        by=surgery.desk,
        now=NOW,
    )
    response = client.get(page_of(visit))
    assert "Please answer our questions by Wednesday 3 March, 09:00" in words(response)
    assert f"{reverse('screening:start')}?treatment={surgery.treatment.slug}" in response.content.decode()


def test_a_decision_against_it_says_where_to_read_why_and_nothing_else(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    review = steps.decide(visit, "not-suitable")
    response = client.get(page_of(visit))
    text = words(response)
    assert "This appointment does not take place. Please do not travel." in text
    assert "Read why" in text
    assert reverse("screening:decision", args=[review.uuid]) in response.content.decode()
    assert "Put it in my calendar" not in text


def test_why_it_was_refused_can_be_read_after_a_later_visit_was_cleared(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    later = steps.asked(surgery, steps.VISIT + timedelta(days=28), patient=patient)
    no = steps.decide(visit, "deferred", deferred_until=later.local_date)
    steps.decide(later, now=NOW + timedelta(hours=1))
    assert (visit.status, later.status) == ("cancelled", "booked")
    response = client.get(page_of(visit))
    assert "Read why" in words(response)
    assert reverse("screening:decision", args=[no.uuid]) in response.content.decode()


@pytest.mark.parametrize("make_visit", [steps.booked, steps.talk])
def test_what_the_practitioner_ended_leads_to_no_decision_that_says_yes(client, surgery, patient, make_visit):
    visit = make_visit(surgery, patient=patient)
    by = visit.practitioner.user
    appointments.cancel(visit, by="clinician", user=by, reason=Appointment.Reason.CLINICAL, now=visit.starts_at)
    somebody = Client()
    somebody.get(links.make_link(visit, links.SEE, NOW))
    for browser in (client, somebody):
        response = browser.get(page_of(visit))
        text = words(response)
        assert "This appointment does not take place. Please do not travel." in text
        assert "Please call us: we tell you why" in text
        assert "ead why" not in text
        assert "/screening/decision/" not in response.content.decode()
    assert "Does not take place" in words(client.get(reverse("my")))


@pytest.mark.parametrize(
    "reason, said",
    [
        ("not-reviewed", "That is our mistake, and we are sorry"),
        ("no-answer", "did not hear from you"),
        ("form-missing", "were not answered in time"),
    ],
)
def test_what_the_system_cancelled_says_why_in_plain_words(client, surgery, patient, reason, said):
    visit = make.make_appointment(
        treatment=surgery.consultation,
        patient=patient,
        status="cancelled",
        cancelled_by="system",
        cancel_reason=reason,
        practitioner=surgery.practitioner,
        room=surgery.room,
    )
    text = words(client.get(page_of(visit)))
    assert said in text
    assert "Ask for another time" in text


@pytest.mark.parametrize(
    "status, said",
    [
        ("arrived", "We know that you have arrived"),
        ("checked-in", "We know that you have arrived"),
        ("fulfilled", "Thank you for coming"),
        ("noshow", "We did not see you that day"),
        ("cancelled", "You cancelled it"),
        ("entered-in-error", "This entry was a mistake of ours"),
    ],
)
def test_every_other_status_has_its_words(client, surgery, patient, status, said):
    visit = make.make_appointment(
        treatment=surgery.treatment,
        patient=patient,
        status=status,
        practitioner=surgery.practitioner,
        room=surgery.room,
    )
    text = words(client.get(page_of(visit)))
    assert said in text
    assert "Move it" not in text
    assert "Cancel it" not in text
    if status == "fulfilled":
        assert "Looking after your skin" in text


def test_the_calendar_file_is_neutral_and_takes_itself_out_again(client, surgery, patient):
    visit = steps.booked(surgery, patient=patient)
    response = client.get(page_of(visit, "calendar"))
    assert response["Content-Type"].startswith("text/calendar")
    assert surgery.treatment.name not in response.content.decode()
    assert icalendar.Calendar.from_ical(response.content)["method"] == "PUBLISH"
    client.post(page_of(visit, "cancel"), seen(visit))
    assert icalendar.Calendar.from_ical(client.get(page_of(visit, "calendar")).content)["method"] == "CANCEL"


def test_a_held_time_leads_to_its_own_page(client, surgery, patient):
    held = steps.held(surgery, treatment=surgery.consultation, patient=patient)
    assert client.get(page_of(held)).url == reverse("booking:hold", args=[held.uuid])


# ---------------------------------------------------------------- who may see it


@pytest.mark.parametrize("name", PAGES)
def test_a_wrong_and_a_foreign_uuid_look_the_same(client, surgery, name):
    foreign = page_of(steps.booked(surgery), name)
    wrong = reverse(f"booking:{name}", args=[uuid.uuid4()])
    for url in (foreign, wrong):
        response = client.get(url)
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login"))
    patient_who_signs_in(client)
    assert [client.get(url).status_code for url in (foreign, wrong)] == [404, 404]
    client.force_login(surgery.desk)
    assert client.get(foreign).status_code == 404  # staff have their own pages


@pytest.mark.parametrize("name", ["move", "cancel", "talk"])
def test_nobody_else_can_act(client, surgery, name):
    visit = steps.asked(surgery)
    data = {"start": steps.slot(surgery, clock="14:00").key}
    assert client.post(page_of(visit, name), data).status_code == 302
    patient_who_signs_in(client)
    assert client.post(page_of(visit, name), data).status_code == 404
    before = (visit.status, visit.starts_at)
    visit.refresh_from_db()
    assert (visit.status, visit.starts_at) == before


# ---------------------------------------------------------------- links in messages


def test_a_link_opens_when_and_where_and_nothing_more(client, surgery):
    patient = make.make_patient(name="Ada Secret")
    visit = steps.booked(surgery, patient=patient)
    response = client.get(links.make_link(visit, links.SEE, NOW))
    assert response.url == page_of(visit)  # the token is off the address
    for name in ("appointment", "move", "cancel"):
        response = client.get(page_of(visit, name))
        text = words(response)
        assert "11 March" in text
        for secret in ("Secret", surgery.treatment.name, visit.reference, surgery.practitioner.name, "£"):
            assert secret not in text
        assert surgery.treatment.slug not in response.content.decode()
        assert response["Cache-Control"].startswith("max-age=0, no-cache, no-store")
    assert "Sign in with a code" in words(client.get(page_of(visit)))


def test_signing_in_from_a_link_leads_back_to_the_appointment(client, surgery):
    patient = patient_who_signs_in(client, name="Ada Secret")
    client.logout()
    visit = steps.talk(surgery, patient=patient)
    page = client.get(links.make_link(visit, links.SEE, NOW), follow=True)
    sign_in = re.search(r'href="([^"]*login[^"]*next=[^"]*)"', page.content.decode()).group(1)
    form = client.get(sign_in).content.decode()
    action = re.search(r'action="([^"]*login/code/[^"]*)"', form).group(1).replace("&amp;", "&")
    following = re.search(r'name="next" value="([^"]*)"', form).group(1)
    response = client.post(action, {"email": patient.email, "next": following})
    code = code_in(Message.objects.get(kind="code"))
    response = client.post(response.url, {"code": code, "next": following})
    assert response.url == page_of(visit)
    assert surgery.consultation.name in words(client.get(response.url))


def test_who_booked_by_phone_proves_the_birth_date_and_is_back_at_the_appointment(client, surgery):
    visit = steps.talk(surgery, patient=make.make_patient(name="Paula Phone", email="paula@example.org"))
    user = make.make_user(email="paula@example.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.force_login(user)
    page = client.get(links.make_link(visit, links.SEE, NOW), follow=True)
    assert "Give my date of birth" in words(page)
    assert "Sign in with a code" not in words(page)
    ask = re.search(r'href="(/my/\?next=[^"]*)"', page.content.decode()).group(1)
    back = re.search(r'name="next" value="([^"]*)"', client.get(ask).content.decode()).group(1)
    born = visit.patient.birth_date
    date = {"birth_date_day": born.day, "birth_date_month": born.month, "birth_date_year": born.year}
    response = client.post(reverse("my_birth_date"), {**date, "next": back})
    assert response.url == page_of(visit)
    assert surgery.consultation.name in words(client.get(response.url))


def test_somebody_else_who_is_signed_in_is_told_so_and_not_sent_in_a_circle(client, surgery):
    visit = steps.talk(surgery)
    patient_who_signs_in(client, email="else@example.org")
    page = client.get(links.make_link(visit, links.SEE, NOW), follow=True)
    assert "belongs to another address" in words(page)
    assert "login" not in page.content.decode()


def test_the_second_person_at_an_address_is_told_to_call_and_not_sent_in_a_circle(client, surgery):
    anna = patient_who_signs_in(client, email="home@example.org")
    bert = make.make_patient(name="Bert", email="Home@example.org", birth_date=anna.birth_date - timedelta(days=1))
    visit = steps.phoned(surgery, patient=bert)
    page = words(client.get(links.make_link(visit, links.SEE, NOW), follow=True))
    assert "Somebody else signs in with this e-mail address. Please call us" in page
    assert "sign out" not in page and "another address:" not in page


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_birth_date_leads_nowhere_else(client, surgery, elsewhere):
    patient = make.make_patient(email="paula@example.org")
    user = make.make_user(email="paula@example.org")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.force_login(user)
    born = patient.birth_date
    date = {"birth_date_day": born.day, "birth_date_month": born.month, "birth_date_year": born.year}
    assert client.post(reverse("my_birth_date"), {**date, "next": elsewhere}).url == reverse("my")


def test_a_link_alone_can_move_and_cancel_by_post(client, surgery):
    visit = steps.talk(surgery)
    client.get(links.make_link(visit, links.SEE, NOW))
    new = steps.slot(surgery, clock="14:00")
    client.post(page_of(visit, "move"), {"start": new.key, **seen(visit)})
    visit.refresh_from_db()
    assert visit.starts_at == new.starts_at
    client.post(page_of(visit, "cancel"), seen(visit))
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by) == ("cancelled", "patient")


def test_a_link_alone_is_not_told_why_a_day_is_not_possible(client, surgery, patient):
    """Only the browser of the patient who is signed in reads that, from which day on, and that sessions need a gap."""
    before = steps.booked(surgery, patient=patient)
    visit = steps.booked(surgery, before.local_date + timedelta(days=28), patient=patient)
    near = {"start": steps.slot(surgery, before.local_date + timedelta(days=5)).key}
    somebody = Client()
    somebody.get(links.make_link(visit, links.SEE, NOW))
    assert "Your skin needs time between two sessions" in words(client.post(page_of(visit, "move"), near | seen(visit)))
    refused = [words(somebody.post(page_of(visit, "move"), near | seen(visit)))]
    appointments.cancel(before, by="patient", now=NOW)
    steps.answered(surgery, patient, isotretinoin="yes", isotretinoin_still="no", isotretinoin_last_dose="2026-09-25")
    soon = {"start": steps.slot(surgery).key}
    assert "possible from Thursday 25 March 2027 on" in words(client.post(page_of(visit, "move"), soon | seen(visit)))
    refused.append(words(somebody.post(page_of(visit, "move"), soon | seen(visit))))
    for text in refused:
        assert "This time is not possible. Please choose another, sign in, or call us." in text
        for secret in ("skin", "session", "treatment", "possible from"):
            assert secret not in text.partition("Keep it as it is")[2].partition("Move your appointment")[0], secret


def test_a_link_opens_one_appointment_only(client, surgery):
    visit, other = steps.talk(surgery), steps.talk(surgery, clock="12:00")
    client.get(links.make_link(visit, links.SEE, NOW))
    assert client.get(page_of(other)).status_code == 302
    assert client.post(page_of(other, "cancel")).status_code == 302
    other.refresh_from_db()
    assert other.status == "booked"


def test_what_a_link_opened_closes_after_two_hours(client, surgery, clock):
    visit = steps.talk(surgery)
    client.get(links.make_link(visit, links.SEE, NOW))
    clock.now += timedelta(hours=2, minutes=1)
    assert client.get(page_of(visit)).status_code == 302
    assert client.post(page_of(visit, "cancel"), seen(visit)).status_code == 302


@pytest.mark.parametrize("purpose", links.PURPOSES)
def test_opening_a_link_changes_nothing(client, surgery, purpose):
    visit = steps.asked(surgery)
    before = Appointment.objects.values().get(pk=visit.pk)
    url = links.make_link(visit, purpose, NOW)
    for method in (client.get, client.head):
        method(url, follow=True)
    assert client.post(url).status_code == 405
    assert Appointment.objects.values().get(pk=visit.pk) == before


@pytest.mark.parametrize("token", ["x", "a:b:c", "%F0%9F%92%89", "a" * 500])
def test_a_bad_link_has_a_kind_page(client, surgery, token):
    response = client.get(f"/appointments/link/{token}/")
    assert response.status_code == 404
    assert "This link does not work any more" in words(response)


def test_an_old_link_has_the_same_kind_page(client, surgery, clock):
    url = links.make_link(steps.talk(surgery), links.SEE, NOW)
    clock.now += timedelta(days=60)
    assert "This link does not work any more" in words(client.get(url))


def test_a_question_behind_a_link_asks_to_sign_in(client, surgery):
    visit = steps.asked(surgery)
    review = steps.decide(visit, "needs-information", question="Which medicine is it?")
    client.get(links.make_link(visit, links.INFORMATION, NOW))
    response = client.get(page_of(visit))
    assert "Please sign in to read the question" in words(response)
    assert str(review.uuid) not in response.content.decode()


def test_nonsense_in_the_session_opens_nothing(client, surgery):
    visit = steps.talk(surgery)
    for nonsense in ("x", [], {str(visit.uuid): "yes"}, {str(visit.uuid): {}}):
        session = client.session
        session["appointment_grants"] = nonsense
        session.save()
        assert client.get(page_of(visit)).status_code == 302


# ---------------------------------------------------------------- moving


def test_moving_shows_times_and_a_post_moves(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    page = client.get(page_of(visit, "move"))
    assert "It stays yours until you have chosen another time" in words(page)
    key = keys_on(page)[4]
    sent = {"start": key, **seen(visit)}
    response = client.post(page_of(visit, "move"), sent, follow=True)
    assert f"Your appointment has a new time, with {surgery.practitioner.name}." in words(response)
    visit.refresh_from_db()
    assert visit.starts_at == Slot.from_key(key).starts_at
    assert visit.sequence == 1
    assert "is the time that you have already." in words(client.post(page_of(visit, "move"), sent, follow=True))


def test_the_time_they_have_is_not_offered_and_choosing_it_says_so(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    there, now = {"from": visit.local_date.isoformat()}, Slot.of(visit).key
    for who in ("", surgery.practitioner.slug):
        assert visit.starts_at not in starts(client.get(page_of(visit, "move"), there | {"practitioner": who}))
    other = client.get(page_of(visit, "move"), there | {"practitioner": surgery.practitioners[1].slug})
    assert visit.starts_at in starts(other)
    text = words(client.post(page_of(visit, "move"), {"start": now, **seen(visit)}, follow=True))
    assert "Thursday 11 March, 10:00 is the time that you have already." in text and "new time" not in text
    assert Appointment.objects.get().sequence == 0


def starts(response) -> set:
    """When the times on a page begin."""
    return {Slot.from_key(key).starts_at for key in keys_on(response)}


def test_moving_stays_with_the_same_practitioner_unless_somebody_else_is_asked_for(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    mine, other = surgery.practitioners
    somebody = Client()
    somebody.get(links.make_link(visit, links.SEE, NOW))

    def people(response) -> set[int]:
        return {Slot.from_key(key).practitioner_id for key in keys_on(response)}

    move = page_of(visit, "move")
    page = client.get(move)
    assert people(page) == {mine.pk} and f'value="{mine.slug}" selected' in page.content.decode()
    assert people(client.get(move, {"practitioner": other.slug})) == {other.pk}
    everybody = client.get(move, {"practitioner": ""})
    assert people(everybody) == {mine.pk, other.pk}
    later = re.search(r'class="weeks-later" href="([^"]+)"', everybody.content.decode()).group(1)
    assert people(client.get(later.replace("&amp;", "&"))) == {mine.pk, other.pk}
    for asked in ({}, {"practitioner": ""}, {"practitioner": other.slug}):
        page = somebody.get(move, asked)
        assert people(page) == {mine.pk} and "with the same person as now. After you sign in" in words(page)
        assert mine.slug not in page.content.decode() and mine.name not in words(page)
    wanted = {"start": steps.slot(surgery, clock="14:00", practitioner=other).key, **seen(visit)}
    assert "This time is not possible." in words(somebody.post(move, wanted))
    WorkingHours.objects.filter(practitioner=mine).delete()
    page = client.get(move)
    assert "No other time is free online" in words(page) and f"times with {mine.name}" in words(page)
    assert people(client.get(re.search(r'href="([^"]+practitioner=[^"]*)"', page.content.decode()).group(1)))
    assert "Sign in with a code" in words(somebody.get(move))
    visit.refresh_from_db()
    assert (visit.practitioner, visit.sequence) == (mine, 0)


def test_moving_what_is_asked_for_offers_times_after_the_promise_and_says_it_is_looked_at(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    page = client.get(page_of(visit, "move"))
    assert "A clinician looks at the new day too" in words(page)
    assert min(keys_on(page)) >= "20270303"


def test_where_the_answers_allow_no_day_moving_offers_no_time_and_a_link_alone_says_not_why(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    steps.answered(surgery, patient, pregnancy="yes", pregnancy_due="2027-06-01")
    somebody = Client()
    somebody.get(links.make_link(visit, links.SEE, NOW))
    move = page_of(visit, "move")
    for answer in (client.get(move), client.post(move, {"start": "x", **seen(visit)})):
        text = words(answer)
        assert "By your answers, this treatment is not right for you at the moment." in text
        assert page_of(visit, "talk") in answer.content.decode()
        assert not keys_on(answer) and "A clinician looks at the new day too" not in text
    time = {"start": steps.slot(surgery, clock="14:00").key}
    for answer in (somebody.get(page_of(visit, "move")), somebody.post(page_of(visit, "move"), time | seen(visit))):
        text = words(answer)
        assert "It cannot be moved here at the moment" in text and "Cancel your appointment" in text
        assert "answers" not in text and page_of(visit, "talk") not in answer.content.decode()
        assert not keys_on(answer)


def test_moving_what_was_decided_offers_the_near_times_and_keeps_it_booked(client, surgery, patient):
    visit = steps.booked(surgery, patient=patient)
    page = client.get(page_of(visit, "move"))
    assert "A clinician looks" not in words(page)
    client.post(page_of(visit, "move"), {"start": keys_on(page)[0], **seen(visit)})
    visit.refresh_from_db()
    assert visit.status == "booked"


def test_moving_what_was_decided_from_a_later_day_on_offers_those_days_and_keeps_it_booked(client, surgery, patient):
    first = steps.VISIT - timedelta(days=2)
    steps.answered(surgery, patient, sun_tan="yes", sun_tan_when=str(first - timedelta(days=14)), sun_tan_kind="tan")
    visit = steps.booked(surgery, patient=patient)
    page = client.get(page_of(visit, "move"))
    assert "A clinician looks" not in words(page)
    slot = Slot.from_key(keys_on(page)[0])
    assert slot.starts_at == make.at(first, "09:00")
    client.post(page_of(visit, "move"), {"start": slot.key, **seen(visit)})
    visit.refresh_from_db()
    assert (visit.status, visit.starts_at) == ("booked", slot.starts_at)


def test_days_after_a_clearance_are_said_to_be_looked_at_again_before_the_button(client, surgery, patient):
    make.make_clinic(horizon_days=150)
    visit = steps.booked(surgery, patient=patient)
    last = visit.review.valid_until
    said = f"For a day after {last:%A} {last.day} {last:%B}"
    scar = times_of(surgery.treatment)
    for here, until in ((page_of(visit, "move"), ""), (scar, "Answer the questions again")):
        week_before = client.get(here, {"from": (last - timedelta(days=6)).isoformat()})
        assert keys_on(week_before)
        assert said not in words(week_before)
        for first in (last - timedelta(days=5), last + timedelta(days=1)):
            page = words(client.get(here, {"from": first.isoformat()}))
            assert said in page
            assert "please do not travel before you hear from us" in page
            assert until in page


def test_moving_offers_the_place_of_the_visit_first_and_any_other_when_asked(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    other = make.make_location(name="Valletta", slug="valletta", time_zone="Europe/Malta")
    make.make_room(other)
    make.make_hours(surgery.practitioner, other, weekdays=[5, 6])
    here, anywhere = str(visit.location.pk), {str(visit.location.pk), str(other.pk)}

    def places_of(response) -> set[str]:
        return {key.split("-")[3] for key in keys_on(response)}

    somebody = Client()
    somebody.get(links.make_link(visit, links.SEE, NOW))
    for browser in (client, somebody):
        first = browser.get(page_of(visit, "move"))
        assert places_of(first) == {here}
        assert ("Another practitioner or place" if browser is client else "Another place") in words(first)
        all_places = browser.get(page_of(visit, "move"), {"location": ""})
        assert places_of(all_places) == anywhere
        later = re.search(r'class="weeks-later" href="([^"]+)"', all_places.content.decode()).group(1)
        assert places_of(browser.get(later.replace("&amp;", "&"))) == anywhere
        assert places_of(browser.get(page_of(visit, "move"), {"location": "valletta"})) == {str(other.pk)}
    assert surgery.practitioner.name not in words(somebody.get(page_of(visit, "move")))


def test_a_time_that_cannot_be_moved_again_is_said_before_the_button(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    said = "A time in less than 24 hours cannot be moved here again: then please call us."
    assert said in words(client.get(page_of(visit, "move")))  # from this afternoon on
    make.make_closure(surgery.location, NOW.date(), NOW.date() + timedelta(days=1))
    assert said not in words(client.get(page_of(visit, "move")))


def test_a_week_without_times_for_the_skin_needs_rest_says_so_and_from_when_on(client, surgery, patient):
    last = steps.booked(surgery, patient=patient)
    visit = steps.booked(surgery, last.local_date + timedelta(days=29), patient=patient)
    week = {"from": (last.local_date + timedelta(days=7)).isoformat()}
    said = "Your skin needs time between two sessions. You can ask for a time from "
    move = client.get(page_of(visit, "move"), week)
    assert said + "Thursday 8 April" in words(move)
    assert "from=2027-04-08" in move.content.decode()
    text = words(client.get(times_of(surgery.treatment), week))
    assert said + "Friday 7 May" in text  # the second session counts here
    client.logout()
    client.get(links.make_link(visit, links.SEE, NOW))
    text = words(client.get(page_of(visit, "move"), week))
    assert "No times from Thursday 18 March" in text and "Your skin" not in text


def test_moving_without_a_time_says_what_to_do(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    response = client.post(page_of(visit, "move"), seen(visit))
    assert "Choose a time." in words(response)
    assert "<title>Error: " in response.content.decode()


def test_the_loser_of_a_move_keeps_the_appointment(client, surgery, patient):
    visit = steps.talk(surgery, patient=patient)
    wanted = steps.slot(surgery, clock="14:00")
    for practitioner, room in zip(surgery.practitioners, surgery.rooms, strict=True):
        steps.held(
            surgery,
            treatment=surgery.consultation,
            slot=Slot(wanted.starts_at, practitioner.pk, room.pk, surgery.location.pk),
        )
    response = client.post(page_of(visit, "move"), {"start": wanted.key, **seen(visit)})
    assert "That time has just been taken" in words(response)
    before = visit.starts_at
    visit.refresh_from_db()
    assert visit.starts_at == before


def test_moving_needs_notice(client, surgery, patient, clock):
    visit = steps.talk(surgery, patient=patient)
    clock.now = visit.starts_at - timedelta(hours=23)
    client.force_login(patient.user)  # the first session has ended
    assert "Moving it here needs 24 hours of notice" in words(client.get(page_of(visit)))
    assert "It cannot be moved here any more" in words(client.get(page_of(visit, "move")))
    words(client.post(page_of(visit, "move"), {"start": steps.slot(surgery, clock="14:00").key, **seen(visit)}))
    before = visit.starts_at
    visit.refresh_from_db()
    assert visit.starts_at == before


# ---------------------------------------------------------------- cancelling


def test_a_get_asks_and_a_post_cancels(client, surgery, patient):
    visit = steps.booked(surgery, patient=patient)
    text = words(client.get(page_of(visit, "cancel")))
    assert "Cancel your appointment?" in text
    assert "This is late" not in text
    visit.refresh_from_db()
    assert visit.status == "booked"
    response = client.post(page_of(visit, "cancel"), seen(visit), follow=True)
    assert "This appointment is cancelled" in words(response)
    assert times_of(surgery.treatment) in response.content.decode()
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by, visit.cancel_reason, visit.cancelled_late) == (
        "cancelled",
        "patient",
        "patient-asked",
        False,
    )
    assert client.post(page_of(visit, "cancel"), seen(visit)).url == page_of(visit)  # twice changes nothing


def test_late_is_said_before_the_button(client, surgery, patient, clock):
    visit = steps.talk(surgery, patient=patient)
    clock.now = visit.starts_at - timedelta(hours=2)
    client.force_login(patient.user)
    text = words(client.get(page_of(visit, "cancel")))
    assert text.index("This is late") < text.index("Yes, cancel it")
    assert "Moving it online needs 24 hours of notice" in words(client.get(page_of(visit, "move")))
    client.post(page_of(visit, "cancel"), seen(visit))
    visit.refresh_from_db()
    assert visit.cancelled_late


def test_letting_go_of_a_time_that_we_took_away_is_not_late(client, surgery, patient, clock):
    visit = steps.talk(surgery, patient=patient)
    make.make_closure(surgery.location, visit.local_date)
    clock.now = visit.starts_at - timedelta(hours=2)
    client.force_login(patient.user)
    text = words(client.get(page_of(visit, "cancel")))
    assert "We cannot see you on Thursday 11 March, 10:00" in text
    for wrong in ("This is late", "keep it", "Keep it", "somebody else"):
        assert wrong not in text
    assert "hours of notice" not in words(client.get(page_of(visit)))
    assert "Please call us: we find a way." in words(client.get(page_of(visit, "move")))
    client.post(page_of(visit, "cancel"), seen(visit))
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_late) == ("cancelled", False)


def test_after_the_start_it_cannot_be_cancelled(client, surgery, patient, clock):
    visit = steps.talk(surgery, patient=patient)
    clock.now = visit.starts_at + timedelta(minutes=1)
    client.force_login(patient.user)
    assert "It cannot be cancelled here any more" in words(client.get(page_of(visit, "cancel")))
    client.post(page_of(visit, "cancel"), seen(visit))
    visit.refresh_from_db()
    assert visit.status == "booked"


# ---------------------------------------------------------------- an old page


@pytest.mark.parametrize("name", ["cancel", "move", "talk"])
def test_an_old_page_does_nothing_with_a_time_that_it_does_not_show(client, surgery, patient, name):
    visit = steps.asked(surgery, patient=patient)
    page = client.get(page_of(visit, name)).content.decode()
    sent = {"seen": re.search(r'name="seen" value="([^"]*)"', page).group(1), "start": steps.slot(surgery).key}
    appointments.move(visit, slot=steps.slot(surgery, clock="14:00"), by="patient", now=NOW)
    visit.refresh_from_db()
    if name == "move":
        sent["start"] = steps.slot(surgery, clock="12:00").key
    before = Appointment.objects.values().get()
    for old in (sent, {"start": sent["start"]}, sent | {"seen": ""}):
        text = words(client.post(page_of(visit, name), old))
        assert "Your appointment has changed meanwhile, so we did nothing." in text
        assert "Thursday 11 March, 14:00" in text
        assert Appointment.objects.values().get() == before


# ---------------------------------------------------------------- a talk instead


def test_a_treatment_that_waits_can_become_a_talk_at_the_same_time(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    assert page_of(visit, "talk") in client.get(page_of(visit)).content.decode()
    text = words(client.get(page_of(visit, "talk")))
    for said in (surgery.consultation.name, "Thursday 11 March, 10:00", surgery.practitioner.name, "£40"):
        assert said in text
    visit.refresh_from_db()
    assert visit.status == "pending"
    assert "It is a talk now" in words(client.post(page_of(visit, "talk"), seen(visit), follow=True))
    visit.refresh_from_db()
    assert (visit.status, visit.treatment, visit.price) == ("booked", surgery.consultation, 40)
    assert visit.starts_at == make.at(steps.VISIT, "10:00")
    assert steps.messages(visit) == ["booked"]
    assert client.post(page_of(visit, "talk"), seen(visit)).url == page_of(visit)  # twice changes nothing
    assert page_of(visit, "talk") not in client.get(page_of(visit)).content.decode()


def test_a_talk_that_does_not_fit_is_said(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)
    surgery.practitioner.treatments.remove(surgery.consultation)
    for response in (client.get(page_of(visit, "talk")), client.post(page_of(visit, "talk"), seen(visit))):
        assert "A talk does not fit into this time" in words(response)
        assert times_of(surgery.consultation) in response.content.decode()
    visit.refresh_from_db()
    assert (visit.status, visit.treatment) == ("pending", surgery.treatment)


def test_only_what_waits_and_is_to_come_becomes_a_talk(client, surgery, patient, clock):
    visit = steps.booked(surgery, patient=patient)
    assert page_of(visit, "talk") not in client.get(page_of(visit)).content.decode()
    assert client.post(page_of(visit, "talk"), seen(visit)).url == page_of(visit)
    clock.now = visit.starts_at - timedelta(minutes=1)
    steps.answered(surgery, patient, now=clock.now)
    client.force_login(patient.user)
    assert page_of(visit, "talk") in client.get(page_of(visit)).content.decode()
    clock.now = visit.starts_at
    assert client.post(page_of(visit, "talk"), seen(visit)).url == page_of(visit)
    visit.refresh_from_db()
    assert visit.treatment == surgery.treatment


def test_asking_whether_to_talk_asks_a_constant_number_of_queries(client, surgery, patient):
    visit = steps.asked(surgery, patient=patient)

    def queries():
        with CaptureQueriesContext(connection) as found:
            assert "Would you rather talk first?" in words(client.get(page_of(visit, "talk")))
        return len(found)

    queries()
    once = queries()
    for minutes in (60, 90):
        make.make_consultation(duration_minutes=minutes, order=0).practitioners.set(surgery.practitioners)
    assert queries() == once <= 12


def test_a_link_alone_makes_no_talk(client, surgery):
    visit = steps.asked(surgery)
    client.get(links.make_link(visit, links.SEE, NOW))
    assert page_of(visit, "talk") not in client.get(page_of(visit)).content.decode()
    for response in (client.get(page_of(visit, "talk")), client.post(page_of(visit, "talk"), seen(visit))):
        assert response.url.startswith(reverse("account_login"))
    visit.refresh_from_db()
    assert visit.status == "pending"


# ---------------------------------------------------------------- my page


def test_my_page_shows_what_is_to_come_and_what_was(client, surgery, patient):
    coming = steps.asked(surgery, patient=patient)
    gone = steps.talk(surgery, patient=patient, clock="14:00")
    appointments.cancel(gone, by="patient", now=NOW)
    steps.talk(surgery, clock="12:00")  # somebody else's
    response = client.get(reverse("my"))
    text = words(response)
    assert "Thursday 11 March, 10:00" in text
    assert "Asked for, not confirmed" in text
    assert "Cancelled" in text
    assert "12:00" not in text
    assert page_of(coming) in response.content.decode()
    assert page_of(gone) in response.content.decode()


def test_the_pages_ask_a_constant_number_of_queries(client, surgery, patient):
    def queries(url):
        with CaptureQueriesContext(connection) as found:
            assert client.get(url).status_code == 200
        return len(found)

    visit = steps.booked(surgery, patient=patient)
    pages = [
        page_of(visit),
        page_of(visit, "cancel"),
        page_of(visit, "move"),
        reverse("my"),
        times_of(surgery.treatment),
    ]
    once = [queries(page) for page in pages]
    for hour in (12, 14):
        steps.talk(surgery, patient=patient, clock=f"{hour}:00")
    assert [queries(page) for page in pages] == once
    assert max(once) <= 12, once
