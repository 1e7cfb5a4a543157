"""What screening tells booking, and what it asks: visits follow a decision; who treats whom; when somebody was seen.

A decision moves the visits it is about, inside its own transaction. `now` is an aware instant from the caller.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from booking import notices
from booking.appointments import make_consultation
from booking.changing import (
    NotAllowed,
    answer_by_for,
    ask_clinician,
    cancel_quietly,
    change,
    clearance_of,
    left_to_staff,
    local_day,
    may_write,
    nothing_waits,
    wait_for_answers,
)
from booking.models import Appointment
from booking.standing import is_back, with_arrivals
from clinic.models import Patient, Treatment, User
from clinic.registry import Seen
from screening.clearance import GROUNDS, grounds_changed

Status = Appointment.Status
Reason = Appointment.Reason
By = Appointment.CancelledBy


def follow_clearance(
    sender: Any, *, patient: Patient, treatment, area, outcome: str, by: User | None, now: datetime, **kwargs: Any
) -> None:
    """Listens to screening.clearance.clearance_changed, inside its transaction, with the patient's row locked.

    A decision moves the visits it is about; new or withdrawn answers, and grounds that are gone, put booked visits back
    to `pending`, time kept. Grounds that are there again confirm what they put back.
    No advisory lock is taken here (no time is placed anew): the order of locks stays advisory, patient, appointment.
    """
    list(Patient.objects.select_for_update(no_key=True).filter(pk=patient.pk).values_list("pk"))
    visits = (
        with_arrivals(Appointment.objects.with_names())
        .filter(
            patient=patient,
            treatment__kind=Treatment.Kind.TREATMENT,
            status__in=[Status.PENDING, *Appointment.ON_A_REVIEW],
        )
        .order_by("starts_at")
    )
    if treatment is not None:
        visits = visits.filter(treatment=treatment, area=area)
    to_talk = False
    for visit in visits:
        if outcome in ("answered", "superseded", "withdrawn"):
            _answers_changed(visit, now=now)
        elif outcome == GROUNDS:
            _grounds_changed(visit, now=now)
        elif outcome in ("cleared", "cleared-with-conditions"):
            _decided_yes(visit, now=now)
        elif outcome == "deferred" and not clearance_of(visit, now=now).is_refused:
            _decided_yes(visit, now=now)  # "not yet" ends before its day, so somebody has to look at that one
        elif outcome == "consultation-required" and not to_talk and _turned(visit, now=now):
            to_talk = True  # one talk is enough: later times are given back
        else:
            _decided_no(visit, outcome=outcome, by=by, now=now)


def _put_back(visit: Appointment, *, now: datetime) -> Appointment:
    """`booked`, `arrived` or `checked-in` to `pending`; the time is kept. Whoever is here stays here (`is_back`)."""
    notices.drop(visit)
    still_here = is_back(visit, now=now)
    return change(
        visit,
        now=now,
        status=Status.PENDING,
        # Booked anew while they waited, and put back before anybody marked the arrival again: it still counts.
        previous_status=Status.ARRIVED if still_here else visit.status,
        status_changed_at=now,
        review=None,
        answer_by=None if still_here else answer_by_for(visit, now=now),
        identity_confirmed_at=None,
        identity_confirmed_by=None,
        agreed_at=None,
    )


def _answers_changed(visit: Appointment, *, now: datetime) -> None:
    if visit.status in Appointment.ON_A_REVIEW:
        found = clearance_of(visit, now=now)
        if found.cleared:
            if found.review_id != visit.review_id:
                change(visit, now=now, review_id=found.review_id)
            return
        _wait_again(_put_back(visit, now=now), now=now)
    elif not _is_over(visit, now=now):
        form_was_due, was_asked = visit.form_due_by is not None, visit.information_asked_at is not None
        visit = _to_whom_it_waits_for(visit, now=now)
        if was_asked and visit.information_asked_at is None:  # they have answered
            notices.drop(visit, kinds=["information_needed"])
        if form_was_due and visit.form_due_by is None:  # the form we waited for has come
            notices.drop(visit, kinds=["form_due"])
            if may_write(visit, now=now):
                notices.asked_for(visit, now=now)


def _grounds_changed(visit: Appointment, *, now: datetime) -> None:
    if _is_over(visit, now=now):
        return  # what took place is brought to an end as it was; no rule is asked of it any more
    if visit.status in Appointment.ON_A_REVIEW:
        _answers_changed(visit, now=now)
    elif clearance_of(visit, now=now).cleared:
        _decided_yes(visit, now=now)
        nothing_waits(visit, now=now)


def follow_grounds(by: User | None, now: datetime, patient: Patient | None = None) -> int:
    """The clinic's policy about answers or consultations is another one, or a patient's date of birth: it counts at
    once, for what is confirmed too.

    Returns how many confirmed visits went back to `pending`; their patients are told. In the caller's transaction."""
    treatments = Appointment.objects.filter(treatment__kind=Treatment.Kind.TREATMENT)
    if patient is not None:
        treatments = treatments.filter(patient=patient)
    confirmed = treatments.filter(status__in=Appointment.ON_A_REVIEW)
    before = set(confirmed.values_list("pk", flat=True))
    either = treatments.filter(status__in=[Status.PENDING, *Appointment.ON_A_REVIEW])
    # Always in the same order, so that two of these cannot lock each other out.
    for whose in Patient.objects.filter(pk__in=either.values("patient")).order_by("pk"):
        grounds_changed(whose, by=by, now=now)
    return len(before.difference(confirmed.values_list("pk", flat=True)))


