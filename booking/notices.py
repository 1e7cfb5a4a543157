"""What is written about appointments, to patients and, of answers that are due, to the lead clinician and the desk.

One function a message. Neutral: when and where, never what or why.

Each writes one outbox row in the transaction of what it tells of, under a key that names the event, so that the same
event is told once. Somebody without an e-mail address gets none: the front desk rings them.
"""

from datetime import datetime

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

from booking import ics, links
from booking.availability import RELEASED_BEFORE
from booking.models import Appointment
from booking.standing import can_stand
from clinic.models import Clinic, Location
from clinic.zones import zone_beside
from outbox import messages
from outbox.models import Message


def local_text(moment: datetime, location) -> str:
    """An instant as the patient says it there: "Thursday 4 March 2027, 10:30"."""
    local = moment.astimezone(location.zone)
    return _("%(weekday_and_day)s, %(time)s") % {
        "weekday_and_day": formats.date_format(local.date(), "l j F Y"),
        "time": f"{local:%H:%M}",
    }


def _queue(
    kind: str,
    event: str,
    appointment: Appointment,
    *,
    now: datetime,
    purpose: str = links.SEE,
    calendar: str = "",
    **context,
) -> Message | None:
    patient = appointment.patient
    if patient is None or not patient.email:
        return None
    place = appointment.room.location
    when = local_text(appointment.starts_at, place)
    where = [place.name, *place.address.splitlines(), str(place.phone)]
    return messages.queue(
        kind,
        key=f"{event}:{appointment.uuid}",
        to=patient.email,
        context={
            "when": when if "where" in messages.KINDS[kind] else f"{when}, {place.name}",
            "where": "\n".join(line.strip() for line in where if line.strip()),
            "link": settings.PUBLIC_URL + links.make_link(appointment, purpose, now),
            "phone": str(place.phone),
            "out_of_hours": place.out_of_hours,
            **context,
        },
        now=now,
        patient=patient,
        subject_uuid=appointment.uuid,
        calendar=calendar,
    )


def _answer_by(appointment: Appointment) -> str:
    if appointment.answer_by is None or appointment.information_asked_at is not None:
        return ""  # while we wait for them, we promise nothing
    return _by(appointment.answer_by, appointment.room.location)


def is_let_go_then(appointment: Appointment) -> bool:
    """Whether the time is released at the moment by which we promise an answer: `changing.answer_by_for` cut it."""
    if appointment.answer_by is None or appointment.information_asked_at is not None:
        return False
    return appointment.answer_by >= appointment.starts_at - RELEASED_BEFORE


def _by(moment: datetime, place: Location) -> str:
    """Until when, with whose clock it is: the place that the message names may be in another zone than its reader."""
    return local_text(moment, place) + zone_beside(place)


def other_time(appointment: Appointment, *, now: datetime) -> Message | None:
    """Nobody is there at its time any more: we have to find another, whatever it waits for; without a calendar file.

    The front desk has it among the times to be moved. What says that a time is kept or confirmed becomes this one.
    Nothing is written where it is what they heard last of this time: that is returned.
    """
    event = f"other-time:{appointment.sequence}:"  # every new time is another number
    told = Message.objects.told().filter(subject_uuid=appointment.uuid, patient=appointment.patient)
    newest = told.order_by("pk").last()
    if newest is not None and newest.key.startswith(event):
        return newest
    return _queue(
        "other_time",
        event + _event_number(appointment),
        appointment,
        now=now,
        rings=bool(appointment.whose.phone),
    )


def asked_for(appointment: Appointment, *, now: datetime) -> Message | None:
    """It waits for a clinician; with the day and time by which we answer, or to call first where that is too near."""
    if not can_stand(appointment):
        return other_time(appointment, now=now)
    return _queue(
        "asked_for",
        f"asked-for:{appointment.sequence}:{_event_number(appointment)}",
        appointment,
        now=now,
        answer_by=_answer_by(appointment),
        let_go=is_let_go_then(appointment),
    )


