"""Two at once, in real threads on their own connections. Bounded: a few rounds, a few seconds.

Each race is first shown to be one: a check before the insert, in a table without walls, lets several through.
"""

import threading
import uuid
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection, transaction

from booking import appointments, holding
from booking.changing import Refusal, Taken
from booking.following import follow_grounds
from booking.models import Appointment
from booking.sweep import sweep
from clinic.models import Clinic
from outbox.models import Message
from screening import clearance, definition, publishing, responses, reviews
from screening.reviews import Refused
from tests import make
from tests.booking import steps
from tests.booking.conftest import ScreeningSurgery
from tests.make import NOW
from tests.screening import decisions
from tests.screening.conftest import shipped

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 4
DAYS = [steps.VISIT + timedelta(days=days) for days in (0, 1, 4, 5)]  # none of them a weekend


def at_once(*calls) -> list:
    """Runs the calls in threads that start together; what each returned, or the exception it raised."""
    together = threading.Barrier(len(calls))
    results: list = [None] * len(calls)

    def run(number, call):
        try:
            together.wait(timeout=10)
            results[number] = call()
        except Exception as error:  # told to the test
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number, call)) for number, call in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return results


def only(results, *kinds):
    """Nothing else went wrong than what the race may end in."""
    for result in results:
        if isinstance(result, Exception) and not isinstance(result, kinds):
            raise result


def all_holds():
    call_command("check_invariants", stdout=StringIO())


def test_without_a_wall_a_check_before_the_insert_lets_several_through():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch_times (id serial, starts_at timestamptz)")
    try:
        waiting = threading.Barrier(4)

        def check_then_insert():
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM scratch_times WHERE starts_at = %s", [NOW])
                if cursor.fetchone()[0]:
                    return False
                waiting.wait(timeout=10)  # everybody has looked before anybody writes
                cursor.execute("INSERT INTO scratch_times (starts_at) VALUES (%s)", [NOW])
            return True

        assert at_once(*[check_then_insert] * 4) == [True] * 4
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE scratch_times")


def test_of_many_holds_for_one_time_one_wins_and_the_others_hear_of_other_times():
    surgery = make.make_surgery(practitioners=1, rooms=2)

    for day in DAYS:
        results = at_once(*[lambda day=day: steps.held(surgery, day, treatment=surgery.consultation)] * 5)
        only(results, Taken)
        winners = [result for result in results if isinstance(result, Appointment)]
        assert len(winners) == 1
        assert all(result.alternatives for result in results if isinstance(result, Taken))
    all_holds()


