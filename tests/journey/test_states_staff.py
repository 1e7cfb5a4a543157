"""The front desk and what a manager plans, in every state."""

import re
import uuid

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group

from booking import appointments
from booking.availability import Slot
from booking.models import Appointment, Closure, WorkingHours
from clinic.models import Clinic, Location, Room
from tests import make
from tests.journey.states import enter, patient_who_signs_in, press, staff
from tests.make import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_front_desk_in_every_state(house, someone, look):
    page = someone()
    desk, day = "/admin/booking/appointment/desk/", "2027-03-04"
    at_work = house.desk
    known = patient_who_signs_in("Anna Lowe", phone="+442079460018")
    visits = {
        "pending": house.asked(known, days=3),
        "booked": house.booked(patient_who_signs_in("Berta Hill"), days=3),
        "cancelled": house.talk(patient_who_signs_in("Carla Finch"), days=3),
        "phoned": appointments.book_by_phone(
            patient=make.make_patient(name="Dina Phone", email=""), treatment=house.treatment, area=make.area(),
            slot=house.free(days=3), by=at_work, now=NOW,
        ),
    }  # fmt: skip
    appointments.cancel(visits["cancelled"], by="staff", user=at_work, reason="mistake", now=NOW)
    fulfilled = Appointment.objects.with_names().filter(status="fulfilled").first()

    def there(key, verb=""):
        page.goto(f"/admin/booking/appointment/{visits[key].uuid}/{verb}")

    with look.part("dashboards"):
        for short in ("clinician", "lead", "nurse", "editor", "manager", "desk"):
            enter(page, staff(short))
            page.goto("/admin/")
            look(page, "Everything")
            if short in ("manager", "editor", "lead"):
                page.goto("/admin/opening/")
                look(page, "Nothing is missing. Patients can come.")
    with look.part("a day"):
        for query in ("", "?at=valletta", f"?day={day}", f"?day={day}&by=room", f"?day={day}&print=1"):
            page.goto(desk + query)
            look(page, "Berta Hill" if day in query else "")
        page.goto(f"{desk}?day=2028-01-02")
        look(page, "Nobody works here on this day")
        page.goto(f"{desk}?day=2028-01-02&print=1")
        look(page, "There are no visits.")
        page.goto(f"{desk}?day=2027-04-15")
        look(page, "Closed on this day")
        for words, said in {"zebra": "Nobody found", "Anna": "Anna Lowe"}.items():
            page.goto(desk)
            page.locator("input[name=q]").fill(words)
            press(page, "Find")
            look(page, said)
    with look.part("one appointment"):
        for key in visits:
            there(key)
            look(page, visits[key].reference)
        page.goto(f"/admin/booking/appointment/{fulfilled.uuid}/")
        look(page, "What happened")
        page.goto(f"/admin/booking/appointment/{fulfilled.uuid}/move/")
        look(page)
        there("booked", "cancel/")
        look(page, "Cancel this appointment?")
        press(page, "Cancel the appointment")
        look(page)
        assert page.title().startswith("Error:")
        there("booked", "consultation/")
        look(page, "Make it a consultation?")
        there("booked", "move/")
        look(page, "Move")
        press(page, re.compile("Move"))
        look(page)
        page.locator("input[name=slot]").first.check()
        house.held(slot=Slot.from_key(page.locator("input[name=slot]").first.get_attribute("value")))
        press(page, re.compile("Move"))
        look(page)
        assert page.title().startswith("Error:")
        page.goto("/admin/booking/appointment/")
        look(page)
        page.goto(f"/admin/booking/appointment/{uuid.uuid4()}/")
        look(page, "We cannot find this page")
        page.goto("/admin/screening/reviewrequest/")
        look(page, "This page is not open to you")
    with look.part("by phone"):
        phone = "/admin/booking/appointment/phone/"
        page.goto(phone)
        look(page, "Search first")
        page.locator("input[name=q]").fill("zebra")
        press(page, "Find")
        look(page, "Somebody new")
        press(page, "Make a new patient and go on")
        look(page)
        assert page.title().startswith("Error:")
        for name, value in {"name": "Anna Lowe", "birth_date": "4/5/1990", "phone": "020 7946 0018"}.items():
            page.locator(f"input[name=new-{name}]").fill(value)
        press(page, "Make a new patient and go on")
        look(page, "We may know this person already")
        young = make.make_patient(name="Toby Young", birth_date="2012-05-04")
        page.goto(f"{phone}{young.uuid}/")
        look(page, "Toby Young")
        caller = make.make_patient(name="Rita Ringer", email="")
        page.goto(f"{phone}{caller.uuid}/")
        look(page, "Step 2 of 3")
        press(page, "Show times")
        look(page, "Choose what it is for.")
        page.goto(f"{phone}{caller.uuid}/?treatment=stretch-marks&area=face&first=2027-03-04")
        look(page, "Choose an area that this treatment is for")
        page.goto(f"{phone}{caller.uuid}/?treatment=consultation&first=2029-03-04")
        look(page, "No free times in this week")
        page.goto(f"{phone}{caller.uuid}/?treatment=acne-scars-face&area=face&first={day}&location=bath&overbook=on")
        look(page, "Free times, 4 March")
        page.locator("input[name=slot]").first.check()
        press(page, "Go on with this time")
        look(page, "Step 3 of 3", "There is no e-mail address", "will be asked for")
        page.goto(f"{phone}{caller.uuid}/?treatment=consultation&first={day}&location=bath")
        page.locator("input[name=slot]").first.check()
        house.held(slot=Slot.from_key(page.locator("input[name=slot]").first.get_attribute("value")))
        press(page, "Go on with this time")
        look(page, "will be booked at once")
        press(page, "Book")
        look(page, "Free times near it")
        page.locator("input[name=slot]").first.check()
        press(page, "Book")
        look(page, "Booked: Rita Ringer", "No e-mail address")
    with look.part("a slip of the manager's, and a place that is closed"):
        enter(page, staff("manager"))
        there("cancelled", "error/")
        look(page, "Entered in error?")
        press(page, "Mark as entered in error")
        look(page, "Please say why.")
        page.goto("/admin/booking/appointment/to-move/")
        look(page, "Times to be moved")
        Location.objects.update(is_active=False)
        page.goto(desk)
        look(page)
    look.end()


