"""What booking shows on gathered staff pages: today at each place, one's own day, what is missing before opening."""

from datetime import datetime, timedelta

from django.db.models import Count, Exists, Max, Min, OuterRef, Q
from django.db.models.functions import TruncMonth
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from booking import desk, todo
from booking.appointment_pages import my_appointments
from booking.changing import is_here
from booking.models import Appointment, WorkingHours
from booking.staff_pages import sees_all
from booking.standing import with_hit
from clinic.accounts import signed_in
from clinic.models import Location, Patient, Practitioner, Room, Treatment, today_at
from clinic.panels import on_page_of
from clinic.registry import Missing, Panel, as_read_by

NEXT = 3
LAST = 5
Status = Appointment.Status


def desk_today(request: HttpRequest, now: datetime) -> dict:
    """Each place of the desk with the counts of its own local day and who comes next; and how many visits
    wait for something. Who is to be rung and which messages are unclear stand in panels of their own."""
    places = [place for place, _closed in desk.places_to_show(None, now=now)]
    days = {place.pk: place.day_of(now) for place in places}
    wanted = Q(pk__in=[])
    for pk, day in days.items():
        wanted |= Q(room__location=pk, local_date=day)
    visits = (
        with_hit(Appointment.objects.with_names().occupying())
        .filter(wanted, patient__isnull=False)
        .exclude(status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )
    at: dict[int, list[Appointment]] = {place.pk: [] for place in places}
    for visit in visits:
        at[visit.room.location_id].append(visit)
    rows = []
    for place in places:
        today = at[place.pk]
        here = [visit for visit in today if is_here(visit, now=now)]
        to_come = [visit for visit in today if visit.status in Appointment.OPEN and visit.ends_at > now]
        coming = [visit for visit in to_come if visit not in here]
        rows.append(
            {
                "place": place,
                "visits": len(today),
                "coming": len(coming),
                "here": len(here),
                "next": coming[:NEXT],
            }
        )
    tasks = todo.visits_to_do(now=now)
    return {"places": rows, "to_do": [(task.title, len(task.rows) + task.more) for task in tasks]}


def nobody_yet(request: HttpRequest, now: datetime) -> dict | None:
    """For a clinic that has not had a single visit asked for; None from the first one on."""
    return None if Appointment.objects.exists() else {}


def own_day(request: HttpRequest, now: datetime) -> dict | None:
    """A practitioner's own visits today; None for somebody who is not one."""
    user = signed_in(request)
    if not Practitioner.objects.filter(user=user, is_active=True).exists():
        return None
    return {"lines": desk.own_day(user, None, now=now)}


def before_opening(request: HttpRequest, now: datetime) -> dict:
    """Always shown: what is missing before anybody can book a time."""
    today = today_at(now)
    hours = WorkingHours.objects.counting(today).filter(practitioner=OuterRef("pk"), location__is_active=True)
    missing = []
    people = Practitioner.objects.filter(is_active=True)
    found = list(people.annotate(has_hours=Exists(hours)))
    if not found:
        missing.append(on_page_of("practitioner", _("Add a practitioner who sees patients.")))
    for person in found:
        if not person.has_hours:
            missing.append(hours_to_add(_("%(name)s has no working hours.") % {"name": person}))
    rooms = Room.objects.filter(location=OuterRef("pk"), is_active=True)
    for place in Location.objects.filter(is_active=True).exclude(Exists(rooms)):
        missing.append(on_page_of("room", _("%(place)s has no room.") % {"place": place}))
    offered = Treatment.objects.offered().filter(prices__valid_from__lte=today, practitioners__in=people)
    if not offered.exists():
        words = _("Offer something that has a price and that a practitioner gives.")
        missing.append(on_page_of("treatment", words))
    ends = WorkingHours.objects.aggregate(last=Max("valid_until"), endless=Count("pk", filter=Q(valid_until=None)))
    last_day = ends["last"]
    if last_day is not None and not ends["endless"] and last_day < today + timedelta(days=30):
        words = _("All working hours end on %(day)s. Add new ones, or nobody can book after that day.")
        missing.append(hours_to_add(words % {"day": date_format(last_day, "j F Y")}))
    return {"missing": as_read_by(request.user, missing)}


def hours_to_add(words: str) -> Missing:
    """Working hours that are missing; who may add them does it."""
    return Missing(words, reverse("admin:booking_workinghours_add"), "booking.add_workinghours")


def figures(request: HttpRequest, now: datetime) -> dict:
    """For managers: what became of the visits of this month and the last, by their own local days. No person, nothing
    clinical. A time that was only held counts for nothing."""
    this = today_at(now).replace(day=1)
    first, after = (this - timedelta(days=1)).replace(day=1), (this + timedelta(days=31)).replace(day=1)
    counts = (
        Appointment.objects.filter(patient__isnull=False, local_date__gte=first, local_date__lt=after)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .exclude(status=Status.CANCELLED, previous_status=Status.PROPOSED)
        .order_by()
        .values(month=TruncMonth("local_date"))
        .annotate(
            visits=Count("pk"),
            done=Count("pk", Q(status=Status.FULFILLED)),
            cancelled=Count("pk", Q(status=Status.CANCELLED)),
            late=Count("pk", Q(status=Status.CANCELLED, cancelled_late=True)),
            missed=Count("pk", Q(status=Status.NOSHOW)),
        )
    )
    found = {row["month"]: row for row in counts}
    return {"months": [found.get(month, {"month": month}) for month in (this, first)]}


def visits_of(request: HttpRequest, now: datetime, patient: Patient) -> dict:
    """On the page of a patient: the next visits and the last ones, of those that this person may see. Not what for."""
    visits = (
        Appointment.objects.with_names()
        .filter(patient=patient)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .exclude(status=Status.CANCELLED, previous_status=Status.PROPOSED)
        .order_by("-starts_at", "-pk")
    )
    found = list((visits if sees_all(request.user) else visits.filter(practitioner__user=request.user))[:20])
    coming = [visit for visit in found if visit.ends_at > now and visit.status not in Appointment.FREED]
    before = [visit for visit in found if visit not in coming]
    return {"patient": patient, "groups": [(_("To come"), coming[::-1]), (_("Before"), before[:LAST])]}


def usual_hours(request: HttpRequest, now: datetime) -> dict | None:
    """On the page with the addresses: from when until when somebody is at each place, by the days of the week, as the
    working hours of the next four weeks have it. Time off and closed days are not in it. None without any."""
    today = today_at(now)
    found = (
        WorkingHours.objects.counting(today, today + timedelta(weeks=4))
        .filter(location__is_active=True, practitioner__is_active=True)
        .order_by("location__name", "weekday")
        .values_list("location__name", "weekday")
        .annotate(Min("starts"), Max("ends"))
    )
    places: dict[str, list[dict]] = {}
    for place, weekday, *hours in found:
        days = places.setdefault(place, [])
        if days and days[-1]["hours"] == hours and days[-1]["last"] == weekday - 1:
            days[-1]["last"] = weekday  # the same as the day before: one line
        else:
            days.append({"first": weekday, "last": weekday, "hours": hours})
    for day in (day for days in places.values() for day in days):
        first, last = (WorkingHours.Weekday(day[end]).label for end in ("first", "last"))
        day["name"] = first if first == last else _("%(first)s to %(last)s") % {"first": first, "last": last}
    return {"places": places} if places else None


MINE = Panel("my", 10, "booking/my_appointments.html", my_appointments)
NOBODY_YET = Panel("dashboard", 1, "admin/booking/panels/nobody_yet.html", nobody_yet)
DESK = Panel("dashboard", 10, "admin/booking/panels/desk.html", desk_today, "booking.run_desk")
MY_DAY = Panel("dashboard", 11, "admin/booking/panels/my_day.html", own_day, "booking.check_in")
FIGURES = Panel("dashboard", 20, "admin/booking/panels/figures.html", figures, "clinic.change_clinic")
OPENING = Panel("opening", 20, "admin/booking/panels/opening.html", before_opening)
VISITS_OF = Panel("patient", 10, "admin/booking/panels/visits_of.html", visits_of, "booking.view_appointment")
USUAL_HOURS = Panel("contact", 10, "booking/panels/usual_hours.html", usual_hours)
