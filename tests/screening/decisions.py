"""Real answers, really reviewed: every row is made by the verb that makes it in the clinic."""

import uuid
from contextlib import contextmanager
from datetime import timedelta

from screening import clearance, finished, responses, reviews
from screening.models import Review
from tests.make import NOW, TODAY, area, make_user

VISIT = TODAY + timedelta(days=9)
VISIT_UUID = uuid.UUID(int=11)


def answer(questionnaire, answers, patient=None, *, now=NOW, **fields):
    """Finished answers, anonymous unless a patient is given."""
    response = responses.start(
        questionnaire=questionnaire, treatment=None, privacy_version="1", now=now, patient=patient, **fields
    )
    responses.save_answers(response, answers, now=now)
    return responses.complete(response, today=now.date(), now=now)


def ask(patient, treatment, *, on=VISIT, code="face", now=NOW):
    """A row of the worklist for the patient's newest answers, with a visit at ten."""
    return clearance.request_review(
        patient,
        treatment,
        area=area(code),
        needed_on=on,
        needed_at=now + (on - now.date()) + timedelta(hours=1) if on else None,
        answer_by=now + timedelta(days=1, hours=8),
        now=now,
    )


def words_for(assessment):
    """Words for each finding that has to be addressed."""
    return {
        finding.rule: f"Looked at {finding.rule}; fine on this area."
        for finding in finished.stored_findings(assessment)
        if finding.effect in finished.TO_ADDRESS
    }


def decide(request, outcome="cleared", *, by=None, now=NOW, reasons=None, **words):
    """A decision by a clinician who opened the answers and addressed every finding."""
    by = by or make_user(role="Clinician")
    assessment = reviews.open_for_reading(request, by=by, now=now)
    if outcome == "cleared-with-conditions":
        words.setdefault("conditions", "Test patch first.")
    if outcome == "needs-information":
        words.setdefault("question", "When did it heal?")
    if outcome in Review.REFUSING:
        words.setdefault("explanation", "Your skin has to be calm first.")
    return reviews.decide(
        request,
        outcome=outcome,
        by=by,
        now=now,
        assessment=assessment,
        reasons=words_for(assessment) if reasons is None else reasons,
        **{"statement": "I have read every answer.", **words},
    )


@contextmanager
def heard():
    """What clearance_changed tells while it is open, as a list of its arguments."""
    told = []

    def listen(sender, signal, **arguments):
        told.append(arguments)

    clearance.clearance_changed.connect(listen)
    try:
        yield told
    finally:
        clearance.clearance_changed.disconnect(listen)
