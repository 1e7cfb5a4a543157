"""A practitioner's own day: who this is, what has changed, agreement, and the end of the visit."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext

from booking import appointments, desk, todo
from booking.changing import NotAllowed, Taken
from screening import clearance
from screening.models import QuestionnaireResponse
from tests import make
from tests.booking import steps
from tests.booking.staff import Staff, words_of
from tests.make import NOW
from tests.screening.conftest import publish


@pytest.fixture
def nurse(surgery, clock):
    return Staff(surgery.practitioner.user)


@pytest.fixture
def questions(surgery):
    return publish("microneedling-recheck")


@pytest.fixture
def here(surgery, clock, questions):
    """Somebody who has arrived for a treatment, and it is their time."""
    appointment = steps.arrived(surgery)
    clock.now = appointment.starts_at
    return appointment


def filled(questions, **changes) -> dict:
    """The whole check-in as a form, with nothing new."""
    answers = {
        question.link_id: question.no_finding[-1]
        for question in questions.definition().questions
        if not question.parent
    }
    return answers | {"says_name": "on", "says_birth_date": "on", "agreed": "on"} | changes


def without(form: dict, *names) -> dict:
    return {name: value for name, value in form.items() if name not in names}


# --- whose visit


def test_the_own_day_lists_own_visits_only(nurse, surgery, clock):
    steps.talk(surgery, patient=make.make_patient(name="My Own"))
    steps.talk(surgery, patient=make.make_patient(name="Not Mine"), practitioner=surgery.practitioners[1])
    page = nurse.read("my_day", query=f"?day={steps.VISIT}")
    assert f'type="date" name="day" value="{steps.VISIT}"' in page, "to go to another day"
    assert "My Own" in page
    assert "Not Mine" not in page
    assert "No visits with you on this day." in nurse.read("my_day")
    other = nurse.read("my_day", query="?day=nonsense")
    assert "No visits with you" in other and "so this is today" in other


def test_another_practitioners_visit_is_not_there(nurse, surgery, clock):
    other = steps.talk(surgery, practitioner=surgery.practitioners[1])
    for page in ("visit", "change"):
        assert nurse.get(page, other.uuid).status_code == 404
    for page in ("visit", "done", "not_today", "undo"):
        assert nurse.post(page, other.uuid).status_code == 404
    assert other.patient.name not in nurse.read("changelist", query="?show=all")


@pytest.mark.parametrize("role", ["Front desk", "Clinician", "Lead clinician", "Content editor", "Manager"])
def test_nobody_but_practitioners_opens_a_visit(here, role):
    staff = Staff(make.make_user(role))
    for page in ("visit", "done", "not_today"):
        assert staff.post(page, here.uuid).status_code == 403
    assert staff.get("visit", here.uuid).status_code == 403
    here.refresh_from_db()
    assert here.status == "arrived"


def test_a_clinician_who_is_no_front_desk_does_not_run_it(surgery, clock, here):
    staff = Staff(surgery.clinician)
    assert staff.get("desk").status_code == 403
    assert staff.post("arrive", here.uuid).status_code == 403
    page = staff.read("change", here.uuid)
    assert here.patient.name in page
    assert "Move" not in page.split('id="content"')[1]


# --- what the page shows


def test_the_visit_says_who_this_is_and_the_conditions(nurse, surgery, clock, questions):
    patient = make.make_patient(name="Maria Vella")
    appointment = steps.asked(surgery, patient=patient)
    steps.decide(appointment, "cleared-with-conditions", conditions="Left cheek only, 0.5 mm.")
    appointments.arrive(appointment, by=surgery.desk, now=appointment.starts_at)
    clock.now = appointment.starts_at
    page = nurse.read("visit", appointment.uuid)
    for words in (
        "Maria Vella",
        "Born 4 May 1990",
        patient.reference,
        "Left cheek only, 0.5 mm.",
        "First visit with us.",
    ):
        assert words in page, words
    assert str(appointment.review.response.uuid) in page


def test_what_to_do_with_somebody_else_stands_beside_the_boxes(nurse, here):
    page = nurse.read("visit", here.uuid)
    assert "Stop: do not check in" in page.split('id="part-1"')[1].split("says_name")[0]


def test_conditions_that_cannot_be_read_stop_the_visit(nurse, surgery, here):
    from screening.models import DataKey

    DataKey.objects.filter(response=here.review.response).delete()
    page = nurse.read("visit", here.uuid)
    assert "Do not treat; ask the clinician." in page


def test_conditions_are_for_who_treats_now_only(nurse, surgery, clock):
    appointment = steps.booked(surgery)
    review, who = appointment.review_id, {"patient": appointment.patient, "now": NOW}
    with pytest.raises(PermissionDenied):
        clearance.conditions_of(review, by=surgery.practitioner.user, **who)  # ten days before
    for user in (surgery.desk, surgery.manager, make.make_user("Practitioner")):
        with pytest.raises(PermissionDenied):
            clearance.conditions_of(review, by=user, **who)
    assert clearance.conditions_of(review, by=surgery.clinician, **who) is not None
    assert clearance.conditions_of(review, by=surgery.clinician, patient=make.make_patient(), now=NOW) is None
    assert "seven days before" in nurse.read("visit", appointment.uuid)


def test_conditions_of_a_decision_that_no_longer_counts_are_not_shown(nurse, surgery, clock, questions):
    appointment = steps.asked(surgery)
    steps.decide(appointment, "cleared-with-conditions", conditions="Left cheek only, 0.5 mm.")
    clock.now = appointment.starts_at
    assert "Left cheek only" in nurse.read("visit", appointment.uuid)
    steps.rechecked(appointment, now=clock.now, pregnancy="yes")
    page = nurse.read("visit", appointment.uuid)
    assert "Left cheek only" not in page
    assert "No decision clears this treatment at the moment." in page


def test_the_last_session_is_named(nurse, surgery, clock, here):
    talk = make.make_appointment(
        status="fulfilled",
        patient=here.patient,
        treatment=surgery.consultation,
        practitioner=surgery.practitioners[1],
        room=surgery.rooms[1],
        starts_at=make.at("2027-02-16"),
    )
    page = nurse.read("visit", here.uuid)
    assert "First session on this area." in page
    assert "Tuesday 16 February 2027" in page
    assert f"{talk.treatment}, {talk.practitioner}, {talk.location}" in page
    assert "Ask how the skin was afterwards." in page


def test_the_last_session_on_the_area_comes_before_a_later_visit(nurse, surgery, here):
    fields = {"status": "fulfilled", "patient": here.patient, "treatment": surgery.consultation}
    for day, area in (("2027-01-12", make.area()), ("2027-01-05", make.area()), ("2027-02-16", None)):
        make.make_appointment(**fields, practitioner=surgery.practitioner, area=area, starts_at=make.at(day))
    page = nurse.read("visit", here.uuid)
    assert "Last session on this area:" in page
    assert "Tuesday 12 January 2027" in page
    assert "Tuesday 16 February 2027" not in page
    assert "Tuesday 5 January 2027" not in page


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, "No"),
        ({"recheck_problems": "not-sure"}, "I am not sure"),
        ({"recheck_problems": "yes", "recheck_problems_what": "okapimarks"}, "Yes: okapimarks"),
    ],
)
def test_what_was_said_today_of_the_last_session_stands_beside_it(nurse, surgery, clock, here, answers, words):
    before = {"status": "fulfilled", "patient": here.patient, "starts_at": make.at("2027-02-16")}
    make.make_appointment(treatment=surgery.consultation, practitioner=surgery.practitioner, **before)
    steps.rechecked(here, **answers)
    page = nurse.read("visit", here.uuid)
    assert "Problems after the last session, asked today:" in page
    assert f"<strong>{words}</strong>" in page
    assert "Ask how the skin was afterwards." not in page
    clock.now += timedelta(days=1)
    assert "okapimarks" not in Staff(surgery.desk).read("change", here.uuid)


def test_what_was_said_of_the_last_session_is_for_who_treats_now_only(surgery, here):
    steps.rechecked(here)
    who = {"patient": here.patient, "on": here.local_date, "now": here.starts_at}
    for user in (surgery.desk, surgery.manager, make.make_user("Practitioner")):
        with pytest.raises(PermissionDenied):
            clearance.said_of_last_session(by=user, **who)
    for user in (surgery.practitioner.user, surgery.clinician):
        assert clearance.said_of_last_session(by=user, **who) == ["No"]
    another_day = who | {"on": here.local_date - timedelta(days=1)}
    assert clearance.said_of_last_session(by=surgery.clinician, **another_day) == []


def test_what_cannot_be_read_of_the_last_session_is_left_out(surgery, here):
    from screening.models import DataKey

    steps.rechecked(here)
    DataKey.objects.filter(response__questionnaire__purpose="recheck").delete()
    who = {"patient": here.patient, "on": here.local_date, "now": here.starts_at}
    assert clearance.said_of_last_session(by=surgery.clinician, **who) == []


def test_a_visit_stays_within_twelve_queries(nurse, surgery, here):
    before = {"status": "fulfilled", "patient": here.patient, "starts_at": make.at("2027-02-16")}
    make.make_appointment(treatment=surgery.consultation, practitioner=surgery.practitioner, **before)
    steps.rechecked(here)
    nurse.read("visit", here.uuid)
    with CaptureQueriesContext(connection) as queries:
        nurse.read("visit", here.uuid)
    assert len(queries) <= 12


# --- the check-in


def test_all_three_parts_check_the_patient_in(nurse, surgery, here, questions):
    answer = nurse.post("visit", here.uuid, follow=True, **filled(questions))
    assert "Checked in. You can begin." in words_of(answer)
    here.refresh_from_db()
    assert (here.status, here.identity_confirmed_by) == ("checked-in", surgery.practitioner.user)
    assert here.identity_confirmed_at == here.agreed_at == here.starts_at
    recheck = QuestionnaireResponse.objects.get(questionnaire=questions)
    assert (recheck.assisted_by, recheck.reopens, recheck.status) == (surgery.practitioner.user, False, "completed")


@pytest.mark.parametrize("missing", ["says_name", "says_birth_date"])
def test_nothing_is_kept_before_it_is_sure_who_this_is(nurse, here, questions, missing):
    answer = nurse.post("visit", here.uuid, **without(filled(questions), missing))
    assert answer.status_code == 422
    assert "Not checked in yet" in words_of(answer)
    here.refresh_from_db()
    assert here.status == "arrived"
    assert not QuestionnaireResponse.objects.filter(questionnaire=questions).exists()


def test_without_agreement_nothing_is_done_but_the_answers_are_kept(nurse, here, questions):
    answer = nurse.post("visit", here.uuid, **without(filled(questions), "agreed"))
    assert answer.status_code == 422
    assert "Without agreement nothing is done today." in words_of(answer)
    assert "The short questions were asked today: nothing new." in words_of(answer)
    here.refresh_from_db()
    assert here.status == "arrived"
    boxes = {"says_name": "on", "says_birth_date": "on", "agreed": "on"}
    nurse.post("visit", here.uuid, **boxes)
    here.refresh_from_db()
    assert here.status == "checked-in"
    assert QuestionnaireResponse.objects.filter(questionnaire=questions).count() == 1


def test_a_question_with_two_answers_is_asked_again(nurse, here, questions):
    answer = nurse.post("visit", here.uuid, **filled(questions) | {"pregnancy": ["yes", "no"]})
    assert answer.status_code == 422
    assert "Please answer this once." in words_of(answer)
    assert not QuestionnaireResponse.objects.filter(questionnaire=questions).exists()


def test_a_question_without_an_answer_is_asked_again_and_the_rest_stays(nurse, here, questions):
    first = questions.definition().questions[0]
    form = filled(questions)
    answer = nurse.post("visit", here.uuid, **without(form, first.link_id))
    assert answer.status_code == 422
    words = words_of(answer)
    assert f"Please answer: {first.text}" in words
    assert words.count(" checked") >= len(form) - 2
    here.refresh_from_db()
    assert here.status == "arrived"


def test_something_new_sends_the_visit_to_a_clinician(nurse, surgery, here, questions):
    finding = next(q for q in questions.definition().questions if q.link_id == "active-skin-infection")
    changed = {
        finding.link_id: "yes",
        "active-skin-infection-what": "okapiboil",
        "active-skin-infection-treated": "no",
        "active-skin-infection-since": "",
        "active-skin-infection-since_unknown": "on",
    }
    answer = nurse.post("visit", here.uuid, follow=True, **filled(questions, **changed))
    words = words_of(answer)
    assert "Please ask the patient, kindly, to answer all the questions again" in words
    assert "the patient has to answer all the questions first" in words
    assert "Nothing is done today without that." in words
    here.refresh_from_db()
    assert (here.status, here.identity_confirmed_at) == ("pending", None)
    assert not clearance.rechecked(here.patient, visit=here.uuid, on=here.local_date, since=here.starts_at)
    desk = Staff(surgery.desk)
    assert "okapiboil" not in desk.read("desk") + desk.read("change", here.uuid)
    assert "Please answer all the questions again, on your page." in desk.read("change", here.uuid)  # they are here


def test_something_new_is_kept_although_nobody_agreed(nurse, here, questions):
    form = without(filled(questions), "agreed") | {
        "active-skin-infection": "not-sure",
    }
    nurse.post("visit", here.uuid, **form)
    here.refresh_from_db()
    assert here.status == "pending"


def test_without_published_questions_nobody_is_checked_in(nurse, surgery, clock):
    appointment = steps.arrived(surgery)
    clock.now = appointment.starts_at
    assert "No short questions are published." in nurse.read("visit", appointment.uuid)
    boxes = {"says_name": "on", "says_birth_date": "on", "agreed": "on"}
    answer = nurse.post("visit", appointment.uuid, **boxes)
    assert "nobody can be treated without them" in words_of(answer)
    appointment.refresh_from_db()
    assert appointment.status == "arrived"


def test_a_consultation_needs_the_right_person_only(nurse, surgery, clock):
    talk = steps.talk(surgery)
    appointments.arrive(talk, by=surgery.desk, now=talk.starts_at)
    clock.now = talk.starts_at
    page = nurse.read("visit", talk.uuid)
    assert "Has anything changed?" not in page
    nurse.post("visit", talk.uuid, says_name="on", says_birth_date="on")
    talk.refresh_from_db()
    assert (talk.status, talk.agreed_at) == ("checked-in", None)


def test_nobody_is_checked_in_before_they_have_arrived(nurse, surgery, clock, questions):
    appointment = steps.booked(surgery)
    clock.now = appointment.starts_at
    assert "when the front desk has marked the arrival" in nurse.read("visit", appointment.uuid)
    answer = nurse.post("visit", appointment.uuid, **filled(questions))
    assert "once the front desk has marked the arrival" in words_of(answer)
    appointment.refresh_from_db()
    assert appointment.status == "booked"
    assert not QuestionnaireResponse.objects.filter(questionnaire=questions).exists()


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({"agreed": True}, "right person"),
        ({"identity_confirmed": True}, "short questions"),
    ],
)
def test_the_verb_asks_for_every_part(surgery, here, parts, sentence):
    with pytest.raises(NotAllowed, match=sentence):
        appointments.check_in(here, by=surgery.practitioner.user, now=here.starts_at, **parts)


def test_the_verb_asks_for_agreement_and_for_questions_of_the_same_day(surgery, here):
    by, now = surgery.practitioner.user, here.starts_at
    steps.rechecked(here)
    with pytest.raises(NotAllowed, match="agrees"):
        appointments.check_in(here, by=by, identity_confirmed=True, now=now)
    assert clearance.rechecked(here.patient, visit=here.uuid, on=here.local_date, since=now)
    assert not clearance.rechecked(here.patient, visit=here.uuid, on=here.local_date, since=now + timedelta.resolution)
    assert not clearance.rechecked(here.patient, visit=here.uuid, on=here.local_date + timedelta(days=1), since=now)


@pytest.mark.parametrize("order", ["one after the other", "both are here", "the first is not agreed to"])
def test_each_treatment_of_a_day_asks_about_its_own_area(nurse, surgery, clock, questions, order):
    both_at_once = order != "one after the other"
    patient = make.make_patient()
    surgery.treatment.areas.add(make.area("upper-back"))
    steps.answered(surgery, patient, treatment_area=["face", "upper-back"])
    face = steps.booked(surgery, patient=patient)
    back = steps.booked(surgery, clock="14:00", patient=patient, area=make.area("upper-back"))
    clock.now = face.starts_at
    for visit in [face, back] if both_at_once else [face]:
        appointments.arrive(visit, by=surgery.desk, now=clock.now)
    clock.now += timedelta(minutes=1)
    answered = filled(questions)
    if order == "the first is not agreed to":
        del answered["agreed"]
    nurse.post("visit", face.uuid, **answered)
    face.refresh_from_db()
    if "agreed" in answered:
        assert face.status == "checked-in"
        appointments.fulfil(face, by=surgery.practitioner.user, now=face.ends_at)
    else:
        assert (face.status, QuestionnaireResponse.objects.get(questionnaire=questions).visit_uuid) == (
            "arrived",
            face.uuid,
        )

    clock.now = back.starts_at
    if not both_at_once:
        appointments.arrive(back, by=surgery.desk, now=clock.now)
    boxes = {"says_name": "on", "says_birth_date": "on", "agreed": "on"}
    nurse.post("visit", back.uuid, **boxes)
    with pytest.raises(NotAllowed, match="short questions"):
        appointments.check_in(back, by=surgery.practitioner.user, identity_confirmed=True, agreed=True, now=clock.now)
    nurse.post("visit", back.uuid, **filled(questions))
    back.refresh_from_db()
    assert back.status == "checked-in"
    assert QuestionnaireResponse.objects.filter(questionnaire=questions).count() == 2


def test_what_was_asked_for_a_visit_that_ended_untreated_counts_for_no_other(nurse, surgery, clock, questions):
    patient, by = make.make_patient(), surgery.practitioner.user
    surgery.treatment.areas.add(make.area("upper-back"))
    steps.answered(surgery, patient, treatment_area=["face", "upper-back"])
    face = steps.booked(surgery, patient=patient)
    back = steps.booked(surgery, clock="14:00", patient=patient, area=make.area("upper-back"))
    clock.now = face.starts_at
    for visit in (face, back):
        appointments.arrive(visit, by=surgery.desk, now=clock.now)
    clock.now += timedelta(minutes=1)
    answers = filled(questions)
    nurse.post("visit", face.uuid, **{name: value for name, value in answers.items() if name != "agreed"})
    assert QuestionnaireResponse.objects.filter(questionnaire=questions).count() == 1
    clock.now += timedelta(minutes=1)
    appointments.cancel(face, by="clinician", user=by, reason="clinical", now=clock.now)
    with pytest.raises(NotAllowed, match="short questions"):
        appointments.check_in(back, by=by, identity_confirmed=True, agreed=True, now=back.starts_at)


# --- the end


def test_done_and_undone(nurse, here, clock):
    steps.check_in(here)
    page = words_of(nurse.post("done", here.uuid, follow=True))
    assert "done. This can be undone for 15 minutes." in page
    here.refresh_from_db()
    assert here.status == "fulfilled"
    assert "Undo “done”" in nurse.read("visit", here.uuid)
    (person,), _more = desk.find(here.patient.name, now=clock.now)
    assert clock.now < here.ends_at and not person.has_coming, "it was done early"
    nurse.post("undo", here.uuid)
    here.refresh_from_db()
    assert here.status == "checked-in"


def test_done_before_the_check_in_is_refused_in_words(nurse, here):
    assert "That cannot be done" in words_of(nurse.post("done", here.uuid, follow=True))
    here.refresh_from_db()
    assert here.status == "arrived"


def test_pressed_twice_is_done_once_and_no_error(nurse, here, questions):
    for _press in range(2):
        answer = nurse.post("visit", here.uuid, follow=True, **filled(questions))
        assert answer.status_code == 200
        assert "Not checked in yet" not in words_of(answer)
    assert QuestionnaireResponse.objects.filter(questionnaire=questions).count() == 1
    here.refresh_from_db()
    assert here.status == "checked-in"
    for _press in range(2):
        answer = nurse.post("done", here.uuid, follow=True)
        assert 'class="error"' not in words_of(answer)
    assert here.events.filter(status="fulfilled").count() == 1


def test_not_today_pressed_on_a_page_from_before_a_move_ends_nothing(nurse, surgery, clock):
    visit = steps.booked(surgery)
    clock.now = visit.starts_at - timedelta(hours=2)
    stale = nurse.read("visit", visit.uuid).split('name="seen" value="')[1].split('"')[0]
    new = steps.slot(surgery, steps.VISIT, "14:00")
    Staff(surgery.desk).post("move", visit.uuid, slot=new.key)
    answer = nurse.post("not_today", visit.uuid, follow=True, seen=stale)
    assert "Nothing was done" in words_of(answer)
    visit.refresh_from_db()
    assert (visit.status, visit.starts_at) == ("booked", new.starts_at)
    for _press in range(2):
        answer = nurse.post("not_today", visit.uuid, follow=True)
    assert "this visit is cancelled" in words_of(answer)
    assert visit.events.filter(status="cancelled").count() == 1


@pytest.mark.parametrize("checked_in", [False, True])
def test_not_today_is_always_there(nurse, surgery, here, checked_in):
    if checked_in:
        steps.check_in(here)
    assert "End this visit without treating" in nurse.read("visit", here.uuid)
    nurse.post("not_today", here.uuid)
    here.refresh_from_db()
    assert (here.status, here.cancelled_by, here.cancel_reason) == ("cancelled", "clinician", "clinical")
    assert here.cancelled_by_user == surgery.practitioner.user
    page = nurse.read("visit", here.uuid)
    assert "End this visit" not in page and "seven days before" not in page
    desk = Staff(surgery.desk)
    page = desk.read("change", here.uuid)
    assert f"{surgery.practitioner} did not treat on that day" in page and "not treated on that day" in page
    assert "a clinician" not in page.split('id="content"')[1].lower()
    assert "Not treated: find another time" in desk.read("desk")
    assert "Undo" not in desk.read("change", here.uuid)


@pytest.mark.parametrize("checked_in", [False, True])
def test_not_today_is_undone_by_whoever_said_it(nurse, surgery, here, clock, checked_in):
    if checked_in:
        steps.check_in(here)
    here.refresh_from_db()
    was = (here.status, here.review_id, here.identity_confirmed_at, here.agreed_at)
    answer = nurse.post("not_today", here.uuid, follow=True)
    assert "Undo “cancelled”" in words_of(answer)
    clock.now += timedelta(minutes=15)
    nurse.post("undo", here.uuid)
    here.refresh_from_db()
    assert (here.status, here.review_id, here.identity_confirmed_at, here.agreed_at) == was
    assert "Not treated: find another time" not in Staff(surgery.desk).read("desk")


def test_not_today_is_undone_no_longer_than_fifteen_minutes_and_while_the_time_is_free(surgery, here):
    nurse, now = surgery.practitioner.user, here.starts_at
    gone = appointments.cancel(here, by="clinician", user=nurse, reason="clinical", now=now)
    for by in (surgery.desk, surgery.practitioners[1].user):
        with pytest.raises(NotAllowed):
            appointments.undo(gone, by=by, now=now)
    with pytest.raises(NotAllowed, match="15 minutes"):
        appointments.undo(gone, by=nurse, now=now + timedelta(minutes=16))
    fields = {"treatment": surgery.consultation, "practitioner": surgery.practitioner, "starts_at": now}
    make.make_appointment(**fields, room=surgery.rooms[1], status="booked")
    with pytest.raises(Taken):
        appointments.undo(gone, by=nurse, now=now + timedelta(minutes=1))


def test_another_time_is_looked_for_for_two_weeks_until_there_is_one(surgery, here):
    nurse, now, other = surgery.practitioner.user, here.starts_at, steps.talk(surgery, clock="14:00")
    appointments.cancel(here, by="clinician", user=nurse, reason="clinical", now=now)
    appointments.cancel(other, by="staff", user=surgery.desk, reason="clinic-closed", now=now)

    def waiting(later=timedelta(minutes=1)):
        return list(todo.attention(now + later)["not_treated"])

    assert waiting() == waiting(timedelta(days=14) - timedelta(minutes=1)) == [here]
    assert waiting(timedelta(days=14)) == []
    steps.talk(surgery, steps.VISIT + timedelta(days=1), patient=here.patient)
    assert waiting() == [here]
    wanted = {"patient": here.patient, "treatment": surgery.treatment, "area": here.area}
    make.make_appointment(status="pending", starts_at=now + timedelta(days=7), **wanted)
    assert waiting() == []


def test_what_a_clinician_decides_before_the_day_is_no_not_today(surgery):
    visit = steps.asked(surgery)
    surgery.practitioner.user.groups.add(Group.objects.get(name="Clinician"))
    steps.decide(visit, "not-suitable", by=type(surgery.desk).objects.get(pk=surgery.practitioner.user_id))
    assert visit.cancelled_by_user == surgery.practitioner.user
    assert not appointments.is_not_today(visit)
    assert not todo.attention(NOW + timedelta(minutes=1))["not_treated"].exists()


def test_not_today_is_said_on_the_day_only(nurse, surgery, clock):
    visit = steps.booked(surgery)
    clock.now = make.at(steps.VISIT - timedelta(days=1), "23:59")
    assert "End this visit" not in nurse.read("visit", visit.uuid)
    assert "on the day of the visit" in words_of(nurse.post("not_today", visit.uuid, follow=True))
    clock.now = make.at(steps.VISIT, "00:01")
    assert "End this visit" in nurse.read("visit", visit.uuid)
    appointments.arrive(visit, by=surgery.desk, now=visit.starts_at)
    clock.now = make.at(steps.VISIT + timedelta(days=1), "09:00")
    assert "End this visit" in nurse.read("visit", visit.uuid), "nobody else ends what was left open in the house"
    nurse.post("not_today", visit.uuid)
    visit.refresh_from_db()
    assert visit.status == "cancelled"
    booked = steps.talk(surgery, clock="12:00")
    with pytest.raises(NotAllowed):
        appointments.cancel(booked, by="clinician", user=surgery.practitioner.user, reason="clinical", now=clock.now)


def test_the_page_of_a_visit_says_what_can_be_done_in_its_state(nurse, surgery, clock, questions):
    visit, talk = steps.booked(surgery), steps.talk(surgery, clock="12:00")
    ask, again = "ask the short questions first", "ask the short questions again:"
    clock.now = visit.starts_at - timedelta(days=2)
    page = nurse.read("visit", visit.uuid)
    assert ">Conditions<" in page and "for today" not in page and "Before today" not in page
    assert "Nothing is done today" not in page
    clock.now = visit.starts_at
    page = nurse.read("visit", visit.uuid)
    assert "Conditions for today" in page and ask not in page and again not in page
    for one in (visit, talk):
        appointments.arrive(one, by=surgery.desk, now=clock.now)
    page = nurse.read("visit", visit.uuid)
    assert ask in page and again not in page
    steps.rechecked(visit)
    page = nurse.read("visit", visit.uuid)
    assert again in page and ask not in page
    page = nurse.read("visit", talk.uuid)
    assert "You can always decide not to treat." in page and "short questions" not in page


def test_looking_at_a_visit_changes_nothing(nurse, here, questions):
    before = type(here).objects.values().get(pk=here.pk)
    nurse.read("visit", here.uuid)
    nurse.read("my_day")
    assert nurse.get("done", here.uuid).status_code == 405
    assert nurse.get("not_today", here.uuid).status_code == 405
    assert type(here).objects.values().get(pk=here.pk) == before
    assert not QuestionnaireResponse.objects.filter(questionnaire=questions).exists()


def test_three_visits_a_day_cost_what_one_costs(nurse, surgery):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            nurse.read("my_day", query=f"?day={steps.VISIT}")
        return len(queries)

    steps.booked(surgery, clock="09:00")
    cost()
    one = cost()
    steps.booked(surgery, clock="11:00")
    steps.booked(surgery, clock="13:00")
    assert cost() == one
    assert one <= 12


def test_something_that_comes_up_later_is_recorded_and_stops_the_visit(nurse, here, questions):
    steps.check_in(here)
    assert nurse.address("again", here.uuid) in nurse.read("visit", here.uuid)
    form = without(filled(questions), "agreed", "says_name", "says_birth_date")
    incomplete = nurse.post("again", here.uuid, **without(form, "active-skin-infection"))
    assert incomplete.status_code == 422
    assert "Kept: nothing new." in words_of(nurse.post("again", here.uuid, follow=True, **form))
    here.refresh_from_db()
    assert here.status == "checked-in"
    answer = nurse.post("again", here.uuid, follow=True, **form | {"active-skin-infection": "not-sure"})
    assert "the patient has to answer all the questions first" in words_of(answer)
    here.refresh_from_db()
    assert (here.status, here.agreed_at) == ("pending", None)
    assert nurse.get("again", here.uuid).status_code == 302


def test_the_questions_are_not_asked_again_by_others(here, surgery):
    assert Staff(surgery.desk).get("again", here.uuid).status_code == 403
    assert Staff(surgery.practitioners[1].user).get("again", here.uuid).status_code == 404
