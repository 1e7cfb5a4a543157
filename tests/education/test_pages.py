"""What people see: the list, the search, an article, and the pages every site has."""

import json
import re
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinic.models import Clinic, Location
from education import blocks
from education.models import Article
from education.views import search_words
from tests.education.conftest import WORDS, draft, published

pytestmark = pytest.mark.django_db


@pytest.fixture
def clinic():
    Location.objects.create(
        slug="harbour", name="Harbour Street", address="1 Harbour Street", phone="+442079460001",
        out_of_hours="Ring the night line.", emergency="Call 999.",
    )  # fmt: skip
    return Clinic.objects.create(name="Harbour Skin", phone="+442079460000")


@pytest.fixture
def shown(article, editor, clinician, clinic):  # not `page`: that is a browser's
    body = (
        "## First {#first}\n\nSkin makes collagen. {{ source: derm }}\n\n{{ picture: skin }}\n\n"
        "## When to call {#when}\n\n{{ block: when-to-call }}\n\n{{ block: who-should-wait }}\n"
    )
    published(article, editor, clinician, body=body, now=timezone.now())
    return article


def words(response):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


class TestArticle:
    def test_shows_the_short_answer_the_review_and_the_sources(self, client, shown):
        html = client.get("/learn/healing/").content.decode()
        order = [
            "How skin heals</h1>",
            "It heals.",
            "Reviewed on ",
            "by Dr Clara Meyer.",
            'href="#first"',
            'id="first"',
        ]
        order += [str(blocks.DISCLAIMER), 'id="source-1"', "Skin needling", "What next?"]
        place = 0
        for words in order:
            place = html.find(words, place)
            assert place > 0, words

    def test_carries_the_disclaimer_and_the_sun_line(self, client, shown):
        html = client.get("/learn/healing/").content.decode()
        assert html.count(str(blocks.DISCLAIMER)) == 1
        assert html.count(str(blocks.SUN)) == 1

    def test_a_page_with_the_sun_block_says_it_once(self, client, shown, editor, clinician):
        published(
            shown, editor, clinician, body="## A {#a}\n\n{{ block: sun }}\n\nB {{ source: derm }}\n", now=timezone.now()
        )
        assert client.get("/learn/healing/").content.decode().count(str(blocks.SUN)) == 1

    def test_names_the_clinics_own_numbers_where_it_says_when_to_call(self, client, shown):
        text = words(client.get("/learn/healing/"))
        for fact in (
            "Call 999.", "Ring the night line.", "Trouble breathing", "swollen face or tongue", "Fits", "heartbeat",
            "after numbing cream", "fever", "near your eye", "change in your sight", "after 48 hours", "pus",
            "tingling", "rash that spreads", "10 minutes", "dark or pale marks", "Lumps", "gets thicker",
            "Redness after 7 days", "not for emergencies",
        ):  # fmt: skip
            assert fact in text, fact

    def test_says_nothing_of_a_newer_draft(self, client, shown, editor):
        draft(shown, editor, title="Unsigned words", body="## X {#x}\n\nSecret draft.\n")
        html = client.get("/learn/healing/").content.decode()
        assert "Unsigned" not in html
        assert "Secret draft" not in html

    def test_is_not_there_before_it_is_published(self, client, article, editor, clinic):
        draft(article, editor).ask_for_review(by=editor, now=timezone.now())
        assert client.get("/learn/healing/").status_code == 404

    def test_says_when_its_review_is_overdue(self, client, shown, editor, clinician):
        then = timezone.now() - timedelta(days=30)
        published(shown, editor, clinician, title="Old", now=then, due=then.date() + timedelta(days=10))
        assert "Due for review since" in words(client.get("/learn/healing/"))

    def test_says_nothing_of_the_kind_before(self, client, shown):
        assert "Due for review" not in words(client.get("/learn/healing/"))

    def test_describes_itself_in_data_that_cannot_end_its_element(self, client, shown, editor, clinician):
        published(shown, editor, clinician, title="A </script><b>x & y", now=timezone.now())
        html = client.get("/learn/healing/").content.decode()
        [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html)
        parsed = json.loads(data)
        assert parsed["@type"] == "MedicalWebPage"
        assert parsed["name"] == "A </script><b>x & y"
        assert parsed["reviewedBy"]["name"] == "Dr Clara Meyer"

    def test_a_demonstration_names_no_invented_reviewer_to_search_engines(self, client, shown):
        Clinic.objects.update(is_demo=True)
        assert "reviewedBy" not in client.get("/learn/healing/").content.decode()

    def test_escapes_what_an_editor_typed(self, client, shown, editor, clinician):
        published(shown, editor, clinician, title="<b>Bold</b>", summary="<i>x</i>", now=timezone.now())
        html = client.get("/learn/healing/").content.decode()
        assert "<b>Bold" not in html
        assert "<i>x" not in html

    def test_has_neither_inline_style_nor_script_that_runs(self, client, shown):
        html = client.get("/learn/healing/").content.decode()
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=", html)
        assert set(re.findall(r"<script([^>]*)>", html)) >= {' type="application/ld+json"'}
        for attributes in re.findall(r"<script([^>]*)>", html):
            assert "src=" in attributes or "ld+json" in attributes


