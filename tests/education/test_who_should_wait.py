"""The page of who should wait is written from the active questionnaire's rules, so that the two cannot disagree."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from education import rendering
from education.content import default_articles, load_default_articles
from education.models import Article
from screening import publishing
from screening.models import Questionnaire
from tests.education.conftest import make_user

pytestmark = pytest.mark.django_db
DEFINITIONS = Path(settings.BASE_DIR) / "screening" / "definitions"
PATH = "/learn/who-should-wait/"


@pytest.fixture
def article(editor, clinician):
    load_default_articles(now=timezone.now())
    article = Article.objects.get(slug="who-should-wait")
    revision = article.latest_revision()
    revision.sign(by=clinician, now=timezone.now(), review_due=timezone.localdate() + timedelta(days=90))
    article.publish(revision, by=editor, now=timezone.now())
    return article


@pytest.fixture
def questionnaire(clinician):
    call_command("load_questionnaire", DEFINITIONS / "microneedling.yaml", verbosity=0)
    found = Questionnaire.objects.get(name="microneedling")
    publishing.propose(found, by=clinician, now=timezone.now())
    publishing.publish(found, by=make_user("lea@clinic.example", "Lead clinician"), now=timezone.now())
    return found


def test_lists_every_public_rule_that_makes_people_wait(client, article, questionnaire):
    html = client.get(PATH).content.decode()
    listed = set(re.findall(r'<a href="#[a-z-]+">([^<]+)</a><span>', html))
    wanted = {
        rule.title[0].upper() + rule.title[1:]
        for rule in questionnaire.definition().public_rules()
        if rule.effect in ("contraindicated", "defer")
    }
    assert len(wanted) > 20
    assert {title.replace("&#x27;", "'") for title in listed} == wanted


@pytest.mark.parametrize(
    "words",
    ["A skin infection now", "Rosacea", "Eczema", "Psoriasis", "A tendency to keloid scars", "Pregnancy"],
)
def test_names_what_the_clinics_article_names(client, article, questionnaire, words):
    assert words.lower() in client.get(PATH).content.decode().lower()


def test_a_rule_leads_to_the_paragraph_that_explains_it(client, article, questionnaire):
    html = client.get(PATH).content.decode()
    for anchor in re.findall(r'<a href="#([a-z-]+)">[^<]+</a><span>', html):
        assert f'id="{anchor}"' in html


def test_without_an_active_questionnaire_it_says_call_us(client, article):
    assert "being checked by a clinician" in client.get(PATH).content.decode()


def test_takes_at_most_twelve_queries(client, article, questionnaire):
    with CaptureQueriesContext(connection) as captured:
        assert client.get(PATH).status_code == 200
    assert len(captured) <= 12


@pytest.mark.parametrize("name", ["microneedling.yaml", "microneedling-recheck.yaml"])
def test_every_paragraph_that_findings_point_to_is_there(name):
    pages = {a.slug: {h.id for h in rendering.render(a.body).headings} for a in default_articles()}
    anchors = re.findall(r"^\s*anchor: (\S+)", (DEFINITIONS / name).read_text(), re.MULTILINE)
    for anchor in anchors:
        slug, _hash, paragraph = anchor.partition("#")
        assert paragraph in pages[slug], anchor
    assert anchors or "recheck" in name
