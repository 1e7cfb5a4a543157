"""The staff site: story 6, and who may do what."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from education.models import LED_TO, Article, ArticleReview, ArticleRevision, Picture
from tests.education.conftest import WORDS, draft, make_user, published
from tests.education.test_pictures import picture_file

pytestmark = pytest.mark.django_db


def form_data(revision=None, **changes):
    data = {
        "title": "How skin heals", "summary": "What happens.", "short_answer": "It heals.",
        "body": "## First {#first}\n\nSkin makes collagen. {{ source: derm }}\n", "order": "1",
        "next_step": "treatments", "based_on": str(revision.version) if revision else "",
        "sources-TOTAL_FORMS": "1", "sources-INITIAL_FORMS": "0",
        "sources-0-key": "derm", "sources-0-title": "Skin needling", "sources-0-kind": "summary",
        "sources-0-year": "2020", "sources-0-url": "https://a.example/x", "sources-0-strength": "S3",
    }  # fmt: skip
    return {**data, **changes}


WRITTEN = "/admin/education/article/phone/"


def address(article, *rest):
    return "/".join(["/admin/education/article", str(article.pk), *map(str, rest), ""])


def test_an_editor_changes_a_page_and_a_clinician_signs_it(staff, editor, clinician, article):
    first = published(article, editor, clinician, now=timezone.now() - timedelta(days=1))
    browser = staff(editor)
    changed = form_data(first, title="How skin mends")
    assert browser.post(address(article, "change"), changed).status_code == 302
    second = article.latest_revision()
    assert (second.version, second.title, second.author) == (2, "How skin mends", editor)
    assert second.sources.get().year == 2020
    assert Article.objects.get().published_revision == first

    assert "How skin mends" in browser.get(address(article, "versions", 2, "phone")).content.decode()
    browser.post(address(article, "versions", 2, "ask"))
    assert second.requests.count() == 1
    assert browser.post(address(article, "versions", 2, "review"), {"sign": "1", "agree": "on"}).status_code == 403

    browser = staff(clinician)
    seen = browser.get(address(article, "versions", 2, "review")).content.decode()
    assert "<del>How skin heals</del>" in seen
    assert "<ins>How skin mends</ins>" in seen
    due = (timezone.localdate() + timedelta(days=200)).isoformat()
    browser.post(address(article, "versions", 2, "review"), {"sign": "1", "agree": "on", "review_due": due})
    review = ArticleReview.objects.get(revision=second)
    assert (review.reviewer, review.review_due.isoformat()) == (clinician, due)
    assert Article.objects.get().published_revision == first
    assert browser.post(address(article, "versions", 2, "publish")).status_code == 403

    staff(editor).post(address(article, "versions", 2, "publish"))
    assert Article.objects.get().published_revision == second


def test_a_new_page_is_made_with_its_first_words(staff, editor):
    response = staff(editor).post("/admin/education/article/add/", form_data(slug="new-page"))
    assert response.status_code == 302
    assert Article.objects.get(slug="new-page").latest_revision().author == editor


def test_a_refused_new_page_leaves_nothing(staff, editor):
    bad = form_data(slug="new-page", body="{{ block: nope }}")
    response = staff(editor).post("/admin/education/article/add/", bad)
    assert response.status_code == 200
    assert "Line 1, “{{ block: nope }}”: There is no block called" in response.content.decode()
    assert "{{ block: nope }}" in response.content.decode()
    assert not Article.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"title": ""}, {"title": "x" * 121}, {"title": "a\x01b"}, {"summary": ""}, {"short_answer": "a\nb\nc\nd"},
        {"body": ""}, {"body": "x" * 60_001}, {"body": "a\x02b"}, {"order": "-1"}, {"order": "many"},
        {"next_step": "elsewhere"}, {"related": ["999999"]}, {"related": ["x"]}, {"based_on": "x"}, {"based_on": "99"},
        {"sources-0-url": "javascript:alert(1)"}, {"sources-0-strength": "S9"}, {"sources-0-year": "20"},
        {"sources-0-key": "Not a key"}, {"sources-0-title": ""}, {"sources-TOTAL_FORMS": "x"},
        {"sources-TOTAL_FORMS": "100000"}, {"body": "Text {{ source: unknown }}"},
        {"title": "A\u00adb"}, {"title": "2026"}, {"summary": "\u200b"}, {"short_answer": "One.\nTw\u2060o."},
        {"body": "One \u202eowt"}, {"sources-0-title": "Skin\u200b needling"}, {"sources-0-title": "…"},
    ],
    ids=ascii,
)  # fmt: skip
def test_what_cannot_be_saved_is_told_and_kept(staff, editor, article, changes):
    revision = draft(article, editor)
    response = staff(editor).post(address(article, "change"), form_data(revision, **changes))
    assert response.status_code == 200
    assert "Nothing was saved yet" in response.content.decode()
    assert ArticleRevision.objects.count() == 1


def test_two_editors_do_not_overwrite_each_other(staff, editor, clinician, article):
    first = draft(article, editor)
    published(article, editor, clinician, title="Saved meanwhile")
    html = staff(editor).post(address(article, "change"), form_data(first, title="Mine")).content.decode()
    assert "<li>Somebody saved version 2 while you were writing." in html
    assert "ased on" not in html and "Patients read version 2. You are writing after version 1;" in html
    assert 'value="Mine"' in html
    assert article.revisions.count() == 2


def test_saving_what_is_the_same_says_so(staff, editor, article):
    def said(**changes):
        data = form_data(article.latest_revision(), **{"sources-INITIAL_FORMS": "1"}, **changes)
        logged = LogEntry.objects.count()
        page = staff(editor).post(address(article, "change"), data, follow=True).content.decode()
        return page, LogEntry.objects.count() - logged

    draft(article, editor)
    page, logged = said()
    assert "Saved as version 2." in page and logged == 1
    page, logged = said()
    assert "Nothing was changed, so there is no new draft." in page and logged == 0
    page, logged = said(order="7")
    assert "Its place is saved. The words are the same, so there is no new draft." in page and logged == 1
    assert (Article.objects.get().order, article.revisions.count()) == (7, 2)


def test_sources_can_be_added_and_taken_out(staff, editor, article):
    revision = draft(article, editor)
    data = form_data(revision, body="## A {#a}\n\nB {{ source: two }}\n", short_answer="One.\r\n\tTwo.")
    data |= {"sources-TOTAL_FORMS": "2", "sources-0-DELETE": "on"}
    data |= {f"sources-1-{name}": value for name, value in {
        "key": "two", "title": "A\r\nB", "kind": "trial", "year": "", "url": "", "strength": "S2"}.items()}  # fmt: skip
    assert staff(editor).post(address(article, "change"), data).status_code == 302
    assert [source.key for source in article.latest_revision().sources.all()] == ["two"]


@pytest.mark.parametrize(
    "data",
    [
        {"sign": "1"}, {"sign": "1", "agree": "on"}, {"sign": "1", "agree": "on", "review_due": "31/31/2026"},
        {"sign": "1", "agree": "on", "review_due": "2020-01-01"},
        {"sign": "1", "agree": "on", "review_due": "9999-12-31"},
        {"changes": "1"}, {"changes": "1", "changes-comment": "a\x01"}, {},
    ],
)  # fmt: skip
def test_an_incomplete_signature_is_none(staff, editor, clinician, article, data):
    draft(article, editor)
    assert staff(clinician).post(address(article, "versions", 1, "review"), data).status_code == 200
    assert not ArticleReview.objects.exists()


def test_who_signs_cannot_be_chosen(staff, editor, clinician, article):
    other = make_user("other@clinic.example", "Clinician")
    draft(article, editor)
    due = (timezone.localdate() + timedelta(days=200)).isoformat()
    data = {
        "sign": "1",
        "agree": "on",
        "review_due": due,
        "reviewer": other.pk,
        "signed_as": "Dr Other",
        "by": other.pk,
    }
    staff(clinician).post(address(article, "versions", 1, "review"), data)
    review = ArticleReview.objects.get()
    assert (review.reviewer, review.signed_as) == (clinician, "Dr Clara Meyer")


def test_a_clinician_can_ask_for_changes(staff, editor, clinician, article):
    draft(article, editor)
    data = {"changes": "1", "changes-comment": "The second line is wrong."}
    staff(clinician).post(address(article, "versions", 1, "review"), data)
    assert "The second line is wrong." in staff(editor).get(address(article, "change")).content.decode()


def test_publishing_what_is_not_signed_says_so(staff, editor, article):
    draft(article, editor)
    response = staff(editor).post(address(article, "versions", 1, "publish"), follow=True)
    assert "A clinician has to sign this revision" in response.content.decode()
    assert Article.objects.get().published_revision is None


def test_what_stands_signed_can_be_published_while_somebody_writes_on_and_what_was_up_again(
    staff, editor, clinician, colleague, article
):
    now = timezone.now()
    due = (now + timedelta(days=200)).date()
    was_up = published(article, editor, clinician, now=now - timedelta(days=3))
    published(article, editor, clinician, now=now - timedelta(days=2), title="Published after it")
    signed = draft(article, editor, title="Signed, not published")
    signed.sign(by=clinician, now=now - timedelta(days=1), review_due=due)
    draft(article, editor, title="The newest")
    to_publish = staff(editor).get("/admin/education/article/?work=publish").content.decode()
    assert address(article, "change") in to_publish

    def offered():
        page = staff(editor).get(address(article, "change")).content.decode()
        assert page.count("Publish this one") == page.count('/publish/"')
        again = address(article, "versions", was_up.version, "publish")
        assert page.count("Publish this one again") == page.count(again)
        return [number for number in range(1, 5) if address(article, "versions", number, "publish") in page]

    assert offered() == [was_up.version, signed.version]
    was_up.ask_for_changes(by=colleague, now=now, comment="The dose is wrong.")
    assert offered() == [signed.version]
    response = staff(editor).post(address(article, "versions", was_up.version, "publish"), follow=True)
    assert "A clinician has asked for changes to this version" in response.content.decode()


@pytest.mark.parametrize("rest", [("versions", 1, "ask"), ("versions", 1, "publish")])
def test_a_get_changes_nothing(staff, editor, clinician, article, rest):
    published(article, editor, clinician)
    assert staff(editor).get(address(article, *rest)).status_code == 405


def test_taking_a_page_down_asks_first_and_the_list_says_who_did(staff, editor, clinician, article):
    published(article, editor, clinician)
    browser = staff(editor)
    assert address(article, "take-down") in browser.get(address(article, "change")).content.decode()
    asked = browser.get(address(article, "take-down")).content.decode()
    assert "Patients will no longer find “How skin heals”" in asked
    assert Article.objects.get().published_revision is not None
    said = browser.post(address(article, "take-down"), follow=True).content.decode()
    assert Article.objects.get().published_revision is None
    for page in (said, browser.get("/admin/education/article/").content.decode()):
        assert "by Edda Editor" in page
        assert "aken down on " in page


@pytest.mark.parametrize("slug", ["who-should-wait", "led-to-by-a-finding"])
def test_a_page_that_others_lead_to_is_not_taken_down(staff, editor, clinician, monkeypatch, slug):
    needed = {"led-to-by-a-finding": {"keloid"}}
    monkeypatch.setattr("education.models.headings_needed_on", lambda of: needed.get(of, set()))
    article = Article.objects.create(slug=slug)
    body = "## Keloid {#keloid}\n\nWords. {{ source: derm }}\n\n{{ block: who-should-wait }}\n\n{{ block: medicine }}\n"
    published(article, editor, clinician, body=body)
    page = staff(editor).get(address(article, "take-down")).content.decode()
    assert "so this page stays up" in page
    assert "Take it down" not in page
    said = staff(editor).post(address(article, "take-down"), follow=True).content.decode()
    assert "this page cannot be taken down" in said
    assert Article.objects.get().published_revision is not None


def test_the_pages_that_templates_lead_to_are_those_that_stay():
    """A link that is added later keeps its page up as well."""
    found = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.*"):
        found |= set(re.findall(r"'education:article' '([a-z-]+)'", path.read_text()))
    assert found == LED_TO


def test_nothing_is_deleted_here(staff, editor, article):
    draft(article, editor)
    assert staff(editor).post(address(article, "delete"), {"post": "yes"}).status_code == 403
    assert Article.objects.exists()


@pytest.mark.parametrize("role", ["Front desk", "Practitioner", "Manager"])
def test_other_roles_do_not_come_in(staff, editor, article, role):
    draft(article, editor)
    browser = staff(make_user("x@clinic.example", role, is_staff=True))
    for rest in (("change",), ("versions", 1, "phone"), ("versions", 1, "review")):
        assert browser.get(address(article, *rest)).status_code == 403
    for rest in (("versions", 1, "ask"), ("versions", 1, "publish"), ("take-down",)):
        assert browser.post(address(article, *rest)).status_code == 403
    assert browser.get("/admin/education/article/").status_code == 403


def test_a_clinician_reads_and_does_not_write(staff, editor, clinician, article):
    revision = draft(article, editor)
    browser = staff(clinician)
    page = browser.get(address(article, "change"))
    assert page.status_code == 200
    assert "Save as a draft" not in page.content.decode()
    assert browser.post(address(article, "change"), form_data(revision, title="Mine")).status_code == 403


def test_shows_the_reading_age_beside_the_text(staff, editor, article):
    draft(article, editor)
    for path in (address(article, "change"), address(article, "versions", 1, "phone")):
        assert "Reading age" in staff(editor).get(path).content.decode()


@pytest.mark.parametrize("field", ["title", "summary", "short_answer", "body"])
def test_names_the_words_that_no_page_says_to_who_writes_and_who_signs(staff, editor, clinician, article, field):
    told = "Please say it another way"
    for number, said in enumerate(["It heals slowly.", "A <b>Perfectly</b> PAINLESS way, and painless again."], 1):
        words = {field: said if field != "body" else f"## A {{#a}}\n\n{said}\n"}
        draft(article, editor, **words)
        pages = [
            staff(editor).get(address(article, "change")).content.decode(),
            staff(clinician).get(address(article, "versions", number, "review")).content.decode(),
            staff(clinician).get(address(article, "versions", number, "phone")).content.decode(),
            staff(editor).post(WRITTEN, form_data(article.latest_revision(), **words)).content.decode(),
        ]
        for page in pages:
            assert (told in page) == ("“perfectly”, “painless”</" in page) == (number == 2)


def test_what_has_no_whole_sentence_has_no_reading_age(staff, editor, article):
    draft(article, editor, body="## A {#a}\n\n- a hat\n- water\n", sources=[])
    for path in (address(article, "change"), address(article, "versions", 1, "phone")):
        page = staff(editor).get(path).content.decode()
        assert "cannot be measured" in page
        assert "11 or under" not in page and "Reading age 5" not in page


def test_a_preview_is_for_staff_only(client, staff, editor, clinician, article):
    revision = draft(article, editor)
    assert client.get(address(article, "versions", 1, "phone")).status_code == 302
    assert client.post(WRITTEN, form_data(revision)).status_code == 302
    assert staff(clinician).get(address(article, "versions", 1, "phone")).status_code == 200
    assert staff(clinician).post(WRITTEN, form_data(revision)).status_code == 403


def test_what_is_written_is_shown_as_on_a_phone_and_not_saved(staff, editor, article):
    words = {"title": "", "body": "## Not saved {#not-saved}\n\nNobody saved it. {{ source: derm }} {{ block: x }}\n"}
    revision = draft(article, editor)
    shown = staff(editor).post(WRITTEN, form_data(revision, **words) | {"sources-0-year": "soon"})
    html = shown.content.decode()
    assert "Not saved</h2>" in html and "Nobody saved it." in html
    assert "Skin needling" not in html  # a source with a mistake is none yet
    html = staff(editor).post(WRITTEN, form_data(revision, **words)).content.decode()
    assert "Skin needling" in html and '<a target="_self" href="#source-1"' in html
    assert article.revisions.count() == 1


@pytest.mark.parametrize("data", [{}, {"body": "a\x00b"}, {"sources-TOTAL_FORMS": "x"}, {"body": "x" * 70_000}])
def test_a_phone_for_anything_that_is_sent(staff, editor, data):
    assert staff(editor).post(WRITTEN, data).status_code == 200
    assert "Nothing is written yet" in staff(editor).get(WRITTEN).content.decode()


def test_only_the_phone_may_stand_in_a_frame_of_our_own(staff, editor, article):
    draft(article, editor)
    for path, framed_by in (
        (address(article, "versions", 1, "phone"), "'self'"),
        (address(article, "change"), "'none'"),
    ):
        answer = staff(editor).get(path)
        directives = answer["Content-Security-Policy"].split("; ")
        assert f"frame-ancestors {framed_by}" in directives
        assert answer["X-Frame-Options"] == ("SAMEORIGIN" if framed_by == "'self'" else "DENY")


def test_a_picture_is_uploaded_listed_and_put_into_a_text(staff, editor, article):
    browser = staff(editor)
    data = {"name": "room", "alt": "A quiet room.", "file": picture_file("PNG")}
    assert browser.post("/admin/education/picture/add/", data).status_code == 302
    picture = Picture.objects.get()
    assert picture.uploaded_by == editor
    assert "room" in browser.get("/admin/education/picture/").content.decode()
    assert browser.get(f"/admin/education/picture/{picture.pk}/change/").status_code == 200
    draft(article, editor, body="{{ picture: room }}\n\nText {{ source: derm }}\n")
    assert browser.post(f"/admin/education/picture/{picture.pk}/delete/", {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    "changes",
    [{"name": "Not a name"}, {"name": "skin"}, {"file": ""}]
    + [{"alt": alt} for alt in ("", "a\x01", "\u200b", "A\u00adroom", "…")],
    ids=ascii,
)
def test_an_upload_that_is_refused_is_told(staff, editor, changes):
    data = {"name": "room", "alt": "A quiet room.", "file": picture_file("PNG"), **changes}
    response = staff(editor).post("/admin/education/picture/add/", data)
    assert response.status_code == 200
    assert "errorlist" in response.content.decode()
    assert not Picture.objects.exists()


def test_a_large_photo_is_told_its_limit_and_the_words_stay(staff, editor):
    photo = SimpleUploadedFile("photo.jpg", b"x" * (8 * 1024 * 1024), content_type="image/jpeg")
    data = {"file": photo, "name": "a-long-name", "alt": "What stands in it."}
    page = staff(editor).post("/admin/education/picture/add/", data)
    assert page.status_code == 200
    for words in ("This file is too large: more than 5 MB", "a-long-name", "What stands in it."):
        assert words in page.content.decode()
    photo.seek(0)
    assert staff(editor).post("/admin/education/article/add/", data).status_code == 400
    assert not Picture.objects.exists()


def test_a_file_that_is_no_picture_is_refused(staff, editor):
    from django.core.files.uploadedfile import SimpleUploadedFile

    svg = SimpleUploadedFile("x.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", content_type="image/svg+xml")
    response = staff(editor).post("/admin/education/picture/add/", {"name": "x", "alt": "X", "file": svg})
    assert "not a PNG, JPEG or WebP" in response.content.decode()


def test_lists_what_waits_first_and_filters(staff, editor, clinician):
    for number, slug in enumerate(["one", "two", "three"]):
        draft(Article.objects.create(slug=slug, order=number), editor, title=f"Page {slug}")
    Article.objects.get(slug="three").latest_revision().ask_for_review(by=editor, now=timezone.now())
    browser = staff(clinician)
    html = browser.get("/admin/education/article/").content.decode()
    assert html.index("Page three") < html.index("Page one") < html.index("Page two")
    draft(Article.objects.get(slug="three"), editor, title="Page three, a new draft")
    waits = address(Article.objects.get(slug="three"), "versions", 1, "review")
    for path in ("/admin/education/article/", "/admin/education/article/?work=sign", "/admin/"):
        html = browser.get(path).content.decode()
        assert html.count(f'<a href="{waits}">version 1 waits for a clinician</a>') == 1
        assert ("Page one" in html) == (path == "/admin/education/article/")
    assert (
        f'<a href="{waits}">Version 1 waits'
        in browser.get(address(Article.objects.get(slug="three"), "change")).content.decode()
    )
    for work in ("publish", "overdue", "draft", "nonsense"):
        assert browser.get(f"/admin/education/article/?work={work}").status_code in (200, 302)


@pytest.mark.parametrize("path", ["/admin/education/article/", "/admin/education/picture/"])
def test_lists_take_a_constant_number_of_queries(staff, editor, clinician, path):
    browser = staff(editor)

    def add(number):
        page = Article.objects.create(slug=f"p{number}", order=number)
        published(page, editor, clinician, title=f"Page {number}")
        file = picture_file("PNG")
        Picture.upload(name=f"p{number}", alt="A picture.", file=file, by=editor, now=timezone.now())

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(path).status_code == 200
        return len(captured)

    add(1)
    queries()  # fills caches that live as long as the process
    one = queries()
    add(2)
    add(3)
    three = queries()
    assert one == three
    assert three <= 12


def test_the_page_of_an_article_takes_a_constant_number_of_queries(staff, editor, clinician, article):
    browser = staff(editor)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(address(article, "change")).status_code == 200
        return len(captured)

    published(article, editor, clinician)
    queries()  # fills caches that live as long as the process
    one = queries()
    for number in range(3):
        published(article, editor, clinician, title=f"Version {number}")
    assert queries() == one
    assert one <= 12


def test_panels_show_what_waits_and_nothing_else(rf, editor, article):
    from education import panels

    request, now = rf.get("/"), timezone.now()
    assert panels.to_do(request, now) is None
    revision = draft(article, editor)
    assert panels.to_do(request, now) is None
    revision.ask_for_review(by=editor, now=now)
    assert panels.to_do(request, now)["pages"] == [article]


def test_before_opening_every_page_has_to_be_published(editor, clinician, article):
    from education.panels import missing_before_opening

    published(article, editor, clinician)
    other = Article.objects.create(slug="other")
    assert [one.words for one in missing_before_opening()] == ["other"]
    published(other, editor, clinician)
    assert missing_before_opening() == []
    Article.objects.all().update(published_revision=None, published_at=None)
    assert [one.words for one in missing_before_opening()] == ["How skin heals"] * 2


def test_before_opening_there_have_to_be_pages(db):
    from education.panels import missing_before_opening

    assert "There are no pages" in missing_before_opening()[0].words


def test_words_are_those_of_the_form(editor, article):
    from education.admin import words_of

    revision = draft(article, editor)
    assert words_of(revision)["body"] == WORDS["body"]
    assert words_of(None) == {}
