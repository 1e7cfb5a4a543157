"""The desk: a day at a place with what is to do, one visit with what can be done with it, and its verbs as buttons.

Nothing here knows an answer, a finding or a reason.
"""

import uuid
from datetime import datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.templatetags.tz import do_timezone
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from booking import appointments, desk, lines, past, standing, todo
from booking.changing import Refusal
from booking.models import Appointment
from booking.staff_pages import HIT, SearchForm, StaffPages, StaffRequest, day_asked, said, sees_all
from clinic.forms import AnsweredOnce
from clinic.models import CallBack, User
from outbox.messages import why_not_again
from outbox.models import Message

Status = Appointment.Status
DAY = timedelta(days=1)
# What the front desk may say as a reason; a clinician's own reason is theirs.
DESK_REASONS = [
    Appointment.Reason.PATIENT_ASKED,
    Appointment.Reason.PRACTITIONER_AWAY,
    Appointment.Reason.CLINIC_CLOSED,
    Appointment.Reason.MISTAKE,
]


class CancelForm(AnsweredOnce):
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


class ErrorForm(AnsweredOnce):
    """Why an appointment should never have been entered."""

    reason = forms.CharField(
        label=gettext_lazy("Why should it never have been entered?"),
        help_text=gettext_lazy("For the record; without anything about health. This cannot be undone."),
        max_length=200,
        error_messages={"required": gettext_lazy("Please say why.")},
    )


def untold(visit: Appointment) -> str:
    """A sentence, to be put after another, where no message can tell the patient of a change to a visit to come."""
    is_to_come = visit.status in (*Appointment.OPEN, *Appointment.IN_THE_HOUSE) and visit.starts_at > timezone.now()
    if visit.whose.email or not is_to_come:
        return ""
    return " " + _("There is no e-mail address: please tell them yourself.")


