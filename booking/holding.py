"""A time is kept, and becomes an appointment: verbs as `booking.changing` says of all of them."""

import uuid
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from booking import availability, notices
from booking.availability import RELEASED_BEFORE, Slot
from booking.changing import (
    NotAllowed,
    Taken,
    TooClose,
    ask_clinician,
    change,
    check_status,
    clearance_of,
    constraint_of,
    lock,
    locked,
    verb,
)
from booking.models import Appointment, HoldDetails
from booking.placing import (
    alternatives_to,
    check_adult,
    check_answers,
    check_area,
    check_consultation_first,
    check_free,
    check_interval,
    give_up_holds,
    made_before,
    places_of,
    price_of,
    times_of,
    with_a_room,
)
from booking.standing import can_stand
from clinic.models import Clinic, Patient, Treatment, User
from clinic.names import may_be_one_person, same_name
from screening.clearance import adopt_response, clearance_for

Status = Appointment.Status

EXTENSION = timedelta(minutes=5)
EXTENSIONS = 10
WHO_IS_THIS = gettext_lazy(
    "We know this e-mail address with another name or date of birth. We keep your time. If you have been here before, "
    "please write both as you did then. If not, please call us, or use another e-mail address."
)


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
            return with_a_room(keep, slot)
        except IntegrityError as error:
            if "request_key" not in constraint_of(error):
                raise
            return with_a_room(keep, slot)  # the other press of the same form has been written meanwhile
    except Taken as taken:
        taken.alternatives = alternatives_to(treatment, slot, now=now, patient=patient, area=area)
        raise


@verb
def _hold(*, treatment, slot, area, request_key, now, response_id, patient) -> Appointment:
    lock(
        practitioners=[slot.practitioner_id],
        rooms=[slot.room_id],
        patients=[patient.pk if patient is not None else None],
    )
    request_key, before = made_before(request_key, slot)
    if before is not None:
        return before
    check_area(treatment, area)
    area = area if treatment.needs_screening else None
    location = places_of(slot)[1]
    day = location.day_of(slot.starts_at)
    if patient is not None:
        check_adult(patient.birth_date, location, now=now)
        check_consultation_first(treatment, patient, on=day, now=now)
    cleared = not treatment.needs_screening
    if treatment.needs_screening:
        cleared = patient is not None and clearance_for(patient, treatment, area=area, on=day, now=now).cleared
        if not cleared:
            check_answers(response_id, treatment, area=area, on=day, now=now)
    give_up_holds(slot, treatment, patient=patient, now=now)
    check_free(treatment, slot, now=now, patient=patient, area=area, cleared=cleared)
    clinic = Clinic.get()
    made = Appointment.objects.create(
        request_key=request_key,
        patient=patient,
        treatment=treatment,
        area=area,
        practitioner_id=slot.practitioner_id,
        room_id=slot.room_id,
        **times_of(treatment, slot.starts_at),
        status=Status.PROPOSED,
        status_changed_at=now,
        hold_expires_at=now + timedelta(minutes=clinic.hold_minutes if clinic else 10),
        answer_by=None if cleared else availability.promise(now=now, location=location),
        response_id=response_id if treatment.needs_screening else None,
        **price_of(treatment, day),
        created_at=now,
    )
    return Appointment.objects.with_names().get(pk=made.pk)


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
        if made_before(request_key, slot)[1] != kept:
            with suppress(NotAllowed):  # it has ended already
                release(kept, now=now)
    return hold(slot=slot, patient=patient, request_key=request_key, now=now, **wanted)


@verb
def extend(appointment: Appointment, *, now: datetime) -> Appointment:
    """ "I need more time": five minutes more, up to ten times. Also a hold that ran out, as long as nobody took it.

    Raises Taken when it is no longer kept, or nobody is there then any more; NotAllowed the eleventh time.
    """
    appointment = locked(appointment)
    if appointment.status != Status.PROPOSED or not can_stand(appointment):
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
    check_status(appointment, Status.PROPOSED)
    return give_back(appointment, now=now)


def give_back(appointment: Appointment, *, now: datetime) -> Appointment:
    """As `release`, of a hold whose locks are held."""
    HoldDetails.objects.filter(appointment=appointment).delete()
    return change(
        appointment,
        Status.CANCELLED,
        now=now,
        cancelled_at=now,
        cancelled_by=Appointment.CancelledBy.PATIENT,
        cancel_reason=Appointment.Reason.PATIENT_ASKED,
    )


