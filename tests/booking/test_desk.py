"""The front desk's day: what it shows, what it hides, what can be done from it, and what it costs."""

import re
from datetime import date, timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from booking import appointments, holding, lines, panels, standing, todo
from booking import desk as pages
from booking.appointment_pages import state_of
from booking.models import Appointment
from clinic.models import CallBack, Location, Patient
from outbox import messages
from outbox.models import Message
from screening.models import QuestionnaireResponse, Review
from tests import make
from tests.booking import steps
from tests.booking.conftest import ScreeningSurgery
from tests.booking.staff import Staff, words_of
from tests.booking.steps import VISIT
from tests.make import NOW, TODAY

ON_VISIT = f"?day={VISIT}"


@pytest.fixture
def desk(surgery, clock):
    return Staff(surgery.desk)


def on_the_day(clock, appointment, minutes=-5):
    clock.now = appointment.starts_at + timedelta(minutes=minutes)


# --- who may


PAGES = {
    "desk": {"Front desk"},
    "phone": {"Front desk"},
    "my_day": {"Practitioner"},
    "changelist": {"Front desk", "Practitioner", "Clinician", "Lead clinician", "Manager"},
    "to_move": {"Front desk", "Clinician", "Lead clinician", "Manager"},
}


@pytest.mark.parametrize("role", make.ROLES)
def test_each_role_opens_its_own_pages_and_no_others(surgery, clock, role):
    staff = Staff(make.make_user(role))
    for page, roles in PAGES.items():
        assert staff.get(page).status_code == (200 if role in roles else 403), page


@pytest.mark.parametrize("role", make.ROLES)
def test_only_the_front_desk_runs_the_day(surgery, clock, role):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment, 20)
    staff = Staff(make.make_user(role))
    for verb in ("arrive", "no-show", "cancel", "move", "consultation", "send-form"):
        answer = staff.post(verb, appointment.uuid, reason="patient-asked", slot="x")
        if role != "Front desk":
            assert answer.status_code == 403, verb
            appointment.refresh_from_db()
            assert appointment.status == "booked"
    if role == "Front desk":  # arrived, and then cancelled
        appointment.refresh_from_db()
        assert (appointment.previous_status, appointment.status) == ("arrived", "cancelled")


def test_the_front_desk_does_not_check_in_or_close(desk, surgery, clock):
    appointment = steps.arrived(surgery)
    on_the_day(clock, appointment)
    for page in ("visit", "done", "not_today"):
        assert desk.post(page, appointment.uuid).status_code == 403
    assert desk.get("visit", appointment.uuid).status_code == 403
    assert desk.get("error", appointment.uuid).status_code == 403
    appointment.refresh_from_db()
    assert appointment.status == "arrived"


def test_patients_and_strangers_are_sent_away(surgery, clock):
    patient = Staff(make.make_user())
    assert patient.get("desk").status_code == 403
    patient.client.logout()
    assert patient.get("desk").status_code == 302


# --- what it shows


def test_a_visit_is_shown_with_everything_one_asks_on_the_phone(desk, surgery):
    patient = make.make_patient(name="Maria Vella")
    steps.booked(surgery, patient=patient)
    page = desk.read("desk", query=ON_VISIT)
    for words in (
        "10:00",
        "Maria Vella",
        "born 4 May 1990",
        surgery.treatment.name,
        "session 1 of 1",
        "booked",
        "ready",
        surgery.practitioner.name,
        surgery.room.name,
        "until 10:45",
    ):
        assert words in page, words


def test_the_second_session_on_an_area_is_called_so(desk, surgery):
    surgery.treatment.sessions_min, surgery.treatment.sessions_max = 3, 6
    surgery.treatment.save()
    patient = make.make_patient()
    steps.booked(surgery, patient=patient)
    steps.booked(surgery, VISIT + timedelta(days=28), patient=patient)
    assert "session 2 of 3 to 6" in desk.read("desk", query=f"?day={VISIT + timedelta(days=28)}")


def test_times_are_those_on_the_wall_of_the_place(db, clock):
    surgery = ScreeningSurgery(time_zone="Asia/Tokyo")
    steps.talk(surgery, clock="10:30")
    page = Staff(surgery.desk).read("desk", query=ON_VISIT)
    assert ">10:30<" in page
    assert ">01:30<" not in page


@pytest.mark.parametrize(
    ("outcome", "word", "says"),
    [
        ("", "waiting for clinician", "Your answers are with a clinician. You hear from us by"),
        ("needs-information", "update due", "A clinician has a question for you."),
    ],
)
def test_who_is_not_ready_has_one_word_and_a_sentence_to_say(desk, surgery, outcome, word, says):
    appointment = steps.asked(surgery)
    if outcome:
        steps.decide(appointment, outcome)
    page = desk.read("desk", query=ON_VISIT)
    assert word in page
    assert says in page


def test_a_form_that_is_due_is_said_with_its_day(desk, surgery):
    patient = make.make_patient()
    appointments.book_by_phone(
        patient=patient,
        treatment=surgery.treatment,
        area=make.area(),
        slot=steps.slot(surgery),
        by=surgery.desk,
        now=NOW,
    )
    page = desk.read("desk", query=ON_VISIT)
    assert "update due" in page
    assert "Please fill in the form we sent you by Wednesday 3 March 2027, 09:00" in page
    assert "Send the form link" in page
    Patient.objects.filter(pk=patient.pk).update(email="")
    page = desk.read("desk", query=ON_VISIT)
    assert "We need your answers to a form by Wednesday 3 March 2027, 09:00. Which e-mail address may" in page
    assert "we sent you" not in page and "Send the form link" not in page


def test_what_was_decided_against_cannot_be_treated(desk, surgery):
    patient = make.make_patient()
    appointment = steps.asked(surgery, patient=patient)
    steps.decide(appointment, "not-suitable")
    Appointment.objects.create(
        **make.appointment_fields(
            treatment=surgery.treatment,
            patient=patient,
            practitioner=surgery.practitioner,
            room=surgery.room,
            starts_at=make.at(VISIT, "14:00"),
        )
    )
    page = desk.read("desk", query=ON_VISIT)
    assert "cannot be treated" in page
    assert "This treatment is not right for you at the moment." in page


