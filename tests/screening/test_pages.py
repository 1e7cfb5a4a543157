"""The patient's screening pages, from before the first question to what it means."""

import re
from datetime import date, timedelta

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.middleware.csrf import get_token

from screening import finished
from screening.models import Assessment, DataKey, Questionnaire, QuestionnaireResponse, ReviewRequest
from screening.sealing import unseal
from tests.make import NOW, area, make_clinic, make_consultation, make_location, make_patient, make_user

pytestmark = pytest.mark.django_db


def words(response) -> str:
    """What can be read in the main part of a page."""
    page = response.content.decode()
    page = page[page.index('<main id="main"') : page.index("</main>")]
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    return text.replace("&#x27;", "'").replace("&quot;", '"').strip()


def title(response) -> str:
    return re.search(r"<title>(.*?)</title>", response.content.decode(), re.S)[1].strip()


def primary(response) -> list[str]:
    return re.findall(r'class="btn btn-primary"[^>]*?href="([^"]+)"', response.content.decode())


# ---------------------------------------------------------------- before you start


def test_the_start_page_says_what_to_expect_and_changes_nothing(client, questionnaire, treatment, clock):
    make_clinic(phone="+442079460000")
    talk = make_consultation()
    page = client.get(f"/screening/?treatment={treatment.slug}")
    text = words(page)
    for said in ("About 8 minutes", "There are 8 steps", "medicines", "A clinician reads every answer"):
        assert said in text
    for waits in ("pregnancy", "rosacea", "a tendency to keloid scars", "a skin infection now"):
        assert waits in text
    assert "Book a talk instead" in text and f"/book/{talk.slug}/" in page.content.decode()
    assert "Help in another language" in text and "Ring me back" in text
    assert treatment.name in text
    assert not QuestionnaireResponse.objects.exists() and "screening" not in client.session
    assert "no-store" in page["Cache-Control"]


def test_starting_needs_the_agreement(walker):
    page = walker.client.post("/screening/", {"treatment": walker.treatment.slug})
    assert page.status_code == 200 and "Please tick the box if you agree" in words(page)
    assert title(page).startswith("Error:")
    assert not QuestionnaireResponse.objects.exists()


def test_starting_keeps_the_treatment_and_the_privacy_words_agreed_to(walker):
    page = walker.begin()
    assert page.url == "/screening/1/"
    assert walker.response.treatment == walker.treatment
    assert (walker.response.privacy_version, walker.response.agreed_at) == (settings.PRIVACY_VERSION, NOW)


def test_the_session_holds_a_uuid_and_nothing_else(walker, harmless):
    walker.fill_in(harmless)
    assert dict(walker.client.session) == {"screening": str(walker.response.uuid)}
    for session in Session.objects.all():
        assert set(session.get_decoded()) == {"screening"}
    walker.send()
    assert dict(walker.client.session) == {"screening": str(walker.response.uuid)}


def test_a_second_click_on_start_begins_nothing_new(walker):
    walker.begin()
    walker.begin()
    assert QuestionnaireResponse.objects.count() == 1


def test_beginning_again_forgets_the_unfinished_answers(walker, harmless):
    walker.fill_in(harmless, until=4)
    before = walker.response
    walker.begin()
    assert not QuestionnaireResponse.objects.filter(pk=before.pk).exists()
    assert finished.answers_of(walker.response) == {}


def test_without_a_published_questionnaire_people_are_asked_to_call(client, treatment):
    make_clinic(phone="+442079460000")
    page = client.get("/screening/")
    assert "Please call us" in words(page) and "<form" not in page.content.decode().split("<main")[1].split("</main")[0]
    assert client.post("/screening/", {"agree": "on"}).status_code == 200
    assert not QuestionnaireResponse.objects.exists()


def test_staff_answer_for_nobody_and_read_nothing_here(walker, harmless):
    walker.fill_in(harmless)  # then somebody of the staff signs in on this device
    shown = {"declare": "on", "shown": walker.shown()}
    walker.client.force_login(make_user(role="Front desk"))
    for path in ("", *(f"{number}/" for number in range(1, 9)), "check/", "result/", "later/", "leave/"):
        for answer in (walker.client.get(f"/screening/{path}"), walker.client.post(f"/screening/{path}", shown)):
            said = answer.status_code == 403 and "These questions are for patients" in words(answer)
            assert said or answer.status_code == 405, path
    assert walker.begin().status_code == 403
    assert (QuestionnaireResponse.objects.get(), walker.response.status) == (walker.response, "in-progress")


def test_a_signed_in_patients_answers_are_theirs_from_the_start(walker):
    patient = make_patient(user=make_user())
    walker.client.force_login(patient.user)
    walker.begin()
    assert (walker.response.patient, walker.response.assisted_by) == (patient, None)


# ---------------------------------------------------------------- the steps


