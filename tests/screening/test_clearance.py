"""May this patient have this treatment on this area on that day? No, unless everything holds."""

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, transaction

from screening import clearance, definition, finished, responses, reviews, sealing
from screening.models import (
    DataKey,
    Questionnaire,
    QuestionnaireResponse,
    Review,
    ReviewRequest,
)
from tests.make import (
    NOW,
    TODAY,
    area,
    make_clinic,
    make_consultation,
    make_location,
    make_patient,
    make_treatment,
    make_user,
)
from tests.screening.conftest import harmless_answers, shipped
from tests.screening.decisions import VISIT, answer, ask, decide, heard, words_for

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def patient():
    make_clinic()
    return make_patient()


def clearance_on(patient, treatment, on=VISIT, *, code="face", now=NOW):
    return clearance.clearance_for(patient, treatment, area=area(code), on=on, now=now)


def clears_in_sql(review, on, *, code="face"):
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT screening_review_clears(%s, %s, %s, %s, %s)",
            [review.pk, review.patient_id, review.treatment_id, area(code).pk, on],
        )
        return cursor.fetchone()[0]


# ---------------------------------------------------------------- clearance for a day


def test_nothing_answered_is_not_cleared(patient, treatment, questionnaire):
    assert clearance_on(patient, treatment) == clearance.Clearance(False, None, None, None, "none")


