"""Writing messages: one row per event, in the transaction of what it tells of. The worker sends them.

Bodies are neutral: who reads over a patient's shoulder learns that there is an appointment, and nothing about health.
"""

import uuid
from collections.abc import Callable
from datetime import datetime

from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.template import Context, Engine
from django.template.loader import get_template
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from clinic.models import Clinic, Location, Patient, User
from outbox.models import Message, is_unclear

# What opens an account is not kept once it is out, and never sent a second time.
SECRETS = ("code", "password_link")
# What each kind cannot be written without. A kind that is not here does not exist.
KINDS: dict[str, frozenset[str]] = {
    "code": frozenset({"code"}),
    "password_link": frozenset({"link"}),
    "asked_for": frozenset({"when", "where", "link", "answer_by"}),
    "booked": frozenset({"when", "where", "link"}),
    "not_possible": frozenset({"when", "link"}),
    "information_needed": frozenset({"when", "link"}),
    "moved": frozenset({"when", "where", "link"}),
    "cancelled": frozenset({"when", "link"}),
    "promise_missed": frozenset({"when", "link"}),
    "back_to_pending": frozenset({"when", "where", "link"}),
    "other_time": frozenset({"when", "where", "link"}),
    "form_due": frozenset({"when", "link"}),
    "review_due": frozenset({"when", "link"}),  # to staff
}


# What staff call them.
NAMES = {
    "code": _lazy("code to sign in"),
    "password_link": _lazy("link to choose a password"),
    "asked_for": _lazy("asked for a time"),
    "booked": _lazy("confirmed"),
    "not_possible": _lazy("not possible"),
    "information_needed": _lazy("question from a clinician"),
    "moved": _lazy("moved"),
    "cancelled": _lazy("cancelled"),
    "promise_missed": _lazy("not answered in time"),
    "back_to_pending": _lazy("waits for a new answer"),
    "other_time": _lazy("another time is needed"),
    "form_due": _lazy("form to fill in"),
    "review_due": _lazy("to a clinician: answers wait"),
}


class CannotResend(Exception):
    """This message must not go out again; the text says why, in a sentence for staff."""


def one_line(text: str) -> str:
    """`text` on one line: a line break in a header would begin another header."""
    return " ".join(str(text).split())


def render(kind: str, context: dict) -> tuple[str, str, str]:
    """(subject, text, html) of a kind. Phone, closed hours and sender are the clinic's unless `context` has them.

    Raises:
        LookupError: the kind does not exist, or its words need something that `context` lacks.
    """
    missing = KINDS[kind] - context.keys()
    if missing:
        raise LookupError(f"A message {kind} needs {', '.join(sorted(missing))}.")
    clinic = Clinic.get()
    place = Location.objects.filter(is_active=True).first()
    words = {
        "sender": one_line(clinic.sender_name or clinic.name) if clinic else "",
        "phone": (clinic and clinic.phone) or (place and place.phone) or "",
        "out_of_hours": place.out_of_hours if place else "",
        **context,
    }
    # Plain text must not be escaped (an address with an apostrophe), HTML must be.
    plain = Context(words, autoescape=False)
    engine = Engine.get_default()
    subject = one_line(engine.get_template(f"outbox/{kind}.subject.txt").render(plain))[:150]
    text = engine.get_template(f"outbox/{kind}.txt").render(plain).strip() + "\n"
    return subject, text, get_template(f"outbox/{kind}.html").render(words).strip() + "\n"


def queue(
    kind: str,
    *,
    key: str,
    to: str,
    context: dict,
    now: datetime,
    patient: Patient | None = None,
    subject_uuid: uuid.UUID | None = None,
    calendar: str = "",
    due_at: datetime | None = None,
) -> Message:
    """Writes one message for the worker. The same key twice returns the row that is there, whatever else was given.

    Args:
        kind: one of KINDS. key: the event, such as `booked:<appointment>:<sequence>`.
        to: one e-mail address.
        context: strings in the patient's words: `when` (weekday, day, month's name, time, in the time zone of the
            place), `where` (lines of name, address and phone), `link` (absolute), `answer_by`, `out_of_hours`.
        now, due_at: aware; `due_at` is when it may go out, `now` unless given.
        subject_uuid: what it is about (an appointment), so that `drop` finds it.
        calendar: an iCalendar file that goes with it.

    Raises:
        LookupError: no such kind, or `context` lacks something. ValidationError: `to` is no address.
    """
    validate_email(to)
    subject, text, html = render(kind, context)
    message = Message(
        key=key,
        kind=kind,
        to=to,
        patient=patient,
        subject_uuid=subject_uuid,
        subject=subject,
        text=text,
        html=html,
        calendar=calendar,
        due_at=due_at or now,
        created_at=now,
    )
    # ON CONFLICT DO NOTHING: a repeated key must not break the transaction around us, only find its row. Another
    # constraint cannot be hidden by it: the row below would be missing.
    Message.objects.bulk_create([message], ignore_conflicts=True)
    return Message.objects.get(key=key)


