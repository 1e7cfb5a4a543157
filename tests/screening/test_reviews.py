"""A named clinician decides: who may, what it takes, what follows, and that nothing else clears anybody."""

import uuid
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction

from clinic.models import User
from screening import chair, clearance, definition, finished, reviews, sealing
from screening.models import Assessment, Questionnaire, QuestionnaireResponse, Review, ReviewRequest
from tests.make import (
    NOW,
    TODAY,
    area,
    make_appointment,
    make_clinic,
    make_consultation,
    make_location,
    make_patient,
    make_treatment,
    make_user,
)
from tests.screening.conftest import harmless_answers, publish, shipped
from tests.screening.decisions import VISIT, VISIT_UUID, answer, ask, decide, heard, words_for

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
LOOK = {"diabetes": "yes", "diabetes-controlled": "yes"}
ROLES = ["Front desk", "Practitioner", "Clinician", "Lead clinician", "Content editor", "Manager"]


@pytest.fixture
def patient():
    make_clinic()
    return make_patient()


@pytest.fixture
def clinician():
    return make_user(role="Clinician", name="Dr Ines Fuchs")


def waits(patient, treatment, questionnaire, answers, **more):
    answer(questionnaire, answers, patient)
    return ask(patient, treatment, **more)


def refused(call, *arguments, **more):
    with pytest.raises(reviews.Refused) as caught:
        call(*arguments, **more)
    return caught.value


# ---------------------------------------------------------------- the worklist


def test_the_worst_comes_first_then_the_nearest_then_the_longest(treatment, questionnaire, harmless):
    make_clinic()
    given = {
        "harmless, tomorrow": ({}, TODAY + DAY, NOW),
        "to look at, late": (LOOK, VISIT, NOW),
        "to look at, soon": (LOOK, TODAY + 2 * DAY, NOW),
        "no, no visit": ({"keloid": "yes", "keloid-where": "ear"}, None, NOW),
        "harmless, tomorrow, longer": ({}, TODAY + DAY, NOW - timedelta(hours=1)),
    }
    for name, (answers, on, now) in given.items():
        person = make_patient(name=name)
        response = answer(questionnaire, {**harmless, **answers}, person, now=now)
        finished.assess_on(response, on=on or TODAY, now=now)
        request = ask(person, treatment, on=on, now=now)
        if on == TODAY + DAY:  # the same visit for both
            ReviewRequest.objects.filter(pk=request.pk).update(needed_at=NOW + DAY)
    assert [row.response.patient.name for row in reviews.worklist()] == [
        "no, no visit",
        "to look at, soon",
        "to look at, late",
        "harmless, tomorrow, longer",
        "harmless, tomorrow",
    ]


def test_what_was_never_assessed_comes_first(treatment, questionnaire, harmless):
    waits(make_patient(name="assessed"), treatment, questionnaire, {**harmless, **LOOK})
    response = answer(questionnaire, harmless, make_patient(name="not"))
    ReviewRequest.objects.create(response=response, treatment=treatment, area=area(), waiting_since=NOW)
    rows = [(row.response.patient.name, row.effect) for row in reviews.worklist()]
    assert rows == [("not", "incomplete"), ("assessed", "review")]


def test_a_visit_that_moves_is_ordered_by_what_the_rules_say_for_its_new_day(
    patient, treatment, questionnaire, harmless
):
    waxed = {"recent-procedures": ["waxing"], "recent-procedures-waxing-on": TODAY.isoformat()}
    waits(patient, treatment, questionnaire, {**harmless, **waxed}, on=TODAY + 2 * DAY)
    assert [row.effect for row in reviews.worklist()] == ["defer"]
    ask(patient, treatment, on=TODAY + 7 * DAY)
    assert [row.effect for row in reviews.worklist()] == ["none"]


def test_the_worklist_is_one_query(patient, treatment, questionnaire, harmless, django_assert_num_queries):
    for person in (patient, make_patient(), make_patient()):
        waits(person, treatment, questionnaire, harmless)
        with django_assert_num_queries(1):
            shown = [
                (row.response.patient.name, row.treatment.name, row.area.code, row.effect, row.being_read_by)
                for row in reviews.worklist()
            ]
        assert (person.name, treatment.name, "face", "none", None) in shown


def test_the_figures_of_the_worklist(patient, treatment, questionnaire, harmless):
    assert reviews.waiting(NOW) == reviews.Waiting(0, None, None, 0)
    waits(patient, treatment, questionnaire, harmless)
    request = waits(make_patient(), treatment, questionnaire, harmless, on=TODAY + DAY)
    ReviewRequest.objects.filter(pk=request.pk).update(answer_by=NOW - DAY)
    found = reviews.waiting(NOW)
    assert (found.count, found.oldest, found.overdue) == (2, NOW, 1)
    assert found.nearest == TODAY + DAY


