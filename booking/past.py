"""What happened with a visit, and what was written about it that is no longer true."""

from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _

from booking.appointments import is_not_today
from booking.models import Appointment
from booking.notices import local_text
from booking.standing import can_stand
from clinic.models import User
from outbox.models import Message

Status = Appointment.Status

# What says that the time stands, or is kept: where nobody is there then, the patient would travel for nothing.
KEEP_THE_TIME = ("asked_for", "booked", "moved", "back_to_pending", "promise_missed")


def why_untrue(message: Message, *, about: Appointment | None = None, now: datetime) -> str:
    """Why a message does not tell how its visit stands now, in a sentence for staff; empty when it does, or is about
    no visit. A visit can change without a word to the patient: on its day, when they are here, staff tell them."""
    key = message.subject_uuid
    visit = about or (Appointment.objects.filter(uuid=key).first() if key is not None else None)
    if visit is None:
        return ""
    if visit.starts_at <= now:
        return _("The time of the visit has come, so the message is not sent again.")
    waits, is_booked = visit.status == Status.PENDING, visit.status == Status.BOOKED
    is_freed = visit.status in (Status.CANCELLED, Status.ENTERED_IN_ERROR)
    is_hit = (waits or is_booked) and not can_stand(visit)
    if is_hit and message.kind in KEEP_THE_TIME:
        return _("It is no longer true, so it is not sent again: the visit has to be moved, nobody is there then.")
    is_true = {
        "asked_for": waits and visit.answer_by is not None and visit.answer_by > now,
        "booked": is_booked,
        "moved": is_booked if message.calendar else waits,  # the file is for what is confirmed
        "back_to_pending": waits,
        "other_time": is_hit,
        "form_due": waits and visit.form_due_by is not None,
        "information_needed": waits and visit.information_asked_at is not None,
        "promise_missed": is_freed if message.calendar else waits,  # the file takes out what was let go
        "review_due": waits,
        "cancelled": is_freed,
        "not_possible": is_freed,
    }
    if not is_true.get(message.kind, True):
        return _("It is no longer true, so it is not sent again: the visit is “%(status)s” now.") % {
            "status": visit.get_status_display()
        }
    return ""


@dataclass(frozen=True)
class Event:
    """One change of an appointment: when (an instant), who, and what in words."""

    at: datetime
    who: str
    what: list[str]


def history(visit: Appointment) -> list[Event]:
    """Everything that happened with a visit, newest first, from the event table. Three queries."""
    rows = list(
        visit.events.select_related("pgh_context", "practitioner", "room__location", "treatment").order_by("pgh_id")
    )
    ids = {(row.pgh_context.metadata or {}).get("user") for row in rows if row.pgh_context_id}
    people = User.objects.in_bulk([pk for pk in ids if pk])
    events: list[Event] = []
    before = None
    for row in rows:
        what = _what_changed(before, row)
        before = row
        if not what:
            continue
        user = people.get((row.pgh_context.metadata or {}).get("user")) if row.pgh_context_id else None
        if user is None:
            who = _("the system")
        elif visit.patient and visit.patient.user_id == user.pk:
            who = _("the patient")
        else:
            who = str(user)
        events.append(Event(row.pgh_created_at, who, what))
    return events[::-1]


def _what_changed(before, row) -> list[str]:
    when = local_text(row.starts_at, row.room.location)
    what = []
    if before is None or before.status != row.status:
        words = row.get_status_display()
        if row.status == Status.CANCELLED and row.cancel_reason:
            words = _("%(status)s: %(reason)s") % {
                "status": words,
                "reason": _("not treated on that day") if is_not_today(row) else row.get_cancel_reason_display(),
            }
            if row.cancelled_late:
                words = _("%(words)s (late)") % {"words": words}
        if row.status == Status.ENTERED_IN_ERROR:
            words = _("%(status)s: %(reason)s") % {"status": words, "reason": row.entered_in_error_reason}
        what.append(words)
    if before is None:
        what.append(when)
    elif (before.starts_at, before.room_id) != (row.starts_at, row.room_id):
        what.append(_("now %(when)s, %(room)s") % {"when": when, "room": row.room.name})
    if before is not None and before.practitioner_id != row.practitioner_id:
        what.append(_("now with %(name)s") % {"name": row.practitioner})
    if before is not None and before.treatment_id != row.treatment_id:
        what.append(_("now %(treatment)s") % {"treatment": row.treatment})
    if row.overbook_reason and (before is None or before.overbook_reason != row.overbook_reason):
        what.append(_("overbooked: %(reason)s") % {"reason": row.overbook_reason})
    if row.identity_confirmed_at and (before is None or before.identity_confirmed_at != row.identity_confirmed_at):
        what.append(_("the right person, confirmed"))
        if row.agreed_at:
            what.append(_("agreed to the treatment"))
    return what
