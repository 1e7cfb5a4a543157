"""The clinical part of the staff site: the worklist, reading and deciding, answers to look up, questionnaires.

Every page here is our own and every address is listed in `get_urls`: none of the admin's forms, deletions, bulk
actions, histories or autocompletes reaches a clinical table. What somebody may not see answers 404 or 403.
Page titles, addresses and messages name a patient by reference only and hold no clinical word.
"""

import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from clinic import registry
from clinic.accounts import signed_in
from clinic.days import in_calendar
from clinic.forms import ONCE, AnsweredOnce, ThreePartDateField, is_answered_twice
from clinic.models import Patient, User, today_at
from screening import assessment as rules
from screening import finished, publishing, reading, reviews, sealing
from screening.forms import fingerprint
from screening.models import Effect, Questionnaire, QuestionnaireResponse, Review, ReviewRequest
from screening.self_check import named

SHOWN = 100


class OwnPages(admin.ModelAdmin):
    """A model of which the admin shows our own pages only: nothing is added, changed or deleted through it."""

    actions = None

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def has_view_permission(self, request, obj=None) -> bool:
        return self.may(request.user)

    def has_module_permission(self, request) -> bool:
        return self.may(request.user)

    def may(self, user) -> bool:
        """Who sees any of it."""
        raise NotImplementedError

    def guarded(self, view):
        """The view for whoever may; a staff session without the permission gets 403."""

        def inner(request, *arguments, **more):
            if not self.may(request.user):
                raise PermissionDenied
            return view(request, *arguments, **more)

        return self.admin_site.admin_view(inner)

    def page(self, request: HttpRequest, template: str, **context) -> HttpResponse:
        """A page in the frame of the staff site."""
        status = context.pop("status", 200)
        return render(
            request,
            f"admin/screening/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.model._meta, **context},
            status=status,
        )


# ---------------------------------------------------------------- worklist and review


@dataclass(frozen=True)
class Row:
    """A row of the worklist, in words."""

    request: ReviewRequest
    patient: Patient
    status: str
    word: str
    findings_count: int
    on: date | None
    left: str
    at: str  # the time and the place of the visit
    waited: str
    first_asked: str  # the day, where a reply brought the row back
    promised: str  # in the time of the place
    late: bool
    mine: bool
    read_by: User | None


def _row(found: ReviewRequest, *, by: User, now: datetime, today: date) -> Row:
    effect = getattr(found, "effect", Effect.INCOMPLETE)
    first_asked = getattr(found, "first_asked", None)
    patient = reviews.whose(found.response)
    return Row(
        request=found,
        patient=patient,
        status=reading.status_of(effect),
        word=str(Effect(effect).label),
        findings_count=getattr(found, "findings_count", None) or 0,
        on=found.needed_on,
        left=reading.days_left(found.needed_on, reviews.today_for(found, now) if found.location else today),
        at=reading.moment(found.needed_at, found.location, "H:i") if found.needed_at else "",
        waited=reading.how_long(found.waiting_since, now),
        first_asked=reading.moment(first_asked, found.location, "l j F") if first_asked else "",
        promised=_promised(found),
        late=found.answer_by is not None and found.answer_by < now,
        mine=reviews.is_own(patient, by),
        read_by=found.being_read_by if reviews.is_being_read(found, by=by, now=now) else None,
    )


def _month(text: str) -> date | None:
    """The first day of a month such as 2026-11; None for anything else."""
    try:
        day = date.fromisoformat(f"{text}-01")
    except ValueError:
        return None
    return day if in_calendar(day) else None


def _promised(found: ReviewRequest) -> str:
    """By when an answer was promised, as the clocks of the visit's place say it."""
    return reading.moment(found.answer_by, found.location, "D j M, H:i") if found.answer_by else ""


