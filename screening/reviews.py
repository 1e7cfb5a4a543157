"""A named clinician reads one patient's answers and decides. Nobody else, and nothing else, clears a patient.

The worklist, reading, deciding, the short re-check at the chair, and withdrawing answers that are another person's.
There is no bulk decision: `decide` takes one request, and addresses each finding by itself (HAZARDS H05, H07).
"""

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Case, F, IntegerField, OuterRef, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils import formats, timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from clinic.models import Clinic, Patient, User, today_at
from screening import adopting, finished, sealing
from screening import assessment as rules
from screening.models import (
    Assessment,
    Effect,
    Questionnaire,
    QuestionnaireResponse,
    Reply,
    Review,
    ReviewRequest,
)

READING_MINUTES = 20  # after that somebody who closed the laptop no longer counts as reading
DAY = timedelta(days=1)
LONGEST_WAIT_DAYS = 5 * 366
LONGEST_WORDS = 4000


class Refused(ValidationError):
    """A decision that cannot be made, with a sentence for the clinician (or a dict of them by field)."""


class AlreadyDecided(Refused):
    """Somebody else was first."""


# What the database says when a verb forgot to ask first: constraint -> sentence.
SENTENCES = {
    "screening_review_by_a_clinician": _("Only an active clinician decides."),
    "screening_review_parts_belong_together": _("These answers have changed. Please open the screening again."),
    "screening_review_not_ones_own": _("These are your own answers. Another clinician has to decide."),
    "screening_review_o0_never": _("These answers cannot be cleared by anybody. New answers are needed."),
    "screening_review_o2_by_the_lead": _("This takes the lead clinician and a second clinician."),
    "screening_review_90_days": _("Answers count for 90 days at most. New answers are needed."),
    "booking_appointment_cleared_by_a_clinician": _("An appointment could not follow this. Nothing was saved."),
}


def _sentence(error: IntegrityError) -> str:
    """What to tell a clinician about a refusal of the database."""
    constraint = getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""
    return str(SENTENCES.get(constraint, _("That could not be saved. Please open the screening again.")))


def may_decide(user: User) -> bool:
    """Whether somebody holds `screening.decide` through a group and is active."""
    return user.is_active and user.has_perm("screening.decide")


# ---------------------------------------------------------------- the worklist

_HARM = ["contraindicated", "incomplete", "defer", "review", "advise", "none"]


def _ordered(requests: QuerySet) -> QuerySet:
    of_the_day = Case(When(on=OuterRef("needed_on"), then=Value(0)), default=Value(1))
    rows = Assessment.objects.filter(response=OuterRef("response")).annotate(other_day=of_the_day)
    rows = rows.order_by("other_day", "-created_at", "-id")
    return requests.annotate(
        # never assessed: something went wrong, so it comes first
        effect=Coalesce(Subquery(rows.values("effect")[:1]), Value(Effect.INCOMPLETE)),
        findings_count=Subquery(rows.values("findings_count")[:1]),
        harm=Case(
            *(When(effect=effect, then=Value(place)) for place, effect in enumerate(_HARM)),
            default=Value(0),
            output_field=IntegerField(),
        ),
    ).order_by("harm", F("needed_at").asc(nulls_last=True), "waiting_since", "id")


def with_first_asked(requests: QuerySet[ReviewRequest]) -> QuerySet[ReviewRequest]:
    """Adds `first_asked`, in the same query: where a reply brought the row back, since when a decision on these answers
    was first waited for; else None."""
    here = ReviewRequest.objects.filter(
        response=OuterRef("response"), treatment=OuterRef("treatment"), area=OuterRef("area")
    )
    # `reply_to` reopens at the instant of the reply.
    replied = here.filter(response__reviews__reply__created_at=OuterRef("waiting_since"))
    before = replied.filter(waiting_since__lt=OuterRef("waiting_since")).order_by("waiting_since")
    return requests.annotate(first_asked=Subquery(before.values("waiting_since")[:1]))


def worklist() -> QuerySet[ReviewRequest]:
    """Who waits for a decision: worst finding first, then the nearest visit, then the longest wait; in one query.

    Each row has `effect` and `findings_count` (of the rules, for the visit's day where that was asked), `harm` (0 is
    worst) and `first_asked`.
    """
    requests = ReviewRequest.objects.waiting().select_related(
        "response__patient", "response__questionnaire", "treatment", "area", "location", "being_read_by"
    )
    return _ordered(with_first_asked(requests))


