"""Appointments in lists and one by one, and hours, time off and closed days."""

import re
from datetime import UTC, date, time, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from booking import appointments, holding, past, standing, todo
from booking.changing import constraint_of
from booking.models import Appointment, Closure, TimeOff, WorkingHours
from clinic.models import Location, Patient
from outbox.messages import KINDS
from outbox.models import Message
from tests import make
from tests.booking import steps
from tests.booking.staff import Staff, words_of
from tests.booking.steps import VISIT
from tests.make import NOW, TODAY


@pytest.fixture
def front(surgery, clock):
    return Staff(surgery.desk)


@pytest.fixture
def manager(surgery, clock):
    return Staff(surgery.manager)


# --- the list


def test_the_list_begins_with_what_is_open(front, surgery):
    steps.talk(surgery, patient=make.make_patient(name="Still Open"))
    gone = steps.talk(surgery, clock="12:00", patient=make.make_patient(name="Cancelled One"))
    appointments.cancel(gone, by="patient", now=NOW)
    page = front.read("changelist")
    assert "Still Open" in page
    assert "Cancelled One" not in page
    assert "Cancelled One" in front.read("changelist", query="?show=all")


@pytest.mark.parametrize(
    "text", ["vella maria", "0117 496 0152", "12/3/1988", "12 March 1988", "1988-03-12", "VISIT", "IN GROUPS"]
)
def test_the_list_is_searched_by_what_people_say(front, surgery, text):
    patient = make.make_patient(name="Maria Vella", phone="+441174960152", birth_date=date(1988, 3, 12))
    visit = steps.talk(surgery, patient=patient)
    steps.talk(surgery, clock="12:00", patient=make.make_patient(name="Somebody Else"))
    one = visit.reference
    page = words_of(
        front.post("changelist", q={"VISIT": one, "IN GROUPS": f"{one[:4]} {one[4:]}".lower()}.get(text, text))
    )
    assert "Maria Vella" in page
    assert "Somebody Else" not in page
    steps.talk(surgery, VISIT + timedelta(days=1), patient=patient)
    nobody = words_of(front.post("changelist", q="\0"))
    assert "Maria Vella" not in nobody and "it holds a sign that we cannot keep" in nobody
    found = words_of(front.post("changelist", q=one))
    assert (found.count("Maria Vella"), VISIT.strftime("%-d %b %Y, 10:00") in found) == (1, True)


def test_a_search_finds_what_is_over_as_well(front, surgery):
    gone = steps.talk(surgery, patient=make.make_patient(name="Cancelled One"))
    appointments.cancel(gone, by="patient", now=NOW)
    assert "Cancelled One" in words_of(front.post("changelist", q="Cancelled"))


def test_the_list_is_filtered(front, surgery):
    steps.talk(surgery, patient=make.make_patient(name="With First"))
    steps.talk(
        surgery,
        TODAY + timedelta(days=1),
        patient=make.make_patient(name="With Second"),
        practitioner=surgery.practitioners[1],
    )
    for query, sees, not_sees in [
        (f"?with={surgery.practitioner.slug}", "With First", "With Second"),
        ("?when=tomorrow", "With Second", "With First"),
        ("?when=week", "With Second", "With First"),
        (f"?at={surgery.location.slug}", "With First", None),
        ("?status__exact=pending", None, "With First"),
        ("?at=nowhere", None, "With First"),
        ("?when=bogus", "We did not understand that day, so these are all days.", None),
    ]:
        page = front.read("changelist", query=query)
        assert sees is None or sees in page, query
        assert not_sees is None or not_sees not in page, query


def test_a_clinic_in_several_time_zones_reads_which_clock_is_meant(front, surgery):
    steps.talk(surgery)
    assert "11 Mar 2027, 10:00</a>" in front.read("changelist")
    other = make.make_location(time_zone="Asia/Tokyo")
    assert "11 Mar 2027, 10:00 (London time)</a>" in front.read("changelist")
    Location.objects.filter(pk=other.pk).update(is_active=False)
    assert "(London time)" not in front.read("changelist")


def test_rows_lead_to_the_visit_by_its_uuid(front, surgery):
    visit = steps.talk(surgery)
    page = front.read("changelist")
    assert Staff.address("change", visit.uuid) in page
    assert f"/{visit.pk}/change/" not in page


def test_three_rows_cost_what_one_costs(front, surgery):
    def cost():
        with CaptureQueriesContext(connection) as queries:
            front.read("changelist")
        return len(queries)

    steps.talk(surgery, clock="09:00")
    cost()
    one = cost()
    steps.booked(surgery, clock="11:00")
    steps.asked(surgery, clock="13:00")
    assert cost() == one
    assert one <= 12


