"""The pages people read. Every one is a GET that changes nothing."""

import json
import re

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from clinic.views import drawn_panels
from education import blocks, rendering
from education.models import FOUND_END, FOUND_START, Article, Picture, Source
from education.readability import readability
from education.synonyms import answered_elsewhere

SEARCH_LENGTH = 100  # characters; nobody needs more, and nothing longer reaches the database
# What the search leads to besides articles: what it is about, and its title.
ELSEWHERE = {
    "booking:treatments": (
        gettext_lazy("What a session costs and when you can come:"),
        gettext_lazy("Prices and times"),
    ),
    "contact": (gettext_lazy("Where we are and how to reach us:"), gettext_lazy("Contact and emergencies")),
    "my": (gettext_lazy("Where you move or cancel a visit:"), gettext_lazy("My appointments")),
    "complaints": (gettext_lazy("How to complain, and what we do:"), gettext_lazy("If something went wrong")),
    "privacy": (gettext_lazy("How we look after what you tell us:"), gettext_lazy("Privacy")),
}
JSON_IN_HTML = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def search_words(request: HttpRequest) -> str:
    """What was typed into the search: the last `q`, without control characters, cut to 100 characters."""
    # A lone surrogate, which no database takes, becomes a question mark.
    typed = request.GET.get("q", "").encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in typed).split())[:SEARCH_LENGTH]


def found_html(headline: str) -> SafeString:
    """A headline with its found words marked: everything is escaped, then our two marks are turned into tags."""
    marked = escape(headline).replace(FOUND_START, "<mark>").replace(FOUND_END, "</mark>")
    return mark_safe(marked)  # noqa: S308 escaped in the line above


def block_words(request: HttpRequest) -> dict[str, str]:
    """What the blocks that are written by templates say at this moment, as plain text: the search looks at it too."""
    said = {}
    for name, template in blocks.TEMPLATES.items():
        # What stands apart on the page is not to run together: names one under another, and what tags part.
        html = re.sub(r"(</\w+>)*</span>(?=<span)", "; ", render_to_string(template, request=request))
        said[name] = rendering.plain(html.replace("<", " <"))
    return said


@require_safe
def article_list(request: HttpRequest) -> HttpResponse:
    """All published pages in their order, or those that hold the words looked for."""
    now, words = timezone.now(), search_words(request)
    results = list(Article.objects.search(words, now=now, block_words=block_words(request))) if words else []
    for result in results:
        result.found = found_html(result.headline)
    answered = answered_elsewhere(words)
    elsewhere = answered or ([] if results else ["booking:treatments"])
    context = {
        "q": words,
        "answered": bool(answered),
        "elsewhere": [(*ELSEWHERE[name], reverse(name)) for name in elsewhere],
        "results": results,
        "articles": [] if results else Article.objects.published(now=now),
        "suggestions": [_("acne scars"), _("aftercare"), _("pregnancy"), _("sunscreen")],
    }
    return render(request, "education/list.html", context)


@require_safe
def article(request: HttpRequest, slug: str) -> HttpResponse:
    """One published page: the short answer, who reviewed it and when, contents, text, sources, what next."""
    now = timezone.now()
    page = get_object_or_404(
        Article.objects.published(now=now).prefetch_related("published_revision__sources"), slug=slug
    )
    context = article_context(page, page.published_revision)
    context["related"] = page.related.published(now=now)
    context["overdue"] = page.review_due < timezone.localdate(now)
    context["json_ld"] = json_ld(request, page)
    return render(request, "education/article.html", context)


def article_context(page: Article, revision, *, sources: list[Source] | None = None) -> dict:
    """What the article's template needs, for a page as patients see it or for a preview of another version.

    sources: of words that are not saved yet; else the revision's own are read."""
    sources = list(revision.sources.all()) if sources is None else sources
    rendered = revision.page(sources)
    said = revision.body
    above, themes = "", {}  # paragraph to the heading it stands under, for the list of who should wait
    for heading in rendered.headings:
        if heading.level == 2:
            above = heading.text
        else:
            themes[heading.id] = above
    return {
        "article": page,
        "revision": revision,
        "parts": rendered.parts,
        "text": rendered.text,
        "themes": themes,
        "contents": [heading for heading in rendered.headings if heading.level == 2],
        "sources": sources,
        "reading": readability(rendered.prose),
        "sun": None if "block: sun" in said else blocks.SENTENCES["sun"],
        "disclaimer": blocks.SENTENCES["disclaimer"],
    }


