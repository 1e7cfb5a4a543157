"""May this patient have this treatment on this area on that date? The front door of screening for other apps.

A clearance is computed, never stored. It needs a named clinician's review that clears, is valid on the day and still
counts; and it asks the rules again for that very day. Whatever is missing, unreadable or broken means "no" (H02, R6).

`clearance_changed` is sent inside the transaction of the change, with the patient's row locked: an error in a listener
rolls the change back. Booking listens and moves the appointments.
"""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.dispatch import Signal

from clinic.ages import is_adult
from clinic.models import Area, Clinic, Location, Patient, Treatment, User, today_at
from clinic.registry import last_consultation, patients_treated_by
from screening import assessment as rules
from screening import sealing
from screening.models import Questionnaire, QuestionnaireResponse, Review, ReviewRequest
from screening.questionnaires import AFTER_LAST_SESSION, AREAS, BIRTH_DATE

log = logging.getLogger(__name__)

# patient, treatment, area (both None: all of the patient's), outcome (Review.Outcome, "answered" for
# a patient's first answers and for a reply to a clinician's question, "superseded" or "withdrawn"),
# review_id or None, deferred_until or None, by (User or None), now.
clearance_changed = Signal()

ANSWERED = "answered"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"
FINISHED = (QuestionnaireResponse.Status.COMPLETED, QuestionnaireResponse.Status.AMENDED)
# Effects that a clinician has to address one by one.
TO_ADDRESS = ("review", "defer", "contraindicated")
# Needs of a finding that only seeing the patient meets, and how long a consultation counts (DESIGN section 5).
IN_PERSON = ("consultation-first", "face-to-face")
CONSULTATION_COUNTS = {"months": 6}


class NotFinished(ValueError):
    """These answers are unfinished, or were marked as entered in error."""


class AnswersOfAnother(ValueError):
    """These answers belong to another patient."""


class BirthDateDiffers(ValueError):
    """The birth date in the answers is not the patient's (R8): somebody has to look who this is."""


@dataclass(frozen=True)
class Clearance:
    """The answer for one day. Conditions are never in it: only clinicians and the treating practitioner see those."""

    cleared: bool
    review_id: int | None
    valid_from: date | None
    valid_until: date | None
    why: str  # cleared, waiting, none, expired, superseded, blocked, not-suitable, deferred, needs-information, …


@dataclass(frozen=True)
class Asking:
    """Whether a treatment time may be asked for, before any clinician has looked."""

    allowed: bool
    earliest: date | None  # the first treatment day that may be asked for; None when not allowed
    effect: str
    consultation_allowed: bool
    why: str = ""  # where not allowed: rules, area, out-of-date, not-for-this-treatment, decided, none


@dataclass(frozen=True)
class Answered:
    """Finished answers of this visitor."""

    response_id: int
    birth_date: date | None
    areas: list[str] = field(default_factory=list)
    away: bool = False  # nobody has worked on them for a while: whoever goes on with them says their birth date again
    # The row of `_finished`, with its annotations, so that `may_ask` need not read it again.
    response: Any = field(default=None, compare=False, repr=False)


# ---------------------------------------------------------------- what the records say


def _responses():
    # responses.complete() tells this module that answers were replaced, so neither can import the other first
    from screening import responses

    return responses


def finished_responses(patient_ids: Iterable[int]):
    """Finished answers that take the place of earlier ones, newest first."""
    return QuestionnaireResponse.objects.filter(patient_id__in=patient_ids, status__in=FINISHED, reopens=True).order_by(
        "-completed_at", "-id"
    )


def questionnaire_for(treatment: Treatment) -> Questionnaire | None:
    """The active full questionnaire that screens for a treatment, or None: then it cannot be asked for."""
    active = Questionnaire.objects.active().filter(purpose=Questionnaire.Purpose.SCREENING)
    return active.filter(Q(treatments=treatment) | Q(treatments=None)).order_by("-published_at").first()


def _ask_again(name, version):
    """The newer versions of a questionnaire because of which everybody answers again."""
    published = Questionnaire.objects.exclude(status=Questionnaire.Status.DRAFT)
    return published.filter(rescreen=True, name=name, version__gt=version)


