"""The patient's booking pages: what is offered, free times, a held time, and the appointment that comes of it.

Every page works without JavaScript. A GET changes nothing about an appointment; a POST calls one verb and redirects.
`now` enters here and is passed down. Whose page it is, is decided in two places only: `own_hold` and `seen`.
"""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import sha256
from urllib.parse import urlencode
from uuid import UUID, uuid4, uuid5

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Prefetch, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from booking import appointments, availability, links
from booking import ics as calendars
from booking.availability import Slot
from booking.changing import in_the_house, left_to_staff
from booking.forms import ChosenTimeForm, DetailsForm
from booking.models import Appointment, HoldDetails, WorkingHours
from booking.templatetags.booking_words import day as day_in_words
from booking.templatetags.booking_words import zone_words
from booking.times import Finder, Time, Week, Wish, read_wish
from clinic import accounts
from clinic.ages import is_adult
from clinic.models import Clinic, Location, Patient, Practitioner, Treatment, TreatmentPrice, today_at
from screening import clearance

HOLD = accounts.HOLD
# In the session: what was typed for a held time, so that a lost time loses nothing; gone once it is confirmed, or after
# an hour. Never a birth date that the answers know: on a shared device it is the key to them (see `keep_details`).
DETAILS = "hold_details"
DETAILS_KEPT_FOR = timedelta(hours=1)
# In the session: the time somebody chose before answering the questions.
WANTED = "wanted_time"
# In the session: appointments a link in a message has opened on this browser, with the end of that.
GRANTS = "appointment_grants"
GRANTED_FOR = timedelta(hours=2)
WHO_IS_THIS = _lazy(
    "We cannot match the date of birth with this e-mail address. We keep your time. "
    "Please call us, or use another e-mail address."
)
# Whoever holds the link of a message reads nothing about health: not why a day is not possible, nor from when on.
NOT_THIS_TIME = _lazy("This time is not possible. Please choose another, sign in, or call us.")


# ---------------------------------------------------------------- who asks


def patient_of(request: HttpRequest) -> Patient | None:
    """The patient who is signed in, if somebody is and it is a patient."""
    return getattr(request.user, "patient", None) if request.user.is_authenticated else None


def not_yours(request: HttpRequest) -> HttpResponseBase:
    """A wrong and a forbidden uuid look the same: 404 when signed in, the sign-in page when not."""
    if request.user.is_authenticated:
        raise Http404
    return redirect_to_login(request.get_full_path())


def own_hold(request: HttpRequest, uuid: UUID) -> Appointment | None:
    """The held time, for the browser that holds it and for its signed-in patient; None for everybody else."""
    found = Appointment.objects.with_names().select_related("response").filter(uuid=uuid).first()
    if found is None:
        return None
    patient = patient_of(request)
    if patient is not None and found.patient_id == patient.pk:
        return found
    in_session = request.session.get(HOLD) == str(uuid)
    # Once a patient is behind it, the session alone opens nothing any more.
    return found if in_session and found.patient_id is None else None


def is_granted(request: HttpRequest, uuid: UUID, now: datetime) -> bool:
    """Whether a link in a message has opened this appointment on this browser, a while ago at most."""
    grants = request.session.get(GRANTS)
    grant = grants.get(str(uuid)) if isinstance(grants, dict) else None
    return isinstance(grant, dict) and grant.get("until", 0) >= now.timestamp()


def seen(request: HttpRequest, uuid: UUID, now: datetime) -> tuple[Appointment, bool] | None:
    """(the appointment, whether everything may be shown) for whoever may see it at all: its signed-in patient, or a
    browser on which a link has opened it: when and where, move and cancel, nothing more."""
    patient = patient_of(request)
    opened = is_granted(request, uuid, now)
    if patient is None and not opened:
        return None
    visit = Appointment.objects.with_names().filter(uuid=uuid).exclude(patient=None).first()
    if visit is None:
        return None
    if patient is not None and visit.patient_id == patient.pk:
        return visit, True
    return (visit, False) if opened else None


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


# ---------------------------------------------------------------- what we offer


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
    for person, place in (
        WorkingHours.objects.filter(valid_from__lte=today + timedelta(days=366))
        .exclude(valid_until__lt=today)
        .values_list("practitioner_id", "location_id")
        .distinct()
        .order_by()
    ):
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


