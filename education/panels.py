"""What the education part shows on gathered pages: reviews that wait or are overdue, and what is missing."""

from django.urls import reverse
from django.utils.translation import gettext as _

from clinic.registry import Missing, Panel, as_read_by
from education.models import Article

# The addresses of the shipped pages that answer what people ask before anything else, in this order.
READ_FIRST = ("how-it-works", "which-scars", "who-should-wait", "what-to-expect", "risks-and-when-to-call", "aftercare")


def to_do(request, now) -> dict | None:
    """Pages a clinician is asked to read, and pages whose review is overdue; None when there are none."""
    from django.utils import timezone

    today = timezone.localdate(now)
    pages = (
        Article.objects.with_titles().with_states().with_needs(on=today).filter(needs__lte=2).order_by("needs", "order")
    )
    rows = list(pages)
    return {"pages": rows, "today": today} if rows else None


def to_read(request, now) -> dict | None:
    """What people read first, for the home page; None while nothing is published."""
    pages = {page.slug: page for page in Article.objects.published(now=now).filter(slug__in=READ_FIRST)}
    return {"pages": [pages[slug] for slug in READ_FIRST if slug in pages]} if pages else None


def missing_before_opening() -> list[Missing]:
    """The pages that patients cannot read yet, because nobody has signed or published them; empty when all are up."""
    pages = Article.objects.with_titles().order_by("order")
    if not pages:
        return [Missing(_("There are no pages. Run the set-up of a new clinic to get drafts."))]
    return [
        Missing(
            page.latest_title or page.slug,
            reverse("admin:education_article_change", args=[page.pk]),
            "education.view_article",
        )
        for page in pages
        if page.published_revision_id is None
    ]


def before_opening(request, now) -> dict | None:
    """What is missing among the pages; None when nothing is."""
    missing = as_read_by(request.user, missing_before_opening())
    return {"missing": missing} if missing else None


DASHBOARD = Panel("dashboard", 60, "education/panels/to_do.html", to_do, "education.view_article")
OPENING = Panel("opening", 30, "education/panels/before_opening.html", before_opening)
HOME = Panel("home", 10, "education/panels/home.html", to_read)