def screens_for(questionnaire: Questionnaire, treatment_id: int) -> bool:
    """Whether a questionnaire is asked for a treatment: for every one, unless the version names some."""
    screened = set(questionnaire.treatments.values_list("pk", flat=True))
    return not screened or treatment_id in screened


def out_of_date(questionnaire: Questionnaire) -> bool:
    """Whether a newer version asks everybody to answer again."""
    return _ask_again(questionnaire.name, questionnaire.version).exists()


def still_stands(response: str = "") -> dict[str, Exists]:
    """What says that answers no longer count, to annotate a query with: `outdated`, a newer version asks everybody
    again; `replaced`, the patient has given newer answers. response: the path to the response, such as "response__"."""
    later = Q(completed_at__gt=OuterRef(f"{response}completed_at")) | Q(
        completed_at=OuterRef(f"{response}completed_at"), pk__gt=OuterRef(f"{response}pk")
    )
    newer = QuestionnaireResponse.objects.filter(
        later, patient=OuterRef(f"{response}patient"), status__in=FINISHED, reopens=True
    )
    of_it = f"{response}questionnaire__"
    return {
        "outdated": Exists(_ask_again(OuterRef(f"{of_it}name"), OuterRef(f"{of_it}version"))),
        "replaced": Exists(newer),
    }


def _finished():
    """Finished answers with all that decides what they are good for, in one query: see `still_stands`; `screened`, the
    ids of the treatments that their questions cover (empty: all); `was_reviewed`, whether anybody decided on them."""
    covers = Questionnaire.treatments.through.objects.filter(questionnaire=OuterRef("questionnaire"))
    return (
        QuestionnaireResponse.objects.filter(status__in=FINISHED)
        .select_related("questionnaire", "data_key", "patient")
        .annotate(
            **still_stands(),
            screened=ArraySubquery(covers.order_by().values("treatment")),
            was_reviewed=Exists(Review.objects.filter(response=OuterRef("pk"))),
        )
    )


def answered_day(response: QuestionnaireResponse) -> date:
    """The local day on which finished answers were given. Raises NotFinished for others."""
    if response.answered_on is None:
        raise NotFinished
    return response.answered_on


def last_day(response: QuestionnaireResponse, clinic: Clinic | None) -> date:
    """The last treatment day that answers count for: the clinic's policy, 90 days after answering at most."""
    return answered_day(response) + timedelta(days=min(clinic.screening_valid_days, 90) if clinic else 90)


def day_to_assess(response: QuestionnaireResponse, needed_on: date | None, *, now: datetime) -> date:
    """The local day that the rules are asked for: that of the visit, or today where there is none."""
    return max(needed_on or today_at(now), answered_day(response))


def says(response: QuestionnaireResponse, on: date, *, now: datetime) -> rules.Assessment:
    """What the rules say about these answers on a day. Stores nothing; any error is "incomplete", which blocks."""
    try:
        return _responses().assess_on(response, on=on, now=now, record=False)
    except Exception:  # fail closed, and say nothing about the person in the log
        log.exception("The rules could not be asked; this blocks.")
        return rules.Assessment(rules.INCOMPLETE, None, (), (), on, response.answered_on or on)


def unaddressed(assessment: rules.Assessment, reasons: dict[str, str]) -> list[rules.Finding]:
    """The findings of effect review or worse that nobody has addressed in words; O0 cannot be addressed."""
    return [
        finding
        for finding in assessment.findings
        if finding.effect in TO_ADDRESS and (finding.override == "O0" or not str(reasons.get(finding.rule, "")).strip())
    ]


def answered_areas(response: QuestionnaireResponse) -> list[str]:
    """The codes of the areas these answers are about."""
    areas = _responses().answers_of(response).get(AREAS)
    return [code for code in areas if isinstance(code, str)] if isinstance(areas, list) else []


def answered_birth_date(response: QuestionnaireResponse) -> date | None:
    """The birth date in the answers, or None where it cannot be read."""
    given = _responses().answers_of(response).get(BIRTH_DATE)
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        return None


