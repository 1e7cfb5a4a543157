"""A clinician's question to the patient, and the patient's one answer."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection

from screening import clearance, reviews
from screening import responses as verbs
from screening.models import Reply, Review, ReviewRequest
from tests.make import NOW, TODAY, area, make_patient, make_user
from tests.screening.test_pages import words

pytestmark = pytest.mark.django_db
QUESTION = "Which steroid do you take, and since when?"


@pytest.fixture
def patient():
    return make_patient(user=make_user(), birth_date="1990-05-04")


@pytest.fixture
def review(questionnaire, treatment, harmless, patient, clock):
    """A review that asks the patient for information."""
    patient.refresh_from_db()
    response = verbs.start(
        questionnaire=questionnaire, treatment=treatment, privacy_version="1", now=NOW, patient=patient
    )
    verbs.save_answers(response, harmless, now=NOW)
    response = verbs.complete(response, today=TODAY, now=NOW)
    request = clearance.request_review(
        patient, treatment, area=area(), needed_on=TODAY + timedelta(days=9), needed_at=NOW + timedelta(days=9),
        answer_by=NOW + timedelta(days=1), now=NOW,
    )  # fmt: skip
    clinician = make_user(role="Clinician")
    assessment = reviews.open_for_reading(request, by=clinician, now=NOW)
    return reviews.decide(
        request,
        outcome=Review.Outcome.NEEDS_INFORMATION,
        by=clinician,
        now=NOW,
        assessment=assessment,
        reasons={},
        statement="I have read the answers.",
        question=QUESTION,
    )


def test_the_patient_reads_the_question_and_answers_once(client, patient, review):
    client.force_login(patient.user)
    place = f"/screening/reply/{review.uuid}/"
    assert QUESTION in words(client.get(place))
    assert not ReviewRequest.objects.filter(closed_at=None).exists()
    twice = client.post(place, {"text": ["Prednisolone.", "Nothing."]})
    assert "Please answer this once." in words(twice) and not Reply.objects.exists()
    assert client.post(place, {"text": "Prednisolone, since May."}).url == place
    assert "Thank you, we have your answer" in words(client.get(place))
    assert reviews.reply_of(review) == "Prednisolone, since May."
    # Back on the worklist, for the same visit.
    request = ReviewRequest.objects.get(closed_at=None)
    assert (request.response, request.needed_on) == (review.response, TODAY + timedelta(days=9))
    again = words(client.post(place, {"text": "Something else."}))
    assert "We have your first answer only" in again
    assert "Something else." in again and "Prednisolone, since May." in again
    assert client.post(place, {"text": "Prednisolone, since May."}).url == place  # pressed twice
    assert reviews.reply_of(Review.objects.get(pk=review.pk)) == "Prednisolone, since May."
    assert Reply.objects.count() == 1 and ReviewRequest.objects.filter(closed_at=None).count() == 1


def test_the_answer_is_sealed(client, patient, review):
    client.force_login(patient.user)
    client.post(f"/screening/reply/{review.uuid}/", {"text": "Prednisolone"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM screening_reply")
        assert b"Prednisolone" not in bytes(cursor.fetchone()[0])


@pytest.mark.parametrize("text", ["", "   ", "\x00", "x" * 5000])
def test_what_is_no_answer_is_not_kept_and_stays_on_the_page(client, patient, review, text):
    client.force_login(patient.user)
    page = client.post(f"/screening/reply/{review.uuid}/", {"text": text})
    assert page.status_code in (200, 400) and not Reply.objects.exists()
    if text.startswith("x"):
        assert text in page.content.decode()
    assert not ReviewRequest.objects.filter(closed_at=None).exists()


def test_nobody_else_reads_the_question(client, review):
    place = f"/screening/reply/{review.uuid}/"
    assert client.get(place).url.startswith("/accounts/login/")
    assert client.post(place, {"text": "x"}).url.startswith("/accounts/login/")
    for user in (make_user(), make_patient(user=make_user()).user, make_user(role="Front desk"), review.decided_by):
        client.force_login(user)
        page = client.get(place)
        # Staff may be led to their second factor first; nobody gets to the question.
        assert page.status_code in (302, 404) and QUESTION not in page.content.decode()
        client.post(place, {"text": "x"})
    assert not Reply.objects.exists()


def test_a_wrong_and_a_foreign_address_look_alike(client, patient, review):
    client.force_login(make_patient(user=make_user()).user)
    wrong = client.get(f"/screening/reply/{uuid.uuid4()}/")
    foreign = client.get(f"/screening/reply/{review.uuid}/")
    assert wrong.status_code == foreign.status_code == 404
    assert words(wrong) == words(foreign)


def test_after_new_answers_a_reply_is_kept_but_opens_nothing(client, patient, review, harmless, questionnaire):
    later = NOW + timedelta(hours=1)
    new = verbs.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=later, patient=patient)
    verbs.save_answers(new, harmless, now=later)
    verbs.complete(new, today=TODAY, now=later)
    client.force_login(patient.user)
    client.post(f"/screening/reply/{review.uuid}/", {"text": "Prednisolone"})
    assert reviews.reply_of(review) == "Prednisolone"
    assert not ReviewRequest.objects.filter(response=review.response, closed_at=None).exists()