def test_no_form_of_django_reaches_an_appointment(front, manager, surgery):
    visit = steps.talk(surgery)
    base = "/admin/booking/appointment/"
    for staff in (front, manager, Staff(make.make_user(is_staff=True, is_superuser=True))):
        for address in (
            f"{base}add/",
            f"{base}{visit.pk}/change/",
            f"{base}{visit.pk}/delete/",
            f"{base}{visit.pk}/history/",
        ):
            assert staff.client.get(address).status_code == 404, address
            assert staff.client.post(address, {"status": "fulfilled", "post": "yes"}).status_code == 404, address
        data = {"action": "delete_selected", "_selected_action": visit.pk, "post": "yes"}
        assert staff.client.post(base, data).status_code in (200, 403)  # the list, or nothing: there are no actions
    visit.refresh_from_db()
    assert visit.status == "booked"


# --- one appointment


def test_an_appointment_tells_what_happened_and_what_was_sent(front, surgery):
    visit = steps.booked(surgery)
    appointments.move(
        visit, slot=steps.slot(surgery, TODAY + timedelta(days=14)), by="staff", user=surgery.desk, now=NOW
    )
    page = front.read("change", visit.uuid)
    for words in ("Time kept", "Asked for", "Booked", "Now Monday 15 March 2027, 10:00", "Messages about it"):
        assert words in page, words
    assert Message.objects.filter(subject_uuid=visit.uuid).last().subject in page
    visit.refresh_from_db()
    assert len(past.history(visit)) == 4


def test_who_did_it_is_named(front, surgery, clock):
    visit = steps.booked(surgery)
    clock.now = visit.starts_at
    front.post("arrive", visit.uuid)
    newest = past.history(Appointment.objects.with_names().get(pk=visit.pk))[0]
    assert (newest.what, newest.who) == (["arrived"], str(surgery.desk))


def test_a_message_is_sent_again_by_name(front, surgery):
    visit = steps.talk(surgery)
    message = Message.objects.get(subject_uuid=visit.uuid)
    assert "still waiting to be sent" in words_of(front.post("resend", visit.uuid, message.uuid, follow=True))
    Message.objects.update(state="sent", sent_at=NOW)
    front.post("resend", visit.uuid, message.uuid)
    assert Message.objects.get(resend_of=message).resent_by == surgery.desk
    other = steps.talk(surgery, clock="13:00")
    assert front.post("resend", other.uuid, message.uuid).status_code == 404


def test_a_message_that_is_no_longer_true_is_not_sent_again(front, surgery, clock):
    visit = steps.talk(surgery)
    told = Message.objects.get(subject_uuid=visit.uuid)
    Message.objects.update(state="sent", sent_at=NOW)
    button = front.address("resend", visit.uuid, told.uuid)
    assert button in front.read("change", visit.uuid)
    front.post("cancel", visit.uuid, reason="patient-asked")
    Message.objects.filter(state="queued").update(state="sent", sent_at=NOW)
    newest = Message.objects.get(kind="cancelled")
    page = front.read("change", visit.uuid)
    assert button not in page and front.address("resend", visit.uuid, newest.uuid) in page
    assert "written to about this again since" in words_of(front.post("resend", visit.uuid, told.uuid, follow=True))
    assert not Message.objects.filter(resend_of=told).exists()


@pytest.mark.parametrize(
    "step", ["new answers at the check-in", "not today", "did not come", "entered in error", "past"]
)
def test_a_confirmation_is_not_sent_again_for_a_visit_that_is_not_confirmed(front, surgery, clock, step):
    visit = steps.arrived(surgery) if step == "new answers at the check-in" else steps.booked(surgery)
    Message.objects.filter(state="queued").update(state="sent", sent_at=NOW, claimed_at=NOW)
    told = Message.objects.get(subject_uuid=visit.uuid, kind="booked")
    button = front.address("resend", visit.uuid, told.uuid)
    assert step == "new answers at the check-in" or button in front.read("change", visit.uuid)
    clock.now = visit.starts_at - timedelta(minutes=2)
    match step:
        case "new answers at the check-in":
            steps.rechecked(visit, pregnancy="yes", now=clock.now)
        case "not today":
            clock.now = visit.starts_at
            by = surgery.practitioner.user
            appointments.cancel(visit, by="clinician", user=by, reason="clinical", now=clock.now)
        case "did not come":
            clock.now = visit.starts_at + appointments.NO_SHOW_AFTER
            appointments.no_show(visit, by=surgery.desk, now=clock.now)
        case "entered in error":
            clock.now = visit.starts_at
            appointments.mark_in_error(visit, by=surgery.manager, reason="twice", now=clock.now)
        case "past":
            clock.now = visit.ends_at
    assert list(Message.objects.told().filter(subject_uuid=visit.uuid)) != []
    assert not Message.objects.filter(subject_uuid=visit.uuid, pk__gt=told.pk).exists(), "nobody was told otherwise"
    assert button not in front.read("change", visit.uuid)
    page = words_of(front.post("resend", visit.uuid, told.uuid, follow=True))
    if step == "new answers at the check-in":
        assert "no longer true, so it is not sent again: the visit is “asked for” now" in page
    else:
        assert "The time of the visit has come" in page
    assert not Message.objects.filter(resend_of=told).exists()
    way = reverse("admin:outbox_message_send_again", args=[told.pk])
    assert "not sent again" in words_of(front.client.post(way, follow=True))
    assert not Message.objects.filter(resend_of=told).exists()


