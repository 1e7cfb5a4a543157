"""What all pages of staff about visits share: whose visits one sees, the frame, the way back.

GET changes nothing; every change is a verb of `booking.appointments` behind a button that posts.
"""

import uuid
from datetime import date

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from booking import lines
from booking.changing import Refusal, TooClose
from booking.models import Appointment
from clinic.admin import SearchesInPrivate
from clinic.days import in_calendar
from clinic.forms import AnsweredOnce
from clinic.models import Practitioner, User

# In the session: the visits that this person's last change of hours, time off, closed days or places hit.
HIT = "hit_by_last_change"


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
    return day if in_calendar(day) else None


def day_asked(request: HttpRequest) -> date | None:
    """The day of this address. None, for today, without one, and where it is no day or says two: then the page says
    so."""
    written = request.GET.getlist("day")
    day = read_day(written[0]) if len(set(written)) == 1 else None
    if any(written) and day is None:
        messages.warning(request, _("We did not understand that day, so this is today."))
    return day


def said(refusal: Refusal) -> str:
    """The sentence of a refusal, with the first day that is possible."""
    if isinstance(refusal, TooClose) and refusal.first_day_possible:
        return _("%(sentence)s The first day possible is %(day)s.") % {
            "sentence": refusal.sentence,
            "day": date_format(refusal.first_day_possible, "l j F Y"),
        }
    return refusal.sentence


class SearchForm(AnsweredOnce):
    """Somebody on the phone or at the desk."""

    q = forms.CharField(
        label=gettext_lazy("Find a patient"),
        max_length=150,
        required=False,
        strip=True,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )


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


class StaffPages(SearchesInPrivate):
    """Pages about visits, in the frame of the staff site."""

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
        found = lines.for_lines(self.get_queryset(request)).filter(uuid=key).first()
        if found is None:
            raise Http404
        return found

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
