"""What the six stories pass by: every page in each of its states, for axe, a phone or a laptop, and 400 %.

Slips, nothing there, just taken, expired, refused, somebody else's. A state is made by the verbs of the clinic where
that is quicker than clicking; what it shows is always looked at in the browser, as the person would see it.
"""

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page

from booking import availability
from booking.availability import Slot
from booking.models import Appointment
from clinic.management.commands.demo import PASSWORD
from clinic.models import Clinic, Location, Practitioner, Room, Treatment, User
from screening import responses
from screening.models import Questionnaire
from tests import make
from tests.booking import steps
from tests.journey.hands import Mouse
from tests.screening.conftest import harmless_answers

# Patients sit at a small phone here, staff at a laptop; the stories have the other way round as well. How a page does
# on 320 pixels is looked at everywhere.
PHONE, LAPTOP = (360, 740), (1366, 768)


class Looker:
    """Looks at one state after the other and tells at the end about all that is wrong."""

    def __init__(self, eyes) -> None:
        self.eyes = eyes
        self.told: list[str] = []
        self.seen: list[str] = []

    def __call__(self, page: Page, *words: str) -> None:
        """The page as it is now. `words` stand on it: that it is this state, and not another page, is looked at too."""
        page.wait_for_load_state()
        self.seen.append(page.url)
        text = " ".join(page.evaluate("document.body.innerText").split()).casefold()
        missing = [said for said in words if said.casefold() not in text]
        self.told += [f"{page.url} does not say “{said}”: {text[:300]}" for said in missing]
        told = [text for text in self.eyes.complaints if not re.search("status of 50[03]", text)]
        self.eyes.complaints[:] = told
        width, height = LAPTOP if "/admin/" in page.url else PHONE
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


def enter(page: Page, user: User | None = None, **values) -> None:
    """This browser is somebody's now: signed in as `user`, or nobody's, with `values` in its session."""
    client = Client()
    if user is not None:
        client.force_login(user)
    session = client.session
    session.update(values)
    session.save()
    page.context.clear_cookies()
    if page.url == "about:blank":
        page.goto("/healthz")
    site = "/".join(page.url.split("/")[:3])
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session.session_key, "url": site, "httpOnly": True}]
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
