"""Every attempt is kept and comes along (H10): nobody un-says an answer by answering again, or by not signing in."""

from datetime import date, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.urls import reverse

from clinic.models import CallBack, Patient
from screening import clearance, finished, reading, responses
from screening.models import QuestionnaireResponse, ReviewRequest
from tests.make import NOW, TODAY, area, make_appointment, make_clinic, make_patient, make_user
from tests.screening.decisions import VISIT, answer, ask, decide, heard

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(minutes=5)
KELOID = {"keloid": "yes", "keloid-where": "ear"}
PREGNANT = {"pregnancy": "yes"}


@pytest.fixture
def patient():
    return make_patient(user=make_user(), birth_date=date(1990, 5, 4))


@pytest.fixture
def booked(patient, treatment, questionnaire, harmless):
    """A visit that stands on a clinician's yes."""
    answer(questionnaire, harmless, patient)
    review = decide(ask(patient, treatment))
    return make_appointment(
        patient=patient,
        treatment=treatment,
        area=area(),
        review=review,
        status="booked",
        starts_at=NOW + (VISIT - TODAY) + timedelta(hours=1),
    )


def two_attempts(walker, clock, first, second):
    walker.send(first)
    one = walker.response
    clock.forward(minutes=3)
    walker.send(second)
    return one, walker.response


# ---------------------------------------------------------------- answering again on the same device


def test_the_clinician_sees_what_was_answered_before_somebody_was_anybody(walker, clock, harmless, patient, treatment):
    one, two = two_attempts(walker, clock, {**harmless, **KELOID}, harmless)
    assert two.supersedes == one and one.patient is None

    clearance.adopt_response(two.pk, patient=patient, now=clock.now)

    one.refresh_from_db()
    assert one.patient == patient
    two = QuestionnaireResponse.objects.get(pk=two.pk)
    found = finished.says(two, TODAY, now=clock.now)
    lines = reading.changed(reading.lines_of(two, found, reading.earlier_responses(two)))
    assert [(line.link_id, line.answer, [words for _day, words in line.earlier]) for line in lines] == [
        ("keloid", "No", ["Yes"])
    ]


def test_every_attempt_comes_along_however_many(walker, clock, harmless, patient):
    one, two = two_attempts(walker, clock, {**harmless, **KELOID}, harmless)
    clock.forward(minutes=3)
    walker.send(harmless)
    clearance.adopt_response(walker.response.pk, patient=patient, now=clock.now)
    assert set(QuestionnaireResponse.objects.filter(patient=patient)) == {one, two, walker.response}


def test_older_answers_that_come_late_do_not_take_the_place_of_newer_ones(questionnaire, harmless, patient, treatment):
    older = answer(questionnaire, {**harmless, **KELOID})
    newer = answer(questionnaire, harmless, patient, now=LATER)
    row = ask(patient, treatment, now=LATER)
    with heard() as told:
        clearance.adopt_response(older.pk, patient=patient, now=LATER)
    row.refresh_from_db()
    assert (row.response, row.closed_at, told) == (newer, None, [])
    # Nor do they when somebody asks for a decision on them by name.
    again = clearance.request_review(
        patient,
        treatment,
        area=area(),
        response_id=older.pk,
        needed_on=VISIT,
        needed_at=None,
        answer_by=None,
        now=LATER,
    )
    assert again.response == newer


def test_a_held_time_of_the_first_attempt_does_not_hide_the_second(walker, clock, harmless, patient, treatment):
    one, two = two_attempts(walker, clock, harmless, {**harmless, **KELOID})

    with heard() as told:
        clearance.adopt_response(one.pk, patient=patient, now=clock.now)

    assert clearance.finished_responses([patient.pk]).first() == two
    assert [t["outcome"] for t in told] == ["answered"]
    asking = clearance.may_ask(one.pk, treatment, area=area(), on=VISIT, now=clock.now)
    assert (asking.allowed, asking.why) == (False, "out-of-date")


def test_the_next_person_at_the_device_brings_nobody_elses_answers(walker, clock, harmless, patient):
    one, two = two_attempts(walker, clock, {**harmless, "age-date-of-birth": "1985-01-02", **KELOID}, harmless)
    assert two.supersedes is None

    clearance.adopt_response(two.pk, patient=patient, now=clock.now)

    one.refresh_from_db()
    assert one.patient is None


