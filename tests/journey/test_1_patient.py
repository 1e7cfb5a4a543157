"""Story 1 to 3: a new patient reads, answers, chooses a time, is told; moves it, cancels it, asks for another."""

import re

import pytest
from playwright.sync_api import Page, expect

from booking.models import Appointment
from clinic.management.commands.demo import HARMLESS
from screening.models import Questionnaire, ReviewRequest
from tests.journey.conftest import code_sent_to, last_message

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


def test_a_new_patient_reads_answers_and_asks_for_a_time(someone, eyes):
    page = someone(width=360, height=740)
    page.goto("/")
    eyes.check(page)
    page.get_by_role("link", name="Learn", exact=True).first.click()
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
    visit = Appointment.objects.get(patient__name="Maya Test")
    assert visit.status == "pending"
    assert ReviewRequest.objects.filter(response__patient=visit.patient, closed_at=None).count() == 1
    assert "acne" not in last_message("maya@demo.example", "asked_for").text.lower()