def booked(appointment: Appointment, *, now: datetime, is_other: bool = False) -> Message | None:
    """It is confirmed; with the calendar file. is_other: not what was asked for, which is read after signing in."""
    return _queue(
        "booked",
        f"booked:{appointment.sequence}:{_event_number(appointment)}",
        appointment,
        now=now,
        is_other=is_other,
        calendar=ics.calendar_file(appointment, method=ics.PUBLISH, now=now),
    )


def booked_or_other_time(appointment: Appointment, *, now: datetime, is_other: bool = False) -> Message | None:
    """As `booked`, of a visit that had its time before: where nobody is there then any more, `other_time`."""
    if can_stand(appointment):
        return booked(appointment, now=now, is_other=is_other)
    return other_time(appointment, now=now)


def moved(appointment: Appointment, *, now: datetime) -> Message | None:
    """It has another time; with the calendar file where it is confirmed, else with what it waits for.

    Whoever was sent a calendar file before gets one in any case: theirs would keep the old time as confirmed.
    """
    is_booked = appointment.status == Appointment.Status.BOOKED
    with_file = is_booked or Message.objects.told().filter(subject_uuid=appointment.uuid).exclude(calendar="").exists()
    return _queue(
        "moved",
        f"moved:{appointment.sequence}",
        appointment,
        now=now,
        is_waiting=not is_booked,
        needs_answer=appointment.form_due_by is not None or appointment.information_asked_at is not None,
        answer_by="" if is_booked else _answer_by(appointment),
        let_go=is_let_go_then(appointment),
        calendar=ics.calendar_file(appointment, method=ics.PUBLISH, now=now) if with_file else "",
    )


def cancelled(appointment: Appointment, *, now: datetime) -> Message | None:
    """It does not take place; with a calendar file that takes it out."""
    return _queue(
        "cancelled",
        f"cancelled:{appointment.sequence}",
        appointment,
        now=now,
        calendar=ics.calendar_file(appointment, method=ics.CANCEL, now=now),
    )


def not_possible(appointment: Appointment, *, now: datetime) -> Message | None:
    """A clinician decided against it; why can be read after signing in. Takes it out of the calendar as well."""
    return _queue(
        "not_possible",
        f"not-possible:{appointment.sequence}",
        appointment,
        now=now,
        purpose=links.READ,
        calendar=ics.calendar_file(appointment, method=ics.CANCEL, now=now),
    )


def information_needed(appointment: Appointment, *, now: datetime, reminder: bool = False) -> Message | None:
    """A clinician has a question, or reminds of it. The question is on the page, after signing in.

    Once for a question and the time it is about: after a move, or a cancellation taken back, it is asked anew.
    """
    if appointment.information_asked_at is None:
        return None  # nobody asks anything
    asked = int(appointment.information_asked_at.timestamp())
    # Of a question one reminder is enough, wherever the visit goes.
    event = f"information-reminder:{asked}" if reminder else f"information-needed:{asked}:{appointment.sequence}"
    return _queue("information_needed", event, appointment, now=now, purpose=links.INFORMATION)


def promise_missed(appointment: Appointment, *, kept: bool, now: datetime) -> Message | None:
    """We did not answer in time: with `kept` the time stays theirs and we still owe an answer; else we let it go."""
    if kept and not can_stand(appointment):
        return other_time(appointment, now=now)
    answer_by = int(appointment.answer_by.timestamp()) if appointment.answer_by else 0
    return _queue(
        "promise_missed",
        f"promise-late:{answer_by}" if kept else f"promise-missed:{appointment.sequence}",
        appointment,
        now=now,
        calendar="" if kept else ics.calendar_file(appointment, method=ics.CANCEL, now=now),
        kept=kept,
    )


