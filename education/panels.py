"""What the education part shows on gathered pages: reviews that wait or are overdue, and what is missing."""

from clinic.registry import Panel
from education.models import Article


def to_do(request, now) -> dict | None:
    """Pages a clinician is asked to read, and pages whose review is overdue; None when there are none."""
    from django.utils import timezone

    today = timezone.localdate(now)
    pages = (
        Article.objects.with_titles().with_states().with_needs(on=today).filter(needs__lte=2).order_by("needs", "order")
    )
    rows = list(pages)
    return {"pages": rows, "today": today} if rows else None


def before_opening(request, now) -> dict | None:
    """The shipped pages that patients cannot read yet, because nobody has signed or published them."""
    missing = list(Article.objects.with_titles().with_states().filter(published_revision=None).order_by("order"))
    nothing = not missing and not Article.objects.exists()
    return {"pages": missing, "nothing": nothing} if missing or nothing else None


DASHBOARD = Panel("dashboard", 60, "education/panels/to_do.html", to_do, "education.view_article")
OPENING = Panel("opening", 30, "education/panels/before_opening.html", before_opening, "education.view_article")
