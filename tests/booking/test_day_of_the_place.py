"""A server in London, a place in Los Angeles: its day is what counts, also when London is in tomorrow already."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from booking import appointments
from booking.models import WorkingHours
from screening.models import QuestionnaireResponse
from tests import make
from tests.booking import steps
from tests.booking.conftest import ScreeningSurgery
from tests.booking.pages import patient_who_signs_in, times_of, words
from tests.booking.staff import Staff
from tests.booking.steps import VISIT
from tests.make import NOW
from tests.screening.walk import Walker

pytestmark = pytest.mark.django_db


@pytest.fixture
def surgery(clock):
    """Half past four in the afternoon there, half past midnight of the next day in London."""
    surgery = ScreeningSurgery(time_zone="America/Los_Angeles", lead_hours=0)
    WorkingHours.objects.update(ends="19:00")
    clock.now = make.at(VISIT, "16:30", surgery.location.zone)
    assert clock.now.date() == VISIT + timedelta(days=1)
    return surgery


def test_staff_see_this_evenings_visit_today(surgery):
    steps.talk(surgery, clock="16:45", patient=make.make_patient(name="This Evening"), now=NOW)
    steps.talk(surgery, VISIT + timedelta(days=1), patient=make.make_patient(name="Tomorrow Morning"), now=NOW)
    make.make_closure(surgery.location, VISIT, reason="A pipe burst")
    nurse, desk = Staff(surgery.practitioner.user), Staff(surgery.desk)
    pages = {
        "my day": nurse.read("my_day"),
        "dashboard": nurse.client.get(reverse("admin:index")).content.decode(),
        "list": desk.read("changelist", query="?when=today"),
    }
    assert "Thursday 11 March 2027" in pages["my day"]
    for name, page in pages.items():
        assert "This Evening" in page, name
        assert "Tomorrow Morning" not in page, name
    for when, name in (("tomorrow", "Tomorrow Morning"), ("week", "This Evening")):
        assert name in desk.read("changelist", query=f"?when={when}")
    assert "This Evening" not in desk.read("changelist", query="?when=tomorrow")
    assert "This Evening" not in desk.read("changelist", query="?when=past")
    assert "A pipe burst" in desk.client.get(reverse("admin:booking_closure_changelist")).content.decode()
    WorkingHours.objects.update(valid_until=VISIT)
    manager = Staff(surgery.manager)
    assert "has no working hours" not in manager.client.get("/admin/opening/").content.decode()


def test_a_week_that_begins_today_begins_there(surgery, client):
    WorkingHours.objects.update(ends="16:00")
    assert "Times from Thursday 11 March" in words(client.get(times_of(surgery.consultation) + f"?from={VISIT}"))


def test_a_time_this_evening_is_found_by_phone_and_by_machines(surgery, client):
    late = steps.slot(surgery, clock="16:45")
    desk, talk = Staff(surgery.desk), surgery.consultation
    query = f"?treatment={talk.slug}&practitioner={surgery.practitioner.slug}"
    page = desk.read("phone_times", make.make_patient().uuid, query=query)
    assert late.key in page
    visit = steps.talk(surgery, VISIT + timedelta(days=4), now=NOW)
    page = desk.read("move", visit.uuid, query=f"?first={VISIT}&practitioner={surgery.practitioner.slug}")
    assert late.key in page
    found = client.get(times_of(talk) + "slots.json").json()
    assert (found["from"], found["times"][0]["starts_at"][:16]) == ("2027-03-11", "2027-03-11T16:30")
    out = StringIO()
    call_command("slots", talk.slug, "--days", "1", stdout=out)
    assert late.starts_at.astimezone(surgery.location.zone).isoformat(timespec="minutes") in out.getvalue()


def test_who_answers_again_in_the_house_can_be_treated_on_that_day(surgery, client):
    patient = patient_who_signs_in(client)
    visit = steps.booked(surgery, clock="16:15", patient=patient, now=NOW)
    appointments.arrive(visit, by=surgery.desk, now=visit.starts_at)
    walker = Walker(client, surgery.questionnaire, surgery.treatment)
    answers = surgery.answers | {"age-date-of-birth": patient.birth_date.isoformat()}
    walker.fill_in(answers)
    client.get("/screening/check/")
    with CaptureQueriesContext(connection) as queries:
        client.get("/screening/check/")
    assert len(queries) <= 12
    walker.send()
    again = QuestionnaireResponse.objects.get(uuid=client.session["screening"])
    assert (again.status, again.answered_on) == ("amended", VISIT)
    visit.refresh_from_db()
    assert visit.status == "pending"
    review = steps.decide(visit, now=visit.starts_at + timedelta(minutes=20))
    assert (review.valid_from <= VISIT, visit.status) == (True, "booked")


def test_somebody_is_an_adult_when_it_is_their_birthday_there(surgery, client):
    young = make.make_patient(birth_date=(VISIT + timedelta(days=1)).replace(year=2009))
    page = Staff(surgery.desk).read("phone_times", young.uuid)
    assert "under 18" in page
    user = make.make_user(email=young.email)
    type(young).objects.filter(pk=young.pk).update(user=user)
    browser = Client()
    browser.force_login(user)
    assert "Please come back when you are 18" in words(browser.get(times_of(surgery.consultation)))