def test_the_birth_date_is_asked_first_and_alone(walker):
    walker.begin()
    page = walker.client.get("/screening/1/")
    assert title(page) == "Step 1 of 8"
    names = set(re.findall(r'name="([^"]+)"', page.content.decode().split("<main")[1]))
    assert names == {"csrfmiddlewaretoken", "action"} | {
        f"age-date-of-birth_{part}" for part in ("day", "month", "year")
    }
    assert 'autocomplete="bday-day"' in page.content.decode()


def test_a_page_from_before_signing_in_in_another_window_leads_back_to_itself(walker, harmless):
    patient = make_patient(user=make_user())
    walker.fill_in(harmless, until=4)
    before = walker.client.get("/screening/4/").context["csrf_token"]
    walker.client.force_login(patient.user)
    walker.client.cookies["csrftoken"] = get_token(HttpRequest())  # as signing in does
    walker.client.handler.enforce_csrf_checks = True
    answer = walker.step(4, harmless, csrfmiddlewaretoken=str(before))
    assert answer.status_code == 403
    assert "Perhaps you signed in in another window" in words(answer) and "open too long" not in words(answer)
    assert 'href="/screening/4/"' in answer.content.decode()
    again = walker.client.get("/screening/4/").context["csrf_token"]
    assert walker.step(4, harmless, csrfmiddlewaretoken=str(again)).url == "/screening/5/"


def test_nothing_is_chosen_beforehand(walker, harmless):
    walker.fill_in({"age-date-of-birth": "1990-05-04"}, until=2)
    for number in range(2, 9):
        page = walker.client.get(f"/screening/{number}/")
        if page.status_code == 200:
            form = page.content.decode()
            assert not re.search(r"<input[^>]* checked|<option[^>]* selected", form)
            walker.step(number, harmless)


def test_every_step_is_reached_by_its_number_in_order(walker, harmless):
    walker.begin()
    assert walker.client.get("/screening/5/").url == "/screening/1/"
    walker.step(1, harmless)
    assert walker.client.get("/screening/5/").url == "/screening/2/"
    assert walker.client.post("/screening/5/", {"action": "continue"}).url == "/screening/2/"
    for number in range(2, 8):
        assert walker.step(number, harmless).url == f"/screening/{number + 1}/"
    assert walker.step(8, harmless).url == "/screening/check/"
    assert walker.client.get("/screening/3/").status_code == 200


def test_what_is_missing_is_named_and_what_was_typed_stays(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, {"active-skin-infection": "yes", "active-skin-infection-what": "A <b>boil</b>"})
    body = page.content.decode()
    assert title(page).startswith("Error:")
    assert "Please answer: When did it start?" in words(page)
    assert "Please answer: Are you using a treatment for it?" in words(page)
    assert 'href="#id_cold-sores_0"' in body and 'href="#id_active-skin-infection-since_day"' in body
    assert "A &lt;b&gt;boil&lt;/b&gt;" in body
    assert re.search(r'value="yes"[^>]*checked|checked[^>]*value="yes"', body)
    assert "active-skin-infection" not in finished.answers_of(walker.response)