ADDED = ["workinghours", "timeoff", "closure", "location", "room", "treatment", "practitioner", "patient", "user"]


def test_what_a_manager_plans_in_every_state(house, someone, look):
    page = someone()
    visit = house.talk(patient_who_signs_in("Hanna Hit"), days=3)
    manager = staff("manager")
    manager.groups.set(Group.objects.all())
    enter(page, manager)
    registered = {model._meta.model_name: model for model in admin.site._registry}
    with look.part("lists, new ones with slips, and one that is there"):
        for name, model in registered.items():
            if model._meta.app_label not in ("booking", "clinic", "outbox", "education"):
                continue
            place = f"/admin/{model._meta.app_label}/{name}/"
            page.goto(place)
            look(page)
            if name in ADDED:
                page.goto(f"{place}add/")
                look(page)
                press(page, button="input[name=_save]")
                look(page)
                assert page.title().startswith("Error:"), page.url
            if name not in ("appointment", "article"):
                one = model._default_manager.order_by("pk").last()
                if one is not None:
                    page.goto(f"{place}{one.pk}/change/")
                    look(page)
    with look.part("nothing found, history, taking away"):
        page.goto("/admin/clinic/user/?q=zebra")
        look(page)
        page.goto(f"/admin/clinic/location/{house.location.pk}/history/")
        look(page)
        closure = Closure.objects.first()
        page.goto(f"/admin/booking/closure/{closure.pk}/delete/")
        look(page)
        page.goto("/admin/clinic/location/999999/change/")
        look(page)
    with look.part("a closed day that hits visits"):
        page.goto("/admin/booking/timeoff/add/")
        page.locator("[name=practitioner]").select_option(str(visit.practitioner_id))
        page.locator("[name=starts_at]").fill("2027-03-04T08:00")
        page.locator("[name=ends_at]").fill("2027-03-03T18:00")
        press(page, button="input[name=_save]")
        look(page)
        assert page.title().startswith("Error:")
        page.locator("[name=ends_at]").fill("2027-03-06T18:00")
        press(page, button="input[name=_save]")
        look(page, "cannot stand any more", "Hanna Hit")
        page.goto("/admin/booking/appointment/desk/?day=2027-03-04&at=bath")
        look(page, "Hanna Hit")
    with look.part("hours that overlap"):
        hours = WorkingHours.objects.first()
        page.goto("/admin/booking/workinghours/add/")
        for name in ("practitioner_id", "location_id", "weekday"):
            page.locator(f"[name={name.removesuffix('_id')}]").select_option(str(getattr(hours, name)))
        for name, value in {"starts": "10:00", "ends": "12:00", "valid_from": hours.valid_from.isoformat()}.items():
            page.locator(f"[name={name}]").fill(value)
        press(page, button="[name=_save]")
        look(page, "Hours may not overlap")
    with look.part("before anything is set up"):
        Clinic.objects.update(lead_clinician=None, outage_contact="", sender_name="", phone="")
        Room.objects.update(is_active=False)
        page.goto("/admin/opening/")
        look(page, "Name the lead clinician.", "Add a room.")
        page.goto("/admin/")
        look(page)
    look.end()
