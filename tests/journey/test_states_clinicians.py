"""What a clinician reads, who treats and who writes the pages, in every state."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from booking import appointments
from booking.models import Appointment
from education.models import Article
from screening import definition, reviews
from screening.models import Questionnaire, ReviewRequest
from tests.booking import steps
from tests.journey.states import enter, patient_who_signs_in, press, staff
from tests.screening.conftest import shipped

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_a_clinician_reads_in_every_state(house, someone, look, settings):
    page = someone()
    worklist = "/admin/screening/reviewrequest/"
    clinician = staff("clinician")
    reader = staff("lead")

    def review_of(name, *, days=6, **changes):
        """A patient with these answers, who asked for a time; the row of the worklist."""
        patient = patient_who_signs_in(name)
        if changes:
            house.answered(patient, **changes)
        return steps.request_of(house.asked(patient, days=days))

    def sign(outcome: str, **words):
        page.locator("form#decision details").evaluate_all("all => all.forEach(one => { one.open = true })")
        page.locator(f"form#decision input[name=outcome][value={outcome}]").check()
        for name, text in words.items():
            page.locator(f"form#decision [name={name}]").fill(text)
        press(page, re.compile("^Sign$"))

    enter(page, clinician)
    with look.part("the worklist"):
        harmless = review_of("Hugo Harmless")
        told = {"diabetes": "yes", "diabetes_controlled": "yes", "keloid": "relative", "keloid_who": "My mother"}
        findings = review_of("Fay Findings", **told)
        taken = review_of("Tara Taken")
        reviews.open_for_reading(taken, by=reader, now=house.now)
        clinicians_own = patient_who_signs_in("Mira Lindqvist")
        own = steps.request_of(house.asked(clinicians_own))
        clinicians_own.user = clinician
        clinicians_own.save()
        page.goto(worklist)
        look(page, "Worst finding first", "reads it since", "Your own: another clinician decides.")
    with look.part("reading"):
        page.goto(f"{worklist}{harmless.uuid}/")
        look(page, "Hugo Harmless", "No findings")
        page.goto(f"{worklist}{taken.uuid}/")
        look(page, "Tara Taken", "Dr Samuel Adeyemi")
        page.goto(f"{worklist}{own.uuid}/")
        look(page, "These are your own answers")
        page.goto(f"{worklist}{findings.uuid}/")
        look(page, "Fay Findings")
    with look.part("signing with something missing"):
        for outcome in ("cleared", "cleared-with-conditions", "needs-information", "deferred"):
            page.goto(f"{worklist}{findings.uuid}/")
            sign(outcome, **({"deferred_until_day": "31"} if outcome == "deferred" else {}))
            look(page, "Nothing was saved yet")
            assert page.title().startswith("Error:"), page.title()
        page.locator("form#decision input[name=identity]").check()
        sign("needs-information")
        look(page, "Nothing was saved yet")
        page.goto(f"{worklist}{taken.uuid}/")
        press(page, "Sign and next")
        look(page, "Nothing was saved yet")
    with look.part("answers that cannot be read, and new ones"):
        keys = settings.DATA_KEYS
        settings.DATA_KEYS = [("test", bytes(32))]
        page.goto(f"{worklist}{harmless.uuid}/")
        look(page, "this cannot be opened")
        page.goto(f"/admin/screening/questionnaireresponse/{harmless.response.uuid}/")
        look(page, "this cannot be opened")
        settings.DATA_KEYS = keys
        house.answered(findings.response.patient, keloid="yes", keloid_where="ear")
        again = steps.request_of(Appointment.objects.get(patient=findings.response.patient))
        page.goto(f"{worklist}{again.uuid}/")
        look(page, "Fay Findings")
    with look.part("answers to look up"):
        answers = "/admin/screening/questionnaireresponse/"
        page.goto(answers)
        look(page)
        page.locator("input[name=q]").fill("zebra")
        press(page, button="form button[type=submit]")
        look(page)
        page.goto(f"{answers}{findings.response.uuid}/")
        look(page, "Findings")
        page.get_by_text("These are not this patient's answers").click()
        press(page, "Withdraw")
        look(page, "Nothing was changed. Tick the box first.")
        page.get_by_text("These are not this patient's answers").click()
        page.locator("input[name=sure]").check()
        press(page, "Withdraw")
        look(page, "Withdrawn")
    with look.part("questionnaires"):
        questionnaires = "/admin/screening/questionnaire/"
        draft, _outcome = definition.save_draft(replace(shipped("microneedling-recheck"), version=99), treatments=[])
        faulty = Questionnaire.objects.create(name="nothing-in-it", version=1, title="Nothing in it")
        enter(page, reader)
        page.goto(questionnaires)
        look(page, "nothing-in-it")
        page.goto(f"{questionnaires}{house.questionnaire.pk}/")
        look(page, "Answers taken together")
        page.goto(f"{questionnaires}{faulty.pk}/")
        look(page, "It has faults and cannot be used")
        page.goto(f"{questionnaires}{draft.pk}/")
        look(page, "Proposing says")
        press(page, "Propose")
        look(page, "You proposed it. Another person")
        enter(page, clinician)
        page.goto(f"{questionnaires}{draft.pk}/")
        look(page)
    with look.part("nobody waits"):
        for row in ReviewRequest.objects.filter(closed_at=None):
            ReviewRequest.objects.filter(pk=row.pk).update(closed_at=house.now)
        page.goto(worklist)
        look(page, "Nobody is waiting for a decision.")
    look.end()


def test_a_visit_in_every_state_for_who_treats(house, someone, look, settings):
    page = someone()
    treats = house.practitioner.user
    patient = patient_who_signs_in("Vera Visit")
    visit = house.asked(patient, days=9)
    here = f"/admin/booking/appointment/{visit.uuid}/visit/"
    enter(page, treats)

    def changed():
        visit.refresh_from_db()
        page.goto(here)

    with look.part("before the day"):
        page.goto("/admin/booking/appointment/my-day/?day=2028-01-02")
        look(page, "0 visits")
        changed()
        look(page, "Not confirmed: a clinician has to look first")
        steps.decide(visit, "cleared-with-conditions", conditions="Test patch first.", now=house.now)
        enter(page, visit.practitioner.user)
        changed()
        look(page, "The check-in opens when")
    with look.part("the day"):
        house.go_to(visit.starts_at - timedelta(minutes=5))
        enter(page, treats)
        appointments.arrive(visit, by=house.desk, now=house.now)
        page.goto("/admin/booking/appointment/my-day/")
        look(page, "Vera Visit")
        changed()
        look(page, "Test patch first.", "1. The right person", "3. Agreement")
        keys, settings.DATA_KEYS = settings.DATA_KEYS, [("test", bytes(32))]
        changed()
        look(page, "The conditions cannot be read. Do not treat; ask the clinician.")
        settings.DATA_KEYS = keys
        changed()
        press(page, "Check in")
        look(page, "Not checked in yet", "Ask for the full name, and tick the box.")
        steps.rechecked(visit, now=house.now)
        changed()
        look(page, "nothing new")
        again = f"{here}again/"
        page.goto(again)
        look(page, "The short questions again")
        press(page, button="form button[type=submit]")
        look(page, "The short questions again")
        assert page.title().startswith("Error:")
        steps.check_in(visit, by=treats, now=house.now)
        changed()
        look(page, "Done: close the visit")
        appointments.fulfil(visit, by=treats, now=house.now)
        changed()
        look(page, "Undo “done”")
    with look.part("without questions"):
        talk = steps.talk(
            house, slot=house.free(house.consultation, days=1), patient=patient_who_signs_in("Tina Talk"), now=house.now
        )
        house.go_to(talk.starts_at - timedelta(minutes=5))
        enter(page, treats)
        appointments.arrive(talk, by=house.desk, now=house.now)
        page.goto(f"/admin/booking/appointment/{talk.uuid}/visit/")
        look(page, "The right person")
        press(page, "Check in")
        look(page, "Not checked in yet")
        page.get_by_text("End this visit without treating").click()
        look(page, "The front desk finds another time")
        press(page, "Not today")
        look(page, "is not treated today")
    with look.part("something new at the chair"):
        visit = house.booked(patient_who_signs_in("Nora New"), days=9)
        house.go_to(visit.starts_at - timedelta(minutes=5))
        appointments.arrive(visit, by=house.desk, now=house.now)
        steps.rechecked(visit, now=house.now, pregnancy="yes")
        enter(page, visit.practitioner.user)
        page.goto(f"/admin/booking/appointment/{visit.uuid}/visit/")
        look(page, "Not confirmed: the patient has to answer all the questions first")
    look.end()


def test_the_pages_of_the_editor_in_every_state(house, someone, look):
    page = someone()
    editor, clinician = staff("editor"), staff("clinician")
    article = Article.objects.get(slug="sessions")
    place = f"/admin/education/article/{article.pk}/"
    enter(page, editor)
    with look.part("writing"):
        page.goto("/admin/education/article/")
        look(page, "Articles")
        page.goto("/admin/education/article/add/")
        look(page, "New page")
        press(page, "Save as a draft")
        look(page, "Nothing was saved yet")
        page.goto(f"{place}change/")
        look(page, "Patients read this version")
        text = page.get_by_label("Text", exact=True)
        text.fill(text.input_value() + "\n\nOne more sentence.\n")
        press(page, "Save as a draft")
        look(page, "Saved as version")
        draft = article.latest_revision()
        page.goto(f"{place}versions/{draft.version}/phone/")
        look(page, "One more sentence.")
        page.goto(f"{place}versions/{draft.version}/review/")
        look(page, "You wrote this version")
        draft.ask_for_review(by=editor, now=house.now)
        page.goto(f"{place}change/")
        look(page, "waiting for a clinician")
        page.goto("/admin/education/article/?q=zebra")
        look(page)
    with look.part("signing"):
        enter(page, clinician)
        page.goto(f"{place}versions/{draft.version}/review/")
        look(page, "Sign this version", "What changed since the published version")
        press(page, re.compile("^Sign$"))
        look(page)
        assert page.title().startswith("Error:")
        press(page, "Ask for changes")
        look(page)
        assert page.title().startswith("Error:")
        page.goto(f"{place}versions/{article.published_revision.version}/review/")
        look(page, "these are the words that patients read")
        page.goto(f"{place}change/")
        look(page, "Read and sign")
        draft.ask_for_changes(by=clinician, now=house.now, comment="Shorter, please.")
        enter(page, editor)
        page.goto(f"{place}change/")
        look(page, "Shorter, please.")
    with look.part("pictures"):
        page.goto("/admin/education/picture/")
        look(page)
        page.goto("/admin/education/picture/add/")
        look(page, "Upload a picture")
        press(page, button="input[type=submit], button[type=submit]")
        look(page)
        assert page.title().startswith("Error:")
    look.end()
