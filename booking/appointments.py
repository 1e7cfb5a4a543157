"""What can be done with an appointment. The public pages and the desk call these verbs and nothing else.

Each verb is one transaction. It takes the advisory locks of practitioner, room and patient, sorted, in one statement,
then the patient's row, and only then reads (DESIGN section 4): so no two verbs wait for each other in a circle, and the
constraints of the database stay the wall behind. `screening` locks only the patient's row; the order here agrees.
Messages are written in the same transaction. `now` is an aware instant and comes from the caller. `seen` is the
fingerprint that the visit had on the page whose button was pressed: NotAllowed unless it has it with the locks held.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import F, Q
from django.utils.translation import gettext as _

from booking import availability, notices
from booking.availability import RELEASED_BEFORE, Slot
from booking.changing import (
    NotAllowed,
    Refusal,
    Taken,
    TalkFirst,
    TooClose,
    ask_clinician,
    cancel_quietly,
    change,
    clearance_of,
    constraint_of,
    give_up,
    local_day,
    lock,
    locked,
    look_again,
    nothing_waits,
    verb,
    wait_for_answers,
    when_possible,
)
from booking.models import Appointment, HoldDetails
from clinic.ages import is_adult
from clinic.models import Clinic, Location, Patient, Practitioner, Treatment, User
from outbox.messages import CannotResend, resend
from outbox.models import Message
from screening.clearance import (
    adopt_response,
    clearance_for,
    consultation_counts_until,
    may_ask,
    rechecked,
)

Status = Appointment.Status
Reason = Appointment.Reason
By = Appointment.CancelledBy

EXTENSION = timedelta(minutes=5)
EXTENSIONS = 10
UNDO = timedelta(minutes=15)
NO_SHOW_AFTER = timedelta(minutes=15)


# --- what verbs share


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


def _status_is(appointment: Appointment, *statuses: str) -> None:
    if appointment.status not in statuses:
        raise NotAllowed(
            _("That cannot be done: the appointment is “%(status)s”.") % {"status": appointment.get_status_display()}
        )


def _not_begun(appointment: Appointment, *, now: datetime) -> None:
    if appointment.starts_at <= now:
        raise NotAllowed(_("This visit has begun. Please call us."))


def allows(check: Callable[..., None], appointment: Appointment, **who: Any) -> bool:
    """Whether the check of a verb (`check_cancel`, …) lets it through; pages ask before they show a button."""
    try:
        check(appointment, **who)
    except NotAllowed:
        return False
    return True


def _places(slot: Slot) -> tuple[Practitioner, Location]:
    practitioner = Practitioner.objects.filter(pk=slot.practitioner_id, is_active=True).first()
    location = Location.objects.filter(pk=slot.location_id, is_active=True).first()
    if practitioner is None or location is None:
        raise Taken()
    return practitioner, location


def _times(treatment: Treatment, starts_at: datetime) -> dict[str, datetime]:
    ends_at = starts_at + timedelta(minutes=treatment.duration_minutes)
    return {
        "starts_at": starts_at,
        "ends_at": ends_at,
        "busy_until": ends_at + timedelta(minutes=treatment.buffer_minutes),
    }


def _price(treatment: Treatment, day: date) -> dict[str, Any]:
    price, clinic = treatment.price_on(day), Clinic.get()
    if price is None:
        return {"price": None, "currency": ""}
    return {"price": price.amount, "currency": clinic.currency if clinic else ""}


def _check_area(treatment: Treatment, area) -> None:
    if not treatment.is_active:
        raise NotAllowed(_("This is not offered any more."))
    if not treatment.needs_screening:
        return
    if area is None or not treatment.areas.filter(pk=area.pk).exists():
        raise NotAllowed(_("Please choose an area that this treatment is for."))


def _check_interval(treatment: Treatment, patient, area, day: date, *, exclude: Appointment | None = None) -> None:
    """I3 in words, before the wall says it. Raises TooClose with the first day that is far enough from all sessions."""
    if patient is None or area is None or not treatment.interval_days:
        return
    sessions = (
        Appointment.objects.occupying()
        .filter(patient=patient, area=area, interval_days__gt=0)
        .exclude(status=Status.PROPOSED)
        .exclude(pk=exclude.pk if exclude else None)
        .values_list("local_date", "interval_days")
    )
    possible = availability.first_kept(day, treatment.interval_days, sessions)
    if possible != day:
        raise TooClose(possible)


def _check_free(
    treatment: Treatment,
    slot: Slot,
    *,
    now: datetime,
    patient=None,
    area=None,
    cleared: bool,
    staff: bool = False,
    overbook: bool = False,
    exclude: Appointment | None = None,
) -> Slot:
    """The slot as it is free now, perhaps in another room. Raises Taken, TooClose."""
    practitioner, location = _places(slot)
    day = location.day_of(slot.starts_at)
    _check_interval(treatment, patient, area, day, exclude=exclude)
    not_before = None
    if staff and not cleared:  # the front desk too: somebody has to have the time to read the answers
        not_before = availability.earliest_start(now=now, location=location, cleared=False)
    free = availability.free_slots(
        treatment,
        first=day,
        days=1,
        now=now,
        practitioner=practitioner,
        location=location,
        patient=patient,
        area=area,
        not_before=not_before,
        exclude=exclude,
        cleared=cleared,
        staff=staff,
        overbook=overbook,
    )
    same = [other for other in free if other.starts_at == slot.starts_at]
    if not same:
        raise Taken()
    return same[0]


def _alternatives(treatment: Treatment, slot: Slot, *, now: datetime, **wanted) -> list[Slot]:
    """Up to six free times near the one that was wanted, whoever is free."""
    first = max(slot.starts_at.date() - timedelta(days=3), now.date() - timedelta(days=1))
    try:
        free = availability.free_slots(treatment, first=first, days=14, now=now, **wanted)
    except Refusal:
        return []
    near = sorted(free, key=lambda other: (abs(other.starts_at - slot.starts_at), other))
    return sorted(near[:6])


class _AnotherRoom(Exception):
    """The time is free, in a room whose lock is not held yet."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot


