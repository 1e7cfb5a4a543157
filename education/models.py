"""Learn: articles, every version of their words, the sources of each version, and who signed it.

The words of a version, its sources, a clinician's signature and the list of what was published when are append-only:
triggers and privileges refuse every change (DESIGN section 4, I4; HAZARDS H15). What is shown is one pointer,
`Article.published_revision`, and the database accepts it only for a revision whose latest answer is a signature.
"""

import datetime
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import (
    CombinedSearchVector,
    SearchHeadline,
    SearchQuery,
    SearchRank,
    SearchVector,
    SearchVectorField,
)
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models, transaction
from django.db.models import Case, Exists, F, Max, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Concat
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from clinic.models import User
from clinic.registry import headings_needed_on
from education import blocks, pictures, rendering
from education.synonyms import in_our_words

REVIEW_LASTS_DAYS = 365  # at most; a clinician may choose a shorter time
SEARCH_CONFIG = "english"
# Pages that the site's own pages lead to by their address (a test reads the templates).
LED_TO = frozenset(
    ["aftercare", "alternatives", "on-the-day", "preparing", "risks-and-when-to-call", "which-scars", "who-should-wait"]
)
# Marks around a found word in a headline; control characters cannot be typed into a page, so escaping stays simple.
FOUND_START, FOUND_END = "\x02", "\x03"


class NotSigned(ValidationError):
    """A revision that does not stand signed was to be published."""


def holds(user, permission: str) -> bool:
    """Whether an active person holds a permission of this app **through a group**. `is_superuser` is no clinician."""
    return isinstance(user, User) and f"education.{permission.removeprefix('education.')}" in user.role_permissions()


def require(user, permission: str) -> None:
    """Raises PermissionDenied unless `holds`."""
    if not holds(user, permission):
        raise PermissionDenied(permission)


def answers_on(revision) -> "models.QuerySet[ArticleReview]":
    """What clinicians said of a revision (or an OuterRef to one), the latest first: the first one counts."""
    return ArticleReview.objects.filter(revision=revision).order_by("-signed_at", "-pk")


