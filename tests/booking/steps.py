"""The steps before the one that is tested, each by the verb that does it in the clinic."""

import uuid
from datetime import date, timedelta

from booking import appointments, holding
from booking.availability import Slot
from booking.models import Appointment
from screening import clearance
from tests import make
from tests.make import NOW, TODAY
from tests.screening import decisions

# Thursday 11 March 2027, at ten in London.
VISIT = TODAY + timedelta(days=10)


def slot(surgery, day: date = VISIT, clock: str = "10:00", *, practitioner=None, room=None) -> Slot:
    """A time as a page would offer it, whether it is free or not."""
    return Slot(
        make.at(day, clock, surgery.location.zone),
        (practitioner or surgery.practitioner).pk,
        (room or surgery.room).pk,
        surgery.location.pk,
    )


def answered(surgery, patient=None, *, now=NOW, **changes):
    """Finished answers, harmless but for `changes` (link_id with _ for -)."""
    changes = {link_id.replace("_", "-"): value for link_id, value in changes.items()}
    answers = surgery.answers | changes
    if patient is not None:
        answers["age-date-of-birth"] = patient.birth_date.isoformat()
    return decisions.answer(surgery.questionnaire, answers, patient, now=now)


def held(surgery, day: date = VISIT, clock: str = "10:00", *, now=NOW, **wanted) -> Appointment:
    """A kept time: a treatment with harmless anonymous answers, unless told otherwise."""
    wanted.setdefault("treatment", surgery.treatment)
    place = wanted.pop("slot", None) or slot(surgery, day, clock, practitioner=wanted.pop("practitioner", None))
    if wanted["treatment"].needs_screening:
        wanted.setdefault("area", make.area())
        if "response_id" not in wanted and wanted.get("patient") is None:
            wanted["response_id"] = answered(surgery, now=now).pk
    wanted.setdefault("area", None)
    wanted.setdefault("request_key", uuid.uuid4())
    return holding.hold(slot=place, now=now, **wanted)


def asked(surgery, day: date = VISIT, clock: str = "10:00", *, patient=None, now=NOW, **wanted) -> Appointment:
    """A treatment that waits for a clinician."""
    patient = patient or make.make_patient()
    response = clearance.finished_responses([patient.pk]).first() or answered(surgery, patient, now=now)
    wanted.setdefault("response_id", response.pk)
    return holding.confirm(held(surgery, day, clock, now=now, **wanted), patient=patient, now=now)


def request_of(appointment: Appointment):
    """Its open row of the worklist."""
    from screening.models import ReviewRequest

    return ReviewRequest.objects.get(
        response__patient=appointment.patient,
        treatment=appointment.treatment,
        area=appointment.area,
        closed_at=None,
    )


def decide(appointment: Appointment, outcome: str = "cleared", *, now=NOW, **words):
    """A clinician decides about it; the appointment follows."""
    review = decisions.decide(request_of(appointment), outcome, now=now, **words)
    appointment.refresh_from_db()
    return review


def booked(surgery, day: date = VISIT, clock: str = "10:00", *, patient=None, now=NOW, **wanted) -> Appointment:
    """A treatment that a clinician has cleared."""
    appointment = asked(surgery, day, clock, patient=patient, now=now, **wanted)
    if appointment.status == "pending":
        decide(appointment, now=now)
    assert appointment.status == "booked"
    return appointment


def talk(surgery, day: date = VISIT, clock: str = "10:00", *, patient=None, now=NOW, **wanted) -> Appointment:
    """A booked consultation."""
    wanted.setdefault("treatment", surgery.consultation)
    patient = patient or make.make_patient()
    return holding.confirm(held(surgery, day, clock, now=now, **wanted), patient=patient, now=now)


def phoned(surgery, patient=None, **wanted) -> Appointment:
    """A treatment booked by the front desk; without answers of theirs it waits for the form."""
    wanted = {"area": make.area(), "slot": slot(surgery), "by": surgery.desk, "now": NOW} | wanted
    patient = patient or make.make_patient()
    return appointments.book_by_phone(patient=patient, treatment=surgery.treatment, **wanted)


def arrived(surgery, **wanted) -> Appointment:
    """Somebody who is here, at five to ten on the day."""
    appointment = booked(surgery, **wanted)
    return appointments.arrive(appointment, by=surgery.desk, now=appointment.starts_at - timedelta(minutes=5))


def messages(appointment: Appointment, *, waiting: bool = True) -> list[str]:
    """Kinds of the messages about it, oldest first; only those that wait to be sent, unless told otherwise."""
    from outbox.models import Message

    found = Message.objects.filter(subject_uuid=appointment.uuid).order_by("id")
    if waiting:
        found = found.filter(state="queued")
    return list(found.values_list("kind", flat=True))


def sent(**which) -> None:
    """What waits to be sent (of these only, when given) has gone out."""
    from outbox.models import Message

    Message.objects.filter(state="queued", **which).update(state="sent", sent_at=NOW, claimed_at=NOW)


def rechecked(appointment: Appointment, *, by=None, now=None, **changes) -> bool:
    """The short re-check of that day, harmless but for `changes` (link_id with _ for -); True: nothing new."""
    from screening.chair import recheck_questionnaire
    from tests.screening.conftest import publish

    questionnaire = recheck_questionnaire() or publish("microneedling-recheck")
    answers = {
        question.link_id: [question.no_finding[-1]] if question.kind == "choices" else question.no_finding[-1]
        for question in questionnaire.definition().questions
        if not question.parent
    } | {link_id.replace("_", "-"): value for link_id, value in changes.items()}
    return clearance.recheck(
        appointment.patient,
        answers,
        visit=appointment.uuid,
        by=by or appointment.practitioner.user,
        today=appointment.local_date,
        now=now or appointment.starts_at,
    )


def check_in(appointment: Appointment, *, by=None, now=None) -> Appointment:
    """All three parts: the right person, nothing new, agreed."""
    by, now = by or appointment.practitioner.user, now or appointment.starts_at
    if appointment.treatment.needs_screening:
        rechecked(appointment, by=by, now=now)
    return appointments.check_in(appointment, by=by, identity_confirmed=True, agreed=True, now=now)
