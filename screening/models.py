"""Is it right for this patient: what is asked, what was answered, what the rules say, what a clinician decided.

Four things that are never mixed: a response (the patient answers), an assessment (the rules speak), a review (a named
clinician decides) and a clearance (computed for a date, never stored: `screening.clearance`). After publication or
completion nothing here changes or goes (DESIGN section 4, I4); triggers and privileges see to it.
"""

import uuid
from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from screening import questionnaires


class Effect(models.TextChoices):
    """What a rule does, mildest first. `incomplete` blocks like a contraindication."""

    NONE = "none", _("nothing found")
    ADVISE = "advise", _("advice")
    REVIEW = "review", _("look closely")
    DEFER = "defer", _("wait")
    CONTRAINDICATED = "contraindicated", _("not suitable")
    INCOMPLETE = "incomplete", _("answers missing")


class QuestionnaireQuerySet(models.QuerySet):
    """Versions of questionnaires."""

    def active(self) -> "QuestionnaireQuerySet":
        """Those in force: at most one version of each name."""
        return self.filter(status=Questionnaire.Status.ACTIVE)


class Questionnaire(models.Model):
    """One version of a questionnaire (FHIR Questionnaire). An active one never changes: a change is a new version."""

    class Status(models.TextChoices):
        DRAFT = "draft", _("draft")
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")

    class Purpose(models.TextChoices):
        SCREENING = "screening", _("full screening")
        RECHECK = "recheck", _("short re-check before a session")

    name = models.SlugField(_("name"))
    version = models.PositiveIntegerField(_("version"))
    title = models.CharField(_("title"), max_length=200)
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose.choices, default=Purpose.SCREENING)
    device_label = models.CharField(
        _("written for the label of"), max_length=200, blank=True, help_text=_("Another device is another version.")
    )
    source_text = models.TextField(blank=True, editable=False, help_text=_("The definition as it was loaded."))
    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.DRAFT, editable=False)
    rescreen = models.BooleanField(
        _("everybody answers again"),
        default=True,
        help_text=_("Earlier clearances no longer count once this version is active."),
    )
    treatments = models.ManyToManyField(
        "clinic.Treatment", blank=True, related_name="+", verbose_name=_("screens for these treatments")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    published_at = models.DateTimeField(null=True, blank=True, editable=False)
    retired_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = QuestionnaireQuerySet.as_manager()

    class Meta:
        verbose_name = _("questionnaire")
        verbose_name_plural = _("questionnaires")
        ordering = ["name", "-version"]
        permissions = [
            ("propose_questionnaire", "Can propose a questionnaire for publication"),
            ("publish_questionnaire", "Can publish a questionnaire somebody else proposed"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["name", "version"], name="screening_questionnaire_version_once"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(status="active"), name="screening_questionnaire_one_active"
            ),
            models.CheckConstraint(
                condition=Q(status="draft")
                | Q(published_by__isnull=False, proposed_by__isnull=False, published_at__isnull=False),
                name="screening_questionnaire_published_by_name",
            ),
            models.CheckConstraint(
                condition=Q(published_by__isnull=True) | ~Q(published_by=F("proposed_by")),
                name="screening_questionnaire_two_people_publish",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    def definition(self) -> "questionnaires.Questionnaire":
        """Its sections, questions and rules as the dataclasses that `screening.assessment` reads. Four queries.

        What is published never changes (a trigger sees to it), so each process reads it once; a draft is read afresh
        every time. Raises screening.definition.DefinitionError when the rows hold what no loader writes: that blocks.
        """
        from screening.definition import from_rows

        if self.status == self.Status.DRAFT:
            return from_rows(self)
        key = (self.pk, self.name, self.version, self.published_at)
        if key not in _published:
            _published[key] = from_rows(self)
        return _published[key]


# Published definitions by row: immutable values of immutable rows, some 50 kB each.
_published: "dict[tuple, questionnaires.Questionnaire]" = {}


class Section(models.Model):
    """A step of the form: one group of questions."""

    questionnaire = models.ForeignKey(Questionnaire, models.CASCADE, related_name="sections")
    order = models.PositiveSmallIntegerField()
    code = models.SlugField()
    title = models.CharField(max_length=200)
    intro = models.TextField(blank=True)

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["questionnaire", "order"], name="screening_section_order_once"),
            models.UniqueConstraint(fields=["questionnaire", "code"], name="screening_section_code_once"),
        ]

    def __str__(self) -> str:
        return self.title


class Question(models.Model):
    """One question. Rules match on `link_id`, never on wording; a link_id is never reused for a new meaning."""

    questionnaire = models.ForeignKey(Questionnaire, models.CASCADE, related_name="questions")
    section = models.ForeignKey(Section, models.CASCADE, related_name="questions")
    order = models.PositiveSmallIntegerField()
    link_id = models.CharField(max_length=80)
    text = models.CharField(max_length=500)
    hint = models.TextField(blank=True)
    kind = models.CharField(max_length=20, help_text=_("day, date, choice, choices, text or number"))
    required = models.BooleanField(default=True)
    parent_link_id = models.CharField(max_length=80, blank=True)
    parent_codes = models.JSONField(default=list, blank=True, help_text=_("Asked when the parent has one of these."))
    options = models.JSONField(default=dict, blank=True, help_text=_("Everything else of the definition."))

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["questionnaire", "link_id"], name="screening_question_link_id_once"),
            models.UniqueConstraint(fields=["questionnaire", "order"], name="screening_question_order_once"),
        ]

    def __str__(self) -> str:
        return self.text


