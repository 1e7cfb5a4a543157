"""The clinical part of the staff site: who sees what by which address, and a decision made in it."""

from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from clinic import registry
from clinic.models import User
from screening import clearance, finished, responses, reviews, sealing
from screening.admin import OwnPages
from screening.models import (
    Questionnaire,
    QuestionnaireResponse,
    Review,
    ReviewRequest,
)
from tests.make import (
    NOW,
    TODAY,
    area,
    make_appointment,
    make_clinic,
    make_location,
    make_patient,
    make_practitioner,
    make_user,
)
from tests.screening.conftest import harmless_answers, publish, shipped
from tests.screening.decisions import VISIT, VISIT_UUID, answer, ask, decide

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SECRET = "Behind my left ear after Lisbon"
GIVEN = {"keloid": "yes", "keloid-where": SECRET}
LOOK = {"diabetes": "yes", "diabetes-controlled": "yes"}
OUTSIDERS = ["Front desk", "Content editor", "Manager", "superuser", "staff"]


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The views' clock stands at NOW; nothing else of Django is touched."""
    from types import SimpleNamespace

    from django.utils import timezone

    import screening.admin

    still = SimpleNamespace(
        now=lambda: NOW, localdate=lambda value=NOW: timezone.localdate(value), localtime=timezone.localtime
    )
    monkeypatch.setattr(screening.admin, "timezone", still)


@pytest.fixture
def patient():
    make_clinic()
    return make_patient(name="Ada Whitlock")


@pytest.fixture
def waiting(patient, treatment, questionnaire, harmless):
    """A row of the worklist, with an answer that must not leak."""
    response = answer(questionnaire, {**harmless, **GIVEN}, patient)
    finished.assess_on(response, on=VISIT, now=NOW)
    return ask(patient, treatment)


def person(role):
    if role == "superuser":
        return User.objects.create_superuser(f"root{User.objects.count()}@example.org", "x" * 20)
    if role == "staff":
        return make_user(is_staff=True)
    return make_user(role=role)


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def own_addresses(waiting, questionnaire):
    """Every address of our own pages, with the method it takes."""
    keys = {
        "reviewrequest": waiting.uuid,
        "questionnaireresponse": waiting.response.uuid,
        "questionnaire": questionnaire.pk,
    }
    from django.contrib import admin

    found = []
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label != "screening":
            continue
        assert isinstance(model_admin, OwnPages)
        for pattern in model_admin.get_urls():
            arguments = [keys[model._meta.model_name]] if "<" in str(pattern.pattern) else []
            found.append(reverse(f"admin:{pattern.name}", args=arguments))
    return found


# ---------------------------------------------------------------- doors


def test_the_list_of_addresses_is_complete(waiting, questionnaire):
    addresses = own_addresses(waiting, questionnaire)
    assert len(addresses) == 13
    assert all(address.startswith("/admin/screening/") for address in addresses)


@pytest.mark.parametrize("role", OUTSIDERS)
def test_others_see_nothing_by_any_address(waiting, questionnaire, role):
    client = signed_in(person(role))
    for address in own_addresses(waiting, questionnaire):
        for page in (
            client.get(address),
            client.get(address, {"_popup": "1", "_to_field": "id"}),
            client.post(address, {"outcome": "cleared", "identity": "on", "sure": "yes"}),
        ):
            assert page.status_code in (403, 404, 405), address
            assert SECRET not in page.content.decode()
    assert client.get("/admin/screening/").status_code in (403, 404)
    assert not Review.objects.exists()


TABLES = [
    "questionnaire",
    "question",
    "rule",
    "questionnaireresponse",
    "assessment",
    "review",
    "reviewrequest",
    "cosignature",
    "reply",
    "datakey",
]


@pytest.mark.parametrize("role", ["Front desk", "superuser", "Practitioner", "Lead clinician"])
def test_no_stock_page_of_the_admin_reaches_a_clinical_table(waiting, role):
    """Add, change, delete, history, pop-ups, bulk actions, autocomplete, and the shortcut to "view on site"."""
    client = signed_in(person(role))
    refused = (403, 404, 405)
    for model in TABLES:
        base = f"/admin/screening/{model}/"
        kind = ContentType.objects.get(app_label="screening", model=model).pk
        key = waiting.uuid
        for url in (f"{base}{key}/delete/", f"{base}{key}/history/", f"{base}{key}/change/", f"{base}add/?_popup=1"):
            assert client.get(url).status_code in refused, url
        assert client.post(f"{base}1/delete/", {"post": "yes"}).status_code in refused
        assert client.get(f"/admin/r/{kind}/1/").status_code in refused
        query = f"app_label=screening&model_name={model}&field_name=response&term=a"
        assert client.get(f"/admin/autocomplete/?{query}").status_code in refused, query
        client.post(base, {"action": "delete_selected", "_selected_action": waiting.pk, "post": "yes"})
    assert ReviewRequest.objects.filter(pk=waiting.pk).exists()


@pytest.mark.parametrize("role", OUTSIDERS)
def test_the_first_page_offers_them_nothing_clinical(waiting, role):
    page = signed_in(person(role)).get("/admin/").content.decode()
    assert "/admin/screening/" not in page
    assert SECRET not in page and "Ada Whitlock" not in page


def test_signed_out_is_asked_to_sign_in(waiting, questionnaire):
    for address in own_addresses(waiting, questionnaire):
        page = Client().get(address)
        assert (page.status_code, page["Location"].split("?")[0]) == (302, "/admin/login/")


def test_a_patient_is_refused(waiting, questionnaire, patient):
    patient.user = make_user()
    patient.save(update_fields=["user"])
    for address in own_addresses(waiting, questionnaire):
        assert signed_in(patient.user).get(address).status_code == 403


def test_practitioners_do_not_decide_or_publish(waiting, questionnaire):
    client = signed_in(make_user(role="Practitioner"))
    for address in own_addresses(waiting, questionnaire):
        if "/questionnaireresponse/" not in address:
            assert client.get(address).status_code in (403, 405), address
            assert client.post(address).status_code in (403, 405), address


# ---------------------------------------------------------------- practitioners and their patients


