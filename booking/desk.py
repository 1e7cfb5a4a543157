"""What the front desk and the practitioners see of a day: each visit with one word, what to say, and what to do next.

Whether a patient is ready comes as one word from `screening.clearance.readiness`; why not is never known here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    Count,
    DateField,
    DateTimeField,
    Exists,
    ExpressionWrapper,
    F,
    Func,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TimeField,
    Value,
    When,
    Window,
)
from django.db.models.functions import Cast, JSONObject, Least
from django.templatetags.tz import do_timezone
from django.utils import formats
from django.utils.translation import gettext as _

from booking.appointments import NO_SHOW_AFTER, allows, check_cancel, check_undo
from booking.changing import in_the_house
from booking.models import Appointment, Closure, TimeOff, WorkingHours
from booking.notices import local_text
from booking.sweep import WARNINGS
from clinic.models import CallBack, Location, Patient, Practitioner, User, today_at
from clinic.names import as_reference
from outbox.models import Message
from screening.clearance import CANNOT, READY, UPDATE_DUE, WAITING, readiness

Status = Appointment.Status
OPEN = (Status.PENDING, Status.BOOKED)
# How many lines of each kind stand beside the day; the lists have all of them.
BESIDE = 5
FOUND = 12
# From when on an arrival is the likeliest thing to happen.
SOON = timedelta(hours=1)
AT_TIME_ZONE: dict[str, Any] = {"arg_joiner": " AT TIME ZONE ", "template": "(%(expressions)s)"}
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
    is_hit: bool = False  # the same
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
        """Whether it is to come and cannot stand: see `cannot_stand`. What cannot be treated needs other words."""
        is_upcoming = self.visit.status in OPEN and self.visit.starts_at > self.now
        return self.is_hit and is_upcoming and self.readiness != CANNOT

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen with it today."""
        return self.visit.status in (*Appointment.FREED, Status.FULFILLED)

    @property
    def is_to_come(self) -> bool:
        """Whether they may still come: neither here, nor over."""
        return self.visit.status in OPEN and self.visit.ends_at > self.now

    @property
    def may_arrive(self) -> bool:
        """Whether they can be marked as here: booked for the day that it is there."""
        today = self.now.astimezone(self.visit.location.zone).date()
        return self.visit.status == Status.BOOKED and self.visit.local_date == today

    @property
    def is_expected(self) -> bool:
        """Whether an arrival is the likeliest thing to happen with it."""
        return self.may_arrive and not self.must_move and self.visit.starts_at - SOON <= self.now < self.visit.ends_at

    @property
    def is_ready(self) -> bool:
        """Whether nothing is asked of anybody."""
        return self.readiness == READY and not self.must_move

    @property
    def is_up_to_patient(self) -> bool:
        """Whether the patient has to say something before a clinician can look."""
        return self.readiness == UPDATE_DUE

    @property
    def say(self) -> str:
        """What to say on the phone; nothing of whoever is here, or whose time is over."""
        visit = self.visit
        if self.must_move:
            return _("“We are sorry: we cannot see you at this time. Please do not travel. Let us find another time.”")
        if self.is_ready:
            if visit.status != Status.BOOKED or visit.starts_at <= self.now:
                return ""
            when = f"{self.start:%H:%M}" if self.may_arrive else local_text(visit.starts_at, visit.location)
            return _("“You are booked for %(when)s. Please come five minutes early.”") % {"when": when}
        if self.is_up_to_patient:
            if visit.form_due_by:
                return _("“Please fill in the form we sent you by %(when)s. Then a clinician looks at it.”") % {
                    "when": local_text(visit.form_due_by, visit.location)
                }
            if visit.information_asked_at:
                return _("“A clinician has a question for you. Please open the link we sent you and answer it.”")
            if in_the_house(visit):
                return _(
                    "“Please answer all the questions again, on your page. Then a clinician looks at what is new.”"
                )
            return _("“Please answer the questions again before you come. You find them on your page.”")
        if self.readiness == WAITING:
            if visit.answer_by and visit.answer_by < self.now:
                return _(
                    "“We are late with our answer, and we are sorry. Please do not travel until you hear from us.”"
                )
            if visit.answer_by:
                return _(
                    "“Your answers are with a clinician. You hear from us by %(when)s. Please do not travel yet.”"
                ) % {"when": local_text(visit.answer_by, visit.location)}
            return _("“Your answers are with a clinician. Please do not travel until you hear from us.”")
        if self.readiness == CANNOT:
            return _("“This treatment is not right for you at the moment. We can talk about it: shall I book a talk?”")
        return ""

    @property
    def left_open(self) -> str:
        """Who brings it to an end, where its day is over and they are still here by our record: the desk cannot."""
        visit = self.visit
        today = self.now.astimezone(visit.location.zone).date()
        if visit.status not in Appointment.IN_THE_HOUSE or visit.day >= today:
            return ""
        return _(
            "This day is over, and the visit is still open. %(name)s opens it and chooses “End this visit without "
            "treating”. If they cannot, a manager marks it as entered in error."
        ) % {"name": visit.practitioner}


