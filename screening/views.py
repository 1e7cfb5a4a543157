"""The patient's screening pages: before you start, the steps, check, result, and a clinician's question.

The session holds the response's UUID and nothing else. Every page goes through one door, `_here`, which knows whether
these answers may be shown on this device now. GET never changes anything.
"""

import re
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, wraps
from typing import Any

from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods

from clinic.models import Treatment, today_at
from screening import adopting, clearance, finished, responses, results, reviews, sealing
from screening.forms import (
    DECLARATION,
    BirthDateForm,
    CheckForm,
    ReplyForm,
    StartForm,
    StepForm,
    fingerprint,
)
from screening.models import Questionnaire, QuestionnaireResponse, Review
from screening.questionnaires import BIRTH_DATE
from screening.questionnaires import Questionnaire as Definition
from screening.sealing import SealBroken
from screening.steps import first_gap, standing_words, steps_of, urgent_words

SESSION_KEY = "screening"
_PLACE = re.compile(r"[0-9]{1,3}|check|result")


# ---------------------------------------------------------------- the door


@dataclass
class Here:
    """The answers of whoever sits at this device. `away`: the birth date is asked before anything is shown."""

    response: QuestionnaireResponse
    answers: dict[str, Any]
    now: datetime
    away: bool

    @property
    def definition(self) -> Definition:
        return self.response.questionnaire.definition()

    @cached_property
    def today(self) -> date:
        """The day on which they are given, at our places: a decision on them covers a visit of that day."""
        return today_at(self.now)

    @property
    def is_finished(self) -> bool:
        return self.response.status in finished.FINISHED


@sensitive_variables()
def _here(request: HttpRequest, now: datetime) -> Here | None:
    """The response in the session, or else the newest finished one of whoever is signed in.

    None when there is none, it is past its 24 hours, it is somebody else's, was withdrawn, or cannot be opened.
    """
    found = QuestionnaireResponse.objects.select_related("questionnaire", "treatment", "patient", "data_key")
    patient = _patient(request)
    response = None
    if key := _session_uuid(request):
        response = found.filter(uuid=key).first()
    elif patient is not None:
        full = found.filter(questionnaire__purpose=Questionnaire.Purpose.SCREENING)
        response = full.filter(patient=patient, status__in=finished.FINISHED).order_by("-completed_at", "-id").first()
    if response is None or responses.is_expired(response, now=now):
        return None
    if response.patient_id is not None and (patient is None or response.patient_id != patient.pk):
        return None
    if response.status == QuestionnaireResponse.Status.ENTERED_IN_ERROR:
        return None
    try:
        answers = finished.answers_of(response)
        if response.data_key.wrong_birth_dates >= responses.WRONG_BIRTH_DATES:
            return None
    except SealBroken:
        return None
    away = BIRTH_DATE in answers and finished.is_away(response, now=now)
    return Here(response, answers, now, away)


def _session_uuid(request: HttpRequest) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(request.session.get(SESSION_KEY)))
    except ValueError:
        return None


def _patient(request: HttpRequest):
    """The signed-in patient; None for visitors and staff."""
    return getattr(request.user, "patient", None) if request.user.is_authenticated else None


def page(*methods: str):
    """A page about somebody's answers: not kept by any cache, its input not in error reports."""

    def wrap(view):
        return never_cache(sensitive_post_parameters()(require_http_methods(methods)(view)))

    return wrap