def consultation_counts_until(patient_id: int, *, now: datetime) -> date | None:
    """The last local day that the patient's last fulfilled consultation counts for: six calendar months; None: none."""
    day = last_consultation(patient_id, now)
    return rules.plus(day, CONSULTATION_COUNTS) if day else None


def needs_consultation(assessment: rules.Assessment, clinic: Clinic | None) -> bool:
    """Whether these findings may be cleared only for somebody who was seen in a consultation; the clinic's policy."""
    if clinic is not None and clinic.consultation_first == Clinic.ConsultationFirst.NEVER:
        return False
    return any(need in IN_PERSON for finding in unaddressed(assessment, {}) for need in finding.needs)


def words_purpose(review_uuid: uuid.UUID) -> str:
    """What a review's words are sealed as."""
    return f"review:{review_uuid}"


def words_of(review: Review) -> dict[str, Any]:
    """The sealed words of a review: statement, reasons by rule, conditions, question, and explanation (what a
    patient who was refused reads; decisions made before there was one have none). Raises sealing.SealBroken."""
    return sealing.unseal(review.response, words_purpose(review.uuid), review.words)


class Records:
    """Everything a clearance needs about some patients, in one query, or two where somebody has no decision yet."""

    def __init__(self, patient_ids: Iterable[int]) -> None:
        self.patient_ids = set(patient_ids)
        self.clinic = Clinic.get()
        self.reviews: dict[tuple[int, int, int], Any] = {}  # reviews, with the annotations below
        found = Review.objects.filter(patient_id__in=self.patient_ids).order_by("-id")
        same = {name: OuterRef(name) for name in ("treatment", "area")}
        open_again = ReviewRequest.objects.filter(response__patient=OuterRef("patient"), closed_at=None, **same)
        for review in found.annotate(**still_stands("response__"), waits_again=Exists(open_again)).select_related(
            "response__questionnaire", "response__data_key", "response__patient", "assessment", "cosignature", "area"
        ):
            self.reviews.setdefault((review.patient_id, review.treatment_id, review.area_id), review)
        # One object a version, so that its rules are read once however many patients answered it.
        self.questionnaires: dict[int, Questionnaire] = {}
        self.asked: dict[tuple[int, date], rules.Assessment] = {}

    @cached_property
    def waiting(self) -> set[tuple[int, int, int]]:
        """(patient, treatment, area) of what is on the clinicians' worklist, for those without any decision."""
        return set(
            ReviewRequest.objects.filter(response__patient_id__in=self.patient_ids, closed_at=None).values_list(
                "response__patient_id", "treatment_id", "area_id"
            )
        )

    def _says(self, response: QuestionnaireResponse, on: date, now: datetime) -> rules.Assessment:
        response.questionnaire = self.questionnaires.setdefault(response.questionnaire_id, response.questionnaire)
        key = (response.pk, on)
        if key not in self.asked:
            self.asked[key] = says(response, on, now=now)
        return self.asked[key]

    def clearance(
        self, patient_id: int, treatment: Treatment, area_id: int | None, on: date, now: datetime
    ) -> Clearance:
        """See `clearance_for`."""
        if not treatment.needs_screening:
            return Clearance(True, None, None, None, "cleared")
        if area_id is None:
            return Clearance(False, None, None, None, "none")
        key = (patient_id, treatment.pk, area_id)
        review = self.reviews.get(key)

        def no(why: str) -> Clearance:
            return Clearance(False, review.pk if review else None, None, None, why)

        def not_now(why: str) -> Clearance:
            return no("waiting" if (review.waits_again if review else key in self.waiting) else why)

        if review is None:
            return not_now("none")
        response = review.response
        if (
            response.patient_id != patient_id
            or response.status not in FINISHED
            or not response.reopens
            or review.replaced
            or review.outdated
        ):
            return not_now(SUPERSEDED)
        if review.outcome not in Review.CLEARING:
            return not_now(review.outcome)
        if review.valid_from is None or review.valid_until is None:
            return no("blocked")
        last = min(review.valid_until, last_day(response, self.clinic))
        if on > last:
            return not_now("expired")
        if on < review.valid_from:
            return no("blocked")
        if review.assessment.override == "O0":
            return no("blocked")
        if review.assessment.override == "O2" and not hasattr(review, "cosignature"):
            return no("waiting")
        try:
            reasons = dict(words_of(review)["reasons"])
            same_area = review.area.code in answered_areas(response)
        except Exception:  # fail closed
            log.exception("A review could not be read; this blocks.")
            return no("blocked")
        found = self._says(response, on, now)
        if not same_area or found.effect == rules.INCOMPLETE or unaddressed(found, reasons):
            return not_now("blocked")
        return Clearance(True, review.pk, review.valid_from, last, "cleared")


