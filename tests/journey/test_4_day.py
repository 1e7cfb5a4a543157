"""Stories 4 and 5: the front desk runs the day and books by phone; a practitioner checks in and closes the visit."""

import re
from datetime import timedelta

import pytest
import time_machine
from playwright.sync_api import Page, expect

from booking import standing
from booking.models import Appointment
from clinic.models import CallBack
from tests.journey.conftest import last_message, sign_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def clock() -> None:
    """The demonstration is made today; each test then sets the clock to a visit of it."""


@pytest.fixture
def visit(site):
    """A booked treatment of the demonstration; the clocks are set to twenty minutes before it."""
    made_at = CallBack.objects.latest("pk").created_at
    visit = (
        Appointment.objects.with_names()
        .filter(status="booked", treatment__kind="treatment", starts_at__gt=made_at)
        .exclude(pk__in=standing.cannot_stand(now=made_at).values("pk"))
        .order_by("starts_at")
        .first()
    )
    assert visit is not None
    with time_machine.travel(visit.starts_at - timedelta(minutes=20), tick=True):
        yield visit


def status(visit: Appointment) -> str:
    visit.refresh_from_db()
    return visit.status


def line_of(page: Page, visit: Appointment):
    """The visit's own box on the desk page."""
    return page.locator(".visit").filter(has=page.get_by_role("link", name=visit.patient.name)).first


def test_the_front_desk_runs_the_day(visit, someone, eyes, by_keyboard):
    hand = by_keyboard(someone())
    page = hand.page
    sign_in(page, "desk", hand)
    eyes.check(page)
    page.goto(f"/admin/booking/appointment/desk/?at={visit.location.slug}")
    eyes.check(page)
    expect(page.locator(":focus")).to_have_attribute("name", "q")
    expect(line_of(page, visit)).to_contain_text("ready")

    hand.press(line_of(page, visit).get_by_role("button", name=re.compile("Arrived")))
    page.wait_for_load_state()
    assert status(visit) == "arrived"
    eyes.check(page)
    hand.press(line_of(page, visit).get_by_role("button", name=re.compile("Undo")))
    page.wait_for_load_state()
    assert status(visit) == "booked"

    hand.press(line_of(page, visit).get_by_role("link", name=re.compile("^Cancel")))
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Cancel the appointment"))  # without a reason
    assert status(visit) == "booked"
    hand.choose(page.get_by_label("the practitioner is away"))
    hand.press(page.get_by_role("button", name="Cancel the appointment"))
    page.wait_for_load_state()
    assert (status(visit), visit.cancel_reason) == ("cancelled", "practitioner-away")
    eyes.check(page)
    hand.press(line_of(page, visit).get_by_role("button", name=re.compile("Undo")))
    page.wait_for_load_state()
    assert status(visit) == "booked"

    hand.press(page.get_by_role("button", name=re.compile("^I have rung")).first)
    page.wait_for_load_state()
    assert CallBack.objects.filter(done_at__isnull=False, done_by__email="desk@demo.example").count() == 1

    hand.write(page.locator("input[name=q]"), visit.patient.birth_date.strftime("%d/%m/%Y"))
    hand.press(page.get_by_role("button", name="Find"))
    expect(page.locator("#content")).to_contain_text(visit.patient.name)
    eyes.check(page)

    page.goto("/admin/booking/appointment/")
    eyes.check(page)
    page.goto(f"/admin/booking/appointment/{visit.uuid}/")
    eyes.check(page)


def test_somebody_does_not_come(visit, someone, eyes, by_keyboard):
    with time_machine.travel(visit.starts_at + timedelta(minutes=16), tick=True):
        hand = by_keyboard(someone())
        sign_in(hand.page, "desk", hand)
        hand.page.goto(f"/admin/booking/appointment/desk/?at={visit.location.slug}")
        hand.press(line_of(hand.page, visit).get_by_role("button", name=re.compile("Did not come")))
        hand.page.wait_for_load_state()
        assert status(visit) == "noshow"
        eyes.check(hand.page)