def test_who_is_ready_is_told_when_to_come_until_then(desk, surgery, clock):
    appointment = steps.booked(surgery)
    sentence = "“You are booked for Thursday 11 March 2027, 10:00. Please come five minutes early.”"
    assert f'<p class="visit-say visit-say-quiet">{sentence}</p>' in desk.read("desk", query=ON_VISIT)
    assert sentence in desk.read("change", appointment.uuid)
    on_the_day(clock, appointment, -120)
    sentence = "“You are booked for 10:00. Please come five minutes early.”"
    assert sentence in desk.read("desk")
    assert sentence in desk.read("desk", query="?print=1")
    on_the_day(clock, appointment, 5)
    page = desk.read("desk")
    assert "five minutes early" not in page and "You were booked for 10:00. Are you on your way?" in page
    on_the_day(clock, appointment)
    desk.post("arrive", appointment.uuid)
    page = desk.read("desk")
    assert "five minutes early" not in page and "Thank you, please take a seat." in page


def test_a_sentence_that_asks_for_something_is_not_quiet_and_is_printed_too(desk, surgery):
    steps.asked(surgery)
    assert '<p class="visit-say">“Your answers are with a clinician.' in desk.read("desk", query=ON_VISIT)
    assert "“Your answers are with a clinician." in desk.read("desk", query=f"{ON_VISIT}&print=1")


def filled_buttons(page: str) -> list[str]:
    """What the buttons that stand out say, without whom they are about."""
    return re.findall(r"class=\"verb[^\"]* verb-first[^\"]*\"[^>]*>([^<]*)", page)


def test_one_button_of_the_desk_stands_out(desk, surgery, clock):
    early = steps.booked(surgery, clock="09:30")
    steps.booked(surgery, clock="10:00", practitioner=surgery.practitioners[1])
    assert filled_buttons(desk.read("desk", query=ON_VISIT)) == ["Find"]
    clock.now = early.starts_at
    page = desk.read("desk")
    assert page.count(">Arrived<") == 2
    assert filled_buttons(page) == ["Arrived"]
    assert Staff.address("arrive", early.uuid) in page.split("verb-first")[0].rsplit("<form", 1)[1]
    assert filled_buttons(desk.read("change", early.uuid)) == ["Arrived"]
    clock.now = early.ends_at  # who has not come by now hardly comes before the next
    assert filled_buttons(desk.read("desk")) == ["Arrived"]
    assert Staff.address("arrive", early.uuid) not in desk.read("desk").split("verb-first")[0].rsplit("<form", 1)[1]


def test_one_button_of_other_pages_stands_out_too(desk, surgery):
    steps.booked(surgery, patient=make.make_patient(name="Maria Vella"))
    assert filled_buttons(desk.read("phone")) == ["Find"]
    assert filled_buttons(words_of(desk.post("phone", q="Vella"))) == ["Find"]
    assert filled_buttons(words_of(desk.post("phone", q="Nobody"))) == ["Make a new patient and go on"]
    moving, taken = steps.talk(surgery, clock="12:00"), steps.talk(surgery, clock="14:00")
    answer = desk.post("move", moving.uuid, slot=steps.slot(surgery, clock="14:00").key)
    assert taken.status == "booked"
    assert words_of(answer).count(">Move to this time<") == 2
    assert filled_buttons(words_of(answer)) == ["Move to this time"]


@pytest.mark.parametrize(
    ("roles", "button"),
    [
        (["Practitioner"], "Open my day"),
        (["Clinician", "Practitioner"], "Open the list"),
        (["Front desk", "Practitioner"], "Open the desk"),
        (["Front desk", "Clinician", "Practitioner"], "Open the list"),
    ],
)
def test_one_button_of_the_first_page_stands_out(surgery, clock, roles, button):
    user = make.make_user(is_staff=True)
    user.groups.set(Group.objects.filter(name__in=roles))
    make.make_practitioner(user=user)
    steps.asked(surgery)
    assert filled_buttons(words_of(Staff(user).client.get("/admin/"))) == [button]


def test_by_room_by_place_and_by_day(desk, surgery):
    steps.talk(surgery)
    other = make.make_location(name="Valletta", slug="valletta")
    by_room = desk.read("desk", query=f"{ON_VISIT}&by=room")
    assert f'<h2 id="column-1">{surgery.rooms[0].name}' in by_room
    assert f'<h2 id="column-2">{surgery.rooms[1].name}' in by_room
    elsewhere = desk.read("desk", query=f"{ON_VISIT}&at={other.slug}")
    assert "Nobody works here on this day" in elsewhere
    assert f"?day={VISIT + timedelta(days=1)}" in desk.read("desk", query=ON_VISIT)
    page = desk.read("desk", query=f"{ON_VISIT}&by=room&at={other.slug}")
    form = page.split('class="verbs to-day"')[1].split("</form>")[0]
    for name, value in (("day", VISIT), ("at", other.slug), ("by", "room")):
        assert f'name="{name}" value="{value}"' in form, "another day, with the rest as it was"


@pytest.mark.parametrize(
    "query, said",
    [
        ("?day=nonsense", "We did not understand that day, so this is today."),
        ("?day=2027-02-30", "We did not understand that day"),
        ("?day=9999-12-31&print=1", "We did not understand that day"),
        (f"{ON_VISIT}&day=2027-03-01", "We did not understand that day"),
        ("?at=nowhere", "We did not understand that place, so this is "),
        ("?by=x&day=&at=", ""),
    ],
)
def test_an_address_that_makes_no_sense_shows_today_and_says_so(desk, query, said):
    page = desk.read("desk", query=query)
    assert "Monday 1 March 2027" in page
    assert said in page if said else "We did not understand" not in page


def test_closed_days_and_time_off_are_said(desk, surgery):
    make.make_closure(surgery.location, VISIT, reason="Public holiday")
    make.make_time_off(surgery.practitioner, make.at(VISIT, "12:00"), make.at(VISIT, "15:00"))
    page = desk.read("desk", query=ON_VISIT)
    assert "Public holiday" in page
    assert "away 12:00 to 15:00" in page