def drop(subject_uuid: uuid.UUID, *, kinds: list[str] | None = None) -> int:
    """Takes back what waits to be sent about something (of these kinds only, when given). Returns how many.

    What is being sent at this moment is not stopped.
    """
    waiting = Message.objects.filter(subject_uuid=subject_uuid, state=Message.State.QUEUED)
    if kinds is not None:
        waiting = waiting.filter(kind__in=kinds)
    return waiting.update(state=Message.State.DROPPED)


def drop_secrets(kind: str, *, to: str) -> int:
    """Takes back what waits of a kind that opens an account: only the newest works. Returns how many."""
    waiting = Message.objects.filter(kind=kind, to__iexact=to, state=Message.State.QUEUED)
    return waiting.update(state=Message.State.DROPPED, text="", html="")


_untrue: list[Callable] = []


def register_untrue(why_untrue: Callable) -> None:
    """`why_untrue(message, about=, now=) -> str`: why a message does not tell how its subject stands now, or "".

    Booking registers it. `about` is the subject, for whoever has read it already, else None.
    """
    if why_untrue not in _untrue:
        _untrue.append(why_untrue)


def why_not_again(message: Message, *, about=None, now: datetime) -> str:
    """Why a message is not sent again, in a sentence for staff; empty when it may be.

    `message` is one of `with_newer()`; reads its `resends` and its `patient`. `about`: see `register_untrue`.
    """
    if message.kind in SECRETS:
        return _("This is not sent again. They can ask for a new one on the sign-in page.")
    if message.state == Message.State.QUEUED:
        return _("It is still waiting to be sent. It will go out by itself.")
    if message.state == Message.State.DROPPED:
        return _("It is no longer needed, so it is not sent.")
    if message.has_newer:
        return _("They were written to about this again since, so it may no longer be true. Send the newest message.")
    if not address_of(message):
        return _("There is no e-mail address. Add it to the patient’s record, then send it.")
    if message.state == Message.State.SENDING and not message.is_unclear(now=now) and not message.resends.all():
        return _("It is being sent at this moment.")
    return next((why for rule in _untrue if (why := rule(message, about=about, now=now))), "")


def address_of(message: Message) -> str:
    """Where a copy goes: the patient's address of now; that of the message when it is to nobody we have a record of."""
    return message.patient.email if message.patient else message.to


@transaction.atomic
def resend(message: Message, *, by: User, now: datetime) -> Message:
    """Sends a message once more, as a new event with a name to it, to the address that the patient has now.

    A second press returns the copy that still waits. Raises CannotResend as `why_not_again` says.
    """
    original = Message.objects.with_newer().select_for_update().get(pk=message.pk)
    reason = why_not_again(original, now=now)
    if reason:
        raise CannotResend(reason)
    to = address_of(original)
    waiting = original.resends.filter(state__in=[Message.State.QUEUED, Message.State.SENDING], to__iexact=to).first()
    if waiting is not None:
        return waiting
    return Message.objects.create(
        key=f"resend:{original.uuid}:{original.resends.count() + 1}",
        kind=original.kind,
        to=to,
        patient=original.patient,
        subject_uuid=original.subject_uuid,
        subject=original.subject,
        text=original.text,
        html=original.html,
        calendar=original.calendar,
        due_at=now,
        created_at=now,
        resend_of=original,
        resent_by=by,
    )


def settle(message: Message, *, now: datetime) -> bool:
    """Takes a message that is unclear, or could not be sent, off the list: it did arrive, or nobody needs it.

    Whether anything changed.
    """
    given_up = Message.objects.filter(Q(state=Message.State.FAILED) | is_unclear(now), pk=message.pk)
    return bool(given_up.update(state=Message.State.DROPPED))
