"""The pages of one appointment: how it stands, move, cancel, its calendar file, a link of a message (LOOK 9)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import wraps
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from booking import appointments, links, notices
from booking import ics as calendars
from booking.appointments import allows, check_cancel, check_talk
from booking.availability import Slot
from booking.changing import NotAllowed, Taken, TooClose, is_here, left_to_staff, needs_other_time
from booking.choosing import (
    ends_in,
    not_free,
    not_now,
    places,
    several_areas,
    times_form,
    too_close,
)
from booking.forms import ChosenTimeForm
from booking.models import Appointment
from booking.standing import with_hit
from booking.templatetags.booking_words import clock
from booking.templatetags.booking_words import day as day_in_words
from booking.times import Finder, Week, Wish, read_wish
from booking.visitors import kept_by, not_yours, open_for_a_while, patient_of, visible
from clinic import accounts
from clinic.models import Clinic, Patient, today_at
from clinic.zones import several_zones, zone_beside
from screening import clearance

# Whoever holds the link of a message reads nothing about health: not why a day is not possible, nor from when on.
NOT_THIS_TIME = _lazy("This time is not possible. Please choose another, sign in, or call us.")
CHANGED = _lazy("Your appointment has changed meanwhile, so we did nothing. This is how it stands now.")


@dataclass(frozen=True)
class State:
    """How an appointment stands, for its patient: a code that the templates know, and what may be done now.

    code: question, form, asked, booked, other-time (any of these, and nobody is there then), here, done, missed,
    refused, ended (by the practitioner; there is no decision to read), cancelled, void. needs: "question" or "form",
    what we wait for from them, other-time or not; else empty. prepare: whether the pages about preparing and aftercare
    belong to it. near: "here", somebody who waits in the house; "call", it began to wait so late that they call before
    they travel; else empty.
    """

    code: str
    needs: str
    may_move: bool
    may_cancel: bool
    late: bool  # cancelling now is later than the notice the clinic asks for; never where we took the time away
    prepare: bool
    may_talk: bool  # a consultation at the same time instead
    near: str

    @property
    def is_open(self) -> bool:
        """Whether it is still to come or being attended."""
        return self.code in ("question", "form", "asked", "booked", "other-time", "here")


def state_of(visit: Appointment, clinic: Clinic | None, now: datetime) -> State:
    """A pure function of the record (`with_hit`), the clinic's notice and the clock."""
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
    needs = ""
    if visit.status == status.PENDING:
        needs = "question" if visit.information_asked_at else "form" if visit.form_due_by else ""
        code = needs or "asked"
    if visit.status == status.CANCELLED and visit.cancel_reason == Appointment.Reason.CLINICAL:
        code = "refused"
    here = is_here(visit, now=now)
    if here and visit.status == status.BOOKED:
        code = "here"
    elif needs_other_time(visit, now=now):
        code = "other-time"
    to_come = allows(check_cancel, visit, by="patient", now=now)
    late = visit.is_late(clinic, now=now)
    prepare = visit.treatment.needs_screening and code in ("question", "form", "asked", "booked", "here", "done")
    return State(
        code,
        needs,
        may_move=to_come and not late,
        may_cancel=to_come,
        late=to_come and late and code != "other-time",
        prepare=prepare,
        may_talk=visit.status == status.PENDING
        and code != "other-time"
        and allows(check_talk, visit, by="patient", now=now),
        near="here" if here else "call" if left_to_staff(visit) else "",
    )


def own_visit(page: Callable[[HttpRequest, Appointment, bool, datetime], HttpResponseBase]):
    """A page of one appointment, for whoever may see it; `whole`: more than when and where (see `visible`)."""

    @wraps(page)
    def found(request: HttpRequest, uuid: UUID) -> HttpResponseBase:
        now = timezone.now()
        visit = visible(request, uuid, now)
        return page(request, *visit, now) if visit is not None else not_yours(request)

    return found


def is_old(request: HttpRequest, visit: Appointment) -> bool:
    """Whether the button was pressed on a page that showed another state or time of it, or does not say which. The
    verbs ask again with the locks held."""
    return request.POST.get("seen") != visit.fingerprint


@never_cache
@require_safe
@own_visit
def appointment(request: HttpRequest, visit: Appointment, whole: bool, now: datetime) -> HttpResponseBase:
    """My appointment: how it stands, where to come, what to do next (LOOK 9)."""
    if visit.status == Appointment.Status.PROPOSED:
        return redirect("booking:hold", visit.uuid) if whole else not_yours(request)
    context = about(visit, whole, now)
    if visit.patient is not None:
        reading = where_to_read(context["state"], visit, visit.patient)
        context |= reading if whole else {"state": reading.get("state", context["state"])}
    if not whole:
        context |= how_to_see_more(request, visit)
        if context["state"].code == "other-time" and not gives(visit):  # a link alone moves it to the same person only
            context["state"] = replace(context["state"], may_move=False)
    return render(request, "booking/appointment.html", context)


