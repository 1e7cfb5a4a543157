"""The education pages in the staff site: write, preview, ask, sign, publish. Verbs are buttons; GET changes nothing.

The verbs are those of `education.models`; this file shows forms, calls them and turns what they refuse into sentences.
"""

import difflib

from csp.decorators import csp_replace
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_POST

from clinic.admin import AsksFiltersOnly
from education import blocks, pictures
from education.forms import ArticleForm, ChangesForm, PictureForm, SignForm, SourceFormSet
from education.models import Article, ArticleReview, ArticleRevision, Picture, Source, holds
from education.readability import long_sentences, readability
from education.rendering import render as render_body
from education.views import article_context
from education.wording import never_said


class WorkFilter(admin.SimpleListFilter):
    """What waits for whom."""

    title = _("what to do")
    parameter_name = "work"

    def lookups(self, request, model_admin):
        return [
            ("sign", _("waiting for a clinician")),
            ("publish", _("signed, not published")),
            ("overdue", _("review overdue")),
            ("draft", _("newest version is a draft")),
        ]

    def queryset(self, request, queryset):
        work = self.value()
        if work == "sign":
            return queryset.waiting()
        if work == "draft":
            return queryset.in_state("draft")
        if work == "publish":
            return queryset.to_publish()
        if work == "overdue":
            return queryset.filter(review_due__lt=timezone.localdate())
        return queryset