# ---------------------------------------------------------------- asking


def clearance_for(patient: Patient, treatment: Treatment, *, area: Area | None, on: date, now: datetime) -> Clearance:
    """May this patient have this treatment on this area on the local day `on`?

    A consultation or review visit needs no screening. A treatment needs the latest review of patient, treatment and
    area to clear it, on answers that nothing has taken the place of, within its days; an O2 finding needs the second
    signature; and every finding of effect review or worse **on that day** has to be one the clinician addressed. Any
    error means "no". Writes nothing. Two queries at most, and those that read the questionnaire's rules.
    """
    records = Records([patient.pk])
    return records.clearance(patient.pk, treatment, area.pk if area else None, on, now)


def still_counts(review: Review, *, now: datetime) -> bool:
    """Whether a decision that clears still carries a visit, today or on the first day it covers."""
    if review.valid_from is None:
        return False
    on = max(today_at(now), review.valid_from)
    found = clearance_for(review.patient, review.treatment, area=review.area, on=on, now=now)
    return found.cleared and found.review_id == review.pk


def refusal_of(patient: Patient, treatment: Treatment, *, area: Area | None) -> uuid.UUID | None:
    """The uuid of the latest decision about this patient, treatment and area, for a link to its page; None where that
    is no refusal, or nobody has decided."""
    latest = Review.objects.filter(patient=patient, treatment=treatment, area=area).order_by("-id").first()
    return latest.uuid if latest is not None and latest.outcome in Review.REFUSING else None


def open_questions(patient: Patient) -> dict[tuple[int, int | None], uuid.UUID]:
    """The decisions whose question the patient has not answered yet: (treatment, area) to the uuid, for a link."""
    each = ("treatment_id", "area_id")
    latest = Review.objects.filter(patient=patient).order_by(*each, "-id").distinct(*each)
    return {
        (review.treatment_id, review.area_id): review.uuid
        for review in latest.select_related("reply")
        if review.outcome == Review.Outcome.NEEDS_INFORMATION and not hasattr(review, "reply")
    }


READY, UPDATE_DUE, WAITING, CANNOT = "ready", "update-due", "waiting", "cannot"
_READINESS = {
    "cleared": READY,
    "waiting": WAITING,
    "none": UPDATE_DUE,
    "expired": UPDATE_DUE,
    "superseded": UPDATE_DUE,
    "needs-information": UPDATE_DUE,
}


def readiness(visits: Iterable[tuple[Any, int | None, Treatment, int | None, date]], *, now: datetime) -> dict:
    """One word for each visit, for the desk: whether the patient is ready, never why not.

    visits: (key, patient_id, treatment, area_id, local day). Returns key -> "ready", "update-due" (the patient has to
    answer something), "waiting" (a clinician has to) or "cannot". The number of queries does not depend on the number
    of visits. Writes nothing.
    """
    visits = list(visits)
    records = Records({patient_id for _key, patient_id, *_rest in visits if patient_id is not None})
    words = {}
    for key, patient_id, treatment, area_id, on in visits:
        if patient_id is None:
            words[key] = READY if not treatment.needs_screening else UPDATE_DUE
            continue
        why = records.clearance(patient_id, treatment, area_id, on, now).why
        words[key] = _READINESS.get(why, CANNOT)
    return words


