"""What the six stories pass by: every page in each of its states, for axe and for a small and a wide screen.

Slips, nothing there, just taken, expired, refused, somebody else's. A state is made by the verbs of the clinic where
that is quicker than clicking; what it shows is always looked at in the browser, as the person would see it.
"""

import re
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.core import signing
from django.test import Client
from playwright.sync_api import Page

from booking import appointments, availability, links
from booking.availability import Slot
from booking.models import Appointment, Closure
from clinic.management.commands.demo import PASSWORD
from clinic.models import Clinic, Location, Practitioner, Room, Treatment, User
from screening import publishing, responses
from screening.models import Questionnaire
from tests import make
from tests.booking import steps
from tests.journey.conftest import code_sent_to, last_message
from tests.make import NOW
from tests.screening.conftest import harmless_answers

pytestmark = pytest.mark.django_db(transaction=True)

SCREENS = [(360, 740), (1366, 768)]


class Looker:
    """Looks at one state after the other, on both screens, and tells at the end about all that is wrong."""

    def __init__(self, eyes) -> None:
        self.eyes = eyes
        self.told: list[str] = []
        self.seen: list[str] = []

    def __call__(self, page: Page, *words: str) -> None:
        """The page as it is now. `words` stand on it: that it is this state, and not another page, is looked at too."""
        page.wait_for_load_state()
        self.seen.append(page.url)
        text = " ".join(page.locator("body").inner_text().split()).casefold()
        missing = [said for said in words if said.casefold() not in text]
        self.told += [f"{page.url} does not say “{said}”: {text[:300]}" for said in missing]
        for width, height in SCREENS:
            page.set_viewport_size({"width": width, "height": height})
            try:
                self.eyes.check(page)
            except AssertionError as problem:
                self.told.append(f"{words} at {width} px: {problem}")
                self.eyes.complaints.clear()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Some states that belong together: what breaks here does not hide what comes after."""
        try:
            yield
        except Exception:  # whatever it was: it is told at the end, with the line it came from
            self.told.append(f"{name} broke: {traceback.format_exc(limit=-3)}")
            self.eyes.complaints.clear()

    def end(self) -> None:
        """Fails with everything that was wrong."""
        assert self.seen, "nothing was looked at"
        assert not self.told, "\n\n".join(self.told)


@pytest.fixture(autouse=True)
def clock():
    """Monday 1 March 2027, 09:00 in London, before anything is made; the clock runs on from there and can be set."""
    with time_machine.travel(NOW, tick=True) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def only_what_is_wrong(monkeypatch):
    """Axe hands back what is wrong, and not the hundreds of things that are right: a third of the time."""
    run = Axe.run

    def run_for_violations(self, page, context=None, options=None):
        return run(self, page, context, {**(options or {}), "resultTypes": ["violations"]})

    monkeypatch.setattr(Axe, "run", run_for_violations)


@pytest.fixture
def look(eyes) -> Looker:
    """See Looker. The fixture does not end it: a test that broke in between has told why already."""
    return Looker(eyes)


def enter(page: Page, user: User | None = None, **values) -> None:
    """This browser is somebody's now: signed in as `user`, or nobody's, with `values` in its session."""
    client = Client()
    if user is not None:
        client.force_login(user)
    session = client.session
    session.update(values)
    session.save()
    page.context.clear_cookies()
    page.goto("/healthz")
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": page.url, "httpOnly": True}]
    )


def patient_who_signs_in(name: str, **fields):
    """A patient with a login of their own."""
    patient = make.make_patient(name=name, **fields)
    patient.user = make.make_user(email=patient.email, name=name)
    patient.save()
    patient.refresh_from_db()
    return patient


def staff(short: str) -> User:
    """A member of the invented staff."""
    return User.objects.get(email=f"{short}@demo.example")


class House:
    """The demonstration's place in Bath, as `tests.booking.steps` wants a surgery, with some verbs for states."""

    def __init__(self, clock) -> None:
        self.clock = clock
        self.clinic = Clinic.get()
        self.location = Location.objects.get(slug="bath")
        self.practitioner = Practitioner.objects.get(user__email="clinician@demo.example")
        self.room = Room.objects.filter(location=self.location).first()
        self.treatment = Treatment.objects.get(slug="acne-scars-face")
        self.consultation = Treatment.objects.get(slug="consultation")
        self.questionnaire = Questionnaire.objects.active().get(name="microneedling")
        self.answers = harmless_answers(self.questionnaire)
        self.desk = staff("desk")
        self.now = NOW

    def go_to(self, moment) -> None:
        """Sets the clock."""
        self.now = moment
        self.clock.move_to(moment)

    def free(self, treatment=None, *, days: int = 4, **wanted) -> Slot:
        """A free time from so many days on, with the practitioner of this house."""
        wanted.setdefault("practitioner", self.practitioner)
        first = (self.now + timedelta(days=days)).date()
        found = availability.free_slots(
            treatment or self.treatment, first=first, days=21, now=self.now, staff=True, **wanted
        )
        return found[0]

    def asked(self, patient, *, days: int = 4, **wanted) -> Appointment:
        """A treatment that waits for a clinician."""
        return steps.asked(self, slot=self.free(days=days), patient=patient, now=self.now, **wanted)

    def booked(self, patient, **wanted) -> Appointment:
        """A treatment that a clinician has cleared."""
        visit = self.asked(patient, **wanted)
        if visit.status == "pending":
            steps.decide(visit, now=self.now)
        return visit

    def talk(self, patient, *, days: int = 4) -> Appointment:
        """A booked consultation."""
        slot = self.free(self.consultation, days=days)
        return steps.talk(self, slot=slot, patient=patient, now=self.now)

    def answered(self, patient=None, **changes):
        """Finished answers, harmless but for `changes`."""
        return steps.answered(self, patient, now=self.now, **changes)

    def begun(self, answers: dict | None = None, patient=None):
        """Unfinished answers."""
        response = responses.start(
            questionnaire=self.questionnaire,
            treatment=self.treatment,
            privacy_version="1",
            now=self.now,
            patient=patient,
        )
        if answers:
            responses.save_answers(response, answers, now=self.now)
        return response

    def held(self, **wanted) -> Appointment:
        """A kept consultation."""
        wanted.setdefault("treatment", self.consultation)
        slot = wanted.pop("slot", None) or self.free(wanted["treatment"])
        return steps.held(self, slot=slot, now=self.now, **wanted)


