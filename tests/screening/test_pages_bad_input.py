"""Whatever is sent to the screening pages: no error page, nothing half-written, what was typed stays.

What no database can store (NUL, broken UTF-8) is said beside its box. In an address it gets 400 before a view sees it,
and so does what is larger than any form.
"""

import uuid
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clinic.models import CallBack
from screening import finished
from screening import responses as verbs
from screening.answers import questions_asked
from screening.assessment import assess
from screening.forms import LONGEST_TEXT, StepForm
from screening.models import QuestionnaireResponse
from screening.questionnaires import Question
from screening.steps import steps_of
from tests.make import NOW, TODAY, make_patient, make_questionnaire, make_response, make_user
from tests.screening.conftest import shipped
from tests.screening.test_pages import words

NASTY = [
    "",
    " ",
    "\x00",
    "yes\x00",
    "\ud800",
    "ﷺ" * 50,
    "' OR 1=1 --",
    "<script>alert(1)</script>",
    "{{ 7*7 }}",
    "no-such-code",
    "-1",
    "1e400",
    "nan",
    "١٢",
    "9" * 5000,
    "x" * 100_000,
]
KEYS = ["", "_day", "_month", "_year", "_unknown"]


def stored(walker):
    return finished.answers_of(walker.response)


@pytest.mark.django_db
@pytest.mark.parametrize("value", NASTY, ids=lambda value: ascii(value)[:20])
def test_steps_filled_with_anything_write_nothing_unreadable(walker, harmless, value):
    walker.begin()
    for step in walker.steps:
        before = stored(walker)
        data = {q.link_id + key: value for q in step.questions for key in KEYS} | {"action": "continue"}
        page = walker.client.post(f"/screening/{step.number}/", encoded(data), content_type=FORM)
        assert page.status_code in (200, 302, 400)
        if page.status_code != 302:
            assert stored(walker) == before
        # Nothing that a form took may be unreadable to the rules.
        assert not assess(walker.definition, stored(walker), on=TODAY, answered_on=TODAY).unreadable
        assert walker.step(step.number, harmless).status_code == 302
    assert stored(walker) == harmless


FORM = "application/x-www-form-urlencoded"


def encoded(data: dict) -> bytes:
    from urllib.parse import quote_plus

    def part(text):
        return quote_plus(text.encode("utf-8", "surrogatepass"))

    return "&".join(f"{part(key)}={part(value)}" for key, value in data.items()).encode()


@pytest.mark.django_db
@pytest.mark.parametrize("body", [b"", b"\xff\xfe=\xff", b"keloid=%ff%fe", b"keloid=%00", b"&&&==", b"a" * 5000, b"%"])
def test_bodies_that_are_no_form(walker, harmless, body):
    walker.fill_in(harmless, until=5)
    before = stored(walker)
    page = walker.client.post("/screening/5/", body, content_type=FORM)
    assert page.status_code in (200, 400) and stored(walker) == before


@pytest.mark.django_db
def test_two_answers_in_one_request_are_none(walker, harmless):
    walker.fill_in(harmless, until=5)
    body = b"keloid=yes&keloid=no&poor-healing=no&dark-marks=no&action=continue"
    page = walker.client.post("/screening/5/", body, content_type=FORM)
    assert page.status_code == 200 and "Please answer this once." in words(page)
    assert "keloid" not in stored(walker)


@pytest.mark.django_db
def test_a_list_with_the_same_code_twice_keeps_it_once(walker, harmless):
    walker.fill_in(harmless, until=2)
    assert walker.step(2, harmless | {"treatment-area": ["face", "face", "neck"]}).status_code == 302
    assert stored(walker)["treatment-area"] == ["face", "neck"]


@pytest.mark.django_db
def test_an_unknown_code_is_asked_again_and_never_stored(walker, harmless):
    walker.fill_in(harmless, until=5)
    for value in ("maybe", "YES", "no "):
        assert walker.step(5, harmless | {"keloid": value}).status_code == 200
    assert "keloid" not in stored(walker)


@pytest.mark.django_db
def test_questions_of_other_steps_or_of_none_are_not_written(walker, harmless):
    walker.fill_in(harmless, until=5)
    walker.step(5, harmless, pregnancy="yes", is_staff="1", status="completed")
    assert "pregnancy" not in stored(walker) and walker.response.status == "in-progress"