def may_ask(answers: int | Answered, treatment: Treatment, *, area: Area | None, on: date, now: datetime) -> Asking:
    """What the rules say about asking for a treatment time, before any clinician has looked (DESIGN section 5).

    answers: the primary key of finished answers, or what `response_of_session` just found. on: the local day that is
    asked about: the first bookable day, later the chosen day. Allowed with nothing found, advice or review; with waits
    that all have a date inside the booking horizon, from `earliest` on. Not allowed: contraindicated, incomplete,
    undated waits, waits beyond the horizon, another area than the answers are about, answers that no longer count, or a
    clinician's decision against it. A consultation may always be asked for, but not by somebody under 18 on the day of
    answering. Writes nothing.
    """
    response: Any = answers.response if isinstance(answers, Answered) else _finished().filter(pk=answers).first()
    if response is None:
        return Asking(False, None, rules.INCOMPLETE, True, "none")
    clinic = Clinic.get()
    try:
        births = [answered_birth_date(response), response.patient.birth_date if response.patient else None]
        under_age = any(birth and not is_adult(birth, answered_day(response)) for birth in births)
        areas = answered_areas(response)
    except Exception:  # fail closed: no treatment; a talk can still find out what is wrong
        log.exception("Answers could not be read; this blocks.")
        return Asking(False, None, rules.INCOMPLETE, True, "rules")
    if not treatment.needs_screening:
        return Asking(not under_age, None if under_age else on, "none", not under_age, "rules" if under_age else "")
    found = says(response, on, now=now)

    def no(why: str) -> Asking:
        return Asking(False, None, found.effect, not under_age, why)

    if under_age:
        return no("rules")
    if not response.reopens or response.replaced or response.outdated or on > last_day(response, clinic):
        return no("out-of-date")
    covered = not response.screened or treatment.pk in response.screened
    if response.questionnaire.purpose != Questionnaire.Purpose.SCREENING or not covered:
        return no("not-for-this-treatment")
    if area is None or area.code not in areas:
        return no("area")
    latest = None
    if response.was_reviewed:
        latest = response.reviews.filter(treatment=treatment, area=area).order_by("-id").first()
    if latest is not None and latest.outcome in Review.REFUSING:
        if latest.deferred_until is None:
            return no("decided")
        on = max(on, latest.deferred_until)
    earliest = first_open_day(response, found if on == found.on else says(response, on, now=now), now=now)
    return Asking(True, earliest, found.effect, True) if earliest else no("rules")


def first_open_day(response: QuestionnaireResponse, found: rules.Assessment, *, now: datetime) -> date | None:
    """The first day, from the one that `found` is about, on which no wait stands in the way.

    None where it is after what can be booked everywhere, or after the days these answers count. The rules are asked
    again for each day that a wait ends, for another one may begin to speak.
    """
    if not found.blocks:
        return found.on
    clinic = Clinic.get()
    horizon = today_at(now) + timedelta(days=clinic.horizon_days if clinic else 90)
    last = min(horizon, last_day(response, clinic))
    for _attempt in range(10):
        if found.earliest is None or not found.on < found.earliest <= last:
            return None
        found = says(response, found.earliest, now=now)
        if not found.blocks:
            return found.on
    return None


# ---------------------------------------------------------------- the treating practitioner


@dataclass(frozen=True)
class Conditions:
    """What a clinician wrote for whoever treats, with who decided and which answers it stands on."""

    words: str
    readable: bool
    decided_by: str
    decided_at: datetime
    response_uuid: uuid.UUID


def _must_treat(by: User, patient: Patient, now: datetime) -> None:
    may = by.has_perm("screening.view_answers") or (
        by.has_perm("screening.view_own_patients_answers") and patient.pk in patients_treated_by(by, now)
    )
    if not may:
        raise PermissionDenied


def conditions_of(review_id: int | None, *, patient: Patient, by: User, now: datetime) -> Conditions | None:
    """The conditions of the decision that a visit of this patient stands on; None where it stands on none.

    Only for who may read every answer, or treats this patient about now (DESIGN section 1); others get
    PermissionDenied. `readable` is False where the sealed words cannot be opened: then nobody knows the conditions.
    """
    _must_treat(by, patient, now)
    if review_id is None:
        return None
    found = Review.objects.filter(pk=review_id, patient=patient, outcome__in=Review.CLEARING)
    review = found.select_related("response__data_key", "decided_by").first()
    if review is None:
        return None
    try:
        words, readable = str(words_of(review).get("conditions", "")), True
    except sealing.SealBroken:
        log.exception("The conditions of a review could not be read.")
        words, readable = "", False
    return Conditions(words, readable, str(review.decided_by), review.decided_at, review.response.uuid)


