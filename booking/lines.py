"""Visits as lines of a day: each with one word, what to say, what to do next, and of which nothing came.

Whether a patient is ready comes as one word from `screening.clearance.readiness`; why not is never known here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    When,
)
from django.templatetags.tz import do_timezone
from django.utils.translation import gettext as _

from booking.appointments import NO_SHOW_AFTER, allows, check_cancel, check_undo, is_not_today
from booking.changing import is_here, needs_other_time
from booking.models import Appointment
from booking.notices import local_text
from booking.standing import day_there, is_back, with_hit
from clinic.models import User
from screening.clearance import CANNOT, READY, UPDATE_DUE, WAITING, readiness

Status = Appointment.Status
# From when on an arrival is the likeliest thing to happen.
SOON = timedelta(hours=1)
# How long the desk looks for another time for who was not treated.
FIND_ANOTHER_WITHIN = timedelta(days=14)
STATUS_CLASS: dict[str, str] = {
    Status.PENDING: "wait",
    Status.ARRIVED: "information",
    Status.CHECKED_IN: "information",
    Status.FULFILLED: "done",
}


@dataclass(frozen=True)
class Verb:
    """A button: `post` acts at once, `page` opens one that asks first."""

    name: str
    label: str
    is_page: bool = False
    is_first: bool = False
    is_urgent: bool = False  # a page that should be opened soon
    is_stop: bool = False


@dataclass
class Line:
    """One visit as a line of a day."""

    visit: Appointment
    now: datetime
    session: int = 0  # see `for_lines`
    is_hit: bool = False  # see `with_hit`
    was_here_for: datetime | None = None  # the same
    readiness: str = ""
    is_next: bool = False  # the first that is expected now: the likeliest to arrive
    verbs: list[Verb] = field(default_factory=list)

    @property
    def start(self) -> datetime:
        """On the wall of the place, also in a template (which would turn it back to the site's own zone)."""
        return do_timezone(self.visit.starts_at, self.visit.location.zone)

    @property
    def end(self) -> datetime:
        """As `start`."""
        return do_timezone(self.visit.ends_at, self.visit.location.zone)

    @property
    def sessions(self) -> str:
        """ "session 2 of 4 to 6": which session on this area it is, of how many that are usual."""
        if not self.session:
            return ""
        low, high = self.visit.treatment.sessions_min, self.visit.treatment.sessions_max
        usual = str(high) if low >= high else _("%(low)s to %(high)s") % {"low": low, "high": high}
        return _("session %(number)s of %(usual)s") % {"number": self.session, "usual": usual}

    @property
    def word(self) -> str:
        """The one word about readiness; that it has to be moved, where it cannot stand."""
        if self.must_move:
            return _("has to be moved")
        return {
            READY: _("ready"),
            UPDATE_DUE: _("update due"),
            WAITING: _("waiting for clinician"),
            CANNOT: _("cannot be treated"),
        }.get(self.readiness, "")

    @property
    def word_class(self) -> str:
        """Its colour."""
        if self.must_move:
            return "stop"
        return {READY: "done", UPDATE_DUE: "wait", WAITING: "wait", CANNOT: "stop"}.get(self.readiness, "plain")

    @property
    def must_move(self) -> bool:
        """Whether it cannot stand: see `needs_other_time`. What cannot be treated needs other words."""
        return needs_other_time(self.visit, now=self.now) and self.readiness != CANNOT

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen with it today."""
        return self.visit.status in (*Appointment.FREED, Status.FULFILLED)

    @property
    def is_to_come(self) -> bool:
        """Whether they may still come: neither here, nor over."""
        return self.visit.status in Appointment.OPEN and self.visit.ends_at > self.now and not self.is_here

    @property
    def is_here(self) -> bool:
        """Whether they are in the house, also where a clinician has to look once more, or has just done so."""
        return is_here(self.visit, now=self.now)

    @property
    def is_back(self) -> bool:
        """Whether they are here and were booked anew while they waited: their arrival has to be marked again."""
        return is_back(self.visit, now=self.now)

    @property
    def was_here(self) -> bool:
        """Whether they had come to it, by our record, and were booked anew while they waited; not where it has been
        moved since."""
        return self.was_here_for == self.visit.starts_at

    @property
    def was_here_before(self) -> bool:
        """Whether they waited here today for an earlier time of it: they may have gone home until the new one."""
        if self.was_here_for is None or self.was_here or not self.may_arrive:
            return False
        return self.visit.location.day_of(self.was_here_for) == self.visit.day

    @property
    def may_arrive(self) -> bool:
        """Whether they can be marked as here: booked for the day that it is there."""
        return self.visit.status == Status.BOOKED and self.visit.local_date == self.visit.location.day_of(self.now)

    @property
    def is_expected(self) -> bool:
        """Whether an arrival is the likeliest thing to happen with it."""
        is_about_now = self.visit.starts_at - SOON <= self.now < self.visit.ends_at
        return self.is_back or (self.may_arrive and not self.must_move and is_about_now)

    @property
    def is_ready(self) -> bool:
        """Whether nothing is asked of anybody."""
        return self.readiness == READY and not self.must_move and not self.is_back

    @property
    def is_up_to_patient(self) -> bool:
        """Whether the patient has to say something before a clinician can look."""
        return self.readiness == UPDATE_DUE

    @property
    def say(self) -> str:
        """What to say, on the phone or at the desk; nothing where the visit has ended."""
        if self.must_move:
            return _("“We are sorry: we cannot see you at this time. Please do not travel. Let us find another time.”")
        if self.readiness == READY:
            return self._say_ready()
        if self.readiness == UPDATE_DUE:
            return self._say_update_due()
        if self.readiness == WAITING:
            return self._say_waiting()
        if self.readiness == CANNOT:
            return _("“This treatment is not right for you at the moment. We can talk about it: shall I book a talk?”")
        return ""

    def _say_ready(self) -> str:
        visit = self.visit
        if visit.status == Status.ARRIVED:
            return _("“Thank you, please take a seat. %(name)s comes to fetch you.”") % {"name": visit.practitioner}
        if visit.status == Status.CHECKED_IN:
            return _("With %(name)s now.") % {"name": visit.practitioner}
        if self.is_back:
            return _("They are here, and booked again: please mark them as arrived.")
        if self.was_here_before:
            return _("They were here: if they still are, mark them as arrived.")
        if visit.status != Status.BOOKED:
            return ""  # cleared when its day was over: it was never booked
        when = f"{self.start:%H:%M}" if self.may_arrive else local_text(visit.starts_at, visit.location)
        if visit.starts_at > self.now:
            return _("“You are booked for %(when)s. Please come five minutes early.”") % {"when": when}
        return _("“You were booked for %(when)s. Are you on your way?”") % {"when": when} if self.may_arrive else ""

    def _say_update_due(self) -> str:
        visit = self.visit
        if visit.form_due_by and not visit.whose.email:
            return _("“We need your answers to a form by %(when)s. Which e-mail address may we send the link to?”") % {
                "when": local_text(visit.form_due_by, visit.location)
            }
        if visit.form_due_by:
            return _("“Please fill in the form we sent you by %(when)s. Then a clinician looks at it.”") % {
                "when": local_text(visit.form_due_by, visit.location)
            }
        if visit.information_asked_at and self.is_here:
            return _("“A clinician has a question for you. Please answer it on your page; we are here to help.”")
        if visit.information_asked_at:
            return _("“A clinician has a question for you. Please open the link we sent you and answer it.”")
        if self.is_here:
            return _("“Please answer all the questions again, on your page. Then a clinician looks at what is new.”")
        return _("“Please answer the questions again before you come. You find them on your page.”")

    def _say_waiting(self) -> str:
        visit = self.visit
        if self.is_here:
            return _("“Your answers are with a clinician. Please take a seat: we tell you here as soon as we know.”")
        if visit.answer_by is None:
            return _("“Your answers are with a clinician. Please do not travel until you hear from us.”")
        if visit.answer_by < self.now:
            return _("“We are late with our answer, and we are sorry. Please do not travel until you hear from us.”")
        return _("“Your answers are with a clinician. You hear from us by %(when)s. Please do not travel yet.”") % {
            "when": local_text(visit.answer_by, visit.location)
        }

    @property
    def is_not_today(self) -> bool:
        """Whether whom it was with did not treat on the day."""
        return is_not_today(self.visit)

    @property
    def ended_by(self) -> str:
        """Who cancelled it, and why, as far as the desk may know; nothing where nobody did."""
        visit = self.visit
        if visit.status != Status.CANCELLED:
            return ""
        if self.is_not_today:
            return _("%(name)s did not treat on that day") % {"name": visit.practitioner}
        return _("by %(who)s: %(why)s") % {
            "who": visit.get_cancelled_by_display(),
            "why": visit.get_cancel_reason_display(),
        }

    @property
    def left_open(self) -> str:
        """Who brings it to an end, where its day is over and they are still here by our record, or nobody was there for
        them: the desk cannot."""
        visit = self.visit
        if visit.day >= visit.location.day_of(self.now):
            return ""
        if self.was_here:
            return _(
                "This day is over, and the visit is still open. By our record they were here, and it did not begin: "
                "please find another time with them. If there is none, a manager marks it as entered in error."
            )
        if visit.status == Status.BOOKED and self.is_hit:
            return _(
                "This day is over, and the visit is still open. Nobody was there for it: please find another time with "
                "them. If there is none, a manager marks it as entered in error."
            )
        if visit.status not in Appointment.IN_THE_HOUSE:
            return ""
        return _(
            "This day is over, and the visit is still open. %(name)s opens it and chooses “End this visit without "
            "treating”. If they cannot, a manager marks it as entered in error."
        ) % {"name": visit.practitioner}


def lines(visits: Iterable[Any], *, now: datetime, user: User | None = None) -> list[Line]:
    """The visits, of `for_lines`, as lines, with readiness and the verbs this person has; None: no verbs. The look-ups
    are those of `readiness`, however many visits; nothing is written."""
    made = [
        Line(visit, now, session=visit.session or 0, is_hit=visit.is_hit, was_here_for=visit.was_here_for)
        for visit in visits
    ]
    waiting = [line for line in made if not line.is_over]
    words = readiness(
        [
            (line.visit.pk, line.visit.patient_id, line.visit.treatment, line.visit.area_id, line.visit.day)
            for line in waiting
        ],
        now=now,
    )
    for line in made:
        line.readiness = words.get(line.visit.pk, "")
    by = user if user is not None and user.has_perm("booking.run_desk") else None
    # Who sits there comes before who may be about to arrive.
    expected = max((line for line in made if line.is_expected), key=lambda line: line.is_back, default=None)
    for line in made:
        line.is_next = by is not None and line is expected
        line.verbs = desk_verbs(line, by) if by is not None else []
    return made


def for_lines(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Each with `session`: which session on its area it is, counting those that took or keep their time; None for
    what is no session. And with what `with_hit` says of it."""
    so_far = (
        Appointment.objects.occupying()
        .exclude(status=Status.PROPOSED)
        .filter(patient=OuterRef("patient"), area=OuterRef("area"), interval_days__gt=0)
        .filter(starts_at__lte=OuterRef("starts_at"))
        .order_by()
        .values("patient")
        .values(count=Count("pk"))
    )
    is_none = Q(interval_days=0) | Q(status__in=[*Appointment.FREED, Status.PROPOSED])
    return with_hit(visits).annotate(session=Case(When(is_none, then=None), default=Subquery(so_far)))


def desk_verbs(line: Line, user: User) -> list[Verb]:
    """What the front desk can do with a visit now, the likeliest first."""
    visit, now = line.visit, line.now
    verbs = []
    if line.must_move:
        verbs.append(Verb("move", _("Move"), is_page=True, is_urgent=True))
    if visit.status == Status.BOOKED:
        if line.may_arrive:
            verbs.append(Verb("arrive", _("Arrived"), is_first=line.is_next))
        if now >= visit.starts_at + NO_SHOW_AFTER and not line.was_here and not line.is_hit:
            verbs.append(Verb("no-show", _("Did not come")))
    if visit.status == Status.PENDING and visit.form_due_by and visit.whose.email:
        verbs.append(Verb("send-form", _("Send the form link")))
    if allows(check_undo, visit, by=user, now=now):
        label = _("Undo “%(status)s”") % {"status": visit.get_status_display()}
        verbs.append(Verb("undo", label))
    if visit.status in Appointment.OPEN and not line.must_move:
        verbs.append(Verb("move", _("Move"), is_page=True))
    if allows(check_cancel, visit, by="staff", user=user, now=now):
        verbs.append(Verb("cancel", _("Cancel"), is_page=True, is_stop=True))
    return verbs


# --- visits of which nothing came


def not_treated(*, now: datetime) -> QuerySet[Appointment]:
    """Visits (with names) that ended with "not today" in the last 14 days, nearest first, until their patient is given
    a later one of the same treatment on the same area: made since then, or moved. See `is_not_today`."""
    history = Appointment.events.rel.related_model.objects.filter(pgh_obj=OuterRef("pk")).order_by("-pgh_id")
    ended = history.filter(status=Status.CANCELLED)
    before = history.filter(pgh_id__lt=OuterRef(OuterRef("ended")))
    # One that was planned already is the next session, and makes up for nothing.
    given_since = (
        Appointment.objects.occupying()
        .exclude(status=Status.PROPOSED)
        .filter(patient=OuterRef("patient"), treatment=OuterRef("treatment"), starts_at__gt=OuterRef("starts_at"))
        .filter(Q(area=OuterRef("area")) | Q(area=None))  # a talk is of none
        .alias(was_at=Subquery(before.values("starts_at")[:1]))
        .filter(Q(was_at=None) | ~Q(was_at=F("starts_at")))
    )
    visits: QuerySet[Appointment] = Appointment.objects.with_names()
    return (
        visits.filter(cancelled_by=Appointment.CancelledBy.CLINICIAN, cancelled_by_user=F("practitioner__user"))
        .filter(cancelled_at__gt=now - FIND_ANOTHER_WITHIN)
        .filter(local_date__lte=day_there(F("cancelled_at"), "room__location__time_zone"))
        .alias(ended=Subquery(ended.values("pgh_id")[:1]))
        .exclude(Exists(given_since))
        .order_by("starts_at", "pk")
    )
