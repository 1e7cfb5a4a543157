"""Story 2, the other ways it can go: each outcome with its status, its message and the patient's page."""

import re

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from booking.models import Appointment
from screening.models import ReviewRequest
from tests.journey.conftest import code_sent_to, last_message, sign_in
from tests.journey.hands import Hand, Keyboard, Mouse

pytestmark = pytest.mark.django_db(transaction=True)


def waiting_visit() -> Appointment:
    """A visit of the demonstration whose answers nobody has read yet."""
    request = ReviewRequest.objects.filter(closed_at=None, needed_at__gt=timezone.now()).order_by("pk").first()
    assert request is not None
    return Appointment.objects.with_names().get(response_id=request.response_id)


def open_review(hand: Hand, eyes, visit: Appointment) -> None:
    """A clinician opens the patient's answers."""
    page = hand.page
    sign_in(page, "clinician", hand)
    page.goto("/admin/screening/reviewrequest/")
    hand.press(page.get_by_role("button", name=f"Read {visit.patient.name}").first)
    page.wait_for_load_state()
    eyes.check(page)


def decide(hand: Hand, eyes, visit: Appointment, outcome: str, **words: str) -> None:
    """Chooses an outcome, writes what it needs, says for whom it is, and signs."""
    page = hand.page
    more = page.get_by_text("Decide something else")
    if more.count():
        hand.press(more)
    form = page.locator("form#decision")
    hand.choose(form.locator(f"input[name=outcome][value={outcome}]"))
    hand.press(form.get_by_role("button", name="Sign", exact=True))  # without the words and the name
    page.wait_for_load_state()
    eyes.check(page)
    form = page.locator("form#decision")
    for name, text in words.items():
        hand.write(form.locator(f"[name={name}]"), text)
    hand.choose(form.locator("input[name=identity]"))
    hand.press(form.get_by_role("button", name="Sign", exact=True))
    page.wait_for_load_state()
    eyes.check(page)


def sign_in_as(hand: Hand, eyes, visit: Appointment) -> None:
    """A patient who was booked by somebody else signs in by code and proves the birth date."""
    page = hand.page
    page.goto("/my/")
    hand.write(page.locator("#id_email"), visit.patient.email)
    hand.press(page.get_by_role("button", name="Send me a code"))
    hand.write(page.get_by_role("textbox", name="Code"), code_sent_to(visit.patient.email))
    hand.press(page.get_by_role("button", name=re.compile("Continue|Confirm|Sign in")).first)
    page.wait_for_load_state()
    eyes.check(page)
    born = visit.patient.birth_date
    if page.locator("input[name=birth_date_day]").count():
        hand.write(page.locator("input[name=birth_date_day]"), str(born.day))
        hand.write(page.locator("input[name=birth_date_month]"), str(born.month))
        hand.write(page.locator("input[name=birth_date_year]"), str(born.year))
        hand.press(page.get_by_role("button", name="Continue"))
        page.wait_for_load_state()
    eyes.check(page)


def test_a_clinician_asks_back_and_the_patient_replies(site, someone, eyes, by_keyboard):
    visit = waiting_visit()
    clinician = by_keyboard(someone())
    open_review(clinician, eyes, visit)
    decide(clinician, eyes, visit, "needs-information", question="Which cream do you use at night?")
    visit.refresh_from_db()
    assert visit.status == "pending"
    assert "cream" not in last_message(visit.patient.email, "information_needed").text

    patient = by_keyboard(someone(width=360, height=740))
    page = patient.page
    sign_in_as(patient, eyes, visit)
    page.goto(f"/appointments/{visit.uuid}/")
    eyes.check(page)
    patient.press(page.get_by_role("link", name="Read the question and answer"))
    expect(page.locator("main")).to_contain_text("Which cream do you use at night?")
    eyes.check(page)
    patient.write(page.locator("textarea"), "A plain moisturiser, nothing else.")
    patient.press(page.locator("main form button[type=submit]").first)
    page.wait_for_load_state()
    eyes.check(page)
    assert ReviewRequest.objects.filter(response=visit.response_id, closed_at=None).count() == 1

    clinician.page.goto("/admin/screening/reviewrequest/")
    clinician.press(clinician.page.get_by_role("button", name=f"Read {visit.patient.name}").first)
    expect(clinician.page.locator("#content-main")).to_contain_text("A plain moisturiser, nothing else.")
    eyes.check(clinician.page)


@pytest.mark.parametrize(
    ("by", "outcome", "status"), [(Keyboard, "not-suitable", "cancelled"), (Mouse, "deferred", "cancelled")]
)
def test_a_clinician_says_no_and_the_patient_reads_why(site, someone, eyes, by, outcome, status):
    eyes.by = by
    visit = waiting_visit()
    clinician = by(someone())
    open_review(clinician, eyes, visit)
    decide(clinician, eyes, visit, outcome, explanation="Your skin has to be calm first.")
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by) == (status, "clinician")
    told = last_message(visit.patient.email, "not_possible")
    assert not re.search("suit|acne|scar|keloid|wait until|calm", told.text, re.I)

    patient = by(someone(width=360, height=740))
    page = patient.page
    sign_in_as(patient, eyes, visit)
    page.goto(f"/appointments/{visit.uuid}/")
    eyes.check(page)
    patient.press(page.get_by_role("link", name="Read why"))
    expect(page.locator("main")).to_contain_text("Your skin has to be calm first.")
    eyes.check(page)
    expect(page.locator("main").get_by_role("link", name=re.compile(r"\+\d"))).not_to_have_count(0)


def test_a_clinician_wants_to_see_somebody_first(site, someone, eyes, by_keyboard):
    visit = waiting_visit()
    clinician = by_keyboard(someone())
    open_review(clinician, eyes, visit)
    decide(clinician, eyes, visit, "consultation-required", explanation="We would like to see your skin.")
    visit.refresh_from_db()
    assert (visit.status, visit.treatment.kind) in {("booked", "consultation"), ("cancelled", "treatment")}
