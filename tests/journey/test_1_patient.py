"""Story 1 to 3: a new patient reads, answers, chooses a time, is told; moves it, cancels it, asks for another."""

import re

import pytest
from playwright.sync_api import expect

from booking.models import Appointment
from clinic.management.commands.demo import HARMLESS
from outbox.models import Message
from screening.models import Questionnaire, ReviewRequest
from tests.journey.conftest import code_sent_to, last_message, link_in, sign_in
from tests.journey.hands import Hand, Mouse

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERS = {**HARMLESS, "age-date-of-birth": "1990-03-14"}


def answer(hand: Hand, answers: dict) -> None:
    """Fills in what the page asks, as somebody would who has nothing to tell."""
    page = hand.page
    names = page.locator("main form input, main form textarea").evaluate_all(
        "inputs => [...new Set(inputs.filter(i => i.type != 'hidden').map(i => i.name))]"
    )
    for name in names:
        if name.endswith("_day"):
            value = answers.get(name.removesuffix("_day"))
            if value:
                year, month, day = value.split("-")
                hand.write(page.locator(f'[name="{name}"]'), str(int(day)))
                hand.write(page.locator(f'[name="{name.removesuffix("_day")}_month"]'), month)
                hand.write(page.locator(f'[name="{name.removesuffix("_day")}_year"]'), year)
            continue
        wanted = answers.get(name, "no")
        for code in wanted if isinstance(wanted, list) else [wanted]:
            box = page.locator(f'input[name="{name}"][value="{code}"]')
            if box.count() and name in top_questions():
                hand.choose(box)


def top_questions() -> set[str]:
    """The link_ids of questions that everybody is asked."""
    questionnaire = Questionnaire.objects.active().get(name="microneedling")
    return {question.link_id for question in questionnaire.definition().questions if not question.parent}


def answer_all(hand: Hand, answers: dict, see=lambda page: None) -> None:
    """From the first step to the page with all answers."""
    page = hand.page
    while re.search(r"/screening/\d+/", page.url):
        see(page)
        answer(hand, answers)
        hand.press(page.get_by_role("button", name="Continue"))


def read_and_look(hand: Hand, eyes) -> None:
    """Reads how it works and who should wait, sees prices, people and free days before any question."""
    page = hand.page
    page.goto("/")
    eyes.check(page)
    menu = page.locator(".site-menu summary")
    if menu.is_visible():
        hand.press(menu)
        eyes.check(page)
    hand.press(page.get_by_role("link", name="Learn", exact=True))
    eyes.check(page)
    hand.press(page.get_by_role("link", name=re.compile("How it works|How microneedling works")).first)
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


def answer_the_questions(hand: Hand, eyes) -> None:
    """Agrees to the privacy notice, answers, checks, sends, and sees what it means; slips are told."""
    page = hand.page
    hand.press(page.get_by_role("link", name="Answer the questions first").first)
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Start"))
    expect(page).to_have_title(re.compile("^Error:"))
    eyes.check(page)
    hand.choose(page.get_by_role("checkbox").first)
    hand.press(page.get_by_role("button", name="Start"))
    hand.press(page.get_by_role("button", name="Continue"))
    expect(page).to_have_title(re.compile("^Error:"))
    eyes.check(page)
    answer_all(hand, ANSWERS, eyes.check)
    expect(page).to_have_url(re.compile("/screening/check/"))
    eyes.check(page)
    hand.choose(page.get_by_role("checkbox"))
    hand.press(page.get_by_role("button", name="Send my answers"))
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("A clinician still has to confirm")
    hand.press(page.get_by_role("link", name=re.compile("Choose a time")).first)
    eyes.check(page)


def ask_for_a_time(hand: Hand, eyes) -> Appointment:
    """Chooses a time, says who comes, proves the address, confirms; is told by when we answer."""
    page = hand.page
    hand.choose(page.locator("input[type=radio][name=start]").first)
    hand.press(page.get_by_role("button", name=re.compile("time I chose")).first)
    expect(page).to_have_url(re.compile("/book/hold/"))
    eyes.check(page)
    hand.press(page.get_by_role("button", name=re.compile("more time")))
    hand.write(page.get_by_label("full name"), "Maya Test")
    hand.write(page.get_by_label("phone number"), "0117 496 0111")
    hand.write(page.get_by_label("e-mail address"), "maya@demo.example")
    hand.press(page.get_by_role("button", name="Send me the code"))
    eyes.check(page)
    hand.write(page.get_by_role("textbox", name="Code"), code_sent_to("maya@demo.example"))
    hand.press(page.get_by_role("button", name=re.compile("Continue|Confirm|Sign in")).first)
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Ask for this time"))
    expect(page).to_have_url(re.compile("/appointments/"))
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("please do not travel yet")
    expect(page.locator("main")).to_contain_text("We answer by")
    visit = Appointment.objects.get(patient__name="Maya Test")
    assert visit.status == "pending"
    assert ReviewRequest.objects.filter(response__patient=visit.patient, closed_at=None).count() == 1
    return visit