ASKED_FOR_A_YEAR = [
    ({"isotretinoin": "yes", "isotretinoin-still": "no"}, "isotretinoin-last-dose"),
    *[
        ({"recent-procedures": [code]}, f"recent-procedures-{code}-on")
        for code in ("botulinum", "filler", "laser-light-peel", "needling", "waxing", "operation")
    ],
]


@pytest.mark.django_db
def test_a_date_before_the_year_that_was_asked_about_is_asked_again_and_stays(walker, harmless):
    """H02: 2016 typed for 2026 would need no wait (ANSWERS: more than 12 months before treatment, no finding)."""
    number = walker.number_of("isotretinoin")
    walker.fill_in(harmless, until=number)
    a_year_ago = TODAY.replace(year=TODAY.year - 1)
    for chosen, link_id in ASKED_FOR_A_YEAR:
        before = stored(walker)
        for older in (a_year_ago - timedelta(days=1), a_year_ago.replace(year=TODAY.year - 10)):
            for said in (f"{older:%Y-%m-%d}", f"{older.year - 1}", f"{older.year - 1}-12"):
                page = walker.step(number, harmless | chosen | {link_id: said})
                assert "This is longer ago than we asked about." in words(page), (link_id, said)
                assert f'value="{said[:4]}"' in page.content.decode()
                assert stored(walker) == before
        for said in (f"{a_year_ago:%Y-%m-%d}", f"{a_year_ago:%Y-%m}", f"{a_year_ago.year}", "unknown"):
            assert walker.step(number, harmless | chosen | {link_id: said}).status_code == 302, (link_id, said)
            assert stored(walker)[link_id] == said
    # whoever takes the answer above back, and the date with it, is through
    assert walker.step(number, harmless).status_code == 302
    assert not {link_id for _chosen, link_id in ASKED_FOR_A_YEAR} & stored(walker).keys()


@pytest.mark.django_db
def test_a_text_that_is_too_long_stays_on_the_page_and_is_not_stored(walker, harmless):
    walker.fill_in(harmless, until=5)
    long = "word " * LONGEST_TEXT
    page = walker.step(5, harmless | {"keloid": "yes", "keloid-where": long})
    assert words(page).count(f"Please write at most {LONGEST_TEXT} characters.") == 2
    assert f"? Please write at most {LONGEST_TEXT} characters." in words(page)
    assert long.strip() in page.content.decode()
    assert "keloid" not in stored(walker)
    assert walker.step(5, harmless | {"keloid": "yes", "keloid-where": "x" * LONGEST_TEXT}).status_code == 302


@pytest.mark.django_db
@pytest.mark.parametrize(
    "parts",
    [
        ("31", "2", "1990"),
        ("29", "2", "1991"),
        ("0", "5", "1990"),
        ("4", "13", "1990"),
        ("4", "5", "90"),
        ("4", "5", "0000"),
        ("4", "5", "99999"),
        ("4", "", "1990"),
        ("", "", "1990"),
        ("four", "May", "1990"),
        ("4", "5", "1990; DROP"),
        ("4\x00", "5", "1990\x00\x00\x00\x00\x00"),
    ],
)
def test_a_birth_date_that_is_no_day_is_asked_again_and_stays(walker, parts):
    walker.begin()
    names = ("day", "month", "year")
    data = {f"age-date-of-birth_{name}": value for name, value in zip(names, parts, strict=True)}
    page = walker.client.post("/screening/1/", data)
    assert stored(walker) == {}
    assert page.status_code == 200 and page.content.decode().count("<title>Error:") == 1
    for value in parts:
        shown = value.replace("\x00", "\ufffd")
        assert not value or f'value="{shown}"' in page.content.decode()


