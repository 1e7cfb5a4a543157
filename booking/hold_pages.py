"""The pages of a held time: who comes, the code, the confirmation, and what is said when the time is gone (LOOK 8)."""

from contextlib import suppress
from datetime import date, datetime
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from booking import holding
from booking.changing import NotAllowed, Taken, TalkFirst, TooClose
from booking.choosing import (
    is_taken,
    leave_to_choose,
    not_now,
    places,
    several_areas,
    times_form,
    too_close,
)
from booking.forms import ChosenTimeForm, DetailsForm
from booking.models import Appointment
from booking.standing import can_stand
from booking.templatetags.booking_words import clock
from booking.times import Finder, read_wish
from booking.visitors import (
    DETAILS,
    HOLD,
    WANTED,
    details_of,
    has_run_out,
    keep_details,
    kept_by,
    kept_details,
    known_birth_date,
    not_yours,
    own_hold,
    patient_of,
)
from clinic import accounts
from clinic.ages import is_adult
from clinic.models import Clinic, today_at
from clinic.zones import several_zones, zone_beside
from screening import clearance


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def hold(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
    """The held time: who comes, the code, and the confirmation (LOOK 8)."""
    now = timezone.now()
    held = own_hold(request, uuid)
    if held is None:
        known = is_typed(request) or kept_by(request) is not None
        return given_up_elsewhere(request, None, now) if known else not_yours(request)
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
    patient = patient_of(request)
    return "details" if patient and holding.is_another_person(patient, details) else "confirm"


def details_form(request: HttpRequest, held: Appointment | None, now: datetime, data=None) -> DetailsForm:
    """The form of the details, with what was typed before for this or a lost time; also for one that is given up."""
    initial = kept_details(request, now)
    if request.user.is_authenticated:
        initial.setdefault("email", request.user.email)
        initial.setdefault("name", request.user.name)
    return DetailsForm(
        data,
        initial=initial,
        ask_birth_date=held is None or known_birth_date(request, held, now) is None,
        today=today_for(held, now),
        place=held.location if held is not None else None,
    )


def today_for(held: Appointment | None, now: datetime) -> date:
    """The day it is where the time is held; of any place, where there is none."""
    return held.location.day_of(now) if held is not None else today_at(now, places())


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
        "expired": has_run_out(held, now),
        "several_zones": several_zones(locations),
        "zone": zone_beside(held.location, locations),
        "several_areas": several_areas(held),
        "locations": locations,
        "more_time_left": held.hold_extensions < holding.EXTENSIONS,
    }
    if step == "details" and form is None and details and patient_of(request):  # the record is another person's
        context["sentence"] = holding.WHO_IS_THIS
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
    if not is_adult(born, today_for(held, now)):
        return too_young(request, held, now)
    keep_details(request, typed, now)
    try:
        holding.take_details(
            held, name=typed["name"], phone=typed["phone"], email=typed["email"], birth_date=born, now=now
        )
        if accounts.somebody_else(request, typed["email"]):
            return redirect("booking:hold", held.uuid)
        request.session[HOLD] = str(held.uuid)
        return accounts.begin_code(request, email=typed["email"], name=typed["name"])
    except NotAllowed as problem:
        return show_hold(request, held, now, form, sentence=problem.sentence)
    except Taken:
        return gone(request, held, now)


def too_young(request: HttpRequest, held: Appointment | None, now: datetime) -> HttpResponse:
    """No online booking of any kind under 18: the time is given back and nothing that was typed is kept."""
    if held is not None:
        with suppress(NotAllowed):  # it has ended already
            holding.release(held, now=now)
    for key in (HOLD, DETAILS, WANTED):
        request.session.pop(key, None)
    return render(request, "booking/too_young.html")


