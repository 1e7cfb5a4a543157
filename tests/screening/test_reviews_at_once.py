"""Decisions that are really committed: two at once, and what the deferred walls say at the end of a transaction."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections

from screening import clearance, reviews
from screening.models import Review
from tests.make import NOW, area, make_appointment, make_clinic, make_patient, make_user
from tests.screening.decisions import answer, ask, decide

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patient():
    make_clinic()
    return make_patient()


def at_once(*calls):
    """Runs each call in a thread with a connection of its own, all let go together. Returns results or errors."""
    gate = threading.Barrier(len(calls))
    results = [None] * len(calls)

    def run(place, call):
        try:
            gate.wait(timeout=10)
            results[place] = call()
        except Exception as error:  # noqa: BLE001 - it is the result
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, call)) for place, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


def test_two_clinicians_at_once_make_one_decision(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    people = [make_user(role="Clinician", name=f"Dr {name}") for name in ("Fuchs", "Weller")]
    assessment = reviews.open_for_reading(request, by=people[0], now=NOW)

    def signs(by, outcome):
        words = {"statement": "I have read all.", "explanation": "" if outcome == "cleared" else "Not now."}
        return lambda: reviews.decide(
            request, outcome=outcome, by=by, now=NOW, assessment=assessment, reasons={}, **words
        )

    results = at_once(signs(people[0], "cleared"), signs(people[1], "not-suitable"))
    kept = Review.objects.get()
    lost = next(result for result in results if isinstance(result, Exception))
    assert isinstance(lost, reviews.AlreadyDecided), lost
    assert str(kept.decided_by) in lost.messages[0]


def test_new_answers_and_a_decision_at_once_never_leave_a_yes_on_old_answers(
    patient, treatment, questionnaire, harmless
):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    clinician = make_user(role="Clinician")
    assessment = reviews.open_for_reading(request, by=clinician, now=NOW)
    newer = answer(questionnaire, harmless, now=NOW + timedelta(minutes=5))
    results = at_once(
        lambda: reviews.decide(
            request, outcome="cleared", by=clinician, now=NOW, assessment=assessment, reasons={}, statement="Read."
        ),
        lambda: clearance.adopt_response(newer.pk, patient=patient, now=NOW + timedelta(minutes=6)),
    )
    assert not isinstance(results[1], Exception), results[1]
    found = clearance.clearance_for(patient, treatment, area=area(), on=request.needed_on, now=NOW)
    assert not found.cleared


def test_a_second_look_that_says_no_commits_with_the_visit_taken_back(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    visit = make_appointment(patient=patient, treatment=treatment, area=area(), review=review, status="booked")
    decide(ask(patient, treatment), "needs-information")
    visit.refresh_from_db()
    assert visit.status == "pending"


def test_without_a_listener_the_wall_refuses_in_words(patient, treatment, questionnaire, harmless, monkeypatch):
    """I2's second half: were booking deaf, the decision could not be committed."""
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    visit = make_appointment(patient=patient, treatment=treatment, area=area(), review=review, status="booked")
    request = ask(patient, treatment)
    monkeypatch.setattr(clearance.clearance_changed, "send", lambda **arguments: None)
    with pytest.raises(reviews.Refused, match="An appointment could not follow this"):
        decide(request, "not-suitable")
    visit.refresh_from_db()
    assert (visit.status, Review.objects.count()) == ("booked", 1)
    assert not connection.in_atomic_block