def test_each_message_is_sent_again_only_while_it_tells_how_the_visit_stands(surgery):
    pending, booked = steps.asked(surgery, clock="09:00"), steps.talk(surgery, clock="13:00")
    gone = steps.talk(surgery, clock="15:00")
    appointments.cancel(gone, by="patient", now=NOW)
    gone.refresh_from_db()

    def true_of(visit, **changes):
        for name, value in changes.items():
            setattr(visit, name, value)
        return {
            kind + "+" * bool(calendar)
            for kind in KINDS
            for calendar in ("", "STATUS")
            if not past.why_untrue(Message(kind=kind, calendar=calendar), about=visit, now=NOW)
        } - {"code", "code+", "password_link", "password_link+"}

    waiting = {"moved", "back_to_pending", "back_to_pending+", "promise_missed", "review_due", "review_due+"}
    other = {"other_time", "other_time+"}
    over = {"cancelled", "cancelled+", "not_possible", "not_possible+", "promise_missed+"}
    assert true_of(pending) == waiting | {"asked_for", "asked_for+"}
    assert true_of(pending, answer_by=NOW) == waiting
    assert true_of(pending, form_due_by=NOW) == waiting | {"form_due", "form_due+"}
    asked = {"information_needed", "information_needed+"}
    assert true_of(pending, form_due_by=None, information_asked_at=NOW) == waiting | asked
    assert true_of(booked) == {"booked", "booked+", "moved+"}
    assert true_of(gone) == over
    make.make_closure(surgery.location, booked.local_date)  # nobody is there then any more
    assert true_of(booked) == other
    assert true_of(pending) == other | asked | {"review_due", "review_due+"}
    assert true_of(gone) == over
    assert true_of(booked, starts_at=NOW) == set()


def test_a_message_is_sent_again_to_the_corrected_address(front, surgery):
    visit = steps.talk(surgery)
    Message.objects.update(state="sent", sent_at=NOW)
    told = Message.objects.get(subject_uuid=visit.uuid)
    Patient.objects.filter(pk=visit.patient_id).update(email="right@example.org")
    assert front.address("resend", visit.uuid, told.uuid) in front.read("change", visit.uuid)
    front.post("resend", visit.uuid, told.uuid)
    assert Message.objects.get(resend_of=told).to == "right@example.org"


def test_what_goes_to_staff_is_not_the_desks_to_send_again(front, surgery):
    visit = steps.talk(surgery)
    Message.objects.update(state="sent", sent_at=NOW, patient=None, kind="review_due")
    message = Message.objects.get()
    assert front.address("resend", visit.uuid, message.uuid) not in front.read("change", visit.uuid)
    assert front.post("resend", visit.uuid, message.uuid).status_code == 404


def test_a_treatment_becomes_a_consultation_in_one_step(front, surgery):
    visit = steps.asked(surgery)
    assert "Make it a consultation" in front.read("change", visit.uuid)
    assert "price of a consultation" in front.read("consultation", visit.uuid)
    front.post("consultation", visit.uuid)
    visit.refresh_from_db()
    assert (visit.status, visit.treatment) == ("booked", surgery.consultation)
    again = front.post("consultation", visit.uuid)
    assert again.status_code == 422
    assert "This is not a treatment." in words_of(again)


def test_entered_in_error_is_the_managers_with_a_reason(front, manager, surgery):
    visit = steps.talk(surgery)
    assert front.post("error", visit.uuid, reason="twice").status_code == 403
    assert "Entered in error" not in front.read("change", visit.uuid)
    assert "Entered in error" in manager.read("change", visit.uuid)
    empty = manager.post("error", visit.uuid, reason=" ")
    assert empty.status_code == 422
    assert "Please say why." in words_of(empty)
    long = manager.post("error", visit.uuid, reason="x" * 300)
    assert long.status_code == 422
    assert "x" * 300 in words_of(long)
    manager.post("error", visit.uuid, reason="entered twice")
    visit.refresh_from_db()
    assert (visit.status, visit.entered_in_error_by, visit.entered_in_error_reason) == (
        "entered-in-error",
        surgery.manager,
        "entered twice",
    )


def test_a_manager_reads_figures_of_two_months_and_no_name(front, manager, surgery):
    done = steps.booked(surgery, patient=make.make_patient(name="Quentin Unmistakable"))
    appointments.cancel(done, by="patient", reason="patient-asked", now=NOW)
    steps.talk(surgery)
    patient = make.make_patient()
    steps.held(surgery, treatment=surgery.consultation, clock="15:00")
    given_back = steps.held(surgery, treatment=surgery.consultation, clock="16:00", patient=patient)
    holding.release(given_back, now=NOW)
    steps.held(surgery, treatment=surgery.consultation, clock="16:00", patient=patient)
    appointments.mark_in_error(steps.talk(surgery, clock="12:00"), by=surgery.manager, reason="twice", now=NOW)
    steps.talk(surgery, NOW.date().replace(month=4, day=1))
    page = manager.client.get(reverse("admin:index")).content.decode()
    cells = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split('id="figures"')[1].split("</section>")[0]))
    this = "Visits in March 2027 In all 2 Done 0 Cancelled 1 Of these late 0 Did not come 0"
    assert this in cells and "Visits in February 2027 In all 0" in cells and "Unmistakable" not in cells
    assert 'id="figures"' not in front.client.get(reverse("admin:index")).content.decode()


