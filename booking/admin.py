"""Booking in the staff site: the list of appointments, who may open which page, and the addresses.

An appointment is never edited: every change is a verb of `booking.appointments`, the same that the public pages call,
behind a button that posts. The pages are in `desk_pages`, `phone_pages` and `own_day_pages`; hours, time off and closed
days in `hours_admin`.
"""

from django.contrib import admin, messages
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Exists, OuterRef, Q
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from booking import (
    hours_admin,  # noqa: F401 (registers its lists)
    lines,
    standing,
)
from booking.desk_pages import DeskPages
from booking.models import Appointment
from booking.own_day_pages import OwnDayPages
from booking.phone_pages import PhonePages
from booking.staff_pages import WhoFilter
from booking.templatetags.booking_words import zone_words
from clinic.admin import NeedsFirst, PrivateList
from clinic.models import Location, Patient
from clinic.names import as_reference

Status = Appointment.Status


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
        """By the local day of the visit; today is that of its place."""
        now = timezone.now()
        if self.value() not in (None, "", *dict(self.lookup_choices)):
            messages.warning(request, _("We did not understand that day, so these are all days."))

        def day(days: int = 0):
            return standing.today_there(now, "room__location__time_zone", days=days)

        return {
            "today": queryset.filter(local_date=day()),
            "tomorrow": queryset.filter(local_date=day(1)),
            "week": queryset.filter(local_date__gte=day(), local_date__lt=day(7)),
            "past": queryset.filter(local_date__lt=day()),
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


@admin.register(Appointment)
class AppointmentAdmin(DeskPages, PhonePages, OwnDayPages):
    """Appointments: found and filtered here, changed by verbs only."""

    actions = None
    list_display = ["when", "who", "what", "practitioner", "place", "state"]
    list_filter = [ToDoFirst, DayFilter, PlaceFilter, WhoFilter, "status"]
    list_per_page = 50
    show_full_result_count = False
    search_fields = ["reference"]  # shows the box; the search itself is below
    search_help_text = gettext_lazy("Name, phone, date of birth (4/5/1990 or 4 May 1990) or reference")
    change_list_template = "admin/booking/appointment/list.html"

    def has_add_permission(self, request) -> bool:
        """Not by a form: see `phone`."""
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        """Not by a form: see the verbs."""
        return False

    def has_delete_permission(self, request, obj=None) -> bool:
        """Appointments are cancelled, never deleted."""
        return False

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

    # --- the list

    def changelist_view(self, request, extra_context=None):
        """With a title that says what it is."""
        return super().changelist_view(request, {"title": _("Appointments"), **(extra_context or {})})

    def get_changelist(self, request, **kwargs):
        """Rows that lead to our page."""
        return AppointmentList

    def get_ordering(self, request):
        """The nearest first: by the instant, which is why a clinic in several zones reads the zone."""
        return ["starts_at", "pk"]

    def get_queryset(self, request):
        """Each with `other_zones`: whether there are open places by whose clock its time would be another."""
        others = Location.objects.filter(is_active=True).exclude(time_zone=OuterRef("room__location__time_zone"))
        return super().get_queryset(request).annotate(other_zones=Exists(others))

    def get_search_results(self, request, queryset, search_term):
        """By who comes; the reference of a visit finds that visit alone."""
        text = search_term.strip()
        if not text:
            return queryset, False
        found = Q(patient__in=Patient.objects.matching(text)) | Q(reference__iexact=as_reference(text))
        return queryset.filter(found), False

    @admin.display(description=gettext_lazy("when"), ordering="starts_at")
    def when(self, visit) -> str:
        """On the wall there; with whose wall that is, where it needs saying."""
        zone = f" ({zone_words(visit.location)})" if visit.other_zones else ""
        return date_format(visit.local_start, "D j M Y, H:i") + zone

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
        """In words, with what is waited for, and in the colour of its state."""
        words = visit.get_status_display()
        if visit.status == Status.PENDING and visit.form_due_by:
            words = _("%(status)s, form due") % {"status": words}
        return format_html(
            '<span class="status status-{}">{}</span>', lines.STATUS_CLASS.get(visit.status, "plain"), words
        )
