"""The times, a held time and an appointment, in every state."""

import re
from datetime import timedelta

import pytest
from django.core import signing

from booking import appointments, holding, links
from booking.availability import Slot
from booking.models import Appointment, Closure
from clinic.models import Clinic, Location, Treatment
from tests import make
from tests.booking import steps
from tests.journey.conftest import code_sent_to
from tests.journey.states import enter, fill_birth_date, patient_who_signs_in, press, staff
from tests.make import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def test_choosing_a_time_in_every_state(house, someone, look):
    page = someone()
    times, talk = "/book/acne-scars-face/", "/book/consultation/"

    def times_with(*words, **changes):
        enter(page, screening=str(house.answered(**changes).uuid))
        page.goto(times)
        look(page, *words)

    with look.part("lists"):
        page.goto("/book/")
        look(page, "Prices and times", "Next free")
        page.goto(f"{times}?from=soon&practitioner=nobody")
        look(page, "We did not understand everything", "First a few questions")
        page.goto("/book/stretch-marks/")
        look(page, "Which part of your body is it about?")
    with look.part("what the answers say"):
        times_with(
            "You can ask for a time from",
            sun_tan="yes",
            sun_tan_when="2027-02-24",
            sun_tan_kind="tan",
        )
        times_with("This treatment is not right for you at the moment", keloid="yes", keloid_where="ear")
        page.goto("/book/stretch-marks/?area=belly")
        look(page)
        enter(page, screening=str(house.answered().uuid))
        page.goto("/book/stretch-marks/?area=belly")
        look(page, "Your answers are about another part of the body")
    with look.part("too young"):
        enter(page, patient_who_signs_in("Toby Young", birth_date="2012-05-04").user)
        page.goto(talk)
        look(page, "We treat people from the age of 18.")
    with look.part("a consultation first"):
        Clinic.objects.update(consultation_first=Clinic.ConsultationFirst.ALWAYS)
        times_with("Before a first treatment we talk with you")
        Clinic.objects.update(consultation_first=house.clinic.consultation_first)
    with look.part("nothing chosen, just taken"):
        enter(page)
        page.goto(talk)
        press(page, button="form.times-form button[type=submit]")
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        press(page, button="form.times-form button[type=submit]")
        look(page, "That time has just been taken")
    with look.part("a time is kept already"):
        held = house.held()
        enter(page, hold=str(held.uuid))
        page.goto(talk)
        look(page, "When you choose another time, we give this one back")
        page.goto(times)
        page.locator("input[type=radio][name=start]").first.check()
        press(page, button="form.times-form button[type=submit]")
        look(page, "Is it right for you?")
    with look.part("the time chosen before the questions is gone"):
        answered = house.answered()
        enter(page, screening=str(answered.uuid), wanted_time={"treatment": "acne-scars-face", "start": "x"})
        page.goto(times)
        look(page, "The time you chose before the questions is not free")
        key = page.locator("input[type=radio][name=start]").nth(1).get_attribute("value")
        enter(page, screening=str(answered.uuid), wanted_time={"treatment": "acne-scars-face", "start": key})
        page.goto(times)
        look(page, "You chose this time before, and it is free")
    with look.part("too close to another session"):
        patient = patient_who_signs_in("Clara Close")
        house.booked(patient, days=40)
        enter(page, patient.user)
        page.goto(f"{times}?from=2027-03-04")
        look(page)
        key = page.locator("input[type=radio][name=start]").first.get_attribute("value")
        appointments.move(
            Appointment.objects.get(patient=patient), slot=house.free(days=20), by="staff", user=house.desk, now=NOW
        )
        page.locator(f'input[value="{key}"]').first.check()
        press(page, button="form.times-form button[type=submit]")
        look(page, "Your skin needs time between two sessions")
    with look.part("nobody has time"):
        alone = make.make_practitioner(house.consultation, name="Nell Nowhere", slug="nell-nowhere")
        enter(page)
        page.goto(f"{talk}?practitioner={alone.slug}")
        look(page, "No time is free online at the moment", "Show everybody’s times, at every place")
        closed = [
            Closure.objects.create(location=place, first_day="2027-03-01", last_day="2027-04-20")
            for place in Location.objects.all()
        ]
        page.goto(f"{talk}?from=2027-03-05")
        look(page, "No times from Friday 5 March", "Next free")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).update(last_day="2028-03-01")
        page.goto(talk)
        look(page, "No time is free online at the moment")
        page.goto("/book/")
        look(page, "No time is free online at the moment. Please call us.")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).delete()
    with look.part("the clinic is not open"):
        Treatment.objects.update(is_active=False)
        page.goto("/book/")
        look(page, "We do not take bookings online yet")
        page.goto("/")
        look(page)
    look.end()


