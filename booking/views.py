"""The patient's booking pages up to a chosen time: what is offered, free times, and the same for machines (LOOK 3, 7).

Every page works without JavaScript. A GET changes nothing about an appointment; a POST calls one verb and redirects.
`now` enters here and is passed down. A held time goes on in `hold_pages`, an appointment in `appointment_pages`.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode
from uuid import uuid4

from allauth.core import ratelimit
from django.db.models import Prefetch, prefetch_related_objects
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from booking import appointments, availability
from booking.availability import Slot
from booking.forms import ChosenTimeForm
from booking.models import Appointment, WorkingHours
from booking.templatetags.booking_words import day as day_in_words
from booking.templatetags.booking_words import zone_words
from booking.times import Finder, Time, Week, Wish, read_wish
from booking.visitors import (
    HOLD,
    WANTED,
    details_again,
    kept_by,
    near_wanted,
    own_key,
    patient_of,
    wanted,
)
from clinic.ages import is_adult
from clinic.models import Clinic, Location, Practitioner, Treatment, TreatmentPrice, today_at
from screening import clearance


def places() -> list[Location]:
    """Where patients are seen; the footer of the page shows them as well."""
    return list(Location.objects.filter(is_active=True))


def several_zones(locations: list[Location]) -> bool:
    """Whether a time needs its zone beside it."""
    return len({location.time_zone for location in locations}) > 1


def zone_beside(place: Location, locations: list[Location]) -> str:
    """What stands behind a clock at this place where the clinic has places in several zones: ` (Lisbon time)`."""
    return f" ({zone_words(place)})" if several_zones(locations) else ""


def several_areas(visit: Appointment) -> bool:
    """Whether the part of the body says more than the treatment's name does."""
    if visit.area_id is None:
        return False
    prefetch_related_objects([visit.treatment], "areas")  # the page where it is moved asks for them again
    return len(visit.treatment.areas.all()) > 1


@dataclass(frozen=True)
class Offer:
    """A treatment as the list of prices shows it."""

    treatment: Treatment
    price: TreatmentPrice | None
    people: list[Practitioner]
    places: list[Location]
    next_free: Time | None

    @property
    def course(self) -> tuple | None:
        """What a usual course costs, from and to; None for a single visit or without a price."""
        if self.price is None or self.treatment.sessions_max < 2:
            return None
        return self.price.amount * self.treatment.sessions_min, self.price.amount * self.treatment.sessions_max


def offers(locations: list[Location], clinic: Clinic | None, *, now: datetime) -> list[Offer]:
    """Everything offered, in the clinic's order. The number of queries does not depend on how much that is."""
    seeing = Practitioner.objects.filter(is_active=True)
    offered = list(
        Treatment.objects.offered().prefetch_related("prices", Prefetch("practitioners", seeing, to_attr="people"))
    )
    today = today_at(now, locations)
    where: dict[int, set[int]] = {}
    hours = WorkingHours.objects.counting(today, today + timedelta(days=366)).order_by()
    for person, place in hours.values_list("practitioner_id", "location_id").distinct():
        where.setdefault(person, set()).add(place)
    first = availability.first_free_each(offered, now=now, clinic=clinic) if offered else {}
    known = {location.pk: location for location in locations}
    found = []
    for treatment in offered:
        slot = first.get(treatment.pk)
        people = {person.pk: person for person in treatment.people}
        there = {place for person in people for place in where.get(person, ())}
        found.append(
            Offer(
                treatment,
                treatment.price_on(today),
                treatment.people,
                [location for location in locations if location.pk in there],
                Time(slot, known[slot.location_id], people.get(slot.practitioner_id)) if slot else None,
            )
        )
    return found


@require_safe
def treatments(request: HttpRequest) -> HttpResponse:
    """Prices, people, places and next free days, before any question (LOOK 3)."""
    locations = places()
    clinic = Clinic.get()
    found = offers(locations, clinic, now=timezone.now())
    return render(
        request,
        "booking/treatments.html",
        {
            "offers": found,
            "currency": clinic.currency if clinic else "",
            "people": sorted({person for offer in found for person in offer.people}, key=lambda person: person.name),
            "locations": locations,
            "clinic": clinic,
        },
    )


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


