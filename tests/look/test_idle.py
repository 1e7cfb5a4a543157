"""A staff screen that is left alone, in a real browser: the session ends as well, and Back shows no patient."""

import re

import pytest
from django.test import Client
from playwright.sync_api import BrowserContext, Page, expect

from tests.make import make_clinic, make_patient, make_user

IDLE = 3  # seconds; a page that is used says so every second
LOCKED = re.compile(r"/accounts/locked/\?next=")


@pytest.fixture
def at_work(transactional_db, live_server, settings, browser) -> BrowserContext:
    """The browser of somebody at the desk, with a patient to see; idle after a few seconds."""
    settings.STAFF_IDLE_SECONDS = IDLE
    settings.STAFF_SECOND_FACTOR = False
    make_clinic()
    make_patient(name="Rosa Testperson")
    client = Client()
    client.force_login(make_user("Front desk"))
    context = browser.new_context(base_url=live_server.url)
    cookie = client.cookies["sessionid"].value
    context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
    yield context
    context.close()


def open_patients(context: BrowserContext) -> Page:
    """A new tab with the list of patients."""
    page = context.new_page()
    page.goto("/admin/clinic/patient/")
    expect(page.get_by_text("Rosa Testperson")).to_be_visible()
    return page


def use(page: Page, seconds: float) -> None:
    """Somebody moves the mouse over the page for a while."""
    for step in range(int(seconds * 2)):
        page.mouse.move(100 + step % 7, 100)
        page.wait_for_timeout(500)


def test_a_screen_that_was_used_and_left_alone_asks_for_the_password(at_work):
    page = open_patients(at_work)
    use(page, 2)  # the server has heard of it later than the page
    page.wait_for_url(LOCKED, timeout=IDLE * 4000)
    expect(page.get_by_role("heading", name="You have been signed out")).to_be_visible()
    page.get_by_role("link", name="Sign in again").click()
    expect(page.locator("input[name=password]")).to_be_visible()
    page.go_back()
    page.goto("/admin/clinic/patient/")
    expect(page.locator("input[name=password]")).to_be_visible()
    expect(page.get_by_text("Rosa Testperson")).to_have_count(0)


def test_a_tab_stays_open_while_another_is_used_and_counts_from_then(at_work):
    left = open_patients(at_work)
    other = open_patients(at_work)
    use(other, IDLE + 1)
    expect(left.get_by_text("Rosa Testperson")).to_be_visible()
    assert "/admin/clinic/patient/" in left.url
    left.wait_for_url(LOCKED, timeout=IDLE * 4000)
    other.wait_for_url(LOCKED, timeout=IDLE * 4000)