# ---------------------------------------------------------------- times


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
    if asking.why in ("out-of-date", "not-for-this-treatment", "none", "area"):
        return Leave("questions", why=asking.why)
    away = answered.away and patient is None
    talk = asking.consultation_allowed
    return Leave("refused", consultation_allowed=talk, why=asking.why, effect=asking.effect, away=away)


def kept_by(request: HttpRequest, now: datetime) -> Appointment | None:
    """The time this browser holds at the moment, if it does."""
    try:
        uuid = UUID(str(request.session.get(HOLD)))
    except ValueError:
        return None
    found = own_hold(request, uuid)
    if found is None or found.status != Appointment.Status.PROPOSED:
        del request.session[HOLD]  # signing in would lead to a time that is gone
        return None
    return found


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
    key = own_key(request, chosen["request_key"] or uuid4(), chosen["start"])
    held = appointments.hold_instead(
        kept if kept is not None and kept.request_key != key else None,
        treatment=wish.treatment,
        slot=chosen["start"],
        area=wish.area if wish.treatment.needs_screening else None,
        request_key=key,
        now=now,
        response_id=leave.response_id,
        patient=patient_of(request),
    )
    request.session[HOLD] = str(held.uuid)
    request.session.pop(WANTED, None)
    details_again(request, held, now)
    return redirect("booking:hold", held.uuid)


def details_again(request: HttpRequest, held: Appointment, now: datetime) -> None:
    """Takes over what was typed for a time that was lost, where the address has been proven since."""
    typed, user = kept_details(request, now), request.user
    if not typed or not user.is_authenticated or patient_of(request) is not None:
        return
    born = known_birth_date(request, held, now) or typed.get("birth_date")
    if not request.session[DETAILS].get("checked"):  # kept as it was typed, mistakes included: they look at it again
        return
    if born and held.status == Appointment.Status.PROPOSED and typed["email"].lower() == user.email.lower():
        appointments.take_details(held, **{**typed, "birth_date": born}, now=now)


def keep_details(request: HttpRequest, typed: dict, now: datetime, *, checked: bool = True) -> None:
    """Keeps what was typed in the session for an hour; of the birth date only what was typed on this form.

    Not `checked`: as it stood in the boxes, only to be shown in them again.
    """
    request.session[DETAILS] = {
        "name": typed["name"][:150],
        "phone": str(typed["phone"])[:60],
        "email": typed["email"][:254],
        "checked": checked,
        "birth_date": typed["birth_date"].isoformat() if typed.get("birth_date") else "",
        "until": (now + DETAILS_KEPT_FOR).timestamp(),
    }


def kept_details(request: HttpRequest, now: datetime) -> dict:
    """Name, phone, e-mail and, if it may be shown, birth date as they were typed; nothing after an hour.

    Without the birth date as long as this browser has health answers: it is what opens them after a while.
    """
    kept = request.session.get(DETAILS)
    names = ("name", "phone", "email")
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), str) for name in names):
        return {}
    if not isinstance(kept.get("until"), float) or kept["until"] < now.timestamp():
        del request.session[DETAILS]
        return {}
    typed: dict = {name: kept[name] for name in names}
    if "screening" not in request.session and kept.get("birth_date"):
        typed["birth_date"] = date.fromisoformat(kept["birth_date"])
    return typed


def own_key(request: HttpRequest, sent: UUID, slot: Slot) -> UUID:
    """The key of a form and a time, bound to this browser: with a key that somebody else sent, it is another key. So it
    is for another time on the same form ("Back" shows it once more), and for a time that was given back since."""
    get_token(request)
    key = uuid5(sent, f"{request.META['CSRF_COOKIE']} {slot.key}")
    freed = Appointment.objects.filter(request_key=key, status=Appointment.Status.CANCELLED)
    return uuid4() if freed.exists() else key


def questions_for(wish: Wish) -> str:
    """Where the screening for this treatment begins."""
    return f"{reverse('screening:start')}?{urlencode({'treatment': wish.treatment.slug})}"


def wanted_before(request: HttpRequest, wish: Wish) -> dict | None:
    """What somebody chose before the questions for this treatment."""
    chosen = request.session.get(WANTED)
    return chosen if isinstance(chosen, dict) and chosen.get("treatment") == wish.treatment.slug else None