def more_time(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """Five minutes more, up to ten times. What stands in the form of the details comes back as it was typed; whoever
    looks for their code comes back to the page that asks for it."""
    try:
        held = own_hold(request, holding.extend(held, now=now).uuid) or held
        messages.success(request, still_kept(held))
    except Taken:
        return gone(request, held, now)
    except NotAllowed as problem:
        messages.warning(request, problem.sentence)
    if "name" not in request.POST:
        looks_for_code = step_of(request, held) == "code"
        return redirect("account_confirm_login_code") if looks_for_code else redirect("booking:hold", held.uuid)
    form = details_form(request, held, now)
    form.initial = {box.name: box.data for box in details_form(request, held, now, request.POST)}
    return show_hold(request, held, now, form)


def still_kept(held: Appointment) -> str:
    """That there are five minutes more, and until when."""
    until = clock(held.hold_expires_at, held.location) if held.hold_expires_at else ""
    return _("You have five minutes more: we keep your time until %(clock)s.") % {"clock": until}


def give_back(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """The patient lets the time go."""
    try:
        holding.release(held, now=now)
    except NotAllowed:  # it ended, or became an appointment, a moment before
        held.refresh_from_db()
        return no_longer_held(request, held, now)
    request.session.pop(HOLD, None)
    messages.info(request, _("We gave that time back. You can choose another one."))
    return redirect(times_like(held))


def not_me(request: HttpRequest, held: Appointment, now: datetime) -> HttpResponseBase:
    """Somebody else is signed in here: signs them out. A time held in their name is given back, another one stays."""
    theirs = held.patient_id is not None or (held.response is not None and held.response.patient_id is not None)
    if theirs:
        with suppress(NotAllowed):  # it has ended already
            holding.release(held, now=now)
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
        patient = holding.patient_for(request.user, details) if details else patient_of(request)
        if patient is None:
            return redirect("booking:hold", held.uuid)
        done = holding.confirm(held, patient=patient, now=now)
    except Taken:
        return gone(request, held, now)
    except holding.AnotherPerson as problem:
        return show_hold(request, held, now, sentence=problem.sentence, step="details")
    except TooClose as problem:
        return show_hold(request, held, now, sentence=too_close(problem), other_times=times_like(held))
    except TalkFirst as problem:
        return show_hold(request, held, now, sentence=problem.sentence, **not_now(held.treatment))
    except NotAllowed as problem:
        return show_hold(request, held, now, sentence=problem.sentence, other_times=times_like(held))
    except (clearance.BirthDateDiffers, clearance.AnswersOfAnother, clearance.NotFinished):
        return show_hold(request, held, now, sentence=holding.WHO_IS_THIS)
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
    """Says whether somebody else has the time, or nobody is there then, with other times; what was typed is kept for
    the next one."""
    place = held.location.pk
    taken = is_taken(held.practitioner_id, place, held.starts_at, held.busy_until, now=now, but=held)
    context = {
        "held": held,
        "taken": held.starts_at <= now or taken or not can_stand(held),
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
        if request.session.get(HOLD) != str(held.uuid) and kept_by(request) is not None:
            return given_up_elsewhere(request, held, now)
        return (keep_typed(request, held, now) if is_typed(request) else None) or not_kept(request, held, now)
    return redirect("booking:appointment", held.uuid)


def given_up_elsewhere(request: HttpRequest, held: Appointment | None, now: datetime) -> HttpResponse:
    """For whoever acts while the same browser, in another tab, gave the time back or chose another one: it leads there,
    and what they typed waits for it. It says the same of a time that never was, or is somebody else's."""
    other = kept_by(request)
    if is_typed(request) and (refused := keep_typed(request, held, now)):
        return refused
    context = {"other": other, "kept": any(kept_details(request, now).values())}
    return render(request, "booking/given_up.html", context)


def is_typed(request: HttpRequest) -> bool:
    """Whether a patient sends the form of the details."""
    return request.method == "POST" and "name" in request.POST and not getattr(request.user, "is_staff", False)


def keep_typed(request: HttpRequest, held: Appointment | None, now: datetime) -> HttpResponse | None:
    """Keeps what stands in the form of a time that is lost meanwhile, for the next one, also where it is not right yet.
    Nothing of somebody under 18, who gets the page that says so."""
    form = details_form(request, held, now, request.POST)
    right, date_typed = form.is_valid(), form.cleaned_data.get("birth_date")
    born = (known_birth_date(request, held, now) if held is not None else None) or date_typed
    if born and not is_adult(born, today_for(held, now)):
        return too_young(request, held, now)
    typed = {name: form[name].data or "" for name in ("name", "phone", "email")}
    keep_details(request, form.cleaned_data if right else typed | {"birth_date": date_typed}, now, checked=right)
    return None
