"""Running the day in the staff site: the desk, phone bookings, one appointment, a practitioner's own day, and hours.

An appointment is never edited: every change is a verb of `booking.appointments`, the same that the public pages call,
behind a button that posts. GET changes nothing. Nothing here knows an answer, a finding or a reason; conditions are
shown on the practitioner's own visit page only, and `screening.clearance` asks there again who may read them.
"""

import uuid
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, models
from django.db.models import OuterRef, Q, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.templatetags.tz import do_timezone
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from booking import appointments, availability, desk, notices
from booking.appointments import NotAllowed, Refusal, Taken, TooClose
from booking.availability import Slot
from booking.changing import constraint_of
from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.admin import KeptAdmin, NeedsFirst, PatientForm, PrivateList, SearchesInPrivate
from clinic.models import CallBack, Location, Patient, Practitioner, Treatment, User
from outbox.messages import CannotResend, resend
from outbox.models import Message
from screening import clearance

Status = Appointment.Status
DAY = timedelta(days=1)
# What the front desk may say as a reason; a clinician's own reason is theirs.
DESK_REASONS = [
    Appointment.Reason.PATIENT_ASKED,
    Appointment.Reason.PRACTITIONER_AWAY,
    Appointment.Reason.CLINIC_CLOSED,
    Appointment.Reason.MISTAKE,
]
SHOWN_DAYS = 7
LOOK_FIRST = gettext_lazy(
    "Not today: a clinician has to look first. The answers are kept and the visit is back to “asked for”. "
    "Please tell the patient, kindly, that they hear from us."
)


class StaffRequest(HttpRequest):
    """A request that the staff site has let in: somebody is signed in."""

    user: User


def sees_all(user) -> bool:
    """Whether somebody sees every appointment: the front desk, managers, clinicians. Practitioners see their own."""
    return (
        user.has_perm("booking.run_desk")
        or user.has_perm("booking.enter_in_error")
        or user.has_perm("screening.view_answers")
    )


def read_day(text: str | None) -> date | None:
    """A day of an address; None for whatever is no day."""
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if 2000 <= day.year < 2200 else None


def said(refusal: Refusal) -> str:
    """The sentence of a refusal, with the first day that is possible."""
    if isinstance(refusal, TooClose) and refusal.first_day_possible:
        return _("%(sentence)s The first day possible is %(day)s.") % {
            "sentence": refusal.sentence,
            "day": date_format(refusal.first_day_possible, "l j F Y"),
        }
    return refusal.sentence


# ---------------------------------------------------------------- forms


class SearchForm(forms.Form):
    """Somebody on the phone or at the desk."""

    q = forms.CharField(
        label=gettext_lazy("Find a patient"),
        max_length=150,
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )


class CancelForm(forms.Form):
    """Why the front desk cancels."""

    reason = forms.ChoiceField(
        label=gettext_lazy("Why?"),
        choices=[(reason.value, reason.label) for reason in DESK_REASONS],
        widget=forms.RadioSelect,
        error_messages={
            "required": gettext_lazy("Please choose a reason."),
            "invalid_choice": gettext_lazy("Please choose one of these reasons."),
        },
    )


class ErrorForm(forms.Form):
    """Why an appointment should never have been entered."""

    reason = forms.CharField(
        label=gettext_lazy("Why should it never have been entered?"),
        help_text=gettext_lazy("For the record; without anything about health. This cannot be undone."),
        max_length=200,
        error_messages={"required": gettext_lazy("Please say why.")},
    )


class OneOf(forms.TypedChoiceField):
    """A choice among rows that were read already: cleaned it is the row, and nothing is read again."""

    def __init__(self, rows: Iterable[models.Model], key: str, *, nothing: str, **kwargs) -> None:
        by_key = {getattr(row, key): row for row in rows}
        super().__init__(
            choices=[("", nothing), *((value, str(row)) for value, row in by_key.items())],
            coerce=by_key.__getitem__,
            empty_value=None,
            **kwargs,
        )