@pytest.mark.parametrize("why", ["closed", "off"])
def test_a_visit_that_cannot_stand_is_promised_to_nobody(desk, surgery, clock, why):
    visit, waiting = steps.booked(surgery), steps.asked(surgery, clock="12:00")
    here = f"{Staff.address('move', visit.uuid)}?next="
    assert "has to be moved" not in desk.read("desk", query=ON_VISIT)
    if why == "closed":
        make.make_closure(surgery.location, VISIT)
    else:
        make.make_time_off(surgery.practitioner, make.at(VISIT, "08:00"), make.at(VISIT, "18:00"))
    sentence = "“We are sorry: we cannot see you at this time. Please do not travel. Let us find another time.”"
    for page in (desk.read("desk", query=ON_VISIT), desk.read("desk", query=f"{ON_VISIT}&print=1")):
        assert page.count("has to be moved") == page.count(sentence) == 2
        assert "You are booked for" not in page and "Your answers are with a clinician" not in page
    assert "<dt>Not ready</dt><dd>2</dd>" in desk.read("desk", query=ON_VISIT)
    for one in (visit, waiting):
        page = desk.read("change", one.uuid)
        assert "has to be moved" in page and sentence in page
    on_the_day(clock, visit)
    page = desk.read("change", visit.uuid)
    assert 0 < page.index(here) < page.index(">Arrived<"), "moving comes first"
    assert page.count(here) == 1
    assert filled_buttons(desk.read("desk")) == ["Find"], "nobody is expected"
    for minutes in (1, 20):
        on_the_day(clock, visit, minutes)
        page = desk.read("change", visit.uuid)
        assert "has to be moved" in page and sentence in page, "nobody was there when it began either"
        assert "Did not come" not in page
        assert visit in standing.cannot_stand(now=clock.now)
        (hit,) = standing.with_hit(Appointment.objects.with_names()).filter(pk=visit.pk)
        assert state_of(hit, None, clock.now).code == "other-time"
    with pytest.raises(appointments.NotAllowed, match="could not see them"):
        appointments.no_show(visit, by=surgery.desk, now=clock.now)
    clock.now += timedelta(days=1)
    page = desk.read("change", visit.uuid)
    assert "Did not come" not in page and "Nobody was there for it: please find another time with them." in page
    assert visit not in standing.cannot_stand(now=clock.now)
    on_the_day(clock, visit)
    desk.post("arrive", visit.uuid)
    assert "We are sorry" not in desk.read("change", visit.uuid), "they are here"


def test_a_place_that_is_no_longer_in_use_stays_until_its_last_visit_is_over(desk, surgery, clock):
    other = make.make_location(name="Aaa", slug="aaa")
    visit = steps.booked(surgery, patient=make.make_patient(name="Maria Vella"))
    Location.objects.filter(pk=surgery.location.pk).update(is_active=False)
    there = f"{ON_VISIT}&at={surgery.location.slug}"
    page = desk.read("desk", query=there)
    assert "Maria Vella" in page and "This place is not open for booking any more." in page
    later = VISIT + timedelta(days=1)
    assert surgery.location.name in desk.read("desk", query=f"?day={later}&at={surgery.location.slug}")
    assert f"at={surgery.location.slug}" in words_of(desk.client.get("/admin/"))
    page = desk.read("desk")
    assert f'<h1 class="desk-title">{other.name}:' in page and surgery.location.name in page, "open places come first"
    on_the_day(clock, visit, 24 * 60)
    assert surgery.location.name not in desk.read("desk").split("desk-nav")[1].split("</nav>")[0]
    assert "Maria Vella" in desk.read("desk", query=there), "a past day can still be looked up"


def test_the_day_is_printed_as_a_table_with_the_same_facts(desk, surgery):
    steps.booked(surgery, patient=make.make_patient(name="Maria Vella"))
    page = desk.read("desk", query=f"{ON_VISIT}&print=1")
    for words in ("<table", "10:00–10:45", "Maria Vella", "04/05/1990", "+447700900123", "session 1 of 1", "ready"):
        assert words in page, words
    assert "<button" not in page.split('id="content"')[1]
    assert "To print this page, choose “Print” in the menu of your browser" in page


