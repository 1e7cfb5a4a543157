"""Whether a visit can stand: whether somebody is there, and some place open, when it is to be. And days on the wall."""

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    CharField,
    DateField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TimeField,
    Value,
    When,
)
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.models import Practitioner

Status = Appointment.Status

AT_TIME_ZONE: dict[str, Any] = {"arg_joiner": " AT TIME ZONE ", "template": "(%(expressions)s)"}


def cannot_stand(*, now: datetime) -> QuerySet[Appointment]:
    """Visits (with names) whose day is not over, for which somebody or some place is not there, nearest first: the
    practitioner is off, has no hours then or does not give it any more, the place is closed, or one of them is no
    longer in use. The cleaning belongs to a visit. What is only not offered any more takes place as it was booked; and
    whoever is in the house (`changing.is_here`) is spoken to there. Of one visit `changing.needs_other_time` says so.
    """
    there = "room__location__time_zone"
    to_come: QuerySet[Appointment] = Appointment.objects.with_names()
    to_come = to_come.filter(status__in=Appointment.OPEN, local_date__gte=today_there(now, there))
    here = Case(
        When(
            status=Status.PENDING,
            previous_status__in=Appointment.IN_THE_HOUSE,
            local_date=day_there(F("status_changed_at"), there),
            then=True,
        ),
        When(was_here_for=F("starts_at"), then=True),
        default=False,
    )
    found = to_come.alias(was_here_for=_was_here_for()).alias(here=here).filter(_nobody_there(), here=False)
    return found.order_by("starts_at", "pk")


def with_why(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Visits that cannot stand, each with `why` in words: the first reason there is."""
    reasons = [When(condition, Value(words)) for words, condition in _missing().items()]
    return visits.annotate(why=Case(*reasons, output_field=CharField()))


def can_stand(visit: Appointment) -> bool:
    """Whether somebody and some place are there for this one, a held time as well. One query; verbs ask it."""
    return not Appointment.objects.filter(_nobody_there(), pk=visit.pk).exists()


def with_hit(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Visits, each with `is_hit`: whether somebody or some place is not there then; and with `was_here_for`: where it
    was put back to pending while its patient was here, and is booked anew, the start of the visit they had come for."""
    return with_arrivals(visits).annotate(is_hit=ExpressionWrapper(_nobody_there(), BooleanField()))


def with_arrivals(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Visits, each with `was_here_for` only: see `with_hit`."""
    return visits.annotate(was_here_for=_was_here_for())


def is_back(visit: Appointment, *, now: datetime) -> bool:
    """Whether its patient is here and was booked anew while they waited, for the time they had come for: their arrival
    has to be marked again. Of a visit as `with_hit` or `with_arrivals` gives it."""
    is_today = visit.local_date == visit.location.day_of(now)
    return is_today and visit.was_here_for == visit.starts_at  # type: ignore[attr-defined]


def _was_here_for() -> Case:
    """See `with_hit`."""
    history = Appointment.events.rel.related_model.objects.order_by("-pgh_id")
    came = history.filter(pgh_obj=OuterRef("pgh_obj"), status__in=Appointment.IN_THE_HOUSE).values("starts_at")[:1]
    came_for = Case(When(previous_status__in=Appointment.IN_THE_HOUSE, then=Subquery(came)))
    waited = history.filter(pgh_obj=OuterRef("pk"), status=Status.PENDING).values(came_for=came_for)[:1]
    return Case(When(status=Status.BOOKED, previous_status=Status.PENDING, then=Subquery(waited)))


def _nobody_there() -> Q:
    """A condition on visits, whenever they are."""
    return reduce(or_, _missing().values())


def _missing() -> dict[str, Q]:
    """Each reason in words, as a condition on visits, whenever they are."""
    off = TimeOff.objects.filter(
        practitioner=OuterRef("practitioner"), starts_at__lt=OuterRef("busy_until"), ends_at__gt=OuterRef("starts_at")
    )
    closed = Closure.objects.filter(
        location=OuterRef("room__location"),
        first_day__lte=OuterRef("local_date"),
        last_day__gte=OuterRef("local_date"),
    )
    gives = Practitioner.treatments.through.objects.filter(
        practitioner=OuterRef("practitioner"), treatment=OuterRef("treatment")
    )
    return {
        _("the place is no longer in use"): Q(room__location__is_active=False),
        _("the room is no longer in use"): Q(room__is_active=False),
        _("the practitioner no longer works here"): Q(practitioner__is_active=False),
        _("the practitioner does not give this any more"): ~Q(Exists(gives)),
        _("closed on that day"): Q(Exists(closed)),
        _("the practitioner is away"): Q(Exists(off)),
        _("outside working hours, or in a break"): ~Q(Exists(_hours_around())),
    }


def _hours_around() -> QuerySet[WorkingHours]:
    """Working hours that hold the whole of the outer visit, by the clock on the wall there: none of it in the break."""
    day = OuterRef("local_date")
    counting = WorkingHours.objects.counting(day, day)
    return counting.alias(begins=_on_the_wall("starts_at"), until=_on_the_wall("busy_until")).filter(
        Q(break_starts=None) | Q(break_ends__lte=F("begins")) | Q(break_starts__gte=F("until")),
        practitioner=OuterRef("practitioner"),
        location=OuterRef("room__location"),
        weekday=Func(day, template="EXTRACT(ISODOW FROM %(expressions)s) - 1"),
        starts__lte=F("begins"),
        ends__gte=F("until"),
        until__gt=F("begins"),  # no hours go past midnight
    )


def _on_the_wall(instant: str) -> Cast:
    """An instant of the outer visit as the clock where the hours are shows it."""
    return Cast(Func(OuterRef(instant), F("location__time_zone"), **AT_TIME_ZONE), TimeField())


# --- days where each row is


def day_there(moment: Any, time_zone: str) -> Cast:
    """The local day of an instant where each row is: `time_zone` is the path to its zone."""
    return Cast(Func(moment, F(time_zone), **AT_TIME_ZONE), DateField())


def today_there(now: datetime, time_zone: str, *, days: int = 0) -> ExpressionWrapper:
    """The local day at `now`, or so many days after it, where each row is."""
    return ExpressionWrapper(day_there(Value(now, DateTimeField()), time_zone) + Value(days), DateField())