def test_a_manager_sees_and_does_not_run_the_day(manager, surgery, clock):
    visit = steps.booked(surgery)
    clock.now = visit.starts_at
    content = manager.read("change", visit.uuid).split('id="content"')[1]
    assert "Arrived" not in content
    assert "Cancel" not in content
    assert manager.post("arrive", visit.uuid).status_code == 403


# --- hours


def hours(surgery, **changes):
    return {
        "practitioner": surgery.practitioner.pk,
        "location": surgery.location.pk,
        "weekday": 5,
        "starts": "09:00",
        "ends": "17:00",
        "break_starts": "",
        "break_ends": "",
        "valid_from": "2027-03-01",
        "valid_until": "",
    } | changes


def add(staff, noun, data):
    return staff.client.post(reverse(f"admin:booking_{noun}_add"), data, follow=True)


@pytest.mark.parametrize("noun", ["workinghours", "timeoff", "closure"])
@pytest.mark.parametrize("role", make.ROLES)
def test_only_managers_change_hours(surgery, clock, role, noun):
    staff = Staff(make.make_user(role))
    may_add = staff.client.get(reverse(f"admin:booking_{noun}_add")).status_code
    may_see = staff.client.get(reverse(f"admin:booking_{noun}_changelist")).status_code
    assert may_add == (200 if role == "Manager" else 403)
    assert may_see == (200 if role in ("Manager", "Front desk") else 403)


def test_hours_that_overlap_are_refused_with_a_sentence(manager, surgery):
    answer = add(manager, "workinghours", hours(surgery, weekday=0, starts="16:00", ends="19:00"))
    assert "already works then: Monday 09:00 to 17:00" in words_of(answer)
    assert 'value="16:00' in words_of(answer)
    assert not WorkingHours.objects.filter(starts=time(16)).exists()
    assert "Hours may not overlap" not in words_of(add(manager, "workinghours", hours(surgery)))
    assert WorkingHours.objects.filter(weekday=5).count() == 1


@pytest.mark.parametrize(
    "legal",
    [
        {"weekday": 0, "starts": "17:00", "ends": "19:00"},
        {"weekday": 0, "valid_from": "2019-01-01", "valid_until": "2019-12-31"},
    ],
)
def test_hours_beside_others_are_taken(manager, surgery, legal):
    before = WorkingHours.objects.count()
    add(manager, "workinghours", hours(surgery, **legal))
    assert WorkingHours.objects.count() == before + 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"ends": "08:00"}, "The day must end after it begins."),
        ({"break_starts": "12:00"}, "Give the break a beginning and an end"),
        ({"break_starts": "08:00", "break_ends": "08:30"}, "Give the break a beginning and an end"),
        ({"valid_until": "2027-02-01"}, "The last day must not be before the first."),
        ({"starts": "25:00"}, "Enter a valid time."),
        ({"weekday": "9"}, "Select a valid choice"),
    ],
)
def test_hours_that_make_no_sense_are_refused(manager, surgery, wrong, sentence):
    before = WorkingHours.objects.count()
    assert sentence in words_of(add(manager, "workinghours", hours(surgery, **wrong)))
    assert WorkingHours.objects.count() == before


@pytest.mark.parametrize("in_sql", [False, True])
def test_the_database_lets_nobody_work_in_two_places(surgery, in_sql):
    row = WorkingHours.objects.get(practitioner=surgery.practitioner, weekday=0)
    elsewhere = make.make_location()

    def add_hours(starts, ends, valid_from=row.valid_from, valid_until=None, weekday=0, who=surgery.practitioner):
        values = (who.pk, elsewhere.pk, weekday, starts, ends, valid_from, valid_until)
        names = ("practitioner_id", "location_id", "weekday", "starts", "ends", "valid_from", "valid_until")
        with transaction.atomic():
            if not in_sql:
                WorkingHours.objects.create(**dict(zip(names, values, strict=True)))
                return
            with connection.cursor() as cursor:
                marks = ", ".join(["%s"] * len(names))
                cursor.execute(f"INSERT INTO booking_workinghours ({', '.join(names)}) VALUES ({marks})", values)

    for starts, ends in ((time(16, 59), time(18)), (time(8), time(9, 1)), (time(12), time(13)), (time(8), time(18))):
        with pytest.raises(IntegrityError) as error:
            add_hours(starts, ends)
        assert constraint_of(error.value) == "booking_workinghours_in_one_place"
    with pytest.raises(IntegrityError):
        add_hours(time(9), time(12), valid_from=date(2015, 1, 1), valid_until=row.valid_from)
    add_hours(time(17), time(18))
    add_hours(time(9), time(12), weekday=6)
    add_hours(time(9), time(12), valid_from=date(2015, 1, 1), valid_until=row.valid_from - timedelta(days=1))
    add_hours(time(9), time(12), who=make.make_practitioner())