def read_and_sign(hand: Hand, eyes, visit: Appointment) -> None:
    """A clinician finds the patient in the worklist, reads every answer, signs."""
    page = hand.page
    sign_in(page, "clinician", hand)
    eyes.check(page)
    page.goto("/admin/screening/reviewrequest/")
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Read Maya Test"))
    eyes.check(page)
    expect(page.locator("#content-main")).to_contain_text("Are you pregnant?")
    hand.press(page.get_by_role("button", name="Sign and next"))  # without saying who it is
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.status == "pending"
    hand.choose(page.get_by_label(re.compile("This is Maya Test")).first)
    hand.press(page.get_by_role("button", name="Sign and next"))
    page.wait_for_load_state()
    visit.refresh_from_db()
    assert visit.status == "booked"
    assert visit.review.decided_by.email == "clinician@demo.example"


def move_and_cancel_from_the_link(hand: Hand, eyes, visit: Appointment) -> None:
    """Opens the link of the message on a device that knows nobody: it shows when and where only, and acts by POST."""
    page = hand.page
    told = last_message("maya@demo.example", "booked")
    page.goto(link_in(told))
    assert "/link/" not in page.url
    eyes.check(page)
    expect(page.locator("body")).not_to_contain_text("Maya")
    expect(page.locator("main")).not_to_contain_text(re.compile("acne|needling", re.I))
    visit.refresh_from_db()
    assert visit.status == "booked"

    before = visit.starts_at
    hand.press(page.get_by_role("link", name="Move it"))
    eyes.check(page)
    hand.choose(page.locator("input[type=radio][name=start]").nth(2))
    hand.press(page.locator("form.times-form button[type=submit]"))
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.starts_at != before
    assert (visit.status, visit.sequence) == ("booked", 1)
    assert "acne" not in last_message("maya@demo.example", "moved").text.lower()

    hand.press(page.get_by_role("link", name="Cancel it"))
    eyes.check(page)
    visit.refresh_from_db()
    assert visit.status == "booked"
    hand.press(page.get_by_role("button", name="Yes, cancel it"))
    eyes.check(page)
    visit.refresh_from_db()
    assert (visit.status, visit.cancelled_by) == ("cancelled", "patient")
    assert "METHOD:CANCEL" in last_message("maya@demo.example", "cancelled").calendar


def ask_for_another(hand: Hand, eyes) -> None:
    """The signed-in patient is cleared already: treatment, time, confirm are three pages, and it is booked."""
    page = hand.page
    page.goto("/my/")
    eyes.check(page)
    page.goto("/book/acne-scars-face/")
    eyes.check(page)
    hand.choose(page.locator("input[type=radio][name=start]").first)
    hand.press(page.locator("form.times-form button[type=submit]"))
    eyes.check(page)
    hand.press(page.get_by_role("button", name="Book this time"))
    eyes.check(page)
    expect(page.locator("main")).to_contain_text("We see you on")


def test_learn_answer_ask_be_reviewed_move_cancel_and_ask_again(someone, eyes, by_keyboard):
    """With the keyboard alone on a desktop; test_memory.py walks the same with a finger on a small phone."""
    hand = by_keyboard(someone())
    read_and_look(hand, eyes)
    answer_the_questions(hand, eyes)
    visit = ask_for_a_time(hand, eyes)
    read_and_sign(by_keyboard(someone()), eyes, visit)
    hand.page.reload()
    expect(hand.page.locator("main")).to_contain_text("We see you on")
    eyes.check(hand.page)
    move_and_cancel_from_the_link(by_keyboard(someone()), eyes, visit)
    ask_for_another(hand, eyes)
    assert Appointment.objects.filter(patient=visit.patient, status="booked").count() == 1
    for message in Message.objects.filter(to="maya@demo.example"):
        words = (message.subject + message.text + message.html).lower()
        assert not [word for word in ("acne", "scar", "needling", "screening", "skin") if word in words], message.kind


def test_the_same_without_javascript_at_400_percent(someone, eyes):
    """1280 pixels at 400 % are 320; nothing of the journey needs a script."""
    hand = Mouse(someone(width=320, height=640, scripts=False))
    read_and_look(hand, eyes)
    answer_the_questions(hand, eyes)
    ask_for_a_time(hand, eyes)