class DecisionForm(AnsweredOnce):
    """A decision as it is typed. What it takes for each outcome is for `reviews.decide` to say."""

    outcome = forms.ChoiceField(
        label=gettext_lazy("Decision"),
        choices=Review.Outcome.choices,
        widget=forms.RadioSelect,
        error_messages={"required": gettext_lazy("Choose what you decide.")},
    )
    identity = forms.BooleanField(
        label=gettext_lazy("Right person"),
        error_messages={"required": gettext_lazy("Confirm whose answers these are.")},
    )
    note = forms.CharField(label=gettext_lazy("Note for the record"), required=False, max_length=2000)
    conditions = forms.CharField(label=gettext_lazy("Conditions"), required=False, max_length=reviews.LONGEST_WORDS)
    question = forms.CharField(
        label=gettext_lazy("Question to the patient"), required=False, max_length=reviews.LONGEST_WORDS
    )
    explanation = forms.CharField(label=gettext_lazy("Why"), required=False, max_length=reviews.LONGEST_WORDS)
    deferred_until = ThreePartDateField(label=gettext_lazy("Until"), required=False)

    def clean(self):
        cleaned = super().clean() or {}
        # a date that was begun for another outcome does not count
        if cleaned.get("outcome") not in (None, Review.Outcome.DEFERRED):
            self.errors.pop("deferred_until", None)
            cleaned["deferred_until"] = None
        return cleaned