# ---------------------------------------------------------------- reading


def test_opening_says_who_reads_and_stores_what_the_rules_say(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK})
    ReviewRequest.objects.filter(pk=request.pk).update(needed_on=VISIT + 2 * DAY)
    request.refresh_from_db()
    assessment = reviews.open_for_reading(request, by=clinician, now=NOW)
    assert (assessment.on, assessment.effect) == (VISIT + 2 * DAY, "review")
    request.refresh_from_db()
    assert request.being_read_by == clinician
    other = make_user(role="Clinician")
    assert reviews.is_being_read(request, by=other, now=NOW)
    assert not reviews.is_being_read(request, by=clinician, now=NOW)
    assert not reviews.is_being_read(request, by=other, now=NOW + timedelta(minutes=21))


@pytest.mark.parametrize("role", ["Front desk", "Practitioner", "Content editor", "Manager", None])
def test_nobody_else_opens_it(patient, treatment, questionnaire, harmless, role):
    request = waits(patient, treatment, questionnaire, harmless)
    refused(reviews.open_for_reading, request, by=make_user(role=role), now=NOW)
    request.refresh_from_db()
    assert request.being_read_by is None


# ---------------------------------------------------------------- who may


@pytest.mark.parametrize("role", [*ROLES, None, "superuser"])
def test_only_clinicians_clear(patient, treatment, questionnaire, harmless, role):
    """H07, with nothing found: the milder the answers, the stricter the person."""
    request = waits(patient, treatment, questionnaire, harmless)
    by = User.objects.create_superuser("root@example.org", "x" * 20) if role == "superuser" else make_user(role=role)
    assessment = reviews.stored_assessment(request.response, on=VISIT, now=NOW)
    arguments = {"outcome": "cleared", "by": by, "now": NOW, "assessment": assessment, "reasons": {}, "statement": "x"}
    if role in ("Clinician", "Lead clinician"):
        assert reviews.decide(request, **arguments).outcome == "cleared"
    else:
        refused(reviews.decide, request, **arguments)
        assert not Review.objects.exists()


@pytest.mark.parametrize(
    ("given", "override", "who"),
    [
        (LOOK, "O1", {"Clinician", "Lead clinician"}),
        ({"sun-tan": "not-sure"}, "O1", {"Clinician", "Lead clinician"}),
        ({"breastfeeding": "yes"}, "O1", {"Clinician", "Lead clinician"}),
        ({"keloid": "yes", "keloid-where": "ear"}, "O2", set()),
        (
            {"skin-cancer-area": "past", "skin-cancer-area-what": "a spot", "skin-cancer-area-when": "2015"},
            "O2",
            set(),
        ),
        ({"pregnancy": "might-be"}, "O0", set()),
        ({"cold-sores": "now"}, "O0", set()),
        (
            {"appearance-distress": "yes", "appearance-distress-stops-you": "yes"},
            "O1",
            {"Lead clinician"},
        ),
    ],
)
def test_each_class_of_finding_takes_its_people(treatment, questionnaire, harmless, given, override, who):
    """H07: role by class. O0 never, O2 not yet by anybody, "lead-clinician" only by one; words or not."""
    make_clinic()
    consultation = make_consultation()
    for role in ROLES:
        person = make_patient()
        make_appointment(  # was seen in person, where a finding needs it
            status="fulfilled", patient=person, treatment=consultation, starts_at=NOW - timedelta(days=14)
        )
        request = waits(person, treatment, questionnaire, {**harmless, **given})
        assessment = reviews.stored_assessment(request.response, on=VISIT, now=NOW)
        assert assessment.override == override
        arguments = {
            "outcome": "cleared",
            "by": make_user(role=role),
            "now": NOW,
            "assessment": assessment,
            "reasons": words_for(assessment),
            "statement": "I have read every answer.",
        }
        if role in who:
            assert reviews.decide(request, **arguments).outcome == "cleared"
        else:
            refused(reviews.decide, request, **arguments)
            assert not Review.objects.filter(patient=person).exists()


def test_nobody_decides_about_themselves(treatment, questionnaire, harmless, clinician):
    make_clinic()
    patient = make_patient(user=clinician)
    request = waits(patient, treatment, questionnaire, harmless)
    refused(decide, request, by=clinician)
    refused(decide, request, "not-suitable", by=clinician)
    assert not Review.objects.exists()
    assert decide(request, by=make_user(role="Clinician")).outcome == "cleared"


def test_somebody_who_left_decides_nothing(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, harmless)
    assessment = reviews.open_for_reading(request, by=clinician, now=NOW)
    User.objects.filter(pk=clinician.pk).update(is_active=False)
    refused(
        reviews.decide,
        request,
        outcome="cleared",
        by=clinician,
        now=NOW,
        assessment=assessment,
        reasons={},
        statement="x",
    )


