"""The shipped articles say what the clinic's article and the clinical facts say, in words people can read."""

import re

import pytest
from django.core.exceptions import ValidationError

from education import blocks, rendering
from education.content import default_articles, default_sources
from education.models import Article
from education.readability import readability
from education.wording import never_said
from tests.education.conftest import NOW

ARTICLES = {article.slug: article for article in default_articles()}
TEXT = {
    slug: "\n".join([article.title, article.summary, article.short_answer, rendering.render(article.body).text])
    for slug, article in ARTICLES.items()
}
EVERYTHING = "\n".join(TEXT.values())

ARTICLE_FACTS = {
    "tiny controlled injuries": ("how-it-works", r"tiny, controlled injuries"),
    "collagen and elastin": ("how-it-works", r"collagen and elastin"),
    "smoother and firmer": ("how-it-works", r"smoother and firmer"),
    "minimally invasive": ("how-it-works", r"minimally invasive"),
    "little downtime": ("how-it-works", r"little time off"),
    "acne scars": ("which-scars", r"acne scars"),
    "surgery scars": ("which-scars", r"surgery scars"),
    "stretch marks": ("which-scars", r"stretch marks"),
    "infection": ("who-should-wait", r"not while there is an infection"),
    "rosacea": ("who-should-wait", r"Rosacea"),
    "eczema": ("who-should-wait", r"Eczema"),
    "psoriasis": ("who-should-wait", r"Psoriasis"),
    "keloid": ("who-should-wait", r"tend to get keloids"),
    "pregnancy": ("who-should-wait", r"until after your baby is born"),
    "no make-up for 48 hours": ("aftercare", r"No make-up for 48 hours"),
    "no make-up for 24 to 48 hours": ("aftercare", r"Clinics say 24 to 48 hours\. We say 48"),
    "out of the sun": ("aftercare", r"stay out of the sun"),
    "scars look better": ("which-scars", r"Scars can look better"),
    "gentle moisturiser": ("aftercare", r"gentle moisturiser"),
    "no harsh products": ("aftercare", r"no harsh products"),
    "sunscreen again through the day": ("aftercare", r"Put it on again through the day"),
    "the sun line": ("aftercare", re.escape(str(blocks.SUN))),
}

