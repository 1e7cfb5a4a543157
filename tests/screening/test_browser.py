"""The steps in a real browser: follow-ups come and go with their parent's answer, by keyboard."""

# ruff: noqa: F401, F811 (fixtures of another folder)
import pytest
from playwright.sync_api import Page, expect

from tests.look.conftest import page
from tests.make import make_clinic, make_consultation, make_location, make_treatment
from tests.screening.conftest import publish


@pytest.fixture
def site(transactional_db, live_server):
    """A running site with one place, one treatment and the shipped questionnaire; returns its address."""
    make_clinic(phone="+442079460958")
    make_location()
    make_consultation()
    publish("microneedling", make_treatment(slug="acne"))
    return live_server.url


def begin(page: Page, site: str) -> None:
    """As far as the first step with follow-ups."""
    page.goto(f"{site}/screening/?treatment=acne")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    for part, value in (("day", "4"), ("month", "May"), ("year", "1990")):
        page.locator(f"[name=age-date-of-birth_{part}]").fill(value)
    page.get_by_role("button", name="Continue").click()
    for name, code in (("treatment-area", "face"), ("scar-type", "acne-dented"), ("scar-age", "over-12-months")):
        page.locator(f"[name={name}][value={code}]").check()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_title("Step 3 of 8 – The Scar Clinic")


def test_follow_ups_come_and_go_and_the_focus_goes_to_the_mistakes(site, page):
    begin(page, site)
    what = page.locator("[name=active-skin-infection-what]")
    expect(what).to_be_hidden()
    page.locator("[name=active-skin-infection][value=yes]").focus()
    page.keyboard.press("Space")
    expect(what).to_be_visible()
    page.keyboard.press("ArrowDown")  # "No"
    expect(what).to_be_hidden()
    page.locator("[name=active-acne][value=many]").check()
    page.locator("[name=active-acne-treatment][value=yes]").check()
    expect(page.locator("[name=active-acne-treatment-what]")).to_be_visible()
    page.locator("[name=active-acne][value=none]").check()
    expect(page.locator("[name=active-acne-treatment-what]")).to_be_hidden()
    page.get_by_role("button", name="Continue").click()
    expect(page).to_have_title("Error: Step 3 of 8 – The Scar Clinic")
    expect(page.locator(".error-summary")).to_be_focused()
    page.get_by_role("link", name="Please answer: Do you get cold sores").click()
    expect(page.locator("#id_cold-sores_0")).to_be_focused()


def test_without_javascript_every_follow_up_stands_there(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    begin(page, site)
    expect(page.locator("[name=active-skin-infection-what]")).to_be_visible()
    expect(page.locator("[name=active-acne-treatment-what]")).to_be_visible()
    expect(page.locator("#if-active-skin-infection-what")).to_have_text("If yes:")
    context.close()