# ---------------------------------------------------------------- what it takes


def test_every_finding_needs_words_of_its_own(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK, "cold-sores": "not-sure"})
    words = words_for(reviews.stored_assessment(request.response, on=VISIT, now=NOW))
    assert len(words) == 2
    for missing in words:
        for blank in ("", "   ", "\n"):
            error = refused(decide, request, reasons={**words, missing: blank})
            assert list(error.message_dict) == [f"reason-{missing}"]
    assert not Review.objects.exists()
    review = decide(request, reasons=words)
    assert sealing.words_of(review)["reasons"] == words


@pytest.mark.parametrize(
    ("outcome", "field", "more"),
    [
        ("cleared-with-conditions", "conditions", {"conditions": " "}),
        ("needs-information", "question", {"question": ""}),
        ("deferred", "deferred_until", {"deferred_until": TODAY}),
        ("deferred", "deferred_until", {"deferred_until": date(2099, 1, 1)}),
        ("cleared", "statement", {"statement": "  "}),
        ("not-suitable", "statement", {"statement": ""}),
    ],
)
def test_each_outcome_needs_its_words(patient, treatment, questionnaire, harmless, outcome, field, more):
    request = waits(patient, treatment, questionnaire, harmless)
    assert field in refused(decide, request, outcome, **more).message_dict
    assert not Review.objects.exists()
    request.refresh_from_db()
    assert request.closed_at is None


OR_LATER = "Decide about it, or give a later day."


def test_a_wait_says_until_when_or_for_what(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK})  # a finding that no wait ends
    assert list(refused(decide, request, "deferred", explanation=" ").message_dict) == ["explanation"]
    assert decide(request, "deferred", explanation="", deferred_until=VISIT + DAY).deferred_until == VISIT + DAY


def test_not_yet_is_said_of_days_that_the_visit_is_one_of(patient, treatment, questionnaire, harmless):
    """Else nothing would follow: the visit stays, waits for a clinician again, and nobody is told anything."""
    request = waits(patient, treatment, questionnaire, harmless)
    for day in (VISIT - DAY, VISIT):
        wrong = refused(decide, request, "deferred", deferred_until=day).message_dict
        assert wrong == {"deferred_until": [f"The visit is on {VISIT:%-d %B %Y}, not before that day. " + OR_LATER]}
    request = ask(patient, treatment, on=None)  # no visit waits
    assert decide(request, "deferred", deferred_until=TODAY + 2 * DAY).deferred_until


def test_not_yet_is_until_a_day_after_today_at_the_place(patient, treatment, questionnaire, harmless):
    """In the evening in London it is tomorrow in Auckland already."""
    waits(patient, treatment, questionnaire, harmless)
    request = ask(patient, treatment, on=TODAY + DAY)
    evening = NOW.replace(hour=20)
    ReviewRequest.objects.filter(pk=request.pk).update(location=make_location(time_zone="Pacific/Auckland"))
    assert (
        "deferred_until" in refused(decide, request, "deferred", deferred_until=TODAY + DAY, now=evening).message_dict
    )
    decide(request, "deferred", deferred_until=TODAY + 2 * DAY, now=evening)


@pytest.mark.parametrize("outcome", ["", "approved", "CLEARED", None])
def test_an_outcome_that_does_not_exist(patient, treatment, questionnaire, harmless, outcome):
    request = waits(patient, treatment, questionnaire, harmless)
    assert "outcome" in refused(decide, request, outcome).message_dict


def test_words_for_a_finding_that_is_not_there(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless)
    refused(decide, request, reasons={"keloid-yes": "fine"})
    assert not Review.objects.exists()


def test_words_that_cannot_be_stored(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless)
    refused(decide, request, statement="a\x00b")
    refused(decide, request, statement="a" * 4001)
    assert not Review.objects.exists()


def test_a_visit_that_moved_has_to_be_read_again(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, harmless)
    assessment = reviews.open_for_reading(request, by=clinician, now=NOW)
    ask(patient, treatment, on=VISIT + DAY)
    refused(
        reviews.decide,
        request,
        outcome="cleared",
        by=clinician,
        now=NOW,
        assessment=assessment,
        reasons={},
        statement="x",
    )


def test_an_assessment_of_other_answers_is_refused(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK})
    other = answer(questionnaire, harmless, make_patient())
    assessment = reviews.stored_assessment(other, on=VISIT, now=NOW)
    refused(
        reviews.decide,
        request,
        outcome="cleared",
        by=clinician,
        now=NOW,
        assessment=assessment,
        reasons={},
        statement="x",
    )
    assert not Review.objects.exists()