def test_freed_visits_stay_in_sight_and_kept_times_do_not_show(desk, surgery):
    cancelled = steps.talk(surgery, patient=make.make_patient(name="Was Here"))
    appointments.cancel(cancelled, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    steps.held(surgery, clock="12:00", treatment=surgery.consultation)
    page = desk.read("desk", query=ON_VISIT)
    assert "Was Here" in page
    assert "cancelled" in page
    assert "12:00" not in page.split('class="desk"')[1].split("<aside")[0]


# --- finding


@pytest.mark.parametrize(
    "text", ["maria", "Vella", "07700 900555", "900555", "12/3/1988", "12 March 1988", "1988-03-12", "PATIENT", "VISIT"]
)
def test_people_are_found_by_what_they_say(desk, surgery, text):
    patient = make.make_patient(name="Maria Vella", phone="+447700900555", birth_date=date(1988, 3, 12))
    make.make_patient(name="Somebody Else", phone="+447700900999", birth_date=date(1970, 1, 1))
    visit = steps.talk(surgery, patient=patient)
    text = {"PATIENT": patient.reference, "VISIT": visit.reference.lower()}.get(text, text)
    page = words_of(desk.post("desk", q=text))
    assert "1 person found" in page
    assert "Maria Vella" in page
    assert "Thu 11 Mar 2027, 10:00" in page
    assert "Somebody Else" not in page


def found_lines(answer) -> list[str]:
    """What the page says of each visit of the people who were found, in plain words."""
    found = words_of(answer).split('aria-labelledby="found"')[1].split("</section>")[0]
    return [" ".join(re.sub("<[^>]*>", " ", part).split()) for part in found.split("<li>")[1:]]


def test_who_cancelled_what_and_why_is_found(desk, surgery):
    patient = make.make_patient(name="Maria Vella")
    assert "No visit yet." in words_of(desk.post("desk", q="Vella"))
    holding.release(steps.held(surgery, patient=patient, treatment=surgery.consultation), now=NOW)
    assert "No visit yet." in words_of(desk.post("desk", q="Vella")), "a time that was only kept is no visit"
    first, second = steps.talk(surgery, patient=patient), steps.talk(surgery, clock="12:00", patient=patient)
    appointments.cancel(second, by="patient", reason="patient-asked", now=NOW)
    (coming, freed) = found_lines(desk.post("desk", q="Vella"))
    assert "Booked" in coming and "12:00" in freed and "Cancelled by the patient: the patient asked" in freed
    now = NOW + timedelta(minutes=1)
    appointments.cancel(first, by="staff", user=surgery.desk, reason="clinic-closed", now=now)
    answer = desk.post("phone", q="Vella")
    (freed,) = found_lines(answer)
    assert "10:00" in freed and "Cancelled by the front desk: the clinic is closed" in freed, "the newest"
    assert "No visit to come." in words_of(answer) and "No visit yet." not in words_of(answer)


def test_who_was_not_treated_today_is_found_as_such(desk, surgery, clock):
    visit = steps.arrived(surgery, patient=make.make_patient(name="Maria Vella"))
    on_the_day(clock, visit)
    by = surgery.practitioner.user
    appointments.cancel(visit, by="clinician", user=by, reason="clinical", now=clock.now)
    (freed,) = found_lines(desk.post("desk", q="Vella"))
    assert f"{surgery.practitioner} did not treat on that day" in freed and "a clinician decided" not in freed


@pytest.mark.parametrize("page", ["desk", "phone"])
def test_a_visit_is_found_with_its_place_its_clock_and_what_to_say(desk, surgery, page):
    steps.booked(surgery, patient=make.make_patient(name="Maria Vella"))
    desk.post(page, q="Vella")
    with CaptureQueriesContext(connection) as one:
        (line,) = found_lines(desk.post(page, q="Vella"))
    assert f"10:00 , {surgery.location} " in line
    assert "ready “You are booked for Thursday 11 March 2027, 10:00. Please come five minutes early.”" in line
    make.make_location(name="Valletta", slug="valletta", time_zone="Europe/Malta")
    for clock_time in ("12:00", "14:00"):
        steps.booked(surgery, clock=clock_time, patient=make.make_patient(name="Marco Vella"))
    make.make_closure(surgery.location, VISIT)
    with CaptureQueriesContext(connection) as three:
        found = found_lines(desk.post(page, q="Vella"))
    assert len(found) == 3 and len(three) == len(one) <= 13, "the desk, and who was found on it"
    for line in found:
        assert f"(London time), {surgery.location} " in line
        assert "has to be moved “We are sorry" in line and "You are booked" not in line


@pytest.mark.parametrize("text", ["nobody of that name", "'; drop table", "%", "1/13/1990", "x" * 150, "0"])
def test_nobody_found_is_said(desk, surgery, text):
    make.make_patient(name="Maria Vella", phone="")
    page = words_of(desk.post("desk", q=text))
    assert "Nobody found" in page


@pytest.mark.parametrize("text", ["vella maria", "maria@example.org", "07700 900555", "12 March 1988", "mar\0ia"])
def test_one_rule_finds_people_at_the_desk_and_in_the_list_of_patients(desk, surgery, text):
    fields = {"phone": "+447700900555", "email": "maria@example.org", "birth_date": date(1988, 3, 12)}
    maria = make.make_patient(name="Maria Vella", **fields)
    make.make_patient(name="Maria Borg")
    assert maria in Patient.objects.matching(text)
    assert list(pages.patients_found(text)) == list(Patient.objects.matching(text).order_by("name"))
    assert not Patient.objects.matching(" ").exists()
    assert not pages.patients_found(" ").exists()


def test_too_long_a_search_is_no_error(desk):
    assert desk.post("desk", q="x" * 5000).status_code == 200


# --- doing


def test_arrived_and_undone_from_the_desk(desk, surgery, clock):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment)
    page = desk.post("arrive", appointment.uuid, next=Staff.address("desk"), follow=True)
    assert page.redirect_chain[-1][0] == Staff.address("desk")
    assert f"{appointment.patient.name} has arrived." in words_of(page)
    appointment.refresh_from_db()
    assert appointment.status == "arrived"
    assert "Undo “arrived”" in words_of(page)
    desk.post("undo", appointment.uuid)
    appointment.refresh_from_db()
    assert appointment.status == "booked"


def test_who_waits_here_for_a_clinician_is_here_until_the_arrival_is_marked_again(desk, surgery, clock):
    steps.booked(surgery, clock="09:30", practitioner=surgery.practitioners[1])  # about to arrive, and not here
    visit = steps.arrived(surgery)
    on_the_day(clock, visit, -4)
    steps.answered(surgery, visit.patient, now=clock.now)
    for minutes in (-3, 5, 90):
        on_the_day(clock, visit, minutes)
        page = desk.read("desk")
        assert "Please take a seat: we tell you here as soon as we know." in page
        assert "<dt>Here</dt><dd>1</dd>" in page and "do not travel" not in page, "they sit there"
        assert "Today or soon, and not confirmed yet" in page and visit.patient.name in page.split('id="to-do"')[1]
    steps.decide(visit, "needs-information", now=clock.now)
    assert "Please answer it on your page; we are here to help." in desk.read("change", visit.uuid)
    steps.answered(surgery, visit.patient, now=clock.now)
    steps.decide(visit, now=clock.now)
    assert visit.status == "booked"
    for minutes in (-2, 20, 91):
        on_the_day(clock, visit, minutes)
        page = desk.read("desk")
        assert "They are here, and booked again: please mark them as arrived." in page
        assert "<dt>Here</dt><dd>1</dd>" in page
        assert filled_buttons(page) == ["Arrived"]
        assert Staff.address("arrive", visit.uuid) in page.split("verb-first")[0].rsplit("<form", 1)[1]
        page = desk.read("change", visit.uuid)
        assert "Did not come" not in page and "on your way" not in page and "five minutes early" not in page
    page = Staff(surgery.practitioner.user).read("visit", visit.uuid)
    assert "They are here, and booked again. The check-in opens when the front desk has marked the arrival." in page
    clock.now = visit.ends_at + timedelta(days=1)
    page = desk.read("change", visit.uuid)
    assert "Did not come" not in page and "By our record they were here, and it did not begin" in page
    on_the_day(clock, visit, 95)
    for verb, is_here in (("arrive", True), ("undo", False)):
        desk.post(verb, visit.uuid)
        page = desk.read("desk")
        assert ("<dt>Here</dt><dd>1</dd>" in page) == is_here and "They are here" not in page


