"""Things to test with. Each function makes one row with believable values; whatever a test cares about it says itself.

NOW is the clock of the tests: Monday 1 March 2027, 09:00 in London. `days` later in March the clocks there go forward.
"""

import itertools
import os
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group

from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.models import (
    Area,
    Clinic,
    Location,
    Patient,
    Practitioner,
    Room,
    Treatment,
    TreatmentPrice,
    User,
)
from screening.models import Assessment, Questionnaire, QuestionnaireResponse, Review

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
TODAY = date(2027, 3, 1)
ROLES = ["Front desk", "Practitioner", "Clinician", "Lead clinician", "Content editor", "Manager"]

_number = itertools.count(1)


def at(day: date | str, clock: str = "10:00", zone=UTC) -> datetime:
    """An instant: `at("2027-03-04", "10:30")` in UTC, or on the wall of another zone."""
    day = date.fromisoformat(day) if isinstance(day, str) else day
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=zone).astimezone(UTC)


def make_user(role: str | None = None, **fields) -> User:
    """Somebody who signs in; with `role`, a member of staff in that group."""
    number = next(_number)
    password = fields.pop("password", None)
    fields.setdefault("email", f"person{number}@example.org")
    fields.setdefault("name", f"{role or 'Person'} {number}")
    fields.setdefault("is_staff", role is not None)
    user = User.objects.create_user(password=password, **fields)
    if role is not None:
        user.groups.add(Group.objects.get(name=role))
    return user


def make_clinic(**fields) -> Clinic:
    """The one clinic, changed by `fields` when it is there already."""
    fields.setdefault("name", "The Scar Clinic")
    Clinic.objects.update_or_create(pk=1, defaults=fields)
    return Clinic.objects.get(pk=1)


def make_location(**fields) -> Location:
    """A place in London, unless told another zone."""
    number = next(_number)
    fields.setdefault("name", f"Harbour Street {number}")
    fields.setdefault("slug", f"harbour-street-{number}")
    fields.setdefault("address", "1 Harbour Street\nLondon N1 9GU")
    fields.setdefault("phone", "+442079460000")
    fields.setdefault("out_of_hours", "At night call 111.")
    fields.setdefault("emergency", "In an emergency call 999.")
    return Location.objects.create(**fields)


def make_room(location: Location | None = None, **fields) -> Room:
    """A room in use."""
    fields.setdefault("name", f"Room {next(_number)}")
    return Room.objects.create(location=location or make_location(), **fields)


def area(code: str = "face") -> Area:
    """A part of the body by its code."""
    return Area.objects.get(code=code)


def make_treatment(kind: str = "treatment", areas=("face",), price: str | None = "150.00", **fields) -> Treatment:
    """45 minutes and 15 to clean, 28 days apart, on the face; a consultation without areas and interval."""
    number = next(_number)
    fields.setdefault("name", f"{kind.title()} {number}")
    fields.setdefault("slug", f"{kind}-{number}")
    fields.setdefault("summary", "What it is.")
    fields.setdefault("duration_minutes", 45 if kind == "treatment" else 30)
    fields.setdefault("buffer_minutes", 15)
    treatment = Treatment.objects.create(kind=kind, **fields)
    if kind == "treatment":
        treatment.areas.set(Area.objects.filter(code__in=areas))
    if price is not None:
        TreatmentPrice.objects.create(treatment=treatment, amount=Decimal(price), valid_from=date(2020, 1, 1))
    return treatment


def make_consultation(**fields) -> Treatment:
    """A talk: needs no screening."""
    return make_treatment(kind="consultation", **{"price": "40.00", **fields})


def make_practitioner(*treatments: Treatment, **fields) -> Practitioner:
    """Somebody who gives these treatments. Without `user` they do not sign in."""
    number = next(_number)
    fields.setdefault("name", f"Nurse {number}")
    fields.setdefault("slug", f"nurse-{number}")
    fields.setdefault("profession", "Nurse")
    fields.setdefault("registration", f"NMC {number:06}")
    practitioner = Practitioner.objects.create(**fields)
    practitioner.treatments.set(treatments)
    return practitioner


def make_hours(practitioner: Practitioner, location: Location, *, weekdays=range(5), **fields) -> list[WorkingHours]:
    """Monday to Friday 09:00 to 17:00 from 2020 on, without a break."""
    fields.setdefault("starts", time(9))
    fields.setdefault("ends", time(17))
    fields.setdefault("valid_from", date(2020, 1, 1))
    rows = [WorkingHours(practitioner=practitioner, location=location, weekday=day, **fields) for day in weekdays]
    return WorkingHours.objects.bulk_create(rows)