def gives(visit: Appointment) -> bool:
    """Whether its practitioner still works here and gives its treatment. One query."""
    return visit.treatment.practitioners.filter(pk=visit.practitioner_id, is_active=True).exists()


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


def answered(state: State) -> State:
    """As it stands once the question is answered: it waits for the clinician again."""
    return replace(state, code="asked" if state.code == "question" else state.code, needs="")


def where_to_read(state: State, visit: Appointment, patient: Patient) -> dict:
    """The patient's page of a clinician's question or refusal. An answered question is none any more."""
    if state.needs == "question":
        asked = clearance.open_questions(patient).get((visit.treatment_id, visit.area_id))
        if asked is None:
            return {"state": answered(state)}
        return {"reply_url": reverse("screening:reply", args=[asked])}
    if state.code == "refused":
        decided = clearance.refusal_of(patient, visit.treatment, area=visit.area, at=visit.cancelled_at)
        if decided is None:  # the practitioner ended it: what was decided before is a yes
            return {"state": replace(state, code="ended")}
        return {"decision_url": reverse("screening:decision", args=[decided])}
    if visit.response_id is not None and visit.status == Appointment.Status.PENDING:
        # "Not yet" may have been said of its answers, for the days before it. A no to older answers is no answer to it.
        decided = clearance.refusal_of(patient, visit.treatment, area=visit.area, response_id=visit.response_id)
        return {"decision_url": reverse("screening:decision", args=[decided])} if decided is not None else {}
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
        "form_late": visit.form_due_by is not None and visit.form_due_by < now,
        "let_go": notices.is_let_go_then(visit),
        "clinic": clinic,
        "locations": locations,
        "several_zones": several_zones(locations),
        "zone": zone_beside(visit.location, locations),
        "several_areas": several_areas(visit),
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@own_visit
def move(request: HttpRequest, visit: Appointment, whole: bool, now: datetime) -> HttpResponseBase:
    """Another time for the same appointment. GET shows times, POST moves; not with less notice than the clinic asks."""
    context = about(visit, whole, now)
    form = ChosenTimeForm(request.POST if request.method == "POST" else None)
    slot = form.cleaned_data["start"] if form.is_bound and form.is_valid() else None
    if slot is not None and context["state"].is_open and has_already(visit, slot):  # also when it was pressed twice
        when = {"day": day_in_words(visit.starts_at, visit.location), "clock": clock(visit.starts_at, visit.location)}
        messages.info(request, _("%(day)s, %(clock)s is the time that you have already.") % when)
        return redirect("booking:appointment", visit.uuid)
    if not context["state"].may_move:
        return render(request, "booking/move_not_now.html", context)
    if slot is not None:
        refused = move_to(request, visit, slot, whole, now)
        if refused is None:
            return redirect("booking:appointment", visit.uuid)
        context |= refused
        form = ChosenTimeForm()
    wish, week, cleared = times_to_move_to(request, visit, context, now)
    if week is None:
        return render(request, "booking/move_not_now.html", context | {"no_day": True} | not_now(visit.treatment))
    context |= times_form(reverse("booking:move", args=[visit.uuid]), wish, week, form, request)
    context |= {
        "looks_again": cleared is not None and not cleared.cleared,
        "looked_at_after": ends_in(week, cleared.valid_until) if cleared else None,
        "seen": visit.fingerprint,
        "limited": not whole,
        "rest": context["rest"] if whole else "",
        "button": _("Move it to the time I chose"),
        "one_button": _("Move it to this time"),
        "others": any(one.is_active and one != visit.practitioner for one in visit.treatment.practitioners.all()),
        "everywhere_url": f"{reverse('booking:move', args=[visit.uuid])}?location=",
        "everybody_url": f"{reverse('booking:move', args=[visit.uuid])}?practitioner=&location=",
        "stays": week.has_before(now + timedelta(hours=context["clinic"].notice_hours)),
    }
    if not whole:
        context |= how_to_see_more(request, visit)
    return render(request, "booking/move.html", context)


def has_already(visit: Appointment, slot: Slot) -> bool:
    """Whether that is the time it has."""
    place = visit.location.pk
    return (slot.starts_at, slot.practitioner_id, slot.location_id) == (visit.starts_at, visit.practitioner_id, place)