def test_follow_ups_stand_on_the_page_without_javascript(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.client.get("/screening/3/")
    body = page.content.decode()
    assert 'data-follow-up="active-skin-infection" data-codes="yes"' in body
    assert "If yes:" in words(page) and "If you chose “I have had them before”:" in words(page)
    assert 'name="active-acne-treatment-what"' in body  # a follow-up of a follow-up
    assert " hidden" not in body.split("<main")[1].split("</main>")[0]


def test_a_follow_up_is_needed_only_when_its_parent_says_so(walker, harmless):
    walker.fill_in(harmless, until=3)
    assert walker.step(3, harmless | {"active-acne": "many"}).status_code == 200
    assert walker.step(3, harmless | {"active-acne": "many", "active-acne-treatment": "yes"}).status_code == 200
    assert walker.step(3, harmless | {"active-acne": "many", "active-acne-treatment": "no"}).status_code == 302


def test_what_is_written_under_another_answer_is_asked_about(walker, harmless):
    """H03: a boil described under “No” must not vanish. Without scripts every follow-up is on the page."""
    walker.fill_in(harmless, until=3)
    for written in (
        {"active-skin-infection-what": "a boil on my cheek"},
        {"active-skin-infection-since_day": "99"},
        {"active-skin-infection-since_unknown": "on"},
        {"cold-sores-per-year": "x"},
    ):
        page = walker.step(3, harmless, **written)
        assert "Please clear it, or change your answer here." in words(page), written
        assert "active-skin-infection" not in finished.answers_of(walker.response)
        assert next(iter(written.values())) in page.content.decode()
    assert walker.step(3, harmless, **{"active-skin-infection-treated": "yes"}).status_code == 302  # cannot be unchosen
    assert not [key for key in finished.answers_of(walker.response) if key.startswith("active-skin-infection-")]


def test_what_was_written_before_is_dropped_when_the_answer_above_changes(walker, harmless):
    walker.fill_in(harmless, until=3)
    details = {
        "active-skin-infection-what": "a boil",
        "active-skin-infection-since": "2027-02-20",
        "active-skin-infection-treated": "no",
    }
    assert walker.step(3, harmless | {"active-skin-infection": "yes"} | details).status_code == 302
    assert walker.step(3, harmless | details).status_code == 302  # now “No”; what stood below is sent along
    assert not [key for key in finished.answers_of(walker.response) if key.startswith("active-skin-infection-")]


def test_a_list_with_none_and_something_else_is_asked_again(walker, harmless):
    number = walker.number_of("recent-procedures")
    walker.fill_in(harmless, until=number)
    page = walker.step(number, harmless | {"recent-procedures": ["none", "tattoo"]})
    assert "You chose “None of these” and something else" in words(page)


def test_dates_may_be_partial_or_forgotten_but_not_in_the_future(walker, harmless):
    walker.fill_in(harmless, until=3)
    yes = {"active-skin-infection": "yes", "active-skin-infection-what": "boil", "active-skin-infection-treated": "no"}
    assert walker.step(3, harmless | yes | {"active-skin-infection-since": "2027-03-02"}).status_code == 200
    assert walker.step(3, harmless | yes | {"active-skin-infection-since": "2028"}).status_code == 200
    for value in ("2027-03-01", "2027-03", "2027", "unknown"):
        assert walker.step(3, harmless | yes | {"active-skin-infection-since": value}).status_code == 302
        assert finished.answers_of(walker.response)["active-skin-infection-since"] == value


def test_numbers_take_a_comma_and_are_kept_as_numbers(walker, harmless):
    number = walker.number_of("blood-thinners")
    walker.fill_in(harmless, until=number)
    thinner = {"blood-thinners": "yes", "blood-thinners-which": ["warfarin"]}
    assert walker.step(number, harmless | thinner | {"blood-thinners-inr": "2,5"}).status_code == 302
    assert finished.answers_of(walker.response)["blood-thinners-inr"] == 2.5
    assert walker.step(number, harmless | thinner | {"blood-thinners-inr": ""}).status_code == 302
    assert "blood-thinners-inr" not in finished.answers_of(walker.response)
    assert 'value="2.5"' not in walker.client.get(f"/screening/{number}/").content.decode()


def test_do_not_stop_your_medicine_stands_beside_the_question(walker, harmless):
    number = walker.number_of("blood-thinners")
    walker.fill_in(harmless, until=number)
    assert "Do not stop your medicine" in words(walker.client.get(f"/screening/{number}/"))


def test_nothing_while_answering_says_what_an_answer_will_do(walker, harmless):
    walker.begin()
    for number in range(1, 9):
        text = words(walker.client.get(f"/screening/{number}/")).lower()
        for hint in ("not right for you", "you need to wait", "contraindicat", "cannot have", "must wait"):
            assert hint not in text
        walker.step(number, harmless)


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"changing-mole": "yes", "changing-mole-doctor": "no"}, "see your GP soon"),
        ({"changing-mole": "not-sure"}, "see your GP soon"),
        ({"cold-sores": "now"}, "blisters near your eye"),
    ],
)
def test_what_cannot_wait_is_shown_before_going_on(walker, harmless, changes, said):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, harmless | changes)
    assert page.url == "/screening/3/advice/"
    page = walker.client.get(page.url)
    assert said in words(page) and 'role="alert"' in page.content.decode()
    assert primary(page) == ["/screening/4/"]
    assert walker.client.get("/screening/4/").status_code == 200
    walker.step(3, harmless)
    assert walker.client.get("/screening/3/advice/").url == "/screening/4/"


def test_what_cannot_wait_is_said_to_somebody_who_leaves(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, {"changing-mole": "yes"}, action="leave")
    assert page.status_code == 200 and page.templates[0].name == "screening/advice.html"
    assert "see your GP soon" in words(page) and 'role="alert"' in page.content.decode()
    assert primary(page) == ["/screening/later/"]
    assert "Your answers are saved" in words(walker.client.get("/screening/later/"))
    assert finished.answers_of(walker.response)["changing-mole"] == "yes"
    assert walker.client.get("/screening/3/").url == "/screening/birth-date/?to=3"  # put away already
    assert walker.step(3, {"changing-mole": "yes"}, action="leave").status_code == 200  # read again with "reload"


def test_what_cannot_wait_is_said_beside_an_error(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, {"changing-mole": "yes"})  # much else is not answered
    assert page.status_code == 200 and page.context["form"].errors
    html = page.content.decode()
    assert html.index("see your GP soon") < html.index('<form method="post"')
    assert "see your GP soon" not in words(walker.step(3, {"changing-mole": "no"}))
    assert "see your GP soon" not in words(walker.client.get("/screening/3/"))


