"""The questions, their results and what a clinician decided, in every state."""

from datetime import timedelta

import pytest

from screening import publishing
from tests.booking import steps
from tests.journey.states import enter, fill_birth_date, patient_who_signs_in, press, staff
from tests.make import NOW

pytestmark = pytest.mark.django_db(transaction=True)


WAX = {"recent_procedures": ["waxing"], "recent_procedures_waxing_on": "2027-02-26"}
RESULTS = {
    "Nothing in your answers needs extra checks so far": {},
    "Your answers do not stop you asking for treatment": {"dark_marks": "yes", "dark_marks_how_long": "weeks"},
    "A clinician will look at your answers": {"diabetes": "yes", "diabetes_controlled": "yes"},
    "You can ask for a time from": {"sun_tan": "yes", "sun_tan_when": "2027-02-24", "sun_tan_kind": "tan"} | WAX,
    "Waiting does not mean a yes": {"pregnancy": "yes"},
    "You need to wait until Tuesday 10 August 2027": {
        "isotretinoin": "yes", "isotretinoin_still": "no", "isotretinoin_last_dose": "2027-02-10"
    },
    "not right for you at the moment": {"keloid": "yes", "keloid_where": "ear"},
    "We would like to talk with you first": {"appearance_distress": "yes", "appearance_distress_stops_you": "yes"},
    "Please do this first": {"changing_mole": "yes", "changing_mole_doctor": "no"},
}  # fmt: skip


