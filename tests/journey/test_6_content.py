"""Story 6: an editor changes a page while the published one stays up; a clinician signs exactly that version."""

import re

import pytest

from clinic.management.commands.demo import PASSWORD
from education.models import Article

pytestmark = pytest.mark.django_db(transaction=True)


def open_staff_page(page, short, path):
    """A member of the invented staff asks for a page, signs in, and gets it."""
    page.goto(path)
    page.locator("#id_login").fill(f"{short}@demo.example")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    page.wait_for_url(lambda address: address.split("?")[0].endswith(path.split("?")[0]))


def test_an_editor_changes_a_page_and_a_clinician_signs_it(site, someone, eyes):
    phone = someone(width=360, height=740)
    article = Article.objects.get(slug="sessions")
    before = article.published_revision.version

    editor = someone()
    open_staff_page(editor, "editor", "/admin/education/article/")
    eyes.check(editor)
    editor.get_by_role("link", name="How many sessions, and how far apart").click()
    eyes.check(editor)

    # A slip is told with its line, and nothing that was typed is lost.
    text = editor.get_by_label("Text", exact=True)
    words = text.input_value()
    text.fill(words + "\n{{ block: sunn }}\n")
    editor.get_by_role("button", name="Save as a draft").click()
    assert editor.get_by_text("There is no block called “sunn”").first.is_visible()
    assert editor.title().startswith("Error:")
    eyes.check(editor)

    # New words with a new source.
    text = editor.get_by_label("Text", exact=True)
    text.fill(
        words.replace("Bodies change,", "A new leaflet says so as well. {{ source: new-leaflet }} Bodies change,")
    )
    new = editor.get_by_role("group", name="New source").first
    new.get_by_label("Short name").fill("new-leaflet")
    new.get_by_label("Title").fill("A new leaflet on sessions")
    new.get_by_label("Kind").select_option("leaflet")
    new.get_by_label("Year").fill("2026")
    new.get_by_label("Strength").select_option("S3")
    editor.get_by_role("button", name="Save as a draft").click()
    editor.get_by_text(f"Saved as version {before + 1}.").wait_for()
    assert editor.get_by_text("Reading age", exact=True).is_visible()

    # Patients still read the old words; the preview is as wide as a phone.
    phone.goto("/learn/sessions/")
    assert "A new leaflet says so" not in phone.locator("main").inner_text()
    editor.get_by_role("link", name="Preview on a phone").click()
    assert "A new leaflet says so" in editor.locator("main").inner_text()
    assert editor.locator("main").bounding_box()["width"] == 360
    eyes.check(editor)
    editor.go_back()
    editor.get_by_role("button", name="Ask a clinician to review").click()
    editor.get_by_text("A clinician is asked to review").wait_for()
    assert editor.get_by_role("button", name="Publish", exact=True).count() == 0

    clinician = someone()
    open_staff_page(clinician, "clinician", "/admin/education/article/?work=sign")
    clinician.get_by_role("link", name="How many sessions, and how far apart").click()
    clinician.get_by_role("link", name="Read and sign").click()
    assert clinician.locator("ins").filter(has_text="A new leaflet says so").count() == 1
    eyes.check(clinician)
    clinician.get_by_role("button", name="Sign", exact=True).click()
    assert clinician.get_by_role("link", name="Tick the sentence").is_visible()
    eyes.check(clinician)
    clinician.get_by_label("I have read this version").check()
    clinician.get_by_role("button", name="Sign", exact=True).click()
    clinician.get_by_text(f"You signed version {before + 1}.").wait_for()

    phone.reload()
    assert "A new leaflet says so" not in phone.locator("main").inner_text()
    editor.reload()
    editor.get_by_role("button", name="Publish", exact=True).click()
    editor.get_by_text(f"Patients read version {before + 1} now.").wait_for()

    phone.reload()
    assert "A new leaflet says so" in phone.locator("main").inner_text()
    assert phone.get_by_text(re.compile("A new leaflet on sessions")).count() == 1
    eyes.check(phone)


def test_reading_searching_and_finding_nothing_on_a_small_phone(site, someone, eyes):
    phone = someone(width=360, height=740)
    phone.goto("/learn/")
    eyes.check(phone)
    phone.get_by_label("Search these pages").fill("cold sores")
    phone.get_by_role("button", name="Search").click()
    assert phone.locator("mark").count() >= 1
    eyes.check(phone)
    phone.get_by_label("Search these pages").fill("zebra")
    phone.get_by_role("button", name="Search").click()
    assert phone.get_by_role("heading", name="We found nothing for “zebra”").is_visible()
    eyes.check(phone)
    for slug in Article.objects.values_list("slug", flat=True):
        phone.goto(f"/learn/{slug}/")
        eyes.check(phone)
    for path in ("/privacy/", "/accessibility/", "/complaints/", "/contact/"):
        phone.goto(path)
        eyes.check(phone)