@dataclass(frozen=True)
class Waiting:
    """The worklist in three figures."""

    count: int
    oldest: datetime | None
    nearest: date | None  # the local day of the nearest visit, where it is
    overdue: int


def waiting(now: datetime) -> Waiting:
    """How many wait, since when the oldest, when the nearest visit is, how many are past what was promised."""
    rows = list(ReviewRequest.objects.waiting().values_list("waiting_since", "needed_at", "needed_on", "answer_by"))
    visits = [(needed_at, needed_on) for _since, needed_at, needed_on, _by in rows if needed_at and needed_at > now]
    return Waiting(
        len(rows),
        min((since for since, *_rest in rows), default=None),
        min(visits, default=(None, None))[1],
        sum(1 for *_rest, answer_by in rows if answer_by and answer_by < now),
    )


def assessed_day(request: ReviewRequest, now: datetime) -> date:
    """The local day the rules are asked for: that of the visit, or today where there is none."""
    return finished.day_to_assess(request.response, request.needed_on, now=now)


def today_for(request: ReviewRequest, now: datetime) -> date:
    """Today where the visit is; where there is none, or nobody knows where, of all open places."""
    return today_at(now, [request.location] if request.location else None)


def is_being_read(request: ReviewRequest, *, by: User, now: datetime) -> bool:
    """Whether somebody else has this open."""
    return (
        request.being_read_by_id is not None
        and request.being_read_by_id != by.pk
        and request.being_read_since is not None
        and request.being_read_since > now - timedelta(minutes=READING_MINUTES)
    )


@transaction.atomic
def open_for_reading(request: ReviewRequest, *, by: User, now: datetime) -> Assessment:
    """Records who reads these answers since when, and what the rules say for the day of the visit.

    The last who opens it is shown to the others; nobody is kept out, the first decision counts. Raises Refused for
    somebody who may not decide, AlreadyDecided when it has left the worklist. Returns the stored assessment.
    """
    if not may_decide(by):
        raise Refused(_("Only a clinician reads and decides."))
    changed = ReviewRequest.objects.waiting().filter(pk=request.pk).update(being_read_by=by, being_read_since=now)
    if changed != 1:
        raise _already_decided(request)
    return stored_assessment(request.response, on=assessed_day(request, now), now=now)


def stored_assessment(response: QuestionnaireResponse, *, on: date, now: datetime) -> Assessment:
    """The assessment of a response for a day, stored now if it was not yet."""
    finished.assess_on(response, on=on, now=now)
    stored = Assessment.objects.filter(response=response, on=on).first()
    if stored is None:  # an error while asking the rules is never stored
        raise Refused(_("These answers cannot be read at the moment. Nobody can decide on them."))
    return stored


def last_decision(request: ReviewRequest) -> Review | None:
    """The newest decision on what a request is about."""
    return (
        Review.objects.filter(response=request.response_id, treatment=request.treatment_id, area=request.area_id)
        .select_related("decided_by")
        .order_by("-id")
        .first()
    )


def _already_decided(request: ReviewRequest) -> AlreadyDecided:
    last = last_decision(request)
    if last is None:
        return AlreadyDecided(_("Nobody waits for this decision any more."))
    return AlreadyDecided(
        _("Already decided by %(who)s, %(when)s."),
        params={
            "who": last.decided_by,
            "when": formats.date_format(timezone.localtime(last.decided_at), "j F Y, H:i"),
        },
    )


# ---------------------------------------------------------------- deciding


def whose(response: QuestionnaireResponse) -> Patient:
    """Whose answers these are. Raises Refused for anonymous ones: nobody decides about nobody."""
    if response.patient is None:
        raise Refused(_("These answers belong to nobody yet."))
    return response.patient


def to_address(found: rules.Assessment) -> list[rules.Finding]:
    """The findings a clinician has to address by themselves before clearing."""
    return finished.unaddressed(found, {})


def is_own(patient: Patient, user: User) -> bool:
    """Whether a member of staff is this patient: by their login, or by the address of a record made at the desk."""
    return patient.user_id == user.pk or bool(patient.email) and patient.email.lower() == user.email.lower()


