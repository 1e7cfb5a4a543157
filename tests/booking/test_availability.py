"""Which times are free."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from booking import availability
from booking.availability import Slot
from booking.models import WorkingHours
from tests import make
from tests.make import NOW, TODAY, at

pytestmark = pytest.mark.django_db
DAY = date(2027, 3, 10)  # a Wednesday
IN_SPRING = date(2027, 3, 28)  # London: 01:00 becomes 02:00
IN_AUTUMN = date(2027, 10, 31)  # London: 02:00 becomes 01:00


@pytest.fixture
def surgery(db):
    return make.make_surgery(practitioners=1, rooms=1)


def starts(surgery, day=DAY, *, treatment=None, days=1, now=NOW, **wanted) -> list[str]:
    """The free starts as the clock on the wall shows them."""
    found = availability.free_slots(treatment or surgery.consultation, first=day, days=days, now=now, **wanted)
    return [f"{slot.starts_at.astimezone(surgery.location.zone):%H:%M}" for slot in found]


def take(surgery, clock="10:00", day=DAY, **fields):
    """A booked consultation with the only nurse in the only room, unless told otherwise."""
    fields.setdefault("treatment", surgery.consultation)
    fields.setdefault("practitioner", surgery.practitioner)
    fields.setdefault("room", surgery.room)
    return make.make_appointment(
        starts_at=at(day, clock, surgery.location.zone), status=fields.pop("status", "booked"), **fields
    )


# --- hours


def test_every_quarter_of_an_hour_within_the_hours_cleaning_included(surgery):
    found = starts(surgery)
    assert (found[0], found[1], found[-1], len(found)) == ("09:00", "09:15", "16:15", 30)


def test_the_grid_begins_with_the_hours_and_is_the_clinics(surgery):
    make.make_clinic(slot_minutes=20)
    WorkingHours.objects.update(starts=time(9, 10), ends=time(11))
    assert starts(surgery) == ["09:10", "09:30", "09:50", "10:10"]


def test_breaks_are_free_of_patients_and_cleaning(surgery):
    WorkingHours.objects.update(starts=time(11), ends=time(15), break_starts=time(12), break_ends=time(13))
    assert starts(surgery) == ["11:00", "11:15", "13:00", "13:15", "13:30", "13:45", "14:00", "14:15"]


def test_weekdays_and_first_and_last_day(surgery):
    WorkingHours.objects.update(valid_from=date(2027, 3, 9), valid_until=date(2027, 3, 10))
    found = availability.free_slots(surgery.consultation, first=TODAY, days=30, now=NOW)
    assert Counter(slot.starts_at.date() for slot in found) == {date(2027, 3, 9): 30, date(2027, 3, 10): 30}
    assert found[0].starts_at == at("2027-03-09", "09:00")


def test_time_off_and_closed_days(surgery):
    make.make_time_off(surgery.practitioner, at(DAY, "09:00"), at(DAY, "15:00"))
    assert starts(surgery)[0] == "15:00"
    make.make_closure(surgery.location, DAY, DAY + timedelta(days=1))
    assert starts(surgery) == []
    assert starts(surgery, DAY + timedelta(days=1)) == []
    assert starts(surgery, DAY + timedelta(days=2)) != []


# --- who and where


def test_only_who_gives_it_and_works_here(surgery):
    other = make.make_practitioner()
    make.make_hours(other, surgery.location)
    assert {slot.practitioner_id for slot in everything(surgery)} == {surgery.practitioner.pk}
    surgery.practitioner.is_active = False
    surgery.practitioner.save(update_fields=["is_active"])
    assert everything(surgery) == []


def everything(surgery, **wanted):
    return availability.free_slots(surgery.consultation, first=DAY, days=1, now=NOW, **wanted)


@pytest.mark.parametrize("thing", ["room", "location", "treatment"])
def test_what_is_not_in_use_is_not_offered(surgery, thing):
    row = surgery.consultation if thing == "treatment" else getattr(surgery, thing)
    row.is_active = False
    row.save(update_fields=["is_active"])
    assert everything(surgery) == []


def test_practitioner_and_room_are_busy_until_after_the_cleaning(surgery):
    take(surgery, "10:00")  # to 10:30, clean at 10:45
    found = starts(surgery)
    assert "09:15" in found and "09:30" not in found and "10:30" not in found and "10:45" in found


def test_both_are_needed(surgery):
    second = make.make_practitioner(surgery.consultation)
    make.make_hours(second, surgery.location)
    take(surgery, "10:00")
    assert "10:00" not in starts(surgery)  # the second nurse has no room
    room = make.make_room(surgery.location)
    slot = next(slot for slot in everything(surgery) if slot.starts_at == at(DAY, "10:00"))
    assert (slot.practitioner_id, slot.room_id) == (second.pk, room.pk)


def test_any_practitioner_is_one_time_each_and_shared_fairly(surgery):
    second = make.make_practitioner(surgery.consultation)
    make.make_hours(second, surgery.location)
    make.make_room(surgery.location)
    take(surgery, "10:00")
    found = everything(surgery)
    assert len({slot.starts_at for slot in found}) == len(found)
    # the other has less to do that day
    assert {slot.practitioner_id for slot in found} == {second.pk}
    chosen = everything(surgery, practitioner=surgery.practitioner)
    assert {slot.practitioner_id for slot in chosen} == {surgery.practitioner.pk}
    assert at(DAY, "10:00") not in [slot.starts_at for slot in chosen]


@pytest.mark.parametrize("status", ["cancelled", "noshow", "entered-in-error"])
def test_what_was_freed_is_free(surgery, status):
    take(surgery, "10:00", status=status)
    assert "10:00" in starts(surgery)


def test_an_expired_hold_is_free_and_a_running_one_is_not(surgery):
    take(surgery, "10:00", status="proposed", patient=None, hold_expires_at=NOW - timedelta(seconds=1))
    take(surgery, "12:00", status="proposed", patient=None, hold_expires_at=NOW)
    found = starts(surgery)
    assert "10:00" in found and "12:00" not in found


def test_what_is_being_moved_is_not_in_its_own_way(surgery):
    appointment = take(surgery, "10:00")
    assert "10:15" in starts(surgery, exclude=appointment)


def test_a_patients_other_visit_ends_before_the_cleaning(surgery):
    patient = make.make_patient()
    take(surgery, "10:00", patient=patient, practitioner=make.make_practitioner(), room=make.make_room())
    found = starts(surgery, patient=patient)
    assert "09:30" in found and "09:45" not in found and "10:15" not in found and "10:30" in found


# --- the interval


def session(patient, day, interval=28, code="face"):
    treatment = make.make_treatment(areas=(code,), minimum_interval_days=interval)
    return make.make_appointment(patient=patient, treatment=treatment, area=make.area(code), starts_at=at(day))


def free_dates(surgery, patient, **wanted):
    found = availability.free_slots(
        surgery.treatment, first=TODAY, days=90, now=NOW, patient=patient, area=make.area(), cleared=True, **wanted
    )
    return {slot.starts_at.astimezone(surgery.location.zone).date() for slot in found}


def test_the_interval_counts_forward_and_backward(surgery):
    patient = make.make_patient()
    day = date(2027, 4, 14)
    existing = session(patient, day)
    dates = free_dates(surgery, patient)
    assert day - timedelta(days=28) in dates and day + timedelta(days=28) in dates
    assert not [other for other in dates if abs((other - day).days) < 28]
    assert day in free_dates(surgery, patient, exclude=existing)


def test_the_larger_of_both_intervals_counts(surgery):
    patient = make.make_patient()
    day = date(2027, 4, 14)
    session(patient, day, interval=42)
    dates = free_dates(surgery, patient)
    assert day + timedelta(days=42) in dates and day + timedelta(days=41) not in dates
    assert day - timedelta(days=42) in dates and day - timedelta(days=41) not in dates


def test_another_area_and_another_patient_do_not_matter(surgery):
    patient = make.make_patient()
    session(patient, DAY, code="belly"), session(make.make_patient(), DAY)
    assert DAY in free_dates(surgery, patient)


# --- notice


def test_the_lead_time(surgery):
    assert starts(surgery, TODAY)[0] == "13:00"  # four hours from 09:00
    assert starts(surgery, TODAY, staff=True)[0] == "09:15"
    assert starts(surgery, TODAY, not_before=at(TODAY, "15:05"))[0] == "15:15"


def test_nothing_in_the_past(surgery):
    assert starts(surgery, TODAY - timedelta(days=7), days=7, staff=True) == []


def test_the_horizon_of_patients_and_staff(surgery):
    make.make_clinic(horizon_days=91)
    last = TODAY + timedelta(days=91)  # a Monday
    assert starts(surgery, last) and not starts(surgery, last + timedelta(days=1))
    assert starts(surgery, last + timedelta(days=1), staff=True)


def test_times_for_people_nobody_has_cleared_begin_after_the_promise(surgery):
    assert starts(surgery, TODAY, treatment=surgery.treatment, days=2) == []
    assert starts(surgery, date(2027, 3, 3), treatment=surgery.treatment)[0] == "09:00"
    assert starts(surgery, TODAY, treatment=surgery.treatment, cleared=True)[0] == "13:00"


def test_the_promise_is_the_end_of_the_next_working_day(surgery):
    def promised(now):
        return availability.promise(now=now, location=surgery.location)

    assert promised(NOW) == at("2027-03-02", "17:00")
    assert promised(at("2027-03-05", "16:00")) == at("2027-03-08", "17:00")  # over the weekend
    make.make_closure(surgery.location, date(2027, 3, 8))
    assert promised(at("2027-03-05", "16:00")) == at("2027-03-09", "17:00")
    make.make_clinic(promise_working_days=2, promise_time=time(12))
    assert promised(at("2027-03-05", "16:00")) == at("2027-03-10", "12:00")
    assert promised(at("2027-03-26", "12:00")) == at("2027-03-30", "11:00")  # summer time


def test_a_promise_is_kept_before_a_visit_would_be_released(surgery):
    WorkingHours.objects.update(ends=time(21))
    assert availability.earliest_start(now=NOW, location=surgery.location, cleared=False) == at("2027-03-02", "19:00")
    assert starts(surgery, date(2027, 3, 2), treatment=surgery.treatment)[0] == "19:00"


def test_an_earliest_day(surgery):
    found = availability.first_free(surgery.consultation, now=NOW, earliest=date(2027, 4, 14))
    assert found.starts_at == at("2027-04-14", "09:00", surgery.location.zone)


# --- the next one


def test_the_next_free_time_however_far(surgery):
    make.make_time_off(surgery.practitioner, NOW, at("2027-05-20", "12:00"))
    assert availability.first_free(surgery.consultation, now=NOW).starts_at == at("2027-05-20", "11:00") + timedelta(
        hours=1
    )
    make.make_time_off(surgery.practitioner, NOW, at("2027-12-31"))
    assert availability.first_free(surgery.consultation, now=NOW) is None


def test_the_next_free_time_of_each(surgery):
    found = availability.first_free_each([surgery.consultation, surgery.treatment], now=NOW)
    assert found[surgery.consultation.pk].starts_at == at(TODAY, "13:00")
    assert found[surgery.treatment.pk].starts_at == at("2027-03-03", "09:00")


def test_a_clinic_that_is_not_set_up_offers_nothing():
    treatment = make.make_consultation()
    assert availability.free_slots(treatment, first=TODAY, days=7, now=NOW) == []
    assert availability.first_free(treatment, now=NOW) is None


def test_the_number_of_queries_does_not_grow(surgery):
    def count(call):
        with CaptureQueriesContext(connection) as queries:
            call()
        return len(queries)

    def month():
        return availability.free_slots(surgery.consultation, first=TODAY, days=31, now=NOW)

    def month_of_a_patient():
        return availability.free_slots(
            surgery.treatment, first=TODAY, days=31, now=NOW, patient=patient, area=make_area, cleared=True
        )

    patient, make_area = make.make_patient(), make.area()
    before = count(month), count(month_of_a_patient)
    for number in range(5):
        other = make.make_practitioner(surgery.consultation, surgery.treatment)
        make.make_hours(other, surgery.location)
        make.make_room(surgery.location)
        take(surgery, f"{10 + number}:00", patient=patient)
        take(surgery, "10:00", DAY + timedelta(days=7 * number), practitioner=other, room=make.make_room())
    assert (count(month), count(month_of_a_patient)) == before == (3, 3)
    assert count(lambda: availability.first_free(surgery.consultation, now=NOW)) == 3
    make.make_time_off(surgery.practitioner, NOW, at("2027-12-31"))
    assert count(lambda: availability.first_free(surgery.consultation, now=NOW, practitioner=surgery.practitioner)) == 5


# --- clocks


def at_night(surgery, day, starts="00:00", ends="05:00", **fields):
    WorkingHours.objects.all().delete()
    make.make_hours(
        surgery.practitioner,
        surgery.location,
        weekdays=[day.weekday()],
        starts=time.fromisoformat(starts),
        ends=time.fromisoformat(ends),
        **fields,
    )
    make.make_clinic(slot_minutes=30, horizon_days=365)


def instants(surgery, day):
    found = availability.free_slots(surgery.consultation, first=day, days=1, now=NOW)
    return [slot.starts_at for slot in found]


def test_an_hour_that_does_not_exist_is_not_offered(surgery):
    at_night(surgery, IN_SPRING, ends="04:00")
    assert starts(surgery, IN_SPRING) == ["00:00", "00:30", "02:00", "02:30", "03:00"]
    assert instants(surgery, IN_SPRING)[1:3] == [at(IN_SPRING, "00:30"), at(IN_SPRING, "01:00")]
    # a visit runs over the change: 00:30 to 02:00 on the wall is half an hour
    take(surgery, "00:30", IN_SPRING)  # busy 00:30 to 01:15 UTC
    assert starts(surgery, IN_SPRING) == ["02:30", "03:00"]


def test_an_hour_that_exists_twice_is_offered_once_the_earlier(surgery):
    at_night(surgery, IN_AUTUMN, ends="03:30")
    assert starts(surgery, IN_AUTUMN) == ["00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]
    utc = instants(surgery, IN_AUTUMN)
    assert utc[2] == datetime(2027, 10, 31, 0, 0, tzinfo=UTC)  # 01:00 in summer time
    assert utc[4] == datetime(2027, 10, 31, 2, 0, tzinfo=UTC)  # 02:00 after the change: two hours later


def test_hours_that_end_in_the_hour_that_exists_twice_end_the_first_time(surgery):
    at_night(surgery, IN_AUTUMN, ends="01:30")
    assert starts(surgery, IN_AUTUMN) == ["00:00", "00:30"]


def test_hours_that_end_in_the_hour_that_does_not_exist_are_not_longer_for_it(surgery):
    at_night(surgery, IN_SPRING, ends="01:30")
    assert all(start + timedelta(minutes=45) <= at(IN_SPRING, "01:00") for start in instants(surgery, IN_SPRING))


def test_the_day_of_the_change_keeps_its_wall_clock(surgery):
    make.make_hours(surgery.practitioner, surgery.location, weekdays=[6])
    make.make_clinic(horizon_days=365)
    for day, utc in ((IN_SPRING, 8), (IN_SPRING - timedelta(days=7), 9), (IN_AUTUMN, 9)):
        assert starts(surgery, day)[0] == "09:00" and len(starts(surgery, day)) == 30
        assert instants(surgery, day)[0].hour == utc


def test_two_places_far_apart_come_in_order_and_by_their_own_days(surgery):
    sydney = make.make_location(time_zone="Australia/Sydney")
    make.make_room(sydney)
    nurse = make.make_practitioner(surgery.consultation)
    make.make_hours(nurse, sydney)
    found = availability.free_slots(surgery.consultation, first=DAY, days=3, now=NOW)
    assert [slot.starts_at for slot in found] == sorted(slot.starts_at for slot in found)
    here = [slot.starts_at for slot in found if slot.location_id == sydney.pk]
    assert here[0] == at(DAY, "09:00", sydney.zone) == datetime(2027, 3, 9, 22, 0, tzinfo=UTC)
    assert len(here) == 90


@pytest.mark.parametrize("day", [date.min, date.max])
def test_days_out_of_this_world_have_no_times(surgery, day):
    assert starts(surgery, day, days=31, staff=True) == []
    found = availability.first_free(surgery.consultation, now=NOW, earliest=day)
    assert (found is None) == (day == date.max)


# --- as a form value


def test_a_slot_goes_through_a_form():
    slot = Slot(at(DAY, "10:30"), 3, 2, 1)
    assert slot.key == "20270310T1030Z-3-2-1"
    assert Slot.from_key(slot.key) == slot


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x",
        "20270310T1030Z",
        "20270310T1030Z-3-2",
        "20270310T1030Z-3-2-1-1",
        "20271310T1030Z-3-2-1",
        "99991231T2300Z-3-2-1",
        "00010101T0000Z-3-2-1",
        "20270310T1030Z-3-2--1",
        "20270310T1030Z-03-2-1",
        "20270310T1030Z-3-2-1\x00",
        "20270310T1030Z-٣-2-1",
        "20270310T1030Z-3-2-" + "9" * 30,
        "2027-03-10T10:30-3-2-1",
    ],
)
def test_anything_else_is_no_slot(key):
    with pytest.raises(ValueError):
        Slot.from_key(key)