def test_findings_that_became_worse_are_not_decided_on_as_they_were(patient, treatment, questionnaire, harmless):
    """The birth date was corrected after the rules had been asked: the stored assessment is milder than the truth."""
    request = waits(patient, treatment, questionnaire, harmless)
    reviews.stored_assessment(request.response, on=VISIT, now=NOW)
    patient.birth_date = date(2011, 1, 1)
    patient.save(update_fields=["birth_date"])
    refused(decide, request, reasons={})
    assert not Review.objects.exists()


def test_answers_to_other_questions_clear_nothing(patient, treatment, questionnaire, harmless):
    """Newer answers, about another treatment, take the older ones' place; nobody clears this one on them."""
    waits(patient, treatment, questionnaire, harmless)
    elsewhere, _outcome = definition.save_draft(
        replace(shipped("microneedling"), name="something-else"), treatments=[make_treatment()]
    )
    lead = {"proposed_by": make_user(role="Lead clinician"), "published_by": make_user(role="Lead clinician")}
    Questionnaire.objects.filter(pk=elsewhere.pk).update(**lead, published_at=NOW, status="active")
    elsewhere.refresh_from_db()
    answer(elsewhere, harmless, patient, now=NOW + timedelta(hours=1))
    assert not reviews.worklist().exists()  # a form about this treatment is asked for instead

    wanted = ask(patient, treatment, now=NOW + timedelta(hours=1))
    error = refused(decide, wanted, now=NOW + timedelta(hours=1))
    assert "not about this treatment" in error.messages[0]
    assert decide(wanted, "not-suitable", now=NOW + timedelta(hours=1))


def test_a_recheck_clears_nobody(patient, treatment, questionnaire, harmless):
    recheck = publish("microneedling-recheck")
    answers = {key: value for key, value in harmless_answers(recheck).items() if key in _link_ids(recheck)}
    response = answer(recheck, {**answers, "recheck-unwell": "yes", "recheck-unwell-fever": "no"}, patient)
    request = ask(patient, treatment)
    assert request.response == response
    error = refused(decide, request)
    assert "outcome" in error.message_dict
    assert decide(request, "consultation-required").outcome == "consultation-required"


def _link_ids(questionnaire):
    return questionnaire.definition().by_link_id


def test_answers_that_were_replaced_are_not_decided_on(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless)
    reviews.open_for_reading(request, by=make_user(role="Clinician"), now=NOW)
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=1))
    request.refresh_from_db()
    assert request.closed_at is not None
    refused(decide, request)
    assert not Review.objects.exists()


def test_answers_too_old_for_the_visit(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless, on=TODAY + 91 * DAY)
    assert "outcome" in refused(decide, request).message_dict
    request = ask(patient, treatment, on=TODAY + 90 * DAY)
    assert decide(request).valid_until == TODAY + 90 * DAY


# ---------------------------------------------------------------- what follows


def test_it_is_told_once_with_all_that_listeners_need(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, harmless)
    with heard() as told:
        decide(request, "deferred", by=clinician, deferred_until=VISIT + DAY)
    assert told == [
        {
            "patient": patient,
            "treatment": treatment,
            "area": area(),
            "outcome": "deferred",
            "by": clinician,
            "now": NOW,
        }
    ]
    request.refresh_from_db()
    assert (request.closed_at, request.being_read_by) == (NOW, None)
    assert not reviews.worklist().exists()


def test_if_an_appointment_cannot_follow_nothing_is_decided(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless)

    def fails(**_arguments):
        raise RuntimeError("the room burnt down")

    clearance.clearance_changed.connect(fails)
    try:
        with pytest.raises(RuntimeError):
            decide(request)
    finally:
        clearance.clearance_changed.disconnect(fails)
    assert not Review.objects.exists()
    request.refresh_from_db()
    assert request.closed_at is None


@pytest.mark.parametrize("outcome", Review.REFUSING)
def test_a_refusal_gives_a_reason_from_the_rules_or_in_words(patient, treatment, questionnaire, harmless, outcome):
    """What the patient reads: a finding of effect review or worse, or else the clinician's words, or both."""
    request = waits(patient, treatment, questionnaire, harmless)
    error = refused(decide, request, outcome, explanation=" ")
    assert list(error.message_dict) == ["explanation"]
    review = decide(request, outcome, explanation=" Your skin is sore. ")
    assert sealing.words_of(review)["explanation"] == "Your skin is sore."