def _with_a_room(place: Callable[[Slot], Appointment], slot: Slot) -> Appointment:
    """Calls `place` with the slot, and again with another room of that place when only that one is free."""
    for _attempt in range(6):
        try:
            return place(slot)
        except _AnotherRoom as other:
            slot = other.slot
    raise Taken()


def _same_room(free: Slot, slot: Slot) -> None:
    if free.room_id != slot.room_id:
        raise _AnotherRoom(free)


def _free_holds(slot: Slot, treatment: Treatment, *, patient=None, keep: Appointment | None = None, now: datetime):
    """Frees the expired holds in the way, and every other hold of this patient: one person keeps one time."""
    times = _times(treatment, slot.starts_at)
    holds = (
        Appointment.objects.expired_holds(now=now)
        .overlapping(times["starts_at"], times["busy_until"])
        .filter(Q(practitioner=slot.practitioner_id) | Q(room=slot.room_id))
    )
    if patient is not None:
        holds |= Appointment.objects.filter(status=Status.PROPOSED, patient=patient)
    if keep is not None:
        holds = holds.exclude(pk=keep.pk)
    give_up(list(holds.values_list("pk", flat=True)), now=now)


def _made_before(request_key: uuid.UUID, slot: Slot) -> tuple[uuid.UUID, Appointment | None]:
    """The key to write under, and what the same request has made already, or None.

    The same form sent for another time ("Back" shows it once more) is another request, under a key of its own; so it is
    once that time was given back or cancelled.
    """
    before = Appointment.objects.with_names().filter(request_key=request_key).first()
    if before is None or (
        before.status not in Appointment.FREED
        and (before.starts_at, before.practitioner_id) == (slot.starts_at, slot.practitioner_id)
    ):
        return request_key, before
    return _made_before(uuid.uuid5(request_key, f"{slot.starts_at.timestamp():.0f} {slot.practitioner_id}"), slot)


# --- a time is kept, and becomes an appointment


