"""The page of who should wait is written from the active questionnaire's rules, so that the two cannot disagree."""

import re
from dataclasses import dataclass
from datetime import timedelta
from html import escape, unescape
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinic import registry
from clinic.models import User
from education import rendering
from education.content import default_articles, load_default_articles
from education.models import Article
from education.templatetags.education import by_theme
from screening import publishing
from screening.models import Questionnaire
from tests.education.conftest import make_user

pytestmark = pytest.mark.django_db
DEFINITIONS = Path(settings.BASE_DIR) / "screening" / "definitions"
PATH = "/learn/who-should-wait/"


@dataclass
class Rule:
    """What the page takes from a rule."""

    title: str
    anchor: str
    effect: str = "defer"
    advice: str = ""


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


def listed(html: str) -> list[tuple[list[str], str]]:
    """The list as it is read: names that stand together, and what is said to them."""
    found = []
    for item in re.findall(r"<li>\s*<div>(<span class=\"rule-name\">.*?)</li>", html, re.DOTALL):
        names, advice = re.findall(r"<(?:a|strong)[^>]*>([^<]+)</", item), re.findall(r"<p>(.*?)</p>", item)
        found.append(([unescape(name) for name in names], unescape(advice[0]) if advice else ""))
    return found


def waiting_rules(questionnaire) -> list:
    return [r for r in questionnaire.definition().public_rules() if r.effect in ("contraindicated", "defer")]


def test_lists_every_public_rule_that_makes_people_wait_with_its_advice(client, article, questionnaire):
    said = [(name, advice) for names, advice in listed(client.get(PATH).content.decode()) for name in names]
    wanted = {(rule.title[0].upper() + rule.title[1:], rule.advice) for rule in waiting_rules(questionnaire)}
    assert len(wanted) > 20
    assert set(said) == wanted
    assert len(said) == len(wanted)


def test_says_an_advice_once_for_all_it_is_for(client, article, questionnaire):
    html = client.get(PATH).content.decode()
    [together] = [
        names for names, advice in listed(html) if "talk with you about other choices" in advice and names[1:]
    ]
    assert {"Rosacea", "Eczema", "Psoriasis", "A tendency to keloid scars"} <= set(together)
    assert html.count("Our clinician can talk with you about other choices.") == 1


def test_names_each_wait_in_the_line_that_opens(client, article, questionnaire):
    summaries = " ".join(re.findall(r"<summary>(.*?)</summary>", client.get(PATH).content.decode(), re.DOTALL)).lower()
    for rule in waiting_rules(questionnaire):
        assert (escape(rule.title).lower() in summaries) == (rule.effect == "defer"), rule.title


def test_the_waits_stand_under_the_headings_that_explain_them():
    rules = [
        Rule(title="b", anchor="who-should-wait#b"), Rule(title="new", anchor="who-should-wait#nowhere"),
        Rule(title="a", anchor="who-should-wait#a"), Rule(title="other", anchor="aftercare#a"),
        Rule(title="no", anchor="who-should-wait#a", effect="contraindicated"),
    ]  # fmt: skip
    themes = {"a": "First", "b": "Second"}
    assert [(theme, [r.title for r in group]) for theme, group in by_theme(rules, "defer", themes)] == [
        ("First", ["a"]), ("Second", ["b"]), ("", ["new", "other"]),
    ]  # fmt: skip
    assert [(theme, len(group)) for theme, group in by_theme(rules, "defer", "")] == [("", 4)]


def test_names_what_the_clinics_article_names(client, article, questionnaire):
    said = client.get(PATH).content.decode().lower()
    named = ["a skin infection now", "rosacea", "eczema", "psoriasis", "a tendency to keloid scars", "pregnancy"]
    assert [words for words in named if words not in said] == []


def test_a_rule_leads_to_the_paragraph_that_explains_it(client, article, questionnaire):
    html = client.get(PATH).content.decode()
    anchors = re.findall(r'<span class="rule-name"><a href="#([a-z-]+)">', html)
    assert len(anchors) > 20
    for anchor in anchors:
        assert f'id="{anchor}"' in html


def test_without_an_active_questionnaire_it_says_call_us(client, article):
    assert "being checked by a clinician" in client.get(PATH).content.decode()


def found(client, typed):
    """The pages that the search finds, and the excerpt of this one as it is shown."""
    with CaptureQueriesContext(connection) as captured:
        answer = client.get("/learn/", {"q": typed})
    assert len(captured) <= 12
    results = {page.slug: str(page.found) for page in answer.context["results"]}
    return list(results), results.get("who-should-wait", ""), answer.content.decode()


def test_the_search_finds_what_only_the_list_says(client, article, questionnaire):
    slugs, excerpt, _html = found(client, "INR")
    assert slugs == ["who-should-wait"]
    assert "<mark>INR</mark> over 3.5" in excerpt
    _slugs, excerpt, html = found(client, "psoriasis eczema")
    assert "Rosacea; <mark>Eczema</mark>; <mark>Psoriasis</mark>; A tendency" in excerpt
    assert "&lt;" not in excerpt and "rule-name" not in html
    publishing.retire(questionnaire, by=User.objects.get(email="lea@clinic.example"), now=timezone.now())
    assert found(client, "INR")[0] == []  # nor in a list that is no longer there