def test_an_attempt_that_was_given_up_does_not_cut_the_tie(walker, clock, harmless):
    walker.send({**harmless, **KELOID})
    one = walker.response
    walker.fill_in(harmless, until=4)
    clock.forward(minutes=1)
    walker.send(harmless)
    assert walker.response.supersedes == one


def test_an_attempt_of_another_patient_stays_theirs(questionnaire, harmless, patient):
    theirs = answer(questionnaire, {**harmless, **KELOID})
    clearance.adopt_response(theirs.pk, patient=make_patient(birth_date=date(1990, 5, 4)), now=NOW)
    mine = responses.start(questionnaire=questionnaire, treatment=None, privacy_version="1", now=LATER, after=theirs)
    responses.save_answers(mine, harmless, now=LATER)
    mine = responses.complete(mine, today=TODAY, now=LATER)
    assert mine.supersedes is None

    clearance.adopt_response(mine.pk, patient=patient, now=LATER)
    assert list(clearance.finished_responses([patient.pk])) == [mine]


def test_signed_in_answers_bring_along_what_the_device_sent_before(questionnaire, harmless, patient):
    before = answer(questionnaire, {**harmless, **KELOID})
    mine = responses.start(
        questionnaire=questionnaire, treatment=None, privacy_version="1", now=LATER, patient=patient, after=before
    )
    responses.save_answers(mine, harmless, now=LATER)
    mine = responses.complete(mine, today=TODAY, now=LATER)
    before.refresh_from_db()
    assert (mine.supersedes, mine.status, before.patient) == (before, "amended", patient)


# ---------------------------------------------------------------- signing in


def test_news_given_before_signing_in_reaches_the_visit(walker, booked, harmless, patient, clock):
    clock.forward(hours=1)
    walker.send({**harmless, **PREGNANT})
    assert walker.response.patient is None

    walker.client.force_login(patient.user)

    assert walker.response.patient == patient
    booked.refresh_from_db()
    assert booked.status == "pending"
    assert not clearance.clearance_for(patient, booked.treatment, area=area(), on=VISIT, now=clock.now).cleared


def test_news_reaches_a_visit_booked_by_phone_once_its_record_is_linked(
    walker, booked, harmless, patient, clock, settings
):
    user, address = patient.user, patient.user.email
    Patient.objects.filter(pk=patient.pk).update(user=None, email=address)
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    clock.forward(hours=1)
    walker.send({**harmless, **PREGNANT})
    walker.client.force_login(user)
    assert walker.response.patient is None

    born = {"birth_date_day": "4", "birth_date_month": "5", "birth_date_year": "1990"}
    assert walker.client.post(reverse("my_birth_date"), born).status_code == 302

    assert walker.response.patient == patient
    booked.refresh_from_db()
    assert booked.status == "pending"


@pytest.mark.parametrize("given", [{"age-date-of-birth": "1971-05-04"}])
def test_signing_in_takes_nobody_elses_answers(walker, booked, harmless, patient, clock, given):
    clock.forward(hours=1)
    walker.send({**harmless, **PREGNANT, **given})
    walker.client.force_login(patient.user)
    assert walker.response.patient is None
    booked.refresh_from_db()
    assert booked.status == "booked"


def sign_in_half_way(walker, patient, answers):
    """Begins signed out, signs in in another window, and comes to "check your answers"."""
    walker.fill_in(answers, until=4)
    walker.client.force_login(patient.user)
    for step in walker.steps[3:]:
        assert walker.step(step.number, answers).status_code == 302


def test_news_of_somebody_who_signs_in_half_way_reaches_the_visit(walker, booked, harmless, patient, clock):
    clock.forward(hours=1)
    sign_in_half_way(walker, patient, {**harmless, **PREGNANT})
    assert (walker.response.status, walker.response.patient) == ("in-progress", None)
    booked.refresh_from_db()
    assert booked.status == "booked"

    def fails(**_arguments):
        raise RuntimeError("the visit could not be moved")

    clearance.clearance_changed.connect(fails)
    try:
        with pytest.raises(RuntimeError):
            walker.send()
    finally:
        clearance.clearance_changed.disconnect(fails)
    assert (walker.response.status, walker.response.patient) == ("in-progress", None)  # all of it, or nothing

    assert walker.send().url == "/screening/result/"
    assert walker.response.patient == patient
    booked.refresh_from_db()
    assert booked.status == "pending"
    assert "You sent your answers on" in walker.client.get("/screening/result/").content.decode()