def test_the_second_of_two_who_save_at_once_is_told(manager, surgery, monkeypatch):
    monkeypatch.setattr(WorkingHours.objects, "counting", lambda *_a, **_k: WorkingHours.objects.none())
    answer = add(manager, "workinghours", hours(surgery, weekday=0, starts="16:00", ends="19:00"))
    monkeypatch.undo()
    assert "somebody has just added hours that overlap" in words_of(answer)
    assert not WorkingHours.objects.filter(starts=time(16)).exists()


def change_hours(staff, surgery, **changes):
    """Saves the hours of the day of the visit with changes, by the form."""
    row = WorkingHours.objects.get(practitioner=surgery.practitioner, weekday=VISIT.weekday())
    url = reverse("admin:booking_workinghours_change", args=[row.pk])
    changes = {"weekday": VISIT.weekday(), "valid_from": "2020-01-01"} | changes
    return staff.client.post(url, hours(surgery, **changes), follow=True)


@pytest.mark.parametrize(
    "change",
    [
        {"ends": "14:45"},  # the visit ends then, the cleaning does not
        {"starts": "14:15"},
        {"break_starts": "14:30", "break_ends": "14:40"},
        {"break_starts": "14:50", "break_ends": "15:30"},
        {"weekday": "6"},
        {"valid_until": "2027-03-10"},
        {"valid_from": "2027-03-12"},
        {"practitioner": "another"},
        {"location": "another"},
    ],
)
def test_hours_that_change_list_the_visits_outside(manager, surgery, change):
    hit = steps.booked(surgery, clock="14:00")
    beside = steps.booked(
        surgery,
        clock="14:00",
        slot=steps.slot(surgery, VISIT, "14:00", practitioner=surgery.practitioners[1], room=surgery.rooms[1]),
    )
    another = {"practitioner": make.make_practitioner, "location": make.make_location}
    change = {name: another[name]().pk if value == "another" else value for name, value in change.items()}
    answer = change_hours(manager, surgery, **change)
    assert answer.redirect_chain[-1][0] == Staff.address("to_move")
    words = words_of(answer)
    assert "One upcoming appointment cannot stand any more." in words
    assert "listed below" in words
    assert hit.patient.name in words
    assert beside.patient.name not in words
    assert list(todo.attention(NOW)["to_move"]) == [hit]
    assert "Time to be moved" in Staff(surgery.desk).read("desk")
    hit.refresh_from_db()
    assert hit.status == "booked"


@pytest.mark.parametrize(
    "change",
    [
        {"starts": "14:00", "ends": "15:00"},
        {"break_starts": "13:00", "break_ends": "14:00"},
        {"break_starts": "15:00", "break_ends": "15:30"},
        {"valid_from": "2027-03-11", "valid_until": "2027-03-11"},
    ],
)
def test_hours_that_just_hold_a_visit_with_its_cleaning_list_nothing(manager, surgery, change):
    steps.booked(surgery, clock="14:00")
    answer = change_hours(manager, surgery, **change)
    assert answer.redirect_chain[-1][0] == reverse("admin:booking_workinghours_changelist")
    assert "cannot stand" not in words_of(answer)
    assert not standing.cannot_stand(now=NOW).exists()


def test_a_visit_past_midnight_is_outside_all_hours(surgery):
    visit = steps.booked(surgery, clock="14:00")
    WorkingHours.objects.filter(practitioner=surgery.practitioner).update(starts=time(0), ends=time(23, 59))
    assert not standing.cannot_stand(now=NOW).exists()
    Appointment.objects.filter(pk=visit.pk).update(busy_until=make.at(VISIT + timedelta(days=1), "00:15"))
    assert list(standing.cannot_stand(now=NOW)) == [visit]


def test_hours_that_are_deleted_list_the_visits_they_held(manager, surgery):
    hit = steps.booked(surgery, clock="14:00")
    steps.talk(surgery, VISIT - timedelta(days=1))
    row = WorkingHours.objects.get(practitioner=surgery.practitioner, weekday=VISIT.weekday())
    url = reverse("admin:booking_workinghours_delete", args=[row.pk])
    assert "cannot stand" not in words_of(manager.client.get(url))
    answer = manager.client.post(url, {"post": "yes"}, follow=True)
    assert not WorkingHours.objects.filter(pk=row.pk).exists()
    assert answer.redirect_chain[-1][0] == Staff.address("to_move")
    assert "One upcoming appointment cannot stand any more." in words_of(answer)
    assert list(standing.cannot_stand(now=NOW)) == [hit]