def lines(visits: Iterable[Appointment], *, now: datetime, user: User) -> list[Line]:
    """The visits (with names and numbers) as lines, with readiness and the verbs this person has. The look-ups are
    those of `readiness`, however many visits; nothing is written. `visits` are those of `for_lines`."""
    made = [Line(visit, now, getattr(visit, "session", None) or 0, getattr(visit, "is_hit", False)) for visit in visits]
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
    runs_desk = user.has_perm("booking.run_desk")
    expected = next((line for line in made if line.is_expected), None)
    for line in made:
        line.is_next = runs_desk and line is expected
        line.verbs = desk_verbs(line, user) if runs_desk else []
    return made


def for_lines(visits: QuerySet[Appointment]) -> QuerySet[Appointment]:
    """Each with `session`: which session on its area it is, counting those that took or keep their time; None for
    what is no session. And with `is_hit`: whether somebody or some place is not there then."""
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
    return visits.annotate(
        session=Case(When(is_none, then=None), default=Subquery(so_far)),
        is_hit=ExpressionWrapper(_nobody_there(), BooleanField()),
    )


def desk_verbs(line: Line, user: User) -> list[Verb]:
    """What the front desk can do with a visit now, the likeliest first."""
    visit, now = line.visit, line.now
    verbs = []
    if line.must_move:
        verbs.append(Verb("move", _("Move"), is_page=True, is_urgent=True))
    if visit.status == Status.BOOKED:
        if line.may_arrive:
            verbs.append(Verb("arrive", _("Arrived"), is_first=line.is_next))
        if now >= visit.starts_at + NO_SHOW_AFTER:
            verbs.append(Verb("no-show", _("Did not come")))
    if visit.status == Status.PENDING and visit.form_due_by:
        verbs.append(Verb("send-form", _("Send the form link again")))
    if allows(check_undo, visit, by=user, now=now):
        label = _("Undo “%(status)s”") % {"status": visit.get_status_display()}
        verbs.append(Verb("undo", label))
    if visit.status in OPEN and not line.must_move:
        verbs.append(Verb("move", _("Move"), is_page=True))
    if allows(check_cancel, visit, by="staff", user=user, now=now):
        verbs.append(Verb("cancel", _("Cancel"), is_page=True, is_stop=True))
    return verbs


# --- a day at a place


@dataclass
class Column:
    """A practitioner or a room, with its visits of the day."""

    name: str
    note: str = ""
    lines: list[Line] = field(default_factory=list)


@dataclass
class Day:
    """A local day at one place."""

    day: date
    location: Location
    today: date
    lines: list[Line]
    columns: list[Column]
    closed: str | None

    @property
    def has_next(self) -> bool:
        """Whether the arrival of one of the visits is the likeliest thing to happen."""
        return any(line.is_next for line in self.lines)

    @property
    def figures(self) -> list[tuple[str, int]]:
        """Counts to see at a glance."""
        open_lines = [line for line in self.lines if line.visit.status not in Appointment.FREED]
        return [
            (_("Visits"), len(open_lines)),
            (_("Still to come"), sum(line.is_to_come for line in open_lines)),
            (_("Here"), sum(line.visit.status in (Status.ARRIVED, Status.CHECKED_IN) for line in open_lines)),
            (_("Not ready"), sum(line.must_move or line.readiness not in ("", READY) for line in open_lines)),
        ]


