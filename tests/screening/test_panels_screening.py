"""What a patient reads about their own answers on /my/ and on the page of a decision."""

from datetime import timedelta

import pytest
from django.urls import reverse

from screening import panels, reviews
from screening.models import Questionnaire, Review
from tests.make import NOW, TODAY, make_clinic, make_location, make_patient, make_user
from tests.screening.decisions import answer, ask, decide

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
NEVER = ["safe", "cleared", "passed", "perfect", "flaw", "imperfection", "suffer", "transform", "painless", "permanent"]


@pytest.fixture
def patient():
    make_clinic(phone="+442079460000")
    return make_patient(user=make_user())


def mine(patient, rf, now=NOW):
    request = rf.get("/my/")
    request.user = patient.user
    return panels.my_answers(request, now)


def states(context):
    return [row.state for row in context["rows"]]


def test_without_answers_there_is_no_panel(patient, rf):
    assert mine(patient, rf) is None
    request = rf.get("/my/")
    request.user = make_user(role="Clinician")
    assert panels.my_answers(request, NOW) is None


def test_answers_that_wait_say_until_when(patient, treatment, questionnaire, harmless, rf):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    request.answer_by = NOW + timedelta(days=1, hours=8)
    request.save(update_fields=["answer_by"])
    context = mine(patient, rf)
    assert states(context) == ["A clinician has your answers"]
    assert context["rows"][0].more == "We answer by Tuesday 2 March, 17:00."
    assert context["last_day"] == TODAY + 90 * DAY
    request.location = make_location(time_zone="Europe/Malta")
    request.save(update_fields=["location"])
    assert mine(patient, rf)["rows"][0].more == "We answer by Tuesday 2 March, 18:00."
    make_location()
    assert mine(patient, rf)["rows"][0].more == "We answer by Tuesday 2 March, 18:00 (Malta time)."


@pytest.mark.parametrize(
    ("outcome", "state", "link"),
    [
        ("cleared", "A clinician said yes", ""),
        ("cleared-with-conditions", "A clinician said yes", ""),
        ("needs-information", "A clinician has a question for you", "screening:reply"),
        ("deferred", "Not yet", "screening:decision"),
        ("consultation-required", "A clinician would like to see you first", "screening:decision"),
        ("not-suitable", "Not right for you at the moment", "screening:decision"),
    ],
)
def test_each_decision_has_its_words_and_its_next_step(
    patient, treatment, questionnaire, harmless, rf, outcome, state, link
):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), outcome)
    context = mine(patient, rf)
    assert states(context) == [state]
    assert context["rows"][0].link == (reverse(link, args=[review.uuid]) if link else "")
    assert (context["last_day"] is not None) is (outcome in Review.CLEARING)


def test_old_answers_and_new_questions_ask_to_answer_again(patient, treatment, questionnaire, harmless, rf):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))
    assert mine(patient, rf, NOW + 90 * DAY)["again"] is False
    assert mine(patient, rf, NOW + 91 * DAY)["again"] is True
    make_location(time_zone="Pacific/Honolulu")  # where the 90th day is not over
    assert mine(patient, rf, NOW + 91 * DAY)["again"] is False
    Questionnaire.objects.create(name=questionnaire.name, version=2, title="x")
    assert mine(patient, rf)["again"] is False  # a draft changes nothing


def test_the_panel_is_on_the_patients_own_page(client, patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment), "not-suitable")
    client.force_login(patient.user)
    assert "Not right for you at the moment" in client.get(reverse("my")).content.decode()


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("deferred", "Not yet: please wait"),
        ("consultation-required", "We would like to see you first"),
        ("not-suitable", "This treatment is not right for you at the moment"),
    ],
)
def test_a_no_comes_with_reasons_and_somebody_to_call(
    client, patient, treatment, questionnaire, harmless, outcome, words
):
    answer(
        questionnaire, {**harmless, "rosacea": "past", "rosacea-where": "cheeks", "rosacea-last-flare": "2012"}, patient
    )
    note = "I doubt that she told us everything."
    review = decide(ask(patient, treatment), outcome, statement=note, reasons={"rosacea-past": "Hm, risky."})
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    for expected in (words, "Rosacea in the past", "+44 20 7946 0000", reverse("callback"), str(review.decided_by)):
        assert expected in page
    for hidden in (note, "Hm, risky.", "cheeks"):
        assert hidden not in page
    text = page.split("<main")[1].lower()
    assert [word for word in NEVER if word in text] == []