@pytest.fixture
def house(clock, site, settings) -> House:
    """See House. Pages of errors are those of a real clinic, not of a developer's machine."""
    settings.DEBUG = False
    return House(clock)


def press(page: Page, name: str | re.Pattern) -> None:
    """Presses a button and waits for what comes of it."""
    page.locator("main, #content, #container").first.get_by_role("button", name=name).first.click()
    page.wait_for_load_state()


def fill_birth_date(page: Page, day: str, month: str, year: str, name: str = "birth_date") -> None:
    """Writes a date into its three boxes."""
    for part, value in (("day", day), ("month", month), ("year", year)):
        page.locator(f"[name={name}_{part}]").fill(value)


def sign_in_with_password(page: Page, short: str) -> None:
    """A member of the invented staff writes address and password."""
    page.locator("input[name=login]").fill(f"{short}@demo.example")
    page.locator("input[name=password]").fill(PASSWORD)
    press(page, "Sign in with my password")


def figures(secret: str) -> str:
    """What the app on the phone shows now."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


# ---------------------------------------------------------------- booking


def test_choosing_a_time_in_every_state(house, someone, look, monkeypatch):
    page = someone()
    times, talk = "/book/acne-scars-face/", "/book/consultation/"

    def times_with(*words, **changes):
        enter(page, screening=str(house.answered(**changes).uuid))
        page.goto(times)
        look(page, *words)

    with look.part("lists"):
        page.goto("/book/")
        look(page, "Prices and times", "Next free")
        page.goto(f"{times}?from=soon&practitioner=nobody")
        look(page, "We did not understand everything", "First a few questions")
        page.goto("/book/stretch-marks/")
        look(page, "Which part of your body is it about?")
    with look.part("what the answers say"):
        times_with(
            "You can ask for a time from",
            sun_tan="yes",
            sun_tan_when="2027-02-24",
            sun_tan_kind="tan",
        )
        times_with("This treatment is not right for you at the moment", keloid="yes", keloid_where="ear")
        page.goto("/book/stretch-marks/?area=belly")
        look(page)
        enter(page, screening=str(house.answered().uuid))
        page.goto("/book/stretch-marks/?area=belly")
        look(page, "Your answers are about another part of the body")
    with look.part("too young"):
        enter(page, patient_who_signs_in("Toby Young", birth_date="2012-05-04").user)
        page.goto(talk)
        look(page, "Under 18 we do not book online")
    with look.part("a consultation first"):
        Clinic.objects.update(consultation_first=Clinic.ConsultationFirst.ALWAYS)
        times_with("Before a first treatment we talk with you")
        Clinic.objects.update(consultation_first=house.clinic.consultation_first)
    with look.part("nothing chosen, just taken"):
        enter(page)
        page.goto(talk)
        page.locator("form.times-form button[type=submit]").click()
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        page.locator("form.times-form button[type=submit]").click()
        look(page, "That time has just been taken")
    with look.part("a time is kept already"):
        held = house.held()
        enter(page, hold=str(held.uuid))
        page.goto(talk)
        look(page, "When you choose another time, we give this one back")
        page.goto(times)
        page.locator("input[type=radio][name=start]").first.check()
        page.locator("form.times-form button[type=submit]").click()
        look(page, "Is it right for you?")
    with look.part("the time chosen before the questions is gone"):
        answered = house.answered()
        enter(page, screening=str(answered.uuid), wanted_time={"treatment": "acne-scars-face", "start": "x"})
        page.goto(times)
        look(page, "The time you chose before the questions is not free")
        key = page.locator("input[type=radio][name=start]").nth(1).get_attribute("value")
        enter(page, screening=str(answered.uuid), wanted_time={"treatment": "acne-scars-face", "start": key})
        page.goto(times)
        look(page, "You chose this time before, and it is free")
    with look.part("too close to another session"):
        patient = patient_who_signs_in("Clara Close")
        house.booked(patient, days=40)
        enter(page, patient.user)
        page.goto(f"{times}?from=2027-03-04")
        look(page)
        key = page.locator("input[type=radio][name=start]").first.get_attribute("value")
        appointments.move(
            Appointment.objects.get(patient=patient), slot=house.free(days=20), by="staff", user=house.desk, now=NOW
        )
        page.locator(f'input[value="{key}"]').first.check()
        page.locator("form.times-form button[type=submit]").click()
        look(page, "Your skin needs time between two sessions")
    with look.part("nobody has time"):
        alone = make.make_practitioner(house.consultation, name="Nell Nowhere", slug="nell-nowhere")
        enter(page)
        page.goto(f"{talk}?practitioner={alone.slug}")
        look(page, "No time is free online at the moment", "Show everybody’s times, at every place")
        closed = [
            Closure.objects.create(location=place, first_day="2027-03-01", last_day="2027-04-20")
            for place in Location.objects.all()
        ]
        page.goto(f"{talk}?from=2027-03-05")
        look(page, "No times from Friday 5 March", "Next free")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).update(last_day="2028-03-01")
        page.goto(talk)
        look(page, "No time is free online at the moment")
        page.goto("/book/")
        look(page, "No time is free online at the moment. Please call us.")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).delete()
    with look.part("the clinic is not open"):
        Treatment.objects.update(is_active=False)
        page.goto("/book/")
        look(page, "We do not take bookings online yet")
        page.goto("/")
        look(page)
    look.end()


def test_a_held_time_in_every_state(house, someone, look):
    page = someone()

    def hold(user=None, **values):
        held = house.held(**values)
        enter(page, user, hold=str(held.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        return held

    def fill(**changes):
        typed = {"name": "Rosa Example", "phone": "020 7946 0018", "email": "rosa@example.org"} | changes
        for name, value in typed.items():
            page.locator(f"main [name={name}]").fill(value)

    with look.part("details"):
        hold()
        look(page, "Who is coming?", "Your date of birth")
        press(page, "Send me the code")
        look(page, "Write your full name.", "Write a phone number")
        fill(phone="123", email="rosa at example")
        fill_birth_date(page, "4", "May", "2029")
        press(page, "Send me the code")
        look(page, "Please check the year of your date of birth.", "Write an e-mail address such as")
        fill()
        fill_birth_date(page, "4", "May", "2012")
        press(page, "Send me the code")
        look(page, "Under 18 we do not book online")
    with look.part("more time, and no more"):
        held = hold()
        Appointment.objects.filter(pk=held.pk).update(hold_extensions=appointments.EXTENSIONS - 1)
        page.reload()
        press(page, "I need more time")
        look(page, "We keep it until")
        assert page.get_by_role("button", name="I need more time").count() == 0
        press(page, "Give this time back")
        look(page, "We gave that time back")
    with look.part("expired"):
        held = hold()
        fill()
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        look(page, "Write the code we sent you")
        page.locator("[name=code]").fill("000000")
        press(page, "Continue")
        look(page, "This code does not fit")
        press(page, "Send the code again")
        look(page, "Write the code we sent you")
        page.goto(f"/book/hold/{held.uuid}/")
        look(page, "We have sent you a code")
        house.go_to(NOW + timedelta(minutes=12))
        page.reload()
        look(page, "We kept it until", "Nobody has taken it yet")
        house.held(slot=Slot(held.starts_at, held.practitioner_id, held.room_id, held.location.pk))
        page.reload()
        look(page, "That time has gone", "What you wrote is still here")
    with look.part("the code"):
        hold()
        fill(email="rosa2@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        for _try in range(5):
            page.locator("[name=code]").fill("000000")
            press(page, "Continue")
        look(page, "Send me a code")
        hold()
        fill(email="rosa3@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        house.go_to(house.now + timedelta(minutes=16))
        page.locator("[name=code]").fill(code_sent_to("rosa3@example.org"))
        press(page, "Continue")
        look(page, "Send me a code")
    with look.part("confirm"):
        hold()
        fill(email="rosa4@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        page.locator("[name=code]").fill(code_sent_to("rosa4@example.org"))
        press(page, "Continue")
        look(page, "Is everything right?")
        press(page, re.compile("Book this time|Ask for this time"))
        look(page, "We see you on")
    with look.part("somebody else is signed in"):
        hold(staff("desk"))
        look(page, "is signed in on this device, as a member of staff")
        other = make.make_user(email="other@example.org", name="Otto Other")
        held = hold(other)
        look(page, "You are signed in as other@example.org")
        fill()
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Go on")
        look(page, "Somebody else is signed in", "the appointment is for rosa@example.org")
        press(page, "Sign out and go on")
        look(page, "You are signed out")
    with look.part("answers of another person"):
        known = patient_who_signs_in("Petra Proven", birth_date="1985-01-02")
        held = house.held(treatment=house.treatment, slot=house.free(days=6))
        enter(page, known.user, hold=str(held.uuid), screening=str(held.response.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        press(page, "Ask for this time")
        look(page, "We cannot match the date of birth")
    with look.part("the clinic asks for a consultation first"):
        patient = patient_who_signs_in("Frieda First", birth_date="1990-05-04")
        answered = house.answered(patient)
        held = house.held(treatment=house.treatment, slot=house.free(days=7), patient=patient, response_id=answered.pk)
        Clinic.objects.update(consultation_first=Clinic.ConsultationFirst.ALWAYS)
        enter(page, patient.user, hold=str(held.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        press(page, "Ask for this time")
        look(page, "See other times")
    look.end()


# ---------------------------------------------------------------- an appointment


def test_an_appointment_in_every_status(house, someone, look):
    """As its patient sees it, and as anybody with the link does."""
    own, other = someone(), someone()
    patient = patient_who_signs_in("Ines Statusfield")
    visit = house.asked(patient, days=10)
    here = f"/appointments/{visit.uuid}/"

    def become(status=None, **values):
        if status:
            values |= {"status": status, "previous_status": visit.status, "status_changed_at": house.now}
        Appointment.objects.filter(pk=visit.pk).update(**values)
        visit.refresh_from_db()

    def both(words: str, *, own_words: str = "", link_words: str = ""):
        """The page with and without signing in."""
        own.goto(here)
        look(own, words, own_words)
        other.goto(here)
        look(other, words, link_words)
        assert "Ines" not in other.locator("body").inner_text()

    with look.part("the link"):
        other.goto("/appointments/link/nonsense/")
        look(other, "This link does not work any more")
        ended = [visit.uuid.hex, links.SEE, int(house.now.timestamp()) - 1]
        other.goto(f"/appointments/link/{signing.dumps(ended, salt=links.SALT)}/")
        look(other, "This link does not work any more")
        other.goto(here)
        look(other, "Sign in")
        enter(other, patient_who_signs_in("Nina Nosy").user)
        other.goto(here)
        look(other, "We cannot find this page")
        other.goto(links.make_link(visit, links.SEE, house.now))
        look(other, "is signed in here. This appointment belongs to another address")
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        enter(own, patient.user)
    with look.part("asked for"):
        both("You have asked for this time. We answer by", own_words="Reference", link_words="See everything")
        answer_by = visit.answer_by
        become(answer_by=house.now - timedelta(hours=1))
        both("Our answer is late, and we are sorry")
        become(answer_by=answer_by)
        own.goto(f"{here}move/")
        look(own, "A clinician looks at the new day too")
    with look.part("form due"):
        become(form_due_by=house.now + timedelta(days=1))
        both("Please answer our questions by", own_words="Answer the questions", link_words="Sign in and answer")
        become(form_due_by=None)
    with look.part("a question"):
        steps.decide(visit, "needs-information", question="Which cream do you use?", now=house.now)
        both("We need one more thing from you", own_words="Read the question", link_words="Sign in and answer")
        become(information_asked_at=None)
    with look.part("booked"):
        response = house.answered(patient)
        become(response_id=response.pk)
        steps.decide(visit, now=house.now)
        both("We see you on", own_words="Put it in my calendar")
        for page in (own, other):
            page.goto(f"{here}move/")
            look(page, "It stays yours until you have chosen another time")
        page.locator("form.times-form button[type=submit]").click()
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        page.locator("form.times-form button[type=submit]").click()
        look(page, "That time has just been taken", "Your appointment is as it was")
        own.goto(f"{here}cancel/")
        look(own, "Cancel your appointment?", "Move it instead")
        closed = [
            Closure.objects.create(location=place, first_day="2027-03-01", last_day="2028-03-01")
            for place in Location.objects.all()
        ]
        own.goto(f"{here}move/")
        look(own, "No other time is free online at the moment")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).delete()
    with look.part("booked, and late"):
        house.go_to(visit.starts_at - timedelta(hours=3))
        enter(own, patient.user)
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        both("We see you on", own_words="hours of notice", link_words="hours of notice")
        own.goto(f"{here}cancel/")
        look(own, "This is late")
        own.goto(f"{here}move/")
        look(own, "It cannot be moved here any more", "You can still cancel it here")
    with look.part("cancelled, and why"):
        appointments.cancel(visit, by="staff", user=house.desk, reason="mistake", now=house.now)
        both("If that surprises you, please call us")
        told = {
            ("patient", "patient-asked"): "You cancelled it.",
            ("system", "not-reviewed"): "We did not answer you in time",
            ("system", "no-answer"): "did not hear from you",
            ("system", "form-missing"): "Our questions were not answered in time",
            ("staff", "practitioner-away"): "We cannot see you that day",
            ("clinician", "clinical"): "This appointment does not take place",
        }
        for (by, reason), words in told.items():
            who = {"staff": house.desk, "clinician": staff("clinician")}.get(by)
            become(cancelled_by=by, cancel_reason=reason, cancelled_by_user=who)
            both(words)
        become(cancelled_by="staff", cancel_reason="mistake", cancelled_by_user=house.desk)
        appointments.undo(visit, by=house.desk, now=house.now)
    with look.part("missed"):
        house.go_to(visit.starts_at + timedelta(minutes=16))
        appointments.no_show(visit, by=house.desk, now=house.now)
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        both("We did not see you that day")
        appointments.undo(visit, by=house.desk, now=house.now)
    with look.part("here"):
        appointments.arrive(visit, by=house.desk, now=house.now)
        visit.refresh_from_db()
        both("Welcome. We know that you have arrived.")
        own.goto(f"{here}move/")
        look(own, "It cannot be moved here any more", "You can ask for another time")
        own.goto(f"{here}cancel/")
        look(own, "It cannot be cancelled here any more")
    with look.part("done"):
        steps.check_in(visit, now=house.now)
        visit.refresh_from_db()
        appointments.fulfil(visit, by=visit.practitioner.user, now=house.now)
        visit.refresh_from_db()
        both("Thank you for coming", own_words="Looking after your skin")
    with look.part("entered in error"):
        second = house.talk(patient, days=8)
        appointments.mark_in_error(second, by=staff("manager"), reason="Entered twice.", now=house.now)
        own.goto(f"/appointments/{second.uuid}/")
        look(own, "This entry was a mistake of ours")
    with look.part("one's own page"):
        house.talk(patient, days=9)
        held = house.held(patient=patient)
        own.goto("/my/")
        look(own, "Past and cancelled", "Not finished: please confirm")
        appointments.release(held, now=house.now)
    look.end()


# ---------------------------------------------------------------- the questions


WAX = {"recent_procedures": ["waxing"], "recent_procedures_waxing_on": "2027-02-26"}
RESULTS = {
    "Nothing in your answers needs extra checks so far": {},
    "Your answers do not stop you asking for treatment": {"dark_marks": "yes", "dark_marks_how_long": "weeks"},
    "A clinician will look at your answers": {"diabetes": "yes", "diabetes_controlled": "yes"},
    "You can ask for a time from": {"sun_tan": "yes", "sun_tan_when": "2027-02-24", "sun_tan_kind": "tan"} | WAX,
    "Waiting does not mean a yes": {"pregnancy": "yes"},
    "You need to wait until Tuesday 10 August 2027": {
        "isotretinoin": "yes", "isotretinoin_still": "no", "isotretinoin_last_dose": "2027-02-10"
    },
    "not right for you at the moment": {"keloid": "yes", "keloid_where": "ear"},
    "We would like to talk with you first": {"appearance_distress": "yes", "appearance_distress_stops_you": "yes"},
    "Please do this first": {"changing_mole": "yes", "changing_mole_doctor": "no"},
}  # fmt: skip


def test_the_questions_in_every_state(house, someone, look):
    page = someone()
    steps_of_form = range(1, 9)

    def have(response, user=None):
        enter(page, user, screening=str(response.uuid))

    with look.part("start"):
        enter(page)
        page.goto("/screening/")
        look(page, "Is it right for you?")
        page.goto("/screening/?treatment=acne-scars-face")
        press(page, "Start")
        look(page, "Please tick the box if you agree")
        have(house.begun({"age-date-of-birth": "1990-05-04"}))
        page.goto("/screening/")
        look(page)
        have(house.answered())
        page.goto("/screening/")
        look(page)
    with look.part("each step as it was answered, and with nothing"):
        for number in steps_of_form:
            have(house.begun(house.answers))
            page.goto(f"/screening/{number}/")
            look(page, f"Step {number} of 8")
            page.evaluate("for (const b of document.querySelectorAll('main input:checked')) b.checked = false")
            for box in page.locator("main input[type=text]").all():
                if box.is_visible():
                    box.fill("")
            press(page, "Continue")
            look(page, f"Step {number} of 8")
            assert page.title().startswith("Error:"), page.title()
        page.goto("/screening/9/")
        look(page, "We cannot find this page")
    with look.part("slips: follow-ups that are missing, both one and none"):
        have(house.begun(house.answers))
        slips = []
        for number in steps_of_form[1:]:
            page.goto(f"/screening/{number}/")
            for box in page.locator("main input[type=radio][value=yes], main input[type=checkbox]").all():
                if box.is_visible():
                    box.check()
            press(page, "Continue")
            if page.title().startswith("Error:"):
                slips.append(number)
                look(page, f"Step {number} of 8")
        assert len(slips) > 3, slips
    with look.part("advice that cannot wait"):
        for changes in ({"changing-mole": "yes", "changing-mole-doctor": "no"}, {"cold-sores": "now"}):
            have(house.begun(house.answers | changes))
            for number in steps_of_form:
                page.goto(f"/screening/{number}/advice/")
                if "advice" in page.url:
                    look(page, "Please read this first")
                    break
            else:
                raise LookupError(f"no advice for {changes}")
    with look.part("under 18, and nothing here"):
        have(house.begun())
        page.goto("/screening/1/")
        fill_birth_date(page, "4", "May", "2012", "age-date-of-birth")
        press(page, "Continue")
        look(page, "Please come back when you are 18")
        page.goto("/screening/check/")
        look(page, "There are no answers here")
    with look.part("left, and who comes back"):
        have(house.begun(house.answers))
        page.goto("/screening/3/")
        press(page, "Save and leave")
        look(page, "Your answers are saved")
        page.goto("/screening/3/")
        look(page, "Is it still you?")
        press(page, "Go on")
        look(page, "Is it still you?")
        fill_birth_date(page, "5", "May", "1990")
        press(page, "Go on")
        look(page, "This is not the date in these answers")
        for _try in range(2):
            fill_birth_date(page, "5", "May", "1990")
            press(page, "Go on")
        look(page, "did not fit three times")
    with look.part("hidden on this device"):
        have(house.begun(house.answers))
        page.goto("/screening/leave/")
        look(page, "Delete your answers?")
        press(page, "Yes, delete them")
        look(page, "Your answers are deleted")
        have(house.answered())
        page.goto("/screening/leave/")
        look(page, "Hide your answers on this device?")
        press(page, "Yes, hide them")
        look(page, "We have kept what you sent")
    with look.part("check"):
        have(house.begun(house.answers | {link_id.replace("_", "-"): value for link_id, value in WAX.items()}))
        page.goto("/screening/check/")
        look(page, "Check your answers")
        press(page, "Send my answers")
        look(page, "Please tick the box before you send")
        page.goto("/screening/2/?change=1")
        look(page, "Step 2 of 8")
    with look.part("each result"):
        for words, changes in RESULTS.items():
            have(house.answered(**changes))
            page.goto("/screening/result/")
            look(page, words)
    with look.part("what a clinician decided, and asked"):
        for number, (outcome, said, words) in enumerate(
            [
                ("deferred", {"deferred_until": (NOW + timedelta(days=50)).date()}, "Not yet: please wait until"),
                ("deferred", {}, "We cannot name a day"),
                ("consultation-required", {}, "We would like to see you first"),
                ("not-suitable", {}, "This treatment is not right for you at the moment"),
                ("cleared", {}, "A clinician said yes to your treatment"),
                ("needs-information", {"question": "Which cream?"}, "Our clinician has a question for you"),
            ]
        ):
            patient = patient_who_signs_in(f"Dora Decided{number}")
            review = steps.decide(house.asked(patient, days=5 + number), outcome, now=house.now, **said)
            enter(page, patient.user)
            page.goto(f"/screening/decision/{review.uuid}/")
            look(page, words)
            page.goto("/my/")
            look(page, "Hello, Dora")
            if outcome == "deferred" and not said:
                page.goto("/book/acne-scars-face/")
                look(page)
            if outcome == "cleared":
                house.answered(patient, diabetes="yes", diabetes_controlled="yes")
                page.goto(f"/screening/decision/{review.uuid}/")
                look(page, "An earlier answer of ours no longer counts")
        page.goto(f"/screening/reply/{review.uuid}/")
        press(page, "Send my answer")
        look(page, "Please write your answer.")
        page.locator("textarea").fill("A plain one.")
        press(page, "Send my answer")
        look(page, "Thank you, we have your answer")
        enter(page, patient_who_signs_in("Nina Nosy").user)
        page.goto(f"/screening/reply/{review.uuid}/")
        look(page, "We cannot find this page")
    with look.part("away, too old, changed, broken"):
        mine, begun = house.answered(patient_who_signs_in("Olga Older")), house.begun(house.answers)
        house.go_to(house.now + timedelta(minutes=20))
        have(begun)
        page.goto("/screening/check/")
        look(page, "Is it still you?")
        enter(page, mine.patient.user)
        page.goto("/screening/result/")
        look(page, "Is it still you?")
        house.go_to(house.now + timedelta(hours=25))
        have(begun)
        page.goto("/screening/4/")
        look(page, "There are no answers here")
        house.go_to(house.now + timedelta(days=91))
        enter(page, mine.patient.user)
        page.goto("/screening/result/")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Go on")
        look(page, "Please answer the questions again")
        have(mine, mine.patient.user)
        page.goto("/book/acne-scars-face/")
        look(page, "Please answer the questions again")
        begun = house.begun(house.answers)
        publishing.retire(house.questionnaire, by=staff("lead"), now=house.now)
        have(begun)
        page.goto("/screening/check/")
        page.get_by_role("checkbox").check()
        press(page, "Send my answers")
        look(page, "Begin again")
        page.goto("/screening/")
        look(page)
    look.end()


# ---------------------------------------------------------------- who somebody is


def test_signing_in_in_every_state(house, someone, look, settings):
    page = someone()
    with look.part("a patient"):
        page.goto("/accounts/login/")
        look(page, "We send a code to your e-mail address")
        page.get_by_text("I work at the clinic").click()
        look(page, "Sign in with my password")
        page.get_by_role("button", name="Sign in with my password").click()
        look(page, "Sign in to the staff pages")
        page.locator("input[name=login]").fill("nobody@demo.example")
        page.locator("input[name=password]").fill("not this one")
        press(page, "Sign in with my password")
        look(page, "Sign in to the staff pages", "password")
        page.goto("/accounts/login/code/")
        press(page, "Send me a code")
        look(page, "Sign in with a code")
        assert page.title().startswith("Error:")
        page.locator("main input[name=email]").fill("somebody@example.org")
        press(page, "Send me a code")
        look(page, "Write the code we sent you")
        press(page, "Correct the address")
        look(page, "Sign in with a code")
    with look.part("one's own page"):
        enter(page, make.make_user(email="new@example.org", name="Nora New"))
        page.goto("/my/")
        look(page, "There is nothing here yet")
        enter(page, patient_who_signs_in("Ella Empty").user)
        page.goto("/my/")
        look(page, "You have no appointment at the moment")
        page.goto("/accounts/sessions/")
        look(page)
        page.goto("/accounts/logout/")
        look(page, "Sign out?")
        press(page, "Sign out")
        look(page, "signed out")
        user = make.make_user(email="phoned@example.org", name="Phil Phoned")
        EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
        make.make_patient(name="Phil Phoned", email=user.email)
        enter(page, user)
        page.goto("/my/")
        look(page, "One more question, so that we know it is you")
        press(page, "Continue")
        look(page, "One more question")
        for _try in range(6):
            fill_birth_date(page, "5", "May", "1990")
            press(page, "Continue")
            if _try in (0, 5):
                look(page, "This does not match what we know" if not _try else "That were many tries")
    with look.part("a password that is forgotten"):
        enter(page)
        page.goto("/accounts/password/reset/")
        look(page)
        page.locator("main form button[type=submit]").first.click()
        look(page)
        assert page.title().startswith("Error:")
        page.locator("main input[name=email]").fill("manager@demo.example")
        page.locator("main form button[type=submit]").first.click()
        look(page)
        text = last_message("manager@demo.example", "password_link").text
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        page.locator("main form button[type=submit]").first.click()
        look(page)
        for box in page.locator("main input[type=password]").all():
            box.fill("a horse, a battery and a staple")
        page.locator("main form button[type=submit]").first.click()
        look(page)
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        page.goto("/accounts/inactive/")
        look(page)
    with look.part("a member of staff"):
        enter(page, staff("desk"))
        page.goto("/accounts/password/change/")
        look(page)
        page.locator("main form button[type=submit]").first.click()
        look(page)
        page.goto("/accounts/sessions/")
        look(page)
        page.goto("/accounts/locked/")
        look(page, "You have been signed out")
        page.goto("/admin/booking/appointment/phone/")
        look(page)
    with look.part("the screen was left alone"):
        page.locator("input[name=q]").fill("Rita")
        house.go_to(house.now + timedelta(minutes=11))
        press(page, "Find")
        look(page, "You have been signed out", "We did not receive what you sent just now")
        page.goto("/admin/")
        look(page, "Sign in")
    with look.part("the second step"):
        settings.STAFF_SECOND_FACTOR = True
        enter(page)
        page.goto("/admin/")
        sign_in_with_password(page, "desk")
        look(page, "Is it still you?")
        page.locator("main input[type=password]").fill("wrong")
        page.locator("main form button[type=submit]").first.click()
        look(page)
        page.locator("main input[type=password]").fill(PASSWORD)
        page.locator("main form button[type=submit]").first.click()
        page.wait_for_load_state()
        look(page, "Set up the authenticator app")
        press(page, "Finish")
        look(page, "Set up the authenticator app")
        page.locator("main input[name=code]").fill("000000")
        press(page, "Finish")
        look(page, "Set up the authenticator app")
        secret = page.locator("code.secret").inner_text()
        page.locator("main input[name=code]").fill(figures(secret))
        press(page, "Finish")
        look(page)
        page.goto("/accounts/2fa/")
        look(page, "Recovery codes")
        page.goto("/accounts/2fa/recovery-codes/")
        look(page)
        page.goto("/accounts/2fa/recovery-codes/generate/")
        look(page)
        page.goto("/accounts/2fa/totp/deactivate/")
        look(page)
        enter(page)
        page.goto("/admin/")
        sign_in_with_password(page, "desk")
        look(page, "Second step: your authenticator")
        page.locator("main input[name=code]").fill("000000")
        press(page, "Sign in")
        look(page, "Second step: your authenticator")
    look.end()