def make_time_off(practitioner: Practitioner, starts_at: datetime, ends_at: datetime, **fields) -> TimeOff:
    """A time when they see nobody."""
    return TimeOff.objects.create(practitioner=practitioner, starts_at=starts_at, ends_at=ends_at, **fields)


def make_closure(location: Location, first_day: date, last_day: date | None = None, **fields) -> Closure:
    """A closed day, or several."""
    return Closure.objects.create(location=location, first_day=first_day, last_day=last_day or first_day, **fields)


def make_patient(**fields) -> Patient:
    """An adult with an e-mail address and no login."""
    number = next(_number)
    fields.setdefault("name", f"Ada Example{number}")
    fields.setdefault("birth_date", date(1990, 5, 4))
    fields.setdefault("email", f"patient{number}@example.org")
    fields.setdefault("phone", "+447700900123")
    return Patient.objects.create(**fields)


def make_questionnaire(*treatments: Treatment, **fields) -> Questionnaire:
    """An active questionnaire without questions, published by two people. Tests of rules load a real definition."""
    number = next(_number)
    fields.setdefault("name", f"screening-{number}")
    fields.setdefault("version", 1)
    fields.setdefault("title", "Before your treatment")
    questionnaire = Questionnaire.objects.create(**fields)
    questionnaire.treatments.set(treatments)
    proposer, publisher = make_user(role="Lead clinician"), make_user(role="Lead clinician")
    Questionnaire.objects.filter(pk=questionnaire.pk).update(
        proposed_by=proposer, published_by=publisher, published_at=NOW - timedelta(days=200), status="active"
    )
    questionnaire.refresh_from_db()
    return questionnaire


def make_response(patient: Patient | None = None, questionnaire: Questionnaire | None = None, **fields):
    """Finished answers as a row. Its document is noise: for answers that can be read use `screening.responses`."""
    answered_at = fields.setdefault("completed_at", NOW - timedelta(days=1))
    fields.setdefault("started_at", answered_at - timedelta(minutes=8))
    fields.setdefault("seen_at", answered_at)
    fields.setdefault("agreed_at", fields["started_at"])
    fields.setdefault("answered_on", answered_at.date())
    fields.setdefault("status", "completed")
    fields.setdefault("privacy_version", "1")
    fields.setdefault("document", os.urandom(64))
    return QuestionnaireResponse.objects.create(
        patient=patient, questionnaire=questionnaire or make_questionnaire(), **fields
    )


def make_assessment(response: QuestionnaireResponse, **fields) -> Assessment:
    """What the rules say on a date: nothing, unless told otherwise."""
    fields.setdefault("on", response.answered_on)
    fields.setdefault("effect", "none")
    fields.setdefault("findings_count", 0)
    fields.setdefault("to_address_count", 0)
    fields.setdefault("findings", os.urandom(64))
    fields.setdefault("created_at", response.completed_at)
    return Assessment.objects.create(response=response, **fields)


def make_review(
    patient: Patient, treatment: Treatment, on_area: Area | str = "face", *, response=None, assessment=None, **fields
) -> Review:
    """A clinician's decision; cleared for 89 days after the answers unless told otherwise."""
    response = response or make_response(patient, make_questionnaire(treatment))
    fields.setdefault("outcome", "cleared")
    fields.setdefault("decided_at", NOW)
    if fields["outcome"] in Review.CLEARING:
        fields.setdefault("valid_from", response.answered_on)
        fields.setdefault("valid_until", response.answered_on + timedelta(days=89))
    fields.setdefault("words", os.urandom(64))
    if "decided_by" not in fields:
        fields["decided_by"] = make_user(role="Clinician")
    return Review.objects.create(
        patient=patient,
        treatment=treatment,
        area=area(on_area) if isinstance(on_area, str) else on_area,
        response=response,
        assessment=assessment or make_assessment(response),
        **fields,
    )


def make_cleared_review(patient: Patient, treatment: Treatment, on_area: Area | str = "face", **fields) -> Review:
    """A review that clears this treatment on this area."""
    return make_review(patient, treatment, on_area, **{"outcome": "cleared", **fields})