@pytest.mark.parametrize("said", [["yes", "no"], ["no", "yes"]])
def test_a_yes_does_not_hide_behind_a_no(walker, harmless, said):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, harmless, **{"changing-mole": said})
    assert page.context["form"].errors == {"changing-mole": ["Please answer this once."]}
    assert "see your GP soon" in words(page)  # it may have been meant
    assert not page.context["form"]["changing-mole"].value()
    assert page.context["form"]["broken-skin"].value() == "no"  # the others stay
    assert "changing-mole" not in finished.answers_of(walker.response)
    assert walker.step(3, harmless, **{"changing-mole": ["no", "no"]}).url == "/screening/4/"  # the same, twice


@pytest.mark.parametrize(
    ("link_id", "changes"),
    [
        ("age-date-of-birth", {"age-date-of-birth_year": ["1990", "2015"]}),
        ("scar-type", {"scar-type": ["raised", "acne-dented"]}),
        ("broken-skin-cause", {"broken-skin": "yes", "broken-skin-cause": ["a burn", "nothing"]}),
        ("diabetes-hba1c", {"diabetes": "yes", "diabetes-controlled": "yes", "diabetes-hba1c": ["90", "40"]}),
    ],
)
@pytest.mark.parametrize("action", ["continue", "leave"])
def test_no_field_that_takes_one_answer_takes_two(walker, harmless, link_id, changes, action):
    number = walker.number_of(link_id)
    walker.fill_in(harmless, until=number)
    before = finished.answers_of(walker.response)
    page = walker.step(number, harmless, **changes, action=action)
    assert page.context["form"].errors == {link_id: ["Please answer this once."]}
    assert f"{page.context['form'].fields[link_id].label} Please answer this once." in words(page)
    assert finished.answers_of(walker.response) == before


def test_a_list_has_as_many_answers_as_there_are(walker, harmless):
    number = walker.number_of("treatment-area")
    walker.fill_in(harmless, until=number)
    page = walker.step(number, harmless | {"treatment-area": ["face", "chest"]})
    assert page.status_code == 302, page.context["form"].errors
    assert finished.answers_of(walker.response)["treatment-area"] == ["face", "chest"]


def test_a_follow_up_that_was_not_called_for_is_asked_about_once(walker, harmless):
    number = walker.number_of("broken-skin-cause")
    walker.fill_in(harmless, until=number)
    page = walker.step(number, harmless, **{"broken-skin-cause": ["a burn", "nothing"]})
    assert list(page.context["form"].errors) == ["broken-skin"]


# ---------------------------------------------------------------- under 18


def test_under_18_nothing_further_is_asked_or_kept(walker, harmless):
    make_clinic(phone="+442079460000")
    walker.begin()
    page = walker.step(1, {"age-date-of-birth": "2009-03-02"})
    assert "We treat people from the age of 18" in words(page) and "+44 20 7946 0000" in words(page)
    assert not QuestionnaireResponse.objects.exists() and not DataKey.objects.exists()
    assert "screening" not in walker.client.session
    assert "There are no answers here" in words(walker.client.get("/screening/2/"))


def test_the_18th_birthday_counts(walker):
    walker.begin()
    assert walker.step(1, {"age-date-of-birth": "2009-03-01"}).url == "/screening/2/"


def test_an_account_of_somebody_under_18_is_not_outvoted(walker, harmless):
    patient = make_patient(user=make_user(), birth_date=date(2010, 1, 1))
    walker.client.force_login(patient.user)
    walker.begin()
    assert "from the age of 18" in words(walker.step(1, harmless))
    assert not QuestionnaireResponse.objects.exists()


def test_a_day_in_the_future_is_no_birth_date(walker):
    walker.begin()
    page = walker.step(1, {"age-date-of-birth": "2027-03-02"})
    assert "This date has not come yet" in words(page)
    assert finished.answers_of(walker.response) == {}


# ---------------------------------------------------------------- leaving, coming back


def test_save_and_leave_keeps_what_is_there_and_asks_for_nothing_more(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, {"cold-sores": "never"}, action="leave")
    assert page.url == "/screening/later/"
    assert "Tuesday 2 March, 09:00" in words(walker.client.get(page.url))
    assert finished.answers_of(walker.response)["cold-sores"] == "never"
    assert "broken-skin" not in finished.answers_of(walker.response)
    # Whoever sits down next is asked for the birth date at once.
    assert walker.client.get("/screening/3/").url == "/screening/birth-date/?to=3"


def test_save_and_leave_still_says_what_is_wrong(walker, harmless):
    walker.fill_in(harmless, until=3)
    page = walker.step(3, {}, action="leave", **{"cold-sores": "before", "cold-sores-per-year": "many"})
    assert page.status_code == 200 and "Please write a number from 0 to 365" in words(page)