@pytest.mark.parametrize(("days", "seen"), [(0, True), (7, True), (8, False), (-30, True), (-31, False)])
def test_a_practitioner_reads_own_patients_from_7_days_before_to_30_after(waiting, patient, treatment, days, seen):
    user = make_user(role="Practitioner")
    make_appointment(
        patient=patient,
        practitioner=make_practitioner(treatment, user=user),
        treatment=treatment,
        area=area(),
        starts_at=NOW + days * DAY,
        status="pending",
    )
    page = signed_in(user).get(reverse("admin:screening_questionnaireresponse_change", args=[waiting.response.uuid]))
    assert page.status_code == (200 if seen else 404)
    assert (SECRET in page.content.decode()) is seen
    listed = signed_in(user).get(reverse("admin:screening_questionnaireresponse_changelist"))
    assert ("Ada Whitlock" in listed.content.decode()) is seen


def test_another_practitioners_patient_is_not_found(waiting, questionnaire, harmless, treatment):
    user = make_user(role="Practitioner")
    make_appointment(
        practitioner=make_practitioner(treatment, user=user),
        treatment=treatment,
        area=area(),
        starts_at=NOW,
        status="pending",
    )
    assert len(registry.patients_treated_by(user, NOW)) == 1
    client = signed_in(user)
    key = waiting.response.uuid
    assert client.get(reverse("admin:screening_questionnaireresponse_change", args=[key])).status_code == 404
    assert client.post(reverse("admin:screening_questionnaireresponse_withdraw", args=[key])).status_code == 404
    found = client.post(reverse("admin:screening_questionnaireresponse_changelist"), {"q": "Ada"})
    assert "Ada Whitlock" not in found.content.decode()


def test_a_practitioner_reads_and_does_not_withdraw(waiting, patient, treatment):
    user = make_user(role="Practitioner")
    make_appointment(
        patient=patient,
        practitioner=make_practitioner(treatment, user=user),
        treatment=treatment,
        area=area(),
        starts_at=NOW,
        status="pending",
    )
    client = signed_in(user)
    page = client.get(reverse("admin:screening_questionnaireresponse_change", args=[waiting.response.uuid]))
    assert "Withdraw" not in page.content.decode()
    withdraw = reverse("admin:screening_questionnaireresponse_withdraw", args=[waiting.response.uuid])
    assert client.post(withdraw, {"sure": "yes"}).status_code == 403
    assert QuestionnaireResponse.objects.get(pk=waiting.response_id).status == "completed"


# ---------------------------------------------------------------- the worklist


def test_the_worklist_says_what_a_clinician_needs(waiting):
    page = signed_in(make_user(role="Clinician")).get(reverse("admin:screening_reviewrequest_changelist"))
    words = page.content.decode()
    for expected in ("Ada Whitlock", "4 May 1990", waiting.response.patient.reference, "Not suitable", "Wed 10 Mar"):
        assert expected in words
    assert SECRET not in words


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "Nothing found<"),
        (LOOK, "Look closely · 1 finding<"),
        (LOOK | {"keloid": "not-sure"}, "Look closely · 2 findings<"),
        ({"pregnancy": "no", "breastfeeding": "yes"}, "Wait · 1 finding<"),  # and a note, which counts nowhere
    ],
)
def test_the_worklist_counts_the_findings_and_names_none(patient, treatment, questionnaire, harmless, changes, said):
    answer(questionnaire, {**harmless, **changes}, patient)
    request = ask(patient, treatment)
    client = signed_in(make_user(role="Clinician"))
    page = client.get(reverse("admin:screening_reviewrequest_changelist")).content.decode()
    assert said in page
    assert not any(finding.title in page for finding in finished.says(request.response, VISIT, now=NOW).findings)


def test_the_worklist_asks_as_often_for_three_as_for_one(
    waiting, treatment, questionnaire, harmless, django_assert_max_num_queries, django_assert_num_queries
):
    client = signed_in(make_user(role="Clinician"))
    url = reverse("admin:screening_reviewrequest_changelist")
    client.get(url)
    with django_assert_max_num_queries(12) as one:
        assert client.get(url).status_code == 200
    for _more in range(2):
        other = make_patient()
        answer(questionnaire, harmless, other)
        ReviewRequest.objects.filter(pk=ask(other, treatment).pk).update(location=make_location())
    with django_assert_num_queries(len(one)):
        assert len(client.get(url).context["rows"]) == 3


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("Europe/Malta", "promised by Tue 2 Mar, 18:00, Malta time"),
        ("Europe/Dublin", "promised by Tue 2 Mar, 17:00<"),  # the same clock as the reader's
        (None, "promised by Tue 2 Mar, 17:00<"),
    ],
)
def test_a_promise_is_told_in_the_time_of_its_place(waiting, zone, words):
    place = make_location(time_zone=zone) if zone else None
    ReviewRequest.objects.filter(pk=waiting.pk).update(location=place)
    client = signed_in(make_user(role="Clinician"))
    page = client.get(reverse("admin:screening_reviewrequest_changelist")).content.decode()
    assert words in page
    review = client.get(reverse("admin:screening_reviewrequest_review", args=[waiting.uuid])).content.decode()
    assert words.replace("promised", "Promised").replace("<", ".") in review


def test_the_day_of_the_nearest_visit_is_that_of_its_place(waiting):
    """Half past midnight in Malta is still the evening before in London."""
    night = NOW.replace(hour=23, minute=30) + DAY
    place = make_location(time_zone="Europe/Malta")
    ReviewRequest.objects.filter(pk=waiting.pk).update(needed_at=night, needed_on=TODAY + 2 * DAY, location=place)
    found = reviews.waiting(NOW)
    assert found.nearest == TODAY + 2 * DAY
    page = signed_in(make_user(role="Clinician")).get(reverse("admin:index")).content.decode()
    assert "Wed 3 Mar" in page and "Tue 2 Mar" not in page


def test_how_far_away_a_visit_is_counts_from_today_at_its_place(waiting):
    """In Honolulu it is still Sunday: what London calls today comes tomorrow."""
    place = make_location(time_zone="Pacific/Honolulu")
    ReviewRequest.objects.filter(pk=waiting.pk).update(needed_at=NOW.replace(hour=22), needed_on=TODAY, location=place)
    client = signed_in(make_user(role="Clinician"))
    page = client.get(reverse("admin:screening_reviewrequest_changelist"))
    assert page.context["rows"][0].left == page.context["nearest"].left == "tomorrow"
    page = client.get(reverse("admin:screening_reviewrequest_review", args=[waiting.uuid]))
    assert page.context["row"].left == "tomorrow"


