"""I1, I2, I3 and I6 in the database: broken through the ORM and in SQL as the web role, beside a legal neighbour."""

import itertools
from datetime import timedelta
from io import StringIO

import pghistory
import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from booking.models import Appointment
from clinic.models import Treatment
from tests import make
from tests.make import NOW, at

pytestmark = pytest.mark.django_db

TEN = at("2027-03-10", "10:00")
TABLE = Appointment._meta.db_table


def insert(**fields) -> Appointment:
    """Through the ORM."""
    return Appointment.objects.create(**make.appointment_fields(**fields))


def insert_in_sql(**fields) -> Appointment:
    """The same row in SQL, as the web role, with no Django in between."""
    row = Appointment(**make.appointment_fields(**fields))
    columns = [field for field in Appointment._meta.concrete_fields if not field.primary_key]
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in columns]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("clinic_web",)
        names = ", ".join(f'"{field.column}"' for field in columns)
        cursor.execute(f"INSERT INTO {TABLE} ({names}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING id", values)
        return Appointment.objects.get(pk=cursor.fetchone()[0])


def update(row: Appointment, **values) -> None:
    """Through the ORM."""
    Appointment.objects.filter(pk=row.pk).update(**values)


def update_in_sql(row: Appointment, **values) -> None:
    """In SQL, as the web role."""
    columns = {Appointment._meta.get_field(name).column: getattr(value, "pk", value) for name, value in values.items()}
    with connection.cursor() as cursor:
        names = ", ".join(f'"{column}" = %s' for column in columns)
        cursor.execute(f"UPDATE {TABLE} SET {names} WHERE id = %s", [*columns.values(), row.pk])


both_ways = pytest.mark.parametrize("add", [insert, insert_in_sql])
both_changes = pytest.mark.parametrize("change", [update, update_in_sql])


def refused(call, *args, by: str, **kwargs) -> None:
    """The call fails on the wall of that name, and on no other."""
    with pytest.raises(IntegrityError) as error, transaction.atomic():
        call(*args, **kwargs)
    assert error.value.__cause__.diag.constraint_name == by


@pytest.fixture
def talk(db):
    return make.make_consultation()


# --- I1


@both_ways
def test_a_practitioner_is_in_one_place(add, talk):
    first = add(treatment=talk, starts_at=TEN)  # to 10:30, clean at 10:45
    same = {"treatment": talk, "practitioner": first.practitioner}
    by = "booking_appointment_practitioner_in_one_place"
    refused(add, starts_at=TEN, by=by, **same)
    refused(add, starts_at=TEN + timedelta(minutes=44), by=by, **same)  # in the cleaning
    refused(add, starts_at=TEN - timedelta(minutes=44), by=by, **same)
    add(starts_at=TEN + timedelta(minutes=45), **same)
    add(starts_at=TEN - timedelta(minutes=45), **same)


@both_ways
def test_a_room_is_in_use_once(add, talk):
    first = add(treatment=talk, starts_at=TEN)
    same = {"treatment": talk, "room": first.room}
    refused(add, starts_at=TEN + timedelta(minutes=44), by="booking_appointment_room_in_one_place", **same)
    add(starts_at=TEN + timedelta(minutes=45), **same)
    # overbooking is of the practitioner's time, never of the room
    refused(
        add,
        starts_at=TEN,
        lane=1,
        overbooked_by=make.make_user(role="Front desk"),
        overbook_reason="urgent",
        by="booking_appointment_room_in_one_place",
        **same,
    )


@both_ways
def test_a_patient_is_in_one_place_and_need_not_stay_for_the_cleaning(add, talk):
    patient = make.make_patient()
    add(treatment=talk, patient=patient, starts_at=TEN)
    same = {"treatment": talk, "patient": patient}
    refused(add, starts_at=TEN + timedelta(minutes=29), by="booking_appointment_patient_in_one_place", **same)
    add(starts_at=TEN + timedelta(minutes=30), **same)


@both_ways
def test_two_anonymous_holds_at_one_time_are_two_people(add, talk):
    add(treatment=talk, status="proposed", starts_at=TEN)
    add(treatment=talk, status="proposed", starts_at=TEN)