def why_not_clearable(found: rules.Assessment, *, by: User, request: ReviewRequest, now: datetime) -> str:
    """Why nobody, or not this clinician, can clear these answers; empty when words for each finding are enough.

    A finding that needs a look in person takes a fulfilled consultation within six months before the day of the visit,
    unless the clinic's policy is never to ask for one.
    """
    response = request.response
    if response.questionnaire.purpose != Questionnaire.Purpose.SCREENING:
        return gettext("A short re-check clears nobody. The patient has to answer all questions again.")
    if not finished.screens_for(response.questionnaire, request.treatment_id):
        return gettext("These questions were not about this treatment. The patient has to answer those that are.")
    if found.effect == rules.INCOMPLETE:
        return gettext("Answers are missing, so nobody can clear these. The patient has to answer again.")
    findings = to_address(found)
    if any(finding.override == "O0" for finding in findings):
        return gettext("One of these findings cannot be overridden by anybody. The answer itself has to change.")
    if any(finding.override != "O1" for finding in findings):
        return gettext(
            "One of these findings takes the lead clinician and a second clinician, both by signature. "
            "That cannot be done here yet. Please choose another outcome."
        )
    if any("lead-clinician" in finding.needs for finding in findings) and not by.has_perm("screening.decide_o2"):
        return gettext("One of these findings takes the lead clinician.")
    if finished.needs_consultation(found, Clinic.get()):
        until = finished.consultation_counts_until(whose(response).pk, now=now)
        if until is None or until < found.on:
            return gettext(
                "One of these findings needs a consultation, and there was none in the six months before that day. "
                "Choose “Consultation first”: the time is then used to talk."
            )
    return ""


def statement_for(request: ReviewRequest, outcome: str, found: rules.Assessment) -> str:
    """The sentence a clinician signs. It names the person, so that nobody signs for the wrong one (H01).

    found: what the rules say for the day of the visit. Whoever clears past a finding does not sign that there was none.
    """
    patient = whose(request.response)
    values = {
        "name": patient.name,
        "birth_date": formats.date_format(patient.birth_date, "j F Y"),
        "what": request.what_for,
    }
    if outcome in Review.CLEARING and to_address(found):
        words = _(
            "I have read every answer of %(name)s, born %(birth_date)s. I have written why each finding does not stop "
            "%(what)s on the days this covers."
        )
    elif outcome in Review.CLEARING:
        words = _(
            "I have read every answer of %(name)s, born %(birth_date)s, and see no reason against "
            "%(what)s on the days this covers."
        )
    else:
        words = _("I have read every answer of %(name)s, born %(birth_date)s, and decided about %(what)s.")
    return str(words) % values


def decide(
    request: ReviewRequest,
    *,
    outcome: str,
    by: User,
    now: datetime,
    assessment: Assessment,
    reasons: dict[str, str],
    statement: str,
    conditions: str = "",
    question: str = "",
    explanation: str = "",
    deferred_until: date | None = None,
) -> Review:
    """Writes a clinician's decision on one row of the worklist (CLINICAL 2.6).

    assessment      what the clinician had before them: of this response, for the day of the visit.
    reasons         words by rule id. To clear, each finding of effect review or worse needs its own; O0 can never be
                    cleared, O2 not yet, "lead-clinician" only by one.
    statement       the sentence that is signed; always needed.
    conditions      needed for, and only for, cleared-with-conditions. question: likewise for needs-information.
    explanation     only for a refusal (deferred, consultation-required, not-suitable): why, for the patient to read;
                    needed where no finding of effect review or worse gives them a reason, and for a wait without a
                    date where no finding is one to wait for.
    deferred_until  a local day after today, only for deferred; None is a wait without a date.

    Raises Refused with a sentence (AlreadyDecided when somebody was first); nothing is written then. Consequences: the
    patient's row is locked; one Review with sealed words; the request leaves the worklist; clearance_changed is sent
    in the same transaction, so booking's appointments and messages follow or nothing happens at all.
    """
    try:
        with transaction.atomic():
            return _decide(
                request.pk,
                outcome=outcome,
                by=by,
                now=now,
                assessment=assessment,
                words={
                    "statement": _words(statement, "statement"),
                    "reasons": {str(rule): _words(text, f"reason-{rule}") for rule, text in reasons.items()},
                    "conditions": _words(conditions, "conditions"),
                    "question": _words(question, "question"),
                    "explanation": _words(explanation, "explanation"),
                },
                deferred_until=deferred_until,
            )
    except IntegrityError as error:
        raise Refused(_sentence(error)) from error


