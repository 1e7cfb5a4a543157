"""The appointment as a calendar file. Others may see a patient's calendar: it says when and where, and nothing more."""

from datetime import UTC, datetime

from django.utils.translation import gettext as _

from booking.models import Appointment
from clinic.models import Clinic

PUBLISH, CANCEL = "PUBLISH", "CANCEL"


def calendar_file(appointment: Appointment, *, method: str, now: datetime) -> str:
    """An iCalendar file (RFC 5545) with one event: UTC times, the same UID for good, SEQUENCE of the appointment.

    method: PUBLISH, or CANCEL to take it out again. What still waits is tentative, and the title says so: not every
    calendar shows it. The title is the clinic's `calendar_title`, never the treatment.
    """
    from icalendar import Calendar, Event  # takes a quarter of a second to import, and few processes need it

    if method not in (PUBLISH, CANCEL):
        raise ValueError("PUBLISH or CANCEL")
    clinic = Clinic.get()
    place = appointment.room.location
    title = (clinic.calendar_title if clinic else "") or _("Appointment")
    status = "CONFIRMED" if method == PUBLISH else "CANCELLED"
    if method == PUBLISH and appointment.status == Appointment.Status.PENDING:
        title, status = _("%(title)s (not confirmed yet)") % {"title": title}, "TENTATIVE"
    event = Event()
    event.add("uid", str(appointment.uuid))
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", now.astimezone(UTC))
    event.add("dtstart", appointment.starts_at.astimezone(UTC))
    event.add("dtend", appointment.ends_at.astimezone(UTC))
    event.add("summary", title)
    event.add("location", ", ".join(line.strip() for line in place.address.splitlines() if line.strip()))
    event.add("description", _("Questions? Please call %(phone)s.") % {"phone": place.phone})
    event.add("status", status)
    event.add("class", "PRIVATE")
    event.add("transp", "OPAQUE" if method == PUBLISH else "TRANSPARENT")
    calendar = Calendar()
    calendar.add("prodid", "-//clinic//appointments//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    calendar.add_component(event)
    return calendar.to_ical().decode()