def test_a_held_time_in_every_state(house, someone, look):
    page = someone()

    def hold(user=None, **values):
        held = house.held(**values)
        enter(page, user, hold=str(held.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        return held

    def fill(**changes):
        typed = {"name": "Rosa Example", "phone": "020 7946 0018", "email": "rosa@example.org"} | changes
        for name, value in typed.items():
            page.locator(f"main [name={name}]").fill(value)

    with look.part("details"):
        hold()
        look(page, "Who is coming?", "Your date of birth")
        press(page, "Send me the code")
        look(page, "Write your full name.", "Write a phone number")
        fill(phone="123", email="rosa at example")
        fill_birth_date(page, "4", "May", "2029")
        press(page, "I need more time")
        assert page.locator("main [name=phone]").input_value() == "123"
        page.locator("main [name=name]").press("Enter")  # sends the details, not "I need more time"
        page.locator(".error-summary").wait_for()
        look(page, "Please check the year of your date of birth.", "Write an e-mail address such as")
        fill()
        fill_birth_date(page, "4", "May", "2012")
        press(page, "Send me the code")
        look(page, "We treat people from the age of 18.")
    with look.part("more time, and no more"):
        held = hold()
        Appointment.objects.filter(pk=held.pk).update(hold_extensions=holding.EXTENSIONS - 1)
        page.reload()
        press(page, "I need more time")
        look(page, "We keep it until")
        assert page.get_by_role("button", name="I need more time").count() == 0
        press(page, "Give this time back")
        look(page, "We gave that time back")
    with look.part("expired"):
        held = hold()
        fill()
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        look(page, "Write the code we sent you")
        page.locator("[name=code]").fill("000000")
        press(page, "Continue")
        look(page, "This code does not fit")
        press(page, "Send the code again")
        look(page, "Write the code we sent you")
        page.goto(f"/book/hold/{held.uuid}/")
        look(page, "We have sent you a code")
        house.go_to(house.now + timedelta(minutes=11))
        page.reload()
        look(page, "We kept it until", "Nobody has taken it yet")
        house.held(slot=Slot(held.starts_at, held.practitioner_id, held.room_id, held.location.pk))
        page.reload()
        look(page, "That time has gone", "What you wrote is still here")
    with look.part("the code"):
        hold()
        fill(email="rosa2@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        for _try in range(5):
            page.locator("[name=code]").fill("000000")
            press(page, "Continue")
        look(page, "Those were too many tries", "Go on with that time")
        hold()
        fill(email="rosa3@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        house.go_to(house.now + timedelta(minutes=16))
        page.locator("[name=code]").fill(code_sent_to("rosa3@example.org"))
        press(page, "Continue")
        look(page, "This code is older than 15 minutes", "Go on with that time")
    with look.part("confirm"):
        hold()
        fill(email="rosa4@example.org")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Send me the code")
        page.locator("[name=code]").fill(code_sent_to("rosa4@example.org"))
        press(page, "Continue")
        look(page, "Is everything right?")
        press(page, re.compile("Book this time|Ask for this time"))
        look(page, "We see you on")
    with look.part("somebody else is signed in"):
        hold(staff("desk"))
        look(page, "is signed in on this device, as a member of staff")
        other = make.make_user(email="other@example.org", name="Otto Other")
        held = hold(other)
        look(page, "You are signed in as other@example.org")
        fill()
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Go on")
        look(page, "Somebody else is signed in", "the appointment is for rosa@example.org")
        press(page, "Sign out and go on")
        look(page, "You are signed out")
    with look.part("answers of another person"):
        known = patient_who_signs_in("Petra Proven", birth_date="1985-01-02")
        held = house.held(treatment=house.treatment, slot=house.free(days=6))
        enter(page, known.user, hold=str(held.uuid), screening=str(held.response.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        press(page, "Ask for this time")
        look(page, "We know this e-mail address with another name")
    with look.part("the clinic asks for a consultation first"):
        patient = patient_who_signs_in("Frieda First", birth_date="1990-05-04")
        answered = house.answered(patient)
        held = house.held(treatment=house.treatment, slot=house.free(days=7), patient=patient, response_id=answered.pk)
        Clinic.objects.update(consultation_first=Clinic.ConsultationFirst.ALWAYS)
        enter(page, patient.user, hold=str(held.uuid))
        page.goto(f"/book/hold/{held.uuid}/")
        press(page, "Ask for this time")
        look(page, "Times for a consultation")
    look.end()


def test_an_appointment_in_every_status(house, someone, look):
    """As its patient sees it, and as anybody with the link does."""
    own, other = someone(), someone()
    patient = patient_who_signs_in("Ines Statusfield")
    visit = house.asked(patient, days=10)
    here = f"/appointments/{visit.uuid}/"

    def become(status=None, **values):
        if status:
            values |= {"status": status, "previous_status": visit.status, "status_changed_at": house.now}
        Appointment.objects.filter(pk=visit.pk).update(**values)
        visit.refresh_from_db()

    def both(words: str, *, own_words: str = "", link_words: str = ""):
        """The page with and without signing in."""
        own.goto(here)
        look(own, words, own_words)
        other.goto(here)
        look(other, words, link_words)
        assert "Ines" not in other.locator("body").inner_text()

    with look.part("the link"):
        other.goto("/appointments/link/nonsense/")
        look(other, "This link does not work any more")
        ended = [visit.uuid.hex, links.SEE, int(house.now.timestamp()) - 1]
        other.goto(f"/appointments/link/{signing.dumps(ended, salt=links.SALT)}/")
        look(other, "This link does not work any more")
        other.goto(here)
        look(other, "Sign in")
        enter(other, patient_who_signs_in("Nina Nosy").user)
        other.goto(here)
        look(other, "We cannot find this page")
        other.goto(links.make_link(visit, links.SEE, house.now))
        look(other, "is signed in here. This appointment belongs to another address")
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        enter(own, patient.user)
    with look.part("asked for"):
        both("You have asked for this time. We answer by", own_words="Reference", link_words="See everything")
        answer_by = visit.answer_by
        become(answer_by=house.now - timedelta(hours=1))
        both("Our answer is late, and we are sorry")
        become(answer_by=answer_by)
        own.goto(f"{here}move/")
        look(own, "A clinician looks at the new day too")
    with look.part("a talk instead"):
        own.goto(here)
        own.get_by_role("link", name="Change it to a talk").click()
        look(own, "Would you rather talk first?", "The time stays the same")
        visit.practitioner.treatments.remove(house.consultation)
        own.reload()
        look(own, "A talk does not fit into this time", "Times for a consultation")
        visit.practitioner.treatments.add(house.consultation)
    with look.part("form due"):
        become(form_due_by=house.now + timedelta(days=1))
        both("Please answer our questions by", own_words="Answer the questions", link_words="Sign in and answer")
        become(form_due_by=None)
    with look.part("a question"):
        steps.decide(visit, "needs-information", question="Which cream do you use?", now=house.now)
        both("We need one more thing from you", own_words="Read the question", link_words="Sign in and answer")
        become(information_asked_at=None)
    with look.part("booked"):
        response = house.answered(patient)
        become(response_id=response.pk)
        steps.decide(visit, now=house.now)
        both("We see you on", own_words="Put it in my calendar")
        for page in (own, other):
            page.goto(f"{here}move/")
            look(page, "It stays yours until you have chosen another time")
        press(page, button="form.times-form button[type=submit]")
        look(page, "Choose a time.")
        first = page.locator("input[type=radio][name=start]").first
        first.check()
        house.held(slot=Slot.from_key(first.get_attribute("value")))
        press(page, button="form.times-form button[type=submit]")
        look(page, "That time has just been taken", "Your appointment is as it was")
        own.goto(f"{here}cancel/")
        look(own, "Cancel your appointment?", "Move it instead")
        closed = [
            Closure.objects.create(location=place, first_day="2027-03-01", last_day="2028-03-01")
            for place in Location.objects.all()
        ]
        own.goto(f"{here}move/")
        look(own, "No other time is free online at the moment")
        Closure.objects.filter(pk__in=[one.pk for one in closed]).delete()
    with look.part("booked, and late"):
        house.go_to(visit.starts_at - timedelta(hours=3))
        enter(own, patient.user)
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        both("We see you on", own_words="hours of notice", link_words="hours of notice")
        own.goto(f"{here}cancel/")
        look(own, "This is late")
        own.goto(f"{here}move/")
        look(own, "It cannot be moved here any more", "You can still cancel it here")
    with look.part("cancelled, and why"):
        appointments.cancel(visit, by="staff", user=house.desk, reason="mistake", now=house.now)
        both("If that surprises you, please call us")
        told = {
            ("patient", "patient-asked"): "You cancelled it.",
            ("system", "not-reviewed"): "We did not answer you in time",
            ("system", "no-answer"): "did not hear from you",
            ("system", "form-missing"): "Our questions were not answered in time",
            ("staff", "practitioner-away"): "We cannot see you that day",
            ("clinician", "clinical"): "This appointment does not take place",
        }
        for (by, reason), words in told.items():
            who = {"staff": house.desk, "clinician": staff("clinician")}.get(by)
            become(cancelled_by=by, cancel_reason=reason, cancelled_by_user=who)
            both(words)
        become(cancelled_by="staff", cancel_reason="mistake", cancelled_by_user=house.desk)
        appointments.undo(visit, by=house.desk, now=house.now)
    with look.part("missed"):
        house.go_to(visit.starts_at + timedelta(minutes=16))
        appointments.no_show(visit, by=house.desk, now=house.now)
        enter(other)
        other.goto(links.make_link(visit, links.SEE, house.now))
        both("We did not see you that day")
        appointments.undo(visit, by=house.desk, now=house.now)
    with look.part("here"):
        appointments.arrive(visit, by=house.desk, now=house.now)
        visit.refresh_from_db()
        both("Welcome. We know that you have arrived.")
        own.goto(f"{here}move/")
        look(own, "It cannot be moved here any more", "You can ask for another time")
        own.goto(f"{here}cancel/")
        look(own, "It cannot be cancelled here any more")
    with look.part("done"):
        steps.check_in(visit, now=house.now)
        visit.refresh_from_db()
        appointments.fulfil(visit, by=visit.practitioner.user, now=house.now)
        visit.refresh_from_db()
        both("Thank you for coming", own_words="Looking after your skin")
    with look.part("turned into a talk by the front desk"):
        talk = house.asked(patient, days=50)
        appointments.turn_into_consultation(talk, by="staff", user=house.desk, now=house.now)
        enter(own, patient.user)
        own.goto(f"/appointments/{talk.uuid}/")
        look(own, "We see you on", "Consultation")
        other.goto(links.make_link(talk, links.SEE, house.now))
        look(other, "We see you on")
    with look.part("entered in error"):
        second = house.talk(patient, days=8)
        appointments.mark_in_error(second, by=staff("manager"), reason="Entered twice.", now=house.now)
        own.goto(f"/appointments/{second.uuid}/")
        look(own, "This entry was a mistake of ours")
    with look.part("one's own page"):
        house.talk(patient, days=9)
        held = house.held(patient=patient)
        own.goto("/my/")
        look(own, "Past and cancelled", "Not finished: please confirm")
        holding.release(held, now=house.now)
    with look.part("put back on the day"):
        near = house.booked(patient, days=40)
        house.go_to(near.starts_at - timedelta(minutes=50))
        house.answered(patient)
        enter(own, patient.user)
        enter(other)
        other.goto(links.make_link(near, links.SEE, house.now))
        own.goto(f"/appointments/{near.uuid}/")
        for page in (own, other):
            look(page, "A clinician looks at your new answers", "Please call us before you travel")
        Appointment.objects.filter(pk=near.pk).update(previous_status="arrived")
        for page in (own, other):
            page.reload()
            look(page, "Before we go on, a clinician looks at what is new")
        own.goto("/my/")
        look(own, "You are here")
    look.end()
