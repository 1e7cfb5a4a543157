"""What the six stories pass by: every page in each of its states, for axe, a phone or a laptop, and 400 %.

Slips, nothing there, just taken, expired, refused, somebody else's. A state is made by the verbs of the clinic where
that is quicker than clicking; what it shows is always looked at in the browser, as the person would see it.
"""

import re
import time
import traceback
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group
from django.core import signing
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page

from booking import appointments, availability, links
from booking.availability import Slot
from booking.models import Appointment, Closure, WorkingHours
from clinic.management.commands.demo import PASSWORD
from clinic.models import Clinic, Location, Practitioner, Room, Treatment, User
from education.models import Article
from screening import definition, publishing, responses, reviews
from screening.models import Questionnaire, ReviewRequest
from tests import make
from tests.booking import steps
from tests.journey.conftest import code_sent_to, last_message
from tests.journey.hands import Mouse
from tests.make import NOW
from tests.screening.conftest import harmless_answers, shipped

pytestmark = pytest.mark.django_db(transaction=True)

# Patients sit at a small phone here, staff at a laptop; the stories have the other way round as well. How a page does
# on 320 pixels is looked at everywhere.
PHONE, LAPTOP = (360, 740), (1366, 768)

# What a page is made of, without its words: every kind of element with what it stands in, the headings in their order,
# and the attributes that axe asks for.
SHAPE = """() => {
  const own = ["role", "type", "aria-label", "aria-labelledby", "aria-describedby", "aria-invalid", "alt", "for"];
  const kind = (e) => e.localName + "." + e.className + own.map((name) => e.hasAttribute(name) ? name : "").join();
  const path = (e) => kind(e.parentElement) + ">" + kind(e);
  const all = [...document.body.querySelectorAll("*")].filter((e) => !e.closest("svg") || e.localName === "svg");
  return [...new Set(all.map(path))].sort().join("\\n") + [...all].filter((e) => /^h[1-6]$/.test(e.localName)).map(
    (e) => e.localName + e.id).join();
}"""


class Looker:
    """Looks at one state after the other and tells at the end about all that is wrong."""

    # Shapes of pages in which axe has found nothing. It takes most of the time, and has nothing to add about the same
    # page with other words.
    known: ClassVar[set[str]] = set()

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
        told = [text for text in self.eyes.complaints if not re.search("status of 50[03]", text)]
        self.eyes.complaints[:] = told
        shape = page.evaluate(SHAPE)
        width, height = LAPTOP if "/admin/" in page.url else PHONE
        page.set_viewport_size({"width": width, "height": height})
        self.eyes.axe = shape not in self.known
        try:
            self.eyes.check(page)
            self.known.add(shape)
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

    @property
    def now(self) -> datetime:
        """What time it is: the clock runs on while pages are looked at."""
        return timezone.now()

    def go_to(self, moment: datetime) -> None:
        """Sets the clock."""
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