@admin.register(ReviewRequest)
class ReviewRequestAdmin(OwnPages):
    """Who waits for a clinician, worst and nearest first; one page each to read and decide."""

    def may(self, user) -> bool:
        return reviews.may_decide(user)

    def get_urls(self):
        return [
            path("", self.guarded(require_GET(self.worklist)), name="screening_reviewrequest_changelist"),
            path("accepted/", self.guarded(require_GET(self.accepted)), name="screening_reviewrequest_accepted"),
            path("<uuid:key>/", self.guarded(require_GET(self.review)), name="screening_reviewrequest_review"),
            path("<uuid:key>/read/", self.guarded(require_POST(self.read)), name="screening_reviewrequest_read"),
            path(
                "<uuid:key>/decide/",
                self.guarded(require_POST(sensitive_post_parameters()(self.decide))),
                name="screening_reviewrequest_decide",
            ),
        ]

    def worklist(self, request: HttpRequest) -> HttpResponse:
        """The list, worst first."""
        now = timezone.now()
        today = today_at(now)
        rows = [_row(found, by=signed_in(request), now=now, today=today) for found in reviews.worklist()]
        visits = [(row.request.needed_at, row) for row in rows if row.request.needed_at and row.request.needed_at > now]
        return self.page(
            request,
            "worklist",
            title=_("Reviews"),
            rows=rows[:SHOWN],
            more=max(0, len(rows) - SHOWN),
            count=len(rows),
            late=sum(row.late for row in rows),
            oldest=reading.how_long(min(row.request.waiting_since for row in rows), now) if rows else "",
            nearest=min(visits, key=lambda visit: visit[0], default=(None, None))[1],
        )

    def accepted(self, request: HttpRequest) -> HttpResponse:
        """The findings that were accepted in a month, by whom and why; for the lead clinician (CLINICAL 2.6)."""
        if not request.user.has_perm("screening.decide_o2"):
            raise PermissionDenied
        this = timezone.localdate(timezone.now()).replace(day=1)
        first = _month(request.GET.get("month", "")) or this
        following = (first + timedelta(days=31)).replace(day=1)
        rows = reading.accepted_between(first, following)
        return self.page(
            request,
            "accepted",
            title=_("Accepted findings"),
            rows=rows,
            first=first,
            before=(first - timedelta(days=1)).replace(day=1),
            following=following if following <= this else None,
            by_rule=Counter(rule for row in rows for rule in row.reasons).most_common(),
            by_person=Counter(row.review.decided_by for row in rows).most_common(),
        )

    def _request(self, key: uuid.UUID) -> ReviewRequest:
        found = (
            reviews.with_first_asked(ReviewRequest.objects.filter(uuid=key))
            .select_related(
                "response__patient",
                "response__questionnaire",
                "response__data_key",
                "treatment",
                "area",
                "location",
                "being_read_by",
            )
            .first()
        )
        if found is None or found.response.patient is None:
            raise Http404
        return found

    def read(self, request: HttpRequest, key: uuid.UUID) -> HttpResponse:
        """Records who reads, then shows the page."""
        wanted = self._request(key)
        try:
            reviews.open_for_reading(wanted, by=signed_in(request), now=timezone.now())
        except reviews.Refused as refused:
            messages.warning(request, " ".join(refused.messages))
            return redirect("admin:screening_reviewrequest_changelist")
        return redirect("admin:screening_reviewrequest_review", wanted.uuid)

    def review(self, request: HttpRequest, key: uuid.UUID) -> HttpResponse:
        """Everything about one patient's answers, and the decision beside it. Opening it changes nothing."""
        wanted = self._request(key)
        if wanted.closed_at is not None:
            return redirect("admin:screening_questionnaireresponse_change", wanted.response.uuid)
        return self._page(request, wanted, DecisionForm(auto_id="id_%s"))

    def _page(self, request, wanted: ReviewRequest, form: DecisionForm, *, refused=None, reasons=None, status=200):
        now, by = timezone.now(), signed_in(request)
        today, patient = reviews.today_for(wanted, now), reviews.whose(wanted.response)
        found = finished.says(wanted.response, reviews.assessed_day(wanted, now), now=now)
        try:
            read = _laid_out(wanted.response, found, today=today)
        except sealing.SealBroken:
            return self.page(request, "unreadable", title=_("Review"), patient=patient, status=409)
        errors = _wrong(form, refused)
        for item in read["findings"]:
            item.words = (reasons or {}).get(item.finding.rule, "")
            item.errors = errors.get(item.field, [])
        row = _row(wanted, by=by, now=now, today=today)
        blocked = reviews.why_not_clearable(found, by=by, request=wanted, now=now)
        if not blocked and wanted.area.code not in finished.answered_areas(wanted.response):
            blocked = _("These answers are about another part of the body. New answers are needed.")
        replied = [item for item in read["decisions"] if item.reply and item.review.response_id == wanted.response_id]
        refusals = reading.refusals(read["decisions"], today)
        rechecked = reading.rechecks_to_read(wanted, read["earlier"], read["decisions"], now=now)
        to_address = sum(item.to_address for item in read["findings"])
        # One press only where there is nothing at all to stop at.
        simple = not (blocked or rechecked or read["changed"] or replied or refusals or to_address)
        statements = _statements(wanted, found)
        covers = reviews.days_covered(wanted.response, found, now=now)
        return self.page(
            request,
            "review",
            **read
            | {
                "title": _("Review %(reference)s") % {"reference": patient.reference},
                "wanted": wanted,
                "incomplete": list(found.incomplete),
                "findings": [item for item in read["findings"] if not item.finding.is_note],
                "notes": [item for item in read["findings"] if item.finding.is_note],
                "to_address": to_address,
                "simple": simple,
                "blocked": blocked,
                "replied": replied,
                "refusals": refusals,
                "rechecked": rechecked,
                "statement": statements[Review.Outcome.CLEARED],
                "covers": covers if covers[0] <= covers[1] else None,
                "statement_otherwise": statements[Review.Outcome.NOT_SUITABLE],
                "shown": _shown(statements, covers),
                "form": form,
                "outcomes": _offered(blocked=bool(blocked), simple=simple),
                "chosen": form["outcome"].value() or "",
                "errors": errors,
                "error_list": _error_list(errors, read["findings"]),
                "row": row,
                "words_wanted": not row.mine and not blocked,
                "waiting": reviews.waiting(now),
            },
            status=status,
        )

    def decide(self, request: HttpRequest, key: uuid.UUID) -> HttpResponse:
        """Signs, and opens the next."""
        wanted = self._request(key)
        now = timezone.now()
        form = DecisionForm(request.POST)
        reasons = {
            name.removeprefix("reason-"): request.POST[name] for name in request.POST if name.startswith("reason-")
        }
        found = finished.says(wanted.response, reviews.assessed_day(wanted, now), now=now)
        statements = _statements(wanted, found)
        if not form.is_valid():
            wrong = _also_wrong(wanted, form, reasons, found, by=signed_in(request), now=now)
            refused = reviews.Refused(wrong) if wrong else None
            return self._page(request, wanted, form, refused=refused, reasons=reasons, status=422)
        data = form.cleaned_data
        statement = statements[data["outcome"]]
        if data["note"].strip():
            statement = f"{statement}\n\n{data['note'].strip()}"
        try:
            if twice := [rule for rule in reasons if is_answered_twice(request.POST, f"reason-{rule}")]:
                raise reviews.Refused({f"reason-{rule}": ONCE for rule in twice})
            if request.POST.get("day") != reviews.assessed_day(wanted, now).isoformat():
                raise reviews.Refused(_("The visit has been moved meanwhile. Please look at the findings again."))
            if request.POST.get("shown") != _shown(statements, reviews.days_covered(wanted.response, found, now=now)):
                raise reviews.Refused(_("What you sign has changed meanwhile. Please read it again."))
            assessment = reviews.stored_assessment(wanted.response, on=reviews.assessed_day(wanted, now), now=now)
            reviews.decide(
                wanted,
                outcome=data["outcome"],
                by=signed_in(request),
                now=now,
                assessment=assessment,
                reasons=reasons,
                statement=statement,
                conditions=data["conditions"],
                question=data["question"],
                explanation=data["explanation"],
                deferred_until=data["deferred_until"],
            )
        except reviews.AlreadyDecided as refused:
            return self._too_late(request, wanted, form, refused, reasons)
        except reviews.Refused as refused:
            return self._page(request, self._request(key), form, refused=refused, reasons=reasons, status=422)
        messages.success(request, _saved(wanted))
        if request.POST.get("then") == "list":
            return redirect("admin:screening_reviewrequest_changelist")
        return self._next(request)

    def _too_late(self, request, wanted: ReviewRequest, form: DecisionForm, refused, reasons: dict) -> HttpResponse:
        """What was decided first, about whom, and all that was typed here, so that no word is lost."""
        patient, last = reviews.whose(wanted.response), reviews.last_decision(wanted)
        typed = [(name.label, form.cleaned_data[name.name]) for name in form if name.name in TYPED]
        typed += [(_("Why you look past %(rule)s") % {"rule": rule}, words) for rule, words in reasons.items()]
        return self.page(
            request,
            "too_late",
            title=_("Review %(reference)s") % {"reference": patient.reference},
            wanted=wanted,
            patient=patient,
            said=" ".join(refused.messages),
            last=last,
            by_me=last is not None and last.decided_by_id == request.user.pk,
            mine=OUTCOME_WORDS[Review.Outcome(form.cleaned_data["outcome"])],
            typed=[(label, words) for label, words in typed if str(words or "").strip()],
            status=409,
        )

    def _next(self, request: HttpRequest) -> HttpResponse:
        """The next of the worklist that nobody else reads and that is not one's own, opened for reading."""
        now = timezone.now()
        for row in reviews.worklist()[:SHOWN]:
            by = signed_in(request)
            if reviews.is_own(reviews.whose(row.response), by) or reviews.is_being_read(row, by=by, now=now):
                continue
            try:
                reviews.open_for_reading(row, by=signed_in(request), now=now)
            except reviews.Refused:
                continue
            return redirect("admin:screening_reviewrequest_review", row.uuid)
        return redirect("admin:screening_reviewrequest_changelist")