def offered_or_404(slug: str) -> Treatment:
    """The treatment that patients may ask for, with what its page shows."""
    return get_object_or_404(Treatment.objects.offered().prefetch_related("areas", "practitioners"), slug=slug)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def slots(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Free times by day (LOOK 7). Looking needs no screening; choosing is a POST that holds the time."""
    now = timezone.now()
    treatment = offered_or_404(slug)
    clinic = Clinic.get()
    if clinic is None:
        return render(request, "booking/not_open.html", status=503)
    locations = places()
    wish = read_wish(treatment, request.POST if request.method == "POST" else request.GET, locations=locations)
    answered = clearance.response_of_session(request, treatment, now=now) if treatment.needs_screening else None
    wish = with_answered_area(near_wanted(request, wish), answered)
    kept = kept_by(request, now)
    finder = Finder(wish, clinic=clinic, now=now, patient=patient_of(request), exclude=kept)
    soonest = finder.first_free()
    soon = soonest.local_date if soonest else today_at(now, locations)
    leave = leave_to_choose(request, wish, answered, on=soon, now=now)
    context = {"wish": wish, "leave": leave, "kept": kept, "locations": locations, "clinic": clinic}
    if leave.away:  # what the answers mean is not told to whoever sits at this device now
        return redirect(f"{reverse('screening:birth_date')}?to=result")
    if leave.state in ("refused", "too-young"):
        return render(request, f"booking/{leave.state.replace('-', '_')}.html", context | not_now(treatment))
    form = ChosenTimeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            return choose(request, wish, leave, form.cleaned_data, kept=kept, now=now)
        except appointments.Taken:
            kept = kept_by(request, now)
            context |= not_free(treatment, form.cleaned_data["start"], now) | {"kept": kept}
            request.session.pop(WANTED, None)
            finder = Finder(wish, clinic=clinic, now=now, patient=patient_of(request), exclude=kept)
        except appointments.TooClose as problem:
            context["sentence"] = too_close(problem)
        except appointments.NotAllowed as problem:
            context["sentence"] = problem.sentence
        form = ChosenTimeForm()
    if "from" not in request.GET and leave.earliest and wish.first and wish.first < leave.earliest:
        wish = finder.wish = replace(wish, first=None)  # the day that was wanted is too soon: what is possible, then
    week = finder.week(cleared=leave.cleared, earliest=leave.earliest)
    waits = leave.earliest is not None and soonest is not None and leave.earliest > soonest.local_date
    context |= times_form(reverse("booking:slots", args=[slug]), wish, week, form, request) | {
        "wanted": wanted(request, wish, week),
        "starts_later": waits,
        "looked_at_after": ends_in(week, leave.last),
        "zone": zone_beside(kept.location, locations) if kept else "",
        "choosable": leave.state != "area",
        "consultation_first": clinic.consultation_first == clinic.ConsultationFirst.ALWAYS
        and treatment.needs_screening
        and leave.cleared is not True,
    }
    if leave.state == "questions":
        context["button"] = _("Go on with the time I chose")
    if context["consultation_first"]:
        context |= not_now(treatment)
    return render(request, "booking/slots.html", context)


def ends_in(week: Week, last: date | None) -> date | None:
    """The last day of a clinician's yes, where this week goes beyond it: what is chosen there waits again."""
    return last if last is not None and week.last > last else None


def times_form(here: str, wish: Wish, week: Week, form: ChosenTimeForm, request: HttpRequest) -> dict:
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
        "rest": too_close(appointments.TooClose(week.rests_until)) if week.rests_until else "",
        "rest_url": here + wish.query(**{"from": week.rests_until.isoformat()}) if week.rests_until else "",
        "everything_url": here + wish.query(practitioner=None, location=None, **{"from": None}),
    }


def choose(
    request: HttpRequest, wish: Wish, leave: Leave, chosen: dict, *, kept: Appointment | None, now: datetime
) -> HttpResponseBase:
    """What a chosen time leads to: the questions first, or the time held. Raises what `appointments.hold` raises.

    Consequences: a time this browser held before is given back, once the new one is held; that is in the session.
    Browsers that hold nothing yet count: one address on the internet cannot keep every time there is (429).
    """
    if leave.state == "area":
        raise appointments.NotAllowed(_("Choose the part of your body first. Then choose a time."))
    if leave.state == "questions":
        request.session[WANTED] = {
            "treatment": wish.treatment.slug,
            "start": chosen["start"].key,
            "practitioner": wish.practitioner.slug if wish.practitioner else "",
        }
        return redirect(questions_for(wish))
    if kept is None and patient_of(request) is None and not ratelimit.consume(request, action="hold"):
        return ratelimit.respond_429(request)
    held = appointments.hold_instead(
        kept,
        treatment=wish.treatment,
        slot=chosen["start"],
        area=wish.area if wish.treatment.needs_screening else None,
        request_key=own_key(request, chosen["request_key"] or uuid4()),
        now=now,
        response_id=leave.response_id,
        patient=patient_of(request),
    )
    request.session[HOLD] = str(held.uuid)
    request.session.pop(WANTED, None)
    details_again(request, held, now)
    return redirect("booking:hold", held.uuid)


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