@both_ways
def test_what_is_freed_takes_up_nothing(add, talk):
    first = make.make_appointment(treatment=talk, status="cancelled", starts_at=TEN)
    for status in ("noshow", "entered-in-error"):
        make.make_appointment(
            treatment=talk, status=status, starts_at=TEN, practitioner=first.practitioner, room=first.room
        )
    add(treatment=talk, starts_at=TEN, practitioner=first.practitioner, room=first.room, patient=first.patient)


@both_ways
def test_overbooking_is_a_second_lane_with_a_name_and_a_reason(add, talk):
    first = add(treatment=talk, starts_at=TEN)
    desk = make.make_user(role="Front desk")
    same = {"treatment": talk, "practitioner": first.practitioner, "starts_at": TEN}
    by = "booking_appointment_overbooking_is_recorded"
    refused(add, lane=1, by=by, **same)
    refused(add, lane=1, overbooked_by=desk, by=by, **same)
    refused(add, lane=1, overbook_reason="urgent", by=by, **same)
    refused(add, lane=2, overbooked_by=desk, overbook_reason="urgent", by=by, **same)
    refused(add, treatment=talk, overbook_reason="urgent", by=by)
    add(lane=1, overbooked_by=desk, overbook_reason="urgent", **same)
    refused(
        add,
        lane=1,
        overbooked_by=desk,
        overbook_reason="urgent",
        by="booking_appointment_practitioner_in_one_place",
        **same,
    )


@both_changes
def test_moving_and_coming_back_meet_the_same_walls(change, talk):
    ended = make.make_appointment(treatment=talk, status="cancelled", starts_at=TEN)
    first = insert(treatment=talk, starts_at=TEN, practitioner=ended.practitioner)
    second = insert(treatment=talk, starts_at=TEN + timedelta(hours=1), practitioner=first.practitioner)
    times = {"starts_at": TEN, "ends_at": TEN + timedelta(minutes=30), "busy_until": TEN + timedelta(minutes=45)}
    refused(change, second, by="booking_appointment_practitioner_in_one_place", **times)
    back = {
        "status": "booked",
        "cancelled_at": None,
        "cancelled_by": "",
        "cancel_reason": "",
        "status_changed_at": NOW,
    }
    refused(change, ended, by="booking_appointment_practitioner_in_one_place", **back)


@both_ways
def test_the_end_comes_after_the_start(add, talk):
    times = {"starts_at": TEN, "treatment": talk}
    with pytest.raises(DatabaseError), transaction.atomic():
        add(ends_at=TEN - timedelta(minutes=1), busy_until=TEN, **times)
    refused(add, ends_at=TEN, busy_until=TEN, by="booking_appointment_end_after_start", **times)


@both_changes
def test_nothing_is_deleted_or_left_without_a_person(change, talk):
    booked = insert(treatment=talk, status="booked")
    refused(change, booked, patient=None, by="booking_appointment_somebody_comes")
    with connection.cursor() as cursor:
        refused(
            cursor.execute, f"DELETE FROM {TABLE} WHERE id = %s", [booked.pk], by="booking_appointment_never_deleted"
        )
    refused(Appointment.objects.filter(pk=booked.pk).delete, by="booking_appointment_never_deleted")


