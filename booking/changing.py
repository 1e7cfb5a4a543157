"""How an appointment is changed safely: locks, walls in words, one row, and the clinicians' worklist.

What the verbs (`booking.holding`, `booking.appointments`), what follows from screening (`booking.following`) and the
sweep (`booking.sweep`) are made of. Nothing else changes an appointment. `now` is an aware instant from the caller.

Each verb is one transaction. It takes the shared lock of the clinic's policies, the advisory locks of practitioner,
room and patient, sorted, in one statement, then the patient's row, and only then reads (DESIGN section 4): so no two
verbs wait for each other in a circle, and the constraints of the database stay the wall behind. `screening` takes the
first and the last of these; the order here agrees. Messages are written in the same transaction.
"""

import functools
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.utils import formats
from django.utils.translation import gettext as _

from booking import availability, notices
from booking.availability import RELEASED_BEFORE, Slot
from booking.models import Appointment, HoldDetails
from booking.standing import is_back
from clinic.models import Clinic, Patient, User
from screening.clearance import Clearance, clearance_for, close_request, may_ask, request_review

Status = Appointment.Status
Reason = Appointment.Reason
By = Appointment.CancelledBy

FORM_DUE_WITHIN = timedelta(hours=48)


class Refusal(Exception):
    """Something that cannot be done, with a sentence for whoever asked. Nothing was written."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class NotAllowed(Refusal):
    """A rule is against it."""


class TalkFirst(NotAllowed):
    """The clinic wants to talk with somebody before their first treatment."""


class Taken(Refusal):
    """Somebody else has the time, or it is no longer offered. `alternatives` are free times near it."""

    def __init__(self, alternatives: list[Slot] | None = None, sentence: str = "") -> None:
        super().__init__(sentence or _("That time has just been taken. Here are other times near it."))
        self.alternatives = alternatives or []


class TooClose(Refusal):
    """Another session on the same area is too near. `first_day_possible` is the next local day that is not."""

    def __init__(self, first_day_possible: date | None = None) -> None:
        super().__init__(_("That is too soon after, or before, another session on the same area."))
        self.first_day_possible = first_day_possible


# --- locks, deadlocks and walls

_KINDS = {"practitioner": 1, "room": 2, "patient": 3}


def lock(*, practitioners=(), rooms=(), patients=()) -> None:
    """Waits for everything a verb is about, in the one order that all verbs keep, until the end of the transaction."""
    Clinic.keep_policies()
    wanted = {"practitioner": practitioners, "room": rooms, "patient": patients}
    keys = sorted(
        (_KINDS[kind] << 56) | pk for kind, ids in wanted.items() for pk in {pk for pk in ids if pk is not None}
    )
    with connection.cursor() as cursor:
        # An array is unnested in its own order, so the locks are taken in that order.
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])
    people = {pk for pk in patients if pk is not None}
    if people:
        # The row as well: it is what screening and the triggers lock, and it comes before any appointment's row.
        list(Patient.objects.select_for_update(no_key=True).filter(pk__in=people).order_by("pk").values_list("pk"))


def locked(
    appointment: Appointment, *, slot: Slot | None = None, patient: Patient | None = None, seen: str | None = None
) -> Appointment:
    """The appointment as it is, with its locks held, and those of a time and a person it is to be given to.

    seen: see `look_again`.
    """
    known = appointment
    for _attempt in range(5):
        savepoint = transaction.savepoint()
        lock(
            practitioners=[known.practitioner_id, slot.practitioner_id if slot else None],
            rooms=[known.room_id, slot.room_id if slot else None],
            patients=[known.patient_id, patient.pk if patient else None],
        )
        fresh = Appointment.objects.with_names().get(pk=appointment.pk)
        about = (fresh.practitioner_id, fresh.room_id, fresh.patient_id)
        if about == (known.practitioner_id, known.room_id, known.patient_id):
            look_again(fresh, seen)
            return fresh
        transaction.savepoint_rollback(savepoint)  # lets these locks go; it was moved meanwhile
        known = fresh
    raise NotAllowed(_("Somebody is changing this appointment at the moment. Please try again."))


def look_again(appointment: Appointment, seen: str | None) -> None:
    """Raises NotAllowed when the button was pressed on a page that showed another state or time of the visit (`seen`).

    Several people work on the same day: "Undo" on a page of some minutes ago would take back what a colleague has
    done since, and "Cancel" would end a visit that was given another day. None: no page was before it.
    """
    if seen not in (None, appointment.fingerprint):
        raise NotAllowed(
            _("Nothing was done: the visit has changed meanwhile. It is now “%(status)s”, %(when)s.")
            % {
                "status": appointment.get_status_display(),
                "when": notices.local_text(appointment.starts_at, appointment.location),
            }
        )


def check_status(appointment: Appointment, *statuses: str) -> None:
    """Raises NotAllowed where it has none of these."""
    if appointment.status not in statuses:
        raise NotAllowed(
            _("That cannot be done: the appointment is “%(status)s”.") % {"status": appointment.get_status_display()}
        )


def constraint_of(error: IntegrityError) -> str:
    """The name of the wall that was hit, or ""."""
    return getattr(getattr(error.__cause__, "diag", None), "constraint_name", "") or ""


def _refusal(error: IntegrityError) -> Refusal | None:
    """What a wall of the database means in words, or None for one that no caller can reach."""
    name = constraint_of(error)
    if name in ("booking_appointment_practitioner_in_one_place", "booking_appointment_room_in_one_place"):
        return Taken()
    if name == "booking_appointment_patient_in_one_place":
        return NotAllowed(_("There is another appointment at that time."))
    if name == "booking_appointment_interval_kept":
        return TooClose()
    if name == "booking_appointment_cleared_by_a_clinician":
        return NotAllowed(_("A clinician has to look at the answers first."))
    if name == "booking_appointment_transition":
        return NotAllowed(_("That cannot be done with this appointment any more."))
    return None


def verb(function: Callable) -> Callable:
    """One transaction; after a deadlock once more; a wall's refusal becomes a sentence."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        for last_try in (False, True):
            try:
                with transaction.atomic():
                    return function(*args, **kwargs)
            except OperationalError as error:
                if getattr(error.__cause__, "pgcode", "") != "40P01" or last_try:
                    raise
            except IntegrityError as error:
                refusal = _refusal(error)
                if refusal is None:
                    raise
                raise refusal from error
        raise AssertionError("unreachable")

    return run