ACCEPTED = "admin:screening_reviewrequest_accepted"


def test_the_lead_reads_what_was_accepted_in_a_month_and_why(
    patient, treatment, questionnaire, harmless, django_assert_num_queries
):
    answer(questionnaire, {**harmless, **LOOK}, patient)
    decide(ask(patient, treatment), by=make_user(role="Clinician", name="Dr Ines Fuchs"))
    plain = make_patient()
    answer(questionnaire, harmless, plain)
    decide(ask(plain, treatment))
    client = signed_in(make_user(role="Lead clinician"))
    url = reverse(ACCEPTED)
    page = client.get(url)
    words = page.content.decode()
    assert "March 2027" in words and patient.reference in words and plain.reference not in words
    assert "Looked at diabetes-controlled; fine on this area." in words and "Dr Ines Fuchs: 1" in words
    assert patient.name not in words and "diabetes-controlled: 1" in words
    with CaptureQueriesContext(connection) as one:
        client.get(url)
    for _more in range(2):
        other = make_patient()
        answer(questionnaire, {**harmless, **LOOK}, other)
        decide(ask(other, treatment))
    with django_assert_num_queries(len(one)):
        assert len(client.get(url).context["rows"]) == 3
    for other_month in ("2027-02", "2027-04"):
        assert "None in this month." in client.get(url, {"month": other_month}).content.decode()
    for nonsense in ("2027-13", "9999-12", "0000-01", "x" * 7, "20270301", ""):
        assert "March 2027" in client.get(url, {"month": nonsense}).content.decode()


def test_words_of_an_accepted_finding_that_cannot_be_read_are_not_left_out(patient, treatment, questionnaire, harmless):
    answer(questionnaire, {**harmless, **LOOK}, patient)
    review = decide(ask(patient, treatment))
    review.response.data_key.delete()
    page = signed_in(make_user(role="Lead clinician")).get(reverse(ACCEPTED)).content.decode()
    assert patient.reference in page and "Its words cannot be read." in page


@pytest.mark.parametrize("role", ["Clinician", "Practitioner", "Front desk", "Manager"])
def test_only_the_lead_reads_it(questionnaire, role):
    client = signed_in(make_user(role=role))
    assert client.get(reverse(ACCEPTED)).status_code == 403
    if role == "Clinician":
        worklist = client.get(reverse("admin:screening_reviewrequest_changelist"))
        assert "accepted/" not in worklist.content.decode()


def test_an_empty_worklist_says_so(questionnaire):
    make_clinic()
    page = signed_in(make_user(role="Clinician")).get(reverse("admin:screening_reviewrequest_changelist"))
    assert "Nobody is waiting for a decision." in page.content.decode()


def test_one_who_reads_is_shown_to_the_others(waiting):
    reader, other = make_user(role="Clinician", name="Dr Ines Fuchs"), make_user(role="Clinician")
    opened = signed_in(reader).post(reverse("admin:screening_reviewrequest_read", args=[waiting.uuid]))
    review = reverse("admin:screening_reviewrequest_review", args=[waiting.uuid])
    assert (opened.status_code, opened["Location"]) == (302, review)
    worklist = reverse("admin:screening_reviewrequest_changelist")
    assert "Dr Ines Fuchs reads it since 09:00" in signed_in(other).get(worklist).content.decode()
    assert "Being read by Dr Ines Fuchs since 09:00" in signed_in(other).get(review).content.decode()
    assert "Being read by" not in signed_in(reader).get(review).content.decode()


def test_looking_changes_nothing(waiting, questionnaire):
    client = signed_in(make_user(role="Clinician"))
    before = [list(model.objects.order_by("pk").values()) for model in (ReviewRequest, Review, QuestionnaireResponse)]
    count = waiting.response.assessments.count()
    for address in own_addresses(waiting, questionnaire):
        client.get(address)
    after = [list(model.objects.order_by("pk").values()) for model in (ReviewRequest, Review, QuestionnaireResponse)]
    assert (before, count) == (after, waiting.response.assessments.count())


# ---------------------------------------------------------------- the review


def review_page(request, user=None):
    client = signed_in(user or make_user(role="Clinician"))
    return client.get(reverse("admin:screening_reviewrequest_review", args=[request.uuid]))


def test_a_reply_stands_before_everything_else(patient, treatment, questionnaire, harmless):
    """What the patient wrote since is why the row is here again: nobody signs past it (H05)."""
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "needs-information", question="How is your skin?")
    reviews.reply_to(review, text="I have a <rash> now.", now=NOW + timedelta(hours=1))
    words = review_page(reviews.worklist().get()).content.decode()
    assert "The patient replied, 1 March 2027, 10:00" in words and "I have a &lt;rash&gt; now." in words
    assert words.index("How is your skin?") < words.index("I have a &lt;rash&gt; now.") < words.index("No findings")
    assert "Replied 0 minutes ago, asked for first on Monday 1 March." in words
    page = signed_in(make_user(role="Clinician")).get(reverse("admin:screening_reviewrequest_changelist"))
    assert "replied 0 minutes ago<" in page.content.decode()
    assert "asked for first on Monday 1 March<" in page.content.decode()
    assert "Decide something else" not in words  # not one press past it


def test_a_reply_about_older_answers_stays_with_what_is_earlier(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment), "needs-information")
    reviews.reply_to(review, text="All is well.", now=NOW + timedelta(hours=1))
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=2))
    words = review_page(reviews.worklist().get()).content.decode()
    assert "The patient replied" not in words and "All is well." in words and "asked for first" not in words