def test_the_web_role_cannot_take_a_wall_down():
    for statement in (
        f"ALTER TABLE {TABLE} DISABLE TRIGGER USER",
        f"DROP TRIGGER booking_appointment_c_clearance ON {TABLE}",
        "DROP FUNCTION booking_appointment_clearance() CASCADE",
        "CREATE OR REPLACE FUNCTION screening_response_superseded(the_response bigint) RETURNS boolean"
        " LANGUAGE sql AS $$ SELECT false $$",
        f"ALTER TABLE {TABLE} DROP CONSTRAINT booking_appointment_interval_kept",
        f"TRUNCATE {TABLE} CASCADE",
        "SET session_replication_role = replica",
        "UPDATE booking_appointmentevent SET status = 'booked'",
        "DELETE FROM booking_appointmentevent",
        "UPDATE pghistory_context SET created_at = now()",
        "DELETE FROM pghistory_context",
        "UPDATE django_admin_log SET change_message = ''",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


def test_the_web_role_still_writes_who_changed_something():
    with pghistory.context(user=1):
        visit = insert()
        with pghistory.context(url="/"):  # the same context once more, with more in it
            update(visit, reference="ABCDEF")
    assert visit.events.last().pgh_context.metadata == {"user": 1, "url": "/"}


# --- I2

IN_FORCE = "booking_appointment_cleared_by_a_clinician"


def cleared(**review) -> dict:
    """What goes into an appointment that a clinician has cleared; the answers as `review` says."""
    patient, treatment = make.make_patient(), make.make_treatment()
    made = make.make_cleared_review(patient, treatment, **review)
    return {"patient": patient, "treatment": treatment, "review": made, "status": "booked", "starts_at": TEN}


@both_ways
def test_a_treatment_is_booked_with_a_clearing_review_only(add):
    add(**cleared())
    refused(add, **{**cleared(), "review": None}, by=IN_FORCE)
    add(treatment=make.make_consultation(), status="booked")


@both_ways
def test_it_is_of_that_patient_treatment_and_area(add):
    refused(add, **{**cleared(), "patient": make.make_patient()}, by=IN_FORCE)
    refused(add, **{**cleared(), "treatment": make.make_treatment()}, by=IN_FORCE)
    refused(add, **{**cleared(), "area": make.area("belly")}, by=IN_FORCE)


@both_ways
def test_it_is_valid_on_the_local_day(add):
    first, last = TEN.date() - timedelta(days=3), TEN.date() + timedelta(days=3)
    for day, fine in ((-4, False), (-3, True), (3, True), (4, False)):
        fields = cleared(valid_from=first, valid_until=last) | {"starts_at": TEN + timedelta(days=day)}
        if fine:
            add(**fields)
        else:
            refused(add, **fields, by=IN_FORCE)
    # half past midnight in Sydney is the day before in UTC
    sydney = make.make_room(make.make_location(time_zone="Australia/Sydney"))
    late = at(last + timedelta(days=1), "00:30", sydney.location.zone)
    assert late.date() == last
    refused(add, **{**cleared(valid_from=first, valid_until=last), "starts_at": late, "room": sydney}, by=IN_FORCE)


@both_ways
@pytest.mark.parametrize("outcome", ["needs-information", "deferred", "consultation-required", "not-suitable"])
def test_only_a_yes_clears(add, outcome):
    patient, treatment = make.make_patient(), make.make_treatment()
    review = make.make_review(patient, treatment, outcome=outcome)
    refused(add, patient=patient, treatment=treatment, review=review, status="booked", by=IN_FORCE)


@both_ways
def test_what_takes_two_signatures_needs_both(add):
    patient, treatment = make.make_patient(), make.make_treatment()
    response = make.make_response(patient, make.make_questionnaire(treatment))
    review = make.make_cleared_review(
        patient,
        treatment,
        response=response,
        assessment=make.make_assessment(response, override="O2", effect="contraindicated"),
        decided_by=make.make_user(role="Lead clinician"),
    )
    fields = {"patient": patient, "treatment": treatment, "review": review, "status": "booked"}
    refused(add, **fields, by=IN_FORCE)


@both_ways
def test_newer_answers_and_newer_decisions_take_its_place(add):
    fields = cleared()
    make.make_response(fields["patient"], fields["review"].response.questionnaire, completed_at=NOW)
    refused(add, **fields, by=IN_FORCE)
    fields = cleared()
    make.make_review(
        fields["patient"],
        fields["treatment"],
        response=fields["review"].response,
        outcome="not-suitable",
        assessment=fields["review"].assessment,
    )
    refused(add, **fields, by=IN_FORCE)


@both_changes
def test_becoming_booked_or_moving_asks_again(change):
    pending = make.make_appointment()
    refused(change, pending, status="booked", by=IN_FORCE)
    booked = make.make_appointment(status="booked")
    refused(change, booked, review=None, by=IN_FORCE)
    refused(change, booked, patient=make.make_patient(), by=IN_FORCE)
    refused(change, booked, area=make.area("belly"), by=IN_FORCE)
    later = TEN + timedelta(days=120)
    times = {"starts_at": later, "ends_at": later + timedelta(minutes=45), "busy_until": later + timedelta(minutes=60)}
    refused(change, booked, **times, by=IN_FORCE)
    near = TEN + timedelta(days=5)
    times = {"starts_at": near, "ends_at": near + timedelta(minutes=45), "busy_until": near + timedelta(minutes=60)}
    change(booked, **times)
    change(booked, status="pending", review=None)


def test_superseding_answers_leave_nothing_booked_behind():
    booked = make.make_appointment(status="booked")
    questionnaire = booked.review.response.questionnaire

    def supersede(put_back=False):
        make.make_response(booked.patient, questionnaire, completed_at=NOW)
        if put_back:
            update(booked, status="pending", review=None)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    refused(supersede, by=IN_FORCE)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    supersede(put_back=True)


def test_withdrawn_answers_leave_nothing_booked_behind():
    booked = make.make_appointment(status="booked")

    def withdraw():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE screening_questionnaireresponse SET status = 'entered-in-error', entered_in_error_at = %s,"
                " entered_in_error_by_id = %s WHERE id = %s",
                [NOW, make.make_user(role="Clinician").pk, booked.review.response_id],
            )
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    refused(withdraw, by=IN_FORCE)