@pytest.mark.parametrize("button", ["_addanother", "_continue"])
def test_who_goes_on_with_the_form_gets_the_way_to_the_list(manager, surgery, button):
    steps.talk(surgery)
    answer = add(manager, "timeoff", off(surgery) | {button: "1"})
    assert "/timeoff/" in answer.redirect_chain[-1][0]
    words = words_of(answer)
    assert "One upcoming appointment cannot stand any more." in words
    assert f'<a href="{Staff.address("to_move")}">See which have to be moved</a>' in words
    assert "below" not in words.split("cannot stand any more.")[1].split("</li>")[0]


def test_only_what_this_change_hits_is_counted(manager, surgery):
    steps.talk(surgery)
    add(manager, "timeoff", off(surgery))
    answer = add(manager, "timeoff", off(surgery, starts_at="2027-12-01T09:00", ends_at="2027-12-01T12:00"))
    assert answer.redirect_chain[-1][0] == reverse("admin:booking_timeoff_changelist")
    assert "cannot stand" not in words_of(answer)
    url = reverse("admin:booking_timeoff_delete", args=[TimeOff.objects.earliest("starts_at").pk])
    assert "cannot stand" not in words_of(manager.client.post(url, {"post": "yes"}, follow=True))
    assert not standing.cannot_stand(now=NOW).exists()


def test_time_off_lists_the_visits_it_hits(manager, front, surgery):
    hit = steps.talk(surgery)
    elsewhere = steps.talk(surgery, practitioner=surgery.practitioners[1], clock="11:00")
    data = {
        "practitioner": surgery.practitioner.pk,
        "starts_at": f"{VISIT}T09:00",
        "ends_at": f"{VISIT}T12:00",
        "reason": "",
    }
    answer = add(manager, "timeoff", data)
    assert TimeOff.objects.count() == 1
    assert answer.redirect_chain[-1][0] == Staff.address("to_move")
    assert hit.patient.name in words_of(answer)
    assert elsewhere.patient.name not in words_of(answer)
    assert "The front desk finds them under" in words_of(answer)
    assert f"{Staff.address('move', hit.uuid)}?next=" in front.read("to_move")


def off(surgery, **changes) -> dict:
    """The form of time off."""
    return {
        "practitioner": surgery.practitioner.pk,
        "starts_at": f"{VISIT}T09:00",
        "ends_at": f"{VISIT}T12:00",
        "reason": "",
    } | changes


@pytest.mark.parametrize("zone", ["Europe/London", "Europe/Malta", "Pacific/Auckland"])
def test_time_off_is_by_the_clock_where_they_work(db, clock, zone):
    from tests.booking.conftest import ScreeningSurgery

    surgery = ScreeningSurgery(time_zone=zone)
    manager = Staff(make.make_user("Manager"))
    add(manager, "timeoff", off(surgery))
    row = TimeOff.objects.get()
    place = surgery.location.zone
    assert row.starts_at == make.at(VISIT, "09:00", place)
    assert row.ends_at == make.at(VISIT, "12:00", place)
    url = reverse("admin:booking_timeoff_change", args=[row.pk])
    page = words_of(manager.client.get(url))
    assert f'value="{VISIT}T09:00"' in page
    listed = words_of(manager.client.get(reverse("admin:booking_timeoff_changelist")))
    assert f"11 Mar 2027, 09:00 ({surgery.location.name})" in listed
    looked = words_of(Staff(surgery.desk).client.get(url))
    assert f"11 Mar 2027, 12:00 ({surgery.location.name})" in looked
    manager.client.post(url, off(surgery, ends_at=f"{VISIT}T13:00"))
    row.refresh_from_db()
    assert (row.starts_at, row.ends_at) == (make.at(VISIT, "09:00", place), make.at(VISIT, "13:00", place))


def test_who_works_by_two_clocks_is_asked_by_which(manager, surgery):
    malta = make.make_location(time_zone="Europe/Malta")
    make.make_hours(surgery.practitioner, malta, weekdays=[6])
    assert "They work by several clocks" in words_of(add(manager, "timeoff", off(surgery)))
    assert not TimeOff.objects.exists()
    add(manager, "timeoff", off(surgery, by_clock_of=malta.pk))
    row = TimeOff.objects.get()
    assert row.starts_at == make.at(VISIT, "09:00", malta.zone)
    url = reverse("admin:booking_timeoff_change", args=[row.pk])
    page = words_of(manager.client.get(url))
    shown = malta if f'<option value="{malta.pk}" selected' in page else surgery.location
    assert make.at(VISIT, "09:00", malta.zone).astimezone(shown.zone).strftime('value="%Y-%m-%dT%H:%M"') in page