class Choice(models.Model):
    """One answer a question offers."""

    question = models.ForeignKey(Question, models.CASCADE, related_name="choices")
    order = models.PositiveSmallIntegerField()
    code = models.CharField(max_length=80)
    label = models.CharField(max_length=300)
    options = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["question", "code"], name="screening_choice_code_once"),
            models.UniqueConstraint(fields=["question", "order"], name="screening_choice_order_once"),
        ]

    def __str__(self) -> str:
        return self.label


class Rule(models.Model):
    """One rule as data: when it speaks, what it does, who may look past it, and the words for patient and clinician."""

    questionnaire = models.ForeignKey(Questionnaire, models.CASCADE, related_name="rules")
    order = models.PositiveSmallIntegerField()
    code = models.SlugField(max_length=80)
    condition = models.JSONField()
    effect = models.CharField(max_length=20, choices=Effect.choices)
    override = models.CharField(max_length=2, blank=True)
    needs = models.JSONField(default=list, blank=True)
    wait = models.JSONField(default=dict, blank=True)
    title = models.CharField(max_length=300, blank=True)
    reason = models.TextField(blank=True)
    advice = models.TextField(blank=True)
    rationale = models.TextField(blank=True)
    source = models.TextField(blank=True)
    anchor = models.CharField(max_length=200, blank=True)
    options = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["order"]
        constraints = [
            models.UniqueConstraint(fields=["questionnaire", "code"], name="screening_rule_code_once"),
            models.UniqueConstraint(fields=["questionnaire", "order"], name="screening_rule_order_once"),
        ]

    def __str__(self) -> str:
        return self.code


class QuestionnaireResponse(models.Model):
    """What one person answered (FHIR QuestionnaireResponse): one sealed document of snapshots.

    While `in-progress` it may be rewritten and deleted; afterwards only `patient` may be set, once, and the status may
    become `entered-in-error`, with who and when. A correction is a new response, born `amended`.
    """

    class Status(models.TextChoices):
        IN_PROGRESS = "in-progress", _("being filled in")
        COMPLETED = "completed", _("completed")
        AMENDED = "amended", _("completed, replaces an earlier one")
        ENTERED_IN_ERROR = "entered-in-error", _("entered in error")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    questionnaire = models.ForeignKey(Questionnaire, models.PROTECT, related_name="responses")
    patient = models.ForeignKey("clinic.Patient", models.PROTECT, null=True, blank=True, related_name="responses")
    treatment = models.ForeignKey("clinic.Treatment", models.PROTECT, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.IN_PROGRESS)
    document = models.BinaryField(help_text=_("Sealed. Only screening.sealing reads and writes it."))
    reopens = models.BooleanField(
        default=True,
        help_text=_("Whether it takes the place of the patient's earlier answers (a quiet re-check does not)."),
    )
    supersedes = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text=_("When the patient last worked on it."))
    completed_at = models.DateTimeField(null=True, blank=True)
    answered_on = models.DateField(null=True, blank=True, help_text=_("The local day of completion."))
    privacy_version = models.CharField(max_length=40)
    agreed_at = models.DateTimeField()
    assisted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    visit_uuid = models.UUIDField(
        null=True, blank=True, help_text=_("The visit before which a short re-check was asked (FHIR encounter).")
    )
    entered_in_error_at = models.DateTimeField(null=True, blank=True)
    entered_in_error_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        verbose_name = _("screening answers")
        verbose_name_plural = _("screening answers")
        ordering = ["-started_at", "-id"]
        permissions = [
            ("view_answers", "Can read every patient's screening answers"),
            ("view_own_patients_answers", "Can read the answers of patients they treat"),
            ("decide", "Can review screening answers and decide"),
            ("decide_second", "Can give the second signature"),
            ("decide_o2", "Can decide on findings that take a lead clinician"),
        ]
        indexes = [models.Index(fields=["patient", "-completed_at"], name="screening_response_patient")]
        constraints = [
            models.CheckConstraint(
                condition=Q(status="in-progress", completed_at__isnull=True, answered_on__isnull=True)
                | (~Q(status="in-progress") & Q(completed_at__isnull=False, answered_on__isnull=False)),
                name="screening_response_completed_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(
                    status="entered-in-error", entered_in_error_at__isnull=False, entered_in_error_by__isnull=False
                )
                | (
                    ~Q(status="entered-in-error")
                    & Q(entered_in_error_at__isnull=True, entered_in_error_by__isnull=True)
                ),
                name="screening_response_error_has_who_and_when",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.questionnaire} {self.get_status_display()}"