def json_ld(request: HttpRequest, page: Article) -> SafeString:
    """The schema.org description of a page, fit for a script element of type application/ld+json (data, never run)."""
    from clinic.models import Clinic

    revision, clinic = page.published_revision, Clinic.get()
    assert revision is not None and page.published_at is not None  # noqa: S101, PT018 `published()` asks for both
    data = {
        "@context": "https://schema.org",
        "@type": "MedicalWebPage",
        "name": revision.title,
        "description": revision.summary,
        "url": settings.PUBLIC_URL + page.get_absolute_url(),
        "inLanguage": settings.LANGUAGE_CODE,
        "datePublished": page.published_at.isoformat(),
        "lastReviewed": page.reviewed_on.isoformat(),
        "about": {"@type": "MedicalProcedure", "name": _("Microneedling")},
        "audience": {"@type": "Patient"},
        "citation": [
            {"@type": "CreativeWork", "name": source.title, **({"url": source.url} if source.url else {})}
            for source in revision.sources.all()
        ],
    }
    if clinic:
        data["publisher"] = {"@type": "MedicalClinic", "name": clinic.name}
    if not (clinic and clinic.is_demo):  # invented people are not told to search engines
        data["reviewedBy"] = {"@type": "Person", "name": page.reviewed_by}
    return mark_safe(json.dumps(data, ensure_ascii=False).translate(JSON_IN_HTML))  # noqa: S308 cannot end the element


@require_safe
def picture(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """An uploaded picture. The address holds its fingerprint, so a browser may keep it for good."""
    found = get_object_or_404(Picture, name=name)
    if not found.sha256.startswith(digest) or len(digest) != 12:
        raise Http404
    etag = f'"{found.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified()
    response = HttpResponse(bytes(found.content), content_type=found.media_type)
    response["Cache-Control"] = "public, max-age=31536000, immutable"
    response["ETag"] = etag
    return response


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """The privacy notice; its version is kept with every agreement."""
    return render(request, "education/privacy.html", {"version": settings.PRIVACY_VERSION})


@require_safe
def accessibility(request: HttpRequest) -> HttpResponse:
    """The accessibility statement."""
    return render(request, "education/accessibility.html")


@require_safe
def complaints(request: HttpRequest) -> HttpResponse:
    """How to complain."""
    return render(request, "education/complaints.html")


@require_safe
def contact(request: HttpRequest) -> HttpResponse:
    """Where we are, when we are closed, and what to do in an emergency: all from the locations."""
    return render(request, "education/contact.html", {"panels": drawn_panels("contact", request, timezone.now())})


@require_safe
def sitemap(request: HttpRequest) -> HttpResponse:
    """The public pages, for search engines; published articles with the day they were published."""
    pages = [
        {"url": settings.PUBLIC_URL + reverse(name), "day": None}
        for name in ("home", "education:list", "booking:treatments", "screening:start", "contact", "privacy")
    ]
    pages += [
        {"url": settings.PUBLIC_URL + page.get_absolute_url(), "day": page.published_at}
        for page in Article.objects.published(now=timezone.now())
    ]
    return render(request, "education/sitemap.xml", {"pages": pages}, content_type="application/xml")


@require_safe
def robots(request: HttpRequest) -> HttpResponse:
    """Search engines may read what is public; nothing of a visit, an account or the staff."""
    lines = [
        "User-agent: *",
        *(f"Disallow: {path}" for path in ("/admin/", "/accounts/", "/appointments/", "/book/hold/", "/my/")),
    ]
    lines += ["Disallow: /screening/", "Allow: /screening/$", f"Sitemap: {settings.PUBLIC_URL}{reverse('sitemap')}", ""]
    return HttpResponse("\n".join(lines), content_type="text/plain; charset=utf-8")