def _saved(wanted: ReviewRequest) -> str:
    """Whose decision was saved, and for which visit. The session keeps this in clear: no name, not what was decided."""
    reference = reviews.whose(wanted.response).reference
    if wanted.needed_on is None:
        return _("Saved for %(reference)s.") % {"reference": reference}
    about = {"reference": reference, "day": reading.long_day(wanted.needed_on)}
    return _("Saved for %(reference)s and the visit on %(day)s.") % about


def _laid_out(response: QuestionnaireResponse, found: rules.Assessment, *, today: date) -> dict[str, Any]:
    """Answers as whoever reads them sees them. Raises sealing.SealBroken."""
    patient, earlier = reviews.whose(response), reading.earlier_responses(response)
    lines = reading.lines_of(response, found, earlier)
    return {
        "response": response,
        "patient": patient,
        "age": patient.age_on(today),
        "found": found,
        "day": found.on,
        "effect_status": reading.status_of(found.effect),
        "effect_word": Effect(found.effect).label,
        "findings": reading.findings_of(found, lines),
        "changed": reading.changed(lines),
        "first": [line for line in lines if line.first],
        "rest": reading.by_section(line for line in lines if not line.first),
        "earlier": earlier,
        "decisions": reading.decisions_about(patient.pk),
    }