@pytest.mark.parametrize(
    ("outcome", "more", "shown"),
    [
        ("not-suitable", {}, "Decided before: Not suitable"),
        ("consultation-required", {}, "Decided before: Consultation first"),
        ("deferred", {}, "Decided before: Deferred"),
        ("deferred", {"deferred_until": TODAY + 30 * DAY}, "until 31 March 2027"),
        ("deferred", {"deferred_until": TODAY + DAY}, None),
        ("needs-information", {}, None),
        ("cleared", {}, None),
    ],
)
def test_a_no_of_before_stands_at_the_top_and_takes_the_single_press_away(
    patient, treatment, questionnaire, harmless, monkeypatch, outcome, more, shown
):
    """Asked again with the same answers, another clinician reads that somebody said no (H05, H10)."""
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment, on=TODAY), outcome, **more)
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=1))
    wanted = ask(patient, treatment, now=NOW + timedelta(hours=1))
    if shown is None and more:
        monkeypatch.setattr("screening.reviews.today_at", lambda *given: TODAY + DAY)
    words = review_page(wanted).content.decode()
    assert ("Decided before:" in words) is (shown is not None)
    if shown:
        assert words.index(shown) < words.index("No findings")
    assert ("Decide something else" in words) is (shown is None)


def test_an_answer_that_has_become_harmless_takes_the_single_press_away(patient, treatment, questionnaire, harmless):
    answer(questionnaire, {**harmless, **GIVEN}, patient)
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=1))
    words = review_page(ask(patient, treatment)).content.decode()
    assert "Answered differently before" in words and "Decide something else" not in words


def test_no_number_of_later_forms_makes_an_old_answer_forgotten(
    patient, treatment, questionnaire, harmless, django_assert_num_queries
):
    """Keloid "yes", then one harmless form after the other: still no single press past it (H10)."""
    answer(questionnaire, {**harmless, **GIVEN}, patient)
    answer(questionnaire, {**harmless, **GIVEN}, patient, now=NOW + DAY)
    answer(questionnaire, harmless, patient, now=NOW + 2 * DAY)
    wanted, client = ask(patient, treatment, now=NOW + 2 * DAY), signed_in(make_user(role="Clinician"))
    page = reverse("admin:screening_reviewrequest_review", args=[wanted.uuid])
    client.get(page)
    with CaptureQueriesContext(connection) as few:
        client.get(page)
    for number in range(3, 12):
        answer(questionnaire, harmless, patient, now=NOW + number * DAY)
    page = reverse("admin:screening_reviewrequest_review", args=[ReviewRequest.objects.get(closed_at=None).uuid])
    with django_assert_num_queries(len(few)):
        many = client.get(page)
    (line,) = many.context["changed"]
    assert (line.link_id, line.earlier, many.context["simple"]) == ("keloid", [(TODAY + DAY, "Yes")], False)


@pytest.fixture
def at_the_chair(patient, treatment, questionnaire, harmless):
    """A visit that was cleared; what it gives asks the re-check of that day with these answers."""
    recheck = publish("microneedling-recheck")
    known = {question.link_id for question in recheck.definition().questions}
    quiet = {link_id: value for link_id, value in harmless_answers(recheck).items() if link_id in known}
    nurse = make_user(role="Practitioner", name="Rita Okafor")
    answer(questionnaire, harmless, patient)
    decide(ask(patient, treatment))

    def said(hour, **changes):
        now = NOW + timedelta(hours=hour)
        given = {link_id.replace("_", "-"): value for link_id, value in changes.items()}
        clearance.recheck(patient, {**quiet, **given}, visit=VISIT_UUID, by=nurse, today=TODAY, now=now)
        return QuestionnaireResponse.objects.filter(questionnaire=recheck).latest("id")

    return said


def in_full(hour, patient, treatment, questionnaire, harmless, code="face"):
    """The page about one area, with all questions answered again, harmless."""
    now = NOW + timedelta(hours=hour)
    answer(questionnaire, {**harmless, "treatment-area": [code]}, patient, now=now)
    return review_page(ask(patient, treatment, code=code, now=now))


FOUND_AT_THE_CHAIR = {
    "medicine": {
        "recheck_new_medicine_or_diagnosis": "yes",
        "recheck_new_medicine_or_diagnosis_what": "ZORBLAX <pills>",
    },
    "problem": {"recheck_problems": "yes", "recheck_problems_what": "A blister, ZORBLAX <twice>"},
    "not sure": {"recheck_problems": "not-sure"},
    "fever": {"recheck_unwell": "yes", "recheck_unwell_fever": "yes"},
}


@pytest.mark.parametrize("found", FOUND_AT_THE_CHAIR)
def test_what_the_recheck_found_stands_before_the_rest_and_takes_the_single_press_away(
    at_the_chair, patient, treatment, questionnaire, harmless, found
):
    """The full form asks about none of these, so its harmless answers say nothing of them (H03, H05)."""
    given = FOUND_AT_THE_CHAIR[found]
    at_the_chair(1, **given)
    page = in_full(2, patient, treatment, questionnaire, harmless)
    words = page.content.decode()
    assert (page.context["simple"], page.context["changed"], page.context["blocked"]) == (False, [], "")
    at = words.index("Found at the re-check, 1 March 2027, 10:00")
    section = words[at : words.index("</section>", at)]
    assert at < words.index("No findings") and "Rita Okafor asked." in section
    (shown,) = page.context["rechecked"]
    assert [item.heading for item in shown.findings] and all(item.heading in section for item in shown.findings)
    assert len(shown.lines) == len(given)  # and none of what was harmless
    assert all(line.text in section for line in shown.lines)
    assert ("ZORBLAX &lt;" in section) is any("ZORBLAX" in value for value in given.values())
    assert "Decide something else" not in words


def test_what_the_recheck_found_stays_until_a_yes_about_the_same_area(
    at_the_chair, patient, treatment, questionnaire, harmless
):
    at_the_chair(1, **FOUND_AT_THE_CHAIR["problem"])
    assert in_full(2, patient, treatment, questionnaire, harmless).context["rechecked"]
    decide(ask(patient, treatment), "needs-information", now=NOW + timedelta(hours=2))
    assert in_full(3, patient, treatment, questionnaire, harmless).context["rechecked"]  # a question is no yes
    decide(ask(patient, treatment), now=NOW + timedelta(hours=3))
    face = in_full(4, patient, treatment, questionnaire, harmless)
    assert (face.context["rechecked"], face.context["simple"]) == ([], True)
    chest = in_full(5, patient, treatment, questionnaire, harmless, code="chest")
    assert len(chest.context["rechecked"]) == 1
    # A yes on answers that were withdrawn counts for nothing.
    reviews.mark_in_error(
        Review.objects.latest("id").response, by=make_user(role="Clinician"), now=NOW + timedelta(hours=6)
    )
    assert in_full(7, patient, treatment, questionnaire, harmless).context["rechecked"]


