"""What is done with a visit that stands. The public pages and the desk call these verbs and nothing else.

But for a time that is held first (`booking.holding`). Verbs as `booking.changing` says of all of them. `seen` is the
fingerprint that the visit had on the page whose button was pressed: NotAllowed unless it has it with the locks held.
"""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import F
from django.utils.translation import gettext as _

from booking import notices
from booking.availability import Slot
from booking.changing import (
    NotAllowed,
    Taken,
    cancel_quietly,
    change,
    check_status,
    clearance_of,
    local_day,
    lock,
    locked,
    look_again,
    nothing_waits,
    verb,
    wait_for_answers,
    when_possible,
)
from booking.holding import give_back
from booking.models import Appointment, HoldDetails
from booking.placing import (
    alternatives_to,
    check_area,
    check_consultation_first,
    check_free,
    check_interval,
    give_up_holds,
    made_before,
    overbooks,
    places_of,
    price_of,
    times_of,
    with_a_room,
)
from booking.standing import can_stand
from clinic.ages import is_adult
from clinic.models import Clinic, Patient, Treatment, User
from outbox.messages import CannotResend, resend
from outbox.models import Message
from screening.clearance import Clearance, clearance_for, grounds_changed, may_ask, rechecked

Status = Appointment.Status
Reason = Appointment.Reason
By = Appointment.CancelledBy

UNDO = timedelta(minutes=15)
NO_SHOW_AFTER = timedelta(minutes=15)


# --- who may, and when


def _may(user: User | None, permission: str, sentence: str) -> User:
    if user is None or not user.has_perm(permission):
        raise NotAllowed(sentence)
    return user


def _desk(user: User | None) -> User:
    return _may(user, "booking.run_desk", _("Only the front desk can do this."))


def _own_practitioner(appointment: Appointment, user: User | None) -> User:
    user = _may(user, "booking.check_in", _("Only the practitioner who sees the patient can do this."))
    if appointment.practitioner.user_id != user.pk:
        raise NotAllowed(_("Only the practitioner who sees the patient can do this."))
    return user


def _not_begun(appointment: Appointment, *, now: datetime) -> None:
    if appointment.starts_at <= now:
        raise NotAllowed(_("This visit has begun. Please call us."))


def _stands_on(found: Clearance) -> dict[str, Any]:
    """What is written of a treatment that takes its time: the decision, and that it waits for nothing; or none."""
    if not found.cleared:
        return {"review_id": None}
    return {"review_id": found.review_id, "answer_by": None, "form_due_by": None, "information_asked_at": None}


def allows(check: Callable[..., None], appointment: Appointment, **who: Any) -> bool:
    """Whether the check of a verb (`check_cancel`, …) lets it through; pages ask before they show a button."""
    try:
        check(appointment, **who)
    except NotAllowed:
        return False
    return True


# --- it is booked, and changes


def book_by_phone(
    *,
    patient: Patient,
    treatment: Treatment,
    area,
    slot: Slot,
    by: User,
    now: datetime,
    overbook_reason: str = "",
    request_key: uuid.UUID | None = None,
) -> Appointment:
    """The front desk books somebody who phones. A consultation is `booked` at once, so is a treatment with a clearance.

    Any other treatment is `pending`: with answers that we have, for a clinician; without, with `form_due_by` and the
    link to the form sent. No lead time and no horizon, but never before the review promise. `overbook_reason` puts it
    beside the practitioner's other visit (lane 1), recorded with who and why; room and patient stay in one place.
    `request_key` as in `hold`.
    Raises Taken (with alternatives), TooClose, NotAllowed (not the front desk; the rules say no to that day).
    """
    try:
        return with_a_room(
            lambda place: _book_by_phone(
                patient=patient,
                treatment=treatment,
                area=area,
                slot=place,
                by=by,
                now=now,
                overbook_reason=overbook_reason.strip()[:200],
                request_key=request_key,
            ),
            slot,
        )
    except Taken as taken:
        taken.alternatives = alternatives_to(treatment, slot, now=now, patient=patient, area=area, staff=True)
        raise


