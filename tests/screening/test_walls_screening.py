"""The walls of I4 and I7, tried through the ORM and in SQL as the web role, each beside a neighbour that is allowed."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from screening import responses, reviews
from screening.models import (
    Assessment,
    CoSignature,
    Questionnaire,
    QuestionnaireResponse,
    Reply,
    Review,
)
from tests.make import NOW, TODAY, area, make_clinic, make_patient, make_treatment, make_user
from tests.screening.decisions import VISIT, answer, ask, decide

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def patient():
    make_clinic()
    return make_patient()


@pytest.fixture
def clinician():
    return make_user(role="Clinician")


def sql(statement, parameters=()):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def wall(call, *arguments, **more):
    """The name of the wall that refused, or the error's code where a privilege did."""
    with pytest.raises(DatabaseError) as refused, transaction.atomic():
        call(*arguments, **more)
    diag = refused.value.__cause__.diag
    return diag.constraint_name or diag.sqlstate


INSUFFICIENT_PRIVILEGE = "42501"


def test_these_tests_speak_as_the_web_role():
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, pg_has_role(current_user, tableowner, 'MEMBER') FROM pg_tables LIMIT 1")
        assert cursor.fetchone() == ("clinic_web", False)


# ---------------------------------------------------------------- I4: questionnaires


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Another title"},
        {"version": 9},
        {"status": "draft"},
        {"rescreen": False},
        {"published_by": None},
        {"source_text": "x"},
        {"status": "retired"},  # without saying when
    ],
)
def test_a_published_questionnaire_never_changes(questionnaire, change):
    rows = Questionnaire.objects.filter(pk=questionnaire.pk)
    assert wall(rows.update, **change) == "screening_questionnaire_never_changes"
    column, value = next(iter(change.items()))
    column = "published_by_id" if column == "published_by" else column
    assert (
        wall(sql, f"UPDATE screening_questionnaire SET {column} = %s WHERE id = %s", [value, questionnaire.pk])  # noqa: S608
        == "screening_questionnaire_never_changes"
    )


@pytest.mark.parametrize(
    "table", ["screening_section", "screening_question", "screening_rule", "screening_questionnaire_treatments"]
)
def test_nor_do_its_parts(questionnaire, table):
    column = {"screening_section": "title", "screening_question": "text", "screening_rule": "effect"}.get(table)
    where = f"WHERE questionnaire_id = {questionnaire.pk}"
    assert wall(sql, f"DELETE FROM {table} {where}") == "screening_questionnaire_never_changes"  # noqa: S608
    if column:
        statement = f"UPDATE {table} SET {column} = 'none' {where}"  # noqa: S608
        assert wall(sql, statement) == "screening_questionnaire_never_changes"


def test_nor_do_its_choices_and_nothing_is_added(questionnaire):
    question = questionnaire.questions.exclude(choices=None).first()
    choice = question.choices.first()
    never = "screening_questionnaire_never_changes"
    assert wall(question.choices.filter(pk=choice.pk).update, label="Something else") == never
    assert wall(choice.delete) == never
    assert wall(question.choices.create, order=99, code="x", label="x") == never
    assert wall(questionnaire.rules.create, order=999, code="x", condition={}, effect="none") == never
    assert wall(questionnaire.treatments.add, make_treatment()) == never


def test_a_published_questionnaire_is_never_deleted(questionnaire):
    never = "screening_questionnaire_never_changes"
    assert wall(questionnaire.delete) == never
    assert wall(sql, "DELETE FROM screening_questionnaire WHERE id = %s", [questionnaire.pk]) == never


def test_a_draft_may_change_and_go(questionnaire):
    draft = Questionnaire.objects.create(name="draft", version=1, title="x")
    assert Questionnaire.objects.filter(pk=draft.pk).update(title="y") == 1
    assert sql("DELETE FROM screening_questionnaire WHERE id = %s", [draft.pk]) == 1


def test_a_published_one_may_be_retired_once(questionnaire):
    rows = Questionnaire.objects.filter(pk=questionnaire.pk)
    assert rows.update(status="retired", retired_at=NOW) == 1
    assert wall(rows.update, status="active", retired_at=None) == "screening_questionnaire_never_changes"


def test_nothing_is_born_published():
    fields = {"name": "x", "version": 1, "title": "x", "status": "active"}
    lead, other = make_user(role="Lead clinician"), make_user(role="Lead clinician")
    fields |= {"proposed_by": other, "published_by": lead, "published_at": NOW}
    assert wall(Questionnaire.objects.create, **fields) == "screening_questionnaire_begins_as_draft"