def today_there(now: datetime, time_zone: str, *, days: int = 0) -> ExpressionWrapper:
    """The local day at `now`, or so many days after it, where each row is: `time_zone` is the path to its zone."""
    day = Cast(Func(Value(now, DateTimeField()), F(time_zone), **AT_TIME_ZONE), DateField())
    return ExpressionWrapper(day + Value(days), DateField())


def places(day: date | None, *, now: datetime) -> list[tuple[Location, str | None]]:
    """The places that are open for booking, and after them those that are not any more and have visits from today (or
    that local day) on; each with why it is closed on that day (on its own today, where no day is given), which may be
    empty words; None where it is not closed. One query."""
    closures = Closure.objects.filter(
        location=OuterRef("pk"), first_day__lte=OuterRef("shown_day"), last_day__gte=OuterRef("shown_day")
    ).order_by("pk")
    still = (
        Appointment.objects.occupying()
        .filter(room__location=OuterRef("pk"), patient__isnull=False)
        .filter(local_date__gte=Least(OuterRef("shown_day"), OuterRef("today")))
        .exclude(status=Status.PROPOSED)
    )
    found = (
        Location.objects.annotate(today=today_there(now, "time_zone"))
        .annotate(shown_day=Value(day, DateField()) if day else F("today"))
        .annotate(closed=Subquery(closures.values("reason")[:1]))
        .filter(Q(is_active=True) | Exists(still))
        .order_by("-is_active", "name")
    )
    return [(place, place.closed) for place in found]