def test_who_is_here_is_not_asked_to_stay_away_by_any_page(surgery, clock):
    visit = steps.arrived(surgery)
    on_the_day(clock, visit, -4)
    steps.answered(surgery, visit.patient, now=clock.now)
    make.make_time_off(surgery.practitioner, visit.starts_at, visit.ends_at)
    steps.sent()
    for status, code in (("pending", "asked"), ("booked", "here")) * 2:  # put back once more
        if status == "booked":
            steps.decide(visit, now=clock.now)
        elif visit.status == "booked":
            on_the_day(clock, visit, -3)
            steps.answered(surgery, visit.patient, now=clock.now)
        (line,) = lines.lines(lines.for_lines(Appointment.objects.with_names()), now=clock.now, user=surgery.desk)
        state = state_of(line.visit, None, clock.now)
        assert (line.visit.status, line.is_here, line.must_move) == (status, True, False)
        assert (state.code, state.near) == (code, "here"), "on their own page"
        assert not standing.cannot_stand(now=clock.now).exists(), "in the list of times to be moved"
        (row,) = panels.desk_today(None, clock.now)["places"]
        assert (row["here"], row["coming"]) == (1, 0), "on the first page of staff"
        assert not Message.objects.filter(patient=visit.patient, state="queued").exists(), "in a message"
    clock.now = visit.starts_at + timedelta(days=1)
    assert state_of(line.visit, None, clock.now).near == ""


def test_who_was_here_and_was_given_a_later_time_is_not_here_for_it_yet(desk, surgery, clock):
    visit = steps.arrived(surgery)
    on_the_day(clock, visit, -4)
    steps.answered(surgery, visit.patient, now=clock.now)
    steps.decide(visit, now=clock.now)
    desk.post("move", visit.uuid, slot=steps.slot(surgery, clock="15:00").key)
    visit.refresh_from_db()
    assert visit.local_start.hour == 15
    on_the_day(clock, visit, -180)
    page = desk.read("desk")
    assert "They were here: if they still are, mark them as arrived." in page and "They are here" not in page
    assert "<dt>Here</dt><dd>0</dd>" in page and filled_buttons(page) == ["Find"], "nobody is expected yet"
    on_the_day(clock, visit, 20)
    assert filled_buttons(page := desk.read("desk")) == ["Arrived"] and "Did not come" in page
    clock.now = visit.ends_at + timedelta(days=1)
    assert "Did not come" in desk.read("change", visit.uuid)


def test_who_ends_a_visit_of_a_past_day_is_said(desk, surgery, clock):
    appointment = steps.arrived(surgery)
    words = f"{surgery.practitioner} opens it and chooses “End this visit without treating”"
    clock.now = appointment.ends_at
    assert words not in desk.read("change", appointment.uuid)
    clock.now = appointment.ends_at + timedelta(days=1)
    assert words in desk.read("change", appointment.uuid)


def test_undo_is_not_offered_after_a_quarter_of_an_hour(desk, surgery, clock):
    appointment = steps.arrived(surgery)
    clock.now = appointment.starts_at + timedelta(minutes=16)
    assert "Undo" not in desk.read("desk")
    refused = desk.post("undo", appointment.uuid, follow=True)
    assert "more than 15 minutes ago" in words_of(refused)


def test_who_did_not_come_is_offered_only_when_it_is_late(desk, surgery, clock):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment, 14)
    assert "Did not come" not in desk.read("desk")
    refused = desk.post("no-show", appointment.uuid, follow=True)
    assert "Please wait until 15 minutes after the start." in words_of(refused)
    on_the_day(clock, appointment, 15)
    assert "Did not come" in desk.read("desk")
    desk.post("no-show", appointment.uuid)
    appointment.refresh_from_db()
    assert appointment.status == "noshow"


def test_cancelling_asks_for_a_reason_first(desk, surgery):
    appointment = steps.booked(surgery)
    assert "Cancel this appointment?" in desk.read("cancel", appointment.uuid)
    for reason in ("", "clinical", "no-answer", "x"):
        answer = desk.post("cancel", appointment.uuid, reason=reason)
        assert answer.status_code == 422
        assert "Please choose" in words_of(answer)
        appointment.refresh_from_db()
        assert appointment.status == "booked"
    answer = desk.post("cancel", appointment.uuid, reason="practitioner-away", next=Staff.address("desk"))
    assert answer["Location"] == Staff.address("desk")
    appointment.refresh_from_db()
    assert (appointment.status, appointment.cancel_reason, appointment.cancelled_by_user) == (
        "cancelled",
        "practitioner-away",
        surgery.desk,
    )


def test_the_desk_brings_to_an_end_what_was_never_confirmed(desk, surgery, clock):
    appointment = steps.asked(surgery, patient=make.make_patient(name="Never Confirmed"))
    midnight = make.at(steps.VISIT + timedelta(days=1), "00:00", surgery.location.zone)
    clock.now = midnight - timedelta(minutes=1)
    assert "Past days, still open" not in desk.read("desk")
    clock.now = midnight
    page = desk.read("desk")
    assert "Past days, still open" in page and "Never Confirmed" in page
    assert Staff.address("cancel", appointment.uuid) in desk.read("change", appointment.uuid)
    page = desk.read("cancel", appointment.uuid)
    assert "It was asked for and never confirmed, so it did not take place." in page
    assert "The patient gets a message" not in page
    desk.post("cancel", appointment.uuid, reason="mistake")
    assert "Past days, still open" not in desk.read("desk")


