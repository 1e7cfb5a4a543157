"""Answers become a patient's and take the place of earlier ones; they come on the worklist and leave it.

`clearance_changed` is sent inside the transaction of the change, with the patient's row locked: an error in a listener
rolls the change back. Booking listens and moves the appointments.
"""

import logging
import uuid
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.dispatch import Signal

from clinic import accounts
from clinic.models import Area, CallBack, Clinic, Location, Patient, Treatment, User
from screening import finished, sealing
from screening.finished import FINISHED, NotFinished
from screening.models import QuestionnaireResponse, ReviewRequest

log = logging.getLogger(__name__)
clearance_changed = Signal()  # see `tell`
ANSWERED = "answered"
SUPERSEDED = "superseded"
WITHDRAWN = "withdrawn"
GROUNDS = "grounds"


class AnswersOfAnother(ValueError):
    """These answers belong to another patient."""


class BirthDateDiffers(ValueError):
    """The birth date in the answers is not the patient's (R8): somebody has to look who this is."""


def lock_patient(patient_id: int) -> Patient:
    """Locks the patient's row until the transaction ends, as the database's triggers do; before it the clinic's
    policies. Before other row locks."""
    Clinic.keep_policies()
    return Patient.objects.select_for_update(no_key=True).get(pk=patient_id)


def tell(
    patient: Patient,
    outcome: str,
    *,
    by: User | None,
    now: datetime,
    treatment: Treatment | None = None,
    area: Area | None = None,
) -> None:
    """Sends `clearance_changed`, with the patient's row locked.

    outcome: of a Review; "answered" for a patient's first answers and for a reply to a clinician's question;
    "superseded" or "withdrawn"; "grounds", see `grounds_changed`. treatment, area: what it is about; None for all of
    the patient's.
    """
    about = {"patient": patient, "treatment": treatment, "area": area}
    clearance_changed.send(sender=Patient, **about, outcome=outcome, by=by, now=now)


def grounds_changed(patient: Patient, *, by: User | None, now: datetime) -> None:
    """What decisions about a patient rest on has changed, with no answer and no decision: a consultation turned out not
    to have taken place, or a policy of the clinic is another one. Consequences: the patient's row is locked;
    clearance_changed("grounds") is sent."""
    tell(lock_patient(patient.pk), GROUNDS, by=by, now=now)


# ---------------------------------------------------------------- whose answers these are


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
    if finished.answered_birth_date(response) != patient.birth_date:
        raise BirthDateDiffers
    adopt_attempts(response, patient=patient, by=by, now=now)
    CallBack.objects.filter(request_key=response.uuid, done_at=None).delete()  # whose they are is known now
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
        return finished.answered_birth_date(response)
    except sealing.SealBroken:
        return None


def adopt_from_browser(request, user: User, *, now: datetime) -> None:
    """Ties the anonymous answers of this browser to the patient who has just signed in, or whose record has just been
    linked to who is signed in (`tie_from_browser`). Never in the way of signing in.
    """
    patient = Patient.objects.filter(user=user).first()
    if request is None or patient is None:
        return
    try:
        tie_from_browser(request, patient, now=now)
    except Exception:  # whoever cannot sign in can tell us even less
        log.exception("Answers could not be tied to who signed in.")


def tie_from_browser(request, patient: Patient, *, now: datetime, sent_by_them: bool = False) -> None:
    """Ties the finished anonymous answers of this browser to the patient who is signed in, if the birth date is theirs.

    Otherwise somebody could tell us of a pregnancy, and a visit booked on older answers would stand. Under another name
    they may be a twin's, who shares the address, and with another birth date there may be a slip in it: they stay where
    they are, and the desk is asked to ring. With both they are somebody else's, and so they are with another birth date
    where nobody gave a name and nothing was sent by whoever is signed in (`sent_by_them`): on a shared device people
    answer one after another. Consequences: those of `adopt_response`; a fault in what follows is the caller's.
    """
    key = uuid_of(request.session.get("screening"))
    if key is None:
        return
    for response in QuestionnaireResponse.objects.filter(uuid=key, patient=None, status__in=FINISHED):
        try:
            same_name = accounts.may_be_theirs(request, patient)
            same_birth_date = finished.answered_birth_date(response) == patient.birth_date
            if same_name and same_birth_date:
                adopt_response(response.pk, patient=patient, now=now)
            elif same_birth_date or (same_name and (sent_by_them or accounts.NAME in request.session)):
                whom = {"name": patient.name, "phone": patient.phone, "about": CallBack.About.NAME, "created_at": now}
                CallBack.objects.get_or_create(request_key=response.uuid, defaults=whom)
        except (AnswersOfAnother, BirthDateDiffers, NotFinished, sealing.SealBroken):
            pass  # another person's, or nobody's: they stay where they are


def uuid_of(text: Any) -> uuid.UUID | None:
    """What somebody says is a UUID, if it is one."""
    try:
        return uuid.UUID(str(text))
    except ValueError:
        return None


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
    newest, *older = finished.finished_responses([patient.pk])
    if newest.pk != response.pk:
        return False
    carried = ReviewRequest.objects.waiting().filter(response__patient=patient).exclude(response=response)
    for request in carried.order_by("waiting_since"):
        if not finished.screens_for(response.questionnaire, request.treatment_id):
            continue  # other questions: nobody can decide on these answers
        _open_request(response, request.treatment_id, request.area_id, _keep(request), request.waiting_since, now=now)
    carried.close(now=now)
    tell(patient, SUPERSEDED if older else ANSWERED, by=by, now=now)
    return bool(older)


# ---------------------------------------------------------------- the worklist


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
    newest = finished.finished_responses([patient.pk]).first()
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
    here = ReviewRequest.objects.filter(response__patient=patient, treatment=treatment, area=area)
    here.exclude(response=response).close(now=now)
    return _open_request(response, treatment.pk, area.pk, values, now, now=now)


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
    finished.assess_on(response, on=finished.day_to_assess(response, values["needed_on"], now=now), now=now)
    request, _made = ReviewRequest.objects.update_or_create(
        response=response,
        treatment_id=treatment_id,
        area_id=area_id,
        closed_at=None,
        defaults=values,
        create_defaults={**values, "waiting_since": waiting_since},
    )
    return request


def close_request(patient: Patient, treatment: Treatment, *, area: Area, now: datetime) -> int:
    """No visit waits for this decision any more. Returns how many rows left the worklist (0 or 1)."""
    here = ReviewRequest.objects.filter(response__patient=patient, treatment=treatment, area=area)
    return here.close(now=now)