def test_leave_and_clear_deletes_everything_after_asking(walker, harmless):
    walker.fill_in(harmless, until=4)
    assert "Delete your answers?" in words(walker.client.get("/screening/leave/"))
    assert QuestionnaireResponse.objects.count() == 1
    page = walker.client.post("/screening/leave/", follow=True)
    assert "Your answers are deleted" in words(page)
    assert not QuestionnaireResponse.objects.exists() and not DataKey.objects.exists()


def test_leaving_after_sending_hides_the_answers_and_keeps_them(walker, harmless):
    walker.send(harmless)
    walker.client.post("/screening/leave/")
    assert QuestionnaireResponse.objects.get().status == "completed"
    assert "There are no answers here" in words(walker.client.get("/screening/result/"))


def test_after_15_minutes_the_birth_date_is_asked_before_anything_is_shown(walker, harmless, clock):
    walker.fill_in(harmless | {"keloid": "not-sure"}, until=6)
    clock.forward(minutes=16)
    for place in ("/screening/5/", "/screening/6/", "/screening/check/", "/screening/3/advice/"):
        page = walker.client.get(place)
        if page.url.startswith("/screening/6"):  # not all is answered yet
            page = walker.client.get(page.url)
        assert page.url.startswith("/screening/birth-date/")
    page = walker.client.post("/screening/birth-date/", birth("1990-05-03", to="5"))
    assert "This is not the date in these answers" in words(page)
    twice = birth("1990-05-04", to="5") | {"birth_date_year": ["1991", "1990"]}
    assert "Please answer this once." in words(walker.client.post("/screening/birth-date/", twice))
    page = walker.client.post("/screening/birth-date/", birth("1990-05-04", to="5"))
    assert page.url == "/screening/5/"
    assert "checked" in walker.client.get("/screening/5/").content.decode()


def birth(text: str, to: str = "") -> dict:
    year, month, day = text.split("-")
    return {"birth_date_day": day, "birth_date_month": month, "birth_date_year": year, "to": to}


def test_three_wrong_birth_dates_delete_unfinished_answers(walker, harmless, clock):
    walker.fill_in(harmless, until=4)
    clock.forward(minutes=16)
    for _attempt in range(2):
        walker.client.post("/screening/birth-date/", birth("1991-01-01"))
    page = walker.client.post("/screening/birth-date/", birth("1991-01-01"))
    assert "did not fit three times" in words(page) and "Begin again" in words(page)
    assert not QuestionnaireResponse.objects.exists() and "screening" not in walker.client.session


def test_three_wrong_birth_dates_take_the_result_off_the_device(walker, harmless, clock):
    walker.send(harmless)
    clock.forward(minutes=16)
    assert walker.client.get("/screening/result/").url == "/screening/birth-date/?to=result"
    for _attempt in range(3):
        walker.client.post("/screening/birth-date/", birth("1991-01-01", to="result"))
    assert "There are no answers here" in words(walker.client.get("/screening/result/"))
    assert QuestionnaireResponse.objects.get().status == "completed"


def test_the_birth_date_opens_the_result_again(walker, harmless, clock):
    walker.send(harmless)
    clock.forward(hours=3)
    page = walker.client.post("/screening/birth-date/", birth("1990-05-04", to="result"))
    assert page.url == "/screening/result/"
    assert walker.client.get(page.url).status_code == 200


def test_a_step_typed_slowly_is_saved_and_then_the_birth_date_is_asked(walker, harmless, clock):
    walker.fill_in(harmless, until=3)
    clock.forward(minutes=20)
    assert walker.step(3, harmless).url == "/screening/4/"
    assert finished.answers_of(walker.response)["broken-skin"] == "no"
    assert walker.client.get("/screening/4/").url == "/screening/birth-date/?to=4"


def test_nobody_changes_the_birth_date_without_giving_it(walker, harmless, clock):
    walker.fill_in(harmless, until=3)
    clock.forward(minutes=20)
    assert walker.step(1, {"age-date-of-birth": "1980-01-01"}).url.startswith("/screening/birth-date/")
    assert finished.answers_of(walker.response)["age-date-of-birth"] == "1990-05-04"


def test_a_mistake_while_away_shows_nothing_that_was_stored(walker, harmless, clock):
    walker.fill_in(harmless, until=4)
    clock.forward(minutes=20)
    page = walker.client.post("/screening/3/", {"action": "continue"})
    assert page.status_code == 200 and not re.search(r"<input[^>]* checked", page.content.decode())