def recheck_steps(data=None, *, today: date) -> list | None:
    """The forms of the short re-check, one a step, empty or bound to what was posted; None where none is published.

    today: the local day of the visit. Each has `tree()` for the template and `answers()` once it is valid.
    """
    from screening import forms, reviews, steps  # they read this module

    questionnaire = reviews.recheck_questionnaire()
    if questionnaire is None:
        return None
    asked = steps.steps_of(questionnaire.definition())
    return [forms.StepForm(data, step=step, answers={}, today=today) for step in asked]


def recheck(patient: Patient, answers: dict[str, Any], *, by: User, today: date, now: datetime) -> bool:
    """Stores the short re-check (`reviews.record_recheck`). True when nothing speaks against treating today.

    False: a clinician has to look first; the patient's booked visits are back to pending already. Raises
    ValidationError (a dict by link_id where answers are missing), and then nothing is stored.
    """
    from screening import reviews

    reviews.record_recheck(patient, answers, by=by, today=today, now=now)
    return rechecked(patient, on=today)


def rechecked(patient: Patient, *, on: date) -> bool:
    """Whether the last short re-check of that local day found nothing that a clinician has to look at."""
    last = _rechecks(patient, on).first()
    return last is not None and not last.reopens


def said_of_last_session(patient: Patient, *, on: date, by: User, now: datetime) -> list[str]:
    """What the last short re-check of that local day holds about problems after the last session, as it was answered;
    empty where it was not asked, or cannot be read. Only for whom `conditions_of` answers; others get PermissionDenied.
    """
    _must_treat(by, patient, now)
    last = _rechecks(patient, on).select_related("data_key").first()
    if last is None:
        return []
    try:
        items = _responses().items_of(last)
    except sealing.SealBroken:
        log.exception("A re-check could not be read.")
        return []
    about = [item for item in items if AFTER_LAST_SESSION in (item["link_id"], item["parent"])]
    return [str(words) for item in about for words in item["labels"] or [item["value"]]]


def _rechecks(patient: Patient, on: date):
    """The finished re-checks of a local day, newest first."""
    return QuestionnaireResponse.objects.filter(
        patient=patient,
        questionnaire__purpose=Questionnaire.Purpose.RECHECK,
        status__in=FINISHED,
        answered_on=on,
    ).order_by("-completed_at", "-id")