@admin.register(Article)
class ArticleAdmin(AsksFiltersOnly):
    """Pages: each with what is to do, the state of its newest version and of what patients read."""

    list_display = ["page_title", "to_do", "state", "shown", "due"]
    list_filter = [WorkFilter]
    search_fields = ["slug", "revisions__title"]
    actions = None

    def get_queryset(self, request):
        return Article.objects.with_titles().with_states().with_needs(on=timezone.localdate())

    def get_ordering(self, request):
        return ["needs", "order", "slug"]  # what waits for somebody comes first

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"title": _("Articles"), **(extra_context or {})})

    def has_delete_permission(self, request, obj=None) -> bool:
        return False  # versions and signatures stay; a page is taken down instead

    @admin.display(description=_("page"))
    def page_title(self, article) -> str:
        return article.latest_title or article.slug

    @admin.display(description=_("to do"))
    def to_do(self, article) -> str:
        if article.needs > 2:
            return "–"
        facts = {"page": article, "today": timezone.localdate()}
        return render_to_string("admin/education/article/needs.html", facts)

    @admin.display(description=_("newest version"))
    def state(self, article):
        return STATE_WORDS[article.state][1]  # without an icon: those are for what is to do

    @admin.display(description=_("patients read"))
    def shown(self, article):
        if article.published_version is None:
            return down_words(article) or _("nothing yet")
        return _("version %(version)d") % {"version": article.published_version}

    @admin.display(description=_("review due"))
    def due(self, article):
        return date_words(article.review_due) if article.review_due else "–"

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("phone/", view(self.phone), name="education_article_written"),
            path("<int:pk>/versions/<int:version>/phone/", view(self.phone), name="education_article_phone"),
            path("<int:pk>/versions/<int:version>/review/", view(self.review), name="education_article_review"),
            path("<int:pk>/versions/<int:version>/ask/", view(require_POST(self.ask)), name="education_article_ask"),
            path(
                "<int:pk>/versions/<int:version>/publish/",
                view(require_POST(self.publish)),
                name="education_article_publish",
            ),
            path("<int:pk>/take-down/", view(self.take_down), name="education_article_take_down"),
            *super().get_urls(),
        ]

    # ---- writing

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.edit(request, None)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        article = self.get_object(request, object_id)
        if article is None:
            raise Http404
        if not self.has_view_or_change_permission(request, article):
            raise PermissionDenied
        return self.edit(request, article)

    def edit(self, request: HttpRequest, article: Article | None) -> HttpResponse:
        """The words of the newest version, to be saved as the next one; beside them how easy they are to read."""
        versions = versions_of(article) if article else []
        latest = versions[0]["revision"] if versions else None
        may_write = holds(request.user, "change_article")
        data = request.POST if request.method == "POST" else None
        form = ArticleForm(data, instance=article, initial=words_of(latest))
        sources = SourceFormSet(
            data, prefix="sources", initial=[s.as_dict() for s in latest.sources.all()] if latest else []
        )
        if request.method == "POST":
            if not may_write:
                raise PermissionDenied
            if form.is_valid() & sources.is_valid():
                saved = self.save_words(request, form, sources, latest)
                if saved is not None:
                    return redirect("admin:education_article_change", saved.article_id)
        body = form["body"].value() or ""
        page = render_body(body)
        context = {
            **self.admin_site.each_context(request),
            "title": latest.title if latest else _("New page"),
            "opts": self.opts,
            "article": article,
            "latest": latest,
            "after": form.cleaned_data.get("based_on") if form.is_bound else latest and latest.version,
            "state": state_word(article) if article else None,
            "taken_down": down_words(article) if article else "",
            "form": form,
            "sources": sources,
            "errors": form.errors or sources.total_error_count(),
            "reading": readability(page.prose),
            "long_sentences": long_sentences(page.text),
            "never_said": never_said(*(form[name].value() or "" for name in WORDS if name != "body"), page.text),
            "versions": versions,
            "may_write": may_write,
            "may_publish": holds(request.user, "publish_article"),
            "may_review": holds(request.user, "review_article"),
            "block_names": blocks.NAMES,
            "picture_names": [*pictures.DRAWINGS, *Picture.objects.values_list("name", flat=True)],
        }
        return render(request, "admin/education/article/edit.html", context)

    def save_words(self, request, form: ArticleForm, sources, latest) -> ArticleRevision | None:
        """Saves a draft in one transaction, and says what was saved; None, with the problems on the form, when it was
        refused. `latest`: the version before it."""
        words = {name: form.cleaned_data[name] for name in WORDS}
        kept = [item for item in sources.cleaned_data if item and not item.get("DELETE")]
        try:
            with transaction.atomic():
                new = form.instance.pk is None
                article = form.save()
                revision = article.save_draft(**words, sources=kept, by=request.user, now=timezone.now())
                if revision != latest:
                    log = self.log_addition if new else self.log_change
                    log(request, article, str(_("Version %(version)d") % {"version": revision.version}))
                    messages.success(request, _("Saved as version %(version)d.") % {"version": revision.version})
                elif {*form.Meta.fields} & {*form.changed_data}:
                    self.log_change(request, article, str(_("Place")))
                    said = _("Its place is saved. The words are the same, so there is no new draft.")
                    messages.success(request, said)
                else:
                    messages.info(request, _("Nothing was changed, so there is no new draft."))
                return revision
        except ValidationError as error:
            form.add_problems(error)
            return None

    # ---- reading one version

    def revision(self, request, pk: int, version: int) -> ArticleRevision:
        """One version, for somebody who may see it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        revisions = ArticleRevision.objects.select_related("article", "author").prefetch_related("sources", "reviews")
        return get_object_or_404(revisions, article_id=pk, version=version)

    @method_decorator([xframe_options_sameorigin, csp_replace({"frame-ancestors": ["'self'"]})])
    def phone(self, request, pk: int | None = None, version: int | None = None) -> HttpResponse:
        """What stands in the frame that is as wide as a phone, with its reading age: one version, or the words as they
        stand in the form that is sent here. Saves nothing."""
        if pk is not None and version is not None:
            revision = self.revision(request, pk, version)
            context = article_context(revision.article, revision)
        elif not holds(request.user, "change_article"):
            raise PermissionDenied
        else:
            revision, sources = written(request.POST)
            context = article_context(Article(), revision, sources=sources)
        context["never_said"] = never_said(revision.title, revision.summary, revision.short_answer, context["text"])
        page = render_to_string("education/phone.html", context, request)
        # Links open beside the editor; those inside the page stay in the frame.
        return HttpResponse(page.replace('<a href="#', '<a target="_self" href="#'))

    def review(self, request, pk: int, version: int) -> HttpResponse:
        """Exactly one version and what changed since the published one; a clinician signs it or says what to change."""
        revision = self.revision(request, pk, version)
        may_review = holds(request.user, "review_article")
        now, today = timezone.now(), timezone.localdate()
        signing = request.method == "POST" and "sign" in request.POST
        refusing = request.method == "POST" and "changes" in request.POST
        sign_form = SignForm(request.POST if signing else None, today=today)
        changes_form = ChangesForm(request.POST if refusing else None, prefix="changes")
        if request.method == "POST" and not may_review:
            raise PermissionDenied
        try:
            if signing and sign_form.is_valid():
                due, comment = sign_form.cleaned_data["review_due"], sign_form.cleaned_data["comment"]
                revision.sign(by=request.user, now=now, review_due=due, comment=comment)
                return self.done(request, revision, _("You signed version %(version)d. An editor can publish it now."))
            if refusing and changes_form.is_valid():
                revision.ask_for_changes(by=request.user, now=now, comment=changes_form.cleaned_data["comment"])
                return self.done(request, revision, _("Your comment on version %(version)d is kept for the editor."))
        except ValidationError as error:
            (sign_form if signing else changes_form).add_error(None, error.messages)
        published = revision.article.published_revision
        context = {
            **self.admin_site.each_context(request),
            **article_context(revision.article, revision),
            "title": revision.title,
            "opts": self.opts,
            "published": published,
            "changes": changes_between(published, revision) if published else None,
            "sign_form": sign_form,
            "changes_form": changes_form,
            "errors": sign_form.errors or changes_form.errors,
            "may_review": may_review and request.user.pk != revision.author_id,
            "is_author": request.user.pk == revision.author_id,
            "reviews": revision.reviews.all(),
            "never_said": never_said(revision.title, revision.summary, revision.short_answer, revision.text),
        }
        return render(request, "admin/education/article/review.html", context)

    # ---- verbs

    def done(self, request, revision, sentence) -> HttpResponse:
        """Says what happened, keeps it in the admin's log, and goes back to the page."""
        words = sentence % {"version": revision.version}
        messages.success(request, words)
        self.log_change(request, revision.article, str(words))
        return redirect("admin:education_article_change", revision.article_id)

    def ask(self, request, pk: int, version: int) -> HttpResponse:
        """Asks a clinician to review one version."""
        revision = self.revision(request, pk, version)
        revision.ask_for_review(by=request.user, now=timezone.now())
        return self.done(request, revision, _("A clinician is asked to review version %(version)d."))

    def publish(self, request, pk: int, version: int) -> HttpResponse:
        """Shows a signed version to patients."""
        revision = self.revision(request, pk, version)
        try:
            revision.article.publish(revision, by=request.user, now=timezone.now())
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
            return redirect("admin:education_article_change", pk)
        return self.done(request, revision, _("Patients read version %(version)d now."))

    def take_down(self, request, pk: int) -> HttpResponse:
        """Asks first, then hides a page from patients; says why where others lead to it."""
        if not holds(request.user, "publish_article"):
            raise PermissionDenied
        article = get_object_or_404(Article.objects.with_titles(), pk=pk)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": _("Take the page down"),
                "opts": self.opts,
                "article": article,
            }
            return render(request, "admin/education/article/take_down.html", context)
        try:
            article.take_down(by=request.user, now=timezone.now())
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        else:
            messages.success(request, _("Patients no longer see this page."))
            self.log_change(request, article, str(_("Taken down")))
        return redirect("admin:education_article_change", pk)