def _wrong(form: DecisionForm, refused: reviews.Refused | None) -> dict[str, list]:
    """All that is wrong, by field; what the form says before what the decision says."""
    wrong: dict[str, list] = {}
    if refused is not None:
        by_field = hasattr(refused, "error_dict")
        wrong = dict(refused.message_dict) if by_field else {NON_FIELD_ERRORS: refused.messages}
    for name, words in form.errors.items():
        wrong[name] = [*words, *wrong.get(name, [])]
    return wrong


def _offered(*, blocked: bool, simple: bool) -> list[dict[str, Any]]:
    """The decisions to choose from: no yes where nobody can clear; where one press clears, that has its own button."""
    return [
        {"value": outcome, "label": OUTCOME_WORDS[outcome]}
        for outcome in Review.Outcome
        if not (blocked and outcome in Review.CLEARING) and not (simple and outcome == Review.Outcome.CLEARED)
    ]


def _statements(wanted: ReviewRequest, found: rules.Assessment) -> dict[str, str]:
    """What is signed, by outcome."""
    return {outcome: reviews.statement_for(wanted, outcome, found) for outcome in Review.Outcome.values}


def _shown(statements: dict[str, str], covers: tuple[date, date]) -> str:
    """A mark of all that is signed: the sentences, and the days that a yes covers."""
    return fingerprint(statements | {"covers": [day.isoformat() for day in covers]})


def _also_wrong(
    wanted: ReviewRequest, form: DecisionForm, reasons: dict[str, str], found: rules.Assessment, *, by: User, now
) -> dict[str, str]:
    """What the decision misses beside what its form says, so that all of it is said at once."""
    data = form.cleaned_data
    if not data.get("outcome"):
        return {}
    words = {name: data.get(name, "") for name in ("conditions", "question", "explanation")}
    words |= {"statement": "signed", "reasons": {rule: text.strip() for rule, text in reasons.items()}}
    wrong = reviews.why_not(wanted, data["outcome"], words, data.get("deferred_until"), found=found, by=by, now=now)
    return {name: sentence for name, sentence in wrong.items() if name not in form.errors}


TYPED = ("conditions", "question", "explanation", "deferred_until", "note")

OUTCOME_WORDS = {
    Review.Outcome.CLEARED: gettext_lazy("Cleared"),
    Review.Outcome.CLEARED_WITH_CONDITIONS: gettext_lazy("Cleared with conditions"),
    Review.Outcome.NEEDS_INFORMATION: gettext_lazy("Ask the patient"),
    Review.Outcome.DEFERRED: gettext_lazy("Not yet"),
    Review.Outcome.CONSULTATION_REQUIRED: gettext_lazy("Consultation first"),
    Review.Outcome.NOT_SUITABLE: gettext_lazy("Not suitable"),
}


def _error_list(errors: dict, findings) -> list[tuple[str, str]]:
    """(anchor, sentence) of everything that is wrong, for the summary."""
    named = {item.field: item.heading for item in findings}
    listed = []
    for name, sentences in errors.items():
        for sentence in sentences:
            anchor = "" if name == NON_FIELD_ERRORS else f"id_{name}"
            if name == "deferred_until":
                anchor = "id_deferred_until_day"
            if name == "outcome":
                anchor = "id_outcome_0"
            listed.append((anchor, f"{named[name]}: {sentence}" if name in named else str(sentence)))
    return listed


# ---------------------------------------------------------------- answers to look up