class DataKey(models.Model):
    """The key of one response's sealed documents, itself wrapped by a key of the environment.

    The only clinical table that may change and shrink: rotation rewraps keys, retention and erasure delete them.
    """

    response = models.OneToOneField(QuestionnaireResponse, models.CASCADE, related_name="data_key")
    wrapped = models.BinaryField()
    key_name = models.CharField(max_length=60)
    created_at = models.DateTimeField(default=timezone.now)
    opened_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When the patient last proved the birth date after being away.")
    )
    wrong_birth_dates = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("data key")
        verbose_name_plural = _("data keys")

    def __str__(self) -> str:
        return self.key_name


class Assessment(models.Model):
    """What the rules say about one response on one date (FHIR DetectedIssue). Append-only; findings are sealed."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="assessments")
    on = models.DateField(help_text=_("The treatment date that was asked about."))
    effect = models.CharField(max_length=20, choices=Effect.choices)
    override = models.CharField(max_length=2, blank=True, help_text=_("The highest of its findings: O0 > O2 > O1."))
    findings_count = models.PositiveSmallIntegerField()
    to_address_count = models.PositiveSmallIntegerField(help_text=_("Findings of effect review or worse."))
    earliest = models.DateField(null=True, blank=True)
    findings = models.BinaryField(help_text=_("Sealed."))
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        ordering = ["-on", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["response", "on"], name="screening_assessment_one_a_date"),
            models.CheckConstraint(
                condition=Q(override__in=["", "O0", "O1", "O2"]), name="screening_assessment_override"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.effect} {self.on:%Y-%m-%d}"


def what_for(treatment, area) -> str:
    """What a decision is about, in words: the treatment, and the area where its name does not say it."""
    named = str(area).lower() in str(treatment).lower()
    return str(treatment) if named else f"{treatment}, {area}"


class ReviewRequestQuerySet(models.QuerySet):
    """Rows of the worklist."""

    def waiting(self) -> "ReviewRequestQuerySet":
        """Those that are on it."""
        return self.filter(closed_at=None)

    def close(self, *, now: datetime) -> int:
        """They leave it, and nobody reads them any more. Returns how many left."""
        return self.waiting().update(closed_at=now, being_read_by=None, being_read_since=None)


class ReviewRequest(models.Model):
    """A row of the worklist: somebody waits for a decision on one response, for one treatment and area."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="requests")
    treatment = models.ForeignKey("clinic.Treatment", models.PROTECT, related_name="+")
    area = models.ForeignKey("clinic.Area", models.PROTECT, related_name="+")
    needed_on = models.DateField(null=True, blank=True, help_text=_("The local day of the visit, where there is one."))
    needed_at = models.DateTimeField(null=True, blank=True, help_text=_("The start of that visit."))
    location = models.ForeignKey(
        "clinic.Location", models.PROTECT, null=True, blank=True, related_name="+", help_text=_("Where that visit is.")
    )
    waiting_since = models.DateTimeField()
    answer_by = models.DateTimeField(null=True, blank=True, help_text=_("What the patient was promised."))
    being_read_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    being_read_since = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewRequestQuerySet.as_manager()

    class Meta:
        verbose_name = _("screening to review")
        verbose_name_plural = _("screenings to review")
        ordering = ["waiting_since", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["response", "treatment", "area"],
                condition=Q(closed_at__isnull=True),
                name="screening_reviewrequest_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.what_for

    @property
    def what_for(self) -> str:
        """The treatment and area that somebody waits for."""
        return what_for(self.treatment, self.area)


class ReviewQuerySet(models.QuerySet):
    """Decisions."""

    def latest_each(self) -> "ReviewQuerySet":
        """Of these the latest about each patient, treatment and area, which is the one that counts; newest first."""
        each = ("patient_id", "treatment_id", "area_id")
        return self.filter(pk__in=self.order_by(*each, "-id").distinct(*each).values("pk")).order_by("-id")


class Review(models.Model):
    """A named clinician's decision on one assessment (FHIR ClinicalImpression). Append-only; its words are sealed.

    The latest review of a response for a treatment and area is the one that counts. See the SQL function
    `screening_review_clears` for exactly when a review clears; booking's trigger asks it (DESIGN section 4, I2).
    """

    class Outcome(models.TextChoices):
        CLEARED = "cleared", _("cleared")
        CLEARED_WITH_CONDITIONS = "cleared-with-conditions", _("cleared with conditions")
        NEEDS_INFORMATION = "needs-information", _("needs information")
        DEFERRED = "deferred", _("deferred")
        CONSULTATION_REQUIRED = "consultation-required", _("consultation first")
        NOT_SUITABLE = "not-suitable", _("not suitable")

    CLEARING = (Outcome.CLEARED, Outcome.CLEARED_WITH_CONDITIONS)
    REFUSING = (Outcome.DEFERRED, Outcome.CONSULTATION_REQUIRED, Outcome.NOT_SUITABLE)

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    response = models.ForeignKey(QuestionnaireResponse, models.PROTECT, related_name="reviews")
    assessment = models.ForeignKey(Assessment, models.PROTECT, related_name="reviews")
    patient = models.ForeignKey("clinic.Patient", models.PROTECT, related_name="reviews")
    treatment = models.ForeignKey("clinic.Treatment", models.PROTECT, related_name="+")
    area = models.ForeignKey("clinic.Area", models.PROTECT, related_name="+")
    outcome = models.CharField(_("outcome"), max_length=30, choices=Outcome.choices)
    valid_from = models.DateField(null=True, blank=True, help_text=_("First treatment day it clears."))
    valid_until = models.DateField(null=True, blank=True, help_text=_("Last treatment day it clears."))
    deferred_until = models.DateField(null=True, blank=True)
    words = models.BinaryField(help_text=_("Sealed: the statement, a reason for each finding, conditions, questions."))
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    decided_at = models.DateTimeField()

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-decided_at", "-id"]
        indexes = [models.Index(fields=["patient", "treatment", "area", "-id"], name="screening_review_latest")]
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(outcome__in=["cleared", "cleared-with-conditions"], valid_from__isnull=False)
                    & Q(valid_until__gte=F("valid_from"))
                )
                | (
                    ~Q(outcome__in=["cleared", "cleared-with-conditions"])
                    & Q(valid_from__isnull=True, valid_until__isnull=True)
                ),
                name="screening_review_clearing_has_days",
            ),
            models.CheckConstraint(
                condition=Q(deferred_until__isnull=True) | Q(outcome="deferred"),
                name="screening_review_until_only_deferred",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}"

    @property
    def what_for(self) -> str:
        """The treatment and area that was decided about."""
        return what_for(self.treatment, self.area)


class CoSignature(models.Model):
    """The second clinician's signature under a review that accepts an O2 finding. Append-only."""

    review = models.OneToOneField(Review, models.PROTECT, related_name="cosignature")
    signed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    signed_at = models.DateTimeField()
    words = models.BinaryField()

    class Meta:
        verbose_name = _("second signature")
        verbose_name_plural = _("second signatures")

    def __str__(self) -> str:
        return str(self.signed_by)


class Reply(models.Model):
    """What the patient answered to a review that asked for information. Append-only; its text is sealed."""

    review = models.OneToOneField(Review, models.PROTECT, related_name="reply")
    text = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("patient's reply")
        verbose_name_plural = _("patients' replies")

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d}"