def hold(
    *,
    treatment: Treatment,
    slot: Slot,
    area,
    request_key: uuid.UUID,
    now: datetime,
    response_id: int | None = None,
    patient: Patient | None = None,
) -> Appointment:
    """Keeps a time for somebody who is about to give their details (`proposed`).

    A treatment needs finished answers that allow asking for that day (`response_id`), or a `patient` with a clearance
    for it. The same `request_key` twice for the same start and practitioner returns the same appointment, unless that
    was freed since. The price of the day of the visit is kept.
    Consequences: expired holds in the way are cancelled by the system; other holds of `patient` are given up.
    Raises Taken (with alternatives), TooClose, NotAllowed.
    """

    def keep(place: Slot) -> Appointment:
        return _hold(
            treatment=treatment,
            slot=place,
            area=area,
            request_key=request_key,
            now=now,
            response_id=response_id,
            patient=patient,
        )

    try:
        try:
            return _with_a_room(keep, slot)
        except IntegrityError as error:
            if "request_key" not in constraint_of(error):
                raise
            return _with_a_room(keep, slot)  # the other press of the same form has been written meanwhile
    except Taken as taken:
        taken.alternatives = _alternatives(treatment, slot, now=now, patient=patient, area=area)
        raise


@verb
def _hold(*, treatment, slot, area, request_key, now, response_id, patient) -> Appointment:
    lock(
        practitioners=[slot.practitioner_id],
        rooms=[slot.room_id],
        patients=[patient.pk if patient is not None else None],
    )
    request_key, before = _made_before(request_key, slot)
    if before is not None:
        return before
    _check_area(treatment, area)
    area = area if treatment.needs_screening else None
    location = _places(slot)[1]
    day = location.day_of(slot.starts_at)
    if patient is not None:
        _check_adult(patient.birth_date, location, now=now)
        _check_consultation_first(treatment, patient, on=day, now=now)
    cleared = not treatment.needs_screening
    if treatment.needs_screening:
        cleared = patient is not None and clearance_for(patient, treatment, area=area, on=day, now=now).cleared
        if not cleared:
            _check_answers(response_id, treatment, area=area, on=day, now=now)
    _free_holds(slot, treatment, patient=patient, now=now)
    free = _check_free(treatment, slot, now=now, patient=patient, area=area, cleared=cleared)
    _same_room(free, slot)
    clinic = Clinic.get()
    made = Appointment.objects.create(
        request_key=request_key,
        patient=patient,
        treatment=treatment,
        area=area,
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        **_times(treatment, slot.starts_at),
        status=Status.PROPOSED,
        status_changed_at=now,
        hold_expires_at=now + timedelta(minutes=clinic.hold_minutes if clinic else 10),
        answer_by=None if cleared else availability.promise(now=now, location=location),
        response_id=response_id if treatment.needs_screening else None,
        **_price(treatment, day),
        created_at=now,
    )
    return Appointment.objects.with_names().get(pk=made.pk)


def _check_answers(response_id: int | None, treatment: Treatment, *, area, on: date, now: datetime) -> None:
    """Raises NotAllowed unless the rules let this day be asked for."""
    if response_id is None:
        raise NotAllowed(_("Please answer the questions first: they tell us whether this treatment is right for you."))
    asking = may_ask(response_id, treatment, area=area, on=on, now=now)
    if not asking.allowed:
        if asking.answer_again:
            raise NotAllowed(_("Please answer the questions again: your answers do not cover this."))
        raise NotAllowed(when_possible(None))
    if asking.earliest is None or asking.earliest > on:
        raise NotAllowed(when_possible(asking.earliest))


def _check_adult(birth_date: date, location: Location, *, now: datetime) -> None:
    """Nobody under 18 on today's local day books online."""
    if not is_adult(birth_date, location.day_of(now)):
        raise NotAllowed(_("Online booking is for adults. Please call us: we are glad to help."))


def _check_consultation_first(treatment: Treatment, patient: Patient, *, on: date, now: datetime) -> None:
    """The clinic's policy for new patients: a consultation within six months before `on`, or an earlier treatment.

    Raises TalkFirst."""
    clinic = Clinic.get()
    if (
        not treatment.needs_screening
        or clinic is None
        or clinic.consultation_first != Clinic.ConsultationFirst.ALWAYS
        or Appointment.objects.filter(
            patient=patient, status=Status.FULFILLED, treatment__kind=Treatment.Kind.TREATMENT
        ).exists()
    ):
        return
    until = consultation_counts_until(patient.pk, now=now)
    if until is None or until < on:
        raise TalkFirst(_("Before a first treatment we talk with you. Please book a consultation."))


