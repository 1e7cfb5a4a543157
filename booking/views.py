"""The patient's booking pages up to a chosen time: what is offered, free times, and the same for machines (LOOK 3, 7).

Every page works without JavaScript. A GET changes nothing about an appointment; a POST calls one verb and redirects.
`now` enters here and is passed down. A held time goes on in `hold_pages`, an appointment in `appointment_pages`.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from uuid import uuid4

from allauth.core import ratelimit
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from booking import availability, holding
from booking.changing import NotAllowed, Taken, TooClose
from booking.choosing import (
    Leave,
    ends_in,
    leave_to_choose,
    not_free,
    not_now,
    places,
    questions_for,
    times_form,
    too_close,
    with_answered_area,
)
from booking.forms import ChosenTimeForm
from booking.models import Appointment, WorkingHours
from booking.times import Finder, Time, Wish, read_wish
from booking.visitors import (
    HOLD,
    WANTED,
    details_again,
    has_run_out,
    kept_by,
    near_wanted,
    own_key,
    patient_of,
    wanted,
)
from clinic.models import Clinic, Location, Practitioner, Treatment, TreatmentPrice, today_at
from clinic.zones import zone_beside
from screening import clearance


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
    kept = kept_by(request)
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
        except Taken:
            kept = kept_by(request)
            context |= not_free(treatment, form.cleaned_data["start"], now) | {"kept": kept}
            request.session.pop(WANTED, None)
            finder = Finder(wish, clinic=clinic, now=now, patient=patient_of(request), exclude=kept)
        except TooClose as problem:
            context["sentence"] = too_close(problem)
        except NotAllowed as problem:
            context["sentence"] = problem.sentence
        form = ChosenTimeForm()
    context |= week_of_times(request, finder, leave, form, soonest) | {
        "zone": zone_beside(kept.location, locations) if kept else "",
        "kept_ended": kept is not None and has_run_out(kept, now),
        "consultation_first": clinic.consultation_first == clinic.ConsultationFirst.ALWAYS
        and treatment.needs_screening
        and leave.cleared is not True,
    }
    if context["consultation_first"]:
        context |= not_now(treatment)
    return render(request, "booking/slots.html", context)


def week_of_times(
    request: HttpRequest, finder: Finder, leave: Leave, form: ChosenTimeForm, soonest: Time | None
) -> dict:
    """The form with a week of times, from the first day on that this visitor may ask for."""
    wish = finder.wish
    if "from" not in request.GET and leave.earliest and wish.first and wish.first < leave.earliest:
        wish = finder.wish = replace(wish, first=None)  # the day that was wanted is too soon: what is possible, then
    week = finder.week(cleared=leave.cleared, earliest=leave.earliest)
    context = times_form(reverse("booking:slots", args=[wish.treatment.slug]), wish, week, form, request) | {
        "wanted": wanted(request, wish, week),
        "starts_later": leave.earliest is not None and soonest is not None and leave.earliest > soonest.local_date,
        "looked_at_after": ends_in(week, leave.last),
        "choosable": leave.state != "area",
    }
    if leave.state == "questions":
        context |= {"button": _("Go on with the time I chose"), "one_button": _("Go on with this time")}
    return context


def choose(
    request: HttpRequest, wish: Wish, leave: Leave, chosen: dict, *, kept: Appointment | None, now: datetime
) -> HttpResponseBase:
    """What a chosen time leads to: the questions first, or the time held. Raises what `holding.hold` raises.

    Consequences: a time this browser held before is given back, once the new one is held; that is in the session.
    Browsers that hold nothing yet count: one address on the internet cannot keep every time there is (429).
    """
    if leave.state == "area":
        raise NotAllowed(_("Choose the part of your body first. Then choose a time."))
    if wish.not_understood:  # an unknown part of the body must not quietly become another one
        raise NotAllowed(
            _("We did not understand everything that was sent, so we keep no time for you yet. Please choose again.")
        )
    if leave.state == "questions":
        request.session[WANTED] = {
            "treatment": wish.treatment.slug,
            "start": chosen["start"].key,
            "practitioner": wish.practitioner.slug if wish.practitioner else "",
        }
        return redirect(questions_for(wish))
    if kept is None and patient_of(request) is None and not ratelimit.consume(request, action="hold"):
        return ratelimit.respond_429(request)
    held = holding.hold_instead(
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