class ArticleQuerySet(models.QuerySet):
    """Pages of the education part."""

    def published(self, *, now: datetime.datetime) -> "ArticleQuerySet":
        """Those that patients can read at `now` (aware), each with its text and the last signature, in one query.

        Adds `reviewed_on`, `review_due` (dates) and `reviewed_by` (the name as it was signed).
        """
        last = answers_on(OuterRef("published_revision")).filter(outcome=ArticleReview.Outcome.SIGNED)
        return (
            self.filter(published_revision__isnull=False, published_at__lte=now)
            .select_related("published_revision")
            .annotate(
                reviewed_on=Subquery(last.values("reviewed_on")[:1]),
                review_due=Subquery(last.values("review_due")[:1]),
                reviewed_by=Subquery(last.values("signed_as")[:1]),
            )
        )

    def overdue(self, *, on: date, now: datetime.datetime) -> "ArticleQuerySet":
        """Published pages whose review was due before `on`; the list staff work through."""
        return self.published(now=now).filter(review_due__lt=on).order_by("review_due", "order")

    def with_titles(self) -> "ArticleQuerySet":
        """Adds `latest_title`, of the newest version."""
        newest = ArticleRevision.objects.filter(article=OuterRef("pk")).order_by("-version")
        return self.annotate(latest_title=Subquery(newest.values("title")[:1]))

    def with_states(self) -> "ArticleQuerySet":
        """Adds `state` of the newest version (none, draft, waiting, changes, signed, published), `published_version`
        and `review_due` of what patients read, `left_at` and `left_by` of the last time the page was taken down;
        `waiting_version`, the newest that a clinician is asked to read, and `to_publish_version`, the newest signed
        one that is newer than all that patients ever read: a draft after them hides neither. All of it is computed
        from the records, never stored.
        """
        newest = ArticleRevision.objects.filter(article=OuterRef("pk")).order_by("-version")
        answers = answers_on(OuterRef("newest_id"))
        asked = ReviewRequest.objects.filter(revision=OuterRef("newest_id")).order_by("-asked_at")
        shown = answers_on(OuterRef("published_revision")).filter(outcome=ArticleReview.Outcome.SIGNED)
        left = Publication.objects.filter(article=OuterRef("pk"), revision=None).order_by("-at", "-pk")
        waiting = ReviewRequest.objects.open().filter(revision__article=OuterRef("pk")).order_by("-revision__version")
        signed = newest.with_past().filter(last_answer=ArticleReview.Outcome.SIGNED)
        ever_shown = Publication.objects.filter(article=OuterRef("article"), revision__version__gte=OuterRef("version"))
        return self.annotate(
            left_at=Subquery(left.values("at")[:1]),
            left_by=Subquery(left.values("by__name")[:1]),
            newest_id=Subquery(newest.values("pk")[:1]),
            published_version=F("published_revision__version"),
            waiting_version=Subquery(waiting.values("revision__version")[:1]),
            to_publish_version=Subquery(signed.filter(~Exists(ever_shown)).values("version")[:1]),
            review_due=Subquery(shown.values("review_due")[:1]),
        ).annotate(
            last_answer=Subquery(answers.values("outcome")[:1]),
            last_answer_at=Subquery(answers.values("signed_at")[:1]),
            last_asked_at=Subquery(asked.values("asked_at")[:1]),
            state=Case(
                When(newest_id=None, then=Value("none")),
                When(newest_id=F("published_revision"), then=Value("published")),
                When(last_answer="signed", then=Value("signed")),
                When(Q(last_asked_at__gt=F("last_answer_at")), then=Value("waiting")),
                When(last_answer="changes-needed", then=Value("changes")),
                When(last_asked_at__isnull=False, then=Value("waiting")),
                default=Value("draft"),
                output_field=models.CharField(),
            ),
        )

    def waiting(self) -> "ArticleQuerySet":
        """Pages of which a clinician is asked to read a version; needs `with_states()`."""
        return self.filter(waiting_version__isnull=False)

    def to_publish(self) -> "ArticleQuerySet":
        """Pages of which a clinician has signed what patients have not read yet; needs `with_states()`."""
        return self.filter(to_publish_version__isnull=False)

    def with_needs(self, *, on: date) -> "ArticleQuerySet":
        """Adds `needs`, at most 2 where somebody has to act on the page, most urgent first; needs `with_states()`."""
        return self.annotate(
            needs=Case(
                When(waiting_version__isnull=False, then=0),
                When(review_due__lt=on, then=1),
                When(Q(to_publish_version__isnull=False) | Q(state="changes"), then=2),
                When(state="draft", then=3),
                default=4,
                output_field=models.IntegerField(),
            )
        )

    def in_state(self, state: str) -> "ArticleQuerySet":
        """Those whose newest version is in a state; needs `with_states()`."""
        return self.filter(state=state)

    def search(
        self, words: str, *, now: datetime.datetime, block_words: Mapping[str, str] | None = None
    ) -> "ArticleQuerySet":
        """Published pages that hold the words (English stems, `or`, `-` and quotes understood), or our words for them,
        best first. `block_words`: what each block that a template writes says now; it counts for the pages that
        contain the block, because the stored text of a version cannot hold it.

        Adds `rank` and `headline`, plain text with found words between FOUND_START and FOUND_END.
        """
        query = SearchQuery(words, config=SEARCH_CONFIG, search_type="websearch")
        if (ours := in_our_words(words)) != words:
            query |= SearchQuery(ours, config=SEARCH_CONFIG, search_type="websearch")
        said_now = [
            Case(
                When(published_revision__body__regex=rf"\{{\{{\s*block\s*:\s*{name}\s*\}}\}}", then=Value(f"\n{said}")),
                default=Value(""),
            )
            for name, said in (block_words or {}).items()
        ]
        all_blocks = Concat(Value(""), Value(""), *said_now, output_field=models.TextField())
        # The address names the subject in one word, which the page itself may say in others ("aftercare").
        address = SearchVector("slug", weight="B", config=SEARCH_CONFIG)
        more = address + SearchVector(all_blocks, weight="C", config=SEARCH_CONFIG)
        stored = F("published_revision__search")
        return (
            self.published(now=now)
            .annotate(everything=CombinedSearchVector(stored, "||", more, SEARCH_CONFIG, SearchVectorField()))
            .filter(everything=query)
            .annotate(
                rank=SearchRank(F("everything"), query),
                headline=SearchHeadline(
                    Concat("published_revision__text", all_blocks, output_field=models.TextField()),
                    query,
                    config=SEARCH_CONFIG,
                    start_sel=FOUND_START,
                    stop_sel=FOUND_END,
                    max_words=30,
                    min_words=12,
                    max_fragments=1,
                ),
            )
            .order_by("-rank", "order")
        )