def test_after_24_hours_the_draft_is_gone_for_the_patient(walker, harmless, clock):
    walker.fill_in(harmless, until=4)
    clock.forward(hours=23, minutes=59)
    assert walker.client.get("/screening/4/").status_code == 302
    clock.forward(minutes=1)
    for place in ("/screening/4/", "/screening/check/", "/screening/result/", "/screening/leave/", "/screening/later/"):
        page = walker.client.get(place)
        assert page.status_code == 200 and "Begin again" in words(page)


# ---------------------------------------------------------------- check and send


def test_all_answers_are_shown_once_more_with_a_way_to_change_each(walker, harmless):
    walker.fill_in(harmless | {"keloid": "yes", "keloid-where": "on my <ear>"})
    page = walker.client.get("/screening/check/")
    body = page.content.decode()
    assert "4 May 1990" in words(page) and "on my &lt;ear&gt;" in body and "Dented scars from spots" in words(page)
    for link_id in finished.answers_of(walker.response):
        assert f"?change=1#id_{link_id}" in body
    assert "Are you pregnant?" in words(page)


def test_a_change_leads_back_to_check(walker, harmless):
    walker.fill_in(harmless)
    number = walker.number_of("keloid")
    data = {"keloid": "relative", "keloid-who": "my mother", "poor-healing": "no", "dark-marks": "no"}
    page = walker.client.post(f"/screening/{number}/?change=1", data | {"action": "continue"})
    assert page.url == "/screening/check/"
    assert "my mother" in words(walker.client.get(page.url))


def test_check_is_not_reached_with_a_gap(walker, harmless):
    walker.fill_in(harmless, until=6)
    assert walker.client.get("/screening/check/").url == "/screening/6/"
    assert walker.client.post("/screening/check/", {"declare": "on"}).url == "/screening/6/"
    assert walker.response.status == "in-progress"


def test_what_is_sent_is_what_was_read(walker, harmless):
    """Another window, or the back button and an old page, changed an answer after the list was shown."""
    walker.fill_in(harmless)
    read = walker.shown()
    walker.step(walker.number_of("keloid"), harmless | {"keloid": "yes", "keloid-where": "ear"})
    for shown in (read, "", "x" * 500):
        page = walker.client.post("/screening/check/", {"declare": "on", "shown": shown})
        assert "Nothing was sent yet" in words(page) and "ear" in words(page)
        assert 'name="declare"' in page.content.decode() and "checked" not in page.content.decode()
        assert walker.response.status == "in-progress"
    assert walker.send().url == "/screening/result/"
    assert finished.answers_of(walker.response)["keloid"] == "yes"


def test_saving_the_same_answers_again_is_no_change(walker, harmless):
    walker.fill_in(harmless)
    read = walker.shown()
    walker.step(walker.number_of("keloid"), harmless)
    assert walker.client.post("/screening/check/", {"declare": "on", "shown": read}).url == "/screening/result/"


def test_the_mark_of_the_answers_says_nothing_about_them(walker, harmless):
    from screening.forms import fingerprint

    walker.fill_in(harmless)
    assert walker.shown() == fingerprint(finished.answers_of(walker.response))
    assert fingerprint({"keloid": "yes"}) != fingerprint({"keloid": "no"})
    assert len(walker.shown()) == 64 and "yes" not in walker.shown()


def test_sending_needs_the_declaration_and_keeps_its_words(walker, harmless):
    walker.fill_in(harmless)
    unticked = walker.client.post("/screening/check/", {"shown": walker.shown()})
    assert "Please tick the box before you send" in words(unticked)
    assert walker.response.status == "in-progress"
    assert walker.send().url == "/screening/result/"
    assert walker.response.status == "completed" and walker.response.answered_on == date(2027, 3, 1)
    sent = walker.response
    assert unseal(sent, "answers", sent.document)["declaration"]["text"].startswith("What I have written is true")
    assert Assessment.objects.get().on == date(2027, 3, 1)


def test_sending_twice_sends_once(walker, harmless, clock):
    walker.send(harmless)
    clock.forward(seconds=3)
    assert walker.send().url == "/screening/result/"
    assert QuestionnaireResponse.objects.get().completed_at == NOW
    assert Assessment.objects.count() == 1


def test_sent_answers_cannot_be_reached_by_a_step(walker, harmless):
    walker.send(harmless)
    before = bytes(walker.response.document)
    assert walker.client.get("/screening/3/").url == "/screening/result/"
    assert walker.step(3, harmless | {"cold-sores": "now"}).url == "/screening/result/"
    assert bytes(walker.response.document) == before


def test_answers_to_retired_questions_are_not_sent(walker, harmless):
    walker.fill_in(harmless)
    Questionnaire.objects.update(status="retired", retired_at=NOW)
    assert "Our questions have changed" in words(walker.send())
    assert not QuestionnaireResponse.objects.exists()


# ---------------------------------------------------------------- what it means


@pytest.fixture
def talk():
    return make_consultation(slug="talk")