def not_free(treatment: Treatment, slot: Slot, now: datetime) -> dict:
    """How a page says that a chosen time is not free: `taken` by somebody there, or a `sentence` that it is past, or
    not offered."""
    until = slot.starts_at + timedelta(minutes=treatment.duration_minutes + treatment.buffer_minutes)
    somebody = (
        Appointment.objects.occupying().overlapping(slot.starts_at, until).filter(room__location=slot.location_id)
    )
    if slot.starts_at <= now:
        return {"sentence": _("That time is over. Please choose another one.")}
    if not somebody.exists():
        return {"sentence": _("That time is not offered. Please choose one of the times on this page.")}
    return {"taken": True}


def too_close(problem: appointments.TooClose) -> str:
    """That the skin needs its time between two sessions, and from which day on there are times."""
    first = problem.first_day_possible
    if first is None:
        return _("That is too soon after, or before, another session on the same area. Please choose another day.")
    return _("Your skin needs time between two sessions. You can ask for a time from %(day)s.") % {
        "day": day_in_words(first)
    }


@require_safe
def slots_json(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Free times for machines: public, nothing about a person. Never kept by a cache; carries an ETag.

    Parameters as the page: `practitioner`, `location` (short names), `from` (a day, default today), and `days` (1 to
    31, default 7). Where something is not understood it is left out, and `not_understood` is true.
    Answer: `treatment`; `minutes`; `from` and `until` (local days, both included); `next_free` (a time or null);
    `times`, in order. A time: `starts_at`, `ends_at` (ISO 8601 with the place's offset), `location`, `time_zone`,
    `practitioner` (who is proposed; null where nobody is named). For a treatment that needs screening the times begin
    after the day by which a clinician answers somebody new.
    """
    now = timezone.now()
    treatment = offered_or_404(slug)
    clinic = Clinic.get()
    if clinic is None:
        return JsonResponse({"detail": _("The clinic is not open yet.")}, status=503)
    wish = read_wish(treatment, request.GET, locations=places())
    days, understood = days_asked(request.GET.get("days"))
    finder = Finder(wish, clinic=clinic, now=now)
    next_free = finder.first_free()
    today = today_at(now, wish.locations)
    first = min(max(wish.first or today, today), today + timedelta(days=clinic.horizon_days))
    body = {
        "treatment": treatment.slug,
        "minutes": treatment.duration_minutes,
        "from": first.isoformat(),
        "until": (first + timedelta(days=days - 1)).isoformat(),
        "not_understood": wish.not_understood or not understood,
        "next_free": time_as_json(next_free, treatment) if next_free else None,
        "times": [time_as_json(time, treatment) for time in finder.times(first, days)],
    }
    etag = f'"{sha256(json.dumps(body).encode()).hexdigest()[:32]}"'
    whole = JsonResponse(body)
    whole["ETag"] = etag
    response = get_conditional_response(request, etag=etag, response=whole) or whole
    response["Cache-Control"] = "no-store"
    return response


def days_asked(written: str | None) -> tuple[int, bool]:
    """How many days, and whether that was understood."""
    if not written:
        return 7, True
    if written.isascii() and written.isdigit() and len(written) < 3 and 1 <= int(written) <= 31:
        return int(written), True
    return 7, False


def time_as_json(time: Time, treatment: Treatment) -> dict:
    """One time for machines, on the wall clock of its place."""
    starts = time.starts_at.astimezone(time.location.zone)
    return {
        "starts_at": starts.isoformat(),
        "ends_at": (time.starts_at + timedelta(minutes=treatment.duration_minutes))
        .astimezone(time.location.zone)
        .isoformat(),
        "location": time.location.slug,
        "time_zone": time.location.time_zone,
        "practitioner": time.practitioner.slug if time.practitioner else None,
    }
