"""Story 1 to 3: a new patient reads, answers, chooses a time, is told; moves it, cancels it, asks for another."""

import re

import pytest
from playwright.sync_api import Page, expect

from booking.models import Appointment
from clinic.management.commands.demo import HARMLESS
from outbox.models import Message
from screening.models import Questionnaire, ReviewRequest
from tests.journey.conftest import code_sent_to, last_message, link_in, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS = {**HARMLESS, "age-date-of-birth": "1990-03-14"}


def answer(page: Page, answers: dict) -> None:
    """Fills in what the page asks, as somebody would who has nothing to tell."""
    names = page.locator("main form input, main form textarea").evaluate_all(
        "inputs => [...new Set(inputs.filter(i => i.type != 'hidden').map(i => i.name))]"
    )
    for name in names:
        if name.endswith("_day"):
            value = answers.get(name.removesuffix("_day"))
            if value:
                year, month, day = value.split("-")
                page.locator(f'[name="{name}"]').fill(str(int(day)))
                page.locator(f'[name="{name.removesuffix("_day")}_month"]').fill(month)
                page.locator(f'[name="{name.removesuffix("_day")}_year"]').fill(year)
            continue
        wanted = answers.get(name, "no")
        for code in wanted if isinstance(wanted, list) else [wanted]:
            box = page.locator(f'input[name="{name}"][value="{code}"]')
            if box.count() and name in top_questions():
                box.check()


def top_questions() -> set[str]:
    """The link_ids of questions that everybody is asked."""
    questionnaire = Questionnaire.objects.active().get(name="microneedling")
    return {question.link_id for question in questionnaire.definition().questions if not question.parent}


def answer_all(page: Page, answers: dict, see=lambda page: None) -> None:
    """From the first step to the page with all answers."""
    while re.search(r"/screening/\d+/", page.url):
        see(page)
        answer(page, answers)
        page.get_by_role("button", name="Continue").click()


def read_and_look(page: Page, eyes) -> None:
    """Reads how it works and who should wait, sees prices, people and free days before any question."""
    page.goto("/")
    eyes.check(page)
    menu = page.locator(".site-menu summary")
    if menu.is_visible():
        menu.click()
        eyes.check(page)
    page.get_by_role("link", name="Learn", exact=True).click()
    eyes.check(page)
    page.get_by_role("link", name=re.compile("How it works|How microneedling works")).first.click()
    eyes.check(page)
    page.goto("/learn/who-should-wait/")
    expect(page.locator("main")).to_contain_text("keloid")
    eyes.check(page)

    page.goto("/book/")
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("£160")
    expect(page.locator("main")).to_contain_text("Dr Mira Lindqvist")
    page.goto("/book/acne-scars-face/")
    eyes.check(page)


def answer_the_questions(page: Page, eyes) -> None:
    """Agrees to the privacy notice, answers, checks, sends, and sees what it means; slips are told."""
    page.get_by_role("link", name="Answer the questions first").first.click()
    eyes.check(page)
    page.get_by_role("button", name="Start").click()
    expect(page).to_have_title(re.compile("^Error:"))
    eyes.check(page)
    page.get_by_role("checkbox").first.check()
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_title(re.compile("^Error:"))
    eyes.check(page)
    answer_all(page, ANSWERS, eyes.check)
    expect(page).to_have_url(re.compile("/screening/check/"))
    eyes.check(page)
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Send my answers").click()
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("A clinician still has to confirm")
    page.get_by_role("link", name=re.compile("Choose a time")).first.click()
    eyes.check(page)


def ask_for_a_time(page: Page, eyes) -> Appointment:
    """Chooses a time, says who comes, proves the address, confirms; is told by when we answer."""
    page.locator("input[type=radio][name=start]").first.check()
    page.get_by_role("button", name=re.compile("time I chose")).first.click()
    expect(page).to_have_url(re.compile("/book/hold/"))
    eyes.check(page)
    page.get_by_role("button", name=re.compile("more time")).click()
    page.get_by_label("full name").fill("Maya Test")
    page.get_by_label("phone number").fill("0117 496 0111")
    page.get_by_label("e-mail address").fill("maya@demo.example")
    page.get_by_role("button", name="Send me the code").click()
    eyes.check(page)
    page.get_by_role("textbox", name="Code").fill(code_sent_to("maya@demo.example"))
    page.get_by_role("button", name=re.compile("Continue|Confirm|Sign in")).first.click()
    eyes.check(page)
    page.get_by_role("button", name="Ask for this time").click()
    expect(page).to_have_url(re.compile("/appointments/"))
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("please do not travel yet")
    expect(page.locator("main")).to_contain_text("We answer by")
    visit = Appointment.objects.get(patient__name="Maya Test")
    assert visit.status == "pending"
    assert ReviewRequest.objects.filter(response__patient=visit.patient, closed_at=None).count() == 1
    return visit