@pytest.mark.parametrize("role", ["Clinician", "Manager", None])
def test_only_a_lead_publishes_and_only_anothers(role):
    draft = Questionnaire.objects.create(name="x", version=1, title="x")
    rows = Questionnaire.objects.filter(pk=draft.pk)
    lead, other = make_user(role="Lead clinician"), make_user(role=role)
    publish = {"status": "active", "published_at": NOW}
    assert wall(rows.update, published_by=other, proposed_by=lead, **publish) == "screening_questionnaire_publisher_may"
    assert (
        wall(rows.update, published_by=lead, proposed_by=lead, **publish)
        == "screening_questionnaire_two_people_publish"
    )
    assert wall(rows.update, published_by=lead, **publish) == "screening_questionnaire_published_by_name"
    may_propose = role == "Clinician"
    if may_propose:
        assert rows.update(published_by=lead, proposed_by=other, **publish) == 1
    else:
        refused = wall(rows.update, published_by=lead, proposed_by=other, **publish)
        assert refused == "screening_questionnaire_proposer_may"


@pytest.mark.parametrize("role", ["Front desk", "Practitioner", "Content editor", "Manager", None])
def test_only_a_clinician_proposes_what_is_published(role):
    """Two people stand behind a questionnaire; a name of somebody who may not propose is not the second."""
    draft = Questionnaire.objects.create(name="x", version=1, title="x", proposed_by=make_user(role=role))
    statement = (
        "UPDATE screening_questionnaire SET status = 'active', published_by_id = %s, published_at = %s,"
        " proposed_by_id = %s WHERE id = %s"
    )
    lead, clinician, left = (make_user(role=role) for role in ("Lead clinician", "Clinician", "Clinician"))
    type(left).objects.filter(pk=left.pk).update(is_active=False)
    for nobody in (draft.proposed_by_id, left.pk):
        assert wall(sql, statement, [lead.pk, NOW, nobody, draft.pk]) == "screening_questionnaire_proposer_may"
    assert sql(statement, [lead.pk, NOW, clinician.pk, draft.pk]) == 1


# ---------------------------------------------------------------- I4: answers


@pytest.mark.parametrize(
    "change",
    [
        {"document": b"other"},
        {"answered_on": TODAY - DAY},
        {"completed_at": NOW - DAY},
        {"reopens": False},
        {"privacy_version": "2"},
        {"status": "in-progress"},
        {"status": "amended"},
        {"status": "entered-in-error"},  # without who and when
    ],
)
def test_answers_that_were_sent_never_change(questionnaire, harmless, change):
    response = answer(questionnaire, harmless)
    rows = QuestionnaireResponse.objects.filter(pk=response.pk)
    assert wall(rows.update, **change) in (
        "screening_response_never_changes",
        "screening_response_error_has_who_and_when",
    )
    column, value = next(iter(change.items()))
    statement = f"UPDATE screening_questionnaireresponse SET {column} = %s WHERE id = %s"  # noqa: S608
    assert wall(sql, statement, [value, response.pk]) in (
        "screening_response_never_changes",
        "screening_response_error_has_who_and_when",
    )


@pytest.mark.parametrize(("days", "allowed"), [(-2, False), (-1, True), (0, True), (1, True), (2, False), (400, False)])
def test_answers_count_from_the_day_they_were_sent(questionnaire, harmless, days, allowed):
    """The 90 days begin at `answered_on`: the local day, so at most one from the day in UTC."""
    draft = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    finish = QuestionnaireResponse.objects.filter(pk=draft.pk).update
    values = {"status": "completed", "completed_at": NOW, "answered_on": TODAY + days * DAY}
    if allowed:
        assert finish(**values) == 1
    else:
        assert wall(finish, **values) == "screening_response_answered_on_its_day"


def test_answers_that_were_sent_never_go(questionnaire, harmless):
    response = answer(questionnaire, harmless)
    never = "screening_response_never_changes"
    assert wall(sql, "DELETE FROM screening_questionnaireresponse WHERE id = %s", [response.pk]) in (
        never,
        "screening_datakey_response_id_fk",
    )
    assert wall(QuestionnaireResponse.objects.filter(pk=response.pk)._raw_delete, "default") == never


def test_they_get_a_patient_once(questionnaire, harmless, patient):
    response = answer(questionnaire, harmless)
    rows = QuestionnaireResponse.objects.filter(pk=response.pk)
    assert rows.update(patient=patient) == 1
    never = "screening_response_never_changes"
    assert wall(rows.update, patient=make_patient()) == never
    assert wall(rows.update, patient=None) == never


