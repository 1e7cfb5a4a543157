"""What time does by itself: reminders, warnings, and the release of times that nobody confirmed."""

import functools
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Q

from booking import notices
from booking.availability import RELEASED_BEFORE
from booking.changing import (
    NotAllowed,
    Refusal,
    answer_by_for,
    ask_clinician,
    cancel_quietly,
    change,
    give_up,
    left_to_staff,
    locked,
    usable_answers,
    verb,
)
from booking.models import Appointment, Closure
from booking.standing import can_stand

log = logging.getLogger(__name__)

Status = Appointment.Status
Reason = Appointment.Reason
By = Appointment.CancelledBy

# Holds that ran out stay confirmable; the sweep frees those that nobody came back to.
FORGOTTEN_HOLD = timedelta(hours=1)
WARNINGS = (timedelta(hours=24), timedelta(hours=4))
REMIND_AFTER = timedelta(days=2)
RELEASE_AFTER = timedelta(days=5)
FORM_REMINDER = timedelta(hours=24)
# Whoever was sent the form less than this ago, for a visit that is near, is not reminded of it yet.
FORM_IS_NEW = timedelta(hours=12)


def sweep(*, now: datetime) -> Counter[str]:
    """Everything that only time brings about. The worker calls it again and again; each thing happens once.

    Frees forgotten holds; says sorry when a promised answer is late, and tells lead clinician and desk, who are also
    warned 24 h and 4 h before a visit that still waits; releases it 2 h before with an apology; reminds of a
    clinician's question after 2 days and releases the time after 5; reminds of a form and releases the time when it is
    overdue; a time that we took away is released only 2 h before, as ours. Leaves alone what was put back on the day
    (`left_to_staff`). Every visit is a transaction of its own, so that one that cannot be handled stops no other.
    Returns how many of each: holds, late, warned, released, reminded, no_answer, form_missing, failed.
    """
    counts: Counter[str] = Counter()
    forgotten = Appointment.objects.expired_holds(now=now - FORGOTTEN_HOLD)
    waiting = Appointment.objects.filter(status=Status.PENDING).filter(
        Q(starts_at__lte=now + WARNINGS[0])
        | Q(information_asked_at__lte=now - REMIND_AFTER)
        | Q(form_due_by__isnull=False)
        | Q(answer_by__lte=now)
    )
    for one, appointments in ((_sweep_hold, forgotten), (_sweep_one, waiting)):
        for appointment in appointments.order_by("starts_at", "pk"):
            try:
                counts.update(one(appointment, now=now))
            except Refusal:
                continue
            except Exception:  # one broken visit must not keep the others waiting; staff see the log and the visit
                log.exception("The sweep could not handle an appointment.")
                counts["failed"] += 1
    return counts


@verb
def _sweep_hold(appointment: Appointment, *, now: datetime) -> list[str]:
    hold = locked(appointment)
    forgotten = Appointment.objects.expired_holds(now=now - FORGOTTEN_HOLD).filter(pk=hold.pk)
    if not forgotten.exists():
        return []  # somebody came back to it meanwhile
    return ["holds"] * give_up([hold.pk], now=now)


@verb
def _sweep_one(appointment: Appointment, *, now: datetime) -> list[str]:
    visit = locked(appointment)
    if visit.status != Status.PENDING or left_to_staff(visit):
        return []
    if visit.form_due_by is not None:
        visit = _form_came(visit, now=now)
    return _let_go(visit, now=now) or [*_remind(visit, now=now), *_warn(visit, now=now)]


def _form_came(visit: Appointment, *, now: datetime) -> Appointment:
    """The visit, with the clinicians where the form that it waits for has been filled in meanwhile."""
    try:
        response_id = usable_answers(visit, now=now)
        if response_id is None:
            return visit
    except NotAllowed:  # answered, and the rules say no: a clinician decides and tells
        request = ask_clinician(visit, now=now)
        response_id = request.response_id if request else None
    answer_by = answer_by_for(visit, now=now)
    visit = change(visit, now=now, response_id=response_id, form_due_by=None, answer_by=answer_by)
    ask_clinician(visit, now=now)
    notices.drop(visit, kinds=["form_due"])
    return visit


def _let_go(visit: Appointment, *, now: datetime) -> list[str]:
    """Releases the time of whoever never answered; two hours before, any: nobody has said yes, nobody should travel.

    A time that we took away is not lost for want of an answer: until then the desk looks for another.
    """
    is_near = visit.starts_at <= now + RELEASED_BEFORE
    asked, form_due_by = visit.information_asked_at, visit.form_due_by
    if not can_stand(visit):
        if not is_near:
            return []
        reason = Reason.CLINIC_CLOSED if _is_closed(visit) else Reason.PRACTITIONER_AWAY
        tell, done = notices.cancelled, "released"
    elif asked is not None and (is_near or asked <= now - RELEASE_AFTER):
        reason, tell, done = Reason.NO_ANSWER, notices.cancelled, "no_answer"
    elif form_due_by is not None and (is_near or form_due_by <= now):
        reason, tell, done = Reason.FORM_MISSING, notices.cancelled, "form_missing"
    elif is_near:
        reason, tell, done = Reason.NOT_REVIEWED, functools.partial(notices.promise_missed, kept=False), "released"
    else:
        return []
    visit = cancel_quietly(visit, by=By.SYSTEM, reason=reason, now=now)
    tell(visit, now=now)
    return [done]


def _is_closed(visit: Appointment) -> bool:
    """Whether its place is closed on its day."""
    closures = Closure.objects.filter(location=visit.room.location_id)
    return closures.filter(first_day__lte=visit.day, last_day__gte=visit.day).exists()


def _remind(visit: Appointment, *, now: datetime) -> Iterator[str]:
    """Tells the patient what they still owe us; or them, lead clinician and desk, that we are late with our answer."""
    asked, form_due_by = visit.information_asked_at, visit.form_due_by
    is_asked = asked is not None and asked <= now - REMIND_AFTER
    if is_asked and _is_new(notices.information_needed(visit, now=now, reminder=True), now):
        yield "reminded"
    is_due = form_due_by is not None and form_due_by - FORM_REMINDER <= now
    is_due = is_due and visit.status_changed_at <= now - FORM_IS_NEW
    if is_due and _is_new(notices.form_due(visit, now=now, reminder=True), now):
        yield "reminded"
    is_late = asked is None and form_due_by is None and visit.answer_by is not None and visit.answer_by <= now
    told = [notices.promise_missed(visit, kept=True, now=now), *notices.answer_late(visit, now=now)] if is_late else []
    if any(_is_new(message, now) for message in told):
        yield "late"


def _warn(visit: Appointment, *, now: datetime) -> Iterator[str]:
    """Tells lead clinician and desk, twice, that a visit is near and nobody has decided."""
    if visit.starts_at <= now + WARNINGS[0]:
        hours = 4 if visit.starts_at <= now + WARNINGS[1] else 24
        if any(_is_new(message, now) for message in notices.review_due(visit, hours=hours, now=now)):
            yield "warned"


def _is_new(message, now: datetime) -> bool:
    """Whether it was written now; the same event finds the message of the first time, also of this very instant."""
    return message is not None and message.created_at == now
