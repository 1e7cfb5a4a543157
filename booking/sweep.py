"""What time does by itself: reminders, warnings, and the release of times that nobody confirmed."""

import functools
import logging
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
from booking.models import Appointment

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


def sweep(*, now: datetime) -> dict[str, int]:
    """Everything that only time brings about. The worker calls it again and again; each thing happens once.

    Frees forgotten holds; says sorry when a promised answer is late; warns clinicians and desk 24 h and 4 h before a
    visit that still waits; releases it 2 h before with an apology; reminds of a clinician's question after 2 days and
    releases the time after 5; reminds of a form and releases the time when it is overdue. Leaves alone what was put
    back on the day (`left_to_staff`). Every visit is a transaction of its own, so that one that cannot be handled stops
    no other. Returns how many of each.
    """
    done_what = ("holds", "late", "warned", "released", "reminded", "no_answer", "form_missing", "failed")
    counts = dict.fromkeys(done_what, 0)
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
                done = one(appointment, now=now)
            except Refusal:
                continue
            except Exception:  # one broken visit must not keep the others waiting; staff see the log and the visit
                log.exception("The sweep could not handle an appointment.")
                done = "failed"
            if done:
                counts[done] += 1
    return counts


@verb
def _sweep_hold(appointment: Appointment, *, now: datetime) -> str:
    hold = locked(appointment)
    forgotten = Appointment.objects.expired_holds(now=now - FORGOTTEN_HOLD).filter(pk=hold.pk)
    if not forgotten.exists():
        return ""  # somebody came back to it meanwhile
    return "holds" if give_up([hold.pk], now=now) else ""


@verb
def _sweep_one(appointment: Appointment, *, now: datetime) -> str:
    visit = locked(appointment)
    if visit.status != Status.PENDING or left_to_staff(visit):
        return ""
    asked = visit.information_asked_at
    if visit.form_due_by is not None:
        try:
            response_id = usable_answers(visit, now=now)
            decided = response_id is not None
        except NotAllowed:  # answered, and the rules say no: a clinician decides and tells
            request = ask_clinician(visit, now=now)
            response_id, decided = (request.response_id if request else None), True
        if decided:
            answer_by = answer_by_for(visit, now=now)
            visit = change(visit, now=now, response_id=response_id, form_due_by=None, answer_by=answer_by)
            ask_clinician(visit, now=now)
            notices.drop(visit, kinds=["form_due"])
    if visit.starts_at <= now + RELEASED_BEFORE:
        return _release(visit, asked=asked is not None, now=now)
    if asked is not None and asked <= now - RELEASE_AFTER:
        visit = cancel_quietly(visit, by=By.SYSTEM, reason=Reason.NO_ANSWER, now=now)
        notices.cancelled(visit, now=now)
        return "no_answer"
    if visit.form_due_by is not None and visit.form_due_by <= now:
        visit = cancel_quietly(visit, by=By.SYSTEM, reason=Reason.FORM_MISSING, now=now)
        notices.cancelled(visit, now=now)
        return "form_missing"
    done = ""
    if asked is not None and asked <= now - REMIND_AFTER:
        done = "reminded" if _is_new(notices.information_needed(visit, now=now, reminder=True), now) else ""
    if (
        visit.form_due_by is not None
        and visit.form_due_by - FORM_REMINDER <= now
        and visit.status_changed_at <= now - FORM_REMINDER / 2
        and _is_new(notices.form_due(visit, now=now, reminder=True), now)
    ):
        done = "reminded"
    if (
        asked is None
        and visit.form_due_by is None
        and visit.answer_by is not None
        and visit.answer_by <= now
        and _is_new(notices.promise_missed(visit, kept=True, now=now), now)
    ):
        done = "late"
    if visit.starts_at <= now + WARNINGS[0]:
        hours = 4 if visit.starts_at <= now + WARNINGS[1] else 24
        if any(_is_new(message, now) for message in notices.review_due(visit, hours=hours, now=now)):
            done = "warned"
    return done


def _is_new(message, now: datetime) -> bool:
    """Whether it was written now; the same event finds the message of the first time."""
    return message is not None and message.created_at == now


def _release(visit: Appointment, *, asked: bool, now: datetime) -> str:
    """Two hours before: nobody has said yes, so nobody should travel."""
    if asked:
        reason, tell, done = Reason.NO_ANSWER, notices.cancelled, "no_answer"
    elif visit.form_due_by is not None:
        reason, tell, done = Reason.FORM_MISSING, notices.cancelled, "form_missing"
    else:
        reason, tell, done = Reason.NOT_REVIEWED, functools.partial(notices.promise_missed, kept=False), "released"
    visit = cancel_quietly(visit, by=By.SYSTEM, reason=reason, now=now)
    tell(visit, now=now)
    return done