def test_time_off_over_a_change_of_clocks_takes_the_longer(manager, surgery):
    """On 28 March 2027 London skips 01:00 to 02:00, on 31 October it has that hour twice."""
    add(manager, "timeoff", off(surgery, starts_at="2027-03-28T01:30", ends_at="2027-03-28T12:00"))
    add(manager, "timeoff", off(surgery, starts_at="2027-10-31T00:30", ends_at="2027-10-31T01:30"))
    spring, autumn = TimeOff.objects.order_by("starts_at")
    assert spring.starts_at == make.at("2027-03-28", "00:30", UTC)
    assert autumn.ends_at == make.at("2027-10-31", "01:30", UTC)


@pytest.mark.parametrize(
    "when", ["", "yesterday", "2027-02-30T09:00", "99999-01-01T09:00", "0001-01-01T00:00", "9999-12-31T23:59"]
)
def test_time_off_that_is_no_time_is_refused(manager, surgery, when):
    answer = add(manager, "timeoff", off(surgery, starts_at=when))
    assert answer.status_code == 200
    assert not TimeOff.objects.exists()


def test_time_off_that_ends_before_it_begins_is_refused(manager, surgery):
    data = {
        "practitioner": surgery.practitioner.pk,
        "starts_at": "2027-03-11T12:00",
        "ends_at": "2027-03-11T09:00",
        "reason": "",
    }
    assert "The end must be after the beginning." in words_of(add(manager, "timeoff", data))


def test_a_closed_day_lists_the_visits_it_hits(manager, surgery):
    one, two = steps.talk(surgery), steps.booked(surgery, clock="12:00")
    before = steps.talk(surgery, VISIT - timedelta(days=1))
    day = VISIT.isoformat()
    answer = add(
        manager, "closure", {"location": surgery.location.pk, "first_day": day, "last_day": day, "reason": "Holiday"}
    )
    assert Closure.objects.count() == 1
    words = words_of(answer)
    assert "2 upcoming appointments cannot stand any more." in words
    assert one.patient.name in words
    assert two.patient.name in words
    assert before.patient.name not in words


def test_times_to_be_moved_say_why_and_what_was_hit_last_comes_first(manager, front, surgery):
    away = steps.talk(surgery, VISIT - timedelta(days=1), patient=make.make_patient(name="Hit Before"))
    steps.talk(surgery, patient=make.make_patient(name="Hit Now"))
    gone = steps.talk(surgery, VISIT + timedelta(days=1), patient=make.make_patient(name="Room Gone"))
    Appointment.objects.filter(pk=gone.pk).update(room=make.make_room(surgery.location, is_active=False))
    late = steps.talk(surgery, VISIT + timedelta(days=4), patient=make.make_patient(name="No Hours"))
    WorkingHours.objects.filter(weekday=late.local_date.weekday()).delete()
    make.make_time_off(surgery.practitioner, away.starts_at, away.ends_at)
    day = VISIT.isoformat()
    data = {"location": surgery.location.pk, "first_day": day, "last_day": day, "reason": ""}
    page = words_of(add(manager, "closure", data))
    assert "Saved: " in page and "11 March 2027" in page.split("Saved: ")[1][:60]
    found = page.split("One upcoming appointment cannot stand any more.")[1]
    rows = re.findall(r"<a[^>]*>(Hit \w+|Room Gone|No Hours)</a>.*?=\"Why\">(Closed|The \w+|Outside)", found, re.S)
    assert rows[:2] == [("Hit Now", "Closed"), ("Hit Before", "The practitioner")]
    assert rows[2:] == [("Room Gone", "The room"), ("No Hours", "Outside")]
    assert "Hit by your last change" in found and "Hit before" in found
    page = front.read("to_move")
    assert "your last change" not in page and page.index("Hit Before") < page.index("Hit Now"), "by time for others"


def test_a_closed_day_that_hits_nobody_goes_back_to_the_list(manager, surgery):
    data = {"location": surgery.location.pk, "first_day": "2027-12-25", "last_day": "2027-12-25", "reason": ""}
    answer = add(manager, "closure", data)
    assert answer.redirect_chain[-1][0] == reverse("admin:booking_closure_changelist")
    said = words_of(answer)
    assert f"Saved: {surgery.location.name}" in said
    assert "was added" not in said
    again = words_of(add(manager, "closure", data | {"reason": "Once more"}))
    assert f"{surgery.location.name} is closed then already" in again
    backwards = words_of(add(manager, "closure", data | {"first_day": "2027-12-26"}))
    assert "closed then already" not in backwards and "errorlist" in backwards
    other = make.make_location()
    add(manager, "closure", data | {"location": other.pk})
    assert Closure.objects.count() == 2
    mine = Closure.objects.get(location=other)
    manager.client.post(reverse("admin:booking_closure_change", args=[mine.pk]), data | {"location": other.pk})
    url = reverse("admin:booking_closure_delete", args=[mine.pk])
    assert "Deleted: " in words_of(manager.client.post(url, {"post": "yes"}, follow=True))