def _words(text: Any, field: str) -> str:
    text = str(text or "").strip()
    if "\x00" in text:
        raise Refused({field: _("Please write this again: it holds a character that cannot be stored.")})
    if len(text) > LONGEST_WORDS:
        raise Refused({field: _("Please write less: at most 4000 characters.")})
    return text


def _decide(
    request_id: int,
    *,
    outcome: str,
    by: User,
    now: datetime,
    assessment: Assessment,
    words: dict[str, Any],
    deferred_until: date | None,
) -> Review:
    request, patient, by = _in_turn(request_id, by=by)
    response = request.response
    if outcome not in Review.Outcome.values:
        raise Refused({"outcome": _("Choose what you decide.")})
    found = _still_found(request, assessment, outcome, now=now)
    words = _that_count(outcome, words)
    if outcome != Review.Outcome.DEFERRED:
        deferred_until = None
    if words["reasons"].keys() - {finding.rule for finding in found.findings}:
        raise Refused(_("The findings are no longer what they were. Please open the screening again."))
    if wrong := why_not(request, outcome, words, deferred_until, found=found, by=by, now=now):
        raise Refused(wrong)

    valid_from = valid_until = None
    if outcome in Review.CLEARING:
        valid_from, valid_until = days_covered(response, found, now=now)
    review_uuid = uuid.uuid4()
    review = Review.objects.create(
        uuid=review_uuid,
        response=response,
        assessment=assessment,
        patient=patient,
        treatment=request.treatment,
        area=request.area,
        outcome=outcome,
        valid_from=valid_from,
        valid_until=valid_until,
        deferred_until=deferred_until,
        words=sealing.seal(response, sealing.words_purpose(review_uuid), words),
        decided_by=by,
        decided_at=now,
    )
    ReviewRequest.objects.filter(pk=request.pk).close(now=now)
    adopting.tell(patient, outcome, by=by, now=now, treatment=request.treatment, area=request.area)
    return review


def _that_count(outcome: str, words: dict[str, Any]) -> dict[str, Any]:
    """The words that belong to this outcome: what was begun for another one is not kept."""
    belongs = {
        "conditions": outcome == Review.Outcome.CLEARED_WITH_CONDITIONS,
        "question": outcome == Review.Outcome.NEEDS_INFORMATION,
        "explanation": outcome in Review.REFUSING,
    }
    kept = {name: text if belongs.get(name, True) else "" for name, text in words.items()}
    return {**kept, "reasons": {rule: text for rule, text in words["reasons"].items() if text}}


def _in_turn(request_id: int, *, by: User) -> tuple[ReviewRequest, Patient, User]:
    """The row of the worklist with its patient, both locked, and who decides, as they are now. Raises Refused."""
    patient_id = ReviewRequest.objects.values_list("response__patient_id", flat=True).get(pk=request_id)
    patient = adopting.lock_patient(patient_id)
    by = User.objects.get(pk=by.pk)
    request = (
        ReviewRequest.objects.select_for_update(of=("self",))
        .select_related("response__questionnaire", "treatment", "area", "location")
        .get(pk=request_id)
    )
    request.response.patient = patient
    if not may_decide(by):
        raise Refused(_("Only an active clinician decides."))
    if is_own(patient, by):
        raise Refused(_("These are your own answers. Another clinician has to decide."))
    if request.closed_at is not None:
        raise _already_decided(request)
    newest = finished.finished_responses([patient.pk]).first()
    if newest is None or newest.pk != request.response_id or finished.out_of_date(request.response.questionnaire):
        raise Refused(_("These answers have been replaced. Please go back to the list."))
    return request, patient, by