def not_for_staff(view):
    """Refuses whoever is signed in as staff: what they filled in for somebody would be nobody's and move no visit, and
    the result would tell them what only clinicians read. Answers begun before signing in stay out of their sight too.
    """

    @wraps(view)
    def inner(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        if request.user.is_authenticated and request.user.is_staff:
            return render(request, "screening/not_for_staff.html", status=403)
        return view(request, *args, **kwargs)

    return inner


def with_answers(view):
    """Hands the view a `Here`; without one, a kind page that lets people begin again."""

    @not_for_staff
    @wraps(view)
    def inner(request: HttpRequest, *args, **kwargs) -> HttpResponse:
        here = _here(request, timezone.now())
        if here is None:
            return render(request, "screening/nothing_here.html")
        return view(request, here, *args, **kwargs)

    return inner


def _ask_birth_date(place: str) -> HttpResponseRedirect:
    return redirect(f"{reverse('screening:birth_date')}?to={place}")


def _go_on(here: Here) -> HttpResponseRedirect:
    """Where these answers are: finished, complete, or at the first question without an answer."""
    if here.is_finished:
        return redirect("screening:result")
    gap = first_gap(here.definition, here.answers)
    return redirect("screening:check") if gap is None else redirect("screening:step", gap)


# ---------------------------------------------------------------- before you start


@page("GET", "HEAD", "POST")
@not_for_staff
def start(request: HttpRequest) -> HttpResponse:
    """What to expect, who usually waits, privacy; POST begins a new response."""
    now = timezone.now()
    slug = str((request.POST if "treatment" in request.POST else request.GET).get("treatment") or "")
    treatment = _chosen_treatment(slug)
    not_offered = bool(slug) and treatment is None  # said, and asked again without it: nothing begins unnoticed
    questionnaire = _questionnaire(treatment)
    form = StartForm(
        request.POST if request.method == "POST" and not not_offered else None,
        initial={"treatment": treatment.slug if treatment else ""},
    )
    if request.method == "POST" and questionnaire is not None and form.is_valid():
        if not ratelimit.consume(request, action="screening"):
            return ratelimit.respond_429(request)
        try:
            response = _begin(request, questionnaire, treatment, now)
        except IntegrityError:  # retired since the page was read
            return redirect("screening:start")
        request.session[SESSION_KEY] = str(response.uuid)
        return redirect("screening:step", 1)
    here = _here(request, now) if _session_uuid(request) or _patient(request) else None
    context: dict[str, Any] = {"form": form, "treatment": treatment, "questionnaire": questionnaire, "here": here}
    context["not_offered"] = not_offered
    if questionnaire is not None:
        definition = questionnaire.definition()
        context |= {"steps": len(steps_of(definition)), "groups": results.waits_by_step(definition)}
    return render(request, "screening/start.html", context | {"talk": results.talk()})


def _chosen_treatment(slug: str) -> Treatment | None:
    if not slug or "\x00" in slug:
        return None
    return Treatment.objects.offered().filter(slug=slug, kind=Treatment.Kind.TREATMENT).first()


def _questionnaire(treatment: Treatment | None) -> Questionnaire | None:
    """The active questionnaire for a treatment; without one, the first active one there is."""
    if treatment is not None:
        return finished.questionnaire_for(treatment)
    return Questionnaire.objects.active().filter(purpose=Questionnaire.Purpose.SCREENING).order_by("name").first()


def _begin(request: HttpRequest, questionnaire, treatment, now: datetime) -> QuestionnaireResponse:
    """A new response for this device; unfinished ones that were here are forgotten. A second click begins nothing."""
    here = _here(request, now)
    patient = _patient(request)
    if here is not None and not here.is_finished and not here.answers:
        before = here.response
        if (before.questionnaire, before.treatment, before.patient) == (questionnaire, treatment, patient):
            return before
    with transaction.atomic():
        response = responses.start(
            questionnaire=questionnaire,
            treatment=treatment,
            privacy_version=settings.PRIVACY_VERSION,
            now=now,
            patient=patient,
            after=_sent_before(here),
        )
        if here is not None:
            responses.forget(here.response)
    if not request.user.is_authenticated:
        request.session.cycle_key()
    return response


def _sent_before(here: Here | None) -> QuestionnaireResponse | None:
    """The anonymous answers that this device sent before, also from before an attempt that is given up now."""
    if here is None:
        return None
    before = here.response if here.is_finished else here.response.supersedes
    return before if before is not None and before.patient_id is None else None


# ---------------------------------------------------------------- the steps


@page("GET", "HEAD", "POST")
@with_answers
@sensitive_variables()
def step(request: HttpRequest, here: Here, number: int) -> HttpResponse:
    """One group of questions."""
    steps = steps_of(here.definition)
    if not 1 <= number <= len(steps):
        raise Http404
    gap = first_gap(here.definition, here.answers)
    if here.is_finished or (gap is not None and number > gap):
        return _go_on(here)
    # The birth date opens these answers, so nobody may change it before giving it.
    if here.away and (request.method != "POST" or number == 1):
        return _ask_birth_date(str(number))
    leaving = request.POST.get("action") == "leave"
    form = StepForm(
        request.POST if request.method == "POST" else None,
        step=steps[number - 1],
        answers={} if here.away else here.answers,
        today=here.today,
        lenient=leaving,
    )
    if request.method == "POST" and form.is_valid():
        return _keep(request, here, form, leaving=leaving)
    questions = steps[number - 1].questions
    context = {
        "form": form,
        "step": steps[number - 1],
        "total": len(steps),
        "changing": "change" in request.GET,
        # Nothing is saved yet, but what cannot wait does not wait until the rest is right.
        "urgent": urgent_words(questions, {q.link_id: request.POST.getlist(q.link_id) for q in questions}),
    }
    return render(request, "screening/step.html", context)


@sensitive_variables()
def _keep(request: HttpRequest, here: Here, form: StepForm, *, leaving: bool) -> HttpResponse:
    """Saves one step and says where to go; first, what cannot wait (H13). Somebody under 18 leaves nothing behind."""
    changes = form.answers()
    known = here.response.patient.birth_date if here.response.patient else None
    given = changes.get(BIRTH_DATE)
    births = [date.fromisoformat(given) if given else None, known]
    if form.step.number == 1 and any(responses.is_too_young(birth, today=here.today) for birth in births):
        return _too_young(request, here)
    try:
        answers = responses.save_answers(here.response, changes, now=here.now, seen=not here.away)
    except responses.AlreadySent:  # sent or forgotten in another window
        return redirect("screening:result")
    urgent = urgent_words(form.step.questions, changes)
    if leaving:
        responses.put_away(here.response, now=here.now)
        if urgent:  # said now, for what is put away is shown to nobody without the birth date
            onward = reverse("screening:later")
            return render(request, "screening/advice.html", {"words": urgent, "onward": onward, "leaving": True})
        return redirect("screening:later")
    change = "?change=1" if "change" in request.GET else ""
    if urgent:
        return redirect(reverse("screening:advice", args=[form.step.number]) + change)
    return _after(here.definition, answers, form.step.number, changing=bool(change))


def _after(definition: Definition, answers, number: int, *, changing: bool) -> HttpResponseRedirect:
    """The next step; back to "check your answers" after a change; there too after the last."""
    gap = first_gap(definition, answers)
    if gap is None and (changing or number == len(steps_of(definition))):
        return redirect("screening:check")
    return redirect("screening:step", gap if changing or number == len(steps_of(definition)) else number + 1)


def _too_young(request: HttpRequest, here: Here) -> HttpResponse:
    responses.forget(here.response)
    request.session.pop(SESSION_KEY, None)
    return render(request, "screening/too_young.html")


@page("GET", "HEAD")
@with_answers
def advice(request: HttpRequest, here: Here, number: int) -> HttpResponse:
    """What cannot wait until the answers are sent, right after the step that asked (H13)."""
    steps = steps_of(here.definition)
    if not 1 <= number <= len(steps):
        raise Http404
    if here.away:
        return _ask_birth_date(str(number))
    words = urgent_words(steps[number - 1].questions, here.answers)
    onward = _after(here.definition, here.answers, number, changing="change" in request.GET)
    if here.is_finished or not words:
        return redirect("screening:result") if here.is_finished else onward
    return render(request, "screening/advice.html", {"words": words, "onward": onward.url})


@page("GET", "HEAD", "POST")
@with_answers
@sensitive_variables()
def check(request: HttpRequest, here: Here) -> HttpResponse:
    """All answers once more; POST sends them, once."""
    gap = first_gap(here.definition, here.answers)
    if here.is_finished or gap is not None:
        return _go_on(here)
    if here.away:
        return _ask_birth_date("check")
    shown = fingerprint(here.answers)
    form = CheckForm(request.POST if request.method == "POST" else None, initial={"shown": shown})
    changed = request.method == "POST" and not constant_time_compare(request.POST.get("shown", ""), shown)
    if changed:  # in another window: what was read is not what would be sent
        form = CheckForm(initial={"shown": shown})
    elif request.method == "POST" and form.is_valid():
        return _send(request, here)
    pages = results.answers_by_step(here.definition, finished.items_of(here.response))
    return render(request, "screening/check.html", {"form": form, "pages": pages, "changed": changed})


def _send(request: HttpRequest, here: Here) -> HttpResponse:
    """Sends them. Whoever signed in after beginning gets them tied to their record, or nothing is sent."""
    patient = _patient(request)
    try:
        with transaction.atomic():
            if patient is not None:
                adopting.lock_patient(patient.pk)  # before the response's row, as everywhere
            sent = responses.complete(
                here.response, today=here.today, now=here.now, declaration=str(DECLARATION), declared=here.answers
            )
            if patient is not None:
                adopting.tie_from_browser(request, patient, now=here.now, sent_by_them=True)
    except responses.AnswersChanged:
        return redirect("screening:check")
    except responses.TooYoung:
        return _too_young(request, here)
    except responses.QuestionsChanged:
        responses.forget(here.response)
        request.session.pop(SESSION_KEY, None)
        return render(request, "screening/questions_changed.html", {"treatment": here.response.treatment})
    except responses.Incomplete as incomplete:  # an answer that no form of ours would have taken
        numbers = {question.link_id: step.number for step in steps_of(here.definition) for question in step.questions}
        return redirect("screening:step", min((numbers.get(link_id, 1) for link_id in incomplete.link_ids), default=1))
    except responses.AlreadySent:
        return render(request, "screening/nothing_here.html")
    finished.assess_on(sent, on=here.today, now=here.now)
    return redirect("screening:result")


@page("GET", "HEAD")
@with_answers
def result(request: HttpRequest, here: Here) -> HttpResponse:
    """What it means today, and what next."""
    if not here.is_finished:
        return _go_on(here)
    if here.away:
        return _ask_birth_date("result")
    noes, others = results.decisions_on(here.response, today=here.today)
    about = here.response.treatment_id
    # What a clinician said about it stands before what the rules said.
    if not others and any(about in (None, no.treatment_id) for no in noes):
        return redirect("screening:decision", noes[0].uuid)
    found = results.result_of(here.response, today=here.today, now=here.now)
    urgent = urgent_words(here.definition.questions, here.answers)
    # Somebody whose time is kept already, by phone or from before, is not asked to choose one.
    waits = here.response.requests.filter(closed_at=None, needed_at__gt=here.now).exists()
    context = {"result": found, "urgent": urgent, "response": here.response, "waits": waits, "noes": noes}
    return render(request, "screening/result.html", context)


# ---------------------------------------------------------------- leaving and coming back


@page("GET", "HEAD")
@with_answers
def later(request: HttpRequest, here: Here) -> HttpResponse:
    """Saved: until when, and how to come back."""
    if here.is_finished:
        return redirect("screening:result")
    return render(request, "screening/later.html", {"kept_until": responses.kept_until(here.response)})


@page("GET", "HEAD", "POST")
@with_answers
def leave(request: HttpRequest, here: Here) -> HttpResponse:
    """Takes the answers off this device; unfinished ones are deleted for good."""
    if request.method == "POST":
        forgotten = responses.forget(here.response)
        request.session.pop(SESSION_KEY, None)
        messages.info(
            request,
            _("Your answers are deleted. Nothing is kept.")
            if forgotten
            else _("Your answers can no longer be seen on this device. We have kept what you sent."),
        )
        return redirect("screening:start")
    return render(request, "screening/leave.html", {"finished": here.is_finished})


@page("GET", "HEAD", "POST")
@with_answers
@sensitive_variables()
def birth_date(request: HttpRequest, here: Here) -> HttpResponse:
    """After 15 minutes away: the birth date again. The third wrong one forgets unfinished answers."""
    place = str(request.POST.get("to") or request.GET.get("to") or "")
    onward = _place(place) if _PLACE.fullmatch(place) else _go_on(here)
    if not here.away:
        return onward
    form = BirthDateForm(request.POST if request.method == "POST" else None, initial={"to": place[:10]})
    if request.method == "POST" and form.is_valid():
        try:
            if responses.prove_birth_date(here.response, form.cleaned_data["birth_date"], now=here.now):
                return onward
        except (responses.AlreadySent, SealBroken):
            request.session.pop(SESSION_KEY, None)
            return render(request, "screening/nothing_here.html", {"wrong": True})
        form.add_error("birth_date", _("This is not the date in these answers. Please look at it again."))
    return render(request, "screening/birth_date.html", {"form": form})


def _place(place: str) -> HttpResponseRedirect:
    return redirect("screening:step", int(place)) if place.isdigit() else redirect(f"screening:{place}")


# ---------------------------------------------------------------- a clinician's question


@page("GET", "HEAD", "POST")
@login_required
@sensitive_variables()
def reply(request: HttpRequest, review_uuid: uuid.UUID) -> HttpResponse:
    """The question a clinician asked this patient, and one answer to it."""
    patient = _patient(request)
    if patient is None:
        raise Http404
    review = get_object_or_404(
        Review.objects.select_related("response__data_key", "treatment"),
        uuid=review_uuid,
        patient=patient,
        outcome=Review.Outcome.NEEDS_INFORMATION,
    )
    try:
        question = sealing.words_of(review).get("question", "")
    except SealBroken:
        return render(request, "screening/nothing_here.html")
    form = ReplyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["text"]
        if reviews.reply_to(review, text=text, now=timezone.now()) or (kept := reviews.reply_of(review)) == text:
            return redirect("screening:reply", review.uuid)
        return render(request, "screening/reply.html", {"answered": True, "kept": kept, "not_kept": text})
    answered = hasattr(review, "reply")
    return render(request, "screening/reply.html", {"form": form, "question": question, "answered": answered})


# ---------------------------------------------------------------- what a clinician decided


@page("GET", "HEAD")
@login_required
def decision(request: HttpRequest, review_uuid: uuid.UUID) -> HttpResponse:
    """What a clinician decided about this patient's answers, why in the patient's words, and what can be done now."""
    patient = _patient(request)
    if patient is None:
        raise Http404
    review = get_object_or_404(
        Review.objects.select_related(
            "response__questionnaire", "response__data_key", "treatment", "area", "assessment"
        ),
        uuid=review_uuid,
        patient=patient,
        response__patient=patient,
        response__status__in=finished.FINISHED,
    )
    if review.outcome == Review.Outcome.NEEDS_INFORMATION:
        return redirect("screening:reply", review.uuid)
    now = timezone.now()
    latest = (
        Review.objects.filter(
            patient=patient, treatment=review.treatment, area=review.area, response__status__in=finished.FINISHED
        )
        .order_by("-id")
        .first()
    )
    if latest is not None and latest != review and review.outcome not in Review.REFUSING:
        return redirect("screening:decision", latest.uuid)
    review.response.patient = patient
    result = results.result_of(review.response, today=review.assessment.on, now=now)
    stands, waits = None, False
    if review.outcome in Review.CLEARING:
        clearances = clearance.Clearances([patient.pk])
        stands = clearances.still_counts(review, now)
        waits = any(one == review and one.waits_again for one in clearances.reviews.values())
    context = {
        "review": review,
        "newer": latest if latest != review else None,
        "result": result,
        "counts": stands is not None and stands.cleared,
        "looks_again": stands is not None and stands.why == "waiting",
        "waits": waits,
        "standing": _standing(review),
        "explanation": _explanation(review),
    }
    return render(request, "screening/decision.html", context)


def _explanation(review: Review) -> str:
    """Why, in the clinician's words for the patient; empty where there are none, or they cannot be read."""
    try:
        return str(sealing.words_of(review).get("explanation", ""))
    except SealBroken:
        return ""


def _standing(review: Review) -> list[str]:
    try:
        return standing_words(
            review.response.questionnaire.definition().questions, finished.answers_of(review.response)
        )
    except SealBroken:
        return []
