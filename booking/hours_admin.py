"""When practitioners work, when they are away, when a place is closed.

Saving and deleting list the visits that cannot stand any more."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.db.models import OuterRef, Subquery
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from booking import standing
from booking.changing import constraint_of
from booking.models import Closure, TimeOff, WorkingHours
from booking.staff_pages import HIT, WhoFilter
from clinic.admin import KeptAdmin, NeedsFirst
from clinic.days import in_calendar
from clinic.forms import RecordAnsweredOnce
from clinic.models import Location, Practitioner


class HitsAppointments(KeptAdmin):
    """Saving and deleting say which appointments cannot stand any more, with the way to move them."""

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

    def save_model(self, request, obj, form, change) -> None:
        """Names what was saved."""
        super().save_model(request, obj, form, change)
        request.done = _("Saved: %(what)s.") % {"what": obj}

    def delete_model(self, request, obj) -> None:
        """Names what was deleted."""
        request.done = _("Deleted: %(what)s.") % {"what": obj}
        super().delete_model(request, obj)

    def message_user(self, request, message, *args, **more) -> None:
        """Instead of Django's sentence, whose article and verb go with none of these ("The closed days was added")."""
        super().message_user(request, getattr(request, "done", message), *args, **more)

    def has_delete_permission(self, request, obj=None) -> bool:
        """Whoever may: these are plans, not history."""
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        """Saving says what it hits."""
        return self.saying_hits(request, super().changeform_view, object_id, form_url, extra_context)

    def delete_view(self, request, object_id, extra_context=None):
        """Deleting says what it hits: without hours nobody works."""
        return self.saying_hits(request, super().delete_view, object_id, extra_context)

    @staticmethod
    def saying_hits(request, view: Callable[..., HttpResponse], *args) -> HttpResponse:
        """What `view` answers. Where it made visits that could stand unable to, a warning with their number, and the
        list of them instead, these first (`HIT`, in the session of who made the change); whoever goes on with a form
        gets the way to the list."""
        if request.method != "POST":
            return view(request, *args)
        before = set(standing.cannot_stand(now=timezone.now()).values_list("pk", flat=True))
        response = view(request, *args)
        hit = set(standing.cannot_stand(now=timezone.now()).values_list("pk", flat=True)) - before
        if not hit:
            return response
        request.session[HIT] = sorted(hit)
        words = ngettext(
            "One upcoming appointment cannot stand any more.",
            "%(count)s upcoming appointments cannot stand any more.",
            len(hit),
        ) % {"count": len(hit)}
        if not {"_continue", "_addanother", "_popup"} & set(request.POST):
            messages.warning(request, f"{words} {_('All that have to be moved are listed below, these first.')}")
            return redirect("admin:booking_appointment_to_move")
        way = reverse("admin:booking_appointment_to_move")
        messages.warning(request, format_html('{} <a href="{}">{}</a>', words, way, _("See which have to be moved")))
        return response


class ComingFirst(NeedsFirst):
    """Those that are not over yet."""

    title = gettext_lazy("when")
    needs = gettext_lazy("now and to come")
    last_day = "last_day"

    def needing(self, queryset):
        """The last day, if there is one, has not passed there."""
        today = standing.today_there(timezone.now(), "location__time_zone")
        return queryset.exclude(**{f"{self.last_day}__lt": today})


class HoursComingFirst(ComingFirst):
    """Hours that count, or will."""

    last_day = "valid_until"


class TimeOffComingFirst(ComingFirst):
    """Time off that has not ended."""

    def needing(self, queryset):
        """By the instant: it has no place."""
        return queryset.filter(ends_at__gt=timezone.now())


class WorkingHoursForm(RecordAnsweredOnce):
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
        counting = WorkingHours.objects.counting(cleaned["valid_from"], cleaned.get("valid_until"))
        others = counting.exclude(pk=self.instance.pk).filter(
            practitioner=cleaned["practitioner"],
            weekday=cleaned["weekday"],
            starts__lt=cleaned["ends"],
            ends__gt=cleaned["starts"],
        )
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
    list_filter = [HoursComingFirst, "weekday", WhoFilter]
    list_select_related = ["practitioner", "location"]
    ordering = ["practitioner__name", "weekday", "starts"]
    fieldsets = [
        (None, {"fields": ["practitioner", "location", "weekday", ("starts", "ends"), ("break_starts", "break_ends")]}),
        (
            gettext_lazy("Valid"),
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
        if not in_calendar(found.date()):
            raise ValidationError(_("Please check the year."))
        return found.replace(tzinfo=None)


def zone_where_they_work(practitioner: Practitioner) -> ZoneInfo | None:
    """The time zone of the places where somebody has hours; None with hours in several zones, or none at all."""
    hours = WorkingHours.objects.filter(practitioner=practitioner)
    zones = set(hours.order_by().values_list("location__time_zone", flat=True))
    return ZoneInfo(zones.pop()) if len(zones) == 1 else None


class TimeOffForm(RecordAnsweredOnce):
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
    list_filter = [TimeOffComingFirst, WhoFilter]
    list_select_related = ["practitioner"]
    ordering = ["-starts_at"]

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


class ClosureForm(RecordAnsweredOnce):
    """Closed days that are not closed already."""

    class Meta:
        model = Closure
        fields = ["location", "first_day", "last_day", "reason"]

    def clean(self) -> dict:
        """Refuses days all of which others close already: entered twice, they would have to be taken back twice."""
        cleaned = super().clean() or self.cleaned_data
        place, first, last = (cleaned.get(name) for name in ("location", "first_day", "last_day"))
        if not (place and first and last) or last < first:
            return cleaned
        there = Closure.objects.filter(location=place, first_day__lte=first, last_day__gte=last)
        other = there.exclude(pk=self.instance.pk).first()
        if other is not None:
            raise ValidationError(
                _("%(place)s is closed then already: %(first)s to %(last)s. Change those days instead."),
                params={
                    "place": place,
                    "first": date_format(other.first_day, "j F Y"),
                    "last": date_format(other.last_day, "j F Y"),
                },
            )
        return cleaned


@admin.register(Closure)
class ClosureAdmin(HitsAppointments):
    """Days on which a place is closed."""

    form = ClosureForm
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