def test_who_has_no_address_is_told_by_the_desk(desk, surgery):
    told = "There is no e-mail address: please tell them yourself."
    for verb, typed in (("consultation", {}), ("cancel", {"reason": "mistake"})):
        for email in ("", "anna@example.org"):
            visit = steps.asked(surgery, patient=make.make_patient(email=email))
            page = desk.read(verb, visit.uuid)
            assert (told in page, "The patient gets a message" in page) == (not email, bool(email)), (verb, email)
            assert (told in words_of(desk.post(verb, visit.uuid, follow=True, **typed))) == (not email), (verb, email)
            desk.post("cancel", visit.uuid, reason="mistake", follow=True)


def test_who_is_here_and_has_no_address_is_told_by_the_desk_too(desk, surgery, clock):
    visit = steps.arrived(surgery, patient=make.make_patient(email=""))
    on_the_day(clock, visit)
    page = desk.read("cancel", visit.uuid)
    assert "please tell them yourself" in page and "The patient gets a message" not in page


def test_moving_shows_free_times_and_takes_one(desk, surgery):
    appointment = steps.booked(surgery)
    query = f"?first=2027-03-15&practitioner={surgery.practitioner.slug}"
    page = desk.read("move", appointment.uuid, query=query)
    assert "Monday 15 March 2027" in page
    trail = page.split('class="breadcrumbs"')[1].split("</div>")[0]
    assert f'href="{Staff.address("change", appointment.uuid)}"' in trail
    wanted = steps.slot(surgery, TODAY + timedelta(days=14), "14:00")
    assert wanted.key in page
    answer = desk.post("move", appointment.uuid, slot=wanted.key, follow=True)
    assert "now comes on Monday 15 March 2027, 14:00" in words_of(answer)
    appointment.refresh_from_db()
    assert appointment.starts_at == wanted.starts_at
    assert appointment.sequence == 1


@pytest.mark.parametrize("slot", ["", "nonsense", "20270315T1400Z-1-1", "20270315T1400Z-9999-9999-9999", "x" * 200])
def test_a_time_that_was_not_offered_is_refused_in_words(desk, surgery, slot):
    appointment = steps.booked(surgery)
    answer = desk.post("move", appointment.uuid, slot=slot)
    assert answer.status_code == 422
    appointment.refresh_from_db()
    assert appointment.starts_at == make.at(VISIT)


def test_a_time_just_taken_comes_with_others(desk, surgery):
    appointment = steps.booked(surgery)
    taken = steps.talk(surgery, clock="14:00")
    slot = steps.slot(surgery, clock="14:00")
    answer = desk.post("move", appointment.uuid, slot=slot.key)
    assert answer.status_code == 422
    assert "just been taken" in words_of(answer)
    assert "Free times near it" in words_of(answer)
    assert taken.status == "booked"


def seen_on(page: str) -> str:
    """What the first button of a page sends along about its visit."""
    return page.split('name="seen" value="')[1].split('"')[0]


def test_a_stale_undo_does_not_take_back_what_a_colleague_did(desk, surgery, clock):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment, 16)
    desk.post("no-show", appointment.uuid)
    stale = desk.read("change", appointment.uuid)
    assert "Undo “did not come”" in stale
    colleague = Staff(make.make_user("Front desk"))
    for verb in ("undo", "arrive"):
        colleague.post(verb, appointment.uuid)
    answer = desk.post("undo", appointment.uuid, follow=True, seen=seen_on(stale))
    assert "Nothing was done" in words_of(answer)
    assert "It is now “arrived”" in words_of(answer)
    appointment.refresh_from_db()
    assert appointment.status == "arrived"
    desk.post("undo", appointment.uuid, seen=seen_on(desk.read("change", appointment.uuid)))
    appointment.refresh_from_db()
    assert appointment.status == "booked"


@pytest.mark.parametrize("verb", ["cancel", "move", "consultation"])
def test_a_page_opened_before_a_move_changes_nothing_and_shows_the_new_day(desk, surgery, verb):
    appointment = steps.booked(surgery)
    stale = seen_on(desk.read(verb, appointment.uuid))
    new = steps.slot(surgery, TODAY + timedelta(days=14), "14:00")
    Staff(make.make_user("Front desk")).post("move", appointment.uuid, slot=new.key)
    wanted = {
        "cancel": {"reason": "mistake"},
        "move": {"slot": steps.slot(surgery, clock="15:00").key},
        "consultation": {},
    }[verb]
    answer = desk.post(verb, appointment.uuid, seen=stale, **wanted)
    assert answer.status_code == 422
    assert "Nothing was done" in words_of(answer)
    assert "Monday 15 March 2027, 14:00" in words_of(answer)
    appointment.refresh_from_db()
    assert (appointment.status, appointment.starts_at) == ("booked", new.starts_at)
    again = desk.post(verb, appointment.uuid, seen=seen_on(words_of(answer)), **wanted)
    assert again.status_code == 302


def test_pressed_twice_is_done_once_and_no_error(desk, surgery, clock):
    appointment = steps.booked(surgery)
    new = steps.slot(surgery, TODAY + timedelta(days=14), "14:00")
    page = seen_on(desk.read("move", appointment.uuid))
    for _press in range(2):
        answer = desk.post("move", appointment.uuid, slot=new.key, seen=page, follow=True)
        assert answer.status_code == 200
    assert steps.messages(appointment).count("moved") == 1
    appointment.refresh_from_db()
    on_the_day(clock, appointment, 20)
    for verb, status in (("arrive", "arrived"), ("undo", "booked"), ("no-show", "noshow"), ("undo", "booked")):
        page = seen_on(desk.read("change", appointment.uuid))
        for _press in range(2):
            answer = desk.post(verb, appointment.uuid, seen=page, follow=True)
        assert verb == "undo" or "Nothing was done" not in words_of(answer)
        appointment.refresh_from_db()
        assert appointment.status == status
    page = seen_on(desk.read("cancel", appointment.uuid))
    for _press in range(2):
        answer = desk.post("cancel", appointment.uuid, reason="mistake", seen=page, follow=True)
        assert answer.status_code == 200
    assert "this visit is cancelled" in words_of(answer)
    assert appointment.events.filter(status="cancelled").count() == 1