def test_history_keeps_its_review():
    done = make.make_appointment(status="fulfilled")
    make.make_response(done.patient, done.review.response.questionnaire, completed_at=NOW)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    update(done, sequence=3)
    refused(update, done, review=None, by=IN_FORCE)


# --- I3

KEPT = "booking_appointment_interval_kept"


@both_ways
def test_day_27_is_too_soon_and_day_28_is_not(add):
    same = {"patient": make.make_patient(), "treatment": make.make_treatment()}
    add(starts_at=TEN, **same)
    for days in (0.2, 1, 27):
        refused(add, starts_at=TEN + timedelta(days=days), by=KEPT, **same)
        refused(add, starts_at=TEN - timedelta(days=days), by=KEPT, **same)
    add(starts_at=TEN + timedelta(days=28), **same)
    add(starts_at=TEN - timedelta(days=28), **same)


@both_ways
def test_the_larger_interval_counts_in_both_directions(add):
    patient = make.make_patient()
    short, long = make.make_treatment(minimum_interval_days=14), make.make_treatment(minimum_interval_days=42)
    add(patient=patient, treatment=short, starts_at=TEN)
    refused(add, patient=patient, treatment=long, starts_at=TEN + timedelta(days=41), by=KEPT)
    refused(add, patient=patient, treatment=long, starts_at=TEN - timedelta(days=41), by=KEPT)
    add(patient=patient, treatment=long, starts_at=TEN + timedelta(days=42))
    refused(add, patient=patient, treatment=short, starts_at=TEN + timedelta(days=42 + 41), by=KEPT)
    add(patient=patient, treatment=short, starts_at=TEN + timedelta(days=42 + 42))


def test_no_treatment_is_without_an_interval():
    """With 0 it would be no session: another one, of 28 days, could stand on the day after it."""
    treatments = Treatment.objects.filter(pk=make.make_treatment().pk)
    refused(treatments.update, minimum_interval_days=0, by="clinic_treatment_keeps_days")
    with connection.cursor() as cursor:
        refused(
            cursor.execute, "UPDATE clinic_treatment SET minimum_interval_days = 0", by="clinic_treatment_keeps_days"
        )
    treatments.update(minimum_interval_days=1)
    Treatment.objects.filter(pk=make.make_consultation().pk).update(minimum_interval_days=0)


@both_ways
def test_another_area_patient_or_kind_may_be_the_same_day(add):
    patient, treatment = make.make_patient(), make.make_treatment(areas=("face", "belly"))
    add(patient=patient, treatment=treatment, starts_at=TEN)
    later = TEN + timedelta(hours=2)
    add(patient=patient, treatment=treatment, area=make.area("belly"), starts_at=later)
    add(patient=make.make_patient(), treatment=treatment, starts_at=later)
    add(patient=patient, treatment=make.make_consultation(), starts_at=later + timedelta(hours=2))
    add(status="proposed", patient=None, treatment=treatment, starts_at=later)