def near_wanted(request: HttpRequest, wish: Wish) -> Wish:
    """The wish with the day, and the practitioner, of the time chosen before the questions; as it is for whoever has
    looked at another week or for somebody else since."""
    chosen = wanted_before(request, wish)
    if chosen is None or request.method == "POST" or wish.first or wish.practitioner or wish.location:
        return wish
    try:
        slot = Slot.from_key(str(chosen.get("start")))
    except (ValueError, OverflowError):
        return wish
    there = next((place for place in wish.locations if place.pk == slot.location_id), None)
    if there is None:
        return wish
    with_whom = next((who for who in wish.practitioners if who.slug == chosen.get("practitioner")), None)
    return replace(wish, first=slot.starts_at.astimezone(there.zone).date(), practitioner=with_whom)


def wanted(request: HttpRequest, wish: Wish, week) -> dict | None:
    """The time somebody chose before the questions: `time` where it is still free, else None in its place."""
    chosen = wanted_before(request, wish)
    if chosen is None:
        return None
    return {"time": week.find(str(chosen.get("start")))}


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
    somebody = Appointment.objects.occupying().filter(
        room__location=slot.location_id, starts_at__lt=until, busy_until__gt=slot.starts_at
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


# ---------------------------------------------------------------- a held time


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hold(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The held time: who comes, the code, and the confirmation (LOOK 8)."""
    now = timezone.now()
    held = own_hold(request, uuid)
    if held is None:
        return not_yours(request)
    if held.status != Appointment.Status.PROPOSED:
        return no_longer_held(request, held, now)
    if request.method == "POST":
        act = {
            "more-time": more_time,
            "release": give_back,
            "not-me": not_me,
            "confirm": confirm,
        }.get(request.POST.get("action", ""), take_details)
        return act(request, held, now)
    return show_hold(request, held, now)


def details_of(held: Appointment) -> HoldDetails | None:
    """What was typed for this hold so far."""
    try:
        return held.details
    except ObjectDoesNotExist:
        return None


def known_birth_date(request: HttpRequest, held: Appointment, now: datetime) -> date | None:
    """The birth date that need not be asked again: of the signed-in patient, or of the answers of this visit.

    After 15 minutes without work on the answers it is asked: on a shared device somebody else may be going on with
    them, and `confirm` refuses answers that name another birth date.
    """
    patient, details = patient_of(request), details_of(held)
    if patient is not None and not (details and is_another_person(request, details)):
        return patient.birth_date
    if not held.treatment.needs_screening:
        return None
    answered = clearance.response_of_session(request, held.treatment, now=now)
    return answered.birth_date if answered and not answered.away else None


def step_of(request: HttpRequest, held: Appointment) -> str:
    """Where this hold stands: "staff", "details", "code", "somebody-else" or "confirm"."""
    user, details = request.user, details_of(held)
    if user.is_authenticated and user.is_staff:
        return "staff"
    if not user.is_authenticated:
        return "code" if details and accounts.awaits_code(request) else "details"
    if details is None:
        return "confirm" if patient_of(request) else "details"
    if details.email.lower() != user.email.lower():
        return "somebody-else"
    return "details" if is_another_person(request, details) else "confirm"


def is_another_person(request: HttpRequest, details: HoldDetails) -> bool:
    """Whether the record behind this sign-in has another birth date: two people share the e-mail address. Then
    `appointments.patient_for` refuses, and nothing of that record may be shown."""
    patient = patient_of(request)
    return patient is not None and patient.birth_date != details.birth_date


def details_form(request: HttpRequest, held: Appointment, now: datetime, data=None) -> DetailsForm:
    """The form of the details, with what was typed before for this or a lost time."""
    initial = kept_details(request, now)
    if request.user.is_authenticated:
        initial.setdefault("email", request.user.email)
        initial.setdefault("name", request.user.name)
    return DetailsForm(
        data,
        initial=initial,
        ask_birth_date=known_birth_date(request, held, now) is None,
        today=now.astimezone(held.location.zone).date(),
    )


def show_hold(
    request: HttpRequest, held: Appointment, now: datetime, form: DetailsForm | None = None, **more
) -> HttpResponse:
    """The page of a held time, at the step where it stands."""
    step = step_of(request, held)
    if form is not None and form.errors:
        step = "details"
    locations, details = places(), details_of(held)
    context = {
        "held": held,
        "step": step,
        "details": details,
        "patient": patient_of(request),
        "form": form or details_form(request, held, now),
        "expired": held.hold_expires_at is not None and held.hold_expires_at < now,
        "several_zones": several_zones(locations),
        "zone": zone_beside(held.location, locations),
        "several_areas": several_areas(held),
        "locations": locations,
        "more_time_left": held.hold_extensions < appointments.EXTENSIONS,
    }
    if step == "details" and form is None and details and is_another_person(request, details):
        context["sentence"] = WHO_IS_THIS
    return render(request, "booking/hold.html", context | more)


def take_details(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """Name, phone and e-mail; then the code, or straight on for whoever is signed in with that address."""
    if step_of(request, held) == "staff":
        return show_hold(request, held, now)
    form = details_form(request, held, now, request.POST)
    if not form.is_valid():
        return show_hold(request, held, now, form)
    typed = form.cleaned_data
    born = known_birth_date(request, held, now) or typed["birth_date"]
    if not is_adult(born, now.astimezone(held.location.zone).date()):
        return too_young(request, held, now)
    keep_details(request, typed, now)
    try:
        appointments.take_details(
            held, name=typed["name"], phone=typed["phone"], email=typed["email"], birth_date=born, now=now
        )
        if accounts.somebody_else(request, typed["email"]):
            return redirect("booking:hold", held.uuid)
        request.session[HOLD] = str(held.uuid)
        return accounts.begin_code(request, email=typed["email"], name=typed["name"])
    except appointments.NotAllowed as problem:
        return show_hold(request, held, now, form, sentence=problem.sentence)
    except appointments.Taken:
        return gone(request, held, now)


def too_young(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponse:
    """No online booking of any kind under 18: the time is given back and nothing that was typed is kept."""
    with suppress(appointments.NotAllowed):  # it has ended already
        appointments.release(held, now=now)
    for key in (HOLD, DETAILS, WANTED):
        request.session.pop(key, None)
    return render(request, "booking/too_young.html")


def more_time(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """Five minutes more, up to ten times. What stands in the form of the details comes back as it was typed."""
    try:
        appointments.extend(held, now=now)
    except appointments.Taken:
        return gone(request, held, now)
    except appointments.NotAllowed as problem:
        messages.warning(request, problem.sentence)
    if "name" not in request.POST:
        return redirect("booking:hold", held.uuid)
    held = own_hold(request, held.uuid) or held
    form = details_form(request, held, now)
    form.initial = {box.name: box.data for box in details_form(request, held, now, request.POST)}
    return show_hold(request, held, now, form)


def give_back(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """The patient lets the time go."""
    try:
        appointments.release(held, now=now)
    except appointments.NotAllowed:  # it ended, or became an appointment, a moment before
        held.refresh_from_db()
        return no_longer_held(request, held, now)
    request.session.pop(HOLD, None)
    messages.info(request, _("We gave that time back. You can choose another one."))
    return redirect(times_like(held))


def not_me(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """Somebody else is signed in here: signs them out. A time held in their name is given back, another one stays."""
    theirs = held.patient_id is not None or (held.response is not None and held.response.patient_id is not None)
    if theirs:
        with suppress(appointments.NotAllowed):  # it has ended already
            appointments.release(held, now=now)
    keep = {} if theirs else {key: request.session.get(key) for key in (HOLD, DETAILS, "screening")}
    logout(request)
    for key, value in keep.items():
        if value is not None:
            request.session[key] = value
    messages.info(request, _("You are signed out. Now write who the appointment is for."))
    return redirect(times_like(held) if theirs else reverse("booking:hold", args=[held.uuid]))


def confirm(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """The patient's last word: the time is asked for, or booked."""
    if step_of(request, held) != "confirm":
        return redirect("booking:hold", held.uuid)
    try:
        details = details_of(held)
        patient = appointments.patient_for(request.user, details) if details else patient_of(request)
        if patient is None:
            return redirect("booking:hold", held.uuid)
        done = appointments.confirm(held, patient=patient, now=now)
    except appointments.Taken:
        return gone(request, held, now)
    except appointments.TooClose as problem:
        return show_hold(request, held, now, sentence=too_close(problem), other_times=times_like(held))
    except appointments.TalkFirst as problem:
        return show_hold(request, held, now, sentence=problem.sentence, **not_now(held.treatment))
    except appointments.NotAllowed as problem:
        return show_hold(request, held, now, sentence=problem.sentence, other_times=times_like(held))
    except (clearance.BirthDateDiffers, clearance.AnswersOfAnother, clearance.NotFinished):
        return show_hold(request, held, now, sentence=WHO_IS_THIS)
    for key in (HOLD, DETAILS, WANTED):
        request.session.pop(key, None)
    return redirect("booking:appointment", done.uuid)


def times_like(held: Appointment) -> str:
    """Other times of the same treatment and part of the body, from the same day on."""
    query = {"from": held.local_start.date().isoformat()}
    if held.area is not None:
        query["area"] = held.area.code
    return f"{reverse('booking:slots', args=[held.treatment.slug])}?{urlencode(query)}"


def gone(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponse:
    """The time could not be kept: see `not_kept`. It is no longer the one that this browser holds."""
    request.session.pop(HOLD, None)
    return not_kept(request, held, now)


def not_kept(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponse:
    """Says whether somebody else has the time, with other times; what was typed is kept for the next one."""
    somebody = Appointment.objects.occupying().filter(
        practitioner=held.practitioner_id, starts_at__lt=held.busy_until, busy_until__gt=held.starts_at
    )
    context = {
        "held": held,
        "taken": held.starts_at <= now or somebody.exclude(pk=held.pk).exists(),
        "other_times": times_like(held),
        "kept": bool(kept_details(request, now)),
        **times_instead(request, held, now),
    }
    return render(request, "booking/gone.html", context)


def times_instead(request: HttpRequest, held: Appointment, now: datetime) -> dict:
    """A week of other times for somebody who lost one, to choose from at once; nothing where none may be chosen now."""
    treatment, clinic = held.treatment, Clinic.get()
    if clinic is None or not treatment.is_active:
        return {}
    answered = clearance.response_of_session(request, treatment, now=now) if treatment.needs_screening else None
    wanted = {"from": held.local_start.date().isoformat(), "area": held.area.code if held.area else ""}
    wish = read_wish(treatment, wanted, locations=places())
    leave = leave_to_choose(request, wish, answered, on=held.day, now=now)
    if leave.state != "open":
        return {}
    finder = Finder(wish, clinic=clinic, now=now, patient=patient_of(request))
    week = finder.week(cleared=leave.cleared, earliest=leave.earliest)
    here = reverse("booking:slots", args=[treatment.slug])
    return {} if week.is_empty else times_form(here, wish, week, ChosenTimeForm(), request)


def no_longer_held(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """A hold that became an appointment leads there; one that ended says so."""
    status = Appointment.Status
    if held.status == status.CANCELLED and held.previous_status == status.PROPOSED:
        typing = request.method == "POST" and "name" in request.POST and step_of(request, held) != "staff"
        return (keep_typed(request, held, now) if typing else None) or not_kept(request, held, now)
    return redirect("booking:appointment", held.uuid)


def keep_typed(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponse | None:
    """Keeps what stands in the form of a time that is lost meanwhile, for the next one, also where it is not right yet.
    Nothing of somebody under 18, who gets the page that says so."""
    form = details_form(request, held, now, request.POST)
    right, date_typed = form.is_valid(), form.cleaned_data.get("birth_date")
    born = known_birth_date(request, held, now) or date_typed
    if born and not is_adult(born, now.astimezone(held.location.zone).date()):
        return too_young(request, held, now)
    typed = {name: form[name].data or "" for name in ("name", "phone", "email")}
    keep_details(request, form.cleaned_data if right else typed | {"birth_date": date_typed}, now, checked=right)
    return None


# ---------------------------------------------------------------- an appointment


@dataclass(frozen=True)
class State:
    """How an appointment stands, for its patient: a code that the templates know, and what may be done now.

    code: question, form, asked, booked, here, done, missed, refused, ended (by the practitioner; there is no decision
    to read), cancelled, void. prepare: whether the pages about
    preparing and aftercare belong to it. near: "here", somebody who waits in the house; "call", it began to wait so
    late that they call before they travel; else empty.
    """

    code: str
    may_move: bool
    may_cancel: bool
    late: bool  # cancelling now is later than the notice the clinic asks for
    prepare: bool
    may_talk: bool  # a consultation at the same time instead
    near: str

    @property
    def is_open(self) -> bool:
        """Whether it is still to come or being attended."""
        return self.code in ("question", "form", "asked", "booked", "here")


def state_of(visit: Appointment, clinic: Clinic | None, now: datetime) -> State:
    """A pure function of the record, the clinic's notice and the clock."""
    status = Appointment.Status
    codes: dict[str, str] = {
        status.BOOKED: "booked",
        status.ARRIVED: "here",
        status.CHECKED_IN: "here",
        status.FULFILLED: "done",
        status.NOSHOW: "missed",
        status.ENTERED_IN_ERROR: "void",
    }
    code = codes.get(visit.status, "cancelled")
    if visit.status == status.PENDING:
        code = "question" if visit.information_asked_at else "form" if visit.form_due_by else "asked"
    if visit.status == status.CANCELLED and visit.cancel_reason == Appointment.Reason.CLINICAL:
        code = "refused"
    to_come = visit.status in (status.PENDING, status.BOOKED) and now < visit.starts_at
    late = visit.is_late(clinic, now=now)
    prepare = visit.treatment.needs_screening and code in ("question", "form", "asked", "booked", "here", "done")
    return State(
        code,
        may_move=to_come and not late,
        may_cancel=to_come,
        late=to_come and late,
        prepare=prepare,
        may_talk=to_come and visit.status == status.PENDING and visit.treatment.needs_screening,
        near="here" if in_the_house(visit) else "call" if left_to_staff(visit) else "",
    )


@never_cache
@require_safe
def appointment(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """My appointment: how it stands, where to come, what to do next (LOOK 9)."""
    now = timezone.now()
    found = seen(request, uuid, now)
    if found is None:
        return not_yours(request)
    visit, whole = found
    if visit.status == Appointment.Status.PROPOSED:
        return redirect("booking:hold", visit.uuid) if whole else not_yours(request)
    context = about(visit, whole, now)
    if visit.patient is not None:
        reading = where_to_read(context["state"], visit, visit.patient)
        context |= reading if whole else {"state": reading.get("state", context["state"])}
    if not whole:
        context |= how_to_see_more(request, visit)
    return render(request, "booking/appointment.html", context)


def how_to_see_more(request: HttpRequest, visit: Appointment) -> dict:
    """Where somebody whom only a link lets in sees the rest: `prove` is "code" (sign in), "birth-date" (signed in, and
    the record that the desk made waits for the date), "shared" (the address of the record is the sign-in of somebody
    else, so that signing in again never helps) or "other" (somebody else is signed in on this device)."""
    back = urlencode({"next": request.path})
    if not request.user.is_authenticated:
        return {"prove": "code", "prove_url": f"{reverse('account_login')}?{back}"}
    if accounts.waits_for_birth_date(accounts.signed_in(request)):
        return {"prove": "birth-date", "prove_url": f"{reverse('my')}?{back}"}
    shared = visit.patient is not None and visit.patient.shares_address()
    is_theirs = shared and visit.whose.email.lower() == accounts.signed_in(request).email.lower()
    return {"prove": "shared" if is_theirs else "other", "prove_url": ""}


def where_to_read(state: State, visit: Appointment, patient: Patient) -> dict:
    """The patient's page of a clinician's question or refusal. An answered question is none any more."""
    if state.code == "question":
        asked = clearance.open_questions(patient).get((visit.treatment_id, visit.area_id))
        if asked is None:
            return {"state": replace(state, code="asked")}
        return {"reply_url": reverse("screening:reply", args=[asked])}
    if state.code == "refused":
        decided = clearance.refusal_of(patient, visit.treatment, area=visit.area)
        if decided is None:  # the practitioner ended it; the last decision about the answers may be a yes
            return {"state": replace(state, code="ended")}
        return {"decision_url": reverse("screening:decision", args=[decided])}
    return {}


def about(visit: Appointment, whole: bool, now: datetime) -> dict:
    """What the pages of an appointment show. Not `whole`: when and where only."""
    clinic = Clinic.get()
    locations = places()
    return {
        "visit": visit,
        "whole": whole,
        "place": visit.location,
        "state": state_of(visit, clinic, now),
        "overdue": visit.answer_by is not None and visit.answer_by < now,
        "clinic": clinic,
        "locations": locations,
        "several_zones": several_zones(locations),
        "zone": zone_beside(visit.location, locations),
        "several_areas": several_areas(visit),
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def move(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """Another time for the same appointment. GET shows times, POST moves; not with less notice than the clinic asks."""
    now = timezone.now()
    found = seen(request, uuid, now)
    if found is None:
        return not_yours(request)
    visit, whole = found
    context = about(visit, whole, now)
    if not context["state"].may_move:
        return render(request, "booking/move_not_now.html", context)
    form = ChosenTimeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            appointments.move(visit, slot=form.cleaned_data["start"], by="patient", now=now)
        except appointments.Taken:
            context |= not_free(visit.treatment, form.cleaned_data["start"], now)
        except (appointments.TooClose, appointments.NotAllowed) as problem:
            reason = too_close(problem) if isinstance(problem, appointments.TooClose) else problem.sentence
            context["sentence"] = reason if whole else NOT_THIS_TIME
        else:
            messages.success(request, _("Your appointment has a new time. We have sent you a message about it."))
            return redirect("booking:appointment", visit.uuid)
        form = ChosenTimeForm()
    wish, week, cleared = times_to_move_to(request, visit, context, now)
    if week is None:
        return render(request, "booking/move_not_now.html", context | {"no_day": True} | not_now(visit.treatment))
    context |= times_form(reverse("booking:move", args=[uuid]), wish, week, form, request)
    context |= {
        "looks_again": cleared is not None and not cleared.cleared,
        "looked_at_after": ends_in(week, cleared.valid_until) if cleared else None,
        "limited": not whole,
        "rest": context["rest"] if whole else "",
        "button": _("Move it to the time I chose"),
        "one_button": _("Move it to this time"),
        "everywhere_url": f"{reverse('booking:move', args=[uuid])}?location=",
        "stays": week.has_before(now + timedelta(hours=context["clinic"].notice_hours)),
    }
    return render(request, "booking/move.html", context)


def times_to_move_to(
    request: HttpRequest, visit: Appointment, context: dict, now: datetime
) -> tuple[Wish, Week | None, clearance.Clearance | None]:
    """The times an appointment may be moved to, by its patient's clearance or by what the rules say of the answers.

    No week where the answers, or a clinician's decision, allow no day (as `appointments.move` refuses each). The third:
    that clearance, for the first day there is; None where the visit needs none.
    """
    data = request.POST if request.method == "POST" else request.GET
    treatment = visit.treatment
    prefetch_related_objects([treatment], "practitioners")
    wish = read_wish(treatment, data, locations=context["locations"])
    wish = replace(wish, area=visit.area)
    if wish.location is None and not wish.anywhere and visit.location in wish.locations:
        wish = replace(wish, location=visit.location)
    if not context["whole"]:  # a link alone names nobody
        wish = replace(wish, practitioners=[], practitioner=None)
    finder = Finder(wish, clinic=context["clinic"], now=now, patient=visit.patient, exclude=visit)
    found, cleared, earliest = None, None, None
    if treatment.needs_screening and visit.patient is not None:
        soonest = finder.first_free(cleared=True)
        on = soonest.local_date if soonest else today_at(now, wish.locations)
        found = clearance.clearance_for(visit.patient, treatment, area=visit.area, on=on, now=now)
        cleared = found.cleared
        if not cleared and visit.response_id is not None:
            asking = clearance.may_ask(visit.response_id, treatment, area=visit.area, on=on, now=now)
            earliest = asking.earliest
            if not asking.allowed and asking.why in ("rules", "decided"):
                return wish, None, found
    return wish, finder.week(cleared=cleared, earliest=earliest), found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cancel(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """GET asks whether to cancel, and says if it is late; POST cancels. Possible until the start."""
    now = timezone.now()
    found = seen(request, uuid, now)
    if found is None:
        return not_yours(request)
    visit, whole = found
    context = about(visit, whole, now)
    if visit.status == Appointment.Status.CANCELLED:
        return redirect("booking:appointment", visit.uuid)
    if not context["state"].may_cancel:
        return render(request, "booking/cancel_not_now.html", context)
    if request.method == "POST":
        try:
            appointments.cancel(visit, by="patient", reason=Appointment.Reason.PATIENT_ASKED, now=now)
        except appointments.NotAllowed as problem:
            return render(request, "booking/cancel.html", context | {"sentence": problem.sentence})
        return redirect("booking:appointment", visit.uuid)
    return render(request, "booking/cancel.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def talk(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """A consultation at the same time, in place of a treatment that waits. GET asks and says what it costs, POST does
    it. Never by the link of a message alone: it says what the visit is for."""
    now = timezone.now()
    found = seen(request, uuid, now)
    if found is None or not found[1]:
        return not_yours(request)
    visit, whole = found
    context = about(visit, whole, now)
    if not context["state"].may_talk:
        return redirect("booking:appointment", visit.uuid)
    consultation = appointments.consultation_for(visit)
    if request.method == "POST" and consultation is not None:
        try:
            appointments.turn_into_consultation(visit, by="patient", now=now)
        except appointments.NotAllowed as problem:
            context["sentence"] = problem.sentence
        else:
            messages.success(request, _("It is a talk now, at the same time. We have sent you a message about it."))
            return redirect("booking:appointment", visit.uuid)
    context |= {
        "fitting": consultation,
        "price": consultation.price_on(visit.day) if consultation else None,
        **not_now(visit.treatment),
    }
    return render(request, "booking/talk.html", context)


@never_cache
@require_safe
def calendar(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The appointment as a calendar file: once it is booked, and again to take it out when it was cancelled."""
    now = timezone.now()
    found = seen(request, uuid, now)
    if found is None:
        return not_yours(request)
    visit, _whole = found
    if visit.status in Appointment.CONFIRMED:
        method = calendars.PUBLISH
    elif visit.status == Appointment.Status.CANCELLED:
        method = calendars.CANCEL
    else:
        raise Http404
    body = calendars.calendar_file(visit, method=method, now=now)
    return HttpResponse(
        body,
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="appointment.ics"'},
    )


@never_cache
@require_safe
def link(request: HttpRequest, token: str) -> HttpResponseBase:
    """A link from a message: opens one appointment on this browser for a while, and takes the token off the address.

    Changes nothing about the appointment: mail scanners open links too.
    """
    now = timezone.now()
    try:
        uuid, purpose = links.read_link(token, now)
    except links.BadLink:
        return render(request, "booking/bad_link.html", status=404)
    grants = request.session.get(GRANTS)
    kept = {
        key: grant
        for key, grant in (grants.items() if isinstance(grants, dict) else ())
        if isinstance(grant, dict) and grant.get("until", 0) >= now.timestamp()
    }
    kept[str(uuid)] = {"purpose": purpose, "until": (now + GRANTED_FOR).timestamp()}
    request.session[GRANTS] = kept
    return redirect("booking:appointment", uuid)


# ---------------------------------------------------------------- the part of /my/


def my_appointments(request: HttpRequest, now: datetime) -> dict | None:
    """The panel of /my/: what is to come and what has been, of the signed-in patient. None for everybody else."""
    patient = patient_of(request)
    if patient is None:
        return None
    clinic = Clinic.get()
    visits = [
        {"visit": visit, "place": visit.location, "state": state_of(visit, clinic, now)}
        for visit in Appointment.objects.with_names()
        .filter(patient=patient)
        .exclude(status=Appointment.Status.ENTERED_IN_ERROR)
        .exclude(status=Appointment.Status.CANCELLED, previous_status=Appointment.Status.PROPOSED)
        .order_by("-starts_at")[:60]
    ]
    was_asked = any(row["state"].code == "question" for row in visits)
    questions = clearance.open_questions(patient) if was_asked else {}
    for row in visits:
        visit, state = row["visit"], row["state"]
        row["held"] = visit.status == Appointment.Status.PROPOSED
        if state.code == "question" and (visit.treatment_id, visit.area_id) not in questions:
            row["state"] = replace(state, code="asked")  # answered: now it waits for the clinician again
    to_come = [r for r in visits if (r["state"].is_open or r["held"]) and r["visit"].ends_at > now]
    return {"to_come": list(reversed(to_come)), "past": [r for r in visits if r not in to_come]}
