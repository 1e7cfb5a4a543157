"""A response: begun, saved, finished, forgotten; every word sealed, nothing presumed."""

import json
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from clinic.models import Patient
from screening import clearance, finished
from screening import responses as verbs
from screening.models import Assessment, DataKey, Questionnaire, QuestionnaireResponse
from screening.sealing import SealBroken, unseal
from tests.make import NOW, TODAY, make_patient, make_questionnaire

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)
BIRTH = date(1990, 5, 4)


def begin(questionnaire, treatment=None, *, now=NOW, **fields):
    return verbs.start(questionnaire=questionnaire, treatment=treatment, privacy_version="1", now=now, **fields)


def finish(questionnaire, answers, *, now=NOW, patient=None, **fields):
    response = begin(questionnaire, now=now, patient=patient)
    verbs.save_answers(response, answers, now=now)
    return verbs.complete(response, today=now.date(), now=now, **fields)


def stored(response):
    return QuestionnaireResponse.objects.get(pk=response.pk)


# ---------------------------------------------------------------- begun


def test_a_new_response_has_no_answers(questionnaire, treatment):
    response = begin(questionnaire, treatment)
    assert finished.answers_of(stored(response)) == {}
    assert (response.status, response.treatment, response.privacy_version) == ("in-progress", treatment, "1")
    assert response.agreed_at == response.started_at == response.seen_at == NOW
    assert DataKey.objects.filter(response=response).count() == 1


def test_a_retired_questionnaire_cannot_be_begun(questionnaire):
    Questionnaire.objects.filter(pk=questionnaire.pk).update(status="retired", retired_at=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        begin(questionnaire)


# ---------------------------------------------------------------- saved


def test_what_was_saved_comes_back_and_nothing_else(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"age-date-of-birth": "1990-05-04"}, now=NOW)
    verbs.save_answers(response, {"keloid": "no", "treatment-area": ["face", "neck"]}, now=LATER)
    assert finished.answers_of(stored(response)) == {
        "age-date-of-birth": "1990-05-04",
        "treatment-area": ["face", "neck"],
        "keloid": "no",
    }
    assert stored(response).seen_at == LATER


def test_a_question_that_was_not_answered_is_missing_not_no(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"keloid": None, "rosacea": "", "treatment-area": [], "eczema": "no"}, now=NOW)
    assert finished.answers_of(response) == {"eczema": "no"}


def test_none_takes_an_answer_away(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"keloid": "no"}, now=NOW)
    verbs.save_answers(response, {"keloid": None}, now=NOW)
    assert "keloid" not in finished.answers_of(stored(response))


def test_a_follow_up_goes_with_the_answer_that_called_for_it(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(
        response,
        {
            "active-acne": "many",
            "active-acne-treatment": "yes",
            "active-acne-treatment-what": "a cream",
            "cold-sores-per-year": 3,
        },
        now=NOW,
    )
    assert set(finished.answers_of(response)) == {"active-acne", "active-acne-treatment", "active-acne-treatment-what"}
    verbs.save_answers(response, {"active-acne": "none"}, now=NOW)
    assert finished.answers_of(stored(response)) == {"active-acne": "none"}


def test_a_question_that_does_not_exist_is_refused_and_nothing_is_written(questionnaire):
    response = begin(questionnaire)
    before = bytes(stored(response).document)
    with pytest.raises(ValueError):
        verbs.save_answers(response, {"keloid": "no", "star-sign": "leo"}, now=NOW)
    assert bytes(stored(response).document) == before


def test_saving_while_away_does_not_count_as_being_there(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"keloid": "no"}, now=LATER, seen=False)
    assert stored(response).seen_at == NOW
    assert finished.answers_of(stored(response)) == {"keloid": "no"}


def test_each_snapshot_keeps_the_words_that_were_shown(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"recent-procedures": ["filler", "waxing"]}, now=NOW)
    (item,) = finished.items_of(stored(response))
    question = questionnaire.definition().by_link_id["recent-procedures"]
    assert item["text"] == question.text and item["hint"] == question.hint and item["kind"] == "choices"
    assert item["labels"] == ["Filler", "Waxing, threading or hair-removal cream"]
    assert (item["questionnaire"], item["version"], item["section"]) == ("microneedling", 1, "Medicines and treatments")
    assert item["language"] == "en-gb"