def test_findings_that_take_somebody_else_now_are_looked_at_again(
    patient, treatment, questionnaire, harmless, monkeypatch
):
    """The same effect, and another override: what the clinician read is not what would be cleared."""
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK})
    says = finished.says

    def stricter(*args, **kwargs):
        found = says(*args, **kwargs)
        return replace(found, findings=tuple(replace(finding, override="O2") for finding in found.findings))

    def after_reading(*args, **kwargs):
        monkeypatch.setattr(finished, "says", stricter)
        return open_for_reading(*args, **kwargs)

    open_for_reading = reviews.open_for_reading
    monkeypatch.setattr(reviews, "open_for_reading", after_reading)
    assert "no longer what they were" in refused(decide, request).messages[0]
    assert decide(request, "not-suitable").outcome == "not-suitable"  # which clears nobody


@pytest.mark.parametrize(
    ("changes", "needed"), [({"dark-marks": "not-sure"}, True), (LOOK, False), ({"cold-sores": "now"}, False)]
)
def test_advice_alone_is_no_reason(patient, treatment, questionnaire, harmless, changes, needed):
    request = waits(patient, treatment, questionnaire, {**harmless, **changes})
    if needed:
        refused(decide, request, "not-suitable", explanation="")
    else:
        assert sealing.words_of(decide(request, "not-suitable", explanation=""))["explanation"] == ""


@pytest.mark.parametrize("outcome", ["cleared", "cleared-with-conditions", "needs-information"])
def test_nothing_else_is_explained(patient, treatment, questionnaire, harmless, outcome):
    request = waits(patient, treatment, questionnaire, harmless)
    assert sealing.words_of(decide(request, outcome, explanation="Left over."))["explanation"] == ""


def test_the_second_of_two_clinicians_is_told_who_was_first(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, harmless)
    second = make_user(role="Clinician")
    assessment = reviews.open_for_reading(request, by=second, now=NOW)
    decide(request, by=clinician)
    with pytest.raises(reviews.AlreadyDecided, match=r"Dr Ines Fuchs, 1 March 2027, 09:00"):
        reviews.decide(
            request,
            outcome="not-suitable",
            by=second,
            now=NOW,
            assessment=assessment,
            reasons={},
            statement="x",
            explanation="x",
        )
    assert Review.objects.count() == 1


def test_its_words_are_sealed_and_bound_to_it(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, {**harmless, **LOOK})
    review = decide(request, "cleared-with-conditions", conditions="No numbing cream, please.")
    assert sealing.words_of(review)["conditions"] == "No numbing cream, please."
    stored = bytes(Review.objects.get(pk=review.pk).words)
    assert b"numbing" not in stored and b"read every answer" not in stored


def test_a_no_after_a_yes_takes_the_visit_back(patient, treatment, questionnaire, harmless):
    """What clears is withdrawn, and with it the booked visit: I2 would refuse the transaction otherwise."""
    waits(patient, treatment, questionnaire, harmless)
    review = decide(ask(patient, treatment))
    visit = make_appointment(patient=patient, treatment=treatment, area=area(), review=review, status="booked")
    decide(ask(patient, treatment), "needs-information")
    visit.refresh_from_db()
    assert visit.status == "pending"


def test_a_question_comes_back_with_its_reply(patient, treatment, questionnaire, harmless):
    request = waits(patient, treatment, questionnaire, harmless)
    review = decide(request, "needs-information")
    assert not reviews.worklist().exists()
    again = reviews.reopen(review, now=NOW + DAY)
    assert reviews.reopen(review, now=NOW + DAY).pk == again.pk
    assert (again.needed_on, again.waiting_since, again.response_id) == (VISIT, NOW + DAY, review.response_id)
    decide(again, now=NOW + DAY)
    with pytest.raises(reviews.AlreadyDecided):
        reviews.reopen(review, now=NOW + DAY)


# ---------------------------------------------------------------- at the chair


@pytest.fixture
def recheck(questionnaire):
    return publish("microneedling-recheck")


@pytest.fixture
def quiet(recheck):
    known = _link_ids(recheck)
    return {key: value for key, value in harmless_answers(recheck).items() if key in known}


@pytest.fixture
def practitioner():
    return make_user(role="Practitioner")


def test_a_quiet_recheck_changes_nothing(patient, treatment, questionnaire, harmless, quiet, practitioner):
    waits(patient, treatment, questionnaire, harmless)
    decide(ask(patient, treatment))
    with heard() as told:
        found = chair.record_recheck(patient, quiet, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY)
    assert (found.effect, told) == ("none", [])
    assert clearance.clearance_for(patient, treatment, area=area(), on=VISIT, now=NOW).cleared
    stored = QuestionnaireResponse.objects.get(questionnaire__purpose="recheck")
    assert (stored.status, stored.reopens, stored.assisted_by) == ("completed", False, practitioner)
    assert Assessment.objects.get(response=stored).on == VISIT