def test_they_may_be_marked_in_error_once_with_who_and_when(questionnaire, harmless, clinician):
    response = answer(questionnaire, harmless)
    rows = QuestionnaireResponse.objects.filter(pk=response.pk)
    marked = {"status": "entered-in-error", "entered_in_error_at": NOW, "entered_in_error_by": clinician}
    assert rows.update(**marked) == 1
    never = "screening_response_never_changes"
    assert wall(rows.update, status="completed", entered_in_error_at=None, entered_in_error_by=None) == never
    assert wall(rows.update, entered_in_error_at=NOW + DAY) == never


def test_unfinished_answers_may_change_and_go(questionnaire):
    response = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW)
    rows = QuestionnaireResponse.objects.filter(pk=response.pk)
    assert rows.update(document=b"other") == 1
    assert responses.forget(response)
    assert not rows.exists()


def test_only_an_active_questionnaire_is_filled_in(questionnaire):
    draft = Questionnaire.objects.create(name="x", version=1, title="x")
    fields = {"started_at": NOW, "seen_at": NOW, "agreed_at": NOW, "privacy_version": "1", "document": b"x"}
    create = QuestionnaireResponse.objects.create
    assert wall(create, questionnaire=draft, **fields) == "screening_response_questionnaire_active"
    assert create(questionnaire=questionnaire, **fields).pk


# ---------------------------------------------------------------- I4: what is only ever added


@pytest.mark.parametrize(
    ("model", "change"),
    [
        (Assessment, {"effect": "none"}),
        (Assessment, {"override": ""}),
        (Review, {"outcome": "cleared"}),
        (Review, {"words": b"other"}),
        (CoSignature, {"words": b"other"}),
        (Reply, {"text": b"other"}),
    ],
)
def test_records_are_kept_as_they_were_written(patient, treatment, questionnaire, harmless, model, change):
    answer(questionnaire, {**harmless, "diabetes": "yes", "diabetes-controlled": "yes"}, patient)
    review = decide(ask(patient, treatment), "needs-information")
    CoSignature.objects.create(review=review, signed_by=make_user(role="Clinician"), signed_at=NOW, words=b"x")
    Reply.objects.create(review=review, text=b"x", created_at=NOW)
    rows = model.objects.all()
    assert rows.count() == 1
    assert wall(rows.update, **change) == INSUFFICIENT_PRIVILEGE
    assert wall(rows._raw_delete, "default") == INSUFFICIENT_PRIVILEGE
    table = model._meta.db_table
    assert wall(sql, f"DELETE FROM {table}") == INSUFFICIENT_PRIVILEGE  # noqa: S608
    assert wall(sql, f"TRUNCATE {table} CASCADE") == INSUFFICIENT_PRIVILEGE
    assert wall(sql, f"ALTER TABLE {table} DISABLE TRIGGER ALL") == INSUFFICIENT_PRIVILEGE


@pytest.mark.parametrize("table", ["assessment", "review", "cosignature", "reply"])
def test_even_the_owner_meets_a_trigger(patient, treatment, questionnaire, harmless, table):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "needs-information")
    CoSignature.objects.create(review=review, signed_by=make_user(role="Clinician"), signed_at=NOW, words=b"x")
    Reply.objects.create(review=review, text=b"x", created_at=NOW)
    sql("RESET ROLE")
    never = f"screening_{table}_never_changes"
    assert wall(sql, f"DELETE FROM screening_{table}") == never  # noqa: S608
    assert wall(sql, f"UPDATE screening_{table} SET id = id + 1000") == never  # noqa: S608


# ---------------------------------------------------------------- I7: who decides


def review_fields(response, assessment, by, **more):
    return {
        "response": response,
        "assessment": assessment,
        "patient": response.patient,
        "treatment": make_treatment(),
        "area": area(),
        "outcome": "cleared",
        "valid_from": TODAY,
        "valid_until": TODAY + 90 * DAY,
        "words": b"x",
        "decided_by": by,
        "decided_at": NOW,
        **more,
    }


def assessed(questionnaire, answers, patient):
    response = answer(questionnaire, answers, patient)
    return response, reviews.stored_assessment(response, on=VISIT, now=NOW)


@pytest.mark.parametrize("role", ["Front desk", "Practitioner", "Content editor", "Manager", None])
def test_only_a_clinicians_review_is_stored(questionnaire, harmless, patient, clinician, role):
    response, assessment = assessed(questionnaire, harmless, patient)
    by = make_user(role=role, is_superuser=True)
    assert wall(Review.objects.create, **review_fields(response, assessment, by)) == "screening_review_by_a_clinician"
    assert Review.objects.create(**review_fields(response, assessment, clinician)).pk


def test_a_permission_of_ones_own_is_not_a_role(questionnaire, harmless, patient):
    from django.contrib.auth.models import Permission

    response, assessment = assessed(questionnaire, harmless, patient)
    by = make_user(role="Manager")
    by.user_permissions.add(Permission.objects.get(codename="decide", content_type__app_label="screening"))
    assert wall(Review.objects.create, **review_fields(response, assessment, by)) == "screening_review_by_a_clinician"