def test_a_quiet_or_withdrawn_recheck_leaves_the_single_press(
    at_the_chair, patient, treatment, questionnaire, harmless
):
    at_the_chair(1)
    withdrawn = at_the_chair(2, **FOUND_AT_THE_CHAIR["fever"])
    reviews.mark_in_error(withdrawn, by=make_user(role="Clinician"), now=NOW + timedelta(hours=2))
    page = in_full(3, patient, treatment, questionnaire, harmless)
    assert (page.context["rechecked"], page.context["simple"]) == ([], True)


def test_a_recheck_that_cannot_be_read_is_not_left_out(at_the_chair, patient, treatment, questionnaire, harmless):
    at_the_chair(1, **FOUND_AT_THE_CHAIR["medicine"]).data_key.delete()
    page = in_full(2, patient, treatment, questionnaire, harmless)
    assert "What was said cannot be read." in page.content.decode() and page.context["simple"] is False


def test_more_rechecks_ask_the_database_no_more(
    at_the_chair, patient, treatment, questionnaire, harmless, django_assert_num_queries
):
    at_the_chair(1, **FOUND_AT_THE_CHAIR["medicine"])
    in_full(2, patient, treatment, questionnaire, harmless)
    client = signed_in(make_user(role="Clinician"))

    def path():
        return reverse("admin:screening_reviewrequest_review", args=[reviews.worklist().get().uuid])

    there = path()
    client.get(there)
    with CaptureQueriesContext(connection) as one:
        client.get(there)
    once = len(one)
    for hour in (3, 4):
        at_the_chair(hour, **FOUND_AT_THE_CHAIR["problem"])
    in_full(5, patient, treatment, questionnaire, harmless)
    there = path()
    with django_assert_num_queries(once):
        page = client.get(there)
    assert [shown.response.completed_at.hour for shown in page.context["rechecked"]] == [13, 12, 10]  # newest first


def test_on_a_narrow_page_the_decision_is_one_press_away(waiting):
    words = review_page(waiting).content.decode()
    assert words.index("Ada Whitlock") < words.index('href="#decide"') < words.index('id="findings"')
    assert words.index('id="answers-rest"') < words.index('id="decide"') < words.index('href="#findings"')


def shown_to(client, request) -> str:
    """What the page carries about the sentences that would be signed on it."""
    page = client.get(reverse("admin:screening_reviewrequest_review", args=[request.uuid]))
    return page.context["shown"] if page.status_code == 200 else ""


def post(request, user=None, **data):
    client = signed_in(user or make_user(role="Clinician"))
    data = {"identity": "on", "day": VISIT.isoformat(), "shown": shown_to(client, request), **data}
    return client.post(reverse("admin:screening_reviewrequest_decide", args=[request.uuid]), data)


def test_no_browser_keeps_a_clinical_page(waiting, questionnaire):
    client = signed_in(make_user(role="Lead clinician"))
    lists = ("reviewrequest", "questionnaireresponse", "questionnaire")
    paths = [reverse(f"admin:screening_{name}_changelist") for name in lists] + [reverse(ACCEPTED)]
    paths.append(reverse("admin:screening_reviewrequest_review", args=[waiting.uuid]))
    paths.append(reverse("admin:screening_questionnaireresponse_change", args=[waiting.response.uuid]))
    paths.append(reverse("admin:screening_questionnaire_change", args=[questionnaire.pk]))
    for path in paths:
        page = client.get(path)
        assert (page.status_code, "no-store" in page["Cache-Control"]) == (200, True), path


def test_the_page_shows_person_findings_and_every_answer_as_the_patient_saw_it(waiting):
    page = review_page(waiting).content.decode()
    for expected in ("Ada Whitlock", "4 May 1990", waiting.response.patient.reference, "A tendency to keloid scars"):
        assert expected in page
    from django.utils.html import escape

    for item in finished.items_of(waiting.response):
        assert escape(item["text"]) in page
        for label in item["labels"]:
            assert escape(label) in page
    assert page.index("A tendency to keloid scars") < page.index("All other answers")
    assert page.index(SECRET) < page.index("All other answers")
    assert "Those on or after it stay asked for" in page  # before a "not yet" is signed


def test_what_was_answered_differently_before_is_said_first(waiting, patient, questionnaire, harmless):
    """H10: keloid yes, then a new form with keloid no. Nothing is found now, and the old answer is at the top."""
    answer(questionnaire, harmless, patient, now=NOW + timedelta(hours=1))
    again = ReviewRequest.objects.get(closed_at=None)
    page = review_page(again).content.decode()
    changed = page.index("Answered differently before")
    assert changed < page.index("No findings")
    assert "1 Mar 2027: Yes" in page[changed : page.index("No findings")]


