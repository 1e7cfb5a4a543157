"""A day at a place as the front desk and the practitioners see it, and finding people."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    DateField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
)
from django.db.models.functions import JSONObject, Least
from django.utils import formats
from django.utils.translation import gettext as _

from booking.lines import Line, for_lines, lines
from booking.models import Appointment, Closure, TimeOff, WorkingHours
from booking.standing import today_there
from clinic.models import Location, Patient, Practitioner, User, today_at
from clinic.names import as_reference
from screening.clearance import READY

Status = Appointment.Status
FOUND = 12


# --- a day at a place


@dataclass
class Column:
    """A practitioner or a room, with its visits of the day."""

    name: str
    note: str = ""
    lines: list[Line] = field(default_factory=list)


@dataclass
class Day:
    """A local day at one place."""

    day: date
    location: Location
    today: date
    lines: list[Line]
    columns: list[Column]
    closed: str | None

    @property
    def has_next(self) -> bool:
        """Whether the arrival of one of the visits is the likeliest thing to happen."""
        return any(line.is_next for line in self.lines)

    @property
    def figures(self) -> list[tuple[str, int]]:
        """Counts to see at a glance."""
        open_lines = [line for line in self.lines if line.visit.status not in Appointment.FREED]
        return [
            (_("Visits"), len(open_lines)),
            (_("Still to come"), sum(line.is_to_come for line in open_lines)),
            (_("Here"), sum(line.is_here for line in open_lines)),
            (_("Not ready"), sum(line.must_move or line.readiness not in ("", READY) for line in open_lines)),
        ]


def places_to_show(day: date | None, *, now: datetime) -> list[tuple[Location, str | None]]:
    """The places that are open for booking, and after them those that are not any more and have visits from today (or
    that local day) on; each with why it is closed on that day (on its own today, where no day is given), which may be
    empty words; None where it is not closed. One query."""
    closures = Closure.objects.filter(
        location=OuterRef("pk"), first_day__lte=OuterRef("shown_day"), last_day__gte=OuterRef("shown_day")
    ).order_by("pk")
    still = (
        Appointment.objects.occupying()
        .filter(room__location=OuterRef("pk"), patient__isnull=False)
        .filter(local_date__gte=Least(OuterRef("shown_day"), OuterRef("today")))
        .exclude(status=Status.PROPOSED)
    )
    found = (
        Location.objects.annotate(today=today_there(now, "time_zone"))
        .annotate(shown_day=Value(day, DateField()) if day else F("today"))
        .annotate(closed=Subquery(closures.values("reason")[:1]))
        .filter(Q(is_active=True) | Exists(still))
        .order_by("-is_active", "name")
    )
    return [(place, place.closed) for place in found]


def visits_of(day: date, location: Location) -> QuerySet[Appointment]:
    """Every visit of somebody we know on a local day at a place, freed ones included."""
    return for_lines(
        Appointment.objects.with_names()
        .on(day, location)
        .filter(patient__isnull=False)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .exclude(status=Status.CANCELLED, previous_status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )


def the_day(day: date, place: Location, *, closed: str | None = None, by_room: bool, now: datetime, user: User) -> Day:
    """The day at one of `places_to_show`, in columns by practitioner, or room. Two queries and those of `readiness`."""
    found = lines(visits_of(day, place), now=now, user=user)
    return Day(
        day=day,
        location=place,
        today=place.day_of(now),
        lines=found,
        columns=_rooms(found, place) if by_room else _practitioners(found, day, place),
        closed=None if closed is None else closed or _("closed"),
    )


def _rooms(found: list[Line], place: Location) -> list[Column]:
    columns = {room.pk: Column(room.name) for room in place.rooms.filter(is_active=True).order_by("name")}
    for line in found:
        columns.setdefault(line.visit.room_id, Column(line.visit.room.name)).lines.append(line)
    return list(columns.values())


def _practitioners(found: list[Line], day: date, place: Location) -> list[Column]:
    """Who works there on that day, and whoever has a visit there all the same; with their hours and absences."""
    begins = datetime.combine(day, time.min, tzinfo=place.zone)
    counting = WorkingHours.objects.counting(day, day)
    hours = counting.filter(practitioner=OuterRef("pk"), location=place, weekday=day.weekday()).order_by("starts")
    absences = TimeOff.objects.filter(
        practitioner=OuterRef("pk"), starts_at__lt=begins + timedelta(days=1), ends_at__gt=begins
    ).order_by("starts_at")
    here = Q(is_active=True) & Exists(hours) | Q(pk__in={line.visit.practitioner_id for line in found})
    people = (
        Practitioner.objects.filter(here)
        .annotate(
            hours=ArraySubquery(hours.values(row=JSONObject(starts="starts", ends="ends"))),
            absences=ArraySubquery(absences.values(row=JSONObject(starts="starts_at", ends="ends_at"))),
        )
        .order_by("name", "pk")
    )
    columns = {}
    for person in people:
        notes = [f"{row['starts'][:5]}–{row['ends'][:5]}" for row in person.hours if person.is_active]
        notes += [_away(row, day, place) for row in person.absences]
        columns[person.pk] = Column(person.name, ", ".join(notes))
    for line in found:
        columns[line.visit.practitioner_id].lines.append(line)
    return list(columns.values())


def _away(row: dict, day: date, place: Location) -> str:
    since, until = (datetime.fromisoformat(row[end]).astimezone(place.zone) for end in ("starts", "ends"))
    return _("away %(since)s to %(until)s") % {
        "since": f"{since:%H:%M}" if since.date() == day else _("from before"),
        "until": f"{until:%H:%M}" if until.date() == day else formats.date_format(until.date(), "j M"),
    }


def own_today(user: User, *, now: datetime) -> date:
    """Today where somebody works."""
    hours = WorkingHours.objects.filter(practitioner__user=user)
    return today_at(now, Location.objects.filter(pk__in=hours.values("location")) or None)


def own_day(user: User, day: date | None, *, now: datetime) -> list[Line]:
    """A practitioner's own visits of a local day (without one, of today at the place of each), wherever they are; freed
    ones are left out."""
    visits = (
        Appointment.objects.with_names()
        .occupying()
        .filter(practitioner__user=user, patient__isnull=False)
        .filter(local_date=day or today_there(now, "room__location__time_zone"))
        .exclude(status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )
    return lines(for_lines(visits), now=now, user=user)


# --- finding people


@dataclass
class Person:
    """A patient who was found, with the visits one asks about; has_coming: whether one of them is still to be."""

    patient: Patient
    lines: list[Line] = field(default_factory=list)
    has_coming: bool = False


def patients_found(text: str) -> QuerySet[Patient]:
    """Patients by what they say of themselves (see `PatientQuerySet.matching`), or by the reference of a visit."""
    text = text.replace("\0", "").strip()[:150]
    by_visit = Appointment.objects.filter(reference__iexact=as_reference(text), patient__isnull=False).values("patient")
    return (Patient.objects.matching(text) | Patient.objects.filter(pk__in=by_visit)).order_by("name", "pk")


def find(text: str, *, now: datetime) -> tuple[list[Person], bool]:
    """Up to twelve people who fit, each with the visits one asks about; and whether there are more. A line has
    `visit.other_zones`: whether there are open places by whose clock its time would be another."""
    patients = list(patients_found(text)[: FOUND + 1])
    people = {patient.pk: Person(patient) for patient in patients[:FOUND]}
    others = Location.objects.filter(is_active=True).exclude(time_zone=OuterRef("room__location__time_zone"))
    visits = (
        for_lines(Appointment.objects.with_names())
        .annotate(other_zones=Exists(others))
        .filter(patient__in=people)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .exclude(status=Status.CANCELLED, previous_status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )
    of: dict[int | None, list[Appointment]] = {}
    for visit in visits:
        of.setdefault(visit.patient_id, []).append(visit)
    asked_about = [visit for theirs in of.values() for visit in _asked_about(theirs, now=now)]
    for line in lines(asked_about, now=now):
        person = people[line.visit.whose.pk]
        person.lines.append(line)
        person.has_coming |= line.visit.ends_at >= now and not line.is_over
    return list(people.values()), len(patients) > FOUND


def _asked_about(visits: list[Appointment], *, now: datetime) -> list[Appointment]:
    """Of somebody's visits, in their order: the one just before now, or done early, the next two, and of those that
    were to come and do not any more the one that was given up last."""
    past = [visit for visit in visits if visit.ends_at < now or visit.status == Status.FULFILLED]
    to_come = [visit for visit in visits if visit not in past]
    coming = [visit for visit in to_come if visit.status not in Appointment.FREED]
    freed = [visit for visit in to_come if visit.status in Appointment.FREED]
    last = max(freed, key=lambda visit: visit.status_changed_at, default=None)
    return [visit for visit in visits if visit in (*past[-1:], *coming[:2], last)]