def appointment_fields(**fields) -> dict:
    """The columns of an appointment that fits together, ready for `Appointment(**…)`."""
    treatment = fields.setdefault("treatment", None) or make_treatment()
    fields["treatment"] = treatment
    fields.setdefault("starts_at", at("2027-03-10"))
    fields.setdefault("ends_at", fields["starts_at"] + timedelta(minutes=treatment.duration_minutes))
    fields.setdefault("busy_until", fields["ends_at"] + timedelta(minutes=treatment.buffer_minutes))
    if "practitioner" not in fields:
        fields["practitioner"] = make_practitioner(treatment)
    if "room" not in fields:
        fields["room"] = make_room()
    fields.setdefault("status", "pending")
    if "patient" not in fields and fields["status"] != "proposed":
        fields["patient"] = make_patient()
    if treatment.kind == "treatment":
        fields.setdefault("area", area())
    if fields["status"] == "proposed":
        fields.setdefault("hold_expires_at", NOW + timedelta(minutes=10))
    fields.setdefault("status_changed_at", NOW)
    fields.setdefault("created_at", NOW)
    return fields


STEPS = {
    "arrived": ["arrived"],
    "checked-in": ["arrived", "checked-in"],
    "fulfilled": ["arrived", "checked-in", "fulfilled"],
    "noshow": ["noshow"],
    "cancelled": ["cancelled"],
    "entered-in-error": ["entered-in-error"],
}


def make_appointment(**fields) -> Appointment:
    """An appointment in any status, brought there by legal steps. A booked treatment gets a review that clears it."""
    wanted = fields.get("status", "pending")
    end = {key: fields.pop(key) for key in list(fields) if key.startswith(("cancel", "entered_in_error"))}
    fields["status"] = "booked" if wanted in STEPS else wanted
    fields = appointment_fields(**fields)
    if fields["status"] == "booked" and fields["treatment"].kind == "treatment" and "review" not in fields:
        day = fields["starts_at"].date()
        answered = min(NOW - timedelta(days=1), fields["starts_at"] - timedelta(days=1))
        fields["review"] = make_cleared_review(
            fields["patient"],
            fields["treatment"],
            fields["area"],
            response=make_response(
                fields["patient"], make_questionnaire(fields["treatment"]), completed_at=answered, reopens=False
            ),
            valid_until=max(day, answered.date() + timedelta(days=89)),
        )
    appointment = Appointment.objects.create(**fields)
    for status in STEPS.get(wanted, []):
        values = {"status": status, "previous_status": appointment.status, "status_changed_at": NOW}
        if status == "cancelled":
            values |= {"cancelled_at": NOW, "cancelled_by": "patient", "cancel_reason": "patient-asked", **end}
        if status == "entered-in-error":
            values |= {"entered_in_error_at": NOW, "entered_in_error_reason": "twice", **end}
            if "entered_in_error_by" not in values:
                values["entered_in_error_by"] = make_user(role="Manager")
        Appointment.objects.filter(pk=appointment.pk).update(**values)
        appointment.refresh_from_db()
    appointment.refresh_from_db()
    return appointment


class Surgery:
    """A small clinic to book at: two nurses, two rooms, one place, a consultation and a treatment of the face."""

    def __init__(
        self,
        *,
        practitioners: int = 2,
        rooms: int = 2,
        time_zone: str = "Europe/London",
        questionnaire: bool = True,
        **policies,
    ):
        self.clinic = make_clinic(**policies)
        self.location = make_location(time_zone=time_zone)
        self.rooms = [make_room(self.location) for _room in range(rooms)]
        self.treatment = make_treatment(name=f"Microneedling: acne scars, face {next(_number)}")
        self.consultation = make_consultation()
        self.practitioners = [
            make_practitioner(self.treatment, self.consultation, user=make_user(role="Practitioner"))
            for _practitioner in range(practitioners)
        ]
        for practitioner in self.practitioners:
            make_hours(practitioner, self.location)
        self.questionnaire = make_questionnaire(self.treatment) if questionnaire else None
        self.desk = make_user(role="Front desk")
        self.manager = make_user(role="Manager")
        self.clinician = make_user(role="Clinician")

    @property
    def practitioner(self) -> Practitioner:
        return self.practitioners[0]

    @property
    def room(self) -> Room:
        return self.rooms[0]


def make_surgery(**policies) -> Surgery:
    """See Surgery."""
    return Surgery(**policies)
