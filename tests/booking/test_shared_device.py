"""What was typed for a held time must not tell the next person at the same device what opens somebody's answers."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from booking.models import Appointment, HoldDetails
from tests.booking import steps
from tests.booking.pages import DETAILS, choose, held_uuid, put

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def hold_page(client, treatment) -> str:
    return reverse("booking:hold", args=[held_uuid(choose(client, treatment))])


def test_the_birth_date_of_the_answers_is_never_in_the_session(client, surgery):
    put(client, screening=str(steps.answered(surgery).uuid))
    client.post(hold_page(client, surgery.treatment), DETAILS)
    assert HoldDetails.objects.get().birth_date.isoformat() == "1990-05-04"
    kept = client.session["hold_details"]
    assert kept["name"] == DETAILS["name"] and kept["birth_date"] == ""
    assert "1990-05-04" not in str(dict(client.session))


def test_another_form_on_the_same_device_does_not_show_the_birth_date_that_opens_the_answers(client, surgery, clock):
    client.post(hold_page(client, surgery.consultation), DETAILS)  # here it was typed
    put(client, screening=str(steps.answered(surgery).uuid))
    clock.now += timedelta(minutes=20)
    html = client.get(hold_page(client, surgery.consultation)).content.decode()
    assert DETAILS["name"] in html and 'value="1990"' not in html


def test_the_next_person_cannot_go_on_with_somebody_elses_answers(client, surgery, clock):
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    clock.now += timedelta(minutes=20)
    page = hold_page(client, surgery.treatment)
    assert "date of birth" in client.get(page).content.decode()
    client.post(page, DETAILS | {"birth_date_year": "1971"})
    client.force_login(get_user_model().objects.get(email=DETAILS["email"]))
    said = client.post(page, {"action": "confirm"}).content.decode()
    assert "this e-mail address with another name or date of birth" in said
    response.refresh_from_db()
    assert response.patient is None
    assert Appointment.objects.get().status == "proposed"


def test_the_next_person_does_not_learn_what_somebody_elses_answers_mean(client, surgery, clock):
    response = steps.answered(surgery, pregnancy="yes")
    put(client, screening=str(response.uuid))
    times = reverse("booking:slots", args=[surgery.treatment.slug])
    assert "You need to wait" in client.get(times).content.decode()
    clock.now += timedelta(minutes=20)
    for answer in (client.get(times), client.post(times, {"start": "x"})):
        assert (answer.status_code, answer.url) == (302, "/screening/birth-date/?to=result")
    born = {"birth_date_day": "4", "birth_date_month": "5", "birth_date_year": "1990", "to": "result"}
    assert client.post("/screening/birth-date/", born).url == "/screening/result/"
    assert "You need to wait" in client.get(times).content.decode()


def test_the_same_person_goes_on_after_a_while_with_their_birth_date(client, surgery, clock):
    response = steps.answered(surgery)
    put(client, screening=str(response.uuid))
    clock.now += timedelta(minutes=20)
    page = hold_page(client, surgery.treatment)
    client.post(page, DETAILS)
    client.force_login(get_user_model().objects.get(email=DETAILS["email"]))
    client.post(page, {"action": "confirm"})
    assert Appointment.objects.get().status == "pending"


def test_what_was_typed_is_forgotten_after_an_hour(client, surgery, clock):
    client.post(hold_page(client, surgery.consultation), DETAILS)
    clock.now += timedelta(minutes=61)
    html = client.get(hold_page(client, surgery.consultation)).content.decode()
    assert DETAILS["name"] not in html and DETAILS["email"] not in html
    assert "hold_details" not in client.session


@pytest.mark.parametrize(
    "old", [None, "x", 7, [], {}, {"name": "A"}, {"name": 1, "phone": 2, "email": 3}, {"name": "A", "until": "x"}]
)
def test_a_session_with_anything_in_it_breaks_nothing(client, surgery, old):
    put(client, hold_details=old, wanted_time=old)
    assert client.get(hold_page(client, surgery.consultation)).status_code == 200
