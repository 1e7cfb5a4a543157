"""What patients are told: neutral words, local time, calendar files that other programs read."""

import functools
import re
from datetime import UTC, datetime, timedelta

import icalendar
import pytest

from booking import ics, notices
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.make import NOW, at

pytestmark = pytest.mark.django_db
# Nothing that says what the clinic does, or why somebody comes.
CLINICAL = re.compile(r"needling|scar|acne|skin|treatment|screening|medic|pregnan|clear(ed|ance)", re.IGNORECASE)


@pytest.fixture
def appointment(db):
    make.make_clinic(name="Example House", sender_name="Example House", calendar_title="Meeting")
    place = make.make_location(name="Harbour House", time_zone="Europe/London", address="1 Quay; Pier\nLondon, N1 9GU")
    visit = make.make_appointment(
        status="booked",
        room=make.make_room(place),
        treatment=make.make_treatment(name="Microneedling: acne scars, face"),
        starts_at=at("2027-03-29", "09:30"),  # summer time has begun
        patient=make.make_patient(name="Ada Unmistakable"),
    )
    make.make_hours(visit.practitioner, place)
    return visit


TOLD = {
    "asked_for": notices.asked_for,
    "booked": notices.booked,
    "moved": notices.moved,
    "cancelled": notices.cancelled,
    "not_possible": notices.not_possible,
    "promise_missed": functools.partial(notices.promise_missed, kept=True),
    "back_to_pending": notices.back_to_pending,
    "other_time": notices.other_time,
    "information_needed": notices.information_needed,
    "form_due": notices.form_due,
}


def tell(kind, appointment):
    appointment.answer_by = appointment.form_due_by = at("2027-03-03", "17:00")
    appointment.information_asked_at = NOW
    return TOLD[kind](appointment, now=NOW)


@pytest.mark.parametrize("kind", TOLD)
def test_every_message_says_when_and_nothing_about_health(appointment, kind):
    message = tell(kind, appointment)
    assert (message.kind, message.to, message.subject_uuid) == (kind, appointment.patient.email, appointment.uuid)
    assert "Monday 29 March 2027, 10:30" in message.text
    assert "http://testserver/appointments/link/" in message.text
    links = re.compile(r"http://testserver/\S+")
    for words in (message.subject, links.sub("", message.text), links.sub("", message.html), message.calendar):
        assert not CLINICAL.search(words), words
        assert "Unmistakable" not in words and appointment.treatment.name not in words


@pytest.mark.parametrize("kind", TOLD)
def test_the_same_event_is_told_once(appointment, kind):
    assert tell(kind, appointment) == tell(kind, appointment)
    assert Message.objects.count() == 1


@pytest.mark.parametrize("kind", TOLD)
def test_who_has_no_address_gets_none(appointment, kind):
    appointment.patient.email = ""
    assert tell(kind, appointment) is None
    assert not Message.objects.exists()


@pytest.mark.parametrize("kind", ["asked_for", "promise_missed", "back_to_pending"])
def test_no_message_keeps_a_time_at_which_nobody_is_there(appointment, kind):
    make.make_closure(appointment.location, appointment.local_date)
    assert tell(kind, appointment).kind == "other_time"
    for asking in ("information_needed", "form_due"):  # asked for whichever time it will be
        assert "e keep" not in tell(asking, appointment).text


def test_that_another_time_is_needed_is_told_once_until_something_else_is(surgery):
    visit = steps.booked(surgery)
    steps.sent()
    away = make.make_time_off(surgery.practitioner, visit.starts_at, visit.ends_at)

    def again(hours):
        """They answer once more, and a clinician decides once more."""
        steps.answered(surgery, visit.patient, now=NOW + timedelta(hours=hours))
        steps.sent()
        steps.decide(visit, now=NOW + timedelta(hours=hours + 1))
        steps.sent()
        return steps.messages(visit, waiting=False)

    assert again(1) == again(3) == ["asked_for", "booked", "other_time"]
    away.delete()
    assert again(5)[-2:] == ["back_to_pending", "booked"]
    make.make_time_off(surgery.practitioner, visit.starts_at, visit.ends_at)
    assert again(7)[-2:] == ["booked", "other_time"]


def test_a_reminder_is_another_event(appointment):
    tell("information_needed", appointment), tell("form_due", appointment)
    notices.information_needed(appointment, now=NOW, reminder=True)
    notices.form_due(appointment, now=NOW, reminder=True)
    assert Message.objects.count() == 4


def read(text):
    calendar = icalendar.Calendar.from_ical(text)
    (event,) = calendar.walk("VEVENT")
    return calendar, event


def test_the_calendar_file_is_read_by_others(appointment):
    calendar, event = read(ics.calendar_file(appointment, method="PUBLISH", now=NOW))
    assert (calendar["version"], calendar["method"]) == ("2.0", "PUBLISH")
    assert event["uid"] == str(appointment.uuid)
    assert event["dtstart"].dt == datetime(2027, 3, 29, 9, 30, tzinfo=UTC)
    assert event["dtend"].dt == datetime(2027, 3, 29, 10, 15, tzinfo=UTC)  # without the cleaning
    assert event["dtstamp"].dt == NOW
    assert (event["summary"], event["status"], event["sequence"]) == ("Meeting", "CONFIRMED", 0)
    assert event["location"] == "1 Quay; Pier, London, N1 9GU"


def test_its_times_are_utc_and_its_lines_end_as_the_standard_says(appointment):
    text = ics.calendar_file(appointment, method="PUBLISH", now=NOW)
    assert "DTSTART:20270329T093000Z" in text
    assert "VTIMEZONE" not in text and "TZID" not in text
    assert "\n" not in text.replace("\r\n", "")
    assert all(len(line.encode()) <= 75 for line in text.split("\r\n"))


def test_moved_and_cancelled_are_the_same_entry(appointment):
    _calendar, first = read(ics.calendar_file(appointment, method="PUBLISH", now=NOW))
    appointment.sequence += 1
    appointment.starts_at += timedelta(days=1)
    calendar, last = read(ics.calendar_file(appointment, method="CANCEL", now=NOW))
    assert first["uid"] == last["uid"] and last["sequence"] > first["sequence"]
    assert (calendar["method"], last["status"]) == ("CANCEL", "CANCELLED")


def test_there_are_two_methods(appointment):
    with pytest.raises(ValueError):
        ics.calendar_file(appointment, method="REQUEST", now=NOW)


def test_local_time_is_that_of_the_place():
    sydney = make.make_location(time_zone="Australia/Sydney")
    assert notices.local_text(at("2027-03-10", "22:30"), sydney) == "Thursday 11 March 2027, 09:30"