def test_with_nothing_found_it_is_one_statement_and_one_button(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    page = review_page(request).content.decode()
    assert "I have read every answer of Ada Whitlock, born 4 May 1990, and see no reason against" in page
    assert page.count("It covers 1 March 2027 to 30 May 2027.") == 2  # the single press, and all other decisions
    user = make_user(role="Clinician")
    done = post(request, user, outcome="cleared")
    assert (done.status_code, done["Location"]) == (302, reverse("admin:screening_reviewrequest_changelist"))
    review = Review.objects.get()
    assert (review.outcome, review.decided_by, review.valid_until) == ("cleared", user, TODAY + 90 * DAY)


def test_the_days_that_an_accepted_wait_covers_stand_beside_what_is_signed(patient, treatment, questionnaire, harmless):
    filled = {"recent-procedures": ["filler"], "recent-procedures-filler-on": TODAY.isoformat()}
    response = answer(questionnaire, {**harmless, **filled}, patient)
    request = ask(patient, treatment, on=TODAY + 25 * DAY)
    page = review_page(request).content.decode()
    assert page.index("on the days this covers.") < page.index("It covers 26 March 2027 to 28 March 2027.")
    user = make_user(role="Clinician")
    read = {"day": "2027-03-26", "shown": shown_to(signed_in(user), request)}
    make_clinic(screening_valid_days=26)  # meanwhile
    said = {f"reason-{finding.rule}": "Fine." for finding in finished.says(response, VISIT, now=NOW).findings}
    assert "has changed meanwhile" in post(request, user, outcome="cleared", **read, **said).content.decode()
    make_clinic(screening_valid_days=20)
    page = review_page(request).content.decode()
    assert "on the days this covers." in page and "It covers" not in page  # no day is left


NOTHING_AGAINST = "and see no reason against Microneedling: acne scars, face on the days this covers."
LOOKED_PAST = "I have written why each finding does not stop Microneedling: acne scars, face on the days this covers."
DECIDED = "and decided about Microneedling: acne scars, face."


@pytest.mark.parametrize(
    ("answers", "outcome", "signed"),
    [
        ({}, "cleared", NOTHING_AGAINST),
        ({}, "cleared-with-conditions", NOTHING_AGAINST),
        ({}, "not-suitable", DECIDED),
        ({"dark-marks": "not-sure"}, "cleared", NOTHING_AGAINST),  # advice only: nothing to look past
        (LOOK, "cleared", LOOKED_PAST),
        (LOOK, "cleared-with-conditions", LOOKED_PAST),
        (LOOK, "needs-information", DECIDED),
        (GIVEN, "deferred", DECIDED),
    ],
)
def test_what_is_signed_is_what_stood_beside_the_button(
    patient, treatment, questionnaire, harmless, answers, outcome, signed
):
    answer(questionnaire, {**harmless, **answers}, patient)
    request = ask(patient, treatment)
    page = " ".join(review_page(request).content.decode().split())
    words = {f"reason-{rule}": "Looked at it." for rule in ("diabetes-controlled",) if answers == LOOK}
    more = {"conditions": "Test patch.", "question": "Since when?", "explanation": "Not now."}
    assert post(request, outcome=outcome, **words, **more).status_code == 302
    statement = sealing.words_of(Review.objects.get())["statement"]
    assert statement.endswith(signed) and statement.startswith("I have read every answer of Ada Whitlock, born 4 May")
    form = page[page.index('<form id="decision"') :]
    beside = form if outcome != "cleared" or answers == LOOK else page
    assert f"{statement}</p>" in beside
    if answers == GIVEN:  # nobody can clear it
        assert NOTHING_AGAINST not in page and LOOKED_PAST not in page
    else:
        assert (NOTHING_AGAINST in page) is (answers != LOOK) and (LOOKED_PAST in page) is (answers == LOOK)


def test_a_name_corrected_meanwhile_is_read_before_it_is_signed(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    shown = shown_to(signed_in(make_user(role="Clinician")), request)
    patient.name = "Ada Whitmore"
    patient.save(update_fields=["name"])
    page = post(request, outcome="cleared", shown=shown)
    assert page.status_code == 422 and "What you sign has changed meanwhile." in page.content.decode()
    assert "every answer of Ada Whitmore" in page.content.decode()
    assert not Review.objects.exists()


def test_sign_and_next_opens_the_next(patient, treatment, questionnaire, harmless):
    user = make_user(role="Clinician")
    mine = make_patient(user=user)
    read_by_other, following = make_patient(), make_patient()
    rows = []
    for person_ in (patient, mine, read_by_other, following):
        answer(questionnaire, harmless, person_)
        rows.append(ask(person_, treatment))
    reviews.open_for_reading(rows[2], by=make_user(role="Clinician"), now=NOW)
    done = post(rows[0], user, outcome="cleared")
    assert done["Location"] == reverse("admin:screening_reviewrequest_review", args=[rows[3].uuid])
    rows[3].refresh_from_db()
    assert rows[3].being_read_by == user
    done = post(rows[3], user, outcome="cleared", then="list")
    assert done["Location"] == reverse("admin:screening_reviewrequest_changelist")


def test_words_that_were_written_are_kept_when_something_is_missing(patient, treatment, questionnaire, harmless):
    answer(questionnaire, {**harmless, **LOOK, "cold-sores": "not-sure"}, patient)
    request = ask(patient, treatment)
    page = post(request, outcome="cleared", **{"reason-diabetes-controlled": "HbA1c seen, 48."})
    words = page.content.decode()
    assert page.status_code == 422
    assert words.split("<title>")[1].split("|")[0].count("Error:") == 1
    assert "HbA1c seen, 48." in words
    assert 'href="#id_reason-cold-sores-not-sure"' in words and 'id="id_reason-cold-sores-not-sure"' in words
    assert not Review.objects.exists()


def test_all_that_is_missing_is_said_at_once(patient, treatment, questionnaire, harmless):
    answer(questionnaire, {**harmless, **LOOK, "cold-sores": "not-sure"}, patient)
    words = post(ask(patient, treatment), outcome="cleared-with-conditions", identity="").content.decode()
    fields = ("identity", "conditions", "reason-diabetes-controlled", "reason-cold-sores-not-sure")
    assert [name for name in fields if words.count(f'href="#id_{name}"') != 1] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"outcome": "cleared", "identity": ""}, "Confirm whose answers these are."),
        ({}, "Choose what you decide."),
        ({"outcome": "approve"}, "approve"),
        ({"outcome": "deferred", "deferred_until_day": "31", "deferred_until_month": "2"}, "year"),
        (
            {
                "outcome": "deferred",
                "deferred_until_day": "1",
                "deferred_until_month": "2",
                "deferred_until_year": "2020",
            },
            "after today",
        ),  # noqa: E501
        ({"outcome": "cleared-with-conditions"}, "Write the conditions."),
        ({"outcome": "needs-information"}, "Write the question to the patient."),
        ({"outcome": "cleared", "day": "2027-01-01"}, "The visit has been moved"),
        ({"outcome": "cleared", "day": "x"}, "The visit has been moved"),
        ({"outcome": "cleared", "shown": "x"}, "What you sign has changed meanwhile."),
        ({"outcome": "not-suitable"}, "Write why."),
        ({"outcome": "deferred", "explanation": "   "}, "Write why."),
        ({"outcome": "consultation-required", "explanation": "a" * 5000}, "4000"),
        ({"outcome": "cleared", "note": "a" * 3000}, "2000"),
        ({"outcome": "cleared", "reason-no-such": "x"}, "no longer what they were"),
    ],
)
def test_bad_input_is_said_and_nothing_is_saved(patient, treatment, questionnaire, harmless, data, words):
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    page = post(request, **data)
    assert page.status_code == 422
    assert words in page.content.decode()
    assert "Nothing was saved yet" in page.content.decode()
    assert not Review.objects.exists()