EXPLAINED = "Your skin is <sore>.\n\nWe would like it calm first."


def test_a_refusal_is_explained_to_the_patient_and_to_clinicians(client, patient, treatment, questionnaire, harmless):
    response = answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "not-suitable", explanation=EXPLAINED)
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert "<p>Your skin is &lt;sore&gt;.</p>" in page and "We would like it calm first." in page
    client.force_login(make_user(role="Clinician"))
    history = client.get(reverse("admin:screening_questionnaireresponse_change", args=[response.uuid]))
    assert "Your skin is &lt;sore&gt;." in history.content.decode()
    review.response.data_key.delete()
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid]))
    assert page.status_code == 200 and "sore" not in page.content.decode()


def test_decisions_from_before_there_were_explanations_are_shown_without(
    client, patient, treatment, questionnaire, harmless, monkeypatch
):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "not-suitable")
    old = {"statement": "I have read it.", "reasons": {}, "conditions": "", "question": ""}
    monkeypatch.setattr("screening.sealing.words_of", lambda review: old)
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid]))
    assert page.status_code == 200 and 'id="why"' not in page.content.decode()


def test_worry_over_looks_is_never_named_back(client, patient, treatment, questionnaire, harmless):
    given = {"appearance-distress": "yes", "appearance-distress-stops-you": "yes"}
    answer(questionnaire, {**harmless, **given}, patient)
    review = decide(ask(patient, treatment), "consultation-required", reasons={})
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert "appearance" not in page and "distress" not in page and "worry" not in page


def test_a_question_leads_to_its_own_page(client, patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "needs-information")
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid]))
    assert page["Location"] == reverse("screening:reply", args=[review.uuid])


def test_a_decision_is_its_patients_only(client, patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "not-suitable")
    url = reverse("screening:decision", args=[review.uuid])
    signed_out = client.get(url)
    assert (signed_out.status_code, signed_out["Location"].split("?")[0]) == (302, reverse("account_login"))
    for other in (make_patient(user=make_user()).user, make_user(role="Clinician"), make_user(role="Front desk")):
        client.force_login(other)
        assert client.get(url).status_code == 404
    client.force_login(patient.user)
    assert client.get(url).status_code == 200
    assert client.post(url).status_code == 405
    reviews.mark_in_error(review.response, by=make_user(role="Clinician"), now=NOW)
    assert client.get(url).status_code == 404


def test_answers_that_the_rules_say_no_to_are_not_said_to_count(client, patient, questionnaire, harmless):
    client.force_login(patient.user)
    for changes, counts in (({}, True), ({"keloid": "yes", "keloid-where": "ear"}, False)):
        answer(questionnaire, harmless | changes, patient, now=NOW + timedelta(hours=len(changes)))
        page = client.get("/my/").content.decode()
        assert "You answered on" in page
        assert ("Your answers count for visits up to" in page) is counts


YES = "A clinician said yes to your treatment"


def test_a_yes_is_said_as_long_as_it_counts(client, patient, treatment, questionnaire, harmless, clock):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    url = reverse("screening:decision", args=[review.uuid])
    clock.now = NOW + 90 * DAY
    client.force_login(patient.user)
    assert YES in client.get(url).content.decode()
    clock.now = NOW + 91 * DAY
    client.force_login(patient.user)
    page = client.get(url).content.decode()
    assert YES not in page and "Please answer the questions again" in page and "+44 20 7946 0000" in page


def test_a_yes_on_answers_that_were_replaced_is_not_said(client, patient, treatment, questionnaire, harmless, clock):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    answer(questionnaire, harmless | {"pregnancy": "might-be"}, patient, now=NOW + timedelta(hours=1))
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert YES not in page and "no longer counts" in page


def test_a_yes_that_has_to_be_looked_at_again_is_not_said(client, patient, treatment, questionnaire, harmless, clock):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    patient.birth_date = patient.birth_date.replace(year=1991)
    patient.save()
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert YES not in page and "This answer of ours no longer counts" in page and "Begin again" not in page
    assert "When you ask for a time" in page and "you hear from us" not in page  # nobody looks before
    mine = client.get(reverse("my")).content.decode()
    assert "A clinician said yes" not in mine and "An earlier yes no longer counts" in mine
    ask(patient, treatment)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert "A clinician looks at your answers again" in page and "you hear from us" in page


