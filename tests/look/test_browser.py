"""The frame in a real browser: narrow and wide, without JavaScript, by keyboard, on paper. What holds of every page in
every state (axe, 400 %, forced colours, nothing leaves the host) is looked at in tests/journey/."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from clinic.models import Clinic, Location

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
}


@pytest.fixture
def site(transactional_db, live_server):
    """A running site of a demonstration clinic with one place; returns its address."""
    Clinic.objects.update_or_create(
        pk=1, defaults={"name": "Lindenhof", "tagline": "We soften scars.", "phone": "+442079460958", "is_demo": True}
    )
    Location.objects.create(
        name="Harbour Street", slug="harbour-street", address="12 Harbour Street", phone="+441179460123",
        out_of_hours="Call 111 at night.", emergency="Call 999.", time_zone="Europe/London",
    )  # fmt: skip
    return live_server.url


def walk(page: Page, most: int = 40) -> list[str]:
    """The names of what the Tab key reaches, in order."""
    reached = []
    for _step in range(most):
        page.keyboard.press("Tab")
        text = page.evaluate("document.activeElement === document.body ? '' : document.activeElement.innerText")
        if not text:
            break
        reached.append(text.strip())
    return reached


def test_on_a_phone_the_header_is_one_row_and_its_menu_opens_without_javascript(site, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.goto(site + reverse("education:list"))
    header = page.locator(".site-header")
    assert header.bounding_box()["height"] <= 72
    expect(header.get_by_role("link", name="+44 20 7946 0958")).to_be_visible()
    expect(header.get_by_role("link", name="Prices and times")).not_to_be_visible()
    menu = header.locator("summary")
    box = menu.bounding_box()
    assert box["height"] >= 48 and box["x"] + box["width"] <= 360
    menu.click()
    for name in ("Learn", "Prices and times", "Is it right for me?", "Sign in"):
        link = header.get_by_role("link", name=name)
        expect(link).to_be_visible()
        assert link.bounding_box()["height"] >= 48
    expect(header.locator('[aria-current="true"]:visible')).to_have_text("Learn")
    header.get_by_role("link", name="Prices and times").click()
    expect(page).to_have_url(site + reverse("booking:treatments"))
    context.close()


@pytest.mark.parametrize("width", [320, 360, 700])
def test_the_open_menu_pleases_axe_and_covers_nothing(site, page, width):
    page.set_viewport_size({"width": width, "height": 640})
    page.goto(site)
    heading = page.locator("h1").bounding_box()["y"]
    page.locator(".site-menu summary").click()
    assert page.locator("h1").bounding_box()["y"] > heading + 150
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    results = Axe().run(page, options=RULES)
    assert results.violations_count == 0, results.generate_report()


@pytest.mark.parametrize("width", [320, 767, 768, 1023, 1024, 1366])
def test_the_links_of_the_header_are_shown_once(site, page, width):
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(site)
    row = page.locator(".site-nav").is_visible()
    assert row != page.locator(".site-menu summary").is_visible()
    assert row == (width >= 768)


def test_paper_shows_the_telephone_and_what_is_shut_on_the_screen(site, page):
    page.set_viewport_size({"width": 680, "height": 960})  # what is left of A4 between its margins
    page.goto(site + reverse("account_login"))
    number, shut = page.locator(".site-header .phone span"), page.locator("details.more form")
    assert number.bounding_box()["width"] <= 1
    assert not shut.evaluate("e => e.checkVisibility()")
    page.emulate_media(media="print")
    assert number.bounding_box()["width"] > 60
    assert shut.evaluate("e => e.checkVisibility()")
    expect(page.locator(".site-menu")).to_be_hidden()


def test_buttons_are_tall_and_as_wide_as_a_phone(site, page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(site)
    for button in page.locator("main .btn").all():
        box = button.bounding_box()
        assert box["height"] >= 48
        assert box["width"] == 360 - 2 * 24


def test_text_is_large_enough_and_set_in_our_faces(site, page):
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(site)
    page.evaluate("document.fonts.ready")
    sizes = page.evaluate(
        "[...document.querySelectorAll('body *')].filter(e => e.innerText)"
        ".map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 16
    assert page.evaluate("getComputedStyle(document.body).fontSize") == "18px"
    loaded = page.evaluate(
        "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))"
    )
    assert {"Atkinson Hyperlegible Next", "Source Serif 4"} <= set(loaded)


def test_the_keyboard_reaches_the_content_first_and_shows_where_it_is(site, page):
    page.goto(site)
    reached = walk(page)
    assert reached[0] == "Skip to the content"
    assert "Prices and times" in reached and "Is it right for me?" in reached and "Privacy" in reached
    page.goto(site)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    link = page.locator(":focus")
    expect(link).to_have_text("Prices and times")
    expect(link).to_have_css("outline-width", "3px")
    expect(link).to_have_css("outline-style", "solid")


def test_the_page_is_at_once_where_the_keyboard_is(site, page):
    page.set_viewport_size({"width": 360, "height": 400})
    page.goto(site)
    page.get_by_role("link", name="Privacy").focus()
    box = page.locator(":focus").bounding_box()
    assert 0 <= box["y"] < 400


def test_without_javascript_the_focus_still_goes_to_the_errors(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(site + reverse("account_request_login_code"))
    page.get_by_role("button", name="Send me a code").click()
    expect(page).to_have_title(re.compile("^Error:"))
    summary = page.locator(".error-summary")
    expect(summary).to_be_focused()
    summary.get_by_role("link").first.click()
    expect(page.locator("input[type=email]")).to_be_visible()
    context.close()