@pytest.mark.parametrize(
    ("given", "effect"),
    [
        ({"pregnancy": "yes"}, "defer"),
        ({"active-skin-infection": "not-sure"}, "review"),
        ({"recheck-unwell": "yes", "recheck-unwell-fever": "yes"}, "defer"),
        ({"recheck-new-medicine-or-diagnosis": "yes", "recheck-new-medicine-or-diagnosis-what": "a tablet"}, "review"),
    ],
)
def test_a_recheck_that_finds_something_ends_the_clearance(
    patient, treatment, questionnaire, harmless, quiet, practitioner, given, effect
):
    waits(patient, treatment, questionnaire, harmless)
    review = decide(ask(patient, treatment))
    visit = make_appointment(
        patient=patient, treatment=treatment, area=area(), review=review, status="arrived", starts_at=NOW + 9 * DAY
    )
    with heard() as told:
        found = chair.record_recheck(
            patient, {**quiet, **given}, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY
        )
    assert found.effect == effect
    assert [t["outcome"] for t in told] == ["superseded"]
    assert not clearance.clearance_for(patient, treatment, area=area(), on=VISIT, now=NOW).cleared
    visit.refresh_from_db()
    assert visit.status == "pending"


COLD_SORES = {"cold-sores": "before", "cold-sores-kidney-or-allergy": "no"}
SPOTS = {"active-acne": "a-few"}


def asked_again(patient, treatment, questionnaire, harmless, quiet, practitioner, *, then, now_said, outcome="cleared"):
    """A visit that a clinician said yes to on `then`, and the re-check of its day with `now_said`."""
    waits(patient, treatment, questionnaire, {**harmless, **then})
    review = decide(ask(patient, treatment), outcome)
    visit = make_appointment(
        patient=patient, treatment=treatment, area=area(), review=review, status="arrived", starts_at=NOW + 9 * DAY
    )
    quietly = clearance.recheck(
        patient, {**quiet, **now_said}, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY
    )
    visit.refresh_from_db()
    assert quietly is (visit.status == "arrived")
    assert quietly is clearance.clearance_for(patient, treatment, area=area(), on=VISIT, now=NOW + 9 * DAY).cleared
    return quietly


@pytest.mark.parametrize(
    ("then", "now_said"),
    [
        (COLD_SORES, COLD_SORES),
        (COLD_SORES | {"cold-sores-per-year": 2}, COLD_SORES | {"cold-sores-per-year": 2}),
        (COLD_SORES | {"cold-sores-per-year": 2}, COLD_SORES),
        (SPOTS, SPOTS),
        (COLD_SORES | SPOTS, SPOTS | COLD_SORES),
    ],
)
def test_what_a_clinician_has_accepted_is_no_news_at_the_chair(
    patient, treatment, questionnaire, harmless, quiet, practitioner, then, now_said
):
    assert asked_again(patient, treatment, questionnaire, harmless, quiet, practitioner, then=then, now_said=now_said)


NOT_SURE = {"sun-tan": "not-sure"}


@pytest.mark.parametrize(
    ("then", "now_said"),
    [
        ({}, COLD_SORES),
        (COLD_SORES, {"cold-sores": "now"}),
        (COLD_SORES, COLD_SORES | {"cold-sores-kidney-or-allergy": "yes"}),
        (COLD_SORES | {"cold-sores-per-year": 2}, COLD_SORES | {"cold-sores-per-year": 9}),
        (COLD_SORES, COLD_SORES | {"cold-sores-per-year": 9}),
        (COLD_SORES, COLD_SORES | {"pregnancy": "might-be"}),
        (COLD_SORES, COLD_SORES | {"recheck-unwell": "yes", "recheck-unwell-fever": "no"}),
        (SPOTS, {"active-acne": "many", "active-acne-treatment": "no"}),
        (SPOTS, {"active-acne": "not-sure"}),
        (NOT_SURE, NOT_SURE),
    ],
)
def test_anything_said_differently_is_news(
    patient, treatment, questionnaire, harmless, quiet, practitioner, then, now_said
):
    assert not asked_again(
        patient, treatment, questionnaire, harmless, quiet, practitioner, then=then, now_said=now_said
    )


def test_what_one_decision_accepted_is_news_for_another_without_words_about_it(
    patient, treatment, questionnaire, harmless, quiet, practitioner
):
    """A wait that another clinician cleared without a word about the cold sores, on the same answers."""
    given = {**harmless, **COLD_SORES, "treatment-area": ["face", "chest"]}
    waits(patient, treatment, questionnaire, given)
    decide(ask(patient, treatment))
    other = decide(ask(patient, treatment, code="chest"))
    said = {**quiet, **COLD_SORES}
    words = sealing.words_of(other) | {"reasons": {}}
    sealed = sealing.seal(other.response, sealing.words_purpose(uuid.UUID(int=7)), words)
    fields = {name: getattr(other, name) for name in ("response", "assessment", "patient", "treatment", "area")}
    fields |= {name: getattr(other, name) for name in ("outcome", "valid_from", "valid_until", "decided_by")}
    Review.objects.create(uuid=uuid.UUID(int=7), words=sealed, decided_at=NOW, **fields)
    assert not clearance.recheck(patient, said, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY)