@both_ways
def test_the_interval_is_never_the_callers(add):
    same = {"patient": make.make_patient(), "treatment": make.make_treatment()}
    first = add(starts_at=TEN, interval_days=0, local_date="2020-01-01", **same)
    first.refresh_from_db()
    assert (first.interval_days, first.local_date) == (28, TEN.date())
    refused(add, starts_at=TEN + timedelta(days=27), interval_days=0, local_date="2040-01-01", by=KEPT, **same)


@both_changes
def test_moving_keeps_the_interval(change):
    same = {"patient": make.make_patient(), "treatment": make.make_treatment()}
    insert(starts_at=TEN, **same)
    second = insert(starts_at=TEN + timedelta(days=40), **same)

    def times(days):
        start = TEN + timedelta(days=days)
        return {
            "starts_at": start,
            "ends_at": start + timedelta(minutes=45),
            "busy_until": start + timedelta(minutes=60),
        }

    refused(change, second, **times(27), by=KEPT)
    refused(change, second, interval_days=0, **times(27), by=KEPT)
    change(second, **times(28))


@both_changes
def test_a_visit_keeps_the_interval_it_was_placed_with(change):
    treatment = make.make_treatment()
    same = {"patient": make.make_patient(), "treatment": treatment}
    first, second = insert(starts_at=TEN, **same), insert(starts_at=TEN + timedelta(days=28), **same)
    Treatment.objects.filter(pk=treatment.pk).update(minimum_interval_days=42)
    for row in (first, second):
        change(row, answer_by=NOW)
        change(row, interval_days=0, local_date="2020-01-01")  # still never the caller's
        row.refresh_from_db()
        assert (row.interval_days, row.local_date) == (28, row.starts_at.date())
    call_command("check_invariants", stdout=StringIO())


@both_changes
def test_whatever_is_placed_counts_the_interval_of_that_moment(change):
    treatment, area = make.make_treatment(areas=("face", "belly")), make.area("belly")
    other = make.make_treatment(minimum_interval_days=28)
    same = {"patient": make.make_patient(), "treatment": treatment}
    first = insert(starts_at=TEN, **same)
    near = {"starts_at": TEN + timedelta(days=28)}
    gone = {"status": "cancelled", "cancelled_at": NOW, "cancelled_by": "patient", "cancel_reason": "patient-asked"}
    back = {"cancelled_at": None, "cancelled_by": "", "cancel_reason": "", "status": "pending"}
    freed = insert(**near, **same)
    change(freed, **gone, status_changed_at=NOW)
    Treatment.objects.filter(pk=treatment.pk).update(minimum_interval_days=42)
    refused(insert, **near, **same, by=KEPT)
    refused(change, freed, **back, by=KEPT)
    elsewhere = insert(**near, **{**same, "area": area})
    refused(change, elsewhere, area=first.area, by=KEPT)
    change(elsewhere, **gone)
    somebody = insert(**near, **{**same, "patient": make.make_patient()})
    refused(change, somebody, patient=first.patient, by=KEPT)
    shorter = insert(**near, **{**same, "treatment": other})
    refused(change, shorter, treatment=treatment, by=KEPT)
    refused(change, shorter, starts_at=near["starts_at"] - timedelta(days=1), by=KEPT)
    change(shorter, **gone, status_changed_at=NOW)
    change(
        freed,
        starts_at=TEN + timedelta(days=42),
        ends_at=TEN + timedelta(days=42, minutes=45),
        busy_until=TEN + timedelta(days=42, minutes=60),
    )
    change(freed, **back)
    freed.refresh_from_db()
    assert freed.interval_days == 42


@both_ways
def test_a_treatment_is_of_an_area(add):
    refused(add, treatment=make.make_treatment(), area=None, by="booking_appointment_treatment_has_area")


# --- I6

WHO_WHEN_WHY = "booking_appointment_cancelled_who_when_why"