WORDS = ("title", "summary", "short_answer", "body")


def words_of(revision: ArticleRevision | None) -> dict:
    """What the form begins with."""
    if revision is None:
        return {}
    return {**{name: getattr(revision, name) for name in WORDS}, "based_on": revision.version}


def written(data: QueryDict) -> tuple[ArticleRevision, list[Source]]:
    """The words of a form as they stand, right or not, as a version that is not saved; and the sources without a
    mistake."""
    form, rows = ArticleForm(data), SourceFormSet(data, prefix="sources").forms
    sources = [
        Source(**{name: row.cleaned_data.get(name) for name in row.Meta.fields})
        for row in rows
        if row.is_valid() and row.cleaned_data.get("key") and not row.cleaned_data.get("DELETE")
    ]
    return ArticleRevision(**{name: form[name].value() or "" for name in WORDS}), sources


def date_words(day) -> str:
    """A date with the month's name."""
    from django.utils.formats import date_format

    return date_format(day, "j F Y")


def down_words(article: Article) -> str:
    """Who took a page down and when; nothing for one that patients read, or never could. Needs `with_states()`."""
    if article.published_revision_id is not None or article.left_at is None:
        return ""
    return _("taken down on %(day)s by %(who)s") % {
        "day": date_words(timezone.localtime(article.left_at)),
        "who": article.left_by,
    }


