"""The sweep in Python against one statement in SQL that knows nothing of it, on random clinics around clock changes."""

import random
from collections import defaultdict
from datetime import date, datetime, time, timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from booking import availability
from booking.models import WorkingHours
from tests import make

pytestmark = pytest.mark.django_db

# Every five minutes of the window, asked on the wall clock of each place: only the unambiguous direction is used, from
# the instant to the wall. A wall-clock time that exists twice is the instant with no equal one an hour before.
ORACLE = """
WITH ticks AS MATERIALIZED (
    SELECT l.id AS location, m, (m AT TIME ZONE l.time_zone) AS wall
    FROM clinic_location l,
         generate_series(%(low)s::timestamptz, %(high)s::timestamptz, interval '5 minutes') AS m
    WHERE l.is_active
      AND (m AT TIME ZONE l.time_zone) <> ((m - interval '1 hour') AT TIME ZONE l.time_zone)
), spans AS MATERIALIZED (
    SELECT h.practitioner_id AS practitioner, h.location_id AS location, d::date AS day, h.starts, h.ends,
           (SELECT min(t.m) FROM ticks t WHERE t.location = h.location_id AND t.wall = d::date + h.ends) AS closes,
           ((d::date + h.ends) AT TIME ZONE l.time_zone) - interval '1 hour' AS closes_in_gap,
           (SELECT min(t.m) FROM ticks t
            WHERE t.location = h.location_id AND t.wall = d::date + h.break_starts) AS pause,
           ((d::date + h.break_starts) AT TIME ZONE l.time_zone) - interval '1 hour' AS pause_in_gap,
           (SELECT min(t.m) FROM ticks t
            WHERE t.location = h.location_id AND t.wall = d::date + h.break_ends) AS resumes,
           ((d::date + h.break_ends) AT TIME ZONE l.time_zone) AS resumes_in_gap
    FROM booking_workinghours h
    JOIN clinic_location l ON l.id = h.location_id AND l.is_active
    JOIN clinic_practitioner p ON p.id = h.practitioner_id AND p.is_active
    JOIN clinic_practitioner_treatments g ON g.practitioner_id = p.id AND g.treatment_id = %(treatment)s
    CROSS JOIN generate_series(%(first)s::date, %(last)s::date, interval '1 day') AS d
    WHERE extract(isodow FROM d) - 1 = h.weekday AND h.valid_from <= d::date
      AND (h.valid_until IS NULL OR d::date <= h.valid_until)
      AND NOT EXISTS (SELECT 1 FROM booking_closure c
                      WHERE c.location_id = l.id AND d::date BETWEEN c.first_day AND c.last_day)
), taken AS MATERIALIZED (
    SELECT * FROM booking_appointment a
    WHERE a.status NOT IN ('cancelled', 'noshow', 'entered-in-error')
      AND NOT (a.status = 'proposed' AND a.hold_expires_at < %(now)s)
)
SELECT s.practitioner, s.location, t.m, array(
    SELECT r.id FROM clinic_room r WHERE r.location_id = s.location AND r.is_active AND NOT EXISTS (
        SELECT 1 FROM taken a WHERE a.room_id = r.id AND a.starts_at < t.m + %(busy)s AND a.busy_until > t.m))
FROM spans s JOIN ticks t ON t.location = s.location AND t.wall::date = s.day
WHERE t.wall::time >= s.starts AND t.wall::time < s.ends
  AND (extract(epoch FROM t.wall::time - s.starts) / 60)::int %% %(step)s = 0
  AND t.m + %(busy)s <= COALESCE(s.closes, s.closes_in_gap)
  AND NOT COALESCE(t.m < COALESCE(s.resumes, s.resumes_in_gap)
                   AND t.m + %(busy)s > COALESCE(s.pause, s.pause_in_gap), false)
  AND t.m >= %(not_before)s
  AND NOT EXISTS (SELECT 1 FROM taken a WHERE a.practitioner_id = s.practitioner
                  AND a.starts_at < t.m + %(busy)s AND a.busy_until > t.m)
  AND NOT EXISTS (SELECT 1 FROM booking_timeoff o WHERE o.practitioner_id = s.practitioner
                  AND o.starts_at < t.m + %(busy)s AND o.ends_at > t.m)
  AND NOT EXISTS (SELECT 1 FROM taken a WHERE a.patient_id = %(patient)s AND a.status <> 'proposed'
                  AND a.starts_at < t.m + %(visit)s AND a.ends_at > t.m)
  AND NOT EXISTS (SELECT 1 FROM taken a WHERE a.patient_id = %(patient)s AND a.status <> 'proposed'
                  AND a.area_id = %(area)s AND a.interval_days > 0 AND %(interval)s > 0
                  AND abs(a.local_date - s.day) < greatest(a.interval_days, %(interval)s))
"""

CHANGES = [
    date(2027, 3, 28),  # London forward
    date(2027, 10, 31),  # London back
    date(2027, 3, 14),  # New York forward
    date(2027, 11, 7),  # New York back
    date(2027, 6, 16),  # nothing
]