def test_somebody_who_left_signs_nothing(questionnaire, harmless, patient):
    response, assessment = assessed(questionnaire, harmless, patient)
    gone = make_user(role="Clinician", is_active=False)
    assert wall(Review.objects.create, **review_fields(response, assessment, gone)) == "screening_review_by_a_clinician"


def test_nobody_reviews_their_own(questionnaire, harmless, clinician):
    make_clinic()
    response, assessment = assessed(questionnaire, harmless, make_patient(user=clinician))
    fields = review_fields(response, assessment, clinician)
    assert wall(Review.objects.create, **fields) == "screening_review_not_ones_own"
    fields |= {"outcome": "not-suitable", "valid_from": None, "valid_until": None}
    assert wall(Review.objects.create, **fields) == "screening_review_not_ones_own"
    assert Review.objects.create(**{**fields, "decided_by": make_user(role="Clinician")}).pk


def test_the_parts_of_a_review_belong_together(questionnaire, harmless, patient, clinician):
    response, assessment = assessed(questionnaire, harmless, patient)
    other, others = assessed(questionnaire, harmless, make_patient())
    create, together = Review.objects.create, "screening_review_parts_belong_together"
    assert wall(create, **review_fields(response, others, clinician)) == together
    assert wall(create, **review_fields(response, assessment, clinician, patient=other.patient)) == together
    anonymous = answer(questionnaire, harmless)
    no_ones = reviews.stored_assessment(anonymous, on=VISIT, now=NOW)
    assert wall(create, **review_fields(anonymous, no_ones, clinician, patient=patient)) == together
    assert create(**review_fields(response, assessment, clinician)).pk


@pytest.mark.parametrize("given", [{"pregnancy": "yes"}, {"cold-sores": "now"}])
def test_o0_is_cleared_by_nobody(questionnaire, harmless, patient, given):
    response, assessment = assessed(questionnaire, {**harmless, **given}, patient)
    assert assessment.override == "O0"
    for role in ("Clinician", "Lead clinician"):
        fields = review_fields(response, assessment, make_user(role=role))
        assert wall(Review.objects.create, **fields) == "screening_review_o0_never"
    fields |= {"outcome": "not-suitable", "valid_from": None, "valid_until": None}
    assert Review.objects.create(**fields).pk


def test_o2_is_the_leads_and_a_second_clinicians(questionnaire, harmless, patient, clinician):
    response, assessment = assessed(questionnaire, {**harmless, "keloid": "yes", "keloid-where": "ear"}, patient)
    lead = make_user(role="Lead clinician")
    fields = review_fields(response, assessment, clinician)
    assert wall(Review.objects.create, **fields) == "screening_review_o2_by_the_lead"
    review = Review.objects.create(**{**fields, "decided_by": lead})
    sign = CoSignature.objects.create
    another = "screening_cosignature_by_another_clinician"
    assert wall(sign, review=review, signed_by=lead, signed_at=NOW, words=b"x") == another
    for role in ("Practitioner", "Manager", "Front desk"):
        assert wall(sign, review=review, signed_by=make_user(role=role), signed_at=NOW, words=b"x") == another

    def clears():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT screening_review_clears(%s, %s, %s, %s, %s)",
                [review.pk, patient.pk, review.treatment_id, review.area_id, VISIT],
            )
            return cursor.fetchone()[0]

    assert not clears()
    sign(review=review, signed_by=clinician, signed_at=NOW, words=b"x")
    assert clears()


def test_90_days_at_most(questionnaire, harmless, patient, clinician):
    response, assessment = assessed(questionnaire, harmless, patient)
    create, limit = Review.objects.create, "screening_review_90_days"
    assert wall(create, **review_fields(response, assessment, clinician, valid_until=TODAY + 91 * DAY)) == limit
    assert wall(create, **review_fields(response, assessment, clinician, valid_from=TODAY - DAY)) == limit
    assert create(**review_fields(response, assessment, clinician)).valid_until == TODAY + 90 * DAY


def test_what_clears_has_days_and_what_does_not_has_none(questionnaire, harmless, patient, clinician):
    response, assessment = assessed(questionnaire, harmless, patient)
    create, days = Review.objects.create, "screening_review_clearing_has_days"
    assert wall(create, **review_fields(response, assessment, clinician, valid_from=None)) == days
    assert wall(create, **review_fields(response, assessment, clinician, outcome="not-suitable")) == days
    fields = review_fields(response, assessment, clinician, deferred_until=VISIT)
    assert wall(create, **fields) == "screening_review_until_only_deferred"