STATE_WORDS = {
    "none": ("plain", _("no words yet")),
    "draft": ("plain", _("draft")),
    "waiting": ("wait", _("waiting for a clinician")),
    "changes": ("wait", _("clinician asks for changes")),
    "signed": ("information", _("signed, not published")),
    "published": ("done", _("published")),
}


def state_word(article: Article):
    """The state of the newest version: a word with its icon. Needs `with_states()`."""
    tone, word = STATE_WORDS[article.state]
    return format_html('<span class="status status-{}">{}</span>', tone, word)


def versions_of(article: Article) -> list[dict]:
    """Every version, newest first, with what was said about it and whether patients read it, or could."""
    revisions = list(article.revisions.with_past().select_related("author").prefetch_related("reviews"))
    last_shown = max((revision.version for revision in revisions if revision.was_published), default=0)
    return [
        {
            "revision": revision,
            "reviews": list(revision.reviews.all()),
            "is_published": revision.pk == article.published_revision_id,
            # A signed version stays publishable while somebody writes on; an older one that was never shown does not.
            "can_publish": revision.last_answer == ArticleReview.Outcome.SIGNED
            and revision.pk != article.published_revision_id
            and (revision.was_published or revision.version > last_shown),
        }
        for revision in revisions
    ]


def changes_between(old: ArticleRevision, new: ArticleRevision) -> list[tuple[str, str]]:
    """Lines that differ between two versions, as ("added" | "removed" | "same" | "gap", line)."""

    def lines(revision: ArticleRevision) -> list[str]:
        sources = [
            f"{s.key}: {s.title} ({s.get_kind_display()}, {s.year or '–'}, {s.strength}) {s.url}"
            for s in revision.sources.all()
        ]
        words = [revision.title, revision.summary, *revision.short_answer.splitlines(), *revision.body.splitlines()]
        return [line for line in [*words, *sources] if line.strip()]

    found = []
    for line in difflib.unified_diff(lines(old), lines(new), lineterm="", n=1):
        if line.startswith(("---", "+++")) and len(line.strip()) == 3:
            continue
        kind = {"+": "added", "-": "removed", "@": "gap"}.get(line[0], "same")
        found.append((kind, "" if kind == "gap" else line[1:]))
    return found


@admin.register(Picture)
class PictureAdmin(AsksFiltersOnly):
    """The library: uploads, which are never changed, and how to put one into a text."""

    list_display = ["name", "alt", "media_type", "size"]
    search_fields = ["name", "alt"]
    actions = None
    readonly_fields = ["shown"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("content")

    def changelist_view(self, request, extra_context=None):
        return super().changelist_view(request, {"title": _("Pictures"), **(extra_context or {})})

    def get_fields(self, request, obj=None):
        return ["shown", "name", "alt", "media_type", "size"] if obj else ["file", "name", "alt"]

    def get_readonly_fields(self, request, obj=None):
        return ["shown", "name", "alt", "media_type", "size"] if obj else []

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or not obj.is_used())

    @admin.display(description=_("size"))
    def size(self, picture) -> str:
        return f"{picture.width} × {picture.height}"

    @admin.display(description=_("picture"))
    def shown(self, picture):
        return picture.html()

    def add_view(self, request, form_url="", extra_context=None):
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PictureForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            try:
                picture = Picture.upload(**form.cleaned_data, by=request.user, now=timezone.now())
            except ValidationError as error:
                if hasattr(error, "error_dict"):
                    for name, problems in error.error_dict.items():
                        form.add_error(name if name in form.fields else None, problems)
                else:
                    form.add_error("file", error)
            else:
                self.log_addition(request, picture, "")
                words = _("Uploaded. Put it into a text as %(code)s.") % {"code": f"{{{{ picture: {picture.name} }}}}"}
                messages.success(request, words)
                return redirect("admin:education_picture_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Upload a picture"),
            "opts": self.opts,
            "form": form,
            "errors": form.errors,
            "back": reverse("admin:education_picture_changelist"),
        }
        return render(request, "admin/education/picture/upload.html", context)