def test_who_did_not_come_in_time_is_not_still_to_come(desk, surgery, clock):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment)
    assert "<dt>Still to come</dt><dd>1</dd>" in desk.read("desk")
    clock.now = appointment.ends_at + timedelta(minutes=1)
    assert "<dt>Still to come</dt><dd>0</dd>" in desk.read("desk")


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/admin/", "/admin/\\evil", "javascript:x"]
)
def test_a_verb_leads_back_to_our_own_pages_only(desk, surgery, clock, elsewhere):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment)
    answer = desk.post("arrive", appointment.uuid, next=elsewhere)
    assert answer["Location"].startswith("/admin/")


def test_unknown_appointments_are_not_there(desk):
    for page in ("change", "move", "cancel"):
        assert desk.get(page, uuid4()).status_code == 404
    assert desk.post("arrive", uuid4()).status_code == 404


# --- to do


def test_whoever_asked_for_a_call_is_rung_once(desk, surgery):
    call = CallBack.objects.create(name="Carla Rossi", phone="+447700900111", request_key=uuid4(), created_at=NOW)
    page = desk.read("desk")
    assert "Carla Rossi" in page
    answer = desk.post("rung", call.pk, next=Staff.address("desk"), follow=True)
    assert "Carla Rossi was rung." in words_of(answer)
    call.refresh_from_db()
    assert call.done_by == surgery.desk
    assert "+447700900111" not in desk.read("desk")


def test_what_is_to_do_stands_beside_the_day(desk, surgery):
    moving = steps.talk(surgery, patient=make.make_patient(name="Has ToMove"))
    make.make_time_off(surgery.practitioner, make.at(VISIT, "08:00"), make.at(VISIT, "18:00"))
    due = appointments.book_by_phone(
        patient=make.make_patient(name="Form Isdue"),
        treatment=surgery.treatment,
        area=make.area(),
        slot=steps.slot(surgery, practitioner=surgery.practitioners[1]),
        by=surgery.desk,
        now=NOW,
    )
    message = messages.queue(
        "booked",
        key="a",
        to="a@example.org",
        context={"when": "Thursday", "where": "Here", "link": "https://x.example/"},
        now=NOW,
    )
    Message.objects.filter(pk=message.pk).update(state="sending", claimed_at=NOW - timedelta(hours=1))
    page = desk.read("desk")
    for words in ("Has ToMove", "Time to be moved", "Form Isdue", "Form due", "Message unclear"):
        assert words in page, words
    assert page.split('id="to-do"')[1].count('href="tel:+447700900123"') == 2, "whom to ring is rung from here"
    assert Staff.address("move", moving.uuid) in page
    assert Staff.address("change", due.uuid) in page
    assert f"/admin/outbox/message/{message.pk}/change/" in page
    assert 'id="to-do"' in page
    CallBack.objects.create(name="Carla Rossi", phone="+447700900111", request_key=uuid4(), created_at=NOW)
    kinds = re.findall("<h3>(.*?)</h3>", desk.read("desk").split('id="to-do"')[1])
    assert kinds == ["Time to be moved", "Call back", "Message unclear: sent or not?", "Form due"], "worst first"
    where = f", {surgery.location}</span>"
    assert where not in desk.read("desk").split('id="to-do"')[1]
    make.make_location(name="Valletta", slug="valletta")
    assert desk.read("desk").split('id="to-do"')[1].count(where) == 2, "where there are several places"
    for kind in ("Time to be moved", "Form due"):
        assert f'<a href="{Staff.address("desk")}#to-do">{kind}</a>' in words_of(desk.client.get("/admin/"))


@pytest.mark.parametrize("is_talk", [False, True])
def test_who_was_not_treated_needs_a_time_that_they_did_not_have_already(surgery, is_talk):
    visit = steps.talk(surgery) if is_talk else steps.booked(surgery)
    wanted = {"patient": visit.patient, "treatment": visit.treatment, "status": "pending"}
    planned = make.make_appointment(starts_at=visit.starts_at + timedelta(days=35), **wanted)
    by, now = surgery.practitioner.user, visit.starts_at
    appointments.cancel(visit, by="clinician", user=by, reason="clinical", now=now)

    def waiting():
        return list(todo.attention(now + timedelta(minutes=1))["not_treated"])

    if not is_talk:
        elsewhere = wanted | {"area": make.area("upper-back")}
        make.make_appointment(starts_at=visit.starts_at + timedelta(days=7), **elsewhere)
    assert waiting() == [visit], "the next session was planned before, and the back is not the face"
    Appointment.objects.filter(pk=planned.pk).update(status="booked" if is_talk else "pending", price=1)
    assert waiting() == [visit], "it stands where it stood"
    for end in ("starts_at", "ends_at", "busy_until"):
        Appointment.objects.filter(pk=planned.pk).update(**{end: getattr(planned, end) - timedelta(minutes=1)})
    assert waiting() == [], "it was moved since"


def test_nothing_to_do_is_said(desk):
    assert "Nothing is waiting." in desk.read("desk")


# --- what it never shows, never changes, and costs


SECRET = ("zebrafinding", "quaggacondition", "okapireason", "gnuexplanation")


def planted(surgery):
    """Somebody whose answers, reasons and conditions hold words that can be looked for."""
    patient = make.make_patient()
    steps.answered(surgery, patient, other_health="yes", other_health_what=SECRET[0])
    appointment = steps.asked(surgery, patient=patient)
    request = steps.request_of(appointment)
    from tests.screening import decisions

    by = make.make_user("Clinician")
    from screening import reviews

    assessment = reviews.open_for_reading(request, by=by, now=NOW)
    reasons = dict.fromkeys(decisions.words_for(assessment), SECRET[2])
    assert reasons
    decisions.decide(
        request, "cleared-with-conditions", by=by, reasons=reasons, conditions=SECRET[1], statement="I have read it."
    )
    appointment.refresh_from_db()
    assert appointment.status == "booked"
    return appointment


