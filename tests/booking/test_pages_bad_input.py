"""Whatever is sent to booking's pages: a clear message or 404, no 500, nothing half-written, what was typed is kept."""

import uuid
from datetime import date

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from booking.models import Appointment, HoldDetails
from clinic.models import Patient
from outbox.models import Message
from tests.booking import steps
from tests.booking.pages import DETAILS, choose, held_uuid, keys_on, patient_who_signs_in, times_of, words
from tests.make import NOW

pytestmark = pytest.mark.django_db

LONG = "a" * 3000
NONSENSE = ["", " ", "x", "0", "-1", "'; --", "<script>", "٣", "💉", "../../etc", "None", "2027-02-30", LONG]
OFTEN = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Everything a form can carry but what the middleware refuses with 400 (NUL, halves of characters).
TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\x00"), max_size=300)


@pytest.fixture
def surgery(surgery, monkeypatch):
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return surgery


def rows() -> tuple:
    """Everything that a request could have written."""
    return (
        list(Appointment.objects.order_by("pk").values()),
        list(HoldDetails.objects.order_by("pk").values()),
        Patient.objects.count(),
        Message.objects.count(),
    )


# ---------------------------------------------------------------- looking


@pytest.mark.parametrize("name", ["area", "practitioner", "location", "from"])
def test_nonsense_in_the_address_is_left_out_and_said(client, surgery, name):
    for value in NONSENSE:
        response = client.get(times_of(surgery.consultation), {name: value})
        text = words(response)
        assert "Next free" in text
        assert keys_on(response)
        assert ("We did not understand everything" in text) is bool(value)
        assert "<script>" not in response.content.decode()


@pytest.mark.parametrize("day", ["0001-01-01", "1999-12-31", "2027-02-28", "2027-05-30", "2027-12-31", "9999-12-31"])
def test_any_day_in_the_past_or_far_away_shows_something(client, surgery, day):
    text = words(client.get(times_of(surgery.consultation), {"from": day}))
    assert "Next free" in text
    assert ("That day is over." in text) is (day < "2027-03-01")
    assert ("We do not give times that far ahead yet." in text) is (day > "2027-05-30")
    body = client.get(reverse("booking:slots_json", args=[surgery.consultation.slug]), {"from": day}).json()
    assert "2027-03-01" <= body["from"] <= "2027-05-30"


def test_a_doubled_parameter_is_left_out_and_said(client, surgery):
    for other, said in {"2027-03-15": False, "2027-03-08": True}.items():
        page = client.get(f"{times_of(surgery.consultation)}?from={other}&from=2027-03-15")
        assert ("We did not understand everything" in words(page)) is said
        assert (min(keys_on(page)) >= "20270315") is not said


@pytest.mark.parametrize("query", ["?from=%00", "?area=%ff", "?practitioner=%C3%28", f"?from={'9' * 5000}"])
def test_what_no_database_could_store_is_refused(client, surgery, query):
    assert client.get(times_of(surgery.consultation) + query).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/book/nothing/",
        "/book/NOTHING/slots.json",
        "/book/hold/1/",
        "/book/hold/x/",
        "/appointments/1/",
        "/appointments/x/move/",
        "/book/a b/",
        f"/book/{LONG}/",
    ],
)
def test_addresses_nobody_made_are_not_found(client, surgery, path):
    assert client.get(path).status_code == 404
    assert client.post(path, {}).status_code in (404, 405)


@given(query=st.dictionaries(st.sampled_from(["area", "practitioner", "location", "from", "days", "start"]), TEXT))
@OFTEN
def test_no_query_breaks_a_page(client, surgery, query):
    for url in (times_of(surgery.consultation), reverse("booking:slots_json", args=[surgery.consultation.slug])):
        assert client.get(url, {name: value[:100] for name, value in query.items()}).status_code == 200


# ---------------------------------------------------------------- choosing

KEYS = [
    *NONSENSE,
    "20270311T1000Z",
    "20270311T1000Z-1-1",
    "20270311T1000Z-1-1-1-1",
    "20270311T1000Z-0-0-0",
    "20270311T1000Z-999999999999999999-1-1",
    "20270311T1000Z-１-1-1",
    "00010101T0000Z-1-1-1",
    "99991231T2359Z-1-1-1",
    "20270230T1000Z-1-1-1",
]


def test_a_time_nobody_offered_is_refused_and_nothing_is_written(client, surgery):
    before = rows()
    for key in KEYS:
        response = client.post(times_of(surgery.consultation), {"start": key, "request_key": str(uuid.uuid4())})
        assert "Choose" in words(response), key
        assert keys_on(response)
    assert rows() == before
    assert "hold" not in client.session


@pytest.mark.parametrize(
    "day, clock",
    [
        ("2027-02-26", "10:00"),
        ("2027-03-01", "09:00"),
        ("2027-03-06", "10:00"),
        ("2027-03-11", "03:00"),
        ("2027-12-01", "10:00"),
    ],
)
def test_a_time_in_the_past_outside_hours_or_beyond_the_horizon_is_refused(client, surgery, day, clock):
    key = steps.slot(surgery, date.fromisoformat(day), clock).key
    text = words(choose(client, surgery.consultation, key))
    assert ("That time is over" if day < "2027-03-01" or clock == "09:00" else "That time is not offered") in text
    assert "just been taken" not in text
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("value", NONSENSE)
def test_a_broken_request_key_is_said(client, surgery, value):
    response = client.post(times_of(surgery.consultation), {"start": steps.slot(surgery).key, "request_key": value})
    if response.status_code == 200:  # not a uuid
        assert not Appointment.objects.exists()
        assert "Please choose the time once more." in words(response)
    else:
        assert value.strip() == ""
        assert Appointment.objects.count() == 1


