"""Reading, being rung back, and what goes wrong, in every state."""

import uuid
from datetime import timedelta

import pytest
from django.test import Client

from clinic.models import Clinic
from education.models import Article
from tests.journey.states import enter, patient_who_signs_in, press
from tests.make import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def test_reading_and_what_goes_wrong(house, someone, look, monkeypatch):
    page = someone()
    with look.part("to read"):
        page.goto("/")
        look(page, "Fine Line Scar Clinic")
        page.goto("/learn/")
        look(page, "All pages")
        for words, said in {"cold sores": "about “cold sores”", "zebra": "We found nothing for “zebra”"}.items():
            page.goto(f"/learn/?q={words}")
            look(page, said)
        page.goto("/learn/?q=")
        look(page, "All pages")
        for article in Article.objects.all():
            page.goto(article.get_absolute_url())
            look(page, article.published_revision.title)
        for path in ("/privacy/", "/accessibility/", "/complaints/", "/contact/"):
            page.goto(path)
            look(page)
    with look.part("rung back"):
        page.goto("/call-back/?about=language")
        look(page, "We ring you back")
        press(page, "Ring me back")
        look(page, "Please write your name.")
        page.locator("main input[name=name]").fill("Dora")
        page.locator("main input[name=phone]").fill("12")
        press(page, "Ring me back")
        look(page, "Write a phone number such as")
        page.locator("main input[name=phone]").fill("020 7946 0018")
        press(page, "Ring me back")
        look(page, "We will ring you")
    with look.part("errors"):
        page.goto("/learn/?q=%00")
        look(page, "We could not read that")
        page.goto("/nowhere/")
        look(page, "We cannot find this page")
        page.goto("/learn/nowhere/")
        look(page, "We cannot find this page")
        page.goto("/call-back/")
        page.context.clear_cookies()
        press(page, "Ring me back")
        look(page, "This form was open too long")
        form = {"name": "Dora", "phone": "020 7946 0018", "about": "talk"}
        for _time in range(10):
            Client().post("/call-back/", form | {"request_key": str(uuid.uuid4())})
        page.goto("/call-back/?about=talk")
        page.locator("main input[name=name]").fill("Dora")
        page.locator("main input[name=phone]").fill("020 7946 0018")
        press(page, "Ring me back")
        look(page, "Please wait a few minutes")
        enter(page, patient_who_signs_in("Petra Proven").user)
        page.goto("/admin/")
        look(page, "This page is not open to you")

        def breaks(*args):
            raise RuntimeError("made by a test")

        monkeypatch.setattr("clinic.views.drawn_panels", breaks)
        page.goto("/my/")
        look(page, "Something went wrong on our side")
        monkeypatch.undo()
    with look.part("nothing is open yet"):
        enter(page)
        monkeypatch.setattr(Clinic, "get", classmethod(lambda cls: None))
        for path in ("/", "/book/", "/screening/", "/contact/", "/privacy/", "/complaints/"):
            page.goto(path)
            look(page)
        page.goto("/book/consultation/")
        look(page)
        monkeypatch.undo()
    with look.part("articles that are overdue, or taken down"):
        house.go_to(NOW + timedelta(days=400))
        page.goto("/learn/sessions/")
        look(page)
        Article.objects.update(published_revision=None, published_at=None)
        page.goto("/learn/")
        look(page, "Our pages are being checked by a clinician")
        page.goto("/")
        look(page)
    look.end()