def _is_over(visit: Appointment, *, now: datetime) -> bool:
    """Whether its day is over. Until then, what was put back can go on, also after its start."""
    return local_day(visit, now) > visit.day


def _wait_again(visit: Appointment, *, now: datetime) -> None:
    """What was just put back waits for whoever has to say something now, and its patient hears of it in time."""
    if _is_over(visit, now=now):
        return  # nobody closed it; the desk does
    visit = _to_whom_it_waits_for(visit, now=now)
    if may_write(visit, now=now):
        notices.back_to_pending(visit, call_first=left_to_staff(visit), now=now)


def _to_whom_it_waits_for(visit: Appointment, *, now: datetime) -> Appointment:
    """A pending visit after the answers changed: to the clinicians with new ones, or to the patient for new ones.

    Consequences: on the day, when no clock warns of it any more, lead clinician and desk are told at once.
    """
    try:
        with transaction.atomic():
            visit = wait_for_answers(visit, now=now, tell=False)
    except NotAllowed:
        # The rules say no to that day. Nobody but a clinician takes the time away: they see it and decide.
        if visit.answer_by is None:
            visit = change(visit, now=now, answer_by=answer_by_for(visit, now=now))
        request = ask_clinician(visit, now=now)
        visit = change(
            visit,
            now=now,
            response_id=request.response_id if request else None,
            form_due_by=None,
            information_asked_at=None,
        )
    if left_to_staff(visit) and clearance_of(visit, now=now).why == "waiting":
        notices.review_due(visit, hours=None, now=now)
    return visit


def _decided_yes(visit: Appointment, *, now: datetime) -> None:
    """`booked` where the decision covers its day; else somebody has to look at that one too."""
    found = clearance_of(visit, now=now)
    if visit.status == Status.PENDING:
        if _is_over(visit, now=now):
            return  # nobody closed it; the desk does
        if found.cleared:
            tell = may_write(visit, now=now)
            notices.drop(visit, kinds=["asked_for", "information_needed", "form_due", "back_to_pending", "other_time"])
            visit = change(
                visit,
                Status.BOOKED,
                now=now,
                review_id=found.review_id,
                information_asked_at=None,
                form_due_by=None,
            )
            if tell:
                notices.booked_or_other_time(visit, now=now)
        else:  # the decision does not cover its day: somebody has to look at that one too
            _to_whom_it_waits_for(visit, now=now)
    elif not found.cleared:  # decided anew, for other days
        _wait_again(_put_back(visit, now=now), now=now)
    elif found.review_id != visit.review_id:
        change(visit, now=now, review_id=found.review_id)


def _turned(visit: Appointment, *, now: datetime) -> bool:
    """Turns a visit to come into a consultation at the same time; False, and nothing, where that does not fit."""
    if visit.status not in Appointment.OPEN or visit.starts_at <= now:
        return False
    try:
        with transaction.atomic():
            make_consultation(visit, now=now)
    except NotAllowed:
        return False
    return True


def _decided_no(visit: Appointment, *, outcome: str, by: User | None, now: datetime) -> None:
    tell = may_write(visit, now=now) and not is_back(visit, now=now)
    if visit.status == Status.BOOKED and visit.starts_at <= now:
        _put_back(visit, now=now)  # nobody closed it; the desk does
        return
    if outcome == "needs-information":
        if visit.status != Status.PENDING:
            visit = _put_back(visit, now=now)
        visit = change(visit, now=now, information_asked_at=now, form_due_by=None)
        if tell:
            notices.drop(visit, kinds=["asked_for", "information_needed", "form_due"])
            notices.information_needed(visit, now=now)
        return
    visit = cancel_quietly(
        visit,
        by=By.CLINICIAN if by is not None else By.SYSTEM,
        user=by,
        reason=Reason.CLINICAL,
        now=now,
    )
    if tell:
        notices.not_possible(visit, now=now)


# --- what screening asks


def patients_of(user: User, now: datetime) -> set[int]:
    """Ids of the patients with a visit with this person from 30 days ago to 7 days ahead (DESIGN section 1)."""
    return set(
        Appointment.objects.filter(
            practitioner__user=user,
            patient__isnull=False,
            starts_at__gte=now - timedelta(days=30),
            starts_at__lte=now + timedelta(days=7),
        )
        .exclude(status__in=[Status.PROPOSED, Status.CANCELLED, Status.ENTERED_IN_ERROR])
        .values_list("patient_id", flat=True)
    )


def consultations_of(patient_ids: set[int]) -> dict[int, list[Seen]]:
    """When the patients' fulfilled consultations began, and on which local day; one that was over before its time, when
    it was over. One query."""
    found: dict[int, list[Seen]] = {}
    talks = Appointment.objects.filter(
        patient__in=patient_ids, status=Status.FULFILLED, treatment__kind=Treatment.Kind.CONSULTATION
    )
    for talk in talks.only("patient_id", "starts_at", "status_changed_at", "local_date"):
        assert talk.patient_id is not None  # asked for by patient
        found.setdefault(talk.patient_id, []).append((min(talk.starts_at, talk.status_changed_at), talk.day))
    return found


def visits_to_come(practitioner_id: int, now: datetime) -> int:
    """How many visits with somebody are asked for or booked, and have not begun."""
    visits = Appointment.objects.filter(practitioner=practitioner_id, patient__isnull=False, starts_at__gt=now)
    return visits.filter(status__in=Appointment.OPEN).count()