@verb
def extend(appointment: Appointment, *, now: datetime) -> Appointment:
    """ "I need more time": five minutes more, up to ten times. Also a hold that ran out, as long as nobody took it.

    Raises Taken when it is no longer kept, NotAllowed the eleventh time.
    """
    appointment = locked(appointment)
    if appointment.status != Status.PROPOSED:
        raise Taken()
    if appointment.hold_extensions >= EXTENSIONS:
        raise NotAllowed(_("We cannot keep this time any longer. Please call us if you need help."))
    return change(
        appointment,
        now=now,
        hold_expires_at=max(appointment.hold_expires_at or now, now) + EXTENSION,
        hold_extensions=F("hold_extensions") + 1,
    )


@verb
def release(appointment: Appointment, *, now: datetime) -> Appointment:
    """Gives a held time back. Consequences: `cancelled` by the patient; what they typed is forgotten."""
    appointment = locked(appointment)
    _status_is(appointment, Status.PROPOSED)
    return _give_back(appointment, now=now)


@verb
def hold_instead(
    kept: Appointment | None,
    *,
    slot: Slot,
    patient: Patient | None,
    request_key: uuid.UUID,
    now: datetime,
    **wanted: Any,
) -> Appointment:
    """Holds a time in place of the one that was kept before: both, or neither, so that who loses the new one still has
    the old one. The old one goes first, for they may lie across each other; unless the same press has made it.
    Otherwise as `hold`."""
    if kept is not None:
        lock(
            practitioners=[kept.practitioner_id, slot.practitioner_id],
            rooms=[kept.room_id, slot.room_id],
            patients=[kept.patient_id, patient.pk if patient else None],
        )
        if _made_before(request_key, slot)[1] != kept:
            with suppress(NotAllowed):  # it has ended already
                release(kept, now=now)
    return hold(slot=slot, patient=patient, request_key=request_key, now=now, **wanted)


def _give_back(appointment: Appointment, *, now: datetime) -> Appointment:
    HoldDetails.objects.filter(appointment=appointment).delete()
    return change(
        appointment,
        Status.CANCELLED,
        now=now,
        cancelled_at=now,
        cancelled_by=By.PATIENT,
        cancel_reason=Reason.PATIENT_ASKED,
    )


@verb
def take_details(
    appointment: Appointment, *, name: str, phone: str, email: str, birth_date: date, now: datetime
) -> HoldDetails:
    """Keeps who holds the time until they have proven the address. Raises Taken; NotAllowed under 18."""
    appointment = locked(appointment)
    if appointment.status != Status.PROPOSED:
        raise Taken()
    _check_adult(birth_date, appointment.room.location, now=now)
    details, _made = HoldDetails.objects.update_or_create(
        appointment=appointment,
        defaults={"name": name.strip(), "phone": phone, "email": email.strip().lower(), "birth_date": birth_date},
    )
    return details


@verb
def patient_for(user: User, details) -> Patient:
    """The patient somebody is, who has proven `user.email`; `details` has name, phone, email and birth_date.

    Their own record when e-mail and birth date agree; a record made at the desk with both is linked to the login; else
    a new one is made. A shared e-mail address never merges two people. Their record keeps the phone of `details`, the
    newest word on where they can be reached. Raises NotAllowed when the birth date is not the one we know, or when more
    than one record would fit: a person has to look who this is.
    """
    if details.email.strip().lower() != user.email.lower():
        raise NotAllowed(_("Please prove the e-mail address you gave."))
    call_us = _("We cannot match this date of birth with this address. Please call us: we sort it out together.")
    user = User.objects.select_for_update().get(pk=user.pk)  # two tabs make one patient
    known = Patient.objects.filter(user=user).first()
    if known is not None:
        if known.birth_date != details.birth_date:
            raise NotAllowed(call_us)
        known.phone = details.phone
        known.save(update_fields=["phone"])
        return known
    fitting = list(
        Patient.objects.select_for_update(no_key=True)
        .filter(user=None, email__iexact=user.email, birth_date=details.birth_date)
        .order_by("pk")
    )
    if len(fitting) > 1:
        fitting = [patient for patient in fitting if patient.name.casefold() == details.name.strip().casefold()]
        if len(fitting) != 1:
            raise NotAllowed(call_us)
    if fitting:
        if Patient.objects.filter(pk=fitting[0].pk, user=None).update(user=user, phone=details.phone) != 1:
            raise NotAllowed(call_us)
        return Patient.objects.get(pk=fitting[0].pk)
    return Patient.objects.create(
        user=user,
        name=details.name.strip(),
        birth_date=details.birth_date,
        email=user.email,
        phone=details.phone,
    )