def read_and_sign(page: Page, eyes, visit: Appointment) -> None:
    """A clinician finds the patient in the worklist, reads every answer, signs."""
    sign_in(page, "clinician")
    eyes.check(page)
    page.goto("/admin/screening/reviewrequest/")
    eyes.check(page)
    page.get_by_role("button", name="Read Maya Test").click()
    eyes.check(page)
    expect(page.locator("#content-main")).to_contain_text("Are you pregnant?")
    page.get_by_role("button", name="Sign and next").click()  # without saying who it is
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.status == "pending"
    page.get_by_label(re.compile("This is Maya Test")).first.check()
    page.get_by_role("button", name="Sign and next").click()
    page.wait_for_load_state()
    visit.refresh_from_db()
    assert visit.status == "booked"
    assert visit.review.decided_by.email == "clinician@demo.example"


def move_and_cancel_from_the_link(page: Page, eyes, visit: Appointment) -> None:
    """Opens the link of the message on a device that knows nobody: it shows when and where only, and acts by POST."""
    told = last_message("maya@demo.example", "booked")
    page.goto(link_in(told))
    assert "/link/" not in page.url
    eyes.check(page)
    expect(page.locator("body")).not_to_contain_text("Maya")
    expect(page.locator("main")).not_to_contain_text(re.compile("acne|needling", re.I))
    visit.refresh_from_db()
    assert visit.status == "booked"

    before = visit.starts_at
    page.get_by_role("link", name="Move it").click()
    eyes.check(page)
    page.locator("input[type=radio][name=start]").nth(2).check()
    page.locator("form.times-form button[type=submit]").click()
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.starts_at != before
    assert (visit.status, visit.sequence) == ("booked", 1)
    assert "acne" not in last_message("maya@demo.example", "moved").text.lower()

    page.get_by_role("link", name="Cancel it").click()
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.status == "booked"
    page.get_by_role("button", name="Yes, cancel it").click()
    eyes.check(page)
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by) == ("cancelled", "patient")
    assert "METHOD:CANCEL" in last_message("maya@demo.example", "cancelled").calendar


def ask_for_another(page: Page, eyes) -> None:
    """The signed-in patient is cleared already: treatment, time, confirm are three pages, and it is booked."""
    page.goto("/my/")
    eyes.check(page)
    page.goto("/book/acne-scars-face/")
    eyes.check(page)
    page.locator("input[type=radio][name=start]").first.check()
    page.locator("form.times-form button[type=submit]").click()
    eyes.check(page)
    page.get_by_role("button", name="Book this time").click()
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("We see you on")


def test_learn_answer_ask_be_reviewed_move_cancel_and_ask_again(someone, eyes):
    page = someone(width=360, height=740)
    read_and_look(page, eyes)
    answer_the_questions(page, eyes)
    visit = ask_for_a_time(page, eyes)
    read_and_sign(someone(), eyes, visit)
    page.reload()
    expect(page.locator("main")).to_contain_text("We see you on")
    eyes.check(page)
    move_and_cancel_from_the_link(someone(width=360, height=740), eyes, visit)
    ask_for_another(page, eyes)
    assert Appointment.objects.filter(patient=visit.patient, status="booked").count() == 1
    for message in Message.objects.filter(to="maya@demo.example"):
        words = (message.subject + message.text + message.html).lower()
        assert not [word for word in ("acne", "scar", "needling", "screening", "skin") if word in words], message.kind


def test_the_same_without_javascript_at_400_percent(someone, eyes):
    """1280 pixels at 400 % are 320; nothing of the journey needs a script."""
    page = someone(width=320, height=640, scripts=False)
    read_and_look(page, eyes)
    answer_the_questions(page, eyes)
    ask_for_a_time(page, eyes)