CLINICAL_FACTS = {
    "growth factors": ("how-it-works", "growth factors"),
    "channels close": ("how-it-works", "about 10 minutes"),
    "three kinds of tools": ("how-it-works", "a roller, a stamp and a pen"),
    "class II": ("how-it-works", "Class II"),
    "radiofrequency is different": ("how-it-works", "burns, scars, fat loss and nerve damage"),
    "US authorisation": ("which-scars", "aged 22 or older"),
    "58 studies": ("which-scars", "58 studies of scars together, with 1,845 people"),
    "33 papers": ("which-scars", "33 papers"),
    "unclear against laser": ("which-scars", "not clear if needling is better than laser"),
    "harris": ("which-scars", "3 treatments, 4 weeks apart"),
    "alam": ("which-scars", "3.4 points better"),
    "dalwig": ("which-scars", r"\(0\.91\)"),
    "the honest counter-example": ("which-scars", "trial of 120 people, needling alone did not"),
    "with a peel": ("which-scars", "2.87 to 2.03"),
    "cochrane": ("which-scars", "24 trials with 789 adults"),
    "ice-pick": ("which-scars", "ice-pick"),
    "no promise": ("which-scars", "do not count on it"),
    "surgery study": ("which-scars", "25 people had 3 sessions"),
    "pooled stretch marks": ("which-scars", "11 studies"),
    "stretch marks hurt more": ("which-scars", "5.2 out of 10, next to 2.4"),
    "dark marks counted": ("which-scars", r"7 people \(21\.9%\)"),
    "not removed": ("which-scars", "do not go away"),
    "tell us": ("who-should-wait", "Tell us even if you think it does not matter"),
    "two weeks of no sun": ("preparing", "Two weeks before"),
    "retinol three days": ("preparing", "We say 3 days"),
    "antivirals": ("preparing", "antiviral"),
    "lidocaine": ("preparing", "more than 4% lidocaine"),
    "quiet days": ("preparing", "2 to 3 quiet days"),
    "sterile, once": ("preparing", "sterile and used once"),
    "test patch": ("preparing", "test patch"),
    "change your mind": ("preparing", "change your mind"),
    "check first": ("on-the-day", "look at your skin"),
    "numbing time": ("on-the-day", "30 to 45 minutes"),
    "scratching": ("on-the-day", "scratching"),
    "how long": ("on-the-day", "15 minutes to over an hour"),
    "granulomas": ("on-the-day", "rare lumps"),
    "first hours": ("aftercare", "first 4 hours"),
    "4 to 24": ("aftercare", "4 to 24 hours"),
    "24 to 48": ("aftercare", "24 to 48 hours"),
    "nor on the second day": ("aftercare", "Still no pool, sauna, peel, hair removal, fake tan or hard exercise"),
    "48 to 72": ("aftercare", "No hard exercise for 72 hours"),
    "pool": ("aftercare", "No pool, sauna, peel, hair removal or fake tan"),
    "days 3 to 7": ("aftercare", "every 2 hours"),
    "weeks": ("aftercare", "within 7 days"),
    "months": ("aftercare", "3 months or more after your last session"),
    "number": ("sessions", "3 to 6 sessions"),
    "four weeks": ("sessions", "4 weeks has better support than 2 weeks"),
    "28 days": ("sessions", "28 days"),
    "expected effects": ("risks-and-when-to-call", "Redness, swelling, soreness, dry skin and peeling"),
    "dark marks": ("risks-and-when-to-call", "more likely in darker skin"),
    "one of 32": ("risks-and-when-to-call", "32 people, one got an infection"),
    "tram-track": ("risks-and-when-to-call", "tram-track"),
    "15 people": ("risks-and-when-to-call", "15 people"),
    "hiv": ("risks-and-when-to-call", "HIV"),
    "nerves": ("risks-and-when-to-call", "nerves and blood vessels"),
    "no benefit": ("risks-and-when-to-call", "little change"),
    "at home": ("questions-and-answers", "Home needles are shorter and less clean"),
    "darker skin": ("questions-and-answers", "Often yes, with care"),
    "work": ("questions-and-answers", "1 to 3 days"),
    "talk, not treatment": ("questions-and-answers", "book a talk with a clinician"),
    "no treatment": ("alternatives", "Doing nothing"),
    "silicone": ("alternatives", "Silicone"),
    "steroid": ("alternatives", "Steroid injections"),
    "camouflage": ("alternatives", "Camouflage"),
    "subcision": ("alternatives", "Subcision"),
    "punch": ("alternatives", "Punch excision"),
    "filler": ("alternatives", "Filler"),
    "dermabrasion": ("alternatives", "Dermabrasion"),
    "peel": ("alternatives", "Chemical peel"),
}


@pytest.mark.parametrize("fact", [*ARTICLE_FACTS, *CLINICAL_FACTS])
def test_says_the_fact(fact):
    slug, words = {**CLINICAL_FACTS, **ARTICLE_FACTS}[fact]
    assert re.search(words, TEXT[slug]), f"{slug} does not say: {words}"


def test_the_eleven_pages_are_there():
    assert set(ARTICLES) == {
        "how-it-works", "which-scars", "who-should-wait", "what-to-expect", "preparing", "on-the-day", "aftercare",
        "sessions", "risks-and-when-to-call", "alternatives", "questions-and-answers",
    }  # fmt: skip


@pytest.mark.parametrize("slug", ["preparing", "who-should-wait", "aftercare", "risks-and-when-to-call"])
def test_the_medicine_line_comes_from_the_block(slug):
    assert "{{ block: medicine }}" in ARTICLES[slug].body
    assert "Do not stop your medicine." in TEXT[slug]


