"""A practitioner's own day: their visits, the check-in, the close, and "not today".

Conditions are shown on their own visit's page only, and `screening.clearance` asks there again who may read them.
"""

import uuid
from datetime import datetime, timedelta

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from booking import appointments, desk, lines
from booking.appointments import allows, check_cancel, check_undo
from booking.changing import Refusal
from booking.models import Appointment
from booking.staff_pages import StaffPages, StaffRequest, day_asked, said
from clinic.forms import AnsweredOnce
from screening import clearance

Status = Appointment.Status
DAY = timedelta(days=1)
SOMETHING_NEW = gettext_lazy(
    "Not like this: something is new. What was said is kept, and the visit is back to “asked for”. "
    "Please ask the patient, kindly, to answer all the questions again on their own page; then a clinician decides. "
    "If that cannot be today, end the visit."
)


class CheckInForm(AnsweredOnce):
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


class OwnDayPages(StaffPages):
    """Before, during and after a visit with oneself."""

    def my_day(self, request: StaffRequest) -> HttpResponse:
        """Own visits of a day."""
        now = timezone.now()
        wanted, today = day_asked(request), desk.own_today(request.user, now=now)
        day = wanted or today
        here = reverse("admin:booking_appointment_my_day")
        return self.page(
            request,
            "my_day",
            title=_("My day"),
            day=day,
            today=today,
            lines=desk.own_day(request.user, wanted, now=now),
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
        data = request.POST if request.method == "POST" else None
        form = CheckInForm(data, is_treatment=visit.treatment.needs_screening)
        if form.is_bound:
            done = self.check_in(request, visit, form, now=now)
            if done is not None:
                return done
        shown = self.shown(request, visit, form, now=now)
        return self.page(request, "visit", **shown, status=422 if form.is_bound else 200)

    def can_check_in(self, visit: Appointment, *, now: datetime) -> bool:
        """Whether somebody is here, on the day."""
        return visit.status == Status.ARRIVED and visit.local_date == visit.location.day_of(now)

    def questions(self, visit: Appointment, form: CheckInForm, *, now: datetime) -> list | None:
        """The short questions that are still to be asked of who is here, as posted with `form`; None where none are
        published."""
        if not (visit.treatment.needs_screening and self.can_check_in(visit, now=now)):
            return []
        if clearance.rechecked(visit.whose, visit=visit.uuid, on=visit.day, since=visit.status_changed_at):
            return []
        return clearance.recheck_steps(form.data if form.is_bound else None, today=visit.day)

    def shown(self, request: StaffRequest, visit: Appointment, form: CheckInForm, *, now: datetime) -> dict:
        """What the page of a visit shows."""
        today, is_treatment = visit.location.day_of(now), visit.treatment.needs_screening
        line = lines.lines([visit], now=now, user=request.user)[0]
        steps = self.questions(visit, form, now=now)
        has_conditions = is_treatment and visit.status not in Appointment.FREED
        conditions, may_read = None, True
        said_today: list[str] = []
        if has_conditions:
            try:
                said_today = clearance.said_of_last_session(visit.whose, on=visit.day, by=request.user, now=now)
                conditions = clearance.conditions_of(visit.review_id, patient=visit.whose, by=request.user, now=now)
            except PermissionDenied:
                may_read = False
        before = list(  # the last of each area
            Appointment.objects.with_names()
            .filter(patient=visit.patient, status=Status.FULFILLED, starts_at__lt=visit.starts_at)
            .order_by("area_id", "-starts_at")
            .distinct("area_id")
        )
        can_check_in, is_today = self.can_check_in(visit, now=now), visit.day == today
        was_asked = steps == [] if can_check_in else is_today and visit.status == Status.CHECKED_IN
        wrong = [form, *(steps or [])] if form.is_bound else []
        return {
            "title": _("Visit %(reference)s") % {"reference": visit.reference},
            "visit": visit,
            "line": line,
            "age": visit.whose.age_on(today),
            "is_today": is_today,
            "is_past": visit.day < today,
            "is_treatment": is_treatment,
            "has_conditions": has_conditions,
            "can_check_in": can_check_in,
            "steps": steps,
            "can_ask_again": is_treatment and was_asked,
            "form": form,
            "error_list": wrong,
            "errors": {name: error for one in wrong for name, error in one.errors.items()},
            "conditions": conditions,
            "may_read": may_read,
            "said_today": said_today,
            "last": next((one for one in before if visit.area_id and one.area_id == visit.area_id), None),
            "last_visit": max(before, key=lambda one: one.starts_at, default=None),
            "can_undo": visit.status in (Status.FULFILLED, Status.CANCELLED)
            and allows(check_undo, visit, by=request.user, now=now),
            "can_stop": allows(check_cancel, visit, by="clinician", user=request.user, now=now),
            "my_day": reverse("admin:booking_appointment_my_day"),
        }

    def check_in(self, request: StaffRequest, visit: Appointment, form: CheckInForm, *, now: datetime):
        """Identity, then the questions, then agreement. A response when it is done, None when the page is shown again.

        The questions are kept as soon as it is sure who answers them: what is new there must not be lost because
        nobody agreed to a treatment that will not be given.
        """
        here = redirect("admin:booking_appointment_visit", visit.uuid)
        if visit.status == Status.CHECKED_IN:  # pressed twice
            return here
        if not self.can_check_in(visit, now=now):
            form.add_error(None, _("A visit can be checked in on its day, once the front desk has marked the arrival."))
            return None
        form_ok = form.is_valid()
        right_person = "says_name" not in form.errors and "says_birth_date" not in form.errors
        steps = self.questions(visit, form, now=now)
        if steps is None:
            form.add_error(
                None,
                _(
                    "No short questions are published. Please tell the lead clinician; "
                    "nobody can be treated without them."
                ),
            )
            return None
        if steps:
            if not all(step.is_valid() for step in steps) or not right_person:
                return None
            try:
                nothing_new = self.keep_answers(visit, steps, by=request.user, now=now)
            except ValidationError as error:
                form.add_error(None, " ".join(error.messages))
                return None
            if not nothing_new:
                messages.warning(request, SOMETHING_NEW)
                return here
        if not form_ok:
            return None
        try:
            appointments.check_in(
                visit, by=request.user, identity_confirmed=True, agreed="agreed" in form.fields, now=now
            )
        except Refusal as refusal:
            if self.visit(request, visit.uuid).status == Status.CHECKED_IN:  # by the first of two presses, just now
                return here
            form.add_error(None, said(refusal))
            return None
        messages.success(request, _("Checked in. You can begin."))
        return here

    def ask_again(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The short questions once more, when something comes up after they were asked; also once checked in."""
        visit, now = self.mine(request, key), timezone.now()
        here = redirect("admin:booking_appointment_visit", visit.uuid)
        today = visit.location.day_of(now)
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
                    messages.warning(request, SOMETHING_NEW)
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
        return clearance.recheck(visit.whose, answers, visit=visit.uuid, by=by, today=visit.day, now=now)

    def done(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The visit is done."""
        visit = self.mine(request, key)
        if visit.status == Status.FULFILLED:  # pressed twice
            return redirect("admin:booking_appointment_my_day")
        try:
            appointments.fulfil(visit, by=request.user, seen=request.POST.get("seen"), now=timezone.now())
        except Refusal as refusal:
            messages.error(request, said(refusal))
            return redirect("admin:booking_appointment_visit", visit.uuid)
        messages.success(request, _("%(name)s: done. This can be undone for 15 minutes.") % {"name": visit.whose.name})
        return redirect("admin:booking_appointment_my_day")

    def not_today(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """The practitioner decides not to treat today: cancelled by whom it is with."""
        visit, now = self.mine(request, key), timezone.now()
        here = redirect("admin:booking_appointment_visit", visit.uuid)
        if visit.status == Status.CANCELLED:  # pressed twice, or the front desk was faster
            messages.info(request, _("%(name)s: this visit is cancelled.") % {"name": visit.whose.name})
            return here
        try:
            appointments.cancel(
                visit,
                by="clinician",
                user=request.user,
                reason=Appointment.Reason.CLINICAL,
                seen=request.POST.get("seen"),
                now=now,
            )
        except Refusal as refusal:
            messages.error(request, said(refusal))
            return here
        words = _("%(name)s is not treated today. The time is free. This can be undone for 15 minutes.")
        messages.success(request, words % {"name": visit.whose.name})
        return here