@pytest.mark.parametrize(("name", "rung"), [(None, False), ("Ada Example", True), ("Zelda Quux", False)])
def test_on_a_shared_device_nobody_is_rung_about_somebody_elses_answers(walker, harmless, patient, clock, name, rung):
    """A daughter answers, her mother signs in: another birth date is a slip only where the name is the mother's."""
    patient.name = "Ada Example"
    patient.save()
    walker.send({**harmless, "age-date-of-birth": "1971-05-04"})
    if name:
        session = walker.client.session
        session["name_given"] = name
        session.save()
    walker.client.force_login(patient.user)
    assert walker.response.patient is None
    assert CallBack.objects.exists() is rung


@pytest.mark.parametrize("whose", ["another birth date", "another name", "another name and birth date"])
def test_somebody_elses_answers_stay_theirs_whoever_signs_in_half_way(walker, booked, harmless, patient, clock, whose):
    clock.forward(hours=1)
    other = {"age-date-of-birth": "1971-05-04"} if "birth date" in whose else {}
    sign_in_half_way(walker, patient, {**harmless, **PREGNANT, **other})
    if "name" in whose:
        session = walker.client.session
        session["name_given"] = "Zelda Quux"
        session.save()
    walker.send()
    assert (walker.response.status, walker.response.patient) == ("completed", None)
    booked.refresh_from_db()
    assert booked.status == "booked"
    asked_to_ring = CallBack.objects.filter(request_key=walker.response.uuid, phone=patient.phone).exists()
    assert asked_to_ring == (whose != "another name and birth date")


def test_a_second_form_is_not_lost_when_a_time_was_asked_for_on_the_first(walker, harmless, patient, treatment, clock):
    walker.send(harmless)
    one = walker.response
    clock.forward(minutes=2)
    walker.fill_in({**harmless, **KELOID})  # in a second window; the first asks for a time
    walker.client.force_login(patient.user)
    clearance.adopt_response(one.pk, patient=patient, now=clock.now)
    row = ask(patient, treatment, now=clock.now)
    clock.forward(minutes=1)

    walker.send()

    row.refresh_from_db()
    assert (walker.response.patient, row.closed_at) == (patient, clock.now)
    assert ReviewRequest.objects.waiting().get().response == walker.response
    assert one in reading.earlier_responses(walker.response)


def test_staff_and_new_people_sign_in_as_ever(walker, harmless, clock):
    walker.send(harmless)
    for user in (make_user(role="Front desk"), make_user()):
        walker.client.force_login(user)
    assert QuestionnaireResponse.objects.get().patient is None


def test_staff_who_sign_in_where_somebody_answered_read_nothing_of_it(walker, treatment, harmless, clock):
    make_clinic()
    walker.send({**harmless, **PREGNANT})
    way = reverse("booking:slots", args=[treatment.slug])
    assert "That follows from your answers" in walker.client.get(way).content.decode()
    walker.client.force_login(make_user(role="Front desk"))
    page = walker.client.get(way)
    assert page.status_code == 200 and "our answers" not in page.content.decode()


def test_a_fault_never_keeps_anybody_from_signing_in(walker, booked, harmless, patient, clock):
    clock.forward(hours=1)
    walker.send({**harmless, **PREGNANT})

    def fails(**_arguments):
        raise RuntimeError("the visit could not be moved")

    clearance.clearance_changed.connect(fails)
    try:
        walker.client.force_login(patient.user)
    finally:
        clearance.clearance_changed.disconnect(fails)
    assert walker.client.session["_auth_user_id"] == str(patient.user.pk)
    assert walker.response.patient is None  # all of it, or nothing


def test_somebody_with_a_visit_is_asked_to_sign_in_on_the_result(walker, harmless, patient, clock):
    walker.send(harmless)
    words, link = "I have a visit with you already", "/accounts/login/?next=/screening/result/"
    page = walker.client.get("/screening/result/").content.decode()
    assert words in page and link in page
    walker.client.force_login(patient.user)
    page = walker.client.get("/screening/result/").content.decode()
    assert words not in page and "You sent your answers on" in page