def _still_found(request: ReviewRequest, assessment: Assessment, outcome: str, *, now: datetime) -> rules.Assessment:
    """What the rules say now; nobody clears unless it is what they had before them: the patient can be asked, or
    refused, all the same. Raises Refused."""
    if assessment.response_id != request.response_id or assessment.on != assessed_day(request, now):
        raise Refused(_("The visit has been moved meanwhile. Please look at the findings for its new day."))
    found = finished.says(request.response, assessment.on, now=now)
    has_changed = (found.effect, found.override) != (assessment.effect, assessment.override)
    if outcome in Review.CLEARING and has_changed:
        raise Refused(_("The findings are no longer what they were. New answers are needed."))
    return found


def why_not(
    request: ReviewRequest,
    outcome: str,
    words: dict[str, Any],
    deferred_until: date | None,
    *,
    found: rules.Assessment,
    by: User,
    now: datetime,
) -> dict[str, Any]:
    """All that keeps this decision from being signed, by field of its form; empty when nothing does. Writes nothing.

    words: statement, reasons (by rule id), conditions, question, explanation. found: what the rules say for the day.
    """
    wrong = _missing_words(outcome, words, deferred_until, found=found, today=today_for(request, now))
    if deferred_until is not None and request.needed_on is not None and deferred_until <= request.needed_on:
        sentence = _("The visit is on %(day)s, not before that day. Decide about it, or give a later day.")
        wrong.setdefault("deferred_until", sentence % {"day": formats.date_format(request.needed_on, "j F Y")})
    if outcome not in Review.CLEARING:
        return wrong
    if no := why_not_clearable(found, by=by, request=request, now=now):
        return {"outcome": no, **wrong}
    for finding in finished.unaddressed(found, {rule: text for rule, text in words["reasons"].items() if text}):
        wrong[f"reason-{finding.rule}"] = _("Say why this finding does not stop you.")
    if request.area.code not in finished.answered_areas(request.response):
        wrong["outcome"] = _("These answers are about another part of the body. New answers are needed.")
    if not wrong and days_covered(request.response, found, now=now)[1] < found.on:
        wrong["outcome"] = _("These answers are too old for that day. New answers are needed.")
    return wrong


def _missing_words(
    outcome: str, words: dict[str, Any], deferred_until: date | None, *, found: rules.Assessment, today: date
) -> dict[str, Any]:
    """What an outcome needs and is not there, by field; words for each finding apart."""
    wrong: dict[str, Any] = {}
    if not words["statement"]:
        wrong["statement"] = _("Please sign the statement.")
    if outcome == Review.Outcome.CLEARED_WITH_CONDITIONS and not words["conditions"]:
        wrong["conditions"] = _("Write the conditions.")
    if outcome == Review.Outcome.NEEDS_INFORMATION and not words["question"]:
        wrong["question"] = _("Write the question to the patient.")
    if outcome in Review.REFUSING and not words["explanation"] and not to_address(found):
        wrong["explanation"] = _("Write why. Nothing was found, so only your words give the patient a reason.")
    if outcome == Review.Outcome.DEFERRED and deferred_until is None and not words["explanation"]:
        waits = any(finding.effect in ("defer", "contraindicated") for finding in to_address(found))
        if not waits:  # "wait" would say neither until when nor for what
            wrong.setdefault("explanation", _("Give the day, or write what has to be over first."))
    if deferred_until is not None and not today < deferred_until <= today + timedelta(days=LONGEST_WAIT_DAYS):
        wrong["deferred_until"] = _("Give a day after today, or leave it empty for a wait without a date.")
    return wrong


def days_covered(response: QuestionnaireResponse, found: rules.Assessment, *, now: datetime) -> tuple[date, date]:
    """First and last treatment day that a clearing review covers.

    The last is the day of answering plus the clinic's policy (90 days at most), no later than a consultation that a
    finding needs still counts, and before anything speaks that was not found on the day that was assessed: after some
    waits a clinician looks again. The first is the earliest day, back from that day, on which nothing speaks but what
    was found on it too: waits that are over by the visit still count for the days before. Past an accepted wait it
    never goes back: "three days short" is said of one day, not of the day of the procedure.
    """

    def has_news(day: date) -> bool:
        said = finished.says(response, day, now=now)
        return said.effect == rules.INCOMPLETE or any(
            finding not in found.findings for finding in finished.unaddressed(said, {})
        )

    clinic, waits = Clinic.get(), finished.has_waits(found)
    last = finished.last_day(response, clinic)
    if finished.needs_consultation(found, clinic):
        until = finished.consultation_counts_until(whose(response).pk, now=now)
        last = min(last, until) if until else last
    first = until = found.on
    while first > finished.answered_day(response) and not waits and not has_news(first - DAY):
        first -= DAY
    if not waits and not has_news(last):  # then nothing has begun to speak on any day before it either
        return first, last
    while until < last and not has_news(until + DAY):
        until += DAY
    return first, min(until, last)


