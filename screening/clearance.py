"""May this patient have this treatment on this area on that date? The front door of screening for other apps.

A clearance is computed, never stored. It needs a named clinician's review that clears, is valid on the day and still
counts; and it asks the rules again for that very day. Whatever is missing, unreadable or broken means "no" (H02, R6).

Other apps import this module only: what changes something (`adopting`) and what is asked at the chair (`chair`) they
find here as well.
"""

import logging
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Exists, OuterRef, Q, Subquery

from clinic.ages import is_adult
from clinic.models import Area, Clinic, Patient, Treatment, today_at
from clinic.registry import Seen, consultations_of
from screening import assessment as rules
from screening import sealing
from screening.adopting import (
    GROUNDS,
    SUPERSEDED,
    AnswersOfAnother,
    BirthDateDiffers,
    adopt_response,
    clearance_changed,
    close_request,
    grounds_changed,
    request_review,
    uuid_of,
)
from screening.chair import conditions_of, recheck, recheck_steps, rechecked, said_of_last_session
from screening.finished import (
    FINISHED,
    NotFinished,
    answered_areas,
    answered_birth_date,
    answered_day,
    consultation_counts_until,
    counts_until,
    finished_responses,
    first_open_day,
    has_waits,
    is_away,
    is_too_old,
    last_day,
    needs_consultation,
    says,
    still_stands,
    unaddressed,
)
from screening.models import Questionnaire, QuestionnaireResponse, Review, ReviewRequest

