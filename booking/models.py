"""When: hours, time off, appointments. The rules of DESIGN section 4 are constraints here and triggers in 0002."""

import uuid
from datetime import date, datetime, timedelta
from typing import Any

import pghistory
from django.conf import settings
from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import BigIntegerRangeField, DateRangeField, DateTimeRangeField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Func, Q, Value
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _
from phonenumber_field.modelfields import PhoneNumberField

from clinic.models import Clinic, Patient, new_reference


def same(column: str) -> Func:
    """`column` as a range of one value, so that && means "equal" without btree_gist.

    A NULL would be an unbounded range: every constraint that uses this on a nullable column excludes NULL itself.
    F must name the field, not its `_id`, or validate() refuses other people's slots as well (STACK).
    """
    return Func(F(column), F(column), Value("[]"), function="int8range", output_field=BigIntegerRangeField())


def during(start: str, end: str) -> Func:
    """The time from `start` up to `end`, its end not included."""
    return Func(F(start), F(end), Value("[)"), function="tstzrange", output_field=DateTimeRangeField())


def days_from(first: str, days: str) -> Func:
    """The days from `first` on, `days` of them: the next session may be on day `first + days`, not before."""
    last = Func(F(first), F(days), arg_joiner=" + ", template="(%(expressions)s)", output_field=models.DateField())
    return Func(F(first), last, function="daterange", output_field=DateRangeField())


class WorkingHoursQuerySet(models.QuerySet["WorkingHours"]):
    """From when, and until when."""

    def counting(self, since, until=None) -> "WorkingHoursQuerySet":
        """Those that count on a day from `since` to `until`, both included (None: for good)."""
        found = self.filter(Q(valid_until=None) | Q(valid_until__gte=since))
        return found if until is None else found.filter(valid_from__lte=until)