def test_somebody_phones_and_is_booked(site, someone, eyes, by_keyboard):
    hand = by_keyboard(someone())
    page = hand.page
    sign_in(page, "desk", hand)
    page.goto("/admin/booking/appointment/phone/")
    eyes.check(page)
    hand.write(page.locator("input[name=q]"), "Rita Ringer")
    hand.press(page.get_by_role("button", name="Find"))
    eyes.check(page)
    hand.write(page.locator("input[name=new-name]"), "Rita Ringer")
    hand.write(page.locator("input[name=new-birth_date]"), "3 March 1988")
    hand.write(page.locator("input[name=new-phone]"), "0117 496 0222")
    hand.write(page.locator("input[name=new-email]"), "rita@demo.example")
    hand.press(page.get_by_role("button", name=re.compile("Make a new patient")))
    eyes.check(page)
    hand.select(page.locator("select[name=treatment]"), "Microneedling: acne scars, face")
    hand.press(page.get_by_role("button", name="Show times"))
    eyes.check(page)
    hand.choose(page.locator("input[type=radio][name=slot]").first)
    hand.press(page.get_by_role("button", name="Go on with this time"))
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Ask for this time"))
    page.wait_for_load_state()
    eyes.check(page)
    visit = Appointment.objects.get(patient__name="Rita Ringer")
    assert (visit.status, visit.channel) == ("pending", "phone")
    assert visit.form_due_by is not None
    assert "acne" not in last_message("rita@demo.example", "form_due").text.lower()

    page.goto("/admin/booking/appointment/phone/")
    hand.write(page.locator("input[name=q]"), "Rita Ringer")
    hand.press(page.get_by_role("button", name="Find"))
    hand.press(page.get_by_role("link", name=re.compile("^Book")).last)
    hand.select(page.locator("select[name=treatment]"), "Consultation")
    hand.press(page.get_by_role("button", name="Show times"))
    hand.choose(page.locator("input[type=radio][name=slot]").nth(5))
    hand.press(page.get_by_role("button", name="Go on with this time"))
    hand.press(page.get_by_role("button", name="Book", exact=True))
    page.wait_for_load_state()
    talk = Appointment.objects.get(patient__name="Rita Ringer", treatment__kind="consultation")
    assert talk.status == "booked"


def test_the_front_desk_finds_no_answer_by_any_door(visit, someone, eyes):
    page = someone()
    sign_in(page, "desk")
    for path in (
        "/admin/screening/",
        "/admin/screening/reviewrequest/",
        "/admin/screening/questionnaireresponse/",
        f"/admin/screening/questionnaireresponse/{visit.review.response_id}/change/",
        "/admin/screening/questionnaire/",
    ):
        answer = page.goto(path)
        assert answer.status in (403, 404) or "/admin/screening/" not in page.url, path


def test_a_practitioner_checks_in_and_closes_the_visit(visit, someone, eyes, by_keyboard):
    desk = by_keyboard(someone())
    sign_in(desk.page, "desk", desk)
    desk.page.goto(f"/admin/booking/appointment/desk/?at={visit.location.slug}")
    desk.press(line_of(desk.page, visit).get_by_role("button", name=re.compile("Arrived")))
    desk.page.wait_for_load_state()

    hand = by_keyboard(someone())
    page = hand.page
    sign_in(page, visit.practitioner.user.email.split("@")[0], hand)
    eyes.check(page)
    page.goto("/admin/booking/appointment/my-day/")
    eyes.check(page)
    hand.press(page.get_by_role("link", name=visit.patient.name).first)
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Check in"))  # with nothing confirmed
    eyes.check(page)
    assert status(visit) == "arrived"
    hand.choose(page.locator("input[name=says_name]"))
    hand.choose(page.locator("input[name=says_birth_date]"))
    for name in page.locator("form.check-in input[type=radio]").evaluate_all(
        "all => [...new Set(all.map(i => i.name))]"
    ):
        for code in ("no", "never", "none", "does-not-apply"):
            box = page.locator(f'form.check-in input[name="{name}"][value="{code}"]')
            if box.count() and box.is_visible():
                hand.choose(box)
                break
    hand.choose(page.locator("input[name=agreed]"))
    hand.press(page.get_by_role("button", name="Check in"))
    page.wait_for_load_state()
    assert status(visit) == "checked-in"
    eyes.check(page)
    hand.press(page.get_by_role("button", name=re.compile("Done")))
    page.wait_for_load_state()
    assert status(visit) == "fulfilled"
    eyes.check(page)