class Article(models.Model):
    """One page. It has a fixed address and place; its words are in revisions."""

    class Next(models.TextChoices):
        TREATMENTS = "treatments", _("prices and times")
        SCREENING = "screening", _("is it right for me?")
        WHO_SHOULD_WAIT = "who-should-wait", _("read who should wait")
        CONTACT = "contact", _("call us")

    slug = models.SlugField(
        _("address"), unique=True, help_text=_("The end of the page's address. Links and findings use it: choose once.")
    )
    order = models.PositiveSmallIntegerField(_("order"), default=100, help_text=_("Small numbers come first."))
    next_step = models.CharField(
        _("next step at the end"), max_length=20, choices=Next.choices, default=Next.TREATMENTS
    )
    related = models.ManyToManyField("self", symmetrical=False, blank=True, verbose_name=_("related pages"))
    published_revision = models.ForeignKey(
        "ArticleRevision", models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    published_at = models.DateTimeField(null=True, blank=True, editable=False)

    # Set by the QuerySet's `published`, `search`, `with_titles`, `with_states` and `with_needs`, and only then.
    reviewed_on: date
    review_due: date | None
    reviewed_by: str
    headline: str
    found: str
    latest_title: str | None
    state: str
    published_version: int | None
    waiting_version: int | None
    to_publish_version: int | None
    left_at: datetime.datetime | None
    left_by: str

    objects = ArticleQuerySet.as_manager()

    class Meta:
        verbose_name = _("article")
        verbose_name_plural = _("articles")
        ordering = ["order", "slug"]
        permissions = [
            ("publish_article", "Can publish a signed revision, or take a page down"),
            ("review_article", "Can sign a revision as a clinician"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(published_revision__isnull=True, published_at__isnull=True)
                | Q(published_revision__isnull=False, published_at__isnull=False),
                name="education_article_published_when_and_what_together",
            )
        ]

    def __str__(self) -> str:
        return self.slug

    def get_absolute_url(self) -> str:
        """The page's address."""
        from django.urls import reverse

        return reverse("education:article", args=[self.slug])

    def latest_revision(self) -> "ArticleRevision | None":
        """The newest version, published or not."""
        return self.revisions.order_by("-version").first()

    def save_draft(
        self, *, title: str, summary: str, short_answer: str, body: str, sources: list[dict], by, now: datetime.datetime
    ) -> "ArticleRevision":
        """Keeps the words as a new version, and leaves the published one as it is. Returns the version.

        `short_answer`: one to three lines. `sources`: dicts of key, title, kind, year, url, strength, in order.
        `by`: the author, who needs `change_article`; None only for the content shipped with the software.
        Raises PermissionDenied, or ValidationError with one message for each problem of the body, with its line; also
        for a heading that is missing though findings of the active questions lead to it (`clinic.registry`), and for a
        block that this page is not to lose (`blocks.NEEDED`).
        Writes one revision and its sources; saving the very same words again writes nothing and returns the newest.
        """
        if by is not None:
            require(by, "change_article")
        body = rendering.with_line_ends(body).strip() + "\n"
        short_answer = "\n".join(line.strip() for line in short_answer.splitlines() if line.strip())
        sources = [Source.tidy(source) for source in sources]
        keys = [source["key"] for source in sources]
        if len(set(keys)) != len(keys):
            raise ValidationError({"sources": _("Two sources have the same short name.")})
        if found := self.problems(body, keys, is_shipped=by is None):
            raise ValidationError({"body": found})
        with transaction.atomic():
            Article.objects.select_for_update().get(pk=self.pk)  # versions of one page are counted one after another
            latest = self.latest_revision()
            if latest is not None and latest.says(title, summary, short_answer, body, sources):
                return latest
            revision = ArticleRevision(
                article=self,
                version=(self.revisions.aggregate(last=Max("version"))["last"] or 0) + 1,
                title=title.strip(),
                summary=summary.strip(),
                short_answer=short_answer,
                body=body,
                text=rendering.render(body, sources=keys).text,
                author=by,
                created_at=now,
            )
            revision.full_clean(exclude=["search"])
            revision.save(force_insert=True)
            rows = [Source(revision=revision, order=number, **source) for number, source in enumerate(sources, 1)]
            for row in rows:
                row.full_clean()
            Source.objects.bulk_create(rows)
        return revision

    def problems(self, body: str, keys: Sequence[str], *, is_shipped: bool = False) -> list[str]:
        """What stops these words from being this page, a sentence each. `keys`: of their sources, in order.

        A shipped text knows only the shipped questions, and comes before the pages it leads to; whoever writes, signs
        or publishes it later is told.
        """
        found = rendering.problems(
            body,
            sources=keys,
            pictures_known=set(Picture.objects.values_list("name", flat=True)),
            headings_needed=() if is_shipped else headings_needed_on(self.slug),
            blocks_needed=blocks.NEEDED.get(self.slug, ()),
            pages_known=None if is_shipped else set(Article.objects.values_list("slug", flat=True)),
        )
        return [str(problem) for problem in found]

    def publish(self, revision: "ArticleRevision", *, by, now: datetime.datetime) -> None:
        """Shows a signed revision to patients from now on, and records that it was published, by whom and when.

        Raises PermissionDenied without `publish_article`, NotSigned unless a clinician's latest answer on exactly this
        revision is a signature, ValidationError for another page's revision; PostgreSQL refuses the same (trigger).
        Raises ValidationError, too, for words that could not be saved today: the questions, or what a page has to keep,
        have changed since. What patients read stays up all the same.
        """
        require(by, "publish_article")
        if revision.article_id != self.pk:
            raise ValidationError(_("This revision belongs to another page."))
        with transaction.atomic():
            Article.objects.select_for_update().get(pk=self.pk)
            answer = answers_on(revision).first()
            if answer is None:
                raise NotSigned(_("A clinician has to sign this revision before it can be published."))
            if answer.outcome != ArticleReview.Outcome.SIGNED:
                raise NotSigned(
                    _("A clinician has asked for changes to this version. It can be published once it is signed again.")
                )
            revision.refuse_if_unfit()
            Publication.objects.create(article=self, revision=revision, at=now, by=by)
            Article.objects.filter(pk=self.pk).update(published_revision=revision, published_at=now)
        self.published_revision, self.published_at = revision, now

    def is_led_to(self) -> bool:
        """Whether findings of the active questions, or the site's own pages, lead patients here."""
        return self.slug in LED_TO or bool(headings_needed_on(self.slug))

    def take_down(self, *, by, now: datetime.datetime) -> None:
        """Hides the page from patients at once, and records it. Its versions stay. Needs `publish_article`.

        Raises ValidationError for a page that others lead to: patients would find a closed door.
        """
        require(by, "publish_article")
        if self.is_led_to():
            raise ValidationError(_("Other pages lead patients here, so this page cannot be taken down."))
        with transaction.atomic():
            Article.objects.select_for_update().get(pk=self.pk)
            Publication.objects.create(article=self, revision=None, at=now, by=by)
            Article.objects.filter(pk=self.pk).update(published_revision=None, published_at=None)
        self.published_revision = self.published_at = None


class ArticleRevisionQuerySet(models.QuerySet):
    """Versions of pages."""

    def with_past(self) -> "ArticleRevisionQuerySet":
        """Adds `was_published`, and `last_answer`: the outcome of the latest review, or None."""
        return self.annotate(
            was_published=Exists(Publication.objects.filter(revision=OuterRef("pk"))),
            last_answer=Subquery(answers_on(OuterRef("pk")).values("outcome")[:1]),
        )


class ArticleRevision(models.Model):
    """The words of one version of a page. Never changed: a change is the next version."""

    article = models.ForeignKey(Article, models.PROTECT, related_name="revisions")
    version = models.PositiveIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=120)
    summary = models.CharField(
        _("summary"), max_length=200, help_text=_("One sentence, for the list of pages and for search engines.")
    )
    short_answer = models.TextField(
        _("short answer"), max_length=500, help_text=_("Up to three lines, one sentence or two each. Shown first.")
    )
    body = models.TextField(_("text"), max_length=60_000)
    text = models.TextField(editable=False)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(editable=False)
    search = models.GeneratedField(
        expression=SearchVector("title", weight="A", config=SEARCH_CONFIG)
        + SearchVector("summary", weight="B", config=SEARCH_CONFIG)
        + SearchVector("short_answer", weight="B", config=SEARCH_CONFIG)
        + SearchVector("text", weight="C", config=SEARCH_CONFIG),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    # Set by the QuerySet's `with_past`, and only then.
    was_published: bool
    last_answer: str | None

    objects = ArticleRevisionQuerySet.as_manager()

    class Meta:
        verbose_name = _("revision")
        verbose_name_plural = _("revisions")
        ordering = ["-version"]
        indexes = [GinIndex(fields=["search"], name="education_revision_search")]
        constraints = [
            models.UniqueConstraint(fields=["article", "version"], name="education_articlerevision_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.version})"

    def clean(self) -> None:
        """At most three lines of short answer."""
        lines = self.short_lines()
        if not 1 <= len(lines) <= 3:
            raise ValidationError({"short_answer": _("Write one to three lines.")})

    def short_lines(self) -> list[str]:
        """The short answer, a line each."""
        return [line for line in self.short_answer.splitlines() if line.strip()]

    def says(self, title: str, summary: str, short_answer: str, body: str, sources: list[dict]) -> bool:
        """Whether this version has exactly these words and sources."""
        mine = [source.as_dict() for source in self.sources.all()]
        return (self.title, self.summary, self.short_answer, self.body, mine) == (
            title.strip(),
            summary.strip(),
            short_answer,
            body,
            sources,
        )

    def page(self, sources: Sequence["Source"]) -> rendering.Page:
        """The body as HTML parts, with headings; `sources` in their order. Reads uploaded pictures the body names."""
        wanted = {match["name"] for match in rendering.PLACEHOLDER.finditer(self.body) if match["kind"] == "picture"}
        wanted -= set(pictures.DRAWINGS)
        uploads = {p.name: p for p in Picture.objects.filter(name__in=wanted).defer("content")} if wanted else {}
        return rendering.render(self.body, sources=[source.key for source in sources], uploads=uploads)

    def ask_for_review(self, *, by, now: datetime.datetime) -> "ReviewRequest":
        """Puts this version on the clinicians' list. Asking again while it is open returns the open request.

        Raises PermissionDenied without `change_article`.
        """
        require(by, "change_article")
        with transaction.atomic():
            Article.objects.select_for_update().get(pk=self.article_id)
            asked = self.requests.open().order_by("-asked_at").first()
            if asked is not None:
                return asked
            return ReviewRequest.objects.create(revision=self, asked_by=by, asked_at=now)

    def refuse_if_unfit(self) -> None:
        """Raises ValidationError with a sentence for each thing that would stop these words from being saved today."""
        keys = [source.key for source in self.sources.all()]
        if found := self.article.problems(self.body, keys):
            unfit = _("This version is not ready for patients. An editor has to write a new one.")
            raise ValidationError([unfit, *found])

    def sign(self, *, by, now: datetime.datetime, review_due: date, comment: str = "") -> "ArticleReview":
        """A clinician signs that the words of exactly this version are right. It publishes nothing by itself.

        `by` signs as themselves: needs `review_article` through a group, and is not the author. `review_due`: after
        today in the clinic's time zone and at most a year away. Raises PermissionDenied, ValidationError: also for
        words that could not be saved today.
        """
        return self._answer(ArticleReview.Outcome.SIGNED, by=by, now=now, review_due=review_due, comment=comment)

    def ask_for_changes(self, *, by, now: datetime.datetime, comment: str) -> "ArticleReview":
        """A clinician does not sign and says what has to change. Raises as `sign`, and without words."""
        if not comment.strip():
            raise ValidationError({"comment": _("Say what has to change.")})
        return self._answer(ArticleReview.Outcome.CHANGES, by=by, now=now, review_due=None, comment=comment)

    def _answer(self, outcome, *, by, now, review_due, comment) -> "ArticleReview":
        from django.utils import timezone

        require(by, "review_article")
        if by.pk == self.author_id:
            raise PermissionDenied(_("You wrote this version. Somebody else has to sign it."))
        today = timezone.localtime(now).date()
        if outcome == ArticleReview.Outcome.SIGNED and not (
            review_due is not None and today < review_due <= today + timedelta(days=REVIEW_LASTS_DAYS)
        ):
            raise ValidationError({"review_due": _("Choose a day after today, at most one year away.")})
        if outcome == ArticleReview.Outcome.SIGNED:
            self.refuse_if_unfit()
        practitioner = getattr(by, "practitioner", None)
        signed_as = by.get_full_name()
        if practitioner is not None:
            signed_as = ", ".join(word for word in (practitioner.name, practitioner.profession) if word)
        return ArticleReview.objects.create(
            revision=self,
            reviewer=by,
            signed_as=signed_as,
            signed_at=now,
            outcome=outcome,
            reviewed_on=today,
            review_due=review_due,
            comment=comment.strip(),
        )


class Source(models.Model):
    """A citation of one version: what a statement rests on, and how strong that is."""

    class Kind(models.TextChoices):
        REGULATOR = "regulator", _("regulator")
        DEVICE_LABEL = "device-label", _("label or manual")
        GUIDELINE = "guideline", _("guideline or consensus")
        REVIEW = "review", _("review of many studies")
        TRIAL = "trial", _("trial")
        STUDY = "study", _("study")
        SUMMARY = "summary", _("expert summary")
        LEAFLET = "leaflet", _("leaflet")
        CLINIC_PAGE = "clinic-page", _("clinic or trade page")

    class Strength(models.TextChoices):
        S1 = "S1", _("official: a regulator or a device label")
        S2 = "S2", _("strong: a review of many studies, a guideline or a consensus")
        S3 = "S3", _("some: one study, a summary or a leaflet")
        S4 = "S4", _("weak: a clinic or trade page, shows what is common")

    STRENGTH_WORDS = {
        Strength.S1: _("official"),
        Strength.S2: _("strong"),
        Strength.S3: _("some"),
        Strength.S4: _("weak"),
    }

    revision = models.ForeignKey(ArticleRevision, models.PROTECT, related_name="sources")
    order = models.PositiveSmallIntegerField()
    key = models.SlugField(
        _("short name"), max_length=40, help_text=_("Cite it in the text as {{ source: short-name }}.")
    )
    title = models.CharField(_("title"), max_length=300)
    kind = models.CharField(_("kind"), max_length=20, choices=Kind.choices)
    year = models.PositiveSmallIntegerField(
        _("year"), null=True, blank=True, validators=[MinValueValidator(1900), MaxValueValidator(2100)]
    )
    url = models.URLField(_("link"), max_length=300, blank=True, validators=[URLValidator(schemes=["https", "http"])])
    strength = models.CharField(_("strength"), max_length=2, choices=Strength.choices)

    class Meta:
        verbose_name = _("source")
        verbose_name_plural = _("sources")
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["revision", "key"], name="education_source_key_once"),
            models.UniqueConstraint(fields=["revision", "order"], name="education_source_order_once"),
        ]

    def __str__(self) -> str:
        return self.title

    FIELDS = ("key", "title", "kind", "year", "url", "strength")

    @classmethod
    def tidy(cls, values: dict) -> dict:
        """The six values of a source, empty ones made equal."""
        tidy = {name: values.get(name) or (None if name == "year" else "") for name in cls.FIELDS}
        return {name: value.strip() if isinstance(value, str) else value for name, value in tidy.items()}

    @property
    def strength_word(self) -> str:
        """The strength in one word; the page says above its list what the words mean."""
        return str(self.STRENGTH_WORDS[self.Strength(self.strength)])

    def as_dict(self) -> dict:
        """The six values, as `save_draft` takes them."""
        return {name: getattr(self, name) for name in self.FIELDS}


class AskedQuerySet(models.QuerySet):
    """What editors asked clinicians to read."""

    def open(self) -> "AskedQuerySet":
        """Those that nobody has answered since."""
        answers = ArticleReview.objects.filter(
            revision__article=OuterRef("revision__article"),
            revision__version__gte=OuterRef("revision__version"),
            signed_at__gte=OuterRef("asked_at"),
        )
        return self.filter(~Exists(answers))


class ReviewRequest(models.Model):
    """An editor asked for a clinician's signature on one version. Open until somebody answers, on that version or on a
    newer one: a draft that is saved meanwhile closes nothing."""

    revision = models.ForeignKey(ArticleRevision, models.PROTECT, related_name="requests")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()

    objects = AskedQuerySet.as_manager()

    class Meta:
        verbose_name = _("request for review")
        verbose_name_plural = _("requests for review")
        ordering = ["asked_at"]

    def __str__(self) -> str:
        return str(self.revision)


class ArticleReview(models.Model):
    """A clinician's signed answer on exactly one version. The reviewer is who was signed in, never a choice."""

    class Outcome(models.TextChoices):
        SIGNED = "signed", _("signed")
        CHANGES = "changes-needed", _("changes needed")

    revision = models.ForeignKey(ArticleRevision, models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    signed_as = models.CharField(_("signed as"), max_length=220, help_text=_("Name and profession on that day."))
    signed_at = models.DateTimeField()
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    reviewed_on = models.DateField(_("reviewed on"))
    review_due = models.DateField(_("review due"), null=True, blank=True)
    comment = models.TextField(_("comment"), max_length=2000, blank=True)

    class Meta:
        verbose_name = _("review by a clinician")
        verbose_name_plural = _("reviews by clinicians")
        ordering = ["-signed_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="signed", review_due__isnull=False, review_due__gt=F("reviewed_on"))
                | (Q(outcome="changes-needed", review_due__isnull=True) & ~Q(comment="")),
                name="education_articlereview_due_when_signed_words_when_not",
            )
        ]

    def __str__(self) -> str:
        return f"{self.revision}: {self.get_outcome_display()}"


class Publication(models.Model):
    """What patients could read, from when: one row for each publishing, and one without revision when a page went."""

    article = models.ForeignKey(Article, models.PROTECT, related_name="publications")
    revision = models.ForeignKey(ArticleRevision, models.PROTECT, null=True, blank=True, related_name="+")
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        verbose_name = _("publication")
        verbose_name_plural = _("publications")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.article} {self.at:%Y-%m-%d}"


