"""Links in messages: a signed token bound to one appointment, one purpose and an end. It opens nothing else."""

import uuid
from datetime import UTC, datetime, timedelta

from django.core import signing

from booking.models import Appointment

SALT = "booking.links"
# What a link is for. The page asks to sign in for anything that a link alone must not show.
SEE = "see"  # when and where; move and cancel
FORM = "form"  # the form to fill in before a visit booked by phone
INFORMATION = "information"  # a clinician's question
READ = "read"  # why it was not possible
PURPOSES = (SEE, FORM, INFORMATION, READ)
# A link goes on working for a day after the visit, and never longer than a year.
AFTERWARDS = timedelta(days=1)
LONGEST = timedelta(days=366)


class BadLink(Exception):
    """A token that was not made here, was changed, or has ended. Which of these, nobody is told."""


def make_link(appointment: Appointment, purpose: str, now: datetime) -> str:
    """The path of a link to put into a message. It ends a day after the visit, at the earliest 30 days from `now`."""
    if purpose not in PURPOSES:
        raise ValueError(f"A link is for one of {', '.join(PURPOSES)}.")
    end = min(max(appointment.ends_at + AFTERWARDS, now + timedelta(days=30)), now + LONGEST)
    token = signing.dumps([appointment.uuid.hex, purpose, int(end.timestamp())], salt=SALT)
    return f"/appointments/link/{token}/"


def read_link(token: str, now: datetime) -> tuple[uuid.UUID, str]:
    """(uuid of the appointment, purpose) of a token. Raises BadLink. Changes nothing and marks nothing as used."""
    try:
        hexed, purpose, end = signing.loads(token, salt=SALT)
        found, until = uuid.UUID(hexed), datetime.fromtimestamp(end, tz=UTC)
    except (signing.BadSignature, ValueError, TypeError, AttributeError, OverflowError, OSError) as error:
        raise BadLink from error
    if purpose not in PURPOSES or until < now:
        raise BadLink
    return found, purpose
