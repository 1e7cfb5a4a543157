"""When is there a free time? The only place that knows (DESIGN sections 4 and 5; docs/adr: slots are computed).

A handful of set fetches and one linear sweep in Python. Working hours are wall-clock time of their location and become
instants per day: a wall-clock time that does not exist that day is not offered, one that exists twice is the earlier
instant. A patient's visit ends before the cleaning; practitioner and room are busy until after it.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    DateField,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, JSONObject

from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.days import FIRST_DAY, LAST_DAY, in_calendar
from clinic.models import Area, Clinic, Patient, Room, Treatment

# A pending visit that nobody reviewed is released this long before it begins; so no time is offered closer than this
# to the moment until which we promise to answer.
RELEASED_BEFORE = timedelta(hours=2)
# "Next free" reads appointments in widening windows: most answers are near.
WINDOWS = (7, 36)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, order=True)
class Slot:
    """A start (UTC) with a practitioner and a room, free when it was computed. Never stored (FHIR Slot)."""

    starts_at: datetime
    practitioner_id: int
    room_id: int
    location_id: int

    @property
    def key(self) -> str:
        """The slot as a form value, such as `20270304T1030Z-3-2-1`. Whoever takes it has it checked again."""
        start = self.starts_at.astimezone(UTC)
        return f"{start:%Y%m%dT%H%MZ}-{self.practitioner_id}-{self.room_id}-{self.location_id}"

    @classmethod
    def of(cls, visit: Appointment) -> "Slot":
        """The time that an appointment has."""
        return cls(visit.starts_at, visit.practitioner_id, visit.room_id, visit.room.location_id)

    @classmethod
    def from_key(cls, key: str) -> "Slot":
        """The slot of a form value. Raises ValueError for anything `key` does not write."""
        start, *ids = str(key).split("-")
        if len(start) != 14 or len(ids) != 3 or not all(i.isascii() and i.isdigit() and len(i) < 19 for i in ids):
            raise ValueError("not a time that was offered")
        starts_at = datetime.strptime(start, "%Y%m%dT%H%MZ").replace(tzinfo=UTC)
        slot = cls(starts_at, *(int(i) for i in ids))
        if slot.key != key or not in_calendar(starts_at.date()):
            raise ValueError("not a time that was offered")
        return slot


@dataclass(frozen=True)
class Wanted:
    """For whom a time is wanted, and from when on.

    `patient` keeps clear of their other visits, with `area` also of the interval between sessions (I3). Not before
    `not_before` (an instant), or without it not before `earliest_start`; not before the local day `earliest`.
    `cleared` says that a clinician has cleared this patient, so that the review promise need not pass first; unsaid, it
    follows from the treatment. `staff` may use any time to come, without lead time and horizon. With `one_each` there
    is one slot for a start and a place, given to whoever has least to do that day.
    """

    patient: Patient | None = None
    area: Area | None = None
    not_before: datetime | None = None
    earliest: date | None = None
    cleared: bool | None = None
    staff: bool = False
    one_each: bool = True


def free_slots(
    treatment: Treatment,
    *,
    first: date,
    days: int,
    now: datetime,
    practitioner=None,
    location=None,
    exclude: Appointment | None = None,
    overbook: bool = False,
    **whom,
) -> list[Slot]:
    """The free times of `days` local days from `first` on, in order.

    `whom`: see `Wanted`; without `practitioner` one of each. `exclude` is the appointment that is being moved.
    `overbook` looks past the practitioner's own appointments (lane 1).
    Three queries, however long the list: the clinic, the hours with their rooms and closures, what is taken.
    """
    wanted = Wanted(one_each=practitioner is None, **whom)
    diary = Diary([treatment], now=now, first=first, days=days, practitioner=practitioner, location=location)
    diary.read_busy(first, days, patient=wanted.patient, exclude=exclude, overbook=overbook)
    return list(diary.slots(treatment, wanted, first=first, days=days))


def first_free(treatment: Treatment, *, now: datetime, **wanted) -> Slot | None:
    """The first free time within the horizon, or None. Arguments as `free_slots`, without `first` and `days`."""
    return first_free_each([treatment], now=now, **wanted)[treatment.pk]


def first_free_each(
    treatments: Iterable[Treatment],
    *,
    now: datetime,
    practitioner=None,
    location=None,
    exclude: Appointment | None = None,
    clinic: Clinic | None = None,
    **whom,
) -> dict[int, Slot | None]:
    """The first free time of each treatment by its id: hours are read once, appointments in at most three windows."""
    wanted = Wanted(one_each=practitioner is None, **whom)
    clinic = clinic or Clinic.get()
    horizon = (clinic.horizon_days if clinic else 0) + 2
    first, last = _days_to_look_at(wanted, horizon, now=now)
    missing = list(treatments)
    found: dict[int, Slot | None] = {treatment.pk: None for treatment in missing}
    count = max((last - first).days, 0) + 1
    diary = Diary(
        missing, now=now, first=first, days=count, practitioner=practitioner, location=location, clinic=clinic
    )
    for width in (*WINDOWS, horizon + 1):
        days = min(width, (last - first).days + 1)
        if days <= 0 or not missing:
            break
        diary.read_busy(first, days, patient=wanted.patient, exclude=exclude)
        for treatment in missing:
            found[treatment.pk] = next(diary.slots(treatment, wanted, first=first, days=days), None)
        missing = [treatment for treatment in missing if found[treatment.pk] is None]
        first += days * DAY
    return found


def _days_to_look_at(wanted: Wanted, horizon: int, *, now: datetime) -> tuple[date, date]:
    """The first and the last day on which a first free time may be. For staff the horizon begins with their first."""
    today = now.astimezone(UTC).date()
    # Yesterday in UTC has begun everywhere; what has passed is not offered.
    first = max(today - DAY, _possible(wanted.earliest or date.min))
    if wanted.not_before is not None:
        first = max(first, wanted.not_before.astimezone(UTC).date() - DAY)
    last = today + horizon * DAY
    return first, max(last, first + horizon * DAY) if wanted.staff else last


def promise(*, now: datetime, location) -> datetime:
    """Until when we answer somebody who asks now: an instant, by the policy of the clinic.

    The `promise_working_days`-th working day after today, at `promise_time`, both at that location. A working day is
    one with anybody's hours there and no closure.
    """
    return Diary([], now=now, first=now.astimezone(location.zone).date(), days=1, location=location).promise(
        location.pk
    )


def earliest_start(*, now: datetime, location, cleared: bool) -> datetime:
    """The first instant that may be asked for: after the lead time and, when not `cleared`, after the promise."""
    diary = Diary([], now=now, first=now.astimezone(location.zone).date(), days=1, location=location)
    return diary.earliest_start(location.pk, cleared=cleared)


def first_kept(day: date, interval: int, sessions: Iterable[tuple[date, int]]) -> date:
    """I3: that day, or the first after it that keeps the larger of both intervals to each session (its day and its
    interval), in both directions."""
    for held, held_interval in sorted(sessions):
        gap = max(interval, held_interval)
        if abs((day - held).days) < gap:
            day = held + gap * DAY
    return day


def _possible(day: date) -> date:
    """A day that can be counted with: somebody may write the year 9999 into an address."""
    return min(max(day, FIRST_DAY), LAST_DAY)


def _nothing(kind):
    """NULL of that kind: time off has no room, no part of the body, no interval."""
    return Cast(Value(None), kind)


@dataclass(frozen=True)
class Hours:
    """One row of working hours, with whose and where."""

    practitioner_id: int
    location_id: int
    weekday: int
    starts: time
    ends: time
    break_starts: time | None
    break_ends: time | None
    valid_from: date
    valid_until: date | None
    treatments: frozenset[int]

    def count_on(self, day: date) -> bool:
        """Whether they count on that local day."""
        return (
            self.weekday == day.weekday()
            and self.valid_from <= day
            and (self.valid_until is None or day <= self.valid_until)
        )


# The columns of a row of hours, in the order in which Hours takes them.
HOURS = [column.name for column in fields(Hours) if column.name != "treatments"]


class Busy:
    """Times that are taken, for one practitioner, room or patient: asked in any order, answered by bisection."""

    def __init__(self) -> None:
        self.times: list[tuple[datetime, datetime]] = []
        self.merged: list[tuple[datetime, datetime]] | None = None

    def add(self, start: datetime, end: datetime) -> None:
        """From `start` up to `end`, its end not included."""
        self.times.append((start, end))
        self.merged = None

    def free(self, start: datetime, end: datetime) -> bool:
        """Whether nothing overlaps."""
        if self.merged is None:
            self.merged = []
            for begin, until in sorted(self.times):
                if self.merged and begin <= self.merged[-1][1]:
                    self.merged[-1] = (self.merged[-1][0], max(until, self.merged[-1][1]))
                else:
                    self.merged.append((begin, until))
        # The last one that begins before `end` is the only one that can reach into the time.
        at = bisect_left(self.merged, (end,)) - 1
        return at < 0 or self.merged[at][1] <= start


class Diary:
    """What was read from the database once, and the sweep over it.

    Reads policies, hours, closures and rooms for the local days from `first` on (and from today, for the promise);
    `read_busy` reads what is taken in a window of them.
    """

    def __init__(
        self,
        treatments: list[Treatment],
        *,
        now: datetime,
        first: date,
        days: int,
        practitioner=None,
        location=None,
        clinic: Clinic | None = None,
    ) -> None:
        self.now = now
        self.clinic = clinic or Clinic.get()
        self.practitioner_id = practitioner.pk if practitioner is not None else None
        self.hours: list[Hours] = []
        self.zones: dict[int, ZoneInfo] = {}
        self.closed: dict[int, list[tuple[date, date]]] = {}
        self.rooms: dict[int, list[int]] = {}
        self._promises: dict[int, datetime] = {}
        self._forget_busy()
        today, first = now.astimezone(UTC).date(), _possible(first)
        since, until = min(first, today - DAY), max(first + days * DAY, today + 60 * DAY)
        self._read_hours(frozenset(treatment.pk for treatment in treatments), since, until, location=location)

    def _read_hours(self, wanted: frozenset[int], since: date, until: date, *, location) -> None:
        """Hours that count on any of these days, with the rooms and the closures of their places. One query."""
        counting = WorkingHours.objects.counting(since, until)
        hours = counting.filter(location__is_active=True, practitioner__is_active=True)
        if location is not None:
            hours = hours.filter(location=location)
        here = {"location": OuterRef("location")}
        gives = Treatment.objects.filter(practitioners=OuterRef("practitioner")).order_by()
        rooms = Room.objects.filter(is_active=True, **here).order_by("name", "pk")
        closed = Closure.objects.filter(last_day__gte=since, first_day__lte=until, **here).order_by()
        rows = hours.order_by("practitioner_id", "location_id", "weekday", "starts", "pk").values_list(
            *HOURS,
            "location__time_zone",
            ArraySubquery(gives.values("pk")),
            ArraySubquery(rooms.values("pk")),
            ArraySubquery(closed.values(days=JSONObject(first="first_day", last="last_day"))),
        )
        for *row, zone, treatments, rooms_there, closed_there in rows:
            found = Hours(*[*row, wanted.intersection(treatments)])
            self.hours.append(found)
            where = found.location_id
            if where not in self.zones:
                self.zones[where], self.rooms[where] = ZoneInfo(zone), rooms_there
                self.closed[where] = [
                    (date.fromisoformat(days["first"]), date.fromisoformat(days["last"])) for days in closed_there
                ]

    # --- what is taken

    def read_busy(
        self, first: date, days: int, *, patient=None, exclude: Appointment | None = None, overbook: bool = False
    ) -> None:
        """Reads appointments and time off of these local days, everywhere at once, and all of the patient's own.

        Expired holds do not count. One query.
        """
        self._forget_busy()
        rows = self._taken(_possible(first), days, patient=patient, exclude=exclude)
        for who_id, room_id, lane, start, busy_until, ends, area_id, day, interval, is_here, is_own in rows:
            if is_here and room_id is not None:
                self.room_busy[room_id].add(start, busy_until)
                self.work[who_id, start.date()] += int((busy_until - start).total_seconds())
            if is_here and not (overbook and lane == 0):
                self.practitioner_busy[who_id].add(start, busy_until)
            if is_own:
                self.patient_busy.add(start, ends)
                if interval > 0:
                    self.sessions.append((area_id, day, interval))

    def _forget_busy(self) -> None:
        self.practitioner_busy: dict[int, Busy] = defaultdict(Busy)
        self.room_busy: dict[int, Busy] = defaultdict(Busy)
        self.work: dict[tuple[int, date], int] = defaultdict(int)
        self.patient_busy = Busy()
        self.sessions: list[tuple[int | None, date, int]] = []

    def _taken(self, first: date, days: int, *, patient, exclude: Appointment | None) -> QuerySet:
        """What `read_busy` counts, as rows: visits with `here` and `own`, and time off, which has no room."""
        low = datetime.combine(first - DAY, time(), tzinfo=UTC)
        high = datetime.combine(first + (days + 1) * DAY, time(), tzinfo=UTC)
        who = {hours.practitioner_id for hours in self.hours if hours.treatments}
        rooms = [room for places in self.rooms.values() for room in places]
        # No visit is longer than a day: the lower bound lets the indexes on starts_at be used.
        here = Q(starts_at__gt=low - DAY, starts_at__lt=high, busy_until__gt=low) & (
            Q(practitioner__in=who) | Q(room__in=rooms)
        )
        # Their own held times count for nobody: whoever takes another time gives the held one up.
        own = Q(patient=patient) & ~Q(status=Appointment.Status.PROPOSED) if patient is not None else Q(pk__in=[])
        taken = Appointment.objects.in_the_way(now=self.now).filter(here | own).order_by()
        if exclude is not None:
            taken = taken.exclude(pk=exclude.pk)
        off = TimeOff.objects.filter(practitioner__in=who, starts_at__lt=high, ends_at__gt=low).order_by()
        return taken.values_list(
            "practitioner_id",
            "room_id",
            "lane",
            "starts_at",
            "busy_until",
            "ends_at",
            "area_id",
            "local_date",
            "interval_days",
            Case(When(here, then=True), default=False, output_field=BooleanField()),
            Case(When(own, then=True), default=False, output_field=BooleanField()),
        ).union(
            off.values_list(
                "practitioner_id",
                _nothing(BigIntegerField()),
                _nothing(IntegerField()),
                "starts_at",
                "ends_at",
                "ends_at",
                _nothing(BigIntegerField()),
                _nothing(DateField()),
                _nothing(IntegerField()),
                Value(True),
                Value(False),
            ),
            all=True,
        )

    # --- policies

    def works_on(self, location_id: int, day: date) -> bool:
        """Whether anybody works there on that local day and it is not closed."""
        return not self.is_closed(location_id, day) and any(
            hours.location_id == location_id and hours.count_on(day) for hours in self.hours
        )

    def is_closed(self, location_id: int, day: date) -> bool:
        """Whether the place is closed on that local day."""
        return any(first <= day <= last for first, last in self.closed.get(location_id, ()))

    def promise(self, location_id: int) -> datetime:
        """See the function of that name."""
        if location_id not in self._promises:
            zone = self.zones.get(location_id, UTC)
            day = self.now.astimezone(zone).date()
            wanted = self.clinic.promise_working_days if self.clinic else 1
            # 60 days ahead were read; where nobody works so long, no time is offered either.
            for _day in range(58):
                day += DAY
                if self.works_on(location_id, day):
                    wanted -= 1
                if wanted <= 0:
                    break
            clock = self.clinic.promise_time if self.clinic else time(17)
            self._promises[location_id] = _instant(day, clock, zone)
        return self._promises[location_id]

    def earliest_start(self, location_id: int, *, cleared: bool) -> datetime:
        """See the function of that name."""
        lead = self.now + timedelta(hours=self.clinic.lead_hours if self.clinic else 0)
        return lead if cleared else max(lead, self.promise(location_id) + RELEASED_BEFORE)

    # --- the sweep

    def slots(self, treatment: Treatment, wanted: Wanted, *, first: date, days: int) -> Iterator[Slot]:
        """Free times day by day, in order within each. `read_busy` must have read these days."""
        if self.clinic is None or not treatment.is_active or not in_calendar(first):
            return
        weekdays: dict[int, list[Hours]] = defaultdict(list)
        for hours in self.hours:
            if treatment.pk in hours.treatments and self.practitioner_id in (None, hours.practitioner_id):
                weekdays[hours.weekday].append(hours)
        places = {hours.location_id for there in weekdays.values() for hours in there}
        bounds = {place: self._bound(treatment, wanted, place) for place in places}
        pending: list[Slot] = []  # a day's local times may lie before the evening of the day before, elsewhere
        for offset in range(days):
            day = first + offset * DAY
            found: dict[tuple, list[Slot]] = defaultdict(list)
            for hours in weekdays[day.weekday()]:
                if self._may_be_on(day, hours, treatment, wanted):
                    who = None if wanted.one_each else hours.practitioner_id
                    for slot in self._free_in(hours, day, treatment, wanted, since=bounds[hours.location_id]):
                        found[slot.starts_at, hours.location_id, who].append(slot)
            pending += [self._fair(slots, day) for slots in found.values()]
            pending.sort()
            # What cannot be overtaken by another place's next day goes out.
            safe = datetime.combine(day + DAY, time(), tzinfo=UTC) - timedelta(hours=14)
            while pending and pending[0].starts_at < safe:
                yield pending.pop(0)
        yield from pending

    def _bound(self, treatment: Treatment, wanted: Wanted, location_id: int) -> datetime:
        """The instant before which nothing begins there."""
        if wanted.staff:
            return max(self.now + MINUTE, wanted.not_before or self.now)
        cleared = not treatment.needs_screening if wanted.cleared is None else wanted.cleared
        return max(self.now, wanted.not_before or self.earliest_start(location_id, cleared=cleared))

    def _may_be_on(self, day: date, hours: Hours, treatment: Treatment, wanted: Wanted) -> bool:
        """Whether a time of that local day is offered in these hours at all."""
        today = self.now.astimezone(self.zones[hours.location_id]).date()
        horizon = self.clinic.horizon_days if self.clinic else 0
        return (
            hours.count_on(day)
            and not self.is_closed(hours.location_id, day)
            and (wanted.earliest is None or day >= wanted.earliest)
            and (wanted.staff or day <= today + horizon * DAY)
            and self.first_kept(treatment, wanted.area, day) == day
        )

    def _free_in(
        self, hours: Hours, day: date, treatment: Treatment, wanted: Wanted, *, since: datetime
    ) -> Iterator[Slot]:
        """The starts in these hours on which practitioner, patient and a room are free."""
        visit = timedelta(minutes=treatment.duration_minutes)
        busy = visit + timedelta(minutes=treatment.buffer_minutes)
        step = self.clinic.slot_minutes if self.clinic else 0
        for start in _starts(hours, day, self.zones[hours.location_id], step=step, busy=busy):
            if start < since or not self.practitioner_busy[hours.practitioner_id].free(start, start + busy):
                continue
            if wanted.patient is not None and not self.patient_busy.free(start, start + visit):
                continue
            room = self._free_room(hours.location_id, start, start + busy)
            if room is not None:
                yield Slot(start, hours.practitioner_id, room, hours.location_id)

    def first_kept(self, treatment: Treatment, area, day: date) -> date:
        """See the function of that name."""
        if area is None or not treatment.interval_days:
            return day
        there = [(held, interval) for where, held, interval in self.sessions if where == area.pk]
        return first_kept(day, treatment.interval_days, there)

    def _free_room(self, location_id: int, start: datetime, end: datetime) -> int | None:
        return next((room for room in self.rooms.get(location_id, ()) if self.room_busy[room].free(start, end)), None)

    def _fair(self, slots: list[Slot], day: date) -> Slot:
        """Who has least to do that day; among equals they take turns by the day."""
        if len(slots) == 1:
            return slots[0]
        slots.sort(key=lambda slot: slot.practitioner_id)
        turn = day.toordinal() % len(slots)
        slots = slots[turn:] + slots[:turn]
        return min(slots, key=lambda slot: self.work[slot.practitioner_id, slot.starts_at.date()])


def _instant(day: date, clock: time, zone) -> datetime:
    """A wall-clock time as an instant (UTC). The one that exists twice is the earlier."""
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def _end(day: date, clock: time, zone) -> datetime:
    """As `_instant`; where the wall clock skips that time, an instant before the gap: nobody works longer for it."""
    wall = datetime.combine(day, clock, tzinfo=zone)
    return min(wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC))


def _starts(hours: Hours, day: date, zone: ZoneInfo, *, step: int, busy: timedelta) -> Iterator[datetime]:
    """The instants at which a visit may begin in these hours on that day: every `step` minutes of the wall clock."""
    opens, closes = _instant(day, hours.starts, zone), _end(day, hours.ends, zone)
    pause = None
    if hours.break_starts is not None and hours.break_ends is not None:
        pause = (_end(day, hours.break_starts, zone), _instant(day, hours.break_ends, zone))
    wall = datetime.combine(day, hours.starts)
    last = datetime.combine(day, hours.ends)
    steady = (last - wall) == (closes - opens)  # the clocks do not change in these hours
    index = 0
    while wall < last:
        if steady:
            start = opens + index * step * MINUTE
        else:
            start = wall.replace(tzinfo=zone).astimezone(UTC)
            if start.astimezone(zone).replace(tzinfo=None) != wall:
                start = None  # that time does not exist today
        index += 1
        wall += step * MINUTE
        if start is None or start + busy > closes:
            continue
        if pause and start < pause[1] and start + busy > pause[0]:
            continue
        yield start