TWICE = [
    ("outcome", {"outcome": ["not-suitable", "cleared"]}),
    ("conditions", {"outcome": "cleared-with-conditions", "conditions": ["No numbing.", "None."]}),
    ("note", {"outcome": "cleared", "note": ["a", "b"]}),
    ("deferred_until_day", {"outcome": "deferred", "deferred_until_day": ["30", "2"], "deferred_until_month": "3"}),
    ("reason-diabetes-controlled", {"outcome": "cleared", "reason-diabetes-controlled": ["HbA1c seen.", "Fine."]}),
]


@pytest.mark.parametrize(("field", "data"), TWICE)
def test_two_answers_to_one_field_of_a_decision_are_refused(patient, treatment, questionnaire, harmless, field, data):
    answer(questionnaire, {**harmless, **LOOK}, patient)
    page = post(ask(patient, treatment), **{"reason-diabetes-controlled": "HbA1c seen.", **data})
    assert page.status_code == 422
    words = page.content.decode()
    assert "Please answer this once." in words and 'value="not-suitable" required checked' not in words
    assert not Review.objects.exists()
    if field.startswith("reason-"):
        assert f'href="#id_{field}"' in words


def test_a_date_begun_for_another_outcome_does_not_matter(patient, treatment, questionnaire, harmless):
    answer(questionnaire, harmless, patient)
    assert post(ask(patient, treatment), outcome="cleared", deferred_until_day="31").status_code == 302
    assert Review.objects.get().deferred_until is None


@pytest.mark.parametrize("outcome", ["needs-information", "deferred", "consultation-required", "not-suitable"])
def test_every_other_outcome_can_be_signed(waiting, outcome):
    page = review_page(waiting).content.decode()
    assert 'value="cleared"' not in page  # two signatures, which cannot be given here yet
    assert "the lead clinician and a second clinician" in page
    assert post(waiting, outcome=outcome, question="When was it?", note="Rang her.").status_code == 302
    assert Review.objects.get().outcome == outcome


def test_clearing_what_takes_two_is_refused_by_the_server(waiting):
    for role in ("Clinician", "Lead clinician"):
        page = post(waiting, make_user(role=role), outcome="cleared", **{"reason-keloid-yes": "Looks fine to me."})
        assert page.status_code == 422
    assert not Review.objects.exists()


def test_ones_own_can_be_seen_but_not_decided(treatment, questionnaire, harmless):
    make_clinic()
    user = make_user(role="Clinician")
    patient = make_patient(user=user)
    answer(questionnaire, harmless, patient)
    request = ask(patient, treatment)
    page = review_page(request, user).content.decode()
    assert "These are your own answers." in page
    assert "Sign and next" not in page
    assert post(request, user, outcome="cleared").status_code == 422
    assert not Review.objects.exists()


def test_the_second_of_two_is_told_and_keeps_the_words(waiting, patient):
    client = signed_in(make_user(role="Clinician"))
    data = {"outcome": "deferred", "identity": "on", "day": VISIT.isoformat(), "shown": shown_to(client, waiting)}
    data |= {"explanation": "Heal first.", "note": "Rang her.", "reason-keloid": "A small one."}
    data |= {"deferred_until_0": "1", "deferred_until_1": "2", "deferred_until_2": "2027"}
    decide(waiting, "not-suitable", by=make_user(role="Clinician", name="Dr Ines Fuchs"), reasons={})
    url = reverse("admin:screening_reviewrequest_decide", args=[waiting.uuid])
    page = client.post(url, data).content.decode()
    for words in ("Already decided by Dr Ines Fuchs", patient.reference, "not suitable", "Your decision was not saved"):
        assert words in page
    for typed in ("Not yet", "Heal first.", "Rang her.", "A small one."):
        assert typed in page
    assert Review.objects.count() == 1


def test_a_second_press_is_not_a_colleague(waiting):
    user = make_user(role="Clinician")
    client = signed_in(user)
    data = {"outcome": "not-suitable", "identity": "on", "day": VISIT.isoformat(), "shown": shown_to(client, waiting)}
    url = reverse("admin:screening_reviewrequest_decide", args=[waiting.uuid])
    assert client.post(url, data).status_code == 302
    page = client.post(url, data).content.decode()
    assert "You signed that yourself" in page and "talk to your colleague" not in page


def test_what_an_outcome_needs_is_marked_at_its_box(waiting):
    page = post(waiting, outcome="needs-information").content.decode()
    assert '<li id="error-id_question"><a href="#id_question">Write the question to the patient.' in page
    assert 'aria-invalid="true" aria-describedby="error-id_question"' in page


def test_a_closed_request_leads_to_the_answers(waiting):
    decide(waiting, "not-suitable", reasons={})
    page = review_page(waiting)
    assert page["Location"] == reverse("admin:screening_questionnaireresponse_change", args=[waiting.response.uuid])


@pytest.mark.parametrize("key", ["0" * 8 + "-0000-0000-0000-" + "0" * 12])
def test_a_wrong_address_is_404(waiting, key):
    client = signed_in(make_user(role="Clinician"))
    assert client.get(f"/admin/screening/reviewrequest/{key}/").status_code == 404
    assert client.get(f"/admin/screening/questionnaireresponse/{key}/").status_code == 404
    assert client.get("/admin/screening/questionnaire/999999/").status_code == 404


def test_answers_that_cannot_be_opened_are_said_to_be_so(waiting):
    from screening.models import DataKey

    DataKey.objects.filter(response=waiting.response_id).delete()
    assert review_page(waiting).status_code == 409
    assert post(waiting, outcome="not-suitable").status_code in (409, 422)
    assert not Review.objects.exists()


def test_titles_addresses_messages_and_the_log_hold_nothing_clinical(waiting, patient):
    user = make_user(role="Clinician")
    client = signed_in(user)
    url = reverse("admin:screening_reviewrequest_review", args=[waiting.uuid])
    title = client.get(url).content.decode().split("<title>")[1].split("</title>")[0]
    done = client.post(
        reverse("admin:screening_reviewrequest_decide", args=[waiting.uuid]),
        {
            "outcome": "not-suitable",
            "identity": "on",
            "day": VISIT.isoformat(),
            "shown": shown_to(client, waiting),
        },
        follow=True,
    )
    said = [str(message) for message in done.context["messages"]]
    assert said == [f"Saved for {patient.reference} and the visit on Wednesday 10 March 2027."]
    for words in (title, *said, url):
        for clinical in ("keloid", "suitable", "cleared", patient.name):
            assert clinical not in words.lower() and clinical not in words
    assert not LogEntry.objects.exists()