def _uuid(text: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


def response_of_session(request, treatment: Treatment, *, now: datetime) -> Answered | None:
    """The finished answers that this visitor may go on with: those in the session, or the newest of their own.

    Anonymous answers count only in the session that gave them; a patient's answers only for that patient's login.
    None where there are none, where they no longer count, or cannot be read. Writes nothing.
    """
    patient = getattr(request.user, "patient", None) if request.user.is_authenticated else None
    found = _finished().filter(reopens=True, questionnaire__purpose=Questionnaire.Purpose.SCREENING)
    these = Q(pk__in=[])
    in_session = _uuid(request.session.get("screening"))
    if in_session is not None:
        mine = Q(patient=None) | Q(patient=patient) if patient else Q(patient=None)
        these |= mine & Q(uuid=in_session)
    if patient:
        own = QuestionnaireResponse.objects.filter(
            patient=patient,
            status__in=FINISHED,
            reopens=True,
            questionnaire__purpose=Questionnaire.Purpose.SCREENING,
        )
        these |= Q(pk=Subquery(own.order_by("-completed_at", "-id").values("pk")[:1]))
    clinic = Clinic.get()
    for response in found.filter(these).order_by("-completed_at", "-id"):
        if response.outdated or today_at(now) > last_day(response, clinic):
            continue
        if treatment.needs_screening and response.screened and treatment.pk not in response.screened:
            continue
        try:
            away = _responses().is_away(response, now=now)
            return Answered(response.pk, answered_birth_date(response), answered_areas(response), away, response)
        except sealing.SealBroken:
            log.exception("Answers could not be read; they do not count.")
    return None


# ---------------------------------------------------------------- changing


def lock_patient(patient_id: int) -> Patient:
    """Locks the patient's row until the transaction ends, as the database's triggers do. Before other row locks."""
    return Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


@transaction.atomic
def adopt_response(
    response_id: int, *, patient: Patient, now: datetime, by: User | None = None
) -> QuestionnaireResponse:
    """Ties finished anonymous answers to a patient whose e-mail has been proven; in the caller's transaction.

    Again for the same patient changes nothing. Raises NotFinished, AnswersOfAnother, or BirthDateDiffers when the
    answers name another birth date (R8: an identity check by a person comes first). Consequences: the patient's row is
    locked; if earlier answers lose their place, their open requests move to these answers and
    clearance_changed("superseded") is sent.
    """
    patient = lock_patient(patient.pk)
    response = QuestionnaireResponse.objects.select_for_update(of=("self",)).get(pk=response_id)
    if response.patient_id == patient.pk:
        return response
    if response.patient_id is not None:
        raise AnswersOfAnother
    if response.status not in FINISHED:
        raise NotFinished
    if answered_birth_date(response) != patient.birth_date:
        raise BirthDateDiffers
    adopt_attempts(response, patient=patient, by=by, now=now)
    response.patient = patient
    return response


def adopt_attempts(response: QuestionnaireResponse, *, patient: Patient, now: datetime, by: User | None = None) -> None:
    """Ties anonymous answers, and all that the same device sent before and after them, to a patient (H10).

    Somebody who saw what stands in the way and answered again has not un-said it: the clinician sees every attempt.
    Only attempts with the patient's birth date come along. With the patient's row locked. Raises AnswersOfAnother when
    one of them was taken meanwhile. Consequences: those of `answers_replaced`, for the newest.
    """
    attempts, before = {response.pk: response}, -1
    while len(attempts) != before:
        before = len(attempts)
        ahead = Q(supersedes__in=attempts) | Q(pk__in=[one.supersedes_id for one in attempts.values()])
        found = QuestionnaireResponse.objects.select_for_update(of=("self",)).filter(ahead, patient=None)
        for other in found.filter(status__in=FINISHED).exclude(pk__in=attempts).order_by("pk"):
            if _birth_date_or_none(other) == patient.birth_date:
                attempts[other.pk] = other
    newest, *others = sorted(attempts.values(), key=lambda one: (one.completed_at, one.pk), reverse=True)
    for one in (newest, *others):
        if QuestionnaireResponse.objects.filter(pk=one.pk, patient=None).update(patient=patient) != 1:
            raise AnswersOfAnother
        one.patient = patient
        if one is newest:
            answers_replaced(newest, by=by, now=now)


def _birth_date_or_none(response: QuestionnaireResponse) -> date | None:
    try:
        return answered_birth_date(response)
    except sealing.SealBroken:
        return None


def came_along(request, user: User, *, now: datetime) -> None:
    """Ties the anonymous answers of this browser to the patient who has just signed in, or whose record has just been
    linked to who is signed in, if the birth date is theirs.

    Otherwise somebody could tell us of a pregnancy, and a visit booked on older answers would stand. Never in the way
    of signing in. Consequences: those of `adopt_response`.
    """
    patient = Patient.objects.filter(user=user).first()
    key = _uuid(request.session.get("screening")) if request is not None else None
    if patient is None or key is None:
        return
    found = QuestionnaireResponse.objects.filter(uuid=key, patient=None, status__in=FINISHED)
    for pk in found.values_list("pk", flat=True):
        try:
            adopt_response(pk, patient=patient, now=now)
        except (AnswersOfAnother, BirthDateDiffers, NotFinished, sealing.SealBroken):
            pass  # another person's, or nobody's: they stay where they are
        except Exception:  # whoever cannot sign in can tell us even less
            log.exception("Answers could not be tied to who signed in.")


@transaction.atomic
def answers_replaced(response: QuestionnaireResponse, *, now: datetime, by: User | None = None) -> bool:
    """To be called whenever finished answers become a patient's: tells everybody, also of the first ones.

    Consequences: the patient's row is locked; open requests on older answers are closed and opened again on these, with
    the waiting time kept; clearance_changed for all of the patient's treatments and areas is sent: "answered" for the
    first answers (a visit booked by phone waits for them), "superseded" where they replace earlier ones. True when they
    replace earlier ones. Nothing is sent for a quiet re-check, or when newer answers exist already.
    """
    if not response.reopens or response.patient_id is None or response.status not in FINISHED:
        return False
    patient = lock_patient(response.patient_id)
    newest, *older = finished_responses([patient.pk])
    if newest.pk != response.pk:
        return False
    carried = ReviewRequest.objects.filter(response__patient=patient, closed_at=None).exclude(response=response)
    for request in carried.order_by("waiting_since"):
        if not screens_for(response.questionnaire, request.treatment_id):
            continue  # other questions: nobody can decide on these answers
        _open_request(response, request.treatment_id, request.area_id, _keep(request), request.waiting_since, now=now)
    carried.update(closed_at=now, being_read_by=None, being_read_since=None)
    clearance_changed.send(
        sender=QuestionnaireResponse,
        patient=patient,
        treatment=None,
        area=None,
        outcome=SUPERSEDED if older else ANSWERED,
        review_id=None,
        deferred_until=None,
        by=by,
        now=now,
    )
    return bool(older)


def _keep(request: ReviewRequest) -> dict:
    return {
        "needed_on": request.needed_on,
        "needed_at": request.needed_at,
        "location_id": request.location_id,
        "answer_by": request.answer_by,
    }


def _open_request(
    response: QuestionnaireResponse,
    treatment_id: int,
    area_id: int,
    values: dict,
    waiting_since: datetime,
    *,
    now: datetime,
) -> ReviewRequest:
    # Asked now, so that the worklist can be in order of harm; stored once a day of visit.
    _responses().assess_on(response, on=day_to_assess(response, values["needed_on"], now=now), now=now)
    request, _made = ReviewRequest.objects.update_or_create(
        response=response,
        treatment_id=treatment_id,
        area_id=area_id,
        closed_at=None,
        defaults=values,
        create_defaults={**values, "waiting_since": waiting_since},
    )
    return request


@transaction.atomic
def request_review(
    patient: Patient,
    treatment: Treatment,
    *,
    area: Area,
    response_id: int | None = None,
    needed_on: date | None,
    needed_at: datetime | None,
    answer_by: datetime | None,
    now: datetime,
    location: Location | None = None,
) -> ReviewRequest | None:
    """Puts a patient's answers on the clinicians' worklist, or brings the open row up to date.

    needed_on, needed_at, location: local day, start and place of the **nearest** visit that waits; answer_by: what the
    patient was promised, which everybody reads in that place's time. Without response_id the patient's newest answers;
    None, and nothing, where there are none yet. Answers of somebody else raise AnswersOfAnother. Consequences: the
    patient's row is locked; a row on older answers is closed; what the rules say for the day of the visit is stored.
    """
    patient = lock_patient(patient.pk)
    newest = finished_responses([patient.pk]).first()
    response = newest if response_id is None else QuestionnaireResponse.objects.get(pk=response_id)
    if response is None:
        return None
    if response.patient_id != patient.pk:
        raise AnswersOfAnother
    if response.status not in FINISHED:
        raise NotFinished
    if newest is not None and response.completed_at < newest.completed_at:
        response = newest  # those answers have been replaced in the meantime
    values = {"needed_on": needed_on, "needed_at": needed_at, "location": location, "answer_by": answer_by}
    open_here = ReviewRequest.objects.filter(
        response__patient=patient, treatment=treatment, area=area, closed_at=None
    ).exclude(response=response)
    open_here.update(closed_at=now, being_read_by=None, being_read_since=None)
    return _open_request(response, treatment.pk, area.pk, values, now, now=now)


def close_request(patient: Patient, treatment: Treatment, *, area: Area, now: datetime) -> int:
    """No visit waits for this decision any more. Returns how many rows left the worklist (0 or 1)."""
    return ReviewRequest.objects.filter(
        response__patient=patient, treatment=treatment, area=area, closed_at=None
    ).update(closed_at=now, being_read_by=None, being_read_since=None)