def test_no_page_of_the_desk_holds_an_answer_a_finding_or_a_condition(desk, surgery, clock):
    appointment = planted(surgery)
    refused = steps.asked(surgery, clock="14:00")
    steps.decide(refused, "not-suitable", explanation=SECRET[3])
    key, person = appointment.uuid, appointment.patient.uuid
    chosen = f"?treatment={surgery.treatment.slug}&area=face&first=2027-04-20"
    slot = steps.slot(surgery, TODAY + timedelta(days=50), "10:00").key
    pages = [
        desk.get("desk", query=ON_VISIT),
        desk.get("desk", query=f"{ON_VISIT}&print=1"),
        desk.post("desk", q=appointment.patient.name),
        desk.get("changelist"),
        desk.post("changelist", q=appointment.reference),
        desk.get("change", key),
        desk.get("change", refused.uuid),
        desk.post("desk", q=refused.patient.name),
        desk.client.get(f"/admin/clinic/patient/{refused.patient.pk}/change/"),
        desk.get("cancel", key),
        desk.get("move", key),
        desk.get("consultation", key),
        desk.get("phone"),
        desk.post("phone", q=appointment.patient.name),
        desk.get("phone_times", person, query=chosen),
        desk.get("phone_confirm", person, query=f"{chosen}&slot={slot}"),
        desk.get("to_move"),
        desk.client.get("/admin/"),
        desk.client.get("/admin/clinic/patient/"),
        desk.client.get(f"/admin/clinic/patient/{appointment.patient.pk}/change/"),
        desk.client.get("/admin/outbox/message/"),
    ]
    for page in pages:
        assert page.status_code == 200, page.request["PATH_INFO"]
        text = words_of(page).lower()
        for word in (*SECRET, "other-health", "cleared-with-conditions", "with conditions"):
            assert word not in text, (word, page.request["PATH_INFO"])
    for address in (f"/admin/screening/questionnaireresponse/{appointment.review.response.uuid}/",):
        assert desk.client.get(address).status_code in (403, 404)


def test_looking_changes_nothing(desk, surgery, clock):
    appointment = steps.booked(surgery)
    on_the_day(clock, appointment)
    before = list(Appointment.objects.values())
    counts = (Message.objects.count(), Review.objects.count(), QuestionnaireResponse.objects.count())
    for name in ("desk", "phone", "changelist", "to_move"):
        desk.read(name)
    for name in ("change", "cancel", "move", "consultation"):
        desk.read(name, appointment.uuid)
    desk.post("desk", q="a")
    for name in ("arrive", "no-show", "undo", "send-form"):
        assert desk.get(name, appointment.uuid).status_code == 405
    assert list(Appointment.objects.values()) == before
    assert (Message.objects.count(), Review.objects.count(), QuestionnaireResponse.objects.count()) == counts


def cost(staff, *page, **query) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        staff.read(*page, **query)
    return len(queries)


@pytest.mark.parametrize("query", [ON_VISIT, f"{ON_VISIT}&by=room", f"{ON_VISIT}&print=1"])
def test_three_visits_cost_what_one_costs(desk, surgery, query):
    steps.booked(surgery, clock="09:00")
    desk.read("desk", query=query)
    one = cost(desk, "desk", query=query)
    steps.booked(surgery, clock="11:00")
    steps.booked(surgery, clock="13:00", practitioner=surgery.practitioners[1])
    assert cost(desk, "desk", query=query) == one
    assert one <= 12


def test_a_day_of_everything_stays_within_twelve_queries(desk, surgery):
    """Cleared, waiting, without a form, in a consultation; somebody to ring, and a message nobody knows about."""
    steps.booked(surgery, clock="09:00")
    steps.asked(surgery, clock="11:00")
    steps.talk(surgery, clock="13:00")
    appointments.book_by_phone(
        patient=make.make_patient(),
        treatment=surgery.treatment,
        area=make.area(),
        slot=steps.slot(surgery, clock="15:00"),
        by=surgery.desk,
        now=NOW,
    )
    make.make_time_off(surgery.practitioner, make.at(VISIT, "12:00"), make.at(VISIT, "14:00"))
    CallBack.objects.create(name="C", phone="+447700900111", request_key=uuid4(), created_at=NOW)
    Message.objects.update(state="sending", claimed_at=NOW - timedelta(hours=1))
    page = desk.read("desk", query=ON_VISIT)
    for words in ("ready", "waiting for clinician", "update due", "has to be moved", "away 12:00", "Message unclear"):
        assert words in page, words
    make.make_closure(surgery.location, VISIT, reason="Public holiday")
    for query in (ON_VISIT, f"{ON_VISIT}&by=room", f"{ON_VISIT}&print=1"):
        assert cost(desk, "desk", query=query) <= 12
    assert "Public holiday" in desk.read("desk", query=ON_VISIT)


def test_three_things_to_do_cost_what_one_costs(desk, surgery):
    def one_more(clock_time):
        steps.talk(surgery, clock=clock_time)
        CallBack.objects.create(name="C", phone="+447700900111", request_key=uuid4(), created_at=NOW)

    one_more("09:00")
    off = make.make_time_off(surgery.practitioner, make.at(VISIT, "08:00"), make.at(VISIT, "18:00"))
    desk.read("desk")
    one = cost(desk, "desk")
    off.delete()
    one_more("11:00")
    one_more("13:00")
    make.make_time_off(surgery.practitioner, make.at(VISIT, "08:00"), make.at(VISIT, "18:00"))
    page = desk.read("desk")
    assert page.count("/move/?next=") == 3
    assert cost(desk, "desk") == one
    assert one <= 12


def test_more_to_do_than_fits_beside_the_day_is_counted(desk, surgery):
    for number in range(7):
        CallBack.objects.create(name=f"Caller {number}", phone="+447700900111", request_key=uuid4(), created_at=NOW)
    page = desk.read("desk")
    assert page.count("I have rung<span") == 5
    assert "and 2 more" in page
    steps.talk(surgery)
    make.make_time_off(surgery.practitioner, make.at(VISIT, "08:00"), make.at(VISIT, "18:00"))
    assert cost(desk, "desk") <= 12


def test_an_answer_that_is_late_is_not_promised_again(desk, surgery, clock):
    appointment = steps.asked(surgery)
    clock.now = appointment.answer_by + timedelta(minutes=1)
    page = desk.read("desk", query=ON_VISIT)
    assert "We are late with our answer, and we are sorry." in page
    assert "You hear from us by" not in page
