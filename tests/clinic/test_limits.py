"""How often one address on the internet may do what costs the clinic something. Other addresses are not touched."""

import uuid

import pytest
from django.core.cache import cache
from django.test import Client

from booking.models import Appointment
from clinic.models import CallBack
from screening.models import QuestionnaireResponse
from tests import make
from tests.booking.pages import choose, keys_on, patient_who_signs_in, times_of
from tests.make import NOW, make_surgery

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def surgery(monkeypatch, db):
    cache.clear()
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return make_surgery()


def said(answer) -> str:
    assert answer.status_code == 429
    assert answer["Cache-Control"] and "no-store" in answer["Cache-Control"]
    text = answer.content.decode()
    assert "Please wait a few minutes" in text and "to keep times free for everybody" in text
    return text


def test_a_script_with_many_sessions_cannot_hold_every_time(surgery):
    for _session in range(10):
        assert choose(Client(), surgery.consultation).status_code == 302
    said(choose(Client(), surgery.consultation))
    assert Appointment.objects.filter(status="proposed").count() == 10
    elsewhere = Client(REMOTE_ADDR="198.51.100.7")
    assert choose(elsewhere, surgery.consultation).status_code == 302


def test_the_limit_cannot_be_got_round_with_a_header(surgery):
    for number in range(10):
        choose(Client(HTTP_X_FORWARDED_FOR=f"203.0.113.{number}"), surgery.consultation)
    said(choose(Client(HTTP_X_FORWARDED_FOR="203.0.113.99"), surgery.consultation))


def test_one_person_may_change_their_mind_as_often_as_they_like(client, surgery):
    for number in range(14):
        keys = keys_on(client.get(times_of(surgery.consultation)))
        assert choose(client, surgery.consultation, keys[number % 2]).status_code == 302
    assert Appointment.objects.filter(status="proposed").count() == 1


def test_a_signed_in_patient_holds_one_time_and_is_not_counted(client, surgery):
    for _session in range(10):
        choose(Client(), surgery.consultation)
    patient_who_signs_in(client)
    assert choose(client, surgery.consultation).status_code == 302


def test_begun_answers_are_limited(surgery):
    data = {"agree": "on", "treatment": surgery.treatment.slug}
    for _session in range(30):
        assert Client().post("/screening/", data).status_code == 302
    said(Client().post("/screening/", data))
    assert QuestionnaireResponse.objects.count() == 30


def test_requests_to_be_rung_are_limited(client):
    data = {"name": "Ada", "phone": "020 7946 0000", "about": "talk", "language": ""}

    def ask(**other):
        return client.post("/call-back/", data | {"request_key": str(uuid.uuid4())} | other)

    for other in ({}, {}, {"language": "Maltese"}, *({"phone": f"020 7946 000{number}"} for number in range(1, 7))):
        assert ask(**other).url == "/call-back/thanks/"
    assert CallBack.objects.count() == 7, "who sends it again while nobody has rung is rung once"
    CallBack.objects.get(phone="+442079460000", language="Maltese").mark_done(by=make.make_user("Front desk"), now=NOW)
    assert ask().status_code == 302
    said(ask())
    assert CallBack.objects.count() == 8


@pytest.mark.parametrize("address", ["/accounts/login/code/", "/accounts/password/reset/"])
def test_nobodys_mailbox_is_filled_through_us(monkeypatch, address):
    now = [1_800_000_000.0]
    monkeypatch.setattr("allauth.core.internal.ratelimit.time.time", lambda: now[0])
    answers = []
    for number in range(12):
        now[0] += 61
        browser = Client(REMOTE_ADDR=f"198.51.100.{number}")
        answers.append(browser.post(address, {"email": "rosa@example.org"}).status_code)
    assert answers[:10] == [302] * 10 and 302 not in answers[10:]  # a pause is said on the form, or on a page
    now[0] += 3600
    assert Client().post(address, {"email": "rosa@example.org"}).status_code == 302