@pytest.mark.parametrize("noun", ["workinghours", "timeoff", "closure"])
def test_what_is_over_is_shown_to_who_asks_for_all(manager, surgery, noun):
    for first, last in ((-9, -2), (-1, 0), (5, 6)):
        begins, ends = TODAY + timedelta(days=first), TODAY + timedelta(days=last)
        if noun == "workinghours":
            hours = {"weekdays": [5], "valid_from": begins, "valid_until": ends}
            make.make_hours(surgery.practitioner, surgery.location, **hours)
        elif noun == "timeoff":
            make.make_time_off(surgery.practitioner, make.at(begins, "08:00"), make.at(ends, "18:00"))
        else:
            make.make_closure(surgery.location, begins, ends)
    there = reverse(f"admin:booking_{noun}_changelist")
    shown = [len(manager.client.get(there + query).context["cl"].result_list) for query in ("", "?show=all")]
    assert shown[1] - shown[0] == 1


def test_hours_are_compared_on_the_wall_of_the_place(db, clock):
    from tests.booking.conftest import ScreeningSurgery

    surgery = ScreeningSurgery(time_zone="Pacific/Auckland")
    steps.talk(surgery, clock="09:00")
    steps.talk(surgery, clock="16:15")
    assert list(standing.cannot_stand(now=NOW)) == []
    WorkingHours.objects.filter(practitioner=surgery.practitioner).update(starts=time(10))
    assert [visit.local_start.hour for visit in standing.cannot_stand(now=NOW)] == [9]


@pytest.mark.parametrize("noun", ["workinghours", "timeoff", "closure"])
def test_lists_of_hours_cost_the_same_at_one_and_at_three(manager, surgery, noun):
    url = reverse(f"admin:booking_{noun}_changelist")

    def more(number):
        if noun == "workinghours":
            person = make.make_practitioner()
            make.make_hours(person, make.make_location(), weekdays=[number])
        elif noun == "timeoff":
            make.make_time_off(make.make_practitioner(), make.at(VISIT), make.at(VISIT, "12:00"))
        else:
            make.make_closure(make.make_location(), VISIT)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            assert manager.client.get(url).status_code == 200
        return len(queries)

    more(0)
    cost()
    one = cost()
    more(1)
    more(2)
    assert cost() == one
    assert one <= 12


# --- the first page, and before opening


def test_the_first_page_leads_each_role_to_its_day(surgery, clock):
    visit = steps.talk(surgery, TODAY, "15:00")
    front, nurse = Staff(surgery.desk), Staff(surgery.practitioner.user)
    page = words_of(front.client.get("/admin/"))
    assert Staff.address("desk") in page
    assert visit.patient.name in page
    page = words_of(nurse.client.get("/admin/"))
    assert Staff.address("my_day") in page
    assert visit.patient.name in page
    assert Staff.address("desk") not in page
    for role in ("Content editor", "Manager", "Clinician"):
        page = words_of(Staff(make.make_user(role)).client.get("/admin/"))
        assert visit.patient.name not in page, role


def test_before_opening_says_which_times_are_missing(manager, surgery):
    page = words_of(manager.client.get("/admin/opening/")).split('id="booking-opening"')[1]
    assert "Nothing is missing here." in page
    newcomer = make.make_practitioner(surgery.consultation)
    empty = make.make_location(name="Empty Place")
    page = words_of(manager.client.get("/admin/opening/"))
    assert f"{newcomer} has no working hours." in page
    assert f"{empty} has no room." in page


def test_before_opening_with_nothing_at_all(db, clock):
    make.make_clinic()
    page = words_of(Staff(make.make_user("Manager")).client.get("/admin/opening/"))
    assert "Add a practitioner who sees patients." in page
    assert "Offer something that has a price" in page


def test_until_the_first_visit_everybody_is_led_to_what_is_missing(surgery):
    browsers = [Staff(make.make_user(role)).client for role in ("Manager", "Front desk", "Clinician", "Content editor")]
    for browser in browsers:
        assert "Before the first patient comes" in words_of(browser.get("/admin/"))
    steps.talk(surgery, TODAY, "15:00")
    for browser in browsers:
        assert "Before the first patient comes" not in words_of(browser.get("/admin/"))


@pytest.mark.parametrize("half", [{"break_starts": time(12)}, {"break_ends": time(13)}])
def test_half_a_break_is_refused_by_the_database_too(surgery, half):
    row = WorkingHours.objects.filter(practitioner=surgery.practitioner)
    assert row.update(break_starts=time(12), break_ends=time(13)) == 5  # the legal neighbour
    with pytest.raises(IntegrityError, match="booking_workinghours_break_inside"), transaction.atomic():
        row.update(**({"break_starts": None, "break_ends": None} | half))


def test_a_reason_that_nobody_knows_any_more_is_shown_as_it_is(surgery):
    visit = steps.talk(surgery)
    appointments.cancel(visit, by="staff", user=surgery.desk, reason="mistake", now=NOW)
    event = visit.events.select_related("room__location").latest("pgh_id")
    event.cancel_reason = "full-moon"
    assert past._what_changed(None, event)[0] == "cancelled: full-moon"
    event.status = "lost"
    assert past._what_changed(None, event)[0] == "lost"