RESULTS = [
    ({}, "Nothing in your answers needs extra checks so far", "treatment"),
    ({"dark-marks": "yes", "dark-marks-how-long": "weeks"}, "Your answers do not stop you asking", "treatment"),
    (
        {"diabetes": "yes", "diabetes-controlled": "yes"},
        "A clinician will look at your answers before your visit is confirmed",
        "treatment",
    ),
    (
        {"sun-tan": "yes", "sun-tan-when": "2027-02-24", "sun-tan-kind": "tan"},
        "You can ask for a time from Wednesday 10 March 2027",
        "treatment",
    ),
    ({"pregnancy": "yes"}, "You need to wait", "talk"),
    (
        {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2027-02-10"},
        "You need to wait until Tuesday 10 August 2027",
        "talk",
    ),
    ({"keloid": "yes", "keloid-where": "ear"}, "Microneedling is not right for you at the moment", "talk"),
    (
        {"appearance-distress": "yes", "appearance-distress-stops-you": "yes"},
        "We would like to talk with you first",
        "talk",
    ),
]


def test_a_look_in_person_is_offered_unless_there_was_one(walker, harmless, talk):
    """What a clinician could not clear without a consultation is not called "choose a time now"."""
    make_clinic()
    walker.send(harmless | {"appearance-distress": "prefer-not-to-say"})
    page = walker.client.get("/screening/result/")
    assert "<h1>We would like to talk with you first" in page.content.decode() and primary(page) == ["/book/talk/"]
    make_clinic(consultation_first="never")
    page = walker.client.get("/screening/result/")
    assert "<h1>A clinician will look at your answers" in page.content.decode()


@pytest.mark.parametrize("changes, sentence, button", RESULTS)
def test_the_result_is_one_sentence_and_one_best_next_button(walker, harmless, talk, changes, sentence, button):
    walker.send(harmless | changes)
    page = walker.client.get("/screening/result/")
    assert f"<h1>{sentence}" in page.content.decode()
    assert primary(page) == [f"/book/{'talk' if button == 'talk' else walker.treatment.slug}/"]
    assert "Ring me back" in words(page) and "only a clinician decides" in words(page)
    assert Assessment.objects.count() == 1  # looking stores nothing


def test_whose_time_is_kept_already_is_not_asked_to_choose_one(walker, harmless):
    """Somebody who booked by phone, or asked for a time before, comes back to what their answers mean."""
    patient = make_patient(user=make_user(), birth_date=date(1990, 5, 4))
    walker.client.force_login(patient.user)
    walker.send(harmless)
    visit = NOW + timedelta(days=9)
    row = ReviewRequest.objects.create(
        response=walker.response,
        treatment=walker.treatment,
        area=area("face"),
        needed_on=visit.date(),
        needed_at=visit,
        waiting_since=NOW,
    )
    page = walker.client.get("/screening/result/")
    assert primary(page) == ["/my/"]
    assert "We keep your time for now." in words(page) and "You can choose a time now" not in words(page)
    ReviewRequest.objects.filter(pk=row.pk).update(closed_at=NOW)
    assert primary(walker.client.get("/screening/result/")) == [f"/book/{walker.treatment.slug}/"]


def test_without_consultations_a_refusal_leads_to_a_person_who_rings(walker, harmless):
    walker.send(harmless | {"keloid": "yes", "keloid-where": "ear"})
    assert primary(walker.client.get("/screening/result/")) == ["/call-back/"]


def test_answers_count_for_90_days_and_then_are_asked_for_again(walker, harmless, client_class, clock):
    patient = make_patient(user=make_user(), birth_date=date(1990, 5, 4))
    walker.client.force_login(patient.user)
    walker.send(harmless)
    for days, said in ((90, "Nothing in your answers"), (91, "Please answer the questions again")):
        clock.now = NOW + timedelta(days=days)
        device = client_class()
        device.force_login(patient.user)
        device.post("/screening/birth-date/", birth("1990-05-04", to="result"))
        assert said in words(device.get("/screening/result/"))
    assert primary(device.get("/screening/result/")) == [f"/screening/?treatment={walker.treatment.slug}"]


def test_a_wait_that_outlasts_the_answers_offers_no_time(walker, harmless, talk):
    make_clinic(screening_valid_days=5)
    walker.send(harmless | {"sun-tan": "yes", "sun-tan-when": "2027-02-24", "sun-tan-kind": "tan"})
    page = walker.client.get("/screening/result/")
    assert "You need to wait until Wednesday 10 March 2027" in words(page) and primary(page) == ["/book/talk/"]


def test_each_reason_is_given_with_until_when_and_where_to_read(walker, harmless):
    sun = {"sun-tan": "yes", "sun-tan-when": "2027-02-24", "sun-tan-kind": "tan"}
    walker.send(harmless | sun | {"rosacea": "past", "rosacea-where": "nose", "rosacea-last-flare": "2020"})
    page = walker.client.get("/screening/result/")
    assert "Until Wednesday 10 March 2027" in words(page)
    body = page.content.decode()
    assert "/learn/who-should-wait/#sun-tan" in body and "/learn/who-should-wait/#rosacea" in body


@pytest.mark.parametrize("changes", [{}, {"pregnancy": "yes"}])
def test_the_wait_that_ends_last_is_the_first_reason(walker, harmless, changes):
    """It is the day that the heading names; a wait without an end comes before any day."""
    sun = {"sun-tan": "yes", "sun-tan-when": "2027-02-24", "sun-tan-kind": "tan"}
    took = {"isotretinoin": "yes", "isotretinoin-still": "no", "isotretinoin-last-dose": "2027-02-10"}
    walker.send(harmless | sun | took | changes)
    untils = [reason.until for reason in walker.client.get("/screening/result/").context["result"].reasons]
    waits = [None] * len(changes) + [date(2027, 8, 10), date(2027, 3, 10)]
    assert untils[: len(waits)] == waits


def test_the_answer_about_worry_is_never_named_back(walker, harmless):
    for changes in (
        {"appearance-distress": "yes", "appearance-distress-stops-you": "yes"},
        {"appearance-distress": "prefer-not-to-say"},
    ):
        walker.send(harmless | changes)
        page = walker.client.get("/screening/result/")
        body = page.content.decode().lower()
        for word in ("appearance", "worry", "distress", "how this area looks", "stop thinking"):
            assert word not in body
        assert words(page).count("We would like to talk with you first") <= 2


def test_urgent_advice_is_said_again_with_the_result(walker, harmless):
    walker.send(harmless | {"changing-mole": "yes", "changing-mole-doctor": "no"})
    assert "Please do this first" in words(walker.client.get("/screening/result/"))


def test_blood_thinners_never_lead_to_stopping_them(walker, harmless):
    walker.send(harmless | {"blood-thinners": "yes", "blood-thinners-which": ["aspirin"]})
    assert "Do not stop your medicine" in words(walker.client.get("/screening/result/"))


def test_answers_that_cannot_be_opened_any_more_are_nobodys(walker, harmless):
    walker.send(harmless)
    DataKey.objects.all().delete()
    assert "There are no answers here" in words(walker.client.get("/screening/result/"))


def test_a_patient_sees_their_newest_result_on_another_device(walker, harmless, client_class):
    patient = make_patient(user=make_user(), birth_date=date(1990, 5, 4))
    walker.client.force_login(patient.user)
    walker.send(harmless)
    elsewhere = client_class()
    elsewhere.force_login(patient.user)
    assert "Nothing in your answers" in words(elsewhere.get("/screening/result/"))
    stranger = client_class()
    stranger.force_login(make_patient(user=make_user()).user)
    assert "There are no answers here" in words(stranger.get("/screening/result/"))


@pytest.fixture
def client_class():
    from django.test import Client

    return Client


def test_another_persons_answers_are_not_shown_even_with_their_uuid(walker, harmless, client_class):
    patient = make_patient(user=make_user(), birth_date=date(1990, 5, 4))
    walker.client.force_login(patient.user)
    walker.send(harmless)
    for user in (None, make_user(), make_patient(user=make_user()).user, make_user(role="Front desk")):
        other = client_class()
        if user:
            other.force_login(user)
        session = other.session
        session["screening"] = str(walker.response.uuid)
        session.save()
        refused = "These questions are for patients" if user and user.is_staff else "There are no answers here"
        assert refused in words(other.get("/screening/result/"))


# ---------------------------------------------------------------- how many queries


@pytest.mark.parametrize("signed_in", [False, True])
def test_every_page_takes_a_constant_number_of_queries(
    walker, harmless, talk, signed_in, django_assert_max_num_queries
):
    make_clinic()
    make_location()
    if signed_in:
        walker.client.force_login(make_patient(user=make_user(), birth_date=date(1990, 5, 4)).user)
    walker.fill_in(harmless)
    places = [*(f"/screening/{number}/" for number in range(1, 9)), "/screening/check/", "/screening/later/"]
    for place in places:
        with django_assert_max_num_queries(12):
            assert walker.client.get(place).status_code == 200
    walker.send()
    with django_assert_max_num_queries(12):
        assert walker.client.get("/screening/result/").status_code == 200
    with django_assert_max_num_queries(12):
        assert walker.client.get("/screening/").status_code == 200


def test_walking_twice_makes_two_attempts_and_both_are_kept(walker, harmless, clock):
    walker.send(harmless | {"keloid": "yes", "keloid-where": "ear"})
    clock.forward(minutes=2)
    walker.send(harmless)
    assert QuestionnaireResponse.objects.filter(status="completed").count() == 2