def test_harmless_answers_alone_are_not_cleared(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    assert clearance_on(patient, treatment).why == "none"
    ask(patient, treatment)
    assert clearance_on(patient, treatment).why == "waiting"


def test_a_clinicians_decision_clears_this_treatment_this_area(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    found = clearance_on(patient, treatment)
    assert found == clearance.Clearance(True, review.pk, TODAY, TODAY + 90 * DAY, "cleared")
    assert clearance_on(patient, treatment, code="neck").why == "none"
    assert clearance_on(patient, make_treatment()).why == "none"
    assert clearance_on(make_patient(), treatment).why == "none"


def test_a_consultation_needs_no_screening(patient, questionnaire):
    consultation = make_consultation()
    assert clearance.clearance_for(patient, consultation, area=None, on=VISIT, now=NOW).cleared
    visit = make_treatment(kind="review-visit")
    assert clearance.clearance_for(patient, visit, area=None, on=VISIT, now=NOW).cleared


def test_day_90_is_allowed_and_day_91_is_not(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    assert clearance_on(patient, treatment, TODAY + 90 * DAY).cleared
    assert clears_in_sql(review, TODAY + 90 * DAY)
    assert clearance_on(patient, treatment, TODAY + 91 * DAY).why == "expired"
    assert not clears_in_sql(review, TODAY + 91 * DAY)
    assert clearance_on(patient, treatment, TODAY - DAY).why == "blocked"


def test_a_shorter_policy_counts_at_once(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    make_clinic(screening_valid_days=30)
    assert clearance_on(patient, treatment, TODAY + 30 * DAY).cleared
    assert clearance_on(patient, treatment, TODAY + 31 * DAY).why == "expired"


def test_new_answers_take_the_place_of_reviewed_ones(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=2))
    assert clearance_on(patient, treatment).why == "superseded"
    assert not clears_in_sql(review, VISIT)


def test_an_unfinished_form_takes_nobodys_place(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW, patient=patient)
    assert clearance_on(patient, treatment).cleared


def test_withdrawn_answers_do_not_count(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    reviews.mark_in_error(response, by=make_user(role="Clinician"), now=NOW)
    assert not clearance_on(patient, treatment).cleared
    assert not clears_in_sql(review, VISIT)


@pytest.mark.parametrize("outcome", ["needs-information", "deferred", "consultation-required", "not-suitable"])
def test_every_other_outcome_says_so_and_clears_nobody(patient, treatment, questionnaire, harmless, outcome):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), outcome)
    assert clearance_on(patient, treatment).why == outcome
    assert not clears_in_sql(review, VISIT)


def test_a_second_look_takes_the_first_decisions_place(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    first = decide(ask(patient, treatment))
    assert clears_in_sql(first, VISIT)
    second = decide(ask(patient, treatment), "not-suitable")
    assert clearance_on(patient, treatment).why == "not-suitable"
    assert not clears_in_sql(first, VISIT) and not clears_in_sql(second, VISIT)


def publish_next(questionnaire, treatment, *, rescreen):
    from dataclasses import replace

    row, _outcome = definition.save_draft(
        replace(shipped("microneedling"), version=questionnaire.version + 1), treatments=[treatment]
    )
    Questionnaire.objects.filter(pk=row.pk).update(rescreen=rescreen)
    from screening import publishing

    row.refresh_from_db()
    publishing.propose(row, by=make_user(role="Clinician"), now=NOW)
    count = publishing.publish(row, by=make_user(role="Lead clinician"), now=NOW)
    row.refresh_from_db()
    return row, count


def test_a_new_version_for_everybody_ends_clearances(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    with heard() as told:
        _row, count = publish_next(questionnaire, treatment, rescreen=True)
    assert count == 1
    assert [(t["patient"], t["treatment"], t["outcome"]) for t in told] == [(patient, None, "superseded")]
    assert clearance_on(patient, treatment).why == "superseded"
    assert not clears_in_sql(review, VISIT)


def test_a_new_version_with_better_commas_keeps_them(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    with heard() as told:
        publish_next(questionnaire, treatment, rescreen=False)
    assert told == []
    assert clearance_on(patient, treatment).cleared
    assert clears_in_sql(review, VISIT)


def test_a_wait_that_speaks_on_an_earlier_day_blocks_that_day(patient, treatment, questionnaire, harmless):
    waxed = TODAY - 2 * DAY
    answers = {**harmless, "recent-procedures": ["waxing"], "recent-procedures-waxing-on": waxed.isoformat()}
    answer(questionnaire, answers, patient)
    review = decide(ask(patient, treatment))
    assert review.valid_from == waxed + 7 * DAY
    assert clearance_on(patient, treatment, waxed + 7 * DAY).cleared
    assert clearance_on(patient, treatment, waxed + 6 * DAY).why == "blocked"
    assert not clears_in_sql(review, waxed + 6 * DAY)


FILLER = {"recent-procedures": ["filler"], "recent-procedures-filler-on": TODAY.isoformat()}  # until 29 March
SPOTS = {"active-acne": "many", "active-acne-treatment": "no"}  # a wait without a date
LOOK = {"diabetes": "yes", "diabetes-controlled": "yes"}


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (FILLER, date(2027, 3, 26)),
        (SPOTS, date(2027, 3, 26)),
        (FILLER | LOOK, date(2027, 3, 26)),
        (LOOK, TODAY),  # nothing to wait for: the same on every day
    ],
)
def test_a_wait_is_accepted_for_the_day_that_was_looked_at_and_for_no_earlier_one(
    patient, treatment, questionnaire, harmless, said, first
):
    """Three days short of four weeks after a filler is fine; the day of the filler is not (H07, H08)."""
    answer(questionnaire, {**harmless, **said}, patient)
    review = decide(ask(patient, treatment, on=date(2027, 3, 26)))
    assert review.valid_from == first
    for day in (TODAY, date(2027, 3, 4), date(2027, 3, 25), date(2027, 3, 26), date(2027, 3, 27)):
        cleared = day >= first
        assert clearance_on(patient, treatment, day).cleared is cleared, day
        assert clears_in_sql(review, day) is cleared, day


def test_what_begins_to_speak_after_the_day_that_was_looked_at_ends_the_days_that_are_covered(
    patient, treatment, questionnaire, harmless
):
    """Four weeks after a filler are a wait; what follows, until six months, is for a clinician to look at."""
    answer(questionnaire, {**harmless, **FILLER}, patient)
    review = decide(ask(patient, treatment, on=date(2027, 3, 26)))
    assert review.valid_until == date(2027, 3, 28)
    assert clears_in_sql(review, date(2027, 3, 28)) and not clears_in_sql(review, date(2027, 3, 29))
    found = clearance_on(patient, treatment, date(2027, 3, 29))
    assert (found.cleared, found.why, found.is_refused) == (False, "expired", False)


def test_what_begins_to_speak_without_a_wait_before_it_ends_them_too(
    patient, treatment, questionnaire, harmless, monkeypatch
):
    answer(questionnaire, {**harmless, **LOOK}, patient)
    real = finished.says

    def says(response, on, *, now):
        found = real(response, on, now=now)
        more = [replace(one, rule="from-april-on") for one in found.findings if on >= date(2027, 4, 1)]
        return replace(found, findings=(*found.findings, *more))

    monkeypatch.setattr(finished, "says", says)
    assert decide(ask(patient, treatment)).valid_until == date(2027, 3, 31)


def test_a_decision_that_covers_what_nobody_looked_at_waits_for_a_clinician_there(
    patient, treatment, questionnaire, harmless, monkeypatch
):
    """One of before, when the days went on to the last of the answers."""
    answer(questionnaire, {**harmless, **FILLER}, patient)
    monkeypatch.setattr(reviews, "days_covered", lambda *_args, **_more: (date(2027, 3, 26), date(2027, 5, 30)))
    decide(ask(patient, treatment, on=date(2027, 3, 26)))
    assert clearance_on(patient, treatment, date(2027, 3, 28)).cleared
    found = clearance_on(patient, treatment, date(2027, 3, 29))
    assert (found.cleared, found.why, found.is_refused) == (False, "waiting", False)


def test_a_decision_that_reaches_back_past_an_accepted_wait_clears_no_earlier_day(
    patient, treatment, questionnaire, harmless, monkeypatch
):
    """One of before, when accepted waits still reached back to the day of the answers."""
    answer(questionnaire, {**harmless, **FILLER}, patient)
    monkeypatch.setattr(finished, "has_waits", lambda found: False)
    assert decide(ask(patient, treatment, on=date(2027, 3, 26))).valid_from == TODAY
    assert clearance_on(patient, treatment, date(2027, 3, 25)).why == "blocked"
    assert clearance_on(patient, treatment, date(2027, 3, 26)).cleared


def test_a_finding_that_first_speaks_on_another_day_has_to_be_read_first(patient, treatment, questionnaire, harmless):
    """Filler: a wait for four weeks, then something to look at until six months. Cleared after that, never before."""
    filled = date(2026, 9, 5)
    answers = {**harmless, "recent-procedures": ["filler"], "recent-procedures-filler-on": filled.isoformat()}
    answer(questionnaire, answers, patient)
    review = decide(ask(patient, treatment, on=date(2027, 3, 10)), reasons={})
    assert review.valid_from == date(2027, 3, 6)
    assert clearance_on(patient, treatment, date(2027, 3, 5)).why == "blocked"


def test_it_asks_the_rules_again_and_does_not_trust_the_days_of_the_review(
    patient, treatment, questionnaire, harmless, monkeypatch
):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    asked = []
    real = finished.assess_on

    def listen(response, *, on, **arguments):
        asked.append((on, arguments["record"]))
        return real(response, on=on, **arguments)

    monkeypatch.setattr(finished, "assess_on", listen)
    assert clearance_on(patient, treatment, VISIT + 3 * DAY).cleared
    assert asked == [(VISIT + 3 * DAY, False)]


@pytest.mark.parametrize("broken", ["rules", "words", "answers", "key"])
def test_whatever_breaks_blocks(patient, treatment, questionnaire, harmless, monkeypatch, broken):
    response = answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    assert clearance_on(patient, treatment).cleared

    def fails(*_arguments, **_more):
        raise RuntimeError("broken")

    if broken == "rules":
        monkeypatch.setattr(Questionnaire, "definition", fails)
    if broken == "words":
        monkeypatch.setattr(sealing, "words_of", fails)
    if broken == "answers":
        monkeypatch.setattr(finished, "answers_of", fails)
    if broken == "key":
        DataKey.objects.filter(response=response).delete()
    found = clearance_on(patient, treatment)
    assert (found.cleared, found.why) == (False, "blocked")


def test_a_birth_date_that_was_corrected_blocks(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    patient.birth_date = date(1991, 5, 4)
    patient.save(update_fields=["birth_date"])
    assert clearance_on(patient, treatment).why == "waiting"  # for a clinician to look at who this is


def test_another_area_than_the_answers_are_about_is_not_cleared(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment, code="belly")
    with pytest.raises(reviews.Refused) as refused:
        decide(request)
    assert "outcome" in refused.value.message_dict
    assert clearance_on(patient, treatment, code="belly").why == "waiting"


def test_an_o2_finding_waits_for_the_second_signature(patient, treatment, questionnaire, harmless):
    """The verb refuses it; a row made past the verb by the lead still clears nobody without a second clinician."""
    response = answer(questionnaire, {**harmless, "keloid": "yes", "keloid-where": "ear"}, patient)
    assessment = reviews.stored_assessment(response, on=VISIT, now=NOW)
    assert assessment.override == "O2"
    lead = make_user(role="Lead clinician")
    fields = {
        "response": response,
        "assessment": assessment,
        "patient": patient,
        "treatment": treatment,
        "area": area(),
        "outcome": "cleared",
        "valid_from": TODAY,
        "valid_until": TODAY + 90 * DAY,
        "decided_at": NOW,
    }
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        Review.objects.create(**fields, decided_by=make_user(role="Clinician"), words=b"x")
    assert refused.value.__cause__.diag.constraint_name == "screening_review_o2_by_the_lead"
    review = Review.objects.create(**fields, decided_by=lead, words=b"x")
    assert clearance_on(patient, treatment).why == "waiting"
    assert not clears_in_sql(review, VISIT)


# ---------------------------------------------------------------- before any clinician


def asking(response, treatment, on=TODAY + DAY, *, code="face", now=NOW):
    return clearance.may_ask(response.pk, treatment, area=area(code), on=on, now=now)


def test_harmless_answers_may_ask_from_the_first_day(patient, treatment, questionnaire, harmless):
    found = asking(answer(questionnaire, harmless), treatment)
    assert found == clearance.Asking(True, TODAY + DAY, "none", True)


def test_something_to_look_at_may_ask(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, {**harmless, "diabetes": "yes", "diabetes-controlled": "yes"})
    assert asking(response, treatment) == clearance.Asking(True, TODAY + DAY, "review", True)


def test_a_dated_wait_may_ask_from_its_end(patient, treatment, questionnaire, harmless):
    waxed = TODAY - 2 * DAY
    answers = {**harmless, "recent-procedures": ["waxing"], "recent-procedures-waxing-on": waxed.isoformat()}
    assert asking(answer(questionnaire, answers), treatment) == clearance.Asking(True, waxed + 7 * DAY, "defer", True)


def test_a_wait_beyond_the_horizon_may_not(patient, treatment, questionnaire, harmless):
    make_clinic(horizon_days=30)
    dose = date(2026, 10, 15)
    answers = {
        **harmless,
        "isotretinoin": "yes",
        "isotretinoin-still": "no",
        "isotretinoin-last-dose": dose.isoformat(),
    }
    response = answer(questionnaire, answers)
    found = asking(response, treatment)
    assert (found.allowed, found.earliest, found.why, found.consultation_allowed) == (False, None, "rules", True)
    make_clinic(horizon_days=45)
    assert asking(response, treatment).earliest == date(2027, 4, 15)
    make_location(time_zone="Pacific/Honolulu")  # where it is still Sunday, and a day fewer can be booked
    assert asking(response, treatment).why == "rules"


@pytest.mark.parametrize(
    "given",
    [
        {"keloid": "yes", "keloid-where": "ear"},
        {"pregnancy": "yes"},
        {"broken-skin": "yes", "broken-skin-cause": "a cut"},
    ],
)
def test_contraindications_and_waits_without_a_date_may_not(patient, treatment, questionnaire, harmless, given):
    found = asking(answer(questionnaire, {**harmless, **given}), treatment)
    assert (found.allowed, found.earliest, found.consultation_allowed) == (False, None, True)


def test_only_the_areas_that_were_answered_about(patient, treatment, questionnaire, harmless):
    found = asking(answer(questionnaire, harmless), treatment, code="belly")
    assert (found.allowed, found.why, found.consultation_allowed) == (False, "area", True)


def test_only_the_treatments_that_it_screens_for(patient, questionnaire, harmless):
    found = asking(answer(questionnaire, harmless), make_treatment())
    assert (found.allowed, found.why) == (False, "not-for-this-treatment")


def test_answers_too_old_for_the_day_may_not(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    assert asking(response, treatment, TODAY + 90 * DAY).allowed
    assert asking(response, treatment, TODAY + 91 * DAY).why == "out-of-date"


def test_unfinished_withdrawn_and_unknown_answers_may_not(patient, treatment, questionnaire, harmless):
    unfinished = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    assert asking(unfinished, treatment).why == "none"
    withdrawn = answer(questionnaire, harmless)
    reviews.mark_in_error(withdrawn, by=make_user(role="Clinician"), now=NOW)
    assert asking(withdrawn, treatment).why == "none"
    assert clearance.may_ask(0, treatment, area=area(), on=VISIT, now=NOW).allowed is False


def test_a_clinicians_no_counts_for_the_same_answers(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment), "not-suitable")
    found = asking(response, treatment)
    assert (found.allowed, found.why, found.consultation_allowed) == (False, "decided", True)


def test_a_clinicians_wait_counts_too(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment), "deferred", deferred_until=TODAY + 20 * DAY)
    assert asking(response, treatment).earliest == TODAY + 20 * DAY


def test_a_clinicians_wait_that_is_over_by_the_day_refuses_nobody_and_clears_nobody(
    patient, treatment, questionnaire, harmless
):
    """The phone asks this door, and offers what the patient is offered online."""
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment, on=TODAY + 4 * DAY), "deferred", deferred_until=TODAY + 5 * DAY)
    for day, why, is_refused in ((4, "deferred", True), (5, "none", False), (21, "none", False)):
        found = clearance_on(patient, treatment, TODAY + day * DAY)
        assert (found.cleared, found.why, found.is_refused) == (False, why, is_refused), day
    ask(patient, treatment, on=TODAY + 5 * DAY)
    assert clearance_on(patient, treatment, TODAY + 5 * DAY).why == "waiting"
    assert clearance_on(patient, treatment, TODAY + 4 * DAY).why == "deferred", "that nobody reads again"


def test_under_18_may_not_even_ask_for_a_talk(patient, treatment, questionnaire, harmless):
    """Such answers are not kept; should some exist all the same, nothing may be asked for with them."""
    response = answer(questionnaire, harmless)
    young = {**harmless, "age-date-of-birth": "2010-01-01"}
    items = [{**item, "value": young[item["link_id"]]} for item in finished.items_of(response)]
    from screening import sealing

    row = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    row.document = sealing.seal(row, "answers", {"items": items})
    row.status, row.completed_at, row.answered_on = "completed", NOW, TODAY
    row.save()
    found = asking(row, treatment)
    assert (found.allowed, found.effect, found.consultation_allowed) == (False, "contraindicated", False)
    consultation = clearance.may_ask(row.pk, make_consultation(), area=None, on=VISIT, now=NOW)
    assert (consultation.allowed, consultation.consultation_allowed) == (False, False)


def test_answers_that_cannot_be_read_may_not(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    DataKey.objects.filter(response=response).delete()
    found = asking(response, treatment)
    assert (found.allowed, found.effect) == (False, "incomplete")


# ---------------------------------------------------------------- whose answers


def visitor(user=None, session=None):
    return SimpleNamespace(user=user or AnonymousUser(), session=session or {})


def test_a_visitor_goes_on_with_the_answers_of_their_session(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    found = clearance.response_of_session(visitor(session={"screening": str(response.uuid)}), treatment, now=NOW)
    assert found == clearance.Answered(response.pk, date(1990, 5, 4), ["face"])
    assert clearance.response_of_session(visitor(), treatment, now=NOW) is None


@pytest.mark.parametrize("rubbish", ["", "x", "0" * 36, None, 5, {"a": 1}, "'; --"])
def test_a_session_with_something_else_in_it_has_no_answers(patient, treatment, questionnaire, rubbish):
    assert clearance.response_of_session(visitor(session={"screening": rubbish}), treatment, now=NOW) is None


def test_answers_of_a_patient_are_only_their_own(patient, treatment, questionnaire, harmless):
    patient.user = make_user()
    patient.save(update_fields=["user"])
    response = answer(questionnaire, harmless, patient)
    session = {"screening": str(response.uuid)}
    assert clearance.response_of_session(visitor(session=session), treatment, now=NOW) is None
    other = make_patient(user=make_user())
    assert clearance.response_of_session(visitor(other.user, session), treatment, now=NOW) is None
    mine = clearance.response_of_session(visitor(patient.user), treatment, now=NOW)
    assert mine.response_id == response.pk


def test_old_answers_are_not_gone_on_with(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    request = visitor(session={"screening": str(response.uuid)})
    assert clearance.response_of_session(request, treatment, now=NOW + 90 * DAY)
    assert clearance.response_of_session(request, treatment, now=NOW + 91 * DAY) is None
    make_location(time_zone="Pacific/Honolulu")  # where the 90th day is not over
    assert clearance.response_of_session(request, treatment, now=NOW + 91 * DAY)


def test_anonymous_answers_become_a_patients_once(patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    with heard() as told:
        clearance.adopt_response(response.pk, patient=patient, now=NOW)
        clearance.adopt_response(response.pk, patient=patient, now=NOW)
    assert QuestionnaireResponse.objects.get(pk=response.pk).patient == patient
    assert [(t["outcome"], t["patient"]) for t in told] == [("answered", patient)]
    with pytest.raises(clearance.AnswersOfAnother):
        clearance.adopt_response(response.pk, patient=make_patient(), now=NOW)
    assert QuestionnaireResponse.objects.get(pk=response.pk).patient == patient


def test_another_birth_date_is_another_person(treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless)
    with pytest.raises(clearance.BirthDateDiffers):
        clearance.adopt_response(response.pk, patient=make_patient(birth_date=date(1990, 5, 5)), now=NOW)
    assert QuestionnaireResponse.objects.get(pk=response.pk).patient is None


def test_unfinished_answers_are_not_adopted(patient, questionnaire):
    response = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    with pytest.raises(clearance.NotFinished):
        clearance.adopt_response(response.pk, patient=patient, now=NOW)


def test_adopted_answers_that_replace_others_are_told_and_requests_move(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    waiting = ask(patient, treatment)
    newer = answer(questionnaire, harmless, now=NOW + timedelta(hours=1))
    with heard() as told:
        clearance.adopt_response(newer.pk, patient=patient, now=NOW + timedelta(hours=2))
    assert [(t["outcome"], t["treatment"], t["area"], t["patient"]) for t in told] == [
        ("superseded", None, None, patient)
    ]
    open_now = ReviewRequest.objects.get(closed_at=None)
    assert (open_now.response_id, open_now.needed_on, open_now.waiting_since) == (newer.pk, VISIT, NOW)
    waiting.refresh_from_db()
    assert waiting.closed_at == NOW + timedelta(hours=2)


def test_an_error_in_a_listener_undoes_it_all(patient, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    newer = answer(questionnaire, harmless, now=NOW + timedelta(hours=1))

    def fails(**_arguments):
        raise RuntimeError("the appointment could not be moved")

    clearance.clearance_changed.connect(fails)
    try:
        with pytest.raises(RuntimeError), transaction.atomic():
            clearance.adopt_response(newer.pk, patient=patient, now=NOW)
    finally:
        clearance.clearance_changed.disconnect(fails)
    assert QuestionnaireResponse.objects.get(pk=newer.pk).patient is None


# ---------------------------------------------------------------- asking for a review


def test_asking_twice_is_one_row_brought_up_to_date(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    first = ask(patient, treatment)
    again = ask(patient, treatment, on=VISIT + 5 * DAY, now=NOW + timedelta(hours=3))
    assert first.pk == again.pk
    assert (again.needed_on, again.waiting_since) == (VISIT + 5 * DAY, NOW)


def test_without_answers_nobody_is_asked(patient, treatment, questionnaire):
    assert ask(patient, treatment) is None
    assert not ReviewRequest.objects.exists()


def test_nobody_is_reviewed_on_another_patients_answers(patient, treatment, questionnaire, harmless):
    other = answer(questionnaire, harmless, make_patient())
    with pytest.raises(clearance.AnswersOfAnother):
        clearance.request_review(
            patient,
            treatment,
            area=area(),
            response_id=other.pk,
            needed_on=VISIT,
            needed_at=None,
            answer_by=None,
            now=NOW,
        )


def test_a_closed_request_leaves_the_list_and_can_come_back(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    ask(patient, treatment)
    assert clearance.close_request(patient, treatment, area=area(), now=NOW) == 1
    assert clearance.close_request(patient, treatment, area=area(), now=NOW) == 0
    assert not reviews.worklist().exists()
    ask(patient, treatment)
    assert reviews.worklist().count() == 1


# ---------------------------------------------------------------- one word for the desk


def test_readiness_says_one_word_each(patient, treatment, questionnaire, harmless):
    consultation = make_consultation()
    ready, waiting, refused, old, asked, nobody = (make_patient() for _each in range(6))
    for person in (ready, waiting, refused, old, asked):
        answer(questionnaire, harmless, person)
        if person is not waiting:
            outcome = {refused: "not-suitable", asked: "needs-information"}.get(person, "cleared")
            decide(ask(person, treatment), outcome)
    ask(waiting, treatment)
    face = area().pk
    visits = [
        ("ready", ready.pk, treatment, face, VISIT),
        ("waiting", waiting.pk, treatment, face, VISIT),
        ("refused", refused.pk, treatment, face, VISIT),
        ("old", old.pk, treatment, face, TODAY + 91 * DAY),
        ("asked", asked.pk, treatment, face, VISIT),
        ("nobody", nobody.pk, treatment, face, VISIT),
        ("held", None, treatment, face, VISIT),
        ("talk", nobody.pk, consultation, None, VISIT),
    ]
    assert clearance.readiness(visits, now=NOW) == {
        "ready": "ready",
        "waiting": "waiting",
        "refused": "cannot",
        "old": "update-due",
        "asked": "update-due",
        "nobody": "update-due",
        "held": "update-due",
        "talk": "ready",
    }


def test_readiness_asks_as_often_for_three_as_for_one(
    patient, treatment, questionnaire, harmless, django_assert_num_queries
):
    people = [patient, make_patient(), make_patient()]
    for person in people:
        answer(questionnaire, harmless, person)
        decide(ask(person, treatment))
    visits = [(person.pk, person.pk, treatment, area().pk, VISIT) for person in people]
    questionnaire.definition()  # each process reads a published one once
    with django_assert_num_queries(2):  # the clinic's policy and the decisions
        assert set(clearance.readiness(visits[:1], now=NOW).values()) == {"ready"}
    with django_assert_num_queries(2):
        assert set(clearance.readiness(visits, now=NOW).values()) == {"ready"}


def test_harmless_means_harmless(questionnaire, harmless):
    """The other tests lean on it: none of these answers makes a rule speak."""
    assert harmless_answers(questionnaire) == harmless
    response = answer(questionnaire, harmless)
    assert finished.assess_on(response, on=VISIT, now=NOW, record=False).findings == ()
    assert words_for(reviews.stored_assessment(response, on=VISIT, now=NOW)) == {}