def test_an_old_address_leads_to_the_latest_decision(client, patient, treatment, questionnaire, harmless, clock):
    answer(questionnaire, harmless, patient)
    yes = decide(ask(patient, treatment))
    no = decide(ask(patient, treatment), "not-suitable", now=NOW + timedelta(hours=1))
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[yes.uuid]))
    assert page["Location"] == reverse("screening:decision", args=[no.uuid])
    assert "decided anew" not in client.get(page["Location"]).content.decode()


def test_why_something_was_refused_can_be_read_after_a_later_yes(
    client, patient, treatment, questionnaire, harmless, clock
):
    answer(questionnaire, harmless, patient)
    no = decide(ask(patient, treatment), "deferred", deferred_until=TODAY + 10 * DAY, explanation=EXPLAINED)
    yes = decide(ask(patient, treatment, on=TODAY + 20 * DAY), now=NOW + timedelta(hours=1))
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[no.uuid])).content.decode()
    assert "We would like it calm first." in page and "We have decided anew since." in page
    assert reverse("screening:decision", args=[yes.uuid]) in page


def test_my_page_leads_to_a_wait_that_goes_on_while_a_later_visit_waits(
    patient, treatment, questionnaire, harmless, rf
):
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment), "deferred", deferred_until=TODAY + 10 * DAY)
    ask(patient, treatment, on=TODAY + 20 * DAY)
    assert states(mine(patient, rf)) == ["A clinician has your answers", "Not yet"]
    assert states(mine(patient, rf, NOW + 10 * DAY)) == ["A clinician has your answers"]


# ---------------------------------------------------------------- the page of answers, once somebody has decided

RESULT = "/screening/result/"


@pytest.mark.parametrize("outcome", ["deferred", "consultation-required", "not-suitable", "needs-information"])
def test_the_result_never_offers_what_a_clinician_refused(
    client, patient, treatment, questionnaire, harmless, clock, outcome
):
    answer(questionnaire, harmless, patient)
    client.force_login(patient.user)
    assert "You can choose a time now" in client.get(RESULT).content.decode()
    review = decide(ask(patient, treatment), outcome)
    page = client.get(RESULT)
    assert (page.status_code, page["Location"]) == (302, reverse("screening:decision", args=[review.uuid]))


def test_the_result_speaks_again_when_a_wait_is_over_or_a_clinician_looks_again(
    client, patient, treatment, questionnaire, harmless, clock
):
    answer(questionnaire, harmless, patient)
    client.force_login(patient.user)
    decide(ask(patient, treatment, on=TODAY + DAY), "deferred", deferred_until=TODAY + 9 * DAY)
    assert client.get(RESULT).status_code == 302
    ask(patient, treatment, on=TODAY + 20 * DAY)  # another visit waits; the days before are still refused
    assert client.get(RESULT).status_code == 302
    clock.now = NOW + 9 * DAY
    client.force_login(patient.user)
    client.get("/screening/birth-date/")
    born = {"birth_date_day": "4", "birth_date_month": "5", "birth_date_year": "1990", "to": "result"}
    client.post("/screening/birth-date/", born)
    assert client.get(RESULT).status_code == 200
    decide(ask(patient, treatment), "not-suitable", now=clock.now)
    assert client.get(RESULT).status_code == 302
    ask(patient, treatment, now=clock.now)
    assert client.get(RESULT).status_code == 200


def test_a_no_to_one_area_stands_on_the_result_of_the_others(
    client, patient, treatment, questionnaire, harmless, clock
):
    answer(questionnaire, {**harmless, "treatment-area": ["face", "chest"]}, patient)
    decide(ask(patient, treatment))
    no = decide(ask(patient, treatment, code="chest"), "not-suitable")
    client.force_login(patient.user)
    page = client.get(RESULT).content.decode()
    assert "A clinician has decided about part of this" in page
    assert reverse("screening:decision", args=[no.uuid]) in page


STOP = "Do not stop your medicine. Only the person who prescribed it may change it."


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"blood-thinners": "yes", "blood-thinners-which": ["aspirin"]}, True),
        ({"blood-thinners": "not-sure"}, True),
        ({}, False),
    ],
)
def test_a_no_tempts_nobody_to_stop_a_medicine(client, patient, treatment, questionnaire, harmless, given, said):
    answer(questionnaire, {**harmless, **given}, patient)
    review = decide(ask(patient, treatment), "not-suitable", reasons={})
    client.force_login(patient.user)
    page = client.get(reverse("screening:decision", args=[review.uuid])).content.decode()
    assert (STOP in page) is said
    assert "Something has changed: answer again" in page
