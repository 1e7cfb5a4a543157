"""What a page of times shows: what somebody looks for, what is free, and how it is laid out by day and place.

Free is what `booking.availability` says; this module only asks it and arranges the answer.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from urllib.parse import urlencode

from django.utils.datastructures import MultiValueDict

from booking.availability import DAY, Diary, Slot, Wanted
from booking.models import Appointment
from clinic.models import Area, Clinic, Location, Patient, Practitioner, Treatment, today_at

WEEK = 7
# How many times of a day and place stand open on the page; the rest of the day is one press away.
AT_FIRST = 6
# "Next free" looks this far first, for a patient of ours also past the days between two sessions, and only then at the
# whole horizon.
NEAR = 21
# Read beyond the day that is found, so that its week is known already.
AROUND = WEEK + 2


@dataclass(frozen=True)
class Wish:
    """What somebody looks for, from an address or a form. Values nobody knows are left out and noted."""

    treatment: Treatment
    areas: list[Area]
    practitioners: list[Practitioner]
    locations: list[Location]
    area: Area | None = None
    practitioner: Practitioner | None = None
    location: Location | None = None
    first: date | None = None
    not_understood: bool = False
    anywhere: bool = False  # every place was asked for, in so many words
    anybody: bool = False  # everybody, likewise

    def _says(self, name: str, value: str | None) -> bool:
        """Whether it stands in an address or a form, where it may be asked for in so many words with nothing in it."""
        return bool(value) or (name == "location" and self.anywhere) or (name == "practitioner" and self.anybody)

    def query(self, **changes) -> str:
        """The wish as the query of an address, with some of it changed."""
        values = {
            "area": self.area.code if self.area and len(self.areas) > 1 else None,
            "practitioner": self.practitioner.slug if self.practitioner else None,
            "location": self.location.slug if self.location else None,
            "from": self.first.isoformat() if self.first else None,
        } | changes
        written = urlencode({name: value or "" for name, value in values.items() if self._says(name, value)})
        return f"?{written}" if written else "?"

    @property
    def hidden(self) -> dict[str, str]:
        """The same as hidden fields of a form."""
        return {
            name: value
            for name, value in {
                "area": self.area.code if self.area else "",
                "practitioner": self.practitioner.slug if self.practitioner else "",
                "location": self.location.slug if self.location else "",
                "from": self.first.isoformat() if self.first else "",
            }.items()
            if self._says(name, value)
        }


def read_wish(treatment: Treatment, data: Mapping[str, str], *, locations: list[Location]) -> Wish:
    """Reads area, practitioner, location and from. Never fails: what it does not know, or is there twice with different
    values, it leaves out and notes."""
    areas = list(treatment.areas.all())
    practitioners = [person for person in treatment.practitioners.all() if person.is_active]
    unknown = False

    def one(name: str) -> str:
        nonlocal unknown
        twice = isinstance(data, MultiValueDict) and len(set(data.getlist(name))) > 1
        unknown |= twice
        return "" if twice else data.get(name) or ""

    def one_of(choices: Iterable, name: str, attribute: str):
        nonlocal unknown
        value = one(name)
        found = next((choice for choice in choices if getattr(choice, attribute) == value), None)
        unknown |= bool(value) and found is None
        return found

    area = one_of(areas, "area", "code")
    practitioner = one_of(practitioners, "practitioner", "slug")
    location = one_of(locations, "location", "slug")
    first = None
    if written := one("from"):
        try:
            first = date.fromisoformat(written) if len(written) == 10 else None
        except ValueError:
            first = None
        unknown |= first is None
    return Wish(
        treatment,
        areas,
        practitioners,
        locations,
        area or (areas[0] if len(areas) == 1 else None),
        practitioner,
        location,
        first,
        unknown,
        anywhere=data.get("location") == "",
        anybody=data.get("practitioner") == "",
    )


@dataclass(frozen=True)
class Time:
    """One free time: the slot, where, with whom, and its local start."""

    slot: Slot
    location: Location
    practitioner: Practitioner | None

    @cached_property
    def key(self) -> str:
        return self.slot.key

    @property
    def starts_at(self) -> datetime:
        return self.slot.starts_at

    @property
    def local_date(self) -> date:
        return self.slot.starts_at.astimezone(self.location.zone).date()


@dataclass
class Place:
    """The times of a day at one place."""

    location: Location
    times: list[Time] = field(default_factory=list)

    @cached_property
    def open(self) -> list[Time]:
        """Those that stand on the page: some of the morning and of the afternoon; two more are not worth a press."""
        if len(self.times) <= AT_FIRST + 2:
            return self.times
        zone = self.location.zone
        morning = [time for time in self.times if time.starts_at.astimezone(zone).hour < 12]
        afternoon = self.times[len(morning) :]
        late = min(len(afternoon), max(AT_FIRST // 2, AT_FIRST - len(morning)))
        return morning[: AT_FIRST - late] + afternoon[:late]

    @cached_property
    def more(self) -> list[Time]:
        """The other ones."""
        return [time for time in self.times if time not in self.open]


@dataclass
class Day:
    """A day with its places, or several days in a row without a time."""

    dates: list[date]
    places: list[Place] = field(default_factory=list)

    @property
    def first(self) -> date:
        return self.dates[0]

    @property
    def last(self) -> date:
        return self.dates[-1]


@dataclass(frozen=True)
class Rest:
    """A session of the patient that takes days from them; the least number of days between two; whether it is past."""

    session: date
    days: int
    is_past: bool


@dataclass
class Week:
    """What one page shows of the times."""

    first: date
    last: date
    next_free: Time | None
    days: list[Day]
    earlier: date | None
    later: date | None
    several_zones: bool
    rests_until: date | None = None  # no time, for it is too near to another session: the first day that is not
    rest: Rest | None = None  # why the first free time of a signed-in patient is no sooner
    is_past: bool = False  # the day that was wished for is over: these are the first days instead
    is_too_far: bool = False  # it is beyond what can be booked: these are the last days instead

    @property
    def is_empty(self) -> bool:
        return not any(day.places for day in self.days)

    @cached_property
    def first_key(self) -> str:
        """The first time on the page: where a link from the error summary leads."""
        return next((place.times[0].key for day in self.days for place in day.places), "")

    def has_before(self, moment: datetime) -> bool:
        """Whether a time on this page begins before that."""
        shown = [time for day in self.days for place in day.places for time in place.times]
        return any(time.starts_at < moment for time in [*shown, *([self.next_free] if self.next_free else [])])

    def find(self, key: str) -> Time | None:
        """The time with this form value, if it is on this page."""
        return next(
            (t for d in self.days for p in d.places for t in p.times if t.key == key),
            self.next_free if self.next_free and self.next_free.key == key else None,
        )


class Finder:
    """Reads the diary once and answers the questions of one page about it: two queries, or up to four for far days.

    exclude: a visit that does not stand in the way. moves: that visit gets another time, so its own is none. only: with
    this person, whom the page does not name.
    """

    def __init__(
        self,
        wish: Wish,
        *,
        clinic: Clinic,
        now: datetime,
        patient: Patient | None = None,
        exclude: Appointment | None = None,
        moves: bool = False,
        only: Practitioner | None = None,
    ) -> None:
        self.wish, self.clinic, self.now, self.moves = wish, clinic, now, moves
        self.patient, self.exclude = patient, exclude
        # Yesterday in UTC has begun everywhere; what has passed is never offered.
        self.begin = now.astimezone(UTC).date() - DAY
        self.days = clinic.horizon_days + 3
        self.diary = Diary(
            [wish.treatment],
            now=now,
            first=self.begin,
            days=self.days,
            practitioner=only or wish.practitioner,
            location=wish.location,
            clinic=clinic,
        )
        self.locations = {location.pk: location for location in wish.locations}
        self.practitioners = {person.pk: person for person in wish.practitioners}
        self._read: tuple[date, int] | None = None

    def _days_read(self, first: date) -> int:
        """How many days from `first` on have been read."""
        if self._read is None or first < self._read[0]:
            return 0
        return max((self._read[0] - first).days + self._read[1], 0)

    def _read_busy(self, first: date, days: int) -> None:
        if self._days_read(first) < days:
            self.diary.read_busy(first, days, patient=self.patient, exclude=self.exclude)
            self._read = (first, days)

    def _slots(self, first: date, days: int, *, cleared: bool | None, earliest: date | None):
        wanted = Wanted(
            self.patient, self.wish.area, earliest=earliest, cleared=cleared, one_each=self.wish.practitioner is None
        )
        slots = self.diary.slots(self.wish.treatment, wanted, first=first, days=days)
        return (slot for slot in slots if not self._is_theirs(slot)) if self.moves else slots

    def _is_theirs(self, slot: Slot) -> bool:
        """Whether it is the time that the visit to be moved has; with somebody else only where they were asked for."""
        visit = self.exclude
        if visit is None or self.wish.practitioner not in (None, visit.practitioner):
            return False
        return (slot.starts_at, slot.location_id) == (visit.starts_at, visit.location.pk)

    def _time(self, slot: Slot) -> Time:
        return Time(slot, self.locations[slot.location_id], self.practitioners.get(slot.practitioner_id))

    def first_free(self, *, cleared: bool | None = None, earliest: date | None = None) -> Time | None:
        """The first free time within the horizon."""
        begin = max(self.begin, earliest - DAY) if earliest else self.begin
        left = (self.begin - begin).days + self.days
        near = NEAR + (self.wish.treatment.interval_days if self.patient else 0)
        for days in (min(self._days_read(begin) - AROUND, left), min(near, left), left):
            if days <= 0:
                continue
            self._read_busy(begin, days + AROUND)
            slot = next(iter(self._slots(begin, days, cleared=cleared, earliest=earliest)), None)
            if slot is not None:
                return self._time(slot)
        return None

    def times(self, first: date, days: int, *, cleared: bool | None = None, earliest: date | None = None) -> list[Time]:
        """The free times of `days` local days from `first` on, in order."""
        self._read_busy(first, days)
        return [self._time(slot) for slot in self._slots(first, days, cleared=cleared, earliest=earliest)]

    def week(self, *, cleared: bool | None = None, earliest: date | None = None) -> Week:
        """Seven days from the day that is wished for, or from the first day with a free time."""
        next_free = self.first_free(cleared=cleared, earliest=earliest)
        today = today_at(self.now, self.wish.locations)
        horizon = today + timedelta(days=self.clinic.horizon_days)
        opening = next_free.local_date if next_free else today
        wished = self.wish.first
        soonest = min(today, opening)
        first = min(max(wished, soonest), horizon) if wished else opening
        last = min(first + (WEEK - 1) * DAY, max(horizon, first))
        self._read_busy(first - DAY, AROUND)
        times = [self._time(slot) for slot in self._slots(first, WEEK, cleared=cleared, earliest=earliest)]
        return Week(
            first,
            last,
            next_free,
            by_day(times, first, last),
            max(first - WEEK * DAY, min(opening, first)) if first > opening else None,
            last + DAY if last < horizon else None,
            len({location.time_zone for location in self.wish.locations}) > 1,
            None if times else self._rests_until(first, last),
            rest=self._rest(today, opening if next_free else horizon),
            is_past=bool(wished and wished < soonest),
            is_too_far=bool(wished and wished > horizon),
        )

    def _rest(self, today: date, before: date) -> Rest | None:
        """The last session on that area that keeps the patient from a day before this one."""
        treatment, area = self.wish.treatment, self.wish.area
        if area is None or not treatment.interval_days:
            return None
        there = [
            (day, max(interval, treatment.interval_days))
            for where, day, interval in self.diary.sessions
            if where == area.pk
        ]
        near = [(day, gap) for day, gap in there if day - gap * DAY < before - DAY and day + gap * DAY > today]
        return max((Rest(day, gap, day < today) for day, gap in near), key=lambda rest: rest.session, default=None)

    def _rests_until(self, first: date, last: date) -> date | None:
        """The first day far enough from the patient's other sessions, where one of these days is not."""
        for offset in range((last - first).days + 1):
            day = first + offset * DAY
            kept = self.diary.first_kept(self.wish.treatment, self.wish.area, day)
            if kept != day:
                return kept
        return None


def by_day(times: Iterable[Time], first: date, last: date) -> list[Day]:
    """Days in order; days in a row without a time stand together and are said once."""
    found: dict[date, dict[int, Place]] = {}
    for time in times:
        places = found.setdefault(time.local_date, {})
        places.setdefault(time.location.pk, Place(time.location)).times.append(time)
    days: list[Day] = []
    for offset in range((last - first).days + 1):
        day = first + offset * DAY
        if day in found:
            days.append(Day([day], sorted(found[day].values(), key=lambda place: place.location.name)))
        elif days and not days[-1].places:
            days[-1].dates.append(day)
        else:
            days.append(Day([day]))
    return days