@verb
def _book_by_phone(*, patient, treatment, area, slot, by, now, overbook_reason, request_key) -> Appointment:
    lock(practitioners=[slot.practitioner_id], rooms=[slot.room_id], patients=[patient.pk])
    _desk(by)
    if request_key is not None:
        request_key, before = made_before(request_key, slot)
        if before is not None:
            return before
    check_area(treatment, area)
    area = area if treatment.needs_screening else None
    location = places_of(slot)[1]
    if not is_adult(patient.birth_date, location.day_of(now)):
        raise NotAllowed(_("We treat adults only: this patient is not yet 18. Nothing was booked."))
    day = location.day_of(slot.starts_at)
    found = clearance_for(patient, treatment, area=area, on=day, now=now)
    if found.is_refused:
        raise NotAllowed(_("This treatment cannot be booked for that day. A consultation can."))
    check_consultation_first(treatment, patient, on=day, now=now)
    give_up_holds(slot, treatment, patient=patient, now=now)
    check_free(
        treatment,
        slot,
        now=now,
        patient=patient,
        area=area,
        cleared=found.cleared,
        staff=True,
        overbook=bool(overbook_reason),
    )
    lane = 1 if overbook_reason and overbooks(treatment, slot, now=now) else 0
    made = Appointment.objects.create(
        request_key=request_key,
        patient=patient,
        treatment=treatment,
        area=area,
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        **times_of(treatment, slot.starts_at),
        lane=lane,
        overbooked_by=by if lane else None,
        overbook_reason=overbook_reason if lane else "",
        status=Status.BOOKED if found.cleared else Status.PENDING,
        status_changed_at=now,
        channel=Appointment.Channel.PHONE,
        review_id=found.review_id if found.cleared else None,
        **price_of(treatment, day),
        created_by=by,
        created_at=now,
    )
    appointment = Appointment.objects.with_names().get(pk=made.pk)
    if found.cleared:
        notices.booked(appointment, now=now)
        return appointment
    return wait_for_answers(appointment, now=now)


def move(
    appointment: Appointment,
    *,
    slot: Slot,
    by: str,
    user: User | None = None,
    seen: str | None = None,
    now: datetime,
) -> Appointment:
    """Gives an appointment another time, by the "patient" (with the clinic's notice) or by "staff" (`user`).

    One UPDATE of the same row, so the reference and the calendar entry stay; history keeps the old time; an overbooked
    visit comes back to the practitioner's own lane. The clearance is asked for the new day: cleared is `booked`; not
    cleared goes (back) to `pending` and to the clinicians; days the rules say no to are refused. The price stays.
    Consequences: messages that wait to be sent are taken back; one message with the new time, and again the one that
    asks for the form, or a clinician's question, where that is what it waits for.
    Raises Taken (with alternatives), TooClose, NotAllowed.
    """
    try:
        return with_a_room(lambda place: _move(appointment, slot=place, by=by, user=user, seen=seen, now=now), slot)
    except Taken as taken:
        taken.alternatives = alternatives_to(
            appointment.treatment,
            slot,
            now=now,
            patient=appointment.patient,
            area=appointment.area,
            exclude=appointment,
            staff=by == By.STAFF,
        )
        raise


@verb
def _move(
    appointment: Appointment, *, slot: Slot, by: str, user: User | None, seen: str | None, now: datetime
) -> Appointment:
    appointment = locked(appointment, slot=slot)
    if by == By.STAFF:
        _desk(user)
    elif by != By.PATIENT:
        raise ValueError("patient or staff")
    is_there = (slot.starts_at, slot.practitioner_id, slot.location_id) == (
        appointment.starts_at,
        appointment.practitioner_id,
        appointment.room.location_id,
    )
    if is_there and appointment.status in Appointment.OPEN:  # pressed twice
        return appointment
    look_again(appointment, seen)
    check_status(appointment, *Appointment.OPEN)
    clinic = Clinic.get()
    if by == By.PATIENT and appointment.is_late(clinic, now=now):
        raise NotAllowed(_("It is too late to move this here. Please call us, or cancel it."))
    treatment, area = appointment.treatment, appointment.area
    location = places_of(slot)[1]
    day = location.day_of(slot.starts_at)
    found = clearance_of(appointment, now=now, on=day)
    if not found.cleared:
        _check_may_be_asked(appointment, found, day, now=now)
    give_up_holds(slot, treatment, patient=appointment.patient, now=now)
    check_free(
        treatment,
        slot,
        now=now,
        patient=appointment.patient,
        area=area,
        cleared=found.cleared,
        staff=by == By.STAFF,
        exclude=appointment,
    )
    notices.drop(appointment)
    was = appointment.status
    appointment = change(
        appointment,
        Status.BOOKED if found.cleared else Status.PENDING,
        now=now,
        **times_of(treatment, slot.starts_at),
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        lane=0,
        overbooked_by=None,
        overbook_reason="",
        sequence=F("sequence") + 1,
        **_stands_on(found) | {"answer_by": None},  # the message with the new time says anew by when
    )
    if found.cleared:
        if was == Status.PENDING:
            nothing_waits(appointment, now=now)
    else:
        appointment = wait_for_answers(appointment, now=now, tell=False)
    notices.moved(appointment, now=now)
    # What was written of these names the old time, if it has left at all.
    notices.form_due(appointment, now=now)
    notices.information_needed(appointment, now=now)
    return appointment