@both_changes
def test_cancelled_says_who_when_and_why(change, talk):
    desk = make.make_user(role="Front desk")
    whole = {
        "status": "cancelled",
        "cancelled_at": NOW,
        "cancelled_by": "staff",
        "cancelled_by_user": desk,
        "cancel_reason": "mistake",
    }
    nothing = {"cancelled_at": None, "cancelled_by": "", "cancelled_by_user": None, "cancel_reason": ""}
    for missing in nothing:
        row = insert(treatment=talk, status="booked")
        refused(change, row, **{**whole, missing: nothing[missing]}, by=WHO_WHEN_WHY)
    change(insert(treatment=talk, status="booked"), **whole)
    for who, user in (("patient", None), ("system", None), ("clinician", desk)):
        change(insert(treatment=talk, status="booked"), **{**whole, "cancelled_by": who, "cancelled_by_user": user})
    for who, user in (("patient", desk), ("system", desk), ("clinician", None), ("staff", None), ("somebody", None)):
        row = insert(treatment=talk, status="booked")
        refused(change, row, **{**whole, "cancelled_by": who, "cancelled_by_user": user}, by=WHO_WHEN_WHY)


@both_changes
def test_why_is_one_of_the_known_reasons(change, talk):
    known = "booking_appointment_cancel_reason_known"
    whole = {"status": "cancelled", "cancelled_at": NOW, "cancelled_by": "system"}
    for reason in ("xyz", "Mistake", " "):
        refused(change, insert(treatment=talk, status="booked"), **whole, cancel_reason=reason, by=known)
    for reason in Appointment.Reason.values:
        change(insert(treatment=talk, status="booked"), **whole, cancel_reason=reason)


@both_changes
def test_only_what_is_cancelled_says_so(change, talk):
    desk = make.make_user(role="Front desk")
    for name, value in (
        ("cancelled_at", NOW),
        ("cancelled_by", "patient"),
        ("cancelled_by_user", desk),
        ("cancel_reason", "mistake"),
        ("cancelled_late", True),
    ):
        refused(change, insert(treatment=talk, status="booked"), **{name: value}, by=WHO_WHEN_WHY)


@both_changes
def test_entered_in_error_says_who_when_and_why(change, talk):
    whole = {
        "status": "entered-in-error",
        "entered_in_error_at": NOW,
        "entered_in_error_by": make.make_user(role="Manager"),
        "entered_in_error_reason": "twice",
    }
    for missing in ("entered_in_error_at", "entered_in_error_by", "entered_in_error_reason", "status"):
        row = insert(treatment=talk, status="booked")
        without = {**whole, missing: {"entered_in_error_reason": "", "status": "booked"}.get(missing)}
        refused(change, row, **without, by="booking_appointment_error_who_when_why")
    change(insert(treatment=talk, status="booked"), **whole)


# --- which status follows which

STEPS = {
    "proposed": {"pending", "booked", "cancelled"},
    "pending": {"booked", "cancelled"},
    "booked": {"pending", "arrived", "cancelled", "noshow"},
    "arrived": {"checked-in", "pending", "cancelled", "booked"},
    "checked-in": {"fulfilled", "pending", "cancelled"},
    "fulfilled": {"checked-in"},
    "noshow": {"booked"},
    "cancelled": {"booked", "pending"},
    "entered-in-error": set(),
}
UNDO = {("arrived", "booked"), ("noshow", "booked"), ("cancelled", "booked"), ("cancelled", "pending")}
UNDO |= {("fulfilled", "checked-in")}
EXTRA = {
    "cancelled": {"cancelled_at": NOW, "cancelled_by": "patient", "cancel_reason": "patient-asked"},
    "entered-in-error": {"entered_in_error_at": NOW, "entered_in_error_reason": "twice"},
}
NONE = {
    "cancelled_at": None,
    "cancelled_by": "",
    "cancel_reason": "",
    "entered_in_error_at": None,
    "entered_in_error_by": None,
    "entered_in_error_reason": "",
}