@admin.register(QuestionnaireResponse)
class ResponseAdmin(OwnPages):
    """Finished answers, read-only: all of them for clinicians, those of their own patients for practitioners."""

    def may(self, user) -> bool:
        return user.is_active and (
            user.has_perm("screening.view_answers") or user.has_perm("screening.view_own_patients_answers")
        )

    def get_urls(self):
        return [
            path(
                "",
                self.guarded(require_http_methods(["GET", "POST"])(self.listed)),
                name="screening_questionnaireresponse_changelist",
            ),
            path("<uuid:key>/", self.guarded(require_GET(self.show)), name="screening_questionnaireresponse_change"),
            path(
                "<uuid:key>/withdraw/",
                self.guarded(require_POST(self.withdraw)),
                name="screening_questionnaireresponse_withdraw",
            ),
        ]

    def _readable(self, request: HttpRequest, now):
        found = QuestionnaireResponse.objects.exclude(status=QuestionnaireResponse.Status.IN_PROGRESS).filter(
            patient__isnull=False
        )
        if not request.user.has_perm("screening.view_answers"):
            found = found.filter(patient_id__in=registry.patients_treated_by(request.user, now))
        return found.select_related("patient", "questionnaire", "data_key", "assisted_by", "entered_in_error_by")

    def listed(self, request: HttpRequest) -> HttpResponse:
        """Newest first; a patient is found by name, birth date or reference. What is looked for is posted, so that no
        address names anybody; posting changes nothing."""
        now = timezone.now()
        words = request.POST.get("q", "").strip()[:100]
        found = self._readable(request, now)
        if words:
            found = found.filter(patient__in=Patient.objects.matching(words))
        rows = list(found.order_by("-completed_at", "-id")[: SHOWN + 1])
        return self.page(
            request, "responses", title=_("Answers"), rows=rows[:SHOWN], more=len(rows) > SHOWN, words=words
        )

    def _response(self, request: HttpRequest, key: uuid.UUID, now) -> QuestionnaireResponse:
        found = self._readable(request, now).filter(uuid=key).first()
        if found is None:
            raise Http404
        return found

    def show(self, request: HttpRequest, key: uuid.UUID) -> HttpResponse:
        """All answers of one response, what the rules say today, and what was decided. Changes nothing."""
        now = timezone.now()
        response = self._response(request, key, now)
        today = today_at(now)
        patient = reviews.whose(response)
        found = finished.says(response, max(today, finished.answered_day(response)), now=now)
        try:
            read = _laid_out(response, found, today=today)
        except sealing.SealBroken:
            return self.page(request, "unreadable", title=_("Answers"), patient=patient, status=409)
        return self.page(
            request,
            "response",
            title=_("Answers %(reference)s") % {"reference": patient.reference},
            withdrawn=response.status == QuestionnaireResponse.Status.ENTERED_IN_ERROR,
            may_withdraw=reviews.may_decide(signed_in(request))
            and response.status in finished.FINISHED
            and not reviews.is_own(patient, signed_in(request)),
            **read,
        )

    def withdraw(self, request: HttpRequest, key: uuid.UUID) -> HttpResponse:
        """Marks answers as entered in error."""
        now = timezone.now()
        response = self._response(request, key, now)
        if not reviews.may_decide(signed_in(request)):
            raise PermissionDenied
        if request.POST.get("sure") != "yes":
            messages.warning(request, _("Nothing was changed. Tick the box first."))
            return redirect("admin:screening_questionnaireresponse_change", response.uuid)
        try:
            reviews.mark_in_error(response, by=signed_in(request), now=now)
        except reviews.Refused as refused:
            messages.error(request, " ".join(refused.messages))
        else:
            messages.success(request, _("Saved for %(reference)s.") % {"reference": reviews.whose(response).reference})
        return redirect("admin:screening_questionnaireresponse_change", response.uuid)


# ---------------------------------------------------------------- questionnaires