@pytest.mark.parametrize("slug", ["preparing", "who-should-wait", "aftercare"])
def test_nobody_stops_a_cream_that_a_doctor_prescribed_without_asking(slug):
    article = ARTICLES[slug]
    said = [
        line
        for line in f"{article.short_answer}\n{article.body}".splitlines()
        if re.search("retinol|strong cream", line, re.I)
    ]
    assert said and [line for line in said if not re.search(r"prescribed.*ask|ask.*prescribed", line)] == []


HOURS = ["hours-0-4", "hours-4-24", "hours-24-48", "hours-48-72", "days-3-7"]


@pytest.mark.parametrize("hours", HOURS)
def test_each_stretch_of_the_first_week_says_again_what_harms_the_skin(hours):
    """Whoever is on the second day reads what is said of the second day, and nothing else."""
    body = ARTICLES["aftercare"].body
    [said] = re.findall(rf"^## [^\n]*{{#{hours}}}\n(.*?)^## ", body, re.MULTILINE | re.DOTALL)
    named = ["retinol", "acids", "scrubs", "If a doctor prescribed yours, ask us or the doctor first"]
    if hours in HOURS[1:4]:
        named += ["pool", "sauna", "peel", "hair removal", "fake tan"]
    forbidden = said.split("**Do not.**")[1]
    assert [thing for thing in named if thing not in forbidden] == []


def test_the_wait_after_isotretinoin_rests_on_its_own_label():
    """The label of the device bars only its use at the same time."""
    [said] = re.findall(r"## Isotretinoin .*?\n\n(.*?)\n", ARTICLES["who-should-wait"].body)
    [cited] = re.findall(r"6 months.*?\{\{ source: (.*?) \}\}", said.split("Two groups")[0])
    assert cited == "isotretinoin-label"
    assert "skinpen-label" in said


def test_the_sun_line_is_word_for_word():
    assert str(blocks.SUN) == (
        "Your skin is easier to harm by the sun after treatment. Stay out of strong sun and put sunscreen on again "
        "through the day."
    )


KEPT = [
    ("who-should-wait", "who-should-wait"), ("who-should-wait", "medicine"), ("preparing", "medicine"),
    ("aftercare", "when-to-call"), ("aftercare", "medicine"), ("risks-and-when-to-call", "when-to-call"),
    ("risks-and-when-to-call", "medicine"),
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("slug", "block"), KEPT)
def test_a_page_does_not_lose_the_blocks_that_patients_count_on(editor, slug, block):
    article, line = ARTICLES[slug], f"{{{{ block: {block} }}}}"
    words = {"title": article.title, "summary": article.summary, "short_answer": article.short_answer}
    pages = {page.slug: page for page in Article.objects.bulk_create(Article(slug=one) for one in ARTICLES)}
    for body in (article.body.replace(line, ""), article.body.replace(line, f"Read {line}")):
        with pytest.raises(ValidationError) as refused:
            pages[slug].save_draft(**words, body=body, sources=list(article.sources), by=editor, now=NOW)
        assert f"Patients count on {line} on this page" in refused.value.messages[0]
    assert pages[slug].save_draft(**words, body=article.body, sources=list(article.sources), by=editor, now=NOW)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("It is safe.", "safe"), ("You are cleared!", "cleared"), ("You passed.", "passed"), ("Perfect", "perfect"),
        ("a flaw", "flaw"), ("flawless", "flawless"), ("imperfections", "imperfections"), ("suffering", "suffering"),
        ("transforms you", "transforms"), ("PAINLESS", "painless"), ("permanently", "permanently"),
        ("guaranteed", "guaranteed"), ("only today", "only today"), ("Only 2 left", "only 2 left"),
        ("saf\u00ade", "safe"), ("pain-less", "pain-less"), ("pain\u2011less", "pain\u2011less"),
        ("per\u200bfect", "perfect"), ("only\n today", "only today"),
    ],
)  # fmt: skip
def test_knows_each_word_that_no_page_says(said, told):
    assert never_said(f"One. {said}") == [told]


def test_leaves_other_words_alone():
    assert never_said("It is unsafe to compass the left side today. Only you know your pain, less or more.") == []