def test_a_wait_is_news_even_with_words_about_it(patient, treatment, questionnaire, harmless, quiet, practitioner):
    """Cleared for a day after it; the visit was moved into it."""
    many = {"active-acne": "many", "active-acne-treatment": "no"}
    assert not asked_again(patient, treatment, questionnaire, harmless, quiet, practitioner, then=many, now_said=many)


def test_a_later_no_makes_news_of_what_was_accepted(patient, treatment, questionnaire, harmless, quiet, practitioner):
    waits(patient, treatment, questionnaire, {**harmless, **COLD_SORES})
    decide(ask(patient, treatment))
    decide(ask(patient, treatment), "needs-information")
    said = {**quiet, **COLD_SORES}
    assert not clearance.recheck(patient, said, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY)


def test_words_that_cannot_be_read_make_everything_news(
    patient, treatment, questionnaire, harmless, quiet, practitioner, monkeypatch
):
    waits(patient, treatment, questionnaire, {**harmless, **COLD_SORES})
    decide(ask(patient, treatment))

    def broken(review):
        raise sealing.SealBroken("gone")

    monkeypatch.setattr(sealing, "words_of", broken)
    said = {**quiet, **COLD_SORES}
    assert not clearance.recheck(patient, said, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW + 9 * DAY)


BLISTER = {"recheck-problems": "yes", "recheck-problems-what": "a blister, gone after 2 days"}


@pytest.fixture
def after_a_problem(patient, treatment, questionnaire, harmless, quiet, practitioner):
    """A problem was told at the chair, all was answered again, a clinician said yes; what it gives asks once more."""
    waits(patient, treatment, questionnaire, harmless)
    decide(ask(patient, treatment))

    def told(day, **said):
        given = {**quiet, **{link_id.replace("_", "-"): value for link_id, value in said.items()}}
        now = NOW + day * DAY
        return clearance.recheck(patient, given, visit=VISIT_UUID, by=practitioner, today=now.date(), now=now)

    assert not told(1, **BLISTER)
    answer(questionnaire, harmless, patient, now=NOW + 2 * DAY)
    decide(ask(patient, treatment, now=NOW + 2 * DAY), now=NOW + 2 * DAY)
    return told


def test_a_problem_that_a_clinician_read_of_and_said_yes_to_is_no_news(after_a_problem):
    """Else whoever had one could never be treated again, and would learn to say "no"."""
    assert after_a_problem(3, **BLISTER)
    assert after_a_problem(3, **BLISTER)  # twice on one day: nobody was treated in between on another
    assert not after_a_problem(30, **BLISTER)  # the last session is another one now


@pytest.mark.parametrize(
    "said",
    [
        BLISTER | {"recheck-problems-what": "a blister"},
        {"recheck-problems": "not-sure"},
        BLISTER | {"recheck-unwell": "yes", "recheck-unwell-fever": "no"},
        BLISTER | {"recheck-new-medicine-or-diagnosis": "yes", "recheck-new-medicine-or-diagnosis-what": "a tablet"},
        BLISTER | COLD_SORES,
        BLISTER | {"pregnancy": "yes"},
    ],
)
def test_a_problem_told_differently_or_with_anything_more_is_news(after_a_problem, said):
    assert not after_a_problem(3, **said)


@pytest.mark.parametrize(
    "said", [{"recheck-unwell": "yes", "recheck-unwell-fever": "no"}, {"recheck-problems": "not-sure"}]
)
def test_only_a_problem_after_the_last_session_can_be_read_of_once(
    patient, treatment, questionnaire, harmless, after_a_problem, said
):
    """Unwell is asked of today; and who is not sure is asked again."""
    assert not after_a_problem(3, **said)
    answer(questionnaire, harmless, patient, now=NOW + 4 * DAY)
    decide(ask(patient, treatment, now=NOW + 4 * DAY), now=NOW + 4 * DAY)
    assert not after_a_problem(5, **said)


def test_without_a_yes_since_a_problem_stays_news(patient, treatment, questionnaire, harmless, after_a_problem):
    answer(questionnaire, harmless, patient, now=NOW + 3 * DAY)  # a form further on: nobody has said yes to these
    assert not after_a_problem(3, **BLISTER)


