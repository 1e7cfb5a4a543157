"""The shipped questionnaire, published by two people, and answers that lead to nothing."""

from datetime import timedelta
from functools import cache

import pytest

from screening import definition, models
from screening.models import Questionnaire
from tests.kept import MADE, kept
from tests.make import NOW, make_treatment, make_user
from tests.screening.walk import Walker


@cache
def shipped(name: str):
    """A shipped definition; reading the file takes its time."""
    return definition.load(definition.DEFINITIONS / f"{name}.yaml")


def publish(name: str, *treatments) -> Questionnaire:
    """A shipped definition as an active questionnaire for these treatments.

    That a file comes back from its rows as it was written is tested where it belongs; here some 1,500 tests need the
    rows, and get them without that look, with the definition read already.
    """
    shipped_as = shipped(name)
    row = Questionnaire(name=name, version=shipped_as.version, title=shipped_as.title, purpose=shipped_as.purpose)
    row.device_label = shipped_as.device_label
    row.save()
    definition._write_parts(row, shipped_as, models)
    row.treatments.set(treatments)
    proposer, publisher = make_user(role="Lead clinician"), make_user(role="Lead clinician")
    Questionnaire.objects.filter(pk=row.pk).update(
        proposed_by=proposer, published_by=publisher, published_at=NOW, status="active"
    )
    row.refresh_from_db()
    models._published[row.pk, row.name, row.version, row.published_at] = shipped_as
    return row


def harmless_answers(questionnaire: Questionnaire) -> dict:
    """Answers of an adult for the face that no rule has anything to say about."""
    answers = {"age-date-of-birth": "1990-05-04", "treatment-area": ["face"], "scar-type": "acne-dented"}
    for question in questionnaire.definition().questions:
        if question.parent or question.link_id in answers:
            continue
        code = question.no_finding[-1]
        answers[question.link_id] = [code] if question.kind == "choices" else code
    return answers


def make_face():
    return make_treatment(name="Microneedling: acne scars, face", slug="microneedling-acne-scars-face")


def face_and_questions():
    """The treatment and its questions."""
    treatment = make_face()
    return treatment, publish("microneedling", treatment)


MADE["kept_questions"] = face_and_questions


@pytest.fixture
def kept_questions(db):
    return kept.fresh("kept_questions")


@pytest.fixture
def treatment(request, db):
    if "kept_questions" in request.fixturenames:
        return request.getfixturevalue("kept_questions")[0]
    return make_face()


@pytest.fixture
def questionnaire(kept_questions):
    return kept_questions[1]


@pytest.fixture
def harmless(questionnaire):
    return harmless_answers(questionnaire)


@pytest.fixture
def clock(monkeypatch):
    """The clock of the pages: `clock.now` is what time it is, and can be moved."""

    class Clock:
        now = NOW

        def forward(self, **delta):
            self.now += timedelta(**delta)

    clock = Clock()
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock.now)
    return clock


@pytest.fixture
def walker(client, questionnaire, treatment, clock):
    """A patient at the screening pages, on 1 March 2027."""
    return Walker(client, questionnaire, treatment)