def confirm(appointment: Appointment, *, patient: Patient, now: datetime) -> Appointment:
    """Makes a kept time an appointment of `patient`: `booked` where nobody has to look first, else `pending`.

    `booked` is a consultation, or a treatment with a valid clearance for that day. `pending` goes on the clinicians'
    worklist, with the moment by which we answer. Twice changes nothing. A hold that ran out may be confirmed as long as
    nobody took it. Consequences: the anonymous answers become the patient's (and may put other visits back to pending);
    the typed details are deleted; a message with, when booked, the calendar file.
    Raises Taken, TooClose, NotAllowed; screening.clearance.BirthDateDiffers, AnswersOfAnother from the answers.
    """
    try:
        return _confirm(appointment, patient=patient, now=now)
    except (Taken, TooClose) as refusal:
        if isinstance(refusal, TooClose) and refusal.first_day_possible is None:
            _check_interval(appointment.treatment, patient, appointment.area, appointment.day, exclude=appointment)
        if isinstance(refusal, Taken):
            refusal.alternatives = _alternatives(
                appointment.treatment, Slot.of(appointment), now=now, patient=patient, area=appointment.area
            )
        raise


@verb
def _confirm(appointment: Appointment, *, patient: Patient, now: datetime) -> Appointment:
    appointment = locked(appointment, patient=patient)
    if appointment.patient_id not in (None, patient.pk):
        raise NotAllowed(_("This time is kept for somebody else."))
    if appointment.patient_id == patient.pk and appointment.status in Appointment.OPEN:
        return appointment
    if appointment.status != Status.PROPOSED or appointment.starts_at <= now:
        raise Taken()
    treatment, area = appointment.treatment, appointment.area
    _check_adult(patient.birth_date, appointment.room.location, now=now)
    _check_consultation_first(treatment, patient, on=appointment.day, now=now)
    slot = Slot.of(appointment)
    _free_holds(slot, treatment, patient=patient, keep=appointment, now=now)
    _check_interval(treatment, patient, area, appointment.day, exclude=appointment)
    HoldDetails.objects.filter(appointment=appointment).delete()
    if appointment.response_id is not None:
        adopt_response(appointment.response_id, patient=patient, now=now)
    appointment.patient = patient
    if not treatment.needs_screening:
        appointment = change(appointment, Status.BOOKED, now=now, patient=patient)
        notices.booked(appointment, now=now)
        return appointment
    found = clearance_of(appointment, now=now)
    if found.cleared:
        appointment = change(
            appointment, Status.BOOKED, now=now, patient=patient, review_id=found.review_id, answer_by=None
        )
        notices.booked(appointment, now=now)
        return appointment
    _check_answers(appointment.response_id, treatment, area=area, on=appointment.day, now=now)
    answer_by = appointment.answer_by or availability.promise(now=now, location=appointment.room.location)
    if appointment.starts_at < answer_by + RELEASED_BEFORE:
        raise NotAllowed(_("We need more time to look at your answers. Please choose a later time."))
    appointment = change(appointment, Status.PENDING, now=now, patient=patient, answer_by=answer_by)
    ask_clinician(appointment, now=now, response_id=appointment.response_id)
    notices.asked_for(appointment, now=now)
    return appointment


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
        return _with_a_room(
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
        taken.alternatives = _alternatives(treatment, slot, now=now, patient=patient, area=area, staff=True)
        raise


@verb
def _book_by_phone(*, patient, treatment, area, slot, by, now, overbook_reason, request_key) -> Appointment:
    lock(practitioners=[slot.practitioner_id], rooms=[slot.room_id], patients=[patient.pk])
    _desk(by)
    if request_key is not None:
        request_key, before = _made_before(request_key, slot)
        if before is not None:
            return before
    _check_area(treatment, area)
    area = area if treatment.needs_screening else None
    location = _places(slot)[1]
    if not is_adult(patient.birth_date, location.day_of(now)):
        raise NotAllowed(_("We treat adults only: this patient is not yet 18. Nothing was booked."))
    day = location.day_of(slot.starts_at)
    found = clearance_for(patient, treatment, area=area, on=day, now=now)
    if found.is_refused:
        raise NotAllowed(_("This treatment cannot be booked for that day. A consultation can."))
    _check_consultation_first(treatment, patient, on=day, now=now)
    _free_holds(slot, treatment, patient=patient, now=now)
    free = _check_free(
        treatment,
        slot,
        now=now,
        patient=patient,
        area=area,
        cleared=found.cleared,
        staff=True,
        overbook=bool(overbook_reason),
    )
    _same_room(free, slot)
    # Overbooked only where the practitioner's own lane is taken.
    lane = 0
    if overbook_reason:
        times = _times(treatment, slot.starts_at)
        lane = int(
            Appointment.objects.occupying()
            .overlapping(times["starts_at"], times["busy_until"])
            .filter(practitioner=slot.practitioner_id, lane=0)
            .exists()
        )
    made = Appointment.objects.create(
        request_key=request_key,
        patient=patient,
        treatment=treatment,
        area=area,
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        **_times(treatment, slot.starts_at),
        lane=lane,
        overbooked_by=by if lane else None,
        overbook_reason=overbook_reason if lane else "",
        status=Status.BOOKED if found.cleared else Status.PENDING,
        status_changed_at=now,
        channel=Appointment.Channel.PHONE,
        review_id=found.review_id if found.cleared else None,
        **_price(treatment, day),
        created_by=by,
        created_at=now,
    )
    appointment = Appointment.objects.with_names().get(pk=made.pk)
    if found.cleared:
        notices.booked(appointment, now=now)
        return appointment
    return wait_for_answers(appointment, now=now)


# --- it changes


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
        return _with_a_room(lambda place: _move(appointment, slot=place, by=by, user=user, seen=seen, now=now), slot)
    except Taken as taken:
        taken.alternatives = _alternatives(
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
    is_there = (slot.starts_at, slot.practitioner_id, slot.location_id) == (
        appointment.starts_at,
        appointment.practitioner_id,
        appointment.room.location_id,
    )
    if not is_there:  # else it was pressed twice
        look_again(appointment, seen)
    if by == By.STAFF:
        _desk(user)
    elif by != By.PATIENT:
        raise ValueError("patient or staff")
    _status_is(appointment, *Appointment.OPEN)
    clinic = Clinic.get()
    if by == By.PATIENT and appointment.is_late(clinic, now=now):
        raise NotAllowed(_("It is too late to move this here. Please call us, or cancel it."))
    treatment, area = appointment.treatment, appointment.area
    location = _places(slot)[1]
    if is_there:
        return appointment
    day = location.day_of(slot.starts_at)
    found = clearance_of(appointment, now=now, on=day)
    if not found.cleared:
        if found.why in ("blocked", "not-suitable", "deferred"):
            raise NotAllowed(_("That day is not possible for this treatment. Please choose another, or call us."))
        if appointment.response_id is not None:
            asking = may_ask(appointment.response_id, treatment, area=area, on=day, now=now)
            if asking.allowed and (asking.earliest is None or asking.earliest > day):
                raise NotAllowed(when_possible(asking.earliest))
            if asking.is_no:
                raise NotAllowed(when_possible(None))
    _free_holds(slot, treatment, patient=appointment.patient, now=now)
    free = _check_free(
        treatment,
        slot,
        now=now,
        patient=appointment.patient,
        area=area,
        cleared=found.cleared,
        staff=by == By.STAFF,
        exclude=appointment,
    )
    _same_room(free, slot)
    notices.drop(appointment)
    was = appointment.status
    appointment = change(
        appointment,
        Status.BOOKED if found.cleared else Status.PENDING,
        now=now,
        **_times(treatment, slot.starts_at),
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        lane=0,
        overbooked_by=None,
        overbook_reason="",
        sequence=F("sequence") + 1,
        review_id=found.review_id if found.cleared else None,
        **({"answer_by": None, "form_due_by": None, "information_asked_at": None} if found.cleared else {}),
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
    day; what is not confirmed also later: it never took place) or "clinician" (`user` treats the patient, or decides on
    screenings; "not today"). reason: a code of Appointment.Reason; a patient's own needs none. Consequences: the time
    is free; it leaves the clinicians' worklist; messages that wait are taken back; one message before the start, with a
    calendar file that takes it out. See `undo`; of one that had arrived there is none. Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    if appointment.status == Status.PROPOSED and by == By.PATIENT:
        return _give_back(appointment, now=now)
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
    late = reason == Reason.PATIENT_ASKED and appointment.is_late(Clinic.get(), now=now)
    appointment = cancel_quietly(appointment, by=by, user=user, reason=reason, late=late, now=now)
    if appointment.starts_at > now:
        notices.cancelled(appointment, now=now)
    return appointment


def check_cancel(appointment: Appointment, *, by: str, user: User | None = None, now: datetime) -> None:
    """Raises NotAllowed where it cannot be cancelled now by the patient, the staff or a clinician."""
    _status_is(appointment, *Appointment.OPEN, Status.ARRIVED, Status.CHECKED_IN)
    if by == By.PATIENT:
        _status_is(appointment, *Appointment.OPEN)
        _not_begun(appointment, now=now)
    elif by == By.STAFF:
        _desk(user)
        _status_is(appointment, *Appointment.OPEN, Status.ARRIVED)
        if appointment.status != Status.PENDING and local_day(appointment, now) > appointment.day:
            raise NotAllowed(_("This day is over. Mark it as not come, or ask a manager to correct it."))
    elif by == By.CLINICIAN:
        if user is None or not user.has_perm("screening.decide"):
            _own_practitioner(appointment, user)
    else:
        raise ValueError("patient, staff or clinician")


@verb
def turn_into_consultation(
    appointment: Appointment, *, by: str, user: User | None = None, seen: str | None = None, now: datetime
) -> Appointment:
    """Makes a treatment that was asked for (or booked) a consultation at the same time, in one step: `booked`.

    by: "patient", "staff" (run_desk) or "clinician" (screening.decide). The same practitioner must give a consultation
    that fits into the kept time, else NotAllowed. Consequences: price of a consultation; off the clinicians' worklist;
    messages that wait are taken back; a message with the calendar file.
    """
    appointment = locked(appointment, seen=seen)
    check_talk(appointment, by=by, user=user, now=now)
    return make_consultation(appointment, now=now, by_patient=by == By.PATIENT)


def check_talk(appointment: Appointment, *, by: str, user: User | None = None, now: datetime) -> None:
    """Raises NotAllowed where it cannot become a consultation now; whether one fits is known when it is tried."""
    if by == By.STAFF:
        _desk(user)
    elif by == By.CLINICIAN:
        _may(user, "screening.decide", _("Only a clinician can do this."))
    elif by != By.PATIENT:
        raise ValueError("patient, staff or clinician")
    _status_is(appointment, *Appointment.OPEN)
    _not_begun(appointment, now=now)
    if not appointment.treatment.needs_screening:
        raise NotAllowed(_("This is not a treatment."))


def consultation_for(appointment: Appointment) -> Treatment | None:
    """The consultation that the same person gives and that fits into its time, or None."""
    consultations = Treatment.objects.offered().filter(
        kind=Treatment.Kind.CONSULTATION, practitioners=appointment.practitioner_id
    )
    for consultation in consultations.order_by("order", "name"):
        times = _times(consultation, appointment.starts_at)
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
        **_times(consultation, appointment.starts_at),
        **_price(consultation, appointment.day),
        review=None,
        answer_by=None,
        form_due_by=None,
        information_asked_at=None,
        sequence=F("sequence") + 1,
    )
    notices.booked(appointment, now=now, is_other=not by_patient)
    return appointment


# --- the day


@verb
def arrive(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """The patient is here: `booked` to `arrived`, on the same local day, by the front desk. Raises NotAllowed."""
    appointment = locked(appointment, seen=seen)
    _desk(by)
    _status_is(appointment, Status.BOOKED)
    if local_day(appointment, now) != appointment.local_date:
        raise NotAllowed(_("An arrival can only be recorded on the day of the visit."))
    return change(appointment, Status.ARRIVED, now=now)


@verb
def no_show(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """The patient did not come: from 15 minutes after the start, by the front desk. The time is free. NotAllowed."""
    appointment = locked(appointment, seen=seen)
    _desk(by)
    _status_is(appointment, Status.BOOKED)
    if now < appointment.starts_at + NO_SHOW_AFTER:
        raise NotAllowed(_("Please wait until 15 minutes after the start."))
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
    _status_is(appointment, Status.ARRIVED)
    if local_day(appointment, now) != appointment.local_date:
        raise NotAllowed(_("A visit can only begin on its day."))
    if not identity_confirmed:
        raise NotAllowed(_("Please make sure first that this is the right person."))
    record = {"identity_confirmed_at": now, "identity_confirmed_by": by, "agreed_at": None}
    if appointment.treatment.needs_screening:
        if not rechecked(appointment.whose, on=appointment.day):
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
    _status_is(appointment, Status.CHECKED_IN)
    return change(appointment, Status.FULFILLED, now=now)


@verb
def undo(appointment: Appointment, *, by: User, seen: str | None = None, now: datetime) -> Appointment:
    """Takes the last step back within 15 minutes: arrived, no-show, cancelled (front desk), fulfilled (practitioner).

    A time that was freed is taken again only while it is free (Taken, TooClose). A treatment whose clearance no longer
    holds comes back as `pending`; a no-show is then refused. History keeps both steps. Consequences of undoing a
    cancellation: the message about it is taken back; the patient is told that the visit stands unless they never heard
    otherwise: what told them of it has left, the cancellation has not, and it is not back as `pending` after `booked`.
    Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    check_undo(appointment, by=by, now=now)
    if appointment.status == Status.FULFILLED:
        return change(appointment, Status.CHECKED_IN, now=now)
    if appointment.status == Status.ARRIVED:
        return change(appointment, Status.BOOKED, now=now)
    slot = Slot.of(appointment)
    _free_holds(slot, appointment.treatment, patient=appointment.patient, now=now)
    _check_interval(appointment.treatment, appointment.patient, appointment.area, appointment.day, exclude=appointment)
    to, review_id = appointment.previous_status, appointment.review_id
    if to == Status.BOOKED and appointment.treatment.needs_screening:
        found = clearance_of(appointment, now=now)
        review_id = found.review_id if found.cleared else None
        to = Status.BOOKED if found.cleared else Status.PENDING
        if appointment.status == Status.NOSHOW and not found.cleared:
            raise NotAllowed(_("A clinician has to look at the answers first."))
    if appointment.status == Status.NOSHOW:
        return change(appointment, to, now=now, review_id=review_id)
    as_they_know = _never_heard(appointment, to)
    appointment = change(
        appointment,
        to,
        now=now,
        review_id=review_id,
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
        notices.booked(appointment, now=now)
    return appointment


def _never_heard(appointment: Appointment, to: str) -> bool:
    """Takes back what waits to be sent about a cancellation. Whether what the patient heard last is true of it again,
    with the status that it gets (`to`)."""
    unsaid = notices.drop(appointment, kinds=["cancelled"]) > 0
    told_nobody = appointment.status_changed_at >= appointment.starts_at  # see `cancel`
    return told_nobody or (unsaid and notices.has_left(appointment) and to == appointment.previous_status)


def check_undo(appointment: Appointment, *, by: User, now: datetime) -> None:
    """Raises NotAllowed where the last step cannot be taken back by somebody; a time may be taken by others besides."""
    _status_is(appointment, Status.ARRIVED, Status.NOSHOW, Status.CANCELLED, Status.FULFILLED)
    if now > appointment.status_changed_at + UNDO:
        raise NotAllowed(_("That is more than 15 minutes ago. It cannot be undone any more."))
    if appointment.status == Status.FULFILLED:
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
    a visit to come hears that it does not take place. Raises NotAllowed.
    """
    appointment = locked(appointment, seen=seen)
    _may(by, "booking.enter_in_error", _("Only a manager can do this."))
    reason = reason.strip()
    if not reason:
        raise NotAllowed(_("Please say why."))
    if appointment.status == Status.ENTERED_IN_ERROR:
        raise NotAllowed(_("This is marked as entered in error already."))
    told = appointment.status in Appointment.OPEN and appointment.starts_at > now
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
    return appointment