def test_the_search_knows_brands_and_everyday_words(client, article, questionnaire, editor, clinician):
    for page in Article.objects.exclude(pk=article.pk):
        revision = page.latest_revision()
        revision.sign(by=clinician, now=timezone.now(), review_due=timezone.localdate() + timedelta(days=90))
        page.publish(revision, by=editor, now=timezone.now())
    wanted = {
        "Accutane": "who-should-wait", "roaccutane": "who-should-wait", "warfarin": "who-should-wait",
        "can I take aspirin": "who-should-wait", "botox": "who-should-wait", "makeup": "aftercare",
        "make up": "aftercare", "dermaroller": "how-it-works", "derma rollers": "how-it-works",
        "swimming": "aftercare", "pregnant": "who-should-wait", "blisters": "risks-and-when-to-call",
        "micro needling": "how-it-works", "micro-needling": "how-it-works", "acutane": "who-should-wait",
        "downtime": "what-to-expect", "recovery time": "preparing", "is it safe": "risks-and-when-to-call",
        "black skin": "questions-and-answers", "hyperpigmentation": "risks-and-when-to-call",
        "stretchmarks": "which-scars", "c section": "which-scars", "hypertrophic scars": "alternatives",
        "anesthetic": "on-the-day", "breast feeding": "who-should-wait", "pregnency": "who-should-wait",
        "ekzema": "who-should-wait", "herpes": "who-should-wait", "allergic": "who-should-wait",
        "allergic to lidocaine": "who-should-wait", "tretinoin": "preparing", "Retin-A": "preparing",
        "differin": "aftercare", "adapalene": "aftercare", "itch": "aftercare", "pimples": "who-should-wait",
        "zits": "who-should-wait", "unsafe": "risks-and-when-to-call", "stretch-marks": "which-scars",
        "tummy": "which-scars", "covid": "preparing", "ibuprofen": "preparing", '"recovery time"': "preparing",
        '"down time" or zebra': "preparing",
    }  # fmt: skip
    assert {typed: slug for typed, slug in wanted.items() if slug not in found(client, typed)[0]} == {}
    assert found(client, 'zebra -"recovery time"')[0] == []
    assert found(client, "side effects")[0][0] == "risks-and-when-to-call"
    assert "<mark>isotretinoin</mark>" in found(client, "accutane")[1].lower()
    prices, contact = '<a href="/book/">Prices and times</a>', '<a href="/contact/">Contact and emergencies</a>'
    mine = '<a href="/my/">My appointments</a>'
    complaints, privacy = '<a href="/complaints/">If something went wrong</a>', '<a href="/privacy/">Privacy</a>'
    leads = {
        "price": {prices}, "what does it COST": {prices}, "appointment": {prices}, "zebra": {prices}, "keloid": set(),
        "contact": {contact}, "your address": {contact}, "opening times": {contact}, "when are you open": {contact},
        "open today": {contact}, "open on Sundays": {contact}, "where is the clinic": {contact}, "refund": {contact},
        "open wounds": {prices}, "how do I complain": {complaints}, "privacy": {privacy}, "cancel": {mine},
        "reschedule": {mine}, "change my appointment": {prices, mine}, "skin cancer": set(),
    }  # fmt: skip
    for typed, wanted_here in leads.items():
        main = found(client, typed)[2].split("<main", 1)[1].split("</main>")[0]
        assert {link for link in (prices, contact, complaints, privacy, mine) if link in main} == wanted_here, typed
        assert ("We found nothing for" in main) == (typed in ("zebra", "open wounds")), typed
    assert ">About “what does it COST”</h2>" in found(client, "what does it COST")[2]


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


BLOCKS = "{{ block: who-should-wait }}\n\n{{ block: medicine }}\n\n"


def saved(article, editor, body):
    return article.save_draft(
        title="Who should wait", summary="x", short_answer="x", body=body, sources=[], by=editor, now=timezone.now()
    )


def test_a_heading_that_findings_lead_to_is_not_taken_out(article, questionnaire, editor):
    needed = registry.headings_needed_on("who-should-wait")
    assert len(needed) > 20
    kept = BLOCKS + "".join(f"## Heading {{#{one}}}\n\nWords.\n\n" for one in sorted(needed - {"rosacea"}))
    with pytest.raises(ValidationError) as refused:
        saved(article, editor, kept)
    assert refused.value.messages == ["The questions lead to #rosacea on this page: keep a heading with {#rosacea}."]
    assert saved(article, editor, kept + "### Red cheeks {#rosacea}\n\nWords.\n")


def test_only_active_questions_and_only_this_page_need_a_heading(article, questionnaire, editor):
    assert registry.headings_needed_on("aftercare") == set()
    publishing.retire(questionnaire, by=User.objects.get(email="lea@clinic.example"), now=timezone.now())
    assert registry.headings_needed_on("who-should-wait") == set()
    assert saved(article, editor, BLOCKS + "Nothing else to know.\n")


def test_the_list_and_the_line_about_medicines_are_not_taken_off_their_page(article, editor):
    with pytest.raises(ValidationError) as refused:
        saved(article, editor, "Nobody has to wait.\n")
    assert refused.value.messages == [
        f"Patients count on {{{{ block: {name} }}}} on this page: keep it, on a line of its own, with empty lines "
        "around it."
        for name in ("medicine", "who-should-wait")
    ]