class DeskPages(StaffPages):
    """The front desk's day."""

    def desk(self, request: StaffRequest) -> HttpResponse:
        """A day at a place, with the search and what is to do. POST only searches: a name is nothing for an address."""
        now = timezone.now()
        wanted_day = day_asked(request)
        places = desk.places_to_show(wanted_day, now=now)
        if not places:
            return self.page(request, "no_place", title=_("Desk"))
        there = request.GET.get("at", "")
        place, closed = next((one for one in places if one[0].slug == there), places[0])
        if there not in ("", place.slug):
            messages.warning(request, _("We did not understand that place, so this is %(place)s.") % {"place": place})
        day = wanted_day or place.day_of(now)
        by_room = request.GET.get("by") == "room"
        found = desk.the_day(day, place, closed=closed, by_room=by_room, now=now, user=request.user)
        form = SearchForm(request.POST if request.method == "POST" else None)
        people: list[desk.Person] = []
        more, searched = False, ""
        if form.is_bound and form.is_valid():
            searched = form.cleaned_data["q"]
            people, more = desk.find(searched, now=now)

        def address(**changes) -> str:
            wanted = {
                "day": day.isoformat() if day != found.today else None,
                "at": place.slug if place != places[0][0] else None,
                "by": "room" if by_room else None,
            } | changes
            query = urlencode({name: value for name, value in wanted.items() if value})
            return reverse("admin:booking_appointment_desk") + (f"?{query}" if query else "")

        context = {
            "title": _("Desk"),
            "day": found,
            "places": [(other, other == place, address(at=other.slug)) for other, _closed in places],
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
        tasks = todo.to_do(now=now, user=request.user)
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
        """Upcoming visits that time off, closed days or changed hours hit, those of one's own last change first."""
        if not sees_all(request.user):
            raise PermissionDenied
        visits = list(standing.with_why(standing.cannot_stand(now=timezone.now())))
        hit = set(request.session.get(HIT, ()))
        last, before = [one for one in visits if one.pk in hit], [one for one in visits if one.pk not in hit]
        parts = [(_("Hit by your last change"), last), (_("Hit before"), before)] if last and before else [("", visits)]
        title = _("Times to be moved")
        return self.page(request, "to_move", title=title, visits=visits, parts=parts, here=request.path)

    # --- one appointment

    def detail(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Everything about one appointment but health, and what can be done with it."""
        visit = self.visit(request, key)
        now = timezone.now()
        line = lines.lines([visit], now=now, user=request.user)[0]
        return self.page(
            request,
            "detail",
            title=_("Appointment %(reference)s") % {"reference": visit.reference},
            visit=visit,
            line=line,
            age=visit.whose.age_on(visit.location.day_of(now)),
            can_talk=appointments.allows(appointments.check_talk, visit, by="staff", user=request.user, now=now),
            can_correct=request.user.has_perm("booking.enter_in_error") and visit.status != Status.ENTERED_IN_ERROR,
            is_mine=request.user.has_perm("booking.check_in") and visit.practitioner.user_id == request.user.pk,
            events=past.history(visit),
            sent=[
                (message, message.patient_id is not None and not why_not_again(message, about=visit, now=now))
                for message in Message.objects.filter(subject_uuid=visit.uuid)
                .with_newer()
                .select_related("patient", "resent_by")
                .prefetch_related("resends")
                .order_by("-id")
            ],
            here=request.path,
        )

    def try_verb(
        self, request: StaffRequest, key: uuid.UUID, verb, success: str, *, makes: str | None = None
    ) -> HttpResponse:
        """Calls `verb(visit, by, seen, now)`, says what happened, and goes back. `makes`: the status it leads to; on a
        second press, or after a colleague was faster, the visit has it already, and there is nothing to say."""
        visit = self.visit(request, key)
        if makes is not None and visit.status == makes:
            return redirect(self.back(request, visit))
        try:
            verb(visit, by=request.user, seen=request.POST.get("seen"), now=timezone.now())
        except Refusal as refusal:
            messages.error(request, f"{visit.whose.name}: {said(refusal)}")
        else:
            messages.success(request, success % {"name": visit.whose.name})
        return redirect(self.back(request, visit))

    def arrive(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """They are here."""
        return self.try_verb(request, key, appointments.arrive, _("%(name)s has arrived."), makes=Status.ARRIVED)

    def no_show(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """They did not come."""
        return self.try_verb(
            request,
            key,
            appointments.no_show,
            _("%(name)s did not come. This can be undone for 15 minutes."),
            makes=Status.NOSHOW,
        )

    def undo(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Takes the last step back; the verb says who may."""
        return self.try_verb(request, key, appointments.undo, _("Undone: %(name)s is where they were before."))

    def send_form(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Sends the link to the form once more, or for the first time where the address came later."""
        return self.try_verb(request, key, appointments.send_form_again, _("The form link is on its way to %(name)s."))

    def resend(self, request: StaffRequest, key: uuid.UUID, message: uuid.UUID) -> HttpResponse:
        """Sends one of its messages again."""

        def send(visit: Appointment, *, by: User, now: datetime, **_seen) -> None:  # the outbox looks what is true now
            found = Message.objects.filter(uuid=message, subject_uuid=visit.uuid, patient=visit.patient).first()
            if found is None:
                raise Http404
            appointments.send_again(found, by=by, now=now)

        return self.try_verb(request, key, send, _("The message goes to %(name)s once more."))

    def cancel(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks why, then cancels."""
        visit = self.visit(request, key)
        if request.method == "POST" and visit.status == Status.CANCELLED:  # a second press, or a colleague was faster
            messages.info(request, _("%(name)s: this visit is cancelled.") % {"name": visit.whose.name})
            return redirect(self.back(request, visit))
        cancelled = _("Cancelled: %(name)s. This can be undone for 15 minutes.")
        if visit.status not in Appointment.OPEN:  # nobody is put back into the house
            cancelled = _("Cancelled: %(name)s.")
        return self.ask_first(
            request,
            visit,
            CancelForm,
            partial(appointments.cancel, by="staff", user=request.user),
            cancelled % {"name": visit.whose.name} + untold(visit),
            title=_("Cancel this appointment?"),
            words=self.cancel_words(visit, now=timezone.now()),
            button=_("Cancel the appointment"),
            keep=_("Keep it"),
        )

    def cancel_words(self, visit: Appointment, *, now: datetime) -> str:
        """What cancelling does, and who tells the patient."""
        if visit.starts_at > now:
            words = _("The time becomes free for others.")
            return words + (untold(visit) or " " + _("The patient gets a message, without the reason."))
        words = _("Its time has come, so the patient gets no message.")
        if visit.status == Status.PENDING:
            words = _("It was asked for and never confirmed, so it did not take place.") + " " + words
        return words

    def consultation(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks, then turns a treatment into a talk at the same time."""
        visit = self.visit(request, key)
        return self.ask_first(
            request,
            visit,
            forms.Form,
            partial(appointments.turn_into_consultation, by="staff", user=request.user),
            _("It is a consultation now, at the same time, and booked.") + untold(visit),
            title=_("Make it a consultation?"),
            words=_("Same time, same practitioner, the price of a consultation.")
            + (untold(visit) or " " + _("The patient gets a message.")),
            button=_("Make it a consultation"),
            keep=_("Leave it as it is"),
        )

    def error(self, request: StaffRequest, key: uuid.UUID) -> HttpResponse:
        """Asks why, then marks it as entered in error, for good."""
        visit = self.visit(request, key)
        return self.ask_first(
            request,
            visit,
            ErrorForm,
            partial(appointments.mark_in_error, by=request.user),
            _("Marked as entered in error. Its time is free.") + untold(visit),
            title=_("Entered in error?"),
            words=_(
                "For an appointment that should never have been made. If it was made and is not wanted: cancel it."
            ),
            button=_("Mark as entered in error"),
            keep=_("Leave it as it is"),
        )

    def ask_first(
        self, request: StaffRequest, visit: Appointment, form_class: type[forms.Form], verb, success: str, **words
    ) -> HttpResponse:
        """A page that asks before something that hurts; its button calls `verb(visit, what was typed, seen, now)` and
        goes back."""
        form = form_class(request.POST if request.method == "POST" else None)
        if form.is_bound and form.is_valid():
            try:
                verb(visit, **form.cleaned_data, seen=request.POST.get("seen"), now=timezone.now())
            except Refusal as refusal:
                form.add_error(None, said(refusal))
            else:
                messages.success(request, success)
                return redirect(self.back(request, visit))
        return self.page(
            request,
            "ask",
            visit=visit,
            form=form,
            errors=form.errors,
            back=self.back(request, visit),
            status=422 if form.errors else 200,
            **words,
        )