class TimesForm(forms.Form):
    """Which times to look for: from a day on, with anybody or somebody, at a place or at all."""

    first = forms.DateField(
        label=gettext_lazy("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.practitioners = list(Practitioner.objects.filter(is_active=True))
        self.places = list(Location.objects.filter(is_active=True))
        self.fields["practitioner"] = OneOf(
            self.practitioners, "slug", label=_("Practitioner"), nothing=_("Anybody"), required=False
        )
        self.fields["location"] = OneOf(self.places, "slug", label=_("Place"), nothing=_("Anywhere"), required=False)

    def clean_first(self) -> date | None:
        """A day that a calendar here knows."""
        first = self.cleaned_data["first"]
        if first is not None and not 2000 <= first.year < 2200:
            raise ValidationError(_("Please check the year."))
        return first


class PhoneTimesForm(TimesForm):
    """The same for a new visit: what for, and where on the body."""

    overbook = forms.BooleanField(
        label=gettext_lazy("Also times when the practitioner is busy (overbooking)"), required=False
    )

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        treatments = list(Treatment.objects.offered().prefetch_related("areas"))
        areas = {area.pk: area for treatment in treatments for area in treatment.areas.all()}
        self.fields["treatment"] = OneOf(
            treatments,
            "slug",
            label=_("Treatment"),
            nothing=_("Choose"),
            error_messages={"required": _("Choose what it is for.")},
        )
        self.fields["area"] = OneOf(
            [areas[pk] for pk in sorted(areas)],
            "code",
            label=_("Area"),
            nothing=_("Choose"),
            required=False,
            help_text=_("For treatments; not for a talk."),
        )
        self.order_fields(["treatment", "area", "first", "practitioner", "location", "overbook"])

    def clean(self) -> dict:
        """A treatment has an area; the only one is taken by itself."""
        cleaned = super().clean() or self.cleaned_data
        treatment = cleaned.get("treatment")
        if treatment is None or not treatment.needs_screening:
            cleaned["area"] = None
            return cleaned
        areas = list(treatment.areas.all())
        if cleaned.get("area") is None and len(areas) == 1:
            cleaned["area"] = areas[0]
        if cleaned.get("area") not in areas and "area" not in self.errors:
            names = ", ".join(str(area) for area in areas)
            self.add_error("area", _("Choose an area that this treatment is for: %(areas)s.") % {"areas": names})
        return cleaned


class ChosenForm(forms.Form):
    """One time of those shown."""

    slot = forms.CharField(
        max_length=80,
        error_messages={"required": gettext_lazy("Choose a time."), "max_length": gettext_lazy("Choose a time.")},
    )

    def clean_slot(self) -> Slot:
        """As a slot, still to be checked by the verb."""
        try:
            return Slot.from_key(self.cleaned_data["slot"])
        except (ValueError, OverflowError):
            raise ValidationError(_("Choose one of the times on this page.")) from None


class BookForm(ChosenForm):
    """The last step on the phone. `request_key` makes two presses one appointment."""

    request_key = forms.UUIDField(widget=forms.HiddenInput)
    overbook_reason = forms.CharField(
        label=gettext_lazy("Why beside another visit?"),
        help_text=gettext_lazy("Kept with the appointment and your name; without anything about health."),
        max_length=200,
        required=False,
    )


class CheckInForm(forms.Form):
    """The parts of a check-in that are not questions about health."""

    says_name = forms.BooleanField(
        label=gettext_lazy("They told me their full name, and it is the name above"),
        error_messages={"required": gettext_lazy("Ask for the full name, and tick the box.")},
    )
    says_birth_date = forms.BooleanField(
        label=gettext_lazy("They told me their date of birth, and it is the date above"),
        error_messages={"required": gettext_lazy("Ask for the date of birth, and tick the box.")},
    )
    agreed = forms.BooleanField(
        label=gettext_lazy(
            "We talked about what will be done, the risks and the aftercare; they agree to the treatment today"
        ),
        error_messages={"required": gettext_lazy("Without agreement nothing is done today.")},
    )

    def __init__(self, *args, is_treatment: bool, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if not is_treatment:
            del self.fields["agreed"]


# ---------------------------------------------------------------- the list


class AppointmentList(PrivateList):
    """Rows lead to our own page, by uuid."""

    def url_for_result(self, result):
        return reverse("admin:booking_appointment_change", args=[result.uuid])


class ToDoFirst(NeedsFirst):
    """What is open: asked for, booked, or not closed. A search looks at all."""

    needs = gettext_lazy("open")

    def queryset(self, request, queryset):
        """Who searches looks for somebody, whatever their status."""
        return queryset if request.POST.get(SEARCH_VAR) else super().queryset(request, queryset)

    def needing(self, queryset):
        """Nothing that is over."""
        return queryset.filter(status__in=[Status.PENDING, Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN])


class DayFilter(admin.SimpleListFilter):
    """When."""

    title = gettext_lazy("day")
    parameter_name = "when"

    def lookups(self, request, model_admin):
        """Days as one speaks of them."""
        return [
            ("today", _("today")),
            ("tomorrow", _("tomorrow")),
            ("week", _("the next seven days")),
            ("past", _("past days")),
        ]

    def queryset(self, request, queryset):
        """By the local day of the visit; today is the clinic's."""
        today = timezone.localdate()
        return {
            "today": queryset.filter(local_date=today),
            "tomorrow": queryset.filter(local_date=today + DAY),
            "week": queryset.filter(local_date__gte=today, local_date__lt=today + 7 * DAY),
            "past": queryset.filter(local_date__lt=today),
        }.get(self.value() or "", queryset)


class PlaceFilter(admin.SimpleListFilter):
    """Where. Only the places, in one query."""

    title = gettext_lazy("place")
    parameter_name = "at"

    def lookups(self, request, model_admin):
        """By short name."""
        return Location.objects.values_list("slug", "name")

    def queryset(self, request, queryset):
        """At that place."""
        return queryset.filter(room__location__slug=self.value()) if self.value() else queryset


class WhoFilter(admin.SimpleListFilter):
    """With whom."""

    title = gettext_lazy("practitioner")
    parameter_name = "with"

    def lookups(self, request, model_admin):
        """By short name."""
        return Practitioner.objects.values_list("slug", "name")

    def queryset(self, request, queryset):
        """With them."""
        return queryset.filter(practitioner__slug=self.value()) if self.value() else queryset


@admin.register(Appointment)
class AppointmentAdmin(SearchesInPrivate):
    """Appointments: found and filtered here, changed by verbs only."""

    actions = None
    list_display = ["when", "who", "what", "practitioner", "place", "state"]
    list_filter = [ToDoFirst, DayFilter, PlaceFilter, WhoFilter, "status"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["reference"]  # shows the box; the search itself is below
    search_help_text = gettext_lazy("Name, phone, date of birth (4/5/1990 or 4 May 1990) or reference")
    change_list_template = "admin/booking/appointment/list.html"

    # --- who may

    def has_add_permission(self, request) -> bool:
        """Not by a form: see `phone`."""
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        """Not by a form: see the verbs."""
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        """Appointments are cancelled, never deleted."""
        return False

    def may(self, permission: str, view):
        """The view, inside the staff site, for whoever holds the permission; others get 403."""

        def guarded(request, *args, **kwargs):
            if not request.user.has_perm(permission):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return self.admin_site.admin_view(guarded)

    def get_queryset(self, request):
        """All, or a practitioner's own; never kept times of people we do not know yet."""
        found = Appointment.objects.with_names().filter(patient__isnull=False).order_by(*self.get_ordering(request))
        if sees_all(request.user):
            return found
        return found.filter(practitioner__user=request.user)

    def visit(self, request: StaffRequest, key: uuid.UUID) -> Appointment:
        """The appointment of an address, if this person may see it; else 404."""
        found = desk.numbered(self.get_queryset(request)).filter(uuid=key).first()
        if found is None:
            raise Http404
        return found

    # --- addresses

    def get_urls(self) -> list:
        """Our own pages, and none of Django's forms, deletions or histories."""
        site, desk_, own = self.admin_site.admin_view, "booking.run_desk", "booking.check_in"
        view = "booking.view_appointment"
        both = require_http_methods(["GET", "HEAD", "POST"])
        pages = [
            ("", "changelist", site(both(self.changelist_view))),
            ("desk/", "desk", self.may(desk_, both(self.desk))),
            ("desk/call-back/<int:pk>/rung/", "rung", self.may(desk_, require_POST(self.rung))),
            ("phone/", "phone", self.may(desk_, both(self.phone))),
            ("phone/<uuid:person>/", "phone_times", self.may(desk_, require_GET(self.phone_times))),
            ("phone/<uuid:person>/confirm/", "phone_confirm", self.may(desk_, both(self.phone_confirm))),
            ("my-day/", "my_day", self.may(own, require_GET(self.my_day))),
            ("to-move/", "to_move", self.may(view, require_GET(self.to_move))),
            ("<uuid:key>/", "change", self.may(view, require_GET(self.detail))),
            ("<uuid:key>/cancel/", "cancel", self.may(desk_, both(self.cancel))),
            ("<uuid:key>/move/", "move", self.may(desk_, both(self.move))),
            ("<uuid:key>/consultation/", "consultation", self.may(desk_, both(self.consultation))),
            ("<uuid:key>/error/", "error", self.may("booking.enter_in_error", both(self.error))),
            ("<uuid:key>/arrive/", "arrive", self.may(desk_, require_POST(self.arrive))),
            ("<uuid:key>/no-show/", "no-show", self.may(desk_, require_POST(self.no_show))),
            ("<uuid:key>/undo/", "undo", self.may(view, require_POST(self.undo))),
            ("<uuid:key>/send-form/", "send-form", self.may(desk_, require_POST(self.send_form))),
            ("<uuid:key>/resend/<uuid:message>/", "resend", self.may(desk_, require_POST(self.resend))),
            ("<uuid:key>/visit/", "visit", self.may(own, both(sensitive_post_parameters()(self.own_visit)))),
            ("<uuid:key>/visit/again/", "again", self.may(own, both(sensitive_post_parameters()(self.ask_again)))),
            ("<uuid:key>/visit/done/", "done", self.may(own, require_POST(self.done))),
            ("<uuid:key>/visit/not-today/", "not_today", self.may(own, require_POST(self.not_today))),
        ]
        return [path(route, page, name=f"booking_appointment_{name}") for route, name, page in pages]

    def page(self, request: StaffRequest, template: str, **context) -> HttpResponse:
        """A page in the frame of the staff site, never kept by a browser's cache."""
        status = context.pop("status", 200)
        response = render(
            request,
            f"admin/booking/appointment/{template}.html",
            {**self.admin_site.each_context(request), "opts": self.model._meta, **context},
            status=status,
        )
        response["Cache-Control"] = "no-store"
        return response

    def back(self, request: StaffRequest, visit: Appointment | None = None) -> str:
        """Where to go after a verb: the page that was named, if it is ours, else the visit."""
        wanted = request.POST.get("next") or request.GET.get("next") or ""
        if wanted.startswith("/admin/") and url_has_allowed_host_and_scheme(
            wanted, {request.get_host()}, require_https=request.is_secure()
        ):
            return wanted
        if visit is None:
            return reverse("admin:booking_appointment_desk")
        return reverse("admin:booking_appointment_change", args=[visit.uuid])

    # --- the list

    def changelist_view(self, request, extra_context=None):
        """With a title that says what it is."""
        return super().changelist_view(request, {"title": _("Appointments"), **(extra_context or {})})

    def get_changelist(self, request, **kwargs):
        """Rows that lead to our page."""
        return AppointmentList

    def get_ordering(self, request):
        """The nearest first."""
        return ["starts_at", "pk"]

    def get_search_results(self, request, queryset, search_term):
        """By who comes, or by the reference of the visit."""
        if not search_term.strip():
            return queryset, False
        text = search_term.replace("\0", "").strip()
        return queryset.filter(
            Q(patient__in=desk.patients_found(request, text).values("pk")) | Q(reference__iexact=text)
        ), False

    @admin.display(description=gettext_lazy("when"), ordering="starts_at")
    def when(self, visit) -> str:
        """On the wall there."""
        return date_format(visit.local_start, "D j M Y, H:i")

    @admin.display(description=gettext_lazy("patient"), ordering="patient__name")
    def who(self, visit) -> str:
        """As one asks for it on the phone."""
        return f"{visit.whose.name}, {visit.whose.birth_date:%d/%m/%Y}"

    @admin.display(description=gettext_lazy("for"))
    def what(self, visit) -> str:
        """Treatment and area."""
        return f"{visit.treatment} ({visit.area})" if visit.area else str(visit.treatment)

    @admin.display(description=gettext_lazy("place"))
    def place(self, visit) -> str:
        """The location; the room is on the day's page."""
        return visit.location.name

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, visit) -> str:
        """In words, with what is waited for."""
        if visit.status == Status.PENDING and visit.form_due_by:
            return _("%(status)s, form due") % {"status": visit.get_status_display()}
        return visit.get_status_display()

    # --- the desk

    def desk(self, request: StaffRequest) -> HttpResponse:
        """A day at a place, with the search and what is to do. POST only searches: a name is nothing for an address."""
        now = timezone.now()
        wanted_day = read_day(request.GET.get("day"))
        places = desk.places(wanted_day, now=now)
        if not places:
            return self.page(request, "no_place", title=_("Desk"))
        place = next((place for place in places if place.slug == request.GET.get("at")), places[0])
        day = wanted_day or now.astimezone(place.zone).date()
        by_room = request.GET.get("by") == "room"
        found = desk.the_day(day, place, by_room=by_room, now=now, user=request.user)
        form = SearchForm(request.POST if request.method == "POST" else None)
        people: list[desk.Person] = []
        more, searched = False, ""
        if form.is_bound and form.is_valid():
            searched = form.cleaned_data["q"]
            people, more = desk.find(request, searched, now=now)

        def address(**changes) -> str:
            wanted = {
                "day": day.isoformat() if day != found.today else None,
                "at": place.slug if place != places[0] else None,
                "by": "room" if by_room else None,
            } | changes
            query = urlencode({name: value for name, value in wanted.items() if value})
            return reverse("admin:booking_appointment_desk") + (f"?{query}" if query else "")

        context = {
            "title": _("Desk"),
            "day": found,
            "places": [(other, other == place, address(at=other.slug)) for other in places],
            "here": address(),
            "previous_day": address(day=(day - DAY).isoformat()),
            "next_day": address(day=(day + DAY).isoformat()),
            "today_address": address(day=None),
            "by_room": by_room,
            "other_columns": address(by=None if by_room else "room"),
            "printed": address(print="1"),
            "now": do_timezone(now, place.zone),
        }
        if "print" in request.GET:
            return self.page(request, "day_table", **context)
        tasks = desk.to_do(now=now, user=request.user)
        return self.page(
            request, "desk", form=form, searched=searched, people=people, more=more, tasks=tasks, **context
        )

    def rung(self, request: StaffRequest, pk: int) -> HttpResponse:
        """Somebody who asked for a call was rung."""
        call = CallBack.objects.filter(pk=pk).first()
        if call is None:
            raise Http404
        if not request.user.has_perm("clinic.change_callback"):
            raise PermissionDenied
        call.mark_done(by=request.user, now=timezone.now())
        messages.success(request, _("%(name)s was rung.") % {"name": call.name})
        return redirect(self.back(request))

    def to_move(self, request: StaffRequest) -> HttpResponse:
        """Upcoming visits that time off, closed days or changed hours hit."""
        if not sees_all(request.user):
            raise PermissionDenied
        return self.page(
            request,
            "to_move",
            title=_("Times to be moved"),
            visits=desk.cannot_stand(now=timezone.now()),
            here=request.path,
        )

    # --- one appointment

    def detail(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Everything about one appointment but health, and what can be done with it."""
        visit = self.visit(request, key)
        now = timezone.now()
        line = desk.lines([visit], now=now, user=request.user)[0]
        can_talk = (
            line.visit.treatment.needs_screening and visit.status in desk.OPEN and visit.starts_at > now and line.verbs
        )
        return self.page(
            request,
            "detail",
            title=_("Appointment %(reference)s") % {"reference": visit.reference},
            visit=visit,
            line=line,
            age=visit.whose.age_on(now.astimezone(visit.location.zone).date()),
            can_talk=can_talk,
            can_correct=request.user.has_perm("booking.enter_in_error") and visit.status != Status.ENTERED_IN_ERROR,
            is_mine=request.user.has_perm("booking.check_in") and visit.practitioner.user_id == request.user.pk,
            events=desk.history(visit),
            sent=Message.objects.filter(subject_uuid=visit.uuid).select_related("resent_by").order_by("-id"),
            here=request.path,
        )

    def look_again(self, request: StaffRequest, visit: Appointment) -> None:
        """Raises NotAllowed when the button was pressed on a page that showed another state or time of the visit.

        Several people work on the same day: "Undo" on a page of some minutes ago would take back what a colleague has
        done since, and "Cancel" would end a visit that was given another day.
        """
        if request.POST.get("seen", desk.seen(visit)) != desk.seen(visit):
            raise NotAllowed(
                _("Nothing was done: the visit has changed meanwhile. It is now “%(status)s”, %(when)s.")
                % {
                    "status": visit.get_status_display(),
                    "when": notices.local_text(visit.starts_at, visit.location),
                }
            )

    def try_verb(
        self, request: StaffRequest, key: uuid.UUID, verb, success: str, *, makes: str | None = None
    ) -> HttpResponse:
        """Calls `verb(visit, now)`, says what happened, and goes back. `makes`: the status it leads to; on a second
        press, or after a colleague was faster, the visit has it already, and there is nothing to say."""
        visit = self.visit(request, key)
        if makes is not None and visit.status == makes:
            return redirect(self.back(request, visit))
        try:
            self.look_again(request, visit)
            verb(visit, timezone.now())
        except Refusal as refusal:
            messages.error(request, f"{visit.whose.name}: {said(refusal)}")
        else:
            messages.success(request, success % {"name": visit.whose.name})
        return redirect(self.back(request, visit))

    def arrive(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """They are here."""
        return self.try_verb(
            request,
            key,
            lambda visit, now: appointments.arrive(visit, by=request.user, now=now),
            _("%(name)s has arrived."),
            makes=Status.ARRIVED,
        )

    def no_show(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """They did not come."""
        return self.try_verb(
            request,
            key,
            lambda visit, now: appointments.no_show(visit, by=request.user, now=now),
            _("%(name)s did not come. This can be undone for 15 minutes."),
            makes=Status.NOSHOW,
        )

    def undo(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Takes the last step back; the verb says who may."""
        return self.try_verb(
            request,
            key,
            lambda visit, now: appointments.undo(visit, by=request.user, now=now),
            _("Undone: %(name)s is where they were before."),
        )

    def send_form(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Sends the link to the form once more, or for the first time where the address came later."""

        def send(visit: Appointment, now: datetime) -> None:
            if not visit.whose.email:
                raise Refusal(_("There is no e-mail address. Add it to the patient’s record, then send the link."))
            if visit.status != Status.PENDING or visit.form_due_by is None:
                raise Refusal(_("No form is due for this visit."))
            last = (
                Message.objects.filter(subject_uuid=visit.uuid, kind="form_due", to__iexact=visit.whose.email)
                .exclude(state=Message.State.DROPPED)
                .order_by("-id")
                .first()
            )
            if last is None:
                notices.form_due(visit, now=now)
                return
            try:
                resend(last, by=request.user, now=now)
            except CannotResend as error:
                raise Refusal(str(error)) from error

        return self.try_verb(request, key, send, _("The form link is on its way to %(name)s."))

    def resend(self, request: StaffRequest, key: uuid.UUID, message: uuid.UUID) -> HttpResponse:
        """Sends one of its messages again."""

        def send(visit: Appointment, now: datetime) -> None:
            found = Message.objects.filter(uuid=message, subject_uuid=visit.uuid).first()
            if found is None:
                raise Http404
            try:
                resend(found, by=request.user, now=now)
            except CannotResend as error:
                raise Refusal(str(error)) from error

        return self.try_verb(request, key, send, _("The message goes to %(name)s once more."))

    def cancel(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks why, then cancels."""
        visit = self.visit(request, key)
        if request.method == "POST" and visit.status == Status.CANCELLED:  # a second press, or a colleague was faster
            messages.info(request, _("%(name)s: this visit is cancelled.") % {"name": visit.whose.name})
            return redirect(self.back(request, visit))
        form = CancelForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                self.look_again(request, visit)
                appointments.cancel(
                    visit, by="staff", user=request.user, reason=form.cleaned_data["reason"], now=timezone.now()
                )
            except Refusal as refusal:
                form.add_error(None, said(refusal))
            else:
                messages.success(
                    request,
                    _("Cancelled: %(name)s. This can be undone for 15 minutes.") % {"name": visit.whose.name},
                )
                return redirect(self.back(request, visit))
        return self.ask(
            request,
            visit,
            form,
            title=_("Cancel this appointment?"),
            words=_("The time becomes free for others. The patient gets a message, without the reason."),
            button=_("Cancel the appointment"),
            keep=_("Keep it"),
        )

    def consultation(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks, then turns a treatment into a talk at the same time."""
        visit = self.visit(request, key)
        form = forms.Form(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                self.look_again(request, visit)
                appointments.turn_into_consultation(visit, by="staff", user=request.user, now=timezone.now())
            except Refusal as refusal:
                form.add_error(None, said(refusal))
            else:
                messages.success(request, _("It is a consultation now, at the same time, and booked."))
                return redirect(self.back(request, visit))
        return self.ask(
            request,
            visit,
            form,
            title=_("Make it a consultation?"),
            words=_("Same time, same practitioner, the price of a consultation. The patient gets a message."),
            button=_("Make it a consultation"),
            keep=_("Leave it as it is"),
        )

    def error(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks why, then marks it as entered in error, for good."""
        visit = self.visit(request, key)
        form = ErrorForm(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                self.look_again(request, visit)
                appointments.mark_in_error(
                    visit, by=request.user, reason=form.cleaned_data["reason"], now=timezone.now()
                )
            except Refusal as refusal:
                form.add_error(None, said(refusal))
            else:
                messages.success(request, _("Marked as entered in error. Its time is free."))
                return redirect(self.back(request, visit))
        return self.ask(
            request,
            visit,
            form,
            title=_("Entered in error?"),
            words=_(
                "For an appointment that should never have been made. If it was made and is not wanted: cancel it."
            ),
            button=_("Mark as entered in error"),
            keep=_("Leave it as it is"),
        )

    def ask(self, request: StaffRequest, visit: Appointment, form: forms.Form, **context) -> HttpResponse:
        """A page that asks before something that hurts."""
        return self.page(
            request,
            "ask",
            visit=visit,
            seen=desk.seen(visit),
            form=form,
            errors=form.errors,
            back=self.back(request, visit),
            status=422 if form.errors else 200,
            **context,
        )

    # --- another time

    def free(
        self, form: TimesForm, wish: dict, treatment: Treatment, *, now: datetime, patient, area, exclude=None
    ) -> tuple[list, date | None]:
        """Free times for the front desk, a week from the wished day on, as `by_day`; where that week has none, the
        first day after it that has."""
        today = timezone.localdate(now)
        first = max(wish.get("first") or today, today)
        who, where = wish.get("practitioner"), wish.get("location")
        cleared = clearance.clearance_for(patient, treatment, area=area, on=first, now=now).cleared
        overbook = bool(wish.get("overbook"))
        diary = availability.Diary([treatment], now=now, first=first, days=SHOWN_DAYS, practitioner=who, location=where)
        diary.read_busy(first, SHOWN_DAYS, patient=patient, exclude=exclude, overbook=overbook)
        wanted = {"patient": patient, "area": area, "cleared": cleared, "staff": True}
        found = diary.slots(treatment, first=first, days=SHOWN_DAYS, one_each=who is None, **wanted)
        if treatment.needs_screening and not cleared:
            # They need the time that a clinician has to answer; it can differ from place to place.
            answered = {pk: diary.earliest_start(pk, cleared=False) for pk in diary.zones}
            found = (slot for slot in found if slot.starts_at >= answered[slot.location_id])
            wanted["not_before"] = max(answered.values(), default=now)
        days = self.by_day(form, list(found))
        if days:
            return days, None
        wanted |= {"practitioner": who, "location": where, "exclude": exclude, "earliest": first + SHOWN_DAYS * DAY}
        later = availability.first_free(treatment, now=now, **wanted)
        return [], later.starts_at.astimezone(diary.zones[later.location_id]).date() if later else None

    def by_day(self, form: TimesForm, slots: list[Slot]) -> list:
        """Slots as [(local day, [(who and where, [(key, clock)])])]."""
        places = {place.pk: place for place in form.places}
        people = {person.pk: person for person in form.practitioners}
        days: dict[date, dict[str, list]] = {}
        for slot in sorted(slots):
            place, person = places.get(slot.location_id), people.get(slot.practitioner_id)
            if place is None or person is None:
                continue  # opened since the form was read
            local = slot.starts_at.astimezone(place.zone)
            days.setdefault(local.date(), {}).setdefault(f"{person.name}, {place.name}", []).append(
                (slot.key, f"{local:%H:%M}")
            )
        return [(day, sorted(rows.items())) for day, rows in sorted(days.items())]

    def weeks(self, request: StaffRequest, first: date | None, next_free: date | None = None) -> dict:
        """The addresses of the weeks before and after, and of the next free day, with everything else as it was."""
        today = timezone.localdate()
        first = max(first or today, today)

        def week(day: date) -> str:
            query = request.GET.copy()
            query["first"] = day.isoformat()
            return f"?{query.urlencode()}"

        earlier = max(first - SHOWN_DAYS * DAY, today)
        return {
            "first_day": first,
            "last_day": first + (SHOWN_DAYS - 1) * DAY,
            "week_before": week(earlier) if earlier < first else "",
            "week_after": week(first + SHOWN_DAYS * DAY),
            "next_free": next_free,
            "week_of_next_free": week(next_free) if next_free else "",
        }

    def move(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Shows free times of a week; POST gives the appointment one of them."""
        visit, now = self.visit(request, key), timezone.now()
        times = TimesForm(request.GET if "first" in request.GET else None, initial={"first": visit.local_date})
        wish = times.cleaned_data if times.is_bound and times.is_valid() else {"first": visit.local_date}
        chosen = ChosenForm(request.POST if request.method == "POST" else None)
        alternatives = []
        if chosen.is_bound and chosen.is_valid():
            try:
                slot = chosen.cleaned_data["slot"]
                if (slot.starts_at, slot.practitioner_id) != (visit.starts_at, visit.practitioner_id):
                    self.look_again(request, visit)  # else it was pressed twice
                moved = appointments.move(visit, slot=slot, by="staff", user=request.user, now=now)
            except Refusal as refusal:
                chosen.add_error("slot", said(refusal))
                alternatives = self.by_day(times, refusal.alternatives) if isinstance(refusal, Taken) else []
            else:
                messages.success(request, self.moved_words(moved))
                return redirect(self.back(request, moved))
        movable = visit.status in desk.OPEN
        days, next_free = [], None
        if movable:
            days, next_free = self.free(
                times, wish, visit.treatment, now=now, patient=visit.patient, area=visit.area, exclude=visit
            )
        return self.page(
            request,
            "move",
            title=_("Move"),
            visit=visit,
            seen=desk.seen(visit),
            movable=movable,
            form=times,
            chosen=chosen,
            errors=chosen.errors,
            days=days,
            alternatives=alternatives,
            back=self.back(request, visit),
            status=422 if chosen.errors else 200,
            **self.weeks(request, wish.get("first"), next_free),
        )

    def moved_words(self, visit: Appointment) -> str:
        """What the desk says now."""
        words = _("Moved: %(name)s now comes on %(when)s.") % {
            "name": visit.whose.name,
            "when": notices.local_text(visit.starts_at, visit.location),
        }
        if visit.status == Status.PENDING:
            words += " " + _("A clinician still has to answer; the patient should not travel yet.")
        if not visit.whose.email:
            words += " " + _("There is no e-mail address: please tell them yourself.")
        return words

    # --- by phone

    def phone(self, request: StaffRequest) -> HttpResponse:
        """Step 1: who is it? A search first; somebody new only after looking."""
        now = timezone.now()
        is_new = request.method == "POST" and "new" in request.POST
        form = SearchForm(request.POST if request.method == "POST" and not is_new else None)
        new = PatientForm(request.POST if is_new else None, prefix="new")
        people: list[desk.Person] = []
        more, searched = False, ""
        if is_new and new.is_valid():
            patient = new.save()
            messages.success(request, _("%(name)s is a patient now.") % {"name": patient.name})
            return redirect("admin:booking_appointment_phone_times", patient.uuid)
        if form.is_bound and form.is_valid():
            searched = form.cleaned_data["q"]
            people, more = desk.find(request, searched, now=now)
        return self.page(
            request,
            "phone_who",
            title=_("Book by phone"),
            form=form,
            new=new,
            errors=new.errors,
            people=people,
            more=more,
            searched=searched,
            show_new=is_new or bool(searched),
            status=422 if new.errors else 200,
        )

    def person(self, key: uuid.UUID) -> Patient:
        """The patient of an address, or 404."""
        found = Patient.objects.filter(uuid=key).first()
        if found is None:
            raise Http404
        return found

    def phone_times(self, request: StaffRequest, person: uuid.UUID) -> HttpResponse:
        """Step 2: what for, and when."""
        patient, now = self.person(person), timezone.now()
        if patient.age_on(timezone.localdate(now)) < appointments.ADULT:
            return self.page(request, "phone_too_young", title=_("Book by phone"), patient=patient)
        form = PhoneTimesForm(request.GET if "treatment" in request.GET else None)
        days, next_free, wish = [], None, {}
        if form.is_bound and form.is_valid():
            wish = form.cleaned_data
            days, next_free = self.free(form, wish, wish["treatment"], now=now, patient=patient, area=wish["area"])
        return self.page(
            request,
            "phone_times",
            title=_("Book by phone"),
            patient=patient,
            form=form,
            errors=form.errors,
            wish=wish,
            days=days,
            **self.weeks(request, wish.get("first"), next_free),
        )

    def phone_confirm(self, request: StaffRequest, person: uuid.UUID) -> HttpResponse:
        """Step 3: says what will happen; POST books."""
        patient, now = self.person(person), timezone.now()
        wished = PhoneTimesForm(request.GET)
        times = reverse("admin:booking_appointment_phone_times", args=[patient.uuid])
        query = request.GET.copy()
        query.pop("slot", None)
        back = f"{times}?{query.urlencode()}"
        if not wished.is_valid():
            return redirect(back)
        wish = wished.cleaned_data
        initial = {"slot": request.GET.get("slot"), "request_key": uuid.uuid4()}
        form = BookForm(request.POST if request.method == "POST" else None, initial=initial)
        alternatives = []
        if form.is_bound and wish["overbook"] and not form.data.get("overbook_reason", "").strip():
            form.add_error("overbook_reason", _("Say why, or choose a free time."))
        if form.is_bound and form.is_valid():
            try:
                made = appointments.book_by_phone(
                    patient=patient,
                    treatment=wish["treatment"],
                    area=wish["area"],
                    slot=form.cleaned_data["slot"],
                    by=request.user,
                    now=now,
                    overbook_reason=form.cleaned_data["overbook_reason"] if wish["overbook"] else "",
                    request_key=form.cleaned_data["request_key"],
                )
            except Refusal as refusal:
                there = self.already_there(patient, form.cleaned_data["slot"])
                if there is not None:  # "back" after booking, and pressed once more
                    messages.info(request, _("This is booked already: here it is."))
                    return redirect("admin:booking_appointment_change", there.uuid)
                form.add_error(None, said(refusal))
                alternatives = self.by_day(wished, refusal.alternatives) if isinstance(refusal, Taken) else []
            else:
                if made.patient_id != patient.pk:
                    raise Http404
                for level, words in self.booked_words(made):
                    messages.add_message(request, level, words)
                return redirect("admin:booking_appointment_change", made.uuid)
        slot = self.shown_slot(form)
        if slot is None:
            messages.error(request, _("Choose one of the times on this page."))
            return redirect(back)
        place = next((place for place in wished.places if place.pk == slot.location_id), None)
        who = next((person for person in wished.practitioners if person.pk == slot.practitioner_id), None)
        if place is None or who is None:
            messages.error(request, _("Choose one of the times on this page."))
            return redirect(back)
        treatment, area = wish["treatment"], wish["area"]
        on = slot.starts_at.astimezone(place.zone).date()
        found = clearance.clearance_for(patient, treatment, area=area, on=on, now=now)
        return self.page(
            request,
            "phone_confirm",
            title=_("Book by phone"),
            patient=patient,
            wish=wish,
            form=form,
            errors=form.errors,
            slot=slot,
            when=notices.local_text(slot.starts_at, place),
            place=place,
            practitioner=who,
            price=treatment.price_on(on),
            at_once=found.cleared,
            alternatives=alternatives,
            back=back,
            status=422 if form.errors else 200,
        )

    def already_there(self, patient: Patient, slot: Slot) -> Appointment | None:
        """Their own visit at exactly that time with that practitioner, if they have one."""
        visits = Appointment.objects.occupying().filter(patient=patient, starts_at=slot.starts_at)
        return visits.filter(practitioner=slot.practitioner_id).first()

    def shown_slot(self, form: BookForm) -> Slot | None:
        """The time a confirm page is about: posted, or of the address; None for what is no time."""
        try:
            return Slot.from_key(str(form["slot"].value() or ""))
        except (ValueError, OverflowError):
            return None

    def booked_words(self, visit: Appointment) -> list[tuple[int, str]]:
        """What was booked and what the desk does or says now."""
        when = notices.local_text(visit.starts_at, visit.location)
        if visit.status == Status.BOOKED:
            words = [(messages.SUCCESS, _("Booked: %(name)s, %(when)s.") % {"name": visit.whose.name, "when": when})]
            if not visit.whose.email:
                words.append((messages.WARNING, _("No e-mail address: please say day, time and place on the phone.")))
            return words
        words = [
            (
                messages.SUCCESS,
                _("Asked for: %(name)s, %(when)s. The time is kept.") % {"name": visit.whose.name, "when": when},
            )
        ]
        if visit.form_due_by:
            due = notices.local_text(visit.form_due_by, visit.location)
            if visit.whose.email:
                words.append(
                    (messages.INFO, _("The link to the form is on its way. Form due by %(due)s.") % {"due": due})
                )
            else:
                words.append(
                    (
                        messages.WARNING,
                        _(
                            "Form due by %(due)s, but we have no e-mail address and cannot send the link. Ask for an "
                            "address, add it to the patient’s record, and press “Send the form link again”. Without "
                            "the form the time is let go."
                        )
                        % {"due": due},
                    )
                )
        elif visit.answer_by:
            answer = notices.local_text(visit.answer_by, visit.location)
            words.append(
                (messages.INFO, _("A clinician answers by %(when)s. Please do not travel before.") % {"when": answer})
            )
        return words

    # --- a practitioner's own day

    def my_day(self, request: StaffRequest) -> HttpResponse:
        """Own visits of a day."""
        now = timezone.now()
        today = timezone.localdate(now)
        day = read_day(request.GET.get("day")) or today
        here = reverse("admin:booking_appointment_my_day")
        return self.page(
            request,
            "my_day",
            title=_("My day"),
            day=day,
            today=today,
            lines=desk.own_day(request.user, day, now=now),
            previous_day=f"{here}?day={day - DAY:%Y-%m-%d}",
            next_day=f"{here}?day={day + DAY:%Y-%m-%d}",
            here=here,
        )

    def mine(self, request: StaffRequest, key: uuid.UUID) -> Appointment:
        """A visit with oneself, or 404."""
        visit = self.visit(request, key)
        if visit.practitioner.user_id != request.user.pk:
            raise Http404
        return visit

    def own_visit(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Everything before, during and after one visit with oneself; POST checks the patient in."""
        visit, now = self.mine(request, key), timezone.now()
        today = now.astimezone(visit.location.zone).date()
        is_treatment = visit.treatment.needs_screening
        can_check_in = visit.status == Status.ARRIVED and visit.local_date == today
        asked = is_treatment and clearance.rechecked(visit.whose, on=visit.day)
        data = request.POST if request.method == "POST" else None
        form = CheckInForm(data, is_treatment=is_treatment)
        steps = None
        if is_treatment and can_check_in and not asked:
            steps = clearance.recheck_steps(data, today=today)
        if request.method == "POST":
            done = self.check_in(request, visit, form, steps, can_check_in=can_check_in, asked=asked, now=now)
            if done is not None:
                return done
            asked = is_treatment and clearance.rechecked(visit.whose, on=visit.day)
            steps = None if asked else steps
        conditions, may_read = None, True
        if is_treatment:
            try:
                conditions = clearance.conditions_for(
                    visit.whose, visit.treatment, area=visit.area, by=request.user, now=now
                )
            except PermissionDenied:
                may_read = False
        before = (
            Appointment.objects.with_names()
            .filter(patient=visit.patient, status=Status.FULFILLED, starts_at__lt=visit.starts_at)
            .order_by("-starts_at")
        )
        errors = dict(form.errors)
        for step in steps or []:
            errors |= step.errors
        line = desk.lines([visit], now=now, user=request.user)[0]
        return self.page(
            request,
            "visit",
            title=_("Visit %(reference)s") % {"reference": visit.reference},
            visit=visit,
            line=line,
            age=visit.whose.age_on(today),
            is_treatment=is_treatment,
            can_check_in=can_check_in,
            asked=asked,
            no_questions=is_treatment and can_check_in and not asked and steps is None,
            form=form,
            steps=steps,
            error_list=[form, *(steps or [])] if request.method == "POST" else [],
            errors=errors if request.method == "POST" else {},
            conditions=conditions,
            may_read=may_read,
            last=before.filter(area=visit.area).first() if visit.area_id else None,
            last_visit=before.first(),
            can_undo=visit.status == Status.FULFILLED and now <= visit.status_changed_at + appointments.UNDO,
            can_stop=visit.status in (Status.PENDING, Status.BOOKED, Status.ARRIVED, Status.CHECKED_IN),
            my_day=reverse("admin:booking_appointment_my_day"),
            status=422 if request.method == "POST" else 200,
        )

    def check_in(self, request, visit, form, steps, *, can_check_in: bool, asked: bool, now: datetime):
        """Identity, then the questions, then agreement. A response when it is done, None when the page is shown again.

        The questions are kept as soon as it is sure who answers them: what is new there must not be lost because
        nobody agreed to a treatment that will not be given.
        """
        if not can_check_in:
            form.add_error(None, _("A visit can be checked in on its day, once the front desk has marked the arrival."))
            return None
        form_ok = form.is_valid()
        right_person = "says_name" not in form.errors and "says_birth_date" not in form.errors
        if visit.treatment.needs_screening and not asked:
            if steps is None:
                form.add_error(
                    None,
                    _(
                        "No short questions are published. Please tell the lead clinician; "
                        "nobody can be treated without them."
                    ),
                )
                return None
            if not all(step.is_valid() for step in steps) or not right_person:
                return None
            try:
                nothing_new = self.keep_answers(visit, steps, by=request.user, now=now)
            except ValidationError as error:
                form.add_error(None, " ".join(error.messages))
                return None
            if not nothing_new:
                messages.warning(request, LOOK_FIRST)
                return redirect("admin:booking_appointment_visit", visit.uuid)
        if not form_ok:
            return None
        try:
            appointments.check_in(
                visit, by=request.user, identity_confirmed=True, agreed="agreed" in form.fields, now=now
            )
        except Refusal as refusal:
            form.add_error(None, said(refusal))
            return None
        messages.success(request, _("Checked in. You can begin."))
        return redirect("admin:booking_appointment_visit", visit.uuid)

    def ask_again(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The short questions once more, when something comes up after they were asked; also once checked in."""
        visit, now = self.mine(request, key), timezone.now()
        here = redirect("admin:booking_appointment_visit", visit.uuid)
        today = now.astimezone(visit.location.zone).date()
        is_on = visit.status in (Status.ARRIVED, Status.CHECKED_IN) and visit.local_date == today
        steps = clearance.recheck_steps(request.POST if request.method == "POST" else None, today=today)
        if not is_on or not visit.treatment.needs_screening or steps is None:
            return here
        refused = ""
        if request.method == "POST" and all(step.is_valid() for step in steps):
            try:
                nothing_new = self.keep_answers(visit, steps, by=request.user, now=now)
            except ValidationError as error:
                refused = " ".join(error.messages)
            else:
                if nothing_new:
                    messages.success(request, _("Kept: nothing new."))
                else:
                    messages.warning(request, LOOK_FIRST)
                return here
        is_wrong = bool(refused) or any(step.errors for step in steps)
        return self.page(
            request,
            "again",
            title=_("The short questions again"),
            visit=visit,
            steps=steps,
            refused=refused,
            errors=is_wrong,
            status=422 if is_wrong else 200,
        )

    def keep_answers(self, visit: Appointment, steps: list, *, by, now: datetime) -> bool:
        """Stores valid answers to the short questions; whether nothing speaks against treating today."""
        answers = {link_id: value for step in steps for link_id, value in step.answers().items() if value is not None}
        return clearance.recheck(visit.whose, answers, by=by, today=visit.day, now=now)

    def done(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The visit is done."""
        visit = self.mine(request, key)
        if visit.status == Status.FULFILLED:  # pressed twice
            return redirect("admin:booking_appointment_my_day")
        try:
            self.look_again(request, visit)
            appointments.fulfil(visit, by=request.user, now=timezone.now())
        except Refusal as refusal:
            messages.error(request, said(refusal))
            return redirect("admin:booking_appointment_visit", visit.uuid)
        messages.success(request, _("%(name)s: done. This can be undone for 15 minutes.") % {"name": visit.whose.name})
        return redirect("admin:booking_appointment_my_day")

    def not_today(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The practitioner decides not to treat today: cancelled by a clinician."""
        visit = self.mine(request, key)
        try:
            self.look_again(request, visit)
            appointments.cancel(
                visit, by="clinician", user=request.user, reason=Appointment.Reason.CLINICAL, now=timezone.now()
            )
        except Refusal as refusal:
            messages.error(request, said(refusal))
            return redirect("admin:booking_appointment_visit", visit.uuid)
        messages.success(request, _("%(name)s is not treated today. The time is free.") % {"name": visit.whose.name})
        return redirect("admin:booking_appointment_my_day")


# ---------------------------------------------------------------- hours


class HitsAppointments(KeptAdmin):
    """Saving says which appointments cannot stand any more, with the way to move them."""

    # The browser's own boxes for days and times: they work without JavaScript, and the admin's calendar writes inline
    # styles, which our content security policy refuses.
    formfield_overrides = {
        models.DateField: {"widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")},
        models.TimeField: {"widget": forms.TimeInput(attrs={"type": "time"}, format="%H:%M")},
        models.DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        },
    }

    class Media:
        css = {"all": ["css/desk.css"]}

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        """Without the small buttons that open other forms over this one."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        for name in ("can_add_related", "can_change_related", "can_delete_related", "can_view_related"):
            if field is not None and hasattr(field.widget, name):
                setattr(field.widget, name, False)
        return field

    def has_delete_permission(self, request, obj=None) -> bool:
        """Whoever may: these are plans, not history."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def say_hits(self, request, obj) -> None:
        """A warning with the count; the page behind it lists them."""
        hit = desk.cannot_stand(
            now=timezone.now(),
            practitioner=getattr(obj, "practitioner", None),
            location=obj.location if isinstance(obj, Closure) else None,
        )
        if hit:
            messages.warning(
                request,
                _("%(count)s upcoming appointments cannot stand any more. They are listed below: please move them.")
                % {"count": len(hit)}
                if len(hit) > 1
                else _("One upcoming appointment cannot stand any more. It is listed below: please move it."),
            )

    def _after(self, request, obj, response):
        hit = desk.cannot_stand(
            now=timezone.now(),
            practitioner=getattr(obj, "practitioner", None),
            location=obj.location if isinstance(obj, Closure) else None,
        )
        goes_on = {"_continue", "_addanother", "_popup"} & set(request.POST)
        return redirect("admin:booking_appointment_to_move") if hit and not goes_on else response

    def response_add(self, request, obj, post_url_continue=None):
        """To the list of hit appointments, if there are any."""
        self.say_hits(request, obj)
        return self._after(request, obj, super().response_add(request, obj, post_url_continue))

    def response_change(self, request, obj):
        """To the list of hit appointments, if there are any."""
        self.say_hits(request, obj)
        return self._after(request, obj, super().response_change(request, obj))


class WorkingHoursForm(forms.ModelForm):
    """Hours that do not overlap others of the same practitioner: nobody is in two places."""

    class Meta:
        model = WorkingHours
        fields = [
            "practitioner",
            "location",
            "weekday",
            "starts",
            "ends",
            "break_starts",
            "break_ends",
            "valid_from",
            "valid_until",
        ]
        help_texts = {
            "starts": gettext_lazy("As the clock on the wall of the place shows it. Visits and cleaning fit inside."),
            "break_starts": gettext_lazy("Nothing is booked into the break. Leave both empty for none."),
        }

    def clean(self) -> dict:
        """Refuses overlaps with a sentence that names the other hours."""
        cleaned = super().clean() or self.cleaned_data
        needed = ("practitioner", "weekday", "starts", "ends", "valid_from")
        if any(cleaned.get(name) is None for name in needed):
            return cleaned
        others = WorkingHours.objects.filter(
            Q(valid_until=None) | Q(valid_until__gte=cleaned["valid_from"]),
            practitioner=cleaned["practitioner"],
            weekday=cleaned["weekday"],
            starts__lt=cleaned["ends"],
            ends__gt=cleaned["starts"],
        ).exclude(pk=self.instance.pk)
        if cleaned.get("valid_until"):
            others = others.filter(valid_from__lte=cleaned["valid_until"])
        other = others.select_related("practitioner", "location").first()
        if other is not None:
            raise ValidationError(
                _("%(name)s already works then: %(day)s %(starts)s to %(ends)s at %(place)s. Hours may not overlap."),
                params={
                    "name": other.practitioner,
                    "day": other.get_weekday_display(),
                    "starts": f"{other.starts:%H:%M}",
                    "ends": f"{other.ends:%H:%M}",
                    "place": other.location,
                },
            )
        return cleaned


@admin.register(WorkingHours)
class WorkingHoursAdmin(HitsAppointments):
    """When practitioners work, week by week."""

    form = WorkingHoursForm
    list_display = ["practitioner", "weekday", "from_to", "pause", "location", "counts"]
    list_filter = ["weekday", WhoFilter]
    list_select_related = ["practitioner", "location"]
    ordering = ["practitioner__name", "weekday", "starts"]
    fieldsets = [
        (None, {"fields": ["practitioner", "location", "weekday", ("starts", "ends"), ("break_starts", "break_ends")]}),
        (
            gettext_lazy("From when"),
            {
                "fields": [("valid_from", "valid_until")],
                "description": gettext_lazy(
                    "To change hours from a day on: end these the day before, and add new ones. "
                    "Appointments outside the new hours stay, and are listed for you to move."
                ),
            },
        ),
    ]

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """As Django's; for the second of two people who save overlapping hours at once, the wall's answer in words."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except IntegrityError as error:
            if constraint_of(error) != "booking_workinghours_in_one_place":
                raise
            messages.error(request, _("Nothing was saved: somebody has just added hours that overlap. Please look."))
            return redirect("admin:booking_workinghours_changelist")

    @admin.display(description=gettext_lazy("hours"))
    def from_to(self, hours) -> str:
        """Wall-clock times."""
        return f"{hours.starts:%H:%M}–{hours.ends:%H:%M}"

    @admin.display(description=gettext_lazy("break"))
    def pause(self, hours) -> str:
        """Wall-clock times, or nothing."""
        if not (hours.break_starts and hours.break_ends):
            return ""
        return f"{hours.break_starts:%H:%M}–{hours.break_ends:%H:%M}"

    @admin.display(description=gettext_lazy("from when"))
    def counts(self, hours) -> str:
        """First and last day."""
        until = f"{hours.valid_until:%d/%m/%Y}" if hours.valid_until else _("no end")
        return _("%(first)s to %(last)s") % {"first": f"{hours.valid_from:%d/%m/%Y}", "last": until}


class WallClockField(forms.DateTimeField):
    """A day and a time as a clock on a wall shows them; the form says on which wall, and makes an instant of them."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")

    def to_python(self, value) -> datetime | None:
        """Without a time zone."""
        with timezone.override(UTC):  # which skips nothing: what is no time elsewhere may be one there
            found = super().to_python(value)
        if found is None:
            return None
        if not 2000 <= found.year < 2200:
            raise ValidationError(_("Please check the year."))
        return found.replace(tzinfo=None)


def zone_where_they_work(practitioner: Practitioner) -> ZoneInfo | None:
    """The time zone of the places where somebody has hours; None with hours in several zones, or none at all."""
    hours = WorkingHours.objects.filter(practitioner=practitioner)
    zones = set(hours.order_by().values_list("location__time_zone", flat=True))
    return ZoneInfo(zones.pop()) if len(zones) == 1 else None


class TimeOffForm(forms.ModelForm):
    """Time off by the clock on the wall of the place where they work."""

    starts_at = WallClockField(label=gettext_lazy("From"))
    ends_at = WallClockField(label=gettext_lazy("To"))
    by_clock_of = forms.ModelChoiceField(
        Location.objects.all(),
        label=gettext_lazy("By the clock of"),
        required=False,
        empty_label=gettext_lazy("the place where they work"),
    )

    class Meta:
        model = TimeOff
        fields = ["practitioner", "starts_at", "ends_at", "reason"]

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is not None:
            zone = zone_where_they_work(self.instance.practitioner)
            if zone is None:
                place = Location.objects.filter(is_active=True).first() or Location.objects.first()
                self.initial["by_clock_of"] = place
                zone = place.zone if place else timezone.get_default_timezone()
            for name in ("starts_at", "ends_at"):
                self.initial[name] = timezone.make_naive(getattr(self.instance, name), zone)

    def clean(self) -> dict:
        """Makes instants of both. A time that the clock there skips or shows twice is taken so that more is off."""
        cleaned = super().clean() or self.cleaned_data
        practitioner, place = cleaned.get("practitioner"), cleaned.get("by_clock_of")
        zone = place.zone if place else zone_where_they_work(practitioner) if practitioner else None
        if zone is None:
            zone = timezone.get_default_timezone()
            if practitioner:
                self.add_error("by_clock_of", _("They work by several clocks, or nowhere yet. Choose a place."))
        for name, pick in (("starts_at", min), ("ends_at", max)):
            wall = cleaned.get(name)
            if wall is not None:
                cleaned[name] = pick(wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
        return cleaned


@admin.register(TimeOff)
class TimeOffAdmin(HitsAppointments):
    """When a practitioner sees nobody."""

    form = TimeOffForm
    list_display = ["practitioner", "begins", "ends", "reason"]
    list_filter = [WhoFilter]
    list_select_related = ["practitioner"]
    ordering = ["-starts_at"]
    date_hierarchy = None

    def get_fieldsets(self, request, obj=None):
        """The form for who may write; the same facts by the clock there for who may only look."""
        may_write = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        times = ["starts_at", "ends_at", "by_clock_of"] if may_write else ["begins", "ends"]
        words = _(
            "No new visit is offered in this time. Visits that are there already stay until somebody moves them: they "
            "are listed after saving. Times are those on the wall of the place where they work."
        )
        return [(None, {"fields": ["practitioner", *times, "reason"], "description": words})]

    def get_readonly_fields(self, request, obj=None):
        """What nobody types."""
        return ["begins", "ends"]

    def get_queryset(self, request):
        """With a place where they work: its clock counts for showing."""
        hours = WorkingHours.objects.filter(practitioner=OuterRef("practitioner")).order_by("location__name")
        return (
            super()
            .get_queryset(request)
            .annotate(
                zone=Subquery(hours.values("location__time_zone")[:1]),
                place=Subquery(hours.values("location__name")[:1]),
            )
        )

    @admin.display(description=gettext_lazy("from"), ordering="starts_at")
    def begins(self, off) -> str:
        """On the wall there."""
        return self.on_the_wall(off, off.starts_at)

    @admin.display(description=gettext_lazy("to"), ordering="ends_at")
    def ends(self, off) -> str:
        """On the wall there."""
        return self.on_the_wall(off, off.ends_at)

    def on_the_wall(self, off, moment: datetime) -> str:
        """With the place, for a clinic in several time zones."""
        zone = ZoneInfo(off.zone or settings.TIME_ZONE)
        when = date_format(moment.astimezone(zone), "D j M Y, H:i")
        return f"{when} ({off.place or zone})"


class ComingFirst(NeedsFirst):
    """Those that are not over yet."""

    title = gettext_lazy("when")
    needs = gettext_lazy("now and to come")

    def needing(self, queryset):
        """The last day has not passed."""
        return queryset.filter(last_day__gte=timezone.localdate())


@admin.register(Closure)
class ClosureAdmin(HitsAppointments):
    """Days on which a place is closed."""

    list_display = ["location", "first_day", "last_day", "reason"]
    list_filter = [ComingFirst]
    list_select_related = ["location"]
    ordering = ["first_day"]
    fieldsets = [
        (
            None,
            {
                "fields": ["location", "first_day", "last_day", "reason"],
                "description": gettext_lazy(
                    "Holidays, moves, repairs: local days of the place, both included. They are no working days for "
                    "our promise to answer. Visits that are there already are listed after saving: move them."
                ),
            },
        )
    ]