@both_changes
def test_every_step_that_is_not_drawn_is_refused(change, talk):
    manager = make.make_user(role="Manager")
    for before, after in itertools.permutations(Appointment.Status.values, 2):
        row = make.make_appointment(treatment=talk, status=before, patient=make.make_patient())
        values = {**NONE, **EXTRA.get(after, {}), "status": after, "status_changed_at": NOW}
        if after == "entered-in-error":
            values["entered_in_error_by"] = manager
        if after == "proposed":
            values["hold_expires_at"] = NOW
        if after in STEPS[before] or after == "entered-in-error":
            change(row, **values)
            row.refresh_from_db()
            assert row.status == after
        else:
            refused(change, row, **values, by="booking_appointment_transition")


@both_changes
def test_back_only_within_fifteen_minutes(change, talk):
    for before, after in sorted(UNDO):
        row = make.make_appointment(treatment=talk, status=before)
        values = {**NONE, "status": after}
        late = NOW + timedelta(minutes=15, seconds=1)
        refused(change, row, **values, status_changed_at=late, by="booking_appointment_transition")
        change(row, **values, status_changed_at=NOW + timedelta(minutes=15))


@both_ways
def test_a_visit_does_not_begin_in_the_middle(add, talk):
    for status in ("arrived", "checked-in", "fulfilled", "noshow"):
        refused(add, treatment=talk, status=status, by="booking_appointment_transition")
    refused(add, treatment=talk, status="waiting", by="booking_appointment_transition")


# --- past the walls: other tables under the same name, days counted anew, roles that grow


def in_sql(statement: str, *values) -> None:
    """As the web role."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def test_a_temporary_table_of_the_same_name_is_not_read_by_the_walls():
    row = insert(starts_at=TEN)
    in_sql("CREATE TEMP TABLE clinic_treatment AS SELECT * FROM public.clinic_treatment")
    in_sql("UPDATE pg_temp.clinic_treatment SET kind = 'consultation'")
    refused(update_in_sql, row, status="booked", by="booking_appointment_cleared_by_a_clinician")


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_place_with_appointments_keeps_its_time_zone(zone):
    row = insert(starts_at=TEN)
    place = row.room.location
    refused(
        in_sql,
        "UPDATE clinic_location SET time_zone = %s WHERE id = %s",
        zone,
        place.pk,
        by="clinic_location_keeps_its_zone",
    )
    place.time_zone = zone
    refused(place.save, by="clinic_location_keeps_its_zone")


def test_a_room_with_appointments_stays_where_it_is():
    row = insert(starts_at=TEN)
    row.room.location = make.make_location(time_zone="Pacific/Auckland")
    refused(row.room.save, by="clinic_room_keeps_its_place")


def test_what_nobody_has_booked_yet_can_still_be_put_right():
    insert(starts_at=TEN)
    room = make.make_room()
    room.location.time_zone = "Pacific/Auckland"
    room.location.save()
    room.location = make.make_location()
    room.save()
    appointment = insert(starts_at=TEN)
    appointment.room.location.phone = "+442079460001"
    appointment.room.location.save()
    appointment.room.name = "Room with a view"
    appointment.room.save()


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO auth_group_permissions (group_id, permission_id) SELECT g.id, p.id FROM auth_group g,"
        " auth_permission p WHERE g.name = 'Front desk' AND p.codename = 'decide'",
        "UPDATE auth_permission SET codename = 'decide' WHERE codename = 'run_desk'",
        "UPDATE django_content_type SET app_label = 'screening'",
        "UPDATE auth_group SET name = 'Clinician '",
        "DELETE FROM auth_group_permissions",
        "UPDATE clinic_area SET code = 'face-2' WHERE code = 'face'",
        "INSERT INTO clinic_area (code) VALUES ('elbow')",
        "DELETE FROM clinic_area WHERE code = 'genitals'",
    ],
)
def test_the_web_role_changes_neither_what_a_role_may_do_nor_the_parts_of_the_body(statement):
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        in_sql(statement)


def test_the_web_role_still_gives_roles_to_people():
    nurse = make.make_user(role="Practitioner")
    assert nurse.has_perm("booking.check_in") and not nurse.has_perm("screening.decide")