class TestSearch:
    @pytest.fixture(autouse=True)
    def _pages(self, shown, editor, clinician):
        other = Article.objects.create(slug="keloid", order=2)
        body = "## About {#about}\n\nA keloid is a thick scar. Some people get keloids after a pinprick.\n"
        words = {"title": "Thick scars", "summary": "Keloids.", "short_answer": "Some scars grow."}
        published(other, editor, clinician, body=body, sources=[], now=timezone.now(), **words)

    @pytest.mark.parametrize("q", ["keloid", "KELOIDS", "thick scar", "keloid or nonsense"])
    def test_finds_words_and_their_forms(self, client, q):
        response = client.get("/learn/", {"q": q})
        assert [article.slug for article in response.context["results"]] == ["keloid"]

    def test_marks_what_it_found(self, client):
        assert "<mark>" in client.get("/learn/", {"q": "keloid"}).content.decode()

    def test_the_title_counts_more_than_the_text(self, client, editor, clinician):
        third = Article.objects.create(slug="third", order=0)
        published(third, editor, clinician, title="Keloid", now=timezone.now())
        slugs = [article.slug for article in client.get("/learn/", {"q": "keloid"}).context["results"]]
        assert slugs == ["third", "keloid"]

    def test_the_address_is_looked_through_as_well(self, client, editor, clinician):
        page = Article.objects.create(slug="skin-aftercare")
        published(page, editor, clinician, title="Looking after it", now=timezone.now())
        assert [found.slug for found in client.get("/learn/", {"q": "aftercare"}).context["results"]] == [
            "skin-aftercare"
        ]

    def test_drafts_are_not_found(self, client, editor):
        draft(Article.objects.create(slug="d"), editor, title="Zebra")
        assert client.get("/learn/", {"q": "zebra"}).context["results"] == []

    def test_nothing_found_says_what_to_do(self, client):
        response = client.get("/learn/", {"q": "zebra"})
        text = words(response)
        assert "We found nothing for “zebra”" in text
        assert "+44 20 7946 0000" in text
        assert "acne scars" in text
        assert "Thick scars" in text  # all pages follow

    def test_escapes_what_was_typed_and_what_was_found(self, client, editor, clinician):
        evil = Article.objects.create(slug="evil")
        body = "## A {#a}\n\nA pangolin &lt;img src=x onerror=alert(1)&gt; <b>here</b>.\n"
        published(evil, editor, clinician, body=body, sources=[], now=timezone.now())
        html = client.get("/learn/", {"q": "pangolin"}).content.decode()
        assert "<mark>pangolin</mark>" in html
        assert "<img src=x" not in html
        html = client.get("/learn/", {"q": "<script>alert(1)</script>"}).content.decode()
        assert "<script>alert" not in html

    @pytest.mark.parametrize(
        "query",
        [
            "q=" + "a" * 3000, "q=a&q=b", "q=", "q=%20%20", "q[]=x",
            "q='%20OR%201=1--", 'q="', "q=%22unclosed", "q=-", "q=()!%26|:*", "q=%E2%80%AE", "p=1", "q=%F0%9F%98%80",
            "q=%02%03", "q=" + quote("日本語 ' \" \\ % _"),
        ],
    )  # fmt: skip
    def test_odd_questions_get_an_answer(self, client, query):
        assert client.get(f"/learn/?{query}").status_code == 200

    @pytest.mark.parametrize("query", ["q=%00", "q=a%00b", "q=%FF%FE", "q=%ED%A0%80", "q=" + "a" * 20000])
    def test_what_nobody_sends_by_accident_is_refused_kindly(self, client, query):
        assert client.get(f"/learn/?{query}").status_code == 400

    @pytest.mark.parametrize("typed", ["a\x00b", "\ud800", "\x02x\x03", "a" * 5000])
    def test_nothing_odd_reaches_the_database(self, rf, typed):
        request = rf.get("/learn/")
        request.GET = {"q": typed}
        words = search_words(request)
        assert len(words) <= 100
        assert words.isprintable()
        words.encode()

    def test_the_last_of_two_questions_counts(self, client):
        assert client.get("/learn/?q=zebra&q=keloid").context["q"] == "keloid"


