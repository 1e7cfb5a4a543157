"""What the pages share on which a patient chooses a time: whether they may, the week of times, why one is not free."""

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from urllib.parse import urlencode
from uuid import uuid4

from django.db.models import Q, prefetch_related_objects
from django.forms import Form
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from booking.availability import Slot
from booking.changing import TooClose
from booking.models import Appointment
from booking.templatetags.booking_words import day as day_in_words
from booking.times import Week, Wish
from booking.visitors import patient_of
from clinic.ages import is_adult
from clinic.models import Location, Room, Treatment, today_at
from screening import clearance


def places() -> list[Location]:
    """Where patients are seen; the footer of the page shows them as well."""
    return list(Location.objects.filter(is_active=True))


def several_areas(visit: Appointment) -> bool:
    """Whether the part of the body says more than the treatment's name does."""
    if visit.area_id is None:
        return False
    prefetch_related_objects([visit.treatment], "areas")  # the page where it is moved asks for them again
    return len(visit.treatment.areas.all()) > 1


@dataclass(frozen=True)
class Leave:
    """Whether this visitor may choose a time now, and from which day on.

    state: "open"; "area" (the part of the body first); "questions" (first, or again); "refused" (the rules say no);
    "too-young". why: as `screening.clearance.Asking.why`. last: the last day that a clinician's yes is for.
    """

    state: str
    cleared: bool | None = None
    earliest: date | None = None
    last: date | None = None
    response_id: int | None = None
    consultation_allowed: bool = True
    why: str = ""
    effect: str = ""  # what the rules say, where refused
    away: bool = False  # nobody has worked on the answers for a while, and nobody is signed in


def leave_to_choose(
    request: HttpRequest, wish: Wish, answered: clearance.Answered | None, *, on: date, now: datetime
) -> Leave:
    """Asks the front door of screening (DESIGN section 5). answered: this visitor's answers; on: the local day asked
    about. Writes nothing."""
    patient = patient_of(request)
    if patient is not None and not is_adult(patient.birth_date, today_at(now, wish.locations)):
        return Leave("too-young", consultation_allowed=False)
    if not wish.treatment.needs_screening:
        return Leave("open")
    if wish.area is None:
        return Leave("area")
    if patient is not None:
        found = clearance.clearance_for(patient, wish.treatment, area=wish.area, on=on, now=now)
        if found.cleared:
            # The answers go along: on a later day than the clearance covers, a clinician looks at them again.
            answers = answered.response_id if answered else None
            return Leave("open", cleared=True, last=found.valid_until, response_id=answers)
    if answered is None:
        return Leave("questions")
    asking = clearance.may_ask(answered, wish.treatment, area=wish.area, on=on, now=now)
    if asking.allowed:
        return Leave("open", False, asking.earliest, response_id=answered.response_id)
    if asking.answer_again:
        return Leave("questions", why=asking.why)
    away = answered.away and patient is None
    talk = asking.consultation_allowed
    return Leave("refused", consultation_allowed=talk, why=asking.why, effect=asking.effect, away=away)


def with_answered_area(wish: Wish, answered: clearance.Answered | None) -> Wish:
    """The wish with its part of the body, where the answers leave only one."""
    if wish.area is not None or not wish.treatment.needs_screening:
        return wish
    both = [area for area in wish.areas if answered and area.code in answered.areas]
    return replace(wish, area=both[0]) if len(both) == 1 else wish


def ends_in(week: Week, last: date | None) -> date | None:
    """The last day of a clinician's yes, where this week goes beyond it: what is chosen there waits again."""
    return last if last is not None and week.last > last else None


def times_form(here: str, wish: Wish, week: Week, form: Form, request: HttpRequest) -> dict:
    """What the form with a week of times needs, here and where an appointment is moved."""
    chosen = request.POST.get("start", "")
    return {
        "form": form,
        "wish": wish,
        "week": week,
        "here": here,
        "request_key": uuid4(),
        "second_key": uuid4(),
        "choosable": True,
        "chosen_key": chosen if week.find(chosen) else "",
        "button": _("Take the time I chose"),
        "one_button": _("Take this time"),
        "earlier_url": here + wish.query(**{"from": week.earlier.isoformat()}) if week.earlier else "",
        "later_url": here + wish.query(**{"from": week.later.isoformat()}) if week.later else "",
        "rest": too_close(TooClose(week.rests_until)) if week.rests_until else "",
        "rest_url": here + wish.query(**{"from": week.rests_until.isoformat()}) if week.rests_until else "",
        "everything_url": here + wish.query(practitioner=None, location=None, **{"from": None}),
    }


def questions_for(wish: Wish) -> str:
    """Where the screening for this treatment begins."""
    return f"{reverse('screening:start')}?{urlencode({'treatment': wish.treatment.slug})}"


def not_now(treatment: Treatment) -> dict:
    """What can be done where no treatment time can be asked for: a talk."""
    return {
        "consultation": Treatment.objects.offered()
        .filter(kind=Treatment.Kind.CONSULTATION)
        .exclude(pk=treatment.pk)
        .first()
    }


def is_taken(
    practitioner_id: int,
    location_id: int,
    begins: datetime,
    ends: datetime,
    *,
    now: datetime,
    but: Appointment | None = None,
) -> bool:
    """Whether visits, `but` one, are in the way of a time: the practitioner's own, or one in each room of the place."""
    visits = Appointment.objects.in_the_way(now=now).overlapping(begins, ends).exclude(pk=but.pk if but else None)
    there = visits.filter(Q(practitioner=practitioner_id) | Q(room__location=location_id)).order_by()
    busy = list(there.values_list("practitioner_id", "room_id"))
    rooms = set(Room.objects.filter(location=location_id, is_active=True).values_list("pk", flat=True))
    return any(who == practitioner_id for who, _room in busy) or bool(rooms) and rooms <= {room for _who, room in busy}


def not_free(treatment: Treatment, slot: Slot, now: datetime) -> dict:
    """How a page says that a chosen time is not free: `taken`, or a `sentence` that it is past, or not offered."""
    until = slot.starts_at + timedelta(minutes=treatment.duration_minutes + treatment.buffer_minutes)
    if slot.starts_at <= now:
        return {"sentence": _("That time is over. Please choose another one.")}
    if not is_taken(slot.practitioner_id, slot.location_id, slot.starts_at, until, now=now):
        return {"sentence": _("That time is not offered. Please choose one of the times on this page.")}
    return {"taken": True}


def too_close(problem: TooClose) -> str:
    """That the skin needs its time between two sessions, and from which day on there are times."""
    first = problem.first_day_possible
    if first is None:
        return _("That is too soon after, or before, another session on the same area. Please choose another day.")
    return _("Your skin needs time between two sessions. You can ask for a time from %(day)s.") % {
        "day": day_in_words(first)
    }