def test_the_raw_rows_hold_no_answer(questionnaire, harmless):
    answers = harmless | {"other-health": "yes", "other-health-what": "Xylophonitis"}
    response = finish(questionnaire, answers)
    finished.assess_on(response, on=TODAY, now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_jsonb(r)::text FROM screening_questionnaireresponse r WHERE id = %s", [response.pk])
        row = cursor.fetchone()[0]
        cursor.execute("SELECT document FROM screening_questionnaireresponse WHERE id = %s", [response.pk])
        document = bytes(cursor.fetchone()[0])
        cursor.execute("SELECT findings FROM screening_assessment WHERE response_id = %s", [response.pk])
        findings = bytes(cursor.fetchone()[0])
    for word in ("Xylophonitis", "other-health", "1990-05-04", "acne-dented", "birth"):
        assert word not in row
        assert word.encode() not in document and word.encode() not in findings
        assert word.encode().hex() not in row


# ---------------------------------------------------------------- finished


def test_finishing_keeps_the_day_and_the_declaration(questionnaire, harmless):
    response = finish(questionnaire, harmless, now=LATER, declaration="What I wrote is true.")
    row = stored(response)
    assert (row.status, row.answered_on, row.completed_at) == ("completed", TODAY, LATER)
    assert finished.answers_of(row) == harmless
    declared = unseal(row, "answers", row.document)["declaration"]
    assert declared == {
        "text": "What I wrote is true.",
        "at": LATER.isoformat(),
    }


@pytest.mark.parametrize("left_out", ["keloid", "treatment-area", "age-date-of-birth", "other-health"])
def test_missing_answers_are_named_and_nothing_is_finished(questionnaire, harmless, left_out):
    del harmless[left_out]
    response = begin(questionnaire)
    verbs.save_answers(response, harmless, now=NOW)
    with pytest.raises(verbs.Incomplete) as incomplete:
        verbs.complete(response, today=TODAY, now=NOW)
    assert incomplete.value.link_ids == (left_out,)
    assert stored(response).status == "in-progress"


@pytest.mark.parametrize(
    "changes, missing",
    [
        ({"keloid": "yes"}, ("keloid-where",)),
        ({"active-acne": "many", "active-acne-treatment": "yes"}, ("active-acne-treatment-what",)),
        ({"keloid": "perhaps"}, ("keloid",)),
        ({"isotretinoin": "yes", "isotretinoin-still": "no"}, ("isotretinoin-last-dose",)),
    ],
)
def test_missing_follow_ups_and_unreadable_answers_are_named_too(questionnaire, harmless, changes, missing):
    response = begin(questionnaire)
    verbs.save_answers(response, harmless | changes, now=NOW)
    with pytest.raises(verbs.Incomplete) as incomplete:
        verbs.complete(response, today=TODAY, now=NOW)
    assert incomplete.value.link_ids == missing


def test_sending_twice_is_sending_once(questionnaire, harmless):
    response = finish(questionnaire, harmless)
    again = verbs.complete(response, today=TODAY + timedelta(days=1), now=LATER)
    assert (again.pk, again.completed_at, again.answered_on) == (response.pk, NOW, TODAY)


def test_finished_answers_take_no_more(questionnaire, harmless):
    response = finish(questionnaire, harmless)
    with pytest.raises(verbs.AlreadySent):
        verbs.save_answers(response, {"keloid": "yes"}, now=LATER)
    assert verbs.forget(response) is False
    assert finished.answers_of(stored(response)) == harmless


def test_answers_to_replaced_questions_are_not_finished(questionnaire, harmless):
    response = begin(questionnaire)
    verbs.save_answers(response, harmless, now=NOW)
    Questionnaire.objects.filter(pk=questionnaire.pk).update(status="retired", retired_at=NOW)
    with pytest.raises(verbs.QuestionsChanged):
        verbs.complete(response, today=TODAY, now=NOW)


@pytest.mark.parametrize(
    "birth, ok",
    [("2009-03-02", False), ("2009-03-01", True), ("2027-03-01", False), ("2008-02-29", True)],
)
def test_under_18_on_the_day_of_answering_is_not_finished(questionnaire, harmless, birth, ok):
    response = begin(questionnaire)
    verbs.save_answers(response, harmless | {"age-date-of-birth": birth}, now=NOW)
    if ok:
        assert verbs.complete(response, today=TODAY, now=NOW).status == "completed"
    else:
        with pytest.raises(verbs.TooYoung):
            verbs.complete(response, today=TODAY, now=NOW)


def test_a_known_birth_date_under_18_is_not_outvoted_by_the_answer(questionnaire, harmless):
    response = begin(questionnaire, patient=make_patient(birth_date=date(2010, 1, 1)))
    verbs.save_answers(response, harmless, now=NOW)
    with pytest.raises(verbs.TooYoung):
        verbs.complete(response, today=TODAY, now=NOW)


def test_a_patients_second_answers_are_amended_and_tell_that_the_first_lost_their_place(questionnaire, harmless):
    patient = make_patient(birth_date=BIRTH)
    told = []

    def listener(sender, **change):
        told.append((change["patient"], change["outcome"]))

    clearance.clearance_changed.connect(listener)
    try:
        first = finish(questionnaire, harmless, patient=patient)
        assert told == [(patient, "answered")]
        second = finish(questionnaire, harmless | {"keloid": "not-sure"}, patient=patient, now=LATER)
    finally:
        clearance.clearance_changed.disconnect(listener)
    assert (first.status, second.status, second.supersedes) == ("completed", "amended", first)
    assert told == [(patient, "answered"), (patient, "superseded")]
    assert finished.answers_of(stored(first))["keloid"] == harmless["keloid"]  # H10: every attempt is kept


def test_a_quiet_recheck_replaces_nothing(questionnaire, harmless):
    patient = make_patient(birth_date=BIRTH)
    finish(questionnaire, harmless, patient=patient)
    quiet = finish(questionnaire, harmless, patient=patient, now=LATER, reopens=False)
    assert (quiet.status, quiet.supersedes, quiet.reopens) == ("completed", None, False)


# ---------------------------------------------------------------- forgotten


def test_forgetting_deletes_the_answers_and_their_key(questionnaire):
    response = begin(questionnaire)
    assert verbs.forget(response) is True
    assert not QuestionnaireResponse.objects.filter(pk=response.pk).exists()
    assert not DataKey.objects.filter(response_id=response.pk).exists()
    assert verbs.forget(response) is False
    with pytest.raises(verbs.AlreadySent):
        verbs.save_answers(response, {"keloid": "no"}, now=NOW)
    with pytest.raises(verbs.AlreadySent):
        verbs.complete(response, today=TODAY, now=NOW)


def test_drafts_are_forgotten_after_24_hours_and_finished_answers_are_not(questionnaire, harmless):
    old, young = begin(questionnaire), begin(questionnaire, now=NOW + timedelta(seconds=1))
    sent = finish(questionnaire, harmless)
    later = NOW + timedelta(hours=24)
    assert verbs.is_expired(old, now=later) and not verbs.is_expired(young, now=later)
    assert not verbs.is_expired(sent, now=later)
    assert verbs.forget_expired(now=later) == 1
    assert set(QuestionnaireResponse.objects.values_list("pk", flat=True)) == {young.pk, sent.pk}


# ---------------------------------------------------------------- away


def test_fifteen_minutes_without_work_ask_for_the_birth_date(questionnaire):
    response = begin(questionnaire)
    assert not finished.is_away(response, now=NOW + timedelta(minutes=15))
    assert finished.is_away(response, now=NOW + timedelta(minutes=15, seconds=1))


def test_the_right_birth_date_opens_the_answers_for_another_fifteen_minutes(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"age-date-of-birth": "1990-05-04"}, now=NOW)
    back = NOW + timedelta(hours=2)
    assert verbs.prove_birth_date(response, date(1990, 4, 5), now=back) is False
    assert verbs.prove_birth_date(response, BIRTH, now=back) is True
    row = stored(response)
    assert not finished.is_away(row, now=back) and finished.is_away(row, now=back + timedelta(minutes=16))
    assert row.data_key.wrong_birth_dates == 0


