"""The articles that come with the software: Markdown with a head of facts, in `education/content/`.

They are drafts until the clinic's own clinician signs them; every fact is from CLINICAL section 3 and carries its
source, or no source where none could be verified.
"""

import io
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from ruamel.yaml import YAML

from education.models import Article, ArticleRevision

FOLDER = Path(__file__).parent / "content"


@dataclass(frozen=True)
class DefaultArticle:
    """One shipped article as it stands in its file."""

    slug: str
    order: int
    title: str
    summary: str
    short_answer: str
    related: tuple[str, ...]
    next_step: str
    sources: tuple[dict, ...]
    body: str


def _yaml(text: str) -> dict:
    return YAML(typ="safe").load(io.StringIO(text))


@cache
def default_sources() -> dict[str, dict]:
    """The citations of the shipped articles by key."""
    sources = _yaml((FOLDER / "sources.yaml").read_text(encoding="utf-8"))
    return {key: {"key": key, **values} for key, values in sources.items()}


@cache
def default_articles() -> tuple[DefaultArticle, ...]:
    """The shipped articles in their order. Raises KeyError for a source that sources.yaml lacks."""
    articles = []
    for path in sorted(FOLDER.glob("*.md")):
        _empty, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
        facts = _yaml(head)
        articles.append(
            DefaultArticle(
                slug=facts["slug"],
                order=facts["order"],
                title=facts["title"],
                summary=facts["summary"],
                short_answer="\n".join(facts["short"]),
                related=tuple(facts["related"]),
                next_step=facts["next"],
                sources=tuple(default_sources()[key] for key in facts["sources"]),
                body=body.strip() + "\n",
            )
        )
    return tuple(sorted(articles, key=lambda article: article.order))


def load_default_articles(*, now: datetime | None = None) -> list[ArticleRevision]:
    """Makes a draft of every shipped article that the clinic does not have yet, and returns the drafts it made.

    A page that exists is left alone when anybody has written a version of it; where only shipped versions exist and the
    software brings a newer text, that text becomes one more draft. Nothing is published or signed. Run again it makes
    nothing. `now` (aware) defaults to the moment of the call.
    """
    now = now or timezone.now()
    made = []
    with transaction.atomic():
        new_pages = []
        for default in default_articles():
            article, created = Article.objects.get_or_create(
                slug=default.slug, defaults={"order": default.order, "next_step": default.next_step}
            )
            if created:
                new_pages.append((article, default))
            elif article.revisions.filter(author__isnull=False).exists():
                continue
            before = article.latest_revision()
            revision = article.save_draft(
                title=default.title,
                summary=default.summary,
                short_answer=default.short_answer,
                body=default.body,
                sources=list(default.sources),
                by=None,
                now=now,
            )
            if before is None or revision.pk != before.pk:
                made.append(revision)
        for article, default in new_pages:
            article.related.set(Article.objects.filter(slug__in=default.related))
    return made