def test_overlapping_times_of_mixed_lengths_never_wait_in_a_circle():
    surgery = make.make_surgery(practitioners=2, rooms=2)
    long = make.make_consultation(duration_minutes=60)
    long.practitioners.set(surgery.practitioners)

    def hold(number):
        person, room = surgery.practitioners[number % 2], surgery.rooms[number // 2 % 2]
        clock = f"10:{15 * (number % 4):02}"
        treatment = surgery.consultation if number % 3 else long
        return lambda: holding.hold(
            treatment=treatment,
            slot=steps.slot(surgery, clock=clock, practitioner=person, room=room),
            area=None,
            request_key=uuid.uuid4(),
            now=NOW,
        )

    results = at_once(*[hold(number) for number in range(8)])
    only(results, Taken)
    assert any(isinstance(result, Appointment) for result in results)
    all_holds()


def test_the_same_press_twice_at_once_is_one_hold():
    surgery = make.make_surgery()
    for when in DAYS:
        key = uuid.uuid4()
        calls = [
            lambda when=when, key=key: steps.held(surgery, when, treatment=surgery.consultation, request_key=key)
        ] * 3
        results = at_once(*calls)
        only(results)
        assert len({result.pk for result in results}) == 1


def test_two_times_of_one_form_at_once_are_two_holds():
    surgery = make.make_surgery()
    key = uuid.uuid4()
    slots = [
        steps.slot(surgery, practitioner=who, room=room)
        for who, room in zip(surgery.practitioners, surgery.rooms, strict=True)
    ]
    calls = [
        lambda slot=slot: steps.held(surgery, treatment=surgery.consultation, request_key=key, slot=slot)
        for slot in slots
    ]
    results = at_once(*calls)
    only(results)
    assert {result.practitioner for result in results} == set(surgery.practitioners)


def test_confirming_a_run_out_hold_against_somebody_who_takes_it():
    surgery = make.make_surgery(practitioners=1, rooms=1)
    late = NOW + timedelta(minutes=30)
    for when in DAYS:
        hold = steps.held(surgery, when, treatment=surgery.consultation)
        patient = make.make_patient()
        results = at_once(
            lambda hold=hold, patient=patient: holding.confirm(hold, patient=patient, now=late),
            lambda when=when: steps.held(surgery, when, treatment=surgery.consultation, now=late),
        )
        only(results, Taken)
        assert sum(isinstance(result, Appointment) for result in results) == 1
    all_holds()


def test_one_patient_in_two_tabs_gets_one_session():
    surgery = ScreeningSurgery()
    for number in range(2):
        patient = make.make_patient()
        response = steps.answered(surgery, patient)
        holds = [
            steps.held(surgery, steps.VISIT, f"{10 + 2 * number}:00", response_id=response.pk),
            steps.held(surgery, steps.VISIT + timedelta(days=1), f"{10 + 2 * number}:00", response_id=response.pk),
        ]
        results = at_once(
            *[lambda hold=hold, patient=patient: holding.confirm(hold, patient=patient, now=NOW) for hold in holds]
        )
        only(results, Refusal)
        assert sum(isinstance(result, Appointment) for result in results) == 1
    all_holds()


def supersede(surgery, patient, now):
    """The patient finishes new answers."""
    response = responses.start(
        questionnaire=surgery.questionnaire, treatment=None, privacy_version="1", now=now, patient=patient
    )
    responses.save_answers(response, surgery.answers, now=now)
    return lambda: responses.complete(response, today=now.date(), now=now)


def test_approving_against_new_answers_leaves_nothing_booked_on_old_ones():
    surgery = ScreeningSurgery()
    for number in range(ROUNDS):
        appointment = steps.asked(surgery, clock=f"{10 + number}:00")
        request = steps.request_of(appointment)
        clinician = make.make_user(role="Clinician")
        later = NOW + timedelta(minutes=1)
        results = at_once(
            lambda request=request, clinician=clinician: decisions.decide(request, "cleared", by=clinician),
            supersede(surgery, appointment.patient, later),
        )
        only(results, Refused)
        appointment.refresh_from_db()
        assert appointment.status == "pending"
        all_holds()


def test_confirming_with_a_clearance_against_new_answers():
    surgery = ScreeningSurgery()
    for number in range(ROUNDS):
        clock = f"{10 + number}:00"
        first = steps.booked(surgery, clock=clock)
        hold = steps.held(surgery, steps.VISIT + timedelta(days=28), clock, patient=first.patient)
        later = NOW + timedelta(minutes=1)
        results = at_once(
            lambda hold=hold, first=first: holding.confirm(hold, patient=first.patient, now=NOW),
            supersede(surgery, first.patient, later),
        )
        only(results, Refusal)
        hold.refresh_from_db(), first.refresh_from_db()
        assert first.status == "pending"
        # booked and put back, or never booked
        assert hold.status in ("pending", "proposed")
        all_holds()


def test_confirming_with_a_clearance_against_new_questions_for_everybody():
    surgery = ScreeningSurgery()
    first = steps.booked(surgery)
    hold = steps.held(surgery, steps.VISIT + timedelta(days=28), patient=first.patient)
    row, _outcome = definition.save_draft(
        replace(shipped("microneedling"), version=surgery.questionnaire.version + 1), treatments=[surgery.treatment]
    )
    publishing.propose(row, by=surgery.clinician, now=NOW)
    lead = make.make_user(role="Lead clinician")
    results = at_once(
        lambda: holding.confirm(hold, patient=first.patient, now=NOW),
        lambda: publishing.publish(row, by=lead, now=NOW),
    )
    only(results, Refusal)
    hold.refresh_from_db(), first.refresh_from_db()
    assert first.status == "pending"
    assert hold.status in ("pending", "proposed")
    all_holds()


@pytest.mark.parametrize("guarded", [False, True])
def test_confirming_while_a_policy_changes(monkeypatch, guarded):
    """Without the lock a visit is confirmed by the policy of before, and nobody puts it back."""
    if not guarded:
        monkeypatch.setattr(Clinic, "keep_policies", lambda: None)
    surgery = ScreeningSurgery()
    patient = make.make_patient()
    steps.answered(surgery, patient)
    request = clearance.request_review(
        patient, surgery.treatment, area=make.area(), needed_on=None, needed_at=None, answer_by=None, now=NOW
    )
    decisions.decide(request)
    hold = steps.held(surgery, steps.VISIT, patient=patient)
    changed, over = threading.Event(), threading.Event()

    def change():
        with transaction.atomic():
            Clinic.change_policies()
            Clinic.objects.update(screening_valid_days=5)
            follow_grounds(None, NOW)
            changed.set()
            over.wait(timeout=0.5)  # as long as the saving takes

    def confirm():
        with Clinic.read_once():
            Clinic.get()  # as the page has, before it waits
            changed.wait(timeout=10)
            confirmed = holding.confirm(hold, patient=patient, now=NOW)
        over.set()
        return confirmed

    only(at_once(change, confirm), Refusal)
    hold.refresh_from_db()
    assert (hold.status == "booked") is not guarded


def test_cancelling_against_clearing():
    surgery = ScreeningSurgery()
    for number in range(ROUNDS):
        appointment = steps.asked(surgery, clock=f"{10 + number}:00")
        request = steps.request_of(appointment)
        clinician = make.make_user(role="Clinician")
        results = at_once(
            lambda appointment=appointment: appointments.cancel(appointment, by="patient", now=NOW),
            lambda request=request, clinician=clinician: decisions.decide(request, "cleared", by=clinician),
        )
        only(results, Refused, Refusal)
        appointment.refresh_from_db()
        assert appointment.status == "cancelled"
        told = Message.objects.filter(subject_uuid=appointment.uuid, state="queued").values_list("kind", flat=True)
        assert list(told) == ["cancelled"]
        all_holds()


def test_moving_against_withdrawing():
    surgery = ScreeningSurgery()
    for number in range(2):
        appointment = steps.booked(surgery, clock=f"{10 + 2 * number}:00")
        slot = steps.slot(surgery, steps.VISIT + timedelta(days=1), f"{10 + 2 * number}:00")
        response, clinician = appointment.response, make.make_user(role="Clinician")
        results = at_once(
            lambda appointment=appointment, slot=slot: appointments.move(appointment, slot=slot, by="patient", now=NOW),
            lambda response=response, clinician=clinician: reviews.mark_in_error(response, by=clinician, now=NOW),
        )
        only(results, Refusal)
        appointment.refresh_from_db()
        assert appointment.status == "pending"
        all_holds()


def test_two_moves_into_one_time():
    surgery = make.make_surgery(practitioners=1, rooms=1)
    visits = [steps.talk(surgery, clock=clock) for clock in ("10:00", "12:00", "14:00")]
    slot = steps.slot(surgery, steps.VISIT + timedelta(days=1))
    results = at_once(
        *[lambda visit=visit: appointments.move(visit, slot=slot, by="patient", now=NOW) for visit in visits]
    )
    only(results, Taken)
    assert sum(isinstance(result, Appointment) for result in results) == 1
    all_holds()


def test_two_visits_that_change_places_do_not_wait_in_a_circle():
    surgery = make.make_surgery(practitioners=2, rooms=2)
    first = steps.talk(surgery, slot=steps.slot(surgery))
    second = steps.talk(surgery, slot=steps.slot(surgery, practitioner=surgery.practitioners[1], room=surgery.rooms[1]))
    there = steps.slot(surgery, clock="10:15", practitioner=surgery.practitioners[1], room=surgery.rooms[1])
    back = steps.slot(surgery, clock="10:15")
    results = at_once(
        lambda: appointments.move(first, slot=there, by="patient", now=NOW),
        lambda: appointments.move(second, slot=back, by="patient", now=NOW),
    )
    only(results, Taken)
    all_holds()


def test_two_sweeps_at_once_release_and_tell_once():
    surgery = ScreeningSurgery()
    appointment = steps.asked(surgery)
    now = appointment.starts_at - timedelta(hours=1)
    results = at_once(*[lambda: sweep(now=now)] * 3)
    only(results)
    assert sum(counts["released"] for counts in results) == 1
    assert Message.objects.filter(kind="promise_missed").count() == 1


def test_a_deadlock_is_tried_once_more(monkeypatch):
    surgery = make.make_surgery()
    hold = steps.held(surgery, treatment=surgery.consultation)
    from django.db import OperationalError

    class Cause(Exception):
        pgcode = "40P01"

    tries = []
    change = holding.change

    def deadlock_first(*args, **kwargs):
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("deadlock detected") from Cause()
        return change(*args, **kwargs)

    monkeypatch.setattr(holding, "change", deadlock_first)
    assert holding.extend(hold, now=NOW).hold_extensions == 1
    assert len(tries) == 2