# ---------------------------------------------------------------- afterwards


@transaction.atomic
def reopen(review: Review, *, now: datetime) -> ReviewRequest:
    """Puts answers back on the worklist after the patient has replied to a question.

    Raises AlreadyDecided when a later decision, or later answers, took this one's place. Consequences:
    clearance_changed("answered") is sent for this treatment and area, so that the visits that wait no longer wait for
    the patient, and the row has the day of the nearest of them: they may have moved since the question was asked.
    """
    patient = adopting.lock_patient(review.patient_id)
    here = {"response": review.response_id, "treatment": review.treatment_id, "area": review.area_id}
    newest = finished.finished_responses([review.patient_id]).first()
    later = Review.objects.filter(**here, pk__gt=review.pk).exists()
    if later or newest is None or newest.pk != review.response_id:
        raise AlreadyDecided(_("Somebody has decided meanwhile."))
    request = ReviewRequest.objects.waiting().filter(**here).first()
    if request is None:
        before = ReviewRequest.objects.filter(**here).order_by("-id").first()
        request = ReviewRequest.objects.create(
            response_id=review.response_id,
            treatment_id=review.treatment_id,
            area_id=review.area_id,
            waiting_since=now,
            needed_on=before.needed_on if before else None,
            needed_at=before.needed_at if before else None,
            location_id=before.location_id if before else None,
        )
    adopting.tell(patient, adopting.ANSWERED, by=None, now=now, treatment=review.treatment, area=review.area)
    request.refresh_from_db()
    return request


@transaction.atomic
def reply_to(review: Review, *, text: str, now: datetime) -> bool:
    """Keeps the patient's one answer to a clinician's question, sealed; False, and nothing, when there is one already.

    Consequences: the patient's row is locked; the answers go back on the worklist, unless a later decision or later
    answers took this one's place. Raises SealBroken when the answers have no key any more.
    """
    adopting.lock_patient(review.patient_id)
    if Reply.objects.filter(review=review).exists():
        return False
    Reply.objects.create(
        review=review, text=sealing.seal(review.response, _reply_purpose(review), text), created_at=now
    )
    with suppress(AlreadyDecided):
        reopen(review, now=now)
    return True


def reply_of(review: Review) -> str:
    """What the patient answered to this review's question; empty before. Raises SealBroken."""
    reply = Reply.objects.filter(review=review).first()
    return sealing.unseal(review.response, _reply_purpose(review), reply.text) if reply else ""


def _reply_purpose(review: Review) -> str:
    return f"reply:{review.uuid}"


def mark_in_error(response: QuestionnaireResponse, *, by: User, now: datetime) -> None:
    """Withdraws finished answers that are not this patient's, or not true to what was said. They stay readable.

    Raises Refused for anybody but a clinician, for one's own answers, and for answers already withdrawn. Consequences:
    the patient's row is locked; open requests on them are closed; clearance_changed("withdrawn") is sent.
    """
    if not may_decide(by):
        raise Refused(_("Only an active clinician withdraws answers."))
    try:
        with transaction.atomic():
            patient = adopting.lock_patient(response.patient_id) if response.patient_id else None
            if patient is not None and is_own(patient, by):
                raise Refused(_("These are your own answers. Another clinician has to do this."))
            changed = QuestionnaireResponse.objects.filter(
                pk=response.pk, patient=patient, status__in=finished.FINISHED
            ).update(
                status=QuestionnaireResponse.Status.ENTERED_IN_ERROR,
                entered_in_error_at=now,
                entered_in_error_by=by,
            )
            if changed != 1:
                raise Refused(_("These answers are unfinished, or have been withdrawn already."))
            ReviewRequest.objects.filter(response=response).close(now=now)
            if patient is not None:
                adopting.tell(patient, adopting.WITHDRAWN, by=by, now=now)
    except IntegrityError as error:
        raise Refused(_sentence(error)) from error