def count_queries(client, path):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(path).status_code == 200
    return len(queries)


@pytest.mark.parametrize("path", ["/learn/", "/learn/?q=collagen", "/learn/healing/", "/contact/", "/sitemap.xml"])
def test_queries_do_not_grow(client, shown, editor, clinician, path):
    one = count_queries(client, path)
    for number in range(3):
        more = Article.objects.create(slug=f"more-{number}", order=number)
        sources = [{**WORDS["sources"][0], "key": f"s{n}"} for n in range(3)]
        published(more, editor, clinician, body="## A {#a}\n\nCollagen.\n", sources=sources, now=timezone.now())
        shown.related.add(more)
    three = count_queries(client, path)
    assert one == three
    assert three <= 12


@pytest.mark.parametrize("path", ["/privacy/", "/accessibility/", "/complaints/", "/contact/"])
def test_the_footers_pages(client, clinic, path):
    response = client.get(path)
    assert response.status_code == 200
    assert "<h1>" in response.content.decode()
    assert client.post(path).status_code == 405


def test_contact_comes_from_the_locations(client, clinic):
    text = words(client.get("/contact/"))
    assert "Ring the night line." in text
    assert "Call 999." in text
    assert "1 Harbour Street" in text


def test_the_privacy_notice_says_its_version(client, clinic):
    assert f"Version {settings.PRIVACY_VERSION} of this notice" in words(client.get("/privacy/"))


def test_a_changed_privacy_notice_is_a_new_version():
    """People agreed to these words under this number. Change them? Then raise settings.PRIVACY_VERSION, add a line."""
    import hashlib
    from pathlib import Path

    text = (Path(settings.BASE_DIR) / "templates/education/privacy.html").read_text()
    said = " ".join(re.findall(r'{% translate "(.*?)" %}', text))
    known = {"1": "76eb8fa5662530fa"}
    assert known[settings.PRIVACY_VERSION] == hashlib.sha256(said.encode()).hexdigest()[:16]


def test_the_sitemap_lists_what_is_published(client, shown, editor):
    draft(Article.objects.create(slug="unsigned"), editor)
    response = client.get("/sitemap.xml")
    assert response["Content-Type"] == "application/xml"
    assert f"<loc>{settings.PUBLIC_URL}/learn/healing/</loc>" in response.content.decode()
    assert "unsigned" not in response.content.decode()


def test_robots_keep_out_of_what_is_private(client):
    text = client.get("/robots.txt").content.decode()
    assert "Disallow: /admin/" in text
    assert "Disallow: /appointments/" in text
    assert "Disallow: /book/hold/" in text
    assert f"Sitemap: {settings.PUBLIC_URL}/sitemap.xml" in text


@pytest.mark.parametrize("path", ["/learn/%FF/", "/learn/nope/", "/learn/a%00b/", "/learn/pictures/x-123456789012"])
def test_what_is_not_there_is_not_found(client, clinic, path):
    assert client.get(path).status_code in (400, 404)


def test_a_page_before_any_set_up_is_kind(client, db):
    assert "being checked by a clinician" in words(client.get("/learn/"))
