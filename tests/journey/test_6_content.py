"""Story 6: an editor changes a page while the published one stays up; a clinician signs exactly that version."""

import re

import pytest
from playwright.sync_api import expect

from clinic.management.commands.demo import PASSWORD
from education.models import Article
from tests.journey.hands import Keyboard

pytestmark = pytest.mark.django_db(transaction=True)


def open_staff_page(hand, short, path):
    """A member of the invented staff asks for a page, signs in, and gets it."""
    page = hand.page
    page.goto(path)
    hand.write(page.locator("#id_login"), f"{short}@demo.example")
    hand.write(page.locator("#id_password"), PASSWORD)
    page.locator("#id_password").press("Enter")
    page.wait_for_url(lambda address: address.split("?")[0].endswith(path.split("?")[0]))


def test_an_editor_changes_a_page_and_a_clinician_signs_it(site, someone, eyes, by_keyboard):
    phone = someone(width=360, height=740)
    article = Article.objects.get(slug="sessions")
    before = article.published_revision.version

    hand = by_keyboard(someone())
    editor = hand.page
    open_staff_page(hand, "editor", "/admin/education/article/")
    eyes.check(editor)
    hand.press(editor.get_by_role("link", name="How many sessions, and how far apart"))
    eyes.check(editor)

    # A slip is told with its line, and nothing that was typed is lost.
    text = editor.get_by_label("Text", exact=True)
    words = text.input_value()
    hand.write(text, words + "\n{{ block: sunn }}\n")
    hand.press(editor.get_by_role("button", name="Save as a draft").first)
    expect(editor.get_by_text("There is no block called “sunn”").first).to_be_visible()
    expect(editor).to_have_title(re.compile("^Error:"))
    eyes.check(editor)

    # New words with a new source, shown as on a phone before they are saved.
    text = editor.get_by_label("Text", exact=True)
    hand.write(
        text,
        words.replace("Bodies change,", "A new leaflet says so as well. {{ source: new-leaflet }} Bodies change,"),
    )
    hand.press(editor.get_by_role("button", name="Show what I have written"))
    on_phone = editor.frame_locator("iframe")
    expect(on_phone.locator("main")).to_contain_text("A new leaflet says so")
    assert on_phone.locator("html").bounding_box()["width"] == 360
    new = editor.get_by_role("group", name="New source").first
    hand.press(new.locator("summary"))
    hand.write(new.get_by_label("Short name"), "new-leaflet")
    hand.write(new.get_by_label("Title"), "A new leaflet on sessions")
    hand.select(new.get_by_label("Kind"), "leaflet")
    hand.write(new.get_by_label("Year"), "2026")
    hand.select(new.get_by_label("Strength"), "some: one study, a summary or a leaflet")
    hand.press(editor.get_by_role("button", name="Save as a draft").first)
    editor.get_by_text(f"Saved as version {before + 1}.").wait_for()
    expect(editor.get_by_text("Reading age", exact=True)).to_be_visible()

    # Patients still read the old words.
    phone.goto("/learn/sessions/")
    expect(phone.locator("main")).not_to_contain_text("A new leaflet says so")
    expect(on_phone.locator("main")).to_contain_text("A new leaflet says so")
    eyes.check(editor)
    hand.press(editor.get_by_role("button", name="Ask a clinician to review"))
    editor.get_by_text("A clinician is asked to review").wait_for()
    expect(editor.get_by_role("button", name="Publish", exact=True)).to_have_count(0)

    signer = by_keyboard(someone())
    clinician = signer.page
    open_staff_page(signer, "clinician", "/admin/education/article/?work=sign")
    signer.press(clinician.get_by_role("link", name="How many sessions, and how far apart"))
    signer.press(clinician.get_by_role("link", name="Read and sign"))
    expect(clinician.locator("ins").filter(has_text="A new leaflet says so")).to_have_count(1)
    eyes.check(clinician)
    signer.press(clinician.get_by_role("button", name="Sign", exact=True))
    expect(clinician.get_by_role("link", name="Tick the sentence")).to_be_visible()
    eyes.check(clinician)
    signer.choose(clinician.get_by_label("I have read this version"))
    signer.press(clinician.get_by_role("button", name="Sign", exact=True))
    clinician.get_by_text(f"You signed version {before + 1}.").wait_for()

    phone.reload()
    expect(phone.locator("main")).not_to_contain_text("A new leaflet says so")
    editor.reload()
    hand.press(editor.get_by_role("button", name="Publish", exact=True))
    editor.get_by_text(f"Patients read version {before + 1} now.").wait_for()

    phone.reload()
    expect(phone.locator("main")).to_contain_text("A new leaflet says so")
    expect(phone.get_by_text(re.compile("A new leaflet on sessions"))).to_have_count(1)
    eyes.check(phone)


def test_reading_searching_and_finding_nothing_on_a_small_phone(site, someone, eyes):
    hand = Keyboard(someone(width=360, height=740))
    phone = hand.page
    phone.goto("/learn/")
    eyes.check(phone)
    hand.write(phone.get_by_label("Search these pages"), "cold sores")
    hand.press(phone.get_by_role("button", name="Search"))
    assert phone.locator("mark").count() >= 1
    eyes.check(phone)
    hand.write(phone.get_by_label("Search these pages"), "zebra")
    hand.press(phone.get_by_role("button", name="Search"))
    expect(phone.get_by_role("heading", name="We found nothing for “zebra”")).to_be_visible()
    eyes.check(phone)
    for slug in Article.objects.values_list("slug", flat=True):
        phone.goto(f"/learn/{slug}/")
        eyes.check(phone)
    for path in ("/privacy/", "/accessibility/", "/complaints/", "/contact/"):
        phone.goto(path)
        eyes.check(phone)