@pytest.mark.parametrize("slug", ARTICLES)
def test_uses_no_word_that_no_page_says(slug):
    assert never_said(TEXT[slug]) == []


@pytest.mark.parametrize("slug", ARTICLES)
def test_is_set_with_printed_quotes(slug):
    article = ARTICLES[slug]
    said = "".join([article.title, article.summary, article.short_answer, *(s["title"] for s in article.sources)])
    assert "'" not in said and '"' not in said


@pytest.mark.parametrize("slug", ARTICLES)
def test_gives_no_depth(slug):
    assert not re.search(r"\d\s*(mm|millimet)", TEXT[slug])


@pytest.mark.parametrize("slug", ARTICLES)
def test_is_written_for_a_reading_age_of_9_to_11(slug):
    result = readability(rendering.render(ARTICLES[slug].body).prose)
    assert result.sentences >= 10
    assert 9 <= result.age <= 11, result.grade


def test_who_should_wait_leaves_every_wait_of_ours_to_the_rules():
    """The list is written from the rules; what stands below it must not be able to say something else."""
    body = re.sub(r"\{\{.*?\}\}", "", ARTICLES["who-should-wait"].body)
    sentences = re.split(r"(?<=[.:])\s", body)
    lengths = [text for text in sentences if re.search(r"\d+\s(?:days?|weeks?|months?|years?)|aged \d", text)]
    assert lengths and [text for text in lengths if not re.search(r"\blabel|\btools are for", text)] == []
    assert not re.search(r"not right for you|we do not treat|rules (?:it|them) out", body, re.IGNORECASE)


@pytest.mark.parametrize("slug", ARTICLES)
def test_has_no_problem_and_uses_every_source_it_lists(slug):
    article = ARTICLES[slug]
    keys = [source["key"] for source in article.sources]
    needed = blocks.NEEDED.get(slug, ())
    assert rendering.problems(article.body, sources=keys, blocks_needed=needed) == []
    cited = {
        name.strip()
        for match in rendering.PLACEHOLDER.finditer(article.body)
        if match["kind"] == "source"
        for name in match["name"].split(",")
    }
    assert cited == set(keys)
    assert 1 <= len(article.short_answer.splitlines()) <= 3


def test_links_inside_the_pages_lead_somewhere():
    headings = {
        slug: {heading.id for heading in rendering.render(article.body).headings} for slug, article in ARTICLES.items()
    }
    for article in ARTICLES.values():
        for slug in article.related:
            assert slug in ARTICLES
        for slug, anchor in re.findall(r"\]\(/learn/([a-z-]+)/(?:#([a-z-]+))?\)", article.body):
            assert slug in ARTICLES
            assert not anchor or anchor in headings[slug], (article.slug, slug, anchor)


def test_findings_can_lead_to_every_item_of_the_questionnaire():
    ids = {heading.id for heading in rendering.render(ARTICLES["who-should-wait"].body).headings}
    assert ids >= {
        "age-date-of-birth", "treatment-area", "scar-type", "scar-age", "active-skin-infection", "cold-sores",
        "broken-skin", "active-acne", "rosacea", "eczema", "psoriasis", "keloid", "injury-triggered-skin",
        "skin-cancer-area", "changing-mole", "sun-tan", "pregnancy", "breastfeeding", "isotretinoin", "blood-thinners",
        "bleeding-disorder", "weak-immunity", "cancer-treatment", "diabetes", "connective-tissue", "poor-healing",
        "recent-procedures", "active-skincare", "allergy-numbing", "allergy-metal", "allergy-other", "numbing-safety",
        "dark-marks", "other-health",
    }  # fmt: skip


def test_never_cites_what_could_not_be_verified():
    titles = " ".join(source["title"] for source in default_sources().values())
    for name in ("Alster", "Houghton", "Iriarte", "Ramaut", "American Academy of Dermatology"):
        assert name not in titles


def test_every_source_says_how_strong_it_is():
    for source in default_sources().values():
        assert source["strength"] in {"S1", "S2", "S3", "S4"}
        assert not source.get("url") or source["url"].startswith("https://")