def back_to_pending(appointment: Appointment, *, call_first: bool = False, now: datetime) -> Message | None:
    """What was confirmed waits for a clinician again. The time is kept.

    call_first: it is so near that nothing is promised; they call before they travel.
    """
    if not can_stand(appointment):
        return other_time(appointment, now=now)
    return _queue(
        "back_to_pending",
        f"back-to-pending:{_event_number(appointment)}",
        appointment,
        now=now,
        answer_by=_answer_by(appointment),
        let_go=is_let_go_then(appointment),
        call_first=call_first,
        is_read=appointment.form_due_by is None,
    )


def form_due(appointment: Appointment, *, now: datetime, reminder: bool = False, again: bool = False) -> Message | None:
    """There is a form to fill in before the visit, by a day and time. `again`: somebody asks for the link now.

    Once for a day and time, as `information_needed`, and once more after the visit was confirmed and put back.
    """
    if appointment.form_due_by is None:
        return None  # no form is due
    due = int(appointment.form_due_by.timestamp())
    event = f"form-overdue:{due}" if reminder else f"form-due:{due}:{appointment.sequence}"
    event += f":{_event_number(appointment)}"  # one that was answered may be due again by the same time
    return _queue(
        "form_due",
        f"{event}:{int(now.timestamp())}" if again else event,
        appointment,
        now=now,
        purpose=links.FORM,
        form_due_by="" if reminder else _by(appointment.form_due_by, appointment.room.location),
    )


def review_due(appointment: Appointment, *, hours: int | None, now: datetime) -> list[Message]:
    """Tells the lead clinician and the desk that a visit is less than `hours` away and nobody has decided. No names.

    hours: None for one that was put back so late that only they bring it to an end.
    """
    number = appointment.sequence if hours else _event_number(appointment)
    return _to_staff(appointment, f"review-due:{hours or 'now'}", str(number), now=now, is_released=hours is not None)


def answer_late(appointment: Appointment, *, now: datetime) -> list[Message]:
    """Tells the same people, once for each promise, that the answer is late; the visit may still be days away."""
    if appointment.answer_by is None:
        return []  # nothing was promised
    promise = str(int(appointment.answer_by.timestamp()))
    return _to_staff(appointment, "review-due:late", promise, now=now, is_released=True, is_late=True)


def _to_staff(appointment: Appointment, event: str, number: str, *, now: datetime, **context) -> list[Message]:
    clinic = Clinic.get()
    if clinic is None:
        return []
    lead = clinic.lead_clinician
    addresses = {
        "clinician": lead.email if lead is not None and lead.is_active else "",
        "desk": clinic.email,
    }
    return [
        messages.queue(
            "review_due",
            key=f"{event}:{who}:{number}:{appointment.uuid}",
            to=address,
            context={
                "when": local_text(appointment.starts_at, appointment.room.location),
                "reference": appointment.reference,
                "link": settings.PUBLIC_URL + "/admin/",
                **context,
            },
            now=now,
            subject_uuid=appointment.uuid,
        )
        for who, address in addresses.items()
        if address
    ]


def drop(appointment: Appointment, *, kinds: list[str] | None = None) -> int:
    """Takes back what waits to be sent about it: it is no longer true."""
    return messages.drop(appointment.uuid, kinds=kinds)


def has_left(appointment: Appointment) -> bool:
    """Whether the patient knows how it stood last: the newest message to them was not taken back before it left.

    A cancellation that was taken back never was, so it does not count.
    """
    written = Message.objects.filter(subject_uuid=appointment.uuid, patient__isnull=False)
    newest = written.exclude(kind="cancelled", state=Message.State.DROPPED).order_by("pk").last()
    return newest is not None and (newest.state != Message.State.DROPPED or newest.claimed_at is not None)


def _event_number(appointment: Appointment) -> str:
    # A visit may be confirmed, put back and confirmed again without moving: each change is an event of its own.
    return f"{appointment.status_changed_at.timestamp():.6f}"