def test_the_request_key_of_another_browser_does_not_open_its_time(client, surgery):
    sent = {"start": steps.slot(surgery).key, "request_key": str(uuid.uuid4())}
    other = Client()
    other.get(times_of(surgery.consultation))
    theirs = held_uuid(other.post(times_of(surgery.consultation), sent))
    same = client.post(times_of(surgery.consultation), sent)
    assert "That time has just been taken" in words(same) and "hold" not in client.session
    assert client.get(reverse("booking:hold", args=[theirs])).status_code == 302
    own = held_uuid(
        client.post(times_of(surgery.consultation), sent | {"start": steps.slot(surgery, clock="14:00").key})
    )
    assert own != theirs
    assert "That time is not held for you any more" in words(client.get(reverse("booking:hold", args=[theirs])))


@given(start=TEXT, request_key=TEXT, area=TEXT)
@example(start="20270311T1000Z-1-1-1", request_key="", area="face")
@OFTEN
def test_no_choice_breaks_a_page(client, surgery, start, request_key, area):
    before = rows()
    response = client.post(
        times_of(surgery.consultation), {"start": start, "request_key": request_key, "area": area, "from": start}
    )
    assert response.status_code == 200
    assert rows() == before


# ---------------------------------------------------------------- details


@pytest.fixture
def hold_page(client, surgery):
    return reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])


FIELDS = ["name", "phone", "email", "birth_date_day", "birth_date_month", "birth_date_year"]


@pytest.mark.parametrize("field", FIELDS)
def test_wrong_details_are_a_message_and_keep_what_was_typed(client, surgery, hold_page, field):
    values = ["", " ", LONG, "💉" * 200, "a\x0bb", "x\r\nBcc: y@example.org"]
    if field != "name":
        values += ["<b>x</b>", "a@b", "99", "-1"]
    for value in values:
        response = client.post(hold_page, DETAILS | {field: value})
        words(response)
        html = response.content.decode()
        assert "<title>Error: " in html
        assert "Please look at these again" in html
        for name in FIELDS:
            if name != field:
                assert DETAILS[name] in html
    assert not HoldDetails.objects.exists()
    assert not Message.objects.exists()


def test_too_much_is_said_with_the_name_of_the_field(client, surgery, hold_page):
    text = words(client.post(hold_page, DETAILS | {"name": LONG}))
    assert "Your full name: Please write at most 150 characters." in text and "Ensure this" not in text


def test_missing_details_are_said(client, surgery, hold_page):
    text = words(client.post(hold_page, {}))
    for said in ("Write your full name.", "Write a phone number", "Write your e-mail address.", "Write the day, month"):
        assert said in text


@given(typed=st.fixed_dictionaries(dict.fromkeys(FIELDS, TEXT)))
@OFTEN
def test_no_details_break_the_page(client, surgery, typed):
    cache.clear()  # each example is another visitor, also to the limit of held times
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation, steps.slot(surgery).key))])
    response = client.post(page, typed | {"action": "details"})
    assert response.status_code in (200, 302)
    assert HoldDetails.objects.exists() is (response.status_code == 302)
    client.post(page, {"action": "release"})


@pytest.mark.parametrize("action", ["", "destroy", LONG, "confirm", "code"])
def test_an_unknown_action_does_nothing(client, surgery, hold_page, action):
    before = rows()
    assert client.post(hold_page, {"action": action}).status_code in (200, 302)
    assert rows() == before


def test_everything_after_a_confirmed_hold_leads_to_the_appointment(client, surgery):
    patient_who_signs_in(client)
    page = reverse("booking:hold", args=[held_uuid(choose(client, surgery.consultation))])
    done = client.post(page, {"action": "confirm"}).url
    before = rows()
    for action in ("confirm", "release", "more-time", "details", "not-me"):
        assert client.post(page, {"action": action}).url == done
    assert client.get(page).url == done
    assert rows() == before


# ---------------------------------------------------------------- get never writes


def test_no_get_changes_anything(client, surgery):
    patient = patient_who_signs_in(client)
    visit = steps.booked(surgery, patient=patient)
    held = Appointment.objects.get(uuid=held_uuid(choose(client, surgery.consultation)))
    before = rows()
    pages = [
        reverse("booking:treatments"),
        times_of(surgery.consultation),
        times_of(surgery.treatment),
        reverse("booking:slots_json", args=[surgery.treatment.slug]),
        reverse("booking:hold", args=[held.uuid]),
        reverse("my"),
        *(reverse(f"booking:{name}", args=[visit.uuid]) for name in ("appointment", "move", "cancel", "calendar")),
    ]
    for page in pages:
        for method in (client.get, client.head, client.options):
            assert method(f"{page}?action=release&start={steps.slot(surgery).key}").status_code in (200, 405)
    assert rows() == before


@pytest.mark.parametrize("name", ["treatments", "slots_json"])
def test_pages_that_only_show_take_no_post(client, surgery, name):
    args = [surgery.consultation.slug] if name == "slots_json" else []
    assert client.post(reverse(f"booking:{name}", args=args), {}).status_code == 405


def test_a_post_without_its_token_is_refused(surgery):
    client = Client(enforce_csrf_checks=True)
    response = client.post(times_of(surgery.consultation), {"start": steps.slot(surgery).key})
    assert response.status_code == 403
    assert not Appointment.objects.exists()


def test_letters_of_every_kind_are_a_name(client, surgery, hold_page):
    client.post(hold_page, DETAILS | {"name": "Łukasz Ó Brádaigh-Çağla 李"})
    assert HoldDetails.objects.get().name == "Łukasz Ó Brádaigh-Çağla 李"