def test_a_session_stays_between_when_its_quiet_recheck_is_withdrawn(patient, clinician, after_a_problem):
    assert after_a_problem(3, **BLISTER)
    quietly = QuestionnaireResponse.objects.filter(patient=patient, reopens=False).latest("id")
    reviews.mark_in_error(quietly, by=clinician, now=NOW + 4 * DAY)
    assert not after_a_problem(30, **BLISTER)


def test_a_problem_that_was_withdrawn_is_news(patient, clinician, after_a_problem):
    told = QuestionnaireResponse.objects.filter(patient=patient, questionnaire__purpose="recheck").latest("id")
    reviews.mark_in_error(told, by=clinician, now=NOW + 2 * DAY)
    assert not after_a_problem(3, **BLISTER)


def test_a_recheck_with_a_gap_is_not_stored(patient, treatment, questionnaire, harmless, quiet, practitioner):
    waits(patient, treatment, questionnaire, harmless)
    before = QuestionnaireResponse.objects.count()
    missing = {key: value for key, value in quiet.items() if key != "pregnancy"}
    error = refused(chair.record_recheck, patient, missing, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW)
    assert list(error.message_dict) == ["pregnancy"]
    refused(
        chair.record_recheck,
        patient,
        {**quiet, "no-such": "yes"},
        visit=VISIT_UUID,
        by=practitioner,
        today=VISIT,
        now=NOW,
    )
    assert QuestionnaireResponse.objects.count() == before


@pytest.mark.parametrize("role", ["Front desk", "Content editor", "Manager", None])
def test_nobody_else_records_it(patient, questionnaire, quiet, role):
    refused(chair.record_recheck, patient, quiet, visit=VISIT_UUID, by=make_user(role=role), today=VISIT, now=NOW)


def test_without_a_published_recheck_nobody_is_checked_in(patient, questionnaire, practitioner):
    refused(chair.record_recheck, patient, {}, visit=VISIT_UUID, by=practitioner, today=VISIT, now=NOW)


# ---------------------------------------------------------------- withdrawing


def test_withdrawn_answers_are_told_and_leave_the_list(patient, treatment, questionnaire, harmless, clinician):
    request = waits(patient, treatment, questionnaire, harmless)
    with heard() as told:
        reviews.mark_in_error(request.response, by=clinician, now=NOW)
    assert [(t["outcome"], t["treatment"], t["by"]) for t in told] == [("withdrawn", None, clinician)]
    assert not reviews.worklist().exists()
    stored = QuestionnaireResponse.objects.get(pk=request.response_id)
    assert (stored.status, stored.entered_in_error_by) == ("entered-in-error", clinician)
    refused(reviews.mark_in_error, stored, by=clinician, now=NOW)


@pytest.mark.parametrize("role", ["Front desk", "Practitioner", "Content editor", "Manager", None])
def test_only_clinicians_withdraw(patient, questionnaire, harmless, role):
    response = answer(questionnaire, harmless, patient)
    refused(reviews.mark_in_error, response, by=make_user(role=role), now=NOW)


def test_ones_own_record_made_at_the_desk_is_ones_own(treatment, questionnaire, harmless, clinician):
    """Staff sign in as staff: their record as a patient has no login, but their address."""
    patient = make_patient(email=clinician.email.upper())
    request = waits(patient, treatment, questionnaire, harmless)
    assert "your own answers" in refused(decide, request, by=clinician).messages[0]
    assert "your own answers" in refused(reviews.mark_in_error, request.response, by=clinician, now=NOW).messages[0]
    nameless = waits(make_patient(email=""), treatment, questionnaire, harmless)
    assert decide(nameless, by=clinician)


def test_nobody_withdraws_their_own(questionnaire, harmless, clinician):
    response = answer(questionnaire, harmless, make_patient(user=clinician))
    refused(reviews.mark_in_error, response, by=clinician, now=NOW)


def test_a_refusal_of_the_database_is_a_sentence(patient, treatment, questionnaire, harmless, monkeypatch):
    """Should the verb forget to ask, the wall still stands, and the clinician reads words."""
    request = waits(patient, treatment, questionnaire, harmless)
    manager = make_user(role="Manager")
    assessment = reviews.stored_assessment(request.response, on=VISIT, now=NOW)
    monkeypatch.setattr(reviews, "may_decide", lambda user: True)
    error = refused(
        reviews.decide,
        request,
        outcome="cleared",
        by=manager,
        now=NOW,
        assessment=assessment,
        reasons={},
        statement="x",
    )
    assert error.messages == ["Only an active clinician decides."]
    with pytest.raises(IntegrityError), transaction.atomic():
        Review.objects.create(
            response=request.response,
            assessment=assessment,
            patient=patient,
            treatment=treatment,
            area=area(),
            outcome="not-suitable",
            words=b"x",
            decided_by=manager,
            decided_at=NOW,
        )