def press(page: Page, name: str | re.Pattern = "", *, button: str = "") -> None:
    """Presses a button (by its words, or as a selector) and waits for what comes of it. The server's own words are
    wanted, so the browser's checks before sending are off, as they are for whoever's browser has none."""
    page.evaluate("for (const form of document.forms) form.noValidate = true")
    inside = page.locator("main, #main").first
    Mouse(page).press((inside.locator(button) if button else inside.get_by_role("button", name=name)).first)


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
        press(page, button="form.times-form button[type=submit]")
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        press(page, button="form.times-form button[type=submit]")
        look(page, "That time has just been taken")
    with look.part("a time is kept already"):
        held = house.held()
        enter(page, hold=str(held.uuid))
        page.goto(talk)
        look(page, "When you choose another time, we give this one back")
        page.goto(times)
        page.locator("input[type=radio][name=start]").first.check()
        press(page, button="form.times-form button[type=submit]")
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
        press(page, button="form.times-form button[type=submit]")
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
        house.go_to(house.now + timedelta(minutes=11))
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
        look(page, "Those were too many tries", "Go on with that time")
        hold()
        fill(email="rosa3@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        house.go_to(house.now + timedelta(minutes=16))
        page.locator("[name=code]").fill(code_sent_to("rosa3@example.org"))
        press(page, "Continue")
        look(page, "A code works for 15 minutes. If yours does not work any more", "Go on with that time")
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
        look(page, "Times for a consultation")
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
        press(page, button="form.times-form button[type=submit]")
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        press(page, button="form.times-form button[type=submit]")
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
        page.goto("/book/acne-scars-face/")
        look(page, "First a few questions")
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
                look(page, "This does not match what we know" if not _try else "Those were many tries")
    with look.part("a password that is forgotten"):
        enter(page)
        page.goto("/accounts/password/reset/")
        look(page)
        press(page, button="form button[type=submit]")
        look(page)
        assert page.title().startswith("Error:")
        page.locator("main input[name=email]").fill("manager@demo.example")
        press(page, button="form button[type=submit]")
        look(page)
        text = last_message("manager@demo.example", "password_link").text
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        press(page, button="form button[type=submit]")
        look(page)
        for box in page.locator("main input[type=password]").all():
            box.fill("a horse, a battery and a staple")
        press(page, button="form button[type=submit]")
        look(page)
        page.goto(re.search(r"https?://[^/\s]+(/\S+)", text)[1])
        look(page)
        page.goto("/accounts/inactive/")
        look(page)
    with look.part("a member of staff"):
        enter(page, staff("desk"))
        page.goto("/accounts/password/change/")
        look(page)
        press(page, button="form button[type=submit]")
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
        press(page, button="form button[type=submit]")
        look(page)
        page.locator("main input[type=password]").fill(PASSWORD)
        press(page, button="form button[type=submit]")
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


# ---------------------------------------------------------------- reading, being rung back, and what goes wrong


def test_reading_and_what_goes_wrong(house, someone, look, monkeypatch):
    page = someone()
    with look.part("to read"):
        page.goto("/")
        look(page, "Fine Line Scar Clinic")
        page.goto("/learn/")
        look(page, "All pages")
        for words, said in {"cold sores": "about “cold sores”", "zebra": "We found nothing for “zebra”"}.items():
            page.goto(f"/learn/?q={words}")
            look(page, said)
        page.goto("/learn/?q=")
        look(page, "All pages")
        for article in Article.objects.all():
            page.goto(article.get_absolute_url())
            look(page, article.published_revision.title)
        for path in ("/privacy/", "/accessibility/", "/complaints/", "/contact/"):
            page.goto(path)
            look(page)
    with look.part("rung back"):
        page.goto("/call-back/?about=language")
        look(page, "We ring you back")
        press(page, "Ring me back")
        look(page, "Please write your name.")
        page.locator("main input[name=name]").fill("Dora")
        page.locator("main input[name=phone]").fill("12")
        press(page, "Ring me back")
        look(page, "Please check the number")
        page.locator("main input[name=phone]").fill("020 7946 0018")
        press(page, "Ring me back")
        look(page, "We will ring you")
    with look.part("errors"):
        page.goto("/learn/?q=%00")
        look(page, "We could not read that")
        page.goto("/nowhere/")
        look(page, "We cannot find this page")
        page.goto("/learn/nowhere/")
        look(page, "We cannot find this page")
        page.goto("/call-back/")
        page.context.clear_cookies()
        press(page, "Ring me back")
        look(page, "This form was open too long")
        form = {"name": "Dora", "phone": "020 7946 0018", "about": "talk"}
        for _time in range(10):
            Client().post("/call-back/", form | {"request_key": str(uuid.uuid4())})
        page.goto("/call-back/?about=talk")
        page.locator("main input[name=name]").fill("Dora")
        page.locator("main input[name=phone]").fill("020 7946 0018")
        press(page, "Ring me back")
        look(page, "Please wait a few minutes")
        enter(page, patient_who_signs_in("Petra Proven").user)
        page.goto("/admin/")
        look(page, "This page is not open to you")

        def breaks(*args):
            raise RuntimeError("made by a test")

        monkeypatch.setattr("clinic.views.drawn_panels", breaks)
        page.goto("/my/")
        look(page, "Something went wrong on our side")
        monkeypatch.undo()
    with look.part("nothing is open yet"):
        enter(page)
        monkeypatch.setattr(Clinic, "get", classmethod(lambda cls: None))
        for path in ("/", "/book/", "/screening/", "/contact/", "/privacy/", "/complaints/"):
            page.goto(path)
            look(page)
        page.goto("/book/consultation/")
        look(page)
        monkeypatch.undo()
    with look.part("articles that are overdue, or taken down"):
        house.go_to(NOW + timedelta(days=400))
        page.goto("/learn/sessions/")
        look(page)
        for article in Article.objects.all():
            article.take_down(by=staff("editor"), now=house.now)
        page.goto("/learn/")
        look(page, "Our pages are being checked by a clinician")
        page.goto("/")
        look(page)
    look.end()


# ---------------------------------------------------------------- the staff site


def test_the_front_desk_in_every_state(house, someone, look):
    page = someone()
    desk, day = "/admin/booking/appointment/desk/", "2027-03-04"
    at_work = house.desk
    known = patient_who_signs_in("Anna Lowe", phone="+442079460018")
    visits = {
        "pending": house.asked(known, days=3),
        "booked": house.booked(patient_who_signs_in("Berta Hill"), days=3),
        "cancelled": house.talk(patient_who_signs_in("Carla Finch"), days=3),
        "phoned": appointments.book_by_phone(
            patient=make.make_patient(name="Dina Phone", email=""), treatment=house.treatment, area=make.area(),
            slot=house.free(days=3), by=at_work, now=NOW,
        ),
    }  # fmt: skip
    appointments.cancel(visits["cancelled"], by="staff", user=at_work, reason="mistake", now=NOW)
    fulfilled = Appointment.objects.with_names().filter(status="fulfilled").first()

    def there(key, verb=""):
        page.goto(f"/admin/booking/appointment/{visits[key].uuid}/{verb}")

    with look.part("dashboards"):
        for short in ("clinician", "lead", "nurse", "editor", "manager", "desk"):
            enter(page, staff(short))
            page.goto("/admin/")
            look(page, "Everything")
            if short in ("manager", "editor", "lead"):
                page.goto("/admin/opening/")
                look(page, "Patients can come when nothing is left")
    with look.part("a day"):
        for query in ("", "?at=valletta", f"?day={day}", f"?day={day}&by=room", f"?day={day}&print=1"):
            page.goto(desk + query)
            look(page, "Berta Hill" if day in query else "")
        page.goto(f"{desk}?day=2028-01-02")
        look(page, "Nobody works here on this day")
        page.goto(f"{desk}?day=2028-01-02&print=1")
        look(page, "There are no visits.")
        page.goto(f"{desk}?day=2027-04-15")
        look(page, "Closed on this day")
        for words, said in {"zebra": "Nobody found", "Anna": "Anna Lowe"}.items():
            page.goto(desk)
            page.locator("input[name=q]").fill(words)
            press(page, "Find")
            look(page, said)
    with look.part("one appointment"):
        for key in visits:
            there(key)
            look(page, visits[key].reference)
        page.goto(f"/admin/booking/appointment/{fulfilled.uuid}/")
        look(page, "What happened")
        page.goto(f"/admin/booking/appointment/{fulfilled.uuid}/move/")
        look(page)
        there("booked", "cancel/")
        look(page, "Cancel this appointment?")
        press(page, "Cancel the appointment")
        look(page)
        assert page.title().startswith("Error:")
        there("booked", "consultation/")
        look(page, "Make it a consultation?")
        there("booked", "move/")
        look(page, "Move")
        press(page, re.compile("Move"))
        look(page)
        page.locator("input[name=slot]").first.check()
        house.held(slot=Slot.from_key(page.locator("input[name=slot]").first.get_attribute("value")))
        press(page, re.compile("Move"))
        look(page)
        assert page.title().startswith("Error:")
        page.goto("/admin/booking/appointment/")
        look(page)
        page.goto(f"/admin/booking/appointment/{uuid.uuid4()}/")
        look(page, "We cannot find this page")
        page.goto("/admin/screening/reviewrequest/")
        look(page, "This page is not open to you")
    with look.part("by phone"):
        phone = "/admin/booking/appointment/phone/"
        page.goto(phone)
        look(page, "Search first")
        page.locator("input[name=q]").fill("zebra")
        press(page, "Find")
        look(page, "Somebody new")
        press(page, "Make a new patient and go on")
        look(page)
        assert page.title().startswith("Error:")
        for name, value in {"name": "Anna Lowe", "birth_date": "4/5/1990", "phone": "020 7946 0018"}.items():
            page.locator(f"input[name=new-{name}]").fill(value)
        press(page, "Make a new patient and go on")
        look(page, "We may know this person already")
        young = make.make_patient(name="Toby Young", birth_date="2012-05-04")
        page.goto(f"{phone}{young.uuid}/")
        look(page, "Toby Young")
        caller = make.make_patient(name="Rita Ringer", email="")
        page.goto(f"{phone}{caller.uuid}/")
        look(page, "Step 2 of 3")
        press(page, "Show times")
        look(page, "Choose what it is for.")
        page.goto(f"{phone}{caller.uuid}/?treatment=stretch-marks&area=face&first=2027-03-04")
        look(page, "Choose an area that this treatment is for")
        page.goto(f"{phone}{caller.uuid}/?treatment=consultation&first=2029-03-04")
        look(page, "No free times in this week")
        page.goto(f"{phone}{caller.uuid}/?treatment=acne-scars-face&area=face&first={day}&location=bath&overbook=on")
        look(page, "Free times, 4 March")
        page.locator("input[name=slot]").first.check()
        press(page, "Go on with this time")
        look(page, "Step 3 of 3", "There is no e-mail address", "will be asked for")
        page.goto(f"{phone}{caller.uuid}/?treatment=consultation&first={day}&location=bath")
        page.locator("input[name=slot]").first.check()
        house.held(slot=Slot.from_key(page.locator("input[name=slot]").first.get_attribute("value")))
        press(page, "Go on with this time")
        look(page, "will be booked at once")
        press(page, "Book")
        look(page, "Free times near it")
        page.locator("input[name=slot]").first.check()
        press(page, "Book")
        look(page, "Booked: Rita Ringer", "No e-mail address")
    with look.part("a slip of the manager's, and a place that is closed"):
        enter(page, staff("manager"))
        there("cancelled", "error/")
        look(page, "Entered in error?")
        press(page, "Mark as entered in error")
        look(page, "Please say why.")
        page.goto("/admin/booking/appointment/to-move/")
        look(page, "Times to be moved")
        Location.objects.update(is_active=False)
        page.goto(desk)
        look(page)
    look.end()


ADDED = ["workinghours", "timeoff", "closure", "location", "room", "treatment", "practitioner", "patient", "user"]


def test_what_a_manager_plans_in_every_state(house, someone, look):
    page = someone()
    visit = house.talk(patient_who_signs_in("Hanna Hit"), days=3)
    manager = staff("manager")
    manager.groups.set(Group.objects.all())
    enter(page, manager)
    registered = {model._meta.model_name: model for model in admin.site._registry}
    with look.part("lists, new ones with slips, and one that is there"):
        for name, model in registered.items():
            if model._meta.app_label not in ("booking", "clinic", "outbox", "education"):
                continue
            place = f"/admin/{model._meta.app_label}/{name}/"
            page.goto(place)
            look(page)
            if name in ADDED:
                page.goto(f"{place}add/")
                look(page)
                press(page, button="input[name=_save]")
                look(page)
                assert page.title().startswith("Error:"), page.url
            if name not in ("appointment", "article"):
                one = model._default_manager.order_by("pk").last()
                if one is not None:
                    page.goto(f"{place}{one.pk}/change/")
                    look(page)
    with look.part("nothing found, history, taking away"):
        page.goto("/admin/clinic/user/?q=zebra")
        look(page)
        page.goto(f"/admin/clinic/location/{house.location.pk}/history/")
        look(page)
        closure = Closure.objects.first()
        page.goto(f"/admin/booking/closure/{closure.pk}/delete/")
        look(page)
        page.goto("/admin/clinic/location/999999/change/")
        look(page)
    with look.part("a closed day that hits visits"):
        page.goto("/admin/booking/timeoff/add/")
        page.locator("[name=practitioner]").select_option(str(visit.practitioner_id))
        page.locator("[name=starts_at]").fill("2027-03-04T08:00")
        page.locator("[name=ends_at]").fill("2027-03-03T18:00")
        press(page, button="input[name=_save]")
        look(page)
        assert page.title().startswith("Error:")
        page.locator("[name=ends_at]").fill("2027-03-06T18:00")
        press(page, button="input[name=_save]")
        look(page, "cannot stand any more", "Hanna Hit")
        page.goto("/admin/booking/appointment/desk/?day=2027-03-04&at=bath")
        look(page, "Hanna Hit")
    with look.part("before anything is set up"):
        Clinic.objects.update(lead_clinician=None, outage_contact="", sender_name="", phone="")
        Room.objects.update(is_active=False)
        page.goto("/admin/opening/")
        look(page, "Name the lead clinician.", "Add a room.")
        page.goto("/admin/")
        look(page)
    look.end()


def test_what_a_clinician_reads_in_every_state(house, someone, look, settings):
    page = someone()
    worklist = "/admin/screening/reviewrequest/"
    clinician = staff("clinician")
    reader = staff("lead")

    def review_of(name, *, days=6, **changes):
        """A patient with these answers, who asked for a time; the row of the worklist."""
        patient = patient_who_signs_in(name)
        if changes:
            house.answered(patient, **changes)
        return steps.request_of(house.asked(patient, days=days))

    def sign(outcome: str, **words):
        page.locator("form#decision details").evaluate_all("all => all.forEach(one => { one.open = true })")
        page.locator(f"form#decision input[name=outcome][value={outcome}]").check()
        for name, text in words.items():
            page.locator(f"form#decision [name={name}]").fill(text)
        press(page, re.compile("^Sign$"))

    enter(page, clinician)
    with look.part("the worklist"):
        harmless = review_of("Hugo Harmless")
        told = {"diabetes": "yes", "diabetes_controlled": "yes", "keloid": "relative", "keloid_who": "My mother"}
        findings = review_of("Fay Findings", **told)
        taken = review_of("Tara Taken")
        reviews.open_for_reading(taken, by=reader, now=house.now)
        clinicians_own = patient_who_signs_in("Mira Lindqvist")
        own = steps.request_of(house.asked(clinicians_own))
        clinicians_own.user = clinician
        clinicians_own.save()
        page.goto(worklist)
        look(page, "Worst finding first", "reads it since", "Your own: another clinician decides.")
    with look.part("reading"):
        page.goto(f"{worklist}{harmless.uuid}/")
        look(page, "Hugo Harmless", "No findings")
        page.goto(f"{worklist}{taken.uuid}/")
        look(page, "Tara Taken", "Dr Samuel Adeyemi")
        page.goto(f"{worklist}{own.uuid}/")
        look(page, "These are your own answers")
        page.goto(f"{worklist}{findings.uuid}/")
        look(page, "Fay Findings")
    with look.part("signing with something missing"):
        for outcome in ("cleared", "cleared-with-conditions", "needs-information", "deferred"):
            page.goto(f"{worklist}{findings.uuid}/")
            sign(outcome, **({"deferred_until_day": "31"} if outcome == "deferred" else {}))
            look(page, "Nothing was saved yet")
            assert page.title().startswith("Error:"), page.title()
        page.locator("form#decision input[name=identity]").check()
        sign("needs-information")
        look(page, "Nothing was saved yet")
        page.goto(f"{worklist}{taken.uuid}/")
        press(page, "Sign and next")
        look(page, "Nothing was saved yet")
    with look.part("answers that cannot be read, and new ones"):
        keys = settings.DATA_KEYS
        settings.DATA_KEYS = [("test", bytes(32))]
        page.goto(f"{worklist}{harmless.uuid}/")
        look(page, "this cannot be opened")
        page.goto(f"/admin/screening/questionnaireresponse/{harmless.response.uuid}/")
        look(page, "this cannot be opened")
        settings.DATA_KEYS = keys
        house.answered(findings.response.patient, keloid="yes", keloid_where="ear")
        again = steps.request_of(Appointment.objects.get(patient=findings.response.patient))
        page.goto(f"{worklist}{again.uuid}/")
        look(page, "Fay Findings")
    with look.part("answers to look up"):
        answers = "/admin/screening/questionnaireresponse/"
        page.goto(answers)
        look(page)
        page.locator("input[name=q]").fill("zebra")
        press(page, button="form button[type=submit]")
        look(page)
        page.goto(f"{answers}{findings.response.uuid}/")
        look(page, "Findings")
        page.get_by_text("These are not this patient's answers").click()
        press(page, "Withdraw")
        look(page, "Nothing was changed. Tick the box first.")
        page.get_by_text("These are not this patient's answers").click()
        page.locator("input[name=sure]").check()
        press(page, "Withdraw")
        look(page, "Withdrawn")
    with look.part("questionnaires"):
        questionnaires = "/admin/screening/questionnaire/"
        draft, _outcome = definition.save_draft(replace(shipped("microneedling-recheck"), version=99), treatments=[])
        faulty = Questionnaire.objects.create(name="nothing-in-it", version=1, title="Nothing in it")
        enter(page, reader)
        page.goto(questionnaires)
        look(page, "nothing-in-it")
        page.goto(f"{questionnaires}{house.questionnaire.pk}/")
        look(page, "Answers taken together")
        page.goto(f"{questionnaires}{faulty.pk}/")
        look(page, "It has faults and cannot be used")
        page.goto(f"{questionnaires}{draft.pk}/")
        look(page, "Proposing says")
        press(page, "Propose")
        look(page, "You proposed it. Another person")
        enter(page, clinician)
        page.goto(f"{questionnaires}{draft.pk}/")
        look(page)
    with look.part("nobody waits"):
        for row in ReviewRequest.objects.filter(closed_at=None):
            ReviewRequest.objects.filter(pk=row.pk).update(closed_at=house.now)
        page.goto(worklist)
        look(page, "Nobody is waiting for a decision.")
    look.end()


def test_a_visit_in_every_state_for_who_treats(house, someone, look):
    page = someone()
    treats = house.practitioner.user
    patient = patient_who_signs_in("Vera Visit")
    visit = house.asked(patient, days=9)
    here = f"/admin/booking/appointment/{visit.uuid}/visit/"
    enter(page, treats)

    def changed():
        visit.refresh_from_db()
        page.goto(here)

    with look.part("before the day"):
        page.goto("/admin/booking/appointment/my-day/?day=2028-01-02")
        look(page, "0 visits")
        changed()
        look(page, "Not confirmed: a clinician has to look first")
        steps.decide(visit, "cleared-with-conditions", conditions="Test patch first.", now=house.now)
        enter(page, visit.practitioner.user)
        changed()
        look(page, "The check-in opens when")
    with look.part("the day"):
        house.go_to(visit.starts_at - timedelta(minutes=5))
        enter(page, treats)
        appointments.arrive(visit, by=house.desk, now=house.now)
        page.goto("/admin/booking/appointment/my-day/")
        look(page, "Vera Visit")
        changed()
        look(page, "Test patch first.", "1. The right person", "3. Agreement")
        press(page, "Check in")
        look(page, "Not checked in yet", "Ask for the full name, and tick the box.")
        steps.rechecked(visit, now=house.now)
        changed()
        look(page, "nothing new")
        again = f"{here}again/"
        page.goto(again)
        look(page, "The short questions again")
        press(page, button="form button[type=submit]")
        look(page, "The short questions again")
        assert page.title().startswith("Error:")
        steps.check_in(visit, by=treats, now=house.now)
        changed()
        look(page, "Done: close the visit")
        appointments.fulfil(visit, by=treats, now=house.now)
        changed()
        look(page, "Undo “done”")
    with look.part("without questions"):
        talk = steps.talk(
            house, slot=house.free(house.consultation, days=1), patient=patient_who_signs_in("Tina Talk"), now=house.now
        )
        house.go_to(talk.starts_at - timedelta(minutes=5))
        enter(page, treats)
        appointments.arrive(talk, by=house.desk, now=house.now)
        page.goto(f"/admin/booking/appointment/{talk.uuid}/visit/")
        look(page, "The right person")
        press(page, "Check in")
        look(page, "Not checked in yet")
        page.get_by_text("End this visit without treating").click()
        look(page, "The front desk finds another time")
        press(page, "Not today")
        look(page, "is not treated today")
    look.end()


def test_the_pages_of_the_editor_in_every_state(house, someone, look):
    page = someone()
    editor, clinician = staff("editor"), staff("clinician")
    article = Article.objects.get(slug="sessions")
    place = f"/admin/education/article/{article.pk}/"
    enter(page, editor)
    with look.part("writing"):
        page.goto("/admin/education/article/")
        look(page, "Pages to read")
        page.goto("/admin/education/article/add/")
        look(page, "New page")
        press(page, "Save as a draft")
        look(page, "Nothing was saved yet")
        page.goto(f"{place}change/")
        look(page, "Patients read this version")
        text = page.get_by_label("Text", exact=True)
        text.fill(text.input_value() + "\n\nOne more sentence.\n")
        press(page, "Save as a draft")
        look(page, "Saved as version")
        draft = article.latest_revision()
        page.goto(f"{place}versions/{draft.version}/")
        look(page, "One more sentence.")
        page.goto(f"{place}versions/{draft.version}/review/")
        look(page, "You wrote this version")
        draft.ask_for_review(by=editor, now=house.now)
        page.goto(f"{place}change/")
        look(page, "waiting for a clinician")
        page.goto("/admin/education/article/?q=zebra")
        look(page)
    with look.part("signing"):
        enter(page, clinician)
        page.goto(f"{place}versions/{draft.version}/review/")
        look(page, "Sign this version", "What changed since the published version")
        press(page, re.compile("^Sign$"))
        look(page)
        assert page.title().startswith("Error:")
        press(page, "Ask for changes")
        look(page)
        assert page.title().startswith("Error:")
        page.goto(f"{place}versions/{article.published_revision.version}/review/")
        look(page, "these are the words that patients read")
        page.goto(f"{place}change/")
        look(page, "Read and sign")
        draft.ask_for_changes(by=clinician, now=house.now, comment="Shorter, please.")
        enter(page, editor)
        page.goto(f"{place}change/")
        look(page, "Shorter, please.")
    with look.part("pictures"):
        page.goto("/admin/education/picture/")
        look(page)
        page.goto("/admin/education/picture/add/")
        look(page, "Upload a picture")
        press(page, button="input[type=submit], button[type=submit]")
        look(page)
        assert page.title().startswith("Error:")
    look.end()


# ---------------------------------------------------------------- what seldom happens


def test_what_seldom_happens(house, someone, look, monkeypatch):
    page = someone()
    with look.part("something new at the chair"):
        visit = house.booked(patient_who_signs_in("Nora New"), days=9)
        house.go_to(visit.starts_at - timedelta(minutes=5))
        appointments.arrive(visit, by=house.desk, now=house.now)
        steps.rechecked(visit, now=house.now, pregnancy="yes")
        enter(page, visit.practitioner.user)
        page.goto(f"/admin/booking/appointment/{visit.uuid}/visit/")
        look(page, "Not confirmed: a clinician has to look first")
    with look.part("hours that overlap"):
        enter(page, staff("manager"))
        hours = WorkingHours.objects.first()
        page.goto("/admin/booking/workinghours/add/")
        for name in ("practitioner_id", "location_id", "weekday"):
            page.locator(f"[name={name.removesuffix('_id')}]").select_option(str(getattr(hours, name)))
        for name, value in {"starts": "10:00", "ends": "12:00", "valid_from": hours.valid_from.isoformat()}.items():
            page.locator(f"[name={name}]").fill(value)
        page.locator("[name=_save]").click()
        look(page, "Hours may not overlap")
    with look.part("the rules cannot be asked"):
        answered = house.answered()

        def broken(*args, **kwargs):
            raise RuntimeError("no rules today")

        monkeypatch.setattr("screening.assessment.assess", broken)
        enter(page, screening=str(answered.uuid))
        page.goto("/screening/result/")
        look(page, "We cannot check your answers at the moment", "The fault is ours")
    look.end()