def _check_may_be_asked(appointment: Appointment, found: Clearance, day: date, *, now: datetime) -> None:
    """Raises NotAllowed where a clinician, or the rules, say no to a day that no decision covers."""
    if found.is_refused:
        raise NotAllowed(_("That day is not possible for this treatment. Please choose another, or call us."))
    if appointment.response_id is None:
        return
    asking = may_ask(appointment.response_id, appointment.treatment, area=appointment.area, on=day, now=now)
    if asking.allowed and (asking.earliest is None or asking.earliest > day):
        raise NotAllowed(when_possible(asking.earliest))
    if asking.is_no:
        raise NotAllowed(when_possible(None))


@verb
def send_form_again(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> None:
    """The front desk sends the link to the form once more, or for the first time where the address came later.

    Raises NotAllowed: no form is due, there is no address, or that message does not go out again.
    """
    appointment = locked(appointment, seen=seen)
    _desk(by)
    if appointment.status != Status.PENDING or appointment.form_due_by is None:
        raise NotAllowed(_("No form is due for this visit."))
    newest = (
        Message.objects.told().filter(subject_uuid=appointment.uuid, patient=appointment.patient).order_by("pk").last()
    )
    if newest is not None and newest.kind == "form_due":
        send_again(newest, by=by, now=now)
    elif notices.form_due(appointment, now=now, again=True) is None:
        raise NotAllowed(_("There is no e-mail address. Add it to the patient’s record, then send the link."))


def send_again(message: Message, *, by: User, now: datetime) -> None:
    """A message once more; what the outbox refuses is NotAllowed."""
    try:
        resend(message, by=by, now=now)
    except CannotResend as error:
        raise NotAllowed(str(error)) from error


@verb
def cancel(
    appointment: Appointment,
    *,
    by: str,
    user: User | None = None,
    reason: str = "",
    seen: str | None = None,
    now: datetime,
) -> Appointment:
    """Cancels, with who, when and why (I6). A held time is given back.

    by: "patient" (until the start; late ones are recorded as late), "staff" (`user` with run_desk, until the end of the
    day; what is not confirmed also later: it never took place) or "clinician" ("not today": `user` treats the patient,
    on the day, or later where they are still in the house; or decides on screenings). reason: a code of
    Appointment.Reason; a patient's own needs none. Consequences: the time is free; it leaves the clinicians' worklist;
    messages that wait are taken back; one message before the start, with a calendar file that takes it out. See
    `undo`. Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    if appointment.status == Status.PROPOSED and by == By.PATIENT:
        return give_back(appointment, now=now)
    check_cancel(appointment, by=by, user=user, now=now)
    if by == By.PATIENT:
        user, reason = None, Reason.PATIENT_ASKED
    if reason not in (
        Reason.PATIENT_ASKED,
        Reason.PRACTITIONER_AWAY,
        Reason.CLINIC_CLOSED,
        Reason.MISTAKE,
        Reason.CLINICAL,
    ):
        raise NotAllowed(_("Please choose a reason."))
    if (reason == Reason.CLINICAL) != (by == By.CLINICIAN):
        raise NotAllowed(_("Please choose another reason: this one is for clinicians."))
    # Whoever lets go of a time that we took away is not late.
    late = reason == Reason.PATIENT_ASKED and appointment.is_late(Clinic.get(), now=now) and can_stand(appointment)
    appointment = cancel_quietly(appointment, by=by, user=user, reason=reason, late=late, now=now)
    if appointment.starts_at > now:
        notices.cancelled(appointment, now=now)
    return appointment


def check_cancel(appointment: Appointment, *, by: str, user: User | None = None, now: datetime) -> None:
    """Raises NotAllowed where it cannot be cancelled now by the patient, the staff or a clinician."""
    check_status(appointment, *Appointment.OPEN, Status.ARRIVED, Status.CHECKED_IN)
    if by == By.PATIENT:
        check_status(appointment, *Appointment.OPEN)
        _not_begun(appointment, now=now)
    elif by == By.STAFF:
        _desk(user)
        check_status(appointment, *Appointment.OPEN, Status.ARRIVED)
        if appointment.status != Status.PENDING and local_day(appointment, now) > appointment.day:
            raise NotAllowed(_("This day is over. Mark it as not come, or ask a manager to correct it."))
    elif by == By.CLINICIAN:
        if user is None or not user.has_perm("screening.decide"):
            _own_practitioner(appointment, user)
        today, is_left_open = local_day(appointment, now), appointment.status in Appointment.IN_THE_HOUSE
        if today < appointment.day or (today > appointment.day and not is_left_open):
            raise NotAllowed(_("That can only be said on the day of the visit. The front desk can still change it."))
    else:
        raise ValueError("patient, staff or clinician")


def is_not_today(row: Any) -> bool:
    """Whether a visit, or a row of its history, was cancelled by whom it was with, on its day: they did not treat.

    They need not be a clinician, and there need be no decision.
    """
    return (
        row.cancelled_by == By.CLINICIAN
        and row.cancelled_by_user_id == row.practitioner.user_id
        and row.room.location.day_of(row.cancelled_at) >= row.local_date
    )


@verb
def turn_into_consultation(
    appointment: Appointment, *, by: str, user: User | None = None, seen: str | None = None, now: datetime
) -> Appointment:
    """Makes a treatment that was asked for (or booked) a consultation at the same time, in one step: `booked`.

    by: "patient" (not where nobody is there then), "staff" (run_desk) or "clinician" (screening.decide). The same
    practitioner must give a consultation that fits into the kept time, else NotAllowed. Consequences: price of a
    consultation; off the clinicians' worklist; messages that wait are taken back; a message with the calendar file.
    """
    appointment = locked(appointment, seen=seen)
    check_talk(appointment, by=by, user=user, now=now)
    if by == By.PATIENT and not can_stand(appointment):
        raise NotAllowed(_("We cannot see you at this time. Please choose another, or call us."))
    return make_consultation(appointment, now=now, by_patient=by == By.PATIENT)


def check_talk(appointment: Appointment, *, by: str, user: User | None = None, now: datetime) -> None:
    """Raises NotAllowed where it cannot become a consultation now; whether one fits is known when it is tried."""
    if by == By.STAFF:
        _desk(user)
    elif by == By.CLINICIAN:
        _may(user, "screening.decide", _("Only a clinician can do this."))
    elif by != By.PATIENT:
        raise ValueError("patient, staff or clinician")
    check_status(appointment, *Appointment.OPEN)
    _not_begun(appointment, now=now)
    if not appointment.treatment.needs_screening:
        raise NotAllowed(_("This is not a treatment."))


def consultation_for(appointment: Appointment) -> Treatment | None:
    """The consultation that the same person gives and that fits into its time, or None."""
    consultations = Treatment.objects.offered().filter(
        kind=Treatment.Kind.CONSULTATION, practitioners=appointment.practitioner_id
    )
    for consultation in consultations.order_by("order", "name"):
        times = times_of(consultation, appointment.starts_at)
        if times["ends_at"] <= appointment.ends_at and times["busy_until"] <= appointment.busy_until:
            return consultation
    return None


def make_consultation(appointment: Appointment, *, now: datetime, by_patient: bool = False) -> Appointment:
    """As `turn_into_consultation`, for a treatment to come whose patient's row is locked; its callers ask who may.

    Raises NotAllowed where no consultation fits. The message says that something has changed, unless the patient knows.
    """
    consultation = consultation_for(appointment)
    if consultation is None:
        raise NotAllowed(_("A consultation does not fit into this time. Please choose another time, or call us."))
    notices.drop(appointment)
    nothing_waits(appointment, now=now)
    appointment = change(
        appointment,
        Status.BOOKED,
        now=now,
        treatment=consultation,
        area=None,
        **times_of(consultation, appointment.starts_at),
        **price_of(consultation, appointment.day),
        review=None,
        answer_by=None,
        form_due_by=None,
        information_asked_at=None,
        sequence=F("sequence") + 1,
    )
    notices.booked_or_other_time(appointment, now=now, is_other=not by_patient)
    return appointment


# --- the day


@verb
def arrive(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """The patient is here: `booked` to `arrived`, on the same local day, by the front desk. Raises NotAllowed."""
    appointment = locked(appointment, seen=seen)
    _desk(by)
    check_status(appointment, Status.BOOKED)
    if local_day(appointment, now) != appointment.local_date:
        raise NotAllowed(_("An arrival can only be recorded on the day of the visit."))
    return change(appointment, Status.ARRIVED, now=now)


@verb
def no_show(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """The patient did not come: from 15 minutes after the start, by the front desk. The time is free. NotAllowed, also
    where nobody was there for them."""
    appointment = locked(appointment, seen=seen)
    _desk(by)
    check_status(appointment, Status.BOOKED)
    if now < appointment.starts_at + NO_SHOW_AFTER:
        raise NotAllowed(_("Please wait until 15 minutes after the start."))
    if not can_stand(appointment):
        raise NotAllowed(_("We could not see them at this time. Please find another time with them."))
    notices.drop(appointment)
    return change(appointment, Status.NOSHOW, now=now)


@verb
def check_in(
    appointment: Appointment, *, by: User, identity_confirmed: bool = False, agreed: bool = False, now: datetime
) -> Appointment:
    """The practitioner has the patient before them: `arrived` to `checked-in`, on the same local day.

    Only the appointment's own practitioner, who has confirmed who this is. A treatment also takes the patient's
    agreement, the short re-check of that day without anything new (`screening.clearance.recheck`; one with something
    new puts the visit back to pending), and a clearance for today. Consequences: who confirmed, and when, is kept with
    the visit, and when the patient agreed. Raises NotAllowed.
    """
    appointment = locked(appointment)
    _own_practitioner(appointment, by)
    check_status(appointment, Status.ARRIVED)
    if local_day(appointment, now) != appointment.local_date:
        raise NotAllowed(_("A visit can only begin on its day."))
    if not identity_confirmed:
        raise NotAllowed(_("Please make sure first that this is the right person."))
    record = {"identity_confirmed_at": now, "identity_confirmed_by": by, "agreed_at": None}
    if appointment.treatment.needs_screening:
        arrived = appointment.status_changed_at
        if not rechecked(appointment.whose, visit=appointment.uuid, on=appointment.day, since=arrived):
            raise NotAllowed(_("Please ask the short questions first."))
        if not agreed:
            raise NotAllowed(_("Please record that the patient agrees to the treatment."))
        found = clearance_of(appointment, now=now)
        if not found.cleared:
            raise NotAllowed(_("A clinician has to look at the answers first. Not today."))
        record |= {"agreed_at": now, "review_id": found.review_id}
    return change(appointment, Status.CHECKED_IN, now=now, **record)


@verb
def fulfil(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """The visit is done: `checked-in` to `fulfilled`, by its own practitioner. Raises NotAllowed."""
    appointment = locked(appointment, seen=seen)
    _own_practitioner(appointment, by)
    check_status(appointment, Status.CHECKED_IN)
    appointment = change(appointment, Status.FULFILLED, now=now)
    _talk_counts(appointment, by=by, now=now)
    return appointment


def _talk_counts(appointment: Appointment, *, by: User, now: datetime) -> None:
    """A visit has become, or is no longer, one that took place: what rests on a consultation follows."""
    if appointment.treatment.kind == Treatment.Kind.CONSULTATION:
        grounds_changed(appointment.whose, by=by, now=now)


@verb
def undo(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """Takes the last step back within 15 minutes: arrived, no-show, cancelled (front desk), fulfilled and "not today"
    (practitioner).

    A time that was freed is taken again only while it is free (Taken, TooClose). A treatment comes back as `booked`
    with a clearance and as `pending` without one, whichever it was; a no-show without one is refused. After "not
    today" whoever was in the house is there again. History keeps each step. Consequences of undoing a cancellation:
    the message about it is taken back; the patient is told how the visit stands unless they never heard otherwise:
    what told them of it has left, the cancellation has not, and it is what it was. Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    check_undo(appointment, by=by, now=now)
    if appointment.status == Status.FULFILLED:
        appointment = change(appointment, Status.CHECKED_IN, now=now)
        _talk_counts(appointment, by=by, now=now)
        return appointment
    if appointment.status == Status.ARRIVED:
        return change(appointment, Status.BOOKED, now=now)
    slot = Slot.of(appointment)
    give_up_holds(slot, appointment.treatment, patient=appointment.patient, now=now)
    check_interval(appointment.treatment, appointment.patient, appointment.area, appointment.day, exclude=appointment)
    was = appointment.previous_status
    before = Status.BOOKED if was in Appointment.IN_THE_HOUSE else was  # the wall lets nobody back into it in one step
    to: str = before
    values: dict[str, Any] = {}
    if appointment.treatment.needs_screening:
        found = clearance_of(appointment, now=now)
        to = Status.BOOKED if found.cleared else Status.PENDING
        if appointment.status == Status.NOSHOW and not found.cleared:
            raise NotAllowed(_("A clinician has to look at the answers first."))
        values = _stands_on(found)
    if appointment.status == Status.NOSHOW:
        return change(appointment, to, now=now, **values)
    as_they_know = _unsay(appointment, is_as_before=to == before)
    appointment = change(
        appointment,
        to,
        now=now,
        **values,
        cancelled_at=None,
        cancelled_by="",
        cancelled_by_user=None,
        cancel_reason="",
        cancelled_late=False,
        sequence=F("sequence") + 1,
    )
    if to == Status.PENDING:
        return wait_for_answers(appointment, now=now, tell=not as_they_know)
    if not as_they_know:
        notices.booked_or_other_time(appointment, now=now)
    for step in Appointment.IN_THE_HOUSE:
        if was in Appointment.IN_THE_HOUSE and appointment.status != was:
            appointment = change(appointment, step, now=now)
    return appointment


def _unsay(appointment: Appointment, *, is_as_before: bool) -> bool:
    """Takes back what waits to be sent about a cancellation. Whether what the patient heard last is true again, of a
    visit that is, or is not, back as it was."""
    unsaid = notices.drop(appointment, kinds=["cancelled"]) > 0
    told_nobody = appointment.status_changed_at >= appointment.starts_at  # see `cancel`
    return told_nobody or (unsaid and notices.has_left(appointment) and is_as_before)


def check_undo(appointment: Appointment, *, by: User, now: datetime) -> None:
    """Raises NotAllowed where the last step cannot be taken back by somebody; a time may be taken by others besides."""
    check_status(appointment, Status.ARRIVED, Status.NOSHOW, Status.CANCELLED, Status.FULFILLED)
    if now > appointment.status_changed_at + UNDO:
        raise NotAllowed(_("That is more than 15 minutes ago. It cannot be undone any more."))
    if appointment.status == Status.FULFILLED or is_not_today(appointment):
        _own_practitioner(appointment, by)
        return
    _desk(by)
    was_open = appointment.patient is not None and appointment.previous_status in Appointment.OPEN
    not_by_us = appointment.cancelled_by in (By.SYSTEM, By.CLINICIAN)
    if appointment.status != Status.ARRIVED and (not was_open or not_by_us):
        raise NotAllowed(_("This cannot be undone. Please book it again."))


@verb
def mark_in_error(
    appointment: Appointment, *, by: User, reason: str, seen: str | None = None, now: datetime
) -> Appointment:
    """It should never have been entered: any status to `entered-in-error`, by a manager with a reason. For good.

    Consequences: the time is free; it leaves the worklist; messages that wait are taken back; a patient who was told of
    a visit to come hears that it does not take place; treatments that were cleared because of a consultation wait for a
    clinician again. Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    _may(by, "booking.enter_in_error", _("Only a manager can do this."))
    reason = reason.strip()
    if not reason:
        raise NotAllowed(_("Please say why."))
    if appointment.status == Status.ENTERED_IN_ERROR:
        raise NotAllowed(_("This is marked as entered in error already."))
    told = appointment.status in Appointment.OPEN and appointment.starts_at > now
    took_place = appointment.status == Status.FULFILLED
    notices.drop(appointment)
    HoldDetails.objects.filter(appointment=appointment).delete()
    appointment = change(
        appointment,
        Status.ENTERED_IN_ERROR,
        now=now,
        entered_in_error_at=now,
        entered_in_error_by=by,
        entered_in_error_reason=reason[:200],
        cancelled_at=None,
        cancelled_by="",
        cancelled_by_user=None,
        cancel_reason="",
        cancelled_late=False,
        sequence=F("sequence") + 1,
    )
    nothing_waits(appointment, now=now)
    if told:
        notices.cancelled(appointment, now=now)
    if took_place:
        _talk_counts(appointment, by=by, now=now)
    return appointment