@admin.register(Questionnaire)
class QuestionnaireAdmin(OwnPages):
    """Versions: read-only for everybody; a draft is proposed by one person and published by another."""

    def may(self, user) -> bool:
        return user.is_active and user.has_perm("screening.view_questionnaire")

    def get_urls(self):
        verbs = [("propose", self.propose), ("publish", self.publish), ("retire", self.retire)]
        return [
            path("", self.guarded(require_GET(self.listed)), name="screening_questionnaire_changelist"),
            path("<int:pk>/", self.guarded(require_GET(self.show)), name="screening_questionnaire_change"),
            *(
                path(f"<int:pk>/{name}/", self.guarded(require_POST(verb)), name=f"screening_questionnaire_{name}")
                for name, verb in verbs
            ),
        ]

    def listed(self, request: HttpRequest) -> HttpResponse:
        """Every version, newest first."""
        rows = Questionnaire.objects.select_related("proposed_by", "published_by").order_by(
            "purpose", "name", "-version"
        )
        return self.page(request, "questionnaires", title=_("Questionnaires"), rows=rows[:SHOWN])

    def _questionnaire(self, pk: int) -> Questionnaire:
        found = Questionnaire.objects.select_related("proposed_by", "published_by").filter(pk=pk).first()
        if found is None:
            raise Http404
        return found

    def show(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Sections, questions, choices and rules as they will be, or are, asked."""
        questionnaire = self._questionnaire(pk)
        faults = publishing.faults(questionnaire)
        sections: list[dict] = []
        together: list[dict] = []
        if not faults:
            definition = questionnaire.definition()
            rules_of: dict[str | None, list] = {}
            for rule in definition.rules:
                rules_of.setdefault(_item_of(definition, rule), []).append(rule)
            for section in definition.sections:
                questions = [
                    {
                        "question": question,
                        "rules": [_rule(rule) for rule in rules_of.get(question.link_id, [])],
                        "asked_when": _asked_when(definition, question),
                    }
                    for question in definition.questions
                    if question.section == section.code
                ]
                sections.append({"section": section, "questions": questions})
            together = [_rule(rule) for rule in rules_of.get(None, [])]
        user = request.user
        return self.page(
            request,
            "questionnaire",
            title=str(questionnaire),
            questionnaire=questionnaire,
            treatments=list(questionnaire.treatments.all()),
            faults=faults,
            sections=sections,
            together=together,
            may_propose=user.has_perm("screening.propose_questionnaire"),
            may_publish=user.has_perm("screening.publish_questionnaire"),
            mine=questionnaire.proposed_by_id == user.pk,
        )

    def _act(self, request: HttpRequest, pk: int, verb, done: str) -> HttpResponse:
        questionnaire = self._questionnaire(pk)
        try:
            verb(questionnaire, by=signed_in(request), now=timezone.now())
        except publishing.Refused as refused:
            messages.error(request, " ".join(refused.messages))
        else:
            messages.success(request, done)
        return redirect(reverse("admin:screening_questionnaire_change", args=[pk]))

    def propose(self, request: HttpRequest, pk: int) -> HttpResponse:
        """This person stands behind the draft."""
        return self._act(request, pk, publishing.propose, _("You propose it. A lead clinician can publish it now."))

    def publish(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Another person puts it in force."""
        return self._act(request, pk, publishing.publish, _("Published. These are the questions from now on."))

    def retire(self, request: HttpRequest, pk: int) -> HttpResponse:
        """It is no longer asked."""
        return self._act(request, pk, publishing.retire, _("Retired. Nobody is asked these questions any more."))


def _item_of(definition, rule) -> str | None:
    """The question a rule stands under; None where it looks at several, or counts."""
    _codes, questions = named(rule.when)
    items = {definition.item_of(link_id) for link_id in questions}
    return items.pop() if len(items) == 1 else None


def _asked_when(definition, question) -> str:
    parent = definition.by_link_id.get(question.parent)
    if parent is None:
        return ""
    labels = [choice.label for choice in parent.choices if choice.code in question.parent_codes]
    return ", ".join(labels) or _("answered")


def _rule(rule) -> dict:
    return {
        "rule": rule,
        "status": reading.status_of(rule.effect),
        "word": Effect(rule.effect).label if rule.effect != "none" else _("note"),
        "override": reading.OVERRIDE_WORDS.get(rule.override or "", ""),
        "needs": [reading.NEED_WORDS.get(need, need) for need in rule.needs],
    }