# --- one row


def change(appointment: Appointment, to: str | None = None, *, now: datetime, **values: Any) -> Appointment:
    """Writes the row if it still has the status it was read with: exactly one, or NotAllowed. Returns it afresh."""
    if to is not None and to != appointment.status:
        values |= {"status": to, "previous_status": appointment.status, "status_changed_at": now}
    if Appointment.objects.filter(pk=appointment.pk, status=appointment.status).update(**values) != 1:
        raise NotAllowed(_("This appointment has changed meanwhile. Please look again."))
    return Appointment.objects.with_names().get(pk=appointment.pk)


def clearance_of(appointment: Appointment, *, now: datetime, on: date | None = None) -> Clearance:
    """Whether its patient may have its treatment on its own local day, or on another (`on`)."""
    return clearance_for(
        appointment.whose, appointment.treatment, area=appointment.area, on=on or appointment.day, now=now
    )


def cancel_quietly(
    appointment: Appointment, *, by: str, reason: str, now: datetime, user: User | None = None, late: bool = False
) -> Appointment:
    """The row, the worklist and the messages that are no longer true. The caller says it to the patient."""
    notices.drop(appointment)
    appointment = change(
        appointment,
        Status.CANCELLED,
        now=now,
        cancelled_at=now,
        cancelled_by=by,
        cancelled_by_user=user,
        cancel_reason=reason,
        cancelled_late=late,
        sequence=F("sequence") + 1,
    )
    nothing_waits(appointment, now=now)
    return appointment