class Picture(models.Model):
    """A picture that the clinic uploaded, encoded again by us, kept in the database beside the words that use it.

    It is never changed (a signed page must not change under its signature): upload a new one under a new name. One that
    no version uses can be deleted.
    """

    name = models.SlugField(
        _("short name"), unique=True, max_length=40, help_text=_("Put it into a text as {{ picture: short-name }}.")
    )
    alt = models.CharField(
        _("text alternative"),
        max_length=300,
        help_text=_("What somebody who cannot see the picture needs to know. Facts in it also go into the text."),
    )
    content = models.BinaryField(editable=False)
    media_type = models.CharField(max_length=20, editable=False)
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    sha256 = models.CharField(max_length=64, editable=False)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", editable=False)
    uploaded_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(alt=""), name="education_picture_has_a_text_alternative"),
            models.CheckConstraint(
                condition=Q(media_type__in=list(pictures.FORMATS.values())), name="education_picture_png_jpeg_webp"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def upload(cls, *, name: str, alt: str, file, by, now: datetime.datetime) -> "Picture":
        """Keeps an uploaded PNG, JPEG or WebP, encoded again without metadata. Needs `add_picture`.

        Raises PermissionDenied; ValidationError for a bad file, a name in use or of a drawing, no text alternative.
        """
        require(by, "add_picture")
        if name in pictures.DRAWINGS:
            raise ValidationError({"name": _("One of our drawings has this name. Choose another.")})
        fresh = pictures.clean_upload(file)
        picture = cls(name=name, alt=alt.strip(), uploaded_by=by, uploaded_at=now, **vars(fresh))
        picture.full_clean()
        picture.save(force_insert=True)
        return picture

    def is_used(self) -> bool:
        """Whether any version of any page names it."""
        pattern = rf"\{{\{{\s*picture\s*:\s*{self.name}\s*\}}\}}"
        return ArticleRevision.objects.filter(body__regex=pattern).exists()

    def html(self):
        """The picture for a page, with its alternative."""
        from django.urls import reverse

        address = reverse("education:picture", args=[self.name, self.sha256[:12]])
        return format_html(
            '<figure class="picture"><img src="{}" alt="{}" width="{}" height="{}" loading="lazy"></figure>',
            address,
            self.alt,
            self.width,
            self.height,
        )