class WorkingHours(models.Model):
    """Recurring hours of a practitioner at a location (FHIR Schedule), as the clock on the wall there shows them."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    practitioner = models.ForeignKey(
        "clinic.Practitioner", models.CASCADE, related_name="+", verbose_name=_("practitioner")
    )
    location = models.ForeignKey("clinic.Location", models.PROTECT, related_name="+", verbose_name=_("location"))
    weekday = models.PositiveSmallIntegerField(_("day of the week"), choices=Weekday.choices)
    starts = models.TimeField(_("from"))
    ends = models.TimeField(_("to"))
    break_starts = models.TimeField(_("break from"), null=True, blank=True)
    break_ends = models.TimeField(_("break to"), null=True, blank=True)
    valid_from = models.DateField(_("first day"), help_text=_("The first day these hours count."))
    valid_until = models.DateField(_("last day"), null=True, blank=True, help_text=_("Leave empty for no end."))

    objects = WorkingHoursQuerySet.as_manager()

    class Meta:
        verbose_name = _("working hours")
        verbose_name_plural = _("working hours")
        ordering = ["practitioner__name", "weekday", "starts"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends__gt=F("starts")),
                name="booking_workinghours_end_after_start",
                violation_error_message=_("The day must end after it begins."),
            ),
            models.CheckConstraint(
                condition=Q(break_starts__isnull=True, break_ends__isnull=True)
                | (
                    # NULL > 12:00 is NULL, and a CHECK lets NULL pass: both ends have to be said to be there.
                    Q(break_starts__isnull=False, break_ends__isnull=False)
                    & Q(break_starts__gt=F("starts"))
                    & Q(break_ends__gt=F("break_starts"))
                    & Q(break_ends__lt=F("ends"))
                ),
                name="booking_workinghours_break_inside",
                violation_error_message=_("Give the break a beginning and an end within these hours."),
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="booking_workinghours_last_day_after_first",
                violation_error_message=_("The last day must not be before the first."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.practitioner}, {self.get_weekday_display()} {self.starts:%H:%M}–{self.ends:%H:%M}"


class TimeOff(models.Model):
    """A time when a practitioner sees nobody."""

    practitioner = models.ForeignKey(
        "clinic.Practitioner", models.CASCADE, related_name="+", verbose_name=_("practitioner")
    )
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("to"))
    reason = models.CharField(_("reason"), max_length=100, blank=True, help_text=_("Only staff see this."))

    class Meta:
        verbose_name = _("time off")
        verbose_name_plural = _("time off")
        ordering = ["starts_at"]
        indexes = [models.Index(fields=["practitioner", "starts_at"], name="booking_timeoff_when")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")),
                name="booking_timeoff_end_after_start",
                violation_error_message=_("The end must be after the beginning."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.practitioner}, {date_format(localtime(self.starts_at), 'j F Y')}"


class Closure(models.Model):
    """Days on which a location is closed: a holiday, a move, a repair. Local days of that location, both included."""

    location = models.ForeignKey("clinic.Location", models.PROTECT, related_name="+", verbose_name=_("location"))
    first_day = models.DateField(_("first day"))
    last_day = models.DateField(_("last day"))
    reason = models.CharField(_("reason"), max_length=100, blank=True)

    class Meta:
        verbose_name = _("closed days")
        verbose_name_plural = _("closed days")
        ordering = ["first_day"]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_day__gte=F("first_day")),
                name="booking_closure_last_day_after_first",
                violation_error_message=_("The last day must not be before the first."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.location}, {date_format(self.first_day, 'j F Y')}"


class Course(models.Model):
    """A planned series of sessions of one treatment for one area (FHIR CarePlan)."""

    patient = models.ForeignKey("clinic.Patient", models.PROTECT, related_name="+")
    treatment = models.ForeignKey("clinic.Treatment", models.PROTECT, related_name="+")
    area = models.ForeignKey("clinic.Area", models.PROTECT, related_name="+")
    planned_sessions = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = _("course")
        verbose_name_plural = _("courses")

    def __str__(self) -> str:
        return f"{self.treatment}, {self.area}"


class AppointmentQuerySet(models.QuerySet):
    """The vocabulary of lists."""

    def occupying(self) -> "AppointmentQuerySet":
        """Those that take up their time, expired holds included until somebody frees them."""
        return self.exclude(status__in=Appointment.FREED)

    def in_the_way(self, *, now) -> "AppointmentQuerySet":
        """Those that keep others from their time: expired holds do not."""
        return self.occupying().exclude(status=Appointment.Status.PROPOSED, hold_expires_at__lt=now)

    def overlapping(self, starts_at, busy_until) -> "AppointmentQuerySet":
        """Those that lie across a time, the cleaning included."""
        return self.filter(starts_at__lt=busy_until, busy_until__gt=starts_at)

    def on(self, day, location=None) -> "AppointmentQuerySet":
        """Those of a local day, at one location or at all."""
        found = self.filter(local_date=day)
        return found.filter(room__location=location) if location else found

    def expired_holds(self, *, now) -> "AppointmentQuerySet":
        """Holds whose time has run out. They may still be confirmed until somebody takes the time."""
        return self.filter(status=Appointment.Status.PROPOSED, hold_expires_at__lt=now)

    def with_names(self) -> "AppointmentQuerySet":
        """Everything a list shows, in one query."""
        return self.select_related("patient", "treatment", "area", "practitioner", "room__location")


@pghistory.track(
    pghistory.InsertEvent(),
    pghistory.UpdateEvent(),
    exclude=["request_key"],
    append_only=True,
    meta={"verbose_name": _("change of an appointment"), "verbose_name_plural": _("changes of appointments")},
)
class Appointment(models.Model):
    """A visit (FHIR Appointment). `starts_at` to `ends_at` is the patient's time; `busy_until` adds the cleaning.

    Only `booking.changing`, and what is built on it, changes a row. `local_date` and `interval_days` are set
    by a trigger, never by the caller. Every change is kept in the event table by pghistory.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("time kept")
        PENDING = "pending", _("asked for")
        BOOKED = "booked", _("booked")
        ARRIVED = "arrived", _("arrived")
        CHECKED_IN = "checked-in", _("checked in")
        FULFILLED = "fulfilled", _("done")
        CANCELLED = "cancelled", _("cancelled")
        NOSHOW = "noshow", _("did not come")
        ENTERED_IN_ERROR = "entered-in-error", _("entered in error")

    class CancelledBy(models.TextChoices):
        PATIENT = "patient", _("the patient")
        STAFF = "staff", _("the front desk")
        CLINICIAN = "clinician", _("a clinician")
        SYSTEM = "system", _("the system")

    class Reason(models.TextChoices):
        """Why an appointment was cancelled. Neutral on purpose: the front desk reads it."""

        PATIENT_ASKED = "patient-asked", _("the patient asked")
        PRACTITIONER_AWAY = "practitioner-away", _("the practitioner is away")
        CLINIC_CLOSED = "clinic-closed", _("the clinic is closed")
        MISTAKE = "mistake", _("booked by mistake")
        CLINICAL = "clinical", _("a clinician decided")
        HOLD_EXPIRED = "hold-expired", _("the kept time ran out")
        NO_ANSWER = "no-answer", _("we asked for information and heard nothing")
        NOT_REVIEWED = "not-reviewed", _("we did not answer in time")
        FORM_MISSING = "form-missing", _("the form was not filled in")

    class Channel(models.TextChoices):
        ONLINE = "online", _("online")
        PHONE = "phone", _("by phone")
        DESK = "desk", _("at the desk")

    FREED = ("cancelled", "noshow", "entered-in-error")
    OPEN = ("pending", "booked")
    CONFIRMED = ("booked", "arrived", "checked-in", "fulfilled")
    # Those that a withdrawn review puts back to `pending`; what is fulfilled is history and keeps it.
    ON_A_REVIEW = ("booked", "arrived", "checked-in")
    IN_THE_HOUSE = ("arrived", "checked-in")

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    reference = models.CharField(_("reference"), max_length=8, unique=True, default=new_reference, editable=False)
    request_key = models.UUIDField(null=True, blank=True, unique=True, editable=False)
    patient = models.ForeignKey(
        "clinic.Patient", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("patient")
    )
    treatment = models.ForeignKey("clinic.Treatment", models.PROTECT, related_name="+", verbose_name=_("treatment"))
    area = models.ForeignKey(
        "clinic.Area", models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("area")
    )
    practitioner = models.ForeignKey(
        "clinic.Practitioner", models.PROTECT, related_name="+", verbose_name=_("practitioner")
    )
    room = models.ForeignKey("clinic.Room", models.PROTECT, related_name="+", verbose_name=_("room"))
    course = models.ForeignKey(Course, models.PROTECT, null=True, blank=True, related_name="appointments")
    starts_at = models.DateTimeField(_("start"))
    ends_at = models.DateTimeField(_("end"))
    busy_until = models.DateTimeField()
    local_date = models.DateField(_("day"), null=True, editable=False)
    interval_days = models.PositiveSmallIntegerField(default=0, editable=False)
    lane = models.PositiveSmallIntegerField(default=0)
    overbooked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    overbook_reason = models.CharField(max_length=200, blank=True)
    status = models.CharField(_("status"), max_length=20, choices=Status.choices)
    previous_status = models.CharField(max_length=20, blank=True)
    status_changed_at = models.DateTimeField()
    sequence = models.PositiveIntegerField(default=0)
    channel = models.CharField(_("booked"), max_length=10, choices=Channel.choices, default=Channel.ONLINE)
    price = models.DecimalField(_("price"), max_digits=8, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    response = models.ForeignKey(
        "screening.QuestionnaireResponse", models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    review = models.ForeignKey(
        "screening.Review", models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    hold_extensions = models.PositiveSmallIntegerField(default=0)
    answer_by = models.DateTimeField(_("we answer by"), null=True, blank=True)
    form_due_by = models.DateTimeField(_("form due by"), null=True, blank=True)
    information_asked_at = models.DateTimeField(null=True, blank=True)
    identity_confirmed_at = models.DateTimeField(null=True, blank=True)
    identity_confirmed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    agreed_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text=_("When the patient agreed to the treatment, before who confirmed who they are."),
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)
    cancelled_by = models.CharField(max_length=10, blank=True, choices=CancelledBy.choices)
    cancelled_by_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    cancel_reason = models.CharField(max_length=30, blank=True, choices=Reason.choices)
    cancelled_late = models.BooleanField(default=False)
    entered_in_error_at = models.DateTimeField(null=True, blank=True)
    entered_in_error_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    entered_in_error_reason = models.CharField(max_length=200, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField()

    objects = AppointmentQuerySet.as_manager()
    events: Any  # the manager of its event table, which pghistory adds

    class Meta:
        verbose_name = _("appointment")
        verbose_name_plural = _("appointments")
        ordering = ["starts_at", "id"]
        permissions = [
            ("run_desk", "Can run the front desk: book, move, cancel, arrivals, no-shows"),
            ("check_in", "Can check in and close visits with oneself"),
            ("enter_in_error", "Can mark an appointment as entered in error"),
        ]
        indexes = [
            models.Index(fields=["practitioner", "starts_at"], name="booking_appt_practitioner"),
            models.Index(fields=["room", "starts_at"], name="booking_appt_room"),
            models.Index(fields=["patient", "starts_at"], name="booking_appt_patient"),
            models.Index(fields=["local_date"], name="booking_appt_day"),
            models.Index(fields=["hold_expires_at"], condition=Q(status="proposed"), name="booking_appt_holds"),
            models.Index(fields=["starts_at"], condition=Q(status="pending"), name="booking_appt_pending"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")) & Q(busy_until__gte=F("ends_at")),
                name="booking_appointment_end_after_start",
                violation_error_message=_("The end must be after the start."),
            ),
            ExclusionConstraint(
                name="booking_appointment_practitioner_in_one_place",
                expressions=[
                    (same("practitioner"), "&&"),
                    (same("lane"), "&&"),
                    (during("starts_at", "busy_until"), "&&"),
                ],
                condition=~Q(status__in=["cancelled", "noshow", "entered-in-error"]),
                violation_error_message=_("That time has just been taken."),
            ),
            ExclusionConstraint(
                name="booking_appointment_room_in_one_place",
                expressions=[(same("room"), "&&"), (during("starts_at", "busy_until"), "&&")],
                condition=~Q(status__in=["cancelled", "noshow", "entered-in-error"]),
                violation_error_message=_("That room has just been taken."),
            ),
            ExclusionConstraint(
                name="booking_appointment_patient_in_one_place",
                expressions=[(same("patient"), "&&"), (during("starts_at", "ends_at"), "&&")],
                condition=~Q(status__in=["cancelled", "noshow", "entered-in-error"]) & Q(patient__isnull=False),
                violation_error_message=_("There is another appointment at that time."),
            ),
            ExclusionConstraint(
                name="booking_appointment_interval_kept",
                expressions=[
                    (same("patient"), "&&"),
                    (same("area"), "&&"),
                    (days_from("local_date", "interval_days"), "&&"),
                ],
                condition=~Q(status__in=["cancelled", "noshow", "entered-in-error"])
                & Q(patient__isnull=False, area__isnull=False, interval_days__gt=0),
                violation_error_message=_("That is too soon after, or before, another session on the same area."),
            ),
            models.CheckConstraint(
                condition=Q(lane=0, overbooked_by__isnull=True, overbook_reason="")
                | (Q(lane=1, overbooked_by__isnull=False) & ~Q(overbook_reason="")),
                name="booking_appointment_overbooking_is_recorded",
            ),
            models.CheckConstraint(
                condition=Q(patient__isnull=False) | Q(status__in=["proposed", "cancelled", "entered-in-error"]),
                name="booking_appointment_somebody_comes",
            ),
            models.CheckConstraint(
                condition=~Q(status="proposed") | Q(hold_expires_at__isnull=False), name="booking_appointment_hold_ends"
            ),
            models.CheckConstraint(
                condition=Q(identity_confirmed_at__isnull=False, identity_confirmed_by__isnull=False)
                | Q(identity_confirmed_at__isnull=True, identity_confirmed_by__isnull=True, agreed_at__isnull=True),
                name="booking_appointment_check_in_who_and_when",
            ),
            models.CheckConstraint(
                condition=(
                    Q(status="cancelled", cancelled_at__isnull=False)
                    & ~Q(cancel_reason="")
                    & (
                        Q(cancelled_by__in=["staff", "clinician"], cancelled_by_user__isnull=False)
                        | Q(cancelled_by__in=["patient", "system"], cancelled_by_user__isnull=True)
                    )
                )
                | (
                    ~Q(status="cancelled")
                    & Q(
                        cancelled_at__isnull=True,
                        cancelled_by="",
                        cancelled_by_user__isnull=True,
                        cancel_reason="",
                        cancelled_late=False,
                    )
                ),
                name="booking_appointment_cancelled_who_when_why",
            ),
            models.CheckConstraint(
                condition=Q(
                    cancel_reason__in=[
                        "",
                        "patient-asked",
                        "practitioner-away",
                        "clinic-closed",
                        "mistake",
                        "clinical",
                        "hold-expired",
                        "no-answer",
                        "not-reviewed",
                        "form-missing",
                    ]
                ),
                name="booking_appointment_cancel_reason_known",
            ),
            models.CheckConstraint(
                condition=(
                    Q(
                        status="entered-in-error",
                        entered_in_error_at__isnull=False,
                        entered_in_error_by__isnull=False,
                    )
                    & ~Q(entered_in_error_reason="")
                )
                | (
                    ~Q(status="entered-in-error")
                    & Q(
                        entered_in_error_at__isnull=True,
                        entered_in_error_by__isnull=True,
                        entered_in_error_reason="",
                    )
                ),
                name="booking_appointment_error_who_when_why",
            ),
            models.CheckConstraint(
                condition=Q(
                    status__in=[
                        "proposed",
                        "pending",
                        "booked",
                        "arrived",
                        "checked-in",
                        "fulfilled",
                        "cancelled",
                        "noshow",
                        "entered-in-error",
                    ]
                ),
                name="booking_appointment_status_known",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def clean(self) -> None:
        """Says that the end comes after the start before the range constraints would trip over it (STACK)."""
        if self.starts_at and self.ends_at and self.ends_at <= self.starts_at:
            raise ValidationError({"ends_at": _("The end must be after the start.")})

    @property
    def whose(self) -> Patient:
        """Whose it is, where the status says that it is somebody's: only a held time may be nobody's yet (a wall)."""
        assert self.patient is not None
        return self.patient

    @property
    def day(self) -> date:
        """Its local day, which the database sets in every stored row."""
        assert self.local_date is not None
        return self.local_date

    @property
    def fingerprint(self) -> str:
        """What a page shows of it, for its buttons to send along: another state or time is another value."""
        return f"{self.status} {self.sequence}"

    @property
    def location(self):
        """Where it is: the room's location."""
        return self.room.location

    @property
    def local_start(self):
        """The start as the clock on the wall shows it there."""
        return self.starts_at.astimezone(self.room.location.zone)

    def is_late(self, clinic: Clinic | None, *, now: datetime) -> bool:
        """Whether the notice that the clinic asks of patients for moving or cancelling has begun (24 h by default)."""
        return now > self.starts_at - timedelta(hours=clinic.notice_hours if clinic else 24)


class HoldDetails(models.Model):
    """Who holds a time, until the e-mail is proven and a patient linked; deleted with the hold or on confirming."""

    appointment = models.OneToOneField(Appointment, models.CASCADE, related_name="details")
    name = models.CharField(_("full name"), max_length=150)
    phone = PhoneNumberField(_("phone"))
    email = models.EmailField(_("e-mail"))
    birth_date = models.DateField(_("date of birth"))

    class Meta:
        verbose_name = _("details of a kept time")
        verbose_name_plural = _("details of kept times")

    def __str__(self) -> str:
        return self.name
