"""What editors and clinicians fill in about the education pages."""

from datetime import timedelta
from typing import Any, cast

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils.translation import gettext_lazy as _

from clinic.forms import AnsweredOnce, RecordAnsweredOnce
from clinic.visible import INVISIBLE, all_visible, legible
from education.models import REVIEW_LASTS_DAYS, Article, ArticleRevision, Picture, Source

MAX_SOURCES = 80


def plain(field: forms.Field) -> forms.Field:
    """The field, refusing characters that nobody can see: no database takes them, or our own marks use them."""
    field.validators = [*field.validators, all_visible]
    return field


def readable(field: forms.Field, *, lines: bool = False) -> forms.Field:
    """The field, refusing what nobody can see, or read out; `lines`: it may have more than one."""
    words = legible(unseen=INVISIBLE, no_letter=_("Write this in words."), lines=lines)
    field.validators = [*field.validators, words]
    return field


class RelatedField(forms.ModelMultipleChoiceField):
    """Other pages, by the title of their newest version."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Article) -> str:
        return obj.latest_title or obj.slug


class ArticleForm(RecordAnsweredOnce):
    """A page's place, and the words of its next version."""

    title = readable(forms.CharField(label=_("Title"), max_length=120))
    summary = readable(
        forms.CharField(
            label=_("Summary"), max_length=200, help_text=ArticleRevision._meta.get_field("summary").help_text
        )
    )
    short_answer = readable(
        forms.CharField(
            label=_("Short answer"),
            max_length=500,
            widget=forms.Textarea(attrs={"rows": 3}),
            help_text=ArticleRevision._meta.get_field("short_answer").help_text,
        ),
        lines=True,
    )
    body = plain(
        forms.CharField(
            label=_("Text"),
            max_length=60_000,
            widget=forms.Textarea(attrs={"rows": 30, "spellcheck": "true"}),
            help_text=_(
                "Markdown. Headings: ## Title {#fixed-id}. On a line of its own: {{ block: medicine }} or "
                "{{ picture: name }}. After a sentence: {{ source: short-name }}."
            ),
        )
    )
    based_on = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = Article
        fields = ["slug", "order", "next_step", "related"]
        field_classes = {"related": RelatedField}
        widgets = {"related": forms.CheckboxSelectMultiple}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        others = Article.objects.exclude(pk=self.instance.pk).with_titles()
        cast(forms.ModelMultipleChoiceField, self.fields["related"]).queryset = others
        if self.instance.pk:  # its address is in links and in findings
            del self.fields["slug"]

    def clean(self) -> dict[str, Any] | None:
        """Two editors at once: the second is told, and loses nothing that was typed."""
        cleaned = super().clean()
        latest = self.instance.latest_revision() if self.instance.pk else None
        if latest is not None and self.cleaned_data.get("based_on") != latest.version:
            somebody = _(
                "Somebody saved version %(version)d while you were writing. Copy your text, open the page again and "
                "put your changes into the new version."
            )
            self.add_error(None, ValidationError(somebody, params={"version": latest.version}))
        return cleaned

    def add_problems(self, error: ValidationError) -> None:
        """Shows what `save_draft` refused beside the field it is about."""
        if not hasattr(error, "error_dict"):
            self.add_error(None, error)
            return
        for name, problems in error.error_dict.items():
            self.add_error(name if name in self.fields else NON_FIELD_ERRORS, problems)


class SourceForm(RecordAnsweredOnce):
    """One citation."""

    url = forms.URLField(label=_("Link"), max_length=300, required=False, assume_scheme="https")

    class Meta:
        model = Source
        fields = ["key", "title", "kind", "year", "url", "strength"]
        widgets = {"title": forms.Textarea(attrs={"rows": 2})}

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        readable(self.fields["title"], lines=True)


SourceFormSet = forms.formset_factory(
    SourceForm, extra=2, can_delete=True, max_num=MAX_SOURCES, validate_max=True, absolute_max=MAX_SOURCES + 10
)


class SignForm(AnsweredOnce):
    """A clinician's signature. There is no field for who signs: it is whoever is signed in."""

    agree = forms.BooleanField(
        label=_("I have read this version and its sources. What it says is right for our patients."),
        error_messages={"required": _("Tick the sentence if you agree with it.")},
    )
    review_due = forms.DateField(
        label=_("Look at it again by"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    comment = plain(
        forms.CharField(label=_("Comment"), max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))
    )

    def __init__(self, *args, today, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.fields["review_due"].initial = today + timedelta(days=REVIEW_LASTS_DAYS)
        self.fields["review_due"].help_text = _("At most one year from today.")


class ChangesForm(AnsweredOnce):
    """A clinician does not sign, and says why."""

    comment = plain(
        forms.CharField(label=_("What has to change"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))
    )


class PictureForm(RecordAnsweredOnce):
    """A picture to upload."""

    file = forms.FileField(
        label=_("File"),
        help_text=_(
            "PNG, JPEG or WebP, at most 5 MB and 40 million pixels. It is encoded again, without the data hidden in it."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": "image/png,image/jpeg,image/webp"}),
    )

    class Meta:
        model = Picture
        fields = ["name", "alt"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        alt = self.fields["alt"]
        alt.validators = [
            *alt.validators,
            legible(unseen=INVISIBLE, no_letter=_("Say in words what the picture shows.")),
        ]