def give_up(holds: list[int], *, now: datetime) -> int:
    """Turns holds into `cancelled` by the system and forgets who held them."""
    if not holds:
        return 0
    freed = Appointment.objects.filter(pk__in=holds, status=Status.PROPOSED).update(
        status=Status.CANCELLED,
        previous_status=Status.PROPOSED,
        status_changed_at=now,
        cancelled_at=now,
        cancelled_by=By.SYSTEM,
        cancel_reason=Reason.HOLD_EXPIRED,
    )
    HoldDetails.objects.filter(appointment__in=holds, appointment__status=Status.CANCELLED).delete()
    return freed


# --- on the day


def local_day(appointment: Appointment, moment: datetime) -> date:
    """The day that an instant is on where the appointment is."""
    return appointment.location.day_of(moment)


def in_the_house(appointment: Appointment) -> bool:
    """Whether its patient is there: arrived or checked in, or put back to `pending` from there on its day."""
    waits = appointment.status == Status.PENDING
    last = appointment.previous_status if waits else appointment.status
    return (
        last in Appointment.IN_THE_HOUSE
        and local_day(appointment, appointment.status_changed_at) == appointment.local_date
    )


def is_here(appointment: Appointment, *, now: datetime) -> bool:
    """As `in_the_house`, and where it is booked anew there (`is_back`). Of a visit as `standing.with_hit` gives it."""
    return in_the_house(appointment) or is_back(appointment, now=now)


def needs_other_time(visit: Appointment, *, now: datetime) -> bool:
    """Whether nobody, or no place, is there for it, until its day is over: it does not count as missed by its patient
    when its time comes. Not where they are here. Of a visit as `standing.with_hit` gives it; `standing.cannot_stand`
    finds the same."""
    is_hit = visit.is_hit  # type: ignore[attr-defined]  # an error where it was not asked for, never "no"
    is_to_come = visit.status in Appointment.OPEN and visit.day >= local_day(visit, now)
    return is_hit and is_to_come and not is_here(visit, now=now)


def left_to_staff(appointment: Appointment) -> bool:
    """Whether it was under way, or about to be, when it began to wait: staff bring it to an end, never the clock."""
    return appointment.status == Status.PENDING and (
        in_the_house(appointment) or appointment.status_changed_at >= appointment.starts_at - RELEASED_BEFORE
    )


def may_write(appointment: Appointment, *, now: datetime) -> bool:
    """Whether a message to the patient still comes in time: it has not begun, and they are not in the house."""
    return appointment.starts_at > now and not in_the_house(appointment)


# --- the clinicians' worklist


def nothing_waits(appointment: Appointment, *, now: datetime) -> None:
    """Takes a visit off the clinicians' worklist; where another waits for the same decision, the row is about that."""
    if not appointment.treatment.needs_screening or appointment.patient is None or appointment.area is None:
        return
    others = Appointment.objects.filter(
        patient=appointment.patient, treatment=appointment.treatment, area=appointment.area, status=Status.PENDING
    ).exclude(pk=appointment.pk)
    waiting = others.filter(form_due_by=None, information_asked_at=None).first()
    if waiting is not None:
        ask_clinician(waiting, now=now)
    elif not others.exists():
        close_request(appointment.patient, appointment.treatment, area=appointment.area, now=now)


def ask_clinician(appointment: Appointment, *, now: datetime, response_id: int | None = None):
    """Puts a pending visit on the worklist, with the nearest that waits for the same decision. None: no answers."""
    nearest = (
        Appointment.objects.filter(
            Q(starts_at__gt=now) | Q(local_date=local_day(appointment, now)),  # today's may have begun
            patient=appointment.patient,
            treatment=appointment.treatment,
            area=appointment.area,
            status=Status.PENDING,
        )
        .order_by("starts_at")
        .first()
    ) or appointment
    assert appointment.area is not None  # a treatment is of an area (a wall)
    return request_review(
        appointment.whose,
        appointment.treatment,
        area=appointment.area,
        response_id=response_id,
        needed_on=nearest.local_date,
        needed_at=nearest.starts_at,
        location=nearest.room.location,
        answer_by=nearest.answer_by,
        now=now,
    )