@verb
def take_details(
    appointment: Appointment, *, name: str, phone: str, email: str, birth_date: date, now: datetime
) -> HoldDetails:
    """Keeps who holds the time until they have proven the address. Raises Taken; NotAllowed under 18."""
    appointment = locked(appointment)
    if appointment.status != Status.PROPOSED:
        raise Taken()
    check_adult(birth_date, appointment.room.location, now=now)
    details, _made = HoldDetails.objects.update_or_create(
        appointment=appointment,
        defaults={"name": name.strip(), "phone": phone, "email": email.strip().lower(), "birth_date": birth_date},
    )
    return details


class AnotherPerson(NotAllowed):
    """Name or birth date are not those of the record with this e-mail address."""

    def __init__(self) -> None:
        super().__init__(str(WHO_IS_THIS))


def is_another_person(known: Patient, details) -> bool:
    """Whether `details`, typed by somebody who has proven the address of a record, are of somebody else: two people
    share the address."""
    return known.birth_date != details.birth_date or not may_be_one_person(known.name, details.name)


@verb
def patient_for(user: User, details) -> Patient:
    """The patient somebody is, who has proven `user.email`; `details` has name, phone, email and birth_date.

    Their own record when e-mail and birth date agree; a record made at the desk with both is linked to the login; else
    a new one is made. A shared e-mail address never merges two people, twins neither (`may_be_one_person`). Their
    record keeps the phone of `details`, the newest word on where they can be reached. Raises AnotherPerson when birth
    date or name are not those we know, or when more than one record would fit: a person has to look who this is.
    """
    if details.email.strip().lower() != user.email.lower():
        raise NotAllowed(_("Please prove the e-mail address you gave."))
    user = User.objects.select_for_update().get(pk=user.pk)  # two tabs make one patient
    known = Patient.objects.filter(user=user).first()
    if known is not None:
        if is_another_person(known, details):
            raise AnotherPerson
        known.phone = details.phone
        known.save(update_fields=["phone"])
        return known
    fitting = list(
        Patient.objects.select_for_update(no_key=True)
        .filter(user=None, email__iexact=user.email, birth_date=details.birth_date)
        .order_by("pk")
    )
    if len(fitting) > 1:
        fitting = [patient for patient in fitting if same_name(patient.name, details.name)]
        if len(fitting) != 1:
            raise AnotherPerson
    if fitting:
        if is_another_person(fitting[0], details):
            raise AnotherPerson
        if Patient.objects.filter(pk=fitting[0].pk, user=None).update(user=user, phone=details.phone) != 1:
            raise AnotherPerson
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
    nobody took it and somebody is still there then. Consequences: the anonymous answers become the patient's (and may
    put other visits back to pending); the typed details are deleted; a message with, when booked, the calendar file.
    Raises Taken, TooClose, NotAllowed; screening.clearance.BirthDateDiffers, AnswersOfAnother from the answers.
    """
    try:
        return _confirm(appointment, patient=patient, now=now)
    except (Taken, TooClose) as refusal:
        if isinstance(refusal, TooClose) and refusal.first_day_possible is None:
            check_interval(appointment.treatment, patient, appointment.area, appointment.day, exclude=appointment)
        if isinstance(refusal, Taken):
            refusal.alternatives = alternatives_to(
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
    if appointment.status != Status.PROPOSED or appointment.starts_at <= now or not can_stand(appointment):
        raise Taken()
    treatment, area = appointment.treatment, appointment.area
    check_adult(patient.birth_date, appointment.room.location, now=now)
    check_consultation_first(treatment, patient, on=appointment.day, now=now)
    slot = Slot.of(appointment)
    give_up_holds(slot, treatment, patient=patient, keep=appointment, now=now)
    check_interval(treatment, patient, area, appointment.day, exclude=appointment)
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
    check_answers(appointment.response_id, treatment, area=area, on=appointment.day, now=now)
    answer_by = appointment.answer_by or availability.promise(now=now, location=appointment.room.location)
    if appointment.starts_at < answer_by + RELEASED_BEFORE:
        raise NotAllowed(_("We need more time to look at your answers. Please choose a later time."))
    appointment = change(appointment, Status.PENDING, now=now, patient=patient, answer_by=answer_by)
    ask_clinician(appointment, now=now, response_id=appointment.response_id)
    notices.asked_for(appointment, now=now)
    return appointment