def test_the_questions_in_every_state(house, someone, look, monkeypatch):
    page = someone()
    steps_of_form = range(1, 9)

    def have(response, user=None):
        enter(page, user, screening=str(response.uuid))

    with look.part("start"):
        enter(page)
        page.goto("/screening/")
        look(page, "Is it right for you?")
        page.goto("/screening/?treatment=acne-scars-face")
        press(page, "Start")
        look(page, "Please tick the box if you agree")
        have(house.begun({"age-date-of-birth": "1990-05-04"}))
        page.goto("/screening/")
        look(page)
        have(house.answered())
        page.goto("/screening/")
        look(page)
    with look.part("each step as it was answered, and with nothing"):
        for number in steps_of_form:
            have(house.begun(house.answers))
            page.goto(f"/screening/{number}/")
            look(page, f"Step {number} of 8")
            page.evaluate("for (const b of document.querySelectorAll('main input:checked')) b.checked = false")
            for box in page.locator("main input[type=text]").all():
                if box.is_visible():
                    box.fill("")
            press(page, "Continue")
            look(page, f"Step {number} of 8")
            assert page.title().startswith("Error:"), page.title()
        page.goto("/screening/9/")
        look(page, "We cannot find this page")
    with look.part("slips: follow-ups that are missing, both one and none"):
        have(house.begun(house.answers))
        slips = []
        for number in steps_of_form[1:]:
            page.goto(f"/screening/{number}/")
            for box in page.locator("main input[type=radio][value=yes], main input[type=checkbox]").all():
                if box.is_visible():
                    box.check()
            press(page, "Continue")
            if page.title().startswith("Error:"):
                slips.append(number)
                look(page, f"Step {number} of 8")
        assert len(slips) > 3, slips
    with look.part("advice that cannot wait"):
        for changes in ({"changing-mole": "yes", "changing-mole-doctor": "no"}, {"cold-sores": "now"}):
            have(house.begun(house.answers | changes))
            for number in steps_of_form:
                page.goto(f"/screening/{number}/advice/")
                if "advice" in page.url:
                    look(page, "Please read this first")
                    break
            else:
                raise LookupError(f"no advice for {changes}")
    with look.part("under 18, and nothing here"):
        have(house.begun())
        page.goto("/screening/1/")
        fill_birth_date(page, "4", "May", "2012", "age-date-of-birth")
        press(page, "Continue")
        look(page, "Please come back when you are 18")
        page.goto("/screening/check/")
        look(page, "There are no answers here")
    with look.part("left, and who comes back"):
        have(house.begun(house.answers))
        page.goto("/screening/3/")
        press(page, "Save and leave")
        look(page, "Your answers are saved")
        page.goto("/screening/3/")
        look(page, "Is it still you?")
        press(page, "Go on")
        look(page, "Is it still you?")
        fill_birth_date(page, "5", "May", "1990")
        press(page, "Go on")
        look(page, "This is not the date in these answers")
        for _try in range(2):
            fill_birth_date(page, "5", "May", "1990")
            press(page, "Go on")
        look(page, "did not fit three times")
    with look.part("hidden on this device"):
        have(house.begun(house.answers))
        page.goto("/screening/leave/")
        look(page, "Delete your answers?")
        press(page, "Yes, delete them")
        look(page, "Your answers are deleted")
        have(house.answered())
        page.goto("/screening/leave/")
        look(page, "Hide your answers on this device?")
        press(page, "Yes, hide them")
        look(page, "We have kept what you sent")
    with look.part("check"):
        have(house.begun(house.answers | {link_id.replace("_", "-"): value for link_id, value in WAX.items()}))
        page.goto("/screening/check/")
        look(page, "Check your answers")
        press(page, "Send my answers")
        look(page, "Please tick the box before you send")
        page.goto("/screening/2/?change=1")
        look(page, "Step 2 of 8")
    with look.part("each result"):
        for words, changes in RESULTS.items():
            have(house.answered(**changes))
            page.goto("/screening/result/")
            look(page, words)
    with look.part("what a clinician decided, and asked"):
        for number, (outcome, said, words) in enumerate(
            [
                ("deferred", {"deferred_until": (NOW + timedelta(days=50)).date()}, "Not yet: please wait until"),
                ("deferred", {}, "We cannot name a day"),
                ("consultation-required", {}, "We would like to see you first"),
                ("not-suitable", {}, "This treatment is not right for you at the moment"),
                ("cleared", {}, "A clinician said yes to your treatment"),
                ("needs-information", {"question": "Which cream?"}, "Our clinician has a question for you"),
            ]
        ):
            patient = patient_who_signs_in(f"Dora Decided{number}")
            review = steps.decide(house.asked(patient, days=5 + number), outcome, now=house.now, **said)
            enter(page, patient.user)
            page.goto(f"/screening/decision/{review.uuid}/")
            look(page, words)
            page.goto("/my/")
            look(page, "Hello, Dora")
            if outcome == "deferred" and not said:
                page.goto("/book/acne-scars-face/")
                look(page)
            if outcome == "cleared":
                house.answered(patient, diabetes="yes", diabetes_controlled="yes")
                page.goto(f"/screening/decision/{review.uuid}/")
                look(page, "An earlier answer of ours no longer counts")
        page.goto(f"/screening/reply/{review.uuid}/")
        press(page, "Send my answer")
        look(page, "Please write your answer.")
        page.locator("textarea").fill("A plain one.")
        press(page, "Send my answer")
        look(page, "Thank you, we have your answer")
        enter(page, patient_who_signs_in("Nina Nosy").user)
        page.goto(f"/screening/reply/{review.uuid}/")
        look(page, "We cannot find this page")
    with look.part("the rules cannot be asked"), monkeypatch.context() as patched:

        def broken(*args, **kwargs):
            raise RuntimeError("no rules today")

        have(house.answered())
        patched.setattr("screening.assessment.assess", broken)
        page.goto("/screening/result/")
        look(page, "We cannot check your answers at the moment", "The fault is ours")
    with look.part("away, too old, changed, broken"):
        mine, begun = house.answered(patient_who_signs_in("Olga Older")), house.begun(house.answers)
        house.go_to(house.now + timedelta(minutes=20))
        have(begun)
        page.goto("/screening/check/")
        look(page, "Is it still you?")
        enter(page, mine.patient.user)
        page.goto("/screening/result/")
        look(page, "Is it still you?")
        house.go_to(house.now + timedelta(hours=25))
        have(begun)
        page.goto("/screening/4/")
        look(page, "There are no answers here")
        house.go_to(house.now + timedelta(days=91))
        enter(page, mine.patient.user)
        page.goto("/screening/result/")
        fill_birth_date(page, "4", "May", "1990")
        press(page, "Go on")
        look(page, "Please answer the questions again")
        page.goto("/book/acne-scars-face/")
        look(page, "First a few questions")
        begun = house.begun(house.answers)
        publishing.retire(house.questionnaire, by=staff("lead"), now=house.now)
        have(begun)
        page.goto("/screening/check/")
        page.get_by_role("checkbox").check()
        press(page, "Send my answers")
        look(page, "Begin again")
        page.goto("/screening/")
        look(page)
    look.end()
