"""What it takes to place a visit: the slot as it is free now, its times and its price, and who may have it.

What a time is held with (`booking.holding`) and a visit is booked and moved with (`booking.appointments`). Called with
the locks held, but for `with_a_room` and `alternatives_to`, which stand around the verb.
"""

import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _

from booking import availability
from booking.availability import Slot
from booking.changing import NotAllowed, Refusal, Taken, TalkFirst, TooClose, give_up, when_possible
from booking.models import Appointment
from clinic.ages import is_adult
from clinic.models import Clinic, Location, Patient, Practitioner, Treatment
from screening.clearance import consultation_counts_until, may_ask

Status = Appointment.Status


def made_before(request_key: uuid.UUID, slot: Slot) -> tuple[uuid.UUID, Appointment | None]:
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
    return made_before(uuid.uuid5(request_key, f"{slot.starts_at.timestamp():.0f} {slot.practitioner_id}"), slot)


def places_of(slot: Slot) -> tuple[Practitioner, Location]:
    """Who gives it, and where. Raises Taken where one of them has been switched off."""
    practitioner = Practitioner.objects.filter(pk=slot.practitioner_id, is_active=True).first()
    location = Location.objects.filter(pk=slot.location_id, is_active=True).first()
    if practitioner is None or location is None:
        raise Taken()
    return practitioner, location


def times_of(treatment: Treatment, starts_at: datetime) -> dict[str, datetime]:
    ends_at = starts_at + timedelta(minutes=treatment.duration_minutes)
    return {
        "starts_at": starts_at,
        "ends_at": ends_at,
        "busy_until": ends_at + timedelta(minutes=treatment.buffer_minutes),
    }


def price_of(treatment: Treatment, day: date) -> dict[str, Any]:
    price, clinic = treatment.price_on(day), Clinic.get()
    if price is None:
        return {"price": None, "currency": ""}
    return {"price": price.amount, "currency": clinic.currency if clinic else ""}


def overbooks(treatment: Treatment, slot: Slot, *, now: datetime) -> bool:
    """See `overbooked`."""
    return bool(overbooked(treatment, [slot], now=now))


def overbooked(treatment: Treatment, slots: list[Slot], *, now: datetime) -> set[str]:
    """The keys of those slots when the practitioner's own lane (0) is taken; only there somebody is overbooked. One
    query."""
    ends = {slot.key: times_of(treatment, slot.starts_at)["busy_until"] for slot in slots}
    if not slots:
        return set()
    taken = list(
        Appointment.objects.in_the_way(now=now)
        .overlapping(min(slot.starts_at for slot in slots), max(ends.values()))
        .filter(lane=0, practitioner__in={slot.practitioner_id for slot in slots})
        .values_list("practitioner", "starts_at", "busy_until")
    )
    return {
        slot.key
        for slot in slots
        for who, since, until in taken
        if who == slot.practitioner_id and since < ends[slot.key] and until > slot.starts_at
    }


def check_area(treatment: Treatment, area) -> None:
    if not treatment.is_active:
        raise NotAllowed(_("This is not offered any more."))
    if not treatment.needs_screening:
        return
    if area is None or not treatment.areas.filter(pk=area.pk).exists():
        raise NotAllowed(_("Please choose an area that this treatment is for."))


def check_adult(birth_date: date, location: Location, *, now: datetime) -> None:
    """Nobody under 18 on today's local day is treated."""
    if not is_adult(birth_date, location.day_of(now)):
        raise NotAllowed(_("We treat people from the age of 18. Please call us if you have questions."))


def check_consultation_first(treatment: Treatment, patient: Patient, *, on: date, now: datetime) -> None:
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


def check_answers(response_id: int | None, treatment: Treatment, *, area, on: date, now: datetime) -> None:
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


def check_interval(treatment: Treatment, patient, area, day: date, *, exclude: Appointment | None = None) -> None:
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


class _AnotherRoom(Exception):
    """The time is free, in a room whose lock is not held yet."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot


def with_a_room(place: Callable[[Slot], Appointment], slot: Slot) -> Appointment:
    """Calls `place` with the slot, and again with another room of that place when only that one is free."""
    for _attempt in range(6):
        try:
            return place(slot)
        except _AnotherRoom as other:
            slot = other.slot
    raise Taken()


def check_free(
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
) -> None:
    """Raises Taken, TooClose unless the slot is free now; in another room, `with_a_room` tries that one."""
    practitioner, location = places_of(slot)
    day = location.day_of(slot.starts_at)
    check_interval(treatment, patient, area, day, exclude=exclude)
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
    if same[0].room_id != slot.room_id:
        raise _AnotherRoom(same[0])


def alternatives_to(treatment: Treatment, slot: Slot, *, now: datetime, **wanted) -> list[Slot]:
    """Up to six free times near the one that was wanted, whoever is free."""
    first = max(slot.starts_at.date() - timedelta(days=3), now.date() - timedelta(days=1))
    try:
        free = availability.free_slots(treatment, first=first, days=14, now=now, **wanted)
    except Refusal:
        return []
    near = sorted(free, key=lambda other: (abs(other.starts_at - slot.starts_at), other))
    return sorted(near[:6])


def give_up_holds(slot: Slot, treatment: Treatment, *, patient=None, keep: Appointment | None = None, now: datetime):
    """Frees the expired holds in the way, and every other hold of this patient: one person keeps one time."""
    times = times_of(treatment, slot.starts_at)
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