def move_to(request: HttpRequest, visit: Appointment, slot: Slot, whole: bool, now: datetime) -> dict | None:
    """Moves it, and says so on the next page; or what this page says where that cannot be.

    A link alone moves it to times with the same practitioner only: it names nobody, so nobody else may come unseen.
    """
    if is_old(request, visit):
        return {"sentence": CHANGED}
    if not whole and slot.practitioner_id != visit.practitioner_id:
        return {"sentence": NOT_THIS_TIME}
    try:
        visit = appointments.move(visit, slot=slot, by="patient", seen=visit.fingerprint, now=now)
    except Taken:
        return not_free(visit.treatment, slot, now)
    except (TooClose, NotAllowed) as problem:
        reason = too_close(problem) if isinstance(problem, TooClose) else problem.sentence
        return {"sentence": reason if whole else NOT_THIS_TIME}
    if whole:
        said = _("Your appointment has a new time, with %(who)s. We have sent you a message about it.")
        messages.success(request, said % {"who": visit.practitioner.name})
    else:
        messages.success(request, _("Your appointment has a new time. We have sent you a message about it."))
    return None


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
    only = None
    if not context["whole"]:  # a link alone names nobody
        wish = replace(wish, practitioners=[], practitioner=None, anybody=False)
        only = visit.practitioner
    elif wish.practitioner is None and not wish.anybody and visit.practitioner in wish.practitioners:
        wish = replace(wish, practitioner=visit.practitioner)
    finder = Finder(
        wish, clinic=context["clinic"], now=now, patient=visit.patient, exclude=visit, moves=True, only=only
    )
    found, cleared, earliest = None, None, None
    if treatment.needs_screening and visit.patient is not None:
        soonest = finder.first_free(cleared=True)
        on = soonest.local_date if soonest else today_at(now, wish.locations)
        found = clearance.clearance_for(visit.patient, treatment, area=visit.area, on=on, now=now)
        cleared = found.cleared
        if not cleared and visit.response_id is not None:
            asking = clearance.may_ask(visit.response_id, treatment, area=visit.area, on=on, now=now)
            earliest = asking.earliest
            if asking.is_no:
                return wish, None, found
            if earliest is not None and earliest > on:  # a clinician may have said yes from that day on
                found = clearance.clearance_for(visit.patient, treatment, area=visit.area, on=earliest, now=now)
                cleared = found.cleared
    return wish, finder.week(cleared=cleared, earliest=earliest), found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@own_visit
def cancel(request: HttpRequest, visit: Appointment, whole: bool, now: datetime) -> HttpResponseBase:
    """GET asks whether to cancel, and says if it is late; POST cancels. Possible until the start."""
    context = about(visit, whole, now)
    if visit.status == Appointment.Status.CANCELLED:
        return redirect("booking:appointment", visit.uuid)
    if not context["state"].may_cancel:
        return render(request, "booking/cancel_not_now.html", context)
    if request.method == "POST" and is_old(request, visit):
        context["sentence"] = CHANGED
    elif request.method == "POST":
        reason = Appointment.Reason.PATIENT_ASKED
        try:
            appointments.cancel(visit, by="patient", reason=reason, seen=visit.fingerprint, now=now)
        except NotAllowed as problem:
            context["sentence"] = problem.sentence
        else:
            return redirect("booking:appointment", visit.uuid)
    return render(request, "booking/cancel.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@own_visit
def talk(request: HttpRequest, visit: Appointment, whole: bool, now: datetime) -> HttpResponseBase:
    """A consultation at the same time, in place of a treatment that waits. GET asks and says what it costs, POST does
    it. Never by the link of a message alone: it says what the visit is for."""
    if not whole:
        return not_yours(request)
    context = about(visit, whole, now)
    if not context["state"].may_talk:
        return redirect("booking:appointment", visit.uuid)
    consultation = appointments.consultation_for(visit)
    if request.method == "POST" and is_old(request, visit):
        context["sentence"] = CHANGED
    elif request.method == "POST" and consultation is not None:
        try:
            appointments.turn_into_consultation(visit, by="patient", seen=visit.fingerprint, now=now)
        except NotAllowed as problem:
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
@own_visit
def calendar(request: HttpRequest, visit: Appointment, _whole: bool, now: datetime) -> HttpResponseBase:
    """The appointment as a calendar file: once it is booked, and again to take it out when it was cancelled. None where
    nobody is there then: the patient must not travel."""
    if visit.status in Appointment.CONFIRMED and state_of(visit, None, now).code != "other-time":
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
    open_for_a_while(request, uuid, purpose, now)
    return redirect("booking:appointment", uuid)


def my_appointments(request: HttpRequest, now: datetime) -> dict | None:
    """The panel of /my/: what is to come and what has been, of the signed-in patient, and the time that this browser
    keeps and that is among neither yet. None where there is nothing of it."""
    patient, kept = patient_of(request), kept_by(request)
    if kept is not None and kept.patient_id is not None:
        kept = None
    if patient is None:
        return {"kept": kept, "to_come": [], "past": []} if kept is not None else None
    clinic = Clinic.get()
    visits = [
        {"visit": visit, "place": visit.location, "state": state_of(visit, clinic, now)}
        for visit in with_hit(Appointment.objects.with_names())
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
            row["state"] = answered(state)
    to_come = [r for r in visits if (r["state"].is_open or r["held"]) and r["visit"].ends_at > now]
    return {"kept": kept, "to_come": list(reversed(to_come)), "past": [r for r in visits if r not in to_come]}