@pytest.mark.django_db
def test_a_birth_date_cannot_be_forgotten(walker):
    walker.begin()
    assert walker.client.post("/screening/1/", {"age-date-of-birth_unknown": "on"}).status_code == 200
    assert stored(walker) == {}


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["0", "9", "99", "9" * 400, "9" * 5000, "-1", "1.5", "one", "%00", "%ff"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_steps_that_do_not_exist(walker, harmless, number, method):
    walker.fill_in(harmless)
    for place in (f"/screening/{number}/", f"/screening/{number}/advice/"):
        assert getattr(walker.client, method)(place).status_code in (400, 404, 405)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "place",
    [
        *("1/", "8/", "1/advice/", "check/", "result/", "later/", "leave/", "birth-date/", "birth-date/?to=check"),
        *("?treatment=%00", "?treatment=%ff", "?treatment=" + "x" * 3000, "?treatment=no-such", "1/?change=%00"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post", "head"])
def test_every_address_without_answers_leads_somewhere_kind(client, questionnaire, clock, place, method):
    page = getattr(client, method)(f"/screening/{place}")
    assert page.status_code in (200, 405) or ("%" in place and page.status_code == 400)
    assert not QuestionnaireResponse.objects.exists()


@pytest.mark.django_db
def test_questions_for_a_treatment_that_is_not_offered_are_not_begun_unnoticed(walker):
    there, said = "/screening/?treatment=no-such", "We do not offer that treatment at the moment."
    assert said in words(walker.client.get(there))
    assert said in words(walker.client.post(there, {"agree": "on", "treatment": "no-such"}))
    assert not QuestionnaireResponse.objects.exists()
    assert walker.client.post(there, {"agree": "on", "treatment": ""}).url == "/screening/1/"


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(walker, harmless, method):
    walker.fill_in(harmless, until=3)
    before = stored(walker)
    for place in ("", "3/", "check/", "result/", "leave/", "birth-date/"):
        assert getattr(walker.client, method)(f"/screening/{place}").status_code == 405
    assert stored(walker) == before


@pytest.mark.django_db
@pytest.mark.parametrize("value", ["", "x", "1", None, "819916a6-9f7b-4c15-a8e7-dfc94f8c9270", ["a"], {"a": 1}, 7])
def test_a_session_with_anything_in_it(client, questionnaire, clock, value):
    session = client.session
    session["screening"] = value
    session.save()
    for place in ("1/", "check/", "result/", "leave/", "birth-date/"):
        assert "Begin again" in words(client.get(f"/screening/{place}"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "to", ["", "../../admin", "//evil.example", "javascript:1", "0", "999", "check\x00", "9" * 500]
)
def test_after_the_birth_date_people_stay_on_this_site(walker, harmless, clock, to):
    walker.fill_in(harmless)
    clock.forward(minutes=16)
    data = {"birth_date_day": "4", "birth_date_month": "5", "birth_date_year": "1990", "to": to}
    page = walker.client.post("/screening/birth-date/", data)
    assert page.status_code in (200, 400) or page.url.startswith("/screening/")


@pytest.mark.django_db
@pytest.mark.parametrize("value", NASTY, ids=lambda value: ascii(value)[:20])
def test_around_the_steps_anything_can_be_sent(walker, harmless, clock, value):
    walker.client.post("/screening/", encoded({"agree": value, "treatment": value}), content_type=FORM)
    walker.fill_in(harmless)
    assert walker.client.post("/screening/check/", encoded({"declare": ""}), content_type=FORM).status_code == 200
    clock.forward(minutes=16)
    data = {f"birth_date_{part}": value for part in ("day", "month", "year")} | {"to": value}
    page = walker.client.post("/screening/birth-date/", encoded(data), content_type=FORM)
    assert page.status_code in (200, 400)
    assert walker.response.status == "in-progress"


@pytest.mark.django_db
def test_a_replayed_step_changes_nothing_but_what_it_says(walker, harmless):
    walker.fill_in(harmless, until=6)
    for _again in range(3):
        assert walker.step(5, harmless).url == "/screening/6/"
    assert QuestionnaireResponse.objects.count() == 1
    walker.fill_in(harmless)
    walker.send()
    for _again in range(3):
        assert walker.step(5, harmless | {"keloid": "yes", "keloid-where": "x"}).url == "/screening/result/"
        assert walker.send().url == "/screening/result/"
    assert stored(walker)["keloid"] == harmless["keloid"]
    assert QuestionnaireResponse.objects.count() == 1


@pytest.mark.django_db
def test_a_step_without_the_token_is_refused(questionnaire, walker, harmless):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/screening/", {"agree": "on"}).status_code == 403
    assert not QuestionnaireResponse.objects.exists()


@pytest.mark.django_db
def test_answers_forgotten_in_another_window(walker, harmless):
    walker.fill_in(harmless, until=4)
    verbs.forget(walker.response)
    assert "Begin again" in words(walker.step(4, harmless))


# ---------------------------------------------------------------- the form itself, against anything


@cache
def numbered_steps():
    return steps_of(shipped("microneedling"))


def field_names(question: Question) -> list[str]:
    if question.kind in ("day", "date"):
        return [f"{question.link_id}_{part}" for part in ("day", "month", "year", "unknown")]
    return [question.link_id]


@st.composite
def posts(draw):
    """A step and some posted fields: real codes and texts mixed with noise."""
    step = draw(st.sampled_from(numbered_steps()))
    data = {}
    for question in step.questions:
        for name in field_names(question):
            if draw(st.booleans()):
                real = st.sampled_from([*question.codes, "31", "2", "Feb", "1999", "2027", "on", "3"])
                value = draw(st.one_of(real, real, st.text(max_size=20)))
                data[name] = [value] if question.kind == "choices" else value
    return step, data


@given(posts(), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_posted_a_valid_form_holds_only_readable_answers(post, lenient):
    from django.http import QueryDict

    step, data = post
    query = QueryDict(mutable=True)
    for key, value in data.items():
        query.setlist(key, value) if isinstance(value, list) else query.update({key: value})
    form = StepForm(query, step=step, answers={}, today=TODAY, lenient=lenient)
    if not form.is_valid():
        assert form.errors
        return
    answers = {key: value for key, value in form.answers().items() if value is not None}
    found = assess(shipped("microneedling"), answers, on=TODAY, answered_on=TODAY)
    assert not found.unreadable
    asked = questions_asked(shipped("microneedling"), answers)
    assert set(answers) <= set(asked)
    if not lenient:
        own = {question.link_id for question in step.questions}
        assert not own & set(found.incomplete)


# ---------------------------------------------------------------- ring me back


@pytest.mark.django_db
def test_a_call_back_is_kept_once_however_often_it_is_sent(client):
    make = {"name": "Ada", "phone": "020 7946 0000", "about": "language", "language": "Polski"}
    key = str(uuid.uuid4())
    unseen = client.post("/call-back/", make | {"request_key": key, "name": "Ada\u200b"})
    assert "invisible character in this name" in words(unseen)
    assert 'value="Ada\u200b"' in unseen.content.decode()  # what was typed stays
    for _again in range(2):
        assert client.post("/call-back/", make | {"request_key": key}).url == "/call-back/thanks/"
    row = CallBack.objects.get()
    assert (row.name, row.phone.as_e164, row.about, row.language) == ("Ada", "+442079460000", "language", "Polski")
    assert "We will ring you" in words(client.get("/call-back/thanks/"))


@pytest.mark.django_db
@pytest.mark.parametrize("value", NASTY, ids=lambda value: ascii(value)[:20])
@pytest.mark.parametrize("field", ["name", "phone", "about", "language", "request_key"])
def test_a_call_back_with_anything_in_it(client, field, value):
    data = {"name": "Ada", "phone": "020 7946 0000", "about": "talk", "language": "", "request_key": str(uuid.uuid4())}
    page = client.post("/call-back/", encoded(data | {field: value}), content_type=FORM)
    assert page.status_code in (200, 302, 400)
    if page.status_code != 302:
        assert not CallBack.objects.exists()
    if page.status_code == 200:
        assert "Please look at these again" in words(page)
        assert 'value="Ada"' in page.content.decode() or field == "name"


@pytest.mark.django_db
@pytest.mark.parametrize("about", ["form", "talk", "language", "x", "%00", "%ff"])
def test_looking_at_the_call_back_page_changes_nothing(client, about):
    assert client.get(f"/call-back/?about={about}").status_code == (400 if "%" in about else 200)
    assert not CallBack.objects.exists()


# ---------------------------------------------------------------- drafts of others


@pytest.mark.django_db
def test_unfinished_answers_of_a_patient_are_not_shown_after_signing_out(walker, harmless):
    patient = make_patient(user=make_user())
    walker.client.force_login(patient.user)
    walker.fill_in(harmless, until=4)
    draft = walker.response
    walker.client.logout()
    session = walker.client.session
    session["screening"] = str(draft.uuid)
    session.save()
    assert "Begin again" in words(walker.client.get("/screening/3/"))


@pytest.mark.django_db
def test_a_document_that_is_noise_shows_a_kind_page(client, clock):
    response = make_response(None, make_questionnaire(), completed_at=NOW - timedelta(minutes=1))
    session = client.session
    session["screening"] = str(response.uuid)
    session.save()
    assert "Begin again" in words(client.get("/screening/result/"))