def visits_of(day: date, location: Location) -> QuerySet[Appointment]:
    """Every visit of somebody we know on a local day at a place, freed ones included."""
    return for_lines(
        Appointment.objects.with_names()
        .on(day, location)
        .filter(patient__isnull=False)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .exclude(status=Status.CANCELLED, previous_status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )


def the_day(day: date, place: Location, *, closed: str | None = None, by_room: bool, now: datetime, user: User) -> Day:
    """The day at one of `places`, in columns by practitioner, or by room. Two queries and those of `readiness`."""
    found = lines(visits_of(day, place), now=now, user=user)
    return Day(
        day=day,
        location=place,
        today=now.astimezone(place.zone).date(),
        lines=found,
        columns=_rooms(found, place) if by_room else _practitioners(found, day, place),
        closed=None if closed is None else closed or _("closed"),
    )


def _rooms(found: list[Line], place: Location) -> list[Column]:
    columns = {room.pk: Column(room.name) for room in place.rooms.filter(is_active=True).order_by("name")}
    for line in found:
        columns.setdefault(line.visit.room_id, Column(line.visit.room.name)).lines.append(line)
    return list(columns.values())


def _practitioners(found: list[Line], day: date, place: Location) -> list[Column]:
    """Who works there on that day, and whoever has a visit there all the same; with their hours and absences."""
    begins = datetime.combine(day, time.min, tzinfo=place.zone)
    counting = WorkingHours.objects.counting(day, day)
    hours = counting.filter(practitioner=OuterRef("pk"), location=place, weekday=day.weekday()).order_by("starts")
    absences = TimeOff.objects.filter(
        practitioner=OuterRef("pk"), starts_at__lt=begins + timedelta(days=1), ends_at__gt=begins
    ).order_by("starts_at")
    here = Q(is_active=True) & Exists(hours) | Q(pk__in={line.visit.practitioner_id for line in found})
    people = (
        Practitioner.objects.filter(here)
        .annotate(
            hours=ArraySubquery(hours.values(row=JSONObject(starts="starts", ends="ends"))),
            absences=ArraySubquery(absences.values(row=JSONObject(starts="starts_at", ends="ends_at"))),
        )
        .order_by("name", "pk")
    )
    columns = {}
    for person in people:
        notes = [f"{row['starts'][:5]}–{row['ends'][:5]}" for row in person.hours if person.is_active]
        notes += [_away(row, day, place) for row in person.absences]
        columns[person.pk] = Column(person.name, ", ".join(notes))
    for line in found:
        columns[line.visit.practitioner_id].lines.append(line)
    return list(columns.values())


def _away(row: dict, day: date, place: Location) -> str:
    since, until = (datetime.fromisoformat(row[end]).astimezone(place.zone) for end in ("starts", "ends"))
    return _("away %(since)s to %(until)s") % {
        "since": f"{since:%H:%M}" if since.date() == day else _("from before"),
        "until": f"{until:%H:%M}" if until.date() == day else formats.date_format(until.date(), "j M"),
    }


def own_today(user: User, *, now: datetime) -> date:
    """Today where somebody works."""
    hours = WorkingHours.objects.filter(practitioner__user=user)
    return today_at(now, Location.objects.filter(pk__in=hours.values("location")) or None)


def own_day(user: User, day: date | None, *, now: datetime) -> list[Line]:
    """A practitioner's own visits of a local day (without one, of today at the place of each), wherever they are; freed
    ones are left out."""
    visits = (
        Appointment.objects.with_names()
        .occupying()
        .filter(practitioner__user=user, patient__isnull=False)
        .filter(local_date=day or today_there(now, "room__location__time_zone"))
        .exclude(status=Status.PROPOSED)
        .order_by("starts_at", "pk")
    )
    return lines(for_lines(visits), now=now, user=user)


# --- finding people


@dataclass
class Person:
    """A patient who was found, with the visits one asks about."""

    patient: Patient
    visits: list[Appointment] = field(default_factory=list)


def patients_found(text: str) -> QuerySet[Patient]:
    """Patients by what they say of themselves (see `PatientQuerySet.matching`), or by the reference of a visit."""
    text = text.replace("\0", "").strip()[:150]
    by_visit = Appointment.objects.filter(reference__iexact=as_reference(text), patient__isnull=False).values("patient")
    return (Patient.objects.matching(text) | Patient.objects.filter(pk__in=by_visit)).order_by("name", "pk")


def find(text: str, *, now: datetime) -> tuple[list[Person], bool]:
    """Up to twelve people who fit, each with the visit just before now and the next two; and whether there are more."""
    patients = list(patients_found(text)[: FOUND + 1])
    people = {patient.pk: Person(patient) for patient in patients[:FOUND]}
    visits = (
        Appointment.objects.with_names()
        .filter(patient__in=people)
        .exclude(status__in=[Status.PROPOSED, Status.ENTERED_IN_ERROR])
        .order_by("starts_at")
    )
    for visit in visits:
        people[visit.patient_id].visits.append(visit)
    for person in people.values():
        past = [visit for visit in person.visits if visit.ends_at < now]
        coming = [visit for visit in person.visits if visit.ends_at >= now and visit.status not in Appointment.FREED]
        person.visits = past[-1:] + coming[:2]
    return list(people.values()), len(patients) > FOUND


# --- to do


@dataclass
class Task:
    """A kind of thing to do, with its first rows and how many there are."""

    title: str
    rows: list
    more: int
    kind: str


def attention(now: datetime) -> dict[str, QuerySet[Appointment]]:
    """What somebody should do something about, for "to do": each a QuerySet with names, nearest first.

    form_due: a form we wait for; to_move: see `cannot_stand`; review_soon: less than a day away and not confirmed;
    not_closed: visits still open whose local day is over.
    """
    visits = Appointment.objects.with_names().order_by("starts_at", "pk")
    upcoming = visits.filter(status__in=[Status.PENDING, Status.BOOKED], starts_at__gt=now)
    return {
        "form_due": visits.filter(status=Status.PENDING, form_due_by__isnull=False).order_by("form_due_by", "pk"),
        "to_move": cannot_stand(now=now),
        "review_soon": upcoming.filter(status=Status.PENDING, starts_at__lte=now + WARNINGS[0]),
        "not_closed": visits.filter(
            status__in=[Status.PENDING, *Appointment.ON_A_REVIEW],
            local_date__lt=today_there(now, "room__location__time_zone"),
        ),
    }


def to_do(*, now: datetime, user: User) -> list[Task]:
    """What waits for the front desk, each kind with its first rows and how many more there are; kinds without any are
    left out. Three queries, however much waits."""
    calls = _first(CallBack.objects.filter(done_at=None).order_by("created_at"))
    unclear = _first(Message.objects.unclear(now=now)) if user.has_perm("outbox.view_message") else []
    return [
        *_tasks({"call-back": calls}, {"call-back": _("Call back")}),
        *visits_to_do(now=now),
        *_tasks({"message": unclear}, {"message": _("Message unclear: sent or not?")}),
    ]


def visits_to_do(*, now: datetime) -> list[Task]:
    """The part of `to_do` that is about visits. One query."""
    titles = {
        "to_move": _("Time to be moved"),
        "review_soon": _("Soon, and not confirmed yet"),
        "form_due": _("Form due"),
        "not_closed": _("Past days, still open"),
    }
    return _tasks(_first_visits(attention(now)), titles)


def _tasks(rows: dict[str, list], titles: dict[str, str]) -> list[Task]:
    return [
        Task(title, rows[kind], rows[kind][0].waiting - len(rows[kind]), kind)
        for kind, title in titles.items()
        if rows[kind]
    ]


def _first(rows: QuerySet) -> list:
    """The first rows, each with `waiting`: how many there are in all."""
    return list(rows.annotate(waiting=Window(Count("pk")))[:BESIDE])


def _first_visits(kinds: dict[str, QuerySet[Appointment]]) -> dict[str, list[Appointment]]:
    """The same of each kind, in one query."""
    parts = [
        visits.annotate(kind=Value(kind, CharField()), waiting=Window(Count("pk")))[:BESIDE]
        for kind, visits in kinds.items()
    ]
    found: dict[str, list[Appointment]] = {kind: [] for kind in kinds}
    for visit in parts[0].union(*parts[1:], all=True):
        found[visit.kind].append(visit)
    for kind, visits in found.items():  # a union keeps no order
        visits.sort(key=lambda visit: (visit.form_due_by if kind == "form_due" else visit.starts_at, visit.pk))
    return found


# --- visits that cannot stand


def cannot_stand(*, now: datetime) -> QuerySet[Appointment]:
    """Upcoming visits (with names) for which somebody or some place is not there, nearest first: the practitioner is
    off or has no hours then, the place is closed, or one of them is no longer in use. The cleaning belongs to a visit.
    """
    upcoming = Appointment.objects.with_names().filter(status__in=OPEN, starts_at__gt=now)
    return upcoming.filter(_nobody_there()).order_by("starts_at", "pk")


def _nobody_there() -> Q:
    """A condition on visits, whenever they are."""
    off = TimeOff.objects.filter(
        practitioner=OuterRef("practitioner"), starts_at__lt=OuterRef("busy_until"), ends_at__gt=OuterRef("starts_at")
    )
    closed = Closure.objects.filter(
        location=OuterRef("room__location"),
        first_day__lte=OuterRef("local_date"),
        last_day__gte=OuterRef("local_date"),
    )
    return (
        Q(Exists(off))
        | Q(Exists(closed))
        | ~Q(Exists(_hours_around()))
        | Q(practitioner__is_active=False)
        | Q(room__is_active=False)
        | Q(room__location__is_active=False)
    )


def _hours_around() -> QuerySet[WorkingHours]:
    """Working hours that hold the whole of the outer visit, by the clock on the wall there: none of it in the break."""
    day = OuterRef("local_date")
    counting = WorkingHours.objects.counting(day, day)
    return counting.alias(begins=_on_the_wall("starts_at"), until=_on_the_wall("busy_until")).filter(
        Q(break_starts=None) | Q(break_ends__lte=F("begins")) | Q(break_starts__gte=F("until")),
        practitioner=OuterRef("practitioner"),
        location=OuterRef("room__location"),
        weekday=Func(day, template="EXTRACT(ISODOW FROM %(expressions)s) - 1"),
        starts__lte=F("begins"),
        ends__gte=F("until"),
        until__gt=F("begins"),  # no hours go past midnight
    )


def _on_the_wall(instant: str) -> Cast:
    """An instant of the outer visit as the clock where the hours are shows it."""
    return Cast(Func(OuterRef(instant), F("location__time_zone"), **AT_TIME_ZONE), TimeField())


# --- what was written about a visit


def why_untrue(message: Message, *, about: Appointment | None = None, now: datetime) -> str:
    """Why a message does not tell how its visit stands now, in a sentence for staff; empty when it does, or is about
    no visit. A visit can change without a word to the patient: on its day, when they are here, staff tell them."""
    key = message.subject_uuid
    visit = about or (Appointment.objects.filter(uuid=key).first() if key is not None else None)
    if visit is None:
        return ""
    waits, is_booked = visit.status == Status.PENDING, visit.status == Status.BOOKED
    is_freed = visit.status in (Status.CANCELLED, Status.ENTERED_IN_ERROR)
    is_true = {
        "asked_for": waits and visit.answer_by is not None and visit.answer_by > now,
        "booked": is_booked,
        "moved": is_booked if message.calendar else waits,  # the file is for what is confirmed
        "back_to_pending": waits,
        "form_due": waits and visit.form_due_by is not None,
        "information_needed": waits and visit.information_asked_at is not None,
        "promise_missed": is_freed if message.calendar else waits,  # the file takes out what was let go
        "review_due": waits,
        "cancelled": is_freed,
        "not_possible": is_freed,
    }
    if visit.starts_at <= now:
        return _("The time of the visit has come, so the message is not sent again.")
    if not is_true.get(message.kind, True):
        return _("It is no longer true, so it is not sent again: the visit is “%(status)s” now.") % {
            "status": visit.get_status_display()
        }
    return ""


# --- what happened


@dataclass(frozen=True)
class Event:
    """One change of an appointment: when (an instant), who, and what in words."""

    at: datetime
    who: str
    what: list[str]


def history(visit: Appointment) -> list[Event]:
    """Everything that happened with a visit, newest first, from the event table. Three queries."""
    rows = list(
        visit.events.select_related("pgh_context", "practitioner", "room__location", "treatment").order_by("pgh_id")
    )
    ids = {(row.pgh_context.metadata or {}).get("user") for row in rows if row.pgh_context_id}
    people = User.objects.in_bulk([pk for pk in ids if pk])
    events: list[Event] = []
    before = None
    for row in rows:
        what = _what_changed(before, row)
        before = row
        if not what:
            continue
        user = people.get((row.pgh_context.metadata or {}).get("user")) if row.pgh_context_id else None
        if user is None:
            who = _("the system")
        elif visit.patient and visit.patient.user_id == user.pk:
            who = _("the patient")
        else:
            who = str(user)
        events.append(Event(row.pgh_created_at, who, what))
    return events[::-1]


def _what_changed(before, row) -> list[str]:
    when = local_text(row.starts_at, row.room.location)
    what = []
    if before is None or before.status != row.status:
        words = row.get_status_display()
        if row.status == Status.CANCELLED and row.cancel_reason:
            words = _("%(status)s: %(reason)s") % {
                "status": words,
                "reason": row.get_cancel_reason_display(),
            }
            if row.cancelled_late:
                words = _("%(words)s (late)") % {"words": words}
        if row.status == Status.ENTERED_IN_ERROR:
            words = _("%(status)s: %(reason)s") % {"status": words, "reason": row.entered_in_error_reason}
        what.append(words)
    if before is None:
        what.append(when)
    elif (before.starts_at, before.room_id) != (row.starts_at, row.room_id):
        what.append(_("now %(when)s, %(room)s") % {"when": when, "room": row.room.name})
    if before is not None and before.practitioner_id != row.practitioner_id:
        what.append(_("now with %(name)s") % {"name": row.practitioner})
    if before is not None and before.treatment_id != row.treatment_id:
        what.append(_("now %(treatment)s") % {"treatment": row.treatment})
    if row.overbook_reason and (before is None or before.overbook_reason != row.overbook_reason):
        what.append(_("overbooked: %(reason)s") % {"reason": row.overbook_reason})
    if row.identity_confirmed_at and (before is None or before.identity_confirmed_at != row.identity_confirmed_at):
        what.append(_("the right person, confirmed"))
        if row.agreed_at:
            what.append(_("agreed to the treatment"))
    return what