__all__ = [  # what booking uses
    "CANNOT",
    "GROUNDS",
    "READY",
    "UPDATE_DUE",
    "WAITING",
    "Answered",
    "AnswersOfAnother",
    "Asking",
    "BirthDateDiffers",
    "Clearance",
    "NotFinished",
    "adopt_response",
    "clearance_changed",
    "clearance_for",
    "close_request",
    "conditions_of",
    "consultation_counts_until",
    "finished_responses",
    "grounds_changed",
    "may_ask",
    "open_questions",
    "readiness",
    "recheck",
    "recheck_steps",
    "rechecked",
    "refusal_of",
    "request_review",
    "response_of_session",
    "said_of_last_session",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clearance:
    """The answer for one day. Conditions are never in it: only clinicians and the treating practitioner see those."""

    cleared: bool
    review_id: int | None
    valid_from: date | None
    valid_until: date | None
    why: str  # cleared, waiting, none, expired, superseded, blocked, not-suitable, deferred, needs-information, …

    @property
    def is_refused(self) -> bool:
        """Whether the rules, or a clinician, say no to that day: more answers do not help."""
        return self.why == "blocked" or self.why in Review.REFUSING


@dataclass(frozen=True)
class Asking:
    """Whether a treatment time may be asked for, before any clinician has looked."""

    allowed: bool
    earliest: date | None  # the first treatment day that may be asked for; None when not allowed
    effect: str
    consultation_allowed: bool
    why: str = ""  # where not allowed: rules, area, out-of-date, not-for-this-treatment, decided, none

    @property
    def is_no(self) -> bool:
        """Whether the rules, or a clinician, say no; answering again does not help."""
        return self.why in ("rules", "decided")

    @property
    def answer_again(self) -> bool:
        """Whether these answers do not do, and others may."""
        return not self.allowed and not self.is_no


@dataclass(frozen=True)
class Answered:
    """Finished answers of this visitor."""

    response_id: int
    birth_date: date | None
    areas: list[str] = field(default_factory=list)
    away: bool = False  # nobody has worked on them for a while: whoever goes on with them says their birth date again
    # The row of `_answers`, with its annotations, so that `may_ask` need not read it again.
    response: Any = field(default=None, compare=False, repr=False)


def _answers():
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


class Clearances:
    """What clearances of some patients are made of, in one query; one more where somebody has no decision yet, and one
    where a finding needs a consultation."""

    def __init__(self, patient_ids: Iterable[int]) -> None:
        self.patient_ids = set(patient_ids)
        self.clinic = Clinic.get()
        self.reviews: dict[tuple[int, int, int], Any] = {}  # reviews, with the annotations below
        found = Review.objects.filter(patient_id__in=self.patient_ids).latest_each()
        same = {name: OuterRef(name) for name in ("treatment", "area")}
        open_again = ReviewRequest.objects.waiting().filter(response__patient=OuterRef("patient"), **same)
        for review in found.annotate(**still_stands("response__"), waits_again=Exists(open_again)).select_related(
            *("response__questionnaire", "response__data_key", "response__patient"),
            *("assessment", "cosignature", "treatment", "area", "reply"),
        ):
            self.reviews[review.patient_id, review.treatment_id, review.area_id] = review
        # One object a version, so that its rules are read once however many patients answered it.
        self.questionnaires: dict[int, Questionnaire] = {}
        self.asked: dict[tuple[int, date], rules.Assessment] = {}

    @cached_property
    def waiting(self) -> set[tuple[int, int, int]]:
        """(patient, treatment, area) of what is on the clinicians' worklist, for those without any decision."""
        return set(
            ReviewRequest.objects.waiting()
            .filter(response__patient_id__in=self.patient_ids)
            .values_list("response__patient_id", "treatment_id", "area_id")
        )

    @cached_property
    def consultations(self) -> dict[int, list[Seen]]:
        """Those that took place, as far as anybody knows now."""
        return consultations_of(self.patient_ids)

    def _says(self, response: QuestionnaireResponse, on: date, now: datetime) -> rules.Assessment:
        response.questionnaire = self.questionnaires.setdefault(response.questionnaire_id, response.questionnaire)
        key = (response.pk, on)
        if key not in self.asked:
            self.asked[key] = says(response, on, now=now)
        return self.asked[key]

    def of(self, patient_id: int, treatment: Treatment, area_id: int | None, on: date, now: datetime) -> Clearance:
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
            if review.deferred_until is not None and on < review.deferred_until:
                return no(review.outcome)  # what waits again waits for a day that was not decided against
            return not_now("none" if review.deferred_until else review.outcome)
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
            reasons = dict(sealing.words_of(review)["reasons"])
            same_area = review.area.code in answered_areas(response)
        except Exception:  # fail closed
            log.exception("A review could not be read; this blocks.")
            return no("blocked")
        found = self._says(response, on, now)
        unspoken = unaddressed(found, reasons)
        is_no = any(one.effect != "review" for one in unspoken)
        if not same_area or found.effect == rules.INCOMPLETE or is_no:
            return not_now("blocked")
        if on < review.assessment.on and has_waits(found):  # accepted for a later day
            return no("blocked")
        if unspoken:
            return no("waiting")  # a clinician can say of that day what was not said of another
        if needs_consultation(found, self.clinic):
            # The one the clinician knew of may turn out not to have taken place; no later one stands in for it.
            until = counts_until(self.consultations.get(patient_id, []), review.decided_at)
            if until is None or until < on:
                return no("waiting")
        return Clearance(True, review.pk, review.valid_from, last, "cleared")

    def still_counts(self, review: Review, now: datetime) -> Clearance:
        """Whether the latest decision, one that clears, still carries a visit today or on the first day it covers."""
        assert review.valid_from is not None  # of what clears (a wall)
        on = max(today_at(now), review.valid_from)
        return self.of(review.patient_id, review.treatment, review.area_id, on, now)


# ---------------------------------------------------------------- may somebody be treated


def clearance_for(patient: Patient, treatment: Treatment, *, area: Area | None, on: date, now: datetime) -> Clearance:
    """May this patient have this treatment on this area on the local day `on`?

    A consultation or review visit needs no screening. A treatment needs the latest review of patient, treatment and
    area to clear it, on answers that nothing has taken the place of, within its days; an O2 finding needs the second
    signature; and every finding of effect review or worse **on that day** has to be one the clinician addressed; what
    needs a consultation takes one that began before the decision and still counts as having taken place. Any error
    means "no". Writes nothing. Three queries at most, and those that read the questionnaire's rules.
    """
    clearances = Clearances([patient.pk])
    return clearances.of(patient.pk, treatment, area.pk if area else None, on, now)


def refusal_of(
    patient: Patient,
    treatment: Treatment,
    *,
    area: Area | None,
    at: datetime | None = None,
    response_id: int | None = None,
) -> uuid.UUID | None:
    """The uuid of the latest decision about this patient, treatment and area, for a link to its page; None where that
    is no refusal, or nobody has decided. at: the latest at that instant, whatever was decided since. response_id: None
    as well where it was about other answers than these."""
    decided = Review.objects.filter(patient=patient, treatment=treatment, area=area).order_by("-id")
    latest = (decided.filter(decided_at__lte=at) if at else decided).first()
    if latest is None or latest.outcome not in Review.REFUSING or response_id not in (None, latest.response_id):
        return None
    return latest.uuid


def open_questions(patient: Patient) -> dict[tuple[int, int | None], uuid.UUID]:
    """The decisions whose question the patient has not answered yet: (treatment, area) to the uuid, for a link."""
    asked = Review.objects.filter(patient=patient).latest_each()
    unanswered = asked.filter(outcome=Review.Outcome.NEEDS_INFORMATION, reply=None)
    return {(review.treatment_id, review.area_id): review.uuid for review in unanswered}


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
    clearances = Clearances({patient_id for _key, patient_id, *_rest in visits if patient_id is not None})
    words = {}
    for key, patient_id, treatment, area_id, on in visits:
        if patient_id is None:
            words[key] = READY if not treatment.needs_screening else UPDATE_DUE
            continue
        why = clearances.of(patient_id, treatment, area_id, on, now).why
        words[key] = _READINESS.get(why, CANNOT)
    return words


# ---------------------------------------------------------------- may somebody ask


def may_ask(answers: int | Answered, treatment: Treatment, *, area: Area | None, on: date, now: datetime) -> Asking:
    """What the rules say about asking for a treatment time, before any clinician has looked (DESIGN section 5).

    answers: the primary key of finished answers, or what `response_of_session` just found. on: the local day that is
    asked about: the first bookable day, later the chosen day. Allowed with nothing found, advice or review; with waits
    that all have a date inside the booking horizon, from `earliest` on. Not allowed: contraindicated, incomplete,
    undated waits, waits beyond the horizon, another area than the answers are about, answers that no longer count, or a
    clinician's decision against it. A consultation may always be asked for, but not by somebody under 18 on the day of
    answering. Writes nothing.
    """
    response: Any = answers.response if isinstance(answers, Answered) else _answers().filter(pk=answers).first()
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


def response_of_session(request, treatment: Treatment, *, now: datetime) -> Answered | None:
    """The finished answers that this visitor may go on with: those in the session, or the newest of their own.

    Anonymous answers count only in the session that gave them; a patient's answers only for that patient's login.
    None where there are none, where they no longer count, or cannot be read; and for whoever is signed in as staff:
    what answers begun in this browser mean is not theirs to see. Writes nothing.
    """
    if request.user.is_staff:
        return None
    patient = getattr(request.user, "patient", None) if request.user.is_authenticated else None
    found = _answers().filter(reopens=True, questionnaire__purpose=Questionnaire.Purpose.SCREENING)
    these = Q(pk__in=[])
    in_session = uuid_of(request.session.get("screening"))
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
        if response.outdated or is_too_old(response, clinic, now=now):
            continue
        if treatment.needs_screening and response.screened and treatment.pk not in response.screened:
            continue
        try:
            away = is_away(response, now=now)
            return Answered(response.pk, answered_birth_date(response), answered_areas(response), away, response)
        except sealing.SealBroken:
            log.exception("Answers could not be read; they do not count.")
    return None