def test_three_wrong_birth_dates_delete_a_draft(questionnaire):
    response = begin(questionnaire)
    verbs.save_answers(response, {"age-date-of-birth": "1990-05-04"}, now=NOW)
    for _attempt in range(2):
        assert verbs.prove_birth_date(response, date(1991, 1, 1), now=LATER) is False
    with pytest.raises(verbs.AlreadySent):
        verbs.prove_birth_date(response, date(1991, 1, 1), now=LATER)
    assert not QuestionnaireResponse.objects.filter(pk=response.pk).exists()


def test_three_wrong_birth_dates_shut_finished_answers_but_keep_them(questionnaire, harmless):
    response = finish(questionnaire, harmless)
    for _attempt in range(2):
        verbs.prove_birth_date(response, date(1991, 1, 1), now=LATER)
    with pytest.raises(verbs.AlreadySent):
        verbs.prove_birth_date(response, date(1991, 1, 1), now=LATER)
    with pytest.raises(verbs.AlreadySent):
        verbs.prove_birth_date(response, BIRTH, now=LATER)
    assert stored(response).status == "completed"


# ---------------------------------------------------------------- assessed


def test_harmless_answers_are_assessed_and_recorded_once_a_day(questionnaire, harmless):
    response = finish(questionnaire, harmless)
    for _again in range(2):
        assert finished.assess_on(response, on=TODAY, now=NOW).effect == "none"
    finished.assess_on(response, on=TODAY + timedelta(days=7), now=NOW)
    assert list(Assessment.objects.order_by("on").values_list("on", "effect", "findings_count")) == [
        (TODAY, "none", 0),
        (TODAY + timedelta(days=7), "none", 0),
    ]