def usable_answers(appointment: Appointment, *, now: datetime) -> int | None:
    """Puts the patient's newest answers on the worklist if they can be decided on for that day: their id, else None.

    Raises NotAllowed when the rules, or a clinician, already say no to that day.
    """
    savepoint = transaction.savepoint()
    request = ask_clinician(appointment, now=now)
    if request is not None:
        day = appointment.day
        asking = may_ask(request.response_id, appointment.treatment, area=appointment.area, on=day, now=now)
        if asking.allowed and asking.earliest is not None and asking.earliest <= day:
            transaction.savepoint_commit(savepoint)
            return request.response_id
        if asking.allowed or asking.is_no:
            raise NotAllowed(when_possible(asking.earliest))
    transaction.savepoint_rollback(savepoint)
    return None


def when_possible(earliest: date | None) -> str:
    """The sentence about the first local day that is possible; None: none is."""
    if earliest is None:
        return _("This treatment is not right at the moment. A talk with us can still be booked.")
    return _("This treatment is possible from %(day)s on.") % {"day": formats.date_format(earliest, "l j F Y")}


def _form_due(appointment_starts_at: datetime, now: datetime) -> datetime:
    """By when the form is needed: two days, sooner when the visit is near, so that a clinician can still read it."""
    due = max(min(now + FORM_DUE_WITHIN, appointment_starts_at - timedelta(hours=24)), now + timedelta(hours=2))
    return min(due, appointment_starts_at)


def answer_by_for(appointment: Appointment, *, now: datetime) -> datetime | None:
    """By when a clinician answers about a visit: the review promise, never later than its release two hours before.

    None when that has passed, or the patient is in the house: then nothing is promised, staff see to it.
    """
    latest = appointment.starts_at - RELEASED_BEFORE
    if latest <= now or in_the_house(appointment):
        return None
    return min(availability.promise(now=now, location=appointment.room.location), latest)


def wait_for_answers(appointment: Appointment, *, now: datetime, tell: bool = True) -> Appointment:
    """A pending visit: to the clinicians with the answers we have, else to the patient with a form to fill in.

    Whoever is in the house, or whose visit has begun, gets no form: staff ask them. Without `tell` the
    patient is written to only about a form or a question that is new to them, and the promise they know is kept.
    """
    if clearance_of(appointment, now=now).why == "needs-information":
        asked = appointment.information_asked_at
        appointment = change(appointment, now=now, information_asked_at=asked or now, form_due_by=None)
        if (tell or asked is None) and may_write(appointment, now=now):
            notices.information_needed(appointment, now=now)
        return appointment
    answer_by = answer_by_for(appointment, now=now)
    promised = None if tell or appointment.information_asked_at is not None else appointment.answer_by
    if answer_by is not None and promised is not None and promised > now:
        answer_by = min(answer_by, promised)
    Appointment.objects.filter(pk=appointment.pk).update(answer_by=answer_by)  # the worklist shows it
    response_id = usable_answers(appointment, now=now)
    if response_id is not None:
        appointment = change(
            appointment,
            now=now,
            response_id=response_id,
            answer_by=answer_by,
            form_due_by=None,
            information_asked_at=None,
        )
        if tell:
            notices.asked_for(appointment, now=now)
        return appointment
    if not may_write(appointment, now=now):
        return change(appointment, now=now, answer_by=None, form_due_by=None, information_asked_at=None)
    due, before = _form_due(appointment.starts_at, now), appointment.form_due_by
    if before is not None and before > now:
        due = min(due, before)  # a form about something else does not buy time
    appointment = change(appointment, now=now, answer_by=None, form_due_by=due, information_asked_at=None)
    if tell or due != before:
        notices.form_due(appointment, now=now)
    return appointment