# ---------------------------------------------------------------- looking answers up


def test_a_clinician_finds_answers_by_name_reference_and_birth_date(waiting, patient, questionnaire, harmless):
    client = signed_in(make_user(role="Clinician"))
    url = reverse("admin:screening_questionnaireresponse_changelist")
    for words in ("whitlock", "Ada Whit", patient.reference, "1990-05-04", "4 May 1990", "Whitlock, Ada", ""):
        assert "Ada Whitlock" in client.post(url, {"q": words}).content.decode()
    for words in ("nobody", "1991-05-04", "Ada nobody"):
        assert "Nobody was found." in client.post(url, {"q": words}).content.decode()
    assert "Nobody was found." not in client.get(url, {"q": "nobody"}).content.decode()


def test_unfinished_and_anonymous_answers_are_nobodys_to_read(questionnaire, harmless, patient):
    anonymous = answer(questionnaire, harmless)
    unfinished = responses.start(
        questionnaire=questionnaire, treatment=None, privacy_version="1", now=NOW, patient=patient
    )
    client = signed_in(make_user(role="Lead clinician"))
    for response in (anonymous, unfinished):
        url = reverse("admin:screening_questionnaireresponse_change", args=[response.uuid])
        assert client.get(url).status_code == 404


def test_a_clinician_withdraws_answers(waiting):
    client = signed_in(make_user(role="Clinician"))
    url = reverse("admin:screening_questionnaireresponse_withdraw", args=[waiting.response.uuid])
    client.post(url)
    assert QuestionnaireResponse.objects.get(pk=waiting.response_id).status == "completed"
    client.post(url, {"sure": "yes"})
    assert QuestionnaireResponse.objects.get(pk=waiting.response_id).status == "entered-in-error"
    page = client.get(reverse("admin:screening_questionnaireresponse_change", args=[waiting.response.uuid]))
    assert "These answers count for nothing." in page.content.decode()


# ---------------------------------------------------------------- questionnaires


def test_an_active_version_is_shown_and_cannot_be_touched(questionnaire):
    make_clinic()
    page = signed_in(make_user(role="Clinician")).get(
        reverse("admin:screening_questionnaire_change", args=[questionnaire.pk])
    )
    words = page.content.decode()
    assert "Has a scar of yours ever grown bigger" in words and "keloid-yes" in words
    for verb in ("Propose</button>", "Publish</button>", "Take out of force</button>"):
        assert verb not in words


def test_two_people_publish_a_draft(questionnaire, treatment):
    from dataclasses import replace

    from screening import definition

    make_clinic()
    draft, _made = definition.save_draft(replace(shipped("microneedling"), version=2), treatments=[treatment])
    clinician, lead = make_user(role="Clinician"), make_user(role="Lead clinician")
    act = {verb: reverse(f"admin:screening_questionnaire_{verb}", args=[draft.pk]) for verb in ("propose", "publish")}

    def status():
        return Questionnaire.objects.get(pk=draft.pk).status

    for user in (clinician, lead):
        signed_in(user).post(act["publish"])
        assert status() == "draft"  # nobody proposed it
    signed_in(lead).post(act["propose"])
    page = signed_in(lead).post(act["publish"], follow=True)
    assert "You proposed it." in page.content.decode()
    assert status() == "draft"
    signed_in(clinician).post(act["propose"])
    signed_in(clinician).post(act["publish"])
    assert status() == "draft"
    User.objects.filter(pk=clinician.pk).update(is_active=False)  # has left since
    page = signed_in(lead).post(act["publish"], follow=True)
    assert "Whoever proposed it may not do so any more." in page.content.decode()
    assert status() == "draft"
    User.objects.filter(pk=clinician.pk).update(is_active=True)
    signed_in(lead).post(act["publish"])
    assert status() == "active"
    published = Questionnaire.objects.get(pk=draft.pk)
    assert (published.proposed_by, published.published_by) == (clinician, lead)
    questionnaire.refresh_from_db()
    assert (questionnaire.status, questionnaire.retired_at) == ("retired", NOW)


def test_the_lists_ask_as_often_for_three_as_for_one(waiting, questionnaire, harmless, django_assert_num_queries):
    from dataclasses import replace

    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from screening import definition

    client = signed_in(make_user(role="Lead clinician"))
    lists = [reverse(f"admin:screening_{model}_changelist") for model in ("questionnaire", "questionnaireresponse")]
    counts = []
    for url in lists:
        client.get(url)
        with CaptureQueriesContext(
            connection,
        ) as asked:
            client.get(url)
        assert len(asked) <= 12
        counts.append(len(asked))
    for version in (2, 3):
        definition.save_draft(replace(shipped("microneedling"), version=version))
        answer(questionnaire, harmless, make_patient())
    for url, count in zip(lists, counts, strict=True):
        with django_assert_num_queries(count):
            client.get(url)


# ---------------------------------------------------------------- panels


def test_the_dashboard_says_who_waits_to_clinicians_only(waiting):
    assert "Waiting for a clinician" in signed_in(make_user(role="Clinician")).get("/admin/").content.decode()
    for role in (*OUTSIDERS, "Practitioner"):
        assert "Waiting for a clinician" not in signed_in(person(role)).get("/admin/").content.decode()


def test_before_opening_somebody_has_to_publish(treatment):
    make_clinic()
    page = signed_in(make_user(role="Manager")).get(reverse("admin:opening")).content.decode()
    assert "Publish the questions asked before treatment" in page
    assert "Publish the short questions asked before each session" in page


def test_before_opening_a_treatment_nobody_is_screened_for(questionnaire):
    from tests.make import make_treatment

    make_clinic()
    other = make_treatment(name="Microneedling: stretch marks")
    page = signed_in(make_user(role="Manager")).get(reverse("admin:opening")).content.decode()
    assert f"{other}: no published questions cover it." in page
    assert "Publish the questions asked before treatment" not in page