def random_clinic(chance: random.Random, day: date, now: datetime):
    """Two places in two zones, with hours at any time of the day, and whatever the walls let in."""
    make.make_clinic(slot_minutes=chance.choice([10, 15, 20, 30, 45]), horizon_days=365)
    treatment = make.make_treatment(
        duration_minutes=chance.choice([15, 30, 45, 60]),
        buffer_minutes=chance.choice([0, 10, 15]),
        minimum_interval_days=chance.choice([1, 2, 28]),
    )
    other = make.make_treatment(minimum_interval_days=chance.choice([1, 3]))
    places = [make.make_location(time_zone=zone) for zone in ("Europe/London", "America/New_York")]
    rooms = [make.make_room(place, is_active=chance.random() < 0.9) for place in places for _n in range(2)]
    people = [make.make_practitioner(treatment, is_active=chance.random() < 0.9) for _n in range(3)]
    people.append(make.make_practitioner(other))
    for person in people:
        for _n in range(chance.randint(1, 3)):
            start = chance.randrange(0, 20 * 60, 5)
            end = chance.randrange(start + 60, 24 * 60, 5)
            pause = {}
            if end - start > 120 and chance.random() < 0.5:
                begin = chance.randrange(start + 5, end - 60, 5)
                pause = {"break_starts": clock(begin), "break_ends": clock(chance.randrange(begin + 5, end - 5, 5))}
            drawn = [
                WorkingHours(
                    practitioner=person,
                    location=chance.choice(places),
                    weekday=weekday,
                    starts=clock(start),
                    ends=clock(end),
                    valid_from=day - timedelta(days=chance.randint(0, 3)),
                    valid_until=chance.choice([None, None, day + timedelta(days=chance.randint(0, 2))]),
                    **pause,
                )
                for weekday in chance.sample(range(7), 5)
            ]
            # Hours of one person that overlap are refused by the database; the first stay.
            WorkingHours.objects.bulk_create(drawn, ignore_conflicts=True)
        if chance.random() < 0.3:
            off = now + timedelta(minutes=chance.randrange(4 * 24 * 60, 8 * 24 * 60, 5))
            make.make_time_off(person, off, off + timedelta(minutes=chance.randrange(5, 600, 5)))
    if chance.random() < 0.3:
        make.make_closure(chance.choice(places), day + timedelta(days=chance.randint(-1, 1)))
    patient = make.make_patient()
    for _n in range(25):
        status = chance.choice(["pending", "pending", "pending", "proposed", "cancelled"])
        fields = {"hold_expires_at": now + timedelta(minutes=chance.choice([-1, 1]))} if status == "proposed" else {}
        about = chance.choice([treatment, other, make.make_consultation()])
        try:
            with transaction.atomic():
                make.make_appointment(
                    treatment=about,
                    practitioner=chance.choice(people),
                    room=chance.choice(rooms),
                    patient=chance.choice([patient, make.make_patient()]),
                    status="pending" if (status, about.kind) == ("cancelled", "treatment") else status,
                    starts_at=now + timedelta(minutes=chance.randrange(4 * 24 * 60, 8 * 24 * 60, 5)),
                    **fields,
                )
        except IntegrityError:
            continue  # a wall stood in the way, which is not what is tried here
    return treatment, people, patient


def clock(minutes: int) -> time:
    return time(minutes // 60, minutes % 60)


@pytest.mark.parametrize("seed", [*range(20), 32])
def test_both_find_the_same_times(seed):
    chance = random.Random(seed)
    day = CHANGES[seed % len(CHANGES)]
    now = make.at(day - timedelta(days=6), "00:00")
    treatment, people, patient = random_clinic(chance, day, now)
    patient = chance.choice([None, patient, patient])
    first, days = day - timedelta(days=1), 3
    not_before = make.at(first, "00:00") + timedelta(minutes=chance.choice([-24 * 60, 0, 7, 300]))
    area = make.area() if patient else None
    with connection.cursor() as cursor:
        cursor.execute(
            ORACLE,
            {
                "low": make.at(first - timedelta(days=2), "00:00"),
                "high": make.at(first + timedelta(days=days + 2), "00:00"),
                "first": first,
                "last": first + timedelta(days=days - 1),
                "treatment": treatment.pk,
                "now": now,
                "busy": timedelta(minutes=treatment.duration_minutes + treatment.buffer_minutes),
                "visit": timedelta(minutes=treatment.duration_minutes),
                "step": make.make_clinic().slot_minutes,
                "not_before": not_before,
                "patient": patient.pk if patient else None,
                "area": area.pk if area else None,
                "interval": treatment.minimum_interval_days,
            },
        )
        rows = cursor.fetchall()
    expected = defaultdict(set)
    for practitioner, location, start, free_rooms in rows:
        if free_rooms:
            expected[practitioner, location, start].update(free_rooms)
    wanted = {
        "first": first,
        "days": days,
        "now": now,
        "patient": patient,
        "area": area,
        "not_before": not_before,
        "cleared": True,
    }
    found = {}
    for person in people:
        for slot in availability.free_slots(treatment, practitioner=person, **wanted):
            key = (slot.practitioner_id, slot.location_id, slot.starts_at)
            assert key not in found, "offered twice"
            found[key] = slot.room_id
    assert set(found) == set(expected)
    assert all(found[key] in expected[key] for key in found)
    anybody = availability.free_slots(treatment, **wanted)
    assert anybody == sorted(anybody)
    assert {(slot.location_id, slot.starts_at) for slot in anybody} == {key[1:] for key in expected}
    assert len(anybody) == len({key[1:] for key in expected})
    assert all(slot.room_id in expected[slot.practitioner_id, slot.location_id, slot.starts_at] for slot in anybody)