def test_the_recorded_findings_come_back_as_they_were(questionnaire, harmless):
    harmless |= {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2026-12"}
    response = finish(questionnaire, harmless | {"keloid": "yes", "keloid-where": "ear"})
    found = finished.assess_on(response, on=TODAY, now=NOW)
    row = Assessment.objects.get(response=response)
    assert finished.stored_findings(row) == found.findings
    assert (row.effect, row.override, row.earliest) == (found.effect, "O2", found.earliest)
    assert row.findings_count == len(found.findings) and row.to_address_count >= 2
    assert any(finding.until for finding in found.findings)


def test_drafts_and_mere_questions_are_not_recorded(questionnaire, harmless):
    draft = begin(questionnaire)
    assert finished.assess_on(draft, on=TODAY, now=NOW).effect == "incomplete"
    finished.assess_on(finish(questionnaire, harmless), on=TODAY, now=NOW, record=False)
    assert not Assessment.objects.exists()


def test_a_birth_date_that_differs_from_the_patients_is_found(questionnaire, harmless):
    response = finish(questionnaire, harmless, patient=make_patient(birth_date=date(1991, 5, 4)))
    found = finished.assess_on(response, on=TODAY, now=NOW)
    assert found.effect == "review" and "birth-date-differs" in [finding.rule for finding in found.findings]


def test_answers_without_a_key_block(questionnaire, harmless, caplog):
    response = finish(questionnaire, harmless)
    DataKey.objects.filter(response=response).delete()
    row = stored(response)
    found = finished.assess_on(row, on=TODAY, now=NOW)
    assert found.effect == "incomplete" and found.blocks
    assert not Assessment.objects.exists()
    assert "1990" not in caplog.text
    with pytest.raises(SealBroken):
        finished.answers_of(row)


def test_an_error_in_the_rules_blocks_and_is_not_recorded(questionnaire, harmless, monkeypatch, caplog):
    response = finish(questionnaire, harmless | {"other-health": "yes", "other-health-what": "Xylophonitis"})

    def broken(*args, **kwargs):
        raise RuntimeError("Xylophonitis")

    with monkeypatch.context() as patch:
        patch.setattr(verbs.rules, "assess", broken)
        assert finished.assess_on(response, on=TODAY, now=NOW).effect == "incomplete"
    assert "Xylophonitis" not in caplog.text
    assert not Assessment.objects.exists()
    assert finished.assess_on(response, on=TODAY, now=NOW).effect == "review"


def test_a_questionnaire_without_rules_blocks():
    questionnaire = make_questionnaire()
    response = begin(questionnaire)
    assert finished.assess_on(response, on=TODAY, now=NOW).blocks


def test_snapshots_are_json_only(questionnaire, harmless):
    response = finish(questionnaire, harmless)
    assert json.loads(json.dumps(finished.items_of(response))) == finished.items_of(response)
    assert Patient.objects.count() == 0
